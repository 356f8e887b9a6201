//! The embedded journal: one SQLite file, one writer thread, one sync for everything that is waiting.
//!
//! WAL with `synchronous=FULL`: an append is answered only after its transaction is on stable storage.
//! Other processes may read while it is open.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use async_trait::async_trait;
use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::{Durable, Journal, JournalError, Loaded, Record, Run, Snapshot};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, TransactionBehavior, ffi, params};
use tokio::sync::{mpsc, oneshot};

use crate::codec::{self, DecodeError};
use crate::create::{APPLICATION_ID, LAYOUT, create};

/// Appends that may wait for the writer; a caller beyond that waits for room.
const QUEUE: usize = 1_024;
/// Appends that share one sync at most.
const GROUP: usize = 256;
/// A reader that holds the file back for longer makes the writer fail rather than hang.
const BUSY_MS: u32 = 5_000;
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

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, JournalError> {
    if path.is_dir() {
        return Err(JournalError::Unavailable(format!("{} is a folder, not a journal", path.display())));
    }
    let connection = Connection::open_with_flags(path, flags).map_err(|error| told(path, &error))?;
    connection
        .busy_timeout(std::time::Duration::from_millis(u64::from(BUSY_MS)))
        .map_err(|error| told(path, &error))?;
    let read = |pragma: &str| connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i32>(0));
    let application = read("application_id").map_err(|error| told(path, &error))?;
    let layout = read("user_version").map_err(|error| told(path, &error))?;
    if application != APPLICATION_ID {
        return Err(JournalError::Unavailable(format!("{} is not a kraite journal", path.display())));
    }
    if layout > LAYOUT {
        let number = |n: i32| u32::try_from(n).unwrap_or(u32::MAX);
        let place = path.display().to_string();
        return Err(JournalError::TooNew { place, found: number(layout), known: number(LAYOUT) });
    }
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA journal_size_limit=67108864;
         PRAGMA cell_size_check=ON; PRAGMA trusted_schema=OFF;",
    )
}

/// Looks at a file as it is at one moment: somebody else may be writing meanwhile.
fn at_one_moment(
    connection: &Connection,
    path: &Path,
    look: fn(&Connection, &Path) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    let moment = connection.unchecked_transaction().map_err(|error| told(path, &error))?;
    look(&moment, path)?;
    moment.rollback().map_err(|error| told(path, &error))
}

/// Reads every record once, and how they lie in the file.
fn verify_all(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|error| told(path, &error))?;
    if verdict != "ok" {
        return Err(JournalError::Corrupt { place: path.display().to_string(), reason: verdict });
    }
    let mut last: Option<(AccountTag, u64, Epoch)> = None;
    each_record(connection, path, None, |account, seq, epoch, body| {
        let record = codec::decode(account, seq, body).map_err(|error| damaged(path, account, seq, error))?;
        let before = last.filter(|(of, ..)| *of == account);
        let expected = before.map_or(1, |(_, seq, _)| seq.saturating_add(1));
        if seq != expected {
            let place = format!("{}, account {account}, record {expected}", path.display());
            return Err(JournalError::Corrupt { place, reason: format!("it is missing; {seq} comes next") });
        }
        is_filed_right(path, account, &record, epoch, before.map_or(Epoch::default(), |(.., epoch)| epoch))?;
        last = Some((account, seq, epoch));
        Ok(())
    })?;
    verify_start(connection, path)
}

/// A record lies under the epoch that it says, which is none before those of the records before it.
fn is_filed_right(
    path: &Path,
    account: AccountTag,
    record: &Record,
    filed: Epoch,
    before: Epoch,
) -> Result<(), JournalError> {
    if record.epoch == filed && filed >= before {
        return Ok(());
    }
    Err(JournalError::Corrupt {
        place: format!("{}, account {account}, record {}", path.display(), record.seq),
        reason: format!("written under epoch {}, filed under {filed}", record.epoch),
    })
}

