//! A thousand accounts in one process, and half a day of trading: memory, and how long a decision takes.

mod following;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use kraite_core::engine::{Command, CommandId, Config, Effect, Engine, Notice, OpenRequest};
use kraite_core::exchange::{Exchange, PositionMode};
use kraite_core::id::{AccountTag, Symbol};
use kraite_core::journal::{Journal, Record};
use kraite_core::number::{Notional, Price};
use kraite_core::time::{LocalMillis, Millis, VenueMillis};
use kraite_engine::{Clock, Handle, Observer, Reactor};
use kraite_journal::{MemoryJournal, SqliteJournal};
use kraite_sim::link::SharedVenue;
use kraite_sim::presets;
use kraite_sim::script::{Script, Timing, request, world};
use kraite_sim::venue::Venue;
use kraite_sim::world::Nemesis;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::runtime::Builder;

const POSITIONS: u32 = 12;
/// Down through every rung, then up through the target, in cents.
const PRICES: [i64; 5] = [13_720, 12_400, 11_100, 9_900, 16_000];
const OPENING: i64 = 15_024;
/// Inputs per second of the load.
const RATE: u64 = 5_000;
/// How many inputs the fill of a rung leads to: its report, readings and answers, the change of the target, its outcome.
const PER_FILL: u64 = 6;
const BEGIN: LocalMillis = LocalMillis(1_760_000_000_000);

fn main() {
    let wanted = std::env::args().nth(1).filter(|word| !word.starts_with('-'));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let all = wanted.as_deref().is_none_or(|word| word == "all");
    if all || wanted.as_deref() == Some("load") {
        println!("with a journal in memory, so that a decision alone is measured:");
        runtime.block_on(load(Arc::new(MemoryJournal::default()), 1_000));
        println!("with a journal in a file:");
        let journal = SqliteJournal::open(folder.path().join("load")).expect("a journal");
        runtime.block_on(load(Arc::new(journal), 1_000));
    }
    if all || wanted.as_deref() == Some("following") {
        runtime.block_on(following::follow());
    }
    if all || wanted.as_deref() == Some("soak") {
        let number = |at| std::env::args().nth(at).and_then(|word| word.parse().ok());
        let (hours, speed) = (number(2).unwrap_or(12), number(3).unwrap_or(200));
        runtime.block_on(soak(&folder.path().join("soak"), 10, hours, speed));
    }
}

/// Memory of this process, in MiB: now, and at most.
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1_024
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// What the reactors did, as their observers saw it.
#[derive(Default)]
struct Seen {
    inputs: AtomicU64,
    took: Mutex<Vec<Duration>>,
    alerts: Mutex<BTreeMap<String, u64>>,
}

impl Seen {
    fn alerts(&self) -> String {
        format!("{:?}", self.alerts.lock().expect("whole"))
    }
}

/// What one account holds, as its last decision left it.
#[derive(Default)]
struct Held {
    /// When something was done to it that it has not decided about.
    struck: Mutex<Option<Instant>>,
    positions: AtomicUsize,
    open_orders: AtomicUsize,
}

struct Watch {
    seen: Arc<Seen>,
    held: Arc<Held>,
    counts: bool,
}

impl Observer for Watch {
    fn committed(&mut self, engine: &Engine, record: Option<&Record>, _: &[Effect]) {
        self.seen.inputs.fetch_add(1, Ordering::Relaxed);
        if record.is_some()
            && let Some(struck) = self.held.struck.lock().expect("whole").take()
        {
            self.seen.took.lock().expect("whole").push(struck.elapsed());
        }
        if self.counts {
            let positions = engine.state().positions.values();
            let open = positions.flat_map(|position| position.orders.values()).filter(|order| !order.life.is_done());
            self.held.open_orders.store(open.count(), Ordering::Relaxed);
            self.held.positions.store(engine.state().positions.len(), Ordering::Relaxed);
        }
    }

    fn notice(&mut self, notice: &Notice) {
        // What differs in digits and ids only is one kind.
        let plain = |word: &str| if word.chars().any(|c| c.is_ascii_digit()) { "#" } else { word }.to_owned();
        let words: Vec<String> = notice.message.split(' ').map(plain).collect();
        let kind = format!("{:?}: {}", notice.alert, words.join(" "));
        *self.seen.alerts.lock().expect("whole").entry(kind).or_default() += 1;
    }
}

