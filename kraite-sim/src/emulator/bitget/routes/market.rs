//! What anybody may ask, in both generations: the clock, contracts, tiers, prices, candles.

use kraite_core::id::Symbol;
use kraite_core::number::Qty;
use serde_json::{Map, Value, json};

use super::super::contracts::as_unified;
use super::super::errors::Problem;
use super::super::listing::Contract;
use super::super::params::Params;
use super::super::state::State;
use super::super::tape::Candle;
use super::super::text;
use super::terms::{contract_named, contract_of, limit_of, product_of};

/// What positions pay each other; as good as any.
const FUNDING_RATE: &str = "0.0001";
/// Funding is paid every eight hours.
const FUNDING: i64 = 8 * 3_600_000;
const DAY: i64 = 86_400_000;
const MINUTE: i64 = 60_000;

pub(super) fn time(state: &mut State, _: &Params) -> Result<Value, Problem> {
    Ok(json!({ "serverTime": state.now().0.to_string() }))
}

/// Other products of the venue, which clients load together with this one: they list nothing here.
pub(super) fn nothing(_: &mut State, _: &Params) -> Result<Value, Problem> {
    Ok(json!([]))
}

/// A row for the contract that is named, or for each.
fn each(
    state: &State,
    params: &Params,
    product: &str,
    row: impl Fn(&Contract) -> Option<Value>,
) -> Result<Value, Problem> {
    // Spot and margin, which clients of the unified API load together with futures, list nothing here.
    let elsewhere = matches!(params.word(product).as_deref(), Some("spot" | "margin"));
    if elsewhere || !product_of(params, product)? {
        return Ok(json!([]));
    }
    let only = contract_named(state, params)?.map(|c| c.instrument.symbol);
    Ok(state
        .listing
        .iter()
        .filter(|c| only.as_ref().is_none_or(|only| *only == c.instrument.symbol))
        .filter_map(row)
        .collect())
}

pub(super) fn contracts(state: &mut State, params: &Params) -> Result<Value, Problem> {
    each(state, params, "productType", |c| Some(c.row.clone()))
}

pub(super) fn instruments(state: &mut State, params: &Params) -> Result<Value, Problem> {
    each(state, params, "category", |c| Some(as_unified(c)))
}

pub(super) fn classic_tickers(state: &mut State, params: &Params) -> Result<Value, Problem> {
    each(state, params, "productType", |c| state.ticker(&c.instrument.symbol, true))
}

pub(super) fn unified_tickers(state: &mut State, params: &Params) -> Result<Value, Problem> {
    each(state, params, "category", |c| state.ticker(&c.instrument.symbol, false))
}

pub(super) fn symbol_price(state: &mut State, params: &Params) -> Result<Value, Problem> {
    each(state, params, "productType", |c| {
        let symbol = &c.instrument.symbol;
        let mark = text::price(c, state.venue.mark(symbol)?);
        Some(json!({
            "symbol": symbol.as_str(), "price": text::price(c, state.venue.last(symbol)?), "indexPrice": mark,
            "markPrice": mark, "ts": state.now().0.to_string(),
        }))
    })
}

/// The brackets of a contract, under the names that a generation has for them.
fn tiers(state: &State, params: &Params, names: [&str; 5]) -> Result<Value, Problem> {
    let contract = contract_of(state, params)?;
    let rows = (1..).zip(&contract.instrument.brackets).map(|(number, b)| {
        let values = [
            number.to_string(),
            b.notional_floor.to_string(),
            b.notional_cap.to_string(),
            b.max_leverage.to_string(),
            b.maintenance_ratio.to_string(),
        ];
        let mut row: Map<String, Value> =
            names.iter().zip(values).map(|(name, value)| ((*name).to_owned(), value.into())).collect();
        row.insert("symbol".into(), contract.instrument.symbol.as_str().into());
        Value::Object(row)
    });
    Ok(rows.collect())
}

