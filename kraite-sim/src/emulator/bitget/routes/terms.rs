//! What orders of both generations are made of: contract, quantity, price, name, margin mode.

use compact_str::CompactString;
use kraite_core::engine::Request;
use kraite_core::exchange::{Direction, MarginMode, OrderShape, Outcome, Purpose, Service, Side, TriggerBy};
use kraite_core::id::{PositionNo, Symbol};
use kraite_core::number::{Price, Qty};

use super::super::common::Tif;
use super::super::errors::Problem;
use super::super::listing::Contract;
use super::super::params::Params;
use super::super::state::{State, wire_id};
use super::super::text::decimals;
use crate::venue::{ObjectId, OrderObject, Refusal};

/// The longest client id. Source: the order page of the unified API, the strictest of all.
const LONGEST_NAME: usize = 32;
/// The most rows of one page.
const MOST_ROWS: usize = 100;

/// The product lines that there are. Contracts are listed in the first alone.
pub(super) const PRODUCTS: [&str; 6] =
    ["usdt-futures", "usdc-futures", "coin-futures", "susdt-futures", "susdc-futures", "scoin-futures"];

/// The product line that a request names under this name, in any case; whether it is the one with contracts.
pub(super) fn product_of(params: &Params, name: &str) -> Result<bool, Problem> {
    params.need(name)?;
    let product = params.word(name).unwrap_or_default();
    if PRODUCTS.contains(&product.as_str()) { Ok(product == PRODUCTS[0]) } else { Err(Problem::odd(name)) }
}

/// The contract that a request may name.
pub(super) fn contract_named(state: &State, params: &Params) -> Result<Option<Contract>, Problem> {
    let Some(symbol) = params.get("symbol") else { return Ok(None) };
    let known = state.contract(&Symbol::new(&symbol.to_uppercase())).cloned();
    known.map(Some).ok_or_else(|| Problem::saying(40_034, format!("Parameter {symbol} does not exist")))
}

/// The contract that a request names.
pub(super) fn contract_of(state: &State, params: &Params) -> Result<Contract, Problem> {
    contract_named(state, params)?.ok_or_else(|| Problem::missing("symbol"))
}

/// A quantity with no more decimals than the contract has.
pub(super) fn qty_of(contract: &Contract, params: &Params, name: &str) -> Result<Qty, Problem> {
    let qty: Qty = params.parsed(name)?.ok_or_else(|| Problem::missing(name))?;
    if !qty.is_positive() {
        return Err(Problem::odd(name));
    }
    checked(decimals(qty), contract.qty_decimals, name, qty).map(|()| qty)
}

/// A price with no more decimals than the contract has. Empty and zero are no price.
pub(super) fn price_named(contract: &Contract, params: &Params, name: &str) -> Result<Option<Price>, Problem> {
    let Some(price) = params.parsed::<Price>(name)?.filter(|price| !price.is_zero()) else { return Ok(None) };
    if price.is_negative() {
        return Err(Problem::odd(name));
    }
    checked(decimals(price), contract.price_decimals, name, price).map(|()| Some(price))
}

/// A price that must be there.
pub(super) fn price_of(contract: &Contract, params: &Params, name: &str) -> Result<Price, Problem> {
    price_named(contract, params, name)?.ok_or_else(|| Problem::missing(name))
}

fn checked(has: usize, may: usize, name: &str, value: impl std::fmt::Display) -> Result<(), Problem> {
    if has <= may {
        return Ok(());
    }
    let words = format!("Parameter verification exception {name} checkBDScale error value={value} checkScale={may}");
    Err(Problem::saying(40_808, words))
}

/// The client id of a new order: legal, or made.
pub(super) fn name_for(state: &mut State, params: &Params, name: &str) -> Result<CompactString, Problem> {
    match params.get(name) {
        None => Ok(state.made_name()),
        Some(text) => {
            let legal =
                |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'/' | b'_' | b'-' | b'#' | b'+');
            let fits = text.len() <= LONGEST_NAME && text.bytes().all(legal);
            if fits { Ok(text.into()) } else { Err(Problem::odd(name)) }
        }
    }
}

/// buy or sell.
pub(super) fn side_of(params: &Params) -> Result<Side, Problem> {
    params.need("side")?;
    match params.word("side").as_deref() {
        Some("buy") => Ok(Side::Buy),
        Some("sell") => Ok(Side::Sell),
        _ => Err(Problem::odd("side")),
    }
}

/// Kind, price and quantity, and how long it may stay.
pub(super) fn shape_of(
    contract: &Contract,
    params: &Params,
    qty: &str,
    force: &str,
) -> Result<(OrderShape, Tif), Problem> {
    params.need("orderType")?;
    match params.word("orderType").as_deref() {
        Some("market") => Ok((OrderShape::Market { qty: qty_of(contract, params, qty)? }, Tif::Gtc)),
        Some("limit") => {
            let tif = match params.word(force).as_deref() {
                None | Some("gtc") => Tif::Gtc,
                Some("post_only") => Tif::PostOnly,
                Some("ioc") => Tif::Ioc,
                Some("fok") => Tif::Fok,
                Some(_) => return Err(Problem::odd(force)),
            };
            let qty = qty_of(contract, params, qty)?;
            Ok((OrderShape::Limit { price: price_of(contract, params, "price")?, qty }, tif))
        }
        _ => Err(Problem::odd("orderType")),
    }
}

