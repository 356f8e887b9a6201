//! Every test that docs/GUARANTEES.md names exists, and every promise names one.
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

/// The rows of the table of promises: what is promised, and the tests named in the last column.
fn promises(text: &str) -> Vec<(String, Vec<String>)> {
    text.lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| Promise") && !line.starts_with("| ---"))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let named = cells.last().unwrap().split('`').skip(1).step_by(2).map(str::to_owned).collect();
            (cells.first().unwrap().to_string(), named)
        })
        .collect()
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let text = std::fs::read_to_string(root().join("docs/GUARANTEES.md")).unwrap();
    let (promises, tests) = (promises(&text), tests());
    assert!(promises.len() > 20, "{} promises", promises.len());
    assert!(tests.len() > 100, "{} tests", tests.len());
    for (promise, named) in promises {
        assert!(!named.is_empty(), "no test is named for: {promise}");
        for name in named {
            assert!(tests.contains(&name), "`{name}` does not exist; it is named for: {promise}");
        }
    }
}

#[test]
fn mutant_a_promise_without_a_test_is_noticed() {
    let rows =
        promises("| Promise | Shown by |\n| --- | --- |\n| Nothing is lost | `no_such_test` |\n| Free lunch | |");
    assert_eq!(rows.len(), 2);
    assert!(!tests().contains(&rows[0].1[0]));
    assert!(rows[1].1.is_empty());
}
