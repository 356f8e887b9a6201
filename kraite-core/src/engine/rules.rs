//! Rules of the contract that change under an open position: what the venue refuses by them is followed by reading
//! them, and only what the new reading does not explain counts against the order (E10, ADR 9).

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use super::event::Event;
use super::io::{Alert, Query, Wake};
use super::turn::Turn;
use super::volatile::Change;
use crate::exchange::{OrderShape, ReadError, RejectKind};
use crate::id::{ClientOrderId, PositionNo, Role, Symbol};
use crate::instrument::Instrument;
use crate::order::Order;
use crate::position::{Phase, PhaseEvent, Why};
use crate::time::{LocalMillis, Millis};

/// Refusals of a target for the same fills that the rules do not explain, before somebody is told.
pub(super) const MAX_UNEXPLAINED: usize = 3;
/// A refused stop or target waits this long for a reading of the rules before it is tried on those we know.
pub(super) const RULES_WAIT: Millis = Millis::from_secs(10);
/// A refused rung, which is left out afterwards, waits this long; after it nobody asks any more.
pub(super) const RULES_BOUND: Millis = Millis::from_secs(60);

impl Turn<'_> {
    /// The venue refused an order, or a change of one, by the rules of its contract: ours may be out of date. A
    /// refused entry ends its opening and asks nothing.
    pub(super) fn refused_by_rules(&mut self, id: ClientOrderId) {
        let Some(symbol) = self.position(id.key().position).map(|p| p.symbol().clone()) else { return };
        if id.key().logical.role == Role::Entry {
            return;
        }
        self.volatile.rules.entry(symbol.clone()).or_default().refused_at = Some(self.at.local);
        self.ask(Query::Rules(symbol));
    }

    /// The rules of a contract as of now. An answer that nobody waits for any more is a copy, or too old.
    pub(super) fn read_rules(&mut self, symbol: &Symbol, read: &Result<Box<Instrument>, ReadError>) {
        let Ok(read) = read else { return };
        let reading = self.volatile.rules.entry(symbol.clone()).or_default();
        reading.read_at = Some(reading.asked_at);
        for no in self.positions_on(symbol) {
            let changed = self.position(no).is_some_and(|p| {
                let known = &p.request.instrument;
                known.read_again(read) != *known
            });
            if changed && self.emit(Event::RulesRead { position: no }) {
                // What was refused so far was refused on other grids.
                self.volatile
                    .changes
                    .retain(|change, _| !matches!(change, Change::Amend(id, _) if id.key().position == no));
            }
        }
    }

    /// The last instant at which a refusal made what we know of the rules doubtful. Refusals of earlier runs are
    /// older than this run.
    fn doubted_at(&self, symbol: &Symbol) -> LocalMillis {
        self.volatile.rules.get(symbol).and_then(|r| r.refused_at).unwrap_or(self.volatile.started_at)
    }

    fn are_read(&self, symbol: &Symbol) -> bool {
        let read_at = self.volatile.rules.get(symbol).and_then(|r| r.read_at);
        read_at.is_some_and(|at| at >= self.doubted_at(symbol))
    }

    /// True while a reading of the rules could still help somebody.
    pub(super) fn rules_are_wanted(&self, symbol: &Symbol) -> bool {
        !self.positions_on(symbol).is_empty()
            && !self.are_read(symbol)
            && self.at.local < self.doubted_at(symbol).plus(RULES_BOUND)
    }

    /// True once the rules were read after the last refusal by them, or could not be for so long; asks for them
    /// until then.
    pub(super) fn rules_are_known(&mut self, no: PositionNo, patience: Millis) -> bool {
        let Some(symbol) = self.position(no).map(|p| p.symbol().clone()) else { return false };
        let until = self.doubted_at(&symbol).plus(patience);
        if self.are_read(&symbol) || self.at.local >= until {
            return true;
        }
        self.ask(Query::Rules(symbol));
        self.wake(no, until, Wake::Retry);
        false
    }

    /// Whether an order of a role may be tried again after a refusal by rules: at once where the rules we know by
    /// now explain it, else after they were read.
    pub(super) fn may_follow_refusal(&mut self, no: PositionNo, role: Role, wish: &OrderShape) -> bool {
        let Some(position) = self.position(no) else { return false };
        let newest = position.latest(role).map(|o| o.id);
        let unexplained = position.unexplained(role, wish).next_back().is_some_and(|o| Some(o.id) == newest);
        !unexplained || self.rules_are_known(no, RULES_WAIT)
    }

    /// Whether a target of this shape may go out. A few refusals for the same fills that the rules do not explain
    /// are enough: then somebody is told, and it is tried once per poll.
    pub(super) fn may_place_target(&mut self, no: PositionNo, wish: &OrderShape) -> bool {
        if !self.may_follow_refusal(no, Role::Target, wish) {
            return false;
        }
        self.tell_of_refused_targets(no);
        self.read_after_refusal(no);
        let Some(position) = self.position(no) else { return false };
        let basis = position.entered_qty();
        let same = |o: &&Order| o.basis == basis;
        let refusals = position.unexplained(Role::Target, wish).filter(same).count();
        let last = position.unexplained(Role::Target, wish).rfind(same).map(|o| o.intended_at);
        let Some(last) = last.filter(|_| refusals >= MAX_UNEXPLAINED) else { return true };
        self.target_is_hopeless(no, refusals);
        let due = last.plus(self.config.poll_every);
        if self.at.local < due {
            self.wake(no, due, Wake::Retry);
        }
        self.at.local >= due && self.position(no).is_some_and(|p| p.phase.is_building())
    }

    /// A venue that finds nothing to close says nothing of flatness (R86), but that our view may be old: it is read once
    /// more after each such refusal.
    fn read_after_refusal(&mut self, no: PositionNo) {
        let nothing = |o: &&Order| matches!(o.refusal, Some(RejectKind::ReduceOnly | RejectKind::NoPosition));
        let Some(latest) = self.position(no).and_then(|p| p.latest(Role::Target)).filter(nothing) else { return };
        let since = self.sent_after(latest);
        let read = self.volatile.readings.get(&no).and_then(|readings| readings.exposure);
        if read.is_none_or(|(at, _)| at < since) {
            self.read_soon(no);
        }
    }

    /// Refusals for reasons of the account, and not of the contract's rules, may end any time and are tried on, ever
    /// more slowly; somebody who can do something about them has to know.
    fn tell_of_refused_targets(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        let of_account =
            |kind: &RejectKind| !kind.is_retryable() && !kind.is_by_rules() && *kind != RejectKind::WouldTrigger;
        let kinds = position.of(Role::Target).rev().map(|o| o.refusal.filter(of_account));
        let in_a_row: Vec<RejectKind> = kinds.map_while(|kind| kind).collect();
        if let Some(kind) = in_a_row.first().filter(|_| in_a_row.len() >= MAX_UNEXPLAINED) {
            let why = format!("the target was refused {} times ({kind:?}); it is tried on", in_a_row.len());
            self.alert(no, Alert::TargetRefused, why);
        }
    }

    /// A target that no rule we know explains the refusal of. A position that has been complete keeps its stop and
    /// waits for the rules to change or for its user; one that was never complete can never be (R44), so it is
    /// closed.
    pub(super) fn target_is_hopeless(&mut self, no: PositionNo, refusals: usize) {
        let why = format!("the target was refused {refusals} times, and the contract's rules as we know them allow it");
        if self.position(no).is_some_and(|p| p.phase == Phase::Opening) {
            self.alert(no, Alert::OpeningRefused, format!("opening given up: {why}"));
            self.moved(no, PhaseEvent::CloseBegan, Why::TargetRefused);
        } else {
            self.alert(no, Alert::NeedsAttention, format!("{why}; the stop stands, the target is tried once per poll"));
        }
    }

    /// How often a stop was refused for a reason that neither passes by itself nor is explained by rules that we
    /// have learned since.
    pub(super) fn hopeless_stops<'o>(
        &self,
        no: PositionNo,
        wish: &OrderShape,
        refused: impl Iterator<Item = &'o Order>,
    ) -> usize {
        let Some(position) = self.position(no) else { return 0 };
        let explained = |o: &Order| {
            o.refusal.is_some_and(RejectKind::is_by_rules)
                && position.unexplained(Role::Stop, wish).all(|u| u.id != o.id)
        };
        refused.filter(|o| o.refusal.is_some_and(|kind| !kind.is_retryable()) && !explained(o)).count()
    }
}
