//! No bug of the zoo is in the command, unless it was built to hold them all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

/// The ids in the table of the zoo, read from its source: a normal build has no other trace of them.
fn ids() -> Vec<&'static str> {
    let table = include_str!("../../kraite-core/src/zoo.rs");
    let entry = |line: &'static str| {
        let (variant, rest) = line.strip_prefix("    ")?.split_once(" \"")?;
        variant.chars().all(char::is_alphanumeric).then(|| rest.split('"').next()).flatten()
    };
    table.lines().filter_map(entry).collect()
}

fn held() -> Vec<&'static str> {
    let binary = std::fs::read(env!("CARGO_BIN_EXE_kraite")).unwrap();
    assert!(binary.len() > 1_000_000, "{} bytes are no command", binary.len());
    ids().into_iter().filter(|id| memchr::memmem::find(&binary, id.as_bytes()).is_some()).collect()
}

#[cfg(not(kraite_zoo))]
#[test]
fn the_command_holds_no_bug_of_the_zoo() {
    assert!(ids().len() >= 44, "{} ids", ids().len());
    assert_eq!(held(), Vec::<&str>::new());
}

#[cfg(kraite_zoo)]
#[test]
fn mutant_a_zoo_build_holds_every_bug() {
    let all: Vec<&str> = kraite_core::zoo::Bug::ALL.iter().map(|bug| bug.id()).collect();
    assert_eq!(ids(), all, "the source is read wrongly");
    assert_eq!(held(), all);
}
