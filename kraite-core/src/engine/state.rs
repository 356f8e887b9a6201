//! What an account knows: the fold of its records.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::event::Event;
use super::io::{Command, CommandId, InputKind, Sent, Setup};
use crate::exchange::{OrderReport, OrderShape, Outcome, RejectKind, Service};
use crate::id::{AccountTag, ClientOrderId, Epoch, PositionNo};
use crate::number::{ArithmeticError, Notional, Price, Qty};
use crate::order::{Life, LifeEvent, Order};
use crate::plan::Plan;
use crate::position::{Adoption, Cover, Hands, Orders, Phase, Position, ProtectionMeter, SetupState, Setups, Why};
use crate::sizing::Ladder;
use crate::table::{Machine, Verdict};
use crate::time::{Millis, Moment, VenueMillis};

/// The result of an ended position is kept this long: two days of the venue hold whatever day it is by any clock.
const RESULT_KEPT: Millis = Millis::from_secs(2 * 86_400);

/// What a position that had exposure came to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ended {
    /// When it ended.
    pub at: VenueMillis,
    /// The currency of the amount.
    pub quote: CompactString,
    /// What its own fills realised, fees included, and funding once it was read; `None` where other hands took
    /// something off, or a fill has no price.
    pub realised: Option<Notional>,
}

/// Everything an account knows. Ordered maps only, so equal states are equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct State {
    /// Which account.
    pub account: AccountTag,
    /// Under which ownership the last record was written.
    pub epoch: Epoch,
    /// The number of the last record.
    pub seq: u64,
    /// When it was written.
    pub at: Moment,
    /// Every position, finished ones included until they are archived.
    pub positions: BTreeMap<PositionNo, Position>,
    /// Commands whose positions are archived: a repeat of one still opens nothing.
    pub archived: BTreeSet<CommandId>,
    /// The number of the next position.
    pub next_position: Option<PositionNo>,
    /// The venue shows orders of ours that this journal cannot explain: nothing new is opened.
    pub quarantined: bool,
    /// A user has halted new exposure.
    pub halted: bool,
    /// Commands that halted or resumed: a repeat of one does neither again.
    pub switched_by: BTreeSet<CommandId>,
    /// Positions that ended within the last two days, archived ones included.
    pub ended: BTreeMap<PositionNo, Ended>,
}

impl State {
    /// An account nothing ever happened to.
    #[must_use]
    pub const fn new(account: AccountTag) -> Self {
        Self {
            account,
            epoch: match Epoch::new(0) {
                Some(epoch) => epoch,
                None => Epoch::MAX,
            },
            seq: 0,
            at: Moment { local: crate::time::LocalMillis(0), venue: VenueMillis(0), error: crate::time::Millis(0) },
            positions: BTreeMap::new(),
            archived: BTreeSet::new(),
            next_position: PositionNo::new(1),
            quarantined: false,
            halted: false,
            switched_by: BTreeSet::new(),
            ended: BTreeMap::new(),
        }
    }

    /// The row of an id.
    #[must_use]
    pub fn order(&self, id: ClientOrderId) -> Option<&Order> {
        self.positions.get(&id.position())?.orders.get(&id)
    }

    /// The position a command made, if it made one.
    #[must_use]
    pub fn opened_by(&self, command: CommandId) -> Option<&Position> {
        self.positions.values().find(|p| p.opened_by == command)
    }

    /// Applies one fact. The only place where state changes.
    pub fn evolve(&mut self, at: Moment, input: &InputKind, event: &Event) -> Result<(), EvolveError> {
        let touched = self.apply(at, input, event)?;
        self.at = at;
        if let Some(position) = touched.and_then(|no| self.positions.get_mut(&no)) {
            if let Event::Merged { id } | Event::OutcomeNoted { id } = event
                && id.key().logical.role.is_exit()
            {
                book_once(position);
            }
            position.cover = position.present_cover();
            let unprotected = matches!(position.cover, Cover::Naked | Cover::Arming);
            position.meter.note(at.local, unprotected);
            let result = result_of(position);
            self.note_result(at.venue, touched, result);
        }
        Ok(())
    }

