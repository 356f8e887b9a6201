//! What workers have been through: counts of the states that a test must reach to mean anything (L5).

use std::collections::BTreeMap;

use kraite_core::engine::{Alert, Event, InputKind};
use kraite_core::exchange::{Outcome, RejectKind};
use kraite_core::id::Role;
use kraite_core::journal::Record;
use kraite_core::position::{PhaseEvent, Why};

/// How often each named state was visited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visited(BTreeMap<&'static str, u64>);

impl Visited {
    /// The states in which money is lost by whoever gets them wrong: a run over many lives that misses one of them
    /// says nothing about it (L5).
    pub const DANGEROUS: &'static [&'static str] = &[
        "a close sent again",
        "a close-only order refused",
        "a copy of the wire cancelled",
        "a rate limit",
        "a rung left out",
        "a rung replaced",
        "a rung sent again",
        "a second close",
        "a stop fired in vain",
        "a stop refused for good",
        "a stop replaced",
        "a stop sent again",
        "a stop was passed before it was placed",
        "a target amended",
        "a target replaced",
        "a target sent again",
        "a trigger that was passed",
        "alerted: a request doubled by the wire",
        "alerted: a rung left out",
        "alerted: a stop refused",
        "alerted: an opening given up",
        "alerted: closed by others",
        "alerted: emergency close",
        "alerted: without a stop",
        "an account that does not fit",
        "an answer overdue",
        "an entry refused",
        "an entry sent again",
        "an opening given up in time",
        "an order adopted",
        "books of an ended position",
        "closed by command",
        "closed by its stop",
        "closed by its target",
        "closed by other hands",
        "closed for want of a stop",
        "exposure left by other hands",
        "not opened on a contract in use",
        "not opened on an old mark",
        "not opened without its settings",
        "protection refused without a position",
        "proven absent",
        "rebuilt from the real fill",
        "rebuilt with rungs left out",
    ];

    /// The dangerous states that were visited less often than this, each with how often.
    pub fn missed(&self, times: u64) -> impl Iterator<Item = (&'static str, u64)> {
        let visits = |name| self.0.get(name).copied().unwrap_or(0);
        Self::DANGEROUS.iter().map(move |name| (*name, visits(name))).filter(move |(_, visits)| *visits < times)
    }

    /// Every count.
    #[must_use]
    pub const fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.0
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            *self.0.entry(name).or_insert(0) += count;
        }
    }

    /// Something happened that no record tells.
    pub fn note(&mut self, name: &'static str) {
        *self.0.entry(name).or_insert(0) += 1;
    }

    pub(super) fn record(&mut self, record: &Record) {
        if let InputKind::Outcome(_, Outcome::Rejected(reject)) = &record.input {
            self.note(refused(reject.kind));
        }
        for event in &record.events {
            if let Some(name) = name(event) {
                self.note(name);
            }
        }
    }
}

const fn refused(kind: RejectKind) -> &'static str {
    match kind {
        RejectKind::NotSent => "a request that never left",
        RejectKind::RateLimited => "a rate limit",
        RejectKind::ClockSkew => "a request outside its window",
        RejectKind::WouldTrigger => "a trigger that was passed",
        RejectKind::NoPosition => "protection refused without a position",
        RejectKind::ReduceOnly => "a close-only order refused",
        RejectKind::AlreadyExists => "a second protective order refused",
        RejectKind::UnknownOrder => "a change of an order that was gone",
        RejectKind::ChangePending => "a change during a change",
        RejectKind::Filter => "an order outside the rules",
        RejectKind::PriceBand => "an order outside the price band",
        RejectKind::Margin => "not enough margin",
        RejectKind::OrderLimit => "too many orders",
        RejectKind::Account => "an account that does not fit",
        RejectKind::Other => "refused for another reason",
    }
}

