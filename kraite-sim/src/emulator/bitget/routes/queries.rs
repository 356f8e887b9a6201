//! Questions about orders, trades and positions, in pages.

use kraite_core::exchange::{Endpoint, Service};
use serde_json::{Map, Value, json};

use super::super::classic_rows::status_word;
use super::super::errors::Problem;
use super::super::holdings::Holding;
use super::super::params::Params;
use super::super::state::{State, wire_id};
use super::terms::{contract_named, contract_of, limit_of, named, product_of, window_of};
use super::unified::side_named;
use crate::venue::OrderObject;

/// What the parts of a page are called.
pub(super) struct Page {
    /// The rows.
    pub(super) list: &'static str,
    /// The number that the next page goes on from.
    pub(super) end: &'static str,
    /// How that is asked for.
    pub(super) before: &'static str,
}

const CLASSIC: Page = Page { list: "entrustedList", end: "endId", before: "idLessThan" };
const FILLS: Page = Page { list: "fillList", end: "endId", before: "idLessThan" };
const PAST: Page = Page { list: "list", end: "endId", before: "idLessThan" };
const UNIFIED: Page = Page { list: "list", end: "cursor", before: "cursor" };

/// One page of rows, which are newest first, each with its number. An empty list is null, as it was seen.
pub(super) fn page(rows: impl Iterator<Item = (u64, Value)>, params: &Params, names: &Page) -> Result<Value, Problem> {
    let limit = limit_of(params)?;
    let before = params.parsed::<u64>(names.before)?;
    let rows: Vec<(u64, Value)> =
        rows.filter(|(number, _)| before.is_none_or(|before| *number < before)).take(limit).collect();
    let end = rows.last().map_or(Value::Null, |(number, _)| number.to_string().into());
    let rows: Vec<Value> = rows.into_iter().map(|(_, row)| row).collect();
    let mut body = Map::new();
    body.insert(names.list.into(), if rows.is_empty() { Value::Null } else { rows.into() });
    body.insert(names.end.into(), end);
    Ok(Value::Object(body))
}

pub(super) fn detail(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "productType")?;
    let contract = contract_of(state, params)?;
    let now = state.now();
    let fits = |o: &OrderObject| {
        o.service == Service::Regular
            && o.symbol == contract.instrument.symbol
            && state.venue.is_shown(o, Endpoint::Order, now)
    };
    let object = named(state, params, fits)?;
    object.map(|o| state.classic_order(o, "state")).ok_or_else(|| Problem::of(40_109))
}

pub(super) fn order_info(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let now = state.now();
    let fits = |o: &OrderObject| o.service == Service::Regular && state.venue.is_shown(o, Endpoint::Order, now);
    let object = named(state, params, fits)?;
    object.map(|o| state.unified_order(o)).ok_or_else(|| Problem::of(25_204))
}

/// Regular orders that a request asks for, newest first.
fn listed<'a>(
    state: &'a State,
    params: &Params,
    product: &str,
    open: bool,
) -> Result<impl Iterator<Item = &'a OrderObject> + use<'a>, Problem> {
    let is_listed = params.get(product).is_none() || product_of(params, product)?;
    let contract = contract_named(state, params)?;
    let (id, name, status) = (params.get("orderId"), params.get("clientOid"), params.word("status"));
    let (from, to) = window_of(params)?;
    let now = state.now();
    let endpoint = if open { Endpoint::OpenOrders } else { Endpoint::History };
    Ok(state.venue.objects().rev().filter(move |o| {
        is_listed
            && o.account == state.account
            && o.service == Service::Regular
            && o.is_open() == open
            && contract.as_ref().is_none_or(|c| c.instrument.symbol == o.symbol)
            && id.as_ref().is_none_or(|id| *id == wire_id(o).to_string())
            && name.as_ref().is_none_or(|name| state.naming.is_named(o, name))
            && status.as_ref().is_none_or(|s| *s == status_word(o.status))
            && (from..=to).contains(&o.created_at.0)
            && state.venue.is_shown(o, endpoint, now)
    }))
}

fn classic_list(state: &State, params: &Params, open: bool) -> Result<Value, Problem> {
    params.need("productType")?;
    let rows = listed(state, params, "productType", open)?;
    page(rows.map(|o| (wire_id(o), state.classic_order(o, "status"))), params, &CLASSIC)
}

pub(super) fn pending(state: &mut State, params: &Params) -> Result<Value, Problem> {
    classic_list(state, params, true)
}

pub(super) fn history(state: &mut State, params: &Params) -> Result<Value, Problem> {
    classic_list(state, params, false)
}

