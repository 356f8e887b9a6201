//! What is not sent because a limit is used up or the venue asked for quiet.

use std::sync::Arc;

use kraite_bitget::codec::Generation;
use kraite_bitget::{Bitget, LocalClock};
use kraite_core::exchange::{Direction, Exchange, NewOrder, PositionMode, ReadError, RejectKind, Service};
use kraite_core::id::Role;
use kraite_core::time::{LocalMillis, Millis};

use crate::common::{BOTH, credentials, done, market, new_order, order_ref, refused};
use crate::server::{Reaction, Server, account, answer, asked};
use crate::{config, kind, later};

/// All of a test is one instant, so that all of it falls into one second.
struct Still(LocalMillis);

#[async_trait::async_trait]
impl LocalClock for Still {
    fn now(&self) -> LocalMillis {
        self.0
    }

    async fn sleep(&self, span: Millis) {
        kraite_bitget::SystemClock::real().sleep(span).await;
    }
}

async fn backend(server: &Server) -> Bitget {
    let clock = Arc::new(Still(kraite_bitget::SystemClock::real().now()));
    Bitget::connect(config(server).clock(clock), credentials()).await.unwrap()
}

fn order(role: Role) -> NewOrder {
    new_order(role, Direction::Long, PositionMode::Hedge, market("30"))
}

#[tokio::test]
async fn r115_openings_leave_a_reserve_of_the_second_to_closes() {
    for generation in BOTH {
        let server = account(generation, |_, _| answer(400, &refused("40762"))).await;
        let backend = backend(&server).await;
        let mut kinds = Vec::new();
        for _ in 0..11 {
            kinds.push(kind(&backend.place(&[order(Role::Entry)], later()).await[0]).unwrap());
        }
        let sent = kinds.iter().filter(|kind| **kind == RejectKind::Margin).count();
        assert_eq!(sent, 9, "nine of ten: {kinds:?}");
        assert_eq!(kinds.last(), Some(&RejectKind::RateLimited));
        assert_eq!(kind(&backend.place(&[order(Role::Close)], later()).await[0]), Some(RejectKind::Margin));
        assert_eq!(kind(&backend.place(&[order(Role::Close)], later()).await[0]), Some(RejectKind::RateLimited));
        assert_eq!(asked(&server).len(), 10);
    }
}

#[tokio::test]
async fn r115_a_429_stops_openings_and_readings_at_once_and_protection_only_where_it_ran_into_it() {
    let server = account(Generation::Classic, |request, _| match request.method.as_str() {
        "GET" => answer(429, "too many"),
        _ => answer(400, &refused("40762")),
    })
    .await;
    let backend = backend(&server).await;
    backend.place(&[order(Role::Close)], later()).await;
    assert!(matches!(backend.positions().await, Err(ReadError::RateLimited(_))));
    assert_eq!(kind(&backend.place(&[order(Role::Entry)], later()).await[0]), Some(RejectKind::RateLimited));
    assert_eq!(kind(&backend.place(&[order(Role::Close)], later()).await[0]), Some(RejectKind::Margin));
    assert_eq!(asked(&server).len(), 3);
}

#[tokio::test]
async fn r115_a_stated_wait_is_obeyed_by_all() {
    let server = account(Generation::Unified, |_, _| {
        Reaction::Answer(429, vec![("Retry-After", "30".to_owned())], refused("429"))
    })
    .await;
    let backend = backend(&server).await;
    assert_eq!(kind(&backend.place(&[order(Role::Close)], later()).await[0]), Some(RejectKind::RateLimited));
    let cancel = backend.cancel(&order_ref(Role::Rung(1), Service::Regular, Some("11")), later()).await;
    assert_eq!(kind(&cancel), Some(RejectKind::RateLimited));
    assert_eq!(asked(&server).len(), 1);
}

#[tokio::test]
async fn r115_what_the_venue_says_is_left_of_the_second_is_believed() {
    let server = account(Generation::Classic, |_, _| {
        Reaction::Answer(200, vec![("x-mbx-used-remain-limit", "0".to_owned())], done(r#"{"orderId":"11"}"#))
    })
    .await;
    let backend = backend(&server).await;
    let cancel = async || backend.cancel(&order_ref(Role::Rung(1), Service::Regular, Some("11")), later()).await;
    assert_eq!(kind(&cancel().await), None);
    assert_eq!(kind(&cancel().await), Some(RejectKind::RateLimited), "others used it up");
}
