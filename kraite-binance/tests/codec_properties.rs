//! Properties of the codec over anything that may be asked or may arrive.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use common::{SECRET, SENT, credentials, id, new_order, order_ref};
use kraite_binance::codec::calls::*;
use kraite_binance::codec::frame::Frame;
use kraite_binance::codec::{
    Answer, Call, Carrier, Failure, Interpreter, Params, Signer, SocketReply, Stamp, UsedLimits, account_balances,
    balances, encode, fee_rates, key_rights, leverage_set, listen_key, marks, mode_set, position_mode, positions,
    server_time,
};
use kraite_binance::{ExchangeInfo, read_brackets};
use kraite_core::exchange::{
    Amend, Direction, OrderShape, Outcome, PositionMode, Service, Side, StreamEvent, TriggerBy, TriggerSize,
};
use kraite_core::id::{MAX_RUNGS, Role, Symbol};
use kraite_core::number::{Price, Qty};
use kraite_core::time::{Millis, VenueMillis};
use proptest::prelude::*;

const REPLIES: &[&str] = &[
    include_str!("golden/replies/account.json"),
    include_str!("golden/replies/algo_cancelled.json"),
    include_str!("golden/replies/algo_finished.json"),
    include_str!("golden/replies/balances.json"),
    include_str!("golden/replies/batch.json"),
    include_str!("golden/replies/brackets.json"),
    include_str!("golden/replies/exchange_info.json"),
    include_str!("golden/replies/order_placed.json"),
    include_str!("golden/replies/order_queried.json"),
    include_str!("golden/replies/positions_hedge.json"),
    include_str!("golden/replies/premium_index.json"),
    include_str!("golden/replies/socket_placed.json"),
    include_str!("golden/replies/socket_error.json"),
    include_str!("golden/replies/user_trades.json"),
];
const FRAMES: &[&str] = &[
    include_str!("golden/frames/account_update.json"),
    include_str!("golden/frames/algo_cancelled.json"),
    include_str!("golden/frames/algo_finished.json"),
    include_str!("golden/frames/listen_key_expired.json"),
    include_str!("golden/frames/margin_call.json"),
    include_str!("golden/frames/mark_price.json"),
    include_str!("golden/frames/order_all_keys.json"),
    include_str!("golden/frames/order_amended.json"),
    include_str!("golden/frames/order_filled.json"),
    include_str!("golden/frames/subscribed.json"),
    include_str!("golden/frames/trade_lite.json"),
];

fn price() -> impl Strategy<Value = Price> {
    (1i64..i64::MAX, 0u32..19).prop_map(|(units, scale)| Price::from_units(units, scale).unwrap())
}

fn qty() -> impl Strategy<Value = Qty> {
    (1i64..i64::MAX, 0u32..19).prop_map(|(units, scale)| Qty::from_units(units, scale).unwrap())
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![
        Just(Role::Entry),
        (1..=MAX_RUNGS).prop_map(Role::Rung),
        Just(Role::Target),
        Just(Role::Stop),
        Just(Role::Close)
    ]
}

fn shape() -> impl Strategy<Value = OrderShape> {
    let by = prop_oneof![Just(TriggerBy::Mark), Just(TriggerBy::Last)];
    let size = prop_oneof![qty().prop_map(TriggerSize::Qty), Just(TriggerSize::ClosePosition)];
    let trigger = (price(), by, size, any::<bool>());
    prop_oneof![
        qty().prop_map(|qty| OrderShape::Market { qty }),
        (price(), qty()).prop_map(|(price, qty)| OrderShape::Limit { price, qty }),
        trigger.prop_map(|(trigger, by, size, stop)| if stop {
            OrderShape::StopMarket { trigger, by, size }
        } else {
            OrderShape::TakeProfitMarket { trigger, by, size }
        }),
    ]
}

/// A text read again, with a reader that is not ours: the parameters and what the venue would sign.
fn read_again(text: &str) -> (Vec<(String, String)>, String, String) {
    let (payload, signature) = text.rsplit_once("&signature=").unwrap();
    assert!(text.is_ascii() && !text.contains([' ', '"', '{', '[', '+']), "{text}");
    let part = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'%' => {
                    let hex = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
                }
                other => other,
            });
        }
        String::from_utf8(bytes).unwrap()
    };
    let pairs = payload.split('&').map(|pair| pair.split_once('=').unwrap()).map(|(k, v)| (part(k), part(v)));
    (pairs.collect(), payload.to_owned(), signature.to_owned())
}

