//! Strategies of the unified API: stop and target of a position as one object with one id, those over a quantity, and
//! triggers that open.

use kraite_core::exchange::{Direction, OrderShape, Purpose, TriggerBy, TriggerSize};
use kraite_core::number::Price;
use serde_json::{Value, json};

use super::super::errors::Problem;
use super::super::listing::Contract;
use super::super::params::Params;
use super::super::state::{State, Strategy, name_of, wire_id};
use super::plans::{attach, exit_over, exit_shape, touched};
use super::queries::{Page, page};
use super::terms::{
    at_market, contract_named, contract_of, name_for, price_named, price_of, product_of, qty_of, trigger_by, window_of,
};
use super::unified::stance;
use crate::venue::{ObjectId, OrderObject, PlanLeg, Wish};

/// Trigger price and which price is watched of one leg.
type Trigger = (Price, TriggerBy);

fn legs_of(contract: &Contract, params: &Params) -> Result<(Option<Trigger>, Option<Trigger>), Problem> {
    let leg = |price: &str, by: &str| -> Result<Option<Trigger>, Problem> {
        let Some(price) = price_named(contract, params, price)? else { return Ok(None) };
        Ok(Some((price, trigger_by(params, by)?)))
    };
    at_market(params, "tpLimitPrice", "tpOrderType")?;
    at_market(params, "slLimitPrice", "slOrderType")?;
    Ok((leg("stopLoss", "slTriggerBy")?, leg("takeProfit", "tpTriggerBy")?))
}

/// The position that a strategy closes: in one-way mode the one that its side takes off.
fn closed(state: &State, params: &Params) -> Result<Direction, Problem> {
    let side = super::terms::side_of(params).ok();
    match (super::unified::side_named(params)?, side) {
        (Some(direction), _) => Ok(direction),
        (None, Some(side)) if !state.is_hedged() => {
            Ok(if side == kraite_core::exchange::Side::Sell { Direction::Long } else { Direction::Short })
        }
        (None, _) => Err(Problem::missing("posSide")),
    }
}

fn keep(state: &mut State, name: compact_str::CompactString, legs: Vec<ObjectId>) -> Result<Value, Problem> {
    let first = legs.first().and_then(|id| state.venue.object(*id)).ok_or_else(|| Problem::of(45_001))?;
    let number = wire_id(first);
    let answer = json!({ "orderId": number.to_string(), "clientOid": name.as_str() });
    state.strategies.insert(number, Strategy { name, legs });
    Ok(answer)
}

pub(super) fn place(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "category")?;
    let contract = contract_of(state, params)?;
    match params.word("type").as_deref() {
        None | Some("tpsl") => {}
        Some("trigger") => return place_trigger(state, &contract, params),
        Some(_) => return Err(Problem::verification("type is not served here")),
    }
    let direction = closed(state, params)?;
    let (stop, target) = legs_of(&contract, params)?;
    let whole = match params.word("tpslMode").as_deref() {
        None | Some("full") => true,
        Some("partial") => false,
        Some(_) => return Err(Problem::odd("tpslMode")),
    };
    let name = name_for(state, params, "clientOid")?;
    if whole {
        let stands = state.all_strategies().iter().any(|(_, s)| {
            let legs = state.legs(s);
            let same = |leg: &&&OrderObject| {
                leg.is_open()
                    && leg.is_close_position()
                    && leg.symbol == contract.instrument.symbol
                    && leg.direction == direction
            };
            legs.iter().any(|leg| same(&leg))
        });
        if stands {
            return Err(Problem::of(25_594));
        }
        if stop.is_none() && target.is_none() {
            return Err(Problem::missing("takeProfit"));
        }
        let leg = |trigger: Option<Trigger>| trigger.map(|(trigger, by)| PlanLeg { name: name.clone(), trigger, by });
        let legs = attach(state, &contract, direction, leg(stop), leg(target))?;
        return keep(state, name, legs);
    }
    let (is_stop, (trigger, by)) = match (stop, target) {
        (Some(stop), None) => (true, stop),
        (None, Some(target)) => (false, target),
        (None, None) => return Err(Problem::missing("takeProfit")),
        (Some(_), Some(_)) => return Err(Problem::verification("both legs over a quantity are not served here")),
    };
    let size = TriggerSize::Qty(qty_of(&contract, params, "qty")?);
    let shape = exit_shape(is_stop, trigger, by, size);
    let id = exit_over(state, &contract, direction, shape, name.clone())?;
    keep(state, name, vec![id])
}

