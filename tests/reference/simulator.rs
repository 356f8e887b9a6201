//! A backtest by prices, bar after bar, price after price, in plain decimals.
//!
//! What it is held to: a bar opens, at once, wherever the last one closed; it glides to the best price for the position,
//! goes, at once, to the worst, and glides to the close. Where the best would end the position and the worst would too, the
//! worst comes first. Orders that rest trade at their own price. What triggers trades at
//! the new price where that came at once, and where it triggers on a glide. All that a price brings about is over, and
//! the target stands where the fills want it, before the next price. The mark goes through its own four prices beside
//! those of the bar.

use kraite_core::number::Price;
use kraite_core::sizing::Rule;
use kraite_core::time::{Millis, VenueMillis};
use kraite_sim::backtest::{Deal, Outcome, Part, Plan};
use kraite_sim::data::{Bar, Funding};

use crate::decimal::{Decimal, ceil, decimal, floor, most, one, typed, zero};
use crate::ladder::{Filled, Ladder, Rung};
use crate::mutants::Mutant;
use crate::terms::Terms;

/// From the end of a position until nothing of it is left at the exchange, and the next one may be asked for.
const CLEAN_AFTER: Millis = Millis::from_secs(10);
/// An opening that a rule forbids is asked for again after this.
const ASK_AGAIN: Millis = Millis::from_secs(120);
/// Margin is set aside in steps of this, upwards.
const MARGIN_STEP: &str = "0.0000000001";

/// Where a contract stands: what was traded last, and the mark.
#[derive(Clone)]
struct Spot {
    last: Decimal,
    mark: Decimal,
}

/// A bar in decimals.
pub(crate) struct PlainBar {
    open_time: VenueMillis,
    span: Millis,
    open: Spot,
    high: Spot,
    low: Spot,
    close: Spot,
}

impl PlainBar {
    /// A bar and the mark price within it.
    pub(crate) fn of(bar: &Bar, mark: &Bar) -> Self {
        let spot = |of: fn(&Bar) -> Price| Spot { last: decimal(of(bar)), mark: decimal(of(mark)) };
        Self {
            open_time: bar.open_time,
            span: bar.close_time.since(bar.open_time),
            open: spot(|bar| bar.open),
            high: spot(|bar| bar.high),
            low: spot(|bar| bar.low),
            close: spot(|bar| bar.close),
        }
    }
}

/// How a price came to be.
#[derive(Clone, Copy, PartialEq)]
enum Move {
    Jump,
    Glide,
}

/// A position that is open.
#[derive(Clone)]
struct Held {
    leverage: Decimal,
    filled: Filled,
    /// What is set aside for it; nothing under cross margin.
    margin: Decimal,
    /// The rungs that rest, nearest first.
    rungs: Vec<Rung>,
    stop: Decimal,
    target: Decimal,
}

/// An order that a price reaches.
enum Reached {
    Rung(Rung),
    Stop(Decimal),
    Target(Decimal),
}

impl Reached {
    const fn price(&self) -> &Decimal {
        match self {
            Self::Rung(Rung { price, .. }) | Self::Stop(price) | Self::Target(price) => price,
        }
    }
}

/// One run.
#[derive(Clone)]
pub(crate) struct Reference {
    terms: Terms,
    start: Option<VenueMillis>,
    funding: Vec<(VenueMillis, Decimal)>,
    /// Where the contract stood before.
    price: Spot,
    held: Option<Held>,
    /// When positions may be entered; at any time where there are none.
    entries: Option<Vec<VenueMillis>>,
    not_before: VenueMillis,
    realized: Decimal,
    fees: Decimal,
    funded: Decimal,
    /// What the exchange bore of losses beyond what was at stake.
    borne: Decimal,
    peak: Decimal,
    max_drawdown: Decimal,
    outcome: Outcome,
    deals: Vec<Deal>,
}

