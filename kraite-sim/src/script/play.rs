//! Playing a script: one event at a time, to a verdict.

use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher};
use std::sync::Arc;

use kraite_core::engine::{Adjustment, Command, CommandId, Config, Held};
use kraite_core::exchange::{PositionMode, Purpose};
use kraite_core::id::PositionNo;
use kraite_core::number::{Factor, Notional, Qty};
use kraite_core::position::Phase;
use kraite_core::time::{Millis, VenueMillis};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{Beat, Change, Ending, OPENING, Script, account, cents, request};
use crate::presets;
use crate::venue::{Venue, VenueProfile};
use crate::world::{Fate, Latency, Nemesis, Point, Stream, Verdict, World};

const START: VenueMillis = VenueMillis(1_760_000_000_000);
/// From the start of the worker to the command that opens.
const WARM_UP: Millis = Millis(500);
/// Between two prices of a script.
const BEAT: Millis = Millis::from_secs(3);
/// After the last price: long enough for every proof, poll and retry.
const REST: Millis = Millis::from_secs(1_500);

/// What a played script came to.
#[derive(Debug, Clone)]
pub struct Played {
    /// The auditor's word.
    pub verdict: Verdict,
    /// Where the position ended; `None` when it was never made.
    pub phase: Option<Phase>,
    /// The choice points that were passed.
    pub trail: Vec<Point>,
    /// Where the position stood before its user was asked for help; `None` when it was never made.
    pub unaided: Option<Phase>,
    /// The world at the end.
    pub world: World,
}

impl Played {
    /// True when nothing was violated and nothing was left unresolved.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.verdict.violations == 0 && self.is_resolved()
    }

    /// How a play without a fault went another way than its script says, if it did.
    #[must_use]
    pub fn strays_from(&self, script: &Script) -> Option<String> {
        let first = self.world.engine(account())?.state().positions.values().next();
        let why = first.map(|position| position.why);
        let opening = |o: &&crate::venue::OrderObject| o.client_id().is_some_and(|id| !id.key().logical.role.is_exit());
        let bought = self.world.venue.objects().filter(opening);
        let bought = bought.fold(Qty::ZERO, |sum, o| sum.checked_add(o.executed).unwrap_or(sum));
        let Ending { why: wanted, bought: planned } = script.ends;
        let strays = why != Some(wanted) || planned.is_some_and(|planned| planned != bought);
        strays.then(|| format!("ended {why:?} with {bought} bought instead of {wanted:?} with {planned:?}"))
    }

    /// True when the worker lives, and the position ended where it should and was not stuck on the way: before its user closed what
    /// a missed price had left open, it was active or at its end.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        self.world.engine(account()).is_some()
            && matches!(self.phase, None | Some(Phase::Closed | Phase::Cancelled))
            && matches!(self.unaided, None | Some(Phase::Active | Phase::Closed | Phase::Cancelled))
    }
}

/// How long messages and restarts take in a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Messages.
    pub latency: Latency,
    /// From the death of a worker to its next start.
    pub restart: Millis,
}

impl Default for Timing {
    fn default() -> Self {
        Self { latency: Latency::FAR, restart: Millis::from_secs(1) }
    }
}

impl Timing {
    /// The times of a seed: 1 is the default, every other seed draws its own, from a worker beside the venue to one
    /// that takes half a second, and restarts of up to a minute.
    #[must_use]
    pub fn drawn(seed: u64) -> Self {
        if seed == 1 {
            return Self::default();
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = |most: u32| i64::from(rng.next_u32() % most) + 1;
        let latency = Latency { request_ms: draw(250), reply_ms: draw(250), push_ms: draw(500) };
        let slow = draw(4) == 1;
        Self { latency, restart: Millis(draw(if slow { 60_000 } else { 3_000 })) }
    }
}

/// A world with the demo contract at 150.24 and one worker.
#[must_use]
pub fn world(profile: VenueProfile, nemesis: Nemesis, timing: Timing) -> World {
    #[cfg(kraite_zoo)]
    wake_what_was_asked_for();
    let instrument = presets::instrument();
    let symbol = instrument.symbol.clone();
    let mut venue = Venue::new(profile, START);
    venue.list(instrument);
    venue.open_account(account(), PositionMode::OneWay, Notional::from_units(2_000, 0).unwrap_or_default());
    let mut world = World::new(venue, nemesis, Config::default(), timing.latency, START);
    world.set_restart(timing.restart);
    world.price(&symbol, cents(OPENING));
    world.hire(account());
    world
}

/// In a zoo build `KRAITE_BUG` names the bug that the tests run with; a name that is none wakes nothing.
#[cfg(kraite_zoo)]
fn wake_what_was_asked_for() {
    if let Ok(id) = std::env::var("KRAITE_BUG") {
        let _ = kraite_core::zoo::wake_by_id(&id);
    }
}

/// Plays a script with faults at these choice points only.
#[must_use]
pub fn play(script: &Script, profile: VenueProfile, schedule: BTreeMap<u64, Fate>, stream: Stream) -> Played {
    play_in(script, world(profile, Nemesis::scheduled(1, schedule), Timing::default()), stream)
}

/// Plays a script in a world.
#[must_use]
pub fn play_in(script: &Script, world: World, stream: Stream) -> Played {
    let mut play = Play::new(Arc::new(script.clone()), world, stream);
    while play.advance() {}
    play.conclude()
}

/// Where a play stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    /// The worker starts.
    WarmUp,
    /// The beats.
    Beats,
    /// After the last beat.
    Rest,
    /// The user closed what was left, and nothing goes wrong any more.
    Helped,
    /// Over.
    Over,
}

