//! What every [`Journal`] promises, held against any of them: [`judge`] says which promise holds, and where one does not,
//! what was expected and what came.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::{Arc, Mutex};
//!
//! use kraite_journal::MemoryJournal;
//! use kraite_journal::conformance::judge;
//!
//! # let judged = async {
//! let stores = Mutex::new(BTreeMap::<u32, MemoryJournal>::new());
//! let verdict = judge(&|number| {
//!     // A journal in files would open the file of this number.
//!     let mut stores = stores.lock().map_err(|_| "a panic".to_owned())?;
//!     Ok(Arc::new(stores.entry(number).or_default().clone()))
//! })
//! .await;
//! assert!(verdict.holds(), "{verdict}");
//! # };
//! # assert!(futures_util::FutureExt::now_or_never(judged).is_some());
//! ```
//!
//! It kills nothing: that what was acknowledged survives a death of the process or of the machine is for whoever writes
//! to a disk to see to, and to try.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use kraite_core::engine::{Alert, Event, InputKind, State};
use kraite_core::id::{AccountTag, Epoch, PositionNo};
use kraite_core::journal::{Durable, Journal, JournalError, Loaded, Record, Snapshot};
use kraite_core::time::{LocalMillis, Millis, Moment, VenueMillis};

/// Opens the store of a number: an empty one the first time, the same one again after that, with everything in it. The
/// one that was opened before is gone by then. The error is shown.
pub type Open<'a> = &'a (dyn Fn(u32) -> Result<Arc<dyn Journal>, String> + Sync);

/// What is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    /// What was appended is loaded in order, as it was.
    Order,
    /// Only the newest owner of an account appends to it.
    Ownership,
    /// A number that is not the next one is refused, and that costs nobody else anything.
    Sequence,
    /// Records that are appended together are there whole or not at all.
    Runs,
    /// A snapshot stands for the records that it covers, and the numbers go on.
    Snapshots,
    /// Accounts that append at the same time do not see each other.
    Accounts,
    /// A store that is opened again has everything in it, and its next owner is a newer one.
    Reopening,
}

impl Promise {
    /// Every promise.
    pub const ALL: [Self; 7] =
        [Self::Order, Self::Ownership, Self::Sequence, Self::Runs, Self::Snapshots, Self::Accounts, Self::Reopening];

    /// It in words.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::Order => "what was appended is loaded in order",
            Self::Ownership => "only the newest owner appends",
            Self::Sequence => "a number that is not the next is refused",
            Self::Runs => "a run is there whole or not at all",
            Self::Snapshots => "a snapshot stands for what it covers",
            Self::Accounts => "accounts do not see each other",
            Self::Reopening => "what was appended is there when the store is opened again",
        }
    }
}

/// How a journal keeps its promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Every promise that was judged, and what broke it if anything did.
    pub findings: Vec<(Promise, Result<(), String>)>,
}

impl Verdict {
    /// True where every promise holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.broken().is_empty()
    }

    /// The promises that do not hold.
    #[must_use]
    pub fn broken(&self) -> Vec<Promise> {
        self.findings.iter().filter(|(_, finding)| finding.is_err()).map(|(promise, _)| *promise).collect()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (promise, finding) in &self.findings {
            match finding {
                Ok(()) => writeln!(f, "held    {}", promise.says())?,
                Err(why) => writeln!(f, "BROKEN  {}: {why}", promise.says())?,
            }
        }
        Ok(())
    }
}

/// Judges a journal, with a store of its own for each promise.
pub async fn judge(open: Open<'_>) -> Verdict {
    judge_some(open, &Promise::ALL).await
}

/// The same for these promises only, in this order.
pub async fn judge_some(open: Open<'_>, promises: &[Promise]) -> Verdict {
    let mut findings = Vec::new();
    for (number, promise) in (1..).zip(promises.iter().copied()) {
        let finding = match promise {
            Promise::Order => order(open, number).await,
            Promise::Ownership => ownership(open, number).await,
            Promise::Sequence => sequence(open, number).await,
            Promise::Runs => runs(open, number).await,
            Promise::Snapshots => snapshots(open, number).await,
            Promise::Accounts => accounts(open, number).await,
            Promise::Reopening => reopening(open, number).await,
        };
        findings.push((promise, finding.map_err(|Broken(why)| why)));
    }
    Verdict { findings }
}

/// How a promise was broken.
struct Broken(String);

type Finding = Result<(), Broken>;