impl Reference {
    pub(crate) fn new(
        plan: &Plan,
        funding: &[Funding],
        entries: Option<&[VenueMillis]>,
        mutant: Option<Mutant>,
    ) -> Self {
        let terms = Terms::of(plan, mutant);
        Self {
            peak: terms.wallet.clone(),
            terms,
            start: None,
            funding: funding.iter().map(|payment| (payment.at, decimal(payment.rate))).collect(),
            price: Spot { last: zero(), mark: zero() },
            held: None,
            entries: entries.map(<[_]>::to_vec),
            not_before: VenueMillis(i64::MIN),
            realized: zero(),
            fees: zero(),
            funded: zero(),
            borne: zero(),
            max_drawdown: zero(),
            outcome: Outcome::default(),
            deals: Vec::new(),
        }
    }

    pub(crate) fn play(mut self, bars: &[PlainBar]) -> (Outcome, Vec<Deal>) {
        if let Some(first) = bars.first() {
            self.enters_from(first.open_time);
        }
        for bar in bars {
            self.bar(bar);
        }
        self.outcome.fees = typed(&self.fees);
        self.outcome.funding = typed(&self.funded);
        self.outcome.pnl = typed(&(self.wallet() - &self.terms.wallet));
        self.outcome.max_drawdown = typed(&self.max_drawdown);
        (self.outcome, self.deals)
    }

    fn bar(&mut self, bar: &PlainBar) {
        let (worst, best) = if self.terms.is_long { (&bar.low, &bar.high) } else { (&bar.high, &bar.low) };
        let mut path = [(&bar.open, Move::Jump), (best, Move::Glide), (worst, Move::Jump), (&bar.close, Move::Glide)];
        for quarter in 0..path.len() {
            let now = bar.open_time.plus(Millis(bar.span.0 * i64::try_from(quarter).unwrap() / 4));
            if quarter == 1 && self.goes_against_first(best, worst, bar.open_time, now) {
                path.swap(1, 2);
            }
            let (price, how) = path[quarter];
            if self.terms.is(Mutant::FundingOnThePriceAfter) {
                self.goes_to(price, how, bar.open_time, now);
                self.pay_funding(now);
            } else {
                self.pay_funding(now);
                self.goes_to(price, how, bar.open_time, now);
            }
            if quarter == 0 {
                self.enter(bar.open_time);
            }
        }
        self.outcome.bars += 1;
        self.mark_equity();
    }

    /// Whether a bar whose extremes are these ends the position at either of them.
    fn goes_against_first(&self, best: &Spot, worst: &Spot, bar: VenueMillis, now: VenueMillis) -> bool {
        if self.terms.is(Mutant::WorstAlwaysFirst) {
            return true;
        }
        if self.terms.is(Mutant::BestAlwaysFirst) {
            return false;
        }
        self.reached(best).iter().any(|order| matches!(order, Reached::Target(_))) && {
            let mut there = self.clone();
            there.goes_to(worst, Move::Jump, bar, now);
            there.held.is_none()
        }
    }

    /// What is due up to now is paid on the price before: at a positive rate longs pay shorts.
    fn pay_funding(&mut self, now: VenueMillis) {
        let start = *self.start.get_or_insert(now);
        let due = self.funding.iter().take_while(|(at, _)| *at <= now).count();
        for (at, rate) in self.funding.drain(..due).collect::<Vec<_>>() {
            let Some(held) = self.held.as_mut().filter(|_| at >= start) else { continue };
            let on = if self.terms.is(Mutant::FundingOnTheLast) { &self.price.last } else { &self.price.mark };
            let size = on * &held.filled.qty * rate;
            let longs_pay = !self.terms.is(Mutant::FundingTheOtherWay);
            let received = if self.terms.is_long == longs_pay { -size } else { size };
            if self.terms.is_isolated && !self.terms.is(Mutant::FundingLeavesMarginAlone) {
                held.margin += &received;
            }
            self.funded += received;
        }
    }

