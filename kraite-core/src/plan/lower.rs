//! How a venue of a given shape reaches what a plan wants: the one place where venues differ.

use alloc::vec::Vec;

use super::intended::{Intended, Wish};
use super::step::{After, Gate, Goal, Plan, Sequence, Step, StepKind, TargetStyle, Undo};
use crate::capabilities::{Capabilities, Protection, Reprice, StopSizing};

/// Turns an intended plan into the steps of a venue with these capabilities.
///
/// The result always passes [`super::check`].
#[must_use]
pub fn lower(intended: &Intended, capabilities: &Capabilities) -> Plan {
    let mut steps = Builder { steps: Vec::new() };
    match intended.goal {
        Goal::Open => open(&mut steps, intended, capabilities.protection),
        Goal::Reprice => reprice(&mut steps, intended, capabilities),
        Goal::Close | Goal::Cancel => take_down(&mut steps, intended, capabilities.protection),
    }
    Plan { goal: intended.goal, steps: steps.steps }
}

/// How a target of this style is re-priced on this venue.
///
/// A pair can only be restated as a pair, and separate orders only separately, whatever else is claimed.
#[must_use]
pub const fn reprice_way(style: TargetStyle, capabilities: &Capabilities) -> Reprice {
    let claimed = match style {
        TargetStyle::Limit => capabilities.reprice_limit,
        TargetStyle::TriggerMarket => capabilities.reprice_trigger,
    };
    match (capabilities.protection, claimed) {
        (Protection::Paired, Reprice::MakeBeforeBreak) => Reprice::RestatePair,
        (Protection::Separate, Reprice::RestatePair) => Reprice::MakeBeforeBreak,
        (_, claimed) => claimed,
    }
}

struct Builder {
    steps: Vec<Step>,
}

impl Builder {
    fn push(&mut self, kind: StepKind, after: Vec<After>) -> u16 {
        // Ids stay far below the limit: a plan has at most one step per rung and ten more.
        let id = u16::try_from(self.steps.len()).unwrap_or(u16::MAX);
        self.steps.push(Step { id, kind, after, undo: undo(kind) });
        id
    }
}

const fn undo(kind: StepKind) -> Undo {
    match kind {
        StepKind::Entry => Undo::CloseExposure,
        StepKind::Rung(_)
        | StepKind::Stop
        | StepKind::Target
        | StepKind::PositionTpsl
        | StepKind::NewTarget
        | StepKind::NewStop => Undo::CancelOrder,
        StepKind::MarginMode
        | StepKind::Leverage
        | StepKind::Activate
        | StepKind::AmendTarget
        | StepKind::CancelOldTarget
        | StepKind::CancelOldStop
        | StepKind::CancelRung(_)
        | StepKind::CloseExposure
        | StepKind::VerifyFlat
        | StepKind::CancelTarget
        | StepKind::CancelStop
        | StepKind::Finish => Undo::Nothing,
    }
}

const fn after(step: u16, gate: Gate) -> After {
    After { step, gate }
}

fn rung_numbers(intended: &Intended) -> impl Iterator<Item = u8> {
    intended.wishes.iter().filter_map(|wish| match wish {
        Wish::Rung(n) | Wish::NoRung(n) => Some(*n),
        _ => None,
    })
}

