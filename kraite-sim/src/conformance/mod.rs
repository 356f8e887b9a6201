//! The conformance kit: whether a backend keeps what the engine's proofs rest on.
//!
//! [`judge`] runs any [`Exchange`](kraite_core::exchange::Exchange) through scenarios on a [`Stage`], a venue whose
//! other end the kit holds: there it reads what really happened, moves the market, and has requests lost, doubled,
//! delayed or answered with garbage. What comes out is a [`Verdict`]: which [`Guarantee`] holds, which does not, and the
//! shortest scenario that shows it. A scenario that a stage cannot play is told as not run and never counts as held.
//!
//! There are two stages: [`SimStage`] over the simulated venue, and with the feature `emulator` [`EmulatorStage`], for
//! backends that speak a venue's own protocol. [`wrong`] is a catalogue of wrong backends, to check a stage with.

#[cfg(feature = "emulator")]
mod emulated;
mod guarantee;
mod scenarios;
mod scene;
mod sim;
mod stage;
mod verdict;
pub mod wrong;

use futures_util::future::{Either, select};
use futures_util::stream::{self, StreamExt as _};

#[cfg(feature = "emulator")]
pub use emulated::{Connect, EmulatorAccess, EmulatorStage};
pub use guarantee::Guarantee;
pub use scene::{Halt, Play, Played, Scene};
pub use sim::{SimStage, Wrap};
pub use stage::{Fault, On, Setting, Stage, StageError, VenueSide};
pub use verdict::{Counterexample, Finding, Omission, Standing, Verdict};

use scenarios::Scenario;

/// The name of the verdict's form.
const SCHEMA: &str = "kraite.conformance/1";

/// How a scenario ended, with what was done until then.
struct Run {
    guarantee: Guarantee,
    scenario: String,
    steps: Vec<String>,
    played: Played,
}

/// Runs every scenario that a backend with these capabilities can be asked for, `at_once` at a time.
///
/// On a stage without sockets the verdict is a function of the backend alone.
pub async fn judge(stage: &dyn Stage, at_once: usize) -> Verdict {
    judge_some(stage, at_once, &Guarantee::ALL).await
}

/// The same for these guarantees only; the others are told as not run.
pub async fn judge_some(stage: &dyn Stage, at_once: usize, guarantees: &[Guarantee]) -> Verdict {
    let mut all = scenarios::all(&stage.capabilities());
    all.retain(|scenario| guarantees.contains(&scenario.guarantee));
    let runs: Vec<Run> =
        stream::iter(all.iter().map(|scenario| run(stage, scenario))).buffered(at_once.max(1)).collect().await;
    verdict(stage.name(), runs)
}

/// How many scenarios there are for a backend with these capabilities.
#[must_use]
pub fn scenario_count(capabilities: &kraite_core::capabilities::Capabilities) -> usize {
    scenarios::all(capabilities).len()
}

async fn run(stage: &dyn Stage, scenario: &Scenario) -> Run {
    let ended = |steps, played| Run { guarantee: scenario.guarantee, scenario: scenario.name.clone(), steps, played };
    let side = match stage.set(Setting { mode: scenario.book.mode }).await {
        Ok(side) => side,
        Err(error) => return ended(Vec::new(), Err(Halt::NotRun(error.to_string()))),
    };
    match Scene::new(side, scenario.book) {
        Ok(mut scene) => {
            let played = match select((scenario.play)(&mut scene), stage.patience()).await {
                Either::Left((played, _)) => played,
                Either::Right(((), _)) => Err(Halt::Broken {
                    expected: "an answer".into(),
                    seen: "nothing, and the scenario took too long".into(),
                }),
            };
            ended(scene.steps, played)
        }
        Err(halt) => ended(Vec::new(), Err(halt)),
    }
}

fn verdict(backend: String, runs: Vec<Run>) -> Verdict {
    let mut findings: Vec<Finding> = Guarantee::ALL
        .iter()
        .map(|guarantee| Finding {
            guarantee: guarantee.name().into(),
            says: guarantee.says().into(),
            standing: Standing::NotRun,
            held: 0,
            broken: 0,
            shortest: None,
            not_run: Vec::new(),
        })
        .collect();
    for run in runs {
        let Some(finding) = findings.iter_mut().find(|f| f.guarantee == run.guarantee.name()) else { continue };
        match run.played {
            Ok(()) => finding.held = finding.held.saturating_add(1),
            Err(Halt::NotRun(reason)) => finding.not_run.push(Omission { scenario: run.scenario, reason }),
            Err(Halt::Broken { expected, seen }) => {
                finding.broken = finding.broken.saturating_add(1);
                if finding.shortest.as_ref().is_none_or(|known| run.steps.len() < known.steps.len()) {
                    let scenario = run.scenario;
                    finding.shortest = Some(Counterexample { scenario, steps: run.steps, expected, seen });
                }
            }
        }
    }
    for finding in &mut findings {
        finding.standing = match (finding.held, finding.broken) {
            (0, 0) => Standing::NotRun,
            (_, 0) => Standing::Held,
            _ => Standing::Broken,
        };
    }
    Verdict { schema: SCHEMA.into(), backend, findings }
}
