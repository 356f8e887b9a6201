//! What became of a command: the positions of an account as they last stood, for a bot that waits for one of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kraite_core::engine::{CommandId, CommandRefusal, Effect, Engine, Event, InputKind, Notice, State};
use kraite_core::id::{PositionNo, Symbol};
use kraite_core::journal::Record;
use kraite_core::number::{Price, Qty};
use kraite_core::position::{Position, PositionStatus, Protective};
use kraite_core::time::Millis;
use tokio::sync::watch;

use crate::reactor::Observer;

/// Refusals are told for the last so many commands that were refused.
const REFUSALS: usize = 1_024;

/// A position as it last stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its number.
    pub position: PositionNo,
    /// The command that opened it.
    pub opened_by: CommandId,
    /// Its contract.
    pub symbol: Symbol,
    /// Its status; [`PositionStatus::Active`] is complete and protected.
    pub status: PositionStatus,
    /// How its stop stands.
    pub stop: Protective,
    /// How much is open.
    pub exposure: Qty,
    /// The average entry of its own fills; `None` while there is none.
    pub average_entry: Option<Price>,
}

impl Seen {
    fn of(position: &Position) -> Self {
        Self {
            position: position.no,
            opened_by: position.opened_by,
            symbol: position.symbol().clone(),
            status: position.status(),
            stop: position.stop(),
            exposure: position.exposure(),
            average_entry: position.average_entry(),
        }
    }

    /// True where something is open and an accepted stop waits for it.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.exposure.is_positive() && self.stop == Protective::Open
    }

    /// True where nothing more is done about it: it ended, or it needs a human.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.status, PositionStatus::Closed | PositionStatus::Cancelled | PositionStatus::Failed)
    }
}

/// Why a wait for a position ended without what was waited for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// The command was refused and changed nothing.
    #[error("the command was refused: {0:?}")]
    Refused(CommandRefusal),
    /// The position is over.
    #[error("position {} on {} is {:?}", .0.position, .0.symbol, .0.status)]
    Over(Seen),
    /// The position ended long ago and has left the state.
    #[error("the position ended long ago")]
    Archived,
    /// Nobody works on the account any more.
    #[error("the account is not worked on any more")]
    Ended,
}

#[derive(Debug, Default)]
struct Kept {
    seen: BTreeMap<PositionNo, Seen>,
    archived: BTreeSet<CommandId>,
    refused: VecDeque<(CommandId, CommandRefusal)>,
}

impl Kept {
    /// Takes over what changed; false where nothing did.
    fn take(&mut self, state: &State, record: Option<&Record>) -> bool {
        let mut changed = false;
        // The command of each position stays there for ever once it is there.
        if self.archived.len() != state.archived.len() {
            self.archived.clone_from(&state.archived);
            changed = true;
        }
        if let Some(Record { input: InputKind::Command(id, _), events, .. }) = record {
            let refusal = events.iter().find_map(|event| match event {
                Event::CommandRefused(refusal) => Some(refusal.clone()),
                _ => None,
            });
            self.refused.retain(|(refused, _)| refused != id);
            self.refused.extend(refusal.map(|refusal| (*id, refusal)));
            while self.refused.len() > REFUSALS {
                self.refused.pop_front();
            }
            changed = true;
        }
        let seen: BTreeMap<PositionNo, Seen> = state.positions.values().map(|p| (p.no, Seen::of(p))).collect();
        if seen != self.seen {
            self.seen = seen;
            changed = true;
        }
        changed
    }

    /// The end of a wait, if this is one.
    fn answer(&self, command: CommandId, holds: &impl Fn(&Seen) -> bool) -> Option<Result<Seen, WatchError>> {
        if let Some(seen) = self.seen.values().find(|seen| seen.opened_by == command) {
            if holds(seen) {
                return Some(Ok(seen.clone()));
            }
            return seen.is_over().then(|| Err(WatchError::Over(seen.clone())));
        }
        if self.archived.contains(&command) {
            return Some(Err(WatchError::Archived));
        }
        let refused = self.refused.iter().find(|(refused, _)| *refused == command);
        refused.map(|(_, refusal)| Err(WatchError::Refused(refusal.clone())))
    }
}

