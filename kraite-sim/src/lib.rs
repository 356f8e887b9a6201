//! A simulated futures exchange with faults, an auditor that sees everything, and a backtester.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod backtest;
pub mod conformance;
pub mod data;
mod digest;
#[cfg(feature = "emulator")]
pub mod emulator;
pub mod explore;
pub mod link;
pub mod presets;
pub mod script;
pub mod sources;
pub mod swarm;
pub mod venue;
pub mod world;
