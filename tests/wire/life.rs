//! One position on one emulator, with everything a test asks of either.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kraite_binance::codec::{Credentials, Signer};
use kraite_binance::{Binance, Config, ConnectError, Hosts, LocalClock, OrderEntry, Socket, Told, Watch};
use kraite_bitget::Bitget;
use kraite_bitget::codec::Product;
use kraite_core::engine::{
    Alert, Command, CommandId, Config as EngineConfig, Effect, Engine, Event, Notice, OpenRequest,
};
use kraite_core::exchange::{
    Direction, Exchange, MarginMode, OrderShape, PositionMode, ReadError, RejectKind, TriggerBy,
};
use kraite_core::id::{AccountTag, PositionNo, Role, Symbol};
use kraite_core::journal::Record;
use kraite_core::number::{Price, Qty};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::position::{Phase, PositionStatus, Why};
use kraite_core::sizing::{Budget, LadderSpec};
use kraite_core::time::{LocalMillis, Millis};
use kraite_engine::{Clock, Handle, Observer, Reactor, ReactorError, Stopped};
use kraite_journal::MemoryJournal;
use kraite_sim::emulator::{Emulator, Protocol, Settings};
use kraite_sim::venue::{OrderObject, Venue};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::proxy::Proxy;
use crate::raw;

/// How many times as fast as real time venue, backend and engine live. A window of three seconds lasts 150 ms.
pub(crate) const SPEED: u32 = 20;
/// Nothing that a test waits for takes longer than this of the scaled clock; proofs of absence take about a minute.
const PATIENCE: Millis = Millis(400_000);
/// The emulator's account.
pub(crate) const VENUE_ACCOUNT: u32 = 1;
/// The worker's own number for it, which its order ids carry.
pub(crate) const OWNER: AccountTag = AccountTag::new(7).unwrap();

/// How often a reading is tried before a test gives up.
const READINGS: u32 = 20;
/// The command that opens.
const OPENING: u64 = 1;

/// What is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) direction: Direction,
    pub(crate) mode: PositionMode,
    pub(crate) style: TargetStyle,
    pub(crate) entry: OrderEntry,
    pub(crate) protocol: Protocol,
}

impl Case {
    pub(crate) const LONG: Self = Self {
        direction: Direction::Long,
        mode: PositionMode::OneWay,
        style: TargetStyle::TriggerMarket,
        entry: OrderEntry::Rest,
        protocol: Protocol::Binance,
    };
    /// The same with its orders over the WebSocket API.
    pub(crate) const OVER_SOCKET: Self = Self { entry: OrderEntry::WebSocket, ..Self::LONG };

    /// Every way on the venue that takes stop and target one by one.
    pub(crate) fn all() -> Vec<Self> {
        let styles = [TargetStyle::TriggerMarket, TargetStyle::Limit];
        Self::sides().flat_map(|case| styles.map(|style| Self { style, ..case })).collect()
    }

    /// Every way on the venue that takes both in one call.
    pub(crate) fn paired() -> Vec<Self> {
        let protocols = [Protocol::BitgetClassic, Protocol::BitgetUnified];
        Self::sides().flat_map(|case| protocols.map(|protocol| Self { protocol, ..case })).collect()
    }

    fn sides() -> impl Iterator<Item = Self> {
        let modes = [PositionMode::OneWay, PositionMode::Hedge];
        let directions = [Direction::Long, Direction::Short];
        modes.into_iter().flat_map(move |mode| directions.map(|direction| Self { direction, mode, ..Self::LONG }))
    }
}

/// What the engine last said of itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) status: Option<PositionStatus>,
    pub(crate) phase: Option<Phase>,
    pub(crate) why: Option<Why>,
    pub(crate) alerts: Vec<Alert>,
    pub(crate) says: Vec<String>,
    /// What the orders of each role were refused for.
    pub(crate) refused: Vec<(Role, RejectKind)>,
}

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Seen>>);

