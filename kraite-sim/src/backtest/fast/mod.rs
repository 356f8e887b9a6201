//! The same positions without messages: from one price that matters to the next.
//!
//! [`Backtest`](super::Backtest) sends every order through the engine, the journal and the simulated exchange, which is
//! what shows that nothing goes wrong on the way. Where nothing can go wrong, all that is left of a position is what the
//! planner decides — the ladder at the mark, the ladder again at the real fill, the target after every fill — and what
//! a price reaches. [`Fast`] asks the planner the same questions and looks only at prices that reach an order or a
//! liquidation; the trades, fees and results are those of the long way, which `tests/fast.rs` holds it to.
//!
//! It plays bars ([`Fast::play`]), in which every order is at the exchange before the price moves on, or trades
//! ([`Fast::play_trades`]), where each order is there only once its message has arrived.

mod portfolio;
mod position;
mod trades;

use std::ops::Range;

use kraite_core::capabilities::Protection;
use kraite_core::exchange::{Direction, MarginMode, TriggerBy};
use kraite_core::instrument::Instrument;
use kraite_core::number::{ArithmeticError, Factor, Notional, Price, Qty};
use kraite_core::plan::TargetStyle;
use kraite_core::sizing::{Ladder, Refusal, SizeRequest, TargetRequest, rebuild, size_for, target_price};
use kraite_core::time::{Millis, VenueMillis};

pub use self::portfolio::{Portfolio, Sum};
use self::position::{Edges, Held, Watched};
use self::trades::Dues;
use super::signal::{Signal, WhenFlat};
use super::{ASK_AGAIN, Outcome, Plan};
use crate::data::{Columns, Funding, Run, TickBar};
use crate::venue::{margin_share, taker_price};

/// From the end of a position to the next one: what the engine needs for seeing that nothing is left.
const SETTLE: Millis = Millis::from_secs(10);

/// One trade of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deal {
    /// The open time of its bar; where trades are played, when it was.
    pub at: VenueMillis,
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
    /// A MARKET order of ours that closes; only messages have it.
    Close,
}

impl Part {
    /// True for what ends the position.
    #[must_use]
    pub const fn ends(self) -> bool {
        matches!(self, Self::Target | Self::Stop | Self::Liquidation | Self::Close)
    }
}

/// What a position begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening<'a> {
    /// The open time of its bar; where trades are played, when the entry executed.
    pub at: VenueMillis,
    /// The rungs that rest, the first one first: price and quantity.
    pub rungs: &'a [(Price, Qty)],
    /// Where the stop triggers.
    pub stop: Price,
    /// The first target.
    pub target: Price,
    /// The leverage.
    pub leverage: u32,
}

/// Hears what happens; nothing by default.
pub trait Listener {
    /// A position begins; its entry is the next trade.
    fn opened(&mut self, _: &Opening<'_>) {}
    /// A trade.
    fn deal(&mut self, _: &Deal) {}
    /// The target is moved there.
    fn retargeted(&mut self, _: VenueMillis, _: Price) {}
    /// A funding payment, negative where it was paid.
    fn funded(&mut self, _: VenueMillis, _: Notional) {}
    /// How often the equity is wanted; not at all by default.
    fn equity_each(&self) -> Option<Millis> {
        None
    }
    /// The equity after the first price at or behind each such step of time, with that price.
    fn equity(&mut self, _: VenueMillis, _: Notional, _: Price) {}
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

/// How a price came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Move {
    /// At once: what triggers trades at the new price.
    Jump,
    /// Through every price in between: what triggers on the way trades where it triggers.
    Glide,
}

/// Where the prices of a contract are, in units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Prices {
    last: i32,
    mark: i32,
}

impl Prices {
    /// What triggers of this kind watch.
    const fn watched(self, by: TriggerBy) -> i32 {
        match by {
            TriggerBy::Mark => self.mark,
            TriggerBy::Last => self.last,
        }
    }
}

