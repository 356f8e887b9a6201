//! The short form: how much of everything CI itself runs. A count may grow; a count that fell is a failure.
//!
//! Speeds are not among them: a machine may be slow.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use crate::mutants::Ledger;
use crate::runs::{Ran, Row};

/// Named counts.
pub(crate) type Counts = BTreeMap<String, u64>;

/// What was counted, and what could not be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counted {
    pub(crate) counts: Counts,
    /// Each with the reason.
    pub(crate) missing: Vec<String>,
}

/// The texts that the steps of CI leave in the target folder, and the step that writes each.
const TEXTS: [(&str, &str, Read); 4] = [
    ("cases.txt", "crash windows", crash_windows),
    ("model.txt", "model", model),
    ("signals.txt", "signals", signals),
    ("zoo.md", "zoo", zoo),
];

type Read = fn(&str) -> Counts;

/// Counts everything that is there and not older than the sources it is about.
pub(crate) fn count(target: &Path, rows: &[Row], ledger: &Ledger, sources: SystemTime) -> Counted {
    let mut counted = Counted { counts: of_rows(rows), missing: Vec::new() };
    for (name, step, read) in TEXTS {
        match text(target, name, sources) {
            Ok(text) => counted.counts.extend(read(&text)),
            Err(why) => counted.missing.push(format!("{step}: {why}")),
        }
    }
    counted.counts.insert("mutants killed, ever".into(), ledger.killed_ever());
    counted
}

/// A text of the target folder, or of the zoo's; an older one is about other sources.
pub(crate) fn text(target: &Path, name: &str, sources: SystemTime) -> Result<String, String> {
    let places = [target.join(name), target.join("zoo").join(name)];
    let path = places.iter().find(|path| path.is_file()).ok_or_else(|| format!("target/{name} is not there"))?;
    let written = std::fs::metadata(path).and_then(|data| data.modified()).map_err(|error| error.to_string())?;
    if written < sources {
        return Err(format!("target/{name} is older than the sources"));
    }
    std::fs::read_to_string(path).map_err(|error| format!("target/{name}: {error}"))
}

/// What the commands logged in this run of CI.
fn of_rows(rows: &[Row]) -> Counts {
    let mut counts = Counts::new();
    let mut most = |name: String, number: u64| {
        let held = counts.entry(name).or_insert(0);
        *held = (*held).max(number);
    };
    for row in rows {
        match &row.ran {
            Ran::CrashTest(run) => {
                let schedules = run.scripts.iter().flat_map(|script| script.schedules.values()).sum();
                most(format!("crash schedules, depth {}", run.depth), schedules);
                most(format!("certificates, depth {}", run.depth), run.scripts.len() as u64);
            }
            Ran::Swarm(run) => {
                most("swarm seeds".into(), run.seeds);
                most("swarm positions".into(), run.lifecycles);
            }
            Ran::Signals(_) => {}
        }
    }
    counts
}

/// The number in front of a word, in every line that has it.
fn numbers_before<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = u64> + 'a {
    text.lines().filter_map(move |line| {
        let before = line.split(word).next().filter(|before| before.len() < line.len())?;
        before.rsplit(' ').find(|word| !word.is_empty())?.parse().ok()
    })
}

fn crash_windows(text: &str) -> Counts {
    Counts::from([("crash window cases".into(), numbers_before(text, " cases, worst").sum())])
}

fn model(text: &str) -> Counts {
    let most = |word| numbers_before(text, word).max().unwrap_or(0);
    Counts::from([("model worlds".into(), most(" worlds,")), ("model steps".into(), most(" steps, none wrong"))])
}

/// What each run must send.
const SIGNALS_ASKED: u64 = 300;

fn signals(text: &str) -> Counts {
    let lines = text.lines().filter(|line| line.ends_with(" signals") && !line.contains(" of "));
    let sent: u64 = lines.flat_map(|line| numbers_before(line, " signals")).sum();
    // How many more a run sends is chance, and no measure of the next.
    Counts::from([("signals".into(), sent.min(SIGNALS_ASKED))])
}

fn zoo(text: &str) -> Counts {
    let table = Zoo::read(text);
    let twice = table.bugs.iter().filter(|bug| bug.count >= 2).count();
    Counts::from([("zoo bugs".into(), table.bugs.len() as u64), ("zoo bugs caught twice".into(), twice as u64)])
}

/// The matrix that the zoo's run writes: `| bug | rule | layer… | count |`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Zoo {
    pub(crate) layers: Vec<String>,
    pub(crate) bugs: Vec<ZooBug>,
}

#[derive(Debug, Clone)]
pub(crate) struct ZooBug {
    /// Per layer whether it caught the bug.
    pub(crate) caught: Vec<bool>,
    pub(crate) count: u64,
}

