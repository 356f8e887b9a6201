//! The long mode: worlds of mixed signals, one after the other, until there were enough. `KRAITE_KILLS` says how
//! many signals, `KRAITE_SEED` the first seed, and `KRAITE_LOG` names a log of runs that gets a line for each seed.

use std::io::Write as _;

use kraite::core::time::Millis;
use kraite::sim::sources;

use crate::BOTH;
use crate::creation::killed_while_created;
use crate::rounds::{POINTS, kill_at_point, kill_at_random, kill_while_closing, stop_and_continue, take_over};
use crate::span;
use crate::tally::Tally;
use crate::world::{Shape, World};

/// A start reads the whole journal, so that worlds must not grow without end.
const ROUNDS: u32 = 200;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// One world: every kind of signal in an order that its seed draws.
fn world(shape: Shape, seed: u64, rounds: u32) -> Tally {
    let mut world = World::new(shape, seed, 20);
    for _ in 0..rounds {
        let point = POINTS[world.draw(POINTS.len() as u32) as usize];
        match world.draw(100) {
            0..=49 => kill_at_random(&mut world),
            50..=87 => drop(kill_at_point(&mut world, point)),
            88..=91 => kill_while_closing(&mut world),
            92..=97 => {
                let span = Millis(span(&mut world).0.min(20_000));
                stop_and_continue(&mut world, Some(point), span);
            }
            _ => take_over(&mut world, Some(point)),
        }
        if !world.audit.findings().is_empty() {
            break;
        }
    }
    world.finish();
    world.verdict(&format!("long mode, seed {seed}, {shape:?}"))
}

/// `rounds` of every world at most, so many signals in all, on both shapes at once.
fn worlds(wanted: u64, first_seed: u64) -> Tally {
    let mut sum = Tally::default();
    let mut seed = first_seed;
    while sum.signals() < wanted {
        let rounds = u32::try_from(wanted - sum.signals()).unwrap_or(u32::MAX).div_ceil(2).min(ROUNDS);
        let before = sum.signals();
        let tallies = std::thread::scope(|scope| {
            let runs = BOTH.map(|shape| scope.spawn(move || world(shape, seed, rounds)));
            runs.map(|run| run.join().expect("a world found something; see above"))
        });
        tallies.iter().for_each(|tally| sum.merge(tally));
        for shape in BOTH {
            sum.merge(&killed_while_created(shape, seed));
        }
        println!("seed {seed}: {} of {wanted} signals", sum.signals());
        log(seed, sum.signals() - before);
        seed += 1;
    }
    sum
}

/// The line has the shape of those that `kraite swarm --log` appends; the commit is left to those.
fn log(seed: u64, signals: u64) {
    let Ok(path) = std::env::var("KRAITE_LOG") else { return };
    let line = serde_json::json!({
        "schema": "kraite.run/1", "commit": null, "core": sources::CORE, "simulator": sources::SIMULATOR,
        "ran": { "schema": "kraite.signals/1", "seed": seed, "signals": signals },
    });
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).expect("KRAITE_LOG");
    file.write_all(format!("{line}\n").as_bytes()).expect("KRAITE_LOG");
}

#[test]
#[ignore = "needs hours: KRAITE_KILLS says how many signals"]
fn long() {
    let wanted = number("KRAITE_KILLS", 1_000);
    let sum = worlds(wanted, number("KRAITE_SEED", 1));
    sum.print("long mode");
    assert!(sum.signals() >= wanted);
}
