//! The stage over the emulator: for every backend that speaks a venue's own protocol.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt as _};
use kraite_core::capabilities::Capabilities;
use kraite_core::exchange::{Exchange, PositionMode, StreamEvent};
use kraite_core::id::{AccountTag, VenueOrderId};
use kraite_core::number::Notional;
use kraite_core::time::{Millis, VenueMillis};
use kraite_engine::Clock;

use super::stage::{Fault, On, Setting, Stage, StageError, VenueSide};
use crate::emulator::{Emulator, Fault as WireFault, Protocol, Rule, Settings, When};
use crate::venue::{OrderObject, Refusal, Venue};

/// How many times as fast as real time venue and backend live, as long as the closure gives the backend the clock.
const SPEED: u32 = 20;
/// The wallet, in units of the quote currency.
const WALLET: i64 = 10_000;
/// How long an event is waited for, in real time: a stream may have to be opened again.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long one scenario may take, in real time.
const LIMIT: Duration = Duration::from_secs(120);
/// A span up to this is skipped and not waited for: nothing is under way then.
const SKIPPED: Millis = Millis::from_secs(5);
/// A span up to this is waited for; a longer one is skipped.
const WAITED_FOR: Millis = Millis::from_secs(60);
/// How long sockets have after a skip.
const BREATH: Millis = Millis(200);
/// How much of an answer that breaks off still comes.
const STUMP: usize = 20;

/// Where the emulator is, and what it wants to hear.
#[derive(Clone)]
pub struct EmulatorAccess {
    /// The base of REST requests.
    pub http: String,
    /// The base of WebSocket connections.
    pub ws: String,
    /// The API key.
    pub key: String,
    /// The secret that signs.
    pub secret: String,
    /// The passphrase, where the venue has one.
    pub passphrase: String,
    /// How the account nets.
    pub mode: PositionMode,
    /// The clock of the venue, which runs faster than real time: timeouts and timestamps of the backend go by it.
    pub clock: Clock,
}

impl std::fmt::Debug for EmulatorAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmulatorAccess").field("http", &self.http).field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// Connects the backend that is to be judged; an error in words where that fails.
pub type Connect = Arc<dyn Fn(EmulatorAccess) -> BoxFuture<'static, Result<Arc<dyn Exchange>, String>> + Send + Sync>;

/// An emulator, and the backend that connects to it.
#[derive(Clone)]
pub struct EmulatorStage {
    name: String,
    protocol: Protocol,
    capabilities: Capabilities,
    connect: Connect,
}

impl EmulatorStage {
    /// A stage for what `connect` makes, which is declared to have these capabilities.
    pub fn new<C, F>(name: &str, protocol: Protocol, capabilities: Capabilities, connect: C) -> Self
    where
        C: Fn(EmulatorAccess) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Arc<dyn Exchange>, String>> + Send + 'static,
    {
        let connect: Connect = Arc::new(move |access| Box::pin(connect(access)));
        Self { name: name.into(), protocol, capabilities, connect }
    }
}

#[async_trait]
impl Stage for EmulatorStage {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn patience(&self) {
        // Nothing ends this wait but its bound.
        let _ = tokio::time::timeout(LIMIT, std::future::pending::<()>()).await;
    }

    async fn set(&self, setting: Setting) -> Result<Box<dyn VenueSide>, StageError> {
        let settings = Settings {
            protocol: self.protocol,
            speed: SPEED,
            key: "key-that-nobody-may-see".into(),
            secret: "secret-that-nobody-may-see".into(),
            passphrase: "passphrase-that-nobody-may-see".into(),
            balance: Notional::from_units(WALLET, 0).unwrap_or_default(),
            ..Settings::default()
        };
        let secrets = vec![settings.key.clone(), settings.secret.clone(), settings.passphrase.clone()];
        let (key, secret, passphrase) = (settings.key.clone(), settings.secret.clone(), settings.passphrase.clone());
        let emulator = Emulator::start(settings).await.map_err(|error| StageError(error.to_string()))?;
        let account = AccountTag::new(1).ok_or_else(|| StageError("no account".into()))?;
        emulator.with_venue(|venue| venue.set_mode(account, setting.mode));
        let access = EmulatorAccess {
            http: emulator.http(),
            ws: emulator.ws(),
            key,
            secret,
            passphrase,
            mode: setting.mode,
            clock: emulator.clock().clone(),
        };
        let exchange = (self.connect)(access).await.map_err(StageError)?;
        let before = changes(&emulator);
        Ok(Box::new(EmulatedSide { emulator, account, exchange, secrets, before }))
    }
}

