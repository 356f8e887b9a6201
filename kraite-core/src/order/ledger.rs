//! What the venue showed of one order: its objects there, and what each executed.
//!
//! Merging is a join: per object the status of highest rank, the largest cumulative fill, the union of
//! trades by id, the newest stated values. So any permutation of the same reports, with repeats, ends in
//! the same ledger (R51, R52, R56–R58, R62, R63).
//!
//! It works in place: first everything that can fail is worked out, then it is written. What orders usually come
//! to lies in the ledger itself, so that a report costs no allocation (P9).

use core::cmp::Ordering;
use core::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::stored::TradeEntry;
use crate::exchange::{OrderReport, ReportStatus, Service, Trade};
use crate::id::VenueOrderId;
use crate::number::{ArithmeticError, Notional, Price, Qty};
use crate::time::VenueMillis;

/// The most venue objects kept under one client id; more than two means the wire doubled requests.
pub const MAX_OBJECTS: usize = 8;
/// The most trades kept per object; a fuller object counts by its cumulative fill.
pub const MAX_TRADES: usize = 1_024;

/// Objects that lie in the ledger itself: an order, and the child of one that triggered.
const INLINE_OBJECTS: usize = 2;
/// Trades that lie in the ledger itself; an order that needs more asks for memory once.
const INLINE_TRADES: usize = 8;

/// What executed: how much, and for how much money where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Executed {
    /// Quantity.
    pub qty: Qty,
    /// Quantity x price over all of it; `None` while some of it has no price yet.
    pub cost: Option<Notional>,
    /// Fees of the trades that were seen.
    pub fee: Notional,
    /// Quantity x price of what no trade was seen of, where that is known: its fees are told nowhere.
    pub untold: Notional,
}

/// What the trades of an object come to: a function of them, so it is never stored and tells nothing apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Traded {
    qty: Qty,
    cost: Notional,
    fee: Notional,
}

impl Executed {
    /// Nothing, for no money.
    pub(crate) const NOTHING: Self =
        Self { qty: Qty::ZERO, cost: Some(Notional::ZERO), fee: Notional::ZERO, untold: Notional::ZERO };

    /// Both together.
    pub(crate) fn and(&self, other: &Self) -> Result<Self, ArithmeticError> {
        Ok(Self {
            qty: self.qty.checked_add(other.qty)?,
            cost: match (self.cost, other.cost) {
                (Some(a), Some(b)) => Some(a.checked_add(b)?),
                _ => None,
            },
            fee: self.fee.checked_add(other.fee)?,
            untold: self.untold.checked_add(other.untold)?,
        })
    }
}

impl Hash for Traded {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// What one object executed, as its reports count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Count {
    pub(super) cumulative: Qty,
    pub(super) cumulative_cost: Option<Notional>,
    /// How many trades of the ledger are this object's.
    pub(super) trades: u16,
    traded: Traded,
}

impl Count {
    /// A cumulative fill, and no trade yet.
    pub(super) fn of(cumulative: Qty, cumulative_cost: Option<Notional>) -> Self {
        Self { cumulative, cumulative_cost, ..Self::default() }
    }

    /// The cumulative fill of a report and its cost, if it says more than is known.
    #[inline(always)]
    fn better(&self, report: &OrderReport) -> Result<Option<(Qty, Option<Notional>)>, ArithmeticError> {
        let Some(executed) = report.executed else { return Ok(None) };
        let cost = match report.average_price {
            Some(average) if average.is_positive() => Some(average.checked_mul(executed)?),
            _ => None,
        };
        let better = match executed.cmp(&self.cumulative) {
            _ if zoo!(CumulativeOverwritten) => executed != self.cumulative || cost != self.cumulative_cost,
            Ordering::Greater => true,
            Ordering::Equal => cost > self.cumulative_cost,
            Ordering::Less => false,
        };
        Ok(better.then_some((executed, cost)))
    }

