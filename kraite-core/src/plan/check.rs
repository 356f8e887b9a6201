//! The judge of plans: what must hold for every plan, whoever made it.
//!
//! It shares nothing with [`super::lower`] but the vocabulary, so that each can find the other's mistakes.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::step::{After, Gate, Goal, Plan, Step, StepKind};
use crate::capabilities::{Capabilities, Protection, StopSizing};

/// One thing that is wrong with a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum PlanFault {
    /// A step's id is not its place in the plan, so ids are not unique and rising.
    #[error("step {0} is not in its place")]
    IdOutOfPlace(u16),
    /// An edge does not point to an earlier step, so the plan may have a cycle.
    #[error("step {step} waits for step {after}, which is not earlier")]
    EdgeNotRising {
        /// The waiting step.
        step: u16,
        /// What it waits for.
        after: u16,
    },
    /// The same step twice.
    #[error("{0:?} appears twice")]
    Repeated(StepKind),
    /// A step that the goal needs on such a venue is missing.
    #[error("{0:?} is missing")]
    Missing(StepKind),
    /// A step that has no business in a plan of this goal on such a venue.
    #[error("{0:?} does not belong here")]
    Foreign(StepKind),
    /// A step does not name the step and gate that it must wait for.
    #[error("step {step} does not wait for {needs:?} to be {gate:?}")]
    NotGated {
        /// The step that is let go too early.
        step: u16,
        /// What it must wait for.
        needs: StepKind,
        /// What that must have reached.
        gate: Gate,
    },
    /// A target can be sent although no stop is accepted (R39).
    #[error("step {0} sends a target before the stop is accepted")]
    Unprotected(u16),
    /// A step waits for something that it must not wait for.
    #[error("step {step} must not wait for step {after}")]
    MustNotWait {
        /// The waiting step.
        step: u16,
        /// What it waits for, directly or through other steps.
        after: u16,
    },
    /// The last word of the goal is spoken before this step is done.
    #[error("the plan ends without waiting for step {0}")]
    NotAwaited(u16),
}

/// Proves that a plan is acyclic and protected and keeps the order its goal demands.
///
/// # Errors
/// Everything that is wrong, in order of kind and step.
pub fn check(plan: &Plan, capabilities: &Capabilities) -> Result<(), Vec<PlanFault>> {
    let mut judge = Judge { plan, faults: Vec::new() };
    judge.graph();
    match plan.goal {
        Goal::Open => judge.open(capabilities.protection),
        Goal::Reprice => judge.reprice(capabilities),
        Goal::Close | Goal::Cancel => judge.take_down(capabilities.protection),
    }
    let mut faults = judge.faults;
    faults.sort_unstable();
    faults.dedup();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

struct Judge<'a> {
    plan: &'a Plan,
    faults: Vec<PlanFault>,
}

fn waits_for(step: &Step, earlier: &Step, gate: Gate) -> bool {
    step.after.contains(&After { step: earlier.id, gate })
}

const fn is_rung(step: &Step) -> bool {
    matches!(step.kind, StepKind::Rung(_))
}

const fn is_rung_cancel(step: &Step) -> bool {
    matches!(step.kind, StepKind::CancelRung(_))
}

impl<'a> Judge<'a> {
    fn graph(&mut self) {
        for (place, step) in self.plan.steps.iter().enumerate() {
            if usize::from(step.id) != place {
                self.faults.push(PlanFault::IdOutOfPlace(step.id));
            }
            if self.plan.steps.iter().take(place).any(|earlier| earlier.kind == step.kind) {
                self.faults.push(PlanFault::Repeated(step.kind));
            }
            for edge in step.after.iter().filter(|edge| edge.step >= step.id) {
                self.faults.push(PlanFault::EdgeNotRising { step: step.id, after: edge.step });
            }
        }
    }

    fn steps<F: Fn(&Step) -> bool>(&self, of: F) -> impl Iterator<Item = &'a Step> + use<'a, F> {
        let plan = self.plan;
        plan.steps.iter().filter(move |step| of(step))
    }

