//! The scripts there are.

use kraite_core::exchange::{Direction, MarginMode};
use kraite_core::id::Role;
use kraite_core::number::{Factor, Notional, Price, Qty};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::position::Why;
use kraite_core::time::Millis;

use super::{Beat, Ending, Script};

pub(super) const fn seconds(n: i64) -> Beat {
    Beat::Wait(Millis::from_secs(n))
}

pub(super) fn qty(units: i64, scale: u32) -> Qty {
    Qty::from_units(units, scale).unwrap_or_default()
}

impl Script {
    /// A script that is closed by its user in the end, unless it says otherwise.
    pub(super) fn new(name: &'static str, about: &'static str, beats: Vec<Beat>) -> Self {
        Self {
            name,
            about,
            direction: Direction::Long,
            target_style: TargetStyle::TriggerMarket,
            sequence: Sequence::LadderFirst,
            margin_mode: MarginMode::Cross,
            adopts: None,
            before: Vec::new(),
            beats,
            ends: Ending { why: Why::Command, bought: Some(qty(41, 2)) },
        }
    }

    pub(super) fn after(mut self, before: Vec<Beat>) -> Self {
        self.before = before;
        self
    }

    /// What the user has opened by hand is taken over.
    pub(super) fn adopting(mut self, qty: Qty) -> Self {
        self.adopts = Some(qty);
        self.after(vec![Beat::AddByHand(qty)])
    }

    pub(super) fn ends(mut self, why: Why, bought: i64) -> Self {
        self.ends = Ending { why, bought: Some(qty(bought, 2)) };
        self
    }

    /// Opens, falls through two rungs, is re-priced twice, closes in profit.
    #[must_use]
    pub fn open_to_close() -> Self {
        let beats = vec![seconds(5), Beat::Price(13_700), Beat::Price(12_400), seconds(5), Beat::Price(13_400)];
        Self::new("open-to-close", "two rungs fill, the target follows twice and fills", beats)
            .ends(Why::TargetFilled, 287)
    }

    /// Opens, falls through every rung and the stop.
    #[must_use]
    pub fn stopped_out() -> Self {
        let beats = vec![seconds(5), Beat::Price(12_400), Beat::Price(11_100), Beat::Price(9_500)];
        Self::new("stopped-out", "falls through every rung and the stop", beats).ends(Why::StopFilled, 1271)
    }

    /// Opens and is closed by its user.
    #[must_use]
    pub fn closed_by_hand() -> Self {
        let beats = vec![seconds(5), Beat::Price(13_700), Beat::Close];
        Self::new("closed-by-hand", "one rung fills, then the user asks for the close", beats).ends(Why::Command, 123)
    }

