//! Trades as columns of whole numbers: what a simulation scans.

use std::hash::{Hash as _, Hasher as _};

use kraite_core::number::Price;
use kraite_core::time::VenueMillis;

use super::columns::crossing;
use super::{ColumnError, Trade};
use crate::digest::Gathered;

/// Trades of one contract, oldest first: when, and at what price in whole units of a grid.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ticks {
    unit: Price,
    at: Vec<i64>,
    price: Vec<i32>,
}

impl Ticks {
    /// No trades, on this grid; [`super::Columns::grid`] knows one.
    #[must_use]
    pub const fn new(unit: Price) -> Self {
        Self { unit, at: Vec::new(), price: Vec::new() }
    }

    /// One more trade.
    ///
    /// # Errors
    ///
    /// [`ColumnError`] for a price between two units; nothing was added.
    pub fn push(&mut self, trade: &Trade) -> Result<(), ColumnError> {
        let units = trade.price.to_ticks(self.unit).and_then(|units| i32::try_from(units).ok());
        let (price, at, unit) = (trade.price, trade.at.0, self.unit);
        let units = units.ok_or(ColumnError::OffGrid { name: "price", price, at, unit })?;
        self.at.push(at);
        self.price.push(units);
        Ok(())
    }

    /// How many trades.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.price.len()
    }

    /// True without any trade.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.price.is_empty()
    }

    /// Forgets every trade and keeps the room.
    pub fn clear(&mut self) {
        self.at.clear();
        self.price.clear();
    }

    /// The grid.
    #[must_use]
    pub const fn unit(&self) -> Price {
        self.unit
    }

    /// A digest of all trades, and of whatever else decides a run.
    #[must_use]
    pub fn digest(&self, more: &str) -> u64 {
        let mut gathered = Gathered::default();
        (self, more).hash(&mut gathered);
        gathered.finish()
    }

    /// Time and price, in units, of the trade at a place.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<(VenueMillis, i32)> {
        Some((VenueMillis(*self.at.get(place)?), *self.price.get(place)?))
    }

    /// Prices of some of them.
    #[must_use]
    pub fn prices(&self, from: usize, to: usize) -> &[i32] {
        self.price.get(from..to.min(self.len())).unwrap_or_default()
    }

    /// The place of the first trade from `from` on that is at or after an instant.
    #[must_use]
    pub fn first_at(&self, from: usize, instant: VenueMillis) -> usize {
        super::columns::first_at(&self.at, from, instant)
    }

    /// The place of the first trade in `from..to` at or below `below`, or at or above `above`; `to` where there is none.
    #[must_use]
    pub fn next_crossing(&self, from: usize, to: usize, below: i32, above: i32) -> usize {
        let to = to.min(self.len());
        crossing(self.prices(from, to), self.prices(from, to), below, above)
            .map_or(to, |place| from.saturating_add(place))
    }
}
