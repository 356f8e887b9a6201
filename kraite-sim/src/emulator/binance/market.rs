//! What the market streams tell, and the marks that stand in replies.

use kraite_core::id::Symbol;
use serde_json::{Value, json};

use super::mover::STEP;
use super::state::State;
use super::tape::{Candle, PublicTrade};
use super::text;

/// Marks are pushed this often to those who did not ask for every second.
pub(super) const SLOW_MARKS: i64 = 3_000;
const HOUR: i64 = 3_600_000;
/// Funding is paid every eight hours.
const FUNDING: i64 = 8 * HOUR;
/// What positions pay each other; as good as any.
const FUNDING_RATE: &str = "0.00010000";

impl State {
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

    pub(super) fn tell_all(&mut self, all: &[Symbol], slow: bool) {
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
