//! The account's push stream: orders, positions and funding on one socket, mark prices on another.
//!
//! Each socket is reopened by itself, on a deterministic ramp. What was missed in between is never guessed: the
//! `Connected` that follows makes the engine read everything anew.

mod account;
mod marks;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::stream::BoxStream;
use kraite_core::exchange::{ReadError, StreamEvent};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::backend::Inner;

/// Events that may wait for the reader; a full queue makes the socket wait, never drops.
const QUEUE: usize = 1_024;

/// Opens the account socket, and then keeps both.
pub(crate) async fn open(inner: &Arc<Inner>) -> Result<BoxStream<'static, StreamEvent>, ReadError> {
    let first = account::open(inner).await?;
    let (events, queue) = mpsc::channel(QUEUE);
    let tasks = [
        tokio::spawn(account::follow(Arc::clone(inner), events.clone(), first)),
        tokio::spawn(marks::follow(Arc::clone(inner), events)),
    ];
    Ok(Box::pin(Events { queue, tasks }))
}

/// Ends both sockets when it is dropped.
struct Events {
    queue: mpsc::Receiver<StreamEvent>,
    tasks: [JoinHandle<()>; 2],
}

impl Stream for Events {
    type Item = StreamEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<StreamEvent>> {
        self.queue.poll_recv(cx)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
