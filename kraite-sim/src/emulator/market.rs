//! Who moves the prices: nobody, a random walk from the seed, or bars of a file.

use std::path::Path;

use kraite_core::id::Symbol;
use kraite_core::number::Price;
use kraite_core::time::{Millis, VenueMillis};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::listing::Listing;
use super::state::State;
use super::tape::{Candle, PublicTrade};
use super::{MarketSource, StartError, text};
use crate::data::{Bar, Gaps, KlineReader};

/// Prices move, and streams tick, this often.
pub(super) const STEP: Millis = Millis(1_000);
/// A step of the random walk is at most this share of the price, as one part in so many.
const WALK_PART: i64 = 2_000;
/// The most bars that are read from a file: two years of minutes.
const MOST_BARS: usize = 1_100_000;
/// Steps of one bar: open, one edge, the other, close.
const STEPS_PER_BAR: usize = 4;
/// Marks are pushed this often to those who did not ask for every second.
const SLOW_MARKS: i64 = 3_000;
const HOUR: i64 = 3_600_000;
/// Funding is paid every eight hours.
const FUNDING: i64 = 8 * HOUR;
/// What positions pay each other; as good as any.
const FUNDING_RATE: &str = "0.00010000";

/// Who moves the prices.
#[derive(Debug)]
pub(super) enum Mover {
    /// Only the admin routes.
    Still,
    /// A walk of every contract.
    Walk(Box<ChaCha8Rng>),
    /// The bars of one contract, one after the other; prices stand at the end.
    Bars {
        /// Whose.
        symbol: Symbol,
        /// How long one lasts.
        span: i64,
        /// Which.
        bars: Vec<Bar>,
        /// How many steps were played.
        played: usize,
        /// When the first step was due.
        began: Option<i64>,
    },
}

impl Mover {
    /// The mover of a source.
    ///
    /// # Errors
    ///
    /// A file that cannot be read as bars, or whose name does not begin with a listed contract.
    pub(super) fn new(source: &MarketSource, seed: u64, listing: &Listing) -> Result<Self, StartError> {
        match source {
            MarketSource::Still => Ok(Self::Still),
            MarketSource::RandomWalk => Ok(Self::Walk(Box::new(ChaCha8Rng::seed_from_u64(seed)))),
            MarketSource::Bars(path) => Self::bars(path, listing),
        }
    }

    fn bars(path: &Path, listing: &Listing) -> Result<Self, StartError> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let symbol = name.split(['-', '.', '_']).next().unwrap_or_default().to_uppercase();
        let symbol = Symbol::new(&symbol);
        if listing.get(&symbol).is_none() {
            return Err(StartError::BadData(format!(
                "{}: the name of a file of bars begins with its contract, and {symbol} is not listed",
                path.display()
            )));
        }
        let mut reader = KlineReader::new(vec![path.to_owned()], Gaps::Count);
        let mut bars = Vec::new();
        while let Some(bar) = reader.next_bar().map_err(|error| StartError::BadData(error.to_string()))? {
            if bars.len() >= MOST_BARS {
                return Err(StartError::BadData(format!("{}: more than {MOST_BARS} bars", path.display())));
            }
            bars.push(bar);
        }
        let span = bars.first().map_or(60_000, |bar| bar.close_time.since(bar.open_time).0.saturating_add(1)).max(4);
        Ok(Self::Bars { symbol, span, bars, played: 0, began: None })
    }

    /// The prices that are due now.
    fn due(
        &mut self,
        now: VenueMillis,
        last: impl Fn(&Symbol) -> Option<(Price, Price)>,
        all: &[Symbol],
    ) -> Vec<(Symbol, Price)> {
        match self {
            Self::Still => Vec::new(),
            Self::Walk(rng) => {
                let mut moves = Vec::new();
                for symbol in all {
                    let Some((price, tick)) = last(symbol) else { continue };
                    let Some(ticks) = price.to_ticks(tick) else { continue };
                    let most = (ticks / WALK_PART).max(1);
                    let width = u64::try_from(most.saturating_mul(2).saturating_add(1)).unwrap_or(1);
                    let step = i64::try_from(rng.next_u64() % width).unwrap_or(0).saturating_sub(most);
                    let next = ticks.saturating_add(step).max(1);
                    if let Ok(price) = Price::from_ticks(next, tick) {
                        moves.push((symbol.clone(), price));
                    }
                }
                moves
            }
            Self::Bars { symbol, span, bars, played, began } => {
                let began = *began.get_or_insert(now.0);
                let each = (*span / i64::try_from(STEPS_PER_BAR).unwrap_or(4)).max(1);
                let steps = usize::try_from(now.0.saturating_sub(began) / each).unwrap_or(usize::MAX).saturating_add(1);
                let mut moves = Vec::new();
                while *played < steps.min(bars.len().saturating_mul(STEPS_PER_BAR)) {
                    let Some(bar) = bars.get(*played / STEPS_PER_BAR) else { break };
                    let rising = bar.close >= bar.open;
                    let price = match (*played % STEPS_PER_BAR, rising) {
                        (0, _) => bar.open,
                        (1, true) | (2, false) => bar.low,
                        (1, false) | (2, true) => bar.high,
                        _ => bar.close,
                    };
                    *played = played.saturating_add(1);
                    moves.push((symbol.clone(), price));
                }
                moves
            }
        }
    }
}