fn name(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::Restarted => "restarted",
        Event::Opened { .. } => "opened",
        Event::CommandRefused(_) => "a command refused",
        Event::Moved { on, why, .. } => return moved(*on, *why),
        Event::Resized { .. } => "sized again on the mark of the admission",
        Event::Rebuilt { dropped, .. } if !dropped.is_empty() => "rebuilt with rungs left out",
        Event::Rebuilt { .. } => "rebuilt from the real fill",
        Event::RungDropped { .. } => "a rung left out",
        Event::Intended { id, .. } => {
            return intended(id.key().logical.role, id.key().attempt.get(), id.key().logical.revision.get());
        }
        Event::Resent { .. } => "sent again after it never left",
        Event::AmendIntended { .. } => "a target amended",
        Event::CancelIntended { extra: Some(_), .. } => "a copy of the wire cancelled",
        Event::CancelIntended { .. } => "an order cancelled",
        Event::Adopted { .. } => "an order adopted",
        Event::Quarantined { .. } => "quarantined",
        Event::Overdue { .. } => "an answer overdue",
        Event::ProvenAbsent { .. } => "proven absent",
        Event::Superseded { .. } => "superseded",
        Event::Vanished { .. } => "vanished",
        Event::Resurfaced { .. } => "resurfaced",
        Event::External { .. } => "exposure left by other hands",
        Event::Alerted { alert, .. } => return Some(alerted(*alert)),
        Event::Halted { .. } => "halted",
        Event::Booked { .. } => "books of an ended position",
        Event::Archived { .. } => "archived",
        _ => return None,
    })
}

const fn intended(role: Role, attempt: u8, revision: u16) -> Option<&'static str> {
    Some(match (role, attempt, revision) {
        (Role::Entry, 1.., _) => "an entry sent again",
        (Role::Rung(_), 1.., _) => "a rung sent again",
        (Role::Rung(_), 0, 1..) => "a rung replaced",
        (Role::Stop, 1.., _) => "a stop sent again",
        (Role::Stop, 0, 1..) => "a stop replaced",
        (Role::Target, 1.., _) => "a target sent again",
        (Role::Target, 0, 1..) => "a target replaced",
        (Role::Close, 1.., _) => "a close sent again",
        (Role::Close, 0, 1..) => "a second close",
        _ => return None,
    })
}

const fn moved(on: PhaseEvent, why: Why) -> Option<&'static str> {
    Some(match (on, why) {
        (PhaseEvent::Activated, _) => "active",
        (PhaseEvent::Finished, _) => "ended clean",
        (PhaseEvent::Unproven, _) => "failed, for a human",
        (_, Why::Command) => "closed by command",
        (_, Why::TargetFilled) => "closed by its target",
        (_, Why::StopFilled) => "closed by its stop",
        (_, Why::StopFailed) => "a stop fired in vain",
        (_, Why::StopWouldTrigger) => "a stop was passed before it was placed",
        (_, Why::StopRefused) => "a stop refused for good",
        (_, Why::Unprotected) => "closed for want of a stop",
        (_, Why::HandedBack) => "handed back to its owner",
        (_, Why::External) => "closed by other hands",
        (_, Why::EntryRefused) => "an entry refused",
        (_, Why::EntryEmpty) => "an entry that filled nothing",
        (_, Why::NotClear) => "not opened on a contract in use",
        (_, Why::StaleMark) => "not opened on an old mark",
        (_, Why::PlanRefused) => "not opened on a ladder that no longer fits",
        (_, Why::SetupRefused) => "not opened without its settings",
        (_, Why::OpeningOverdue) => "an opening given up in time",
        (_, Why::LateFill) => "books opened again",
        (_, Why::Unproven) => "failed, for a human",
        _ => return None,
    })
}

const fn alerted(alert: Alert) -> &'static str {
    match alert {
        Alert::Unprotected => "alerted: without a stop",
        Alert::EmergencyClose => "alerted: emergency close",
        Alert::RungDropped => "alerted: a rung left out",
        Alert::RungHeld => "alerted: a rung held",
        Alert::RungWithheld => "alerted: a rung withheld",
        Alert::HandedBack => "alerted: handed back",
        Alert::StopRefused => "alerted: a stop refused",
        Alert::WireDuplicate => "alerted: a request doubled by the wire",
        Alert::Mismatch => "alerted: an order that is not what was asked for",
        Alert::Unknowable => "alerted: the venue has forgotten",
        Alert::ProofBroken => "alerted: an order turned up after all",
        Alert::ForeignExposure => "alerted: exposure of others",
        Alert::ExternalClose => "alerted: closed by others",
        Alert::OpeningRefused => "alerted: an opening given up",
        Alert::NeedsAttention => "alerted: needs attention",
        Alert::TargetRefused => "alerted: the target is refused",
        Alert::Unproven => "alerted: cannot be proven clean",
        Alert::Invariant => "alerted: a broken invariant",
    }
}