    /// Three whole lives, long and short, with both target styles, in both sequences.
    #[must_use]
    pub fn lives() -> Vec<Self> {
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

    /// One script for each thing that can happen to a position: what the crash explorer plays.
    #[must_use]
    pub fn catalogue() -> Vec<Self> {
        let new = Self::new;
        vec![
            new("open", "opens and stays open", vec![seconds(5)]),
            new(
                "partial-entry",
                "the entry fills in part, the ladder follows what it got",
                vec![seconds(5), Beat::TakerCap(None), Beat::Price(13_700), Beat::Price(15_200)],
            )
            .ends(Why::TargetFilled, 60)
            .after(vec![Beat::TakerCap(Some(qty(2, 1)))]),
            new(
                "dca-fills",
                "each rung fills in turn, then the target",
                vec![
                    seconds(4),
                    Beat::Price(13_700),
                    Beat::Price(12_400),
                    Beat::Price(11_100),
                    Beat::Price(9_900),
                    Beat::Price(11_100),
                ],
            )
            .ends(Why::TargetFilled, 1271),
            new(
                "resize-during-resize",
                "a second rung fills while the target is being re-priced for the first",
                vec![seconds(4), Beat::Flash(13_700, Millis(150)), Beat::Price(12_400), Beat::Price(13_400)],
            )
            .ends(Why::TargetFilled, 287),
            new(
                "partial-rung",
                "a rung fills in part twice, then the target",
                vec![
                    seconds(4),
                    Beat::MakerCap(Some(qty(3, 1))),
                    Beat::Price(13_740),
                    Beat::Price(13_700),
                    Beat::MakerCap(None),
                    Beat::Price(15_200),
                ],
            )
            .ends(Why::TargetFilled, 101),
            new("target-fills", "the target fills at once", vec![seconds(4), Beat::Price(15_100)])
                .ends(Why::TargetFilled, 41),
            new(
                "target-passed",
                "the market passes the target before it is placed",
                vec![Beat::Wait(Millis(650)), Beat::Price(15_100), Beat::Price(15_300)],
            )
            .ends(Why::TargetFilled, 41),
            new(
                "stop-fills",
                "falls through two rungs and the stop",
                vec![seconds(4), Beat::Price(12_400), Beat::Price(9_500)],
            )
            .ends(Why::StopFilled, 1271),
            new(
                "close-command",
                "one rung fills, then the user asks for the close",
                vec![seconds(4), Beat::Price(13_700), Beat::Close],
            )
            .ends(Why::Command, 123),
            new(
                "close-while-opening",
                "the user asks for the close right after the opening",
                vec![Beat::Wait(Millis(300)), Beat::Close],
            )
            .ends(Why::Command, 0),
            new(
                "sold-by-hand",
                "the user takes the exposure off at the venue",
                vec![seconds(4), Beat::Price(13_700), Beat::SellByHand, seconds(5)],
            )
            .ends(Why::External, 123),
            new(
                "stop-cancelled-by-hand",
                "the user cancels our stop at the venue",
                vec![seconds(4), Beat::CancelByHand(Role::Stop), seconds(4), Beat::Price(15_100)],
            )
            .ends(Why::TargetFilled, 41),
            new(
                "rung-cancelled-by-hand",
                "the user cancels one of our rungs at the venue",
                vec![
                    seconds(4),
                    Beat::CancelByHand(Role::Rung(1)),
                    seconds(4),
                    Beat::Price(13_700),
                    Beat::Price(14_300),
                ],
            )
            .ends(Why::TargetFilled, 123),
            new("entry-refused", "the venue refuses the entry", vec![seconds(4)])
                .ends(Why::EntryRefused, 0)
                .after(vec![Beat::LargestMarket(qty(1, 1))]),
            new(
                "stop-refused",
                "the venue refuses protection for the first seconds",
                vec![seconds(8), Beat::Price(15_100)],
            )
            .ends(Why::TargetFilled, 41)
            .after(vec![Beat::Unseen(Millis::from_secs(3))]),
            new(
                "stop-passed",
                "the market falls through the stop before it is placed",
                vec![Beat::Wait(Millis(650)), Beat::Price(9_500)],
            )
            .ends(Why::StopWouldTrigger, 1271),
            new(
                "deep-rungs",
                "the venue takes no rung that is far from the market; the market comes to each",
                vec![
                    seconds(20),
                    Beat::Price(13_700),
                    seconds(40),
                    Beat::Price(12_300),
                    seconds(40),
                    Beat::Price(11_100),
                    seconds(40),
                    Beat::Price(9_900),
                    Beat::Price(11_100),
                ],
            )
            .ends(Why::TargetFilled, 1271)
            .after(vec![Beat::DeepBand(Factor::from_units(2, 1).unwrap_or_default())]),
            new("entry-empty", "the entry fills nothing and the opening is cancelled", vec![seconds(4)])
                .ends(Why::EntryEmpty, 0)
                .after(vec![Beat::TakerCap(Some(Qty::ZERO))]),
            new(
                "crash-in-recovery",
                "two crashes, the second in the recovery from the first",
                vec![
                    Beat::Wait(Millis(900)),
                    Beat::Kill,
                    Beat::Wait(Millis(1_200)),
                    Beat::Kill,
                    seconds(4),
                    Beat::Price(15_100),
                ],
            )
            .ends(Why::TargetFilled, 41),
            Self {
                margin_mode: MarginMode::Isolated,
                ..new("liquidation", "the venue liquidates the position", vec![seconds(4), Beat::Price(14_100)])
                    .ends(Why::External, 41)
            },
            new(
                "rules-change",
                "tick and smallest notional change under the open position",
                vec![
                    seconds(4),
                    Beat::Rules(
                        Price::from_units(5, 2).unwrap_or_default(),
                        Notional::from_units(50, 0).unwrap_or_default(),
                    ),
                    Beat::Price(13_700),
                    Beat::Price(9_000),
                ],
            )
            .ends(Why::StopFilled, 1271),
        ]
        .into_iter()
        .chain(Self::hardships())
        .collect()
    }
}
