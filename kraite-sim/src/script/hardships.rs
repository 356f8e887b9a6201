//! Scripts in which the world is as bad as it may be without a single fault of the wire: streams that say nothing,
//! endpoints that do not answer, clocks that are off by all that is allowed, processes that are stopped, commands and
//! contracts that are not what they should be.

use kraite_core::engine::CommandId;
use kraite_core::exchange::Endpoint;
use kraite_core::number::Percent;
use kraite_core::position::Why;
use kraite_core::time::Millis;

use super::catalogue::{qty, seconds};
use super::{Beat, Change, Script};
use crate::world::Stream;

impl Script {
    /// The scripts of the catalogue in which the world is bad by itself.
    #[must_use]
    pub fn hardships() -> Vec<Self> {
        Self::untold().into_iter().chain(Self::proofs()).chain(Self::commands()).collect()
    }

    /// Nobody tells the worker what happens, or it is not there to hear.
    fn untold() -> Vec<Self> {
        let new = Self::new;
        vec![
            new(
                "told-nothing",
                "the stream says nothing, and a dead worker is back at once",
                vec![seconds(5), Beat::Price(13_700), seconds(320), Beat::Price(14_400)],
            )
            .ends(Why::TargetFilled, 123)
            .after(vec![Beat::Stream(Stream::Silent), Beat::Restart(Millis(1))]),
            new(
                "late-return",
                "the stream says nothing, and a dead worker is back only after 45 s",
                vec![seconds(60), Beat::Price(15_100)],
            )
            .ends(Why::TargetFilled, 41)
            .after(vec![Beat::Stream(Stream::Silent), Beat::Restart(Millis::from_secs(45))]),
            new(
                "stopped-asleep",
                "the process is stopped for a minute while its orders are on their way",
                vec![Beat::Wait(Millis(560)), Beat::Stop(Millis::from_secs(60)), seconds(70), Beat::Price(15_100)],
            )
            .ends(Why::TargetFilled, 41),
            new(
                "closed-unheard",
                "a rung fills, nobody hears of it, and the user asks for the close",
                vec![seconds(4), Beat::Stream(Stream::Silent), Beat::Price(13_700), Beat::Close],
            )
            .ends(Why::Command, 123),
        ]
    }

    /// The worst moments for a proof of absence: the naive one is wrong in them.
    fn proofs() -> Vec<Self> {
        let new = Self::new;
        vec![
            new(
                "read-in-part",
                "a rung fills while only the list of open orders answers",
                vec![
                    seconds(3),
                    Beat::Stream(Stream::Silent),
                    Beat::Dark(&[Endpoint::Order, Endpoint::History]),
                    Beat::Price(13_700),
                    seconds(30),
                    Beat::Dark(&[]),
                    seconds(30),
                    Beat::Stream(Stream::Push),
                    Beat::Price(14_100),
                ],
            )
            .ends(Why::Command, 123),
            new(
                "slow-answers",
                "answers take twelve seconds for a while",
                vec![
                    seconds(3),
                    Beat::Stream(Stream::Silent),
                    Beat::Slow(Millis::from_secs(12)),
                    seconds(25),
                    Beat::Slow(Millis(0)),
                    seconds(30),
                    Beat::Stream(Stream::Push),
                    Beat::Price(15_100),
                ],
            )
            .ends(Why::TargetFilled, 41),
            new(
                "clock-in-doubt",
                "the estimate of the venue's clock goes as wrong as it says that it may be",
                vec![
                    seconds(3),
                    Beat::Stream(Stream::Silent),
                    Beat::Clock(Millis::from_secs(8), Millis::from_secs(8)),
                    seconds(20),
                    Beat::Clock(Millis(20), Millis(50)),
                    seconds(30),
                    Beat::Stream(Stream::Push),
                    Beat::Price(15_100),
                ],
            )
            .ends(Why::TargetFilled, 41),
        ]
    }

