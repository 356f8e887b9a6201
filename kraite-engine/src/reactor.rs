//! One account's loop: input in, step, append, release, execute concurrently, answers back to the inbox.

use std::sync::Arc;

use futures_util::StreamExt as _;
use kraite_core::engine::{
    Answer, Command, CommandId, Config, Effect, Engine, Input, InputKind, Notice, Query, Request, RestoreError, commit,
};
use kraite_core::exchange::{Cause, Exchange, Outcome, PairOutcome, ReadError, StreamEvent};
use kraite_core::id::AccountTag;
use kraite_core::journal::{Journal, JournalError, Record};
use kraite_core::time::{Millis, VenueMillis};
use tokio::sync::mpsc;

use crate::clock::{Clock, VenueClock};

/// Inputs that may wait for the reactor; a full inbox makes executors wait, never drops.
const INBOX: usize = 1_024;
/// The venue's clock is measured this often.
const CLOCK_EVERY: Millis = Millis::from_secs(60);
/// A stream that ended is opened again after 2^n seconds, at most this (R111).
const RECONNECT_MAX: Millis = Millis::from_secs(30);
/// A snapshot is stored after this many records, so that a restart does not read all of history.
const SNAPSHOT_EVERY: u64 = 1_000;

/// Watches what a reactor commits, for logs, demos and tests. Never blocks for long: it is on the path.
pub trait Observer: Send {
    /// A step is durable and its effects are about to be executed.
    fn committed(&mut self, engine: &Engine, record: Option<&Record>, effects: &[Effect]);

    /// Somebody should know.
    fn notice(&mut self, notice: &Notice);
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

impl Handle {
    /// Hands a command over; `false` once the reactor has ended.
    pub async fn command(&self, id: CommandId, command: Command) -> bool {
        self.commands.send((id, command)).await.is_ok()
    }
}

/// Drives one account.
pub struct Reactor<O> {
    account: AccountTag,
    config: Config,
    exchange: Arc<dyn Exchange>,
    journal: Arc<dyn Journal>,
    clock: Clock,
    observer: O,
    commands: mpsc::Receiver<(CommandId, Command)>,
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
        let (sender, commands) = mpsc::channel(INBOX);
        (Self { account, config, exchange, journal, clock, observer, commands }, Handle { commands: sender })
    }

    /// Restores the account from its journal and runs it until every handle is dropped.
    pub async fn run(mut self) -> Result<Stopped, ReactorError> {
        let epoch = self.journal.acquire(self.account).await?;
        let loaded = self.journal.load(self.account).await?;
        let capabilities = self.exchange.capabilities().clone();
        let mut engine = Engine::restore(self.config.clone(), capabilities, self.account, epoch, loaded)?;
        let mut venue_clock = self.measure().await?;
        let mut measured_at = self.clock.now();
        let mut snapshot_at = engine.state().seq;
        let (inbox, mut inputs) = mpsc::channel::<InputKind>(INBOX);
        self.take(&mut engine, &venue_clock, &inbox, InputKind::Started).await?;
        let stream = tokio::spawn(follow_stream(Arc::clone(&self.exchange), self.clock.clone(), inbox.clone()));
        let result = loop {
            let wake = engine.next_deadline().map(|deadline| deadline.at);
            let kind = tokio::select! {
                biased;
                input = inputs.recv() => match input {
                    Some(kind) => kind,
                    None => break Ok(()),
                },
                command = self.commands.recv() => match command {
                    Some((id, command)) => InputKind::Command(id, command),
                    None => break Ok(()),
                },
                () = sleep_until(&self.clock, wake) => InputKind::Deadline,
            };
            if self.clock.now().since(measured_at) >= CLOCK_EVERY
                && let Ok(fresh) = self.measure().await
            {
                venue_clock = fresh;
                measured_at = self.clock.now();
            }
            if let Err(error) = self.take(&mut engine, &venue_clock, &inbox, kind).await {
                break Err(error);
            }
            if engine.state().seq.saturating_sub(snapshot_at) >= SNAPSHOT_EVERY {
                self.journal.save_snapshot(self.account, &engine.snapshot()).await?;
                snapshot_at = engine.state().seq;
            }
        };
        stream.abort();
        result.map(|()| Stopped { engine })
    }