impl Observer for Log {
    fn committed(&mut self, engine: &Engine, record: Option<&Record>, _: &[Effect]) {
        let mut seen = self.0.lock().unwrap();
        for event in record.into_iter().flat_map(|record| &record.events) {
            if let Event::CommandRefused(why) = event {
                seen.says.push(format!("command refused: {why:?}"));
            }
        }
        if let Some(position) = engine.state().positions.values().next() {
            (seen.status, seen.phase, seen.why) = (Some(position.status()), Some(position.phase), Some(position.why));
            seen.refused = position.orders.values().filter_map(|o| Some((o.role(), o.refusal?))).collect();
        }
    }

    fn notice(&mut self, notice: &Notice) {
        let mut seen = self.0.lock().unwrap();
        seen.alerts.push(notice.alert);
        seen.says.push(format!("{:?}: {}", notice.alert, notice.message));
    }
}

#[derive(Debug)]
struct Scaled(Clock);

#[async_trait]
impl LocalClock for Scaled {
    fn now(&self) -> LocalMillis {
        self.0.now()
    }

    async fn sleep(&self, span: Millis) {
        self.0.sleep(span).await;
    }
}

pub(crate) struct Life {
    pub(crate) case: Case,
    emulator: Emulator,
    exchange: Arc<dyn Exchange>,
    journal: Arc<MemoryJournal>,
    worker: Option<(Handle, JoinHandle<Result<Stopped, ReactorError>>)>,
    log: Log,
    told: Arc<Mutex<Vec<Told>>>,
}

pub(crate) fn symbol() -> Symbol {
    Symbol::new("SOLUSDT")
}

fn credentials() -> Credentials {
    Credentials::new("k".into(), Signer::hmac(&"s".into()).unwrap())
}

/// A backend that speaks to that emulator.
pub(crate) async fn connect(
    http: &str,
    ws: &str,
    clock: &Clock,
    case: Case,
) -> Result<Arc<dyn Exchange>, ConnectError> {
    Ok(match case.protocol {
        Protocol::Binance => Arc::new(Binance::connect(config(http, ws, clock, case.mode), credentials()).await?),
        Protocol::BitgetClassic | Protocol::BitgetUnified => {
            let config = paired_config(http, ws, clock, case.mode);
            Arc::new(Bitget::connect(config, paired_credentials()).await?)
        }
    })
}

fn config(http: &str, ws: &str, clock: &Clock, mode: PositionMode) -> Config {
    Config::new(Hosts::emulator(http, ws).unwrap())
        .clock(Arc::new(Scaled(clock.clone())))
        .position_mode(mode)
        .marks([symbol()])
}

fn paired_credentials() -> kraite_bitget::codec::Credentials {
    let signer = kraite_bitget::codec::Signer::hmac(&"s".into()).unwrap();
    kraite_bitget::codec::Credentials::new("k".into(), "p".into(), signer)
}

fn paired_config(http: &str, ws: &str, clock: &Clock, mode: PositionMode) -> kraite_bitget::Config {
    kraite_bitget::Config::new(kraite_bitget::Hosts::emulator(http, ws).unwrap())
        .clock(Arc::new(Scaled(clock.clone())))
        .position_mode(mode)
        .products([Product::Usdt])
        .marks([symbol()])
}

/// Windows of the scaled clock are a few times this long: where the machine stood still for as long, what failed says
/// nothing about kraite.
const STOOD_STILL: Duration = Duration::from_millis(60);
/// How often a life is lived on a machine that stands still each time.
const LIVED_AT_MOST: u32 = 6;
/// So many lives at once in all tests together: more would make the machine stand still themselves.
static LIVES: Semaphore = Semaphore::const_new(8);

/// Begins what is told of a life whose orders were wrong: a machine that stands still excuses delays, and nothing else.
const BROKEN: &str = "broken, however slow the machine was";