/// A script being played.
#[derive(Debug, Clone)]
pub struct Play {
    /// The world it is played in.
    pub world: World,
    script: Arc<Script>,
    next_beat: usize,
    until: VenueMillis,
    stage: Stage,
    unaided: Option<Phase>,
}

impl Play {
    /// A script at its beginning.
    #[must_use]
    pub fn new(script: Arc<Script>, mut world: World, stream: Stream) -> Self {
        world.set_stream(stream);
        let until = world.now().plus(WARM_UP);
        let mut play = Self { world, script, next_beat: 0, until, stage: Stage::WarmUp, unaided: None };
        for beat in play.script.clone().before.iter() {
            play.perform(beat);
        }
        play
    }

    /// Does the next thing, an event of the world or a beat of the script; false once it is over.
    pub fn advance(&mut self) -> bool {
        if self.stage == Stage::Over {
            return false;
        }
        if !self.world.step_until(self.until) {
            self.turn_page();
        }
        self.stage != Stage::Over
    }

    fn turn_page(&mut self) {
        match self.stage {
            Stage::WarmUp => {
                self.open(CommandId(1));
                self.stage = Stage::Beats;
            }
            Stage::Beats => match self.script.clone().beats.get(self.next_beat) {
                Some(beat) => {
                    self.next_beat += 1;
                    let span = self.perform(beat);
                    self.until = self.world.now().plus(span);
                }
                None => {
                    self.until = self.world.now().plus(REST);
                    self.stage = Stage::Rest;
                }
            },
            Stage::Rest => {
                self.unaided = self.phase();
                self.world.look_at_rest();
                // A position that a fault kept from its exit at the scripted price is closed by its user.
                let left = self
                    .world
                    .engine(account())
                    .and_then(|e| e.state().positions.values().find(|p| !p.phase.is_terminal()).map(|p| p.no));
                self.stage = Stage::Over;
                if let Some(no) = left {
                    self.world.heal();
                    self.world.command(account(), CommandId(3), Command::Close(no));
                    self.until = self.world.now().plus(REST);
                    self.stage = Stage::Helped;
                }
            }
            Stage::Helped | Stage::Over => self.stage = Stage::Over,
        }
    }