    /// The price moves, and everything happens that it reaches on the way. The exchange looks at the margin before each
    /// order that is reached, with the mark as near to the price of that order as it comes, and at last at the new mark.
    fn goes_to(&mut self, to: &Spot, how: Move, bar: VenueMillis, now: VenueMillis) {
        let from = std::mem::replace(&mut self.price, to.clone());
        let rungs_before = self.outcome.rungs_filled;
        let between = |price: &Decimal, one: &Decimal, other: &Decimal| {
            price.clone().clamp(one.clone().min(other.clone()), one.clone().max(other.clone()))
        };
        let judged = |spot: &Spot| {
            if self.terms.is(Mutant::LiquidatedByTheLast) { spot.last.clone() } else { spot.mark.clone() }
        };
        let (judged_from, judged_to) = (judged(&from), judged(to));
        for order in self.reached(to) {
            let here = between(order.price(), &judged_from, &judged_to);
            if !self.terms.is(Mutant::LiquidatedAtTheEndOfAMove) && self.is_liquidated(&here, bar, now) {
                return;
            }
            let on_the_way = between(order.price(), &from.last, &to.last);
            let at_once = if how == Move::Jump { &to.last } else { &on_the_way };
            match order {
                Reached::Rung(rung) => self.fill_rung(rung, &to.last, bar),
                Reached::Stop(trigger) => {
                    let price = if self.terms.is(Mutant::StopAtItsTrigger) { &trigger } else { at_once };
                    self.close(Part::Stop, &self.taken_at(price, !self.terms.is_long), bar, now);
                }
                Reached::Target(target) if self.rests_as_limit() => self.close(Part::Target, &target, bar, now),
                Reached::Target(_) => {
                    let price = if self.terms.is(Mutant::TargetAtTheBest) { &to.last } else { at_once };
                    self.close(Part::Target, &self.taken_at(price, !self.terms.is_long), bar, now);
                }
            }
        }
        if !self.is_liquidated(&judged_to, bar, now) && self.outcome.rungs_filled > rungs_before {
            self.reprice_target();
        }
    }

    /// The orders that a price reaches, in the order in which it meets them: against the position the rungs and then the
    /// stop behind them, in its favour the target. What rests trades with the last price, what triggers watches what the
    /// plan says.
    fn reached(&self, to: &Spot) -> Vec<Reached> {
        let Some(held) = &self.held else { return Vec::new() };
        let by_last = self.terms.triggers_by_last != self.terms.is(Mutant::TriggersWatchTheOther);
        let watched = if by_last { &to.last } else { &to.mark };
        let traded = if self.rests_as_limit() { &to.last } else { watched };
        let down_to = |to: &Decimal, price: &Decimal| if self.terms.is_long { to <= price } else { to >= price };
        let up_to = |to: &Decimal, price: &Decimal| if self.terms.is_long { to >= price } else { to <= price };
        let rungs = held.rungs.iter().filter(|rung| down_to(&to.last, &rung.price)).cloned().map(Reached::Rung);
        let stop = Some(held.stop.clone()).filter(|stop| down_to(watched, stop)).map(Reached::Stop);
        let target = Some(held.target.clone()).filter(|target| up_to(traded, target)).map(Reached::Target);
        rungs.chain(stop).chain(target).collect()
    }

    /// Opens the next position where none is open, at the open of a bar.
    fn enter(&mut self, now: VenueMillis) {
        if self.held.is_some() || now < self.not_before {
            return;
        }
        let Spot { last, mark } = self.price.clone();
        let sized_by = if self.terms.is(Mutant::SizedByTheLast) { &last } else { &mark };
        let ladder = match self.terms.size(sized_by) {
            Ok(ladder) => ladder,
            Err(rule) => return self.refuse(rule, now),
        };
        let leverage = Decimal::from(ladder.leverage);
        let price = self.taken_at(&last, self.terms.is_long);
        let cost = &price * &ladder.entry;
        if self.set_aside(&cost, &leverage) > self.wallet() || !self.terms.allows(&cost, ladder.leverage) {
            // The exchange takes no order that the wallet or the leverage does not carry; the opening is given up.
            self.outcome.positions_cancelled += 1;
            return self.enters_from(now.plus(CLEAN_AFTER));
        }
        let fee = &cost * self.rate(Part::Entry);
        self.note(Part::Entry, &ladder.entry, &price, &fee, now);
        let margin = if self.terms.is_isolated { self.set_aside(&cost, &leverage) } else { zero() };
        let (rungs, stop) = self.hang(&ladder, &price);
        let filled = Filled { qty: ladder.entry, cost, fees: fee };
        let mut held = Held { leverage, filled, margin, rungs: Vec::new(), stop, target: ladder.target };
        let mut free = self.free(&held, &mark);
        let mut total = &mark * &held.filled.qty;
        for rung in rungs {
            // Nor does it take such a rung; the others stay.
            let more = &rung.price * &rung.qty;
            let reserved = self.set_aside(&more, &held.leverage);
            let is_carried = reserved <= free || self.terms.is(Mutant::WalletCarriesEveryRung);
            if is_carried && self.terms.allows(&(&total + &more), ladder.leverage) {
                free -= reserved;
                total += more;
                held.rungs.push(rung);
            }
        }
        self.held = Some(held);
        self.outcome.positions_opened += 1;
        self.place_target();
    }

