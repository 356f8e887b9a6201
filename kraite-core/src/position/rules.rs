//! The rules of the contract as a position knows them, and what the venue refused by them.

use super::Position;
use crate::exchange::{Direction, OrderShape, RejectKind};
use crate::id::Role;
use crate::instrument::Instrument;
use crate::number::{Price, Qty};
use crate::order::{Life, Order, Terminal};
use crate::rounding::floor_qty;
use crate::sizing::{self, Rule, RungPlan};

impl Position {
    /// The price the entry really got; `None` until that is known.
    #[must_use]
    pub fn entry_price(&self) -> Option<Price> {
        let entry = self.executed_entry();
        entry.cost.and_then(|cost| cost.checked_div_qty(entry.qty).ok())
    }

    /// The exposure that an order with a quantity can take off: floored to the lot.
    #[must_use]
    pub fn closable(&self) -> Qty {
        floor_qty(self.exposure(), self.request.instrument.lot).unwrap_or(Qty::ZERO)
    }

    /// True when an order that still executes this much takes the exposure off, but for less than a lot.
    #[must_use]
    pub fn is_closed_by(&self, qty: Qty) -> bool {
        self.exposure()
            .checked_sub(qty)
            .is_ok_and(|rest| rest.is_zero() || (rest.is_positive() && rest < self.request.instrument.lot))
    }

    /// Takes over the rules as the venue has them now. Rungs that were never placed and the stop price move to the
    /// new grids; what rests at the venue stays as it is there. A rung that finds no room is left as it was planned
    /// and dropped when it would be placed.
    pub(crate) fn take_rules(&mut self, read: &Instrument) {
        self.request.instrument = self.request.instrument.read_again(read);
        let planned = core::mem::take(&mut self.rungs);
        self.rungs = planned
            .into_iter()
            .map(|rung| {
                let placed = self.of(Role::Rung(rung.rung)).any(|o| o.life.may_trade() || o.life.was_accepted());
                if placed { rung } else { self.rung_now(&rung).unwrap_or(rung) }
            })
            .collect();
        let reference = self.reference();
        let farthest = |anchor: Price, rung: &RungPlan| match self.direction() {
            Direction::Long => anchor.min(rung.price),
            Direction::Short => anchor.max(rung.price),
        };
        let anchor = self.rungs.iter().fold(reference, farthest);
        // One that a user moved lies where they wanted it, before rungs that are filled or left out too.
        let anchor = match (self.hands.outdated_stop, self.direction()) {
            (None, _) => anchor,
            (Some(_), Direction::Long) => {
                anchor.max(self.stop_price.checked_add(self.request.instrument.tick).unwrap_or(anchor))
            }
            (Some(_), Direction::Short) => Price::ZERO,
        };
        self.stop_price = sizing::regrid_stop(self.direction(), &self.request.instrument, anchor, self.stop_price);
    }

    /// A rung as the rules take it now.
    pub(crate) fn rung_now(&self, rung: &RungPlan) -> Result<RungPlan, Rule> {
        sizing::regrid(self.direction(), &self.request.instrument, self.reference(), rung)
    }

    /// True while a rung is held back: the venue refused it for being too far from the market, and the market may come
    /// to it.
    #[must_use]
    pub fn is_held(&self, rung: u8) -> bool {
        let latest = self.latest(Role::Rung(rung));
        latest.is_some_and(|o| o.life == Life::Done(Terminal::Refused) && o.refusal == Some(RejectKind::PriceBand))
            && !self.dropped.contains(&rung)
    }

    /// What the rungs hang on.
    fn reference(&self) -> Price {
        self.entry_price().unwrap_or(self.ladder.entry.reference_price)
    }

    /// True when the present rules refuse an order of this shape too: a refusal of it says nothing about the next
    /// one, which is made for these rules.
    fn refuses(&self, role: Role, shape: &OrderShape) -> bool {
        !self.request.instrument.takes(shape, !role.is_exit())
    }

    /// True when the newest order of a role was refused by rules that we have learned since, and `wish` keeps to
    /// them: it need not wait.
    #[must_use]
    pub(crate) fn is_regridded(&self, role: Role, wish: &OrderShape) -> bool {
        self.is_outdated(role) && !self.refuses(role, wish)
    }

    /// True when the newest order of a role was refused by rules that we have learned since.
    #[must_use]
    pub(crate) fn is_outdated(&self, role: Role) -> bool {
        self.latest(role).is_some_and(|o| is_refused_by_rules(o) && self.refuses(role, &o.shape))
    }

    /// The refusals of an order of a role by rules that the rules we know do not explain. Where `wish`, the next
    /// of its kind, breaks them itself, nothing is explained.
    pub(crate) fn unexplained<'a>(
        &'a self,
        role: Role,
        wish: &OrderShape,
    ) -> impl DoubleEndedIterator<Item = &'a Order> {
        let hopeless = self.refuses(role, wish);
        self.of(role).filter(move |o| is_refused_by_rules(o) && (hopeless || !self.refuses(role, &o.shape)))
    }
}

/// True for an order whose placement the venue refused by the rules of the contract.
fn is_refused_by_rules(order: &Order) -> bool {
    order.life == Life::Done(Terminal::Refused) && order.refusal.is_some_and(RejectKind::is_by_rules)
}
