//! Everything that one journal has, copied into another: from a file into a database and back.
//!
//! The bytes of records and snapshots stay as they are. What is copied is verified on its way, and nothing of it counts
//! before all of it is there. Of a journal that moves the side that it came from is closed for work, so that nobody goes
//! on with both; a copy that is only for reading closes nothing.

use std::path::{Path, PathBuf};

use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::JournalError;
use rusqlite::{Connection, OpenFlags, params};
use tokio::sync::mpsc;

use crate::create::create;
use crate::file::{connect, each_record, told};
use crate::{PostgresJournal, SqliteReader};

/// Records that are held at once.
const PAGE: usize = 4_096;
/// Parts that may wait for the other side.
const WAITING: usize = 2;

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// Accounts with records.
    pub accounts: u64,
    /// Records of all of them.
    pub records: u64,
}

/// One record as it lies in a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) seq: u64,
    pub(crate) epoch: Epoch,
    pub(crate) body: Vec<u8>,
}

/// A journal, part by part.
pub(crate) enum Part {
    /// What follows is this account's, owned under this epoch.
    Account(AccountTag, Epoch),
    /// Its next records.
    Rows(Vec<Row>),
    /// Its snapshot, after its records.
    Snapshot(u64, Vec<u8>),
}

impl PostgresJournal {
    /// Copies a journal file into the database, in one transaction. What the database has of an account already has to be
    /// the beginning of what the file has: the same copy made again adds nothing.
    ///
    /// The file is not changed: whoever calls this sees to it that nobody works on it, and that nobody does afterwards.
    ///
    /// # Errors
    ///
    /// What [`SqliteReader::open`] refuses; [`JournalError::Unavailable`] where a host works on one of the accounts, or
    /// where the database has other records. Nothing was copied then. [`JournalError::Write`] as for
    /// [`kraite_core::journal::Journal::append`]: the same call finds out.
    pub async fn copy_from(&self, file: impl AsRef<Path>) -> Result<Moved, JournalError> {
        let path = file.as_ref().to_owned();
        let (parts, receiver) = mpsc::channel(WAITING);
        let reading = std::thread::Builder::new()
            .name("kraite-reader".into())
            .spawn(move || read(&path, &parts))
            .map_err(|error| JournalError::Unavailable(format!("the file's reader cannot start: {error}")))?;
        self.take_in(receiver, move || reading.join().unwrap_or_else(|_| Err(broke_down()))).await
    }

    /// Copies all accounts of the database into a new journal file, and closes them in the database: nobody acquires them
    /// there any more, before the file is copied back.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`] where something is at the path already, or a host works on one of the accounts;
    /// nothing was changed then. Where it is cut off after the accounts were closed, the whole copy is beside the path
    /// as `FILE.moving`, and only has to be renamed.
    pub async fn move_to(&self, file: impl AsRef<Path>) -> Result<Moved, JournalError> {
        let path = file.as_ref();
        let left = format!(
            "a move was cut off; if the accounts are closed in the database it is whole, and only has to be renamed to \
             {}; otherwise remove it",
            path.display()
        );
        let draft = Draft::begin(path, ".moving", &left)?;
        self.hand_out(path.to_owned(), draft).await
    }

    /// Copies all accounts of the database, or one, into a new journal file as they are at one moment: each up to one of
    /// its records. Whoever works on them goes on meanwhile, since nothing is locked, refused or closed. Accounts that
    /// were moved away are copied too: they are history.
    ///
    /// The file is for reading. Whoever works on its accounts does so beside the hosts of the database.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`] where something is at the path already, [`JournalError::Corrupt`] where the database
    /// is damaged. There is no file then.
    pub async fn copy_to(&self, file: impl AsRef<Path>, only: Option<AccountTag>) -> Result<Moved, JournalError> {
        let draft = Draft::begin(file.as_ref(), ".copying", "a copy was cut off, or is being made; remove it")?;
        self.read_out(draft, only).await
    }
}

fn broke_down() -> JournalError {
    JournalError::Unavailable("the file's reader broke down".into())
}

