//! Every test that docs/GUARANTEES.md names exists, every promise names one, and every requirement of its last table has
//! one that carries its number, or a reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;

use kraite_tests::{root, rust_files};

/// The names of all test functions of the repository.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in rust_files(".") {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line == "#[test]" || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some(rest) = line.trim_start_matches("async ").strip_prefix("fn ")
                && std::mem::take(&mut is_test)
            {
                names.insert(rest.split('(').next().unwrap().to_owned());
            }
        }
    }
    names
}

/// The requirements that have a row each.
const REQUIREMENTS: std::ops::RangeInclusive<u16> = 51..=117;

/// A row of a table: its first cell, the one before the last, and the tests named in the last.
struct Row {
    first: String,
    words: String,
    named: Vec<String>,
}

impl Row {
    /// The number of the requirement that the row is about.
    fn requirement(&self) -> Option<u16> {
        self.first.strip_prefix('R')?.parse().ok()
    }
}

fn rows(text: &str) -> Vec<Row> {
    let headings = ["| Promise", "| Number", "| ---"];
    text.lines()
        .filter(|line| line.starts_with("| ") && !headings.iter().any(|heading| line.starts_with(heading)))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let named = cells.last().unwrap().split('`').skip(1).step_by(2).map(str::to_owned).collect();
            let words = cells.get(cells.len().saturating_sub(2)).unwrap();
            Row { first: cells.first().unwrap().to_string(), words: words.to_string(), named }
        })
        .collect()
}

/// What is wrong with the rows of the requirements: each has one, which names a test of its number, or says why it names
/// none.
fn faults(rows: &[Row], tests: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    for number in REQUIREMENTS {
        let of_it: Vec<&Row> = rows.iter().filter(|row| row.requirement() == Some(number)).collect();
        let [row] = of_it[..] else {
            faults.push(format!("R{number} has {} rows", of_it.len()));
            continue;
        };
        let part = format!("r{number}");
        let carries = |name: &String| tests.contains(name) && name.split('_').any(|word| word == part);
        if row.named.is_empty() {
            if !row.words.starts_with("No test: ") {
                faults.push(format!("R{number} names no test and gives no reason"));
            }
        } else if !row.named.iter().any(carries) {
            faults.push(format!("R{number} names no test that carries its number"));
        }
    }
    faults
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let text = std::fs::read_to_string(root().join("docs/GUARANTEES.md")).unwrap();
    let (rows, tests) = (rows(&text), tests());
    assert!(rows.len() > 20, "{} promises", rows.len());
    assert!(tests.len() > 100, "{} tests", tests.len());
    for Row { first, named, .. } in rows.iter().filter(|row| !(row.named.is_empty() && row.requirement().is_some())) {
        assert!(!named.is_empty(), "no test is named for: {first}");
        for name in named {
            assert!(tests.contains(name), "`{name}` does not exist; it is named for: {first}");
        }
    }
}

#[test]
fn every_requirement_has_a_test_that_carries_its_number_or_a_reason() {
    let text = std::fs::read_to_string(root().join("docs/GUARANTEES.md")).unwrap();
    assert_eq!(faults(&rows(&text), &tests()), Vec::<String>::new());
}

#[test]
fn mutant_a_promise_without_a_test_is_noticed() {
    let rows = rows("| Promise | Shown by |\n| --- | --- |\n| Nothing is lost | `no_such_test` |\n| Free lunch | |");
    assert_eq!(rows.len(), 2);
    assert!(!tests().contains(&rows[0].named[0]));
    assert!(rows[1].named.is_empty());
}

#[test]
fn mutant_a_requirement_without_a_row_a_reason_or_a_test_of_its_number_is_noticed() {
    let text = std::fs::read_to_string(root().join("docs/GUARANTEES.md")).unwrap();
    let tests = tests();
    let changed = |number: u16, to: &str| {
        let start = format!("| R{number} |");
        let lines = text.lines().map(|line| if line.starts_with(&start) { to } else { line });
        faults(&rows(&lines.collect::<Vec<_>>().join("\n")), &tests)
    };
    assert_eq!(changed(60, ""), ["R60 has 0 rows"]);
    assert_eq!(changed(60, "| R61 | twice | `mutant_a_promise_without_a_test_is_noticed` |").len(), 2);
    let untested = "R60 names no test that carries its number";
    for named in ["r60_an_unchanged_echo_says_that_nothing_chagned", "r58_a_zero_echo_preserves_the_stated_values"] {
        assert_eq!(changed(60, &format!("| R60 | an echo | `{named}` |")), [untested], "{named}");
    }
    assert_eq!(changed(60, "| R60 | an echo | |"), ["R60 names no test and gives no reason"]);
    assert_eq!(changed(60, "| R60 | No test: nothing echoes | |"), Vec::<String>::new());
}

/// Rows of the README's tables of speeds that are in no row of the printed results: name, nanoseconds, ratio.
fn unmeasured(readme: &str, results: &str) -> Vec<String> {
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let section = readme.split("## How fast a backtest is").nth(1).unwrap().split("\n## ").next().unwrap();
    let measured: Vec<Vec<String>> = results.lines().map(cells).filter(|row| row.len() == 13).collect();
    let peers = ["kraite ", "backtesting.py ", "nautilus_trader ", "hftbacktest "];
    let shown = section.lines().filter(|line| peers.iter().any(|peer| line.starts_with(&format!("| {peer}"))));
    let shown: Vec<&str> = shown.collect();
    assert!(shown.len() >= 6, "{shown:?}");
    let is_measured = |line: &&str| {
        let row = cells(line);
        let mut words = row.get(1).unwrap().split([' ', ',']);
        let (name, version) = (words.next().unwrap(), words.next().unwrap());
        measured.iter().any(|printed| {
            let ratio: f64 = printed.get(7).unwrap().replace(',', "").parse().unwrap_or(0.0);
            printed.get(1).unwrap().starts_with(name)
                && printed.get(2).unwrap() == version
                && printed.get(6) == row.get(2)
                && format!("{ratio:.0}") == row.get(3).unwrap().replace(',', "")
        })
    };
    shown.into_iter().filter(|line| !is_measured(line)).map(ToOwned::to_owned).collect()
}

#[test]
fn the_speeds_in_the_readme_are_those_that_were_printed() {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).unwrap();
    let (readme, results) = (read("README.md"), read("bench/peers/RESULTS.md"));
    assert_eq!(unmeasured(&readme, &results), [""; 0]);
    for (printed, typed) in [("| 53,215.0 |", "| 63,215.0 |"), ("| 1,519 |", "| 2,519 |"), ("1.231.0", "1.232.0")] {
        assert!(!unmeasured(&readme.replace(printed, typed), &results).is_empty(), "{typed}");
    }
}
