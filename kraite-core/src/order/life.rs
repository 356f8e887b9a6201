//! The order state machine (S11) as a table.

use serde::{Deserialize, Serialize};

use crate::table::{Machine, Row, Verdict, transitions};

/// Where one order stands. Fill progress is not part of it: that is the ledger's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Life {
    /// Intended and durable; provably not at the venue.
    Planned,
    /// Handed to the wire; no answer yet.
    PendingNew,
    /// May or may not exist: only a query, a push or a proof ends this, never a timer.
    InDoubt,
    /// Open at the venue.
    Working,
    /// Open, and an amendment of ours has no answer yet.
    PendingAmend,
    /// Open, and a cancellation of ours has no answer yet.
    PendingCancel,
    /// A trigger order that has fired; its child decides (R69).
    Triggered,
    /// Ended.
    Done(Terminal),
}

/// How an order ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Terminal {
    /// Our call was definitely refused; it never existed.
    Refused,
    /// Proven never to have existed (architecture 4a.6).
    Absent,
    /// It was accepted and is on no endpoint any more: it ended without a fill, unseen.
    Vanished,
    /// Refused by the matching engine.
    Rejected,
    /// Cancelled.
    Cancelled,
    /// Ended by the venue.
    Expired,
    /// Filled; the ledger says how much.
    Filled,
}

/// What can happen to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LifeEvent {
    /// Its request was released to the wire.
    HandedToWire,
    /// The request provably never left.
    NotSent,
    /// The venue answered yes.
    Accepted,
    /// The venue answered no.
    Refused,
    /// No answer, or one that says nothing.
    OutcomeUnknown,
    /// The proof of absence is complete.
    ProvenAbsent,
    /// An amendment was released to the wire.
    AmendSent,
    /// The amendment is settled, one way or the other.
    AmendSettled,
    /// A cancellation was released to the wire.
    CancelSent,
    /// The cancellation was answered and the order is still open.
    CancelSettled,
    /// The venue shows it open.
    SeenWorking,
    /// The venue shows that it triggered.
    SeenTriggered,
    /// The venue shows it refused.
    SeenRejected,
    /// The venue shows it cancelled.
    SeenCancelled,
    /// The venue shows it expired.
    SeenExpired,
    /// The venue shows it filled.
    SeenFilled,
    /// It was accepted, and is on no endpoint any more.
    Vanished,
}

use Life::{Done, InDoubt, PendingAmend, PendingCancel, PendingNew, Planned, Triggered, Working};
use LifeEvent as On;
use Terminal::{Absent, Cancelled, Expired, Filled, Refused, Rejected, Vanished};

impl Machine for Life {
    type Event = LifeEvent;

