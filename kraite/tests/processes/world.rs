//! The simulated exchange, its market and its clock in this process; the worker that trades on it in another.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kraite::core::Capabilities;
use kraite::core::engine::Query;
use kraite::core::exchange::{Outcome, PositionMode, RejectKind};
use kraite::core::id::{AccountTag, Symbol};
use kraite::core::number::Price;
use kraite::core::time::{LocalMillis, Millis, VenueMillis};
use kraite::engine::Clock;
use kraite::sim::link::pipe::{Downward, Upward};
use kraite::sim::link::{Call, Reply, dispatch};
use kraite::sim::presets;
use kraite::sim::venue::{Venue, VenueProfile};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::audit::{Audit, Finding};
use crate::tally::Tally;
use crate::worker::{Fate, Heard, Worker};

const START: i64 = 1_760_000_000_000;
/// Where the price begins, in cents; every opening starts here.
const OPENING: i64 = 15_024;
/// Prices stay between these.
const LOWEST: i64 = 2_000;
const HIGHEST: i64 = 60_000;
/// A worker that is heard nothing of for so many moments is waiting for something.
const PATIENCE: u32 = 100;
/// One reply, and one frame, in so many is lost.
const LOST: u32 = 20;

/// How a venue protects a position, under the name that the command gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Stop and target are two orders.
    Separate,
    /// They are one call.
    Paired,
}

impl Shape {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Separate => "binance",
            Self::Paired => "bitget",
        }
    }

    fn profile(self) -> VenueProfile {
        match self {
            Self::Separate => presets::binance(),
            Self::Paired => presets::bitget(),
        }
    }
}

/// What one pump brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pumped {
    /// A line, which was acted on.
    Line,
    /// Nothing.
    Silence,
    /// The worker has ended.
    End,
}

/// Whether a worker still owns the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Owner,
    /// Another one has taken over, and what this one had been allowed to send is too old.
    Deposed,
}

/// One account on one venue, through any number of processes.
pub(crate) struct World {
    shape: Shape,
    factor: u32,
    folder: tempfile::TempDir,
    pub(crate) clock: Clock,
    venue: Venue,
    pub(crate) symbol: Symbol,
    pub(crate) rng: ChaCha8Rng,
    cents: i64,
    command: u64,
    pub(crate) audit: Audit,
    pub(crate) tally: Tally,
    alive_since: Option<VenueMillis>,
    /// The worker says that the position of the present command is over: nothing more will come of it.
    idle: bool,
}

pub(crate) fn account() -> AccountTag {
    AccountTag::new(7).unwrap()
}

impl World {
    /// A world whose venue time runs `factor` times as fast as the wall.
    pub(crate) fn new(shape: Shape, seed: u64, factor: u32) -> Self {
        let mut venue = Venue::new(shape.profile(), VenueMillis(START));
        let instrument = presets::instrument();
        let symbol = instrument.symbol.clone();
        venue.list(instrument);
        venue.open_account(account(), PositionMode::OneWay, "1000000".parse().unwrap());
        let capabilities = venue.capabilities().clone();
        let mut world = Self {
            shape,
            factor,
            // On the disk that the build is on: a file system in memory has no instants to be killed at.
            folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(),
            clock: Clock::scaled_from(LocalMillis(START), factor),
            venue,
            symbol,
            rng: ChaCha8Rng::seed_from_u64(seed),
            cents: OPENING,
            command: 1,
            audit: Audit::new(account(), capabilities),
            tally: Tally::default(),
            alive_since: None,
            idle: false,
        };
        world.price(OPENING);
        world
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.folder.path().join("journal")
    }

    pub(crate) fn now(&self) -> VenueMillis {
        VenueMillis(self.clock.now().0)
    }

    /// The venue, for whoever wants to know better.
    pub(crate) const fn venue(&self) -> &Venue {
        &self.venue
    }

    /// What the venue can do.
    pub(crate) fn capabilities(&self) -> Capabilities {
        self.venue.capabilities().clone()
    }

    /// The longest time for which any request of this venue's clients is valid.
    pub(crate) fn longest_window(&self) -> Millis {
        let rules = self.venue.capabilities();
        [&rules.absence_regular, &rules.absence_conditional, &rules.absence_plan]
            .map(|rule| rule.window)
            .into_iter()
            .fold(Millis(0), Millis::max)
    }

    /// A number below `below`.
    pub(crate) fn draw(&mut self, below: u32) -> u32 {
        self.rng.next_u32() % below.max(1)
    }

    fn one_in(&mut self, number: u32) -> bool {
        self.draw(number) == 0
    }

