//! From any contract, shape and budget to a ladder and a plan: refused with a rule, or right.
//!
//! Two judges that share no arithmetic with sizing and lowering look at whatever is accepted.

use kraite_core::capabilities::{Capabilities, Protection, ProtectiveRepeat, Reprice, StopSizing};
use kraite_core::exchange::Direction;
use kraite_core::id::{MAX_RUNGS, Symbol};
use kraite_core::instrument::{Instrument, LeverageBracket, PriceBand};
use kraite_core::number::{Factor, Notional, Percent, Price, Qty};
use kraite_core::plan::{Goal, MarginSetup, Sequence, Shape, TargetStyle, check, check_ladder, lower, plan};
use kraite_core::sizing::{
    Budget, Ladder, LadderSpec, Refusal, SizeRequest, SizingModel, TargetBasis, draft_for, rebuild, size_for,
};
use kraite_sim::presets;

use crate::Bytes;

fn optional<T>(bytes: &mut Bytes<'_>, read: impl FnOnce(&mut Bytes<'_>) -> T) -> Option<T> {
    bytes.flag().then(|| read(bytes))
}

fn bracket(bytes: &mut Bytes<'_>) -> LeverageBracket {
    LeverageBracket {
        max_leverage: bytes.u32(),
        notional_floor: Notional::ZERO,
        notional_cap: bytes.number(Notional::from_units),
        maintenance_ratio: Factor::ZERO,
        maintenance_deduction: Notional::ZERO,
    }
}

fn instrument(bytes: &mut Bytes<'_>) -> Instrument {
    let mut instrument = Instrument {
        symbol: Symbol::new("X"),
        quote: "USDT".into(),
        tick: bytes.number(Price::from_units),
        lot: bytes.number(Qty::from_units),
        market_lot: bytes.number(Qty::from_units),
        min_qty: bytes.number(Qty::from_units),
        max_qty: bytes.number(Qty::from_units),
        max_market_qty: bytes.number(Qty::from_units),
        min_price: bytes.number(Price::from_units),
        max_price: optional(bytes, |b| b.number(Price::from_units)),
        min_notional: bytes.number(Notional::from_units),
        band: PriceBand {
            buy_max: optional(bytes, |b| b.number(Factor::from_units)),
            buy_min: optional(bytes, |b| b.number(Factor::from_units)),
            sell_max: optional(bytes, |b| b.number(Factor::from_units)),
            sell_min: optional(bytes, |b| b.number(Factor::from_units)),
        },
        max_orders: optional(bytes, |b| b.u32()),
        brackets: Vec::new(),
        maker_fee: bytes.number(Factor::from_units),
        taker_fee: bytes.number(Factor::from_units),
    };
    instrument.brackets = (0..bytes.u8() % 4).map(|_| bracket(bytes)).collect();
    instrument.brackets.sort_by_key(|b| b.notional_cap);
    instrument
}

fn spec(bytes: &mut Bytes<'_>) -> LadderSpec {
    LadderSpec {
        direction: bytes.pick(&[Direction::Long, Direction::Short]),
        rungs: bytes.u8(),
        model: bytes.pick(&[SizingModel::Unbounded, SizingModel::Bounded]),
        basis: bytes.pick(&[TargetBasis::AverageEntry, TargetBasis::BreakEven]),
        gap: bytes.number(Percent::from_units),
        profit: bytes.number(Percent::from_units),
        stop: bytes.number(Percent::from_units),
        headroom: bytes.number(Percent::from_units),
        multipliers: (0..bytes.u8() % 6).map(|_| bytes.number(Factor::from_units)).collect(),
    }
}

fn capabilities(bytes: &mut Bytes<'_>) -> Capabilities {
    let ways = [Reprice::AmendInPlace, Reprice::MakeBeforeBreak, Reprice::RestatePair];
    Capabilities {
        protection: bytes.pick(&[Protection::Separate, Protection::Paired]),
        stop_sizing: bytes.pick(&[StopSizing::ClosePosition, StopSizing::Quantity]),
        reprice_limit: bytes.pick(&ways),
        reprice_trigger: bytes.pick(&ways),
        protective_repeat: ProtectiveRepeat::Harmless,
        ..presets::binance().capabilities
    }
}

