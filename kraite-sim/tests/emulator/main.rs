//! The emulator as its clients see it, over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod admin;
mod api;
mod client;
mod rest;
mod streams;
