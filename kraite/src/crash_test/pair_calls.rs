//! The crash window of the call that sets stop and target together, as a table of its own.

use kraite_sim::explore::{Cell, Course, Kill, PairWindow, Use};
use kraite_sim::script::Script;
use serde::Serialize;

use super::{Args, ShownFailure, Task, grouped, show_failure};
use crate::flags::VenueName;

/// Whether the calls of a task are tried. A script of hardships says more about the hardship than about the call.
pub(super) fn are_tried(args: &Args, task: &Task) -> bool {
    let hardship = || Script::hardships().iter().any(|script| script.name == task.script.name);
    task.venue == VenueName::Bitget && (args.script != "all" || !hardship())
}

/// The table, its cells row by row.
#[derive(Debug, Serialize)]
pub(super) struct ShownPairCalls {
    pub(super) calls: u64,
    pub(super) runs: u64,
    pub(super) violations: u64,
    pub(super) unresolved: u64,
    pub(super) max_unprotected_ms: i64,
    pub(super) cells: Vec<ShownCell>,
    pub(super) failures: Vec<ShownFailure>,
}

/// One cell: what became of the call, and where the worker died.
#[derive(Debug, Serialize)]
pub(super) struct ShownCell {
    pub(super) call: &'static str,
    pub(super) course: &'static str,
    pub(super) killed: &'static str,
    pub(super) runs: u64,
    pub(super) bad: u64,
    pub(super) max_unprotected_ms: i64,
}

impl ShownPairCalls {
    /// What all tasks came to together; nothing where none has such a call.
    pub(super) fn of(args: &Args, tasks: &[Task], windows: &[PairWindow]) -> Option<Self> {
        let mut sum = PairWindow::default();
        windows.iter().for_each(|window| sum.add(window));
        let cells = sum.cells.iter().map(|((usage, course, kill), cell)| ShownCell {
            call: usage.word(),
            course: course.words(),
            killed: kill.word(),
            runs: cell.schedules,
            bad: cell.bad,
            max_unprotected_ms: cell.worst_ms,
        });
        let failures = tasks
            .iter()
            .zip(windows)
            .flat_map(|(task, window)| window.failures.iter().map(|failure| show_failure(task, args.seed, failure)));
        (sum.calls > 0).then(|| Self {
            calls: sum.calls,
            runs: sum.runs(),
            violations: sum.violations,
            unresolved: sum.unresolved,
            max_unprotected_ms: sum.worst_ms(),
            cells: cells.collect(),
            failures: failures.collect(),
        })
    }

    /// The cell of a place in the table, if it was reached.
    pub(super) fn cell(&self, usage: Use, course: Course, kill: Kill) -> Option<Cell> {
        let place = (usage.word(), course.words(), kill.word());
        let cell = self.cells.iter().find(|cell| (cell.call, cell.course, cell.killed) == place)?;
        Some(Cell { schedules: cell.runs, bad: cell.bad, worst_ms: cell.max_unprotected_ms })
    }

    /// Some cells together, if any of them was reached.
    fn sum(&self, of: impl Fn(&ShownCell) -> bool) -> Option<Cell> {
        self.cells.iter().filter(|cell| of(cell)).fold(None, |sum: Option<Cell>, cell| {
            let sum = sum.unwrap_or_default();
            Some(Cell {
                schedules: sum.schedules.saturating_add(cell.runs),
                bad: sum.bad.saturating_add(cell.bad),
                worst_ms: sum.worst_ms.max(cell.max_unprotected_ms),
            })
        })
    }

    /// One line: something the table is about, and what it comes to for each use.
    fn line(&self, what: &str, of: impl Fn(&ShownCell) -> bool) -> String {
        let cells = Use::ALL.map(|usage| {
            self.sum(|cell| cell.call == usage.word() && of(cell)).map_or("-".into(), |cell| {
                let bad = if cell.bad > 0 { format!(" {} BAD", cell.bad) } else { String::new() };
                format!("{}{bad} {} ms", cell.schedules, cell.worst_ms)
            })
        });
        format!("  {what:<46}{:>15}{:>15}\n", cells[0], cells[1])
    }

    /// The table in text, 80 columns wide: the two sides of it, each summed over the other. The page has its cells.
    pub(super) fn text(&self) -> String {
        let head = |what: &str| format!("  {what:<46}{:>15}{:>15}\n", "first", "overwrite");
        let mut out = "stop and target in one call: runs, and the longest time without a stop\n".to_owned();
        out += &head("what becomes of the call");
        for course in Course::all() {
            out += &self.line(course.words(), |cell| cell.course == course.words());
        }
        out += &head("where the worker dies meanwhile");
        for kill in Kill::ALL {
            out += &self.line(kill.word(), |cell| cell.killed == kill.word());
        }
        out += &format!(
            "  {} calls, {} runs, {} violations, {} unresolved, {} ms at most\n",
            grouped(self.calls),
            grouped(self.runs),
            grouped(self.violations),
            grouped(self.unresolved),
            self.max_unprotected_ms
        );
        for failure in &self.failures {
            out += &format!("  broken         {}\n", failure.finding.as_deref().unwrap_or("left unresolved"));
            out += &format!("    replay with  {}\n", failure.replay);
        }
        out
    }
}
