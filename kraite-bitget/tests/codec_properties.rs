//! Properties of the codec over anything that may be asked or may arrive.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use common::{BOTH, SECRET, SENT, credentials, done, id, new_order, order_ref, pair, terms};
use kraite_bitget::codec::calls::{Placement, classic, unified};
use kraite_bitget::codec::frame::Frame;
use kraite_bitget::codec::{
    Answer, Call, Failure, Generation, Interpreter, Method, PairName, Product, Signer, Stamp, UsedLimits, balances,
    classic_setup, closed, encode, fee_rates, generation, key_rights, leverage_set, margin_set, marks, mode_set,
    positions, server_time, setting_set, unified_setup,
};
use kraite_bitget::{Contracts, read_brackets};
use kraite_core::exchange::{
    Direction, MarginMode, OrderShape, Outcome, PositionMode, Service, StreamEvent, TriggerBy, TriggerSize,
};
use kraite_core::id::{MAX_RUNGS, Role, Symbol};
use kraite_core::number::{Price, Qty};
use kraite_core::time::VenueMillis;
use proptest::prelude::*;
use secrecy::ExposeSecret;

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

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Long), Just(Direction::Short)]
}

fn mode() -> impl Strategy<Value = PositionMode> {
    prop_oneof![Just(PositionMode::Hedge), Just(PositionMode::OneWay)]
}

fn margin() -> impl Strategy<Value = MarginMode> {
    prop_oneof![Just(MarginMode::Cross), Just(MarginMode::Isolated)]
}

fn shape() -> impl Strategy<Value = OrderShape> {
    prop_oneof![
        qty().prop_map(|qty| OrderShape::Market { qty }),
        (price(), qty()).prop_map(|(price, qty)| OrderShape::Limit { price, qty }),
        (price(), qty(), any::<bool>()).prop_map(|(trigger, qty, stop)| {
            let (by, size) = (TriggerBy::Mark, TriggerSize::Qty(qty));
            if stop {
                OrderShape::StopMarket { trigger, by, size }
            } else {
                OrderShape::TakeProfitMarket { trigger, by, size }
            }
        }),
    ]
}

/// The body of a call, read again by another reader, after its signature was checked.
fn round_trip<C: Call>(call: &C, at: i64) -> serde_json::Map<String, serde_json::Value> {
    let sent = encode(call, Stamp::of_read(VenueMillis(at)), &credentials()).unwrap();
    let body = sent.body.clone().unwrap();
    assert_eq!((sent.method, sent.query.as_str()), (Method::Post, ""));
    let payload = format!("{at}POST{}{body}", C::PATH);
    let signature = Signer::hmac(&SECRET.into()).unwrap().sign(&payload).unwrap();
    assert_eq!(sent.signature().unwrap().expose_secret(), signature);
    serde_json::from_str(&body).unwrap()
}

fn decimal<T: std::str::FromStr + PartialEq + std::fmt::Debug>(
    fields: &serde_json::Map<String, serde_json::Value>,
    name: &str,
    wanted: T,
) where
    T::Err: std::fmt::Debug,
{
    assert_eq!(fields[name].as_str().unwrap().parse::<T>().unwrap(), wanted, "{name}");
}

