//! The language of Binance USD-M: REST, streams and the WebSocket API.

mod api;
mod auth;
mod contracts;
mod encode;
mod errors;
mod events;
mod limits;
mod market;
mod params;
mod positions;
mod routes;
mod socket;
mod state;
mod streams;

use std::sync::Arc;

use kraite_core::exchange::{Service, StreamEvent};
use kraite_core::id::Symbol;
use kraite_core::time::{Millis, VenueMillis};
use serde_json::{Map, Value, json};

use super::language::{Language, Serve, Trouble};
use super::server::{Call, Reply};
use super::sockets::Out;
use super::tape::PublicTrade;
use super::{Shared, common, credentials, holdings, language, listing, mover, server, sockets, tape, text};
use crate::venue::OrderObject;
use encode::Form;
use errors::Problem;
use params::Params;
use streams::Opening;

pub(super) use state::State;

impl Language for State {
    fn answer(&mut self, call: &Call) -> Reply {
        routes::answer(self, call)
    }

    fn trouble(&self, trouble: &Trouble) -> Reply {
        Reply::problem(&match trouble {
            Trouble::Unknown => Problem::unknown_503(),
            Trouble::Unavailable => Problem::unavailable_503(),
            Trouble::Timeout => Problem::of(-1007),
            Trouble::RateLimit => limits::too_many(),
            Trouble::Code { code, msg, status } => {
                let mut problem = msg.as_ref().map_or_else(|| Problem::of(*code), |msg| Problem::saying(*code, msg));
                problem.status = status.unwrap_or(problem.status);
                problem
            }
        })
    }

    fn ban(&mut self, span: Millis) {
        let now = self.now();
        self.limits.ban(now, span);
    }

    fn tell(&mut self, event: StreamEvent, now: VenueMillis) {
        self.push(event, now);
    }

    fn tell_price(&mut self, symbol: &Symbol, trade: Option<&PublicTrade>) {
        self.tell_market(symbol, trade);
    }

    fn stepped(&mut self) {
        let now = self.now();
        if self.forget() {
            self.forget_modifications();
        }
        let slow = now.0.div_euclid(market::SLOW_MARKS) != now.minus(mover::STEP).0.div_euclid(market::SLOW_MARKS);
        self.tell_all(&self.symbols(), slow);
        if self.listen.as_ref().is_some_and(|listen| listen.until <= now) {
            self.expire_listen_key();
        }
    }

    fn serve(shared: &Arc<Shared<Self>>, path: &str, query: &str) -> Option<Serve> {
        let shared = Arc::clone(shared);
        if let Some(opening) = Opening::read(path, query) {
            // Whoever has been told that the socket is open misses nothing from then on.
            let (id, frames) = shared.lock().streams.open(opening);
            return Some(Box::new(move |io| Box::pin(socket::stream(shared, io, id, frames))));
        }
        let is_api = path.trim_end_matches('/') == api::PATH;
        is_api.then(|| -> Serve { Box::new(move |io| Box::pin(socket::api(shared, io))) })
    }

    fn no_socket(&self, path: &str) -> Reply {
        Reply::problem(&Problem::saying(-5000, format!("Path {path}, Method GET is invalid")))
    }

    fn drop_sockets(&mut self, users_only: bool, how: &Out) -> usize {
        let key = self.listen.as_ref().map(|listen| listen.key.clone());
        self.streams.drop_all(users_only, key.as_deref(), how)
    }

    fn open_sockets(&self) -> usize {
        self.streams.count()
    }

    fn set_silent(&mut self, silent: bool) {
        self.streams.set_silent(silent);
    }

    fn by_hand(&mut self, fields: Map<String, Value>) -> Result<Value, String> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut pairs: Vec<(String, String)> = fields.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        let conditional = fields.contains_key("triggerPrice");
        let (path, name) =
            if conditional { ("/fapi/v1/algoOrder", "clientAlgoId") } else { ("/fapi/v1/order", "newClientOrderId") };
        if !fields.contains_key(name) {
            pairs.push((name.into(), format!("web_{}", self.made_name())));
        }
        if conditional && !fields.contains_key("algoType") {
            pairs.push(("algoType".into(), "CONDITIONAL".into()));
        }
        if !conditional && !fields.contains_key("newOrderRespType") {
            pairs.push(("newOrderRespType".into(), "RESULT".into()));
        }
        let placed = routes::place_by_hand(self, path, &Params::of(pairs));
        placed.map_err(|problem| format!("{}: {}", problem.code, problem.msg))
    }

    fn shown(&self, object: &OrderObject) -> Value {
        match object.service {
            Service::Regular => self.order_row(object, Form::Query),
            Service::Conditional | Service::PositionPlan => self.algo_row(object),
        }
    }

    fn own_admin(&mut self, path: &str, body: &Value) -> Option<Value> {
        match path {
            "/margin-call" => self.margin_call(),
            "/listen-key/expire" => self.expire_listen_key(),
            "/streams/legacy" => self.streams.legacy_is_public = body["public"] == true,
            _ => return None,
        }
        Some(json!({}))
    }
}
