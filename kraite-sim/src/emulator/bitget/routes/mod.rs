//! The table of routes: to which accounts they are open, how often they may be called, who answers.
//!
//! Numbers per second: the page of each call in the venue's documentation, default tier.

mod classic;
pub(super) mod market;
mod plans;
mod queries;
mod setup;
mod strategies;
mod terms;
mod unified;

use serde_json::{Map, Value};

use super::errors::{Problem, success};
use super::params::Params;
use super::server::{Call, Reply};
use super::state::State;
use super::{Generation, auth};

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Anybody.
    Open,
    /// Whoever signs, for an account of this generation.
    Of(Generation),
    /// Whoever signs.
    Signed,
}

type Act = fn(&mut State, &Params) -> Result<Value, Problem>;

/// One route.
struct Route {
    method: &'static str,
    path: &'static str,
    access: Access,
    per_second: u32,
    act: Act,
}

const fn open(path: &'static str, act: Act) -> Route {
    Route { method: "GET", path, access: Access::Open, per_second: 20, act }
}

const fn get(path: &'static str, generation: Generation, per_second: u32, act: Act) -> Route {
    Route { method: "GET", path, access: Access::Of(generation), per_second, act }
}

const fn post(path: &'static str, generation: Generation, per_second: u32, act: Act) -> Route {
    Route { method: "POST", path, access: Access::Of(generation), per_second, act }
}

use Generation::{Classic, Unified};

/// Every route but the admin ones.
const ROUTES: &[Route] = &[
    open("/api/v2/public/time", market::time),
    open("/api/v2/mix/market/contracts", market::contracts),
    open("/api/v2/mix/market/ticker", market::classic_tickers),
    open("/api/v2/mix/market/tickers", market::classic_tickers),
    open("/api/v2/mix/market/symbol-price", market::symbol_price),
    open("/api/v2/mix/market/query-position-lever", market::classic_tiers),
    open("/api/v2/mix/market/candles", market::classic_candles),
    open("/api/v2/mix/market/history-candles", market::classic_candles),
    open("/api/v2/mix/market/history-mark-candles", market::classic_candles),
    open("/api/v2/mix/market/history-index-candles", market::classic_candles),
    open("/api/v2/mix/market/merge-depth", market::depth),
    open("/api/v2/mix/market/orderbook", market::depth),
    open("/api/v2/mix/market/fills", market::classic_trades),
    open("/api/v2/mix/market/current-fund-rate", market::classic_funding),
    open("/api/v2/spot/public/symbols", market::nothing),
    open("/api/v2/spot/public/coins", market::nothing),
    open("/api/v2/margin/currencies", market::nothing),
    open("/api/v3/public/time", market::time),
    open("/api/v3/market/instruments", market::instruments),
    open("/api/v3/market/tickers", market::unified_tickers),
    open("/api/v3/market/position-tier", market::unified_tiers),
    open("/api/v3/market/candles", market::unified_candles),
    open("/api/v3/market/history-candles", market::unified_candles),
    open("/api/v3/market/orderbook", market::unified_depth),
    open("/api/v3/market/fills", market::unified_trades),
    open("/api/v3/market/current-fund-rate", market::unified_funding),
    post("/api/v2/mix/order/place-order", Classic, 10, classic::place),
    post("/api/v2/mix/order/batch-place-order", Classic, 5, classic::place_batch),
    post("/api/v2/mix/order/modify-order", Classic, 10, classic::modify),
    post("/api/v2/mix/order/cancel-order", Classic, 10, classic::cancel),
    post("/api/v2/mix/order/batch-cancel-orders", Classic, 10, classic::cancel_batch),
    post("/api/v2/mix/order/cancel-all-orders", Classic, 10, classic::cancel_all),
    post("/api/v2/mix/order/close-positions", Classic, 1, classic::close),
    get("/api/v2/mix/order/detail", Classic, 10, queries::detail),
    get("/api/v2/mix/order/orders-pending", Classic, 10, queries::pending),
    get("/api/v2/mix/order/orders-history", Classic, 10, queries::history),
    get("/api/v2/mix/order/fills", Classic, 10, queries::fills),
    get("/api/v2/mix/order/fill-history", Classic, 10, queries::fills),
    post("/api/v2/mix/order/place-pos-tpsl", Classic, 10, plans::place_pair),
    post("/api/v2/mix/order/place-tpsl-order", Classic, 10, plans::place_tpsl),
    post("/api/v2/mix/order/modify-tpsl-order", Classic, 10, plans::modify_tpsl),
    post("/api/v2/mix/order/place-plan-order", Classic, 10, plans::place_plan),
    post("/api/v2/mix/order/modify-plan-order", Classic, 10, plans::modify_plan),
    post("/api/v2/mix/order/cancel-plan-order", Classic, 10, plans::cancel),
    get("/api/v2/mix/order/orders-plan-pending", Classic, 10, plans::pending),
    get("/api/v2/mix/order/orders-plan-history", Classic, 10, plans::history),
    get("/api/v2/mix/order/plan-sub-order", Classic, 20, plans::sub_orders),
    get("/api/v2/mix/account/account", Classic, 10, setup::account),
    get("/api/v2/mix/account/accounts", Classic, 10, setup::accounts),
    get("/api/v2/mix/account/isolated-symbols", Classic, 10, market::nothing),
    get("/api/v2/spot/account/info", Classic, 1, setup::probe),
    get("/api/v2/common/trade-rate", Classic, 10, setup::trade_rate),
    post("/api/v2/mix/account/set-leverage", Classic, 5, setup::classic_leverage),
    post("/api/v2/mix/account/set-margin-mode", Classic, 5, setup::margin_mode),
    post("/api/v2/mix/account/set-position-mode", Classic, 5, setup::classic_mode),
    get("/api/v2/mix/position/all-position", Classic, 5, queries::positions),
    get("/api/v2/mix/position/single-position", Classic, 10, queries::positions),
    get("/api/v2/mix/position/history-position", Classic, 20, queries::past_positions),
    post("/api/v3/trade/place-order", Unified, 10, unified::place),
    post("/api/v3/trade/place-batch", Unified, 5, unified::place_batch),
    post("/api/v3/trade/modify-order", Unified, 10, unified::modify),
    post("/api/v3/trade/batch-modify-order", Unified, 10, unified::modify_batch),
    post("/api/v3/trade/cancel-order", Unified, 10, unified::cancel),
    post("/api/v3/trade/cancel-batch", Unified, 5, unified::cancel_batch),
    post("/api/v3/trade/cancel-symbol-order", Unified, 5, unified::cancel_symbol),
    post("/api/v3/trade/close-positions", Unified, 5, unified::close),
    get("/api/v3/trade/order-info", Unified, 20, queries::order_info),
    get("/api/v3/trade/unfilled-orders", Unified, 20, queries::unfilled),
    get("/api/v3/trade/history-orders", Unified, 20, queries::history_orders),
    get("/api/v3/trade/fills", Unified, 20, queries::unified_fills),
    post("/api/v3/trade/place-strategy-order", Unified, 10, strategies::place),
    post("/api/v3/trade/modify-strategy-order", Unified, 10, strategies::modify),
    post("/api/v3/trade/cancel-strategy-order", Unified, 10, strategies::cancel),
    get("/api/v3/trade/unfilled-strategy-orders", Unified, 20, strategies::unfilled),
    get("/api/v3/trade/history-strategy-orders", Unified, 20, strategies::history),
    get("/api/v3/trade/strategy-sub-orders", Unified, 20, strategies::sub_orders),
    get("/api/v3/position/current-position", Unified, 20, queries::current_positions),
    get("/api/v3/position/history-position", Unified, 20, queries::unified_past_positions),
    get("/api/v3/account/assets", Unified, 20, setup::assets),
    get("/api/v3/account/settings", Unified, 20, setup::settings),
    get("/api/v3/account/fee-rate", Unified, 10, setup::fee_rate),
    post("/api/v3/account/set-leverage", Unified, 10, setup::unified_leverage),
    post("/api/v3/account/set-hold-mode", Unified, 10, setup::unified_mode),
    Route {
        method: "GET",
        path: "/api/v2/spot/account/upgrade-status",
        access: Access::Signed,
        per_second: 1,
        act: setup::upgrade_status,
    },
];

