//! Rounds of several contestants in turn, in processor time of this process.

use std::time::Duration;

use cpu_time::ProcessTime;

/// Many and short, so that what else the machine does falls on all contestants alike. The first warms up and is not
/// counted.
const ROUNDS: usize = 121;

/// What one call of a contestant cost, in nanoseconds.
#[derive(Debug, Clone)]
pub(crate) struct Cost {
    /// In each round, in order.
    pub(crate) rounds: Vec<f64>,
    /// In the best round.
    pub(crate) min: f64,
    /// In the middle round.
    pub(crate) median: f64,
}

/// Runs each contestant `calls` times, one after the other, and that again and again.
pub(crate) fn rounds<const N: usize>(calls: u32, mut contestants: [&mut dyn FnMut(u32); N]) -> [Cost; N] {
    let mut spent = [const { Vec::new() }; N];
    for round in 0..ROUNDS {
        for (contestant, spent) in contestants.iter_mut().zip(&mut spent) {
            let start = ProcessTime::now();
            contestant(calls);
            let each = per_call(start.elapsed(), calls);
            if round > 0 {
                spent.push(each);
            }
        }
    }
    spent.map(|spent| {
        let mut sorted = spent.clone();
        sorted.sort_by(f64::total_cmp);
        Cost { min: sorted[0], median: sorted[sorted.len() / 2], rounds: spent }
    })
}

/// What one contestant costs of another, both above a floor, round by round: the middle of those ratios. Where the
/// machine is slower for a while, it is so for all of them.
pub(crate) fn ratio(one: &Cost, other: &Cost, floor: &Cost) -> f64 {
    let rounds = one.rounds.iter().zip(&other.rounds).zip(&floor.rounds);
    let mut ratios: Vec<f64> = rounds.map(|((one, other), floor)| (one - floor) / (other - floor)).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

fn per_call(spent: Duration, calls: u32) -> f64 {
    spent.as_secs_f64() * 1e9 / f64::from(calls)
}
