//! What a user asks of one position, and how it is refused.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::exchange::Direction;
use crate::number::{Factor, Notional, Percent, Price, Qty};

/// How the margin becomes sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SizingModel {
    /// The market slice is margin x leverage / 2^(N+1); multipliers weight quantity. Default for LONG.
    Unbounded,
    /// The notionals of entry and rungs add up to margin x leverage; multipliers weight notional.
    /// Default for SHORT, whose rungs grow dearer with every step.
    Bounded,
}

impl SizingModel {
    /// The default of a direction (architecture 4a.12).
    #[must_use]
    pub const fn default_for(direction: Direction) -> Self {
        match direction {
            Direction::Long => Self::Unbounded,
            Direction::Short => Self::Bounded,
        }
    }
}

/// What a target is priced from (architecture 4a.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetBasis {
    /// The average entry of our own fills.
    AverageEntry,
    /// The price at which closing earns exactly the fees, as if every fill took and the target will
    /// ([`super::TargetRequest::at`]).
    BreakEven,
}

/// The shape of one position.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LadderSpec {
    /// Long or short.
    pub direction: Direction,
    /// How many LIMIT rungs, 0 to [`crate::MAX_RUNGS`].
    pub rungs: u8,
    /// The distance between rungs in percent of the reference price.
    pub gap: Percent,
    /// Size of rung i over the one before; the last repeats.
    pub multipliers: Vec<Factor>,
    /// Take-profit distance from the basis in percent.
    pub profit: Percent,
    /// Stop-loss distance from the last rung in percent.
    pub stop: Percent,
    /// How sizes are derived.
    pub model: SizingModel,
    /// What the target is priced from.
    pub basis: TargetBasis,
    /// How far the entry may slip before a rung breaks a rule, in percent; tightens the check, never the
    /// sizes (R27).
    pub headroom: Percent,
}

impl LadderSpec {
    /// The shape of F's examples, which is what the command takes where nothing else is asked for: four rungs, 8.5 %
    /// (LONG) or 9.5 % (SHORT) apart, each twice the one before, 0.36 % profit on the average entry, a stop 2.5 %
    /// beyond the last rung, half a percent of headroom.
    #[must_use]
    pub fn default_for(direction: Direction) -> Self {
        let percent = |units, scale| Percent::from_units(units, scale).unwrap_or_default();
        let tenths = match direction {
            Direction::Long => 85,
            Direction::Short => 95,
        };
        Self {
            direction,
            rungs: 4,
            gap: percent(tenths, 1),
            multipliers: vec![Factor::from_integer(2)],
            profit: percent(36, 2),
            stop: percent(25, 1),
            model: SizingModel::default_for(direction),
            basis: TargetBasis::AverageEntry,
            headroom: percent(5, 1),
        }
    }
}

/// What a position may use.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Budget {
    /// Margin allotted, in quote currency.
    pub margin: Notional,
    /// The account's own leverage cap.
    pub leverage_cap: u32,
}

/// One rung of a sized ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RungPlan {
    /// Its number, from 1 nearest to the entry.
    pub rung: u8,
    /// Limit price, on the tick grid.
    pub price: Price,
    /// Quantity, on the lot grid.
    pub qty: Qty,
}

/// The market slice of a sized ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EntryPlan {
    /// Quantity, on the market lot grid.
    pub qty: Qty,
    /// The mark, floored to the tick.
    pub reference_price: Price,
    /// Quantity x reference price.
    pub notional: Notional,
}

/// The rule a plan breaks; a closed list (the words of `--json`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// An order's notional is below the contract's minimum.
    MinNotional,
    /// An order's quantity is below the contract's minimum.
    MinQuantity,
    /// An order's quantity is above the contract's maximum.
    MaxQuantity,
    /// A price is outside the contract's lowest and highest.
    PriceRange,
    /// A limit price is too far from the mark.
    PriceBand,
    /// The whole ladder needs more margin than is allotted.
    MarginOverrun,
    /// No leverage bracket holds the whole ladder.
    LeverageBracket,
    /// Rounding brings the target to or past the break-even and the grid or band forbids moving it.
    TargetNotProfitable,
    /// A quantity rounds to zero.
    ZeroQuantity,
    /// A rung's price is zero or below.
    RungPriceNotPositive,
    /// More open orders than the contract allows.
    OrderLimit,
}

impl Rule {
    /// Every rule, in documentation order.
    pub const ALL: [Self; 11] = [
        Self::MinNotional,
        Self::MinQuantity,
        Self::MaxQuantity,
        Self::PriceRange,
        Self::PriceBand,
        Self::MarginOverrun,
        Self::LeverageBracket,
        Self::TargetNotProfitable,
        Self::ZeroQuantity,
        Self::RungPriceNotPositive,
        Self::OrderLimit,
    ];

    /// The word used in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::MinNotional => "min_notional",
            Self::MinQuantity => "min_quantity",
            Self::MaxQuantity => "max_quantity",
            Self::PriceRange => "price_range",
            Self::PriceBand => "price_band",
            Self::MarginOverrun => "margin_overrun",
            Self::LeverageBracket => "leverage_bracket",
            Self::TargetNotProfitable => "target_not_profitable",
            Self::ZeroQuantity => "zero_quantity",
            Self::RungPriceNotPositive => "rung_price_not_positive",
            Self::OrderLimit => "order_limit",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The smallest change of one setting that would satisfy the broken rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fix {
    /// The command line flag of the setting, without dashes.
    pub flag: String,
    /// The value to give it.
    pub value: String,
}

/// Why a ladder is refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Which rule.
    pub rule: Rule,
    /// Which rung; `None` for the entry, the target, the stop or the ladder as a whole.
    pub rung: Option<u8>,
    /// One sentence with the numbers.
    pub message: String,
    /// What would fix it, where one setting can.
    pub smallest_fix: Option<Fix>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing::fixtures::spec;

    #[test]
    fn f_the_default_shape_is_that_of_the_examples() {
        for direction in [Direction::Long, Direction::Short] {
            let mut wanted = spec(direction, SizingModel::default_for(direction));
            let mut default = LadderSpec::default_for(direction);
            // The last multiplier repeats.
            (default.multipliers, wanted.multipliers) = (Vec::new(), Vec::new());
            assert_eq!(LadderSpec { headroom: wanted.headroom, ..default }, wanted);
        }
    }
}