/// Which price a trigger watches.
pub(super) fn trigger_by(params: &Params, name: &str) -> Result<TriggerBy, Problem> {
    match params.word(name).as_deref() {
        None | Some("fill_price" | "market" | "last") => Ok(TriggerBy::Last),
        Some("mark_price" | "mark") => Ok(TriggerBy::Mark),
        Some(_) => Err(Problem::odd(name)),
    }
}

/// Triggers act at the market here.
pub(super) fn at_market(params: &Params, price: &str, kind: &str) -> Result<(), Problem> {
    let limit = params.parsed::<Price>(price)?.is_some_and(|price| !price.is_zero());
    if limit || params.word(kind).is_some_and(|kind| kind != "market") {
        return Err(Problem::verification("triggers act at the market here"));
    }
    Ok(())
}

/// What follows an order is not attached to it here.
pub(super) fn without_presets(params: &Params, names: &[&str]) -> Result<(), Problem> {
    for name in names {
        if params.parsed::<Price>(name)?.is_some_and(|price| !price.is_zero()) {
            return Err(Problem::verification(&format!("{name} is not served here")));
        }
    }
    Ok(())
}

/// Sets up a contract.
pub(super) fn ask(state: &mut State, request: &Request) -> Result<(), Problem> {
    let (account, now) = (state.account, state.now());
    for (_, outcome) in state.venue.request(account, request, now, now) {
        match outcome {
            Outcome::Accepted(_) => {}
            Outcome::Rejected(reject) => return Err(Problem::of(reject.code)),
            Outcome::Unknown(_) => return Err(Problem::of(45_001)),
        }
    }
    Ok(())
}

/// The margin mode that a request names under this name.
pub(super) fn margin_of(params: &Params, name: &str) -> Result<Option<MarginMode>, Problem> {
    match params.word(name).as_deref() {
        None => Ok(None),
        Some("crossed" | "cross") => Ok(Some(MarginMode::Cross)),
        Some("isolated" | "fixed") => Ok(Some(MarginMode::Isolated)),
        Some(_) => Err(Problem::odd(name)),
    }
}

/// The margin mode that an order names becomes that of its contract, where nothing forbids it.
pub(super) fn use_margin(state: &mut State, contract: &Contract, wanted: Option<MarginMode>) -> Result<(), Problem> {
    let symbol = contract.instrument.symbol.clone();
    let present = state.flat(symbol.clone(), Direction::Long).settings.margin_mode;
    match wanted.filter(|wanted| *wanted != present) {
        Some(wanted) => ask(state, &Request::SetMarginMode(PositionNo::default(), symbol, wanted)),
        None => Ok(()),
    }
}

/// Which orders `orderId` or `clientOid` names, newest first; the number counts where both are there.
pub(super) fn named<'a>(
    state: &'a State,
    params: &Params,
    fits: impl Fn(&OrderObject) -> bool,
) -> Result<Option<&'a OrderObject>, Problem> {
    let (id, name) = (params.get("orderId"), params.get("clientOid"));
    if id.is_none() && name.is_none() {
        return Err(Problem::missing("orderId"));
    }
    let account = state.account;
    let naming = state.naming;
    let found = state.venue.objects().rev().filter(|o| o.account == account && fits(o)).find(|o| match (&id, &name) {
        (Some(id), _) => wire_id(o).to_string() == *id,
        (None, Some(name)) => naming.is_named(o, name),
        (None, None) => false,
    });
    Ok(found)
}

/// The regular orders that could only close, which another close may end.
pub(super) fn resting_closes(state: &State) -> Vec<ObjectId> {
    let open = state.venue.open(state.account);
    open.filter(|o| o.service == Service::Regular && o.purpose == Purpose::Close).map(|o| o.id).collect()
}

/// Whether a new order ended an older close; the answer to it carries no number then.
pub(super) fn ended_one(state: &State, before: &[ObjectId], new: ObjectId) -> bool {
    let cancelled = kraite_core::exchange::ReportStatus::Cancelled;
    before.iter().any(|id| *id != new && state.venue.object(*id).is_some_and(|o| o.status == cancelled))
}

/// Whether nothing is open on the side that an order of these terms would close.
pub(super) fn is_flat(state: &State, symbol: &Symbol, direction: Direction) -> bool {
    state.venue.position(state.account, symbol, direction).is_zero()
}

/// A refused placement in words.
pub(super) fn refused_order(
    state: &State,
    contract: &Contract,
    purpose: Purpose,
    direction: Direction,
    refusal: Refusal,
) -> Problem {
    if refusal == Refusal::MinNotional {
        let least = contract.instrument.min_notional;
        return Problem::saying(45_110, format!("less than the minimum amount {least} USDT"));
    }
    if purpose == Purpose::Close {
        return state.refused_close(refusal, is_flat(state, &contract.instrument.symbol, direction));
    }
    state.refused(refusal)
}

/// `limit` between 1 and the most rows there can be.
pub(super) fn limit_of(params: &Params) -> Result<usize, Problem> {
    let limit = params.parsed::<usize>("limit")?.unwrap_or(MOST_ROWS);
    if limit == 0 { Err(Problem::odd("limit")) } else { Ok(limit.min(MOST_ROWS)) }
}

/// The window that a request names; from the beginning to the end of time without.
pub(super) fn window_of(params: &Params) -> Result<(i64, i64), Problem> {
    let (from, to) = (params.parsed::<i64>("startTime")?, params.parsed::<i64>("endTime")?);
    Ok((from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX)))
}
