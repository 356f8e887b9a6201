//! Every listed code, and what a refusal with it is taken for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::collections::BTreeMap;

use common::{answer, refused};
use kraite_bitget::codec::{Class, ERRORS, ErrorRow, Failure, Placed, error_row};
use kraite_core::exchange::{Cause, Outcome, RejectKind};

struct Row<'a> {
    code: i64,
    class: &'a str,
    placed: &'a str,
    verdict: &'a str,
}

fn golden() -> Vec<Row<'static>> {
    let lines = include_str!("golden/errors.tsv").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            assert_eq!(cells.len(), 4, "{line}");
            Row { code: cells[0].parse().unwrap(), class: cells[1], placed: cells[2], verdict: cells[3] }
        })
        .collect()
}

fn verdict(status: u16, code: i64) -> String {
    format!("{:?}", Failure::of(answer(status, &refused(&format!("{code:05}")))).verdict)
}

/// Where the table and the list disagree about a row.
fn disagreement(row: &Row<'_>, table: &[ErrorRow], of: impl Fn(i64) -> String) -> Option<String> {
    let Some(entry) = table.iter().find(|entry| entry.code == row.code) else {
        return Some(format!("{} is missing", row.code));
    };
    let (class, placed, verdict) = (format!("{:?}", entry.class), format!("{:?}", entry.placed), of(row.code));
    let same = class == row.class && placed == row.placed && verdict == row.verdict;
    (!same).then(|| format!("{}: {class} {placed} {verdict}", row.code))
}

#[test]
fn r07_r21_every_listed_code_means_what_the_list_says_whatever_the_status() {
    let rows = golden();
    assert_eq!(rows.len(), ERRORS.len());
    assert!(rows.len() > 390, "{}", rows.len());
    for status in [200, 400] {
        let wrong: Vec<String> =
            rows.iter().filter_map(|row| disagreement(row, ERRORS, |code| verdict(status, code))).collect();
        assert!(wrong.is_empty(), "{status} {wrong:#?}");
    }
}

#[test]
fn mutant_a_row_that_is_wrong_is_told() {
    let rows = golden();
    let mut table = ERRORS.to_vec();
    table[3].class = Class::Noop;
    table.remove(10);
    let of = |code| verdict(400, code);
    assert_eq!(rows.iter().filter(|row| disagreement(row, &table, of).is_some()).count(), 2);
    let flat = |_| "Rejected(Other)".to_owned();
    assert!(rows.iter().filter(|row| disagreement(row, ERRORS, flat).is_some()).count() > 300);
}

#[test]
fn the_table_is_in_order_and_every_row_is_found() {
    assert!(ERRORS.windows(2).all(|two| two[0].code < two[1].code));
    for row in ERRORS {
        assert_eq!(error_row(row.code), Some(row));
    }
    assert_eq!(error_row(0), None);
    assert_eq!(error_row(39_999), None);
}

#[test]
fn r06_no_code_that_leaves_a_doubt_becomes_a_refusal() {
    for row in ERRORS {
        let body = refused(&row.code.to_string());
        let outcome = Failure::of(answer(400, &body)).outcome();
        match row.placed {
            Placed::Maybe => assert!(matches!(outcome, Outcome::Unknown(_)), "{row:?}"),
            Placed::Yes => assert!(
                outcome == Outcome::Unknown(Cause::DuplicateId)
                    || matches!(&outcome, Outcome::Rejected(reject) if reject.kind == RejectKind::AlreadyExists),
                "{row:?}"
            ),
            Placed::No | Placed::NotAbout => {}
        }
        // Under a 5xx no code proves anything.
        for status in [500, 502, 503, 504] {
            let outcome = Failure::of(answer(status, &body)).outcome();
            assert!(matches!(outcome, Outcome::Unknown(_)), "{status} {row:?}");
        }
    }
}

#[test]
fn r07_each_class_has_one_meaning() {
    let mut meanings: BTreeMap<Class, BTreeMap<String, Vec<i64>>> = BTreeMap::new();
    for row in ERRORS {
        meanings.entry(row.class).or_default().entry(verdict(400, row.code)).or_default().push(row.code);
    }
    let split: Vec<_> = meanings.iter().filter(|(_, by)| by.len() > 1).collect();
    assert!(split.is_empty(), "{split:?}");
    assert_eq!(meanings.len(), 30);
}
