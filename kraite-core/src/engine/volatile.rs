//! What the engine remembers between inputs and may forget: open questions, readings, wake-ups.
//!
//! Nothing here decides what was sent; losing all of it costs time, never safety.

use alloc::collections::{BTreeMap, BTreeSet};

use super::io::{Deadline, Query, Sent, Wake};
use crate::exchange::{Endpoint, Mark};
use crate::id::{ClientOrderId, PositionNo, Symbol, VenueOrderId};
use crate::number::Qty;
use crate::time::{LocalMillis, VenueMillis};

/// Readings about one order that is in doubt or has to be read back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Probe {
    /// How often it was asked about.
    pub(super) tries: usize,
    /// Not to be asked about before.
    pub(super) next_at: LocalMillis,
    /// One reading after the intent found nothing: enough for a harmless protective repeat (4a.7).
    pub(super) missed_once: bool,
    /// Misses of the running round, by endpoint, that count towards the proof.
    pub(super) round: BTreeMap<Endpoint, VenueMillis>,
    /// Complete rounds that count towards the proof.
    pub(super) rounds: u8,
    /// When the last complete round was sent.
    pub(super) last_round: Option<VenueMillis>,
}

/// What the last readings said about one position.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Readings {
    /// Venue time and size of the newest complete position reading.
    pub(super) exposure: Option<(VenueMillis, Qty)>,
    /// Venue time of the newest complete open-order reading, and whether it held an order of ours.
    pub(super) orders: Option<(VenueMillis, OpenOrders)>,
    /// The first of two readings that showed less than our fills explain: when, what it showed, how much was gone.
    pub(super) less: Option<(VenueMillis, Qty, Qty)>,
    /// What our fills explained at the end of the last turn, and when it last became more in this run.
    pub(super) grown: Option<(Qty, VenueMillis)>,
    /// Orders of ours that may have taken it, and that nobody has told anything about since that reading.
    pub(super) unread: BTreeSet<ClientOrderId>,
    /// The first of two readings that showed more than our fills explain, and how much.
    pub(super) more: Option<(VenueMillis, Qty)>,
    /// The next periodic reading.
    pub(super) poll_at: LocalMillis,
    /// Ask for the history with the next reading: after a start, a reconnect, or a mismatch.
    pub(super) want_history: bool,
    /// The history was read in this run.
    pub(super) history_read: bool,
    /// A setting of the contract that did not get through is not sent again before.
    pub(super) setup_at: LocalMillis,
    /// How fast what is open is read again while it is to be flat.
    pub(super) open: Pace,
    /// When the unwinding began in this run.
    pub(super) unwinding_since: Option<LocalMillis>,
    /// Since when our fills explain no exposure while the newest reading, perhaps of before, shows some.
    pub(super) residual: Option<VenueMillis>,
}

impl Readings {
    /// Whether a reading was asked for after the one that first showed less than our fills explain: an older one knows
    /// nothing of what took it.
    pub(super) fn is_since_less(&self, sent_at: VenueMillis) -> bool {
        self.less.is_some_and(|(first, ..)| sent_at > first)
    }
}

/// What an open-order reading of a contract held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum OpenOrders {
    /// Nothing at all.
    Nothing,
    /// Only orders of others.
    Foreign,
    /// At least one order of ours.
    Ours,
}

/// How fast one thing may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Pace {
    /// Not again before.
    pub(super) next_at: LocalMillis,
    /// How often in a row it did not get through.
    pub(super) failures: usize,
}

/// What was asked and refused of the rules of one contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct RulesReading {
    /// When the venue last refused something by them in this run.
    pub(super) refused_at: Option<LocalMillis>,
    /// When the last question left.
    pub(super) asked_at: LocalMillis,
    /// When the last question that was answered had left.
    pub(super) read_at: Option<LocalMillis>,
}

/// A change of an order that a venue may refuse again and again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Change {
    /// Cancelling the order, or one object under its id.
    Cancel(ClientOrderId, Option<VenueOrderId>),
    /// Amending it for these fills.
    Amend(ClientOrderId, Qty),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Volatile {
    /// When this run began.
    pub(super) started_at: LocalMillis,
    /// The journal has lost its end: nothing that adds exposure goes out before.
    pub(super) distrust_until: LocalMillis,
    /// The open orders of all contracts were read in this run.
    pub(super) account_read: bool,
    /// How fast a question may be repeated.
    pub(super) paces: BTreeMap<Query, Pace>,
    /// Questions that wait for their pace.
    pub(super) wanted: BTreeMap<Query, LocalMillis>,
    /// How fast a change may be repeated.
    pub(super) changes: BTreeMap<Change, Pace>,
    /// Stops that were found triggered, since when on both clocks.
    pub(super) triggered: BTreeMap<ClientOrderId, (LocalMillis, VenueMillis)>,
    /// Rungs that were found gone, since when.
    pub(super) gone: BTreeMap<ClientOrderId, VenueMillis>,
    pub(super) in_flight: BTreeSet<Sent>,
    pub(super) asked: BTreeSet<Query>,
    pub(super) probes: BTreeMap<ClientOrderId, Probe>,
    pub(super) reread: BTreeSet<ClientOrderId>,
    pub(super) readings: BTreeMap<PositionNo, Readings>,
    pub(super) marks: BTreeMap<Symbol, Mark>,
    pub(super) rules: BTreeMap<Symbol, RulesReading>,
    /// The next question for anybody's books, and how often those of a position were asked for in vain.
    pub(super) books_at: LocalMillis,
    pub(super) books: BTreeMap<PositionNo, Pace>,
    pub(super) wakes: BTreeMap<PositionNo, BTreeSet<Deadline>>,
    /// Rungs that would be placed if new exposure were not halted, or a limit did not stand against them.
    pub(super) withheld: BTreeSet<(PositionNo, u8)>,
}

impl Volatile {
    pub(super) fn next_wake(&self) -> Option<Deadline> {
        let reading = self.wanted.values().min().map(|at| Deadline { at: *at, why: Wake::Poll });
        self.wakes.values().filter_map(|set| set.first()).min().copied().into_iter().chain(reading).min()
    }

    /// Forgets everything about a position.
    pub(super) fn forget(&mut self, position: PositionNo) {
        self.readings.remove(&position);
        self.wakes.remove(&position);
        self.books.remove(&position);
        self.withheld.retain(|(no, _)| *no != position);
        self.probes.retain(|id, _| id.key().position != position);
        self.reread.retain(|id| id.key().position != position);
        self.triggered.retain(|id, _| id.key().position != position);
        self.gone.retain(|id, _| id.key().position != position);
        self.changes.retain(|change, _| {
            let (Change::Cancel(id, _) | Change::Amend(id, _)) = change;
            id.key().position != position
        });
    }

    pub(super) fn wake(&mut self, position: PositionNo, at: LocalMillis, why: Wake) {
        self.wakes.entry(position).or_default().insert(Deadline { at, why });
    }
}
