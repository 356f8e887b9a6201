//! Hands on a live position: what a user may change of it, and what must hold so that it is taken.
//!
//! Taking a change is recording it. What follows, orders that go and others that come, is the same pursuit as ever: it
//! starts from the position as it is wanted now, whenever the process died.

use alloc::format;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::event::{CommandRefusal, Event};
use super::io::{Alert, CommandId};
use super::limits::Limit;
use super::turn::Turn;
use super::unwind::CLOSE_REFUSALS;
use super::volatile::Change;
use crate::exchange::{Mark, OrderShape};
use crate::id::{MAX_RUNGS, PositionNo, Role};
use crate::instrument::Instrument;
use crate::number::{Percent, Price, Qty};
use crate::order::{Life, Order, Terminal};
use crate::position::{Phase, PhaseEvent, Position, Why};
use crate::rounding::{floor_qty, is_on_lot, is_on_tick};
use crate::sizing::{Rule, RungPlan, is_past};

/// A change of an active position by hand.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Adjustment {
    /// Move the stop, nearer or further. Its size stays what it is.
    MoveStop {
        /// The new trigger price, on the contract's grid and before none of the rungs that may still fill.
        trigger: Price,
        /// A fresh mark price (R29): the stop must not trigger at once.
        mark: Mark,
    },
    /// Take a part off at the market. Target and stop follow, the average entry stays.
    ClosePart(Qty),
    /// Leave a rung out: it is cancelled, and what it had filled stays.
    DropRung(u8),
    /// Price the target this far from its basis, in percent, from now on.
    Retarget(Percent),
    /// Leave the target's price where it is. Its size goes on following the position.
    HoldTarget,
    /// Price the target from the average entry again.
    ReleaseTarget,
    /// Let one more rung rest, behind the entry and before the stop, which stays where it is.
    AddRung {
        /// Its price, on the contract's grid.
        price: Price,
        /// Its quantity, on the contract's grid.
        qty: Qty,
        /// A fresh mark price (R29): the rung must not fill at once.
        mark: Mark,
    },
    /// Give what is open to whoever else holds the account: our orders go, rungs first and the stop last, nothing is
    /// closed, and the position ends. A position that needs a human may be ended so too.
    HandBack,
}

/// Why a change was not taken. Nothing happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
pub enum AdjustmentRefusal {
    /// Only an active position is changed.
    #[error("the position is not active")]
    NotActive,
    /// The engine found something impossible in it and only protects it.
    #[error("the position is halted: it only protects itself")]
    Halted,
    /// The mark is older than 30 s, or of another contract.
    #[error("the mark is not a fresh one of this contract")]
    StaleMark,
    /// The price is off the contract's grid or out of its range.
    #[error("{price} is no price of the contract: ticks of {tick}")]
    Price {
        /// What was asked for.
        price: Price,
        /// The grid.
        tick: Price,
    },
    /// The stop would trigger at once.
    #[error("a stop at {trigger} would trigger at once, the mark is {mark}")]
    WouldTrigger {
        /// What was asked for.
        trigger: Price,
        /// The mark.
        mark: Price,
    },
    /// A rung that may still fill lies at the stop or beyond it.
    #[error("rung {0} would fill at the stop or beyond it: drop it first")]
    RungBeyondStop(u8),
    /// There is no such rung, or nothing of it may fill any more.
    #[error("nothing of rung {0} is left to drop")]
    NoSuchRung(u8),
    /// The quantity is off the contract's grid, below its smallest or above its largest MARKET order.
    #[error("{qty} is no quantity of a MARKET order of the contract: lots of {lot}")]
    Qty {
        /// What was asked for.
        qty: Qty,
        /// The grid.
        lot: Qty,
    },
    /// Less than a lot would be left.
    #[error("{qty} of {open} leaves less than a lot: close the position instead")]
    TooMuch {
        /// What was asked for.
        qty: Qty,
        /// What is open and not being closed already.
        open: Qty,
    },
    /// No target at that distance is a price of the contract and past the break-even.
    #[error("no target {0} % past the average entry is possible")]
    NoTarget(Percent),
    /// The target is held at its price.
    #[error("the target is held where it is: release it first")]
    TargetHeld,
    /// No target rests whose price could be held.
    #[error("no target rests")]
    NothingToHold,
    /// A limit stands against it.
    #[error("{0}")]
    Limit(Limit),
    /// A user has halted new exposure on the account.
    #[error("new exposure is halted")]
    NewExposureHalted,
    /// The venue shows orders of ours that the journal cannot explain.
    #[error("the venue shows orders of ours that this journal does not know: nothing new is opened")]
    Quarantined,
    /// The rung would fill at once.
    #[error("a rung at {price} would fill at once, the mark is {mark}")]
    WouldFill {
        /// What was asked for.
        price: Price,
        /// The mark.
        mark: Price,
    },
    /// The rung would fill at the stop or beyond it.
    #[error("a rung at {price} would fill at the stop {stop} or beyond it: move the stop first")]
    BeyondStop {
        /// What was asked for.
        price: Price,
        /// The stop.
        stop: Price,
    },
    /// The contract or the position has no room for such a rung.
    #[error("no rung of {qty} at {price} is possible: {rule}")]
    Rung {
        /// What was asked for.
        price: Price,
        /// What was asked for.
        qty: Qty,
        /// What stands against it.
        rule: Rule,
    },
    /// A position has that many rungs at most, the ones it was opened with and those that were left out included.
    #[error("a position has {MAX_RUNGS} rungs at most")]
    TooManyRungs,
}

