//! Trades: `agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker`, with or
//! without a header line.

use std::path::Path;

use kraite_core::number::{Price, Qty};
use kraite_core::time::VenueMillis;

use super::DataError;
use super::lines::Lines;

/// Trades of one taker at one price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trade {
    /// The venue's number; rises.
    pub number: u64,
    /// When.
    pub at: VenueMillis,
    /// At what price.
    pub price: Price,
    /// How much in base quantity.
    pub qty: Qty,
    /// True where the buyer was resting.
    pub buyer_rested: bool,
}

/// The trades of a file, one at a time: a day of a busy contract is too much to hold.
pub struct TradeReader {
    lines: Lines,
    last: Option<Trade>,
}

impl TradeReader {
    /// Opens a plain, gzip or zip file.
    ///
    /// # Errors
    ///
    /// As [`super::open_text`].
    pub fn open(path: &Path) -> Result<Self, DataError> {
        Ok(Self { lines: Lines::open(path)?, last: None })
    }

    /// The next trade; `None` after the last.
    ///
    /// # Errors
    ///
    /// [`DataError`] names file and line; reading cannot go on.
    pub fn next_trade(&mut self) -> Result<Option<Trade>, DataError> {
        let mut first = self.last.is_none();
        loop {
            let Some(text) = self.lines.next()?.map(ToOwned::to_owned) else {
                let empty = DataError::Empty { path: self.lines.path().to_owned() };
                return if self.last.is_none() { Err(empty) } else { Ok(None) };
            };
            let columns: Vec<&str> = text.split(',').map(str::trim).collect();
            self.lines.same_columns(columns.len())?;
            if std::mem::take(&mut first) && text.starts_with("agg_trade_id") {
                continue;
            }
            let trade = parse(&columns).map_err(|reason| self.lines.error(reason))?;
            if let Some(last) = self.last.filter(|last| trade.number <= last.number || trade.at < last.at) {
                let reason = format!(
                    "out of order: trade {} at {} follows {} at {}",
                    trade.number, trade.at.0, last.number, last.at.0
                );
                return Err(self.lines.error(reason));
            }
            self.last = Some(trade);
            return Ok(Some(trade));
        }
    }
}

fn parse(columns: &[&str]) -> Result<Trade, String> {
    let [number, price, qty, _, _, at, buyer_rested] = columns else {
        return Err(format!("{} columns where 7 are needed", columns.len()));
    };
    let whole =
        |text: &str, name: &str| text.parse::<u64>().map_err(|_| format!("{name} `{text}` is not a whole number"));
    let price: Price = price.parse().map_err(|error| format!("price: {error}"))?;
    let qty: Qty = qty.parse().map_err(|error| format!("quantity: {error}"))?;
    if !price.is_positive() || !qty.is_positive() {
        return Err(format!("{qty} at {price} is no trade"));
    }
    let at = i64::try_from(whole(at, "transact_time")?).map_err(|_| format!("transact_time {at} is too large"))?;
    let buyer_rested = match buyer_rested.to_ascii_lowercase().as_str() {
        "true" => true,
        "false" => false,
        other => return Err(format!("is_buyer_maker `{other}` is neither true nor false")),
    };
    Ok(Trade { number: whole(number, "agg_trade_id")?, at: VenueMillis(at), price, qty, buyer_rested })
}
