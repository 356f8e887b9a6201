//! Reports may come in any order, any number of times: the order ends the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use kraite_core::exchange::{
    Direction, OrderReport, OrderShape, ReportStatus, ReportedId, Service, Side, Stated, Trade, TriggerBy, TriggerSize,
};
use kraite_core::id::{
    AccountTag, Attempt, ClientOrderId, Epoch, LogicalOrder, OrderKey, PositionNo, Revision, Role, Symbol, TradeId,
    VenueOrderId,
};
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::order::{Life, LifeEvent, Order};
use kraite_core::time::{LocalMillis, VenueMillis};
use proptest::prelude::*;

fn id(role: Role) -> ClientOrderId {
    ClientOrderId::encode(&OrderKey {
        account: AccountTag::new(1).unwrap(),
        position: PositionNo::new(1).unwrap(),
        logical: LogicalOrder { role, revision: Revision::new(0).unwrap() },
        attempt: Attempt::new(0).unwrap(),
        epoch: Epoch::new(1).unwrap(),
    })
}

fn order(role: Role, service: Service) -> Order {
    #[cfg(kraite_zoo)]
    let _ = std::env::var("KRAITE_BUG").map(|id| kraite_core::zoo::wake_by_id(&id));
    let price: Price = "100".parse().unwrap();
    let qty: Qty = "10".parse().unwrap();
    let shape = match service {
        Service::Regular => OrderShape::Limit { price, qty },
        _ => OrderShape::StopMarket { trigger: price, by: TriggerBy::Mark, size: TriggerSize::ClosePosition },
    };
    let mut order = Order::new(id(role), Side::Buy, shape, service, LocalMillis(1), VenueMillis(5_000));
    order.apply(LifeEvent::HandedToWire);
    order
}

fn status() -> impl Strategy<Value = ReportStatus> {
    prop_oneof![
        Just(ReportStatus::New),
        Just(ReportStatus::PartiallyFilled),
        Just(ReportStatus::Triggered),
        Just(ReportStatus::Rejected),
        Just(ReportStatus::Cancelled),
        Just(ReportStatus::Expired),
        Just(ReportStatus::Filled),
    ]
}

/// Any report at all, even ones no venue would send together: merging must not care.
fn report(role: Role, service: Service) -> impl Strategy<Value = OrderReport> {
    let trade = (0u8..6, 1i64..5, 90i64..110);
    let stated = (0i64..4, 0i64..120, 0i64..12);
    (
        status(),
        0u8..3,
        any::<bool>(),
        proptest::option::of(0i64..11),
        proptest::option::of(90i64..110),
        proptest::option::of(trade),
        proptest::option::of(stated),
    )
        .prop_map(move |(status, object, child, executed, average, trade, stated)| {
            let is_child = child && service != Service::Regular;
            OrderReport {
                id: ReportedId::Ours(id(role)),
                venue_id: VenueOrderId::new(&format!("{}{object}", if is_child { "90" } else { "1" })),
                parent: is_child.then(|| VenueOrderId::new(&format!("1{object}"))),
                service: if is_child { Service::Regular } else { service },
                symbol: Symbol::new("BTCUSDT"),
                side: Side::Buy,
                direction: Direction::Long,
                status,
                stated: stated.map(|(at, price, qty)| Stated {
                    at: VenueMillis(at),
                    price: Price::from_units(price, 0),
                    qty: Qty::from_units(qty, 0),
                }),
                executed: executed.and_then(|e| Qty::from_units(e, 0)),
                average_price: average.and_then(|a| Price::from_units(a, 0)),
                trade: trade.map(|(n, _, _)| Trade {
                    // One trade id always means one quantity and one price, as on a venue.
                    id: TradeId::new(&format!("t{object}{n}")),
                    qty: Qty::from_units(i64::from(n) + 1, 0).unwrap(),
                    price: Price::from_units(95 + i64::from(n), 0).unwrap(),
                    fee: Notional::from_units(1, 2).unwrap(),
                }),
                at: VenueMillis(0),
            }
        })
}

fn after(mut order: Order, reports: &[OrderReport]) -> Order {
    for report in reports {
        order.merge(report).unwrap();
    }
    order
}

fn shuffled(reports: Vec<OrderReport>) -> impl Strategy<Value = (Vec<OrderReport>, Vec<OrderReport>)> {
    let twice: Vec<OrderReport> = reports.iter().chain(reports.iter()).cloned().collect();
    (Just(reports), Just(twice).prop_shuffle())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn r52_any_permutation_with_repeats_ends_in_the_same_order(
        (once, mixed) in proptest::collection::vec(report(Role::Rung(1), Service::Regular), 0..8).prop_flat_map(shuffled)
    ) {
        let start = order(Role::Rung(1), Service::Regular);
        prop_assert_eq!(after(start.clone(), &once), after(start, &mixed));
    }

    #[test]
    fn r69_the_same_holds_for_trigger_orders_and_their_children(
        (once, mixed) in proptest::collection::vec(report(Role::Stop, Service::Conditional), 0..8).prop_flat_map(shuffled)
    ) {
        let start = order(Role::Stop, Service::Conditional);
        prop_assert_eq!(after(start.clone(), &once), after(start, &mixed));
    }

    #[test]
    fn r60_whether_a_report_is_news_is_known_without_merging_it(
        reports in proptest::collection::vec(report(Role::Stop, Service::Conditional), 0..12)
    ) {
        let mut order = order(Role::Stop, Service::Conditional);
        for report in reports {
            let news = order.is_news(&report);
            prop_assert_eq!(order.merge(&report).unwrap_or(true), news);
        }
    }

    #[test]
    fn r51_fills_and_status_never_go_back(
        reports in proptest::collection::vec(report(Role::Rung(1), Service::Regular), 1..12)
    ) {
        let mut order = order(Role::Rung(1), Service::Regular);
        for report in reports {
            let before = order.executed().qty;
            let done = order.life.is_done();
            order.merge(&report).unwrap();
            prop_assert!(order.executed().qty >= before);
            // A lower venue id may turn up later and stand for the order: only then may a done order reopen.
            if done && order.ledger.objects().len() == 1 {
                prop_assert!(order.life.is_done());
            }
        }
    }
}

