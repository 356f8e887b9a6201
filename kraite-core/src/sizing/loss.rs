//! The worst loss of a ladder: every leg filled, then the stop.

use crate::exchange::Direction;
use crate::number::{ArithmeticError, Notional, Price, Qty};

/// What is lost when all `legs` filled and everything closes at `stop`, in quote currency, without fees.
///
/// A leg beyond the stop counts as zero, never as a gain (requirements F, max pain).
///
/// # Errors
/// When a sum does not fit 96 bits.
pub fn max_loss(
    direction: Direction,
    legs: impl Iterator<Item = (Price, Qty)>,
    stop: Price,
) -> Result<Notional, ArithmeticError> {
    let mut loss = Notional::ZERO;
    for (price, qty) in legs {
        let distance = match direction {
            Direction::Long => price.checked_sub(stop)?,
            Direction::Short => stop.checked_sub(price)?,
        };
        if distance.is_positive() {
            loss = loss.checked_add(distance.checked_mul(qty)?)?;
        }
    }
    Ok(loss)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn loss(direction: Direction, legs: &[(&str, &str)], stop: &str) -> alloc::string::String {
        let legs = legs.iter().map(|(p, q)| (p.parse().unwrap(), q.parse().unwrap()));
        max_loss(direction, legs, stop.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn f_max_loss_vectors() {
        assert_eq!(loss(Direction::Long, &[("100", "2"), ("90", "4")], "80"), "80");
        assert_eq!(loss(Direction::Short, &[("100", "2"), ("110", "3")], "130"), "120");
        let short =
            [("150.23", "0.41"), ("164.50", "0.82"), ("178.77", "1.64"), ("193.04", "3.28"), ("207.31", "6.56")];
        assert_eq!(loss(Direction::Short, &short, "212.49"), "217.956");
    }

    #[test]
    fn f_a_leg_beyond_the_stop_is_no_gain() {
        assert_eq!(loss(Direction::Long, &[("100", "1"), ("70", "5")], "80"), "20");
        assert_eq!(loss(Direction::Short, &[("100", "1"), ("150", "5")], "130"), "30");
    }
}