    fn only(&mut self, allowed: impl Fn(StepKind) -> bool) {
        let foreign = self.plan.steps.iter().map(|s| s.kind).filter(|kind| !allowed(*kind));
        self.faults.extend(foreign.map(PlanFault::Foreign));
    }

    fn need(&mut self, kind: StepKind) -> Option<&'a Step> {
        let found = self.plan.find(kind);
        if found.is_none() {
            self.faults.push(PlanFault::Missing(kind));
        }
        found
    }

    fn gated(&mut self, step: &Step, earlier: &Step, gate: Gate) {
        if !waits_for(step, earlier, gate) {
            self.faults.push(PlanFault::NotGated { step: step.id, needs: earlier.kind, gate });
        }
    }

    /// True when `step` waits for `earlier`, directly or through others.
    ///
    /// One pass backwards is enough on rising edges; on others the plan is at fault already.
    fn reaches(&self, step: &Step, earlier: u16) -> bool {
        let mut waited: BTreeSet<u16> = step.after.iter().map(|edge| edge.step).collect();
        for next in self.plan.steps.iter().rev() {
            if waited.contains(&next.id) {
                waited.extend(next.after.iter().map(|edge| edge.step));
            }
        }
        waited.contains(&earlier)
    }

    fn independent(&mut self, step: &Step, of: &Step) {
        if self.reaches(step, of.id) {
            self.faults.push(PlanFault::MustNotWait { step: step.id, after: of.id });
        }
    }

    fn ends_after_everything(&mut self, last: &Step) {
        for step in self.steps(|s| s.id != last.id) {
            if !self.reaches(last, step.id) {
                self.faults.push(PlanFault::NotAwaited(step.id));
            }
        }
    }

    fn open(&mut self, protection: Protection) {
        let protector = match protection {
            Protection::Separate => StepKind::Stop,
            Protection::Paired => StepKind::PositionTpsl,
        };
        self.only(|kind| match kind {
            StepKind::MarginMode | StepKind::Leverage | StepKind::Entry | StepKind::Rung(_) | StepKind::Activate => {
                true
            }
            StepKind::Stop | StepKind::Target => protection == Protection::Separate,
            StepKind::PositionTpsl => protection == Protection::Paired,
            _ => false,
        });
        let (entry, stop) = (self.need(StepKind::Entry), self.need(protector));
        let activate = self.need(StepKind::Activate);
        let (Some(entry), Some(stop), Some(activate)) = (entry, stop, activate) else { return };
        for setting in self.steps(|s| matches!(s.kind, StepKind::MarginMode | StepKind::Leverage)) {
            self.gated(entry, setting, Gate::Accepted);
        }
        self.rungs(entry, stop);
        self.gated(stop, entry, Gate::Filled);
        self.gated(activate, entry, Gate::Filled);
        self.gated(activate, stop, Gate::Accepted);
        for rung in self.steps(is_rung) {
            self.gated(activate, rung, Gate::Settled);
        }
        if protection == Protection::Separate
            && let Some(target) = self.need(StepKind::Target)
        {
            if !waits_for(target, stop, Gate::Accepted) {
                self.faults.push(PlanFault::Unprotected(target.id));
            }
            self.gated(activate, target, Gate::Accepted);
        }
        self.ends_after_everything(activate);
    }

    /// Rungs go out together: after the entry, or after the accepted stop when any of them waits for it.
    fn rungs(&mut self, entry: &Step, stop: &Step) {
        let protect_first = self.steps(is_rung).any(|rung| rung.after.iter().any(|edge| edge.step == stop.id));
        for rung in self.steps(is_rung) {
            self.gated(rung, entry, Gate::Filled);
            if protect_first {
                self.gated(rung, stop, Gate::Accepted);
            } else {
                self.gated(stop, rung, Gate::HandedToWire);
            }
            // Anything stronger would leave the position naked for a rung in doubt.
            if stop.after.iter().any(|edge| edge.step == rung.id && edge.gate != Gate::HandedToWire) {
                self.faults.push(PlanFault::MustNotWait { step: stop.id, after: rung.id });
            }
            let allowed = |edge: &&After| edge.step == entry.id || (protect_first && edge.step == stop.id);
            for edge in rung.after.iter().filter(|edge| !allowed(edge)) {
                self.faults.push(PlanFault::MustNotWait { step: rung.id, after: edge.step });
            }
        }
    }

    fn reprice(&mut self, capabilities: &Capabilities) {
        let separate = capabilities.protection == Protection::Separate;
        let stop_follows = separate && capabilities.stop_sizing == StopSizing::Quantity;
        self.only(|kind| match kind {
            StepKind::AmendTarget => true,
            StepKind::NewTarget | StepKind::CancelOldTarget => separate,
            StepKind::NewStop | StepKind::CancelOldStop => stop_follows,
            StepKind::PositionTpsl => !separate,
            _ => false,
        });
        let changes = |s: &Step| matches!(s.kind, StepKind::AmendTarget | StepKind::NewTarget | StepKind::PositionTpsl);
        if self.steps(changes).count() != 1 {
            self.faults.push(PlanFault::Missing(StepKind::AmendTarget));
        }
        if let Some(new) = self.plan.find(StepKind::NewTarget)
            && let Some(old) = self.need(StepKind::CancelOldTarget)
        {
            self.gated(old, new, Gate::Accepted);
        } else if self.plan.find(StepKind::CancelOldTarget).is_some() {
            self.need(StepKind::NewTarget);
        }
        if stop_follows
            && let (Some(new), Some(old)) = (self.need(StepKind::NewStop), self.need(StepKind::CancelOldStop))
        {
            self.gated(old, new, Gate::Accepted);
            for target in self.steps(changes) {
                if !waits_for(target, new, Gate::Accepted) {
                    self.faults.push(PlanFault::Unprotected(target.id));
                }
            }
        }
    }

    fn take_down(&mut self, protection: Protection) {
        let closes = self.plan.goal == Goal::Close;
        self.only(|kind| match kind {
            StepKind::CancelRung(_)
            | StepKind::VerifyFlat
            | StepKind::CancelTarget
            | StepKind::CancelStop
            | StepKind::Finish => true,
            StepKind::CloseExposure => closes,
            _ => false,
        });
        let close = if closes { self.need(StepKind::CloseExposure) } else { None };
        let (flat, finish) = (self.need(StepKind::VerifyFlat), self.need(StepKind::Finish));
        let (stop, target) = (self.need(StepKind::CancelStop), self.need(StepKind::CancelTarget));
        let (Some(flat), Some(finish), Some(stop), Some(target)) = (flat, finish, stop, target) else { return };
        self.gated(stop, flat, Gate::Settled);
        for cancel in self.steps(is_rung_cancel) {
            self.gated(flat, cancel, Gate::Settled);
            for other in self.steps(|s| s.id != cancel.id && !matches!(s.kind, StepKind::Finish)) {
                self.independent(cancel, other);
            }
        }
        if let Some(close) = close {
            self.gated(flat, close, Gate::Settled);
            self.close_is_free(close, target);
        }
        // A target may only go early to let a close through, and a pair never goes leg by leg.
        let gives_way = protection == Protection::Separate
            && close.is_some_and(|close| waits_for(close, target, Gate::HandedToWire));
        if !gives_way {
            self.gated(target, flat, Gate::Settled);
        }
        self.ends_after_everything(finish);
    }

    /// A close waits for nothing but the sending of a LIMIT target's cancel (architecture 4a.13).
    fn close_is_free(&mut self, close: &Step, target: &Step) {
        let allowed = After { step: target.id, gate: Gate::HandedToWire };
        for edge in close.after.iter().filter(|edge| **edge != allowed) {
            self.faults.push(PlanFault::MustNotWait { step: close.id, after: edge.step });
        }
    }
}
