//! Reports of one order in any order, any number of times: the order ends the same, and nothing goes back.

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

use crate::Bytes;

/// Reports of one input at most.
const MAX_REPORTS: u8 = 12;

/// Flags of the first byte: a trigger order, numbers of any size, and how far its request got.
pub(crate) const CONDITIONAL: u8 = 1;
pub(crate) const WILD: u8 = 2;
const IN_DOUBT: u8 = 4;
const ACCEPTED: u8 = 8;

/// Flags of a report: what it says.
pub(crate) const EXECUTED: u8 = 1;
pub(crate) const AVERAGE: u8 = 2;
pub(crate) const TRADE: u8 = 4;
pub(crate) const STATED: u8 = 8;
pub(crate) const CHILD: u8 = 16;

const STATUSES: [ReportStatus; 7] = [
    ReportStatus::New,
    ReportStatus::PartiallyFilled,
    ReportStatus::Triggered,
    ReportStatus::Rejected,
    ReportStatus::Cancelled,
    ReportStatus::Expired,
    ReportStatus::Filled,
];

fn id(role: Role) -> ClientOrderId {
    ClientOrderId::encode(&OrderKey {
        account: AccountTag::new(1).unwrap(),
        position: PositionNo::new(1).unwrap(),
        logical: LogicalOrder { role, revision: Revision::new(0).unwrap() },
        attempt: Attempt::new(0).unwrap(),
        epoch: Epoch::new(1).unwrap(),
    })
}

/// The order that the reports are about.
struct Subject {
    service: Service,
    wild: bool,
    order: Order,
}

impl Subject {
    fn read(bytes: &mut Bytes<'_>) -> Self {
        let flags = bytes.u8();
        let (service, role) = if flags & CONDITIONAL == 0 {
            (Service::Regular, Role::Rung(1))
        } else {
            (Service::Conditional, Role::Stop)
        };
        let price = Price::from_units(100, 0).unwrap();
        let shape = match service {
            Service::Regular => OrderShape::Limit { price, qty: Qty::from_units(10, 0).unwrap() },
            _ => OrderShape::StopMarket { trigger: price, by: TriggerBy::Mark, size: TriggerSize::ClosePosition },
        };
        let mut order = Order::new(id(role), Side::Buy, shape, service, LocalMillis(1), VenueMillis(5_000));
        order.apply(LifeEvent::HandedToWire);
        if flags & IN_DOUBT != 0 {
            order.apply(LifeEvent::OutcomeUnknown);
        } else if flags & ACCEPTED != 0 {
            order.apply(LifeEvent::Accepted);
        }
        Self { service, wild: flags & WILD != 0, order }
    }

    /// A number of a small domain, or of any size.
    fn number<T: Default>(
        &self,
        bytes: &mut Bytes<'_>,
        small: std::ops::Range<i64>,
        make: fn(i64, u32) -> Option<T>,
    ) -> T {
        if self.wild {
            return bytes.number(make);
        }
        let span = small.end - small.start;
        make(small.start + i64::from(bytes.u8()) % span, 0).unwrap()
    }

    /// Any report at all, even ones that no venue would send together.
    fn report(&self, bytes: &mut Bytes<'_>) -> OrderReport {
        let status = bytes.pick(&STATUSES);
        let object = bytes.u8() % 3;
        let says = bytes.u8();
        let child = says & CHILD != 0 && self.service != Service::Regular;
        let executed = self.number(bytes, 0..11, Qty::from_units);
        let average = self.number(bytes, 90..110, Price::from_units);
        // One trade id always means one quantity and one price, as on a venue.
        let trade = bytes.u8() % 6;
        let stated = Stated {
            at: VenueMillis(i64::from(bytes.u8() % 4)),
            price: Some(self.number(bytes, 0..120, Price::from_units)),
            qty: Some(self.number(bytes, 0..12, Qty::from_units)),
        };
        OrderReport {
            id: ReportedId::Ours(self.order.id),
            venue_id: VenueOrderId::new(&format!("{}{object}", if child { "90" } else { "1" })),
            parent: child.then(|| VenueOrderId::new(&format!("1{object}"))),
            service: if child { Service::Regular } else { self.service },
            symbol: Symbol::new("BTCUSDT"),
            side: Side::Buy,
            direction: Direction::Long,
            status,
            stated: (says & STATED != 0).then_some(stated),
            executed: (says & EXECUTED != 0).then_some(executed),
            average_price: (says & AVERAGE != 0).then_some(average),
            trade: (says & TRADE != 0).then(|| Trade {
                id: TradeId::new(&format!("t{object}{trade}")),
                qty: Qty::from_units(i64::from(trade) + 1, 0).unwrap(),
                price: Price::from_units(95 + i64::from(trade), 0).unwrap(),
                fee: Notional::from_units(1, 2).unwrap(),
            }),
            at: VenueMillis(0),
        }
    }

    /// The order after these reports; nothing may go back on the way.
    fn after<'a>(&self, reports: impl Iterator<Item = &'a OrderReport>) -> Order {
        let mut order = self.order.clone();
        for report in reports {
            let before = order.clone();
            match order.merge(report) {
                // Only numbers beyond any venue's are refused, and leave no trace.
                Err(error) => assert!(self.wild && order == before, "{error}: {report:?}"),
                Ok(changed) => {
                    assert_eq!(changed, order != before, "{report:?} on {before:?}");
                    never_goes_back(&before, &order, self.wild);
                }
            }
        }
        order
    }
}

fn never_goes_back(before: &Order, after: &Order, wild: bool) {
    // A negative fill is no venue's, and may take away what another object executed.
    assert!(wild || after.executed().qty >= before.executed().qty, "{before:?} became {after:?}");
    for old in before.ledger.objects() {
        let new = after.ledger.objects().iter().find(|new| new.venue_id == old.venue_id);
        assert!(new.is_some_and(|new| new.status >= old.status), "{before:?} became {after:?}");
    }
    // A lower venue id may turn up later and stand for the order, and a trigger order that fired after all waits for
    // its child: only then may a done order reopen.
    let reopened = before.life.is_done() && !after.life.is_done();
    let fired = after.service != Service::Regular && after.life == Life::Triggered;
    assert!(!reopened || fired || after.ledger.objects().len() > 1, "{before:?} became {after:?}");
}

/// Merges the reports of the bytes in two orders, the second with repeats.
///
/// # Panics
///
/// When the two end differently, or anything goes back on the way.
pub fn order_events(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let subject = Subject::read(&mut bytes);
    let count = bytes.u8() % (MAX_REPORTS + 1);
    let reports: Vec<OrderReport> = (0..count).map(|_| subject.report(&mut bytes)).collect();
    if reports.is_empty() {
        return;
    }
    let once = subject.after(reports.iter());
    // Any of them, any number of times; then all of them, the last one first.
    let picked = bytes.rest().iter().take(64).map(|byte| &reports[usize::from(*byte) % reports.len()]);
    let mixed = subject.after(picked.chain(reports.iter().rev()));
    assert!(subject.wild || once == mixed, "{reports:#?}\n{once:#?}\n{mixed:#?}");
}
