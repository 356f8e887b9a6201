//! The log of runs: what it adds up to for one core.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// One line of the log. Lines of other shapes are another tool's.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Row {
    pub(crate) schema: String,
    pub(crate) commit: Option<String>,
    pub(crate) core: String,
    pub(crate) simulator: String,
    pub(crate) ran: Ran,
}

/// What the command printed as JSON.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "schema")]
pub(crate) enum Ran {
    #[serde(rename = "kraite.swarm/1")]
    Swarm(Swarm),
    #[serde(rename = "kraite.crash-test/1")]
    CrashTest(CrashTest),
    #[serde(rename = "kraite.signals/1")]
    Signals(Signals),
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Swarm {
    pub(crate) seeds: u64,
    pub(crate) from: u64,
    pub(crate) mix: String,
    pub(crate) lifecycles: u64,
    pub(crate) crashes: u64,
    pub(crate) faults: BTreeMap<String, u64>,
    pub(crate) violations: u64,
    pub(crate) unresolved: u64,
    pub(crate) max_rounds: u64,
    pub(crate) max_unprotected_ms: i64,
    pub(crate) trace: String,
    pub(crate) cpu_seconds: f64,
    pub(crate) first_failing_seed: Option<u64>,
}

impl Swarm {
    fn end(&self) -> u64 {
        self.from.saturating_add(self.seeds)
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CrashTest {
    pub(crate) depth: u8,
    pub(crate) seed: u64,
    pub(crate) scripts: Vec<Certificate>,
    pub(crate) cpu_seconds: f64,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Certificate {
    pub(crate) name: String,
    pub(crate) venue: String,
    pub(crate) target: String,
    pub(crate) choice_points: u64,
    /// How many schedules have exactly so many faults.
    pub(crate) schedules: BTreeMap<String, u64>,
    pub(crate) executed: u64,
    pub(crate) violations: u64,
    pub(crate) unresolved: u64,
    pub(crate) max_unprotected_ms: i64,
    pub(crate) unprotected_windows: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Signals {
    pub(crate) seed: u64,
    pub(crate) signals: u64,
}

/// Reads a log; an empty one is fine.
pub(crate) fn read(text: &str, name: &str) -> Result<Vec<Row>, String> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            let row: Row = serde_json::from_str(line).map_err(|error| format!("{name}:{number}: {error}"))?;
            if row.schema == "kraite.run/1" { Ok(row) } else { Err(format!("{name}:{number}: {}", row.schema)) }
        })
        .collect()
}

/// What the lives of one mix add up to; no seed counts twice.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lives {
    pub(crate) seeds: u64,
    /// Of these, under the simulator of today.
    pub(crate) of_this_simulator: u64,
    pub(crate) ranges: Vec<(u64, u64)>,
    pub(crate) lifecycles: u64,
    pub(crate) crashes: u64,
    pub(crate) faults: u64,
    pub(crate) max_rounds: u64,
    pub(crate) cpu_seconds: f64,
    /// Rows left out because their seeds were counted already.
    pub(crate) left_out: u64,
    /// Of every row, counted or not: what is wrong once is wrong.
    pub(crate) violations: u64,
    pub(crate) unresolved: u64,
    pub(crate) failing: BTreeSet<u64>,
    pub(crate) max_unprotected_ms: i64,
}

impl Lives {
    pub(crate) const fn is_clean(&self) -> bool {
        self.violations == 0 && self.unresolved == 0
    }

