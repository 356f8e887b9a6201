//! The embedded journal: one SQLite file, one writer thread, one sync for everything that is waiting.
//!
//! WAL with `synchronous=FULL`: an append is answered only after its transaction is on stable storage.
//! Other processes may read while it is open.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use async_trait::async_trait;
use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::{Durable, Journal, JournalError, Loaded, Record, Run, Snapshot};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use crate::codec;
use crate::create::create;
use crate::file::{cause, connect, each_record, list_accounts, load, owner_of, told};
use crate::restore::damaged;
use crate::verify::{at_one_moment, verify_all, verify_start};

/// Appends that may wait for the writer; a caller beyond that waits for room.
const QUEUE: usize = 1_024;
/// Appends that share one sync at most.
const GROUP: usize = 256;
/// A file up to this size is read whole at every start: a quarter of a million records, in about a second.
const READ_WHOLE: u64 = 64 * 1_024 * 1_024;

enum Job {
    Acquire(AccountTag, oneshot::Sender<Result<Epoch, JournalError>>),
    Append(Append),
    Load(AccountTag, oneshot::Sender<Result<Loaded, JournalError>>),
    Snapshot { account: AccountTag, seq: u64, body: Vec<u8>, done: oneshot::Sender<Result<(), JournalError>> },
    Accounts(oneshot::Sender<Result<Vec<AccountTag>, JournalError>>),
}

struct Append {
    account: AccountTag,
    run: Run,
    /// In the order of their numbers.
    bodies: Vec<Vec<u8>>,
    done: oneshot::Sender<Result<Durable, JournalError>>,
}

/// A journal in one SQLite file. Cloning the handle shares the writer.
#[derive(Debug)]
pub struct SqliteJournal {
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    verified: bool,
}

impl SqliteJournal {
    /// Opens a journal, or creates it if nothing is there.
    ///
    /// A file of up to 64 MiB is read and verified whole. Of a larger one it is what the start rests on: each account's
    /// snapshot, every record after it, and its owner; the history before is left to [`SqliteReader::open`], so that a
    /// start takes as long after years as after months. [`Self::is_verified`] says which it was.
    ///
    /// # Errors
    ///
    /// [`JournalError::TooNew`] for a newer layout, [`JournalError::Corrupt`] for a damaged file,
    /// [`JournalError::Unavailable`] for anything that is not a journal or cannot be opened. Nothing is
    /// changed then.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        Self::open_with(path.as_ref(), None)
    }

    /// [`Self::open`] with a file that may not grow beyond this many pages of 4 KiB: past it every append
    /// fails like on a full disk.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_limited(path: impl AsRef<Path>, pages: u32) -> Result<Self, JournalError> {
        Self::open_with(path.as_ref(), Some(pages))
    }

    fn open_with(path: &Path, pages: Option<u32>) -> Result<Self, JournalError> {
        if !path.exists() {
            create(path)?;
        }
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        let verified = size_of(&connection, path)? <= READ_WHOLE;
        at_one_moment(&connection, path, if verified { verify_all } else { verify_start })?;
        configure(&connection).map_err(|error| told(path, &error))?;
        if let Some(pages) = pages {
            connection.pragma_update(None, "max_page_count", pages).map_err(|error| told(path, &error))?;
        }
        let (jobs, queue) = mpsc::channel(QUEUE);
        let place = path.to_owned();
        let writer = std::thread::Builder::new()
            .name("kraite-journal".into())
            .spawn(move || Writer { connection, path: place, failed: None }.run(queue))
            .map_err(|error| JournalError::Unavailable(format!("the journal's writer cannot start: {error}")))?;
        Ok(Self { jobs: Some(jobs), writer: Some(writer), verified })
    }

    /// True when all of the file was verified as it was opened.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        self.verified
    }

    async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, JournalError>>) -> Job,
    ) -> Result<T, JournalError> {
        let gone = || JournalError::Write("the journal's writer has ended".into());
        let (done, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(job(done)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for SqliteJournal {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// How large the file is without its log.
fn size_of(connection: &Connection, path: &Path) -> Result<u64, JournalError> {
    let read = |pragma: &str| {
        connection
            .query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0))
            .map_err(|error| told(path, &error))
    };
    let (pages, size) = (read("page_count")?, read("page_size")?);
    Ok(u64::try_from(pages.saturating_mul(size)).unwrap_or(u64::MAX))
}
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA journal_size_limit=67108864;
         PRAGMA cell_size_check=ON; PRAGMA trusted_schema=OFF;",
    )
}
struct Writer {
    connection: Connection,
    path: PathBuf,
    /// After a failed write nothing is known: every later write fails too, until the file is opened again.
    failed: Option<String>,
}

