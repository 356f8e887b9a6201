//! The pure core of kraite: order and position state machines, placement planner and recovery.
#![cfg_attr(not(any(test, feature = "mock")), no_std)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

extern crate alloc;

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
