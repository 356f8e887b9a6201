//! Venue differences as data: the core, the planner and the simulator read these and never a venue's name.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::exchange::{Endpoint, Service};
use crate::time::Millis;

/// How a venue protects a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protection {
    /// Stop and target are two orders; the stop is accepted before the target is sent (R39).
    Separate,
    /// Stop and target travel in one call that overwrites what was there (S9).
    Paired,
}

/// How the size of a stop follows the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StopSizing {
    /// The venue closes whatever is open when the stop triggers; it never needs resizing.
    ClosePosition,
    /// The stop states a quantity and is replaced after each rung fill.
    Quantity,
}

/// How a working target gets a new price or size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reprice {
    /// One request changes price and size and keeps the ids.
    AmendInPlace,
    /// A new target is accepted first, then the old one is cancelled; where the venue refuses the overlap,
    /// the old one is cancelled first, under the stop.
    MakeBeforeBreak,
    /// The pair call is repeated with the stop's present values and the target's new ones.
    RestatePair,
}

/// When a missing order of one kind is proven absent (architecture 4a.6).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AbsenceRule {
    /// The validity window a request is signed with: after timestamp + window the venue refuses it.
    pub window: Millis,
    /// The longest time between admission and a visible result.
    pub engine_bound: Millis,
    /// Every endpoint that can hold this kind of order; one reading is a miss on all of them.
    pub endpoints: Vec<Endpoint>,
    /// How many complete readings it takes.
    pub readings: u8,
    /// The least time between two of them.
    pub gap: Millis,
    /// How long the venue can still find an order that never filled.
    pub retention: Millis,
}

/// What one venue can do and how it must be treated.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Capabilities {
    /// One call for stop and target, or two orders.
    pub protection: Protection,
    /// How the stop is sized.
    pub stop_sizing: StopSizing,
    /// Re-pricing of a resting LIMIT target.
    pub reprice_limit: Reprice,
    /// Re-pricing of a trigger-market target.
    pub reprice_trigger: Reprice,
    /// Whether repeating a protective write does no harm (a second close-position stop is refused, a pair
    /// overwrites), so that an unknown outcome needs one look instead of the whole proof (4a.7).
    pub protective_repeat: ProtectiveRepeat,
    /// Proof of absence for orders of the regular service.
    pub absence_regular: AbsenceRule,
    /// Proof of absence for conditional orders.
    pub absence_conditional: AbsenceRule,
    /// Proof of absence for position plans (paired protection).
    pub absence_plan: AbsenceRule,
    /// The most open conditional orders of an account.
    pub max_conditional_orders: Option<u32>,
    /// The most orders one placing call can carry.
    pub batch_size: u8,
    /// Whether a rung may be refused for being far from the mark though the contract states no bound on its side: such
    /// a rung is held and placed once the mark is near.
    pub may_refuse_deep_rungs: bool,
    /// How often the streams of many accounts may connect: one per this long.
    pub connect_ramp: Millis,
    /// Whether [`crate::Exchange::close_position`] takes off whatever is open, less than a lot included, which no order
    /// with a quantity can.
    pub closes_whole: bool,
}

/// Whether a protective write may be repeated after a single reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProtectiveRepeat {
    /// The venue refuses or overwrites a second one.
    Harmless,
    /// A second one would add to the first.
    Stacks,
}

impl Capabilities {
    /// The proof-of-absence rule for orders that `service` holds.
    #[must_use]
    pub const fn absence(&self, service: Service) -> &AbsenceRule {
        match service {
            Service::Regular => &self.absence_regular,
            Service::Conditional => &self.absence_conditional,
            Service::PositionPlan => &self.absence_plan,
        }
    }
}