    fn price(&mut self, cents: i64) {
        self.cents = cents.clamp(LOWEST, HIGHEST);
        let price = Price::from_units(self.cents, 2).unwrap();
        let now = self.now();
        self.venue.price(&self.symbol, price, price, now);
        self.audit.look(&self.venue, self.alive_since, now);
    }

    /// The market goes somewhere: mostly a little, at times through a rung, at times beyond stop or target.
    pub(crate) fn wander(&mut self) {
        let permille = match self.draw(24) {
            0 => 550,
            1 => 1_500,
            2..=4 => 913,
            _ => 980 + i64::from(self.draw(41)),
        };
        self.price(self.cents * permille / 1_000);
    }

    /// Starts a worker; a new command if the position of the last one is over.
    pub(crate) fn start(&mut self, fate: &Fate) -> Worker {
        if self.audit.is_over(self.command) {
            self.command += 1;
            self.tally.note("positions ended");
            self.price(OPENING);
        }
        self.idle = false;
        self.tally.note("starts");
        self.alive_since = Some(self.now());
        let args = [
            format!("--venue={}", self.shape.word()),
            format!("--symbol={}", self.symbol),
            format!("--now-ms={}", self.clock.now().0),
            format!("--factor={}", self.factor),
            format!("--command={}", self.command),
        ];
        Worker::start(&self.journal(), &args, fate)
    }

    /// Acts on one line of a worker and gives the answer, unless it gets lost.
    pub(crate) fn act(&mut self, line: &str, standing: Standing) -> Option<Downward> {
        // The last line of a killed worker may be cut in two: those bytes never were a request.
        let said = serde_json::from_str::<Upward>(line).ok()?;
        match said {
            Upward::Durable(seq) => self.audit.promise(seq),
            Upward::Say(text) => self.idle |= text.contains("Finished"),
            Upward::Call(number, call) => {
                if let Call::Send(request, signed_at) = &call {
                    self.audit.read_on(&self.folder.path().join("journal"));
                    self.audit.sent(request, *signed_at);
                    self.tally.note("requests on the wire");
                }
                let now = self.now();
                let reply = dispatch(&mut self.venue, account(), &call, now);
                self.audit.look(&self.venue, self.alive_since, now);
                self.judge(&call, &reply, standing);
                // Without clock, contracts and mark the worker gives up at its start, as it should.
                let needed = matches!(call, Call::Time | Call::Instruments | Call::Ask(Query::Mark(_)));
                if needed || !self.one_in(LOST) {
                    return Some(Downward::Reply(number, reply));
                }
            }
        }
        None
    }

    /// What the venue said to a request, where that matters to those who watch.
    fn judge(&mut self, call: &Call, reply: &Reply, standing: Standing) {
        let (Call::Send(request, _), Reply::Outcomes(outcomes)) = (call, reply) else { return };
        for (sent, outcome) in request.sent().into_iter().zip(outcomes) {
            match outcome {
                Outcome::Rejected(reject) if reject.kind == RejectKind::ClockSkew => {
                    self.tally.note("requests that came too late and were refused");
                }
                Outcome::Accepted(_) | Outcome::Unknown(_) if standing == Standing::Deposed => {
                    self.audit.report(Finding::Deposed { sent });
                }
                _ => {}
            }
        }
    }

    /// Hears one worker and tells it, and a second one that may be there, what the venue pushes.
    pub(crate) fn pump(&mut self, worker: &mut Worker, second: Option<&mut Worker>, standing: Standing) -> Pumped {
        let pumped = match worker.hear(Duration::from_millis(2)) {
            Heard::Line(line) => {
                if let Some(answer) = self.act(&line, standing) {
                    worker.tell(&answer);
                }
                Pumped::Line
            }
            Heard::Silence => Pumped::Silence,
            Heard::End => Pumped::End,
        };
        self.push(worker, second);
        pumped
    }

    /// Hands over what the venue pushes; some of it is lost.
    pub(crate) fn push(&mut self, worker: &mut Worker, mut second: Option<&mut Worker>) {
        for (_, event) in self.venue.drain() {
            if !self.one_in(LOST) {
                let frame = Downward::Frame(event);
                worker.tell(&frame);
                if let Some(second) = &mut second {
                    second.tell(&frame);
                }
            }
        }
    }

    /// Pumps one worker and moves the market until it has said so many lines, has ended, has stopped, or has
    /// nothing to say for a while. `true` while it is still alive.
    pub(crate) fn run(&mut self, worker: &mut Worker, lines: u32) -> bool {
        self.run_patiently(worker, lines, PATIENCE)
    }

