//! Seeds of Bitget's language: what the venue says of our orders, whole and mutilated.

use kraite_core::id::Role;

use super::{Seeds, seeds_of};
use crate::wire::{SYMBOL, id};
use crate::{bitget_body, bitget_frame};

/// What the venue says instead of a success, as in "Bitget, Error Codes": name, status, code, words.
const REFUSALS: [(&str, u16, &str, &str); 12] = [
    ("margin", 400, "40754", "balance not enough"),
    ("margin-in-a-success", 200, "40754", "balance not enough"),
    ("margin-of-a-broken-server", 502, "40754", "balance not enough"),
    ("duplicate", 400, "40786", "Duplicate clientOid"),
    ("no-such-order", 400, "40109", "The data of the order cannot be found"),
    ("no-position", 400, "22002", "No position to close"),
    ("not-yet", 400, "43023", "Insufficient position, can not set profit or stop loss"),
    ("unlisted", 400, "39999", "new"),
    ("by-words", 400, "40808", "Parameter verification exception size scale error"),
    ("busy", 400, "40808", "system release error"),
    ("unified", 400, "40085", "You are in Unified Account mode"),
    ("skewed", 400, "40008", "Request timestamp expired"),
];

fn body(status: u16, text: &str) -> Vec<u8> {
    [&status.to_le_bytes(), text.as_bytes()].concat()
}

