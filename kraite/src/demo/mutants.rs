//! Demo workers that are wrong on purpose, so that those who watch real workers can be checked.
//!
//! Only builds with debug assertions have them; no installed command can be told to be wrong.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use clap::ValueEnum;
use futures_core::stream::BoxStream;
use kraite_core::exchange::{ReadError, StreamEvent};
use kraite_core::id::{AccountTag, Epoch};
use kraite_core::journal::{Durable, Journal, JournalError, Loaded, Record, Run, Snapshot};
use kraite_core::time::VenueMillis;
use kraite_sim::link::{Call, Link, Reply};
use tokio::sync::mpsc;

/// How a worker is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Mutant {
    /// Its journal says "durable" and writes later.
    AcksEarly,
    /// It goes on although another worker took its account over.
    IgnoresSuccessor,
    /// It keeps its last request in a file and sends it again when it starts.
    ResendsBlindly,
}

/// Puts what is wrong around what is right.
pub(super) fn disguise(
    mutant: Option<Mutant>,
    file: Arc<dyn Journal>,
    wire: Arc<dyn Link>,
    path: &Path,
) -> (Arc<dyn Journal>, Arc<dyn Link>) {
    match mutant {
        None => (file, wire),
        Some(Mutant::AcksEarly) => (Arc::new(Faithless::hasty(file)), wire),
        Some(Mutant::IgnoresSuccessor) => (Arc::new(Faithless { inner: file, later: None }), wire),
        Some(Mutant::ResendsBlindly) => (file, Arc::new(Blind::new(wire, path))),
    }
}

/// How much later the hasty journal writes.
const LATER: Duration = Duration::from_millis(60);

/// A journal that breaks one of its two promises.
struct Faithless {
    inner: Arc<dyn Journal>,
    /// Where a hasty one puts what it has not written; a stubborn one has none.
    later: Option<mpsc::UnboundedSender<(AccountTag, Vec<Record>)>>,
}

impl Faithless {
    #[allow(clippy::disallowed_methods, reason = "the delay is what is wrong with it")]
    fn hasty(inner: Arc<dyn Journal>) -> Self {
        let (later, mut queue) = mpsc::unbounded_channel::<(AccountTag, Vec<Record>)>();
        let file = Arc::clone(&inner);
        tokio::spawn(async move {
            while let Some((account, records)) = queue.recv().await {
                tokio::time::sleep(LATER).await;
                drop(file.append(account, &records).await);
            }
        });
        Self { inner, later: Some(later) }
    }
}

#[async_trait]
impl Journal for Faithless {
    async fn acquire(&self, account: AccountTag) -> Result<Epoch, JournalError> {
        self.inner.acquire(account).await
    }

    async fn append(&self, account: AccountTag, records: &[Record]) -> Result<Durable, JournalError> {
        let pretended = Ok(Run::of(account, records)?.durable(account));
        if let Some(later) = &self.later {
            drop(later.send((account, records.to_vec())));
            return pretended;
        }
        match self.inner.append(account, records).await {
            Err(JournalError::NotOwner { .. }) => pretended,
            other => other,
        }
    }

    async fn load(&self, account: AccountTag) -> Result<Loaded, JournalError> {
        self.inner.load(account).await
    }

    async fn save_snapshot(&self, account: AccountTag, snapshot: &Snapshot) -> Result<(), JournalError> {
        self.inner.save_snapshot(account, snapshot).await
    }

    async fn accounts(&self) -> Result<Vec<AccountTag>, JournalError> {
        self.inner.accounts().await
    }
}

/// A link that remembers what it sent beyond its own death.
struct Blind {
    inner: Arc<dyn Link>,
    outbox: PathBuf,
    again: Mutex<Option<Call>>,
}

impl Blind {
    fn new(inner: Arc<dyn Link>, journal: &Path) -> Self {
        let outbox = journal.with_extension("outbox");
        let left = std::fs::read_to_string(&outbox).ok().and_then(|text| serde_json::from_str(&text).ok());
        Self { inner, outbox, again: Mutex::new(left) }
    }
}

#[async_trait]
impl Link for Blind {
    async fn call(&self, call: Call) -> Reply {
        let again = self.again.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Call::Send(request, _)) = again {
            self.inner.call(Call::Send(request, self.inner.now())).await;
        }
        if let (Call::Send(..), Ok(text)) = (&call, serde_json::to_string(&call)) {
            drop(std::fs::write(&self.outbox, text));
        }
        self.inner.call(call).await
    }

    fn now(&self) -> VenueMillis {
        self.inner.now()
    }

    async fn frames(&self) -> Result<BoxStream<'static, StreamEvent>, ReadError> {
        self.inner.frames().await
    }
}
