//! What the venue showed of one order: its objects there, and what each executed.
//!
//! Merging is a join: per object the status of highest rank, the largest cumulative fill, the union of
//! trades by id, the newest stated values. So any permutation of the same reports, with repeats, ends in
//! the same ledger (R51, R52, R56–R58, R62, R63).

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::exchange::{OrderReport, ReportStatus, Service};
use crate::id::{TradeId, VenueOrderId};
use crate::number::{ArithmeticError, Notional, Price, Qty};
use crate::time::VenueMillis;

/// The most venue objects kept under one client id; more than two means the wire doubled requests.
pub const MAX_OBJECTS: usize = 8;
/// The most trades kept per object; a fuller object counts by its cumulative fill.
pub const MAX_TRADES: usize = 1_024;

/// What executed: how much, and for how much money where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Executed {
    /// Quantity.
    pub qty: Qty,
    /// Quantity x price over all of it; `None` while some of it has no price yet.
    pub cost: Option<Notional>,
    /// Fees of the trades that were seen.
    pub fee: Notional,
}

/// One trade, once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct TradeEntry {
    id: TradeId,
    qty: Qty,
    cost: Notional,
    fee: Notional,
}

/// One object a venue keeps under our client id: an order, a conditional order, or a child of one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VenueObject {
    /// The venue's id.
    pub venue_id: VenueOrderId,
    /// The conditional or plan object that spawned it.
    pub parent: Option<VenueOrderId>,
    /// Which service holds it.
    pub service: Service,
    /// The highest status seen.
    pub status: ReportStatus,
    /// Stated price and when that was said.
    pub price: Option<(VenueMillis, Price)>,
    /// Stated quantity and when that was said.
    pub qty: Option<(VenueMillis, Qty)>,
    cumulative: Qty,
    cumulative_cost: Option<Notional>,
    trades: Vec<TradeEntry>,
}

impl VenueObject {
    fn new(report: &OrderReport) -> Self {
        Self {
            venue_id: report.venue_id.clone(),
            parent: None,
            service: report.service,
            status: report.status,
            price: None,
            qty: None,
            cumulative: Qty::ZERO,
            cumulative_cost: None,
            trades: Vec::new(),
        }
    }

    fn merge(&mut self, report: &OrderReport) -> Result<(), ArithmeticError> {
        self.status = if zoo!(StatusMovesBack) { report.status } else { self.status.max(report.status) };
        if zoo!(AverageIsAnEdit)
            && let Some(average) = report.average_price
        {
            self.price = Some((report.at, average));
        }
        if report.parent.is_some() {
            self.parent = self.parent.take().max(report.parent.clone());
        }
        if let Some(stated) = &report.stated {
            if let Some(price) = stated.price.filter(|p| p.is_positive() || zoo!(ZeroEchoErases)) {
                let said = Some((stated.at, price));
                self.price = if zoo!(LastArrivalWins) { said } else { self.price.max(said) };
            }
            if let Some(qty) = stated.qty.filter(|q| q.is_positive()) {
                self.qty = self.qty.max(Some((stated.at, qty)));
            }
        }
        if let Some(executed) = report.executed {
            let cost = match report.average_price {
                Some(average) if average.is_positive() => Some(average.checked_mul(executed)?),
                _ => None,
            };
            if executed > self.cumulative || zoo!(CumulativeOverwritten) {
                self.cumulative = executed;
                self.cumulative_cost = cost;
            } else if executed == self.cumulative {
                self.cumulative_cost = self.cumulative_cost.max(cost);
            }
        }
        if let Some(trade) = &report.trade
            && let (Err(place), _) | (Ok(place), true) =
                (self.trades.binary_search_by(|t| t.id.cmp(&trade.id)), zoo!(FillCountedTwice))
            && self.trades.len() < MAX_TRADES
        {
            let cost = trade.price.checked_mul(trade.qty)?;
            self.trades.insert(place, TradeEntry { id: trade.id.clone(), qty: trade.qty, cost, fee: trade.fee });
        }
        Ok(())
    }