    /// Keeps the result of a position that has ended: a late fill changes it, one that opens the books again takes it
    /// away.
    fn note_result(&mut self, at: VenueMillis, position: Option<PositionNo>, result: Option<Ended>) {
        let Some(no) = position else { return };
        match result {
            None => {
                self.ended.remove(&no);
            }
            Some(result) => {
                let first = self.ended.get(&no).map_or(at, |known| known.at);
                self.ended.insert(no, Ended { at: first, ..result });
                self.ended.retain(|_, ended| at.since(ended.at) < RESULT_KEPT);
            }
        }
    }

    fn position_mut(&mut self, no: PositionNo) -> Result<&mut Position, EvolveError> {
        self.positions.get_mut(&no).ok_or(EvolveError::NoSuchPosition(no))
    }

    fn apply(&mut self, at: Moment, input: &InputKind, event: &Event) -> Result<Option<PositionNo>, EvolveError> {
        match event {
            Event::Restarted => {
                self.interrupt(at);
                Ok(None)
            }
            Event::CommandRefused(_) | Event::LimitReached { .. } => Ok(None),
            Event::AccountHalted | Event::AccountResumed => {
                self.switch(input, event)?;
                Ok(None)
            }
            Event::Quarantined { .. } => {
                self.quarantined = true;
                Ok(None)
            }
            Event::Adopted { id } => {
                self.adopt(at, input, *id)?;
                Ok(Some(id.key().position))
            }
            Event::Opened { position, ladder, plan } => {
                self.insert(at, input, *position, ladder, plan)?;
                Ok(Some(*position))
            }
            Event::Moved { position, on, why } => {
                let row = self.position_mut(*position)?;
                if let Verdict::Applied(next) = row.phase.on(*on) {
                    row.phase = next;
                    row.ended_at = next.is_terminal().then_some(at.local);
                    if *why != Why::Planned {
                        row.why = *why;
                    }
                }
                Ok(Some(*position))
            }
            Event::Archived { position } => {
                let row = self.positions.remove(position).ok_or(EvolveError::NoSuchPosition(*position))?;
                self.archived.insert(row.opened_by);
                Ok(None)
            }
            Event::Resized { position, ladder } => {
                let row = self.position_mut(*position)?;
                row.stop_price = ladder.stop;
                row.ladder = (**ladder).clone();
                Ok(Some(*position))
            }
            Event::Rebuilt { position, rungs, dropped, stop } => {
                let row = self.position_mut(*position)?;
                row.rungs.clone_from(rungs);
                row.dropped.extend(dropped.iter().copied());
                row.stop_price = *stop;
                row.rebuilt = true;
                Ok(Some(*position))
            }
            Event::RungDropped { position, rung } => {
                self.position_mut(*position)?.dropped.insert(*rung);
                Ok(Some(*position))
            }
            Event::SetupSent { position, setup } => {
                *setup_mut(self.position_mut(*position)?, *setup) = SetupState::Sent;
                Ok(Some(*position))
            }
            Event::SetupNoted { position, setup } => {
                let InputKind::Outcome(_, outcome) = input else { return Err(EvolveError::WrongInput) };
                *setup_mut(self.position_mut(*position)?, *setup) = match outcome {
                    Outcome::Accepted(_) => SetupState::Done,
                    Outcome::Rejected(reject) if !reject.kind.is_retryable() => SetupState::Refused,
                    Outcome::Rejected(_) | Outcome::Unknown(_) => SetupState::Open,
                };
                Ok(Some(*position))
            }
            Event::External { position, cause, qty } => {
                let row = self.position_mut(*position)?;
                let known = row.external.get(cause).copied().unwrap_or(Qty::ZERO);
                let total = known.max(*qty);
                // What a reading showed to be gone, and its cause is told only now, left once.
                let read = super::reconcile::read_cause(*position);
                if *cause != read
                    && *cause != super::hand_back::handed_back_cause(*position)
                    && let Some(unexplained) = row.external.get_mut(&read)
                {
                    let fresh = total.checked_sub(known).unwrap_or(Qty::ZERO).min(*unexplained);
                    *unexplained = unexplained.checked_sub(fresh).unwrap_or(*unexplained);
                }
                row.external.insert(cause.clone(), total);
                Ok(Some(*position))
            }
            Event::Alerted { position, alert } => {
                self.position_mut(*position)?.alerts.insert(*alert);
                Ok(Some(*position))
            }
            Event::AlertCleared { position, alert } => {
                self.position_mut(*position)?.alerts.remove(alert);
                Ok(Some(*position))
            }
            Event::Halted { position } => {
                self.position_mut(*position)?.halted = true;
                Ok(Some(*position))
            }
            Event::Adjusted { position } => {
                let InputKind::Command(id, Command::Adjust(no, what)) = input else {
                    return Err(EvolveError::WrongInput);
                };
                if no != position {
                    return Err(EvolveError::WrongInput);
                }
                self.position_mut(*position)?.adjust(*id, what);
                Ok(Some(*position))
            }
            Event::TakenOver { position } => {
                let row = self.position_mut(*position)?;
                row.setups = Setups { margin_mode: SetupState::Done, leverage: SetupState::Done };
                row.adoption.as_mut().ok_or(EvolveError::WrongInput)?.is_done = true;
                Ok(Some(*position))
            }
            Event::Booked { position } => {
                let InputKind::Answer(super::Answer::Books(symbol, direction, _, Ok(reading))) = input else {
                    return Err(EvolveError::WrongInput);
                };
                let until = self.ended.get(position).map(|ended| ended.at).ok_or(EvolveError::WrongInput)?;
                let row = self.position_mut(*position)?;
                if (row.symbol(), row.direction()) != (symbol, *direction) {
                    return Err(EvolveError::WrongInput);
                }
                // The venue may have told of the end before our idea of its clock came there.
                row.book(&reading.value, until.plus(at.error), at.local);
                Ok(Some(*position))
            }
            Event::WholeCloseIntended { position, not_after } => {
                let row = self.position_mut(*position)?;
                row.whole_close = row.whole_close.max(Some(*not_after));
                Ok(Some(*position))
            }
            Event::LossFrozen { position, max_loss } => {
                self.position_mut(*position)?.max_loss = Some(*max_loss);
                Ok(Some(*position))
            }
            Event::RulesRead { position } => {
                let InputKind::Answer(super::Answer::Rules(symbol, Ok(read))) = input else {
                    return Err(EvolveError::WrongInput);
                };
                let row = self.position_mut(*position)?;
                if row.symbol() != symbol || read.symbol != *symbol {
                    return Err(EvolveError::WrongInput);
                }
                row.take_rules(read);
                Ok(Some(*position))
            }
            Event::Intended { id, .. }
            | Event::Resent { id, .. }
            | Event::AmendIntended { id, .. }
            | Event::CancelIntended { id, .. }
            | Event::OutcomeNoted { id }
            | Event::Merged { id }
            | Event::Overdue { id }
            | Event::ProvenAbsent { id }
            | Event::Superseded { id }
            | Event::Vanished { id }
            | Event::Resurfaced { id } => {
                self.apply_to_order(at, input, event, *id)?;
                Ok(Some(id.key().position))
            }
        }
    }

