//! Accounts that are really worked on: their configuration, `kraite run`, and the ways to speak to it.

mod board;
pub(crate) mod button;
pub(crate) mod config;
mod connect;
pub(crate) mod control;
mod dry_run;
mod fleet;
#[cfg(feature = "postgres")]
mod hosts;
mod http;
pub(crate) mod intake;
mod lines;
mod log;
mod metrics;
mod notify;
mod paper;
pub(crate) mod recover;
pub(crate) mod run;
pub(crate) mod setup;
