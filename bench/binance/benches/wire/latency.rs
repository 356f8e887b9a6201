//! From a frame on the socket to the effects of what it says: the emulator's push of a partial fill, through the
//! WebSocket, the decoder, the reactor and the journal, until the effects are let go.
//!
//! A plain proxy between both notes when the bytes of a fill reached this side.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kraite_binance::codec::{Credentials, Signer};
use kraite_binance::{Binance, Config, Hosts, LocalClock};
use kraite_core::engine::{Command, CommandId, Config as EngineConfig, Effect, Engine, InputKind, Notice, OpenRequest};
use kraite_core::exchange::{Direction, Exchange, MarginMode, PositionMode, StreamEvent, TriggerBy};
use kraite_core::id::{AccountTag, Role, Symbol};
use kraite_core::journal::{Journal, Record};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::sizing::{Budget, LadderSpec};
use kraite_core::time::{LocalMillis, Millis, Moment, VenueMillis};
use kraite_engine::{Clock, Observer, Reactor};
use kraite_journal::{MemoryJournal, SqliteJournal};
use kraite_sim::emulator::{Emulator, Settings};

/// Partial fills of one rung; each is a frame of its own.
const FILLS: usize = 2_000;
/// Between two of them, so that each meets a system at rest.
const GAP: Duration = Duration::from_millis(4);
/// Venue and engine live this many times as fast, so that limits and paces hold nobody up.
const SPEED: u32 = 20;
/// Commits that are timed by themselves.
const COMMITS: u64 = 500;
/// Bytes of a durable write that are written raw for comparison.
const RECORD: [u8; 300] = [7; 300];
const SYMBOL: &str = "SOLUSDT";

/// When the bytes of each trade were read from the emulator, by the trade's number.
type Arrived = Arc<Mutex<HashMap<u64, Instant>>>;

#[derive(Clone, Default)]
struct Watch {
    arrived: Arrived,
    took: Arc<Mutex<Vec<Duration>>>,
    rung: Arc<Mutex<Option<String>>>,
    released: Arc<Mutex<usize>>,
}

impl Observer for Watch {
    fn committed(&mut self, engine: &Engine, record: Option<&Record>, effects: &[Effect]) {
        let now = Instant::now();
        if self.rung.lock().expect("a lock").is_none() {
            let mut orders = engine.state().positions.values().flat_map(|position| position.orders.values());
            let rung = orders.find(|order| matches!(order.role(), Role::Rung(_)) && order.life.is_open());
            *self.rung.lock().expect("a lock") = rung.map(|order| order.id.to_string());
        }
        let Some(InputKind::Push(StreamEvent::Order(report))) = record.map(|record| &record.input) else { return };
        let Some(trade) = report.trade.as_ref().and_then(|trade| trade.id.as_str().parse().ok()) else { return };
        if let Some(arrived) = self.arrived.lock().expect("a lock").remove(&trade) {
            self.took.lock().expect("a lock").push(now.duration_since(arrived));
            *self.released.lock().expect("a lock") += effects.len();
        }
    }

    fn notice(&mut self, _: &Notice) {}
}

struct Scaled(Clock);

#[async_trait]
impl LocalClock for Scaled {
    fn now(&self) -> LocalMillis {
        self.0.now()
    }

    async fn sleep(&self, span: Millis) {
        self.0.sleep(span).await;
    }
}

/// Forwards every connection, and notes the trades of what comes from the emulator.
fn proxy(upstream: SocketAddr, arrived: Arrived) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("a port");
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(upstream).expect("the emulator");
            for socket in [&client, &server] {
                socket.set_nodelay(true).expect("a socket");
            }
            let (from, to) = (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
            std::thread::spawn(move || copy(from, to, |_| {}));
            let arrived = Arc::clone(&arrived);
            std::thread::spawn(move || copy(server, client, |bytes| note(bytes, &arrived)));
        }
    });
    address
}