    const STATES: &'static [Self] = &[
        Planned,
        PendingNew,
        InDoubt,
        Working,
        PendingAmend,
        PendingCancel,
        Triggered,
        Done(Refused),
        Done(Absent),
        Done(Vanished),
        Done(Rejected),
        Done(Cancelled),
        Done(Expired),
        Done(Filled),
    ];

    const EVENTS: &'static [LifeEvent] = &[
        On::HandedToWire,
        On::NotSent,
        On::Accepted,
        On::Refused,
        On::OutcomeUnknown,
        On::ProvenAbsent,
        On::AmendSent,
        On::AmendSettled,
        On::CancelSent,
        On::CancelSettled,
        On::SeenWorking,
        On::SeenTriggered,
        On::SeenRejected,
        On::SeenCancelled,
        On::SeenExpired,
        On::SeenFilled,
        On::Vanished,
    ];

    // Evidence that an order exists wins over our belief that it does not (Refused, Absent): it is adopted.
    // Among the venue's own terminals the higher rank wins, so that any permutation of reports ends alike.
    const ROWS: &'static [Row<Self, LifeEvent>] = transitions! { Life, LifeEvent;
        On::HandedToWire => { Planned => PendingNew; } same [PendingNew, InDoubt];
        On::NotSent => { PendingNew => Planned; } same [Planned, InDoubt];
        On::Accepted => {
            PendingNew, InDoubt, Done(Refused), Done(Absent) => Working; } same [Working, PendingAmend, PendingCancel, Triggered, Done(Vanished), Done(Rejected), Done(Cancelled), Done(Expired), Done(Filled)];
        On::Refused => {
            PendingNew => Done(Refused); } same [InDoubt, Working, PendingAmend, PendingCancel, Triggered, Done(Refused), Done(Absent), Done(Vanished), Done(Rejected), Done(Cancelled), Done(Expired), Done(Filled)];
        On::OutcomeUnknown => {
            PendingNew => InDoubt; } same [Planned, InDoubt, Working, PendingAmend, PendingCancel, Triggered, Done(Refused), Done(Absent), Done(Vanished), Done(Rejected), Done(Cancelled), Done(Expired), Done(Filled)];
        On::ProvenAbsent => { InDoubt => Done(Absent); } same [Done(Refused), Done(Absent)];
        On::AmendSent => { Working, PendingAmend => PendingAmend; } same [];
        On::AmendSettled => {
            PendingAmend => Working; } same [Working, PendingCancel, Triggered, Done(Vanished), Done(Rejected), Done(Cancelled), Done(Expired), Done(Filled)];
        On::CancelSent => { Working, PendingAmend, PendingCancel => PendingCancel; } same [InDoubt, Triggered, Done(Vanished), Done(Rejected), Done(Cancelled), Done(Expired), Done(Filled)];
        On::CancelSettled => {
            PendingCancel => Working; } same [InDoubt, Working, PendingAmend, Triggered, Done(Refused), Done(Absent), Done(Vanished), Done(Rejected), Done(Cancelled), Done(Expired), Done(Filled)];
        On::SeenWorking => {
            Planned, PendingNew, InDoubt, Done(Refused), Done(Absent), Done(Vanished) => Working; } same [Working, PendingAmend, PendingCancel, Triggered, Done(Rejected), Done(Cancelled), Done(Expired), Done(Filled)];
        On::SeenTriggered => {
            Planned, PendingNew, InDoubt, Working, PendingAmend, PendingCancel, Done(Refused), Done(Absent), Done(Vanished) => Triggered; } same [Triggered, Done(Rejected), Done(Cancelled), Done(Expired), Done(Filled)];
        On::SeenRejected => {
            Planned, PendingNew, InDoubt, Working, PendingAmend, PendingCancel, Triggered, Done(Refused), Done(Absent), Done(Vanished)
                => Done(Rejected); } same [Done(Rejected), Done(Cancelled), Done(Expired), Done(Filled)];
        On::SeenCancelled => {
            Planned, PendingNew, InDoubt, Working, PendingAmend, PendingCancel, Triggered, Done(Refused), Done(Absent), Done(Vanished),
                Done(Rejected) => Done(Cancelled); } same [Done(Cancelled), Done(Expired), Done(Filled)];
        On::SeenExpired => {
            Planned, PendingNew, InDoubt, Working, PendingAmend, PendingCancel, Triggered, Done(Refused), Done(Absent), Done(Vanished),
                Done(Rejected), Done(Cancelled) => Done(Expired); } same [Done(Expired), Done(Filled)];
        On::SeenFilled => {
            Planned, PendingNew, InDoubt, Working, PendingAmend, PendingCancel, Triggered, Done(Refused), Done(Absent), Done(Vanished),
                Done(Rejected), Done(Cancelled), Done(Expired) => Done(Filled); } same [Done(Filled)];
        On::Vanished => { Working, PendingAmend, PendingCancel, Triggered => Done(Vanished); } same [Done(Rejected), Done(Vanished), Done(Cancelled), Done(Expired), Done(Filled)];
    };

    fn on(self, event: LifeEvent) -> Verdict<Self> {
        let verdicts = VERDICTS.get(event as usize);
        verdicts.and_then(|verdicts| verdicts.get(self.place())).copied().unwrap_or(Verdict::Refused)
    }
}

/// The rows by event and state, for look-ups; the first row of a pair counts.
const VERDICTS: [[Verdict<Life>; Life::STATES.len()]; Life::EVENTS.len()] = {
    let mut verdicts = [[Verdict::Refused; Life::STATES.len()]; Life::EVENTS.len()];
    let mut at = Life::ROWS.len();
    while at > 0 {
        at -= 1;
        let row = &Life::ROWS[at];
        verdicts[row.on as usize][row.from.place()] = row.verdict;
    }
    verdicts
};

impl Life {
    /// Its place among the states.
    const fn place(self) -> usize {
        match self {
            Planned => 0,
            PendingNew => 1,
            InDoubt => 2,
            Working => 3,
            PendingAmend => 4,
            PendingCancel => 5,
            Triggered => 6,
            Done(terminal) => 7usize.saturating_add(terminal as usize),
        }
    }

    /// True once the order can never trade again, as far as is known.
    #[must_use]
    pub const fn is_done(self) -> bool {
        matches!(self, Done(_))
    }

    /// True while the venue shows it open and untriggered.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Working | PendingAmend | PendingCancel)
    }

    /// True once any evidence said that it exists or existed at the venue.
    #[must_use]
    pub const fn was_accepted(self) -> bool {
        match self {
            Planned | PendingNew | InDoubt | Done(Refused | Absent) => false,
            Working | PendingAmend | PendingCancel | Triggered | Done(_) => true,
        }
    }

    /// True while it may trade at the venue, for all we know.
    #[must_use]
    pub const fn may_trade(self) -> bool {
        !matches!(self, Planned | Done(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s11_look_ups_say_what_the_rows_say() {
        for (place, state) in Life::STATES.iter().enumerate() {
            assert_eq!(state.place(), place);
            for (at, event) in Life::EVENTS.iter().enumerate() {
                assert_eq!(*event as usize, at);
                let row = Life::ROWS.iter().find(|row| row.from == *state && row.on == *event);
                assert_eq!(state.on(*event), row.map_or(Verdict::Refused, |row| row.verdict), "{state:?} {event:?}");
            }
        }
    }
}
