//! Klines: `open_time,open,high,low,close,volume,close_time,…`, with or without a header line.

use std::path::{Path, PathBuf};

use kraite_core::number::{Price, Qty};
use kraite_core::time::{Millis, VenueMillis};

use super::lines::{Lines, is_number};
#[cfg(feature = "parquet")]
use super::parquet::Table;
use super::quick::{Units, numbers};
use super::{ColumnError, Columns, DataError};

/// Later than this is microseconds: the spot archive's unit since 2025, which futures never had.
const LAST_MILLIS: i64 = 100_000_000_000_000;
/// The columns that a bar is read from; what follows are numbers that nothing is read from.
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

/// A stretch of time without trades, as the data has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// When the first bar of it begins, or should.
    pub from: VenueMillis,
    /// When the first bar behind it begins.
    pub to: VenueMillis,
    /// How many bars.
    pub bars: u64,
}

/// So many bars in a row without a trade are told: the exchange stood still, or nobody traded.
const FROZEN: u64 = 5;
/// So many stretches are told by their times, of each kind.
const TOLD: usize = 1_000;

/// Stretches of one kind: how many there were, and the first of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stretches {
    /// How many.
    pub count: u64,
    /// The first thousand.
    pub first: Vec<Stretch>,
}

impl Stretches {
    /// One more.
    pub fn add(&mut self, stretch: Stretch) {
        self.count = self.count.saturating_add(1);
        if self.first.len() < TOLD {
            self.first.push(stretch);
        }
    }
}

/// Which bars are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Bars from this instant on.
    pub from: Option<VenueMillis>,
    /// Bars before this instant.
    pub to: Option<VenueMillis>,
}

impl Span {
    /// True for an instant in it.
    #[must_use]
    pub fn holds(&self, at: VenueMillis) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at < to)
    }
}

/// Bars from files that follow each other in time.
pub struct KlineReader {
    files: std::vec::IntoIter<PathBuf>,
    input: Option<Input>,
    last: Option<Times>,
    /// The first one that is wanted, seen and not taken.
    seen: Option<Row>,
    in_file: u64,
    gaps: Gaps,
    missing: Stretches,
    frozen: Stretches,
    /// Bars without a trade so far, and when the first of them began.
    still: Option<(VenueMillis, u64)>,
    span: Span,
    highest: Option<Price>,
}

impl KlineReader {
    /// Reads these files in this order.
    #[must_use]
    pub fn new(files: Vec<PathBuf>, gaps: Gaps) -> Self {
        Self {
            files: files.into_iter(),
            input: None,
            last: None,
            seen: None,
            in_file: 0,
            gaps,
            missing: Stretches::default(),
            frozen: Stretches::default(),
            still: None,
            span: Span::default(),
            highest: None,
        }
    }

    /// Looks for gaps only between bars of this span; all bars are read and must be sound.
    #[must_use]
    pub const fn within(mut self, span: Span) -> Self {
        self.span = span;
        self
    }

    /// Refuses a price above the highest that the contract can have.
    #[must_use]
    pub const fn up_to(mut self, highest: Option<Price>) -> Self {
        self.highest = highest;
        self
    }

    /// Where bars were missing, so far; they are where gaps are counted and not refused.
    #[must_use]
    pub const fn missing(&self) -> &Stretches {
        &self.missing
    }

    /// Where five bars in a row or more had no trade: the exchange stood still, or nobody traded. What the data ends
    /// with is told once it has been read to its end.
    #[must_use]
    pub const fn frozen(&self) -> &Stretches {
        &self.frozen
    }

    /// Counts bars without a trade.
    fn look_for_stillness(&mut self, row: Option<&Row>) {
        match row {
            Some(row) if row.volume.is_zero() && row.is_flat() && self.span.holds(row.times.open) => {
                let (from, bars) = self.still.unwrap_or((row.times.open, 0));
                self.still = Some((from, bars.saturating_add(1)));
            }
            _ => {
                let end = self.last.map(|last| last.close.plus(Millis(1)));
                let still = self.still.take().zip(end).filter(|((_, bars), _)| *bars >= FROZEN);
                if let Some(((from, bars), to)) = still {
                    self.frozen.add(Stretch { from, to, bars });
                }
            }
        }
    }

