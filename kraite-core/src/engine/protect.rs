//! Keeping stop and target as they should be: placing, re-pricing, replacing, removing surplus.

use alloc::format;
use alloc::vec::Vec;

use super::build::{Slot, after, slot};
use super::event::Event;
use super::io::{Alert, Query, Request, Wake};
use super::rules::RULES_WAIT;
use super::turn::{Next, Turn, wait_until};
use super::volatile::Change;
use crate::capabilities::{ProtectiveRepeat, Reprice, StopSizing};
use crate::exchange::{Amend, OrderShape, PairLeg, PositionTpsl, RejectKind, Service, TriggerSize};
use crate::id::{ClientOrderId, PositionNo, Role};
use crate::number::{Price, Qty};
use crate::order::{Life, Order, Terminal, VenueObject};
use crate::plan::TargetStyle;
use crate::position::{PhaseEvent, Position, Protective, Why};
use crate::rounding::floor_qty;
use crate::time::{LocalMillis, Millis, VenueMillis};

/// A protective write that was decided for the same fills is not repeated faster than this.
const RESTATE_GAP: Millis = Millis(1_000);
/// The most protective attempts that may be in doubt together.
const MAX_DOUBTS: usize = 3;
/// Amendments of a target for the same fills before it is replaced instead.
const MAX_AMENDS: usize = 3;
/// Refusals of a stop for a reason that does not pass by itself, before the position is closed (R43).
const MAX_STOP_REFUSALS: usize = 3;

