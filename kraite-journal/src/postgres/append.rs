//! What is written: owners, runs of records, snapshots; and what became of a run whose answer was lost.

use std::time::Duration;

use deadpool_postgres::Client;
use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::{Durable, JournalError, Run};
use tokio::time::timeout;

use super::hosts::{END_LAPSED, Host, transact};
use super::session::{Failure, Store, column, epoch_of, give_back, key, number, owner_of, within};
use crate::codec::READS;

/// Above every epoch of a database that was lost or put back, since ids carry the epoch: the minutes since 2020 by the
/// server's clock. There is room for 31 years.
pub(super) const EPOCH_NOW: &str = "GREATEST(floor(extract(epoch FROM now()) / 60)::bigint - 26297280, 1)";

/// For whoever is no host: an account that no host works on. What its last host has under way is its own still.
const ACQUIRE: &str = "
    INSERT INTO kraite.owners AS o (account, epoch, last_seq, reads) VALUES ($1, EPOCH_NOW, 0, $3)
    ON CONFLICT (account) DO UPDATE SET epoch = GREATEST(o.epoch + 1, EXCLUDED.epoch), reads = EXCLUDED.reads
    WHERE o.epoch < $2 AND o.host IS NULL AND o.moved_to IS NULL AND o.reads <= EXCLUDED.reads RETURNING epoch";

/// For a host: an account that it holds.
const ACQUIRE_HELD: &str = "
    UPDATE kraite.owners o SET epoch = GREATEST(o.epoch + 1, EPOCH_NOW)
    WHERE o.account = $1 AND o.epoch < $2 AND o.host = $3 AND o.run = $4 RETURNING epoch";

/// The account's row is locked and judged as it is by then; records follow from it or do not come to be at all. Where a
/// host works on it, enough of its lease has to be left for what the records allow to be sent.
const APPEND: &str = "
    WITH owner AS (
        UPDATE kraite.owners o SET last_seq = $4
        WHERE o.account = $1 AND o.epoch = $2 AND o.last_seq = $3::bigint - 1 AND (o.host IS NULL OR EXISTS (
            SELECT 1 FROM kraite.hosts h
            WHERE h.name = o.host AND h.run = o.run AND h.until >= now() + $6::bigint * interval '1 ms'
        )) RETURNING o.account
    ), added AS (
        INSERT INTO kraite.records (account, seq, epoch, body)
        SELECT owner.account, $3::bigint + run.n - 1, $2::bigint, run.body
        FROM owner, unnest($5::bytea[]) WITH ORDINALITY AS run (body, n)
        RETURNING seq
    ) SELECT count(*) FROM added";

const OWNER: &str = "SELECT epoch, last_seq, moved_to, reads FROM kraite.owners WHERE account = $1";

/// Waits for whoever is appending to this account, and leaves something to commit: what was read is durable once that
/// is, on whatever standby has to have it too.
const HOLD_OWNER: &str = "UPDATE kraite.owners SET epoch = epoch WHERE account = $1 RETURNING epoch, last_seq";

pub(super) const THERE: &str =
    "SELECT seq, epoch, body FROM kraite.records WHERE account = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq";

pub(super) const SNAPSHOT: &str = "
    INSERT INTO kraite.snapshots AS s (account, seq, body) VALUES ($1, $2, $3)
    ON CONFLICT (account) DO UPDATE SET seq = EXCLUDED.seq, body = EXCLUDED.body WHERE EXCLUDED.seq >= s.seq";

/// How long it is looked whether a run is there whose answer was lost, and how often.
const SETTLE: Duration = Duration::from_secs(5);
const BETWEEN: Duration = Duration::from_millis(100);
/// How often a server that answers is asked for a run that is not there: one that was on its way when the connection broke
/// arrives at once or never.
const ABSENCES: u32 = 10;

/// A run and its bytes, in the order of its numbers.
pub(super) struct Append {
    pub(super) account: AccountTag,
    pub(super) run: Run,
    pub(super) bodies: Vec<Vec<u8>>,
    /// Whose lease it is written under.
    pub(super) host: Option<Host>,
}

