//! The rules of a contract, applied to single orders.

use alloc::format;
use alloc::string::String;

use super::math::is_past;
use super::spec::{Refusal, Rule, RungPlan};
use crate::exchange::{Direction, Side};
use crate::instrument::Instrument;
use crate::number::{ArithmeticError, Factor, Notional, Percent, Price, Qty};

/// A broken rule in words.
pub(super) type Broken = (Rule, String);

/// The lowest and highest LIMIT price that the band around `mark` leaves to a side.
fn band_limits(
    side: Side,
    mark: Price,
    instrument: &Instrument,
) -> Result<(Option<Price>, Option<Price>), ArithmeticError> {
    let (low, high) = match side {
        Side::Buy => (instrument.band.buy_min, instrument.band.buy_max),
        Side::Sell => (instrument.band.sell_min, instrument.band.sell_max),
    };
    let bound = |factor: Option<Factor>| match factor {
        Some(factor) => super::math::mul(mark.decimal(), factor.decimal()).map(|d| Some(Price::of(d))),
        None => Ok(None),
    };
    Ok((bound(low)?, bound(high)?))
}

/// Checks a LIMIT price against the contract's band around `mark`.
///
/// Trigger prices are not bound by it: a resting LIMIT target is, a trigger-market one is not.
///
/// # Errors
/// [`Rule::PriceBand`] with the broken bound in the message.
pub fn check_band(side: Side, price: Price, mark: Price, instrument: &Instrument) -> Result<(), Refusal> {
    let refuse = |message| Err(Refusal { rule: Rule::PriceBand, rung: None, message, smallest_fix: None });
    match band_limits(side, mark, instrument) {
        Err(_) => refuse(format!("the price band around a mark of {mark} cannot be computed")),
        Ok((Some(low), _)) if price < low => refuse(format!("{price} is below {low}, the band around {mark}")),
        Ok((_, Some(high))) if price > high => refuse(format!("{price} is above {high}, the band around {mark}")),
        Ok(_) => Ok(()),
    }
}

/// Size rules of one order that opens exposure; `most` is the largest quantity of its kind.
///
/// The minimum notional is judged at the rounded price, which is what the venue will see and, being
/// floored, the stricter of the two.
pub(super) fn broken_size(instrument: &Instrument, price: Price, qty: Qty, most: Qty) -> Option<Broken> {
    if !qty.is_positive() {
        return Some((Rule::ZeroQuantity, format!("the quantity rounds to zero at {price}")));
    }
    if qty < instrument.min_qty {
        let least = instrument.min_qty;
        return Some((Rule::MinQuantity, format!("{qty} is below the smallest quantity of {least}")));
    }
    if qty > most {
        return Some((Rule::MaxQuantity, format!("{qty} is above the largest quantity of {most}")));
    }
    match price.checked_mul(qty) {
        Err(_) => Some((Rule::MaxQuantity, format!("{price} x {qty} cannot be computed"))),
        Ok(notional) if notional < instrument.min_notional && !zoo!(InfeasibleRungOpens) => {
            let least = instrument.min_notional;
            Some((Rule::MinNotional, format!("{price} x {qty} = {notional} is below the smallest notional of {least}")))
        }
        Ok(_) => None,
    }
}

/// All rules of one rung that hangs on a reference and is placed at a mark.
pub(super) fn broken_rung(
    direction: Direction,
    instrument: &Instrument,
    reference: Price,
    mark: Price,
    rung: &RungPlan,
) -> Option<Broken> {
    let RungPlan { price, qty, .. } = *rung;
    if !is_past(direction, reference, price) {
        return Some((Rule::PriceRange, format!("{price} is not beyond the reference price of {reference}")));
    }
    if price < instrument.min_price || instrument.max_price.is_some_and(|highest| price > highest) {
        return Some((Rule::PriceRange, format!("{price} is outside the contract's price range")));
    }
    if let Err(refusal) = check_band(direction.opening_side(), price, mark, instrument) {
        return Some((refusal.rule, refusal.message));
    }
    broken_size(instrument, price, qty, instrument.max_qty)
}

/// `reference` moved by `percent` of slip and floored to the tick.
pub(super) fn slipped(reference: Price, percent: Percent, instrument: &Instrument) -> Result<Price, ArithmeticError> {
    crate::rounding::floor_price(reference.shifted_by(percent)?, instrument.tick)
}

/// The sum of price x quantity over `legs`.
pub(super) fn total(legs: impl Iterator<Item = (Price, Qty)>) -> Result<Notional, ArithmeticError> {
    let mut sum = Notional::ZERO;
    for (price, qty) in legs {
        sum = sum.checked_add(price.checked_mul(qty)?)?;
    }
    Ok(sum)
}
