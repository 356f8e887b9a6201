//! Which host works on which account.
//!
//! A host's lease is one row with an end by the server's clock, and its accounts are those that bear its name and run.
//! It holds more than is needed for safety: the epoch alone keeps a deposed worker from appending. What the lease adds is
//! that nobody takes over while a request of the owner before could still be accepted, and that somebody does afterwards.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Client, Transaction};
use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::JournalError;
use tokio_postgres::IsolationLevel;
use tokio_postgres::types::ToSql;

use super::PostgresJournal;
use super::append::EPOCH_NOW;
use super::session::{Failure, Store, column, give_back, key, number, within};
use crate::codec::READS;

/// The longest name of a host.
const LONGEST_NAME: usize = 63;

/// A host says that it is there; whatever ran under its name before has lost everything at once. That it is drained
/// stays: somebody decided so.
const BEGIN: &str = "
    INSERT INTO kraite.hosts AS h (name, run, version, began_at, until, reads)
    VALUES ($1, gen_random_uuid()::text, $2, now(), now() + $3::bigint * interval '1 ms', $4)
    ON CONFLICT (name) DO UPDATE
    SET run = EXCLUDED.run, version = EXCLUDED.version, began_at = EXCLUDED.began_at, until = EXCLUDED.until,
        reads = EXCLUDED.reads
    RETURNING run";

/// Also where the lease has run out, as long as nobody saw that: its accounts are still its own then.
const RENEW: &str = "
    UPDATE kraite.hosts SET until = GREATEST(until, now() + $3::bigint * interval '1 ms') WHERE name = $1 AND run = $2
    RETURNING drained";

const HELD: &str = "SELECT account FROM kraite.owners WHERE host = $1 AND run = $2 ORDER BY account";

/// Whoever sees that a lease has run out ends it, before it takes anything: a host that renews at the same time waits
/// for that, and finds its run gone. Every transaction takes hosts before owners.
pub(super) const END_LAPSED: &str = "
    WITH lapsed AS (
        UPDATE kraite.hosts SET run = NULL WHERE until <= now() AND run IS NOT NULL RETURNING name
    )
    UPDATE kraite.owners o SET host = NULL, run = NULL, epoch = LEAST(o.epoch + 1, $1)
    FROM lapsed WHERE o.host = lapsed.name";

const MAKE_ROWS: &str = "
    INSERT INTO kraite.owners (account, epoch, last_seq) SELECT account, 0, 0 FROM unnest($1::bigint[]) AS t (account)
    ON CONFLICT (account) DO NOTHING";

/// Whether one is free has to be seen on its own row: of a row that somebody changed at the same time only that is
/// looked at again. From now on whoever works on it has to read what this version writes.
const CLAIM: &str = "
    WITH free AS (
        SELECT o.account FROM kraite.owners o
        WHERE o.account = ANY($1) AND o.epoch < $2 AND o.host IS NULL AND o.moved_to IS NULL
          AND (o.free_at IS NULL OR o.free_at <= now()) AND o.reads <= $6
        ORDER BY o.account LIMIT $3 FOR UPDATE SKIP LOCKED
    )
    UPDATE kraite.owners o SET epoch = GREATEST(o.epoch + 1, EPOCH_NOW), host = $4, run = $5, free_at = NULL, reads = $6
    FROM free WHERE o.account = free.account RETURNING o.account";

/// What this host had under way may be accepted for a while: nobody else begins before that. Whatever still works on the
/// account here can append nothing.
const RELEASE: &str = "
    UPDATE kraite.owners SET host = NULL, run = NULL, epoch = LEAST(epoch + 1, $4),
        free_at = now() + $3::bigint * interval '1 ms'
    WHERE host = $1 AND run IS NOT DISTINCT FROM COALESCE($2, run) AND account = ANY(COALESCE($5, ARRAY[account]))";

/// Accounts of runs that nobody knows, as after a backup was put back: no lease of theirs will ever end. No run begins or
/// ends meanwhile.
const LOCK: &str = "LOCK TABLE kraite.hosts IN SHARE ROW EXCLUSIVE MODE";
const END_UNKNOWN: &str = "
    UPDATE kraite.owners o SET host = NULL, run = NULL, epoch = LEAST(o.epoch + 1, $1),
        free_at = now() + $2::bigint * interval '1 ms'
    WHERE o.host IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM kraite.hosts h WHERE h.name = o.host AND h.run = o.run
    )";

/// Nothing of this run is left to anybody.
const END: &str = "UPDATE kraite.hosts SET run = NULL, until = LEAST(until, now()) WHERE name = $1 AND run = $2";

