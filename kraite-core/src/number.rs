//! Money and quantities: opaque decimal newtypes with exact text, checked operations and nothing else.
//!
//! No float ever holds money, and no operation here rounds silently: what cannot be represented is an
//! [`ArithmeticError`]. Rounding to a tick or a lot lives in [`crate::rounding`].

pub(crate) mod small;

use alloc::string::String;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::str::FromStr;

use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The largest number of significant digits accepted from text; venues send at most 20.
pub const MAX_DIGITS: usize = 28;

/// An operation on money or quantities had no exact, representable result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error, Serialize, Deserialize)]
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
    Decimal::from_str_exact(&plain).map(canonical).map_err(|_| fail("out of range"))
}

/// The one form of a value: no trailing zeros. What has no point or ends in another digit, as most values do, has it
/// already.
#[inline]
fn canonical(value: Decimal) -> Decimal {
    let mantissa = value.mantissa();
    let whole = value.scale() == 0 && mantissa != 0;
    if whole || mantissa & 1 == 1 {
        return value;
    }
    let ends_in_zero = match u64::try_from(mantissa.unsigned_abs()) {
        Ok(small) => small.is_multiple_of(10),
        Err(_) => mantissa.unsigned_abs().is_multiple_of(10),
    };
    if ends_in_zero { value.normalize() } else { value }
}

/// Which is larger.
#[inline]
fn compare(one: Decimal, other: Decimal) -> Ordering {
    small::compare(one, other).unwrap_or_else(|| one.cmp(&other))
}

/// The product.
#[inline]
fn product(one: Decimal, other: Decimal) -> Result<Decimal, ArithmeticError> {
    if let Some(product) = small::product(one, other) {
        return Ok(product);
    }
    one.checked_mul(other).map(canonical).ok_or(ArithmeticError::Overflow)
}

/// A quotient with as many digits as the text form takes, so that it survives a round trip.
fn quotient(dividend: Decimal, divisor: Decimal) -> Result<Decimal, ArithmeticError> {
    if divisor.is_zero() {
        return Err(ArithmeticError::DivisionByZero);
    }
    let exact = dividend.checked_div(divisor).ok_or(ArithmeticError::Overflow)?;
    exact.round_sf(28).map(canonical).ok_or(ArithmeticError::Overflow)
}

macro_rules! decimal_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, Default)]
        pub struct $name(pub(crate) Decimal);

        impl PartialEq for $name {
            #[inline]
            fn eq(&self, other: &Self) -> bool {
                compare(self.0, other.0).is_eq()
            }
        }

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

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                state.write_u128(u128::from_le_bytes(canonical(self.0).serialize()));
            }
        }

        impl $name {
            /// Zero.
            pub const ZERO: Self = Self(Decimal::ZERO);

            /// `units` x 10^-`scale`, for example `(15023, 2)` is 150.23; `None` if scale is above 28.
            #[must_use]
            pub fn from_units(units: i64, scale: u32) -> Option<Self> {
                Decimal::try_new(units, scale).ok().map(|d| Self(canonical(d)))
            }

            /// The sum, exact.
            #[inline]
            pub fn checked_add(self, other: Self) -> Result<Self, ArithmeticError> {
                if other.0.is_zero() {
                    return Ok(self);
                }
                if self.0.is_zero() {
                    return Ok(other);
                }
                if let Some(sum) = small::sum(self.0, other.0) {
                    return Ok(Self(sum));
                }
                self.0.checked_add(other.0).map(|d| Self(canonical(d))).ok_or(ArithmeticError::Overflow)
            }

            /// The difference, exact.
            #[inline]
            pub fn checked_sub(self, other: Self) -> Result<Self, ArithmeticError> {
                if other.0.is_zero() {
                    return Ok(self);
                }
                if let Some(difference) = small::difference(self.0, other.0) {
                    return Ok(Self(difference));
                }
                self.0.checked_sub(other.0).map(|d| Self(canonical(d))).ok_or(ArithmeticError::Overflow)
            }

            /// The same size with the opposite sign.
            #[must_use]
            pub fn negated(self) -> Self {
                Self(canonical(Decimal::ZERO - self.0))
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
                !self.0.is_zero() && self.0.is_sign_positive()
            }

            /// True below zero.
            #[must_use]
            #[inline]
            pub fn is_negative(self) -> bool {
                !self.0.is_zero() && self.0.is_sign_negative()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseNumberError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse_plain(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(&self.0)
                } else {
                    (self.0.mantissa(), self.0.scale()).serialize(serializer)
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
                        .map(|d| Self(canonical(d)))
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
    pub fn checked_mul(self, qty: Qty) -> Result<Notional, ArithmeticError> {
        product(self.0, qty.0).map(Notional)
    }

    /// This price moved up by `percent` (down for a negative one), not rounded to a tick.
    pub fn shifted_by(self, percent: Percent) -> Result<Self, ArithmeticError> {
        let factor = percent.0.checked_div(Decimal::ONE_HUNDRED).ok_or(ArithmeticError::Overflow)?;
        let factor = Decimal::ONE.checked_add(factor).ok_or(ArithmeticError::Overflow)?;
        self.0.checked_mul(factor).map(|d| Self(canonical(d))).ok_or(ArithmeticError::Overflow)
    }

    /// How many whole ticks this price is, `None` when it is off the grid or out of range.
    #[must_use]
    pub fn to_ticks(self, tick: Self) -> Option<i64> {
        let steps = self.0.checked_div(tick.0)?;
        if !steps.fract().is_zero() {
            return None;
        }
        i64::try_from(steps).ok()
    }

    /// The price of `ticks` whole ticks.
    pub fn from_ticks(ticks: i64, tick: Self) -> Result<Self, ArithmeticError> {
        Decimal::from(ticks).checked_mul(tick.0).map(|d| Self(canonical(d))).ok_or(ArithmeticError::Overflow)
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
        self.0.checked_div(Decimal::ONE_HUNDRED).map(|d| Factor(canonical(d))).ok_or(ArithmeticError::Overflow)
    }
}

impl Factor {
    /// One.
    pub const ONE: Self = Self(Decimal::ONE);

    /// A whole number.
    #[must_use]
    pub fn from_integer(value: u32) -> Self {
        Self(Decimal::from(value))
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
