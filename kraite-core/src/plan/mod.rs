//! Plans: what to do next as a graph of steps, and how a venue's shape changes it.

mod check;
mod grid;
mod intended;
mod lower;
mod step;
#[cfg(test)]
mod tests;

pub use check::{PlanFault, check};
pub use grid::{LadderFault, Leg, check_ladder};
pub use intended::{Intended, MarginSetup, Shape, Wish, plan};
pub use lower::{lower, reprice_way};
pub use step::{After, Gate, Goal, Plan, Sequence, Step, StepKind, TargetStyle, Undo};
