//! The numbers that the venues put on their refusals. What a number means for us is [`Refusal::kind`].

use crate::venue::Refusal;

/// Binance USD-M. Source of every row: "Binance USD-M, error codes", under the name beside it; the two that
/// the published list lacks are known from the field.
///
/// Not given by this venue: [`Refusal::OutOfRange`] and [`Refusal::NoAccount`], which are the simulation's own.
pub(super) const BINANCE: &[(Refusal, i64)] = &[
    (Refusal::Window, -1021),             // INVALID_TIMESTAMP
    (Refusal::UnknownSymbol, -1121),      // BAD_SYMBOL
    (Refusal::Halted, -1122),             // INVALID_SYMBOL_STATUS
    (Refusal::Mode, -4061),               // POSITION_SIDE_NOT_MATCH
    (Refusal::DuplicateId, -4116),        // DUPLICATED_CLIENT_ORDER_ID; an outcome is unknown, not refused
    (Refusal::Tick, -4014),               // PRICE_NOT_INCREASED_BY_TICK_SIZE
    (Refusal::Lot, -4023),                // QTY_NOT_INCREASED_BY_STEP_SIZE (-1111 where decimals are too many)
    (Refusal::MinQty, -4004),             // QTY_LESS_THAN_MIN_QTY (-4003 at zero)
    (Refusal::MaxQty, -4005),             // QTY_GREATER_THAN_MAX_QTY
    (Refusal::PriceTooHigh, -4002),       // PRICE_GREATER_THAN_MAX_PRICE
    (Refusal::PriceTooLow, -4013),        // PRICE_LESS_THAN_MIN_PRICE
    (Refusal::MinNotional, -4164),        // MIN_NOTIONAL
    (Refusal::AboveBand, -4016),          // PRICE_HIGHTER_THAN_MULTIPLIER_UP
    (Refusal::BelowBand, -4024),          // PRICE_LOWER_THAN_MULTIPLIER_DOWN
    (Refusal::TooManyOrders, -2025),      // MAX_OPEN_ORDER_EXCEEDED
    (Refusal::TooManyConditional, -4045), // MAX_STOP_ORDER_EXCEEDED
    (Refusal::Margin, -2019),             // MARGIN_NOT_SUFFICIENT
    (Refusal::LeverageBracket, -2027),    // MAX_LEVERAGE_RATIO
    (Refusal::ReduceOnly, -2022),         // REDUCE_ONLY_REJECT
    (Refusal::CloseOverlap, -4118),       // REDUCE_ONLY_MARGIN_CHECK_FAILED
    (Refusal::NoPosition, -4509),         // GTE_NEEDS_OPEN_POSITION, from the field
    (Refusal::AlreadyExists, -4130),      // GTE_CLOSE_POSITION_EXISTS, from the field
    (Refusal::WouldTrigger, -2021),       // ORDER_WOULD_IMMEDIATELY_TRIGGER
    (Refusal::UnknownOrder, -2011),       // CANCEL_REJECTED (-2013 for a query)
    (Refusal::NotAmendable, -5025),       // LIMIT_ORDER_ONLY
    (Refusal::BadLeverage, -4028),        // INVALID_LEVERAGE
    (Refusal::LeverageLocked, -4161),     // ISOLATED_LEVERAGE_REJECT_WITH_POSITION
    (Refusal::MarginModeLocked, -4048),   // THERE_EXISTS_QUANTITY (-4047 where only orders are open)
    (Refusal::Unsupported, -1020),        // UNSUPPORTED_OPERATION
    (Refusal::NoDepth, -1112),            // NO_DEPTH
];

/// Bitget, classic account. Source of every row: "Bitget, error codes", under the group beside it, or the page
/// of the call it names. The venue has several numbers for most of these; one stands for its group.
///
/// Not given by this venue: [`Refusal::OutOfRange`] and [`Refusal::NoAccount`], which are the simulation's own.
pub(super) const BITGET: &[(Refusal, i64)] = &[
    (Refusal::Window, 40_008),             // clock: the timestamp has expired
    (Refusal::UnknownSymbol, 40_034),      // a parameter or symbol does not exist
    (Refusal::Halted, 22_004),             // symbol state
    (Refusal::Mode, 40_774),               // position mode mismatch
    (Refusal::DuplicateId, 40_786),        // client ids, uniqueness; an outcome is unknown, not refused
    (Refusal::Tick, 45_115),               // precision
    (Refusal::Lot, 40_808),                // precision, where the words say checkBDScale
    (Refusal::MinQty, 45_111),             // smallest size
    (Refusal::MaxQty, 45_112),             // largest size
    (Refusal::PriceTooHigh, 41_103),       // a number in a form that is not taken; its contracts state no highest price
    (Refusal::PriceTooLow, 43_011),        // the same
    (Refusal::MinNotional, 45_110),        // smallest notional
    (Refusal::AboveBand, 22_047),          // instruments, price band
    (Refusal::BelowBand, 22_046),          // instruments, price band
    (Refusal::TooManyOrders, 45_118),      // too many orders
    (Refusal::TooManyConditional, 40_889), // plan orders have reached their upper limit
    (Refusal::Margin, 40_754),             // balance
    (Refusal::LeverageBracket, 40_762),    // size above the largest open one; also what a small balance looks like
    (Refusal::ReduceOnly, 40_757),         // close quantity: not enough position
    (Refusal::CloseOverlap, 40_939),       // close quantity: conflict with resting orders
    (Refusal::NoPosition, 43_023),         // position does not exist, or is not visible to the plans yet
    (Refusal::AlreadyExists, 43_031),      // stop or target exists
    (Refusal::WouldTrigger, 40_917),       // trigger on the wrong side
    (Refusal::UnknownOrder, 40_768),       // order does not exist
    (Refusal::NotAmendable, 40_922),       // change not possible now
    (Refusal::BadLeverage, 40_797),        // above the largest leverage that can be set, from the field
    (Refusal::LeverageLocked, 45_097),     // locked by open orders or positions
    (Refusal::MarginModeLocked, 45_117),   // set-margin-mode: locked by open orders or positions
    (Refusal::Unsupported, 40_404),        // no such call
    (Refusal::NoDepth, 22_045),            // liquidity
];
