//! Plans of the classic API: stop and target of a position in one call that overwrites, those over a quantity, and
//! triggers that open.

use kraite_core::exchange::{Direction, OrderShape, Purpose, Service, Side, TriggerBy, TriggerSize};
use serde_json::{Value, json};

use super::super::classic_rows::plan_type;
use super::super::errors::Problem;
use super::super::listing::Contract;
use super::super::params::Params;
use super::super::state::{State, name_of, wire_id};
use super::classic::stance;
use super::queries::{Page, page};
use super::terms::{
    at_market, contract_named, contract_of, margin_of, name_for, named, price_named, price_of, product_of, qty_of,
    trigger_by, use_margin, window_of, without_presets,
};
use crate::venue::{ObjectId, OrderObject, PlanLeg, PlanWish, Wish};

/// The position that a plan is for: in one-way mode it is named by the side that opened it.
fn hold_side(state: &State, params: &Params) -> Result<Direction, Problem> {
    params.need("holdSide")?;
    match (params.word("holdSide").as_deref(), state.is_hedged()) {
        (Some("long"), true) | (Some("buy"), false) => Ok(Direction::Long),
        (Some("short"), true) | (Some("sell"), false) => Ok(Direction::Short),
        _ => Err(Problem::odd("holdSide")),
    }
}

fn leg_of(state: &mut State, contract: &Contract, params: &Params, leg: &str) -> Result<Option<PlanLeg>, Problem> {
    let field = |end: &str| format!("{leg}{end}");
    let Some(trigger) = price_named(contract, params, &field("TriggerPrice"))? else { return Ok(None) };
    if params.get(&field("Size")).is_some() {
        return Err(Problem::verification(&format!("{leg}Size is not served here: use place-tpsl-order")));
    }
    at_market(params, &field("ExecutePrice"), "")?;
    let by = trigger_by(params, &field("TriggerType"))?;
    Ok(Some(PlanLeg { name: name_for(state, params, &field("ClientOid"))?, trigger, by }))
}

/// Stop and target of a position. A repeat overwrites what is there, and the numbers stay.
pub(super) fn place_pair(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "productType")?;
    let contract = contract_of(state, params)?;
    params.need("marginCoin")?;
    let direction = hold_side(state, params)?;
    let target = leg_of(state, &contract, params, "stopSurplus")?;
    let stop = leg_of(state, &contract, params, "stopLoss")?;
    if target.is_none() && stop.is_none() {
        return Err(Problem::missing("stopSurplusTriggerPrice"));
    }
    let mut rows = Vec::new();
    for id in attach(state, &contract, direction, stop, target)? {
        let Some(object) = state.venue.object(id) else { continue };
        let is_stop = matches!(object.shape, OrderShape::StopMarket { .. });
        let name = |this: bool| if this { name_of(object) } else { String::new() };
        rows.push(json!({
            "orderId": wire_id(object).to_string(), "stopSurplusClientOid": name(!is_stop),
            "stopLossClientOid": name(is_stop),
        }));
    }
    // The target's row first; nobody has written that down, so a client must go by the names.
    rows.reverse();
    Ok(Value::Array(rows))
}

/// Attaches legs to a position; says in the words of the leg that is at fault what is wrong.
pub(super) fn attach(
    state: &mut State,
    contract: &Contract,
    direction: Direction,
    stop: Option<PlanLeg>,
    target: Option<PlanLeg>,
) -> Result<Vec<ObjectId>, Problem> {
    let (account, now) = (state.account, state.now());
    let taken = |leg: &usize| !state.refused_legs.contains_key(leg);
    let (stop, target) = (stop.filter(|_| taken(&0)), target.filter(|_| taken(&1)));
    let symbol = contract.instrument.symbol.clone();
    let past = |leg: &Option<PlanLeg>, is_stop: bool| {
        let leg = leg.as_ref()?;
        let market = state.venue.market(&symbol)?;
        let price = match leg.by {
            TriggerBy::Last => market.last?,
            TriggerBy::Mark => market.mark?,
        };
        let falls = is_stop == (direction == Direction::Long);
        let past = if falls { price <= leg.trigger } else { price >= leg.trigger };
        past.then_some((is_stop, leg.by))
    };
    let (is_stop, by) = past(&stop, true).or_else(|| past(&target, false)).unwrap_or((true, TriggerBy::Last));
    let wish = PlanWish { account, symbol, direction, stop, target };
    let placed = state.venue.place_plans(wish, now);
    placed.map_err(|refusal| state.refused_trigger(refusal, direction, is_stop, by))
}