    fn next_row(&mut self) -> Result<Option<Row>, DataError> {
        loop {
            let Some(input) = &mut self.input else {
                let Some(path) = self.files.next() else {
                    self.look_for_stillness(None);
                    return Ok(None);
                };
                self.input = Some(Input::open(&path)?);
                self.in_file = 0;
                continue;
            };
            let Some(row) = input.next_row(self.in_file == 0)? else {
                if self.in_file == 0 {
                    return Err(DataError::Empty { path: input.path().to_owned() });
                }
                self.input = None;
                continue;
            };
            if !row.is_sound() {
                return Err(input.error(row.unsound()));
            }
            if let Some(highest) = self.highest.filter(|highest| row.high.price() > *highest) {
                let high = row.high.price();
                return Err(input.error(format!("high {high} is above the contract's highest price {highest}")));
            }
            if let Some(last) = &self.last {
                let judged = self.span.holds(last.open) && self.span.holds(row.times.open);
                match follows(last, &row.times).map_err(|reason| input.error(reason))? {
                    missing @ 1.. if judged && self.gaps == Gaps::Count => {
                        let (from, to) = (last.close.plus(Millis(1)), row.times.open);
                        self.missing.add(Stretch { from, to, bars: missing.unsigned_abs() });
                    }
                    missing @ 1.. if judged => return Err(gap(input, last, &row.times, missing)),
                    _ => {}
                }
            }
            self.in_file += 1;
            if row.volume.is_zero() || self.still.is_some() {
                self.look_for_stillness(Some(&row));
            }
            self.last = Some(row.times);
            return Ok(Some(row));
        }
    }

    fn next_wanted_row(&mut self) -> Result<Option<Row>, DataError> {
        if self.seen.is_some() {
            return Ok(self.seen.take());
        }
        loop {
            match self.next_row()? {
                Some(row) if !self.span.holds(row.times.open) => {}
                row => return Ok(row),
            }
        }
    }

    /// The next bar that lies in the span, `None` after the last; the others are read and must be sound.
    ///
    /// # Errors
    ///
    /// [`DataError`] names file and line; reading cannot go on.
    pub fn next_wanted(&mut self) -> Result<Option<Bar>, DataError> {
        Ok(self.next_wanted_row()?.as_ref().map(Row::bar))
    }

    /// The first bar that lies in the span, which is still to be read.
    ///
    /// # Errors
    ///
    /// As [`KlineReader::next_wanted`]; also when no bar lies in the span.
    pub fn first_wanted(&mut self) -> Result<Bar, DataError> {
        let path = self.files.as_slice().first().cloned().unwrap_or_else(|| Path::new("(no file)").to_owned());
        let none = DataError::Unreadable { path, reason: "no bar lies between --from and --to".into() };
        let row = self.next_wanted_row()?.ok_or(none)?;
        self.seen = Some(row);
        Ok(row.bar())
    }

    /// Adds wanted bars to columns until those have so many; fewer at the end.
    ///
    /// # Errors
    ///
    /// As [`KlineReader::next_wanted`], and [`FillError::Column`] for a price off the grid of the columns.
    pub fn fill(&mut self, columns: &mut Columns, most: usize) -> Result<(), FillError> {
        let grid = columns.grid_of();
        while columns.len() < most {
            let Some(row) = self.next_wanted_row()? else { break };
            let Row { times, open, high, low, close, .. } = row;
            let on_grid = || Some([grid.ticks(open)?, grid.ticks(high)?, grid.ticks(low)?, grid.ticks(close)?]);
            match on_grid() {
                Some(ticks) => columns.add(times.open, times.close, ticks),
                None => columns.push(&row.bar())?,
            }
        }
        Ok(())
    }
}

/// Why columns cannot be filled from files.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// The file cannot be read, or a line is not what it should be.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A price is no whole number of units.
    #[error(transparent)]
    Column(#[from] ColumnError),
}

/// When a bar began, and its last millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    open: VenueMillis,
    close: VenueMillis,
}

