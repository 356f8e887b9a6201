//! Conditional orders, which live in a service of their own.

use kraite_core::exchange::{Endpoint, OrderShape, Purpose, Service, TriggerBy, TriggerSize};
use serde_json::{Value, json};

use super::super::errors::Problem;
use super::super::params::Params;
use super::super::state::{State, is_named, wire_id};
use super::orders::{name_for, price_of, qty_of, refused, side_of, stance};
use super::{batch, contract_named, contract_of, limit_of};
use crate::venue::{OrderObject, Wish};

/// The longest span of a list. Source: "Query All Algo Orders".
const LONGEST_SPAN: i64 = 7 * 24 * 3_600_000;

pub(super) fn place(state: &mut State, params: &Params) -> Result<Value, Problem> {
    if params.need("algoType")? != "CONDITIONAL" {
        return Err(Problem::saying(-1130, "Data sent for parameter 'algoType' is not valid."));
    }
    let contract = contract_of(state, params)?;
    let side = side_of(params)?;
    let kind = params.need("type")?;
    let by = match params.get("workingType") {
        None | Some("CONTRACT_PRICE") => TriggerBy::Last,
        Some("MARK_PRICE") => TriggerBy::Mark,
        Some(_) => return Err(Problem::of(-4031)),
    };
    if let Some(tif) = params.get("timeInForce")
        && !["GTC", "IOC", "FOK", "GTX", "GTE_GTC"].contains(&tif)
    {
        return Err(Problem::of(-1115));
    }
    let closes = params.flag("closePosition")?;
    let size = if closes {
        if params.get("quantity").is_some() {
            return Err(Problem::of(-4137));
        }
        if params.get("reduceOnly").is_some() {
            return Err(Problem::saying(-1106, "Parameter 'reduceonly' sent when not required."));
        }
        TriggerSize::ClosePosition
    } else {
        TriggerSize::Qty(qty_of(&contract, params)?)
    };
    let shape = match kind {
        "STOP_MARKET" => {
            let trigger = price_of(&contract, params, "triggerPrice", -4006)?;
            OrderShape::StopMarket { trigger, by, size }
        }
        "TAKE_PROFIT_MARKET" => {
            let trigger = price_of(&contract, params, "triggerPrice", -4006)?;
            OrderShape::TakeProfitMarket { trigger, by, size }
        }
        // Kinds of the venue that the simulated one has no matching for.
        _ => return Err(Problem::of(-1116)),
    };
    let (direction, purpose) = stance(state, params, side, closes)?;
    if closes && purpose != Purpose::Close {
        return Err(Problem::of(-4060));
    }
    let name = name_for(state, params, "clientAlgoId")?;
    let symbol = contract.instrument.symbol.clone();
    let wish = Wish { account: state.account, name, symbol, side, direction, purpose, shape };
    let now = state.now();
    let id = state.venue.place_named(wish, now).map_err(|refusal| refused(state, &contract, refusal))?;
    let object = state.venue.object(id).ok_or_else(|| Problem::of(-1000))?;
    Ok(state.algo_row(object))
}

fn named<'a>(
    state: &'a State,
    params: &Params,
    fits: impl Fn(&OrderObject) -> bool,
) -> Result<Option<&'a OrderObject>, Problem> {
    if let Some(id) = params.parsed::<u64>("algoId")? {
        return Ok(state.orders(Service::Conditional).rev().find(|o| fits(o) && wire_id(o) == id));
    }
    let Some(name) = params.get("clientAlgoId") else {
        let msg = "Param 'algoId' or 'clientAlgoId' must be sent, but both were empty/null!";
        return Err(Problem::saying(-1102, msg));
    };
    Ok(state.orders(Service::Conditional).rev().find(|o| fits(o) && is_named(o, name)))
}

pub(super) fn query(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let now = state.now();
    let object = named(state, params, |o| state.venue.is_shown(o, Endpoint::Order, now))?;
    object.map(|o| state.algo_row(o)).ok_or_else(|| Problem::of(-2013))
}

pub(super) fn cancel(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let object = named(state, params, OrderObject::is_open)?.cloned().ok_or_else(|| Problem::of(-2011))?;
    let now = state.now();
    state.venue.user_cancel(&object.id.venue_id(), now).map_err(|refusal| Problem::refused(&state.venue, refusal))?;
    let name = super::super::state::name_of(&object);
    Ok(json!({ "algoId": wire_id(&object), "clientAlgoId": name, "code": "200", "msg": "success" }))
}

pub(super) fn cancel_all(state: &mut State, params: &Params) -> Result<Value, Problem> {
    batch::cancel_open(state, params, Service::Conditional)?;
    Ok(json!({ "code": 200, "msg": "The operation of cancel all open order is done." }))
}

pub(super) fn open(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_named(state, params)?;
    let id = params.parsed::<u64>("algoId")?;
    let now = state.now();
    let open = state.venue.open(state.account).filter(|o| {
        o.service == Service::Conditional
            && contract.as_ref().is_none_or(|c| c.instrument.symbol == o.symbol)
            && id.is_none_or(|id| wire_id(o) == id)
            && state.venue.is_shown(o, Endpoint::OpenOrders, now)
    });
    Ok(open.map(|o| state.algo_row(o)).collect())
}

pub(super) fn all(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_of(state, params)?;
    let limit = limit_of(params, 500, 1_000)?;
    let (from_id, page) = (params.parsed::<u64>("algoId")?, params.parsed::<usize>("page")?.unwrap_or(1).max(1));
    let now = state.now();
    let to = params.parsed::<i64>("endTime")?.unwrap_or(now.0);
    let from = params.parsed::<i64>("startTime")?.unwrap_or_else(|| to.saturating_sub(LONGEST_SPAN));
    if to.saturating_sub(from) > LONGEST_SPAN {
        return Err(Problem::saying(-4165, "Invalid time interval"));
    }
    let fits = state.orders(Service::Conditional).filter(|o| {
        o.symbol == contract.instrument.symbol
            && from_id.map_or(o.created_at.0 >= from && o.created_at.0 <= to, |id| wire_id(o) >= id)
            && state.venue.is_shown(o, Endpoint::History, now)
    });
    let skip = page.saturating_sub(1).saturating_mul(limit);
    Ok(fits.skip(skip).take(limit).map(|o| state.algo_row(o)).collect())
}
