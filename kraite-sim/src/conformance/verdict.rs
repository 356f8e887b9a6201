//! What came of all scenarios.

use std::fmt::{self, Display, Write as _};

use serde::{Deserialize, Serialize};

/// How a guarantee stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Every scenario that ran shows it.
    Held,
    /// A scenario shows that it does not hold.
    Broken,
    /// No scenario about it could run.
    NotRun,
}

/// A scenario in which a guarantee broke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counterexample {
    /// Its name.
    pub scenario: String,
    /// What was done, in order.
    pub steps: Vec<String>,
    /// What had to be.
    pub expected: String,
    /// What was.
    pub seen: String,
}

/// A scenario that said nothing, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Omission {
    /// Its name.
    pub scenario: String,
    /// Why it did not run.
    pub reason: String,
}

/// One guarantee with what its scenarios showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// A short name that stays.
    pub guarantee: String,
    /// What is guaranteed.
    pub says: String,
    /// How it stands.
    pub standing: Standing,
    /// How many scenarios showed that it holds.
    pub held: usize,
    /// How many showed that it does not.
    pub broken: usize,
    /// The shortest of those: the one with the fewest steps, the first of several.
    pub shortest: Option<Counterexample>,
    /// The scenarios that did not run.
    pub not_run: Vec<Omission>,
}

/// The verdict on one backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// `kraite.conformance/1`.
    pub schema: String,
    /// Which backend.
    pub backend: String,
    /// Every guarantee, always in the same order.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// True where nothing is broken and something ran.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.ran() > 0 && self.broken() == 0
    }

    /// How many scenarios ran.
    #[must_use]
    pub fn ran(&self) -> usize {
        self.findings.iter().map(|f| f.held.saturating_add(f.broken)).sum()
    }

    /// How many scenarios showed that a guarantee does not hold.
    #[must_use]
    pub fn broken(&self) -> usize {
        self.findings.iter().map(|f| f.broken).sum()
    }

    /// How many scenarios did not run.
    #[must_use]
    pub fn not_run(&self) -> usize {
        self.findings.iter().map(|f| f.not_run.len()).sum()
    }

    /// As JSON.
    ///
    /// # Errors
    ///
    /// None that can happen: all of it is text and numbers.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// As Markdown: a table of guarantees, then the shortest scenario of each that is broken, then what did not run.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = format!("# Conformance of {}\n\n{}\n\n", plain(&self.backend), self.summary());
        text.push_str("| Guarantee | Standing | Held | Broken | Not run |\n| --- | --- | --- | --- | --- |\n");
        for f in &self.findings {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                plain(&f.says),
                words(f.standing),
                f.held,
                f.broken,
                f.not_run.len()
            );
        }
        for (f, shown) in self.findings.iter().filter_map(|f| Some((f, f.shortest.as_ref()?))) {
            let _ =
                writeln!(text, "\n## Broken: {}\n\nShortest scenario: {}\n", plain(&f.says), plain(&shown.scenario));
            for (n, step) in (1..).zip(&shown.steps) {
                let _ = writeln!(text, "{n}. {}", plain(step));
            }
            let _ =
                writeln!(text, "\nExpected: {}\n\nSeen: `{}`", plain(&shown.expected), shown.seen.replace('`', "'"));
        }
        if self.not_run() > 0 {
            text.push_str("\n## Not run\n\n| Scenario | Why |\n| --- | --- |\n");
            for omitted in self.findings.iter().flat_map(|f| &f.not_run) {
                let _ = writeln!(text, "| {} | {} |", plain(&omitted.scenario), plain(&omitted.reason));
            }
        }
        text
    }

    fn summary(&self) -> String {
        let told = if self.holds() { "conforms" } else { "does not conform" };
        format!(
            "{told}: {} scenarios ran, {} broke a guarantee, {} did not run",
            self.ran(),
            self.broken(),
            self.not_run()
        )
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.backend, self.summary())?;
        for finding in &self.findings {
            let (all, word) = (finding.held.saturating_add(finding.broken), words(finding.standing));
            writeln!(f, "  {word:<7} {:>3}/{all:<3} {}", finding.held, finding.says)?;
            if let Some(shown) = &finding.shortest {
                writeln!(f, "          shortest: {}", shown.scenario)?;
                for (n, step) in (1..).zip(&shown.steps) {
                    writeln!(f, "            {n}. {step}")?;
                }
                writeln!(f, "          expected: {}", shown.expected)?;
                writeln!(f, "          seen:     {}", shown.seen)?;
            }
        }
        for omitted in self.findings.iter().flat_map(|finding| &finding.not_run) {
            writeln!(f, "  not run: {} ({})", omitted.scenario, omitted.reason)?;
        }
        Ok(())
    }
}

const fn words(standing: Standing) -> &'static str {
    match standing {
        Standing::Held => "held",
        Standing::Broken => "BROKEN",
        Standing::NotRun => "not run",
    }
}

/// Text that does not break out of a cell or a line.
fn plain(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}
