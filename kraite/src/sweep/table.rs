//! Results of a sweep as rows of a CSV file, and what stands out among them.

use std::collections::BTreeMap;
use std::path::Path;

use kraite_core::number::Notional;
use kraite_sim::backtest::Outcome;
use serde::Serialize;

use crate::exit::{Exit, Failed};

/// What every row has before and after the values of its settings.
const BEFORE: [&str; 2] = ["grid", "run"];
const AFTER: [&str; 11] = [
    "pnl",
    "max_drawdown",
    "fees",
    "funding",
    "positions",
    "targets",
    "stops",
    "other_closes",
    "rungs",
    "refused",
    "note",
];
const PERIOD: &str = "pnl_";

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    /// Its place in the grid.
    pub(crate) run: usize,
    /// The values of its settings.
    pub(crate) values: Vec<String>,
    pub(crate) pnl: Notional,
    pub(crate) max_drawdown: Notional,
    pub(crate) fees: Notional,
    pub(crate) funding: Notional,
    /// Positions closed; by target, by stop, otherwise; rungs filled; openings refused.
    pub(crate) counts: [u64; 6],
    /// Why nothing could be opened at all; empty where something could.
    pub(crate) note: String,
    /// What each part of the time came to.
    pub(crate) periods: Vec<Notional>,
}

impl Row {
    pub(crate) fn of(run: usize, values: Vec<String>, outcome: &Outcome, periods: Vec<Notional>) -> Self {
        Self {
            run,
            values,
            pnl: outcome.pnl,
            max_drawdown: outcome.max_drawdown,
            fees: outcome.fees,
            funding: outcome.funding,
            counts: [
                outcome.positions_closed,
                outcome.targets,
                outcome.stops,
                outcome.other_closes,
                outcome.rungs_filled,
                outcome.refused,
            ],
            note: String::new(),
            periods,
        }
    }

    pub(crate) fn refused(run: usize, values: Vec<String>, note: &str, periods: usize) -> Self {
        let zero = Notional::ZERO;
        let note = note.replace(['\n', '\r', '"', ','], " ");
        let periods = vec![zero; periods];
        Self { run, values, pnl: zero, max_drawdown: zero, fees: zero, funding: zero, counts: [0; 6], note, periods }
    }

    fn loses_in(&self) -> usize {
        self.periods.iter().filter(|pnl| pnl.is_negative()).count()
    }

    /// A line of the file.
    pub(crate) fn line(&self, grid: &str) -> String {
        let mut cells = vec![grid.to_owned(), self.run.to_string()];
        cells.extend(self.values.iter().cloned());
        cells.extend([self.pnl, self.max_drawdown, self.fees, self.funding].map(|sum| sum.to_string()));
        cells.extend(self.counts.map(|count| count.to_string()));
        cells.push(self.note.clone());
        cells.extend(self.periods.iter().map(ToString::to_string));
        cells.join(",") + "\n"
    }
}

/// The rows of one grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rows {
    /// What tells the grid, its data and its rules apart from all others, and how many runs it has: `digest-runs`.
    pub(crate) grid: String,
    pub(crate) keys: Vec<String>,
    pub(crate) periods: usize,
    /// By their place in the grid.
    pub(crate) rows: BTreeMap<usize, Row>,
}

impl Rows {
    pub(crate) fn new(grid: String, keys: Vec<String>, periods: usize) -> Self {
        Self { grid, keys, periods, rows: BTreeMap::new() }
    }

    pub(crate) fn header(&self) -> String {
        let periods = (1..=self.periods).map(|n| format!("{PERIOD}{n}"));
        let before = BEFORE.iter().map(|name| (*name).to_owned());
        let after = AFTER.iter().map(|name| (*name).to_owned());
        before.chain(self.keys.iter().cloned()).chain(after).chain(periods).collect::<Vec<_>>().join(",") + "\n"
    }

    /// How many runs the grid has.
    pub(crate) fn in_all(&self) -> usize {
        self.grid.rsplit_once('-').and_then(|(_, count)| count.parse().ok()).unwrap_or(0)
    }

    /// The whole file.
    pub(crate) fn text(&self) -> String {
        self.rows.values().fold(self.header(), |text, row| text + &row.line(&self.grid))
    }