struct Account {
    tag: AccountTag,
    venue: SharedVenue,
    handle: Handle,
    held: Arc<Held>,
    commands: u64,
}

fn cents(units: i64) -> Price {
    Price::from_units(units, 2).expect("in range")
}

fn symbol(n: u32) -> Symbol {
    Symbol::new(&format!("C{n:02}USDT"))
}

fn template() -> OpenRequest {
    let quiet = world(presets::binance(), Nemesis::scheduled(1, BTreeMap::new()), Timing::default());
    let script = Script::catalogue().into_iter().next().expect("there are scripts");
    request(&script, &quiet).expect("the contract has a price")
}

fn begin(n: u32, contracts: u32, clock: &Clock, journal: &Arc<dyn Journal>, seen: &Arc<Seen>, counts: bool) -> Account {
    let tag = AccountTag::new(n).expect("in range");
    let now = VenueMillis(clock.now().0);
    let mut venue = Venue::new(presets::binance(), now);
    venue.open_account(tag, PositionMode::OneWay, Notional::from_units(1_000_000, 0).expect("in range"));
    for n in 0..contracts {
        let mut rules = presets::instrument();
        rules.symbol = symbol(n);
        venue.list(rules);
        venue.price(&symbol(n), cents(OPENING), cents(OPENING), now);
    }
    let time = clock.clone();
    let venue = SharedVenue::new(venue, move || VenueMillis(time.now().0));
    let held = Arc::new(Held::default());
    let watch = Watch { seen: Arc::clone(seen), held: Arc::clone(&held), counts };
    let exchange: Arc<dyn Exchange> = Arc::new(venue.exchange(tag));
    let (reactor, handle) = Reactor::new(tag, Config::default(), exchange, Arc::clone(journal), clock.clone(), watch);
    tokio::spawn(reactor.run());
    Account { tag, venue, handle, held, commands: 0 }
}

impl Account {
    async fn open(&mut self, template: &OpenRequest, n: u32) {
        let mut request = template.clone();
        request.instrument.symbol = symbol(n);
        request.mark.symbol = symbol(n);
        (request.mark.price, request.mark.at) =
            self.venue.with(|venue, now| (venue.last(&symbol(n)).expect("a price"), now));
        self.commands += 1;
        assert!(self.handle.command(CommandId(self.commands), Command::Open(Box::new(request))).await);
    }

    fn open_orders(&self) -> usize {
        self.venue.with(|venue, _| venue.open(self.tag).count())
    }

    fn price(&self, n: u32, price: Price) {
        *self.held.struck.lock().expect("whole") = Some(Instant::now());
        self.venue.with(|venue, now| venue.price(&symbol(n), price, price, now));
    }
}

