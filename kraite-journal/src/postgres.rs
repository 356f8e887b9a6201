//! The journal of many hosts: one PostgreSQL database, each append one conditional statement.
//!
//! Owner and number are checked by the statement that writes, so nothing that could be lost on the way (a session, an
//! advisory lock, a lease in somebody's memory) is needed for a deposed worker to be refused. The bytes of records and
//! snapshots are those of the other stores.
//!
//! Every piece of work is a task of its own that nobody cancels: whoever stops waiting leaves no statement half read.

mod append;
mod archive;
mod hosts;
mod layout;
mod line;
mod moving;
mod queue;
mod read;
mod session;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::{Durable, Journal, JournalError, Loaded, Record, Run, Snapshot};
use tokio::runtime::Handle;

use crate::codec;
use append::Append;
pub use archive::Archived;
pub use hosts::{Egress, Host, HostError, HostRow, Lease, Renewed};
pub use queue::Queue;
use session::Store;

/// A journal in a PostgreSQL database, in its schema `kraite`. Cloning the handle shares the connections.
///
/// What leaves the machine is encrypted and the server's certificate verified, by the system's roots or those of
/// `SSL_CERT_FILE`, unless the address says `sslmode=disable`. A pooler in between has to keep sessions; one that pools by
/// transaction is refused, since what is set for a session does not hold there.
///
/// An address may name several servers (`postgres://user:password@one,two/database`): of those that may be written to it is
/// the one that was promoted last, and one that is behind what this process has seen is refused.
///
/// An append whose connection breaks before its answer is settled by what the server has: see
/// [`Journal::append`] of this type's implementation for what each error then means.
#[derive(Clone)]
pub struct PostgresJournal {
    store: Arc<Store>,
    /// Through whose lease accounts are owned.
    host: Option<Host>,
}

/// What there is at the address of a database.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Found {
    /// What the database is called where somebody reads it: without user and password.
    pub place: String,
    /// The version of the server.
    pub server: String,
    /// The journal; `None` where the database has none.
    pub journal: Option<PostgresJournal>,
}

impl fmt::Debug for PostgresJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresJournal").field("place", &self.store.place).finish_non_exhaustive()
    }
}

impl PostgresJournal {
    /// Connects to a database (`postgres://user:password@host:port/database`, or libpq's `key=value` words), and makes
    /// what is missing of the schema. Two that do so at once get the same schema. Must be called within a tokio runtime;
    /// so must every method.
    ///
    /// Records are not read: [`Journal::load`] verifies those of its account.
    ///
    /// # Errors
    ///
    /// [`JournalError::TooNew`] for a schema of a newer version, which is left as it is. [`JournalError::Unavailable`]
    /// for an address that cannot be read, a server that cannot be reached within 5 s, is older than PostgreSQL 15 or
    /// runs with `fsync` off, a pooler that does not keep sessions, and a user who may not create what is missing. None of
    /// them holds the password.
    pub async fn connect(address: &str) -> Result<Self, JournalError> {
        let journal = Self { store: Arc::new(Store::new(address)?), host: None };
        journal
            .owned(|store| async move {
                session::keeps_sessions(&store).await?;
                layout::prepare(&store).await
            })
            .await?;
        Ok(journal)
    }

    /// Looks for the journal of a database, for reading: nothing is made where there is none.
    ///
    /// # Errors
    ///
    /// As [`PostgresJournal::connect`], and [`JournalError::Unavailable`] for a schema of an older version.
    pub async fn find(address: &str) -> Result<Found, JournalError> {
        let journal = Self { store: Arc::new(Store::new(address)?), host: None };
        let (is_there, server) = journal.owned(|store| async move { layout::look(&store).await }).await?;
        Ok(Found { place: journal.store.place.clone(), server, journal: is_there.then_some(journal) })
    }

    /// Under which epoch an account is owned; zero for one that nobody ever acquired.
    ///
    /// # Errors
    ///
    /// [`JournalError::Corrupt`] or [`JournalError::Unavailable`].
    pub async fn owner(&self, account: AccountTag) -> Result<Epoch, JournalError> {
        self.owned(move |store| async move { read::owner(&store, account).await }).await
    }

    /// Lets a role work with the journal and takes everything else on it from that role: it may read all, add records,
    /// change owners and snapshots, and neither change nor remove a record.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`] where the role does not exist, where one's own may not grant, and where the role
    /// could change records all the same: it owns them, is a superuser, or has it from another role. Nothing is changed
    /// then.
    pub async fn grant_to(&self, role: &str) -> Result<(), JournalError> {
        let role = role.to_owned();
        self.owned(|store| async move { layout::grant(&store, &role).await }).await
    }

    /// Runs to its end whatever becomes of the caller.
    async fn owned<T, F>(&self, work: impl FnOnce(Arc<Store>) -> F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, JournalError>> + Send + 'static,
    {
        let Ok(runtime) = Handle::try_current() else {
            return Err(JournalError::Unavailable("a journal in PostgreSQL needs a tokio runtime".into()));
        };
        let ended = |_| JournalError::Write("the journal's task ended without an answer".into());
        runtime.spawn(work(Arc::clone(&self.store))).await.map_err(ended)?
    }
}

#[async_trait]
impl Journal for PostgresJournal {
    /// An account that a [`Host`] works on is given to nobody else before its lease ends: [`JournalError::NotOwner`].
    async fn acquire(&self, account: AccountTag) -> Result<Epoch, JournalError> {
        let host = self.host.clone();
        self.owned(move |store| async move { append::acquire(&store, account, host.as_ref()).await }).await
    }

    /// Every error but [`JournalError::Write`] means that none of the records is there or ever will be, also where the
    /// connection broke before the answer. [`JournalError::Write`] says whether it is known that nothing was written.
    /// Each step takes 5 s at most: a connection, preparing, the answer, why it was refused, and the search for what became
    /// of it where the answer was lost.
    async fn append(&self, account: AccountTag, records: &[Record]) -> Result<Durable, JournalError> {
        let run = Run::of(account, records)?;
        let bodies = records.iter().map(|record| codec::encode(account, record)).collect::<Result<_, _>>();
        let bodies = bodies.map_err(|error| JournalError::Write(error.to_string()))?;
        let append = Append { account, run, bodies, host: self.host.clone() };
        self.owned(move |store| async move { append::append(&store, &append).await }).await
    }

    async fn load(&self, account: AccountTag) -> Result<Loaded, JournalError> {
        self.owned(move |store| async move { read::load(&store, account).await }).await
    }

    async fn save_snapshot(&self, account: AccountTag, snapshot: &Snapshot) -> Result<(), JournalError> {
        let body =
            codec::encode_state(account, &snapshot.state).map_err(|error| JournalError::Write(error.to_string()))?;
        let seq = snapshot.seq;
        self.owned(move |store| async move { append::snapshot(&store, account, seq, &body).await }).await
    }

    async fn accounts(&self) -> Result<Vec<AccountTag>, JournalError> {
        self.owned(|store| async move { read::accounts(&store).await }).await
    }
}
