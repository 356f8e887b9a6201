//! The tables: how they are made, one version after the other, and who may do what with them.

use deadpool_postgres::{Client, Transaction};
use kraite_core::journal::JournalError;
use tokio_postgres::IsolationLevel;

use super::session::{Failure, Store, column, give_back, within};

/// What makes each version of the schema from the one before; the first makes it from nothing. None is ever changed.
const VERSIONS: &[&str] = &[
    "
    CREATE SCHEMA kraite;
    CREATE TABLE kraite.layouts (
        version integer PRIMARY KEY, made_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE kraite.owners (
        account bigint PRIMARY KEY, epoch bigint NOT NULL, last_seq bigint NOT NULL
    );
    CREATE TABLE kraite.records (
        account bigint NOT NULL, seq bigint NOT NULL, epoch bigint NOT NULL, body bytea NOT NULL,
        PRIMARY KEY (account, seq)
    );
    CREATE TABLE kraite.snapshots (
        account bigint PRIMARY KEY, seq bigint NOT NULL, body bytea NOT NULL
    );
",
    "
    CREATE TABLE kraite.hosts (
        name text PRIMARY KEY, run text, version text NOT NULL, drained boolean NOT NULL DEFAULT false,
        began_at timestamptz NOT NULL, until timestamptz NOT NULL, egress text
    );
    CREATE TABLE kraite.quiets (
        egress text NOT NULL, venue text NOT NULL, until timestamptz NOT NULL, PRIMARY KEY (egress, venue)
    );
    CREATE TABLE kraite.queues (name text PRIMARY KEY, jobs bigint NOT NULL, made_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE kraite.jobs (
        queue text NOT NULL REFERENCES kraite.queues, job bigint NOT NULL, result text, taken_until timestamptz,
        PRIMARY KEY (queue, job)
    );
    CREATE TABLE kraite.standings (
        account bigint PRIMARY KEY, seq bigint NOT NULL, at timestamptz NOT NULL, body jsonb NOT NULL
    );
    ALTER TABLE kraite.owners ADD COLUMN host text, ADD COLUMN run text, ADD COLUMN free_at timestamptz, ADD COLUMN moved_to text;
    CREATE INDEX owners_of_hosts ON kraite.owners (host) WHERE host IS NOT NULL;
    CREATE VIEW kraite.accounts AS
        SELECT o.account, h.name AS host, o.epoch, o.last_seq AS records, s.seq AS snapshot_of, o.moved_to,
               t.seq AS shown_as_of, t.at AS shown_at,
               (t.body ->> 'halted')::boolean AS halted, (t.body ->> 'quarantined')::boolean AS quarantined,
               (t.body ->> 'in_doubt')::integer AS orders_in_doubt
        FROM kraite.owners o
        LEFT JOIN kraite.hosts h ON h.name = o.host AND h.run = o.run AND h.until > now()
        LEFT JOIN kraite.snapshots s ON s.account = o.account
        LEFT JOIN kraite.standings t ON t.account = o.account;
    CREATE VIEW kraite.positions AS
        SELECT t.account, p.position, p.symbol, p.direction, p.status, p.exposure, p.average_entry, p.target, p.stop,
               p.cover, to_timestamp(p.unprotected_since_ms / 1000.0) AS unprotected_since,
               p.worst_unprotected_ms, p.rungs_filled, p.rungs_working, p.rungs_held, p.realised, p.in_doubt, p.halted,
               t.seq AS shown_as_of, t.at AS shown_at
        FROM kraite.standings t, jsonb_to_recordset(t.body -> 'positions') AS p (
            position bigint, symbol text, direction text, status text, exposure numeric, average_entry numeric,
            target numeric, stop numeric, cover text, unprotected_since_ms bigint, worst_unprotected_ms bigint,
            rungs_filled integer, rungs_working integer, rungs_held integer, realised numeric, in_doubt integer,
            halted boolean
        );
",
    // What one has to be able to read who works on an account, and what a host can; the first record that is still here, and
    // the file that those before it are in.
    "
    ALTER TABLE kraite.owners ADD COLUMN reads integer NOT NULL DEFAULT 0, ADD COLUMN kept bigint NOT NULL DEFAULT 1,
        ADD COLUMN archive text;
    ALTER TABLE kraite.hosts ADD COLUMN reads integer NOT NULL DEFAULT 0;
",
    #[cfg(feature = "next-format")]
    "ALTER TABLE kraite.hosts ADD COLUMN next text",
];

/// The newest version of the schema that is made and known.
#[allow(clippy::cast_possible_truncation, reason = "it is a list in this file")]
const LAYOUT: u32 = VERSIONS.len() as u32;

/// The lock that makes one start after the other: "kraite" in ASCII. It is the transaction's, so nobody can leave it
/// behind.
const LOCK: i64 = 0x6b72_6169_7465;

/// The oldest server that this is meant for.
const OLDEST: i32 = 15;

/// Makes what is missing of the schema, in one transaction.
pub(super) async fn prepare(store: &Store) -> Result<(), JournalError> {
    let mut client = store.connection().await.map_err(|failure| failure.of_reading(store))?;
    let result = prepare_on(store, &mut client).await;
    give_back(client, &result);
    result.map_err(|failure| failure.of_reading(store))
}

async fn prepare_on(store: &Store, client: &mut Client) -> Result<(), Failure> {
    // What others made while the lock was waited for has to be seen.
    let start = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start();
    let transaction = within(start).await?;
    is_fit(store, &transaction).await?;
    within(transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])).await?;
    let found = version(&transaction).await?;
    if found > LAYOUT {
        let place = format!("{}, schema kraite", store.place);
        return Err(JournalError::TooNew { place, found, known: LAYOUT }.into());
    }
    for (version, make) in (1_i32..).zip(VERSIONS.iter().copied()).skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        within(transaction.batch_execute(make)).await?;
        within(transaction.execute("INSERT INTO kraite.layouts (version) VALUES ($1)", &[&version])).await?;
    }
    within(transaction.commit()).await
}

