//! Orders of the book: place, change, cancel, ask.

use compact_str::CompactString;
use kraite_core::exchange::{Direction, Endpoint, OrderShape, Purpose, Service, Side};
use kraite_core::number::{Price, Qty};
use serde_json::Value;

use super::super::common::Tif;
use super::super::encode::Form;
use super::super::errors::Problem;
use super::super::listing::Contract;
use super::super::params::Params;
use super::super::state::{State, is_named, wire_id};
use super::super::text::decimals;
use super::{contract_named, contract_of};
use crate::venue::{ObjectId, OrderObject, Refusal, Wish};

/// The longest client id. Source: "New Order".
const LONGEST_NAME: usize = 36;

/// BUY or SELL.
pub(super) fn side_of(params: &Params) -> Result<Side, Problem> {
    match params.need("side")? {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        _ => Err(Problem::of(-1117)),
    }
}

/// The client id of a new order: legal, or made.
pub(super) fn name_for(state: &mut State, params: &Params, name: &str) -> Result<CompactString, Problem> {
    match params.get(name) {
        Some(text) => check_name(text, name).map(|()| text.into()),
        None => Ok(state.made_name()),
    }
}

/// A client id of a legal form.
fn check_name(text: &str, name: &str) -> Result<(), Problem> {
    if text.len() > LONGEST_NAME {
        return Err(Problem::of(-4015));
    }
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'/' | b'_' | b'-');
    if text.bytes().all(legal) {
        return Ok(());
    }
    let msg =
        format!(r"Illegal characters found in parameter '{name}'; legal range is '^[\.A-Z\:/a-z0-9_-]{{1,36}}$'.");
    Err(Problem::saying(-1100, msg))
}

/// Which position an order belongs to and whether it may add to it.
pub(super) fn stance(
    state: &State,
    params: &Params,
    side: Side,
    closes: bool,
) -> Result<(Direction, Purpose), Problem> {
    let opened = if side == Side::Buy { Direction::Long } else { Direction::Short };
    let named = match params.get("positionSide") {
        None | Some("BOTH") => None,
        Some("LONG") => Some(Direction::Long),
        Some("SHORT") => Some(Direction::Short),
        Some(_) => return Err(Problem::of(-4060)),
    };
    let reduces = params.flag("reduceOnly")?;
    match (state.is_hedged(), named) {
        (true, None) | (false, Some(_)) => Err(Problem::of(-4061)),
        (true, Some(_)) if params.get("reduceOnly").is_some() => {
            Err(Problem::saying(-1106, "Parameter 'reduceonly' sent when not required."))
        }
        (true, Some(direction)) => {
            let purpose = if side == direction.closing_side() { Purpose::Close } else { Purpose::Open };
            Ok((direction, purpose))
        }
        (false, None) if reduces || closes => Ok((opened.opposite(), Purpose::Close)),
        (false, None) => Ok((opened, Purpose::Open)),
    }
}

/// A quantity with no more decimals than the contract has.
pub(super) fn qty_of(contract: &Contract, params: &Params) -> Result<Qty, Problem> {
    let qty: Qty = params.decimal("quantity")?.ok_or_else(|| Problem::malformed("quantity"))?;
    if !qty.is_positive() {
        return Err(Problem::of(-4003));
    }
    if decimals(qty) > contract.qty_decimals { Err(Problem::of(-1111)) } else { Ok(qty) }
}

/// A price with no more decimals than the contract has.
pub(super) fn price_of(contract: &Contract, params: &Params, name: &str, below_zero: i64) -> Result<Price, Problem> {
    let price: Price = params.decimal(name)?.ok_or_else(|| Problem::malformed(name))?;
    if !price.is_positive() {
        return Err(Problem::of(below_zero));
    }
    if decimals(price) > contract.price_decimals { Err(Problem::of(-1111)) } else { Ok(price) }
}

