//! What every backend is configured with, and what makes an account unusable.

use kraite_core::exchange::{KeyRights, PositionMode, ReadError};
use kraite_core::time::Millis;
use reqwest::Url;

/// How long a connection may take to be made, TLS included. Real time, also where the clock is scaled (R20).
pub const CONNECT_TIMEOUT: Millis = Millis::from_secs(5);
/// How long a call may take in all, from connecting to the last byte of the answer (R20). The reactor gives up after 30 s.
pub const TOTAL_TIMEOUT: Millis = Millis::from_secs(10);
/// Venues cut a socket after 24 hours.
pub const SOCKET_AGE: Millis = Millis::from_secs(23 * 3_600);

/// A configuration that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// An address that is none, or of another scheme than is allowed there.
    #[error("{0} is not an address that may be used here")]
    Address(&'static str),
    /// A timeout or window outside its bounds.
    #[error("{0} is outside its bounds")]
    Bounds(&'static str),
    /// No root certificate was found, so that no venue could be told from another.
    #[error("the system has no root certificates")]
    NoRoots,
    /// The TLS library refuses its own defaults.
    #[error("TLS cannot be set up")]
    Tls,
    /// The HTTP library cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Http,
    /// The API key is no text that a header can hold.
    #[error("the API key holds a character that no key has")]
    ApiKey,
}

/// An account that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The key may move money out of the account.
    #[error("the key may withdraw or transfer; use one that may only trade")]
    MayWithdraw,
    /// The venue does not say whether the key may move money out, or whether it may trade.
    #[error("the venue does not tell all rights of the key")]
    RightsUnknown,
    /// The key may not trade futures.
    #[error("the key may not trade futures")]
    MayNotTrade,
    /// The account nets positions in another way.
    #[error("the account is in {found:?} mode, not in {wanted:?} mode")]
    Mode {
        /// As configured.
        wanted: PositionMode,
        /// As the venue says.
        found: PositionMode,
    },
    /// What has to be known first could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// What is demanded of the key before anything is sent with it (R109).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPolicy {
    /// It may not move money out, and the venue says so; it may trade.
    MustNotWithdraw,
    /// It is not asked. The only choice where the venue does not tell.
    Unchecked,
}

/// Holds the rights of a key against [`KeyPolicy::MustNotWithdraw`].
///
/// # Errors
///
/// [`ConnectError`] where it may do too much or too little, or nobody says.
pub const fn check_key(rights: KeyRights) -> Result<(), ConnectError> {
    match (rights.withdraw, rights.trade) {
        (Some(true), _) => Err(ConnectError::MayWithdraw),
        (None, _) | (_, None) => Err(ConnectError::RightsUnknown),
        (Some(false), Some(false)) => Err(ConnectError::MayNotTrade),
        (Some(false), Some(true)) => Ok(()),
    }
}

/// Reads an address that has a host and nothing that could hold a secret.
///
/// # Errors
///
/// [`ConfigError::Address`] of `what`.
pub fn plain_url(text: &str, what: &'static str) -> Result<Url, ConfigError> {
    let url = Url::parse(text).map_err(|_| ConfigError::Address(what))?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if plain && url.has_host() { Ok(url) } else { Err(ConfigError::Address(what)) }
}

/// True where the host is one of these domains, or within one.
#[must_use]
pub fn host_is_among(url: &Url, domains: &[&str]) -> bool {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    let within = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    domains.iter().any(|domain| within(domain))
}

/// Checks how long connecting and a whole call may take.
///
/// # Errors
///
/// [`ConfigError::Bounds`].
pub fn check_timeouts(connect: Millis, total: Millis) -> Result<(), ConfigError> {
    if connect.0 <= 0 || connect > total {
        return Err(ConfigError::Bounds("connect timeout"));
    }
    if total.0 <= 0 || total > Millis::from_secs(30) {
        return Err(ConfigError::Bounds("total timeout"));
    }
    Ok(())
}

/// Checks the age at which sockets are replaced.
///
/// # Errors
///
/// [`ConfigError::Bounds`].
pub fn check_sockets(age: Millis) -> Result<(), ConfigError> {
    let bounds = Millis::from_secs(60)..=SOCKET_AGE;
    if bounds.contains(&age) { Ok(()) } else { Err(ConfigError::Bounds("socket age")) }
}
