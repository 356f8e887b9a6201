//! The world: venue, wire and workers on one seeded event queue, with Nemesis at every boundary.
//!
//! A world is a plain value: run it twice from one seed and it does the same; clone it and two futures
//! part. The workers run the production core through the production [`commit`]; only the wire, the disk,
//! the clock and the venue are simulated.

mod auditor;
mod journal;
mod nemesis;
mod story;
mod visited;
mod wire;
mod worker;

use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher};

use futures_util::FutureExt as _;
use kraite_core::capabilities::{Capabilities, Protection};
use kraite_core::engine::{Command, CommandId, Config, Effect, Engine, Input, InputKind, Notice, Sent, commit};
use kraite_core::exchange::{Mark, StreamEvent};
use kraite_core::id::{AccountTag, Symbol};
use kraite_core::number::Price;
use kraite_core::time::{LocalMillis, Millis, Moment, VenueMillis};

pub use auditor::{Auditor, Finding, Interval, Verdict};
pub use journal::{Disk, ModelJournal, Trip};
pub use nemesis::{Fate, Nemesis, Point, Rates};
pub use visited::Visited;

use self::story::{brief, brief_answer, brief_event, brief_input};
use self::wire::{Message, is_pair};
use self::worker::Worker;
use crate::digest::Gathered;
use crate::venue::Venue;

/// A dead worker is started again after this long, or up to twice as long under a random Nemesis.
const RESTART_MS: i64 = 1_000;

/// How long messages take when nothing goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// From the worker to the venue.
    pub request_ms: i64,
    /// From the venue back.
    pub reply_ms: i64,
    /// From an event at the venue to its frame at the worker.
    pub push_ms: i64,
}

impl Latency {
    /// A worker in the venue's own data centre.
    pub const NEAR: Self = Self { request_ms: 2, reply_ms: 2, push_ms: 2 };
    /// A worker on another continent.
    pub const FAR: Self = Self { request_ms: 80, reply_ms: 80, push_ms: 90 };
}

/// Whether the account stream delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Frames are pushed.
    Push,
    /// Nothing is ever pushed: only queries tell.
    Silent,
}

/// Venue, wire, disk and workers.
#[derive(Debug, Clone)]
pub struct World {
    /// The simulated exchange.
    pub venue: Venue,
    /// Who decides what goes wrong.
    pub nemesis: Nemesis,
    /// Who sees everything.
    pub auditor: Auditor,
    /// The workers' disks.
    pub journal: ModelJournal,
    config: Config,
    latency: Latency,
    stream: Stream,
    belief: Option<Capabilities>,
    restart_ms: i64,
    now: VenueMillis,
    /// Boxed, because the map moves its rows about.
    queue: BTreeMap<(VenueMillis, u64), Box<Message>>,
    posted: u64,
    workers: BTreeMap<AccountTag, Worker>,
    notices: Vec<(VenueMillis, Notice)>,
    visited: Visited,
    deaths: u64,
    trace: u64,
    gathered: Gathered,
    repeats: bool,
    narrate: bool,
    story: Vec<(VenueMillis, String)>,
}

impl World {
    /// A world with a venue and no worker yet.
    #[must_use]
    pub fn new(venue: Venue, nemesis: Nemesis, config: Config, latency: Latency, start: VenueMillis) -> Self {
        let mut auditor = Auditor::default();
        auditor.watch(config.limits.clone());
        Self {
            venue,
            nemesis,
            auditor,
            journal: ModelJournal::default(),
            config,
            latency,
            stream: Stream::Push,
            belief: None,
            restart_ms: RESTART_MS,
            now: start,
            queue: BTreeMap::new(),
            posted: 0,
            workers: BTreeMap::new(),
            notices: Vec::new(),
            visited: Visited::default(),
            deaths: 0,
            trace: 0,
            gathered: Gathered::default(),
            repeats: false,
            narrate: false,
            story: Vec::new(),
        }
    }

    /// Somebody else does something at the venue, and the account streams tell.
    pub fn by_hand<T>(&mut self, act: impl FnOnce(&mut Venue, VenueMillis) -> T) -> T {
        let result = act(&mut self.venue, self.now);
        self.after_venue();
        result
    }