    async fn measure(&self) -> Result<VenueClock, ReactorError> {
        let before = self.clock.now();
        let venue = self.exchange.server_time().await.map_err(ReactorError::Clock)?;
        Ok(VenueClock::measured(before, venue, self.clock.now()))
    }

    /// One input: decide, append, release, start executing. An error of the journal ends the reactor, and
    /// with it every chance to send.
    async fn take(
        &mut self,
        engine: &mut Engine,
        venue_clock: &VenueClock,
        inbox: &mpsc::Sender<InputKind>,
        kind: InputKind,
    ) -> Result<(), ReactorError> {
        let at = venue_clock.moment(self.clock.now());
        let step = engine.step(Input { at, kind });
        let record = step.record().cloned();
        let released = commit(self.journal.as_ref(), step).await?;
        self.observer.committed(engine, record.as_ref(), &released.effects);
        for effect in released.effects {
            match effect {
                Effect::Notify(notice) => self.observer.notice(&notice),
                Effect::Send { request, not_after } => {
                    tokio::spawn(send(Arc::clone(&self.exchange), inbox.clone(), request, not_after));
                }
                Effect::Query(query) => {
                    tokio::spawn(ask(Arc::clone(&self.exchange), inbox.clone(), query, at.venue));
                }
            }
        }
        Ok(())
    }
}

async fn sleep_until(clock: &Clock, wake: Option<kraite_core::time::LocalMillis>) {
    match wake {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Sends one request, once, and hands back an outcome for everything in it.
async fn send(exchange: Arc<dyn Exchange>, inbox: mpsc::Sender<InputKind>, request: Request, not_after: VenueMillis) {
    let sent = request.sent();
    let outcomes = match &request {
        Request::Place(order) => exchange.place(std::slice::from_ref(order), not_after).await,
        Request::PlacePair(pair) => {
            let PairOutcome { stop, target } = exchange.place_position_tpsl(pair, not_after).await;
            vec![stop, target]
        }
        Request::Amend(change, _) => vec![exchange.amend(change, not_after).await],
        Request::Cancel(order) => vec![exchange.cancel(order, not_after).await],
        Request::SetMarginMode(_, symbol, mode) => vec![exchange.set_margin_mode(symbol, *mode, not_after).await],
        Request::SetLeverage(_, symbol, leverage) => vec![exchange.set_leverage(symbol, *leverage, not_after).await],
    };
    let mut outcomes = outcomes.into_iter();
    for sent in sent {
        // A backend that answers too little has told us nothing.
        let outcome = outcomes.next().unwrap_or(Outcome::Unknown(Cause::Undecodable));
        let _ = inbox.send(InputKind::Outcome(sent, outcome)).await;
    }
}

/// Asks one question and hands back an answer, whatever happens.
async fn ask(exchange: Arc<dyn Exchange>, inbox: mpsc::Sender<InputKind>, query: Query, now: VenueMillis) {
    let answer = match query {
        Query::Lookup(order, endpoint) => {
            let result = exchange.lookup(&order, endpoint).await;
            Answer::Lookup(order, endpoint, result)
        }
        Query::OpenOrders(symbol) => {
            let result = exchange.open_orders(Some(symbol.clone())).await;
            Answer::OpenOrders(symbol, result)
        }
        Query::Positions => Answer::Positions(exchange.positions().await),
        Query::History(symbol, from) => {
            let result = exchange.history(&symbol, from, now.plus(HISTORY_AHEAD)).await;
            Answer::History(symbol, from, result)
        }
        Query::Mark(symbol) => {
            let result = exchange.mark_price(&symbol).await;
            Answer::Mark(symbol, result)
        }
    };
    let _ = inbox.send(InputKind::Answer(answer)).await;
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
        let wait = Millis::from_secs(1i64.checked_shl(failures.min(5)).unwrap_or(32)).min(RECONNECT_MAX);
        clock.sleep(wait).await;
    }
}
