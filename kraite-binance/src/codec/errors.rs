//! The venue's error codes as data, as in "Binance USD-M, Error Codes" and what the field adds to them.

/// What a code is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The venue does not know what became of the request.
    UnknownOutcome,
    /// Not executed for a reason that passes.
    TransientSafe,
    /// Key, signature, address list.
    Auth,
    /// A limit of the address or the account.
    RateLimited,
    /// Not executed.
    DefinitelyRejected,
    /// Outside the window.
    ClockSkew,
    /// Position mode and parameters do not fit.
    ModeMismatch,
    /// Off the grid or out of bounds.
    FilterPrecision,
    /// Too far from the mark.
    FilterPercentPrice,
    /// Too small.
    MinNotional,
    /// The contract does not trade.
    SymbolState,
    /// The account may not.
    AccountState,
    /// A configuration cannot change now.
    ConfigBlocked,
    /// No such listen key.
    ListenKey,
    /// Not open, or not known.
    OrderNotFound,
    /// Not enough margin.
    InsufficientMargin,
    /// A trigger that would fire at once.
    WouldTrigger,
    /// A close-only order that does not fit what is open.
    ReduceOnlyRejected,
    /// Too many open orders.
    LimitReached,
    /// Already so.
    Noop,
    /// One with this id, or of this kind, exists.
    DuplicateId,
    /// A change of the same order is under way.
    Pending,
    /// The other order service takes this.
    WrongEndpoint,
    /// No position to close.
    NoPosition,
    /// A post-only order that would take.
    PostOnlyRejected,
    /// The order stays as it was.
    ModifyRejected,
}

/// Whether the order of a placing request can exist after this answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Placed {
    /// It cannot.
    No,
    /// Nobody knows.
    Maybe,
    /// One exists.
    Yes,
    /// The code is not about placing.
    NotAbout,
}

/// One code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorRow {
    /// The number in the body.
    pub code: i64,
    /// Its name in the documentation.
    pub name: &'static str,
    /// What it is about.
    pub class: Class,
    /// What it proves about a placing request.
    pub placed: Placed,
}

const fn row(code: i64, name: &'static str, class: Class, placed: Placed) -> ErrorRow {
    ErrorRow { code, name, class, placed }
}

/// The row of a code; `None` for one that is not listed, which proves nothing.
#[must_use]
pub fn error_row(code: i64) -> Option<&'static ErrorRow> {
    // Descending, so that the list reads as the documentation does.
    ERRORS.binary_search_by(|row| code.cmp(&row.code)).ok().and_then(|at| ERRORS.get(at))
}

