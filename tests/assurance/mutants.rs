//! The ledger of mutants: what became of each wrong version of the core, kept from run to run.
//!
//! A row is about a function as it reads, wherever in its file it stands: it is good until that function
//! changes. It is not run again because code or tests elsewhere changed; `--again` does that for survivors.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

/// What became of a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fate {
    /// A test failed.
    Caught,
    /// Every test passed.
    Missed,
    /// The tests did not end in time; counts as killed.
    Timeout,
    /// It does not compile; counts as nothing.
    Unviable,
}

/// A mutant, told so that it can be found again when its function has moved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) file: String,
    /// What is changed into what, and in which function.
    pub(crate) mutant: String,
    /// Line and column from the start of the function.
    pub(crate) at: String,
    /// The digest of the function's text.
    pub(crate) function: String,
}

/// One row of the ledger.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    #[serde(flatten)]
    pub(crate) key: Key,
    pub(crate) fate: Fate,
}

/// Why a survivor is left; matched by file and words, wherever it stands.
#[derive(Debug, Clone, Deserialize)]
struct Reason {
    file: String,
    mutant: String,
    reason: String,
}

/// Everything that was ever run, the last word on each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<Key, Fate>,
    reasons: Vec<Reason>,
}

fn lines<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let rows = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    rows.map(|(n, line)| serde_json::from_str(line).map_err(|error| format!("{}:{n}: {error}", path.display())))
        .collect()
}

impl Ledger {
    pub(crate) fn read(entries: &Path, reasons: &Path) -> Result<Self, String> {
        let rows = lines::<Entry>(entries)?.into_iter().map(|entry| (entry.key, entry.fate));
        Ok(Self { entries: rows.collect(), reasons: lines(reasons)? })
    }

    pub(crate) fn fate(&self, key: &Key) -> Option<Fate> {
        self.entries.get(key).copied()
    }

    /// How many were killed, functions that read differently by now included.
    pub(crate) fn killed_ever(&self) -> u64 {
        self.entries.values().filter(|fate| matches!(fate, Fate::Caught | Fate::Timeout)).count() as u64
    }

    pub(crate) fn reason(&self, key: &Key) -> Option<&str> {
        let mut about = self.reasons.iter().filter(|reason| reason.file == key.file && reason.mutant == key.mutant);
        about.next().map(|reason| reason.reason.as_str())
    }

    /// Reasons about mutants that are not survivors (any more).
    pub(crate) fn idle_reasons(&self, listed: &BTreeSet<Key>) -> Vec<String> {
        let survives = |reason: &&Reason| {
            let mut about = listed.iter().filter(|key| key.file == reason.file && key.mutant == reason.mutant);
            about.any(|key| self.fate(key) == Some(Fate::Missed))
        };
        let idle = self.reasons.iter().filter(|reason| !survives(reason));
        idle.map(|reason| format!("{}: {}", reason.file, reason.mutant)).collect()
    }
}

/// A mutant as `cargo mutants --list --json` tells it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Listed {
    pub(crate) name: String,
    file: String,
    function: Option<Function>,
    span: Span,
}

#[derive(Debug, Clone, Deserialize)]
struct Function {
    span: Span,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Span {
    start: Place,
    end: Place,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Place {
    line: usize,
    column: usize,
}

impl Listed {
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// Its key in the ledger, from the text of its file.
    pub(crate) fn key(&self, text: &str) -> Key {
        let all = Span { start: Place { line: 1, column: 1 }, end: Place { line: usize::MAX, column: 1 } };
        let Span { start, end } = self.function.as_ref().map_or(all, |function| function.span);
        let lines = text.lines().skip(start.line - 1).take(end.line.saturating_sub(start.line).saturating_add(1));
        let function: Vec<&str> = lines.collect();
        // "file:line:column: words"
        let words = self.name.splitn(4, ':').nth(3).unwrap_or(&self.name).trim();
        Key {
            file: self.file.clone(),
            mutant: words.to_owned(),
            at: format!("{}:{}", self.span.start.line.saturating_sub(start.line), self.span.start.column),
            function: format!("{:032x}", XxHash3_128::oneshot(function.join("\n").as_bytes())),
        }
    }
}

/// A part of the core for which a score is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Area {
    Recovery,
    Order,
    Position,
    Rest,
}

impl Area {
    pub(crate) const ALL: [Self; 4] = [Self::Recovery, Self::Order, Self::Position, Self::Rest];