/// Everything that is sized and planned.
struct Wanted {
    style: TargetStyle,
    sequence: Sequence,
    margin_setup: MarginSetup,
    spec: LadderSpec,
    budget: Budget,
    mark: Price,
    instrument: Instrument,
    venue: Capabilities,
    fill_price: Price,
    filled: Qty,
}

impl Wanted {
    fn read(bytes: &mut Bytes<'_>) -> Self {
        Self {
            style: bytes.pick(&[TargetStyle::TriggerMarket, TargetStyle::Limit]),
            sequence: bytes.pick(&[Sequence::LadderFirst, Sequence::ProtectFirst]),
            margin_setup: bytes.pick(&[MarginSetup::Confirm, MarginSetup::Confirmed]),
            venue: capabilities(bytes),
            spec: spec(bytes),
            budget: Budget { margin: bytes.number(Notional::from_units), leverage_cap: bytes.u32() },
            mark: bytes.number(Price::from_units),
            instrument: instrument(bytes),
            fill_price: bytes.number(Price::from_units),
            filled: bytes.number(Qty::from_units),
        }
    }

    fn request(&self) -> SizeRequest<'_> {
        SizeRequest { instrument: &self.instrument, spec: &self.spec, budget: &self.budget, mark: self.mark }
    }

    /// A refusal says which rule, and a rung of the ladder if it is about one.
    fn refused(&self, refusal: &Refusal) {
        assert!(!refusal.message.is_empty() && !refusal.rule.word().is_empty(), "{refusal:?}");
        assert!(refusal.rung.is_none_or(|rung| rung >= 1 && rung <= self.spec.rungs), "{refusal:?}");
        assert!(refusal.smallest_fix.as_ref().is_none_or(|fix| !fix.flag.is_empty() && !fix.value.is_empty()));
        assert_eq!(draft_for(&self.request(), self.style).refused.as_ref(), Some(refusal));
    }

    /// A ladder that is accepted breaks no rule, and lives through whatever its entry gets.
    fn accepted(&self, ladder: &Ladder) {
        let verdict = check_ladder(ladder, &self.instrument, self.mark, self.style);
        assert_eq!(verdict, Ok(()), "{ladder:#?}\n{:#?}\n{:#?}", self.instrument, self.spec);
        let rebuilt = rebuild(ladder, &self.spec, &self.instrument, self.fill_price, self.filled);
        assert_eq!(rebuilt.rungs.len() + rebuilt.dropped.len(), ladder.rungs.len(), "{rebuilt:?}");
    }

    /// Every plan of this shape passes the judge, whatever was dropped.
    fn planned(&self, dropped: &[u8]) {
        let rungs = self.spec.rungs.min(MAX_RUNGS);
        let shape = Shape { rungs, sequence: self.sequence, target_style: self.style, margin_setup: self.margin_setup };
        for goal in [Goal::Open, Goal::Reprice, Goal::Close, Goal::Cancel] {
            let steps = lower(&plan(goal, &shape).without_rungs(dropped), &self.venue);
            assert_eq!(check(&steps, &self.venue), Ok(()), "{steps:#?} on {:?}", self.venue);
        }
    }
}

/// Sizes a ladder and plans its whole life.
///
/// # Panics
///
/// When a judge finds fault with what was accepted, or a refusal does not say why.
pub fn planner(data: &[u8]) {
    let wanted = Wanted::read(&mut Bytes::new(data));
    match size_for(&wanted.request(), wanted.style) {
        Err(refusal) => {
            wanted.refused(&refusal);
            wanted.planned(&[]);
        }
        Ok(ladder) => {
            wanted.accepted(&ladder);
            let dropped: Vec<u8> = ladder.dropped.iter().map(|dropped| dropped.rung).collect();
            wanted.planned(&dropped);
        }
    }
}

/// True for a seed that asks for a ladder that may be opened.
#[cfg(test)]
pub(crate) fn is_accepted(data: &[u8]) -> bool {
    let wanted = Wanted::read(&mut Bytes::new(data));
    size_for(&wanted.request(), wanted.style).is_ok()
}
