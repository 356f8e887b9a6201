//! The real core beside the model: each step of the model is an input of a real engine, and what the engine
//! then knows, asks and sends must be what the model says.
//!
//! One tick is longer than every pause of the engine, so that once per tick it does all it waited for. Lists of
//! orders get no answer here: the two endpoints of the model are asked by the order's id. Positions are
//! read at once and truly.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use kraite_core::engine::{
    Answer, Command, CommandId, Config, Effect, InputKind, OpenRequest, Query, Request, Sent, Setup,
};
use kraite_core::exchange::{
    Ack, Cause, Endpoint, Lookup, OrderRef, OrderReport, Outcome, PositionReport, ReadError, Reading, Reject,
    RejectKind, ReportStatus, ReportedId, Service, StreamEvent,
};
use kraite_core::id::{AccountTag, ClientOrderId, Epoch, Role, VenueOrderId};
use kraite_core::journal::{Durable, Journal, JournalError, Loaded, Record, Run, Snapshot};
use kraite_core::order::{Life as CoreLife, Order, Terminal};
use kraite_core::position::Position;
use kraite_core::time::{LocalMillis, Millis, Moment, VenueMillis};
use kraite_core::{Capabilities, Engine, Step, commit};
use kraite_sim::script::{self, Script};
use kraite_sim::world::Nemesis;

use super::protocol::{Action, Death};
use super::worker::Input;
use super::world::{CLOCK_ERROR, ENDPOINTS, ENGINE_BOUND, Life, ROUNDS, WINDOW, Word, World};

/// One tick of the model, longer than the longest pause of the engine (8 s).
const TICK: i64 = 10_000;
const START: i64 = 1_760_000_000_000;
/// So long that it never comes.
const NEVER: Millis = Millis::from_secs(1_000_000);
/// One step of the model leads to no more inputs than this.
const MOST_INPUTS: usize = 64;
/// Where the order is asked for.
const PLACES: [Endpoint; ENDPOINTS] = [Endpoint::Order, Endpoint::History];

/// A journal in memory that shares its records with its clones.
#[derive(Debug, Default)]
struct Log(Mutex<Vec<Arc<Record>>>);

impl Clone for Log {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.records()))
    }
}

impl Log {
    fn records(&self) -> Vec<Arc<Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn loaded(&self) -> Loaded {
        Loaded { snapshot: None, records: self.records().iter().map(|record| (**record).clone()).collect() }
    }
}

#[async_trait]
impl Journal for Log {
    async fn acquire(&self, _: AccountTag) -> Result<Epoch, JournalError> {
        Err(JournalError::Unavailable("the model counts epochs itself".into()))
    }

    async fn append(&self, account: AccountTag, records: &[Record]) -> Result<Durable, JournalError> {
        let run = Run::of(account, records)?;
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend(records.iter().cloned().map(Arc::new));
        Ok(run.durable(account))
    }

    async fn load(&self, _: AccountTag) -> Result<Loaded, JournalError> {
        Ok(self.loaded())
    }

    async fn save_snapshot(&self, _: AccountTag, _: &Snapshot) -> Result<(), JournalError> {
        Ok(())
    }

    async fn accounts(&self) -> Result<Vec<AccountTag>, JournalError> {
        Ok(Vec::new())
    }
}

/// The real core in the place of the model's worker.
#[derive(Debug, Clone)]
pub(crate) struct Twin {
    /// Shared with the twins of worlds that no input lies between.
    engine: Option<Arc<Engine>>,
    capabilities: Arc<Capabilities>,
    log: Log,
    epoch: Epoch,
    now: i64,
    /// Lookups of the newest attempt that wait for an answer: how it was named, when it was asked.
    open: BTreeMap<usize, (OrderRef, VenueMillis)>,
    /// Settings of the contract that wait for their outcome.
    setups: VecDeque<Sent>,
    /// What left in the present step.
    left: Vec<ClientOrderId>,
}

/// What the engine and the model do not agree on.
pub(crate) type Disagreement = String;

