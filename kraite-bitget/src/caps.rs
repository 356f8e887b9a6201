//! What Bitget can do, and how long a missing order has to stay missing there.

use kraite_core::capabilities::{AbsenceRule, Capabilities, Protection, ProtectiveRepeat, Reprice, StopSizing};
use kraite_core::exchange::Endpoint;
use kraite_core::time::Millis;

/// A request is refused once its timestamp is this old.
pub(crate) const WINDOW: Millis = Millis::from_secs(30);
/// Added to the window: an order is proven absent 35 s after its timestamp at the earliest.
const BOUND: Millis = Millis::from_secs(5);
/// An order that never filled can be queried this long after it ended.
const RETENTION: Millis = Millis::from_secs(3 * 86_400);
/// Trigger orders an account is assumed to be allowed.
const MAX_CONDITIONAL: u32 = 200;
/// Orders in one batch call that kraite uses.
const BATCH: u8 = 5;
/// About 300 connections in 5 minutes and address.
const CONNECT_RAMP: Millis = Millis::from_secs(1);

fn absence() -> AbsenceRule {
    AbsenceRule {
        window: WINDOW,
        engine_bound: BOUND,
        endpoints: vec![Endpoint::Order, Endpoint::OpenOrders, Endpoint::History],
        readings: 2,
        gap: Millis::from_secs(1),
        retention: RETENTION,
    }
}

/// The capabilities of Bitget USDT futures.
#[must_use]
pub fn capabilities() -> Capabilities {
    Capabilities {
        protection: Protection::Paired,
        stop_sizing: StopSizing::ClosePosition,
        reprice_limit: Reprice::RestatePair,
        reprice_trigger: Reprice::RestatePair,
        protective_repeat: ProtectiveRepeat::Harmless,
        absence_regular: absence(),
        absence_conditional: absence(),
        absence_plan: absence(),
        max_conditional_orders: Some(MAX_CONDITIONAL),
        batch_size: BATCH,
        may_refuse_deep_rungs: true,
        connect_ramp: CONNECT_RAMP,
        closes_whole: true,
    }
}