fn place_trigger(state: &mut State, contract: &Contract, params: &Params) -> Result<Value, Problem> {
    at_market(params, "triggerOrderPrice", "triggerOrderType")?;
    let (direction, purpose, side) = stance(state, params)?;
    let trigger = price_of(contract, params, "triggerPrice")?;
    let by = trigger_by(params, "triggerBy")?;
    let qty = qty_of(contract, params, "qty")?;
    let name = name_for(state, params, "clientOid")?;
    let shape = touched(state, contract, side, trigger, by, qty)?;
    let symbol = contract.instrument.symbol.clone();
    let wish = Wish { account: state.account, name: name.clone(), symbol, side, direction, purpose, shape };
    let now = state.now();
    let placed = state.venue.place_named(wish, now);
    let id = placed.map_err(|refusal| state.refused(refusal))?;
    keep(state, name, vec![id])
}

/// The strategy that waits and that a request names.
fn waiting(state: &State, params: &Params) -> Result<(u64, Strategy), Problem> {
    let (id, name) = (params.get("orderId"), params.get("clientOid"));
    if id.is_none() && name.is_none() {
        return Err(Problem::missing("orderId"));
    }
    let all = state.all_strategies().into_iter().rev();
    let mut fits = all.filter(|(number, s)| match (&id, &name) {
        (Some(id), _) => *id == number.to_string(),
        (None, Some(name)) => s.name == *name,
        (None, None) => false,
    });
    fits.find(|(_, s)| state.waits(s)).ok_or_else(|| Problem::of(25_575))
}

/// Other prices; a leg that is not named stays as it is, and one that there was not comes to it.
pub(super) fn modify(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let (number, strategy) = waiting(state, params)?;
    let answer = json!({ "orderId": number.to_string(), "clientOid": strategy.name.as_str() });
    let open: Vec<OrderObject> = state.legs(&strategy).into_iter().filter(|leg| leg.is_open()).cloned().collect();
    let first = open.first().ok_or_else(|| Problem::of(25_575))?;
    let contract = state.contract(&first.symbol).cloned().ok_or_else(|| Problem::of(25_575))?;
    if first.purpose == Purpose::Open {
        let trigger = price_of(&contract, params, "triggerPrice")?;
        return change(state, &contract, params, first, (trigger, trigger_by(params, "triggerBy")?)).map(|()| answer);
    }
    let (stop, target) = legs_of(&contract, params)?;
    if first.is_close_position() {
        let leg = |is_stop: bool| open.iter().find(|leg| matches!(leg.shape, OrderShape::StopMarket { .. }) == is_stop);
        let changes = |is_stop: bool, wanted: Option<Trigger>| {
            wanted.filter(|wanted| leg(is_stop).and_then(OrderObject::trigger) != Some(*wanted))
        };
        let (stop, target) = (changes(true, stop), changes(false, target));
        if stop.is_none() && target.is_none() {
            return Err(Problem::of(25_600));
        }
        let named = |trigger: Option<Trigger>| {
            trigger.map(|(trigger, by)| PlanLeg { name: strategy.name.clone(), trigger, by })
        };
        let legs = attach(state, &contract, first.direction, named(stop), named(target))?;
        if let Some(kept) = state.strategies.get_mut(&number) {
            for id in legs {
                if !kept.legs.contains(&id) {
                    kept.legs.push(id);
                }
            }
        }
        return Ok(answer);
    }
    let is_stop = matches!(first.shape, OrderShape::StopMarket { .. });
    let wanted = if is_stop { stop } else { target };
    let wanted = wanted.or(first.trigger()).ok_or_else(|| Problem::of(25_575))?;
    change(state, &contract, params, first, wanted).map(|()| answer)
}

