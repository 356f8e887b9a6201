//! Named instants at which a demo worker ends itself with SIGKILL, or stops itself with SIGSTOP.
//!
//! They live in decorators around the journal, the link and the observer, and only the hidden worker of this
//! command has them: nothing that a bot links knows of them.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use clap::ValueEnum;
use futures_core::stream::BoxStream;
use kraite_core::engine::{Effect, Engine, Notice};
use kraite_core::exchange::{ReadError, StreamEvent};
use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::{Durable, Journal, JournalError, Loaded, Record, Snapshot};
use kraite_core::time::VenueMillis;
use kraite_engine::Observer;
use kraite_sim::link::{Call, Link, Reply};
use rustix::process::{Signal, getpid, kill_process};

/// A named instant in the life of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Point {
    /// It owns the account and has read nothing.
    Acquired,
    /// It has read its journal and has asked nobody anything.
    Loaded,
    /// It decided, and nothing of that is durable.
    BeforeAppend,
    /// The record is on its way to the disk.
    DuringAppend,
    /// The record is durable and nobody has heard of it.
    AfterAppend,
    /// An intent is durable; its request is not signed.
    BeforeSend,
    /// As before, for the first request of a life that began with a journal.
    FirstSend,
    /// The request is signed; none of its bytes left.
    Signed,
    /// The bytes left; no answer was read.
    AfterSend,
    /// The answer was read; none of it is durable.
    AfterReply,
    /// A snapshot is due.
    BeforeSnapshot,
    /// It is on its way to the disk.
    DuringSnapshot,
    /// It is durable.
    AfterSnapshot,
}

/// Which passing of which point: `after-send:3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Passing {
    point: Point,
    number: u32,
}

impl FromStr for Passing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, number) = text.split_once(':').ok_or("wanted POINT:N")?;
        let point = Point::from_str(name, false)?;
        let number = number.parse::<u32>().map_err(|error| format!("{number}: {error}"))?;
        if number == 0 { Err("passings are counted from 1".into()) } else { Ok(Self { point, number }) }
    }
}

#[derive(Debug)]
struct Armed {
    point: Point,
    left: AtomicU32,
    late: Duration,
    signal: Signal,
}

/// Where this process meets its end, if anywhere. Cloning shares the count.
#[derive(Debug, Clone, Default)]
pub(super) struct FailPoints(Option<Arc<Armed>>);

impl FailPoints {
    /// From the flags of the worker: dies at one passing, or stops at one, `late` after reaching it.
    pub(super) fn new(die_at: Option<Passing>, stop_at: Option<Passing>, late: Duration) -> Self {
        let die = die_at.map(|passing| (passing, Signal::KILL));
        let armed = die.or(stop_at.map(|passing| (passing, Signal::STOP)));
        Self(armed.map(|(Passing { point, number }, signal)| {
            Arc::new(Armed { point, left: AtomicU32::new(number), late, signal })
        }))
    }

    /// Does not return at the passing that it was armed for, or returns once somebody continued the process.
    #[allow(clippy::disallowed_methods, reason = "the threads that go on meanwhile are what is waited for")]
    fn pass(&self, point: Point) {
        let Some(armed) = self.0.as_ref().filter(|armed| armed.point == point) else { return };
        // Wraps far beyond what a life can pass.
        if armed.left.fetch_sub(1, Ordering::SeqCst) != 1 {
            return;
        }
        std::thread::sleep(armed.late);
        let _ = kill_process(getpid(), armed.signal);
        // A stop takes hold of one thread after the other; this one must not run ahead of it.
        std::thread::sleep(Duration::from_millis(20));
    }

    /// Passes a point once the work has been begun and before it is waited for.
    async fn amid<T>(&self, work: impl Future<Output = T>, point: Point) -> T {
        let mut work = std::pin::pin!(work);
        let begun = std::future::poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
        self.pass(point);
        match begun {
            Poll::Ready(done) => done,
            Poll::Pending => work.await,
        }
    }
}

