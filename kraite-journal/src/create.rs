//! The birth of a journal file: finished under a temporary name, synced and renamed, so that a kill at any
//! instant of the first start leaves a start that succeeds and nothing that a reader cannot read.
//!
//! What makes a file ready for its writer, the switch to WAL included, happens to the draft: a switch that is
//! interrupted has to be undone by somebody who may write, and until then nobody could read the file.
//!
//! Only one start at a time creates in a folder: a second one would put its empty file in the place of a journal
//! that is in use by then, and what the first one had promised would be gone.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kraite_core::journal::JournalError;
use rusqlite::Connection;

use crate::file::{APPLICATION_ID, LAYOUT, cause};

const TABLES: &str = "
    CREATE TABLE owners (account INTEGER PRIMARY KEY, epoch INTEGER NOT NULL);
    CREATE TABLE records (
        account INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, body BLOB NOT NULL,
        PRIMARY KEY (account, seq)
    ) WITHOUT ROWID;
    CREATE TABLE snapshots (account INTEGER PRIMARY KEY, seq INTEGER NOT NULL, body BLOB NOT NULL);
";

/// How often, and how long apart, a start looks whether another one is done creating: 5 s, as long as it waits
/// for a file that is locked.
const LOOKS: u32 = 100;
const BETWEEN: Duration = Duration::from_millis(50);

/// The only one who creates in this folder until it is dropped, by death too.
#[allow(clippy::disallowed_methods, reason = "another process is waited for, before there is any clock")]
fn alone(folder: &Path) -> Result<File, std::io::Error> {
    let handle = File::open(folder)?;
    for _ in 0..LOOKS {
        match handle.try_lock() {
            Ok(()) => return Ok(handle),
            Err(TryLockError::WouldBlock) => std::thread::sleep(BETWEEN),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(std::io::Error::other("another start has been creating a journal there for 5 s"))
}

/// Finishes a new journal under another name and moves it into place, unless somebody else has done so.
pub(crate) fn create(path: &Path) -> Result<(), JournalError> {
    let fail = |what: &str, error: &dyn std::fmt::Display| {
        JournalError::Unavailable(format!("{}: cannot {what}: {error}", path.display()))
    };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let Some(name) = path.file_name() else {
        return Err(JournalError::Unavailable(format!("{}: not a file name", path.display())));
    };
    let _alone = alone(folder).map_err(|error| fail("create the journal alone", &error))?;
    if path.exists() {
        return Ok(());
    }
    let mut draft_name = name.to_owned();
    draft_name.push(".new");
    let draft = folder.join(draft_name);
    for leftover in ["", "-journal", "-wal", "-shm"].map(|suffix| with_suffix(&draft, suffix)) {
        if leftover.exists() {
            std::fs::remove_file(&leftover).map_err(|error| fail("remove the rest of an interrupted start", &error))?;
        }
    }
    let refused = |what: &str, error: &rusqlite::Error| fail(what, &format!("{error}{}", cause(error)));
    let connection = Connection::open(&draft).map_err(|error| refused("create the journal", &error))?;
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL; BEGIN; {TABLES}
             PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={LAYOUT}; COMMIT;
             PRAGMA journal_mode=WAL;"
        ))
        .map_err(|error| refused("create the journal's tables", &error))?;
    connection.close().map_err(|(_, error)| refused("finish the new journal", &error))?;
    let sync = |path: &Path| std::fs::File::open(path).and_then(|file| file.sync_all());
    sync(&draft).map_err(|error| fail("sync the new journal", &error))?;
    std::fs::rename(&draft, path).map_err(|error| fail("move the new journal into place", &error))?;
    sync(folder).map_err(|error| fail("sync its folder", &error))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_journal_is_in_wal_mode_when_it_is_put_in_place_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        create(&path).unwrap();
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["journal"]);
        let file = Connection::open(&path).unwrap();
        let mode: String = file.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }
}
