//! One position: its settings, its orders, its exposure, and how protected it is.

mod books;
mod hands;
mod orders;
mod phase;
mod rules;
mod view;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

pub use hands::Hands;
pub use orders::Orders;
pub use phase::{Phase, PhaseEvent};
pub use view::{PositionStatus, Protective};

use crate::engine::{Alert, CommandId, Held, OpenRequest};
use crate::exchange::Direction;
use crate::id::{PositionNo, Symbol, VenueOrderId};
use crate::number::{Notional, Price, Qty};
use crate::plan::Plan;
use crate::sizing::{Ladder, RungPlan};
use crate::time::{LocalMillis, Millis, VenueMillis};

/// How complete the protection of a position is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cover {
    /// No exposure, nothing to protect.
    Flat,
    /// Exposure, and no stop is even under way.
    Naked,
    /// Exposure, and a stop is on its way or in doubt.
    Arming,
    /// A stop is accepted and the target is what it should be.
    Armed,
    /// A stop is accepted; the target is missing or out of date.
    Stale,
}

/// How long a position was without an accepted stop while it had exposure (S, protection meter).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct ProtectionMeter {
    /// Unprotected since then, if it is now.
    pub since: Option<LocalMillis>,
    /// All finished intervals together.
    pub total: Millis,
    /// The longest finished interval.
    pub worst: Millis,
}

impl ProtectionMeter {
    /// Notes whether there is unprotected exposure at this instant.
    pub(crate) fn note(&mut self, at: LocalMillis, unprotected: bool) {
        match (self.since, unprotected) {
            (None, true) => self.since = Some(at),
            (Some(since), false) => {
                let span = at.since(since);
                self.total = self.total.plus(span);
                self.worst = self.worst.max(span);
                self.since = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }

    /// The longest interval so far, the running one included.
    #[must_use]
    pub fn worst_at(&self, now: LocalMillis) -> Millis {
        self.since.map_or(self.worst, |since| self.worst.max(now.since(since)))
    }
}

/// Why a position left the state it wanted to be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// As planned.
    Planned,
    /// A user asked.
    Command,
    /// The take-profit filled.
    TargetFilled,
    /// The stop-loss filled.
    StopFilled,
    /// The stop triggered and could not take everything off.
    StopFailed,
    /// The stop cannot be placed: the price is already beyond it.
    StopWouldTrigger,
    /// The stop was refused for good (R43).
    StopRefused,
    /// Too long without a stop.
    Unprotected,
    /// The exposure left without an order of ours: by hand, liquidation, settlement.
    External,
    /// The entry was refused.
    EntryRefused,
    /// The entry filled nothing.
    EntryEmpty,
    /// The venue already shows a position or an order on the contract (R30).
    NotClear,
    /// The mark is too old to size or to enter on (R29).
    StaleMark,
    /// The ladder no longer fits the rules at the fresh mark (R26).
    PlanRefused,
    /// The contract could not be set up: margin mode or leverage (R35).
    SetupRefused,
    /// It stayed in its first state for too long (R49).
    OpeningOverdue,
    /// A late fill after the opening was given up or the books were closed.
    LateFill,
    /// It could not be proven flat and clean in time.
    Unproven,
    /// The venue refused the target for good while the position was opening: it can never be complete (R44).
    TargetRefused,
    /// New exposure was halted before the entry left.
    Halted,
    /// A limit stood against it before the entry left (R24).
    Limited,
    /// A user took what was open back.
    HandedBack,
}

/// Where a setting of the contract stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum SetupState {
    /// Not sent, or to be sent again.
    #[default]
    Open,
    /// Sent, not answered.
    Sent,
    /// Confirmed.
    Done,
    /// Refused for good.
    Refused,
}

/// The two settings that are confirmed before the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Setups {
    /// Cross or isolated.
    pub margin_mode: SetupState,
    /// The leverage.
    pub leverage: SetupState,
}

