//! The same positions without messages: from one price that matters to the next.
//!
//! [`Backtest`](super::Backtest) sends every order through the engine, the journal and the simulated exchange, which is
//! what shows that nothing goes wrong on the way. Where nothing can go wrong, all that is left of a position is what the
//! planner decides — the ladder at the mark, the ladder again at the real fill, the target after every fill — and what
//! a price reaches. [`Fast`] asks the planner the same questions and looks only at bars that reach an order or a
//! liquidation; the trades, fees and results are those of the long way, which `tests/fast.rs` holds it to.

use std::ops::Range;

use kraite_core::capabilities::Protection;
use kraite_core::exchange::{Direction, MarginMode};
use kraite_core::instrument::Instrument;
use kraite_core::number::{ArithmeticError, Factor, Notional, Price, Qty};
use kraite_core::plan::TargetStyle;
use kraite_core::rounding::floor_price;
use kraite_core::sizing::{
    Ladder, Refusal, RungPlan, SizeRequest, TargetBasis, TargetRequest, break_even, rebuild, size_for, target_price,
};
use kraite_core::time::{Millis, VenueMillis};

use super::{ASK_AGAIN, Outcome, Plan};
use crate::data::{Columns, Funding, Run, TickBar};
use crate::venue::margin_share;

/// From the end of a position to the next one: what the engine needs for seeing that nothing is left.
const SETTLE: Millis = Millis::from_secs(10);

/// One trade of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deal {
    /// The open time of its bar.
    pub bar: VenueMillis,
    /// What it was of.
    pub of: Part,
    /// How much.
    pub qty: Qty,
    /// At what price.
    pub price: Price,
    /// What it cost, negative for a rebate.
    pub fee: Notional,
}

/// What of a position a trade was of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The MARKET entry.
    Entry,
    /// A rung, by its number from 1.
    Rung(u8),
    /// The take-profit.
    Target,
    /// The stop-loss.
    Stop,
    /// The exchange took it.
    Liquidation,
}

/// Hears what happens; nothing by default.
pub trait Listener {
    /// A trade.
    fn deal(&mut self, _: &Deal) {}
}

/// Hears nothing.
impl Listener for () {}

/// Keeps every trade.
impl Listener for Vec<Deal> {
    fn deal(&mut self, deal: &Deal) {
        self.push(*deal);
    }
}

/// Why a run cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FastError {
    /// A sum does not fit.
    #[error(transparent)]
    Arithmetic(#[from] ArithmeticError),
    /// An order's price is between two units of the columns.
    #[error("{0} is between two prices of the data's grid of {1}")]
    OffGrid(Price, Price),
}

/// A position that is open.
#[derive(Debug, Clone)]
struct Held {
    /// Rungs that rest, nearest last.
    rungs: Vec<RungPlan>,
    stop: Price,
    target: Price,
    qty: Qty,
    cost: Notional,
    /// Isolated margin.
    margin: Notional,
    leverage: u32,
    /// Strictly between these marks nobody liquidates it; units of the columns.
    safe: Option<(i32, i32)>,
}

/// What the next price must reach for anything to happen, in units of the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edges {
    below: i32,
    above: i32,
}

const NOTHING: Edges = Edges { below: i32::MIN, above: i32::MAX };

/// How a price came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Move {
    /// At once: what triggers trades at the new price.
    Jump,
    /// Through every price in between: what triggers on the way trades where it triggers.
    Glide,
}

/// A run in progress.
#[derive(Debug)]
pub struct Fast<'a, L = ()> {
    plan: &'a Plan,
    funding: &'a [Funding],
    listener: L,
    wallet: Notional,
    /// The grid of the columns; known with the first of them.
    unit: Price,
    held: Option<Held>,
    edges: Edges,
    last: Option<i32>,
    /// No entry before this.
    free_at: VenueMillis,
    outcome: Outcome,
    fees: Notional,
    funded: Notional,
    peak: Notional,
    /// Every bar is looked at, whether or not it reaches anything.
    every_bar: bool,
}

impl<'a, L: Listener> Fast<'a, L> {
    /// A run that has not begun, with its funding payments in order of time.
    pub fn new(plan: &'a Plan, funding: &'a [Funding], listener: L) -> Self {
        Self {
            plan,
            funding,
            listener,
            wallet: plan.wallet,
            unit: plan.instrument.tick,
            held: None,
            edges: NOTHING,
            last: None,
            free_at: VenueMillis(i64::MIN),
            outcome: Outcome::default(),
            fees: Notional::ZERO,
            funded: Notional::ZERO,
            peak: plan.wallet,
            every_bar: false,
        }
    }

