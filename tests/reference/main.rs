//! A slow backtest that shares nothing with the fast one but the types of its input and output, and what it is for: the
//! fast one comes to the same trades and the same money, to the last digit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod cases;
mod decimal;
mod ladder;
mod mutants;
mod simulator;
mod terms;

use cases::{Counts, drawn};

impl Counts {
    fn add(&mut self, other: &Self) {
        self.bars += other.bars;
        self.opened += other.opened;
        self.closed += other.closed;
        self.stops += other.stops;
        self.targets += other.targets;
        self.rungs += other.rungs;
        self.liquidations += other.liquidations;
        self.refused += other.refused;
        self.cancelled += other.cancelled;
    }
}

#[test]
fn s10_the_reference_agrees_on_drawn_markets() {
    let mut seen = Counts::default();
    let mut wrong = 0;
    for seed in 0..std::env::var("SEEDS").map_or(150, |n| n.parse().unwrap()) {
        let case = drawn(seed, 600);
        let (fast, reference) = (case.fast(), case.reference(None));
        if let Some(words) = fast.differs_from(&reference) {
            println!("seed {seed}: {words}\n{:?}\n", case.plan.spec);
            wrong += 1;
        }
        if seed % 10 == 0 && std::env::var("LONGWAY").is_ok() {
            let long = case.long_way(&fast);
            if let Some(words) = long.differs_from(&reference) {
                println!("long way, seed {seed}: {words}\n{:?}\n", case.plan.spec);
                wrong += 1;
            }
        }
        seen.add(&reference.counts);
    }
    println!("{seen:?} {wrong}");
    assert_eq!(wrong, 0);
}
