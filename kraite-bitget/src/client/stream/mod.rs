//! What is Bitget's own in the account's push stream: signing in, channels, and two generations.
//!
//! Nothing is told on subscribing and nothing is numbered ("Bitget, WebSocket API"), so that a gap cannot be seen: each
//! `Connected` makes the engine read everything anew.

mod account;
mod marks;

use std::collections::BTreeSet;

use kraite_core::exchange::ReadError;
use kraite_core::id::Symbol;
use kraite_core::time::Millis;
use kraite_wire::client::{AccountSocket, Ended, LocalClock, MarksInUse, Message, Socket, Streams, Watch};

use super::backend::Inner;
use crate::codec::Generation;
use crate::codec::frame::Frame;

/// Where the account's socket of a generation is.
const fn private_route(generation: Generation) -> &'static str {
    match generation {
        Generation::Classic => "/v2/ws/private",
        Generation::Unified => "/v3/ws/private",
    }
}

/// Where the socket of the market is.
const fn public_route(generation: Generation) -> &'static str {
    match generation {
        Generation::Classic => "/v2/ws/public",
        Generation::Unified => "/v3/ws/public",
    }
}

impl Streams for Inner {
    /// The generation that the socket was opened for.
    type AccountSession = Generation;
    type MarksSession = marks::Session;

    const ACCOUNT_SILENCE: Millis = Millis::from_secs(60);
    /// A contract is told of several times in a second.
    const MARKS_SILENCE: Millis = Millis::from_secs(20);

    fn clock(&self) -> &dyn LocalClock {
        self.line.clock.as_ref()
    }

    fn watch(&self) -> &dyn Watch {
        self.line.watch.as_ref()
    }

    fn marks(&self) -> &MarksInUse {
        &self.marks
    }

    fn uses(&self, symbol: &Symbol) {
        Self::uses(self, symbol);
    }

    fn read(&self, bytes: &[u8]) -> Message {
        match Frame::read(bytes) {
            Ok(Frame::Refused { .. }) => Message::Refused,
            Ok(frame) => Message::Told(self.interpreter().events(&frame)),
            Err(_) => Message::Unreadable,
        }
    }

    async fn open_account(&self) -> Result<AccountSocket<Generation>, ReadError> {
        account::open(self).await
    }

    /// An account that moved is told of on another socket; this one may go on and say nothing.
    async fn keep_account(&self, generation: &mut Generation) -> Option<Ended> {
        (self.known_generation() != Some(*generation)).then_some(Ended::Key)
    }

    async fn open_marks(&self, _: &BTreeSet<Symbol>) -> Result<(Socket, marks::Session), Ended> {
        marks::open(self).await
    }

    fn subscription(&self, session: &mut marks::Session, wanted: &BTreeSet<Symbol>) -> Option<String> {
        session.subscription(self, wanted)
    }
}
