//! The stage: keeps the simulated exchange, runs and kills the worker, counts on the exchange's own book.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use kraite_core::engine::Request;
use kraite_core::exchange::Direction;
use kraite_core::id::{ClientOrderId, LogicalOrder, Role, Symbol};
use kraite_core::number::{Price, Qty};
use kraite_core::time::{LocalMillis, VenueMillis};
use kraite_engine::Clock;
use kraite_sim::link::pipe::{Downward, Upward};
use kraite_sim::link::{Call, dispatch};
use kraite_sim::presets;
use kraite_sim::venue::Venue;

use super::worker::account;
use super::{CLOCK_FACTOR, Proof, script};
use crate::flags::VenueName;

/// The stage gives up after this much wall time.
const CURTAIN: Duration = Duration::from_secs(25);
/// How often the stage looks up when nobody speaks.
const BEAT: Duration = Duration::from_millis(5);

/// The demo could not be played.
#[derive(Debug, thiserror::Error)]
pub(super) enum StageError {
    /// The worker cannot be started or spoken to.
    #[error("the worker process: {0}")]
    Worker(#[from] std::io::Error),
    /// It ended although nobody killed it.
    #[error("the worker process ended by itself ({0}): {1}")]
    Ended(std::process::ExitStatus, String),
    /// A line of the worker is not what was agreed.
    #[error("the worker said something that cannot be understood: {0}")]
    Line(#[from] serde_json::Error),
    /// The script itself is wrong.
    #[error("the script: {0}")]
    Script(#[from] kraite_core::number::ParseNumberError),
    /// It took too long.
    #[error("the position did not get to the next scene within {0:?}: {1}")]
    Curtain(Duration, String),
}

/// Which scene is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scene {
    /// Opening; the worker is killed when a rung reaches the exchange.
    Opening,
    /// Restarted; until everything is in place.
    Recovering,
    /// The price falls through two rungs; the worker is killed while it re-prices.
    Dip,
    /// Restarted again; until the target is at its new price.
    Repricing,
    /// The price rises to the target.
    Recovery,
    /// Over.
    Done,
}

struct Stage<'a> {
    shape: VenueName,
    journal: &'a Path,
    clock: Clock,
    venue: Venue,
    symbol: Symbol,
    worker: Option<Worker>,
    scene: Scene,
    kills: u32,
    adopted: usize,
    intact: BTreeSet<ClientOrderId>,
    placements: BTreeMap<ClientOrderId, u32>,
    target_prices: Vec<Price>,
    live_together: BTreeSet<LogicalOrder>,
    unprotected_since: Option<VenueMillis>,
    worst_unprotected: i64,
    dip: usize,
    said: Vec<String>,
    closed: bool,
    tell: &'a mut dyn FnMut(&str),
}

struct Worker {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    /// Ends with the worker, with the sentence that the worker ended with.
    talk: JoinHandle<Option<String>>,
}

/// Passes on what a worker says on stderr, but for the sentence that a failed command ends with.
fn overhear(stderr: ChildStderr) -> Option<String> {
    let mut sentence = None;
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        match line.strip_prefix("kraite: ") {
            Some(told) => sentence = Some(told.to_owned()),
            None => crate::talk(&line),
        }
    }
    sentence
}

/// Plays the whole piece on one shape of exchange.
pub(super) fn run(shape: VenueName, folder: &Path, tell: &mut dyn FnMut(&str)) -> Result<Proof, StageError> {
    let start = LocalMillis(1_760_000_000_000);
    let clock = Clock::scaled_from(start, CLOCK_FACTOR);
    let venue = presets::venue(shape.profile(), account(), VenueMillis(start.0));
    let symbol = presets::instrument().symbol;
    let journal = super::journal_in(folder, shape);
    let mut stage = Stage {
        shape,
        journal: &journal,
        clock,
        venue,
        symbol,
        worker: None,
        scene: Scene::Opening,
        kills: 0,
        adopted: 0,
        intact: BTreeSet::new(),
        placements: BTreeMap::new(),
        target_prices: Vec::new(),
        live_together: BTreeSet::new(),
        unprotected_since: None,
        worst_unprotected: 0,
        dip: 0,
        said: Vec::new(),
        closed: false,
        tell,
    };
    stage.play()?;
    Ok(stage.proof())
}

