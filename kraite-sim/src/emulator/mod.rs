//! A venue that any client can be pointed at: its own REST and WebSocket protocol over the simulated exchange, with
//! real signatures, real refusals, and faults on demand.
//!
//! What it answers is worked out by the same [`crate::venue::Venue`] that the simulated world runs; this module adds
//! the protocol and nothing else. Server, faults, market, verdict and admin routes exist once; each venue is a language
//! beside the others. None shares code with the backend that speaks the same protocol from the other side, so that each can be judged by the other, and both by clients of strangers.
//!
//! ```no_run
//! # async fn run() -> Result<(), kraite_sim::emulator::StartError> {
//! use kraite_sim::emulator::{Emulator, Settings};
//! let emulator = Emulator::start(Settings::default()).await?;
//! println!("{}", emulator.http());
//! # Ok(()) }
//! ```
//!
//! Routes, admin routes and faults are described in `docs/emulator.md`.

mod admin;
mod audit;
mod binance;
mod bitget;
mod common;
mod credentials;
mod depth;
mod faults;
mod holdings;
mod language;
mod listing;
mod mover;
mod server;
mod sockets;
mod tape;
mod text;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kraite_core::number::Notional;
use kraite_core::time::{LocalMillis, VenueMillis};
use kraite_engine::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::venue::{OrderObject, Venue};
use credentials::Credentials;
use language::Language;
use sockets::Out;

pub use faults::{Fault, FaultRules, PRESETS as FAULT_PRESETS, Rule, When};

/// Wallet of a fresh account, in USDT.
const USUAL_BALANCE: i64 = 10_000;
/// The largest speed: an hour of the venue in 36 ms.
pub const MAX_SPEED: u32 = 100_000;

/// Who moves the prices.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum MarketSource {
    /// Nobody but the admin routes and the tests.
    #[default]
    Still,
    /// Every contract walks, by the seed.
    RandomWalk,
    /// The bars of a kline file, played at the speed of the clock; its name begins with the contract.
    Bars(PathBuf),
}

/// Which venue's protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// Binance USD-M futures.
    #[default]
    Binance,
    /// Bitget futures to a classic account, API v2.
    BitgetClassic,
    /// Bitget futures to a unified account, API v3.
    BitgetUnified,
}

/// Where the clock of the venue starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Start {
    /// At the real time, which clients sign with.
    #[default]
    Now,
    /// At this time.
    At(VenueMillis),
}

/// How an emulator is set up. [`Settings::default`] is Binance, key `k`, secret `s`, passphrase `p`, 10,000 USDT, any free port, and prices that
/// stand still.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which venue's protocol is spoken.
    pub protocol: Protocol,
    /// The address to listen on; the loopback one by default. Admin routes answer the loopback only.
    pub host: IpAddr,
    /// The port; 0 for any that is free.
    pub port: u16,
    /// The API key that requests must carry.
    pub key: String,
    /// The secret that signs them, where there is no public key.
    pub secret: String,
    /// The public half of the Ed25519 or RSA pair that signs them, as PEM.
    pub public_key: Option<String>,
    /// The passphrase that goes with the key, where the venue has one.
    pub passphrase: String,
    /// The deposit, in USDT.
    pub balance: Notional,
    /// A saved answer with the rules of contracts, as the venue gives it; the built-in contracts without.
    pub exchange_info: Option<PathBuf>,
    /// Who moves the prices.
    pub market: MarketSource,
    /// How many times as fast as real time the venue's clock runs, 1 to [`MAX_SPEED`].
    pub speed: u32,
    /// Where the clock starts.
    pub start: Start,
    /// What the walk and the chances of faults are drawn from.
    pub seed: u64,
    /// Faults from the start on.
    pub faults: FaultRules,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            protocol: Protocol::default(),
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            key: "k".into(),
            secret: "s".into(),
            public_key: None,
            passphrase: "p".into(),
            balance: Notional::from_units(USUAL_BALANCE, 0).unwrap_or_default(),
            exchange_info: None,
            market: MarketSource::default(),
            speed: 1,
            start: Start::default(),
            seed: 0,
            faults: FaultRules::default(),
        }
    }
}

/// Why an emulator could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file is not what it should be: says which, where and why.
    #[error("{0}")]
    BadData(String),
    /// The address cannot be listened on.
    #[error("{address}: {reason}; choose another port, or 0 for any that is free")]
    Address {
        /// Which.
        address: SocketAddr,
        /// Why.
        reason: std::io::Error,
    },
}

/// The state and the clock that connections share.
#[derive(Debug)]
struct Shared<S> {
    state: Mutex<S>,
    clock: Clock,
    /// Told when the emulator stops.
    stop: watch::Sender<()>,
}

impl<S> Shared<S> {
    /// The state, whatever another thread did with it.
    fn lock(&self) -> MutexGuard<'_, S> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an [`Emulator`] holds, whatever language it speaks.
trait Running: std::fmt::Debug + Send + Sync {
    fn clock(&self) -> &Clock;
    fn venue(&self) -> Box<dyn DerefMut<Target = Venue> + '_>;
    fn stop(&self);
    fn add_fault(&self, rule: Rule) -> bool;
    fn faults_met(&self) -> usize;
    fn requests(&self) -> BTreeMap<(String, String), usize>;
    fn cut_streams(&self) -> usize;
    fn number(&self, object: &OrderObject) -> u64;
}

impl<S: Language> Running for Shared<S> {
    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn venue(&self) -> Box<dyn DerefMut<Target = Venue> + '_> {
        Box::new(Hands(self.lock()))
    }