    fn switch(&mut self, input: &InputKind, event: &Event) -> Result<(), EvolveError> {
        self.halted = match (input, event) {
            (InputKind::Command(_, Command::Halt), Event::AccountHalted) => true,
            (InputKind::Command(_, Command::Resume), Event::AccountResumed) => false,
            _ => return Err(EvolveError::WrongInput),
        };
        if let InputKind::Command(id, _) = input {
            self.switched_by.insert(*id);
        }
        Ok(())
    }

    fn insert(
        &mut self,
        at: Moment,
        input: &InputKind,
        no: PositionNo,
        ladder: &Ladder,
        plan: &Plan,
    ) -> Result<(), EvolveError> {
        let (command, request, held) = match input {
            InputKind::Command(command, Command::Open(request)) => (command, request, None),
            InputKind::Command(command, Command::Adopt(request, held)) => (command, request, Some(*held)),
            _ => return Err(EvolveError::WrongInput),
        };
        let position = Position {
            no,
            request: request.clone(),
            opened_by: *command,
            created_at: at.local,
            ladder: ladder.clone(),
            plan: plan.clone(),
            rungs: Vec::new(),
            rebuilt: false,
            dropped: ladder.dropped.iter().map(|d| d.rung).collect(),
            stop_price: ladder.stop,
            phase: Phase::New,
            ended_at: None,
            why: Why::Planned,
            setups: Setups::default(),
            orders: Orders::default(),
            external: BTreeMap::new(),
            cover: Cover::Flat,
            meter: ProtectionMeter::default(),
            max_loss: None,
            alerts: BTreeSet::new(),
            halted: false,
            whole_close: None,
            hands: Hands::default(),
            adoption: held.map(|held| Adoption { held, is_done: false }),
            booked: None,
        };
        self.positions.insert(no, position);
        self.next_position = no.next();
        Ok(())
    }

