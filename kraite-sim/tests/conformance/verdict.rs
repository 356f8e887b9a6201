//! The verdict as text, Markdown and JSON, and what it says of what did not run.

use std::path::Path;

use kraite_sim::conformance::wrong::{Wrong, wrong};
use kraite_sim::conformance::{Guarantee, SimStage, Standing, Verdict, judge, judge_some, scenario_count};
use kraite_sim::presets;

const SOME: [Guarantee; 4] =
    [Guarantee::NeverSentAgain, Guarantee::CancelNames, Guarantee::Settings, Guarantee::ReadingJudges];

async fn broken() -> Verdict {
    let stage =
        SimStage::new("a | toy", presets::binance()).wrapped(|inner| wrong(inner, Wrong::TakesGoneForCancelled));
    judge_some(&stage, 1, &SOME).await
}

/// Compares with the golden file; `KRAITE_BLESS=1` writes it instead.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/golden").join(name);
    if std::env::var_os("KRAITE_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(known, text, "{name} changed: review it, then run with KRAITE_BLESS=1");
}

#[tokio::test]
async fn a_verdict_reads_as_it_always_did() {
    let verdict = broken().await;
    golden("verdict.txt", &verdict.to_string());
    golden("verdict.md", &verdict.to_markdown());
    golden("verdict.json", &format!("{}\n", verdict.to_json().unwrap()));
}

#[tokio::test]
async fn a_verdict_is_the_same_again_and_survives_json() {
    let (verdict, again) = (broken().await, broken().await);
    assert_eq!(verdict, again);
    assert_eq!(serde_json::from_str::<Verdict>(&verdict.to_json().unwrap()).unwrap(), verdict);
}

#[tokio::test]
async fn every_scenario_is_counted_once_as_held_broken_or_not_run() {
    for profile in presets::shapes() {
        let count = scenario_count(&profile.capabilities);
        let verdict = judge(&SimStage::new("counted", profile), 1).await;
        assert_eq!(verdict.ran() + verdict.not_run(), count);
    }
}

#[tokio::test]
async fn mutant_what_was_not_run_does_not_count_as_held() {
    let stage = SimStage::new("nothing", presets::binance());
    let verdict = judge_some(&stage, 1, &[]).await;
    assert!(!verdict.holds(), "{verdict}");
    assert!(verdict.findings.iter().all(|finding| finding.standing == Standing::NotRun));
    assert!(verdict.to_markdown().contains("does not conform"), "{}", verdict.to_markdown());
}

#[tokio::test]
async fn the_shortest_scenario_has_the_fewest_steps() {
    let stage = SimStage::new("long", presets::binance()).wrapped(|inner| wrong(inner, Wrong::RoundsQty));
    let verdict = judge(&stage, 1).await;
    let asked = verdict.findings.iter().find(|f| f.guarantee == Guarantee::AskedIsHeld.name()).unwrap();
    assert!(asked.broken > 1, "{verdict}");
    assert_eq!(asked.shortest.as_ref().unwrap().steps, ["the backend places a market entry"]);
}
