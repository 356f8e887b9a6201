//! The journal of a simulated worker: a log that survives crashes, and can be told to fail.

use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use kraite_core::engine::Event;
use kraite_core::exchange::OrderShape;
use kraite_core::id::{AccountTag, ClientOrderId, Epoch, PositionNo};
use kraite_core::journal::{Durable, Journal, JournalError, Loaded, Record, Run, Snapshot};

/// One account's log; the records are shared by all copies of the disk.
#[derive(Debug, Clone, Default)]
struct Log {
    snapshot: Option<Arc<Snapshot>>,
    records: Vec<Arc<Record>>,
}

impl Log {
    fn last(&self) -> u64 {
        self.records.last().map(|r| r.seq).or_else(|| self.snapshot.as_ref().map(|s| s.seq)).unwrap_or(0)
    }
}

#[derive(Debug, Clone, Default)]
struct Inner {
    accounts: BTreeMap<AccountTag, Log>,
    owners: BTreeMap<AccountTag, Epoch>,
    /// What the next append does instead of working.
    trip: Option<Trip>,
    appended: u64,
    shapes: BTreeMap<ClientOrderId, OrderShape>,
    cancels: BTreeMap<ClientOrderId, u32>,
    whole_closes: BTreeMap<(AccountTag, PositionNo), u32>,
    disks: BTreeMap<AccountTag, Disk>,
}

/// How the disk of an account behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Disk {
    /// It works.
    #[default]
    Sound,
    /// Nothing can be written (A6); what is there can be read.
    Full,
    /// Syncing fails (A7): what was written is there after the next start, or is not.
    SyncFails {
        /// Whether the record that could not be synced is there after all.
        kept: bool,
    },
}

/// How an append is cut short by the death of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trip {
    /// The process dies before the record is durable: it is lost.
    Before,
    /// The process dies after the record is durable: nobody hears of it.
    After,
}

/// An in-memory log per account. Cloning it forks the world's disk.
#[derive(Debug, Default)]
pub struct ModelJournal {
    inner: Mutex<Inner>,
}

impl Clone for ModelJournal {
    fn clone(&self) -> Self {
        Self { inner: Mutex::new(self.lock().clone()) }
    }
}

impl ModelJournal {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next append ends in the process's death.
    pub fn trip(&self, trip: Trip) {
        self.lock().trip = Some(trip);
    }

    /// From now on the disk of an account behaves like this.
    pub fn set_disk(&self, account: AccountTag, disk: Disk) {
        self.lock().disks.insert(account, disk);
    }

    /// How many records were appended over all accounts.
    #[must_use]
    pub fn appended(&self) -> u64 {
        self.lock().appended
    }

    /// Removes the newest `count` records of an account: a disk that lied about a sync (A8).
    pub fn lose_suffix(&self, account: AccountTag, count: usize) {
        let mut inner = self.lock();
        let Inner { accounts, shapes, cancels, whole_closes, .. } = &mut *inner;
        let Some(log) = accounts.get_mut(&account) else { return };
        let keep = log.records.len().saturating_sub(count);
        for record in log.records.drain(keep..) {
            for event in &record.events {
                if let Event::Intended { id, .. } = event {
                    shapes.remove(id);
                }
                if let Event::CancelIntended { id, .. } = event {
                    cancels.entry(*id).and_modify(|times| *times = u32::saturating_sub(*times, 1));
                }
                if let Event::WholeCloseIntended { position, .. } = event {
                    let times = whole_closes.entry((account, *position)).or_insert(0);
                    *times = times.saturating_sub(1);
                }
            }
        }
    }

    /// What the durable intent of an order says; `None` where there is none.
    #[must_use]
    pub fn shape(&self, id: ClientOrderId) -> Option<OrderShape> {
        self.lock().shapes.get(&id).copied()
    }

    /// True where the intent to cancel an order, or a copy of it, is durable.
    #[must_use]
    pub fn cancels(&self, id: ClientOrderId) -> bool {
        self.lock().cancels.get(&id).is_some_and(|times| *times > 0)
    }

    /// How often the intent to close a whole position is durable.
    #[must_use]
    pub fn whole_closes(&self, account: AccountTag, position: PositionNo) -> u32 {
        self.lock().whole_closes.get(&(account, position)).copied().unwrap_or(0)
    }

    /// Everything stored of an account.
    #[must_use]
    pub fn read(&self, account: AccountTag) -> Loaded {
        let inner = self.lock();
        let Some(log) = inner.accounts.get(&account) else { return Loaded::default() };
        Loaded {
            snapshot: log.snapshot.as_deref().cloned(),
            records: log.records.iter().map(|record| Record::clone(record)).collect(),
        }
    }

