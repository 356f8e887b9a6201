//! One account from its first connection on: a reactor, and another one each time it cannot go on.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use kraite_core::capabilities::Capabilities;
use kraite_core::engine::{Command, CommandId, Config, RestoreError};
use kraite_core::exchange::Exchange;
use kraite_core::id::AccountTag;
use kraite_core::journal::{Journal, JournalError};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::offline::{OfflineError, is_recorded_only, record_command};
use crate::reactor::{
    Commands, Handle, Observer, Reactor, ReactorError, SNAPSHOT_EVERY, Stopped, commands, reconnect_wait,
};

/// Commands that may wait for an exchange; beyond that their senders wait.
const PENDING: usize = 1_024;

/// Makes the connection of one account.
#[async_trait]
pub trait Connect: Send + Sync {
    /// What the venue can do, connected or not.
    fn capabilities(&self) -> Capabilities;

    /// Connects, once.
    ///
    /// # Errors
    ///
    /// [`ConnectFailure`], which says whether trying again may help.
    async fn connect(&self) -> Result<Arc<dyn Exchange>, ConnectFailure>;
}

/// An exchange that is there already: each connection is the same one. A backend keeps its own sockets up; for one that
/// has to be made anew implement [`Connect`].
pub struct Ready(pub Arc<dyn Exchange>);

#[async_trait]
impl Connect for Ready {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities().clone()
    }

    async fn connect(&self) -> Result<Arc<dyn Exchange>, ConnectFailure> {
        Ok(Arc::clone(&self.0))
    }
}

/// Why there is no connection. The words hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectFailure {
    /// It may work later: the exchange cannot be reached, or refuses for now.
    #[error("{0}")]
    ForNow(String),
    /// It will not work before somebody changes something here: a configuration, a key.
    #[error("{0}")]
    ForGood(String),
}

/// Why an account is not worked on any more.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The connection cannot be made as things are configured.
    #[error("{0}")]
    Connect(String),
    /// The journal failed, or belongs to somebody else: nothing is sent any more.
    #[error(transparent)]
    Journal(JournalError),
    /// The journal cannot be folded into a state.
    #[error(transparent)]
    Restore(RestoreError),
}

/// Works on one account for as long as that is possible. Nothing that happens here touches another account.
pub struct Worker<O> {
    account: AccountTag,
    config: Config,
    connect: Arc<dyn Connect>,
    capabilities: Capabilities,
    journal: Arc<dyn Journal>,
    clock: Clock,
    observer: O,
    commands: Commands,
    connected: watch::Sender<Option<Arc<dyn Exchange>>>,
}

/// What is done about commands while there is no exchange.
struct Offline {
    account: AccountTag,
    config: Config,
    capabilities: Capabilities,
    journal: Arc<dyn Journal>,
    clock: Clock,
}

impl Offline {
    /// Records what takes effect by that; everything else waits for the exchange, in its order.
    async fn take<O: Observer>(
        &self,
        command: (CommandId, Command),
        pending: &mut VecDeque<(CommandId, Command)>,
        observer: &mut O,
    ) -> Result<(), WorkerError> {
        if !is_recorded_only(&command.1) {
            pending.push_back(command);
            return Ok(());
        }
        let journal = self.journal.as_ref();
        let recorded =
            record_command(journal, self.account, &self.config, &self.capabilities, &self.clock, command.clone()).await;
        match recorded {
            Ok((engine, record)) => observer.committed(&engine, record.as_ref(), &[]),
            Err(OfflineError::NeedsExchange) => pending.push_back(command),
            Err(OfflineError::Reactor(ReactorError::Journal(error))) => return Err(WorkerError::Journal(error)),
            Err(OfflineError::Reactor(ReactorError::Restore(error))) => return Err(WorkerError::Restore(error)),
            Err(OfflineError::Reactor(error @ ReactorError::Clock(_))) => {
                return Err(WorkerError::Connect(error.to_string()));
            }
        }
        Ok(())
    }
}

