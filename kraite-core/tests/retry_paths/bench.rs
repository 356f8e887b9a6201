//! An engine on a bench: its clock is turned by hand, its requests are answered as a test says, its
//! questions from its own rows, and its state can be changed between two runs as a journal would hold it.

use std::collections::BTreeSet;

use kraite_core::capabilities::{AbsenceRule, Capabilities, Protection, ProtectiveRepeat, Reprice, StopSizing};
use kraite_core::engine::{
    Alert, Answer, Command, CommandId, Config, Effect, Engine, Event, Input, InputKind, OpenRequest, Query, Request,
    Sent, State,
};
use kraite_core::exchange::{
    Ack, BookedTrade, Books, Cause, Direction, Endpoint, Lookup, MarginMode, Mark, OrderReport, Outcome, Payment,
    PositionMode, PositionReport, Reading, Reject, RejectKind, ReportStatus, ReportedId, Service, Side, Stated,
    StreamEvent, Trade, TriggerBy,
};
use kraite_core::id::{
    AccountTag, ClientOrderId, Epoch, LogicalOrder, PositionNo, Role, Symbol, TradeId, VenueOrderId,
};
use kraite_core::instrument::{Instrument, PriceBand};
use kraite_core::journal::{Loaded, Record, Snapshot};
use kraite_core::number::{Factor, Price, Qty};
use kraite_core::order::Order;
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::position::Position;
use kraite_core::sizing::{Budget, LadderSpec, SizingModel, TargetBasis};
use kraite_core::time::{LocalMillis, Millis, Moment, VenueMillis};

const BORN: i64 = 1_760_000_000_000;
/// A mark is pushed at least this often: nothing here fails for an old price.
const MARK_EVERY: i64 = 5_000;

/// What becomes of one placement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Taken; market orders fill at once.
    Accept,
    /// Nobody answers.
    Silence,
}

/// How questions about the venue's orders are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Venue {
    /// With every object that a row of ours has.
    Honest,
    /// Honestly, but for the orders under test: those are nowhere, again and again.
    Forgets,
}

/// The venue's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub protection: Protection,
    pub stop_sizing: StopSizing,
    pub style: TargetStyle,
}

impl Shape {
    pub const SEPARATE: Self = Self {
        protection: Protection::Separate,
        stop_sizing: StopSizing::ClosePosition,
        style: TargetStyle::TriggerMarket,
    };
    pub const PAIRED: Self = Self { protection: Protection::Paired, ..Self::SEPARATE };
    pub const LIMIT_TARGET: Self = Self { style: TargetStyle::Limit, ..Self::SEPARATE };
    pub const SIZED_STOP: Self = Self { stop_sizing: StopSizing::Quantity, ..Self::SEPARATE };

    fn capabilities(self) -> Capabilities {
        let rule = || AbsenceRule {
            window: Millis::from_secs(3),
            engine_bound: Millis::from_secs(5),
            endpoints: vec![Endpoint::Order, Endpoint::OpenOrders, Endpoint::History],
            readings: 2,
            gap: Millis::from_secs(1),
            retention: Millis::from_secs(3 * 86_400),
        };
        let reprice = match self.protection {
            Protection::Separate => Reprice::MakeBeforeBreak,
            Protection::Paired => Reprice::RestatePair,
        };
        Capabilities {
            protection: self.protection,
            stop_sizing: self.stop_sizing,
            reprice_limit: reprice,
            reprice_trigger: reprice,
            protective_repeat: ProtectiveRepeat::Harmless,
            absence_regular: rule(),
            absence_conditional: rule(),
            absence_plan: rule(),
            max_conditional_orders: Some(200),
            batch_size: 5,
            may_refuse_deep_rungs: false,
            connect_ramp: Millis(1_000),
            closes_whole: self.protection == Protection::Paired,
        }
    }
}

/// What every trade costs where the books tell it.
pub const FEE: &str = "0.07";

pub fn account() -> AccountTag {
    AccountTag::new(1).unwrap()
}

