//! This host among those that work on the accounts of one database: what it takes, what it hands over, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kraite_core::id::AccountTag;
use kraite_core::time::Millis;
use kraite_engine::Clock;
use kraite_journal::{Host, HostError, HostRow, Lease, PostgresJournal};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{info, warn};

use super::board::Board;
use super::config::{Config, Postgres};
use super::connect::Budgets;
use super::fleet::{Change, Desks, Members};
use crate::exit::{Exit, Failed};
use crate::{database, status, utc};

/// How wrong the clock may be that requests are signed by, and how long a commit may take, on top of what a request
/// may be under way.
const SLACK: Duration = Duration::from_secs(5);
/// A lease is this much longer than it has to be, where nobody says how long it is.
const BEYOND: Duration = Duration::from_secs(4);
/// A lease is renewed this often at least.
const BEAT: Duration = Duration::from_secs(2);
/// Changes that may wait for the loop.
const WAITING: usize = 64;

/// How long after it was decided on a request of this host may still be accepted.
fn reach(config: &Config) -> Duration {
    let of = |account: &super::config::Account| {
        let capabilities = account.venue.capabilities();
        let rules = [&capabilities.absence_regular, &capabilities.absence_conditional, &capabilities.absence_plan];
        let window = rules.into_iter().map(|rule| rule.window).max().unwrap_or_default();
        window.plus(account.engine.send_budget)
    };
    let longest = config.accounts.iter().map(of).max().unwrap_or(Millis(0));
    let longest = Duration::from_millis(u64::try_from(longest.0).unwrap_or(0)) / config.speed;
    longest + SLACK
}

/// The lease of this host.
fn lease(config: &Config, postgres: &Postgres) -> Result<Lease, Failed> {
    let reach = reach(config);
    let term = postgres.lease.unwrap_or(reach * 2 + BEYOND);
    if term < reach * 2 {
        let (term, reach, least) = (term.as_secs(), reach.as_secs_f64(), (reach * 2).as_secs_f64().ceil());
        let why = format!(
            "a lease of {term} s is too short: a request may be accepted for {reach} s after it was decided on, so \
             lease_seconds is {least} at least"
        );
        return Err(Failed::new(Exit::Configuration, why));
    }
    Ok(Lease { term, reach })
}

/// What this machine is called, as far as that makes a name.
fn machine() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' }).collect()
}

/// The database, and this host in it.
pub(super) struct Joined {
    pub(super) host: Host,
    plain: PostgresJournal,
    egress: Option<String>,
}

/// Connects, and says that this host is there.
pub(super) async fn join(config: &Config, postgres: &Postgres) -> Result<Joined, Failed> {
    let lease = lease(config, postgres)?;
    let plain = database::connect(&postgres.address).await?;
    let name = postgres.host.clone().unwrap_or_else(machine);
    let host = Host::begin(&plain, &name, env!("CARGO_PKG_VERSION"), lease).await.map_err(failed)?;
    info!("host {name}, with a lease of {} s", lease.term.as_secs_f64());
    Ok(Joined { host, plain, egress: postgres.egress.clone() })
}

fn failed(error: HostError) -> Failed {
    match error {
        HostError::Journal(error) => error.into(),
        HostError::Unfit(_) => Failed::new(Exit::Configuration, error),
        HostError::Replaced(_) => Failed::new(Exit::NotOwner, error),
        // Everything begins again from the journal, as after a crash.
        HostError::Lapsed(_) => Failed::new(Exit::Failure, error),
    }
}

impl Joined {
    /// Keeps the lease, and this host's share of the accounts, until the other end is dropped.
    pub(super) fn keep(
        &self,
        config: &Config,
        desks: &Arc<Desks>,
        board: &Arc<Board>,
        clock: &Clock,
        budgets: &Budgets,
    ) -> Members {
        // From now on what changes is kept for those who ask.
        board.changed();
        let (changes, told) = mpsc::channel(WAITING);
        let (ended, ends) = mpsc::unbounded_channel();
        let keeper = Keeper {
            host: self.host.clone(),
            plain: self.plain.clone(),
            wanted: config.accounts.iter().map(|account| account.tag).collect(),
            desks: Arc::clone(desks),
            board: Arc::clone(board),
            shared: self.egress.clone().map(|egress| (egress, clock.clone(), budgets.clone())),
            changes,
            held: BTreeSet::new(),
            begun: BTreeMap::new(),
            unfit: BTreeSet::new(),
            newer: BTreeSet::new(),
            alone_since: None,
            said: None,
        };
        tokio::spawn(keeper.run(ends));
        Members { changes: told, ended }
    }
}

