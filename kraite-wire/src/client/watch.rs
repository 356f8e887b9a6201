//! What is no event of the account and still worth a line in a log.

use kraite_core::id::Symbol;
use kraite_core::time::Millis;

use crate::Unmapped;

/// Which socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SocketKind {
    /// Orders, positions, funding.
    Account,
    /// Mark prices.
    Marks,
    /// Orders on their way to the venue.
    Orders,
}

/// Why a socket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// It could not be opened.
    Unopened,
    /// The venue closed it, or the connection broke.
    Closed,
    /// Nothing came for too long, not even the answer to a ping.
    Silent,
    /// A message beyond the limits, or against the protocol.
    Protocol,
    /// Signing in failed, what the session hangs on ended or could not be kept, or the API key was refused.
    Key,
    /// Nearly a day old: the venue cuts it after 24 hours.
    Age,
}

/// Something an operator may want to know. None of it holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A socket is up.
    Up(SocketKind),
    /// A socket ended and will be opened again after this long.
    Down(SocketKind, Ended, Millis),
    /// A frame that cannot be read: the account is read instead.
    Frame(SocketKind),
    /// Part of a frame that cannot be told: the account is read instead.
    Skipped(Unmapped),
    /// Margin runs out, the venue says.
    MarginCall,
    /// The venue asks for quiet, for this long.
    Quiet(Millis),
    /// The venue refused a timestamp; its clock is measured again.
    ClockSkew,
    /// The account belongs to another generation of the venue's API than was known: everything is read anew.
    Moved,
    /// The rules of a contract that cannot be interpreted.
    Rules(String),
    /// The most contracts are watched; the marks of this one are not streamed.
    TooManyMarks(Symbol),
}

/// Hears what an operator may want to know. Called on the way of frames and answers: it must not block.
pub trait Watch: Send + Sync {
    /// Something was told.
    fn told(&self, what: Told);
}

/// Hears nothing.
impl Watch for () {
    fn told(&self, _: Told) {}
}

impl<F: Fn(Told) + Send + Sync> Watch for F {
    fn told(&self, what: Told) {
        self(what);
    }
}
