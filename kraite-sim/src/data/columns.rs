//! Bars as columns of whole numbers: what a simulation scans.

use std::hash::{Hash as _, Hasher as _};

use kraite_core::number::{Price, Qty};
use kraite_core::rounding::floor_price;
use kraite_core::time::{Millis, VenueMillis};

use super::Bar;
use super::quick::Units;
use crate::digest::Gathered;

/// Why bars cannot be columns of a contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// A price is no whole number of units that fits.
    #[error("{name} {price} of the bar at {at} ms is no whole number of {unit} that fits into 32 bits")]
    OffGrid {
        /// Which price.
        name: &'static str,
        /// What it is.
        price: Price,
        /// The bar's open time.
        at: i64,
        /// The grid.
        unit: Price,
    },
    /// Mark prices are not those of the bars they are set beside.
    #[error("{marks} mark prices on a grid of {grid} are not those of {bars} bars on a grid of {unit}")]
    OtherMarks {
        /// How many mark prices.
        marks: usize,
        /// Their grid.
        grid: Price,
        /// How many bars.
        bars: usize,
        /// Theirs.
        unit: Price,
    },
}

/// Bars of one contract, oldest first, each price in whole units of a grid at least as fine as the contract's tick.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Columns {
    unit: Price,
    open_time: Vec<i64>,
    open: Vec<i32>,
    high: Vec<i32>,
    low: Vec<i32>,
    close: Vec<i32>,
    /// From the open of a bar to its last millisecond.
    span: i64,
    /// The mark price within each bar, where it is another than the last one.
    marks: Option<Marks>,
}

/// The mark price within each bar of some [`Columns`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Marks {
    unit: Price,
    open: Vec<i32>,
    high: Vec<i32>,
    low: Vec<i32>,
    close: Vec<i32>,
}

impl Marks {
    /// None, on this grid.
    #[must_use]
    pub const fn new(unit: Price) -> Self {
        Self { unit, open: Vec::new(), high: Vec::new(), low: Vec::new(), close: Vec::new() }
    }

    /// The mark price within the next bar.
    ///
    /// # Errors
    ///
    /// [`ColumnError`] for a price between two units; nothing was added. [`Bar::of_marks`] has them on a tick.
    pub fn push(&mut self, bar: &Bar) -> Result<(), ColumnError> {
        self.add(on_grid(bar, self.unit)?);
        Ok(())
    }

    /// The same in units: open, high, low, close.
    pub(super) fn add(&mut self, [open, high, low, close]: [i32; 4]) {
        self.open.push(open);
        self.high.push(high);
        self.low.push(low);
        self.close.push(close);
    }
}

/// The prices of a bar in units: open, high, low, close.
fn on_grid(bar: &Bar, unit: Price) -> Result<[i32; 4], ColumnError> {
    let units = |name, price: Price| {
        let units = price.to_ticks(unit).and_then(|units| i32::try_from(units).ok());
        units.ok_or(ColumnError::OffGrid { name, price, at: bar.open_time.0, unit })
    };
    Ok([units("open", bar.open)?, units("high", bar.high)?, units("low", bar.low)?, units("close", bar.close)?])
}

/// One bar of [`Columns`], in units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TickBar {
    /// When it began.
    pub open_time: VenueMillis,
    /// First price.
    pub open: i32,
    /// Highest price.
    pub high: i32,
    /// Lowest price.
    pub low: i32,
    /// Last price.
    pub close: i32,
}

impl Columns {
    /// No bars, on this grid.
    #[must_use]
    pub const fn new(unit: Price) -> Self {
        Self {
            unit,
            open_time: Vec::new(),
            open: Vec::new(),
            high: Vec::new(),
            low: Vec::new(),
            close: Vec::new(),
            span: 4,
            marks: None,
        }
    }

    /// One more bar.
    ///
    /// # Errors
    ///
    /// [`ColumnError`] for a price between two units; nothing was added.
    pub fn push(&mut self, bar: &Bar) -> Result<(), ColumnError> {
        let units = on_grid(bar, self.unit)?;
        self.add(bar.open_time, bar.close_time, units);
        Ok(())
    }

    /// One more bar in units: open, high, low, close.
    pub(super) fn add(&mut self, from: VenueMillis, to: VenueMillis, [open, high, low, close]: [i32; 4]) {
        self.span = to.since(from).0.max(4);
        self.marks = None;
        self.open_time.push(from.0);
        self.open.push(open);
        self.high.push(high);
        self.low.push(low);
        self.close.push(close);
    }

