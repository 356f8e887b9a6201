//! A worker keeps its account connected, and wishes wait or are refused while it is not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod fresh;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kraite_core::Capabilities;
use kraite_core::engine::{Command, CommandId, Config, Effect, Engine, Notice};
use kraite_core::exchange::{Direction, Exchange, MarginMode, OrderShape, Purpose, TriggerBy};
use kraite_core::id::{AccountTag, PositionNo, Symbol};
use kraite_core::instrument::Instrument;
use kraite_core::journal::{Journal, Record};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::sizing::LadderSpec;
use kraite_core::time::{LocalMillis, Millis, VenueMillis};
use kraite_engine::{
    Clock, Connect, ConnectFailure, Desk, Observer, Signal, SignalError, Signals, Slice, Terms, TermsError, Wish,
    Worker, WorkerError, serve,
};
use kraite_sim::link::SharedVenue;
use kraite_sim::presets;
use kraite_sim::venue::{Owner, VenueProfile};

fn account() -> AccountTag {
    AccountTag::new(7).unwrap()
}

/// Connects to a simulated exchange after so many failures.
struct Late {
    venue: SharedVenue,
    capabilities: Capabilities,
    failures: AtomicU32,
    failure: ConnectFailure,
}

#[async_trait]
impl Connect for Late {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn connect(&self) -> Result<Arc<dyn Exchange>, ConnectFailure> {
        let left = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_ok() { Err(self.failure.clone()) } else { Ok(Arc::new(self.venue.exchange(account()))) }
    }
}

/// What was heard: waits between connections, and whether new exposure was halted.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<(Vec<i64>, Option<bool>)>>);

impl Observer for Heard {
    fn committed(&mut self, engine: &Engine, _: Option<&Record>, _: &[Effect]) {
        self.0.lock().unwrap().1 = Some(engine.state().halted);
    }

    fn notice(&mut self, _: &Notice) {}

    fn interrupted(&mut self, why: &str, again_after: Millis) {
        assert_eq!(why, "not now");
        self.0.lock().unwrap().0.push(again_after.0);
    }
}

struct Stage {
    profile: VenueProfile,
    clock: Clock,
    venue: SharedVenue,
    journal: Arc<dyn Journal>,
    heard: Heard,
}

impl Stage {
    async fn new() -> Self {
        Self::on(presets::binance()).await
    }

    async fn on(profile: VenueProfile) -> Self {
        let clock = Clock::scaled_from(LocalMillis(1_760_000_000_000), fresh::speed());
        let venue = presets::venue(profile.clone(), account(), VenueMillis(clock.now().0));
        let time = clock.clone();
        let venue = SharedVenue::new(venue, move || VenueMillis(time.now().0));
        Self { profile, clock, venue, journal: fresh::journal().await, heard: Heard::default() }
    }

    fn worker(&self, failures: u32, failure: ConnectFailure) -> (Worker<Heard>, Desk) {
        let (venue, capabilities) = (self.venue.clone(), self.profile.capabilities.clone());
        let connect = Late { venue, capabilities, failures: AtomicU32::new(failures), failure };
        let (journal, clock, heard) = (Arc::clone(&self.journal), self.clock.clone(), self.heard.clone());
        Worker::new(account(), Config::default(), Arc::new(connect), journal, clock, heard)
    }

    async fn until(&self, holds: impl Fn() -> bool) {
        for _ in 0..2_000 {
            if holds() {
                return;
            }
            self.clock.sleep(Millis(500)).await;
        }
        panic!("it did not happen");
    }

    fn open_orders(&self) -> usize {
        self.venue.with(|venue, _| venue.open_orders().count())
    }
}

fn terms(margin: &str) -> Box<Terms> {
    Box::new(Terms {
        spec: LadderSpec::default_for(Direction::Long),
        slice: Slice::Fixed(margin.parse().unwrap()),
        leverage_cap: 20,
        sequence: Sequence::LadderFirst,
        target_style: TargetStyle::TriggerMarket,
        stop_by: TriggerBy::Mark,
        margin_mode: MarginMode::Cross,
        mode: None,
    })
}

fn for_now() -> ConnectFailure {
    ConnectFailure::ForNow("not now".into())
}

struct Listed(VecDeque<Signal>);

