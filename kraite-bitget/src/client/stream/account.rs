//! Orders, plans, positions, trades: the private socket of the account's generation.

use std::sync::Arc;

use kraite_core::exchange::{ReadError, ReportedId, StreamEvent};
use kraite_core::time::{LocalMillis, Millis};
use kraite_wire::client::{Ended, Need, Said, Socket, SocketKind as Which, Told, ramp};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::private_route;
use crate::client::backend::Inner;
use crate::codec::frame::Frame;
use crate::codec::{Generation, encode_account_channels, encode_logon};

/// Signing in and subscribing, each of them, may take this long; the venue answers within seconds or not at all.
const OPENING: Millis = Millis::from_secs(5);
/// An idle account says nothing; the answers to our pings have to come.
const SILENCE: Millis = Millis::from_secs(60);
/// Where the next socket could not be opened, it is tried again after this.
const REPLACE_AGAIN: Millis = Millis::from_secs(60);
/// What a frame did not tell is read at most this often.
const RESYNC_GAP: Millis = Millis::from_secs(30);
/// A socket that lived this long and still says something is no storm: the next ramp starts anew.
const STEADY_AFTER: Millis = Millis::from_secs(30);
/// What the channels may say before all of them are there.
const MAX_EARLY: usize = 1_000;

pub(super) struct Open {
    socket: Socket,
    generation: Generation,
    /// What was said before every channel was there.
    early: Vec<Frame>,
}

/// Opens a socket, signs it in and subscribes; no session is used of which a channel is missing.
pub(super) async fn open(inner: &Arc<Inner>) -> Result<Open, ReadError> {
    let lost = |why: &'static str| move |_| ReadError::NoAnswer(why.into());
    let generation = inner.generation(Need::Open).await?;
    let socket = inner.open_socket(private_route(generation)).await;
    let mut socket = socket.map_err(lost("the account socket could not be opened"))?;
    let now = inner.line.venue_now(Need::Open).await?;
    let logon = encode_logon(now.at, &inner.line.credentials);
    let logon = logon.map_err(|error| ReadError::Refused(error.to_string().into()))?;
    let mut early = Vec::new();
    socket.say(logon.text).await.map_err(lost("the account socket broke"))?;
    within(inner, signed_in(&mut socket)).await?;
    let channels = encode_account_channels(generation, &inner.products);
    socket.say(channels.text).await.map_err(lost("the account socket broke"))?;
    let wanted = match generation {
        Generation::Classic => inner.products.len().saturating_mul(CHANNELS),
        Generation::Unified => CHANNELS,
    };
    within(inner, subscribed(&mut socket, wanted, &mut early)).await?;
    Ok(Open { socket, generation, early })
}

/// Orders, plans, positions, trades, balances.
const CHANNELS: usize = 5;

async fn within(inner: &Inner, what: impl Future<Output = Result<(), ReadError>>) -> Result<(), ReadError> {
    tokio::select! {
        biased;
        done = what => done,
        () = inner.line.clock.sleep(OPENING) => Err(ReadError::NoAnswer("the account socket says nothing".into())),
    }
}

async fn heard(socket: &mut Socket) -> Result<Option<Frame>, ReadError> {
    match socket.next(SILENCE, None).await {
        Ok(Said::Message(bytes)) => Ok(Frame::read(&bytes).ok()),
        Ok(Said::Alive | Said::Nothing) => Ok(None),
        Err(_) => Err(ReadError::NoAnswer("the account socket broke".into())),
    }
}

async fn signed_in(socket: &mut Socket) -> Result<(), ReadError> {
    loop {
        match heard(socket).await? {
            Some(Frame::LoggedOn) => return Ok(()),
            Some(Frame::Refused { failure, .. }) => return Err(refused("signing in", failure.code)),
            _ => {}
        }
    }
}

async fn subscribed(socket: &mut Socket, wanted: usize, early: &mut Vec<Frame>) -> Result<(), ReadError> {
    let mut there = 0usize;
    while there < wanted {
        match heard(socket).await? {
            Some(Frame::Subscribed(_)) => there = there.saturating_add(1),
            Some(Frame::Refused { failure, .. }) => return Err(refused("subscribing", failure.code)),
            Some(frame) if early.len() < MAX_EARLY => early.push(frame),
            Some(_) => return Err(ReadError::Undecodable("too much before the channels are there".into())),
            None => {}
        }
    }
    Ok(())
}

/// The words are left out: they may repeat what was sent.
fn refused(what: &str, code: i64) -> ReadError {
    ReadError::Refused(format!("{what} was refused with {code}").into())
}