pub(super) async fn acquire(store: &Store, account: AccountTag, host: Option<&Host>) -> Result<Epoch, JournalError> {
    let most = i64::from(Epoch::MAX.get());
    transact(store, async |moment| {
        let row = if let Some(host) = host {
            let sql = ACQUIRE_HELD.replace("EPOCH_NOW", EPOCH_NOW);
            let statement = within(moment.prepare_cached(&sql)).await?;
            within(moment.query_opt(&statement, &[&key(account), &most, &&*host.name, &&*host.run])).await?
        } else {
            within(moment.execute(END_LAPSED, &[&most])).await?;
            let statement = within(moment.prepare_cached(&ACQUIRE.replace("EPOCH_NOW", EPOCH_NOW))).await?;
            within(moment.query_opt(&statement, &[&key(account), &most, &READS])).await?
        };
        if let Some(row) = row {
            return Ok(Ok(epoch_of(store, account, column(&row, 0)?)?));
        }
        let row = within(moment.query_opt(OWNER, &[&key(account)])).await?;
        let (owner, _) = owner_of(store, account, row.as_ref())?;
        let moved: Option<String> = row.as_ref().map_or(Ok(None), |row| column(row, 2))?;
        let reads: i32 = row.as_ref().map_or(Ok(0), |row| column(row, 3))?;
        if reads > READS {
            return Ok(Err(too_new(store, account, reads)));
        }
        Ok(Err(match moved {
            Some(place) => JournalError::Unavailable(format!(
                "{}, account {account}: it was moved to {place}; work on that, or copy it back with kraite migrate",
                store.place
            )),
            None if owner >= Epoch::MAX => JournalError::Unavailable("all epochs are used up".into()),
            None => JournalError::NotOwner { account, owner, ours: Epoch::default() },
        }))
    })
    .await?
}

/// Somebody has worked on it who may have written what this version cannot read.
fn too_new(store: &Store, account: AccountTag, reads: i32) -> JournalError {
    let number = |reads: i32| u32::try_from(reads).unwrap_or(0);
    JournalError::TooNew {
        place: format!("{}, account {account}", store.place),
        found: number(reads),
        known: number(READS),
    }
}

pub(super) async fn append(store: &Store, append: &Append) -> Result<Durable, JournalError> {
    let client = store.connection().await.map_err(|failure| failure.of_writing(store))?;
    let warnings = store.warnings();
    let result = store.unwarned(warnings, append_on(store, &client, append).await);
    give_back(client, &result);
    match result {
        Ok(durable) => Ok(durable),
        Err(Failure::Lost(why)) => settle(store, append, &why).await,
        Err(failure) => Err(failure.of_writing(store)),
    }
}

async fn append_on(store: &Store, client: &Client, append: &Append) -> Result<Durable, Failure> {
    let Append { account, run, ref bodies, ref host } = *append;
    if try_append(client, append).await? {
        return Ok(run.durable(account));
    }
    // Neither number ever falls, so what refused it is still there to be seen.
    let statement = within(client.prepare_cached(OWNER)).await?;
    let row = within(client.query_opt(&statement, &[&key(account)])).await?;
    let (owner, last) = owner_of(store, account, row.as_ref())?;
    if owner != run.epoch {
        return Err(JournalError::NotOwner { account, owner, ours: run.epoch }.into());
    }
    let expected = last.saturating_add(1);
    if expected != run.first {
        return Err(JournalError::OutOfSequence { account, expected, got: run.first }.into());
    }
    // It is too little of the lease that is left. As long as nobody saw it run out it can be made longer.
    if let Some(host) = host
        && host.prolong_on(client).await?
        && try_append(client, append).await?
    {
        return Ok(run.durable(account));
    }
    let (name, count) = (host.as_ref().map_or("", |host| host.name()), bodies.len());
    Err(Failure::Refused(format!("the lease of host {name} has ended, {count} records of account {account} came late")))
}

