//! The venue's language, without any I/O: typed calls in, text out; bytes in, the core's reports out.
//!
//! The venue has two APIs, and an account belongs to one of them ([`Generation`]): the classic one and the unified one.
//!
//! * [`calls`] has one type per endpoint; [`encode`] turns one into a [`WireRequest`], signed afresh each time.
//! * [`reply`] and [`frame`] are the answers and pushes as plain structs; nothing in them is required that the venue
//!   may leave out.
//! * [`Interpreter`] turns those into outcomes, readings and stream events of the core, and links plans to the orders
//!   that they stand for and that they spawn.
//! * [`ERRORS`] are the venue's codes as data, [`Failure`] is what status, code and text of an answer mean together.
//!
//! Bytes of any kind give a value or an error: no input panics, and none is recursed into.
//!
//! A cancellation, from the core's words to the wire and back:
//!
//! ```
//! use kraite_bitget::codec::{Answer, Credentials, Interpreter, Product, Signer, Stamp, calls::classic, encode};
//! use kraite_core::exchange::{OrderRef, Outcome, RejectKind, Service};
//! use kraite_core::id::{Symbol, VenueOrderId};
//! use kraite_core::time::VenueMillis;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let credentials = Credentials::new("key".into(), "passphrase".into(), Signer::hmac(&"secret".into())?);
//! let order = OrderRef {
//!     symbol: Symbol::new("ADAUSDT"),
//!     service: Service::Regular,
//!     id: "caaaoaaaamaaaaaaaaabbaum".parse()?,
//!     venue_id: Some(VenueOrderId::new("1190384645049036801")),
//! };
//! let (now, not_after) = (VenueMillis(1_000), VenueMillis(31_000));
//! let stamp = Stamp::of_mutation(now, not_after).map_err(|late| late.message.to_string())?;
//! let request = encode(&classic::CancelOrder::of(&order, Product::Usdt), stamp, &credentials)?;
//! assert_eq!(request.target(), "/api/v2/mix/order/cancel-order");
//!
//! // Whatever comes back is an outcome; this one says that the order is not open, and not why.
//! let answer = Answer { status: 400, body: br#"{"code":"40768","msg":"Order does not exist","data":null}"# };
//! let outcome = Interpreter::new().cancelled(&order, answer);
//! assert!(matches!(outcome, Outcome::Rejected(reject) if reject.kind == RejectKind::UnknownOrder));
//! # Ok(())
//! # }
//! ```

pub mod calls;
mod errors;
mod events;
mod failure;
mod fills;
pub mod frame;
mod ids;
mod interpret;
mod limits;
mod links;
mod outcome;
mod params;
mod readings;
pub mod reply;
mod request;
mod signer;
mod socket;
mod terms;
mod way;
mod word;

use kraite_wire::scalar;

pub use kraite_wire::{Events, Method, Quiet, Scope, Unmapped, Verdict};

pub use errors::{Class, ERRORS, ErrorRow, Placed, error_row};
pub use failure::{ADDRESS_PAUSE, Answer, Failure};
pub use fills::Fill;
pub use ids::{Leg, OrderName, PairName, plan_id, regular_id, strategy_id, unknown_parent};
pub use interpret::{Asked, Interpreter, PlanReports};
pub use limits::UsedLimits;
pub use links::{Links, MAX_LINKS};
pub use outcome::{closed, leverage_set, margin_set, mode_set, setting_set};
pub use params::{ParamValue, Params};
pub use readings::{
    PastPosition, Setup, balances, classic_setup, fee_rates, generation, key_rights, margin_of_position, marks,
    past_positions, positions, server_time, unified_setup,
};
pub use request::{
    BODY_TYPE, Call, DEMO_HEADER, KEY_HEADER, LOCALE_HEADER, PASSPHRASE_HEADER, SIGN_HEADER, Security, Stamp,
    TIMESTAMP_HEADER, UnsignedCall, WireRequest, encode, encode_unsigned,
};
pub use signer::{Credentials, KeyError, SignError, Signer};
pub use socket::{SocketRequest, encode_account_channels, encode_logon, encode_mark_channel};
pub use terms::{Generation, Product, Terms, margin_mode_of};
pub use word::{
    AccountMode, FiredLeg, HoldMode, OrderStatus, PlanKind, PlanStatus, PositionSide, SideWord, StrategyKind,
    TradeScope, TradeSide,
};
