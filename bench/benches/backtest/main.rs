//! Backtests over two years of one-minute bars: P1, P6 and P8, in processor time.

mod ladder;

use std::hint::black_box;
use std::time::Duration;

use cpu_time::ProcessTime;
use kraite_core::number::Percent;
use kraite_sim::backtest::{Fast, Outcome, Plan};
use kraite_sim::data::Columns;

use crate::ladder::{cents, drawn, plan};

const BARS: usize = 1_051_200;
const ROUNDS: usize = 5;

fn bars(count: usize) -> Columns {
    let mut columns = Columns::new(cents(1));
    for bar in drawn(count) {
        columns.push(&bar).expect("cents");
    }
    columns
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
