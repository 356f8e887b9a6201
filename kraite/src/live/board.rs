//! What the running accounts stand at, for those who ask: kept by the observers, never in the way of a decision.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(feature = "postgres")]
use kraite_core::engine::State;
use kraite_core::engine::{Alert, CommandId, CommandRefusal, Engine, Event, InputKind, Notice};
use kraite_core::id::{AccountTag, PositionNo, Symbol};
use kraite_core::journal::Record;
use kraite_core::order::Life;
use kraite_core::position::{Phase, Protective};
use kraite_core::time::{LocalMillis, Millis};
use kraite_engine::Clock;
use tokio::sync::oneshot;

use super::notify::{Counts, Letter, Outbox};

/// What the core made of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// A position exists for it.
    Opened(PositionNo),
    /// It changed nothing, and why.
    Refused(CommandRefusal),
    /// It was taken.
    Taken,
}

/// One account as its engine last stood.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    /// Positions that are not finished, by contract.
    pub(super) open: BTreeMap<Symbol, PositionNo>,
    /// Positions that need a human: nothing is done about them until one closes them.
    pub(super) failed: BTreeMap<PositionNo, Symbol>,
    /// Those of both with exposure and without a stop at the exchange.
    pub(super) naked: usize,
    /// Orders of both.
    pub(super) orders: usize,
    /// Those of them whose outcome is not known.
    pub(super) in_doubt: usize,
    /// Since when positions are without an accepted stop, one instant for each that is.
    pub(super) unprotected: Vec<LocalMillis>,
    /// The longest that a finished interval without one took.
    worst: Millis,
}

/// What happened on one account since this process began.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    /// Records that became durable.
    pub(super) records: u64,
    /// Notices, by what they are about.
    pub(super) notices: BTreeMap<Alert, u64>,
    /// Commands that changed nothing.
    pub(super) refused: u64,
    worst: Millis,
    /// The account's stream: whether it is up, and since when that is so.
    stream: Option<(Flow, LocalMillis)>,
}

/// Whether the account's stream runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Up,
    Down,
}

/// One account, for whoever watches from outside.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub(super) standing: Standing,
    pub(super) tally: Tally,
    /// The longest that a position is without an accepted stop right now.
    pub(super) unprotected: Millis,
    /// The longest that one was, as far as this process knows.
    pub(super) worst: Millis,
    pub(super) stream: Flow,
    /// How long the stream has been as it is.
    pub(super) stream_age: Millis,
}

#[derive(Debug, Default)]
struct Kept {
    standing: BTreeMap<AccountTag, Standing>,
    tally: BTreeMap<AccountTag, Tally>,
    /// Commands that have opened, and what; the position's number leaves the state before its command does.
    known: BTreeMap<(AccountTag, CommandId), Option<PositionNo>>,
    waiting: BTreeMap<(AccountTag, CommandId), oneshot::Sender<Decision>>,
    /// Where accounts stand that somebody is to be told of, as long as nobody was.
    #[cfg(feature = "postgres")]
    untold: BTreeMap<AccountTag, State>,
}

/// All accounts of this process, for as long as it lives: a journal that is opened again goes on here.
#[derive(Debug)]
pub(super) struct Board {
    clock: Clock,
    began: LocalMillis,
    outbox: Arc<Outbox>,
    kept: Mutex<Kept>,
    /// Whether somebody asks where accounts stand.
    #[cfg(feature = "postgres")]
    is_told: std::sync::atomic::AtomicBool,
}

impl Board {
    pub(super) fn new(clock: Clock, outbox: Arc<Outbox>) -> Self {
        Self {
            began: clock.now(),
            clock,
            outbox,
            kept: Mutex::default(),
            #[cfg(feature = "postgres")]
            is_told: false.into(),
        }
    }