    fn stop(&self) {
        self.stop.send_replace(());
        self.lock().drop_sockets(false, &Out::Cut);
    }

    fn add_fault(&self, rule: Rule) -> bool {
        let mut state = self.lock();
        let past = (rule.fault == Fault::Stale).then(|| Box::new(state.venue.clone()));
        state.faults.add(rule, past).is_some()
    }

    fn faults_met(&self) -> usize {
        self.lock().faults.times_met()
    }

    fn requests(&self) -> BTreeMap<(String, String), usize> {
        self.lock().faults.requests().clone()
    }

    fn cut_streams(&self) -> usize {
        self.lock().drop_sockets(true, &Out::Cut)
    }

    fn number(&self, object: &OrderObject) -> u64 {
        (self.lock().naming.id)(object)
    }
}

/// The venue in the hands of a test; whatever they do is told when they let go.
struct Hands<'a, S: Language>(MutexGuard<'a, S>);

impl<S: Language> Deref for Hands<'_, S> {
    type Target = Venue;

    fn deref(&self) -> &Venue {
        &self.0.venue
    }
}

impl<S: Language> DerefMut for Hands<'_, S> {
    fn deref_mut(&mut self) -> &mut Venue {
        &mut self.0.venue
    }
}

impl<S: Language> Drop for Hands<'_, S> {
    fn drop(&mut self) {
        self.0.settle();
    }
}

/// Serves a state on a listener.
fn run<S: Language>(
    state: S,
    clock: Clock,
    listener: TcpListener,
    speed: u32,
) -> (Arc<dyn Running>, Vec<JoinHandle<()>>) {
    let shared = Arc::new(Shared { state: Mutex::new(state), clock, stop: watch::Sender::new(()) });
    let tasks = vec![
        tokio::spawn(server::serve(listener, Arc::clone(&shared))),
        tokio::spawn(server::tick(Arc::clone(&shared), speed)),
    ];
    (shared, tasks)
}

/// A running emulator; it stops when it is dropped.
#[derive(Debug)]
pub struct Emulator {
    address: SocketAddr,
    running: Arc<dyn Running>,
    tasks: Vec<JoinHandle<()>>,
}

impl Emulator {
    /// Starts an emulator on the present runtime.
    ///
    /// # Errors
    ///
    /// A file of the settings is wrong, or the address is taken.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let speed = settings.speed.clamp(1, MAX_SPEED);
        let clock = match settings.start {
            Start::Now => Clock::scaled(speed),
            Start::At(at) => Clock::scaled_from(LocalMillis(at.0), speed),
        };
        let wanted = SocketAddr::new(settings.host, settings.port);
        let failed = |reason| StartError::Address { address: wanted, reason };
        let listener = TcpListener::bind(wanted).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let credentials = match &settings.public_key {
            None => Credentials::new(&settings.key, &settings.secret),
            Some(pem) => Credentials::of_public_key(&settings.key, pem).ok_or_else(|| {
                StartError::BadData("the public key is neither Ed25519 nor RSA (2048 bits and more) as PEM".into())
            })?,
        };
        let faults = settings.faults.clone();
        let started = match settings.protocol {
            Protocol::Binance => {
                let mut state = binance::State::new(&settings, credentials, clock.clone())?;
                state.faults.add_all(faults);
                run(state, clock, listener, speed)
            }
            Protocol::BitgetClassic | Protocol::BitgetUnified => {
                let generation = if settings.protocol == Protocol::BitgetClassic {
                    bitget::Generation::Classic
                } else {
                    bitget::Generation::Unified
                };
                let mut state = bitget::State::new(&settings, generation, credentials, clock.clone())?;
                state.faults.add_all(faults);
                run(state, clock, listener, speed)
            }
        };
        let (running, tasks) = started;
        Ok(Self { address, running, tasks })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base of REST requests, for example `http://127.0.0.1:8080`.
    #[must_use]
    pub fn http(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base of WebSocket connections.
    #[must_use]
    pub fn ws(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// The base of the admin routes.
    #[must_use]
    pub fn admin(&self) -> String {
        format!("http://{}{}", self.address, admin::BASE)
    }

    /// The venue's clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.running.clock()
    }

    /// Looks at the venue, or moves it by hand; whatever happens is told to the streams afterwards. Nothing is answered
    /// to anybody meanwhile.
    pub fn with_venue<T>(&self, act: impl FnOnce(&mut Venue) -> T) -> T {
        act(&mut self.running.venue())
    }
}

/// The hands of a test that runs in the same process; the admin routes do the same for everybody else.
impl Emulator {
    /// Adds a fault; false where there are too many.
    #[must_use]
    pub fn add_fault(&self, rule: Rule) -> bool {
        self.running.add_fault(rule)
    }

    /// How many requests met a fault.
    #[must_use]
    pub fn faults_met(&self) -> usize {
        self.running.faults_met()
    }

    /// How many requests came, by method and path, those that met a fault included; the first thousand paths.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<(String, String), usize> {
        self.running.requests()
    }

    /// Breaks the sockets that carry the account; says how many.
    pub fn cut_streams(&self) -> usize {
        self.running.cut_streams()
    }

    /// The number under which clients know an order.
    #[must_use]
    pub fn number(&self, object: &OrderObject) -> String {
        self.running.number(object).to_string()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.running.stop();
    }
}
