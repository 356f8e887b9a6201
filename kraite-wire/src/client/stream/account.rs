//! The socket of orders, positions and money.

use std::sync::Arc;

use kraite_core::exchange::{ReadError, ReportedId, StreamEvent};
use kraite_core::time::{LocalMillis, Millis};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{AccountSocket, Message, Streams};
use crate::client::socket::{Said, ramp};
use crate::client::watch::{Ended, SocketKind, Told};

/// Where the next socket could not be opened, it is tried again after this.
const REPLACE_AGAIN: Millis = Millis::from_secs(60);
/// What a frame did not tell is read at most this often: a whole reading is dear.
const RESYNC_GAP: Millis = Millis::from_secs(30);
/// A socket that lived this long and still says something is no storm: the next ramp starts anew.
const STEADY_AFTER: Millis = Millis::from_secs(30);

/// Keeps the account socket open until nobody reads any more. That the first one is up was told.
pub(super) async fn follow<S: Streams>(
    venue: Arc<S>,
    events: mpsc::Sender<StreamEvent>,
    first: AccountSocket<S::AccountSession>,
) {
    let (mut next, mut is_told) = (Some(first), true);
    let mut failures = 0u32;
    loop {
        let opened = match next.take() {
            Some(open) => Ok(open),
            None => venue.open_account().await,
        };
        let ended = match opened {
            Ok(open) => {
                venue.watch().told(Told::Up(SocketKind::Account));
                if !std::mem::take(&mut is_told) && events.send(StreamEvent::Connected).await.is_err() {
                    return;
                }
                let mut reader = Reader::new(&venue, &events);
                let ended = reader.run(open).await;
                if reader.steady {
                    failures = 0;
                }
                match ended {
                    None => return,
                    Some(End::Replaced(open)) => {
                        venue.watch().told(Told::Down(SocketKind::Account, Ended::Age, Millis(0)));
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
        venue.watch().told(Told::Down(SocketKind::Account, ended, wait));
        venue.clock().sleep(wait).await;
    }
}

/// How a socket's life ends.
enum End<S> {
    /// It is gone.
    Broken(Ended),
    /// It was about to be cut for its age; the next one is open already.
    Replaced(Box<AccountSocket<S>>),
}

struct Reader<'a, S: Streams> {
    venue: &'a Arc<S>,
    events: &'a mpsc::Sender<StreamEvent>,
    opened: LocalMillis,
    replacing: Option<JoinHandle<Option<AccountSocket<S::AccountSession>>>>,
    replace_at: LocalMillis,
    synced: LocalMillis,
    missed: bool,
    /// Something came, after a while: the storm, if it was one, is over (R114).
    steady: bool,
}

impl<'a, S: Streams> Reader<'a, S> {
    fn new(venue: &'a Arc<S>, events: &'a mpsc::Sender<StreamEvent>) -> Self {
        let now = venue.clock().now();
        Self { venue, events, opened: now, replacing: None, replace_at: now, synced: now, missed: false, steady: false }
    }

    /// Reads until the socket ends; `None` when nobody reads any more.
    async fn run(&mut self, open: AccountSocket<S::AccountSession>) -> Option<End<S::AccountSession>> {
        let AccountSocket { mut socket, mut session, early } = open;
        for bytes in early {
            if let Some(ended) = self.take(&bytes).await? {
                return Some(End::Broken(ended));
            }
        }
        loop {
            let said = match socket.next(S::ACCOUNT_SILENCE, None).await {
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
            let now = self.venue.clock().now();
            self.steady |= alive && now.since(self.opened) >= STEADY_AFTER;
            if let Some(ended) = self.venue.keep_account(&mut session).await {
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
        let told = match self.venue.read(bytes) {
            Message::Told(told) => told,
            Message::Refused => return Some(Some(Ended::Key)),
            Message::Unreadable => {
                self.venue.watch().told(Told::Frame(SocketKind::Account));
                self.missed = true;
                return Some(None);
            }
        };
        for why in told.skipped {
            self.venue.watch().told(Told::Skipped(why));
            self.missed = true;
        }
        for event in told.events {
            if let StreamEvent::Order(report) = &event
                && matches!(report.id, ReportedId::Ours(_))
            {
                self.venue.uses(&report.symbol);
            }
            self.events.send(event).await.ok()?;
        }
        Some(None)
    }

    /// Opens the next socket beside the reading of frames; what happens meanwhile is told here still, and read anew
    /// once the other one is up.
    async fn replace(&mut self, now: LocalMillis) -> Option<AccountSocket<S::AccountSession>> {
        if let Some(task) = self.replacing.take_if(|task| task.is_finished()) {
            if let Ok(Some(open)) = task.await {
                return Some(open);
            }
            self.replace_at = now.plus(REPLACE_AGAIN);
        }
        if self.replacing.is_none() && now >= self.replace_at {
            let venue = Arc::clone(self.venue);
            self.replacing = Some(tokio::spawn(async move { venue.open_account().await.ok() }));
        }
        None
    }
}

impl<S: Streams> Drop for Reader<'_, S> {
    fn drop(&mut self) {
        if let Some(task) = &self.replacing {
            task.abort();
        }
    }
}
