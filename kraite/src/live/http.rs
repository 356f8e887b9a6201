//! Signals, health and metrics over HTTP, for programs on this machine.
//!
//! A browser on this machine can reach a loopback address too, on behalf of any page: what it sends carries an `Origin`
//! or, where the page's own name was made to resolve here, a foreign `Host`. Both are refused before anything is looked
//! at.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use kraite_core::id::AccountTag;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tracing::{info, warn};

use super::board::Board;
use super::config::Config;
use super::intake::{Intake, LONGEST};
use super::metrics;
use crate::exit::{Exit, Failed};
use crate::keys::Source;

/// Who may be connected at the same time; whoever comes then waits to be accepted.
const CONNECTIONS: usize = 32;
/// How long the head of a request may take to come, and then its body.
const READ: Duration = Duration::from_secs(5);
/// How long a connection may last: a decision is waited for 20 s, and what an opening needs is read before it.
const VISIT: Duration = Duration::from_secs(60);
/// The pause after a connection that could not be accepted, which is mostly for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// The largest head: the token and a few headers are far below.
const MAX_HEAD: usize = 16 * 1_024;
/// The shortest token.
const MIN_TOKEN: usize = 16;

/// What a signal has to carry.
pub(super) struct Token(SecretString);

impl Token {
    /// Reads it. The error never shows what is there.
    pub(super) fn read(source: &Source) -> Result<Self, String> {
        let token = source.read().map_err(|why| format!("the token: {why}"))?;
        if token.len() < MIN_TOKEN {
            return Err(format!("the token: it has fewer than {MIN_TOKEN} characters"));
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the token: it holds blanks or other characters that a header cannot carry".to_owned());
        }
        Ok(Self(token.into()))
    }

    /// Whether a request carries it, in a time that does not tell how much of it is right.
    fn is_in(&self, headers: &HeaderMap) -> bool {
        let given = only(headers, header::AUTHORIZATION).and_then(|value| {
            let (scheme, rest) = value.as_bytes().split_at_checked(b"Bearer ".len())?;
            scheme.eq_ignore_ascii_case(b"Bearer ").then_some(rest)
        });
        given.is_some_and(|given| {
            aws_lc_rs::constant_time::verify_slices_are_equal(given, self.0.expose_secret().as_bytes()).is_ok()
        })
    }
}

/// What requests are answered from.
struct Desk {
    token: Token,
    accounts: Vec<(String, AccountTag)>,
    board: Arc<Board>,
    /// Nothing while no journal is open.
    intake: watch::Receiver<Option<Arc<Intake>>>,
}

/// Answers until it is dropped.
pub(super) struct Server {
    intake: watch::Sender<Option<Arc<Intake>>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn listen(
        address: SocketAddr,
        token: Token,
        config: &Config,
        board: Arc<Board>,
    ) -> Result<Self, Failed> {
        let fail = |error: std::io::Error| Failed::new(Exit::Failure, format!("http: {address}: {error}"));
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        info!("signals, health and metrics on http://{}", listener.local_addr().map_err(fail)?);
        let (sender, intake) = watch::channel(None);
        let accounts = config.accounts.iter().map(|account| (account.name.clone(), account.tag)).collect();
        let desk = Desk { token, accounts, board, intake };
        Ok(Self { intake: sender, task: tokio::spawn(serve(listener, Arc::new(desk))) })
    }

    /// Signals are taken.
    pub(super) fn opens(&self, intake: &Arc<Intake>) {
        self.intake.send_replace(Some(Arc::clone(intake)));
    }

