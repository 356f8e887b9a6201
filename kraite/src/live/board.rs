//! What the running accounts stand at, for those who ask: kept by the observers, never in the way of a decision.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kraite_core::engine::{CommandId, CommandRefusal, Engine, Event, InputKind};
use kraite_core::id::{AccountTag, PositionNo, Symbol};
use kraite_core::journal::Record;
use kraite_core::order::Life;
use kraite_core::position::Protective;
use tokio::sync::oneshot;

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
    /// Those of them with exposure and without a stop at the exchange.
    pub(super) naked: usize,
    /// Orders of positions that are not finished.
    pub(super) orders: usize,
    /// Those of them whose outcome is not known.
    pub(super) in_doubt: usize,
}

#[derive(Debug, Default)]
struct Kept {
    standing: BTreeMap<AccountTag, Standing>,
    /// Commands that have opened, and what; the position's number leaves the state before its command does.
    known: BTreeMap<(AccountTag, CommandId), Option<PositionNo>>,
    waiting: BTreeMap<(AccountTag, CommandId), oneshot::Sender<Decision>>,
}

/// All accounts of this process.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<Kept>);

impl Board {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A step of an account is durable.
    pub(super) fn committed(&self, engine: &Engine, record: &Record) {
        let account = engine.state().account;
        let standing = standing(engine);
        let mut kept = self.kept();
        kept.standing.insert(account, standing);
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

    /// How an account stands; nothing where it has not started.
    pub(super) fn standing(&self, account: AccountTag) -> Standing {
        self.kept().standing.get(&account).cloned().unwrap_or_default()
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

fn standing(engine: &Engine) -> Standing {
    let mut standing = Standing::default();
    for position in engine.state().positions.values().filter(|p| !p.phase.is_terminal()) {
        standing.open.insert(position.symbol().clone(), position.no);
        standing.orders += position.orders.len();
        standing.in_doubt += position.orders.values().filter(|order| order.life == Life::InDoubt).count();
        standing.naked += usize::from(position.exposure().is_positive() && position.stop() != Protective::Open);
    }
    standing
}