    /// The next position is entered at the first instant from this one on.
    fn enters_from(&mut self, from: VenueMillis) {
        let after = |entries: &Vec<VenueMillis>| entries.iter().copied().find(|entry| *entry >= from);
        self.not_before = self.entries.as_ref().map_or(Some(from), after).unwrap_or(VenueMillis(i64::MAX));
    }

    /// What a taking order gets: worse than the price by the slippage, on the tick.
    fn taken_at(&self, price: &Decimal, buys: bool) -> Decimal {
        let Terms { slippage, tick, .. } = &self.terms;
        if *slippage == zero() || self.terms.is(Mutant::NothingSlips) {
            price.clone()
        } else if buys {
            ceil(&(price * (one() + slippage)), tick)
        } else {
            floor(&(price * (one() - slippage)), tick).max(tick.clone())
        }
    }

    /// What the wallet has left for rungs once a position stands at a mark.
    fn free(&self, held: &Held, mark: &Decimal) -> Decimal {
        if self.terms.is_isolated {
            return self.wallet() - &held.margin;
        }
        self.wallet() + self.profit(held, mark) - self.set_aside(&(mark * &held.filled.qty), &held.leverage)
    }

    fn hang(&self, ladder: &Ladder, fill: &Decimal) -> (Vec<Rung>, Decimal) {
        if self.terms.is(Mutant::LadderStaysOnTheMark) {
            return (ladder.rungs.clone(), ladder.stop.clone());
        }
        (self.terms.hang(ladder, fill, &ladder.entry).0, self.terms.stop_at(ladder, fill))
    }

    fn refuse(&mut self, rule: Rule, now: VenueMillis) {
        self.outcome.refused += 1;
        let refusal = || kraite_core::sizing::Refusal { rule, rung: None, message: String::new(), smallest_fix: None };
        self.outcome.first_refusal.get_or_insert_with(|| (now, refusal()));
        if !self.terms.is(Mutant::AsksAtOnce) {
            self.enters_from(now.plus(ASK_AGAIN));
        }
    }

    fn fill_rung(&mut self, rung: Rung, reached: &Decimal, bar: VenueMillis) {
        let price = if self.terms.is(Mutant::RungAtTheWorst) { reached } else { &rung.price };
        let cost = price * &rung.qty;
        let fee = &cost * self.rate(Part::Rung(rung.number));
        self.note(Part::Rung(rung.number), &rung.qty, price, &fee, bar);
        self.outcome.rungs_filled += 1;
        let Some(mut held) = self.held.take() else { return };
        if self.terms.is_isolated {
            held.margin += self.set_aside(&cost, &held.leverage);
        }
        held.rungs.retain(|resting| resting.number != rung.number);
        held.filled.qty += &rung.qty;
        held.filled.cost += cost;
        held.filled.fees += fee;
        self.held = Some(held);
    }

    fn reprice_target(&mut self) {
        if !self.terms.is(Mutant::TargetKeepsItsPrice) {
            self.place_target();
        }
    }

    /// The target of what has filled. Where the contract has no price past the break-even it stays where it was. A
    /// trigger that the mark has passed would not be taken: the target is measured from the mark then.
    fn place_target(&mut self) {
        let exit = self.rate(Part::Target).clone();
        let as_paid = self.terms.is(Mutant::BreakEvenOfWhatWasPaid);
        let watches_mark = !self.rests_as_limit() && !self.terms.triggers_by_last;
        let mark = Some(&self.price.mark).filter(|_| watches_mark && !self.terms.is(Mutant::TargetIgnoresTheMark));
        let Some(held) = &mut self.held else { return };
        let average = held.filled.average();
        let break_even =
            if as_paid { self.terms.break_even_paid(&held.filled, &exit) } else { self.terms.break_even(&average) };
        if let Ok(target) = self.terms.target(&average, &break_even, mark) {
            held.target = target;
        }
    }

