//! Plain decimals of any length, and the three roundings that a backtest states.
//!
//! Sums and products are exact however many digits they take: an average entry has 28 digits, and times a percentage it
//! has more than a number of 96 bits holds. Nothing is rounded but by a function of this file.

use std::fmt::{Debug, Display};
use std::num::NonZeroU64;
use std::str::FromStr;

use bigdecimal::{One as _, RoundingMode, Zero as _};

pub(crate) use bigdecimal::BigDecimal as Decimal;

/// A number that is kept with this many significant digits where a division does not end.
const SIGNIFICANT: NonZeroU64 = NonZeroU64::new(28).unwrap();

/// Any number of the product, by its text.
pub(crate) fn decimal(number: impl Display) -> Decimal {
    number.to_string().parse().unwrap()
}

/// A number as one of the product's types.
pub(crate) fn typed<T: FromStr<Err: Debug>>(number: &Decimal) -> T {
    number.normalized().to_plain_string().parse().unwrap()
}

pub(crate) fn zero() -> Decimal {
    Decimal::zero()
}

pub(crate) fn one() -> Decimal {
    Decimal::one()
}

/// The highest multiple of `step` at or below `value`: prices on the tick on both sides, quantities on the lot.
pub(crate) fn floor(value: &Decimal, step: &Decimal) -> Decimal {
    let rest = value % step;
    let down = value - &rest;
    if rest < zero() { (down - step).normalized() } else { down.normalized() }
}

/// The lowest multiple of `step` at or above `value`.
pub(crate) fn ceil(value: &Decimal, step: &Decimal) -> Decimal {
    -floor(&-value, step)
}

/// The highest multiple of `step` that, `times` so much, does not exceed an amount: nothing is rounded but to the step.
pub(crate) fn most(amount: &Decimal, times: &Decimal, step: &Decimal) -> Decimal {
    (floor(amount, &(times * step)) / times).normalized()
}

/// An average, a break-even: 28 significant digits. They are rounded from the 28 or 29 digits that 96 bits hold, and
/// those from a hundred.
pub(crate) fn quotient(dividend: &Decimal, divisor: &Decimal) -> Decimal {
    let held = held(&(dividend / divisor));
    held.with_precision_round(SIGNIFICANT, RoundingMode::HalfEven).normalized()
}

/// As many digits as 96 bits hold, 28 or 29, the nearest ones.
pub(crate) fn held(value: &Decimal) -> Decimal {
    let with = |digits| value.with_precision_round(digits, RoundingMode::HalfEven);
    let longest = with(SIGNIFICANT.saturating_add(1));
    let (digits, _) = longest.as_bigint_and_exponent();
    if digits.bits() <= 96 { longest.normalized() } else { with(SIGNIFICANT).normalized() }
}

/// What `percent` percent of one are: 8.5 is 0.085.
pub(crate) fn share_of(percent: &Decimal) -> Decimal {
    percent * Decimal::new(1.into(), 2)
}