    /// Commands that must not be followed, and a position that must not stay.
    fn commands() -> Vec<Self> {
        let new = Self::new;
        vec![
            new(
                "asked-while-down",
                "a second position is asked for while the worker is down, and the price moves on",
                vec![
                    seconds(4),
                    Beat::Close,
                    seconds(30),
                    Beat::Restart(Millis::from_secs(45)),
                    Beat::Kill,
                    Beat::OpenAgain(CommandId(7)),
                    seconds(1),
                    Beat::Price(15_010),
                    seconds(60),
                ],
            ),
            new(
                "asked-twice",
                "the position is asked for again after its end, by the same command",
                vec![seconds(4), Beat::Price(15_100), seconds(120), Beat::OpenAgain(CommandId(1)), seconds(5)],
            )
            .ends(Why::TargetFilled, 41),
            new(
                "unseen-for-long",
                "the venue refuses protection for a minute: the position is closed",
                vec![seconds(90)],
            )
            .ends(Why::Unprotected, 41)
            .after(vec![Beat::Unseen(Millis::from_secs(60))]),
            new(
                "less-than-a-lot",
                "the lot grows beyond what a close leaves; where nothing takes the rest off, the user does later",
                vec![
                    seconds(4),
                    Beat::Price(13_700),
                    Beat::Lot(qty(1, 0)),
                    Beat::Close,
                    seconds(6),
                    Beat::Lot(qty(1, 2)),
                    Beat::SellByHand,
                    seconds(5),
                ],
            )
            .ends(Why::Command, 123),
            new(
                "less-than-a-lot-of-ours",
                "the same, and the user has a position of their own beside ours, until they take everything off",
                vec![
                    seconds(4),
                    Beat::Price(13_700),
                    Beat::AddByHand(qty(2, 0)),
                    seconds(15),
                    Beat::Lot(qty(1, 0)),
                    Beat::Close,
                    seconds(60),
                    Beat::Lot(qty(1, 2)),
                    Beat::SellByHand,
                    seconds(5),
                ],
            )
            .ends(Why::Command, 123),
            new(
                "stop-moved-away",
                "the user moves the stop further away; the market falls through the old one, and then through it",
                vec![seconds(4), Beat::Adjust(Change::Stop(8_000)), seconds(3), Beat::Price(8_700), Beat::Price(7_900)],
            )
            .ends(Why::StopFilled, 1271),
            new(
                "stop-moved-near",
                "the user leaves out the rungs and moves the stop near the market, which falls through it",
                vec![
                    seconds(4),
                    Beat::Adjust(Change::Rung(1)),
                    Beat::Adjust(Change::Rung(2)),
                    Beat::Adjust(Change::Rung(3)),
                    Beat::Adjust(Change::Rung(4)),
                    seconds(2),
                    Beat::Adjust(Change::Stop(14_500)),
                    seconds(4),
                    Beat::Price(14_400),
                ],
            )
            .ends(Why::StopFilled, 41),
            new(
                "part-closed",
                "one rung fills, the user closes a part, then the target takes the rest",
                vec![
                    seconds(4),
                    Beat::Price(13_700),
                    Beat::Adjust(Change::Part(qty(5, 1))),
                    seconds(4),
                    Beat::Price(14_300),
                ],
            )
            .ends(Why::TargetFilled, 123),
            new(
                "target-held",
                "the user aims the target further, holds it while a rung fills, and releases it",
                vec![
                    seconds(4),
                    Beat::Adjust(Change::Target(Percent::from_units(2, 0).unwrap_or_default())),
                    seconds(3),
                    Beat::Adjust(Change::Hold),
                    Beat::Price(13_700),
                    Beat::Price(14_800),
                    Beat::Adjust(Change::Release),
                    seconds(4),
                    Beat::Price(15_100),
                ],
            )
            .ends(Why::TargetFilled, 123),
            new(
                "rung-added",
                "the user adds a rung between two; the market falls to it, and the target takes everything",
                vec![
                    seconds(4),
                    Beat::Adjust(Change::AddRung(13_000, qty(2, 0))),
                    seconds(3),
                    Beat::Price(13_700),
                    Beat::Price(12_950),
                    seconds(4),
                    Beat::Price(15_000),
                ],
            )
            .ends(Why::TargetFilled, 323),
            new(
                "handed-back",
                "one rung fills and the user takes the position back, with a stop of their own, which the market hits",
                vec![
                    seconds(4),
                    Beat::Price(13_700),
                    seconds(4),
                    Beat::Adjust(Change::HandBack),
                    seconds(20),
                    Beat::Price(12_000),
                    Beat::SellByHand,
                    seconds(5),
                ],
            )
            .ends(Why::HandedBack, 123),
            new(
                "adopted",
                "what the user opened by hand is taken over; two rungs fill and the target takes everything",
                vec![seconds(5), Beat::Price(13_700), Beat::Price(12_400), seconds(5), Beat::Price(14_000)],
            )
            .adopting(qty(5, 1))
            .ends(Why::TargetFilled, 300),
            new(
                "adopted-to-the-stop",
                "what the user opened by hand is taken over; the market falls through every rung and the stop",
                vec![seconds(5), Beat::Price(12_400), Beat::Price(11_100), Beat::Price(9_500)],
            )
            .adopting(qty(5, 1))
            .ends(Why::StopFilled, 1500),
            new(
                "adopted-too-late",
                "what the user opened by hand is to be taken over, and half of it is gone by then",
                vec![seconds(5)],
            )
            .adopting(qty(5, 1))
            .after(vec![Beat::AddByHand(qty(2, 1))])
            .ends(Why::NotClear, 0),
            new("not-clear", "the user has a position on the contract already", vec![seconds(5)])
                .ends(Why::NotClear, 0)
                .after(vec![Beat::AddByHand(qty(1, 0))]),
        ]
    }
}
