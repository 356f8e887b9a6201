//! Durable journals for kraite: memory for tests, SQLite as the embedded default, and with the feature `postgres`
//! PostgreSQL for accounts that are worked on from many hosts.
//!
//! All keep records by (account, sequence number) under one owner epoch per account and pass one
//! [`conformance`] suite, which judges any other journal too. [`encode`] and [`decode`] are for a store of one's own.

mod codec;
pub mod conformance;
mod create;
mod file;
mod memory;
#[cfg(feature = "postgres")]
mod moving;
#[cfg(feature = "postgres")]
mod postgres;
mod restore;
mod snapshots;
mod sqlite;
mod verify;

pub use codec::{DecodeError, FORMAT, STATE_FORMAT, decode, decode_state, encode, encode_state};
pub use memory::MemoryJournal;
#[cfg(feature = "postgres")]
pub use moving::Moved;
#[cfg(feature = "postgres")]
pub use postgres::{Archived, Egress, Found, Host, HostError, HostRow, Lease, PostgresJournal, Queue, Renewed};
pub use sqlite::{SqliteJournal, SqliteReader, StoredRecord};
