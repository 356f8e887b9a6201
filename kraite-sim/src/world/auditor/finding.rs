//! What the auditor can find, and what it says in the end.

use std::collections::{BTreeMap, BTreeSet};

use kraite_core::exchange::Direction;
use kraite_core::id::{AccountTag, ClientOrderId, Epoch, LogicalOrder, PositionNo, Symbol};
use kraite_core::number::{Notional, Qty};
use kraite_core::position::Phase;
use kraite_core::time::{Millis, VenueMillis};

/// Something that must never happen, and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// I1: two attempts of one logical order are open together, and the wire is not to blame.
    Duplicate {
        /// Which position.
        position: PositionNo,
        /// Which logical order.
        logical: LogicalOrder,
        /// The orders.
        ids: Vec<ClientOrderId>,
    },
    /// I2: the attempts of one logical order filled more than was planned, and the wire is not to blame.
    Overfilled {
        /// Which account.
        account: AccountTag,
        /// Which position.
        position: PositionNo,
        /// Which logical order.
        logical: LogicalOrder,
        /// Planned.
        planned: Qty,
        /// Filled.
        filled: Qty,
    },
    /// I6: an order of ours is open that the journal does not know, or whose position is finished.
    Orphan {
        /// Which order.
        id: ClientOrderId,
        /// Why nobody owns it.
        why: &'static str,
    },
    /// I3: a target was handed to the wire before any stop of its position was at the venue.
    TargetBeforeStop {
        /// Which target.
        id: ClientOrderId,
    },
    /// I13: a request left whose intent is not durable, or says something else.
    NoIntent {
        /// Which order.
        id: ClientOrderId,
    },
    /// I13: one client id was placed twice by the worker.
    PlacedTwice {
        /// Which order.
        id: ClientOrderId,
    },
    /// I4: without a stop for too long although the worker lived.
    Unprotected {
        /// The interval.
        interval: Interval,
    },
    /// I4: without a stop and no window that explains it.
    Unexplained {
        /// The interval.
        interval: Interval,
    },
    /// R76, I6: a close of a whole position, which bears no id, left or took effect although it must not.
    WholeClose {
        /// Which position.
        position: PositionNo,
        /// Why not.
        why: &'static str,
    },
    /// S12: what a user had opened was taken over as it must not be.
    TakenOver {
        /// Which position.
        position: PositionNo,
        /// Why not.
        why: &'static str,
    },
    /// S12, I5: what a user wanted handed back was not, or not as it must be.
    HandedBack {
        /// Which position.
        position: PositionNo,
        /// What is wrong.
        why: &'static str,
    },
    /// I6: an order of somebody else was changed.
    ForeignTouched {
        /// What was asked.
        what: String,
    },
    /// I10: what was restored is not what was durable.
    RestoredDiffers {
        /// Which account.
        account: AccountTag,
    },
    /// The journal could not be folded.
    RestoreFailed {
        /// Which account.
        account: AccountTag,
        /// Why.
        reason: String,
    },
    /// The model journal did not answer at once.
    JournalBlocked {
        /// Which account.
        account: AccountTag,
    },
    /// The engine found a broken invariant of its own.
    Halted {
        /// Which position.
        position: PositionNo,
    },
    /// I7: a worker took back a fill that it had known.
    Shrunk {
        /// Of which order.
        id: ClientOrderId,
        /// What it knew.
        knew: Qty,
        /// What it knows now.
        knows: Qty,
    },
    /// I11: exposure on the side opposite to every position of ours, and no other hand in it.
    Flipped {
        /// On which contract.
        symbol: Symbol,
        /// On which side.
        direction: Direction,
        /// How much.
        qty: Qty,
    },
    /// I16: more requests or questions in a minute than any venue would take.
    Flood {
        /// What there was too much of.
        what: &'static str,
        /// How many in a minute.
        number: usize,
    },
    /// I16: an order that adds exposure left although a limit or a halt stood against it.
    LimitBroken {
        /// Which limit.
        what: &'static str,
        /// What it came to.
        found: String,
    },
    /// I5: a position counts as finished, and exposure of ours is left.
    NotFlat {
        /// Which position.
        position: PositionNo,
        /// On which contract.
        symbol: Symbol,
        /// How much is left.
        qty: Qty,
    },
    /// I8: what is open is not what the trades add up to.
    QuantityNotConserved {
        /// On which contract.
        symbol: Symbol,
        /// What the trades add up to, long less short.
        traded: Qty,
        /// What is open, long less short.
        open: Qty,
    },
    /// I8: the wallet is not what trades, fees and declared flows add up to.
    MoneyNotConserved {
        /// Which account.
        account: AccountTag,
        /// What they add up to.
        expected: Notional,
        /// What the wallet says.
        wallet: Notional,
    },
    /// I9: the same input, applied again at once, changed something.
    NotIdempotent {
        /// Which account.
        account: AccountTag,
        /// Which input, in short.
        input: String,
    },
    /// I12: new exposure was asked for while orders of ours are open that the worker cannot account for.
    Unwitnessed {
        /// An order that nobody accounts for.
        id: ClientOrderId,
    },
    /// I14: a request left under an ownership that had ended.
    Deposed {
        /// Which account.
        account: AccountTag,
        /// Under which ownership it left.
        epoch: Epoch,
        /// Who owns the account.
        owner: Epoch,
    },
    /// I15: a trade of an order that no durable intent explains.
    UnexplainedTrade {
        /// Of which order.
        id: ClientOrderId,
    },
    /// I15: at the end, what left by other hands is not what the worker booked as that.
    Misattributed {
        /// Which account.
        account: AccountTag,
        /// On which contract.
        symbol: Symbol,
        /// What other hands took off.
        taken: Qty,
        /// What the worker booked.
        booked: Qty,
    },
    /// I8, R98: an ended position came to something else than its worker read from the books.
    Miscounted {
        /// Which position.
        position: PositionNo,
        /// What the worker counts, fees and funding included.
        ours: Notional,
        /// What the venue booked.
        theirs: Notional,
    },
    /// At the end, worker and venue disagree about the exposure.
    Disagree {
        /// Which position.
        position: PositionNo,
        /// What the worker believes.
        believed: Qty,
        /// What the venue has.
        actual: Qty,
    },
    /// R43: a worker that had just started gave a position up for want of a stop that was open all along.
    GivenUp {
        /// Which position.
        position: PositionNo,
    },
    /// In a world at rest, the orders of a position do not fit it, or something is left of it.
    Misfit {
        /// Which account.
        account: AccountTag,
        /// Which position.
        position: PositionNo,
        /// What does not fit.
        what: String,
    },
    /// At the end, a position is not where it should be.
    Unresolved {
        /// Which position.
        position: PositionNo,
        /// Where it is.
        phase: Phase,
    },
}