    /// Looks at every bar, as one would without knowing that nothing happens in it. The results are the same.
    #[must_use]
    pub const fn every_bar(mut self) -> Self {
        self.every_bar = true;
        self
    }

    /// Plays bars that follow those before.
    ///
    /// # Errors
    ///
    /// [`FastError`]; the run cannot go on.
    pub fn play(&mut self, bars: &Columns) -> Result<(), FastError> {
        self.play_part(bars, 0..bars.len())
    }

    /// Plays some of the bars.
    ///
    /// # Errors
    ///
    /// As [`Fast::play`].
    pub fn play_part(&mut self, bars: &Columns, part: Range<usize>) -> Result<(), FastError> {
        self.unit = bars.unit();
        let Range { start: mut at, end } = part;
        let end = end.min(bars.len());
        if let Some(first) = bars.open_time(at)
            && self.outcome.bars == 0
        {
            let skipped = self.funding.iter().take_while(|payment| payment.at < first).count();
            self.funding = self.funding.get(skipped..).unwrap_or_default();
        }
        self.outcome.bars = self.outcome.bars.saturating_add(end.saturating_sub(at) as u64);
        while at < end {
            let to = self.quiet_until(bars, at, end);
            if to > at {
                self.pass(bars, at, to)?;
                at = to;
            }
            if at < end
                && let Some(bar) = bars.bar(at)
            {
                self.bar(&bar, bars.span())?;
                at = at.saturating_add(1);
            }
        }
        Ok(())
    }

    /// The wallet now: what was paid in and everything that was booked since.
    #[must_use]
    pub const fn wallet(&self) -> Notional {
        self.wallet
    }

    /// How many bars were played.
    #[must_use]
    pub const fn bars(&self) -> u64 {
        self.outcome.bars
    }

    /// What the run came to.
    pub fn finish(self) -> (Outcome, L) {
        let mut outcome = self.outcome;
        outcome.fees = self.fees;
        outcome.funding = self.funded;
        outcome.pnl = self.wallet.checked_sub(self.plan.wallet).unwrap_or_default();
        (outcome, self.listener)
    }

    /// The place of the next bar that is to be looked at, at most `end`.
    fn quiet_until(&self, bars: &Columns, at: usize, end: usize) -> usize {
        if self.every_bar {
            return at;
        }
        if self.held.is_none() {
            // Flat: nothing happens before an entry may be asked for.
            return bars.first_at(at, self.free_at).min(end);
        }
        // The bar before the first one that opens at or after a payment has it within itself, or right after it.
        let due = self.funding.first().map_or(end, |next| bars.first_at(at, next.at).saturating_sub(1).clamp(at, end));
        bars.next_crossing(at, due, self.edges.below, self.edges.above)
    }

    /// Bars in which nothing happens: only equity moves.
    fn pass(&mut self, bars: &Columns, from: usize, to: usize) -> Result<(), ArithmeticError> {
        let last = to.saturating_sub(1);
        self.last = bars.bar(last).map(|bar| bar.close);
        if let Some(held) = &self.held {
            let Run { lowest, highest, fall, rise } = bars.run(from, to);
            let (best, worst, fall) = match self.plan.spec.direction {
                Direction::Long => (highest, lowest, fall),
                Direction::Short => (lowest, highest, rise),
            };
            let (best, worst) = (self.equity(held, best)?, self.equity(held, worst)?);
            let inside = Price::from_ticks(i64::from(fall), self.unit)?.checked_mul(held.qty)?;
            self.deepen(self.peak.checked_sub(worst)?.max(inside));
            self.peak = self.peak.max(best);
        }
        Ok(())
    }

    fn deepen(&mut self, fall: Notional) {
        self.outcome.max_drawdown = self.outcome.max_drawdown.max(fall);
    }

    fn price(&self, units: i32) -> Result<Price, ArithmeticError> {
        Price::from_ticks(i64::from(units), self.unit)
    }

    /// Beyond what units can say a price is never reached.
    fn units(&self, price: Price, beyond: i32) -> Result<i32, FastError> {
        match price.to_ticks(self.unit) {
            Some(units) => Ok(i32::try_from(units).unwrap_or(beyond)),
            None => Err(FastError::OffGrid(price, self.unit)),
        }
    }

    fn equity(&self, held: &Held, mark: i32) -> Result<Notional, ArithmeticError> {
        self.wallet.checked_add(self.unrealised(held, self.price(mark)?)?)
    }

