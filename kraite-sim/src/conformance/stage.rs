//! Where a backend is judged: a venue whose other end the kit holds.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use kraite_core::capabilities::Capabilities;
use kraite_core::exchange::{Exchange, PositionMode, StreamEvent};
use kraite_core::id::{AccountTag, VenueOrderId};
use kraite_core::time::{Millis, VenueMillis};

use crate::venue::{OrderObject, Venue};

/// Which calls a fault is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// The next request that asks for a change.
    Change,
    /// A request that only asks, after so many others that do have passed.
    Reading {
        /// How many pass first.
        after: u32,
    },
}

/// What the wire or the venue does to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It never arrives, and the connection breaks.
    LostBefore,
    /// The venue acts; the answer never arrives.
    LostAfter,
    /// The venue acts and says that it does not know what happened.
    ErrorActed,
    /// The venue does not act and says that it does not know what happened.
    ErrorIdle,
    /// The venue acts; the answer is nothing that can be read.
    Garbage,
    /// The venue acts; the answer breaks off.
    Truncated,
    /// It arrives twice; the first answer comes back.
    Twice,
    /// It arrives this much later.
    Late(Millis),
    /// It is refused for there being too many.
    RateLimited,
    /// One order of those that are placed together is refused, counted from 0.
    Leg(usize),
    /// It is answered from how things stood when this fault was set.
    Stale,
    /// A list comes without its last row, and says so.
    Part,
}

impl Fault {
    /// What happens, in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::LostBefore => "the request is lost",
            Self::LostAfter => "the venue acts and the answer is lost",
            Self::ErrorActed => "the venue acts and answers that it does not know",
            Self::ErrorIdle => "the venue does nothing and answers that it does not know",
            Self::Garbage => "the venue acts and the answer cannot be read",
            Self::Truncated => "the venue acts and the answer breaks off",
            Self::Twice => "the request arrives twice",
            Self::Late(_) => "the request arrives after its window",
            Self::RateLimited => "the venue refuses for now: too many requests",
            Self::Leg(_) => "the venue refuses one order of several",
            Self::Stale => "the answer is old",
            Self::Part => "a part of the list is missing",
        }
    }
}

/// How the account is set up before a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// How the account nets.
    pub mode: PositionMode,
}

/// A stage could not be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stage could not be set: {0}")]
pub struct StageError(pub String);

/// Makes a fresh venue, with a fresh backend connected to it, for each scenario.
#[async_trait]
pub trait Stage: Send + Sync {
    /// The backend's name, for the verdict.
    fn name(&self) -> String;

    /// What the backend is declared to do.
    fn capabilities(&self) -> Capabilities;

    /// A venue with one account, and the backend connected to it. The account holds at least 10,000 of the quote
    /// currency, and `SOLUSDT` is listed.
    ///
    /// # Errors
    ///
    /// The backend does not connect, or the venue does not start. The scenario then counts as not run.
    async fn set(&self, setting: Setting) -> Result<Box<dyn VenueSide>, StageError>;

    /// Ends when one scenario has taken too long: a backend that does not answer conforms to nothing.
    async fn patience(&self);
}

/// The venue's end of one scenario: what really is, what the market does, and what becomes of requests.
#[async_trait]
pub trait VenueSide: Send + Sync {
    /// The backend under judgement.
    fn exchange(&self) -> Arc<dyn Exchange>;

    /// Looks at the venue, or moves it by hand; whatever happens is told to the streams afterwards.
    fn look(&self, act: &mut dyn FnMut(&mut Venue, AccountTag, VenueMillis));

    /// Lets time pass on all clocks.
    async fn pass(&self, span: Millis);

    /// One request to come meets a fault; false where this stage cannot do that.
    fn meet(&self, on: On, fault: Fault) -> bool;

    /// How many requests met a fault.
    fn met(&self) -> usize;

    /// How many requests that ask for a change have arrived or were lost on the way; a batch is one request.
    fn changes(&self) -> usize;

    /// Breaks the account's streams; false where this stage cannot do that.
    fn cut_streams(&self) -> bool;

    /// The next event, or nothing where none comes for a while.
    async fn next(&self, stream: &mut BoxStream<'static, StreamEvent>) -> Option<StreamEvent>;

    /// The number under which the wire knows an order of the venue's; a backend may write more than the number.
    fn number(&self, object: &OrderObject) -> VenueOrderId;

    /// What must never be printed; empty where there is nothing of the kind.
    fn secrets(&self) -> Vec<String>;
}
