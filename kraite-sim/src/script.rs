//! Scripts: the life of one position as a price path, played in a world with any schedule of faults.

use std::collections::BTreeMap;

use kraite_core::engine::{Command, CommandId, Config, OpenRequest};
use kraite_core::exchange::{Direction, MarginMode, PositionMode, TriggerBy};
use kraite_core::id::{AccountTag, PositionNo};
use kraite_core::number::{Factor, Notional, Price};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::position::Phase;
use kraite_core::sizing::{Budget, LadderSpec, SizingModel, TargetBasis};
use kraite_core::time::{Millis, VenueMillis};

use crate::presets;
use crate::venue::{Venue, VenueProfile};
use crate::world::{Fate, Latency, Nemesis, Point, Stream, Verdict, World};

const START: VenueMillis = VenueMillis(1_760_000_000_000);
/// The price at which every script begins, in cents.
const OPENING: i64 = 15_024;
/// Between two prices of a script.
const BEAT: Millis = Millis::from_secs(3);
/// After the last price: long enough for every proof, poll and retry.
const REST: Millis = Millis::from_secs(1_500);

/// One thing that happens in a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beat {
    /// The price goes here, in cents.
    Price(i64),
    /// The user closes the position.
    Close,
    /// Nothing, for so long.
    Wait(Millis),
}

/// A position's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its name.
    pub name: &'static str,
    /// Long or short.
    pub direction: Direction,
    /// How the take-profit rests.
    pub target_style: TargetStyle,
    /// In which order it protects itself.
    pub sequence: Sequence,
    /// What happens.
    pub beats: Vec<Beat>,
}

impl Script {
    /// Opens, falls through two rungs, is re-priced twice, closes in profit.
    #[must_use]
    pub fn open_to_close() -> Self {
        Self {
            name: "open-to-close",
            direction: Direction::Long,
            target_style: TargetStyle::TriggerMarket,
            sequence: Sequence::LadderFirst,
            beats: vec![
                Beat::Wait(Millis::from_secs(5)),
                Beat::Price(13_700),
                Beat::Price(12_400),
                Beat::Wait(Millis::from_secs(5)),
                Beat::Price(13_400),
            ],
        }
    }

    /// Opens, falls through every rung and the stop.
    #[must_use]
    pub fn stopped_out() -> Self {
        Self {
            name: "stopped-out",
            beats: vec![Beat::Wait(Millis::from_secs(5)), Beat::Price(12_400), Beat::Price(11_100), Beat::Price(9_500)],
            ..Self::open_to_close()
        }
    }

    /// Opens and is closed by its user.
    #[must_use]
    pub fn closed_by_hand() -> Self {
        Self {
            name: "closed-by-hand",
            beats: vec![Beat::Wait(Millis::from_secs(5)), Beat::Price(13_700), Beat::Close],
            ..Self::open_to_close()
        }
    }

    /// The same life of a SHORT: every price mirrored at the opening price, and a little further, because
    /// its rungs lie further apart.
    #[must_use]
    pub fn short(mut self) -> Self {
        self.direction = Direction::Short;
        for beat in &mut self.beats {
            if let Beat::Price(units) = beat {
                *units = OPENING + (OPENING - *units) * 115 / 100;
            }
        }
        self
    }

    /// The same life in another style.
    #[must_use]
    pub const fn styled(mut self, target_style: TargetStyle, sequence: Sequence) -> Self {
        self.target_style = target_style;
        self.sequence = sequence;
        self
    }

    /// Every life, long and short, with both target styles, in both sequences.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for life in [Self::open_to_close(), Self::stopped_out(), Self::closed_by_hand()] {
            for script in [life.clone(), life.short()] {
                for style in [TargetStyle::TriggerMarket, TargetStyle::Limit] {
                    for sequence in [Sequence::LadderFirst, Sequence::ProtectFirst] {
                        all.push(script.clone().styled(style, sequence));
                    }
                }
            }
        }
        all
    }
}

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
    /// True when nothing was violated, the position ended where it should, and it was not stuck on the way:
    /// before its user closed what a missed price had left open, it was active or at its end.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.verdict.violations == 0
            && matches!(self.phase, None | Some(Phase::Closed | Phase::Cancelled))
            && matches!(self.unaided, None | Some(Phase::Active | Phase::Closed | Phase::Cancelled))
    }
}

