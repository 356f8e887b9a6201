//! Regular orders of the unified API: place, change, cancel, close. `side` is always that of the trade.

use kraite_core::exchange::{Direction, OrderShape, Purpose, Service, Side};
use serde_json::{Value, json};

use super::super::errors::{Problem, SUCCESS};
use super::super::params::Params;
use super::super::state::{State, name_of, wire_id};
use super::classic::flash_close;
use super::terms::{
    contract_named, contract_of, ended_one, margin_of, name_for, named, price_of, product_of, qty_of, refused_order,
    resting_closes, shape_of, side_of, use_margin, without_presets,
};
use crate::venue::{ObjectId, Wish};

/// The most items of a batch. Source: the page of the call.
const MOST_ITEMS: usize = 20;

/// long or short, where it is named.
pub(super) fn side_named(params: &Params) -> Result<Option<Direction>, Problem> {
    match params.word("posSide").as_deref() {
        None | Some("net") => Ok(None),
        Some("long") => Ok(Some(Direction::Long)),
        Some("short") => Ok(Some(Direction::Short)),
        Some(_) => Err(Problem::odd("posSide")),
    }
}

/// Which position an order belongs to and whether it may add to it.
pub(super) fn stance(state: &State, params: &Params) -> Result<(Direction, Purpose, Side), Problem> {
    let side = side_of(params)?;
    let named = side_named(params)?;
    let opened = if side == Side::Buy { Direction::Long } else { Direction::Short };
    match (state.is_hedged(), named) {
        (true, None) | (false, Some(_)) => Err(Problem::of(25_236)),
        (true, Some(_)) if params.flag("reduceOnly")? => Err(Problem::of(25_238)),
        // A wrong one does not fail here: it opens the other side.
        (true, Some(direction)) => {
            let purpose = if side == direction.closing_side() { Purpose::Close } else { Purpose::Open };
            Ok((direction, purpose, side))
        }
        (false, None) if params.flag("reduceOnly")? => Ok((opened.opposite(), Purpose::Close, side)),
        (false, None) => Ok((opened, Purpose::Open, side)),
    }
}

pub(super) fn place(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "category")?;
    let contract = contract_of(state, params)?;
    without_presets(params, &["takeProfit", "stopLoss"])?;
    let (direction, purpose, side) = stance(state, params)?;
    let (shape, tif) = shape_of(&contract, params, "qty", "timeInForce")?;
    let name = name_for(state, params, "clientOid")?;
    use_margin(state, &contract, margin_of(params, "marginMode")?)?;
    let symbol = contract.instrument.symbol.clone();
    let before = resting_closes(state);
    let wish = Wish { account: state.account, name, symbol, side, direction, purpose, shape };
    let placed = state.put(wish, tif);
    let id = placed.map_err(|refusal| refused_order(state, &contract, purpose, direction, refusal))?;
    let ids = ids_of(state, id)?;
    if purpose == Purpose::Close && !state.is_hedged() && ended_one(state, &before, id) {
        return Ok(json!({ "clientOid": ids["clientOid"], "orderId": null }));
    }
    Ok(ids)
}

fn ids_of(state: &State, id: ObjectId) -> Result<Value, Problem> {
    let object = state.venue.object(id).ok_or_else(|| Problem::of(45_001))?;
    Ok(json!({ "clientOid": name_of(object), "orderId": wire_id(object).to_string() }))
}

/// Does each item; each says for itself what became of it.
fn each(
    state: &mut State,
    params: &Params,
    act: impl Fn(&mut State, &Params) -> Result<Value, Problem>,
) -> Result<Value, Problem> {
    let items = params.items()?;
    if items.is_empty() || items.len() > MOST_ITEMS {
        return Err(Problem::saying(40_306, format!("Batch processing orders can only process up to {MOST_ITEMS}")));
    }
    let mut rows = Vec::with_capacity(items.len());
    for (place, item) in items.into_iter().enumerate() {
        let told = state.refused_legs.get(&place).copied();
        let done = told.map_or_else(|| act(state, &item), |code| Err(Problem::of(code)));
        rows.push(item_row(&item, done));
    }
    Ok(Value::Array(rows))
}

