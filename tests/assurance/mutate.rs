//! Runs what is left of the mutants, as long as there is time, and writes each fate down as soon as it is known.
//!
//! It works on a copy of the repository's files in the target folder, so that nobody builds a mutant by
//! accident, and so that the next mutant only costs a build of what depends on it.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::mutants::{Area, Entry, Fate, Key, Ledger, Listed};

/// Mutants of one call of the tool; small, so that a time limit is kept.
const BATCH: usize = 6;

/// Longer than the tests take on a busy machine.
const TEST_SECONDS: &str = "90";

/// What is to be run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// Start no batch after so many seconds.
    pub(crate) seconds: Option<u64>,
    /// Only files whose path contains one of these.
    pub(crate) files: Vec<String>,
    /// Every n-th of those left, from the k-th.
    pub(crate) shard: Option<(usize, usize)>,
    /// Also those that survived before.
    pub(crate) again: bool,
    /// Only mutants of lines that changed since this commit.
    pub(crate) changed_since: Option<String>,
    /// Where new rows go.
    pub(crate) into: PathBuf,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Went {
    pub(crate) entries: Vec<Entry>,
    /// Chosen, but there was no time.
    pub(crate) left: usize,
}

#[derive(Debug, Deserialize)]
struct Outcomes {
    outcomes: Vec<Outcome>,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    scenario: serde_json::Value,
    summary: String,
}

fn cargo_mutants(root: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.args(["mutants", "--package", "kraite-core"]).current_dir(root);
    command
}

