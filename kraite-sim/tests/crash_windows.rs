//! One script, a fault at every boundary in turn: after recovery the auditor finds nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;

use kraite_core::position::Phase;
use kraite_sim::presets;
use kraite_sim::script::{self, Played, Script};
use kraite_sim::venue::VenueProfile;
use kraite_sim::world::{Fate, Nemesis, Point, Stream};

fn shapes() -> [(&'static str, VenueProfile); 2] {
    [("separate", presets::binance()), ("paired", presets::bitget())]
}

/// The whole story of a failing schedule, to be read.
fn tell(script: &Script, profile: &VenueProfile, schedule: &BTreeMap<u64, Fate>, played: &Played) -> String {
    let mut world = script::world(profile.clone(), Nemesis::scheduled(1, schedule.clone()));
    world.narrate();
    let again = script::play_in(script, world, Stream::Push);
    let start = again.world.story().first().map_or(0, |(at, _)| at.0);
    let story: Vec<String> =
        again.world.story().iter().map(|(at, line)| format!("{:>9} {line}", at.0 - start)).collect();
    format!("{schedule:?}: {:?} {:#?}\n{}", played.phase, played.verdict.findings, story.join("\n"))
}

#[test]
fn s06_without_faults_every_script_ends_as_it_should() {
    for (name, profile) in shapes() {
        for script in [Script::open_to_close(), Script::stopped_out(), Script::closed_by_hand()] {
            for stream in [Stream::Push, Stream::Silent] {
                let played = script::play(&script, profile.clone(), BTreeMap::new(), stream);
                assert!(
                    played.is_clean() && played.phase == Some(Phase::Closed),
                    "{name} {} {stream:?}: {}",
                    script.name,
                    tell(&script, &profile, &BTreeMap::new(), &played)
                );
            }
        }
    }
}

/// Every single fault at every choice point of a fault-free run.
fn single_faults(trail: &[Point]) -> Vec<(u64, Point, Fate)> {
    (0u64..)
        .zip(trail)
        .flat_map(|(number, point)| point.faults().iter().map(move |fate| (number, *point, *fate)))
        .collect()
}

fn exhaust(script: &Script, wanted: impl Fn(Point, Fate) -> bool) {
    for (name, profile) in shapes() {
        let calm = script::play(script, profile.clone(), BTreeMap::new(), Stream::Push);
        let mut cases: BTreeMap<(Point, Fate), u32> = BTreeMap::new();
        let mut worst = 0;
        let mut failed = Vec::new();
        for (number, point, fate) in single_faults(&calm.trail) {
            if !wanted(point, fate) {
                continue;
            }
            *cases.entry((point, fate)).or_insert(0) += 1;
            let schedule = BTreeMap::from([(number, fate)]);
            let played = script::play(script, profile.clone(), schedule.clone(), Stream::Push);
            worst = worst.max(played.verdict.max_unprotected.0);
            if !played.is_clean() {
                failed.push((schedule, point, played));
            }
        }
        let total: u32 = cases.values().sum();
        println!("{name} {}: {total} cases, worst unprotected {worst} ms, {} violated", script.name, failed.len());
        for ((point, fate), count) in &cases {
            println!("    {point:?} {fate:?}: {count}");
        }
        if let Some((schedule, point, played)) = failed.first() {
            let all: Vec<String> = failed
                .iter()
                .map(|(s, p, f)| format!("{s:?} {p:?} {:?} {:?}", f.phase, f.verdict.findings.first()))
                .collect();
            panic!(
                "{} of {total} at {name} {}:\n{}\nfirst at {point:?}: {}",
                failed.len(),
                script.name,
                all.join("\n"),
                tell(script, &profile, schedule, played)
            );
        }
    }
}

#[test]
fn s04_a_crash_at_every_boundary_leaves_no_duplicate_no_orphan_no_naked_position() {
    exhaust(&Script::open_to_close(), |_, fate| fate == Fate::Crash);
}

#[test]
fn s04_each_single_message_lost_late_or_doubled_changes_nothing_in_the_end() {
    exhaust(&Script::open_to_close(), |point, fate| {
        fate != Fate::Crash && !(point == Point::Request && fate == Fate::Double)
    });
}

/// Killed right after a send whose request is still on its way when the worker lives again.
fn slow_request_then_crash(belief: impl Fn(&VenueProfile) -> Option<kraite_core::Capabilities>) -> (usize, usize) {
    let script = Script::open_to_close();
    let (mut cases, mut caught) = (0, 0);
    for (_, profile) in shapes() {
        let calm = script::play(&script, profile.clone(), BTreeMap::new(), Stream::Push);
        for (number, _) in (0u64..).zip(&calm.trail).filter(|(_, point)| **point == Point::Request) {
            let schedule = BTreeMap::from([(number, Fate::Delay), (number + 1, Fate::Crash)]);
            let mut world = script::world(profile.clone(), Nemesis::scheduled(1, schedule));
            if let Some(capabilities) = belief(&profile) {
                world.believe(capabilities);
            }
            let played = script::play_in(&script, world, Stream::Push);
            cases += 1;
            caught += usize::from(played.verdict.violations > 0);
        }
    }
    (cases, caught)
}

#[test]
fn r09_a_request_still_on_its_way_at_the_restart_is_never_doubled() {
    let (cases, violated) = slow_request_then_crash(|_| None);
    assert!(cases > 30, "{cases}");
    assert_eq!(violated, 0, "of {cases}");
}

#[test]
fn r09_mutant_not_found_once_means_not_placed_is_caught_by_the_auditor() {
    let (cases, caught) = slow_request_then_crash(|profile| {
        let mut naive = profile.capabilities.clone();
        for rule in [&mut naive.absence_regular, &mut naive.absence_conditional, &mut naive.absence_plan] {
            rule.readings = 1;
            rule.endpoints.truncate(1);
            // "After the deadline" is always true: the first miss counts.
            rule.engine_bound = kraite_core::time::Millis::from_secs(-3_600);
        }
        Some(naive)
    });
    println!("the naive rule broke {caught} of {cases} schedules");
    assert!(caught > 0, "the auditor did not see what the naive rule does");
}
