//! Orders over the WebSocket API: one socket, replies matched to requests by number ("Binance USD-M, WebSocket API
//! General Info").
//!
//! It carries what it can while it is up; everything else goes over HTTP. What was written to a socket that broke is
//! in doubt, like an HTTP answer that got lost; what was not written never left. A number is never used twice, so that
//! no late reply is taken for that of another request.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kraite_core::time::{LocalMillis, Millis};
use kraite_wire::client::{Ended, Heartbeat, LocalClock, Lost, Said, Socket, SocketKind as Which, Told, ramp};
use reqwest::Url;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::dialect::Reply;
use super::line::{Line, answer_of};
use crate::codec::{
    Call, Credentials, Session, SignError, SocketReply, SocketRequest, Stamp, UsedLimits, encode_logon, encode_socket,
};

/// Requests that may wait to be written; beyond it nothing is taken.
const QUEUE: usize = 64;
/// A request that waits so long on a socket that says nothing meanwhile: others go over HTTP until it says something.
const QUIET: Millis = Millis::from_secs(2);
/// Signing in, with everything that comes before it, may take this long.
const OPENING: Millis = Millis::from_secs(10);
/// Nothing comes unasked for here; the answers to our pings have to.
const SILENCE: Millis = Millis::from_secs(45);
/// A socket that lived this long is no storm: the next ramp starts anew.
const STEADY_AFTER: Millis = Millis::from_secs(30);

/// The socket as its users see it. Dropping it ends the socket.
pub(crate) struct Entry {
    requests: mpsc::Sender<Outgoing>,
    up: watch::Receiver<Option<Up>>,
    numbers: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

/// A socket that takes requests.
#[derive(Debug, Clone, Copy)]
struct Up {
    life: u64,
    session: Session,
}

struct Outgoing {
    request: SocketRequest,
    /// Which life of the socket it was made for.
    life: u64,
    reply: oneshot::Sender<Result<Reply, Lost>>,
}

impl Outgoing {
    fn refuse(self) {
        // A caller that is gone needs no answer.
        let _ = self.reply.send(Err(Lost::NotSent("the socket for orders is not up")));
    }
}

struct Waiting {
    before: LocalMillis,
    reply: oneshot::Sender<Result<Reply, Lost>>,
}

impl Entry {
    /// Keeps a socket open until this is dropped.
    pub(crate) fn open(line: Arc<Line>, tls: Arc<rustls::ClientConfig>, url: Url) -> Self {
        let (requests, queue) = mpsc::channel(QUEUE);
        let (state, up) = watch::channel(None);
        let numbers = Arc::new(AtomicU64::new(1));
        let keeper = Keeper { line, tls, url, numbers: Arc::clone(&numbers), state };
        Self { requests, up, numbers, task: tokio::spawn(keeper.follow(queue)) }
    }

    /// A place on the socket for one request; `None` while it is not up.
    pub(crate) fn seat(&self) -> Option<Seat<'_>> {
        // Whoever kept it is gone: what it said last counts no more.
        if self.requests.is_closed() {
            return None;
        }
        (*self.up.borrow()).map(|up| Seat { entry: self, up })
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A place for one request.
pub(crate) struct Seat<'a> {
    entry: &'a Entry,
    up: Up,
}

impl Seat<'_> {
    /// Encodes one attempt; `None` where the WebSocket API has no such method.
    pub(crate) fn encode<C: Call>(
        &self,
        call: &C,
        stamp: Stamp,
        credentials: &Credentials,
    ) -> Result<Option<SocketRequest>, SignError> {
        encode_socket(call, next(&self.entry.numbers), stamp, self.up.session, credentials)
    }

    /// Sends `request`, once. Whatever comes back comes back within `total`.
    pub(crate) async fn send(
        self,
        request: SocketRequest,
        clock: &dyn LocalClock,
        total: Millis,
    ) -> Result<Reply, Lost> {
        let (reply, heard) = oneshot::channel();
        let out = Outgoing { request, life: self.up.life, reply };
        if self.entry.requests.try_send(out).is_err() {
            return Err(Lost::NotSent("the socket for orders takes no more"));
        }
        tokio::select! {
            biased;
            heard = heard => heard.unwrap_or(Err(Lost::Disconnected)),
            () = clock.sleep(total) => Err(Lost::Timeout),
        }
    }
}

fn next(numbers: &AtomicU64) -> u64 {
    numbers.fetch_add(1, Ordering::Relaxed)
}

/// Keeps the socket.
struct Keeper {
    line: Arc<Line>,
    tls: Arc<rustls::ClientConfig>,
    url: Url,
    numbers: Arc<AtomicU64>,
    state: watch::Sender<Option<Up>>,
}

impl Keeper {
    async fn follow(self, mut queue: mpsc::Receiver<Outgoing>) {
        let clock = Arc::clone(&self.line.clock);
        let (mut failures, mut life) = (0u32, 0u64);
        loop {
            let ended = match refusing(&mut queue, Box::pin(self.open())).await {
                Ok((socket, session)) => {
                    life = life.saturating_add(1);
                    let since = clock.now();
                    let up = Up { life, session };
                    self.state.send_replace(Some(up));
                    self.line.watch.told(Told::Up(Which::Orders));
                    let mut pending = BTreeMap::new();
                    let ended = self.serve(socket, up, &mut queue, &mut pending).await;
                    self.state.send_replace(None);
                    for waiting in pending.into_values() {
                        let _ = waiting.reply.send(Err(Lost::Disconnected));
                    }
                    if clock.now().since(since) >= STEADY_AFTER {
                        failures = 0;
                    }
                    ended
                }
                Err(ended) => ended,
            };
            failures = failures.saturating_add(1);
            let wait = ramp(failures);
            self.line.watch.told(Told::Down(Which::Orders, ended, wait));
            refusing(&mut queue, clock.sleep(wait)).await;
        }
    }

