//! Databases that are killed and promoted, primaries that come back, standbys that are not waited for.
//!
//! `cargo test -p kraite-journal --features postgres --test failover -- --include-ignored`, where the programs of
//! PostgreSQL are. `KRAITE_FAILOVERS` says how many there are to be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::disallowed_methods, reason = "servers have no other clock")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::{Journal, JournalError};
use kraite_journal::{Host, Lease, PostgresJournal};
use support::cluster::Cluster;
use support::{account, record};

async fn connected(address: &str) -> PostgresJournal {
    let began = Instant::now();
    loop {
        match PostgresJournal::connect(address).await {
            Ok(journal) => return journal,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(30), "{error}"),
        }
    }
}

/// What one writer was promised: which record of which account, under which epoch.
type Promised = BTreeMap<(AccountTag, u64), Epoch>;

/// Works as a host does, on some accounts, until it is told to end. After every error it restores from the journal.
async fn work(
    address: String,
    name: String,
    lease: Lease,
    accounts: Vec<AccountTag>,
    ends: Arc<AtomicBool>,
) -> Promised {
    let mut promised = Promised::new();
    while !ends.load(Ordering::SeqCst) {
        let Ok(journal) = PostgresJournal::connect(&address).await else { continue };
        let Ok(host) = Host::begin(&journal, &name, "1", lease).await else { continue };
        let _ = turn(&host, &accounts, &ends, &mut promised).await;
    }
    promised
}

