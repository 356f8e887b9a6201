//! What a venue's own protocol adds to the emulated venue: one implementation per venue, and none knows another.

use std::fmt;
use std::future::Future;
use std::ops::DerefMut;
use std::pin::Pin;
use std::sync::Arc;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use kraite_core::exchange::StreamEvent;
use kraite_core::id::Symbol;
use kraite_core::number::Price;
use kraite_core::time::{Millis, VenueMillis};
use serde_json::{Map, Value};

use super::Shared;
use super::common::Common;
use super::server::{Call, Reply};
use super::sockets::Out;
use super::tape::PublicTrade;
use crate::venue::{ObjectId, OrderObject, Refusal};

/// A connection that was upgraded.
pub(super) type Io = TokioIo<Upgraded>;
/// Serves a connection until it ends.
pub(super) type Serve = Box<dyn FnOnce(Io) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// A fault that needs words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Says nothing about what happened.
    Unknown,
    /// Certainly nothing happened.
    Unavailable,
    /// It took too long inside the venue.
    Timeout,
    /// Too many requests.
    RateLimit,
    /// Any refusal, in its usual words and status where none are given.
    Code {
        /// Its code.
        code: i64,
        /// Its words.
        msg: Option<String>,
        /// Its HTTP status.
        status: Option<u16>,
    },
}

/// The protocol of a venue over the state that all have in common.
pub(super) trait Language: DerefMut<Target = Common> + fmt::Debug + Send + Sized + 'static {
    /// Answers a request. What came of it is told to the streams by the caller.
    fn answer(&mut self, call: &Call) -> Reply;

    /// A fault in the venue's words.
    fn trouble(&self, trouble: &Trouble) -> Reply;

    /// Refuses every request for a while.
    fn ban(&mut self, span: Millis);

    /// Tells one event of the account to whoever listens.
    fn tell(&mut self, event: StreamEvent, now: VenueMillis);

    /// Tells a price that was just moved.
    fn tell_price(&mut self, symbol: &Symbol, trade: Option<&PublicTrade>);

    /// Does what is due before anything else is answered or told.
    fn catch_up(&mut self) {}

    /// A step of the clock has passed: periodic frames, what expires.
    fn stepped(&mut self);

    /// Who serves a WebSocket on this path; nobody where there is none.
    fn serve(shared: &Arc<Shared<Self>>, path: &str, query: &str) -> Option<Serve>;

    /// What a path without a socket is told.
    fn no_socket(&self, path: &str) -> Reply;

    /// Tells every socket, or only those that carry the account, to go away; says how many.
    fn drop_sockets(&mut self, users_only: bool, how: &Out) -> usize;

    /// How many sockets are open.
    fn open_sockets(&self) -> usize;

    /// While set nothing is sent to anybody, and no socket is closed.
    fn set_silent(&mut self, silent: bool);

    /// Places an order of other hands: no key, no signature, no counters.
    fn by_hand(&mut self, fields: Map<String, Value>) -> Result<Value, String>;

    /// The user cancels an order by hand, with what is one with it at the venue.
    fn cancel_by_hand(&mut self, id: ObjectId) -> Result<(), Refusal> {
        let now = self.now();
        self.venue.user_cancel(&id.venue_id(), now)
    }

    /// An order as the admin route shows it.
    fn shown(&self, object: &OrderObject) -> Value;

    /// An admin route that only this venue has; `None` for a path that it has not.
    fn own_admin(&mut self, path: &str, body: &Value) -> Option<Value>;

    /// Last and mark of a contract move, with everything that follows.
    fn move_price(&mut self, symbol: &Symbol, last: Price, mark: Price) {
        let now = self.now();
        self.venue.price(symbol, last, mark, now);
        let trade = self.tape.traded(symbol, last, now);
        self.tell_price(symbol, trade.as_ref());
        self.settle();
    }

    /// Turns what happened into frames and has the auditor look.
    fn settle(&mut self) {
        self.catch_up();
        let now = self.now();
        for (account, event) in self.venue.drain() {
            if account == self.account {
                self.tell(event, now);
            }
        }
        let common: &mut Common = self;
        common.audit.look(&common.venue, common.account, now);
    }

    /// One step of the clock: prices, periodic frames, what expires.
    fn step(&mut self) {
        for (symbol, price) in self.due_prices() {
            self.move_price(&symbol, price, price);
        }
        self.settle();
        self.stepped();
    }
}