/// All accounts open all positions; then prices fall through the rungs, so fast that so many inputs come each second.
async fn load(journal: Arc<dyn Journal>, count: u32) {
    let clock = Clock::real();
    let (seen, template) = (Arc::new(Seen::default()), template());
    let mut accounts: Vec<Account> = (1..=count).map(|n| begin(n, POSITIONS, &clock, &journal, &seen, false)).collect();
    let begun = Instant::now();
    for n in 0..POSITIONS {
        for account in &mut accounts {
            account.open(&template, n).await;
        }
    }
    // Four rungs, a stop and a target each.
    let wanted = POSITIONS as usize * 6;
    while accounts.iter().any(|account| account.open_orders() < wanted) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(begun.elapsed() < Duration::from_secs(300), "not all positions opened");
    }
    println!(
        "{count} accounts with {POSITIONS} positions each, {} orders, opened in {:.1?}",
        count as usize * wanted,
        begun.elapsed()
    );
    println!("  memory, exchanges included  {} MiB   at most 1,024", memory().0);
    seen.took.lock().expect("whole").clear();
    let (inputs, cpu, begun) = (seen.inputs.load(Ordering::Relaxed), ProcessTime::now(), Instant::now());
    let arrived = || seen.inputs.load(Ordering::Relaxed) - inputs;
    let mut struck = 0;
    'all: for price in PRICES.into_iter().take(4) {
        for n in 0..POSITIONS {
            for account in &accounts {
                // Evenly: each fill is followed by about so many inputs, its own among them.
                let due = Duration::from_micros(struck * PER_FILL * 1_000_000 / RATE);
                while begun.elapsed() < due {
                    tokio::time::sleep(Duration::from_micros(200)).await;
                }
                struck += 1;
                account.price(n, cents(price));
                if begun.elapsed() > Duration::from_secs(20) {
                    break 'all;
                }
            }
        }
    }
    let (elapsed, used) = (begun.elapsed(), cpu.elapsed());
    let mut took = std::mem::take(&mut *seen.took.lock().expect("whole"));
    took.sort_unstable();
    let at = |share: usize| took[(took.len() * share / 1_000).min(took.len() - 1)];
    println!(
        "  inputs                      {:.0} each second for {elapsed:.0?}",
        arrived() as f64 / elapsed.as_secs_f64()
    );
    println!("  from a fill at the exchange to its decision in the journal, {} of them:", took.len());
    println!("    half {:.2?}   p99 {:.2?}   p99.9 {:.2?}   p99 at most 5 ms", at(500), at(990), at(999));
    println!(
        "  processor time              {:.2} of one core, exchanges included",
        used.as_secs_f64() / elapsed.as_secs_f64()
    );
    println!("  memory at most              {} MiB   alerts {}", memory().1, seen.alerts());
}

/// Hours of a market that walks at random; whatever is flat is opened again.
async fn soak(path: &std::path::Path, count: u32, hours: u32, speed: u32) {
    let clock = Clock::scaled_from(BEGIN, speed);
    let journal: Arc<dyn Journal> = Arc::new(SqliteJournal::open(path).expect("a journal"));
    let (seen, template) = (Arc::new(Seen::default()), template());
    let mut accounts: Vec<Account> = (1..=count).map(|n| begin(n, POSITIONS, &clock, &journal, &seen, true)).collect();
    let mut draw = ChaCha8Rng::seed_from_u64(12);
    let mut prices = vec![vec![OPENING; POSITIONS as usize]; count as usize];
    let mut flat_since: BTreeMap<(u32, u32), LocalMillis> = BTreeMap::new();
    println!(
        "{count} accounts with {POSITIONS} contracts each over {hours} hours of a random market, {speed} times as fast"
    );
    println!("  hour   memory MiB   positions in memory   orders not done   opened   alerts");
    for hour in 1..=hours {
        let until = LocalMillis(BEGIN.0 + i64::from(hour) * 3_600_000);
        while clock.now() < until {
            for (which, account) in accounts.iter_mut().enumerate() {
                for n in 0..POSITIONS {
                    let price = &mut prices[which][n as usize];
                    *price = (*price + draw.random_range(-120..=120)).clamp(9_000, 30_000);
                    account.price(n, cents(*price));
                    let key = (account.tag.get(), n);
                    let held = account.venue.with(|venue, _| {
                        let name = symbol(n);
                        venue.position(account.tag, &name, template.spec.direction).is_positive()
                            || venue.open(account.tag).any(|order| order.symbol == name)
                    });
                    if held {
                        flat_since.remove(&key);
                    } else if clock.now().since(*flat_since.entry(key).or_insert(clock.now())) > Millis::from_secs(120)
                    {
                        flat_since.remove(&key);
                        account.open(&template, n).await;
                    }
                }
            }
            clock.sleep(Millis::from_secs(30)).await;
        }
        // The exchange remembers as long as anybody may ask; it is not what is looked at.
        for account in &accounts {
            account.venue.with(|venue, now| venue.forget_before(now.minus(Millis::from_secs(3 * 3_600))));
        }
        let sum = |of: fn(&Held) -> &AtomicUsize| -> usize {
            accounts.iter().map(|account| of(&account.held).load(Ordering::Relaxed)).sum()
        };
        let opened: u64 = accounts.iter().map(|account| account.commands).sum();
        println!(
            "  {hour:>4}   {:>10}   {:>19}   {:>15}   {opened:>6}   {:>6}",
            memory().0,
            sum(|held| &held.positions),
            sum(|held| &held.open_orders),
            seen.alerts()
        );
    }
}