impl Twin {
    /// An engine that was asked to open a position and waits for the last setting of the contract.
    pub(crate) fn new(capabilities: &Capabilities) -> Result<Self, Disagreement> {
        let epoch = Epoch::new(1).ok_or("no epoch")?;
        let mut twin = Self {
            engine: None,
            capabilities: Arc::new(capabilities.clone()),
            log: Log::default(),
            epoch,
            now: 0,
            open: BTreeMap::new(),
            setups: VecDeque::new(),
            left: Vec::new(),
        };
        twin.engine = Some(Arc::new(twin.restored()?));
        let open = InputKind::Command(CommandId(1), Command::Open(Box::new(request()?)));
        let mut inputs = VecDeque::from([InputKind::Started, open]);
        for _ in 0..MOST_INPUTS {
            let kind = match (inputs.pop_front(), twin.setups.front()) {
                (Some(kind), _) => kind,
                (None, Some(Sent::Setup(_, Setup::Leverage))) => return Ok(twin),
                (None, Some(_)) => {
                    let sent = twin.setups.pop_front().ok_or("no setting")?;
                    InputKind::Outcome(sent, Outcome::Accepted(Ack::default()))
                }
                (None, None) => {
                    twin.now += 1;
                    InputKind::Deadline
                }
            };
            for effect in twin.step(kind, Death::Spared)?.unwrap_or_default() {
                match effect {
                    Effect::Query(query) => inputs.push_back(InputKind::Answer(clear(query, twin.venue_now()))),
                    Effect::Send { request, .. } => twin.setups.extend(request.sent()),
                    Effect::Notify(notice) => return Err(notice.message),
                }
            }
        }
        Err("the contract is not being set up".into())
    }

    /// Takes one step of the model, which leads from one world to the next, and compares.
    pub(crate) fn follow(&mut self, before: &World, action: Action, after: &World) -> Result<(), Disagreement> {
        self.left.clear();
        match action {
            Action::Tick => self.now += 1,
            Action::Crash => self.crash()?,
            Action::Worker(input, death) => self.input(before, input, death)?,
            Action::Timeout => {
                let newest = before.rows.len().saturating_sub(1);
                let kind = InputKind::Outcome(self.placed(newest)?, Outcome::Unknown(Cause::Timeout));
                self.feed(before, kind, Death::Spared)?;
            }
            Action::Reply(index, death) => self.outcome(before, index, death)?,
            Action::ReplyTwice(index) => self.outcome(before, index, Death::Spared)?,
            Action::Partial(endpoint) => self.input(before, Input::Partial(endpoint), Death::Spared)?,
            Action::LoseAnswer(endpoint) => self.input(before, Input::NoAnswer(endpoint), Death::Spared)?,
            Action::LoseReply(_)
            | Action::DelayReply(_)
            | Action::Arrive(..)
            | Action::LoseRequest(_)
            | Action::DelayRequest(_)
            | Action::NeverLeft(_)
            | Action::Show(_)
            | Action::DelayAnswer(_)
            | Action::Reach(_)
            | Action::Lie(_) => {}
        }
        self.compare(before, after)
    }

    fn moment(&self) -> Moment {
        let now = START + self.now * TICK;
        let error = Millis(i64::from(CLOCK_ERROR) * TICK);
        Moment { local: LocalMillis(now), venue: VenueMillis(now), error }
    }

    fn venue_now(&self) -> VenueMillis {
        self.moment().venue
    }

    fn crash(&mut self) -> Result<(), Disagreement> {
        let Some(engine) = self.engine.take() else { return Err("there is nobody to crash".into()) };
        (self.open, self.setups) = (BTreeMap::new(), VecDeque::new());
        if self.restored()?.state() == engine.state() {
            Ok(())
        } else {
            Err("the journal restores another state".into())
        }
    }

    fn restored(&self) -> Result<Engine, Disagreement> {
        Engine::restore(config(), (*self.capabilities).clone(), script::account(), self.epoch, self.log.loaded())
            .map_err(|error| error.to_string())
    }

