//! What may be named where: the core is pure, venues stay in their own rooms, and both tellings of a venue
//! agree.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::Path;

use kraite_tests::{root, rust_files};

/// Lines of code (comments left out) that contain one of the words.
fn lines_with(text: &str, words: &[&str]) -> Vec<(usize, String)> {
    let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    (1..).zip(text.lines().map(code)).filter(|(_, line)| words.iter().any(|word| line.contains(word))).collect()
}

/// Clocks, randomness, files, sockets, hash maps, the environment, printing.
const IMPURE: [&str; 16] = [
    "SystemTime",
    "Instant",
    "std::time",
    "std::fs",
    "std::net",
    "std::env",
    "std::io",
    "std::process",
    "std::thread",
    "HashMap",
    "HashSet",
    "rand::",
    "getrandom",
    "tokio",
    "println!",
    "thread_rng",
];

#[test]
fn the_core_has_no_clock_no_chance_no_file_no_socket_no_hash_map() {
    let files = rust_files("kraite-core/src");
    assert!(files.len() > 30, "the core has moved");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let found = lines_with(&text, &IMPURE);
        assert!(found.is_empty(), "{}: {found:?}", file.display());
    }
    let manifest = std::fs::read_to_string(root().join("kraite-core/Cargo.toml")).unwrap();
    for dependency in ["tokio", "rand", "reqwest", "rusqlite"] {
        let normal = manifest.split("[dev-dependencies]").next().unwrap();
        assert!(!normal.contains(dependency), "{dependency}");
    }
}

fn names_a_venue(text: &str) -> bool {
    let text = text.to_lowercase();
    text.contains("binance") || text.contains("bitget")
}

#[test]
fn venues_are_named_only_by_backends_presets_emulators_and_the_command() {
    let rooms = [Path::new("kraite-sim/src/presets"), Path::new("kraite-sim/src/emulator")];
    let mut looked_at = 0;
    for folder in ["kraite-core/src", "kraite-engine/src", "kraite-journal/src", "kraite-sim/src", "kraite-wire/src"] {
        for file in rust_files(folder) {
            let place = file.strip_prefix(root()).unwrap();
            if rooms.iter().any(|room| place.starts_with(room)) {
                continue;
            }
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(!names_a_venue(&text), "{} names a venue", file.display());
            looked_at += 1;
        }
    }
    assert!(looked_at > 70, "{looked_at}");
}

#[test]
fn mutant_the_two_checks_can_fail() {
    assert_eq!(lines_with("let now = SystemTime::now();", &IMPURE).len(), 1);
    assert_eq!(lines_with("// a SystemTime in a comment", &IMPURE).len(), 0);
    assert!(names_a_venue("match venue { Binance => 1 }"));
}

#[test]
fn a_simulated_venue_is_shaped_like_the_backend_says() {
    assert_eq!(kraite_sim::presets::binance().capabilities, kraite_binance::capabilities());
    assert_eq!(kraite_sim::presets::bitget().capabilities, kraite_bitget::capabilities());
}

#[test]
fn backends_never_see_each_other_and_the_core_sees_nothing_of_ours() {
    let manifest = |krate: &str| std::fs::read_to_string(root().join(krate).join("Cargo.toml")).unwrap();
    assert!(!manifest("kraite-binance").contains("kraite-bitget"));
    assert!(!manifest("kraite-bitget").contains("kraite-binance"));
    for backend in ["kraite-binance", "kraite-bitget"] {
        assert!(!manifest("kraite-sim").contains(backend), "an emulator shares nothing with the backend it judges");
    }
    let core = manifest("kraite-core");
    let ours = core.lines().filter(|line| line.starts_with("kraite-") && line.contains("workspace")).count();
    assert_eq!(ours, 0);
}