#[async_trait]
impl Signals for Listed {
    async fn next(&mut self) -> Option<Signal> {
        self.0.pop_front()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r111_a_connection_that_fails_is_made_again_ever_more_slowly_and_commands_wait_for_it() {
    let stage = Stage::new().await;
    let (worker, mut desk) = stage.worker(3, for_now());
    let running = tokio::spawn(worker.run());
    let wish = || Wish::Open(Symbol::new("SOLUSDT"), terms("100"));
    assert!(matches!(desk.take(CommandId(1), wish()).await, Err(SignalError::NotConnected)));
    assert!(desk.command(CommandId(2), Command::Close(PositionNo::new(9).unwrap())).await, "it waits");
    desk.connected().await.unwrap();
    assert_eq!(stage.heard.0.lock().unwrap().0, [2_000, 4_000, 8_000]);
    desk.take(CommandId(1), wish()).await.unwrap();
    stage.until(|| stage.open_orders() == 6).await;
    drop(desk);
    assert!(running.await.unwrap().unwrap().is_some());
    let records = stage.journal.load(account()).await.unwrap().records;
    let waited = records.iter().filter(|record| format!("{:?}", record.input).starts_with("Command(CommandId(2)"));
    assert_eq!(waited.count(), 1, "what waited was decided on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_halt_is_durable_before_there_is_a_connection() {
    let stage = Stage::new().await;
    let (worker, desk) = stage.worker(u32::MAX, for_now());
    let running = tokio::spawn(worker.run());
    assert!(desk.command(CommandId(1), Command::Halt).await);
    stage.until(|| stage.heard.0.lock().unwrap().1 == Some(true)).await;
    drop(desk);
    assert!(running.await.unwrap().unwrap().is_none());
    assert_eq!(stage.journal.load(account()).await.unwrap().records.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_connected_as_it_is_configured_ends_the_worker() {
    let stage = Stage::new().await;
    let (worker, desk) = stage.worker(1, ConnectFailure::ForGood("no such address".into()));
    assert!(matches!(worker.run().await, Err(WorkerError::Connect(why)) if why == "no such address"));
    assert!(!desk.command(CommandId(1), Command::Halt).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_are_served_in_turn_and_each_is_told_what_came_of_it() {
    let stage = Stage::new().await;
    let (worker, mut desk) = stage.worker(0, for_now());
    let running = tokio::spawn(worker.run());
    desk.connected().await.unwrap();
    let signal = |id, account, symbol: &str, margin| Signal {
        id: CommandId(id),
        account,
        wish: Wish::Open(Symbol::new(symbol), terms(margin)),
    };
    let other = AccountTag::new(8).unwrap();
    let mut listed = Listed(VecDeque::from([
        signal(1, other, "SOLUSDT", "100"),
        signal(2, account(), "NOPEUSDT", "100"),
        signal(3, account(), "SOLUSDT", "1000000000"),
        signal(4, account(), "SOLUSDT", "100"),
    ]));
    let mut told = Vec::new();
    serve(&mut listed, &BTreeMap::from([(account(), desk.clone())]), |signal, taken| told.push((signal.id.0, taken)))
        .await;
    let results: Vec<_> = told.into_iter().map(|(_, taken)| taken).collect();
    assert!(matches!(results[0], Err(SignalError::Ended)));
    assert!(
        matches!(&results[1], Err(SignalError::Terms(TermsError::NotListed(symbol))) if symbol.as_str() == "NOPEUSDT")
    );
    assert!(matches!(results[2], Err(SignalError::Terms(TermsError::TooLittle { .. }))));
    assert!(results[3].is_ok());
    stage.until(|| stage.open_orders() == 6).await;
    drop(desk);
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r101_a_share_is_one_of_what_others_on_the_account_have_left_free() {
    let stage = Stage::new().await;
    let (exchange, symbol) = (stage.venue.exchange(account()), presets::instrument().symbol);
    let five = "5".parse().unwrap();
    stage
        .venue
        .with(|venue, now| venue.user_market(account(), &symbol, Direction::Long, Purpose::Open, five, now))
        .unwrap();
    let row = exchange.balances().await.unwrap().into_iter().find(|row| row.currency == "USDT").unwrap();
    assert!(row.available < row.wallet, "{row:?}");
    let share = Terms { slice: Slice::Share("10".parse().unwrap()), ..*terms("0") };
    let margin = share.request(&exchange, &symbol).await.unwrap().budget.margin;
    assert_eq!(margin, row.available.scaled_by("0.1".parse().unwrap()).unwrap());
    let all = terms(&row.wallet.to_string()).request(&exchange, &symbol).await;
    assert!(matches!(all, Err(TermsError::TooLittle { free, .. }) if free == row.available), "{all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r85_s12_a_stop_is_moved_and_what_no_order_takes_off_is_closed_through_the_exchange() {
    let stage = Stage::on(presets::bitget()).await;
    let (worker, mut desk) = stage.worker(0, for_now());
    let running = tokio::spawn(worker.run());
    desk.connected().await.unwrap();
    let symbol = presets::instrument().symbol;
    desk.take(CommandId(1), Wish::Open(symbol.clone(), terms("100"))).await.unwrap();
    stage.until(|| stage.open_orders() == 6).await;
    let position = PositionNo::new(1).unwrap();
    let moved = || {
        let is_there =
            |o: &OrderShape| matches!(o, OrderShape::StopMarket { trigger, .. } if *trigger == "80".parse().unwrap());
        stage.venue.with(|venue, _| venue.open_orders().any(|o| is_there(&o.shape)))
    };
    // It may not be active yet.
    for id in 2.. {
        assert!(id < 200, "the stop stays where it is");
        desk.take(CommandId(id), Wish::MoveStop(position, symbol.clone(), "80".parse().unwrap())).await.unwrap();
        stage.clock.sleep(Millis(1_000)).await;
        if moved() {
            break;
        }
    }
    let coarse: kraite_core::number::Qty = "1".parse().unwrap();
    stage.venue.with(|venue, _| {
        let rules = presets::instrument();
        venue.change_filters(Instrument { lot: coarse, market_lot: coarse, min_qty: coarse, ..rules });
    });
    desk.take(CommandId(900), Wish::Close(position)).await.unwrap();
    stage
        .until(|| stage.open_orders() == 0 && stage.venue.with(|venue, _| venue.exposures(account()).count() == 0))
        .await;
    let untagged = stage.venue.with(|venue, _| venue.objects().filter(|o| o.owner == Owner::Untagged).count());
    assert_eq!(untagged, 1);
    drop(desk);
    running.await.unwrap().unwrap();
}
