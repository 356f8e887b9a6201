//! The number under every money type, and arithmetic on small ones: those whose digits an `i64` holds, as nearly all
//! numbers of a market are.
//!
//! Each function gives what the wide arithmetic gives, to the digit, or `None` where it cannot and leaves it to that.

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::num::NonZeroU64;

use rust_decimal::Decimal;

/// A decimal in its one form: no trailing zeros behind the point, no negative zero. So equal numbers are equal field by
/// field. Two words that fit two registers, and what may be missing takes no more room than what is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    /// The low 64 bits of its digits.
    low: u64,
    /// The rest: [`MARK`], the sign, how many of the digits are behind the point, and the high 32 bits of the digits.
    rest: NonZeroU64,
}

/// Always set, so that the word is never zero.
const MARK: NonZeroU64 = NonZeroU64::MIN;
const NEGATIVE: u64 = 2;
const SCALE_AT: u32 = 8;
const HIGH_AT: u32 = 32;
/// How many bits of the digits one word has.
const WORD: u32 = u64::BITS;

/// Where scale, sign and digits lie in the form that is hashed.
const HASHED_SCALE_AT: u32 = 16;
const HASHED_SIGN_AT: u32 = 31;
const HASHED_DIGITS_AT: u32 = 32;

impl Default for Number {
    #[inline]
    fn default() -> Self {
        Self::ZERO
    }
}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let flags = (u128::from(self.scale()) << HASHED_SCALE_AT) | (u128::from(self.is_negative()) << HASHED_SIGN_AT);
        state.write_u128(flags | (self.digits() << HASHED_DIGITS_AT));
    }
}

impl From<Decimal> for Number {
    fn from(value: Decimal) -> Self {
        let small = i64::try_from(value.mantissa()).ok().and_then(|units| Self::of_units(units, value.scale()));
        if let Some(small) = small {
            return small;
        }
        let value = value.normalize();
        let digits = value.mantissa().unsigned_abs();
        let high = u64::try_from(digits >> WORD).unwrap_or(u64::MAX) << HIGH_AT;
        let low = u64::try_from(digits & u128::from(u64::MAX)).unwrap_or(u64::MAX);
        Self { low, rest: rest_of(value.scale(), value.is_sign_negative()) | high }
    }
}

#[inline(always)]
fn rest_of(scale: u32, negative: bool) -> NonZeroU64 {
    MARK | (u64::from(scale) << SCALE_AT) | if negative { NEGATIVE } else { 0 }
}

impl Number {
    pub(super) const ZERO: Self = Self { low: 0, rest: MARK };
    pub(super) const ONE: Self = Self { low: 1, rest: MARK };

    /// The same number for the wide arithmetic.
    pub(super) fn decimal(self) -> Decimal {
        let digits = i128::try_from(self.digits()).unwrap_or(i128::MAX);
        let digits = if self.is_negative() { digits.saturating_neg() } else { digits };
        // A number was a decimal or comes from one, so there is room for it.
        Decimal::try_from_i128_with_scale(digits, self.scale()).unwrap_or_default()
    }

    #[inline(always)]
    const fn high(self) -> u64 {
        self.rest.get() >> HIGH_AT
    }

    #[inline(always)]
    fn digits(self) -> u128 {
        u128::from(self.low) | (u128::from(self.high()) << WORD)
    }

    #[inline(always)]
    const fn scale(self) -> u32 {
        ((self.rest.get() >> SCALE_AT) & 0xFF) as u32
    }

    #[inline(always)]
    pub(super) const fn is_zero(self) -> bool {
        // Zero has one form.
        self.low == 0 && self.rest.get() == MARK.get()
    }

    #[inline(always)]
    pub(super) const fn is_negative(self) -> bool {
        self.rest.get() & NEGATIVE != 0
    }

    #[inline]
    pub(super) fn negated(self) -> Self {
        if self.is_zero() {
            return self;
        }
        Self { rest: MARK | (self.rest.get() ^ NEGATIVE), ..self }
    }

    #[inline]
    pub(super) fn abs(self) -> Self {
        Self { rest: MARK | (self.rest.get() & !NEGATIVE), ..self }
    }

