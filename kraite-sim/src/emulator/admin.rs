//! The routes of whoever runs the emulator: move the market, act for other hands and for the venue, script faults, and
//! read what really happened. They answer the loopback only and want no key.

use std::net::IpAddr;

use kraite_core::exchange::{Direction, VenueCause};
use kraite_core::id::Symbol;
use kraite_core::number::{Factor, Price, Qty};
use kraite_core::time::Millis;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::audit::NAKED_FOR;
use super::common::Common;
use super::faults::{Fault, Rule};
use super::language::Language;
use super::server::{Call, Reply};
use super::sockets::Out;
use super::text;
use crate::venue::{CloseOverlap, Liquidity, ObjectId, Oversize, ReadLag, TriggerOverlap};

/// What every admin path begins with.
pub(super) const BASE: &str = "/_kraite/v1";

/// What there is, for whoever asks for the base.
const ROUTES: &[(&str, &str, &str)] = &[
    ("GET", "/", "this list"),
    ("GET", "/book", "everything the venue knows: account, positions, every order"),
    ("GET", "/audit", "the verdict: ids used twice, doubled intents, time without a stop (?naked_ms=)"),
    ("POST", "/price", "move a contract: symbol, last, mark (the last price without)"),
    ("POST", "/fill", "an order executes: id, qty (all of it without); a trigger order fires"),
    ("POST", "/cancel", "the user cancels an order by hand: id"),
    ("POST", "/order", "the user places an order by hand: the parameters of the order routes"),
    ("POST", "/liquidate", "the venue takes a position: symbol, side, qty, cause (liquidation, adl, settlement)"),
    ("POST", "/funding", "a funding payment: symbol, rate"),
    ("POST", "/halt", "a contract stops trading: symbol"),
    ("POST", "/resume", "a contract trades again: symbol"),
    ("POST", "/liquidity", "what others offer: symbol, slippage, taker_cap, taker_trades, maker_cap"),
    (
        "POST",
        "/conditions",
        "how the venue behaves: child_refusals, close_overlap, oversize, position_unseen_ms, read_lag_ms, replace_gap_ms",
    ),
    ("POST", "/clock", "the clock moves on at once: skip_ms"),
    ("POST", "/margin-call", "push a margin call, where the venue has that"),
    ("POST", "/listen-key/expire", "the listen key is no longer good, where the venue has that"),
    ("POST", "/streams", "do: close, cut, silence or resume; users: only those of the account; legacy: public or all"),
    ("GET", "/faults", "the fault rules and what met them"),
    ("POST", "/faults", "add a fault rule"),
    ("DELETE", "/faults", "remove a rule (?id=), or all"),
];

/// A request that cannot be done, in a sentence.
struct Wrong(u16, String);

