//! The protocol of placement and recovery as a model, checked exhaustively within bounds, and the real core on
//! every edge of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod bridge;
mod leases;
mod protocol;
mod walk;
mod worker;
mod world;

use std::collections::BTreeSet;

use kraite_core::Capabilities;
use kraite_core::time::Millis;
use leases::{BOTH, FORWARD, Leases, ONE_OWNER, TAKEN_OVER};
use protocol::{ADOPTED, FILLS, IN_RECOVERY, INTENT, LATE, ONCE, ONE, Protocol, SECOND, THREE};
use stateright::{Checker, HasDiscoveries, Model as _};
use walk::{Preference, Walked};
use worker::Rule;

/// One order, so many crashes and faults: how many worlds there are, and how many steps between them.
struct Bound {
    crashes: u8,
    faults: u8,
    worlds: usize,
    steps: usize,
}

/// Measured, and pinned: a change of the model, or of what the core is compared with, shows here first.
const BOUNDS: [Bound; 4] = [
    Bound { crashes: 0, faults: 0, worlds: 75, steps: 171 },
    Bound { crashes: 1, faults: 1, worlds: 7_932, steps: 20_957 },
    Bound { crashes: 2, faults: 2, worlds: 164_164, steps: 525_077 },
    Bound { crashes: 3, faults: 2, worlds: 357_753, steps: 1_156_442 },
];

impl Bound {
    const fn protocol(&self) -> Protocol {
        Protocol { crashes: self.crashes, faults: self.faults, lies: true, rule: Rule::Sound }
    }
}

