//! Which sockets are open, what each of them subscribed to, and what it is told.
//!
//! Source: "Websocket API" of both generations and captures from the field. Private channels are snapshots without a
//! sequence number; the one of orders says nothing when it is subscribed to.

use kraite_core::exchange::{OrderReport, PositionReport, Service, StreamEvent};
use kraite_core::id::Symbol;
use kraite_core::number::Qty;
use kraite_core::time::VenueMillis;
use serde_json::{Value, json};

use super::auth;
use super::holdings::Holding;
use super::routes::market::{candle_row, span_of};
use super::state::State;
use super::tape::PublicTrade;
use super::{Generation, text};
use crate::venue::{ObjectId, OrderObject, TradeRecord};

/// The most channels of one connection. Source: "Websocket API".
const MOST_CHANNELS: usize = 1_000;
/// Unified positions and balances are told again so often, in milliseconds. Source: the channels' pages.
const TOLD_AGAIN: i64 = 5_000;

/// What is known of one socket.
#[derive(Debug, Clone)]
pub(super) struct Listener {
    /// Which API's path it came in by.
    pub(super) generation: Generation,
    /// Whether that was the private one.
    pub(super) private: bool,
    /// Whether it signed in.
    pub(super) logged_on: bool,
    /// What it subscribed to, as it said it.
    args: Vec<Value>,
}

impl Listener {
    /// Reads a path; `None` for no path of a socket.
    pub(super) fn at(path: &str) -> Option<Self> {
        let (generation, private) = match path.trim_end_matches('/') {
            "/v2/ws/public" => (Generation::Classic, false),
            "/v2/ws/private" => (Generation::Classic, true),
            "/v3/ws/public" => (Generation::Unified, false),
            "/v3/ws/private" => (Generation::Unified, true),
            _ => return None,
        };
        Some(Self { generation, private, logged_on: false, args: Vec::new() })
    }
}

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// These are the answers.
    Answers(Vec<String>),
    /// This is the answer, and the end.
    Farewell(String),
    /// The socket is gone.
    Gone,
}

/// A field of a subscription, in lower case.
fn field(arg: &Value, name: &str) -> String {
    arg[name].as_str().unwrap_or_default().to_ascii_lowercase()
}

/// The channel of a classic subscription or the topic of a unified one.
fn channel(arg: &Value) -> String {
    let channel = field(arg, "channel");
    if channel.is_empty() { field(arg, "topic") } else { channel }
}

fn failed(arg: Option<&Value>, code: i64, msg: &str) -> String {
    let mut frame = json!({ "event": "error", "code": code, "msg": msg });
    if let Some(arg) = arg {
        frame["arg"] = arg.clone();
    }
    frame.to_string()
}

const PRIVATE_CLASSIC: [&str; 6] = ["orders", "orders-algo", "positions", "fill", "account", "positions-history"];
const PRIVATE_UNIFIED: [&str; 6] = ["order", "strategy-order", "position", "fill", "fast-fill", "account"];

impl State {
    /// A message of a client.
    pub(super) fn hear(&mut self, id: u64, message: &str) -> Heard {
        if message == "ping" {
            return Heard::Answers(vec!["pong".into()]);
        }
        let Ok(message) = serde_json::from_str::<Value>(message) else {
            return Heard::Answers(vec![failed(None, 30_002, "Illegal request")]);
        };
        let args = message["args"].as_array().cloned().unwrap_or_default();
        match message["op"].as_str() {
            Some("login") => self.log_on(id, args.first().unwrap_or(&Value::Null)),
            Some("subscribe") => Heard::Answers(args.iter().flat_map(|arg| self.subscribe(id, arg)).collect()),
            Some("unsubscribe") => {
                let Some(listener) = self.sockets.get_mut(id) else { return Heard::Gone };
                listener.args.retain(|kept| !args.contains(kept));
                let ack = |arg: &Value| json!({ "event": "unsubscribe", "arg": arg }).to_string();
                Heard::Answers(args.iter().map(ack).collect())
            }
            _ => Heard::Answers(vec![failed(None, 30_003, "Invalid op")]),
        }
    }

    fn log_on(&mut self, id: u64, argument: &Value) -> Heard {
        let checked = auth::check_logon(&self.credentials, &self.passphrase, argument, self.now());
        let Some(listener) = self.sockets.get_mut(id) else { return Heard::Gone };
        match checked {
            Err((code, msg)) => Heard::Farewell(failed(None, code, msg)),
            Ok(()) => {
                listener.logged_on = true;
                // A number here, a text in the documentation.
                Heard::Answers(vec![json!({ "event": "login", "code": 0, "connId": format!("{id:08x}") }).to_string()])
            }
        }
    }