    /// None are taken any more, and those under way are answered so: workers end once nobody can command them.
    pub(super) fn closes(&self) {
        self.intake.send_replace(None);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, desk: Arc<Desk>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut visits = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        while visits.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let desk = Arc::clone(&desk);
                visits.spawn(async move {
                    attend(stream, desk).await;
                    drop(permit);
                });
            }
            Err(error) => {
                warn!("http: {error}");
                #[allow(clippy::disallowed_methods, reason = "what other processes hold is freed on the wall's clock")]
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// One request per connection, so that nobody keeps one for later.
async fn attend(stream: TcpStream, desk: Arc<Desk>) {
    let service = service_fn(move |request| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(desk.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ)
        .max_buf_size(MAX_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // A connection that breaks concerns nobody but its client.
    let _ = tokio::time::timeout(VISIT, connection).await;
}

type Answer = Response<Full<Bytes>>;

impl Desk {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let headers = request.headers();
        if headers.contains_key(header::ORIGIN) || !is_for_loopback(headers) {
            return wrong(StatusCode::FORBIDDEN, "neither pages in a browser nor foreign host names are served");
        }
        match (request.method(), request.uri().path()) {
            (&Method::POST, "/signals") if !self.token.is_in(headers) => {
                let mut answer = wrong(StatusCode::UNAUTHORIZED, "Authorization: Bearer TOKEN is missing or wrong");
                answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                answer
            }
            (&Method::POST, "/signals") => self.signal(request.into_body()).await,
            (&Method::GET, "/health") => self.health(),
            (&Method::GET, "/metrics") => self.metrics(),
            (_, "/signals") => not_allowed("POST"),
            (_, "/health" | "/metrics") => not_allowed("GET"),
            _ => wrong(StatusCode::NOT_FOUND, "there are POST /signals, GET /health and GET /metrics"),
        }
    }

    async fn signal(&self, body: Incoming) -> Answer {
        let read = tokio::time::timeout(READ, Limited::new(body, LONGEST).collect()).await;
        let bytes = match read {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                return wrong(StatusCode::PAYLOAD_TOO_LARGE, &format!("a signal is at most {LONGEST} bytes long"));
            }
            Ok(Err(_)) => return wrong(StatusCode::BAD_REQUEST, "the body broke off"),
            Err(_) => return wrong(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"),
        };
        let Ok(line) = std::str::from_utf8(&bytes) else {
            return wrong(StatusCode::BAD_REQUEST, "the line is not a signal: it is not UTF-8");
        };
        let mut changes = self.intake.clone();
        let Some(intake) = changes.borrow_and_update().clone() else {
            return wrong(StatusCode::SERVICE_UNAVAILABLE, "the journal is not open; it may be given again");
        };
        let answer = tokio::select! {
            biased;
            answer = intake.take(line.trim_end()) => answer,
            _ = changes.changed() => {
                return wrong(StatusCode::SERVICE_UNAVAILABLE, "work is ending: ask again with the same id");
            }
        };
        let status = if answer.get("error").is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        json(status, &answer)
    }

    fn is_connected(&self, account: AccountTag) -> bool {
        self.intake.borrow().as_ref().is_some_and(|intake| intake.is_connected(account))
    }

    /// The accounts that no other host works on.
    fn here(&self) -> impl Iterator<Item = &(String, AccountTag)> {
        let intake = self.intake.borrow().clone();
        let is_elsewhere = move |tag| intake.as_ref().is_some_and(|intake| intake.is_elsewhere(tag));
        self.accounts.iter().filter(move |(_, tag)| !is_elsewhere(*tag))
    }

    fn health(&self) -> Answer {
        let not: Vec<&String> = self.here().filter(|(_, tag)| !self.is_connected(*tag)).map(|(name, _)| name).collect();
        let status = if not.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        json(status, &json!({ "accounts": self.here().count(), "not_connected": not }))
    }

    fn metrics(&self) -> Answer {
        let rows = self.here().map(|(name, tag)| metrics::Row {
            account: name,
            is_connected: self.is_connected(*tag),
            watched: self.board.watched(*tag),
        });
        let text = metrics::text(&rows.collect::<Vec<_>>(), &self.board.told());
        reply(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text)
    }
}

/// The one header of a name; nothing where there are several.
fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn is_for_loopback(headers: &HeaderMap) -> bool {
    let host = only(headers, header::HOST).and_then(|value| value.to_str().ok());
    host.is_some_and(|host| {
        if let Ok(address) = host.parse::<SocketAddr>() {
            return address.ip().is_loopback();
        }
        let name = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let (before, port) = name.rsplit_once(':').unwrap_or((name, "0"));
        let is_here = |address: IpAddr| address.is_loopback();
        name.parse::<IpAddr>().is_ok_and(is_here)
            || (before.eq_ignore_ascii_case("localhost") && port.parse::<u16>().is_ok())
    })
}

fn wrong(status: StatusCode, why: &str) -> Answer {
    json(status, &json!({ "error": why }))
}

fn not_allowed(allowed: &'static str) -> Answer {
    let mut answer = wrong(StatusCode::METHOD_NOT_ALLOWED, &format!("only {allowed} is allowed here"));
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    answer
}

fn json(status: StatusCode, body: &Value) -> Answer {
    reply(status, "application/json", format!("{body}\n"))
}

fn reply(status: StatusCode, media: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_served() {
        for (host, served) in [
            ("127.0.0.1", true),
            ("127.0.0.1:7878", true),
            ("localhost", true),
            ("LOCALHOST:7878", true),
            ("[::1]", true),
            ("[::1]:7878", true),
            ("", false),
            ("evil.example", false),
            ("localhost.evil.example:7878", false),
            ("127.0.0.1.evil.example", false),
            ("localhost:evil", false),
            ("10.0.0.1:7878", false),
            ("0.0.0.0", false),
        ] {
            let mut headers = HeaderMap::new();
            assert!(!is_for_loopback(&headers));
            headers.append(header::HOST, HeaderValue::from_str(host).unwrap());
            assert_eq!(is_for_loopback(&headers), served, "{host}");
            headers.append(header::HOST, HeaderValue::from_static("localhost"));
            assert!(!is_for_loopback(&headers), "two of them");
        }
    }
}
