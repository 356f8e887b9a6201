//! Sizing: from a margin and a shape to prices and quantities (requirements F).

mod after;
mod attempt;
mod average;
mod fix;
#[cfg(test)]
pub(crate) mod fixtures;
mod ladder;
#[cfg(test)]
mod ladder_tests;
mod leverage;
mod loss;
mod math;
mod rebuild;
mod regrid;
mod rules;
mod rungs;
mod spec;
mod stop;
mod target;

pub use after::{AfterRung, after_each_rung};
pub use average::{average_entry, break_even};
pub use ladder::{Draft, DroppedRung, Ladder, SizeRequest, draft, draft_for, size, size_for};
pub use leverage::choose_leverage;
pub use loss::max_loss;
pub(crate) use math::is_past;
pub use rebuild::{Rebuilt, rebuild};
pub use regrid::{regrid, regrid_stop};
pub use rules::check_band;
pub use spec::{Budget, EntryPlan, Fix, LadderSpec, Refusal, Rule, RungPlan, SizingModel, TargetBasis};
pub use stop::stop_price;
pub use target::{TargetRequest, target_price};
