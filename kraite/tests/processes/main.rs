//! The real binary as a real process on a real SQLite file, against the simulated exchange in this process:
//! killed at random moments and at named fail points, stopped for seconds to minutes of venue time, taken
//! over by a second worker; the journal is read back after each, and the venue's own book says whether
//! anything was doubled, lost or left behind.
//!
//! `cargo test -p kraite --test processes -- --nocapture` prints what happened, counted. The long mode takes
//! any number of signals, each world with a seed of its own:
//!
//! ```text
//! KRAITE_KILLS=100000 cargo test --release -p kraite --test processes -- --nocapture --ignored long
//! ```
//!
//! `KRAITE_SEED` names the first seed (1 if it is not set). A world that finds something prints its seed and
//! the folder of its journal. Processes are not deterministic: a seed gives the same kind of run, not the
//! same run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::disallowed_methods, reason = "processes live on the wall clock")]

mod audit;
mod creation;
mod long;
mod mutants;
mod rounds;
mod tally;
mod worker;
mod world;
#[cfg(debug_assertions)]
mod wrong_workers;

use kraite::core::id::Symbol;
use kraite::core::time::Millis;

use tally::Tally;
use worker::Fate;
use world::{Pumped, Shape, Standing, World};

const BOTH: [Shape; 2] = [Shape::Separate, Shape::Paired];

/// The same on both shapes at once: most of what a world does is wait.
fn on_both(title: &str, run: fn(Shape) -> Tally) -> Tally {
    let tallies = std::thread::scope(|scope| {
        let runs = BOTH.map(|shape| scope.spawn(move || run(shape)));
        runs.map(|run| run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let mut sum = Tally::default();
    tallies.iter().for_each(|tally| sum.merge(tally));
    sum.print(title);
    sum
}

#[test]
fn s04_s10_killed_at_random_moments_nothing_is_lost_or_doubled() {
    let tally = on_both("killed at random", |shape| {
        let mut world = World::new(shape, 7, 20);
        for _ in 0..100 {
            rounds::kill_at_random(&mut world);
        }
        for _ in 0..6 {
            rounds::kill_while_closing(&mut world);
        }
        world.finish();
        world.verdict("killed at random")
    });
    assert_eq!(tally.of("SIGKILL at random"), 200);
    assert!(tally.of("orders placed") > 20 && tally.of("records") > 200 && tally.of("positions ended") > 3);
}

#[test]
fn s04_s10_killed_at_every_named_point_nothing_is_lost_or_doubled() {
    let tally = on_both("killed at every point", |shape| {
        let mut world = World::new(shape, 11, 20);
        for _ in 0..3 {
            for point in rounds::POINTS {
                let hit = (0..60).any(|_| rounds::kill_at_point(&mut world, point));
                assert!(hit, "no worker came to {}", point.0);
            }
        }
        world.finish();
        world.verdict("killed at every point")
    });
    for (point, _) in rounds::POINTS {
        assert!(tally.of(&format!("SIGKILL at {point}")) >= 5, "{point}");
    }
}

/// Seconds mostly, minutes at times.
fn span(world: &mut World) -> Millis {
    match world.draw(8) {
        0 => Millis(i64::from(30_000 + world.draw(30_000))),
        1..=3 => Millis(i64::from(6_000 + world.draw(14_000))),
        _ => Millis(i64::from(500 + world.draw(5_500))),
    }
}

#[test]
fn s04_s10_stopped_for_seconds_to_minutes_and_continued_nothing_is_doubled() {
    let tally = on_both("stopped and continued", |shape| {
        let mut world = World::new(shape, 13, 20);
        let points = [None, Some(("before-send", 5)), Some(("signed", 5)), Some(("during-append", 8))];
        for point in points.into_iter().cycle().take(12) {
            let span = span(&mut world);
            rounds::stop_and_continue(&mut world, point, span);
        }
        // Whatever the numbers above were: once longer than anything can be valid.
        rounds::stop_and_continue(&mut world, Some(("before-send", 5)), Millis::from_secs(75));
        world.finish();
        world.verdict("stopped and continued")
    });
    assert!(tally.under("SIGSTOP ") >= 26 && tally.of("continued") >= 26, "{tally:?}");
}

#[test]
fn i14_a_stopped_worker_that_was_taken_over_gets_nothing_accepted_and_ends() {
    let tally = on_both("stopped and taken over", |shape| {
        let mut world = World::new(shape, 17, 20);
        for point in [None, Some(("before-send", 3)), Some(("signed", 3)), Some(("before-append", 6))] {
            rounds::take_over(&mut world, point);
        }
        world.finish();
        world.verdict("stopped and taken over")
    });
    assert!(tally.of("takeovers") >= 5, "{tally:?}");
}

#[test]
fn s10_killed_while_the_journal_is_created_the_next_start_succeeds() {
    let tally = on_both("killed while the journal is created", |shape| {
        let mut tally = Tally::default();
        for seed in 1..=80 {
            tally.merge(&creation::killed_while_created(shape, seed));
            if creation::STAGES.iter().all(|stage| tally.under(&creation::count(stage)) >= 5) {
                break;
            }
        }
        tally
    });
    for stage in creation::STAGES {
        assert!(tally.under(&creation::count(stage)) >= 10, "{stage}: {tally:?}");
    }
}

/// Fencing without a standstill: both run, and the one that lost the account ends.
#[test]
fn i14_a_deposed_worker_ends_with_its_exit_code() {
    let mut world = World::new(Shape::Separate, 19, 10);
    let mut old = world.start(&Fate::default());
    while world.audit.promised() < 3 {
        assert_ne!(world.pump(&mut old, None, Standing::Owner), Pumped::End);
    }
    let mut new = world.start(&Fate::default());
    let mut beats = 0;
    // The old one notices with the next thing that it wants to remember.
    while world.pump(&mut old, Some(&mut new), Standing::Owner) != Pumped::End {
        world.pump(&mut new, Some(&mut old), Standing::Owner);
        beats += 1;
        assert!(beats < 4_000, "the deposed worker goes on");
    }
    assert_eq!(old.wait().code(), Some(7));
    drop(new);
    world.verify();
    world.verdict("two at once");
}

#[test]
fn a_worker_whose_contract_is_not_listed_ends_with_its_exit_code() {
    let mut world = World::new(Shape::Paired, 23, 10);
    world.symbol = Symbol::new("NOPEUSDT");
    let mut worker = world.start(&Fate::default());
    while world.pump(&mut worker, None, Standing::Owner) != Pumped::End {}
    assert_eq!(worker.wait().code(), Some(4));
}