    fn unrealised(&self, held: &Held, mark: Price) -> Result<Notional, ArithmeticError> {
        let worth = mark.checked_mul(held.qty)?;
        match self.plan.spec.direction {
            Direction::Long => worth.checked_sub(held.cost),
            Direction::Short => held.cost.checked_sub(worth),
        }
    }

    /// One bar: open, worst, best, close.
    fn bar(&mut self, bar: &TickBar, span: Millis) -> Result<(), FastError> {
        let (worst, best) = match self.plan.spec.direction {
            Direction::Long => (bar.low, bar.high),
            Direction::Short => (bar.high, bar.low),
        };
        let path = [(bar.open, Move::Jump), (worst, Move::Jump), (best, Move::Glide), (bar.close, Move::Glide)];
        for (place, (price, how)) in (0i64..).zip(path) {
            let at = bar.open_time.plus(Millis(span.0 * place / 4));
            self.pay_funding(at)?;
            self.reach(bar, at, price, how)?;
            if place == 0 {
                self.enter(bar, at)?;
            }
        }
        let equity = match &self.held {
            Some(held) => self.equity(held, bar.close)?,
            None => self.wallet,
        };
        self.peak = self.peak.max(equity);
        self.deepen(self.peak.checked_sub(equity)?);
        Ok(())
    }

    fn pay_funding(&mut self, at: VenueMillis) -> Result<(), FastError> {
        while let Some((next, rest)) = self.funding.split_first().filter(|(next, _)| next.at <= at) {
            self.funding = rest;
            let (Some(held), Some(mark)) = (&mut self.held, self.last) else { continue };
            let mark = Price::from_ticks(i64::from(mark), self.unit)?;
            let size = mark.checked_mul(held.qty)?.scaled_by(next.rate)?;
            let amount = if self.plan.spec.direction == Direction::Long { size.negated() } else { size };
            if self.plan.margin_mode == MarginMode::Isolated {
                held.margin = held.margin.checked_add(amount)?;
            }
            held.safe = None;
            self.funded = self.funded.checked_add(amount)?;
            self.wallet = self.wallet.checked_add(amount)?;
        }
        Ok(())
    }

    /// The price goes to this, and everything happens that it reaches.
    fn reach(&mut self, bar: &TickBar, at: VenueMillis, price: i32, how: Move) -> Result<(), FastError> {
        let was = self.last.replace(price).unwrap_or(price);
        if self.held.is_none() {
            return Ok(());
        }
        let reaches = price <= self.edges.below || price >= self.edges.above;
        if !reaches && self.held.as_ref().is_some_and(|held| held.safe.is_some()) {
            return Ok(());
        }
        let (was, price) = (self.price(was)?, self.price(price)?);
        let long = self.plan.spec.direction == Direction::Long;
        let met = |order: Price| if long { price <= order } else { price >= order };
        let mut fills = false;
        // Against the position: rungs, then the stop behind them.
        while let Some(rung) = self.held.as_ref().and_then(|held| held.rungs.last().copied()).filter(|r| met(r.price)) {
            if self.liquidates(bar, at, rung.price.clamp(was.min(price), was.max(price)))? {
                return Ok(());
            }
            self.add(bar, Part::Rung(rung.rung), rung.price, rung.qty, self.plan.instrument.maker_fee)?;
            if let Some(held) = &mut self.held {
                held.rungs.pop();
            }
            self.outcome.rungs_filled = self.outcome.rungs_filled.saturating_add(1);
            fills = true;
        }
        let Some(held) = &self.held else { return Ok(()) };
        let (stop, target) = (held.stop, held.target);
        if met(stop) {
            let here = stop.clamp(was.min(price), was.max(price));
            if self.liquidates(bar, at, here)? {
                return Ok(());
            }
            let last = if how == Move::Glide { here } else { price };
            self.outcome.stops = self.outcome.stops.saturating_add(1);
            return self.leave(bar, at, Part::Stop, last, self.plan.instrument.taker_fee);
        }
        let gained = if long { price >= target } else { price <= target };
        if gained {
            let here = target.clamp(was.min(price), was.max(price));
            let (last, fee) = match self.rests_as() {
                TargetStyle::Limit => (target, self.plan.instrument.maker_fee),
                TargetStyle::TriggerMarket if how == Move::Glide => (here, self.plan.instrument.taker_fee),
                TargetStyle::TriggerMarket => (price, self.plan.instrument.taker_fee),
            };
            self.outcome.targets = self.outcome.targets.saturating_add(1);
            return self.leave(bar, at, Part::Target, last, fee);
        }
        if self.liquidates(bar, at, price)? {
            return Ok(());
        }
        if fills {
            self.follow()?;
        }
        self.watch(price)
    }

