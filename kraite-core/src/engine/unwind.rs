//! From any state to flat and clean: exposure first, then protection, then the books (R85–R98).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::build::{RESTART_GRACE, Slot, slot};
use super::event::Event;
use super::io::{Alert, Query, Request, Wake};
use super::rungs::READ_LAG;
use super::turn::Turn;
use super::volatile::OpenOrders;
use crate::capabilities::Protection;
use crate::exchange::{OrderShape, PositionRef, RejectKind, Service};
use crate::id::{ClientOrderId, PositionNo, Role};
use crate::number::Qty;
use crate::order::{Life, Order, Terminal};
use crate::position::{Phase, PhaseEvent, Position, Protective, Why};
use crate::rounding;
use crate::time::{Millis, VenueMillis};

/// A flat reading is asked for again this long after the one before.
pub(super) const FLAT_RETRY: Millis = Millis(1_000);
/// Refused closes before a human is called; the engine goes on trying.
pub(super) const CLOSE_REFUSALS: usize = 3;
/// What is open is read again after this long at the soonest.
const OPEN_RETRY: Millis = Millis(500);
/// A close of a whole position goes by a reading that was asked for no longer ago than this.
const REMAINDER_READ: Millis = Millis(5_000);
/// How long a stop or target may still be open after the exposure was verified gone before it is cancelled
/// again.
const CANCEL_RETRY: Millis = Millis(1_000);

