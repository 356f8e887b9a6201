//! What an order event asks of the allocator: nothing, up to eight trades and two objects (P9).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use allocation_counter::measure;
use kraite_core::exchange::{
    Direction, OrderReport, OrderShape, ReportStatus, ReportedId, Service, Side, Stated, Trade, TriggerBy, TriggerSize,
};
use kraite_core::id::{
    AccountTag, Attempt, ClientOrderId, Epoch, LogicalOrder, OrderKey, PositionNo, Revision, Role, Symbol, TradeId,
    VenueOrderId,
};
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::order::{LifeEvent, Order};
use kraite_core::time::{LocalMillis, VenueMillis};

/// The trades an order holds without asking for memory.
const TRADES: i64 = 8;

fn id(role: Role) -> ClientOrderId {
    ClientOrderId::encode(&OrderKey {
        account: AccountTag::new(1).unwrap(),
        position: PositionNo::new(1).unwrap(),
        logical: LogicalOrder { role, revision: Revision::new(0).unwrap() },
        attempt: Attempt::new(0).unwrap(),
        epoch: Epoch::new(1).unwrap(),
    })
}

/// Report number `n` on a rung: open, then one fill each. Ids are as long as those of the venues.
fn fill(n: i64, last: i64) -> OrderReport {
    let status = match n {
        0 => ReportStatus::New,
        n if n == last => ReportStatus::Filled,
        _ => ReportStatus::PartiallyFilled,
    };
    OrderReport {
        id: ReportedId::Ours(id(Role::Rung(1))),
        venue_id: VenueOrderId::new("1234567890123456789"),
        parent: None,
        service: Service::Regular,
        symbol: Symbol::new("BTCUSDT"),
        side: Side::Buy,
        direction: Direction::Long,
        status,
        stated: Some(Stated {
            at: VenueMillis(n),
            price: Price::from_units(6_712_340, 2),
            qty: Qty::from_units(12, 3),
        }),
        executed: Qty::from_units(n, 3),
        average_price: Price::from_units(6_712_340, 2).filter(|_| n > 0),
        trade: (n > 0).then(|| Trade {
            id: TradeId::new(&format!("9876543210{n:03}")),
            qty: Qty::from_units(1, 3).unwrap(),
            price: Price::from_units(6_712_340, 2).unwrap(),
            fee: Notional::from_units(2, 5).unwrap(),
        }),
        at: VenueMillis(n),
    }
}

fn rung() -> Order {
    let shape =
        OrderShape::Limit { price: Price::from_units(6_712_340, 2).unwrap(), qty: Qty::from_units(12, 3).unwrap() };
    Order::new(id(Role::Rung(1)), Side::Buy, shape, Service::Regular, LocalMillis(1), VenueMillis(5_000))
}

/// Applies and merges everything, forwards, again, and once more backwards on a fresh order.
fn live(order: &mut Order, reports: &[OrderReport]) {
    order.apply(LifeEvent::HandedToWire);
    order.apply(LifeEvent::Accepted);
    for report in reports {
        assert!(order.merge(report).unwrap());
        assert!(!order.merge(report).unwrap(), "an echo");
    }
    let mut backwards = rung();
    for report in reports.iter().rev() {
        backwards.merge(report).unwrap();
    }
    assert_eq!(backwards.executed(), order.executed());
}

#[test]
fn p09_an_order_with_eight_fills_asks_for_no_memory() {
    let reports: Vec<OrderReport> = (0..=TRADES).map(|n| fill(n, TRADES)).collect();
    let mut order = rung();
    let asked = measure(|| live(&mut order, &reports));
    assert_eq!(order.executed().qty, Qty::from_units(TRADES, 3).unwrap());
    assert_eq!(asked.count_total, 0);
}

#[test]
fn p09_a_stop_and_its_child_ask_for_no_memory() {
    let shape = OrderShape::StopMarket {
        trigger: Price::from_units(6_000_000, 2).unwrap(),
        by: TriggerBy::Mark,
        size: TriggerSize::ClosePosition,
    };
    let mut order = Order::new(id(Role::Stop), Side::Sell, shape, Service::Conditional, LocalMillis(1), VenueMillis(1));
    let mut open = fill(0, TRADES);
    open.service = Service::Conditional;
    let mut fired = open.clone();
    fired.status = ReportStatus::Triggered;
    let mut reports = vec![open, fired];
    for n in 1..=TRADES {
        let mut report = fill(n, TRADES);
        report.venue_id = VenueOrderId::new("2234567890123456789");
        report.parent = Some(VenueOrderId::new("1234567890123456789"));
        reports.push(report);
    }
    let asked = measure(|| {
        order.apply(LifeEvent::HandedToWire);
        for report in &reports {
            assert!(order.merge(report).unwrap());
        }
    });
    assert_eq!(order.executed().qty, Qty::from_units(TRADES, 3).unwrap());
    assert_eq!(asked.count_total, 0);
}

#[test]
fn mutant_p09_a_ninth_trade_and_a_copied_report_are_counted() {
    let reports: Vec<OrderReport> = (0..=TRADES + 1).map(|n| fill(n, TRADES + 1)).collect();
    let mut order = rung();
    assert!(measure(|| live(&mut order, &reports)).count_total > 0, "one trade more than there is room for");
    let copied = measure(|| drop(std::hint::black_box(reports.clone())));
    assert!(copied.count_total > 0, "what merging did before: it copied");
}
