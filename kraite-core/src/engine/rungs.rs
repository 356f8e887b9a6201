//! The rungs of a position: placing them, holding them back, leaving them out.

use alloc::format;
use alloc::string::String;

use super::build::{HALTED, PREFLIGHT_RETRY, Slot, slot};
use super::event::Event;
use super::io::{Alert, Query, Wake};
use super::limits::Hold;
use super::rules::RULES_BOUND;
use super::turn::Turn;
use crate::exchange::{OrderShape, RejectKind};
use crate::id::{PositionNo, Role};
use crate::instrument::PriceBand;
use crate::number::Qty;
use crate::order::{Life, Order, Terminal};
use crate::plan::StepKind;
use crate::position::{Phase, Protective};
use crate::sizing::{self, RungPlan};
use crate::time::Millis;

/// How often the mark is asked for while a rung is held; a try is at least as old.
const HELD_GAP: Millis = Millis::from_secs(15);

/// Readings show a change this late at most, as far as venues say.
pub(super) const READ_LAG: Millis = Millis::from_secs(2);
/// A reading this young says how things stand.
const FRESH: Millis = Millis::from_secs(3);

impl Turn<'_> {
    pub(super) fn rung(&mut self, no: PositionNo, rung: u8) {
        self.volatile.withheld.remove(&(no, rung));
        let Some(position) = self.position(no) else { return };
        if self.at.local < self.volatile.distrust_until {
            self.wake(no, self.volatile.distrust_until, Wake::Retry);
            return;
        }
        if position.halted || position.dropped.contains(&rung) {
            return;
        }
        let Some(plan) = position.rungs.iter().find(|r| r.rung == rung).copied() else { return };
        let role = Role::Rung(rung);
        if self.take_back(no, role) {
            return;
        }
        let Some(position) = self.position(no) else { return };
        let done = position.of(role).map(Order::executed_qty).try_fold(Qty::ZERO, Qty::checked_add);
        let done = done.unwrap_or_default();
        let left = plan.qty.checked_sub(done).unwrap_or(Qty::ZERO);
        if !left.is_positive() {
            return;
        }
        // Filled, and how much is not told yet: nothing of it may be placed again.
        let untold = |o: &&Order| o.life == Life::Done(Terminal::Filled) && o.executed_qty().is_zero();
        if position.of(role).any(|o| untold(&o)) || matches!(slot(position, role), Slot::Taken) {
            return;
        }
        if self.is_halted() {
            self.withhold(no, rung, Hold::Halted);
            return;
        }
        let now = position.rung_now(&RungPlan { qty: left, ..plan });
        let shape = now.map(|rung| OrderShape::Limit { price: rung.price, qty: rung.qty });
        if self.is_refused_for_good(no, rung, shape.ok()) {
            return;
        }
        let shape = match shape {
            Ok(shape) => shape,
            // What is left of a cancelled rung may be too small to rest again.
            Err(_) if done.is_positive() => return,
            Err(rule) => {
                self.drop_rung(no, rung, &format!("rung {rung} breaks the contract's {rule} and is left out"));
                return;
            }
        };
        let again = self.position(no).is_some_and(|p| p.latest(role).is_some());
        if again && !zoo!(RungAgainUnread) && !self.freshly_read(no, role) {
            return;
        }
        match self.hold_on_rung(no, &shape) {
            Some(hold) => self.withhold(no, rung, hold),
            None => self.place_when_free(no, role, shape),
        }
    }

    /// Rungs that a user added: no step of the opening places them.
    pub(super) fn added_rungs(&mut self, no: PositionNo) {
        let Some(position) = self.position(no).filter(|p| p.phase == Phase::Active && !zoo!(AddedRungForgotten)) else {
            return;
        };
        let planned = |rung| position.plan.find(StepKind::Rung(rung)).is_some();
        let added = position.rungs.iter().map(|plan| plan.rung).filter(|rung| !planned(*rung));
        let added: alloc::vec::Vec<u8> = added.collect();
        for rung in added {
            self.rung(no, rung);
        }
    }

    /// Cancels a rung that somebody moved at the venue: what is left of it is placed again where it is wanted (R66).
    /// Under a halt it stays, since it would not come back.
    fn take_back(&mut self, no: PositionNo, role: Role) -> bool {
        let moved = |o: &&Order| o.life == Life::Working && !o.states_what_we_want();
        let moved = self.position(no).filter(|_| !self.is_halted()).and_then(|p| p.of(role).find(moved));
        let Some(id) = moved.map(|o| o.id) else { return false };
        self.cancel_when_due(no, id);
        true
    }

    /// Keeps a rung from the wire and everything else going: neither stop nor target nor activation waits for it. What
    /// the rung costs by itself does not pass, and it is left out.
    fn withhold(&mut self, no: PositionNo, rung: u8, hold: Hold) {
        let message = match &hold {
            Hold::Halted => format!("rung {rung} is withheld: {HALTED}"),
            Hold::Limit(limit) => format!("rung {rung} is withheld: {limit}"),
        };
        let passes = hold.passes();
        let told = self.position(no).is_none_or(|p| p.alerts.contains(&Alert::RungWithheld));
        if let Hold::Limit(limit) = hold {
            let at = self.look_again_at(&limit);
            if passes {
                self.wake(no, at, Wake::Retry);
            }
            if !told || !passes {
                self.emit(Event::LimitReached { position: no, limit });
            }
        }
        if passes {
            self.volatile.withheld.insert((no, rung));
            self.alert(no, Alert::RungWithheld, message);
        } else {
            self.drop_rung(no, rung, &format!("{message}; it is left out"));
        }
    }

    pub(super) fn tell_that_nothing_is_withheld(&mut self, no: PositionNo) {
        let told = self.position(no).is_some_and(|p| p.alerts.contains(&Alert::RungWithheld));
        if told && self.volatile.withheld.range((no, 0)..=(no, u8::MAX)).next().is_none() {
            self.emit(Event::AlertCleared { position: no, alert: Alert::RungWithheld });
        }
    }

    /// True when the venue refused the rung and it is left out, or that is not known yet. What it refused by rules
    /// of the contract is left out only if the rules, read after that, do not explain it.
    fn is_refused_for_good(&mut self, no: PositionNo, rung: u8, wish: Option<OrderShape>) -> bool {
        let role = Role::Rung(rung);
        let Some(position) = self.position(no) else { return true };
        let refused = position.latest(role).filter(|o| o.life == Life::Done(Terminal::Refused));
        let Some(latest) = refused else { return false };
        let why = latest.refusal;
        let spent = position.attempts(latest.id.key().logical).count() >= usize::from(self.config.max_attempts);
        let explained = position.is_outdated(role) && wish.is_none_or(|wish| position.is_regridded(role, &wish));
        if !spent && explained {
            return false;
        }
        if !spent && why == Some(RejectKind::PriceBand) && !self.is_too_near(no, rung) {
            return !self.may_leave_hold(no, rung);
        }
        if !spent && why.is_some_and(RejectKind::is_by_rules) && !self.rules_are_known(no, RULES_BOUND) {
            return true;
        }
        if spent || why.is_some_and(|kind| !kind.is_retryable()) {
            self.drop_rung(no, rung, &format!("rung {rung} was refused ({why:?}) and is left out"));
            return true;
        }
        false
    }

    /// True where the band as we know it refuses a rung that is near the market: the market coming nearer is no help.
    fn is_too_near(&self, no: PositionNo, rung: u8) -> bool {
        let (Some(position), Some(mark)) = (self.position(no), self.fresh_mark(no)) else { return false };
        let Some(plan) = position.rungs.iter().find(|r| r.rung == rung) else { return false };
        let (rules, side) = (&position.request.instrument, position.direction().opening_side());
        rules.band.is_near(plan.price, mark) && sizing::check_band(side, plan.price, mark, rules).is_err()
    }

    /// Whether a rung that was too far from the market for the venue may go out: a fresh mark is near it. A contract
    /// that states no band says nothing about what is near, and the rung is tried once per poll.
    fn may_leave_hold(&mut self, no: PositionNo, rung: u8) -> bool {
        let Some(position) = self.position(no) else { return false };
        let Some(plan) = position.rungs.iter().find(|r| r.rung == rung).copied() else { return false };
        let (symbol, band) = (position.symbol().clone(), position.request.instrument.band);
        let Some(refused_at) = position.latest(Role::Rung(rung)).map(|o| o.intended_at) else { return false };
        let message = format!("rung {rung} at {} is too far from the market for the venue; it is held", plan.price);
        self.alert(no, Alert::RungHeld, message);
        let wait = if band == PriceBand::default() { self.config.poll_every } else { HELD_GAP };
        let due = refused_at.plus(wait);
        if self.at.local < due {
            self.wake(no, due, Wake::Retry);
            return false;
        }
        let near = |mark| band == PriceBand::default() || band.is_near(plan.price, mark);
        if self.fresh_mark(no).is_some_and(near) {
            return true;
        }
        let known = self.volatile.marks.get(&symbol).map(|mark| self.at.venue.since(mark.at));
        match known.filter(|age| *age < HELD_GAP) {
            Some(age) => self.wake(no, self.at.local.plus(Millis(HELD_GAP.0.saturating_sub(age.0))), Wake::Retry),
            None => {
                self.ask(Query::Mark(symbol));
                self.wake(no, self.at.local.plus(HELD_GAP), Wake::Retry);
            }
        }
        false
    }

    fn drop_rung(&mut self, no: PositionNo, rung: u8, message: &str) {
        self.emit(Event::RungDropped { position: no, rung });
        self.alert(no, Alert::RungDropped, String::from(message));
    }

    /// A rung that goes out again, perhaps minutes after the first try, must not add to a position that has
    /// been stopped out or taken by the venue meanwhile: a stop is open, and orders and exposure were read well
    /// after the rung was found gone, since a reading may lag behind what took it.
    fn freshly_read(&mut self, no: PositionNo, role: Role) -> bool {
        let Some(position) = self.position(no) else { return false };
        let (symbol, explained) = (position.symbol().clone(), position.exposure());
        let Some(latest) = position.latest(role) else { return true };
        let (id, lost) = (latest.id, latest.life.was_accepted());
        let stop_questioned = position.of(Role::Stop).any(|o| o.life.is_open() && self.volatile.reread.contains(&o.id));
        let stopped = position.stop() == Protective::Open && !stop_questioned;
        let found_gone = *self.volatile.gone.entry(id).or_insert(self.at.venue);
        let mut oldest = self.at.venue.minus(FRESH);
        if lost {
            oldest = oldest.max(found_gone.plus(READ_LAG));
        }
        let readings = self.volatile.readings.get(&no);
        let orders = readings.and_then(|r| r.orders).is_some_and(|(sent_at, _)| sent_at >= oldest);
        let shown = readings.and_then(|r| r.exposure).filter(|(at, _)| *at >= oldest).map(|(_, qty)| qty);
        if orders && shown.is_some_and(|qty| qty >= explained) && stopped {
            return true;
        }
        if self.at.venue >= oldest {
            // What was read and does not let the rung out is read again once it is old, and by whoever minds a
            // disagreement.
            if !orders {
                self.ask(Query::OpenOrders(symbol));
            }
            if shown.is_none() {
                self.ask(Query::Positions);
            }
        }
        let wait = Millis(oldest.since(self.at.venue).0.max(PREFLIGHT_RETRY.0));
        self.wake(no, self.at.local.plus(wait), Wake::Retry);
        false
    }
}