    /// Where a file of the core belongs.
    pub(crate) fn of(file: &str) -> Self {
        let ends = |names: &[&str]| names.iter().any(|name| file.ends_with(name));
        match file {
            _ if ends(&["engine/doubt.rs", "engine/reconcile.rs", "engine/absorb.rs"]) => Self::Recovery,
            _ if file.contains("/order/") => Self::Order,
            _ if file.contains("/position/") => Self::Position,
            _ => Self::Rest,
        }
    }

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Recovery => "recovery (`engine/doubt.rs`, `reconcile.rs`, `absorb.rs`)",
            Self::Order => "`order/`",
            Self::Position => "`position/`",
            Self::Rest => "everything else",
        }
    }
}

/// The score of some mutants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Score {
    pub(crate) listed: u64,
    pub(crate) killed: u64,
    pub(crate) missed: u64,
    pub(crate) unviable: u64,
}

impl Score {
    pub(crate) const fn run(&self) -> u64 {
        self.killed + self.missed + self.unviable
    }

    pub(crate) fn add(&mut self, fate: Option<Fate>) {
        self.listed += 1;
        match fate {
            Some(Fate::Caught | Fate::Timeout) => self.killed += 1,
            Some(Fate::Missed) => self.missed += 1,
            Some(Fate::Unviable) => self.unviable += 1,
            None => {}
        }
    }

    /// Killed of the viable ones that were run, in tenths of a percent.
    pub(crate) const fn per_mille(&self) -> Option<u64> {
        (self.killed * 1_000).checked_div(self.killed + self.missed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "// top\nfn a() -> bool {\n    true\n}\nfn b() {}\n";

    fn listed(first: usize) -> Listed {
        let text = format!(
            r#"{{"name":"kraite-core/src/order/x.rs:{}:5: replace true with false in a","file":"kraite-core/src/order/x.rs",
            "function":{{"span":{{"start":{{"line":{first},"column":1}},"end":{{"line":{},"column":2}}}}}},
            "span":{{"start":{{"line":{},"column":5}},"end":{{"line":{},"column":9}}}}}}"#,
            first + 1,
            first + 2,
            first + 1,
            first + 1
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_function_that_moved_keeps_its_rows_and_one_that_changed_does_not() {
        let key = listed(2).key(FILE);
        assert_eq!((key.at.as_str(), key.mutant.as_str()), ("1:5", "replace true with false in a"));
        assert_eq!(listed(4).key(&format!("// more\n\n{FILE}")), key);
        assert_eq!(listed(2).key(&FILE.replace("fn b() {}", "fn b() { a(); }")), key);
        assert_ne!(listed(2).key(&FILE.replace("    true", "    !false")), key);
    }

    #[test]
    fn mutant_a_survivor_lowers_the_score_and_what_was_not_run_does_not_raise_it() {
        let mut score = Score::default();
        assert_eq!(score.per_mille(), None);
        for fate in [Some(Fate::Caught), Some(Fate::Timeout), Some(Fate::Unviable), None, None] {
            score.add(fate);
        }
        assert_eq!((score.per_mille(), score.run(), score.listed), (Some(1_000), 3, 5));
        score.add(Some(Fate::Missed));
        assert_eq!(score.per_mille(), Some(666));
    }

    #[test]
    fn the_last_row_decides_and_a_reason_without_a_survivor_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (entries, reasons) = (folder.path().join("mutants.jsonl"), folder.path().join("survivors.jsonl"));
        assert_eq!(Ledger::read(&entries, &reasons).unwrap().killed_ever(), 0);
        let key = listed(2).key(FILE);
        let row = |fate| serde_json::to_string(&Entry { key: key.clone(), fate }).unwrap();
        let reason = format!(r#"{{"file":"{}","mutant":"{}","reason":"because"}}"#, key.file, key.mutant);
        std::fs::write(&reasons, reason).unwrap();
        let all = BTreeSet::from([key.clone()]);
        std::fs::write(&entries, row(Fate::Missed)).unwrap();
        let ledger = Ledger::read(&entries, &reasons).unwrap();
        assert_eq!((ledger.reason(&key), ledger.idle_reasons(&all).len()), (Some("because"), 0));
        std::fs::write(&entries, format!("{}\n{}\n", row(Fate::Missed), row(Fate::Caught))).unwrap();
        let ledger = Ledger::read(&entries, &reasons).unwrap();
        assert_eq!((ledger.fate(&key), ledger.killed_ever()), (Some(Fate::Caught), 1));
        assert_eq!(ledger.idle_reasons(&all).len(), 1);
    }
}
