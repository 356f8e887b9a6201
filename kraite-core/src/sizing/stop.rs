//! The stop-loss price (S8).

use alloc::format;

use super::math::{gained, is_past};
use super::spec::{Refusal, Rule};
use crate::exchange::Direction;
use crate::instrument::Instrument;
use crate::number::{Percent, Price};
use crate::rounding::floor_price;

/// The stop `stop` percent beyond `anchor` on the losing side, floored to the tick on both sides.
///
/// `anchor` is the price of the last planned rung, or the opening price without rungs (R45). Flooring
/// widens a LONG stop and tightens a SHORT one by less than a tick (requirements F); where it would bring
/// a SHORT stop back onto the anchor, the next tick is taken, so that the last rung and the stop never
/// meet.
///
/// # Errors
/// [`Rule::PriceRange`] when `stop` is not above zero, or the price is not inside the contract's range.
pub fn stop_price(
    direction: Direction,
    anchor: Price,
    stop: Percent,
    instrument: &Instrument,
) -> Result<Price, Refusal> {
    let refuse = |message| Refusal { rule: Rule::PriceRange, rung: None, message, smallest_fix: None };
    if !stop.is_positive() {
        return Err(refuse(format!("a stop distance of {stop} % puts the stop at or inside the last rung")));
    }
    let out_of_range = |_| refuse(format!("the stop {stop} % beyond {anchor} cannot be computed"));
    let raw = gained(direction, anchor, stop.negated()).map_err(out_of_range)?;
    let mut price = floor_price(raw, instrument.tick).map_err(out_of_range)?;
    if direction == Direction::Short && price <= anchor {
        let below = floor_price(anchor, instrument.tick).map_err(out_of_range)?;
        price = below.checked_add(instrument.tick).map_err(out_of_range)?;
    }
    if !price.is_positive() || price < instrument.min_price {
        let lowest = instrument.min_price;
        return Err(refuse(format!("the stop at {price} is below the contract's lowest price of {lowest}")));
    }
    if let Some(highest) = instrument.max_price.filter(|highest| price > *highest) {
        return Err(refuse(format!("the stop at {price} is above the contract's highest price of {highest}")));
    }
    if !is_past(direction, anchor, price) {
        return Err(refuse(format!("the stop at {price} is not beyond {anchor}")));
    }
    Ok(price)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing::fixtures::instrument;
    use alloc::string::ToString;

    fn stop(direction: Direction, anchor: &str, percent: &str) -> Result<alloc::string::String, Rule> {
        stop_price(direction, anchor.parse().unwrap(), percent.parse().unwrap(), &instrument())
            .map(|p| p.to_string())
            .map_err(|r| r.rule)
    }

    #[test]
    fn f_stop_of_the_worked_examples() {
        assert_eq!(stop(Direction::Long, "99.15", "2.5"), Ok("96.67".to_string()));
        assert_eq!(stop(Direction::Short, "207.31", "2.5"), Ok("212.49".to_string()));
    }

    #[test]
    fn f_a_short_stop_is_never_floored_onto_its_anchor() {
        assert_eq!(stop(Direction::Short, "1.00", "0.1"), Ok("1.01".to_string()));
        assert_eq!(stop(Direction::Long, "1.00", "0.1"), Ok("0.99".to_string()));
    }

    #[test]
    fn f_a_stop_outside_the_contract_is_refused() {
        assert_eq!(stop(Direction::Long, "0.01", "2.5"), Err(Rule::PriceRange));
        assert_eq!(stop(Direction::Long, "100", "100"), Err(Rule::PriceRange));
        assert_eq!(stop(Direction::Long, "100", "0"), Err(Rule::PriceRange));
        let mut bounded = instrument();
        bounded.max_price = Some("101".parse().unwrap());
        let refused = stop_price(Direction::Short, "100".parse().unwrap(), "2.5".parse().unwrap(), &bounded);
        assert_eq!(refused.map_err(|r| r.rule), Err(Rule::PriceRange));
    }
}
