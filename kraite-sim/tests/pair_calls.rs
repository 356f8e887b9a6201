//! The crash window of the call that sets stop and target together.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;

use kraite_core::position::{Phase, Why};
use kraite_sim::explore::{Course, Kill, PairWindow, Use, pair_window};
use kraite_sim::presets;
use kraite_sim::script::{self, Script, Timing};
use kraite_sim::world::{Fate, Point, Stream};

/// Which scripts have calls of both uses, and rungs left to fill.
const SCRIPTS: [&str; 3] = ["dca-fills", "stop-fills", "resize-during-resize"];

#[test]
fn s09_b14_no_way_a_pair_call_can_go_and_no_death_meanwhile_duplicates_a_leg_or_leaves_a_position_naked() {
    let [separate, paired] = presets::shapes();
    let mut sum = PairWindow::default();
    for script in Script::catalogue().iter().filter(|script| SCRIPTS.contains(&script.name)) {
        let window = pair_window(script, &paired, Timing::default());
        assert_eq!((window.violations, window.unresolved), (0, 0), "{}: {:?}", script.name, window.failures);
        assert_eq!(pair_window(script, &separate, Timing::default()).calls, 0, "there is no such call");
        sum.add(&window);
    }
    // A cell that was never reached shows nothing.
    for usage in Use::ALL {
        for course in Course::all() {
            for kill in Kill::ALL {
                let cell = sum.cells.get(&(usage, course, kill)).map_or(0, |cell| cell.schedules);
                assert!(cell > 0, "{} {} {}", usage.word(), course.words(), kill.word());
            }
        }
    }
    // The stop is missing for a while where only the target is taken, and no longer than it takes to see that.
    let worst = |fate| {
        let course = Course { fault: Some((Point::Pair, fate)) };
        sum.cells[&(Use::First, course, Kill::Never)].worst_ms
    };
    assert!(worst(Fate::TargetOnly) > worst(Fate::StopOnly), "{} {}", worst(Fate::TargetOnly), worst(Fate::StopOnly));
    println!("{} calls, {} runs, {} ms without a stop at most", sum.calls, sum.runs(), sum.worst_ms());
}

/// A stop cancelled by hand, and the calls that set it again: how many of them in a row have their stop refused.
#[test]
fn r43_a_stop_that_is_refused_again_and_again_is_sent_again_within_a_bound_and_then_the_position_is_closed() {
    let catalogue = Script::catalogue();
    let script = catalogue.iter().find(|script| script.name == "stop-cancelled-by-hand").unwrap();
    let [_, paired] = presets::shapes();
    let mut schedule = BTreeMap::new();
    let mut worst = Vec::new();
    for refusals in 1..=3 {
        let played = script::play(script, paired.clone(), schedule.clone(), Stream::Push);
        let calls = (0..).zip(&played.world.nemesis.trail).filter(|(_, point)| **point == Point::Pair);
        let after = schedule.keys().next_back().copied();
        let mut calls = calls.map(|(number, _)| number).filter(|number| after.is_none_or(|after| *number > after));
        // The call that sets the stop again is the last one of a life without faults; then it is the one that follows.
        let call = if refusals == 1 { calls.last() } else { calls.next() };
        schedule.insert(call.unwrap(), Fate::StopRefused);
        let played = script::play(script, paired.clone(), schedule.clone(), Stream::Push);
        assert!(played.is_clean(), "{refusals}: {:?}", played.verdict.findings);
        let position = played.world.engine(script::account()).unwrap().state().positions.values().next().unwrap();
        let expected = if refusals < 3 { Why::TargetFilled } else { Why::StopRefused };
        assert_eq!((position.phase, position.why), (Phase::Closed, expected), "{refusals}");
        worst.push(played.verdict.max_unprotected.0);
    }
    assert!(worst.is_sorted() && worst.iter().all(|worst| *worst < 3000), "{worst:?}");
    println!("{worst:?} ms without a stop at most");
}

/// The market passes the stop and comes back while single orders cannot be read and the stream is silent: the target may
/// have taken what is gone, and nobody else is said to have before it can be read.
#[test]
fn r97_what_a_target_of_ours_may_have_taken_is_not_said_to_have_left_by_other_hands() {
    let catalogue = Script::catalogue();
    let script = catalogue.iter().find(|script| script.name == "read-in-part").unwrap();
    let [_, paired] = presets::shapes();
    let first = script::play(script, paired.clone(), BTreeMap::new(), Stream::Push);
    let trail = &first.world.nemesis.trail;
    let call = (0..).zip(trail).find(|(_, point)| **point == Point::Pair).map(|(number, _)| number).unwrap();
    let mut ends = BTreeMap::new();
    for late in call + 1..trail.len() as u64 {
        let schedule = BTreeMap::from([(call, Fate::StopBefore), (late, Fate::Delay)]);
        let played = script::play(script, paired.clone(), schedule, Stream::Push);
        assert!(played.is_clean(), "{late}: {:?}", played.verdict.findings);
        let position = played.world.engine(script::account()).unwrap().state().positions.values().next().unwrap();
        *ends.entry(format!("{:?}", position.why)).or_insert(0) += 1;
    }
    println!("{ends:?}");
}

#[test]
fn every_course_has_its_words() {
    let words: std::collections::BTreeSet<&str> = Course::all().into_iter().map(Course::words).collect();
    assert_eq!(words.len(), Course::all().len());
    assert!(!words.contains(""));
}
