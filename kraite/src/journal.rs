//! Reading a journal that somebody else may be writing: which accounts, their states, their records one by one.
//!
//! Whoever reads owns, locks and changes nothing. What is damaged is refused when it is opened. A database is copied into
//! a file first, as it is at one moment, and the connection ended: nothing waits there for whoever reads.

use std::collections::BTreeMap;
#[cfg(feature = "postgres")]
use std::fs::Permissions;
#[cfg(feature = "postgres")]
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use kraite_core::Engine;
use kraite_core::engine::{self, Answer, Event, EvolveError, InputKind, State};
use kraite_core::exchange::{Lookup, OrderReport, Outcome, StreamEvent};
use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::{Journal as Store, Loaded, Record};
use kraite_core::order::Life;
use kraite_core::position::Position;
#[cfg(feature = "postgres")]
use kraite_journal::{Found, PostgresJournal};
use kraite_journal::{SqliteJournal, SqliteReader, StoredRecord};
use serde::Serialize;
use tempfile::TempDir;

#[cfg(not(feature = "postgres"))]
use crate::address::not_built_in;
use crate::address::{Address, is_address};
#[cfg(feature = "postgres")]
use crate::database;
use crate::exit::{Exit, Failed};
use crate::flags::VenueName;
use crate::live::config::Config;

/// Records that are held in memory at once.
const CHUNK: usize = 4_096;

/// Where a journal is.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    File(PathBuf),
    Database(Address),
}

impl Place {
    /// As a command line names it.
    pub(crate) fn said(journal: &Path) -> Self {
        match journal.to_str() {
            Some(address) if is_address(address) => Self::Database(Address::Said(address.to_owned())),
            _ => Self::File(journal.to_owned()),
        }
    }

    /// As a configuration has it.
    pub(crate) fn of(config: &Config) -> Self {
        match &config.postgres {
            Some(postgres) => Self::Database(postgres.address.clone()),
            None => Self::File(config.journal.clone()),
        }
    }
}

/// One host of a journal in PostgreSQL, as it is shown.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ShownHost {
    pub(crate) host: String,
    pub(crate) version: String,
    pub(crate) up: bool,
    pub(crate) drained: bool,
    pub(crate) began_at_ms: i64,
    pub(crate) lease_until_ms: i64,
    pub(crate) accounts: Vec<u32>,
}

/// Who works on the accounts of a database, and which were moved out of it, and where to. A file has nobody.
#[derive(Debug, Clone, Default)]
pub(crate) struct Crew {
    pub(crate) hosts: Vec<ShownHost>,
    pub(crate) moved: BTreeMap<u32, String>,
}

impl Crew {
    /// Who works on an account.
    pub(crate) fn host(&self, account: u32) -> Option<&str> {
        let has = |host: &&ShownHost| host.up && host.accounts.contains(&account);
        self.hosts.iter().find(has).map(|host| host.host.as_str())
    }
}

#[cfg(feature = "postgres")]
impl Crew {
    pub(crate) async fn of(journal: &PostgresJournal) -> Result<Self, Failed> {
        let hosts = journal.hosts().await?.into_iter().map(|row| ShownHost {
            host: row.name,
            version: row.version,
            up: row.is_up,
            drained: row.drained,
            began_at_ms: row.began_at,
            lease_until_ms: row.until,
            accounts: row.accounts.iter().map(|account| account.get()).collect(),
        });
        let moved = journal.moved().await?.into_iter().map(|(account, place)| (account.get(), place));
        Ok(Self { hosts: hosts.collect(), moved: moved.collect() })
    }
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
    let engine = Engine::restore(engine::Config::default(), capabilities, account, Epoch::default(), loaded);
    Ok(engine.map_err(Failed::with(Exit::Journal))?.into_state())
}

/// A journal as of one moment, and which of its accounts were asked for.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) reader: SqliteReader,
    pub(crate) accounts: Vec<AccountTag>,
    /// What it is called where somebody reads it.
    pub(crate) place: String,
    pub(crate) crew: Crew,
    /// Where the copy of a database is. It goes after its reader.
    _copy: Option<TempDir>,
}

impl Journal {
    /// Opens and verifies all of what a command line names.
    pub(crate) fn open(journal: &Path, account: Option<u32>) -> Result<Self, Failed> {
        Self::at(&Place::said(journal), account)
    }