    /// The sums with one more trade, and how many trades there are then.
    #[inline(always)]
    fn with_trade(&self, qty: Qty, cost: Notional, fee: Notional) -> Result<(Traded, u16), ArithmeticError> {
        let traded = Traded {
            qty: self.traded.qty.checked_add(qty)?,
            cost: self.traded.cost.checked_add(cost)?,
            fee: self.traded.fee.checked_add(fee)?,
        };
        Ok((traded, self.trades.checked_add(1).ok_or(ArithmeticError::Overflow)?))
    }

    /// Takes one more trade.
    pub(super) fn take_trade(&mut self, trade: &TradeEntry) -> Result<(), ArithmeticError> {
        (self.traded, self.trades) = self.with_trade(trade.qty, trade.cost, trade.fee)?;
        Ok(())
    }

    /// Writes what a report comes to.
    #[inline(always)]
    fn take(&mut self, worked: &Worked) {
        if let Some((cumulative, cost)) = worked.cumulative {
            self.cumulative = cumulative;
            self.cumulative_cost = cost;
        }
        if let Some(trade) = &worked.trade {
            self.traded = trade.traded;
            self.trades = trade.trades;
        }
    }

    /// The larger of the cumulative fill and the sum of the trades.
    fn executed(&self) -> Result<Executed, ArithmeticError> {
        let qty = self.executed_qty()?;
        let Traded { cost, fee, .. } = self.traded;
        if self.trades == 0 {
            let cost = if self.cumulative.is_zero() { Some(Notional::ZERO) } else { self.cumulative_cost };
            return Ok(Executed { qty, cost, fee, untold: cost.unwrap_or_default() });
        }
        if self.traded.qty >= self.cumulative || zoo!(CumulativePlusTrades) {
            return Ok(Executed { qty, cost: Some(cost), fee, untold: Notional::ZERO });
        }
        let untold = self.cumulative_cost.and_then(|all| all.checked_sub(cost).ok());
        let untold = untold.filter(|rest| rest.is_positive()).unwrap_or_default();
        Ok(Executed { qty, cost: self.cumulative_cost, fee, untold })
    }

    /// The quantity alone.
    fn executed_qty(&self) -> Result<Qty, ArithmeticError> {
        if zoo!(CumulativePlusTrades) && self.trades > 0 {
            return self.traded.qty.checked_add(self.cumulative);
        }
        Ok(if self.trades == 0 { self.cumulative } else { self.traded.qty.max(self.cumulative) })
    }
}

/// One object a venue keeps under our client id: an order, a conditional order, or a child of one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
    pub(super) count: Count,
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
            count: Count::default(),
        }
    }

    /// Takes what a report says apart from fills; says whether that changed anything.
    #[inline(always)]
    fn restate(&mut self, report: &OrderReport) -> bool {
        let status = if zoo!(StatusMovesBack) { report.status } else { self.status.max(report.status) };
        let mut changed = set(&mut self.status, status);
        if zoo!(AverageIsAnEdit)
            && let Some(average) = report.average_price
        {
            changed |= set(&mut self.price, Some((report.at, average)));
        }
        if report.parent > self.parent {
            self.parent.clone_from(&report.parent);
            changed = true;
        }
        let Some(stated) = &report.stated else { return changed };
        if let Some(price) = stated.price.filter(|p| p.is_positive() || zoo!(ZeroEchoErases)) {
            changed |= if zoo!(LastArrivalWins) {
                set(&mut self.price, Some((stated.at, price)))
            } else {
                renew(&mut self.price, stated.at, price)
            };
        }
        if let Some(qty) = stated.qty.filter(|q| q.is_positive()) {
            changed |= renew(&mut self.qty, stated.at, qty);
        }
        changed
    }

    /// What this object executed: the larger of its cumulative fill and the sum of its trades.
    pub fn executed(&self) -> Result<Executed, ArithmeticError> {
        self.count.executed()
    }
}

