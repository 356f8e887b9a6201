//! Profiles of real venues, the one place of this crate that knows their names.

mod codes;

use kraite_core::capabilities::{AbsenceRule, Capabilities, Protection, ProtectiveRepeat, Reprice, StopSizing};
use kraite_core::exchange::{Endpoint, MarginMode, PositionMode};
use kraite_core::id::{AccountTag, Symbol};
use kraite_core::instrument::{Instrument, LeverageBracket, PriceBand};
use kraite_core::number::{Factor, Notional, Price, Qty};
use kraite_core::time::{Millis, VenueMillis};

use crate::script;
use crate::venue::{
    AckDetail, ChildPush, CloseOverlap, Oversize, PairOverwrite, PairRefusal, Quirks, ReadLag, Retention, SameId,
    TriggerOverlap, Venue, VenueProfile, WhenFlat,
};

const DAY: i64 = 86_400;

fn rule(window: i64, engine_bound: i64) -> AbsenceRule {
    AbsenceRule {
        window: Millis::from_secs(window),
        engine_bound: Millis::from_secs(engine_bound),
        endpoints: vec![Endpoint::Order, Endpoint::OpenOrders, Endpoint::History],
        readings: 2,
        gap: Millis::from_secs(1),
        retention: Millis::from_secs(3 * DAY),
    }
}

fn factor(units: i64, scale: u32) -> Factor {
    Factor::from_units(units, scale).unwrap_or_default()
}

/// Binance USD-M: stop and target are separate conditional orders.
#[must_use]
pub fn binance() -> VenueProfile {
    VenueProfile {
        capabilities: Capabilities {
            protection: Protection::Separate,
            stop_sizing: StopSizing::ClosePosition,
            reprice_limit: Reprice::AmendInPlace,
            reprice_trigger: Reprice::MakeBeforeBreak,
            protective_repeat: ProtectiveRepeat::Harmless,
            absence_regular: rule(3, 10),
            absence_conditional: rule(3, 60),
            absence_plan: rule(3, 60),
            max_conditional_orders: Some(200),
            batch_size: 5,
            may_refuse_deep_rungs: false,
            connect_ramp: Millis(1_000),
            closes_whole: false,
        },
        quirks: Quirks {
            pair_overwrite: PairOverwrite::Rename,
            pair_refusal: PairRefusal::PerLeg,
            when_flat: WhenFlat::Expire,
            oversize: Oversize::Cut,
            close_overlap: CloseOverlap::Accept,
            trigger_overlap: TriggerOverlap::Accept,
            child_push: ChildPush::BeforeParent,
            same_id: SameId::Newest,
            ack: AckDetail::NoAverage,
            read_lag: ReadLag {
                order: Millis(200),
                open_orders: Millis(200),
                history: Millis(500),
                positions: Millis(500),
            },
            retention: Retention { unfilled: Millis::from_secs(3 * DAY), any: Millis::from_secs(90 * DAY) },
            position_unseen: Millis(0),
            deep_band: false,
            child_refused: false,
            rules_unreadable: false,
            clock_tolerance: Millis(1_000),
            default_leverage: 20,
            default_margin_mode: MarginMode::Cross,
            liquidation_fee: factor(125, 4),
            codes: codes::BINANCE,
        },
    }
}

/// Bitget: stop and target travel in one call that overwrites.
#[must_use]
pub fn bitget() -> VenueProfile {
    let mut profile = binance();
    profile.capabilities.protection = Protection::Paired;
    profile.capabilities.reprice_limit = Reprice::RestatePair;
    profile.capabilities.reprice_trigger = Reprice::RestatePair;
    profile.capabilities.absence_regular = rule(30, 5);
    profile.capabilities.absence_conditional = rule(30, 5);
    profile.capabilities.absence_plan = rule(30, 5);
    profile.capabilities.may_refuse_deep_rungs = true;
    profile.capabilities.closes_whole = true;
    profile.quirks.child_push = ChildPush::AfterParent;
    profile.quirks.when_flat = WhenFlat::Cancel;
    profile.quirks.ack = AckDetail::IdOnly;
    profile.quirks.position_unseen = Millis(400);
    profile.quirks.codes = codes::BITGET;
    profile
}

/// Both shapes of protection: stop and target as two orders, and as one call.
#[must_use]
pub fn shapes() -> [VenueProfile; 2] {
    [binance(), bitget()]
}

/// Two contracts with different grids: the demo contract and one whose steps are coarse.
#[must_use]
pub fn contracts() -> Vec<Instrument> {
    let fine = instrument();
    let coarse = Instrument {
        symbol: Symbol::new("COARSEUSDT"),
        tick: Price::from_units(5, 1).unwrap_or_default(),
        lot: Qty::from_units(1, 1).unwrap_or_default(),
        market_lot: Qty::from_units(1, 1).unwrap_or_default(),
        min_qty: Qty::from_units(1, 1).unwrap_or_default(),
        min_notional: Notional::from_units(20, 0).unwrap_or_default(),
        ..fine.clone()
    };
    vec![fine, coarse]
}

/// A venue with one contract, [`instrument`] at 150.24, and one account with 2000 USDT.
#[must_use]
pub fn venue(profile: VenueProfile, account: AccountTag, now: VenueMillis) -> Venue {
    let contract = instrument();
    let (symbol, price) = (contract.symbol.clone(), script::cents(script::OPENING));
    let mut venue = Venue::new(profile, now);
    venue.list(contract);
    venue.open_account(account, PositionMode::OneWay, Notional::from_units(2_000, 0).unwrap_or_default());
    venue.price(&symbol, price, price, now);
    venue
}

/// A contract for tests and demos: tick and lot 0.01, smallest order 5 USDT.
#[must_use]
pub fn instrument() -> Instrument {
    let bracket = |max_leverage, floor: i64, cap: i64, ratio: i64, deduction: i64| LeverageBracket {
        max_leverage,
        notional_floor: Notional::from_units(floor, 0).unwrap_or_default(),
        notional_cap: Notional::from_units(cap, 0).unwrap_or_default(),
        maintenance_ratio: factor(ratio, 4),
        maintenance_deduction: Notional::from_units(deduction, 0).unwrap_or_default(),
    };
    Instrument {
        symbol: Symbol::new("SOLUSDT"),
        quote: "USDT".into(),
        tick: Price::from_units(1, 2).unwrap_or_default(),
        lot: Qty::from_units(1, 2).unwrap_or_default(),
        market_lot: Qty::from_units(1, 2).unwrap_or_default(),
        min_qty: Qty::from_units(1, 2).unwrap_or_default(),
        max_qty: Qty::from_units(100_000, 0).unwrap_or_default(),
        max_market_qty: Qty::from_units(10_000, 0).unwrap_or_default(),
        min_price: Price::from_units(1, 2).unwrap_or_default(),
        max_price: None,
        min_notional: Notional::from_units(5, 0).unwrap_or_default(),
        band: PriceBand::default(),
        max_orders: Some(200),
        brackets: vec![
            bracket(75, 0, 5_000, 65, 0),
            bracket(50, 5_000, 25_000, 100, 17),
            bracket(25, 25_000, 100_000, 200, 267),
            bracket(10, 100_000, 250_000, 500, 3_267),
        ],
        maker_fee: factor(2, 4),
        taker_fee: factor(5, 4),
    }
}
