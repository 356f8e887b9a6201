//! The engine: one mutator, [`Engine::step`], and the log it can be restored from.
//!
//! Inputs go in one at a time; each gives a [`Step`]. A step's effects come out only through [`commit`],
//! which appends the step's record first: nothing is sent before its intent is durable.

mod absorb;
mod adjust;
mod adopt;
mod books;
mod build;
mod config;
mod doubt;
mod event;
mod hand_back;
mod io;
mod limits;
mod protect;
mod reconcile;
mod rules;
mod rungs;
mod state;
mod turn;
mod unwind;
mod volatile;

use alloc::vec::Vec;
use core::hash::{Hash as _, Hasher};
use core::slice;

pub use adjust::{Adjustment, AdjustmentRefusal};
pub use adopt::AdoptionRefusal;
pub use config::Config;
pub use event::{CommandRefusal, Event};
pub use io::{
    Alert, Answer, Command, CommandId, Deadline, Effect, Held, Input, InputKind, Notice, OpenRequest, Query, Request,
    Sent, Setup, Wake,
};
pub use limits::{Limit, Limits};
pub use state::{Ended, EvolveError, State};

use crate::capabilities::Capabilities;
use crate::id::AccountTag;
use crate::journal::{Durable, Journal, JournalError, Loaded, Record, Snapshot};
use turn::Turn;
use volatile::Volatile;

/// One account's decisions: commands, answers and reports in, durable facts and effects out.
///
/// The engine reads no clock and keeps no handle; equal inputs after equal records give equal steps.
#[derive(Debug, Clone)]
pub struct Engine {
    config: Config,
    capabilities: Capabilities,
    state: State,
    volatile: Volatile,
}

/// What one input led to. Its effects come out only through [`commit`].
#[derive(Debug)]
#[must_use = "a step that is not committed is lost, and the engine has already moved on"]
pub struct Step {
    account: AccountTag,
    record: Option<Record>,
    effects: Vec<Effect>,
}

impl Step {
    /// The durable part; `None` when the input changed nothing and asks for reads at most.
    #[must_use]
    pub const fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// Looks at the effects without releasing them, for tests and traces.
    #[must_use]
    pub fn preview(&self) -> &[Effect] {
        &self.effects
    }
}

/// A log cannot be folded into a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A record's number is not the one after its predecessor.
    #[error("journal of account {account}: record {got} where {expected} was expected")]
    Gap {
        /// Which account.
        account: AccountTag,
        /// The number that was expected.
        expected: u64,
        /// The number that came.
        got: u64,
    },
    /// A record does not fit the state before it.
    #[error("journal of account {account}, record {seq}: {source}")]
    Record {
        /// Which account.
        account: AccountTag,
        /// Which record.
        seq: u64,
        /// Why.
        source: EvolveError,
    },
    /// The snapshot is another account's.
    #[error("the snapshot is of account {found}, not of {account}")]
    WrongAccount {
        /// The account that was asked for.
        account: AccountTag,
        /// The account of the snapshot.
        found: AccountTag,
    },
}

impl Engine {
    /// Folds a log into an engine. Sends nothing: the first input of a run is [`InputKind::Started`].
    pub fn restore(
        config: Config,
        capabilities: Capabilities,
        account: AccountTag,
        epoch: crate::id::Epoch,
        loaded: Loaded,
    ) -> Result<Self, RestoreError> {
        let only_snapshot = zoo!(SnapshotWithoutTail) && loaded.snapshot.is_some();
        let mut state = match loaded.snapshot {
            Some(snapshot) if snapshot.state.account != account => {
                return Err(RestoreError::WrongAccount { account, found: snapshot.state.account });
            }
            Some(snapshot) => snapshot.state,
            None => State::new(account),
        };
        for record in loaded.records.iter().filter(|_| !only_snapshot) {
            if zoo!(LastRecordSkipped) && loaded.records.last() == Some(record) {
                state.seq = record.seq;
                continue;
            }
            let expected = state.seq.saturating_add(1);
            if record.seq != expected {
                return Err(RestoreError::Gap { account, expected, got: record.seq });
            }
            state.replay(record).map_err(|source| RestoreError::Record { account, seq: record.seq, source })?;
        }
        if !(zoo!(EpochNotRaised) && state.seq > 0) {
            state.epoch = epoch;
        }
        Ok(Self { config, capabilities, state, volatile: Volatile::default() })
    }

