//! Binance USD-M futures: what the venue can do and what it allows on each contract.
//!
//! Today this crate reads the venue's rules and speaks its language ([`codec`]). It has no transport yet: nothing in
//! it can send an order.

mod brackets;
mod caps;
pub mod codec;
mod instruments;

pub use brackets::{Brackets, read_brackets};
pub use caps::capabilities;
pub use instruments::{Counted, ExchangeInfo, RateLimit, RulesError};