/// Whether the reply shows what became of the order.
fn form_of(params: &Params) -> Result<Form, Problem> {
    match params.get("newOrderRespType") {
        None | Some("ACK") => Ok(Form::Ack),
        Some("RESULT" | "FULL") => Ok(Form::Result),
        Some(_) => Err(Problem::of(-1136)),
    }
}

/// The refusal of the venue, with the words that need the contract.
pub(super) fn refused(state: &State, contract: &Contract, refusal: Refusal) -> Problem {
    let problem = Problem::refused(&state.venue, refusal);
    if refusal == Refusal::MinNotional {
        let least = contract.instrument.min_notional;
        let msg = format!("Order's notional must be no smaller than {least} (unless you choose reduce only).");
        return Problem::saying(problem.code, msg);
    }
    problem
}

pub(super) fn place(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let (id, form) = put(state, params)?;
    let object = state.venue.object(id).ok_or_else(|| Problem::of(-1000))?;
    Ok(state.order_row(object, form))
}

/// The checks of a placement, and nothing else.
pub(super) fn test(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let (present, tifs) = (state.venue.clone(), state.tifs.clone());
    let placed = put(state, params);
    (state.venue, state.tifs) = (present, tifs);
    placed.map(|_| serde_json::json!({}))
}

fn put(state: &mut State, params: &Params) -> Result<(ObjectId, Form), Problem> {
    let contract = contract_of(state, params)?;
    let side = side_of(params)?;
    let form = form_of(params)?;
    let kind = params.need("type")?;
    let unwanted = |name: &str| match params.get(name) {
        Some(_) => Err(Problem::saying(-1106, format!("Parameter '{}' sent when not required.", name.to_lowercase()))),
        None => Ok(()),
    };
    let (shape, tif) = match kind {
        "LIMIT" => {
            let tif = match params.need("timeInForce")? {
                "GTC" => Tif::Gtc,
                "IOC" => Tif::Ioc,
                "FOK" => Tif::Fok,
                "GTX" => Tif::PostOnly,
                _ => return Err(Problem::of(-1115)),
            };
            let qty = qty_of(&contract, params)?;
            (OrderShape::Limit { price: price_of(&contract, params, "price", -4001)?, qty }, tif)
        }
        "MARKET" => {
            unwanted("price")?;
            unwanted("timeInForce")?;
            (OrderShape::Market { qty: qty_of(&contract, params)? }, Tif::Gtc)
        }
        "STOP" | "STOP_MARKET" | "TAKE_PROFIT" | "TAKE_PROFIT_MARKET" | "TRAILING_STOP_MARKET" => {
            return Err(Problem::of(-4120));
        }
        _ => return Err(Problem::of(-1116)),
    };
    let (direction, purpose) = stance(state, params, side, false)?;
    let name = name_for(state, params, "newClientOrderId")?;
    let symbol = contract.instrument.symbol.clone();
    if let OrderShape::Limit { price, qty } = shape {
        let crosses = state.venue.crosses(&symbol, side, price);
        let cap = state.venue.market(&symbol).and_then(|m| m.liquidity.taker_cap);
        match tif {
            Tif::PostOnly if crosses => return Err(Problem::of(-5022)),
            Tif::Fok if !crosses || cap.is_some_and(|cap| cap < qty) => return Err(Problem::of(-5021)),
            Tif::Gtc | Tif::Ioc | Tif::Fok | Tif::PostOnly => {}
        }
    }
    let wish = Wish { account: state.account, name, symbol, side, direction, purpose, shape };
    let now = state.now();
    let id = state.venue.place_named(wish, now).map_err(|refusal| refused(state, &contract, refusal))?;
    if tif != Tif::Gtc {
        state.tifs.insert(id, tif);
    }
    if matches!(tif, Tif::Ioc | Tif::Fok) {
        state.venue.expire_order(id, now);
    }
    Ok((id, form))
}