/// The positions of one account, for whoever waits for one of them. Clones watch the same account.
///
/// ```
/// use kraite_core::engine::Notice;
/// use kraite_engine::Watch;
///
/// let (watch, observer) = Watch::new(|notice: &Notice| eprintln!("{}", notice.message));
/// // The observer goes to a worker or a reactor, and what it hears goes on to the closure.
/// # drop(observer);
/// assert!(watch.positions().is_empty());
/// ```
#[derive(Debug, Clone)]
pub struct Watch(watch::Receiver<Kept>);

/// What a [`Watch`] sees through: an observer around another one.
pub struct Watched<O> {
    inner: O,
    kept: watch::Sender<Kept>,
    /// Whether anything was seen yet: a restart on which nothing happens leaves no record.
    is_blind: bool,
}

impl Watch {
    /// A watch, and the observer that it sees through.
    pub fn new<O: Observer>(inner: O) -> (Self, Watched<O>) {
        let (kept, receiver) = watch::channel(Kept::default());
        (Self(receiver), Watched { inner, kept, is_blind: true })
    }

    /// Every position as it last stood, finished ones included until they leave the state.
    #[must_use]
    pub fn positions(&self) -> Vec<Seen> {
        self.0.borrow().seen.values().cloned().collect()
    }

    /// Waits until this holds of the position that a command opens, however long ago it was given: a bot that was
    /// killed gives the command again and waits as before.
    ///
    /// A command that was refused may be given again under its id; until that is decided its refusal is what is told.
    ///
    /// # Errors
    ///
    /// [`WatchError`]: it will not come to hold.
    pub async fn until(&mut self, command: CommandId, holds: impl Fn(&Seen) -> bool) -> Result<Seen, WatchError> {
        let mut answer = None;
        let waited = self.0.wait_for(|kept| {
            answer = kept.answer(command, &holds);
            answer.is_some()
        });
        drop(waited.await);
        answer.unwrap_or(Err(WatchError::Ended))
    }

    /// Waits until the position that a command opens is complete, with its stop and its target at the exchange.
    ///
    /// # Errors
    ///
    /// [`WatchError`]: that will not be.
    pub async fn active(&mut self, command: CommandId) -> Result<Seen, WatchError> {
        self.until(command, |seen| seen.status == PositionStatus::Active).await
    }
}

impl<O: Observer> Observer for Watched<O> {
    fn committed(&mut self, engine: &Engine, record: Option<&Record>, effects: &[Effect]) {
        if std::mem::take(&mut self.is_blind) || record.is_some() {
            self.kept.send_if_modified(|kept| kept.take(engine.state(), record));
        }
        self.inner.committed(engine, record, effects);
    }

    fn notice(&mut self, notice: &Notice) {
        self.inner.notice(notice);
    }

    fn unchanged(&mut self, command: CommandId) {
        self.inner.unchanged(command);
    }

    fn interrupted(&mut self, why: &str, again_after: Millis) {
        self.inner.interrupted(why, again_after);
    }
}

#[cfg(test)]
mod tests {
    use kraite_core::id::AccountTag;

    use super::*;

    #[test]
    fn a_position_that_left_the_state_is_told_to_be_long_gone() {
        let mut state = State::new(AccountTag::default());
        let mut kept = Kept::default();
        assert!(!kept.take(&state, None));
        assert_eq!(kept.answer(CommandId(1), &|_| true), None);
        state.archived.insert(CommandId(1));
        assert!(kept.take(&state, None));
        assert_eq!(kept.answer(CommandId(1), &|_| true), Some(Err(WatchError::Archived)));
    }
}
