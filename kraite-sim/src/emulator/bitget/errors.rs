//! Answers and refusals on the wire: envelope, HTTP status, code and words.
//!
//! Source of codes and words: "Bitget, error codes" of both generations and captures from the field. A business error
//! comes with HTTP 400, some with 200: only the code in the envelope says what it is.

use kraite_core::exchange::{Direction, TriggerBy};
use kraite_core::time::VenueMillis;
use serde_json::{Value, json};

use super::Generation;
use super::server::Reply;
use super::state::State;
use crate::venue::Refusal;

/// What a success is called.
pub(super) const SUCCESS: &str = "00000";

/// A refusal as the client reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// The HTTP status.
    pub(super) status: u16,
    /// The venue's code.
    pub(super) code: i64,
    /// The venue's words.
    pub(super) msg: String,
}

/// The codes whose words need no argument.
const WORDS: &[(i64, &str)] = &[
    (429, "Too Many Requests"),
    (22_001, "No order to cancel"),
    (22_002, "No position to close"),
    (22_003, "modify price and size, please pass in newClientOid"),
    (22_004, "Symbol trading is suspended"),
    (22_045, "The market order is rejected, no depth"),
    (22_046, "The limit price is below the lower limit"),
    (22_047, "The limit price is above the upper limit"),
    (25_013, "The trading pair is suspended"),
    (25_107, "The position mode cannot be changed while there are positions or orders"),
    (25_202, "Insufficient balance"),
    (25_204, "Order does not exist"),
    (25_205, "The order price is above the upper limit"),
    (25_206, "The order price is below the lower limit"),
    (25_207, "The order quantity is below the minimum"),
    (25_208, "The order quantity is above the maximum"),
    (25_209, "Insufficient liquidity"),
    (25_211, "The number of orders exceeds the limit"),
    (25_212, "Duplicate clientOid"),
    (25_225, "The close quantity exceeds what resting close orders leave"),
    (25_226, "Insufficient position available to close"),
    (25_227, "There is no position to close"),
    (25_236, "posSide does not match the hold mode"),
    (25_238, "reduceOnly is not supported in hedge mode"),
    (25_244, "The precision is not supported"),
    (25_570, "The order cannot be modified"),
    (25_571, "The order was not changed"),
    (25_575, "The strategy order does not exist"),
    (25_585, "The take profit price of a long position must be above the last price"),
    (25_586, "The take profit price of a short position must be below the last price"),
    (25_587, "The stop loss price of a long position must be below the last price"),
    (25_588, "The stop loss price of a short position must be above the last price"),
    (25_589, "The take profit price of a long position must be above the mark price"),
    (25_590, "The take profit price of a short position must be below the mark price"),
    (25_591, "The stop loss price of a long position must be below the mark price"),
    (25_592, "The stop loss price of a short position must be above the mark price"),
    (25_594, "A full position TP/SL order already exists"),
    (25_599, "The number of strategy orders exceeds the limit"),
    (25_600, "The strategy order was not changed"),
    (25_601, "There is no position, TP/SL cannot be set"),
    (40_001, "ACCESS_KEY cannot be empty"),
    (40_002, "SECRET_KEY cannot be empty"),
    (40_003, "Signature cannot be empty"),
    (40_005, "Invalid ACCESS_TIMESTAMP"),
    (40_006, "Invalid ACCESS_KEY"),
    (40_008, "Request timestamp expired"),
    (40_009, "sign signature error"),
    (40_010, "Request timed out"),
    (40_011, "ACCESS_PASSPHRASE cannot be empty"),
    (40_012, "apikey/password is incorrect"),
    (40_015, "System is abnormal, please try again later"),
    (40_017, "Parameter verification failed"),
    (40_084, "You are in Classic Account mode, and the Unified Account API is not supported at this time"),
    (40_085, "You are in Unified Account mode, and the Classic Account API is not supported at this time"),
    (40_109, "The data of the order cannot be found, please confirm the order number"),
    (40_200, "Server upgrade, please try again later"),
    (40_404, "Request URL NOT FOUND"),
    (40_725, "service return an error"),
    (40_754, "balance not enough"),
    (40_757, "Not enough position is available."),
    (40_762, "The order size is greater than the max open size"),
    (40_768, "Order does not exist"),
    (40_774, "The order type for unilateral position must also be the unilateral position type."),
    (40_786, "Duplicate clientOid"),
    (40_797, "Exceeded the maximum settable leverage"),
    (40_832, "The take profit price of a short position must be below the current price"),
    (40_836, "The stop loss price of a short position must be above the current price"),
    (40_889, "Plan orders have reached the upper limit"),
    (40_915, "Long position take profit price please > mark price"),
    (40_917, "Stop price for long positions please < mark price"),
    (40_920, "The position mode cannot be changed while there are positions or orders"),
    (40_922, "Only orders that are not filled can be modified"),
    (40_923, "Order size and price have not changed"),
    (40_925, "Both price and size must be passed in, or neither"),
    (40_939, "The close quantity exceeds what resting close orders leave"),
    (43_008, "The current order price cannot be higher than the limit"),
    (43_009, "The current order price cannot be lower than the limit"),
    (43_023, "Insufficient position, can not set profit or stop loss"),
    (43_025, "Plan order does not exist"),
    (45_001, "Unknown error"),
    (45_097, "There are positions or orders, the leverage cannot be changed"),
    (45_110, "less than the minimum amount 5 USDT"),
    (45_111, "less than the minimum order quantity"),
    (45_112, "more than the maximum order quantity"),
    (45_115, "The price you enter should be a multiple of the tick"),
    (45_117, "Currently holding positions or orders, the margin mode cannot be adjusted"),
    (45_118, "The number of orders exceeds the limit"),
];