    /// Opens the next position, if none is open and the planner takes the price.
    fn enter(&mut self, bar: &TickBar, at: VenueMillis) -> Result<(), FastError> {
        if self.held.is_some() || at < self.free_at {
            return Ok(());
        }
        let Plan { instrument, spec, budget, target_style, .. } = self.plan;
        let mark = self.price(bar.open)?;
        let ladder = match size_for(&SizeRequest { instrument, spec, budget, mark }, *target_style) {
            Ok(ladder) => ladder,
            Err(refusal) => {
                self.refuse(at, refusal);
                return Ok(());
            }
        };
        let Ladder { entry, leverage, .. } = &ladder;
        let entry_margin = margin_share(mark.checked_mul(entry.qty)?, *leverage)?;
        if entry_margin > self.wallet {
            // The exchange refuses the entry, and the opening is given up.
            self.outcome.positions_cancelled = self.outcome.positions_cancelled.saturating_add(1);
            self.free_at = at.plus(SETTLE);
            return Ok(());
        }
        let rebuilt = rebuild(&ladder, spec, instrument, mark, entry.qty);
        let fee = mark.checked_mul(entry.qty)?.scaled_by(instrument.taker_fee)?;
        let mut free = self.wallet.checked_sub(fee)?.checked_sub(entry_margin)?;
        // A rung that the wallet does not carry is refused and left out.
        let mut rungs = Vec::with_capacity(rebuilt.rungs.len());
        for rung in rebuilt.rungs {
            let needed = margin_share(rung.price.checked_mul(rung.qty)?, *leverage)?;
            if needed <= free {
                free = free.checked_sub(needed)?;
                rungs.push(rung);
            }
        }
        rungs.reverse();
        self.held = Some(Held {
            rungs,
            stop: rebuilt.stop,
            target: ladder.target,
            qty: Qty::ZERO,
            cost: Notional::ZERO,
            margin: Notional::ZERO,
            leverage: *leverage,
            safe: None,
        });
        self.add(bar, Part::Entry, mark, entry.qty, instrument.taker_fee)?;
        self.outcome.positions_opened = self.outcome.positions_opened.saturating_add(1);
        self.follow()?;
        self.watch(mark)
    }

    fn refuse(&mut self, at: VenueMillis, refusal: Refusal) {
        self.outcome.refused = self.outcome.refused.saturating_add(1);
        self.outcome.first_refusal.get_or_insert((at, refusal));
        self.free_at = at.plus(ASK_AGAIN);
    }

    /// More of the position.
    fn add(&mut self, bar: &TickBar, of: Part, price: Price, qty: Qty, rate: Factor) -> Result<(), FastError> {
        let worth = price.checked_mul(qty)?;
        let fee = worth.scaled_by(rate)?;
        if let Some(held) = &mut self.held {
            held.qty = held.qty.checked_add(qty)?;
            held.cost = held.cost.checked_add(worth)?;
            if self.plan.margin_mode == MarginMode::Isolated {
                held.margin = held.margin.checked_add(margin_share(worth, held.leverage)?)?;
            }
            held.safe = None;
        }
        self.pay(fee)?;
        self.listener.deal(&Deal { bar: bar.open_time, of, qty, price, fee });
        Ok(())
    }

    fn pay(&mut self, fee: Notional) -> Result<(), ArithmeticError> {
        self.fees = self.fees.checked_add(fee)?;
        self.wallet = self.wallet.checked_sub(fee)?;
        Ok(())
    }

    /// All of the position, at once.
    fn leave(&mut self, bar: &TickBar, at: VenueMillis, of: Part, price: Price, rate: Factor) -> Result<(), FastError> {
        let Some(held) = self.held.take() else { return Ok(()) };
        let fee = price.checked_mul(held.qty)?.scaled_by(rate)?;
        self.settle(bar, at, of, price, &held, fee)
    }

    fn settle(
        &mut self,
        bar: &TickBar,
        at: VenueMillis,
        of: Part,
        price: Price,
        held: &Held,
        fee: Notional,
    ) -> Result<(), FastError> {
        self.wallet = self.wallet.checked_add(self.unrealised(held, price)?)?;
        self.pay(fee)?;
        self.listener.deal(&Deal { bar: bar.open_time, of, qty: held.qty, price, fee });
        self.held = None;
        self.edges = NOTHING;
        self.free_at = at.plus(SETTLE);
        self.outcome.positions_closed = self.outcome.positions_closed.saturating_add(1);
        Ok(())
    }

