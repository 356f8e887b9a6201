//! The table of routes: who may ask, what it weighs, who answers.
//!
//! Weights and security types: the page of each call in the venue's documentation.

mod account;
mod algo;
mod batch;
mod history;
mod orders;
mod public;
mod setup;
mod tickers;

use kraite_core::id::Symbol;
use serde_json::Value;

use super::auth;
use super::errors::Problem;
use super::listing::Contract;
use super::params::Params;
use super::server::{Call, Reply};
use super::state::State;

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Security {
    /// Anybody.
    Open,
    /// Whoever has the key.
    Key,
    /// Whoever has the key and signs.
    Signed,
}

/// What a request weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Flat(u32),
    /// So much for one contract, and so much for all.
    Symbol(u32, u32),
    /// By how many rows are asked for.
    Rows,
}

impl Weight {
    fn of(self, params: &Params) -> u32 {
        match self {
            Self::Flat(weight) => weight,
            Self::Symbol(one, all) => {
                if params.get("symbol").is_some() {
                    one
                } else {
                    all
                }
            }
            Self::Rows => match params.get("limit").and_then(|n| n.parse::<u32>().ok()).unwrap_or(500) {
                0..100 => 1,
                100..500 => 2,
                500..=1_000 => 5,
                _ => 10,
            },
        }
    }
}

/// The header that carries the API key.
const KEY_HEADER: &str = "x-mbx-apikey";

type Act = fn(&mut State, &Params) -> Result<Value, Problem>;

/// One route.
pub(super) struct Route {
    method: &'static str,
    path: &'static str,
    security: Security,
    weight: Weight,
    /// Orders on the counters of ten seconds and of a minute.
    orders: (u32, u32),
    pub(super) act: Act,
}

const fn route(method: &'static str, path: &'static str, security: Security, weight: Weight, act: Act) -> Route {
    Route { method, path, security, weight, orders: (0, 0), act }
}

const fn ordering(method: &'static str, path: &'static str, weight: u32, orders: (u32, u32), act: Act) -> Route {
    Route { method, path, security: Security::Signed, weight: Weight::Flat(weight), orders, act }
}

use Security::{Key, Open, Signed};
use Weight::{Flat, Rows, Symbol as BySymbol};