impl State {
    /// One step of the clock: prices, periodic frames, keys that expire.
    pub(super) fn step(&mut self) {
        let now = self.now();
        let all: Vec<Symbol> = self.listing.iter().map(|c| c.instrument.symbol.clone()).collect();
        let (venue, listing) = (&self.venue, &self.listing);
        let last = |symbol: &Symbol| Some((venue.last(symbol)?, listing.get(symbol)?.instrument.tick));
        let moves = self.mover.due(now, last, &all);
        for (symbol, price) in moves {
            self.move_price(&symbol, price, price);
        }
        self.settle();
        self.forget(now);
        let slow = now.0.div_euclid(SLOW_MARKS) != now.0.saturating_sub(STEP.0).div_euclid(SLOW_MARKS);
        self.tell_periodic(&all, slow);
        if self.listen.as_ref().is_some_and(|listen| listen.until <= now) {
            self.expire_listen_key();
        }
    }

    /// Once an hour lets go of what no endpoint shows any more.
    fn forget(&mut self, now: VenueMillis) {
        let hour = now.0.div_euclid(HOUR);
        if std::mem::replace(&mut self.forgot, hour) == hour {
            return;
        }
        self.venue.forget_before(now.minus(self.venue.quirks().retention.any));
        let venue = &self.venue;
        self.tifs.retain(|id, _| venue.object(*id).is_some());
        self.modifications.retain(|id, _| venue.object(*id).is_some());
    }

    /// The listen key is no longer good: those who listen are told once and hear nothing more.
    pub(super) fn expire_listen_key(&mut self) {
        let Some(listen) = self.listen.take() else { return };
        let frame = json!({ "e": "listenKeyExpired", "E": self.now().0.to_string(), "listenKey": listen.key });
        self.streams.push_user(&listen.key, &frame);
    }

    /// Mark, rate and next funding of a contract.
    pub(super) fn premium_row(&self, symbol: &Symbol) -> Option<Value> {
        let mark = self.venue.mark(symbol)?;
        let now = self.now().0;
        let next = now.div_euclid(FUNDING).saturating_add(1).saturating_mul(FUNDING);
        Some(json!({
            "symbol": symbol.as_str(), "markPrice": format!("{mark:.8}"), "indexPrice": format!("{mark:.8}"),
            "estimatedSettlePrice": format!("{mark:.8}"), "lastFundingRate": FUNDING_RATE,
            "interestRate": "0.00010000", "nextFundingTime": next, "time": now,
        }))
    }

    fn mark_frame(&self, symbol: &Symbol) -> Option<Value> {
        let row = self.premium_row(symbol)?;
        Some(json!({
            "e": "markPriceUpdate", "E": row["time"], "s": row["symbol"], "p": row["markPrice"], "ap": row["markPrice"],
            "i": row["indexPrice"], "P": row["estimatedSettlePrice"], "r": row["lastFundingRate"],
            "T": row["nextFundingTime"], "st": 1,
        }))
    }