impl Turn<'_> {
    /// One pass over a position that wants to be flat and clean.
    pub(super) fn unwind(&mut self, no: PositionNo) {
        self.mind_the_bound(no);
        let Some(position) = self.position(no).filter(|p| !p.phase.is_terminal()) else { return };
        if position.phase == Phase::Cancelling && position.exposure().is_positive() {
            self.moved(no, PhaseEvent::ExposureFound, Why::LateFill);
            return;
        }
        self.cancel_openers(no);
        self.keep_one_target(no);
        let Some(position) = self.position(no) else { return };
        if position.hands.handed_back && !zoo!(HandedBackClosed) {
            self.hand_back(no);
            return;
        }
        if position.exposure().is_positive() {
            self.close_exposure(no);
            self.shield(no);
            return;
        }
        let Some(position) = self.position(no) else { return };
        if position.may_still_enter() || position.of(Role::Close).any(|o| o.life.may_trade()) {
            return;
        }
        if self.verified_flat(no) {
            self.remove_protection(no);
        }
    }

    fn mind_the_bound(&mut self, no: PositionNo) {
        let now = self.at.local;
        let since = *self.volatile.readings.entry(no).or_default().unwinding_since.get_or_insert(now);
        let bound = since.plus(self.config.unproven_after);
        if now >= bound {
            let exposure = self.position(no).map_or(Qty::ZERO, Position::exposure);
            if exposure.is_positive() {
                // Never given up: whatever keeps the close from filling may pass. The bound is one for the
                // proof, which begins once the exposure is gone.
                self.volatile.readings.entry(no).or_default().unwinding_since = Some(now);
                let handed_back = self.position(no).is_some_and(|p| p.hands.handed_back);
                let what = if handed_back { "handed back while our orders may trade" } else { "closed" };
                self.alert(no, Alert::Unproven, format!("{exposure} cannot be {what}; trying on"));
            } else {
                self.alert(no, Alert::Unproven, String::from("cannot be proven flat and clean; its symbol is blocked"));
                self.moved(no, PhaseEvent::Unproven, Why::Unproven);
            }
        } else {
            self.wake(no, bound, Wake::Retry);
        }
    }

    fn cancel_openers(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        let goes = |o: &&Order| !o.role().is_exit() || (zoo!(ProtectionBeforeExposure) && o.role().is_protective());
        let open: Vec<ClientOrderId> =
            position.orders.values().filter(goes).filter(|o| o.life == Life::Working).map(|o| o.id).collect();
        for id in open {
            // A working MARKET order fills by itself; there is nothing to cancel.
            if id.key().logical.role != Role::Entry {
                self.cancel_when_due(no, id);
            }
        }
    }

    /// A target that was being replaced when the unwinding began goes once its successor rests, as it would have. What
    /// the venue shows may be somebody else's and stay for ever: two targets must not wait for that.
    fn keep_one_target(&mut self, no: PositionNo) {
        if zoo!(OldTargetLeft) || self.capabilities.protection == Protection::Paired {
            return;
        }
        let Some(position) = self.position(no) else { return };
        let resting = position.of(Role::Target).filter(|o| o.life == Life::Working).map(|o| o.id);
        let mut older: Vec<ClientOrderId> = resting.collect();
        let _newest = older.pop();
        for id in older {
            self.cancel_when_due(no, id);
        }
    }

    /// Cancels at once, and again only after a reading showed it still open.
    pub(super) fn cancel_when_due(&mut self, no: PositionNo, id: ClientOrderId) {
        let Some(order) = self.state.order(id) else { return };
        if self.cancel_in_flight(order) {
            return;
        }
        let again = self.volatile.probes.get(&id).map(|probe| probe.next_at);
        match again.filter(|at| order.cancel_wanted && *at > self.at.local) {
            Some(at) => self.wake(no, at, Wake::Retry),
            None => self.cancel(no, id),
        }
    }

    /// A tagged close-only MARKET order for what is open and not being closed already.
    fn close_exposure(&mut self, no: PositionNo) {
        if self.must_look_before_it_closes(no) {
            return;
        }
        let Some(position) = self.position(no) else { return };
        if position.of(Role::Close).any(|o| o.life.may_trade()) {
            return;
        }
        let instrument = &position.request.instrument;
        let readings = self.volatile.readings.get(&no).filter(|_| zoo!(CloseSizedByReading));
        let open = readings.and_then(|r| r.exposure).map_or_else(|| position.exposure(), |(_, shown)| shown);
        let wanted = open.min(instrument.max_market_qty);
        let qty = rounding::floor_qty(wanted, instrument.market_lot).unwrap_or(Qty::ZERO);
        if !qty.is_positive() {
            self.close_remainder(no);
            return;
        }
        if let Some(latest) = position.latest(Role::Close).filter(|o| o.life == Life::Done(Terminal::Refused)) {
            let refusals = position.attempts(latest.id.key().logical).count();
            let kind = latest.refusal;
            if refusals >= CLOSE_REFUSALS {
                self.alert(no, Alert::NeedsAttention, format!("the close was refused {refusals} times ({kind:?})"));
                if zoo!(CloseGivenUp) {
                    return;
                }
            }
            if matches!(kind, Some(RejectKind::ReduceOnly | RejectKind::NoPosition)) {
                if zoo!(ReduceOnlyIsFlat) {
                    self.external(no, crate::id::VenueOrderId::new("refused"), qty, "the venue has nothing to close");
                    return;
                }
                // Never evidence of flatness (R86): a resting target may be in the way, or our view is old.
                self.cancel_limit_target(no);
                self.read_soon(no);
            }
        }
        if let Some(position) = self.position(no)
            && position.of(Role::Target).any(|o| o.life == Life::PendingCancel)
            && matches!(slot(position, Role::Close), Slot::Free(..))
            && position.latest(Role::Close).is_some()
        {
            self.wake(no, self.at.local.plus(CANCEL_RETRY), Wake::Retry);
        }
        self.place_when_free(no, Role::Close, OrderShape::Market { qty });
    }

    /// A stop or target of an earlier run may have taken everything off while nobody listened, and a close would then take
    /// what somebody else holds there: it waits until the history was read, though not for long.
    pub(super) fn must_look_before_it_closes(&mut self, no: PositionNo) -> bool {
        let (now, started_at) = (self.at.local, self.volatile.started_at);
        let looked_by = started_at.plus(RESTART_GRACE);
        let of_before = |o: &Order| o.role().is_exit() && o.life.may_trade() && o.intended_at < started_at;
        let Some(position) = self.position(no).filter(|p| p.orders.values().any(of_before)) else { return false };
        let is_read = self.volatile.readings.get(&position.no).is_some_and(|readings| readings.history_read);
        if is_read || now >= looked_by {
            return false;
        }
        self.wake(no, looked_by, Wake::Retry);
        true
    }

    /// Less than a lot is left: no order with a quantity takes it off. A close of the whole position does where the venue
    /// has one, but it bears no id and takes whatever is open: it goes out only while a fresh reading shows just what is
    /// ours, and not again before the last one can act no more. That more is open is told where it is read.
    fn close_remainder(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        let (left, entering) = (position.exposure(), position.may_still_enter());
        let whole = PositionRef {
            symbol: position.symbol().clone(),
            direction: position.direction(),
            mode: position.request.mode,
        };
        if !self.capabilities.closes_whole {
            self.alert(no, Alert::NeedsAttention, format!("{left} is left, less than one lot: it takes a human"));
            return;
        }
        if entering {
            return;
        }
        let quiet = self.whole_close_settled_by(no);
        if self.wait_for(no, quiet) {
            return;
        }
        let (error, fresh) = (self.at.error, self.at.venue.minus(self.at.error).minus(REMAINDER_READ));
        let shown = self.volatile.readings.get(&no).and_then(|r| r.exposure);
        let shown = shown.filter(|(at, _)| *at >= fresh && at.minus(error) > quiet).map(|(_, qty)| qty);
        if shown != Some(left) && !zoo!(WholeCloseBlind) {
            if self.may_read_what_is_open(no) {
                self.ask(Query::Positions);
            }
            return;
        }
        let not_after = self.not_after(Service::Regular);
        if self.emit(Event::WholeCloseIntended { position: no, not_after }) {
            self.send(Request::ClosePosition(no, whole), not_after);
        }
    }

    /// Venue time after which a close of the whole position that was sent can take effect no more.
    fn whole_close_settled_by(&self, no: PositionNo) -> VenueMillis {
        let last = self.position(no).and_then(|p| p.whole_close);
        last.map_or(VenueMillis(i64::MIN), |not_after| not_after.plus(self.capabilities.absence_regular.engine_bound))
    }

    /// True, and woken in time, while it is not certain that this instant has passed at the venue.
    pub(super) fn wait_for(&mut self, no: PositionNo, quiet: VenueMillis) -> bool {
        let sure_now = self.at.venue.minus(self.at.error);
        if sure_now > quiet {
            return false;
        }
        let wait = Millis(quiet.since(sure_now).0.saturating_add(1));
        self.wake(no, self.at.local.plus(wait), Wake::Probe);
        true
    }

    /// A close that is in doubt or was refused may leave the exposure open for as long as a proof takes, and the
    /// next one may fare no better: meanwhile the position stands behind a stop.
    pub(super) fn shield(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        let hindered = |o: &Order| matches!(o.life, Life::InDoubt | Life::Done(Terminal::Refused | Terminal::Absent));
        let naked = matches!(position.stop(), Protective::Missing | Protective::UnderWay);
        if !naked || !position.of(Role::Close).any(hindered) {
            return;
        }
        match self.capabilities.protection {
            Protection::Separate => self.keep_stop(no),
            Protection::Paired => self.keep_pair(no),
        }
    }

    /// Only a resting LIMIT target may make room for a close; the stop never (4a.13).
    fn cancel_limit_target(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        let targets: Vec<ClientOrderId> = position
            .of(Role::Target)
            .filter(|o| o.life == Life::Working && matches!(o.shape, OrderShape::Limit { .. }))
            .map(|o| o.id)
            .collect();
        for id in targets {
            self.cancel_when_due(no, id);
        }
    }

    /// Flat by our own fills is not enough: the venue must show it, read after the last instant at which an
    /// opening order of ours, or a copy the wire made of it, could still be accepted.
    fn verified_flat(&mut self, no: PositionNo) -> bool {
        if zoo!(FlatByFills) {
            return true;
        }
        let Some(position) = self.position(no) else { return false };
        // What never had an order that could enter has nothing to verify (R93); what the venue shows is not ours.
        let never =
            |o: &Order| o.life == Life::Planned || matches!(o.life, Life::Done(Terminal::Refused | Terminal::Absent));
        let adopted = position.adopted().is_some();
        if !adopted && position.orders.values().filter(|o| !o.role().is_exit()).all(never) {
            return true;
        }
        let whole = if zoo!(WholeCloseForgotten) { VenueMillis(i64::MIN) } else { self.whole_close_settled_by(no) };
        let quiet = quiet_after(self, position, |o| !o.role().is_exit()).max(whole);
        let symbol = position.symbol().clone();
        if self.wait_for(no, quiet) {
            return false;
        }
        let error = self.at.error;
        let readings = self.volatile.readings.entry(no).or_default();
        let flat = readings.exposure.filter(|(at, _)| at.minus(error) > quiet);
        let orders = readings.orders.filter(|(at, _)| at.minus(error) > quiet);
        let is_flat = flat.is_some_and(|(_, qty)| qty.is_zero());
        if is_flat && orders.is_some() {
            return true;
        }
        if let Some((at, _)) = flat.filter(|_| !is_flat) {
            // Residual: what explains it is in the history, or it is not ours (R91). The newest reading may be of before
            // the close, the next one may lag behind it; somebody is told once a later one agrees.
            let since = *readings.residual.get_or_insert(self.at.venue);
            readings.want_history |= at > since;
            if at >= since.plus(READ_LAG) {
                self.alert(no, Alert::NeedsAttention, String::from("the venue still shows exposure after our close"));
            }
        }
        if self.may_read_what_is_open(no) {
            self.ask(Query::Positions);
            self.ask(Query::OpenOrders(symbol));
        }
        false
    }

    /// Whether what is open may be read now; a reading that does not settle it is repeated ever more slowly.
    pub(super) fn may_read_what_is_open(&mut self, no: PositionNo) -> bool {
        let now = self.at.local;
        let pace = &mut self.volatile.readings.entry(no).or_default().open;
        let due = now >= pace.next_at;
        if due {
            pace.failures = pace.failures.saturating_add(1);
            pace.next_at = now.plus(super::config::backoff(pace.failures).max(OPEN_RETRY));
        }
        let at = pace.next_at;
        self.wake(no, at, Wake::Probe);
        due
    }

    /// Venue time after which no copy that the wire made of a stop or a target of an ended position can come to rest any
    /// more; `None` where the open orders were read after that. A plan of a pair goes with the exposure.
    pub(super) fn awaits_late_copies(&self, position: &Position) -> Option<VenueMillis> {
        if !matches!(position.phase, Phase::Closed | Phase::Cancelled) {
            return None;
        }
        let rests = |o: &Order| o.role().is_protective() && o.service != Service::PositionPlan;
        let quiet = quiet_after(self, position, rests);
        // Each run begins with a reading of all open orders; when that was at the venue is known as well as its clock is.
        let began = self.at.venue.minus(self.at.local.since(self.volatile.started_at)).minus(self.at.error);
        let read = self.volatile.readings.get(&position.no).and_then(|readings| readings.orders);
        let is_read = read.is_some_and(|(at, _)| at.minus(self.at.error) > quiet);
        (quiet > began && !is_read).then_some(quiet)
    }

    /// A copy may come to rest when everything is over, and nobody may be told: the open orders are read once more.
    pub(super) fn look_for_late_copies(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        let symbol = position.symbol().clone();
        let Some(quiet) = self.awaits_late_copies(position) else { return };
        if !self.wait_for(no, quiet) && self.may_read_what_is_open(no) {
            self.ask(Query::OpenOrders(symbol));
        }
    }

    /// The position is verified flat: stop and target go, and when nothing is left, the books close.
    fn remove_protection(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        let seen = self.volatile.readings.get(&no).and_then(|r| r.orders).map(|(_, what)| what);
        let alive: Vec<(ClientOrderId, Life, Service)> = position
            .orders
            .values()
            .filter(|o| o.life.may_trade() || o.life == Life::Planned)
            .map(|o| (o.id, o.life, o.service))
            .collect();
        if zoo!(FinishedWithStopOpen) {
            self.moved(no, PhaseEvent::Finished, Why::Planned);
            return;
        }
        if alive.is_empty() {
            if seen == Some(OpenOrders::Ours) {
                // An order of ours is open that no row says is open: read again, it will be merged and cancelled.
                if let Some(readings) = self.volatile.readings.get_mut(&no) {
                    readings.orders = None;
                }
                self.wake(no, self.at.local.plus(FLAT_RETRY), Wake::Probe);
                return;
            }
            self.moved(no, PhaseEvent::Finished, Why::Planned);
            return;
        }
        for (id, life, service) in alive {
            match life {
                Life::Working if service == Service::PositionPlan && seen != Some(OpenOrders::Ours) => {
                    // A plan goes away with its position and has no state of its own to ask for.
                    self.emit(Event::Superseded { id });
                }
                Life::Working => self.cancel_when_due(no, id),
                Life::Triggered => {
                    self.wake(no, self.at.local.plus(CANCEL_RETRY), Wake::Probe);
                }
                Life::Planned => {
                    // Never left and is not wanted any more.
                    self.emit(Event::Superseded { id });
                }
                _ => {}
            }
        }
    }
}

/// Venue time after which no placement of these orders of a position can still take effect.
pub(super) fn quiet_after(turn: &Turn<'_>, position: &Position, which: impl Fn(&Order) -> bool) -> VenueMillis {
    position
        .orders
        .values()
        .filter(|o| which(o) && o.life != Life::Planned)
        .map(|o| turn.settled_by(o))
        .max()
        .unwrap_or(VenueMillis(i64::MIN))
}