/// Every route but the admin ones.
const ROUTES: &[Route] = &[
    route("GET", "/fapi/v1/ping", Open, Flat(1), public::ping),
    route("GET", "/fapi/v1/time", Open, Flat(1), public::time),
    route("GET", "/fapi/v1/exchangeInfo", Open, Flat(1), public::exchange_info),
    route("GET", "/fapi/v1/depth", Open, Rows, tickers::depth),
    route("GET", "/fapi/v1/trades", Open, Flat(5), public::trades),
    route("GET", "/fapi/v1/historicalTrades", Key, Flat(20), public::trades),
    route("GET", "/fapi/v1/aggTrades", Open, Flat(20), public::agg_trades),
    route("GET", "/fapi/v1/klines", Open, Rows, public::klines),
    route("GET", "/fapi/v1/continuousKlines", Open, Rows, public::klines),
    route("GET", "/fapi/v1/indexPriceKlines", Open, Rows, public::klines),
    route("GET", "/fapi/v1/markPriceKlines", Open, Rows, public::klines),
    route("GET", "/fapi/v1/premiumIndex", Open, BySymbol(1, 10), tickers::premium_index),
    route("GET", "/fapi/v1/fundingRate", Open, Flat(1), tickers::funding_rate),
    route("GET", "/fapi/v1/fundingInfo", Open, Flat(1), tickers::funding_info),
    route("GET", "/fapi/v1/ticker/24hr", Open, BySymbol(1, 40), tickers::day),
    route("GET", "/fapi/v1/ticker/price", Open, BySymbol(1, 2), tickers::price),
    route("GET", "/fapi/v2/ticker/price", Open, BySymbol(1, 2), tickers::price),
    route("GET", "/fapi/v1/ticker/bookTicker", Open, BySymbol(2, 5), tickers::book),
    ordering("POST", "/fapi/v1/order", 0, (1, 1), orders::place),
    ordering("POST", "/fapi/v1/order/test", 0, (0, 0), orders::test),
    ordering("PUT", "/fapi/v1/order", 0, (1, 1), orders::amend),
    ordering("DELETE", "/fapi/v1/order", 1, (0, 0), orders::cancel),
    route("GET", "/fapi/v1/order", Signed, Flat(1), orders::query),
    ordering("POST", "/fapi/v1/batchOrders", 5, (5, 1), batch::place),
    ordering("PUT", "/fapi/v1/batchOrders", 5, (5, 1), batch::amend),
    ordering("DELETE", "/fapi/v1/batchOrders", 1, (0, 0), batch::cancel),
    ordering("DELETE", "/fapi/v1/allOpenOrders", 1, (0, 0), batch::cancel_all),
    route("GET", "/fapi/v1/openOrder", Signed, Flat(1), orders::open_order),
    route("GET", "/fapi/v1/openOrders", Signed, BySymbol(1, 40), orders::open_orders),
    route("GET", "/fapi/v1/allOrders", Signed, Flat(5), history::all_orders),
    route("GET", "/fapi/v1/userTrades", Signed, Flat(5), history::user_trades),
    route("GET", "/fapi/v1/income", Signed, Flat(30), history::income),
    route("GET", "/fapi/v1/forceOrders", Signed, BySymbol(20, 50), history::force_orders),
    ordering("POST", "/fapi/v1/algoOrder", 0, (1, 1), algo::place),
    ordering("DELETE", "/fapi/v1/algoOrder", 1, (0, 0), algo::cancel),
    route("GET", "/fapi/v1/algoOrder", Signed, Flat(1), algo::query),
    route("GET", "/fapi/v1/openAlgoOrders", Signed, BySymbol(1, 40), algo::open),
    route("GET", "/fapi/v1/allAlgoOrders", Signed, Flat(5), algo::all),
    ordering("DELETE", "/fapi/v1/algoOpenOrders", 1, (0, 0), algo::cancel_all),
    route("GET", "/fapi/v2/positionRisk", Signed, Flat(5), account::positions_v2),
    route("GET", "/fapi/v3/positionRisk", Signed, Flat(5), account::positions_v3),
    route("GET", "/fapi/v2/balance", Signed, Flat(5), account::balance),
    route("GET", "/fapi/v3/balance", Signed, Flat(5), account::balance),
    route("GET", "/fapi/v2/account", Signed, Flat(5), account::account_v2),
    route("GET", "/fapi/v3/account", Signed, Flat(5), account::account_v3),
    route("GET", "/fapi/v1/symbolConfig", Signed, Flat(5), account::symbol_config),
    route("GET", "/fapi/v1/accountConfig", Signed, Flat(5), account::account_config),
    route("GET", "/fapi/v1/commissionRate", Signed, Flat(20), account::commission_rate),
    route("GET", "/fapi/v1/leverageBracket", Signed, Flat(1), account::leverage_bracket),
    route("GET", "/fapi/v1/rateLimit/order", Signed, Flat(1), account::order_limits),
    route("POST", "/fapi/v1/leverage", Signed, Flat(1), setup::leverage),
    route("POST", "/fapi/v1/marginType", Signed, Flat(1), setup::margin_type),
    route("GET", "/fapi/v1/positionSide/dual", Signed, Flat(30), setup::position_side),
    route("POST", "/fapi/v1/positionSide/dual", Signed, Flat(1), setup::set_position_side),
    route("GET", "/fapi/v1/multiAssetsMargin", Signed, Flat(30), setup::multi_assets),
    route("POST", "/fapi/v1/multiAssetsMargin", Signed, Flat(1), setup::set_multi_assets),
    route("POST", "/fapi/v1/listenKey", Key, Flat(1), setup::listen_key),
    route("PUT", "/fapi/v1/listenKey", Key, Flat(1), setup::extend_listen_key),
    route("DELETE", "/fapi/v1/listenKey", Key, Flat(1), setup::delete_listen_key),
    route("GET", "/sapi/v1/account/apiRestrictions", Signed, Flat(1), account::api_restrictions),
    route("GET", "/sapi/v1/capital/config/getall", Signed, Flat(10), public::nothing),
    route("GET", "/sapi/v1/margin/allPairs", Key, Flat(1), public::nothing),
    route("GET", "/sapi/v1/margin/isolated/allPairs", Key, Flat(1), public::nothing),
    route("GET", "/api/v3/ping", Open, Flat(1), public::ping),
    route("GET", "/api/v3/time", Open, Flat(1), public::time),
    route("GET", "/api/v3/exchangeInfo", Open, Flat(1), public::other_exchange_info),
    route("GET", "/dapi/v1/exchangeInfo", Open, Flat(1), public::other_exchange_info),
];

