//! A thousand accounts over four workers that share a database: one is killed, and the others have its accounts.
//!
//! `tests/postgres/run cargo test --workspace --test takeover -- --include-ignored --nocapture`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "servers have no other clock")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kraite_core::engine::{Command, CommandId, Config, Effect, Engine, Notice, OpenRequest};
use kraite_core::exchange::{Exchange, PositionMode};
use kraite_core::id::{AccountTag, Symbol};
use kraite_core::journal::{Journal, Record};
use kraite_core::number::{Notional, Price};
use kraite_core::time::VenueMillis;
use kraite_engine::{Clock, Handle, Observer, Reactor};
use kraite_journal::{Host, Lease, PostgresJournal};
use kraite_sim::link::SharedVenue;
use kraite_sim::presets;
use kraite_sim::script::{Script, Timing, request, world};
use kraite_sim::venue::Venue;
use kraite_sim::world::Nemesis;
use tokio::runtime::{Builder, Runtime};

const ACCOUNTS: u32 = 1_000;
const WORKERS: usize = 4;
/// Binance's window of 3 s, the second that a request may take to leave, and one for the clock.
const REACH: Duration = Duration::from_secs(5);
const LEASE: Lease = Lease { term: Duration::from_secs(10), reach: REACH };
const BEAT: Duration = Duration::from_millis(500);

fn cents(units: i64) -> Price {
    Price::from_units(units, 2).unwrap()
}

fn symbol() -> Symbol {
    presets::instrument().symbol
}

/// When each account last decided to send something, and how many intents of its were recorded.
type Sent = Arc<Mutex<BTreeMap<AccountTag, Instant>>>;

struct Watch {
    account: AccountTag,
    sent: Sent,
}

impl Observer for Watch {
    fn committed(&mut self, _: &Engine, _: Option<&Record>, effects: &[Effect]) {
        if effects.iter().any(|effect| matches!(effect, Effect::Send { .. })) {
            self.sent.lock().unwrap().entry(self.account).or_insert_with(Instant::now);
        }
    }

    fn notice(&mut self, _: &Notice) {}
}

/// An exchange for each account, which outlives every worker.
struct Market {
    venues: BTreeMap<AccountTag, SharedVenue>,
    clock: Clock,
    sent: Sent,
    handles: Arc<Mutex<BTreeMap<AccountTag, Handle>>>,
}

impl Market {
    fn new() -> Self {
        let clock = Clock::real();
        let venues = (1..=ACCOUNTS).map(|n| {
            let (tag, now) = (AccountTag::new(n).unwrap(), VenueMillis(clock.now().0));
            let mut venue = Venue::new(presets::binance(), now);
            venue.open_account(tag, PositionMode::OneWay, Notional::from_units(1_000_000, 0).unwrap());
            venue.list(presets::instrument());
            venue.price(&symbol(), cents(15_024), cents(15_024), now);
            let time = clock.clone();
            (tag, SharedVenue::new(venue, move || VenueMillis(time.now().0)))
        });
        Self { venues: venues.collect(), clock, sent: Sent::default(), handles: Arc::default() }
    }

    fn tags(&self) -> Vec<AccountTag> {
        self.venues.keys().copied().collect()
    }

    fn open_orders(&self, tag: AccountTag) -> usize {
        self.venues.get(&tag).unwrap().with(|venue, _| venue.open(tag).count())
    }
}

/// One host: takes its share, and runs a reactor for each account that it holds.
async fn work(market: Arc<Market>, address: String, name: String) {
    let plain = PostgresJournal::connect(&address).await.unwrap();
    let host = Host::begin(&plain, &name, "1", LEASE).await.unwrap();
    let journal: Arc<dyn Journal> = Arc::new(host.journal());
    let all = market.tags();
    let mut begun = BTreeSet::new();
    let mut beat = tokio::time::interval(BEAT);
    loop {
        beat.tick().await;
        let held = host.renew().await.unwrap().held;
        let up = plain.hosts().await.unwrap().iter().filter(|row| row.is_up).count();
        // Nobody here hands anything over, so nobody takes what is for those who come next.
        if begun.is_empty() && up < WORKERS {
            continue;
        }
        let share = all.len().div_ceil(up.max(1));
        if held.len() < share {
            host.claim(&all, share - held.len()).await.unwrap();
        }
        for tag in host.renew().await.unwrap().held {
            if !begun.insert(tag) {
                continue;
            }
            let exchange: Arc<dyn Exchange> = Arc::new(market.venues.get(&tag).unwrap().exchange(tag));
            let watch = Watch { account: tag, sent: Arc::clone(&market.sent) };
            let (config, clock) = (Config::default(), market.clock.clone());
            let (reactor, handle) = Reactor::new(tag, config, exchange, Arc::clone(&journal), clock, watch);
            market.handles.lock().unwrap().insert(tag, handle);
            tokio::spawn(reactor.run());
        }
    }
}

