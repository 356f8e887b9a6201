//! What the account holds and how it is set up, in both generations.

use kraite_core::engine::Request;
use kraite_core::exchange::{Direction, MarginMode, PositionMode};
use kraite_core::id::PositionNo;
use serde_json::{Value, json};

use super::super::classic_rows::{margin_word, merge};
use super::super::errors::Problem;
use super::super::params::Params;
use super::super::state::State;
use super::super::text;
use super::terms::{ask, contract_of, margin_of, product_of};

pub(super) fn probe(state: &mut State, _: &Params) -> Result<Value, Problem> {
    Ok(json!({
        "userId": "1000000001", "inviterId": "", "ips": "", "authorities": ["coor", "copr"], "parentId": 1_000_000_001,
        "traderType": "not_trader", "channelCode": "", "channel": "", "regisTime": state.now().0.to_string(),
    }))
}

pub(super) fn upgrade_status(_: &mut State, _: &Params) -> Result<Value, Problem> {
    Ok(json!({ "status": "success" }))
}

pub(super) fn account(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "productType")?;
    let contract = contract_of(state, params)?;
    let settings = state.flat(contract.instrument.symbol.clone(), Direction::Long).settings;
    let mut row = state.classic_account();
    let leverage = settings.leverage;
    let more = json!({
        "crossedMarginLeverage": leverage, "isolatedLongLever": leverage, "isolatedShortLever": leverage,
        "marginMode": margin_word(settings.margin_mode), "posMode": state.mode_word(),
    });
    merge(&mut row, more);
    Ok(row)
}

pub(super) fn accounts(state: &mut State, params: &Params) -> Result<Value, Problem> {
    Ok(if product_of(params, "productType")? { json!([state.classic_account()]) } else { json!([]) })
}

pub(super) fn trade_rate(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_of(state, params)?;
    let rules = &contract.instrument;
    Ok(json!({ "makerFeeRate": rules.maker_fee.to_string(), "takerFeeRate": rules.taker_fee.to_string() }))
}

pub(super) fn fee_rate(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "category")?;
    trade_rate(state, params)
}

/// The one leverage that a contract has here, whatever side and mode it was given for.
fn leverage_of(params: &Params) -> Result<u32, Problem> {
    for name in ["leverage", "longLeverage", "shortLeverage"] {
        if let Some(leverage) = params.parsed::<u32>(name)? {
            return Ok(leverage);
        }
    }
    Err(Problem::missing("leverage"))
}

pub(super) fn classic_leverage(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "productType")?;
    params.need("marginCoin")?;
    let contract = contract_of(state, params)?;
    let leverage = leverage_of(params)?;
    let symbol = contract.instrument.symbol;
    ask(state, &Request::SetLeverage(PositionNo::default(), symbol.clone(), leverage))?;
    let mode = state.flat(symbol.clone(), Direction::Long).settings.margin_mode;
    let text = leverage.to_string();
    Ok(json!({
        "symbol": symbol.as_str(), "marginCoin": "USDT", "longLeverage": text, "shortLeverage": text,
        "crossMarginLeverage": text, "marginMode": margin_word(mode),
    }))
}

fn locked(state: &State, code: i64) -> Result<(), Problem> {
    let busy =
        state.venue.open(state.account).next().is_some() || state.venue.exposures(state.account).next().is_some();
    if busy { Err(Problem::of(code)) } else { Ok(()) }
}

pub(super) fn margin_mode(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "productType")?;
    params.need("marginCoin")?;
    let contract = contract_of(state, params)?;
    let mode = margin_of(params, "marginMode")?.ok_or_else(|| Problem::missing("marginMode"))?;
    let symbol = contract.instrument.symbol;
    ask(state, &Request::SetMarginMode(PositionNo::default(), symbol.clone(), mode))?;
    let leverage = state.flat(symbol.clone(), Direction::Long).settings.leverage.to_string();
    Ok(json!({
        "symbol": symbol.as_str(), "marginCoin": "USDT", "longLeverage": leverage, "shortLeverage": leverage,
        "crossMarginLeverage": leverage, "marginMode": margin_word(mode),
    }))
}

