//! A journal that moves from a file into PostgreSQL and back, and a database of an older version.
//!
//! `tests/postgres/run cargo test -p kraite-journal --features postgres --test moving -- --include-ignored`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::disallowed_methods, reason = "servers have no other clock")]

mod support;

use std::path::Path;
use std::time::Duration;

use kraite_core::engine::State;
use kraite_core::id::Epoch;
use kraite_core::journal::{Journal, JournalError, Record, Snapshot};
use kraite_journal::{Host, Lease, Moved, PostgresJournal, SqliteJournal, SqliteReader, StoredRecord};
use support::database::Database;
use support::{account, record};

/// Three accounts: one with a long history of two owners and a snapshot, one with one record, one that was acquired and
/// has none.
async fn file(path: &Path) -> Vec<Epoch> {
    let journal = SqliteJournal::open(path).unwrap();
    let mut owners = Vec::new();
    let first = journal.acquire(account(1)).await.unwrap();
    for page in (1..=9_000_u64).collect::<Vec<_>>().chunks(500) {
        let records: Vec<Record> = page.iter().map(|seq| record(*seq, first)).collect();
        journal.append(account(1), &records).await.unwrap();
    }
    let second = journal.acquire(account(1)).await.unwrap();
    journal.append(account(1), &[record(9_001, second)]).await.unwrap();
    let state = State { seq: 8_000, epoch: first, ..State::new(account(1)) };
    journal.save_snapshot(account(1), &Snapshot { seq: 8_000, state }).await.unwrap();
    owners.push(second);
    let epoch = journal.acquire(account(2)).await.unwrap();
    journal.append(account(2), &[record(1, epoch)]).await.unwrap();
    owners.push(epoch);
    journal.acquire(account(3)).await.unwrap();
    owners
}

