//! From an input to facts: what it says that we did not know.

use alloc::format;
use alloc::vec::Vec;

use super::event::{CommandRefusal, Event};
use super::io::{Alert, Answer, Command, CommandId, InputKind, OpenRequest, Query, Sent, Setup, Wake};
use super::state::{all_reports, reports_of};
use super::turn::Turn;
use crate::exchange::{Endpoint, Lookup, OrderReport, Outcome, Reading, RejectKind, ReportedId, Service, StreamEvent};
use crate::id::{ClientOrderId, PositionNo, Role, VenueOrderId};
use crate::number::Qty;
use crate::order::Order;
use crate::plan;
use crate::position::{Phase, PhaseEvent, Position, SetupState, Why};
use crate::sizing::{self, SizeRequest};
use crate::time::VenueMillis;

impl Turn<'_> {
    /// Turns the input into facts and names the positions that it concerns.
    pub(super) fn absorb(&mut self) -> Vec<PositionNo> {
        match self.input {
            InputKind::Started => {
                self.emit(Event::Restarted);
                self.volatile.started_at = self.at.local;
                self.ask(Query::AllOpenOrders);
                let mut all = self.reread_everything();
                let late = self.state.positions.values().filter(|p| self.awaits_late_copies(p).is_some()).map(|p| p.no);
                all.extend(late);
                self.keep_books();
                all
            }
            InputKind::Command(id, command) => self.absorb_command(*id, command),
            InputKind::Outcome(sent, outcome) => self.absorb_outcome(sent, outcome),
            InputKind::Answer(answer) => self.absorb_answer(answer),
            InputKind::Push(event) => self.absorb_push(event),
            InputKind::Deadline => Vec::new(),
        }
    }

    fn reread_everything(&mut self) -> Vec<PositionNo> {
        let all = self.wake_all();
        for no in &all {
            let readings = self.volatile.readings.entry(*no).or_default();
            readings.poll_at = self.at.local;
            readings.want_history = true;
        }
        all
    }

    fn absorb_command(&mut self, id: CommandId, command: &Command) -> Vec<PositionNo> {
        match command {
            Command::Open(request) => {
                let ladder = size(request, request.mark.price).map_err(CommandRefusal::Plan);
                self.open(id, request, ladder)
            }
            Command::Adopt(request, held) => self.adopt(id, request, *held),
            Command::Halt => self.switch(id, Event::AccountHalted),
            Command::Resume => self.switch(id, Event::AccountResumed),
            Command::Adjust(no, what) => {
                self.adjust(id, *no, what);
                alloc::vec![*no]
            }
            Command::Close(no) => {
                match self.position(*no).map(|p| p.phase) {
                    Some(Phase::New) => self.moved(*no, PhaseEvent::Abandoned, Why::Command),
                    Some(Phase::Opening | Phase::Active) => self.moved(*no, PhaseEvent::CloseBegan, Why::Command),
                    Some(Phase::Failed) => {
                        // A human has looked; the bound starts afresh.
                        self.volatile.readings.entry(*no).or_default().unwinding_since = None;
                        self.emit(Event::AlertCleared { position: *no, alert: Alert::Unproven });
                        self.moved(*no, PhaseEvent::CloseBegan, Why::Command);
                    }
                    Some(Phase::Closing | Phase::Cancelling) => {}
                    Some(Phase::Closed | Phase::Cancelled) | None => {
                        self.emit(Event::CommandRefused(CommandRefusal::NoSuchPosition(*no)));
                    }
                }
                alloc::vec![*no]
            }
        }
    }

    /// Takes effect by being recorded, and sends nothing: so it is the same with and without a worker. What follows for
    /// each position is due at once.
    fn switch(&mut self, id: CommandId, event: Event) -> Vec<PositionNo> {
        if !self.state.switched_by.contains(&id) {
            self.emit(event);
            for no in self.wake_all() {
                self.wake(no, self.at.local, Wake::Retry);
            }
        }
        Vec::new()
    }

    pub(super) fn open(
        &mut self,
        id: CommandId,
        request: &OpenRequest,
        sized: Result<sizing::Ladder, CommandRefusal>,
    ) -> Vec<PositionNo> {
        let again = |p: &&Position| zoo!(CommandRepeatedOpens) && p.phase.is_terminal();
        if let Some(position) = self.state.opened_by(id).filter(|p| !again(p)) {
            return alloc::vec![position.no];
        }
        if self.state.archived.contains(&id) {
            return Vec::new();
        }
        let symbol = &request.instrument.symbol;
        let busy = self
            .state
            .positions
            .values()
            .filter(|_| !zoo!(SymbolBusyIgnored))
            .find(|p| p.symbol() == symbol && !matches!(p.phase, Phase::Closed | Phase::Cancelled));
        let refusal = if let Some(position) = busy {
            Some(CommandRefusal::SymbolBusy(position.no))
        } else if self.is_halted() {
            Some(CommandRefusal::Halted)
        } else if self.state.quarantined {
            Some(CommandRefusal::Quarantined)
        } else if self.at.venue.since(request.mark.at) > self.config.mark_max_age && !zoo!(StaleMarkUsed) {
            Some(CommandRefusal::StaleMark)
        } else {
            None
        };
        let (refusal, ladder) = match (refusal, sized) {
            (Some(refusal), _) => (Some(refusal), None),
            (None, Err(refusal)) => (Some(refusal), None),
            (None, Ok(ladder)) => match self.limit_on_opening(None, &request.instrument, &ladder, request.mark.price) {
                Some(limit) => (Some(CommandRefusal::Limit(limit)), None),
                None => (None, Some(ladder)),
            },
        };
        if let Some(refusal) = refusal {
            self.emit(Event::CommandRefused(refusal));
            return Vec::new();
        }
        let (Some(ladder), Some(no)) = (ladder, self.state.next_position) else {
            self.emit(Event::CommandRefused(CommandRefusal::NumbersExhausted));
            return Vec::new();
        };
        let dropped: Vec<u8> = ladder.dropped.iter().map(|d| d.rung).collect();
        let intended = plan::plan(plan::Goal::Open, &shape_of(request)).without_rungs(&dropped);
        let plan = plan::lower(&intended, self.capabilities);
        self.emit(Event::Opened { position: no, ladder: alloc::boxed::Box::new(ladder), plan });
        self.archive();
        alloc::vec![no]
    }

    /// Lets go of what ended cleanly long ago, so that an account that trades for years stays small.
    fn archive(&mut self) {
        let (now, after) = (self.at.local, self.archive_after());
        let ended: Vec<PositionNo> = self
            .state
            .positions
            .values()
            .filter(|p| matches!(p.phase, Phase::Closed | Phase::Cancelled) && !p.halted)
            .filter(|p| p.ended_at.is_some_and(|ended| now.since(ended) >= after))
            .filter(|p| p.orders.values().all(|o| o.life.is_done()))
            .filter(|p| !self.waits_for_books(p))
            .map(|p| p.no)
            .collect();
        for position in ended {
            self.volatile.forget(position);
            self.emit(Event::Archived { position });
        }
        self.keep_books();
    }

    fn absorb_outcome(&mut self, sent: &Sent, outcome: &Outcome) -> Vec<PositionNo> {
        self.volatile.in_flight.remove(sent);
        match sent {
            Sent::Setup(no, setup) => {
                let waiting = self.position(*no).is_some_and(|p| setup_of(p, *setup) == SetupState::Sent);
                if waiting {
                    if !matches!(outcome, Outcome::Accepted(_)) {
                        self.volatile.readings.entry(*no).or_default().setup_at = self.at.local.plus(SETUP_RETRY);
                    }
                    self.emit(Event::SetupNoted { position: *no, setup: *setup });
                }
                alloc::vec![*no]
            }
            // Positions say what became of it (R85), whatever the answer.
            Sent::ClosePosition(no) => {
                if let Outcome::Rejected(reject) = outcome
                    && !reject.kind.is_retryable()
                {
                    let message = format!("the close of what is left was refused: {}", reject.message);
                    self.alert(*no, Alert::NeedsAttention, message);
                }
                self.read_soon(*no);
                alloc::vec![*no]
            }
            Sent::Place(id) | Sent::Amend(id, _) | Sent::Cancel(id, _) => {
                #[cfg(kraite_zoo)]
                let id = &self.newest_attempt(*id);
                let report = match outcome {
                    Outcome::Accepted(ack) => ack.report.as_deref(),
                    Outcome::Rejected(_) | Outcome::Unknown(_) => None,
                };
                if let Some(order) = self.state.order(*id)
                    && outcome_tells_news(order, sent, outcome, report)
                {
                    self.emit(Event::OutcomeNoted { id: *id });
                    if matches!(outcome, Outcome::Rejected(reject) if reject.kind.is_by_rules()) {
                        self.refused_by_rules(*id);
                    }
                }
                alloc::vec![id.key().position]
            }
        }
    }

    /// The bug `outcome-on-wrong-row`: the newest send of a logical order stands for the one that is meant.
    #[cfg(kraite_zoo)]
    fn newest_attempt(&self, id: ClientOrderId) -> ClientOrderId {
        let position = self.position(id.key().position).filter(|_| zoo!(OutcomeOnWrongRow));
        position.and_then(|p| p.attempts(id.key().logical).next_back()).map_or(id, |newest| newest.id)
    }

    fn absorb_answer(&mut self, answer: &Answer) -> Vec<PositionNo> {
        let awaited = self.volatile.asked.contains(&answer.query());
        self.take_answer(answer);
        match answer {
            Answer::Lookup(order, endpoint, result) => {
                let no = order.id.key().position;
                if let (Ok(reading), Some(readings)) = (result, self.volatile.readings.get_mut(&no))
                    && tells_the_end(*endpoint, reading)
                    && readings.is_since_less(reading.sent_at)
                {
                    readings.unread.remove(&order.id);
                }
                match result {
                    Ok(reading) => match &reading.value {
                        Lookup::Found(_) if self.is_overwritten(order.id) => {
                            self.missed(order.id, *endpoint, reading.sent_at, reading.complete);
                        }
                        Lookup::Found(_) => self.found(order.id),
                        Lookup::NotFound => self.missed(order.id, *endpoint, reading.sent_at, reading.complete),
                        Lookup::Unknowable => self.unknowable(order.id),
                    },
                    Err(_) => self.ask_later(order.id),
                }
                alloc::vec![no]
            }
            Answer::OpenOrders(symbol, result) => {
                let mut touched = self.merge_all();
                if let Ok(reading) = result {
                    touched.extend(self.read_open_orders(symbol, reading));
                }
                touched.extend(self.positions_on(symbol));
                unique(touched)
            }
            Answer::AllOpenOrders(result) => {
                let mut touched = self.merge_all();
                if result.as_ref().is_ok_and(|reading| reading.complete) {
                    self.volatile.account_read = true;
                } else {
                    self.ask(Query::AllOpenOrders);
                }
                touched.extend(self.wake_all());
                unique(touched)
            }
            Answer::History(symbol, _, result) => {
                let mut touched = self.merge_all();
                if let Ok(reading) = result {
                    self.read_history(symbol, reading);
                }
                touched.extend(self.positions_on(symbol));
                unique(touched)
            }
            Answer::Positions(result) => {
                if let Ok(reading) = result {
                    self.read_positions(reading);
                }
                self.wake_all()
            }
            Answer::Mark(symbol, _) => {
                self.note_mark();
                self.positions_on(symbol)
            }
            Answer::Books(.., read) => {
                let whole = awaited && read.as_ref().is_ok_and(|reading| reading.complete);
                if whole { self.take_books(&answer.query()) } else { Vec::new() }
            }
            Answer::Rules(symbol, read) => {
                if awaited {
                    self.read_rules(symbol, read);
                }
                self.positions_on(symbol)
            }
        }
    }

    fn absorb_push(&mut self, event: &StreamEvent) -> Vec<PositionNo> {
        match event {
            StreamEvent::Connected => {
                self.ask(Query::AllOpenOrders);
                self.reread_everything()
            }
            StreamEvent::Order(_) => self.merge_all(),
            StreamEvent::Position(report) => {
                let mismatched: Vec<PositionNo> = self
                    .state
                    .positions
                    .values()
                    .filter(|p| !p.phase.is_terminal())
                    .filter(|p| *p.symbol() == report.symbol && p.direction() == report.direction)
                    .filter(|p| p.exposure() != report.qty)
                    .map(|p| p.no)
                    .collect();
                // A pushed size is a reason to read, never a fact by itself (R87, R88).
                for no in &mismatched {
                    self.volatile.readings.entry(*no).or_default().poll_at = self.at.local.plus(PUSH_SETTLES);
                }
                mismatched
            }
            StreamEvent::Mark(_) => {
                self.note_mark();
                Vec::new()
            }
            StreamEvent::Disconnected | StreamEvent::Funding { .. } => Vec::new(),
        }
    }

    /// Merges every report of the input into the order it is about.
    fn merge_all(&mut self) -> Vec<PositionNo> {
        let input = self.input;
        let mut touched = Vec::new();
        let mut seen: Vec<ClientOrderId> = Vec::new();
        for report in all_reports(input) {
            match &report.id {
                ReportedId::Ours(id) if id.key().account == self.state.account || zoo!(OtherAccountAdopted) => {
                    if !seen.contains(id) {
                        seen.push(*id);
                        touched.extend(self.merge_one(input, *id));
                    }
                }
                ReportedId::Venue(_) => touched.extend(self.venue_took(report)),
                ReportedId::Ours(_) | ReportedId::Foreign(_) => {}
            }
        }
        unique(touched)
    }

    fn merge_one(&mut self, input: &InputKind, id: ClientOrderId) -> Option<PositionNo> {
        let no = id.key().position;
        if self.is_not_what_we_asked_for(input, id) {
            return Some(no);
        }
        let position = self.position(no);
        match position.map(|p| p.order(id)) {
            Some(Some(order)) => {
                if tells_news(order, input) {
                    let believed_dead = order.life.is_done() && !order.life.was_accepted();
                    self.emit(Event::Merged { id });
                    if believed_dead && self.state.order(id).is_some_and(|o| o.life.was_accepted()) {
                        let message = format!("{id:?} was believed never to have existed and turned up");
                        self.alert(no, Alert::ProofBroken, message);
                    }
                    return Some(no);
                }
                if resurfaced(order, input) {
                    self.emit(Event::Resurfaced { id });
                    self.alert(
                        no,
                        Alert::ProofBroken,
                        format!("{id:?} had vanished from every list and is open after all"),
                    );
                }
                (input_is_answer(input)).then_some(no)
            }
            Some(None) if zoo!(UnknownOrderIgnored) => None,
            Some(None) => {
                self.emit(Event::Adopted { id });
                self.distrust();
                self.alert(no, Alert::NeedsAttention, format!("{id:?} was not in the journal and is taken over"));
                Some(no)
            }
            None => {
                let archived = self.state.next_position.is_none_or(|next| no < next);
                if archived && !reports_of(input, id).any(|report| is_open(report.status)) {
                    return None;
                }
                if !self.state.quarantined {
                    self.emit(Event::Quarantined { id });
                    self.notify(
                        Alert::NeedsAttention,
                        format!("the venue shows {id:?}, of a position this journal does not know: nothing is opened"),
                    );
                }
                None
            }
        }
    }

    /// The end of the journal is lost: what wrote it may have more under way than shows yet. Nothing that adds
    /// exposure goes out until that can come true no more.
    fn distrust(&mut self) {
        let rule = &self.capabilities.absence_regular;
        let reach = rule.window.plus(self.config.send_budget).plus(rule.engine_bound).plus(self.at.error);
        self.volatile.distrust_until = self.volatile.started_at.plus(reach);
    }

    /// An order under our id on another contract or side: another journal's, or a venue's error. It is told
    /// and never merged; the row stays what it was.
    fn is_not_what_we_asked_for(&mut self, input: &InputKind, id: ClientOrderId) -> bool {
        let no = id.key().position;
        let Some((symbol, side)) = self.position(no).and_then(|p| Some((p.symbol(), p.order(id)?.side))) else {
            return false;
        };
        let odd =
            reports_of(input, id).find(|r| r.symbol != *symbol || r.side != side).filter(|_| !zoo!(MismatchMerged));
        let Some((side, symbol)) = odd.map(|r| (r.side, r.symbol.clone())) else { return false };
        let message = format!("{id:?} is a {side:?} on {symbol} at the venue: it is not taken for ours");
        self.alert(no, Alert::Mismatch, message);
        true
    }

    /// The venue closed exposure by itself: liquidation, ADL, settlement (R73). What one position has booked is
    /// never another's, and nothing can have been taken from a position before its entry left.
    fn venue_took(&mut self, report: &crate::exchange::OrderReport) -> Option<PositionNo> {
        let booked = self.state.positions.values().find(|p| p.external.contains_key(&report.venue_id));
        let position = booked.or_else(|| {
            self.state.positions.values().find(|p| {
                !p.phase.is_terminal()
                    && *p.symbol() == report.symbol
                    && p.direction() == report.direction
                    && report.side == p.direction().closing_side()
                    && self.entry_left_at(p).is_some_and(|left| report.at >= left)
            })
        })?;
        let no = position.no;
        if zoo!(LiquidationIgnored) {
            return Some(no);
        }
        let qty = report.executed.filter(|q| q.is_positive())?;
        let known = position.external.get(&report.venue_id).copied().unwrap_or(Qty::ZERO);
        if qty > known {
            self.external(no, report.venue_id.clone(), qty, "the venue closed it");
        }
        Some(no)
    }

    /// The earliest venue instant at which the entry can have been accepted.
    fn entry_left_at(&self, position: &Position) -> Option<VenueMillis> {
        let first = position.of(Role::Entry).map(|o| o.not_after).min()?;
        let ahead = self.capabilities.absence_regular.window.plus(self.config.send_budget).plus(self.at.error);
        Some(first.minus(ahead).minus(self.at.error))
    }

    pub(super) fn external(&mut self, no: PositionNo, cause: VenueOrderId, qty: Qty, how: &str) {
        self.emit(Event::External { position: no, cause, qty });
        self.alert(no, Alert::ExternalClose, format!("{qty} left without an order of ours: {how}"));
    }

    /// The plan that was asked for by the venue's id bears another id of ours: a copy of an older call set it last
    /// (R53). It does the work of this order only while it is open at the price that this one wants.
    fn is_overwritten(&self, id: ClientOrderId) -> bool {
        let Some(order) = self.state.order(id).filter(|o| o.service == Service::PositionPlan) else { return false };
        let price = |report: &OrderReport| report.stated.and_then(|stated| stated.price);
        reports_of(self.input, id).next().is_none()
            && !all_reports(self.input).any(|r| is_open(r.status) && price(r) == order.shape.price())
    }

    /// A lookup found the order.
    fn found(&mut self, id: ClientOrderId) {
        let input = self.input;
        if self.is_not_what_we_asked_for(input, id) {
            self.ask_later(id);
            return;
        }
        let Some(order) = self.state.order(id) else {
            self.merge_one(input, id);
            return;
        };
        // A reading also settles an amendment or a cancellation that had no answer; not one whose answer is still
        // on its way, which the reading may be older than.
        let settles = match order.life {
            crate::order::Life::PendingAmend => !self.volatile.in_flight.contains(&Sent::Amend(id, order.amends)),
            crate::order::Life::PendingCancel => !self.cancel_in_flight(order),
            _ => false,
        };
        if settles || tells_news(order, input) {
            self.emit(Event::Merged { id });
        }
        self.volatile.reread.remove(&id);
        self.read_back(id);
    }

    pub(super) fn positions_on(&self, symbol: &crate::id::Symbol) -> Vec<PositionNo> {
        self.state.positions.values().filter(|p| !p.phase.is_terminal() && p.symbol() == symbol).map(|p| p.no).collect()
    }
}