impl Wrong {
    fn bad(says: impl Into<String>) -> Self {
        Self(400, says.into())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    symbol: String,
    last: Price,
    mark: Option<Price>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    id: Value,
    qty: Option<Qty>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OnSymbol {
    symbol: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Take {
    symbol: String,
    side: Option<Direction>,
    qty: Option<Qty>,
    #[serde(default)]
    cause: CauseWord,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum CauseWord {
    #[default]
    Liquidation,
    Adl,
    Settlement,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pay {
    symbol: String,
    rate: Factor,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Offers {
    symbol: String,
    slippage: Option<Factor>,
    taker_cap: Option<Qty>,
    taker_trades: Option<u8>,
    maker_cap: Option<Qty>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Skip {
    skip_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Conditions {
    /// So many of the next triggers have their order refused.
    child_refusals: Option<u32>,
    close_overlap: Option<OverlapWord>,
    oversize: Option<OversizeWord>,
    trigger_overlap: Option<TriggerOverlapWord>,
    position_unseen_ms: Option<u32>,
    read_lag_ms: Option<u32>,
    /// How long a replaced order is gone before the one that replaces it comes.
    replace_gap_ms: Option<u32>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum OverlapWord {
    Accept,
    Refuse,
    CutNew,
    EndOlder,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum OversizeWord {
    Cut,
    Refuse,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum TriggerOverlapWord {
    Accept,
    Refuse,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sockets {
    r#do: Option<SocketWord>,
    #[serde(default)]
    users: bool,
    legacy: Option<LegacyWord>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum SocketWord {
    Close,
    Cut,
    Silence,
    Resume,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum LegacyWord {
    Public,
    All,
}

/// Answers an admin request.
pub(super) fn answer<S: Language>(state: &mut S, call: &Call, peer: IpAddr) -> Reply {
    let says = |status: u16, message: &str| Reply {
        status,
        body: json!({ "schema": "kraite.error/1", "message": message }).to_string(),
        headers: Vec::new(),
    };
    if !peer.is_loopback() {
        return says(403, "admin routes answer the loopback address only");
    }
    let path = call.path.strip_prefix(BASE).unwrap_or_default().trim_end_matches('/');
    let done = act(state, call, path);
    state.settle();
    match done {
        Ok(body) => Reply::ok(&body),
        Err(Wrong(status, message)) => says(status, &message),
    }
}

fn act<S: Language>(state: &mut S, call: &Call, path: &str) -> Result<Value, Wrong> {
    let asked = |name: &str| -> Option<String> {
        let pairs = call.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(n, _)| *n == name).map(|(_, value)| text::decoded(value))
    };
    match (call.method.as_str(), path) {
        ("GET", "") => Ok(routes_list()),
        ("GET", "/book") => Ok(book(state)),
        ("GET", "/audit") => {
            let allowed = match asked("naked_ms") {
                Some(ms) => Millis(i64::from(ms.parse::<u32>().map_err(|_| Wrong::bad("naked_ms: milliseconds"))?)),
                None => NAKED_FOR,
            };
            Ok(state.audit.verdict(&state.venue, state.account, state.naming, state.now(), allowed))
        }
        ("POST", "/price") => {
            let Move { symbol, last, mark } = read(call)?;
            let symbol = listed(state, &symbol)?;
            let mark = mark.unwrap_or(last);
            if !last.is_positive() || !mark.is_positive() {
                return Err(Wrong::bad("last, mark: a price is above zero"));
            }
            state.move_price(&symbol, last, mark);
            Ok(json!({ "symbol": symbol.as_str(), "last": last, "mark": mark }))
        }
        ("POST", "/fill") => {
            let Named { id, qty } = read(call)?;
            let object = find(state, &id)?;
            let now = state.now();
            let filled = state.venue.fill_order(object, qty, now);
            Ok(json!({ "filled": filled }))
        }
        ("POST", "/cancel") => {
            let Named { id, .. } = read(call)?;
            let object = find(state, &id)?;
            state.cancel_by_hand(object).map_err(|refusal| Wrong(409, refusal.words().into()))?;
            Ok(json!({}))
        }
        ("POST", "/order") => by_hand(state, call),
        ("POST", "/liquidate") => liquidate(state, call),
        ("POST", "/funding") => {
            let Pay { symbol, rate } = read(call)?;
            let (symbol, now) = (listed(state, &symbol)?, state.now());
            state.venue.funding(&symbol, rate, now);
            Ok(json!({}))
        }
        ("POST", "/halt") => {
            let OnSymbol { symbol } = read(call)?;
            let symbol = listed(state, &symbol)?;
            state.venue.halt(&symbol);
            Ok(json!({}))
        }
        ("POST", "/resume") => {
            let OnSymbol { symbol } = read(call)?;
            let symbol = listed(state, &symbol)?;
            state.venue.resume(&symbol);
            Ok(json!({}))
        }
        ("POST", "/liquidity") => {
            let offers: Offers = read(call)?;
            let symbol = listed(state, &offers.symbol)?;
            let usual = Liquidity::default();
            let liquidity = Liquidity {
                slippage: offers.slippage.unwrap_or(usual.slippage),
                taker_cap: offers.taker_cap,
                taker_trades: offers.taker_trades.unwrap_or(usual.taker_trades),
                maker_cap: offers.maker_cap,
            };
            state.venue.set_liquidity(&symbol, liquidity);
            Ok(json!({}))
        }
        ("POST", "/conditions") => conditions(state, call),
        ("POST", "/clock") => {
            let wanted: Skip = read(call)?;
            // Ten years, so that no sum of instants runs over.
            state.skip(Millis(i64::try_from(wanted.skip_ms).unwrap_or(i64::MAX).min(315_360_000_000)));
            Ok(json!({ "now": state.now().0 }))
        }
        ("POST", "/streams") => sockets(state, call),
        ("GET", "/faults") => Ok(state.faults.table()),
        ("POST", "/faults") => {
            let rule: Rule = read(call)?;
            let past = (rule.fault == Fault::Stale).then(|| Box::new(state.venue.clone()));
            let id = state.faults.add(rule, past).ok_or_else(|| Wrong(409, "too many rules; remove some".into()))?;
            Ok(json!({ "id": id }))
        }
        ("DELETE", "/faults") => {
            let id = asked("id").map(|id| id.parse::<u64>()).transpose();
            let id = id.map_err(|_| Wrong::bad("id: the number of a rule"))?;
            Ok(json!({ "removed": state.faults.remove(id) }))
        }
        ("POST", path) => {
            let body: Value = if call.body.is_empty() { Value::Null } else { read(call)? };
            let answer = state.own_admin(path, &body);
            answer.ok_or_else(|| Wrong(404, format!("there is no POST {}; GET {BASE}/ lists what there is", call.path)))
        }
        _ => Err(Wrong(404, format!("there is no {} {}; GET {BASE}/ lists what there is", call.method, call.path))),
    }
}

fn routes_list() -> Value {
    let rows: Vec<Value> = ROUTES
        .iter()
        .map(|(method, path, what)| json!({ "method": method, "path": format!("{BASE}{path}"), "does": what }))
        .collect();
    json!({ "schema": "kraite.emulator-admin/1", "routes": rows })
}

fn read<T: DeserializeOwned>(call: &Call) -> Result<T, Wrong> {
    serde_json::from_str(&call.body).map_err(|error| Wrong::bad(format!("the body: {error}")))
}

fn listed(state: &Common, symbol: &str) -> Result<Symbol, Wrong> {
    let symbol = Symbol::new(symbol);
    if state.contract(&symbol).is_some() { Ok(symbol) } else { Err(Wrong(404, format!("{symbol} is not listed"))) }
}

/// An order by its number of either service, or by its client id: the newest that is open, else the newest.
fn find(state: &Common, id: &Value) -> Result<ObjectId, Wrong> {
    let text = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    let number = text.parse::<u64>().ok();
    let naming = state.naming;
    let named = |o: &&crate::venue::OrderObject| number == Some((naming.id)(o)) || naming.is_named(o, &text);
    let all = || state.venue.objects().rev().filter(named);
    let found = all().find(|o| o.is_open()).or_else(|| all().next());
    found.map(|o| o.id).ok_or_else(|| Wrong(404, format!("there is no order {text}")))
}

fn by_hand<S: Language>(state: &mut S, call: &Call) -> Result<Value, Wrong> {
    state.by_hand(read(call)?).map_err(|words| Wrong(409, words))
}

fn liquidate<S: Language>(state: &mut S, call: &Call) -> Result<Value, Wrong> {
    let Take { symbol, side, qty, cause } = read(call)?;
    let symbol = listed(state, &symbol)?;
    let open: Vec<(Direction, Qty)> = state
        .venue
        .exposures(state.account)
        .filter(|(s, d, _)| *s == symbol && side.is_none_or(|side| side == *d))
        .map(|(_, direction, qty)| (direction, qty))
        .collect();
    let Some((direction, all)) = open.first().copied() else {
        return Err(Wrong(409, format!("nothing is open on {symbol}")));
    };
    let cause = match cause {
        CauseWord::Liquidation => VenueCause::Liquidation,
        CauseWord::Adl => VenueCause::AutoDeleverage,
        CauseWord::Settlement => VenueCause::Settlement,
    };
    let now = state.now();
    let account = state.account;
    let taken = state.venue.force_close(account, &symbol, direction, qty.unwrap_or(all), cause, now);
    Ok(json!({ "taken": taken, "side": direction }))
}

fn conditions<S: Language>(state: &mut S, call: &Call) -> Result<Value, Wrong> {
    let wanted: Conditions = read(call)?;
    if let Some(count) = wanted.child_refusals {
        state.child_refusals = count;
        state.venue.quirks_mut().child_refused = count > 0;
    }
    if let Some(ms) = wanted.replace_gap_ms {
        state.replace_gap = Millis(i64::from(ms));
    }
    let quirks = state.venue.quirks_mut();
    if let Some(word) = wanted.close_overlap {
        quirks.close_overlap = match word {
            OverlapWord::Accept => CloseOverlap::Accept,
            OverlapWord::Refuse => CloseOverlap::Refuse,
            OverlapWord::CutNew => CloseOverlap::CutNew,
            OverlapWord::EndOlder => CloseOverlap::EndOlder,
        };
    }
    if let Some(word) = wanted.oversize {
        quirks.oversize = match word {
            OversizeWord::Cut => Oversize::Cut,
            OversizeWord::Refuse => Oversize::Refuse,
        };
    }
    if let Some(word) = wanted.trigger_overlap {
        quirks.trigger_overlap = match word {
            TriggerOverlapWord::Accept => TriggerOverlap::Accept,
            TriggerOverlapWord::Refuse => TriggerOverlap::Refuse,
        };
    }
    if let Some(ms) = wanted.position_unseen_ms {
        quirks.position_unseen = Millis(i64::from(ms));
    }
    if let Some(ms) = wanted.read_lag_ms {
        let lag = Millis(i64::from(ms));
        quirks.read_lag = ReadLag { order: lag, open_orders: lag, history: lag, positions: lag };
    }
    Ok(json!({}))
}

fn sockets<S: Language>(state: &mut S, call: &Call) -> Result<Value, Wrong> {
    let wanted: Sockets = read(call)?;
    if let Some(word) = wanted.legacy {
        let public = matches!(word, LegacyWord::Public);
        let known = state.own_admin("/streams/legacy", &json!({ "public": public }));
        known.ok_or_else(|| Wrong::bad("legacy: this venue has no such paths"))?;
    }
    let dropped = match wanted.r#do {
        Some(SocketWord::Close) => state.drop_sockets(wanted.users, &Out::Close),
        Some(SocketWord::Cut) => state.drop_sockets(wanted.users, &Out::Cut),
        Some(SocketWord::Silence) => {
            state.set_silent(true);
            0
        }
        Some(SocketWord::Resume) => {
            state.set_silent(false);
            0
        }
        None => 0,
    };
    Ok(json!({ "dropped": dropped, "open": state.open_sockets() }))
}

fn book<S: Language>(state: &S) -> Value {
    let venue = &state.venue;
    let orders: Vec<Value> = venue.objects().map(|o| state.shown(o)).collect();
    let positions: Vec<Value> = venue
        .exposures(state.account)
        .map(|(symbol, direction, qty)| json!({ "symbol": symbol.as_str(), "side": direction_words(direction), "qty": qty }))
        .collect();
    let prices: Vec<Value> = state
        .listing
        .iter()
        .map(|c| {
            let symbol = &c.instrument.symbol;
            json!({ "symbol": symbol.as_str(), "last": venue.last(symbol), "mark": venue.mark(symbol) })
        })
        .collect();
    json!({
        "schema": "kraite.emulator-book/1", "time": state.now().0, "wallet": text::money(venue.wallet(state.account)),
        "hedge": state.is_hedged(), "positions": positions, "prices": prices, "orders": orders,
    })
}

const fn direction_words(direction: Direction) -> &'static str {
    match direction {
        Direction::Long => "LONG",
        Direction::Short => "SHORT",
    }
}
