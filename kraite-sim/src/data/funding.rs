//! Funding rates: `calc_time,funding_interval_hours,last_funding_rate`.

use std::path::Path;

use kraite_core::number::Factor;
use kraite_core::time::VenueMillis;

use super::DataError;
use super::lines::Lines;

/// One funding payment: longs pay shorts this share of the notional, or receive it when negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Funding {
    /// When.
    pub at: VenueMillis,
    /// The rate.
    pub rate: Factor,
}

/// All payments of a file, in order of time.
///
/// # Errors
///
/// [`DataError`] names file and line.
pub fn read_funding(path: &Path) -> Result<Vec<Funding>, DataError> {
    let mut lines = Lines::open(path)?;
    let mut payments: Vec<Funding> = Vec::new();
    while let Some(text) = lines.next()? {
        if payments.is_empty() && text.starts_with("calc_time") {
            continue;
        }
        let text = text.to_owned();
        // The last column is a number that a cut would leave a number.
        if lines.is_open_ended() {
            return Err(lines.error("the last line has no end"));
        }
        let columns: Vec<&str> = text.split(',').collect();
        let [at, _, rate] = columns.as_slice() else {
            return Err(lines.error(format!("{} columns where 3 are needed", columns.len())));
        };
        let at: i64 = at.trim().parse().map_err(|_| lines.error(format!("calc_time `{at}` is not a whole number")))?;
        let rate: Factor = rate.trim().parse().map_err(|error| lines.error(format!("last_funding_rate: {error}")))?;
        let at = VenueMillis(at);
        if payments.last().is_some_and(|last| at <= last.at) {
            return Err(lines.error("out of order: calc_time is not after the line before it"));
        }
        payments.push(Funding { at, rate });
    }
    if payments.is_empty() {
        return Err(DataError::Empty { path: path.to_owned() });
    }
    Ok(payments)
}
