//! What a goal takes, before any venue's shape: a list of wishes in order.

use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::step::{Goal, Sequence, TargetStyle};

/// Whether margin mode and leverage still have to be confirmed (R35).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarginSetup {
    /// The plan sets both before the entry.
    Confirm,
    /// Both were read back from the venue for this opening.
    Confirmed,
}

/// The shape of the position a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shape {
    /// How many rungs, 0 to [`crate::MAX_RUNGS`]; they are numbered from 1. Where some are left out, see
    /// [`Intended::without_rungs`].
    pub rungs: u8,
    /// In which order an opening protects itself.
    pub sequence: Sequence,
    /// How the take-profit rests.
    pub target_style: TargetStyle,
    /// Whether an opening sets margin mode and leverage.
    pub margin_setup: MarginSetup,
}

/// One thing a plan wants, in no venue's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// The margin mode is as asked.
    MarginMode,
    /// The leverage is as asked.
    Leverage,
    /// Exposure at the market.
    Entry,
    /// Rung n rests.
    Rung(u8),
    /// The stop is accepted.
    Stop,
    /// The target is accepted.
    Target,
    /// The position counts as active.
    Activate,
    /// The target, and a stop that states a quantity, follow the new exposure.
    Reprice,
    /// Rung n is not open.
    NoRung(u8),
    /// Exposure is taken off.
    NoExposure,
    /// Exposure is proven gone.
    Flat,
    /// The target is not open.
    NoTarget,
    /// The stop is not open.
    NoStop,
    /// The books are closed.
    Finish,
}

/// A plan that no venue has shaped yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Intended {
    /// What it wants to reach.
    pub goal: Goal,
    /// In which order an opening protects itself.
    pub sequence: Sequence,
    /// How the take-profit rests.
    pub target_style: TargetStyle,
    /// What it takes, in order of preference.
    pub wishes: Vec<Wish>,
}

impl Intended {
    /// The same without these rungs: they were dropped while sizing and must not be waited for.
    #[must_use]
    pub fn without_rungs(mut self, dropped: &[u8]) -> Self {
        self.wishes.retain(|wish| !matches!(wish, Wish::Rung(n) | Wish::NoRung(n) if dropped.contains(n)));
        self
    }

    pub(super) fn has(&self, wish: Wish) -> bool {
        self.wishes.contains(&wish)
    }
}

/// What reaching `goal` takes for a position of this shape.
#[must_use]
pub fn plan(goal: Goal, shape: &Shape) -> Intended {
    let rungs = 1..=shape.rungs;
    let wishes = match goal {
        Goal::Open => open(shape),
        Goal::Reprice => vec![Wish::Reprice],
        Goal::Close => rungs
            .map(Wish::NoRung)
            .chain([Wish::NoExposure, Wish::Flat, Wish::NoTarget, Wish::NoStop, Wish::Finish])
            .collect(),
        Goal::Cancel => {
            rungs.map(Wish::NoRung).chain([Wish::Flat, Wish::NoTarget, Wish::NoStop, Wish::Finish]).collect()
        }
    };
    Intended { goal, sequence: shape.sequence, target_style: shape.target_style, wishes }
}

fn open(shape: &Shape) -> Vec<Wish> {
    let mut wishes = Vec::new();
    if shape.margin_setup == MarginSetup::Confirm {
        wishes.extend([Wish::MarginMode, Wish::Leverage]);
    }
    wishes.push(Wish::Entry);
    let rungs = (1..=shape.rungs).map(Wish::Rung);
    match shape.sequence {
        Sequence::LadderFirst => wishes.extend(rungs.chain([Wish::Stop])),
        Sequence::ProtectFirst => wishes.extend(core::iter::once(Wish::Stop).chain(rungs)),
    }
    wishes.extend([Wish::Target, Wish::Activate]);
    wishes
}