/// What a start rests on: snapshots, the records after them, and owners.
fn verify_start(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    for account in list_accounts(connection, path)? {
        let key = i64::from(account.get());
        let number = |sql: &str| {
            connection
                .query_row(sql, params![key], |row| row.get::<_, Option<i64>>(0))
                .optional()
                .map(|found| found.flatten().unwrap_or(0))
                .map_err(|error| told(path, &error))
        };
        let corrupt =
            |reason: String| JournalError::Corrupt { place: format!("{}, account {account}", path.display()), reason };
        // Epochs never fall, so the last record has the newest.
        let newest = number("SELECT epoch FROM records WHERE account = ?1 ORDER BY seq DESC LIMIT 1")?;
        let owner = i64::from(owner_of(connection, path, account)?.get());
        if owner < newest {
            return Err(corrupt(format!("its owner has epoch {owner}, a record was written under {newest}")));
        }
        let last = number("SELECT MAX(seq) FROM records WHERE account = ?1")?;
        let snapshot = number("SELECT seq FROM snapshots WHERE account = ?1")?;
        if snapshot > last {
            return Err(corrupt(format!("its snapshot includes record {snapshot}, the last one is {last}")));
        }
        let covered = number("SELECT r.seq FROM records r JOIN snapshots s USING (account, seq) WHERE account = ?1")?;
        if covered != snapshot {
            return Err(corrupt(format!("record {snapshot}, the last one of its snapshot, is missing")));
        }
        let loaded = load(connection, path, account)?;
        let records = i64::try_from(loaded.records.len()).unwrap_or(i64::MAX);
        if snapshot.saturating_add(records) != last {
            return Err(corrupt(format!("its last record is {last}, and {records} follow record {snapshot}")));
        }
    }
    Ok(())
}

/// Under which epoch an account is owned now; zero for one that nobody ever acquired.
fn owner_of(connection: &Connection, path: &Path, account: AccountTag) -> Result<Epoch, JournalError> {
    let epoch: Option<i64> = connection
        .query_row("SELECT epoch FROM owners WHERE account = ?1", params![i64::from(account.get())], |row| row.get(0))
        .optional()
        .map_err(|error| told(path, &error))?;
    match epoch.map(|epoch| u32::try_from(epoch).ok().and_then(Epoch::new)) {
        None => Ok(Epoch::default()),
        Some(Some(epoch)) => Ok(epoch),
        Some(None) => Err(JournalError::Corrupt {
            place: format!("{}, account {account}", path.display()),
            reason: "the epoch of its owner is out of range".into(),
        }),
    }
}

fn each_record(
    connection: &Connection,
    path: &Path,
    only: Option<(AccountTag, u64, usize)>,
    mut take: impl FnMut(AccountTag, u64, Epoch, &[u8]) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    let (filter, account, after, limit) = match only {
        Some((account, after, limit)) => ("account = ?1 AND seq > ?2", i64::from(account.get()), after, limit),
        None => ("?1 = ?1 AND ?2 = ?2", 0, 0, usize::MAX),
    };
    let sql = format!("SELECT account, seq, epoch, body FROM records WHERE {filter} ORDER BY account, seq LIMIT ?3");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(&sql).map_err(|error| told(path, &error))?;
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![account, after, limit]).map_err(|error| told(path, &error))?;
    while let Some(row) = rows.next().map_err(|error| told(path, &error))? {
        let read = || -> rusqlite::Result<(i64, i64, i64)> { Ok((row.get(0)?, row.get(1)?, row.get(2)?)) };
        let (account, seq, epoch) = read().map_err(|error| told(path, &error))?;
        let key = (
            u32::try_from(account).ok().and_then(AccountTag::new),
            u64::try_from(seq).ok(),
            u32::try_from(epoch).ok().and_then(Epoch::new),
        );
        let (Some(account), Some(seq), Some(epoch)) = key else {
            let place = format!("{}, account {account}, record {seq}", path.display());
            return Err(JournalError::Corrupt { place, reason: "its key is out of range".into() });
        };
        let body = row.get_ref(3).and_then(|value| Ok(value.as_blob()?)).map_err(|error| told(path, &error))?;
        take(account, seq, epoch, body)?;
    }
    Ok(())
}

fn damaged(path: &Path, account: AccountTag, seq: u64, error: DecodeError) -> JournalError {
    let place = format!("{}, account {account}, record {seq}", path.display());
    match error {
        DecodeError::TooNew { found, known } => {
            JournalError::TooNew { place, found: u32::from(found), known: u32::from(known) }
        }
        other => JournalError::Corrupt { place, reason: other.to_string() },
    }
}

