//! The catalogue of wrong backends: all of them are found out.

use std::sync::Arc;

use kraite_sim::conformance::wrong::{Wrong, wrong};
use kraite_sim::conformance::{SimStage, Verdict, judge};
use kraite_sim::presets;

/// Wrong backends that no scenario finds out, with the reason.
const NOT_FOUND: &[(Wrong, &str)] = &[];

async fn verdicts(which: Wrong) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for profile in presets::shapes() {
        let stage =
            SimStage::new(&format!("{which:?}"), profile).wrapped(move |inner| wrong(Arc::clone(&inner), which));
        verdicts.push(judge(&stage, 1).await);
    }
    verdicts
}

#[tokio::test]
async fn mutant_every_wrong_backend_is_found_out() {
    let mut passed = Vec::new();
    for which in Wrong::ALL.iter().copied() {
        let verdicts = verdicts(which).await;
        let shown =
            verdicts.iter().flat_map(|v| &v.findings).filter_map(|f| Some((&f.guarantee, f.shortest.as_ref()?)));
        let shown: Vec<String> = shown
            .map(|(name, shortest)| format!("{name} in {} steps: {}", shortest.steps.len(), shortest.scenario))
            .collect();
        println!("{which:?}: {shown:#?}");
        if verdicts.iter().all(Verdict::holds) {
            passed.push(which);
        }
    }
    let known: Vec<Wrong> = NOT_FOUND.iter().map(|(which, _)| *which).collect();
    assert_eq!(passed, known);
    let all = Wrong::ALL.len();
    assert!(all >= 60, "{all} wrong backends");
    assert!((all - passed.len()) * 100 >= all * 95, "{} of {all} found out", all - passed.len());
    println!("{} of {all} found out", all - passed.len());
}
