//! What a backend is made of: hosts, timeouts, product lines, policies.

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
use super::dialect::Money;
use crate::codec::Product;

/// The most contracts whose marks one socket carries here: the venue advises fewer than 50 channels.
pub(crate) const MAX_MARKS: usize = 50;

/// Where the venue is.
///
/// The venue's own hosts are encrypted always. Only an emulator may be spoken to in the clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    pub(crate) http: Url,
    pub(crate) streams: Url,
    kind: Kind,
    pub(crate) money: Money,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Production,
    Demo,
    Emulator,
}

/// Hosts that an emulator may not be said to live on.
const VENUES: [&str; 1] = ["bitget.com"];

impl Hosts {
    /// The venue itself, with real money ("Bitget, Quick Start").
    ///
    /// # Errors
    ///
    /// None that can happen: the addresses are constants.
    pub fn production() -> Result<Self, ConfigError> {
        Ok(Self {
            http: plain_url("https://api.bitget.com", "http")?,
            streams: plain_url("wss://ws.bitget.com", "streams")?,
            kind: Kind::Production,
            money: Money::Real,
        })
    }

    /// The venue's demo: the same host with a header that says so, and streams of its own.
    ///
    /// # Errors
    ///
    /// None that can happen: the addresses are constants.
    pub fn demo() -> Result<Self, ConfigError> {
        Ok(Self {
            http: plain_url("https://api.bitget.com", "http")?,
            streams: plain_url("wss://wspap.bitget.com", "streams")?,
            kind: Kind::Demo,
            money: Money::Paper,
        })
    }

    /// An emulator, for example `http://127.0.0.1:8080` and `ws://127.0.0.1:8080`; a path is kept as a prefix.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] where it is no address of `http`, `https`, `ws` or `wss`, or names the venue.
    pub fn emulator(http: &str, streams: &str) -> Result<Self, ConfigError> {
        let (http, streams) = (plain_url(http, "http")?, plain_url(streams, "streams")?);
        let known = |url: &Url, schemes: [&str; 2]| schemes.contains(&url.scheme()) && !host_is_among(url, &VENUES);
        if !known(&http, ["http", "https"]) {
            return Err(ConfigError::Address("http"));
        }
        if !known(&streams, ["ws", "wss"]) {
            return Err(ConfigError::Address("streams"));
        }
        Ok(Self { http, streams, kind: Kind::Emulator, money: Money::Real })
    }

    /// An emulator of the demo, which is sent the demo's header.
    ///
    /// # Errors
    ///
    /// As [`Self::emulator`].
    pub fn emulated_demo(http: &str, streams: &str) -> Result<Self, ConfigError> {
        Ok(Self { money: Money::Paper, ..Self::emulator(http, streams)? })
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
        [&self.http, &self.streams].iter().any(|url| matches!(url.scheme(), "https" | "wss"))
    }
}

/// How a backend is to work.
#[derive(Clone)]
pub struct Config {
    pub(crate) hosts: Hosts,
    pub(crate) connect_timeout: Millis,
    pub(crate) total_timeout: Millis,
    pub(crate) keys: KeyPolicy,
    pub(crate) mode: Option<PositionMode>,
    pub(crate) products: Vec<Product>,
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
            .field("keys", &self.keys)
            .field("mode", &self.mode)
            .field("products", &self.products)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// The defaults for these hosts: 5 s to connect and 10 s in all, both product lines, and in production keys that
    /// can withdraw refused.
    ///
    /// The words in which this venue tells the rights of a key are not known, so that the check refuses every key:
    /// [`Self::keys`] with [`KeyPolicy::Unchecked`] says that somebody has looked.
    #[must_use]
    pub fn new(hosts: Hosts) -> Self {
        Self {
            keys: if hosts.is_production() { KeyPolicy::MustNotWithdraw } else { KeyPolicy::Unchecked },
            hosts,
            connect_timeout: CONNECT_TIMEOUT,
            total_timeout: TOTAL_TIMEOUT,
            mode: None,
            products: Product::ALL.to_vec(),
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

    /// What is demanded of the key.
    #[must_use]
    pub const fn keys(mut self, policy: KeyPolicy) -> Self {
        self.keys = policy;
        self
    }

    /// The position mode that the account has to be in; it is never changed from here, since the mode is that of a
    /// whole product line and others may trade on it.
    #[must_use]
    pub const fn position_mode(mut self, mode: PositionMode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// The product lines that the account trades: what is asked about all contracts is asked of these.
    #[must_use]
    pub fn products(mut self, products: impl IntoIterator<Item = Product>) -> Self {
        self.products = products.into_iter().collect();
        self.products.sort_unstable();
        self.products.dedup();
        self
    }

    /// The age at which sockets are replaced, from a minute to 23 hours, the default.
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
        if self.products.is_empty() {
            return Err(ConfigError::Bounds("product lines"));
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
        for (http, ws) in [
            ("http://api.bitget.com", "ws://127.0.0.1:1"),
            ("http://API.Bitget.com.", "ws://127.0.0.1:1"),
            ("http://127.0.0.1:1", "ws://ws.bitget.com"),
            ("ftp://127.0.0.1", "ws://127.0.0.1"),
            ("http://key:secret@127.0.0.1", "ws://127.0.0.1"),
        ] {
            assert!(Hosts::emulator(http, ws).is_err(), "{http} {ws}");
        }
        assert!(Hosts::emulator("http://notbitget.com", "ws://notbitget.com").is_ok());
        for hosts in [Hosts::production().unwrap(), Hosts::demo().unwrap()] {
            assert!(hosts.encrypted_only() && hosts.encrypts());
        }
    }

    #[test]
    fn r109_keys_are_checked_in_production_unless_somebody_says_otherwise() {
        let config = Config::new(Hosts::production().unwrap());
        assert_eq!((config.keys, config.hosts.money), (KeyPolicy::MustNotWithdraw, Money::Real));
        let demo = Config::new(Hosts::demo().unwrap());
        assert_eq!((demo.keys, demo.hosts.money), (KeyPolicy::Unchecked, Money::Paper));
        assert!(config.clone().timeouts(Millis(200), Millis(100)).check().is_err());
        assert!(config.clone().socket_age(Millis::from_secs(59)).check().is_err());
        assert!(config.clone().products([]).check().is_err());
        assert!(config.products([Product::Usdc, Product::Usdt, Product::Usdc]).check().is_ok());
    }
}