    /// How long a dead worker stays dead.
    pub fn set_restart(&mut self, delay: Millis) {
        self.restart_ms = delay.0.max(1);
    }

    /// Whether frames are pushed at all.
    pub fn set_stream(&mut self, stream: Stream) {
        self.stream = stream;
    }

    /// Makes the workers believe something else about the venue than is true: for tests that show what a wrong
    /// rule leads to.
    pub fn believe(&mut self, capabilities: Capabilities) {
        self.belief = Some(capabilities);
    }

    /// From now on every input is tried a second time on a copy of the engine: it must change nothing (I9). It
    /// doubles the work, so it is asked for.
    pub fn try_repeats(&mut self) {
        self.repeats = true;
    }

    /// Keeps a line for everything that crosses the wire, for timelines and failure reports.
    pub fn narrate(&mut self) {
        self.narrate = true;
    }

    /// The lines kept since [`World::narrate`].
    #[must_use]
    pub fn story(&self) -> &[(VenueMillis, String)] {
        &self.story
    }

    /// Venue time.
    #[must_use]
    pub const fn now(&self) -> VenueMillis {
        self.now
    }

    /// The engine of an account while its worker lives.
    #[must_use]
    pub fn engine(&self, account: AccountTag) -> Option<&Engine> {
        self.workers.get(&account)?.engine.as_ref()
    }

    /// Notices that the workers gave.
    #[must_use]
    pub fn notices(&self) -> &[(VenueMillis, Notice)] {
        &self.notices
    }

    /// Gives a command to a worker; one that is dead gets it once it lives again.
    pub fn command(&mut self, account: AccountTag, id: CommandId, command: Command) {
        self.post(0, Message::Command { account, id, command });
    }

    /// What the workers have been through.
    #[must_use]
    pub const fn visited(&self) -> &Visited {
        &self.visited
    }

    /// How often a worker died.
    #[must_use]
    pub const fn deaths(&self) -> u64 {
        self.deaths
    }

    /// A digest of every durable record and every request that left, in order and with their times: equal digests,
    /// equal runs (I18).
    #[must_use]
    pub const fn trace(&self) -> u64 {
        self.trace
    }

    fn trace_on(&mut self, what: &impl std::hash::Hash) {
        self.trace = self.gathered.chain(self.trace, &(self.now, what));
    }

    /// The accounts with a worker.
    pub fn accounts(&self) -> impl Iterator<Item = AccountTag> {
        self.workers.keys().copied()
    }

    /// Has the auditor look at a world in which nothing is under way any more.
    pub fn look_at_rest(&mut self) {
        let workers = self.workers.iter().map(|(account, w)| (*account, w.engine.as_ref()));
        self.auditor.look_at_rest(&self.venue, workers, self.now);
    }

    /// The auditor's last word.
    pub fn conclude(&mut self) -> Verdict {
        let workers = self.workers.iter().map(|(account, w)| (*account, w.engine.as_ref()));
        self.auditor.conclude(&self.venue, workers, self.now)
    }

    /// Moves the price of a contract; mark and last alike.
    pub fn price(&mut self, symbol: &Symbol, price: Price) {
        self.prices(symbol, price, price);
    }

    /// Moves the last and the mark price of a contract.
    pub fn prices(&mut self, symbol: &Symbol, last: Price, mark: Price) {
        self.venue.price(symbol, last, mark, self.now);
        self.auditor.marked(symbol, mark, self.now);
        self.after_venue();
    }

    /// Books a funding payment on a contract.
    pub fn fund(&mut self, symbol: &Symbol, rate: kraite_core::number::Factor) {
        self.venue.funding(symbol, rate, self.now);
        self.after_venue();
    }

    /// The mark as the venue has it now, for a request to open.
    #[must_use]
    pub fn mark(&self, symbol: &Symbol) -> Option<Mark> {
        self.venue.mark(symbol).map(|price| Mark { symbol: symbol.clone(), price, at: self.now })
    }

