//! A journal of one's own: a file to which everything is appended, judged by the conformance suite, and then worked on
//! by a bot that is stopped and started again.
//!
//! `cargo run -p kraite --example own_journal`

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use kraite::core::engine::{CommandId, Config, Notice};
use kraite::core::exchange::{Direction, Exchange};
use kraite::core::id::{AccountTag, Epoch, Symbol};
use kraite::core::journal::{Durable, Journal, JournalError, Loaded, Record, Run, Snapshot};
use kraite::core::time::VenueMillis;
use kraite::engine::{Clock, Ready, Seen, Slice, Terms, Watch, Wish, Worker};
use kraite::journal::{conformance, decode, decode_state, encode, encode_state};
use kraite::sim::{link::SharedVenue, presets};

type Error = Box<dyn std::error::Error>;

/// What a frame is. In the file each begins with its kind, account, number and length; the body, which kraite-journal
/// encodes, has a checksum over account, number and content.
const OWNER: u8 = 1;
const RECORD: u8 = 2;
const SNAPSHOT: u8 = 3;
/// Kind, account, number, length.
const HEADER: usize = 1 + 4 + 8 + 4;
const MINUTE: i64 = 60_000;

/// Everything in one file; what is in it is kept in memory too.
struct FileJournal(Mutex<Inner>);

struct Inner {
    file: File,
    owners: BTreeMap<AccountTag, Epoch>,
    accounts: BTreeMap<AccountTag, Loaded>,
    /// A write that failed may have left half a frame: nothing may follow it.
    failed: bool,
}

fn unavailable(error: impl ToString) -> JournalError {
    JournalError::Unavailable(error.to_string())
}

impl FileJournal {
    fn open(path: &Path) -> Result<Self, JournalError> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(unavailable)?;
        // One process at a time; the lock goes with the file, by death too.
        file.try_lock().map_err(unavailable)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(unavailable)?;
        let (owners, accounts) = (BTreeMap::new(), BTreeMap::new());
        let mut inner = Inner { file, owners, accounts, failed: false };
        let mut rest = bytes.as_slice();
        while let Some((frame, after)) = split(rest) {
            inner.replay(&frame)?;
            rest = after;
        }
        // A frame that is not whole was never acknowledged.
        let whole = bytes.len().saturating_sub(rest.len());
        inner.file.set_len(u64::try_from(whole).map_err(unavailable)?).map_err(unavailable)?;
        inner.file.sync_all().map_err(unavailable)?;
        Ok(Self(Mutex::new(inner)))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Frame<'b> {
    kind: u8,
    account: AccountTag,
    number: u64,
    body: &'b [u8],
}

fn frame(kind: u8, account: AccountTag, number: u64, body: &[u8]) -> Result<Vec<u8>, JournalError> {
    let length = u32::try_from(body.len()).map_err(unavailable)?;
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&account.get().to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(body);
    Ok(bytes)
}