/// What an error of SQLite means for the one who opened the file.
fn told(path: &Path, error: &rusqlite::Error) -> JournalError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => {
            JournalError::Corrupt { place: path.display().to_string(), reason: error.to_string() }
        }
        Some(ErrorCode::NotADatabase) => JournalError::Unavailable(format!(
            "{} is not a kraite journal, or its first page is damaged",
            path.display()
        )),
        _ => JournalError::Unavailable(format!("{}: {error}{}", path.display(), cause(error))),
    }
}

/// What SQLite's word for a write that the system refused stands for most often.
pub(crate) fn cause(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error().map(|error| error.extended_code) {
        Some(ffi::SQLITE_FULL | ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_SHMSIZE | ffi::SQLITE_IOERR_TRUNCATE) => {
            ": the disk is full, or a quota is used up"
        }
        _ => "",
    }
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

fn load(connection: &Connection, path: &Path, account: AccountTag) -> Result<Loaded, JournalError> {
    let key = i64::from(account.get());
    let row = connection
        .query_row("SELECT seq, body FROM snapshots WHERE account = ?1", params![key], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        })
        .optional()
        .map_err(|error| told(path, &error))?;
    let mut loaded = Loaded::default();
    if let Some((seq, body)) = row {
        let seq = u64::try_from(seq).unwrap_or(0);
        let state = codec::decode_state(account, seq, &body).map_err(|error| damaged(path, account, seq, error))?;
        loaded.snapshot = Some(Snapshot { seq, state });
    }
    let after = loaded.snapshot.as_ref().map_or(0, |s| s.seq);
    let mut expected = after;
    let mut before = loaded.snapshot.as_ref().map_or(Epoch::default(), |s| s.state.epoch);
    each_record(connection, path, Some((account, after, usize::MAX)), |account, seq, epoch, body| {
        expected = expected.saturating_add(1);
        if seq != expected {
            let place = format!("{}, account {account}, record {expected}", path.display());
            return Err(JournalError::Corrupt { place, reason: format!("it is missing; {seq} comes next") });
        }
        let record = codec::decode(account, seq, body).map_err(|error| damaged(path, account, seq, error))?;
        is_filed_right(path, account, &record, epoch, before)?;
        before = epoch;
        loaded.records.push(record);
        Ok(())
    })?;
    Ok(loaded)
}

/// Room for 31 years in an epoch's 24 bits; a clock that is wrong costs uniqueness over lost files only.
#[allow(clippy::disallowed_methods, reason = "an epoch must differ from those of a lost file; nothing waits on it")]
fn minutes_since_2020() -> i64 {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_secs() / 60).unwrap_or(0).saturating_sub(26_297_280).max(1)
}

