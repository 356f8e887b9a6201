//! One account's loop: input in, step, append, release, execute concurrently, answers back to the inbox.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use futures_util::StreamExt as _;
use kraite_core::engine::{
    Answer, Command, CommandId, Config, Effect, Engine, Input, InputKind, Notice, Query, Released, Request,
    RestoreError, Sent, commit_all,
};
use kraite_core::exchange::{
    Cause, Exchange, NewOrder, OrderShape, Outcome, PairOutcome, Purpose, ReadError, StreamEvent,
};
use kraite_core::id::{AccountTag, Symbol};
use kraite_core::instrument::Instrument;
use kraite_core::journal::{Journal, JournalError, Record};
use kraite_core::time::{Millis, Moment, VenueMillis};
use tokio::sync::{mpsc, watch};

use crate::clock::{Clock, VenueClock};

/// Inputs that may wait for the reactor; a full inbox makes executors wait, never drops.
const INBOX: usize = 1_024;
/// Inputs that are decided on before one write makes all of them durable, at most.
const TOGETHER: usize = 32;
/// The venue's clock is measured this often.
const CLOCK_EVERY: Millis = Millis::from_secs(60);
/// A call that has not ended after this long has no answer (R20).
const CALL_BOUND: Millis = Millis::from_secs(30);
/// A stream that ended is opened again after 2^n seconds, at most this (R111).
const RECONNECT_MAX: Millis = Millis::from_secs(30);
/// A snapshot is stored after this many records unless it is told otherwise, so that a restart does not fold all
/// of history.
pub(crate) const SNAPSHOT_EVERY: u64 = 1_000;

/// Watches what a reactor commits, for logs, demos and tests. Never blocks for long: it is on the path.
pub trait Observer: Send {
    /// A step is durable and its effects are about to be executed. Steps that became durable with it may follow:
    /// `engine` stands behind the last of them.
    fn committed(&mut self, engine: &Engine, record: Option<&Record>, effects: &[Effect]);

    /// Somebody should know.
    fn notice(&mut self, notice: &Notice);

    /// A command was taken and changes nothing: what it asks for is so already, or on its way.
    fn unchanged(&mut self, _command: CommandId) {}

    /// The account cannot be worked on for now, which is tried again after this long. What is open there stands as
    /// its exchange has it.
    fn interrupted(&mut self, _why: &str, _again_after: Millis) {}
}

/// Hears what somebody should know, and nothing else.
impl<F: FnMut(&Notice) + Send> Observer for F {
    fn committed(&mut self, _: &Engine, _: Option<&Record>, _: &[Effect]) {}

    fn notice(&mut self, notice: &Notice) {
        self(notice);
    }
}

/// Why a reactor ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum ReactorError {
    /// The journal failed: nothing is sent any more; start again from the journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal cannot be folded into a state.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The venue's clock could not be read, so nothing could be signed.
    #[error("the exchange's clock could not be read: {0}")]
    Clock(ReadError),
}

/// How a reactor ended.
#[derive(Debug)]
pub struct Stopped {
    /// The engine as it stood, for a last look.
    pub engine: Engine,
}

/// Gives commands to a running reactor. Dropping every handle stops it.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<(CommandId, Command)>,
}

/// A channel of commands: what a [`Handle`] puts in, and where a reactor takes it out.
pub(crate) fn commands() -> (Handle, Commands) {
    let (sender, receiver) = mpsc::channel(INBOX);
    (Handle { commands: sender }, receiver)
}

pub(crate) type Commands = mpsc::Receiver<(CommandId, Command)>;

impl Handle {
    /// Hands a command over; `false` once the reactor has ended.
    pub async fn command(&self, id: CommandId, command: Command) -> bool {
        self.commands.send((id, command)).await.is_ok()
    }
}

/// Drives one account.
pub struct Reactor<O> {
    pub(crate) account: AccountTag,
    pub(crate) config: Config,
    pub(crate) exchange: Arc<dyn Exchange>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) clock: Clock,
    pub(crate) observer: O,
    pub(crate) commands: Commands,
    /// Commands that were taken out and not looked at.
    pub(crate) pending: VecDeque<(CommandId, Command)>,
    pub(crate) snapshot_every: u64,
}

