//! Without a fault: every direction, position mode and target style, and every way to end.

use kraite_core::exchange::Direction;
use kraite_core::number::Price;
use kraite_core::position::Why;
use kraite_core::time::Millis;

use crate::life::{Case, Life, Verdict, lived_on_a_live_machine};

/// Without a fault nothing is without its stop for this long.
const AT_ONCE: Millis = Millis::from_secs(10);

/// Each case at once: they mostly wait.
async fn each<F: Future<Output = Verdict> + Send + 'static>(live: fn(Case) -> F) -> Vec<(Case, Verdict)> {
    let cases: Vec<Case> = Case::all().into_iter().chain(Case::paired()).collect();
    let lives = cases.into_iter().map(|case| async move {
        let fine = |verdict: &Verdict| verdict.naked < AT_ONCE;
        (case, lived_on_a_live_machine(&format!("{case:?}"), fine, || live(case)).await)
    });
    futures_util::future::join_all(lives).await
}

async fn opened(case: Case) -> Life {
    let life = Life::start(case).await;
    life.open().await;
    life.active().await;
    life
}

fn all_ended(verdicts: &[(Case, Verdict)], why: Why) {
    for (case, verdict) in verdicts {
        assert_eq!(verdict.seen.why, Some(why), "{case:?}: {verdict:?}");
        assert!(verdict.naked < AT_ONCE, "{case:?}: {verdict:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s01_s07_opens_fills_two_rungs_and_takes_its_profit() {
    let verdicts = each(|case| async move {
        let life = opened(case).await;
        life.dip().await;
        life.dip().await;
        life.recover().await;
        life.ended().await;
        life.verdict().await
    })
    .await;
    all_ended(&verdicts, Why::TargetFilled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stop_takes_all_of_it_off() {
    let verdicts = each(|case| async move {
        let life = opened(case).await;
        life.dip().await;
        let beyond: Price = match life.case.direction {
            Direction::Long => "60".parse().unwrap(),
            Direction::Short => "300".parse().unwrap(),
        };
        life.price(beyond).await;
        life.ended().await;
        life.verdict().await
    })
    .await;
    all_ended(&verdicts, Why::StopFilled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r86_a_close_takes_exposure_off_and_cleans_up() {
    let verdicts = each(|case| async move {
        let life = opened(case).await;
        life.dip().await;
        life.close().await;
        life.ended().await;
        life.verdict().await
    })
    .await;
    all_ended(&verdicts, Why::Command);
}
