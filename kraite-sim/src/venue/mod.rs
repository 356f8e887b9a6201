//! The simulated exchange: a pure, synchronous, deterministic state machine.
//!
//! A [`Venue`] has no clock, no randomness and no threads: the time of every event is an argument, ids are
//! counters, and every map is ordered, so that two venues with the same inputs are equal. It is a plain
//! value that can be cloned at any instant. What kind of exchange it is comes from its [`VenueProfile`]
//! alone.
//!
//! Requests arrive through [`Venue::request`], questions through [`Venue::query`], the market moves through
//! [`Venue::price`], and what the account streams would push is taken with [`Venue::drain`]. Everything
//! else is for omniscient observers (`view`) and for the hands of users and of the venue (`manual`).

mod account;
mod admission;
mod book;
mod changes;
mod conditional;
mod listing;
mod manual;
mod margin;
mod matching;
mod money;
mod named;
mod object;
mod objects;
mod place;
mod plans;
mod profile;
mod reads;
mod view;

use std::collections::{BTreeMap, VecDeque};

use kraite_core::capabilities::Capabilities;
use kraite_core::engine::{Request, Sent};
use kraite_core::exchange::{
    Ack, Cause, Mark, Outcome, PositionMode, Reject, ReportStatus, Service, StreamEvent, Trade,
};
use kraite_core::id::{AccountTag, Symbol};
use kraite_core::instrument::Instrument;
use kraite_core::number::{ArithmeticError, Notional, Price};
use kraite_core::time::{Millis, VenueMillis};

pub use account::{Account, Position, Settings};
pub use book::{Liquidity, Market, Trading};
pub(crate) use money::{share as margin_share, taker_price};
pub use named::Wish;
pub use object::{ObjectId, OrderObject, Owner, TradeRecord, Via};
pub(crate) use plans::Leg;
pub use plans::{PlanLeg, PlanWish};
pub use profile::{
    AckDetail, ChildPush, CloseOverlap, Oversize, PairOverwrite, PairRefusal, Quirks, ReadLag, Refusal, Retention,
    SameId, TriggerOverlap, VenueProfile, WhenFlat,
};
pub use view::RequestNote;

use objects::Objects;

/// The order ids of a fresh venue start here, so that all of them have the same number of digits for long.
const FIRST_OBJECT: u64 = 1_000_001;
/// How many trades are kept for observers unless they ask for more or fewer.
const KEPT_TRADES: usize = 1_024;

/// Whether prices move in jumps or along a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PriceMove {
    /// From one price to the next with nothing in between: what triggers on the way trades at the new price.
    #[default]
    Jump,
    /// Through every price in between: what triggers on the way trades where it triggers.
    Glide,
}

/// Whether mark prices are pushed to the account streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MarkFeed {
    /// They are not: whoever drives the venue tells marks itself.
    #[default]
    Silent,
    /// Every change is pushed to every account.
    Pushed,
}

/// A simulated exchange. See the module documentation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Venue {
    profile: VenueProfile,
    now: VenueMillis,
    markets: BTreeMap<Symbol, Market>,
    accounts: BTreeMap<AccountTag, Account>,
    objects: Objects,
    next_object: u64,
    next_trade: u64,
    price_move: PriceMove,
    mark_feed: MarkFeed,
    outbox: Vec<(AccountTag, StreamEvent)>,
    trades: VecDeque<TradeRecord>,
    kept_trades: usize,
    requests_seen: u64,
    request_log: Option<Vec<RequestNote>>,
    overflows: u64,
    changes: u64,
}

impl Venue {
    /// An empty venue of this profile, its clock at `start`.
    #[must_use]
    pub fn new(profile: VenueProfile, start: VenueMillis) -> Self {
        Self {
            profile,
            now: start,
            markets: BTreeMap::new(),
            accounts: BTreeMap::new(),
            objects: Objects::default(),
            next_object: FIRST_OBJECT,
            next_trade: 1,
            price_move: PriceMove::default(),
            mark_feed: MarkFeed::default(),
            outbox: Vec::new(),
            trades: VecDeque::new(),
            kept_trades: KEPT_TRADES,
            requests_seen: 0,
            request_log: None,
            overflows: 0,
            changes: 0,
        }
    }

    /// Lists a contract; listing it again changes its rules (see [`Venue::change_filters`]).
    pub fn list(&mut self, instrument: Instrument) {
        match self.markets.get_mut(&instrument.symbol) {
            Some(market) => market.instrument = instrument,
            None => {
                self.markets.insert(instrument.symbol.clone(), Market::new(instrument));
            }
        }
    }

    /// Opens an account with `deposit` in its wallet; an account that exists stays as it is.
    pub fn open_account(&mut self, account: AccountTag, mode: PositionMode, deposit: Notional) {
        self.accounts.entry(account).or_insert_with(|| Account::new(account, mode, deposit));
    }

