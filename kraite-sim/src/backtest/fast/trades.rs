//! Trade by trade, where each order is at the exchange only once its message has arrived.
//!
//! The times are those of the engine on an exchange this far away: an entry is sent once the account is read and set
//! up; its answer lets the rungs be sent, theirs the stop, and its the target (or the stop first, as the plan's sequence
//! says; a pair is one call). A rung that has filled is pushed, and the target that follows it is one request behind
//! that. What arrives late finds the price where it is: a rung that is passed already executes there, and a position
//! whose stop or target is passed before it rests is closed there.

use std::ops::Range;

use kraite_core::capabilities::Protection;
use kraite_core::exchange::Direction;
use kraite_core::number::Price;
use kraite_core::plan::Sequence;
use kraite_core::sizing::Ladder;
use kraite_core::time::{Millis, VenueMillis};

use super::{Edges, Fast, FastError, Held, Listener, Move, NEVER, Part, Prices};
use crate::backtest::fast::position::Live;
use crate::data::Ticks;

/// Before an entry the account is read, and its margin mode and leverage are set.
const CALLS_BEFORE_ENTRY: i64 = 3;
/// How many trades are looked through at most before asking again what is due.
const LOOK_AHEAD: usize = 4_096;

/// What is on its way, the first to arrive first.
pub(super) type Dues = Vec<(VenueMillis, Due)>;

#[derive(Debug, Clone)]
pub(super) enum Due {
    Entry(Box<Ladder>),
    Rungs,
    Stop,
    Target,
    Retarget(Price),
}