/// Everything that a file has.
fn everything(path: &Path) -> Vec<(Epoch, Vec<StoredRecord>, String)> {
    let reader = SqliteReader::open(path).unwrap();
    let accounts = reader.accounts().unwrap();
    let of = |account| {
        let records = reader.records(account, 0, usize::MAX).unwrap();
        (reader.owner(account).unwrap(), records, format!("{:?}", reader.load(account).unwrap()))
    };
    accounts.into_iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn s10_a_journal_that_moves_into_the_database_and_back_loses_no_record() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::new().await);
    let (from, back) = (folder.path().join("from"), folder.path().join("back"));
    let owners = file(&from).await;
    let before = everything(&from);
    let journal = database.journal().await;
    let moved = Moved { accounts: 2, records: 9_002 };
    assert_eq!(journal.copy_from(&from).await.unwrap(), moved);
    // Made again, because nobody knows whether it was made.
    assert_eq!(journal.copy_from(&from).await.unwrap(), moved);
    assert_eq!(everything(&from), before, "the file stays as it is");
    assert_eq!(journal.load(account(1)).await.unwrap(), SqliteReader::open(&from).unwrap().load(account(1)).unwrap());

    // Somebody works on it, under a higher epoch and with the next number.
    let epoch = journal.acquire(account(1)).await.unwrap();
    assert!(epoch > owners[0]);
    journal.append(account(1), &[record(9_002, epoch)]).await.unwrap();
    let refused = journal.copy_from(&from).await.unwrap_err().to_string();
    assert!(refused.contains("records up to 9002, the file up to 9001; nothing was copied"), "{refused}");

    assert_eq!(journal.move_to(&back).await.unwrap(), Moved { accounts: 2, records: 9_003 });
    let after = everything(&back);
    assert_eq!(after[0].1[..9_001], before[0].1[..]);
    assert_eq!(after[0].1[9_001].record, record(9_002, epoch));
    assert_eq!((after[0].0, &after[1]), (epoch, &before[1]));
    for refused in [
        journal.acquire(account(1)).await.unwrap_err(),
        journal.append(account(1), &[record(9_003, epoch)]).await.unwrap_err(),
        journal.move_to(folder.path().join("again")).await.unwrap_err(),
    ] {
        let closed = matches!(refused, JournalError::NotOwner { .. }) || refused.to_string().contains("was moved to");
        assert!(closed, "{refused}");
    }
    assert!(!folder.path().join("again.moving").exists() && !folder.path().join("again").exists());
    let lease = Lease { term: Duration::from_secs(60), reach: Duration::from_secs(1) };
    let host = Host::begin(&journal, "h", "1", lease).await.unwrap();
    assert_eq!(host.claim(&[account(1), account(2)], 2).await.unwrap(), [], "what was moved is nobody's");

    // The file goes on, and comes back.
    let file = SqliteJournal::open(&back).unwrap();
    let newer = file.acquire(account(1)).await.unwrap();
    file.append(account(1), &[record(9_003, newer)]).await.unwrap();
    drop(file);
    assert_eq!(journal.copy_from(&back).await.unwrap().records, 9_004);
    assert_eq!(host.claim(&[account(1)], 1).await.unwrap(), [account(1)]);
    let refused = journal.copy_from(&back).await.unwrap_err().to_string();
    assert!(refused.contains("host h works on it"), "{refused}");
    let refused = journal.move_to(folder.path().join("no")).await.unwrap_err().to_string();
    assert!(refused.contains("host h works on it; nothing was copied"), "{refused}");
    let left = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    assert!(left.into_iter().all(|name| !name.contains("moving")), "drafts do not stay");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn s10_what_does_not_fit_or_is_damaged_is_refused_whole() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::new().await);
    let path = folder.path().join("from");
    file(&path).await;
    let journal = database.journal().await;
    // Another history of an account.
    journal.acquire(account(2)).await.unwrap();
    let epoch = journal.acquire(account(2)).await.unwrap();
    journal.append(account(2), &[record(1, epoch)]).await.unwrap();
    let before = (database.rows("kraite.records").await, database.rows("kraite.owners").await);
    let refused = journal.copy_from(&path).await.unwrap_err().to_string();
    assert!(refused.contains("account 2: record 1 is another one in the database; nothing was copied"), "{refused}");
    assert_eq!((database.rows("kraite.records").await, database.rows("kraite.owners").await), before);
    // A file that breaks off.
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(folder.path().join("cut"), &bytes[..bytes.len() / 2]).unwrap();
    assert!(journal.copy_from(folder.path().join("cut")).await.is_err());
    assert!(journal.copy_from(folder.path().join("nothing")).await.unwrap_err().to_string().contains("does not exist"));
    assert_eq!((database.rows("kraite.records").await, database.rows("kraite.owners").await), before);
    // A place that is taken, and a draft that was left.
    let refused = journal.move_to(&path).await.unwrap_err().to_string();
    assert!(refused.contains("is there already"), "{refused}");
    std::fs::write(folder.path().join("to.moving"), "x").unwrap();
    let refused = journal.move_to(folder.path().join("to")).await.unwrap_err().to_string();
    assert!(refused.contains("a move was cut off"), "{refused}");
    // Damage in the database.
    database.run("UPDATE kraite.records SET body = body || 'x' WHERE account = 2").await;
    let refused = journal.move_to(folder.path().join("damaged")).await.unwrap_err();
    assert!(matches!(refused, JournalError::Corrupt { .. }), "{refused}");
    assert!(!folder.path().join("damaged").exists() && !folder.path().join("damaged.moving").exists());
    assert!(journal.acquire(account(2)).await.unwrap() > epoch, "it is not closed");
}

/// A database as the version before made it, with what it had.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_database_of_the_first_version_goes_on_as_it_is() {
    let database = Database::new().await;
    database.run(include_str!("golden/postgres-1.sql")).await;
    let journal = PostgresJournal::connect(&database.address()).await.unwrap();
    assert_eq!(database.rows("kraite.layouts").await.len(), 3);
    let epoch = journal.acquire(account(1)).await.unwrap();
    journal.append(account(1), &[record(1, epoch)]).await.unwrap();
    let lease = Lease { term: Duration::from_secs(60), reach: Duration::from_secs(1) };
    let host = Host::begin(&journal, "h", "1", lease).await.unwrap();
    assert_eq!(host.claim(&[account(1)], 1).await.unwrap(), [account(1)]);
}
