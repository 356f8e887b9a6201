//! Connections: HTTP requests with the faults they meet, and upgrades to WebSockets.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use kraite_core::time::Millis;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::faults::{Fault, When};
use super::language::{Language, Trouble};
use super::{Shared, admin, mover};
use crate::venue::Venue;

/// The largest request body; five orders in one batch are far below.
const LARGEST_BODY: usize = 1 << 20;
/// However fast the clock runs, the server wakes up for it at most this often, in real milliseconds.
const WAKES_EVERY: i64 = 5;
/// What a fault of [`Fault::Page`] is answered with.
const PAGE: &str = "<html><head><title>403 Forbidden</title></head><body>Access denied</body></html>";

/// One request, as far as anything here looks at it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Call {
    /// GET, POST, PUT, DELETE.
    pub(super) method: String,
    /// The path without the query.
    pub(super) path: String,
    /// The query string as sent.
    pub(super) query: String,
    /// The body as sent.
    pub(super) body: String,
    /// The headers, by name in lower case.
    pub(super) headers: BTreeMap<String, String>,
}

impl Call {
    /// A request without headers and body.
    #[cfg(test)]
    pub(super) fn of(method: &str, path: &str, query: &str) -> Self {
        Self { method: method.into(), path: path.into(), query: query.into(), ..Self::default() }
    }

    /// A header, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// The HTTP status.
    pub(super) status: u16,
    /// The body: JSON.
    pub(super) body: String,
    /// More headers.
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Reply {
    /// An answer.
    pub(super) fn ok(body: &serde_json::Value) -> Self {
        Self { status: 200, body: body.to_string(), headers: Vec::new() }
    }
}

/// How an answer goes out.
pub(super) enum Sent {
    /// As it is.
    Whole(Reply),
    /// Only so many bytes of the body, then the connection breaks.
    Part(Reply, usize),
    /// None; the connection breaks.
    Cut,
}

type Body = BoxBody<Bytes, io::Error>;

/// Takes connections until it is aborted.
pub(super) async fn serve<S: Language>(listener: TcpListener, shared: Arc<Shared<S>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            taken = listener.accept() => {
                let Ok((stream, peer)) = taken else { continue };
                // Small answers must not wait for each other.
                let _ = stream.set_nodelay(true);
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&shared), peer, request));
                    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    // A connection that breaks concerns nobody but its client.
                    let _ = connection.with_upgrades().await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Lets the venue's time pass.
pub(super) async fn tick<S: Language>(shared: Arc<Shared<S>>, speed: u32) {
    let span = Millis(mover::STEP.0.max(i64::from(speed).saturating_mul(WAKES_EVERY)));
    loop {
        shared.clock.sleep(span).await;
        shared.lock().step();
    }
}

async fn answer<S: Language>(
    shared: Arc<Shared<S>>,
    peer: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, io::Error> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    if is_upgrade(request.headers()) {
        return Ok(upgrade(&shared, &mut request, &path, &query));
    }
    let method = request.method().as_str().to_owned();
    let texts =
        request.headers().iter().filter_map(|(name, v)| Some((name.as_str().to_owned(), v.to_str().ok()?.to_owned())));
    let headers = texts.collect();
    let Ok(body) = Limited::new(request.into_body(), LARGEST_BODY).collect().await else {
        return Ok(whole(Reply { status: 413, body: "{}".into(), headers: Vec::new() }));
    };
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    let call = Call { method, path, query, body, headers };
    if call.path.starts_with(admin::BASE) {
        return Ok(whole(admin::answer(&mut *shared.lock(), &call, peer.ip())));
    }
    match respond(&shared, &call, |state| state.answer(&call)).await {
        Sent::Whole(reply) => Ok(whole(reply)),
        Sent::Part(reply, bytes) => Ok(part(reply, bytes)),
        Sent::Cut => Err(io::Error::other("cut on demand")),
    }
}

