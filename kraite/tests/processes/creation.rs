//! Killed while the very first start creates the journal: whatever is left, the next start succeeds.

use std::path::Path;
use std::time::Duration;

use crate::tally::Tally;
use crate::worker::{Fate, Worker};
use crate::world::{Shape, World};

/// What appears one after the other while a journal is created.
const MARKS: [&str; 4] = ["journal.new", "journal.new-journal", "journal", "journal-wal"];

/// Waits until a file is there, looking often, or until there is nothing more to wait for.
fn wait_for(folder: &Path, name: &str) {
    for _ in 0..4_000 {
        if folder.join(name).exists() || folder.join("journal-shm").exists() {
            return;
        }
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// The stages of a creation, as far as what is left tells them apart.
pub(crate) const STAGES: [&str; 3] = ["a draft", "a journal in place", "a journal in use"];

/// Under which name kills in a stage are counted.
pub(crate) fn count(stage: &str) -> String {
    format!("SIGKILL at creation, leaving {stage}")
}

/// In which stage of its creation a journal was left.
fn remains(folder: &Path) -> &'static str {
    let has = |name: &str| folder.join(name).exists();
    match () {
        () if has("journal-wal") => "a journal in use",
        () if has("journal") => "a journal in place",
        () if has("journal.new-journal") => "a draft in the middle of its tables",
        () if has("journal.new") => "a draft without more",
        () => "nothing",
    }
}

/// A start, up to an instant somewhere in the creation.
fn start_and_wait(world: &mut World) -> Worker {
    let worker = world.start(&Fate::default());
    // Drafts live for an instant only, so most of the looking is for them.
    let mark = world.draw(10) as usize;
    match MARKS.get(mark / 2).filter(|_| mark < 8) {
        Some(name) => wait_for(world.folder(), name),
        None => std::thread::sleep(Duration::from_micros(u64::from(world.draw(20_000)))),
    }
    std::thread::sleep(Duration::from_micros(u64::from(world.draw(2) * world.draw(1_000))));
    worker
}

/// Up to three kills while a journal is created, then a start that must succeed.
pub(crate) fn killed_while_created(shape: Shape, seed: u64) -> Tally {
    let mut world = World::new(shape, seed, 10);
    for _ in 0..=world.draw(3) {
        let mut worker = start_and_wait(&mut world);
        worker.kill();
        assert!(worker.was_killed(), "it ended by itself");
        let left = remains(world.folder());
        world.tally.note(&count(left));
        world.bury(&worker);
    }
    let before = world.audit.promised();
    let mut worker = world.start(&Fate::default());
    // A busy machine may take its time.
    for _ in 0..25 {
        world.run(&mut worker, 40);
        if world.audit.promised() > before {
            break;
        }
    }
    assert!(world.audit.promised() > before, "seed {seed}: the next start does not get anywhere");
    worker.kill();
    assert!(worker.was_killed());
    world.tally.note("SIGKILL at random");
    world.bury(&worker);
    world.verdict(&format!("creation, seed {seed}"))
}
