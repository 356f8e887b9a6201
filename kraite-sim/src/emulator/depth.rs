//! The book of a contract as it is shown.

use std::collections::BTreeMap;

use kraite_core::exchange::{OrderShape, Side};
use kraite_core::id::Symbol;
use kraite_core::number::{Price, Qty};

use super::common::Common;

/// What others are shown to offer at each of the ticks beside the last price.
const OFFERED: i64 = 10;
/// How many of those ticks there are, whatever is asked for.
const LEVELS: usize = 50;

/// How much there is at each price.
pub(super) type Levels = BTreeMap<Price, Qty>;

impl Common {
    /// What others offer beside the last price, and what rests of the account.
    pub(super) fn levels(&self, symbol: &Symbol) -> Option<(Levels, Levels)> {
        let contract = self.contract(symbol)?;
        let (last, tick) = (self.venue.last(symbol)?, contract.instrument.tick);
        let ticks = last.to_ticks(tick)?;
        let (mut bids, mut asks) = (Levels::new(), Levels::new());
        let qty = Qty::from_units(OFFERED, 0)?;
        for step in 1..=i64::try_from(LEVELS).ok()? {
            if let Some(below) = ticks.checked_sub(step).filter(|t| *t > 0)
                && let Ok(price) = Price::from_ticks(below, tick)
            {
                bids.insert(price, qty);
            }
            if let Ok(price) = Price::from_ticks(ticks.saturating_add(step), tick) {
                asks.insert(price, qty);
            }
        }
        for order in self.venue.open(self.account).filter(|o| o.symbol == *symbol) {
            if let OrderShape::Limit { price, .. } = order.shape {
                let side = if order.side == Side::Buy { &mut bids } else { &mut asks };
                let at = side.entry(price).or_default();
                *at = at.checked_add(order.leaves()).unwrap_or(*at);
            }
        }
        Some((bids, asks))
    }
}