fn unified_list(state: &State, params: &Params, open: bool) -> Result<Value, Problem> {
    let rows = listed(state, params, "category", open)?;
    page(rows.map(|o| (wire_id(o), state.unified_order(o))), params, &UNIFIED)
}

/// Here an empty list is one.
pub(super) fn unfilled(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let mut body = unified_list(state, params, true)?;
    if body["list"].is_null() {
        body["list"] = json!([]);
    }
    Ok(body)
}

pub(super) fn history_orders(state: &mut State, params: &Params) -> Result<Value, Problem> {
    params.need("category").map_err(|_| Problem::verification("category"))?;
    unified_list(state, params, false)
}

fn trades(
    state: &State,
    params: &Params,
    product: &str,
    names: &Page,
    row: impl Fn(&crate::venue::TradeRecord) -> Option<Value>,
) -> Result<Value, Problem> {
    let is_listed = params.get(product).is_none() || product_of(params, product)?;
    let contract = contract_named(state, params)?;
    let order = params.get("orderId");
    let (from, to) = window_of(params)?;
    let now = state.now();
    let lag = state.venue.quirks().read_lag.history;
    let of_order = |object| {
        let object = state.venue.object(object);
        order.as_ref().is_none_or(|id| object.is_some_and(|o| wire_id(o).to_string() == *id))
    };
    let fits = state.venue.trades().rev().filter(|t| {
        is_listed
            && t.account == state.account
            && contract.as_ref().is_none_or(|c| c.instrument.symbol == t.symbol)
            && of_order(t.object)
            && (from..=to).contains(&t.at.0)
            && t.at.plus(lag) <= now
    });
    let number =
        |t: &crate::venue::TradeRecord| super::super::state::number_of(t.id.as_str().parse().unwrap_or_default());
    page(fits.filter_map(|t| Some((number(t), row(t)?))), params, names)
}

pub(super) fn fills(state: &mut State, params: &Params) -> Result<Value, Problem> {
    params.need("productType")?;
    trades(state, params, "productType", &FILLS, |t| state.classic_fill(t))
}

pub(super) fn unified_fills(state: &mut State, params: &Params) -> Result<Value, Problem> {
    trades(state, params, "category", &UNIFIED, |t| state.unified_fill(t))
}

/// The open positions.
pub(super) fn open_positions(state: &State) -> Vec<Holding> {
    state.holdings().into_iter().filter(|holding| !holding.qty.is_zero()).collect()
}

pub(super) fn positions(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let listed = product_of(params, "productType")?;
    let contract = contract_named(state, params)?;
    let here = |h: &&Holding| listed && contract.as_ref().is_none_or(|c| c.instrument.symbol == h.symbol);
    Ok(open_positions(state).iter().filter(here).map(|holding| state.classic_position(holding)).collect())
}

pub(super) fn current_positions(state: &mut State, params: &Params) -> Result<Value, Problem> {
    if params.get("category").is_none() {
        return Err(Problem::verification("category"));
    }
    let listed = product_of(params, "category")?;
    let contract = contract_named(state, params)?;
    let side = side_named(params)?;
    let here = |h: &&Holding| {
        listed
            && contract.as_ref().is_none_or(|c| c.instrument.symbol == h.symbol)
            && side.is_none_or(|side| side == h.direction)
    };
    let rows: Vec<Value> =
        open_positions(state).iter().filter(here).map(|holding| state.unified_position(holding)).collect();
    Ok(json!({ "list": if rows.is_empty() { Value::Null } else { rows.into() } }))
}

/// Positions that have ended within a window.
fn past(state: &State, params: &Params, product: &str, names: &Page, classic: bool) -> Result<Value, Problem> {
    let is_listed = params.get(product).is_none() || product_of(params, product)?;
    let contract = contract_named(state, params)?;
    let (from, to) = window_of(params)?;
    let now = state.now();
    let lag = state.venue.quirks().read_lag.history;
    let ended = state.past();
    let fits = ended.iter().filter(|past| {
        is_listed
            && contract.as_ref().is_none_or(|c| c.instrument.symbol == past.symbol)
            && (from..=to).contains(&past.ended_at)
            && past.ended_at.saturating_add(lag.0) <= now.0
    });
    page(fits.map(|past| (past.number, state.past_position(past, classic))), params, names)
}

pub(super) fn past_positions(state: &mut State, params: &Params) -> Result<Value, Problem> {
    past(state, params, "productType", &PAST, true)
}

pub(super) fn unified_past_positions(state: &mut State, params: &Params) -> Result<Value, Problem> {
    params.need("category").map_err(|_| Problem::verification("category"))?;
    past(state, params, "category", &UNIFIED, false)
}
