//! The combinations of settings that a sweep goes through.

use std::ops::Range;
use std::path::Path;

use toml::{Table, Value};

use crate::exit::{Exit, Failed};
use crate::market::{MarketTable, Markets, settings_of};
use crate::settings::Settings;

/// More runs than this are a slip.
const MAX_RUNS: usize = 10_000_000;

/// Every combination of the lists of a file, for every contract of it.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    /// The columns of what is varied: the contract first where the file has some, then settings in the order of their
    /// names.
    pub(crate) keys: Vec<String>,
    lists: Vec<Vec<Value>>,
    fixed: Table,
    /// The contracts of the file.
    pub(crate) markets: Option<Markets>,
}

/// The column of the contract.
const SYMBOL: &str = "symbol";

impl Grid {
    /// Reads a grid: settings of a backtest, each a value or a list of values.
    pub(crate) fn read(path: &Path) -> Result<Self, Failed> {
        let wrong = |why: String| Failed::new(Exit::Configuration, format!("{}: {why}", path.display()));
        let (markets, table) = Markets::read(path)?;
        let (mut keys, mut lists, mut fixed) = (Vec::new(), Vec::new(), Table::new());
        keys.extend(markets.iter().map(|_| SYMBOL.to_owned()));
        for (key, value) in table {
            match value {
                // One list of multipliers is a value; a list of such lists is varied.
                Value::Array(list) if key != "multipliers" || list.iter().all(Value::is_array) => {
                    if list.is_empty() {
                        return Err(wrong(format!("{key} is an empty list; give it a value, or leave it out")));
                    }
                    let own = |table: &&MarketTable| table.settings.contains_key(&key);
                    if let Some(table) = markets.iter().flat_map(|markets| &markets.tables).find(own) {
                        let symbol = &table.symbol;
                        return Err(wrong(format!("{key} is varied, and {symbol} has one of its own; leave one out")));
                    }
                    keys.push(key);
                    lists.push(list);
                }
                value => drop(fixed.insert(key, value)),
            }
        }
        let grid = Self { keys, lists, fixed, markets };
        match grid.lists.iter().try_fold(grid.contracts(), |all, list| all.checked_mul(list.len())) {
            Some(..=MAX_RUNS) => {}
            _ => return Err(wrong(format!("more than {MAX_RUNS} combinations"))),
        }
        // Each value once for each contract, so that a slip is told before anything runs.
        for first in grid.runs_of_each() {
            for (at, list) in grid.lists.iter().enumerate() {
                for n in 0..list.len() {
                    let run = grid.lists.iter().skip(at + 1).fold(n, |run, list| run * list.len());
                    grid.settings(first.start + run).map_err(&wrong)?;
                }
            }
            grid.settings(first.start).map_err(&wrong)?;
        }
        Ok(grid)
    }

    /// How many contracts there are.
    fn contracts(&self) -> usize {
        self.markets.as_ref().map_or(1, |markets| markets.tables.len())
    }

    /// How many combinations there are for a contract.
    fn of_one(&self) -> usize {
        self.lists.iter().map(Vec::len).product()
    }

    /// How many runs there are.
    pub(crate) fn len(&self) -> usize {
        self.contracts() * self.of_one()
    }

    /// The runs of each contract.
    pub(crate) fn runs_of_each(&self) -> impl Iterator<Item = Range<usize>> {
        let of_one = self.of_one();
        (0..self.contracts()).map(move |contract| contract * of_one..(contract + 1) * of_one)
    }

    /// The contract of a run, where the file has some.
    fn table(&self, run: usize) -> Option<&MarketTable> {
        self.markets.as_ref().and_then(|markets| markets.tables.get(run / self.of_one()))
    }

    /// The values of one combination; the last key changes fastest.
    fn chosen(&self, run: usize) -> Vec<&Value> {
        let mut rest = run % self.of_one();
        let mut values: Vec<&Value> = Vec::with_capacity(self.lists.len());
        for list in self.lists.iter().rev() {
            values.extend(list.get(rest % list.len()));
            rest /= list.len();
        }
        values.reverse();
        values
    }