impl Writer {
    fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut held = None;
        while let Some(job) = held.take().or_else(|| queue.blocking_recv()) {
            match job {
                Job::Append(first) => {
                    let mut group = vec![first];
                    while group.len() < GROUP {
                        match queue.try_recv() {
                            Ok(Job::Append(next)) => group.push(next),
                            Ok(other) => {
                                held = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.append(group);
                }
                Job::Acquire(account, done) => {
                    let result = self.guarded(|w| w.acquire(account));
                    let _ = done.send(result);
                }
                Job::Load(account, done) => {
                    let _ = done.send(self.load(account));
                }
                Job::Snapshot { account, seq, body, done } => {
                    let result = self.guarded(|w| w.snapshot(account, seq, &body));
                    let _ = done.send(result);
                }
                Job::Accounts(done) => {
                    let _ = done.send(self.accounts());
                }
            }
        }
    }

    fn guarded<T>(&mut self, write: impl FnOnce(&mut Self) -> Result<T, JournalError>) -> Result<T, JournalError> {
        if let Some(why) = &self.failed {
            return Err(JournalError::Write(format!("an earlier write failed ({why}); open the journal again")));
        }
        let result = write(self);
        if let Err(JournalError::Write(why)) = &result {
            self.failed = Some(why.clone());
        }
        result
    }

    fn write_error(&self, error: &rusqlite::Error) -> JournalError {
        JournalError::Write(format!("{}: {error}{}", self.path.display(), cause(error)))
    }

    /// One transaction, one sync, then every answer.
    fn append(&mut self, group: Vec<Append>) {
        let mut verdicts: Vec<Result<Durable, JournalError>> = Vec::with_capacity(group.len());
        let result = self.guarded(|w| {
            // Immediate: one that reads first and writes later is refused at once when another process wrote between.
            let transaction = rusqlite::Transaction::new_unchecked(&w.connection, TransactionBehavior::Immediate)
                .map_err(|error| w.write_error(&error))?;
            for append in &group {
                let verdict = insert(&transaction, append).map_err(|error| w.write_error(&error))?;
                verdicts.push(verdict);
            }
            transaction.commit().map_err(|error| w.write_error(&error))
        });
        if let Err(error) = result {
            verdicts = group.iter().map(|_| Err(error.clone())).collect();
        }
        for (append, verdict) in group.into_iter().zip(verdicts) {
            // Whoever has stopped waiting finds the record when it loads.
            let _ = append.done.send(verdict);
        }
    }

    /// Above every epoch in the file, and above those of a file that was lost: ids carry the epoch, and a
    /// worker with an empty disk must not make one that was used before.
    fn acquire(&mut self, account: AccountTag) -> Result<Epoch, JournalError> {
        let key = i64::from(account.get());
        let floor = minutes_since_2020();
        let epoch = self.raise_epoch(key, floor).map_err(|error| self.write_error(&error))?;
        u32::try_from(epoch)
            .ok()
            .and_then(Epoch::new)
            .ok_or_else(|| JournalError::Unavailable("all epochs are used up".into()))
    }

    /// In a transaction of its own: a statement that gives rows commits when it is put away, and nobody is told if that
    /// fails.
    fn raise_epoch(&mut self, key: i64, floor: i64) -> rusqlite::Result<i64> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let epoch = transaction.query_row(
            "INSERT INTO owners VALUES (?1, ?2)
             ON CONFLICT (account) DO UPDATE SET epoch = MAX(epoch + 1, excluded.epoch) RETURNING epoch",
            params![key, floor],
            |row| row.get(0),
        )?;
        transaction.commit()?;
        Ok(epoch)
    }

    fn load(&self, account: AccountTag) -> Result<Loaded, JournalError> {
        load(&self.connection, &self.path, account)
    }

    /// Records stay: they are the account's history. Only what has to be read at a start shrinks.
    fn snapshot(&mut self, account: AccountTag, seq: u64, body: &[u8]) -> Result<(), JournalError> {
        let (key, number) = (i64::from(account.get()), i64::try_from(seq).unwrap_or(i64::MAX));
        self.connection
            .execute(
                "INSERT INTO snapshots VALUES (?1, ?2, ?3) ON CONFLICT (account) DO UPDATE
                 SET seq = excluded.seq, body = excluded.body WHERE excluded.seq >= seq",
                params![key, number, body],
            )
            .map(|_| ())
            .map_err(|error| self.write_error(&error))
    }

    fn accounts(&self) -> Result<Vec<AccountTag>, JournalError> {
        list_accounts(&self.connection, &self.path)
    }
}
/// Room for 31 years in an epoch's 24 bits; a clock that is wrong costs uniqueness over lost files only.
#[allow(clippy::disallowed_methods, reason = "an epoch must differ from those of a lost file; nothing waits on it")]
fn minutes_since_2020() -> i64 {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_secs() / 60).unwrap_or(0).saturating_sub(26_297_280).max(1)
}

