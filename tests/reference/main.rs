//! A slow backtest that shares nothing with the fast one but the types of its input and output, and what it is for: the
//! fast one comes to the same trades and the same money, to the last digit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod cases;
mod days;
mod decimal;
mod examples;
mod ladder;
mod mutants;
mod real;
mod simulator;
mod terms;

use std::collections::BTreeMap;

use cases::{Case, Counts, drawn};
use kraite_core::exchange::{Direction, MarginMode};
use kraite_core::plan::TargetStyle;
use kraite_core::sizing::{SizingModel, TargetBasis};
use mutants::Mutant;

/// What each case of the tests over drawn markets plays.
const BARS: usize = 400;

/// The kinds of configuration that a case is of, in words.
fn kinds(case: &Case) -> [&'static str; 6] {
    let (plan, spec) = (&case.plan, &case.plan.spec);
    let one_of = |first: bool, yes, no| if first { yes } else { no };
    let is_paired = plan.profile.capabilities.protection == kraite_core::capabilities::Protection::Paired;
    [
        one_of(spec.direction == Direction::Long, "long", "short"),
        one_of(plan.margin_mode == MarginMode::Cross, "cross", "isolated"),
        one_of(is_paired, "paired", "separate"),
        one_of(plan.target_style == TargetStyle::Limit, "limit target", "trigger target"),
        one_of(spec.model == SizingModel::Bounded, "bounded", "unbounded"),
        one_of(spec.basis == TargetBasis::BreakEven, "from break-even", "from average"),
    ]
}

#[test]
fn s10_the_reference_agrees_on_drawn_markets() {
    let (mut seen, mut traded) = (Counts::default(), BTreeMap::<&str, u64>::new());
    for seed in 0..150 {
        let case = drawn(seed, BARS);
        let (fast, reference) = (case.fast(), case.reference(None));
        if let Some(words) = fast.differs_from(&reference) {
            panic!("seed {seed}: {words}\n{:?}", case.plan);
        }
        if seed % 10 == 0
            && let Some(words) = case.long_way(&reference).differs_from(&reference)
        {
            panic!("seed {seed}, the long way: {words}\n{:?}", case.plan);
        }
        for kind in kinds(&case).into_iter().filter(|_| reference.counts.closed > 0) {
            *traded.entry(kind).or_default() += 1;
        }
        seen.add(&reference.counts);
    }
    println!("150 drawn configurations: {seen:?}; traded by {traded:?}");
    let each = [
        seen.opened,
        seen.closed,
        seen.stops,
        seen.targets,
        seen.rungs,
        seen.liquidations,
        seen.refused,
        seen.cancelled,
    ];
    assert!(each.iter().all(|count| *count > 50), "{seen:?}");
    assert!(traded.len() == 12 && traded.values().all(|count| *count > 10), "{traded:?}");
}

#[test]
fn mutant_each_wrong_rule_is_found_by_the_comparison() {
    let mut asleep = Mutant::ALL.to_vec();
    for seed in 0..500 {
        let case = drawn(seed, BARS);
        let fast = case.fast();
        asleep.retain(|mutant| {
            let found = fast.differs_from(&case.reference(Some(*mutant)));
            if found.is_some() {
                println!("{mutant:?} is found by seed {seed}");
            }
            found.is_none()
        });
        if asleep.is_empty() {
            return;
        }
    }
    panic!("nobody noticed {asleep:?}");
}
