//! Connections: HTTP requests with the faults they meet, and upgrades to WebSockets.

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
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::errors::Problem;
use super::faults::{Fault, When};
use super::state::State;
use super::streams::Opening;
use super::{Shared, admin, api, limits, market, routes, socket};
use crate::venue::Venue;

/// The largest request body; five orders in one batch are far below.
const LARGEST_BODY: usize = 1 << 20;
/// However fast the clock runs, the server wakes up for it at most this often, in real milliseconds.
const WAKES_EVERY: i64 = 5;
/// The header that carries the API key.
const KEY_HEADER: &str = "x-mbx-apikey";

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
    /// The API key.
    pub(super) key: Option<String>,
}

impl Call {
    /// A request without key and body.
    #[cfg(test)]
    pub(super) fn of(method: &str, path: &str, query: &str) -> Self {
        Self { method: method.into(), path: path.into(), query: query.into(), ..Self::default() }
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
    /// A refusal without further headers.
    pub(super) fn problem(problem: &Problem) -> Self {
        Self { status: problem.status, body: problem.body().to_string(), headers: Vec::new() }
    }

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
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
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
pub(super) async fn tick(shared: Arc<Shared>, speed: u32) {
    let span = Millis(market::STEP.0.max(i64::from(speed).saturating_mul(WAKES_EVERY)));
    loop {
        shared.clock.sleep(span).await;
        shared.lock().step();
    }
}

async fn answer(
    shared: Arc<Shared>,
    peer: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, io::Error> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    if is_upgrade(request.headers()) {
        return Ok(upgrade(&shared, &mut request, &path, &query));
    }
    let text = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let (method, key) = (request.method().as_str().to_owned(), text(KEY_HEADER));
    let Ok(body) = Limited::new(request.into_body(), LARGEST_BODY).collect().await else {
        return Ok(whole(Reply { status: 413, body: "{}".into(), headers: Vec::new() }));
    };
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    let call = Call { method, path, query, body, key };
    if call.path.starts_with(admin::BASE) {
        return Ok(whole(admin::answer(&mut shared.lock(), &call, peer.ip())));
    }
    match respond(&shared, &call, |state| routes::answer(state, &call)).await {
        Sent::Whole(reply) => Ok(whole(reply)),
        Sent::Part(reply, bytes) => Ok(part(reply, bytes)),
        Sent::Cut => Err(io::Error::other("cut on demand")),
    }
}

/// Answers a request, or has it meet its fault; `answer` works out what the venue says.
pub(super) async fn respond<A>(shared: &Shared, call: &Call, mut answer: A) -> Sent
where
    A: FnMut(&mut State) -> Reply,
{
    let met = {
        let mut state = shared.lock();
        let now = state.now().0;
        state.faults.meet(call, now)
    };
    let mut act = || {
        let mut state = shared.lock();
        let reply = answer(&mut state);
        state.settle();
        reply
    };
    let Some(met) = met else { return Sent::Whole(act()) };
    match met.fault {
        Fault::Cut { when } => {
            unseen(when == When::After, &mut act);
            Sent::Cut
        }
        Fault::Truncate { bytes } => Sent::Part(act(), bytes),
        Fault::Unknown { acts } => {
            unseen(acts, &mut act);
            Sent::Whole(Reply::problem(&Problem::unknown_503()))
        }
        Fault::Unavailable => Sent::Whole(Reply::problem(&Problem::unavailable_503())),
        Fault::Timeout { acts } => {
            unseen(acts, &mut act);
            Sent::Whole(Reply::problem(&Problem::of(-1007)))
        }
        Fault::Error { code, msg, status, acts } => {
            unseen(acts, &mut act);
            let mut problem = msg.map_or_else(|| Problem::of(code), |msg| Problem::saying(code, msg));
            problem.status = status.filter(|s| (100..=999).contains(s)).unwrap_or(problem.status);
            Sent::Whole(Reply::problem(&problem))
        }
        Fault::Legs { refused, code } => {
            shared.lock().refused_legs = refused.into_iter().map(|leg| (leg, code)).collect();
            let reply = act();
            shared.lock().refused_legs.clear();
            Sent::Whole(reply)
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
        Fault::RateLimit => Sent::Whole(Reply::problem(&limits::too_many())),
        Fault::Ban { ms } => {
            {
                let mut state = shared.lock();
                let now = state.now();
                state.limits.ban(now, Millis(i64::from(ms)));
            }
            Sent::Whole(act())
        }
    }
}

/// Does what was asked, if it is to be done at all, and forgets the answer.
fn unseen(acts: bool, act: &mut impl FnMut() -> Reply) {
    if acts {
        drop(act());
    }
}

/// A question is answered from the past; what changes something changes the present.
fn stale<A>(shared: &Shared, call: &Call, past: Option<Box<Venue>>, mut answer: A) -> Reply
where
    A: FnMut(&mut State) -> Reply,
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

fn upgrade(shared: &Arc<Shared>, request: &mut Request<Incoming>, path: &str, query: &str) -> Response<Body> {
    let opening = Opening::read(path, query);
    let is_api = path.trim_end_matches('/') == api::PATH;
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let (Some(accept), true) = (key, opening.is_some() || is_api) else {
        let problem = Problem::saying(-5000, format!("Path {path}, Method GET is invalid"));
        return whole(Reply::problem(&problem));
    };
    let upgraded = hyper::upgrade::on(request);
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let Ok(upgraded) = upgraded.await else { return };
        match opening {
            Some(opening) => socket::stream(shared, TokioIo::new(upgraded), opening).await,
            None => socket::api(shared, TokioIo::new(upgraded)).await,
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