    /// The same as text, the contract first.
    pub(crate) fn values(&self, run: usize) -> Vec<String> {
        let symbol = self.table(run).map(|table| table.symbol.clone());
        symbol.into_iter().chain(self.chosen(run).into_iter().map(shown)).collect()
    }

    /// The settings of one combination.
    pub(crate) fn settings(&self, run: usize) -> Result<Settings, String> {
        let mut table = self.fixed.clone();
        table.extend(self.table(run).map(|table| table.settings.clone()).unwrap_or_default());
        let varied = self.keys.iter().skip(usize::from(self.markets.is_some()));
        for (key, value) in varied.zip(self.chosen(run)) {
            table.insert(key.clone(), value.clone());
        }
        let whose = self.table(run).map_or_else(String::new, |table| format!("{}: ", table.symbol));
        settings_of(table).map_err(|why| format!("{whose}{why}"))
    }

    /// Everything about it that decides what its runs are.
    pub(crate) fn text(&self) -> String {
        let own = self.markets.iter().flat_map(|markets| &markets.tables).map(|table| &table.settings);
        format!("{:?} {:?} {:?} {:?}", self.keys, self.lists, self.fixed, own.collect::<Vec<_>>())
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(shown).collect::<Vec<_>>().join(" "),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Grid, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.toml");
        std::fs::write(&path, text).unwrap();
        Grid::read(&path).map_err(|failed| {
            assert_eq!(failed.exit, Exit::Configuration);
            failed.message.split_once("grid.toml: ").unwrap().1.to_owned()
        })
    }

    #[test]
    fn every_combination_is_there_once_and_the_last_key_changes_fastest() {
        let grid = read(
            "gap = [\"4\", \"8.5\"]\nmargin = \"100\"\nmultipliers = [[\"2\"], [\"1.5\", \"2\"]]\nprofit = [\"0.3\", \"0.4\", \"0.5\"]\n",
        );
        let grid = grid.unwrap();
        assert_eq!(
            (grid.keys.as_slice(), grid.len()),
            (["gap", "multipliers", "profit"].map(String::from).as_slice(), 12)
        );
        assert_eq!(grid.values(0), ["4", "2", "0.3"]);
        assert_eq!(grid.values(1), ["4", "2", "0.4"]);
        assert_eq!(grid.values(11), ["8.5", "1.5 2", "0.5"]);
        let all: std::collections::BTreeSet<_> = (0..12).map(|run| grid.values(run)).collect();
        assert_eq!(all.len(), 12);
        let settings = grid.settings(11).unwrap();
        assert_eq!((settings.margin, settings.gap), (Some("100".parse().unwrap()), Some("8.5".parse().unwrap())));
        assert_eq!(settings.multipliers.unwrap().len(), 2);
        assert_eq!(read("margin = \"100\"\nmultipliers = [\"2\"]\n").unwrap().len(), 1);
    }

    #[test]
    fn a_slip_in_any_value_is_told_before_anything_runs() {
        for (text, words) in [
            ("gap = [\"4\", \"-1\"]", "gap must be above zero"),
            ("gapp = [\"4\"]", "gapp"),
            ("gap = []", "gap is an empty list"),
            ("gap = [\"4\"", "line 1"),
            ("rungs = [3, 99]", "rungs must be at most"),
            ("share = \"5\"", "share is a setting of running accounts"),
        ] {
            let why = read(text).unwrap_err();
            assert!(why.contains(words), "{text}: {why}");
        }
        let many: Vec<String> = (1..=200).map(|n| format!("\"{n}\"")).collect();
        let lists = ["gap", "profit", "stop", "margin"].map(|key| format!("{key} = [{}]\n", many.join(", ")));
        assert!(read(&lists.concat()).unwrap_err().contains("combinations"));
    }
}
