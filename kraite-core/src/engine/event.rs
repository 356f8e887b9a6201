//! The facts that a record holds.

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::adjust::AdjustmentRefusal;
use super::adopt::AdoptionRefusal;
use super::io::{Alert, Setup};
use super::limits::Limit;
use crate::exchange::{OrderShape, Service, Side};
use crate::id::{ClientOrderId, PositionNo, VenueOrderId};
use crate::number::{Notional, Price, Qty};
use crate::plan::Plan;
use crate::position::{PhaseEvent, Why};
use crate::sizing::{Ladder, Refusal, RungPlan};
use crate::time::VenueMillis;

/// A fact. Together with the input of its record it says everything needed to evolve the state.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Event {
    /// The process started: whatever was in flight is in doubt.
    Restarted,
    /// A position exists (the request is in the record's input).
    Opened {
        /// Its number.
        position: PositionNo,
        /// Its sizes.
        ladder: Box<Ladder>,
        /// Its steps on this venue.
        plan: Plan,
    },
    /// A command was refused and changed nothing.
    CommandRefused(CommandRefusal),
    /// A position's phase event.
    Moved {
        /// Which position.
        position: PositionNo,
        /// What happened.
        on: PhaseEvent,
        /// Why.
        why: Why,
    },
    /// The ladder was sized again on the mark of the admission.
    Resized {
        /// Which position.
        position: PositionNo,
        /// Its sizes.
        ladder: Box<Ladder>,
    },
    /// The rungs were rebuilt from the entry's real fill.
    Rebuilt {
        /// Which position.
        position: PositionNo,
        /// The rungs to place.
        rungs: Vec<RungPlan>,
        /// Rungs left out.
        dropped: Vec<u8>,
        /// The stop's trigger price.
        stop: Price,
    },
    /// A rung was refused for good and is left out.
    RungDropped {
        /// Which position.
        position: PositionNo,
        /// Which rung.
        rung: u8,
    },
    /// A setting was handed to the wire.
    SetupSent {
        /// Which position.
        position: PositionNo,
        /// Which setting.
        setup: Setup,
    },
    /// The answer to a setting (in the record's input) was noted.
    SetupNoted {
        /// Which position.
        position: PositionNo,
        /// Which setting.
        setup: Setup,
    },
    /// An order is to be placed; its request leaves with this record.
    Intended {
        /// Its identity.
        id: ClientOrderId,
        /// Buy or sell.
        side: Side,
        /// Kind, price, size.
        shape: OrderShape,
        /// Which service will hold it.
        service: Service,
        /// What had been entered when price and size were decided.
        basis: Qty,
        /// Venue time after which it cannot be accepted any more.
        not_after: VenueMillis,
    },
    /// A request that never left is handed to the wire again under the same id.
    Resent {
        /// Its identity.
        id: ClientOrderId,
        /// Venue time after which it cannot be accepted any more.
        not_after: VenueMillis,
    },
    /// An order is to be amended; the request leaves with this record.
    AmendIntended {
        /// Which order.
        id: ClientOrderId,
        /// Its new kind, price and size.
        shape: OrderShape,
        /// What had been entered when they were decided.
        basis: Qty,
    },
    /// An order, or one object under its id, is to be cancelled; the request leaves with this record.
    CancelIntended {
        /// Which order.
        id: ClientOrderId,
        /// Which object, if not the order itself.
        extra: Option<VenueOrderId>,
    },
    /// The answer to a request (in the record's input) was noted on its order.
    OutcomeNoted {
        /// Which order.
        id: ClientOrderId,
    },
    /// The reports about one order in the record's input were merged.
    Merged {
        /// Which order.
        id: ClientOrderId,
    },
    /// An order of ours that the journal did not know turned up at the venue and is taken over: its intent was
    /// lost with the end of the journal (its report is in the record's input).
    Adopted {
        /// Which order.
        id: ClientOrderId,
    },
    /// An order under our account names a position the journal does not know: the end of the journal is lost.
    /// Nothing new is opened until a human decides.
    Quarantined {
        /// Which order.
        id: ClientOrderId,
    },
    /// No answer to a placement came back in time: it is in doubt.
    Overdue {
        /// Which order.
        id: ClientOrderId,
    },
    /// An order is proven absent.
    ProvenAbsent {
        /// Which order.
        id: ClientOrderId,
    },
    /// A position plan was overwritten by a newer pair, or went away with its position.
    Superseded {
        /// Which order.
        id: ClientOrderId,
    },
    /// An order that was accepted is on no endpoint any more: it ended without a fill, and the venue forgot it
    /// before anybody told us.
    Vanished {
        /// Which order.
        id: ClientOrderId,
    },
    /// An order that had vanished is open after all.
    Resurfaced {
        /// Which order.
        id: ClientOrderId,
    },
    /// Exposure left without an order of ours.
    External {
        /// Which position.
        position: PositionNo,
        /// The venue's id of what took it, or a name for what a reading showed.
        cause: VenueOrderId,
        /// How much in all under that id.
        qty: Qty,
    },
    /// A notice was given, once.
    Alerted {
        /// Which position.
        position: PositionNo,
        /// Which notice.
        alert: Alert,
    },
    /// A passing condition is over; the notice may be given again.
    AlertCleared {
        /// Which position.
        position: PositionNo,
        /// Which notice.
        alert: Alert,
    },
    /// Something impossible was found; the position only protects itself from now on.
    Halted {
        /// Which position.
        position: PositionNo,
    },
    /// A position that ended long ago leaves the state; its records stay in the journal.
    Archived {
        /// Which position.
        position: PositionNo,
    },
    /// The worst loss is frozen (R46).
    LossFrozen {
        /// Which position.
        position: PositionNo,
        /// Worst loss in quote currency, fees not included.
        max_loss: Notional,
    },
    /// The contract's rules are not what the position knew (they are in the record's input): rungs that were never
    /// placed and the stop price move to the new grids. R47 is about settings; rules are the venue's facts.
    RulesRead {
        /// Which position.
        position: PositionNo,
    },
    /// A user has halted new exposure (the command is in the record's input).
    AccountHalted,
    /// A user lets new exposure be opened again (the command is in the record's input).
    AccountResumed,
    /// A limit keeps an entry or a rung from the wire: what was configured then, and what was found.
    LimitReached {
        /// Which position.
        position: PositionNo,
        /// Which limit.
        limit: Limit,
    },
    /// What is left of a position, less than a lot, is to be taken off by a close of the whole position; the request
    /// leaves with this record. It bears no id: all that is known of it later is how long it may still act.
    WholeCloseIntended {
        /// Which position.
        position: PositionNo,
        /// Venue time after which it cannot be accepted any more.
        not_after: VenueMillis,
    },
    /// A user has changed what a position should be (the command is in the record's input).
    Adjusted {
        /// Which position.
        position: PositionNo,
    },
    /// Exposure that a user opened by hand counts as the position's entry from now on.
    TakenOver {
        /// Which position.
        position: PositionNo,
    },
    /// The venue has told what an ended position cost: fees and funding (they are in the record's input).
    Booked {
        /// Which position.
        position: PositionNo,
    },
}

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CommandRefusal {
    /// A position on this contract is not finished yet, whatever its direction (R31).
    SymbolBusy(PositionNo),
    /// The ladder breaks a rule.
    Plan(Refusal),
    /// The mark is older than 30 s (R29).
    StaleMark,
    /// No such position, or it is finished.
    NoSuchPosition(PositionNo),
    /// The venue shows orders of ours that the journal cannot explain.
    Quarantined,
    /// The account has used up its position numbers.
    NumbersExhausted,
    /// New exposure is halted.
    Halted,
    /// The position would break a limit.
    Limit(Limit),
    /// A change of a position by hand was not taken.
    Adjustment(PositionNo, AdjustmentRefusal),
    /// Exposure was not taken over.
    Adoption(AdoptionRefusal),
}