/// Reads a file to its end, or until nobody takes what it has.
fn read(path: &Path, parts: &mpsc::Sender<Part>) -> Result<(), JournalError> {
    let reader = SqliteReader::open_frozen(path)?;
    for account in reader.accounts()? {
        if parts.blocking_send(Part::Account(account, reader.owner(account)?)).is_err() {
            return Ok(());
        }
        let mut after = 0;
        loop {
            let rows = reader.rows(account, after, PAGE)?;
            let Some(last) = rows.last() else { break };
            after = last.seq;
            if parts.blocking_send(Part::Rows(rows)).is_err() {
                return Ok(());
            }
        }
        if let Some((seq, body)) = reader.snapshot(account)?
            && parts.blocking_send(Part::Snapshot(seq, body)).is_err()
        {
            return Ok(());
        }
    }
    Ok(())
}

impl SqliteReader {
    pub(crate) fn rows(&self, account: AccountTag, after: u64, limit: usize) -> Result<Vec<Row>, JournalError> {
        let mut rows = Vec::new();
        each_record(self.connection(), self.path(), Some((account, after, limit)), |_, seq, epoch, body| {
            rows.push(Row { seq, epoch, body: body.to_vec() });
            Ok(())
        })?;
        Ok(rows)
    }

    /// The number of an account's last record; zero for none.
    pub(crate) fn last(&self, account: AccountTag) -> Result<u64, JournalError> {
        let sql = "SELECT COALESCE(MAX(seq), 0) FROM records WHERE account = ?1";
        let last = self.connection().query_row(sql, params![i64::from(account.get())], |row| row.get::<_, i64>(0));
        last.map(|last| u64::try_from(last).unwrap_or(0)).map_err(|error| told(self.path(), &error))
    }

    fn snapshot(&self, account: AccountTag) -> Result<Option<(u64, Vec<u8>)>, JournalError> {
        let sql = "SELECT seq, body FROM snapshots WHERE account = ?1";
        let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?));
        let found = self.connection().query_row(sql, params![i64::from(account.get())], row);
        match found {
            Ok((seq, body)) => Ok(Some((u64::try_from(seq).unwrap_or(0), body))),
            Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
            Err(error) => Err(told(self.path(), &error)),
        }
    }
}

/// A journal file that is written beside its place, and whole before it is put there.
pub(crate) struct Draft {
    connection: Connection,
    path: PathBuf,
    place: PathBuf,
    account: i64,
    /// Where records were archived that this takes again.
    archive: Option<(PathBuf, SqliteReader)>,
    pub(crate) moved: Moved,
}

impl Draft {
    /// `left` says what is to be done with one that is there already.
    fn begin(place: &Path, ending: &str, left: &str) -> Result<Self, JournalError> {
        if place.exists() {
            return Err(JournalError::Unavailable(format!("{} is there already", place.display())));
        }
        Self::beside(place, ending, left)
    }

    /// The same, where what is at the place is replaced in the end.
    pub(crate) fn beside(place: &Path, ending: &str, left: &str) -> Result<Self, JournalError> {
        let mut path = place.as_os_str().to_owned();
        path.push(ending);
        let path = PathBuf::from(path);
        if path.exists() {
            return Err(JournalError::Unavailable(format!("{} is there: {left}", path.display())));
        }
        create(&path)?;
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.execute_batch("PRAGMA synchronous=FULL; BEGIN").map_err(|error| told(&path, &error))?;
        Ok(Self { connection, path, place: place.to_owned(), account: 0, archive: None, moved: Moved::default() })
    }

    fn wrote(&self, result: rusqlite::Result<usize>) -> Result<(), JournalError> {
        result.map(drop).map_err(|error| told(&self.path, &error))
    }