/// How many requests came that ask for a change; keys of streams are none.
fn changes(emulator: &Emulator) -> usize {
    let asks = |method: &str, path: &str| method != "GET" && !path.ends_with("listenKey");
    emulator.requests().iter().filter(|((method, path), _)| asks(method, path)).map(|(_, times)| times).sum()
}

struct EmulatedSide {
    emulator: Emulator,
    account: AccountTag,
    exchange: Arc<dyn Exchange>,
    secrets: Vec<String>,
    before: usize,
}

impl EmulatedSide {
    /// The fault in the emulator's words, where it has any.
    fn on_the_wire(&self, fault: Fault) -> Option<WireFault> {
        Some(match fault {
            Fault::LostBefore => WireFault::Cut { when: When::Before },
            Fault::LostAfter => WireFault::Cut { when: When::After },
            Fault::ErrorActed => WireFault::Unknown { acts: true },
            Fault::ErrorIdle => WireFault::Unknown { acts: false },
            Fault::Garbage => WireFault::Empty { acts: true },
            Fault::Truncated => WireFault::Truncate { bytes: STUMP },
            Fault::Twice => WireFault::Double,
            Fault::Late(span) => WireFault::Delay { ms: u32::try_from(span.0).unwrap_or(u32::MAX), when: When::Before },
            Fault::RateLimited => WireFault::RateLimit,
            Fault::Leg(place) => WireFault::Legs {
                refused: vec![place],
                code: self.emulator.with_venue(|venue| venue.quirks().code(Refusal::Margin)),
            },
            Fault::Stale => WireFault::Stale,
            Fault::Part => return None,
        })
    }
}

#[async_trait]
impl VenueSide for EmulatedSide {
    fn exchange(&self) -> Arc<dyn Exchange> {
        Arc::clone(&self.exchange)
    }

    fn look(&self, act: &mut dyn FnMut(&mut Venue, AccountTag, VenueMillis)) {
        let now = VenueMillis(self.emulator.clock().now().0);
        self.emulator.with_venue(|venue| act(venue, self.account, now));
    }

    async fn pass(&self, span: Millis) {
        let clock = self.emulator.clock();
        if span > SKIPPED && span <= WAITED_FOR {
            clock.sleep(span).await;
        } else {
            clock.advance(span);
            clock.sleep(BREATH).await;
        }
    }

    fn meet(&self, on: On, fault: Fault) -> bool {
        let Some(fault) = self.on_the_wire(fault) else { return false };
        let rule = |method: &str, skip: u32| Rule {
            method: Some(method.into()),
            path: None,
            contains: None,
            skip,
            every: 1,
            times: Some(1),
            per_mille: 1_000,
            fault: fault.clone(),
        };
        match on {
            On::Change => ["POST", "PUT", "DELETE"].iter().all(|method| self.emulator.add_fault(rule(method, 0))),
            On::Reading { after } => self.emulator.add_fault(rule("GET", after)),
        }
    }

    fn met(&self) -> usize {
        self.emulator.faults_met()
    }

    fn changes(&self) -> usize {
        changes(&self.emulator).saturating_sub(self.before)
    }

    fn cut_streams(&self) -> bool {
        self.emulator.cut_streams() > 0
    }

    async fn next(&self, stream: &mut BoxStream<'static, StreamEvent>) -> Option<StreamEvent> {
        tokio::time::timeout(PATIENCE, stream.next()).await.ok().flatten()
    }

    fn number(&self, object: &OrderObject) -> VenueOrderId {
        VenueOrderId(self.emulator.number(object).into())
    }

    fn secrets(&self) -> Vec<String> {
        self.secrets.clone()
    }
}
