//! Plans: what to do next as a graph of steps, and how a venue's shape changes it.

mod step;

pub use step::{After, Gate, Goal, Plan, Sequence, Step, StepKind, TargetStyle, Undo};
