//! The socket of mark prices.
//!
//! A mark has no past: when this socket ends, nothing has to be read anew. Contracts that come into use are subscribed
//! on the open socket.

use std::collections::BTreeSet;
use std::sync::Arc;

use kraite_core::exchange::StreamEvent;
use kraite_core::id::Symbol;
use tokio::sync::{mpsc, watch};

use super::{Message, Streams};
use crate::client::socket::{Said, ramp};
use crate::client::watch::{Ended, SocketKind, Told, Watch};

/// The contracts whose marks are streamed.
#[derive(Debug)]
pub struct MarksInUse {
    symbols: watch::Sender<BTreeSet<Symbol>>,
    most: usize,
}

impl MarksInUse {
    /// Those of the start, and how many there may be.
    #[must_use]
    pub fn new(first: impl IntoIterator<Item = Symbol>, most: usize) -> Self {
        Self { symbols: watch::Sender::new(first.into_iter().take(most).collect()), most }
    }

    /// Whether this one is streamed already.
    #[must_use]
    pub fn contains(&self, symbol: &Symbol) -> bool {
        self.symbols.borrow().contains(symbol)
    }

    /// One more; where there are as many as there may be, that is told instead.
    pub fn add(&self, symbol: &Symbol, watch: &dyn Watch) {
        if self.contains(symbol) {
            return;
        }
        let mut full = false;
        self.symbols.send_if_modified(|symbols| {
            full = symbols.len() >= self.most && !symbols.contains(symbol);
            !full && symbols.insert(symbol.clone())
        });
        if full {
            watch.told(Told::TooManyMarks(symbol.clone()));
        }
    }
}

/// Keeps the socket of the marks open until nobody reads any more.
pub(super) async fn follow<S: Streams>(venue: Arc<S>, events: mpsc::Sender<StreamEvent>) {
    let mut wanted = venue.marks().symbols.subscribe();
    let mut failures = 0u32;
    loop {
        if wanted.borrow_and_update().is_empty() {
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { return },
                () = events.closed() => return,
            }
            continue;
        }
        let Some((ended, steady)) = run(&venue, &events, &mut wanted).await else { return };
        failures = if steady { 1 } else { failures.saturating_add(1) };
        let wait = ramp(failures);
        venue.watch().told(Told::Down(SocketKind::Marks, ended, wait));
        venue.clock().sleep(wait).await;
        if events.is_closed() {
            return;
        }
    }
}

/// One life of the socket: why it ended and whether it ever told a mark; `None` when nobody reads any more.
async fn run<S: Streams>(
    venue: &Arc<S>,
    events: &mpsc::Sender<StreamEvent>,
    wanted: &mut watch::Receiver<BTreeSet<Symbol>>,
) -> Option<(Ended, bool)> {
    let first = wanted.borrow_and_update().clone();
    let (mut socket, mut session) = match venue.open_marks(&first).await {
        Ok(opened) => opened,
        Err(ended) => return Some((ended, false)),
    };
    venue.watch().told(Told::Up(SocketKind::Marks));
    let mut steady = false;
    loop {
        let subscription = venue.subscription(&mut session, &wanted.borrow_and_update());
        if let Some(text) = subscription
            && let Err(ended) = socket.say(text).await
        {
            return Some((ended, steady));
        }
        let said = match socket.next(S::MARKS_SILENCE, Some(S::MARKS_SILENCE)).await {
            Ok(said) => said,
            Err(ended) => return Some((ended, steady)),
        };
        if let Said::Message(bytes) = said {
            match venue.read(&bytes) {
                Message::Told(told) => {
                    for event in told.events {
                        // Nobody can push anything else here.
                        if matches!(event, StreamEvent::Mark(_)) {
                            steady = true;
                            events.send(event).await.ok()?;
                        }
                    }
                }
                // The next socket asks for all of them anew.
                Message::Refused => return Some((Ended::Protocol, steady)),
                Message::Unreadable => venue.watch().told(Told::Frame(SocketKind::Marks)),
            }
        } else if events.is_closed() {
            return None;
        }
        if socket.is_old() {
            return Some((Ended::Age, true));
        }
    }
}