    /// Sets the mark price within each bar: what triggers watch, liquidations, funding and sizing. Without it that is the
    /// price of the bars. Bars that are added afterwards take it off.
    ///
    /// # Errors
    ///
    /// [`ColumnError`] where there is not one for each bar, or the grid is another; nothing was set.
    pub fn set_marks(&mut self, marks: Marks) -> Result<(), ColumnError> {
        if (marks.open.len(), marks.unit) != (self.len(), self.unit) {
            let (bars, unit) = (self.len(), self.unit);
            return Err(ColumnError::OtherMarks { marks: marks.open.len(), grid: marks.unit, bars, unit });
        }
        self.marks = Some(marks);
        Ok(())
    }

    /// The mark price within the bar at a place.
    #[must_use]
    pub fn mark(&self, at: usize) -> Option<TickBar> {
        let bar = self.bar(at)?;
        let Some(marks) = &self.marks else { return Some(bar) };
        let [open, high, low, close] =
            [&marks.open, &marks.high, &marks.low, &marks.close].map(|column| column.get(at));
        Some(TickBar { open_time: bar.open_time, open: *open?, high: *high?, low: *low?, close: *close? })
    }

    /// True where the mark price is another than that of the bars.
    #[must_use]
    pub const fn has_marks(&self) -> bool {
        self.marks.is_some()
    }

    /// The grid in its own decimals. One that has too many is one that no price lies on.
    pub(super) fn grid_of(&self) -> Units {
        Units::of(self.unit).unwrap_or_default()
    }

    /// How many bars.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.open.len()
    }

    /// True without any bar.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Forgets every bar and keeps the room.
    pub fn clear(&mut self) {
        self.open_time.clear();
        self.open.clear();
        self.high.clear();
        self.low.clear();
        self.close.clear();
        self.marks = None;
    }

    /// The grid.
    #[must_use]
    pub const fn unit(&self) -> Price {
        self.unit
    }

    /// A grid that holds the contract's tick and, as far as 32 bits reach to eight times this price, finer prices of
    /// other days, when its tick was another.
    #[must_use]
    pub fn grid(tick: Price, price: Price) -> Price {
        let tenth = Qty::from_units(1, 1).unwrap_or_default();
        let one = Qty::from_units(1, 0).unwrap_or_default();
        let finer = |unit: &Price| unit.checked_mul(tenth).and_then(|cost| cost.checked_div_qty(one)).ok();
        let fits = |unit: Price| {
            let units = floor_price(price, unit).ok().and_then(|price| price.to_ticks(unit));
            units.is_some_and(|units| units < i64::from(i32::MAX) / 8)
        };
        std::iter::successors(Some(tick), finer).take(4).take_while(|unit| fits(*unit)).last().unwrap_or(tick)
    }

    /// From the open of a bar to its last millisecond; of the last one that was pushed.
    #[must_use]
    pub const fn span(&self) -> Millis {
        Millis(self.span)
    }

    /// A price of these units.
    #[must_use]
    pub fn price(&self, units: i32) -> Option<Price> {
        Price::from_ticks(i64::from(units), self.unit).ok()
    }

    /// A digest of all bars, and of whatever else decides a run.
    #[must_use]
    pub fn digest(&self, more: &str) -> u64 {
        let mut gathered = Gathered::default();
        (self, more).hash(&mut gathered);
        gathered.finish()
    }

    /// The bar at a place.
    #[must_use]
    pub fn bar(&self, at: usize) -> Option<TickBar> {
        Some(TickBar {
            open_time: VenueMillis(*self.open_time.get(at)?),
            open: *self.open.get(at)?,
            high: *self.high.get(at)?,
            low: *self.low.get(at)?,
            close: *self.close.get(at)?,
        })
    }

    /// When a bar began.
    #[must_use]
    pub fn open_time(&self, at: usize) -> Option<VenueMillis> {
        self.open_time.get(at).map(|ms| VenueMillis(*ms))
    }

    /// The place of the first bar from `from` on that opens at or after an instant.
    #[must_use]
    pub fn first_at(&self, from: usize, instant: VenueMillis) -> usize {
        first_at(&self.open_time, from, instant)
    }

    /// The place of the first bar in `from..to` that reaches down to `below` or up to `above`; `to` where none does.
    #[must_use]
    pub fn next_crossing(&self, from: usize, to: usize, below: i32, above: i32) -> usize {
        let to = to.min(self.len());
        let (lows, highs) = (self.low.get(from..to).unwrap_or_default(), self.high.get(from..to).unwrap_or_default());
        crossing(lows, highs, below, above).map_or(to, |place| from.saturating_add(place))
    }

    /// The same for the mark price.
    #[must_use]
    pub fn next_mark_crossing(&self, from: usize, to: usize, below: i32, above: i32) -> usize {
        let Some(marks) = &self.marks else { return self.next_crossing(from, to, below, above) };
        let to = to.min(self.len());
        let (lows, highs) = (marks.low.get(from..to).unwrap_or_default(), marks.high.get(from..to).unwrap_or_default());
        crossing(lows, highs, below, above).map_or(to, |place| from.saturating_add(place))
    }

    /// What is known when the bar at a place opens: every bar before it, and of this one only that price.
    #[must_use]
    pub fn known_at(&self, place: usize) -> Self {
        let before = |column: &[i32], opens: &[i32]| {
            let opens = opens.get(place).copied();
            column.get(..place).unwrap_or(column).iter().copied().chain(opens).collect()
        };
        let marks = self.marks.as_ref().map(|marks| Marks {
            unit: marks.unit,
            open: before(&marks.open, &marks.open),
            high: before(&marks.high, &marks.open),
            low: before(&marks.low, &marks.open),
            close: before(&marks.close, &marks.open),
        });
        Self {
            unit: self.unit,
            open_time: self.open_time.iter().copied().take(place.saturating_add(1)).collect(),
            open: before(&self.open, &self.open),
            high: before(&self.high, &self.open),
            low: before(&self.low, &self.open),
            close: before(&self.close, &self.open),
            span: self.span,
            marks,
        }
    }

    /// The closes of some bars.
    #[must_use]
    pub fn closes(&self, from: usize, to: usize) -> &[i32] {
        self.close.get(from..to.min(self.len())).unwrap_or_default()
    }

    /// The mark prices at the closes of some bars.
    #[must_use]
    pub fn mark_closes(&self, from: usize, to: usize) -> &[i32] {
        let closes = self.marks.as_ref().map_or(&self.close, |marks| &marks.close);
        closes.get(from..to.min(self.len())).unwrap_or_default()
    }
}

