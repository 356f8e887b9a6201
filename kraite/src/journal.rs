//! Reading a journal that somebody else may be writing: which accounts, their states, their records one by one.
//!
//! Nothing here owns, locks or changes a journal. What is damaged is refused when it is opened.

use std::path::Path;

use kraite_core::Engine;
use kraite_core::engine::{Answer, Config, Event, EvolveError, InputKind, State};
use kraite_core::exchange::{Lookup, OrderReport, Outcome, StreamEvent};
use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::{Loaded, Record};
use kraite_core::order::Life;
use kraite_core::position::Position;
use kraite_journal::{SqliteReader, StoredRecord};

use crate::exit::{Exit, Failed};
use crate::flags::VenueName;

/// Records that are held in memory at once.
const CHUNK: usize = 4_096;

/// Whether a journal is named by the address of a database.
pub(crate) fn is_address(journal: &str) -> bool {
    journal.starts_with("postgres://") || journal.starts_with("postgresql://")
}

/// All accounts of a journal, or the one that was asked for.
pub(crate) fn chosen(mut there: Vec<AccountTag>, wanted: Option<u32>, place: &str) -> Result<Vec<AccountTag>, Failed> {
    let Some(wanted) = wanted else { return Ok(there) };
    let held: Vec<String> = there.iter().map(AccountTag::to_string).collect();
    there.retain(|account| account.get() == wanted);
    if there.is_empty() {
        let all = if held.is_empty() { "it has none".to_owned() } else { format!("it has {}", held.join(", ")) };
        return Err(Failed::new(Exit::Usage, format!("account {wanted} is not in {place}: {all}")));
    }
    Ok(there)
}

/// What an account knows, by what its journal has.
pub(crate) fn folded(account: AccountTag, loaded: Loaded) -> Result<State, Failed> {
    // Folding needs no venue: what an order means does not depend on how it was sent.
    let capabilities = VenueName::Binance.capabilities();
    let engine = Engine::restore(Config::default(), capabilities, account, Epoch::default(), loaded);
    Ok(engine.map_err(Failed::with(Exit::Journal))?.into_state())
}

/// A journal as of one moment, and which of its accounts were asked for.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) reader: SqliteReader,
    pub(crate) accounts: Vec<AccountTag>,
}

impl Journal {
    /// Opens and verifies all of it. Holds one read transaction until it is dropped: drop it before something that
    /// may take its time, so that a writer's log does not grow meanwhile.
    pub(crate) fn open(path: &Path, account: Option<u32>) -> Result<Self, Failed> {
        if is_address(&path.to_string_lossy()) {
            let why = if cfg!(feature = "postgres") {
                "this reads a journal in a file; kraite status reads one in PostgreSQL, and kraite migrate copies it \
                 into a file"
            } else {
                "this kraite is built without PostgreSQL: build it with --features postgres"
            };
            return Err(Failed::new(Exit::Usage, why));
        }
        let reader = SqliteReader::open_frozen(path)?;
        let accounts = chosen(reader.accounts()?, account, &path.display().to_string())?;
        Ok(Self { reader, accounts })
    }

    /// What an account knows: its newest snapshot and the records after it.
    pub(crate) fn state(&self, account: AccountTag) -> Result<State, Failed> {
        folded(account, self.reader.load(account)?)
    }

    /// Every record of an account from the first on.
    pub(crate) fn each(
        &self,
        account: AccountTag,
        mut take: impl FnMut(StoredRecord) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        let mut after = 0;
        loop {
            let chunk = self.reader.records(account, after, CHUNK)?;
            let Some(last) = chunk.last() else { return Ok(()) };
            after = last.record.seq;
            chunk.into_iter().try_for_each(&mut take)?;
        }
    }

    /// Folds every record of an account from the first on. `evolve` gets each event, looks at the state around it, and
    /// takes it.
    pub(crate) fn fold(
        &self,
        account: AccountTag,
        mut evolve: impl FnMut(&mut State, &Record, &Event) -> Result<(), EvolveError>,
    ) -> Result<State, Failed> {
        let mut state = State::new(account);
        self.each(account, |StoredRecord { record, .. }| {
            let evolved = record.events.iter().try_for_each(|event| evolve(&mut state, &record, event));
            evolved.map_err(|error| misfit(account, &record, &error))?;
            close(&mut state, &record);
            Ok(())
        })?;
        Ok(state)
    }
}

/// A record whose events the state does not take.
pub(crate) fn misfit(account: AccountTag, record: &Record, error: &EvolveError) -> Failed {
    Failed::new(Exit::Journal, format!("journal of account {account}, record {}: {error}", record.seq))
}

/// What a record leaves in the state beside its events.
pub(crate) fn close(state: &mut State, record: &Record) {
    state.seq = record.seq;
    state.epoch = record.epoch;
}

/// How many orders positions have, and how many of them are in doubt.
pub(crate) fn orders_and_doubts<'a>(positions: impl IntoIterator<Item = &'a Position>) -> (usize, usize) {
    let orders = positions.into_iter().flat_map(|position| position.orders.values());
    orders.fold((0, 0), |(all, doubts), order| (all + 1, doubts + usize::from(order.life == Life::InDoubt)))
}

/// Everything an input tells about order objects.
pub(crate) fn reports(input: &InputKind) -> Vec<&OrderReport> {
    match input {
        InputKind::Push(StreamEvent::Order(report)) => vec![report],
        InputKind::Outcome(_, Outcome::Accepted(ack)) => ack.report.as_deref().into_iter().collect(),
        InputKind::Answer(Answer::Lookup(_, _, Ok(reading))) => match &reading.value {
            Lookup::Found(reports) => reports.iter().collect(),
            Lookup::NotFound | Lookup::Unknowable => Vec::new(),
        },
        InputKind::Answer(
            Answer::OpenOrders(_, Ok(reading))
            | Answer::AllOpenOrders(Ok(reading))
            | Answer::History(_, _, Ok(reading)),
        ) => reading.value.iter().collect(),
        InputKind::Answer(_)
        | InputKind::Push(_)
        | InputKind::Outcome(..)
        | InputKind::Started
        | InputKind::Command(..)
        | InputKind::Deadline => Vec::new(),
    }
}