    /// Takes over an order that the journal did not know, with the values its report states.
    fn adopt(&mut self, at: Moment, input: &InputKind, id: ClientOrderId) -> Result<(), EvolveError> {
        let position = self.position_mut(id.key().position)?;
        for report in reports_of(input, id) {
            if !position.orders.contains_key(&id) {
                let shape = shape_of(report, id.key().logical.role);
                let mut order = Order::new(id, report.side, shape, report.service, at.local, report.at);
                order.apply(LifeEvent::HandedToWire);
                position.orders.insert(order);
            }
            let merged = position.orders.change(id, |order| order.merge(report)).transpose();
            merged.map_err(|source| EvolveError::Arithmetic { id, source })?;
        }
        Ok(())
    }

    /// The process died: no answer to what was in flight will come (S4).
    fn interrupt(&mut self, at: Moment) {
        // A clock that was set back, or another machine's: no wait may get longer by it.
        let back = crate::time::Millis(if self.seq == 0 { 0 } else { self.at.local.since(at.local).0.max(0) });
        for position in self.positions.values_mut() {
            position.created_at = position.created_at.minus(back);
            position.ended_at = position.ended_at.map(|ended| ended.minus(back));
            if let Some(booked) = &mut position.booked {
                booked.at = booked.at.minus(back);
            }
            position.meter.since = position.meter.since.map(|since| since.minus(back));
            for setup in [&mut position.setups.margin_mode, &mut position.setups.leverage] {
                if *setup == SetupState::Sent {
                    *setup = SetupState::Open;
                }
            }
            position.orders.change_all(|order| {
                order.intended_at = order.intended_at.minus(back);
                if zoo!(RestartResends) && order.life == Life::PendingNew {
                    order.life = Life::Planned;
                    return;
                }
                // An unsent order of an earlier run is looked up too before it is sent (R3).
                if order.life == Life::Planned {
                    order.apply(LifeEvent::HandedToWire);
                }
                order.apply(LifeEvent::OutcomeUnknown);
            });
        }
    }

    fn apply_to_order(
        &mut self,
        at: Moment,
        input: &InputKind,
        event: &Event,
        id: ClientOrderId,
    ) -> Result<(), EvolveError> {
        if let Event::Intended { side, shape, service, not_after, basis, .. } = event {
            let position = self.position_mut(id.key().position)?;
            if position.orders.contains_key(&id) {
                return Err(EvolveError::IdUsedTwice(id));
            }
            let mut order = Order::new(id, *side, *shape, *service, at.local, *not_after);
            order.basis = *basis;
            order.apply(LifeEvent::HandedToWire);
            position.orders.insert(order);
            return Ok(());
        }
        let position = self.positions.get_mut(&id.key().position);
        let changed = position.and_then(|p| p.orders.change(id, |order| change_order(order, at, input, event)));
        changed.ok_or(EvolveError::NoSuchOrder(id))?
    }
}

/// Applies a fact about one order that exists.
fn change_order(order: &mut Order, at: Moment, input: &InputKind, event: &Event) -> Result<(), EvolveError> {
    let id = order.id;
    match event {
        Event::Resent { not_after, .. } => {
            if !zoo!(ResendKeepsDeadline) {
                order.not_after = *not_after;
            }
            order.intended_at = at.local;
            order.apply(LifeEvent::HandedToWire);
        }
        Event::AmendIntended { shape, basis, .. } => {
            order.shape = *shape;
            order.basis = *basis;
            order.amends = order.amends.saturating_add(1);
            order.refusal = order.refusal.filter(|kind| !kind.is_by_rules());
            order.apply(LifeEvent::AmendSent);
        }
        Event::CancelIntended { extra: None, .. } => {
            order.cancel_wanted = true;
            order.apply(LifeEvent::CancelSent);
        }
        Event::ProvenAbsent { .. } => {
            order.apply(LifeEvent::ProvenAbsent);
        }
        Event::Overdue { .. } => {
            order.apply(LifeEvent::OutcomeUnknown);
        }
        Event::Superseded { .. } => {
            order.superseded = true;
            order.apply(LifeEvent::SeenExpired);
        }
        Event::Vanished { .. } => {
            order.apply(LifeEvent::Vanished);
        }
        Event::Resurfaced { .. } => {
            order.apply(LifeEvent::SeenWorking);
        }
        Event::OutcomeNoted { .. } => note_outcome(order, input)?,
        Event::Merged { .. } => {
            for report in reports_of(input, id) {
                order.merge(report).map_err(|source| EvolveError::Arithmetic { id, source })?;
            }
            settle_after_reading(order, input);
        }
        _ => {}
    }
    Ok(())
}

