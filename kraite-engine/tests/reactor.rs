//! The reactor gets through whatever a backend does to it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use futures_util::stream::BoxStream;
mod fresh;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use kraite_core::engine::{Command, CommandId, Config, Effect, Engine, Notice, OpenRequest};
use kraite_core::exchange::{
    Ack, Cause, Direction, Endpoint, Lookup, MarginMode, Mark, MockExchange, Outcome, PositionMode, ReadError, Reading,
    StreamEvent, TriggerBy,
};
use kraite_core::id::{AccountTag, Epoch, Role};
use kraite_core::journal::{Durable, Journal, JournalError, Loaded, Record, Snapshot};
use kraite_core::order::{Life, Terminal};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::position::PositionStatus;
use kraite_core::sizing::{Budget, LadderSpec, SizingModel, TargetBasis};
use kraite_core::time::{LocalMillis, Millis, VenueMillis};
use kraite_engine::{Clock, Observer, Reactor};
use kraite_journal::MemoryJournal;
use kraite_sim::link::{Call, Link, LocalLink, Reply, SharedVenue, SimExchange};
use kraite_sim::presets;
use kraite_sim::venue::Venue;

const START: i64 = 1_760_000_000_000;

/// What became of the entry, as seen after every step.
#[derive(Clone, Default)]
struct Watch(Arc<Mutex<Vec<Life>>>);

impl Observer for Watch {
    fn committed(&mut self, engine: &Engine, _: Option<&Record>, _: &[Effect]) {
        let positions = engine.state().positions.values();
        let entry = positions.flat_map(|p| p.orders.values()).find(|o| o.role() == Role::Entry);
        self.0.lock().unwrap().extend(entry.map(|o| o.life));
    }

    fn notice(&mut self, _: &Notice) {}
}

fn request(clock: &Clock) -> OpenRequest {
    let instrument = presets::instrument();
    OpenRequest {
        spec: LadderSpec {
            direction: Direction::Long,
            rungs: 2,
            gap: "5".parse().unwrap(),
            multipliers: vec!["2".parse().unwrap()],
            profit: "0.5".parse().unwrap(),
            stop: "2".parse().unwrap(),
            model: SizingModel::Unbounded,
            basis: TargetBasis::AverageEntry,
            headroom: "0".parse().unwrap(),
        },
        budget: Budget { margin: "100".parse().unwrap(), leverage_cap: 10 },
        sequence: Sequence::LadderFirst,
        target_style: TargetStyle::TriggerMarket,
        stop_by: TriggerBy::Mark,
        mode: PositionMode::OneWay,
        margin_mode: MarginMode::Cross,
        mark: Mark { symbol: instrument.symbol.clone(), price: "100".parse().unwrap(), at: VenueMillis(clock.now().0) },
        instrument,
    }
}

fn nothing<T: Default>(clock: &Clock, endpoint: Endpoint) -> Result<Reading<T>, ReadError> {
    Ok(Reading { value: T::default(), sent_at: VenueMillis(clock.now().0), endpoint, complete: true })
}

/// An exchange that answers everything, and on which nothing is open.
fn quiet(clock: &Clock) -> MockExchange {
    let mut exchange = MockExchange::new();
    exchange.expect_capabilities().return_const(presets::binance().capabilities);
    let time = clock.clone();
    exchange.expect_open_orders().returning(move |_| nothing(&time, Endpoint::OpenOrders));
    let time = clock.clone();
    exchange.expect_positions().returning(move || nothing(&time, Endpoint::Positions));
    let time = clock.clone();
    exchange.expect_history().returning(move |_, _, _| nothing(&time, Endpoint::History));
    let time = clock.clone();
    exchange.expect_lookup().returning(move |_, endpoint| {
        let sent_at = VenueMillis(time.now().0);
        Ok(Reading { value: Lookup::NotFound, sent_at, endpoint, complete: true })
    });
    exchange.expect_set_margin_mode().returning(|_, _, _| Outcome::Accepted(Ack { report: None }));
    exchange.expect_set_leverage().returning(|_, _, _| Outcome::Accepted(Ack { report: None }));
    exchange.expect_account_stream().returning(|| Err(ReadError::NoAnswer("no stream here".into())));
    exchange
}

