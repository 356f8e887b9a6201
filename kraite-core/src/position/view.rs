//! Questions about a position, all answered from its rows: nothing here is stored twice.

use serde::{Deserialize, Serialize};

use super::{Cover, Phase, Position};
use crate::engine::Held;
use crate::exchange::{Direction, OrderShape};
use crate::id::{ClientOrderId, LogicalOrder, Role};
use crate::number::{ArithmeticError, Notional, Price, Qty};
use crate::order::{Executed, Life, Order, Terminal};
use crate::rounding::floor_price;
use crate::sizing;

/// A position's status in the words of S11.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PositionStatus {
    /// Before it is complete.
    Opening,
    /// Complete and protected.
    Active,
    /// Complete, but an order is in doubt, missing or unread.
    Syncing,
    /// Complete, but its target is being re-priced.
    Resizing,
    /// Taking exposure off.
    Closing,
    /// Flat and clean.
    Closed,
    /// Taking back an opening.
    Cancelling,
    /// Never had exposure and is clean.
    Cancelled,
    /// Needs a human.
    Failed,
}

/// How the two protective orders stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protective {
    /// No row that may still act.
    Missing,
    /// Handed to the wire or in doubt.
    UnderWay,
    /// Accepted and untriggered.
    Open,
    /// Fired; its child is trading.
    Triggered,
}

impl Position {
    /// Every order of a role, oldest revision and attempt first.
    pub fn of(&self, role: Role) -> impl DoubleEndedIterator<Item = &Order> {
        self.orders.of(role)
    }

    /// The newest order of a role.
    #[must_use]
    pub fn latest(&self, role: Role) -> Option<&Order> {
        self.of(role).next_back()
    }

    /// Every attempt of one logical order.
    pub fn attempts(&self, logical: LogicalOrder) -> impl DoubleEndedIterator<Item = &Order> {
        self.of(logical.role).filter(move |o| o.id.key().logical == logical)
    }

    /// What all orders of the roles that `pick` names executed together.
    pub fn executed_by(&self, pick: impl Fn(Role) -> bool) -> Result<Executed, ArithmeticError> {
        self.orders.executed_by(pick)
    }

    /// The quantity of [`Position::entered`], which is asked for most.
    #[must_use]
    pub fn entered_qty(&self) -> Qty {
        let (sent, adopted) = (self.orders.sums().entered_qty, self.adopted());
        adopted.map_or(sent, |adopted| sent.checked_add(adopted.qty).unwrap_or_default())
    }

    /// What was taken over, once it was: bought at its price, by a taker as far as anybody knows.
    #[must_use]
    pub fn adopted(&self) -> Option<Executed> {
        let Held { qty, price } = self.adoption.filter(|adoption| adoption.is_done)?.held;
        let cost = price.checked_mul(qty).ok();
        Some(Executed { qty, cost, fee: Notional::ZERO, untold: cost.unwrap_or_default() })
    }

    fn with_adopted(&self, sent: Executed) -> Executed {
        self.adopted().map_or(sent, |adopted| sent.and(&adopted).unwrap_or_default())
    }

    /// What the entry executed; what was taken over counts as one.
    #[must_use]
    pub fn executed_entry(&self) -> Executed {
        self.with_adopted(self.orders.sums().entry)
    }

    /// What entry and rungs executed; what was taken over counts as an entry.
    #[must_use]
    pub fn entered(&self) -> Executed {
        self.with_adopted(self.orders.sums().entered)
    }

    /// What target, stop and closes executed.
    #[must_use]
    pub const fn exited(&self) -> Executed {
        self.orders.sums().exited
    }

    /// The exposure our own fills explain: entered, less exited, less what left by other hands.
    #[must_use]
    pub fn exposure(&self) -> Qty {
        let gone = self.external.values().try_fold(self.orders.sums().exited_qty, |sum, qty| sum.checked_add(*qty));
        let open = gone.and_then(|gone| self.entered_qty().checked_sub(gone)).unwrap_or(Qty::ZERO);
        if open.is_negative() { Qty::ZERO } else { open }
    }