fn said(code: &str, words: &str, data: &str) -> String {
    format!(r#"{{"code":"{code}","msg":"{words}","requestTime":1700000000500,"data":{data}}}"#)
}

pub(super) fn bodies() -> Seeds {
    let (entry, stop, target) = (id(Role::Entry), id(Role::Stop), id(Role::Target));
    let leg = |number: u32, stop: &str, target: &str| {
        format!(r#"{{"orderId":"{number}","stopSurplusClientOid":"{target}","stopLossClientOid":"{stop}"}}"#)
    };
    let (stop, target) = (stop.to_string(), target.to_string());
    let order = format!(
        r#"{{"symbol":"{SYMBOL}","size":"30","orderId":"9","clientOid":"{entry}","baseVolume":"25","priceAvg":"0.3712","fee":"-0.01","price":"0.37","state":"partially_filled","side":"buy","posSide":"long","posMode":"hedge_mode","tradeSide":"open","orderType":"limit","cTime":"5","uTime":"6"}}"#
    );
    let unified = format!(
        r#"{{"category":"USDT-FUTURES","symbol":"{SYMBOL}","orderId":"9","clientOid":"{entry}","price":"0.37","qty":"30","side":"buy","posSide":"long","orderStatus":"partially_filled","cumExecQty":"25","avgPrice":"0.3712","holdMode":"hedge_mode","createdTime":"5","updatedTime":"6"}}"#
    );
    let batch = format!(
        r#"{{"successList":[{{"orderId":"22","clientOid":"{entry}"}}],"failureList":[{{"orderId":"","clientOid":"{entry}","errorMsg":"balance","errorCode":"40754"}}]}}"#
    );
    let position = format!(
        r#"[{{"symbol":"{SYMBOL}","marginCoin":"USDT","holdSide":"long","posMode":"hedge_mode","total":"30","available":"30","openPriceAvg":"0.371","leverage":"20","uTime":"7"}}]"#
    );
    let done = [
        ("placed", format!(r#"{{"orderId":"1190384645049036801","clientOid":"{entry}"}}"#)),
        ("pair", format!("[{},{}]", leg(11, &stop, ""), leg(22, "", &target))),
        ("pair-of-one", format!("[{}]", leg(11, &stop, ""))),
        ("pair-twice", format!("[{0},{0}]", leg(11, &stop, &target))),
        ("batch", batch),
        (
            "batch-of-the-other",
            format!(
                r#"[{{"orderId":"22","clientOid":"{entry}","code":"0","msg":"success"}},{{"orderId":"","clientOid":"{entry}","code":"25202","msg":"balance"}}]"#
            ),
        ),
        ("order", order.clone()),
        ("orders", format!(r#"{{"entrustedList":[{order}],"endId":"9"}}"#)),
        ("orders-of-none", r#"{"entrustedList":null,"endId":null}"#.to_owned()),
        ("unified-order", unified.clone()),
        ("unified-orders", format!(r#"{{"list":[{unified}],"cursor":"9"}}"#)),
        ("positions", position),
        ("time", r#"{"serverTime":"1700000000500"}"#.to_owned()),
        ("nothing", "null".to_owned()),
        ("closed-nothing", r#"{"successList":[],"failureList":[]}"#.to_owned()),
        ("closed", format!(r#"{{"successList":[{{"orderId":"8","symbol":"{SYMBOL}"}}],"failureList":[]}}"#)),
        ("float", format!(r#"{{"orderId":"1","clientOid":"{entry}","state":"live","baseVolume":0.5,"price":1e999}}"#)),
        ("rows-that-say-nothing", format!("[{}{{}}]", "{},".repeat(1_000))),
        ("deep", "[".repeat(3_000)),
    ];
    let mut seeds: Seeds = done
        .into_iter()
        .map(|(name, data)| (format!("done-{name}"), body(200, &said("00000", "success", &data))))
        .collect();
    seeds.extend(
        REFUSALS
            .map(|(name, status, code, words)| (format!("refusal-{name}"), body(status, &said(code, words, "null")))),
    );
    let placed = said("00000", "success", &format!(r#"{{"orderId":"1","clientOid":"{entry}"}}"#));
    let odd = [
        ("limited", body(429, "")),
        ("firewall", body(403, "<html><h1>403 Forbidden</h1></html>")),
        ("done-of-a-broken-server", body(504, &placed)),
        ("done-with-a-4xx", body(400, &placed)),
        ("empty", body(200, "")),
        ("page", body(200, "<html><body>Just a moment...</body></html>")),
        ("cut", body(200, placed.get(..60).unwrap())),
        ("no-code", body(200, &placed.replace("code", "kode"))),
    ];
    seeds.extend(odd.map(|(name, bytes)| (name.to_owned(), bytes)));
    seeds
}

pub(super) fn frames() -> Seeds {
    let (entry, stop) = (id(Role::Entry), id(Role::Stop));
    let push =
        |arg: &str, data: &str| format!(r#"{{"action":"snapshot","arg":{arg},"data":{data},"ts":1695718781206}}"#);
    let classic = |channel: &str, data: &str| {
        push(&format!(r#"{{"instType":"USDT-FUTURES","channel":"{channel}","instId":"default"}}"#), data)
    };
    let unified =
        |topic: &str, data: &str| push(&format!(r#"{{"instType":"UTA","topic":"{topic}","symbol":"default"}}"#), data);
    let order = format!(
        r#"[{{"instId":"{SYMBOL}","orderId":"9","clientOid":"{entry}","price":"0.37","size":"30","orderType":"limit","side":"buy","posSide":"long","posMode":"hedge_mode","tradeSide":"open","marginCoin":"USDT","status":"partially_filled","tradeId":"t1","fillPrice":"0.3712","baseVolume":"25","accBaseVolume":"25","fillTime":"5","fillFee":"-0.01","fillFeeCoin":"USDT","priceAvg":"0.3712","cTime":"4","uTime":"6"}}]"#
    );
    let plan = format!(
        r#"[{{"instId":"{SYMBOL}","orderId":"11","clientOid":"{stop}","triggerPrice":"0.34","triggerType":"mark_price","planType":"psl","size":"0","orderType":"market","side":"buy","tradeSide":"close","posSide":"long","status":"live","posMode":"hedge_mode","uTime":"7"}}]"#
    );
    let child = order.replace(&entry.to_string(), "11").replace(r#""tradeSide":"open""#, r#""tradeSide":"close""#);
    let other = format!(
        r#"[{{"category":"usdt-futures","symbol":"{SYMBOL}","orderId":"9","clientOid":"{entry}","price":"0.37","qty":"30","holdMode":"hedge_mode","holdSide":"long","tradeSide":"open","orderType":"limit","side":"buy","cumExecQty":"30","avgPrice":"0.3712","orderStatus":"filled","feeDetail":[{{"feeCoin":"USDT","fee":"0.1"}}],"createdTime":"4","updatedTime":"5"}}]"#
    );
    let fill = format!(
        r#"[{{"category":"usdt-futures","symbol":"{SYMBOL}","orderId":"9","clientOid":"{entry}","execId":"t1","orderType":"market","side":"buy","holdSide":"long","tradeSide":"open","tradeScope":"taker","execPrice":"0.3712","execQty":"30","feeDetail":[{{"feeCoin":"USDT","fee":"0.0066"}}],"execTime":"5","updatedTime":"6"}}]"#
    );
    let strategy = format!(
        r#"[{{"category":"usdt-futures","symbol":"{SYMBOL}","orderId":"77","clientOid":"{stop}aaaa","qty":"","side":"sell","posSide":"long","type":"tpsl","status":"pending","takeProfit":"0.41","stopLoss":"0.34","createdTime":"5","updatedTime":"6"}}]"#
    );
    let held = format!(
        r#"[{{"posId":"1","instId":"{SYMBOL}","marginCoin":"USDT","holdSide":"long","posMode":"hedge_mode","total":"30","available":"30","openPriceAvg":"0.371","leverage":20,"uTime":"7"}}]"#
    );
    let position = format!(
        r#"[{{"symbol":"{SYMBOL}","marginCoin":"USDT","holdMode":"hedge_mode","posSide":"short","size":"5","available":"5","avgPrice":"0.371","updatedTime":"7"}}]"#
    );
    let told = [
        ("order", classic("orders", &order)),
        ("order-paused", classic("orders", &order.replace("partially_filled", "paused"))),
        ("order-negative", classic("orders", &order.replace(r#""accBaseVolume":"25""#, r#""accBaseVolume":"-25""#))),
        (
            "liquidation",
            classic("orders", &order.replace(r#""tradeSide":"open""#, r#""tradeSide":"burst_close_long""#)),
        ),
        ("plan", classic("orders-algo", &plan)),
        ("plan-paused", classic("orders-algo", &plan.replace("live", "paused"))),
        ("positions", classic("positions", &held)),
        ("unified-order", unified("order", &other)),
        ("unified-order-paused", unified("order", &other.replace(r#""filled""#, r#""paused""#))),
        ("unified-fill", unified("fill", &fill)),
        ("unified-strategy", unified("strategy-order", &strategy)),
        ("unified-positions", unified("position", &position)),
        (
            "ticker",
            push(
                r#"{"instType":"USDT-FUTURES","channel":"ticker","instId":"ADAUSDT"}"#,
                r#"[{"instId":"ADAUSDT","markPrice":"0.37","ts":"7"}]"#,
            ),
        ),
        ("pong", "pong".to_owned()),
        ("signed-in", r#"{"event":"login","code":"0","connId":"x"}"#.to_owned()),
        ("refused", r#"{"event":"error","code":30005,"msg":"error"}"#.to_owned()),
        ("subscribed", r#"{"event":"subscribe","arg":{"instType":"UTA","topic":"order"}}"#.to_owned()),
        ("unknown-channel", classic("books", "[]")),
        ("deep", format!(r#"{{"arg":{{"channel":"orders"}},"data":{}"#, "[".repeat(3_000))),
        ("rows-that-say-nothing", classic("orders", &format!("[{}{{}}]", "{},".repeat(1_000)))),
        (
            "life-of-a-stop",
            [
                classic("orders-algo", &plan),
                classic("orders-algo", &plan.replace("live", "executed")),
                classic("orders", &child),
            ]
            .join("\n"),
        ),
    ];
    told.into_iter().map(|(name, text)| (name.to_owned(), text.into_bytes())).collect()
}

/// Some seeds are still accepted, refused and left unknown, and some frames still say something.
pub(super) fn still_reach() {
    let mut counted = [0; 3];
    for (_, seed) in seeds_of("bitget_body") {
        for (count, is) in counted.iter_mut().zip(bitget_body::fates(&seed)) {
            *count += usize::from(is);
        }
    }
    assert!(counted.iter().all(|count| *count >= 2), "accepted, refused, unknown: {counted:?}");
    let frames = seeds_of("bitget_frame");
    let telling = frames.iter().filter(|(_, seed)| bitget_frame::events_in(seed) > 0).count();
    assert!(telling >= 8 && frames.len() - telling >= 8, "{telling} of {} frames tell something", frames.len());
}
