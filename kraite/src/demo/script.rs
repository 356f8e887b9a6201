//! What the demo trades: one contract, one ladder, one price path.

use kraite_core::engine::OpenRequest;
use kraite_core::exchange::{Direction, MarginMode, Mark, PositionMode, TriggerBy};
use kraite_core::instrument::Instrument;
use kraite_core::number::{Factor, Notional, ParseNumberError, Percent, Price};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::sizing::{Budget, LadderSpec, SizingModel, TargetBasis};

/// The price when the curtain rises.
pub(super) const OPENING: &str = "150.24";
/// From there down through two rungs, step by step.
pub(super) const DIP: [&str; 6] = ["148.10", "143.00", "138.50", "137.20", "130.40", "124.50"];
/// And up again to the re-priced target.
pub(super) const RECOVERY: [&str; 5] = ["127.90", "129.80", "131.20", "132.10", "132.90"];

/// The position: F's LONG example, four rungs 8.5 % apart, each twice the one before.
pub(super) fn request(instrument: Instrument, mark: Mark) -> Result<OpenRequest, ParseNumberError> {
    let two: Factor = "2".parse()?;
    Ok(OpenRequest {
        instrument,
        spec: LadderSpec {
            direction: Direction::Long,
            rungs: 4,
            gap: "8.5".parse::<Percent>()?,
            multipliers: vec![two; 4],
            profit: "0.36".parse()?,
            stop: "2.5".parse()?,
            model: SizingModel::Unbounded,
            basis: TargetBasis::AverageEntry,
            headroom: "0.5".parse()?,
        },
        budget: Budget { margin: "100".parse::<Notional>()?, leverage_cap: 20 },
        sequence: Sequence::LadderFirst,
        target_style: TargetStyle::TriggerMarket,
        stop_by: TriggerBy::Mark,
        mode: PositionMode::OneWay,
        margin_mode: MarginMode::Cross,
        mark,
    })
}

/// A price of the script.
pub(super) fn price(text: &str) -> Result<Price, ParseNumberError> {
    text.parse()
}
