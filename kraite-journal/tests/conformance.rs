//! What every journal promises, held against each of them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::Arc;

use kraite_core::engine::State;
use kraite_core::id::Epoch;
use kraite_core::journal::{Durable, Journal, JournalError, Snapshot};
use kraite_journal::{MemoryJournal, SqliteJournal};
use support::{account, now, record};

fn each(test: impl Fn(Arc<dyn Journal>)) {
    test(Arc::new(MemoryJournal::default()));
    let folder = tempfile::tempdir().unwrap();
    test(Arc::new(SqliteJournal::open(folder.path().join("journal")).unwrap()));
}

#[test]
fn s10_what_was_appended_is_loaded_in_order() {
    each(|journal| {
        let epoch = now(journal.acquire(account(1))).unwrap();
        for seq in 1..=20 {
            let durable = now(journal.append(account(1), &[record(seq, epoch)])).unwrap();
            assert_eq!((durable.account, durable.epoch, durable.seq), (account(1), epoch, seq));
        }
        let loaded = now(journal.load(account(1))).unwrap();
        assert_eq!(loaded.records, (1..=20).map(|seq| record(seq, epoch)).collect::<Vec<_>>());
        assert_eq!(loaded.snapshot, None);
        assert_eq!(now(journal.load(account(2))).unwrap().records, []);
        assert_eq!(now(journal.accounts()).unwrap(), [account(1)]);
    });
}

#[test]
fn a_deposed_worker_cannot_make_an_intent_durable() {
    each(|journal| {
        let old = now(journal.acquire(account(1))).unwrap();
        now(journal.append(account(1), &[record(1, old)])).unwrap();
        let new = now(journal.acquire(account(1))).unwrap();
        assert!(new > old);
        let refused = now(journal.append(account(1), &[record(2, old)])).unwrap_err();
        assert_eq!(refused, JournalError::NotOwner { account: account(1), owner: new, ours: old });
        now(journal.append(account(1), &[record(2, new)])).unwrap();
        assert_eq!(now(journal.load(account(1))).unwrap().records.len(), 2);
        // Nobody owns an account that was never acquired.
        let none = now(journal.append(account(9), &[record(1, Epoch::new(5).unwrap())])).unwrap_err();
        assert!(matches!(none, JournalError::NotOwner { .. }));
    });
}

#[test]
fn a_number_that_is_not_the_next_is_refused_and_costs_nobody_else_anything() {
    each(|journal| {
        let (one, two) = (account(1), account(2));
        let (e1, e2) = (now(journal.acquire(one)).unwrap(), now(journal.acquire(two)).unwrap());
        now(journal.append(one, &[record(1, e1)])).unwrap();
        for wrong in [1, 3] {
            let refused = now(journal.append(one, &[record(wrong, e1)])).unwrap_err();
            assert_eq!(refused, JournalError::OutOfSequence { account: one, expected: 2, got: wrong });
        }
        now(journal.append(two, &[record(1, e2)])).unwrap();
        now(journal.append(one, &[record(2, e1)])).unwrap();
    });
}

#[test]
fn a_run_is_there_whole_or_not_at_all() {
    each(|journal| {
        let (old, one) = (now(journal.acquire(account(1))).unwrap(), account(1));
        let run = |numbers: &[u64]| numbers.iter().map(|seq| record(*seq, old)).collect::<Vec<_>>();
        let there = || now(journal.load(one)).unwrap().records.iter().map(|r| r.seq).collect::<Vec<_>>();
        assert_eq!(now(journal.append(one, &run(&[1, 2, 3]))).unwrap(), Durable { account: one, epoch: old, seq: 3 });
        for (wrong, expected, got) in [(&[4, 6][..], 5, 6), (&[4, 4], 5, 4), (&[5, 6], 4, 5), (&[3, 4], 4, 3)] {
            let refused = now(journal.append(one, &run(wrong))).unwrap_err();
            assert_eq!(refused, JournalError::OutOfSequence { account: one, expected, got }, "{wrong:?}");
        }
        assert!(matches!(now(journal.append(one, &[])), Err(JournalError::Write(_))));
        let new = now(journal.acquire(one)).unwrap();
        let mixed = [record(4, old), record(5, new)];
        assert!(matches!(now(journal.append(one, &mixed)), Err(JournalError::Write(_))));
        assert!(matches!(now(journal.append(one, &run(&[4, 5]))), Err(JournalError::NotOwner { .. })));
        assert_eq!(there(), [1, 2, 3]);
        now(journal.append(one, &[record(4, new), record(5, new)])).unwrap();
        assert_eq!(there(), [1, 2, 3, 4, 5]);
    });
}

#[test]
fn a_snapshot_shortens_what_is_loaded_and_the_numbers_go_on() {
    each(|journal| {
        let epoch = now(journal.acquire(account(1))).unwrap();
        for seq in 1..=5 {
            now(journal.append(account(1), &[record(seq, epoch)])).unwrap();
        }
        let mut state = State::new(account(1));
        state.seq = 4;
        let snapshot = Snapshot { seq: 4, state };
        now(journal.save_snapshot(account(1), &snapshot)).unwrap();
        now(journal.append(account(1), &[record(6, epoch)])).unwrap();
        let loaded = now(journal.load(account(1))).unwrap();
        assert_eq!(loaded.snapshot, Some(snapshot));
        assert_eq!(loaded.records.iter().map(|r| r.seq).collect::<Vec<_>>(), [5, 6]);
    });
}

#[test]
fn many_accounts_append_together() {
    each(|journal| {
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
    });
}
