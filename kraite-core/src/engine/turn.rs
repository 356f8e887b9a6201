//! One input on its way through the engine: what it means, what to do about it, what to record.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Answer;
use super::config::Config;
use super::event::Event;
use super::io::{Alert, Effect, InputKind, Notice, Query, Request, Wake};
use super::state::{EvolveError, State};
use super::volatile::{Change, Volatile};
use crate::capabilities::Capabilities;
use crate::exchange::{OrderShape, ReadError, Service, StreamEvent};
use crate::id::{ClientOrderId, LogicalOrder, OrderKey, PositionNo, Role};
use crate::invariant;
use crate::journal::Record;
use crate::number::{Price, Qty};
use crate::order::Order;
use crate::position::{Phase, PhaseEvent, Position, Why};
use crate::time::{LocalMillis, Millis, Moment, VenueMillis};

/// A position settles within this many passes; more means a decision that undoes itself.
const MAX_PASSES: usize = 32;
/// The same reading of a contract or of the account is at least this far apart.
const READ_GAP: Millis = Millis(500);
/// Readings of what is open that fail one after the other, before somebody is told: a minute of them.
const UNREAD_TOLD: usize = 10;
/// Paces kept before those that have passed are dropped.
const MAX_PACES: usize = 256;

pub(super) struct Turn<'a> {
    pub(super) config: &'a Config,
    pub(super) capabilities: &'a Capabilities,
    pub(super) state: &'a mut State,
    pub(super) volatile: &'a mut Volatile,
    pub(super) at: Moment,
    pub(super) input: &'a InputKind,
    events: Vec<Event>,
    effects: Vec<Effect>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(
        config: &'a Config,
        capabilities: &'a Capabilities,
        state: &'a mut State,
        volatile: &'a mut Volatile,
        at: Moment,
        input: &'a InputKind,
    ) -> Self {
        Self { config, capabilities, state, volatile, at, input, events: Vec::new(), effects: Vec::new() }
    }

    pub(super) fn run(&mut self) {
        let touched = if *self.input == InputKind::Deadline { self.due() } else { self.absorb() };
        self.ask_what_is_due();
        for no in touched {
            self.pursue(no);
            self.verify(no);
            self.note_growth(no);
        }
    }

    /// A reading of what is open may be of before the newest fill.
    fn note_growth(&mut self, no: PositionNo) {
        let Some(now) = self.position(no).map(Position::exposure) else { return };
        let (at, readings) = (self.at.venue, self.volatile.readings.entry(no).or_default());
        let since = readings.grown.filter(|(before, _)| now <= *before).map_or(at, |(_, since)| since);
        readings.grown = Some((now, since));
    }

    /// Closes the turn: the facts to be remembered, and the effects.
    pub(super) fn finish(self) -> (Vec<Event>, Vec<Effect>) {
        (self.events, self.effects)
    }

    fn due(&mut self) -> Vec<PositionNo> {
        let now = self.at.local;
        self.volatile
            .wakes
            .iter()
            .filter(|(_, set)| set.first().is_some_and(|first| first.at <= now))
            .map(|(no, _)| *no)
            .collect()
    }

    /// Records a fact and applies it at once, so that the next decision sees it.
    pub(super) fn emit(&mut self, event: Event) -> bool {
        match self.state.evolve(self.at, self.input, &event) {
            Ok(()) => {
                if let Event::ProvenAbsent { id } | Event::Vanished { id } | Event::Superseded { id } = &event {
                    // There is nothing left to read of it.
                    self.volatile.reread.remove(id);
                }
                self.events.push(event);
                true
            }
            Err(error) => {
                self.impossible(&event, &error);
                false
            }
        }
    }

    fn impossible(&mut self, event: &Event, error: &EvolveError) {
        let position = match event {
            Event::Intended { id, .. } | Event::OutcomeNoted { id } | Event::Merged { id } | Event::Adopted { id } => {
                Some(id.key().position)
            }
            _ => None,
        };
        if let Some(no) = position.filter(|no| self.state.positions.get(no).is_some_and(|p| !p.halted)) {
            self.emit(Event::Halted { position: no });
            self.alert(no, Alert::Invariant, format!("{error}"));
        }
    }

    pub(super) fn position(&self, no: PositionNo) -> Option<&Position> {
        self.state.positions.get(&no)
    }

    pub(super) fn moved(&mut self, no: PositionNo, on: PhaseEvent, why: Why) {
        self.emit(Event::Moved { position: no, on, why });
    }

    /// Gives a notice once per position, until it is cleared.
    pub(super) fn alert(&mut self, no: PositionNo, alert: Alert, message: String) {
        let known = self.position(no).is_none_or(|p| p.alerts.contains(&alert));
        if !known && self.emit(Event::Alerted { position: no, alert }) {
            self.effects.push(Effect::Notify(Notice { position: Some(no), alert, message }));
        }
    }

    pub(super) fn notify(&mut self, alert: Alert, message: String) {
        self.effects.push(Effect::Notify(Notice { position: None, alert, message }));
    }

    pub(super) fn wake(&mut self, no: PositionNo, at: LocalMillis, why: Wake) {
        self.volatile.wake(no, at, why);
    }

    /// Asks unless the same question is still open; a question asked too often waits its turn. Lookups are
    /// paced by their probes, and books by themselves.
    pub(super) fn ask(&mut self, query: Query) {
        if self.volatile.asked.contains(&query) {
            return;
        }
        if !matches!(query, Query::Lookup(..) | Query::Books(..)) {
            let next_at = self.volatile.paces.get(&query).map_or(self.at.local, |pace| pace.next_at);
            if self.at.local < next_at {
                self.volatile.wanted.insert(query, next_at);
                return;
            }
            if self.volatile.paces.len() >= MAX_PACES {
                let now = self.at.local;
                self.volatile.paces.retain(|_, pace| pace.next_at > now);
            }
            self.volatile.paces.entry(query.clone()).or_default().next_at = self.at.local.plus(READ_GAP);
            self.volatile.wanted.remove(&query);
        }
        if let Query::Rules(symbol) = &query {
            self.volatile.rules.entry(symbol.clone()).or_default().asked_at = self.at.local;
        }
        self.volatile.asked.insert(query.clone());
        self.effects.push(Effect::Query(query));
    }

    fn ask_what_is_due(&mut self) {
        let now = self.at.local;
        let due: Vec<Query> =
            self.volatile.wanted.iter().filter(|(_, at)| **at <= now).map(|(q, _)| q.clone()).collect();
        for query in due {
            self.volatile.wanted.remove(&query);
            let needed = match &query {
                Query::OpenOrders(symbol) | Query::History(symbol, _) | Query::Mark(symbol) => {
                    !self.positions_on(symbol).is_empty()
                }
                Query::Positions => !self.wake_all().is_empty(),
                Query::Rules(symbol) => self.rules_are_wanted(symbol),
                Query::Books(..) => false,
                Query::AllOpenOrders | Query::Lookup(..) => true,
            };
            if needed {
                self.ask(query);
            }
        }
    }

    /// Whether a change may be sent now; one that does not get through is repeated ever more slowly.
    pub(super) fn may_change(&mut self, no: PositionNo, change: Change) -> bool {
        let now = self.at.local;
        let pace = self.volatile.changes.entry(change).or_default();
        if now < pace.next_at {
            let at = pace.next_at;
            self.wake(no, at, Wake::Retry);
            return false;
        }
        pace.failures = pace.failures.saturating_add(1);
        pace.next_at = now.plus(super::config::backoff(pace.failures));
        true
    }

    /// A change that was just allowed is not repeated before so long.
    pub(super) fn slow_down(&mut self, change: Change, wait: Millis) {
        let at = self.at.local.plus(wait);
        self.volatile.changes.entry(change).or_default().next_at = at;
    }

    pub(super) fn send(&mut self, request: Request, not_after: VenueMillis) {
        self.volatile.in_flight.extend(request.sent());
        self.effects.push(Effect::Send { request, not_after });
    }

    /// The last venue instant at which a request of this service, sent now, may be accepted.
    pub(super) fn not_after(&self, service: Service) -> VenueMillis {
        let window = self.capabilities.absence(service).window;
        self.at.venue.plus(self.at.error).plus(self.config.send_budget).plus(window)
    }

    /// Every placement passes here: beside an order of its role that has an exchange id, and whose row denies
    /// it, nothing is placed (S2, S3). The invariants halt the position and somebody is told.
    pub(super) fn may_place(&self, no: PositionNo, role: Role) -> bool {
        self.position(no).is_some_and(|p| !p.of(role).any(Order::denies_its_id))
    }

    /// The id of the next revision or attempt of a role; `None` when the room in an id is used up. A revision
    /// one of whose attempts has an exchange id gets no further attempt (R4): the next one is a replacement.
    pub(super) fn next_id(&self, no: PositionNo, role: Role, next: Next) -> Option<ClientOrderId> {
        let position = self.position(no)?;
        let earlier_run = |o: &&Order| zoo!(NumbersFromMemory) && o.id.key().epoch != self.state.epoch;
        let latest = position.latest(role).filter(|o| !earlier_run(o));
        let (revision, attempt) = match (latest, next) {
            (None, _) => (crate::id::Revision::new(0)?, crate::id::Attempt::new(0)?),
            (Some(order), Next::Attempt) if zoo!(IdReused) => (order.id.key().logical.revision, order.id.key().attempt),
            (Some(order), Next::Attempt) if !came_to_be(position, order) => {
                (order.id.key().logical.revision, order.id.key().attempt.next()?)
            }
            (Some(order), _) => (order.id.key().logical.revision.next()?, crate::id::Attempt::new(0)?),
        };
        Some(ClientOrderId::encode(&OrderKey {
            account: self.state.account,
            position: no,
            logical: LogicalOrder { role, revision },
            attempt,
            epoch: self.state.epoch,
        }))
    }

    /// Makes an intent durable with this record and hands its request to the wire behind it.
    pub(super) fn place(&mut self, no: PositionNo, role: Role, next: Next, shape: OrderShape) {
        if !self.may_place(no, role) || !self.may_expose(no, role, &shape) {
            return;
        }
        // A revision that has used up its attempts is followed by the next one.
        let id = self.next_id(no, role, next).or_else(|| self.next_id(no, role, Next::Revision));
        let Some(id) = id else {
            self.alert(no, Alert::NeedsAttention, format!("no client order ids are left for the {role}"));
            return;
        };
        let Some((order, service)) = self.new_order(no, id, shape) else { return };
        let not_after = self.not_after(service);
        let basis = self.position(no).map_or(Qty::ZERO, |p| p.entered_qty());
        if self.emit(Event::Intended { id, side: order.side, shape, service, basis, not_after }) {
            self.send(Request::Place(order), not_after);
        }
    }

    pub(super) fn new_order(
        &self,
        no: PositionNo,
        id: ClientOrderId,
        shape: OrderShape,
    ) -> Option<(crate::exchange::NewOrder, Service)> {
        let position = self.position(no)?;
        let role = id.key().logical.role;
        let direction = position.direction();
        let (side, purpose) = if role.is_exit() {
            (direction.closing_side(), crate::exchange::Purpose::Close)
        } else {
            (direction.opening_side(), crate::exchange::Purpose::Open)
        };
        let order = crate::exchange::NewOrder {
            id,
            symbol: position.symbol().clone(),
            side,
            direction,
            mode: position.request.mode,
            purpose,
            shape,
        };
        Some((order, self.service_of(&shape)))
    }

    fn service_of(&self, shape: &OrderShape) -> Service {
        match (shape.is_conditional(), self.capabilities.protection) {
            (false, _) => Service::Regular,
            (true, crate::capabilities::Protection::Separate) => Service::Conditional,
            (true, crate::capabilities::Protection::Paired) => Service::PositionPlan,
        }
    }

    /// Cancels an order of ours, saying so in the journal first (R68).
    pub(super) fn cancel(&mut self, no: PositionNo, id: ClientOrderId) {
        let Some(position) = self.position(no) else { return };
        let Some(order) = position.order(id) else { return };
        let (reference, service) = (order.reference(position.symbol()), order.service);
        if !self.may_change(no, Change::Cancel(id, None)) {
            return;
        }
        let not_after = self.not_after(service);
        if zoo!(CancelUnsaved) || self.emit(Event::CancelIntended { id, extra: None }) {
            self.volatile.in_flight.insert(super::Sent::Cancel(id, reference.venue_id.clone()));
            self.effects.push(Effect::Send { request: Request::Cancel(reference), not_after });
        }
    }

    /// Puts a request that never left on the wire again, under its own id; gives it up where another attempt
    /// of its revision has come to be meanwhile.
    pub(super) fn resend(&mut self, no: PositionNo, id: ClientOrderId) {
        let Some(order) = self.position(no).and_then(|p| p.order(id)) else { return };
        let (shape, service) = (order.shape, order.service);
        if !self.may_place(no, order.role()) || !self.may_expose(no, order.role(), &shape) {
            return;
        }
        if self.position(no).is_some_and(|p| came_to_be(p, order)) {
            self.emit(Event::Superseded { id });
            return;
        }
        let Some((request, _)) = self.new_order(no, id, shape) else { return };
        let not_after = self.not_after(service);
        if self.emit(Event::Resent { id, not_after }) {
            self.send(Request::Place(request), not_after);
        }
    }

    /// The mark, if one young enough is known.
    pub(super) fn fresh_mark(&self, no: PositionNo) -> Option<Price> {
        let position = self.position(no)?;
        let symbol = position.symbol();
        let newest = self
            .volatile
            .marks
            .get(symbol)
            .filter(|m| m.at >= position.request.mark.at)
            .unwrap_or(&position.request.mark);
        (zoo!(StaleMarkUsed) || self.at.venue.since(newest.at) <= self.config.mark_max_age).then_some(newest.price)
    }

    /// The mark, if one of after that instant is known.
    pub(super) fn mark_since(&self, no: PositionNo, since: VenueMillis) -> Option<Price> {
        let symbol = self.position(no)?.symbol();
        self.volatile.marks.get(symbol).filter(|m| m.at > since).map(|m| m.price)
    }

    /// Does whatever the position needs now, until nothing more is to be decided.
    pub(super) fn pursue(&mut self, no: PositionNo) {
        for _ in 0..MAX_PASSES {
            let before = self.events.len();
            self.volatile.wakes.remove(&no);
            let Some(phase) = self.position(no).map(|p| p.phase) else { return };
            if !phase.is_terminal() {
                self.pursue_doubts(no);
            }
            // A copy that the wire made of a request may turn up when everything is over.
            if phase != Phase::Failed {
                self.cancel_extras(no);
            }
            match phase {
                Phase::New => self.admit(no),
                Phase::Opening | Phase::Active => self.build(no),
                Phase::Closing | Phase::Cancelling => self.unwind(no),
                Phase::Closed | Phase::Cancelled => {
                    // A fill that was told late, or an order that turned up after all: the books are opened again.
                    let alive = |p: &Position| p.orders.values().any(|o| o.life.may_trade());
                    let late = self.position(no).is_some_and(|p| p.exposure().is_positive() || alive(p));
                    if late && !zoo!(LateFillIgnored) {
                        self.moved(no, PhaseEvent::ExposureFound, Why::LateFill);
                    } else {
                        self.look_for_late_copies(no);
                        self.keep_books();
                    }
                }
                Phase::Failed => {}
            }
            if !self.position(no).is_none_or(|p| p.phase.is_terminal()) {
                self.poll(no);
            }
            if self.events.len() == before {
                return;
            }
        }
        self.alert(no, Alert::Invariant, String::from("decisions did not settle"));
        self.emit(Event::Halted { position: no });
    }

    /// Invariants stay on in release; a broken one halts the position rather than guess.
    fn verify(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        if position.halted {
            return;
        }
        let (faults, beyond) = (invariant::check(position), invariant::taken_beyond(position));
        if beyond.is_positive() {
            let message =
                format!("exits that executed at once took {beyond} more than was ours: it was open beside it");
            self.alert(no, Alert::NeedsAttention, message);
        }
        if let Some(fault) = faults.first() {
            let message = format!("{fault}");
            self.emit(Event::Halted { position: no });
            self.alert(no, Alert::Invariant, message);
        }
    }

    pub(super) fn take_answer(&mut self, answer: &Answer) {
        let (query, now) = (answer.query(), self.at.local);
        self.volatile.asked.remove(&query);
        if matches!(query, Query::Lookup(..) | Query::Books(..)) {
            return;
        }
        let pace = self.volatile.paces.entry(query.clone()).or_default();
        let Some(error) = answer.error() else {
            let failures = core::mem::take(&mut pace.failures);
            if failures >= UNREAD_TOLD {
                self.tell_that_it_is_read(&query);
            }
            return;
        };
        pace.failures = pace.failures.saturating_add(1);
        let told = if let ReadError::RateLimited(wait) = error { *wait } else { crate::time::Millis(0) };
        pace.next_at = now.plus(super::config::backoff(pace.failures).max(told));
        let (again, failures) = (pace.next_at, pace.failures);
        if failures >= UNREAD_TOLD {
            self.tell_that_it_is_unread(&query, failures);
        }
        self.volatile.wanted.insert(query, again);
    }

    /// The positions that nothing is known of while this cannot be read.
    fn unread_without(&mut self, query: &Query) -> Vec<PositionNo> {
        match query {
            Query::Positions => self.wake_all(),
            Query::OpenOrders(symbol) => self.positions_on(symbol),
            _ => Vec::new(),
        }
    }

    /// What is open cannot be read, again and again: that is tried on, and no sign that nothing is (R94).
    fn tell_that_it_is_unread(&mut self, query: &Query, failures: usize) {
        for no in self.unread_without(query) {
            let message = format!("what is open could not be read {failures} times in a row; trying on");
            self.alert(no, Alert::NeedsAttention, message);
        }
    }

    fn tell_that_it_is_read(&mut self, query: &Query) {
        for no in self.unread_without(query) {
            if self.position(no).is_some_and(|p| p.alerts.contains(&Alert::NeedsAttention)) {
                self.emit(Event::AlertCleared { position: no, alert: Alert::NeedsAttention });
            }
        }
    }

    pub(super) fn wake_all(&mut self) -> Vec<PositionNo> {
        self.state.positions.values().filter(|p| !p.phase.is_terminal()).map(|p| p.no).collect()
    }

    pub(super) fn note_mark(&mut self) {
        if let InputKind::Push(StreamEvent::Mark(mark)) | InputKind::Answer(Answer::Mark(_, Ok(mark))) = self.input {
            let known = self.volatile.marks.get(&mark.symbol).is_some_and(|m| m.at > mark.at);
            if !known {
                self.volatile.marks.insert(mark.symbol.clone(), mark.clone());
            }
        }
    }
}

/// Which part of an id rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// A deliberate re-price or replacement.
    Revision,
    /// A re-send after proven absence or a retryable refusal.
    Attempt,
}

impl State {
    /// Applies one stored record.
    pub(super) fn replay(&mut self, record: &Record) -> Result<(), EvolveError> {
        for event in &record.events {
            self.evolve(record.at, &record.input, event)?;
        }
        self.seq = record.seq;
        self.epoch = record.epoch;
        Ok(())
    }
}

/// Whether any attempt of an order's revision has an exchange id.
fn came_to_be(position: &Position, order: &Order) -> bool {
    position.attempts(order.id.key().logical).any(|o| o.exchange_order_id().is_some())
}

/// The wait that an order's rows impose before the next one of its kind.
pub(super) fn wait_until(order: &Order, count: usize) -> LocalMillis {
    order.intended_at.plus(super::config::backoff(count))
}
