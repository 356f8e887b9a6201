//! The ways in which a life of a worker ends, or is interrupted.

use std::time::Duration;

use kraite::core::time::Millis;

use crate::audit::Finding;
use crate::worker::{Fate, Worker};
use crate::world::{Pumped, Standing, World};

/// Every fail point of the worker, and up to which passing it is used.
pub(crate) const POINTS: [(&str, u32); 13] = [
    ("acquired", 1),
    ("loaded", 1),
    ("before-append", 8),
    ("during-append", 8),
    ("after-append", 8),
    ("before-send", 5),
    ("first-send", 1),
    ("signed", 5),
    ("after-send", 5),
    ("after-reply", 5),
    ("before-snapshot", 2),
    ("during-snapshot", 2),
    ("after-snapshot", 2),
];

/// Long enough for a proof of absence: who does not wait for it sees the next request only then.
const LONG_PATIENCE: u32 = 400;

/// A life that begins from a snapshot sooner or later.
fn fate(world: &mut World) -> Fate {
    let snapshot_every = [3, 20, 1_000][world.draw(3) as usize];
    Fate { snapshot_every: Some(snapshot_every), ..Fate::default() }
}

fn passing(world: &mut World, (point, most): (&str, u32)) -> Option<String> {
    Some(format!("{point}:{}", world.draw(most) + 1))
}

/// SIGKILL from outside, and everything that is checked after it.
fn kill(world: &mut World, mut worker: Worker, what: &str) {
    worker.kill();
    if worker.was_killed() {
        world.tally.note(what);
    } else {
        let code = worker.wait().code();
        world.audit.report(Finding::Ended { code });
    }
    world.bury(&worker);
}

/// Killed from outside somewhere in its first instants, or after so and so many lines.
pub(crate) fn kill_at_random(world: &mut World) {
    let fate = fate(world);
    let mut worker = world.start(&fate);
    let lines = world.draw(90);
    world.run(&mut worker, lines);
    std::thread::sleep(Duration::from_micros(u64::from(world.draw(3_000))));
    kill(world, worker, "SIGKILL at random");
}

/// Kills itself at a fail point; `false` if it did not come there and was killed from outside.
pub(crate) fn kill_at_point(world: &mut World, point: (&str, u32)) -> bool {
    let mut fate = fate(world);
    fate.die_at = passing(world, point);
    fate.snapshot_every = point.0.ends_with("snapshot").then_some(3).or(fate.snapshot_every);
    // At once, or while the threads that it had set to work go on.
    fate.late_us = u64::from(world.draw(2) * world.draw(2_000));
    let mut worker = world.start(&fate);
    if world.run_patiently(&mut worker, 400, LONG_PATIENCE) {
        world.tally.note("did not come to its fail point");
        kill(world, worker, "SIGKILL at random");
        return false;
    }
    if worker.was_killed() {
        world.tally.note(&format!("SIGKILL at {}", point.0));
    } else {
        let code = worker.wait().code();
        world.audit.report(Finding::Ended { code });
    }
    world.bury(&worker);
    true
}

/// Told to end, and killed while it puts its journal in order.
pub(crate) fn kill_while_closing(world: &mut World) {
    let fate = fate(world);
    let mut worker = world.start(&fate);
    let lines = 30 + world.draw(60);
    world.run(&mut worker, lines);
    worker.hang_up();
    std::thread::sleep(Duration::from_micros(u64::from(world.draw(4_000))));
    worker.kill();
    world.tally.note(if worker.was_killed() { "SIGKILL while closing" } else { "closed before it could be killed" });
    world.bury(&worker);
}

