//! `kraite sweep`: backtests by prices over every combination of some settings.

mod contract;
mod grid;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "postgres")]
mod queue;
mod table;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::Serialize;

use crate::backtest::venue;
use crate::exit::{Exit, Failed};
use crate::market::MarketArgs;
use crate::progress::{Progress, cpu_seconds};

use contract::{Contract, Runs};
use grid::Grid;
use table::{Row, Rows};

const EXAMPLE: &str = "Examples:
  kraite sweep --grid grid.toml --out sweep.csv --klines SOLUSDT-1m-2025-*.zip
      --exchange-info exchangeInfo.json --symbol SOLUSDT
  kraite sweep --grid grid.toml --out part-2.csv --shard 2/8 --klines ...
  kraite sweep merge part-*.csv --out sweep.csv
  kraite sweep --grid grid.toml --out sweep.csv --queue postgres://kraite@db.example/kraite --klines ...
      (built with --features postgres; on any number of machines at once)

A grid is the settings of a backtest as TOML, each a value or a list of values:

  direction = [\"long\", \"short\"]
  gap = [\"4\", \"8.5\"]
  profit = [\"0.36\", \"0.5\", \"0.8\"]
  multipliers = [[\"2\"], [\"1.5\"]]
  margin = \"100\"

Contracts may be in the grid, and none in the flags; each goes through every combination. Paths are seen from its folder:

  exchange_info = \"exchangeInfo.json\"
  brackets = \"leverageBracket.json\"

  [[market]]
  symbol = \"SOLUSDT\"
  klines = [\"SOLUSDT-1m-2025-05.zip\", \"SOLUSDT-1m-2025-06.zip\"]

  [[market]]
  symbol = \"BTCUSDT\"
  trades = [\"BTCUSDT-aggTrades-2025-05-01.zip\"]   # instead of klines
  funding = \"BTCUSDT-fundingRate-2025-05.zip\"
  signals = \"entries.csv\"
  settings = { margin = \"500\" }                  # this contract's own";

/// Backtests every combination of some settings, by prices alone.
///
/// Each run is `kraite backtest --fast` with one value of each list; prices are read once for all of them, or once more
/// for each thousand runs where they would fill the memory. Results go to
/// --out as they come, one row per run, and in the order of the grid once all are there. A sweep that was interrupted
/// goes on where it was: rows that are there are not run again, and a file of another grid, other data or other rules
/// is refused. What is printed: the most profitable runs, those that no other beats in profit and drawdown at once, and
/// those that lose in the fewest parts of the time.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLE, subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
#[command(mut_args(of_the_grid))]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<SweepCommand>,
    // Two groups side by side: one within the other could not be left out.
    #[command(flatten)]
    run: Option<RunArgs>,
    #[command(flatten)]
    market: Option<MarketArgs>,
    /// Prints the result as JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What the contract of the flags needs is not needed where contracts are in the grid.
fn of_the_grid(arg: clap::Arg) -> clap::Arg {
    match arg.get_id().as_str() {
        "klines" => arg.required_unless_present("grid"),
        "exchange_info" | "symbol" => arg.required(false),
        _ => arg,
    }
}

#[derive(Debug, clap::Subcommand)]
enum SweepCommand {
    Merge(MergeArgs),
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// The settings and their values, as TOML.
    #[arg(long, value_name = "FILE")]
    grid: PathBuf,
    /// Where the rows go, as CSV; rows that are there are kept.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Only every n-th run, from the i-th on: i/n.
    #[arg(long, value_parser = shard, value_name = "I/N", default_value = "1/1")]
    shard: (usize, usize),
    /// Takes runs from a database instead, with everybody else who sweeps the same grid over the same data, until all are
    /// done: postgres://USER@HOST/DATABASE with the password in PGPASSWORD. Each who takes part has all rows in the end.
    #[cfg(feature = "postgres")]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "shard")]
    queue: Option<String>,
    /// Enters at these instants only: a CSV file with a column `at`, and one `symbol` if need be; as in a backtest.
    #[arg(long, value_name = "FILE")]
    signals: Option<PathBuf>,
    /// In how many parts of equal length the time is looked at.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    periods: u8,
    /// How many runs go at once; as many as there are processors unless said otherwise.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// How many of the best are printed.
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// The rows once more, as JSON: an object a line.
    #[arg(long, value_name = "FILE")]
    json_lines: Option<PathBuf>,
    /// The rows once more, as Apache Parquet.
    #[cfg(feature = "parquet")]
    #[arg(long, value_name = "FILE")]
    parquet: Option<PathBuf>,
}

/// Puts the rows of several shards into one file, in the order of the grid.
///
/// Shards of different grids, data or rules are refused, and so are two results for one run. Rows that --out has already
/// are kept, and a file that is no such file is not written over. Runs of the grid that no file has are counted.
#[derive(Debug, clap::Args)]
struct MergeArgs {
    /// Files of rows.
    #[arg(required = true, num_args = 1.., value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where all rows go.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How many of the best are printed.
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// The rows once more, as JSON: an object a line.
    #[arg(long, value_name = "FILE")]
    json_lines: Option<PathBuf>,
    /// The rows once more, as Apache Parquet.
    #[cfg(feature = "parquet")]
    #[arg(long, value_name = "FILE")]
    parquet: Option<PathBuf>,
}

fn shard(text: &str) -> Result<(usize, usize), String> {
    let wrong = || format!("`{text}` is no shard: write 1/4 for the first of four");
    let (which, count) = text.split_once('/').ok_or_else(wrong)?;
    match (which.parse(), count.parse()) {
        (Ok(which), Ok(count)) if (1..=count).contains(&which) => Ok((which, count)),
        _ => Err(wrong()),
    }
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    schema: &'static str,
    grid: &'a str,
    keys: &'a [String],
    /// Rows in the file.
    rows: usize,
    /// Rows that this call added.
    ran: usize,
    /// Runs of the grid that have no row.
    missing: usize,
    out: String,
    best: Vec<&'a Row>,
    front: Vec<&'a Row>,
    steadiest: Vec<&'a Row>,
    cpu_seconds: f64,
}

/// A row in a file of its own.
#[derive(Debug, Serialize)]
struct Line<'a> {
    settings: BTreeMap<&'a String, &'a String>,
    #[serde(flatten)]
    row: &'a Row,
}

/// Runs a grid, or puts shards together.
pub(crate) fn command(args: &Args) -> Result<Exit, Failed> {
    match (&args.command, &args.run, &args.market) {
        (Some(SweepCommand::Merge(merge)), ..) => {
            let mut rows = merged(merge)?;
            if merge.out.exists() {
                // Only rows of the same grid may be written over, and they are kept.
                rows.take(Rows::read(&merge.out)?, &merge.out)?;
            }
            crate::write_whole(&merge.out, rows.text())?;
            json_lines(merge.json_lines.as_deref(), &rows)?;
            #[cfg(feature = "parquet")]
            once_more(merge.parquet.as_deref(), &rows)?;
            show(&rows, 0, &merge.out, merge.top, args.json)
        }
        (None, Some(run), market) => {
            let (rows, ran) = swept(run, market.as_ref())?;
            json_lines(run.json_lines.as_deref(), &rows)?;
            #[cfg(feature = "parquet")]
            once_more(run.parquet.as_deref(), &rows)?;
            show(&rows, ran, &run.out, run.top, args.json)
        }
        (None, None, _) => Err(Failed::new(Exit::Usage, "--grid FILE is needed, or `kraite sweep merge`")),
    }
}

/// Writes all rows, each with its settings under their names; what had this name before is gone.
fn json_lines(path: Option<&Path>, rows: &Rows) -> Result<(), Failed> {
    let Some(path) = path else { return Ok(()) };
    let mut text = String::new();
    for row in rows.rows.values() {
        let settings: BTreeMap<&String, &String> = rows.keys.iter().zip(&row.values).collect();
        text += &serde_json::to_string(&Line { settings, row }).map_err(Failed::with(Exit::Failure))?;
        text.push('\n');
    }
    crate::write_whole(path, text)
}

#[cfg(feature = "parquet")]
fn once_more(path: Option<&Path>, rows: &Rows) -> Result<(), Failed> {
    path.map_or(Ok(()), |path| parquet::write(path, rows))
}

fn merged(args: &MergeArgs) -> Result<Rows, Failed> {
    let mut all: Option<Rows> = None;
    for path in &args.files {
        let rows = Rows::read(path)?;
        match &mut all {
            None => all = Some(rows),
            Some(all) => all.take(rows, path)?,
        }
    }
    all.ok_or_else(|| Failed::new(Exit::Usage, "no files"))
}

/// The contracts of a sweep: those of the grid, or the one of the flags.
fn contracts(args: &RunArgs, market: Option<&MarketArgs>, grid: &Grid) -> Result<Vec<Contract>, Failed> {
    let file = args.grid.display();
    let (usage, mut room) = (|why: String| Failed::new(Exit::Usage, why), contract::KEPT);
    let mut read = |market: MarketArgs, signals: Option<&Path>, first: usize| {
        let settings = grid.settings(first).map_err(|why| Failed::new(Exit::Configuration, why))?;
        let signals = signals.or(args.signals.as_deref());
        Contract::read(market, venue(&settings), signals, &mut room)
    };
    match (&grid.markets, market) {
        (None, Some(market)) => Ok(vec![read(market.clone(), None, 0)?]),
        (None, None) => {
            let message = format!("{file} has no [[market]]: give --klines, --exchange-info and --symbol");
            Err(usage(message))
        }
        (Some(_), Some(_)) => Err(usage(format!(
            "{file} has contracts and their data of its own; leave out --klines, --symbol and the like"
        ))),
        (Some(markets), None) => {
            let tables = markets.tables.iter().zip(grid.runs_of_each());
            let one = |(table, runs): (&_, Range<usize>)| {
                read(markets.args(table), markets.signals(table).as_deref(), runs.start)
            };
            tables.map(one).collect()
        }
    }
}

/// The rows of a grid, and how many of them were not there before.
fn swept(args: &RunArgs, market: Option<&MarketArgs>) -> Result<(Rows, usize), Failed> {
    let grid = Grid::read(&args.grid)?;
    if grid.keys.iter().any(|key| key == "venue") {
        return Err(Failed::new(Exit::Configuration, "venue cannot be varied: the contract's rules are of one venue"));
    }
    let contracts = contracts(args, market, &grid)?;
    let before = format!("{} {}", grid.text(), args.periods);
    let id = contracts.iter().fold(before, |before, contract| contract.id(&before));
    let periods = usize::from(args.periods);
    let (mut rows, file) = resumed(&args.out, Rows::new(format!("{id}-{}", grid.len()), grid.keys.clone(), periods))?;
    let jobs = args.jobs.map_or(0, NonZeroUsize::get);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build().map_err(Failed::with(Exit::Failure))?;
    let source = args.grid.display().to_string();
    #[cfg(feature = "postgres")]
    if let Some(address) = &args.queue {
        let (all, ran) = queue::pulled(address, (&grid, &source), &contracts, &rows, &pool)?;
        rows.rows.extend(all.into_iter().map(|row| (row.run, row)));
        crate::write_whole(&args.out, rows.text())?;
        return Ok((rows, ran));
    }
    let (which, count) = args.shard;
    let is_left = |run: &usize| run % count == which - 1 && !rows.rows.contains_key(run);
    let left: Vec<Vec<usize>> = grid.runs_of_each().map(|runs| runs.filter(is_left).collect()).collect();
    let all = left.iter().map(Vec::len).sum();
    let told = Mutex::new((file, Vec::with_capacity(all), Progress::new("sweep")));
    let tell = |row: Row| -> Result<(), Failed> {
        let mut told = told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (file, rows_told, progress) = &mut *told;
        let written = file.write_all(row.line(&rows.grid).as_bytes());
        written.map_err(|error| Failed::new(Exit::Failure, format!("{}: {error}", args.out.display())))?;
        rows_told.push(row);
        progress.of(rows_told.len(), all);
        Ok(())
    };
    for (contract, left) in contracts.iter().zip(&left) {
        pool.install(|| contract.run(&Runs { grid: &grid, source: &source, periods, left }, &tell))?;
    }
    let (_, new, _) = told.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let ran = new.len();
    rows.rows.extend(new.into_iter().map(|row| (row.run, row)));
    crate::write_whole(&args.out, rows.text())?;
    Ok((rows, ran))
}

/// The rows that a file has already, and the file, open for more.
fn resumed(path: &Path, new: Rows) -> Result<(Rows, File), Failed> {
    let rows = if path.exists() {
        let known = Rows::read(path)?;
        let same = (&known.keys, known.periods) == (&new.keys, new.periods);
        if !(same && (known.grid == new.grid || known.rows.is_empty())) {
            let message = "is of another grid, other data or other rules; name another file with --out, or remove it";
            return Err(Failed::new(Exit::BadData, format!("{}: {message}", path.display())));
        }
        Rows { grid: new.grid, ..known }
    } else {
        new
    };
    // What was cut off goes, and what follows begins on a line of its own.
    crate::write_whole(path, rows.text())?;
    let file = File::options().append(true).open(path);
    let file = file.map_err(|error| Failed::new(Exit::Failure, format!("{}: {error}", path.display())))?;
    Ok((rows, file))
}

fn show(rows: &Rows, ran: usize, out: &Path, top: usize, json: bool) -> Result<Exit, Failed> {
    let missing = rows.in_all().saturating_sub(rows.rows.len());
    if json {
        let shown = Shown {
            schema: "kraite.sweep/1",
            grid: &rows.grid,
            keys: &rows.keys,
            rows: rows.rows.len(),
            ran,
            missing,
            out: out.display().to_string(),
            best: rows.best(top),
            front: rows.front(),
            steadiest: rows.steadiest(top),
            cpu_seconds: cpu_seconds(),
        };
        let text = serde_json::to_string_pretty(&shown).map_err(Failed::with(Exit::Failure))?;
        crate::print(&format!("{text}\n"))?;
        return Ok(Exit::Ok);
    }
    let mut text = String::new();
    for (title, chosen) in [
        ("most profitable", rows.best(top)),
        ("beaten by none in profit and drawdown at once", rows.front().into_iter().take(top).collect()),
        ("losing in the fewest parts of the time", rows.steadiest(top)),
    ] {
        text += &format!("{title}\n{}\n", listed(rows, &chosen));
    }
    let refused = rows.rows.values().filter(|row| !row.note.is_empty()).count();
    let unopened = if refused > 0 { format!(", {refused} of them open nothing (column note)") } else { String::new() };
    let gaps = if missing > 0 { format!(", {missing} are missing") } else { String::new() };
    text += &format!("{} runs in {}{unopened}{gaps}\n", rows.rows.len(), out.display());
    crate::print(&text)?;
    Ok(Exit::Ok)
}

/// Rows as a table with columns under each other.
fn listed(rows: &Rows, chosen: &[&Row]) -> String {
    let names = ["run"].into_iter().chain(rows.keys.iter().map(String::as_str));
    let names = names.chain(["pnl", "max drawdown", "positions", "stops", "parts lost"]);
    let mut lines: Vec<Vec<String>> = vec![names.map(str::to_owned).collect()];
    for row in chosen {
        let lost = row.periods.iter().filter(|pnl| pnl.is_negative()).count();
        let mut line = vec![row.run.to_string()];
        line.extend(row.values.iter().cloned());
        line.extend([row.pnl.to_string(), row.max_drawdown.to_string()]);
        line.extend([row.counts[0], row.counts[2]].map(|count| count.to_string()));
        line.push(format!("{lost} of {}", row.periods.len()));
        lines.push(line);
    }
    let width = |at: usize| lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..lines.first().map_or(0, Vec::len)).map(width).collect();
    let padded = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}"));
        format!("  {}\n", cells.collect::<Vec<_>>().join("  "))
    };
    lines.iter().map(padded).collect()
}
