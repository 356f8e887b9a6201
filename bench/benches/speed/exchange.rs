//! P21: the core, the exchange and a journal in memory on one queue of events, and nothing else: no auditor, no story,
//! no faults.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::hint::black_box;

use criterion::{Criterion, Throughput};
use futures_util::FutureExt as _;
use kraite_core::engine::{
    Command, CommandId, Config, Effect, Engine, Input, InputKind, OpenRequest, Query, Request, commit,
};
use kraite_core::exchange::{PositionMode, StreamEvent};
use kraite_core::id::{AccountTag, Epoch, PositionNo};
use kraite_core::journal::{Loaded, Record};
use kraite_core::number::{Notional, Price};
use kraite_core::position::{Phase, Why};
use kraite_core::time::{LocalMillis, Millis, Moment, VenueMillis};
use kraite_sim::presets;
use kraite_sim::script::{Script, Timing, account, request, world};
use kraite_sim::venue::{Venue, VenueProfile};
use kraite_sim::world::{ModelJournal, Nemesis};

use crate::cpu::CpuTime;

const START: VenueMillis = VenueMillis(1_760_000_000_000);
/// One way from the worker to the exchange and back, each.
const TRAVEL: Millis = Millis(2);
/// Between two prices.
const BEAT: Millis = Millis(3_000);
/// Between two positions: longer than the core keeps what has ended.
const APART: Millis = Millis(4_000_000);
/// Positions of one account, one after the other.
const LIVES: u64 = 20;
/// Down through every rung, with the target following, and up through the target.
const PRICES: [i64; 5] = [13_720, 12_400, 11_100, 9_900, 16_000];
const OPENING: i64 = 15_024;

enum Message {
    Arrive { request: Request, signed_at: VenueMillis },
    Ask(Query),
    Input(InputKind),
    Price(Price),
    Open(CommandId),
}

struct Due {
    at: VenueMillis,
    number: u64,
    message: Message,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    /// The earliest is the largest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

struct Bench {
    engine: Engine,
    venue: Venue,
    journal: ModelJournal,
    queue: BinaryHeap<Due>,
    posted: u64,
    now: VenueMillis,
    template: OpenRequest,
    /// Outcomes of requests and reports of orders that reached the core.
    order_events: u64,
}

/// What every position is opened with, but for its mark.
fn template(profile: &VenueProfile) -> OpenRequest {
    let quiet = world(profile.clone(), Nemesis::scheduled(1, BTreeMap::new()), Timing::default());
    let script = Script::catalogue().into_iter().next().expect("there are scripts");
    request(&script, &quiet).expect("the contract has a price")
}

fn cents(units: i64) -> Price {
    Price::from_units(units, 2).expect("in range")
}

impl Bench {
    fn new(profile: &VenueProfile, template: OpenRequest) -> Self {
        let instrument = presets::instrument();
        let mut venue = Venue::new(profile.clone(), START);
        venue.list(instrument.clone());
        venue.open_account(account(), PositionMode::OneWay, Notional::from_units(2_000, 0).expect("in range"));
        venue.price(&instrument.symbol, cents(OPENING), cents(OPENING), START);
        let journal = ModelJournal::default();
        let epoch: Epoch = journal.take_over(account());
        let tag: AccountTag = account();
        let engine = Engine::restore(Config::default(), venue.capabilities().clone(), tag, epoch, Loaded::default())
            .expect("empty");
        let (queue, posted, order_events) = (BinaryHeap::new(), 0, 0);
        Self { engine, venue, journal, queue, posted, now: START, template, order_events }
    }

    fn post(&mut self, delay: Millis, message: Message) {
        self.posted += 1;
        self.queue.push(Due { at: self.now.plus(delay), number: self.posted, message });
    }

    fn input(&mut self, kind: InputKind) {
        self.order_events += u64::from(matches!(kind, InputKind::Outcome(..) | InputKind::Push(StreamEvent::Order(_))));
        let at = Moment { local: LocalMillis(self.now.0), venue: self.now, error: Millis(0) };
        let step = self.engine.step(Input { at, kind });
        let released = commit(&self.journal, step).now_or_never().expect("in memory").expect("sound");
        for effect in released.effects {
            match effect {
                Effect::Send { request, .. } => {
                    let signed_at = self.now;
                    self.post(TRAVEL, Message::Arrive { request, signed_at });
                }
                Effect::Query(query) => self.post(TRAVEL, Message::Ask(query)),
                Effect::Notify(_) => {}
            }
        }
    }

