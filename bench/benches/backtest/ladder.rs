//! The bars and the ladder of this bench and of `peers`, so that both speak of the same run.

use kraite_core::exchange::{Direction, MarginMode, TriggerBy};
use kraite_core::number::{Factor, Notional, Price, Qty};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::sizing::{Budget, LadderSpec, SizingModel, TargetBasis};
use kraite_core::time::VenueMillis;
use kraite_sim::backtest::Plan;
use kraite_sim::data::Bar;
use kraite_sim::presets;
use kraite_sim::world::Latency;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A normal number, by twelve uniform ones.
pub(crate) fn normal(draw: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| draw.random_range(0.0..1.0)).sum::<f64>() - 6.0
}

/// Bars of one minute: a logarithmic price that returns slowly, 0.08 % a minute.
pub(crate) fn drawn(count: usize) -> impl Iterator<Item = Bar> {
    let mut draw = ChaCha8Rng::seed_from_u64(7);
    let (mut x, mut last) = (0.0_f64, 100.0_f64);
    (0..count).map(move |n| {
        x = (1.0 - 1e-5) * x + 0.0008 * normal(&mut draw);
        let (open, close) = (last, 100.0 * x.exp());
        last = close;
        let high = open.max(close) * (1.0 + 0.0004 * normal(&mut draw).abs());
        let low = open.min(close) * (1.0 - 0.0004 * normal(&mut draw).abs());
        let price = |value: f64| cents((value * 100.0).round() as i64);
        let at = 1_640_995_200_000 + n as i64 * 60_000;
        let (open, close) = (price(open), price(close));
        Bar {
            open_time: VenueMillis(at),
            open,
            high: price(high).max(open).max(close),
            low: price(low).min(open).min(close),
            close,
            volume: Qty::ZERO,
            close_time: VenueMillis(at + 59_999),
        }
    })
}

pub(crate) fn cents(units: i64) -> Price {
    Price::from_units(units, 2).expect("in range")
}

/// An entry and four rungs 0.3 % apart, each twice the one before, 0.6 % profit; the stop is far away.
pub(crate) fn plan() -> Plan {
    let percent = |text: &str| text.parse().expect("a number");
    Plan {
        instrument: presets::instrument(),
        spec: LadderSpec {
            direction: Direction::Long,
            rungs: 4,
            gap: percent("0.3"),
            multipliers: vec![Factor::from_integer(2)],
            profit: percent("0.6"),
            stop: percent("60"),
            model: SizingModel::Unbounded,
            basis: TargetBasis::AverageEntry,
            headroom: percent("0.1"),
        },
        budget: Budget { margin: Notional::from_units(1_000, 0).expect("in range"), leverage_cap: 2 },
        sequence: Sequence::LadderFirst,
        target_style: TargetStyle::Limit,
        stop_by: TriggerBy::Mark,
        margin_mode: MarginMode::Cross,
        wallet: Notional::from_units(100_000, 0).expect("in range"),
        profile: presets::binance(),
        latency: Latency::FAR,
        slippage: Factor::default(),
    }
}