    fn post(&mut self, delay_ms: i64, message: Message) {
        let at = self.now.plus(Millis(delay_ms.max(0)));
        self.posted += 1;
        self.queue.insert((at, self.posted), Box::new(message));
    }

    /// Runs everything that is due up to an instant, then stands at it.
    pub fn run_until(&mut self, until: VenueMillis) {
        while self.step_until(until) {}
    }

    /// Lets the next thing happen that is due up to an instant; false when nothing is left to, and then it
    /// stands at that instant.
    pub fn step_until(&mut self, until: VenueMillis) -> bool {
        let due = self.next_event().filter(|(at, _)| *at <= until);
        let more = due.is_some();
        match due {
            Some((at, next)) => {
                self.now = self.now.max(at);
                match next {
                    NextEvent::Message(key) => {
                        if let Some(message) = self.queue.remove(&key) {
                            self.deliver(*message);
                        }
                    }
                    NextEvent::Wake(account) => self.input(account, InputKind::Deadline),
                }
            }
            None => self.now = self.now.max(until),
        }
        self.observe();
        more
    }

    /// Everything that decides what happens from here on, as far as Nemesis deals nothing more. The journal is
    /// left out: what it restores to is the state of the engine that wrote it, or that of the last death, which
    /// the auditor checks at every start (I10). Of runs only counts whether a message is of the present one.
    pub fn fingerprint(&mut self, hasher: &mut impl Hasher) {
        (self.now, self.restart_ms, self.stream == Stream::Push).hash(hasher);
        self.venue.fingerprint(&mut self.gathered, hasher);
        for ((at, _), message) in &self.queue {
            message.fingerprint(hasher, *at, |account, run| self.is_run(account, run));
        }
        for (account, worker) in &mut self.workers {
            (account, worker.skew_ms, worker.belief_ms, worker.error_ms, worker.engine.is_some()).hash(hasher);
            (worker.stopped_until, worker.cut, worker.jump_ms).hash(hasher);
            (&worker.dark, worker.slow).hash(hasher);
            match &worker.engine {
                Some(engine) => {
                    let gathered = &mut self.gathered;
                    let print = worker.print.get_or_insert_with(|| gathered.digest(|all| engine.fingerprint(all)));
                    print.hash(hasher);
                }
                None => self.journal.fingerprint(*account, hasher),
            }
        }
        self.auditor.fingerprint(hasher);
    }

    /// Runs for a span of venue time.
    pub fn run_for(&mut self, span: Millis) {
        self.run_until(self.now.plus(span));
    }

    fn next_event(&self) -> Option<(VenueMillis, NextEvent)> {
        let message = self.queue.keys().next().map(|key| (key.0, NextEvent::Message(*key)));
        let wake = self
            .workers
            .iter()
            .filter_map(|(account, worker)| {
                let at = self.next_wake(*account)?;
                Some((worker.stopped_until.map_or(at, |until| at.max(until)), NextEvent::Wake(*account)))
            })
            .min_by_key(|(at, _)| *at);
        match (message, wake) {
            // A process that was stopped finds its timer before its mail.
            (Some(a), Some(b)) => Some(if b.0 < a.0 || (b.0 == a.0 && self.goes_on(&b.1)) { b } else { a }),
            (a, b) => a.or(b),
        }
    }

    fn goes_on(&self, event: &NextEvent) -> bool {
        let NextEvent::Wake(account) = event else { return false };
        let until = self.workers.get(account).and_then(|w| w.stopped_until);
        until.is_some_and(|until| until >= self.now && self.next_wake(*account).is_some_and(|at| at < until))
    }

    fn next_wake(&self, account: AccountTag) -> Option<VenueMillis> {
        let worker = self.workers.get(&account)?;
        let deadline = worker.engine.as_ref()?.next_deadline()?;
        Some(VenueMillis(deadline.at.0 - worker.skew_ms))
    }