impl<O: Observer> Reactor<O> {
    /// A reactor that has not started, and the handle that commands it.
    pub fn new(
        account: AccountTag,
        config: Config,
        exchange: Arc<dyn Exchange>,
        journal: Arc<dyn Journal>,
        clock: Clock,
        observer: O,
    ) -> (Self, Handle) {
        let (handle, commands) = commands();
        let snapshot_every = SNAPSHOT_EVERY;
        let pending = VecDeque::new();
        (Self { account, config, exchange, journal, clock, observer, commands, pending, snapshot_every }, handle)
    }

    /// Stores a snapshot after this many records, at least one: fewer make a start shorter and writing dearer.
    #[must_use]
    pub fn snapshot_every(mut self, records: u64) -> Self {
        self.snapshot_every = records.max(1);
        self
    }

    /// Restores the account from its journal and runs it until every handle is dropped.
    pub async fn run(mut self) -> Result<Stopped, ReactorError> {
        self.live().await
    }

    pub(crate) async fn live(&mut self) -> Result<Stopped, ReactorError> {
        let epoch = self.journal.acquire(self.account).await?;
        let loaded = self.journal.load(self.account).await?;
        let capabilities = self.exchange.capabilities().clone();
        // Not from where this life begins: lives that are all shorter than the distance would never store one.
        let mut snapshot_at = loaded.snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
        let mut engine = Engine::restore(self.config.clone(), capabilities, self.account, epoch, loaded)?;
        let (timekeeper, venue_clock) = watch::channel(measure(&self.exchange, &self.clock).await?);
        let (inbox, mut inputs) = mpsc::channel::<InputKind>(INBOX);
        let mut at = venue_clock.borrow().moment(self.clock.now());
        self.take(&mut engine, at, &inbox, vec![InputKind::Started]).await?;
        let time = tokio::spawn(keep_time(Arc::clone(&self.exchange), self.clock.clone(), timekeeper));
        let stream = tokio::spawn(follow_stream(Arc::clone(&self.exchange), self.clock.clone(), inbox.clone()));
        let result = loop {
            let wake = engine.next_deadline().map(|deadline| deadline.at);
            let kind = tokio::select! {
                biased;
                input = inputs.recv() => match input {
                    Some(kind) => kind,
                    None => break Ok(()),
                },
                command = next_command(&mut self.pending, &mut self.commands) => match command {
                    Some((id, command)) => InputKind::Command(id, command),
                    None => break Ok(()),
                },
                () = sleep_until(&self.clock, wake) => InputKind::Deadline,
            };
            at = venue_clock.borrow().moment(self.clock.now());
            let mut kinds = vec![kind];
            // The frames of one fill come together, and so do the outcomes of a batch.
            while kinds.len() < TOGETHER
                && let Ok(kind) = inputs.try_recv()
            {
                kinds.push(kind);
            }
            if let Err(error) = self.take(&mut engine, at, &inbox, kinds).await {
                break Err(error);
            }
            if engine.state().seq.saturating_sub(snapshot_at) >= self.snapshot_every {
                if let Err(error) = self.journal.save_snapshot(self.account, &engine.snapshot()).await {
                    break Err(error.into());
                }
                snapshot_at = engine.state().seq;
            }
        };
        stream.abort();
        time.abort();
        result.map(|()| Stopped { engine })
    }

    /// What is there: decide, append, release, start executing. An error of the journal ends the reactor, and
    /// with it every chance to send.
    async fn take(
        &mut self,
        engine: &mut Engine,
        at: Moment,
        inbox: &mpsc::Sender<InputKind>,
        kinds: Vec<InputKind>,
    ) -> Result<(), ReactorError> {
        let command = |kind: &InputKind| if let InputKind::Command(id, _) = kind { Some(*id) } else { None };
        let commands: Vec<Option<CommandId>> = kinds.iter().map(command).collect();
        let steps = kinds.into_iter().map(|kind| engine.step(Input { at, kind })).collect();
        for (released, command) in commit_all(self.journal.as_ref(), steps).await?.into_iter().zip(commands) {
            if let Some(command) = command.filter(|_| released.record.is_none()) {
                self.observer.unchanged(command);
            }
            self.release(engine, at, inbox, released);
        }
        Ok(())
    }