fn instrument() -> Instrument {
    Instrument {
        symbol: symbol(),
        quote: "USDT".into(),
        tick: "0.01".parse().unwrap(),
        lot: "0.01".parse().unwrap(),
        market_lot: "0.01".parse().unwrap(),
        min_qty: "0.01".parse().unwrap(),
        max_qty: "100000".parse().unwrap(),
        max_market_qty: "100000".parse().unwrap(),
        min_price: "0.01".parse().unwrap(),
        max_price: None,
        min_notional: "5".parse().unwrap(),
        band: PriceBand::default(),
        max_orders: Some(200),
        brackets: Vec::new(),
        maker_fee: Factor::ZERO,
        taker_fee: Factor::ZERO,
    }
}

pub fn symbol() -> Symbol {
    Symbol::new("TESTUSDT")
}

fn mark_price() -> Price {
    "150.24".parse().unwrap()
}

fn request(style: TargetStyle, now: i64) -> OpenRequest {
    let number = |text: &str| text.parse().unwrap();
    OpenRequest {
        instrument: instrument(),
        spec: LadderSpec {
            direction: Direction::Long,
            rungs: 3,
            gap: number("8.5"),
            multipliers: vec![Factor::from_integer(2)],
            profit: number("0.36"),
            stop: number("2.5"),
            model: SizingModel::Unbounded,
            basis: TargetBasis::AverageEntry,
            headroom: number("0.5"),
        },
        budget: Budget { margin: "100".parse().unwrap(), leverage_cap: 20 },
        sequence: Sequence::LadderFirst,
        target_style: style,
        stop_by: TriggerBy::Mark,
        mode: PositionMode::OneWay,
        margin_mode: MarginMode::Cross,
        mark: Mark { symbol: symbol(), price: mark_price(), at: VenueMillis(now) },
    }
}

/// One engine, its clock, and everything it ever handed to the wire.
#[derive(Clone)]
pub struct Bench {
    shape: Shape,
    config: Config,
    pub engine: Engine,
    pub now: i64,
    marked_at: i64,
    asked: Vec<Query>,
    unanswered: Vec<Sent>,
    /// What [`Venue::Forgets`] is about.
    pub forgotten: Vec<ClientOrderId>,
    /// Every placement, in order: a pair is two.
    pub placed: Vec<ClientOrderId>,
    /// Somebody else has an order on the contract.
    pub foreign: bool,
    /// On which side that is.
    pub others_side: Direction,
    /// What somebody else has open on the contract, as long as it is not taken over.
    pub others: Qty,
    /// Funding that the venue has booked.
    pub funding: Vec<Payment>,
    /// Every alert, in order.
    pub told: Vec<Alert>,
    /// Every record, in order.
    pub records: Vec<Record>,
}

impl Bench {
    /// A fresh account, just started.
    pub fn new(shape: Shape) -> Self {
        Self::with(shape, Config::default())
    }

    /// The same under other bounds.
    pub fn with(shape: Shape, config: Config) -> Self {
        Self::over(shape, config, State::new(account()), BORN)
    }

    /// An engine restored from a state, at an instant; it is told nothing.
    fn over(shape: Shape, config: Config, state: State, now: i64) -> Self {
        #[cfg(kraite_zoo)]
        let _ = std::env::var("KRAITE_BUG").map(|id| kraite_core::zoo::wake_by_id(&id));
        let loaded = Loaded { snapshot: Some(Snapshot { seq: state.seq, state }), records: Vec::new() };
        let epoch = Epoch::new(1).unwrap();
        let engine = Engine::restore(config.clone(), shape.capabilities(), account(), epoch, loaded).unwrap();
        Self {
            shape,
            config,
            engine,
            now,
            marked_at: 0,
            forgotten: vec![],
            asked: vec![],
            unanswered: vec![],
            placed: vec![],
            foreign: false,
            others_side: Direction::Long,
            others: Qty::ZERO,
            funding: vec![],
            told: vec![],
            records: vec![],
        }
    }

    /// The same account in a new run whose journal holds a changed state.
    pub fn reborn(&self, change: impl FnOnce(&mut State)) -> Self {
        let mut state = self.engine.state().clone();
        change(&mut state);
        Self::over(self.shape, self.config.clone(), state, self.now)
    }

