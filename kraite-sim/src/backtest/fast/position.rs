//! A position that is open, and which prices matter to it.

use kraite_core::exchange::{Direction, MarginMode, TriggerBy};
use kraite_core::number::{ArithmeticError, Notional, Price, Qty};
use kraite_core::plan::TargetStyle;
use kraite_core::rounding::floor_price;
use kraite_core::sizing::RungPlan;

use super::{FastError, Plan};
use crate::venue::margin_share;

/// What the next price must reach for anything to happen, in units of the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edges {
    pub(super) below: i32,
    pub(super) above: i32,
}

const NOTHING: Edges = Edges { below: i32::MIN, above: i32::MAX };

impl Edges {
    /// True where neither is reached.
    pub(super) const fn hold(self, price: i32) -> bool {
        price > self.below && price < self.above
    }

    /// Whichever is nearer.
    pub(super) fn or(self, other: Self) -> Self {
        Self { below: self.below.max(other.below), above: self.above.min(other.above) }
    }
}

/// What the last price and what the mark price must reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Watched {
    pub(super) last: Edges,
    pub(super) mark: Edges,
}

impl Watched {
    pub(super) const NOTHING: Self = Self { last: NOTHING, mark: NOTHING };
}

/// Which orders of a position are at the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) rungs: bool,
    pub(super) stop: bool,
    pub(super) target: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Held {
    /// Rungs that rest, nearest last.
    pub(super) rungs: Vec<RungPlan>,
    pub(super) stop: Price,
    pub(super) target: Price,
    pub(super) live: Live,
    pub(super) qty: Qty,
    cost: Notional,
    /// Isolated margin.
    margin: Notional,
    leverage: u32,
    /// Strictly between these marks nobody liquidates it; units of the columns.
    pub(super) safe: Option<(i32, i32)>,
}

impl Held {
    /// Nothing yet, of this ladder.
    pub(super) const fn new(rungs: Vec<RungPlan>, stop: Price, target: Price, leverage: u32) -> Self {
        Self {
            rungs,
            stop,
            target,
            live: Live { rungs: true, stop: true, target: true },
            qty: Qty::ZERO,
            cost: Notional::ZERO,
            margin: Notional::ZERO,
            leverage,
            safe: None,
        }
    }

    pub(super) fn next_rung(&self) -> Option<RungPlan> {
        self.rungs.last().copied().filter(|_| self.live.rungs)
    }

    pub(super) fn live_stop(&self) -> Option<Price> {
        self.live.stop.then_some(self.stop)
    }

    pub(super) fn live_target(&self) -> Option<Price> {
        self.live.target.then_some(self.target)
    }

    pub(super) fn add(&mut self, qty: Qty, worth: Notional, mode: MarginMode) -> Result<(), ArithmeticError> {
        self.qty = self.qty.checked_add(qty)?;
        self.cost = self.cost.checked_add(worth)?;
        if mode == MarginMode::Isolated {
            self.margin = self.margin.checked_add(margin_share(worth, self.leverage)?)?;
        }
        self.safe = None;
        Ok(())
    }

    pub(super) fn funded(&mut self, amount: Notional, mode: MarginMode) -> Result<(), ArithmeticError> {
        if mode == MarginMode::Isolated {
            self.margin = self.margin.checked_add(amount)?;
        }
        self.safe = None;
        Ok(())
    }

    pub(super) fn average(&self) -> Result<Price, ArithmeticError> {
        self.cost.checked_div_qty(self.qty)
    }

    pub(super) fn unrealised(&self, direction: Direction, mark: Price) -> Result<Notional, ArithmeticError> {
        let worth = mark.checked_mul(self.qty)?;
        match direction {
            Direction::Long => worth.checked_sub(self.cost),
            Direction::Short => self.cost.checked_sub(worth),
        }
    }

    /// What of the wallet is spoken for by it and by the rungs that rest.
    pub(super) fn margin_in_use(&self) -> Result<Notional, ArithmeticError> {
        let rungs = self.rungs.iter().map(|rung| margin_share(rung.price.checked_mul(rung.qty)?, self.leverage));
        rungs.chain([margin_share(self.cost, self.leverage)]).try_fold(Notional::ZERO, |sum, one| sum.checked_add(one?))
    }

    /// What stands behind it.
    pub(super) fn backing(&self, mode: MarginMode, wallet: Notional) -> Notional {
        match mode {
            MarginMode::Isolated => self.margin,
            MarginMode::Cross => wallet,
        }
    }

    /// What is above the maintenance margin at this mark.
    pub(super) fn excess(&self, plan: &Plan, wallet: Notional, mark: Price) -> Result<Notional, ArithmeticError> {
        let needed = plan.instrument.maintenance_margin(mark.checked_mul(self.qty)?)?;
        let unrealised = self.unrealised(plan.spec.direction, mark)?;
        self.backing(plan.margin_mode, wallet).checked_add(unrealised)?.checked_sub(needed)
    }

    /// Which prices matter next, seen from this mark; remembers between which nobody liquidates it.
    pub(super) fn edges(
        &mut self,
        plan: &Plan,
        style: TargetStyle,
        wallet: Notional,
        mark: Price,
        unit: Price,
    ) -> Result<Watched, FastError> {
        let long = plan.spec.direction == Direction::Long;
        let (against, gain) = if long { (i32::MIN, i32::MAX) } else { (i32::MAX, i32::MIN) };
        let edge = |order: Option<Price>, beyond: i32| order.map_or(Ok(beyond), |order| units(order, unit, beyond));
        let rung = edge(self.next_rung().map(|rung| rung.price), against)?;
        let (stop, target) = (edge(self.live_stop(), against)?, edge(self.live_target(), gain)?);
        let between = |worse: i32, better: i32| {
            if long { Edges { below: worse, above: better } } else { Edges { below: better, above: worse } }
        };
        // What is triggered watches what the plan says, what is limited rests at the last price.
        let triggered = between(stop, if style == TargetStyle::Limit { gain } else { target });
        let resting = between(rung, if style == TargetStyle::Limit { target } else { gain });
        // A long loses what it has above its margin within excess / qty; for a short the margin rises on the way, by
        // less than the loss itself.
        let excess = self.excess(plan, wallet, mark)?;
        let steps = |room: Price| units(floor_price(room, unit)?, unit, i32::MAX);
        let here = units(mark, unit, i32::MAX)?;
        let safe = if long {
            let room = steps(excess.checked_div_qty(self.qty)?)?;
            (here.saturating_sub(room), i32::MAX)
        } else {
            let room = steps(excess.checked_div_qty(self.qty.checked_add(self.qty)?)?)?;
            (i32::MIN, here.saturating_add(room))
        };
        self.safe = Some(safe);
        let safe = Edges { below: safe.0, above: safe.1 };
        Ok(match plan.stop_by {
            TriggerBy::Mark => Watched { last: resting, mark: triggered.or(safe) },
            TriggerBy::Last => Watched { last: resting.or(triggered), mark: safe },
        })
    }
}

/// Beyond what units can say a price is never reached.
fn units(price: Price, unit: Price, beyond: i32) -> Result<i32, FastError> {
    match price.to_ticks(unit) {
        Some(units) => Ok(i32::try_from(units).unwrap_or(beyond)),
        None => Err(FastError::OffGrid(price, unit)),
    }
}
