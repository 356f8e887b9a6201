//! Bitget futures in USDT and USDC: what the venue can do, what it allows on each contract, its language, and the
//! backend.
//!
//! * [`capabilities`], [`Contracts`], [`read_brackets`]: the venue's rules as data.
//! * [`codec`]: its language in both generations, classic and unified, without any I/O.
//! * [`Bitget`] (feature `client`, on by default): the account as the engine sees it, whatever its generation.

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
    AddressBudget, Bitget, Config, ConfigError, ConnectError, Ended, Hosts, KeyPolicy, LocalClock, Socket, SystemClock,
    Told, Watch,
};
pub use instruments::{Contracts, RulesError};
