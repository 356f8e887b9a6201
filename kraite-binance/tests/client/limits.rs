//! What is not sent because the venue asked for quiet.

use std::sync::Arc;

use kraite_binance::{AddressBudget, Binance, SystemClock};
use kraite_core::exchange::{Direction, Exchange, NewOrder, OrderShape, PositionMode, ReadError, RejectKind, Service};
use kraite_core::id::Role;
use kraite_core::time::Millis;

use crate::common::{credentials, new_order, order_ref};
use crate::server::{Reaction, Server, answer};
use crate::{backend, config, kind, later};

fn order(role: Role) -> NewOrder {
    let shape = OrderShape::Market { qty: "30".parse().unwrap() };
    new_order(role, Direction::Long, PositionMode::Hedge, shape)
}

fn limited(headers: Vec<(&'static str, String)>) -> Reaction {
    Reaction::Answer(429, headers, r#"{"code":-1003,"msg":"Too many requests."}"#.to_owned())
}

#[tokio::test]
async fn b10_after_a_429_with_retry_after_nothing_is_sent_for_that_long() {
    let server = Server::start(|_, _| limited(vec![("Retry-After", "2".to_owned())])).await;
    let clock = Arc::new(SystemClock::scaled(10));
    let config = config(&server).clock(clock).timeouts(Millis(200), Millis::from_secs(20));
    let backend = Binance::connect(config, credentials()).await.unwrap();
    let far = later().plus(Millis::from_secs(3_600));
    let first = backend.place(&[order(Role::Entry)], far).await.remove(0);
    assert_eq!(kind(&first), Some(RejectKind::RateLimited));
    for role in [Role::Entry, Role::Close] {
        assert_eq!(kind(&backend.place(&[order(role)], far).await[0]), Some(RejectKind::RateLimited));
    }
    let cancel = backend.cancel(&order_ref(Role::Target, Service::Regular, None), far).await;
    assert_eq!(kind(&cancel), Some(RejectKind::RateLimited));
    assert!(matches!(backend.positions().await, Err(ReadError::RateLimited(wait)) if wait <= Millis(2_000)));
    assert_eq!(server.seen().len(), 1, "the venue saw one request");
    tokio::time::timeout(std::time::Duration::from_millis(250), std::future::pending::<()>()).await.unwrap_err();
    let _ = backend.place(&[order(Role::Entry)], far).await;
    assert_eq!(server.seen().len(), 2, "and the next after the stated time");
}

#[tokio::test]
async fn r115_a_limit_that_a_reading_ran_into_does_not_hold_up_a_close() {
    let server = Server::start(|request, _| match request.method.as_str() {
        "GET" => limited(Vec::new()),
        _ => answer(400, r#"{"code":-2022,"msg":"ReduceOnly Order is rejected."}"#),
    })
    .await;
    let backend = backend(&server).await;
    assert!(matches!(backend.positions().await, Err(ReadError::RateLimited(_))));
    assert_eq!(kind(&backend.place(&[order(Role::Entry)], later()).await[0]), Some(RejectKind::RateLimited));
    assert_eq!(kind(&backend.place(&[order(Role::Close)], later()).await[0]), Some(RejectKind::ReduceOnly));
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn b10_a_ban_stops_every_account_of_the_address_until_it_ends() {
    let body = format!(
        r#"{{"code":-1003,"msg":"Way too many requests; IP(1.2.3.4) banned until {}. Please use the websocket."}}"#,
        later().0
    );
    let server = Server::start(move |_, _| answer(418, &body)).await;
    let address = AddressBudget::default();
    let account = async || Binance::connect(config(&server).address(address.clone()), credentials()).await.unwrap();
    let (one, two) = (account().await, account().await);
    assert!(matches!(one.balances().await, Err(ReadError::RateLimited(_))));
    match two.balances().await {
        Err(ReadError::RateLimited(wait)) => assert!(wait > Millis::from_secs(50), "{wait}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(kind(&two.place(&[order(Role::Close)], later()).await[0]), Some(RejectKind::RateLimited));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn b10_too_many_orders_stop_the_orders_of_the_account_and_not_its_readings() {
    let server = Server::start(|request, _| match request.method.as_str() {
        "POST" => {
            answer(429, r#"{"code":-1015,"msg":"Too many new orders; current limit is 300 orders per TEN_SECONDS."}"#)
        }
        "DELETE" => answer(400, r#"{"code":-2011,"msg":"Unknown order sent."}"#),
        _ => answer(200, "[]"),
    })
    .await;
    let backend = backend(&server).await;
    assert_eq!(kind(&backend.place(&[order(Role::Entry)], later()).await[0]), Some(RejectKind::RateLimited));
    assert_eq!(kind(&backend.place(&[order(Role::Entry)], later()).await[0]), Some(RejectKind::RateLimited));
    assert_eq!(server.count("POST", "/fapi/v1/order"), 1);
    assert!(backend.positions().await.is_ok());
    let cancel = backend.cancel(&order_ref(Role::Target, Service::Regular, None), later()).await;
    assert_eq!(kind(&cancel), Some(RejectKind::UnknownOrder), "a cancellation is no order");
}

#[tokio::test]
async fn r115_the_weight_that_the_venue_counts_stops_readings_before_it_has_to() {
    let server = Server::start(|request, _| match request.method.as_str() {
        "GET" => Reaction::Answer(200, vec![("X-MBX-USED-WEIGHT-1M", "2000".to_owned())], "[]".to_owned()),
        _ => answer(400, r#"{"code":-2022,"msg":"ReduceOnly Order is rejected."}"#),
    })
    .await;
    let backend = backend(&server).await;
    // Near the end of a minute the first two may fall into two of the venue's minutes: then the next one is stopped.
    let mut stopped = false;
    for _ in 0..3 {
        stopped |= matches!(backend.positions().await, Err(ReadError::RateLimited(_)));
    }
    assert!(stopped);
    assert_eq!(kind(&backend.place(&[order(Role::Close)], later()).await[0]), Some(RejectKind::ReduceOnly));
}