proptest! {
    #[test]
    fn r22_what_is_asked_arrives_exactly(
        role in role(), direction in direction(), mode in mode(), margin in margin(), shape in shape(), at in 0i64..i64::MAX / 2
    ) {
        let new = new_order(role, direction, mode, shape);
        let placement = Placement::of(&new, terms(Generation::Classic, margin));
        prop_assert_eq!(placement.is_err(), shape.is_conditional() && !role.is_exit());
        let Ok(placement) = placement else { return Ok(()) };
        let (v2, v3) = match &placement {
            Placement::Regular(order) =>
                (round_trip(&classic::PlaceOrder(order.clone()), at), round_trip(&unified::PlaceOrder(order.clone()), at)),
            Placement::Plan(plan) =>
                (round_trip(&classic::PlacePlan(plan.clone()), at), round_trip(&unified::PlacePlan(plan.clone()), at)),
        };
        for fields in [&v2, &v3] {
            prop_assert!(fields.values().all(serde_json::Value::is_string));
            prop_assert_eq!(fields["clientOid"].as_str().unwrap(), id(role).to_string());
            prop_assert_eq!(fields["symbol"].as_str().unwrap(), "ADAUSDT");
        }
        decimal(&v2, "size", shape.qty().unwrap());
        decimal(&v3, "qty", shape.qty().unwrap());
        match (shape, shape.price()) {
            (OrderShape::Limit { .. }, Some(price)) => {
                decimal(&v2, "price", price);
                decimal(&v3, "price", price);
            }
            (_, Some(trigger)) => decimal(&v2, "triggerPrice", trigger),
            (_, None) => prop_assert!(!v2.contains_key("price") && !v3.contains_key("price")),
        }
        if let Placement::Regular(_) = placement {
            let word = if margin == MarginMode::Cross { "crossed" } else { "isolated" };
            prop_assert_eq!((&v2["marginMode"], &v3["marginMode"]), (&word.into(), &word.into()));
            // Closing is said in every mode of both generations, and never twice.
            let close = |fields: &serde_json::Map<String, serde_json::Value>, name: &str, word: &str| {
                fields.get(name).is_some_and(|value| value == word)
            };
            prop_assert_eq!(close(&v2, "tradeSide", "close") || close(&v2, "reduceOnly", "YES"), role.is_exit());
            prop_assert!(!(v2.contains_key("tradeSide") && v2.contains_key("reduceOnly")));
            prop_assert!(!(v3.contains_key("posSide") && v3.contains_key("reduceOnly")));
            if mode == PositionMode::OneWay {
                prop_assert_eq!(close(&v3, "reduceOnly", "yes"), role.is_exit());
            }
        }
    }

    #[test]
    fn r107_the_name_of_a_pair_is_read_back(revision in 0u16..4_096, direction in direction(), mode in mode()) {
        let pair = pair(revision, direction, mode);
        let name = PairName::of(&pair).unwrap();
        prop_assert_eq!(PairName::read(&name.text()), Some(name));
        let fields = round_trip(&unified::PlacePair::of(&pair, Product::Usdt).unwrap(), 1);
        let text = fields["clientOid"].as_str().unwrap();
        prop_assert!(text.len() <= 32 && text.bytes().all(|b| b.is_ascii_alphanumeric()));
    }

    #[test]
    fn no_bytes_panic_or_turn_a_success_into_a_refusal(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_everything(&bytes)?;
    }

    #[test]
    fn no_json_panics_or_turns_a_success_into_a_refusal(value in json()) {
        read_everything(value.to_string().as_bytes())?;
        read_everything(done(&value.to_string()).as_bytes())?;
        for channel in ["orders", "orders-algo", "positions", "fill", "account", "ticker"] {
            read_everything(format!(r#"{{"arg":{{"channel":"{channel}"}},"data":[{value}],"ts":1}}"#).as_bytes())?;
        }
        for topic in ["order", "strategy-order", "position", "fill", "fast-fill", "account"] {
            read_everything(format!(r#"{{"arg":{{"topic":"{topic}"}},"data":[{value}],"ts":1}}"#).as_bytes())?;
        }
    }
}

/// JSON of any shape, with the venue's own names and words more often than chance would have it.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let words = vec![
        "live",
        "filled",
        "canceled",
        "pending",
        "success",
        "executed",
        "buy",
        "sell",
        "long",
        "short",
        "net",
        "open",
        "close",
        "hedge_mode",
        "one_way_mode",
        "pos_profit",
        "psl",
        "tpsl",
        "takeProfit",
        "stopLoss",
        "ADAUSDT",
        "-1",
        "0",
        "0.5",
        "00000",
        "40786",
        "22002",
        "pos_loss_market",
        "burst_close_long",
        "",
    ];
    let names = vec![
        "code",
        "msg",
        "data",
        "list",
        "entrustedList",
        "fillList",
        "successList",
        "failureList",
        "orderId",
        "clientOid",
        "symbol",
        "instId",
        "side",
        "posSide",
        "holdSide",
        "posMode",
        "holdMode",
        "tradeSide",
        "orderSource",
        "status",
        "state",
        "orderStatus",
        "planStatus",
        "planType",
        "triggerType",
        "triggerPrice",
        "takeProfit",
        "stopLoss",
        "size",
        "qty",
        "price",
        "baseVolume",
        "accBaseVolume",
        "cumExecQty",
        "tradeId",
        "execId",
        "execPrice",
        "execQty",
        "fillPrice",
        "feeDetail",
        "total",
        "uTime",
        "updatedTime",
        "cTime",
        "executeOrderId",
        "stopLossClientOid",
        "stopSurplusClientOid",
        "errorCode",
        "subOrderId",
        "endId",
        "cursor",
    ];
    let ids = (Just(()), role()).prop_map(|((), role)| serde_json::Value::String(id(role).to_string()));
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_map(serde_json::Value::from),
        prop::sample::select(words).prop_map(serde_json::Value::from),
        ids,
        ".{0,12}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 64, 12, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            prop::collection::vec((prop::sample::select(names.clone()), inner), 0..14)
                .prop_map(|fields| fields.into_iter().map(|(n, v)| (n.to_owned(), v)).collect()),
        ]
    })
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
    let text = String::from_utf8_lossy(bytes);
    let _ = (read_brackets(&text).is_ok(), Contracts::read(&text).is_ok());
    let _ = UsedLimits::of([("Retry-After", &*text), ("x-mbx-used-remain-limit", &*text)]);
    let order = common::order(Role::Entry, Direction::Long, PositionMode::Hedge, common::market("1"));
    let whole = pair(0, Direction::Long, PositionMode::Hedge);
    let (symbol, product) = (Symbol::new("ADAUSDT"), Product::Usdt);
    for status in [200, 400, 429, 500, 503] {
        let answer = Answer { status, body: bytes };
        let _ = Failure::of(answer);
        // What is refused inside a success is refused by the venue's own code: the others never are.
        let mut inside = interpreter.placed_batch(&[order.clone(), order.clone()], SENT, answer);
        prop_assert_eq!(inside.len(), 2);
        inside.push(closed(&symbol, answer));
        let mut outcomes = vec![interpreter.placed_order(&order, SENT, answer)];
        let pairs = [
            interpreter.placed_pair(&classic::PlacePair::of(&whole, product).unwrap(), SENT, answer),
            interpreter.placed_strategy(&unified::PlacePair::of(&whole, product).unwrap(), SENT, answer),
            interpreter.changed_strategy(
                &unified::ModifyPair { strategy: "7".into(), pair: whole.clone() },
                SENT,
                answer,
            ),
        ];
        outcomes.extend(pairs.into_iter().flat_map(|pair| [pair.stop, pair.target]));
        let regular = order_ref(Role::Entry, Service::Regular, None);
        let plan = order_ref(Role::Stop, Service::PositionPlan, Some("plan:7"));
        outcomes.push(interpreter.cancelled(&regular, answer));
        outcomes.push(interpreter.amended(&regular, answer));
        inside.push(interpreter.cancelled_plan(&plan, answer));
        outcomes.push(interpreter.cancelled_strategy(&plan, answer));
        let (margin, mode) = (MarginMode::Cross, PositionMode::Hedge);
        let leverage = classic::SetLeverage { symbol: symbol.clone(), product, margin, mode, leverage: 3 };
        outcomes.push(leverage_set(&leverage, answer));
        outcomes.push(margin_set(&classic::SetMarginMode { symbol: symbol.clone(), product, margin }, answer));
        outcomes.push(mode_set(&classic::SetPositionMode { product, mode }, answer));
        outcomes.push(setting_set(answer));
        let success = status == 200 && text.contains("00000");
        for outcome in &outcomes {
            prop_assert!(!(matches!(outcome, Outcome::Rejected(_)) && status >= 500), "{status}: {outcome:?}");
            prop_assert!(!matches!(outcome, Outcome::Accepted(ack) if ack.report.is_some() && !success));
        }
        for outcome in &inside {
            prop_assert!(!(matches!(outcome, Outcome::Rejected(_)) && status >= 500), "{status}: {outcome:?}");
        }
        for generation_of in BOTH {
            let _ = interpreter.looked_up(&regular, generation_of, SENT, answer);
            if let Ok(rows) = interpreter.plans(generation_of, SENT, answer) {
                let _ = interpreter.found(&plan, &rows.rows);
            }
            let _ = (interpreter.orders(generation_of, SENT, answer), interpreter.fills(generation_of, answer));
            let _ = (positions(generation_of, SENT, answer), balances(generation_of, answer));
            let _ = generation(generation_of, answer);
        }
        let _ = (server_time(answer), marks(answer), fee_rates(answer), key_rights(answer), classic_setup(answer));
        let _ = unified_setup(&symbol, product, answer);
    }
    Ok(())
}
