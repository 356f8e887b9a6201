//! One type per endpoint: its values in, its parameters out. [`classic`] and [`unified`] have the same names for what
//! is asked for in the same sense; [`market`] is open to anybody, whatever the account.

pub mod classic;
pub mod market;
mod placement;
pub mod unified;

pub use placement::{MAX_BATCH, Order, OrderKind, PartialPlan, Placement};

use kraite_core::exchange::{Direction, PositionMode, Side, TriggerBy};

use super::ids::OrderName;
use super::params::Params;

/// The most rows of one page of a list.
pub const LIST_LIMIT: u32 = 100;

/// The constants of an endpoint; the number is its default limit per second.
macro_rules! endpoint {
    ($method:ident $path:literal $security:ident reads $per_second:literal) => {
        endpoint!(@ $method $path $security false $per_second);
    };
    ($method:ident $path:literal $security:ident mutates $per_second:literal) => {
        endpoint!(@ $method $path $security true $per_second);
    };
    (@ $method:ident $path:literal $security:ident $mutates:literal $per_second:literal) => {
        const METHOD: crate::codec::Method = crate::codec::Method::$method;
        const PATH: &'static str = $path;
        const SECURITY: crate::codec::request::Security = crate::codec::request::Security::$security;
        const MUTATES: bool = $mutates;
        const PER_SECOND: u32 = $per_second;
    };
}
use endpoint;

/// A side as requests spell it.
const fn side_word(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

/// A direction as requests spell it.
const fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Long => "long",
        Direction::Short => "short",
    }
}

/// A position mode as requests spell it.
const fn mode_word(mode: PositionMode) -> &'static str {
    match mode {
        PositionMode::OneWay => "one_way_mode",
        PositionMode::Hedge => "hedge_mode",
    }
}

/// The watched price as the classic API spells it.
const fn classic_trigger(by: TriggerBy) -> &'static str {
    match by {
        TriggerBy::Mark => "mark_price",
        TriggerBy::Last => "fill_price",
    }
}

/// The watched price as the unified API spells it.
const fn unified_trigger(by: TriggerBy) -> &'static str {
    match by {
        TriggerBy::Mark => "mark",
        TriggerBy::Last => "market",
    }
}

fn add_name(params: &mut Params, name: &OrderName) {
    match name {
        OrderName::Venue(id) => params.push("orderId", id),
        OrderName::Client(id) => params.push("clientOid", id),
    }
}
