//! A bot waits for what becomes of its commands, and always hears something.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod fresh;

use std::sync::Arc;

use kraite_core::engine::{Command, CommandId, CommandRefusal, Config, Notice};
use kraite_core::exchange::Direction;
use kraite_core::id::{AccountTag, PositionNo, Symbol};
use kraite_core::journal::Journal;
use kraite_core::position::PositionStatus;
use kraite_core::time::{LocalMillis, VenueMillis};
use kraite_engine::{Clock, Desk, Ready, Slice, Stopped, Terms, Watch, WatchError, Wish, Worker, WorkerError};
use kraite_sim::link::SharedVenue;
use kraite_sim::presets;
use tokio::task::JoinHandle;

struct Bench {
    venue: SharedVenue,
    journal: Arc<dyn Journal>,
    clock: Clock,
}

type Running = JoinHandle<Result<Option<Stopped>, WorkerError>>;

impl Bench {
    async fn new() -> Self {
        let clock = Clock::scaled_from(LocalMillis(1_760_000_000_000), fresh::speed());
        let venue = presets::venue(presets::binance(), AccountTag::new(7).unwrap(), VenueMillis(clock.now().0));
        let time = clock.clone();
        let venue = SharedVenue::new(venue, move || VenueMillis(time.now().0));
        Self { venue, journal: fresh::journal().await, clock }
    }

    async fn start(&self) -> (Watch, Desk, Running) {
        let account = AccountTag::new(7).unwrap();
        let (watch, observer) = Watch::new(|_: &Notice| {});
        let connect = Arc::new(Ready(Arc::new(self.venue.exchange(account))));
        let journal = Arc::clone(&self.journal);
        let (worker, mut desk) =
            Worker::new(account, Config::default(), connect, journal, self.clock.clone(), observer);
        let running = tokio::spawn(worker.run());
        desk.connected().await.unwrap();
        (watch, desk, running)
    }
}

fn open() -> Wish {
    let terms = Terms::default_for(Direction::Long, Slice::Fixed("100".parse().unwrap()), 20);
    Wish::Open(Symbol::new("SOLUSDT"), Box::new(terms))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wait_ends_with_what_was_waited_for_or_why_it_will_not_be() {
    let bench = Bench::new().await;
    let (mut watch, desk, running) = bench.start().await;
    let (first, second) = (CommandId(1), CommandId(2));
    desk.take(first, open()).await.unwrap();
    let seen = watch.active(first).await.unwrap();
    assert!(seen.is_protected() && !seen.is_over(), "{seen:?}");
    assert_eq!(watch.positions(), [seen]);

    desk.take(second, open()).await.unwrap();
    let position = PositionNo::new(1).unwrap();
    assert_eq!(watch.active(second).await, Err(WatchError::Refused(CommandRefusal::SymbolBusy(position))));

    assert!(desk.command(CommandId(3), Command::Close(position)).await);
    let closed = watch.until(first, |seen| seen.status == PositionStatus::Closed).await.unwrap();
    assert!(closed.is_over() && !closed.is_protected(), "{closed:?}");
    let Err(WatchError::Over(over)) = watch.active(first).await else { panic!("it is closed") };
    assert_eq!((over.position, over.status), (position, PositionStatus::Closed));

    drop(desk);
    running.await.unwrap().unwrap();
    assert_eq!(watch.active(CommandId(9)).await, Err(WatchError::Ended));
    assert!(watch.until(first, |seen| seen.is_over()).await.is_ok(), "what was seen last stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_that_was_started_again_waits_as_before() {
    let bench = Bench::new().await;
    let (mut watch, desk, running) = bench.start().await;
    desk.take(CommandId(1), open()).await.unwrap();
    let before = watch.active(CommandId(1)).await.unwrap();
    drop(desk);
    running.await.unwrap().unwrap();

    let (mut watch, desk, running) = bench.start().await;
    desk.take(CommandId(1), open()).await.unwrap();
    assert_eq!(watch.active(CommandId(1)).await.unwrap(), before);
    assert_eq!(watch.positions().len(), 1);
    drop(desk);
    running.await.unwrap().unwrap();
}