impl From<JournalError> for Broken {
    fn from(error: JournalError) -> Self {
        Self(format!("refused what it has to take: {error}"))
    }
}

impl From<String> for Broken {
    fn from(error: String) -> Self {
        Self(format!("the store cannot be opened: {error}"))
    }
}

fn same<T: PartialEq + fmt::Debug>(what: &str, got: T, expected: T) -> Finding {
    if got == expected { Ok(()) } else { Err(Broken(format!("{what}: expected {expected:?}, got {got:?}"))) }
}

fn refused(
    what: &str,
    got: Result<Durable, JournalError>,
    fits: impl Fn(&JournalError) -> bool,
    expected: &str,
) -> Finding {
    match got {
        Err(error) if fits(&error) => Ok(()),
        got => Err(Broken(format!("{what}: expected {expected}, got {got:?}"))),
    }
}

fn account(n: u32) -> AccountTag {
    AccountTag::new(n).unwrap_or_default()
}

/// A record whose content is different for every number.
fn record(seq: u64, epoch: Epoch) -> Record {
    let at = i64::try_from(seq).unwrap_or_default().saturating_mul(7);
    let numbers = (0..seq % 4).filter_map(|n| PositionNo::new(u32::try_from(seq.saturating_add(n)).ok()?));
    let events = numbers.map(|position| Event::Alerted { position, alert: Alert::NeedsAttention }).collect();
    Record {
        seq,
        epoch,
        at: Moment { local: LocalMillis(at), venue: VenueMillis(at.saturating_add(3)), error: Millis(1) },
        input: InputKind::Deadline,
        events,
    }
}

fn records(numbers: impl IntoIterator<Item = u64>, epoch: Epoch) -> Vec<Record> {
    numbers.into_iter().map(|seq| record(seq, epoch)).collect()
}

fn numbers(loaded: &Loaded) -> Vec<u64> {
    loaded.records.iter().map(|record| record.seq).collect()
}

async fn order(open: Open<'_>, store: u32) -> Finding {
    let (journal, one) = (open(store)?, account(1));
    same("the accounts of an empty store", journal.accounts().await?, Vec::new())?;
    same("an account that has nothing", journal.load(one).await?, Loaded::default())?;
    let epoch = journal.acquire(one).await?;
    for seq in 1..=20 {
        let durable = journal.append(one, &[record(seq, epoch)]).await?;
        same("the proof", durable, Durable { account: one, epoch, seq })?;
    }
    let expected = Loaded { snapshot: None, records: records(1..=20, epoch) };
    same("what is loaded", journal.load(one).await?, expected)?;
    same("another account", journal.load(account(2)).await?, Loaded::default())?;
    same("the accounts", journal.accounts().await?, vec![one])
}

async fn ownership(open: Open<'_>, store: u32) -> Finding {
    let (journal, one, nobodys) = (open(store)?, account(1), account(9));
    let old = journal.acquire(one).await?;
    journal.append(one, &[record(1, old)]).await?;
    let new = journal.acquire(one).await?;
    if new <= old {
        return Err(Broken(format!("a new owner has epoch {new} after {old}")));
    }
    let not_owner = JournalError::NotOwner { account: one, owner: new, ours: old };
    let deposed = journal.append(one, &[record(2, old)]).await;
    refused("a deposed owner", deposed, |error| *error == not_owner, &format!("{not_owner:?}"))?;
    journal.append(one, &[record(2, new)]).await?;
    same("what is loaded", numbers(&journal.load(one).await?), vec![1, 2])?;
    let strange = journal.append(nobodys, &[record(1, Epoch::new(5).unwrap_or_default())]).await;
    let fits = |error: &JournalError| matches!(error, JournalError::NotOwner { .. });
    refused("an account that nobody acquired", strange, fits, "NotOwner")
}

async fn sequence(open: Open<'_>, store: u32) -> Finding {
    let (journal, one, two) = (open(store)?, account(1), account(2));
    let (first, second) = (journal.acquire(one).await?, journal.acquire(two).await?);
    journal.append(one, &[record(1, first)]).await?;
    for wrong in [1, 3] {
        let expected = JournalError::OutOfSequence { account: one, expected: 2, got: wrong };
        let got = journal.append(one, &[record(wrong, first)]).await;
        refused("a wrong number", got, |error| *error == expected, &format!("{expected:?}"))?;
    }
    journal.append(two, &[record(1, second)]).await?;
    journal.append(one, &[record(2, first)]).await?;
    same("what is loaded", numbers(&journal.load(one).await?), vec![1, 2])
}

