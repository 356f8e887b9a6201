//! The examples run to their end and say what they did.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// What an example prints. Cargo builds it with the tests, unless one test is asked for by name.
fn output_of(example: &str) -> String {
    let here = std::env::current_exe().unwrap();
    let built = here.ancestors().nth(2).unwrap().join("examples").join(example);
    assert!(built.exists(), "{} is not built: cargo build -p kraite --examples", built.display());
    let output = Command::new(built).output().unwrap();
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{example}: {told}{errors}");
    told.into_owned()
}

/// Lines that are neither empty nor only a comment.
fn lines_of_code(text: &str) -> usize {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

#[test]
fn a_bot_embeds_the_engine_in_less_than_forty_lines_and_waits_until_it_is_protected() {
    let code = std::fs::read_to_string(folder().join("minimal_bot.rs")).unwrap();
    let lines = lines_of_code(&code);
    assert!(lines < 40, "{lines} lines");
    assert!(code.lines().all(|line| line.len() <= 120 && line.matches(';').count() <= 1), "lines that are crammed");
    assert_eq!(output_of("minimal_bot"), "position 1 on SOLUSDT: 0.41 open, stop and target accepted\n");
}

#[test]
fn mutant_a_line_of_code_more_is_counted() {
    let code = std::fs::read_to_string(folder().join("minimal_bot.rs")).unwrap();
    assert_eq!(
        lines_of_code(&format!("{code}\n\n  // nothing\n//! nothing\nfn more() {{}}\n")),
        lines_of_code(&code) + 1
    );
}

#[test]
fn a_bot_is_tested_against_a_scripted_exchange() {
    let told = output_of("mock_exchange");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 2, "{told}");
    assert!(lines[0].starts_with("too little money: nothing was asked for: a margin of 100 USDT"), "{told}");
    assert!(lines[1].starts_with("a refused entry: no position: position 1 on SOLUSDT is Cancelled"), "{told}");
}

#[test]
fn a_journal_of_ones_own_keeps_every_promise_and_a_second_life_opens_nothing_twice() {
    let told = output_of("own_journal");
    let lines: Vec<&str> = told.lines().collect();
    let (promises, lives) = lines.split_at(lines.len() - 2);
    assert!(promises.len() == 7 && promises.iter().all(|line| line.starts_with("held ")), "{told}");
    let [first, second] = lives else { panic!("{told}") };
    assert!(first.starts_with("first life: position 1,") && first.ends_with("6 orders at the exchange"), "{told}");
    assert_eq!(first.strip_prefix("first"), second.strip_prefix("second"), "{told}");
}

#[test]
fn a_bot_brings_its_own_signal() {
    assert_eq!(output_of("custom_signal"), "signal 1: Ok(())\nfour rungs, a stop and a target are open\n");
}

#[test]
fn every_example_is_in_the_readme_with_its_run_line() {
    let readme = std::fs::read_to_string(folder().join("../../README.md")).unwrap();
    let tested = include_str!("examples.rs");
    let mut found = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().trim_end_matches(".rs").to_owned();
        assert!(readme.contains(&format!("`cargo run -p kraite --example {name}`")), "{name}");
        assert!(tested.contains(&format!("output_of(\"{name}\")")), "{name}");
        found += 1;
    }
    assert!(found >= 4, "{found}");
}
