//! History that a database keeps in a file: nothing is lost, nothing that a start rests on goes.
//!
//! `tests/postgres/run cargo test -p kraite-journal --features postgres --test archive -- --include-ignored`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::disallowed_methods, reason = "servers have no other clock")]

mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use kraite_core::engine::State;
use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::{Journal, JournalError, Record, Snapshot};
use kraite_core::time::VenueMillis;
use kraite_journal::{Archived, PostgresJournal, SqliteReader, StoredRecord};
use support::database::{Database, with};
use support::{account, record};

const DAY: Duration = Duration::from_secs(86_400);
const MONTH: Duration = Duration::from_secs(30 * 86_400);

/// As old as this.
fn aged(mut record: Record, age: Duration) -> Record {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    record.at.venue = VenueMillis(i64::try_from((now - age).as_millis()).unwrap());
    record
}

async fn write(journal: &PostgresJournal, n: u32, epoch: Epoch, seqs: std::ops::RangeInclusive<u64>, age: Duration) {
    for page in seqs.collect::<Vec<_>>().chunks(500) {
        let records: Vec<Record> = page.iter().map(|seq| aged(record(*seq, epoch), age)).collect();
        journal.append(account(n), &records).await.unwrap();
    }
}

async fn snapshot(journal: &PostgresJournal, n: u32, epoch: Epoch, seq: u64) {
    let state = State { seq, epoch, ..State::new(account(n)) };
    journal.save_snapshot(account(n), &Snapshot { seq, state }).await.unwrap();
}

/// Three accounts: 5,000 old records and 100 new ones behind a snapshot of 4,000; 300 old ones without a snapshot; 50 old
/// ones with a snapshot of the last.
async fn filled(database: &Database) -> (PostgresJournal, Vec<Epoch>) {
    let journal = database.journal().await;
    let mut epochs = Vec::new();
    for n in 1..=3 {
        epochs.push(journal.acquire(account(n)).await.unwrap());
    }
    write(&journal, 1, epochs[0], 1..=5_000, MONTH).await;
    write(&journal, 1, epochs[0], 5_001..=5_100, Duration::from_secs(60)).await;
    snapshot(&journal, 1, epochs[0], 4_000).await;
    write(&journal, 2, epochs[1], 1..=300, MONTH).await;
    write(&journal, 3, epochs[2], 1..=50, MONTH).await;
    snapshot(&journal, 3, epochs[2], 50).await;
    (journal, epochs)
}

async fn copy(journal: &PostgresJournal, file: PathBuf) -> Vec<(AccountTag, Vec<StoredRecord>, String)> {
    journal.copy_to(&file, None).await.unwrap();
    let reader = SqliteReader::open(&file).unwrap();
    let of = |account| {
        let records = reader.records(account, 0, usize::MAX).unwrap();
        (account, records, format!("{:?}", reader.load(account).unwrap()))
    };
    reader.accounts().unwrap().into_iter().map(of).collect()
}

async fn kept(database: &Database) -> Vec<String> {
    let kept = "(SELECT account, min(seq), max(seq), count(*) FROM kraite.records GROUP BY account)";
    database.rows(kept).await
}