/// What a position that is flat and clean came to; `None` while it is not, and where nothing was ever entered. The
/// instant is the caller's to say.
fn result_of(position: &Position) -> Option<Ended> {
    let over = matches!(position.phase, Phase::Closed | Phase::Cancelled);
    if !over || !position.entered_qty().is_positive() {
        return None;
    }
    let alone = position.external.values().all(|qty| qty.is_zero());
    let quote = position.request.instrument.quote.clone();
    Some(Ended { at: VenueMillis(0), quote, realised: position.realised().filter(|_| alone) })
}

/// What a reading showed to be gone or a user took back, and an exit of ours that is told only now took off, left once.
fn book_once(position: &mut Position) {
    let gone = position.external.values().try_fold(position.exited().qty, |sum, qty| sum.checked_add(*qty));
    let over = gone.and_then(|gone| gone.checked_sub(position.entered().qty)).unwrap_or(Qty::ZERO);
    let mut over = over.max(Qty::ZERO);
    for cause in [super::reconcile::read_cause(position.no), super::hand_back::handed_back_cause(position.no)] {
        if let Some(unexplained) = position.external.get_mut(&cause) {
            let taken = over.min(*unexplained);
            *unexplained = unexplained.checked_sub(taken).unwrap_or(*unexplained);
            over = over.checked_sub(taken).unwrap_or(over);
        }
    }
}

/// What an order of this role with this report must have asked for.
fn shape_of(report: &OrderReport, role: crate::id::Role) -> OrderShape {
    use crate::exchange::{TriggerBy, TriggerSize};
    use crate::id::Role;
    let price = report.stated.and_then(|s| s.price).unwrap_or(Price::ZERO);
    let qty = report.stated.and_then(|s| s.qty).or(report.executed).unwrap_or(Qty::ZERO);
    let size = if qty.is_positive() { TriggerSize::Qty(qty) } else { TriggerSize::ClosePosition };
    match role {
        Role::Entry | Role::Close => OrderShape::Market { qty },
        Role::Rung(_) => OrderShape::Limit { price, qty },
        Role::Stop => OrderShape::StopMarket { trigger: price, by: TriggerBy::Mark, size },
        Role::Target if report.service == Service::Regular => OrderShape::Limit { price, qty },
        Role::Target => OrderShape::TakeProfitMarket { trigger: price, by: TriggerBy::Mark, size },
    }
}

fn setup_mut(position: &mut Position, setup: Setup) -> &mut SetupState {
    match setup {
        Setup::MarginMode => &mut position.setups.margin_mode,
        Setup::Leverage => &mut position.setups.leverage,
    }
}

/// A lookup answers what an unanswered amendment or cancellation left open.
fn settle_after_reading(order: &mut Order, input: &InputKind) {
    let InputKind::Answer(super::Answer::Lookup(_, _, Ok(_))) = input else { return };
    match order.life {
        Life::PendingAmend => {
            order.apply(LifeEvent::AmendSettled);
        }
        Life::PendingCancel => {
            order.apply(LifeEvent::CancelSettled);
        }
        _ => {}
    }
}

/// What a bug takes an unknown outcome for, if one is awake that does.
#[cfg(kraite_zoo)]
fn misread(cause: crate::exchange::Cause) -> Option<crate::exchange::RejectKind> {
    use crate::exchange::{Cause, RejectKind};
    match cause {
        Cause::DuplicateId if zoo!(DuplicateIdIsRejection) => Some(RejectKind::Other),
        Cause::Undecodable if zoo!(ParseErrorIsRejection) => Some(RejectKind::Other),
        _ if zoo!(BlindResend) => Some(RejectKind::RateLimited),
        _ => None,
    }
}