/// Writes a value where there is another; says whether that changed anything.
fn set<T: PartialEq>(place: &mut T, value: T) -> bool {
    let changed = *place != value;
    if changed {
        *place = value;
    }
    changed
}

/// Writes a value that was said later than the one there, or is the larger of two said at once; says whether that
/// changed anything.
#[inline]
fn renew<T: Ord + Copy>(place: &mut Option<(VenueMillis, T)>, at: VenueMillis, value: T) -> bool {
    let older = place.as_ref().is_some_and(|(known, is)| at < *known || (at == *known && value <= *is));
    if !older {
        *place = Some((at, value));
    }
    !older
}

fn rank(id: &VenueOrderId) -> (usize, &VenueOrderId) {
    (id.as_str().len(), id)
}

/// Every object under one client id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Ledger {
    pub(super) objects: SmallVec<[VenueObject; INLINE_OBJECTS]>,
    /// The trades of all objects, object by object, by id.
    pub(super) trades: SmallVec<[TradeEntry; INLINE_TRADES]>,
}

/// What a report comes to, worked out and not yet written.
struct Worked {
    /// The place of its object, or where that is to be.
    found: Result<usize, usize>,
    /// A cumulative fill and its cost that say more than is known.
    cumulative: Option<(Qty, Option<Notional>)>,
    trade: Option<NewTrade>,
}

/// A trade that is not known yet.
struct NewTrade {
    /// Its place among all trades.
    at: usize,
    cost: Notional,
    /// The sums of its object with it, and the number of its trades.
    traded: Traded,
    trades: u16,
}

impl Worked {
    /// True when it changes an object's fills, or makes an object.
    const fn is_more(&self) -> bool {
        self.found.is_err() || self.cumulative.is_some() || self.trade.is_some()
    }
}

impl Ledger {
    /// Merges one report; says whether anything changed. A report beyond [`MAX_OBJECTS`] is an error, as is one
    /// that the totals overflow with; an error changes nothing.
    pub fn merge(&mut self, report: &OrderReport) -> Result<bool, ArithmeticError> {
        let worked = self.work_out(report)?;
        // Nothing fails from here on.
        let (Ok(place) | Err(place)) = worked.found;
        if worked.found.is_err() {
            self.objects.insert(place, VenueObject::new(report));
        }
        let Some(object) = self.objects.get_mut(place) else { return Ok(false) };
        let restated = object.restate(report);
        object.count.take(&worked);
        if let (Some(NewTrade { at, cost, .. }), Some(trade)) = (&worked.trade, &report.trade) {
            let entry = TradeEntry { id: trade.id.clone(), qty: trade.qty, cost: *cost, fee: trade.fee };
            if *at == self.trades.len() {
                self.trades.push(entry);
            } else {
                self.trades.insert(*at, entry);
            }
        }
        Ok(restated || worked.is_more())
    }

    /// Takes a trade that the venue's books show of an object, unless it would make more of what executed: books say
    /// what that cost, never how much it was. Says whether anything changed; an error changes nothing.
    pub fn book(&mut self, object: &VenueOrderId, trade: &Trade) -> Result<bool, ArithmeticError> {
        let Some(place) = self.objects.iter().position(|o| o.venue_id == *object) else { return Ok(false) };
        let Some(count) = self.objects.get(place).map(|o| o.count) else { return Ok(false) };
        let Some(new) = self.new_trade(place, &count, trade)? else { return Ok(false) };
        if new.traded.qty > count.executed_qty()? {
            return Ok(false);
        }
        let entry = TradeEntry { id: trade.id.clone(), qty: trade.qty, cost: new.cost, fee: trade.fee };
        if let Some(object) = self.objects.get_mut(place) {
            object.count.traded = new.traded;
            object.count.trades = new.trades;
            self.trades.insert(new.at, entry);
        }
        Ok(true)
    }