/// Conditional on owner and number; a refusal concerns this run alone.
fn insert(transaction: &Connection, append: &Append) -> rusqlite::Result<Result<Durable, JournalError>> {
    let Append { account, run, ref bodies, .. } = *append;
    let key = i64::from(account.get());
    let owner: Option<i64> = transaction
        .prepare_cached("SELECT epoch FROM owners WHERE account = ?1")?
        .query_row(params![key], |row| row.get(0))
        .optional()?;
    let owner = owner.and_then(|e| u32::try_from(e).ok()).and_then(Epoch::new).unwrap_or_default();
    if owner != run.epoch {
        return Ok(Err(JournalError::NotOwner { account, owner, ours: run.epoch }));
    }
    let last: i64 = transaction
        .prepare_cached("SELECT COALESCE(MAX(seq), 0) FROM records WHERE account = ?1")?
        .query_row(params![key], |row| row.get(0))?;
    let expected = u64::try_from(last).unwrap_or(0).saturating_add(1);
    if run.first != expected {
        return Ok(Err(JournalError::OutOfSequence { account, expected, got: run.first }));
    }
    let mut insert = transaction.prepare_cached("INSERT INTO records VALUES (?1, ?2, ?3, ?4)")?;
    for (seq, body) in (run.first..).zip(bodies) {
        let seq = i64::try_from(seq).unwrap_or(i64::MAX);
        insert.execute(params![key, seq, i64::from(run.epoch.get()), body])?;
    }
    Ok(Ok(run.durable(account)))
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn acquire(&self, account: AccountTag) -> Result<Epoch, JournalError> {
        self.ask(|done| Job::Acquire(account, done)).await
    }

    async fn append(&self, account: AccountTag, records: &[Record]) -> Result<Durable, JournalError> {
        let run = Run::of(account, records)?;
        let bodies = records.iter().map(|record| codec::encode(account, record)).collect::<Result<_, _>>();
        let bodies = bodies.map_err(|error| JournalError::Write(error.to_string()))?;
        self.ask(|done| Job::Append(Append { account, run, bodies, done })).await
    }

    async fn load(&self, account: AccountTag) -> Result<Loaded, JournalError> {
        self.ask(|done| Job::Load(account, done)).await
    }

    async fn save_snapshot(&self, account: AccountTag, snapshot: &Snapshot) -> Result<(), JournalError> {
        let body =
            codec::encode_state(account, &snapshot.state).map_err(|error| JournalError::Write(error.to_string()))?;
        let seq = snapshot.seq;
        self.ask(|done| Job::Snapshot { account, seq, body, done }).await
    }

    async fn accounts(&self) -> Result<Vec<AccountTag>, JournalError> {
        self.ask(Job::Accounts).await
    }
}