/// Whether there is a journal that can be read, which is left as it is, and the version of the server.
pub(super) async fn look(store: &Store) -> Result<(bool, String), JournalError> {
    let mut client = store.connection().await.map_err(|failure| failure.of_reading(store))?;
    let result = look_on(store, &mut client).await;
    give_back(client, &result);
    result.map_err(|failure| failure.of_reading(store))
}

async fn look_on(store: &Store, client: &mut Client) -> Result<(bool, String), Failure> {
    let start = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start();
    let moment = within(start).await?;
    is_fit(store, &moment).await?;
    let row = within(moment.query_one("SELECT current_setting('server_version')", &[])).await?;
    let (found, server) = (version(&moment).await?, column(&row, 0)?);
    within(moment.rollback()).await?;
    let place = || format!("{}, schema kraite", store.place);
    match found {
        0 => Ok((false, server)),
        LAYOUT => Ok((true, server)),
        found if found > LAYOUT => Err(JournalError::TooNew { place: place(), found, known: LAYOUT }.into()),
        found => {
            let why = format!("{}: it is of version {found}, and a kraite run makes it {LAYOUT}", place());
            Err(JournalError::Unavailable(why).into())
        }
    }
}

/// Which version of the schema is there; zero for none.
async fn version(transaction: &Transaction<'_>) -> Result<u32, Failure> {
    let row = within(transaction.query_one("SELECT to_regclass('kraite.layouts') IS NOT NULL", &[])).await?;
    if !column::<bool>(&row, 0)? {
        return Ok(0);
    }
    let row = within(transaction.query_one("SELECT COALESCE(max(version), 0) FROM kraite.layouts", &[])).await?;
    Ok(u32::try_from(column::<i32>(&row, 0)?).unwrap_or(0))
}

/// Whether what this server calls committed is on stable storage.
async fn is_fit(store: &Store, transaction: &Transaction<'_>) -> Result<(), Failure> {
    let ask = "SELECT current_setting('server_version_num')::integer / 10000, current_setting('fsync')";
    let row = within(transaction.query_one(ask, &[])).await?;
    let (version, fsync): (i32, String) = (column(&row, 0)?, column(&row, 1)?);
    let unfit = |why: String| JournalError::Unavailable(format!("{}: {why}", store.place));
    if version < OLDEST {
        return Err(unfit(format!("PostgreSQL {version} is too old, {OLDEST} is the oldest that will do")).into());
    }
    if fsync != "on" {
        return Err(unfit("the server runs with fsync off: nothing that it stores is safe".into()).into());
    }
    Ok(())
}

/// Lets a role use the tables, and records only be added.
pub(super) async fn grant(store: &Store, role: &str) -> Result<(), JournalError> {
    let mut client = store.connection().await.map_err(|failure| failure.of_reading(store))?;
    let result = grant_on(store, &mut client, role).await;
    give_back(client, &result);
    result.map_err(|failure| failure.of_reading(store))
}

async fn grant_on(store: &Store, client: &mut Client, role: &str) -> Result<(), Failure> {
    let name = format!("\"{}\"", role.replace('"', "\"\""));
    let transaction = within(client.transaction()).await?;
    let grants = format!(
        "REVOKE ALL ON ALL TABLES IN SCHEMA kraite FROM {name};
         REVOKE ALL ON SCHEMA kraite FROM {name};
         GRANT USAGE ON SCHEMA kraite TO {name};
         GRANT SELECT ON kraite.layouts TO {name};
         GRANT SELECT, INSERT ON kraite.records TO {name};
         GRANT SELECT, INSERT, UPDATE ON kraite.owners, kraite.snapshots, kraite.hosts, kraite.quiets,
             kraite.queues, kraite.jobs, kraite.standings TO {name};
         GRANT SELECT ON kraite.accounts, kraite.positions TO {name};"
    );
    within(transaction.batch_execute(&grants)).await?;
    // Whoever may not grant is only warned by the server.
    let ask = "SELECT pg_has_role(c.relowner, 'USAGE'),
                      has_table_privilege($1::text::name, c.oid, 'UPDATE, DELETE, TRUNCATE')
               FROM pg_class c WHERE c.oid = 'kraite.records'::regclass";
    let row = within(transaction.query_one(ask, &[&role])).await?;
    let (may_grant, changes_records): (bool, bool) = (column(&row, 0)?, column(&row, 1)?);
    let unfit = |why: &str| Failure::Told(JournalError::Unavailable(format!("{}: {why}", store.place)));
    if !may_grant {
        return Err(unfit("only the owner of the tables may grant them"));
    }
    if changes_records {
        return Err(unfit(&format!(
            "role {role} could change records all the same: it owns them, is a superuser, or has it from another role"
        )));
    }
    within(transaction.commit()).await
}
