//! The simulated exchange behind the production [`Exchange`] trait.
//!
//! Every call becomes a [`Call`] value and every answer a [`Reply`], so that the venue may live in this
//! process ([`local`]) or in the parent of a worker that gets killed for real ([`pipe`]).

pub mod local;
pub mod pipe;

pub use local::{LocalLink, SharedVenue};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use kraite_core::capabilities::Capabilities;
use kraite_core::engine::{Answer, Query, Request};
use kraite_core::exchange::{
    Amend, Balance, Books, Cause, Direction, Endpoint, Exchange, KeyRights, Lookup, MarginMode, Mark, NewOrder,
    OrderRef, OrderReport, Outcome, PairOutcome, PositionMode, PositionRef, PositionReport, PositionTpsl, ReadError,
    Reading, Reject, RejectKind, StreamEvent,
};
use kraite_core::id::{AccountTag, PositionNo, Symbol};
use kraite_core::instrument::{Instrument, LeverageBracket};
use kraite_core::number::Factor;
use kraite_core::time::VenueMillis;
use serde::{Deserialize, Serialize};

use crate::venue::Venue;

/// One call to the simulated venue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call {
    /// A request, signed at that venue time.
    Send(Request, VenueMillis),
    /// A question.
    Ask(Query),
    /// The venue's clock.
    Time,
    /// The listed contracts.
    Instruments,
    /// Balances.
    Balances,
    /// How the account nets.
    Mode,
}

/// The answer to one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// One outcome for each thing in the request.
    Outcomes(Vec<Outcome>),
    /// The answer to a question.
    Answer(Answer),
    /// The venue's clock.
    Time(VenueMillis),
    /// The listed contracts.
    Instruments(Vec<Instrument>),
    /// Balances.
    Balances(Vec<Balance>),
    /// How the account nets.
    Mode(PositionMode),
    /// Nothing came back.
    Nothing,
}

/// Lets a venue answer a call at an instant.
pub fn dispatch(venue: &mut Venue, account: AccountTag, call: &Call, now: VenueMillis) -> Reply {
    match call {
        Call::Send(request, signed_at) => {
            Reply::Outcomes(venue.request(account, request, *signed_at, now).into_iter().map(|(_, o)| o).collect())
        }
        Call::Ask(query) => Reply::Answer(venue.query(account, query, now)),
        Call::Time => Reply::Time(now),
        Call::Instruments => Reply::Instruments(venue.instruments().cloned().collect()),
        Call::Balances => Reply::Balances(venue.balances(account)),
        Call::Mode => Reply::Mode(venue.mode(account)),
    }
}

/// Carries calls to a venue and answers back.
#[async_trait]
pub trait Link: Send + Sync {
    /// Makes one call; [`Reply::Nothing`] when no answer came in time.
    async fn call(&self, call: Call) -> Reply;

    /// Venue time, as this end believes it, for signing.
    fn now(&self) -> VenueMillis;

    /// The frames of the account.
    async fn frames(&self) -> Result<BoxStream<'static, StreamEvent>, ReadError>;
}

/// The production [`Exchange`] over a [`Link`].
#[derive(Debug)]
pub struct SimExchange<L> {
    link: L,
    capabilities: Capabilities,
}

impl<L: Link> SimExchange<L> {
    /// An exchange of that shape at the other end of a link.
    pub const fn new(link: L, capabilities: Capabilities) -> Self {
        Self { link, capabilities }
    }

    async fn send(
        &self,
        request: Request,
        window_of: kraite_core::exchange::Service,
        not_after: VenueMillis,
    ) -> Vec<Outcome> {
        let count = request.sent().len();
        let signed_at = self.link.now();
        if signed_at.plus(self.capabilities.absence(window_of).window) > not_after {
            let reject = Reject { kind: RejectKind::NotSent, code: 0, message: "could not be signed in time".into() };
            return vec![Outcome::Rejected(reject); count];
        }
        match self.link.call(Call::Send(request, signed_at)).await {
            Reply::Outcomes(outcomes) if outcomes.len() == count => outcomes,
            Reply::Nothing => vec![Outcome::Unknown(Cause::Timeout); count],
            _ => vec![Outcome::Unknown(Cause::Undecodable); count],
        }
    }

