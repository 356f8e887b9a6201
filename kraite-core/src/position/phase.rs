//! The position state machine (S11) as a table.

use serde::{Deserialize, Serialize};

use crate::table::{Machine, Row, transitions};

/// Where a position stands. How protected it is, is its [`super::Cover`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Asked for; nothing was sent.
    New,
    /// Sending its entry, rungs, stop and target.
    Opening,
    /// Complete and protected; follows its fills.
    Active,
    /// Taking its exposure off, then its orders.
    Closing,
    /// Flat and clean.
    Closed,
    /// Nothing was opened; taking back what may have been sent.
    Cancelling,
    /// Never had exposure and is clean.
    Cancelled,
    /// Cannot be proven flat and clean; blocks its symbol until a human decides (R93).
    Failed,
}

/// What can happen to a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PhaseEvent {
    /// Ready and clear: the opening begins.
    Admitted,
    /// The opening is given up before any exposure.
    Abandoned,
    /// Every order of the plan is in place.
    Activated,
    /// Exposure is to be taken off: by command, by a fill of stop or target, or in an emergency.
    CloseBegan,
    /// Exposure turned up after the opening was given up.
    ExposureFound,
    /// Flat, and no order of ours is left.
    Finished,
    /// The bound for proving it safe has passed.
    Unproven,
}

use Phase::{Active, Cancelled, Cancelling, Closed, Closing, Failed, New, Opening};
use PhaseEvent as On;

impl Machine for Phase {
    type Event = PhaseEvent;

    const STATES: &'static [Self] = &[New, Opening, Active, Closing, Closed, Cancelling, Cancelled, Failed];

    const EVENTS: &'static [PhaseEvent] =
        &[On::Admitted, On::Abandoned, On::Activated, On::CloseBegan, On::ExposureFound, On::Finished, On::Unproven];

    const ROWS: &'static [Row<Self, PhaseEvent>] = transitions! { Phase, PhaseEvent;
        On::Admitted => { New => Opening; } same [Opening, Active];
        On::Abandoned => { New, Opening => Cancelling; } same [Cancelling, Cancelled];
        On::Activated => { Opening => Active; } same [Active];
        On::CloseBegan => { Opening, Active, Failed => Closing; } same [Closing, Closed, Cancelling, Cancelled];
        On::ExposureFound => { Cancelling, Cancelled, Closed => Closing; } same [Opening, Active, Closing];
        On::Finished => { Closing => Closed; Cancelling => Cancelled; } same [Closed, Cancelled];
        On::Unproven => { Closing, Cancelling => Failed; } same [Failed];
    };
}

impl Phase {
    /// True once nothing more happens to the position by itself.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Closed | Cancelled | Failed)
    }

    /// True once nothing of the position is left: one that needs a human is not over.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Closed | Cancelled)
    }

    /// True while the position aims at having exposure.
    #[must_use]
    pub const fn is_building(self) -> bool {
        matches!(self, New | Opening | Active)
    }
}
