//! What this venue says beside its answers, and the headers that a request carries.

use kraite_wire::client::{ConfigError, Dialect, Lost, Outgoing, Transport};
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::ExposeSecret;

use crate::codec::{
    BODY_TYPE, Credentials, DEMO_HEADER, KEY_HEADER, LOCALE_HEADER, PASSPHRASE_HEADER, SIGN_HEADER, TIMESTAMP_HEADER,
    UsedLimits, WireRequest,
};

const JSON: HeaderValue = HeaderValue::from_static(BODY_TYPE);

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

/// The headers that every request of an account carries.
pub(crate) struct Headers {
    always: Vec<(HeaderName, HeaderValue)>,
    signed: Vec<(HeaderName, HeaderValue)>,
}

impl Headers {
    pub(crate) fn of(credentials: &Credentials, money: Money) -> Result<Self, ConfigError> {
        let mut always = vec![header(LOCALE_HEADER.0, LOCALE_HEADER.1)?];
        if money == Money::Paper {
            always.push(header(DEMO_HEADER.0, DEMO_HEADER.1)?);
        }
        let secrets = [(KEY_HEADER, credentials.api_key()), (PASSPHRASE_HEADER, credentials.passphrase())];
        let mut signed = Vec::new();
        for (name, secret) in secrets {
            let (name, mut value) = header(name, secret.expose_secret())?;
            value.set_sensitive(true);
            signed.push((name, value));
        }
        Ok(Self { always, signed })
    }

    fn with(&self, request: &WireRequest) -> Result<Vec<(HeaderName, HeaderValue)>, ConfigError> {
        let mut all = self.always.clone();
        if let (Some(at), Some(signature)) = (request.timestamp(), request.signature()) {
            all.extend(self.signed.iter().cloned());
            let (name, mut value) = header(SIGN_HEADER, signature.expose_secret())?;
            value.set_sensitive(true);
            all.push((name, value));
            all.push(header(TIMESTAMP_HEADER, &at.0.to_string())?);
        }
        Ok(all)
    }
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), ConfigError> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| ConfigError::ApiKey)?;
    Ok((name, HeaderValue::from_str(value).map_err(|_| ConfigError::ApiKey)?))
}

/// Sends `request`, once.
pub(crate) fn send(
    transport: &Transport<Venue>,
    request: WireRequest,
    account: &Headers,
    limit: usize,
) -> impl Future<Output = Result<Reply, Lost>> {
    let headers = account.with(&request).map_err(|_| Lost::NotSent("the signature is no header"));
    let WireRequest { method, path, query, body, .. } = request;
    transport.send(Outgoing { host: (), method, path, query, body, media: JSON }, headers, limit)
}
