//! From a request to an active position, and keeping it that way: admission, entry, activation.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;

use super::config::backoff;
use super::event::Event;
use super::io::{Alert, Query, Request, Setup, Wake};
use super::turn::{Next, Turn, wait_until};
use super::volatile::{Change, OpenOrders};
use crate::exchange::{OrderShape, RejectKind, Service};
use crate::id::{PositionNo, Role};
use crate::number::Price;
use crate::order::{Life, Order, Terminal};
use crate::plan::{Gate, StepKind};
use crate::position::{Phase, PhaseEvent, Position, Protective, SetupState, Why};
use crate::sizing;
use crate::time::{LocalMillis, Millis};

/// What the rows of a role allow now.
pub(super) enum Slot {
    /// A row may still trade; nothing to place.
    Taken,
    /// A row that never left waits to be sent again.
    Unsent(crate::id::ClientOrderId),
    /// Place the next row, which may go out at that instant.
    Free(Next, LocalMillis),
}

impl Turn<'_> {
    /// The contract must be clear on the venue, and the ladder must fit the fresh mark, before anything is
    /// sent (R24, R26, R30).
    pub(super) fn admit(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        let (symbol, born) = (position.symbol().clone(), position.created_at);
        if self.is_halted() {
            self.give_up(no, Why::Halted, HALTED);
            return;
        }
        let bound = born.plus(self.config.opening_bound);
        if self.at.local >= bound {
            self.give_up(no, Why::OpeningOverdue, "it stayed in its first state for too long");
            return;
        }
        self.wake(no, bound, Wake::Opening);
        let readings = self.volatile.readings.entry(no).or_default();
        let (orders, exposure) = (readings.orders, readings.exposure);
        if !self.volatile.account_read {
            self.ask(Query::AllOpenOrders);
            return;
        }
        if self.state.quarantined {
            self.give_up(no, Why::NotClear, "the venue shows orders of ours that this journal does not know");
            return;
        }
        if orders.is_none() || exposure.is_none() {
            self.ask(Query::OpenOrders(symbol));
            self.ask(Query::Positions);
            self.wake(no, self.at.local.plus(PREFLIGHT_RETRY), Wake::Retry);
            return;
        }
        if let (Some(adoption), Some((_, what)), Some((_, shown))) =
            (self.position(no).and_then(|p| p.adoption), orders, exposure)
        {
            match self.fresh_mark(no) {
                Some(mark) => self.take_over(no, adoption.held, what, shown, mark),
                None => self.give_up(no, Why::StaleMark, "the mark is older than 30 s"),
            }
            return;
        }
        let clear = zoo!(ContractNotClear)
            || orders.is_some_and(|(_, what)| what == OpenOrders::Nothing)
                && exposure.is_some_and(|(_, qty)| qty.is_zero());
        if !clear {
            self.give_up(no, Why::NotClear, "the venue already shows a position or an order on the contract");
            return;
        }
        let Some(mark) = self.fresh_mark(no) else {
            self.give_up(no, Why::StaleMark, "the mark is older than 30 s");
            return;
        };
        if mark != self.position(no).map_or(Price::ZERO, |p| p.request.mark.price) {
            match self.size_again(no, mark) {
                Some(Ok(ladder)) => {
                    self.emit(Event::Resized { position: no, ladder: alloc::boxed::Box::new(ladder) });
                }
                Some(Err(refusal)) => {
                    self.give_up(no, Why::PlanRefused, &refusal.message);
                    return;
                }
                None => return,
            }
        }
        if !self.breaks_a_limit(no, mark) {
            self.moved(no, PhaseEvent::Admitted, Why::Planned);
        }
    }

    /// Gives an opening up whose entry may not leave: limits and what is held against them may have changed since it
    /// was asked for (R24).
    pub(super) fn breaks_a_limit(&mut self, no: PositionNo, mark: Price) -> bool {
        let Some(position) = self.position(no) else { return false };
        let limit = self.limit_on_opening(Some(no), &position.request.instrument, &position.ladder, mark);
        let Some(limit) = limit else { return false };
        let message = format!("{limit}");
        self.emit(Event::LimitReached { position: no, limit });
        self.give_up(no, Why::Limited, &message);
        true
    }

    fn size_again(&self, no: PositionNo, mark: Price) -> Option<Result<sizing::Ladder, sizing::Refusal>> {
        Some(super::absorb::size(&self.position(no)?.request, mark))
    }

    pub(super) fn give_up(&mut self, no: PositionNo, why: Why, message: &str) {
        self.alert(no, Alert::OpeningRefused, format!("opening given up: {message}"));
        self.moved(no, PhaseEvent::Abandoned, why);
    }

    /// One pass over an opening or active position.
    pub(super) fn build(&mut self, no: PositionNo) {
        if self.ends_by_itself(no) || self.unprotected_too_long(no) || self.is_halted_before_its_entry(no) {
            return;
        }
        self.take_off_what_is_owed(no);
        self.cancel_dropped_rungs(no);
        self.follow_worst_loss(no);
        self.rebuild(no);
        let steps = self.position(no).map_or(0, |p| p.plan.steps.len());
        for index in 0..steps {
            let Some((kind, ready)) = self.position(no).and_then(|p| {
                let step = p.plan.steps.get(index)?;
                let withheld = &self.volatile.withheld;
                Some((step.kind, step.after.iter().all(|after| reached_step(p, withheld, after.step, after.gate))))
            }) else {
                continue;
            };
            if !ready {
                continue;
            }
            match kind {
                StepKind::MarginMode => self.setup(no, Setup::MarginMode),
                StepKind::Leverage => self.setup(no, Setup::Leverage),
                StepKind::Entry => self.enter(no),
                StepKind::Rung(rung) => self.rung(no, rung),
                StepKind::Stop => self.keep_stop(no),
                StepKind::Target => self.keep_target(no),
                StepKind::PositionTpsl => self.keep_pair(no),
                StepKind::Activate => self.activate(no),
                _ => {}
            }
            if self.position(no).is_none_or(|p| !p.phase.is_building()) {
                return;
            }
        }
        self.added_rungs(no);
        self.tell_that_nothing_is_withheld(no);
    }

    /// An opening whose entry has not left ends where new exposure is halted: no setting is sent for it any more.
    fn is_halted_before_its_entry(&mut self, no: PositionNo) -> bool {
        let Some(position) = self.position(no).filter(|p| self.is_halted() && p.phase == Phase::Opening) else {
            return false;
        };
        let entered = position.rebuilt || position.adopted().is_some();
        if entered || position.of(Role::Entry).any(|o| o.life.may_trade() || o.life.was_accepted()) {
            return false;
        }
        self.give_up(no, Why::Halted, HALTED);
        true
    }

    /// Exposure that came and went, or an exit that could not finish: turn to closing.
    fn ends_by_itself(&mut self, no: PositionNo) -> bool {
        let Some(position) = self.position(no) else { return true };
        if position.stop_fired_in_vain() || self.stop_hangs(no) {
            self.moved(no, PhaseEvent::CloseBegan, Why::StopFailed);
            return true;
        }
        let Some(position) = self.position(no) else { return true };
        let entered = position.entered_qty().is_positive();
        // What exits left over of less than a lot no order of ours can take off, and nothing follows it.
        let rest = position.closable().is_positive()
            || (position.exposure().is_positive() && !position.exited().qty.is_positive());
        if !entered || rest || !position.entry_settled() {
            return false;
        }
        let filled = |role| position.of(role).any(|o| o.executed_qty().is_positive());
        let why = if filled(Role::Target) {
            Why::TargetFilled
        } else if filled(Role::Stop) {
            Why::StopFilled
        } else {
            Why::External
        };
        self.moved(no, PhaseEvent::CloseBegan, why);
        true
    }

    /// A stop that fired and, long after, has not taken the exposure off protects nothing.
    fn stop_hangs(&mut self, no: PositionNo) -> bool {
        let Some(position) = self.position(no) else { return false };
        let exposed = position.exposure().is_positive();
        let fired = position.of(Role::Stop).rev().find(|o| o.life == Life::Triggered).map(|o| o.id);
        let Some(id) = fired.filter(|_| exposed && position.stop() == Protective::Triggered) else { return false };
        let (now, venue) = (self.at.local, self.at.venue);
        let (since, on_venue) = *self.volatile.triggered.entry(id).or_insert((now, venue));
        let bound = since.plus(TRIGGERED_BOUND);
        if now < bound {
            self.wake(no, bound, Wake::Unprotected);
            return false;
        }
        let late = on_venue.plus(TRIGGERED_BOUND);
        let seen = self.volatile.readings.get(&no).and_then(|r| r.exposure).filter(|(sent_at, _)| *sent_at >= late);
        match seen {
            Some((_, qty)) => qty.is_positive(),
            None => {
                self.ask(Query::Positions);
                self.wake(no, now.plus(PREFLIGHT_RETRY), Wake::Unprotected);
                false
            }
        }
    }

    /// Alerts, then closes, a position whose stop does not come about (R43).
    fn unprotected_too_long(&mut self, no: PositionNo) -> bool {
        let Some(since) = self.position(no).and_then(|p| p.meter.since) else {
            if self.position(no).is_some_and(|p| p.alerts.contains(&Alert::Unprotected)) {
                self.emit(Event::AlertCleared { position: no, alert: Alert::Unprotected });
            }
            return false;
        };
        let alert_at = since.plus(self.config.alert_unprotected_after);
        // After a restart the stop may well be there: it is looked for before the position is given up.
        let looked = if zoo!(RestartClosesUnlooked) { since } else { self.volatile.started_at.plus(RESTART_GRACE) };
        let close_at = since.plus(self.config.close_unprotected_after).max(looked);
        let now = self.at.local;
        if now >= alert_at {
            self.alert(no, Alert::Unprotected, format!("no accepted stop for {}", now.since(since)));
        } else {
            self.wake(no, alert_at, Wake::Unprotected);
        }
        if zoo!(NakedBoundUnenforced) {
            return false;
        }
        if now >= close_at {
            self.alert(no, Alert::EmergencyClose, format!("no accepted stop for {}: closing", now.since(since)));
            self.moved(no, PhaseEvent::CloseBegan, Why::Unprotected);
            return true;
        }
        self.wake(no, close_at, Wake::Unprotected);
        false
    }

    /// Places the next row of a role as soon as its rows allow; re-sends one that never left.
    pub(super) fn place_when_free(&mut self, no: PositionNo, role: Role, shape: OrderShape) {
        match self.position(no).map(|p| slot(p, role)) {
            Some(Slot::Unsent(id)) => self.resend_when_due(no, id),
            Some(Slot::Free(next, at))
                if self.at.local >= at || self.position(no).is_some_and(|p| p.is_regridded(role, &shape)) =>
            {
                self.place(no, role, next, shape);
            }
            Some(Slot::Free(_, at)) => self.wake(no, at, Wake::Retry),
            Some(Slot::Taken) | None => {}
        }
    }

    pub(super) fn resend_when_due(&mut self, no: PositionNo, id: crate::id::ClientOrderId) {
        let Some(order) = self.state.order(id) else { return };
        let at = wait_until(order, 1);
        if self.at.local >= at { self.resend(no, id) } else { self.wake(no, at, Wake::Retry) }
    }

    fn setup(&mut self, no: PositionNo, setup: Setup) {
        let Some(position) = self.position(no) else { return };
        let state = match setup {
            Setup::MarginMode => position.setups.margin_mode,
            Setup::Leverage => position.setups.leverage,
        };
        match state {
            SetupState::Done | SetupState::Sent => {}
            SetupState::Refused => self.give_up(no, Why::SetupRefused, "margin mode or leverage was refused"),
            SetupState::Open if self.at.local >= position.created_at.plus(self.config.opening_bound) => {
                self.give_up(no, Why::OpeningOverdue, "margin mode or leverage could not be confirmed");
            }
            SetupState::Open if self.volatile.readings.get(&no).is_some_and(|r| r.setup_at > self.at.local) => {
                let at = self.volatile.readings.get(&no).map_or(self.at.local, |r| r.setup_at);
                self.wake(no, at, Wake::Retry);
            }
            SetupState::Open => {
                let symbol = position.symbol().clone();
                let request = match setup {
                    Setup::MarginMode => Request::SetMarginMode(no, symbol, position.request.margin_mode),
                    Setup::Leverage => Request::SetLeverage(no, symbol, position.ladder.leverage),
                };
                let not_after = self.not_after(Service::Regular);
                if self.emit(Event::SetupSent { position: no, setup }) {
                    self.send(request, not_after);
                }
            }
        }
    }

    /// The one MARKET order that opens; it is re-sent only after proof or a refusal, on a fresh mark.
    fn enter(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        if position.entered_qty().is_positive() || position.rebuilt {
            return;
        }
        let shape = OrderShape::Market { qty: position.ladder.entry.qty };
        let Some(latest) = position.latest(Role::Entry) else {
            if position.halted {
                return;
            }
            match self.fresh_mark(no) {
                Some(mark) => {
                    if !self.breaks_a_limit(no, mark) {
                        self.place(no, Role::Entry, Next::Revision, shape);
                    }
                }
                None => self.give_up(no, Why::StaleMark, "the mark is older than 30 s"),
            }
            return;
        };
        let attempts = position.of(Role::Entry).count();
        let retryable = match latest.life {
            Life::Planned | Life::Done(Terminal::Absent) => true,
            Life::Done(Terminal::Refused) => latest.refusal.is_some_and(|kind| kind.is_retryable()),
            Life::Done(_) => false,
            _ => return,
        };
        let (id, planned) = (latest.id, latest.life == Life::Planned);
        if !retryable {
            let why = if latest.life == Life::Done(Terminal::Refused) { Why::EntryRefused } else { Why::EntryEmpty };
            self.give_up(no, why, "the entry was refused or filled nothing");
        } else if self.fresh_mark(no).is_none() || attempts >= usize::from(self.config.max_attempts) {
            self.give_up(no, Why::StaleMark, "the entry did not get through while the mark was fresh");
        } else if !self.fresh_mark(no).is_some_and(|mark| self.breaks_a_limit(no, mark)) {
            if planned { self.resend_when_due(no, id) } else { self.place_when_free(no, Role::Entry, shape) }
        }
    }

    /// The ladder follows the price the entry really got (R27).
    fn rebuild(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        if position.rebuilt || !position.entry_settled() {
            return;
        }
        let entry = position.executed_entry();
        if !entry.qty.is_positive() {
            return;
        }
        if position.adopted().is_some() {
            // It was sized on what it took over.
            let ladder = &position.ladder;
            let (rungs, stop) = (ladder.rungs.clone(), ladder.stop);
            self.emit(Event::Rebuilt { position: no, rungs, dropped: Vec::new(), stop });
            return;
        }
        let Some(price) = entry.cost.and_then(|cost| cost.checked_div_qty(entry.qty).ok()) else { return };
        // What the wire doubled is taken off again and sizes nothing.
        let asked = position.ladder.entry.qty;
        let filled = if zoo!(LadderOnIntent) { asked } else { entry.qty.min(asked) };
        let rebuilt =
            sizing::rebuild(&position.ladder, &position.request.spec, &position.request.instrument, price, filled);
        let dropped: Vec<u8> = rebuilt.dropped.iter().map(|d| d.rung).collect();
        if !dropped.is_empty() {
            self.alert(no, Alert::RungDropped, format!("rungs {dropped:?} do not fit the real fill and are left out"));
        }
        self.emit(Event::Rebuilt { position: no, rungs: rebuilt.rungs, dropped, stop: rebuilt.stop });
    }

    /// Complete: one filled entry, every rung accepted, stop and target as they should be (R44).
    fn activate(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        if position.phase != Phase::Opening || position.stop() != Protective::Open || !position.target_is_current() {
            return;
        }
        let rungs_in_place = position.rungs.iter().all(|plan| {
            position.dropped.contains(&plan.rung)
                || position.is_held(plan.rung)
                || self.volatile.withheld.contains(&(no, plan.rung))
                || position.of(Role::Rung(plan.rung)).any(|o| o.life.was_accepted())
        });
        if !position.rebuilt || !rungs_in_place {
            return;
        }
        if let Some(max_loss) = position.loss_at(position.stop_price) {
            self.emit(Event::LossFrozen { position: no, max_loss });
        }
        self.moved(no, PhaseEvent::Activated, Why::Planned);
    }

    /// Cancels copies that the wire made of our resting orders. A plan never stands beside another: one that a copy of a
    /// pair call set is all that protects, until the next call overwrites it or the exposure is gone (R42, R85).
    pub(super) fn cancel_extras(&mut self, no: PositionNo) {
        if zoo!(ExtraCopiesLeft) {
            return;
        }
        let Some(position) = self.position(no) else { return };
        let exposed = position.exposure().is_positive();
        let extras: Vec<_> = position
            .orders
            .values()
            .filter(|o| o.ledger.objects().len() > 1 && !(exposed && o.service == Service::PositionPlan))
            .flat_map(|o| o.ledger.extras().map(move |extra| (o.id, o.service, extra)))
            .filter(|(_, _, extra)| !extra.status.is_terminal())
            .map(|(id, service, extra)| (id, service, extra.venue_id.clone()))
            .collect();
        let symbol = position.symbol().clone();
        for (id, service, venue_id) in extras {
            let sent = super::Sent::Cancel(id, Some(venue_id.clone()));
            if self.volatile.in_flight.contains(&sent)
                || !self.may_change(no, Change::Cancel(id, Some(venue_id.clone())))
            {
                continue;
            }
            let not_after = self.not_after(service);
            if self.position(no).is_some_and(|p| !p.alerts.contains(&Alert::WireDuplicate)) {
                self.alert(no, Alert::WireDuplicate, format!("the wire doubled {id:?}; cancelling the copy"));
            }
            self.emit(Event::CancelIntended { id, extra: Some(venue_id.clone()) });
            let order = crate::exchange::OrderRef { symbol: symbol.clone(), service, id, venue_id: Some(venue_id) };
            self.send(Request::Cancel(order), not_after);
        }
    }
}