/// A run in progress.
#[derive(Debug)]
pub struct Fast<'a, L = ()> {
    plan: &'a Plan,
    funding: &'a [Funding],
    signal: Box<dyn Signal + 'a>,
    listener: L,
    wallet: Notional,
    /// The grid of the columns; known with the first of them.
    unit: Price,
    held: Option<Held>,
    /// What is on its way, where trades are played.
    dues: Dues,
    watched: Watched,
    last: Option<i32>,
    mark: Option<i32>,
    /// What a trade is told with.
    stamp: VenueMillis,
    /// No entry before this.
    free_at: VenueMillis,
    /// The next entry; never for the last instant of all.
    enter_at: VenueMillis,
    /// When the equity is wanted next.
    sample_at: VenueMillis,
    outcome: Outcome,
    fees: Notional,
    funded: Notional,
    peak: Notional,
    /// Every price is looked at, whether or not it reaches anything.
    every_bar: bool,
    /// Trades are played, and messages take their time.
    by_trades: bool,
    /// What other contracts of the account add to what stands behind a cross position, or take from it.
    others: Notional,
    /// What of the wallet is spoken for by other contracts.
    committed: Notional,
    /// No entry, for there is no room.
    barred: bool,
}

const NEVER: VenueMillis = VenueMillis(i64::MAX);

/// Whether the exchange lets a position and its orders be worth so much at this leverage.
fn takes(instrument: &Instrument, total: Notional, leverage: u32) -> bool {
    instrument.bracket_of(total).is_none_or(|b| b.max_leverage >= leverage && total < b.notional_cap)
}

impl<'a, L: Listener> Fast<'a, L> {
    /// A run that has not begun, with its funding payments in order of time.
    pub fn new(plan: &'a Plan, funding: &'a [Funding], listener: L) -> Self {
        let begin = VenueMillis(i64::MIN);
        Self {
            plan,
            funding,
            signal: Box::new(WhenFlat),
            wallet: plan.wallet,
            unit: plan.instrument.tick,
            held: None,
            dues: Dues::default(),
            watched: Watched::NOTHING,
            last: None,
            mark: None,
            stamp: begin,
            free_at: begin,
            enter_at: begin,
            sample_at: if listener.equity_each().is_some() { begin } else { NEVER },
            listener,
            outcome: Outcome::default(),
            fees: Notional::ZERO,
            funded: Notional::ZERO,
            peak: plan.wallet,
            every_bar: false,
            by_trades: false,
            others: Notional::ZERO,
            committed: Notional::ZERO,
            barred: false,
        }
    }

    /// Enters where this says so, and not whenever nothing is open.
    #[must_use]
    pub fn entering(mut self, signal: impl Signal + 'a) -> Self {
        self.signal = Box::new(signal);
        self
    }

