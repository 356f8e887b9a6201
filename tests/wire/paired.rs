//! Rows B and C of the fault model where stop and target are one call: on classic and on unified accounts, with a fault
//! on each thing that is placed, that the emulator deals.

use kraite_core::exchange::PositionMode;
use kraite_sim::emulator::Protocol;

use crate::faults::{each_of, no_alarm, rule};
use crate::life::{Case, Verdict};

const BOTH: [Protocol; 2] = [Protocol::BitgetClassic, Protocol::BitgetUnified];

/// What is placed in a life, told apart by what stands in the request.
const fn placed(protocol: Protocol) -> [(&'static str, &'static str, &'static str); 3] {
    match protocol {
        Protocol::BitgetUnified => [
            ("the entry", "/api/v3/trade/place-order", "market"),
            ("the rungs", "/api/v3/trade/place-batch", "limit"),
            ("the pair", "/api/v3/trade/place-strategy-order", ""),
        ],
        Protocol::Binance | Protocol::BitgetClassic => [
            ("the entry", "/api/v2/mix/order/place-order", "market"),
            ("the rungs", "/api/v2/mix/order/batch-place-order", "limit"),
            ("the pair", "/api/v2/mix/order/place-pos-tpsl", ""),
        ],
    }
}

async fn on_placing(row: &str, fault: &str) -> Vec<(String, Verdict)> {
    each_placed(row, fault, &["the entry", "the rungs", "the pair"]).await
}

/// Each of these things, when it is placed, meets the fault once, on both kinds of accounts, in hedge mode.
async fn each_placed(row: &str, fault: &str, things: &[&str]) -> Vec<(String, Verdict)> {
    let mut verdicts = Vec::new();
    for protocol in BOTH {
        let case = Case { protocol, mode: PositionMode::Hedge, ..Case::LONG };
        let placed = placed(protocol).into_iter().filter(|(what, ..)| things.contains(what));
        let rows = placed.map(|(what, path, contains)| {
            (format!("{row} {what}, {protocol:?}"), vec![rule("POST", path, contains, 1, fault)])
        });
        verdicts.extend(each_of(case, rows.collect()).await);
    }
    verdicts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r42_b01_lost_before_the_venue() {
    no_alarm(&on_placing("B1", r#"{"kind":"cut","when":"before"}"#).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r42_b02_lost_after_the_venue_took_it() {
    no_alarm(&on_placing("B2", r#"{"kind":"cut","when":"after"}"#).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r42_b07_the_venue_does_not_know() {
    for acts in [true, false] {
        no_alarm(&on_placing(&format!("B7 acts {acts}:"), &format!(r#"{{"kind":"unknown","acts":{acts}}}"#)).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r21_b09_an_answer_without_a_body_is_no_success() {
    for acts in [true, false] {
        no_alarm(&on_placing(&format!("empty, acts {acts}:"), &format!(r#"{{"kind":"empty","acts":{acts}}}"#)).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c01_c02_answers_late_and_frames_first() {
    no_alarm(&on_placing("C2", r#"{"kind":"delay","ms":1500,"when":"after"}"#).await);
    no_alarm(&on_placing("C1", r#"{"kind":"delay","ms":12000,"when":"after"}"#).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c09_answers_that_break_off() {
    no_alarm(&on_placing("C9", r#"{"kind":"truncate","bytes":20}"#).await);
}

/// The second copy of a resting order is refused, that of a pair overwrites the first with itself. A doubled entry is
/// no different here than where stop and target are placed one by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b05_rungs_and_pairs_that_the_wire_doubled_are_there_once() {
    no_alarm(&each_placed("B5", r#"{"kind":"double"}"#, &["the rungs", "the pair"]).await);
}
