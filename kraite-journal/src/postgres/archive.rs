//! What of a database's history is kept in a file instead.
//!
//! Nothing goes from the database that is not in the file byte by byte, durable and verified, and nothing that a start
//! rests on: the newest snapshot with its last record, and everything after it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kraite_core::id::AccountTag;
use kraite_core::journal::JournalError;
use kraite_core::time::VenueMillis;

use super::PostgresJournal;
use super::append::THERE;
use super::hosts::{milliseconds, transact};
use super::moving::{differs, fill_all};
use super::read::NEWEST;
use super::session::{Failure, Store, column, key, number, seq_of, within};
use crate::SqliteReader;
use crate::codec;
use crate::moving::{Draft, Row};
use crate::restore::damaged;

/// Records that go in one transaction.
const PAGE: usize = 1_024;

/// Where each account's history is kept from now on, as far as it goes from here.
const NAME: &str = "UPDATE kraite.owners SET archive = $1 WHERE last_seq > 0";
const NAMED: &str = "SELECT count(*) FROM kraite.owners WHERE archive IS NOT NULL AND archive <> $1 AND kept > 1";
const KNOWN: &str = "SELECT count(*) FROM kraite.owners WHERE archive = $1";
const GONE: &str = "SELECT account, kept - 1 FROM kraite.owners WHERE kept > 1 ORDER BY account FOR UPDATE";
const OLD: &str = "SELECT (extract(epoch FROM now()) * 1000)::bigint - $1::bigint";
const KEPT: &str = "SELECT kept FROM kraite.owners WHERE account = $1";
const HOLD: &str = "SELECT kept, archive FROM kraite.owners WHERE account = $1 FOR UPDATE";
const REMOVE: &str = "DELETE FROM kraite.records WHERE account = $1 AND seq BETWEEN $2 AND $3";
const KEEP: &str = "UPDATE kraite.owners SET kept = $2 WHERE account = $1";

/// What was archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Archived {
    /// Accounts in the file.
    pub accounts: u64,
    /// Records in the file, those that were archived before included.
    pub records: u64,
    /// Records that the database does not have any more.
    pub removed: u64,
}

impl PostgresJournal {
    /// Copies the whole history of all accounts into a file, and removes from the database what of it is older than this
    /// and in front of the newest snapshot. Hosts go on meanwhile; what they and their successors start from stays.
    ///
    /// The next archive is made of this one: the same path again replaces the file by one that has everything, another path
    /// needs the older file to be readable. Whoever copies or moves the database reads it too, so it has to stay where it is.
    ///
    /// Killed at any moment this loses nothing. What it was writing is then beside the path as `FILE.archiving`; without
    /// that the same call goes on.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`] where something else is at the path or an archive with records that the
    /// database does not have (it was put back), an older archive cannot be read, or the role may
    /// not remove records (that of the workers may not): nothing was removed then. [`JournalError::Corrupt`] where a record
    /// is another one in the file.
    pub async fn archive(&self, file: impl AsRef<Path>, older_than: Duration) -> Result<Archived, JournalError> {
        let unfit = |error: std::io::Error| JournalError::Unavailable(format!("{}: {error}", file.as_ref().display()));
        let path = std::path::absolute(file.as_ref()).map_err(unfit)?;
        self.owned(move |store| async move { archive(&store, path, older_than).await }).await
    }
}

