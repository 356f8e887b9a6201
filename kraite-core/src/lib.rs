//! The pure core of kraite: order and position state machines, placement planner and recovery.
//!
//! It reads no clock, draws no random number and opens nothing. An [`Engine`] takes one [`Input`] at a time
//! and returns a [`Step`]; [`commit`] appends the step's record to a [`Journal`] and only then hands out its
//! effects. Every decision of kraite is made here: under the live shell, in the simulator, in a backtest.
//!
//! # With one's own I/O
//!
//! This loop is all there is to it. Whatever `Io` does concurrently, its answers come back as inputs, one at
//! a time; a request is answered by one outcome for each [`engine::Request::sent`], whatever happens.
//!
//! ```
//! use kraite_core::engine::{Config, Effect, InputKind, Notice, Query, Request};
//! use kraite_core::{Capabilities, Engine, Input, Journal, commit};
//! use kraite_core::id::AccountTag;
//! use kraite_core::time::{LocalMillis, Moment, VenueMillis};
//!
//! trait Io {
//!     fn now(&self) -> Moment;
//!     fn send(&mut self, request: Request, not_after: VenueMillis);
//!     fn ask(&mut self, query: Query);
//!     fn tell(&mut self, notice: Notice);
//!     /// The next outcome, answer, frame or command; `Deadline` when `until` has passed; `None` to stop.
//!     fn next(&mut self, until: Option<LocalMillis>) -> Option<InputKind>;
//! }
//!
//! async fn run(
//!     io: &mut impl Io, journal: &impl Journal, account: AccountTag, capabilities: Capabilities,
//! ) -> Result<(), Box<dyn std::error::Error>> {
//!     let epoch = journal.acquire(account).await?;
//!     let loaded = journal.load(account).await?;
//!     let mut engine = Engine::restore(Config::default(), capabilities, account, epoch, loaded)?;
//!     let mut input = Some(InputKind::Started);
//!     while let Some(kind) = input {
//!         let step = engine.step(Input { at: io.now(), kind });
//!         for effect in commit(journal, step).await?.effects {
//!             match effect {
//!                 Effect::Send { request, not_after } => io.send(request, not_after),
//!                 Effect::Query(query) => io.ask(query),
//!                 Effect::Notify(notice) => io.tell(notice),
//!             }
//!         }
//!         input = io.next(engine.next_deadline().map(|deadline| deadline.at));
//!     }
//!     Ok(())
//! }
//! ```
//!
//! An error of the journal ends the loop, and with it every chance to send: the next start restores what is
//! durable and looks up the rest.
#![cfg_attr(not(any(test, feature = "mock")), no_std)]
#![warn(clippy::arithmetic_side_effects)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

extern crate alloc;

#[cfg(kraite_zoo)]
pub mod zoo;

/// True while the named bug of the zoo is awake; the literal `false` in every build without `--cfg kraite_zoo`.
///
/// A site reads `if zoo!(BlindResend) { … }` and is gone from a normal build.
#[cfg(kraite_zoo)]
#[macro_export]
macro_rules! zoo {
    ($bug:ident) => {
        $crate::zoo::awake($crate::zoo::Bug::$bug)
    };
}

/// True while the named bug of the zoo is awake; the literal `false` in every build without `--cfg kraite_zoo`.
///
/// A site reads `if zoo!(BlindResend) { … }` and is gone from a normal build.
#[cfg(not(kraite_zoo))]
#[macro_export]
macro_rules! zoo {
    ($bug:ident) => {
        false
    };
}

pub mod capabilities;
pub mod engine;
pub mod exchange;
pub mod id;
pub mod instrument;
pub mod invariant;
pub mod journal;
pub mod number;
pub mod order;
pub mod plan;
pub mod position;
pub mod rounding;
pub mod sizing;
pub mod table;
pub mod time;

pub use capabilities::Capabilities;
pub use engine::{Effect, Engine, Input, InputKind, Step, commit};
pub use exchange::Exchange;
pub use id::{ClientOrderId, MAX_RUNGS};
pub use instrument::Instrument;
pub use journal::Journal;