    pub(crate) fn take(&mut self, part: &Part) -> Result<(), JournalError> {
        match part {
            Part::Account(account, owner) => {
                self.account = i64::from(account.get());
                self.moved.accounts += 1;
                let values = params![self.account, i64::from(owner.get())];
                self.wrote(self.connection.execute("INSERT INTO owners VALUES (?1, ?2)", values))
            }
            Part::Rows(rows) => {
                for row in rows {
                    let seq = i64::try_from(row.seq).unwrap_or(i64::MAX);
                    let values = params![self.account, seq, i64::from(row.epoch.get()), row.body];
                    self.wrote(self.connection.execute("INSERT INTO records VALUES (?1, ?2, ?3, ?4)", values))?;
                    self.moved.records += 1;
                }
                Ok(())
            }
            Part::Snapshot(seq, body) => {
                let values = params![self.account, i64::try_from(*seq).unwrap_or(i64::MAX), body];
                self.wrote(self.connection.execute("INSERT INTO snapshots VALUES (?1, ?2, ?3)", values))
            }
        }
    }

    /// Takes the first records of the present account from the file that they were archived into, up to this one, and says
    /// under which epoch that was written.
    pub(crate) fn take_archived(
        &mut self,
        archive: &Path,
        account: AccountTag,
        up_to: u64,
    ) -> Result<Epoch, JournalError> {
        if self.archive.as_ref().is_none_or(|(path, _)| path != archive) {
            let reader = SqliteReader::open(archive).map_err(|error| {
                JournalError::Unavailable(format!(
                    "records 1 to {up_to} of account {account} were archived into {}, and that cannot be read: {error}; \
                     put the file there",
                    archive.display()
                ))
            })?;
            self.archive = Some((archive.to_owned(), reader));
        }
        let (mut after, mut epoch) = (0, Epoch::default());
        while after < up_to {
            let (_, reader) = self.archive.as_ref().ok_or_else(broke_down)?;
            let mut rows = reader.rows(account, after, PAGE)?;
            rows.retain(|row| row.seq <= up_to);
            let Some(last) = rows.last() else {
                let place = format!("{}, account {account}, record {}", archive.display(), after + 1);
                return Err(JournalError::Corrupt { place, reason: "it was archived here, and is missing".into() });
            };
            (after, epoch) = (last.seq, last.epoch);
            self.take(&Part::Rows(rows))?;
        }
        Ok(epoch)
    }

    /// Makes it durable, and reads and verifies all of it.
    pub(crate) fn finish(self) -> Result<Written, JournalError> {
        self.connection.execute_batch("COMMIT").map_err(|error| told(&self.path, &error))?;
        self.connection.close().map_err(|(_, error)| told(&self.path, &error))?;
        let synced = std::fs::File::open(&self.path).and_then(|file| file.sync_all());
        synced.map_err(|error| JournalError::Write(format!("{}: {error}", self.path.display())))?;
        let verified = SqliteReader::open(&self.path).map(drop);
        // What a reader leaves beside a file belongs to that name, and holds nothing.
        remove(&self.path, &["-wal", "-shm"]);
        if let Err(error) = verified {
            remove(&self.path, &[""]);
            return Err(error);
        }
        Ok(Written { path: self.path, place: self.place, moved: self.moved })
    }

    /// Nothing of it stays.
    pub(crate) fn give_up(self) {
        let path = self.path.clone();
        drop(self);
        remove(&path, &["", "-wal", "-shm"]);
    }
}

/// As far as they are there.
fn remove(path: &Path, endings: &[&str]) {
    for ending in endings {
        let mut file = path.as_os_str().to_owned();
        file.push(ending);
        let _ = std::fs::remove_file(file);
    }
}

/// A whole file that is not in its place.
pub(crate) struct Written {
    path: PathBuf,
    place: PathBuf,
    pub(crate) moved: Moved,
}

impl Written {
    /// Where it is meanwhile.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it there.
    pub(crate) fn place(self) -> Result<Moved, JournalError> {
        let fail = |error: std::io::Error| {
            let (path, place) = (self.path.display(), self.place.display());
            JournalError::Write(format!("{path} is whole and could not be renamed to {place}: {error}; do so by hand"))
        };
        std::fs::rename(&self.path, &self.place).map_err(fail)?;
        let folder = match self.place.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail)?;
        Ok(self.moved)
    }

    pub(crate) fn give_up(self) {
        let _ = std::fs::remove_file(self.path);
    }
}
