//! Bitget futures in USDT and USDC: what the venue can do, what it allows on each contract, and its language.
//!
//! * [`capabilities`], [`Contracts`], [`read_brackets`]: the venue's rules as data.
//! * [`codec`]: its language in both generations, classic and unified, without any I/O.
//!
//! There is no backend yet: nothing in this crate sends an order.

mod brackets;
mod caps;
pub mod codec;
mod instruments;

pub use brackets::{Brackets, read_brackets};
pub use caps::capabilities;
pub use instruments::{Contracts, RulesError};
