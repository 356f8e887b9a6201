//! Orders, cancellations, settings: what is sent and what is made of the answer.

use kraite_binance::Binance;
use kraite_core::exchange::{
    Amend, Cause, Direction, Exchange, MarginMode, NewOrder, OrderShape, Outcome, PairLeg, PositionMode, PositionRef,
    PositionTpsl, Purpose, RejectKind, ReportStatus, Service, Side, TriggerBy, TriggerSize,
};
use kraite_core::id::{Role, Symbol};
use kraite_core::time::{Millis, VenueMillis};

use crate::common::{credentials, id, new_order, order_ref};
use crate::server::{Reaction, Request, Server, answer};
use crate::{backend, config, kind, later, now};

fn limit(role: Role, price: &str, qty: &str) -> NewOrder {
    let shape = OrderShape::Limit { price: price.parse().unwrap(), qty: qty.parse().unwrap() };
    new_order(role, Direction::Long, PositionMode::Hedge, shape)
}

fn rung(number: u8) -> NewOrder {
    limit(Role::Rung(number), "0.3710", "60")
}

fn stop() -> NewOrder {
    let shape = OrderShape::StopMarket {
        trigger: "0.3400".parse().unwrap(),
        by: TriggerBy::Mark,
        size: TriggerSize::ClosePosition,
    };
    new_order(Role::Stop, Direction::Long, PositionMode::Hedge, shape)
}

fn entry() -> NewOrder {
    let shape = OrderShape::Market { qty: "30".parse().unwrap() };
    new_order(Role::Entry, Direction::Long, PositionMode::Hedge, shape)
}

fn placed(request: &Request, status: &str) -> String {
    let client = request.parameter("newClientOrderId").unwrap();
    format!(
        r#"{{"orderId":7,"clientOrderId":"{client}","symbol":"ADAUSDT","side":"BUY","positionSide":"LONG","status":"{status}","type":"MARKET","origQty":"30","executedQty":"30","updateTime":1566818724722}}"#
    )
}

fn is_accepted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Accepted(_))
}

#[tokio::test]
async fn r19_a_placement_is_signed_by_the_venues_clock_and_carries_the_key() {
    let ahead = Millis::from_secs(3_600);
    let script = |request: &Request, _| answer(200, &placed(request, "FILLED"));
    let server = Server::with_clock(kraite_binance::SystemClock::real(), ahead, script).await;
    let backend = backend(&server).await;
    let venue_now = now().plus(ahead);
    let outcome = backend.place(&[entry()], venue_now.plus(Millis::from_secs(10))).await.remove(0);
    let Outcome::Accepted(ack) = outcome else { panic!("{outcome:?}") };
    let report = ack.report.unwrap();
    assert_eq!((report.status, report.venue_id.as_str()), (ReportStatus::Filled, "7"));
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].is("POST", "/fapi/v1/order"));
    assert!(seen[0].head.to_lowercase().contains("x-mbx-apikey: the-api-key"));
    assert_eq!(seen[0].parameter("recvWindow").unwrap(), "3000");
    let stamped = VenueMillis(seen[0].parameter("timestamp").unwrap().parse().unwrap());
    assert!(stamped.since(venue_now) < Millis(2_000) && venue_now.since(stamped) < Millis(2_000));
    let (text, signature) = seen[0].body.rsplit_once("&signature=").unwrap();
    assert_eq!(credentials().signer().sign(text).unwrap(), signature);
}