/// Every mutant that the configuration leaves in, with its key.
pub(crate) fn listed(root: &Path, more: &[&str]) -> Result<Vec<(Listed, Key)>, String> {
    let output = cargo_mutants(root).args(["--list", "--json"]).args(more).output();
    let output = output.map_err(|error| format!("cargo mutants: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo mutants --list: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let listed: Vec<Listed> = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let mut keyed = Vec::new();
    for mutant in listed {
        let file = root.join(mutant.file());
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let key = mutant.key(&text);
        keyed.push((mutant, key));
    }
    Ok(keyed)
}

/// Lists, leaves out what is known, runs the rest.
pub(crate) fn run(root: &Path, ledger: &Ledger, wanted: &Wanted) -> Result<Went, String> {
    let started = now();
    let work = root.join("target/mutants");
    std::fs::create_dir_all(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    let mut left = chosen(root, &work, ledger, wanted)?;
    eprintln!("{} mutants to run", left.len());
    copy(root, &work.join("tree"))?;
    let mut went = Went::default();
    let is_time = |started: Instant| wanted.seconds.is_none_or(|limit| started.elapsed() < Duration::from_secs(limit));
    while !left.is_empty() && is_time(started) {
        let batch = next_batch(&mut left);
        let entries = run_batch(&work, &batch)?;
        append(&wanted.into, &entries)?;
        for entry in &entries {
            eprintln!("{:?} {}: {}", entry.fate, entry.key.file, entry.key.mutant);
        }
        went.entries.extend(entries);
        eprintln!("{} done, {} left, {} s", went.entries.len(), left.len(), started.elapsed().as_secs());
    }
    went.left = left.len();
    // The tool puts the last file back by itself, but not if it was killed.
    copy(root, &work.join("tree"))?;
    Ok(went)
}

/// Mutants of one file: the tool runs some of other files whatever names it is given.
fn next_batch(left: &mut Vec<(Listed, Key)>) -> Vec<(Listed, Key)> {
    let file = left.first().map(|(_, key)| key.file.clone());
    let same = left.iter().take_while(|(_, key)| Some(&key.file) == file.as_ref()).count();
    left.drain(..same.min(BATCH)).collect()
}

#[allow(clippy::disallowed_methods, reason = "a time limit of a tool, in wall time")]
fn now() -> Instant {
    Instant::now()
}

fn chosen(root: &Path, work: &Path, ledger: &Ledger, wanted: &Wanted) -> Result<Vec<(Listed, Key)>, String> {
    let mut all = match &wanted.changed_since {
        None => listed(root, &[])?,
        Some(commit) => {
            let git = Command::new("git").args(["diff", commit, "--", "kraite-core/src"]).current_dir(root).output();
            let diff = git.map_err(|error| format!("git diff: {error}"))?;
            if !diff.status.success() {
                return Err(format!("git diff {commit}: {}", String::from_utf8_lossy(&diff.stderr).trim()));
            }
            if diff.stdout.is_empty() {
                return Ok(Vec::new());
            }
            let path = work.join("changed.diff");
            std::fs::write(&path, diff.stdout).map_err(|error| format!("{}: {error}", path.display()))?;
            listed(root, &["--in-diff", &path.to_string_lossy()])?
        }
    };
    let is_wanted = |key: &Key| match ledger.fate(key) {
        None => true,
        Some(Fate::Missed) => wanted.again && ledger.reason(key).is_none(),
        Some(_) => false,
    };
    all.retain(|(_, key)| {
        is_wanted(key) && (wanted.files.is_empty() || wanted.files.iter().any(|part| key.file.contains(part)))
    });
    all.sort_by_key(|(_, key)| (Area::of(&key.file), key.file.clone()));
    if let Some((shard, of)) = wanted.shard {
        all = all.into_iter().enumerate().filter(|(n, _)| n % of == shard).map(|(_, mutant)| mutant).collect();
    }
    Ok(all)
}

/// Brings the copy up to date, touching only what differs, so that only that is built again.
fn copy(root: &Path, tree: &Path) -> Result<(), String> {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output();
    let output = output.map_err(|error| format!("git ls-files: {error}"))?;
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    let kept: BTreeSet<PathBuf> = names.split('\0').filter(|name| !name.is_empty()).map(|n| tree.join(n)).collect();
    for path in &kept {
        let source = root.join(path.strip_prefix(tree).unwrap_or(path));
        let Ok(bytes) = std::fs::read(source) else { continue };
        if std::fs::read(path).is_ok_and(|there| there == bytes) {
            continue;
        }
        let folder = path.parent().unwrap_or(tree);
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        std::fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    for path in kraite_tests::rust_files(&tree.to_string_lossy()) {
        if !kept.contains(&path) {
            std::fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    Ok(())
}

fn escaped(name: &str) -> String {
    let mut text = String::from("^");
    for letter in name.chars() {
        if !letter.is_alphanumeric() && !matches!(letter, ' ' | '_' | '/' | ':' | '<' | '>' | '=' | '!' | '&' | '-') {
            text.push('\\');
        }
        text.push(letter);
    }
    text + "$"
}

/// The core's own tests judge first, since they are built and run in a fraction of the time; what they miss goes before
/// all of them.
fn run_batch(work: &Path, batch: &[(Listed, Key)]) -> Result<Vec<Entry>, String> {
    let mut entries = judged(work, batch, Judges::Core)?;
    let missed = |key: &Key| entries.iter().any(|entry| entry.key == *key && entry.fate == Fate::Missed);
    let again: Vec<_> = batch.iter().filter(|(_, key)| missed(key)).cloned().collect();
    if again.is_empty() {
        return Ok(entries);
    }
    entries.retain(|entry| entry.fate != Fate::Missed);
    entries.extend(judged(work, &again, Judges::All)?);
    Ok(entries)
}

/// Whose tests are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judges {
    /// The core's own.
    Core,
    /// Those of the simulator and of the whole too.
    All,
}

fn judged(work: &Path, batch: &[(Listed, Key)], judges: Judges) -> Result<Vec<Entry>, String> {
    let mut command = cargo_mutants(&work.join("tree"));
    command.args(["--in-place", "--baseline=skip", "--no-shuffle", "--colors=never", "--timeout", TEST_SECONDS]);
    command.arg("--output").arg(work);
    if let Some((mutant, _)) = batch.first() {
        command.arg("--config").arg(narrowed(work, mutant.file(), judges)?);
    }
    for (mutant, _) in batch {
        command.arg("--re").arg(escaped(&mutant.name));
    }
    // Fewer cases for each property: a mutant is judged in seconds. A case that fails is nobody's regression.
    command.env("PROPTEST_CASES", "64").env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true");
    command.env("CARGO_TARGET_DIR", work.join("build"));
    let output = command.output().map_err(|error| format!("cargo mutants: {error}"))?;
    // 0: all caught; 2: some missed; 3: some timed out.
    if !matches!(output.status.code(), Some(0 | 2 | 3)) {
        let said = [output.stdout, output.stderr].concat();
        return Err(format!("cargo mutants: {}: {}", output.status, String::from_utf8_lossy(&said)));
    }
    let path = work.join("mutants.out/outcomes.json");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let told: Outcomes = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut entries = Vec::new();
    for outcome in told.outcomes {
        let Some(name) = outcome.scenario.pointer("/Mutant/name").and_then(|name| name.as_str()) else { continue };
        let Some((_, key)) = batch.iter().find(|(mutant, _)| mutant.name == name) else { continue };
        let fate = match outcome.summary.as_str() {
            "CaughtMutant" => Fate::Caught,
            "MissedMutant" => Fate::Missed,
            "Timeout" => Fate::Timeout,
            "Unviable" => Fate::Unviable,
            other => return Err(format!("{name}: {other}")),
        };
        entries.push(Entry { key: key.clone(), fate });
    }
    if entries.len() == batch.len() {
        return Ok(entries);
    }
    Err(format!("cargo mutants ran {} of {} mutants; are two of one name?", entries.len(), batch.len()))
}

/// The configuration for one file only. Some mutants come whatever names are asked for; so they are few.
fn narrowed(work: &Path, file: &str, judges: Judges) -> Result<PathBuf, String> {
    let from = work.join("tree/.cargo/mutants.toml");
    let text = std::fs::read_to_string(&from).map_err(|error| format!("{}: {error}", from.display()))?;
    let path = work.join("one-file.toml");
    let text: String = text.lines().filter_map(|line| narrowed_line(line, file, judges)).collect();
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

fn narrowed_line(line: &str, file: &str, judges: Judges) -> Option<String> {
    if line.starts_with("examine_globs") {
        return Some(format!("examine_globs = [\"{file}\"]\n"));
    }
    match judges {
        Judges::All => Some(format!("{line}\n")),
        Judges::Core if line.starts_with("test_package") => Some("test_package = [\"kraite-core\"]\n".into()),
        Judges::Core if line.ends_with("# not the core's own") => None,
        Judges::Core => Some(format!("{line}\n")),
    }
}

fn append(path: &Path, entries: &[Entry]) -> Result<(), String> {
    let mut text = String::new();
    for entry in entries {
        text += &serde_json::to_string(entry).map_err(|error| error.to_string())?;
        text.push('\n');
    }
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_judges_are_the_cores_own_tests() {
        let text = include_str!("../../.cargo/mutants.toml");
        let of = |judges| text.lines().filter_map(|line| narrowed_line(line, "a.rs", judges)).collect::<String>();
        let (core, all) = (of(Judges::Core), of(Judges::All));
        assert!(
            all.contains("--test=crash_windows") && all.contains("\"kraite-sim\"") && all.contains("--test=doubts")
        );
        assert!(!core.contains("--test=crash_windows") && !core.contains("kraite-sim\""), "{core}");
        assert!(core.contains("--test=doubts") && core.contains("examine_globs = [\"a.rs\"]"));
    }

    #[test]
    fn a_name_is_looked_for_as_it_is() {
        assert_eq!(escaped("a.rs:1:2: replace || with && in <x>::f"), r"^a\.rs:1:2: replace \|\| with && in <x>::f$");
    }
}
