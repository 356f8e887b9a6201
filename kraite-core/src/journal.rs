//! The durable log: what a record is, and the [`Journal`] trait that stores implement.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::engine::{Event, InputKind};
use crate::id::{AccountTag, Epoch};
use crate::time::Moment;

/// One durable step of one account: the input that caused it and the facts it became.
///
/// Restoring folds the events; effects are not stored, because after a restart nothing is sent again
/// before it was looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Record {
    /// Rises by one per account; the first is 1.
    pub seq: u64,
    /// The ownership under which it was written.
    pub epoch: Epoch,
    /// When, on both clocks.
    pub at: Moment,
    /// What happened.
    pub input: InputKind,
    /// What it means.
    pub events: Vec<Event>,
}

/// A stored state that stands for every record up to and including `seq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The last record it includes.
    pub seq: u64,
    /// The state, encoded by [`crate::engine::State`]'s serde form.
    pub state: crate::engine::State,
}

/// Everything needed to restore one account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loaded {
    /// The newest snapshot, if any.
    pub snapshot: Option<Snapshot>,
    /// The records after it, by `seq`, without a gap.
    pub records: Vec<Record>,
}

/// Why a journal could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The write may or may not be durable; the engine must stop sending and restart from the journal.
    #[error("journal write failed: {0}")]
    Write(String),
    /// Somebody with a higher epoch owns this account now.
    #[error("account {account} is owned by epoch {owner}, this worker has epoch {ours}")]
    NotOwner {
        /// Which account.
        account: AccountTag,
        /// The epoch that owns it.
        owner: Epoch,
        /// The epoch that tried to write.
        ours: Epoch,
    },
    /// A record's number is not the next one: two writers, or a bug.
    #[error("account {account}: record {got} where {expected} was expected")]
    OutOfSequence {
        /// Which account.
        account: AccountTag,
        /// The number that was expected.
        expected: u64,
        /// The number that came.
        got: u64,
    },
    /// A stored record is damaged where damage cannot be a torn tail.
    #[error("journal is corrupt at {place}: {reason}")]
    Corrupt {
        /// Where: account and record number, or the file's header.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// Written by a newer version.
    #[error("{place}: format {found} is newer than the {known} this version can read; nothing was changed")]
    TooNew {
        /// Where: the file, and the record if it is one.
        place: String,
        /// The format found.
        found: u32,
        /// The newest format known.
        known: u32,
    },
    /// The store cannot be opened or read.
    #[error("{0}")]
    Unavailable(String),
}

/// Proof that a record is durable: up to `seq` of `account` under `epoch`. Only a journal's successful
/// append gives one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Durable {
    /// Which account.
    pub account: AccountTag,
    /// Under which ownership.
    pub epoch: Epoch,
    /// Everything up to and including this record.
    pub seq: u64,
}

/// What is true of records that are appended together: at least one, one epoch, numbers that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Under which ownership all of them were written.
    pub epoch: Epoch,
    /// The number of the first.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
}

impl Run {
    /// Looks at records before they are appended.
    ///
    /// # Errors
    ///
    /// [`JournalError::Write`] for none or for two epochs, [`JournalError::OutOfSequence`] for a gap. Nothing was
    /// written.
    pub fn of(account: AccountTag, records: &[Record]) -> Result<Self, JournalError> {
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return Err(JournalError::Write("there is nothing to append".into()));
        };
        for (before, next) in records.iter().zip(records.iter().skip(1)) {
            let expected = before.seq.saturating_add(1);
            if next.seq != expected {
                return Err(JournalError::OutOfSequence { account, expected, got: next.seq });
            }
            if next.epoch != before.epoch {
                return Err(JournalError::Write("records of two epochs cannot be appended together".into()));
            }
        }
        Ok(Self { epoch: first.epoch, first: first.seq, last: last.seq })
    }

    /// The proof that a journal gives of it.
    #[must_use]
    pub const fn durable(self, account: AccountTag) -> Durable {
        Durable { account, epoch: self.epoch, seq: self.last }
    }
}

/// A durable, append-only log per account with one owner each.
///
/// `append` returns only after the records are on stable storage; after an error each of them may or may not
/// be there, and the engine that asked must not send anything any more (it is poisoned).
#[async_trait]
pub trait Journal: Send + Sync {
    /// Takes ownership of an account: returns an epoch higher than every one before. Appends of lower
    /// epochs are refused from then on.
    async fn acquire(&self, account: AccountTag) -> Result<Epoch, JournalError>;

    /// Appends a [`Run`] of records in one durable write, conditional on its epoch being the owner and its first
    /// number the next one: a refusal ([`JournalError::NotOwner`], [`JournalError::OutOfSequence`]) leaves none of
    /// them, and none is ever there without all before it.
    async fn append(&self, account: AccountTag, records: &[Record]) -> Result<Durable, JournalError>;

    /// Reads everything needed to restore an account; cuts a torn tail, refuses a corrupt middle.
    async fn load(&self, account: AccountTag) -> Result<Loaded, JournalError>;

    /// Stores a snapshot; older snapshots and the records it covers may then be dropped.
    async fn save_snapshot(&self, account: AccountTag, snapshot: &Snapshot) -> Result<(), JournalError>;

    /// The accounts that have records.
    async fn accounts(&self) -> Result<Vec<AccountTag>, JournalError>;
}
