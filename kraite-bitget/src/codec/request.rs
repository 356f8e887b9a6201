//! From a typed call to the text that is sent: signed afresh for every attempt, over exactly the bytes that leave.

use std::fmt;

use kraite_core::exchange::{Reject, RejectKind};
use kraite_core::time::VenueMillis;
use kraite_wire::Method;
use secrecy::SecretString;

use super::params::{Params, json_rows};
use super::signer::{Credentials, SignError};
use crate::caps::WINDOW;

/// The header that carries the API key.
pub const KEY_HEADER: &str = "ACCESS-KEY";
/// The header that carries the signature.
pub const SIGN_HEADER: &str = "ACCESS-SIGN";
/// The header that carries the venue time of signing, in milliseconds.
pub const TIMESTAMP_HEADER: &str = "ACCESS-TIMESTAMP";
/// The header that carries the passphrase.
pub const PASSPHRASE_HEADER: &str = "ACCESS-PASSPHRASE";
/// The header, with its value, that keeps the venue's words English.
pub const LOCALE_HEADER: (&str, &str) = ("locale", "en-US");
/// The header, with its value, that a key of the demo has to send; a live key is refused with it (40099).
pub const DEMO_HEADER: (&str, &str) = ("paptrading", "1");
/// The media type of [`WireRequest::body`].
pub const BODY_TYPE: &str = "application/json";

/// What a call has to carry to be listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Security {
    /// Nothing.
    Open,
    /// Key, passphrase, timestamp and signature.
    Signed,
}

/// One endpoint with the values of one call.
pub trait Call {
    /// The verb.
    const METHOD: Method;
    /// The path.
    const PATH: &'static str;
    /// What it has to carry.
    const SECURITY: Security;
    /// True when it changes something at the venue.
    const MUTATES: bool;
    /// How many of this endpoint the account, or the address of an open call, may make in a second by default.
    const PER_SECOND: u32;

    /// Adds its parameters.
    fn parameters(&self, params: &mut Params);

    /// The rows of a call whose body is a bare list; the parameters are not sent then.
    fn rows(&self) -> Option<Vec<Params>> {
        None
    }
}

/// A call that is not signed, so that it can be made without credentials at hand.
pub trait UnsignedCall: Call {}

/// When an attempt is signed. How long it may take is the venue's to say: 30 s, with no parameter to shorten it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(VenueMillis);

impl Stamp {
    /// For a request that changes nothing.
    #[must_use]
    pub const fn of_read(now: VenueMillis) -> Self {
        Self(now)
    }

    /// For a request that may change something: only if it cannot be accepted after `not_after` (4a.5).
    ///
    /// # Errors
    ///
    /// `Rejected(NotSent)` where it could be.
    pub fn of_mutation(now: VenueMillis, not_after: VenueMillis) -> Result<Self, Reject> {
        if now.plus(WINDOW) > not_after {
            let late = now.plus(WINDOW).since(not_after);
            return Err(not_sent(&format!("{late} too late to be signed")));
        }
        Ok(Self(now))
    }

    /// The venue time it is signed with.
    #[must_use]
    pub const fn timestamp(self) -> VenueMillis {
        self.0
    }
}

/// The refusal of what provably never left.
pub(crate) fn not_sent(why: &str) -> Reject {
    Reject { kind: RejectKind::NotSent, code: 0, message: why.into() }
}

/// One request, ready to leave once. Cannot be copied: another attempt is encoded and signed anew (R19).
pub struct WireRequest {
    /// The verb.
    pub method: Method,
    /// The path.
    pub path: &'static str,
    /// What follows the `?`; empty where nothing does.
    pub query: String,
    /// The body, of [`BODY_TYPE`]; a GET has none.
    pub body: Option<String>,
    /// True when it may change something at the venue.
    pub mutates: bool,
    signed: Option<(VenueMillis, SecretString)>,
}

impl WireRequest {
    /// Path and query as they stand in the request line, and in the signature.
    #[must_use]
    pub fn target(&self) -> String {
        if self.query.is_empty() { self.path.to_owned() } else { format!("{}?{}", self.path, self.query) }
    }

    /// The value of [`TIMESTAMP_HEADER`]; `None` for a call that is not signed, which takes no key either.
    #[must_use]
    pub fn timestamp(&self) -> Option<VenueMillis> {
        self.signed.as_ref().map(|(at, _)| *at)
    }

    /// The value of [`SIGN_HEADER`]: who reads it could repeat the request within its window.
    #[must_use]
    pub fn signature(&self) -> Option<&SecretString> {
        self.signed.as_ref().map(|(_, signature)| signature)
    }
}

impl fmt::Debug for WireRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WireRequest")
            .field("method", &self.method.as_str())
            .field("path", &self.path)
            .field("query", &self.query)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

/// Encodes one attempt of a call, and signs it where it has to be.
///
/// # Errors
///
/// [`SignError`] when the cryptographic library fails: nothing was sent.
pub fn encode<C: Call>(call: &C, stamp: Stamp, credentials: &Credentials) -> Result<WireRequest, SignError> {
    let mut request = unsigned(call);
    if C::SECURITY == Security::Signed {
        let at = stamp.timestamp();
        let payload = format!(
            "{}{}{}{}",
            at.0,
            C::METHOD.as_str(),
            request.target(),
            request.body.as_deref().unwrap_or_default()
        );
        request.signed = Some((at, credentials.signer().sign(&payload)?.into()));
    }
    Ok(request)
}

/// Encodes a call that needs no signature.
#[must_use]
pub fn encode_unsigned<C: UnsignedCall>(call: &C) -> WireRequest {
    unsigned(call)
}

fn unsigned<C: Call>(call: &C) -> WireRequest {
    let mut params = Params::new();
    call.parameters(&mut params);
    let (query, body) = match C::METHOD {
        Method::Get => (params.query(), None),
        Method::Post | Method::Put | Method::Delete => {
            (String::new(), Some(call.rows().map_or_else(|| params.json(), |rows| json_rows(&rows))))
        }
    };
    WireRequest { method: C::METHOD, path: C::PATH, query, body, mutates: C::MUTATES, signed: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s04_nothing_is_signed_that_could_be_accepted_after_not_after() {
        let stamp = Stamp::of_mutation(VenueMillis(7_000), VenueMillis(37_000)).unwrap();
        assert_eq!(stamp.timestamp(), VenueMillis(7_000));
        let refused = Stamp::of_mutation(VenueMillis(7_001), VenueMillis(37_000)).unwrap_err();
        assert_eq!(refused.kind, RejectKind::NotSent);
        assert_eq!(refused.message, "1 ms too late to be signed");
    }
}