#[tokio::test]
async fn s04_what_could_be_taken_after_not_after_is_not_sent() {
    let server = Server::start(|request, _| answer(200, &placed(request, "FILLED"))).await;
    let backend = backend(&server).await;
    let outcome = backend.place(&[entry()], now().plus(Millis(2_900))).await.remove(0);
    assert_eq!(kind(&outcome), Some(RejectKind::NotSent));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn r39_one_call_reaches_every_service_and_batches_the_rungs() {
    let server = Server::start(|request, _| match request.path() {
        "/fapi/v1/order" => answer(200, &placed(request, "FILLED")),
        "/fapi/v1/algoOrder" => {
            let client = request.parameter("clientAlgoId").unwrap();
            answer(200, &format!(r#"{{"algoId":9,"clientAlgoId":"{client}","symbol":"ADAUSDT","algoStatus":"NEW","side":"SELL"}}"#))
        }
        "/fapi/v1/batchOrders" => {
            let legs = request.parameter("batchOrders").unwrap();
            let ids = legs.split("newClientOrderId%22%3A%22").skip(1).map(|rest| rest.split("%22").next().unwrap());
            let rows: Vec<String> = ids
                .enumerate()
                .map(|(at, client)| match at {
                    1 => r#"{"code":-2019,"msg":"Margin is insufficient."}"#.to_owned(),
                    2 => r#"{"code":-1007,"msg":"Timeout."}"#.to_owned(),
                    3 => "{}".to_owned(),
                    _ => format!(r#"{{"orderId":{at},"clientOrderId":"{client}","symbol":"ADAUSDT","status":"NEW","side":"BUY"}}"#),
                })
                .collect();
            answer(200, &format!("[{}]", rows.join(",")))
        }
        other => panic!("{other}"),
    })
    .await;
    let mut orders = vec![entry(), stop()];
    orders.extend((1..=6).map(rung));
    let outcomes = backend(&server).await.place(&orders, later()).await;
    assert_eq!(outcomes.len(), 8);
    assert!(is_accepted(&outcomes[0]) && is_accepted(&outcomes[1]) && is_accepted(&outcomes[2]));
    assert_eq!(kind(&outcomes[3]), Some(RejectKind::Margin));
    assert_eq!(outcomes[4], Outcome::Unknown(Cause::Timeout));
    assert_eq!(outcomes[5], Outcome::Unknown(Cause::Undecodable));
    assert!(is_accepted(&outcomes[6]) && is_accepted(&outcomes[7]), "{outcomes:?}");
    let batches: Vec<_> = server.seen().into_iter().filter(|r| r.path() == "/fapi/v1/batchOrders").collect();
    assert_eq!(batches.len(), 1, "five in one, the sixth by itself");
    assert_eq!(server.count("POST", "/fapi/v1/order"), 2);
}

#[tokio::test]
async fn r06_a_batch_without_an_answer_is_unknown_in_every_leg() {
    let server = Server::start(|_, _| Reaction::Close).await;
    let outcomes = backend(&server).await.place(&[rung(1), rung(2)], later()).await;
    assert_eq!(outcomes, vec![Outcome::Unknown(Cause::Disconnected); 2]);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn what_contradicts_itself_or_is_not_of_this_venue_does_not_leave() {
    let server = Server::start(|_, _| panic!("nothing may arrive")).await;
    let backend = backend(&server).await;
    let mut flipped = stop();
    flipped.side = Side::Buy;
    let mut opening = stop();
    (opening.purpose, opening.side) = (Purpose::Open, Side::Buy);
    assert_eq!(kind(&backend.place(&[flipped], later()).await[0]), Some(RejectKind::Other));
    assert_eq!(kind(&backend.place(&[opening], later()).await[0]), Some(RejectKind::Other));
    let leg = |role| PairLeg { id: id(role, 3), trigger: "1".parse().unwrap(), by: TriggerBy::Mark };
    let pair = PositionTpsl {
        symbol: Symbol::new("ADAUSDT"),
        direction: Direction::Long,
        mode: PositionMode::Hedge,
        stop: leg(Role::Stop),
        target: leg(Role::Target),
    };
    let outcome = backend.place_position_tpsl(&pair, later()).await;
    assert_eq!((kind(&outcome.stop), kind(&outcome.target)), (Some(RejectKind::Other), Some(RejectKind::Other)));
    let change = Amend {
        order: order_ref(Role::Stop, Service::Conditional, None),
        side: Side::Sell,
        price: "1".parse().unwrap(),
        qty: "1".parse().unwrap(),
    };
    assert_eq!(kind(&backend.amend(&change, later()).await), Some(RejectKind::Other));
    assert_eq!(
        kind(&backend.cancel(&order_ref(Role::Stop, Service::PositionPlan, None), later()).await),
        Some(RejectKind::Other)
    );
    assert!(backend.place(&[], later()).await.is_empty());
}

#[tokio::test]
async fn one_id_twice_in_one_call_is_sent_once() {
    let server = Server::start(|request, _| answer(200, &placed(request, "FILLED"))).await;
    let outcomes = backend(&server).await.place(&[entry(), entry()], later()).await;
    assert!(is_accepted(&outcomes[0]));
    assert_eq!(kind(&outcomes[1]), Some(RejectKind::Other));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn r90_a_cancellation_names_one_order_on_its_own_service() {
    let server = Server::start(|request, _| match request.path() {
        "/fapi/v1/order" => answer(400, r#"{"code":-2011,"msg":"Unknown order sent."}"#),
        _ => answer(200, r#"{"algoId":9,"code":"200","msg":"success"}"#),
    })
    .await;
    let backend = backend(&server).await;
    let regular = order_ref(Role::Target, Service::Regular, Some("12"));
    assert_eq!(kind(&backend.cancel(&regular, later()).await), Some(RejectKind::UnknownOrder), "r13");
    let stop = order_ref(Role::Stop, Service::Conditional, Some("algo:9"));
    assert!(is_accepted(&backend.cancel(&stop, later()).await));
    let seen = server.seen();
    assert!(seen[0].is("DELETE", "/fapi/v1/order") && seen[0].parameter("orderId").as_deref() == Some("12"));
    assert!(seen[1].is("DELETE", "/fapi/v1/algoOrder") && seen[1].parameter("algoId").as_deref() == Some("9"));
}

#[tokio::test]
async fn r14_an_amend_that_changes_nothing_is_accepted_without_a_report() {
    let server = Server::start(|_, _| answer(400, r#"{"code":-5027,"msg":"No need to modify the order."}"#)).await;
    let change = Amend {
        order: order_ref(Role::Target, Service::Regular, None),
        side: Side::Sell,
        price: "0.39".parse().unwrap(),
        qty: "90".parse().unwrap(),
    };
    let outcome = backend(&server).await.amend(&change, later()).await;
    assert!(matches!(outcome, Outcome::Accepted(ack) if ack.report.is_none()));
    assert!(server.seen()[0].is("PUT", "/fapi/v1/order"));
}

#[tokio::test]
async fn a_close_reads_what_is_open_and_sends_one_close_only_order() {
    let server = Server::start(|request, _| match request.method.as_str() {
        "GET" => answer(
            200,
            r#"[{"symbol":"ADAUSDT","positionSide":"LONG","positionAmt":"30","entryPrice":"0.385","updateTime":1720736417660}]"#,
        ),
        _ => answer(200, r#"{"orderId":8,"clientOrderId":"x","symbol":"ADAUSDT","side":"SELL","positionSide":"LONG","status":"FILLED","executedQty":"30"}"#),
    })
    .await;
    let backend = backend(&server).await;
    let of = |direction| PositionRef { symbol: Symbol::new("ADAUSDT"), direction, mode: PositionMode::Hedge };
    assert!(is_accepted(&backend.close_position(&of(Direction::Long), later()).await));
    assert_eq!(kind(&backend.close_position(&of(Direction::Short), later()).await), Some(RejectKind::NoPosition));
    assert_eq!(server.count("POST", "/fapi/v1/order"), 1);
    let close = server.seen().into_iter().find(|r| r.method == "POST").unwrap();
    assert_eq!(close.parameter("quantity").as_deref(), Some("30"));
    assert_eq!(close.parameter("side").as_deref(), Some("SELL"));
    assert_eq!(close.parameter("positionSide").as_deref(), Some("LONG"));
}

#[tokio::test]
async fn a_close_whose_reading_fails_was_not_sent() {
    let server = Server::start(|request, _| match request.method.as_str() {
        "GET" => Reaction::Close,
        _ => panic!("nothing may be closed blindly"),
    })
    .await;
    let position =
        PositionRef { symbol: Symbol::new("ADAUSDT"), direction: Direction::Long, mode: PositionMode::Hedge };
    let outcome = backend(&server).await.close_position(&position, later()).await;
    assert_eq!(kind(&outcome), Some(RejectKind::NotSent));
}

#[tokio::test]
async fn r35_settings_have_to_be_shown_and_already_so_is_accepted() {
    let server = Server::start(|request, before| match (request.path(), before) {
        ("/fapi/v1/leverage", 0) => answer(200, r#"{"leverage":20,"maxNotionalValue":"1000000","symbol":"ADAUSDT"}"#),
        ("/fapi/v1/leverage", _) => answer(200, r#"{"leverage":10,"symbol":"ADAUSDT"}"#),
        (_, 0) => answer(400, r#"{"code":-4046,"msg":"No need to change margin type."}"#),
        (_, 1) => answer(200, r#"{"code":200,"msg":"success"}"#),
        _ => answer(400, r#"{"code":-4048,"msg":"Margin type cannot be changed if there exists position."}"#),
    })
    .await;
    let backend = backend(&server).await;
    let ada = Symbol::new("ADAUSDT");
    assert!(is_accepted(&backend.set_leverage(&ada, 20, later()).await));
    assert_eq!(backend.set_leverage(&ada, 20, later()).await, Outcome::Unknown(Cause::Undecodable));
    assert!(is_accepted(&backend.set_margin_mode(&ada, MarginMode::Cross, later()).await));
    assert!(is_accepted(&backend.set_margin_mode(&ada, MarginMode::Cross, later()).await));
    let blocked = backend.set_margin_mode(&ada, MarginMode::Cross, later()).await;
    assert_eq!(kind(&blocked), Some(RejectKind::Account));
}

#[tokio::test]
async fn r06_a_skewed_clock_is_measured_again_and_the_window_stays() {
    let server = Server::start(|request, before| match before {
        0 => answer(400, r#"{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}"#),
        _ => answer(200, &placed(request, "FILLED")),
    })
    .await;
    let backend: Binance = Binance::connect(config(&server), credentials()).await.unwrap();
    let clock = |server: &Server| server.count("GET", "/fapi/v1/time");
    assert_eq!(clock(&server), 0);
    let outcome = backend.place(&[entry()], later()).await.remove(0);
    assert_eq!(kind(&outcome), Some(RejectKind::ClockSkew));
    assert_eq!((clock(&server), server.count("POST", "/fapi/v1/order")), (1, 1), "not sent again by itself");
    assert!(is_accepted(&backend.place(&[entry()], later()).await[0]));
    assert_eq!(clock(&server), 2);
    assert!(server.seen().iter().all(|request| request.parameter("recvWindow").as_deref() == Some("3000")));
}
