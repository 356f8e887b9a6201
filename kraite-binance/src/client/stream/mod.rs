//! The account's push stream: orders, positions and funding on one socket, mark prices on another.
//!
//! Each socket is reopened by itself, on a deterministic ramp. What was missed in between is never guessed: the
//! `Connected` that follows makes the engine read everything anew.

mod account;
mod marks;
mod socket;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::stream::BoxStream;
use kraite_core::exchange::{ReadError, StreamEvent};
use kraite_core::time::Millis;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::backend::Inner;

/// Events that may wait for the reader; a full queue makes the socket wait, never drops.
const QUEUE: usize = 1_024;
/// A socket that ended is opened again after 2^n seconds, at most this (R111).
const RAMP_MAX: Millis = Millis::from_secs(30);

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

/// How long to wait after this many failures in a row: 1, 2, 4, … seconds.
fn ramp(failures: u32) -> Millis {
    let exponent = failures.saturating_sub(1).min(5);
    Millis::from_secs(1i64 << exponent).min(RAMP_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r111_reconnects_wait_two_to_the_n_seconds_capped_at_thirty() {
        let waits: Vec<i64> = (1..9).map(|failures| ramp(failures).0 / 1_000).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
    }
}