    fn release(&mut self, engine: &Engine, at: Moment, inbox: &mpsc::Sender<InputKind>, released: Released) {
        self.observer.committed(engine, released.record.as_ref(), &released.effects);
        let mut ladders: BTreeMap<VenueMillis, Vec<NewOrder>> = BTreeMap::new();
        let spawn = |call: Mutation, not_after: VenueMillis| {
            tokio::spawn(send(Arc::clone(&self.exchange), self.clock.clone(), inbox.clone(), call, not_after));
        };
        for effect in released.effects {
            match effect {
                Effect::Notify(notice) => self.observer.notice(&notice),
                Effect::Send { request: Request::Place(order), not_after } if is_of_a_ladder(&order) => {
                    ladders.entry(not_after).or_default().push(order);
                }
                Effect::Send { request, not_after } => spawn(Mutation::One(request), not_after),
                Effect::Query(query) => {
                    let (exchange, clock) = (Arc::clone(&self.exchange), self.clock.clone());
                    tokio::spawn(ask(exchange, clock, inbox.clone(), query, at.venue));
                }
            }
        }
        for (not_after, orders) in ladders {
            spawn(Mutation::Ladder(orders), not_after);
        }
    }
}

/// One call of the backend that may change something.
enum Mutation {
    One(Request),
    /// Orders that leave together, for the backend to send as it likes best.
    Ladder(Vec<NewOrder>),
}

impl Mutation {
    fn sent(&self) -> Vec<Sent> {
        match self {
            Self::One(request) => request.sent(),
            Self::Ladder(orders) => orders.iter().map(|order| Sent::Place(order.id)).collect(),
        }
    }
}

/// Rungs have no edges among themselves, and nothing waits for one of them; what protects goes alone, so that no answer to
/// another order holds it up.
fn is_of_a_ladder(order: &NewOrder) -> bool {
    order.purpose == Purpose::Open && matches!(order.shape, OrderShape::Limit { .. })
}

async fn next_command(
    pending: &mut VecDeque<(CommandId, Command)>,
    commands: &mut Commands,
) -> Option<(CommandId, Command)> {
    match pending.pop_front() {
        Some(command) => Some(command),
        None => commands.recv().await,
    }
}