/// A stop or target: of the whole position or over a quantity.
pub(super) fn place_tpsl(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "productType")?;
    let contract = contract_of(state, params)?;
    params.need("marginCoin")?;
    let direction = hold_side(state, params)?;
    let trigger = price_of(&contract, params, "triggerPrice")?;
    at_market(params, "executePrice", "")?;
    let by = trigger_by(params, "triggerType")?;
    params.need("planType")?;
    let (is_stop, whole) = match params.word("planType").as_deref() {
        Some("pos_profit") => (false, true),
        Some("pos_loss") => (true, true),
        Some("profit_plan") => (false, false),
        Some("loss_plan") => (true, false),
        Some("moving_plan") => return Err(Problem::verification("moving_plan is not served here")),
        _ => return Err(Problem::odd("planType")),
    };
    let id = if whole {
        let name = name_for(state, params, "clientOid")?;
        let leg = Some(PlanLeg { name, trigger, by });
        let (stop, target) = if is_stop { (leg, None) } else { (None, leg) };
        attach(state, &contract, direction, stop, target)?.first().copied()
    } else {
        let size = TriggerSize::Qty(qty_of(&contract, params, "size")?);
        let name = name_for(state, params, "clientOid")?;
        Some(exit_over(state, &contract, direction, exit_shape(is_stop, trigger, by, size), name)?)
    };
    id.and_then(|id| state.venue.object(id)).map(ids).ok_or_else(|| Problem::of(45_001))
}

/// The shape of a stop or target.
pub(super) const fn exit_shape(
    is_stop: bool,
    trigger: kraite_core::number::Price,
    by: TriggerBy,
    size: TriggerSize,
) -> OrderShape {
    if is_stop {
        OrderShape::StopMarket { trigger, by, size }
    } else {
        OrderShape::TakeProfitMarket { trigger, by, size }
    }
}

/// A stop or target over a quantity.
pub(super) fn exit_over(
    state: &mut State,
    contract: &Contract,
    direction: Direction,
    shape: OrderShape,
    name: compact_str::CompactString,
) -> Result<ObjectId, Problem> {
    let symbol = contract.instrument.symbol.clone();
    if super::terms::is_flat(state, &symbol, direction) {
        return Err(state.refused(crate::venue::Refusal::NoPosition));
    }
    let side = direction.closing_side();
    let wish = Wish { account: state.account, name, symbol, side, direction, purpose: Purpose::Close, shape };
    place_trigger(state, wish)
}

fn place_trigger(state: &mut State, wish: Wish) -> Result<ObjectId, Problem> {
    let now = state.now();
    let (direction, shape) = (wish.direction, wish.shape);
    let is_stop = matches!(shape, OrderShape::StopMarket { .. });
    let by = match shape {
        OrderShape::StopMarket { by, .. } | OrderShape::TakeProfitMarket { by, .. } => by,
        OrderShape::Market { .. } | OrderShape::Limit { .. } => TriggerBy::Last,
    };
    let placed = state.venue.place_named(wish, now);
    placed.map_err(|refusal| state.refused_trigger(refusal, direction, is_stop, by))
}

fn ids(object: &OrderObject) -> Value {
    json!({ "orderId": wire_id(object).to_string(), "clientOid": name_of(object) })
}

