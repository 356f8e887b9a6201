//! Connections: how they are made, what holds for each, and what its errors mean.

use std::error::Error as _;
use std::time::Duration;

use deadpool_postgres::{
    Client, ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::JournalError;
use tokio::time::timeout;
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::types::FromSql;
use tokio_postgres::{Config, Error, Row, SimpleQueryMessage};

use super::line::Line;

/// Connections of one journal at most. Each carries one append at a time, and those of all accounts share the server's
/// syncs.
const CONNECTIONS: usize = 16;
/// How long a connection is waited for, and how long an answer: as long as SQLite waits for a file that is locked. The
/// server gives up before that, see [`SESSION`].
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// After how long without traffic a connection is probed.
const IDLE: Duration = Duration::from_secs(30);

/// What holds on every connection, whatever the database or the role have as their defaults. Each transaction touches
/// one account's row, which is judged as it is once it is locked: more isolation would only refuse what is right.
/// `remote_apply` waits for more than `on` does, and stays.
const SESSION: &str = "
    SET statement_timeout = '4s'; SET lock_timeout = '2s'; SET idle_in_transaction_session_timeout = '10s';
    SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off;
    SET search_path = pg_catalog;
    SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');
";

/// The database, and what it is called where somebody reads it.
pub(super) struct Store {
    pool: Pool,
    line: Line,
    /// Without user and password.
    pub(super) place: String,
}

impl Store {
    /// Connects to nothing yet.
    pub(super) fn new(address: &str) -> Result<Self, JournalError> {
        // The parser's own words may repeat a part of the password.
        let unreadable = || {
            JournalError::Unavailable(
                "the address of the database cannot be read: it is postgres://user:password@host:port/database, \
                 with '@', ':', '/', '?' and '%' in the password written as %40, %3A, %2F, %3F and %25"
                    .into(),
            )
        };
        let mut config: Config = address.parse().map_err(|_| unreadable())?;
        let place = place_of(&config).ok_or_else(unreadable)?;
        if config.get_application_name().is_none() {
            config.application_name("kraite");
        }
        config
            .connect_timeout(CONNECT)
            .tcp_user_timeout(PATIENCE)
            .keepalives_idle(IDLE)
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        let line = Line::new(&config, &place)?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(config, line.clone(), recycling);
        let ears = line.clone();
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(PATIENCE))
            .create_timeout(Some(PATIENCE))
            .recycle_timeout(Some(PATIENCE))
            .post_create(Hook::async_fn(move |client: &mut ClientWrapper, _| {
                let line = ears.clone();
                Box::pin(async move {
                    line.is_ahead(client).await.map_err(|behind| HookError::message(behind.words()))?;
                    client.batch_execute(SESSION).await.map_err(HookError::Backend)
                })
            }))
            .build()
            .map_err(|error| JournalError::Unavailable(format!("{place}: {error}")))?;
        Ok(Self { pool, line, place })
    }

    /// One of the pool's. On an error nothing was sent.
    pub(super) async fn connection(&self) -> Result<Client, Failure> {
        let found = timeout(PATIENCE, self.pool.get()).await;
        found.map_err(|_| Failure::Refused("no connection within 5 s".into()))?.map_err(|error| match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                Failure::Refused(words(&error))
            }
            PoolError::PostCreateHook(HookError::Message(why)) => Failure::Refused(why.into_owned()),
            other => Failure::Refused(other.to_string()),
        })
    }

    /// A new one beside the pool, which ends when it is dropped.
    pub(super) async fn fresh(&self) -> Result<tokio_postgres::Client, Failure> {
        let (client, _) = within(self.line.connect()).await?;
        self.line.is_ahead(&client).await.map_err(|behind| Failure::Refused(behind.words()))?;
        within(client.batch_execute(SESSION)).await?;
        Ok(client)
    }

    /// How many warnings servers have given. A commit that comes with one may not have reached the standby that it was
    /// to wait for: whoever ended the wait is told by no error.
    pub(super) fn warnings(&self) -> u64 {
        self.line.warnings()
    }

    /// An answer that came without a warning. Which connection was warned is not looked at: it is rare, and to look twice
    /// does no harm.
    pub(super) fn unwarned<T>(&self, before: u64, result: Result<T, Failure>) -> Result<T, Failure> {
        match result {
            Ok(_) if self.warnings() != before => {
                Err(Failure::Lost("the server warned: its standby may not have what it committed".into()))
            }
            result => result,
        }
    }
}

/// Refuses a pooler that lends a server's session for one transaction at a time: what [`SESSION`] sets would hold for
/// somebody else, and a commit of ours might not be durable. While a second connection has a transaction open, the first one
/// finds itself in another session then.
pub(super) async fn keeps_sessions(store: &Store) -> Result<(), JournalError> {
    let unread = |failure: Failure| failure.of_reading(store);
    let (ours, mut other) = (store.connection().await.map_err(unread)?, store.connection().await.map_err(unread)?);
    let kept = async {
        // As simple statements: nothing has to be prepared where sessions may be mixed up.
        let before = session_of(&ours).await?;
        let moment = within(other.transaction()).await?;
        within(moment.batch_execute("SELECT 1")).await?;
        let after = session_of(&ours).await?;
        within(moment.rollback()).await?;
        Ok(before == after)
    }
    .await;
    give_back(ours, &kept);
    // One is enough for whoever only looks.
    drop(Object::take(other));
    if kept.map_err(unread)? {
        return Ok(());
    }
    let why = "a pooler lends sessions for one transaction at a time, so that nothing set for a session holds: let it pool \
               by session, or name the server itself";
    Err(JournalError::Unavailable(format!("{}: {why}", store.place)))
}

