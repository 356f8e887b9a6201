//! Who works on which account of a journal in PostgreSQL: leases, deposed hosts, hand-over.
//!
//! `tests/postgres/run cargo test -p kraite-journal --features postgres --test hosts -- --include-ignored`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::disallowed_methods, reason = "servers have no other clock")]

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kraite_core::id::AccountTag;
use kraite_core::journal::{Journal, JournalError};
use kraite_journal::{Host, HostError, Lease, PostgresJournal};
use support::database::Database;
use support::{account, record};

/// Long enough for a slow machine, short enough to be waited for.
const LEASE: Lease = Lease { term: Duration::from_millis(2_000), reach: Duration::from_millis(500) };
/// One that no test outlives.
const LONG: Lease = Lease { term: Duration::from_secs(600), reach: Duration::from_millis(500) };

async fn host(journal: &PostgresJournal, name: &str, lease: Lease) -> Host {
    Host::begin(journal, name, "1", lease).await.unwrap()
}

fn accounts(range: impl IntoIterator<Item = u32>) -> Vec<AccountTag> {
    range.into_iter().map(account).collect()
}

/// Claims until everything that is asked for is held.
async fn claim_all(host: &Host, wanted: &[AccountTag]) -> Duration {
    let began = Instant::now();
    loop {
        host.claim(wanted, usize::MAX).await.unwrap();
        if host.renew().await.unwrap().held == wanted {
            return began.elapsed();
        }
        assert!(began.elapsed() < Duration::from_secs(30), "they are never free");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn what_a_newer_version_has_worked_on_is_left_to_it() {
    let database = Database::new().await;
    let journal = database.journal().await;
    let all = accounts(1..=3);
    let (ours, newer) = (host(&journal, "ours", LONG).await, host(&journal, "newer", LONG).await);
    assert_eq!(newer.claim(&all[..1], 1).await.unwrap(), accounts([1]));
    assert_eq!(ours.claim(&all, 9).await.unwrap(), accounts([2, 3]));
    // As a version writes it that is 40 changes ahead, and one that came before all of them.
    database.run("UPDATE kraite.owners SET reads = 41 WHERE account = 1").await;
    database.run("UPDATE kraite.hosts SET reads = CASE name WHEN 'newer' THEN 41 ELSE reads END").await;
    database.run("INSERT INTO kraite.hosts (name, version, began_at, until) VALUES ('older', '0', now(), now())").await;
    let reads: Vec<_> = journal.hosts().await.unwrap().into_iter().map(|row| (row.name, row.reads_ours)).collect();
    assert_eq!(reads, [("newer".into(), true), ("older".into(), false), ("ours".into(), true)]);
    // As long as it is somebody's, nobody has to be told.
    assert_eq!(ours.too_new(&all).await.unwrap(), []);
    newer.end().await.unwrap();
    database.run("UPDATE kraite.owners SET free_at = NULL").await;
    assert_eq!(ours.claim(&all, 9).await.unwrap(), []);
    assert_eq!(ours.too_new(&all).await.unwrap(), accounts([1]));
    let refused = journal.acquire(account(1)).await.unwrap_err();
    assert!(matches!(&refused, JournalError::TooNew { found: 41, .. }), "{refused}");
    assert!(refused.to_string().contains("account 1"), "{refused}");
    // What is handed over by one of the same version is taken by the next one.
    ours.end().await.unwrap();
    database.run("UPDATE kraite.owners SET free_at = NULL").await;
    assert_eq!(host(&journal, "next", LONG).await.claim(&all, 9).await.unwrap(), accounts([2, 3]));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn each_account_goes_to_one_of_the_hosts_that_claim_it_at_once() {
    let database = Database::new().await;
    let journal = database.journal().await;
    let all = accounts(1..=200);
    let mut tasks = Vec::new();
    for n in 0..6 {
        let (host, all) = (host(&journal, &format!("h{n}"), LONG).await, all.clone());
        tasks.push(tokio::spawn(async move {
            let mut got = Vec::new();
            for _ in 0..10 {
                got.extend(host.claim(&all, 7).await.unwrap());
            }
            (host, got)
        }));
    }
    let mut owners = BTreeMap::new();
    for task in tasks {
        let (host, mut got) = task.await.unwrap();
        got.sort();
        assert_eq!(host.renew().await.unwrap().held, got, "what it is told it got is what it holds");
        for account in got {
            assert!(owners.insert(account, host.name().to_owned()).is_none(), "{account} went to two");
        }
    }
    assert_eq!(owners.len(), 200);
    let listed = journal.hosts().await.unwrap();
    assert_eq!(listed.len(), 6);
    assert!(listed.iter().all(|row| row.is_up && !row.drained && row.accounts.len() <= 70));
    assert_eq!(listed.iter().map(|row| row.accounts.len()).sum::<usize>(), 200);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn what_a_silent_host_had_is_free_when_its_lease_ends_and_not_before_and_it_can_append_nothing_then() {
    let database = Database::new().await;
    let (first, second) = (database.journal().await, database.journal().await);
    let (silent, other) = (host(&first, "silent", LEASE).await, host(&second, "other", LONG).await);
    let all = accounts(1..=5);
    let began = Instant::now();
    assert_eq!(silent.claim(&all, usize::MAX).await.unwrap().len(), 5);
    let old = silent.journal().acquire(account(1)).await.unwrap();
    silent.journal().append(account(1), &[record(1, old)]).await.unwrap();
    assert_eq!(other.claim(&all, usize::MAX).await.unwrap(), []);
    claim_all(&other, &all).await;
    assert!(began.elapsed() >= LEASE.term, "{:?}", began.elapsed());
    let new = other.journal().acquire(account(1)).await.unwrap();
    assert!(new > old);
    let refused = silent.journal().append(account(1), &[record(2, old)]).await.unwrap_err();
    assert!(matches!(refused, JournalError::NotOwner { .. }), "{refused}");
    // Of one that the successor has not begun with either.
    let refused = silent.journal().acquire(account(2)).await.unwrap_err();
    assert!(matches!(refused, JournalError::NotOwner { .. }), "{refused}");
    assert_eq!(silent.renew().await, Err(HostError::Lapsed("silent".into())));
    assert_eq!(silent.claim(&all, 1).await, Err(HostError::Lapsed("silent".into())));
    other.journal().append(account(1), &[record(2, new)]).await.unwrap();
}

/// What an owner may send is decided by an append; so between the last one that is taken and the first thing that a
/// successor does there is more time than a request may be under way.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn i14_nothing_is_appended_under_a_lease_that_ends_before_what_it_allows_to_be_sent_does() {
    let database = Database::new().await;
    let journal = database.journal().await;
    let (owner, other) = (host(&journal, "owner", LEASE).await, host(&journal, "other", LONG).await);
    claim_all(&owner, &[account(1)]).await;
    let epoch = owner.journal().acquire(account(1)).await.unwrap();
    let mut last = None;
    let mut taken_over = None;
    let began = Instant::now();
    let mut seq = 0;
    while taken_over.is_none() {
        // The row as it lies there: what `prolong` would mend is kept from it.
        database
            .run("UPDATE kraite.hosts SET run = run || '-gone' WHERE name = 'owner' AND run NOT LIKE '%-gone'")
            .await;
        database
            .run("UPDATE kraite.owners SET run = run || '-gone' WHERE run NOT LIKE '%-gone' AND host = 'owner'")
            .await;
        let before = Instant::now();
        match owner.journal().append(account(1), &[record(seq + 1, epoch)]).await {
            Ok(_) => {
                seq += 1;
                last = Some(before);
            }
            Err(error) => assert!(error.to_string().contains("nothing was written"), "{error}"),
        }
        if !other.claim(&[account(1)], 1).await.unwrap().is_empty() {
            taken_over = Some(Instant::now());
        }
        assert!(began.elapsed() < Duration::from_secs(30));
    }
    let between = taken_over.unwrap() - last.expect("at first it may append");
    assert!(seq > 3 && between >= LEASE.reach, "{seq} records, then {between:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_lease_that_ran_out_unseen_is_prolonged_by_the_append_that_needs_it() {
    let database = Database::new().await;
    let journal = database.journal().await;
    let short = Lease { term: Duration::from_millis(400), reach: Duration::from_millis(200) };
    let owner = host(&journal, "owner", short).await;
    claim_all(&owner, &[account(1)]).await;
    let epoch = owner.journal().acquire(account(1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(!journal.hosts().await.unwrap()[0].is_up);
    owner.journal().append(account(1), &[record(1, epoch)]).await.unwrap();
    assert!(journal.hosts().await.unwrap()[0].is_up);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn whoever_begins_under_a_name_ends_the_one_before_and_waits_for_what_that_had_under_way() {
    let database = Database::new().await;
    let journal = database.journal().await;
    let before = host(&journal, "a", LONG).await;
    claim_all(&before, &accounts(1..=3)).await;
    let old = before.journal().acquire(account(1)).await.unwrap();
    let after = host(&journal, "a", LONG).await;
    let refused = before.journal().append(account(1), &[record(1, old)]).await.unwrap_err();
    assert!(matches!(refused, JournalError::NotOwner { .. }), "{refused}");
    assert_eq!(before.renew().await, Err(HostError::Replaced("a".into())));
    before.end().await.unwrap();
    assert!(claim_all(&after, &accounts(1..=3)).await >= LONG.reach - Duration::from_millis(100));
    assert!(after.journal().acquire(account(1)).await.unwrap() > old);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn what_is_handed_over_is_taken_once_nothing_is_under_way_and_its_worker_can_append_nothing() {
    let database = Database::new().await;
    let journal = database.journal().await;
    let (giver, taker) = (host(&journal, "giver", LONG).await, host(&journal, "taker", LONG).await);
    claim_all(&giver, &accounts(1..=3)).await;
    let old = giver.journal().acquire(account(1)).await.unwrap();
    giver.journal().append(account(1), &[record(1, old)]).await.unwrap();
    giver.release(&accounts([1])).await.unwrap();
    let refused = giver.journal().append(account(1), &[record(2, old)]).await.unwrap_err();
    assert!(matches!(refused, JournalError::NotOwner { .. }), "{refused}");
    assert!(claim_all(&taker, &accounts([1])).await >= LONG.reach - Duration::from_millis(100));
    assert_eq!(giver.renew().await.unwrap().held, accounts(2..=3));
    giver.end().await.unwrap();
    assert!(!journal.hosts().await.unwrap()[0].is_up);
    claim_all(&taker, &accounts(1..=3)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn nobody_without_a_host_takes_what_one_works_on_and_a_host_takes_what_nobody_works_on() {
    let database = Database::new().await;
    let journal = database.journal().await;
    let plain = journal.acquire(account(1)).await.unwrap();
    journal.append(account(1), &[record(1, plain)]).await.unwrap();
    let owner = host(&journal, "owner", LEASE).await;
    claim_all(&owner, &[account(1)]).await;
    let refused = journal.acquire(account(1)).await.unwrap_err();
    assert!(matches!(refused, JournalError::NotOwner { .. }), "{refused}");
    let refused = journal.append(account(1), &[record(2, plain)]).await.unwrap_err();
    assert!(matches!(refused, JournalError::NotOwner { .. }), "{refused}");
    owner.end().await.unwrap();
    let epoch = journal.acquire(account(1)).await.unwrap();
    journal.append(account(1), &[record(2, epoch)]).await.unwrap();
    assert_eq!(journal.load(account(1)).await.unwrap().records.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_drained_host_is_told_so_and_a_restart_does_not_undo_it() {
    let database = Database::new().await;
    let journal = database.journal().await;
    let first = host(&journal, "a", LONG).await;
    assert!(!first.renew().await.unwrap().drained);
    assert!(!journal.drain("b", true).await.unwrap(), "nobody has that name");
    assert!(journal.drain("a", true).await.unwrap());
    assert!(first.renew().await.unwrap().drained);
    let second = host(&journal, "a", LONG).await;
    assert!(second.renew().await.unwrap().drained);
    assert!(journal.drain("a", false).await.unwrap());
    assert!(!second.renew().await.unwrap().drained);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn names_and_leases_that_will_not_do_are_refused_with_the_reason() {
    let database = Database::new().await;
    let journal = database.journal().await;
    for name in ["", "a b", "ä", "x/y", &"x".repeat(64)] {
        let refused = Host::begin(&journal, name, "1", LEASE).await.unwrap_err();
        assert!(refused.to_string().contains("no name of a host"), "{refused}");
    }
    let second = Duration::from_secs(1);
    for (term, reach) in [(second, second), (second * 100_000, second), (second, Duration::ZERO)] {
        let refused = Host::begin(&journal, "a", "1", Lease { term, reach }).await.unwrap_err();
        assert!(refused.to_string().contains("at least twice as long"), "{refused}");
    }
    assert_eq!(journal.hosts().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn r115_hosts_that_call_from_one_address_know_how_many_they_are_and_when_to_be_quiet() {
    let database = Database::new().await;
    let journal = database.journal().await;
    let (a, b) = (host(&journal, "a", LONG).await, host(&journal, "b", LONG).await);
    let elsewhere = host(&journal, "c", LONG).await;
    assert_eq!(a.share("nat", &[]).await.unwrap().hosts, 1);
    assert_eq!(b.share("nat", &[("binance", Duration::from_secs(60))]).await.unwrap().hosts, 2);
    assert_eq!(elsewhere.share("other", &[]).await.unwrap(), kraite_journal::Egress { hosts: 1, quiets: Vec::new() });
    let shared = a.share("nat", &[("binance", Duration::from_secs(1))]).await.unwrap();
    assert_eq!((shared.hosts, shared.quiets.len(), shared.quiets[0].0.as_str()), (2, 1, "binance"));
    let left = shared.quiets[0].1;
    assert!(left > Duration::from_secs(50) && left <= Duration::from_secs(60), "the longer one: {left:?}");
    b.end().await.unwrap();
    assert_eq!(a.share("nat", &[]).await.unwrap().hosts, 1);
}

/// Hosts come, fall silent, hand over and go, and of every account the appends of all of them make one history.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn i10_hosts_that_come_and_go_leave_one_history_of_each_account() {
    let database = Database::new().await;
    let all = accounts(1..=4);
    let lease = Lease { term: Duration::from_millis(600), reach: Duration::from_millis(150) };
    let until = Instant::now() + Duration::from_secs(12);
    let mut tasks = Vec::new();
    for n in 0..4_u32 {
        let (journal, all) = (database.journal().await, all.clone());
        tasks.push(tokio::spawn(async move {
            let (mut appended, mut deposed, mut lives) = (Vec::new(), 0, 0);
            while Instant::now() < until {
                let host = host(&journal, &format!("h{n}"), lease).await;
                lives += 1;
                let ends = Instant::now() + Duration::from_millis(u64::from(700 + 311 * n));
                while Instant::now() < ends.min(until) {
                    let Ok(claimed) = host.claim(&all, 2).await else { break };
                    for account in claimed {
                        let Ok(epoch) = host.journal().acquire(account).await else { continue };
                        let mut next = host.journal().load(account).await.unwrap().records.len() as u64 + 1;
                        let turns = Instant::now() + Duration::from_millis(250);
                        while Instant::now() < turns {
                            match host.journal().append(account, &[record(next, epoch)]).await {
                                Ok(durable) => {
                                    appended.push((account, durable.seq, durable.epoch));
                                    next += 1;
                                }
                                Err(error) => {
                                    assert!(
                                        matches!(error, JournalError::NotOwner { .. })
                                            || error.to_string().contains("nothing was written"),
                                        "{error}"
                                    );
                                    deposed += 1;
                                    break;
                                }
                            }
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                match n % 3 {
                    0 => host.end().await.unwrap(),
                    // It falls silent for longer than its lease, and tries once more with what it had.
                    1 => {
                        tokio::time::sleep(lease.term * 2).await;
                        let held = host.journal();
                        for (account, seq, epoch) in appended.iter().rev().take(1).copied().collect::<Vec<_>>() {
                            if let Ok(durable) = held.append(account, &[record(seq + 1, epoch)]).await {
                                appended.push((account, durable.seq, durable.epoch));
                            } else {
                                deposed += 1;
                            }
                        }
                    }
                    _ => {}
                }
            }
            (appended, deposed, lives)
        }));
    }
    let (mut durable, mut deposed, mut lives) = (BTreeMap::new(), 0, 0);
    for task in tasks {
        let (appended, of_task, lived) = task.await.unwrap();
        deposed += of_task;
        lives += lived;
        for (account, seq, epoch) in appended {
            assert!(durable.insert((account, seq), epoch).is_none(), "{account} {seq} twice");
        }
    }
    let journal = database.journal().await;
    let mut epochs = 0;
    for account in all {
        let records = journal.load(account).await.unwrap().records;
        epochs += records.windows(2).filter(|pair| pair[0].epoch < pair[1].epoch).count();
        assert!(records.windows(2).all(|pair| pair[0].epoch <= pair[1].epoch));
        for record in &records {
            let told = durable.remove(&(account, record.seq));
            assert!(told.is_none_or(|epoch| epoch == record.epoch));
        }
    }
    assert!(durable.is_empty(), "told durable, and gone: {durable:?}");
    println!("{lives} lives of hosts, {epochs} changes of owners in the histories, {deposed} appends refused");
    assert!(epochs > 8 && deposed > 3);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn each_job_of_a_queue_is_taken_by_one_and_what_a_dead_one_took_by_another() {
    let database = Database::new().await;
    let journal = database.journal().await;
    let term = Duration::from_millis(700);
    let mut tasks = Vec::new();
    for _ in 0..5 {
        let queue = kraite_journal::Queue::open(&journal, "q", 300).await.unwrap();
        tasks.push(tokio::spawn(async move {
            let mut taken = Vec::new();
            while taken.len() < 40 {
                taken.extend(queue.take(0..300, 8, Duration::from_secs(60)).await.unwrap());
            }
            for job in &taken {
                assert_eq!(queue.done(*job, &format!("of {job}")).await.unwrap(), format!("of {job}"));
            }
            taken
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    let queue = kraite_journal::Queue::open(&journal, "q", 300).await.unwrap();
    let distinct: std::collections::BTreeSet<u64> = all.iter().copied().collect();
    assert_eq!((distinct.len(), queue.left().await.unwrap()), (all.len(), 300 - all.len() as u64));
    // One that takes and dies.
    let lost = queue.take(200..300, 500, term).await.unwrap();
    assert!(!lost.is_empty() && queue.take(200..300, 500, term).await.unwrap().is_empty());
    tokio::time::sleep(term).await;
    assert_eq!(queue.take(200..300, 500, term).await.unwrap(), lost);
    // It was not dead, and says what came of it: the first result stays.
    assert_eq!(queue.done(lost[0], "late").await.unwrap(), "late");
    assert_eq!(queue.done(lost[0], "later").await.unwrap(), "late");
    assert!(queue.done(300, "x").await.unwrap_err().to_string().contains("has no job 300"));
    assert_eq!(queue.results().await.unwrap().len(), all.len() + 1);
    let refused = kraite_journal::Queue::open(&journal, "q", 301).await.unwrap_err().to_string();
    assert!(refused.contains("queue q has 300 jobs, not 301"), "{refused}");
}