/// A line: a bar whose prices are as they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    times: Times,
    open: Units,
    high: Units,
    low: Units,
    close: Units,
    volume: Qty,
}

impl Row {
    fn bar(&self) -> Bar {
        Bar {
            open_time: self.times.open,
            open: self.open.price(),
            high: self.high.price(),
            low: self.low.price(),
            close: self.close.price(),
            volume: self.volume,
            close_time: self.times.close,
        }
    }

    fn is_flat(&self) -> bool {
        self.high.price() == self.low.price()
    }

    /// What holds between the numbers of a bar.
    fn is_sound(&self) -> bool {
        let Self { times, open, high, low, close, .. } = self;
        let encloses = if [high, low, close].iter().all(|price| price.decimals == open.decimals) {
            low.units <= open.units.min(close.units) && high.units >= open.units.max(close.units)
        } else {
            let Bar { open, high, low, close, .. } = self.bar();
            low <= open.min(close) && high >= open.max(close)
        };
        encloses && times.close > times.open
    }

    /// What does not.
    fn unsound(&self) -> String {
        let Bar { open_time, open, high, low, close, close_time, .. } = self.bar();
        if close_time <= open_time {
            return format!("close_time {} is not after open_time {}", close_time.0, open_time.0);
        }
        format!("low {low} and high {high} do not enclose open {open} and close {close}")
    }
}

/// What rows are read from.
enum Input {
    Text(Lines),
    #[cfg(feature = "parquet")]
    Table(Box<Table>),
}

impl Input {
    fn open(path: &Path) -> Result<Self, DataError> {
        #[cfg(feature = "parquet")]
        if let Some(table) = Table::open(path)? {
            return Ok(Self::Table(Box::new(table)));
        }
        Ok(Self::Text(Lines::open(path)?))
    }

    /// The next row; the first line of a text may be a header.
    fn next_row(&mut self, is_first: bool) -> Result<Option<Row>, DataError> {
        let lines = match self {
            Self::Text(lines) => lines,
            #[cfg(feature = "parquet")]
            Self::Table(table) => {
                let Some(text) = table.next()? else { return Ok(None) };
                return parse(&text).map(Some).map_err(|reason| table.error(reason));
            }
        };
        loop {
            if !lines.advance()? {
                return Ok(None);
            }
            if let Some((row, columns)) = plain(lines.bytes()) {
                lines.same_columns(columns)?;
                return Ok(Some(row));
            }
            // Odd, or wrong: whoever is slower says what.
            let columns = lines.text()?.split(',').count();
            lines.same_columns(columns)?;
            let text = lines.text()?;
            if !(is_first && text.starts_with("open_time")) {
                return parse(text).map(Some).map_err(|reason| lines.error(reason));
            }
        }
    }

    fn error(&self, reason: impl ToString) -> DataError {
        match self {
            Self::Text(lines) => lines.error(reason),
            #[cfg(feature = "parquet")]
            Self::Table(table) => table.error(reason),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Text(lines) => lines.path(),
            #[cfg(feature = "parquet")]
            Self::Table(table) => table.path(),
        }
    }

    /// The number of the line, or row, from 1.
    fn number(&self) -> u64 {
        match self {
            Self::Text(lines) => lines.number(),
            #[cfg(feature = "parquet")]
            Self::Table(table) => table.number(),
        }
    }
}

/// Bars are missing, or they come later in the file.
fn gap(input: &mut Input, last: &Times, next: &Times, missing: i64) -> DataError {
    let here = input.number();
    let bars = if missing == 1 { "bar is" } else { "bars are" };
    let between = format!("open_time {} follows close_time {}", next.open.0, last.close.0);
    let error = input.error(format!("{missing} {bars} missing before this one ({between})"));
    while let Ok(Some(later)) = input.next_row(false) {
        if (last.open..next.open).contains(&later.times.open) {
            let (path, there) = (input.path().to_owned(), input.number());
            let reason = format!("out of order: {between}, the bar of line {there} belongs before it");
            return DataError::Line { path, line: here, reason };
        }
    }
    error
}