    async fn one(&self, request: Request, service: kraite_core::exchange::Service, not_after: VenueMillis) -> Outcome {
        self.send(request, service, not_after).await.pop().unwrap_or(Outcome::Unknown(Cause::Undecodable))
    }

    async fn ask(&self, query: Query) -> Result<Answer, ReadError> {
        let sent_at = self.link.now();
        match self.link.call(Call::Ask(query)).await {
            Reply::Answer(answer) => Ok(stamped(answer, sent_at)),
            Reply::Nothing => Err(ReadError::NoAnswer("timed out".into())),
            _ => Err(ReadError::Undecodable("not an answer to a question".into())),
        }
    }
}

/// A reading counts from when it was asked for, on the asking end's clock.
pub(crate) fn stamped(mut answer: Answer, sent_at: VenueMillis) -> Answer {
    fn set<T>(reading: &mut Result<Reading<T>, ReadError>, sent_at: VenueMillis) {
        if let Ok(reading) = reading {
            reading.sent_at = sent_at;
        }
    }
    match &mut answer {
        Answer::Lookup(_, _, reading) => set(reading, sent_at),
        Answer::OpenOrders(_, reading) | Answer::AllOpenOrders(reading) | Answer::History(_, _, reading) => {
            set(reading, sent_at);
        }
        Answer::Positions(reading) => set(reading, sent_at),
        Answer::Books(.., reading) => set(reading, sent_at),
        Answer::Mark(..) | Answer::Rules(..) => {}
    }
    answer
}

fn odd<T>() -> Result<T, ReadError> {
    Err(ReadError::Undecodable("the answer is not of the kind that was asked for".into()))
}

/// The simulated venue knows settings by the position they are for; the trait does not say which.
fn nobody() -> PositionNo {
    PositionNo::default()
}

