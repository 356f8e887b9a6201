//! Drawing a life from a seed.

use std::collections::BTreeSet;

use kraite_core::exchange::{Direction, MarginMode, PositionMode};
use kraite_core::id::{AccountTag, Symbol};
use kraite_core::number::Qty;
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::time::Millis;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::act::{Act, Class, Hand, Shape};
use crate::presets;
use crate::script::Timing;
use crate::venue::VenueProfile;
use crate::world::{Disk, Rates};

/// How faults are mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mix {
    /// An unlucky week: everything may happen, rarely.
    Light,
    /// A hostile day: everything happens, often.
    Heavy,
    /// Each life leaves out whole classes of faults and draws how often the others happen.
    Swarm,
}

impl Mix {
    /// The mix of a seed where all are lived: of ten seeds three are light, three heavy and four a swarm.
    #[must_use]
    pub const fn in_turn(seed: u64) -> Self {
        match seed % 10 {
            0..3 => Self::Light,
            3..6 => Self::Heavy,
            _ => Self::Swarm,
        }
    }
}

/// The most acts of one life.
const MAX_ACTS: u32 = 24;
/// Tells the draw of what is changed by hand from the others of a seed.
const HANDS: u64 = 0x48_41_4E_44_53;

/// One drawn life: everything that happens in it but the fates that Nemesis deals.
#[derive(Debug, Clone)]
pub struct Life {
    /// What it was drawn from.
    pub seed: u64,
    /// The shape of the venue.
    pub profile: VenueProfile,
    /// How accounts net.
    pub mode: PositionMode,
    /// How long messages and restarts take.
    pub timing: Timing,
    /// The accounts, each with a worker.
    pub accounts: Vec<AccountTag>,
    /// The contracts.
    pub symbols: Vec<Symbol>,
    /// What Nemesis deals, and how often.
    pub rates: Rates,
    /// What happens, and how long after the last thing.
    pub acts: Vec<(Millis, Act)>,
}

struct Draw {
    rng: ChaCha8Rng,
}

impl Draw {
    fn below(&mut self, most: u32) -> u32 {
        self.rng.next_u32() % most.max(1)
    }

    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::from(self.below(u32::try_from(high - low + 1).unwrap_or(1)))
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let place = usize::try_from(self.below(u32::try_from(from.len()).unwrap_or(1))).unwrap_or(0);
        from.get(place).cloned()
    }
}

impl Life {
    /// The life of a seed under a mix.
    #[must_use]
    pub fn drawn(seed: u64, mix: Mix) -> Self {
        let mut draw = Draw { rng: ChaCha8Rng::seed_from_u64(seed) };
        let [separate, paired] = presets::shapes();
        let profile = if draw.chance(50) { separate } else { paired };
        let classes = classes(&mut draw, mix);
        let rates = rates(&mut draw, seed, mix);
        let many = draw.chance(20);
        let accounts: Vec<AccountTag> = (1..=if many { 2 } else { 1 }).filter_map(AccountTag::new).collect();
        let symbols: Vec<Symbol> =
            presets::contracts().into_iter().map(|c| c.symbol).take(if draw.chance(25) { 2 } else { 1 }).collect();
        let mode = if draw.chance(25) { PositionMode::Hedge } else { PositionMode::OneWay };
        let timing = Timing::drawn(if draw.chance(30) { 1 } else { seed });
        let mut life = Self { seed, profile, mode, timing, accounts, symbols, rates, acts: Vec::new() };
        let shape = draw_shape(&mut draw);
        life.happens(0, Act::Open(life.account(&mut draw), life.symbol(&mut draw), Box::new(shape)));
        for _ in 0..8 + draw.below(MAX_ACTS - 8) {
            let gap = match draw.below(10) {
                0..4 => draw.between(1, 900),
                4..8 => draw.between(500, 6_000),
                8 => draw.between(5_000, 60_000),
                _ => draw.between(60_000, 400_000),
            };
            let act = life.next(&mut draw, &classes, mix);
            life.happens(gap, act);
        }
        life.lay_hands();
        life
    }

    /// In half of the lives some of what the market does is followed by a change by hand. Drawn apart, so that what else a
    /// seed comes to stayed as it was.
    fn lay_hands(&mut self) {
        let mut draw = Draw { rng: ChaCha8Rng::seed_from_u64(self.seed.rotate_left(32) ^ HANDS) };
        if draw.chance(50) {
            return;
        }
        for (gap, act) in std::mem::take(&mut self.acts) {
            let moves = act.class() == Class::Market;
            self.acts.push((gap, act));
            if moves && draw.chance(25) {
                let gap = draw.between(1, 5_000);
                let account = self.account(&mut draw);
                let hand = hand(&mut draw);
                self.happens(gap, Act::Adjust(account, hand));
            }
        }
    }

    fn happens(&mut self, gap_ms: i64, act: Act) {
        self.acts.push((Millis(gap_ms), act));
    }

    fn account(&self, draw: &mut Draw) -> AccountTag {
        draw.pick(&self.accounts).unwrap_or_default()
    }

    fn symbol(&self, draw: &mut Draw) -> Symbol {
        draw.pick(&self.symbols).unwrap_or_else(|| Symbol::new(""))
    }