async fn archive(store: &Store, path: PathBuf, older_than: Duration) -> Result<Archived, JournalError> {
    let Some(place) = path.to_str().map(str::to_owned) else {
        return Err(JournalError::Unavailable(format!("{} is no text that a database can keep", path.display())));
    };
    let is_ours =
        transact(store, async |moment| Ok(column::<i64>(&within(moment.query_one(KNOWN, &[&place])).await?, 0)? > 0));
    if path.exists() && !is_ours.await? {
        return Err(JournalError::Unavailable(format!("{place} is there already, and is no archive of this database")));
    }
    let draft = Draft::beside(&path, ".archiving", "an archive was cut off, or is being made; remove it")?;
    let written = fill_all(store, draft).await?;
    if let Err(error) = keeps_all(&path, written.path()) {
        written.give_up();
        return Err(error);
    }
    // As long as an older archive somewhere else is needed it stays the one that is named, until this one is in its place.
    let elsewhere = transact(store, async |moment| {
        let row = within(moment.query_one(NAMED, &[&place])).await?;
        let others: i64 = column(&row, 0)?;
        if others == 0 {
            within(moment.execute(NAME, &[&place])).await?;
        }
        Ok(())
    });
    if let Err(error) = elsewhere.await {
        written.give_up();
        return Err(error);
    }
    let copied = written.place()?;
    let reader = SqliteReader::open(&path)?;
    let mut lasts = BTreeMap::new();
    for account in reader.accounts()? {
        lasts.insert(key(account), number(reader.last(account)?));
    }
    transact(store, async |moment| {
        for row in within(moment.query(GONE, &[])).await? {
            let (account, gone): (i64, i64) = (column(&row, 0)?, column(&row, 1)?);
            if lasts.get(&account).is_none_or(|last| *last < gone) {
                return Err(elsewhere_archived(store, account));
            }
        }
        within(moment.execute(NAME, &[&place])).await.map(drop)
    })
    .await?;
    let mut archived = Archived { accounts: copied.accounts, records: copied.records, removed: 0 };
    let before = transact(store, async |moment| {
        let row = within(moment.query_one(OLD, &[&milliseconds(older_than)])).await?;
        Ok(VenueMillis(column(&row, 0)?))
    });
    let before = before.await?;
    for account in reader.accounts()? {
        loop {
            let kept = transact(store, async |moment| {
                let row = within(moment.query_one(KEPT, &[&key(account)])).await?;
                Ok(seq_of(store, account, column(&row, 0)?)?)
            });
            let kept = kept.await?;
            let mut rows = reader.rows(account, kept.saturating_sub(1), PAGE)?;
            let old = rows.iter().take_while(|row| {
                codec::decode(account, row.seq, &row.body).is_ok_and(|record| record.at.venue < before)
            });
            rows.truncate(old.count());
            let removed = transact(store, async |moment| remove(store, moment, account, &rows, &place).await).await?;
            archived.removed += removed;
            if removed < PAGE as u64 {
                break;
            }
        }
    }
    Ok(archived)
}

/// Whether an archive that is to be replaced has nothing that the new one has not. It has where the database was put back
/// to before it: then the file alone says what came after.
fn keeps_all(old: &Path, new: &Path) -> Result<(), JournalError> {
    if !old.exists() {
        return Ok(());
    }
    let (old_reader, new_reader) = (SqliteReader::open(old)?, SqliteReader::open(new)?);
    for account in old_reader.accounts()? {
        let mut after = 0;
        loop {
            let rows = old_reader.rows(account, after, PAGE)?;
            let Some(last) = rows.last() else { break };
            if new_reader.rows(account, after, rows.len())? != rows {
                let why = format!(
                    "{} has records of account {account} from {} on that are not or not the same in the database, which \
                     was put back perhaps: keep the file, and archive into another one",
                    old.display(),
                    after + 1
                );
                return Err(JournalError::Unavailable(why));
            }
            after = last.seq;
        }
    }
    Ok(())
}

fn elsewhere_archived(store: &Store, account: i64) -> Failure {
    let why =
        format!("{}, account {account}: somebody else archives it meanwhile; nothing more was removed", store.place);
    JournalError::Unavailable(why).into()
}

/// Removes as many of these records as a start does not rest on.
async fn remove(
    store: &Store,
    moment: &deadpool_postgres::Transaction<'_>,
    account: AccountTag,
    rows: &[Row],
    place: &str,
) -> Result<u64, Failure> {
    let held = within(moment.query_one(HOLD, &[&key(account)])).await?;
    let (kept, archive): (u64, Option<String>) = (seq_of(store, account, column(&held, 0)?)?, column(&held, 1)?);
    let Some(snapshot) = within(moment.query_opt(NEWEST, &[&key(account)])).await? else { return Ok(0) };
    let (newest, body): (_, &[u8]) = (seq_of(store, account, column(&snapshot, 0)?)?, column(&snapshot, 1)?);
    // Without these records there is nothing else to start from.
    codec::decode_state(account, newest, body).map_err(|error| damaged(&store.place, account, newest, error))?;
    let count = rows.iter().take_while(|row| row.seq < newest).count();
    let rows = rows.get(..count).unwrap_or_default();
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(0) };
    if first.seq != kept || archive.as_deref() != Some(place) {
        return Err(elsewhere_archived(store, key(account)));
    }
    let (first, last) = (number(first.seq), number(last.seq));
    let found = within(moment.query(THERE, &[&key(account), &first, &last])).await?;
    if let Some(seq) = differs(rows, &found)? {
        let place = format!("{place}, account {account}, record {seq}");
        return Err(JournalError::Corrupt { place, reason: "it is another one in the database".into() }.into());
    }
    let removed = within(moment.execute(REMOVE, &[&key(account), &first, &last])).await?;
    if usize::try_from(removed) != Ok(rows.len()) {
        let why = format!("{}, account {account}: another number of records would have gone; none did", store.place);
        return Err(JournalError::Unavailable(why).into());
    }
    within(moment.execute(KEEP, &[&key(account), &(last + 1)])).await?;
    Ok(removed)
}