    /// The accounts that have changed since this was asked before, as they stand now.
    #[cfg(feature = "postgres")]
    pub(super) fn changed(&self) -> BTreeMap<AccountTag, State> {
        self.is_told.store(true, std::sync::atomic::Ordering::SeqCst);
        std::mem::take(&mut self.kept().untold)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A step of an account is durable.
    pub(super) fn committed(&self, engine: &Engine, record: &Record) {
        let account = engine.state().account;
        let standing = standing(engine);
        let mut kept = self.kept();
        let tally = kept.tally.entry(account).or_default();
        tally.records += 1;
        tally.worst = tally.worst.max(standing.worst);
        let refused = record.events.iter().filter(|event| matches!(event, Event::CommandRefused(_))).count();
        tally.refused += refused as u64;
        kept.standing.insert(account, standing);
        #[cfg(feature = "postgres")]
        if self.is_told.load(std::sync::atomic::Ordering::SeqCst) {
            kept.untold.insert(account, engine.state().clone());
        }
        if record.input == InputKind::Started {
            let state = engine.state();
            kept.known.extend(state.archived.iter().map(|id| ((account, *id), None)));
            kept.known.extend(state.positions.values().map(|p| ((account, p.opened_by), Some(p.no))));
        }
        let InputKind::Command(id, _) = &record.input else { return };
        let decision = record.events.iter().find_map(|event| match event {
            Event::Opened { position, .. } => Some(Decision::Opened(*position)),
            Event::CommandRefused(refusal) => Some(Decision::Refused(refusal.clone())),
            _ => None,
        });
        if let Some(Decision::Opened(no)) = decision {
            kept.known.insert((account, *id), Some(no));
        }
        if let Some(waiting) = kept.waiting.remove(&(account, *id)) {
            // Who asked may have gone.
            let _ = waiting.send(decision.unwrap_or(Decision::Taken));
        }
    }

    /// A command of an account was taken and changes nothing.
    pub(super) fn unchanged(&self, account: AccountTag, command: CommandId) {
        if let Some(waiting) = self.kept().waiting.remove(&(account, command)) {
            // Who asked may have gone.
            let _ = waiting.send(Decision::Taken);
        }
    }

    /// Somebody should know something about an account.
    pub(super) fn noticed(&self, account: AccountTag, name: &str, notice: &Notice) {
        *self.kept().tally.entry(account).or_default().notices.entry(notice.alert).or_default() += 1;
        self.tell(&Letter {
            account: Some(name.to_owned()),
            position: notice.position.map(PositionNo::get),
            alert: format!("{:?}", notice.alert),
            message: notice.message.clone(),
        });
    }

    /// Somebody should know something, which is said to whoever is configured.
    pub(super) fn tell(&self, letter: &Letter) {
        self.outbox.put(letter, self.clock.now());
    }

    /// What became of what was told.
    pub(super) fn told(&self) -> Vec<(&'static str, Counts)> {
        self.outbox.counts()
    }

    /// The account's stream came up or went down. That it is down is told again with every attempt to open it.
    pub(super) fn flows(&self, account: AccountTag, flow: Flow) {
        let now = self.clock.now();
        let mut kept = self.kept();
        let stream = &mut kept.tally.entry(account).or_default().stream;
        if stream.is_none_or(|(before, _)| before != flow) {
            *stream = Some((flow, now));
        }
    }

    /// Nobody works on any account for now, and nobody who waits will hear anything.
    pub(super) fn closed(&self) {
        let now = self.clock.now();
        let mut kept = self.kept();
        kept.waiting.clear();
        for (flow, since) in kept.tally.values_mut().filter_map(|tally| tally.stream.as_mut()) {
            if *flow == Flow::Up {
                (*flow, *since) = (Flow::Down, now);
            }
        }
    }

    /// An account is not worked on from here any more: how it stands is for somebody else to say.
    pub(super) fn left(&self, account: AccountTag) {
        let mut kept = self.kept();
        kept.standing.remove(&account);
        #[cfg(feature = "postgres")]
        kept.untold.remove(&account);
        kept.tally.remove(&account);
        kept.known.retain(|(of, _), _| *of != account);
        kept.waiting.retain(|(of, _), _| *of != account);
    }

    /// What is told of an account to whoever watches from outside.
    pub(super) fn watched(&self, account: AccountTag) -> Watched {
        let now = self.clock.now();
        let (standing, tally) = {
            let kept = self.kept();
            (kept.standing.get(&account).cloned(), kept.tally.get(&account).cloned())
        };
        let (standing, tally) = (standing.unwrap_or_default(), tally.unwrap_or_default());
        let longest = standing.unprotected.iter().map(|since| now.since(*since)).max().unwrap_or_default();
        let (stream, since) = tally.stream.unwrap_or((Flow::Down, self.began));
        let worst = tally.worst.max(longest);
        Watched { standing, tally, unprotected: longest, worst, stream, stream_age: now.since(since) }
    }

    /// How an account stands; `None` where it was not restored from its journal yet, and nothing is known.
    pub(super) fn standing(&self, account: AccountTag) -> Option<Standing> {
        self.kept().standing.get(&account).cloned()
    }

    /// Whether a command has opened a position, and which, if that one is not long gone.
    pub(super) fn opened_by(&self, account: AccountTag, id: CommandId) -> Option<Option<PositionNo>> {
        self.kept().known.get(&(account, id)).copied()
    }

    /// Where the decision on a command will be told.
    pub(super) fn wait_for(&self, account: AccountTag, id: CommandId) -> oneshot::Receiver<Decision> {
        let (sender, receiver) = oneshot::channel();
        self.kept().waiting.insert((account, id), sender);
        receiver
    }

    /// Nobody waits any more.
    pub(super) fn forget(&self, account: AccountTag, id: CommandId) {
        self.kept().waiting.remove(&(account, id));
    }
}

/// How an account stands.
pub(super) fn standing(engine: &Engine) -> Standing {
    let worst = engine.state().positions.values().map(|p| p.meter.worst).max().unwrap_or_default();
    let mut standing = Standing { worst, ..Standing::default() };
    for position in engine.state().positions.values().filter(|p| !p.phase.is_over()) {
        if position.phase == Phase::Failed {
            standing.failed.insert(position.no, position.symbol().clone());
        } else {
            standing.open.insert(position.symbol().clone(), position.no);
        }
        standing.orders += position.orders.len();
        standing.in_doubt += position.orders.values().filter(|order| order.life == Life::InDoubt).count();
        standing.naked += usize::from(position.exposure().is_positive() && position.stop() != Protective::Open);
        standing.unprotected.extend(position.meter.since);
    }
    standing
}
