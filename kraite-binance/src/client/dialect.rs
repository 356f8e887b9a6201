//! What this venue says beside its answers, and the header that names the account.

use kraite_wire::client::{ConfigError, Dialect, Lost, Outgoing, Transport};
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::codec::{FORM_TYPE, Host, KEY_HEADER, UsedLimits, WireRequest};

const KEY_NAME: HeaderName = HeaderName::from_static(KEY_HEADER);
const FORM: HeaderValue = HeaderValue::from_static(FORM_TYPE);

/// The venue's way with HTTP.
pub(crate) struct Venue;

impl Dialect for Venue {
    type Host = Host;
    type Limits = UsedLimits;

    const LIMIT_HEADERS: &'static str = "x-mbx-";

    fn limits<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> UsedLimits {
        UsedLimits::of(headers)
    }
}

/// A whole answer.
pub(crate) type Reply = kraite_wire::client::Reply<UsedLimits>;

/// Sends `request`, once.
pub(crate) fn send(
    transport: &Transport<Venue>,
    request: WireRequest,
    key: &HeaderValue,
    limit: usize,
) -> impl Future<Output = Result<Reply, Lost>> {
    let headers = request.keyed.then(|| (KEY_NAME, key.clone()));
    let WireRequest { method, host, path, query, form, .. } = request;
    transport.send(Outgoing { host, method, path, query, body: form, media: FORM }, Ok(headers), limit)
}

/// The key as it is sent.
pub(crate) fn key_header(key: &SecretString) -> Result<HeaderValue, ConfigError> {
    let mut value = HeaderValue::from_str(key.expose_secret()).map_err(|_| ConfigError::ApiKey)?;
    value.set_sensitive(true);
    Ok(value)
}