const LIST: &str = "
    SELECT h.name, h.version, h.drained, h.run IS NOT NULL AND h.until > now(),
           (extract(epoch FROM h.began_at) * 1000)::bigint, (extract(epoch FROM h.until) * 1000)::bigint,
           (SELECT COALESCE(array_agg(o.account ORDER BY o.account), '{}') FROM kraite.owners o
            WHERE o.host = h.name AND o.run = h.run), h.reads >= $1
    FROM kraite.hosts h ORDER BY h.name";

/// Accounts that somebody has worked on who may have written what others cannot read.
const TOO_NEW: &str = "
    SELECT account FROM kraite.owners WHERE account = ANY($1) AND host IS NULL AND moved_to IS NULL AND reads > $2
    ORDER BY account";

/// Only of accounts that are its own still.
const STAND: &str = "
    INSERT INTO kraite.standings (account, seq, at, body)
    SELECT t.account, t.seq, now(), t.body::jsonb
    FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS t (account, seq, body)
    JOIN kraite.owners o ON o.account = t.account AND o.host = $4 AND o.run = $5
    ON CONFLICT (account) DO UPDATE SET seq = EXCLUDED.seq, at = EXCLUDED.at, body = EXCLUDED.body";

const DRAIN: &str = "UPDATE kraite.hosts SET drained = $2 WHERE name = $1";

/// Calls from where, which others may do too.
const EGRESS: &str = "UPDATE kraite.hosts SET egress = $3 WHERE name = $1 AND run = $2";

const QUIET: &str = "
    INSERT INTO kraite.quiets AS q (egress, venue, until)
    SELECT $1, t.venue, now() + t.rest * interval '1 ms' FROM unnest($2::text[], $3::bigint[]) AS t (venue, rest)
    ON CONFLICT (egress, venue) DO UPDATE SET until = GREATEST(q.until, EXCLUDED.until)";

const QUIETS: &str = "
    SELECT venue, (extract(epoch FROM until - now()) * 1000)::bigint FROM kraite.quiets
    WHERE egress = $1 AND until > now()";

const SHARING: &str = "SELECT count(*) FROM kraite.hosts WHERE egress = $1 AND run IS NOT NULL AND until > now()";

/// How long a host may be silent before others take its accounts over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Its length, from each renewal on.
    pub term: Duration,
    /// How long after an append a request that it allowed may still be accepted: the venue's window, the time a request
    /// may take to leave, and twice the error of the clock. Nothing is appended that has not as much of the lease left.
    pub reach: Duration,
}

/// Why a host cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The name or the lease will not do.
    #[error("{0}")]
    Unfit(String),
    /// The lease ran out and somebody saw it. Nothing may be done with its accounts any more; [`Host::begin`] starts
    /// afresh.
    #[error("the lease of host {0} has ended: it was not renewed in time")]
    Lapsed(String),
    /// Another process began under the same name, and has its accounts.
    #[error("another process runs as host {0}: each has a name of its own")]
    Replaced(String),
    /// The database failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What a host has after a renewal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Renewed {
    /// Its accounts. What is missing of those it had is somebody else's.
    pub held: Vec<AccountTag>,
    /// Whether it is to hand everything over and take nothing.
    pub drained: bool,
}

/// What hosts that call from one address know of each other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Egress {
    /// How many there are, this one included; one at least.
    pub hosts: u32,
    /// The venues that have asked the address to be quiet, and for how long from now on.
    pub quiets: Vec<(String, Duration)>,
}

/// A host as anybody sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRow {
    /// Its name.
    pub name: String,
    /// What it said of its version.
    pub version: String,
    /// Whether it takes no accounts.
    pub drained: bool,
    /// Whether its lease runs, by the server's clock.
    pub is_up: bool,
    /// When its process began, in milliseconds since 1970 by the server's clock.
    pub began_at: i64,
    /// When its lease ends, or ended.
    pub until: i64,
    /// What it works on.
    pub accounts: Vec<AccountTag>,
    /// Whether it can work on what this version has worked on: it is no older one that might not read it.
    pub reads_ours: bool,
}

/// This process among those that work on the accounts of one database.
#[derive(Clone)]
pub struct Host {
    store: Arc<Store>,
    pub(super) name: Arc<str>,
    pub(super) run: Arc<str>,
    pub(super) lease: Lease,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("name", &self.name).field("lease", &self.lease).finish_non_exhaustive()
    }
}