/// One leveraged DCA position.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Its number within the account.
    pub no: PositionNo,
    /// Everything the opening asked for. Settings never change (R47); the contract's rules are no setting of ours
    /// but facts of the venue, and follow it where it refused an order of ours by them.
    pub request: Box<OpenRequest>,
    /// The command that asked; a repeat of it opens nothing.
    pub opened_by: CommandId,
    /// When it was asked for.
    pub created_at: LocalMillis,
    /// The sized plan, on the mark of the request or of the admission.
    pub ladder: Ladder,
    /// The steps of its opening on this venue.
    pub plan: Plan,
    /// The rungs as rebuilt from the entry's real fill (R27); empty until then.
    pub rungs: Vec<RungPlan>,
    /// True once the rungs were rebuilt.
    pub rebuilt: bool,
    /// Rungs that were left out, and are not missed.
    pub dropped: BTreeSet<u8>,
    /// The stop's trigger price.
    pub stop_price: Price,
    /// Where it stands.
    pub phase: Phase,
    /// When it came to its end, if it did.
    pub ended_at: Option<LocalMillis>,
    /// Why it left the state it wanted to be in.
    pub why: Why,
    /// Settings of the contract.
    pub setups: Setups,
    /// Every order, one per attempt, by id: role, rung, revision, attempt in this order.
    pub orders: Orders,
    /// Exposure that left without an order of ours, by the venue's id of what took it.
    pub external: BTreeMap<VenueOrderId, Qty>,
    /// Its protection now.
    pub cover: Cover,
    /// Its protection over time.
    pub meter: ProtectionMeter,
    /// Worst loss, frozen at activation from the real entry and all rungs (R46).
    pub max_loss: Option<Notional>,
    /// Notices that were given once.
    pub alerts: BTreeSet<Alert>,
    /// The engine found something impossible here and only protects from now on.
    pub halted: bool,
    /// Venue time after which the last close of the whole position, which bears no id, cannot be accepted any more.
    pub whole_close: Option<VenueMillis>,
    /// What a user has changed of it by hand.
    pub hands: Hands,
    /// The exposure it takes over instead of sending an entry.
    pub adoption: Option<Adoption>,
    /// What the venue's books said of it after its end.
    pub booked: Option<Booked>,
}

/// What a venue's books said of an ended position, apart from its trades: those are with its orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Booked {
    /// When they were read.
    pub at: LocalMillis,
    /// Funding received between its request and its end, negative where paid. Exposure of others on the same side of
    /// the contract is in it.
    pub funding: Notional,
}

/// Exposure that a user opened by hand and a position takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Adoption {
    /// What it is.
    pub held: Held,
    /// True once the venue has shown just that: it counts as the entry from then on.
    pub is_done: bool,
}

impl Position {
    /// Its contract.
    #[must_use]
    pub const fn symbol(&self) -> &Symbol {
        &self.request.instrument.symbol
    }

    /// Long or short.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.request.spec.direction
    }

    /// Everything that decides what happens to it next. What it was asked for stands for the plan made of it;
    /// what the protection meter has counted so far is left out.
    pub(crate) fn fingerprint(&self, hasher: &mut impl Hasher) {
        let Self {
            no,
            request,
            opened_by,
            created_at,
            ladder,
            plan: _,
            rungs,
            rebuilt,
            dropped,
            stop_price,
            phase,
            ended_at,
            why,
            setups,
            orders,
            external,
            cover,
            meter,
            max_loss,
            alerts,
            halted,
            whole_close,
            hands,
            adoption,
            booked,
        } = self;
        (no, opened_by, &request.mark, created_at, &ladder.entry, ladder.leverage, ladder.stop).hash(hasher);
        // The one part of the request that is not the same for the same command: rules are read again.
        request.instrument.hash(hasher);
        (rungs, rebuilt, dropped, stop_price, phase, ended_at, why, setups).hash(hasher);
        (orders, external, cover, meter.since, max_loss, alerts, halted, whole_close, hands).hash(hasher);
        (adoption, booked).hash(hasher);
    }
}
