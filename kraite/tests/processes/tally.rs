//! What happened in a run, counted and told: a test that says how often cannot pass on nothing.

use std::collections::BTreeMap;

/// Counts under names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally(BTreeMap<String, u64>);

/// These begin the names of counts that are signals.
const SIGNALS: [&str; 2] = ["SIGKILL ", "SIGSTOP "];

impl Tally {
    /// One more of something.
    pub(crate) fn note(&mut self, what: &str) {
        self.add(what, 1);
    }

    /// Several more of something.
    pub(crate) fn add(&mut self, what: &str, number: u64) {
        *self.0.entry(what.to_owned()).or_insert(0) += number;
    }

    /// How many of it.
    pub(crate) fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// How many of everything whose name begins so.
    pub(crate) fn under(&self, prefix: &str) -> u64 {
        self.0.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, number)| number).sum()
    }

    /// SIGKILLs and SIGSTOPs.
    pub(crate) fn signals(&self) -> u64 {
        SIGNALS.iter().map(|prefix| self.under(prefix)).sum()
    }

    /// Adds another one.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (what, number) in &other.0 {
            self.add(what, *number);
        }
    }

    /// Prints one line for a machine to add up and one for each name.
    pub(crate) fn print(&self, title: &str) {
        let rows: String = self.0.iter().map(|(what, number)| format!("\n{number:>8}  {what}")).collect();
        println!("{title}: {} signals{rows}", self.signals());
    }
}