/// Answers a request over HTTP. What came of it is told to the streams by the caller.
pub(super) fn answer(state: &mut State, call: &Call) -> Reply {
    let params = Params::read(&call.query, &call.body);
    let admit = |state: &State, security: Security| admitted(state, call, &params, security);
    run(state, &call.method, &call.path, &params, &admit)
}

/// Answers a request that `admit` lets in.
pub(super) fn run(
    state: &mut State,
    method: &str,
    path: &str,
    params: &Params,
    admit: &dyn Fn(&State, Security) -> Result<(), Problem>,
) -> Reply {
    let path = path.trim_end_matches('/');
    let Some(route) = ROUTES.iter().find(|route| route.path == path && route.method == method) else {
        return Reply::problem(&unknown(method, path));
    };
    let now = state.now();
    let answered = state
        .limits
        .request(now, route.weight.of(params))
        .and_then(|()| admit(state, route.security))
        .and_then(|()| match route.orders {
            (0, 0) => Ok(()),
            (short, long) => state.limits.orders(now, short, long),
        })
        .and_then(|()| (route.act)(state, params));
    let mut reply = match answered {
        Ok(body) => Reply::ok(&body),
        Err(problem) => Reply::problem(&problem),
    };
    let (weight, short, long) = state.limits.used(now);
    reply.headers.push(("x-mbx-used-weight-1m", weight.to_string()));
    if route.orders != (0, 0) {
        reply.headers.push(("x-mbx-order-count-10s", short.to_string()));
        reply.headers.push(("x-mbx-order-count-1m", long.to_string()));
    }
    if reply.status == 429 || reply.status == 418 {
        reply.headers.push(("retry-after", RETRY_AFTER.into()));
    }
    reply
}

/// What a refusal of the limits names as the time to wait, in seconds.
const RETRY_AFTER: &str = "5";

fn admitted(state: &State, call: &Call, params: &Params, security: Security) -> Result<(), Problem> {
    if security != Security::Open {
        state.credentials.check_key(call.header(KEY_HEADER))?;
    }
    if security == Security::Signed {
        let signature = params.need("signature")?;
        auth::check_window(params, state.now())?;
        let payload = auth::signed_part(&call.query, &call.body);
        state.credentials.check_signature(payload.as_bytes(), signature)?;
    }
    Ok(())
}

/// An order of other hands: no key, no signature, no counters.
pub(super) fn place_by_hand(state: &mut State, path: &str, params: &Params) -> Result<Value, Problem> {
    if path == "/fapi/v1/algoOrder" { algo::place(state, params) } else { orders::place(state, params) }
}

/// What the venue says to a path that it does not have, in the words it was seen to use.
fn unknown(method: &str, path: &str) -> Problem {
    let retired = ["/fapi/v1/positionRisk", "/fapi/v1/account", "/fapi/v1/balance"];
    if method == "GET" && retired.contains(&path) {
        let newer = path.replace("/v1/", "/v3/");
        return Problem::saying(-5000, format!("GET {path} is retired, please use GET {newer}"));
    }
    Problem::saying(-5000, format!("Path {path}, Method {method} is invalid"))
}

/// The contract that a request names.
pub(super) fn contract_of(state: &State, params: &Params) -> Result<Contract, Problem> {
    let symbol = Symbol::new(params.need("symbol")?);
    state.contract(&symbol).cloned().ok_or_else(|| Problem::of(-1121))
}

/// The contract that a request may name.
pub(super) fn contract_named(state: &State, params: &Params) -> Result<Option<Contract>, Problem> {
    match params.get("symbol").or_else(|| params.get("pair")) {
        Some(symbol) => state.contract(&Symbol::new(symbol)).cloned().map(Some).ok_or_else(|| Problem::of(-1121)),
        None => Ok(None),
    }
}

/// `limit` between 1 and the most rows there can be.
pub(super) fn limit_of(params: &Params, usual: usize, most: usize) -> Result<usize, Problem> {
    let limit = params.parsed::<usize>("limit")?.unwrap_or(usual);
    if limit == 0 || limit > most {
        return Err(Problem::saying(-1130, format!("Data sent for parameter 'limit' is not valid (1 to {most}).")));
    }
    Ok(limit)
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
