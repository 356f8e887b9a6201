//! The take-profit price, at opening and after every fill (R74, R83, architecture 4a.11).

use alloc::format;
use alloc::string::String;

use super::average::break_even;
use super::math::{gained, is_past};
use super::spec::{LadderSpec, Refusal, Rule, TargetBasis};
use crate::exchange::Direction;
use crate::instrument::Instrument;
use crate::number::{ArithmeticError, Percent, Price};
use crate::rounding::{ceil_price, floor_price};

/// What a target is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetRequest<'a> {
    /// Long or short.
    pub direction: Direction,
    /// The price that profit is measured from: average entry, or break-even where so configured.
    pub basis: Price,
    /// The fee-inclusive break-even; the target lies strictly past it. See [`super::break_even`].
    pub break_even: Price,
    /// The distance in percent, above zero.
    pub profit: Percent,
    /// The contract.
    pub instrument: &'a Instrument,
    /// The present mark; a target that it has passed is re-anchored on it. `None` skips that.
    pub mark: Option<Price>,
}

impl<'a> TargetRequest<'a> {
    /// The target of a position at this average entry, wherever the mark is. The planner, the engine, a backtest and a
    /// rebuilt account all ask this way, so that what is planned is what rests.
    ///
    /// The break-even is that of a position whose every fill took, and whose target will: it hangs on no fee that the
    /// exchange tells later.
    ///
    /// # Errors
    /// When the break-even does not fit 96 bits, or a fee of 100 % makes it infinite.
    pub fn at(spec: &LadderSpec, instrument: &'a Instrument, average: Price) -> Result<Self, ArithmeticError> {
        let break_even = break_even(spec.direction, average, instrument.taker_fee, instrument.taker_fee)?;
        let basis = match spec.basis {
            TargetBasis::AverageEntry => average,
            TargetBasis::BreakEven => break_even,
        };
        Ok(Self { direction: spec.direction, basis, break_even, profit: spec.profit, instrument, mark: None })
    }
}

fn refuse(message: String) -> Refusal {
    Refusal { rule: Rule::TargetNotProfitable, rung: None, message, smallest_fix: None }
}

/// The take-profit price: basis x (1 +/- profit), inside the contract's range, floored to the tick.
///
/// Only where that is not strictly past the break-even it moves to the nearest tick that is. Where the
/// mark has passed it already, the mark becomes the basis and the result lies strictly past both, so a
/// target never triggers the moment it is placed.
///
/// # Errors
/// [`Rule::TargetNotProfitable`] when `profit` is not above zero or the contract's range forbids every
/// profitable price.
pub fn target_price(request: &TargetRequest<'_>) -> Result<Price, Refusal> {
    aimed(request).map(|aimed| aimed.price)
}

/// A target price, and whether it is where it was aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Aimed {
    pub(super) price: Price,
    /// True where the contract's range moved it.
    pub(super) clamped: bool,
}

/// [`target_price`], saying whether the contract's range moved it.
pub(super) fn aimed(request: &TargetRequest<'_>) -> Result<Aimed, Refusal> {
    let TargetRequest { direction, basis, break_even, profit, .. } = *request;
    if !profit.is_positive() {
        return Err(refuse(format!("a profit of {profit} % puts the target at or before the entry")));
    }
    let overflow = |_| refuse(format!("the target {profit} % past {basis} cannot be computed"));
    // With rebates the break-even lies before the entry, and a target at the entry would still be none.
    let limit = if is_past(direction, basis, break_even) { basis } else { break_even };
    let first = aim(request, basis, limit).map_err(overflow)?;
    let aimed = match request.mark {
        Some(mark) if !is_past(direction, first.price, mark) => {
            aim(request, mark, if is_past(direction, mark, limit) { mark } else { limit }).map_err(overflow)?
        }
        _ => first,
    };
    let price = aimed.price;
    let in_range = price.is_positive()
        && price >= request.instrument.min_price
        && request.instrument.max_price.is_none_or(|highest| price <= highest);
    if !in_range || !is_past(direction, price, limit) {
        return Err(refuse(format!("no price of the contract is past the break-even of {limit} ({price} is not)")));
    }
    if let Some(mark) = request.mark.filter(|mark| !is_past(direction, price, *mark)) {
        return Err(refuse(format!("no price of the contract is past the mark of {mark} ({price} is not)")));
    }
    Ok(aimed)
}