/// The account of every script.
#[must_use]
pub fn account() -> AccountTag {
    AccountTag::new(1).unwrap_or_default()
}

/// F's example on the demo contract, in a direction.
#[must_use]
pub fn request(script: &Script, world: &World) -> Option<OpenRequest> {
    let instrument = presets::instrument();
    let mark = world.mark(&instrument.symbol)?;
    let percent = |text: &str| text.parse().unwrap_or_default();
    Some(OpenRequest {
        instrument,
        spec: LadderSpec {
            direction: script.direction,
            rungs: 4,
            gap: percent(if script.direction == Direction::Long { "8.5" } else { "9.5" }),
            multipliers: vec![Factor::from_integer(2); 4],
            profit: percent("0.36"),
            stop: percent("2.5"),
            model: SizingModel::default_for(script.direction),
            basis: TargetBasis::AverageEntry,
            headroom: percent("0.5"),
        },
        budget: Budget { margin: Notional::from_units(100, 0).unwrap_or_default(), leverage_cap: 20 },
        sequence: script.sequence,
        target_style: script.target_style,
        stop_by: TriggerBy::Mark,
        mode: PositionMode::OneWay,
        margin_mode: MarginMode::Cross,
        mark,
    })
}

/// A world with the demo contract at 150.24 and one worker.
#[must_use]
pub fn world(profile: VenueProfile, nemesis: Nemesis) -> World {
    #[cfg(kraite_zoo)]
    wake_what_was_asked_for();
    let instrument = presets::instrument();
    let symbol = instrument.symbol.clone();
    let mut venue = Venue::new(profile, START);
    venue.list(instrument);
    venue.open_account(account(), PositionMode::OneWay, Notional::from_units(2_000, 0).unwrap_or_default());
    let mut world = World::new(venue, nemesis, Config::default(), Latency::FAR, START);
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

fn cents(units: i64) -> Price {
    Price::from_units(units, 2).unwrap_or_default()
}

/// Plays a script with faults at these choice points only.
#[must_use]
pub fn play(script: &Script, profile: VenueProfile, schedule: BTreeMap<u64, Fate>, stream: Stream) -> Played {
    play_in(script, world(profile, Nemesis::scheduled(1, schedule)), stream)
}

/// Plays a script in a world.
#[must_use]
pub fn play_in(script: &Script, mut world: World, stream: Stream) -> Played {
    world.set_stream(stream);
    let symbol = presets::instrument().symbol;
    world.run_for(Millis(500));
    if let Some(request) = request(script, &world) {
        world.command(account(), CommandId(1), Command::Open(Box::new(request)));
    }
    for beat in &script.beats {
        match beat {
            Beat::Price(units) => {
                world.price(&symbol, cents(*units));
                world.run_for(BEAT);
            }
            Beat::Close => {
                if let Some(no) = PositionNo::new(1) {
                    world.command(account(), CommandId(2), Command::Close(no));
                }
                world.run_for(BEAT);
            }
            Beat::Wait(span) => world.run_for(*span),
        }
    }
    world.run_for(REST);
    let now =
        |world: &World| world.engine(account()).and_then(|e| e.state().positions.values().next().map(|p| p.phase));
    let unaided = now(&world);
    // A position that a fault kept from its exit at the scripted price is closed by its user.
    let left = world
        .engine(account())
        .and_then(|e| e.state().positions.values().find(|p| !p.phase.is_terminal()).map(|p| p.no));
    if let Some(no) = left {
        world.heal();
        world.command(account(), CommandId(3), Command::Close(no));
        world.run_for(REST);
    }
    let phase = now(&world);
    let verdict = world.conclude();
    let trail = world.nemesis.trail.clone();
    Played { verdict, phase, trail, unaided, world }
}