/// How many bars are missing between two.
fn follows(last: &Times, next: &Times) -> Result<i64, String> {
    if next.open <= last.open {
        let (next, last) = (next.open.0, last.open.0);
        return Err(format!("out of order: open_time {next} is not after the bar before it ({last})"));
    }
    let expected = last.close.plus(Millis(1));
    if next.open == expected {
        return Ok(0);
    }
    if next.open < expected {
        return Err(format!("open_time {} lies inside the bar before it", next.open.0));
    }
    let interval = last.close.since(last.open).plus(Millis(1)).0.max(1);
    Ok((next.open.since(expected).0 + interval - 1) / interval)
}

fn parse(text: &str) -> Result<Row, String> {
    let columns: Vec<&str> = text.split(',').collect();
    if columns.len() < COLUMNS {
        return Err(format!("{} columns where at least {COLUMNS} are needed", columns.len()));
    }
    if let Some(text) = columns.iter().skip(COLUMNS).map(|text| text.trim()).find(|text| !is_number(text)) {
        return Err(format!("`{text}`, after close_time, is not a number"));
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
    let price = |place: usize, name: &str| -> Result<Units, String> {
        let value: Price = column(place).parse().map_err(|error| format!("{name}: {error}"))?;
        if !value.is_positive() {
            return Err(format!("{name} {value} is not above zero"));
        }
        Units::of(value).ok_or_else(|| format!("{name} {value} has more digits than a price has"))
    };
    Ok(Row {
        times: Times { open: time(0, "open_time")?, close: time(6, "close_time")? },
        open: price(1, "open")?,
        high: price(2, "high")?,
        low: price(3, "low")?,
        close: price(4, "close")?,
        volume: column(5).parse().map_err(|error| format!("volume: {error}"))?,
    })
}

/// A row and its number of columns from a line as the archive writes it: digits, at most one point in each number, no
/// signs and no spaces, prices above zero. `None` for every other line, which [`parse`] judges.
fn plain(text: &[u8]) -> Option<(Row, usize)> {
    let ([open_time, open, high, low, close, volume, close_time], columns) = numbers::<COLUMNS>(text)?;
    let time = |Units { units, decimals }| (decimals == 0 && units < LAST_MILLIS).then_some(VenueMillis(units));
    let times = Times { open: time(open_time)?, close: time(close_time)? };
    if [open, high, low, close].iter().any(|price| price.units == 0) {
        return None;
    }
    let volume = Qty::from_units(volume.units, volume.decimals)?;
    Some((Row { times, open, high, low, close, volume }, columns))
}

/// All bars of some files that lie in a span of time, and the reader, which knows where trades were missing.
///
/// `highest` is the highest price that the contract can have.
///
/// # Errors
///
/// [`DataError`] as [`KlineReader::next_wanted`]; also when no bar lies in the span.
pub fn read_klines(
    files: &[PathBuf],
    gaps: Gaps,
    span: Span,
    highest: Option<Price>,
) -> Result<(Vec<Bar>, KlineReader), DataError> {
    let mut reader = KlineReader::new(files.to_vec(), gaps).within(span).up_to(highest);
    reader.first_wanted()?;
    let mut bars = Vec::new();
    while let Some(bar) = reader.next_wanted()? {
        bars.push(bar);
    }
    Ok((bars, reader))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn where_trades_are_missing_is_told_and_nothing_is_filled_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bars.csv");
        // Three bars that trade, six that do not, two that are not there, four quiet ones, one that trades.
        let kinds = "tttqqqqqq..qqqqt";
        let row = |(n, kind): (usize, char)| {
            let at = n * 60_000;
            let (high, volume) = if kind == 't' { ("2", "7.5") } else { ("1", "0.000") };
            (kind != '.').then(|| format!("{at},1,{high},1,1,{volume},{}\n", at + 59_999))
        };
        let text: String = kinds.chars().enumerate().filter_map(row).collect();
        std::fs::write(&path, text).unwrap();
        let (bars, reader) = read_klines(&[path], Gaps::Count, Span::default(), None).unwrap();
        let minute = |n: i64| VenueMillis(n * 60_000);
        assert_eq!(bars.len(), 14);
        let missing = Stretch { from: minute(9), to: minute(11), bars: 2 };
        assert_eq!((reader.missing().count, reader.missing().first.as_slice()), (1, [missing].as_slice()));
        // What is not there interrupts nothing: nobody traded.
        let frozen = Stretch { from: minute(3), to: minute(15), bars: 10 };
        assert_eq!((reader.frozen().count, reader.frozen().first.as_slice()), (1, [frozen].as_slice()));
    }

    #[test]
    fn a_line_read_quickly_is_the_line_read_thoroughly() {
        let lines = [
            "1740000000000,150.24000000,151.1,149.00,150.9,1234.50,1740000059999,185000.1,12,3.5,4.5,0",
            "1740000000000,150,151,149,150,0,1740000059999",
            "1740000000000,0.00001020,0.0000103,0.00001,0.0000102,0.000,1740000059999,0",
            "0,1,1,1,1,1,1",
            "1740000000000,150.24,151.1,149,150.9,1,1740000059999,",
            "1740000000000,150.24,151.1,149,150.9,1,",
            "1740000000000,150.24,151.1,149,150.9,1",
            "1740000000000,150.2.4,151.1,149,150.9,1,1740000059999",
            "1740000000000,150.,151.1,149,150.9,1,1740000059999",
            "1740000000000,.5,151.1,0.1,150.9,1,1740000059999",
            "1740000000000,-150,151.1,149,150.9,1,1740000059999",
            "1740000000000, 150,151.1,149,150.9,1,1740000059999",
            "1740000000000,150,151.1,149,150.9,1,1740000059999,-5",
            "1740000000000,150,151.1,149,150.9,1,1740000059999,x",
            "1740000000000,0,151.1,0,150.9,1,1740000059999",
            "174000000000000000,150,151.1,149,150.9,1,174000000059999000",
            "1740000000000,150,140,149,150.9,1,1740000059999",
            "99999999999999999999,150,151,149,150.9,1,1740000059999",
            "1740000000000,150,151,149,150.9,99999999999999999999999.5,1740000059999",
            "1740000000.5,150,151,149,150.9,1,1740000059999",
        ];
        let mut quick = 0;
        for line in lines {
            let Some((row, columns)) = plain(line.as_bytes()) else { continue };
            quick += 1;
            let slow = parse(line).unwrap();
            assert_eq!((row.bar(), columns), (slow.bar(), line.split(',').count()), "{line}");
        }
        assert_eq!(quick, 5, "the plain ones, and the one whose prices contradict each other");
    }

    #[test]
    fn whatever_a_line_is_it_is_read_alike() {
        let mut draw = ChaCha8Rng::seed_from_u64(11);
        let mut quick = 0;
        for _ in 0..40_000 {
            let is_odd = draw.random_range(0..4) == 0;
            let number = |draw: &mut ChaCha8Rng| {
                let digits = |draw: &mut ChaCha8Rng, most: usize| -> String {
                    (0..draw.random_range(1..=most)).map(|_| char::from(draw.random_range(b'0'..=b'9'))).collect()
                };
                let whole = digits(draw, 10);
                if draw.random_range(0..3) == 0 { whole } else { format!("{whole}.{}", digits(draw, 8)) }
            };
            let mut columns = vec![draw.random_range(0..110_000_000_000_000_i64).to_string()];
            columns.extend((0..5).map(|_| number(&mut draw)));
            columns.push(draw.random_range(0..110_000_000_000_000_i64).to_string());
            columns.extend((0..draw.random_range(0..=5)).map(|_| number(&mut draw)));
            let mut line = columns.join(",");
            if is_odd {
                let at = draw.random_range(0..line.len());
                line.replace_range(at..=at, ["", ".", ",", "-", " ", "x", "/", ":", "\u{e9}"][draw.random_range(0..9)]);
            }
            let slow = parse(&line);
            if let Some((row, columns)) = plain(line.as_bytes()) {
                quick += 1;
                assert_eq!((row.bar(), columns), (slow.unwrap().bar(), line.split(',').count()), "{line}");
            } else if !is_odd && line.len() < 128 {
                assert!(slow.is_err(), "{line} is plain");
            }
        }
        assert!(quick > 10_000, "{quick}");
    }
}