#[async_trait]
impl<L: Link> Exchange for SimExchange<L> {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn place(&self, orders: &[NewOrder], not_after: VenueMillis) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(orders.len());
        for order in orders {
            let service = service_of(order, &self.capabilities);
            outcomes.push(self.one(Request::Place(order.clone()), service, not_after).await);
        }
        outcomes
    }

    async fn place_position_tpsl(&self, pair: &PositionTpsl, not_after: VenueMillis) -> PairOutcome {
        let service = kraite_core::exchange::Service::PositionPlan;
        let mut outcomes = self.send(Request::PlacePair(pair.clone()), service, not_after).await.into_iter();
        let mut next = || outcomes.next().unwrap_or(Outcome::Unknown(Cause::Undecodable));
        PairOutcome { stop: next(), target: next() }
    }

    async fn amend(&self, change: &Amend, not_after: VenueMillis) -> Outcome {
        self.one(Request::Amend(change.clone(), 0), change.order.service, not_after).await
    }

    async fn cancel(&self, order: &OrderRef, not_after: VenueMillis) -> Outcome {
        self.one(Request::Cancel(order.clone()), order.service, not_after).await
    }

    async fn close_position(&self, position: &PositionRef, not_after: VenueMillis) -> Outcome {
        let request = Request::ClosePosition(nobody(), position.clone());
        self.one(request, kraite_core::exchange::Service::Regular, not_after).await
    }

    async fn set_leverage(&self, symbol: &Symbol, leverage: u32, not_after: VenueMillis) -> Outcome {
        let request = Request::SetLeverage(nobody(), symbol.clone(), leverage);
        self.one(request, kraite_core::exchange::Service::Regular, not_after).await
    }

    async fn set_margin_mode(&self, symbol: &Symbol, mode: MarginMode, not_after: VenueMillis) -> Outcome {
        let request = Request::SetMarginMode(nobody(), symbol.clone(), mode);
        self.one(request, kraite_core::exchange::Service::Regular, not_after).await
    }

    async fn lookup(&self, order: &OrderRef, endpoint: Endpoint) -> Result<Reading<Lookup>, ReadError> {
        match self.ask(Query::Lookup(order.clone(), endpoint)).await? {
            Answer::Lookup(_, _, reading) => reading,
            _ => odd(),
        }
    }

    async fn open_orders(&self, symbol: Option<Symbol>) -> Result<Reading<Vec<OrderReport>>, ReadError> {
        match self.ask(symbol.map_or(Query::AllOpenOrders, Query::OpenOrders)).await? {
            Answer::OpenOrders(_, reading) | Answer::AllOpenOrders(reading) => reading,
            _ => odd(),
        }
    }

    async fn positions(&self) -> Result<Reading<Vec<PositionReport>>, ReadError> {
        match self.ask(Query::Positions).await? {
            Answer::Positions(reading) => reading,
            _ => odd(),
        }
    }

    async fn history(
        &self,
        symbol: &Symbol,
        from: VenueMillis,
        _to: VenueMillis,
    ) -> Result<Reading<Vec<OrderReport>>, ReadError> {
        match self.ask(Query::History(symbol.clone(), from)).await? {
            Answer::History(_, _, reading) => reading,
            _ => odd(),
        }
    }

    async fn books(
        &self,
        symbol: &Symbol,
        direction: Direction,
        from: VenueMillis,
        _to: VenueMillis,
    ) -> Result<Reading<Books>, ReadError> {
        match self.ask(Query::Books(symbol.clone(), direction, from)).await? {
            Answer::Books(.., reading) => reading,
            _ => odd(),
        }
    }

    async fn server_time(&self) -> Result<VenueMillis, ReadError> {
        match self.link.call(Call::Time).await {
            Reply::Time(at) => Ok(at),
            Reply::Nothing => Err(ReadError::NoAnswer("timed out".into())),
            _ => odd(),
        }
    }

    async fn instruments(&self) -> Result<Vec<Instrument>, ReadError> {
        match self.link.call(Call::Instruments).await {
            Reply::Instruments(list) => Ok(list),
            Reply::Nothing => Err(ReadError::NoAnswer("timed out".into())),
            _ => odd(),
        }
    }

    async fn leverage_brackets(&self, symbol: &Symbol) -> Result<Vec<LeverageBracket>, ReadError> {
        let list = self.instruments().await?;
        list.into_iter()
            .find(|i| i.symbol == *symbol)
            .map(|i| i.brackets)
            .ok_or_else(|| ReadError::Refused(format!("{symbol} is not listed").into()))
    }

    async fn mark_price(&self, symbol: &Symbol) -> Result<Mark, ReadError> {
        match self.ask(Query::Mark(symbol.clone())).await? {
            Answer::Mark(_, mark) => mark,
            _ => odd(),
        }
    }

    async fn position_mode(&self) -> Result<PositionMode, ReadError> {
        match self.link.call(Call::Mode).await {
            Reply::Mode(mode) => Ok(mode),
            Reply::Nothing => Err(ReadError::NoAnswer("timed out".into())),
            _ => odd(),
        }
    }

    async fn balances(&self) -> Result<Vec<Balance>, ReadError> {
        match self.link.call(Call::Balances).await {
            Reply::Balances(list) => Ok(list),
            Reply::Nothing => Err(ReadError::NoAnswer("timed out".into())),
            _ => odd(),
        }
    }

    async fn fee_rates(&self, symbol: &Symbol) -> Result<(Factor, Factor), ReadError> {
        let list = self.instruments().await?;
        list.into_iter()
            .find(|i| i.symbol == *symbol)
            .map(|i| (i.maker_fee, i.taker_fee))
            .ok_or_else(|| ReadError::Refused(format!("{symbol} is not listed").into()))
    }

    async fn key_rights(&self) -> Result<KeyRights, ReadError> {
        Ok(KeyRights { trade: Some(true), withdraw: Some(false) })
    }

    async fn account_stream(&self) -> Result<BoxStream<'static, StreamEvent>, ReadError> {
        self.link.frames().await
    }
}

fn service_of(order: &NewOrder, capabilities: &Capabilities) -> kraite_core::exchange::Service {
    use kraite_core::capabilities::Protection;
    use kraite_core::exchange::Service;
    match (order.shape.is_conditional(), capabilities.protection) {
        (false, _) => Service::Regular,
        (true, Protection::Separate) => Service::Conditional,
        (true, Protection::Paired) => Service::PositionPlan,
    }
}
