//! A real process that trades over real sockets on a real journal file is killed with signal 9, again and again.

use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;
use std::time::Duration;

use kraite_core::engine::Config as EngineConfig;
use kraite_core::exchange::Direction;
use kraite_core::id::AccountTag;
use kraite_core::number::Price;
use kraite_core::time::{LocalMillis, Millis};
use kraite_engine::{Clock, Reactor, ReactorError};
use kraite_journal::SqliteJournal;
use kraite_sim::emulator::{Emulator, Protocol};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::life::{Case, OWNER, SPEED, VENUE_ACCOUNT, connect, emulator, open_command, symbol};
use crate::raw;

/// How the child is told what to do.
const ORDERS: &str = "KRAITE_WIRE_WORKER";
const PROTOCOLS: [Protocol; 3] = [Protocol::Binance, Protocol::BitgetClassic, Protocol::BitgetUnified];
/// How often the process is killed.
const KILLS: u32 = 100;
/// So many trades show that it was killed while it traded.
const ENOUGH: u64 = 21;
/// So many lives of the process share one command to open.
const LIVES_PER_COMMAND: u32 = 5;

/// The whole of the worker: it is this test binary, asked for this test alone.
#[tokio::test]
#[ignore = "needs the test that starts it as a process of its own"]
async fn worker() {
    let orders = std::env::var(ORDERS).expect("the parent says what to do");
    let [http, ws, journal, now, number, protocol] = orders.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{orders}")
    };
    let protocol = PROTOCOLS.into_iter().find(|known| format!("{known:?}") == protocol).unwrap();
    let case = Case { protocol, ..Case::LONG };
    let clock = Clock::scaled_from(LocalMillis(now.parse().unwrap()), SPEED);
    let journal = Arc::new(SqliteJournal::open(PathBuf::from(journal)).unwrap());
    let number: u64 = number.parse().unwrap();
    // On a busy machine what has to be read at the start may come too late: whoever watches a worker starts it again.
    loop {
        match life(http, ws, &clock, Arc::clone(&journal), number, case).await {
            Ok(()) => return,
            Err(why) => eprintln!("{why}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// From the start to the end of one worker, which ends by itself only where its venue cannot be read.
async fn life(
    http: &str,
    ws: &str,
    clock: &Clock,
    journal: Arc<SqliteJournal>,
    number: u64,
    case: Case,
) -> Result<(), String> {
    let exchange = connect(http, ws, clock, case).await.map_err(|error| error.to_string())?;
    let quiet = |_: &kraite_core::engine::Notice| {};
    let (config, port) = (EngineConfig::default(), Arc::clone(&exchange));
    let (reactor, handle) = Reactor::new(OWNER, config, port, journal, clock.clone(), quiet);
    let running = tokio::spawn(reactor.run());
    if number > 0
        && let Ok((id, command)) = open_command(exchange.as_ref(), case, number).await
    {
        handle.command(id, command).await;
    }
    match running.await.unwrap() {
        Err(error @ ReactorError::Clock(_)) => Err(error.to_string()),
        ended => ended.map(|_| ()).map_err(|error| panic!("{error}")),
    }
}

struct Stage {
    emulator: Emulator,
    protocol: Protocol,
    journal: PathBuf,
}

impl Stage {
    fn worker(&self, number: u32) -> Child {
        let (http, ws) = (self.emulator.http(), self.emulator.ws());
        let now = self.emulator.clock().now().0;
        let orders = format!("{http} {ws} {} {now} {number} {:?}", self.journal.display(), self.protocol);
        Process::new(std::env::current_exe().unwrap())
            .args(["--exact", "kills::worker", "--include-ignored"])
            .env(ORDERS, orders)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn account() -> AccountTag {
        AccountTag::new(VENUE_ACCOUNT).unwrap()
    }

    fn is_flat(&self) -> bool {
        self.emulator.with_venue(|venue| {
            venue.position(Self::account(), &symbol(), Direction::Long).is_zero()
                && venue.open(Self::account()).count() == 0
        })
    }

    /// Prices at which something rests or triggers, the stop left out.
    fn prices(&self) -> Vec<Price> {
        self.emulator.with_venue(|venue| {
            let stop = |o: &&kraite_sim::venue::OrderObject| {
                !matches!(o.shape, kraite_core::exchange::OrderShape::StopMarket { .. })
            };
            venue.open(Self::account()).filter(stop).filter_map(|o| o.shape.price()).collect()
        })
    }

    async fn price(&self, price: Price) {
        let body = format!(r#"{{"symbol":"SOLUSDT","last":"{price}"}}"#);
        let to = self.emulator.address();
        let (status, answer) = raw::call(to, "POST", "/_kraite/v1/price", &[], &body).await;
        assert_eq!(status, 200, "{answer}");
    }

    async fn trades(&self) -> u64 {
        self.audit().await["trades"].as_u64().unwrap()
    }

    async fn audit(&self) -> serde_json::Value {
        raw::call(self.emulator.address(), "GET", "/_kraite/v1/audit?naked_ms=200000", &[], "").await.1
    }
}

fn journal_is_whole(path: &Path) {
    let journal = SqliteJournal::open(path).unwrap();
    let loaded = tokio::task::block_in_place(|| {
        tokio::runtime::Handle::current().block_on(kraite_core::journal::Journal::load(&journal, OWNER))
    });
    assert!(loaded.is_ok(), "{loaded:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d01_killed_a_hundred_times_while_it_trades_over_sockets() {
    killed_a_hundred_times(Protocol::Binance).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d01_killed_a_hundred_times_where_stop_and_target_are_one_call() {
    killed_a_hundred_times(Protocol::BitgetClassic).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d01_killed_a_hundred_times_where_stop_and_target_are_one_order() {
    killed_a_hundred_times(Protocol::BitgetUnified).await;
}

async fn killed_a_hundred_times(protocol: Protocol) {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage {
        emulator: emulator(Case { protocol, ..Case::LONG }).await,
        protocol,
        journal: folder.path().join("wire.journal"),
    };
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut kill = 0;
    // On a busy machine less of a life fits between two kills.
    while kill < KILLS || (kill < 4 * KILLS && stage.trades().await < ENOUGH) {
        kill += 1;
        let mut worker = stage.worker(1 + (kill - 1) / LIVES_PER_COMMAND);
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(u64::from(rng.next_u32() % 150))).await;
            let prices = stage.prices();
            if let Some(price) = prices.get(rng.next_u32() as usize % prices.len().max(1)) {
                stage.price(*price).await;
            }
        }
        worker.kill().unwrap();
        let status = worker.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "it ended by itself: {status}");
        journal_is_whole(&stage.journal);
        let audit = stage.audit().await;
        assert_eq!(audit["ok"], true, "after {kill} kills: {audit}");
    }
    // One more, which is left alone and told to open nothing, brings what there is to its end.
    let mut last = stage.worker(0);
    let bound = stage.emulator.clock().now().plus(Millis(600_000));
    while !stage.is_flat() {
        assert!(stage.emulator.clock().now() < bound, "never flat: {}", stage.audit().await);
        tokio::time::sleep(Duration::from_millis(100)).await;
        if let Some(highest) = stage.prices().into_iter().max() {
            stage.price(highest).await;
        }
    }
    last.kill().unwrap();
    last.wait().unwrap();
    let audit = stage.audit().await;
    println!("{kill} kills, {protocol:?}: {audit}");
    assert_eq!(audit["ok"], true, "{audit}");
    assert!(stage.trades().await >= ENOUGH, "it hardly traded: {audit}");
}
