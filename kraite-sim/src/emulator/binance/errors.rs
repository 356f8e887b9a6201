//! Refusals on the wire: HTTP status, code and words.
//!
//! Source of codes and words: "Binance USD-M, error codes" and "General Info"; the words of -4130, -4509 and -5000
//! are known from the field.

use serde_json::{Value, json};

use super::server::Reply;
use crate::venue::{Refusal, Venue};

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
    (-1000, "An unknown error occurred while processing the request."),
    (-1001, "Internal error; unable to process your request. Please try again."),
    (-1003, "Too many requests queued."),
    (-1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."),
    (
        -1008,
        "Request throttled by system-level protection. Reduce-only/close-position orders are exempt. Please try again.",
    ),
    (-1015, "Too many new orders."),
    (-1020, "This operation is not supported."),
    (-1021, "Timestamp for this request is outside of the recvWindow."),
    (-1022, "Signature for this request is not valid."),
    (-1111, "Precision is over the maximum defined for this asset."),
    (-1112, "No orders on book for symbol."),
    (-1115, "Invalid timeInForce."),
    (-1116, "Invalid orderType."),
    (-1117, "Invalid side."),
    (-1120, "Invalid interval."),
    (-1121, "Invalid symbol."),
    (-1122, "Invalid symbol status."),
    (-1125, "This listenKey does not exist."),
    (-1136, "Invalid newOrderRespType."),
    (-2011, "Unknown order sent."),
    (-2013, "Order does not exist."),
    (-2014, "API-key format invalid."),
    (-2015, "Invalid API-key, IP, or permissions for action."),
    (-2019, "Margin is insufficient."),
    (-2021, "Order would immediately trigger."),
    (-2022, "ReduceOnly Order is rejected."),
    (-2025, "Reach max open order limit."),
    (-2027, "Exceeded the maximum allowable position at current leverage."),
    (-4001, "Price less than 0."),
    (-4002, "Price greater than max price."),
    (-4003, "Quantity less than or equal to zero."),
    (-4004, "Quantity less than min quantity."),
    (-4005, "Quantity greater than max quantity."),
    (-4006, "Stop price less than zero."),
    (-4013, "Price less than min price."),
    (-4014, "Price not increased by tick size."),
    (-4015, "Client order id length should not be more than 36 chars"),
    (-4016, "Limit price can't be higher than the price cap."),
    (-4023, "Qty not increased by step size."),
    (-4024, "Limit price can't be lower than the price floor."),
    (-4028, "Leverage is not valid"),
    (-4031, "Invalid parameter working type."),
    (-4045, "Reach max stop order limit."),
    (-4046, "No need to change margin type."),
    (-4047, "Margin type cannot be changed if there exists open orders."),
    (-4048, "Margin type cannot be changed if there exists position."),
    (-4059, "No need to change position side."),
    (-4060, "Invalid position side."),
    (-4061, "Order's position side does not match user's setting."),
    (-4067, "Position side cannot be changed if there exists open orders."),
    (-4068, "Position side cannot be changed if there exists position."),
    (-4082, "Invalid number of batch place orders."),
    (-4109, "This account is inactive, please activate it first."),
    (-4116, "ClientOrderId is duplicated."),
    (-4118, "ReduceOnly Order Failed. Please check your existing position and open orders."),
    (-4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."),
    (-4130, "An open stop or take profit order with GTE and closePosition in the direction is existing."),
    (-4137, "Quantity must be zero with closePosition equals true."),
    (-4138, "Reduce only must be true with closePosition equals true."),
    (-4161, "Leverage reduction is not supported in Isolated Margin Mode with open positions."),
    (-4164, "Order's notional must be no smaller than 5 (unless you choose reduce only)."),
    (-4168, "Unable to adjust to Multi-Assets mode with isolated positions."),
    (-4171, "No need to change multi-assets mode."),
    (
        -4509,
        "Time in Force (TIF) GTE can only be used with open positions. Please ensure that positions are available.",
    ),
    (
        -5021,
        "Due to the order could not be filled immediately, the FOK order has been rejected. The order will not be recorded in the order history",
    ),
    (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. The order will not be recorded in the order history",
    ),
    (-5025, "Only limit order is supported."),
    (-5027, "No need to modify the order."),
    (-5028, "Timestamp for this request is outside of the ME recvWindow."),
    (-5029, "Order's notional must be no smaller than the minimum."),
];

impl Problem {
    /// The refusal of a code, in its usual words and under its usual status.
    pub(super) fn of(code: i64) -> Self {
        let words = WORDS.iter().find(|(c, _)| *c == code).map_or("An unknown error occurred.", |(_, words)| words);
        Self { status: status_of(code), code, msg: words.to_owned() }
    }

    /// As [`Problem::of`], in words of its own.
    pub(super) fn saying(code: i64, msg: impl Into<String>) -> Self {
        Self { status: status_of(code), code, msg: msg.into() }
    }

    /// A parameter that is missing, empty or not of its form.
    pub(super) fn malformed(name: &str) -> Self {
        Self::saying(-1102, format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed."))
    }

    /// A venue that does not know what became of the request.
    pub(super) fn unknown_503() -> Self {
        Self { status: 503, code: -1000, msg: "Unknown error, please check your request or try again later.".into() }
    }

    /// A venue that certainly did nothing.
    pub(super) fn unavailable_503() -> Self {
        Self { status: 503, code: -1001, msg: "Service Unavailable.".into() }
    }

    /// Why the venue refused, in this protocol.
    pub(super) fn refused(venue: &Venue, refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoAccount => Self::of(-4109),
            Refusal::OutOfRange => Self::saying(-1130, "Data sent for parameter is not valid."),
            other => Self::of(venue.quirks().code(other)),
        }
    }

    /// The body.
    pub(super) fn body(&self) -> Value {
        json!({ "code": self.code, "msg": self.msg })
    }
}

impl Reply {
    /// A refusal without further headers.
    pub(super) fn problem(problem: &Problem) -> Self {
        Self { status: problem.status, body: problem.body().to_string(), headers: Vec::new() }
    }
}

const fn status_of(code: i64) -> u16 {
    match code {
        -1002 | -2014 | -2015 => 401,
        -1003 | -1015 => 429,
        -1007 => 408,
        -1001 | -1008 | -1016 => 503,
        -5000 => 404,
        _ => 400,
    }
}
