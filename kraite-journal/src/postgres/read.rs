//! What is read: everything of one account as it is at one moment, and which accounts there are.

use deadpool_postgres::{Client, Transaction};
use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::{JournalError, Loaded};
use tokio_postgres::IsolationLevel;

use super::session::{Failure, Store, column, epoch_of, give_back, key, number, owner_of, seq_of, within};
use crate::restore::Restore;

/// Records that one answer holds at most, so that each is quick however long the history is.
pub(super) const PAGE: i64 = 4_096;

/// The snapshot that a start begins with.
pub(super) const NEWEST: &str = "SELECT seq, body FROM kraite.snapshots WHERE account = $1";

/// By one step in the index for each.
pub(super) const ACCOUNTS: &str = "
    WITH RECURSIVE known (account) AS (
        SELECT min(account) FROM kraite.records
        UNION ALL
        SELECT (SELECT min(r.account) FROM kraite.records r WHERE r.account > known.account) FROM known
        WHERE known.account IS NOT NULL
    ) SELECT account FROM known WHERE account IS NOT NULL";

pub(super) async fn load(store: &Store, account: AccountTag) -> Result<Loaded, JournalError> {
    let mut client = store.connection().await.map_err(|failure| failure.of_reading(store))?;
    let result = load_on(store, &mut client, account).await;
    give_back(client, &result);
    result.map_err(|failure| failure.of_reading(store))
}

async fn load_on(store: &Store, client: &mut Client, account: AccountTag) -> Result<Loaded, Failure> {
    // Somebody else may be writing meanwhile.
    let start = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start();
    let moment = within(start).await?;
    let mut restore = Restore::new(&store.place, account);
    if let Some(row) = within(moment.query_opt(NEWEST, &[&key(account)])).await? {
        restore.snapshot(seq_of(store, account, column(&row, 0)?)?, column(&row, 1)?)?;
    }
    let sql = "SELECT seq, epoch, body FROM kraite.records WHERE account = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    let statement = within(moment.prepare_cached(sql)).await?;
    loop {
        let rows = within(moment.query(&statement, &[&key(account), &number(restore.last()), &PAGE])).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let seq = seq_of(store, account, column(row, 0)?)?;
            restore.record(seq, epoch_of(store, account, column(row, 1)?)?, column(row, 2)?)?;
        }
    }
    is_whole(store, &moment, account, &restore).await?;
    within(moment.rollback()).await?;
    Ok(restore.finish())
}

/// The owner's row knows how far the records go and under which epochs they can be.
async fn is_whole(
    store: &Store,
    moment: &Transaction<'_>,
    account: AccountTag,
    restore: &Restore,
) -> Result<(), Failure> {
    let sql = "SELECT epoch, last_seq FROM kraite.owners WHERE account = $1";
    let row = within(moment.query_opt(sql, &[&key(account)])).await?;
    let (owner, last) = owner_of(store, account, row.as_ref())?;
    let corrupt =
        |reason: String| JournalError::Corrupt { place: format!("{}, account {account}", store.place), reason };
    if owner < restore.epoch() {
        let newest = restore.epoch();
        return Err(corrupt(format!("its owner has epoch {owner}, a record was written under {newest}")).into());
    }
    if last != restore.last() {
        let found = restore.last();
        return Err(corrupt(format!("its last record has to be {last}, the last one there is {found}")).into());
    }
    Ok(())
}

pub(super) async fn accounts(store: &Store) -> Result<Vec<AccountTag>, JournalError> {
    let client = store.connection().await.map_err(|failure| failure.of_reading(store))?;
    let result = within(client.query(ACCOUNTS, &[])).await;
    give_back(client, &result);
    let mut accounts = Vec::new();
    for row in result.map_err(|failure| failure.of_reading(store))? {
        let stored: i64 = column(&row, 0).map_err(|failure| failure.of_reading(store))?;
        accounts.extend(u32::try_from(stored).ok().and_then(AccountTag::new));
    }
    Ok(accounts)
}

pub(super) async fn owner(store: &Store, account: AccountTag) -> Result<Epoch, JournalError> {
    let client = store.connection().await.map_err(|failure| failure.of_reading(store))?;
    let sql = "SELECT epoch, last_seq FROM kraite.owners WHERE account = $1";
    let result = within(client.query_opt(sql, &[&key(account)])).await;
    give_back(client, &result);
    let owner = result.and_then(|row| owner_of(store, account, row.as_ref()));
    owner.map(|(epoch, _)| epoch).map_err(|failure| failure.of_reading(store))
}
