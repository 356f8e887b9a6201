//! Arithmetic on small decimals: those whose digits an `i64` holds, as nearly all numbers of a market are.
//!
//! Each function gives what the wide arithmetic gives, to the digit, or `None` where it cannot and leaves it to that.

use core::cmp::Ordering;

use rust_decimal::Decimal;

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

/// The digits of a value with its sign, without the point.
#[inline(always)]
fn units(value: Decimal) -> Option<i64> {
    i64::try_from(value.mantissa()).ok()
}

#[inline(always)]
fn ten_to(power: u32) -> Option<i64> {
    TENS.get(usize::try_from(power).ok()?).copied()
}

/// The one form of `units` x 10^-`scale`: no trailing zeros.
#[inline(always)]
fn reduced(mut units: i64, mut scale: u32) -> Option<Decimal> {
    if units == 0 {
        return Some(Decimal::ZERO);
    }
    while scale > 0 && units & 1 == 0 && units % 10 == 0 {
        units /= 10;
        scale -= 1;
    }
    Decimal::try_new(units, scale).ok()
}

/// Both in whole units of the finer one.
#[inline(always)]
fn aligned(one: Decimal, other: Decimal) -> Option<(i128, i128)> {
    let (a, b) = (units(one)?, units(other)?);
    let (a_scale, b_scale) = (one.scale(), other.scale());
    Some(if a_scale < b_scale {
        (i128::from(a) * i128::from(ten_to(b_scale - a_scale)?), i128::from(b))
    } else {
        (i128::from(a), i128::from(b) * i128::from(ten_to(a_scale - b_scale)?))
    })
}

/// Which is larger.
#[inline(always)]
pub(super) fn compare(one: Decimal, other: Decimal) -> Option<Ordering> {
    if one.scale() == other.scale() {
        return Some(one.mantissa().cmp(&other.mantissa()));
    }
    aligned(one, other).map(|(a, b)| a.cmp(&b))
}

/// The sum.
#[inline(always)]
pub(super) fn sum(one: Decimal, other: Decimal) -> Option<Decimal> {
    if one.scale() == other.scale() {
        return reduced(units(one)?.checked_add(units(other)?)?, one.scale());
    }
    let (a, b) = aligned(one, other)?;
    reduced(i64::try_from(a.checked_add(b)?).ok()?, one.scale().max(other.scale()))
}

/// The difference.
#[inline(always)]
pub(super) fn difference(one: Decimal, other: Decimal) -> Option<Decimal> {
    if one.scale() == other.scale() {
        return reduced(units(one)?.checked_sub(units(other)?)?, one.scale());
    }
    let (a, b) = aligned(one, other)?;
    reduced(i64::try_from(a.checked_sub(b)?).ok()?, one.scale().max(other.scale()))
}

/// The product.
#[inline(always)]
pub(super) fn product(one: Decimal, other: Decimal) -> Option<Decimal> {
    reduced(units(one)?.checked_mul(units(other)?)?, one.scale().checked_add(other.scale())?)
}

/// What is left of the first after whole multiples of the second, with the sign of the first.
#[inline(always)]
pub(crate) fn rest(one: Decimal, other: Decimal) -> Option<Decimal> {
    let (a, b) = aligned(one, other)?;
    reduced(i64::try_from(a.checked_rem(b)?).ok()?, one.scale().max(other.scale()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let small = [sum(one, other), difference(one, other), product(one, other), rest(one, other)];
            for (at, (small, wide)) in small.into_iter().zip(wide).enumerate() {
                let (Some(small), Some(wide)) = (small, wide) else { continue };
                tried[at] += 1;
                assert_eq!(small.serialize(), wide.normalize().serialize(), "{at}: {one} and {other}");
            }
            if let Some(order) = compare(one, other) {
                tried[4] += 1;
                assert_eq!(order, one.cmp(&other), "{one} and {other}");
            }
        }
        assert!(tried.iter().all(|tried| *tried > 80_000), "{tried:?}");
        assert_eq!(sum(Decimal::MAX, Decimal::ONE), None);
        assert_eq!(rest(Decimal::ONE, Decimal::ZERO), None);
    }
}
