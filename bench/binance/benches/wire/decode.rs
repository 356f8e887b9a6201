//! P18: from the bytes of an ORDER_TRADE_UPDATE to the event of the core, decimals included, beside reading the same
//! bytes into a plain borrowed struct in which every decimal stays a text.

use std::hint::black_box;

use kraite_bench_binance::id;
use kraite_binance::codec::Interpreter;
use kraite_binance::codec::frame::Frame;
use serde::Deserialize;

use crate::rounds::rounds;

const CALLS: u32 = 30_000;

/// Everything that the event is made of, as it stands in the frame.
#[derive(Deserialize)]
#[allow(dead_code, reason = "what counts is that it is read")]
struct Update<'a> {
    #[serde(rename = "E")]
    event_at: i64,
    #[serde(rename = "T")]
    at: i64,
    #[serde(borrow)]
    o: Order<'a>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "what counts is that it is read")]
struct Order<'a> {
    s: &'a str,
    c: &'a str,
    #[serde(rename = "S")]
    side: &'a str,
    o: &'a str,
    ot: &'a str,
    q: &'a str,
    p: &'a str,
    ap: &'a str,
    x: &'a str,
    #[serde(rename = "X")]
    status: &'a str,
    i: i64,
    l: &'a str,
    z: &'a str,
    #[serde(rename = "L")]
    last_price: &'a str,
    #[serde(rename = "N")]
    fee_asset: &'a str,
    n: &'a str,
    t: i64,
    m: bool,
    #[serde(rename = "R")]
    reduce_only: bool,
    ps: &'a str,
    cp: bool,
}

/// A partial fill under one of our ids, with every field that the venue documents.
fn frame() -> String {
    format!(
        r#"{{"e":"ORDER_TRADE_UPDATE","E":1700000000002,"T":1700000000001,"o":{{"s":"BTCUSDT","c":"{}","S":"BUY","o":"LIMIT","f":"GTC","q":"0.012","p":"67123.40","ap":"67123.40000","sp":"0","x":"TRADE","X":"PARTIALLY_FILLED","i":283194212,"l":"0.004","z":"0.008","L":"67123.40","n":"0.05369872","N":"USDT","T":1700000000001,"t":991234567,"b":"268.49360","a":"0","m":true,"R":false,"wt":"CONTRACT_PRICE","ot":"LIMIT","ps":"LONG","cp":false,"rp":"0","pP":false,"si":0,"ss":0,"V":"NONE","pm":"NONE","gtd":0}}}}"#,
        id()
    )
}

pub(crate) fn run() {
    let frame = frame();
    let mut interpreter = Interpreter::new();
    let told = interpreter.events(&Frame::read(frame.as_bytes()).expect("a frame"));
    assert_eq!((told.events.len(), told.skipped.len()), (1, 0), "{told:?}");
    let mut kraite = |calls: u32| {
        for _ in 0..calls {
            let frame = Frame::read(black_box(frame.as_bytes())).expect("a frame");
            black_box(interpreter.events(&frame));
        }
    };
    let mut borrowed = |calls: u32| {
        for _ in 0..calls {
            black_box(serde_json::from_slice::<Update<'_>>(black_box(frame.as_bytes())).expect("a frame"));
        }
    };
    let [kraite, borrowed] = rounds(CALLS, [&mut kraite, &mut borrowed]);
    for (what, kraite, borrowed) in
        [("best round", kraite.min, borrowed.min), ("middle round", kraite.median, borrowed.median)]
    {
        println!(
            "| P18: an order update of {} bytes to an event, ns, {what} | {kraite:.0} | {borrowed:.0} (serde_json, borrowed, no decimals) | {:.2} | at most 1.0, aim 0.4 |",
            frame.len(),
            kraite / borrowed
        );
    }
}
