//! What was run, what it found, and what was not run: docs/ASSURANCE.md, made from logs and never by hand.
//!
//! ```text
//! assurance            writes docs/ASSURANCE.md and docs/assurance/counts.json
//!     --lower            takes counts that are lower than the committed ones
//! assurance check      counts what CI ran; exit code 1 if a count is lower than the committed one
//! assurance coverage   reads target/coverage.lcov; exit code 1 below the floor
//! assurance mutants    runs mutants of the core that have no fate yet
//!     --seconds N        starts none after so long        --file PART      only files whose path contains it
//!     --shard K/N        the K-th of N parts              --again          survivors without a reason, too
//!     --changed          only lines that changed since the ledger was last committed; exit code 1 if one
//!                        survives; the ledger stays as it is
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod counts;
mod coverage;
mod mutants;
mod mutate;
mod page;
mod runs;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::SystemTime;

use counts::{Counted, Counts};
use coverage::Coverage;
use kraite_tests::{root, rust_files};
use mutants::{Fate, Key, Ledger};
use mutate::Wanted;
use page::Page;

include!("../../kraite-sim/src/sources/digest.rs");

const USAGE: &str = "usage: assurance [--lower | check | coverage | mutants [--seconds N] [--file PART]… [--shard K/N] [--again] [--changed]]";

/// Where things are.
struct Places {
    root: PathBuf,
    docs: PathBuf,
    target: PathBuf,
}

impl Places {
    fn new() -> Self {
        let root = root();
        Self { docs: root.join("docs"), target: root.join("target"), root }
    }

    fn ledger_file(&self) -> PathBuf {
        self.docs.join("assurance/mutants.jsonl")
    }

    fn ledger(&self) -> Result<Ledger, String> {
        Ledger::read(&self.ledger_file(), &self.docs.join("assurance/survivors.jsonl"))
    }

    /// A log, or nothing where there is none yet.
    fn log(path: &Path) -> Result<Vec<runs::Row>, String> {
        let text = if path.is_file() { read(path)? } else { String::new() };
        runs::read(&text, &path.display().to_string())
    }

    /// The digests of core and simulator as they read now.
    fn digests(&self) -> Result<(String, String), String> {
        let of = |folder: &str| digest_of(&self.root.join(folder)).map_err(|error| format!("{folder}: {error}"));
        Ok((of("kraite-core/src")?, of("kraite-sim/src")?))
    }