fn mode_of(params: &Params, name: &str) -> Result<PositionMode, Problem> {
    params.need(name)?;
    match params.word(name).as_deref() {
        Some("one_way_mode") => Ok(PositionMode::OneWay),
        Some("hedge_mode") => Ok(PositionMode::Hedge),
        _ => Err(Problem::odd(name)),
    }
}

fn set_mode(state: &mut State, mode: PositionMode, locked_code: i64) -> Result<(), Problem> {
    if state.venue.mode(state.account) != mode {
        locked(state, locked_code)?;
        state.set_mode(mode);
    }
    Ok(())
}

pub(super) fn classic_mode(state: &mut State, params: &Params) -> Result<Value, Problem> {
    if product_of(params, "productType")? {
        set_mode(state, mode_of(params, "posMode")?, 40_920)?;
    }
    Ok(json!({ "posMode": mode_word(mode_of(params, "posMode")?) }))
}

const fn mode_word(mode: PositionMode) -> &'static str {
    match mode {
        PositionMode::OneWay => "one_way_mode",
        PositionMode::Hedge => "hedge_mode",
    }
}

pub(super) fn unified_mode(state: &mut State, params: &Params) -> Result<Value, Problem> {
    set_mode(state, mode_of(params, "holdMode")?, 25_107)?;
    Ok(json!("success"))
}

/// Sets the margin mode with the leverage; there is no call of its own for that.
pub(super) fn unified_leverage(state: &mut State, params: &Params) -> Result<Value, Problem> {
    product_of(params, "category")?;
    let contract = contract_of(state, params)?;
    let leverage = leverage_of(params)?;
    let symbol = contract.instrument.symbol.clone();
    let mode = margin_of(params, "marginMode")?.unwrap_or(MarginMode::Cross);
    if state.flat(symbol.clone(), Direction::Long).settings.margin_mode != mode {
        ask(state, &Request::SetMarginMode(PositionNo::default(), symbol.clone(), mode))?;
    }
    ask(state, &Request::SetLeverage(PositionNo::default(), symbol, leverage))?;
    Ok(json!("success"))
}

pub(super) fn assets(state: &mut State, _: &Params) -> Result<Value, Problem> {
    let totals = state.totals();
    let (balance, unrealized) = (text::money(totals.balance()), text::money(totals.unrealized));
    Ok(json!({
        "accountEquity": balance, "usdtEquity": balance, "btcEquity": "0", "unrealisedPnl": unrealized,
        "usdtUnrealisedPnl": unrealized, "btcUnrealizedPnl": "0", "effEquity": balance,
        "mmr": text::money(totals.maintenance), "imr": text::money(totals.initial()), "mgnRatio": state.margin_ratio(),
        "positionMgnRatio": state.margin_ratio(),
        "assets": [{
            "coin": "USDT", "equity": balance, "usdValue": balance, "balance": text::money(totals.wallet),
            "available": text::money(totals.available), "debt": "0", "locked": text::money(totals.orders),
            "bonus": "0",
        }],
    }))
}

/// Lists the contracts that were set up; one that never was is missing.
pub(super) fn settings(state: &mut State, _: &Params) -> Result<Value, Problem> {
    let account = state.venue.account(state.account);
    let rows: Vec<Value> = state
        .listing
        .iter()
        .filter_map(|c| {
            let symbol = &c.instrument.symbol;
            let settings = account.and_then(|a| a.settings_on(symbol))?;
            Some(json!({
                "category": "USDT-FUTURES", "symbol": symbol.as_str(),
                "marginMode": margin_word(settings.margin_mode), "leverage": settings.leverage.to_string(),
            }))
        })
        .collect();
    Ok(json!({
        "uid": "1000000001", "accountMode": "unified", "assetMode": "single", "accountLevel": "advanced",
        "holdMode": state.mode_word(), "stpMode": "none", "symbolConfigList": rows, "coinConfigList": [],
    }))
}
