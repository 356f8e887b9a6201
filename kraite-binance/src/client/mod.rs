//! The backend that trades: [`Binance`], made from a [`Config`] and [`crate::codec::Credentials`].
//!
//! * What leaves, leaves once: no resending, no redirects, no proxy, a bounded answer, two timeouts.
//! * What provably did not leave is `Rejected(NotSent)`; everything else without a readable answer is unknown.
//! * The venue's clock is measured, timestamps come from it, and nothing is signed that could be taken after its
//!   `not_after`.
//! * Limits are counted before the venue has to, with a reserve for what protects.
//! * The account stream reopens by itself; each `Connected` asks for a reading of what happened before.

mod alarm;
mod backend;
mod budget;
mod config;
mod entry;
mod exchange;
mod keeper;
mod line;
mod local;
mod lookup;
mod orders;
mod reads;
mod socket;
mod stream;
mod tls;
mod transport;
mod watch;

pub use backend::{Binance, ConnectError};
pub use budget::AddressBudget;
pub use config::{Config, ConfigError, Hosts, KeyPolicy, OrderEntry};
pub use local::{LocalClock, SystemClock};
pub use watch::{Ended, Socket, Told, Watch};
