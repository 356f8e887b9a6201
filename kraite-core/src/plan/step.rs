//! The vocabulary of plans: steps, what they wait for, what undoes them.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// What a plan wants to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// From nothing to an active, protected position.
    Open,
    /// The target at the new average entry.
    Reprice,
    /// From any exposure to flat, then no order of ours left.
    Close,
    /// An opening that never got exposure: no order of ours left.
    Cancel,
}

/// In which order an opening protects itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sequence {
    /// entry, rungs, stop, target (S6).
    LadderFirst,
    /// entry, stop, rungs, target.
    ProtectFirst,
}

/// How the take-profit rests at the venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetStyle {
    /// A conditional market order that triggers in profit (S7).
    TriggerMarket,
    /// A resting close-only LIMIT order.
    Limit,
}

/// What one step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Sets the margin mode.
    MarginMode,
    /// Sets the leverage.
    Leverage,
    /// The MARKET entry.
    Entry,
    /// Rung n of the ladder, from 1.
    Rung(u8),
    /// The stop-loss.
    Stop,
    /// The take-profit.
    Target,
    /// Stop-loss and take-profit in one call.
    PositionTpsl,
    /// The position counts as active.
    Activate,
    /// A target of the next revision.
    NewTarget,
    /// Amends the working target in place.
    AmendTarget,
    /// Cancels the target that a new one replaced.
    CancelOldTarget,
    /// Cancels rung n.
    CancelRung(u8),
    /// Takes the exposure off at the market.
    CloseExposure,
    /// The exposure is proven gone.
    VerifyFlat,
    /// Cancels the target.
    CancelTarget,
    /// Cancels the stop.
    CancelStop,
    /// The books of the position are closed.
    Finish,
    /// A stop of the next revision, where the stop states a quantity.
    NewStop,
    /// Cancels the stop that a new one replaced.
    CancelOldStop,
}

/// What the earlier step must have reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Its request was handed to the wire, whatever became of it.
    HandedToWire,
    /// The venue accepted it.
    Accepted,
    /// It ended with something filled.
    Filled,
    /// It is done, in whatever way its kind is done: a rung is accepted or left out on record, a
    /// cancellation has ended with the order not open, a close has taken off what there was.
    Settled,
}

/// One edge of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct After {
    /// The id of the earlier step.
    pub step: u16,
    /// What it must have reached.
    pub gate: Gate,
}

/// What takes a step back when the plan is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// Nothing to take back.
    Nothing,
    /// Cancel the order.
    CancelOrder,
    /// Take the exposure off.
    CloseExposure,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Step {
    /// Its number within the plan, from 0, rising along every edge.
    pub id: u16,
    /// What it does.
    pub kind: StepKind,
    /// What it waits for.
    pub after: Vec<After>,
    /// What takes it back.
    pub undo: Undo,
}

/// A graph of steps towards a goal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Plan {
    /// What it wants to reach.
    pub goal: Goal,
    /// Its steps, by id.
    pub steps: Vec<Step>,
}

impl Plan {
    /// The step of a kind, if the plan has one.
    #[must_use]
    pub fn find(&self, kind: StepKind) -> Option<&Step> {
        self.steps.iter().find(|s| s.kind == kind)
    }
}