fn copy(mut from: TcpStream, mut to: TcpStream, see: impl Fn(&[u8])) {
    let mut buffer = [0; 1 << 16];
    while let Ok(got) = from.read(&mut buffer) {
        see(&buffer[..got]);
        if got == 0 || to.write_all(&buffer[..got]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

fn note(bytes: &[u8], arrived: &Arrived) {
    let now = Instant::now();
    let text = String::from_utf8_lossy(bytes);
    for part in text.split("ORDER_TRADE_UPDATE").skip(1) {
        let digits = part.split("\"t\":").nth(1).map(|rest| rest.chars().take_while(char::is_ascii_digit).collect());
        let trade = digits.and_then(|digits: String| digits.parse().ok()).filter(|trade| *trade > 0);
        if let Some(trade) = trade {
            arrived.lock().expect("a lock").insert(trade, now);
        }
    }
}

fn admin(to: SocketAddr, path: &str, body: &str) {
    let mut socket = TcpStream::connect(to).expect("the emulator");
    let head = format!(
        "POST /_kraite/v1{path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(format!("{head}{body}").as_bytes()).expect("the emulator");
    let mut answer = String::new();
    let _ = socket.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

async fn opening(exchange: &Binance) -> OpenRequest {
    let symbol = Symbol::new(SYMBOL);
    let listed = exchange.instruments().await.expect("the rules");
    OpenRequest {
        mark: exchange.mark_price(&symbol).await.expect("a mark"),
        instrument: listed.into_iter().find(|instrument| instrument.symbol == symbol).expect("the contract"),
        spec: LadderSpec::default_for(Direction::Long),
        budget: Budget { margin: "20000".parse().expect("a number"), leverage_cap: 20 },
        sequence: Sequence::LadderFirst,
        target_style: TargetStyle::TriggerMarket,
        stop_by: TriggerBy::Mark,
        mode: PositionMode::OneWay,
        margin_mode: MarginMode::Cross,
    }
}

/// How long each fill took on its way, and how many effects all of them let go.
async fn followed(journal: Arc<dyn Journal>) -> (Vec<Duration>, usize) {
    let balance = "10000000".parse().expect("a number");
    let emulator = Emulator::start(Settings { speed: SPEED, balance, ..Settings::default() }).await.expect("a port");
    let watch = Watch::default();
    let through = proxy(emulator.address(), Arc::clone(&watch.arrived));
    let hosts = Hosts::emulator(&emulator.http(), &format!("ws://{through}")).expect("addresses");
    let clock = emulator.clock().clone();
    let config = Config::new(hosts).clock(Arc::new(Scaled(clock.clone()))).marks([Symbol::new(SYMBOL)]);
    let credentials = Credentials::new("k".into(), Signer::hmac(&"s".into()).expect("a secret"));
    let exchange = Arc::new(Binance::connect(config, credentials).await.expect("the emulator"));
    let account = AccountTag::new(7).expect("a small number");
    let port: Arc<dyn Exchange> = Arc::clone(&exchange) as _;
    let (reactor, handle) = Reactor::new(account, EngineConfig::default(), port, journal, clock, watch.clone());
    let running = tokio::spawn(reactor.run());
    let request = opening(&exchange).await;
    assert!(handle.command(CommandId(1), Command::Open(Box::new(request))).await);
    let rung = loop {
        if let Some(rung) = watch.rung.lock().expect("a lock").clone() {
            break rung;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    tokio::time::sleep(Duration::from_millis(500)).await;
    let to = emulator.address();
    for _ in 0..FILLS {
        let body = format!(r#"{{"id":"{rung}","qty":"0.01"}}"#);
        tokio::task::spawn_blocking(move || admin(to, "/fill", &body)).await.expect("the emulator");
        tokio::time::sleep(GAP).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(handle);
    running.await.expect("no panic").expect("a good end");
    let took = watch.took.lock().expect("a lock").clone();
    let released = *watch.released.lock().expect("a lock");
    (took, released)
}

/// One durable write after the other at the pace of the fills, as plain as it can be.
fn raw_commits(path: &Path) -> Vec<Duration> {
    let mut file = std::fs::File::create(path).expect("a file");
    (0..COMMITS)
        .map(|_| {
            std::thread::sleep(GAP);
            let start = Instant::now();
            file.write_all(&RECORD).and_then(|()| file.sync_data()).expect("a disk");
            start.elapsed()
        })
        .collect()
}

/// One commit of a journal after the other at the pace of the fills, with nothing around it.
async fn commits(journal: &dyn Journal) -> Vec<Duration> {
    let account = AccountTag::new(8).expect("a small number");
    let epoch = journal.acquire(account).await.expect("a journal");
    let mut took = Vec::new();
    for seq in 1..=COMMITS {
        tokio::time::sleep(GAP).await;
        let at = Moment { local: LocalMillis(0), venue: VenueMillis(0), error: Millis(0) };
        let record = Record { seq, epoch, at, input: InputKind::Started, events: Vec::new() };
        let start = Instant::now();
        journal.append(account, &[record]).await.expect("a disk");
        took.push(start.elapsed());
    }
    took
}

fn share(sorted: &[Duration], per_mille: usize) -> f64 {
    sorted[(sorted.len() - 1) * per_mille / 1_000].as_secs_f64() * 1e6
}

pub(crate) fn run() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let mut raw = raw_commits(&folder.path().join("raw"));
    raw.sort();
    println!(
        "| one plain durable write, µs: median / 99 of 100 | | {:.0} / {:.0} | | |",
        share(&raw, 500),
        share(&raw, 990)
    );
    let sqlite = SqliteJournal::open(folder.path().join("journal")).expect("a journal");
    for (what, journal) in [
        ("memory journal", Arc::new(MemoryJournal::default()) as Arc<dyn Journal>),
        ("SQLite journal", Arc::new(sqlite) as Arc<dyn Journal>),
    ] {
        let mut commit = runtime().block_on(commits(journal.as_ref()));
        commit.sort();
        let (mut took, released) = runtime().block_on(followed(journal));
        took.sort();
        assert!(took.len() * 10 >= FILLS * 9, "{} of {FILLS} fills were seen on their way", took.len());
        println!(
            "| frame to effects, {what}, µs: median / 99 of 100 / worst, {} fills, {released} effects | {:.0} / {:.0} / {:.0} | {:.0} / {:.0} (one commit of this journal alone) | | 99 of 100 under 1000; with SQLite one commit more |",
            took.len(),
            share(&took, 500),
            share(&took, 990),
            share(&took, 1_000),
            share(&commit, 500),
            share(&commit, 990),
        );
    }
}