    /// When the sources that CI's counts are about were last written.
    fn sources_written(&self) -> SystemTime {
        let files = ["kraite-core/src", "kraite-sim/src"].into_iter().flat_map(rust_files);
        let written = files.filter_map(|file| std::fs::metadata(file).and_then(|data| data.modified()).ok());
        written.max().unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// What CI ran on this core, counted.
    fn counted(&self, ledger: &Ledger) -> Result<(Counted, Vec<runs::Row>), String> {
        let (core, simulator) = self.digests()?;
        let mut rows = Self::log(&self.target.join("runs.jsonl"))?;
        rows.retain(|row| row.core == core && row.simulator == simulator);
        let mut counted = counts::count(&self.target, &rows, ledger, self.sources_written());
        if rows.is_empty() {
            counted.missing.push("crash schedules and lives: target/runs.jsonl has no row about this core".into());
        }
        Ok((counted, rows))
    }
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Writes the page and the counts. A count that is lower, or was not counted, replaces the committed one only if
/// that is asked for: CI would hold less from then on.
fn generate(lower: bool) -> Result<ExitCode, String> {
    let places = Places::new();
    let ledger = places.ledger()?;
    let (core, simulator) = places.digests()?;
    let (counted, of_ci) = places.counted(&ledger)?;
    let mut rows = Places::log(&places.docs.join("assurance/runs.jsonl"))?;
    rows.extend(of_ci);
    let listed = mutate::listed(&places.root, &[]).map(|all| all.into_iter().map(|(_, key)| key).collect::<Vec<Key>>());
    if let Ok(listed) = &listed {
        for idle in ledger.idle_reasons(&listed.iter().cloned().collect()) {
            eprintln!("a reason for a mutant that is no survivor: {idle}");
        }
    }
    let page = Page {
        core: &core,
        simulator: &simulator,
        sum: &runs::sum(&rows, &core, &simulator),
        counts: &counted.counts,
        missing: &counted.missing,
        zoo: counts::text(&places.target, "zoo.md", places.sources_written()),
        listed,
        ledger: &ledger,
        coverage: coverage(&places),
        versions: &versions(&places),
    };
    write(&places.docs.join("ASSURANCE.md"), &page.text())?;
    let path = places.docs.join("assurance/counts.json");
    let committed = if path.is_file() && !lower { committed(&path)? } else { Counts::new() };
    for line in counts::worse(&committed, &counted.counts) {
        println!("KEPT  {line} (--lower takes the new count)");
    }
    let json = serde_json::to_string_pretty(&counts::best(committed, counted.counts)).map_err(|e| e.to_string())?;
    write(&path, &format!("{json}\n"))?;
    for why in &counted.missing {
        println!("NOT RUN  {why}");
    }
    println!("docs/ASSURANCE.md and docs/assurance/counts.json are written");
    Ok(ExitCode::SUCCESS)
}

/// What cargo-llvm-cov told last; `.ci/run` has it tell.
fn coverage(places: &Places) -> Result<Coverage, String> {
    coverage::of_lcov(&counts::text(&places.target, "coverage.lcov", places.sources_written())?, read)
}

/// The share of the core's lines that were run; a failure below the floor, with the lines that were not.
fn check_coverage() -> Result<ExitCode, String> {
    let told = coverage(&Places::new())?;
    let is_enough = told.share() >= coverage::FLOOR * 100;
    for (file, line) in told.missed.iter().filter(|_| !is_enough) {
        println!("not run: {file}:{line}");
    }
    let share = told.share();
    let (floor, goal) = (coverage::FLOOR, coverage::GOAL);
    let (whole, rest, lines) = (share / 100, share % 100, told.lines);
    println!("{whole}.{rest:02} % of {lines} lines of the core; the floor is {floor} %, the goal {goal} %");
    Ok(if is_enough { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn committed(path: &Path) -> Result<Counts, String> {
    serde_json::from_str(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))
}

/// Counts and compares.
fn check() -> Result<ExitCode, String> {
    let places = Places::new();
    let (counted, _) = places.counted(&places.ledger()?)?;
    let committed = committed(&places.docs.join("assurance/counts.json"))?;
    for (name, count) in &counted.counts {
        println!("{count:>12}  {name}");
    }
    for why in &counted.missing {
        println!("NOT RUN  {why}");
    }
    let worse = counts::worse(&committed, &counted.counts);
    for line in &worse {
        println!("WORSE  {line}");
    }
    Ok(if worse.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The toolchain, our crates and those that decide, and the format of the journal.
fn versions(places: &Places) -> Vec<(String, String)> {
    let output = Command::new("rustc").arg("-V").output();
    let rustc = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let mut versions = vec![("rustc".to_owned(), rustc)];
    let lock = read(&places.root.join("Cargo.lock")).unwrap_or_default();
    let shown = ["rust_decimal", "rusqlite", "libsqlite3-sys", "tokio", "proptest", "stateright", "rand_chacha"];
    for package in lock.split("[[package]]") {
        let value = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(&format!("{key} = \"")));
            line.map(|line| line.trim_end_matches('"').to_owned())
        };
        if let (Some(name), Some(version)) = (value("name"), value("version"))
            && (shown.contains(&name.as_str()) || name.starts_with("kraite"))
        {
            versions.push((name, version));
        }
    }
    let codec = read(&places.root.join("kraite-journal/src/codec.rs")).unwrap_or_default();
    let format = codec.lines().find_map(|line| line.strip_prefix("pub const FORMAT: u8 = "));
    versions
        .push(("format of a journal record".into(), format.unwrap_or("not found").trim_end_matches(" + NEXT;").into()));
    versions
}

/// The commit that last changed the ledger: what changed since was not mutated.
fn last_mutated(places: &Places) -> Result<String, String> {
    let mut git = Command::new("git");
    git.args(["log", "-1", "--format=%H", "--", "docs/assurance/mutants.jsonl"]).current_dir(&places.root);
    let output = git.output().map_err(|error| format!("git: {error}"))?;
    let commit = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if commit.is_empty() { Err("no commit holds docs/assurance/mutants.jsonl".into()) } else { Ok(commit) }
}

/// Runs mutants; see the usage.
fn mutate(arguments: &[String]) -> Result<ExitCode, String> {
    let places = Places::new();
    let mut wanted = Wanted { into: places.ledger_file(), ..Wanted::default() };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value\n{USAGE}"));
        match word.as_str() {
            "--seconds" => {
                wanted.seconds = Some(value()?.parse().map_err(|_| format!("--seconds: a number\n{USAGE}"))?)
            }
            "--file" => wanted.files.push(value()?.clone()),
            "--shard" => wanted.shard = Some(shard(value()?)?),
            "--again" => wanted.again = true,
            "--changed" => wanted.changed_since = Some(last_mutated(&places)?),
            _ => return Err(USAGE.into()),
        }
    }
    let changed = wanted.changed_since.is_some();
    if changed {
        wanted.into = places.target.join("changed-mutants.jsonl");
    }
    let ledger = places.ledger()?;
    let went = mutate::run(&places.root, &ledger, &wanted)?;
    let of = |fate| went.entries.iter().filter(|entry| entry.fate == fate).count();
    println!(
        "{} mutants run: {} killed, {} timed out, {} survived, {} do not compile",
        went.entries.len(),
        of(Fate::Caught),
        of(Fate::Timeout),
        of(Fate::Missed),
        of(Fate::Unviable)
    );
    if went.left > 0 {
        println!("NOT RUN  {} mutants: no time was left", went.left);
    }
    let unexplained = went.entries.iter().filter(|e| e.fate == Fate::Missed && ledger.reason(&e.key).is_none());
    let mut is_bad = false;
    for entry in unexplained {
        println!("SURVIVED  {}: {}", entry.key.file, entry.key.mutant);
        is_bad = changed;
    }
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// `2/8`: the second of eight parts.
fn shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
    match parts {
        Some((part, of)) if (1..=of).contains(&part) => Ok((part - 1, of)),
        _ => Err(format!("--shard: {text} is not K/N with K from 1 to N")),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ended = match arguments.split_first() {
        None => generate(false),
        Some((word, [])) if word == "--lower" => generate(true),
        Some((word, [])) if word == "check" => check(),
        Some((word, [])) if word == "coverage" => check_coverage(),
        Some((word, rest)) if word == "mutants" => mutate(rest),
        Some(_) => Err(USAGE.into()),
    };
    ended.unwrap_or_else(|why| {
        eprintln!("assurance: {why}");
        ExitCode::from(2)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_counted_from_one() {
        assert_eq!((shard("1/8"), shard("8/8")), (Ok((0, 8)), Ok((7, 8))));
        for wrong in ["0/8", "9/8", "8", "a/b", "1/0"] {
            assert!(shard(wrong).is_err(), "{wrong}");
        }
    }
}