    fn input(&mut self, world: &World, input: Input, death: Death) -> Result<(), Disagreement> {
        let kind = match input {
            Input::Open => return self.set_up(world, death),
            Input::Start => {
                self.epoch = self.epoch.next().ok_or("no epoch is left")?;
                self.engine = Some(Arc::new(self.restored()?));
                InputKind::Started
            }
            Input::Wake => InputKind::Deadline,
            Input::Outcome(attempt, word) => InputKind::Outcome(self.placed(usize::from(attempt))?, outcome(word)),
            Input::Answer(endpoint) | Input::Partial(endpoint) => {
                let question = world.memory.as_ref().and_then(|memory| memory.asked[endpoint]).ok_or("no question")?;
                let (order, sent_at) = self.open.remove(&endpoint).ok_or("the core has not asked")?;
                let complete = matches!(input, Input::Answer(_));
                let found = complete && question.seen;
                let value = if found { Lookup::Found(vec![self.report(order.id)?]) } else { Lookup::NotFound };
                let reading = Reading { value, sent_at, endpoint: PLACES[endpoint], complete };
                InputKind::Answer(Answer::Lookup(order, PLACES[endpoint], Ok(reading)))
            }
            Input::NoAnswer(endpoint) => {
                let (order, _) = self.open.remove(&endpoint).ok_or("the core has not asked")?;
                InputKind::Answer(no_answer(Query::Lookup(order, PLACES[endpoint])))
            }
            Input::Push(attempt) => {
                let id = self.entries()?.nth(usize::from(attempt)).ok_or("no such attempt")?.id;
                InputKind::Push(StreamEvent::Order(self.report(id)?))
            }
        };
        self.feed(world, kind, death)
    }

    /// Confirms the settings of the contract; the last one lets the order out.
    fn set_up(&mut self, world: &World, death: Death) -> Result<(), Disagreement> {
        while self.engine.is_some() && self.left.is_empty() {
            let sent = self.setups.pop_front().ok_or("the core waits for something else before its order")?;
            self.feed(world, InputKind::Outcome(sent, Outcome::Accepted(Ack::default())), death)?;
        }
        Ok(())
    }

    fn outcome(&mut self, world: &World, index: usize, death: Death) -> Result<(), Disagreement> {
        let reply = &world.replies[index];
        let kind = InputKind::Outcome(self.placed(usize::from(reply.attempt))?, outcome(reply.word));
        self.feed(world, kind, death)
    }

    /// Gives the engine an input and whatever its environment answers at once.
    fn feed(&mut self, world: &World, kind: InputKind, death: Death) -> Result<(), Disagreement> {
        let mut inputs = VecDeque::from([kind]);
        for _ in 0..MOST_INPUTS {
            let Some(kind) = inputs.pop_front() else { return Ok(()) };
            let Some(effects) = self.step(kind, death)? else { return Ok(()) };
            for effect in effects {
                match effect {
                    Effect::Send { request, .. } => self.leave(&request),
                    Effect::Query(Query::Positions) => inputs.push_back(InputKind::Answer(self.positions(world)?)),
                    Effect::Query(Query::Lookup(order, endpoint)) => self.note_question(order, endpoint)?,
                    Effect::Query(query) => inputs.push_back(InputKind::Answer(no_answer(query))),
                    Effect::Notify(_) => {}
                }
            }
        }
        Err("the core does not come to rest".into())
    }

    /// One step through the production `commit`; `None` when the process died in it.
    fn step(&mut self, kind: InputKind, death: Death) -> Result<Option<Vec<Effect>>, Disagreement> {
        let at = self.moment();
        let engine = self.engine.as_mut().ok_or("the process is dead")?;
        let step = Arc::make_mut(engine).step(kraite_core::Input { at, kind });
        let lets_out = step.preview().iter().any(|effect| {
            matches!(effect, Effect::Send { request: Request::Place(order), .. } if order.id.key().logical.role == Role::Entry)
        });
        if death == Death::Between && lets_out {
            self.append_alone(&step)?;
            self.crash()?;
            return Ok(None);
        }
        Ok(Some(at_once(commit(&self.log, step))?.map_err(|error| error.to_string())?.effects))
    }

    /// The first half of a commit: the record is durable, and nobody releases the effects.
    fn append_alone(&self, step: &Step) -> Result<(), Disagreement> {
        let record = step.record().ok_or("a request without a record")?;
        at_once(self.log.append(script::account(), std::slice::from_ref(record)))?
            .map_err(|error| error.to_string())?;
        Ok(())
    }

    fn leave(&mut self, request: &Request) {
        match request {
            Request::Place(order) if order.id.key().logical.role == Role::Entry => self.left.push(order.id),
            Request::SetMarginMode(..) | Request::SetLeverage(..) => self.setups.extend(request.sent()),
            // What the position does once it is open is not the model's matter.
            _ => {}
        }
    }

