//! The account at the venue: what it is made of and how it comes to be.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kraite_core::capabilities::Capabilities;
use kraite_core::id::Symbol;
use kraite_core::time::Millis;
use kraite_wire::client::{
    ConfigError, ConnectError, Ended, Heartbeat, Keeper, KeyPolicy, MarksInUse, Need, Needed, Socket, Transport,
    check_key, client_config,
};
use reqwest::Url;
use tokio::sync::watch;

use super::account::Known;
use super::budget::Budget;
use super::config::{Config, MAX_MARKS};
use super::dialect::Headers;
use super::line::Line;
use crate::codec::frame::{PING, PONG};
use crate::codec::{Credentials, Generation, Interpreter, Product};

/// The venue wants a text of four letters every half minute, and answers with another one.
const HEARTBEAT: Heartbeat =
    Heartbeat::Texts { every: Millis::from_secs(25), ping: PING, pong: PONG, within: Millis::from_secs(10) };

/// An account on Bitget futures, of either generation. Cloning gives the same account.
///
/// Nothing is retried inside: each call of [`kraite_core::exchange::Exchange`] sends what it says once, or not at all.
#[derive(Clone)]
pub struct Bitget(pub(crate) Arc<Inner>);

impl std::fmt::Debug for Bitget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bitget").field("credentials", &self.0.line.credentials).finish_non_exhaustive()
    }
}

pub(crate) struct Inner {
    pub(crate) line: Line,
    pub(crate) capabilities: Capabilities,
    pub(crate) products: Vec<Product>,
    interpreter: Mutex<Interpreter>,
    known: Mutex<Known>,
    /// One probe of the generation, and one reading of a contract's setup, at a time.
    pub(crate) asking: tokio::sync::Mutex<()>,
    pub(crate) marks: MarksInUse,
    pub(crate) streams: Url,
    tls: Arc<rustls::ClientConfig>,
}

impl Bitget {
    /// Makes the account usable: finds out its generation, and checks the key and the position mode as far as the
    /// configuration demands it; one that is told to withdraw is refused in any case. Nothing is changed at the venue.
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub async fn connect(config: Config, credentials: Credentials) -> Result<Self, ConnectError> {
        let (keys, mode) = (config.keys, config.mode);
        let account = Self(Arc::new(Inner::new(config, credentials)?));
        account.0.generation(Need::Open).await?;
        let told = account.0.known().rights.as_ref().and_then(|rights| rights.withdraw);
        if told == Some(true) {
            return Err(ConnectError::MayWithdraw);
        }
        if keys == KeyPolicy::MustNotWithdraw {
            check_key(account.0.read_key_rights().await?)?;
        }
        if let Some(wanted) = mode {
            let found = account.0.read_position_mode().await?;
            if found != wanted {
                return Err(ConnectError::Mode { wanted, found });
            }
        }
        Ok(account)
    }

    /// Which of the venue's two APIs the account belongs to, as was found out last.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        self.0.known_generation()
    }
}

impl Inner {
    fn new(config: Config, credentials: Credentials) -> Result<Self, ConfigError> {
        config.check()?;
        let tls = client_config(if config.hosts.encrypts() { Needed::Yes } else { Needed::No })?;
        let hosts = [((), config.hosts.http.clone())];
        let timeouts = (config.connect_timeout, config.total_timeout);
        let line = Line {
            transport: Transport::new(hosts, config.hosts.encrypted_only(), timeouts, &config.clock, &tls)?,
            keeper: Keeper::new(Arc::clone(&config.clock)),
            budget: Budget::new(Arc::clone(&config.clock), config.address.clone()),
            account: Headers::of(&credentials, config.hosts.money)?,
            credentials,
            clock: Arc::clone(&config.clock),
            watch: Arc::clone(&config.watch),
            generation: watch::Sender::new(None),
            socket_age: config.socket_age,
            measuring: tokio::sync::Mutex::default(),
        };
        Ok(Self {
            line,
            capabilities: crate::capabilities(),
            products: config.products,
            interpreter: Mutex::default(),
            known: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            marks: MarksInUse::new(config.marks, MAX_MARKS),
            streams: config.hosts.streams,
            tls,
        })
    }

    pub(crate) async fn open_socket(&self, route: &str) -> Result<Socket, Ended> {
        let mut url = self.streams.clone();
        url.set_path(&format!("{}{route}", url.path().trim_end_matches('/')));
        Socket::open(&self.line.clock, &self.tls, &url, self.line.socket_age, HEARTBEAT).await
    }

    pub(crate) fn interpreter(&self) -> MutexGuard<'_, Interpreter> {
        self.interpreter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A contract that is traded: its mark price is streamed from now on.
    pub(crate) fn uses(&self, symbol: &Symbol) {
        if self.marks.contains(symbol) || self.product_of(symbol).is_err() {
            return;
        }
        self.marks.add(symbol, self.line.watch.as_ref());
    }
}