    fn tell_periodic(&mut self, all: &[Symbol], slow: bool) {
        if self.streams.count() == 0 {
            return;
        }
        let wanted = self.streams.wanted();
        let mut marks = Vec::new();
        let mut tickers = Vec::new();
        for symbol in all {
            let lower = symbol.as_str().to_lowercase();
            if let Some(frame) = self.mark_frame(symbol) {
                self.streams.push(&format!("{lower}@markPrice@1s"), &frame);
                if slow {
                    self.streams.push(&format!("{lower}@markPrice"), &frame);
                }
                marks.push(frame);
            }
            let day = ["ticker", "miniTicker"].map(|kind| format!("{lower}@{kind}"));
            let asked = wanted.contains("!ticker@arr") || day.iter().any(|name| wanted.contains(name));
            if asked && let Some(row) = self.day_row(symbol) {
                let mut frame = json!({
                    "e": "24hrTicker", "E": row["closeTime"], "s": row["symbol"], "ps": row["symbol"],
                    "p": row["priceChange"], "P": row["priceChangePercent"], "w": row["weightedAvgPrice"],
                    "c": row["lastPrice"], "Q": row["lastQty"], "o": row["openPrice"], "h": row["highPrice"],
                    "l": row["lowPrice"], "v": row["volume"], "q": row["quoteVolume"], "O": row["openTime"],
                    "C": row["closeTime"], "F": row["firstId"], "L": row["lastId"], "n": row["count"], "st": 1,
                });
                self.streams.push(&format!("{lower}@ticker"), &frame);
                tickers.push(frame.clone());
                if let Some(fields) = frame.as_object_mut() {
                    fields.insert("e".into(), "24hrMiniTicker".into());
                    fields.retain(|name, _| {
                        matches!(name.as_str(), "e" | "E" | "s" | "ps" | "c" | "o" | "h" | "l" | "v" | "q" | "st")
                    });
                }
                self.streams.push(&format!("{lower}@miniTicker"), &frame);
            }
            self.tell_candles(symbol, &wanted);
            self.tell_book(symbol, &wanted);
        }
        self.streams.push("!markPrice@arr@1s", &Value::Array(marks.clone()));
        if slow {
            self.streams.push("!markPrice@arr", &Value::Array(marks));
        }
        self.streams.push("!ticker@arr", &Value::Array(tickers));
    }

    /// Frames of one contract whose price moved.
    pub(super) fn tell_market(&mut self, symbol: &Symbol, trade: Option<&PublicTrade>) {
        if self.streams.count() == 0 {
            return;
        }
        let lower = symbol.as_str().to_lowercase();
        if let (Some(trade), Some(contract)) = (trade, self.contract(symbol)) {
            let frame = json!({
                "e": "aggTrade", "E": self.now().0, "s": symbol.as_str(), "a": trade.id,
                "p": text::price(contract, trade.price), "q": text::qty(contract, trade.qty),
                "nq": text::qty(contract, trade.qty), "f": trade.id, "l": trade.id, "T": trade.at.0,
                "m": trade.buyer_rested, "st": 1,
            });
            self.streams.push(&format!("{lower}@aggTrade"), &frame);
            let single = json!({
                "e": "trade", "E": frame["E"], "T": frame["T"], "s": frame["s"], "t": trade.id, "p": frame["p"],
                "q": frame["q"], "X": "MARKET", "m": trade.buyer_rested, "st": 1,
            });
            self.streams.push(&format!("{lower}@trade"), &single);
        }
        let wanted = self.streams.wanted();
        self.tell_book(symbol, &wanted);
        self.tell_candles(symbol, &wanted);
    }