/// How long a pushed size may run ahead of the order reports that explain it.
const PUSH_SETTLES: crate::time::Millis = crate::time::Millis(1_000);

/// A setting that did not get through is sent again after this long.
const SETUP_RETRY: crate::time::Millis = crate::time::Millis(500);

/// Whether a lookup would have told of an order that has ended: a list of open orders would not.
fn tells_the_end(endpoint: Endpoint, reading: &Reading<Lookup>) -> bool {
    let found = matches!(reading.value, Lookup::Found(_));
    found || (reading.complete && matches!(endpoint, Endpoint::Order | Endpoint::History))
}

/// An order that was concluded to be gone, and a reading that repeats what was known of it: it is open.
fn resurfaced(order: &Order, input: &InputKind) -> bool {
    use crate::order::{Life, Terminal};
    order.life == Life::Done(Terminal::Vanished)
        && input_is_answer(input)
        && reports_of(input, order.id).any(|report| is_open(report.status))
}

fn input_is_answer(input: &InputKind) -> bool {
    matches!(input, InputKind::Answer(_))
}

/// The ladder of a request at a mark.
pub(super) fn size(request: &OpenRequest, mark: crate::number::Price) -> Result<sizing::Ladder, sizing::Refusal> {
    let asked = SizeRequest { instrument: &request.instrument, spec: &request.spec, budget: &request.budget, mark };
    sizing::size_for(&asked, request.target_style)
}

