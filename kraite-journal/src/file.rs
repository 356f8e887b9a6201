//! A journal's file: how it is opened, what its rows say, and what its errors mean.

use std::path::Path;

use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::{JournalError, Loaded};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, ffi, params};

use crate::restore::Restore;

/// Marks a file as ours (`PRAGMA application_id`): "krte".
pub(crate) const APPLICATION_ID: i32 = 0x6b72_7465;
/// The layout of the tables (`PRAGMA user_version`).
pub(crate) const LAYOUT: i32 = 1;
/// A reader that holds the file back for longer makes the writer fail rather than hang.
const BUSY_MS: u32 = 5_000;

pub(crate) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, JournalError> {
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

/// Under which epoch an account is owned now; zero for one that nobody ever acquired.
pub(crate) fn owner_of(connection: &Connection, path: &Path, account: AccountTag) -> Result<Epoch, JournalError> {
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

pub(crate) fn each_record(
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

/// What an error of SQLite means for the one who opened the file.
pub(crate) fn told(path: &Path, error: &rusqlite::Error) -> JournalError {
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

pub(crate) fn load(connection: &Connection, path: &Path, account: AccountTag) -> Result<Loaded, JournalError> {
    let key = i64::from(account.get());
    let row = connection
        .query_row("SELECT seq, body FROM snapshots WHERE account = ?1", params![key], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        })
        .optional()
        .map_err(|error| told(path, &error))?;
    let mut restore = Restore::new(path.display(), account);
    let mut after = 0;
    if let Some((seq, body)) = row {
        after = u64::try_from(seq).unwrap_or(0);
        restore.snapshot(after, &body)?;
    }
    each_record(connection, path, Some((account, after, usize::MAX)), |_, seq, epoch, body| {
        restore.record(seq, epoch, body)
    })?;
    Ok(restore.finish())
}

/// The accounts that have records, found by one step in the index for each.
pub(crate) fn list_accounts(connection: &Connection, path: &Path) -> Result<Vec<AccountTag>, JournalError> {
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
