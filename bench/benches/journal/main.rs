//! P11, P12, P14, P15: what the journal costs on the way of an order, and how long a start takes.

#[allow(dead_code, reason = "only the way to measure is shared with the other benchmark")]
#[path = "../speed/cpu.rs"]
mod cpu;
#[allow(dead_code, reason = "only the records are")]
#[path = "../speed/exchange.rs"]
mod exchange;

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use futures_util::future::join_all;
use kraite_core::Engine;
use kraite_core::engine::Config;
use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::{Journal as _, Record, Snapshot};
use kraite_core::time::{LocalMillis, Millis, Moment, VenueMillis};
use kraite_journal::{SqliteJournal, encode};
use kraite_sim::presets;
use kraite_sim::script::account;
use rusqlite::{Connection, params};
use tokio::runtime::{Builder, Runtime};

/// Rounds that take turns, and syncs of each in a round.
const ROUNDS: usize = 5;
const SYNCS: usize = 400;
/// Intents that are committed together.
const GROUP: usize = 64;
/// What one sync of the yardstick writes.
const BLOCK: usize = 4_096;
/// The records of the smaller journal; the larger one has ten times as many.
const HISTORY: u64 = 1_000_000;
/// A snapshot is stored this often by the worker.
const SNAPSHOT_EVERY: u64 = 1_000;

fn main() {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Records that real positions leave, in the order of their numbers.
    let records = exchange::records(2_000);
    println!("{} records of 2,000 positions, {} bytes each", records.len(), mean_size(&records));
    commits(&runtime, folder.path(), &records);
    recovery(&runtime, folder.path(), &records);
}

fn mean_size(records: &[Record]) -> usize {
    let sizes: usize = records.iter().map(|record| encode(account(), record).expect("a record").len()).sum();
    sizes / records.len().max(1)
}

fn sorted(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[0], times[times.len() / 2])
}

fn ratio(of: Duration, to: Duration) -> f64 {
    of.as_secs_f64() / to.as_secs_f64()
}

/// A block of a file that is there already, overwritten and synced.
fn raw(file: &File, at: usize) -> Duration {
    let block = [at as u8; BLOCK];
    let begun = Instant::now();
    file.write_all_at(&block, (at % 1_024 * BLOCK) as u64).expect("written");
    file.sync_data().expect("synced");
    begun.elapsed()
}

fn tags(count: usize) -> Vec<AccountTag> {
    (1..=count).filter_map(|n| u32::try_from(n).ok().and_then(AccountTag::new)).collect()
}