/// The first frame and what follows it; `None` where there is no whole one.
fn split(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let (kind, header) = header.split_first()?;
    let (account, header) = header.split_first_chunk()?;
    let (number, header) = header.split_first_chunk()?;
    let length = u32::from_le_bytes(header.try_into().ok()?);
    let (body, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    let account = AccountTag::new(u32::from_le_bytes(*account))?;
    Some((Frame { kind: *kind, account, number: u64::from_le_bytes(*number), body }, rest))
}

impl Inner {
    fn replay(&mut self, frame: &Frame<'_>) -> Result<(), JournalError> {
        let Frame { kind, account, number, body } = *frame;
        let corrupt = |reason: String| JournalError::Corrupt { place: format!("{account}, {number}"), reason };
        match kind {
            OWNER => {
                let epoch = u32::try_from(number).ok().and_then(Epoch::new);
                self.owners.insert(account, epoch.ok_or_else(|| corrupt("no epoch".into()))?);
            }
            RECORD => {
                let record = decode(account, number, body).map_err(|error| corrupt(error.to_string()))?;
                self.accounts.entry(account).or_default().records.push(record);
            }
            SNAPSHOT => {
                let state = decode_state(account, number, body).map_err(|error| corrupt(error.to_string()))?;
                self.cover(account, Snapshot { seq: number, state });
            }
            _ => return Err(corrupt(format!("no frame has kind {kind}"))),
        }
        Ok(())
    }

    fn cover(&mut self, account: AccountTag, snapshot: Snapshot) {
        let loaded = self.accounts.entry(account).or_default();
        loaded.records.retain(|record| record.seq > snapshot.seq);
        loaded.snapshot = Some(snapshot);
    }

    /// One write and one sync: what comes back as done is on the disk.
    fn write(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        if self.failed {
            return Err(JournalError::Write("an earlier write failed".into()));
        }
        let written = self.file.write_all(bytes).and_then(|()| self.file.sync_data());
        self.failed = written.is_err();
        written.map_err(|error| JournalError::Write(error.to_string()))
    }
}

/// The file is written where the bot runs, which waits for it; a journal for many accounts would have a thread of its own.
#[async_trait]
impl Journal for FileJournal {
    async fn acquire(&self, account: AccountTag) -> Result<Epoch, JournalError> {
        let mut inner = self.lock();
        let next = inner.owners.get(&account).copied().unwrap_or_default().next();
        // Ids carry the epoch. It never falls below the minutes of the clock, so that a lost file repeats none.
        let minutes = u32::try_from(Clock::real().now().0 / MINUTE).ok().and_then(Epoch::new);
        let next = next.max(minutes).ok_or_else(|| unavailable("all epochs are used up"))?;
        inner.write(&frame(OWNER, account, u64::from(next.get()), &[])?)?;
        inner.owners.insert(account, next);
        Ok(next)
    }

    async fn append(&self, account: AccountTag, records: &[Record]) -> Result<Durable, JournalError> {
        let run = Run::of(account, records)?;
        let mut inner = self.lock();
        let owner = inner.owners.get(&account).copied().unwrap_or_default();
        if run.epoch != owner {
            return Err(JournalError::NotOwner { account, owner, ours: run.epoch });
        }
        let loaded = inner.accounts.entry(account).or_default();
        let last = loaded.records.last().map(|record| record.seq).or(loaded.snapshot.as_ref().map(|last| last.seq));
        let expected = last.unwrap_or(0).saturating_add(1);
        if run.first != expected {
            return Err(JournalError::OutOfSequence { account, expected, got: run.first });
        }
        let mut bodies = Vec::new();
        for record in records {
            let body = encode(account, record).map_err(|error| JournalError::Write(error.to_string()))?;
            bodies.extend_from_slice(&frame(RECORD, account, record.seq, &body)?);
        }
        inner.write(&bodies)?;
        inner.accounts.entry(account).or_default().records.extend_from_slice(records);
        Ok(run.durable(account))
    }

    async fn load(&self, account: AccountTag) -> Result<Loaded, JournalError> {
        Ok(self.lock().accounts.get(&account).cloned().unwrap_or_default())
    }

    async fn save_snapshot(&self, account: AccountTag, snapshot: &Snapshot) -> Result<(), JournalError> {
        let body = encode_state(account, &snapshot.state).map_err(|error| JournalError::Write(error.to_string()))?;
        let mut inner = self.lock();
        inner.write(&frame(SNAPSHOT, account, snapshot.seq, &body)?)?;
        inner.cover(account, snapshot.clone());
        Ok(())
    }

    async fn accounts(&self) -> Result<Vec<AccountTag>, JournalError> {
        let inner = self.lock();
        let has_records = inner.accounts.iter().filter(|(_, loaded)| **loaded != Loaded::default());
        Ok(has_records.map(|(account, _)| *account).collect())
    }
}

/// Gives the same command in each life, and says how its position stands.
async fn live(exchange: Arc<dyn Exchange>, clock: &Clock, path: &Path) -> Result<Seen, Error> {
    let account = AccountTag::new(7).ok_or("not a tag")?;
    let (mut watch, observer) = Watch::new(|notice: &Notice| eprintln!("{}", notice.message));
    let (connect, journal) = (Arc::new(Ready(exchange)), Arc::new(FileJournal::open(path)?));
    let (worker, mut desk) = Worker::new(account, Config::default(), connect, journal, clock.clone(), observer);
    let running = tokio::spawn(worker.run());
    desk.connected().await.ok_or("the worker ended")?;
    let terms = Terms::default_for(Direction::Long, Slice::Fixed("100".parse()?), 20);
    desk.take(CommandId(1), Wish::Open(Symbol::new("SOLUSDT"), Box::new(terms))).await?;
    let seen = watch.active(CommandId(1)).await?;
    drop(desk);
    running.await??;
    Ok(seen)
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let folder = tempfile::tempdir()?;
    let verdict = conformance::judge(&|number| {
        let journal = FileJournal::open(&folder.path().join(number.to_string())).map_err(|error| error.to_string())?;
        Ok(Arc::new(journal))
    })
    .await;
    print!("{verdict}");
    if !verdict.holds() {
        return Err("this is no journal".into());
    }

    let account = AccountTag::new(7).ok_or("not a tag")?;
    let clock = Clock::scaled(100);
    let venue = presets::venue(presets::binance(), account, VenueMillis(clock.now().0));
    let time = clock.clone();
    let venue = SharedVenue::new(venue, move || VenueMillis(time.now().0));
    let path = folder.path().join("journal");
    for life in ["first", "second"] {
        let seen = live(Arc::new(venue.exchange(account)), &clock, &path).await?;
        let orders = venue.with(|venue, _| venue.open_orders().count());
        println!("{life} life: position {}, {} open, {orders} orders at the exchange", seen.position, seen.exposure);
    }
    Ok(())
}
