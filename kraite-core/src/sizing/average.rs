//! Average entry and break-even, computed from our own fills only (architecture 4a.11).

use super::math::readable;
use crate::exchange::Direction;
use crate::number::{ArithmeticError, Factor, Notional, Price, Qty};

/// The quantity-weighted average price of `fills`, up to 28 digits, not rounded to a tick.
///
/// `None` when nothing has filled.
///
/// # Errors
/// When a sum does not fit 96 bits.
pub fn average_entry(fills: impl Iterator<Item = (Price, Qty)>) -> Result<Option<Price>, ArithmeticError> {
    let mut cost = Notional::ZERO;
    let mut total = Qty::ZERO;
    for (price, qty) in fills {
        cost = cost.checked_add(price.checked_mul(qty)?)?;
        total = total.checked_add(qty)?;
    }
    if total.is_zero() { Ok(None) } else { cost.checked_div_qty(total).map(|p| Some(Price::of(readable(p.decimal())))) }
}

/// The price at which closing earns exactly the fees of entry and exit, not rounded to a tick: LONG sells at
/// average x (1 + entry fee) / (1 - exit fee), SHORT buys back at average x (1 - entry fee) / (1 + exit fee).
///
/// `entry_fee` and `exit_fee` are rates of notional (0.0005 is 5 basis points), negative for rebates.
/// Funding is left out.
///
/// # Errors
/// When an exit fee of 100 % makes it infinite, or the result does not fit 96 bits.
pub fn break_even(
    direction: Direction,
    average: Price,
    entry_fee: Factor,
    exit_fee: Factor,
) -> Result<Price, ArithmeticError> {
    let one = Qty::of(rust_decimal::Decimal::ONE);
    let cost = average.checked_mul(one)?;
    let fee = cost.scaled_by(entry_fee)?;
    let (earned, kept) = match direction {
        Direction::Long => (cost.checked_add(fee)?, Factor::ONE.checked_sub(exit_fee)?),
        Direction::Short => (cost.checked_sub(fee)?, Factor::ONE.checked_add(exit_fee)?),
    };
    earned.checked_div_qty(one.scaled_by(kept)?).map(|p| Price::of(readable(p.decimal())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn fills(of: &[(&str, &str)]) -> Option<Price> {
        average_entry(of.iter().map(|(p, q)| (p.parse().unwrap(), q.parse().unwrap()))).unwrap()
    }

    #[test]
    fn f_average_entry_after_each_rung() {
        let long = [("150.23", "0.41"), ("137.46", "0.82"), ("124.69", "1.64"), ("111.92", "3.28"), ("99.15", "6.56")];
        let expected = ["150.23", "141.71666667", "131.98714286", "121.28466667", "109.86032258"];
        for (n, text) in expected.iter().enumerate() {
            let average = fills(&long[..=n]).unwrap();
            assert_eq!(average.decimal().round_dp(8).normalize().to_string(), *text);
            assert_eq!(average.to_string().parse(), Ok(average), "the text must be readable");
        }
        assert_eq!(fills(&[]), None);
    }

    #[test]
    fn f_break_even_earns_exactly_the_fees() {
        let rate: Factor = "0.0005".parse().unwrap();
        let average: Price = "100".parse().unwrap();
        let long = break_even(Direction::Long, average, rate, rate).unwrap();
        assert_eq!(long.decimal().round_dp(8).to_string(), "100.10005003");
        let short = break_even(Direction::Short, average, rate, rate).unwrap();
        assert_eq!(short.decimal().round_dp(8).to_string(), "99.90004998");
        assert!(break_even(Direction::Long, average, rate, Factor::ONE).is_err());
    }
}
