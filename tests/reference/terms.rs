//! What is traded and on what account, as plain decimals.

use kraite_core::capabilities::Protection;
use kraite_core::exchange::{Direction, MarginMode, TriggerBy};
use kraite_core::plan::TargetStyle;
use kraite_core::sizing::{LadderSpec, SizingModel, TargetBasis};
use kraite_sim::backtest::Plan;

use crate::decimal::{Decimal, decimal, one};
use crate::mutants::Mutant;

/// One step of the leverage table.
#[derive(Clone)]
pub(crate) struct Bracket {
    pub(crate) max_leverage: u32,
    /// A position below this is in the bracket.
    pub(crate) cap: Decimal,
    pub(crate) maintenance_ratio: Decimal,
    pub(crate) deduction: Decimal,
}

/// The bounds of a LIMIT price as shares of the mark.
#[derive(Clone)]
pub(crate) struct Band {
    pub(crate) lowest: Option<Decimal>,
    pub(crate) highest: Option<Decimal>,
}

/// A [`Plan`] as a trader would write it down.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) is_long: bool,
    pub(crate) rungs: u8,
    pub(crate) gap: Decimal,
    /// What each order weighs over the entry, which is the first: 1, m1, m1 x m2, and so on, never rounded.
    pub(crate) weights: Vec<Decimal>,
    /// How many parts of weight 1 the capital has.
    pub(crate) parts: Decimal,
    pub(crate) profit: Decimal,
    pub(crate) stop: Decimal,
    pub(crate) headroom: Decimal,
    pub(crate) is_bounded: bool,
    pub(crate) aims_from_break_even: bool,
    pub(crate) margin: Decimal,
    pub(crate) leverage_cap: u32,
    pub(crate) wallet: Decimal,
    pub(crate) is_isolated: bool,
    /// The style that was asked for.
    pub(crate) asks_limit_target: bool,
    /// Triggers watch the last price and not the mark.
    pub(crate) triggers_by_last: bool,
    /// Stop and target are one pair of triggers, whatever was asked for.
    pub(crate) is_paired: bool,
    pub(crate) tick: Decimal,
    pub(crate) lot: Decimal,
    pub(crate) market_lot: Decimal,
    pub(crate) min_qty: Decimal,
    pub(crate) max_qty: Decimal,
    pub(crate) max_market_qty: Decimal,
    pub(crate) min_price: Decimal,
    pub(crate) max_price: Option<Decimal>,
    pub(crate) min_notional: Decimal,
    pub(crate) max_orders: Option<u32>,
    pub(crate) opening_band: Band,
    pub(crate) closing_band: Band,
    pub(crate) brackets: Vec<Bracket>,
    pub(crate) maker: Decimal,
    pub(crate) taker: Decimal,
    pub(crate) liquidation_fee: Decimal,
    /// How much worse than the price a MARKET or triggered order trades, as a share of it.
    pub(crate) slippage: Decimal,
    mutant: Option<Mutant>,
}

impl Terms {
    pub(crate) fn of(plan: &Plan, mutant: Option<Mutant>) -> Self {
        let (spec, contract) = (&plan.spec, &plan.instrument);
        let buys = Band { lowest: contract.band.buy_min.map(decimal), highest: contract.band.buy_max.map(decimal) };
        let sells = Band { lowest: contract.band.sell_min.map(decimal), highest: contract.band.sell_max.map(decimal) };
        let is_long = spec.direction == Direction::Long;
        let (opening_band, closing_band) = if is_long { (buys, sells) } else { (sells, buys) };
        let bracket = |bracket: &kraite_core::instrument::LeverageBracket| Bracket {
            max_leverage: bracket.max_leverage,
            cap: decimal(bracket.notional_cap),
            maintenance_ratio: decimal(bracket.maintenance_ratio),
            deduction: decimal(bracket.maintenance_deduction),
        };
        let weights = weights(spec);
        let is_bounded = spec.model == SizingModel::Bounded;
        let parts = match spec.rungs {
            _ if is_bounded => weights.iter().sum(),
            0 => one(),
            rungs => Decimal::from(2_u64.pow(u32::from(rungs) + 1)),
        };
        Self {
            is_long,
            rungs: spec.rungs,
            gap: decimal(spec.gap),
            weights,
            parts,
            profit: decimal(spec.profit),
            stop: decimal(spec.stop),
            headroom: decimal(spec.headroom),
            is_bounded,
            aims_from_break_even: spec.basis == TargetBasis::BreakEven,
            margin: decimal(plan.budget.margin),
            leverage_cap: plan.budget.leverage_cap,
            wallet: decimal(plan.wallet),
            is_isolated: plan.margin_mode == MarginMode::Isolated,
            asks_limit_target: plan.target_style == TargetStyle::Limit,
            triggers_by_last: plan.stop_by == TriggerBy::Last,
            is_paired: plan.profile.capabilities.protection == Protection::Paired,
            tick: decimal(contract.tick),
            lot: decimal(contract.lot),
            market_lot: decimal(contract.market_lot),
            min_qty: decimal(contract.min_qty),
            max_qty: decimal(contract.max_qty),
            max_market_qty: decimal(contract.max_market_qty),
            min_price: decimal(contract.min_price),
            max_price: contract.max_price.map(decimal),
            min_notional: decimal(contract.min_notional),
            max_orders: contract.max_orders,
            opening_band,
            closing_band,
            brackets: contract.brackets.iter().map(bracket).collect(),
            maker: decimal(contract.maker_fee),
            taker: decimal(contract.taker_fee),
            liquidation_fee: decimal(plan.profile.quirks.liquidation_fee),
            slippage: decimal(plan.slippage),
            mutant,
        }
    }

    /// Whether this rule is to be wrong.
    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}

/// The last multiplier repeats.
fn weights(spec: &LadderSpec) -> Vec<Decimal> {
    let multiplier = |n: usize| spec.multipliers.get(n).or(spec.multipliers.last()).map_or_else(one, decimal);
    let mut weights = vec![one()];
    for n in 0..usize::from(spec.rungs) {
        weights.push(&weights[n] * multiplier(n));
    }
    weights
}
