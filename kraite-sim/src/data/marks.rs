//! Mark prices beside klines: what triggers watch, and what decides on liquidations.

use std::path::PathBuf;

use kraite_core::number::{ArithmeticError, Price};
use kraite_core::rounding::{ceil_price, floor_price};
use kraite_core::time::{Millis, VenueMillis};

use super::{Bar, Columns, DataError, FillError, Gaps, KlineReader, Marks, Span, Stretch, Stretches};

impl Bar {
    /// A bar of the mark price, which is finer than a tick, on the contract's ticks: every tick within it and none
    /// beyond, so that it reaches an order exactly where the mark price did.
    ///
    /// # Errors
    ///
    /// [`ArithmeticError`] for a tick of zero.
    pub fn of_marks(self, tick: Price) -> Result<Self, ArithmeticError> {
        let (low, high) = (ceil_price(self.low, tick)?, floor_price(self.high, tick)?);
        // Between two ticks it reached neither; one of them has to do.
        let low = low.min(high);
        let inside = |price: Price| Ok(floor_price(price, tick)?.clamp(low, high));
        Ok(Self { open: inside(self.open)?, high, low, close: inside(self.close)?, ..self })
    }
}

/// Reads the mark price of each bar of others, from klines of the mark price of the same interval.
pub struct MarkReader {
    reader: KlineReader,
    file: PathBuf,
    tick: Price,
    gaps: Gaps,
    next: Option<Bar>,
    missing: Stretches,
}

impl MarkReader {
    /// Reads these files in this order, for bars of this span. Where one has no mark price and gaps are counted, its own
    /// prices stand for it.
    #[must_use]
    pub fn new(files: Vec<PathBuf>, gaps: Gaps, span: Span, tick: Price) -> Self {
        let file = files.first().cloned().unwrap_or_default();
        let reader = KlineReader::new(files, Gaps::Count).within(span);
        Self { reader, file, tick, gaps, next: None, missing: Stretches::default() }
    }

    /// The mark price within a bar that follows those before.
    ///
    /// # Errors
    ///
    /// [`DataError`] where the files cannot be read, have no mark price for it, or one of another interval.
    pub fn beside(&mut self, bar: &Bar) -> Result<Bar, DataError> {
        Ok(self.within(bar.open_time, bar.close_time)?.unwrap_or(*bar))
    }

    /// Sets the mark price of all bars of some columns, which follow those before.
    ///
    /// # Errors
    ///
    /// As [`MarkReader::beside`], and [`FillError::Column`] for a price off the grid of the columns.
    pub fn fill(&mut self, columns: &mut Columns) -> Result<(), FillError> {
        let mut marks = Marks::new(columns.unit());
        for bar in (0..columns.len()).filter_map(|place| columns.bar(place)) {
            match self.within(bar.open_time, bar.open_time.plus(columns.span()))? {
                Some(mark) => marks.push(&mark)?,
                None => marks.add([bar.open, bar.high, bar.low, bar.close]),
            }
        }
        Ok(columns.set_marks(marks)?)
    }

    /// The mark price of the bar from and to these instants; none where it is missing and that is counted.
    fn within(&mut self, from: VenueMillis, to: VenueMillis) -> Result<Option<Bar>, DataError> {
        let wrong = |at: VenueMillis, why: &str| DataError::Unreadable {
            path: self.file.clone(),
            reason: format!("the mark price of the bar at {} ms {why}", at.0),
        };
        while self.next.is_none_or(|next| next.open_time < from) {
            self.next = self.reader.next_wanted()?;
            if self.next.is_none() {
                break;
            }
        }
        match self.next.filter(|next| next.open_time == from) {
            Some(next) if next.close_time != to => {
                Err(wrong(from, "is of another interval; give mark prices of the klines' own"))
            }
            Some(next) => next.of_marks(self.tick).map(Some).map_err(|error| wrong(from, &error.to_string())),
            None if self.gaps == Gaps::Count => {
                self.missing.add(Stretch { from, to: to.plus(Millis(1)), bars: 1 });
                Ok(None)
            }
            None => Err(wrong(from, "is missing; there must be one for each bar")),
        }
    }

    /// Bars that had no mark price.
    #[must_use]
    pub const fn missing(&self) -> &Stretches {
        &self.missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(minute: i64, prices: [&str; 4]) -> Bar {
        let [open, high, low, close] = prices.map(|text| text.parse().unwrap());
        let open_time = VenueMillis(minute * 60_000);
        let close_time = VenueMillis(minute * 60_000 + 59_999);
        Bar { open_time, open, high, low, close, volume: "1".parse().unwrap(), close_time }
    }

    #[test]
    fn a_mark_price_reaches_a_tick_exactly_where_it_did() {
        let tick = "0.01".parse().unwrap();
        let of = |prices| {
            let bar = bar(0, prices).of_marks(tick).unwrap();
            [bar.open, bar.high, bar.low, bar.close].map(|price| price.to_string())
        };
        assert_eq!(of(["10.014", "10.0399", "9.9901", "10.0251"]), ["10.01", "10.03", "10", "10.02"]);
        assert_eq!(of(["10.00001", "10.00002", "10.00001", "10.00002"]), ["10", "10", "10", "10"]);
        assert_eq!(of(["10.01", "10.02", "10.00", "10.02"]), ["10.01", "10.02", "10", "10.02"]);
    }

    #[test]
    fn each_bar_has_the_mark_price_of_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mark.csv");
        let line = |minute: i64| {
            let (from, to) = (minute * 60_000, minute * 60_000 + 59_999);
            format!("{from},{minute}.5,{minute}.9,{minute}.1,{minute}.7,0,{to},0,0,0,0,0\n")
        };
        std::fs::write(&path, [1, 2, 3, 5, 6].map(line).concat()).unwrap();
        let reader = |gaps| MarkReader::new(vec![path.clone()], gaps, Span::default(), "0.1".parse().unwrap());
        let prices = ["1", "1", "1", "1"];
        let mut strict = reader(Gaps::Refuse);
        assert_eq!(strict.beside(&bar(2, prices)).unwrap().high.to_string(), "2.9");
        assert_eq!(strict.beside(&bar(3, prices)).unwrap().low.to_string(), "3.1");
        let error = strict.beside(&bar(4, prices)).unwrap_err().to_string();
        assert!(error.contains("mark.csv: the mark price of the bar at 240000 ms is missing"), "{error}");
        let mut counting = reader(Gaps::Count);
        let seen = (1..9).map(|minute| counting.beside(&bar(minute, prices)).unwrap().open.to_string());
        assert_eq!(seen.collect::<Vec<_>>(), ["1.5", "2.5", "3.5", "1", "5.5", "6.5", "1", "1"]);
        assert_eq!(counting.missing().count, 3);
        let hour = Bar { close_time: VenueMillis(3_719_999), ..bar(2, prices) };
        let error = reader(Gaps::Count).beside(&hour).unwrap_err().to_string();
        assert!(error.contains("of another interval"), "{error}");
    }
}
