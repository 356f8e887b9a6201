//! docs/ASSURANCE.md, from what was logged and counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::counts::{Counts, Zoo};
use crate::coverage::{Coverage, FLOOR, GOAL};
use crate::mutants::{Area, Key, Ledger, Score};
use crate::runs::{Lives, Sum, rule_of_three};

/// What is meant to be run once, on one core.
const SEEDS: u64 = 10_000_000;
const SIGNALS: u64 = 100_000;
const DEPTH: u8 = 3;
/// Of a hundred viable mutants so many are to be killed, over all and where recovery is decided.
const KILLED: (u64, u64) = (85, 95);

/// Everything that the page is made of.
#[derive(Debug, Clone)]
pub(crate) struct Page<'a> {
    pub(crate) core: &'a str,
    pub(crate) simulator: &'a str,
    pub(crate) sum: &'a Sum,
    pub(crate) counts: &'a Counts,
    pub(crate) missing: &'a [String],
    /// The matrix as the run wrote it, or why there is none.
    pub(crate) zoo: Result<String, String>,
    /// The mutants of today's core, or why they cannot be listed.
    pub(crate) listed: Result<Vec<Key>, String>,
    pub(crate) ledger: &'a Ledger,
    /// Lines of the core that its tests ran, or why that is not known.
    pub(crate) coverage: Result<Coverage, String>,
    pub(crate) versions: &'a [(String, String)],
}