/// Lives, and once more where that failed or is not `sound` while the machine stood still.
pub(crate) async fn lived_on_a_live_machine<T, F>(name: &str, sound: impl Fn(&T) -> bool, live: impl Fn() -> F) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let _one_of_them = LIVES.acquire().await.unwrap();
    let mut tries = 1;
    loop {
        let stalls = Stalls::watch();
        let lived = tokio::spawn(live()).await;
        let (fine, still) = (lived.as_ref().is_ok_and(&sound), stalls.longest());
        let broken = lived.as_ref().is_err_and(|error| error.to_string().contains(BROKEN));
        if fine || broken || still < STOOD_STILL || tries == LIVED_AT_MOST {
            return lived.unwrap_or_else(|error| panic!("{name}, the machine stood still for {still:?}: {error}"));
        }
        println!("{name}: once more, for the machine stood still for {still:?}");
        tries += 1;
    }
}

/// How long what should take no time took, at most.
struct Stalls {
    longest: Arc<AtomicU64>,
    watch: JoinHandle<()>,
}

impl Stalls {
    fn watch() -> Self {
        const STEP: Duration = Duration::from_millis(5);
        let longest = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&longest);
        let watch = tokio::spawn(async move {
            loop {
                let before = Instant::now();
                tokio::time::sleep(STEP).await;
                let late = before.elapsed().saturating_sub(STEP);
                seen.fetch_max(u64::try_from(late.as_millis()).unwrap(), Ordering::Relaxed);
            }
        });
        Self { longest, watch }
    }

    fn longest(&self) -> Duration {
        Duration::from_millis(self.longest.load(Ordering::Relaxed))
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// On one thread, so that what sleeps on it holds up everything.
#[tokio::test]
async fn a_life_is_lived_again_only_where_the_machine_stood_still() {
    let lives = Arc::new(AtomicU64::new(0));
    let live = |still: Duration| {
        let lives = Arc::clone(&lives);
        move || {
            let lives = Arc::clone(&lives);
            async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                std::thread::sleep(still);
                tokio::time::sleep(Duration::from_millis(20)).await;
                lives.fetch_add(1, Ordering::Relaxed) + 1
            }
        }
    };
    assert_eq!(lived_on_a_live_machine("still", |life| *life == 2, live(STOOD_STILL * 2)).await, 2);
    assert_eq!(lived_on_a_live_machine("never sound", |_| false, live(STOOD_STILL * 2)).await, 8, "six at most");
    let wrong = || async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        std::thread::sleep(STOOD_STILL * 2);
        tokio::time::sleep(Duration::from_millis(20)).await;
        panic!("{BROKEN}");
    };
    let counted = Arc::clone(&lives);
    let broken = tokio::spawn(lived_on_a_live_machine(
        "broken",
        |()| true,
        move || {
            counted.fetch_add(1, Ordering::Relaxed);
            wrong()
        },
    ));
    assert!(broken.await.is_err());
    assert_eq!(lives.load(Ordering::Relaxed), 9, "what is wrong is no delay");
    // Unless the machine really stands still each time.
    let mut before = 9;
    for _ in 0..20 {
        let lived = lived_on_a_live_machine("awake", |_| false, live(Duration::ZERO)).await;
        if lived == before + 1 {
            return;
        }
        before = lived;
    }
    panic!("a second life each time");
}