async fn loads(journal: &PostgresJournal) -> Vec<String> {
    let mut loads = Vec::new();
    for n in 1..=3 {
        loads.push(format!("{:?}", journal.load(account(n)).await.unwrap()));
    }
    loads
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn s10_what_is_archived_is_still_there_for_whoever_reads_and_nobody_starts_from_anything_else() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::new().await);
    let place = |name: &str| folder.path().join(name);
    let (journal, epochs) = filled(&database).await;
    let (before, started) = (copy(&journal, place("before")).await, loads(&journal).await);

    let archived = journal.archive(place("archive"), DAY).await.unwrap();
    assert_eq!(archived, Archived { accounts: 3, records: 5_450, removed: 3_999 + 49 });
    assert_eq!(kept(&database).await, ["(1,4000,5100,1101)", "(2,1,300,300)", "(3,50,50,1)"]);
    assert_eq!(loads(&journal).await, started);
    assert!(copy(&journal, place("after")).await == before, "readers see everything");
    assert_eq!(SqliteReader::open(place("archive")).unwrap().records(account(1), 0, 9_999).unwrap().len(), 5_100);

    // Work goes on, and the next archive, under the same name, has what is new.
    write(&journal, 1, epochs[0], 5_101..=5_200, MONTH).await;
    snapshot(&journal, 1, epochs[0], 5_150).await;
    let before = copy(&journal, place("before-2")).await;
    let archived = journal.archive(place("archive"), DAY).await.unwrap();
    assert_eq!(
        archived,
        Archived { accounts: 3, records: 5_550, removed: 1_001 },
        "no further than the first young one"
    );
    assert_eq!(journal.archive(place("archive"), DAY).await.unwrap().removed, 0);
    // Under another name it is made of the first one, which is not needed any more afterwards.
    journal.archive(place("moved"), Duration::from_secs(1)).await.unwrap();
    std::fs::remove_file(place("archive")).unwrap();
    assert_eq!(kept(&database).await, ["(1,5150,5200,51)", "(2,1,300,300)", "(3,50,50,1)"]);
    assert!(copy(&journal, place("after-2")).await == before);

    // Whole accounts move with it, out and back in.
    journal.move_to(place("out")).await.unwrap();
    assert_eq!(database.journal().await.copy_from(place("out")).await.unwrap().records, 5_550);
    assert!(copy(&journal, place("after-3")).await.len() == 3);
    let epoch = journal.acquire(account(1)).await.unwrap();
    write(&journal, 1, epoch, 5_201..=5_201, DAY).await;
    assert_eq!(kept(&database).await, ["(1,5150,5201,52)", "(2,1,300,300)", "(3,50,50,1)"]);

    // Without the file readers say where it has to be, and a start needs none of it.
    std::fs::rename(place("moved"), place("gone")).unwrap();
    let error = journal.copy_to(place("x"), None).await.unwrap_err().to_string();
    assert!(error.contains("records 1 to 5149 of account 1 were archived into") && error.contains("/moved"), "{error}");
    assert!(!Path::new(&place("x")).exists());
    assert_eq!(journal.copy_to(place("two"), Some(account(2))).await.unwrap().records, 300);
    journal.load(account(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn s10_nothing_is_removed_that_is_not_in_the_file_byte_by_byte_nor_by_who_may_not() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::new().await);
    let place = |name: &str| folder.path().join(name);
    let (journal, _) = filled(&database).await;
    let before = kept(&database).await;
    // Something else is there already.
    std::fs::write(place("letters"), "dear diary").unwrap();
    let error = journal.archive(place("letters"), DAY).await.unwrap_err();
    assert!(error.to_string().contains("is no archive of this database"), "{error}");
    assert_eq!(std::fs::read_to_string(place("letters")).unwrap(), "dear diary");
    let error = journal.archive(place("nowhere").join("archive"), DAY).await.unwrap_err();
    assert!(matches!(error, JournalError::Unavailable(_)), "{error}");
    // Nothing is that old.
    assert_eq!(journal.archive(place("archive"), MONTH * 2).await.unwrap().removed, 0);
    assert_eq!(kept(&database).await, before);

    // A worker may add records and remove none.
    let role = format!("kraite_archivist_{}", std::process::id());
    database.run(&format!("CREATE ROLE {role} LOGIN PASSWORD 'p'")).await;
    journal.grant_to(&role).await.unwrap();
    let address = database.address();
    let (scheme, rest) = address.split_once("://").unwrap();
    let worker = with(&format!("{scheme}://{role}:p@{}", rest.split_once('@').unwrap().1), "application_name=worker");
    let worker = PostgresJournal::connect(&worker).await.unwrap();
    let error = worker.archive(place("archive"), DAY).await.unwrap_err();
    assert!(error.to_string().contains("permission denied for table records"), "{error}");
    assert_eq!(kept(&database).await, before);

    // Of a page that does not go whole nothing goes.
    database
        .run(
            "CREATE FUNCTION lies() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF OLD.account = 1 AND OLD.seq = 2000 THEN RETURN NULL; END IF; RETURN OLD; END $$;
             CREATE TRIGGER lies BEFORE DELETE ON kraite.records FOR EACH ROW EXECUTE FUNCTION lies()",
        )
        .await;
    let error = journal.archive(place("archive"), DAY).await.unwrap_err();
    assert!(error.to_string().contains("another number of records"), "{error}");
    assert_eq!(kept(&database).await[0], "(1,1025,5100,4076)", "whole pages go, and this one did not");
    database.run("DROP TRIGGER lies ON kraite.records").await;
    assert_eq!(journal.archive(place("archive"), DAY).await.unwrap().removed, 3_999 - 1_024 + 49);
    journal.load(account(1)).await.unwrap();
    database.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

/// The process dies at any moment: what the database lets go of is in the file, and the same call goes on.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn s10_an_archive_that_is_killed_at_any_moment_loses_nothing() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::new().await);
    let place = |name: &str| folder.path().join(name);
    let (journal, _) = filled(&database).await;
    let before = copy(&journal, place("before")).await;
    let mut cut = 0;
    for round in 0..60_u64 {
        let address = database.address();
        let archiving = database.journal().await;
        let file = place("archive");
        let task = tokio::spawn(async move { archiving.archive(file, DAY).await });
        tokio::time::sleep(Duration::from_micros(round * 900)).await;
        // Its sessions end in the middle of whatever they do, as they do when its process is killed.
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE application_name = 'kraite' AND datname = current_database()";
        support::database::client(&with(&address, "application_name=killer")).await.query(kill, &[]).await.unwrap();
        let ended = task.await.unwrap();
        cut += usize::from(ended.is_err());
        let _ = std::fs::remove_file(place("archive.archiving"));
        let seen = place(&format!("seen-{round}"));
        let reader = database.journal().await;
        assert!(copy(&reader, seen.clone()).await == before, "round {round}: {ended:?}");
        std::fs::remove_file(seen).unwrap();
        for n in 1..=3 {
            reader.load(account(n)).await.unwrap();
        }
    }
    println!("{cut} of 60 archives were cut off");
    assert!(cut > 5, "{cut}");
    journal.archive(place("archive"), DAY).await.unwrap();
    assert_eq!(kept(&database).await, ["(1,4000,5100,1101)", "(2,1,300,300)", "(3,50,50,1)"]);
}