async fn runs(open: Open<'_>, store: u32) -> Finding {
    let (journal, one) = (open(store)?, account(1));
    let old = journal.acquire(one).await?;
    let durable = journal.append(one, &records(1..=3, old)).await?;
    same("the proof", durable, Durable { account: one, epoch: old, seq: 3 })?;
    for (wrong, expected, got) in [([4, 6], 5, 6), ([4, 4], 5, 4), ([5, 6], 4, 5), ([3, 4], 4, 3)] {
        let expected = JournalError::OutOfSequence { account: one, expected, got };
        let got = journal.append(one, &records(wrong, old)).await;
        refused("a run with a gap", got, |error| *error == expected, &format!("{expected:?}"))?;
    }
    let write = |error: &JournalError| matches!(error, JournalError::Write(_));
    refused("a run of none", journal.append(one, &[]).await, write, "Write")?;
    let new = journal.acquire(one).await?;
    let mixed = journal.append(one, &[record(4, old), record(5, new)]).await;
    refused("a run of two owners", mixed, write, "Write")?;
    let not_owner = |error: &JournalError| matches!(error, JournalError::NotOwner { .. });
    refused("a run of a deposed owner", journal.append(one, &records([4, 5], old)).await, not_owner, "NotOwner")?;
    same("what refusals left", numbers(&journal.load(one).await?), vec![1, 2, 3])?;
    journal.append(one, &records([4, 5], new)).await?;
    same("what is loaded", numbers(&journal.load(one).await?), vec![1, 2, 3, 4, 5])
}

fn snapshot(account: AccountTag, seq: u64) -> Snapshot {
    Snapshot { seq, state: State { seq, ..State::new(account) } }
}

async fn snapshots(open: Open<'_>, store: u32) -> Finding {
    let (journal, one) = (open(store)?, account(1));
    let epoch = journal.acquire(one).await?;
    journal.append(one, &records(1..=5, epoch)).await?;
    for (covered, next) in [(4, 6), (6, 7)] {
        journal.save_snapshot(one, &snapshot(one, covered)).await?;
        journal.append(one, &[record(next, epoch)]).await?;
        let expected = Loaded {
            snapshot: Some(snapshot(one, covered)),
            records: records(covered.saturating_add(1)..=next, epoch),
        };
        same("what is loaded", journal.load(one).await?, expected)?;
    }
    same("the accounts", journal.accounts().await?, vec![one])
}

async fn accounts(open: Open<'_>, store: u32) -> Finding {
    let journal = open(store)?;
    let busy = |n: u32| {
        let journal = Arc::clone(&journal);
        Box::pin(async move {
            let epoch = journal.acquire(account(n)).await?;
            for seq in 1..=25 {
                journal.append(account(n), &[record(seq, epoch)]).await?;
            }
            Ok(())
        })
    };
    together((1..=8).map(busy).collect()).await?;
    for n in 1..=8 {
        same("what is loaded", numbers(&journal.load(account(n)).await?), (1..=25).collect())?;
    }
    let mut all = journal.accounts().await?;
    all.sort_unstable();
    same("the accounts", all, (1..=8).map(account).collect())
}

/// Polls all of them until each has ended, in whatever order they get on.
async fn together<F: Future<Output = Finding>>(mut running: Vec<Pin<Box<F>>>) -> Finding {
    let mut result = Ok(());
    poll_fn(|context| {
        running.retain_mut(|one| match one.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(ended) => {
                if ended.is_err() {
                    result = ended;
                }
                false
            }
        });
        if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    result
}

async fn reopening(open: Open<'_>, store: u32) -> Finding {
    let (one, two) = (account(1), account(2));
    let journal = open(store)?;
    let (old, other) = (journal.acquire(one).await?, journal.acquire(two).await?);
    journal.append(one, &records(1..=3, old)).await?;
    journal.save_snapshot(one, &snapshot(one, 2)).await?;
    journal.append(two, &[record(1, other)]).await?;
    drop(journal);
    let journal = open(store)?;
    let expected = Loaded { snapshot: Some(snapshot(one, 2)), records: records([3], old) };
    same("what is loaded", journal.load(one).await?, expected)?;
    same("the other account", numbers(&journal.load(two).await?), vec![1])?;
    let new = journal.acquire(one).await?;
    if new <= old {
        return Err(Broken(format!("a new owner has epoch {new} after {old}")));
    }
    journal.append(one, &[record(4, new)]).await?;
    same("what is loaded then", numbers(&journal.load(one).await?), vec![3, 4])
}
