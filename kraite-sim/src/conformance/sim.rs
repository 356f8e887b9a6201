//! The stage over the simulated venue: no sockets, and time that passes only when it is told to.

use std::future::poll_fn;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use kraite_core::capabilities::Capabilities;
use kraite_core::engine::{Answer, Query};
use kraite_core::exchange::{
    Cause, Exchange, Outcome, PositionMode, ReadError, Reading, Reject, RejectKind, StreamEvent,
};
use kraite_core::id::{AccountTag, VenueOrderId};
use kraite_core::number::{Notional, Price};
use kraite_core::time::{Millis, VenueMillis};
use tokio::sync::mpsc;

use super::stage::{Fault, On, Setting, Stage, StageError, VenueSide};
use crate::link::{Call, Link, LocalLink, Reply, SharedVenue, SimExchange, dispatch};
use crate::presets;
use crate::venue::{OrderObject, Venue, VenueProfile};

/// What stands for a key here, where nothing is signed: a wrapper that is to be caught telling secrets can tell it.
pub(super) const SECRET: &str = "the secret of the simulated account";
/// Twenty seconds into a minute.
const START: i64 = 1_760_000_000_000;
/// The wallet, in units of the quote currency.
const WALLET: i64 = 10_000;
/// The price of every contract, on all of their grids.
const OPENING: i64 = 150;
/// How often a backend may wait for something within one scenario: nothing outside can answer it here.
const YIELDS: usize = 10_000;
/// How long a call takes on the wire.
const HOP: i64 = 5;
/// How many events of a broken stream wait for their reader.
const WAITING: usize = 64;

/// Makes the backend that is judged out of the one that is right.
pub type Wrap = Arc<dyn Fn(Arc<dyn Exchange>) -> Arc<dyn Exchange> + Send + Sync>;

/// The simulated venue with [`SimExchange`], or with whatever is wrapped around it.
#[derive(Clone)]
pub struct SimStage {
    name: String,
    profile: VenueProfile,
    wrap: Wrap,
}

impl SimStage {
    /// [`SimExchange`] itself over a venue of this profile.
    #[must_use]
    pub fn new(name: &str, profile: VenueProfile) -> Self {
        Self { name: name.into(), profile, wrap: Arc::new(|exchange| exchange) }
    }

    /// The same with a wrapper around it, which is then what is judged.
    #[must_use]
    pub fn wrapped(mut self, wrap: impl Fn(Arc<dyn Exchange>) -> Arc<dyn Exchange> + Send + Sync + 'static) -> Self {
        self.wrap = Arc::new(wrap);
        self
    }
}

/// Lets everything else that could go on go on.
async fn yield_once() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[async_trait]
impl Stage for SimStage {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn capabilities(&self) -> Capabilities {
        self.profile.capabilities.clone()
    }

    async fn patience(&self) {
        for _ in 0..YIELDS {
            yield_once().await;
        }
    }

    async fn set(&self, setting: Setting) -> Result<Box<dyn VenueSide>, StageError> {
        let clock = Arc::new(AtomicI64::new(START));
        let account = AccountTag::new(1).ok_or_else(|| StageError("no account".into()))?;
        let now = VenueMillis(START);
        let mut venue = Venue::new(self.profile.clone(), now);
        for contract in presets::contracts() {
            let (symbol, price) = (contract.symbol.clone(), Price::from_units(OPENING, 0).unwrap_or_default());
            venue.list(contract);
            venue.price(&symbol, price, price, now);
        }
        venue.open_account(account, setting.mode, Notional::from_units(WALLET, 0).unwrap_or_default());
        let time = Arc::clone(&clock);
        let shared = SharedVenue::new(venue, move || VenueMillis(time.load(Ordering::Relaxed)));
        let wire = Arc::new(Wire { clock, shared: shared.clone(), account, rules: Mutex::default() });
        let link = FaultyLink { wire: Arc::clone(&wire), inner: shared.link(account) };
        let exchange = (self.wrap)(Arc::new(SimExchange::new(link, self.profile.capabilities.clone())));
        Ok(Box::new(SimSide { wire, exchange }))
    }
}