    fn see(&mut self, run: &Swarm, is_today: bool) {
        self.violations += run.violations;
        self.unresolved += run.unresolved;
        self.failing.extend(run.first_failing_seed);
        self.max_unprotected_ms = self.max_unprotected_ms.max(run.max_unprotected_ms);
        if self.ranges.iter().any(|(from, end)| run.from < *end && *from < run.end()) {
            self.left_out += 1;
            return;
        }
        self.ranges.push((run.from, run.end()));
        self.seeds += run.seeds;
        self.of_this_simulator += if is_today { run.seeds } else { 0 };
        self.lifecycles += run.lifecycles;
        self.crashes += run.crashes;
        self.faults += run.faults.values().sum::<u64>();
        self.max_rounds = self.max_rounds.max(run.max_rounds);
        self.cpu_seconds += run.cpu_seconds;
    }
}

/// One script, venue, target style and timing: the deepest exploration of it.
pub(crate) type Explored = BTreeMap<(String, String, String, u64), (u8, Certificate)>;

/// What the log says about one core.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sum {
    /// By mix.
    pub(crate) lives: BTreeMap<String, Lives>,
    pub(crate) explored: Explored,
    /// Seeds of the long mode of signals, each counted once.
    pub(crate) signals: BTreeMap<u64, u64>,
    pub(crate) commits: BTreeSet<String>,
    /// CPU time of the explorations.
    pub(crate) explored_seconds: f64,
    /// Runs of the same seeds by the same sources whose traces differ.
    pub(crate) disagreements: Vec<String>,
    traces: BTreeMap<(String, String, u64, u64), String>,
    /// Rows that are about this core.
    pub(crate) rows: u64,
    /// Rows that are about others.
    pub(crate) others: u64,
}

impl Sum {
    /// The same seeds under the same sources are the same lives, whoever runs them.
    fn retrace(&mut self, run: &Swarm, simulator: &str) {
        let key = (simulator.to_owned(), run.mix.clone(), run.from, run.seeds);
        let first = self.traces.entry(key).or_insert_with(|| run.trace.clone());
        if *first != run.trace {
            let told = format!("seeds {}..{} of mix {}: {first} and {}", run.from, run.end(), run.mix, run.trace);
            self.disagreements.push(told);
        }
    }
}

/// Adds up the rows of one core: those of today's simulator first, then the long ones, so that overlapping
/// rows lose as little as possible.
pub(crate) fn sum(rows: &[Row], core: &str, simulator: &str) -> Sum {
    let mut sum = Sum::default();
    let mut ours: Vec<&Row> = rows.iter().filter(|row| row.core == core).collect();
    sum.rows = ours.len() as u64;
    sum.others = (rows.len() - ours.len()) as u64;
    ours.sort_by_key(|row| {
        let seeds = if let Ran::Swarm(run) = &row.ran { run.seeds } else { 0 };
        (row.simulator != simulator, std::cmp::Reverse(seeds))
    });
    for row in ours {
        sum.commits.extend(row.commit.clone());
        match &row.ran {
            Ran::Swarm(run) => {
                sum.lives.entry(run.mix.clone()).or_default().see(run, row.simulator == simulator);
                sum.retrace(run, &row.simulator);
            }
            // A script is what the simulator says it is: an older one's certificate is about another script.
            Ran::CrashTest(run) if row.simulator == simulator => {
                explore(&mut sum.explored, run);
                sum.explored_seconds += run.cpu_seconds;
            }
            Ran::CrashTest(_) => {}
            Ran::Signals(run) => {
                let most = sum.signals.entry(run.seed).or_default();
                *most = (*most).max(run.signals);
            }
        }
    }
    sum
}

/// The deepest certificate stands for a script; what an earlier one found stays found.
fn explore(explored: &mut Explored, run: &CrashTest) {
    for certificate in &run.scripts {
        let key = (certificate.name.clone(), certificate.venue.clone(), certificate.target.clone(), run.seed);
        let (depth, held) = explored.entry(key).or_insert_with(|| (run.depth, certificate.clone()));
        let found = (held.violations.max(certificate.violations), held.unresolved.max(certificate.unresolved));
        if *depth < run.depth {
            (*depth, *held) = (run.depth, certificate.clone());
        }
        (held.violations, held.unresolved) = found;
    }
}

