//! What was: all orders, trades, payments, liquidations.

use kraite_core::exchange::{Endpoint, Service};
use serde_json::{Value, json};

use super::super::encode::Form;
use super::super::errors::Problem;
use super::super::params::Params;
use super::super::state::{State, wire_id};
use super::super::text;
use super::{contract_named, contract_of, limit_of};
use crate::venue::Owner;

/// The longest span of a list. Source: "All Orders", "Account Trade List".
const LONGEST_SPAN: i64 = 7 * 24 * 3_600_000;
/// How far ahead an end may lie. Source: the field.
const AHEAD: i64 = 1_000;

/// The span that a request asks for: the last seven days unless it says otherwise.
fn span(params: &Params, now: i64, too_long: &Problem) -> Result<(i64, i64), Problem> {
    let (from, to) = (params.parsed::<i64>("startTime")?, params.parsed::<i64>("endTime")?);
    if let (Some(from), Some(to)) = (from, to)
        && from > to
    {
        return Err(Problem::saying(-1023, "Start time is greater than end time."));
    }
    let (from, to) = match (from, to) {
        (Some(from), Some(to)) => (from, to),
        (Some(from), None) => (from, from.saturating_add(LONGEST_SPAN)),
        (None, Some(to)) => (to.saturating_sub(LONGEST_SPAN), to),
        (None, None) => (now.saturating_sub(LONGEST_SPAN), i64::MAX),
    };
    if params.get("startTime").is_some() && to.saturating_sub(from) > LONGEST_SPAN {
        return Err(too_long.clone());
    }
    Ok((from, to))
}

pub(super) fn all_orders(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_named(state, params)?;
    let limit = limit_of(params, 500, 1_000)?;
    let from_id = params.parsed::<u64>("orderId")?;
    let now = state.now();
    let (from, to) = span(params, now.0, &Problem::saying(-4165, "Invalid time interval"))?;
    let fits = state.orders(Service::Regular).filter(|o| {
        contract.as_ref().is_none_or(|c| c.instrument.symbol == o.symbol)
            && from_id.map_or(o.created_at.0 >= from && o.created_at.0 <= to, |id| wire_id(o) >= id)
            && state.venue.is_shown(o, Endpoint::History, now)
    });
    let rows: Vec<Value> = fits.map(|o| state.order_row(o, Form::Query)).collect();
    // From an order or a time on the oldest are wanted, otherwise the latest.
    let forward = from_id.is_some() || params.get("startTime").is_some();
    let skip = if forward { 0 } else { rows.len().saturating_sub(limit) };
    Ok(rows.into_iter().skip(skip).take(limit).collect())
}

pub(super) fn user_trades(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_of(state, params)?;
    let limit = limit_of(params, 500, 1_000)?;
    let (order, from_id) = (params.parsed::<u64>("orderId")?, params.parsed::<u64>("fromId")?);
    let now = state.now().0;
    let wrong = Problem::saying(-4181, "Invalid start time.");
    if params.parsed::<i64>("endTime")?.is_some_and(|to| to > now.saturating_add(AHEAD)) {
        return Err(wrong);
    }
    let (from, to) = span(params, now, &wrong)?;
    let wanted = order.and_then(|id| state.orders(Service::Regular).find(|o| wire_id(o) == id)).map(|o| o.id);
    let lag = state.venue.quirks().read_lag.history;
    let fits = state.venue.trades().filter(|t| {
        let number = t.id.as_str().parse::<u64>().unwrap_or_default();
        t.account == state.account
            && t.symbol == contract.instrument.symbol
            && (order.is_none() || wanted == Some(t.object))
            && (order.is_some() || from_id.map_or(t.at.0 >= from && t.at.0 <= to, |id| number >= id))
            && t.at.plus(lag).0 <= now
    });
    let rows: Vec<Value> = fits.filter_map(|t| state.trade_row(t)).collect();
    let forward = from_id.is_some() || params.get("startTime").is_some();
    let skip = if forward { 0 } else { rows.len().saturating_sub(limit) };
    Ok(rows.into_iter().skip(skip).take(limit).collect())
}

/// Realised profit and commission of every trade, and funding; oldest first from a start, else the latest.
pub(super) fn income(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_named(state, params)?;
    let limit = limit_of(params, 100, 1_000)?;
    let kind = params.get("incomeType");
    let (from, to) = span(params, state.now().0, &Problem::saying(-4165, "Invalid time interval"))?;
    let mut rows: Vec<(i64, Value)> = Vec::new();
    let fits = state.venue.trades().filter(|t| {
        contract.as_ref().is_none_or(|c| c.instrument.symbol == t.symbol) && t.at.0 >= from && t.at.0 <= to
    });
    for trade in fits {
        let number = trade.id.as_str().parse::<u64>().unwrap_or_default();
        let parts = [("REALIZED_PNL", trade.realized, 0), ("COMMISSION", trade.fee.negated(), 1)];
        for (word, amount, place) in parts.into_iter().filter(|(_, amount, _)| !amount.is_zero()) {
            if kind.is_none_or(|kind| kind == word) {
                rows.push((trade.at.0, json!({
                    "symbol": trade.symbol.as_str(), "incomeType": word, "income": text::money(amount), "asset": "USDT",
                    "info": trade.id.as_str(), "time": trade.at.0,
                    "tranId": number.saturating_mul(2).saturating_add(place), "tradeId": trade.id.as_str(),
                })));
            }
        }
    }
    let paid = state.venue.account(state.account).into_iter().flat_map(|account| account.payments()).enumerate();
    for (number, (symbol, _, payment)) in paid.filter(|_| kind.is_none_or(|kind| kind == "FUNDING_FEE")) {
        let here = contract.as_ref().is_none_or(|c| c.instrument.symbol == *symbol);
        if here && payment.at.0 >= from && payment.at.0 <= to {
            rows.push((
                payment.at.0,
                json!({
                    "symbol": symbol.as_str(), "incomeType": "FUNDING_FEE", "income": text::money(payment.amount),
                    "asset": "USDT", "info": "FUNDING_FEE", "time": payment.at.0, "tranId": number.saturating_add(1),
                    "tradeId": "",
                }),
            ));
        }
    }
    rows.sort_by_key(|(at, _)| *at);
    let forward = params.get("startTime").is_some();
    let skip = if forward { 0 } else { rows.len().saturating_sub(limit) };
    Ok(rows.into_iter().skip(skip).take(limit).map(|(_, row)| row).collect())
}

/// What the venue closed by force.
pub(super) fn force_orders(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_named(state, params)?;
    let limit = limit_of(params, 50, 100)?;
    let fits = state.orders(Service::Regular).rev().filter(|o| {
        matches!(o.owner, Owner::Venue(_)) && contract.as_ref().is_none_or(|c| c.instrument.symbol == o.symbol)
    });
    Ok(fits.take(limit).map(|o| state.order_row(o, Form::Query)).collect())
}
