//! What this venue says beside its answers, and the headers that a request carries.

use kraite_wire::client::{Dialect, Lost, Outgoing, Transport};
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::ExposeSecret;

use crate::codec::{
    BODY_TYPE, Credentials, DEMO_HEADER, KEY_HEADER, LOCALE_HEADER, PASSPHRASE_HEADER, SIGN_HEADER, TIMESTAMP_HEADER,
    UsedLimits, WireRequest,
};

/// The venue's way with HTTP: one host for both generations.
pub(crate) struct Venue;

impl Dialect for Venue {
    type Host = ();
    type Limits = UsedLimits;

    const LIMIT_HEADERS: &'static str = "x-mbx-";

    fn limits<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> UsedLimits {
        UsedLimits::of(headers)
    }
}

/// A whole answer.
pub(crate) type Reply = kraite_wire::client::Reply<UsedLimits>;

/// Which money a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Money {
    Real,
    /// Of the demo; a live key is refused with its header (40099).
    Paper,
}

/// Sends `request`, once.
pub(crate) fn send(
    transport: &Transport<Venue>,
    request: WireRequest,
    credentials: &Credentials,
    money: Money,
    limit: usize,
) -> impl Future<Output = Result<Reply, Lost>> {
    let headers = headers_of(&request, credentials, money);
    let WireRequest { method, path, query, body, .. } = request;
    transport.send(Outgoing { host: (), method, path, query, body, media: BODY_TYPE }, headers, limit)
}

fn headers_of(
    request: &WireRequest,
    credentials: &Credentials,
    money: Money,
) -> Result<Vec<(HeaderName, HeaderValue)>, Lost> {
    let mut headers = vec![header(LOCALE_HEADER.0, LOCALE_HEADER.1)?];
    if money == Money::Paper {
        headers.push(header(DEMO_HEADER.0, DEMO_HEADER.1)?);
    }
    if let (Some(at), Some(signature)) = (request.timestamp(), request.signature()) {
        headers.push(secret(KEY_HEADER, credentials.api_key().expose_secret())?);
        headers.push(secret(PASSPHRASE_HEADER, credentials.passphrase().expose_secret())?);
        headers.push(secret(SIGN_HEADER, signature.expose_secret())?);
        headers.push(header(TIMESTAMP_HEADER, &at.0.to_string())?);
    }
    Ok(headers)
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Lost> {
    let broken = Lost::NotSent("the key, its passphrase or its signature is no header");
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| broken)?;
    Ok((name, HeaderValue::from_str(value).map_err(|_| broken)?))
}

fn secret(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Lost> {
    let (name, mut value) = header(name, value)?;
    value.set_sensitive(true);
    Ok((name, value))
}