    fn observe(&mut self) {
        for (account, worker) in &self.workers {
            if worker.stopped_until.is_some() {
                self.auditor.stopped(*account, worker.stopped_until.is_some_and(|until| until > self.now), self.now);
            }
        }
        let alive = self.workers.iter().map(|(account, w)| (*account, w.engine.as_ref()));
        self.auditor.observe(&self.venue, alive, &self.journal, self.now);
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.narrate {
            self.story.push((self.now, line()));
        }
    }

    /// Until when a message for a stopped process has to wait; what is on its way to the venue does not.
    fn waits_until(&self, message: &Message) -> Option<VenueMillis> {
        let account = match message {
            Message::Back { account, .. }
            | Message::Answered { account, .. }
            | Message::Frame { account, .. }
            | Message::Start { account }
            | Message::Command { account, .. } => account,
            Message::Arrive { .. } | Message::Act { .. } | Message::Ask { .. } => return None,
        };
        self.workers.get(account)?.stopped_until.filter(|until| *until > self.now)
    }

    fn deliver(&mut self, message: Message) {
        if let Some(until) = self.waits_until(&message) {
            self.post(until.since(self.now).0, message);
            return;
        }
        match message {
            Message::Start { account } => self.start(account),
            Message::Command { account, id, command } => {
                if self.is_alive(account) {
                    self.input(account, InputKind::Command(id, command));
                } else {
                    self.post(self.restart_ms, Message::Command { account, id, command });
                }
            }
            Message::Arrive { account, run, request, signed_at, copy } => {
                self.arrive(account, run, request, signed_at, copy);
            }
            Message::Act { account, request } => {
                // It was admitted within its window; nobody waits for what it answers any more.
                self.audit_whole_close(account, &request);
                let _ = self.venue.request(account, &request, self.now, self.now);
                self.after_venue();
            }
            Message::Back { account, run, sent, outcome } => {
                if self.is_run(account, run) {
                    let pair = self.is_pair_leg(&sent);
                    if self.nemesis.decide_on(Point::AfterReply, pair) == Fate::Crash {
                        self.die(account, "after a reply, before it was persisted");
                        return;
                    }
                    self.tell(|| format!("<- {sent:?} {}", brief(&outcome)));
                    self.input(account, InputKind::Outcome(sent, outcome));
                }
            }
            Message::Ask { account, run, query, sent_at } => self.ask(account, run, &query, sent_at),
            Message::Answered { account, run, answer } => {
                if self.is_run(account, run) {
                    self.tell(|| format!("<- answer {}", brief_answer(&answer)));
                    self.input(account, InputKind::Answer(answer));
                }
            }
            Message::Frame { account, run, event } => {
                if self.is_run(account, run) {
                    self.tell(|| format!("<~ {}", brief_event(&event)));
                    self.input(account, InputKind::Push(event));
                }
            }
        }
    }

    /// Whether this is about one leg of a call that sets stop and target.
    fn is_pair_leg(&self, sent: &Sent) -> bool {
        let Sent::Place(id) = sent else { return false };
        id.key().logical.role.is_protective() && self.venue.capabilities().protection == Protection::Paired
    }

    fn is_alive(&self, account: AccountTag) -> bool {
        self.workers.get(&account).is_some_and(|w| w.engine.is_some())
    }

    fn is_run(&self, account: AccountTag, run: u64) -> bool {
        self.workers.get(&account).is_some_and(|w| w.engine.is_some() && w.run == run)
    }

    fn moment(&self, worker: &Worker) -> Moment {
        Moment {
            local: LocalMillis(self.now.0 + worker.skew_ms),
            venue: VenueMillis(self.now.0 + worker.belief_ms),
            error: Millis(worker.error_ms),
        }
    }