    /// The average entry of our own fills; `None` while a fill has no price yet or nothing filled.
    #[must_use]
    pub fn average_entry(&self) -> Option<Price> {
        let entered = if zoo!(TargetFromEntryPrice) { self.executed_entry() } else { self.entered() };
        entered.cost.and_then(|cost| cost.checked_div_qty(entered.qty).ok())
    }

    /// How much the wire made our opening orders fill beyond what they state.
    pub(super) fn doubled(&self) -> Qty {
        let mut excess = Qty::ZERO;
        for order in self.orders.values().filter(|o| !o.role().is_exit()) {
            let executed = order.executed_qty();
            let stated = order.shape.qty().filter(|stated| executed > *stated);
            if let Some(over) = stated.and_then(|stated| executed.checked_sub(stated).ok()) {
                excess = excess.checked_add(over).unwrap_or(excess);
            }
        }
        excess
    }

    /// True while an order that can add exposure may still trade.
    #[must_use]
    pub fn may_still_enter(&self) -> bool {
        self.orders.values().any(|o| !o.role().is_exit() && o.life.may_trade())
    }

    /// How the stop stands.
    #[must_use]
    pub fn stop(&self) -> Protective {
        self.protective(Role::Stop)
    }

    /// How the target stands.
    #[must_use]
    pub fn target(&self) -> Protective {
        self.protective(Role::Target)
    }

    fn protective(&self, role: Role) -> Protective {
        let mut best = Protective::Missing;
        for order in self.of(role) {
            match order.life {
                Life::Working | Life::PendingAmend => return Protective::Open,
                Life::PendingCancel => best = Protective::Open,
                Life::Triggered => best = Protective::Triggered,
                Life::PendingNew | Life::InDoubt if best == Protective::Missing => best = Protective::UnderWay,
                Life::Planned | Life::PendingNew | Life::InDoubt | Life::Done(_) => {}
            }
        }
        best
    }

    /// True once the entry has ended and how much it filled, at what price, is known.
    #[must_use]
    pub fn entry_settled(&self) -> bool {
        let mut rows = self.of(Role::Entry).peekable();
        (rows.peek().is_some() || self.adopted().is_some()) && rows.all(|o| o.life.is_done()) && {
            let entry = self.executed_entry();
            entry.qty.is_zero() || entry.cost.is_some()
        }
    }

    /// The price and size the target should have now; `None` without exposure or while a price is unknown. The size
    /// is floored to the lot: zero where less than one is open.
    ///
    /// `mark` re-anchors a target that the market has passed (R83).
    #[must_use]
    pub fn wanted_target(&self, mark: Option<Price>) -> Option<(Price, Qty)> {
        if !self.exposure().is_positive() {
            return None;
        }
        let average = self.average_entry()?;
        // One that the market has passed is placed beyond it even so (R83).
        if let Some(held) = self.hands.held_target.filter(|_| mark.is_none()) {
            let tick = self.request.instrument.tick;
            return Some((floor_price(held, tick).unwrap_or(held), self.closable()));
        }
        let instrument = &self.request.instrument;
        let wish = sizing::TargetRequest::at(&self.request.spec, instrument, average).ok()?;
        let wish = sizing::TargetRequest { profit: self.profit(), mark, ..wish };
        sizing::target_price(&wish).ok().map(|price| (price, self.closable()))
    }

    /// The order that serves as target now: the newest that is open, else the newest under way.
    #[must_use]
    pub fn serving_target(&self) -> Option<&Order> {
        self.of(Role::Target)
            .rev()
            .find(|o| o.life.is_open())
            .or_else(|| self.of(Role::Target).rev().find(|o| o.life.may_trade()))
    }

    /// True when an open target closes the exposure, but for less than a lot, at a price that was wanted for these
    /// fills.
    #[must_use]
    pub fn target_is_current(&self) -> bool {
        self.of(Role::Target).any(|o| self.serves(o))
    }

