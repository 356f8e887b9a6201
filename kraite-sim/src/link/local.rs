//! A venue in this process, for bots' own tests: three lines from nothing to an `Arc<dyn Exchange>`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::stream::{BoxStream, StreamExt as _};
use kraite_core::exchange::{ReadError, StreamEvent};
use kraite_core::id::AccountTag;
use kraite_core::time::VenueMillis;
use tokio::sync::mpsc;

use super::{Call, Link, Reply, SimExchange, dispatch};
use crate::venue::Venue;

const FRAMES: usize = 4_096;

struct Inner {
    venue: Venue,
    streams: Vec<(AccountTag, mpsc::Sender<StreamEvent>)>,
}

impl Inner {
    fn push(&mut self) {
        for (account, event) in self.venue.drain() {
            self.streams.retain(|(owner, stream)| *owner != account || stream.try_send(event.clone()).is_ok());
        }
    }
}

/// A venue that several accounts and a test share.
#[derive(Clone)]
pub struct SharedVenue {
    inner: Arc<Mutex<Inner>>,
    now: Arc<dyn Fn() -> VenueMillis + Send + Sync>,
}

impl SharedVenue {
    /// Shares a venue whose time is what `now` says.
    pub fn new(venue: Venue, now: impl Fn() -> VenueMillis + Send + Sync + 'static) -> Self {
        Self { inner: Arc::new(Mutex::new(Inner { venue, streams: Vec::new() })), now: Arc::new(now) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the venue or acts on it (moves the price, cancels as a user would), then delivers frames.
    pub fn with<T>(&self, act: impl FnOnce(&mut Venue, VenueMillis) -> T) -> T {
        let now = (self.now)();
        let mut inner = self.lock();
        let result = act(&mut inner.venue, now);
        inner.push();
        result
    }

    /// The exchange as one account sees it.
    #[must_use]
    pub fn exchange(&self, account: AccountTag) -> SimExchange<LocalLink> {
        let capabilities = self.lock().venue.capabilities().clone();
        SimExchange::new(self.link(account), capabilities)
    }

    /// One account's end, to be wrapped by a test that disturbs it.
    #[must_use]
    pub fn link(&self, account: AccountTag) -> LocalLink {
        LocalLink { shared: self.clone(), account }
    }
}

/// One account's end of a shared venue.
#[derive(Clone)]
pub struct LocalLink {
    shared: SharedVenue,
    account: AccountTag,
}

#[async_trait]
impl Link for LocalLink {
    async fn call(&self, call: Call) -> Reply {
        self.shared.with(|venue, now| dispatch(venue, self.account, &call, now))
    }

    fn now(&self) -> VenueMillis {
        (self.shared.now)()
    }

    async fn frames(&self) -> Result<BoxStream<'static, StreamEvent>, ReadError> {
        let (sender, receiver) = mpsc::channel(FRAMES);
        self.shared.lock().streams.push((self.account, sender));
        let events = futures_util::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|event| (event, receiver))
        });
        Ok(futures_util::stream::once(async { StreamEvent::Connected }).chain(events).boxed())
    }
}