/// With no failure among `n` independent draws, the chance of one is below this with 95 % confidence.
#[allow(clippy::cast_precision_loss, reason = "a bound with two digits")]
pub(crate) fn rule_of_three(n: u64) -> Option<f64> {
    (n > 0).then(|| 3.0 / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn swarm(core: &str, simulator: &str, from: u64, seeds: u64, violations: u64) -> Row {
        let text = format!(
            r#"{{"schema":"kraite.run/1","commit":null,"core":"{core}","simulator":"{simulator}","ran":
            {{"schema":"kraite.swarm/1","seeds":{seeds},"from":{from},"mix":"all","lifecycles":{seeds},"crashes":2,
            "faults":{{"crash":2,"lose":3}},"violations":{violations},"unresolved":0,"max_rounds":7,
            "max_unprotected_ms":900,"trace":"0","cpu_seconds":1.5,"first_failing_seed":null,"acts":{{}}}}}}"#
        );
        read(&text.replace('\n', " "), "test").unwrap().remove(0)
    }

    #[test]
    fn s12_only_rows_of_this_core_are_summed_and_no_seed_twice() {
        let rows = [
            swarm("a", "s", 0, 100, 0),
            swarm("a", "s", 100, 50, 0),
            swarm("a", "old", 120, 60, 0),
            swarm("a", "old", 150, 10, 0),
            swarm("b", "s", 1_000, 1_000_000, 9),
        ];
        let sum = sum(&rows, "a", "s");
        let lives = &sum.lives["all"];
        assert_eq!((lives.seeds, lives.of_this_simulator, lives.left_out), (160, 150, 1));
        assert_eq!((lives.violations, lives.faults, lives.max_rounds), (0, 15, 7));
        assert_eq!((sum.rows, sum.others), (4, 1));
    }

    fn crash_test(simulator: &str, depth: u8, violations: u64) -> Row {
        let schedules: Vec<String> = (1..=depth).map(|n| format!(r#""{n}":{}"#, 10_u64.pow(n.into()))).collect();
        let text = format!(
            r#"{{"schema":"kraite.run/1","commit":"c","core":"a","simulator":"{simulator}","ran":
            {{"schema":"kraite.crash-test/1","depth":{depth},"seed":1,"cpu_seconds":2.0,"scripts":[{{"name":"open",
            "venue":"x","target":"limit","choice_points":9,"points":{{}},"schedules":{{{}}},"executed":7,"covered":4,
            "states":5,"violations":{violations},"max_unprotected_ms":700,"unprotected_windows":["w"],"unresolved":0,
            "failures":[]}}]}}}}"#,
            schedules.join(",")
        );
        read(&text.replace('\n', " "), "test").unwrap().remove(0)
    }

    #[test]
    fn s12_the_deepest_certificate_of_a_script_counts_and_those_of_other_scripts_of_that_name_do_not() {
        let rows = [crash_test("s", 1, 0), crash_test("s", 2, 0), crash_test("s", 1, 0), crash_test("old", 3, 0)];
        let sum = sum(&rows, "a", "s");
        assert_eq!(sum.explored.len(), 1);
        let (depth, certificate) = sum.explored.values().next().unwrap();
        assert_eq!((*depth, certificate.schedules.values().sum::<u64>()), (2, 110));
    }

    #[test]
    fn mutant_a_violation_of_a_shallower_certificate_is_still_one() {
        let rows = [crash_test("s", 1, 3), crash_test("s", 2, 0)];
        for rows in [&rows[..], &[rows[1].clone(), rows[0].clone()]] {
            assert_eq!(sum(rows, "a", "s").explored.values().next().unwrap().1.violations, 3);
        }
    }

    #[test]
    fn mutant_a_violation_in_a_row_whose_seeds_do_not_count_is_still_one() {
        let rows = [swarm("a", "s", 0, 100, 0), swarm("a", "s", 50, 10, 1)];
        assert!(!sum(&rows, "a", "s").lives["all"].is_clean());
        assert!(sum(&rows[..1], "a", "s").lives["all"].is_clean());
    }

    #[test]
    fn mutant_the_same_seeds_with_another_trace_are_told() {
        let mut rows = [swarm("a", "s", 0, 100, 0), swarm("a", "s", 0, 100, 0)];
        assert!(sum(&rows, "a", "s").disagreements.is_empty());
        if let Ran::Swarm(run) = &mut rows[1].ran {
            run.trace = "1".into();
        }
        assert_eq!(sum(&rows, "a", "s").disagreements.len(), 1);
        rows[1].simulator = "old".into();
        assert!(sum(&rows, "a", "s").disagreements.is_empty());
    }

    #[test]
    fn the_bound_is_three_over_n_and_nothing_bounds_nothing() {
        assert_eq!(rule_of_three(1_500), Some(0.002));
        assert_eq!(rule_of_three(0), None);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        assert!(read("{}\n", "log").unwrap_err().starts_with("log:1: "));
        let other = swarm("a", "s", 0, 1, 0);
        assert_eq!(other.schema, "kraite.run/1");
        assert!(read("", "log").unwrap().is_empty());
    }
}
