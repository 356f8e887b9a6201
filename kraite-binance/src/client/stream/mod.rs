//! What is Binance's own in the account's push stream: the account socket hangs on a listen key, and the address of the
//! other one names the contracts.

mod account;
mod marks;

use std::collections::BTreeSet;

use kraite_core::exchange::ReadError;
use kraite_core::id::Symbol;
use kraite_core::time::Millis;
use kraite_wire::client::{AccountSocket, Ended, LocalClock, MarksInUse, Message, Socket, Streams, Told, Watch};

use super::backend::Inner;
use crate::codec::frame::Frame;

impl Streams for Inner {
    type AccountSession = account::Session;
    type MarksSession = marks::Session;

    const ACCOUNT_SILENCE: Millis = Millis::from_secs(45);
    /// A mark is told every second; without one for this long the socket is silent, as one on a wrong route is.
    const MARKS_SILENCE: Millis = Millis::from_secs(10);

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
            Ok(Frame::ListenKeyExpired(_) | Frame::Answered { failure: Some(_), .. }) => Message::Refused,
            Ok(frame) => {
                if matches!(frame, Frame::MarginCall(_)) {
                    self.line.watch.told(Told::MarginCall);
                }
                Message::Told(self.interpreter().events(&frame))
            }
            Err(_) => Message::Unreadable,
        }
    }

    async fn open_account(&self) -> Result<AccountSocket<account::Session>, ReadError> {
        account::open(self).await
    }

    async fn keep_account(&self, session: &mut account::Session) -> Option<Ended> {
        session.keep(&self.line).await
    }

    async fn open_marks(&self, wanted: &BTreeSet<Symbol>) -> Result<(Socket, marks::Session), Ended> {
        marks::open(self, wanted).await
    }

    fn subscription(&self, session: &mut marks::Session, wanted: &BTreeSet<Symbol>) -> Option<String> {
        session.subscription(wanted)
    }
}