pub(super) fn classic_tiers(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "productType")?;
    tiers(state, params, ["level", "startUnit", "endUnit", "leverage", "keepMarginRate"])
}

pub(super) fn unified_tiers(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "category")?;
    tiers(state, params, ["tier", "minTierValue", "maxTierValue", "leverage", "mmr"])
}

/// How many milliseconds an interval lasts; months count as thirty days.
pub(in super::super) fn span_of(interval: &str) -> Option<i64> {
    let interval = interval.trim_end_matches("utc");
    // Minutes and months differ by their case alone.
    let (count, unit) = interval.split_at_checked(interval.len().checked_sub(1)?)?;
    let count: i64 = count.parse().ok()?;
    let unit = match unit {
        "m" => MINUTE,
        "h" | "H" => 60 * MINUTE,
        "d" | "D" => DAY,
        "w" | "W" => 7 * DAY,
        "M" => 30 * DAY,
        _ => return None,
    };
    count.checked_mul(unit).filter(|span| *span > 0)
}

fn candles(state: &State, params: &Params, interval: &str) -> Result<Value, Problem> {
    let contract = contract_of(state, params)?;
    let span = span_of(&params.need(interval)?).ok_or_else(|| Problem::odd(interval))?;
    let limit = limit_of(params)?;
    let now = state.now().0;
    let to = params.parsed::<i64>("endTime")?.unwrap_or(now).min(now);
    let back = span.saturating_mul(i64::try_from(limit).unwrap_or(i64::MAX));
    let from = params.parsed::<i64>("startTime")?.unwrap_or_else(|| to.saturating_sub(back).saturating_add(1));
    let rows = state.tape.candles(&contract.instrument.symbol, span, from, to, limit);
    Ok(rows.iter().map(|(at, candle)| candle_row(&contract, *at, candle)).collect())
}

/// One candle.
pub(in super::super) fn candle_row(contract: &Contract, at: i64, candle: &Candle) -> Value {
    json!([
        at.to_string(),
        text::price(contract, candle.open),
        text::price(contract, candle.high),
        text::price(contract, candle.low),
        text::price(contract, candle.close),
        text::qty(contract, candle.volume),
        text::money(candle.quote),
    ])
}

pub(super) fn classic_candles(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "productType")?;
    candles(state, params, "granularity")
}

pub(super) fn unified_candles(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "category")?;
    candles(state, params, "interval")
}

pub(super) fn depth(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "productType")?;
    let contract = contract_of(state, params)?;
    state.book(&contract.instrument.symbol, limit_of(params)?).ok_or_else(|| Problem::of(22_045))
}

pub(super) fn unified_depth(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "category")?;
    let contract = contract_of(state, params)?;
    let book = state.book(&contract.instrument.symbol, limit_of(params)?).ok_or_else(|| Problem::of(22_045))?;
    Ok(json!({ "a": book["asks"], "b": book["bids"], "ts": book["ts"] }))
}

/// The latest public trades, newest first, under the names that a generation has for them.
fn trades(state: &State, params: &Params, names: [&str; 4]) -> Result<Value, Problem> {
    let contract = contract_of(state, params)?;
    let all = state.tape.trades(&contract.instrument.symbol, limit_of(params)?);
    let rows = all.iter().rev().map(|trade| {
        let side = if trade.buyer_rested { "sell" } else { "buy" };
        let values = [trade.id.to_string(), text::price(&contract, trade.price), text::qty(&contract, trade.qty)];
        let mut row: Map<String, Value> =
            names.iter().zip(values).map(|(name, value)| ((*name).to_owned(), value.into())).collect();
        row.insert("side".into(), side.into());
        row.insert("ts".into(), trade.at.0.to_string().into());
        row.insert("symbol".into(), contract.instrument.symbol.as_str().into());
        Value::Object(row)
    });
    Ok(rows.collect())
}

pub(super) fn classic_trades(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "productType")?;
    trades(state, params, ["tradeId", "price", "size", "side"])
}

