//! What a backend is made of: hosts, timeouts, windows, policies.

use std::sync::Arc;

use kraite_core::exchange::PositionMode;
use kraite_core::id::Symbol;
use kraite_core::time::Millis;
use kraite_wire::client::{
    CONNECT_TIMEOUT, ConfigError, KeyPolicy, LocalClock, SOCKET_AGE, SystemClock, TOTAL_TIMEOUT, Watch, check_sockets,
    check_timeouts, host_is_among, plain_url,
};
use reqwest::Url;

use super::budget::AddressBudget;

/// The longest window a mutation may be signed with: beyond it a proof of absence would take too long.
const LONGEST_WINDOW: Millis = Millis::from_secs(10);
/// The window of readings: what a late answer says is known by when it was asked.
const READ_WINDOW: Millis = Millis::from_secs(5);
/// The most contracts whose marks one socket carries here; the venue takes 1024 streams.
pub(crate) const MAX_MARKS: usize = 200;

/// Where the venue is.
///
/// The venue's own hosts are encrypted always. Only an emulator may be spoken to in the clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    pub(crate) futures: Url,
    pub(crate) account: Option<Url>,
    pub(crate) streams: Url,
    pub(crate) orders: Url,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Production,
    Demo,
    Emulator,
}

/// Hosts that an emulator may not be said to live on.
const VENUES: [&str; 2] = ["binance.com", "binancefuture.com"];

impl Hosts {
    /// The venue itself, with real money ("Binance USD-M, General Info"; streams by route since April 2026).
    ///
    /// # Errors
    ///
    /// None that can happen: the addresses are constants.
    pub fn production() -> Result<Self, ConfigError> {
        Ok(Self {
            futures: plain_url("https://fapi.binance.com", "futures")?,
            account: Some(plain_url("https://api.binance.com", "account")?),
            streams: plain_url("wss://fstream.binance.com", "streams")?,
            orders: plain_url("wss://ws-fapi.binance.com/ws-fapi/v1", "orders")?,
            kind: Kind::Production,
        })
    }

    /// The venue's demo network. It does not tell the rights of keys.
    ///
    /// # Errors
    ///
    /// None that can happen: the addresses are constants.
    pub fn demo() -> Result<Self, ConfigError> {
        Ok(Self {
            futures: plain_url("https://demo-fapi.binance.com", "futures")?,
            account: None,
            streams: plain_url("wss://fstream.binancefuture.com", "streams")?,
            orders: plain_url("wss://testnet.binancefuture.com/ws-fapi/v1", "orders")?,
            kind: Kind::Demo,
        })
    }

    /// An emulator, for example `http://127.0.0.1:8080` and `ws://127.0.0.1:8080`; a path is kept as a prefix.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] where it is no address of `http`, `https`, `ws` or `wss`, or names the venue.
    pub fn emulator(http: &str, streams: &str) -> Result<Self, ConfigError> {
        let (futures, streams) = (plain_url(http, "http")?, plain_url(streams, "streams")?);
        let known = |url: &Url, schemes: [&str; 2]| schemes.contains(&url.scheme()) && !host_is_among(url, &VENUES);
        if !known(&futures, ["http", "https"]) {
            return Err(ConfigError::Address("http"));
        }
        if !known(&streams, ["ws", "wss"]) {
            return Err(ConfigError::Address("streams"));
        }
        let mut orders = streams.clone();
        orders.set_path(&format!("{}/ws-fapi/v1", streams.path().trim_end_matches('/')));
        Ok(Self { account: Some(futures.clone()), futures, streams, orders, kind: Kind::Emulator })
    }

    /// True where real money is traded.
    #[must_use]
    pub fn is_production(&self) -> bool {
        self.kind == Kind::Production
    }

    pub(crate) fn encrypted_only(&self) -> bool {
        self.kind != Kind::Emulator
    }

    pub(crate) fn encrypts(&self) -> bool {
        [&self.futures, &self.streams].iter().any(|url| matches!(url.scheme(), "https" | "wss"))
    }
}

/// How orders are placed, changed and cancelled. Readings, settings and batches always go over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderEntry {
    /// Over HTTP.
    Rest,
    /// Over the WebSocket API while its socket is up, else over HTTP. With an Ed25519 key the session is signed in
    /// once; with any other each request is signed.
    WebSocket,
}

/// How a backend is to work.
#[derive(Clone)]
pub struct Config {
    pub(crate) hosts: Hosts,
    pub(crate) connect_timeout: Millis,
    pub(crate) total_timeout: Millis,
    pub(crate) window: Millis,
    pub(crate) read_window: Millis,
    pub(crate) keys: KeyPolicy,
    pub(crate) mode: Option<PositionMode>,
    pub(crate) entry: OrderEntry,
    pub(crate) socket_age: Millis,
    pub(crate) marks: Vec<Symbol>,
    pub(crate) clock: Arc<dyn LocalClock>,
    pub(crate) address: AddressBudget,
    pub(crate) watch: Arc<dyn Watch>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("hosts", &self.hosts)
            .field("connect_timeout", &self.connect_timeout)
            .field("total_timeout", &self.total_timeout)
            .field("window", &self.window)
            .field("keys", &self.keys)
            .field("mode", &self.mode)
            .field("entry", &self.entry)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// The defaults for these hosts: 5 s to connect and 10 s in all, mutations signed for the window of
    /// [`crate::capabilities`], keys that can withdraw refused in production.
    #[must_use]
    pub fn new(hosts: Hosts) -> Self {
        Self {
            keys: if hosts.is_production() { KeyPolicy::MustNotWithdraw } else { KeyPolicy::Unchecked },
            hosts,
            connect_timeout: CONNECT_TIMEOUT,
            total_timeout: TOTAL_TIMEOUT,
            window: crate::capabilities().absence_regular.window,
            read_window: READ_WINDOW,
            mode: None,
            entry: OrderEntry::Rest,
            socket_age: SOCKET_AGE,
            marks: Vec::new(),
            clock: Arc::new(SystemClock::real()),
            address: AddressBudget::default(),
            watch: Arc::new(()),
        }
    }

