//! Prices and quantities of entry and rungs, before any rule is checked.

use alloc::vec::Vec;

use rust_decimal::Decimal;

use super::math::{add, floor_ratio, gained, mul};
use super::spec::{LadderSpec, SizingModel};
use crate::instrument::Instrument;
use crate::number::{ArithmeticError, Notional, Percent, Price, Qty};
use crate::rounding::{ceil_price, floor_price, floor_qty};

/// Where one rung rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RungPrice {
    pub(super) rung: u8,
    pub(super) price: Price,
    /// True where the contract's range moved it.
    pub(super) clamped: bool,
}

/// `from` x (1 -/+ rung x gap / 100), clamped to the contract's range and floored to the tick.
///
/// The inner error carries a price that is zero or below.
pub(super) fn rung_price(
    spec: &LadderSpec,
    instrument: &Instrument,
    from: Price,
    rung: u8,
) -> Result<Result<RungPrice, Price>, ArithmeticError> {
    let distance = Percent::of(mul(spec.gap.decimal(), Decimal::from(rung))?);
    let raw = gained(spec.direction, from, distance.negated())?;
    if !raw.is_positive() {
        return Ok(Err(raw));
    }
    let inside = inside(raw, instrument);
    let price = on_grid(inside, instrument)?;
    if !price.is_positive() {
        return Ok(Err(price));
    }
    Ok(Ok(RungPrice { rung, price, clamped: inside != raw }))
}

/// The nearest price that lies in the contract's range.
fn inside(price: Price, instrument: &Instrument) -> Price {
    instrument.max_price.map_or(price, |highest| price.min(highest)).max(instrument.min_price)
}

/// `price` clamped to the contract's range and floored to the tick; the lowest tick in the range where that is
/// below it.
pub(super) fn on_grid(price: Price, instrument: &Instrument) -> Result<Price, ArithmeticError> {
    let inside = inside(price, instrument);
    let floored = floor_price(inside, instrument.tick)?;
    if floored < instrument.min_price { ceil_price(inside, instrument.tick) } else { Ok(floored) }
}

/// The weight of each rung over the entry, not rounded: m1, m1 x m2, ...; the last multiplier repeats.
pub(super) fn weights(spec: &LadderSpec) -> Result<Vec<Decimal>, ArithmeticError> {
    let mut weight = Decimal::ONE;
    let mut weights = Vec::new();
    for rung in 0..usize::from(spec.rungs) {
        let multiplier = spec.multipliers.get(rung).or(spec.multipliers.last());
        weight = mul(weight, multiplier.map_or(Decimal::ZERO, |m| m.decimal()))?;
        weights.push(weight);
    }
    Ok(weights)
}

/// How the whole of margin x leverage becomes quantities.
#[derive(Debug, Clone)]
pub(super) struct Slices {
    model: SizingModel,
    /// Margin x leverage.
    capital: Decimal,
    weights: Vec<Decimal>,
    /// What one unit of weight is a share of: 2^(N+1), or the sum of all weights.
    divider: Decimal,
}

impl Slices {
    pub(super) fn new(spec: &LadderSpec, capital: Notional) -> Result<Self, ArithmeticError> {
        let weights = weights(spec)?;
        let divider = match spec.model {
            SizingModel::Unbounded if spec.rungs == 0 => Decimal::ONE,
            SizingModel::Unbounded => {
                let exponent = u32::from(spec.rungs).saturating_add(1);
                let power = 1_u64.checked_shl(exponent).ok_or(ArithmeticError::Overflow)?;
                Decimal::from(power)
            }
            SizingModel::Bounded => weights.iter().try_fold(Decimal::ONE, |sum, w| add(sum, *w))?,
        };
        Ok(Self { model: spec.model, capital: capital.decimal().max(Decimal::ZERO), weights, divider })
    }

    /// The market slice at `reference`, floored to the market lot.
    pub(super) fn entry(&self, reference: Price, market_lot: Qty) -> Result<Qty, ArithmeticError> {
        floor_ratio(self.capital, mul(self.divider, reference.decimal())?, market_lot)
    }

    /// The quantity of a rung at `price` for an entry of `entry`, floored to the lot.
    ///
    /// Unbounded chains on unrounded products of the entry; bounded divides the rung's own notional.
    pub(super) fn rung(&self, rung: u8, price: Price, entry: Qty, lot: Qty) -> Result<Qty, ArithmeticError> {
        let index = usize::from(rung).checked_sub(1);
        let weight = index.and_then(|i| self.weights.get(i)).copied().unwrap_or_default();
        match self.model {
            SizingModel::Unbounded => floor_qty(Qty::of(mul(entry.decimal(), weight)?), lot),
            SizingModel::Bounded => floor_ratio(mul(self.capital, weight)?, mul(self.divider, price.decimal())?, lot),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Direction;
    use crate::sizing::fixtures::{instrument, spec};
    use alloc::string::ToString;
    use alloc::vec;

    fn notional(text: &str) -> Notional {
        text.parse().unwrap()
    }

    #[test]
    fn f_chaining_uses_unrounded_quantities() {
        let mut spec = spec(Direction::Long, SizingModel::Unbounded);
        spec.multipliers = vec!["1.5".parse().unwrap()];
        let slices = Slices::new(&spec, notional("2000")).unwrap();
        let entry: Qty = "0.41".parse().unwrap();
        let qty = |rung| slices.rung(rung, Price::ZERO, entry, "0.01".parse().unwrap()).unwrap().to_string();
        assert_eq!([qty(1), qty(2)], ["0.61".to_string(), "0.92".to_string()]);
    }

    #[test]
    fn f_bounded_slices_of_a_budget_of_2000() {
        let spec = spec(Direction::Short, SizingModel::Bounded);
        let slices = Slices::new(&spec, notional("2000")).unwrap();
        let one = "1".parse().unwrap();
        let fine = "0.001".parse().unwrap();
        assert_eq!(slices.entry(one, fine).unwrap().to_string(), "64.516");
        assert_eq!(slices.rung(4, one, Qty::ZERO, fine).unwrap().to_string(), "1032.258");
    }

    #[test]
    fn f_rung_prices_are_clamped_to_the_contract() {
        let mut bounds = instrument();
        bounds.min_price = "120.005".parse().unwrap();
        let spec = spec(Direction::Long, SizingModel::Unbounded);
        let at = |rung| rung_price(&spec, &bounds, "150.23".parse().unwrap(), rung).unwrap().unwrap();
        assert_eq!((at(1).price.to_string(), at(1).clamped), ("137.46".to_string(), false));
        assert_eq!((at(4).price.to_string(), at(4).clamped), ("120.01".to_string(), true));
    }

    #[test]
    fn f_a_quotient_rounded_up_to_the_next_lot_buys_none() {
        let lot: Qty = "1".parse().unwrap();
        let den = Decimal::from_str_exact("9000000000000000000000000000").unwrap();
        let num = Decimal::from_str_exact("71999999999999999999999999999").unwrap();
        assert_eq!((num / den).normalize().to_string(), "8");
        assert_eq!(floor_ratio(num, den, lot).unwrap().to_string(), "7");
        assert_eq!(floor_ratio(num, Decimal::ZERO, lot), Err(ArithmeticError::DivisionByZero));
    }
}