pub(super) fn unified_trades(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "category")?;
    trades(state, params, ["execId", "price", "size", "side"])
}

fn funding(state: &State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_of(state, params)?;
    Ok(json!([{
        "symbol": contract.instrument.symbol.as_str(), "fundingRate": FUNDING_RATE, "fundingRateInterval": "8",
        "nextUpdate": state.next_funding().to_string(), "minFundingRate": "-0.003", "maxFundingRate": "0.003",
    }]))
}

pub(super) fn classic_funding(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "productType")?;
    funding(state, params)
}

pub(super) fn unified_funding(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "category")?;
    funding(state, params)
}

impl State {
    /// When funding is paid next.
    pub(in super::super) fn next_funding(&self) -> i64 {
        self.now().0.div_euclid(FUNDING).saturating_add(1).saturating_mul(FUNDING)
    }

    /// The book of a contract, so many levels deep.
    pub(in super::super) fn book(&self, symbol: &Symbol, limit: usize) -> Option<Value> {
        let contract = self.contract(symbol)?;
        let (bids, asks) = self.levels(symbol)?;
        let row = |(price, qty): (&kraite_core::number::Price, &Qty)| {
            json!([text::price(contract, *price), text::qty(contract, *qty)])
        };
        let bids: Vec<Value> = bids.iter().rev().take(limit).map(row).collect();
        let asks: Vec<Value> = asks.iter().take(limit).map(row).collect();
        Some(json!({ "asks": asks, "bids": bids, "ts": self.now().0.to_string() }))
    }

    /// Prices of a contract now and over the last day, in the words of a generation.
    pub(in super::super) fn ticker(&self, symbol: &Symbol, classic: bool) -> Option<Value> {
        let contract = self.contract(symbol)?;
        let now = self.now().0;
        let last = self.venue.last(symbol)?;
        let day = self.tape.since(symbol, now.saturating_sub(DAY)).unwrap_or(Candle::flat(last));
        let book = self.book(symbol, 1)?;
        let best = |side: &str, place: usize| book[side][0][place].clone();
        let mark = text::price(contract, self.venue.mark(symbol)?);
        let unit = Qty::from_units(1, 0)?;
        let moved = last.checked_sub(day.open).unwrap_or_default().checked_mul(unit).ok()?;
        let change = moved.ratio_to(day.open.checked_mul(unit).ok()?).unwrap_or_default();
        let (open, high, low) =
            (text::price(contract, day.open), text::price(contract, day.high), text::price(contract, day.low));
        let (last, change) = (text::price(contract, last), format!("{change:.5}"));
        let (volume, quote) = (text::qty(contract, day.volume), text::money(day.quote));
        let (bid, bid_size, ask, ask_size) = (best("bids", 0), best("bids", 1), best("asks", 0), best("asks", 1));
        Some(if classic {
            json!({
                "symbol": symbol.as_str(), "lastPr": last, "askPr": ask, "bidPr": bid, "bidSz": bid_size,
                "askSz": ask_size, "high24h": high, "low24h": low, "ts": now.to_string(), "change24h": change,
                "baseVolume": volume, "quoteVolume": quote, "usdtVolume": quote, "openUtc": open,
                "changeUtc24h": change, "indexPrice": mark, "fundingRate": FUNDING_RATE, "holdingAmount": "0",
                "open24h": open, "deliveryStartTime": null, "deliveryTime": null, "deliveryStatus": "", "markPrice": mark,
            })
        } else {
            json!({
                "category": "USDT-FUTURES", "symbol": symbol.as_str(), "lastPrice": last, "openPrice24h": open,
                "highPrice24h": high, "lowPrice24h": low, "ask1Price": ask, "bid1Price": bid, "bid1Size": bid_size,
                "ask1Size": ask_size, "price24hPcnt": change, "turnover24h": quote, "volume24h": volume,
                "indexPrice": mark, "markPrice": mark, "fundingRate": FUNDING_RATE, "openInterest": "0",
                "ts": now.to_string(),
            })
        })
    }
}
