//! Money and quantities: opaque decimal newtypes with exact text, checked operations and nothing else.
//!
//! No float ever holds money, and no operation here rounds silently: what cannot be represented is an
//! [`ArithmeticError`]. Rounding to a tick or a lot lives in [`crate::rounding`].

mod small;

use alloc::string::String;
use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use small::Number;

/// The largest number of significant digits accepted from text; venues send at most 20.
pub const MAX_DIGITS: usize = 28;

/// An operation on money or quantities had no exact, representable result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error, Serialize, Deserialize)]
#[repr(u64)] // A word, so that results are moved by words.
pub enum ArithmeticError {
    /// The result has more digits than 96 bits hold.
    #[error("number out of range")]
    Overflow,
    /// A division by zero.
    #[error("division by zero")]
    DivisionByZero,
}

/// A text is not a plain decimal number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a plain decimal number ({reason})")]
pub struct ParseNumberError {
    /// The offending text, cut to 40 characters.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

fn parse_plain(text: &str) -> Result<Decimal, ParseNumberError> {
    let fail = |reason| ParseNumberError { text: text.chars().take(40).collect(), reason };
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() {
        return Err(fail("empty"));
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    if whole.is_empty() || fraction.is_empty() {
        return Err(fail("a digit is needed on both sides of the point"));
    }
    if !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return Err(fail("only digits, one point and a leading minus are allowed"));
    }
    let significant = whole.trim_start_matches('0').len().saturating_add(fraction.trim_end_matches('0').len());
    if significant > MAX_DIGITS {
        return Err(fail("more than 28 digits"));
    }
    let fraction = if fraction.len() > MAX_DIGITS { fraction.trim_end_matches('0') } else { fraction };
    let mut plain = String::with_capacity(text.len());
    if text.starts_with('-') {
        plain.push('-');
    }
    plain.push_str(whole);
    if !fraction.is_empty() {
        plain.push('.');
        plain.push_str(fraction);
    }
    Decimal::from_str_exact(&plain).map_err(|_| fail("out of range"))
}

/// Which is larger.
#[inline]
fn compare(one: Number, other: Number) -> Ordering {
    small::compare(one, other).unwrap_or_else(|| one.decimal().cmp(&other.decimal()))
}

/// The sum.
#[inline(always)]
fn sum(one: Number, other: Number) -> Result<Number, ArithmeticError> {
    if other.is_zero() {
        return Ok(one);
    }
    small::sum(one, other).or_else(|| wide_sum(one, other)).ok_or(ArithmeticError::Overflow)
}

#[cold]
fn wide_sum(one: Number, other: Number) -> Option<Number> {
    if one.is_zero() {
        return Some(other);
    }
    one.decimal().checked_add(other.decimal()).map(Number::from)
}

/// The product.
#[inline(always)]
fn product(one: Number, other: Number) -> Result<Number, ArithmeticError> {
    small::product(one, other).or_else(|| wide_product(one, other)).ok_or(ArithmeticError::Overflow)
}

#[cold]
fn wide_product(one: Number, other: Number) -> Option<Number> {
    one.decimal().checked_mul(other.decimal()).map(Number::from)
}

/// What is left of the first after whole multiples of the second; `None` where the second is zero.
pub(crate) fn rest(one: Decimal, other: Decimal) -> Option<Decimal> {
    let small = small::rest(Number::from(one), Number::from(other)).map(Number::decimal);
    small.or_else(|| one.checked_rem(other))
}

/// A quotient with as many digits as the text form takes, so that it survives a round trip.
fn quotient(dividend: Number, divisor: Number) -> Result<Number, ArithmeticError> {
    if divisor.is_zero() {
        return Err(ArithmeticError::DivisionByZero);
    }
    let exact = dividend.decimal().checked_div(divisor.decimal()).ok_or(ArithmeticError::Overflow)?;
    exact.round_sf(28).map(Number::from).ok_or(ArithmeticError::Overflow)
}

macro_rules! decimal_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $name(Number);