/// The accounts that have records, found by one step in the index for each.
fn list_accounts(connection: &Connection, path: &Path) -> Result<Vec<AccountTag>, JournalError> {
    let mut statement = connection
        .prepare_cached(
            "WITH RECURSIVE known (account) AS (
                 SELECT MIN(account) FROM records
                 UNION ALL
                 SELECT (SELECT MIN(r.account) FROM records r WHERE r.account > known.account) FROM known
                 WHERE known.account IS NOT NULL
             ) SELECT account FROM known WHERE account IS NOT NULL",
        )
        .map_err(|error| told(path, &error))?;
    let rows = statement.query_map([], |row| row.get::<_, i64>(0)).map_err(|error| told(path, &error))?;
    let mut accounts = Vec::new();
    for row in rows {
        let number = row.map_err(|error| told(path, &error))?;
        accounts.extend(u32::try_from(number).ok().and_then(AccountTag::new));
    }
    Ok(accounts)
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
            let record = codec::decode(account, seq, body).map_err(|error| damaged(&self.path, account, seq, error))?;
            found.push(StoredRecord { account, epoch, record, bytes: body.len() });
            Ok(())
        })?;
        Ok(found)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use kraite_core::engine::{InputKind, State};
    use kraite_core::time::{LocalMillis, Millis, Moment, VenueMillis};

    use super::*;

    /// Twenty records of each of two accounts; the first has a snapshot of fifteen.
    fn filled(path: &Path) -> Connection {
        create(path).unwrap();
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        let epoch = Epoch::new(3).unwrap();
        for account in [1, 2].map(|n| AccountTag::new(n).unwrap()) {
            let key = i64::from(account.get());
            connection.execute("INSERT INTO owners VALUES (?1, 3)", params![key]).unwrap();
            for seq in 1..=20 {
                let at = Moment { local: LocalMillis(1), venue: VenueMillis(1), error: Millis(0) };
                let record = Record { seq, epoch, at, input: InputKind::Deadline, events: Vec::new() };
                let body = codec::encode(account, &record).unwrap();
                connection
                    .execute(
                        "INSERT INTO records VALUES (?1, ?2, 3, ?3)",
                        params![key, i64::try_from(seq).unwrap(), body],
                    )
                    .unwrap();
            }
        }
        let account = AccountTag::new(1).unwrap();
        let state = State { seq: 15, epoch, ..State::new(account) };
        let body = codec::encode_state(account, &state).unwrap();
        connection.execute("INSERT INTO snapshots VALUES (1, 15, ?1)", params![body]).unwrap();
        connection
    }

    /// What becomes of a file after a change by hand: at the start of a large one, and where all of it is read.
    fn after(change: &str) -> (Result<(), String>, Result<(), String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let connection = filled(&path);
        connection.execute_batch(change).unwrap();
        let look = |look: fn(&Connection, &Path) -> Result<(), JournalError>| {
            look(&connection, &path).map_err(|error| error.to_string())
        };
        (look(verify_start), look(verify_all))
    }

    #[test]
    fn a_large_journal_is_refused_for_damage_in_what_its_start_rests_on() {
        assert_eq!(after(""), (Ok(()), Ok(())));
        for (change, place) in [
            ("UPDATE snapshots SET body = zeroblob(40)", "account 1"),
            ("DELETE FROM records WHERE account = 1 AND seq = 15", "record 15"),
            ("DELETE FROM records WHERE account = 1 AND seq = 18", "record 18"),
            ("DELETE FROM records WHERE account = 1 AND seq > 12", "record 15"),
            ("UPDATE records SET body = zeroblob(9) WHERE account = 1 AND seq = 16", "record 16"),
            ("UPDATE records SET epoch = 2 WHERE account = 1 AND seq = 17", "record 17"),
            ("UPDATE records SET body = zeroblob(9) WHERE account = 2 AND seq = 1", "account 2, record 1"),
            ("DELETE FROM records WHERE account = 2 AND seq = 1", "account 2, record 1"),
            ("UPDATE owners SET epoch = 2 WHERE account = 2", "account 2"),
            ("DELETE FROM owners", "account 1"),
        ] {
            let (start, whole) = after(change);
            assert!(start.as_ref().is_err_and(|error| error.contains(place)), "{change}: {start:?}");
            assert!(whole.is_err(), "{change}");
        }
    }

    #[test]
    fn damage_in_history_that_a_snapshot_covers_is_found_by_whoever_reads_all_of_it() {
        for change in [
            "UPDATE records SET body = zeroblob(9) WHERE account = 1 AND seq = 4",
            "DELETE FROM records WHERE account = 1 AND seq = 4",
            "UPDATE records SET epoch = 4 WHERE account = 1 AND seq = 4",
        ] {
            let (start, whole) = after(change);
            assert_eq!(start, Ok(()), "{change}");
            assert!(whole.as_ref().is_err_and(|error| error.contains("account 1, record 4")), "{change}: {whole:?}");
        }
    }

    #[test]
    fn every_account_is_listed_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let connection = filled(&path);
        let tags = |numbers: &[u32]| numbers.iter().map(|n| AccountTag::new(*n).unwrap()).collect::<Vec<_>>();
        assert_eq!(list_accounts(&connection, &path).unwrap(), tags(&[1, 2]));
        connection.execute_batch("DELETE FROM records WHERE account = 1").unwrap();
        assert_eq!(list_accounts(&connection, &path).unwrap(), tags(&[2]));
        connection.execute_batch("DELETE FROM records").unwrap();
        assert_eq!(list_accounts(&connection, &path).unwrap(), []);
    }
}
