//! A venue in another process: lines of JSON over a pair of pipes.
//!
//! The parent keeps the venue and may kill the worker at any instant; whatever the worker had written to
//! its pipe still arrives, as bytes on a wire do.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::stream::{BoxStream, StreamExt as _};
use kraite_core::exchange::{ReadError, StreamEvent};
use kraite_core::time::VenueMillis;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::{Call, Link, Reply};

/// Frames that may wait for a slow worker; more than this and the stream is cut, as real ones are.
const FRAMES: usize = 4_096;

/// How long a call waits for its answer on the wall clock; a pipe answers in well under a millisecond.
const ANSWER_WITHIN: std::time::Duration = std::time::Duration::from_secs(2);

/// A line from the worker to the venue.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Upward {
    /// A call and its number.
    Call(u64, Call),
    /// Something for the audience.
    Say(String),
    /// Every record up to this number is durable: a promise that a kill must not break.
    Durable(u64),
}

/// A line from the venue to the worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Downward {
    /// The answer to a call.
    Reply(u64, Reply),
    /// A frame of the account stream.
    Frame(StreamEvent),
}

struct Shared {
    waiting: Mutex<BTreeMap<u64, oneshot::Sender<Reply>>>,
    frames: Mutex<Option<mpsc::Sender<StreamEvent>>>,
    out: Mutex<Box<dyn Write + Send>>,
    next: AtomicU64,
    closed: tokio::sync::Notify,
}

/// The worker's end.
#[derive(Clone)]
pub struct PipeLink {
    shared: Arc<Shared>,
    now: Arc<dyn Fn() -> VenueMillis + Send + Sync>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PipeLink {
    /// A link that reads lines from `input` on a thread of its own and writes to `output`. When `input`
    /// ends, the venue is gone: every open call gets no answer.
    pub fn open(
        input: impl BufRead + Send + 'static,
        output: impl Write + Send + 'static,
        now: impl Fn() -> VenueMillis + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            waiting: Mutex::new(BTreeMap::new()),
            frames: Mutex::new(None),
            out: Mutex::new(Box::new(output)),
            next: AtomicU64::new(1),
            closed: tokio::sync::Notify::new(),
        });
        let reader = Arc::clone(&shared);
        std::thread::spawn(move || read_lines(input, &reader));
        Self { shared, now: Arc::new(now) }
    }

    fn write(&self, line: &Upward) -> bool {
        let Ok(mut text) = serde_json::to_string(line) else { return false };
        text.push('\n');
        let mut out = lock(&self.shared.out);
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
    }

    /// Waits until the other end has closed its pipe.
    pub async fn closed(&self) {
        self.shared.closed.notified().await;
    }

    /// Tells the audience something.
    pub fn say(&self, text: String) {
        let _ = self.write(&Upward::Say(text));
    }

    /// Promises that every record up to `seq` is durable.
    pub fn promise(&self, seq: u64) {
        let _ = self.write(&Upward::Durable(seq));
    }
}

fn read_lines(input: impl BufRead, shared: &Shared) {
    for line in input.lines() {
        let Ok(line) = line else { break };
        match serde_json::from_str::<Downward>(&line) {
            Ok(Downward::Reply(number, reply)) => {
                if let Some(waiting) = lock(&shared.waiting).remove(&number) {
                    let _ = waiting.send(reply);
                }
            }
            Ok(Downward::Frame(event)) => {
                let mut frames = lock(&shared.frames);
                if frames.as_ref().is_some_and(|f| f.try_send(event).is_err()) {
                    *frames = None;
                }
            }
            Err(_) => break,
        }
    }
    lock(&shared.waiting).clear();
    *lock(&shared.frames) = None;
    shared.closed.notify_one();
}

#[async_trait]
impl Link for PipeLink {
    async fn call(&self, call: Call) -> Reply {
        let number = self.shared.next.fetch_add(1, Ordering::SeqCst);
        let (sender, receiver) = oneshot::channel();
        lock(&self.shared.waiting).insert(number, sender);
        if !self.write(&Upward::Call(number, call)) {
            lock(&self.shared.waiting).remove(&number);
            return Reply::Nothing;
        }
        match tokio::time::timeout(ANSWER_WITHIN, receiver).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) | Err(_) => {
                lock(&self.shared.waiting).remove(&number);
                Reply::Nothing
            }
        }
    }

    fn now(&self) -> VenueMillis {
        (self.now)()
    }

    async fn frames(&self) -> Result<BoxStream<'static, StreamEvent>, ReadError> {
        let (sender, receiver) = mpsc::channel(FRAMES);
        *lock(&self.shared.frames) = Some(sender);
        let events = futures_util::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|event| (event, receiver))
        });
        Ok(futures_util::stream::once(async { StreamEvent::Connected }).chain(events).boxed())
    }
}
