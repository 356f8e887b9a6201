//! What of a file is looked at before anybody works with it: all of it, or what a start rests on.

use std::path::Path;

use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::JournalError;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::codec;
use crate::file::{each_record, list_accounts, load, owner_of, told};
use crate::restore::{damaged, is_filed_right};

/// Looks at a file as it is at one moment: somebody else may be writing meanwhile.
pub(crate) fn at_one_moment(
    connection: &Connection,
    path: &Path,
    look: fn(&Connection, &Path) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    let moment = connection.unchecked_transaction().map_err(|error| told(path, &error))?;
    look(&moment, path)?;
    moment.rollback().map_err(|error| told(path, &error))
}

/// Reads every record once, and how they lie in the file.
pub(crate) fn verify_all(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|error| told(path, &error))?;
    if verdict != "ok" {
        return Err(JournalError::Corrupt { place: path.display().to_string(), reason: verdict });
    }
    let mut last: Option<(AccountTag, u64, Epoch)> = None;
    each_record(connection, path, None, |account, seq, epoch, body| {
        let record = codec::decode(account, seq, body).map_err(|error| damaged(path.display(), account, seq, error))?;
        let before = last.filter(|(of, ..)| *of == account);
        let expected = before.map_or(1, |(_, seq, _)| seq.saturating_add(1));
        if seq != expected {
            let place = format!("{}, account {account}, record {expected}", path.display());
            return Err(JournalError::Corrupt { place, reason: format!("it is missing; {seq} comes next") });
        }
        is_filed_right(path.display(), account, &record, epoch, before.map_or(Epoch::default(), |(.., epoch)| epoch))?;
        last = Some((account, seq, epoch));
        Ok(())
    })?;
    verify_start(connection, path)
}

/// What a start rests on: snapshots, the records after them, and owners.
pub(crate) fn verify_start(connection: &Connection, path: &Path) -> Result<(), JournalError> {
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use kraite_core::engine::{InputKind, State};
    use kraite_core::journal::Record;
    use kraite_core::time::{LocalMillis, Millis, Moment, VenueMillis};

    use rusqlite::OpenFlags;

    use super::*;
    use crate::create::create;
    use crate::file::connect;

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
