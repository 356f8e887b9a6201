//! What a stream's reader holds: the queue, and the tasks that fill it.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use kraite_core::exchange::StreamEvent;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Events that may wait for the reader; a full queue makes the socket wait, never drops.
const MOST: usize = 1_024;

/// The events of some tasks. Ends them when it is dropped.
pub(super) struct Queue {
    waiting: mpsc::Receiver<StreamEvent>,
    tasks: Vec<JoinHandle<()>>,
}

impl Queue {
    /// The events of the tasks that `start` makes of the other end of the queue.
    pub(super) fn of(start: impl FnOnce(mpsc::Sender<StreamEvent>) -> Vec<JoinHandle<()>>) -> Self {
        let (events, waiting) = mpsc::channel(MOST);
        Self { waiting, tasks: start(events) }
    }
}

impl Stream for Queue {
    type Item = StreamEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<StreamEvent>> {
        self.waiting.poll_recv(cx)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
