//! Regular orders of the classic API: place, change, cancel, close. In hedge mode `side` names the position.

use kraite_core::exchange::{Direction, OrderShape, Purpose, Service, Side};
use serde_json::{Value, json};

use super::super::errors::Problem;
use super::super::params::Params;
use super::super::state::{State, name_of, wire_id};
use super::terms::{
    contract_named, contract_of, ended_one, margin_of, name_for, named, product_of, qty_of, refused_order,
    resting_closes, shape_of, side_of, use_margin, without_presets,
};
use crate::venue::{ObjectId, OrderObject, Refusal, Wish};

/// The most items of a batch. Source: the page of the call and code 40306, the smaller of the two.
const MOST_ITEMS: usize = 20;

/// Which position an order belongs to, whether it may add to it, and on which side it trades.
pub(super) fn stance(state: &State, params: &Params) -> Result<(Direction, Purpose, Side), Problem> {
    let side = side_of(params)?;
    let named = params.word("tradeSide");
    let opened = if side == Side::Buy { Direction::Long } else { Direction::Short };
    if state.is_hedged() {
        // Here the side is that of the position, whether it is opened or closed.
        return match named.as_deref() {
            Some("open") => Ok((opened, Purpose::Open, opened.opening_side())),
            Some("close") => Ok((opened, Purpose::Close, opened.closing_side())),
            None => Err(Problem::of(40_774)),
            Some(_) => Err(Problem::odd("tradeSide")),
        };
    }
    if named.is_some() {
        return Err(Problem::of(40_774));
    }
    Ok(if params.flag("reduceOnly")? {
        (opened.opposite(), Purpose::Close, side)
    } else {
        (opened, Purpose::Open, side)
    })
}

pub(super) fn place(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "productType")?;
    let contract = contract_of(state, params)?;
    params.need("marginCoin")?;
    let margin = margin_of(params, "marginMode")?.ok_or_else(|| Problem::missing("marginMode"))?;
    without_presets(params, &["presetStopSurplusPrice", "presetStopLossPrice"])?;
    let (direction, purpose, side) = stance(state, params)?;
    let (shape, tif) = shape_of(&contract, params, "size", "force")?;
    let name = name_for(state, params, "clientOid")?;
    use_margin(state, &contract, Some(margin))?;
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

/// Does each item; those that are refused stand in a list of their own.
fn each(
    state: &mut State,
    items: Vec<Params>,
    act: impl Fn(&mut State, &Params) -> Result<Value, Problem>,
) -> Result<Value, Problem> {
    if items.is_empty() || items.len() > MOST_ITEMS {
        return Err(Problem::saying(40_306, format!("Batch processing orders can only process up to {MOST_ITEMS}")));
    }
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for (place, item) in items.into_iter().enumerate() {
        let told = state.refused_legs.get(&place).copied();
        match told.map_or_else(|| act(state, &item), |code| Err(Problem::of(code))) {
            Ok(ids) => taken.push(ids),
            Err(problem) => {
                let text = |name: &str| item.get(name).map_or(json!(""), Value::from);
                refused.push(problem.item(&text("orderId"), &text("clientOid")));
            }
        }
    }
    Ok(json!({ "successList": taken, "failureList": refused }))
}

pub(super) fn place_batch(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "productType")?;
    contract_of(state, params)?;
    let outer = ["symbol", "productType", "marginCoin", "marginMode"];
    let items = params.list("orderList").iter().map(|item| item.within(params, &outer)).collect();
    each(state, items, place)
}

/// Ends the order; another one comes under the new name, as if it were placed by itself.
pub(super) fn modify(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "productType")?;
    let contract = contract_of(state, params)?;
    let object = named(state, params, |o| o.service == Service::Regular && o.symbol == contract.instrument.symbol)?;
    let object = object.filter(|o| o.is_open()).cloned().ok_or_else(|| Problem::of(40_768))?;
    let OrderShape::Limit { price: price_now, qty: qty_now } = object.shape else { return Err(Problem::of(40_922)) };
    if object.executed.is_positive() {
        return Err(Problem::of(40_922));
    }
    if params.get("newSize").is_some() != params.get("newPrice").is_some() {
        return Err(Problem::of(40_925));
    }
    let name = params.get("newClientOid").ok_or_else(|| Problem::of(22_003))?;
    if name == name_of(&object) || state.venue.open_named(state.account, &name, Service::Regular).is_some() {
        return Err(Problem::of(40_786));
    }
    let name = name_for(state, params, "newClientOid")?;
    let qty = qty_of(&contract, params, "newSize")?;
    let price = super::terms::price_of(&contract, params, "newPrice")?;
    if (price, qty) == (price_now, qty_now) {
        return Err(Problem::of(40_923));
    }
    let tif = state.tifs.get(&object.id).copied().unwrap_or_default();
    let OrderObject { account, symbol, side, direction, purpose, .. } = object;
    let shape = OrderShape::Limit { price, qty };
    let wish = Wish { account, name: name.clone(), symbol, side, direction, purpose, shape };
    state.replace(object.id, wish, tif);
    Ok(json!({ "clientOid": name, "orderId": null }))
}

