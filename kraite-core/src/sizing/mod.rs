//! Sizing: from a margin and a shape to prices and quantities (requirements F).

mod spec;

pub use spec::{Budget, EntryPlan, Fix, LadderSpec, Refusal, Rule, RungPlan, SizingModel, TargetBasis};
