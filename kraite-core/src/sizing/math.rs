//! Checked decimal steps shared by the sizing files.

use rust_decimal::Decimal;

use crate::exchange::Direction;
use crate::number::{ArithmeticError, MAX_DIGITS, Percent, Price, Qty};
use crate::rounding::floor_qty;

pub(super) fn add(a: Decimal, b: Decimal) -> Result<Decimal, ArithmeticError> {
    a.checked_add(b).ok_or(ArithmeticError::Overflow)
}

pub(super) fn sub(a: Decimal, b: Decimal) -> Result<Decimal, ArithmeticError> {
    a.checked_sub(b).ok_or(ArithmeticError::Overflow)
}

pub(super) fn mul(a: Decimal, b: Decimal) -> Result<Decimal, ArithmeticError> {
    a.checked_mul(b).ok_or(ArithmeticError::Overflow)
}

pub(super) fn div(a: Decimal, b: Decimal) -> Result<Decimal, ArithmeticError> {
    if b.is_zero() {
        return Err(ArithmeticError::DivisionByZero);
    }
    a.checked_div(b).ok_or(ArithmeticError::Overflow)
}

/// `value` with at most [`MAX_DIGITS`] significant digits, so that its text can be read back.
///
/// A quotient may have one digit more than the number parser accepts.
pub(super) fn readable(value: Decimal) -> Decimal {
    u32::try_from(MAX_DIGITS).ok().and_then(|digits| value.round_sf(digits)).unwrap_or(value).normalize()
}

/// The largest multiple of `lot` whose product with `den` is at most `num`.
///
/// A quotient has 28 digits and may have been rounded up to the very next lot; the product decides.
pub(super) fn floor_ratio(num: Decimal, den: Decimal, lot: Qty) -> Result<Qty, ArithmeticError> {
    let rough = floor_qty(Qty::of(div(num, den)?), lot)?;
    if mul(rough.decimal(), den)? > num { rough.checked_sub(lot) } else { Ok(rough) }
}

/// `price` moved by `percent` in the direction in which the position gains; negative moves it back.
pub(super) fn gained(direction: Direction, price: Price, percent: Percent) -> Result<Price, ArithmeticError> {
    match direction {
        Direction::Long => price.shifted_by(percent),
        Direction::Short => price.shifted_by(percent.negated()),
    }
}

/// True when `price` lies strictly past `other` in the direction in which the position gains.
pub(crate) fn is_past(direction: Direction, price: Price, other: Price) -> bool {
    match direction {
        Direction::Long => price > other,
        Direction::Short => price < other,
    }
}
