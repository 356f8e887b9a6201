//! Klines: `open_time,open,high,low,close,volume,close_time,…`, with or without a header line.

use std::path::{Path, PathBuf};

use kraite_core::number::{Price, Qty};
use kraite_core::time::{Millis, VenueMillis};

use super::DataError;
use super::lines::{Lines, is_number};

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
    lines: Option<Lines>,
    last: Option<Bar>,
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
            lines: None,
            last: None,
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
    fn look_for_stillness(&mut self, bar: Option<&Bar>) {
        match bar {
            Some(bar) if bar.volume.is_zero() && bar.high == bar.low && self.span.holds(bar.open_time) => {
                let (from, bars) = self.still.unwrap_or((bar.open_time, 0));
                self.still = Some((from, bars.saturating_add(1)));
            }
            _ => {
                let end = self.last.map(|last| last.close_time.plus(Millis(1)));
                let still = self.still.take().zip(end).filter(|((_, bars), _)| *bars >= FROZEN);
                if let Some(((from, bars), to)) = still {
                    self.frozen.add(Stretch { from, to, bars });
                }
            }
        }
    }

    /// The next bar; `None` after the last.
    ///
    /// # Errors
    ///
    /// [`DataError`] names file and line; reading cannot go on.
    pub fn next_bar(&mut self) -> Result<Option<Bar>, DataError> {
        loop {
            let Some(lines) = &mut self.lines else {
                let Some(path) = self.files.next() else {
                    self.look_for_stillness(None);
                    return Ok(None);
                };
                self.lines = Some(Lines::open(&path)?);
                self.in_file = 0;
                continue;
            };
            if !lines.advance()? {
                if self.in_file == 0 {
                    return Err(DataError::Empty { path: lines.path().to_owned() });
                }
                self.lines = None;
                continue;
            }
            let bar = if let Some((bar, columns)) = plain(lines.bytes()) {
                lines.same_columns(columns)?;
                sound(bar).map_err(|reason| lines.error(reason))?
            } else {
                // Odd, or wrong: whoever is slower says what.
                let columns = lines.text()?.split(',').count();
                lines.same_columns(columns)?;
                let text = lines.text()?;
                if self.in_file == 0 && text.starts_with("open_time") {
                    continue;
                }
                parse(text).map_err(|reason| lines.error(reason))?
            };
            if let Some(highest) = self.highest.filter(|highest| bar.high > *highest) {
                return Err(lines.error(format!("high {} is above the contract's highest price {highest}", bar.high)));
            }
            if let Some(last) = &self.last {
                let judged = self.span.holds(last.open_time) && self.span.holds(bar.open_time);
                match follows(last, &bar).map_err(|reason| lines.error(reason))? {
                    missing @ 1.. if judged && self.gaps == Gaps::Count => {
                        let (from, to) = (last.close_time.plus(Millis(1)), bar.open_time);
                        self.missing.add(Stretch { from, to, bars: missing.unsigned_abs() });
                    }
                    missing @ 1.. if judged => return Err(gap(lines, last, &bar, missing)),
                    _ => {}
                }
            }
            self.in_file += 1;
            if bar.volume.is_zero() || self.still.is_some() {
                self.look_for_stillness(Some(&bar));
            }
            self.last = Some(bar);
            return Ok(Some(bar));
        }
    }

    /// The next bar that lies in the span; the others are read and must be sound.
    ///
    /// # Errors
    ///
    /// As [`KlineReader::next_bar`].
    pub fn next_wanted(&mut self) -> Result<Option<Bar>, DataError> {
        loop {
            match self.next_bar()? {
                Some(bar) if !self.span.holds(bar.open_time) => {}
                bar => return Ok(bar),
            }
        }
    }

    /// The first bar that lies in the span.
    ///
    /// # Errors
    ///
    /// As [`KlineReader::next_bar`]; also when no bar lies in the span.
    pub fn first_wanted(&mut self) -> Result<Bar, DataError> {
        let path = self.files.as_slice().first().cloned().unwrap_or_else(|| Path::new("(no file)").to_owned());
        let none = DataError::Unreadable { path, reason: "no bar lies between --from and --to".into() };
        self.next_wanted()?.ok_or(none)
    }
}

