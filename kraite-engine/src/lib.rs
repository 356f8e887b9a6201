//! The tokio shell around [`kraite_core`]: it reads the clock, moves bytes, and decides nothing.
//!
//! One [`Reactor`] drives one account on any [`kraite_core::Exchange`] and any
//! [`kraite_core::Journal`]: input in, step, append, release, execute concurrently, answers back to the
//! inbox.

mod clock;
mod reactor;

pub use clock::{Clock, VenueClock};
pub use reactor::{Handle, Observer, Reactor, ReactorError, Stopped};