    /// Takes one subscription; answers it, and what it is told at once.
    fn subscribe(&mut self, id: u64, arg: &Value) -> Vec<String> {
        let own = self.generation;
        let Some(listener) = self.sockets.get_mut(id) else { return Vec::new() };
        let (generation, private, logged_on) = (listener.generation, listener.private, listener.logged_on);
        let channel = channel(arg);
        let is_private = match generation {
            Generation::Classic => PRIVATE_CLASSIC,
            Generation::Unified => PRIVATE_UNIFIED,
        }
        .contains(&channel.as_str());
        let none = format!("instType:{} channel:{channel} doesn't exist", field(arg, "instType"));
        if listener.args.len() >= MOST_CHANNELS {
            return vec![failed(Some(arg), 30_007, "Request over limit")];
        }
        if is_private != private {
            return vec![failed(Some(arg), 30_001, &none)];
        }
        if private && !logged_on {
            return vec![failed(Some(arg), 30_004, "User not logged in")];
        }
        let narrowed = !matches!(field(arg, "instId").as_str(), "" | "default");
        let served = match (private, generation) {
            // Only all contracts at once, as it was seen.
            (true, Generation::Classic) => !(narrowed && matches!(channel.as_str(), "orders" | "positions")),
            (true, Generation::Unified) => field(arg, "instType") == "uta",
            (false, _) => self.is_public(arg, &channel),
        };
        if !served {
            return vec![failed(Some(arg), 30_001, &none)];
        }
        if let Some(listener) = self.sockets.get_mut(id)
            && !listener.args.contains(arg)
        {
            listener.args.push(arg.clone());
        }
        let mut answers = vec![json!({ "event": "subscribe", "arg": arg }).to_string()];
        if let Some(data) = self.first_told(arg, generation, own == generation) {
            answers.push(self.frame(arg, &data));
        }
        answers
    }

    fn is_public(&self, arg: &Value, channel: &str) -> bool {
        let known = matches!(channel, "ticker" | "trade" | "publictrade" | "books1" | "books5" | "books15" | "books50")
            || channel.starts_with("candle")
            || channel == "kline";
        known && self.contract(&contract_of(arg)).is_some()
    }

    /// What a subscription is told at once; of an account of the other generation nothing.
    fn first_told(&self, arg: &Value, generation: Generation, own: bool) -> Option<Value> {
        let futures = field(arg, "instType") == "usdt-futures";
        match (generation, channel(arg).as_str()) {
            (Generation::Classic, "positions") if own && futures => Some(self.classic_positions()),
            (Generation::Classic, "account") if own && futures => Some(self.pushed_account()),
            (Generation::Unified, "position") if own => Some(self.unified_positions()),
            (Generation::Unified, "account") if own => Some(json!([self.unified_pushed_account()])),
            (generation, "ticker") => self.pushed_ticker(&contract_of(arg), generation),
            (_, channel) if channel.starts_with("books") => self.pushed_book(arg, channel),
            _ => None,
        }
    }

    fn frame(&self, arg: &Value, data: &Value) -> String {
        json!({ "action": "snapshot", "arg": arg, "data": data, "ts": self.now().0 }).to_string()
    }

    fn classic_positions(&self) -> Value {
        let open = self.holdings().into_iter().filter(|h| !h.qty.is_zero());
        open.map(|holding| self.pushed_position(&holding)).collect()
    }

    fn unified_positions(&self) -> Value {
        let open = self.holdings().into_iter().filter(|h| !h.qty.is_zero());
        open.map(|holding| self.unified_pushed_position(&holding)).collect()
    }

    fn pushed_account(&self) -> Value {
        let mut row = self.classic_account();
        row["frozen"] = row["locked"].clone();
        row["equity"] = row["accountEquity"].clone();
        row["maxOpenPosAvailable"] = row["available"].clone();
        row["assetsMode"] = "single".into();
        json!([row])
    }

    fn pushed_ticker(&self, symbol: &Symbol, generation: Generation) -> Option<Value> {
        let mut row = self.ticker(symbol, generation == Generation::Classic)?;
        if generation == Generation::Classic {
            row["instId"] = symbol.as_str().into();
            row["symbolType"] = "1".into();
            row["nextFundingTime"] = self.next_funding().to_string().into();
        }
        Some(json!([row]))
    }