fn round_trip<C: Call>(call: &C, carrier: Carrier, at: i64) -> Vec<(String, String)> {
    let mut params = Params::new();
    call.parameters(&mut params);
    let sent = encode(call, carrier, Stamp::of_read(VenueMillis(at), Millis(3_000)), &credentials()).unwrap();
    let text = sent.form.as_ref().unwrap_or(&sent.query);
    let (read, payload, signature) = read_again(text);
    let mut expected: Vec<(String, String)> =
        params.iter().map(|(name, value)| (name.to_owned(), value.as_str().to_owned())).collect();
    expected.push(("recvWindow".into(), "3000".into()));
    expected.push(("timestamp".into(), at.to_string()));
    assert_eq!(read, expected);
    assert_eq!(Signer::hmac(&SECRET.into()).unwrap().sign(&payload).unwrap(), signature);
    read
}

fn value<'a>(read: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut all = read.iter().filter(|(n, _)| n == name);
    let found = all.next().map(|(_, value)| value.as_str());
    assert!(all.next().is_none(), "{name} twice");
    found
}

/// Everything that reads bytes reads these; nothing may panic, and no success may become a refusal.
fn read_everything(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut interpreter = Interpreter::new();
    if let Ok(frame) = Frame::read(bytes) {
        let _ = format!("{frame:?}");
        for event in interpreter.events(&frame).events {
            if let StreamEvent::Order(report) = event {
                prop_assert!(report.executed.is_none_or(|qty| !qty.is_negative()));
                prop_assert!(report.trade.is_none_or(|t| t.qty.is_positive() && t.price.is_positive()));
            }
        }
    }
    if let Some(reply) = SocketReply::read(bytes) {
        let _ = (Failure::of(reply.answer()), reply.used_limits());
    }
    let text = String::from_utf8_lossy(bytes);
    let _ = read_brackets(&text);
    let _ = ExchangeInfo::read(&text).map(|info| (info.instruments(None), info.rate_limits().len()));
    let _ = UsedLimits::of([("Retry-After", &*text), ("X-MBX-USED-WEIGHT-1M", &*text)]);
    let market = OrderShape::Market { qty: "1".parse().unwrap() };
    let (trigger, by) = ("1".parse().unwrap(), TriggerBy::Mark);
    let stop = OrderShape::StopMarket { trigger, by, size: TriggerSize::ClosePosition };
    for status in [200, 400, 418, 429, 500, 503] {
        let answer = Answer { status, body: bytes };
        let mut outcomes = Vec::new();
        for (role, shape) in [(Role::Entry, market), (Role::Stop, stop)] {
            let order = Placement::of(&new_order(role, Direction::Long, PositionMode::OneWay, shape)).unwrap();
            outcomes.push(interpreter.placed(&order, SENT, answer));
            if let Placement::Regular(order) = order {
                let batch = PlaceBatch::new(vec![order.clone(), order]).unwrap();
                let legs = interpreter.placed_batch(&batch, SENT, answer);
                prop_assert_eq!(legs.len(), 2);
                // A leg of a batch may be refused inside a success; nothing else may.
                outcomes.extend(legs.into_iter().filter(|_| status != 200));
            }
        }
        for service in [Service::Regular, Service::Conditional] {
            let order = order_ref(Role::Stop, service, None);
            outcomes.push(interpreter.cancelled(&order, SENT, answer));
            let _ = interpreter.looked_up(&order, SENT, answer);
            let (price, qty) = ("1".parse().unwrap(), "1".parse().unwrap());
            outcomes.push(interpreter.amended(&Amend { order, side: Side::Sell, price, qty }, SENT, answer));
        }
        outcomes.push(leverage_set(&Symbol::new("ADAUSDT"), 3, answer));
        outcomes.push(mode_set(answer));
        for outcome in outcomes {
            let refused = matches!(outcome, Outcome::Rejected(_));
            prop_assert!(!(refused && (status == 200 || status == 500)), "{status}: {outcome:?}");
            prop_assert!(!(status != 200 && matches!(&outcome, Outcome::Accepted(ack) if ack.report.is_some())));
        }
        let _ = (interpreter.orders(SENT, answer), interpreter.algos(SENT, answer), interpreter.fills(answer));
        let _ = (positions(SENT, answer), balances(answer), account_balances(answer), server_time(answer));
        let _ = (marks(answer), position_mode(answer), fee_rates(answer), key_rights(answer), listen_key(answer));
    }
    Ok(())
}