    fn start(&mut self, account: AccountTag) {
        let epoch = self.journal.take_over(account);
        let loaded = self.journal.take(account);
        let capabilities = self.belief.clone().unwrap_or_else(|| self.venue.capabilities().clone());
        let restored = Engine::restore(self.config.clone(), capabilities, account, epoch, loaded);
        let engine = match restored {
            Ok(engine) => engine,
            Err(error) => {
                self.auditor.report(self.now, Finding::RestoreFailed { account, reason: error.to_string() });
                return;
            }
        };
        let Some(worker) = self.workers.get_mut(&account) else { return };
        if let Some(before) = worker.state_at_death.take() {
            self.auditor.compare_restored(account, before, engine.state(), self.now);
        }
        self.auditor.starts(account, engine.state(), self.now);
        worker.run += 1;
        worker.skew_ms = worker.skew_ms.saturating_add(std::mem::take(&mut worker.jump_ms));
        let run = worker.run;
        self.journal.compact(account, engine.snapshot());
        worker.engine = Some(engine);
        worker.print = None;
        self.tell(|| format!("== worker {account} starts, run {run}"));
        self.input(account, InputKind::Started);
        if self.is_run(account, run) && self.stream == Stream::Push {
            let delay = self.nemesis.jitter(self.latency.push_ms);
            self.post(delay, Message::Frame { account, run, event: StreamEvent::Connected });
        }
    }

    /// One input through the engine, its record to the disk, its effects to the wire.
    fn input(&mut self, account: AccountTag, kind: InputKind) {
        let Some(worker) = self.workers.get_mut(&account) else { return };
        let (run, at) = (
            worker.run,
            Moment {
                local: LocalMillis(self.now.0 + worker.skew_ms),
                venue: VenueMillis(self.now.0 + worker.belief_ms),
                error: Millis(worker.error_ms),
            },
        );
        let Some(engine) = worker.engine.as_mut() else { return };
        worker.print = None;
        let again = (self.repeats && kind != InputKind::Started).then(|| kind.clone());
        let step = engine.step(Input { at, kind });
        if let Some(kind) = again {
            let input = brief_input(&kind);
            let second = engine.clone().step(Input { at, kind });
            self.auditor.repeated(account, input, &second, self.now);
        }
        if let Some(record) = step.record() {
            self.visited.record(record);
            self.trace = self.gathered.chain(self.trace, &(self.now, record));
        }
        let durable = step.record().is_some();
        if durable {
            let pair =
                step.preview().iter().any(|effect| matches!(effect, Effect::Send { request, .. } if is_pair(request)));
            if self.nemesis.decide_on(Point::BeforeAppend, pair) == Fate::Crash {
                self.journal.trip(Trip::Before);
            } else if self.nemesis.decide_on(Point::AfterAppend, pair) == Fate::Crash {
                self.journal.trip(Trip::After);
            }
        }
        if kraite_core::zoo!(EffectsBeforeDurable) {
            let _ = step.preview().to_vec().into_iter().all(|effect| self.execute(account, run, effect));
        }
        let released = match commit(&self.journal, step).now_or_never() {
            Some(Ok(released)) => released,
            Some(Err(error)) => {
                self.die(account, &error.to_string());
                return;
            }
            None => {
                self.auditor.report(self.now, Finding::JournalBlocked { account });
                return;
            }
        };
        for effect in released.effects.into_iter().filter(|_| !kraite_core::zoo!(EffectsBeforeDurable)) {
            if !self.execute(account, run, effect) {
                return;
            }
        }
    }

    fn execute(&mut self, account: AccountTag, run: u64, effect: Effect) -> bool {
        match effect {
            Effect::Notify(notice) => {
                self.tell(|| format!("!! {}", notice.message));
                self.notices.push((self.now, notice));
                true
            }
            Effect::Query(query) => {
                let Some(sent_at) = self.workers.get(&account).map(|w| self.moment(w).venue) else { return false };
                self.auditor.asked(account, self.now);
                let delay = self.nemesis.jitter(self.latency.request_ms);
                self.post(delay, Message::Ask { account, run, query, sent_at });
                true
            }
            Effect::Send { request, not_after } => {
                let pair = is_pair(&request);
                if self.nemesis.decide_on(Point::BeforeSend, pair) == Fate::Crash {
                    self.die(account, "before a send");
                    return false;
                }
                self.send(account, run, request, not_after);
                if self.nemesis.decide_on(Point::AfterSend, pair) == Fate::Crash {
                    self.die(account, "after a send");
                    return false;
                }
                true
            }
        }
    }
}

enum NextEvent {
    Message((VenueMillis, u64)),
    Wake(AccountTag),
}