async fn session_of(client: &Client) -> Result<Option<String>, Failure> {
    let answers = within(client.simple_query("SELECT pg_backend_pid()")).await?;
    Ok(answers.into_iter().find_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}

/// Gives a connection back, unless nobody knows what it is doing.
pub(super) fn give_back<T>(client: Client, result: &Result<T, Failure>) {
    if matches!(result, Err(Failure::Lost(_))) {
        drop(Object::take(client));
    }
}

/// Waits for an answer of the server.
pub(super) async fn within<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
    match timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(|error| Failure::of(&error)),
        Err(_) => Err(Failure::Lost("no answer within 5 s".into())),
    }
}

/// Why something could not be done.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was not done: the server said so and took its transaction back, or was never asked.
    Refused(String),
    /// The connection broke, or the server went or fell silent: what was asked may have been done.
    Lost(String),
    /// What was found cannot be used.
    Told(JournalError),
}

impl Failure {
    fn of(error: &Error) -> Self {
        match error.as_db_error() {
            // Anything above an error ends the session, and may come after the commit.
            Some(told) if told.parsed_severity() == Some(Severity::Error) => {
                if *told.code() == SqlState::DATA_CORRUPTED || *told.code() == SqlState::INDEX_CORRUPTED {
                    let (place, reason) = ("PostgreSQL's own files".into(), words(error));
                    return Self::Told(JournalError::Corrupt { place, reason });
                }
                Self::Refused(words(error))
            }
            _ => Self::Lost(words(error)),
        }
    }

    /// For one who changed nothing, or does not mind having changed it.
    pub(super) fn of_reading(self, store: &Store) -> JournalError {
        match self {
            Self::Refused(why) | Self::Lost(why) => JournalError::Unavailable(format!("{}: {why}", store.place)),
            Self::Told(error) => error,
        }
    }

    /// For one who wrote.
    pub(super) fn of_writing(self, store: &Store) -> JournalError {
        match self {
            Self::Refused(why) => JournalError::Write(format!("{}: {why}; nothing was written", store.place)),
            Self::Lost(why) => JournalError::Write(format!("{}: {why}", store.place)),
            Self::Told(error) => error,
        }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::Told(error)
    }
}

/// What the server says, in one line.
fn words(error: &Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(told), _) => format!("{} ({})", told.message(), told.code().code()),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}

/// `None` where a part of the password may have been taken for something else: what follows an '@' in it.
fn place_of(config: &Config) -> Option<String> {
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(folder) => folder.display().to_string(),
        })
        .collect();
    let ports: Vec<String> = config.get_ports().iter().map(u16::to_string).collect();
    let database = config.get_dbname().or_else(|| config.get_user()).unwrap_or("postgres");
    let place = format!("PostgreSQL {database} at {}:{}", hosts.join(","), ports.join(","));
    (!place.contains('@')).then_some(place)
}

/// Numbers as the tables have them.
pub(super) fn key(account: AccountTag) -> i64 {
    i64::from(account.get())
}

/// A number no larger than the tables can hold.
pub(super) fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// An epoch as it lies in a table.
pub(super) fn epoch_of(store: &Store, account: AccountTag, stored: i64) -> Result<Epoch, JournalError> {
    u32::try_from(stored).ok().and_then(Epoch::new).ok_or_else(|| JournalError::Corrupt {
        place: format!("{}, account {account}", store.place),
        reason: "an epoch is out of range".into(),
    })
}

/// A record's number as it lies in a table.
pub(super) fn seq_of(store: &Store, account: AccountTag, stored: i64) -> Result<u64, JournalError> {
    u64::try_from(stored).map_err(|_| JournalError::Corrupt {
        place: format!("{}, account {account}, record {stored}", store.place),
        reason: "its number is out of range".into(),
    })
}

/// Who owns an account and its last number; zero for both where nobody ever acquired it.
pub(super) fn owner_of(store: &Store, account: AccountTag, row: Option<&Row>) -> Result<(Epoch, u64), Failure> {
    let Some(row) = row else { return Ok((Epoch::default(), 0)) };
    Ok((epoch_of(store, account, column(row, 0)?)?, seq_of(store, account, column(row, 1)?)?))
}

/// A column of an answer.
pub(super) fn column<'r, T: FromSql<'r>>(row: &'r Row, column: usize) -> Result<T, Failure> {
    row.try_get(column)
        .map_err(|error| Failure::Refused(format!("an answer of another kind than was asked for: {error}")))
}
