//! From a typed call to the text that is sent: signed afresh for every attempt, over exactly the bytes that leave.

use std::fmt;

use kraite_core::exchange::{Reject, RejectKind};
use kraite_core::time::{Millis, VenueMillis};
use kraite_wire::Method;

use super::params::Params;
use super::signer::{Credentials, SignError};

/// The header that carries the API key, `X-MBX-APIKEY` in the documentation; case is nothing to HTTP.
pub const KEY_HEADER: &str = "x-mbx-apikey";
/// The media type of [`WireRequest::form`].
pub const FORM_TYPE: &str = "application/x-www-form-urlencoded";

/// What a call has to carry to be listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Security {
    /// Nothing.
    Open,
    /// The API key.
    Key,
    /// The API key, a timestamp and a signature.
    Signed,
}

/// Which of the venue's hosts answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// The futures API.
    Futures,
    /// The general API, which knows the rights of keys.
    Account,
}

/// One endpoint with the values of one call.
pub trait Call {
    /// The verb.
    const METHOD: Method;
    /// The path.
    const PATH: &'static str;
    /// What it has to carry.
    const SECURITY: Security;
    /// The host.
    const HOST: Host = Host::Futures;
    /// True when it changes something at the venue.
    const MUTATES: bool;
    /// The method's name in the WebSocket API; `None` where that has none.
    const SOCKET_METHOD: Option<&'static str> = None;

    /// What it costs of the weight of the address, per minute.
    fn weight(&self) -> u32;

    /// What it costs of the account's order counters: 10 s and 1 min.
    fn orders(&self) -> (u32, u32) {
        (0, 0)
    }

    /// Adds its parameters, those of [`Stamp`] and the signature left out.
    fn parameters(&self, params: &mut Params);
}

/// When an attempt is signed and how long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    timestamp: VenueMillis,
    window: Millis,
}

impl Stamp {
    /// For a request that changes nothing.
    #[must_use]
    pub const fn of_read(now: VenueMillis, window: Millis) -> Self {
        Self { timestamp: now, window }
    }

    /// For a request that may change something: only if timestamp + window is not past `not_after` (4a.5).
    ///
    /// # Errors
    ///
    /// `Rejected(NotSent)` where it could be accepted after that instant.
    pub fn of_mutation(now: VenueMillis, window: Millis, not_after: VenueMillis) -> Result<Self, Reject> {
        if now.plus(window) > not_after {
            let late = now.plus(window).since(not_after);
            return Err(not_sent(&format!("{late} too late to be signed")));
        }
        Ok(Self { timestamp: now, window })
    }

    /// The venue time it is signed with.
    #[must_use]
    pub const fn timestamp(self) -> VenueMillis {
        self.timestamp
    }

    pub(crate) fn add_to(self, params: &mut Params) {
        params.push_whole("recvWindow", self.window.0);
        params.push_whole("timestamp", self.timestamp.0);
    }
}

/// The refusal of what provably never left.
pub(crate) fn not_sent(why: &str) -> Reject {
    Reject { kind: RejectKind::NotSent, code: 0, message: why.into() }
}

/// Where the parameters of a request travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// In the query string, on any verb.
    Query,
    /// In a form body; GET has none and uses the query.
    Form,
}

/// One request, ready to leave once. Cannot be copied: another attempt is encoded and signed anew (R19).
#[derive(PartialEq, Eq)]
pub struct WireRequest {
    /// The verb.
    pub method: Method,
    /// The host.
    pub host: Host,
    /// The path.
    pub path: &'static str,
    /// What follows the `?`; empty where nothing does.
    pub query: String,
    /// The body, of [`FORM_TYPE`].
    pub form: Option<String>,
    /// Whether [`KEY_HEADER`] goes along.
    pub keyed: bool,
    /// True when it may change something at the venue.
    pub mutates: bool,
}

impl WireRequest {
    /// Path and query as they stand in the request line.
    #[must_use]
    pub fn target(&self) -> String {
        if self.query.is_empty() { self.path.to_owned() } else { format!("{}?{}", self.path, self.query) }
    }
}

/// What may be shown of a request: its signature would let others repeat it within its window.
impl fmt::Debug for WireRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| text.split("signature=").next().unwrap_or_default().to_owned();
        f.debug_struct("WireRequest")
            .field("method", &self.method.as_str())
            .field("path", &self.path)
            .field("query", &shown(&self.query))
            .field("form", &self.form.as_deref().map(shown))
            .finish_non_exhaustive()
    }
}

/// Encodes one attempt of a call, and signs it where it has to be.
///
/// # Errors
///
/// [`SignError`] when the cryptographic library fails: nothing was sent.
pub fn encode<C: Call>(
    call: &C,
    carrier: Carrier,
    stamp: Stamp,
    credentials: &Credentials,
) -> Result<WireRequest, SignError> {
    let mut params = Params::new();
    call.parameters(&mut params);
    let text = match C::SECURITY {
        Security::Signed => {
            stamp.add_to(&mut params);
            let mut text = params.encoded();
            credentials.signer().append_to(&mut text)?;
            text
        }
        Security::Open | Security::Key => params.encoded(),
    };
    Ok(carried::<C>(carrier, text))
}

/// Encodes a call that needs no signature.
#[must_use]
pub fn encode_unsigned<C: UnsignedCall>(call: &C) -> WireRequest {
    let mut params = Params::new();
    call.parameters(&mut params);
    carried::<C>(Carrier::Query, params.encoded())
}

/// A call that is not signed, so that it can be made without credentials at hand.
pub trait UnsignedCall: Call {}

fn carried<C: Call>(carrier: Carrier, text: String) -> WireRequest {
    let (query, form) = match carrier {
        Carrier::Form if C::METHOD != Method::Get => (String::new(), Some(text)),
        Carrier::Form | Carrier::Query => (text, None),
    };
    WireRequest {
        method: C::METHOD,
        host: C::HOST,
        path: C::PATH,
        query,
        form,
        keyed: C::SECURITY != Security::Open,
        mutates: C::MUTATES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s04_nothing_is_signed_that_could_be_accepted_after_not_after() {
        let window = Millis(3_000);
        let stamp = Stamp::of_mutation(VenueMillis(7_000), window, VenueMillis(10_000)).unwrap();
        assert_eq!(stamp.timestamp(), VenueMillis(7_000));
        let refused = Stamp::of_mutation(VenueMillis(7_001), window, VenueMillis(10_000)).unwrap_err();
        assert_eq!(refused.kind, RejectKind::NotSent);
        assert_eq!(refused.message, "1 ms too late to be signed");
    }
}