    /// How long connecting may take in real time, and how long a call may take in all on the local clock.
    #[must_use]
    pub const fn timeouts(mut self, connect: Millis, total: Millis) -> Self {
        (self.connect_timeout, self.total_timeout) = (connect, total);
        self
    }

    /// The window that mutations are signed with. The engine's proofs assume the one of the capabilities: a shorter one
    /// is safe, a longer one is not.
    #[must_use]
    pub const fn window(mut self, window: Millis) -> Self {
        self.window = window;
        self
    }

    /// What is demanded of the key.
    #[must_use]
    pub const fn keys(mut self, policy: KeyPolicy) -> Self {
        self.keys = policy;
        self
    }

    /// The position mode that the account has to be in; it is never changed from here, since the mode is that of the
    /// whole account and others may trade on it.
    #[must_use]
    pub const fn position_mode(mut self, mode: PositionMode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// How orders are placed, changed and cancelled; over HTTP unless said otherwise.
    #[must_use]
    pub const fn order_entry(mut self, entry: OrderEntry) -> Self {
        self.entry = entry;
        self
    }

    /// The age at which the account's socket and that for orders are replaced, from a minute to 23 hours, the default.
    #[must_use]
    pub const fn socket_age(mut self, age: Millis) -> Self {
        self.socket_age = age;
        self
    }

    /// Contracts whose mark prices are streamed from the start; those that are traded are added by themselves.
    #[must_use]
    pub fn marks(mut self, symbols: impl IntoIterator<Item = Symbol>) -> Self {
        self.marks = symbols.into_iter().take(MAX_MARKS).collect();
        self
    }

    /// The local clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn LocalClock>) -> Self {
        self.clock = clock;
        self
    }

    /// The budget of the address, to be shared by all accounts of a process.
    #[must_use]
    pub fn address(mut self, budget: AddressBudget) -> Self {
        self.address = budget;
        self
    }

    /// Who is told of what is no event of the account.
    #[must_use]
    pub fn watch(mut self, watch: Arc<dyn Watch>) -> Self {
        self.watch = watch;
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_timeouts(self.connect_timeout, self.total_timeout)?;
        if self.window.0 <= 0 || self.window > LONGEST_WINDOW {
            return Err(ConfigError::Bounds("window"));
        }
        check_sockets(self.socket_age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_clear_only_towards_an_emulator_and_never_towards_the_venue() {
        assert!(Hosts::emulator("http://127.0.0.1:1", "ws://127.0.0.1:1").is_ok());
        assert!(Hosts::emulator("https://emulator.example", "wss://emulator.example").is_ok());
        for (http, ws) in [
            ("http://fapi.binance.com", "ws://127.0.0.1:1"),
            ("http://FAPI.Binance.com.", "ws://127.0.0.1:1"),
            ("http://127.0.0.1:1", "ws://fstream.binance.com"),
            ("http://binance.com", "ws://127.0.0.1"),
            ("ftp://127.0.0.1", "ws://127.0.0.1"),
            ("http://127.0.0.1", "http://127.0.0.1"),
            ("http://key:secret@127.0.0.1", "ws://127.0.0.1"),
            ("nothing", "ws://127.0.0.1"),
        ] {
            assert!(Hosts::emulator(http, ws).is_err(), "{http} {ws}");
        }
        assert!(Hosts::emulator("http://notbinance.com", "ws://notbinance.com").is_ok());
        for hosts in [Hosts::production().unwrap(), Hosts::demo().unwrap()] {
            assert!(hosts.encrypted_only() && hosts.encrypts());
        }
    }

    #[test]
    fn r109_keys_are_checked_in_production_unless_somebody_says_otherwise() {
        let config = Config::new(Hosts::production().unwrap());
        assert_eq!(config.keys, KeyPolicy::MustNotWithdraw);
        assert_eq!(config.window, Millis::from_secs(3));
        assert_eq!(Config::new(Hosts::demo().unwrap()).keys, KeyPolicy::Unchecked);
        assert!(config.clone().window(Millis(0)).check().is_err());
        assert!(config.clone().window(Millis::from_secs(11)).check().is_err());
        assert!(config.clone().timeouts(Millis(200), Millis(100)).check().is_err());
        assert!(config.clone().socket_age(Millis::from_secs(59)).check().is_err());
        assert!(config.clone().socket_age(Millis::from_secs(24 * 3_600)).check().is_err());
        assert!(config.check().is_ok());
    }
}
