//! The WebSocket API: the same requests as over REST, one JSON message each.
//!
//! Source: "WebSocket API General Info". Logging a session on with an HMAC key is allowed here, which the venue keeps
//! for Ed25519 keys.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::errors::Problem;
use super::params::Params;
use super::routes::{self, Security};
use super::server::{Call, Reply};
use super::state::State;
use super::{auth, limits};

/// Where it is reached.
pub(super) const PATH: &str = "/ws-fapi/v1";

/// Methods and the requests they stand for. An empty path is a matter of the session.
const METHODS: &[(&str, &str, &str)] = &[
    ("ping", "GET", "/fapi/v1/ping"),
    ("time", "GET", "/fapi/v1/time"),
    ("depth", "GET", "/fapi/v1/depth"),
    ("ticker.price", "GET", "/fapi/v1/ticker/price"),
    ("ticker.book", "GET", "/fapi/v1/ticker/bookTicker"),
    ("order.place", "POST", "/fapi/v1/order"),
    ("order.modify", "PUT", "/fapi/v1/order"),
    ("order.cancel", "DELETE", "/fapi/v1/order"),
    ("order.status", "GET", "/fapi/v1/order"),
    ("algoOrder.place", "POST", "/fapi/v1/algoOrder"),
    ("algoOrder.cancel", "DELETE", "/fapi/v1/algoOrder"),
    ("account.position", "GET", "/fapi/v2/positionRisk"),
    ("v2/account.position", "GET", "/fapi/v3/positionRisk"),
    ("account.balance", "GET", "/fapi/v2/balance"),
    ("v2/account.balance", "GET", "/fapi/v3/balance"),
    ("account.status", "GET", "/fapi/v2/account"),
    ("v2/account.status", "GET", "/fapi/v3/account"),
    ("userDataStream.start", "POST", "/fapi/v1/listenKey"),
    ("userDataStream.ping", "PUT", "/fapi/v1/listenKey"),
    ("userDataStream.stop", "DELETE", "/fapi/v1/listenKey"),
    ("session.logon", "POST", ""),
    ("session.status", "GET", ""),
    ("session.logout", "DELETE", ""),
];

/// Whether a connection is logged on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Session {
    /// The key it is logged on with.
    key: Option<String>,
    since: i64,
    connected: i64,
}

/// One message that was understood.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    id: Value,
    method: String,
    params: Params,
    fields: BTreeMap<String, String>,
    /// As the request it stands for; what faults look at.
    pub(super) call: Call,
}

impl Asked {
    /// Reads a message; the answer to one that cannot be read otherwise.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            return Err(framed(&Value::Null, &Reply::problem(&Problem::saying(-1135, "Invalid JSON Request")), None));
        };
        let id = message["id"].clone();
        let method = message["method"].as_str().unwrap_or_default();
        let Some((_, verb, path)) = METHODS.iter().find(|(name, ..)| *name == method) else {
            let problem = Problem::saying(-1130, format!("Data sent for parameter 'method' is not valid: {method}"));
            return Err(framed(&id, &Reply::problem(&problem), None));
        };
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let fields: BTreeMap<String, String> = message["params"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect();
        let query = joined(&fields);
        let call = Call { method: (*verb).into(), path: (*path).into(), query, ..Call::default() };
        Ok(Self { id, method: method.to_owned(), params: Params::of(fields.clone()), fields, call })
    }

    /// The answer as it goes out.
    pub(super) fn framed(&self, state: &mut State, reply: &Reply) -> String {
        framed(&self.id, reply, Some(state))
    }
}

fn joined(fields: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// Answers a message.
pub(super) fn answer(state: &mut State, session: &mut Session, asked: &Asked) -> Reply {
    if asked.call.path.is_empty() {
        return of_session(state, session, asked);
    }
    let admit = |state: &State, security: Security| admitted(state, session, asked, security);
    routes::run(state, &asked.call.method, &asked.call.path, &asked.params, &admit)
}

fn admitted(state: &State, session: &Session, asked: &Asked, security: Security) -> Result<(), Problem> {
    if security == Security::Open {
        return Ok(());
    }
    let logged_on = session.key.is_some() && asked.params.get("apiKey").is_none();
    if !logged_on {
        state.credentials.check_key(asked.params.get("apiKey"))?;
    }
    if security != Security::Signed {
        return Ok(());
    }
    auth::check_window(&asked.params, state.now())?;
    if logged_on { Ok(()) } else { check_signature(state, asked) }
}

/// All parameters but the signature, by name.
fn check_signature(state: &State, asked: &Asked) -> Result<(), Problem> {
    let signature = asked.params.need("signature")?;
    let mut fields = asked.fields.clone();
    fields.remove("signature");
    state.credentials.check_signature(joined(&fields).as_bytes(), signature)
}

fn of_session(state: &State, session: &mut Session, asked: &Asked) -> Reply {
    let now = state.now().0;
    if session.connected == 0 {
        session.connected = now;
    }
    match asked.method.as_str() {
        "session.logon" => {
            let key = asked.params.get("apiKey");
            let checked = state
                .credentials
                .check_key(key)
                .and_then(|()| auth::check_window(&asked.params, state.now()))
                .and_then(|()| check_signature(state, asked));
            if let Err(problem) = checked {
                return Reply::problem(&problem);
            }
            session.key = key.map(str::to_owned);
            session.since = now;
        }
        "session.logout" => session.key = None,
        _ => {}
    }
    let since = session.key.as_ref().map(|_| session.since);
    Reply::ok(&json!({
        "apiKey": session.key, "authorizedSince": since, "connectedSince": session.connected,
        "returnRateLimits": true, "serverTime": now,
    }))
}

fn framed(id: &Value, reply: &Reply, state: Option<&mut State>) -> String {
    let body: Value = serde_json::from_str(&reply.body).unwrap_or_default();
    let mut frame = json!({ "id": id, "status": reply.status });
    if let Some(fields) = frame.as_object_mut() {
        fields.insert(if reply.status == 200 { "result" } else { "error" }.into(), body);
        if let Some(state) = state {
            let now = state.now();
            let (weight, short, long) = state.limits.used(now);
            let row = |kind: &str, interval: &str, num: u32, limit: u32, count: u32| json!({ "rateLimitType": kind, "interval": interval, "intervalNum": num, "limit": limit, "count": count });
            let rows = json!([
                row("REQUEST_WEIGHT", "MINUTE", 1, limits::WEIGHT_PER_MINUTE, weight),
                row("ORDERS", "SECOND", 10, limits::ORDERS_PER_10S, short),
                row("ORDERS", "MINUTE", 1, limits::ORDERS_PER_MINUTE, long),
            ]);
            fields.insert("rateLimits".into(), rows);
        }
    }
    frame.to_string()
}