/// `false` where the server's answer is that none of the records was added.
async fn try_append(client: &Client, append: &Append) -> Result<bool, Failure> {
    let Append { account, run, ref bodies, ref host } = *append;
    let statement = within(client.prepare_cached(APPEND)).await?;
    let (epoch, first, last) = (i64::from(run.epoch.get()), number(run.first), number(run.last));
    let reach = host.as_ref().map_or(0, |host| i64::try_from(host.lease.reach.as_millis()).unwrap_or(i64::MAX));
    let row = within(client.query_one(&statement, &[&key(account), &epoch, &first, &last, bodies, &reach])).await?;
    let added: i64 = column(&row, 0)?;
    Ok(usize::try_from(added) == Ok(bodies.len()))
}

/// What became of a run whose answer was lost, by what the server has. As long as its statement may still be on its way
/// there is no telling, and none is made up.
async fn settle(store: &Store, append: &Append, why: &str) -> Result<Durable, JournalError> {
    let mut seen = "the server was not reached".to_owned();
    let found = timeout(SETTLE, async {
        let mut absences = 0;
        while absences < ABSENCES {
            match look(store, append).await {
                Ok(Some(verdict)) => return Some(verdict),
                Ok(None) => {
                    absences = absences.saturating_add(1);
                    "the records are not there, and may still come".clone_into(&mut seen);
                }
                Err(Failure::Refused(why) | Failure::Lost(why)) => seen = why,
                Err(Failure::Told(error)) => return Some(Err(JournalError::Write(error.to_string()))),
            }
            between().await;
        }
        None
    })
    .await;
    found
        .unwrap_or_default()
        .unwrap_or_else(|| Err(JournalError::Write(format!("{}: {why}; then: {seen}", store.place))))
}

#[allow(clippy::disallowed_methods, reason = "a server is waited for, which has no other clock")]
async fn between() {
    tokio::time::sleep(BETWEEN).await;
}

/// `None` while it may still come.
async fn look(store: &Store, append: &Append) -> Result<Option<Result<Durable, JournalError>>, Failure> {
    let Append { account, run, ref bodies, .. } = *append;
    let mut client = store.fresh().await?;
    let warnings = store.warnings();
    let transaction = within(client.transaction()).await?;
    let row = within(transaction.query_opt(HOLD_OWNER, &[&key(account)])).await?;
    let (owner, last) = owner_of(store, account, row.as_ref())?;
    let rows = within(transaction.query(THERE, &[&key(account), &number(run.first), &number(run.last)])).await?;
    store.unwarned(warnings, within(transaction.commit()).await)?;
    let mut whole = rows.len() == bodies.len();
    for (row, (seq, body)) in rows.iter().zip((run.first..).zip(bodies)) {
        let (stored, epoch, bytes): (i64, i64, &[u8]) = (column(row, 0)?, column(row, 1)?, column(row, 2)?);
        whole &= stored == number(seq) && epoch == i64::from(run.epoch.get()) && bytes == body.as_slice();
    }
    Ok(if whole {
        Some(Ok(run.durable(account)))
    } else if owner > run.epoch {
        Some(Err(JournalError::NotOwner { account, owner, ours: run.epoch }))
    } else if last >= run.first {
        Some(Err(JournalError::OutOfSequence { account, expected: last.saturating_add(1), got: run.first }))
    } else {
        None
    })
}

/// Records stay: they are the account's history. Only what has to be read at a start shrinks.
pub(super) async fn snapshot(store: &Store, account: AccountTag, seq: u64, body: &[u8]) -> Result<(), JournalError> {
    let client = store.connection().await.map_err(|failure| failure.of_writing(store))?;
    let result = snapshot_on(&client, account, seq, body).await;
    give_back(client, &result);
    result.map_err(|failure| failure.of_writing(store))
}

async fn snapshot_on(client: &Client, account: AccountTag, seq: u64, body: &[u8]) -> Result<(), Failure> {
    let statement = within(client.prepare_cached(SNAPSHOT)).await?;
    within(client.execute(&statement, &[&key(account), &number(seq), &body])).await?;
    Ok(())
}