impl Page<'_> {
    /// The whole page.
    pub(crate) fn text(&self) -> String {
        let parts = [
            self.head(),
            self.not_run(),
            self.lives(),
            self.certificates(),
            self.zoo(),
            self.mutants(),
            self.coverage(),
            self.short_form(),
            self.versions(),
        ];
        parts.join("\n")
    }

    fn head(&self) -> String {
        let worst = self.worst_unprotected();
        let worst = worst.map_or("nothing logged".into(), |(ms, words)| format!("{} ms{words}", grouped(ms)));
        format!(
            "# Assurance\n\n\
             Made by `cargo run -p kraite-tests --bin assurance`; nothing here is typed. Sums are over the rows of \
             `docs/assurance/runs.jsonl`, and of the last run of CI, that are about this core, which each binary knows from its build; no seed \
             and no schedule counts twice.\n\n\
             | What | Value |\n| --- | --- |\n\
             | Core (digest of its sources) | `{}` |\n| Simulator | `{}` |\n\
             | Rows about this core | {} of {} |\n| Commits they ran on | {} |\n\
             | Longest time with exposure and no accepted stop, over all of them | {worst} |\n",
            self.core,
            self.simulator,
            self.sum.rows,
            self.sum.rows + self.sum.others,
            or_none(self.sum.commits.iter().map(|commit| format!("`{commit:.12}`")).collect()),
        )
    }

    fn worst_unprotected(&self) -> Option<(u64, String)> {
        let lives = self.sum.lives.values().map(|lives| (lives.max_unprotected_ms, String::new()));
        let explored = self
            .sum
            .explored
            .values()
            .map(|(_, certificate)| (certificate.max_unprotected_ms, windows(&certificate.unprotected_windows)));
        let (ms, words) = lives.chain(explored).max_by_key(|(ms, _)| *ms)?;
        Some((u64::try_from(ms).unwrap_or(0), words))
    }

    /// What is meant to be done and is not, first on the page: the rest is read in its light.
    fn not_run(&self) -> String {
        let mut rows = String::new();
        let mut row = |what: &str, done: String| {
            let _ = writeln!(rows, "| {what} | {done} |");
        };
        let seeds: u64 = self.sum.lives.values().map(|lives| lives.seeds).max().unwrap_or(0);
        if seeds < SEEDS {
            row(&format!("{} random lives of one mix", grouped(SEEDS)), format!("{} were run", grouped(seeds)));
        }
        let tasks = self.sum.explored.len();
        for depth in 1..=DEPTH {
            let deep = self.sum.explored.values().filter(|(reached, _)| *reached >= depth).count();
            if deep < tasks || tasks == 0 {
                row(&format!("every schedule of {depth} faults"), format!("{deep} of {tasks} certificates"));
            }
        }
        let signals: u64 = self.sum.signals.values().sum();
        if signals < SIGNALS {
            let ci = self.counts.get("signals").copied().unwrap_or(0);
            let words = format!("{} are logged; one run of CI sends {}", grouped(signals), grouped(ci));
            row(&format!("{} signals to real processes", grouped(SIGNALS)), words);
        }
        match &self.listed {
            Ok(listed) => {
                let left = listed.iter().filter(|key| self.ledger.fate(key).is_none()).count();
                if left > 0 {
                    row("every mutant of the core", format!("{left} of {} were not run", listed.len()));
                }
            }
            Err(why) => row("every mutant of the core", why.clone()),
        }
        row("hours of fuzzing", "none is logged: what CI fuzzes is not written down".into());
        for why in self.missing {
            row("a part of CI", why.clone());
        }
        format!("## What was not run\n\n| Meant | Done |\n| --- | --- |\n{rows}")
    }

    fn lives(&self) -> String {
        let mut out = String::from(
            "## Random lives\n\nEvery life has its own seed, and with none failing among n seeds the chance that \
             the next one fails is below 3/n with 95 % confidence. That is about lives drawn like these, not about \
             an exchange.\n\n\
             | Mix | Seeds | of them under this simulator | Positions | Crashes | Faults dealt | Rounds at most | \
             Without a stop at most | Violations | Unresolved | 3/n | CPU hours |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        for (mix, lives) in &self.sum.lives {
            let _ = writeln!(
                out,
                "| {mix} | {} | {} | {} | {} | {} | {} | {} ms | {} | {} | {} | {:.1} |",
                grouped(lives.seeds),
                grouped(lives.of_this_simulator),
                grouped(lives.lifecycles),
                grouped(lives.crashes),
                grouped(lives.faults),
                lives.max_rounds,
                lives.max_unprotected_ms,
                lives.violations,
                lives.unresolved,
                bound(lives),
                lives.cpu_seconds / 3_600.0,
            );
        }
        for (mix, lives) in &self.sum.lives {
            let mut ranges = lives.ranges.clone();
            ranges.sort_unstable();
            let ranges: Vec<String> = joined(&ranges).iter().map(|(from, end)| format!("{from}..{end}")).collect();
            let _ = write!(out, "\nSeeds of mix {mix}: {}.", ranges.join(", "));
            if lives.left_out > 0 {
                let _ = write!(out, " {} rows overlap others and are not summed.", lives.left_out);
            }
            if !lives.failing.is_empty() {
                let _ = write!(out, " The first failing seed of each row that has one: {:?}.", lives.failing);
            }
            out.push('\n');
        }
        for told in &self.sum.disagreements {
            let _ = writeln!(out, "\n**The same seeds were other lives**: {told}.");
        }
        if self.sum.lives.is_empty() {
            out += "\nNone is logged for this core.\n";
        }
        out
    }

    fn certificates(&self) -> String {
        let mut out = String::from(
            "## Certificates\n\nEvery schedule of up to so many faults over a script, each one run or covered by a \
             world that was seen before.\n\n\
             | Script | Venue | Target | Timing | Depth | Choice points | Schedules | Executed | Without a stop at \
             most | Violations | Unresolved |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        let mut total = (0, 0, 0, 0);
        for ((name, venue, target, seed), (depth, certificate)) in &self.sum.explored {
            let schedules: u64 = certificate.schedules.values().sum();
            let _ = writeln!(
                out,
                "| {name} | {venue} | {target} | {seed} | {depth} | {} | {} | {} | {} ms{} | {} | {} |",
                certificate.choice_points,
                grouped(schedules),
                grouped(certificate.executed),
                certificate.max_unprotected_ms,
                windows(&certificate.unprotected_windows),
                certificate.violations,
                certificate.unresolved,
            );
            total.0 += schedules;
            total.1 += certificate.executed;
            total.2 += certificate.violations;
            total.3 += certificate.unresolved;
        }
        let _ = writeln!(
            out,
            "\n{} certificates, {} schedules, {} executed, {} violations, {} unresolved; {:.0} CPU seconds.",
            self.sum.explored.len(),
            grouped(total.0),
            grouped(total.1),
            total.2,
            total.3,
            self.sum.explored_seconds
        );
        out
    }

    fn zoo(&self) -> String {
        let head = "## The zoo\n\nBugs that somebody would make, and the layers that catch each \
                    ([ADR 10](adr/0010-the-bug-zoo.md)).\n\n";
        match &self.zoo {
            Ok(text) => {
                let table = Zoo::read(text);
                let mut totals = String::new();
                for (place, layer) in table.layers.iter().enumerate() {
                    let caught = table.bugs.iter().filter(|bug| bug.caught.get(place) == Some(&true)).count();
                    let _ = writeln!(totals, "| {layer} | {caught} of {} |", table.bugs.len());
                }
                let matrix: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
                format!(
                    "{head}| Layer | Caught |\n| --- | --- |\n{totals}\n<details><summary>The matrix</summary>\n\n\
                     {}\n\n</details>\n",
                    matrix.join("\n")
                )
            }
            Err(why) => format!("{head}NOT RUN: {why}.\n"),
        }
    }

    fn mutants(&self) -> String {
        let mut out = format!(
            "## Mutants of the core\n\nGenerated by cargo-mutants, judged by the core's own tests and the cheap ones \
             of the simulator (`.cargo/mutants.toml`). The goal is {} % of the viable ones over all, {} % in \
             recovery, `order/` and `position/`. What was not run says nothing.\n\n",
            KILLED.0, KILLED.1
        );
        let listed = match &self.listed {
            Ok(listed) => listed,
            Err(why) => {
                let _ = writeln!(out, "NOT RUN: {why}.");
                return out;
            }
        };
        let mut scores: BTreeMap<Area, Score> = BTreeMap::new();
        let mut all = Score::default();
        for key in listed {
            let fate = self.ledger.fate(key);
            scores.entry(Area::of(&key.file)).or_default().add(fate);
            all.add(fate);
        }
        out += "| Part | Mutants | Run | Killed | Survived | Do not compile | Killed of the viable that ran |\n\
                | --- | --- | --- | --- | --- | --- | --- |\n";
        let named = Area::ALL.map(|area| (area.words(), scores.get(&area).copied().unwrap_or_default()));
        for (words, score) in named.into_iter().chain([("**all**", all)]) {
            let share = score.per_mille().map_or("–".into(), |n| format!("{}.{} %", n / 10, n % 10));
            let _ = writeln!(
                out,
                "| {words} | {} | {} | {} | {} | {} | {share} |",
                score.listed,
                score.run(),
                score.killed,
                score.missed,
                score.unviable
            );
        }
        out += "\n### Survivors\n\n";
        let survivors = listed.iter().filter(|key| self.ledger.fate(key) == Some(crate::mutants::Fate::Missed));
        let mut none = true;
        for key in survivors {
            none = false;
            let why = self.ledger.reason(key).unwrap_or("**no reason yet**");
            let _ = writeln!(out, "* `{}`: `{}`: {why}", key.file.trim_start_matches("kraite-core/src/"), key.mutant);
        }
        if none {
            out += "None among those that were run.\n";
        }
        out
    }

    fn coverage(&self) -> String {
        let words = match &self.coverage {
            Ok(told) => format!(
                "{}.{:02} % of {} lines of the core are run by the tests of the core and of the \
                 simulator; the floor is {FLOOR} %, the goal {GOAL} %. Test code and the bugs of the zoo are left out. A line that is run is \
                 not a line that is checked: see the mutants.",
                told.share() / 100,
                told.share() % 100,
                told.lines
            ),
            Err(why) => format!("NOT RUN: {why}."),
        };
        format!("## Coverage\n\n{words}\n")
    }

    fn short_form(&self) -> String {
        let mut out = String::from(
            "## What each run of CI does\n\nCI counts these anew and fails if one is lower \
             (`docs/assurance/counts.json`).\n\n| What | Count |\n| --- | --- |\n",
        );
        for (name, count) in self.counts {
            let _ = writeln!(out, "| {name} | {} |", grouped(*count));
        }
        out
    }

    fn versions(&self) -> String {
        let mut out = String::from("## Versions\n\n| What | Version |\n| --- | --- |\n");
        for (name, version) in self.versions {
            let _ = writeln!(out, "| {name} | {version} |");
        }
        out
    }
}

