//! Binance USD-M futures: what the venue can do, what it allows on each contract, its language, and the backend.
//!
//! * [`capabilities`], [`ExchangeInfo`], [`read_brackets`]: the venue's rules as data.
//! * [`codec`]: its language, without any I/O.
//! * [`Binance`] (feature `client`, on by default): the account as the engine sees it.

mod brackets;
mod caps;
#[cfg(feature = "client")]
mod client;
pub mod codec;
mod instruments;

pub use brackets::{Brackets, read_brackets};
pub use caps::capabilities;
#[cfg(feature = "client")]
pub use client::{
    AddressBudget, Binance, Config, ConfigError, ConnectError, Ended, Hosts, KeyPolicy, LocalClock, OrderEntry, Socket,
    SystemClock, Told, Watch,
};
pub use instruments::{Counted, ExchangeInfo, RateLimit, RulesError};