    /// True when this target is open, states what we want, and was decided for the fills as they are.
    #[must_use]
    pub fn serves(&self, target: &Order) -> bool {
        if zoo!(TargetKeepsQuantity) {
            return target.life == Life::Working && !target.cancel_wanted;
        }
        target.life == Life::Working
            && !target.cancel_wanted
            && target.basis == self.entered_qty()
            && !self.is_outdated_by_hand(target)
            && target.states_what_we_want()
            && target.shape.qty().is_none_or(|qty| self.is_closed_by(remaining(target, qty)))
    }

    /// Its status in the words of S11.
    #[must_use]
    pub fn status(&self) -> PositionStatus {
        match self.phase {
            Phase::New | Phase::Opening => PositionStatus::Opening,
            Phase::Active if self.orders.values().any(|o| o.life == Life::InDoubt) => PositionStatus::Syncing,
            Phase::Active if self.cover == Cover::Armed => PositionStatus::Active,
            Phase::Active if self.stop() == Protective::Open => PositionStatus::Resizing,
            Phase::Active => PositionStatus::Syncing,
            Phase::Closing => PositionStatus::Closing,
            Phase::Closed => PositionStatus::Closed,
            Phase::Cancelling => PositionStatus::Cancelling,
            Phase::Cancelled => PositionStatus::Cancelled,
            Phase::Failed => PositionStatus::Failed,
        }
    }

    /// Profit realised by our own fills: exits less the average cost of what they took off, less fees, and funding once
    /// the books were read. What was read and never pushed is charged as a taker until then: a limit on losses must not
    /// be passed by what nobody tells.
    /// `None` while a fill has no price.
    #[must_use]
    pub fn realised(&self) -> Option<Notional> {
        let entered = self.entered();
        let exited = self.exited();
        let average = self.average_entry()?;
        // What a close took of somebody else's was never paid for here.
        let cost = average.checked_mul(exited.qty.min(entered.qty)).ok()?;
        let gross = match self.direction() {
            Direction::Long => exited.cost?.checked_sub(cost).ok()?,
            Direction::Short => cost.checked_sub(exited.cost?).ok()?,
        };
        let untold = if zoo!(ChargedTwice) && self.booked.is_some() {
            entered.cost?.checked_add(exited.cost?).ok()?
        } else {
            entered.untold.checked_add(exited.untold).ok()?
        };
        let charged = untold.scaled_by(self.request.instrument.taker_fee).ok()?;
        let net = gross.checked_sub(entered.fee).ok()?.checked_sub(exited.fee).ok()?.checked_sub(charged).ok()?;
        net.checked_add(self.booked.map_or(Notional::ZERO, |booked| booked.funding)).ok()
    }

    /// Works out the cover from the rows.
    #[must_use]
    pub(crate) fn present_cover(&self) -> Cover {
        if !self.exposure().is_positive() {
            return Cover::Flat;
        }
        match self.stop() {
            Protective::Missing => Cover::Naked,
            Protective::UnderWay => Cover::Arming,
            Protective::Triggered => Cover::Stale,
            Protective::Open if self.target_is_current() => Cover::Armed,
            Protective::Open => Cover::Stale,
        }
    }

    /// The row of an id.
    #[must_use]
    pub fn order(&self, id: ClientOrderId) -> Option<&Order> {
        self.orders.get(&id)
    }

    /// True when a stop that had triggered ended without taking everything off.
    #[must_use]
    pub fn stop_fired_in_vain(&self) -> bool {
        self.exposure().is_positive()
            && self.stop() == Protective::Missing
            && self.latest(Role::Stop).is_some_and(|o| {
                matches!(o.life, Life::Done(Terminal::Filled | Terminal::Rejected))
                    || (o.life.is_done() && o.ledger.child().is_some())
            })
    }
}

/// What an order with this stated quantity still has to execute.
#[must_use]
pub(crate) fn remaining(order: &Order, stated: Qty) -> Qty {
    match order.shape {
        OrderShape::Limit { .. } => stated.checked_sub(order.executed_qty()).unwrap_or(stated),
        _ => stated,
    }
}
