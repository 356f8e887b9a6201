//! The layers: independent kinds of evidence, each of which looks at what the code does and never at which bug is
//! awake.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kraite_core::plan::{Sequence, TargetStyle};
use kraite_sim::explore::explore;
use kraite_sim::script::{self, Played, Script, Timing};
use kraite_sim::swarm::{Life, Mix, live};
use kraite_sim::world::{Nemesis, Stream};

use super::cases;
use super::model::{bridge, protocol::Protocol, walk, worker::Rule};
use super::scenes::{self, Found, shapes};

/// One kind of evidence.
pub(crate) struct Layer {
    /// Its column in the table.
    pub(crate) name: &'static str,
    /// Goes through all of it; stops at the first thing that is wrong.
    pub(crate) hunt: fn() -> Option<Found>,
}

/// Every layer.
pub(crate) const ALL: [Layer; 6] = [
    Layer { name: "decisions", hunt: decisions },
    Layer { name: "scripts", hunt: scripts },
    Layer { name: "scenes", hunt: scenes::first_wrong },
    Layer { name: "swarm", hunt: swarm },
    Layer { name: "model", hunt: model },
    Layer { name: "core tests", hunt: core_tests },
];

/// Names the core's tests, as a path list.
pub(crate) const CORE_TESTS: &str = "KRAITE_CORE_TESTS";
/// A file of the core's tests takes seconds; a bug may keep one from ever ending.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many lives of the swarm are lived.
const SEEDS: u64 = 1_000;

/// Decisions of an engine that is fed by hand: every case, whichever bug it was written about. One that cannot set
/// its stage is passed over.
fn decisions() -> Option<Found> {
    let wrong = cases::ALL.iter().find(|(_, right)| std::panic::catch_unwind(right).is_ok_and(|right| !right))?;
    Some(Found { place: wrong.0.into(), finding: "decided otherwise".into() })
}

/// Every script without a fault on both shapes, which must end as it says; then the explorer over the whole catalogue
/// on one: every single fault at every choice point.
fn scripts() -> Option<Found> {
    let all = || {
        shapes().into_iter().flat_map(|(shape, profile)| {
            styled(shape, Script::catalogue()).into_iter().map(move |script| (shape, profile.clone(), script))
        })
    };
    let lives = shapes()
        .into_iter()
        .flat_map(|(shape, profile)| Script::lives().into_iter().map(move |script| (shape, profile.clone(), script)));
    for (shape, profile, script) in lives.chain(all()) {
        let world = script::world(profile, Nemesis::scheduled(1, Default::default()), Timing::default());
        let played = script::play_in(&script, world, Stream::Push);
        if let Some(finding) = wrong(&script, &played) {
            return Some(Found { place: format!("{} {shape}", script.name), finding });
        }
    }
    // Shapes and styles were looked at above. Time for one bug is short, so each fault is tried on the venue of more
    // messages only; `kraite crash-test` explores every shape and style.
    let explored =
        |shape: &str, script: &Script| shape == "separate" && script.target_style == TargetStyle::TriggerMarket;
    all().filter(|(shape, _, script)| explored(shape, script)).find_map(|(shape, profile, script)| {
        let certificate = explore(&script, &profile, Timing::default(), 1, &|_| {});
        let failure = certificate.failures.first()?;
        let finding = failure.finding.as_ref().map_or_else(|| "left unresolved".into(), |f| format!("{f:?}"));
        Some(Found { place: format!("{} {shape} {:?}", script.name, failure.schedule), finding })
    })
}

/// Every script in every target style that the shape has.
fn styled(shape: &str, scripts: Vec<Script>) -> Vec<Script> {
    let styles: &[TargetStyle] = if shape == "separate" {
        &[TargetStyle::TriggerMarket, TargetStyle::Limit]
    } else {
        &[TargetStyle::TriggerMarket]
    };
    let in_each = |script: &Script| styles.iter().map(|s| script.clone().styled(*s, Sequence::LadderFirst)).collect();
    scripts.iter().flat_map(|script| -> Vec<Script> { in_each(script) }).collect()
}

/// What is wrong with a life without a fault, if anything.
fn wrong(script: &Script, played: &Played) -> Option<String> {
    let finding = played.verdict.findings.first().map(|(_, finding)| format!("{finding:?}"));
    let stuck = (!played.is_clean()).then(|| format!("stood at {:?}, ended at {:?}", played.unaided, played.phase));
    finding.or(stuck).or_else(|| played.strays_from(script))
}

/// A fixed range of lives.
fn swarm() -> Option<Found> {
    (1..=SEEDS).find_map(|seed| {
        let lived = live(&Life::drawn(seed, Mix::Swarm));
        let finding = lived.verdict.findings.first().map(|(_, finding)| format!("{finding:?}"));
        let finding = finding.or_else(|| lived.unresolved.first().cloned())?;
        Some(Found { place: format!("seed {seed}"), finding })
    })
}

/// The model of placement and recovery, with the core taken along every edge within one crash and one fault.
fn model() -> Option<Found> {
    let protocol = Protocol { crashes: 1, faults: 1, lies: true, rule: Rule::Sound };
    let why = walk::every_edge(&protocol, &bridge::capabilities(), walk::Preference::Hostile).err()?;
    let mut lines = why.lines();
    let finding = lines.next().unwrap_or_default().to_owned();
    Some(Found { place: lines.next().unwrap_or_default().to_owned(), finding })
}

/// The core's own tests, run as they are, each file a process of its own; [`CORE_TESTS`] names them.
fn core_tests() -> Option<Found> {
    let binaries = std::env::var_os(CORE_TESTS)?;
    let binaries: Vec<PathBuf> = std::env::split_paths(&binaries).collect();
    binaries.into_iter().find_map(|binary| {
        let child = Command::new(&binary)
            .args(["--test-threads", "1"])
            .envs([
                ("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1"),
                ("PROPTEST_MAX_SHRINK_ITERS", "0"),
                ("PROPTEST_RNG_SEED", "1"),
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let text = said_within(child, PATIENCE)?;
        let name = text.lines().find_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"))?;
        Some(Found { place: name.to_owned(), finding: "failed".into() })
    })
}

/// What a process wrote until it ended; one that does not end is killed, and nothing of it counts as a find.
fn said_within(mut child: Child, patience: Duration) -> Option<String> {
    let mut out = child.stdout.take()?;
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = out.read_to_string(&mut text).is_ok();
        let _ = done.send(read.then_some(text));
    });
    let text = ended.recv_timeout(patience).ok().flatten();
    if text.is_none() {
        let _ = child.kill();
    }
    let _ = child.wait();
    text
}

/// What a normal run of the core's tests is made of: the files in `kraite-core/tests` that wake the bug that
/// `KRAITE_BUG` names. Builds them in the profile that this test was built in.
pub(crate) fn built_core_tests() -> std::ffi::OsString {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--package", "kraite-core", "--no-run", "--message-format", "json", "--test", "*"]);
    if std::env::current_exe().unwrap().components().any(|part| part.as_os_str() == "release") {
        cargo.arg("--release");
    }
    let output = cargo.current_dir(kraite_tests::root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut built: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("\"test\":true") && line.contains("\"kind\":[\"test\"]"))
        .filter_map(|line| line.split_once("\"executable\":\"")?.1.split_once('"'))
        .map(|(path, _)| path)
        .collect();
    assert!(built.len() >= 5, "{text}");
    // The longest one last.
    built.sort_by_key(|path| path.contains("retry_paths"));
    std::env::join_paths(built).unwrap()
}