/// Every listed code, from -1000 downwards.
pub const ERRORS: &[ErrorRow] = &[
    row(-1000, "UNKNOWN", Class::UnknownOutcome, Placed::Maybe),
    row(-1001, "DISCONNECTED", Class::TransientSafe, Placed::No),
    row(-1002, "UNAUTHORIZED", Class::Auth, Placed::No),
    row(-1003, "TOO_MANY_REQUESTS", Class::RateLimited, Placed::No),
    row(-1006, "UNEXPECTED_RESP", Class::UnknownOutcome, Placed::Maybe),
    row(-1007, "TIMEOUT", Class::UnknownOutcome, Placed::Maybe),
    row(-1008, "THROTTLED", Class::TransientSafe, Placed::No),
    row(-1010, "ERROR_MSG_RECEIVED", Class::UnknownOutcome, Placed::Maybe),
    row(-1011, "NON_WHITE_LIST", Class::Auth, Placed::No),
    row(-1013, "INVALID_MESSAGE", Class::DefinitelyRejected, Placed::No),
    row(-1014, "UNKNOWN_ORDER_COMPOSITION", Class::DefinitelyRejected, Placed::No),
    row(-1015, "TOO_MANY_ORDERS", Class::RateLimited, Placed::No),
    row(-1016, "SERVICE_SHUTTING_DOWN", Class::TransientSafe, Placed::No),
    row(-1020, "UNSUPPORTED_OPERATION", Class::DefinitelyRejected, Placed::No),
    row(-1021, "INVALID_TIMESTAMP", Class::ClockSkew, Placed::No),
    row(-1022, "INVALID_SIGNATURE", Class::Auth, Placed::No),
    row(-1023, "START_TIME_GREATER_THAN_END_TIME", Class::DefinitelyRejected, Placed::No),
    row(-1099, "NOT_FOUND_OR_UNAUTHORIZED", Class::Auth, Placed::No),
    row(-1100, "ILLEGAL_CHARS", Class::DefinitelyRejected, Placed::No),
    row(-1101, "TOO_MANY_PARAMETERS", Class::DefinitelyRejected, Placed::No),
    row(-1102, "MANDATORY_PARAM", Class::DefinitelyRejected, Placed::No),
    row(-1103, "UNKNOWN_PARAM", Class::DefinitelyRejected, Placed::No),
    row(-1104, "UNREAD_PARAMETERS", Class::DefinitelyRejected, Placed::No),
    row(-1105, "PARAM_EMPTY", Class::DefinitelyRejected, Placed::No),
    row(-1106, "PARAM_NOT_REQUIRED", Class::ModeMismatch, Placed::No),
    row(-1108, "BAD_ASSET", Class::DefinitelyRejected, Placed::No),
    row(-1109, "BAD_ACCOUNT", Class::DefinitelyRejected, Placed::No),
    row(-1111, "BAD_PRECISION", Class::FilterPrecision, Placed::No),
    row(-1112, "NO_DEPTH", Class::TransientSafe, Placed::No),
    row(-1114, "TIF_NOT_REQUIRED", Class::DefinitelyRejected, Placed::No),
    row(-1115, "INVALID_TIF", Class::DefinitelyRejected, Placed::No),
    row(-1116, "INVALID_ORDER_TYPE", Class::DefinitelyRejected, Placed::No),
    row(-1117, "INVALID_SIDE", Class::DefinitelyRejected, Placed::No),
    row(-1118, "EMPTY_NEW_CL_ORD_ID", Class::DefinitelyRejected, Placed::No),
    row(-1119, "EMPTY_ORG_CL_ORD_ID", Class::DefinitelyRejected, Placed::No),
    row(-1120, "BAD_INTERVAL", Class::DefinitelyRejected, Placed::No),
    row(-1121, "BAD_SYMBOL", Class::DefinitelyRejected, Placed::No),
    row(-1122, "INVALID_SYMBOL_STATUS", Class::SymbolState, Placed::No),
    row(-1125, "INVALID_LISTEN_KEY", Class::ListenKey, Placed::NotAbout),
    row(-1127, "MORE_THAN_XX_HOURS", Class::DefinitelyRejected, Placed::No),
    row(-1128, "OPTIONAL_PARAMS_BAD_COMBO", Class::DefinitelyRejected, Placed::No),
    row(-1130, "INVALID_PARAMETER", Class::DefinitelyRejected, Placed::No),
    row(-1136, "INVALID_NEW_ORDER_RESP_TYPE", Class::DefinitelyRejected, Placed::No),
    row(-2010, "NEW_ORDER_REJECTED", Class::DefinitelyRejected, Placed::No),
    row(-2011, "CANCEL_REJECTED", Class::OrderNotFound, Placed::NotAbout),
    row(-2012, "CANCEL_ALL_FAIL", Class::UnknownOutcome, Placed::Maybe),
    row(-2013, "NO_SUCH_ORDER", Class::OrderNotFound, Placed::NotAbout),
    row(-2014, "BAD_API_KEY_FMT", Class::Auth, Placed::No),
    row(-2015, "REJECTED_MBX_KEY", Class::Auth, Placed::No),
    row(-2017, "API_KEYS_LOCKED", Class::Auth, Placed::No),
    row(-2018, "BALANCE_NOT_SUFFICIENT", Class::InsufficientMargin, Placed::No),
    row(-2019, "MARGIN_NOT_SUFFICIENT", Class::InsufficientMargin, Placed::No),
    row(-2020, "UNABLE_TO_FILL", Class::DefinitelyRejected, Placed::No),
    row(-2021, "ORDER_WOULD_IMMEDIATELY_TRIGGER", Class::WouldTrigger, Placed::No),
    row(-2022, "REDUCE_ONLY_REJECT", Class::ReduceOnlyRejected, Placed::No),
    row(-2023, "USER_IN_LIQUIDATION", Class::AccountState, Placed::No),
    row(-2024, "POSITION_NOT_SUFFICIENT", Class::ReduceOnlyRejected, Placed::No),
    row(-2025, "MAX_OPEN_ORDER_EXCEEDED", Class::LimitReached, Placed::No),
    row(-2026, "REDUCE_ONLY_ORDER_TYPE_NOT_SUPPORTED", Class::DefinitelyRejected, Placed::No),
    row(-2027, "MAX_LEVERAGE_RATIO", Class::InsufficientMargin, Placed::No),
    row(-2028, "MIN_LEVERAGE_RATIO", Class::InsufficientMargin, Placed::No),
    row(-4000, "INVALID_ORDER_STATUS", Class::DefinitelyRejected, Placed::No),
    row(-4001, "PRICE_LESS_THAN_ZERO", Class::FilterPrecision, Placed::No),
    row(-4002, "PRICE_GREATER_THAN_MAX_PRICE", Class::FilterPrecision, Placed::No),
    row(-4003, "QTY_LESS_THAN_ZERO", Class::FilterPrecision, Placed::No),
    row(-4004, "QTY_LESS_THAN_MIN_QTY", Class::FilterPrecision, Placed::No),
    row(-4005, "QTY_GREATER_THAN_MAX_QTY", Class::FilterPrecision, Placed::No),
    row(-4006, "STOP_PRICE_LESS_THAN_ZERO", Class::FilterPrecision, Placed::No),
    row(-4007, "STOP_PRICE_GREATER_THAN_MAX_PRICE", Class::FilterPrecision, Placed::No),
    row(-4013, "PRICE_LESS_THAN_MIN_PRICE", Class::FilterPrecision, Placed::No),
    row(-4014, "PRICE_NOT_INCREASED_BY_TICK_SIZE", Class::FilterPrecision, Placed::No),
    row(-4015, "INVALID_CL_ORD_ID_LEN", Class::DefinitelyRejected, Placed::No),
    row(-4016, "PRICE_HIGHTER_THAN_MULTIPLIER_UP", Class::FilterPercentPrice, Placed::No),
    row(-4023, "QTY_NOT_INCREASED_BY_STEP_SIZE", Class::FilterPrecision, Placed::No),
    row(-4024, "PRICE_LOWER_THAN_MULTIPLIER_DOWN", Class::FilterPercentPrice, Placed::No),
    row(-4028, "INVALID_LEVERAGE", Class::DefinitelyRejected, Placed::No),
    row(-4029, "INVALID_TICK_SIZE_PRECISION", Class::FilterPrecision, Placed::No),
    row(-4030, "INVALID_STEP_SIZE_PRECISION", Class::FilterPrecision, Placed::No),
    row(-4031, "INVALID_WORKING_TYPE", Class::DefinitelyRejected, Placed::No),
    row(-4045, "MAX_STOP_ORDER_EXCEEDED", Class::LimitReached, Placed::No),
    row(-4046, "NO_NEED_TO_CHANGE_MARGIN_TYPE", Class::Noop, Placed::NotAbout),
    row(-4047, "THERE_EXISTS_OPEN_ORDERS", Class::ConfigBlocked, Placed::NotAbout),
    row(-4048, "THERE_EXISTS_QUANTITY", Class::ConfigBlocked, Placed::NotAbout),
    row(-4050, "CROSS_BALANCE_INSUFFICIENT", Class::InsufficientMargin, Placed::No),
    row(-4051, "ISOLATED_BALANCE_INSUFFICIENT", Class::InsufficientMargin, Placed::No),
    row(-4059, "NO_NEED_TO_CHANGE_POSITION_SIDE", Class::Noop, Placed::NotAbout),
    row(-4060, "INVALID_POSITION_SIDE", Class::ModeMismatch, Placed::No),
    row(-4061, "POSITION_SIDE_NOT_MATCH", Class::ModeMismatch, Placed::No),
    row(-4062, "REDUCE_ONLY_CONFLICT", Class::ModeMismatch, Placed::No),
    row(-4067, "POSITION_SIDE_CHANGE_EXISTS_OPEN_ORDERS", Class::ConfigBlocked, Placed::NotAbout),
    row(-4068, "POSITION_SIDE_CHANGE_EXISTS_QUANTITY", Class::ConfigBlocked, Placed::NotAbout),
    row(-4082, "INVALID_BATCH_PLACE_ORDER_SIZE", Class::DefinitelyRejected, Placed::No),
    row(-4083, "PLACE_BATCH_ORDERS_FAIL", Class::UnknownOutcome, Placed::Maybe),
    row(-4084, "UPCOMING_METHOD", Class::TransientSafe, Placed::No),
    row(-4087, "REDUCE_ONLY_ORDER_PERMISSION", Class::AccountState, Placed::No),
    row(-4088, "NO_PLACE_ORDER_PERMISSION", Class::AccountState, Placed::No),
    row(-4109, "INACTIVE_ACCOUNT", Class::AccountState, Placed::No),
    row(-4116, "DUPLICATED_CLIENT_ORDER_ID", Class::DuplicateId, Placed::Yes),
    row(-4117, "STOP_ORDER_TRIGGERING", Class::Pending, Placed::NotAbout),
    row(-4118, "REDUCE_ONLY_MARGIN_CHECK_FAILED", Class::ReduceOnlyRejected, Placed::No),
    row(-4120, "STOP_ORDER_SWITCH_ALGO", Class::WrongEndpoint, Placed::No),
    row(-4130, "GTE_CLOSE_POSITION_EXISTS", Class::DuplicateId, Placed::Yes),
    row(-4131, "MARKET_ORDER_REJECT", Class::FilterPercentPrice, Placed::No),
    row(-4135, "INVALID_ACTIVATION_PRICE", Class::WouldTrigger, Placed::No),
    row(-4137, "QUANTITY_EXISTS_WITH_CLOSE_POSITION", Class::DefinitelyRejected, Placed::No),
    row(-4138, "REDUCE_ONLY_MUST_BE_TRUE", Class::DefinitelyRejected, Placed::No),
    row(-4140, "INVALID_OPENING_POSITION_STATUS", Class::SymbolState, Placed::No),
    row(-4141, "SYMBOL_ALREADY_CLOSED", Class::SymbolState, Placed::No),
    row(-4142, "STRATEGY_INVALID_TRIGGER_PRICE", Class::WouldTrigger, Placed::No),
    row(-4144, "INVALID_PAIR", Class::DefinitelyRejected, Placed::No),
    row(-4161, "ISOLATED_LEVERAGE_REJECT_WITH_POSITION", Class::ConfigBlocked, Placed::NotAbout),
    row(-4164, "MIN_NOTIONAL", Class::MinNotional, Placed::No),
    row(-4165, "INVALID_TIME_INTERVAL", Class::DefinitelyRejected, Placed::NotAbout),
    row(-4167, "ISOLATED_REJECT_WITH_JOINT_MARGIN", Class::ConfigBlocked, Placed::NotAbout),
    row(-4168, "JOINT_MARGIN_REJECT_WITH_ISOLATED", Class::ConfigBlocked, Placed::NotAbout),
    row(-4171, "NO_NEED_TO_CHANGE_JOINT_MARGIN", Class::Noop, Placed::NotAbout),
    row(-4181, "INVALID_START_TIME", Class::DefinitelyRejected, Placed::NotAbout),
    row(-4183, "PRICE_HIGHER_THAN_STOP_MULTIPLIER_UP", Class::FilterPercentPrice, Placed::No),
    row(-4184, "PRICE_LOWER_THAN_STOP_MULTIPLIER_DOWN", Class::FilterPercentPrice, Placed::No),
    row(-4192, "COOLING_OFF_PERIOD", Class::AccountState, Placed::No),
    row(-4202, "ADJUST_LEVERAGE_KYC_FAILED", Class::ConfigBlocked, Placed::NotAbout),
    row(-4203, "ADJUST_LEVERAGE_ONE_MONTH_FAILED", Class::ConfigBlocked, Placed::NotAbout),
    row(-4205, "ADJUST_LEVERAGE_X_DAYS_FAILED", Class::ConfigBlocked, Placed::NotAbout),
    row(-4206, "ADJUST_LEVERAGE_KYC_LIMIT", Class::ConfigBlocked, Placed::NotAbout),
    row(-4208, "ADJUST_LEVERAGE_ACCOUNT_SYMBOL_FAILED", Class::ConfigBlocked, Placed::NotAbout),
    row(-4209, "ADJUST_LEVERAGE_SYMBOL_FAILED", Class::ConfigBlocked, Placed::NotAbout),
    row(-4210, "STOP_PRICE_HIGHER_THAN_PRICE_MULTIPLIER_LIMIT", Class::FilterPercentPrice, Placed::No),
    row(-4211, "STOP_PRICE_LOWER_THAN_PRICE_MULTIPLIER_LIMIT", Class::FilterPercentPrice, Placed::No),
    row(-4400, "TRADING_QUANTITATIVE_RULE", Class::AccountState, Placed::No),
    row(-4401, "LARGE_POSITION_SYM_RULE", Class::AccountState, Placed::No),
    row(-4402, "COMPLIANCE_BLACK_SYMBOL_RESTRICTION", Class::AccountState, Placed::No),
    row(-4403, "ADJUST_LEVERAGE_COMPLIANCE_FAILED", Class::ConfigBlocked, Placed::NotAbout),
    row(-4509, "GTE_NEEDS_OPEN_POSITION", Class::NoPosition, Placed::No),
    row(-4531, "DUAL_SIDE_SYNC_REJECT", Class::ModeMismatch, Placed::No),
    row(-5021, "FOK_ORDER_REJECT", Class::DefinitelyRejected, Placed::No),
    row(-5022, "GTX_ORDER_REJECT", Class::PostOnlyRejected, Placed::No),
    row(-5024, "MOVE_ORDER_NOT_ALLOWED_SYMBOL_REASON", Class::ModifyRejected, Placed::NotAbout),
    row(-5025, "LIMIT_ORDER_ONLY", Class::ModifyRejected, Placed::NotAbout),
    row(-5026, "EXCEED_MAXIMUM_MODIFY_ORDER_LIMIT", Class::ModifyRejected, Placed::NotAbout),
    row(-5027, "SAME_ORDER", Class::Noop, Placed::NotAbout),
    row(-5028, "ME_RECVWINDOW_REJECT", Class::ClockSkew, Placed::No),
    row(-5029, "MODIFICATION_MIN_NOTIONAL", Class::MinNotional, Placed::NotAbout),
    row(-5037, "INVALID_PRICE_MATCH", Class::DefinitelyRejected, Placed::No),
    row(-5038, "UNSUPPORTED_ORDER_TYPE_PRICE_MATCH", Class::DefinitelyRejected, Placed::No),
    row(-5039, "INVALID_SELF_TRADE_PREVENTION_MODE", Class::DefinitelyRejected, Placed::No),
    row(-5040, "FUTURE_GOOD_TILL_DATE", Class::DefinitelyRejected, Placed::No),
    row(-5041, "BBO_ORDER_REJECT", Class::DefinitelyRejected, Placed::No),
    row(-5043, "EXISTING_PENDING_MODIFICATION", Class::Pending, Placed::NotAbout),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_each_code_is_found() {
        assert!(ERRORS.windows(2).all(|pair| pair[0].code > pair[1].code));
        for row in ERRORS {
            assert_eq!(error_row(row.code), Some(row));
        }
        assert_eq!(error_row(-9_999), None);
        assert_eq!(error_row(200), None);
    }
}
