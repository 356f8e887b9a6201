//! Living a life: a hostile phase, a healed one, a verdict.

use std::collections::BTreeMap;

use kraite_core::engine::Config;
use kraite_core::id::{AccountTag, LogicalOrder, PositionNo};
use kraite_core::number::{Notional, Price};
use kraite_core::position::{Cover, Phase};
use kraite_core::time::{Millis, VenueMillis};

use super::act::{Class, close_all};
use super::life::Life;
use crate::presets;
use crate::venue::{Liquidity, Venue};
use crate::world::{Fate, Nemesis, Verdict, Visited, World};

/// A healed world has this many rounds to come to rest (L1).
pub const MAX_ROUNDS: u64 = 200;
/// One round of the healed world.
const ROUND: Millis = Millis::from_secs(15);
/// A request, once healed, is attempted this often at most for one logical order (L3).
const MAX_HEALED_ATTEMPTS: u32 = 3;
/// Where other hands took a position off, orders that protect or close it are refused and tried with growing waits
/// until two readings 20 s apart agree that nothing is left (R86, R87).
const MAX_HEALED_EXITS: u32 = 8;
const START: VenueMillis = VenueMillis(1_760_000_000_000);
/// A request that left before the world was healed is dead at this long after, window and all.
const LAST_WINDOW: Millis = Millis::from_secs(45);
/// From the start of the workers to the first act.
const WARM_UP: Millis = Millis(500);

/// What a life came to.
#[derive(Debug, Clone)]
pub struct Lived {
    /// The auditor's word.
    pub verdict: Verdict,
    /// Positions that were asked for and made.
    pub lifecycles: u64,
    /// Positions, accounts or orders that did not come to rest; each in words.
    pub unresolved: Vec<String>,
    /// How many rounds the healed world took to come to rest, both times together.
    pub rounds: u64,
    /// Deaths of workers, dealt by Nemesis or acted.
    pub crashes: u64,
    /// Faults that Nemesis dealt, by fate.
    pub dealt: BTreeMap<Fate, u64>,
    /// Acts by class.
    pub acts: BTreeMap<Class, u64>,
    /// What the workers have been through.
    pub visited: Visited,
    /// A digest of every record and every request, in order: equal digests, equal runs (I18).
    pub trace: u64,
    /// The schedule that Nemesis dealt, if it was written down.
    pub schedule: BTreeMap<u64, Fate>,
    /// What crossed the wire, if it was told.
    pub story: Vec<(VenueMillis, String)>,
}

impl Lived {
    /// True when nothing was violated and everything came to rest.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.verdict.violations == 0 && self.unresolved.is_empty()
    }
}

/// How a life is lived.
#[derive(Debug, Clone, Default)]
pub(super) struct Manner {
    /// These fates, instead of drawn ones.
    pub(super) schedule: Option<BTreeMap<u64, Fate>>,
    /// What is dealt is written down.
    pub(super) write_down: bool,
    /// Everything that crosses the wire is told.
    pub(super) narrate: bool,
}

/// Lives a life, faults drawn from its seed.
#[must_use]
pub fn live(life: &Life) -> Lived {
    live_in(life, Manner::default())
}

fn build(life: &Life, manner: &Manner) -> World {
    let mut venue = Venue::new(life.profile.clone(), START);
    for contract in presets::contracts() {
        venue.list(contract);
    }
    for account in &life.accounts {
        venue.open_account(*account, life.mode, Notional::from_units(5_000, 0).unwrap_or_default());
    }
    let mut nemesis = match &manner.schedule {
        Some(schedule) => Nemesis::replayed(life.seed, schedule.clone()),
        None => Nemesis::random(life.seed, life.rates.clone()),
    };
    if manner.write_down {
        nemesis.write_down();
    }
    let mut world = World::new(venue, nemesis, Config::default(), life.timing.latency, START);
    world.set_restart(life.timing.restart);
    if manner.narrate {
        world.narrate();
    }
    for symbol in &life.symbols {
        world.price(symbol, Price::from_units(15_024, 2).unwrap_or_default());
    }
    for account in &life.accounts {
        world.hire(*account);
    }
    world
}

