//! What the market looks like now: book, prices, marks, the last day.

use kraite_core::id::Symbol;
use kraite_core::number::{Price, Qty};
use serde_json::{Value, json};

use super::super::errors::Problem;
use super::super::params::Params;
use super::super::state::State;
use super::super::tape::{Candle, MINUTE};
use super::super::text;
use super::{contract_named, contract_of, limit_of};

const DAY_MINUTES: i64 = 1_440;
const FUNDING: i64 = 8 * 3_600_000;
/// The most funding payments that are shown: the rows of one answer.
const FUNDING_ROWS: i64 = 100;

fn each(state: &State, params: &Params, row: impl Fn(&Symbol) -> Option<Value>) -> Result<Value, Problem> {
    match contract_named(state, params)? {
        Some(contract) => row(&contract.instrument.symbol).ok_or_else(|| Problem::of(-1112)),
        None => Ok(state.listing.iter().filter_map(|c| row(&c.instrument.symbol)).collect()),
    }
}

pub(super) fn premium_index(state: &mut State, params: &Params) -> Result<Value, Problem> {
    each(state, params, |symbol| state.premium_row(symbol))
}

pub(super) fn price(state: &mut State, params: &Params) -> Result<Value, Problem> {
    each(state, params, |symbol| {
        let contract = state.contract(symbol)?;
        let last = text::price(contract, state.venue.last(symbol)?);
        Some(json!({ "symbol": symbol.as_str(), "ps": symbol.as_str(), "price": last, "time": state.now().0 }))
    })
}

pub(super) fn book(state: &mut State, params: &Params) -> Result<Value, Problem> {
    each(state, params, |symbol| state.book_row(symbol))
}

pub(super) fn day(state: &mut State, params: &Params) -> Result<Value, Problem> {
    each(state, params, |symbol| state.day_row(symbol))
}

pub(super) fn depth(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_of(state, params)?;
    let limit = limit_of(params, 500, 1_000)?;
    state.depth(&contract.instrument.symbol, limit).ok_or_else(|| Problem::of(-1112))
}

pub(super) fn funding_rate(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let now = state.now().0;
    let limit = limit_of(params, 100, 1_000)?;
    let last = now.div_euclid(FUNDING);
    let (from, to) = (params.parsed::<i64>("startTime")?, params.parsed::<i64>("endTime")?);
    let contracts = match contract_named(state, params)? {
        Some(contract) => vec![contract],
        None => state.listing.iter().cloned().collect(),
    };
    let mut rows = Vec::new();
    for number in last.saturating_sub(FUNDING_ROWS)..=last {
        let at = number.saturating_mul(FUNDING);
        if from.is_some_and(|from| at < from) || to.is_some_and(|to| at > to) {
            continue;
        }
        for contract in &contracts {
            let symbol = &contract.instrument.symbol;
            let mark = state.venue.mark(symbol).unwrap_or_default();
            rows.push(json!({
                "symbol": symbol.as_str(), "fundingRate": "0.00010000", "fundingTime": at,
                "markPrice": format!("{mark:.8}"), "rateType": "Regular",
            }));
        }
    }
    let skip = rows.len().saturating_sub(limit);
    Ok(rows.into_iter().skip(skip).collect())
}

pub(super) fn funding_info(_: &mut State, _: &Params) -> Result<Value, Problem> {
    Ok(json!([]))
}

impl State {
    /// The book of a contract, so many levels deep.
    pub(in super::super) fn depth(&self, symbol: &Symbol, limit: usize) -> Option<Value> {
        let contract = self.contract(symbol)?;
        let (bids, asks) = self.levels(symbol)?;
        let row = |(price, qty): (&Price, &Qty)| json!([text::price(contract, *price), text::qty(contract, *qty)]);
        let bids: Vec<Value> = bids.iter().rev().take(limit).map(row).collect();
        let asks: Vec<Value> = asks.iter().take(limit).map(row).collect();
        let now = self.now().0;
        Some(json!({ "lastUpdateId": now, "E": now, "T": now, "bids": bids, "asks": asks }))
    }

    /// The best bid and ask.
    pub(in super::super) fn book_row(&self, symbol: &Symbol) -> Option<Value> {
        let depth = self.depth(symbol, 1)?;
        let best = |side: &str, place: usize| depth[side][0][place].clone();
        Some(json!({
            "symbol": symbol.as_str(), "ps": symbol.as_str(), "bidPrice": best("bids", 0), "bidQty": best("bids", 1),
            "askPrice": best("asks", 0), "askQty": best("asks", 1), "time": self.now().0,
            "lastUpdateId": depth["lastUpdateId"],
        }))
    }

    /// The last 24 hours.
    pub(in super::super) fn day_row(&self, symbol: &Symbol) -> Option<Value> {
        let contract = self.contract(symbol)?;
        let now = self.now().0;
        let span = DAY_MINUTES * MINUTE;
        let from = now.saturating_sub(span);
        let last = self.venue.last(symbol)?;
        let day = self.tape.since(symbol, from).unwrap_or(Candle::flat(last));
        let average = day.quote.checked_div_qty(day.volume).unwrap_or(last);
        let change = last.checked_sub(day.open).unwrap_or_default();
        let one = Qty::from_units(100, 0)?;
        let unit = Qty::from_units(1, 0)?;
        let percent = change.checked_mul(one).ok().zip(day.open.checked_mul(unit).ok());
        let percent = percent.and_then(|(change, open)| change.ratio_to(open).ok()).unwrap_or_default();
        let trades = self.tape.trades(symbol, 1);
        Some(json!({
            "symbol": symbol.as_str(), "priceChange": text::price(contract, change),
            "priceChangePercent": format!("{percent:.3}"), "weightedAvgPrice": text::price(contract, average),
            "lastPrice": text::price(contract, last),
            "lastQty": text::qty(contract, trades.first().map(|t| t.qty).unwrap_or_default()),
            "openPrice": text::price(contract, day.open), "highPrice": text::price(contract, day.high),
            "lowPrice": text::price(contract, day.low), "volume": text::qty(contract, day.volume),
            "quoteVolume": text::money(day.quote), "openTime": from, "closeTime": now,
            "firstId": day.first_trade,
            "lastId": trades.first().map_or(0, |t| t.id), "count": day.trades,
        }))
    }
}