/// `profit` past `from`, clamped, floored, and moved to the nearest tick strictly past `limit` if needed.
fn aim(request: &TargetRequest<'_>, from: Price, limit: Price) -> Result<Aimed, ArithmeticError> {
    let Instrument { tick, min_price, max_price, .. } = *request.instrument;
    let raw = gained(request.direction, from, request.profit)?;
    let price = floor_price(max_price.map_or(raw, |highest| raw.min(highest)), tick)?;
    let price = if price < min_price { ceil_price(min_price, tick)? } else { price };
    if is_past(request.direction, price, limit) {
        let clamped = raw < min_price || max_price.is_some_and(|highest| raw > highest);
        return Ok(Aimed { price, clamped });
    }
    let price = match request.direction {
        Direction::Long => floor_price(limit, tick)?.checked_add(tick)?,
        Direction::Short => ceil_price(limit, tick)?.checked_sub(tick)?,
    };
    Ok(Aimed { price, clamped: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing::average_entry;
    use crate::sizing::fixtures::instrument;
    use alloc::string::ToString;

    fn target(direction: Direction, basis: &str, mark: Option<&str>) -> Result<String, Rule> {
        with(direction, basis, basis, "0.36", mark, &instrument())
    }

    fn with(
        direction: Direction,
        basis: &str,
        break_even: &str,
        profit: &str,
        mark: Option<&str>,
        instrument: &Instrument,
    ) -> Result<String, Rule> {
        target_price(&TargetRequest {
            direction,
            basis: basis.parse().unwrap(),
            break_even: break_even.parse().unwrap(),
            profit: profit.parse().unwrap(),
            instrument,
            mark: mark.map(|m| m.parse().unwrap()),
        })
        .map(|p| p.to_string())
        .map_err(|r| r.rule)
    }

    fn ok(text: &str) -> Result<String, Rule> {
        Ok(text.to_string())
    }

    #[test]
    fn f_target_at_opening() {
        assert_eq!(target(Direction::Long, "150.23", Some("150.237")), ok("150.77"));
        assert_eq!(target(Direction::Short, "150.23", Some("150.237")), ok("149.68"));
    }

    #[test]
    fn r74_targets_after_each_rung() {
        let sizes = ["0.41", "0.82", "1.64", "3.28", "6.56"];
        let long = ["150.23", "137.46", "124.69", "111.92", "99.15"];
        let short = ["150.23", "164.50", "178.77", "193.04", "207.31"];
        let targets = |direction, prices: [&str; 5]| {
            let after = |rungs: usize| {
                let fills = prices.iter().zip(sizes).take(rungs + 1);
                let fills = fills.map(|(p, q)| (p.parse().unwrap(), q.parse().unwrap()));
                let average = average_entry(fills).unwrap().unwrap();
                target(direction, &average.to_string(), None).unwrap()
            };
            [1, 2, 3, 4].map(after)
        };
        assert_eq!(targets(Direction::Long, long), ["142.22", "132.46", "121.72", "110.25"]);
        assert_eq!(targets(Direction::Short, short), ["159.16", "170", "181.91", "194.63"]);
        assert_eq!(with(Direction::Long, "141.80", "141.80", "0.36", None, &instrument()), ok("142.31"));
    }

    #[test]
    fn r83_a_target_the_mark_has_passed_is_re_anchored() {
        assert_eq!(target(Direction::Long, "150.23", Some("151.10")), ok("151.64"));
        assert_eq!(target(Direction::Short, "150.23", Some("149.40")), ok("148.86"));
    }

    #[test]
    fn r83_rounding_never_brings_a_re_anchored_target_back_to_the_mark() {
        let mut coarse = instrument();
        coarse.tick = "1".parse().unwrap();
        assert_eq!(with(Direction::Long, "100", "100", "0.36", Some("105"), &coarse), ok("106"));
        assert_eq!(with(Direction::Long, "100", "100", "0.36", Some("105.5"), &coarse), ok("106"));
        assert_eq!(with(Direction::Short, "100", "100", "0.36", Some("95"), &coarse), ok("94"));
    }

    #[test]
    fn f_rounding_never_eats_the_profit() {
        let mut coarse = instrument();
        coarse.tick = "0.0005".parse().unwrap();
        assert_eq!(with(Direction::Long, "0.05", "0.05", "0.36", None, &coarse), ok("0.0505"));
        assert_eq!(with(Direction::Long, "0.05", "0.0505", "0.36", None, &coarse), ok("0.051"));
        assert_eq!(with(Direction::Short, "0.05", "0.0498", "0.36", None, &coarse), ok("0.0495"));
        assert_eq!(with(Direction::Short, "0.05", "0.0495", "0.36", None, &coarse), ok("0.049"));
    }

    #[test]
    fn f_a_target_that_cannot_be_profitable_is_refused() {
        let mut narrow = instrument();
        narrow.max_price = Some("150.30".parse().unwrap());
        let refused = Err(Rule::TargetNotProfitable);
        assert_eq!(with(Direction::Long, "150.23", "150.40", "0.36", None, &narrow), refused);
        assert_eq!(with(Direction::Long, "150.23", "150.23", "0.36", None, &narrow), ok("150.3"));
        assert_eq!(with(Direction::Long, "150.23", "150.23", "0", None, &instrument()), refused);
        assert_eq!(with(Direction::Short, "0.01", "0.01", "0.36", None, &instrument()), refused);
        let clamped = |instrument: &Instrument| {
            let price: Price = "150.23".parse().unwrap();
            let request = TargetRequest {
                direction: Direction::Long,
                basis: price,
                break_even: price,
                profit: "0.36".parse().unwrap(),
                instrument,
                mark: None,
            };
            aimed(&request).unwrap().clamped
        };
        assert_eq!((clamped(&narrow), clamped(&instrument())), (true, false));
        let huge = "79228162514264337593543950335";
        let huge = Price::of(rust_decimal::Decimal::from_str_exact(huge).unwrap());
        let request = TargetRequest {
            direction: Direction::Long,
            basis: huge,
            break_even: huge,
            profit: "0.36".parse().unwrap(),
            instrument: &instrument(),
            mark: None,
        };
        assert_eq!(target_price(&request).map_err(|r| r.rule), Err(Rule::TargetNotProfitable));
    }
}
