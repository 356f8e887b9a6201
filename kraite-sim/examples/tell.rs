//! tmp
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]
use kraite_sim::{presets, script::{self, Script}, world::*};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let profile = if args[1] == "separate" { presets::binance() } else { presets::bitget() };
    let script = Script::catalogue().into_iter().find(|s| s.name == args[2]).unwrap();
    let mut schedule = std::collections::BTreeMap::new();
    for a in &args[3..] {
        let (n, f) = a.split_once(':').unwrap();
        let fate = match f { "Crash" => Fate::Crash, "Lose" => Fate::Lose, "Delay" => Fate::Delay, "Late" => Fate::Late, "Double" => Fate::Double, _ => Fate::Unknown };
        schedule.insert(n.parse().unwrap(), fate);
    }
    let mut world = script::world(profile, Nemesis::scheduled(1, schedule));
    world.narrate();
    let played = script::play_in(&script, world, Stream::Push);
    let start = played.world.story().first().unwrap().0.0;
    for (at, line) in played.world.story() { println!("{:>8} {line}", at.0 - start); }
    for (at, n) in played.world.notices() { println!("{:>8} NOTICE {n:?}", at.0 - start); }
    println!("{:?} {:?} {:#?}", played.phase, played.unaided, played.verdict);
}
