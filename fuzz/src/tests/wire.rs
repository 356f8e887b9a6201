//! Seeds of the venue's language: the texts that the codec's tests are about, made to be about our orders.

use std::path::Path;

use kraite_core::id::Role;
use serde_json::Value;

use super::{Seeds, named, seeds_of};
use crate::wire::{SYMBOL, id};
use crate::{rest_body, ws_frame};

/// What the venue says with another status than 200, as in "Binance USD-M, Error Codes" and "General Info".
const REFUSALS: [(&str, u16, &str); 17] = [
    ("margin", 400, r#"{"code":-2019,"msg":"Margin is insufficient."}"#),
    ("margin-of-a-broken-server", 500, r#"{"code":-2019,"msg":"Margin is insufficient."}"#),
    ("gone", 400, r#"{"code":-2011,"msg":"Unknown order sent."}"#),
    ("no-such-order", 400, r#"{"code":-2013,"msg":"Order does not exist."}"#),
    ("no-such-order-502", 502, r#"{"code":-2013,"msg":"Order does not exist."}"#),
    ("duplicate", 400, r#"{"code":-4116,"msg":"ClientOrderId is duplicated."}"#),
    ("no-change", 400, r#"{"code":-5027,"msg":"No need to modify the order."}"#),
    ("unlisted", 400, r#"{"code":-31337,"msg":"new"}"#),
    ("timed-out", 408, r#"{"code":-1007,"msg":"Timeout waiting for response from backend server."}"#),
    ("skewed", 400, r#"{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}"#),
    ("banned", 418, r#"{"code":-1003,"msg":"Way too many requests; banned until 1763972531000."}"#),
    ("limited", 429, r#"{"code":-1015,"msg":"Too many new orders; current limit is 300 orders per TEN_SECONDS."}"#),
    ("unknown", 503, r#"{"code":-1,"msg":"Unknown error, please check your request or try again later."}"#),
    ("unavailable", 503, "Service Unavailable."),
    ("throttled", 503, r#"{"code":-1008,"msg":"Request throttled by system-level protection."}"#),
    ("firewall", 403, "<html><h1>403 Forbidden</h1></html>"),
    ("code-in-quotes", 400, r#"{"code":"-2021","msg":"Order would immediately trigger."}"#),
];

/// Bodies of a success that are none.
const UNREADABLE: [(&str, &str); 6] = [
    ("page", "<html><body>Just a moment...</body></html>"),
    ("nothing", ""),
    ("cut", r#"{"orderId":1,"clientOrderId":"#),
    ("code-within", r#"{"code":-2019,"msg":"Margin is insufficient."}"#),
    ("twice", r#"{"orderId":1,"orderId":2,"status":"NEW"}"#),
    ("float", r#"{"orderId":1,"status":"NEW","executedQty":0.5,"price":1e999}"#),
];

fn golden(of: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kraite-binance/tests/golden").join(of);
    let mut all: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    all.sort();
    all
}

/// The same JSON about the orders that the bodies of the targets ask for.
fn ours(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match name.as_str() {
                    "clientOrderId" => *field = id(Role::Entry).to_string().into(),
                    "clientAlgoId" => *field = id(Role::Stop).to_string().into(),
                    "symbol" => *field = SYMBOL.into(),
                    _ => *field = ours(field.take()),
                }
            }
        }
        Value::Array(rows) => rows.iter_mut().for_each(|row| *row = ours(row.take())),
        _ => {}
    }
    value
}

fn body(status: u16, text: &str) -> Vec<u8> {
    [&status.to_le_bytes(), text.as_bytes()].concat()
}

pub(super) fn bodies() -> Seeds {
    let mut seeds: Seeds = golden("replies")
        .iter()
        .map(|(name, text)| {
            let about_us = serde_json::from_str(text).map_or(text.clone(), |value| ours(value).to_string());
            (format!("reply-{name}"), body(200, &about_us))
        })
        .collect();
    let rung = id(Role::Rung(1));
    let legs = format!(
        r#"[{{"code":-2019,"msg":"Margin is insufficient."}},{{"orderId":2,"clientOrderId":"{}","status":"NEW","symbol":"{SYMBOL}","side":"BUY"}}]"#,
        id(Role::Entry)
    );
    seeds.push(("legs".into(), body(200, &legs)));
    let unlisted =
        format!(r#"[{{"code":-31337,"msg":"new"}},{{"orderId":2,"clientOrderId":"{rung}","status":"LIMBO"}}]"#);
    seeds.push(("legs-unlisted".into(), body(200, &unlisted)));
    seeds.push(("rows-that-say-nothing".into(), body(200, &format!("[{}{{}}]", "{},".repeat(1_000)))));
    seeds.push(("deep".into(), body(200, &format!(r#"{{"orderId":1,"x":{}"#, "[".repeat(3_000)))));
    seeds.extend(REFUSALS.map(|(name, status, text)| (format!("refusal-{name}"), body(status, text))));
    seeds.extend(UNREADABLE.map(|(name, text)| (format!("unreadable-{name}"), body(200, text))));
    seeds
}

pub(super) fn frames() -> Seeds {
    let frames = golden("frames");
    let of = |name: &str| frames.iter().find(|(known, _)| known == name).unwrap().1.trim_end().to_owned();
    let mut seeds: Seeds =
        frames.iter().map(|(name, text)| (name.clone(), text.trim_end().as_bytes().to_vec())).collect();
    let amended = of("order_amended");
    let triggered = of("algo_triggered");
    let mark = of("mark_price");
    let changed = [
        ("status-unknown", amended.replace(r#""X":"NEW""#, r#""X":"LIMBO""#)),
        ("execution-unknown", amended.replace(r#""x":"AMENDMENT""#, r#""x":"TELEPORT""#)),
        ("side-unknown", amended.replace(r#""S":"BUY""#, r#""S":"BOTH""#)),
        ("algo-unknown", triggered.replace(r#""X":"TRIGGERED""#, r#""X":"PARTIALLY_TRIGGERED""#)),
        ("event-unknown", r#"{"e":"GRID_UPDATE","x":[[]]}"#.to_owned()),
        ("wrapped", format!(r#"{{"stream":"btcusdt@markPrice@1s","data":{mark}}}"#)),
        ("marks", format!(r#"{{"stream":"!markPrice@arr@1s","data":[{mark}]}}"#)),
        ("refused", r#"{"error":{"code":2,"msg":"Invalid request"},"id":7}"#.to_owned()),
        ("negative", of("order_filled").replace(r#""z":"20""#, r#""z":"-20""#)),
        ("deep", format!(r#"{{"e":"x","d":{}"#, "{\"a\":".repeat(700))),
        ("rows-that-say-nothing", format!("[{}{{}}]", "{},".repeat(1_000))),
        ("life-of-a-stop", [of("algo_triggering"), triggered, of("algo_finished"), of("order_filled")].join("\n")),
    ];
    seeds.extend(changed.map(|(name, text)| (name.to_owned(), text.into_bytes())));
    seeds
}

/// A key, an instant, and texts.
fn query(ed25519: bool, at: i64, texts: &[&str]) -> Vec<u8> {
    let mut out = vec![u8::from(ed25519)];
    out.extend(at.to_le_bytes());
    out.push(u8::try_from(texts.len()).unwrap());
    for text in texts {
        out.extend([0, u8::try_from(text.len()).unwrap()]);
        out.extend(text.bytes());
    }
    // A quantity of 1.5, and no more.
    out.push(1);
    out.extend(15i32.to_le_bytes());
    out
}

pub(super) fn queries() -> Seeds {
    let at = 1_700_000_000_000;
    named(vec![
        ("plain", query(false, at, &["ADAUSDT", "caaaoaaaamaaaaaaaaabbaum", "0.3713"])),
        ("plain-ed25519", query(true, at, &["ADAUSDT", "caaaoaaaamaaaaaaaaabbaum", "0.3713"])),
        ("not-latin", query(false, at, &["币安人生USDT", "é", "\u{1f680}"])),
        ("not-latin-ed25519", query(true, at, &["币安人生USDT"])),
        ("injected", query(false, at, &["ADAUSDT&side=SELL", "x&signature=00", "a=b&timestamp=1"])),
        ("escapes", query(false, at, &["100%", "a+b c", "%26%3D", "#?/:;@", "\"\\\u{0}\n"])),
        ("json", query(false, at, &[r#"[{"a":"b"}]"#, "{}", "'"])),
        ("bad-utf8", [query(false, at, &[]), vec![6, 0, 3, 0xff, 0xc3, 0x28, 1, 255, 255]].concat()),
        ("ends-of-time", query(false, i64::MIN, &["ADAUSDT"])),
        ("empty", query(true, i64::MAX, &["", ""])),
    ])
}

/// Some seeds are still accepted, refused and left unknown, and some frames still say something.
pub(super) fn still_reach() {
    let mut counted = [0; 3];
    for (_, seed) in seeds_of("rest_body") {
        for (count, is) in counted.iter_mut().zip(rest_body::fates(&seed)) {
            *count += usize::from(is);
        }
    }
    assert!(counted.iter().all(|count| *count >= 4), "accepted, refused, unknown: {counted:?}");
    let frames = seeds_of("ws_frame");
    let telling = frames.iter().filter(|(_, seed)| ws_frame::events_in(seed) > 0).count();
    assert!(telling >= 8 && frames.len() - telling >= 8, "{telling} of {} frames tell something", frames.len());
}