    /// Takes one input. The only mutator, and total: no input makes it fail.
    pub fn step(&mut self, input: Input) -> Step {
        let Input { at, kind } = input;
        let mut turn = Turn::new(&self.config, &self.capabilities, &mut self.state, &mut self.volatile, at, &kind);
        turn.run();
        let (events, effects) = turn.finish();
        let ephemeral = zoo!(DeadlineUnrecorded) && kind == InputKind::Deadline;
        let record = (!events.is_empty() && !ephemeral).then(|| {
            self.state.seq = self.state.seq.saturating_add(1);
            Record { seq: self.state.seq, epoch: self.state.epoch, at, input: kind, events }
        });
        Step { account: self.state.account, record, effects }
    }

    /// When and why the engine wants an [`InputKind::Deadline`], if it waits for anything.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Deadline> {
        self.volatile.next_wake()
    }

    /// Everything the account knows.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The same from an engine that is not needed any more.
    #[must_use]
    pub fn into_state(self) -> State {
        self.state
    }

    /// What its venue can do.
    #[must_use]
    pub const fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Everything that decides what this engine does next, for explorers that cut what they have seen: of
    /// engines with one configuration on one venue that were given the same commands, equal fingerprints mean
    /// equal steps on equal inputs. The running number of the last record and its instant are left out; no
    /// decision reads them while clocks do not run back.
    pub fn fingerprint(&self, hasher: &mut impl Hasher) {
        let Self { config, capabilities: _, state, volatile } = self;
        let State { account, epoch, seq: _, at: _, positions, archived, next_position, quarantined, .. } = state;
        let State { halted, switched_by, ended, .. } = state;
        (volatile, account, epoch, archived, next_position, quarantined, halted, switched_by).hash(hasher);
        // What positions came to decides nothing where no limit asks for it.
        config.limits.max_daily_loss.map(|_| ended).hash(hasher);
        for position in positions.values() {
            position.fingerprint(hasher);
        }
    }

    /// The state as a snapshot for the journal.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { seq: self.state.seq, state: self.state.clone() }
    }
}

/// Appends the step's record, then releases its effects: the one way effects get out.
///
/// On an error the record may or may not be durable. The engine that made the step must not be used any
/// more: restore a new one from the journal.
pub async fn commit<J: Journal + ?Sized>(journal: &J, step: Step) -> Result<Released, JournalError> {
    let durable = match &step.record {
        Some(record) if zoo!(AppendErrorIgnored) => journal.append(step.account, slice::from_ref(record)).await.ok(),
        Some(record) => Some(journal.append(step.account, slice::from_ref(record)).await?),
        None => None,
    };
    Ok(Released { record: step.record, durable, effects: step.effects })
}

/// [`commit`] for steps that one engine made one after the other: one durable write for all of them, and no effect of
/// any before that. For inputs that are there at once, as the frames of one fill are.
///
/// A crash in between is one that the steps could have met one by one: some of the first are durable, and what they
/// asked for was not sent.
///
/// # Errors
///
/// As [`commit`]; steps of two accounts are refused before anything is written.
pub async fn commit_all<J: Journal + ?Sized>(journal: &J, steps: Vec<Step>) -> Result<Vec<Released>, JournalError> {
    let Some(account) = steps.first().map(|step| step.account) else { return Ok(Vec::new()) };
    if steps.iter().any(|step| step.account != account) {
        return Err(JournalError::Write("steps of two accounts cannot be committed together".into()));
    }
    let records: Vec<Record> = steps.iter().filter_map(|step| step.record.clone()).collect();
    let durable = if records.is_empty() { None } else { Some(journal.append(account, &records).await?) };
    let released = steps.into_iter().map(|step| {
        let durable = durable.filter(|_| step.record.is_some());
        Released { record: step.record, durable, effects: step.effects }
    });
    Ok(released.collect())
}

/// Effects whose record is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "released effects must be executed"]
pub struct Released {
    /// What the step came to, as it stands in the journal.
    pub record: Option<Record>,
    /// How far the account's log is durable; `None` when the step had nothing to record.
    pub durable: Option<Durable>,
    /// Work for the shell.
    pub effects: Vec<Effect>,
}
