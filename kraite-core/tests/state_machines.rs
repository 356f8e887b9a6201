//! The two state machines, printed: a change of a table is a diff somebody reviews.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use kraite_core::order::{Life, Terminal};
use kraite_core::position::Phase;
use kraite_core::table::{Machine, Verdict, graphviz, matrix};

/// Compares with the golden file; `KRAITE_BLESS=1` writes it instead.
fn golden(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("KRAITE_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(known, text, "{name} changed: review it, then run with KRAITE_BLESS=1");
}

#[test]
fn s11_the_order_machine_is_the_printed_one() {
    golden("order_life.txt", &matrix::<Life>());
    golden("order_life.dot", &graphviz::<Life>("order"));
}

#[test]
fn s11_the_position_machine_is_the_printed_one() {
    golden("position_phase.txt", &matrix::<Phase>());
    golden("position_phase.dot", &graphviz::<Phase>("position"));
}

fn no_pair_twice<M: Machine>() {
    for (place, row) in M::ROWS.iter().enumerate() {
        for other in M::ROWS.iter().skip(place + 1) {
            assert!(!(row.from == other.from && row.on == other.on), "{:?} on {:?} has two rows", row.from, row.on);
        }
    }
}

#[test]
fn s11_no_state_has_two_rows_for_one_event() {
    no_pair_twice::<Life>();
    no_pair_twice::<Phase>();
}

#[test]
fn r51_the_venues_terminals_are_never_left_for_a_working_state() {
    for terminal in [Terminal::Rejected, Terminal::Cancelled, Terminal::Expired, Terminal::Filled] {
        for event in Life::EVENTS {
            if let Verdict::Applied(next) = Life::Done(terminal).on(*event) {
                assert!(matches!(next, Life::Done(t) if t > terminal), "{terminal:?} on {event:?} gives {next:?}");
            }
        }
    }
}

#[test]
fn r06_only_proof_or_a_refusal_of_the_attempt_itself_turns_doubt_into_nothing() {
    use kraite_core::order::LifeEvent;
    for event in Life::EVENTS {
        let gone =
            matches!(Life::InDoubt.on(*event), Verdict::Applied(Life::Done(Terminal::Absent | Terminal::Refused)));
        assert_eq!(gone, *event == LifeEvent::ProvenAbsent, "{event:?}");
    }
}