/// Keeps the account socket open until nobody reads any more.
pub(super) async fn follow(inner: Arc<Inner>, events: mpsc::Sender<StreamEvent>, first: Open) {
    let mut next = Some(first);
    let mut failures = 0u32;
    loop {
        let opened = match next.take() {
            Some(open) => Ok(open),
            None => open(&inner).await,
        };
        let ended = match opened {
            Ok(open) => {
                inner.line.watch.told(Told::Up(Which::Account));
                if events.send(StreamEvent::Connected).await.is_err() {
                    return;
                }
                let mut reader = Reader::new(&inner, &events, open.generation);
                let ended = reader.run(open.socket, open.early).await;
                if reader.steady {
                    failures = 0;
                }
                match ended {
                    None => return,
                    Some(End::Replaced(open)) => {
                        inner.line.watch.told(Told::Down(Which::Account, Ended::Age, Millis(0)));
                        (next, failures) = (Some(*open), 0);
                        continue;
                    }
                    Some(End::Broken(ended)) => {
                        if events.send(StreamEvent::Disconnected).await.is_err() {
                            return;
                        }
                        ended
                    }
                }
            }
            Err(ReadError::Refused(_)) => Ended::Key,
            Err(_) => Ended::Unopened,
        };
        if events.is_closed() {
            return;
        }
        failures = failures.saturating_add(1);
        let wait = ramp(failures);
        inner.line.watch.told(Told::Down(Which::Account, ended, wait));
        inner.line.clock.sleep(wait).await;
    }
}

/// How a socket's life ends.
enum End {
    /// It is gone.
    Broken(Ended),
    /// It was about to be cut for its age; the next one is open already.
    Replaced(Box<Open>),
}

struct Reader<'a> {
    inner: &'a Arc<Inner>,
    events: &'a mpsc::Sender<StreamEvent>,
    generation: Generation,
    opened: LocalMillis,
    replacing: Option<JoinHandle<Option<Open>>>,
    replace_at: LocalMillis,
    synced: LocalMillis,
    missed: bool,
    /// Something came, after a while: the storm, if it was one, is over (R114).
    steady: bool,
}

impl<'a> Reader<'a> {
    fn new(inner: &'a Arc<Inner>, events: &'a mpsc::Sender<StreamEvent>, generation: Generation) -> Self {
        let now = inner.line.clock.now();
        Self {
            inner,
            events,
            generation,
            opened: now,
            replacing: None,
            replace_at: now,
            synced: now,
            missed: false,
            steady: false,
        }
    }

    /// Reads until the socket ends; `None` when nobody reads any more.
    async fn run(&mut self, mut socket: Socket, early: Vec<Frame>) -> Option<End> {
        for frame in early {
            if let Some(ended) = self.take(&frame).await? {
                return Some(End::Broken(ended));
            }
        }
        loop {
            let said = match socket.next(SILENCE, None).await {
                Ok(said) => said,
                Err(ended) => return Some(End::Broken(ended)),
            };
            let alive = !matches!(said, Said::Nothing);
            match said {
                Said::Message(bytes) => {
                    if let Some(ended) = self.read(&bytes).await? {
                        return Some(End::Broken(ended));
                    }
                }
                Said::Nothing if self.events.is_closed() => return None,
                Said::Alive | Said::Nothing => {}
            }
            let now = self.inner.line.clock.now();
            self.steady |= alive && now.since(self.opened) >= STEADY_AFTER;
            // An account that moved is told of on another socket; this one may go on and say nothing.
            if self.inner.known_generation() != Some(self.generation) {
                return Some(End::Broken(Ended::Key));
            }
            if socket.is_old()
                && let Some(next) = self.replace(now).await
            {
                return Some(End::Replaced(Box::new(next)));
            }
            if self.missed && now.since(self.synced) >= RESYNC_GAP {
                (self.missed, self.synced) = (false, now);
                // The socket is up; what a frame failed to say is read.
                self.events.send(StreamEvent::Connected).await.ok()?;
            }
        }
    }

    async fn read(&mut self, bytes: &[u8]) -> Option<Option<Ended>> {
        match Frame::read(bytes) {
            Ok(frame) => self.take(&frame).await,
            Err(_) => {
                self.inner.line.watch.told(Told::Frame(Which::Account));
                self.missed = true;
                Some(None)
            }
        }
    }

    /// One message. The outer `None`: nobody reads any more. The inner: the socket goes on.
    async fn take(&mut self, frame: &Frame) -> Option<Option<Ended>> {
        if matches!(frame, Frame::Refused { .. }) {
            return Some(Some(Ended::Key));
        }
        let told = self.inner.interpreter().events(frame);
        for why in told.skipped {
            self.inner.line.watch.told(Told::Skipped(why));
            self.missed = true;
        }
        for event in told.events {
            if let StreamEvent::Order(report) = &event
                && matches!(report.id, ReportedId::Ours(_))
            {
                self.inner.uses(&report.symbol);
            }
            self.events.send(event).await.ok()?;
        }
        Some(None)
    }

    /// Opens the next socket beside the reading of frames; what happens meanwhile is told here still, and read anew
    /// once the other one is up.
    async fn replace(&mut self, now: LocalMillis) -> Option<Open> {
        if let Some(task) = self.replacing.take_if(|task| task.is_finished()) {
            if let Ok(Some(open)) = task.await {
                return Some(open);
            }
            self.replace_at = now.plus(REPLACE_AGAIN);
        }
        if self.replacing.is_none() && now >= self.replace_at {
            let inner = Arc::clone(self.inner);
            self.replacing = Some(tokio::spawn(async move { open(&inner).await.ok() }));
        }
        None
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(task) = &self.replacing {
            task.abort();
        }
    }
}