async fn run(exchange: MockExchange, clock: Clock, watch: Watch, span: Millis) -> Engine {
    let account = AccountTag::new(1).unwrap();
    let journal = fresh::journal().await;
    let (reactor, handle) = Reactor::new(account, Config::default(), Arc::new(exchange), journal, clock.clone(), watch);
    let running = tokio::spawn(reactor.run());
    assert!(handle.command(CommandId(1), Command::Open(Box::new(request(&clock)))).await);
    clock.sleep(span).await;
    drop(handle);
    running.await.unwrap().unwrap().engine
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r20_a_backend_that_panics_leaves_an_order_in_doubt_and_the_reactor_alive() {
    let clock = Clock::scaled_from(LocalMillis(START), fresh::speed());
    let mut exchange = quiet(&clock);
    let time = clock.clone();
    exchange.expect_server_time().returning(move || Ok(VenueMillis(time.now().0)));
    exchange.expect_place().returning(|_, _| panic!("a decoder that was not written for this"));
    let watch = Watch::default();
    run(exchange, clock, watch.clone(), Millis::from_secs(60)).await;
    let seen = watch.0.lock().unwrap();
    assert!(seen.contains(&Life::InDoubt), "{seen:?}");
    assert!(seen.last().unwrap().is_done(), "proven absent in the end: {seen:?}");
}

/// A link whose clock answers once and then never again.
struct SlowClock {
    inner: LocalLink,
    asked: Arc<AtomicUsize>,
}

#[async_trait::async_trait]
impl Link for SlowClock {
    async fn call(&self, call: Call) -> Reply {
        if matches!(call, Call::Time) && self.asked.fetch_add(1, Ordering::SeqCst) > 0 {
            std::future::pending::<()>().await;
        }
        self.inner.call(call).await
    }

    fn now(&self) -> VenueMillis {
        self.inner.now()
    }

    async fn frames(&self) -> Result<BoxStream<'static, StreamEvent>, ReadError> {
        self.inner.frames().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_endpoint_that_hangs_holds_nobody_up() {
    let clock = Clock::scaled_from(LocalMillis(START), fresh::speed());
    let account = AccountTag::new(1).unwrap();
    let mut venue = Venue::new(presets::binance(), VenueMillis(START));
    let symbol = presets::instrument().symbol;
    venue.list(presets::instrument());
    venue.open_account(account, PositionMode::OneWay, "5000".parse().unwrap());
    let time = clock.clone();
    let venue = SharedVenue::new(venue, move || VenueMillis(time.now().0));
    let price =
        |text: &str| venue.with(|venue, now| venue.price(&symbol, text.parse().unwrap(), text.parse().unwrap(), now));
    price("100");
    let asked = Arc::new(AtomicUsize::new(0));
    let link = SlowClock { inner: venue.link(account), asked: Arc::clone(&asked) };
    let exchange = Arc::new(SimExchange::new(link, presets::binance().capabilities));
    let journal = fresh::journal().await;
    let (reactor, handle) =
        Reactor::new(account, Config::default(), exchange, journal, clock.clone(), Watch::default());
    let running = tokio::spawn(reactor.run());
    assert!(handle.command(CommandId(1), Command::Open(Box::new(request(&clock)))).await);
    // The second measurement begins after 60 s and hangs; the price falls after that.
    clock.sleep(Millis::from_secs(75)).await;
    assert!(asked.load(Ordering::SeqCst) >= 2, "the clock was asked again");
    price("94.9");
    clock.sleep(Millis::from_secs(10)).await;
    drop(handle);
    let engine = running.await.unwrap().unwrap().engine;
    let position = engine.state().positions.values().next().unwrap();
    assert_eq!(position.of(Role::Rung(1)).next().unwrap().life, Life::Done(Terminal::Filled));
    assert_eq!(position.status(), PositionStatus::Active, "the target follows the fill");
}

/// A simulated venue with a price, and the account on it.
fn simulated(clock: &Clock, account: AccountTag) -> (SharedVenue, Arc<SimExchange<LocalLink>>) {
    let mut venue = Venue::new(presets::binance(), VenueMillis(START));
    let (symbol, price) = (presets::instrument().symbol, "100".parse().unwrap());
    venue.list(presets::instrument());
    venue.open_account(account, PositionMode::OneWay, "5000".parse().unwrap());
    let time = clock.clone();
    let venue = SharedVenue::new(venue, move || VenueMillis(time.now().0));
    venue.with(|venue, now| venue.price(&symbol, price, price, now));
    let exchange = Arc::new(SimExchange::new(venue.link(account), presets::binance().capabilities));
    (venue, exchange)
}

/// A link whose list of contracts has no leverage brackets.
struct NoBrackets(LocalLink);

#[async_trait::async_trait]
impl Link for NoBrackets {
    async fn call(&self, call: Call) -> Reply {
        match self.0.call(call).await {
            Reply::Instruments(mut list) => {
                list.iter_mut().for_each(|rules| rules.brackets.clear());
                Reply::Instruments(list)
            }
            other => other,
        }
    }

    fn now(&self) -> VenueMillis {
        self.0.now()
    }

    async fn frames(&self) -> Result<BoxStream<'static, StreamEvent>, ReadError> {
        self.0.frames().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r47_the_rules_are_read_through_the_exchange_and_brackets_stay() {
    let clock = Clock::scaled_from(LocalMillis(START), fresh::speed());
    let account = AccountTag::new(1).unwrap();
    let mut venue = Venue::new(presets::binance(), VenueMillis(START));
    let symbol = presets::instrument().symbol;
    venue.list(presets::instrument());
    venue.open_account(account, PositionMode::OneWay, "5000".parse().unwrap());
    let time = clock.clone();
    let venue = SharedVenue::new(venue, move || VenueMillis(time.now().0));
    let price =
        |text: &str| venue.with(|venue, now| venue.price(&symbol, text.parse().unwrap(), text.parse().unwrap(), now));
    price("100");
    let exchange = Arc::new(SimExchange::new(NoBrackets(venue.link(account)), presets::binance().capabilities));
    let journal = fresh::journal().await;
    let (reactor, handle) =
        Reactor::new(account, Config::default(), exchange, journal, clock.clone(), Watch::default());
    let running = tokio::spawn(reactor.run());
    assert!(handle.command(CommandId(1), Command::Open(Box::new(request(&clock)))).await);
    clock.sleep(Millis::from_secs(20)).await;
    venue.with(|venue, _| {
        let mut rules = presets::instrument();
        rules.tick = "0.7".parse().unwrap();
        venue.change_filters(rules);
    });
    price("94.9");
    clock.sleep(Millis::from_secs(20)).await;
    drop(handle);
    let engine = running.await.unwrap().unwrap().engine;
    let position = engine.state().positions.values().next().unwrap();
    assert_eq!(position.of(Role::Rung(1)).next().unwrap().life, Life::Done(Terminal::Filled));
    assert_eq!(position.status(), PositionStatus::Active, "the target follows the fill on the new grid");
    assert_eq!(position.request.instrument.tick, "0.7".parse().unwrap());
    assert_eq!(position.request.instrument.brackets, presets::instrument().brackets);
}

/// A journal that notes how many records came in each write.
#[derive(Default)]
struct Noting {
    inner: MemoryJournal,
    runs: Mutex<Vec<usize>>,
}

#[async_trait::async_trait]
impl Journal for Noting {
    async fn acquire(&self, account: AccountTag) -> Result<Epoch, JournalError> {
        self.inner.acquire(account).await
    }

    async fn append(&self, account: AccountTag, records: &[Record]) -> Result<Durable, JournalError> {
        self.runs.lock().unwrap().push(records.len());
        self.inner.append(account, records).await
    }

    async fn load(&self, account: AccountTag) -> Result<Loaded, JournalError> {
        self.inner.load(account).await
    }

    async fn save_snapshot(&self, account: AccountTag, snapshot: &Snapshot) -> Result<(), JournalError> {
        self.inner.save_snapshot(account, snapshot).await
    }

    async fn accounts(&self) -> Result<Vec<AccountTag>, JournalError> {
        self.inner.accounts().await
    }
}

/// What is there at once is made durable by one write: both outcomes of a ladder that left as one call, and the frames
/// of one fill.
#[tokio::test]
async fn what_came_together_is_one_write() {
    let clock = Clock::scaled_from(LocalMillis(START), fresh::speed());
    let account = AccountTag::new(1).unwrap();
    let (venue, exchange) = simulated(&clock, account);
    let journal = Arc::new(Noting::default());
    let log: Arc<dyn Journal> = Arc::<Noting>::clone(&journal);
    let (reactor, handle) = Reactor::new(account, Config::default(), exchange, log, clock.clone(), Watch::default());
    let running = tokio::spawn(reactor.run());
    assert!(handle.command(CommandId(1), Command::Open(Box::new(request(&clock)))).await);
    clock.sleep(Millis::from_secs(20)).await;
    drop(handle);
    let engine = running.await.unwrap().unwrap().engine;
    let runs = journal.runs.lock().unwrap().clone();
    assert_eq!(runs.iter().sum::<usize>() as u64, engine.state().seq);
    assert!(runs.iter().any(|records| *records > 1), "{runs:?}");
    assert_eq!(engine.state().positions.values().next().unwrap().status(), PositionStatus::Active);
    drop(venue);
}

/// One life of a worker on a journal that outlives it; says up to which record the newest snapshot reaches.
async fn live(journal: &Arc<dyn Journal>, clock: &Clock, every: u64) -> (u64, Option<u64>) {
    let account = AccountTag::new(1).unwrap();
    let mut exchange = quiet(clock);
    let time = clock.clone();
    exchange.expect_server_time().returning(move || Ok(VenueMillis(time.now().0)));
    exchange.expect_place().returning(|_, _| vec![Outcome::Unknown(Cause::Timeout)]);
    let log = Arc::clone(journal);
    let (reactor, handle) =
        Reactor::new(account, Config::default(), Arc::new(exchange), log, clock.clone(), Watch::default());
    let running = tokio::spawn(reactor.snapshot_every(every).run());
    assert!(handle.command(CommandId(1), Command::Open(Box::new(request(clock)))).await);
    clock.sleep(Millis::from_secs(5)).await;
    drop(handle);
    let seq = running.await.unwrap().unwrap().engine.state().seq;
    (seq, journal.load(account).await.unwrap().snapshot.map(|snapshot| snapshot.seq))
}

/// A start folds what lies after the newest snapshot; lives shorter than the distance of two snapshots must
/// not make that ever more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_restarts_often_still_stores_snapshots() {
    let clock = Clock::scaled_from(LocalMillis(START), fresh::speed());
    let journal = fresh::journal().await;
    let (first, none) = live(&journal, &clock, 1_000).await;
    assert!(first > 1 && none.is_none(), "{first} records, snapshot {none:?}");
    let (second, snapshot) = live(&journal, &clock, first + 1).await;
    assert!(second < 2 * first, "the second life is a short one: {first}, then {second}");
    assert!(snapshot.is_some_and(|seq| seq > first), "{second} records and no snapshot");
}
