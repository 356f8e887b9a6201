//! The zoo: every bug is woken in turn, and something that looks at what the code does must find it.
//!
//! In a normal build the scenes are played with no bug in the code at all. In a zoo build
//! (`RUSTFLAGS="--cfg kraite_zoo" CARGO_TARGET_DIR=target/zoo`) each bug is hunted and a table is printed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod hunt;
mod scenes;

#[cfg(not(kraite_zoo))]
#[test]
fn s04_scenes_of_other_hands_and_lost_records_end_as_they_should() {
    if let Some(found) = hunt::scenes() {
        panic!("{}: {}", found.place, found.finding);
    }
}

#[cfg(kraite_zoo)]
mod awake {
    use kraite_core::zoo::{self, Bug};

    use super::hunt::{self, Found};

    /// CPU time of this thread in milliseconds; 0 where the system does not say.
    fn cpu_ms() -> u64 {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        text.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0) / 1_000_000
    }

    fn hunt_all() -> Option<Found> {
        hunt::lives().or_else(hunt::scenes).or_else(hunt::faults)
    }

    #[test]
    fn mutant_every_bug_of_the_zoo_is_found() {
        let only = std::env::var("KRAITE_BUG").ok();
        zoo::wake(None);
        if only.is_none()
            && let Some(found) = hunt_all()
        {
            panic!("with every bug asleep: {}: {}", found.place, found.finding);
        }
        println!("asleep: nothing found, {} ms", cpu_ms());
        let mut missed = Vec::new();
        for bug in Bug::ALL.iter().filter(|bug| only.as_ref().is_none_or(|id| id == bug.id())) {
            let before = cpu_ms();
            zoo::wake(Some(*bug));
            let found = std::panic::catch_unwind(hunt_all);
            let spent = cpu_ms() - before;
            match found {
                Ok(Some(Found { place, finding })) => println!("{} | {spent} ms | {place} | {finding:.160}", bug.id()),
                Ok(None) => {
                    println!("{} | {spent} ms | NOT FOUND", bug.id());
                    missed.push(bug.id());
                }
                Err(_) => println!("{} | {spent} ms | a panic", bug.id()),
            }
        }
        zoo::wake(None);
        assert!(missed.is_empty(), "not found: {missed:?}");
    }
}
