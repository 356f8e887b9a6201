//! Frames, golden and mutilated, into stream events.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use common::{SENT, id, ok};
use kraite_binance::codec::frame::Frame;
use kraite_binance::codec::{Events, Interpreter, Unmapped, algo_id, regular_id, unknown_parent};
use kraite_core::exchange::{
    Direction, OrderReport, OrderShape, PositionReport, ReportStatus, ReportedId, Service, Side, StreamEvent,
    TriggerBy, TriggerSize, VenueCause,
};
use kraite_core::id::Role;
use kraite_core::order::{LifeEvent, Order};
use kraite_core::time::{LocalMillis, VenueMillis};

macro_rules! golden {
    ($name:literal) => {
        include_str!(concat!("golden/frames/", $name, ".json"))
    };
}

fn events_of(interpreter: &mut Interpreter, frame: &str) -> Events {
    interpreter.events(&Frame::read(frame.as_bytes()).unwrap())
}

fn events(frame: &str) -> Events {
    events_of(&mut Interpreter::new(), frame)
}

fn orders(events: Events) -> Vec<OrderReport> {
    assert_eq!(events.skipped, []);
    events
        .events
        .into_iter()
        .map(|event| match event {
            StreamEvent::Order(report) => report,
            other => panic!("{other:?}"),
        })
        .collect()
}