/// Why nothing that adds exposure leaves.
pub(super) const HALTED: &str = "new exposure is halted";
/// How long a preflight reading may stay unanswered before it is asked for again.
pub(super) const PREFLIGHT_RETRY: Millis = Millis(2_000);
/// A stop that fired has this long to take the exposure off.
const TRIGGERED_BOUND: Millis = Millis::from_secs(10);
/// A run that would close what an earlier one opened looks this long for what became of the exits.
pub(super) const RESTART_GRACE: Millis = Millis::from_secs(5);

/// What the rows of a role allow now. Every wait counts from a durable instant, so a restart shortens none.
pub(super) fn slot(position: &Position, role: Role) -> Slot {
    if position.of(role).any(|o| o.life.may_trade()) {
        return Slot::Taken;
    }
    position.latest(role).map_or(Slot::Free(Next::Revision, LocalMillis(i64::MIN)), |latest| after(position, latest))
}

/// What follows the newest order of its role, and when, unless an older one may still come to be.
pub(super) fn after(position: &Position, latest: &Order) -> Slot {
    match latest.life {
        Life::Planned => Slot::Unsent(latest.id),
        // There was nothing to protect then; since then something was entered.
        Life::Done(Terminal::Refused)
            if latest.refusal == Some(RejectKind::NoPosition) && latest.basis != position.entered().qty =>
        {
            Slot::Free(Next::Attempt, LocalMillis(i64::MIN))
        }
        // The proof that it never came to be took longer than any wait, whatever became of this machine's clock.
        Life::Done(Terminal::Absent) => Slot::Free(Next::Attempt, LocalMillis(i64::MIN)),
        Life::Done(Terminal::Refused) => {
            // What was tried for other fills is no reason to wait now.
            let same = |o: &&Order| o.basis == latest.basis;
            let attempts = position.attempts(latest.id.key().logical).filter(same).count();
            Slot::Free(Next::Attempt, wait_until(latest, attempts))
        }
        _ => {
            // The first replacement is immediate; one that keeps vanishing is replaced ever more slowly.
            let losses = position.of(latest.role()).filter(|o| lost(o)).count().saturating_sub(1);
            Slot::Free(Next::Revision, latest.intended_at.plus(backoff(losses)))
        }
    }
}