#[derive(Default)]
struct Rules {
    waiting: Vec<(On, Fault, Option<Venue>)>,
    met: usize,
    changes: usize,
    streams: Vec<mpsc::Sender<StreamEvent>>,
}

/// What both ends share.
struct Wire {
    clock: Arc<AtomicI64>,
    shared: SharedVenue,
    account: AccountTag,
    rules: Mutex<Rules>,
}

impl Wire {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self, span: Millis) {
        self.clock.fetch_add(span.0.max(0), Ordering::Relaxed);
    }

    /// The fault that this call meets.
    fn takes(&self, is_change: bool) -> Option<(Fault, Option<Venue>)> {
        let mut rules = self.rules();
        rules.changes = rules.changes.saturating_add(usize::from(is_change));
        let mut due = None;
        for (place, (on, fault, _)) in rules.waiting.iter_mut().enumerate() {
            let is_due = match (on, is_change) {
                (On::Change, true) => match fault {
                    // The legs of a batch are requests of their own here.
                    Fault::Leg(0) => true,
                    Fault::Leg(later) => {
                        *later = later.saturating_sub(1);
                        false
                    }
                    _ => true,
                },
                (On::Reading { after: 0 }, false) => true,
                (On::Reading { after }, false) => {
                    *after = after.saturating_sub(1);
                    false
                }
                (On::Change, false) | (On::Reading { .. }, true) => false,
            };
            if is_due {
                due = Some(place);
                break;
            }
        }
        let (_, fault, past) = rules.waiting.remove(due?);
        rules.met = rules.met.saturating_add(1);
        Some((fault, past))
    }
}

struct FaultyLink {
    wire: Arc<Wire>,
    inner: LocalLink,
}

impl FaultyLink {
    /// Nothing happened or everything did: the venue does not say.
    fn unknown(call: &Call) -> Reply {
        match call {
            Call::Send(request, _) => Reply::Outcomes(vec![Outcome::Unknown(Cause::ServerError); request.sent().len()]),
            _ => Reply::Nothing,
        }
    }

    fn refused(call: &Call, kind: RejectKind, words: &str) -> Reply {
        match call {
            Call::Send(request, _) => {
                let reject = Reject { kind, code: -1, message: words.into() };
                Reply::Outcomes(vec![Outcome::Rejected(reject); request.sent().len()])
            }
            Call::Ask(query) => Reply::Answer(limited(query)),
            _ => Reply::Nothing,
        }
    }
}

/// A list without its last row.
fn in_part(mut reply: Reply) -> Reply {
    fn cut<T>(reading: &mut Result<Reading<Vec<T>>, ReadError>) {
        if let Ok(reading) = reading {
            reading.value.pop();
            reading.complete = false;
        }
    }
    if let Reply::Answer(answer) = &mut reply {
        match answer {
            Answer::OpenOrders(_, rows) | Answer::AllOpenOrders(rows) | Answer::History(_, _, rows) => cut(rows),
            Answer::Positions(rows) => cut(rows),
            Answer::Books(.., books) => {
                if let Ok(reading) = books {
                    reading.value.trades.pop();
                    reading.complete = false;
                }
            }
            Answer::Lookup(..) | Answer::Mark(..) | Answer::Rules(..) => {}
        }
    }
    reply
}

/// The answer to a question that is refused for now.
fn limited(query: &Query) -> Answer {
    let error = || ReadError::RateLimited(Millis::from_secs(1));
    match query.clone() {
        Query::Lookup(order, endpoint) => Answer::Lookup(order, endpoint, Err(error())),
        Query::OpenOrders(symbol) => Answer::OpenOrders(symbol, Err(error())),
        Query::AllOpenOrders => Answer::AllOpenOrders(Err(error())),
        Query::Positions => Answer::Positions(Err(error())),
        Query::History(symbol, from) => Answer::History(symbol, from, Err(error())),
        Query::Mark(symbol) => Answer::Mark(symbol, Err(error())),
        Query::Rules(symbol) => Answer::Rules(symbol, Err(error())),
        Query::Books(symbol, direction, from) => Answer::Books(symbol, direction, from, Err(error())),
    }
}