/// What the worker of an account is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Working,
    /// It was told to end, since the account is somebody else's.
    Ending,
    /// It was told to end, and the account is handed over then.
    Leaving,
}

struct Keeper {
    host: Host,
    plain: PostgresJournal,
    /// Those of the configuration.
    wanted: BTreeSet<AccountTag>,
    desks: Arc<Desks>,
    board: Arc<Board>,
    /// The word for the address that is called from, and what is shared with those who say the same one.
    shared: Option<(String, Clock, Budgets)>,
    changes: mpsc::Sender<Change>,
    held: BTreeSet<AccountTag>,
    /// Those that have a worker here.
    begun: BTreeMap<AccountTag, Doing>,
    /// Those that cannot be worked on from here.
    unfit: BTreeSet<AccountTag>,
    /// Those that are free and that only a newer version may work on.
    newer: BTreeSet<AccountTag>,
    /// Since when accounts have been free that are beyond this host's share.
    alone_since: Option<Instant>,
    /// What was told of the shares.
    said: Option<(usize, usize)>,
}

/// The worker of an account has ended.
pub(super) type WorkerEnded = (AccountTag, bool);

impl Keeper {
    async fn run(mut self, mut ends: mpsc::UnboundedReceiver<WorkerEnded>) {
        let mut beat = tokio::time::interval(BEAT.min(self.host.lease().term / 4));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let result = tokio::select! {
                biased;
                () = self.changes.closed() => return,
                Some((account, fit)) = ends.recv() => self.worker_ended(account, fit).await,
                _ = beat.tick() => self.beat().await,
            };
            match result {
                Ok(()) => {}
                // The lease runs on as it was; where it ends nothing can be appended.
                Err(HostError::Journal(error)) => warn!("the database: {error}"),
                Err(error) => {
                    let _ = self.changes.send(Change::Over(failed(error))).await;
                    return;
                }
            }
        }
    }

    async fn tell(&self, change: Change) {
        // Whoever does not hear it any more has ended.
        let _ = self.changes.send(change).await;
    }

    async fn worker_ended(&mut self, account: AccountTag, fit: bool) -> Result<(), HostError> {
        let was = self.begun.remove(&account);
        if !fit {
            self.unfit.insert(account);
        }
        if was == Some(Doing::Leaving) || !fit {
            self.held.remove(&account);
            self.host.release(&[account]).await?;
        }
        Ok(())
    }

    /// Renews, and takes one step towards this host's share.
    async fn beat(&mut self) -> Result<(), HostError> {
        let renewed = self.host.renew().await?;
        self.held = renewed.held.iter().copied().collect();
        if let Some((egress, clock, budgets)) = &self.shared {
            let wall = |left: Millis| Duration::from_millis(u64::try_from(left.0).unwrap_or(0));
            let quiets: Vec<(&str, Duration)> =
                budgets.quiets(clock.now()).into_iter().map(|(venue, left)| (venue, wall(left))).collect();
            let others = self.host.share(egress, &quiets).await?;
            budgets.share(others.hosts);
            for (venue, left) in others.quiets {
                let left = Millis(i64::try_from(left.as_millis()).unwrap_or(i64::MAX));
                budgets.keep_quiet(&venue, clock.now().plus(left));
            }
        }
        let lost = |(account, doing): (&AccountTag, &Doing)| {
            (*doing == Doing::Working && !self.held.contains(account)).then_some(*account)
        };
        for account in self.begun.iter().filter_map(lost).collect::<Vec<_>>() {
            // Its worker can append nothing, and need not try.
            self.begun.insert(account, Doing::Ending);
            self.tell(Change::End(account)).await;
        }
        let hosts = self.plain.hosts().await?;
        let up: Vec<&HostRow> = hosts.iter().filter(|row| row.is_up && !row.drained).collect();
        let share = if renewed.drained { 0 } else { self.share(&up) };
        let others = hosts.iter().filter(|row| row.is_up && row.name != self.host.name());
        let others: BTreeMap<AccountTag, String> =
            others.flat_map(|row| row.accounts.iter().map(|account| (*account, row.name.clone()))).collect();
        if self.held.len() > share {
            self.hand_over(share, renewed.drained).await?;
        } else {
            self.take(share, renewed.drained, &others).await?;
        }
        self.desks.others_have(others);
        for account in self.held.clone() {
            if self.wanted.contains(&account) && !self.begun.contains_key(&account) {
                self.begun.insert(account, Doing::Working);
                self.tell(Change::Begin(account)).await;
            }
        }
        self.stand().await?;
        let now = (self.held.len(), up.len());
        if self.said != Some(now) {
            self.said = Some(now);
            info!("{} of {} accounts are here, hosts that take accounts: {}", now.0, self.wanted.len(), now.1);
        }
        Ok(())
    }

    /// Older versions take nothing of what this one has worked on: what they have not got is shared by the others.
    fn share(&self, up: &[&HostRow]) -> usize {
        let (like_us, older): (Vec<&HostRow>, Vec<&HostRow>) = up.iter().partition(|row| row.reads_ours);
        let of_older =
            older.iter().flat_map(|row| &row.accounts).filter(|account| self.wanted.contains(account)).count();
        self.wanted.len().saturating_sub(of_older).div_ceil(like_us.len().max(1))
    }

    /// For those who read the database with SQL.
    async fn stand(&self) -> Result<(), HostError> {
        let mut standings = Vec::new();
        for (account, state) in self.board.changed() {
            let shown = status::account(&state, true, utc::now_ms());
            if let Ok(body) = serde_json::to_string(&shown) {
                standings.push((account, state.seq, body));
            }
        }
        if standings.is_empty() { Ok(()) } else { self.host.stand(standings).await }
    }

    /// What is beyond the share goes a part at a time, so that not everything is without a worker at once.
    async fn hand_over(&mut self, share: usize, drained: bool) -> Result<(), HostError> {
        let staying = |account: &&AccountTag| self.begun.get(account) != Some(&Doing::Leaving);
        let staying: Vec<AccountTag> = self.held.iter().rev().filter(staying).copied().collect();
        let surplus = staying.len().saturating_sub(share);
        let now = if drained { surplus } else { surplus.div_ceil(8) };
        for account in staying.into_iter().take(now) {
            match self.begun.get(&account) {
                Some(Doing::Working) => {
                    self.begun.insert(account, Doing::Leaving);
                    self.tell(Change::End(account)).await;
                }
                // It came back while its worker was ending.
                Some(Doing::Ending | Doing::Leaving) => {
                    self.begun.insert(account, Doing::Leaving);
                }
                None => {
                    self.held.remove(&account);
                    self.host.release(&[account]).await?;
                }
            }
        }
        Ok(())
    }

    /// Up to the share; beyond it only what nobody else has taken for two leases.
    async fn take(
        &mut self,
        share: usize,
        drained: bool,
        others: &BTreeMap<AccountTag, String>,
    ) -> Result<(), HostError> {
        if drained {
            return Ok(());
        }
        let free: Vec<AccountTag> = self
            .wanted
            .difference(&self.held)
            .filter(|account| !self.unfit.contains(account) && !others.contains_key(account))
            .copied()
            .collect();
        if free.is_empty() {
            self.alone_since = None;
            return Ok(());
        }
        self.tell_of_newer(&free).await?;
        let mut room = share.saturating_sub(self.held.len());
        if room == 0 {
            let since = *self.alone_since.get_or_insert_with(Instant::now);
            if since.elapsed() < self.host.lease().term * 2 {
                return Ok(());
            }
            room = 1;
        }
        self.held.extend(self.host.claim(&free, room).await?);
        Ok(())
    }

    /// What only a newer version may work on is told when it changes: nobody follows those accounts meanwhile.
    async fn tell_of_newer(&mut self, free: &[AccountTag]) -> Result<(), HostError> {
        let newer: BTreeSet<AccountTag> = self.host.too_new(free).await?.into_iter().collect();
        if newer != self.newer {
            if !newer.is_empty() {
                let which: Vec<String> = newer.iter().map(AccountTag::to_string).collect();
                warn!(
                    "accounts {} are on no host, and a newer kraite has worked on them: this one cannot. What is open \
                     there is behind its stops and followed by nobody; start a host of the newer version",
                    which.join(", ")
                );
            }
            self.newer = newer;
        }
        Ok(())
    }
}

impl Joined {
    /// Hands everything over and is gone.
    pub(super) async fn leave(self) {
        if let Err(error) = self.host.end().await {
            warn!("what this host had is free once its lease has ended: {error}");
        }
    }
}