/// The place of the first of these instants, which rise, from `from` on that is not before another one.
pub(super) fn first_at(instants: &[i64], from: usize, instant: VenueMillis) -> usize {
    let rest = instants.get(from..).unwrap_or_default();
    // Mostly it is near.
    let near = rest.iter().take(8).position(|ms| *ms >= instant.0);
    from.saturating_add(near.unwrap_or_else(|| rest.partition_point(|ms| *ms < instant.0)))
}

/// The first place where a low is at or below `below`, or a high at or above `above`.
pub(super) fn crossing(lows: &[i32], highs: &[i32], below: i32, above: i32) -> Option<usize> {
    const BLOCK: usize = 64;
    let mut passed = 0_usize;
    for (lows, highs) in lows.chunks(BLOCK).zip(highs.chunks(BLOCK)) {
        // Without a branch inside, so that it is done several at a time.
        let hit = lows.iter().zip(highs).fold(false, |hit, (low, high)| hit | (*low <= below) | (*high >= above));
        if hit {
            let place = lows.iter().zip(highs).position(|(low, high)| *low <= below || *high >= above);
            return Some(passed.saturating_add(place.unwrap_or(0)));
        }
        passed = passed.saturating_add(lows.len());
    }
    None
}

/// What prices in order of time come to, in units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The lowest; above the highest where there was none.
    pub lowest: i32,
    /// The highest.
    pub highest: i32,
    /// The deepest fall from one to a later one.
    pub fall: i32,
    /// The highest rise from one to a later one.
    pub rise: i32,
}

impl Run {
    /// Of these prices.
    #[must_use]
    pub fn of(prices: &[i32]) -> Self {
        let mut run = Self { lowest: i32::MAX, highest: i32::MIN, fall: 0, rise: 0 };
        for price in prices {
            run.lowest = run.lowest.min(*price);
            run.highest = run.highest.max(*price);
            run.fall = run.fall.max(run.highest.wrapping_sub(*price));
            run.rise = run.rise.max(price.wrapping_sub(run.lowest));
        }
        run
    }
}
