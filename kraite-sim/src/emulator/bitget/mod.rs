//! The language of Bitget futures: API v2 of classic accounts and v3 of unified ones, over REST and WebSockets. An
//! account belongs to one of them, and the other refuses it.

mod auth;
mod classic_rows;
mod contracts;
mod errors;
mod limits;
mod params;
mod past;
mod routes;
mod socket;
mod state;
mod streams;
mod unified_rows;

use std::sync::Arc;

use kraite_core::exchange::{Service, StreamEvent};
use kraite_core::id::Symbol;
use kraite_core::time::{Millis, VenueMillis};
use serde_json::{Map, Value};

use super::language::{Language, Serve, Trouble};
use super::server::{Call, Reply};
use super::sockets::Out;
use super::tape::PublicTrade;
use super::{Shared, common, credentials, holdings, language, listing, mover, server, sockets, tape, text};
use crate::venue::{ObjectId, OrderObject, Refusal};
use errors::Problem;
use streams::Listener;

pub(super) use state::State;

/// Which of the two APIs an account belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    /// Classic, API v2.
    Classic,
    /// Unified, API v3.
    Unified,
}

impl Language for State {
    fn answer(&mut self, call: &Call) -> Reply {
        routes::answer(self, call)
    }

    fn trouble(&self, trouble: &Trouble) -> Reply {
        let problem = match trouble {
            Trouble::Unknown => Problem::of(45_001),
            Trouble::Unavailable => Problem::of(40_200),
            Trouble::Timeout => Problem::of(40_010),
            Trouble::RateLimit => Problem::of(429),
            Trouble::Code { code, msg, status } => {
                let mut problem = msg.as_ref().map_or_else(|| Problem::of(*code), |msg| Problem::saying(*code, msg));
                problem.status = status.unwrap_or(problem.status);
                problem
            }
        };
        problem.reply(self.now())
    }

    fn ban(&mut self, span: Millis) {
        let now = self.now();
        self.limits.ban(now, span);
    }

    fn tell(&mut self, event: StreamEvent, _: VenueMillis) {
        self.push_event(event);
    }

    fn tell_price(&mut self, symbol: &Symbol, trade: Option<&PublicTrade>) {
        self.push_market(symbol, trade);
    }

    fn catch_up(&mut self) {
        self.place_replacements();
    }

    fn stepped(&mut self) {
        if self.forget() {
            self.forget_beside();
        }
        let before = self.now().minus(mover::STEP);
        self.push_periodic(before);
    }

    fn serve(shared: &Arc<Shared<Self>>, path: &str, _: &str) -> Option<Serve> {
        let listener = Listener::at(path)?;
        let shared = Arc::clone(shared);
        Some(Box::new(move |io| Box::pin(socket::serve(shared, io, listener))))
    }

    fn no_socket(&self, _: &str) -> Reply {
        Problem::of(40_404).reply(self.now())
    }

    fn drop_sockets(&mut self, users_only: bool, how: &Out) -> usize {
        self.sockets.drop_where(|listener| !users_only || listener.private, how)
    }

    fn open_sockets(&self) -> usize {
        self.sockets.count()
    }

    fn set_silent(&mut self, silent: bool) {
        self.sockets.silent = silent;
    }

    fn by_hand(&mut self, mut fields: Map<String, Value>) -> Result<Value, String> {
        let usual = [
            ("productType", "USDT-FUTURES"),
            ("category", "USDT-FUTURES"),
            ("marginCoin", "USDT"),
            ("marginMode", "crossed"),
        ];
        for (name, value) in usual {
            fields.entry(name).or_insert_with(|| value.into());
        }
        let placed = routes::place_by_hand(self, fields);
        placed.map_err(|problem| format!("{}: {}", problem.code, problem.msg))
    }

    fn cancel_by_hand(&mut self, id: ObjectId) -> Result<(), Refusal> {
        let now = self.now();
        self.venue.user_cancel(&id.venue_id(), now)?;
        let legs = self.strategy_of(id).map(|(_, strategy)| strategy.legs.clone()).unwrap_or_default();
        for leg in legs.into_iter().filter(|leg| *leg != id) {
            // One that ended meanwhile is gone as well.
            let _ = self.venue.user_cancel(&leg.venue_id(), now);
        }
        Ok(())
    }

    fn shown(&self, object: &OrderObject) -> Value {
        match (self.generation, object.service) {
            (Generation::Classic, Service::Regular) => self.classic_order(object, "status"),
            (Generation::Classic, _) => self.classic_plan(object),
            (Generation::Unified, Service::Regular) => self.unified_order(object),
            (Generation::Unified, _) => self.pushed_strategy(object),
        }
    }

    fn own_admin(&mut self, _: &str, _: &Value) -> Option<Value> {
        None
    }
}