fn shape_of(request: &OpenRequest) -> plan::Shape {
    plan::Shape {
        rungs: request.spec.rungs,
        sequence: request.sequence,
        target_style: request.target_style,
        margin_setup: plan::MarginSetup::Confirm,
    }
}

fn unique(mut positions: Vec<PositionNo>) -> Vec<PositionNo> {
    positions.sort_unstable();
    positions.dedup();
    positions
}

fn setup_of(position: &Position, setup: Setup) -> SetupState {
    match setup {
        Setup::MarginMode => position.setups.margin_mode,
        Setup::Leverage => position.setups.leverage,
    }
}

/// Whether merging the input's reports would change the order: an unchanged echo writes nothing (R60).
fn tells_news(order: &Order, input: &InputKind) -> bool {
    reports_of(input, order.id).any(|report| order.is_news(report))
}

fn outcome_tells_news(
    order: &Order,
    sent: &Sent,
    outcome: &Outcome,
    report: Option<&crate::exchange::OrderReport>,
) -> bool {
    use crate::order::LifeEvent;
    use crate::table::{Machine, Verdict};
    let event = match (sent, outcome) {
        (Sent::Place(_), Outcome::Accepted(_)) => Some(LifeEvent::Accepted),
        (Sent::Place(_), Outcome::Rejected(r)) if r.kind == RejectKind::NotSent => Some(LifeEvent::NotSent),
        (Sent::Place(_), Outcome::Rejected(_)) => Some(LifeEvent::Refused),
        (Sent::Place(_), Outcome::Unknown(_)) => Some(LifeEvent::OutcomeUnknown),
        (Sent::Amend(_, number), Outcome::Accepted(_)) if *number == order.amends => {
            report.map(|_| LifeEvent::AmendSettled)
        }
        (Sent::Cancel(..), Outcome::Rejected(r)) if zoo!(GoneIsCancelled) && r.kind == RejectKind::UnknownOrder => {
            Some(LifeEvent::SeenCancelled)
        }
        _ => None,
    };
    let refused_change = matches!((sent, outcome), (Sent::Amend(_, number), Outcome::Rejected(reject))
        if reject.kind.is_by_rules()
            && *number == order.amends
            && order.life == crate::order::Life::PendingAmend
            && !order.refusal.is_some_and(RejectKind::is_by_rules));
    let moves = refused_change || event.is_some_and(|event| matches!(order.life.on(event), Verdict::Applied(_)));
    moves || report.is_some_and(|report| order.is_news(report))
}

/// A trigger order that fired stays listed as triggered for good; only these can still rest in the book.
const fn is_open(status: crate::exchange::ReportStatus) -> bool {
    matches!(status, crate::exchange::ReportStatus::New | crate::exchange::ReportStatus::PartiallyFilled)
}
