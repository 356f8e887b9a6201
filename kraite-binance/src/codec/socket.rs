//! The WebSocket API: the same calls as frames, and their replies as answers.

use std::fmt;

use compact_str::CompactString;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::failure::Answer;
use super::params::{ParamValue, Params};
use super::request::{Call, Stamp};
use super::scalar;
use super::signer::{Credentials, SignError};

/// Whether the connection has been signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// Each request carries key and signature.
    Anonymous,
    /// The session carries them; a request is still stamped.
    LoggedOn,
}

/// A frame to send once. Prints its method and number only, since it may carry the key.
pub struct SocketRequest {
    /// The number that its reply carries.
    pub id: u64,
    /// The method.
    pub method: &'static str,
    /// The frame.
    pub text: String,
    /// True when it may change something at the venue.
    pub mutates: bool,
}

impl fmt::Debug for SocketRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketRequest").field("id", &self.id).field("method", &self.method).finish_non_exhaustive()
    }
}

/// Encodes one attempt of a call for the WebSocket API; `None` where that has no such method.
///
/// # Errors
///
/// [`SignError`] when the cryptographic library fails: nothing was sent.
pub fn encode_socket<C: Call>(
    call: &C,
    id: u64,
    stamp: Stamp,
    session: Session,
    credentials: &Credentials,
) -> Result<Option<SocketRequest>, SignError> {
    let Some(method) = C::SOCKET_METHOD else { return Ok(None) };
    let mut params = Params::new();
    call.parameters(&mut params);
    stamp.add_to(&mut params);
    frame(id, method, &params, session, credentials, C::MUTATES).map(Some)
}

/// Encodes the frame that signs a session in; needs an Ed25519 key, see [`super::Signer::can_log_on`].
///
/// # Errors
///
/// [`SignError`] when the cryptographic library fails: nothing was sent.
pub fn encode_logon(id: u64, stamp: Stamp, credentials: &Credentials) -> Result<SocketRequest, SignError> {
    let mut params = Params::new();
    stamp.add_to(&mut params);
    frame(id, "session.logon", &params, Session::Anonymous, credentials, false)
}

fn frame(
    id: u64,
    method: &'static str,
    params: &Params,
    session: Session,
    credentials: &Credentials,
    mutates: bool,
) -> Result<SocketRequest, SignError> {
    let mut fields: Vec<(&str, ParamValue<'_>)> = params.iter().collect();
    if session == Session::Anonymous {
        fields.push(("apiKey", ParamValue::Text(credentials.api_key().expose_secret())));
    }
    // Signed in alphabetical order, and not percent-encoded.
    fields.sort_by_key(|(name, _)| *name);
    let signature;
    if session == Session::Anonymous {
        let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", value.as_str())).collect();
        signature = credentials.signer().sign(&pairs.join("&"))?;
        fields.push(("signature", ParamValue::Text(&signature)));
    }
    let mut text = format!(r#"{{"id":{id},"method":"{method}","params":{{"#);
    for (at, (name, value)) in fields.iter().enumerate() {
        text.push_str(if at > 0 { ",\"" } else { "\"" });
        text.push_str(name);
        text.push_str("\":");
        match value {
            ParamValue::Text(value) => text.push_str(&serde_json::Value::from(*value).to_string()),
            ParamValue::Whole(digits) => text.push_str(digits),
        }
    }
    text.push_str("}}");
    Ok(SocketRequest { id, method, text, mutates })
}

/// A reply, not yet understood: [`SocketReply::answer`] is what the interpreter takes, as of HTTP.
///
/// Prints its number and status only: what it holds may be a listen key.
#[derive(Deserialize)]
pub struct SocketReply<'a> {
    /// The number of the request; `None` for what nobody asked for, as when the key is revoked.
    #[serde(default, deserialize_with = "scalar::text")]
    pub id: Option<CompactString>,
    #[serde(default, deserialize_with = "scalar::whole")]
    status: Option<i64>,
    #[serde(default, borrow)]
    result: Option<&'a RawValue>,
    #[serde(default, borrow)]
    error: Option<&'a RawValue>,
    #[serde(default, borrow, rename = "rateLimits")]
    rate_limits: Option<&'a RawValue>,
}

/// How much of a limit is used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsedLimit {
    /// What it counts, as the venue calls it.
    #[serde(default, deserialize_with = "scalar::text")]
    pub rate_limit_type: Option<CompactString>,
    /// SECOND or MINUTE.
    #[serde(default, deserialize_with = "scalar::text")]
    pub interval: Option<CompactString>,
    /// Of how many of those.
    #[serde(default, deserialize_with = "scalar::whole")]
    pub interval_num: Option<i64>,
    /// The limit.
    #[serde(default, deserialize_with = "scalar::whole")]
    pub limit: Option<i64>,
    /// The used part.
    #[serde(default, deserialize_with = "scalar::whole")]
    pub count: Option<i64>,
}

impl fmt::Debug for SocketReply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketReply").field("id", &self.id).field("status", &self.status).finish_non_exhaustive()
    }
}

impl<'a> SocketReply<'a> {
    /// Reads a frame; `None` where it is no reply. The request it may have answered is then in doubt.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Status and body, as an HTTP answer has them. A reply without a status says nothing: it is unknown.
    #[must_use]
    pub fn answer(&self) -> Answer<'a> {
        let status = self.status.and_then(|status| u16::try_from(status).ok()).unwrap_or(0);
        let failed = self.error.or(self.result);
        let body = if (200..300).contains(&status) { self.result } else { failed };
        Answer { status, body: body.map_or(b"", |raw| raw.get().as_bytes()) }
    }

    /// The used limits, as far as they can be read.
    #[must_use]
    pub fn used_limits(&self) -> Vec<UsedLimit> {
        self.rate_limits.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }
}