/// What has to be read before anything is tried, once more where a busy machine was too late for a timeout that is scaled.
pub(crate) async fn patiently<T, E: std::fmt::Debug, F: Future<Output = Result<T, E>>>(call: impl Fn() -> F) -> T {
    for _ in 0..READINGS {
        if let Ok(read) = call().await {
            return read;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    call().await.unwrap()
}

/// The command that opens such a position, with everything read that it needs.
pub(crate) async fn open_command(
    exchange: &dyn Exchange,
    case: Case,
    number: u64,
) -> Result<(CommandId, Command), ReadError> {
    let instruments = exchange.instruments().await?;
    let mut instrument = instruments.into_iter().find(|listed| listed.symbol == symbol()).unwrap();
    if instrument.brackets.is_empty() {
        instrument.brackets = exchange.leverage_brackets(&symbol()).await?;
    }
    let request = OpenRequest {
        mark: exchange.mark_price(&symbol()).await?,
        instrument,
        spec: LadderSpec::default_for(case.direction),
        budget: Budget { margin: "100".parse().unwrap(), leverage_cap: 20 },
        sequence: Sequence::LadderFirst,
        target_style: case.style,
        stop_by: TriggerBy::Mark,
        mode: case.mode,
        margin_mode: MarginMode::Cross,
    };
    Ok((CommandId(number), Command::Open(Box::new(request))))
}

/// What an order is for. The name of a pair that is one object of its venue spells both of its legs.
fn role_of(order: &OrderObject) -> Option<Role> {
    order.client_id().map(|id| id.role()).or(match order.shape {
        OrderShape::StopMarket { .. } => Some(Role::Stop),
        OrderShape::TakeProfitMarket { .. } => Some(Role::Target),
        OrderShape::Market { .. } | OrderShape::Limit { .. } => None,
    })
}

impl Life {
    /// An emulator, a backend connected to it, and a reactor that runs; nothing is open.
    pub(crate) async fn start(case: Case) -> Self {
        let emulator = emulator(case).await;
        let (http, ws) = (emulator.http(), emulator.ws());
        Self::on(emulator, &http, &ws, case).await
    }

    /// The same with a proxy in between.
    pub(crate) async fn start_behind_proxy(case: Case) -> (Self, Proxy) {
        let emulator = emulator(case).await;
        let proxy = Proxy::start(emulator.address()).await;
        (Self::on(emulator, &proxy.http(), &proxy.ws(), case).await, proxy)
    }

    async fn on(emulator: Emulator, http: &str, ws: &str, case: Case) -> Self {
        Self::with(emulator, http, ws, case, credentials).await
    }

    /// An emulator that knows the public half of the pair that `credentials` sign with.
    pub(crate) async fn start_signed_by(case: Case, public_key: String, credentials: impl Fn() -> Credentials) -> Self {
        let settings = Settings { speed: SPEED, public_key: Some(public_key), ..Settings::default() };
        let emulator = Emulator::start(settings).await.unwrap();
        let (http, ws) = (emulator.http(), emulator.ws());
        Self::with(emulator, &http, &ws, case, credentials).await
    }

    async fn with(emulator: Emulator, http: &str, ws: &str, case: Case, credentials: impl Fn() -> Credentials) -> Self {
        let told: Arc<Mutex<Vec<Told>>> = Arc::default();
        let heard = Arc::clone(&told);
        let watch: Arc<dyn Watch> = Arc::new(move |what| heard.lock().unwrap().push(what));
        let clock = emulator.clock().clone();
        let exchange: Arc<dyn Exchange> = if case.protocol == Protocol::Binance {
            let config = || {
                let config = config(http, ws, &clock, case.mode).order_entry(case.entry);
                config.watch(Arc::clone(&watch))
            };
            Arc::new(patiently(|| Binance::connect(config(), credentials())).await)
        } else {
            let config = || paired_config(http, ws, &clock, case.mode).watch(Arc::clone(&watch));
            Arc::new(patiently(|| Bitget::connect(config(), paired_credentials())).await)
        };
        let (journal, log) = (Arc::default(), Log::default());
        let mut life = Self { case, emulator, exchange, journal, worker: None, log, told };
        if case.entry == OrderEntry::WebSocket {
            life.until("up with its socket for orders", |life| life.was_told(|told| *told == Told::Up(Socket::Orders)))
                .await;
        }
        life.begin();
        life
    }

    /// The worker ends, as one does that is told to.
    pub(crate) async fn stop_worker(&mut self) {
        if let Some((handle, task)) = self.worker.take() {
            drop(handle);
            task.await.unwrap().unwrap();
        }
    }

    /// The worker begins.
    pub(crate) fn begin(&mut self) {
        let exchange = Arc::clone(&self.exchange);
        let (account, clock) = (OWNER, self.emulator.clock().clone());
        let journal = Arc::clone(&self.journal) as _;
        let (reactor, handle) =
            Reactor::new(account, EngineConfig::default(), exchange, journal, clock, self.log.clone());
        self.worker = Some((handle, tokio::spawn(reactor.run())));
    }

    pub(crate) async fn open(&self) {
        self.open_under(&[]).await;
    }

    /// Opens; the rules are in force once everything is read that an opening needs.
    pub(crate) async fn open_under(&self, rules: &[String]) {
        let (id, command) = patiently(|| open_command(self.exchange.as_ref(), self.case, OPENING)).await;
        for rule in rules {
            self.admin("POST", "/faults", rule).await;
        }
        self.command(id, command).await;
    }

    pub(crate) async fn close(&self) {
        self.command(CommandId(OPENING + 1), Command::Close(PositionNo::new(1).unwrap())).await;
    }

    async fn command(&self, id: CommandId, command: Command) {
        assert!(self.worker.as_ref().unwrap().0.command(id, command).await, "the worker takes no command");
    }

    pub(crate) fn seen(&self) -> Seen {
        self.log.0.lock().unwrap().clone()
    }

    pub(crate) fn was_told(&self, wanted: impl Fn(&Told) -> bool) -> bool {
        self.told.lock().unwrap().iter().any(wanted)
    }

    /// Looks at the emulator's book.
    pub(crate) fn book<T>(&self, look: impl FnOnce(&Venue, AccountTag) -> T) -> T {
        self.emulator.with_venue(|venue| look(venue, AccountTag::new(VENUE_ACCOUNT).unwrap()))
    }

    pub(crate) fn exposure(&self) -> Qty {
        self.book(|venue, account| venue.position(account, &symbol(), self.case.direction))
    }

    /// The quantity that the entry was placed with.
    pub(crate) fn planned_entry(&self) -> Qty {
        self.book(|venue, _| {
            let entry = |id: kraite_core::id::ClientOrderId| id.key().logical.role == Role::Entry;
            venue.objects().find(|o| o.client_id().is_some_and(entry)).unwrap().placed_qty.unwrap()
        })
    }

    /// What the orders of a role have executed, with the orders that they became.
    pub(crate) fn executed(&self, role: Role) -> Qty {
        self.book(|venue, _| {
            let of_role = |o: &&OrderObject| role_of(o) == Some(role);
            let all = venue.objects().filter(of_role).flat_map(|o| {
                let child = o.child.and_then(|child| venue.object(child)).filter(|child| role_of(child) != Some(role));
                [Some(o), child].into_iter().flatten()
            });
            all.map(|o| o.executed).fold(Qty::ZERO, |all, one| all.checked_add(one).unwrap())
        })
    }

    /// What the emulator's auditor objects to, sorted.
    pub(crate) async fn violations(&self) -> Vec<String> {
        let audit = self.admin("GET", "/audit?naked_ms=60000", "").await;
        let all = audit["violations"].as_array().unwrap();
        let mut names: Vec<_> = all.iter().map(|violation| violation["what"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// Where the open orders of a role rest or trigger.
    pub(crate) fn resting(&self, wanted: fn(Role) -> bool) -> Vec<Price> {
        self.book(|venue, account| {
            let ours = venue.open(account).filter(|o| role_of(o).is_some_and(wanted));
            ours.filter_map(|o| o.shape.price()).collect()
        })
    }

    pub(crate) fn target(&self) -> Vec<Price> {
        self.resting(|role| role == Role::Target)
    }

    pub(crate) fn stop(&self) -> Vec<Price> {
        self.resting(|role| role == Role::Stop)
    }

    pub(crate) fn rungs(&self) -> Vec<Price> {
        self.resting(|role| matches!(role, Role::Rung(_)))
    }

    /// Last and mark price go there.
    pub(crate) async fn price(&self, price: Price) {
        self.admin("POST", "/price", &format!(r#"{{"symbol":"SOLUSDT","last":"{price}"}}"#)).await;
    }

    /// A call of the admin routes, which must succeed.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: &str) -> Value {
        let target = format!("/_kraite/v1{path}");
        let headers = [("content-type", "application/json")];
        let (status, answer) = raw::call(self.emulator.address(), method, &target, &headers, body).await;
        assert_eq!(status, 200, "{method} {path} {body}: {answer}");
        answer
    }

    /// How often any fault was met.
    pub(crate) async fn faults_met(&self) -> usize {
        self.admin("GET", "/faults", "").await["met"].as_array().unwrap().len()
    }

    /// Waits for something to become true.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let bound = self.emulator.clock().now().plus(PATIENCE);
        while !is(self) {
            if self.emulator.clock().now() > bound {
                self.nothing_broken().await;
                panic!("{:?}: never {what}: {:?}\n{}", self.case, self.seen(), self.told_book());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Whatever took too long: no order was there twice, none was left behind, no name was used again.
    async fn nothing_broken(&self) {
        let audit = self.admin("GET", "/audit?naked_ms=60000", "").await;
        let wrong = |violation: &&Value| violation["what"] != "naked";
        let broken: Vec<&Value> = audit["violations"].as_array().unwrap().iter().filter(wrong).collect();
        assert!(broken.is_empty(), "{BROKEN}: {:?}: {broken:?}\n{:?}\n{}", self.case, self.seen(), self.told_book());
    }

    fn told_book(&self) -> String {
        self.book(|venue, account| {
            let rows = venue.objects().filter(|o| o.account == account);
            rows.map(|o| format!("{:?} {:?} {:?} {:?} {}\n", o.owner, o.shape, o.side, o.status, o.executed)).collect()
        })
    }

    /// Entry, rungs, stop and target are where they belong.
    pub(crate) async fn active(&self) {
        self.until("active", |life| {
            life.seen().phase == Some(Phase::Active)
                && life.stop().len() == 1
                && life.target().len() == 1
                && life.rungs().len() == 4
        })
        .await;
    }

    /// The next rung trades, and the target follows the new average entry.
    pub(crate) async fn dip(&self) {
        let (before, rungs, held) = (self.target(), self.rungs(), self.exposure());
        let nearest = match self.case.direction {
            Direction::Long => rungs.iter().max(),
            Direction::Short => rungs.iter().min(),
        };
        self.price(*nearest.unwrap()).await;
        self.until("a rung filled", |life| life.exposure() > held).await;
        self.until("the target re-priced", |life| life.target().len() == 1 && life.target() != before).await;
    }

    /// The price goes to the target.
    pub(crate) async fn recover(&self) {
        let target = self.target()[0];
        self.price(target).await;
    }

    pub(crate) async fn ended(&self) {
        self.until("flat with nothing open", |life| {
            life.exposure().is_zero() && life.book(|venue, account| venue.open(account).count()) == 0
        })
        .await;
        self.until("told as over", |life| life.seen().phase.is_some_and(|phase| phase.is_terminal())).await;
    }

    /// What the emulator's own book says of all that happened; stops the worker.
    pub(crate) async fn verdict(mut self) -> Verdict {
        self.nothing_broken().await;
        let audit = self.admin("GET", "/audit?naked_ms=60000", "").await;
        assert_eq!(audit["ok"], true, "{:?}: {audit}\n{:?}\n{}", self.case, self.seen(), self.told_book());
        assert_eq!(audit["orphans_now"].as_array().unwrap().len(), 0, "{audit}");
        assert_eq!(audit["naked_now"].as_array().unwrap().len(), 0, "{audit}");
        let verdict = Verdict {
            seen: self.seen(),
            faults: self.faults_met().await,
            naked: Millis(audit["longest_naked_ms"].as_i64().unwrap()),
        };
        self.stop_worker().await;
        verdict
    }
}

/// What is left to look at when all is over.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) seen: Seen,
    pub(crate) faults: usize,
    pub(crate) naked: Millis,
}

/// An emulator that speaks this way to an account in this mode.
pub(crate) async fn emulator(case: Case) -> Emulator {
    let settings = Settings { protocol: case.protocol, speed: SPEED, ..Settings::default() };
    let emulator = Emulator::start(settings).await.unwrap();
    emulator.with_venue(|venue| venue.set_mode(AccountTag::new(VENUE_ACCOUNT).unwrap(), case.mode));
    emulator
}
