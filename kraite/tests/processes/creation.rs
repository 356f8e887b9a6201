//! Killed while the very first start creates the journal: whatever is left, the next start succeeds.

use std::path::Path;
use std::time::Duration;

use crate::tally::Tally;
use crate::worker::{Fate, Worker};
use crate::world::{Shape, World};

/// What appears one after the other while a journal is created.
const MARKS: [&str; 5] = ["journal.new", "journal.new-journal", "journal", "journal-wal", "journal-shm"];

/// Waits until a file is there, looking often, for as long as a start can take.
fn wait_for(path: &Path) {
    for _ in 0..20_000 {
        if path.exists() {
            return;
        }
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// In which stage of its creation a journal was left.
fn remains(folder: &Path) -> &'static str {
    let has = |name: &str| folder.join(name).exists();
    let empty = std::fs::metadata(folder.join("journal.new")).is_ok_and(|draft| draft.len() == 0);
    match () {
        () if has("journal-wal") => "in use",
        () if has("journal") => "in place",
        () if has("journal.new-journal") => "a draft in the middle of its tables",
        () if empty => "an empty draft",
        () if has("journal.new") => "a whole draft",
        () => "nothing yet",
    }
}

fn kill_once(world: &mut World) -> Worker {
    let worker = world.start(&Fate::default());
    let mark = world.draw(2 * MARKS.len() as u32) as usize;
    match MARKS.get(mark) {
        Some(name) => wait_for(&world.folder().join(name)),
        None => std::thread::sleep(Duration::from_micros(u64::from(world.draw(20_000)))),
    }
    std::thread::sleep(Duration::from_micros(u64::from(world.draw(2) * world.draw(1_500))));
    worker
}

/// Up to three kills while a journal is created, then a start that must succeed.
pub(crate) fn killed_while_created(shape: Shape, seed: u64) -> Tally {
    let mut world = World::new(shape, seed, 10);
    for _ in 0..=world.draw(3) {
        let mut worker = kill_once(&mut world);
        worker.kill();
        assert!(worker.was_killed(), "it ended by itself");
        world.tally.note(&format!("SIGKILL at creation, leaving {}", remains(world.folder())));
        world.bury(&worker);
    }
    let before = world.audit.promised();
    let mut worker = world.start(&Fate::default());
    world.run(&mut worker, 40);
    assert!(world.audit.promised() > before, "seed {seed}: the next start does not get anywhere");
    worker.kill();
    assert!(worker.was_killed());
    world.tally.note("SIGKILL at random");
    world.bury(&worker);
    world.verdict(&format!("creation, seed {seed}"))
}