    fn pushed_book(&self, arg: &Value, channel: &str) -> Option<Value> {
        let levels = channel.trim_start_matches("books").parse().unwrap_or(50);
        let book = self.book(&contract_of(arg), levels)?;
        Some(json!([{
            "asks": book["asks"], "bids": book["bids"], "a": book["asks"], "b": book["bids"], "ts": book["ts"],
            "seq": self.now().0,
        }]))
    }

    /// Sends rows of the account to those who hear this channel of its own generation.
    fn push(&mut self, channel_name: &str, data: &Value) {
        let (generation, now) = (self.generation, self.now().0);
        self.sockets.send(|listener| {
            if listener.generation != generation || !listener.private {
                return None;
            }
            let arg = listener.args.iter().find(|arg| {
                channel(arg) == channel_name && matches!(field(arg, "instType").as_str(), "usdt-futures" | "uta")
            })?;
            Some(json!({ "action": "snapshot", "arg": arg, "data": data, "ts": now }).to_string())
        });
    }

    /// Tells one event of the account.
    pub(super) fn push_event(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Order(report) => match report.service {
                Service::Regular => self.push_order(&report),
                Service::Conditional | Service::PositionPlan => self.push_plan(&report),
            },
            StreamEvent::Position(report) => self.push_position(&report),
            StreamEvent::Funding { .. } => self.push_account(),
            StreamEvent::Connected | StreamEvent::Disconnected | StreamEvent::Mark(_) => {}
        }
    }

    /// The order as it stood when the event happened, which several trades of one instant have behind them.
    fn as_told(&self, report: &OrderReport) -> Option<OrderObject> {
        let mut object = self.venue.object(ObjectId::parse(&report.venue_id)?)?.clone();
        object.status = report.status;
        object.executed = report.executed.unwrap_or(object.executed);
        Some(object)
    }

    fn push_order(&mut self, report: &OrderReport) {
        let Some(object) = self.as_told(report) else { return };
        let trade: Option<TradeRecord> =
            report.trade.as_ref().and_then(|trade| self.venue.trades().rev().find(|t| t.id == trade.id)).cloned();
        match self.generation {
            Generation::Classic => {
                let row = self.pushed_order(&object, trade.as_ref());
                self.push("orders", &json!([row]));
                if let Some(row) = trade.and_then(|trade| self.pushed_fill(&trade)) {
                    self.push("fill", &json!([row]));
                } else {
                    // Positions are told again with every order that comes or goes.
                    let rows = self.classic_positions();
                    self.push("positions", &rows);
                }
            }
            Generation::Unified => {
                let row = self.unified_pushed_order(&object);
                self.push("order", &json!([row]));
                if let Some(row) = trade.and_then(|trade| self.unified_pushed_fill(&trade)) {
                    self.push("fill", &json!([row]));
                    let mut fast = row;
                    if let Some(fields) = fast.as_object_mut() {
                        fields.remove("feeDetail");
                        fields.remove("execPnl");
                    }
                    self.push("fast-fill", &fast);
                }
            }
        }
        self.push_account();
    }

    fn push_plan(&mut self, report: &OrderReport) {
        let Some(object) = self.as_told(report) else { return };
        if report.status == kraite_core::exchange::ReportStatus::Rejected {
            self.child_was_refused();
        }
        match self.generation {
            Generation::Classic => {
                let row = self.pushed_plan(&object);
                self.push("orders-algo", &json!([row]));
            }
            Generation::Unified => {
                let row = self.pushed_strategy(&object);
                self.push("strategy-order", &json!([row]));
            }
        }
    }

    fn push_position(&mut self, report: &PositionReport) {
        match self.generation {
            Generation::Classic => {
                let rows = self.classic_positions();
                self.push("positions", &rows);
                if report.qty.is_zero() {
                    let holding = self.holding(report);
                    let row = self.ended_position(&holding);
                    self.push("positions-history", &json!([row]));
                }
            }
            Generation::Unified => {
                let holding = self.holding(report);
                let row = self.unified_pushed_position(&holding);
                self.push("position", &json!([row]));
            }
        }
    }

    fn ended_position(&self, holding: &Holding) -> Value {
        let row = self.pushed_position(holding);
        json!({
            "posId": row["posId"], "instId": row["instId"], "marginCoin": "USDT", "marginMode": row["marginMode"],
            "holdSide": row["holdSide"], "posMode": row["posMode"], "openPriceAvg": row["openPriceAvg"],
            "closePriceAvg": row["markPrice"], "openSize": text::bare(Qty::ZERO).to_string(), "closeSize": "0",
            "achievedProfits": "0", "settleFee": "0", "openFee": "0", "closeFee": "0", "cTime": row["cTime"],
            "uTime": row["uTime"],
        })
    }

    fn push_account(&mut self) {
        let rows = match self.generation {
            Generation::Classic => self.pushed_account(),
            Generation::Unified => json!([self.unified_pushed_account()]),
        };
        self.push("account", &rows);
    }

    /// Tells a price that moved.
    pub(super) fn push_market(&mut self, symbol: &Symbol, trade: Option<&PublicTrade>) {
        let listens = |listener: &Listener| listener.args.iter().any(|arg| contract_of(arg) == *symbol);
        if !self.sockets.iter().any(listens) {
            return;
        }
        let Some(contract) = self.contract(symbol).cloned() else { return };
        let now = self.now();
        let classic = self.pushed_ticker(symbol, Generation::Classic);
        let unified = self.pushed_ticker(symbol, Generation::Unified);
        self.push_public(symbol, "ticker", |generation| match generation {
            Generation::Classic => classic.clone(),
            Generation::Unified => unified.clone(),
        });
        let book = |levels: usize| self.pushed_book(&json!({ "instId": symbol.as_str() }), &format!("books{levels}"));
        let books: Vec<(usize, Option<Value>)> = [1, 5, 15, 50].into_iter().map(|n| (n, book(n))).collect();
        for (levels, rows) in books {
            self.push_public(symbol, &format!("books{levels}"), |_| rows.clone());
        }
        if let Some(trade) = trade {
            let side = if trade.buyer_rested { "sell" } else { "buy" };
            let (price, size) = (text::price(&contract, trade.price), text::qty(&contract, trade.qty));
            let at = trade.at.0.to_string();
            let id = trade.id.to_string();
            let row = json!([{
                "ts": at, "price": price, "size": size, "side": side, "tradeId": id, "i": id, "p": price, "v": size,
                "S": side, "T": at,
            }]);
            self.push_public(symbol, "trade", |_| Some(row.clone()));
            self.push_public(symbol, "publictrade", |_| Some(row.clone()));
        }
        self.push_candles(symbol, now);
    }

    fn push_candles(&mut self, symbol: &Symbol, now: VenueMillis) {
        let Some(contract) = self.contract(symbol).cloned() else { return };
        let wanted: std::collections::BTreeSet<String> = self
            .sockets
            .iter()
            .flat_map(|listener| &listener.args)
            .filter(|arg| contract_of(arg) == *symbol)
            .filter_map(|arg| Some(arg["channel"].as_str()?.to_owned()))
            .filter(|name| name.starts_with("candle"))
            .collect();
        for name in wanted {
            let Some(span) = span_of(name.trim_start_matches("candle")) else { continue };
            let start = now.0.div_euclid(span).saturating_mul(span);
            let rows = self.tape.candles(symbol, span, start, now.0, 1);
            let rows: Value = rows.iter().map(|(at, candle)| candle_row(&contract, *at, candle)).collect();
            self.push_public(symbol, &name.to_ascii_lowercase(), |_| Some(rows.clone()));
        }
    }

    fn push_public(&mut self, symbol: &Symbol, name: &str, data: impl Fn(Generation) -> Option<Value>) {
        let now = self.now().0;
        self.sockets.send(|listener| {
            let arg = listener
                .args
                .iter()
                .find(|arg| !listener.private && channel(arg) == name && contract_of(arg) == *symbol)?;
            let data = data(listener.generation)?;
            Some(json!({ "action": "snapshot", "arg": arg, "data": data, "ts": now }).to_string())
        });
    }

    /// What is told again after a while, whether anything happened or not.
    pub(super) fn push_periodic(&mut self, before: VenueMillis) {
        if self.sockets.count() == 0 {
            return;
        }
        for symbol in self.symbols() {
            self.push_market(&symbol, None);
        }
        let again = self.now().0.div_euclid(TOLD_AGAIN) != before.0.div_euclid(TOLD_AGAIN);
        if again && self.generation == Generation::Unified {
            let rows = self.unified_positions();
            self.push("position", &rows);
            self.push_account();
        }
    }
}

/// The contract that a subscription names.
fn contract_of(arg: &Value) -> Symbol {
    let name = arg["instId"].as_str().or_else(|| arg["symbol"].as_str()).unwrap_or_default();
    Symbol::new(&name.to_uppercase())
}
