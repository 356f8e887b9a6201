//! The zoo: every bug is woken in turn, and something that looks at what the code does must find it.
//!
//! In a normal build the scenes are played with no bug in the code at all. In a zoo build
//! (`RUSTFLAGS="--cfg kraite_zoo" CARGO_TARGET_DIR=target/zoo`) each bug is hunted and a table is printed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod bench;
mod cases;
#[cfg(kraite_zoo)]
mod hunt;
mod scenes;

#[cfg(not(kraite_zoo))]
mod asleep {
    use super::{cases, scenes};

    #[test]
    fn s04_scenes_of_other_hands_and_lost_records_end_as_they_should() {
        if let Some(found) = scenes::first_wrong() {
            panic!("{}: {}", found.place, found.finding);
        }
    }

    #[test]
    fn r09_r12_r43_r86_each_decision_that_the_zoo_gets_wrong_is_made_rightly() {
        assert!(cases::enough_misses_prove_absence(), "nothing is ever proven absent: the cases cannot fail");
        let wrong: Vec<&str> = cases::ALL.iter().filter(|(_, right)| !right()).map(|(bug, _)| *bug).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}

#[cfg(kraite_zoo)]
mod awake {
    use std::collections::BTreeSet;

    use kraite_core::zoo::{self, Bug};

    use super::scenes::{self, Found};
    use super::{cases, hunt};

    type Layer = fn(Bug) -> Option<Found>;

    /// From the cheapest to the dearest.
    const LAYERS: [(&str, Layer); 4] = [
        ("decision", decision),
        ("life", |_| hunt::lives()),
        ("scene", |_| scenes::first_wrong()),
        ("fault", |_| hunt::faults()),
    ];

    /// The cases that are about this bug.
    fn decision(bug: Bug) -> Option<Found> {
        let mut about = cases::ALL.iter().filter(|(id, _)| *id == bug.id());
        about.find(|(_, right)| !right()).map(|_| Found { place: String::new(), finding: bug.what().into() })
    }

    /// CPU time of this thread in milliseconds; 0 where the system does not say.
    fn cpu_ms() -> u64 {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        text.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0) / 1_000_000
    }

    /// With every bug asleep no layer may find anything, or what it finds later says nothing.
    fn all_asleep() {
        zoo::wake(None);
        assert!(cases::enough_misses_prove_absence());
        for (id, right) in cases::ALL {
            assert!(Bug::by_id(id).is_some(), "{id} is no bug");
            assert!(right(), "with every bug asleep: {id}");
        }
        for (layer, hunt) in LAYERS.iter().skip(1) {
            if let Some(found) = hunt(Bug::BlindResend) {
                panic!("with every bug asleep: {layer}: {}: {}", found.place, found.finding);
            }
        }
        println!("| asleep | {} ms | nothing found |", cpu_ms());
    }

    /// `KRAITE_BUG` hunts one bug; `KRAITE_LAYERS=all` goes on through every layer that could find it.
    #[test]
    fn mutant_every_bug_of_the_zoo_is_found() {
        let only = std::env::var("KRAITE_BUG").ok();
        let all_layers = std::env::var("KRAITE_LAYERS").is_ok_and(|text| text == "all");
        if only.is_none() {
            all_asleep();
        }
        let mut missed = BTreeSet::new();
        for bug in Bug::ALL.iter().filter(|bug| only.as_ref().is_none_or(|id| id == bug.id())) {
            zoo::wake(Some(*bug));
            missed.insert(bug.id());
            for (layer, hunt) in LAYERS {
                let before = cpu_ms();
                // A bug that keeps a layer from setting its stage is for another layer to find.
                let found = std::panic::catch_unwind(|| hunt(*bug)).unwrap_or(None);
                let spent = cpu_ms().saturating_sub(before);
                let Some(Found { place, finding }) = found else { continue };
                println!("| {} | {} | {layer} | {place} | {spent} ms | {finding:.120} |", bug.id(), bug.breaks());
                missed.remove(bug.id());
                if !all_layers {
                    break;
                }
            }
        }
        zoo::wake(None);
        assert!(missed.is_empty(), "not found: {missed:?}");
    }

    #[test]
    fn every_bug_has_a_name_of_its_own_and_the_rule_it_breaks() {
        let ids: BTreeSet<&str> = Bug::ALL.iter().map(|bug| bug.id()).collect();
        assert_eq!(ids.len(), Bug::ALL.len());
        assert!(ids.len() >= 44, "{} bugs", ids.len());
        for bug in Bug::ALL {
            assert_eq!(Bug::by_id(bug.id()), Some(*bug));
            assert!(bug.id().chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", bug.id());
            assert!(bug.breaks().starts_with(['R', 'S', 'I']) && bug.what().ends_with('.'), "{}", bug.id());
        }
    }
}
