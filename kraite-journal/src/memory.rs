//! A journal in memory, for tests: the same rules, nothing survives the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::{Durable, Journal, JournalError, Loaded, Record, Run, Snapshot};

#[derive(Debug, Default)]
struct Inner {
    accounts: BTreeMap<AccountTag, Loaded>,
    owners: BTreeMap<AccountTag, Epoch>,
}

/// A journal whose clones share one log.
#[derive(Debug, Clone, Default)]
pub struct MemoryJournal {
    inner: Arc<Mutex<Inner>>,
}

impl MemoryJournal {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn acquire(&self, account: AccountTag) -> Result<Epoch, JournalError> {
        let mut inner = self.lock();
        let next = inner.owners.get(&account).copied().unwrap_or_default().next();
        let next = next.ok_or_else(|| JournalError::Unavailable("all epochs are used up".into()))?;
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
        let last = loaded.records.last().map(|r| r.seq).or_else(|| loaded.snapshot.as_ref().map(|s| s.seq));
        let expected = last.unwrap_or(0).saturating_add(1);
        if run.first != expected {
            return Err(JournalError::OutOfSequence { account, expected, got: run.first });
        }
        loaded.records.extend_from_slice(records);
        Ok(run.durable(account))
    }

    async fn load(&self, account: AccountTag) -> Result<Loaded, JournalError> {
        Ok(self.lock().accounts.get(&account).cloned().unwrap_or_default())
    }

    async fn save_snapshot(&self, account: AccountTag, snapshot: &Snapshot) -> Result<(), JournalError> {
        let mut inner = self.lock();
        let loaded = inner.accounts.entry(account).or_default();
        loaded.records.retain(|r| r.seq > snapshot.seq);
        loaded.snapshot = Some(snapshot.clone());
        Ok(())
    }

    async fn accounts(&self) -> Result<Vec<AccountTag>, JournalError> {
        Ok(self.lock().accounts.keys().copied().collect())
    }
}