    fn note_question(&mut self, order: OrderRef, endpoint: Endpoint) -> Result<(), Disagreement> {
        let newest = self.entries()?.next_back().map(|order| order.id);
        if order.id.key().logical.role != Role::Entry {
            return Ok(());
        }
        if newest != Some(order.id) {
            return Err(format!("the core asks about {:?}, which is not the newest attempt", order.id));
        }
        let place = PLACES.iter().position(|place| *place == endpoint).ok_or("asked where nothing can be")?;
        let now = self.venue_now();
        self.open.insert(place, (order, now));
        Ok(())
    }

    fn position(&self) -> Result<&Position, Disagreement> {
        let engine = self.engine.as_ref().ok_or("the process is dead")?;
        engine.state().positions.values().next().ok_or_else(|| "there is no position".into())
    }

    fn entries(&self) -> Result<impl DoubleEndedIterator<Item = &Order>, Disagreement> {
        Ok(self.position()?.of(Role::Entry))
    }

    fn placed(&self, attempt: usize) -> Result<Sent, Disagreement> {
        let order = self.entries()?.nth(attempt).ok_or_else(|| format!("the core has no attempt {attempt}"))?;
        Ok(Sent::Place(order.id))
    }

    /// What the venue says of a filled entry.
    fn report(&self, id: ClientOrderId) -> Result<OrderReport, Disagreement> {
        let position = self.position()?;
        Ok(OrderReport {
            id: ReportedId::Ours(id),
            venue_id: VenueOrderId::new(&format!("v{}", id.key().attempt)),
            parent: None,
            service: Service::Regular,
            symbol: position.symbol().clone(),
            side: position.direction().opening_side(),
            direction: position.direction(),
            status: ReportStatus::Filled,
            stated: None,
            executed: Some(position.ladder.entry.qty),
            average_price: Some(position.ladder.entry.reference_price),
            trade: None,
            at: self.venue_now(),
        })
    }

    fn positions(&self, world: &World) -> Result<Answer, Disagreement> {
        let position = self.position()?;
        let shown = (0..world.rows.len()).filter(|attempt| world.shows(*attempt));
        let value = shown
            .map(|_| PositionReport {
                symbol: position.symbol().clone(),
                direction: position.direction(),
                qty: position.ladder.entry.qty,
                entry_price: None,
                at: self.venue_now(),
            })
            .collect();
        let reading = Reading { value, sent_at: self.venue_now(), endpoint: Endpoint::Positions, complete: true };
        Ok(Answer::Positions(Ok(reading)))
    }

    fn compare(&mut self, before: &World, after: &World) -> Result<(), Disagreement> {
        let placed = |world: &World, attempt: usize| world.placed.get(attempt).copied().unwrap_or(0);
        let model: Vec<usize> = (0..after.placed.len()).filter(|a| placed(after, *a) > placed(before, *a)).collect();
        let core: Vec<usize> = self.left.iter().map(|id| usize::from(id.key().attempt.get())).collect();
        if model != core {
            return Err(format!("the model places attempts {model:?}, the core {core:?}"));
        }
        if self.engine.is_none() || after.memory.is_none() {
            let dead = (self.engine.is_none(), after.memory.is_none());
            return if dead == (true, true) { Ok(()) } else { Err(format!("who is dead: {dead:?}")) };
        }
        self.compare_rows(after)?;
        if !after.life().is_some_and(Life::is_asked_about) {
            // Whatever was asked about an attempt that is settled is of no interest to anybody.
            self.open.clear();
            return Ok(());
        }
        let model = after.memory.iter().flat_map(|memory| memory.asked).map(|asked| asked.is_some());
        let core = (0..ENDPOINTS).map(|endpoint| self.open.contains_key(&endpoint));
        if model.clone().eq(core.clone()) {
            return Ok(());
        }
        let (model, core): (Vec<bool>, Vec<bool>) = (model.collect(), core.collect());
        Err(format!("open questions by endpoint: the model has {model:?}, the core {core:?}"))
    }

    fn compare_rows(&self, world: &World) -> Result<(), Disagreement> {
        if self.position()?.halted {
            return Err("the core halted the position".into());
        }
        let core: Vec<&Order> = self.entries()?.collect();
        let agrees = core.len() == world.rows.len()
            && core.iter().zip(&world.rows).all(|(order, row)| {
                let not_after = self.venue_now().plus(Millis(i64::from(row.till) * TICK));
                let bound = if row.is_settled() { order.not_after <= not_after } else { order.not_after == not_after };
                bound && is_as(order, row.life)
            });
        if agrees {
            return Ok(());
        }
        let core: Vec<_> = core.iter().map(|o| (o.life, o.not_after.since(self.venue_now()).0 / TICK)).collect();
        Err(format!("the model's rows are {:?}, the core's {core:?}", world.rows))
    }
}