    /// What this object executed: the larger of its cumulative fill and the sum of its trades.
    pub fn executed(&self) -> Result<Executed, ArithmeticError> {
        if self.trades.is_empty() {
            let cost = if self.cumulative.is_zero() { Some(Notional::ZERO) } else { self.cumulative_cost };
            return Ok(Executed { qty: self.cumulative, cost, fee: Notional::ZERO });
        }
        let (mut qty, mut cost, mut fee) = (Qty::ZERO, Notional::ZERO, Notional::ZERO);
        for trade in &self.trades {
            qty = qty.checked_add(trade.qty)?;
            fee = fee.checked_add(trade.fee)?;
            cost = cost.checked_add(trade.cost)?;
        }
        if zoo!(CumulativePlusTrades) {
            qty = qty.checked_add(self.cumulative)?;
        }
        if qty >= self.cumulative {
            return Ok(Executed { qty, cost: Some(cost), fee });
        }
        Ok(Executed { qty: self.cumulative, cost: self.cumulative_cost, fee })
    }
}

fn rank(id: &VenueOrderId) -> (usize, &VenueOrderId) {
    (id.as_str().len(), id)
}

/// Every object under one client id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Ledger {
    objects: Vec<VenueObject>,
}

impl Ledger {
    /// Merges one report; says whether anything changed. A report beyond [`MAX_OBJECTS`] is an error.
    pub fn merge(&mut self, report: &OrderReport) -> Result<bool, ArithmeticError> {
        match self.objects.binary_search_by(|o| rank(&o.venue_id).cmp(&rank(&report.venue_id))) {
            Ok(place) => {
                let Some(object) = self.objects.get_mut(place) else { return Ok(false) };
                let mut next = object.clone();
                next.merge(report)?;
                let changed = next != *object;
                *object = next;
                Ok(changed)
            }
            Err(place) => {
                if self.objects.len() >= MAX_OBJECTS {
                    return Err(ArithmeticError::Overflow);
                }
                let mut object = VenueObject::new(report);
                object.merge(report)?;
                self.objects.insert(place, object);
                Ok(true)
            }
        }
    }

    /// Every object, oldest venue id first.
    #[must_use]
    pub fn objects(&self) -> &[VenueObject] {
        &self.objects
    }

    /// The object that stands for the order: the first that no other spawned.
    #[must_use]
    pub fn primary(&self) -> Option<&VenueObject> {
        self.objects.iter().find(|o| o.parent.is_none()).or_else(|| self.objects.first())
    }

    /// The child of the primary object, if it has triggered.
    #[must_use]
    pub fn child(&self) -> Option<&VenueObject> {
        let primary = self.primary()?;
        self.objects.iter().find(|o| o.parent.as_ref() == Some(&primary.venue_id))
    }

    /// Objects that neither are the primary nor its child: the wire doubled a request.
    pub fn extras(&self) -> impl Iterator<Item = &VenueObject> {
        let primary = self.primary().map(|o| o.venue_id.clone());
        self.objects.iter().filter(move |o| Some(&o.venue_id) != primary.as_ref() && o.parent != primary)
    }

    /// The order's status in the venue's view: its child's once it triggered, else its own.
    #[must_use]
    pub fn status(&self) -> Option<ReportStatus> {
        let primary = self.primary()?;
        if let Some(child) = self.child() {
            return Some(if child.status.is_terminal() { child.status } else { ReportStatus::Triggered });
        }
        // A trigger order that is "filled" has only fired: without its child nothing is known (R69).
        if primary.parent.is_none() && primary.service != Service::Regular && primary.status == ReportStatus::Filled {
            return Some(ReportStatus::Triggered);
        }
        if primary.parent.is_some() && !primary.status.is_terminal() {
            return Some(ReportStatus::Triggered);
        }
        Some(primary.status)
    }

    /// What all objects under this id executed together.
    pub fn executed(&self) -> Result<Executed, ArithmeticError> {
        if let [only] = &self.objects[..] {
            return only.executed();
        }
        let mut total = Executed { qty: Qty::ZERO, cost: Some(Notional::ZERO), fee: Notional::ZERO };
        for object in &self.objects {
            let one = object.executed()?;
            total.qty = total.qty.checked_add(one.qty)?;
            total.fee = total.fee.checked_add(one.fee)?;
            total.cost = match (total.cost, one.cost) {
                (Some(a), Some(b)) => Some(a.checked_add(b)?),
                _ => None,
            };
        }
        Ok(total)
    }
}