/// A trigger on either side of the market, which fires when it is touched.
pub(super) fn place_plan(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "productType")?;
    let contract = contract_of(state, params)?;
    if params.word("planType").as_deref().is_some_and(|kind| kind != "normal_plan") {
        return Err(Problem::verification("planType: only normal_plan is served here"));
    }
    without_presets(params, &["stopSurplusTriggerPrice", "stopLossTriggerPrice"])?;
    at_market(params, "price", "orderType")?;
    let margin = margin_of(params, "marginMode")?;
    let (direction, purpose, side) = stance(state, params)?;
    let trigger = price_of(&contract, params, "triggerPrice")?;
    let by = trigger_by(params, "triggerType")?;
    let qty = qty_of(&contract, params, "size")?;
    let name = name_for(state, params, "clientOid")?;
    use_margin(state, &contract, margin)?;
    let shape = touched(state, &contract, side, trigger, by, qty)?;
    let symbol = contract.instrument.symbol;
    let wish = Wish { account: state.account, name, symbol, side, direction, purpose, shape };
    let id = place_trigger(state, wish)?;
    state.venue.object(id).map(ids).ok_or_else(|| Problem::of(45_001))
}

/// A trigger that fires when the price reaches it, from wherever it is now.
pub(super) fn touched(
    state: &State,
    contract: &Contract,
    side: Side,
    trigger: kraite_core::number::Price,
    by: TriggerBy,
    qty: kraite_core::number::Qty,
) -> Result<OrderShape, Problem> {
    let market = state.venue.market(&contract.instrument.symbol);
    let price = market.and_then(|m| if by == TriggerBy::Mark { m.mark } else { m.last });
    let falls = price.ok_or_else(|| Problem::of(22_045))? > trigger;
    // A selling stop and a buying target fire on a falling price.
    Ok(exit_shape(falls == (side == Side::Sell), trigger, by, TriggerSize::Qty(qty)))
}

fn open_plan(state: &State, params: &Params) -> Result<OrderObject, Problem> {
    let object = named(state, params, |o| o.service != Service::Regular && o.is_open())?;
    object.cloned().ok_or_else(|| Problem::of(43_025))
}

pub(super) fn modify_tpsl(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "productType")?;
    let object = open_plan(state, params)?;
    if object.service == Service::PositionPlan {
        // What was seen of it in the field.
        return Err(Problem::verification("trigger price cannot be empty"));
    }
    change(state, params, &object, ["triggerPrice", "triggerType", "size"])
}

pub(super) fn modify_plan(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "productType")?;
    let object = open_plan(state, params)?;
    change(state, params, &object, ["newTriggerPrice", "newTriggerType", "newSize"])
}

fn change(state: &mut State, params: &Params, object: &OrderObject, names: [&str; 3]) -> Result<Value, Problem> {
    let [price, kind, size] = names;
    let contract = state.contract(&object.symbol).cloned().ok_or_else(|| Problem::of(43_025))?;
    let (trigger_now, by_now) = object.trigger().ok_or_else(|| Problem::of(43_025))?;
    let trigger = price_named(&contract, params, price)?.unwrap_or(trigger_now);
    let by = if params.get(kind).is_some() { trigger_by(params, kind)? } else { by_now };
    let qty = if params.get(size).is_some() { Some(qty_of(&contract, params, size)?) } else { object.shape.qty() };
    let size = qty.map_or(TriggerSize::ClosePosition, TriggerSize::Qty);
    let is_stop = matches!(object.shape, OrderShape::StopMarket { .. });
    let now = state.now();
    let changed = state.venue.amend_trigger(object.id, exit_shape(is_stop, trigger, by, size), now);
    changed.map_err(|refusal| state.refused_trigger(refusal, object.direction, is_stop, by))?;
    state.venue.object(object.id).map(ids).ok_or_else(|| Problem::of(43_025))
}