pub(super) fn live_in(life: &Life, manner: Manner) -> Lived {
    let mut world = build(life, &manner);
    world.run_for(WARM_UP);
    let mut command = 0;
    let mut acts: BTreeMap<Class, u64> = BTreeMap::new();
    for (gap, act) in &life.acts {
        world.run_for(*gap);
        *acts.entry(act.class()).or_insert(0) += 1;
        act.perform(&mut world, life.mode, &mut command);
    }
    world.run_for(ROUND);
    heal(life, &mut world);
    world.run_until(world.all_run_at());
    let healed_at = world.now();
    let mut unresolved = Vec::new();
    let mut rounds = rest(life, &mut world, is_safe, &mut unresolved, "is neither protected nor at its end");
    for account in &life.accounts {
        close_all(&mut world, *account, &mut command);
    }
    // An opening that was asked for while the worker was down may come to be only after that.
    world.run_for(ROUND);
    for account in &life.accounts {
        close_all(&mut world, *account, &mut command);
    }
    rounds += rest(life, &mut world, is_over, &mut unresolved, "is not at its end after a close");
    world.run_for(ROUND);
    // What the user held may be gone meanwhile, and with it the reason to wait no longer.
    rounds += rest(life, &mut world, is_over, &mut unresolved, "is not at its end after a close");
    world.look_at_rest();
    look_for_loops(life, &world, healed_at, &mut unresolved);
    let verdict = world.conclude();
    let lifecycles = world.visited().counts().get("opened").copied().unwrap_or(0);
    Lived {
        lifecycles,
        unresolved,
        rounds,
        crashes: world.deaths(),
        dealt: world.nemesis.dealt.clone(),
        acts,
        visited: world.visited().clone(),
        trace: world.trace(),
        schedule: world.nemesis.written(),
        story: world.story().to_vec(),
        verdict,
    }
}

/// The healed world: nothing goes wrong any more, the market trades normally.
fn heal(life: &Life, world: &mut World) {
    world.heal();
    world.venue.quirks_mut().position_unseen = Millis(0);
    for symbol in &life.symbols {
        world.venue.resume(symbol);
        world.venue.set_liquidity(symbol, Liquidity::default());
        // The next price meets everything that waited.
        if let Some(price) = world.venue.last(symbol) {
            world.price(symbol, price);
        }
    }
}

/// A worker whose journal lost records stands aside for a human; what it guards is not judged (L4).
fn stands_aside(world: &World, account: AccountTag) -> bool {
    world.engine(account).is_some_and(|engine| engine.state().quarantined) || world.auditor.has_lost_records(account)
}

type Test = fn(Phase, Cover) -> bool;

const fn is_safe(phase: Phase, cover: Cover) -> bool {
    phase.is_terminal() && !matches!(phase, Phase::Failed) || matches!((phase, cover), (Phase::Active, Cover::Armed))
}

const fn is_over(phase: Phase, _: Cover) -> bool {
    matches!(phase, Phase::Closed | Phase::Cancelled)
}

fn rest(life: &Life, world: &mut World, test: Test, unresolved: &mut Vec<String>, what: &str) -> u64 {
    for round in 0..=MAX_ROUNDS {
        let restless = life.accounts.iter().filter(|account| !stands_aside(world, **account)).find_map(|account| {
            let Some(engine) = world.engine(*account) else { return Some(format!("the worker of {account} is down")) };
            engine
                .state()
                .positions
                .values()
                .filter(|p| !world.auditor.user_holds(&world.venue, *account, p))
                .find(|p| !test(p.phase, p.cover))
                .map(|p| format!("position {} of {account} ({:?}, {:?}) {what}", p.no, p.phase, p.cover))
        });
        match restless {
            None => return round,
            Some(words) if round == MAX_ROUNDS => unresolved.push(words),
            Some(_) => world.run_for(ROUND),
        }
    }
    MAX_ROUNDS
}

/// L3: once healed, nothing is attempted again and again.
fn look_for_loops(life: &Life, world: &World, healed_at: VenueMillis, unresolved: &mut Vec<String>) {
    let placed_since = healed_at.plus(LAST_WINDOW);
    let mut attempts: BTreeMap<(AccountTag, PositionNo, LogicalOrder), u32> = BTreeMap::new();
    for account in &life.accounts {
        let Some(engine) = world.engine(*account).filter(|_| !stands_aside(world, *account)) else { continue };
        let orders = engine.state().positions.values().flat_map(|p| p.orders.values());
        for order in orders.filter(|order| order.not_after > placed_since) {
            let key = order.id.key();
            *attempts.entry((*account, key.position, key.logical)).or_insert(0) += 1;
        }
    }
    let most = |logical: LogicalOrder| if logical.role.is_exit() { MAX_HEALED_EXITS } else { MAX_HEALED_ATTEMPTS };
    for ((_, position, logical), number) in attempts.into_iter().filter(|((.., logical), n)| *n > most(*logical)) {
        unresolved.push(format!("{logical:?} of position {position} was attempted {number} times in a healed world"));
    }
}
