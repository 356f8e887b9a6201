//! What happened in the market: public trades and candles, kept as far as anybody asks for them.

use std::collections::{BTreeMap, VecDeque};

use kraite_core::id::Symbol;
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::time::VenueMillis;

/// Public trades that are kept per contract: what the trade endpoints show at most.
const KEPT_TRADES: usize = 1_000;
/// Minutes that are kept per contract: ten days.
const KEPT_MINUTES: usize = 14_400;
pub(super) const MINUTE: i64 = 60_000;

/// One public trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PublicTrade {
    pub(super) id: u64,
    pub(super) price: Price,
    pub(super) qty: Qty,
    pub(super) at: VenueMillis,
    pub(super) buyer_rested: bool,
}

/// Prices and volume over some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candle {
    pub(super) open: Price,
    pub(super) high: Price,
    pub(super) low: Price,
    pub(super) close: Price,
    pub(super) volume: Qty,
    pub(super) quote: Notional,
    pub(super) trades: u64,
    pub(super) first_trade: u64,
    pub(super) last_trade: u64,
}

impl Candle {
    /// Nobody traded.
    pub(super) const fn flat(price: Price) -> Self {
        Self {
            open: price,
            high: price,
            low: price,
            close: price,
            volume: Qty::ZERO,
            quote: Notional::ZERO,
            trades: 0,
            first_trade: 0,
            last_trade: 0,
        }
    }

    fn add(&mut self, next: &Self) {
        self.high = self.high.max(next.high);
        self.low = self.low.min(next.low);
        self.close = next.close;
        self.volume = self.volume.checked_add(next.volume).unwrap_or(self.volume);
        self.quote = self.quote.checked_add(next.quote).unwrap_or(self.quote);
        if self.trades == 0 {
            self.first_trade = next.first_trade;
        }
        if next.trades > 0 {
            self.last_trade = next.last_trade;
        }
        self.trades = self.trades.saturating_add(next.trades);
    }
}

#[derive(Debug, Clone, Default)]
struct Reel {
    trades: VecDeque<PublicTrade>,
    minutes: BTreeMap<i64, Candle>,
    last: Option<Price>,
}

/// The tape of every contract.
#[derive(Debug, Clone, Default)]
pub(super) struct Tape {
    reels: BTreeMap<Symbol, Reel>,
    next: u64,
}

impl Tape {
    /// A contract begins to trade at a price.
    pub(super) fn opened(&mut self, symbol: &Symbol, price: Price, now: VenueMillis) {
        let reel = self.reels.entry(symbol.clone()).or_default();
        reel.last = Some(price);
        reel.minutes.insert(now.0.div_euclid(MINUTE), Candle::flat(price));
    }

    /// Somebody traded one unit at a price; `None` where the price is the last one.
    pub(super) fn traded(&mut self, symbol: &Symbol, price: Price, now: VenueMillis) -> Option<PublicTrade> {
        let reel = self.reels.entry(symbol.clone()).or_default();
        let before = reel.last.replace(price);
        if before == Some(price) {
            return None;
        }
        self.next = self.next.saturating_add(1);
        let qty = Qty::from_units(1, 0).unwrap_or_default();
        let buyer_rested = before.is_some_and(|before| price < before);
        let trade = PublicTrade { id: self.next, price, qty, at: now, buyer_rested };
        while reel.trades.len() >= KEPT_TRADES {
            reel.trades.pop_front();
        }
        reel.trades.push_back(trade);
        let one = Candle {
            volume: qty,
            quote: price.checked_mul(qty).unwrap_or_default(),
            trades: 1,
            first_trade: trade.id,
            last_trade: trade.id,
            ..Candle::flat(price)
        };
        let minute = now.0.div_euclid(MINUTE);
        reel.minutes.entry(minute).and_modify(|candle| candle.add(&one)).or_insert_with(|| {
            let mut candle = Candle::flat(before.unwrap_or(price));
            candle.add(&one);
            candle
        });
        while reel.minutes.len() > KEPT_MINUTES {
            reel.minutes.pop_first();
        }
        Some(trade)
    }

    /// The latest public trades, oldest first.
    pub(super) fn trades(&self, symbol: &Symbol, limit: usize) -> Vec<PublicTrade> {
        let Some(reel) = self.reels.get(symbol) else { return Vec::new() };
        let skip = reel.trades.len().saturating_sub(limit);
        reel.trades.iter().skip(skip).copied().collect()
    }

    /// Everything since an instant as one candle; `None` where nobody traded.
    pub(super) fn since(&self, symbol: &Symbol, from: i64) -> Option<Candle> {
        let minutes = self.reels.get(symbol)?.minutes.range(from.div_euclid(MINUTE)..);
        minutes.map(|(_, candle)| *candle).reduce(|mut all, next| {
            all.add(&next);
            all
        })
    }

    /// The candles of a span that begin in `from..=to`, by the millisecond they begin at; where nobody traded they are
    /// flat. Nothing is shown of before the emulator started.
    pub(super) fn candles(&self, symbol: &Symbol, span: i64, from: i64, to: i64, limit: usize) -> Vec<(i64, Candle)> {
        let Some(reel) = self.reels.get(symbol) else { return Vec::new() };
        let Some(first) = reel.minutes.first_key_value().map(|(minute, _)| minute.saturating_mul(MINUTE)) else {
            return Vec::new();
        };
        let start = |at: i64| at.div_euclid(span).saturating_mul(span);
        let mut at = start(first.max(from));
        if at < from {
            at = at.saturating_add(span);
        }
        let mut before = reel
            .minutes
            .range(..at.div_euclid(MINUTE))
            .next_back()
            .map(|(_, candle)| candle.close)
            .or_else(|| reel.minutes.values().next().map(|candle| candle.open))
            .unwrap_or_default();
        let mut all = Vec::new();
        while at <= to && all.len() < limit {
            let minutes = at.div_euclid(MINUTE)..at.saturating_add(span).div_euclid(MINUTE);
            let mut candle: Option<Candle> = None;
            for (_, minute) in reel.minutes.range(minutes) {
                match &mut candle {
                    Some(candle) => candle.add(minute),
                    None => candle = Some(*minute),
                }
            }
            let candle = candle.unwrap_or(Candle::flat(before));
            before = candle.close;
            all.push((at, candle));
            at = at.saturating_add(span);
        }
        all
    }
}
