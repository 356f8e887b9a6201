//! One request out, one answer in. Nothing is sent twice, followed elsewhere, or taken from a proxy.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kraite_core::time::Millis;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, Url};

use super::alarm::Alarms;
use super::config::ConfigError;
use super::local::LocalClock;
use super::lost::Lost;
use crate::Method;

/// The most bytes of an answer about one thing or a list of orders: a page of 1000 rows has about half a megabyte.
pub const MAX_BODY: usize = 4 << 20;
/// The most bytes of the rules of all contracts: about two megabytes for 700 of them.
pub const MAX_RULES_BODY: usize = 32 << 20;
/// An idle connection is closed by us first, so that a request does not meet a connection that the venue closes.
const IDLE: Duration = Duration::from_secs(20);
/// The most headers of an answer.
const MAX_HEADERS: usize = 100;

/// What a venue says beside its answers, and where.
pub trait Dialect: 'static {
    /// Its hosts.
    type Host: Copy + Ord + Send + 'static;
    /// What the headers of an answer say about the limits.
    type Limits: Send + 'static;

    /// How the headers begin that are read, beside `Retry-After`.
    const LIMIT_HEADERS: &'static str;

    /// Reads those headers.
    fn limits<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Self::Limits;
}

/// One request, ready to leave once.
pub struct Outgoing<H> {
    /// Which host.
    pub host: H,
    /// The verb.
    pub method: Method,
    /// The path.
    pub path: &'static str,
    /// What follows the `?`; empty where nothing does.
    pub query: String,
    /// The body.
    pub body: Option<String>,
    /// The media type of the body.
    pub media: HeaderValue,
}

/// A whole answer.
pub struct Reply<L> {
    /// The HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Bytes,
    /// What its headers say about the limits.
    pub used: L,
}

/// The HTTP side of an account.
pub struct Transport<D: Dialect> {
    client: Client,
    hosts: BTreeMap<D::Host, Url>,
    alarms: Alarms,
    /// The addresses of the endpoints that were asked so far: they are few, and parsing one costs more than signing.
    addresses: Mutex<BTreeMap<(D::Host, &'static str), Url>>,
}

impl<D: Dialect> Transport<D> {
    /// Towards these hosts, in the clear only if one of them is and `encrypted_only` does not forbid it.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Http`].
    pub fn new(
        hosts: impl IntoIterator<Item = (D::Host, Url)>,
        encrypted_only: bool,
        (connect, total): (Millis, Millis),
        clock: &Arc<dyn LocalClock>,
        tls: &rustls::ClientConfig,
    ) -> Result<Self, ConfigError> {
        let connect = Duration::from_millis(u64::try_from(connect.0).unwrap_or(1));
        let client = Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .https_only(encrypted_only)
            .http1_only()
            .http1_max_headers(MAX_HEADERS)
            .connect_timeout(connect)
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true)
            .build()
            .map_err(|_| ConfigError::Http)?;
        let (hosts, alarms) = (hosts.into_iter().collect(), Alarms::new(Arc::clone(clock), total));
        Ok(Self { client, hosts, alarms, addresses: Mutex::default() })
    }

    /// Sends `request`, once. Whatever comes back comes back within the total timeout.
    /// `headers` are those that the venue wants beside it; without them nothing is sent.
    pub fn send(
        &self,
        request: Outgoing<D::Host>,
        headers: Result<impl IntoIterator<Item = (HeaderName, HeaderValue)>, Lost>,
        limit: usize,
    ) -> impl Future<Output = Result<Reply<D::Limits>, Lost>> {
        // Not within, where each part of it would be carried along.
        let sending = headers.and_then(|headers| self.prepared(request, headers)).map(RequestBuilder::send);
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

    fn prepared(
        &self,
        request: Outgoing<D::Host>,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> Result<RequestBuilder, Lost> {
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
        for (name, value) in headers {
            out = out.header(name, value);
        }
        if let Some(body) = request.body {
            out = out.header(CONTENT_TYPE, request.media).body(body);
        }
        Ok(out)
    }

    fn address(&self, host: D::Host, path: &'static str) -> Result<Url, Lost> {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = addresses.get(&(host, path)) {
            return Ok(known.clone());
        }
        let base = self.hosts.get(&host).ok_or(Lost::NotSent("there is no such host"))?;
        let mut url = base.clone();
        url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
        addresses.insert((host, path), url.clone());
        Ok(url)
    }

    async fn exchange(
        &self,
        sending: impl Future<Output = Result<Response, reqwest::Error>>,
        limit: usize,
    ) -> Result<Reply<D::Limits>, Lost> {
        let mut response = sending.await.map_err(|error| lost(&error))?;
        let is_told = |name: &HeaderName| name.as_str().starts_with(D::LIMIT_HEADERS) || *name == RETRY_AFTER;
        let told = response.headers().iter().filter(|(name, _)| is_told(name));
        let used = D::limits(told.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))));
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