/// Starts a worker and brings it to a standstill, by itself at a point or from outside.
fn start_and_stop(world: &mut World, point: Option<(&str, u32)>) -> Option<Worker> {
    let mut fate = fate(world);
    fate.stop_at = point.and_then(|point| passing(world, point));
    let mut worker = world.start(&fate);
    match point {
        Some(_) => world.run_patiently(&mut worker, 400, LONG_PATIENCE),
        None => {
            let lines = 10 + world.draw(80);
            world.run(&mut worker, lines)
        }
    };
    if worker.is_stopped() {
        world.tally.note(&format!("SIGSTOP at {}", point.map_or("?", |(name, _)| name)));
    } else if worker.stop() {
        world.tally.note("SIGSTOP at random");
    } else {
        let code = worker.wait().code();
        world.audit.report(Finding::Ended { code });
        world.bury(&worker);
        return None;
    }
    // A process may stand still in the middle of a transaction; that holds nobody up who only reads.
    world.verify();
    Some(worker)
}

/// Stopped for a span of venue time while the market moves on, continued with a stale memory, killed later.
pub(crate) fn stop_and_continue(world: &mut World, point: Option<(&str, u32)>, span: Millis) {
    let Some(mut worker) = start_and_stop(world, point) else { return };
    world.stand_still(&mut worker, None, span);
    worker.go_on();
    world.tally.note("continued");
    let lines = 20 + world.draw(40);
    world.run(&mut worker, lines);
    kill(world, worker, "SIGKILL after a stop");
}

/// How long an old owner stands still at least: longer than anything it was allowed to send can be accepted.
fn beyond_all_windows(world: &World) -> Millis {
    let longest = world.longest_window();
    // The send budget of the engine's configuration, the venue's tolerance, and one second more.
    longest.plus(Millis::from_secs(3))
}

/// Stopped; another worker takes the account over; continued: it must not get anything accepted any more,
/// and ends with its exit code.
pub(crate) fn take_over(world: &mut World, point: Option<(&str, u32)>) {
    let Some(mut old) = start_and_stop(world, point) else { return };
    let before = world.owner();
    let mut new = world.start(&Fate::default());
    let mut waited = 0;
    // A process that was stopped while it wrote holds the file until it goes on; then there is no takeover yet.
    while world.owner() <= before && waited < 30 {
        world.stand_still(&mut old, Some(&mut new), Millis::from_secs(1));
        waited += 1;
    }
    let standing = if world.owner() > before { Standing::Deposed } else { Standing::Owner };
    if standing == Standing::Owner {
        world.tally.note("takeovers held up by a file that was locked");
    }
    let span = beyond_all_windows(world);
    world.stand_still(&mut old, Some(&mut new), span);
    old.go_on();
    let mut beats = 0;
    let ended = loop {
        if world.pump(&mut old, Some(&mut new), standing) == Pumped::End {
            break Some(old.wait().code());
        }
        if world.pump(&mut new, Some(&mut old), Standing::Owner) == Pumped::End {
            break None;
        }
        if beats % 20 == 0 {
            world.wander();
        }
        // Stopped from outside before it came to its point, it may come there now.
        if beats % 50 == 49 && old.is_stopped() {
            world.tally.note("SIGSTOP at its point after all");
            old.go_on();
        }
        // An old owner that has nothing to remember does not notice; so there must be something.
        if beats % 200 == 199 && world.has_nothing_to_do() {
            kill(world, new, "SIGKILL after a takeover");
            new = world.start(&Fate::default());
        }
        beats += 1;
        if beats > 6_000 {
            break Some(Some(-1));
        }
    };
    match (ended, standing) {
        (Some(Some(7)), Standing::Deposed) => world.tally.note("takeovers"),
        // The lock was given back, and whoever came then has the account.
        (Some(Some(7)) | None, Standing::Owner) => {}
        (Some(code), _) => world.audit.report(Finding::Ended { code }),
        (None, _) => {
            let code = new.wait().code();
            world.audit.report(Finding::Ended { code });
        }
    }
    old.kill();
    for line in old.last_words() {
        drop(world.act(&line, standing));
    }
    let lines = world.draw(40);
    world.run(&mut new, lines);
    kill(world, new, "SIGKILL after a takeover");
}
