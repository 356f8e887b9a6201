//! Scripts: the life of one position as a price path and what people do meanwhile.
//!
//! [`Play`] plays a script in a world, one event at a time, with any schedule of faults; it is a value that
//! clones, so that an explorer can try each fate at each choice point.

mod catalogue;
mod hardships;
mod play;

use kraite_core::engine::{CommandId, OpenRequest};
use kraite_core::exchange::{Direction, Endpoint, MarginMode, PositionMode, TriggerBy};
use kraite_core::id::{AccountTag, Role};
use kraite_core::number::{Factor, Notional, Percent, Price, Qty};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::position::Why;
use kraite_core::sizing::{Budget, LadderSpec, SizingModel, TargetBasis};
use kraite_core::time::Millis;

pub use play::{Play, Played, Timing, play, play_in, world};

use crate::presets;
use crate::world::{Stream, World};

/// The price at which every script begins, in cents.
pub(crate) const OPENING: i64 = 15_024;

/// One thing that happens in a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beat {
    /// The price goes here, in cents, and stays for three seconds.
    Price(i64),
    /// The price goes here, in cents, and stays for so long.
    Flash(i64, Millis),
    /// The user closes the position.
    Close,
    /// The user cancels our newest open order of that role at the venue.
    CancelByHand(Role),
    /// The user takes the whole exposure off at the venue.
    SellByHand,
    /// From now on one taking order executes this much at most.
    TakerCap(Option<Qty>),
    /// From now on one resting order executes this much at most per price.
    MakerCap(Option<Qty>),
    /// The contract's rules change: its tick and the smallest notional it takes.
    Rules(Price, Notional),
    /// The contract's lot, for MARKET orders too, and the smallest quantity.
    Lot(Qty),
    /// The largest MARKET order that the venue takes.
    LargestMarket(Qty),
    /// The contract states a band of this share of the mark, and the venue limits both sides in both directions by it.
    DeepBand(Factor),
    /// For this long after a position appeared its protective orders are refused.
    Unseen(Millis),
    /// The worker is killed.
    Kill,
    /// Nothing, for so long.
    Wait(Millis),
    /// Whether the account stream delivers from now on.
    Stream(Stream),
    /// How long a dead worker stays dead from now on.
    Restart(Millis),
    /// From now on these endpoints do not answer; none: all of them do again.
    Dark(&'static [Endpoint]),
    /// From now on every answer takes this much longer.
    Slow(Millis),
    /// From now on the worker's estimate of the venue's clock is so far ahead, and says that it may be so wrong.
    Clock(Millis, Millis),
    /// The worker's process is stopped for so long.
    Stop(Millis),
    /// The disk loses this many of its newest records, and the worker dies.
    LoseRecords(usize),
    /// The user buys or sells this much more on the position's side at the venue.
    AddByHand(Qty),
    /// The user changes the position by command.
    Adjust(Change),
    /// The position is asked for again: with the same command, or with another.
    OpenAgain(CommandId),
}

/// What a user changes of the position by command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The stop goes to this price, in cents.
    Stop(i64),
    /// So much is closed.
    Part(Qty),
    /// This rung is left out.
    Rung(u8),
    /// The target is aimed so far past the average entry.
    Target(Percent),
    /// The target is held where it is.
    Hold,
    /// The target is released.
    Release,
    /// One more rung of this quantity rests at this price, in cents.
    AddRung(i64, Qty),
    /// What is open is given back.
    HandBack,
}

/// A position's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its name.
    pub name: &'static str,
    /// What it is about, in one line.
    pub about: &'static str,
    /// Long or short.
    pub direction: Direction,
    /// How the take-profit rests.
    pub target_style: TargetStyle,
    /// In which order it protects itself.
    pub sequence: Sequence,
    /// How margin backs it.
    pub margin_mode: MarginMode,
    /// What the position takes over instead of opening it, if it does.
    pub adopts: Option<Qty>,
    /// What is so before the position is asked for; takes no time.
    pub before: Vec<Beat>,
    /// What happens.
    pub beats: Vec<Beat>,
    /// What it comes to where nothing goes wrong.
    pub ends: Ending,
}

/// What a script comes to where nothing goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// Why its first position ended.
    pub why: Why,
    /// What all opening orders of ours executed together at the venue; `None` where nobody worked it out.
    pub bought: Option<Qty>,
}

impl Script {
    /// The same life of a SHORT: every price mirrored at the opening price, and a little further, because
    /// its rungs lie further apart.
    #[must_use]
    pub fn short(mut self) -> Self {
        self.direction = Direction::Short;
        self.ends.bought = None;
        for beat in &mut self.beats {
            if let Beat::Price(units)
            | Beat::Flash(units, _)
            | Beat::Adjust(Change::Stop(units) | Change::AddRung(units, _)) = beat
            {
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
}

/// The account of every script.
#[must_use]
pub fn account() -> AccountTag {
    AccountTag::new(1).unwrap_or_default()
}

/// F's example on the demo contract, in a direction.
#[must_use]
pub fn request(script: &Script, world: &World) -> Option<OpenRequest> {
    let mut instrument = presets::instrument();
    instrument.band = world.venue.market(&instrument.symbol)?.instrument.band;
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
        margin_mode: script.margin_mode,
        mark,
    })
}

pub(crate) fn cents(units: i64) -> Price {
    Price::from_units(units, 2).unwrap_or_default()
}
