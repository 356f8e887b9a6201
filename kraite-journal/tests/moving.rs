//! A journal that moves from a file into PostgreSQL and back, and a database of an older version.
//!
//! `tests/postgres/run cargo test -p kraite-journal --features postgres --test moving -- --include-ignored`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::disallowed_methods, reason = "servers have no other clock")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// The first so many records of an account are those that the database has.
async fn is_prefix(journal: &PostgresJournal, copy: &SqliteReader, n: u32) -> u64 {
    let of = copy.records(account(n), 0, usize::MAX).unwrap();
    let whole = journal.load(account(n)).await.unwrap().records;
    assert!(of.iter().zip(&whole).all(|(copied, record)| copied.record == *record));
    assert_eq!(of.len().min(whole.len()), of.len());
    of.len() as u64
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_copy_is_of_one_moment_while_hosts_write_and_hinders_nobody() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::new().await);
    let place = |name: &str| folder.path().join(name);
    let journal = database.journal().await;
    let lease = Lease { term: Duration::from_secs(60), reach: Duration::from_secs(1) };
    let host = Host::begin(&journal, "h", "1", lease).await.unwrap();
    assert_eq!(host.claim(&[account(1), account(2)], 2).await.unwrap().len(), 2);
    let (working, ended) = (host.journal(), Arc::new(AtomicBool::new(false)));
    let epochs = [working.acquire(account(1)).await.unwrap(), working.acquire(account(2)).await.unwrap()];
    // Of the same number the first account's record is always there before the second one's.
    let writer = tokio::spawn({
        let ended = Arc::clone(&ended);
        async move {
            let mut next = 1;
            while next <= 9_000 || !ended.load(Ordering::Relaxed) {
                for (n, epoch) in (1..).zip(epochs) {
                    let records: Vec<Record> = (next..next + 100).map(|seq| record(seq, epoch)).collect();
                    working.append(account(n), &records).await.unwrap();
                }
                next += 100;
            }
            next - 1
        }
    });
    let mut copied = 0;
    let mut copies = 0;
    while copied < 9_000 {
        let path = place(&format!("copy{copies}"));
        let moved = journal.copy_to(&path, None).await.unwrap();
        let copy = SqliteReader::open(&path).unwrap();
        let (first, second) = (is_prefix(&journal, &copy, 1).await, is_prefix(&journal, &copy, 2).await);
        assert!(first == second || first == second + 100, "{first} and {second} were never there together");
        assert_eq!(moved.records, first + second);
        (copied, copies) = (first, copies + 1);
    }
    ended.store(true, Ordering::Relaxed);
    let last = writer.await.unwrap();
    println!("{copies} copies beside {last} records of each account");
    assert!(copies > 2, "nobody was writing meanwhile");
    assert_eq!(host.renew().await.unwrap().held, [account(1), account(2)], "the host has what it had");

    // One account, and its owner.
    assert_eq!(journal.copy_to(place("one"), Some(account(2))).await.unwrap(), Moved { accounts: 1, records: last });
    let one = SqliteReader::open(place("one")).unwrap();
    assert_eq!((one.accounts().unwrap(), one.owner(account(2)).unwrap()), (vec![account(2)], epochs[1]));
    assert_eq!(journal.owner(account(2)).await.unwrap(), epochs[1]);
    assert_eq!(journal.copy_to(place("none"), Some(account(7))).await.unwrap(), Moved::default());
    // What is there is not written over.
    let refused = journal.copy_to(place("one"), None).await.unwrap_err().to_string();
    assert!(refused.contains("is there already"), "{refused}");
    std::fs::write(place("cut.copying"), "x").unwrap();
    let refused = journal.copy_to(place("cut"), None).await.unwrap_err().to_string();
    assert!(refused.contains("a copy was cut off"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn s10_a_copy_has_snapshots_and_accounts_that_were_moved_away_and_no_damage() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::new().await);
    let (from, away) = (folder.path().join("from"), folder.path().join("away"));
    file(&from).await;
    let journal = database.journal().await;
    journal.copy_from(&from).await.unwrap();
    let copy = |name: &str| folder.path().join(name);
    journal.copy_to(copy("before"), None).await.unwrap();
    assert_eq!(everything(&copy("before")), everything(&from));
    journal.move_to(&away).await.unwrap();
    assert_eq!(journal.copy_to(copy("after"), None).await.unwrap(), Moved { accounts: 2, records: 9_002 });
    let (moved, copied) = (everything(&away), everything(&copy("after")));
    assert!(moved.iter().zip(&copied).all(|(moved, copied)| (&moved.1, &moved.2) == (&copied.1, &copied.2)));
    for (damage, words) in [
        ("UPDATE kraite.records SET body = body || 'x' WHERE account = 1 AND seq = 4097", "account 1, record 4097"),
        ("DELETE FROM kraite.records WHERE account = 1 AND seq = 5000", "record 5000: it is missing; 5001 comes next"),
        ("DELETE FROM kraite.records WHERE account = 1 AND seq = 9001", "has to be 9001, the last one there is 9000"),
        ("UPDATE kraite.owners SET last_seq = 8500 WHERE account = 1", "has to be 8500, the last one there is 9001"),
        ("UPDATE kraite.records SET epoch = epoch - 1 WHERE account = 1 AND seq = 3", "record 3: written under epoch"),
        ("UPDATE kraite.owners SET epoch = 1 WHERE account = 2", "its owner has epoch 1"),
        ("DELETE FROM kraite.owners WHERE account = 2", "account 2: it has records that no owner wrote"),
        ("UPDATE kraite.snapshots SET seq = 9002", "its snapshot includes record 9002"),
        ("UPDATE kraite.snapshots SET body = body || 'x'", "account 1, record 8000"),
    ] {
        let tables = ["owners", "records", "snapshots"];
        let keep: String = tables.iter().map(|t| format!("CREATE TABLE keep_{t} AS TABLE kraite.{t};")).collect();
        database.run(&format!("{keep}{damage}")).await;
        let refused = journal.copy_to(copy("damaged"), None).await.unwrap_err();
        assert!(matches!(refused, JournalError::Corrupt { .. }), "{damage}: {refused}");
        let refused = refused.to_string();
        assert!(refused.contains(words) && refused.contains("PostgreSQL"), "{damage}: {refused}");
        assert!(!copy("damaged").exists() && !copy("damaged.copying").exists());
        let back =
            |t: &&str| format!("DELETE FROM kraite.{t}; INSERT INTO kraite.{t} TABLE keep_{t}; DROP TABLE keep_{t};");
        database.run(&tables.iter().map(back).collect::<String>()).await;
    }
    assert_eq!(journal.copy_to(copy("whole"), None).await.unwrap().records, 9_002);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn whoever_looks_for_a_journal_makes_none() {
    let database = Database::new().await;
    let found = PostgresJournal::find(&database.address()).await.unwrap();
    assert!(found.journal.is_none() && found.server.starts_with(|first: char| first.is_ascii_digit()), "{found:?}");
    assert!(found.place.contains(&database.name) && !found.place.contains("kraite:"), "{found:?}");
    let schema = "(SELECT nspname FROM pg_namespace WHERE nspname = 'kraite')";
    assert_eq!(database.rows(schema).await, [""; 0]);
    database.run(include_str!("golden/postgres-1.sql")).await;
    let refused = PostgresJournal::find(&database.address()).await.unwrap_err().to_string();
    assert!(refused.contains("it is of version 1, and a kraite run makes it 3"), "{refused}");
    assert_eq!(database.rows("kraite.layouts").await.len(), 1);
    let journal = database.journal().await;
    let found = PostgresJournal::find(&database.address()).await.unwrap().journal.unwrap();
    assert_eq!(found.accounts().await.unwrap(), journal.accounts().await.unwrap());
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