fn note_outcome(order: &mut Order, input: &InputKind) -> Result<(), EvolveError> {
    let InputKind::Outcome(sent, outcome) = input else { return Err(EvolveError::WrongInput) };
    match (sent, outcome) {
        (Sent::Place(_), Outcome::Accepted(ack)) => {
            order.apply(LifeEvent::Accepted);
            if let Some(report) = &ack.report {
                order.merge(report).map_err(|source| EvolveError::Arithmetic { id: order.id, source })?;
            }
        }
        (Sent::Place(_), Outcome::Rejected(reject)) if reject.kind == RejectKind::NotSent => {
            order.apply(LifeEvent::NotSent);
        }
        (Sent::Place(_), Outcome::Rejected(reject)) => {
            if let Verdict::Applied(_) = order.apply(LifeEvent::Refused) {
                order.refusal = Some(reject.kind);
            }
        }
        #[cfg(kraite_zoo)]
        (Sent::Place(_), Outcome::Unknown(cause)) if misread(*cause).is_some() => {
            order.apply(LifeEvent::Refused);
            order.refusal = misread(*cause);
        }
        (Sent::Place(_), Outcome::Unknown(_)) => {
            order.apply(LifeEvent::OutcomeUnknown);
        }
        (Sent::Amend(_, number), Outcome::Accepted(ack)) => {
            // An acceptance without the order in it is read back first (R14, R79); one of an earlier amendment
            // says nothing about the last.
            if let Some(report) = &ack.report {
                order.merge(report).map_err(|source| EvolveError::Arithmetic { id: order.id, source })?;
                if *number == order.amends {
                    order.apply(LifeEvent::AmendSettled);
                }
            }
        }
        // The order is read back before anything follows from it; why is not to be seen there.
        (Sent::Amend(..), Outcome::Rejected(reject)) if reject.kind.is_by_rules() => {
            order.refusal = Some(reject.kind);
        }
        (Sent::Cancel(_, None), Outcome::Accepted(ack)) => {
            if let Some(report) = &ack.report {
                order.merge(report).map_err(|source| EvolveError::Arithmetic { id: order.id, source })?;
            }
        }
        (Sent::Cancel(_, Some(_)), Outcome::Accepted(ack)) => {
            if let Some(report) = &ack.report {
                order.merge(report).map_err(|source| EvolveError::Arithmetic { id: order.id, source })?;
            }
        }
        (Sent::Cancel(..), Outcome::Rejected(reject))
            if zoo!(GoneIsCancelled) && reject.kind == crate::exchange::RejectKind::UnknownOrder =>
        {
            order.apply(LifeEvent::SeenCancelled);
        }
        (Sent::Amend(..) | Sent::Cancel(..) | Sent::Setup(..) | Sent::ClosePosition(_), _) => {}
    }
    Ok(())
}

/// The reports in an input that are about this order.
pub(super) fn reports_of(input: &InputKind, id: ClientOrderId) -> impl Iterator<Item = &OrderReport> {
    all_reports(input).filter(move |r| r.id == crate::exchange::ReportedId::Ours(id))
}

/// Every order report in an input.
pub(super) fn all_reports(input: &InputKind) -> impl Iterator<Item = &OrderReport> {
    use super::Answer;
    use crate::exchange::{Lookup, StreamEvent};
    let (one, many): (Option<&OrderReport>, &[OrderReport]) = match input {
        InputKind::Push(StreamEvent::Order(report)) => (Some(report), &[]),
        InputKind::Answer(Answer::Lookup(_, _, Ok(reading))) => match &reading.value {
            Lookup::Found(reports) => (None, reports),
            Lookup::NotFound | Lookup::Unknowable => (None, &[]),
        },
        InputKind::Answer(
            Answer::OpenOrders(_, Ok(reading))
            | Answer::AllOpenOrders(Ok(reading))
            | Answer::History(_, _, Ok(reading)),
        ) => (None, &reading.value),
        _ => (None, &[]),
    };
    one.into_iter().chain(many)
}

/// A record cannot be applied: it was written by other code, damaged, or its numbers overflow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvolveError {
    /// An event names a position that does not exist.
    #[error("event for position {0}, which does not exist")]
    NoSuchPosition(PositionNo),
    /// An event names an order that does not exist.
    #[error("event for order {0}, which does not exist")]
    NoSuchOrder(ClientOrderId),
    /// A client order id was used for a second placement.
    #[error("client order id {0} was used twice")]
    IdUsedTwice(ClientOrderId),
    /// An event needs data that the record's input does not have.
    #[error("event does not fit the input of its record")]
    WrongInput,
    /// A report's numbers overflow.
    #[error("report about {id}: {source}")]
    Arithmetic {
        /// Which order.
        id: ClientOrderId,
        /// What overflowed.
        source: ArithmeticError,
    },
}