    fn push(&mut self) {
        for (_, event) in self.venue.drain() {
            self.post(TRAVEL, Message::Input(InputKind::Push(event)));
        }
    }

    fn deliver(&mut self, message: Message) {
        match message {
            Message::Arrive { request, signed_at } => {
                for (sent, outcome) in self.venue.request(account(), &request, signed_at, self.now) {
                    self.post(TRAVEL, Message::Input(InputKind::Outcome(sent, outcome)));
                }
                self.push();
            }
            Message::Ask(query) => {
                let answer = self.venue.query(account(), &query, self.now);
                self.post(TRAVEL, Message::Input(InputKind::Answer(answer)));
            }
            Message::Input(kind) => self.input(kind),
            Message::Price(price) => {
                let symbol = self.template.instrument.symbol.clone();
                self.venue.price(&symbol, price, price, self.now);
                self.push();
            }
            Message::Open(id) => {
                let mut request = self.template.clone();
                request.mark.at = self.now;
                self.input(InputKind::Command(id, Command::Open(Box::new(request))));
            }
        }
    }

    fn run_for(&mut self, span: Millis) {
        let until = self.now.plus(span);
        loop {
            let wake = self.engine.next_deadline().map(|deadline| VenueMillis(deadline.at.0).max(self.now));
            let wake = wake.filter(|at| *at <= until);
            let due = self.queue.peek().map(|due| due.at).filter(|at| *at <= until);
            match (wake, due) {
                (Some(at), due) if due.is_none_or(|due| at < due) => {
                    self.now = at;
                    self.input(InputKind::Deadline);
                }
                (_, Some(at)) => {
                    self.now = at;
                    if let Some(due) = self.queue.pop() {
                        self.deliver(due.message);
                    }
                }
                _ => break,
            }
        }
        self.now = until;
    }
}

/// Positions one after the other, each from its opening through all of its rungs to its target.
fn play(profile: &VenueProfile, template: &OpenRequest, lives: u64) -> Bench {
    let mut bench = Bench::new(profile, template.clone());
    bench.input(InputKind::Started);
    for life in 1..=lives {
        bench.post(Millis(0), Message::Open(CommandId(life)));
        bench.run_for(BEAT);
        for price in PRICES.into_iter().chain([OPENING]) {
            bench.post(Millis(0), Message::Price(cents(price)));
            bench.run_for(BEAT);
        }
        bench.run_for(APART);
    }
    bench
}

/// The records that so many positions leave, one after the other.
#[allow(dead_code, reason = "the benchmark of the journal uses it")]
pub(crate) fn records(lives: u64) -> Vec<Record> {
    let profile = presets::binance();
    play(&profile, &template(&profile), lives).journal.read(account()).records
}

/// An order event is an outcome of a request, or a report of an order, that the exchange gave and the core applied:
/// each counted once, where it reaches the core.
pub(crate) fn events(criterion: &mut Criterion<CpuTime>) {
    let stages = [presets::binance(), presets::bitget()].map(|profile| (template(&profile), profile));
    let mut events = 0;
    for (template, profile) in &stages {
        let bench = play(profile, template, LIVES);
        let ended = bench.engine.state().positions.values().map(|p| (p.phase, p.why));
        assert!(ended.clone().all(|end| end == (Phase::Closed, Why::TargetFilled)), "{:?}", ended.collect::<Vec<_>>());
        assert_eq!(bench.engine.state().next_position.map(PositionNo::get), u32::try_from(LIVES + 1).ok());
        events += bench.order_events;
    }
    let mut group = criterion.benchmark_group("simulator");
    group.throughput(Throughput::Elements(events)).sample_size(10);
    group.bench_function("events", |bench| {
        bench.iter(|| {
            for (template, profile) in &stages {
                drop(black_box(play(profile, template, LIVES)));
            }
        });
    });
    group.finish();
}
