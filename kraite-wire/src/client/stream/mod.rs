//! The account's push stream: orders, positions and money on one socket, mark prices on another.
//!
//! Each socket is reopened by itself, on a deterministic ramp. What was missed in between is never guessed: the
//! `Connected` that follows makes the engine read everything anew.

mod account;
mod marks;
mod queue;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_core::stream::BoxStream;
use kraite_core::exchange::{ReadError, StreamEvent};
use kraite_core::id::Symbol;
use kraite_core::time::Millis;

use super::local::LocalClock;
use super::socket::Socket;
use super::watch::{Ended, Watch};
use crate::Events;

pub use marks::MarksInUse;

/// An account socket that is ready.
pub struct AccountSocket<S> {
    /// The socket.
    pub socket: Socket,
    /// What belongs to this socket alone.
    pub session: S,
    /// Messages that came while it was made ready.
    pub early: Vec<bytes::Bytes>,
}

/// What a message on a socket is.
#[derive(Debug)]
pub enum Message {
    /// It tells these events, or none.
    Told(Events),
    /// The venue refuses what was asked on this socket, or says that the session is over.
    Refused,
    /// It cannot be read.
    Unreadable,
}

/// What the push streams of venues differ in.
pub trait Streams: Send + Sync + 'static {
    /// What belongs to one account socket, such as the key that it hangs on.
    type AccountSession: Send + 'static;
    /// What belongs to one socket of marks, such as what is subscribed on it.
    type MarksSession: Send;

    /// How long an account socket may say nothing at all. An idle account says nothing; the answers to our pings have
    /// to come.
    const ACCOUNT_SILENCE: Millis;
    /// How long a socket of marks may go without a message.
    const MARKS_SILENCE: Millis;

    /// Our clock.
    fn clock(&self) -> &dyn LocalClock;

    /// Who hears what becomes of the sockets.
    fn watch(&self) -> &dyn Watch;

    /// The contracts whose marks are streamed.
    fn marks(&self) -> &MarksInUse;

    /// A contract that an order of ours names: its mark price is streamed from now on.
    fn uses(&self, symbol: &Symbol);

    /// Reads one message of either socket.
    fn read(&self, bytes: &[u8]) -> Message;

    /// Opens an account socket and makes it ready.
    ///
    /// An error: why there is none; one that was refused is told as [`Ended::Key`].
    fn open_account(&self) -> impl Future<Output = Result<AccountSocket<Self::AccountSession>, ReadError>> + Send;

    /// Does what keeps the session alive, without waiting for any answer; asked after each message and at least twice
    /// in a second. Returns why the session is over.
    fn keep_account(&self, session: &mut Self::AccountSession) -> impl Future<Output = Option<Ended>> + Send;

    /// Opens a socket for the marks of these contracts, whether they are subscribed by that or not yet.
    ///
    /// An error: why there is none.
    fn open_marks(
        &self,
        wanted: &BTreeSet<Symbol>,
    ) -> impl Future<Output = Result<(Socket, Self::MarksSession), Ended>> + Send;

    /// What is to be said next so that all of these are subscribed; nothing where they are, or where it is too early.
    fn subscription(&self, session: &mut Self::MarksSession, wanted: &BTreeSet<Symbol>) -> Option<String>;
}

/// Opens the account socket, and then keeps both until the stream is dropped.
///
/// # Errors
///
/// Why the account socket could not be opened.
pub async fn account_stream<S: Streams>(venue: &Arc<S>) -> Result<BoxStream<'static, StreamEvent>, ReadError> {
    let first = venue.open_account().await?;
    Ok(Box::pin(queue::Queue::of(|events| {
        // Before any mark: what reads the account has to begin first. The queue is empty, there is room.
        let _ = events.try_send(StreamEvent::Connected);
        vec![
            tokio::spawn(account::follow(Arc::clone(venue), events.clone(), first)),
            tokio::spawn(marks::follow(Arc::clone(venue), events)),
        ]
    })))
}
