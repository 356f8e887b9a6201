//! What every journal promises, held against each of them, and against some that do not keep it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::{Durable, Journal, JournalError, Loaded, Record, Snapshot};
use kraite_journal::conformance::{Promise, Verdict, judge, judge_some};
use kraite_journal::{MemoryJournal, SqliteJournal};
use support::{account, now, record};

/// Stores in memory, each behind what makes it wrong.
fn in_memory<J: Journal + 'static>(
    wrap: impl Fn(MemoryJournal) -> J + Sync,
) -> impl Fn(u32) -> Result<Arc<dyn Journal>, String> + Sync {
    let stores = Mutex::new(BTreeMap::<u32, MemoryJournal>::new());
    move |number| Ok(Arc::new(wrap(stores.lock().unwrap().entry(number).or_default().clone())))
}

fn holds(promise: Promise) {
    let verdict = now(judge_some(&in_memory(|right| right), &[promise]));
    assert!(verdict.holds(), "in memory\n{verdict}");
    let folder = tempfile::tempdir().unwrap();
    let open = |number: u32| {
        let journal = SqliteJournal::open(folder.path().join(number.to_string())).map_err(|error| error.to_string())?;
        Ok(Arc::new(journal) as Arc<dyn Journal>)
    };
    let verdict = now(judge_some(&open, &[promise]));
    assert!(verdict.holds(), "in SQLite\n{verdict}");
}

#[test]
fn s10_what_was_appended_is_loaded_in_order() {
    holds(Promise::Order);
}

#[test]
fn a_deposed_worker_cannot_make_an_intent_durable() {
    holds(Promise::Ownership);
}

#[test]
fn a_number_that_is_not_the_next_is_refused_and_costs_nobody_else_anything() {
    holds(Promise::Sequence);
}

#[test]
fn a_run_is_there_whole_or_not_at_all() {
    holds(Promise::Runs);
}

#[test]
fn a_snapshot_shortens_what_is_loaded_and_the_numbers_go_on() {
    holds(Promise::Snapshots);
}

#[test]
fn what_was_appended_is_there_when_the_store_is_opened_again() {
    holds(Promise::Reopening);
}

#[test]
fn many_accounts_append_together() {
    holds(Promise::Accounts);
    let folder = tempfile::tempdir().unwrap();
    let journals: [Arc<dyn Journal>; 2] =
        [Arc::new(MemoryJournal::default()), Arc::new(SqliteJournal::open(folder.path().join("journal")).unwrap())];
    for journal in journals {
        std::thread::scope(|scope| {
            for n in 1..=8 {
                let journal = &journal;
                scope.spawn(move || {
                    let epoch = now(journal.acquire(account(n))).unwrap();
                    for seq in 1..=25 {
                        now(journal.append(account(n), &[record(seq, epoch)])).unwrap();
                    }
                });
            }
        });
        for n in 1..=8 {
            let loaded = now(journal.load(account(n))).unwrap();
            assert_eq!(loaded.records.iter().map(|r| r.seq).collect::<Vec<_>>(), (1..=25).collect::<Vec<_>>());
        }
    }
}

/// What a journal gets wrong.
#[derive(Clone, Copy)]
enum Wrong {
    /// The newest record of more than one is loaded first.
    TurnsRoundWhatIsLoaded,
    /// A deposed owner appends as if it were the present one.
    LetsTheDeposedAppend,
    /// A number that comes again is said to be durable.
    AcknowledgesWhatItHas,
    /// Records of a run are appended one by one, up to the wrong one.
    AppendsOneByOne,
    /// Snapshots are thrown away.
    ForgetsSnapshots,
    /// Every account is the first one.
    HasOneAccount,
    /// What is opened is empty.
    StartsAnew,
}

struct Judged {
    inner: MemoryJournal,
    wrong: Wrong,
    deposed: Mutex<BTreeMap<AccountTag, Epoch>>,
}

impl Judged {
    fn new(inner: MemoryJournal, wrong: Wrong) -> Self {
        let inner = if matches!(wrong, Wrong::StartsAnew) { MemoryJournal::default() } else { inner };
        Self { inner, wrong, deposed: Mutex::default() }
    }

    fn account(&self, account: AccountTag) -> AccountTag {
        if matches!(self.wrong, Wrong::HasOneAccount) { AccountTag::new(1).unwrap() } else { account }
    }
}

#[async_trait]
impl Journal for Judged {
    async fn acquire(&self, account: AccountTag) -> Result<Epoch, JournalError> {
        let epoch = self.inner.acquire(self.account(account)).await?;
        self.deposed.lock().unwrap().insert(account, epoch);
        Ok(epoch)
    }

    async fn append(&self, account: AccountTag, records: &[Record]) -> Result<Durable, JournalError> {
        let account = self.account(account);
        let mut records = records.to_vec();
        match self.wrong {
            Wrong::LetsTheDeposedAppend => {
                if let Some(owner) = self.deposed.lock().unwrap().get(&account) {
                    records.iter_mut().for_each(|record| record.epoch = *owner);
                }
            }
            Wrong::AcknowledgesWhatItHas => {
                let there = self.inner.load(account).await?.records;
                if let [only] = records.as_slice()
                    && there.iter().any(|record| record.seq == only.seq)
                {
                    return Ok(Durable { account, epoch: only.epoch, seq: only.seq });
                }
            }
            Wrong::AppendsOneByOne => {
                let mut last = self.inner.append(account, &records[..records.len().min(1)]).await?;
                for record in records.get(1..).unwrap_or_default() {
                    last = self.inner.append(account, std::slice::from_ref(record)).await?;
                }
                return Ok(last);
            }
            _ => {}
        }
        self.inner.append(account, &records).await
    }

    async fn load(&self, account: AccountTag) -> Result<Loaded, JournalError> {
        let mut loaded = self.inner.load(self.account(account)).await?;
        if matches!(self.wrong, Wrong::TurnsRoundWhatIsLoaded) {
            loaded.records.reverse();
        }
        Ok(loaded)
    }

    async fn save_snapshot(&self, account: AccountTag, snapshot: &Snapshot) -> Result<(), JournalError> {
        if matches!(self.wrong, Wrong::ForgetsSnapshots) {
            return Ok(());
        }
        self.inner.save_snapshot(self.account(account), snapshot).await
    }

    async fn accounts(&self) -> Result<Vec<AccountTag>, JournalError> {
        self.inner.accounts().await
    }
}

fn judged(wrong: Wrong) -> Verdict {
    now(judge(&in_memory(|inner| Judged::new(inner, wrong))))
}

#[test]
fn mutant_a_journal_that_breaks_a_promise_is_found() {
    for (wrong, promise) in [
        (Wrong::TurnsRoundWhatIsLoaded, Promise::Order),
        (Wrong::LetsTheDeposedAppend, Promise::Ownership),
        (Wrong::AcknowledgesWhatItHas, Promise::Sequence),
        (Wrong::AppendsOneByOne, Promise::Runs),
        (Wrong::ForgetsSnapshots, Promise::Snapshots),
        (Wrong::HasOneAccount, Promise::Accounts),
        (Wrong::StartsAnew, Promise::Reopening),
    ] {
        let verdict = judged(wrong);
        assert!(verdict.broken().contains(&promise), "{promise:?}\n{verdict}");
        assert!(verdict.to_string().contains(&format!("BROKEN  {}: ", promise.says())), "{verdict}");
    }
    assert_eq!(judged(Wrong::StartsAnew).broken(), [Promise::Reopening]);
}