async fn sleep_until(clock: &Clock, wake: Option<kraite_core::time::LocalMillis>) {
    match wake {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn measure(exchange: &Arc<dyn Exchange>, clock: &Clock) -> Result<VenueClock, ReactorError> {
    let before = clock.now();
    let backend = Arc::clone(exchange);
    let asked = bounded(clock, async move { backend.server_time().await }).await;
    let venue = asked.unwrap_or_else(|| Err(ReadError::NoAnswer("no answer in time".into())));
    Ok(VenueClock::measured(before, venue.map_err(ReactorError::Clock)?, clock.now()))
}

/// Measures the venue's clock beside the reactor, which must not wait for it.
async fn keep_time(exchange: Arc<dyn Exchange>, clock: Clock, told: watch::Sender<VenueClock>) {
    loop {
        clock.sleep(CLOCK_EVERY).await;
        if let Ok(fresh) = measure(&exchange, &clock).await
            && told.send(fresh).is_err()
        {
            return;
        }
    }
}

/// A call of the backend; `None` when it panicked or did not end in time. Whatever it was, the engine gets
/// an outcome.
async fn bounded<T: Send + 'static>(clock: &Clock, call: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let mut task = tokio::spawn(call);
    tokio::select! {
        biased;
        done = &mut task => done.ok(),
        () = clock.sleep(CALL_BOUND) => {
            task.abort();
            None
        }
    }
}

/// Makes one call, once, and hands back an outcome for everything in it.
async fn send(
    exchange: Arc<dyn Exchange>,
    clock: Clock,
    inbox: mpsc::Sender<InputKind>,
    call: Mutation,
    not_after: VenueMillis,
) {
    let sent = call.sent();
    let outcomes = bounded(&clock, async move {
        match &call {
            Mutation::One(request) => execute(exchange.as_ref(), request, not_after).await,
            Mutation::Ladder(orders) => exchange.place(orders, not_after).await,
        }
    })
    .await;
    let mut outcomes = outcomes.unwrap_or_else(|| vec![Outcome::Unknown(Cause::Timeout); sent.len()]).into_iter();
    for sent in sent {
        // A backend that answers too little has told us nothing.
        let outcome = outcomes.next().unwrap_or(Outcome::Unknown(Cause::Undecodable));
        let _ = inbox.send(InputKind::Outcome(sent, outcome)).await;
    }
}

async fn execute(exchange: &dyn Exchange, request: &Request, not_after: VenueMillis) -> Vec<Outcome> {
    match request {
        Request::Place(order) => exchange.place(std::slice::from_ref(order), not_after).await,
        Request::PlacePair(pair) => {
            let PairOutcome { stop, target } = exchange.place_position_tpsl(pair, not_after).await;
            vec![stop, target]
        }
        Request::Amend(change, _) => vec![exchange.amend(change, not_after).await],
        Request::Cancel(order) => vec![exchange.cancel(order, not_after).await],
        Request::SetMarginMode(_, symbol, mode) => vec![exchange.set_margin_mode(symbol, *mode, not_after).await],
        Request::SetLeverage(_, symbol, leverage) => vec![exchange.set_leverage(symbol, *leverage, not_after).await],
        Request::ClosePosition(_, position) => vec![exchange.close_position(position, not_after).await],
    }
}

/// Asks one question and hands back an answer, whatever happens.
async fn ask(
    exchange: Arc<dyn Exchange>,
    clock: Clock,
    inbox: mpsc::Sender<InputKind>,
    query: Query,
    now: VenueMillis,
) {
    let asked = query.clone();
    let answer = bounded(&clock, async move { answer(exchange.as_ref(), query, now).await }).await;
    let answer = answer.unwrap_or_else(|| Answer::unanswered(asked, ReadError::NoAnswer("no answer in time".into())));
    let _ = inbox.send(InputKind::Answer(answer)).await;
}

/// Asks a venue one question of the engine, which changes nothing there. History is asked for until a little after
/// `now`.
pub async fn answer(exchange: &dyn Exchange, query: Query, now: VenueMillis) -> Answer {
    match query {
        Query::Lookup(order, endpoint) => {
            let result = exchange.lookup(&order, endpoint).await;
            Answer::Lookup(order, endpoint, result)
        }
        Query::OpenOrders(symbol) => {
            let result = exchange.open_orders(Some(symbol.clone())).await;
            Answer::OpenOrders(symbol, result)
        }
        Query::AllOpenOrders => Answer::AllOpenOrders(exchange.open_orders(None).await),
        Query::Positions => Answer::Positions(exchange.positions().await),
        Query::History(symbol, from) => {
            let result = exchange.history(&symbol, from, now.plus(HISTORY_AHEAD)).await;
            Answer::History(symbol, from, result)
        }
        Query::Mark(symbol) => {
            let result = exchange.mark_price(&symbol).await;
            Answer::Mark(symbol, result)
        }
        Query::Rules(symbol) => {
            let result = rules(exchange, &symbol).await;
            Answer::Rules(symbol, result.map(Box::new))
        }
        Query::Books(symbol, direction, from) => {
            let result = exchange.books(&symbol, direction, from, now).await;
            Answer::Books(symbol, direction, from, result)
        }
    }
}

/// The rules of one contract from the list of all. Where the list has no leverage brackets, they are asked for;
/// without an answer they are left out, and the engine keeps those it has.
async fn rules(exchange: &dyn Exchange, symbol: &Symbol) -> Result<Instrument, ReadError> {
    let listed = exchange.instruments().await?.into_iter().find(|rules| rules.symbol == *symbol);
    let mut rules = listed.ok_or_else(|| ReadError::Refused(format!("{symbol} is not listed").into()))?;
    if rules.brackets.is_empty() {
        rules.brackets = exchange.leverage_brackets(symbol).await.unwrap_or_default();
    }
    Ok(rules)
}

/// How long to wait after the n-th failure in a row (R111).
pub(crate) fn reconnect_wait(failures: u32) -> Millis {
    Millis::from_secs(1i64.checked_shl(failures.min(5)).unwrap_or(32)).min(RECONNECT_MAX)
}

/// History is asked for up to a little after now, so that a slow clock of ours hides nothing.
const HISTORY_AHEAD: Millis = Millis::from_secs(5);

/// Keeps the account stream open; each (re)connection begins with `Connected`, which makes the engine read
/// a snapshot before it trusts frames.
async fn follow_stream(exchange: Arc<dyn Exchange>, clock: Clock, inbox: mpsc::Sender<InputKind>) {
    let mut failures = 0u32;
    loop {
        if let Ok(mut stream) = exchange.account_stream().await {
            failures = 0;
            while let Some(event) = stream.next().await {
                if inbox.send(InputKind::Push(event)).await.is_err() {
                    return;
                }
            }
            if inbox.send(InputKind::Push(StreamEvent::Disconnected)).await.is_err() {
                return;
            }
        }
        failures = failures.saturating_add(1);
        clock.sleep(reconnect_wait(failures)).await;
    }
}
