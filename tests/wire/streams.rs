//! Rows C3 and C5: the account stream breaks, ends, or goes silent while something happens that it would have told.

use kraite_core::position::Why;
use kraite_core::time::Millis;

use crate::faults::in_each;
use crate::life::{Case, Life};

/// Something happens to the stream; then a rung fills, and the price comes back to the target.
async fn unheard(cases: &[Case], path: &'static str, body: &'static str) {
    in_each(cases, |case| async move {
        let life = Life::start(case).await;
        life.open().await;
        life.active().await;
        life.admin("POST", path, body).await;
        life.dip().await;
        life.admin("POST", path, body).await;
        life.recover().await;
        life.ended().await;
        let verdict = life.verdict().await;
        assert_eq!(verdict.seen.why, Some(Why::TargetFilled), "{path} {body}: {verdict:?}");
        assert!(verdict.naked < Millis::from_secs(10), "{path} {body}: {verdict:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c03_a_stream_that_is_cut_or_closed_is_opened_again_and_the_account_read() {
    unheard(&Case::EACH, "/streams", r#"{"do":"cut"}"#).await;
    unheard(&Case::EACH, "/streams", r#"{"do":"close"}"#).await;
}

/// The frames of a fill are lost, and the socket goes on as if nothing had been: nothing numbers them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c03_frames_that_are_dropped_on_an_open_socket_are_made_up_for_by_reading() {
    in_each(&Case::EACH, |case| async move {
        let life = Life::start(case).await;
        life.open().await;
        life.active().await;
        let (held, target) = (life.exposure(), life.target());
        life.admin("POST", "/streams", r#"{"do":"silence","users":true}"#).await;
        life.price(*life.rungs().iter().max().unwrap()).await;
        assert!(life.exposure() > held);
        life.admin("POST", "/streams", r#"{"do":"resume","users":true}"#).await;
        life.until("the target re-priced", |life| life.target().len() == 1 && life.target() != target).await;
        life.recover().await;
        life.ended().await;
        let verdict = life.verdict().await;
        assert_eq!(verdict.seen.why, Some(Why::TargetFilled), "{verdict:?}");
        assert!(verdict.naked < Millis::from_secs(10), "{verdict:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c05_a_listen_key_that_ended_is_made_anew() {
    unheard(&[Case::LONG], "/listen-key/expire", "{}").await;
}

/// Open, and silent: nothing but reading by the clock tells that a rung has filled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c05_a_silent_stream_is_outlived_by_reading() {
    unheard(&Case::EACH, "/streams", r#"{"do":"silence","users":true}"#).await;
}