    /// The target of these fills.
    fn follow(&mut self) -> Result<(), FastError> {
        let Plan { instrument, spec, .. } = self.plan;
        let Some(held) = &mut self.held else { return Ok(()) };
        let average = held.cost.checked_div_qty(held.qty)?;
        let break_even = break_even(spec.direction, average, instrument.taker_fee, instrument.taker_fee)?;
        let basis = match spec.basis {
            TargetBasis::AverageEntry => average,
            TargetBasis::BreakEven => break_even,
        };
        let wish =
            TargetRequest { direction: spec.direction, basis, break_even, profit: spec.profit, instrument, mark: None };
        if let Ok(price) = target_price(&wish) {
            held.target = price;
        }
        Ok(())
    }

    /// How the target rests: a pair of protective orders is triggered, whatever was asked for.
    fn rests_as(&self) -> TargetStyle {
        match self.plan.profile.capabilities.protection {
            Protection::Paired => TargetStyle::TriggerMarket,
            Protection::Separate => self.plan.target_style,
        }
    }

    /// What is above the maintenance margin at this mark.
    fn excess(&self, held: &Held, mark: Price) -> Result<Notional, ArithmeticError> {
        let instrument: &Instrument = &self.plan.instrument;
        let needed = instrument.maintenance_margin(mark.checked_mul(held.qty)?)?;
        let backing = match self.plan.margin_mode {
            MarginMode::Isolated => held.margin,
            MarginMode::Cross => self.wallet,
        };
        backing.checked_add(self.unrealised(held, mark)?)?.checked_sub(needed)
    }

    /// Takes the position where it has too little margin at this mark; says whether it did.
    fn liquidates(&mut self, bar: &TickBar, at: VenueMillis, mark: Price) -> Result<bool, FastError> {
        let Some(held) = &self.held else { return Ok(true) };
        if self.excess(held, mark)?.is_positive() {
            return Ok(false);
        }
        let Some(held) = self.held.take() else { return Ok(true) };
        let backing = match self.plan.margin_mode {
            MarginMode::Isolated => held.margin,
            MarginMode::Cross => self.wallet,
        };
        let left = backing.checked_add(self.unrealised(&held, mark)?)?;
        let rate = self.plan.profile.quirks.liquidation_fee;
        let fee = mark.checked_mul(held.qty)?.scaled_by(rate)?.min(left.max(Notional::ZERO));
        self.outcome.liquidations = self.outcome.liquidations.saturating_add(1);
        self.outcome.other_closes = self.outcome.other_closes.saturating_add(1);
        self.settle(bar, at, Part::Liquidation, mark, &held, fee)?;
        if left.is_negative() {
            self.wallet = self.wallet.checked_sub(left)?;
        }
        Ok(true)
    }

    /// Works out which prices matter next.
    fn watch(&mut self, mark: Price) -> Result<(), FastError> {
        let Some(held) = &self.held else { return Ok(()) };
        let long = self.plan.spec.direction == Direction::Long;
        let rung = held.rungs.last().map_or(held.stop, |rung| rung.price);
        let nearest = if long { rung.max(held.stop) } else { rung.min(held.stop) };
        let (below, above) = if long { (nearest, held.target) } else { (held.target, nearest) };
        let (below, above) = (self.units(below, i32::MIN)?, self.units(above, i32::MAX)?);
        // A long loses what it has above its margin within excess / qty; for a short the margin rises on the way, by
        // less than the loss itself.
        let excess = self.excess(held, mark)?;
        let steps = |room: Price| -> Result<i32, FastError> { self.units(floor_price(room, self.unit)?, i32::MAX) };
        let here = self.units(mark, i32::MAX)?;
        let safe = if long {
            let room = steps(excess.checked_div_qty(held.qty)?)?;
            (here.saturating_sub(room), i32::MAX)
        } else {
            let room = steps(excess.checked_div_qty(held.qty.checked_add(held.qty)?)?)?;
            (i32::MIN, here.saturating_add(room))
        };
        self.edges = Edges { below: below.max(safe.0), above: above.min(safe.1) };
        if let Some(held) = &mut self.held {
            held.safe = Some(safe);
        }
        Ok(())
    }
}
