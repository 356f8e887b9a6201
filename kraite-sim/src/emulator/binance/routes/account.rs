//! What the account holds and how it is set up.

use kraite_core::id::Symbol;
use kraite_core::number::Notional;
use serde_json::{Value, json};

use super::super::encode::direction_word;
use super::super::errors::Problem;
use super::super::limits::{ORDERS_PER_10S, ORDERS_PER_MINUTE};
use super::super::listing::Contract;
use super::super::params::Params;
use super::super::state::State;
use super::super::{holdings::Holding, text};
use super::{contract_named, contract_of};

pub(super) fn positions_v2(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_named(state, params)?;
    let only = contract.as_ref().map(|c| &c.instrument.symbol);
    Ok(state.all_sides(only).iter().map(|holding| state.position_row(holding, 2)).collect())
}

pub(super) fn positions_v3(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_named(state, params)?;
    let here = |h: &&Holding| contract.as_ref().is_none_or(|c| c.instrument.symbol == h.symbol);
    Ok(state.holdings().iter().filter(here).map(|holding| state.position_row(holding, 3)).collect())
}

pub(super) fn balance(state: &mut State, _: &Params) -> Result<Value, Problem> {
    let totals = state.totals();
    Ok(json!([{
        "accountAlias": "SgsR", "asset": "USDT", "balance": text::money(totals.wallet),
        "crossWalletBalance": text::money(totals.cross_wallet), "crossUnPnl": text::money(totals.cross_unrealized),
        "availableBalance": text::money(totals.available), "maxWithdrawAmount": text::money(totals.available),
        "marginAvailable": true, "updateTime": state.now().0,
    }]))
}

fn totals(state: &State) -> Value {
    let totals = state.totals();
    let fields = [
        ("totalInitialMargin", totals.initial()),
        ("totalMaintMargin", totals.maintenance),
        ("totalWalletBalance", totals.wallet),
        ("totalUnrealizedProfit", totals.unrealized),
        ("totalMarginBalance", totals.balance()),
        ("totalPositionInitialMargin", totals.positions),
        ("totalOpenOrderInitialMargin", totals.orders),
        ("totalCrossWalletBalance", totals.cross_wallet),
        ("totalCrossUnPnl", totals.cross_unrealized),
        ("availableBalance", totals.available),
        ("maxWithdrawAmount", totals.available),
    ];
    let mut all: serde_json::Map<String, Value> =
        fields.into_iter().map(|(name, amount)| (name.to_owned(), text::money(amount).into())).collect();
    let asset = json!({
        "asset": "USDT", "walletBalance": text::money(totals.wallet), "unrealizedProfit": text::money(totals.unrealized),
        "marginBalance": text::money(totals.balance()), "maintMargin": text::money(totals.maintenance),
        "initialMargin": text::money(totals.initial()), "positionInitialMargin": text::money(totals.positions),
        "openOrderInitialMargin": text::money(totals.orders), "crossWalletBalance": text::money(totals.cross_wallet),
        "crossUnPnl": text::money(totals.cross_unrealized), "availableBalance": text::money(totals.available),
        "maxWithdrawAmount": text::money(totals.available), "marginAvailable": true, "updateTime": state.now().0,
    });
    all.insert("assets".into(), json!([asset]));
    Value::Object(all)
}

fn account_position(state: &State, holding: &Holding, old: bool) -> Option<Value> {
    let contract = state.contract(&holding.symbol)?;
    let isolated = holding.settings.margin_mode == kraite_core::exchange::MarginMode::Isolated;
    let initial = holding.initial.checked_add(holding.open_orders).unwrap_or_default();
    let mut row = json!({
        "symbol": holding.symbol.as_str(),
        "positionSide": if state.is_hedged() { direction_word(holding.direction) } else { "BOTH" },
        "positionAmt": text::qty(contract, holding.amount()),
        "unrealizedProfit": text::money(holding.unrealized),
        "isolatedMargin": text::money(holding.isolated),
        "notional": text::money(if holding.amount().is_negative() { holding.notional.negated() } else { holding.notional }),
        "isolatedWallet": text::money(holding.isolated),
        "initialMargin": text::money(initial),
        "maintMargin": text::money(holding.maintenance),
        "updateTime": holding.at,
    });
    if old && let Some(fields) = row.as_object_mut() {
        fields.insert("leverage".into(), holding.settings.leverage.to_string().into());
        fields.insert("isolated".into(), isolated.into());
        fields.insert("entryPrice".into(), text::entry(holding.entry).into());
        fields.insert("breakEvenPrice".into(), text::entry(holding.break_even(contract)).into());
        fields.insert("maxNotional".into(), max_notional(contract, holding.settings.leverage).to_string().into());
        fields.insert("positionInitialMargin".into(), text::money(holding.initial).into());
        fields.insert("openOrderInitialMargin".into(), text::money(holding.open_orders).into());
        fields.insert("bidNotional".into(), "0".into());
        fields.insert("askNotional".into(), "0".into());
    }
    Some(row)
}