fn until(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < patience, "not {what} after {patience:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn template() -> OpenRequest {
    let quiet = world(presets::binance(), Nemesis::scheduled(1, BTreeMap::new()), Timing::default());
    let script = Script::catalogue().into_iter().next().unwrap();
    request(&script, &quiet).unwrap()
}

#[test]
#[ignore = "needs PostgreSQL"]
fn i14_of_a_thousand_accounts_those_of_a_killed_worker_are_taken_over_in_time() {
    let address = std::env::var("KRAITE_POSTGRES").expect("KRAITE_POSTGRES is the address of a PostgreSQL server");
    let main = Builder::new_current_thread().enable_all().build().unwrap();
    let market = Arc::new(Market::new());
    let mut workers: Vec<Runtime> = (0..WORKERS)
        .map(|n| {
            let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.spawn(work(Arc::clone(&market), address.clone(), format!("w{n}")));
            runtime
        })
        .collect();
    until("shared", Duration::from_secs(60), || market.handles.lock().unwrap().len() == ACCOUNTS as usize);
    let template = template();
    for tag in market.tags() {
        let mut request = template.clone();
        request.mark.at = VenueMillis(market.clock.now().0);
        let handle = market.handles.lock().unwrap().get(&tag).unwrap().clone();
        assert!(main.block_on(handle.command(CommandId(1), Command::Open(Box::new(request)))));
    }
    until("protected", Duration::from_secs(120), || market.tags().iter().all(|tag| market.open_orders(*tag) == 6));

    let plain = main.block_on(PostgresJournal::connect(&address)).unwrap();
    let hosts = main.block_on(plain.hosts()).unwrap();
    let shares: Vec<usize> = hosts.iter().map(|row| row.accounts.len()).collect();
    assert_eq!(shares.iter().sum::<usize>(), ACCOUNTS as usize);
    let lost = hosts.into_iter().find(|row| row.name == "w0").unwrap().accounts;
    assert!(lost.len() >= 200, "{shares:?}");

    // Killed: nothing of it goes on. At the same moment a rung of each of its accounts fills, and nobody moves a target.
    market.sent.lock().unwrap().clear();
    workers.remove(0).shutdown_background();
    let killed = Instant::now();
    for tag in &lost {
        market.venues.get(tag).unwrap().with(|venue, now| venue.price(&symbol(), cents(13_720), cents(13_720), now));
    }
    let moved = || {
        let sent = market.sent.lock().unwrap();
        lost.iter().filter(|tag| sent.contains_key(tag)).count()
    };
    until("taken over", LEASE.term + REACH + Duration::from_secs(60), || moved() == lost.len());
    let mut took: Vec<Duration> = {
        let sent = market.sent.lock().unwrap();
        lost.iter().filter_map(|tag| Some(sent.get(tag)?.duration_since(killed))).collect()
    };
    took.sort_unstable();
    let at = |hundredths: usize| took.get((took.len() * hundredths / 100).min(took.len() - 1)).copied().unwrap();
    println!("{ACCOUNTS} accounts over {WORKERS} workers {shares:?}; one with {} accounts is killed", lost.len());
    println!("lease {:?}, reach {REACH:?}; from the kill to the first request of the new owner:", LEASE.term);
    println!("  first {:?}, median {:?}, p90 {:?}, p99 {:?}, last {:?}", at(0), at(50), at(90), at(99), at(100));
    // Each target rests at its new price, and nothing is there twice: three rungs, stop and target.
    until("re-priced", Duration::from_secs(30), || lost.iter().all(|tag| market.open_orders(*tag) == 5));
    let bound = LEASE.term + REACH + Duration::from_secs(5);
    assert!(at(99) <= bound, "p99 {:?}, bound {bound:?}", at(99));
    let hosts = main.block_on(plain.hosts()).unwrap();
    assert_eq!(hosts.iter().filter(|row| row.is_up).map(|row| row.accounts.len()).sum::<usize>(), ACCOUNTS as usize);
    for worker in workers {
        worker.shutdown_background();
    }
}