/// One record as it lies in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Whose.
    pub account: AccountTag,
    /// Under which ownership it was written.
    pub epoch: Epoch,
    /// The record.
    pub record: Record,
    /// Its size in the file.
    pub bytes: usize,
}

/// Reads a journal that another process may be writing.
///
/// What is damaged is refused when it is opened, in records that no start would read any more as well.
#[derive(Debug)]
pub struct SqliteReader {
    connection: Connection,
    path: PathBuf,
}

impl SqliteReader {
    /// Opens an existing journal for reading, verifies all of it, and changes nothing. Holds no transaction open
    /// afterwards: each call sees what is there then.
    ///
    /// # Errors
    ///
    /// As [`SqliteJournal::open`], and [`JournalError::Unavailable`] when nothing is there.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        let reader = Self::connected(path.as_ref())?;
        at_one_moment(&reader.connection, &reader.path, verify_all)?;
        Ok(reader)
    }

    /// [`Self::open`] where every call sees what was verified: one read transaction until the reader is dropped.
    /// Meanwhile a writer goes on, and its log grows.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_frozen(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        let reader = Self::connected(path.as_ref())?;
        reader.connection.execute_batch("BEGIN").map_err(|error| told(&reader.path, &error))?;
        verify_all(&reader.connection, &reader.path)?;
        Ok(reader)
    }

    fn connected(path: &Path) -> Result<Self, JournalError> {
        if !path.exists() {
            return Err(JournalError::Unavailable(format!("{} does not exist", path.display())));
        }
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        Ok(Self { connection, path: path.to_owned() })
    }

    #[cfg(feature = "postgres")]
    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The accounts that have records.
    ///
    /// # Errors
    ///
    /// [`JournalError::Corrupt`] or [`JournalError::Unavailable`].
    pub fn accounts(&self) -> Result<Vec<AccountTag>, JournalError> {
        list_accounts(&self.connection, &self.path)
    }

    /// Under which epoch an account is owned; zero for one that nobody ever acquired.
    ///
    /// # Errors
    ///
    /// [`JournalError::Corrupt`] or [`JournalError::Unavailable`].
    pub fn owner(&self, account: AccountTag) -> Result<Epoch, JournalError> {
        owner_of(&self.connection, &self.path, account)
    }

    /// What a worker of this account would be restored from.
    ///
    /// # Errors
    ///
    /// [`JournalError::Corrupt`] names the first damaged record.
    pub fn load(&self, account: AccountTag) -> Result<Loaded, JournalError> {
        load(&self.connection, &self.path, account)
    }

    /// The records of an account after a number, at most `limit` of them.
    ///
    /// # Errors
    ///
    /// [`JournalError::Corrupt`] names the first damaged record.
    pub fn records(&self, account: AccountTag, after: u64, limit: usize) -> Result<Vec<StoredRecord>, JournalError> {
        let mut found = Vec::new();
        each_record(&self.connection, &self.path, Some((account, after, limit)), |account, seq, epoch, body| {
            let record =
                codec::decode(account, seq, body).map_err(|error| damaged(self.path.display(), account, seq, error))?;
            found.push(StoredRecord { account, epoch, record, bytes: body.len() });
            Ok(())
        })?;
        Ok(found)
    }
}
