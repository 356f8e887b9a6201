//! The workers of this process, and where each is spoken to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kraite_core::id::AccountTag;
use kraite_core::journal::Journal;
use kraite_core::number::Notional;
use kraite_core::time::LocalMillis;
use kraite_engine::{Clock, Connect, Desk, Stopped, Worker, WorkerError};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

use super::board::Board;
use super::config::Account;
use super::connect::{Budgets, Connector};
use super::log::Reporter;
use super::paper::Paper;
use crate::exit::Failed;

/// The accounts that are worked on here, and who works on the others.
#[derive(Default)]
pub(super) struct Desks {
    here: Mutex<BTreeMap<AccountTag, Desk>>,
    elsewhere: Mutex<BTreeMap<AccountTag, String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desks {
    /// Where an account is spoken to, or why it is not from here.
    pub(super) fn get(&self, account: AccountTag) -> Result<Desk, String> {
        if let Some(desk) = lock(&self.here).get(&account) {
            return Ok(desk.clone());
        }
        Err(match lock(&self.elsewhere).get(&account) {
            Some(host) => format!("host {host} works on the account: give it there"),
            None => "the account is not worked on".to_owned(),
        })
    }

    /// Whether an account has its connection.
    pub(super) fn is_connected(&self, account: AccountTag) -> bool {
        lock(&self.here).get(&account).is_some_and(|desk| desk.exchange().is_some())
    }

    /// Which host works on an account, where it is another one.
    pub(super) fn elsewhere(&self, account: AccountTag) -> Option<String> {
        lock(&self.elsewhere).get(&account).cloned()
    }

    /// What other hosts work on.
    #[cfg(feature = "postgres")]
    pub(super) fn others_have(&self, accounts: BTreeMap<AccountTag, String>) {
        *lock(&self.elsewhere) = accounts;
    }

    /// Nobody speaks to the account from here any more: its worker ends.
    pub(super) fn close(&self, account: AccountTag) {
        lock(&self.here).remove(&account);
    }

    /// The same for all.
    pub(super) fn close_all(&self) {
        lock(&self.here).clear();
    }
}

/// What changes about the accounts that are worked on here.
#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "accounts only come and go between hosts"))]
pub(super) enum Change {
    /// One is this host's.
    Begin(AccountTag),
    /// One is not, or is handed over.
    End(AccountTag),
    /// This host may hold nothing any more.
    Over(Failed),
}

/// Where accounts come and go: who says so, and who hears which workers have ended, and whether another could do better
/// here.
pub(super) struct Members {
    pub(super) changes: mpsc::Receiver<Change>,
    pub(super) ended: mpsc::UnboundedSender<(AccountTag, bool)>,
}

/// How a worker ended.
pub(super) type Ended = (AccountTag, Result<Option<Stopped>, WorkerError>);

/// The workers.
pub(super) struct Fleet {
    journal: Arc<dyn Journal>,
    board: Arc<Board>,
    clock: Clock,
    budgets: Budgets,
    /// The deposit, where trading is on paper.
    paper: Option<Notional>,
    pub(super) desks: Arc<Desks>,
    workers: JoinSet<Ended>,
    /// When the next one may begin.
    next_at: LocalMillis,
}

impl Fleet {
    pub(super) fn new(
        journal: Arc<dyn Journal>,
        board: Arc<Board>,
        clock: Clock,
        budgets: Budgets,
        paper: Option<Notional>,
    ) -> Self {
        let next_at = clock.now();
        Self { journal, board, clock, budgets, paper, desks: Arc::default(), workers: JoinSet::new(), next_at }
    }

    /// Starts a worker per account, each a little later than the one before (R114).
    pub(super) fn begin<'a>(&mut self, accounts: impl IntoIterator<Item = &'a Account>) {
        for account in accounts {
            let (worker, desk) = self.worker(account);
            lock(&self.desks.here).insert(account.tag, desk);
            let (tag, clock) = (account.tag, self.clock.clone());
            let at = self.next_at.max(clock.now());
            self.workers.spawn(async move {
                clock.sleep_until(at).await;
                (tag, worker.run().await)
            });
            self.next_at = at.plus(account.venue.capabilities().connect_ramp);
        }
    }

    fn worker(&self, account: &Account) -> (Worker<Reporter>, Desk) {
        let (clock, board) = (self.clock.clone(), Arc::clone(&self.board));
        let connector = Connector::new(account.clone(), clock, self.budgets.clone(), board);
        let connect: Arc<dyn Connect> = match self.paper {
            Some(deposit) => Arc::new(Paper::new(connector, account.clone(), self.clock.clone(), deposit)),
            None => Arc::new(connector),
        };
        let reporter = Reporter::new(account.name.clone(), account.tag, Arc::clone(&self.board));
        let journal = Arc::clone(&self.journal);
        Worker::new(account.tag, account.engine.clone(), connect, journal, self.clock.clone(), reporter)
    }

    /// The next worker that ends; `None` while there is none.
    pub(super) async fn ended(&mut self) -> Option<Result<Ended, JoinError>> {
        self.workers.join_next().await
    }

    pub(super) fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    /// Waits for all of them, which end once nobody speaks to them.
    pub(super) async fn all_ended(&mut self) {
        while self.workers.join_next().await.is_some() {}
    }
}