impl Stage<'_> {
    fn now(&self) -> VenueMillis {
        VenueMillis(self.clock.now().0)
    }

    fn say(&mut self, who: &str, what: &str) {
        let passed = self.now().0 - 1_760_000_000_000;
        let line = format!("{:>4}.{:03} s  {who:<9} {what}", passed / 1_000, passed % 1_000);
        (self.tell)(&line);
    }

    fn spawn(&mut self) -> Result<(), StageError> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("demo-worker")
            .args(["--venue", self.shape.word()])
            .args(["--symbol", self.symbol.as_str()])
            .args(["--now-ms", &self.clock.now().0.to_string()])
            .arg("--journal")
            .arg(self.journal)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(StageError::Worker(std::io::Error::other("its pipes are missing")));
        };
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let pid = child.id();
        let talk = std::thread::spawn(move || overhear(stderr));
        self.worker = Some(Worker { child, stdin, lines, talk });
        self.say("stage", &format!("worker process {pid} started"));
        Ok(())
    }

    /// A worker that nobody killed has said why on stderr.
    fn ended(&mut self) -> StageError {
        let Some(mut worker) = self.worker.take() else {
            return StageError::Worker(std::io::Error::other("it is not there"));
        };
        match worker.child.wait() {
            Ok(status) => {
                let sentence = worker.talk.join().ok().flatten();
                StageError::Ended(status, sentence.unwrap_or_else(|| "it did not say why".to_owned()))
            }
            Err(error) => StageError::Worker(error),
        }
    }

    /// SIGKILL, then the wait status; what the worker had written before still reaches the exchange.
    fn kill(&mut self, when: &str) -> Result<(), StageError> {
        let Some(mut worker) = self.worker.take() else { return Ok(()) };
        worker.child.kill()?;
        let status = worker.child.wait()?;
        let signal = status.signal().map_or_else(|| "none".to_owned(), |s| s.to_string());
        self.kills += u32::from(status.signal() == Some(9));
        self.say("KILL", &format!("worker {} {when}: wait status says signal {signal}", worker.child.id()));
        for line in worker.lines.iter() {
            if let Ok(Upward::Call(_, call)) = serde_json::from_str(&line) {
                self.act(&call);
            }
        }
        self.intact = self.venue.open_orders().filter_map(|o| o.client_id()).collect();
        Ok(())
    }

    /// Lets the exchange act on a call and notes what was placed.
    fn act(&mut self, call: &Call) -> kraite_sim::link::Reply {
        if let Call::Send(request, _) = call {
            let target = match request {
                Request::PlacePair(pair) => Some(pair.target.trigger),
                Request::Place(order) if order.id.key().logical.role == Role::Target => order.shape.price(),
                _ => None,
            };
            self.target_prices.extend(target.filter(|price| self.target_prices.last() != Some(price)));
            for sent in request.sent() {
                if let kraite_core::engine::Sent::Place(id) = sent {
                    *self.placements.entry(id).or_insert(0) += 1;
                    if self.intact.contains(&id) {
                        self.say("stage", &format!("PLACED AGAIN: {id}"));
                    }
                }
            }
        }
        let now = self.now();
        let reply = dispatch(&mut self.venue, account(), call, now);
        self.look();
        reply
    }

    /// Watches the exchange's own book for exposure without a stop.
    fn look(&mut self) {
        let mut open: BTreeSet<LogicalOrder> = BTreeSet::new();
        for id in self.venue.open_orders().filter(|o| o.parent.is_none()).filter_map(|o| o.client_id()) {
            // Two attempts of one protective order may overlap until the surplus is removed.
            let logical = id.key().logical;
            if !logical.role.is_protective() && !open.insert(logical) {
                self.live_together.insert(logical);
            }
        }
        let exposed = self.venue.exposures(account()).any(|(_, _, qty)| qty.is_positive());
        let stopped = self
            .venue
            .open_orders()
            .any(|o| o.parent.is_none() && o.client_id().is_some_and(|id| id.key().logical.role == Role::Stop));
        let executing = self.venue.children(account()).any(kraite_sim::venue::OrderObject::is_open);
        let now = self.now();
        match (self.unprotected_since, exposed && !stopped && !executing) {
            (None, true) => self.unprotected_since = Some(now),
            (Some(since), false) => {
                self.worst_unprotected = self.worst_unprotected.max(now.since(since).0);
                self.unprotected_since = None;
            }
            _ => {}
        }
    }

    fn play(&mut self) -> Result<(), StageError> {
        self.say("exchange", &format!("{} listed at {}, account 2000 USDT", self.symbol, script::OPENING));
        self.spawn()?;
        #[allow(clippy::disallowed_methods, reason = "the stage's patience is wall time")]
        let curtain = std::time::Instant::now();
        while self.scene != Scene::Done {
            if curtain.elapsed() > CURTAIN {
                let last = self.said.iter().rev().take(6).cloned().collect::<Vec<_>>().join(" | ");
                return Err(StageError::Curtain(CURTAIN, format!("{:?}; last words: {last}", self.scene)));
            }
            match self.worker.as_ref().map(|w| w.lines.recv_timeout(BEAT)) {
                Some(Ok(line)) => self.hear(&line)?,
                Some(Err(RecvTimeoutError::Timeout)) => {}
                Some(Err(RecvTimeoutError::Disconnected)) => return Err(self.ended()),
                None => self.spawn()?,
            }
            self.deliver_frames()?;
            self.direct()?;
        }
        if let Some(worker) = self.worker.take() {
            drop(worker.stdin);
            let mut child = worker.child;
            child.wait()?;
        }
        Ok(())
    }

    fn hear(&mut self, line: &str) -> Result<(), StageError> {
        match serde_json::from_str::<Upward>(line)? {
            Upward::Say(text) => {
                if text.contains("found by its client id") {
                    self.adopted += 1;
                }
                self.closed |= text.contains("Finished");
                self.say("worker", &text);
                self.said.push(text);
            }
            Upward::Durable(_) => {}
            Upward::Call(number, call) => {
                let cue = self.is_cue(&call);
                let reply = self.act(&call);
                if let Some(when) = cue {
                    self.kill(when)?;
                    self.scene = if self.scene == Scene::Opening { Scene::Recovering } else { Scene::Repricing };
                    return Ok(());
                }
                self.write(&Downward::Reply(number, reply));
            }
        }
        Ok(())
    }

    /// The two instants at which the worker dies: the exchange has acted, the answer is never read.
    fn is_cue(&self, call: &Call) -> Option<&'static str> {
        let Call::Send(request, _) = call else { return None };
        let roles: Vec<(Role, u16)> = match request {
            Request::Place(order) => vec![(order.id.key().logical.role, order.id.key().logical.revision.get())],
            Request::PlacePair(pair) => vec![(Role::Target, pair.target.id.key().logical.revision.get())],
            _ => Vec::new(),
        };
        match self.scene {
            Scene::Opening if roles.iter().any(|(role, _)| *role == Role::Rung(3)) => {
                Some("after the exchange took rung 3, before the worker could persist it")
            }
            Scene::Dip if roles.iter().any(|(role, revision)| *role == Role::Target && *revision >= 2) => {
                Some("after the exchange took the re-priced target, before the worker could persist it")
            }
            _ => None,
        }
    }

    fn write(&mut self, line: &Downward) {
        if let Some(worker) = &mut self.worker
            && let Ok(mut text) = serde_json::to_string(line)
        {
            text.push('\n');
            // A worker that has just died is noticed when its lines end.
            let _ = worker.stdin.write_all(text.as_bytes()).and_then(|()| worker.stdin.flush());
        }
    }

    fn deliver_frames(&mut self) -> Result<(), StageError> {
        for (_, event) in self.venue.drain() {
            self.write(&Downward::Frame(event));
        }
        Ok(())
    }

    fn open_roles(&self) -> Vec<Role> {
        self.venue
            .open_orders()
            .filter(|o| o.parent.is_none())
            .filter_map(|o| o.client_id().map(|id| id.key().logical.role))
            .collect()
    }

    fn exposure(&self) -> Qty {
        self.venue
            .exposures(account())
            .find(|(_, direction, _)| *direction == Direction::Long)
            .map_or(Qty::ZERO, |(_, _, qty)| qty)
    }

    fn move_price(&mut self, text: &str) -> Result<(), StageError> {
        let before = self.exposure();
        let price = script::price(text)?;
        let now = self.now();
        self.venue.price(&self.symbol.clone(), price, price, now);
        self.look();
        let after = self.exposure();
        let note = if before == after { String::new() } else { format!("  (position {before} -> {after})") };
        self.say("market", &format!("{text}{note}"));
        Ok(())
    }

    fn heard(&self, what: &str) -> bool {
        self.said.iter().any(|line| line.contains(what))
    }

    /// Decides what happens next on stage.
    fn direct(&mut self) -> Result<(), StageError> {
        match self.scene {
            Scene::Recovering if self.heard("Activated") => {
                self.say("stage", "everything is in place; the market turns");
                self.scene = Scene::Dip;
            }
            Scene::Dip | Scene::Repricing
                if self.dip < script::DIP.len()
                // One step only once the target follows the fills so far.
                && self.target_follows() =>
            {
                let step = script::DIP.get(self.dip).copied().unwrap_or(script::OPENING);
                self.dip += 1;
                self.move_price(step)?;
            }
            Scene::Dip | Scene::Repricing if self.target_follows() && self.worker.is_some() && self.kills >= 2 => {
                self.scene = Scene::Recovery;
                self.dip = 0;
            }
            Scene::Recovery if self.dip < script::RECOVERY.len() && self.exposure().is_positive() => {
                let step = script::RECOVERY.get(self.dip).copied().unwrap_or(script::OPENING);
                self.dip += 1;
                self.move_price(step)?;
            }
            Scene::Recovery if self.closed => self.scene = Scene::Done,
            _ => {}
        }
        Ok(())
    }

    /// True when exactly one target is open and, where it states a size, that is the exposure.
    fn target_follows(&self) -> bool {
        let exposure = self.exposure();
        let filled = self.filled_rungs();
        let targets: Vec<_> = self
            .venue
            .open_orders()
            .filter(|o| o.parent.is_none() && o.client_id().is_some_and(|id| id.key().logical.role == Role::Target))
            .collect();
        let newest = targets.iter().filter_map(|o| o.client_id()).map(|id| id.key().logical.revision.get()).max();
        exposure.is_positive()
            && targets.len() == 1
            && targets.iter().all(|o| o.shape.qty().is_none_or(|qty| qty == exposure))
            && newest.is_some_and(|revision| usize::from(revision) >= filled)
    }

    fn filled_rungs(&self) -> usize {
        self.venue
            .objects()
            .filter(|o| o.client_id().is_some_and(|id| matches!(id.key().logical.role, Role::Rung(_))))
            .filter(|o| o.executed.is_positive())
            .count()
    }

    /// Logical orders that add exposure and filled more than they state.
    fn overfilled(&self) -> usize {
        let mut filled: BTreeMap<LogicalOrder, (Qty, Qty)> = BTreeMap::new();
        for object in self.venue.objects() {
            let Some(id) = object.client_id().filter(|id| !id.key().logical.role.is_exit()) else { continue };
            let entry = filled.entry(id.key().logical).or_default();
            entry.0 = entry.0.checked_add(object.executed).unwrap_or(entry.0);
            entry.1 = entry.1.max(object.shape.qty().unwrap_or_default());
        }
        filled.values().filter(|(executed, stated)| executed > stated).count()
    }

    fn proof(&mut self) -> Proof {
        self.look();
        let mut by_logical: BTreeMap<LogicalOrder, BTreeSet<ClientOrderId>> = BTreeMap::new();
        for object in self.venue.objects().filter(|o| o.parent.is_none()) {
            if let Some(id) = object.client_id() {
                by_logical.entry(id.key().logical).or_default().insert(id);
            }
        }
        let twice = self.live_together.len() + self.overfilled();
        let placed_again = self.placements.values().filter(|times| **times > 1).count();
        let orders_placed = by_logical.values().map(BTreeSet::len).sum();
        let target_revisions = self.target_prices.len().saturating_sub(1);
        let orphans = self.open_roles().len() as u64;
        let profit = self.venue.wallet(account()).checked_sub("2000".parse().unwrap_or_default()).unwrap_or_default();
        let duplicates = (twice + placed_again) as u64;
        let holds = self.closed
            && duplicates == 0
            && orphans == 0
            && self.kills >= 2
            && self.adopted > 0
            && self.filled_rungs() == 2
            && target_revisions >= 2
            && profit.is_positive()
            && self.exposure().is_zero();
        Proof {
            venue: self.shape.word(),
            kills: self.kills,
            orders_placed,
            adopted: self.adopted,
            duplicates,
            orphans,
            rungs_filled: self.filled_rungs(),
            target_revisions,
            max_unprotected_ms: self.worst_unprotected,
            profit: profit.to_string(),
            holds,
        }
    }
}