    /// Opens and verifies all of it. Of a file it holds one read transaction until it is dropped: drop it before
    /// something that may take its time, so that a writer's log does not grow meanwhile. Of a database it is a copy, in a
    /// folder that only this user may read, of what was asked for.
    pub(crate) fn at(place: &Place, account: Option<u32>) -> Result<Self, Failed> {
        match place {
            Place::File(path) => {
                let reader = SqliteReader::open_frozen(path)?;
                let place = path.display().to_string();
                let accounts = chosen(reader.accounts()?, account, &place)?;
                Ok(Self { reader, accounts, place, crew: Crew::default(), _copy: None })
            }
            #[cfg(feature = "postgres")]
            Place::Database(address) => Self::copied(address, account),
            #[cfg(not(feature = "postgres"))]
            Place::Database(_) => Err(not_built_in()),
        }
    }

    #[cfg(feature = "postgres")]
    fn copied(address: &Address, account: Option<u32>) -> Result<Self, Failed> {
        let folder = tempfile::Builder::new().prefix("kraite-").permissions(Permissions::from_mode(0o700)).tempdir();
        let folder = folder.map_err(|error| {
            let why = format!("a database is read from a copy among the temporary files (TMPDIR): {error}");
            Failed::new(Exit::Failure, why)
        })?;
        let file = folder.path().join("journal");
        let (place, crew) = crate::block_on(async {
            let (place, journal) = database::journal(address).await?;
            let only = chosen(journal.accounts().await?, account, &place)?;
            journal.copy_to(&file, account.and_then(|_| only.first().copied())).await?;
            Ok((place, Crew::of(&journal).await?))
        })?;
        let reader = SqliteReader::open_frozen(&file)?;
        let accounts = chosen(reader.accounts()?, account, &place)?;
        Ok(Self { reader, accounts, place, crew, _copy: Some(folder) })
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

/// Single accounts of a configuration's journal, as a start would find them. Of a database only that is read, and not
/// the history before it.
#[derive(Debug)]
pub(crate) struct Latest {
    /// What it is called where somebody reads it.
    pub(crate) place: String,
    pub(crate) crew: Crew,
    store: Readable,
}

#[derive(Debug)]
enum Readable {
    File(PathBuf),
    /// `None` where nobody has made it yet.
    #[cfg(feature = "postgres")]
    Database(Option<PostgresJournal>),
}

impl Latest {
    pub(crate) async fn of(config: &Config) -> Result<Self, Failed> {
        match Place::of(config) {
            Place::File(path) => {
                let place = path.display().to_string();
                Ok(Self { place, crew: Crew::default(), store: Readable::File(path) })
            }
            #[cfg(feature = "postgres")]
            Place::Database(address) => {
                let Found { place, journal, .. } = database::find(&address).await?;
                let crew = match &journal {
                    Some(journal) => Crew::of(journal).await?,
                    None => Crew::default(),
                };
                Ok(Self { place, crew, store: Readable::Database(journal) })
            }
            #[cfg(not(feature = "postgres"))]
            Place::Database(_) => Err(not_built_in()),
        }
    }

    /// What it has of an account, and under whose ownership; nothing where nobody has made it yet.
    #[cfg_attr(not(feature = "postgres"), allow(clippy::unused_async, reason = "a database is waited for"))]
    pub(crate) async fn load(&self, account: AccountTag) -> Result<(Loaded, Epoch), Failed> {
        match &self.store {
            Readable::File(path) if path.exists() => {
                let reader = SqliteReader::open_frozen(path)?;
                Ok((reader.load(account)?, reader.owner(account)?))
            }
            // Whoever becomes its owner in between has an epoch above those of all records.
            #[cfg(feature = "postgres")]
            Readable::Database(Some(journal)) => Ok((journal.load(account).await?, journal.owner(account).await?)),
            _ => Ok((Loaded::default(), Epoch::default())),
        }
    }
}

/// The journal of a configuration, for somebody who is no host.
#[cfg_attr(not(feature = "postgres"), allow(clippy::unused_async, reason = "a database is waited for"))]
pub(crate) async fn to_write(config: &Config) -> Result<Box<dyn Store>, Failed> {
    match Place::of(config) {
        Place::File(path) => Ok(Box::new(SqliteJournal::open(path)?)),
        #[cfg(feature = "postgres")]
        Place::Database(address) => Ok(Box::new(database::connect(&address).await?)),
        #[cfg(not(feature = "postgres"))]
        Place::Database(_) => Err(not_built_in()),
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