/// Looks at every world within a bound: nothing wrong may be found, everything named must be, and the count
/// is the pinned one.
fn nothing_is_wrong(bound: &Bound, found: &[&'static str]) {
    let checked = bound.protocol().checker().spawn_bfs().join();
    let Bound { crashes, faults, worlds, steps } = bound;
    let starts = checked.model().init_states().len();
    let counted = (checked.unique_state_count(), checked.state_count() - starts);
    println!("{crashes} crashes, {faults} faults: {} worlds, {} steps, none wrong", counted.0, counted.1);
    for property in checked.model().properties() {
        if property.expectation.discovery_is_failure() {
            checked.assert_no_discovery(property.name);
        }
    }
    for name in found {
        checked.assert_any_discovery(name);
    }
    assert_eq!(
        counted,
        (*worlds, *steps),
        "worlds and steps within {crashes} crashes and {faults} faults; if the model was changed on purpose, pin \
         the new numbers"
    );
}

#[test]
fn i01_i02_i13_nothing_is_wrong_in_any_world_without_trouble() {
    nothing_is_wrong(&BOUNDS[0], &[FILLS]);
}

#[test]
fn i01_i02_i13_nothing_is_wrong_in_any_world_within_one_crash_and_one_fault() {
    nothing_is_wrong(&BOUNDS[1], &[FILLS, ADOPTED, SECOND, LATE]);
}

#[test]
fn i01_i02_i13_nothing_is_wrong_in_any_world_within_two_crashes_and_two_faults() {
    nothing_is_wrong(&BOUNDS[2], &[FILLS, ADOPTED, SECOND, LATE, IN_RECOVERY]);
}

#[test]
fn i01_i02_i13_nothing_is_wrong_in_any_world_within_three_crashes_and_two_faults() {
    nothing_is_wrong(&BOUNDS[3], &[FILLS, ADOPTED, SECOND, LATE, IN_RECOVERY, THREE]);
}

/// Every edge within a bound, with the real core beside it.
fn the_core_agrees(bound: &Bound, first: Preference) {
    let walked =
        walk::every_edge(&bound.protocol(), &bridge::capabilities(), first).unwrap_or_else(|why| panic!("{why}"));
    println!("{} crashes, {} faults, {first:?}: the core agrees on all of {walked:?}", bound.crashes, bound.faults);
    let pinned = Walked { worlds: bound.worlds, steps: bound.steps };
    assert_eq!(walked, pinned, "worlds and steps that the core was taken along");
}

#[test]
fn i01_i10_i13_the_core_agrees_on_every_edge_within_one_crash_and_one_fault() {
    for first in [Preference::Calm, Preference::Hostile] {
        the_core_agrees(&BOUNDS[0], first);
        the_core_agrees(&BOUNDS[1], first);
    }
}

/// Contains every edge within two crashes and two faults.
#[test]
fn i01_i10_i13_the_core_agrees_on_every_edge_within_three_crashes_and_two_faults() {
    the_core_agrees(&BOUNDS[3], Preference::Calm);
}

/// An edge is taken with the engine of one way that leads there: here of another one.
#[test]
fn i01_i10_i13_the_core_agrees_on_every_edge_on_other_ways_within_three_crashes_and_two_faults() {
    the_core_agrees(&BOUNDS[3], Preference::Hostile);
}

#[test]
fn i01_i10_i13_the_core_agrees_on_whole_traces_drawn_at_random() {
    const TRACES: usize = 20_000;
    let walked =
        walk::traces(&BOUNDS[3].protocol(), &bridge::capabilities(), 1, TRACES).unwrap_or_else(|why| panic!("{why}"));
    println!("{TRACES} whole traces: the core agrees on all of {walked:?}");
    assert!(walked.worlds > 10_000, "{walked:?}");
}

/// Rules that look as good, and the promise each breaks.
const NAIVE: [(Rule, &str); 8] = [
    (Rule::NotFoundOnce, ONE),
    (Rule::AnsweredAfter, ONE),
    (Rule::ErrorForgotten, ONE),
    (Rule::OneReading, ONE),
    (Rule::SendFirst, INTENT),
    (Rule::RetryOnUnknown, ONE),
    (Rule::DuplicateIsRefusal, ONE),
    (Rule::AttemptInMemory, ONCE),
];

fn naive(rule: Rule) -> Protocol {
    // A venue that lies breaks every rule of one reading: only the one that has no other flaw gets to see it.
    Protocol { crashes: 2, faults: 2, lies: rule == Rule::OneReading, rule }
}

#[test]
fn mutant_each_naive_rule_is_caught_by_the_model() {
    for (rule, promise) in NAIVE {
        let caught = naive(rule).checker().finish_when(HasDiscoveries::AnyOf([promise].into())).spawn_bfs().join();
        let Some(path) = caught.discovery(promise) else { panic!("{rule:?} goes through as sound") };
        println!("{rule:?} breaks \"{promise}\": {:?}", path.into_actions());
    }
}

/// What the second round and the look at the positions are for: a venue that shows what it must needs neither.
#[test]
fn r09_one_reading_that_is_sent_late_enough_suffices_unless_the_venue_lies() {
    let honest = Protocol { lies: false, ..naive(Rule::OneReading) };
    honest.checker().spawn_bfs().join().assert_no_discovery(ONE);
}

#[test]
fn mutant_the_core_disagrees_with_each_naive_rule() {
    for (rule, _) in NAIVE {
        let Err(why) = walk::every_edge(&naive(rule), &bridge::capabilities(), Preference::Calm) else {
            panic!("the core cannot be told from {rule:?}")
        };
        println!("{rule:?}: {}", why.lines().next().unwrap_or_default());
    }
}

#[test]
fn mutant_a_core_with_another_proof_of_absence_disagrees_with_the_model() {
    let wrong: [fn(&mut Capabilities); 4] = [
        |capabilities| capabilities.absence_regular.readings -= 1,
        |capabilities| capabilities.absence_regular.engine_bound = Millis(0),
        |capabilities| capabilities.absence_regular.window = Millis(0),
        |capabilities| capabilities.absence_regular.endpoints.truncate(1),
    ];
    for change in wrong {
        let mut capabilities = bridge::capabilities();
        change(&mut capabilities);
        let why =
            walk::every_edge(&BOUNDS[1].protocol(), &capabilities, Preference::Calm).expect_err("the core was changed");
        println!("{}", why.lines().next().unwrap_or_default());
    }
}
/// A step that is never possible would prove nothing: each kind, with each answer and each death, is taken.
#[test]
fn every_kind_of_step_is_taken() {
    let protocol = BOUNDS[2].protocol();
    let mut seen: BTreeSet<_> = protocol.init_states().into_iter().collect();
    let (mut left, mut kinds): (Vec<_>, _) = (seen.iter().cloned().collect(), BTreeSet::new());
    while let Some(world) = left.pop() {
        let mut actions = Vec::new();
        protocol.actions(&world, &mut actions);
        for action in actions {
            let Some(next) = protocol.next_state(&world, action) else { continue };
            kinds.insert(format!("{action:?}").replace(|c: char| c.is_ascii_digit(), ""));
            if seen.insert(next.clone()) {
                left.push(next);
            }
        }
    }
    assert_eq!(kinds.len(), 32, "{kinds:#?}");
}

/// Two hosts that may stop at any point for any time, begin anew and die, over one account.
#[test]
fn i14_in_no_world_can_requests_of_two_owners_be_accepted() {
    for (kills, worlds) in [(0, 177_692), (1, 1_613_425)] {
        let checked = Leases { kills, rule: leases::Rule::Sound }.checker().threads(2).spawn_bfs().join();
        println!("two hosts, {kills} kills: {} worlds, none wrong", checked.unique_state_count());
        checked.assert_no_discovery(ONE_OWNER);
        checked.assert_no_discovery(FORWARD);
        checked.assert_any_discovery(TAKEN_OVER);
        checked.assert_any_discovery(BOTH);
        assert_eq!(checked.unique_state_count(), worlds, "if the model was changed on purpose, pin the new number");
    }
}

#[test]
fn mutant_each_naive_rule_of_ownership_is_caught_by_the_model() {
    for rule in leases::NAIVE {
        let checked = Leases { kills: 1, rule }.checker().finish_when(HasDiscoveries::AnyFailures);
        let checked = checked.threads(2).spawn_bfs().join();
        let caught = [ONE_OWNER, FORWARD].into_iter().find(|name| checked.discovery(name).is_some());
        println!("naive rule {rule:?}: caught by {caught:?}");
        assert!(caught.is_some(), "{rule:?}");
    }
}
