//! Numbers as venues write them, strings with the contract's decimals, and the escapes of query strings.

use std::fmt::Display;

use kraite_core::number::{Notional, Price, Qty};
use serde_json::Value;

use super::listing::Contract;

/// Money in replies carries this many decimals.
const MONEY_DECIMALS: usize = 8;
/// Averages carry this many decimals at least.
const AVERAGE_DECIMALS: usize = 5;
/// Entry prices carry this many decimals at most.
const ENTRY_DECIMALS: usize = 12;

/// How many decimals a step has.
pub(super) fn decimals(step: impl Display) -> usize {
    step.to_string().split_once('.').map_or(0, |(_, fraction)| fraction.len())
}

/// A price with the decimals of its contract.
pub(super) fn price(contract: &Contract, price: Price) -> String {
    format!("{price:.*}", contract.price_decimals)
}

/// A quantity with the decimals of its contract.
pub(super) fn qty(contract: &Contract, qty: Qty) -> String {
    format!("{qty:.*}", contract.qty_decimals)
}

/// Money.
pub(super) fn money(amount: Notional) -> String {
    format!("{amount:.*}", MONEY_DECIMALS)
}

/// The average price of what executed.
pub(super) fn average(contract: &Contract, price: Price) -> String {
    format!("{price:.*}", contract.price_decimals.max(AVERAGE_DECIMALS))
}

/// The average entry of a position: as many decimals as it has.
pub(super) fn entry(price: Price) -> String {
    if price.is_zero() {
        return "0.0".into();
    }
    let text = format!("{price:.*}", ENTRY_DECIMALS);
    let text = text.trim_end_matches('0');
    if text.ends_with('.') { format!("{text}0") } else { text.to_owned() }
}

/// A number of a table, which the venue sends as a JSON number.
pub(super) fn bare(number: impl Display) -> Value {
    serde_json::from_str(&number.to_string()).unwrap_or_default()
}

/// `amount` / `parts`, for display.
pub(super) fn parts_of(amount: Notional, parts: u32) -> Notional {
    let one = Qty::from_units(1, 0).unwrap_or_default();
    let parts = Qty::from_units(i64::from(parts.max(1)), 0).unwrap_or(one);
    amount.checked_div_qty(parts).and_then(|share| share.checked_mul(one)).unwrap_or_default()
}

/// Percent and plus decoding; what is not a valid escape stays as it is.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let mut ahead = rest.clone();
                let digit =
                    |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
                match (digit(ahead.next()), digit(ahead.next())) {
                    (Some(high), Some(low)) => {
                        bytes.push(high << 4 | low);
                        rest = ahead;
                    }
                    _ => bytes.push(b'%'),
                }
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