/// Answers a request, or has it meet its fault; `answer` works out what the venue says.
pub(super) async fn respond<S, A>(shared: &Shared<S>, call: &Call, mut answer: A) -> Sent
where
    S: Language,
    A: FnMut(&mut S) -> Reply,
{
    let met = {
        let mut state = shared.lock();
        state.catch_up();
        let now = state.now().0;
        state.faults.meet(call, now)
    };
    let mut act = || {
        let mut state = shared.lock();
        let reply = answer(&mut state);
        state.settle();
        reply
    };
    let trouble = |trouble: Trouble| Sent::Whole(shared.lock().trouble(&trouble));
    let Some(met) = met else { return Sent::Whole(act()) };
    match met.fault {
        Fault::Cut { when } => {
            unseen(when == When::After, &mut act);
            Sent::Cut
        }
        Fault::Empty { acts } => {
            unseen(acts, &mut act);
            Sent::Whole(Reply { status: 200, body: String::new(), headers: Vec::new() })
        }
        Fault::Truncate { bytes } => Sent::Part(act(), bytes),
        Fault::Unknown { acts } => {
            unseen(acts, &mut act);
            trouble(Trouble::Unknown)
        }
        Fault::Unavailable => trouble(Trouble::Unavailable),
        Fault::Timeout { acts } => {
            unseen(acts, &mut act);
            trouble(Trouble::Timeout)
        }
        Fault::Error { code, msg, status, acts } => {
            unseen(acts, &mut act);
            trouble(Trouble::Code { code, msg, status: status.filter(|s| (100..=999).contains(s)) })
        }
        Fault::Legs { refused, code } => {
            shared.lock().refused_legs = refused.into_iter().map(|leg| (leg, code)).collect();
            let reply = act();
            shared.lock().refused_legs.clear();
            Sent::Whole(reply)
        }
        Fault::Reversed => Sent::Whole(reversed(act())),
        Fault::Page { status } => {
            let status = if (200..=999).contains(&status) { status } else { 403 };
            Sent::Whole(Reply { status, body: PAGE.into(), headers: Vec::new() })
        }
        Fault::Delay { ms, when: When::Before } => {
            shared.clock.sleep(Millis(i64::from(ms))).await;
            Sent::Whole(act())
        }
        Fault::Delay { ms, when: When::After } => {
            let reply = act();
            shared.clock.sleep(Millis(i64::from(ms))).await;
            Sent::Whole(reply)
        }
        Fault::Double => {
            let first = act();
            unseen(true, &mut act);
            Sent::Whole(first)
        }
        Fault::Stale => Sent::Whole(stale(shared, call, met.past, answer)),
        Fault::RateLimit => trouble(Trouble::RateLimit),
        Fault::Ban { ms } => {
            shared.lock().ban(Millis(i64::from(ms)));
            Sent::Whole(act())
        }
    }
}

/// The rows of an answer, wherever its venue puts them, the last one first.
fn reversed(mut reply: Reply) -> Reply {
    let Ok(mut body) = serde_json::from_str::<Value>(&reply.body) else { return reply };
    let rows = if body.is_array() { &mut body } else { &mut body["data"] };
    if let Some(rows) = rows.as_array_mut() {
        rows.reverse();
        reply.body = body.to_string();
    }
    reply
}

/// Does what was asked, if it is to be done at all, and forgets the answer.
fn unseen(acts: bool, act: &mut impl FnMut() -> Reply) {
    if acts {
        drop(act());
    }
}

/// A question is answered from the past; what changes something changes the present.
fn stale<S, A>(shared: &Shared<S>, call: &Call, past: Option<Box<Venue>>, mut answer: A) -> Reply
where
    S: Language,
    A: FnMut(&mut S) -> Reply,
{
    let mut state = shared.lock();
    match past.filter(|_| call.method == "GET") {
        Some(past) => {
            let present = std::mem::replace(&mut state.venue, *past);
            let reply = answer(&mut state);
            state.venue = present;
            reply
        }
        None => {
            let reply = answer(&mut state);
            state.settle();
            reply
        }
    }
}

fn respond_with(reply: &Reply, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() =
        hyper::StatusCode::from_u16(reply.status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(reply.body.len()));
    for (name, value) in &reply.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(*name, value);
        }
    }
    response
}

fn whole(reply: Reply) -> Response<Body> {
    let body = Full::new(Bytes::from(reply.body.clone())).map_err(|never: Infallible| match never {}).boxed();
    respond_with(&reply, body)
}

fn part(reply: Reply, bytes: usize) -> Response<Body> {
    let kept: Vec<u8> = reply.body.bytes().take(bytes).collect();
    let broken = async {
        // What came before must have left, or nothing would be seen of it.
        tokio::task::yield_now().await;
        Err(io::Error::other("truncated on demand"))
    };
    let frames = stream::iter([Ok(Frame::data(Bytes::from(kept)))]).chain(stream::once(broken));
    respond_with(&reply, BodyExt::boxed(StreamBody::new(frames)))
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

fn upgrade<S: Language>(
    shared: &Arc<Shared<S>>,
    request: &mut Request<Incoming>,
    path: &str,
    query: &str,
) -> Response<Body> {
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let (Some(accept), Some(serve)) = (key, S::serve(shared, path, query)) else {
        return whole(shared.lock().no_socket(path));
    };
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgraded.await {
            serve(TokioIo::new(upgraded)).await;
        }
    });
    let mut response = whole(Reply { status: 101, body: String::new(), headers: Vec::new() });
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::CONTENT_TYPE);
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}
