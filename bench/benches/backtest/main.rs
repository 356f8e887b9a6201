//! Backtests over two years of one-minute bars: P1, P6 and P8, in processor time.

use std::hint::black_box;
use std::time::Duration;

use cpu_time::ProcessTime;
use kraite_core::exchange::{Direction, MarginMode};
use kraite_core::number::{Factor, Notional, Percent, Price};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::sizing::{Budget, LadderSpec, SizingModel, TargetBasis};
use kraite_core::time::VenueMillis;
use kraite_sim::backtest::{Fast, Outcome, Plan};
use kraite_sim::data::{Bar, Columns};
use kraite_sim::presets;
use kraite_sim::world::Latency;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const BARS: usize = 1_051_200;
const ROUNDS: usize = 5;

/// A normal number, by twelve uniform ones.
fn normal(draw: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| draw.random_range(0.0..1.0)).sum::<f64>() - 6.0
}

/// A logarithmic price that returns slowly, 0.08 % a minute.
fn bars(count: usize) -> Columns {
    let mut draw = ChaCha8Rng::seed_from_u64(7);
    let mut columns = Columns::new(cents(1));
    let (mut x, mut last) = (0.0_f64, 100.0_f64);
    for n in 0..count {
        x = (1.0 - 1e-5) * x + 0.0008 * normal(&mut draw);
        let (open, close) = (last, 100.0 * x.exp());
        last = close;
        let high = open.max(close) * (1.0 + 0.0004 * normal(&mut draw).abs());
        let low = open.min(close) * (1.0 - 0.0004 * normal(&mut draw).abs());
        let price = |value: f64| cents((value * 100.0).round() as i64);
        let at = 1_640_995_200_000 + n as i64 * 60_000;
        let (open, close) = (price(open), price(close));
        columns
            .push(&Bar {
                open_time: VenueMillis(at),
                open,
                high: price(high).max(open).max(close),
                low: price(low).min(open).min(close),
                close,
                volume: Default::default(),
                close_time: VenueMillis(at + 59_999),
            })
            .expect("cents");
    }
    columns
}

fn cents(units: i64) -> Price {
    Price::from_units(units, 2).expect("in range")
}

/// An entry and four rungs 0.3 % apart, each twice the one before, 0.6 % profit; the stop is far away.
fn plan() -> Plan {
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
        margin_mode: MarginMode::Cross,
        wallet: Notional::from_units(100_000, 0).expect("in range"),
        profile: presets::binance(),
        latency: Latency::FAR,
        slippage: Factor::default(),
    }
}

fn run(plan: &Plan, bars: &Columns, every: bool) -> (Outcome, Duration) {
    let before = ProcessTime::now();
    let run = Fast::new(plan, &[], ());
    let mut run = if every { run.every_bar() } else { run };
    run.play(bars).expect("it plays");
    let (outcome, ()) = run.finish();
    (black_box(outcome), before.elapsed())
}

fn best(plan: &Plan, bars: &Columns, every: bool) -> (Outcome, f64) {
    let runs = (0..ROUNDS).map(|_| run(plan, bars, every)).min_by_key(|(_, took)| *took);
    let (outcome, took) = runs.expect("rounds");
    (outcome, took.as_secs_f64() * 1e9 / bars.len() as f64)
}

/// A thousand shapes: ten gaps, ten profits, ten stops.
fn shapes() -> Vec<Plan> {
    let tenths = |units: i64| Percent::from_units(units, 1).expect("in range");
    let all = (0..1_000_i64).map(|n| {
        let mut plan = plan();
        plan.spec.gap = tenths(3 + n % 10 * 2);
        plan.spec.profit = tenths(4 + n / 10 % 10 * 2);
        plan.spec.stop = tenths(20 + n / 100 * 20);
        plan
    });
    all.collect()
}

fn main() {
    let (plan, some) = (plan(), bars(BARS));
    let (outcome, each) = best(&plan, &some, false);
    println!(
        "{BARS} bars: {} positions closed ({} by target), {} rungs filled, {} refused, pnl {}",
        outcome.positions_closed, outcome.targets, outcome.rungs_filled, outcome.refused, outcome.pnl
    );
    println!("  skipping     {each:>8.1} ns per bar            P1");
    println!("  every bar    {:>8.1} ns per bar", best(&plan, &some, true).1);
    let before = ProcessTime::now();
    let closed: u64 = shapes().iter().map(|plan| run(plan, &some, false).0.positions_closed).sum();
    println!("  1,000 shapes {:>8.1} s, {closed} positions     P8, at most 60", before.elapsed().as_secs_f64());
    let many = bars(BARS * 10);
    let each_of_many = best(&plan, &many, false).1;
    println!("  ten times    {each_of_many:>8.1} ns per bar, {:.2} of that  P6, at most 1.10", each_of_many / each);
}
