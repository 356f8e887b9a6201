//! The zoo: every bug is woken in turn, and at least two kinds of evidence must find it.
//!
//! In a normal build the scenes are played and the decisions fed with no bug in the code at all. In a zoo build
//! (`RUSTC_WORKSPACE_WRAPPER=$PWD/tests/zoo/rustc`) each bug goes through every layer, and the table of
//! what found it is written to `zoo.md` in the target directory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod bench;
mod cases;
#[cfg(kraite_zoo)]
mod layers;
mod scenes;
#[cfg(kraite_zoo)]
mod table;

/// The model's worlds and the bridge to the core; its own test is `model`.
#[cfg(kraite_zoo)]
#[allow(dead_code, reason = "only the walk over every edge is needed here")]
#[path = "../model"]
mod model {
    pub(crate) mod bridge;
    pub(crate) mod protocol;
    pub(crate) mod walk;
    pub(crate) mod worker;
    mod world;
}

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