/// The order that a request names: by number where it gives one, else the newest of its name.
fn named<'a>(
    state: &'a State,
    contract: &Contract,
    params: &Params,
    fits: impl Fn(&OrderObject) -> bool,
) -> Result<Option<&'a OrderObject>, Problem> {
    let here = |o: &&OrderObject| o.symbol == contract.instrument.symbol && fits(o);
    if let Some(id) = params.parsed::<u64>("orderId")? {
        return Ok(state.orders(Service::Regular).rev().find(|o| here(o) && wire_id(o) == id));
    }
    let Some(name) = params.get("origClientOrderId") else {
        let msg = "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!";
        return Err(Problem::saying(-1102, msg));
    };
    Ok(state.orders(Service::Regular).rev().find(|o| here(o) && is_named(o, name)))
}

pub(super) fn query(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_of(state, params)?;
    let now = state.now();
    let object = named(state, &contract, params, |o| state.venue.is_shown(o, Endpoint::Order, now))?;
    object.map(|o| state.order_row(o, Form::Query)).ok_or_else(|| Problem::of(-2013))
}

pub(super) fn open_order(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_of(state, params)?;
    let now = state.now();
    let shown = |o: &OrderObject| o.is_open() && state.venue.is_shown(o, Endpoint::OpenOrders, now);
    let object = named(state, &contract, params, shown)?;
    object.map(|o| state.order_row(o, Form::Query)).ok_or_else(|| Problem::of(-2013))
}

pub(super) fn open_orders(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_named(state, params)?;
    let now = state.now();
    let open = state.venue.open(state.account).filter(|o| {
        o.service == Service::Regular
            && contract.as_ref().is_none_or(|c| c.instrument.symbol == o.symbol)
            && state.venue.is_shown(o, Endpoint::OpenOrders, now)
    });
    Ok(open.map(|o| state.order_row(o, Form::Query)).collect())
}

pub(super) fn cancel(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_of(state, params)?;
    let id = named(state, &contract, params, OrderObject::is_open)?.map(|o| o.id).ok_or_else(|| Problem::of(-2011))?;
    let now = state.now();
    state.venue.user_cancel(&id.venue_id(), now).map_err(|refusal| Problem::refused(&state.venue, refusal))?;
    let object = state.venue.object(id).ok_or_else(|| Problem::of(-1000))?;
    Ok(state.order_row(object, Form::Result))
}

pub(super) fn amend(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_of(state, params)?;
    let side = side_of(params)?;
    let qty = qty_of(&contract, params)?;
    let price = price_of(&contract, params, "price", -4001)?;
    let number = params.parsed::<i64>("modifyId")?;
    let object = named(state, &contract, params, |_| true)?.cloned().ok_or_else(|| Problem::of(-2013))?;
    if !object.is_open() {
        return Err(Problem::of(-2013));
    }
    let OrderShape::Limit { price: price_now, qty: qty_now } = object.shape else { return Err(Problem::of(-5025)) };
    if side != object.side {
        return Err(Problem::saying(-1117, "Invalid side."));
    }
    if price == price_now && qty == qty_now {
        return Err(Problem::of(-5027));
    }
    if let Some(number) = number {
        state.modifications.insert(object.id, number);
    }
    let now = state.now();
    let rests = state.tifs.get(&object.id) == Some(&Tif::PostOnly);
    if rests && state.venue.crosses(&object.symbol, side, price) {
        // A post-only order that would trade is cancelled by its own change.
        state.venue.user_cancel(&object.id.venue_id(), now).map_err(|r| Problem::refused(&state.venue, r))?;
    } else {
        let changed = state.venue.user_amend(&object.id.venue_id(), price, qty, now);
        changed.map_err(|refusal| match refusal {
            Refusal::MinNotional => Problem::of(-5029),
            other => refused(state, &contract, other),
        })?;
    }
    let changed = state.venue.object(object.id).ok_or_else(|| Problem::of(-1000))?;
    let mut row = state.order_row(changed, Form::Result);
    if let (Some(number), Some(fields)) = (number, row.as_object_mut()) {
        fields.insert("modifyId".into(), number.into());
    }
    Ok(row)
}