/// What the core's row must look like for the model's.
fn is_as(order: &Order, life: Life) -> bool {
    let retryable = order.refusal.is_some_and(RejectKind::is_retryable);
    match life {
        Life::Unsent => order.life == CoreLife::Planned,
        Life::Sent => order.life == CoreLife::PendingNew,
        Life::Doubt => order.life == CoreLife::InDoubt,
        Life::Working => order.life == CoreLife::Working,
        Life::Filled | Life::Adopted => order.life == CoreLife::Done(Terminal::Filled),
        Life::Again => order.life == CoreLife::Done(Terminal::Refused) && retryable,
        Life::Refused => order.life == CoreLife::Done(Terminal::Refused) && !retryable,
        Life::Absent => order.life == CoreLife::Done(Terminal::Absent),
    }
}

fn outcome(word: Word) -> Outcome {
    let reject = |kind| Outcome::Rejected(Reject { kind, code: 0, message: "".into() });
    match word {
        Word::Taken => Outcome::Accepted(Ack::default()),
        Word::NotNow => reject(RejectKind::RateLimited),
        Word::Never => reject(RejectKind::Margin),
        Word::NotSent => reject(RejectKind::NotSent),
        Word::Unsure => Outcome::Unknown(Cause::ServerError),
        Word::Duplicate => Outcome::Unknown(Cause::DuplicateId),
    }
}

fn no_answer(query: Query) -> Answer {
    Answer::unanswered(query, ReadError::NoAnswer("".into()))
}

/// What an empty account answers.
fn clear(query: Query, sent_at: VenueMillis) -> Answer {
    let reading = |endpoint| Reading { value: Vec::new(), sent_at, endpoint, complete: true };
    match query {
        Query::AllOpenOrders => Answer::AllOpenOrders(Ok(reading(Endpoint::OpenOrders))),
        Query::OpenOrders(symbol) => Answer::OpenOrders(symbol, Ok(reading(Endpoint::OpenOrders))),
        Query::History(symbol, from) => Answer::History(symbol, from, Ok(reading(Endpoint::History))),
        Query::Positions => {
            let value = Vec::new();
            Answer::Positions(Ok(Reading { value, sent_at, endpoint: Endpoint::Positions, complete: true }))
        }
        query @ (Query::Lookup(..) | Query::Mark(_) | Query::Rules(_) | Query::Books(..)) => no_answer(query),
    }
}

/// The bounds of the model; what it leaves out never comes.
fn config() -> Config {
    Config {
        alert_unprotected_after: NEVER,
        close_unprotected_after: NEVER,
        poll_every: NEVER,
        mark_max_age: NEVER,
        opening_bound: NEVER,
        unproven_after: NEVER,
        send_budget: Millis(0),
        max_attempts: u8::MAX,
        ..Config::default()
    }
}

/// A venue whose proof of absence is that of the model.
pub(crate) fn capabilities() -> Capabilities {
    let mut capabilities = kraite_binance::capabilities();
    let rule = &mut capabilities.absence_regular;
    rule.window = Millis(i64::from(WINDOW) * TICK);
    rule.engine_bound = Millis(i64::from(ENGINE_BOUND) * TICK);
    rule.endpoints = PLACES.to_vec();
    rule.readings = ROUNDS;
    rule.retention = NEVER;
    capabilities
}

/// A position without rungs: its order is the entry.
fn request() -> Result<OpenRequest, Disagreement> {
    let world = script::world(
        kraite_sim::presets::binance(),
        Nemesis::scheduled(1, BTreeMap::new()),
        script::Timing::default(),
    );
    let mut request = script::request(&Script::open_to_close(), &world).ok_or("no mark")?;
    request.spec.rungs = 0;
    request.mark.at = VenueMillis(START);
    Ok(request)
}

/// Runs what never waits.
fn at_once<T>(future: impl Future<Output = T>) -> Result<T, Disagreement> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err("a journal in memory waits".into()),
    }
}