pub(super) fn cancel(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "productType")?;
    let contract = contract_of(state, params)?;
    let symbol = contract.instrument.symbol;
    let object = named(state, params, |o| o.service == Service::Regular && o.symbol == symbol && o.is_open())?;
    let id = object.map(|o| o.id).ok_or_else(|| Problem::of(40_768))?;
    let now = state.now();
    state.venue.user_cancel(&id.venue_id(), now).map_err(|refusal| state.refused(refusal))?;
    ids_of(state, id)
}

pub(super) fn cancel_batch(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "productType")?;
    let items = params.list("orderIdList");
    if items.is_empty() {
        return cancel_open(state, params);
    }
    contract_of(state, params)?;
    let items = items.iter().map(|item| item.within(params, &["symbol", "productType"])).collect();
    each(state, items, cancel)
}

pub(super) fn cancel_all(state: &mut State, params: &Params) -> Result<Value, Problem> {
    cancel_open(state, params)
}

fn cancel_open(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let listed = product_of(params, "productType")?;
    let contract = contract_named(state, params)?;
    let open = state.venue.open(state.account).filter(|o| {
        listed && o.service == Service::Regular && contract.as_ref().is_none_or(|c| c.instrument.symbol == o.symbol)
    });
    let ids: Vec<ObjectId> = open.map(|o| o.id).collect();
    let now = state.now();
    let mut gone = Vec::new();
    for id in ids {
        // One that ended meanwhile is gone as well.
        let _ = state.venue.user_cancel(&id.venue_id(), now);
        gone.push(ids_of(state, id)?);
    }
    Ok(json!({ "successList": gone, "failureList": [] }))
}

/// The whole of one side, of both, or of everything, at the market and under no name of its owner's.
pub(super) fn close(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let listed = product_of(params, "productType")?;
    let contract = contract_named(state, params)?;
    let side = match params.word("holdSide").as_deref() {
        None => None,
        Some("long") => Some(Direction::Long),
        Some("short") => Some(Direction::Short),
        Some(_) => return Err(Problem::odd("holdSide")),
    };
    let only = contract.as_ref().map(|c| &c.instrument.symbol);
    let done = flash_close(state, only, side.filter(|_| listed));
    if done.is_empty() {
        return Err(Problem::of(22_002));
    }
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for (symbol, outcome) in done {
        match outcome {
            Ok(id) => {
                let mut ids = ids_of(state, id)?;
                ids["symbol"] = symbol.as_str().into();
                taken.push(ids);
            }
            Err(refusal) => {
                let mut row = state.refused(refusal).item(&json!(""), &json!(""));
                row["symbol"] = symbol.as_str().into();
                refused.push(row);
            }
        }
    }
    Ok(json!({ "successList": taken, "failureList": refused }))
}

/// Closes what is open of a contract and side, or of all, whatever rests to close it.
pub(super) fn flash_close(
    state: &mut State,
    symbol: Option<&kraite_core::id::Symbol>,
    side: Option<Direction>,
) -> Vec<(kraite_core::id::Symbol, Result<ObjectId, Refusal>)> {
    let open: Vec<_> = state
        .venue
        .exposures(state.account)
        .filter(|(s, d, _)| symbol.is_none_or(|symbol| symbol == s) && side.is_none_or(|side| side == *d))
        .collect();
    let mut done = Vec::new();
    for (symbol, direction, _) in open {
        let (account, name, now) = (state.account, state.made_name(), state.now());
        let taken = state.venue.close_named(account, &symbol, direction, name, now);
        done.push((symbol, taken));
    }
    done
}