fn bound(lives: &Lives) -> String {
    match rule_of_three(lives.seeds) {
        Some(bound) if lives.is_clean() => format!("{bound:.1e}"),
        Some(_) => "does not hold: lives failed".into(),
        None => "does not hold: nothing was run".into(),
    }
}

fn windows(words: &[String]) -> String {
    if words.is_empty() { String::new() } else { format!(" ({})", words.join("; ")) }
}

fn or_none(words: Vec<String>) -> String {
    if words.is_empty() { "none is known".into() } else { words.join(", ") }
}

/// Ranges that touch are one.
fn joined(sorted: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (from, end) in sorted {
        match joined.last_mut() {
            Some(last) if last.1 == *from => last.1 = *end,
            _ => joined.push((*from, *end)),
        }
    }
    joined
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(sum: &Sum) -> String {
        let page = Page {
            core: "c0",
            simulator: "s0",
            sum,
            counts: &Counts::new(),
            missing: &["zoo: target/zoo.md is not there".to_owned()],
            zoo: Err("target/zoo.md is not there".into()),
            listed: Err("cargo mutants: not installed".into()),
            ledger: &Ledger::default(),
            coverage: Err("target/coverage.lcov is not there".into()),
            versions: &[],
        };
        page.text()
    }

    #[test]
    fn a_page_made_of_nothing_says_of_everything_that_it_was_not_run() {
        let text = text(&Sum::default());
        for words in [
            "| 10,000,000 random lives of one mix | 0 were run |",
            "| every schedule of 1 faults | 0 of 0 certificates |",
            "| every schedule of 3 faults | 0 of 0 certificates |",
            "| 100,000 signals to real processes | 0 are logged",
            "| every mutant of the core | cargo mutants: not installed |",
            "| a part of CI | zoo: target/zoo.md is not there |",
            "NOT RUN: target/coverage.lcov is not there.",
            "None is logged for this core.",
        ] {
            assert!(text.contains(words), "{words}\n{text}");
        }
    }

    #[test]
    fn mutant_a_bound_is_told_only_of_lives_none_of_which_failed() {
        let clean = Lives { seeds: 3_000, ..Lives::default() };
        assert_eq!(bound(&clean), "1.0e-3");
        assert!(bound(&Lives { violations: 1, ..clean.clone() }).contains("does not hold"));
        assert!(bound(&Lives { unresolved: 1, ..clean }).contains("does not hold"));
        assert!(bound(&Lives::default()).contains("does not hold"));
    }
}
