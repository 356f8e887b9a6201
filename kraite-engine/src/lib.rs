//! The tokio shell around [`kraite_core`]: it reads the clock, moves bytes, and decides nothing.
//!
//! One [`Reactor`] drives one account on any [`kraite_core::Exchange`] and any
//! [`kraite_core::Journal`]: input in, step, append, release, execute concurrently, answers back to the
//! inbox.
//!
//! A [`Worker`] keeps an account connected: it makes the connection, runs a reactor, and starts again. [`Signals`] are
//! where wishes come from, and [`Terms`] turn one into an opening with everything read fresh. A [`Watch`] waits for what
//! becomes of it.

mod clock;
mod offline;
mod reactor;
mod signal;
mod terms;
mod watch;
mod worker;

pub use clock::{Clock, VenueClock};
pub use offline::{OfflineError, is_recorded_only, record_command};
pub use reactor::{Handle, Observer, Reactor, ReactorError, Stopped, answer};
pub use signal::{Signal, SignalError, Signals, Wish, serve};
pub use terms::{Slice, Terms, TermsError};
pub use watch::{Seen, Watch, WatchError, Watched};
pub use worker::{Connect, ConnectFailure, Desk, Ready, Worker, WorkerError};