    fn next(&self, draw: &mut Draw, classes: &BTreeSet<Class>, mix: Mix) -> Act {
        let fault = draw.chance(match mix {
            Mix::Light => 10,
            Mix::Heavy => 40,
            Mix::Swarm => 25,
        });
        let class = if fault { draw.pick(&classes.iter().copied().collect::<Vec<_>>()) } else { None };
        let (account, symbol) = (self.account(draw), self.symbol(draw));
        match class.unwrap_or(Class::Market) {
            Class::Market => market(draw, account, symbol),
            Class::Disk => {
                let disk = match draw.below(4) {
                    0 => Disk::Full,
                    1 => Disk::SyncFails { kept: true },
                    2 => Disk::SyncFails { kept: false },
                    _ => Disk::Sound,
                };
                Act::Disk(account, disk)
            }
            Class::LostRecords => Act::LoseRecords(account, 1 + usize::from(draw.chance(50))),
            Class::Death => Act::Kill(account),
            Class::Stop => Act::Stop(account, Millis(draw.between(200, 120_000))),
            Class::Clock => Act::Clock(account, Millis(draw.between(-3_600_000, 3_600_000))),
            Class::Stream => Act::Stream(account, draw.chance(60)),
            Class::PartialFills => {
                let mut cap =
                    |percent| draw.chance(percent).then(|| Qty::from_units(draw.between(1, 20), 1).unwrap_or_default());
                Act::Caps(symbol, cap(40), cap(60))
            }
            Class::Unseen => Act::Unseen(Millis(draw.between(0, 8_000))),
            Class::Halt => Act::Halt(symbol, draw.chance(50)),
            Class::Hands if draw.chance(60) => Act::Cancel(account, usize::try_from(draw.below(16)).unwrap_or(0)),
            Class::Hands => Act::Sell(account, symbol, draw.between(10, 100)),
            Class::Foreign => Act::Foreign(account, symbol),
            Class::Funding => Act::Fund(symbol, draw.between(-3_000, 3_000)),
        }
    }
}

fn hand(draw: &mut Draw) -> Hand {
    match draw.below(15) {
        0..4 => Hand::Stop(draw.between(9_300, 10_700)),
        4..7 => Hand::Part(draw.between(1, 110)),
        7 => Hand::Rung(u8::try_from(draw.between(0, 6)).unwrap_or(0)),
        8..10 => Hand::Target(draw.between(-10, 400)),
        10 => Hand::Hold,
        11..13 => Hand::AddRung(draw.between(8_000, 12_000)),
        13 => Hand::HandBack,
        _ => Hand::Release,
    }
}

fn market(draw: &mut Draw, account: AccountTag, symbol: Symbol) -> Act {
    match draw.below(20) {
        0..3 => Act::Open(account, symbol, Box::new(draw_shape(draw))),
        3 => Act::Close(account),
        4..12 => Act::Move(symbol, draw.between(9_000, 11_000)),
        12..18 => Act::Move(symbol, draw.between(9_900, 10_100)),
        _ => Act::Move(symbol, draw.between(6_500, 14_000)),
    }
}

fn draw_shape(draw: &mut Draw) -> Shape {
    Shape {
        direction: if draw.chance(60) { Direction::Long } else { Direction::Short },
        rungs: u8::try_from(draw.below(5)).unwrap_or(0),
        gap: draw.between(50, 950),
        profit: draw.between(20, 300),
        stop: draw.between(50, 400),
        margin: draw.between(60, 300),
        style: if draw.chance(60) { TargetStyle::TriggerMarket } else { TargetStyle::Limit },
        sequence: if draw.chance(70) { Sequence::LadderFirst } else { Sequence::ProtectFirst },
        margin_mode: if draw.chance(70) { MarginMode::Cross } else { MarginMode::Isolated },
    }
}

/// The classes of faults that may happen; a swarm leaves out about half of them.
fn classes(draw: &mut Draw, mix: Mix) -> BTreeSet<Class> {
    let all = Class::ALL.into_iter().filter(|class| *class != Class::Market);
    let mut chosen: BTreeSet<Class> = all.filter(|_| mix != Mix::Swarm || draw.chance(50)).collect();
    // A disk that loses what it had synced makes a worker stand aside, and with it most of what else could be seen.
    if draw.chance(85) {
        chosen.remove(&Class::LostRecords);
    }
    chosen
}

fn rates(draw: &mut Draw, seed: u64, mix: Mix) -> Rates {
    match mix {
        Mix::Light => Rates::LIGHT,
        Mix::Heavy => Rates::HEAVY,
        Mix::Swarm => {
            fn drawn(draw: &mut Draw, most: i64) -> u32 {
                let on = draw.chance(50);
                let rate = draw.between(0, most);
                if on { u32::try_from(rate).unwrap_or(0) } else { 0 }
            }
            let mut rate = |most: i64| drawn(draw, most);
            Rates {
                crash: rate(400),
                lose: rate(1_200),
                delay: rate(1_500),
                late: rate(500),
                double: rate(1_500),
                double_request: rate(60),
                unknown: rate(900),
                limit: rate(600),
                tardy: rate(600),
                garbled: rate(600),
                known: rate(400),
                // Drawn apart, so that what else a seed comes to stayed as it was.
                part: drawn(&mut Draw { rng: ChaCha8Rng::seed_from_u64(!seed) }, 4_000),
            }
        }
    }
}
