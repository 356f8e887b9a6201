//! Klines: `open_time,open,high,low,close,volume,close_time,…`, with or without a header line.

use std::path::{Path, PathBuf};

use kraite_core::number::{Price, Qty};
use kraite_core::time::{Millis, VenueMillis};

use super::DataError;
use super::lines::Lines;

/// Later than this is microseconds: the spot archive's unit since 2025, which futures never had.
const LAST_MILLIS: i64 = 100_000_000_000_000;
/// What a gap may be made of at most, so that a wrong time does not look like one.
const COLUMNS: usize = 7;

/// One bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// When it began.
    pub open_time: VenueMillis,
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price.
    pub close: Price,
    /// Traded base quantity.
    pub volume: Qty,
    /// Its last millisecond.
    pub close_time: VenueMillis,
}

/// What to do where bars are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gaps {
    /// A gap is an error.
    #[default]
    Refuse,
    /// A gap is counted; nothing is filled in.
    Count,
}

/// Bars from files that follow each other in time.
pub struct KlineReader {
    files: std::vec::IntoIter<PathBuf>,
    lines: Option<Lines>,
    last: Option<Bar>,
    in_file: u64,
    gaps: Gaps,
    found: u64,
}

impl KlineReader {
    /// Reads these files in this order.
    #[must_use]
    pub fn new(files: Vec<PathBuf>, gaps: Gaps) -> Self {
        Self { files: files.into_iter(), lines: None, last: None, in_file: 0, gaps, found: 0 }
    }

    /// How many gaps were counted.
    #[must_use]
    pub const fn gaps(&self) -> u64 {
        self.found
    }

    /// The next bar; `None` after the last.
    ///
    /// # Errors
    ///
    /// [`DataError`] names file and line; reading cannot go on.
    pub fn next_bar(&mut self) -> Result<Option<Bar>, DataError> {
        loop {
            let Some(lines) = &mut self.lines else {
                let Some(path) = self.files.next() else { return Ok(None) };
                self.lines = Some(Lines::open(&path)?);
                self.in_file = 0;
                continue;
            };
            let Some(text) = lines.next()? else {
                if self.in_file == 0 {
                    return Err(DataError::Empty { path: lines.path().to_owned() });
                }
                self.lines = None;
                continue;
            };
            if self.in_file == 0 && text.starts_with("open_time") {
                continue;
            }
            let text = text.to_owned();
            let bar = parse(&text).map_err(|reason| lines.error(reason))?;
            if let Some(last) = &self.last {
                match follows(last, &bar) {
                    Ok(0) => {}
                    Ok(_) if self.gaps == Gaps::Count => self.found += 1,
                    Ok(missing) => {
                        return Err(lines.error(format!(
                            "{missing} bars are missing before this one (open_time {} follows close_time {})",
                            bar.open_time.0, last.close_time.0
                        )));
                    }
                    Err(reason) => return Err(lines.error(reason)),
                }
            }
            self.in_file += 1;
            self.last = Some(bar);
            return Ok(Some(bar));
        }
    }
}

/// How many bars are missing between two.
fn follows(last: &Bar, next: &Bar) -> Result<i64, String> {
    if next.open_time <= last.open_time {
        return Err(format!("open_time {} is not after the bar before it ({})", next.open_time.0, last.open_time.0));
    }
    let interval = last.close_time.since(last.open_time).plus(Millis(1)).0.max(1);
    let expected = last.close_time.plus(Millis(1));
    if next.open_time < expected {
        return Err(format!("open_time {} lies inside the bar before it", next.open_time.0));
    }
    Ok((next.open_time.since(expected).0 + interval - 1) / interval)
}

fn parse(text: &str) -> Result<Bar, String> {
    let columns: Vec<&str> = text.split(',').collect();
    if columns.len() < COLUMNS {
        return Err(format!("{} columns where at least {COLUMNS} are needed", columns.len()));
    }
    let column = |place: usize| columns.get(place).copied().unwrap_or_default().trim();
    let time = |place: usize, name: &str| -> Result<VenueMillis, String> {
        let value: i64 =
            column(place).parse().map_err(|_| format!("{name} `{}` is not a whole number", column(place)))?;
        match value {
            ..0 => Err(format!("{name} {value} is before 1970")),
            LAST_MILLIS.. => Err(format!("{name} {value} is not in milliseconds")),
            _ => Ok(VenueMillis(value)),
        }
    };
    let price = |place: usize, name: &str| -> Result<Price, String> {
        let value: Price = column(place).parse().map_err(|error| format!("{name}: {error}"))?;
        if value.is_positive() { Ok(value) } else { Err(format!("{name} {value} is not above zero")) }
    };
    let bar = Bar {
        open_time: time(0, "open_time")?,
        open: price(1, "open")?,
        high: price(2, "high")?,
        low: price(3, "low")?,
        close: price(4, "close")?,
        volume: column(5).parse().map_err(|error| format!("volume: {error}"))?,
        close_time: time(6, "close_time")?,
    };
    if bar.low > bar.open.min(bar.close) || bar.high < bar.open.max(bar.close) {
        return Err(format!(
            "low {} and high {} do not enclose open {} and close {}",
            bar.low, bar.high, bar.open, bar.close
        ));
    }
    if bar.close_time <= bar.open_time {
        return Err(format!("close_time {} is not after open_time {}", bar.close_time.0, bar.open_time.0));
    }
    Ok(bar)
}

/// All bars of some files that lie in a span of time, and how many gaps were counted.
///
/// # Errors
///
/// [`DataError`] as [`KlineReader::next_bar`]; also when no bar lies in the span.
pub fn read_klines(
    files: &[PathBuf],
    gaps: Gaps,
    from: Option<VenueMillis>,
    to: Option<VenueMillis>,
) -> Result<(Vec<Bar>, u64), DataError> {
    let mut reader = KlineReader::new(files.to_vec(), gaps);
    let mut bars = Vec::new();
    while let Some(bar) = reader.next_bar()? {
        if from.is_none_or(|from| bar.open_time >= from) && to.is_none_or(|to| bar.open_time < to) {
            bars.push(bar);
        }
    }
    if bars.is_empty() {
        let path = files.first().cloned().unwrap_or_else(|| Path::new("(no file)").to_owned());
        return Err(DataError::Unreadable { path, reason: "no bar lies between --from and --to".into() });
    }
    Ok((bars, reader.gaps()))
}
