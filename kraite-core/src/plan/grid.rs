//! The judge of sized ladders: on the grid, within the rules, inside the margin.
//!
//! It reads only the finished numbers and shares no arithmetic with sizing.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::step::TargetStyle;
use crate::exchange::{Direction, Side};
use crate::instrument::Instrument;
use crate::number::{Notional, Price, Qty};
use crate::rounding::{is_on_lot, is_on_tick};
use crate::sizing::{Ladder, Rule};

/// One part of a ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leg {
    /// The market slice.
    Entry,
    /// Rung n, from 1.
    Rung(u8),
    /// The take-profit.
    Target,
    /// The stop-loss.
    Stop,
    /// All of it.
    Whole,
}

/// One thing that is wrong with a sized ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum LadderFault {
    /// A price is not a multiple of the tick.
    #[error("{0:?}: price off the tick grid")]
    OffTick(Leg),
    /// A quantity is not a multiple of the lot.
    #[error("{0:?}: quantity off the lot grid")]
    OffLot(Leg),
    /// A price lies on the wrong side of what it hangs on.
    #[error("{0:?}: on the wrong side")]
    WrongSide(Leg),
    /// A rule of the contract or of the budget is broken.
    #[error("{0:?}: breaks {1}")]
    Breaks(Leg, Rule),
    /// A stated sum is not the sum of its parts.
    #[error("{0:?}: the sum does not add up")]
    Sum(Leg),
}

/// Proves that a sized ladder is on the contract's grid, within its rules at `mark`, and inside its margin.
///
/// # Errors
/// Everything that is wrong, in order.
pub fn check_ladder(
    ladder: &Ladder,
    instrument: &Instrument,
    mark: Price,
    style: TargetStyle,
) -> Result<(), Vec<LadderFault>> {
    let mut judge = Judge { instrument, mark, direction: ladder.direction, faults: Vec::new() };
    let entry = ladder.entry;
    judge.price(Leg::Entry, entry.reference_price);
    judge.size(Leg::Entry, entry.reference_price, entry.qty, instrument.market_lot, instrument.max_market_qty);
    let mut nearest = entry.reference_price;
    for (place, rung) in ladder.rungs.iter().enumerate() {
        let leg = Leg::Rung(rung.rung);
        judge.price(leg, rung.price);
        judge.size(leg, rung.price, rung.qty, instrument.lot, instrument.max_qty);
        judge.band(leg, ladder.direction.opening_side(), rung.price);
        // Rungs that the contract's range has moved may share a price; none may reach the reference.
        judge.beyond(leg, rung.price, entry.reference_price);
        if rung.price != nearest && place > 0 {
            judge.beyond(leg, rung.price, nearest);
        }
        nearest = rung.price;
    }
    judge.price(Leg::Stop, ladder.stop);
    judge.beyond(Leg::Stop, ladder.stop, nearest);
    judge.price(Leg::Target, ladder.target);
    judge.beyond(Leg::Target, entry.reference_price, ladder.target);
    judge.beyond(Leg::Target, mark, ladder.target);
    if style == TargetStyle::Limit {
        judge.band(Leg::Target, ladder.direction.closing_side(), ladder.target);
    }
    judge.whole(ladder);
    if judge.faults.is_empty() { Ok(()) } else { Err(judge.faults) }
}

struct Judge<'a> {
    instrument: &'a Instrument,
    mark: Price,
    direction: Direction,
    faults: Vec<LadderFault>,
}

impl Judge<'_> {
    fn price(&mut self, leg: Leg, price: Price) {
        let Instrument { tick, min_price, max_price, .. } = *self.instrument;
        if !is_on_tick(price, tick) {
            self.faults.push(LadderFault::OffTick(leg));
        }
        let above = max_price.is_some_and(|highest| price > highest);
        if leg != Leg::Entry && (!price.is_positive() || price < min_price || above) {
            self.faults.push(LadderFault::Breaks(leg, Rule::PriceRange));
        }
    }

    /// `price` must lie strictly beyond `other` on the losing side.
    fn beyond(&mut self, leg: Leg, price: Price, other: Price) {
        let holds = match self.direction {
            Direction::Long => price < other,
            Direction::Short => price > other,
        };
        if !holds {
            self.faults.push(LadderFault::WrongSide(leg));
        }
    }

    fn size(&mut self, leg: Leg, price: Price, qty: Qty, lot: Qty, most: Qty) {
        if !is_on_lot(qty, lot) {
            self.faults.push(LadderFault::OffLot(leg));
        }
        let too_small = price.checked_mul(qty).is_ok_and(|n| n < self.instrument.min_notional);
        let rules = [
            (!qty.is_positive(), Rule::ZeroQuantity),
            (qty < self.instrument.min_qty, Rule::MinQuantity),
            (qty > most, Rule::MaxQuantity),
            (too_small, Rule::MinNotional),
        ];
        self.faults.extend(rules.iter().filter(|(broken, _)| *broken).map(|(_, rule)| LadderFault::Breaks(leg, *rule)));
    }

    fn band(&mut self, leg: Leg, side: Side, price: Price) {
        let (low, high) = match side {
            Side::Buy => (self.instrument.band.buy_min, self.instrument.band.buy_max),
            Side::Sell => (self.instrument.band.sell_min, self.instrument.band.sell_max),
        };
        let relative = Notional::of(price.decimal()).ratio_to(Notional::of(self.mark.decimal())).ok();
        let below = relative.zip(low).is_some_and(|(at, low)| at < low);
        if below || relative.zip(high).is_some_and(|(at, high)| at > high) {
            self.faults.push(LadderFault::Breaks(leg, Rule::PriceBand));
        }
    }

    fn whole(&mut self, ladder: &Ladder) {
        let entry = ladder.entry;
        if entry.reference_price.checked_mul(entry.qty) != Ok(entry.notional) {
            self.faults.push(LadderFault::Sum(Leg::Entry));
        }
        let sum = ladder.rungs.iter().try_fold(entry.notional, |sum, r| sum.checked_add(r.price.checked_mul(r.qty)?));
        if sum != Ok(ladder.total_notional) {
            self.faults.push(LadderFault::Sum(Leg::Whole));
        }
        if ladder.total_notional > ladder.capital {
            self.faults.push(LadderFault::Breaks(Leg::Whole, Rule::MarginOverrun));
        }
        let leverage = ladder.leverage;
        let brackets = &self.instrument.brackets;
        let needed = ladder.total_notional.max(ladder.capital);
        let fits = brackets.iter().any(|b| b.max_leverage >= leverage && needed < b.notional_cap);
        if leverage == 0 || !(brackets.is_empty() || fits) {
            self.faults.push(LadderFault::Breaks(Leg::Whole, Rule::LeverageBracket));
        }
        let held = u32::try_from(ladder.rungs.len()).unwrap_or(u32::MAX).saturating_add(2);
        if self.instrument.max_orders.is_some_and(|most| held > most) {
            self.faults.push(LadderFault::Breaks(Leg::Whole, Rule::OrderLimit));
        }
    }
}
