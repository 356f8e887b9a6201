//! Orders, positions, funding: the socket that the listen key opens ("Binance USD-M, User Data Streams").

use std::sync::Arc;

use kraite_core::exchange::{ReadError, ReportedId, StreamEvent};
use kraite_core::time::{LocalMillis, Millis};
use kraite_wire::client::{Ended, MAX_BODY, Need, Said, Socket, SocketKind as Which, Told, ramp};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::client::backend::Inner;
use crate::codec::calls::{CreateListenKey, KeepListenKey};
use crate::codec::frame::Frame;
use crate::codec::{Failure, listen_key};

/// A key lives 60 minutes and is prolonged this often.
const KEEP_EVERY: Millis = Millis::from_secs(30 * 60);
/// Where nobody answered, it is tried again after this.
const KEEP_AGAIN: Millis = Millis::from_secs(60);
/// A key that was not prolonged for this long is given up before the venue does.
const KEEP_WITHIN: Millis = Millis::from_secs(55 * 60);
/// An idle account says nothing; the answers to our pings have to come.
const SILENCE: Millis = Millis::from_secs(45);
/// What a frame did not tell is read at most this often: a whole reading has a weight of about 90.
const RESYNC_GAP: Millis = Millis::from_secs(30);
/// A socket that lived this long and still says something is no storm: the next ramp starts anew.
const STEADY_AFTER: Millis = Millis::from_secs(30);
/// The longest listen key that is believed; they have 64 characters.
const MAX_KEY: usize = 200;

pub(super) struct Open {
    socket: Socket,
    key: SecretString,
}

/// Gets a listen key and opens its socket.
pub(super) async fn open(inner: &Arc<Inner>) -> Result<Open, ReadError> {
    let heard = inner.line.ask(&CreateListenKey, Need::Open, MAX_BODY).await?;
    let key = listen_key(heard.answer())?;
    let plain = |text: &str| text.len() <= MAX_KEY && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !plain(key.expose_secret()) {
        return Err(ReadError::Undecodable("a listen key of an unknown form".into()));
    }
    let mut url = inner.streams.clone();
    url.set_path(&format!("{}/private/ws/{}", url.path().trim_end_matches('/'), key.expose_secret()));
    let socket = inner.open_socket(&url).await;
    let socket = socket.map_err(|_| ReadError::NoAnswer("the account socket could not be opened".into()))?;
    Ok(Open { socket, key })
}