/// The worker's process does not run, and is not dead.
pub(super) const STOPPED: &str = "worker stopped";

/// The window of a stop that went away unseen.
pub(super) const UNTOLD: &str = "loss of the stop not told yet";
/// The window of a contract on which nothing can be placed or closed.
pub(super) const HALTED: &str = "trading is halted";
/// The window of a contract on which nobody takes more than a little at a time.
pub(super) const THIN: &str = "a thin market";

/// A time with exposure and no accepted stop.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Interval {
    /// Whose.
    pub account: AccountTag,
    /// On which contract.
    pub symbol: Symbol,
    /// From.
    pub since: VenueMillis,
    /// Until.
    pub until: VenueMillis,
    /// The windows that explain it, each with the time it lasted; several may last together.
    pub windows: BTreeMap<&'static str, Millis>,
    /// Time in it that no window explains.
    pub unexplained: Millis,
    /// The longest time in it for which the worker lived without a break and knew of it.
    pub alive: Millis,
    /// Time in it that the worker believed a stop to be open which somebody had taken away, and whose frame was
    /// lost: only the next reading tells.
    pub untold: Millis,
    /// The longest time in it without a break for which the worker lived, knew of the exposure and had not yet begun to
    /// close it.
    pub building: Millis,
    /// Closes in it that the wire lost: each had to be proven absent before the next.
    pub lost_closes: u32,
    pub(super) now: BTreeSet<&'static str>,
    pub(super) alive_since: Option<VenueMillis>,
    pub(super) building_since: Option<VenueMillis>,
}

impl Interval {
    pub(super) fn new((account, symbol, _): &(AccountTag, Symbol, Direction), now: VenueMillis) -> Self {
        Self {
            account: *account,
            symbol: symbol.clone(),
            since: now,
            until: now,
            windows: BTreeMap::new(),
            unexplained: Millis(0),
            alive: Millis(0),
            untold: Millis(0),
            building: Millis(0),
            lost_closes: 0,
            now: BTreeSet::new(),
            alive_since: None,
            building_since: None,
        }
    }

    /// How long it was.
    #[must_use]
    pub fn length(&self) -> Millis {
        self.until.since(self.since)
    }

    /// Books the time since the last look on what was so then.
    pub(super) fn pass(&mut self, now: VenueMillis) {
        let span = now.since(self.until);
        for window in &self.now {
            let share = self.windows.entry(window).or_insert(Millis(0));
            *share = share.plus(span);
        }
        if self.now.is_empty() {
            self.unexplained = self.unexplained.plus(span);
        }
        // A process that stands still reads nothing.
        if self.now.contains(UNTOLD) && !self.now.contains(STOPPED) {
            self.untold = self.untold.plus(span);
        }
        if [UNTOLD, HALTED, THIN].iter().any(|window| self.now.contains(window)) {
            // The worker can do nothing about what it was not told, or while nobody can.
            self.alive_since = self.alive_since.map(|_| now);
            self.building_since = None;
        }
        if let Some(since) = self.alive_since {
            self.alive = self.alive.max(now.since(since));
        }
        if let Some(since) = self.building_since {
            self.building = self.building.max(now.since(since));
        }
        self.until = now;
    }
}

/// What the auditor says in the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Two attempts of one logical order alive together or filled above plan, not by the wire.
    pub duplicates: u64,
    /// Orders nobody owns.
    pub orphans: u64,
    /// Excess that a doubled request of the wire caused; detected and flattened, not preventable.
    pub wire_duplicates: u64,
    /// Every finding, duplicates and orphans included.
    pub violations: u64,
    /// The longest time with exposure and no accepted stop.
    pub max_unprotected: Millis,
    /// The windows that explain that longest time.
    pub max_unprotected_windows: BTreeSet<&'static str>,
    /// How many intervals each window explains, and the longest of them.
    pub windows: BTreeMap<&'static str, (u64, Millis)>,
    /// The first findings.
    pub findings: Vec<(VenueMillis, Finding)>,
}
