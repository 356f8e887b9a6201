//! Numbered jobs that many processes take from one database, each with one result.

use std::sync::Arc;
use std::time::Duration;

use kraite_core::journal::JournalError;

use super::PostgresJournal;
use super::hosts::{milliseconds, transact};
use super::session::{Failure, Store, column, number, within};

const OPEN: &str = "INSERT INTO kraite.queues (name, jobs) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
const FILL: &str = "
    INSERT INTO kraite.jobs (queue, job) SELECT $1, job FROM generate_series(0, $2::bigint - 1) AS t (job)";
const JOBS: &str = "SELECT jobs FROM kraite.queues WHERE name = $1";

/// Whether one is free stands on its own row, which is looked at again where somebody else changed it.
const TAKE: &str = "
    WITH free AS (
        SELECT job FROM kraite.jobs
        WHERE queue = $1 AND job >= $2 AND job < $3 AND result IS NULL AND (taken_until IS NULL OR taken_until <= now())
        ORDER BY job LIMIT $4 FOR UPDATE SKIP LOCKED
    )
    UPDATE kraite.jobs j SET taken_until = now() + $5::bigint * interval '1 ms'
    FROM free WHERE j.queue = $1 AND j.job = free.job RETURNING j.job";

const DONE: &str =
    "UPDATE kraite.jobs SET result = COALESCE(result, $3) WHERE queue = $1 AND job = $2 RETURNING result";
const LEFT: &str = "SELECT count(*) FROM kraite.jobs WHERE queue = $1 AND result IS NULL";
const RESULTS: &str = "
    SELECT job, result FROM kraite.jobs WHERE queue = $1 AND job > $2 AND result IS NOT NULL ORDER BY job LIMIT 4096";

/// Jobs `0..n` of one name in a database: whoever has time takes some of them, and whoever dies leaves them to the
/// others. A job that two have done has one result.
#[derive(Clone)]
pub struct Queue {
    store: Arc<Store>,
    name: Arc<str>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Queue {
    /// Opens a queue, or makes it with so many jobs.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`], also where it is there with another number of jobs.
    pub async fn open(journal: &PostgresJournal, name: &str, jobs: u64) -> Result<Self, JournalError> {
        let queue = Self { store: Arc::clone(&journal.store), name: name.into() };
        let name = name.to_owned();
        journal
            .owned(move |store| async move {
                transact(&store, async |moment| {
                    if within(moment.execute(OPEN, &[&name, &number(jobs)])).await? > 0 {
                        within(moment.execute(FILL, &[&name, &number(jobs)])).await?;
                    }
                    let row = within(moment.query_one(JOBS, &[&name])).await?;
                    let found: i64 = column(&row, 0)?;
                    if found == number(jobs) {
                        return Ok(());
                    }
                    let why = format!("{}: queue {name} has {found} jobs, not {jobs}", store.place);
                    Err(Failure::Told(JournalError::Unavailable(why)))
                })
                .await
            })
            .await?;
        Ok(queue)
    }

    async fn asked<T, F>(&self, work: impl FnOnce(Self) -> F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, JournalError>> + Send + 'static,
    {
        let journal = PostgresJournal { store: Arc::clone(&self.store), host: None };
        journal.owned(|_| work(self.clone())).await
    }

    /// Takes jobs from a range that have no result and that nobody works on, for so long.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`].
    pub async fn take(
        &self,
        range: std::ops::Range<u64>,
        at_most: usize,
        term: Duration,
    ) -> Result<Vec<u64>, JournalError> {
        let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
        self.asked(move |queue| async move {
            transact(&queue.store, async |moment| {
                let statement = within(moment.prepare_cached(TAKE)).await?;
                let (from, to) = (number(range.start), number(range.end));
                let rows =
                    within(moment.query(&statement, &[&&*queue.name, &from, &to, &at_most, &milliseconds(term)]))
                        .await?;
                let jobs = rows.iter().map(|row| column(row, 0)).collect::<Result<Vec<i64>, Failure>>()?;
                let mut jobs: Vec<u64> = jobs.into_iter().filter_map(|job| u64::try_from(job).ok()).collect();
                jobs.sort_unstable();
                Ok(jobs)
            })
            .await
        })
        .await
    }

    /// Says what came of a job. The first result stays: whoever did it once more is told that one.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`], also for a job that there is not. The same call again does no harm.
    pub async fn done(&self, job: u64, result: &str) -> Result<String, JournalError> {
        let result = result.to_owned();
        self.asked(move |queue| async move {
            transact(&queue.store, async |moment| {
                let statement = within(moment.prepare_cached(DONE)).await?;
                let row = within(moment.query_opt(&statement, &[&&*queue.name, &number(job), &result])).await?;
                let none = || Failure::Refused(format!("queue {} has no job {job}", queue.name));
                column(&row.ok_or_else(none)?, 0)
            })
            .await
        })
        .await
    }

    /// How many jobs have no result.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`].
    pub async fn left(&self) -> Result<u64, JournalError> {
        self.asked(|queue| async move {
            transact(&queue.store, async |moment| {
                let row = within(moment.query_one(LEFT, &[&&*queue.name])).await?;
                Ok(u64::try_from(column::<i64>(&row, 0)?).unwrap_or(0))
            })
            .await
        })
        .await
    }

    /// Every result, by its job.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`].
    pub async fn results(&self) -> Result<Vec<(u64, String)>, JournalError> {
        self.asked(|queue| async move {
            transact(&queue.store, async |moment| {
                let (mut results, mut after) = (Vec::new(), -1_i64);
                loop {
                    let rows = within(moment.query(RESULTS, &[&&*queue.name, &after])).await?;
                    if rows.is_empty() {
                        return Ok(results);
                    }
                    for row in &rows {
                        after = column(row, 0)?;
                        results.push((u64::try_from(after).unwrap_or(0), column(row, 1)?));
                    }
                }
            })
            .await
        })
        .await
    }
}
