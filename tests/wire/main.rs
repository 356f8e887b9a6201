//! Whole lives of positions over real sockets: the reactor on the real backend, a loopback connection, and an emulator
//! that shares no code with that backend. What really happened is read from the emulator's own book.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "a test waits for sockets and processes on the wall clock")]

mod attacks;
mod changes;
mod entry;
mod faults;
mod kills;
mod life;
mod lives;
mod proxy;
mod raw;
mod readings;
mod requests;
mod stops;
mod streams;