impl<L: Listener> Fast<'_, L> {
    /// Plays trades that follow those before, each a price that everything resting sees. An order that is limited
    /// executes whole where a trade is at its price, as if it were the first in its queue.
    ///
    /// # Errors
    ///
    /// [`FastError`]; the run cannot go on.
    pub fn play_trades(&mut self, trades: &Ticks) -> Result<(), FastError> {
        self.play_trades_part(trades, 0..trades.len())
    }

    /// Plays some of the trades.
    ///
    /// # Errors
    ///
    /// As [`Fast::play_trades`].
    pub fn play_trades_part(&mut self, trades: &Ticks, part: Range<usize>) -> Result<(), FastError> {
        let Range { start: mut at, end } = part;
        let end = end.min(trades.len());
        let Some((first, _)) = trades.get(at).filter(|_| at < end) else { return Ok(()) };
        self.by_trades = true;
        self.begin(trades.unit(), first, end.saturating_sub(at));
        self.when_next();
        while at < end {
            let to = if self.every_bar { at } else { self.quiet_trades(trades, at, end) };
            if to > at {
                let prices = trades.prices(at, to);
                self.pass(prices, prices)?;
                at = to;
            }
            if let Some((time, price)) = trades.get(at) {
                self.trade(time, price)?;
            }
            at = at.saturating_add(1);
        }
        Ok(())
    }

    /// The place of the next trade that is to be looked at.
    fn quiet_trades(&self, trades: &Ticks, at: usize, end: usize) -> usize {
        let arrival = self.dues.first().map_or(NEVER, |(at, _)| *at).min(self.sample_at);
        if self.held.is_none() {
            let next = if self.dues.is_empty() { arrival.min(self.enter_at) } else { arrival };
            return trades.first_at(at, next).min(end);
        }
        let due = self.funding.first().map_or(arrival, |next| arrival.min(next.at));
        // Mostly a price is reached long before anything is due: what is far away is looked for once it is near.
        let near = at.saturating_add(LOOK_AHEAD).min(end);
        let to = match trades.get(near.saturating_sub(1)) {
            Some((last, _)) if last < due => near,
            _ => trades.first_at(at, due).min(near),
        };
        let Edges { below, above } = self.watched.last.or(self.watched.mark);
        trades.next_crossing(at, to, below, above)
    }

    fn trade(&mut self, at: VenueMillis, price: i32) -> Result<(), FastError> {
        self.stamp = at;
        self.pay_funding(at)?;
        self.arrive(at)?;
        let both = Prices { last: price, mark: price };
        self.reach(at, both, Move::Jump)?;
        if self.held.is_none() && self.dues.is_empty() && at >= self.enter_at {
            let mark = self.price(price)?;
            if let Some(ladder) = self.sized(at, mark) {
                let prepared = at.plus(self.there_and_back(CALLS_BEFORE_ENTRY));
                self.send(prepared.plus(Millis(self.plan.latency.request_ms)), Due::Entry(Box::new(ladder)));
                // Without any latency it is there already.
                self.arrive(at)?;
            }
        }
        self.mark_equity(at, both)
    }

    fn send(&mut self, arrives: VenueMillis, what: Due) {
        let place = self.dues.partition_point(|(at, _)| *at <= arrives);
        self.dues.insert(place, (arrives, what));
    }

    /// What has arrived by now finds the last price.
    pub(super) fn arrive(&mut self, now: VenueMillis) -> Result<(), FastError> {
        let stamp = self.stamp;
        while self.dues.first().is_some_and(|(at, _)| *at <= now) {
            let (at, due) = self.dues.remove(0);
            let Some(last) = self.last else { continue };
            let last = self.price(last)?;
            self.stamp = at;
            match due {
                Due::Entry(ladder) => {
                    self.enter(at, last, last, &ladder)?;
                    self.protect_later(at);
                }
                Due::Rungs => self.now_live(|live| live.rungs = true),
                Due::Stop => self.now_live(|live| live.stop = true),
                Due::Target => self.now_live(|live| live.target = true),
                Due::Retarget(target) => self.move_target(target),
            }
            self.meet(at, last)?;
        }
        self.stamp = stamp;
        Ok(())
    }

    fn now_live(&mut self, change: impl Fn(&mut Live)) {
        if let Some(held) = &mut self.held {
            change(&mut held.live);
        }
    }

    /// The orders behind an entry, one call after the other.
    fn protect_later(&mut self, entered: VenueMillis) {
        let Some(held) = &mut self.held else { return };
        held.live = Live { rungs: false, stop: false, target: false };
        let paired = self.plan.profile.capabilities.protection == Protection::Paired;
        let (rungs, stop, target) = match (self.plan.sequence, paired) {
            (Sequence::LadderFirst, false) => (1, 2, 3),
            (Sequence::LadderFirst, true) => (1, 2, 2),
            (Sequence::ProtectFirst, false) => (2, 1, 3),
            (Sequence::ProtectFirst, true) => (2, 1, 1),
        };
        for (calls, due) in [(rungs, Due::Rungs), (stop, Due::Stop), (target, Due::Target)] {
            self.send(entered.plus(self.there_and_back(calls)), due);
        }
    }

    /// What so many calls take, one after the other.
    const fn there_and_back(&self, calls: i64) -> Millis {
        let one = self.plan.latency.reply_ms.saturating_add(self.plan.latency.request_ms);
        Millis(one.saturating_mul(calls))
    }

    /// The orders that are there now meet the price that is.
    fn meet(&mut self, at: VenueMillis, last: Price) -> Result<(), FastError> {
        let long = self.plan.spec.direction == Direction::Long;
        let passed = |order: Price| if long { last <= order } else { last >= order };
        let mut fills = false;
        while let Some(rung) = self.held.as_ref().and_then(Held::next_rung).filter(|rung| passed(rung.price)) {
            let taken = self.taken_at(last, true)?;
            let price = if long { taken.min(rung.price) } else { taken.max(rung.price) };
            self.add(Part::Rung(rung.rung), price, rung.qty, self.plan.instrument.taker_fee)?;
            self.rung_filled();
            fills = true;
        }
        let Some(held) = &self.held else { return Ok(()) };
        if held.live_stop().is_some_and(passed) {
            return self.stop_out(at, last);
        }
        if held.live_target().is_some_and(|target| if long { last >= target } else { last <= target }) {
            return self.take_profit(at, self.taken_at(last, false)?, self.plan.instrument.taker_fee);
        }
        if fills {
            self.follow(at)?;
        }
        self.watch(last)
    }

    /// A target that rests is changed one message after the fill was heard of; says so if it does.
    pub(super) fn arrives_later(&mut self, at: VenueMillis, target: Price) -> bool {
        let Some(held) = &self.held else { return false };
        let waits = self.dues.iter().any(|(_, due)| matches!(due, Due::Retarget(_)));
        let latency = self.plan.latency.push_ms.saturating_add(self.plan.latency.request_ms);
        if !self.by_trades || !held.live.target || (held.target == target && !waits) {
            return false;
        }
        self.send(at.plus(Millis(latency)), Due::Retarget(target));
        true
    }
}
