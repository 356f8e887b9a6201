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

/// A durable, append-only log per account with one owner each.
///
/// `append` returns only after the record is on stable storage; an error means the record may or may not
/// be there, and the engine that asked must not send anything any more (it is poisoned).
#[async_trait]
pub trait Journal: Send + Sync {
    /// Takes ownership of an account: returns an epoch higher than every one before. Appends of lower
    /// epochs are refused from then on.
    async fn acquire(&self, account: AccountTag) -> Result<Epoch, JournalError>;

    /// Appends one record, conditional on `record.epoch` being the owner and `record.seq` the next.
    async fn append(&self, account: AccountTag, record: &Record) -> Result<Durable, JournalError>;

    /// Reads everything needed to restore an account; cuts a torn tail, refuses a corrupt middle.
    async fn load(&self, account: AccountTag) -> Result<Loaded, JournalError>;

    /// Stores a snapshot; older snapshots and the records it covers may then be dropped.
    async fn save_snapshot(&self, account: AccountTag, snapshot: &Snapshot) -> Result<(), JournalError>;

    /// The accounts that have records.
    async fn accounts(&self) -> Result<Vec<AccountTag>, JournalError>;
}
