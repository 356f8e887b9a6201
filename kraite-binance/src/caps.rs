//! What Binance USD-M can do, and how long a missing order has to stay missing there.

use kraite_core::capabilities::{AbsenceRule, Capabilities, Protection, ProtectiveRepeat, Reprice, StopSizing};
use kraite_core::exchange::Endpoint;
use kraite_core::time::Millis;

/// `recvWindow` of a signed request: after timestamp + window the venue answers -1021.
const WINDOW: Millis = Millis::from_secs(3);
/// The venue's own bound between taking a regular order and showing it ("Unknown error … may take 10 s").
const REGULAR_BOUND: Millis = Millis::from_secs(10);
/// Conditional orders are checked again after they were taken; the bound is not documented, this is assumed.
const CONDITIONAL_BOUND: Millis = Millis::from_secs(60);
/// An order that never filled can be queried this long after it ended.
const RETENTION: Millis = Millis::from_secs(3 * 86_400);
/// Conditional orders an account may have open (since 2025-12).
const MAX_CONDITIONAL: u32 = 200;
/// Orders in one `batchOrders` call.
const BATCH: u8 = 5;
/// About 300 connections in 5 minutes and address.
const CONNECT_RAMP: Millis = Millis::from_secs(1);

fn absence(engine_bound: Millis) -> AbsenceRule {
    AbsenceRule {
        window: WINDOW,
        engine_bound,
        endpoints: vec![Endpoint::Order, Endpoint::OpenOrders, Endpoint::History],
        readings: 2,
        gap: Millis::from_secs(1),
        retention: RETENTION,
    }
}

/// The capabilities of Binance USD-M futures.
#[must_use]
pub fn capabilities() -> Capabilities {
    Capabilities {
        protection: Protection::Separate,
        stop_sizing: StopSizing::ClosePosition,
        reprice_limit: Reprice::AmendInPlace,
        reprice_trigger: Reprice::MakeBeforeBreak,
        protective_repeat: ProtectiveRepeat::Harmless,
        absence_regular: absence(REGULAR_BOUND),
        absence_conditional: absence(CONDITIONAL_BOUND),
        absence_plan: absence(CONDITIONAL_BOUND),
        max_conditional_orders: Some(MAX_CONDITIONAL),
        batch_size: BATCH,
        may_refuse_deep_rungs: false,
        connect_ramp: CONNECT_RAMP,
        closes_whole: false,
    }
}