    /// Reads a file of results. A last line without an end is of a run that was cut off, and left out.
    pub(crate) fn read(path: &Path) -> Result<Self, Failed> {
        let wrong = |why: String| Failed::new(Exit::BadData, format!("{}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
        let mut lines = whole.lines().enumerate();
        let (_, header) = lines.next().ok_or_else(|| wrong("is no file of results: it has no first line".into()))?;
        let names: Vec<&str> = header.split(',').collect();
        let periods = names.iter().rev().take_while(|name| name.starts_with(PERIOD)).count();
        let keys = names.len().checked_sub(BEFORE.len() + AFTER.len() + periods);
        let keys: Vec<String> = keys
            .map(|count| names.iter().skip(BEFORE.len()).take(count).map(|name| (*name).to_owned()).collect())
            .ok_or_else(|| wrong("is no file of results: columns are missing in its first line".into()))?;
        let mut all = Self::new(String::new(), keys, periods);
        if all.header().trim_end() != header {
            return Err(wrong("is no file of results: its first line is another one".into()));
        }
        for (at, line) in lines {
            let (grid, row) = all.parse(line).ok_or_else(|| wrong(format!("line {}: is no result", at + 1)))?;
            if all.rows.is_empty() {
                all.grid = grid;
            } else if all.grid != grid {
                return Err(wrong(format!("line {}: is of another grid, of other data or other rules", at + 1)));
            }
            let run = row.run;
            match all.rows.insert(run, row.clone()) {
                Some(other) if other != row => return Err(wrong(format!("line {}: run {run} is there twice", at + 1))),
                _ => {}
            }
        }
        Ok(all)
    }

    /// A line, as [`Row::line`] makes it, with the grid that it is of.
    pub(crate) fn parse(&self, line: &str) -> Option<(String, Row)> {
        let cells: Vec<&str> = line.split(',').collect();
        let [grid, run, rest @ ..] = cells.as_slice() else { return None };
        let (values, rest) = rest.split_at_checked(self.keys.len())?;
        let (fixed, periods) = rest.split_at_checked(AFTER.len())?;
        let [pnl, max_drawdown, fees, funding, counts @ .., note] = fixed else { return None };
        let sum = |text: &&str| text.parse::<Notional>().ok();
        let counts: Vec<u64> = counts.iter().map(|text| text.parse().ok()).collect::<Option<_>>()?;
        let periods: Vec<Notional> = periods.iter().map(sum).collect::<Option<_>>()?;
        (periods.len() == self.periods).then_some(())?;
        // A grid that does not say how many runs it has could hide that some are missing.
        grid.rsplit_once('-')?.1.parse::<usize>().ok()?;
        let row = Row {
            run: run.parse().ok()?,
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            pnl: sum(pnl)?,
            max_drawdown: sum(max_drawdown)?,
            fees: sum(fees)?,
            funding: sum(funding)?,
            counts: counts.try_into().ok()?,
            note: (*note).to_owned(),
            periods,
        };
        Some(((*grid).to_owned(), row))
    }

    /// Takes the rows of another file of the same grid.
    pub(crate) fn take(&mut self, other: Self, from: &Path) -> Result<(), Failed> {
        let wrong = |why: String| Failed::new(Exit::BadData, format!("{}: {why}", from.display()));
        if (&self.grid, &self.keys, self.periods) != (&other.grid, &other.keys, other.periods) {
            return Err(wrong("is of another grid, of other data or other rules than the files before".into()));
        }
        for (run, row) in other.rows {
            if self.rows.get(&run).is_some_and(|known| *known != row) {
                return Err(wrong(format!("run {run} has another result than in a file before")));
            }
            self.rows.insert(run, row);
        }
        Ok(())
    }

    /// The best by profit.
    pub(crate) fn best(&self, count: usize) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.values().filter(|row| row.note.is_empty()).collect();
        rows.sort_by(|a, b| b.pnl.cmp(&a.pnl).then(a.run.cmp(&b.run)));
        rows.truncate(count);
        rows
    }

    /// Those that no other beats in profit and in drawdown at once, the most profitable first.
    pub(crate) fn front(&self) -> Vec<&Row> {
        let mut front: Vec<&Row> = Vec::new();
        let mut rows = self.best(usize::MAX);
        rows.sort_by(|a, b| b.pnl.cmp(&a.pnl).then(a.max_drawdown.cmp(&b.max_drawdown)).then(a.run.cmp(&b.run)));
        for row in rows {
            if front.last().is_none_or(|last| row.max_drawdown < last.max_drawdown) {
                front.push(row);
            }
        }
        front
    }

    /// The best by profit among those that lose in the fewest parts of the time.
    pub(crate) fn steadiest(&self, count: usize) -> Vec<&Row> {
        let mut rows = self.best(usize::MAX);
        rows.sort_by_key(|row| row.loses_in());
        rows.truncate(count);
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(run: usize, pnl: i64, drawdown: i64, periods: [i64; 2]) -> Row {
        let money = |units: i64| Notional::from_units(units, 1).unwrap();
        let outcome = Outcome {
            pnl: money(pnl),
            max_drawdown: money(drawdown),
            fees: money(3),
            positions_closed: 7,
            ..Outcome::default()
        };
        Row::of(run, vec![run.to_string(), "1.5 2".into()], &outcome, periods.map(money).to_vec())
    }

    fn rows() -> Rows {
        let mut all = Rows::new("00ff-6".into(), vec!["gap".into(), "multipliers".into()], 2);
        for row in [
            row(0, 50, 90, [-10, 60]),
            row(1, 70, 80, [100, -30]),
            row(2, 40, 20, [20, 20]),
            row(3, 30, 30, [15, 15]),
            Row::refused(4, vec!["4".into(), "2".into()], "min_notional: \"x\", y", 2),
        ] {
            all.rows.insert(row.run, row);
        }
        all
    }

    #[test]
    fn what_is_written_is_read_and_what_was_cut_off_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        let all = rows();
        std::fs::write(&path, all.text()).unwrap();
        assert_eq!(Rows::read(&path).unwrap(), all);
        assert_eq!(all.in_all(), 6);
        std::fs::write(&path, all.text().trim_end()).unwrap();
        let cut = Rows::read(&path).unwrap();
        assert_eq!((cut.rows.len(), cut.rows.contains_key(&4)), (4, false));
        let again = all.text() + all.text().lines().nth(1).unwrap() + "\n";
        std::fs::write(&path, again).unwrap();
        assert_eq!(Rows::read(&path).unwrap(), all);
        for (text, words) in [
            (String::new(), "no first line"),
            ("a,b\n".into(), "columns are missing"),
            (all.text().replacen("pnl", "pnll", 1), "another one"),
            (all.text().replacen("00ff-6,2", "00fe-6,2", 1), "line 4: is of another grid"),
            (all.text().replacen("00ff-6,2,2,1.5 2,4", "00ff-6,2,2,1.5 2,x", 1), "line 4: is no result"),
            (all.text().replacen("00ff-6,2,", "00ff,2,", 1), "line 4: is no result"),
            (all.text().replacen("00ff-6,3,", "00ff-6,2,", 1), "line 5: run 2 is there twice"),
        ] {
            std::fs::write(&path, text).unwrap();
            let failed = Rows::read(&path).unwrap_err();
            assert!(failed.exit == Exit::BadData && failed.message.contains(words), "{}", failed.message);
        }
    }

    #[test]
    fn the_front_is_what_nothing_beats_in_both() {
        let all = rows();
        let runs = |rows: Vec<&Row>| rows.iter().map(|row| row.run).collect::<Vec<_>>();
        assert_eq!(runs(all.best(2)), [1, 0]);
        assert_eq!(runs(all.front()), [1, 2]);
        assert_eq!(runs(all.steadiest(9)), [2, 3, 1, 0]);
    }

    #[test]
    fn only_files_of_one_grid_are_put_together() {
        let (mut all, path) = (rows(), Path::new("b.csv"));
        let mut part = rows();
        all.rows.retain(|run, _| run % 2 == 0);
        part.rows.retain(|run, _| run % 2 == 1);
        all.take(part.clone(), path).unwrap();
        assert_eq!(all, rows());
        let mut other = part.clone();
        other.grid = "11".into();
        assert!(all.take(other, path).unwrap_err().message.contains("another grid"));
        let mut other = part;
        other.rows.insert(0, row(0, 51, 90, [0, 0]));
        assert!(all.take(other, path).unwrap_err().message.contains("run 0 has another result"));
    }
}
