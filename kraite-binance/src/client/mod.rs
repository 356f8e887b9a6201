//! The backend that trades: [`Binance`], made from a [`Config`] and [`crate::codec::Credentials`].
//!
//! * What leaves, leaves once: no resending, no redirects, no proxy, a bounded answer, two timeouts.
//! * What provably did not leave is `Rejected(NotSent)`; everything else without a readable answer is unknown.
//! * The venue's clock is measured, timestamps come from it, and nothing is signed that could be taken after its
//!   `not_after`.
//! * Limits are counted before the venue has to, with a reserve for what protects.
//! * The account stream reopens by itself; each `Connected` asks for a reading of what happened before.

mod backend;
mod budget;
mod config;
mod dialect;
mod entry;
mod exchange;
mod line;
mod lookup;
mod orders;
mod reads;
mod stream;

pub use backend::Binance;
pub use budget::AddressBudget;
pub use config::{Config, Hosts, OrderEntry};
pub use kraite_wire::client::{
    ConfigError, ConnectError, Ended, KeyPolicy, LocalClock, SocketKind as Socket, SystemClock, Told, Watch,
};
