//! Records for the journal tests.
#![allow(dead_code, reason = "each test binary uses its part")]

use futures_util::FutureExt as _;
use kraite_core::engine::{Alert, Event, InputKind};
use kraite_core::id::{AccountTag, Epoch, PositionNo};
use kraite_core::journal::Record;
use kraite_core::time::{LocalMillis, Millis, Moment, VenueMillis};

pub(crate) fn account(n: u32) -> AccountTag {
    AccountTag::new(n).unwrap()
}

/// A record whose content is different for every number.
pub(crate) fn record(seq: u64, epoch: Epoch) -> Record {
    let at = i64::try_from(seq).unwrap() * 7;
    let events = (0..seq % 4)
        .map(|n| Event::Alerted {
            position: PositionNo::new(u32::try_from(seq + n).unwrap()).unwrap(),
            alert: Alert::NeedsAttention,
        })
        .collect();
    Record {
        seq,
        epoch,
        at: Moment { local: LocalMillis(at), venue: VenueMillis(at + 3), error: Millis(1) },
        input: InputKind::Deadline,
        events,
    }
}

/// Runs a future to its end on this thread.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    struct Park(std::thread::Thread);
    impl std::task::Wake for Park {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Park(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(value) = future.poll_unpin(&mut context) {
            return value;
        }
        std::thread::park();
    }
}