/// Whether a plan is of the kind that a request names; none named is the kind that opens.
fn is_of_kind(object: &OrderObject, kind: Option<&str>) -> bool {
    match kind {
        Some("profit_loss") => plan_type(object) != "normal_plan",
        other => plan_type(object) == other.unwrap_or("normal_plan"),
    }
}

/// Cancels plans of one kind. Without that they are those that open, and a list of others matches nothing: a success
/// that did nothing.
pub(super) fn cancel(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "productType")?;
    let contract = contract_named(state, params)?;
    let kind = params.word("planType");
    let wanted = params.list("orderIdList");
    let matches = |o: &&OrderObject| {
        let listed = wanted.is_empty()
            || wanted.iter().any(|row| {
                let id = row.get("orderId");
                let by_name = id.is_none() && row.get("clientOid").is_some_and(|n| state.naming.is_named(o, &n));
                by_name || id.is_some_and(|id| id == wire_id(o).to_string())
            });
        o.service != Service::Regular
            && contract.as_ref().is_none_or(|c| c.instrument.symbol == o.symbol)
            && is_of_kind(o, kind.as_deref())
            && listed
    };
    let gone: Vec<OrderObject> = state.venue.open(state.account).filter(matches).cloned().collect();
    let now = state.now();
    for object in &gone {
        // One that ended meanwhile is gone as well.
        let _ = state.venue.user_cancel(&object.id.venue_id(), now);
    }
    let rows: Vec<Value> = gone.iter().map(ids).collect();
    Ok(json!({ "successList": rows, "failureList": [] }))
}

fn listed(state: &State, params: &Params, open: bool) -> Result<Value, Problem> {
    let is_listed = product_of(params, "productType")?;
    params.need("planType")?;
    let kind = params.word("planType");
    let contract = contract_named(state, params)?;
    let (id, name, status) = (params.get("orderId"), params.get("clientOid"), params.word("planStatus"));
    let (from, to) = window_of(params)?;
    let now = state.now();
    let endpoint =
        if open { kraite_core::exchange::Endpoint::OpenOrders } else { kraite_core::exchange::Endpoint::History };
    let fits = state.venue.objects().rev().filter(|o| {
        is_listed
            && o.account == state.account
            && o.service != Service::Regular
            && o.is_open() == open
            && contract.as_ref().is_none_or(|c| c.instrument.symbol == o.symbol)
            && is_of_kind(o, kind.as_deref())
            && id.as_ref().is_none_or(|id| *id == wire_id(o).to_string())
            && name.as_ref().is_none_or(|name| state.naming.is_named(o, name))
            && status.as_ref().is_none_or(|s| *s == super::super::classic_rows::plan_status(o.status))
            && (from..=to).contains(&o.created_at.0)
            && state.venue.is_shown(o, endpoint, now)
    });
    let rows = fits.map(|o| (wire_id(o), state.classic_plan(o)));
    page(rows, params, &Page { list: "entrustedList", end: "endId", before: "idLessThan" })
}

pub(super) fn pending(state: &mut State, params: &Params) -> Result<Value, Problem> {
    listed(state, params, true)
}

pub(super) fn history(state: &mut State, params: &Params) -> Result<Value, Problem> {
    listed(state, params, false)
}

/// The order that a trigger spawned; only for those that open and trail.
pub(super) fn sub_orders(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let id = params.need("planOrderId")?;
    let plan = state.venue.objects().find(|o| wire_id(o).to_string() == id && plan_type(o) == "normal_plan");
    let child = plan.and_then(|o| o.child).and_then(|child| state.venue.object(child));
    let rows: Vec<Value> = child
        .into_iter()
        .map(|o| {
            let price = o.average().map_or_else(String::new, |price| price.to_string());
            json!({ "orderId": wire_id(o).to_string(), "price": price, "type": "market", "status": "success" })
        })
        .collect();
    Ok(Value::Array(rows))
}
