//! The hunt for one bug: lives, scenes, single faults, and the pairs of faults that single ones do not reach.

use std::collections::BTreeMap;

use kraite_core::engine::Engine;
use kraite_core::id::Role;
use kraite_core::number::Qty;
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::position::Why;
use kraite_core::time::Millis;
use kraite_sim::script::{self, Played, Script};
use kraite_sim::venue::VenueProfile;
use kraite_sim::world::{Fate, Nemesis, Point, Stream};

use super::scenes::{Found, shapes};

/// How the workers of a hunt live: what the stream says, and how soon they are back.
const TEMPERS: [(Stream, i64); 4] =
    [(Stream::Push, 1_000), (Stream::Silent, 1_000), (Stream::Push, 1), (Stream::Silent, 1)];

/// The scripts that meet every fault: each life, both styles, one of a SHORT.
fn hunted() -> Vec<Script> {
    let limit = |script: Script| script.styled(TargetStyle::Limit, Sequence::LadderFirst);
    vec![
        Script::open_to_close(),
        Script::stopped_out(),
        Script::closed_by_hand(),
        limit(Script::open_to_close()),
        Script::open_to_close().short().styled(TargetStyle::TriggerMarket, Sequence::ProtectFirst),
    ]
}

/// What is wrong with a played script, if anything.
fn wrong(played: &Played) -> Option<String> {
    if let Some((_, finding)) = played.verdict.findings.first() {
        return Some(format!("{finding:?}"));
    }
    let Some(engine) = played.world.engine(script::account()) else { return Some("the worker is dead".into()) };
    if !played.is_clean() {
        return Some(format!("stood at {:?}, ended at {:?}", played.unaided, played.phase));
    }
    overfilled(played, engine)
}

/// A rung may be replaced under another revision, and all of them together fill what was planned.
fn overfilled(played: &Played, engine: &Engine) -> Option<String> {
    let doubled = played.verdict.wire_duplicates > 0;
    let position = engine.state().positions.values().next().filter(|_| !doubled)?;
    position.rungs.iter().find_map(|plan| {
        let of_rung = played
            .world
            .venue
            .objects()
            .filter(|o| o.client_id().is_some_and(|id| id.key().logical.role == Role::Rung(plan.rung)));
        let filled = of_rung.fold(Qty::ZERO, |sum, o| sum.checked_add(o.executed).unwrap());
        (filled > plan.qty).then(|| format!("rung {} filled {filled} of {}", plan.rung, plan.qty))
    })
}

/// How a fault-free life ends: why, and after how many rungs.
fn otherwise(script: &Script, played: &Played) -> Option<String> {
    let planned = match script.name {
        "open-to-close" => (Why::TargetFilled, 2),
        "stopped-out" => (Why::StopFilled, 4),
        _ => (Why::Command, 1),
    };
    let position = played.world.engine(script::account())?.state().positions.values().next()?;
    let filled = |o: &&kraite_core::order::Order| matches!(o.role(), Role::Rung(_)) && o.executed().qty.is_positive();
    let end = (position.why, position.orders.values().filter(filled).count());
    (end != planned).then(|| format!("ended {end:?} instead of {planned:?}"))
}

fn play(script: &Script, profile: &VenueProfile, schedule: &BTreeMap<u64, Fate>, temper: (Stream, i64)) -> Played {
    let mut world = script::world(profile.clone(), Nemesis::scheduled(1, schedule.clone()), script::Timing::default());
    world.set_restart(Millis(temper.1));
    script::play_in(script, world, temper.0)
}

/// Every life without a fault.
pub(crate) fn lives() -> Option<Found> {
    for (shape, profile) in shapes() {
        for script in Script::lives() {
            let played = play(&script, &profile, &BTreeMap::new(), TEMPERS[0]);
            if let Some(finding) = wrong(&played).or_else(|| otherwise(&script, &played)) {
                return Some(Found { place: format!("life {} {shape}", script.name), finding });
            }
        }
    }
    None
}

/// One fault at every choice point, and a slow request followed by a crash.
pub(crate) fn faults() -> Option<Found> {
    for temper in TEMPERS {
        for (shape, profile) in shapes() {
            for script in hunted() {
                let calm = play(&script, &profile, &BTreeMap::new(), temper);
                for schedule in schedules(&calm.trail, temper.1) {
                    let played = play(&script, &profile, &schedule, temper);
                    if let Some(finding) = wrong(&played) {
                        let place = format!("{} {shape} {temper:?} {schedule:?}", script.name);
                        return Some(Found { place, finding });
                    }
                }
            }
        }
    }
    None
}

/// A worker that is back at once differs from one that takes a second only where it dies.
fn schedules(trail: &[Point], restart: i64) -> Vec<BTreeMap<u64, Fate>> {
    let points = || (0u64..).zip(trail);
    let single = points()
        .flat_map(|(number, point)| point.faults().iter().map(move |fate| BTreeMap::from([(number, *fate)])))
        .filter(|schedule| restart > 1 || schedule.values().any(|fate| *fate == Fate::Crash));
    let slow_then_dead = points()
        .filter(|(_, point)| **point == Point::Request)
        .map(|(number, _)| BTreeMap::from([(number, Fate::Delay), (number + 1, Fate::Crash)]));
    single.chain(slow_then_dead).collect()
}
