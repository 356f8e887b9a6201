//! What a start is put together from, whatever store the rows come from, and what of them is refused.

use std::fmt::Display;

use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::{JournalError, Loaded, Record, Snapshot};

use crate::codec::{self, DecodeError};

/// The rows of one account on their way to [`Loaded`].
#[derive(Debug)]
pub(crate) struct Restore {
    store: String,
    account: AccountTag,
    loaded: Loaded,
    last: u64,
    /// The epoch of the last record.
    epoch: Epoch,
}

impl Restore {
    pub(crate) fn new(store: impl Display, account: AccountTag) -> Self {
        let store = store.to_string();
        Self { store, account, loaded: Loaded::default(), last: 0, epoch: Epoch::default() }
    }

    /// Comes before every record.
    pub(crate) fn snapshot(&mut self, seq: u64, body: &[u8]) -> Result<(), JournalError> {
        let state = codec::decode_state(self.account, seq, body)
            .map_err(|error| damaged(&self.store, self.account, seq, error))?;
        (self.last, self.epoch) = (seq, state.epoch);
        self.loaded.snapshot = Some(Snapshot { seq, state });
        Ok(())
    }

    /// The next record, filed under this number and epoch.
    pub(crate) fn record(&mut self, seq: u64, filed: Epoch, body: &[u8]) -> Result<(), JournalError> {
        let expected = self.last.saturating_add(1);
        if seq != expected {
            let place = format!("{}, account {}, record {expected}", self.store, self.account);
            return Err(JournalError::Corrupt { place, reason: format!("it is missing; {seq} comes next") });
        }
        let record =
            codec::decode(self.account, seq, body).map_err(|error| damaged(&self.store, self.account, seq, error))?;
        is_filed_right(&self.store, self.account, &record, filed, self.epoch)?;
        (self.last, self.epoch) = (seq, filed);
        self.loaded.records.push(record);
        Ok(())
    }

    /// The number of the last record, or of the last one that the snapshot includes.
    #[cfg(feature = "postgres")]
    pub(crate) const fn last(&self) -> u64 {
        self.last
    }

    /// The newest epoch that anything was written under.
    #[cfg(feature = "postgres")]
    pub(crate) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(crate) fn finish(self) -> Loaded {
        self.loaded
    }
}

pub(crate) fn damaged(store: impl Display, account: AccountTag, seq: u64, error: DecodeError) -> JournalError {
    let place = format!("{store}, account {account}, record {seq}");
    match error {
        DecodeError::TooNew { found, known } => {
            JournalError::TooNew { place, found: u32::from(found), known: u32::from(known) }
        }
        other => JournalError::Corrupt { place, reason: other.to_string() },
    }
}

/// A record lies under the epoch that it says, which is none before those of the records before it.
pub(crate) fn is_filed_right(
    store: impl Display,
    account: AccountTag,
    record: &Record,
    filed: Epoch,
    before: Epoch,
) -> Result<(), JournalError> {
    if record.epoch == filed && filed >= before {
        return Ok(());
    }
    Err(JournalError::Corrupt {
        place: format!("{store}, account {account}, record {}", record.seq),
        reason: format!("written under epoch {}, filed under {filed}", record.epoch),
    })
}
