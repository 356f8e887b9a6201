//! The simulated world: lives of positions without a fault, and every crash schedule of one script.

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, Throughput};
use kraite_sim::explore::{Certificate, explore};
use kraite_sim::presets;
use kraite_sim::script::{Play, Script, Timing, play_in, world};
use kraite_sim::venue::VenueProfile;
use kraite_sim::world::{Nemesis, Stream, World};

use crate::cpu::CpuTime;
use crate::notes::note;

/// The script whose schedules are tried.
const EXPLORED: &str = "target-fills";
const DEPTH: u8 = 2;

/// Every script on both shapes of protection.
fn stages() -> Vec<(Script, VenueProfile)> {
    let both = |script: &Script| [presets::binance(), presets::bitget()].map(|profile| (script.clone(), profile));
    Script::catalogue().iter().flat_map(both).collect()
}

fn quiet(profile: &VenueProfile) -> World {
    world(profile.clone(), Nemesis::scheduled(1, BTreeMap::new()), Timing::default())
}

/// What crosses the wire in a life: requests, and the outcomes, frames and answers that reach the worker.
fn order_events(script: &Script, profile: &VenueProfile) -> u64 {
    let mut play = Play::new(script.clone().into(), quiet(profile), Stream::Push);
    play.world.narrate();
    while play.advance() {}
    let crosses = |line: &str| ["-> ", "<- ", "<~ "].iter().any(|arrow| line.starts_with(arrow));
    play.world.story().iter().filter(|(_, line)| crosses(line)).count() as u64
}

/// All scripts from their start to their verdict, without a fault.
pub(crate) fn lives(criterion: &mut Criterion<CpuTime>) {
    let stages = stages();
    let events = stages.iter().map(|(script, profile)| order_events(script, profile)).sum();
    let mut group = criterion.benchmark_group("simulator");
    group.throughput(Throughput::Elements(events)).sample_size(10);
    group.bench_function("lives", |bench| {
        bench.iter(|| {
            for (script, profile) in &stages {
                let played = play_in(script, quiet(profile), Stream::Push);
                assert!(played.is_clean(), "{}", script.name);
                let _ = black_box(played);
            }
        });
    });
    group.finish();
}

fn explored() -> [Certificate; 2] {
    let script =
        Script::catalogue().into_iter().find(|script| script.name == EXPLORED).expect("it is in the catalogue");
    [presets::binance(), presets::bitget()].map(|profile| explore(&script, &profile, Timing::default(), DEPTH, &|_| {}))
}

/// Every schedule of up to two faults on both shapes of protection. How many there are is known only once they were
/// tried, so the numbers go to the report by themselves.
pub(crate) fn schedules(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("simulator");
    group.sample_size(10);
    group.bench_function("schedules", |bench| {
        bench.iter(|| {
            let certificates = explored();
            let sum = |pick: fn(&Certificate) -> u64| certificates.iter().map(pick).sum::<u64>();
            assert_eq!(sum(|certificate| certificate.violations), 0);
            note("schedules-executed", sum(|certificate| certificate.executed));
            note("schedules-in-all", sum(Certificate::total));
        });
    });
    group.finish();
}