    /// The same account in a new run under other limits.
    pub fn reborn_under(&self, config: Config) -> Self {
        Self::over(self.shape, config, self.engine.state().clone(), self.now)
    }

    /// Gives a command.
    pub fn command(&mut self, id: u64, command: Command) {
        self.feed(InputKind::Command(CommandId(id), command));
    }

    /// Every fact that was recorded, in order.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.records.iter().flat_map(|record| &record.events)
    }

    /// Opens a position and lets every placement end as `reply` says.
    pub fn open(&mut self, reply: &dyn Fn(ClientOrderId) -> Reply) {
        self.feed(InputKind::Started);
        let request = Box::new(request(self.shape.style, self.now));
        self.feed(InputKind::Command(CommandId(1), Command::Open(request)));
        self.run(3_000, Venue::Honest, reply);
    }

    /// What [`Self::open`] asks for, as of now.
    pub fn request(&self) -> OpenRequest {
        request(self.shape.style, self.now)
    }

    /// Everything that was sent and has no answer yet.
    pub fn take_sent(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.unanswered)
    }

    pub fn position(&self) -> &Position {
        self.engine.state().positions.values().next().unwrap()
    }

    pub fn no(&self) -> PositionNo {
        self.position().no
    }

    pub fn latest(&self, role: Role) -> &Order {
        self.position().latest(role).unwrap_or_else(|| panic!("no {role}"))
    }

    /// Takes one input and keeps what it led to.
    pub fn feed(&mut self, kind: InputKind) {
        let at = Moment { local: LocalMillis(self.now), venue: VenueMillis(self.now), error: Millis(5) };
        let step = self.engine.step(Input { at, kind });
        self.records.extend(step.record().cloned());
        for effect in step.preview() {
            match effect {
                Effect::Send { request, .. } => {
                    if matches!(request, Request::Place(_) | Request::PlacePair(_)) {
                        self.placed.extend(request.sent().into_iter().filter_map(|sent| match sent {
                            Sent::Place(id) => Some(id),
                            _ => None,
                        }));
                    }
                    self.unanswered.extend(request.sent());
                }
                Effect::Query(query) => self.asked.push(query.clone()),
                Effect::Notify(notice) => self.told.push(notice.alert),
            }
        }
    }

    /// Lets time pass: answers what is asked, replies to what is sent, keeps every deadline.
    pub fn run(&mut self, span: i64, venue: Venue, reply: &dyn Fn(ClientOrderId) -> Reply) {
        let end = self.now + span;
        while self.now < end {
            if self.now - self.marked_at >= MARK_EVERY {
                self.marked_at = self.now;
                self.feed(InputKind::Push(StreamEvent::Mark(self.mark())));
            }
            for sent in std::mem::take(&mut self.unanswered) {
                self.answer_sent(sent, reply);
            }
            for query in std::mem::take(&mut self.asked) {
                let answer = self.answer(query, venue);
                self.feed(InputKind::Answer(answer));
            }
            if self.asked.is_empty() && self.unanswered.is_empty() {
                let due = self.engine.next_deadline().map_or(end, |d| d.at.0);
                self.now = due.clamp(self.now + 1, (self.now + MARK_EVERY).min(end));
                self.feed(InputKind::Deadline);
            } else {
                self.now += 1;
            }
        }
    }

    /// The instant that the bench's clock shows; ours and the venue's are one here.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Turns the clock to an instant and lets the engine see it, with a mark if the last one is old.
    pub fn turn_to(&mut self, now: i64) {
        self.now = now;
        if self.now - self.marked_at >= MARK_EVERY {
            self.marked_at = self.now;
            self.feed(InputKind::Push(StreamEvent::Mark(self.mark())));
        }
        self.feed(InputKind::Deadline);
    }

    /// Everything that was asked and has no answer yet.
    pub fn take_asked(&mut self) -> Vec<Query> {
        std::mem::take(&mut self.asked)
    }

    /// Answers what was asked, and says what that was.
    pub fn answer_asked(&mut self, venue: Venue) -> Vec<Query> {
        let asked = self.take_asked();
        for query in &asked {
            self.answer_one_asked(query.clone(), venue);
        }
        asked
    }

    /// Answers one question.
    pub fn answer_one_asked(&mut self, query: Query, venue: Venue) {
        let answer = self.answer(query, venue);
        self.feed(InputKind::Answer(answer));
    }

    /// The venue takes one request.
    pub fn answer_one(&mut self, sent: Sent) {
        self.answer_sent(sent, &|_| Reply::Accept);
    }

    fn answer_sent(&mut self, sent: Sent, reply: &dyn Fn(ClientOrderId) -> Reply) {
        let report = match &sent {
            Sent::Place(id) if reply(*id) == Reply::Silence => return,
            Sent::Place(id) => {
                let order = self.engine.state().order(*id).unwrap();
                let market = matches!(order.role(), Role::Entry | Role::Close);
                Some(Box::new(self.report(order, if market { ReportStatus::Filled } else { ReportStatus::New })))
            }
            Sent::Cancel(id, _) => {
                let order = self.engine.state().order(*id).unwrap();
                Some(Box::new(self.report(order, ReportStatus::Cancelled)))
            }
            Sent::Amend(..) | Sent::Setup(..) | Sent::ClosePosition(_) => None,
        };
        self.feed(InputKind::Outcome(sent, Outcome::Accepted(Ack { report })));
    }

    /// The venue's word about an order that stands exactly as it was asked for.
    pub fn report(&self, order: &Order, status: ReportStatus) -> OrderReport {
        let filled = status == ReportStatus::Filled;
        let at = VenueMillis(self.now);
        OrderReport {
            id: ReportedId::Ours(order.id),
            venue_id: venue_id(order.id),
            parent: None,
            service: order.service,
            symbol: symbol(),
            side: order.side,
            direction: Direction::Long,
            status,
            stated: Some(Stated { at, price: order.shape.price(), qty: order.shape.qty() }),
            executed: order.shape.qty().filter(|_| filled),
            average_price: Some(order.shape.price().unwrap_or_else(mark_price)).filter(|_| filled),
            trade: None,
            at,
        }
    }

    /// An order fills as a whole, told by the stream.
    pub fn fill(&mut self, role: Role) {
        let report = self.report(self.latest(role), ReportStatus::Filled);
        self.feed(InputKind::Push(StreamEvent::Order(report)));
    }

    /// The venue says no, however late.
    pub fn refuse(&mut self, id: ClientOrderId, kind: RejectKind) {
        let reject = Reject { kind, code: -1, message: "".into() };
        self.feed(InputKind::Outcome(Sent::Place(id), Outcome::Rejected(reject)));
    }

    /// Nobody knows, however late.
    pub fn lose(&mut self, id: ClientOrderId, cause: Cause) {
        self.feed(InputKind::Outcome(Sent::Place(id), Outcome::Unknown(cause)));
    }

    fn mark(&self) -> Mark {
        Mark { symbol: symbol(), price: mark_price(), at: VenueMillis(self.now) }
    }

    fn answer(&self, query: Query, venue: Venue) -> Answer {
        let shown = |report: &OrderReport| {
            venue == Venue::Honest || !self.forgotten.iter().any(|id| report.id == ReportedId::Ours(*id))
        };
        let known = || self.known().into_iter().filter(shown);
        let open = || {
            let ours = known().filter(|report| !report.status.is_terminal());
            ours.chain(self.foreign.then(|| self.of_others())).collect::<Vec<_>>()
        };
        match query {
            Query::Lookup(order, endpoint) => {
                let one = known().find(|report| report.id == ReportedId::Ours(order.id));
                let found = one.map_or(Lookup::NotFound, |report| Lookup::Found(vec![report]));
                Answer::Lookup(order, endpoint, Ok(self.reading(found, endpoint)))
            }
            Query::OpenOrders(symbol) => Answer::OpenOrders(symbol, Ok(self.reading(open(), Endpoint::OpenOrders))),
            Query::AllOpenOrders => Answer::AllOpenOrders(Ok(self.reading(open(), Endpoint::OpenOrders))),
            Query::Positions => Answer::Positions(Ok(self.reading(self.exposures(), Endpoint::Positions))),
            Query::History(symbol, from) => {
                Answer::History(symbol, from, Ok(self.reading(Vec::new(), Endpoint::History)))
            }
            Query::Mark(symbol) => Answer::Mark(symbol, Ok(self.mark())),
            Query::Rules(symbol) => Answer::Rules(symbol, Ok(Box::new(instrument()))),
            Query::Books(symbol, direction, from) => {
                Answer::Books(symbol, direction, from, Ok(self.reading(self.books(), Endpoint::Fills)))
            }
        }
    }

    /// Every order that executed as one trade with a fee of [`FEE`], one of somebody else, and [`Self::funding`].
    pub fn books(&self) -> Books {
        let at = VenueMillis(self.now);
        let trade = |order: &VenueOrderId, qty, price| {
            let trade = Trade { id: TradeId(format!("t-{order}").into()), qty, price, fee: FEE.parse().unwrap() };
            BookedTrade { order: order.clone(), trade, at }
        };
        let orders = self.engine.state().positions.values().flat_map(|position| position.orders.values());
        let ours = orders.filter_map(|order| {
            let executed = order.executed();
            Some(trade(&venue_id(order.id), executed.qty, executed.cost?.checked_div_qty(executed.qty).ok()?))
        });
        let others = trade(&VenueOrderId::new("somebody"), "1".parse().unwrap(), mark_price());
        Books { trades: ours.chain([others]).collect(), funding: self.funding.clone() }
    }

    fn of_others(&self) -> OrderReport {
        let at = VenueMillis(self.now);
        OrderReport {
            id: ReportedId::Foreign("somebody".into()),
            venue_id: VenueOrderId::new("somebody"),
            parent: None,
            service: Service::Regular,
            symbol: symbol(),
            side: Side::Sell,
            direction: Direction::Long,
            status: ReportStatus::New,
            stated: Some(Stated { at, price: Some("160".parse().unwrap()), qty: Some("0.1".parse().unwrap()) }),
            executed: None,
            average_price: None,
            trade: None,
            at,
        }
    }

    fn reading<T>(&self, value: T, endpoint: Endpoint) -> Reading<T> {
        Reading { value, sent_at: VenueMillis(self.now), endpoint, complete: true }
    }

    /// Every object of ours, as its row remembers it; a plan that was overwritten is none any more.
    fn known(&self) -> Vec<OrderReport> {
        let orders = self.engine.state().positions.values().flat_map(|p| p.orders.values());
        orders
            .filter(|o| !o.superseded)
            .filter_map(|o| o.ledger.status().map(|status| self.report(o, status)))
            .collect()
    }

    fn exposures(&self) -> Vec<PositionReport> {
        let Some(position) = self.engine.state().positions.values().next() else { return Vec::new() };
        let others = if position.adopted().is_some() { Qty::ZERO } else { self.others };
        let qty = position.exposure().checked_add(others).unwrap();
        let at = VenueMillis(self.now);
        let direction = if position.exposure().is_positive() { Direction::Long } else { self.others_side };
        let report = PositionReport { symbol: symbol(), direction, qty, entry_price: None, at };
        if qty.is_positive() { vec![report] } else { Vec::new() }
    }

    /// The placements of one logical order, any attempt.
    pub fn placed_of(&self, logical: LogicalOrder) -> usize {
        self.placed.iter().filter(|id| id.key().logical == logical).count()
    }

    /// The placements of a role, any revision.
    pub fn placed_as(&self, role: Role) -> usize {
        self.placed.iter().filter(|id| id.key().logical.role == role).count()
    }

    /// True while no id was placed twice.
    pub fn each_once(&self) -> bool {
        self.placed.iter().collect::<BTreeSet<_>>().len() == self.placed.len()
    }
}

/// The exchange's name for one of our orders.
pub fn venue_id(id: ClientOrderId) -> VenueOrderId {
    VenueOrderId::new(&format!("v-{id}"))
}