/// A journal with fail points around what it does.
pub(super) struct MortalJournal {
    inner: Arc<dyn Journal>,
    points: FailPoints,
}

impl MortalJournal {
    pub(super) const fn new(inner: Arc<dyn Journal>, points: FailPoints) -> Self {
        Self { inner, points }
    }
}

#[async_trait]
impl Journal for MortalJournal {
    async fn acquire(&self, account: AccountTag) -> Result<Epoch, JournalError> {
        let epoch = self.inner.acquire(account).await;
        self.points.pass(Point::Acquired);
        epoch
    }

    async fn append(&self, account: AccountTag, records: &[Record]) -> Result<Durable, JournalError> {
        self.points.pass(Point::BeforeAppend);
        let durable = self.points.amid(self.inner.append(account, records), Point::DuringAppend).await;
        self.points.pass(Point::AfterAppend);
        durable
    }

    async fn load(&self, account: AccountTag) -> Result<Loaded, JournalError> {
        let loaded = self.inner.load(account).await;
        self.points.pass(Point::Loaded);
        loaded
    }

    async fn save_snapshot(&self, account: AccountTag, snapshot: &Snapshot) -> Result<(), JournalError> {
        self.points.pass(Point::BeforeSnapshot);
        let saved = self.points.amid(self.inner.save_snapshot(account, snapshot), Point::DuringSnapshot).await;
        self.points.pass(Point::AfterSnapshot);
        saved
    }

    async fn accounts(&self) -> Result<Vec<AccountTag>, JournalError> {
        self.inner.accounts().await
    }
}

/// A link with fail points around the requests it carries; questions pass none.
pub(super) struct MortalLink {
    inner: Arc<dyn Link>,
    points: FailPoints,
}

impl MortalLink {
    pub(super) const fn new(inner: Arc<dyn Link>, points: FailPoints) -> Self {
        Self { inner, points }
    }
}

#[async_trait]
impl Link for MortalLink {
    async fn call(&self, call: Call) -> Reply {
        if !matches!(call, Call::Send(..)) {
            return self.inner.call(call).await;
        }
        self.points.pass(Point::Signed);
        // A pipe has taken the bytes once the call was begun.
        let reply = self.points.amid(self.inner.call(call), Point::AfterSend).await;
        self.points.pass(Point::AfterReply);
        reply
    }

    fn now(&self) -> VenueMillis {
        self.inner.now()
    }

    async fn frames(&self) -> Result<BoxStream<'static, StreamEvent>, ReadError> {
        self.inner.frames().await
    }
}

/// An observer with fail points between what it was told and what is sent.
pub(super) struct MortalObserver<O> {
    inner: O,
    points: FailPoints,
    /// Nothing was sent yet in this life, and it began with a journal.
    reborn: Option<bool>,
}

impl<O> MortalObserver<O> {
    pub(super) const fn new(inner: O, points: FailPoints) -> Self {
        Self { inner, points, reborn: None }
    }
}

impl<O: Observer> Observer for MortalObserver<O> {
    fn committed(&mut self, engine: &Engine, record: Option<&Record>, effects: &[Effect]) {
        self.inner.committed(engine, record, effects);
        let reborn = *self.reborn.get_or_insert(engine.state().seq > 1);
        if effects.iter().any(|effect| matches!(effect, Effect::Send { .. })) {
            if reborn {
                self.points.pass(Point::FirstSend);
                self.reborn = Some(false);
            }
            self.points.pass(Point::BeforeSend);
        }
    }

    fn notice(&mut self, notice: &Notice) {
        self.inner.notice(notice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passing_is_a_point_and_a_number() {
        assert_eq!("after-send:3".parse(), Ok(Passing { point: Point::AfterSend, number: 3 }));
        for wrong in ["after-send", "after-send:0", "after-send:x", "nowhere:1"] {
            assert!(wrong.parse::<Passing>().is_err(), "{wrong}");
        }
    }
}