impl Turn<'_> {
    pub(super) fn adjust(&mut self, id: CommandId, no: PositionNo, what: &Adjustment) {
        let Some(position) = self.position(no) else {
            self.emit(Event::CommandRefused(CommandRefusal::NoSuchPosition(no)));
            return;
        };
        if position.hands.by.contains(&id) && !zoo!(AdjustedTwice) {
            return;
        }
        if let Err(why) = self.may_adjust(position, what) {
            self.emit(Event::CommandRefused(CommandRefusal::Adjustment(no, why)));
            return;
        }
        self.emit(Event::Adjusted { position: no });
        if *what == Adjustment::HandBack {
            // A human has looked; the bound starts afresh.
            self.volatile.readings.entry(no).or_default().unwinding_since = None;
            self.emit(Event::AlertCleared { position: no, alert: Alert::Unproven });
            self.moved(no, PhaseEvent::CloseBegan, Why::HandedBack);
        }
        // What was tried for another wish is no reason to be slow about this one.
        let of_position = |change: &Change| matches!(change, Change::Amend(id, _) if id.key().position == no);
        self.volatile.changes.retain(|change, _| !of_position(change));
    }

    /// The worst loss of a position that was changed by hand follows it: a rung that was dropped counts until nothing of
    /// it can fill any more.
    pub(super) fn follow_worst_loss(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        if position.phase != Phase::Active || position.hands.by.is_empty() {
            return;
        }
        if let Some(max_loss) = position.loss_at(position.stop_price).filter(|loss| position.max_loss != Some(*loss)) {
            self.emit(Event::LossFrozen { position: no, max_loss });
        }
    }

    fn may_adjust(&self, position: &Position, what: &Adjustment) -> Result<(), AdjustmentRefusal> {
        if *what == Adjustment::HandBack {
            let has_something = matches!(position.phase, Phase::Active | Phase::Closing | Phase::Failed);
            return if has_something { Ok(()) } else { Err(AdjustmentRefusal::NotActive) };
        }
        if position.phase != Phase::Active {
            return Err(AdjustmentRefusal::NotActive);
        }
        if position.halted {
            return Err(AdjustmentRefusal::Halted);
        }
        let rules = &position.request.instrument;
        match what {
            Adjustment::MoveStop { trigger, mark } => self.may_move_stop(position, *trigger, mark),
            Adjustment::ClosePart(qty) => may_close_part(position, rules, *qty),
            Adjustment::DropRung(rung) => {
                if position.rung_left(*rung).is_positive() {
                    Ok(())
                } else {
                    Err(AdjustmentRefusal::NoSuchRung(*rung))
                }
            }
            Adjustment::Retarget(_) | Adjustment::HoldTarget if position.hands.held_target.is_some() => {
                Err(AdjustmentRefusal::TargetHeld)
            }
            Adjustment::Retarget(profit) => {
                let mut wish = position.clone();
                wish.hands.profit = Some(*profit);
                wish.wanted_target(None).map(|_| ()).ok_or(AdjustmentRefusal::NoTarget(*profit))
            }
            Adjustment::HoldTarget => held_price(position).map(|_| ()).ok_or(AdjustmentRefusal::NothingToHold),
            Adjustment::ReleaseTarget | Adjustment::HandBack => Ok(()),
            Adjustment::AddRung { price, qty, mark } => self.may_add_rung(position, *price, *qty, mark),
        }
    }

    fn may_add_rung(&self, position: &Position, price: Price, qty: Qty, mark: &Mark) -> Result<(), AdjustmentRefusal> {
        if self.is_halted() {
            return Err(AdjustmentRefusal::NewExposureHalted);
        }
        if self.state.quarantined {
            return Err(AdjustmentRefusal::Quarantined);
        }
        self.may_use_mark(position, mark)?;
        let rung = position.next_rung().ok_or(AdjustmentRefusal::TooManyRungs)?;
        let plan = RungPlan { rung, price, qty };
        let now = position.rung_now(&plan).map_err(|rule| AdjustmentRefusal::Rung { price, qty, rule })?;
        if now.price != price {
            return Err(AdjustmentRefusal::Price { price, tick: position.request.instrument.tick });
        }
        if now.qty != qty {
            return Err(AdjustmentRefusal::Qty { qty, lot: position.request.instrument.lot });
        }
        let direction = position.direction();
        if !is_past(direction, mark.price, price) {
            return Err(AdjustmentRefusal::WouldFill { price, mark: mark.price });
        }
        if !is_past(direction, price, position.stop_price) {
            return Err(AdjustmentRefusal::BeyondStop { price, stop: position.stop_price });
        }
        let mut wish = position.clone();
        wish.rungs.push(plan);
        let limit = self.limit_on_loss(position, wish.loss_at(position.stop_price));
        let limit = limit.or_else(|| self.limit_on_rung(position.no, &OrderShape::Limit { price, qty }));
        limit.map_or(Ok(()), |limit| Err(AdjustmentRefusal::Limit(limit)))
    }

    fn may_use_mark(&self, position: &Position, mark: &Mark) -> Result<(), AdjustmentRefusal> {
        let stale = mark.symbol != *position.symbol() || self.at.venue.since(mark.at) > self.config.mark_max_age;
        if stale { Err(AdjustmentRefusal::StaleMark) } else { Ok(()) }
    }

    fn may_move_stop(&self, position: &Position, trigger: Price, mark: &Mark) -> Result<(), AdjustmentRefusal> {
        let rules = &position.request.instrument;
        self.may_use_mark(position, mark)?;
        let in_range = trigger >= rules.min_price && rules.max_price.is_none_or(|highest| trigger <= highest);
        if !trigger.is_positive() || !in_range || !is_on_tick(trigger, rules.tick) {
            return Err(AdjustmentRefusal::Price { price: trigger, tick: rules.tick });
        }
        let is_before = |price: Price| is_past(position.direction(), price, trigger);
        if !is_before(mark.price) {
            return Err(AdjustmentRefusal::WouldTrigger { trigger, mark: mark.price });
        }
        let beyond = position.rungs.iter().find(|plan| {
            let may_fill = position.of(Role::Rung(plan.rung)).any(|o| o.life.may_trade());
            (may_fill || position.rung_left(plan.rung).is_positive()) && !is_before(plan.price)
        });
        if let Some(plan) = beyond {
            return Err(AdjustmentRefusal::RungBeyondStop(plan.rung));
        }
        match self.limit_on_loss(position, position.loss_at(trigger)) {
            Some(limit) => Err(AdjustmentRefusal::Limit(limit)),
            None => Ok(()),
        }
    }

    /// Rungs that were left out while one of their orders rests, or came to rest after all, are cancelled: the worst loss
    /// does not count them.
    pub(super) fn cancel_dropped_rungs(&mut self, no: PositionNo) {
        let Some(position) = self.position(no).filter(|p| !p.dropped.is_empty()) else { return };
        let dropped = |o: &&Order| matches!(o.role(), Role::Rung(rung) if position.dropped.contains(&rung));
        let resting = position.orders.values().filter(|o| o.life == Life::Working).filter(dropped).map(|o| o.id);
        let resting: Vec<_> = resting.collect();
        for id in resting.into_iter().filter(|_| !zoo!(DroppedRungRests)) {
            self.cancel_when_due(no, id);
        }
    }

    /// Takes off the parts that a user asked to close, and what the wire made our opening orders fill beyond their size
    /// (4a.3).
    pub(super) fn take_off_what_is_owed(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        let (excess, mut owed) = (position.excess(), position.owed());
        if zoo!(WireExcessKept) {
            owed = owed.checked_sub(excess).unwrap_or_default();
        }
        if !owed.is_positive() || position.of(Role::Close).any(|o| o.life.may_trade()) {
            return;
        }
        if self.must_look_before_it_closes(no) {
            return;
        }
        let Some(position) = self.position(no) else { return };
        let rules = &position.request.instrument;
        let most = owed.min(position.exposure()).min(rules.max_market_qty);
        let Ok(qty) = floor_qty(most, rules.market_lot) else { return };
        if !qty.is_positive() {
            return;
        }
        let refused = |o: &&Order| o.life == Life::Done(Terminal::Refused);
        let refusals = position.of(Role::Close).rev().take_while(refused).count();
        if excess.is_positive() {
            let message = format!("{excess} filled beyond what was asked for; taking it off");
            self.alert(no, Alert::WireDuplicate, message);
        }
        if refusals >= CLOSE_REFUSALS {
            let message = format!("a close of {qty} was refused {refusals} times; trying on");
            self.alert(no, Alert::NeedsAttention, message);
        }
        self.place_when_free(no, Role::Close, OrderShape::Market { qty });
    }
}