    /// What clients are told about this venue.
    #[must_use]
    pub const fn capabilities(&self) -> &Capabilities {
        &self.profile.capabilities
    }

    /// How this venue really behaves.
    #[must_use]
    pub const fn quirks(&self) -> &Quirks {
        &self.profile.quirks
    }

    /// Changes how this venue behaves from now on.
    pub const fn quirks_mut(&mut self) -> &mut Quirks {
        &mut self.profile.quirks
    }

    /// Whether prices jump (the default) or glide.
    pub const fn set_price_move(&mut self, price_move: PriceMove) {
        self.price_move = price_move;
    }

    /// Whether marks are pushed to the account streams; not by default.
    pub const fn set_mark_feed(&mut self, mark_feed: MarkFeed) {
        self.mark_feed = mark_feed;
    }

    /// The latest time that any event carried.
    #[must_use]
    pub const fn now(&self) -> VenueMillis {
        self.now
    }

    /// The validity window that a request of this kind is signed with.
    #[must_use]
    pub const fn window_of(&self, request: &Request) -> Millis {
        self.profile.capabilities.absence(service_of(request)).window
    }

    /// How long after its signature a request that was taken in time may be acted on at the latest: whatever comes
    /// of it shows on every endpoint within the bound that the capabilities state.
    #[must_use]
    pub fn acts_within(&self, request: &Request) -> Millis {
        let rule = self.profile.capabilities.absence(service_of(request));
        let lag = &self.profile.quirks.read_lag;
        let slowest = lag.order.max(lag.open_orders).max(lag.history).max(lag.positions);
        Millis((rule.window.0 + rule.engine_bound.0 - slowest.0).max(0))
    }

    /// True while the order of a placement is open.
    #[must_use]
    pub fn is_open(&self, sent: &Sent) -> bool {
        matches!(sent, Sent::Place(id) if self.open_orders().any(|o| o.client_id() == Some(*id)))
    }

    /// One request arrives at venue time `now`, signed at venue time `signed_at`; it is answered with one
    /// outcome for each [`Request::sent`], in order.
    pub fn request(
        &mut self,
        account: AccountTag,
        request: &Request,
        signed_at: VenueMillis,
        now: VenueMillis,
    ) -> Vec<(Sent, Outcome)> {
        self.request_in_part(account, request, None, signed_at, now)
    }

    /// Answers a request. Of a call that sets stop and target one leg may fail, for no reason that the client could
    /// know.
    pub(crate) fn request_in_part(
        &mut self,
        account: AccountTag,
        request: &Request,
        failed: Option<Leg>,
        signed_at: VenueMillis,
        now: VenueMillis,
    ) -> Vec<(Sent, Outcome)> {
        self.tick(now);
        self.note_request(account, request, signed_at);
        if let Err(refusal) = self.admit(account, request, signed_at) {
            return request.sent().into_iter().map(|sent| (sent, self.refused(refusal))).collect();
        }
        let via = Via::Request(self.requests_seen);
        let outcomes = match request {
            Request::Place(order) => vec![self.place(account, order, via)],
            Request::PlacePair(pair) => self.place_pair(account, pair, failed, via),
            Request::Amend(change, _) => vec![self.amend(account, change)],
            Request::Cancel(order) => vec![self.cancel(account, order)],
            Request::SetMarginMode(_, symbol, mode) => vec![self.set_margin_mode(account, symbol, *mode)],
            Request::SetLeverage(_, symbol, leverage) => vec![self.set_leverage(account, symbol, *leverage)],
            Request::ClosePosition(_, position) => vec![self.close_whole(account, position, via)],
        };
        request.sent().into_iter().zip(outcomes).collect()
    }

    fn admit(&self, account: AccountTag, request: &Request, signed_at: VenueMillis) -> Result<(), Refusal> {
        let expired = self.now > signed_at.plus(self.window_of(request));
        let early = signed_at > self.now.plus(self.profile.quirks.clock_tolerance);
        if expired || early {
            return Err(Refusal::Window);
        }
        if !self.accounts.contains_key(&account) {
            return Err(Refusal::NoAccount);
        }
        if !self.markets.contains_key(request.symbol()) {
            return Err(Refusal::UnknownSymbol);
        }
        Ok(())
    }

    /// Moves last and mark price and lets everything happen that they reach.
    pub fn price(&mut self, symbol: &Symbol, last: Price, mark: Price, now: VenueMillis) {
        self.moved(symbol, Some(last), Some(mark), now);
    }

    /// Moves the last price only.
    pub fn trade(&mut self, symbol: &Symbol, last: Price, now: VenueMillis) {
        self.moved(symbol, Some(last), None, now);
    }

    /// Moves the mark price only.
    pub fn set_mark(&mut self, symbol: &Symbol, mark: Price, now: VenueMillis) {
        self.moved(symbol, None, Some(mark), now);
    }

