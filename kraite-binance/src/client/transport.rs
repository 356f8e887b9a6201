//! One request out, one answer in. Nothing is sent twice, followed elsewhere, or taken from a proxy.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, Url};
use secrecy::{ExposeSecret, SecretString};

use super::alarm::Alarms;
use super::config::{Config, ConfigError};
use crate::codec::{Answer, FORM_TYPE, Host, KEY_HEADER, Method, UsedLimits, WireRequest};

/// The most bytes of an answer about one thing or a list of orders: a page of 1000 rows has about half a megabyte.
pub(crate) const MAX_BODY: usize = 4 << 20;
/// The most bytes of exchangeInfo: about two megabytes for 700 contracts.
pub(crate) const MAX_RULES_BODY: usize = 32 << 20;
/// An idle connection is closed by us first, so that a request does not meet a connection that the venue closes.
const IDLE: Duration = Duration::from_secs(20);
const KEY_NAME: HeaderName = HeaderName::from_static(KEY_HEADER);
const FORM: HeaderValue = HeaderValue::from_static(FORM_TYPE);
/// How the headers of the venue's own begin, those about limits among them.
const LIMITS: &str = "x-mbx-";
/// The most headers of an answer.
const MAX_HEADERS: usize = 100;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// No byte of the request left: the connection was never made.
    NotSent(&'static str),
    /// It may have left; nothing came back in time.
    Timeout,
    /// It may have left; the connection broke, before or within the answer.
    Disconnected,
    /// An answer came that is larger than any can be.
    TooLarge,
}

/// A whole answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    pub(crate) used: UsedLimits,
}

impl Reply {
    pub(crate) fn answer(&self) -> Answer<'_> {
        Answer { status: self.status, body: &self.body }
    }
}

pub(crate) struct Transport {
    client: Client,
    futures: Url,
    account: Option<Url>,
    key: HeaderValue,
    alarms: Alarms,
    /// The addresses of the endpoints that were asked so far: they are few, and parsing one costs more than signing.
    addresses: Mutex<BTreeMap<(Host, &'static str), Url>>,
}

impl Transport {
    pub(crate) fn new(config: &Config, key: &SecretString, tls: &rustls::ClientConfig) -> Result<Self, ConfigError> {
        let mut key = HeaderValue::from_str(key.expose_secret()).map_err(|_| ConfigError::ApiKey)?;
        key.set_sensitive(true);
        let connect = Duration::from_millis(u64::try_from(config.connect_timeout.0).unwrap_or(1));
        let client = Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .https_only(config.hosts.encrypted_only())
            .http1_only()
            .http1_max_headers(MAX_HEADERS)
            .connect_timeout(connect)
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true)
            .build()
            .map_err(|_| ConfigError::Http)?;
        Ok(Self {
            client,
            futures: config.hosts.futures.clone(),
            account: config.hosts.account.clone(),
            key,
            alarms: Alarms::new(Arc::clone(&config.clock), config.total_timeout),
            addresses: Mutex::default(),
        })
    }

    /// Sends `request`, once. Whatever comes back comes back within the total timeout.
    pub(crate) fn send(&self, request: WireRequest, limit: usize) -> impl Future<Output = Result<Reply, Lost>> {
        // Not within, where each part of it would be carried along.
        let sending = self.prepared(request).map(RequestBuilder::send);
        async move {
            let sending = sending?;
            let mut alarm = self.alarms.set();
            tokio::select! {
                biased;
                reply = self.exchange(sending, limit) => reply,
                () = alarm.rings() => Err(Lost::Timeout),
            }
        }
    }

    fn prepared(&self, request: WireRequest) -> Result<RequestBuilder, Lost> {
        let mut url = self.address(request.host, request.path)?;
        // Byte for byte what was signed: the encoding leaves nothing that a URL would change.
        if !request.query.is_empty() {
            url.set_query(Some(&request.query));
        }
        if url.query().unwrap_or_default() != request.query {
            return Err(Lost::NotSent("what was signed cannot be sent as it is"));
        }
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut out = self.client.request(method, url);
        if request.keyed {
            out = out.header(KEY_NAME, self.key.clone());
        }
        if let Some(form) = request.form {
            out = out.header(CONTENT_TYPE, FORM).body(form);
        }
        Ok(out)
    }

    fn address(&self, host: Host, path: &'static str) -> Result<Url, Lost> {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = addresses.get(&(host, path)) {
            return Ok(known.clone());
        }
        let base = match host {
            Host::Futures => &self.futures,
            Host::Account => self.account.as_ref().ok_or(Lost::NotSent("there is no such host"))?,
        };
        let mut url = base.clone();
        url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
        addresses.insert((host, path), url.clone());
        Ok(url)
    }

    async fn exchange(
        &self,
        sending: impl Future<Output = Result<Response, reqwest::Error>>,
        limit: usize,
    ) -> Result<Reply, Lost> {
        let mut response = sending.await.map_err(|error| lost(&error))?;
        let told =
            response.headers().iter().filter(|(name, _)| name.as_str().starts_with(LIMITS) || *name == RETRY_AFTER);
        let used = UsedLimits::of(told.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))));
        let status = response.status().as_u16();
        // Most answers come in one piece.
        let mut body = next(&mut response, limit).await?.unwrap_or_default();
        if let Some(more) = next(&mut response, limit.saturating_sub(body.len())).await? {
            let mut whole = BytesMut::from(body);
            whole.extend_from_slice(&more);
            while let Some(more) = next(&mut response, limit.saturating_sub(whole.len())).await? {
                whole.extend_from_slice(&more);
            }
            body = whole.freeze();
        }
        Ok(Reply { status, body, used })
    }
}

/// The next piece of a body, of which at most `room` bytes are wanted. A broken body is a broken answer, whatever its
/// status line said.
async fn next(response: &mut Response, room: usize) -> Result<Option<Bytes>, Lost> {
    let piece = response.chunk().await.map_err(|error| within(&error))?;
    if piece.as_ref().is_some_and(|piece| piece.len() > room) { Err(Lost::TooLarge) } else { Ok(piece) }
}

/// What an error before the status line proves. Only a connection that was never made proves that nothing left; the
/// text of the error would show the signed query and is not kept.
fn lost(error: &reqwest::Error) -> Lost {
    if error.is_builder() {
        return Lost::NotSent("the request could not be built");
    }
    if error.is_connect() {
        return Lost::NotSent(why_not_connected(error));
    }
    within(error)
}

fn within(error: &reqwest::Error) -> Lost {
    if error.is_timeout() { Lost::Timeout } else { Lost::Disconnected }
}

fn why_not_connected(error: &reqwest::Error) -> &'static str {
    use std::io::ErrorKind;
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            match io.kind() {
                ErrorKind::ConnectionRefused => return "the connection was refused",
                ErrorKind::TimedOut => return "connecting took too long",
                ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => return "the network is unreachable",
                ErrorKind::InvalidData => return "the TLS handshake failed",
                _ => {}
            }
        }
        source = inner.source();
    }
    if error.is_timeout() { "connecting took too long" } else { "no connection could be made" }
}