impl Turn<'_> {
    /// The stop of a venue that takes it as an order of its own.
    pub(super) fn keep_stop(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        if !position.exposure().is_positive() {
            return;
        }
        match position.stop() {
            Protective::Triggered => {}
            Protective::Open => self.trim_stops(no),
            Protective::UnderWay => self.repeat_stop_in_doubt(no),
            Protective::Missing => self.place_stop(no),
        }
    }

    /// A position that is closed already stays as it is, for whatever reason the next order of it was refused.
    fn begin_close(&mut self, no: PositionNo, why: Why) {
        if self.position(no).is_some_and(|p| p.phase.is_building()) {
            self.moved(no, PhaseEvent::CloseBegan, why);
        }
    }

    fn stop_shape(&self, position: &Position, sizing: StopSizing) -> OrderShape {
        let size = match sizing {
            StopSizing::ClosePosition => TriggerSize::ClosePosition,
            StopSizing::Quantity => TriggerSize::Qty(position.closable()),
        };
        OrderShape::StopMarket { trigger: position.stop_price, by: position.request.stop_by, size }
    }

    fn place_stop(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        let mut sizing = self.capabilities.stop_sizing;
        let wish = self.stop_shape(position, sizing);
        if !self.may_follow_refusal(no, Role::Stop, &wish) {
            return;
        }
        let Some(position) = self.position(no) else { return };
        if let Some(latest) = position.latest(Role::Stop).filter(|o| o.life == Life::Done(Terminal::Refused)) {
            let refusals = self.hopeless_stops(no, &wish, position.attempts(latest.id.key().logical));
            let sent_at = latest.not_after.minus(self.config.send_budget);
            match latest.refusal {
                Some(RejectKind::WouldTrigger) => {
                    self.begin_close(no, Why::StopWouldTrigger);
                    return;
                }
                Some(RejectKind::NoPosition) => self.read_soon(no),
                Some(RejectKind::AlreadyExists) => {
                    // Ours turns up in a reading and is adopted; somebody else's is left alone (4a.7).
                    let read = self.volatile.readings.get(&no).and_then(|r| r.orders).map(|(at, _)| at);
                    if read.is_none_or(|at| at < sent_at.minus(self.capabilities.absence_conditional.window)) {
                        self.ask(Query::OpenOrders(position.symbol().clone()));
                        return;
                    }
                    sizing = StopSizing::Quantity;
                }
                Some(kind) if !kind.is_retryable() && refusals >= MAX_STOP_REFUSALS && !zoo!(RefusedStopIgnored) => {
                    self.alert(no, Alert::StopRefused, format!("the stop was refused {refusals} times ({kind:?})"));
                    self.begin_close(no, Why::StopRefused);
                    return;
                }
                _ => {}
            }
        }
        let Some(position) = self.position(no) else { return };
        let shape = self.stop_shape(position, sizing);
        if sizing == StopSizing::Quantity && self.capabilities.stop_sizing == StopSizing::ClosePosition {
            self.alert(
                no,
                Alert::NeedsAttention,
                format!("a stop that is not ours exists; placing one for {} of our own", fmt_qty(&shape)),
            );
        }
        self.place_when_free(no, Role::Stop, shape);
    }

    /// Where a repeat does no harm, one look is enough: waiting out a proof would leave the position naked.
    fn repeat_stop_in_doubt(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        if !self.may_repeat(position, Role::Stop) {
            return;
        }
        let shape = self.stop_shape(position, self.capabilities.stop_sizing);
        self.repeat(no, Role::Stop, shape);
    }

    fn may_repeat(&self, position: &Position, role: Role) -> bool {
        let doubts: Vec<&Order> = position.of(role).filter(|o| o.life.may_trade()).collect();
        self.capabilities.protective_repeat == ProtectiveRepeat::Harmless
            && !doubts.is_empty()
            && doubts.len() < MAX_DOUBTS
            && doubts.iter().all(|o| {
                o.life == Life::InDoubt && self.volatile.probes.get(&o.id).is_some_and(|probe| probe.missed_once)
            })
    }

    fn repeat(&mut self, no: PositionNo, role: Role, shape: OrderShape) {
        let Some(at) = self.position(no).and_then(|p| {
            let latest = p.latest(role)?;
            Some(wait_until(latest, p.attempts(latest.id.key().logical).count()))
        }) else {
            return;
        };
        if self.at.local >= at { self.place(no, role, Next::Attempt, shape) } else { self.wake(no, at, Wake::Retry) }
    }

    /// Keeps the newest open stop and removes others; resizes one that states a quantity.
    fn trim_stops(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        let fits = |o: &Order| {
            let closes = |qty| position.is_closed_by(qty) || zoo!(StopKeepsQuantity);
            o.states_what_we_want() && !position.is_stop_moved_since(o) && o.shape.qty().is_none_or(closes)
        };
        let open: Vec<ClientOrderId> =
            position.of(Role::Stop).filter(|o| o.life == Life::Working).map(|o| o.id).collect();
        let good = position.of(Role::Stop).rev().find(|o| o.life == Life::Working && fits(o)).map(|o| o.id);
        if let Some(good) = good {
            for id in open.into_iter().filter(|id| *id != good) {
                self.cancel(no, id);
            }
            return;
        }
        let under_way = position.of(Role::Stop).any(|o| matches!(o.life, Life::PendingNew | Life::InDoubt));
        let unsent = position.latest(Role::Stop).filter(|o| o.life == Life::Planned).map(|o| o.id);
        let Some(newest) = position.of(Role::Stop).rev().find(|o| o.life == Life::Working) else { return };
        let by_quantity = newest.shape.qty().is_some();
        if under_way {
            return;
        }
        if by_quantity {
            if let Some(id) = unsent {
                self.resend_when_due(no, id);
                return;
            }
            // Both may rest together: the new one is accepted before the old one goes.
            let shape = self.stop_shape(position, StopSizing::Quantity);
            let refused: Vec<&Order> = position
                .of(Role::Stop)
                .filter(|o| o.id > newest.id && o.life == Life::Done(Terminal::Refused))
                .collect();
            let hopeless = self.hopeless_stops(no, &shape, refused.iter().copied());
            let due = match refused.last() {
                Some(_) if position.is_regridded(Role::Stop, &shape) => self.at.local,
                Some(last) => wait_until(last, refused.len()),
                None => newest.intended_at.plus(RESTATE_GAP),
            };
            if hopeless >= MAX_STOP_REFUSALS {
                self.alert(no, Alert::StopRefused, format!("a larger stop was refused {hopeless} times"));
                self.begin_close(no, Why::StopRefused);
                return;
            }
            if self.may_follow_refusal(no, Role::Stop, &shape) {
                self.place_at(no, Role::Stop, shape, due);
            }
        } else {
            // Somebody moved our close-position stop, or we are to. A second one is refused, so it has to go first; the
            // gap is one round trip and is metered.
            let (id, due) = (newest.id, newest.intended_at.plus(RESTATE_GAP));
            if self.at.local >= due { self.cancel(no, id) } else { self.wake(no, due, Wake::Retry) }
        }
    }

    fn place_at(&mut self, no: PositionNo, role: Role, shape: OrderShape, due: LocalMillis) {
        if self.at.local >= due { self.place(no, role, Next::Revision, shape) } else { self.wake(no, due, Wake::Retry) }
    }

    /// The target: re-priced from the new average entry after every fill (S7, R74–R84).
    pub(super) fn keep_target(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        if !position.exposure().is_positive() || position.halted {
            return;
        }
        let serving = position.of(Role::Target).rev().find(|o| position.serves(o)).map(|o| o.id);
        if let Some(serving) = serving {
            self.cancel_other_targets(no, serving);
            return;
        }
        let busy = position.of(Role::Target).any(|o| {
            matches!(
                o.life,
                Life::PendingNew | Life::InDoubt | Life::PendingAmend | Life::PendingCancel | Life::Triggered
            )
        });
        if busy {
            return;
        }
        let Some((price, qty)) = self.target_wish(no) else { return };
        let Some(position) = self.position(no) else { return };
        if !qty.is_positive() {
            let message = format!("{} is open, less than one lot: no target can take it off", position.exposure());
            self.alert(no, Alert::NeedsAttention, message);
            return;
        }
        let style = position.request.target_style;
        let reprice = match style {
            TargetStyle::Limit => self.capabilities.reprice_limit,
            TargetStyle::TriggerMarket => self.capabilities.reprice_trigger,
        };
        let shape = target_shape(position, style, price, qty);
        let Some(open) = position.of(Role::Target).rev().find(|o| o.life == Life::Working) else {
            if self.may_place_target(no, &shape) {
                self.place_when_free(no, Role::Target, shape);
            }
            return;
        };
        // Decided for these very fills already: edited by hand, or a change that did not take.
        let due = if open.basis == position.entered_qty() {
            open.intended_at.plus(RESTATE_GAP)
        } else {
            LocalMillis(i64::MIN)
        };
        let id = open.id;
        if self.at.local < due {
            self.wake(no, due, Wake::Retry);
            return;
        }
        match reprice {
            Reprice::AmendInPlace if style == TargetStyle::Limit => self.amend_target(no, id, price, qty),
            _ => self.replace_target(no, id, shape),
        }
    }

    /// New price and size for the target. Only a mark younger than the refusal of the last target counts: the
    /// fill that moved the average moved the market too, and an older mark lies on the wrong side of it (R83).
    fn target_wish(&mut self, no: PositionNo) -> Option<(Price, Qty)> {
        let position = self.position(no)?;
        let passed = position
            .latest(Role::Target)
            .filter(|o| o.refusal == Some(RejectKind::WouldTrigger))
            .map(|o| self.at.venue.minus(self.at.local.since(o.intended_at)));
        let mark = match passed {
            Some(refused_at) => match self.mark_since(no, refused_at) {
                Some(mark) => Some(mark),
                None => {
                    let symbol = position.symbol().clone();
                    self.ask(Query::Mark(symbol));
                    self.wake(no, self.at.local.plus(RESTATE_GAP), Wake::Retry);
                    return None;
                }
            },
            None => None,
        };
        let wish = position.wanted_target(mark);
        if wish.is_none() && position.average_entry().is_some() {
            self.alert(no, Alert::NeedsAttention, alloc::string::String::from("no profitable target price exists"));
        }
        wish
    }

    fn cancel_other_targets(&mut self, no: PositionNo, serving: ClientOrderId) {
        if zoo!(OldTargetLeft) {
            return;
        }
        let Some(position) = self.position(no) else { return };
        let others: Vec<ClientOrderId> =
            position.of(Role::Target).filter(|o| o.id != serving && o.life == Life::Working).map(|o| o.id).collect();
        for id in others {
            self.cancel(no, id);
        }
    }

    fn amend_target(&mut self, no: PositionNo, id: ClientOrderId, price: Price, qty: Qty) {
        let Some(position) = self.position(no) else { return };
        let Some(order) = position.order(id) else { return };
        let lot = position.request.instrument.lot;
        let total = order.executed().qty.checked_add(qty).and_then(|total| floor_qty(total, lot));
        let Ok(total) = total else { return };
        let basis = position.entered_qty();
        let by_rules = order.refusal.is_some_and(RejectKind::is_by_rules);
        let change = Amend { order: order.reference(position.symbol()), side: order.side, price, qty: total };
        let number = order.amends.saturating_add(1);
        let (service, shape) = (order.service, OrderShape::Limit { price, qty: total });
        let failures = self.volatile.changes.get(&Change::Amend(id, basis)).map_or(0, |pace| pace.failures);
        if by_rules {
            if !self.may_amend_again(no, failures) {
                return;
            }
        } else if failures >= MAX_AMENDS {
            self.alert(no, Alert::NeedsAttention, format!("{id:?} cannot be amended; replacing it"));
            self.replace_target(no, id, OrderShape::Limit { price, qty });
            return;
        }
        if !self.may_change(no, Change::Amend(id, basis)) {
            return;
        }
        if by_rules && failures.saturating_add(1) >= MAX_AMENDS {
            // What the rules we know do not explain is tried once per poll from here on.
            self.slow_down(Change::Amend(id, basis), self.config.poll_every);
        }
        let not_after = self.not_after(service);
        if self.emit(Event::AmendIntended { id, shape, basis }) {
            self.send(Request::Amend(change, number), not_after);
        }
    }

    /// Whether a target whose change was refused by rules may be changed again: after they were read, and with
    /// somebody told once that did not help.
    fn may_amend_again(&mut self, no: PositionNo, failures: usize) -> bool {
        if failures == 0 {
            // Nothing was tried on the rules as we know them.
            return true;
        }
        if !self.rules_are_known(no, RULES_WAIT) {
            return false;
        }
        if failures >= MAX_AMENDS {
            self.target_is_hopeless(no, failures);
        }
        self.position(no).is_some_and(|p| p.phase.is_building())
    }

    /// Make before break; where the venue refused the overlap, the old one goes first, under the stop.
    fn replace_target(&mut self, no: PositionNo, old: ClientOrderId, shape: OrderShape) {
        if !self.may_place_target(no, &shape) {
            return;
        }
        let Some(position) = self.position(no) else { return };
        let Some(latest) = position.latest(Role::Target) else { return };
        if zoo!(BreakBeforeMake) {
            self.cancel(no, old);
            return;
        }
        if latest.id == old {
            self.place(no, Role::Target, Next::Revision, shape);
            return;
        }
        let overlap_refused = latest.life == Life::Done(Terminal::Refused)
            && latest
                .refusal
                .is_some_and(|kind| !kind.is_retryable() && !kind.is_by_rules() && kind != RejectKind::WouldTrigger);
        if overlap_refused {
            self.cancel(no, old);
            return;
        }
        let attempts = position.attempts(latest.id.key().logical).count();
        let (due, planned, id) = (wait_until(latest, attempts), latest.life == Life::Planned, latest.id);
        let at_once = position.is_regridded(Role::Target, &shape);
        if planned {
            self.resend_when_due(no, id);
        } else if at_once || self.at.local >= due {
            let next = if latest.life.was_accepted() { Next::Revision } else { Next::Attempt };
            self.place(no, Role::Target, next, shape);
        } else {
            self.wake(no, due, Wake::Retry);
        }
    }

    /// Stop and target in one call; repeating it overwrites (S9, R41, R42).
    pub(super) fn keep_pair(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        if !position.exposure().is_positive() {
            return;
        }
        if position.stop() == Protective::Triggered || position.target() == Protective::Triggered {
            return;
        }
        self.supersede_older(no, Role::Stop);
        self.supersede_older(no, Role::Target);
        let Some(position) = self.position(no) else { return };
        let as_wanted = |o: &Order| o.states_what_we_want() && !position.is_stop_moved_since(o);
        let stop_serves = |o: &Order| o.life == Life::Working && !o.cancel_wanted && as_wanted(o);
        let stopped = position.of(Role::Stop).any(stop_serves);
        if stopped && position.target_is_current() {
            return;
        }
        let pending = |role| position.of(role).any(|o| matches!(o.life, Life::PendingNew | Life::PendingCancel));
        let (stop_pending, target_pending) = (pending(Role::Stop), pending(Role::Target));
        let wish = self.stop_shape(position, StopSizing::ClosePosition);
        if stop_pending || !self.may_follow_refusal(no, Role::Stop, &wish) {
            return;
        }
        let Some(position) = self.position(no) else { return };
        if let Some(latest) = position.latest(Role::Stop).filter(|o| o.life == Life::Done(Terminal::Refused)) {
            let refusals = self.hopeless_stops(no, &wish, position.attempts(latest.id.key().logical));
            match latest.refusal {
                Some(RejectKind::WouldTrigger) => {
                    self.begin_close(no, Why::StopWouldTrigger);
                    return;
                }
                Some(RejectKind::NoPosition) => self.read_soon(no),
                Some(kind) if !kind.is_retryable() && refusals >= MAX_STOP_REFUSALS && !zoo!(RefusedStopIgnored) => {
                    self.alert(no, Alert::StopRefused, format!("the stop was refused {refusals} times ({kind:?})"));
                    self.begin_close(no, Why::StopRefused);
                    return;
                }
                _ => {}
            }
        }
        // The stop's refusal is judged at once; another call waits for the answer to both legs.
        if target_pending {
            return;
        }
        let Some((stop, stop_due)) = self.pair_leg(no, Role::Stop) else { return };
        let Some((target, target_due)) = self.pair_leg(no, Role::Target) else { return };
        // Without a stop nothing waits for the target.
        let due = if stopped { stop_due.max(target_due) } else { stop_due };
        if self.at.local < due {
            self.wake(no, due, Wake::Retry);
            return;
        }
        // A target that waits for a younger mark takes the last one known along with a stop that cannot wait.
        let asked = self.target_wish(no);
        let known = || {
            let position = self.position(no).filter(|_| !stopped)?;
            position.wanted_target(self.volatile.marks.get(position.symbol()).map(|mark| mark.price))
        };
        let Some((price, _)) = asked.or_else(known) else { return };
        let Some(by) = self.position(no).map(|p| p.request.stop_by) else { return };
        let wish = OrderShape::TakeProfitMarket { trigger: price, by, size: TriggerSize::ClosePosition };
        if self.may_place_target(no, &wish) {
            self.place_pair(no, stop, target, price);
        }
    }

    /// The id part that rises for a leg of the next pair call, and when that call may go out.
    fn pair_leg(&self, no: PositionNo, role: Role) -> Option<(Next, LocalMillis)> {
        let position = self.position(no)?;
        if let Some(latest) = position.latest(role).filter(|o| o.life == Life::InDoubt) {
            let count = position.attempts(latest.id.key().logical).count();
            return self.may_repeat_pair(position, role).then(|| (Next::Attempt, wait_until(latest, count)));
        }
        // A leg that was refused is paced by its refusals, whatever an older one in doubt may still become; where an
        // older one stands, a refusal is about the change alone.
        let stands = position.of(role).any(|o| o.life == Life::Working);
        let refused = position.latest(role).filter(|o| !stands && o.life == Life::Done(Terminal::Refused));
        match refused.map_or_else(|| slot(position, role), |latest| after(position, latest)) {
            Slot::Free(next, _) if position.is_outdated(role) => Some((next, LocalMillis(i64::MIN))),
            Slot::Free(next, at) => Some((next, at)),
            // A row that never left: the pair goes out under new ids, this one stays unsent for good.
            Slot::Unsent(id) => Some((Next::Attempt, wait_until(position.order(id)?, 1))),
            Slot::Taken => {
                let latest = position.latest(role)?;
                let due = if role == Role::Target && latest.basis != position.entered_qty() {
                    LocalMillis(i64::MIN)
                } else {
                    latest.intended_at.plus(RESTATE_GAP)
                };
                Some((Next::Revision, due))
            }
        }
    }

    fn may_repeat_pair(&self, position: &Position, role: Role) -> bool {
        let doubts: Vec<&Order> = position.of(role).filter(|o| o.life == Life::InDoubt).collect();
        self.capabilities.protective_repeat == ProtectiveRepeat::Harmless
            && doubts.len() < MAX_DOUBTS
            && doubts.iter().all(|o| self.volatile.probes.get(&o.id).is_some_and(|probe| probe.missed_once))
    }

    fn place_pair(&mut self, no: PositionNo, stop: Next, target: Next, target_price: Price) {
        if !self.may_place(no, Role::Stop) || !self.may_place(no, Role::Target) {
            return;
        }
        let kept = self.position(no).filter(|_| zoo!(PairStopKeepsId)).and_then(|p| p.latest(Role::Stop)).map(|o| o.id);
        // A revision that has used up its attempts is followed by the next one.
        let id = |role, next| self.next_id(no, role, next).or_else(|| self.next_id(no, role, Next::Revision));
        let (Some(stop_id), Some(target_id)) = (kept.or_else(|| id(Role::Stop, stop)), id(Role::Target, target)) else {
            self.alert(no, Alert::NeedsAttention, alloc::string::String::from("no client order ids are left"));
            return;
        };
        let Some(position) = self.position(no) else { return };
        let by = position.request.stop_by;
        let pair = PositionTpsl {
            symbol: position.symbol().clone(),
            direction: position.direction(),
            mode: position.request.mode,
            stop: PairLeg { id: stop_id, trigger: position.stop_price, by },
            target: PairLeg { id: target_id, trigger: target_price, by },
        };
        let side = position.direction().closing_side();
        let basis = position.entered_qty();
        let service = Service::PositionPlan;
        let not_after = self.not_after(service);
        let size = TriggerSize::ClosePosition;
        let stop_shape = OrderShape::StopMarket { trigger: pair.stop.trigger, by, size };
        let target_shape = OrderShape::TakeProfitMarket { trigger: target_price, by, size };
        let saved = self.emit(Event::Intended { id: stop_id, side, shape: stop_shape, service, basis, not_after })
            && (zoo!(PairTargetUnsaved)
                || self.emit(Event::Intended { id: target_id, side, shape: target_shape, service, basis, not_after }));
        if saved {
            self.send(Request::PlacePair(pair), not_after);
        }
    }

    /// The leg that was accepted last overwrote the legs of its role before it, whatever became of the other leg, and
    /// of itself since: one that has fired or is gone leaves none of them behind. An attempt in doubt may come true
    /// after a newer one was accepted, and a copy of a call after the one that overwrote it: what counts is when the
    /// venue says so, under whichever id (R53), of a plan that stands for all we know; what a venue says of one that has
    /// ended may be about its end.
    fn supersede_older(&mut self, no: PositionNo, role: Role) {
        let Some(position) = self.position(no) else { return };
        let working = |o: &&Order| o.life == Life::Working && o.service == Service::PositionPlan;
        let stood = |o: &&Order| o.service == Service::PositionPlan && o.life.was_accepted();
        let stands = |plan: &&VenueObject| {
            let mut standing = position.of(role).filter(working).filter_map(|o| o.ledger.primary());
            standing.any(|known| known.venue_id == plan.venue_id && known.price.is_some())
        };
        let accepted = |o: &Order| {
            let told = o.ledger.objects().iter().filter(stands).filter_map(|plan| plan.price).max();
            told.map_or_else(|| self.sent_after(o), |(at, _)| at)
        };
        let newest = |o: &&Order| (accepted(o), o.id);
        let Some(last) = position.of(role).filter(stood).max_by_key(newest).map(|o| o.id) else { return };
        let others: Vec<ClientOrderId> =
            position.of(role).filter(working).map(|o| o.id).filter(|id| *id != last).collect();
        for id in others {
            self.emit(Event::Superseded { id });
        }
    }

    /// The venue took an order no sooner than this.
    pub(super) fn sent_after(&self, order: &Order) -> VenueMillis {
        order.not_after.minus(self.config.send_budget).minus(self.capabilities.absence(order.service).window)
    }
}

fn target_shape(position: &Position, style: TargetStyle, price: Price, qty: Qty) -> OrderShape {
    match style {
        TargetStyle::Limit => OrderShape::Limit { price, qty },
        TargetStyle::TriggerMarket => {
            OrderShape::TakeProfitMarket { trigger: price, by: position.request.stop_by, size: TriggerSize::Qty(qty) }
        }
    }
}

fn fmt_qty(shape: &OrderShape) -> alloc::string::String {
    shape.qty().map_or_else(|| alloc::string::String::from("everything"), |qty| format!("{qty}"))
}