fn change(
    state: &mut State,
    contract: &Contract,
    params: &Params,
    leg: &OrderObject,
    (trigger, by): Trigger,
) -> Result<(), Problem> {
    let qty = if params.get("qty").is_some() { Some(qty_of(contract, params, "qty")?) } else { leg.shape.qty() };
    let size = qty.map_or(TriggerSize::ClosePosition, TriggerSize::Qty);
    let is_stop = matches!(leg.shape, OrderShape::StopMarket { .. });
    let shape = exit_shape(is_stop, trigger, by, size);
    if shape == leg.shape {
        return Err(Problem::of(25_600));
    }
    let now = state.now();
    let changed = state.venue.amend_trigger(leg.id, shape, now);
    changed.map_err(|refusal| state.refused_trigger(refusal, leg.direction, is_stop, by))
}

/// Takes both legs away.
pub(super) fn cancel(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let (_, strategy) = waiting(state, params)?;
    let now = state.now();
    for id in strategy.legs {
        if state.venue.object(id).is_some_and(OrderObject::is_open) {
            // One that ended meanwhile is gone as well.
            let _ = state.venue.user_cancel(&id.venue_id(), now);
        }
    }
    Ok(Value::Null)
}

fn is_of_type(state: &State, strategy: &Strategy, kind: Option<&str>) -> bool {
    let opens = state.legs(strategy).iter().any(|leg| leg.purpose == Purpose::Open);
    kind.is_none_or(|kind| (kind == "trigger") == opens && matches!(kind, "trigger" | "tpsl"))
}

/// Every strategy that waits, of all contracts, in one bare list.
pub(super) fn unfilled(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let listed = product_of(params, "category")?;
    let kind = params.word("type");
    let now = state.now();
    let shown = |s: &Strategy| {
        let lagging = kraite_core::exchange::Endpoint::OpenOrders;
        state.legs(s).iter().any(|leg| state.venue.is_shown(leg, lagging, now))
    };
    let all = state.all_strategies();
    let fits =
        all.iter().rev().filter(|(_, s)| listed && state.waits(s) && is_of_type(state, s, kind.as_deref()) && shown(s));
    Ok(fits.map(|(number, s)| state.strategy_row(*number, s)).collect())
}

pub(super) fn history(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let listed = product_of(params, "category")?;
    let kind = params.word("type");
    let contract = contract_named(state, params)?;
    let (from, to) = window_of(params)?;
    let now = state.now();
    let fits = |s: &Strategy| {
        let legs = state.legs(s);
        let Some(first) = legs.first() else { return false };
        contract.as_ref().is_none_or(|c| c.instrument.symbol == first.symbol)
            && (from..=to).contains(&first.created_at.0)
            && legs.iter().any(|leg| state.venue.is_shown(leg, kraite_core::exchange::Endpoint::History, now))
    };
    let all = state.all_strategies();
    let ended =
        all.iter().rev().filter(|(_, s)| listed && !state.waits(s) && is_of_type(state, s, kind.as_deref()) && fits(s));
    let rows = ended.map(|(number, s)| (*number, state.strategy_row(*number, s)));
    page(rows, params, &Page { list: "list", end: "cursor", before: "cursor" })
}

/// The orders that a strategy spawned.
pub(super) fn sub_orders(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let id = params.need("orderId")?;
    let all = state.all_strategies();
    let strategy = all.iter().find(|(number, _)| number.to_string() == id).map(|(_, s)| s);
    let children = strategy.map(|s| state.legs(s)).unwrap_or_default().into_iter().filter_map(|leg| leg.child);
    let rows = children.filter_map(|child| state.venue.object(child)).map(|o| {
        let row = state.unified_order(o);
        let sub = json!({
            "subOrderId": row["orderId"], "subClientOid": name_of(o), "category": row["category"],
            "symbol": row["symbol"], "price": row["price"], "qty": row["qty"], "cumExecQty": row["cumExecQty"],
            "avgPrice": row["avgPrice"], "side": row["side"], "posSide": row["posSide"], "status": row["orderStatus"],
            "createdTime": row["createdTime"], "updatedTime": row["updatedTime"],
        });
        (wire_id(o), sub)
    });
    page(rows, params, &Page { list: "list", end: "cursor", before: "cursor" })
}