fn may_close_part(position: &Position, rules: &Instrument, qty: Qty) -> Result<(), AdjustmentRefusal> {
    let on_grid = is_on_lot(qty, rules.market_lot) && is_on_lot(qty, rules.lot);
    if !qty.is_positive() || !on_grid || qty < rules.min_qty || qty > rules.max_market_qty {
        return Err(AdjustmentRefusal::Qty { qty, lot: rules.market_lot.max(rules.lot) });
    }
    let open = position.exposure().checked_sub(position.owed()).unwrap_or(Qty::ZERO);
    let enough = open.checked_sub(qty).is_ok_and(|left| left >= rules.lot.max(rules.min_qty));
    if enough { Ok(()) } else { Err(AdjustmentRefusal::TooMuch { qty, open }) }
}

/// The price at which a target rests now.
fn held_price(position: &Position) -> Option<Price> {
    position.of(Role::Target).rev().find(|o| o.life == Life::Working).and_then(|o| o.shape.price())
}

impl Position {
    /// Takes a change over.
    pub(super) fn adjust(&mut self, id: CommandId, what: &Adjustment) {
        self.hands.by.insert(id);
        match what {
            Adjustment::MoveStop { trigger, .. } => {
                self.stop_price = *trigger;
                self.hands.outdated_stop = self.latest(Role::Stop).map(|stop| stop.id);
            }
            Adjustment::ClosePart(qty) => {
                self.hands.parts = self.hands.parts.checked_add(*qty).unwrap_or(self.hands.parts);
            }
            Adjustment::DropRung(rung) => {
                self.dropped.insert(*rung);
            }
            Adjustment::Retarget(profit) => self.hands.profit = Some(*profit),
            Adjustment::HoldTarget => self.hands.held_target = held_price(self),
            Adjustment::ReleaseTarget => self.hands.held_target = None,
            Adjustment::AddRung { price, qty, .. } => {
                if let Some(rung) = self.next_rung() {
                    self.rungs.push(RungPlan { rung, price: *price, qty: *qty });
                }
            }
            Adjustment::HandBack => {
                self.hands.handed_back = true;
                self.why = Why::HandedBack;
            }
        }
        if matches!(what, Adjustment::Retarget(_) | Adjustment::ReleaseTarget) {
            self.hands.outdated_target = self.latest(Role::Target).map(|target| (target.id, target.amends));
        }
    }
}