    /// Does what a beat says, and says how long it lasts.
    fn perform(&mut self, beat: &Beat) -> Millis {
        let symbol = presets::instrument().symbol;
        match beat {
            Beat::Price(units) => {
                self.world.price(&symbol, cents(*units));
                return BEAT;
            }
            Beat::Flash(units, span) => {
                self.world.price(&symbol, cents(*units));
                return *span;
            }
            Beat::Close => {
                if let Some(no) = PositionNo::new(1) {
                    self.world.command(account(), CommandId(2), Command::Close(no));
                }
                return BEAT;
            }
            Beat::Wait(span) => return *span,
            Beat::CancelByHand(role) => {
                let ours = |o: &&crate::venue::OrderObject| {
                    o.client_id().is_some_and(|id| id.key().logical.role == *role) && o.parent.is_none()
                };
                if let Some(named) = self.world.venue.open(account()).filter(ours).last().map(|o| o.id.venue_id()) {
                    // What has just gone by itself cannot be cancelled any more, and that is no news.
                    let _ = self.world.by_hand(|venue, now| venue.user_cancel(&named, now));
                }
            }
            Beat::SellByHand => {
                let (direction, who) = (self.script.direction, account());
                let qty = self.world.venue.position(who, &symbol, direction);
                if qty.is_positive() {
                    let _ = self
                        .world
                        .by_hand(|venue, now| venue.user_market(who, &symbol, direction, Purpose::Close, qty, now));
                }
            }
            Beat::TakerCap(cap) => self.liquidity(|liquidity| liquidity.taker_cap = *cap),
            Beat::MakerCap(cap) => self.liquidity(|liquidity| liquidity.maker_cap = *cap),
            Beat::Rules(tick, min_notional) => self.rules(|rules| {
                rules.tick = *tick;
                rules.min_notional = *min_notional;
            }),
            Beat::Lot(lot) => self.rules(|rules| {
                rules.lot = *lot;
                rules.market_lot = *lot;
                rules.min_qty = *lot;
            }),
            Beat::LargestMarket(qty) => self.rules(|rules| rules.max_market_qty = *qty),
            Beat::DeepBand(share) => {
                self.world.venue.quirks_mut().deep_band = true;
                self.rules(|rules| {
                    rules.band.buy_max = Factor::ONE.checked_add(*share).ok();
                    rules.band.sell_min = Factor::ONE.checked_sub(*share).ok();
                });
            }
            Beat::Unseen(span) => self.world.venue.quirks_mut().position_unseen = *span,
            Beat::Kill => self.world.kill(account()),
            Beat::Stream(stream) => self.world.set_stream(*stream),
            Beat::Restart(delay) => self.world.set_restart(*delay),
            Beat::Dark(endpoints) => self.world.darken(account(), endpoints.iter().copied()),
            Beat::Slow(by) => self.world.slow_answers(account(), *by),
            Beat::Clock(ahead, error) => self.world.set_belief(account(), *ahead, *error),
            Beat::Stop(span) => self.world.stop(account(), *span),
            Beat::LoseRecords(count) => self.world.lose_records(account(), *count),
            Beat::AddByHand(qty) => {
                let direction = self.script.direction;
                let _ = self
                    .world
                    .by_hand(|venue, now| venue.user_market(account(), &symbol, direction, Purpose::Open, *qty, now));
            }
            Beat::Adjust(change) => self.adjust(*change),
            Beat::OpenAgain(id) => self.open(*id),
        }
        Millis(0)
    }

    fn adjust(&mut self, change: Change) {
        let (Some(no), Some(mark)) = (PositionNo::new(1), self.world.mark(&presets::instrument().symbol)) else {
            return;
        };
        let what = match change {
            Change::Stop(units) => Adjustment::MoveStop { trigger: cents(units), mark },
            Change::Part(qty) => Adjustment::ClosePart(qty),
            Change::Rung(rung) => Adjustment::DropRung(rung),
            Change::Target(profit) => Adjustment::Retarget(profit),
            Change::Hold => Adjustment::HoldTarget,
            Change::Release => Adjustment::ReleaseTarget,
            Change::AddRung(units, qty) => Adjustment::AddRung { price: cents(units), qty, mark },
            Change::HandBack => Adjustment::HandBack,
        };
        // Each beat has an id of its own.
        let id = u64::try_from(self.next_beat).unwrap_or_default().saturating_add(100);
        self.world.command(account(), CommandId(id), Command::Adjust(no, what));
    }

    fn open(&mut self, id: CommandId) {
        if let Some(request) = request(&self.script, &self.world) {
            let command = match self.script.adopts {
                Some(qty) => Command::Adopt(Box::new(request.clone()), Held { qty, price: request.mark.price }),
                None => Command::Open(Box::new(request)),
            };
            self.world.command(account(), id, command);
        }
    }

    fn liquidity(&mut self, change: impl FnOnce(&mut crate::venue::Liquidity)) {
        let symbol = presets::instrument().symbol;
        let mut liquidity = self.world.venue.market(&symbol).map(|m| m.liquidity).unwrap_or_default();
        change(&mut liquidity);
        self.world.venue.set_liquidity(&symbol, liquidity);
    }

    fn rules(&mut self, change: impl FnOnce(&mut kraite_core::Instrument)) {
        let symbol = presets::instrument().symbol;
        if let Some(mut rules) = self.world.venue.market(&symbol).map(|m| m.instrument.clone()) {
            change(&mut rules);
            self.world.venue.change_filters(rules);
        }
    }

    fn phase(&self) -> Option<Phase> {
        self.world.engine(account()).and_then(|e| e.state().positions.values().next().map(|p| p.phase))
    }

    /// The verdict on a play that is over.
    #[must_use]
    pub fn conclude(mut self) -> Played {
        let phase = self.phase();
        if self.stage == Stage::Over {
            self.world.look_at_rest();
        }
        let verdict = self.world.conclude();
        let trail = self.world.nemesis.trail.clone();
        Played { verdict, phase, trail, unaided: self.unaided, world: self.world }
    }

    /// Everything that decides what happens from here on: equal fingerprints, equal futures.
    pub fn fingerprint(&mut self, hasher: &mut impl Hasher) {
        (self.next_beat, self.until, self.stage, self.unaided).hash(hasher);
        self.world.fingerprint(hasher);
    }
}