fn one(events: Events) -> OrderReport {
    let mut reports = orders(events);
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

#[test]
fn s10_a_fill_is_one_trade_of_one_order() {
    let frame = golden!("order_filled").replace("10002", &id(Role::Target, 3).to_string());
    let report = one(events(&frame));
    assert_eq!(report.id, ReportedId::Ours(id(Role::Target, 3)));
    assert_eq!((report.status, report.side, report.direction), (ReportStatus::Filled, Side::Sell, Direction::Long));
    assert_eq!((report.executed, report.average_price), ("20".parse().ok(), "0.5332".parse().ok()));
    let trade = report.trade.unwrap();
    assert_eq!(
        (trade.id.as_str(), trade.qty, trade.price),
        ("19334107", "20".parse().unwrap(), "0.5332".parse().unwrap())
    );
    assert_eq!((trade.fee, report.at), ("0.00213279".parse().unwrap(), VenueMillis(1_685_466_798_560)));
    // R56, R57: a fill states nothing.
    assert_eq!(report.stated, None);
    let without_fee = frame.replace(r#""n":"0.00213279","N":"USDT","#, "");
    assert!(one(events(&without_fee)).trade.unwrap().fee.is_zero());
}

#[test]
fn r57_only_a_placement_or_an_amendment_states_price_and_quantity() {
    let amended = one(events(golden!("order_amended")));
    let stated = amended.stated.unwrap();
    assert_eq!(
        (stated.price, stated.qty, stated.at),
        ("0.5189".parse().ok(), "12".parse().ok(), VenueMillis(1_685_805_375_900))
    );
    assert_eq!((amended.trade, amended.executed), (None, "0".parse().ok()));
    let placed = one(events(golden!("order_all_keys")));
    assert_eq!((placed.direction, placed.stated.unwrap().price), (Direction::Long, None));
    // The venue cut a close-only order: that is not an edit.
    let cut = golden!("order_amended")
        .replace(r#""x":"AMENDMENT","X":"NEW""#, r#""x":"EXPIRED","X":"EXPIRED""#)
        .replace(r#""q":"12""#, r#""q":"3""#);
    assert_eq!(one(events(&cut)).stated, None);
}

#[test]
fn r54_c10_what_is_not_known_is_told_and_not_applied() {
    for (from, to, word) in [
        (r#""x":"AMENDMENT""#, r#""x":"TELEPORT""#, Unmapped::Word("x", "TELEPORT".into())),
        (r#""X":"NEW""#, r#""X":"LIMBO""#, Unmapped::Word("status", "LIMBO".into())),
        (r#""S":"BUY""#, r#""S":"BOTH""#, Unmapped::Word("side", "BOTH".into())),
        (r#""ps":"BOTH""#, r#""ps":"UP""#, Unmapped::Word("positionSide", "UP".into())),
        (r#""i":34679383504,"#, "", Unmapped::Missing("orderId")),
        (r#""s":"XRPUSDT","#, "", Unmapped::Missing("symbol")),
    ] {
        assert!(golden!("order_amended").contains(from), "{from}");
        let events = events(&golden!("order_amended").replace(from, to));
        assert_eq!((events.events, events.skipped), (vec![], vec![word]));
    }
    let rejected = golden!("order_amended").replace(r#""x":"AMENDMENT","X":"NEW""#, r#""x":"REJECTED","X":"REJECTED""#);
    assert_eq!(one(events(&rejected)).status, ReportStatus::Rejected);
    let algo = golden!("algo_triggered").replace(r#""X":"TRIGGERED""#, r#""X":"PARTIALLY_TRIGGERED""#);
    assert_eq!(events(&algo).skipped, [Unmapped::Word("algoStatus", "PARTIALLY_TRIGGERED".into())]);
    for other in
        [golden!("config_update"), golden!("trigger_reject"), r#"{"e":"GRID_UPDATE","x":[[]]}"#, r#"{"a":1}"#, "{}"]
    {
        assert!(matches!(Frame::read(other.as_bytes()).unwrap(), Frame::Other(_)), "{other}");
        assert_eq!(events(other), Events::default());
    }
}

/// The life of a stop that fires, its four frames with our id in them.
fn life_of_a_stop() -> [String; 4] {
    let s = id(Role::Stop, 3).to_string();
    let ours = |frame: &str| frame.replace("O-20251211-053131-TEST-000-1", &s);
    let fill = format!(
        r#"{{"e":"ORDER_TRADE_UPDATE","T":1765431097030,"E":1765431097031,"o":{{"s":"DOGEUSDT","c":"{s}","S":"BUY","o":"MARKET","f":"GTC","q":"38","p":"0","ap":"0.13856","x":"TRADE","X":"FILLED","i":88937381063,"l":"38","z":"38","L":"0.13856","n":"0.00263","N":"USDT","T":1765431097030,"t":991,"m":false,"R":false,"ot":"MARKET","ps":"BOTH","cp":false}}}}"#
    );
    [ours(golden!("algo_triggering")), fill, ours(golden!("algo_triggered")), ours(golden!("algo_finished"))]
}

#[test]
fn r69_the_child_of_a_stop_is_linked_back_to_it_although_its_fill_is_told_first() {
    let mut interpreter = Interpreter::new();
    let parent = algo_id(1_000_000_033_225_453);
    let [triggering, fill, triggered, finished] = life_of_a_stop();
    let first = one(events_of(&mut interpreter, &triggering));
    assert_eq!((first.venue_id.clone(), first.status), (parent.clone(), ReportStatus::Triggered));
    let child = one(events_of(&mut interpreter, &fill));
    assert_eq!((child.venue_id.clone(), child.service), (regular_id(88_937_381_063), Service::Regular));
    assert_eq!(child.parent.as_ref(), Some(&parent), "known by the client id before anybody named the child");
    for (frame, status) in [(triggered, ReportStatus::New), (finished, ReportStatus::Filled)] {
        let both = orders(events_of(&mut interpreter, &frame));
        assert_eq!((both[0].status, both[0].executed), (ReportStatus::Triggered, None));
        assert_eq!((both[1].venue_id.clone(), both[1].parent.clone()), (child.venue_id.clone(), Some(parent.clone())));
        assert_eq!(both[1].status, status);
    }
}

#[test]
fn r52_r69_c02_the_frames_of_a_stop_end_the_same_in_any_order_told_twice_or_by_a_fresh_process() {
    let frames = life_of_a_stop();
    let apply = |order: &[usize], fresh: bool| {
        let (trigger, by, size) =
            ("0.13855".parse().unwrap(), TriggerBy::Mark, TriggerSize::Qty("38".parse().unwrap()));
        let shape = OrderShape::StopMarket { trigger, by, size };
        let placed = id(Role::Stop, 3);
        let mut row = Order::new(placed, Side::Buy, shape, Service::Conditional, LocalMillis(1), VenueMillis(5_000));
        row.apply(LifeEvent::HandedToWire);
        let mut interpreter = Interpreter::new();
        for at in order {
            if fresh {
                interpreter = Interpreter::new();
            }
            for report in orders(events_of(&mut interpreter, &frames[*at])) {
                row.merge(&report).unwrap();
            }
        }
        let ledger = &row.ledger;
        let executed = ledger.executed_qty().unwrap();
        (ledger.status(), executed, ledger.child().map(|c| c.venue_id.clone()), ledger.extras().count(), row.life)
    };
    let expected = apply(&[0, 1, 2, 3], false);
    assert_eq!((expected.0, expected.1.to_string().as_str(), expected.3), (Some(ReportStatus::Filled), "38", 0));
    assert_eq!(expected.2, Some(regular_id(88_937_381_063)));
    let mut orders_tried = 0;
    for a in 0..4 {
        for b in (0..4).filter(|b| *b != a) {
            for c in (0..4).filter(|c| ![a, b].contains(c)) {
                let d = 6 - a - b - c;
                for fresh in [false, true] {
                    assert_eq!(apply(&[a, b, c, d], fresh), expected, "{a}{b}{c}{d} {fresh}");
                    assert_eq!(apply(&[a, b, a, c, d, b, d, c], fresh), expected, "{a}{b}{c}{d} twice {fresh}");
                }
                orders_tried += 1;
            }
        }
    }
    assert_eq!(orders_tried, 24);
}

#[test]
fn r69_a_child_whose_parent_nobody_named_yet_is_still_a_child() {
    let [_, fill, ..] = life_of_a_stop();
    assert_eq!(one(events(&fill)).parent, Some(unknown_parent()), "a regular order under the id of a stop");
    let target = fill.replace(&id(Role::Stop, 3).to_string(), &id(Role::Target, 3).to_string());
    assert_eq!(one(events(&target)).parent, None, "a target may be a plain limit order");
    let fired = target.replace(r#""ot":"MARKET""#, r#""ot":"TAKE_PROFIT_MARKET""#);
    assert_eq!(one(events(&fired)).parent, Some(unknown_parent()), "unless it says what it was");
    // What a reading of the conditional orders tells links it too.
    let mut interpreter = Interpreter::new();
    let open = format!(
        r#"[{{"algoId":77,"clientAlgoId":"{}","symbol":"DOGEUSDT","side":"BUY","algoStatus":"NEW","triggerPrice":"1"}}]"#,
        id(Role::Target, 3)
    );
    assert!(interpreter.algos(SENT, ok(&open)).unwrap().complete);
    assert_eq!(one(events_of(&mut interpreter, &target)).parent, Some(algo_id(77)));
}

#[test]
fn s08_a_stop_that_ends_unfired_or_refused() {
    let cancelled = one(events(golden!("algo_cancelled")));
    assert_eq!((cancelled.status, cancelled.service), (ReportStatus::Cancelled, Service::Conditional));
    let refused = golden!("algo_cancelled").replace("CANCELED", "REJECTED");
    assert_eq!(one(events(&refused)).status, ReportStatus::Rejected);
    let Frame::Algo(update) = Frame::read(refused.as_bytes()).unwrap() else { panic!() };
    assert_eq!(update.order.reason.as_deref(), Some("Reduce Only reject"));
}

#[test]
fn r73_the_venues_own_orders_are_the_venues() {
    let frame = golden!("order_filled")
        .replace("10002", "autoclose-1234")
        .replace(r#""x":"TRADE","X":"FILLED""#, r#""x":"CALCULATED","X":"NEW_INSURANCE""#);
    let report = one(events(&frame));
    assert_eq!((report.id, report.direction), (ReportedId::Venue(VenueCause::Liquidation), Direction::Long));
    assert_eq!(report.executed, "20".parse().ok());
    // Without a number there is no trade, and what executed in all still counts.
    let unnumbered = frame.replace(r#""t":19334107"#, r#""t":0"#);
    let report = one(events(&unnumbered));
    assert_eq!((report.trade, report.executed), (None, "20".parse().ok()));
}

fn position(events: &[StreamEvent], symbol: &str, direction: Direction) -> Option<PositionReport> {
    events.iter().find_map(|event| match event {
        StreamEvent::Position(p) if p.symbol.as_str() == symbol && p.direction == direction => Some(p.clone()),
        _ => None,
    })
}

#[test]
fn r88_pushed_positions_say_of_both_sides_what_they_know() {
    let all = events(golden!("account_update")).events;
    let long = all.iter().filter(|e| matches!(e, StreamEvent::Position(p) if p.direction == Direction::Long)).count();
    assert_eq!((all.len(), long), (4, 2), "a flat net position is flat on both sides");
    let short = all.iter().find_map(|e| match e {
        StreamEvent::Position(p) if p.direction == Direction::Short && p.qty.is_positive() => Some(p),
        _ => None,
    });
    assert_eq!(short.unwrap().entry_price, "6563.86".parse().ok());
    let net = |amount: &str| {
        events(&format!(r#"{{"e":"ACCOUNT_UPDATE","T":5,"a":{{"m":"ORDER","P":[{{"s":"A","pa":"{amount}","ep":"2","ps":"BOTH"}}]}}}}"#)).events
    };
    let turned = net("-3");
    assert!(position(&turned, "A", Direction::Long).unwrap().qty.is_zero());
    assert_eq!(position(&turned, "A", Direction::Short).unwrap().qty, "3".parse().unwrap());
    let odd = events(
        r#"{"e":"ACCOUNT_UPDATE","T":5,"a":{"m":"ORDER","P":[{"s":"A","ps":"LONG"},{"pa":"1"},{"s":"A","pa":"-1","ps":"LONG"}]}}"#,
    );
    assert_eq!((odd.events.len(), odd.skipped.len()), (0, 3), "what cannot be read is not zero");
}

#[test]
fn funding_is_booked_to_its_contract() {
    let frame = |symbol: &str, positions: &str| {
        events(&format!(
            r#"{{"e":"ACCOUNT_UPDATE","T":5,"a":{{"m":"FUNDING_FEE"{symbol},"B":[{{"a":"USDT","wb":"9","bc":"-0.125"}}],"P":[{positions}]}}}}"#
        ))
    };
    let paid = |events: &Events| {
        events.events.iter().find_map(|event| match event {
            StreamEvent::Funding { symbol, amount, at } => Some((symbol.to_string(), amount.to_string(), at.0)),
            _ => None,
        })
    };
    let expected = Some(("ADAUSDT".to_owned(), "-0.125".to_owned(), 5));
    assert_eq!(paid(&frame(r#","S":"ADAUSDT""#, "")), expected);
    assert_eq!(paid(&frame("", r#"{"s":"ADAUSDT","pa":"1","ps":"LONG"}"#)), expected);
    assert_eq!(frame("", "").skipped, [Unmapped::Missing("S")]);
}

#[test]
fn marks_come_alone_in_lists_and_wrapped() {
    let expected = events(golden!("mark_price"));
    assert!(matches!(&expected.events[..], [StreamEvent::Mark(mark)] if mark.price == "11794.15".parse().unwrap()));
    let frame = golden!("mark_price").trim();
    for wrapped in [
        format!(r#"{{"stream":"btcusdt@markPrice@1s","data":{frame}}}"#),
        format!("[{frame}]"),
        format!(r#"{{"stream":"!markPrice@arr@1s","data":[{frame}]}}"#),
        format!(" {frame} "),
        // Fields in another order.
        frame.replace(r#"{"e":"markPriceUpdate","E""#, r#"{"E""#).replace('}', r#","e":"markPriceUpdate"}"#),
    ] {
        assert_eq!(events(&wrapped), expected, "{wrapped}");
    }
    let coin = frame.replace(r#""st":1"#, r#""st":2"#);
    assert_eq!(events(&format!("[{coin},{frame}]")), expected, "coin-margined contracts are passed over");
    assert_eq!(events(&frame.replace(r#""st":1"#, r#""xx":1"#)), expected);
    assert!(!events(&frame.replace("11794.15000000", "0")).skipped.is_empty(), "zero is no price");
}

#[test]
fn c05_the_frames_for_the_one_who_reads_the_stream() {
    let expired = Frame::read(golden!("listen_key_expired").as_bytes()).unwrap();
    let Frame::ListenKeyExpired(key) = &expired else { panic!("{expired:?}") };
    assert_eq!(key.event_at, Some(VenueMillis(1_736_996_475_556)));
    assert!(!format!("{expired:?}").contains("WsCMN0a4"), "{expired:?}");
    let as_number = golden!("listen_key_expired").replace(r#""1736996475556""#, "1736996475556");
    assert!(matches!(Frame::read(as_number.as_bytes()), Ok(Frame::ListenKeyExpired(k)) if k.event_at == key.event_at));
    let Frame::MarginCall(call) = Frame::read(golden!("margin_call").as_bytes()).unwrap() else { panic!() };
    assert_eq!(call.positions[0].maintenance_margin, "1.614445".parse().ok());
    let Frame::TradeLite(lite) = Frame::read(golden!("trade_lite").as_bytes()).unwrap() else { panic!() };
    assert_eq!((lite.trade_id, lite.last_price), (Some(109_100_866), "64089.2".parse().ok()));
    assert_eq!(events(golden!("trade_lite")), Events::default(), "its fee would be missing for good");
    let Frame::Answered { id, failure } = Frame::read(golden!("subscribed").as_bytes()).unwrap() else { panic!() };
    assert_eq!((id, failure), (Some(1), None));
    for refused in
        [r#"{"error":{"code":2,"msg":"Invalid request"},"id":7}"#, r#"{"code":2,"msg":"Invalid request","id":7}"#]
    {
        let Frame::Answered { id, failure } = Frame::read(refused.as_bytes()).unwrap() else { panic!() };
        assert_eq!((id, failure.unwrap().code), (Some(7), 2));
    }
}

#[test]
fn c09_frames_that_cannot_be_read_are_errors_and_nothing_else() {
    let deep = "[".repeat(100_000);
    let deep_data = format!(r#"{{"stream":"x","data":{deep}}}"#);
    let deep_closed =
        format!(r#"{{"e":"x","d":{}{}}}"#, "{\"a\":".repeat(50_000), "1".to_owned() + &"}".repeat(50_000));
    for bad in [
        "",
        "x",
        "{",
        "[",
        "[1]",
        "{\"e\":\"ORDER_TRADE_UPDATE\"}",
        "{\"e\":\"ORDER_TRADE_UPDATE\",\"o\":7}",
        "{\"e\":\"x\"",
        &golden!("order_filled")[..200],
        &golden!("order_filled").replace(r#""z":"20""#, r#""z":20.5"#),
        &golden!("order_filled").replace(r#""z":"20""#, r#""z":"1e9""#),
        &golden!("order_filled").replace(r#""i":246411433"#, r#""i":9223372036854775808"#),
        &deep,
        &deep_data,
    ] {
        let shown: String = bad.chars().take(60).collect();
        let error = Frame::read(bad.as_bytes()).expect_err(&shown).to_string();
        assert!(error.len() < 400, "{error}");
    }
    assert!(Frame::read(&[0xff, 0xfe]).is_err());
    assert!(matches!(Frame::read(deep_closed.as_bytes()), Ok(Frame::Other(_))), "skipped without recursion");
    let negative = events(&golden!("order_filled").replace(r#""z":"20""#, r#""z":"-20""#));
    assert_eq!(negative.skipped.len(), 1);
    let biggest = golden!("order_filled").replace("246411433", "9223372036854775807");
    assert_eq!(one(events(&biggest)).venue_id.as_str(), "9223372036854775807");
}