fn open(steps: &mut Builder, intended: &Intended, protection: Protection) {
    let mut ready = Vec::new();
    for (wish, kind) in [(Wish::MarginMode, StepKind::MarginMode), (Wish::Leverage, StepKind::Leverage)] {
        if intended.has(wish) {
            let id = steps.push(kind, ready.clone());
            ready.push(after(id, Gate::Accepted));
        }
    }
    let entry = steps.push(StepKind::Entry, if zoo!(EntryBeforeLeverage) { Vec::new() } else { ready });
    let filled = after(entry, Gate::Filled);
    let protector = match protection {
        Protection::Separate => StepKind::Stop,
        Protection::Paired => StepKind::PositionTpsl,
    };
    let mut done = alloc::vec![filled];
    let mut rungs = Vec::new();
    let stop = match intended.sequence {
        Sequence::LadderFirst => {
            let mut before_stop = alloc::vec![filled];
            for n in rung_numbers(intended) {
                let id = steps.push(StepKind::Rung(n), alloc::vec![filled]);
                rungs.push(id);
                before_stop.push(after(id, if zoo!(StopWaitsForRungs) { Gate::Accepted } else { Gate::HandedToWire }));
            }
            steps.push(protector, before_stop)
        }
        Sequence::ProtectFirst => {
            let id = steps.push(protector, alloc::vec![filled]);
            for n in rung_numbers(intended) {
                rungs.push(steps.push(StepKind::Rung(n), alloc::vec![filled, after(id, Gate::Accepted)]));
            }
            id
        }
    };
    done.extend(rungs.iter().map(|id| after(*id, Gate::Settled)));
    done.push(after(stop, Gate::Accepted));
    if protection == Protection::Separate {
        let stop_gate = if zoo!(TargetBeforeStop) { Gate::HandedToWire } else { Gate::Accepted };
        let mut before_target = alloc::vec![after(stop, stop_gate)];
        if intended.sequence == Sequence::ProtectFirst {
            before_target.extend(rungs.iter().map(|id| after(*id, Gate::HandedToWire)));
        }
        let target = steps.push(StepKind::Target, before_target);
        done.push(after(target, Gate::Accepted));
    }
    steps.push(StepKind::Activate, done);
}

fn reprice(steps: &mut Builder, intended: &Intended, capabilities: &Capabilities) {
    let mut stop_first = Vec::new();
    let stop_follows =
        capabilities.protection == Protection::Separate && matches!(capabilities.stop_sizing, StopSizing::Quantity);
    if stop_follows {
        let new_stop = steps.push(StepKind::NewStop, Vec::new());
        stop_first.push(after(new_stop, Gate::Accepted));
        steps.push(StepKind::CancelOldStop, stop_first.clone());
    }
    match reprice_way(intended.target_style, capabilities) {
        Reprice::AmendInPlace => {
            steps.push(StepKind::AmendTarget, stop_first);
        }
        Reprice::MakeBeforeBreak => {
            let new = steps.push(StepKind::NewTarget, stop_first);
            steps.push(StepKind::CancelOldTarget, alloc::vec![after(new, Gate::Accepted)]);
        }
        Reprice::RestatePair => {
            steps.push(StepKind::PositionTpsl, stop_first);
        }
    }
}

fn take_down(steps: &mut Builder, intended: &Intended, protection: Protection) {
    let cancels: Vec<u16> = rung_numbers(intended).map(|n| steps.push(StepKind::CancelRung(n), Vec::new())).collect();
    let mut settled: Vec<After> = cancels.iter().map(|id| after(*id, Gate::Settled)).collect();
    // A resting close-only LIMIT holds the quantity that the close wants; a trigger order does not, and
    // neither does a pair (architecture 4a.13).
    let target_gives_way = intended.goal == Goal::Close
        && intended.target_style == TargetStyle::Limit
        && protection == Protection::Separate;
    let early_target = target_gives_way.then(|| steps.push(StepKind::CancelTarget, Vec::new()));
    if intended.has(Wish::NoExposure) {
        let given_way = early_target.map(|id| after(id, Gate::HandedToWire)).into_iter().collect();
        let close = steps.push(StepKind::CloseExposure, given_way);
        settled.push(after(close, Gate::Settled));
    }
    let flat = after(steps.push(StepKind::VerifyFlat, settled.clone()), Gate::Settled);
    let target = early_target.unwrap_or_else(|| steps.push(StepKind::CancelTarget, alloc::vec![flat]));
    let stop = steps.push(StepKind::CancelStop, alloc::vec![flat]);
    let finish = [flat, after(target, Gate::Settled), after(stop, Gate::Settled)];
    steps.push(StepKind::Finish, settled.into_iter().chain(finish).collect());
}
