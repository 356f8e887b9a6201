//! Runs that many processes take from one database, until all are done.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kraite_core::journal::JournalError;
use kraite_journal::Queue;
use tokio::runtime::{Builder, Runtime};

use super::contract::{Contract, Runs};
use super::grid::Grid;
use super::table::{Row, Rows};
use crate::address::{Address, is_address};
use crate::database;
use crate::exit::{Exit, Failed};
use crate::progress::Progress;

/// Runs that a process takes at once. They go over the prices together where those do not fit into the memory.
const BATCH: usize = 256;
/// What a process that died had taken is free after this.
const TERM: Duration = Duration::from_secs(600);
/// How often it is looked whether others are done.
const LOOK: Duration = Duration::from_secs(1);

struct Pull<'a> {
    runtime: Runtime,
    queue: Queue,
    rows: &'a Rows,
    progress: Mutex<(usize, Progress)>,
}

impl Pull<'_> {
    fn ask<T>(&self, work: impl Future<Output = Result<T, JournalError>>) -> Result<T, Failed> {
        self.runtime.block_on(work).map_err(|error| Failed::new(Exit::Failure, error))
    }

    /// Hands a row in, and holds it to the one that is there.
    fn tell(&self, row: &Row) -> Result<(), Failed> {
        let line = row.line(&self.rows.grid).trim_end().to_owned();
        let kept = self.ask(self.queue.done(row.run as u64, &line))?;
        if kept != line {
            let why = format!("run {} has another result in the database: {kept}, not {line}", row.run);
            return Err(Failed::new(Exit::BadData, why));
        }
        let mut told = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        told.0 += 1;
        let done = told.0;
        told.1.of(done, self.rows.in_all());
        Ok(())
    }
}

/// Works until every run has a row, whoever made it, and gives all of them and how many were made here.
pub(super) fn pulled(
    address: &str,
    (grid, source): (&Grid, &str),
    contracts: &[Contract],
    rows: &Rows,
    pool: &rayon::ThreadPool,
) -> Result<(Vec<Row>, usize), Failed> {
    if !is_address(address) {
        return Err(Failed::new(Exit::Usage, format!("{address:?} is no address as postgres://USER@HOST/DATABASE")));
    }
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(Failed::with(Exit::Failure))?;
    let journal = runtime.block_on(database::connect(&Address::Said(address.to_owned())))?;
    let queue = runtime.block_on(Queue::open(&journal, &rows.grid, rows.in_all() as u64))?;
    let pull = Pull { runtime, queue, rows, progress: Mutex::new((0, Progress::new("sweep"))) };
    // What a file has already need not be made again by anybody.
    rows.rows.values().try_for_each(|row| pull.tell(row))?;
    let made = Mutex::new(0);
    loop {
        for (contract, range) in contracts.iter().zip(grid.runs_of_each()) {
            loop {
                let range = range.start as u64..range.end as u64;
                let taken = pull.ask(pull.queue.take(range, BATCH, TERM))?;
                if taken.is_empty() {
                    break;
                }
                let left: Vec<usize> = taken.into_iter().filter_map(|run| usize::try_from(run).ok()).collect();
                let runs = Runs { grid, source, periods: rows.periods, left: &left };
                let tell = |row: Row| {
                    pull.tell(&row)?;
                    *made.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                    Ok(())
                };
                pool.install(|| contract.run(&runs, &tell))?;
            }
        }
        if pull.ask(pull.queue.left())? == 0 {
            break;
        }
        // Others have the rest; if one of them dies it is taken then.
        wait();
    }
    let results = pull.ask(pull.queue.results())?;
    let all = results.iter().map(|(run, line)| match rows.parse(line) {
        Some((grid, row)) if grid == rows.grid && row.run as u64 == *run => Ok(row),
        _ => Err(Failed::new(Exit::BadData, format!("the result of run {run} in the database is none: {line}"))),
    });
    let made = *made.lock().unwrap_or_else(PoisonError::into_inner);
    Ok((all.collect::<Result<_, _>>()?, made))
}

#[allow(clippy::disallowed_methods, reason = "other processes have no other clock")]
fn wait() {
    std::thread::sleep(LOOK);
}
