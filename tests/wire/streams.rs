//! Rows C3 and C5: the account stream breaks, ends, or goes silent while something happens that it would have told.

use kraite_core::position::Why;
use kraite_core::time::Millis;

use crate::life::{Case, Life};

/// Something happens to the stream; then a rung fills, and the price comes back to the target.
async fn unheard(what: &str, path: &str, body: &str) {
    let life = Life::start(Case::LONG).await;
    life.open().await;
    life.active().await;
    life.admin("POST", path, body).await;
    life.dip().await;
    life.admin("POST", path, body).await;
    life.recover().await;
    life.ended().await;
    let verdict = life.verdict().await;
    assert_eq!(verdict.seen.why, Some(Why::TargetFilled), "{what}: {verdict:?}");
    assert!(verdict.naked < Millis::from_secs(10), "{what}: {verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c03_a_stream_that_is_cut_or_closed_is_opened_again_and_the_account_read() {
    unheard("cut", "/streams", r#"{"do":"cut"}"#).await;
    unheard("closed", "/streams", r#"{"do":"close"}"#).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c05_a_listen_key_that_ended_is_made_anew() {
    unheard("listen key", "/listen-key/expire", "{}").await;
}

/// Open, and silent: nothing but reading by the clock tells that a rung has filled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c05_a_silent_stream_is_outlived_by_reading() {
    unheard("silence", "/streams", r#"{"do":"silence","users":true}"#).await;
}
