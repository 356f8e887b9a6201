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