/// Bars are missing, or they come later in the file.
fn gap(lines: &mut Lines, last: &Bar, bar: &Bar, missing: i64) -> DataError {
    let here = lines.number();
    let bars = if missing == 1 { "bar is" } else { "bars are" };
    let between = format!("open_time {} follows close_time {}", bar.open_time.0, last.close_time.0);
    let error = lines.error(format!("{missing} {bars} missing before this one ({between})"));
    while let Ok(Some(text)) = lines.next() {
        let later = parse(text).is_ok_and(|later| (last.open_time..bar.open_time).contains(&later.open_time));
        if later {
            let (path, there) = (lines.path().to_owned(), lines.number());
            let reason = format!("out of order: {between}, the bar of line {there} belongs before it");
            return DataError::Line { path, line: here, reason };
        }
    }
    error
}

/// How many bars are missing between two.
fn follows(last: &Bar, next: &Bar) -> Result<i64, String> {
    if next.open_time <= last.open_time {
        let (next, last) = (next.open_time.0, last.open_time.0);
        return Err(format!("out of order: open_time {next} is not after the bar before it ({last})"));
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
    sound(bar)
}

/// What holds between the numbers of a bar.
fn sound(bar: Bar) -> Result<Bar, String> {
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

/// A bar and its number of columns from a line as the archive writes it: digits, at most one point in each number, no
/// signs and no spaces, prices above zero. `None` for every other line, which [`parse`] judges.
fn plain(text: &[u8]) -> Option<(Bar, usize)> {
    let mut rest = text;
    let open_time = whole(&mut rest)?;
    let mut prices = [Price::ZERO; 4];
    for price in &mut prices {
        let (units, scale) = number(&mut rest)?;
        *price = Price::from_units(units, scale).filter(|price| price.is_positive())?;
    }
    let (units, scale) = number(&mut rest)?;
    let volume = Qty::from_units(units, scale)?;
    let close_time = whole(&mut rest)?;
    let mut columns = COLUMNS;
    while !rest.is_empty() {
        number(&mut rest)?;
        columns = columns.saturating_add(1);
    }
    // A comma at the end has an empty column behind it.
    if text.last() == Some(&b',') {
        return None;
    }
    let [open, high, low, close] = prices;
    let times = [open_time, close_time];
    if times.iter().any(|time| *time >= LAST_MILLIS) {
        return None;
    }
    let (open_time, close_time) = (VenueMillis(open_time), VenueMillis(close_time));
    Some((Bar { open_time, open, high, low, close, volume, close_time }, columns))
}

/// Digits up to the next comma or the end, both taken.
fn whole(rest: &mut &[u8]) -> Option<i64> {
    match number(rest)? {
        (units, 0) => Some(units),
        _ => None,
    }
}

/// Digits with at most one point among them, up to the next comma or the end, both taken: units and decimals. `None` for
/// anything else, and for more than eighteen digits.
#[inline(always)]
fn number(rest: &mut &[u8]) -> Option<(i64, u32)> {
    if let Some(eight) = rest.first_chunk::<8>()
        && let Some((units, decimals, taken)) = short_number(*eight)
    {
        *rest = rest.get(taken..)?;
        return Some((units, decimals));
    }
    long_number(rest)
}

/// The same within eight bytes, a comma among them; the length with the comma.
#[inline(always)]
fn short_number(text: [u8; 8]) -> Option<(i64, u32, usize)> {
    let word = u64::from_le_bytes(text);
    let whole = leading_digits(word);
    if whole == 0 || whole >= 8 {
        return None;
    }
    match text[whole] {
        b',' => Some((value(word, whole).cast_signed(), 0, whole + 1)),
        b'.' => {
            // The point is taken out, and the digits behind it close up.
            let before = (1 << (8 * whole)) - 1;
            let closed = (word & before) | ((word >> 8) & !before);
            let all = leading_digits(closed);
            let is_complete = all > whole && all < 7 && text[all + 1] == b',';
            is_complete.then(|| (value(closed, all).cast_signed(), (all - whole) as u32, all + 2))
        }
        _ => None,
    }
}

fn long_number(rest: &mut &[u8]) -> Option<(i64, u32)> {
    const MOST: usize = 18;
    let mut units = 0_u64;
    let whole = digits(rest, &mut units);
    let mut after = rest.get(whole..)?;
    let mut decimals = 0;
    if let Some((b'.', behind)) = after.split_first() {
        decimals = digits(behind, &mut units);
        after = behind.get(decimals..)?;
        if decimals == 0 {
            return None;
        }
    }
    if whole == 0 || whole + decimals > MOST {
        return None;
    }
    *rest = match after.split_first() {
        None => after,
        Some((b',', next)) => next,
        Some(_) => return None,
    };
    Some((i64::try_from(units).ok()?, u32::try_from(decimals).ok()?))
}

/// Powers of ten.
const POWERS: [u64; 19] = {
    let mut powers = [1; 19];
    let mut n = 1;
    while n < powers.len() {
        powers[n] = powers[n - 1] * 10;
        n += 1;
    }
    powers
};

/// Appends the digits that a text begins with to a number, and says how many there are. More than eighteen overflow.
fn digits(text: &[u8], units: &mut u64) -> usize {
    let mut count = 0;
    while let Some(eight) = text.get(count..).and_then(|rest| rest.first_chunk::<8>()) {
        let here = eight_digits(*eight, units);
        count += here;
        if here < 8 {
            return count;
        }
    }
    for byte in text.get(count..).unwrap_or_default() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        *units = units.wrapping_mul(10).wrapping_add(u64::from(digit));
        count += 1;
    }
    count
}

/// The digits that eight bytes begin with.
#[inline(always)]
fn eight_digits(text: [u8; 8], units: &mut u64) -> usize {
    let word = u64::from_le_bytes(text);
    let count = leading_digits(word);
    if count > 0 {
        *units = units.wrapping_mul(POWERS.get(count).copied().unwrap_or(1)).wrapping_add(value(word, count));
    }
    count
}

const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

/// How many bytes of a word, the lowest first, are digits.
#[inline(always)]
const fn leading_digits(word: u64) -> usize {
    const HIGH: u64 = u64::from_le_bytes([0xf0; 8]);
    const SIX: u64 = u64::from_le_bytes([6; 8]);
    // A digit is 0x30 to 0x39: its high half is 3, and still is with 6 more. What a byte above 0xf9 carries into the
    // next one lies behind the first that is no digit.
    let odd = ((word & HIGH) ^ ZEROS) | ((word.wrapping_add(SIX) & HIGH) ^ ZEROS);
    (odd.trailing_zeros() / 8) as usize
}

/// The number that the first one to eight bytes of a word spell.
#[inline(always)]
const fn value(word: u64, count: usize) -> u64 {
    // The digits go to the high end, with zeros before them; then pairs, fours and all eight are added up.
    let word = (word ^ ZEROS) << (64 - 8 * count);
    let pairs = word.wrapping_mul(10).wrapping_add(word >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff
}

/// All bars of some files that lie in a span of time, and the reader, which knows where trades were missing.
///
/// `highest` is the highest price that the contract can have.
///
/// # Errors
///
/// [`DataError`] as [`KlineReader::next_bar`]; also when no bar lies in the span.
pub fn read_klines(
    files: &[PathBuf],
    gaps: Gaps,
    span: Span,
    highest: Option<Price>,
) -> Result<(Vec<Bar>, KlineReader), DataError> {
    let mut reader = KlineReader::new(files.to_vec(), gaps).within(span).up_to(highest);
    let mut bars = vec![reader.first_wanted()?];
    while let Some(bar) = reader.next_wanted()? {
        bars.push(bar);
    }
    Ok((bars, reader))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let Some((bar, columns)) = plain(line.as_bytes()) else { continue };
            quick += 1;
            assert_eq!((sound(bar), columns), (parse(line), line.split(',').count()), "{line}");
        }
        assert_eq!(quick, 5, "the plain ones, and the one whose prices contradict each other");
    }
}
