//! What the checks found, for people and for scripts.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::exit::Exit;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// As it should be.
    Ok,
    /// Usable, and worth knowing.
    Warned,
    /// Not demanded here.
    Exempt,
    /// Not usable.
    Failed,
    /// Not asked, since something that it needs failed.
    Skipped,
}

impl Status {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warned => "warned",
            Self::Exempt => "exempt",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) status: Status,
    /// What was found, and what it means.
    pub(crate) says: String,
    /// What to do about it; empty where there is nothing to do.
    pub(crate) fix: &'static str,
}

/// All of them, in the order in which they were made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    venue: &'static str,
    network: &'static str,
    checks: Vec<Check>,
}

impl Report {
    pub(crate) const fn new(venue: &'static str, network: &'static str) -> Self {
        Self { venue, network, checks: Vec::new() }
    }

    pub(crate) fn add(&mut self, name: &'static str, status: Status, says: impl Into<String>, fix: &'static str) {
        self.checks.push(Check { name, status, says: says.into(), fix });
    }

    /// Names what was not asked.
    pub(crate) fn skip(&mut self, names: &[&'static str], because: &str) {
        for name in names {
            self.add(name, Status::Skipped, format!("not asked: {because}"), "");
        }
    }

    pub(crate) fn usable(&self) -> bool {
        !self.checks.iter().any(|check| matches!(check.status, Status::Failed | Status::Skipped))
    }

    pub(crate) fn exit(&self) -> Exit {
        let is_local = |check: &&Check| crate::health::CHECKS.contains(&check.name);
        let failed = || self.checks.iter().filter(|check| matches!(check.status, Status::Failed | Status::Skipped));
        match (self.usable(), failed().all(|check| is_local(&check))) {
            (true, _) => Exit::Ok,
            (false, true) => Exit::Journal,
            (false, false) => Exit::Exchange,
        }
    }

    /// Each check as an object.
    pub(crate) fn listed(&self) -> Vec<Value> {
        self
            .checks
            .iter()
            .map(|check| {
                json!({ "name": check.name, "status": check.status.word(), "says": check.says, "do": check.fix })
            })
            .collect()
    }

    pub(crate) fn json(&self) -> String {
        let checks = self.listed();
        let (venue, network, ok) = (self.venue, self.network, self.usable());
        let data = json!({
            "schema": "kraite.doctor/1", "venue": venue, "network": network, "ok": ok, "checks": checks,
        });
        format!("{data}\n")
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}, {}\n", self.venue, self.network);
        for check in &self.checks {
            let fix = if check.fix.is_empty() { String::new() } else { format!("; {}", check.fix) };
            // Writing to a string does not fail.
            let _ = writeln!(text, "{:<8} {:<9} {}{fix}", check.status.word(), check.name, one_line(&check.says));
        }
        text
    }
}

/// What an exchange says may have lines of its own.
fn one_line(text: &str) -> String {
    text.split(char::is_control).collect::<Vec<_>>().join(" ")
}