impl Problem {
    /// The refusal of a code, in its usual words and under its usual status.
    pub(super) fn of(code: i64) -> Self {
        let words = WORDS.iter().find(|(c, _)| *c == code).map_or("Unknown error", |(_, words)| words);
        Self::saying(code, words)
    }

    /// As [`Problem::of`], in words of its own.
    pub(super) fn saying(code: i64, msg: impl Into<String>) -> Self {
        Self { status: status_of(code), code, msg: msg.into() }
    }

    /// A parameter that must be there and is not.
    pub(super) fn missing(name: &str) -> Self {
        Self::saying(40_019, format!("Parameter {name} cannot be empty"))
    }

    /// A parameter that is none of the words it may be.
    pub(super) fn odd(name: &str) -> Self {
        Self::saying(43_011, format!("The parameter does not meet the specification {name}"))
    }

    /// A parameter of a call or kind that is not served here.
    pub(super) fn verification(words: &str) -> Self {
        Self::saying(400_172, format!("Parameter verification failed {words}"))
    }

    /// The envelope.
    pub(super) fn reply(&self, now: VenueMillis) -> Reply {
        let body = json!({ "code": self.code.to_string(), "msg": self.msg, "requestTime": now.0, "data": null });
        Reply { status: self.status, body: body.to_string(), headers: Vec::new() }
    }

    /// What an item of a list says about itself.
    pub(super) fn item(&self, order: &Value, name: &Value) -> Value {
        json!({ "orderId": order, "clientOid": name, "errorMsg": self.msg, "errorCode": self.code.to_string() })
    }
}

/// The envelope of a success.
pub(super) fn success(data: &Value, now: VenueMillis) -> Reply {
    let body = json!({ "code": SUCCESS, "msg": "success", "requestTime": now.0, "data": data });
    Reply { status: 200, body: body.to_string(), headers: Vec::new() }
}

const fn status_of(code: i64) -> u16 {
    match code {
        // Seen with 200 as well as with 400.
        40_768 | 22_001 => 200,
        429 => 429,
        40_404 => 404,
        40_010 => 408,
        40_015 | 45_001 => 500,
        40_200 => 503,
        _ => 400,
    }
}

impl State {
    /// Why the venue refused, in this protocol.
    pub(super) fn refused(&self, refusal: Refusal) -> Problem {
        match (self.generation, refusal) {
            (_, Refusal::OutOfRange) => Problem::verification("a number is out of range"),
            (_, Refusal::NoAccount) => Problem::of(40_012),
            (Generation::Classic, other) => Problem::of(self.venue.quirks().code(other)),
            (Generation::Unified, other) => Problem::of(unified(other).unwrap_or(self.venue.quirks().code(other))),
        }
    }

    /// Why a close was refused: with nothing to close in other words than with too little.
    pub(super) fn refused_close(&self, refusal: Refusal, flat: bool) -> Problem {
        match (self.generation, refusal) {
            (Generation::Classic, Refusal::ReduceOnly) if flat => Problem::of(22_002),
            (Generation::Unified, Refusal::ReduceOnly) if flat => Problem::of(25_227),
            _ => self.refused(refusal),
        }
    }

    /// Why a trigger was refused: on the wrong side of the price in words of its leg and position.
    pub(super) fn refused_trigger(&self, refusal: Refusal, direction: Direction, stop: bool, by: TriggerBy) -> Problem {
        if refusal != Refusal::WouldTrigger {
            return self.refused(refusal);
        }
        let code = match (self.generation, direction, stop) {
            (Generation::Classic, Direction::Long, false) => 40_915,
            (Generation::Classic, Direction::Long, true) => 40_917,
            (Generation::Classic, Direction::Short, false) => 40_832,
            (Generation::Classic, Direction::Short, true) => 40_836,
            (Generation::Unified, direction, stop) => {
                let first: i64 = if by == TriggerBy::Last { 25_585 } else { 25_589 };
                let step = match (direction, stop) {
                    (Direction::Long, false) => 0,
                    (Direction::Short, false) => 1,
                    (Direction::Long, true) => 2,
                    (Direction::Short, true) => 3,
                };
                first.saturating_add(step)
            }
        };
        Problem::of(code)
    }
}

/// The numbers of the unified API where they differ. Source: "UTA error codes", by group.
const fn unified(refusal: Refusal) -> Option<i64> {
    Some(match refusal {
        Refusal::Halted => 25_013,
        Refusal::Mode => 25_236,
        Refusal::DuplicateId => 25_212,
        Refusal::Tick | Refusal::Lot => 25_244,
        Refusal::MinQty => 25_207,
        Refusal::MaxQty => 25_208,
        Refusal::PriceTooHigh | Refusal::AboveBand => 25_205,
        Refusal::PriceTooLow | Refusal::BelowBand => 25_206,
        Refusal::TooManyOrders => 25_211,
        Refusal::TooManyConditional => 25_599,
        Refusal::Margin => 25_202,
        Refusal::ReduceOnly => 25_226,
        Refusal::CloseOverlap => 25_225,
        Refusal::NoPosition => 25_601,
        Refusal::AlreadyExists => 25_594,
        Refusal::UnknownOrder => 25_204,
        Refusal::NotAmendable => 25_570,
        Refusal::NoDepth => 25_209,
        _ => return None,
    })
}
