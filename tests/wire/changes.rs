//! Rows B11, B12, B14 and B15: orders that are cancelled or changed, stop and target that are not taken together, and
//! closing orders that execute less than was asked for.

use kraite_core::id::Role;
use kraite_core::number::Qty;
use kraite_core::plan::TargetStyle;
use kraite_core::position::Why;
use kraite_core::time::Millis;

use crate::faults::{Row, each, in_each, no_alarm};
use crate::life::{Case, Life};
use crate::requests::{Hand, Request};

const LOST: [&str; 2] = [r#"{"kind":"cut","when":"before"}"#, r#"{"kind":"cut","when":"after"}"#];

/// Lost on the way there and back, and answered by "no such order", whether or not there is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b11_cancels_that_are_lost_or_of_nothing_that_is_known() {
    let mut rows: Vec<Row> = Vec::new();
    for case in Case::EACH {
        let unknown =
            [true, false].map(|acts| format!(r#"{{"kind":"error","code":{},"acts":{acts}}}"#, case.codes().no_order));
        for fault in LOST.map(str::to_owned).into_iter().chain(unknown) {
            rows.push((case, format!("B11 a rung: {fault}"), vec![case.requests().cancel_rung.meets(1, &fault)]));
        }
    }
    let conditional = Request { method: "DELETE", path: "/fapi/v1/algoOrder", contains: "" };
    for fault in LOST {
        rows.push((Case::LONG, format!("B11 a conditional order: {fault}"), vec![conditional.meets(1, fault)]));
    }
    no_alarm(&each(rows).await);
}

/// A rung fills unseen, and is cancelled: what it has executed is taken off with the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b11_a_cancel_of_what_has_filled_finds_the_fill() {
    in_each(&Case::EACH, |case| async move {
        let life = Life::start(case).await;
        life.open().await;
        life.active().await;
        let held = life.exposure();
        life.admin("POST", "/streams", r#"{"do":"silence","users":true}"#).await;
        life.price(*life.rungs().iter().max().unwrap()).await;
        assert!(life.exposure() > held);
        life.close().await;
        life.ended().await;
        let verdict = life.verdict().await;
        assert_eq!(verdict.seen.why, Some(Why::Command), "{verdict:?}");
        assert!(verdict.naked < Millis::from_secs(10), "{verdict:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b12_changes_that_are_lost_unknown_late_or_refused() {
    let mut rows: Vec<Row> = Vec::new();
    for case in Case::PAIRED {
        let (change, before) = case.requests().change;
        let busy = format!(r#"{{"kind":"error","code":{}}}"#, case.codes().busy);
        let more = [
            r#"{"kind":"unknown","acts":true}"#,
            r#"{"kind":"unknown","acts":false}"#,
            // What was sent first comes last, behind its own repeat.
            r#"{"kind":"delay","ms":12000,"when":"before"}"#,
            r#"{"kind":"double"}"#,
            &busy,
        ];
        for fault in LOST.into_iter().chain(more) {
            rows.push((case, format!("B12 the pair: {fault}"), vec![change.meets_after(before, 1, fault)]));
        }
    }
    for code in [25_570, 25_572] {
        let fault = format!(r#"{{"kind":"error","code":{code}}}"#);
        let (change, before) = Case::UNIFIED.requests().change;
        rows.push((Case::UNIFIED, format!("B12 the pair: {code}"), vec![change.meets_after(before, 1, &fault)]));
    }
    let limit = Case { style: TargetStyle::Limit, ..Case::LONG };
    let amended = Request { method: "PUT", path: "/fapi/v1/order", contains: "" };
    let refused =
        [r#"{"kind":"unknown","acts":true}"#, r#"{"kind":"error","code":-5026}"#, r#"{"kind":"error","code":-5028}"#];
    for fault in LOST.into_iter().chain(refused) {
        rows.push((limit, format!("B12 the target: {fault}"), vec![amended.meets(1, fault)]));
    }
    no_alarm(&each(rows).await);
}

/// Stop and target are one call: the venue takes one of them, or answers with its rows in another order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b14_a_pair_of_which_one_leg_is_taken_becomes_whole() {
    let mut rows: Vec<Row> = Vec::new();
    for case in Case::PAIRED {
        let (_, pair) = case.requests().protection[0];
        for (what, fault) in [
            ("only the target", r#"{"kind":"legs","refused":[0],"code":40017}"#),
            ("only the stop", r#"{"kind":"legs","refused":[1],"code":40017}"#),
            ("rows reversed", r#"{"kind":"reversed"}"#),
        ] {
            rows.push((case, format!("B14 {what}"), vec![pair.meets(1, fault)]));
        }
    }
    no_alarm(&each(rows).await);
}

/// A pair that is refused for good leaves no position without its stop: it is closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b14_a_pair_that_is_refused_for_good_closes_the_position() {
    in_each(&Case::PAIRED, |case| async move {
        let (_, pair) = case.requests().protection[0];
        let life = Life::start(case).await;
        life.open_under(&[pair.meets(1_000, &format!(r#"{{"kind":"error","code":{}}}"#, case.codes().margin))]).await;
        life.ended().await;
        let verdict = life.verdict().await;
        assert_eq!(verdict.seen.why, Some(Why::StopRefused), "{verdict:?}");
        assert!(verdict.faults > 0 && verdict.naked < Millis::from_secs(45), "{verdict:?}");
    })
    .await;
}

/// The user takes part of a position off by hand, and no frame tells it.
async fn taken_by_hand(life: &Life) -> Qty {
    let before = life.exposure();
    life.admin("POST", "/streams", r#"{"do":"silence","users":true}"#).await;
    life.admin("POST", "/order", &life.case.by_hand(Hand::TakesOff, "0.2", "by-hand")).await;
    assert!(life.exposure() < before && life.exposure().is_positive());
    before
}

/// Then the target takes the rest: less than it was placed for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b15_a_target_that_executes_less_than_it_was_placed_for() {
    let limit = Case { style: TargetStyle::Limit, ..Case::LONG };
    in_each(&[limit, Case::CLASSIC, Case::UNIFIED], |case| async move {
        let life = Life::start(case).await;
        life.open().await;
        life.active().await;
        let placed = taken_by_hand(&life).await;
        life.recover().await;
        life.until("flat", |life| life.exposure().is_zero()).await;
        life.admin("POST", "/streams", r#"{"do":"resume","users":true}"#).await;
        life.ended().await;
        let taken = life.executed(Role::Target);
        assert!(taken.is_positive() && taken < placed, "{taken} of {placed}");
        assert_eq!(life.verdict().await.seen.why, Some(Why::TargetFilled));
    })
    .await;
}

/// Then it is closed, with as much as was believed to be open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b15_a_close_of_more_than_is_there() {
    in_each(&Case::EACH, |case| async move {
        let life = Life::start(case).await;
        life.open().await;
        life.active().await;
        taken_by_hand(&life).await;
        life.close().await;
        life.ended().await;
        let verdict = life.verdict().await;
        assert_eq!(verdict.seen.why, Some(Why::Command), "{verdict:?}");
    })
    .await;
}