    /// Opens a socket and signs it in where the key can do that; with any other key each request is signed.
    async fn open(&self) -> Result<(Socket, Session), Ended> {
        self.line.enter(self.line.credentials.signer().can_log_on()).ok_or(Ended::Unopened)?;
        let mut socket =
            Socket::open(&self.line.clock, &self.tls, &self.url, self.line.socket_age, Heartbeat::Frames).await?;
        if !self.line.credentials.signer().can_log_on() {
            return Ok((socket, Session::Anonymous));
        }
        tokio::select! {
            biased;
            signed_in = self.log_on(&mut socket) => signed_in?,
            () = self.line.clock.sleep(OPENING) => return Err(Ended::Silent),
        }
        Ok((socket, Session::LoggedOn))
    }

    async fn log_on(&self, socket: &mut Socket) -> Result<(), Ended> {
        let stamp = self.line.stamp_of_read().await.map_err(|_| Ended::Unopened)?;
        let id = next(&self.numbers);
        let request = encode_logon(id, stamp, &self.line.credentials).map_err(|_| Ended::Unopened)?;
        socket.say(request.text).await?;
        loop {
            let Said::Message(bytes) = socket.next(SILENCE, None).await? else { continue };
            let Some(reply) = SocketReply::read(&bytes).filter(|reply| number_of(reply) == Some(id)) else { continue };
            let reply = heard(&reply);
            self.line.learn_of_session(&reply);
            return if answer_of(&reply).is_success() { Ok(()) } else { Err(Ended::Key) };
        }
    }

    /// Writes what is asked for and hands out what comes back, until the socket ends.
    async fn serve(
        &self,
        mut socket: Socket,
        up: Up,
        queue: &mut mpsc::Receiver<Outgoing>,
        pending: &mut BTreeMap<u64, Waiting>,
    ) -> Ended {
        loop {
            let old = socket.is_old();
            pending.retain(|_, waiting| !waiting.reply.is_closed());
            if old && pending.is_empty() {
                return Ended::Age;
            }
            // Whoever comes now goes over HTTP; whoever waits is waited for.
            let seats = (!old && !self.is_mute(&socket, pending)).then_some(up);
            self.state.send_if_modified(|state| {
                let changes = state.is_some() != seats.is_some();
                *state = seats;
                changes
            });
            let said = tokio::select! {
                biased;
                out = queue.recv() => {
                    let Some(out) = out else { return Ended::Closed };
                    if let Err(ended) = self.write(&mut socket, up.life, out, pending).await {
                        return ended;
                    }
                    continue;
                }
                said = socket.next(SILENCE, None) => said,
            };
            match said {
                Ok(Said::Message(bytes)) => {
                    if let Err(ended) = self.hear(&bytes, up.session, pending) {
                        return ended;
                    }
                }
                Ok(Said::Alive | Said::Nothing) => {}
                Err(ended) => return ended,
            }
        }
    }

    /// A request has waited for some time, and nothing at all came since it was written: a connection may be dead long
    /// before anybody is told.
    fn is_mute(&self, socket: &Socket, pending: &BTreeMap<u64, Waiting>) -> bool {
        let now = self.line.clock.now();
        pending.values().any(|waiting| now.since(waiting.before) > QUIET && socket.heard() <= waiting.before)
    }

    async fn write(
        &self,
        socket: &mut Socket,
        life: u64,
        out: Outgoing,
        pending: &mut BTreeMap<u64, Waiting>,
    ) -> Result<(), Ended> {
        // Its caller has given up, and calls it unknown: it must not come true from here.
        if out.reply.is_closed() {
            return Ok(());
        }
        if out.life != life {
            out.refuse();
            return Ok(());
        }
        pending.insert(out.request.id, Waiting { before: self.line.clock.now(), reply: out.reply });
        socket.say(out.request.text).await
    }

    fn hear(&self, bytes: &[u8], session: Session, pending: &mut BTreeMap<u64, Waiting>) -> Result<(), Ended> {
        // What cannot be read answers nobody: who waits for it will call it unknown.
        let Some(reply) = SocketReply::read(bytes) else {
            self.line.watch.told(Told::Frame(Which::Orders));
            return Ok(());
        };
        match number_of(&reply) {
            Some(number) => {
                if let Some(waiting) = pending.remove(&number) {
                    let _ = waiting.reply.send(Ok(heard(&reply)));
                }
            }
            None if reply.answer().status != 401 => return Ok(()),
            None => return Err(Ended::Key),
        }
        // The session is not signed in any more, or its key was revoked.
        if session == Session::LoggedOn && reply.answer().status == 401 { Err(Ended::Key) } else { Ok(()) }
    }
}

fn number_of(reply: &SocketReply<'_>) -> Option<u64> {
    reply.id.as_ref()?.parse().ok()
}

fn heard(reply: &SocketReply<'_>) -> Reply {
    let answer = reply.answer();
    let used = UsedLimits::of_socket(&reply.used_limits());
    Reply { status: answer.status, body: answer.body.to_vec().into(), used }
}

/// Waits for something while every request is told that nothing can be sent.
async fn refusing<T>(queue: &mut mpsc::Receiver<Outgoing>, until: impl Future<Output = T>) -> T {
    tokio::pin!(until);
    loop {
        tokio::select! {
            biased;
            done = &mut until => return done,
            Some(out) = queue.recv() => out.refuse(),
        }
    }
}