    /// Takes out everything stored of an account, for a start that puts a snapshot of it back at once.
    pub(crate) fn take(&self, account: AccountTag) -> Loaded {
        let mut inner = self.lock();
        let log = inner.accounts.get_mut(&account).map(std::mem::take).unwrap_or_default();
        Loaded {
            snapshot: log.snapshot.map(Arc::unwrap_or_clone),
            records: log.records.into_iter().map(Arc::unwrap_or_clone).collect(),
        }
    }

    /// The number of the last record of an account; zero where there is none.
    #[must_use]
    pub fn last(&self, account: AccountTag) -> u64 {
        self.lock().accounts.get(&account).map_or(0, Log::last)
    }

    /// Under which ownership an account may be written.
    #[must_use]
    pub fn owner(&self, account: AccountTag) -> Epoch {
        self.lock().owners.get(&account).copied().unwrap_or_default()
    }

    /// What an account is restored from.
    pub(crate) fn fingerprint(&self, account: AccountTag, hasher: &mut impl Hasher) {
        let inner = self.lock();
        if let Some(log) = inner.accounts.get(&account) {
            log.snapshot.as_ref().map(|snapshot| &snapshot.state).hash(hasher);
            log.records.hash(hasher);
        }
        inner.owners.get(&account).hash(hasher);
    }

    /// Takes ownership: an epoch above all before.
    pub fn take_over(&self, account: AccountTag) -> Epoch {
        let mut inner = self.lock();
        let next = inner.owners.get(&account).and_then(|e| e.next()).or_else(|| Epoch::new(1)).unwrap_or(Epoch::MAX);
        inner.owners.insert(account, next);
        next
    }

    /// Replaces the records an account has by a snapshot that stands for them.
    pub fn compact(&self, account: AccountTag, snapshot: Snapshot) {
        let mut inner = self.lock();
        let loaded = inner.accounts.entry(account).or_default();
        loaded.records.retain(|r| r.seq > snapshot.seq);
        loaded.snapshot = Some(Arc::new(snapshot));
    }

    fn append_now(&self, account: AccountTag, record: &Record) -> Result<Durable, JournalError> {
        let mut inner = self.lock();
        let trip = inner.trip.take();
        if trip == Some(Trip::Before) {
            return Err(JournalError::Write("the process died before the record was durable".into()));
        }
        let disk = inner.disks.get(&account).copied().unwrap_or_default();
        if matches!(disk, Disk::Full | Disk::SyncFails { kept: false }) {
            return Err(JournalError::Write("the disk is full or cannot be synced".into()));
        }
        let owner = inner.owners.get(&account).copied().unwrap_or_default();
        if record.epoch != owner {
            return Err(JournalError::NotOwner { account, owner, ours: record.epoch });
        }
        let loaded = inner.accounts.entry(account).or_default();
        let expected = loaded.last().saturating_add(1);
        if record.seq != expected {
            return Err(JournalError::OutOfSequence { account, expected, got: record.seq });
        }
        loaded.records.push(Arc::new(record.clone()));
        for event in &record.events {
            if let Event::Intended { id, shape, .. } | Event::AmendIntended { id, shape, .. } = event {
                inner.shapes.insert(*id, *shape);
            }
            if let Event::CancelIntended { id, .. } = event {
                *inner.cancels.entry(*id).or_insert(0) += 1;
            }
            if let Event::WholeCloseIntended { position, .. } = event {
                *inner.whole_closes.entry((account, *position)).or_insert(0) += 1;
            }
        }
        inner.appended = inner.appended.saturating_add(1);
        if matches!(disk, Disk::SyncFails { kept: true }) {
            return Err(JournalError::Write("the disk cannot be synced".into()));
        }
        if trip == Some(Trip::After) {
            return Err(JournalError::Write("the process died after the record was durable".into()));
        }
        Ok(Durable { account, epoch: record.epoch, seq: record.seq })
    }
}

#[async_trait]
impl Journal for ModelJournal {
    async fn acquire(&self, account: AccountTag) -> Result<Epoch, JournalError> {
        Ok(self.take_over(account))
    }

    async fn append(&self, account: AccountTag, records: &[Record]) -> Result<Durable, JournalError> {
        let run = Run::of(account, records)?;
        // One by one: between two of them is where a disk may fail.
        for record in records {
            self.append_now(account, record)?;
        }
        Ok(run.durable(account))
    }

    async fn load(&self, account: AccountTag) -> Result<Loaded, JournalError> {
        Ok(self.read(account))
    }

    async fn save_snapshot(&self, account: AccountTag, snapshot: &Snapshot) -> Result<(), JournalError> {
        self.compact(account, snapshot.clone());
        Ok(())
    }

    async fn accounts(&self) -> Result<Vec<AccountTag>, JournalError> {
        Ok(self.lock().accounts.keys().copied().collect())
    }
}