pub(super) fn account_v3(state: &mut State, _: &Params) -> Result<Value, Problem> {
    let mut all = totals(state);
    let rows: Vec<Value> = state.holdings().iter().filter_map(|h| account_position(state, h, false)).collect();
    if let Some(fields) = all.as_object_mut() {
        fields.insert("positions".into(), rows.into());
    }
    Ok(all)
}

pub(super) fn account_v2(state: &mut State, _: &Params) -> Result<Value, Problem> {
    let mut all = totals(state);
    let rows: Vec<Value> = state.all_sides(None).iter().filter_map(|h| account_position(state, h, true)).collect();
    if let Some(fields) = all.as_object_mut() {
        fields.insert("positions".into(), rows.into());
        for (name, value) in [
            ("feeTier", json!(0)),
            ("feeBurn", json!(false)),
            ("canTrade", json!(true)),
            ("canDeposit", json!(true)),
            ("canWithdraw", json!(false)),
            ("multiAssetsMargin", json!(false)),
            ("tradeGroupId", json!(-1)),
            ("updateTime", json!(0)),
        ] {
            fields.insert(name.into(), value);
        }
    }
    Ok(all)
}

/// The highest notional that a leverage allows.
pub(super) fn max_notional(contract: &Contract, leverage: u32) -> Notional {
    let brackets = &contract.instrument.brackets;
    let fits = brackets.iter().filter(|b| b.max_leverage >= leverage).map(|b| b.notional_cap);
    fits.max().or_else(|| brackets.first().map(|b| b.notional_cap)).unwrap_or_default()
}

pub(super) fn symbol_config(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_named(state, params)?;
    let only = contract.as_ref().map(|c| &c.instrument.symbol);
    let one_each = |symbol: &Symbol| state.flat(symbol.clone(), kraite_core::exchange::Direction::Long).settings;
    let rows = state.listing.iter().filter(|c| only.is_none_or(|only| *only == c.instrument.symbol)).map(|c| {
        let settings = one_each(&c.instrument.symbol);
        let isolated = settings.margin_mode == kraite_core::exchange::MarginMode::Isolated;
        json!({
            "symbol": c.instrument.symbol.as_str(), "marginType": if isolated { "ISOLATED" } else { "CROSSED" },
            "isAutoAddMargin": false, "leverage": settings.leverage,
            "maxNotionalValue": max_notional(c, settings.leverage).to_string(),
        })
    });
    Ok(rows.collect())
}

pub(super) fn account_config(state: &mut State, _: &Params) -> Result<Value, Problem> {
    Ok(json!({
        "feeTier": 0, "canTrade": true, "canDeposit": true, "canWithdraw": false, "dualSidePosition": state.is_hedged(),
        "updateTime": 0, "multiAssetsMargin": false, "tradeGroupId": -1,
    }))
}

pub(super) fn commission_rate(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_of(state, params)?;
    let rules = &contract.instrument;
    Ok(json!({
        "symbol": rules.symbol.as_str(), "makerCommissionRate": rules.maker_fee.to_string(),
        "takerCommissionRate": rules.taker_fee.to_string(), "rpiCommissionRate": "0.00005",
    }))
}

pub(super) fn leverage_bracket(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let contract = contract_named(state, params)?;
    let only = contract.as_ref().map(|c| &c.instrument.symbol);
    let rows = state.listing.iter().filter(|c| only.is_none_or(|only| *only == c.instrument.symbol)).map(|c| {
        let brackets: Vec<Value> = (1..)
            .zip(&c.instrument.brackets)
            .map(|(number, b)| {
                json!({
                    "bracket": number, "initialLeverage": b.max_leverage, "notionalCap": text::bare(b.notional_cap),
                    "notionalFloor": text::bare(b.notional_floor), "maintMarginRatio": text::bare(b.maintenance_ratio),
                    "cum": text::bare(b.maintenance_deduction),
                })
            })
            .collect();
        json!({ "symbol": c.instrument.symbol.as_str(), "brackets": brackets })
    });
    Ok(rows.collect())
}

pub(super) fn order_limits(_: &mut State, _: &Params) -> Result<Value, Problem> {
    let row = |interval: &str, num: u32, limit: u32| json!({ "rateLimitType": "ORDERS", "interval": interval, "intervalNum": num, "limit": limit });
    Ok(json!([row("SECOND", 10, ORDERS_PER_10S), row("MINUTE", 1, ORDERS_PER_MINUTE)]))
}

pub(super) fn api_restrictions(state: &mut State, _: &Params) -> Result<Value, Problem> {
    Ok(json!({
        "ipRestrict": true, "createTime": state.now().0, "enableReading": true, "enableWithdrawals": false,
        "enableInternalTransfer": false, "enableMargin": false, "enableFutures": true, "permitsUniversalTransfer": false,
        "enableVanillaOptions": false, "enableFixApiTrade": false, "enableFixReadOnly": false,
        "enableSpotAndMarginTrading": false, "enablePortfolioMarginTrading": false,
    }))
}
