//! P16: what PostgreSQL commits in a second, beside what its disk syncs; and what a commit costs with ever more accounts.
//!
//!     tests/postgres/run cargo bench -p kraite-journal --features postgres --bench postgres
//!
//! Server, writers and yardstick share the machine, so that all of it is time on the wall, in rounds that take turns. The
//! yardstick overwrites 8 KiB of a file that is there already and syncs it, in the temporary folder, where the server's
//! files are too.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "a server has no other clock")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::{Journal as _, Record};
use kraite_journal::{PostgresJournal, encode};
use support::database::Database;
use support::{account, rules_record};
use tokio::runtime::Builder;

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const WRITERS: usize = 16;
/// What the server writes at once.
const PAGE: usize = 8_192;

fn main() {
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir_in("/tmp").expect("a temporary folder");
    let bytes = encode(account(1), &rules_record(1, Epoch::default())).expect("a record").len();
    println!("one record in a commit, {bytes} bytes; median of {ROUNDS} rounds of {} s", ROUND.as_secs());
    runtime.block_on(async {
        let database = Database::new().await;
        let journal = database.journal().await;
        let owned = owned(&journal, 1..=u32::try_from(WRITERS).expect("small")).await;
        let one = vec![owned.first().expect("there are some").clone()];
        let (mut syncs, mut alone, mut many, mut groups) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let path = folder.path().join("yardstick");
            syncs.push(tokio::task::spawn_blocking(move || raw_syncs(&path)).await.expect("it ends"));
            alone.push(commits(&journal, &one, 1, 1).await);
            many.push(commits(&journal, &owned, WRITERS, 1).await);
            groups.push(commits(&journal, &owned, WRITERS, 16).await);
        }
        let (syncs, alone, many, groups) = (median(syncs), median(alone), median(many), median(groups));
        println!("{:<34} {syncs:>8.0} a second", "raw fdatasync");
        println!("{:<34} {alone:>8.0} a second, {:.2} x", "commits, one writer", alone / syncs);
        println!("{:<34} {many:>8.0} a second, {:.2} x (P16: at least 1, goal 5)", "commits, 16 writers", many / syncs);
        println!("{:<34} {groups:>8.0} a second, {:.2} x", "records, 16 writers, 16 in a commit", groups / syncs);
    });
    runtime.block_on(async {
        println!("\n16 writers that take turns over ever more accounts, each with 100 records to begin with");
        let mut first = None;
        for accounts in [10, 100, 1_000] {
            let database = Database::new().await;
            let journal = database.journal().await;
            let owned = owned(&journal, 1..=accounts).await;
            for of in &owned {
                let records: Vec<Record> = (1..=100).map(|seq| rules_record(seq, of.epoch)).collect();
                journal.append(of.account, &records).await.expect("it appends");
                of.last.store(100, Ordering::SeqCst);
            }
            let mut rounds = Vec::new();
            for _ in 0..ROUNDS {
                rounds.push(commits(&journal, &owned, WRITERS, 1).await);
            }
            let rate = median(rounds);
            let first = *first.get_or_insert(rate);
            println!("{accounts:>6} accounts {rate:>8.0} commits a second, {:.2} x the cost of 10", first / rate);
        }
    });
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(0.0)
}

/// An account that is owned, and its last record.
#[derive(Clone)]
struct Owned {
    account: AccountTag,
    epoch: Epoch,
    last: Arc<AtomicU64>,
}

async fn owned(journal: &PostgresJournal, accounts: impl Iterator<Item = u32>) -> Vec<Owned> {
    let mut all = Vec::new();
    for n in accounts {
        let epoch = journal.acquire(account(n)).await.expect("it is free");
        all.push(Owned { account: account(n), epoch, last: Arc::default() });
    }
    all
}

/// So many writers, each over its own accounts, one commit after the other; records in a second.
async fn commits(journal: &PostgresJournal, owned: &[Owned], writers: usize, together: u64) -> f64 {
    let began = Instant::now();
    let mut tasks = Vec::new();
    for writer in 0..writers.min(owned.len()) {
        let (journal, mine) = (journal.clone(), owned.iter().skip(writer).step_by(writers).cloned());
        let mine: Vec<Owned> = mine.collect();
        tasks.push(tokio::spawn(async move {
            let mut made = 0;
            for of in mine.iter().cycle() {
                if began.elapsed() >= ROUND {
                    break;
                }
                let last = of.last.fetch_add(together, Ordering::SeqCst);
                let records: Vec<Record> =
                    (last + 1..=last + together).map(|seq| rules_record(seq, of.epoch)).collect();
                journal.append(of.account, &records).await.expect("it appends");
                made += together;
            }
            made
        }));
    }
    let mut made = 0;
    for task in tasks {
        made += task.await.expect("it ends");
    }
    #[allow(clippy::cast_precision_loss, reason = "a count of seconds")]
    let made = made as f64;
    made / began.elapsed().as_secs_f64()
}

fn raw_syncs(path: &std::path::Path) -> f64 {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).expect("a file");
    file.write_all_at(&[0; PAGE], 0).and_then(|()| file.sync_all()).expect("a write");
    let began = Instant::now();
    let mut made = 0_u32;
    while began.elapsed() < ROUND {
        let filler = u8::try_from(made % 251).expect("small");
        file.write_all_at(&[filler; PAGE], 0).and_then(|()| file.sync_data()).expect("a write");
        made += 1;
    }
    f64::from(made) / began.elapsed().as_secs_f64()
}
