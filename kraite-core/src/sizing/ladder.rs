//! The sized ladder, and the draft of one that may be refused (R26, requirements F).

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::attempt::attempt;
use super::fix::smallest_fix;
use super::math::readable;
use super::spec::{Budget, EntryPlan, LadderSpec, Refusal, Rule, RungPlan, SizingModel};
use crate::exchange::Direction;
use crate::instrument::Instrument;
use crate::number::{ArithmeticError, Factor, Notional, Price};
use crate::plan::TargetStyle;

/// What a ladder is sized from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeRequest<'a> {
    /// The contract.
    pub instrument: &'a Instrument,
    /// The shape wanted.
    pub spec: &'a LadderSpec,
    /// What it may use.
    pub budget: &'a Budget,
    /// A fresh mark price; its age is the caller's to judge (R29).
    pub mark: Price,
}

/// A rung that is left out, on record (R48).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DroppedRung {
    /// Its number, from 1.
    pub rung: u8,
    /// The rule it would break.
    pub rule: Rule,
}

/// A sized ladder that broke no rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ladder {
    /// Long or short.
    pub direction: Direction,
    /// How its sizes were derived.
    pub model: SizingModel,
    /// The leverage chosen, from 1.
    pub leverage: u32,
    /// Margin x leverage: what entry and rungs may cost together.
    pub capital: Notional,
    /// The market slice.
    pub entry: EntryPlan,
    /// The rungs, nearest first; their numbers have gaps where rungs were dropped.
    pub rungs: Vec<RungPlan>,
    /// Rungs whose quantity rounds to zero: a warning, not a refusal.
    pub dropped: Vec<DroppedRung>,
    /// Numbers of rungs that the contract's price range moved.
    pub clamped: Vec<u8>,
    /// The take-profit while only the entry has filled.
    pub target: Price,
    /// The stop-loss.
    pub stop: Price,
    /// What is lost when every rung fills and then the stop, without fees.
    pub max_loss: Notional,
    /// What is won when every rung fills and then the target of that average entry, without fees.
    pub full_ladder_profit: Notional,
    /// What entry and rungs cost together.
    pub total_notional: Notional,
}

impl Ladder {
    /// How many full-ladder wins one stop costs: [`Self::max_loss`] / [`Self::full_ladder_profit`].
    ///
    /// # Errors
    /// When a full ladder earns nothing.
    pub fn loss_to_win(&self) -> Result<Factor, ArithmeticError> {
        self.max_loss.ratio_to(self.full_ladder_profit).map(|f| Factor::of(readable(f.decimal())))
    }
}

/// A ladder as far as it could be sized, and why it is refused, if it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Draft {
    /// Long or short.
    pub direction: Direction,
    /// How its sizes were derived.
    pub model: SizingModel,
    /// The leverage it is sized at; 1 where no bracket holds it.
    pub leverage: Option<u32>,
    /// Margin x leverage.
    pub capital: Option<Notional>,
    /// The market slice.
    pub entry: Option<EntryPlan>,
    /// The rungs, nearest first, those that break a rule included.
    pub rungs: Vec<RungPlan>,
    /// Rungs whose quantity rounds to zero.
    pub dropped: Vec<DroppedRung>,
    /// Numbers of rungs that the contract's price range moved.
    pub clamped: Vec<u8>,
    /// The take-profit while only the entry has filled.
    pub target: Option<Price>,
    /// True where the contract's price range moved the take-profit nearer to the entry than was asked for.
    pub target_clamped: bool,
    /// The stop-loss.
    pub stop: Option<Price>,
    /// See [`Ladder::max_loss`].
    pub max_loss: Option<Notional>,
    /// See [`Ladder::full_ladder_profit`].
    pub full_ladder_profit: Option<Notional>,
    /// See [`Ladder::total_notional`].
    pub total_notional: Option<Notional>,
    /// The first rule it breaks; `None` for a ladder that may be opened.
    pub refused: Option<Refusal>,
}

impl Draft {
    pub(super) const fn empty(direction: Direction, model: SizingModel) -> Self {
        Self {
            direction,
            model,
            leverage: None,
            capital: None,
            entry: None,
            rungs: Vec::new(),
            dropped: Vec::new(),
            clamped: Vec::new(),
            target: None,
            target_clamped: false,
            stop: None,
            max_loss: None,
            full_ladder_profit: None,
            total_notional: None,
            refused: None,
        }
    }

    /// See [`Ladder::loss_to_win`]; `None` where it cannot be computed.
    #[must_use]
    pub fn loss_to_win(&self) -> Option<Factor> {
        self.max_loss?.ratio_to(self.full_ladder_profit?).ok().map(|f| Factor::of(readable(f.decimal())))
    }

    fn complete(self) -> Option<Ladder> {
        Some(Ladder {
            direction: self.direction,
            model: self.model,
            leverage: self.leverage?,
            capital: self.capital?,
            entry: self.entry?,
            rungs: self.rungs,
            dropped: self.dropped,
            clamped: self.clamped,
            target: self.target?,
            stop: self.stop?,
            max_loss: self.max_loss?,
            full_ladder_profit: self.full_ladder_profit?,
            total_notional: self.total_notional?,
        })
    }
}

/// Sizes a ladder as far as it goes and says why it is refused, if it is.
///
/// Total: whatever the input, nothing panics and an overflow is a refusal. Assumes a trigger-market
/// target; see [`draft_for`].
#[must_use]
pub fn draft(request: &SizeRequest<'_>) -> Draft {
    draft_for(request, TargetStyle::TriggerMarket)
}

/// [`draft`] for a target style: a LIMIT target pays the maker fee and is bound by the price band.
#[must_use]
pub fn draft_for(request: &SizeRequest<'_>, style: TargetStyle) -> Draft {
    let tried = attempt(request, style);
    let mut draft = tried.draft;
    if let Some(broken) = tried.violations.into_iter().next() {
        let smallest_fix = smallest_fix(request, style, &broken);
        draft.refused = Some(Refusal { rule: broken.rule, rung: broken.rung, message: broken.message, smallest_fix });
    }
    draft
}

/// The ladder of a request that breaks no rule.
///
/// # Errors
/// The first broken rule, the same that [`draft`] shows.
pub fn size(request: &SizeRequest<'_>) -> Result<Ladder, Refusal> {
    size_for(request, TargetStyle::TriggerMarket)
}

/// [`size`] for a target style; see [`draft_for`].
///
/// # Errors
/// The first broken rule, the same that [`draft_for`] shows.
pub fn size_for(request: &SizeRequest<'_>, style: TargetStyle) -> Result<Ladder, Refusal> {
    let mut draft = draft_for(request, style);
    match draft.refused.take() {
        Some(refusal) => Err(refusal),
        None => draft.complete().ok_or_else(|| Refusal {
            rule: Rule::PriceRange,
            rung: None,
            message: "the ladder cannot be computed".into(),
            smallest_fix: None,
        }),
    }
}
