//! The journal of a simulated worker: a log that survives crashes, and can be told to fail.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use kraite_core::engine::Event;
use kraite_core::exchange::OrderShape;
use kraite_core::id::{AccountTag, ClientOrderId, Epoch};
use kraite_core::journal::{Durable, Journal, JournalError, Loaded, Record, Snapshot};

#[derive(Debug, Clone, Default)]
struct Inner {
    accounts: BTreeMap<AccountTag, Loaded>,
    owners: BTreeMap<AccountTag, Epoch>,
    /// What the next append does instead of working.
    trip: Option<Trip>,
    appended: u64,
    shapes: BTreeMap<ClientOrderId, OrderShape>,
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

    /// How many records were appended over all accounts.
    #[must_use]
    pub fn appended(&self) -> u64 {
        self.lock().appended
    }

    /// Removes the newest `count` records of an account: a disk that lied about a sync (A8).
    pub fn lose_suffix(&self, account: AccountTag, count: usize) {
        if let Some(loaded) = self.lock().accounts.get_mut(&account) {
            let keep = loaded.records.len().saturating_sub(count);
            loaded.records.truncate(keep);
        }
    }

    /// What the durable intent of an order says; `None` where there is none.
    #[must_use]
    pub fn shape(&self, id: ClientOrderId) -> Option<OrderShape> {
        self.lock().shapes.get(&id).copied()
    }

    /// Everything stored of an account.
    #[must_use]
    pub fn read(&self, account: AccountTag) -> Loaded {
        self.lock().accounts.get(&account).cloned().unwrap_or_default()
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
        loaded.snapshot = Some(snapshot);
    }

    fn append_now(&self, account: AccountTag, record: &Record) -> Result<Durable, JournalError> {
        let mut inner = self.lock();
        let trip = inner.trip.take();
        if trip == Some(Trip::Before) {
            return Err(JournalError::Write("the process died before the record was durable".into()));
        }
        let owner = inner.owners.get(&account).copied().unwrap_or_default();
        if record.epoch != owner {
            return Err(JournalError::NotOwner { account, owner, ours: record.epoch });
        }
        let loaded = inner.accounts.entry(account).or_default();
        let last = loaded.records.last().map(|r| r.seq).or_else(|| loaded.snapshot.as_ref().map(|s| s.seq));
        let expected = last.unwrap_or(0).saturating_add(1);
        if record.seq != expected {
            return Err(JournalError::OutOfSequence { account, expected, got: record.seq });
        }
        loaded.records.push(record.clone());
        for event in &record.events {
            if let Event::Intended { id, shape, .. } | Event::AmendIntended { id, shape, .. } = event {
                inner.shapes.insert(*id, *shape);
            }
        }
        inner.appended = inner.appended.saturating_add(1);
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

    async fn append(&self, account: AccountTag, record: &Record) -> Result<Durable, JournalError> {
        self.append_now(account, record)
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