    /// The digits with their sign, without the point.
    #[inline(always)]
    fn units(self) -> Option<i64> {
        if self.high() != 0 {
            return None;
        }
        let units = i64::try_from(self.low).ok()?;
        Some(if self.is_negative() { units.saturating_neg() } else { units })
    }

    /// As a decimal displays itself; one of few digits and without padding is written from its digits.
    pub(super) fn write(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let padded = f.width().is_some() || f.precision().is_some() || f.sign_plus();
        let Some(units) = self.units().filter(|_| !padded) else { return fmt::Display::fmt(&self.decimal(), f) };
        let scale = usize::try_from(self.scale()).unwrap_or(usize::MAX);
        // A sign, a zero, a point, and as many places as a number can have.
        let mut text = [0u8; 3 + Decimal::MAX_SCALE as usize];
        let (mut from, mut rest, mut written) = (text.len(), units.unsigned_abs(), 0usize);
        let mut before = |byte: u8| {
            from = from.saturating_sub(1);
            if let Some(place) = text.get_mut(from) {
                *place = byte;
            }
        };
        while rest > 0 || written <= scale {
            if written == scale && scale > 0 {
                before(b'.');
            }
            before(b'0' | u8::try_from(rest % 10).unwrap_or(0));
            rest /= 10;
            written = written.saturating_add(1);
        }
        if units < 0 {
            before(b'-');
        }
        let digits = text.get(from..).and_then(|digits| str::from_utf8(digits).ok());
        f.write_str(digits.unwrap_or_default())
    }

    /// `units` x 10^-`scale`; `None` where the scale is beyond what there is room for.
    #[inline(always)]
    pub(super) fn of_units(mut units: i64, mut scale: u32) -> Option<Self> {
        if units == 0 {
            return (scale <= Decimal::MAX_SCALE).then_some(Self::ZERO);
        }
        while scale > 0 && units & 1 == 0 && units % 10 == 0 {
            units /= 10;
            scale = scale.saturating_sub(1);
        }
        if scale > Decimal::MAX_SCALE {
            return None;
        }
        Some(Self { low: units.unsigned_abs(), rest: rest_of(scale, units < 0) })
    }
}

/// Powers of ten that an `i64` holds.
const TENS: [i64; 19] = {
    let mut tens = [1; 19];
    let mut at = 1;
    while at < 19 {
        tens[at] = tens[at - 1] * 10;
        at += 1;
    }
    tens
};

#[inline(always)]
fn ten_to(power: u32) -> Option<i64> {
    TENS.get(usize::try_from(power).ok()?).copied()
}

/// Both in whole units of the finer one.
#[inline(always)]
pub(super) fn aligned(one: Number, other: Number) -> Option<(i64, i64)> {
    let (a, b) = (one.units()?, other.units()?);
    let (a_scale, b_scale) = (one.scale(), other.scale());
    Some(if a_scale < b_scale {
        (a.checked_mul(ten_to(b_scale.abs_diff(a_scale))?)?, b)
    } else {
        (a, b.checked_mul(ten_to(a_scale.abs_diff(b_scale))?)?)
    })
}

#[inline(always)]
fn finer(one: Number, other: Number) -> u32 {
    one.scale().max(other.scale())
}

/// Which is larger.
#[inline(always)]
pub(super) fn compare(one: Number, other: Number) -> Option<Ordering> {
    if one.rest == other.rest {
        let sizes = one.low.cmp(&other.low);
        return Some(if one.is_negative() { sizes.reverse() } else { sizes });
    }
    aligned(one, other).map(|(a, b)| a.cmp(&b))
}

/// The sum.
#[inline(always)]
pub(super) fn sum(one: Number, other: Number) -> Option<Number> {
    if one.scale() == other.scale() {
        return Number::of_units(one.units()?.checked_add(other.units()?)?, one.scale());
    }
    let (a, b) = aligned(one, other)?;
    Number::of_units(a.checked_add(b)?, finer(one, other))
}

/// The product.
#[inline(always)]
pub(super) fn product(one: Number, other: Number) -> Option<Number> {
    Number::of_units(one.units()?.checked_mul(other.units()?)?, one.scale().saturating_add(other.scale()))
}