/// Answers a request. What came of it is told to the streams by the caller.
pub(super) fn answer(state: &mut State, call: &Call) -> Reply {
    let now = state.now();
    match answered(state, call) {
        Ok(data) => success(&data, now),
        Err(problem) => problem.reply(now),
    }
}

fn answered(state: &mut State, call: &Call) -> Result<Value, Problem> {
    let now = state.now();
    state.limits.request(now)?;
    let path = call.path.trim_end_matches('/');
    let route = ROUTES.iter().find(|route| route.path == path && route.method == call.method);
    let route = route.ok_or_else(|| Problem::of(40_404))?;
    match route.access {
        Access::Open => {}
        // Before anything is known of the key.
        Access::Of(generation) if generation != state.generation => {
            return Err(Problem::of(if generation == Classic { 40_085 } else { 40_084 }));
        }
        Access::Of(_) | Access::Signed => auth::check(&state.credentials, &state.passphrase, call, now)?,
    }
    state.limits.call(now, route.path, route.per_second)?;
    let params = Params::read(&call.method, &call.query, &call.body)?;
    (route.act)(state, &params)
}

/// An order of other hands: no key, no signature, no counters; the parameters of the route of its kind.
pub(super) fn place_by_hand(state: &mut State, fields: Map<String, Value>) -> Result<Value, Problem> {
    let has = |name: &str| fields.contains_key(name);
    let act: Act = match state.generation {
        Classic if has("planType") => plans::place_tpsl,
        Classic if has("stopLossTriggerPrice") || has("stopSurplusTriggerPrice") => plans::place_pair,
        Classic if has("triggerPrice") => plans::place_plan,
        Classic => classic::place,
        Unified if has("takeProfit") || has("stopLoss") || has("triggerPrice") => strategies::place,
        Unified => unified::place,
    };
    act(state, &Params::of(Value::Object(fields)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_route_is_told_twice() {
        for (place, route) in ROUTES.iter().enumerate() {
            let same = |other: &&Route| other.path == route.path && other.method == route.method;
            assert_eq!(ROUTES[place..].iter().filter(same).count(), 1, "{} {}", route.method, route.path);
        }
    }
}