impl Zoo {
    pub(crate) fn read(text: &str) -> Self {
        let mut table = Self::default();
        for line in text.lines().filter(|line| line.starts_with("| ")) {
            let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
            let [name, _, layers @ .., count] = cells.as_slice() else { continue };
            if *name == "bug" {
                table.layers = layers.iter().map(|layer| (*layer).to_owned()).collect();
            } else if let Ok(count) = count.parse()
                && layers.len() == table.layers.len()
                && !name.starts_with("**")
            {
                let caught = layers.iter().map(|cell| !matches!(*cell, "" | "-" | "–" | "—")).collect();
                table.bugs.push(ZooBug { caught, count });
            }
        }
        table
    }
}

/// Every count that fell below what is committed, or is not there any more.
pub(crate) fn worse(committed: &Counts, now: &Counts) -> Vec<String> {
    let fell = committed.iter().filter_map(|(name, before)| match now.get(name) {
        Some(number) if number >= before => None,
        Some(number) => Some(format!("{name}: {number}, was {before}")),
        None => Some(format!("{name}: not counted, was {before}")),
    });
    fell.collect()
}

/// The higher of both, for every name.
pub(crate) fn best(mut committed: Counts, now: Counts) -> Counts {
    for (name, number) in now {
        let held = committed.entry(name).or_insert(number);
        *held = (*held).max(number);
    }
    committed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u64)]) -> Counts {
        pairs.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect()
    }

    #[test]
    fn mutant_a_count_that_fell_or_vanished_is_worse_and_one_that_grew_is_not() {
        let committed = counts(&[("zoo bugs", 150), ("swarm seeds", 50_000), ("signals", 300)]);
        let better = counts(&[("zoo bugs", 151), ("swarm seeds", 50_000), ("signals", 999), ("new", 1)]);
        assert!(worse(&committed, &better).is_empty());
        for name in committed.keys() {
            let mut fell = better.clone();
            fell.insert(name.clone(), committed[name] - 1);
            assert_eq!(worse(&committed, &fell).len(), 1, "{name}");
            fell.remove(name);
            assert_eq!(worse(&committed, &fell).len(), 1, "{name}");
        }
    }

    #[test]
    fn mutant_a_lower_count_replaces_no_committed_one() {
        let best = best(counts(&[("a", 3), ("b", 3), ("c", 3)]), counts(&[("a", 2), ("b", 4), ("d", 1)]));
        assert_eq!(best, counts(&[("a", 3), ("b", 4), ("c", 3), ("d", 1)]));
    }

    #[test]
    fn what_the_steps_print_is_counted() {
        let cases = "separate open: 120 cases, worst unprotected 9 ms, 0 violated\n    Send Crash: 7\npaired open: 30 cases, worst unprotected 9 ms, 0 violated\n";
        assert_eq!(crash_windows(cases), counts(&[("crash window cases", 150)]));
        let worlds = "1 crashes, 1 faults: 7932 worlds, 20957 steps, none wrong\n3 crashes, 2 faults: 357753 worlds, 1156442 steps, none wrong\n";
        assert_eq!(model(worlds), counts(&[("model worlds", 357_753), ("model steps", 1_156_442)]));
        let told = "random kills: 200 signals\n     100  SIGKILL at random\nseed 1: 5 of 9 signals\nnamed points: 110 signals\n";
        assert_eq!(signals("random kills: 200 signals\n"), counts(&[("signals", 200)]));
        assert_eq!(signals(told), counts(&[("signals", 300)]));
    }

    #[test]
    fn the_zoo_is_read_by_its_header() {
        let text = "# Zoo\n\n| bug | rule | decisions | swarm | count |\n| --- | --- | --- | --- | --- |\n\
                    | blind-resend | R9 | a finding | seed 3 | 2 |\n| id-reused | I13 |  | seed 9 | 1 |\n\
                    | **total** | | 1 | 2 | 3 |\n";
        let table = Zoo::read(text);
        assert_eq!((table.layers.len(), table.bugs.len()), (2, 2));
        assert_eq!(table.bugs[1].caught, [false, true]);
        assert_eq!(zoo(text), counts(&[("zoo bugs", 2), ("zoo bugs caught twice", 1)]));
    }

    #[test]
    fn a_text_that_is_older_than_the_sources_is_not_counted() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("model.txt"), "").unwrap();
        let written = std::fs::metadata(folder.path().join("model.txt")).unwrap().modified().unwrap();
        assert!(text(folder.path(), "model.txt", written).is_ok());
        let later = written + std::time::Duration::from_secs(1);
        assert!(text(folder.path(), "model.txt", later).unwrap_err().contains("older"));
        assert!(text(folder.path(), "zoo.md", written).unwrap_err().contains("not there"));
    }
}