    /// All of the position goes at one price.
    fn close(&mut self, part: Part, price: &Decimal, bar: VenueMillis, now: VenueMillis) {
        let Some(held) = self.held.take() else { return };
        let fee = price * &held.filled.qty * self.rate(part);
        self.end(part, &held, price, fee, bar, now);
    }

    fn end(&mut self, part: Part, held: &Held, price: &Decimal, fee: Decimal, bar: VenueMillis, now: VenueMillis) {
        self.realized += self.profit(held, price);
        self.note(part, &held.filled.qty, price, &fee, bar);
        self.enters_from(now.plus(CLEAN_AFTER));
        self.outcome.positions_closed += 1;
        match part {
            Part::Stop => self.outcome.stops += 1,
            Part::Target => self.outcome.targets += 1,
            _ => self.outcome.liquidations += 1,
        }
    }

    /// Takes the position where what stands behind it does not exceed the maintenance margin at this price.
    fn is_liquidated(&mut self, price: &Decimal, bar: VenueMillis, now: VenueMillis) -> bool {
        let Some(held) = &self.held else { return false };
        let notional = price * &held.filled.qty;
        let left = self.at_stake(held) + self.profit(held, price);
        if left > self.terms.maintenance(&notional) {
            return false;
        }
        // It costs a fee, as far as there is something to pay it from; what is missing beyond that the exchange bears.
        let fee =
            if self.terms.is(Mutant::LiquidationIsFree) { zero() } else { &notional * &self.terms.liquidation_fee };
        let fee = fee.min(left.clone().max(zero()));
        let Some(held) = self.held.take() else { return false };
        self.end(Part::Liquidation, &held, price, fee, bar, now);
        if left < zero() && !self.terms.is(Mutant::LossBeyondTheStake) {
            self.borne -= left;
        }
        true
    }

    /// What stands behind a position: its own margin, or the wallet.
    fn at_stake(&self, held: &Held) -> Decimal {
        if self.terms.is_isolated { held.margin.clone() } else { self.wallet() }
    }

    /// The margin that a notional needs, rounded up: it is never too small.
    fn set_aside(&self, notional: &Decimal, leverage: &Decimal) -> Decimal {
        let step = decimal(MARGIN_STEP);
        if self.terms.is(Mutant::MarginIsRoundedDown) {
            return most(notional, leverage, &step);
        }
        -most(&-notional, leverage, &step)
    }

    fn profit(&self, held: &Held, price: &Decimal) -> Decimal {
        let worth = price * &held.filled.qty;
        if self.terms.is_long { worth - &held.filled.cost } else { &held.filled.cost - worth }
    }

    fn wallet(&self) -> Decimal {
        &self.terms.wallet + &self.realized - &self.fees + &self.funded + &self.borne
    }

    /// What rests pays the maker's rate, what takes the taker's.
    fn rate(&self, part: Part) -> &Decimal {
        let is_maker = match part {
            Part::Rung(_) => true,
            Part::Target => self.rests_as_limit(),
            _ => false,
        };
        let swapped = self.terms.is(Mutant::FeeOfTheOtherSide);
        if is_maker == swapped { &self.terms.taker } else { &self.terms.maker }
    }

    /// A pair of protective orders is triggered, whatever was asked for.
    fn rests_as_limit(&self) -> bool {
        self.terms.asks_limit_target && !self.terms.is_paired
    }

    fn note(&mut self, of: Part, qty: &Decimal, price: &Decimal, fee: &Decimal, bar: VenueMillis) {
        self.fees += fee;
        self.deals.push(Deal { at: bar, of, qty: typed(qty), price: typed(price), fee: typed(fee) });
    }

    /// The deepest fall of equity from a peak, looked at when bars close.
    fn mark_equity(&mut self) {
        let open = self.held.as_ref().map_or_else(zero, |held| self.profit(held, &self.price.mark));
        let equity = self.wallet() + open;
        let fall = &self.peak - &equity;
        self.max_drawdown = self.max_drawdown.clone().max(fall);
        if !self.terms.is(Mutant::DrawdownFromTheStart) {
            self.peak = self.peak.clone().max(equity);
        }
    }
}
