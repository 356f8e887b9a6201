//! Leveraged DCA positions on futures exchanges that survive being killed at any instant.
//!
//! This is the crate a bot depends on. It gathers the pure core, the tokio shell around it, journals,
//! venues and the simulated exchange; each is also a crate of its own.

#[cfg(feature = "binance")]
pub use kraite_binance as binance;
#[cfg(feature = "bitget")]
pub use kraite_bitget as bitget;
pub use kraite_core as core;
pub use kraite_engine as engine;
#[cfg(feature = "sqlite")]
pub use kraite_journal as journal;
#[cfg(feature = "sim")]
pub use kraite_sim as sim;

/// The examples of the README compile and run.
#[cfg(all(doctest, feature = "sim", feature = "sqlite"))]
#[doc = include_str!("../../README.md")]
pub struct Readme;
