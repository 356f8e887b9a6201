//! Wakes each bug in a process of its own, and makes the table of what found it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread::available_parallelism;

use kraite_core::zoo::{self, Bug};

use super::cases;
use super::layers::{self, Layer};

/// Asks every layer about every bug, for the whole table; without it a hunt ends once enough layers have found one.
const WHOLE: &str = "KRAITE_ZOO_WHOLE";
/// Names the bug that a process hunts; [`ASLEEP`] wakes none.
const HUNTED: &str = "KRAITE_ZOO_HUNT";
const ASLEEP: &str = "asleep";
/// What a line of a hunting process begins with.
const MARK: &str = "@zoo|";
/// How many layers must find each bug.
const LEAST: usize = 2;
/// The bugs that take a rule of the first rank away (proof of absence, the stop before the target, the intent before
/// the request), and how many layers must find each.
const FIRST_RANK: [Bug; 3] = [Bug::NotFoundOnce, Bug::TargetBeforeStop, Bug::EffectsBeforeDurable];
const LEAST_OF_FIRST_RANK: usize = 3;
/// A cell is cut to this many characters.
const WIDTH: usize = 56;

/// Where each layer found something, by the layer's name, and what.
type Finds = BTreeMap<String, (String, String)>;

/// CPU time of this thread in milliseconds; 0 where the system does not say.
fn cpu_ms() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0) / 1_000_000
}

/// One process: goes through every layer, and says what each found. Without [`HUNTED`] it does nothing.
#[test]
#[ignore = "a process of the hunt, which starts one for each bug"]
fn one_bug_goes_through_every_layer() {
    let Ok(id) = std::env::var(HUNTED) else { return };
    let bug = Bug::by_id(&id);
    zoo::wake(bug);
    // With no bug awake every layer is asked, and none may find anything.
    let enough = bug.filter(|_| std::env::var_os(WHOLE).is_none()).map_or(usize::MAX, least);
    let mut finds = 0;
    for Layer { name, hunt } in layers::ALL {
        if finds >= enough {
            break;
        }
        let before = cpu_ms();
        // A bug that keeps a layer from setting its stage is for another layer to find.
        let found = std::panic::catch_unwind(hunt).unwrap_or(None);
        finds += usize::from(found.is_some());
        let words = |text: String| text.replace(['|', '\n'], " ");
        let found = found.map_or_else(|| "|".into(), |f| format!("{}|{}", words(f.place), words(f.finding)));
        println!("{MARK}{name}|{}|{found}", cpu_ms().saturating_sub(before));
    }
}

/// Starts a process for one bug and reads what its layers said; one that died has said what it has said.
fn hunt(id: &str, core_tests: &OsStr) -> Finds {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "table::one_bug_goes_through_every_layer", "--ignored", "--nocapture"])
        .envs([(HUNTED, id), ("KRAITE_BUG", id)])
        .env(layers::CORE_TESTS, core_tests)
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut finds = Finds::new();
    let mut told = String::new();
    for line in text.lines().filter_map(|line| line.split_once(MARK)).map(|(_, line)| line) {
        let cells: Vec<&str> = line.splitn(4, '|').collect();
        let [layer, ms, place, finding] = cells[..] else { panic!("{line}") };
        let _ = writeln!(told, "  {id}: {layer}, {ms} ms of its own: {place:.160} {finding:.300}");
        if !place.is_empty() || !finding.is_empty() {
            finds.insert(layer.into(), (place.into(), finding.into()));
        }
    }
    println!("{told}");
    assert!(id != ASLEEP || told.lines().count() == layers::ALL.len(), "not every layer was gone through:\n{text}");
    finds
}

/// Hunts all of these, as many at once as there are processors.
fn hunt_all(ids: &[&'static str]) -> BTreeMap<&'static str, Finds> {
    let core_tests = layers::built_core_tests();
    let left = Mutex::new(ids.iter().rev().copied().collect::<Vec<_>>());
    let all = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let Some(id) = left.lock().unwrap().pop() else { return };
                    let finds = hunt(id, &core_tests);
                    all.lock().unwrap().insert(id, finds);
                }
            });
        }
    });
    all.into_inner().unwrap()
}

