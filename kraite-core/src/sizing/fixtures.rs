//! The setup of every worked example in requirements F.

use alloc::vec;
use alloc::vec::Vec;

use super::{Budget, LadderSpec, SizingModel, TargetBasis};
use crate::exchange::Direction;
use crate::id::Symbol;
use crate::instrument::{Instrument, LeverageBracket, PriceBand};
use crate::number::{Factor, Notional, Qty};

pub(crate) fn brackets(of: &[(i64, u32)]) -> Vec<LeverageBracket> {
    let mut table: Vec<_> = of
        .iter()
        .map(|(cap, max_leverage)| LeverageBracket {
            max_leverage: *max_leverage,
            notional_floor: Notional::ZERO,
            notional_cap: Notional::from_units(*cap, 0).unwrap(),
            maintenance_ratio: Factor::ZERO,
            maintenance_deduction: Notional::ZERO,
        })
        .collect();
    table.sort_by_key(|b| b.notional_cap);
    table
}

pub(crate) fn instrument() -> Instrument {
    let lot: Qty = "0.01".parse().unwrap();
    let most: Qty = "1000000".parse().unwrap();
    Instrument {
        symbol: Symbol::new("TESTUSDT"),
        quote: "USDT".into(),
        tick: "0.01".parse().unwrap(),
        lot,
        market_lot: lot,
        min_qty: lot,
        max_qty: most,
        max_market_qty: most,
        min_price: "0.01".parse().unwrap(),
        max_price: Some("100000".parse().unwrap()),
        min_notional: "5".parse().unwrap(),
        band: PriceBand::default(),
        max_orders: Some(200),
        brackets: brackets(&[(250_000, 10), (100_000, 25), (25_000, 50), (5_000, 75)]),
        maker_fee: "0.0002".parse().unwrap(),
        taker_fee: "0.0005".parse().unwrap(),
    }
}

pub(crate) fn spec(direction: Direction, model: SizingModel) -> LadderSpec {
    let gap = match direction {
        Direction::Long => "8.5",
        Direction::Short => "9.5",
    };
    LadderSpec {
        direction,
        rungs: 4,
        gap: gap.parse().unwrap(),
        multipliers: vec![Factor::from_integer(2); 4],
        profit: "0.36".parse().unwrap(),
        stop: "2.5".parse().unwrap(),
        model,
        basis: TargetBasis::AverageEntry,
        headroom: "0.5".parse().unwrap(),
    }
}

pub(crate) fn budget() -> Budget {
    Budget { margin: "100".parse().unwrap(), leverage_cap: 20 }
}
