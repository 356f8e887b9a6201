//! Stops that fire and fail, stops that the venue does not take yet, and stops of somebody else.

use kraite_core::engine::Alert;
use kraite_core::exchange::RejectKind;
use kraite_core::id::Role;
use kraite_core::plan::TargetStyle;
use kraite_core::position::Why;
use kraite_core::time::Millis;

use crate::faults::in_each;
use crate::life::{Case, Life};
use crate::requests::{Request, Requests};

async fn opened(case: Case) -> Life {
    let life = Life::start(case).await;
    life.open().await;
    life.active().await;
    life
}

/// The order that a stop becomes is refused (`rm`): the position is closed at the market within the bound.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r69_a_stop_that_fires_in_vain_ends_in_a_market_close() {
    for style in [TargetStyle::TriggerMarket, TargetStyle::Limit] {
        let life = opened(Case { style, ..Case::LONG }).await;
        life.admin("POST", "/conditions", r#"{"child_refusals":1}"#).await;
        life.price("96".parse().unwrap()).await;
        life.ended().await;
        let verdict = life.verdict().await;
        assert_eq!(verdict.seen.why, Some(Why::StopFailed), "{verdict:?}");
        assert!(verdict.naked < Millis::from_secs(30), "{verdict:?}");
    }
}

/// A resting limit target of full size stands in the way of the close (-4118, -2022).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resting_target_does_not_keep_a_close_from_getting_through() {
    let life = opened(Case { style: TargetStyle::Limit, ..Case::LONG }).await;
    life.admin("POST", "/conditions", r#"{"close_overlap":"refuse"}"#).await;
    life.dip().await;
    life.close().await;
    life.ended().await;
    let verdict = life.verdict().await;
    assert_eq!(verdict.seen.why, Some(Why::Command), "{verdict:?}");
}

/// Right after the fill the trigger service does not see the position yet (-4509).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_comes_before_the_position_is_seen_is_sent_again() {
    let life = Life::start(Case::LONG).await;
    life.admin("POST", "/conditions", r#"{"position_unseen_ms":1500}"#).await;
    life.open().await;
    life.active().await;
    life.dip().await;
    life.recover().await;
    life.ended().await;
    let verdict = life.verdict().await;
    assert_eq!(verdict.seen.why, Some(Why::TargetFilled), "{verdict:?}");
    assert!(verdict.naked < Millis::from_secs(30), "{verdict:?}");
}

/// -4130 names a stop that is not ours (4a.7): it is left alone, and one of a quantity stands beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_is_not_ours_is_left_alone() {
    let life = Life::start(Case::LONG).await;
    let stop = Request { method: "POST", path: "/fapi/v1/algoOrder", contains: "closePosition=true" };
    life.open_under(&[stop.meets(1, r#"{"kind":"error","code":-4130}"#)]).await;
    life.active().await;
    life.recover().await;
    life.ended().await;
    let verdict = life.verdict().await;
    assert_eq!((verdict.faults, verdict.seen.why), (1, Some(Why::TargetFilled)), "{verdict:?}");
    assert!(!verdict.seen.alerts.contains(&Alert::EmergencyClose), "{verdict:?}");
}

/// A second target of full size is refused while the first is open: the old one goes first then, under the stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r82_targets_that_may_not_overlap_follow_one_another() {
    let life = opened(Case::LONG).await;
    life.admin("POST", "/conditions", r#"{"trigger_overlap":"refuse"}"#).await;
    life.dip().await;
    life.dip().await;
    life.recover().await;
    life.ended().await;
    let verdict = life.verdict().await;
    assert_eq!(verdict.seen.why, Some(Why::TargetFilled), "{verdict:?}");
    assert!(verdict.seen.refused.contains(&(Role::Target, RejectKind::ReduceOnly)), "{verdict:?}");
    assert!(verdict.naked < Millis::from_secs(31), "{verdict:?}");
}

/// Stop and target are two requests here. A stop that is refused for good closes the position; a target that is refused
/// leaves it behind its stop, with somebody told, until it is taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b14_only_one_of_stop_and_target_is_accepted() {
    let [(_, stop), (_, target)] = Case::LONG.requests().protection else { panic!("one by one") };
    let refused = |request: &Request| request.meets(1_000, r#"{"kind":"error","code":-2019}"#);
    let life = Life::start(Case::LONG).await;
    life.open_under(&[refused(stop)]).await;
    life.ended().await;
    let verdict = life.verdict().await;
    assert_eq!(verdict.seen.why, Some(Why::StopRefused), "{verdict:?}");
    assert!(verdict.faults > 0 && verdict.naked < Millis::from_secs(45), "{verdict:?}");

    let life = Life::start(Case::LONG).await;
    life.open_under(&[refused(target)]).await;
    life.until("told", |life| life.seen().alerts.contains(&Alert::TargetRefused)).await;
    assert_eq!((life.stop().len(), life.target().len()), (1, 0));
    life.admin("DELETE", "/faults", "").await;
    life.active().await;
    life.recover().await;
    life.ended().await;
    let verdict = life.verdict().await;
    assert_eq!(verdict.seen.why, Some(Why::TargetFilled), "{verdict:?}");
    assert!(verdict.faults > 2 && verdict.naked < Millis::from_secs(31), "{verdict:?}");
}

/// The first attempt never arrived, the second is refused: that is a refusal of the second (B9).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b09_a_refusal_of_the_second_attempt_is_not_one_of_the_first() {
    in_each(&Case::EACH, |case| async move {
        let (Requests { rungs, rung, .. }, code) = (case.requests(), case.codes().margin);
        let life = Life::start(case).await;
        // Four rungs go out together and are lost; they go out again as each is proven absent, alone or with others.
        let rules = [
            rungs.meets(1, r#"{"kind":"cut","when":"before"}"#),
            rungs.meets(1, &format!(r#"{{"kind":"legs","refused":[0],"code":{code}}}"#)),
            rung.meets(1, &format!(r#"{{"kind":"error","code":{code}}}"#)),
        ];
        life.open_under(&rules).await;
        life.until("a rung left out", |life| life.seen().alerts.contains(&Alert::RungDropped)).await;
        // Each refusal but the first, lost, request left one rung out.
        life.until("the others there", |life| matches!(life.rungs().len(), 2 | 3)).await;
        let mut left_out = life.faults_met().await - 1;
        for _ in 0..1_000 {
            if life.rungs().len() + left_out == 4 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            left_out = life.faults_met().await - 1;
        }
        assert_eq!(life.rungs().len() + left_out, 4, "{:?}", life.seen());
        life.until("protected", |life| life.stop().len() == 1 && life.target().len() == 1).await;
        life.recover().await;
        life.ended().await;
        assert_eq!(life.verdict().await.seen.why, Some(Why::TargetFilled));
    })
    .await;
}