pub(super) fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl Host {
    /// Says that a host is there. A process that ran under this name before can append nothing from now on; its accounts
    /// are free once nothing that it had under way can be accepted any more.
    ///
    /// # Errors
    ///
    /// [`HostError::Unfit`] for a name that is not made of 1 to 63 letters, digits, `.`, `_` and `-`, and for a lease
    /// that is not at least twice as long as its reach, or longer than a day.
    pub async fn begin(journal: &PostgresJournal, name: &str, version: &str, lease: Lease) -> Result<Self, HostError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(fits) {
            let why =
                format!("{name:?} is no name of a host: 1 to {LONGEST_NAME} of letters, digits, '.', '_' and '-'");
            return Err(HostError::Unfit(why));
        }
        if lease.reach.is_zero() || lease.term < lease.reach * 2 || lease.term > Duration::from_secs(86_400) {
            let (term, reach) = (lease.term.as_millis(), lease.reach.as_millis());
            let why = format!(
                "a lease of {term} ms will not do: a request may be accepted for {reach} ms after it was decided on, and \
                 a lease is at least twice as long, and a day at most"
            );
            return Err(HostError::Unfit(why));
        }
        let (owned, version) = (name.to_owned(), version.to_owned());
        let run = journal
            .owned(move |store| async move {
                transact(&store, async |moment| {
                    within(moment.execute(LOCK, &[])).await?;
                    let row =
                        within(moment.query_one(BEGIN, &[&owned, &version, &milliseconds(lease.term), &READS])).await?;
                    release(moment, &owned, None, lease, None).await?;
                    let (most, reach) = (i64::from(Epoch::MAX.get()), milliseconds(lease.reach));
                    within(moment.execute(END_UNKNOWN, &[&most, &reach])).await?;
                    column::<String>(&row, 0)
                })
                .await
            })
            .await?;
        Ok(Self { store: Arc::clone(&journal.store), name: name.into(), run: run.into(), lease })
    }

    /// The journal through which this host's workers own their accounts: only those that it holds can be acquired, and
    /// nothing is appended under a lease that is too short for what it allows to be sent.
    #[must_use]
    pub fn journal(&self) -> PostgresJournal {
        PostgresJournal { store: Arc::clone(&self.store), host: Some(self.clone()) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its lease.
    #[must_use]
    pub const fn lease(&self) -> Lease {
        self.lease
    }

    async fn asked<T, F>(&self, work: impl FnOnce(Self) -> F) -> Result<T, HostError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, JournalError>> + Send + 'static,
    {
        let host = self.clone();
        Ok(self.journal().owned(move |_| work(host)).await?)
    }

    /// Makes the lease longer, and says what it holds. To be called at least every third of the lease.
    ///
    /// # Errors
    ///
    /// [`HostError::Lapsed`]; with [`HostError::Journal`] the lease runs on as it was.
    pub async fn renew(&self) -> Result<Renewed, HostError> {
        let renewed = self
            .asked(|host| async move {
                let store = Arc::clone(&host.store);
                transact(&store, async |moment| {
                    let Some(drained) = host.prolong(moment).await? else { return Ok(None) };
                    let rows = within(moment.query(HELD, &[&&*host.name, &&*host.run])).await?;
                    let held = rows.iter().map(|row| column(row, 0)).collect::<Result<Vec<i64>, Failure>>()?;
                    Ok(Some(Renewed { held: tags(&held), drained }))
                })
                .await
            })
            .await?;
        match renewed {
            Some(renewed) => Ok(renewed),
            None => Err(self.why_ended().await?),
        }
    }

    async fn why_ended(&self) -> Result<HostError, HostError> {
        let name = self.name.to_string();
        let somebody = self
            .asked(|host| async move {
                let store = Arc::clone(&host.store);
                transact(&store, async |moment| {
                    let sql = "SELECT 1 FROM kraite.hosts WHERE name = $1 AND run IS NOT NULL";
                    Ok(within(moment.query_opt(sql, &[&&*host.name])).await?.is_some())
                })
                .await
            })
            .await?;
        Ok(if somebody { HostError::Replaced(name) } else { HostError::Lapsed(name) })
    }

    async fn prolong(&self, moment: &Transaction<'_>) -> Result<Option<bool>, Failure> {
        let statement = within(moment.prepare_cached(RENEW)).await?;
        let term = milliseconds(self.lease.term);
        let row = within(moment.query_opt(&statement, &[&&*self.name, &&*self.run, &term])).await?;
        row.map(|row| column(&row, 0)).transpose()
    }

    /// Prolongs the lease for an append that found too little of it; `false` where it has ended.
    pub(super) async fn prolong_on(&self, client: &Client) -> Result<bool, Failure> {
        let statement = within(client.prepare_cached(RENEW)).await?;
        let term = milliseconds(self.lease.term);
        let row = within(client.query_opt(&statement, &[&&*self.name, &&*self.run, &term])).await?;
        Ok(row.is_some())
    }

    /// Takes over some of these accounts that nobody works on: new ones, those that were handed over, and those of
    /// hosts whose lease has run out. Of two hosts that do so at once each account goes to one. Those that a newer version
    /// has worked on, whose records this one may not read, are left to others ([`Host::too_new`]).
    ///
    /// # Errors
    ///
    /// [`HostError::Lapsed`] where this host may hold nothing itself.
    pub async fn claim(&self, accounts: &[AccountTag], at_most: usize) -> Result<Vec<AccountTag>, HostError> {
        let mut accounts: Vec<i64> = accounts.iter().copied().map(key).collect();
        // Two that make the same rows at once wait for each other in one order.
        accounts.sort_unstable();
        let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
        let claimed = self
            .asked(move |host| async move {
                let store = Arc::clone(&host.store);
                transact(&store, async |moment| {
                    let most = i64::from(Epoch::MAX.get());
                    within(moment.execute(END_LAPSED, &[&most])).await?;
                    if host.prolong(moment).await?.is_none() {
                        return Ok(None);
                    }
                    within(moment.execute(MAKE_ROWS, &[&accounts])).await?;
                    let claim = CLAIM.replace("EPOCH_NOW", EPOCH_NOW);
                    let of: [&(dyn ToSql + Sync); 6] = [&accounts, &most, &at_most, &&*host.name, &&*host.run, &READS];
                    let rows = within(moment.query(&claim, &of)).await?;
                    let claimed = rows.iter().map(|row| column(row, 0)).collect::<Result<Vec<i64>, Failure>>()?;
                    Ok(Some(tags(&claimed)))
                })
                .await
            })
            .await?;
        match claimed {
            Some(claimed) => Ok(claimed),
            None => Err(self.why_ended().await?),
        }
    }

    /// Which of these accounts nobody works on, and this host may not either: a newer version has worked on them. Their
    /// positions are behind their stops, and followed by nobody before a host of that version comes.
    ///
    /// # Errors
    ///
    /// [`HostError::Journal`].
    pub async fn too_new(&self, accounts: &[AccountTag]) -> Result<Vec<AccountTag>, HostError> {
        let accounts: Vec<i64> = accounts.iter().copied().map(key).collect();
        self.asked(move |host| async move {
            let store = Arc::clone(&host.store);
            transact(&store, async |moment| {
                let rows = within(moment.query(TOO_NEW, &[&accounts, &READS])).await?;
                let left = rows.iter().map(|row| column(row, 0)).collect::<Result<Vec<i64>, Failure>>()?;
                Ok(tags(&left))
            })
            .await
        })
        .await
    }

    /// Says from which address this host calls, by a word that all who call from it say, and which venues have asked it
    /// to be quiet; tells what the others say.
    ///
    /// # Errors
    ///
    /// [`HostError::Journal`].
    pub async fn share(&self, egress: &str, quiets: &[(&str, Duration)]) -> Result<Egress, HostError> {
        let egress = egress.to_owned();
        let venues: Vec<String> = quiets.iter().map(|(venue, _)| (*venue).to_owned()).collect();
        let lefts: Vec<i64> = quiets.iter().map(|(_, left)| milliseconds(*left)).collect();
        self.asked(move |host| async move {
            let store = Arc::clone(&host.store);
            transact(&store, async |moment| {
                within(moment.execute(EGRESS, &[&&*host.name, &&*host.run, &egress])).await?;
                within(moment.execute(QUIET, &[&egress, &venues, &lefts])).await?;
                let row = within(moment.query_one(SHARING, &[&egress])).await?;
                let hosts = u32::try_from(column::<i64>(&row, 0)?).unwrap_or(u32::MAX).max(1);
                let mut quiets = Vec::new();
                for row in within(moment.query(QUIETS, &[&egress])).await? {
                    let left: i64 = column(&row, 1)?;
                    quiets.push((column(&row, 0)?, Duration::from_millis(u64::try_from(left).unwrap_or(0))));
                }
                Ok(Egress { hosts, quiets })
            })
            .await
        })
        .await
    }

    /// Tells where accounts stand, each as of a record and as JSON, for those who read the database with SQL (views
    /// `kraite.accounts` and `kraite.positions`). Nothing is decided by it.
    ///
    /// # Errors
    ///
    /// [`HostError::Journal`].
    pub async fn stand(&self, standings: Vec<(AccountTag, u64, String)>) -> Result<(), HostError> {
        let accounts: Vec<i64> = standings.iter().map(|(account, ..)| key(*account)).collect();
        let seqs: Vec<i64> = standings.iter().map(|(_, seq, _)| number(*seq)).collect();
        let bodies: Vec<String> = standings.into_iter().map(|(.., body)| body).collect();
        self.asked(move |host| async move {
            let store = Arc::clone(&host.store);
            transact(&store, async |moment| {
                let of: [&(dyn ToSql + Sync); 5] = [&accounts, &seqs, &bodies, &&*host.name, &&*host.run];
                within(moment.execute(STAND, &of)).await.map(drop)
            })
            .await
        })
        .await
    }

    /// Hands accounts over to whoever takes them. They are free once nothing that this host had under way can be accepted
    /// any more; whatever still works on them here can append nothing.
    ///
    /// # Errors
    ///
    /// [`HostError::Journal`]: they stay this host's until its lease ends.
    pub async fn release(&self, accounts: &[AccountTag]) -> Result<(), HostError> {
        let accounts: Vec<i64> = accounts.iter().copied().map(key).collect();
        self.asked(move |host| async move {
            let store = Arc::clone(&host.store);
            transact(&store, async |moment| {
                release(moment, &host.name, Some(&host.run), host.lease, Some(&accounts)).await
            })
            .await
        })
        .await
    }

    /// Hands everything over and says that this host is gone.
    ///
    /// # Errors
    ///
    /// As [`Host::release`].
    pub async fn end(&self) -> Result<(), HostError> {
        self.asked(|host| async move {
            let store = Arc::clone(&host.store);
            transact(&store, async |moment| {
                within(moment.execute(END, &[&&*host.name, &&*host.run])).await?;
                release(moment, &host.name, Some(&host.run), host.lease, None).await
            })
            .await
        })
        .await
    }
}

impl PostgresJournal {
    /// Every host that ever worked on accounts of this database.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`].
    pub async fn hosts(&self) -> Result<Vec<HostRow>, JournalError> {
        self.owned(|store| async move {
            transact(&store, async |moment| {
                let rows = within(moment.query(LIST, &[&READS])).await?;
                rows.iter()
                    .map(|row| {
                        let accounts: Vec<i64> = column(row, 6)?;
                        Ok(HostRow {
                            name: column(row, 0)?,
                            version: column(row, 1)?,
                            drained: column(row, 2)?,
                            is_up: column(row, 3)?,
                            began_at: column(row, 4)?,
                            until: column(row, 5)?,
                            accounts: tags(&accounts),
                            reads_ours: column(row, 7)?,
                        })
                    })
                    .collect()
            })
            .await
        })
        .await
    }

    /// Tells a host to hand over what it has and take nothing, or that it may take accounts again. It finds that with
    /// its next renewal, and after a restart too. `false` where no host has that name.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`].
    pub async fn drain(&self, host: &str, drained: bool) -> Result<bool, JournalError> {
        let host = host.to_owned();
        self.owned(move |store| async move {
            transact(&store, async |moment| Ok(within(moment.execute(DRAIN, &[&host, &drained])).await? > 0)).await
        })
        .await
    }
}

/// Lets go of what a host has, of all runs or of one, all accounts or some.
async fn release(
    moment: &Transaction<'_>,
    name: &str,
    run: Option<&str>,
    lease: Lease,
    accounts: Option<&[i64]>,
) -> Result<(), Failure> {
    let (reach, most) = (milliseconds(lease.reach), i64::from(Epoch::MAX.get()));
    within(moment.execute(RELEASE, &[&name, &run, &reach, &most, &accounts])).await.map(drop)
}

fn tags(stored: &[i64]) -> Vec<AccountTag> {
    stored.iter().filter_map(|stored| u32::try_from(*stored).ok().and_then(AccountTag::new)).collect()
}

/// One transaction. What its answer says is so on every standby that has to know of it, though nothing was written: where
/// something was, the commit says so.
pub(super) async fn transact<T>(
    store: &Store,
    work: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, Failure>,
) -> Result<T, JournalError> {
    let mut client = store.connection().await.map_err(|failure| failure.of_reading(store))?;
    let warnings = store.warnings();
    let result = async {
        let start = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start();
        let moment = within(start).await?;
        let done = work(&moment).await?;
        within(moment.commit()).await?;
        Ok(done)
    }
    .await;
    let result = store.unwarned(warnings, result);
    give_back(client, &result);
    result.map_err(|failure| failure.of_reading(store))
}