/// One row for each bug in the order of the zoo: its id, the rules it breaks, a cell for each layer with the place of
/// the find, how many layers found it. Then the sums.
fn table(bugs: &[Bug], all: &BTreeMap<&str, Finds>) -> String {
    let names = || layers::ALL.iter().map(|layer| layer.name);
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let framed = |first: String, second: String, cells: Vec<String>, last: String| {
        row([first, second].into_iter().chain(cells).chain([last]).collect())
    };
    let mut text = framed("Bug".into(), "Rules".into(), names().map(str::to_owned).collect(), "Layers".into());
    text += &row(vec!["---".into(); names().count() + 3]);
    for bug in bugs {
        let finds = &all[bug.id()];
        let cell = |name| finds.get(name).map_or_else(String::new, |(place, finding)| short(place, finding));
        text += &framed(bug.id().into(), bug.breaks().into(), names().map(cell).collect(), finds.len().to_string());
    }
    let sum = |name: &str| bugs.iter().filter(|bug| all[bug.id()].contains_key(name)).count().to_string();
    text + &framed("found".into(), String::new(), names().map(sum).collect(), bugs.len().to_string())
}

fn short(place: &str, finding: &str) -> String {
    let words = if place.is_empty() { finding } else { place };
    let cut: String = words.chars().take(WIDTH).collect();
    cut.trim().to_owned()
}

/// How many layers must find a bug.
fn least(bug: Bug) -> usize {
    if FIRST_RANK.contains(&bug) { LEAST_OF_FIRST_RANK } else { LEAST }
}

/// The bugs that too few layers found.
fn missed(bugs: &[Bug], all: &BTreeMap<&str, Finds>) -> BTreeSet<&'static str> {
    bugs.iter().filter(|bug| all[bug.id()].len() < least(**bug)).map(|bug| bug.id()).collect()
}

/// `KRAITE_BUG` hunts one bug, and then no table is written.
#[test]
fn mutant_every_bug_of_the_zoo_is_found_by_two_layers() {
    assert!(cases::enough_misses_prove_absence());
    for (id, _) in cases::ALL {
        assert!(Bug::by_id(id).is_some(), "{id} is no bug");
    }
    let only = std::env::var("KRAITE_BUG").ok();
    let bugs: Vec<Bug> =
        Bug::ALL.iter().copied().filter(|bug| only.as_ref().is_none_or(|only| only == bug.id())).collect();
    let ids: Vec<&str> = std::iter::once(ASLEEP).chain(bugs.iter().map(|bug| bug.id())).collect();
    let all = hunt_all(&ids);
    assert!(all[ASLEEP].is_empty(), "with every bug asleep: {:?}", all[ASLEEP]);
    let text = table(&bugs, &all);
    print!("{text}");
    if only.is_none() {
        std::fs::write(kraite_tests::root().join("target/zoo.md"), &text).unwrap();
    }
    let missed = missed(&bugs, &all);
    assert!(missed.is_empty(), "found by too few layers: {missed:?}");
}

#[test]
fn mutant_a_bug_that_one_layer_finds_is_missed() {
    let finds = |count: usize| -> Finds {
        layers::ALL.iter().take(count).map(|layer| (layer.name.to_owned(), (String::new(), "x".into()))).collect()
    };
    let bugs = [Bug::NoBackoff, Bug::FlatByFills, Bug::NotFoundOnce];
    let all = BTreeMap::from([("no-backoff", finds(1)), ("flat-by-fills", finds(2)), ("not-found-once", finds(2))]);
    assert_eq!(missed(&bugs, &all), BTreeSet::from(["no-backoff", "not-found-once"]));
    assert!(table(&bugs, &all).ends_with("| found |  | 3 | 2 | 0 | 0 | 0 | 0 | 3 |\n"), "{}", table(&bugs, &all));
}

#[test]
fn every_bug_has_a_name_of_its_own_and_the_rule_it_breaks() {
    let ids: BTreeSet<&str> = Bug::ALL.iter().map(|bug| bug.id()).collect();
    assert_eq!(ids.len(), Bug::ALL.len());
    assert!(ids.len() >= 44, "{} bugs", ids.len());
    for bug in Bug::ALL {
        assert_eq!(Bug::by_id(bug.id()), Some(*bug));
        assert!(bug.id().chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", bug.id());
        assert!(bug.breaks().starts_with(['R', 'S', 'I']) && bug.what().ends_with('.'), "{}", bug.id());
    }
}