async fn turn(
    host: &Host,
    accounts: &[AccountTag],
    ends: &AtomicBool,
    promised: &mut Promised,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut owned = BTreeMap::new();
    let mut turns = 0_u64;
    while !ends.load(Ordering::SeqCst) {
        turns += 1;
        if turns % 16 == 1 {
            host.claim(accounts, accounts.len()).await?;
            let held = host.renew().await?.held;
            owned.retain(|account, _| held.contains(account));
            for account in held {
                if let std::collections::btree_map::Entry::Vacant(free) = owned.entry(account) {
                    let epoch = host.journal().acquire(account).await?;
                    let last = host.journal().load(account).await?.records.last().map_or(0, |record| record.seq);
                    free.insert((epoch, last));
                }
            }
        }
        if owned.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for (account, (epoch, last)) in &mut owned {
            let durable = host.journal().append(*account, &[record(*last + 1, *epoch)]).await?;
            *last += 1;
            let twice = promised.insert((*account, durable.seq), durable.epoch);
            assert!(twice.is_none(), "{account} {} was promised twice", durable.seq);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn i10_i14_what_was_promised_outlives_every_failover_and_old_primaries_that_come_back() {
    let rounds: u32 = std::env::var("KRAITE_FAILOVERS").map_or(4, |rounds| rounds.parse().unwrap());
    let lease = Lease { term: Duration::from_millis(1_500), reach: Duration::from_millis(300) };
    let accounts: Vec<AccountTag> = (1..=6).map(account).collect();
    let mut cluster = tokio::task::spawn_blocking(Cluster::pair).await.unwrap();
    let mut promised = Promised::new();
    let (mut failovers, mut returned) = (0, 0);
    for round in 0..rounds {
        let old = cluster.primary.clone();
        // The old one is named first: whoever takes what answers first would take it.
        let address = cluster.address(&[&old, cluster.standby.as_ref().unwrap()]);
        let ends = Arc::new(AtomicBool::new(false));
        let workers: Vec<_> = (0..3)
            .map(|n| tokio::spawn(work(address.clone(), format!("h{n}"), lease, accounts.clone(), Arc::clone(&ends))))
            .collect();
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        let is_killed = round % 2 == 0;
        cluster = tokio::task::spawn_blocking(move || {
            // The other half are cut off: the old primary goes on without its standby, and nobody told it.
            if is_killed {
                cluster.kill(&old);
            }
            cluster.promote();
            if is_killed {
                cluster.start(&old);
            }
            cluster
        })
        .await
        .unwrap();
        failovers += 1;
        returned += 1;
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        ends.store(true, Ordering::SeqCst);
        for worker in workers {
            for (of, epoch) in worker.await.unwrap() {
                assert!(promised.insert(of, epoch).is_none(), "{of:?} was promised twice");
            }
        }
        let journal = connected(&cluster.address(&[&cluster.primary])).await;
        for account in &accounts {
            let records = journal.load(*account).await.unwrap().records;
            let there: Promised = records.iter().map(|record| ((*account, record.seq), record.epoch)).collect();
            for (of, epoch) in promised.range((*account, 0)..=(*account, u64::MAX)) {
                assert_eq!(there.get(of), Some(epoch), "round {round}: {of:?} was promised");
            }
            assert!(records.windows(2).all(|pair| pair[0].epoch <= pair[1].epoch));
        }
        drop(journal);
        cluster = tokio::task::spawn_blocking(move || {
            for old in cluster.returned() {
                cluster.remove(&old);
            }
            cluster.waits_for(&cluster.primary, "");
            cluster.add_standby();
            cluster
        })
        .await
        .unwrap();
    }
    let owners: std::collections::BTreeSet<Epoch> = promised.values().copied().collect();
    println!(
        "{failovers} failovers, {returned} old primaries that came back, {} records promised under {} epochs, none lost",
        promised.len(),
        owners.len()
    );
    assert!(promised.len() > 100 && owners.len() > rounds as usize);
}

/// Without the standby nothing is promised, also where somebody ends the wait, which the server tells by a warning only.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn i10_a_commit_whose_standby_does_not_have_it_is_promised_to_nobody() {
    let cluster = tokio::task::spawn_blocking(Cluster::alone).await.unwrap();
    let journal = connected(&cluster.address(&[&cluster.primary])).await;
    let epoch = journal.acquire(account(1)).await.unwrap();
    journal.append(account(1), &[record(1, epoch)]).await.unwrap();
    let cluster = tokio::task::spawn_blocking(move || {
        cluster.waits_for(&cluster.primary, "nobody");
        cluster
    })
    .await
    .unwrap();
    let waiting = {
        let journal = journal.clone();
        tokio::spawn(async move { journal.append(account(1), &[record(2, epoch)]).await })
    };
    let cluster = tokio::task::spawn_blocking(move || {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        let began = Instant::now();
        while cluster.sql(&cluster.primary, waits) == "0" {
            assert!(began.elapsed() < Duration::from_secs(5), "it does not wait");
        }
        let cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        assert_ne!(cluster.sql(&cluster.primary, cancel), "0");
        cluster
    })
    .await
    .unwrap();
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(error, JournalError::Write(_)), "{error}");
    assert!(!error.to_string().contains("nothing was written"), "{error}");
    // Once there is nothing to wait for, what was written is found.
    let cluster = tokio::task::spawn_blocking(move || {
        cluster.waits_for(&cluster.primary, "");
        cluster
    })
    .await
    .unwrap();
    assert_eq!(journal.load(account(1)).await.unwrap().records.len(), 2);
    drop(cluster);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn i12_a_server_that_is_behind_what_was_seen_is_refused() {
    let mut cluster = tokio::task::spawn_blocking(Cluster::pair).await.unwrap();
    let old = cluster.primary.clone();
    let address = cluster.address(&[&old, cluster.standby.as_ref().unwrap()]);
    let journal = connected(&address).await;
    let epoch = journal.acquire(account(1)).await.unwrap();
    cluster = tokio::task::spawn_blocking(move || {
        cluster.promote();
        cluster
    })
    .await
    .unwrap();
    // Both may be written to now; the one that was promoted is taken.
    let second = connected(&address).await;
    second.append(account(1), &[record(1, epoch)]).await.unwrap();
    cluster = tokio::task::spawn_blocking(move || {
        cluster.kill(&cluster.primary);
        cluster
    })
    .await
    .unwrap();
    let error = second.append(account(1), &[record(2, epoch)]).await.unwrap_err();
    assert!(error.to_string().contains("timeline 1, and timeline 2 was seen"), "{error}");
    assert!(second.load(account(1)).await.unwrap_err().to_string().contains("an old primary"));
    drop((journal, cluster));
}
