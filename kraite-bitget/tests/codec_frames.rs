//! Frames of both generations into events.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use common::{id, pair, revised};
use kraite_bitget::codec::frame::{Frame, PING};
use kraite_bitget::codec::{Events, Interpreter, Leg, PairName, Verdict, plan_id, regular_id, strategy_id};
use kraite_core::exchange::{
    Direction, OrderReport, PositionMode, PositionReport, RejectKind, ReportStatus, ReportedId, Service, Side,
    StreamEvent, VenueCause,
};
use kraite_core::id::Role;
use kraite_core::time::VenueMillis;

fn frame(text: &str) -> Frame {
    Frame::read(text.as_bytes()).unwrap()
}

fn push(arg: &str, data: &str) -> String {
    format!(r#"{{"action":"snapshot","arg":{arg},"data":{data},"ts":1695718781206}}"#)
}

fn classic(channel: &str, data: &str) -> String {
    push(&format!(r#"{{"instType":"USDT-FUTURES","channel":"{channel}","instId":"default"}}"#), data)
}

fn unified(topic: &str, data: &str) -> String {
    push(&format!(r#"{{"instType":"UTA","topic":"{topic}","symbol":"default"}}"#), data)
}

fn events(text: &str) -> Events {
    Interpreter::new().events(&frame(text))
}

fn orders(text: &str) -> Vec<OrderReport> {
    let all = events(text);
    assert!(all.skipped.is_empty(), "{all:?}");
    let of = |event| match event {
        StreamEvent::Order(report) => report,
        other => panic!("{other:?}"),
    };
    all.events.into_iter().map(of).collect()
}

fn positions(text: &str) -> Vec<PositionReport> {
    let all = events(text);
    assert!(all.skipped.is_empty(), "{all:?}");
    let of = |event| match event {
        StreamEvent::Position(report) => report,
        other => panic!("{other:?}"),
    };
    all.events.into_iter().map(of).collect()
}

#[test]
fn what_answers_is_no_event() {
    assert_eq!(PING, "ping");
    assert_eq!(frame("pong"), Frame::Pong);
    for code in ["0", "\"0\"", "\"00000\""] {
        assert_eq!(frame(&format!(r#"{{"event":"login","code":{code},"connId":"x"}}"#)), Frame::LoggedOn, "{code}");
    }
    match frame(r#"{"event":"error","code":30005,"msg":"error"}"#) {
        Frame::Refused { channel: None, failure } => {
            assert_eq!(failure.verdict, Verdict::Rejected(RejectKind::Account));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(frame(r#"{"event":"login","code":"30011","msg":"x"}"#), Frame::Refused { .. }));
    let arg = r#"{"instType":"USDT-FUTURES","channel":"orders","instId":"default"}"#;
    assert_eq!(frame(&format!(r#"{{"event":"subscribe","arg":{arg}}}"#)), Frame::Subscribed("orders".into()));
    assert_eq!(
        frame(r#"{"event":"subscribe","arg":{"instType":"UTA","topic":"order"}}"#),
        Frame::Subscribed("order".into())
    );
    match frame(&format!(r#"{{"event":"error","arg":{arg},"code":30001,"msg":"channel does not exist"}}"#)) {
        Frame::Refused { channel, failure } => {
            assert_eq!((channel.as_deref(), failure.code), (Some("orders"), 30_001));
        }
        other => panic!("{other:?}"),
    }
    assert!(
        matches!(frame(r#"{"event":"error","code":30006,"msg":"x"}"#), Frame::Refused { failure, .. } if failure.verdict == Verdict::RateLimited)
    );
    for text in [r#"{"event":"trade","code":"0"}"#, "{}", r#"{"arg":{"channel":"books"},"data":[]}"#, r#"{"data":[]}"#]
    {
        assert!(matches!(frame(text), Frame::Other(_)), "{text}");
        assert_eq!(Interpreter::new().events(&frame(text)), Events::default());
    }
    for text in ["", "ping pong", "[", "7", "null x", r#"{"arg":{"channel":"orders"},"data":7}"#] {
        assert!(Frame::read(text.as_bytes()).is_err(), "{text}");
    }
    assert!(Frame::read(&[0xff]).is_err());
}

const FILL: &str = r#""instId":"ADAUSDT","orderId":"9","size":"30","price":"","posMode":"hedge_mode","tradeSide":"open","orderType":"market","side":"buy","posSide":"long","marginCoin":"USDT","leverage":20,"fillPrice":"0.371","tradeId":"t1","baseVolume":"10","fillTime":"5","fillFee":"-0.0022","fillFeeCoin":"USDT","tradeScope":"T","accBaseVolume":"25","priceAvg":"0.3712","status":"partially_filled","cTime":"4","uTime":"5","reduceOnly":"no""#;

#[test]
fn r56_r62_a_fill_of_the_classic_stream_counts_what_is_cumulative() {
    let e = id(Role::Entry);
    let reports = orders(&classic("orders", &format!(r#"[{{{FILL},"clientOid":"{e}"}}]"#)));
    let report = &reports[0];
    assert_eq!((&report.id, &report.venue_id), (&ReportedId::Ours(e), &regular_id("9")));
    assert_eq!((report.executed, report.average_price), ("25".parse().ok(), "0.3712".parse().ok()));
    let trade = report.trade.as_ref().unwrap();
    assert_eq!(
        (trade.qty, trade.price, trade.fee),
        ("10".parse().unwrap(), "0.371".parse().unwrap(), "0.0022".parse().unwrap())
    );
    assert_eq!((report.status, report.stated, report.at), (ReportStatus::PartiallyFilled, None, VenueMillis(5)));
    // A cancellation tells neither trade nor average.
    let gone = r#"[{"instId":"ADAUSDT","orderId":"9","clientOid":"x","status":"canceled","side":"buy","posSide":"long","tradeSide":"open","posMode":"hedge_mode","accBaseVolume":"25","uTime":"6"}]"#;
    let report = &orders(&classic("orders", gone))[0];
    assert_eq!((report.status, report.executed, &report.trade), (ReportStatus::Cancelled, "25".parse().ok(), &None));
    let live = gone
        .replace("canceled", "live")
        .replace(r#""accBaseVolume":"25""#, r#""accBaseVolume":"0","price":"1.5","size":"7""#);
    let report = &orders(&classic("orders", &live))[0];
    assert_eq!((report.stated.unwrap().price, report.stated.unwrap().qty), ("1.5".parse().ok(), "7".parse().ok()));
}

#[test]
fn r54_c10_what_is_not_known_is_skipped_and_told() {
    let row = format!(r#"{{{FILL},"clientOid":"x"}}"#);
    for (known, other) in [
        ("\"partially_filled\"", "\"paused\""),
        ("\"hedge_mode\"", "\"both\""),
        ("\"posSide\":\"long\"", "\"posSide\":\"up\""),
        ("\"orderId\":\"9\"", "\"orderId\":\"\""),
        ("\"fillPrice\":\"0.371\"", "\"fillPrice\":\"\""),
        ("\"instId\":\"ADAUSDT\",", ""),
    ] {
        let all = events(&classic("orders", &format!("[{}]", row.replace(known, other))));
        assert_eq!((all.events.len(), all.skipped.len()), (0, 1), "{other}");
    }
    // A row that is malformed does not hide the other.
    let float = row.replace(r#""accBaseVolume":"25""#, r#""accBaseVolume":2.5"#);
    let all = events(&classic("orders", &format!("[{float},{row}]")));
    assert_eq!((all.events.len(), all.skipped.len()), (1, 1));
}

#[test]
fn r73_a_liquidation_of_the_classic_stream() {
    let row =
        format!(r#"{{{FILL},"clientOid":"x"}}"#).replace(r#""tradeSide":"open""#, r#""tradeSide":"burst_close_long""#);
    let report = &orders(&classic("orders", &format!("[{row}]")))[0];
    assert_eq!((&report.id, report.side), (&ReportedId::Venue(VenueCause::Liquidation), Side::Sell));
}

#[test]
fn plans_of_the_classic_stream_have_shorter_words() {
    let (stop, target) = (id(Role::Stop), id(Role::Target));
    let row = |client: &str, kind: &str, status: &str| {
        format!(
            r#"{{"instId":"ADAUSDT","orderId":"11","clientOid":"{client}","triggerPrice":"0.34","triggerType":"mark_price","triggerTime":"8","planType":"{kind}","price":"0","executePrice":"0","size":"0","actualSize":"0","orderType":"market","side":"buy","tradeSide":"close","posSide":"long","marginCoin":"USDT","status":"{status}","posMode":"hedge_mode","uTime":"7"}}"#
        )
    };
    for (client, kind, status, expected) in [
        (stop, "psl", "live", ReportStatus::New),
        (target, "ptp", "executing", ReportStatus::Triggered),
        (stop, "psl", "executed", ReportStatus::Triggered),
        (stop, "psl", "fail_execute", ReportStatus::Rejected),
        (target, "ptp", "cancelled", ReportStatus::Cancelled),
    ] {
        let report = &orders(&classic("orders-algo", &format!("[{}]", row(&client.to_string(), kind, status))))[0];
        assert_eq!((&report.id, &report.venue_id), (&ReportedId::Ours(client), &plan_id("11")));
        assert_eq!((report.status, report.service), (expected, Service::PositionPlan));
        assert_eq!((report.side, report.direction), (Side::Sell, Direction::Long));
        assert_eq!((report.stated.unwrap().price, report.stated.unwrap().qty), ("0.34".parse().ok(), None));
    }
    let partial = &orders(&classic("orders-algo", &format!("[{}]", row("x", "sl", "live"))))[0];
    assert_eq!(partial.service, Service::Conditional);
    for (kind, status) in [("new", "live"), ("psl", "resting")] {
        let all = events(&classic("orders-algo", &format!("[{}]", row("x", kind, status))));
        assert_eq!((all.events.len(), all.skipped.len()), (0, 1));
    }
}

#[test]
fn r69_a_plan_s_child_is_ours_by_its_plan_whatever_is_told_first() {
    let stop = id(Role::Stop);
    let plan = format!(
        r#"[{{"instId":"ADAUSDT","orderId":"11","clientOid":"{stop}","triggerPrice":"0.34","planType":"psl","side":"buy","tradeSide":"close","posSide":"long","status":"executed","posMode":"hedge_mode","uTime":"7"}}]"#
    );
    let child = format!(r#"[{{{FILL},"clientOid":"11"}}]"#).replace(r#""tradeSide":"open""#, r#""tradeSide":"close""#);
    let mut interpreter = Interpreter::new();
    let first = interpreter.events(&frame(&classic("orders", &child)));
    assert!(matches!(&first.events[0], StreamEvent::Order(report) if report.id == ReportedId::Foreign("11".into())));
    interpreter.events(&frame(&classic("orders-algo", &plan)));
    let second = interpreter.events(&frame(&classic("orders", &child)));
    match &second.events[0] {
        StreamEvent::Order(report) => {
            assert_eq!((&report.id, &report.parent), (&ReportedId::Ours(stop), &Some(plan_id("11"))));
            assert_eq!(report.side, Side::Sell);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn r88_r87_positions_of_both_streams() {
    let classic_row = r#"{"posId":"1","instId":"ADAUSDT","marginCoin":"USDT","holdSide":"long","posMode":"MODE","total":"30","available":"30","frozen":"0","openPriceAvg":"0.371","leverage":20,"uTime":"7"}"#;
    let hedge = positions(&classic("positions", &format!("[{}]", classic_row.replace("MODE", "hedge_mode"))));
    assert_eq!((hedge.len(), hedge[0].direction, hedge[0].qty), (1, Direction::Long, "30".parse().unwrap()));
    let net = positions(&classic("positions", &format!("[{}]", classic_row.replace("MODE", "one_way_mode"))));
    assert_eq!((net[1].direction, net[1].qty.is_zero()), (Direction::Short, true));
    // A list without a row says nothing: closed positions vanish from it.
    assert_eq!(positions(&classic("positions", "[]")), vec![]);
    let row = r#"{"symbol":"ADAUSDT","marginCoin":"USDT","holdMode":"hedge_mode","posSide":"short","size":"5","available":"5","leverage":"20","avgPrice":"0.371","positionStatus":"opening","createdTime":"6","updatedTime":"7"}"#;
    let open = positions(&unified("position", &format!("[{row}]")));
    assert_eq!(
        (open[0].direction, open[0].entry_price, open[0].at),
        (Direction::Short, "0.371".parse().ok(), VenueMillis(7))
    );
    let ended = row.replace(r#""size":"5""#, r#""size":"0""#).replace("opening", "ended");
    let flat = positions(&unified("position", &format!("[{ended}]")));
    assert_eq!((flat.len(), flat[0].direction, flat[0].qty.is_zero()), (1, Direction::Short, true));
    for odd in
        [row.replace("opening", "ended"), row.replace("short", "net"), row.replace(r#""size":"5""#, r#""size":"-5""#)]
    {
        let all = events(&unified("position", &format!("[{odd}]")));
        assert_eq!((all.events.len(), all.skipped.len()), (0, 1), "{odd}");
    }
}

#[test]
fn unified_orders_and_their_trades_come_apart() {
    let e = id(Role::Close);
    let row = format!(
        r#"{{"category":"usdt-futures","symbol":"ADAUSDT","orderId":"9","clientOid":"{e}","price":"","qty":"30","holdMode":"hedge_mode","holdSide":"long","tradeSide":"close","orderType":"market","side":"sell","marginMode":"crossed","reduceOnly":"NO","cumExecQty":"30","avgPrice":"0.3712","orderStatus":"filled","cancelReason":"","feeDetail":[{{"feeCoin":"USDT","fee":"0.1"}}],"createdTime":"4","updatedTime":"5"}}"#
    );
    let report = &orders(&unified("order", &format!("[{row}]")))[0];
    assert_eq!((&report.id, report.status, &report.trade), (&ReportedId::Ours(e), ReportStatus::Filled, &None));
    assert_eq!((report.side, report.direction, report.executed), (Side::Sell, Direction::Long, "30".parse().ok()));
    let fill = format!(
        r#"{{"category":"usdt-futures","symbol":"ADAUSDT","orderId":"9","clientOid":"{e}","execId":"t1","orderType":"market","side":"sell","holdSide":"long","tradeSide":"close","tradeScope":"taker","execPrice":"0.3712","execQty":"30","execValue":"11.136","feeDetail":[{{"feeCoin":"USDT","fee":"0.0066"}}],"execTime":"5","updatedTime":"6"}}"#
    );
    let report = &orders(&unified("fill", &format!("[{fill}]")))[0];
    assert_eq!((report.status, report.executed, report.at), (ReportStatus::PartiallyFilled, None, VenueMillis(5)));
    assert_eq!(report.trade.as_ref().unwrap().fee, "0.0066".parse().unwrap());
    // The fast channel sends one object and no fee: left for the other one to tell.
    let fast = fill.replace(r#""feeDetail":[{"feeCoin":"USDT","fee":"0.0066"}],"#, "");
    assert_eq!(orders(&unified("fast-fill", &fast)), vec![]);
    // One-way mode: our role says which position.
    let net = row.replace("hedge_mode", "one_way_mode").replace(r#""holdSide":"long""#, r#""holdSide":"net""#);
    assert_eq!(orders(&unified("order", &format!("[{net}]")))[0].direction, Direction::Long);
    let net = fill.replace(r#""holdSide":"long""#, r#""holdSide":"net""#);
    assert_eq!(orders(&unified("fill", &format!("[{net}]")))[0].direction, Direction::Long);
}

#[test]
fn a_classic_fill_of_the_stream_means_the_trade_where_the_calls_mean_the_position() {
    let row = |side: &str, trade: &str| {
        format!(
            r#"[{{"orderId":"9","clientOid":"x","tradeId":"t1","symbol":"ADAUSDT","side":"{side}","orderType":"market","posMode":"hedge_mode","price":"0.3712","baseVolume":"30","tradeSide":"{trade}","tradeScope":"taker","feeDetail":[{{"feeCoin":"USDT","totalFee":"-0.0066"}}],"cTime":"5","uTime":"6"}}]"#
        )
    };
    for (side, trade, expected) in [
        ("sell", "close", (Side::Sell, Direction::Long)),
        ("buy", "open", (Side::Buy, Direction::Long)),
        ("buy", "close", (Side::Buy, Direction::Short)),
        ("sell", "open", (Side::Sell, Direction::Short)),
    ] {
        let report = &orders(&classic("fill", &row(side, trade)))[0];
        assert_eq!((report.side, report.direction), expected);
        assert_eq!(report.trade.as_ref().unwrap().fee, "0.0066".parse().unwrap());
    }
    let all = events(&classic("fill", &row("sell", "")));
    assert_eq!((all.events.len(), all.skipped.len()), (0, 1), "neither the position nor whether it closes");
}

#[test]
fn r107_strategies_of_the_stream_are_both_legs() {
    let name = PairName::of(&pair(2, Direction::Short, PositionMode::Hedge)).unwrap().text();
    let row = format!(
        r#"[{{"category":"usdt-futures","symbol":"ADAUSDT","orderId":"77","clientOid":"{name}","qty":"","side":"buy","posSide":"short","type":"tpsl","status":"STATUS","triggerType":"TYPE","takeProfit":"0.34","stopLoss":"0.401","createdTime":"5","updatedTime":"6"}}]"#
    );
    let reports = orders(&unified("strategy-order", &row.replace("STATUS", "pending").replace("TYPE", "")));
    assert_eq!(reports[0].id, ReportedId::Ours(revised(Role::Stop, 2, 0)));
    assert_eq!((&reports[1].venue_id, reports[1].side), (&strategy_id("77", Leg::Target), Side::Buy));
    let fired = orders(&unified("strategy-order", &row.replace("STATUS", "success").replace("TYPE", "takeProfit")));
    assert_eq!((fired[0].status, fired[1].status), (ReportStatus::Cancelled, ReportStatus::Triggered));
    let all = events(&unified("strategy-order", &row.replace("STATUS", "success").replace("TYPE", "")));
    assert_eq!((all.events.len(), all.skipped.len()), (0, 1), "which leg is not said");
}

/// The order that a strategy spawned says which leg it came from; its trades do not.
#[test]
fn r69_the_trades_of_what_a_strategy_spawned_are_the_leg_s_too() {
    let name = PairName::of(&pair(2, Direction::Long, PositionMode::OneWay)).unwrap().text();
    let stop = revised(Role::Stop, 2, 0);
    let strategy = format!(
        r#"[{{"symbol":"ADAUSDT","orderId":"77","clientOid":"{name}","side":"sell","type":"tpsl","status":"pending","takeProfit":"0.401","stopLoss":"0.34","updatedTime":"6"}}]"#
    );
    let order = r#"[{"symbol":"ADAUSDT","orderId":"500","clientOid":"77","qty":"30","holdMode":"one_way_mode","holdSide":"net","side":"sell","cumExecQty":"30","orderStatus":"filled","delegateType":"loss_market","updatedTime":"7"}]"#;
    let fill = r#"[{"symbol":"ADAUSDT","orderId":"500","clientOid":"77","execId":"t1","side":"sell","holdSide":"net","tradeScope":"taker","execPrice":"0.339","execQty":"30","feeDetail":[{"feeCoin":"USDT","fee":"0.0066"}],"execTime":"7"}]"#;
    let mut interpreter = Interpreter::new();
    for (topic, data) in [("strategy-order", strategy.as_str()), ("order", order)] {
        assert!(interpreter.events(&frame(&unified(topic, data))).skipped.is_empty());
    }
    let events = interpreter.events(&frame(&unified("fill", fill))).events;
    let [StreamEvent::Order(report)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&report.id, &report.parent), (&ReportedId::Ours(stop), &Some(strategy_id("77", Leg::Stop))));
    assert_eq!(report.direction, Direction::Long, "a stop closes");
}

#[test]
fn marks_and_balances() {
    let classic = push(
        r#"{"instType":"USDT-FUTURES","channel":"ticker","instId":"ADAUSDT"}"#,
        r#"[{"instId":"ADAUSDT","lastPr":"0.37","markPrice":"0.371","ts":"5"}]"#,
    );
    let unified_frame = push(
        r#"{"instType":"usdt-futures","topic":"ticker","symbol":"ADAUSDT"}"#,
        r#"[{"lastPrice":"0.37","markPrice":"0.371"}]"#,
    );
    for (text, at) in [(classic, 5), (unified_frame, 1_695_718_781_206)] {
        match &events(&text).events[..] {
            [StreamEvent::Mark(mark)] => {
                assert_eq!((mark.symbol.as_str(), mark.at), ("ADAUSDT", VenueMillis(at)));
                assert_eq!(mark.price, "0.371".parse().unwrap());
            }
            other => panic!("{other:?}"),
        }
    }
    match frame(&unified("account", r#"[{"totalEquity":"5","coin":[{"coin":"USDT","balance":"5","available":"4"}]}]"#))
    {
        Frame::UnifiedAccount(push) => assert_eq!(push.rows[0].coins[0].available, "4".parse().ok()),
        other => panic!("{other:?}"),
    }
    match frame(&classic_account()) {
        Frame::ClassicAccount(push) => assert_eq!(push.rows[0].coin.as_deref(), Some("USDT")),
        other => panic!("{other:?}"),
    }
}

fn classic_account() -> String {
    push(
        r#"{"instType":"USDT-FUTURES","channel":"account","coin":"default"}"#,
        r#"[{"marginCoin":"USDT","frozen":"0","available":"5","equity":"5"}]"#,
    )
}
