//! Several orders in one request.

use kraite_core::exchange::Service;
use serde_json::{Value, json};

use super::super::errors::Problem;
use super::super::params::Params;
use super::super::state::State;
use super::{Act, contract_of, orders};
use crate::venue::ObjectId;

/// The most orders of one batch. Source: "Place Multiple Orders".
const MOST_ORDERS: usize = 5;
/// The most cancellations of one batch. Source: "Cancel Multiple Orders".
const MOST_CANCELS: usize = 10;

fn each(state: &mut State, params: &Params, act: Act) -> Result<Value, Problem> {
    let text = params.need("batchOrders")?;
    let rows: Vec<Value> = serde_json::from_str(text).map_err(|_| Problem::malformed("batchOrders"))?;
    if rows.is_empty() || rows.len() > MOST_ORDERS {
        return Err(Problem::of(-4082));
    }
    let mut answers = Vec::with_capacity(rows.len());
    for (place, row) in rows.into_iter().enumerate() {
        if let Some(code) = state.refused_legs.get(&place) {
            answers.push(Problem::of(*code).body());
            continue;
        }
        let fields = row.as_object().ok_or_else(|| Problem::malformed("batchOrders"))?;
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let one = Params::of(fields.iter().map(|(name, value)| (name.clone(), text(value))));
        answers.push(act(state, &one).unwrap_or_else(|problem| problem.body()));
    }
    Ok(Value::Array(answers))
}

pub(super) fn place(state: &mut State, params: &Params) -> Result<Value, Problem> {
    each(state, params, orders::place)
}

pub(super) fn amend(state: &mut State, params: &Params) -> Result<Value, Problem> {
    each(state, params, orders::amend)
}

pub(super) fn cancel(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let symbol = params.need("symbol")?.to_owned();
    let list = |name: &str| -> Result<Vec<Value>, Problem> {
        params.get(name).map_or(Ok(Vec::new()), |text| serde_json::from_str(text).map_err(|_| Problem::malformed(name)))
    };
    let numbers = list("orderIdList")?;
    let names = list("origClientOrderIdList")?;
    if numbers.is_empty() && names.is_empty() {
        return Err(Problem::malformed("orderIdList"));
    }
    if numbers.len().max(names.len()) > MOST_CANCELS {
        return Err(Problem::of(-4082));
    }
    let by_number = numbers.iter().map(|id| ("orderId", id.as_str().map_or_else(|| id.to_string(), str::to_owned)));
    let by_name = names.iter().filter_map(|name| Some(("origClientOrderId", name.as_str()?.to_owned())));
    let wanted: Vec<(&str, String)> = if numbers.is_empty() { by_name.collect() } else { by_number.collect() };
    let mut answers = Vec::with_capacity(wanted.len());
    for (field, id) in wanted {
        let one = Params::of([("symbol".to_owned(), symbol.clone()), (field.to_owned(), id)]);
        answers.push(orders::cancel(state, &one).unwrap_or_else(|problem| problem.body()));
    }
    Ok(Value::Array(answers))
}

pub(super) fn cancel_all(state: &mut State, params: &Params) -> Result<Value, Problem> {
    cancel_open(state, params, Service::Regular)?;
    Ok(json!({ "code": 200, "msg": "The operation of cancel all open order is done." }))
}

/// Cancels what is open of one service on a contract.
pub(super) fn cancel_open(state: &mut State, params: &Params, service: Service) -> Result<(), Problem> {
    let contract = contract_of(state, params)?;
    let symbol = &contract.instrument.symbol;
    let open = state.venue.open(state.account).filter(|o| o.service == service && o.symbol == *symbol);
    let ids: Vec<ObjectId> = open.map(|o| o.id).collect();
    let now = state.now();
    for id in ids {
        // One that ended meanwhile is gone as well.
        let _ = state.venue.user_cancel(&id.venue_id(), now);
    }
    Ok(())
}