    /// True when trades were seen of all that executed: its fees are known.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.objects.iter().all(|o| o.count.traded.qty >= o.count.cumulative)
    }

    /// What [`Ledger::merge`] would say of a report; changes nothing.
    pub fn is_news(&self, report: &OrderReport) -> Result<bool, ArithmeticError> {
        let worked = self.work_out(report)?;
        let known = worked.found.ok().and_then(|place| self.objects.get(place));
        Ok(worked.is_more() || known.is_some_and(|object| object.clone().restate(report)))
    }

    /// Everything about a report that can fail.
    #[inline(always)]
    fn work_out(&self, report: &OrderReport) -> Result<Worked, ArithmeticError> {
        let known = self.objects.iter().position(|o| o.venue_id == report.venue_id);
        let found = known.ok_or_else(|| self.objects.partition_point(|o| rank(&o.venue_id) < rank(&report.venue_id)));
        let (Ok(place) | Err(place)) = found;
        let fresh = Count::default();
        let count = match found {
            Ok(place) => self.objects.get(place).map_or(&fresh, |o| &o.count),
            Err(_) if self.objects.len() >= MAX_OBJECTS => return Err(ArithmeticError::Overflow),
            Err(_) => &fresh,
        };
        let trade = match &report.trade {
            Some(trade) => self.new_trade(place, count, trade)?,
            None => None,
        };
        let worked = Worked { found, cumulative: count.better(report)?, trade };
        if worked.is_more() && self.objects.len() > usize::from(found.is_ok()) {
            let mut count = *count;
            count.take(&worked);
            let others = self.objects.iter().enumerate().filter(|(at, _)| found != Ok(*at));
            total(others.map(|(_, o)| &o.count).chain([&count]))?;
        }
        Ok(worked)
    }

    /// A trade of the object at `place`, which counts `count`; `None` if it is known or there is no room.
    #[inline(always)]
    fn new_trade(&self, place: usize, count: &Count, trade: &Trade) -> Result<Option<NewTrade>, ArithmeticError> {
        let first: usize = self.objects.iter().take(place).map(|o| usize::from(o.count.trades)).sum();
        let known = usize::from(count.trades);
        let ours = self.trades.get(first..).and_then(|rest| rest.get(..known)).unwrap_or_default();
        if known >= MAX_TRADES {
            return Ok(None);
        }
        // Trades mostly come in the order of their ids.
        let found = match ours.last() {
            Some(last) if trade.id > last.id => Err(known),
            _ => ours.binary_search_by(|t| t.id.cmp(&trade.id)),
        };
        match found {
            Ok(_) if !zoo!(FillCountedTwice) => Ok(None),
            Ok(at) | Err(at) => {
                let cost = trade.price.checked_mul(trade.qty)?;
                let (traded, trades) = count.with_trade(trade.qty, cost, trade.fee)?;
                Ok(Some(NewTrade { at: first.saturating_add(at), cost, traded, trades }))
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
        let primary = self.primary().map(|o| &o.venue_id);
        self.objects.iter().filter(move |o| Some(&o.venue_id) != primary && o.parent.as_ref() != primary)
    }

    /// The order's status in the venue's view: its child's once it triggered, else its own.
    #[must_use]
    pub fn status(&self) -> Option<ReportStatus> {
        let primary = self.primary()?;
        if self.objects.len() > 1
            && let Some(child) = self.child()
        {
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

    /// How much all objects under this id executed together.
    pub fn executed_qty(&self) -> Result<Qty, ArithmeticError> {
        self.objects.iter().try_fold(Qty::ZERO, |sum, object| sum.checked_add(object.count.executed_qty()?))
    }

    /// What all objects under this id executed together.
    pub fn executed(&self) -> Result<Executed, ArithmeticError> {
        total(self.objects.iter().map(|o| &o.count))
    }
}

fn total<'a>(mut counts: impl Iterator<Item = &'a Count>) -> Result<Executed, ArithmeticError> {
    let Some(first) = counts.next() else {
        return Ok(Executed::NOTHING);
    };
    counts.try_fold(first.executed()?, |sum, count| sum.and(&count.executed()?))
}