fn item_row(item: &Params, done: Result<Value, Problem>) -> Value {
    match done {
        Ok(ids) => {
            json!({ "orderId": ids["orderId"], "clientOid": ids["clientOid"], "code": SUCCESS, "msg": "success" })
        }
        Err(problem) => json!({
            "orderId": item.get("orderId"), "clientOid": item.get("clientOid"), "code": problem.code.to_string(),
            "msg": problem.msg,
        }),
    }
}

pub(super) fn place_batch(state: &mut State, params: &Params) -> Result<Value, Problem> {
    each(state, params, |state, item| {
        if item.flag("reduceOnly")? {
            return Err(Problem::verification("reduceOnly"));
        }
        place(state, item)
    })
}

pub(super) fn modify(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let object = named(state, params, |o| o.service == Service::Regular)?;
    let object = object.filter(|o| o.is_open()).cloned().ok_or_else(|| Problem::of(25_204))?;
    let contract = state.contract(&object.symbol).cloned().ok_or_else(|| Problem::of(25_204))?;
    let OrderShape::Limit { price: price_now, qty: qty_now } = object.shape else { return Err(Problem::of(25_570)) };
    if params.get("qty").is_none() && params.get("price").is_none() {
        return Err(Problem::missing("qty"));
    }
    let qty = if params.get("qty").is_some() { qty_of(&contract, params, "qty")? } else { qty_now };
    let price = if params.get("price").is_some() { price_of(&contract, params, "price")? } else { price_now };
    if (price, qty) == (price_now, qty_now) {
        return Err(Problem::of(25_571));
    }
    let now = state.now();
    let changed = state.venue.user_amend(&object.id.venue_id(), price, qty, now);
    changed.map_err(|refusal| refused_order(state, &contract, object.purpose, object.direction, refusal))?;
    ids_of(state, object.id)
}

pub(super) fn modify_batch(state: &mut State, params: &Params) -> Result<Value, Problem> {
    each(state, params, modify)
}

pub(super) fn cancel(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let object = named(state, params, |o| o.service == Service::Regular && o.is_open())?;
    let id = object.map(|o| o.id).ok_or_else(|| Problem::of(25_204))?;
    let now = state.now();
    state.venue.user_cancel(&id.venue_id(), now).map_err(|refusal| state.refused(refusal))?;
    ids_of(state, id)
}

pub(super) fn cancel_batch(state: &mut State, params: &Params) -> Result<Value, Problem> {
    each(state, params, cancel)
}

pub(super) fn cancel_symbol(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "category")?;
    let contract = contract_named(state, params)?;
    let open = state
        .venue
        .open(state.account)
        .filter(|o| o.service == Service::Regular && contract.as_ref().is_none_or(|c| c.instrument.symbol == o.symbol));
    let ids: Vec<ObjectId> = open.map(|o| o.id).collect();
    let now = state.now();
    let mut rows = Vec::new();
    for id in ids {
        // One that ended meanwhile is gone as well.
        let _ = state.venue.user_cancel(&id.venue_id(), now);
        rows.push(item_row(params, ids_of(state, id)));
    }
    Ok(json!({ "list": rows }))
}

/// The whole of one side, of both, or of everything, at the market and under no name of its owner's.
pub(super) fn close(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let listed = product_of(params, "category")?;
    let contract = contract_named(state, params)?;
    let side = side_named(params)?;
    let only = contract.as_ref().map(|c| &c.instrument.symbol);
    let done = if listed { flash_close(state, only, side) } else { Vec::new() };
    if done.is_empty() {
        return Err(Problem::of(25_227));
    }
    let mut rows = Vec::new();
    for (_, outcome) in done {
        let ids = match outcome {
            Ok(id) => ids_of(state, id),
            Err(refusal) => Err(state.refused(refusal)),
        };
        rows.push(item_row(params, ids));
    }
    Ok(json!({ "list": rows }))
}