        impl Ord for $name {
            #[inline]
            fn cmp(&self, other: &Self) -> Ordering {
                compare(self.0, other.0)
            }
        }

        impl PartialOrd for $name {
            #[inline]
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl $name {
            /// Zero.
            pub const ZERO: Self = Self(Number::ZERO);

            /// A decimal as such a value.
            pub(crate) fn of(value: Decimal) -> Self {
                Self(Number::from(value))
            }

            /// The plain decimal.
            pub(crate) fn decimal(self) -> Decimal {
                self.0.decimal()
            }

            /// `units` x 10^-`scale`, for example `(15023, 2)` is 150.23; `None` if scale is above 28.
            #[must_use]
            pub fn from_units(units: i64, scale: u32) -> Option<Self> {
                if scale > Decimal::MAX_SCALE { None } else { Number::of_units(units, scale).map(Self) }
            }

            /// The sum, exact.
            #[inline(always)]
            pub fn checked_add(self, other: Self) -> Result<Self, ArithmeticError> {
                sum(self.0, other.0).map(Self)
            }

            /// The difference, exact.
            #[inline]
            pub fn checked_sub(self, other: Self) -> Result<Self, ArithmeticError> {
                sum(self.0, other.0.negated()).map(Self)
            }

            /// The same size with the opposite sign.
            #[must_use]
            pub fn negated(self) -> Self {
                Self(self.0.negated())
            }

            /// The size without its sign.
            #[must_use]
            pub fn abs(self) -> Self {
                Self(self.0.abs())
            }

            /// True for zero.
            #[must_use]
            #[inline]
            pub fn is_zero(self) -> bool {
                self.0.is_zero()
            }

            /// True above zero.
            #[must_use]
            #[inline]
            pub fn is_positive(self) -> bool {
                !self.0.is_zero() && !self.0.is_negative()
            }

            /// True below zero.
            #[must_use]
            #[inline]
            pub fn is_negative(self) -> bool {
                self.0.is_negative()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.write(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.decimal())
            }
        }

        impl FromStr for $name {
            type Err = ParseNumberError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse_plain(text).map(Self::of)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(&self.decimal())
                } else {
                    let value = self.decimal();
                    (value.mantissa(), value.scale()).serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = <alloc::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                    text.parse().map_err(D::Error::custom)
                } else {
                    let (mantissa, scale) = <(i128, u32)>::deserialize(deserializer)?;
                    Decimal::try_from_i128_with_scale(mantissa, scale)
                        .map(Self::of)
                        .map_err(|_| D::Error::custom("number out of range"))
                }
            }
        }
    };
}

decimal_newtype! {
    /// A price in quote units per base unit, for example USDT per BTC.
    Price
}
decimal_newtype! {
    /// A quantity in base units (or contracts where the instrument says so).
    Qty
}
decimal_newtype! {
    /// An amount of quote currency: a notional, a margin, a fee, a profit. May be negative.
    Notional
}
decimal_newtype! {
    /// A percentage: `Percent` 8.5 is 8.5 %, a factor of 0.085.
    Percent
}
decimal_newtype! {
    /// A plain factor: a ladder multiplier, a fee or funding rate (0.0004 is 4 basis points).
    Factor
}

impl Price {
    /// Price x quantity.
    #[inline(always)]
    pub fn checked_mul(self, qty: Qty) -> Result<Notional, ArithmeticError> {
        product(self.0, qty.0).map(Notional)
    }

    /// This price moved up by `percent` (down for a negative one), not rounded to a tick.
    pub fn shifted_by(self, percent: Percent) -> Result<Self, ArithmeticError> {
        let factor = percent.decimal().checked_div(Decimal::ONE_HUNDRED).ok_or(ArithmeticError::Overflow)?;
        let factor = Decimal::ONE.checked_add(factor).ok_or(ArithmeticError::Overflow)?;
        self.decimal().checked_mul(factor).map(Self::of).ok_or(ArithmeticError::Overflow)
    }