    fn tell_book(&mut self, symbol: &Symbol, wanted: &std::collections::BTreeSet<String>) {
        let lower = symbol.as_str().to_lowercase();
        let (one, every) = (format!("{lower}@bookTicker"), "!bookTicker");
        if wanted.contains(&one) || wanted.contains(every) {
            let (now, row) = (self.now().0, self.book_row(symbol));
            if let Some(row) = row {
                let frame = json!({
                    "e": "bookTicker", "u": row["lastUpdateId"], "E": now, "T": now, "s": row["symbol"],
                    "ps": row["symbol"], "b": row["bidPrice"], "B": row["bidQty"], "a": row["askPrice"],
                    "A": row["askQty"], "st": 1,
                });
                self.streams.push(&one, &frame);
                self.streams.push(every, &frame);
            }
        }
        let prefix = format!("{lower}@depth");
        for name in wanted.iter().filter(|name| name.starts_with(&prefix)) {
            let digits: String = name.chars().skip(prefix.len()).take_while(char::is_ascii_digit).collect();
            let levels = digits.parse().unwrap_or(20);
            if let Some(depth) = self.depth(symbol, levels) {
                let now = self.now().0;
                let frame = json!({
                    "e": "depthUpdate", "E": now, "T": now, "s": symbol.as_str(), "ps": symbol.as_str(),
                    "U": depth["lastUpdateId"], "u": depth["lastUpdateId"], "pu": depth["lastUpdateId"],
                    "b": depth["bids"], "a": depth["asks"], "st": 1,
                });
                self.streams.push(name, &frame);
            }
        }
    }

    fn tell_candles(&mut self, symbol: &Symbol, wanted: &std::collections::BTreeSet<String>) {
        let lower = symbol.as_str().to_lowercase();
        let prefixes = [format!("{lower}@kline_"), format!("{lower}_perpetual@continuousKline_")];
        let now = self.now().0;
        for name in wanted {
            let Some(interval) = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix.as_str())) else {
                continue;
            };
            let Some(span) = span_of(interval) else { continue };
            let start = now.div_euclid(span).saturating_mul(span);
            // The one before is told once more, closed.
            let since_start = now.saturating_sub(start);
            let from = if since_start < STEP.0 { start.saturating_sub(span) } else { start };
            for (at, candle) in self.tape.candles(symbol, span, from, now, 2) {
                if let Some(mut frame) = self.candle_frame(symbol, interval, span, at, &candle) {
                    if name.contains("continuousKline")
                        && let Some(fields) = frame.as_object_mut()
                    {
                        fields.remove("s");
                        fields.insert("e".into(), "continuous_kline".into());
                        fields.insert("ps".into(), symbol.as_str().into());
                        fields.insert("ct".into(), "PERPETUAL".into());
                    }
                    self.streams.push(name, &frame);
                }
            }
        }
    }

    fn candle_frame(&self, symbol: &Symbol, interval: &str, span: i64, at: i64, candle: &Candle) -> Option<Value> {
        let contract = self.contract(symbol)?;
        let (now, end) = (self.now().0, at.saturating_add(span).saturating_sub(1));
        Some(json!({
            "e": "kline", "E": now, "s": symbol.as_str(), "st": 1,
            "k": {
                "t": at, "T": end, "s": symbol.as_str(), "i": interval, "f": candle.first_trade, "L": candle.last_trade,
                "o": text::price(contract, candle.open), "c": text::price(contract, candle.close),
                "h": text::price(contract, candle.high), "l": text::price(contract, candle.low),
                "v": text::qty(contract, candle.volume), "n": candle.trades, "x": now > end,
                "q": text::money(candle.quote), "V": "0", "Q": "0", "B": "0",
            },
        }))
    }
}

/// How many milliseconds an interval lasts; months count as thirty days.
pub(super) fn span_of(interval: &str) -> Option<i64> {
    let minutes = match interval {
        "1m" => 1,
        "3m" => 3,
        "5m" => 5,
        "15m" => 15,
        "30m" => 30,
        "1h" => 60,
        "2h" => 120,
        "4h" => 240,
        "6h" => 360,
        "8h" => 480,
        "12h" => 720,
        "1d" => 1_440,
        "3d" => 4_320,
        "1w" => 10_080,
        "1M" => 43_200,
        _ => return None,
    };
    Some(minutes * 60_000)
}