/// Lost to somebody else; one that a newer pair call overwrote was not.
fn lost(order: &Order) -> bool {
    !order.superseded
        && matches!(
            order.life,
            Life::Done(Terminal::Vanished | Terminal::Rejected | Terminal::Cancelled | Terminal::Expired)
        )
        && !order.cancel_wanted
}

/// Rungs by position that nothing waits for although they are wanted.
type Withheld = BTreeSet<(PositionNo, u8)>;

fn reached_step(position: &Position, withheld: &Withheld, step: u16, gate: Gate) -> bool {
    position.plan.steps.iter().find(|s| s.id == step).is_some_and(|s| reached(position, withheld, s.kind, gate))
}

/// Whether a step of the plan has reached a gate, told from the rows.
fn reached(position: &Position, withheld: &Withheld, kind: StepKind, gate: Gate) -> bool {
    match kind {
        StepKind::MarginMode => position.setups.margin_mode == SetupState::Done,
        StepKind::Leverage => position.setups.leverage == SetupState::Done,
        StepKind::Entry => match gate {
            Gate::HandedToWire | Gate::Accepted if position.adopted().is_some() => true,
            Gate::HandedToWire => position.latest(Role::Entry).is_some(),
            Gate::Accepted => position.of(Role::Entry).any(|o| o.life.was_accepted()),
            Gate::Filled | Gate::Settled => position.rebuilt && position.entered_qty().is_positive(),
        },
        StepKind::Rung(rung) => {
            let left_out = position.dropped.contains(&rung) || !position.rungs.iter().any(|r| r.rung == rung);
            left_out
                || position.is_held(rung)
                || withheld.contains(&(position.no, rung))
                || position.of(Role::Rung(rung)).any(|o| match gate {
                    Gate::HandedToWire => true,
                    Gate::Accepted | Gate::Settled => o.life.was_accepted(),
                    Gate::Filled => o.life == Life::Done(Terminal::Filled),
                })
        }
        StepKind::Stop => match gate {
            Gate::HandedToWire => position.latest(Role::Stop).is_some(),
            _ if zoo!(StopInDoubtCounts) && position.of(Role::Stop).any(|o| o.life == Life::InDoubt) => true,
            _ => position.stop() == Protective::Open,
        },
        StepKind::Target => match gate {
            Gate::HandedToWire => position.latest(Role::Target).is_some(),
            _ => position.target_is_current(),
        },
        StepKind::PositionTpsl => match gate {
            Gate::HandedToWire => position.latest(Role::Stop).is_some(),
            _ => position.stop() == Protective::Open && position.target_is_current(),
        },
        StepKind::Activate => position.phase == Phase::Active,
        _ => false,
    }
}
