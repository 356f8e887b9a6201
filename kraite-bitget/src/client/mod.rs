//! The backend that trades: [`Bitget`], made from a [`Config`] and [`crate::codec::Credentials`].
//!
//! * One account, two generations of the venue's API: which one it is of is asked, remembered, and asked anew where
//!   the venue says otherwise.
//! * What leaves, leaves once: no resending, no redirects, no proxy, a bounded answer, two timeouts. Where a refusal
//!   proves that nothing was done, another request may say the same in other words: a pair that exists is changed.
//! * What provably did not leave is `Rejected(NotSent)`; everything else without a readable answer is unknown.
//! * The venue's clock is measured, timestamps come from it, and nothing is signed that could be taken after its
//!   `not_after`.
//! * Limits are counted before the venue has to, with a reserve for what protects.
//! * The account stream reopens by itself; each `Connected` asks for a reading of what happened before.

mod account;
mod backend;
mod books;
mod budget;
mod config;
mod dialect;
mod exchange;
mod line;
mod lists;
mod lookup;
mod orders;
mod pairs;
mod reads;
mod stream;

pub use backend::Bitget;
pub use budget::AddressBudget;
pub use config::{Config, Hosts};
pub use kraite_wire::client::{
    ConfigError, ConnectError, Ended, KeyPolicy, LocalClock, SocketKind as Socket, SystemClock, Told, Watch,
};
