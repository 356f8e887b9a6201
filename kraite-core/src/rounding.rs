//! The one home of rounding to tick and lot.
//!
//! Each function says its direction; none has a default. Prices of rungs, targets and stops are floored
//! on both sides as requirements F say; quantities are always floored, so that an order never risks more
//! than was planned.

use rust_decimal::Decimal;

use crate::number::{self, ArithmeticError, Price, Qty};

fn floor_step(value: Decimal, step: Decimal) -> Result<Decimal, ArithmeticError> {
    if step.is_zero() {
        return Ok(value);
    }
    let rest = number::rest(value, step).ok_or(ArithmeticError::Overflow)?;
    if rest.is_zero() {
        return Ok(value.normalize());
    }
    let down = less(value, rest)?;
    let floored = if rest < Decimal::ZERO { less(down, step)? } else { down };
    Ok(floored.normalize())
}

/// The difference, to the last digit: one that has more of them than there is room for would be off the grid.
fn less(from: Decimal, what: Decimal) -> Result<Decimal, ArithmeticError> {
    let exact = |d: &Decimal| d.scale() >= from.scale().max(what.scale());
    from.checked_sub(what).filter(exact).ok_or(ArithmeticError::Overflow)
}

/// The highest multiple of `tick` at or below `price`; a zero tick means the venue has none.
pub fn floor_price(price: Price, tick: Price) -> Result<Price, ArithmeticError> {
    floor_step(price.decimal(), tick.decimal()).map(Price::of)
}

/// The lowest multiple of `tick` at or above `price`; a zero tick means the venue has none.
pub fn ceil_price(price: Price, tick: Price) -> Result<Price, ArithmeticError> {
    let down = floor_price(price, tick)?;
    if down == price {
        return Ok(down);
    }
    // So would a sum.
    down.checked_add(tick).and_then(|up| if is_on_tick(up, tick) { Ok(up) } else { Err(ArithmeticError::Overflow) })
}

/// The highest multiple of `lot` at or below `qty`: never more than was asked for.
pub fn floor_qty(qty: Qty, lot: Qty) -> Result<Qty, ArithmeticError> {
    floor_step(qty.decimal(), lot.decimal()).map(Qty::of)
}

/// The lowest multiple of `lot` at or above `qty`: used only to say what would satisfy a minimum.
pub fn ceil_qty(qty: Qty, lot: Qty) -> Result<Qty, ArithmeticError> {
    let down = floor_qty(qty, lot)?;
    if down == qty {
        return Ok(down);
    }
    down.checked_add(lot).and_then(|up| if is_on_lot(up, lot) { Ok(up) } else { Err(ArithmeticError::Overflow) })
}

/// True when `price` lies on the tick grid.
#[must_use]
pub fn is_on_tick(price: Price, tick: Price) -> bool {
    floor_price(price, tick) == Ok(price)
}

/// True when `qty` lies on the lot grid.
#[must_use]
pub fn is_on_lot(qty: Qty, lot: Qty) -> bool {
    floor_qty(qty, lot) == Ok(qty)
}