    /// How many whole ticks this price is, `None` when it is off the grid or out of range.
    #[must_use]
    pub fn to_ticks(self, tick: Self) -> Option<i64> {
        if let Some((price, tick)) = small::aligned(self.0, tick.0) {
            return if price.checked_rem(tick)? == 0 { price.checked_div(tick) } else { None };
        }
        let steps = self.decimal().checked_div(tick.decimal())?;
        if !steps.fract().is_zero() {
            return None;
        }
        i64::try_from(steps).ok()
    }

    /// The price of `ticks` whole ticks.
    pub fn from_ticks(ticks: i64, tick: Self) -> Result<Self, ArithmeticError> {
        if let Some(price) = Number::of_units(ticks, 0).and_then(|ticks| small::product(ticks, tick.0)) {
            return Ok(Self(price));
        }
        Decimal::from(ticks).checked_mul(tick.decimal()).map(Self::of).ok_or(ArithmeticError::Overflow)
    }
}

impl Qty {
    /// This quantity times a factor, not rounded to a lot.
    pub fn scaled_by(self, factor: Factor) -> Result<Self, ArithmeticError> {
        product(self.0, factor.0).map(Self)
    }
}

impl Notional {
    /// Notional / quantity: an average price with up to 28 significant digits.
    pub fn checked_div_qty(self, qty: Qty) -> Result<Price, ArithmeticError> {
        quotient(self.0, qty.0).map(Price)
    }

    /// Notional / price: a quantity with up to 28 significant digits, not rounded to a lot.
    pub fn checked_div_price(self, price: Price) -> Result<Qty, ArithmeticError> {
        quotient(self.0, price.0).map(Qty)
    }

    /// Notional x factor: a fee, a funding payment, a bigger notional.
    pub fn scaled_by(self, factor: Factor) -> Result<Self, ArithmeticError> {
        product(self.0, factor.0).map(Self)
    }

    /// The ratio of two amounts with up to 28 significant digits.
    pub fn ratio_to(self, other: Self) -> Result<Factor, ArithmeticError> {
        quotient(self.0, other.0).map(Factor)
    }
}

impl Percent {
    /// The factor this percentage stands for: 8.5 % is 0.085.
    pub fn as_factor(self) -> Result<Factor, ArithmeticError> {
        self.decimal().checked_div(Decimal::ONE_HUNDRED).map(Factor::of).ok_or(ArithmeticError::Overflow)
    }
}

impl Factor {
    /// One.
    pub const ONE: Self = Self(Number::ONE);

    /// A whole number.
    #[must_use]
    pub fn from_integer(value: u32) -> Self {
        Self::of(Decimal::from(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn r22_text_keeps_integer_zeros_and_never_takes_an_exponent() {
        for text in ["1310", "100", "0", "0.00000001", "-12.5", "121964.4"] {
            assert_eq!(text.parse::<Price>().map(|p| p.to_string()), Ok(text.to_string()));
        }
        assert_eq!("1310.00".parse::<Price>().map(|p| p.to_string()), Ok("1310".to_string()));
        for bad in ["", "-", ".", "1.", ".5", "1e5", "+1", " 1", "1_0", "NaN", "1.2.3", "12345678901234567890123456789"]
        {
            assert!(bad.parse::<Price>().is_err(), "{bad}");
        }
    }

    #[test]
    fn r22_json_is_a_string_both_ways() {
        let price: Price = "0.1".parse().unwrap_or_default();
        let json = serde_json::to_string(&price).unwrap_or_default();
        assert_eq!(json, "\"0.1\"");
        assert_eq!(serde_json::from_str::<Price>(&json).ok(), Some(price));
        assert!(serde_json::from_str::<Price>("0.1").is_err(), "a JSON number may have been through a float");
    }
}