    /// [`Self::run`] with another patience.
    pub(crate) fn run_patiently(&mut self, worker: &mut Worker, lines: u32, patience: u32) -> bool {
        let (mut heard, mut silences) = (0, 0);
        while heard < lines && silences < patience {
            match self.pump(worker, None, Standing::Owner) {
                Pumped::Line => (heard, silences) = (heard + 1, 0),
                Pumped::Silence => silences += 1,
                Pumped::End => return false,
            }
            if self.one_in(if silences == 0 { 8 } else { 16 }) {
                self.wander();
            }
            // Nothing more comes of a position that is over; nothing comes of a process that stands still.
            if silences > 5 && (self.idle || worker.is_stopped()) {
                return true;
            }
        }
        true
    }

    /// After the end of a worker: what it had written is on the wire and arrives; then everything is checked.
    pub(crate) fn bury(&mut self, worker: &Worker) {
        self.alive_since = None;
        for line in worker.last_words() {
            // The answer finds nobody.
            drop(self.act(&line, Standing::Owner));
        }
        self.verify();
    }

    /// The position of the present command is over, or there is none.
    pub(crate) fn has_nothing_to_do(&mut self) -> bool {
        self.audit.read_on(&self.journal());
        self.audit.is_over(self.command) || self.audit.take_refusal(self.command)
    }

    /// The epoch that owns the account, as the file says.
    pub(crate) fn owner(&self) -> i64 {
        let ask = |file: rusqlite::Connection| file.query_row("SELECT MAX(epoch) FROM owners", [], |row| row.get(0));
        rusqlite::Connection::open(self.journal()).and_then(ask).unwrap_or(0)
    }

    /// Nobody writes: the whole journal must be readable and right.
    pub(crate) fn verify(&mut self) {
        if let Err(error) = self.audit.verify(&self.journal()) {
            self.audit.report(Finding::Unreadable(error.to_string()));
        }
        let verified = self.audit.verified();
        self.tally.add("records read back", verified - self.tally.of("records read back"));
    }

    /// A process stands still for a span of venue time while the market moves on. What it had written before
    /// arrives; the answers wait in its pipe.
    pub(crate) fn stand_still(&mut self, worker: &mut Worker, second: Option<&mut Worker>, span: Millis) {
        if second.is_none() {
            self.alive_since = None;
        }
        let until = self.clock.now().plus(span);
        let mut second = second;
        loop {
            match &mut second {
                Some(second) => {
                    self.pump(second, Some(worker), Standing::Owner);
                }
                None => self.push(worker, None),
            }
            while let Heard::Line(line) = worker.hear(Duration::ZERO) {
                if let Some(answer) = self.act(&line, Standing::Owner) {
                    worker.tell(&answer);
                }
            }
            if self.clock.now() >= until {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
            if self.one_in(20) {
                self.wander();
            }
        }
        if second.is_none() {
            self.alive_since = Some(self.now());
        }
    }

    /// Left alone, the last position comes to its end: the price goes where its stop or target is.
    pub(crate) fn finish(&mut self) {
        self.verify();
        let mut worker = self.start(&Fate::default());
        let mut beats = 0u32;
        while !self.audit.is_over(self.command) {
            if self.pump(&mut worker, None, Standing::Owner) == Pumped::End {
                let code = worker.wait().code();
                self.audit.report(Finding::Ended { code });
                return;
            }
            beats += 1;
            if beats.is_multiple_of(300) {
                let cents = [HIGHEST, OPENING, LOWEST];
                self.price(cents[(beats / 300) as usize % cents.len()]);
            }
            if beats.is_multiple_of(20) {
                self.audit.read_on(&self.journal());
            }
            if self.audit.take_refusal(self.command) {
                // Its mark was too old by then: the next life asks again.
                worker = self.start(&Fate::default());
            }
            if beats > 60_000 {
                self.audit.report(Finding::Stuck { command: self.command });
                return;
            }
        }
        self.tally.note("positions ended");
        worker.hang_up();
        worker.wait();
        self.bury(&worker);
        self.audit.conclude(&self.venue);
        self.tally.add("orders placed", self.audit.placements());
        self.tally.add("records", self.audit.records());
    }

    /// Ends the test with everything that was found, and leaves the folder for whoever wants to look.
    pub(crate) fn verdict(self, title: &str) -> Tally {
        if self.audit.findings().is_empty() {
            return self.tally;
        }
        let findings = format!("{:#?}", self.audit.findings());
        self.tally.print(title);
        panic!("{title}: {findings}\nits journal: {}", self.folder.keep().display());
    }
}