    /// Looks at every bar or trade, as one would without knowing that nothing happens in it. The results are the same.
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
        let Range { start: mut at, end } = part;
        let end = end.min(bars.len());
        let Some(first) = bars.open_time(at).filter(|_| at < end) else { return Ok(()) };
        self.begin(bars.unit(), first, end.saturating_sub(at));
        self.signal.bars(bars, at..end);
        self.when_next();
        while at < end {
            let to = self.quiet_until(bars, at, end);
            if to > at {
                self.pass(bars.closes(at, to), bars.mark_closes(at, to))?;
                at = to;
            }
            if at < end
                && let Some((bar, mark)) = bars.bar(at).zip(bars.mark(at))
            {
                self.bar(&bar, &mark, bars.span())?;
                at = at.saturating_add(1);
            }
        }
        Ok(())
    }

    /// More prices follow.
    fn begin(&mut self, unit: Price, first: VenueMillis, more: usize) {
        self.unit = unit;
        if self.outcome.bars == 0 {
            let skipped = self.funding.iter().take_while(|payment| payment.at < first).count();
            self.funding = self.funding.get(skipped..).unwrap_or_default();
            // What a signal wanted before the first price nobody could have had.
            self.free_at = self.free_at.max(first);
        }
        self.outcome.bars = self.outcome.bars.saturating_add(more as u64);
    }

    /// Asks for the next entry.
    fn when_next(&mut self) {
        self.enter_at = self.signal.next(self.free_at).unwrap_or(NEVER).max(self.free_at);
    }

    /// No entry before this.
    fn free(&mut self, at: VenueMillis) {
        self.free_at = at;
        self.when_next();
    }

    /// The wallet now: what was paid in and everything that was booked since.
    #[must_use]
    pub const fn wallet(&self) -> Notional {
        self.wallet
    }

    /// How many bars or trades were played.
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
            return bars.first_at(at, self.enter_at.min(self.sample_at)).min(end);
        }
        // The bar before the first one that opens at or after a payment has it within itself, or right after it.
        let due = self.funding.first().map_or(end, |next| bars.first_at(at, next.at).saturating_sub(1).clamp(at, end));
        let due = if self.sample_at == NEVER { due } else { due.min(bars.first_at(at, self.sample_at)) };
        let Watched { last, mark } = self.watched;
        if !bars.has_marks() {
            let Edges { below, above } = last.or(mark);
            return bars.next_crossing(at, due, below, above);
        }
        let due = bars.next_crossing(at, due, last.below, last.above);
        bars.next_mark_crossing(at, due, mark.below, mark.above)
    }

    /// Prices that nothing happens at: only equity moves.
    fn pass(&mut self, last: &[i32], marks: &[i32]) -> Result<(), ArithmeticError> {
        self.last = last.last().copied().or(self.last);
        self.mark = marks.last().copied().or(self.mark);
        if let Some(held) = &self.held {
            let Run { lowest, highest, fall, rise } = Run::of(marks);
            let (best, worst, fall) = match self.plan.spec.direction {
                Direction::Long => (highest, lowest, fall),
                Direction::Short => (lowest, highest, rise),
            };
            let (best, worst) = (self.equity_of(held, best)?, self.equity_of(held, worst)?);
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

    fn equity_of(&self, held: &Held, mark: i32) -> Result<Notional, ArithmeticError> {
        self.wallet.checked_add(held.unrealised(self.plan.spec.direction, self.price(mark)?)?)
    }

    /// One bar: open, best, worst, close; worst before best where both would end the position.
    fn bar(&mut self, bar: &TickBar, mark: &TickBar, span: Millis) -> Result<(), FastError> {
        self.stamp = bar.open_time;
        let both = |of: fn(&TickBar) -> i32| Prices { last: of(bar), mark: of(mark) };
        let (low, high) = (both(|bar| bar.low), both(|bar| bar.high));
        let (worst, best) = match self.plan.spec.direction {
            Direction::Long => (low, high),
            Direction::Short => (high, low),
        };
        let (open, close) = (both(|bar| bar.open), both(|bar| bar.close));
        let mut path = [(open, Move::Jump), (best, Move::Glide), (worst, Move::Jump), (close, Move::Glide)];
        for place in 0i64..4 {
            if place == 1 && self.ends_either_way(best, worst)? {
                path.swap(1, 2);
            }
            let Some((price, how)) = path.get(usize::try_from(place).unwrap_or_default()).copied() else { break };
            let at = bar.open_time.plus(Millis(span.0 * place / 4));
            self.pay_funding(at)?;
            self.reach(at, price, how)?;
            if place == 0 && self.held.is_none() && !self.barred && at >= self.enter_at {
                let (last, mark) = (self.price(price.last)?, self.price(price.mark)?);
                if let Some(ladder) = self.sized(at, mark) {
                    self.enter(at, last, mark, &ladder)?;
                }
            }
        }
        self.mark_equity(bar.open_time, close)
    }

    /// Whether one price reaches the target and the other the stop or a liquidation: which came first a bar does not say.
    fn ends_either_way(&self, best: Prices, worst: Prices) -> Result<bool, FastError> {
        let Some(held) = &self.held else { return Ok(false) };
        let long = self.plan.spec.direction == Direction::Long;
        let watched = |prices: Prices| self.price(prices.watched(self.plan.stop_by));
        let won_at = if self.rests_as() == TargetStyle::Limit { self.price(best.last)? } else { watched(best)? };
        if !held.live_target().is_some_and(|target| if long { won_at >= target } else { won_at <= target }) {
            return Ok(false);
        }
        let lost_at = watched(worst)?;
        if held.live_stop().is_some_and(|stop| if long { lost_at <= stop } else { lost_at >= stop }) {
            return Ok(true);
        }
        let (was, last, worst) =
            (self.price(self.mark.unwrap_or(worst.mark))?, self.price(worst.last)?, self.price(worst.mark)?);
        let loses = |order: Price| if long { last <= order } else { last >= order };
        let (mut held, mut standing) = (held.clone(), self.wallet.checked_add(self.others)?);
        while let Some(rung) = held.next_rung().filter(|rung| loses(rung.price)) {
            let mark = rung.price.clamp(was.min(worst), was.max(worst));
            if !held.excess(self.plan, standing, mark)?.is_positive() {
                return Ok(true);
            }
            let worth = rung.price.checked_mul(rung.qty)?;
            held.add(rung.qty, worth, self.plan.margin_mode)?;
            held.rungs.pop();
            standing = standing.checked_sub(worth.scaled_by(self.plan.instrument.maker_fee)?)?;
        }
        Ok(!held.excess(self.plan, standing, worst)?.is_positive())
    }

    /// The equity at this price, for the drawdown and for who wants to see it.
    fn mark_equity(&mut self, at: VenueMillis, price: Prices) -> Result<(), FastError> {
        let equity = match &self.held {
            Some(held) => self.equity_of(held, price.mark)?,
            None => self.wallet,
        };
        self.peak = self.peak.max(equity);
        self.deepen(self.peak.checked_sub(equity)?);
        if at >= self.sample_at {
            let each = self.listener.equity_each().map_or(1, |each| each.0.max(1));
            self.sample_at = VenueMillis(at.0.div_euclid(each).saturating_add(1).saturating_mul(each));
            let price = self.price(price.last)?;
            self.listener.equity(at, equity, price);
        }
        Ok(())
    }

    fn pay_funding(&mut self, at: VenueMillis) -> Result<(), FastError> {
        while let Some((next, rest)) = self.funding.split_first().filter(|(next, _)| next.at <= at) {
            self.funding = rest;
            self.arrive(next.at)?;
            let (Some(held), Some(mark)) = (&mut self.held, self.mark) else { continue };
            let mark = Price::from_ticks(i64::from(mark), self.unit)?;
            let size = mark.checked_mul(held.qty)?.scaled_by(next.rate)?;
            let amount = if self.plan.spec.direction == Direction::Long { size.negated() } else { size };
            held.funded(amount, self.plan.margin_mode)?;
            self.funded = self.funded.checked_add(amount)?;
            self.wallet = self.wallet.checked_add(amount)?;
            self.listener.funded(next.at, amount);
        }
        Ok(())
    }

    /// The prices go to these, and everything happens that they reach.
    fn reach(&mut self, at: VenueMillis, to: Prices, how: Move) -> Result<(), FastError> {
        let was_last = self.last.replace(to.last).unwrap_or(to.last);
        let was_mark = self.mark.replace(to.mark).unwrap_or(to.mark);
        let Some(held) = &self.held else { return Ok(()) };
        if self.watched.last.hold(to.last) && self.watched.mark.hold(to.mark) && held.safe.is_some() {
            return Ok(());
        }
        let (was_last, was_mark) = (self.price(was_last)?, self.price(was_mark)?);
        let (last, mark) = (self.price(to.last)?, self.price(to.mark)?);
        let watched = match self.plan.stop_by {
            TriggerBy::Mark => mark,
            TriggerBy::Last => last,
        };
        let long = self.plan.spec.direction == Direction::Long;
        let met = |price: Price, order: Price| if long { price <= order } else { price >= order };
        let won = |price: Price, target: Price| if long { price >= target } else { price <= target };
        let last_on_path = |order: Price| order.clamp(was_last.min(last), was_last.max(last));
        let mark_on_path = |order: Price| order.clamp(was_mark.min(mark), was_mark.max(mark));
        let mut fills = false;
        // Against the position: rungs, then the stop behind them.
        while let Some(rung) = self.held.as_ref().and_then(Held::next_rung).filter(|rung| met(last, rung.price)) {
            if self.liquidates(at, mark_on_path(rung.price))? {
                return Ok(());
            }
            self.add(Part::Rung(rung.rung), rung.price, rung.qty, self.plan.instrument.maker_fee)?;
            self.rung_filled();
            fills = true;
        }
        let Some(held) = &self.held else { return Ok(()) };
        let (stop, target) = (held.live_stop(), held.live_target());
        if let Some(stop) = stop.filter(|stop| met(watched, *stop)) {
            if self.liquidates(at, mark_on_path(stop))? {
                return Ok(());
            }
            return self.stop_out(at, if how == Move::Glide { last_on_path(stop) } else { last });
        }
        if self.rests_as() == TargetStyle::Limit {
            if let Some(target) = target.filter(|target| won(last, *target)) {
                return self.take_profit(at, target, self.plan.instrument.maker_fee);
            }
        } else if let Some(target) = target.filter(|target| won(watched, *target)) {
            let here = if how == Move::Glide { last_on_path(target) } else { last };
            return self.take_profit(at, self.taken_at(here, false)?, self.plan.instrument.taker_fee);
        }
        if self.liquidates(at, mark)? {
            return Ok(());
        }
        if fills {
            self.follow(at)?;
        }
        self.watch(mark)
    }

    /// What a MARKET order gets where the price is this.
    fn taken_at(&self, last: Price, adds: bool) -> Result<Price, ArithmeticError> {
        let direction = self.plan.spec.direction;
        let side = if adds { direction.opening_side() } else { direction.closing_side() };
        taker_price(last, side, self.plan.slippage, self.plan.instrument.tick)
    }

    fn stop_out(&mut self, at: VenueMillis, last: Price) -> Result<(), FastError> {
        self.outcome.stops = self.outcome.stops.saturating_add(1);
        self.leave(at, Part::Stop, self.taken_at(last, false)?, self.plan.instrument.taker_fee)
    }

    fn take_profit(&mut self, at: VenueMillis, price: Price, rate: Factor) -> Result<(), FastError> {
        self.outcome.targets = self.outcome.targets.saturating_add(1);
        self.leave(at, Part::Target, price, rate)
    }

    fn rung_filled(&mut self) {
        if let Some(held) = &mut self.held {
            held.rungs.pop();
        }
        self.outcome.rungs_filled = self.outcome.rungs_filled.saturating_add(1);
    }

    /// The ladder of the next position, if the planner takes the price and the wallet carries the entry.
    fn sized(&mut self, at: VenueMillis, mark: Price) -> Option<Ladder> {
        let Plan { instrument, spec, budget, target_style, .. } = self.plan;
        match size_for(&SizeRequest { instrument, spec, budget, mark }, *target_style) {
            Ok(ladder) => Some(ladder),
            Err(refusal) => {
                self.refuse(at, refusal);
                None
            }
        }
    }

    /// The entry arrives where the prices are these.
    fn enter(&mut self, at: VenueMillis, last: Price, mark: Price, ladder: &Ladder) -> Result<(), FastError> {
        let Plan { instrument, spec, .. } = self.plan;
        let Ladder { entry, leverage, .. } = ladder;
        let price = self.taken_at(last, true)?;
        let worth = price.checked_mul(entry.qty)?;
        let entry_margin = margin_share(worth, *leverage)?;
        let available = self.wallet.checked_sub(self.committed)?;
        if entry_margin > available || !takes(instrument, worth, *leverage) {
            // The exchange refuses the entry, and the opening is given up.
            self.outcome.positions_cancelled = self.outcome.positions_cancelled.saturating_add(1);
            self.free(at.plus(SETTLE));
            return Ok(());
        }
        let rebuilt = rebuild(ladder, spec, instrument, price, entry.qty);
        let fee = worth.scaled_by(instrument.taker_fee)?;
        let left = available.checked_sub(fee)?;
        let mut free = match self.plan.margin_mode {
            MarginMode::Isolated => left.checked_sub(entry_margin)?,
            // What stands behind the rungs is seen at the mark, and the entry may have cost more than that.
            MarginMode::Cross => {
                let now_worth = mark.checked_mul(entry.qty)?;
                let unrealised = match spec.direction {
                    Direction::Long => now_worth.checked_sub(worth)?,
                    Direction::Short => worth.checked_sub(now_worth)?,
                };
                left.checked_add(unrealised)?.checked_sub(margin_share(now_worth, *leverage)?)?
            }
        };
        // A rung that the wallet does not carry, or the leverage not, is refused and left out.
        let mut rungs = Vec::with_capacity(rebuilt.rungs.len());
        let mut total = mark.checked_mul(entry.qty)?;
        for rung in rebuilt.rungs {
            let more = rung.price.checked_mul(rung.qty)?;
            let (needed, with) = (margin_share(more, *leverage)?, total.checked_add(more)?);
            if needed <= free && takes(instrument, with, *leverage) {
                (free, total) = (free.checked_sub(needed)?, with);
                rungs.push(rung);
            }
        }
        let planned: Vec<_> = rungs.iter().map(|rung| (rung.price, rung.qty)).collect();
        rungs.reverse();
        let target = self.target_at(price)?.unwrap_or(ladder.target);
        self.listener.opened(&Opening {
            at: self.stamp,
            rungs: &planned,
            stop: rebuilt.stop,
            target,
            leverage: *leverage,
        });
        self.held = Some(Held::new(rungs, rebuilt.stop, target, *leverage));
        self.add(Part::Entry, price, entry.qty, instrument.taker_fee)?;
        self.outcome.positions_opened = self.outcome.positions_opened.saturating_add(1);
        self.watch(mark)
    }

    fn refuse(&mut self, at: VenueMillis, refusal: Refusal) {
        self.outcome.refused = self.outcome.refused.saturating_add(1);
        self.outcome.first_refusal.get_or_insert((at, refusal));
        self.free(at.plus(ASK_AGAIN));
    }

    /// More of the position.
    fn add(&mut self, of: Part, price: Price, qty: Qty, rate: Factor) -> Result<(), FastError> {
        let worth = price.checked_mul(qty)?;
        let fee = worth.scaled_by(rate)?;
        if let Some(held) = &mut self.held {
            held.add(qty, worth, self.plan.margin_mode)?;
        }
        self.pay(fee)?;
        self.listener.deal(&Deal { at: self.stamp, of, qty, price, fee });
        Ok(())
    }

    fn pay(&mut self, fee: Notional) -> Result<(), ArithmeticError> {
        self.fees = self.fees.checked_add(fee)?;
        self.wallet = self.wallet.checked_sub(fee)?;
        Ok(())
    }

    /// All of the position, at once.
    fn leave(&mut self, at: VenueMillis, of: Part, price: Price, rate: Factor) -> Result<(), FastError> {
        let Some(held) = self.held.take() else { return Ok(()) };
        let fee = price.checked_mul(held.qty)?.scaled_by(rate)?;
        self.settle(at, of, price, &held, fee)
    }

    fn settle(&mut self, at: VenueMillis, of: Part, price: Price, held: &Held, fee: Notional) -> Result<(), FastError> {
        self.wallet = self.wallet.checked_add(held.unrealised(self.plan.spec.direction, price)?)?;
        self.pay(fee)?;
        self.listener.deal(&Deal { at: self.stamp, of, qty: held.qty, price, fee });
        self.held = None;
        self.watched = Watched::NOTHING;
        self.dues.clear();
        self.free(at.plus(SETTLE));
        self.outcome.positions_closed = self.outcome.positions_closed.saturating_add(1);
        Ok(())
    }

    /// The target at this average entry; none where the planner knows none. One that the mark has passed, while the last
    /// price has not, is refused by the exchange and anchored on the mark (R83).
    fn target_at(&self, average: Price) -> Result<Option<Price>, ArithmeticError> {
        let Plan { instrument, spec, stop_by, .. } = self.plan;
        let watches = !self.by_trades && *stop_by == TriggerBy::Mark && self.rests_as() == TargetStyle::TriggerMarket;
        let mark = self.mark.filter(|_| watches).map(|mark| self.price(mark)).transpose()?;
        let request = TargetRequest { mark, ..TargetRequest::at(spec, instrument, average)? };
        Ok(target_price(&request).ok())
    }

    /// The target follows the fills.
    fn follow(&mut self, at: VenueMillis) -> Result<(), FastError> {
        let Some(average) = self.held.as_ref().map(Held::average).transpose()? else { return Ok(()) };
        let Some(target) = self.target_at(average)? else { return Ok(()) };
        if self.arrives_later(at, target) {
            return Ok(());
        }
        self.move_target(target);
        Ok(())
    }

    fn move_target(&mut self, target: Price) {
        if let Some(held) = self.held.as_mut().filter(|held| held.target != target) {
            held.target = target;
            self.listener.retargeted(self.stamp, target);
        }
    }

    /// How the target rests: a pair of protective orders is triggered, whatever was asked for.
    fn rests_as(&self) -> TargetStyle {
        match self.plan.profile.capabilities.protection {
            Protection::Paired => TargetStyle::TriggerMarket,
            Protection::Separate => self.plan.target_style,
        }
    }

    /// Takes the position where it has too little margin at this mark; says whether it did.
    fn liquidates(&mut self, at: VenueMillis, mark: Price) -> Result<bool, FastError> {
        let Some(held) = &self.held else { return Ok(true) };
        let standing = self.wallet.checked_add(self.others)?;
        if held.excess(self.plan, standing, mark)?.is_positive() {
            return Ok(false);
        }
        let Some(held) = self.held.take() else { return Ok(true) };
        let unrealised = held.unrealised(self.plan.spec.direction, mark)?;
        let left = held.backing(self.plan.margin_mode, standing).checked_add(unrealised)?;
        let rate = self.plan.profile.quirks.liquidation_fee;
        let fee = mark.checked_mul(held.qty)?.scaled_by(rate)?.min(left.max(Notional::ZERO));
        self.outcome.liquidations = self.outcome.liquidations.saturating_add(1);
        self.outcome.other_closes = self.outcome.other_closes.saturating_add(1);
        self.settle(at, Part::Liquidation, mark, &held, fee)?;
        if left.is_negative() {
            self.wallet = self.wallet.checked_sub(left)?;
        }
        Ok(true)
    }

    /// Works out which prices matter next.
    fn watch(&mut self, mark: Price) -> Result<(), FastError> {
        let standing = self.wallet.checked_add(self.others)?;
        let style = self.rests_as();
        let Some(held) = &mut self.held else { return Ok(()) };
        self.watched = held.edges(self.plan, style, standing, mark, self.unit)?;
        Ok(())
    }
}