#[async_trait]
impl Link for FaultyLink {
    async fn call(&self, call: Call) -> Reply {
        self.wire.pass(Millis(HOP));
        let Some((fault, past)) = self.wire.takes(matches!(call, Call::Send(..))) else {
            let reply = self.inner.call(call).await;
            self.wire.pass(Millis(HOP));
            return reply;
        };
        match fault {
            Fault::LostBefore => Reply::Nothing,
            Fault::LostAfter => {
                self.inner.call(call).await;
                Reply::Nothing
            }
            Fault::ErrorIdle => Self::unknown(&call),
            Fault::ErrorActed => {
                let reply = Self::unknown(&call);
                self.inner.call(call).await;
                reply
            }
            Fault::Garbage | Fault::Truncated => {
                let other = if matches!(call, Call::Mode) {
                    Reply::Outcomes(Vec::new())
                } else {
                    Reply::Mode(PositionMode::OneWay)
                };
                self.inner.call(call).await;
                other
            }
            Fault::Twice => {
                let first = self.inner.call(call.clone()).await;
                self.inner.call(call).await;
                first
            }
            Fault::Late(span) => {
                self.wire.pass(span);
                self.inner.call(call).await
            }
            Fault::RateLimited => Self::refused(&call, RejectKind::RateLimited, "too many requests"),
            Fault::Leg(_) => Self::refused(&call, RejectKind::Margin, "margin is insufficient"),
            Fault::Stale => match past {
                Some(mut past) if !matches!(call, Call::Send(..)) => {
                    let now = self.inner.now();
                    dispatch(&mut past, self.wire.account, &call, now)
                }
                _ => self.inner.call(call).await,
            },
            Fault::Part => in_part(self.inner.call(call).await),
        }
    }

    fn now(&self) -> VenueMillis {
        self.inner.now()
    }

    async fn frames(&self) -> Result<BoxStream<'static, StreamEvent>, ReadError> {
        let frames = self.inner.frames().await?;
        let (sender, receiver) = mpsc::channel(WAITING);
        self.wire.rules().streams.push(sender);
        let breaks =
            stream::unfold(
                receiver,
                |mut receiver| async move { receiver.recv().await.map(|event| (event, receiver)) },
            );
        Ok(stream::select(frames, breaks).boxed())
    }
}

struct SimSide {
    wire: Arc<Wire>,
    exchange: Arc<dyn Exchange>,
}

#[async_trait]
impl VenueSide for SimSide {
    fn exchange(&self) -> Arc<dyn Exchange> {
        Arc::clone(&self.exchange)
    }

    fn look(&self, act: &mut dyn FnMut(&mut Venue, AccountTag, VenueMillis)) {
        self.wire.shared.with(|venue, now| act(venue, self.wire.account, now));
    }

    async fn pass(&self, span: Millis) {
        self.wire.pass(span);
    }

    fn meet(&self, on: On, fault: Fault) -> bool {
        let past = (fault == Fault::Stale).then(|| self.wire.shared.with(|venue, _| venue.clone()));
        self.wire.rules().waiting.push((on, fault, past));
        true
    }

    fn met(&self) -> usize {
        self.wire.rules().met
    }

    fn changes(&self) -> usize {
        self.wire.rules().changes
    }

    fn cut_streams(&self) -> bool {
        for stream in &self.wire.rules().streams {
            for event in [StreamEvent::Disconnected, StreamEvent::Connected] {
                // Nobody who has gone away is told.
                let _ = stream.try_send(event);
            }
        }
        true
    }

    async fn next(&self, stream: &mut BoxStream<'static, StreamEvent>) -> Option<StreamEvent> {
        // The runtime may hold an event back until this task has yielded.
        for _ in 0..2 {
            if let Some(event) = stream.next().now_or_never() {
                return event;
            }
            yield_once().await;
        }
        None
    }

    fn number(&self, object: &OrderObject) -> VenueOrderId {
        object.id.venue_id()
    }

    fn secrets(&self) -> Vec<String> {
        vec![SECRET.into()]
    }
}