fn plain(status: ReportStatus) -> OrderReport {
    OrderReport {
        id: ReportedId::Ours(id(Role::Rung(1))),
        venue_id: VenueOrderId::new("7"),
        parent: None,
        service: Service::Regular,
        symbol: Symbol::new("BTCUSDT"),
        side: Side::Buy,
        direction: Direction::Long,
        status,
        stated: None,
        executed: None,
        average_price: None,
        trade: None,
        at: VenueMillis(0),
    }
}

#[test]
fn r58_a_zero_echo_preserves_the_stated_values() {
    let mut order = order(Role::Rung(1), Service::Regular);
    let mut report = plain(ReportStatus::New);
    report.stated = Some(Stated { at: VenueMillis(1), price: "100".parse().ok(), qty: "10".parse().ok() });
    order.merge(&report).unwrap();
    let mut echo = plain(ReportStatus::Cancelled);
    echo.stated = Some(Stated { at: VenueMillis(2), price: "0".parse().ok(), qty: "0".parse().ok() });
    order.merge(&echo).unwrap();
    assert_eq!(order.stated_price(), "100".parse().ok());
    assert_eq!(order.stated_qty(), "10".parse().ok());
}

#[test]
fn r56_an_average_price_is_never_taken_for_a_stated_one() {
    let mut order = order(Role::Rung(1), Service::Regular);
    let mut report = plain(ReportStatus::PartiallyFilled);
    report.stated = Some(Stated { at: VenueMillis(1), price: "4.105".parse().ok(), qty: "10".parse().ok() });
    report.executed = "3".parse().ok();
    report.average_price = "4.10499999".parse().ok();
    order.merge(&report).unwrap();
    assert_eq!(order.stated_price(), "4.105".parse().ok());
    assert_eq!(order.shape.price(), "100".parse().ok(), "what we asked for does not change by an echo");
}

#[test]
fn r63_a_reply_without_a_filled_size_erases_nothing() {
    let mut order = order(Role::Rung(1), Service::Regular);
    let mut report = plain(ReportStatus::PartiallyFilled);
    report.executed = "3".parse().ok();
    order.merge(&report).unwrap();
    order.merge(&plain(ReportStatus::PartiallyFilled)).unwrap();
    assert_eq!(order.executed().qty, "3".parse().unwrap());
}

#[test]
fn r60_an_unchanged_echo_says_that_nothing_changed() {
    let mut order = order(Role::Rung(1), Service::Regular);
    assert!(order.merge(&plain(ReportStatus::New)).unwrap());
    assert!(!order.merge(&plain(ReportStatus::New)).unwrap());
}

#[test]
fn r69_a_triggered_order_is_not_filled_before_its_child_is() {
    let mut order = order(Role::Stop, Service::Conditional);
    let mut fired = plain(ReportStatus::Filled);
    fired.service = Service::Conditional;
    order.merge(&fired).unwrap();
    assert_eq!(order.life, Life::Triggered);
    let mut child = plain(ReportStatus::Filled);
    child.venue_id = VenueOrderId::new("99");
    child.parent = Some(VenueOrderId::new("7"));
    child.executed = "10".parse().ok();
    order.merge(&child).unwrap();
    assert!(order.life.is_done());
    assert_eq!(order.executed().qty, "10".parse().unwrap());
}

#[test]
fn r59_a_value_that_is_written_otherwise_is_the_same_value_and_no_news() {
    let mut order = order(Role::Rung(1), Service::Regular);
    let mut report = plain(ReportStatus::PartiallyFilled);
    let state = |report: &mut OrderReport, price: &str, qty: &str, executed: &str| {
        report.stated = Some(Stated { at: VenueMillis(1), price: price.parse().ok(), qty: qty.parse().ok() });
        report.executed = executed.parse().ok();
    };
    state(&mut report, "100", "10", "0.3");
    order.merge(&report).unwrap();
    let before = order.clone();
    for (price, qty, executed) in
        [("100.0", "10.00", "0.30"), ("0100.00000000", "010", "0.3000"), ("100", "10.0", ".3")]
    {
        state(&mut report, price, qty, executed);
        assert!(!order.is_news(&report), "{price} {qty} {executed}");
        assert!(!order.merge(&report).unwrap(), "{price} {qty} {executed}");
        assert!(order.states_what_we_want(), "{price} {qty}");
    }
    assert_eq!(order, before);
    assert_eq!(order.stated_price().map(|price| price.to_string()), Some("100".into()), "as it is stored and shown");
}