    fn moved(&mut self, symbol: &Symbol, last: Option<Price>, mark: Option<Price>, now: VenueMillis) {
        self.tick(now);
        let Some(market) = self.markets.get_mut(symbol) else { return };
        let (was_last, was_mark) = (market.last, market.mark);
        market.last = last.or(was_last);
        market.mark = mark.or(was_mark);
        let idle = market.is_idle();
        if self.mark_feed == MarkFeed::Pushed
            && let Some(price) = mark.filter(|m| Some(*m) != was_mark)
        {
            let mark = Mark { symbol: symbol.clone(), price, at: self.now };
            let accounts = self.accounts.keys();
            self.outbox.extend(accounts.map(|account| (*account, StreamEvent::Mark(mark.clone()))));
        }
        if !idle {
            let done = self.run_due(symbol, was_last, was_mark);
            self.swallow(done);
        }
    }

    /// What the account streams push, in the order in which it happened; taken once.
    pub fn drain(&mut self) -> Vec<(AccountTag, StreamEvent)> {
        std::mem::take(&mut self.outbox)
    }

    fn tick(&mut self, now: VenueMillis) {
        self.now = self.now.max(now);
    }

    /// Keeps going after a sum that cannot be represented; observers see the count.
    fn swallow(&mut self, done: Result<(), ArithmeticError>) {
        if done.is_err() {
            self.overflows = self.overflows.saturating_add(1);
        }
    }

    fn tell(&mut self, id: ObjectId, trade: Option<Trade>) {
        self.changes = self.changes.saturating_add(1);
        if let Some(object) = self.objects.get(&id) {
            self.outbox.push((object.account, StreamEvent::Order(object.report(trade))));
        }
    }

    fn tell_position(&mut self, account: AccountTag, symbol: &Symbol, direction: kraite_core::exchange::Direction) {
        self.changes = self.changes.saturating_add(1);
        if let Some(holder) = self.accounts.get(&account) {
            self.outbox.push((account, StreamEvent::Position(holder.report(symbol, direction, self.now))));
        }
    }

    /// Takes a new object into the books. It is not told yet.
    fn enter(&mut self, object: OrderObject) -> ObjectId {
        self.changes = self.changes.saturating_add(1);
        let id = object.id;
        if let Some(account) = self.accounts.get_mut(&object.account) {
            if object.is_open() {
                account.open.insert(id);
            } else {
                account.closed.insert((object.changed_at, id));
            }
            if let Some(client) = object.client_id() {
                account.by_client.entry(client).or_default().push(id);
            }
        }
        if object.is_open()
            && let Some(market) = self.markets.get_mut(&object.symbol)
        {
            market.index(&object);
        }
        self.objects.insert(object);
        id
    }

    fn new_id(&mut self) -> ObjectId {
        let id = ObjectId(self.next_object);
        self.next_object = self.next_object.saturating_add(1);
        id
    }

    /// Ends an object (or marks it triggered) and takes it out of the books. It is not told yet.
    fn retire(&mut self, id: ObjectId, status: ReportStatus) {
        let now = self.now;
        let Some(object) = self.objects.get_mut(id) else { return };
        if !object.is_open() {
            return;
        }
        self.changes = self.changes.saturating_add(1);
        if let Some(market) = self.markets.get_mut(&object.symbol) {
            market.unindex(object);
        }
        object.status = status;
        object.changed_at = now;
        if let Some(account) = self.accounts.get_mut(&object.account) {
            account.open.remove(&id);
            account.closed.insert((now, id));
        }
    }

    /// Ends an object and tells it.
    fn end(&mut self, id: ObjectId, status: ReportStatus) {
        self.retire(id, status);
        self.tell(id, None);
    }

    fn refused(&self, refusal: Refusal) -> Outcome {
        if refusal == Refusal::DuplicateId {
            return Outcome::Unknown(Cause::DuplicateId);
        }
        Outcome::Rejected(Reject {
            kind: refusal.kind(),
            code: self.profile.quirks.code(refusal),
            message: refusal.words().into(),
        })
    }

    fn accepted(&self, id: ObjectId) -> Outcome {
        let report = self.objects.get(&id).map(|object| {
            let mut report = object.report(None);
            match self.profile.quirks.ack {
                AckDetail::Full => {}
                AckDetail::NoAverage => report.average_price = None,
                AckDetail::IdOnly => {
                    report.status = ReportStatus::New;
                    report.stated = None;
                    report.executed = None;
                    report.average_price = None;
                    report.at = object.created_at;
                }
            }
            Box::new(report)
        });
        Outcome::Accepted(Ack { report })
    }
}

const fn service_of(request: &Request) -> Service {
    match request {
        Request::Place(order) if order.shape.is_conditional() => Service::Conditional,
        Request::PlacePair(_) => Service::PositionPlan,
        Request::Cancel(order) => order.service,
        Request::Amend(change, _) => change.order.service,
        Request::Place(_) | Request::SetMarginMode(..) | Request::SetLeverage(..) | Request::ClosePosition(..) => {
            Service::Regular
        }
    }
}