/// P11 and P12.
fn commits(runtime: &Runtime, folder: &Path, records: &[Record]) {
    let path = folder.join("raw");
    std::fs::write(&path, vec![0u8; 1_024 * BLOCK]).expect("written");
    let file = OpenOptions::new().write(true).open(path).expect("opened");
    file.sync_all().expect("synced");
    let journal = SqliteJournal::open(folder.join("commits")).expect("opened");
    let accounts = tags(GROUP);
    let epochs: Vec<Epoch> =
        accounts.iter().map(|tag| runtime.block_on(journal.acquire(*tag)).expect("acquired")).collect();
    let mut next = vec![1u64; GROUP];
    let (mut raws, mut singles, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    let mut record = |of: usize| {
        let template = &records[next[of] as usize % records.len()];
        let record = Record { seq: next[of], epoch: epochs[of], ..template.clone() };
        next[of] += 1;
        record
    };
    for _ in 0..ROUNDS {
        raws.extend((0..SYNCS).map(|at| raw(&file, at)));
        for _ in 0..SYNCS {
            let one = record(0);
            let begun = Instant::now();
            runtime.block_on(journal.append(accounts[0], &[one])).expect("appended");
            singles.push(begun.elapsed());
        }
        for _ in 0..SYNCS / 8 {
            let all: Vec<(AccountTag, [Record; 1])> =
                accounts.iter().enumerate().map(|(of, tag)| (*tag, [record(of)])).collect();
            let begun = Instant::now();
            let appended = all.iter().map(|(tag, record)| journal.append(*tag, record));
            let done = runtime.block_on(join_all(appended));
            groups.push(begun.elapsed());
            assert!(done.iter().all(Result::is_ok));
        }
    }
    let ((raw_min, raw_half), (min, half), (group_min, group_half)) = (sorted(raws), sorted(singles), sorted(groups));
    println!("\nP11: one record, durable ({} of each)", ROUNDS * SYNCS);
    println!("  overwritten and synced   min {raw_min:>9.1?}   half {raw_half:>9.1?}");
    println!("  in the journal           min {min:>9.1?}   half {half:>9.1?}");
    println!(
        "  ratio                    min {:>9.2}   half {:>9.2}   at most 2",
        ratio(min, raw_min),
        ratio(half, raw_half)
    );
    println!("P12: {GROUP} accounts, one record each, together");
    println!("  all of them              min {group_min:>9.1?}   half {group_half:>9.1?}");
    let share = |group: Duration, one: Duration| ratio(group, one) / GROUP as f64;
    println!(
        "  per record and single    min {:>9.3}   half {:>9.3}   at most 0.06",
        share(group_min, min),
        share(group_half, half)
    );
}

/// A journal of one account with so many records, of which the last are those of real positions with the worker's last
/// snapshot before them; the snapshot is left out for a start that folds everything.
fn written(runtime: &Runtime, path: &Path, records: &[Record], count: u64) {
    let journal = SqliteJournal::open(path).expect("opened");
    let epoch = runtime.block_on(journal.acquire(account())).expect("acquired");
    let covered = records.len() as u64 / SNAPSHOT_EVERY * SNAPSHOT_EVERY;
    let mut engine = Engine::restore(
        Config::default(),
        presets::binance().capabilities,
        account(),
        epoch,
        kraite_core::journal::Loaded { snapshot: None, records: records[..covered as usize].to_vec() },
    )
    .expect("sound");
    // The history before is as long as it is to be; a start with a snapshot does not look at it.
    let offset = count.saturating_sub(records.len() as u64);
    let filler = Record {
        seq: 0,
        epoch,
        at: Moment { local: LocalMillis(1), venue: VenueMillis(1), error: Millis(0) },
        ..records[records.len() / 2].clone()
    };
    let numbered = |seq: u64, record: &Record| Record { seq, epoch, ..record.clone() };
    let mut seq = 0;
    while seq < count {
        let chunk: Vec<Record> = (seq + 1..=(seq + 10_000).min(count))
            .map(|seq| {
                let real = seq.checked_sub(offset + 1).and_then(|at| records.get(at as usize));
                numbered(seq, real.unwrap_or(&filler))
            })
            .collect();
        seq += chunk.len() as u64;
        runtime.block_on(journal.append(account(), &chunk)).expect("appended");
    }
    let mut state = engine.snapshot().state;
    state.seq = offset + covered;
    state.epoch = epoch;
    let snapshot = Snapshot { seq: state.seq, state };
    runtime.block_on(journal.save_snapshot(account(), &snapshot)).expect("stored");
    drop(journal);
    let _ = engine.step(kraite_core::engine::Input { at: filler.at, kind: kraite_core::engine::InputKind::Deadline });
    Connection::open(path).expect("opened").execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("written back");
}

/// SQLite's own ordered scan of the same file.
fn scan(path: &Path) -> Duration {
    let begun = ProcessTime::now();
    let connection = Connection::open(path).expect("opened");
    let mut statement =
        connection.prepare("SELECT seq, epoch, body FROM records WHERE account = ?1 ORDER BY seq").expect("sound");
    let mut rows = statement.query(params![i64::from(account().get())]).expect("sound");
    let mut bytes = 0usize;
    while let Some(row) = rows.next().expect("sound") {
        let (seq, epoch): (i64, i64) = (row.get(0).expect("a number"), row.get(1).expect("a number"));
        black_box((seq, epoch));
        bytes += row.get_ref(2).and_then(|body| Ok(body.as_blob()?)).expect("bytes").len();
    }
    black_box(bytes);
    begun.elapsed()
}

/// From a closed file to an engine that can take its first input.
fn start(runtime: &Runtime, path: &Path) -> (Duration, usize) {
    let begun = ProcessTime::now();
    let journal = SqliteJournal::open(path).expect("opened");
    let epoch = runtime.block_on(journal.acquire(account())).expect("acquired");
    let loaded = runtime.block_on(journal.load(account())).expect("loaded");
    let tail = loaded.records.len();
    let engine =
        Engine::restore(Config::default(), presets::binance().capabilities, account(), epoch, loaded).expect("sound");
    black_box(&engine);
    let took = begun.elapsed();
    (took, tail)
}

fn least<T: Copy>(mut measure: impl FnMut() -> (Duration, T)) -> (Duration, T) {
    (0..5).map(|_| measure()).min_by_key(|(took, _)| *took).expect("five of them")
}

/// P14 and P15.
fn recovery(runtime: &Runtime, folder: &Path, records: &[Record]) {
    let (small, large, folded) = (folder.join("small"), folder.join("large"), folder.join("folded"));
    written(runtime, &small, records, HISTORY);
    let (scanned, ()) = least(|| (scan(&small), ()));
    let (started, tail) = least(|| start(runtime, &small));
    println!("\nP14: a start over {HISTORY} records, in processor time");
    println!("  SQLite's ordered scan    {scanned:>9.1?}");
    println!("  from the last snapshot   {started:>9.1?}   {tail} records after it");
    println!("  ratio                    {:>9.2}   at most 1.5", ratio(started, scanned));
    written(runtime, &folded, records, records.len() as u64);
    Connection::open(&folded).expect("opened").execute_batch("DELETE FROM snapshots").expect("deleted");
    let (scanned, ()) = least(|| (scan(&folded), ()));
    let (started_all, tail) = least(|| start(runtime, &folded));
    println!(
        "  without any snapshot     {started_all:>9.1?}   {tail} records, {:.1} of their scan",
        ratio(started_all, scanned)
    );
    std::fs::remove_file(&folded).expect("removed");
    written(runtime, &large, records, 10 * HISTORY);
    let (started_large, _) = least(|| start(runtime, &large));
    println!("P15: a start over ten times as many");
    println!("  from the last snapshot   {started_large:>9.1?}");
    println!("  ratio                    {:>9.2}   at most 1.5", ratio(started_large, started));
}