/// What others hold of a worker. Dropping every one stops it.
#[derive(Clone)]
pub struct Desk {
    pub(crate) handle: Handle,
    connected: watch::Receiver<Option<Arc<dyn Exchange>>>,
}

impl Desk {
    /// Hands a command over; it waits where there is no connection. `false` once the worker has ended.
    pub async fn command(&self, id: CommandId, command: Command) -> bool {
        self.handle.command(id, command).await
    }

    /// The account's exchange, for readings; `None` while there is no connection.
    #[must_use]
    pub fn exchange(&self) -> Option<Arc<dyn Exchange>> {
        self.connected.borrow().clone()
    }

    /// Waits for the connection; `None` once the worker has ended.
    pub async fn connected(&mut self) -> Option<Arc<dyn Exchange>> {
        let exchange = self.connected.wait_for(Option::is_some).await.ok()?;
        exchange.clone()
    }
}

impl<O: Observer> Worker<O> {
    /// A worker that has not started, and its desk.
    pub fn new(
        account: AccountTag,
        config: Config,
        connect: Arc<dyn Connect>,
        journal: Arc<dyn Journal>,
        clock: Clock,
        observer: O,
    ) -> (Self, Desk) {
        let (handle, commands) = commands();
        let (sender, connected) = watch::channel(None);
        let capabilities = connect.capabilities();
        let worker =
            Self { account, config, connect, capabilities, journal, clock, observer, commands, connected: sender };
        (worker, Desk { handle, connected })
    }

    /// Connects, restores the account from its journal and runs it until every desk is dropped. A connection that
    /// fails is made again, ever more slowly (R111). `None` where it was stopped while there was no connection.
    ///
    /// # Errors
    ///
    /// [`WorkerError`] where trying again here cannot help.
    pub async fn run(self) -> Result<Option<Stopped>, WorkerError> {
        let Self { account, config, connect, capabilities, journal, clock, mut observer, mut commands, connected } =
            self;
        let offline = Offline {
            account,
            config: config.clone(),
            capabilities,
            journal: Arc::clone(&journal),
            clock: clock.clone(),
        };
        let mut failures = 0u32;
        let mut pending = VecDeque::new();
        loop {
            let made = {
                let mut made = connect.connect();
                loop {
                    tokio::select! {
                        biased;
                        () = connected.closed() => return Ok(None),
                        made = &mut made => break made,
                        Some(command) = commands.recv(), if pending.len() < PENDING => {
                            offline.take(command, &mut pending, &mut observer).await?;
                        }
                    }
                }
            };
            let why = match made {
                Err(ConnectFailure::ForGood(why)) => return Err(WorkerError::Connect(why)),
                Err(ConnectFailure::ForNow(why)) => why,
                Ok(exchange) => {
                    connected.send_replace(Some(Arc::clone(&exchange)));
                    let mut reactor = Reactor {
                        account,
                        config: config.clone(),
                        exchange,
                        journal: Arc::clone(&journal),
                        clock: clock.clone(),
                        observer,
                        commands,
                        pending,
                        snapshot_every: SNAPSHOT_EVERY,
                    };
                    let ended = reactor.live().await;
                    connected.send_replace(None);
                    (observer, commands, pending) = (reactor.observer, reactor.commands, reactor.pending);
                    match ended {
                        Ok(stopped) => return Ok(Some(stopped)),
                        Err(ReactorError::Journal(error)) => return Err(WorkerError::Journal(error)),
                        Err(ReactorError::Restore(error)) => return Err(WorkerError::Restore(error)),
                        Err(error @ ReactorError::Clock(_)) => error.to_string(),
                    }
                }
            };
            failures = failures.saturating_add(1);
            let wait = reconnect_wait(failures);
            observer.interrupted(&why, wait);
            let until = clock.now().plus(wait);
            while clock.now() < until {
                tokio::select! {
                    biased;
                    () = connected.closed() => return Ok(None),
                    () = clock.sleep_until(until) => {}
                    Some(command) = commands.recv(), if pending.len() < PENDING => {
                        offline.take(command, &mut pending, &mut observer).await?;
                    }
                }
            }
        }
    }
}
