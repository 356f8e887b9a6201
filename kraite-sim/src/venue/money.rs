//! Small exact sums that the venue needs and the core's numbers do not name.

use kraite_core::exchange::Side;
use kraite_core::number::{ArithmeticError, Factor, Notional, Price, Qty};
use kraite_core::rounding::{ceil_price, floor_price, floor_qty};

/// Averages and shares are kept to this many decimals, so that sums of them stay exact.
const KEPT_DECIMALS: u32 = 10;

fn grain() -> Price {
    Price::from_units(1, KEPT_DECIMALS).unwrap_or_default()
}

/// The part of `cost` that `part` of `whole` stands for; all of it when `part` is `whole`.
pub(super) fn portion(cost: Notional, part: Qty, whole: Qty) -> Result<Notional, ArithmeticError> {
    if part == whole {
        return Ok(cost);
    }
    floor_price(cost.checked_div_qty(whole)?, grain())?.checked_mul(part)
}

/// `amount` / `parts`, rounded up to the kept decimals: a margin is never too small.
pub(crate) fn share(amount: Notional, parts: u32) -> Result<Notional, ArithmeticError> {
    let one = Qty::from_units(1, 0).unwrap_or_default();
    let parts = Qty::from_units(i64::from(parts.max(1)), 0).unwrap_or(one);
    ceil_price(amount.checked_div_qty(parts)?, grain())?.checked_mul(one)
}

/// The price a taker gets: the last price, worse by `slippage`, on the grid, never at or below zero.
pub(crate) fn taker_price(last: Price, side: Side, slippage: Factor, tick: Price) -> Result<Price, ArithmeticError> {
    if slippage.is_zero() {
        return Ok(last);
    }
    let one = Qty::from_units(1, 0).unwrap_or_default();
    let step = last.checked_mul(one)?.scaled_by(slippage)?.checked_div_qty(one)?;
    match side {
        Side::Buy => ceil_price(last.checked_add(step)?, tick),
        Side::Sell => Ok(floor_price(last.checked_sub(step)?, tick)?.max(tick)),
    }
}

/// `qty` in `count` slices on the lot grid, the last one the largest.
pub(super) fn slices(qty: Qty, count: u8, lot: Qty) -> Result<Vec<Qty>, ArithmeticError> {
    let one = Price::from_units(1, 0).unwrap_or_default();
    let count = count.max(1);
    let parts = Price::from_units(i64::from(count), 0).unwrap_or(one);
    let each = floor_qty(one.checked_mul(qty)?.checked_div_price(parts)?, lot)?;
    let mut all = Vec::with_capacity(usize::from(count));
    let mut rest = qty;
    if each.is_positive() {
        for _ in 1..count {
            all.push(each);
            rest = rest.checked_sub(each)?;
        }
    }
    all.push(rest);
    Ok(all)
}

/// The sum of quantities.
pub(super) fn sum_qty(all: impl IntoIterator<Item = Qty>) -> Result<Qty, ArithmeticError> {
    all.into_iter().try_fold(Qty::ZERO, Qty::checked_add)
}

/// What is left of `qty` after `less`; zero rather than negative.
pub(super) fn rest(qty: Qty, less: Qty) -> Qty {
    qty.checked_sub(less).unwrap_or(Qty::ZERO).max(Qty::ZERO)
}

/// `price` moved into the span between two others.
pub(super) fn between(price: Price, a: Price, b: Price) -> Price {
    price.clamp(a.min(b), a.max(b))
}
