//! Every listed code, and what a refusal with it is taken for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::collections::BTreeMap;

use common::answer;
use kraite_binance::codec::{Class, ERRORS, ErrorRow, Failure, Placed};
use kraite_core::exchange::{Outcome, RejectKind};

struct Row<'a> {
    code: i64,
    name: &'a str,
    class: &'a str,
    placed: &'a str,
    verdict: &'a str,
}

fn golden() -> Vec<Row<'static>> {
    let lines = include_str!("golden/errors.tsv").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            assert_eq!(cells.len(), 5, "{line}");
            Row {
                code: cells[0].parse().unwrap(),
                name: cells[1],
                class: cells[2],
                placed: cells[3],
                verdict: cells[4],
            }
        })
        .collect()
}

fn body(code: i64) -> String {
    format!(r#"{{"code":{code},"msg":"words of the venue"}}"#)
}

/// Where the table and the list disagree about a row.
fn disagreement(row: &Row<'_>, table: &[ErrorRow], of: impl Fn(i64) -> String) -> Option<String> {
    let Some(entry) = table.iter().find(|entry| entry.code == row.code) else {
        return Some(format!("{} is missing", row.code));
    };
    let class = format!("{:?}", entry.class).to_lowercase();
    let placed = match entry.placed {
        Placed::No => "no",
        Placed::Maybe => "maybe",
        Placed::Yes => "yes",
        Placed::NotAbout => "-",
    };
    let verdict = of(row.code);
    let same =
        entry.name == row.name && class == row.class.replace('_', "") && placed == row.placed && verdict == row.verdict;
    (!same).then(|| format!("{}: {} {class} {placed} {verdict}", row.code, entry.name))
}

fn verdict(code: i64) -> String {
    format!("{:?}", Failure::of(answer(400, &body(code))).verdict)
}

#[test]
fn r07_every_listed_code_means_what_the_list_says() {
    let rows = golden();
    assert_eq!(rows.len(), ERRORS.len());
    assert!(rows.len() > 140, "{}", rows.len());
    let wrong: Vec<String> = rows.iter().filter_map(|row| disagreement(row, ERRORS, verdict)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn mutant_a_row_that_is_wrong_is_told() {
    let rows = golden();
    let mut table = ERRORS.to_vec();
    table[3].class = Class::Noop;
    table.remove(10);
    let wrong = rows.iter().filter(|row| disagreement(row, &table, verdict).is_some()).count();
    assert_eq!(wrong, 2);
    let flat = |_| "Rejected(Other)".to_owned();
    assert!(rows.iter().filter(|row| disagreement(row, ERRORS, flat).is_some()).count() > 80);
}

#[test]
fn r06_no_code_that_leaves_a_doubt_becomes_a_refusal() {
    for row in ERRORS {
        let outcome = Failure::of(answer(400, &body(row.code))).outcome();
        match row.placed {
            Placed::Maybe => assert!(matches!(outcome, Outcome::Unknown(_)), "{row:?}"),
            Placed::Yes => assert!(
                matches!(&outcome, Outcome::Unknown(_))
                    || matches!(&outcome, Outcome::Rejected(reject) if reject.kind == RejectKind::AlreadyExists),
                "{row:?}"
            ),
            Placed::No | Placed::NotAbout => {}
        }
        // Under a 5xx no code proves anything; 503 has its texts.
        for status in [500, 502, 504] {
            let outcome = Failure::of(answer(status, &body(row.code))).outcome();
            assert!(matches!(outcome, Outcome::Unknown(_)), "{status} {row:?}");
        }
    }
}

#[test]
fn r07_each_class_has_one_meaning_but_for_the_rows_that_say_otherwise() {
    let mut meanings: BTreeMap<Class, BTreeMap<String, Vec<i64>>> = BTreeMap::new();
    for row in ERRORS {
        meanings.entry(row.class).or_default().entry(verdict(row.code)).or_default().push(row.code);
    }
    let split: Vec<(Class, usize)> =
        meanings.iter().filter(|(_, by)| by.len() > 1).map(|(class, by)| (*class, by.len())).collect();
    assert_eq!(split, [(Class::UnknownOutcome, 2), (Class::TransientSafe, 3), (Class::DuplicateId, 2)]);
}
