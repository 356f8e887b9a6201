//! The venue's language, without any I/O: typed calls in, text out; bytes in, the core's reports out.
//!
//! * [`calls`] has one type per endpoint; [`encode`] turns one into a [`WireRequest`], signed afresh each time.
//! * [`reply`] and [`frame`] are the answers and pushes as plain structs; nothing in them is required that the venue
//!   may leave out.
//! * [`Interpreter`] turns those into outcomes, readings and stream events of the core, and links the regular order
//!   that a stop becomes to the stop.
//! * [`ERRORS`] are the venue's codes as data, [`Failure`] is what status, code and text of an answer mean together.
//!
//! Bytes of any kind give a value or an error: no input panics, and none is recursed into.
//!
//! A cancellation, from the core's words to the wire and back:
//!
//! ```
//! use kraite_binance::codec::{Answer, Carrier, Credentials, Interpreter, Signer, Stamp, calls::CancelOrder, encode};
//! use kraite_core::exchange::{OrderRef, Outcome, RejectKind, Service};
//! use kraite_core::id::{Symbol, VenueOrderId};
//! use kraite_core::time::{Millis, VenueMillis};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let credentials = Credentials::new("key".into(), Signer::hmac(&"secret".into())?);
//! let order = OrderRef {
//!     symbol: Symbol::new("ADAUSDT"),
//!     service: Service::Regular,
//!     id: "caaaoaaaamaaaaaaaaabbaum".parse()?,
//!     venue_id: Some(VenueOrderId::new("8389765530121592356")),
//! };
//! let (now, not_after) = (VenueMillis(1_000), VenueMillis(4_000));
//! let stamp = Stamp::of_mutation(now, Millis(3_000), not_after).map_err(|late| late.message.to_string())?;
//! let request = encode(&CancelOrder::of(&order), Carrier::Query, stamp, &credentials)?;
//! assert!(request.target().starts_with("/fapi/v1/order?symbol=ADAUSDT&orderId=8389765530121592356&recvWindow=3000&"));
//!
//! // Whatever comes back is an outcome; this one says that the order is not open, and not why.
//! let answer = Answer { status: 400, body: br#"{"code":-2011,"msg":"Unknown order sent."}"# };
//! let outcome = Interpreter::new().cancelled(&order, now, answer);
//! assert!(matches!(outcome, Outcome::Rejected(reject) if reject.kind == RejectKind::UnknownOrder));
//! # Ok(())
//! # }
//! ```

pub mod calls;
mod errors;
mod events;
mod failure;
pub mod frame;
mod ids;
mod interpret;
mod limits;
mod links;
mod outcome;
mod params;
mod plain;
mod readings;
pub mod reply;
mod request;
mod signer;
mod socket;
mod word;

use kraite_wire::scalar;

pub use kraite_wire::{Events, Method, Quiet, Scope, Unmapped, Verdict};

pub use errors::{Class, ERRORS, ErrorRow, Placed, error_row};
pub use failure::{Answer, Failure};
pub use ids::{OrderName, algo_id, regular_id, unknown_parent};
pub use interpret::{AlgoReports, Asked, Fill, Interpreter};
pub use limits::UsedLimits;
pub use links::{Links, MAX_LINKS};
pub use outcome::{leverage_set, margin_mode_of, mode_set};
pub use params::{ParamValue, Params};
pub use readings::{
    account_balances, balances, fee_rates, funding, key_rights, listen_key, marks, position_mode, positions,
    server_time,
};
pub use request::{
    Call, Carrier, FORM_TYPE, Host, KEY_HEADER, Security, Stamp, UnsignedCall, WireRequest, encode, encode_unsigned,
};
pub use signer::{Credentials, KeyError, SignError, Signer};
pub use socket::{Session, SocketReply, SocketRequest, UsedLimit, encode_logon, encode_socket};
pub use word::{AlgoStatus, ExecutionType, OrderStatus, OrderType, PositionSide, SideWord, UpdateReason};