/// A backup is put back from before the last archive: what only the file has is kept.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn s10_an_archive_that_has_more_than_a_database_that_was_put_back_is_not_replaced() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::new().await);
    let place = |name: &str| folder.path().join(name);
    let (journal, epochs) = filled(&database).await;
    journal.archive(place("archive"), DAY).await.unwrap();
    database.run("CREATE TABLE b_records AS TABLE kraite.records; CREATE TABLE b_owners AS TABLE kraite.owners").await;
    write(&journal, 2, epochs[1], 301..=310, MONTH).await;
    journal.archive(place("archive"), DAY).await.unwrap();
    let whole = std::fs::read(place("archive")).unwrap();
    database
        .run(
            "DELETE FROM kraite.records; INSERT INTO kraite.records TABLE b_records; DELETE FROM kraite.owners;
             INSERT INTO kraite.owners TABLE b_owners",
        )
        .await;
    let before = kept(&database).await;
    // Whoever goes on writes other records under the same numbers.
    let epoch = journal.acquire(account(2)).await.unwrap();
    for last in [300, 301, 312] {
        let error = journal.archive(place("archive"), DAY).await.unwrap_err().to_string();
        assert!(
            error.contains("of account 2 from 1 on that are not or not the same in the database"),
            "{last}: {error}"
        );
        assert!(std::fs::read(place("archive")).unwrap() == whole && !place("archive.archiving").exists());
        if last < 312 {
            write(&journal, 2, epoch, last + 1..=(if last == 300 { 301 } else { 312 }), DAY * 3).await;
        }
    }
    assert_eq!(kept(&database).await[0], before[0]);
    // Another file has what the database has, made of the first one.
    journal.archive(place("other"), DAY).await.unwrap();
    assert_eq!(SqliteReader::open(place("other")).unwrap().records(account(2), 0, 999).unwrap().len(), 312);
    assert!(std::fs::read(place("archive")).unwrap() == whole);
}
