//! The life of one order: handed to the wire, accepted, and ten fills. Hot, one order at a time; and cold, each event
//! over 20,000 orders before the next one.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use kraite_core::exchange::{
    Direction, OrderReport, OrderShape, ReportStatus, ReportedId, Service, Side, Stated, Trade,
};
use kraite_core::id::{
    AccountTag, Attempt, ClientOrderId, Epoch, LogicalOrder, OrderKey, PositionNo, Revision, Role, Symbol, TradeId,
    VenueOrderId,
};
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::order::{LifeEvent, Order};
use kraite_core::time::{LocalMillis, VenueMillis};
use nautilus_model::orders::{LimitOrder, Order as _};

use crate::cpu::CpuTime;
use crate::notes::note;
use crate::peer;

/// Fills of one life.
pub(crate) const FILLS: i64 = 10;
/// Events of one life: two of its own, and the fills.
const EVENTS: u64 = 12;
/// More orders than the caches hold.
const ORDERS: u64 = 20_000;

fn id() -> ClientOrderId {
    ClientOrderId::encode(&OrderKey {
        account: AccountTag::new(1).expect("in range"),
        position: PositionNo::new(1).expect("in range"),
        logical: LogicalOrder { role: Role::Rung(1), revision: Revision::new(0).expect("in range") },
        attempt: Attempt::new(0).expect("in range"),
        epoch: Epoch::new(1).expect("in range"),
    })
}

fn price() -> Price {
    Price::from_units(6_712_340, 2).expect("in range")
}

fn qty(thousandths: i64) -> Qty {
    Qty::from_units(thousandths, 3).expect("in range")
}

fn order() -> Order {
    let shape = OrderShape::Limit { price: price(), qty: qty(FILLS) };
    Order::new(id(), Side::Buy, shape, Service::Regular, LocalMillis(1), VenueMillis(5_000))
}

/// The report of a fill with everything that a venue's stream says: what is stated, the total so far and its average,
/// and the trade itself.
fn fill(n: i64) -> OrderReport {
    OrderReport {
        id: ReportedId::Ours(id()),
        venue_id: VenueOrderId::new("1234567890123456789"),
        parent: None,
        service: Service::Regular,
        symbol: Symbol::new("BTCUSDT"),
        side: Side::Buy,
        direction: Direction::Long,
        status: if n == FILLS { ReportStatus::Filled } else { ReportStatus::PartiallyFilled },
        stated: Some(Stated { at: VenueMillis(n), price: Some(price()), qty: Some(qty(FILLS)) }),
        executed: Some(qty(n)),
        average_price: Some(price()),
        trade: Some(Trade {
            id: TradeId::new(&format!("9876543210{n:03}")),
            qty: qty(1),
            price: price(),
            fee: Notional::from_units(2, 5).expect("in range"),
        }),
        at: VenueMillis(n),
    }
}

fn reports() -> Vec<OrderReport> {
    (1..=FILLS).map(fill).collect()
}

fn finished(order: &Order) -> bool {
    order.life.is_done() && order.executed().qty == qty(FILLS)
}

/// One order at a time, made and brought to its end.
pub(crate) fn hot(criterion: &mut Criterion<CpuTime>) {
    note("order-bytes", std::mem::size_of::<Order>() as u64);
    note("peer-order-bytes", std::mem::size_of::<LimitOrder>() as u64);
    let mut group = criterion.benchmark_group("hot");
    group.throughput(Throughput::Elements(EVENTS));
    let reports = reports();
    group.bench_function("kraite", |bench| {
        bench.iter(|| {
            let mut order = black_box(order());
            order.apply(LifeEvent::HandedToWire);
            order.apply(LifeEvent::Accepted);
            for report in &reports {
                // A copy on both sides: the peer takes its events by value.
                let report = black_box(report.clone());
                let _ = black_box(order.merge(&report));
            }
            assert!(finished(&order));
            order
        });
    });
    let events = peer::events();
    group.bench_function("nautilus", |bench| {
        bench.iter(|| {
            let mut order = black_box(peer::order());
            for event in &events {
                order.apply(black_box(event.clone())).expect("a valid event");
            }
            assert!(order.is_closed());
            order
        });
    });
    group.finish();
}

/// Each event over all orders before the next one.
pub(crate) fn cold(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("cold");
    group.throughput(Throughput::Elements(EVENTS * ORDERS)).sample_size(10);
    let reports = reports();
    group.bench_function("kraite", |bench| {
        let fresh = || (0..ORDERS).map(|_| order()).collect::<Vec<Order>>();
        let pass = |mut orders: Vec<Order>| {
            for event in [LifeEvent::HandedToWire, LifeEvent::Accepted] {
                for order in &mut orders {
                    order.apply(event);
                }
            }
            for report in &reports {
                for order in &mut orders {
                    let report = black_box(report.clone());
                    let _ = black_box(order.merge(&report));
                }
            }
            assert!(orders.iter().all(finished));
            orders
        };
        bench.iter_batched(fresh, pass, BatchSize::PerIteration);
    });
    let events = peer::events();
    group.bench_function("nautilus", |bench| {
        let fresh = || (0..ORDERS).map(|_| peer::order()).collect::<Vec<LimitOrder>>();
        let pass = |mut orders: Vec<LimitOrder>| {
            for event in &events {
                for order in &mut orders {
                    order.apply(black_box(event.clone())).expect("a valid event");
                }
            }
            assert!(orders.iter().all(|order| order.is_closed()));
            orders
        };
        bench.iter_batched(fresh, pass, BatchSize::PerIteration);
    });
    group.finish();
}