/// What is left of the first after whole multiples of the second, with the sign of the first.
#[inline(always)]
pub(super) fn rest(one: Number, other: Number) -> Option<Number> {
    let (a, b) = aligned(one, other)?;
    Number::of_units(a.checked_rem(b)?, finer(one, other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec::Vec;

    #[test]
    fn r22_a_number_reads_as_its_decimal() {
        struct Shown(Number);
        impl fmt::Display for Shown {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.write(f)
            }
        }
        let units = [0, 1, 5, 9, 10, 99, 105, 6_712_340, i64::MAX, i64::MIN + 1, -1, -250];
        for (units, scale) in units.into_iter().flat_map(|units| (0..=28).map(move |scale| (units, scale))) {
            let decimal = Decimal::try_new(units, scale).unwrap_or_default();
            let number = Number::from(decimal);
            let (wide, shown) = (number.decimal(), Shown(number));
            assert_eq!(format!("{shown}"), format!("{wide}"));
            assert_eq!(format!("{shown:>40}|{shown:+}|{shown:.3}"), format!("{wide:>40}|{wide:+}|{wide:.3}"));
        }
        assert_eq!(format!("{}", Shown(Number::from(Decimal::MIN))), format!("{}", Decimal::MIN));
    }

    #[test]
    fn small_arithmetic_is_what_the_wide_arithmetic_says() {
        let mut state = 7u64;
        let mut draw = |most: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % most
        };
        let mut tried = [0; 5];
        for _ in 0..200_000 {
            let digits = u32::try_from(draw(19)).unwrap_or(0);
            let mut number = || {
                let units = i64::try_from(draw(u64::MAX) << draw(30)).unwrap_or(0) % 10i64.pow(digits);
                let units = if draw(2) == 0 { units } else { -units };
                let number = Decimal::try_new(units, u32::try_from(draw(20)).unwrap_or(0)).unwrap_or_default();
                if draw(4) == 0 { number } else { number.normalize() }
            };
            let (one, other) = (number(), number());
            let wide = [
                one.checked_add(other),
                one.checked_sub(other),
                one.checked_mul(other),
                if other.is_zero() { None } else { one.checked_rem(other) },
            ];
            let (one, other) = (Number::from(one), Number::from(other));
            let small = [sum(one, other), sum(one, other.negated()), product(one, other), rest(one, other)];
            for (at, (small, wide)) in small.into_iter().zip(wide).enumerate() {
                let (Some(small), Some(wide)) = (small, wide) else { continue };
                tried[at] += 1;
                assert_eq!(
                    small.decimal().serialize(),
                    wide.normalize().serialize(),
                    "{at}: {} and {}",
                    one.decimal(),
                    other.decimal()
                );
            }
            if let Some(order) = compare(one, other) {
                tried[4] += 1;
                assert_eq!(order, one.decimal().cmp(&other.decimal()), "{} and {}", one.decimal(), other.decimal());
            }
        }
        assert!(tried.iter().all(|tried| *tried > 80_000), "{tried:?}");
        assert!(sum(Number::from(Decimal::MAX), Number::ONE).is_none());
        assert!(rest(Number::ONE, Number::ZERO).is_none());
    }

    #[test]
    fn a_number_is_the_decimal_that_it_came_from() {
        assert_eq!(size_of::<Result<Number, crate::number::ArithmeticError>>(), size_of::<Number>());
        let texts = ["0", "1.50", "18446744073709551615", "-18446744073709551616.5", "0.0000000000000000000000000001"];
        let some = texts.iter().filter_map(|text| Decimal::from_str_exact(text).ok());
        let all: Vec<Decimal> = some.chain([Decimal::MAX, Decimal::MIN, -Decimal::ZERO]).collect();
        assert_eq!(all.len(), texts.len() + 3);
        for one in &all {
            let number = Number::from(*one);
            assert_eq!(number.decimal().serialize(), one.normalize().serialize(), "{one}");
            assert_eq!(number.negated().decimal(), Decimal::ZERO - one, "{one}");
            assert_eq!(number.abs().decimal(), one.abs(), "{one}");
            assert_eq!((number.is_zero(), number.is_negative()), (one.is_zero(), *one < Decimal::ZERO), "{one}");
            for other in &all {
                assert_eq!(number == Number::from(*other), one == other, "{one} and {other}");
            }
        }
    }
}
