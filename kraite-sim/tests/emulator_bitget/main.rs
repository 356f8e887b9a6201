//! The emulator in Bitget's language as its clients see it, over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod access;
mod classic;
mod client;
mod faults;
mod market;
mod plans;
mod streams;
mod unified;