/// Keeps the account socket open until nobody reads any more.
pub(super) async fn follow(inner: Arc<Inner>, events: mpsc::Sender<StreamEvent>, first: Open) {
    let mut next = Some(first);
    let mut failures = 0u32;
    loop {
        let opened = match next.take() {
            Some(open) => Some(open),
            None => open(&inner).await.ok(),
        };
        let ended = match opened {
            Some(open) => {
                inner.line.watch.told(Told::Up(Which::Account));
                if events.send(StreamEvent::Connected).await.is_err() {
                    return;
                }
                let mut reader = Reader::new(&inner, &events, open.key);
                let ended = reader.run(open.socket).await;
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
            None => Ended::Unopened,
        };
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

/// What became of an attempt to prolong the key.
enum Kept {
    Yes,
    Unanswered,
    Lost,
}

struct Reader<'a> {
    inner: &'a Arc<Inner>,
    events: &'a mpsc::Sender<StreamEvent>,
    key: Arc<SecretString>,
    keeping: Option<JoinHandle<Kept>>,
    opened: LocalMillis,
    kept: LocalMillis,
    keep_at: LocalMillis,
    replacing: Option<JoinHandle<Option<Open>>>,
    replace_at: LocalMillis,
    synced: LocalMillis,
    missed: bool,
    /// Something came, after a while: the storm, if it was one, is over (R114).
    steady: bool,
}

impl<'a> Reader<'a> {
    fn new(inner: &'a Arc<Inner>, events: &'a mpsc::Sender<StreamEvent>, key: SecretString) -> Self {
        let now = inner.line.clock.now();
        Self {
            inner,
            events,
            key: Arc::new(key),
            keeping: None,
            opened: now,
            kept: now,
            keep_at: now.plus(KEEP_EVERY),
            replacing: None,
            replace_at: now,
            synced: now,
            missed: false,
            steady: false,
        }
    }

    /// Reads until the socket ends; `None` when nobody reads any more.
    async fn run(&mut self, mut socket: Socket) -> Option<End> {
        loop {
            let said = match socket.next(SILENCE, None).await {
                Ok(said) => said,
                Err(ended) => return Some(End::Broken(ended)),
            };
            let alive = !matches!(said, Said::Nothing);
            match said {
                Said::Message(bytes) => {
                    if let Some(ended) = self.take(&bytes).await? {
                        return Some(End::Broken(ended));
                    }
                }
                Said::Nothing if self.events.is_closed() => return None,
                Said::Alive | Said::Nothing => {}
            }
            let now = self.inner.line.clock.now();
            self.steady |= alive && now.since(self.opened) >= STEADY_AFTER;
            if let Some(ended) = self.keep(now).await {
                return Some(End::Broken(ended));
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

    /// One message. The outer `None`: nobody reads any more. The inner: the socket goes on.
    async fn take(&mut self, bytes: &[u8]) -> Option<Option<Ended>> {
        let watch = &self.inner.line.watch;
        let frame = match Frame::read(bytes) {
            Ok(Frame::ListenKeyExpired(_)) => return Some(Some(Ended::Key)),
            Ok(Frame::MarginCall(_)) => {
                watch.told(Told::MarginCall);
                return Some(None);
            }
            Ok(frame) => frame,
            Err(_) => {
                watch.told(Told::Frame(Which::Account));
                self.missed = true;
                return Some(None);
            }
        };
        let told = self.inner.interpreter().events(&frame);
        for why in told.skipped {
            watch.told(Told::Skipped(why));
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
            self.replace_at = now.plus(KEEP_AGAIN);
        }
        if self.replacing.is_none() && now >= self.replace_at {
            let inner = Arc::clone(self.inner);
            self.replacing = Some(tokio::spawn(async move { open(&inner).await.ok() }));
        }
        None
    }

    /// Prolongs the key beside the reading of frames.
    async fn keep(&mut self, now: LocalMillis) -> Option<Ended> {
        if let Some(task) = self.keeping.take_if(|task| task.is_finished()) {
            match task.await.unwrap_or(Kept::Unanswered) {
                Kept::Yes => (self.kept, self.keep_at) = (now, now.plus(KEEP_EVERY)),
                Kept::Unanswered if now.since(self.kept) < KEEP_WITHIN => self.keep_at = now.plus(KEEP_AGAIN),
                Kept::Unanswered | Kept::Lost => return Some(Ended::Key),
            }
        }
        if self.keeping.is_none() && now >= self.keep_at {
            self.keeping = Some(tokio::spawn(prolong(Arc::clone(self.inner), Arc::clone(&self.key))));
        }
        None
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(task) = &self.keeping {
            task.abort();
        }
        if let Some(task) = &self.replacing {
            task.abort();
        }
    }
}

/// Another key than ours means that this socket is, or soon will be, silent.
async fn prolong(inner: Arc<Inner>, ours: Arc<SecretString>) -> Kept {
    let Ok(heard) = inner.line.ask(&KeepListenKey, Need::Open, MAX_BODY).await else { return Kept::Unanswered };
    let answer = heard.answer();
    if !answer.is_success() {
        let failure = Failure::of(answer);
        return if failure.is_listen_key() { Kept::Lost } else { Kept::Unanswered };
    }
    match listen_key(answer) {
        Ok(key) if key.expose_secret() != ours.expose_secret() => Kept::Lost,
        // Older answers are empty.
        Ok(_) | Err(_) => Kept::Yes,
    }
}
