//! Leverage, margin and position mode, and the key of the account's stream.

use kraite_core::engine::Request;
use kraite_core::exchange::{Direction, MarginMode, Outcome, PositionMode};
use kraite_core::id::PositionNo;
use serde_json::{Value, json};

use super::super::errors::Problem;
use super::super::params::Params;
use super::super::state::State;
use super::account::max_notional;
use super::contract_of;

/// The highest leverage that can be asked for. Source: "Change Initial Leverage".
const MOST_LEVERAGE: u32 = 125;

fn ask(state: &mut State, request: &Request) -> Result<(), Problem> {
    let (account, now) = (state.account, state.now());
    for (_, outcome) in state.venue.request(account, request, now, now) {
        match outcome {
            Outcome::Accepted(_) => {}
            Outcome::Rejected(reject) => return Err(Problem::of(reject.code)),
            Outcome::Unknown(_) => return Err(Problem::unknown_503()),
        }
    }
    Ok(())
}

pub(super) fn leverage(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_of(state, params)?;
    let leverage = params.parsed::<u32>("leverage")?.ok_or_else(|| Problem::malformed("leverage"))?;
    if !(1..=MOST_LEVERAGE).contains(&leverage) {
        return Err(Problem::saying(-4028, format!("Leverage {leverage} is not valid")));
    }
    let symbol = contract.instrument.symbol.clone();
    ask(state, &Request::SetLeverage(PositionNo::default(), symbol.clone(), leverage))?;
    let now = state.now().0;
    let frame = json!({
        "e": "ACCOUNT_CONFIG_UPDATE", "E": now, "T": now, "ac": { "s": symbol.as_str(), "l": leverage },
    });
    state.tell_user(&frame);
    let most = max_notional(&contract, leverage).to_string();
    Ok(json!({ "leverage": leverage, "maxNotionalValue": most, "symbol": symbol.as_str() }))
}

pub(super) fn margin_type(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_of(state, params)?;
    let symbol = contract.instrument.symbol.clone();
    let wanted = match params.need("marginType")? {
        "ISOLATED" => MarginMode::Isolated,
        "CROSSED" => MarginMode::Cross,
        _ => return Err(Problem::malformed("marginType")),
    };
    if state.flat(symbol.clone(), Direction::Long).settings.margin_mode == wanted {
        return Err(Problem::of(-4046));
    }
    if state.venue.open(state.account).any(|o| o.symbol == symbol) {
        return Err(Problem::of(-4047));
    }
    ask(state, &Request::SetMarginMode(PositionNo::default(), symbol, wanted))?;
    Ok(json!({ "code": 200, "msg": "success" }))
}

pub(super) fn position_side(state: &mut State, _: &Params) -> Result<Value, Problem> {
    Ok(json!({ "dualSidePosition": state.is_hedged() }))
}

pub(super) fn set_position_side(state: &mut State, params: &Params) -> Result<Value, Problem> {
    params.need("dualSidePosition")?;
    let hedge = params.flag("dualSidePosition")?;
    if hedge == state.is_hedged() {
        return Err(Problem::of(-4059));
    }
    if state.venue.open(state.account).next().is_some() {
        return Err(Problem::of(-4067));
    }
    if state.venue.exposures(state.account).next().is_some() {
        return Err(Problem::of(-4068));
    }
    let mode = if hedge { PositionMode::Hedge } else { PositionMode::OneWay };
    let account = state.account;
    state.venue.set_mode(account, mode);
    Ok(json!({ "code": 200, "msg": "success" }))
}

pub(super) fn multi_assets(_: &mut State, _: &Params) -> Result<Value, Problem> {
    Ok(json!({ "multiAssetsMargin": false }))
}

/// Only one asset is held here, so the mode of several cannot be entered.
pub(super) fn set_multi_assets(_: &mut State, params: &Params) -> Result<Value, Problem> {
    params.need("multiAssetsMargin")?;
    Err(if params.flag("multiAssetsMargin")? { Problem::of(-4168) } else { Problem::of(-4171) })
}

pub(super) fn listen_key(state: &mut State, _: &Params) -> Result<Value, Problem> {
    Ok(json!({ "listenKey": state.listen_key() }))
}

pub(super) fn extend_listen_key(state: &mut State, _: &Params) -> Result<Value, Problem> {
    let now = state.now();
    if state.listen.as_ref().is_none_or(|listen| listen.until <= now) {
        return Err(Problem::of(-1125));
    }
    Ok(json!({ "listenKey": state.listen_key() }))
}

pub(super) fn delete_listen_key(state: &mut State, _: &Params) -> Result<Value, Problem> {
    state.listen = None;
    Ok(json!({}))
}
