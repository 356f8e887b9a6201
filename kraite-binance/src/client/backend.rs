//! The account at the venue: what it is made of and how it comes to be.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use kraite_core::capabilities::Capabilities;
use kraite_core::exchange::Outcome;
use kraite_core::id::Symbol;
use kraite_core::number::Qty;
use kraite_core::time::VenueMillis;
use kraite_wire::client::{
    ConfigError, ConnectError, Ended, Heartbeat, Keeper, KeyPolicy, MarksInUse, Need, Needed, Socket, Transport,
    check_key, client_config,
};
use reqwest::Url;

use super::budget::Budget;
use super::config::{Config, MAX_MARKS, OrderEntry};
use super::dialect::key_header;
use super::entry::Entry;
use super::line::{Heard, Line};
use crate::codec::{Call, Credentials, Host, Interpreter};

/// An account on Binance USD-M futures. Cloning gives the same account.
///
/// Nothing is retried inside: each call of [`kraite_core::exchange::Exchange`] sends what it says once, or not at all.
#[derive(Clone)]
pub struct Binance(pub(crate) Arc<Inner>);

impl std::fmt::Debug for Binance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Binance").field("credentials", &self.0.line.credentials).finish_non_exhaustive()
    }
}

pub(crate) struct Inner {
    pub(crate) line: Arc<Line>,
    /// Opened once the account is known to be usable.
    entry: OnceLock<Entry>,
    orders: Url,
    pub(crate) capabilities: Capabilities,
    interpreter: Mutex<Interpreter>,
    largest_market: Mutex<BTreeMap<Symbol, Qty>>,
    pub(crate) marks: MarksInUse,
    pub(crate) streams: Url,
    tls: Arc<rustls::ClientConfig>,
}

impl Binance {
    /// Makes the account usable: checks the key and the position mode as far as the configuration demands it. Nothing
    /// is changed at the venue.
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub async fn connect(config: Config, credentials: Credentials) -> Result<Self, ConnectError> {
        let (keys, mode, entry) = (config.keys, config.mode, config.entry);
        let account = Self(Arc::new(Inner::new(config, credentials)?));
        if keys == KeyPolicy::MustNotWithdraw {
            check_key(account.0.read_key_rights().await?)?;
        }
        if let Some(wanted) = mode {
            let found = account.0.read_position_mode().await?;
            if found != wanted {
                return Err(ConnectError::Mode { wanted, found });
            }
        }
        if entry == OrderEntry::WebSocket {
            account.0.open_entry();
        }
        Ok(account)
    }
}

impl Inner {
    fn new(config: Config, credentials: Credentials) -> Result<Self, ConfigError> {
        config.check()?;
        let tls = client_config(if config.hosts.encrypts() { Needed::Yes } else { Needed::No })?;
        let account = config.hosts.account.clone().map(|url| (Host::Account, url));
        let hosts = std::iter::once((Host::Futures, config.hosts.futures.clone())).chain(account);
        let timeouts = (config.connect_timeout, config.total_timeout);
        let line = Line {
            transport: Transport::new(hosts, config.hosts.encrypted_only(), timeouts, &config.clock, &tls)?,
            keeper: Keeper::new(Arc::clone(&config.clock)),
            budget: Budget::new(Arc::clone(&config.clock), config.address.clone()),
            key: key_header(credentials.api_key())?,
            credentials,
            clock: Arc::clone(&config.clock),
            watch: Arc::clone(&config.watch),
            window: config.window,
            read_window: config.read_window,
            total: config.total_timeout,
            socket_age: config.socket_age,
            measuring: tokio::sync::Mutex::default(),
        };
        Ok(Self {
            line: Arc::new(line),
            entry: OnceLock::new(),
            orders: config.hosts.orders,
            capabilities: crate::capabilities(),
            interpreter: Mutex::default(),
            largest_market: Mutex::default(),
            marks: MarksInUse::new(config.marks, MAX_MARKS),
            streams: config.hosts.streams,
            tls,
        })
    }

    fn open_entry(&self) {
        self.entry.get_or_init(|| Entry::open(Arc::clone(&self.line), Arc::clone(&self.tls), self.orders.clone()));
    }

    /// Sends something that may change something, once: over the socket for orders where that can carry it, else, or
    /// where it provably did not leave there, over HTTP.
    pub(crate) async fn mutate<C: Call>(&self, call: &C, need: Need, not_after: VenueMillis) -> Result<Heard, Outcome> {
        if let Some(entry) = self.entry.get().filter(|_| C::SOCKET_METHOD.is_some())
            && let Some(heard) = self.line.mutate_over(entry, call, need, not_after).await
        {
            return heard;
        }
        self.line.mutate(call, need, not_after).await
    }

    /// Whether the socket for orders is up.
    pub(crate) fn has_seat(&self) -> bool {
        self.entry.get().is_some_and(|entry| entry.seat().is_some())
    }

    pub(crate) async fn open_socket(&self, url: &Url) -> Result<Socket, Ended> {
        Socket::open(&self.line.clock, &self.tls, url, self.line.socket_age, Heartbeat::Frames).await
    }

    pub(crate) fn interpreter(&self) -> MutexGuard<'_, Interpreter> {
        self.interpreter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn largest_market(&self) -> MutexGuard<'_, BTreeMap<Symbol, Qty>> {
        self.largest_market.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A contract that is traded: its mark price is streamed from now on.
    pub(crate) fn uses(&self, symbol: &Symbol) {
        self.marks.add(symbol, self.line.watch.as_ref());
    }
}
