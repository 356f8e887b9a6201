//! What anybody may ask about the market's past and the venue itself.

use serde_json::{Value, json};

use super::super::contracts;
use super::super::errors::Problem;
use super::super::market::span_of;
use super::super::params::Params;
use super::super::state::State;
use super::super::text;
use super::{contract_named, contract_of, limit_of};

pub(super) fn ping(_: &mut State, _: &Params) -> Result<Value, Problem> {
    Ok(json!({}))
}

pub(super) fn nothing(_: &mut State, _: &Params) -> Result<Value, Problem> {
    Ok(json!([]))
}

pub(super) fn time(state: &mut State, _: &Params) -> Result<Value, Problem> {
    Ok(json!({ "serverTime": state.now().0 }))
}

pub(super) fn exchange_info(state: &mut State, _: &Params) -> Result<Value, Problem> {
    Ok(contracts::exchange_info(&state.listing, state.now().0))
}

/// The other products of the venue, which clients load together with this one: they list nothing here.
pub(super) fn other_exchange_info(state: &mut State, _: &Params) -> Result<Value, Problem> {
    Ok(json!({
        "timezone": "UTC", "serverTime": state.now().0, "rateLimits": [], "exchangeFilters": [], "symbols": [],
    }))
}

pub(super) fn trades(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_of(state, params)?;
    let limit = limit_of(params, 500, 1_000)?;
    let rows = state.tape.trades(&contract.instrument.symbol, limit).into_iter().map(|trade| {
        let quote = trade.price.checked_mul(trade.qty).unwrap_or_default();
        json!({
            "id": trade.id, "price": text::price(&contract, trade.price), "qty": text::qty(&contract, trade.qty),
            "quoteQty": text::money(quote), "time": trade.at.0, "isBuyerMaker": trade.buyer_rested,
        })
    });
    Ok(rows.collect())
}

pub(super) fn agg_trades(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_of(state, params)?;
    let limit = limit_of(params, 500, 1_000)?;
    let (from_id, from, to) =
        (params.parsed::<u64>("fromId")?, params.parsed::<i64>("startTime")?, params.parsed::<i64>("endTime")?);
    let all = state.tape.trades(&contract.instrument.symbol, usize::MAX);
    let fits = all.into_iter().filter(|t| {
        from_id.is_none_or(|id| t.id >= id) && from.is_none_or(|at| t.at.0 >= at) && to.is_none_or(|at| t.at.0 <= at)
    });
    let kept: Vec<_> = fits.collect();
    // From a beginning on the oldest are wanted, otherwise the latest.
    let skip = if from_id.is_some() || from.is_some() { 0 } else { kept.len().saturating_sub(limit) };
    let rows = kept.into_iter().skip(skip).take(limit).map(|trade| {
        json!({
            "a": trade.id, "p": text::price(&contract, trade.price), "q": text::qty(&contract, trade.qty),
            "nq": text::qty(&contract, trade.qty), "f": trade.id, "l": trade.id, "T": trade.at.0, "m": trade.buyer_rested,
        })
    });
    Ok(rows.collect())
}

pub(super) fn klines(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let Some(contract) = contract_named(state, params)? else { return Err(Problem::malformed("symbol")) };
    let span = span_of(params.need("interval")?).ok_or_else(|| Problem::of(-1120))?;
    let limit = limit_of(params, 500, 1_500)?;
    let now = state.now().0;
    let to = params.parsed::<i64>("endTime")?.unwrap_or(now).min(now);
    let back = span.saturating_mul(i64::try_from(limit).unwrap_or(i64::MAX));
    let from = match params.parsed::<i64>("startTime")? {
        Some(from) if from > to => return Ok(json!([])),
        Some(from) => from,
        None => to.saturating_sub(back).saturating_add(1),
    };
    let rows =
        state.tape.candles(&contract.instrument.symbol, span, from, to, limit).into_iter().map(|(at, candle)| {
            json!([
                at,
                text::price(&contract, candle.open),
                text::price(&contract, candle.high),
                text::price(&contract, candle.low),
                text::price(&contract, candle.close),
                text::qty(&contract, candle.volume),
                at.saturating_add(span).saturating_sub(1),
                text::money(candle.quote),
                candle.trades,
                "0",
                "0",
                "0",
            ])
        });
    Ok(rows.collect())
}