/// JSON of any shape, with the venue's own names and words more often than chance would have it.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let word = prop_oneof![
        Just("NEW"),
        Just("FILLED"),
        Just("BUY"),
        Just("LONG"),
        Just("BOTH"),
        Just("ORDER_TRADE_UPDATE"),
        Just("ALGO_UPDATE"),
        Just("ACCOUNT_UPDATE"),
        Just("markPriceUpdate"),
        Just("-1"),
        Just("9223372036854775807"),
        Just("0.1"),
        Just("NaN"),
        Just(""),
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        word.prop_map(Into::into),
        Just(id(Role::Stop, 3).to_string()).prop_map(Into::into),
        ".{0,12}".prop_map(Into::into),
    ];
    let name = prop_oneof![
        Just("e"),
        Just("E"),
        Just("T"),
        Just("o"),
        Just("a"),
        Just("B"),
        Just("P"),
        Just("s"),
        Just("c"),
        Just("S"),
        Just("q"),
        Just("p"),
        Just("x"),
        Just("X"),
        Just("i"),
        Just("l"),
        Just("z"),
        Just("L"),
        Just("t"),
        Just("ps"),
        Just("aid"),
        Just("caid"),
        Just("ai"),
        Just("aq"),
        Just("orderId"),
        Just("clientOrderId"),
        Just("status"),
        Just("side"),
        Just("symbol"),
        Just("code"),
        Just("msg"),
        Just("algoId"),
        Just("clientAlgoId"),
        Just("algoStatus"),
        Just("positionAmt"),
        Just("positionSide"),
        Just("data"),
        Just("stream"),
        Just("result"),
        Just("error"),
        Just("leverage"),
        Just("executedQty"),
    ];
    leaf.prop_recursive(4, 48, 12, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            proptest::collection::vec((name.clone(), inner), 0..12).prop_map(|fields| {
                serde_json::Value::Object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r19_what_is_sent_reads_back_and_is_what_was_signed(
        role in role(), long in any::<bool>(), hedge in any::<bool>(), shape in shape(), at in 1i64..i64::MAX,
        symbol in "[A-Z0-9\u{4e00}-\u{9fa5}&=?/ %+]{1,12}", form in any::<bool>(),
    ) {
        let direction = if long { Direction::Long } else { Direction::Short };
        let mode = if hedge { PositionMode::Hedge } else { PositionMode::OneWay };
        let carrier = if form { Carrier::Form } else { Carrier::Query };
        let mut order = new_order(role, direction, mode, shape);
        order.symbol = Symbol::new(&symbol);
        let Ok(placement) = Placement::of(&order) else {
            let opens_whatever = !role.is_exit() && shape.is_conditional() && shape.qty().is_none();
            prop_assert!(opens_whatever);
            return Ok(());
        };
        let read = match &placement {
            Placement::Regular(call) => round_trip(call, carrier, at),
            Placement::Algo(call) => round_trip(call, carrier, at),
        };
        prop_assert_eq!(value(&read, "symbol"), Some(symbol.as_str()));
        // Exact decimals: what was asked is what reads back, to the last digit.
        prop_assert_eq!(value(&read, "quantity").map(|q| q.parse().unwrap()), shape.qty());
        let trigger = value(&read, "price").or(value(&read, "triggerPrice"));
        prop_assert_eq!(trigger.map(|p| p.parse().unwrap()), shape.price());
        let placed_under = value(&read, "newClientOrderId").or(value(&read, "clientAlgoId"));
        prop_assert_eq!(placed_under.map(str::parse), Some(Ok(order.id)));
        prop_assert!(!(value(&read, "positionSide").is_some() && value(&read, "reduceOnly").is_some()), "-1106");
        // Every exit is close-only in one of the three ways.
        let close_only = value(&read, "reduceOnly") == Some("true")
            || value(&read, "closePosition") == Some("true")
            || value(&read, "positionSide").is_some();
        prop_assert!(!role.is_exit() || close_only);
        if let Placement::Regular(call) = placement {
            let batch = PlaceBatch::new(vec![call; 3]).unwrap();
            let read = round_trip(&batch, carrier, at);
            let rows: Vec<std::collections::BTreeMap<String, String>> =
                serde_json::from_str(value(&read, "batchOrders").unwrap()).unwrap();
            prop_assert_eq!(rows.len(), 3);
            prop_assert_eq!(rows[0].get("symbol"), Some(&symbol));
        }
    }

    #[test]
    fn ids_up_to_the_last_survive_the_way_out_and_back(number in prop_oneof![Just(i64::MAX), 1i64..i64::MAX]) {
        let order = order_ref(Role::Target, Service::Regular, Some(&number.to_string()));
        let read = round_trip(&CancelOrder::of(&order), Carrier::Query, 1);
        prop_assert_eq!(value(&read, "orderId").map(str::to_owned), Some(number.to_string()));
        let body = format!(
            r#"{{"orderId":{number},"clientOrderId":"{}","symbol":"ADAUSDT","side":"SELL","status":"CANCELED"}}"#,
            id(Role::Target, 3)
        );
        let outcome = Interpreter::new().cancelled(&order, SENT, common::ok(&body));
        let Outcome::Accepted(ack) = outcome else { panic!("{outcome:?}") };
        prop_assert_eq!(ack.report.unwrap().venue_id.to_string(), number.to_string());
    }

    #[test]
    fn r22_decimals_arrive_with_every_digit(
        units in 1i64..i64::MAX, scale in 0u32..19, zeros in "0{0,6}",
    ) {
        let exact = Qty::from_units(units, scale).unwrap();
        let text = exact.to_string();
        let padded = if text.contains('.') { format!("{text}{zeros}") } else { format!("{text}.0{zeros}") };
        let frame = include_str!("golden/frames/order_filled.json").replace(r#""z":"20""#, &format!(r#""z":"{padded}""#));
        let events = Interpreter::new().events(&Frame::read(frame.as_bytes()).unwrap());
        let [StreamEvent::Order(report)] = &events.events[..] else { panic!("{events:?}") };
        prop_assert_eq!(report.executed, Some(exact));
    }

    #[test]
    fn c09_any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        read_everything(&bytes)?;
    }

    #[test]
    fn c09_any_json_is_read_without_a_panic(json in json()) {
        read_everything(json.to_string().as_bytes())?;
    }

    #[test]
    fn c09_golden_answers_with_a_hole_or_a_wrong_byte_are_read_without_a_panic(
        which in any::<prop::sample::Index>(), from in any::<prop::sample::Index>(), len in 0usize..40,
        with in proptest::collection::vec(any::<u8>(), 0..8),
    ) {
        let all: Vec<&str> = REPLIES.iter().chain(FRAMES).copied().collect();
        let mut bytes = which.get(&all).as_bytes().to_vec();
        let from = from.index(bytes.len());
        let to = bytes.len().min(from + len);
        bytes.splice(from..to, with);
        read_everything(&bytes)?;
    }
}

#[test]
fn c09_every_prefix_of_every_golden_text_is_read_without_a_panic() {
    for text in REPLIES.iter().chain(FRAMES) {
        for end in (0..text.len()).step_by(7) {
            read_everything(&text.as_bytes()[..end]).unwrap();
        }
        read_everything(text.as_bytes()).unwrap();
    }
}

#[test]
fn mutant_a_signature_over_other_bytes_is_noticed() {
    // What a client does that signs before it encodes.
    let signer = Signer::hmac(&SECRET.into()).unwrap();
    let raw = "symbol=币USDT&timestamp=1";
    let sent = format!("symbol=%E5%B8%81USDT&timestamp=1&signature={}", signer.sign(raw).unwrap());
    let (_, payload, signature) = read_again(&sent);
    assert_ne!(signer.sign(&payload).unwrap(), signature);
}
