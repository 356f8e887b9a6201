//! The crash window of the call that sets stop and target together.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use kraite_sim::explore::{Course, Kill, PairWindow, Use, pair_window};
use kraite_sim::presets;
use kraite_sim::script::{Script, Timing};
use kraite_sim::world::{Fate, Point};

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

#[test]
fn every_course_has_its_words() {
    let words: std::collections::BTreeSet<&str> = Course::all().into_iter().map(Course::words).collect();
    assert_eq!(words.len(), Course::all().len());
    assert!(!words.contains(""));
}
