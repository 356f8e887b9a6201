//! The journal in PostgreSQL: what every journal promises, owners, kills, answers that are lost, damage, newer versions,
//! and who may do what.
//!
//! `tests/postgres/run cargo test -p kraite-journal --features postgres --test postgres -- --include-ignored`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::disallowed_methods, reason = "servers have no other clock")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use kraite_core::engine::State;
use kraite_core::id::Epoch;
use kraite_core::journal::{Durable, Journal, JournalError, Record, Snapshot};
use kraite_journal::conformance::judge;
use kraite_journal::{PostgresJournal, encode};
use support::database::{Database, client, server, with};
use support::{account, record};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

fn run(numbers: impl IntoIterator<Item = u64>, epoch: Epoch) -> Vec<Record> {
    numbers.into_iter().map(|seq| record(seq, epoch)).collect()
}

async fn numbers(journal: &PostgresJournal, of: u32) -> Vec<u64> {
    journal.load(account(of)).await.unwrap().records.iter().map(|record| record.seq).collect()
}

/// A journal with 20 records of each of two accounts; the first has a snapshot of 15.
async fn filled() -> (Database, PostgresJournal) {
    let database = Database::new().await;
    let journal = database.journal().await;
    for n in 1..=2 {
        let epoch = journal.acquire(account(n)).await.unwrap();
        journal.append(account(n), &run(1..=20, epoch)).await.unwrap();
    }
    let state = State { seq: 15, ..State::new(account(1)) };
    journal.save_snapshot(account(1), &Snapshot { seq: 15, state }).await.unwrap();
    (database, journal)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn it_keeps_every_promise_of_a_journal() {
    let databases: std::sync::Mutex<BTreeMap<u32, Arc<Database>>> = std::sync::Mutex::default();
    let runtime = tokio::runtime::Handle::current();
    let open = |number: u32| {
        tokio::task::block_in_place(|| {
            runtime.block_on(async {
                let known = databases.lock().unwrap().get(&number).cloned();
                let database = match known {
                    Some(database) => database,
                    None => Arc::new(Database::new().await),
                };
                databases.lock().unwrap().insert(number, Arc::clone(&database));
                let journal = PostgresJournal::connect(&database.address()).await;
                journal.map(|journal| Arc::new(journal) as Arc<dyn Journal>).map_err(|error| error.to_string())
            })
        })
    };
    let verdict = judge(&open).await;
    assert!(verdict.holds(), "in PostgreSQL\n{verdict}");
    assert_eq!(databases.lock().unwrap().len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn of_two_owners_the_deposed_one_cannot_append_and_nothing_of_it_is_there() {
    let database = Database::new().await;
    let (first, second) = (database.journal().await, database.journal().await);
    let old = first.acquire(account(1)).await.unwrap();
    first.append(account(1), &run(1..=2, old)).await.unwrap();
    let new = second.acquire(account(1)).await.unwrap();
    assert!(new > old);
    let before = (database.rows("kraite.records").await, database.rows("kraite.owners").await);
    let refused = Err(JournalError::NotOwner { account: account(1), owner: new, ours: old });
    assert_eq!(first.append(account(1), &[record(3, old)]).await, refused);
    assert_eq!(first.append(account(1), &run(3..=9, old)).await, refused);
    assert_eq!((database.rows("kraite.records").await, database.rows("kraite.owners").await), before);
    assert_eq!(second.append(account(1), &[record(3, new)]).await.unwrap().seq, 3);
    assert_eq!(first.append(account(1), &[record(4, old)]).await, refused);
    assert_eq!(numbers(&second, 1).await, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn whoever_becomes_owner_in_the_middle_ends_what_the_one_before_writes() {
    let database = Database::new().await;
    let (first, second) = (database.journal().await, database.journal().await);
    let mut last = 0;
    for _ in 0..30 {
        let old = first.acquire(account(1)).await.unwrap();
        let writer = {
            let first = first.clone();
            tokio::spawn(async move {
                for seq in last + 1.. {
                    if let Err(error) = first.append(account(1), &[record(seq, old)]).await {
                        return (seq - 1, error);
                    }
                }
                unreachable!()
            })
        };
        tokio::time::sleep(Duration::from_millis(20)).await;
        let new = second.acquire(account(1)).await.unwrap();
        let there = numbers(&second, 1).await;
        let ended = tokio::time::timeout(Duration::from_secs(20), writer).await;
        let (durable, error) = ended.expect("the deposed one is refused").unwrap();
        assert_eq!(error, JournalError::NotOwner { account: account(1), owner: new, ours: old });
        assert_eq!(
            there,
            (1..=durable).collect::<Vec<_>>(),
            "what is there when somebody owns it is all there will be"
        );
        last = durable;
    }
    assert_eq!(numbers(&first, 1).await, (1..=last).collect::<Vec<_>>());
    assert!(last >= 30, "{last}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn of_two_writers_under_one_epoch_one_gets_each_number() {
    let database = Database::new().await;
    let journals = [database.journal().await, database.journal().await];
    let epoch = journals[0].acquire(account(1)).await.unwrap();
    for seq in 1..=40 {
        let append = |n: usize| {
            let journal = journals[n].clone();
            tokio::spawn(async move { journal.append(account(1), &[record(seq, epoch)]).await })
        };
        let (one, other) = (append(0), append(1));
        let verdicts = [one.await.unwrap(), other.await.unwrap()];
        let refused = Err(JournalError::OutOfSequence { account: account(1), expected: seq + 1, got: seq });
        assert_eq!(verdicts.iter().filter(|verdict| verdict.is_ok()).count(), 1, "{verdicts:?}");
        assert!(verdicts.contains(&refused), "{verdicts:?}");
    }
    assert_eq!(numbers(&journals[0], 1).await, (1..=40).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_run_that_is_refused_leaves_none_of_it() {
    let database = Database::new().await;
    let journal = database.journal().await;
    let epoch = journal.acquire(account(1)).await.unwrap();
    journal.append(account(1), &run(1..=3, epoch)).await.unwrap();
    let before = (database.rows("kraite.records").await, database.rows("kraite.owners").await);
    for (wrong, got) in [(5..=9, 5), (3..=6, 3), (1..=4, 1)] {
        let refused = Err(JournalError::OutOfSequence { account: account(1), expected: 4, got });
        assert_eq!(journal.append(account(1), &run(wrong, epoch)).await, refused);
    }
    let strange = journal.append(account(9), &run(1..=3, epoch)).await;
    assert_eq!(strange, Err(JournalError::NotOwner { account: account(9), owner: Epoch::default(), ours: epoch }));
    // One that fails half way: the last of its records is already there, and the account's row does not know it.
    let squatter = "INSERT INTO kraite.records VALUES (1, 6, 1, 'x')";
    database.run(squatter).await;
    let failed = journal.append(account(1), &run(4..=6, epoch)).await;
    assert!(matches!(&failed, Err(JournalError::Write(why)) if why.contains("nothing was written")), "{failed:?}");
    database.run("DELETE FROM kraite.records WHERE seq = 6").await;
    assert_eq!((database.rows("kraite.records").await, database.rows("kraite.owners").await), before);
    journal.append(account(1), &run(4..=6, epoch)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn s10_what_was_promised_is_there_once_and_in_order_though_connections_are_killed_in_the_middle() {
    let database = Database::new().await;
    let name = format!("victim_{}", database.name);
    let journal =
        PostgresJournal::connect(&with(&database.address(), &format!("application_name={name}"))).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let killer = {
        let (done, client) = (Arc::clone(&done), client(&server()).await);
        tokio::spawn(async move {
            let (sql, mut killed, mut round) = (
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE application_name = $1 AND state = 'active'",
                0_i64,
                0_u64,
            );
            while !done.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_micros(20_000 + round * 7_919 % 23_000)).await;
                killed += client.query_one(sql, &[&name]).await.unwrap().get::<_, i64>(0);
                round += 1;
            }
            killed
        })
    };
    let mut promised: BTreeMap<u64, Record> = BTreeMap::new();
    let (mut broken, mut owners) = (0, 0);
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(25) {
        let (Ok(epoch), Ok(loaded)) = (journal.acquire(account(1)).await, journal.load(account(1)).await) else {
            continue;
        };
        owners += 1;
        let mut next = loaded.records.last().map_or(0, |record| record.seq) + 1;
        while begun.elapsed() < Duration::from_secs(25) {
            let records = run(next..=next + next % 3, epoch);
            match journal.append(account(1), &records).await {
                Ok(durable) => {
                    let last = next + next % 3;
                    assert_eq!(durable, Durable { account: account(1), epoch, seq: last });
                    next = last + 1;
                    promised.extend(records.into_iter().map(|record| (record.seq, record)));
                }
                Err(JournalError::Write(_)) => {
                    broken += 1;
                    break;
                }
                Err(error) => panic!("nobody else owns it: {error}"),
            }
        }
    }
    done.store(true, Ordering::Relaxed);
    let killed = killer.await.unwrap();
    let loaded = database.journal().await.load(account(1)).await.unwrap().records;
    assert!(loaded.iter().zip(1..).all(|(record, seq)| record.seq == seq), "once and in order");
    for (seq, record) in &promised {
        assert_eq!(loaded.get(usize::try_from(*seq).unwrap() - 1), Some(record));
    }
    println!(
        "{} records promised, {killed} connections killed, {broken} appends gave up, {owners} owners",
        promised.len()
    );
    assert!(promised.len() > 100 && killed > 10, "{} promised, {killed} killed", promised.len());
}

/// What a proxy does with what comes from now on.
const PASS: u32 = 0;
/// What the client sends is thrown away and its connection ends; the next one passes.
const LOSE_REQUEST: u32 = 1;
/// What the client sends arrives, what the server answers is thrown away and the connection ends; the next one passes.
const LOSE_ANSWER: u32 = 2;

/// A way to the server on which things are lost.
struct Proxy {
    address: String,
    mode: Arc<AtomicU32>,
}

impl Proxy {
    async fn new(database: &Database) -> Self {
        let config: Config = database.address().parse().unwrap();
        let Some(Host::Tcp(host)) = config.get_hosts().first() else { panic!("the server is reached by TCP") };
        let server = format!("{host}:{}", config.get_ports()[0]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mode = Arc::new(AtomicU32::new(PASS));
        let password = String::from_utf8(config.get_password().unwrap_or_default().to_vec()).unwrap();
        let user = config.get_user().unwrap();
        let address = format!("postgres://{user}:{password}@127.0.0.1:{port}/{}", database.name);
        let shared = Arc::clone(&mode);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server.clone(), Arc::clone(&shared)));
            }
        });
        Self { address, mode }
    }

    fn next(&self, mode: u32) {
        self.mode.store(mode, Ordering::SeqCst);
    }

    /// Waits until something was lost.
    async fn lost(&self) {
        while self.mode.load(Ordering::SeqCst) != PASS {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn pass(mut client: TcpStream, server: String, mode: Arc<AtomicU32>) {
    let mut server = TcpStream::connect(server).await.unwrap();
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            biased;
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                match mode.load(Ordering::SeqCst) {
                    LOSE_REQUEST => {
                        mode.store(PASS, Ordering::SeqCst);
                        return;
                    }
                    LOSE_ANSWER => {
                        server.write_all(&asked[..length]).await.unwrap();
                        assert!(server.read(&mut answered).await.unwrap() > 0);
                        mode.store(PASS, Ordering::SeqCst);
                        return;
                    }
                    _ => server.write_all(&asked[..length]).await.unwrap(),
                }
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// A journal behind a proxy, one record in it, and every statement that an append needs prepared: what it sends next is
/// the append itself.
async fn behind_a_proxy() -> (Database, Proxy, PostgresJournal, Epoch) {
    let database = Database::new().await;
    let proxy = Proxy::new(&database).await;
    let journal = PostgresJournal::connect(&proxy.address).await.unwrap();
    let epoch = journal.acquire(account(1)).await.unwrap();
    journal.append(account(1), &[record(1, epoch)]).await.unwrap();
    (database, proxy, journal, epoch)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn an_append_whose_answer_is_lost_is_durable_when_it_is_there_whole() {
    let (_database, proxy, journal, epoch) = behind_a_proxy().await;
    let mut next = 2;
    for length in [1, 3, 40] {
        proxy.next(LOSE_ANSWER);
        let last = next + length - 1;
        let durable = journal.append(account(1), &run(next..=last, epoch)).await;
        assert_eq!(durable, Ok(Durable { account: account(1), epoch, seq: last }));
        proxy.lost().await;
        assert_eq!(numbers(&journal, 1).await, (1..=last).collect::<Vec<_>>());
        // The statements of the connection that comes next.
        journal.append(account(1), &[record(last + 1, epoch)]).await.unwrap();
        next = last + 2;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn an_append_that_is_lost_and_may_still_come_is_no_success_and_no_refusal() {
    let (_database, proxy, journal, epoch) = behind_a_proxy().await;
    proxy.next(LOSE_REQUEST);
    let lost = journal.append(account(1), &[record(2, epoch)]).await;
    assert!(matches!(&lost, Err(JournalError::Write(why)) if why.contains("may still come")), "{lost:?}");
    assert_eq!(numbers(&journal, 1).await, [1]);
    let new = journal.acquire(account(1)).await.unwrap();
    journal.append(account(1), &[record(2, new)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn an_append_that_is_lost_and_can_never_come_is_refused_for_its_reason() {
    let (database, proxy, journal, epoch) = behind_a_proxy().await;
    let other = database.journal().await;
    let append = |records: Vec<Record>| {
        let journal = journal.clone();
        tokio::spawn(async move { journal.append(account(1), &records).await })
    };
    // Somebody else writes the number under the same epoch.
    proxy.next(LOSE_REQUEST);
    let lost = append(run(2..=3, epoch));
    proxy.lost().await;
    let different = Record { events: Vec::new(), ..record(2, epoch) };
    assert_ne!(different, record(2, epoch));
    other.append(account(1), std::slice::from_ref(&different)).await.unwrap();
    let refused = JournalError::OutOfSequence { account: account(1), expected: 3, got: 2 };
    assert_eq!(lost.await.unwrap(), Err(refused));
    assert_eq!(other.load(account(1)).await.unwrap().records, [record(1, epoch), different]);
    // Somebody else owns the account.
    journal.append(account(1), &[record(3, epoch)]).await.unwrap();
    proxy.next(LOSE_REQUEST);
    let lost = append(run(4..=4, epoch));
    proxy.lost().await;
    let new = other.acquire(account(1)).await.unwrap();
    assert_eq!(lost.await.unwrap(), Err(JournalError::NotOwner { account: account(1), owner: new, ours: epoch }));
    assert_eq!(numbers(&other, 1).await, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn an_append_that_is_killed_while_it_waits_is_not_there() {
    let database = Database::new().await;
    let journal = database.journal().await;
    let epoch = journal.acquire(account(1)).await.unwrap();
    journal.append(account(1), &[record(1, epoch)]).await.unwrap();
    let mut holder = database.client().await;
    let holding = holder.transaction().await.unwrap();
    holding.execute("SELECT FROM kraite.owners WHERE account = 1 FOR UPDATE", &[]).await.unwrap();
    let waiting = {
        let journal = journal.clone();
        tokio::spawn(async move { journal.append(account(1), &run(2..=4, epoch)).await })
    };
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let killer = database.client().await;
    while killer.query_one(kill, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    holding.rollback().await.unwrap();
    let killed = waiting.await.unwrap();
    assert!(matches!(&killed, Err(JournalError::Write(why)) if why.contains("may still come")), "{killed:?}");
    assert_eq!(numbers(&journal, 1).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn an_append_that_is_held_up_for_long_says_that_nothing_was_written() {
    let database = Database::new().await;
    let journal = database.journal().await;
    let epoch = journal.acquire(account(1)).await.unwrap();
    let mut holder = database.client().await;
    let holding = holder.transaction().await.unwrap();
    holding.execute("SELECT FROM kraite.owners WHERE account = 1 FOR UPDATE", &[]).await.unwrap();
    let held = journal.append(account(1), &[record(1, epoch)]).await;
    assert!(matches!(&held, Err(JournalError::Write(why)) if why.contains("nothing was written")), "{held:?}");
    holding.rollback().await.unwrap();
    journal.append(account(1), &[record(1, epoch)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_newer_schema_is_refused_untouched() {
    let (database, journal) = filled().await;
    drop(journal);
    database.run("INSERT INTO kraite.layouts (version) VALUES (7)").await;
    let everything = || async {
        let mut all = Vec::new();
        for table in ["layouts", "owners", "records", "snapshots", "hosts", "quiets"] {
            all.extend(database.rows(&format!("kraite.{table}")).await);
        }
        let columns = "(SELECT table_name, column_name, data_type FROM information_schema.columns
                        WHERE table_schema = 'kraite')";
        all.extend(database.rows(columns).await);
        all
    };
    let before = everything().await;
    let error = PostgresJournal::connect(&database.address()).await.unwrap_err();
    assert!(matches!(&error, JournalError::TooNew { found: 7, known: 3, .. }), "{error:?}");
    assert!(error.to_string().contains(&database.name), "{error}");
    assert_eq!(everything().await, before);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn first_starts_at_once_share_one_schema() {
    for _ in 0..5 {
        let database = Database::new().await;
        let starts: Vec<_> = (1..=6)
            .map(|n| {
                let address = database.address();
                tokio::spawn(async move {
                    let journal = PostgresJournal::connect(&address).await?;
                    let epoch = journal.acquire(account(n)).await?;
                    journal.append(account(n), &[record(1, epoch)]).await
                })
            })
            .collect();
        for start in starts {
            start.await.unwrap().unwrap();
        }
        assert_eq!(database.journal().await.accounts().await.unwrap().len(), 6);
        assert_eq!(database.rows("kraite.layouts").await.len(), 3, "each version once");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_schema_of_that_name_that_is_none_of_ours_is_left_alone() {
    let database = Database::new().await;
    database.run("CREATE SCHEMA kraite; CREATE TABLE kraite.owners (pet text)").await;
    let error = PostgresJournal::connect(&database.address()).await.unwrap_err();
    assert!(matches!(error, JournalError::Unavailable(_)), "{error:?}");
    let tables = "(SELECT table_name FROM information_schema.tables WHERE table_schema = 'kraite')";
    assert_eq!(database.rows(tables).await, ["(owners)"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn damage_is_told_with_its_place() {
    for (damage, place) in [
        (
            "UPDATE kraite.records SET body = set_byte(body, 6, get_byte(body, 6) # 16) WHERE account = 2 AND seq = 7",
            "account 2, record 7",
        ),
        ("UPDATE kraite.records SET body = '' WHERE account = 1 AND seq = 20", "account 1, record 20"),
        ("UPDATE kraite.records SET epoch = epoch + 1 WHERE account = 2 AND seq = 3", "account 2, record 3"),
        ("DELETE FROM kraite.records WHERE account = 1 AND seq = 18", "account 1, record 18"),
        ("DELETE FROM kraite.records WHERE account = 2 AND seq > 18", "account 2"),
        ("UPDATE kraite.snapshots SET body = set_byte(body, 8, get_byte(body, 8) # 1)", "account 1, record 15"),
        ("UPDATE kraite.owners SET epoch = 2 WHERE account = 2", "account 2"),
        ("DELETE FROM kraite.owners WHERE account = 1", "account 1"),
    ] {
        let (database, journal) = filled().await;
        assert!(journal.load(account(1)).await.is_ok() && journal.load(account(2)).await.is_ok());
        database.run(damage).await;
        let told = [journal.load(account(1)).await, journal.load(account(2)).await];
        let errors: Vec<_> = told.into_iter().filter_map(Result::err).collect();
        let [error] = errors.as_slice() else { panic!("{damage}: {errors:?}") };
        let named = |told: &str| told.contains(place) && told.contains(&database.name);
        assert!(matches!(error, JournalError::Corrupt { place, .. } if named(place)), "{damage}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn the_bytes_are_those_of_every_other_store() {
    let (database, journal) = filled().await;
    let epoch = journal.load(account(2)).await.unwrap().records[0].epoch;
    let rows = database
        .client()
        .await
        .query("SELECT seq, body FROM kraite.records WHERE account = 2 ORDER BY seq", &[])
        .await
        .unwrap();
    assert_eq!(rows.len(), 20);
    for row in rows {
        let (seq, body): (i64, Vec<u8>) = (row.get(0), row.get(1));
        assert_eq!(body, encode(account(2), &record(u64::try_from(seq).unwrap(), epoch)).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_long_history_is_loaded_whole() {
    let database = Database::new().await;
    let journal = database.journal().await;
    let epoch = journal.acquire(account(1)).await.unwrap();
    for first in (1..=9_000).step_by(1_000) {
        journal.append(account(1), &run(first..first + 1_000, epoch)).await.unwrap();
    }
    assert_eq!(journal.load(account(1)).await.unwrap().records, run(1..=9_000, epoch));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn what_a_database_has_as_its_defaults_changes_no_promise() {
    let database = Database::new().await;
    let name = &database.name;
    database
        .run(&format!(
            "ALTER DATABASE {name} SET synchronous_commit = off;
             ALTER DATABASE {name} SET default_transaction_isolation = serializable"
        ))
        .await;
    let journal = database.journal().await;
    database
        .run(
            "CREATE FUNCTION public.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF current_setting('synchronous_commit') <> 'on' OR current_setting('fsync') <> 'on'
                     OR current_setting('transaction_isolation') <> 'read committed' THEN
                     RAISE EXCEPTION 'not durable';
                 END IF;
                 RETURN NEW;
             END $$;
             CREATE TRIGGER look BEFORE INSERT ON kraite.records FOR EACH ROW EXECUTE FUNCTION public.look();
             CREATE TRIGGER look BEFORE INSERT OR UPDATE ON kraite.owners FOR EACH ROW EXECUTE FUNCTION public.look()",
        )
        .await;
    let epoch = journal.acquire(account(1)).await.unwrap();
    journal.append(account(1), &[record(1, epoch)]).await.unwrap();
    // The check can fail.
    let failure = database.client().await.execute("UPDATE kraite.owners SET epoch = epoch", &[]).await.unwrap_err();
    assert!(failure.as_db_error().is_some_and(|told| told.message() == "not durable"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_role_that_was_granted_the_journal_adds_records_and_changes_none() {
    let (database, journal) = filled().await;
    let role = format!("worker_\"{}", database.name);
    let quoted = format!("\"{}\"", role.replace('"', "\"\""));
    database.run(&format!("CREATE ROLE {quoted} LOGIN PASSWORD 'wordofworker'")).await;
    let mut config: Config = database.address().parse().unwrap();
    config.user(&role).password("wordofworker");
    let Some(Host::Tcp(host)) = config.get_hosts().first() else { panic!("the server is reached by TCP") };
    let user = role.replace('"', "%22");
    let address = format!("postgres://{user}:wordofworker@{host}:{}/{}", config.get_ports()[0], database.name);

    let stranger = PostgresJournal::connect(&address).await.unwrap_err();
    assert!(stranger.to_string().contains("permission denied"), "{stranger}");
    database.run(&format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {quoted}")).await;
    // What was granted too widely before is taken back.
    database.run(&format!("GRANT ALL ON ALL TABLES IN SCHEMA kraite TO {quoted}")).await;
    for _ in 0..2 {
        journal.grant_to(&role).await.unwrap();
    }
    let worker = PostgresJournal::connect(&address).await.unwrap();
    let epoch = worker.acquire(account(1)).await.unwrap();
    worker.append(account(1), &run(21..=25, epoch)).await.unwrap();
    let state = State { seq: 22, ..State::new(account(1)) };
    worker.save_snapshot(account(1), &Snapshot { seq: 22, state }).await.unwrap();
    assert_eq!(numbers(&worker, 1).await, [23, 24, 25]);
    assert_eq!(worker.accounts().await.unwrap(), [account(1), account(2)]);
    let before = database.rows("kraite.records").await;
    let hands = client(&address).await;
    for sql in [
        "UPDATE kraite.records SET body = ''",
        "UPDATE kraite.records SET epoch = epoch",
        "DELETE FROM kraite.records",
        "TRUNCATE kraite.records",
        "DELETE FROM kraite.owners",
        "DROP TABLE kraite.records",
        "INSERT INTO kraite.layouts (version) VALUES (9)",
    ] {
        let refused = hands.batch_execute(sql).await.unwrap_err();
        assert_eq!(refused.code().map(|code| code.code()), Some("42501"), "{sql}: {refused:?}");
    }
    assert_eq!(database.rows("kraite.records").await, before);

    let everything: Config = server().parse().unwrap();
    let owner = journal.grant_to(everything.get_user().unwrap()).await.unwrap_err();
    assert!(owner.to_string().contains("could change records all the same"), "{owner}");
    assert!(journal.grant_to("nobody of that name").await.unwrap_err().to_string().contains("does not exist"));
    let no_owner = worker.grant_to(&role).await.unwrap_err();
    assert!(no_owner.to_string().contains("only the owner of the tables"), "{no_owner}");
    journal.acquire(account(1)).await.unwrap();
    drop((worker, hands));
    database.run(&format!("DROP OWNED BY {quoted}; DROP ROLE {quoted}")).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_password_that_is_refused_is_not_told() {
    let mut config: Config = server().parse().unwrap();
    config.password("never5eenAgain");
    let Some(Host::Tcp(host)) = config.get_hosts().first() else { panic!("the server is reached by TCP") };
    let (user, port) = (config.get_user().unwrap(), config.get_ports()[0]);
    let address = format!("postgres://{user}:never5eenAgain@{host}:{port}/postgres");
    let error = PostgresJournal::connect(&address).await.unwrap_err();
    assert!(error.to_string().contains("password authentication failed"), "{error}");
    assert!(!format!("{error} {error:?}").contains("5een"), "{error:?}");
    let (_database, journal) = filled().await;
    let config: Config = server().parse().unwrap();
    let password = String::from_utf8(config.get_password().unwrap().to_vec()).unwrap();
    assert!(format!("{journal:?}").contains("PostgreSQL kraite_test"), "{journal:?}");
    assert!(!format!("{journal:?}").contains(&password));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_leads_nowhere_is_told_without_its_password() {
    for address in [
        "postgres://me:5ecret@127.0.0.1:1/none",
        "host=127.0.0.1 port=1 user=me password=5ecret dbname=none",
        "postgres://me:5@5ecret@127.0.0.1:1/none",
        "postgres://me:a/@5ecret/b@127.0.0.1:1/none",
        "postgres://me:5ecret@127.0.0.1:port/none",
        "postgres://me:x@5ecret:5ecret@127.0.0.1/none",
        "postgres://me:x@y?5ecret=@127.0.0.1/none",
        "host=127.0.0.1 port=1 password=a 5ecret user=me",
        "5ecret",
    ] {
        let error = PostgresJournal::connect(address).await.unwrap_err();
        assert!(matches!(error, JournalError::Unavailable(_)), "{address}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("5ecret"), "{address}: {error:?}");
    }
}

#[test]
fn without_a_runtime_nothing_panics() {
    let error = support::now(PostgresJournal::connect("postgres://me@127.0.0.1:1/none")).unwrap_err();
    assert!(error.to_string().contains("tokio runtime"), "{error}");
}

/// `KRAITE_POOLER=transaction tests/postgres/run` runs this one: a commit through such a pooler could be one that is not
/// waited for.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PgBouncer that pools by transaction"]
async fn i10_a_pooler_that_lends_sessions_by_the_transaction_is_refused() {
    for _ in 0..5 {
        let error = PostgresJournal::connect(&support::database::server()).await.unwrap_err();
        assert!(error.to_string().contains("let it pool by session, or name the server itself"), "{error}");
    }
}

/// `KRAITE_STANDBY=1 tests/postgres/run` has one: everything else here runs on it too.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_server_that_is_to_have_a_standby_waits_for_it() {
    if std::env::var("KRAITE_STANDBY").is_err() {
        return;
    }
    let database = Database::new().await;
    database.journal().await.acquire(account(1)).await.unwrap();
    let standbys =
        "(SELECT application_name, sync_state, replay_lsn >= pg_current_wal_flush_lsn() - 1 FROM pg_stat_replication)";
    assert!(database.rows(standbys).await.iter().any(|row| row.starts_with("(standby,sync,")), "it does not follow");
}
