//! What a run was, position by position, and what people ask of it.

use kraite_core::exchange::Direction;
use kraite_core::id::Role;
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::order::Order;
use kraite_core::position::Position;
use kraite_core::time::{Millis, VenueMillis};
use serde::Serialize;

use super::{Deal, Listener, Opening, Part, Plan};

const DAY_MS: i64 = 86_400_000;
/// Funds trade on every day of the year.
const DAYS_OF_A_YEAR: f64 = 365.0;

/// One position, from its opening to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trip {
    /// When it was opened.
    pub opened_at: VenueMillis,
    /// The rungs that rested, the first one first.
    pub rungs: Vec<(Price, Qty)>,
    /// Where its stop triggered.
    pub stop: Price,
    /// Where its target was, and from when on.
    pub targets: Vec<(VenueMillis, Price)>,
    /// The leverage.
    pub leverage: u32,
    /// Its trades.
    pub deals: Vec<Deal>,
    /// Its funding payments, negative where they cost.
    pub payments: Vec<(VenueMillis, Notional)>,
    /// What it loses if every rung fills and the stop executes where it triggers, fees included; a positive number.
    pub planned_loss: Notional,
    /// What it brought after fees and funding, once it has ended.
    pub net: Option<Notional>,
    /// How long it was without an accepted stop at worst; only messages tell.
    pub unprotected: Option<Millis>,
}

impl Trip {
    /// Nothing yet.
    const fn begun(opened_at: VenueMillis) -> Self {
        Self {
            opened_at,
            rungs: Vec::new(),
            stop: Price::ZERO,
            targets: Vec::new(),
            leverage: 1,
            deals: Vec::new(),
            payments: Vec::new(),
            planned_loss: Notional::ZERO,
            net: None,
            unprotected: None,
        }
    }

    /// What took the last of it off, and when.
    #[must_use]
    pub fn end(&self) -> Option<&Deal> {
        self.deals.last().filter(|deal| deal.of.ends() && self.qty(Part::ends) == self.qty(|of| !of.ends()))
    }

    /// The quantity of its trades of some kind.
    fn qty(&self, of: impl Fn(Part) -> bool) -> Qty {
        let deals = self.deals.iter().filter(|deal| of(deal.of));
        deals.fold(Qty::ZERO, |sum, deal| sum.checked_add(deal.qty).unwrap_or(sum))
    }

    /// What its trades of some kind cost or brought, without fees.
    fn worth(&self, of: impl Fn(Part) -> bool) -> Notional {
        let deals = self.deals.iter().filter(|deal| of(deal.of));
        sum(deals.filter_map(|deal| deal.price.checked_mul(deal.qty).ok()))
    }

    /// What its trades cost.
    #[must_use]
    pub fn fees(&self) -> Notional {
        sum(self.deals.iter().map(|deal| deal.fee))
    }

    /// What funding brought, negative where it cost.
    #[must_use]
    pub fn funding(&self) -> Notional {
        sum(self.payments.iter().map(|(_, amount)| *amount))
    }

    /// How many rungs filled.
    #[must_use]
    pub fn rungs_filled(&self) -> usize {
        self.deals.iter().filter(|deal| matches!(deal.of, Part::Rung(_))).count()
    }

    /// How much was bought or sold to open it, and at what average.
    #[must_use]
    pub fn entered(&self) -> (Qty, Option<Price>) {
        let qty = self.qty(|of| !of.ends());
        (qty, self.worth(|of| !of.ends()).checked_div_qty(qty).ok())
    }

    /// How much was taken off, and at what average.
    #[must_use]
    pub fn exited(&self) -> (Qty, Option<Price>) {
        let qty = self.qty(Part::ends);
        (qty, self.worth(Part::ends).checked_div_qty(qty).ok())
    }
}

fn sum(amounts: impl Iterator<Item = Notional>) -> Notional {
    amounts.fold(Notional::ZERO, |sum, amount| sum.checked_add(amount).unwrap_or(sum))
}

/// The account's equity at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Equity {
    /// When.
    pub at: VenueMillis,
    /// The wallet and what the open position is worth.
    pub equity: Notional,
    /// The contract's price.
    pub price: Price,
}

/// Keeps every position, and the equity at fixed steps of time.
#[derive(Debug, Clone)]
pub struct Book {
    direction: Direction,
    taker_fee: kraite_core::number::Factor,
    wallet: Notional,
    each: Option<Millis>,
    /// All positions, oldest first; the last one may be open.
    pub trips: Vec<Trip>,
    /// The equity, oldest first.
    pub equity: Vec<Equity>,
}

impl Book {
    /// An empty one for this plan.
    #[must_use]
    pub const fn new(plan: &Plan, each: Millis) -> Self {
        let mut book = Self::of_positions(plan);
        book.each = Some(each);
        book
    }

    /// An empty one that keeps no equity, for one contract of an account with several.
    #[must_use]
    pub const fn of_positions(plan: &Plan) -> Self {
        Self {
            direction: plan.spec.direction,
            taker_fee: plan.instrument.taker_fee,
            wallet: plan.wallet,
            each: None,
            trips: Vec::new(),
            equity: Vec::new(),
        }
    }

    /// What a position of these orders loses at its stop.
    fn planned_loss(&self, trip: &Trip) -> Option<Notional> {
        let is_entry = |of| of == Part::Entry;
        let (mut qty, mut cost) = (trip.qty(is_entry), trip.worth(is_entry));
        let mut fees = sum(trip.deals.iter().filter(|deal| deal.of == Part::Entry).map(|deal| deal.fee));
        for (price, rung) in &trip.rungs {
            let worth = price.checked_mul(*rung).ok()?;
            (qty, cost) = (qty.checked_add(*rung).ok()?, cost.checked_add(worth).ok()?);
            fees = fees.checked_add(worth.scaled_by(self.taker_fee).ok()?).ok()?;
        }
        let left = trip.stop.checked_mul(qty).ok()?;
        fees = fees.checked_add(left.scaled_by(self.taker_fee).ok()?).ok()?;
        self.gained(left, cost)?.negated().checked_add(fees).ok()
    }

    /// What is gained by taking off for so much what came in for that.
    fn gained(&self, out: Notional, into: Notional) -> Option<Notional> {
        match self.direction {
            Direction::Long => out.checked_sub(into).ok(),
            Direction::Short => into.checked_sub(out).ok(),
        }
    }

    fn net(&self, trip: &Trip) -> Option<Notional> {
        trip.end()?;
        let gross = self.gained(trip.worth(Part::ends), trip.worth(|of| !of.ends()))?;
        gross.checked_sub(trip.fees()).ok()?.checked_add(trip.funding()).ok()
    }

    /// A trade of the position at a place.
    fn deal_of(&mut self, place: usize, deal: &Deal) {
        let Some(mut trip) = self.trips.get(place).cloned() else { return };
        trip.deals.push(*deal);
        trip.planned_loss = self.planned_loss(&trip).unwrap_or_default();
        trip.net = self.net(&trip);
        if let Some(known) = self.trips.get_mut(place) {
            *known = trip;
        }
    }

    /// Keeps the equity if it is time to.
    pub(super) fn sample(&mut self, at: VenueMillis, equity: Notional, price: Price) {
        let due = self.equity.last().is_none_or(|last| {
            self.each.is_some_and(|each| at.0.div_euclid(each.0.max(1)) > last.at.0.div_euclid(each.0.max(1)))
        });
        if due {
            self.equity.push(Equity { at, equity, price });
        }
    }

    /// A trade of a position that messages tell of, by its number.
    pub(super) fn told(&mut self, place: usize, deal: &Deal) {
        while self.trips.len() <= place {
            self.trips.push(Trip::begun(deal.at));
        }
        self.deal_of(place, deal);
    }

    /// What orders a position had, and how long it was without a stop.
    pub(super) fn orders_of(&mut self, place: usize, position: &Position) {
        let Some(mut trip) = self.trips.get(place).cloned() else { return };
        let orders = || position.orders.values();
        let shape = |order: &Order| Some((order.shape.price()?, order.shape.qty().unwrap_or_default()));
        let of_role = |wanted: fn(Role) -> bool| orders().filter(move |order| wanted(order.role()));
        trip.rungs = of_role(|role| matches!(role, Role::Rung(_))).filter_map(shape).collect();
        let stop = of_role(|role| role == Role::Stop).find_map(shape);
        trip.stop = stop.map_or(position.ladder.stop, |(price, _)| price);
        let targets = of_role(|role| role == Role::Target);
        trip.targets = targets.filter_map(|order| Some((VenueMillis(order.intended_at.0), shape(order)?.0))).collect();
        trip.targets.sort_by_key(|(at, _)| *at);
        trip.leverage = position.ladder.leverage;
        trip.unprotected = Some(position.meter.worst);
        trip.planned_loss = self.planned_loss(&trip).unwrap_or_default();
        if let Some(known) = self.trips.get_mut(place) {
            *known = trip;
        }
    }

    /// What people ask of a run.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary::of(self.wallet, &self.trips.iter().collect::<Vec<_>>(), &self.equity)
    }
}

impl Listener for Book {
    fn opened(&mut self, opening: &Opening<'_>) {
        self.trips.push(Trip {
            rungs: opening.rungs.to_vec(),
            stop: opening.stop,
            targets: vec![(opening.at, opening.target)],
            leverage: opening.leverage,
            ..Trip::begun(opening.at)
        });
    }

    fn deal(&mut self, deal: &Deal) {
        self.deal_of(self.trips.len().saturating_sub(1), deal);
    }

    fn retargeted(&mut self, at: VenueMillis, target: Price) {
        if let Some(trip) = self.trips.last_mut() {
            trip.targets.push((at, target));
        }
    }

    fn funded(&mut self, at: VenueMillis, amount: Notional) {
        if let Some(trip) = self.trips.last_mut() {
            trip.payments.push((at, amount));
        }
    }

    fn equity_each(&self) -> Option<Millis> {
        self.each
    }

    fn equity(&mut self, at: VenueMillis, equity: Notional, price: Price) {
        self.equity.push(Equity { at, equity, price });
    }
}

/// The figures of a run, of the positions that ended and of the equity as it was kept. Ratios are per year of 365 days,
/// from daily changes and without a riskless rate; `None` is what the run is too short or too uneventful for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// From the first to the last equity, in days.
    pub days: f64,
    /// Positions that ended.
    pub trades: usize,
    /// Of them with a profit.
    pub wins: usize,
    /// The share of winners, in percent.
    pub win_rate: Option<f64>,
    /// What winners brought by what losers cost.
    pub profit_factor: Option<f64>,
    /// What a position brings on average.
    pub expectancy: Option<f64>,
    /// The average winner.
    pub average_win: Option<f64>,
    /// The average loser, negative.
    pub average_loss: Option<f64>,
    /// The best position.
    pub best: Option<f64>,
    /// The worst position.
    pub worst: Option<f64>,
    /// The worst loss of a position by what its plan said that it may lose: above 1 where the stop executed worse than
    /// where it triggered, or the position was liquidated.
    pub worst_by_plan: Option<f64>,
    /// Winners in a row, at most.
    pub longest_winning: usize,
    /// Losers in a row, at most.
    pub longest_losing: usize,
    /// The share of time with a position open, in percent.
    pub exposure: Option<f64>,
    /// The average time from opening to end, in milliseconds.
    pub average_duration_ms: Option<f64>,
    /// The return on the wallet, in percent.
    pub total_return: f64,
    /// The return a year, in percent.
    pub cagr: Option<f64>,
    /// The deepest fall of the kept equity, as a share of its peak, in percent.
    pub max_drawdown: f64,
    /// When that fall began and when it was deepest.
    pub max_drawdown_at: Option<(i64, i64)>,
    /// The longest time below an earlier peak, in milliseconds.
    pub longest_underwater_ms: i64,
    /// Mean by deviation of the daily returns, a year.
    pub sharpe: Option<f64>,
    /// Mean by downside deviation of the daily returns, a year.
    pub sortino: Option<f64>,
    /// Return a year by deepest fall.
    pub calmar: Option<f64>,
    /// What the contract's price did, in percent.
    pub market_change: Option<f64>,
    /// Fees paid.
    pub fees: f64,
    /// Funding received, negative where paid.
    pub funding: f64,
}

/// Money for figures that no order depends on.
#[must_use]
pub fn approximate(amount: impl std::fmt::Display) -> f64 {
    amount.to_string().parse().unwrap_or(f64::NAN)
}

fn mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() { None } else { Some(values.iter().sum::<f64>() / values.len() as f64) }
}

fn finite(value: f64) -> Option<f64> {
    Some(value).filter(|value| value.is_finite())
}

/// The longest row of places where this is so.
fn longest(values: &[f64], is: impl Fn(f64) -> bool) -> usize {
    let mut row = 0;
    let rows = values.iter().map(|value| {
        row = if is(*value) { row + 1 } else { 0 };
        row
    });
    rows.max().unwrap_or(0)
}

/// How the equity fell and how long it took.
struct Falls {
    deepest: f64,
    from_to: Option<(i64, i64)>,
    longest_ms: i64,
}

impl Falls {
    fn of(equity: &[(i64, f64)]) -> Self {
        let mut falls = Self { deepest: 0.0, from_to: None, longest_ms: 0 };
        let Some(mut peak) = equity.first().copied() else { return falls };
        for (at, value) in equity.iter().copied() {
            if value >= peak.1 {
                peak = (at, value);
                continue;
            }
            falls.longest_ms = falls.longest_ms.max(at.saturating_sub(peak.0));
            let fall = (peak.1 - value) / peak.1 * 100.0;
            if fall > falls.deepest {
                (falls.deepest, falls.from_to) = (fall, Some((peak.0, at)));
            }
        }
        falls
    }
}

impl Summary {
    /// Of an account that began with this wallet and had these positions, in the order in which they were opened, of one
    /// contract or of several. Prices of the equity are those of one contract, or zero.
    #[must_use]
    pub fn of(wallet: Notional, trips: &[&Trip], kept: &[Equity]) -> Self {
        let ended: Vec<&Trip> = trips.iter().copied().filter(|trip| trip.net.is_some()).collect();
        let nets: Vec<f64> = ended.iter().filter_map(|trip| trip.net).map(approximate).collect();
        let (won, lost): (Vec<f64>, Vec<f64>) = nets.iter().partition(|net| **net > 0.0);
        let losses: f64 = lost.iter().sum();
        let by_plan = ended.iter().zip(&nets).filter(|(_, net)| **net < 0.0);
        let by_plan = by_plan.filter_map(|(trip, net)| finite(-net / approximate(trip.planned_loss)));
        let spans = ended.iter().filter_map(|trip| Some(trip.end()?.at.since(trip.opened_at).0 as f64));
        let spans: Vec<f64> = spans.collect();

        let wallet = approximate(wallet);
        let equity: Vec<(i64, f64)> = kept.iter().map(|e| (e.at.0, approximate(e.equity))).collect();
        let span = equity.first().zip(equity.last()).map_or(0, |(first, last)| last.0 - first.0);
        let last = equity.last().map_or(wallet, |(_, value)| *value);
        let days = span as f64 / DAY_MS as f64;
        let falls = Falls::of(&equity);
        let growth = (last / wallet).max(0.0);
        // A rate a year says nothing about a week.
        let cagr = if days >= 30.0 { finite((growth.powf(DAYS_OF_A_YEAR / days) - 1.0) * 100.0) } else { None };
        let daily = daily_returns(wallet, &equity);
        let average = mean(&daily).filter(|_| daily.len() > 1);
        let deviation = average.and_then(|average| {
            let squares: f64 = daily.iter().map(|value| (value - average).powi(2)).sum();
            finite((squares / (daily.len() as f64 - 1.0)).sqrt())
        });
        let downside =
            finite((daily.iter().map(|value| value.min(0.0).powi(2)).sum::<f64>() / daily.len() as f64).sqrt());
        let yearly = |by: Option<f64>| {
            let ratio = average? / by.filter(|by| *by > 0.0)? * DAYS_OF_A_YEAR.sqrt();
            finite(ratio)
        };
        let prices = kept.first().zip(kept.last());
        Self {
            days,
            trades: nets.len(),
            wins: won.len(),
            win_rate: finite(won.len() as f64 / nets.len() as f64 * 100.0),
            profit_factor: finite(won.iter().sum::<f64>() / -losses),
            expectancy: mean(&nets),
            average_win: mean(&won),
            average_loss: mean(&lost),
            best: nets.iter().copied().reduce(f64::max),
            worst: nets.iter().copied().reduce(f64::min),
            worst_by_plan: by_plan.reduce(f64::max),
            longest_winning: longest(&nets, |net| net > 0.0),
            longest_losing: longest(&nets, |net| net <= 0.0),
            exposure: finite(time_in(trips, kept) as f64 / span as f64 * 100.0).map(|share| share.min(100.0)),
            average_duration_ms: mean(&spans),
            total_return: (growth - 1.0) * 100.0,
            cagr,
            max_drawdown: falls.deepest,
            max_drawdown_at: falls.from_to,
            longest_underwater_ms: falls.longest_ms,
            sharpe: yearly(deviation),
            sortino: yearly(downside),
            calmar: cagr.filter(|_| falls.deepest > 0.0).map(|cagr| cagr / falls.deepest),
            market_change: prices
                .and_then(|(first, last)| finite((approximate(last.price) / approximate(first.price) - 1.0) * 100.0)),
            fees: trips.iter().map(|trip| approximate(trip.fees())).sum(),
            funding: trips.iter().map(|trip| approximate(trip.funding())).sum(),
        }
    }
}

/// How long any position was open, from its opening to its end or to the last that is known.
fn time_in(trips: &[&Trip], kept: &[Equity]) -> i64 {
    let last = kept.last().map(|equity| equity.at);
    let (mut until, mut sum) = (i64::MIN, 0_i64);
    for trip in trips {
        let Some(end) = trip.end().map(|end| end.at).or(last) else { continue };
        // Two that overlap are not open for twice the time.
        let from = trip.opened_at.0.max(until);
        sum = sum.saturating_add(end.0.saturating_sub(from).max(0));
        until = until.max(end.0);
    }
    sum
}

/// The return of each whole day between the first and the last equity.
fn daily_returns(wallet: f64, equity: &[(i64, f64)]) -> Vec<f64> {
    let mut closes: Vec<(i64, f64)> = Vec::new();
    for (at, value) in equity {
        let day = at.div_euclid(DAY_MS);
        match closes.last_mut().filter(|(of, _)| *of == day) {
            Some(close) => close.1 = *value,
            None => closes.push((day, *value)),
        }
    }
    let before = std::iter::once(wallet).chain(closes.iter().map(|(_, value)| *value));
    let returns = before.zip(&closes).map(|(before, (_, after))| after / before - 1.0);
    returns.filter(|value| value.is_finite()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn deal(at: i64, of: Part, qty: &str, price: &str, fee: &str) -> Deal {
        let at = VenueMillis(at);
        Deal { at, of, qty: qty.parse().unwrap(), price: price.parse().unwrap(), fee: fee.parse().unwrap() }
    }

    fn book() -> Book {
        let trips = Vec::new();
        let number = |text: &str| text.parse().unwrap();
        let (taker_fee, wallet, each) = ("0.001".parse().unwrap(), number("1000"), Some(Millis(HOUR)));
        Book { direction: Direction::Long, taker_fee, wallet, each, trips, equity: Vec::new() }
    }

    fn opening(at: i64, rungs: &[(Price, Qty)]) -> Opening<'_> {
        let number = |text: &str| text.parse().unwrap();
        Opening { at: VenueMillis(at), rungs, stop: number("80"), target: number("101"), leverage: 5 }
    }

    #[test]
    fn a_position_is_what_its_trades_fees_and_funding_come_to() {
        let mut book = book();
        let rungs = [("90".parse().unwrap(), "2".parse().unwrap())];
        book.opened(&opening(0, &rungs));
        book.deal(&deal(0, Part::Entry, "1", "100", "0.1"));
        // (100 + 180) - 3 x 80, and fees of 0.1, 0.18 and 0.24.
        assert_eq!(book.trips[0].planned_loss.to_string(), "40.52");
        book.deal(&deal(HOUR, Part::Rung(1), "2", "90", "0.036"));
        book.retargeted(VenueMillis(HOUR), "94.5".parse().unwrap());
        book.funded(VenueMillis(HOUR), "-0.5".parse().unwrap());
        assert_eq!((book.trips[0].net, book.trips[0].rungs_filled()), (None, 1));
        book.deal(&deal(2 * HOUR, Part::Target, "3", "94.5", "0.2835"));
        let trip = &book.trips[0];
        // 283.5 - 280 - 0.4195 - 0.5.
        assert_eq!(trip.net.unwrap().to_string(), "2.5805");
        assert_eq!((trip.fees().to_string(), trip.targets.len()), ("0.4195".into(), 2));
        book.opened(&opening(4 * HOUR, &rungs));
        book.deal(&deal(4 * HOUR, Part::Entry, "1", "100", "0.1"));
        book.deal(&deal(6 * HOUR, Part::Stop, "1", "70", "0.07"));
        for (hour, equity) in [(0, "1000"), (2, "1002.5805"), (6, "972.4105"), (8, "972.4105")] {
            book.equity(VenueMillis(hour * HOUR), equity.parse().unwrap(), "100".parse().unwrap());
        }
        let summary = book.summary();
        assert_eq!((summary.trades, summary.wins, summary.longest_losing), (2, 1, 1));
        assert_eq!((summary.win_rate, summary.exposure), (Some(50.0), Some(50.0)));
        let close = |value: Option<f64>, want: f64| assert!((value.unwrap() - want).abs() < 1e-9, "{value:?} {want}");
        close(summary.profit_factor, 2.5805 / 30.17);
        close(summary.expectancy, (2.5805 - 30.17) / 2.0);
        close(summary.worst_by_plan, 30.17 / 40.52);
        close(Some(summary.max_drawdown), 30.17 / 1_002.580_5 * 100.0);
        assert_eq!(summary.max_drawdown_at, Some((2 * HOUR, 6 * HOUR)));
        assert_eq!((summary.longest_underwater_ms, summary.cagr, summary.sharpe), (6 * HOUR, None, None));
        assert_eq!(summary.market_change, Some(0.0));
    }

    #[test]
    fn ratios_are_those_of_the_textbook() {
        let mut book = book();
        // Ends of days: 1000, 1010, 999.9, 1019.898.
        for (day, equity) in [(0, "1000"), (1, "1010"), (2, "999.9"), (3, "1019.898"), (400, "1019.898")] {
            book.equity(VenueMillis(day * DAY_MS), equity.parse().unwrap(), "5".parse().unwrap());
        }
        let summary = book.summary();
        let returns = [0.0, 0.01, -0.01, 0.02, 0.0];
        let mean = returns.iter().sum::<f64>() / 5.0;
        let deviation = (returns.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / 4.0).sqrt();
        let close = |value: Option<f64>, want: f64| assert!((value.unwrap() - want).abs() < 1e-9, "{value:?} {want}");
        close(summary.sharpe, mean / deviation * 365.0_f64.sqrt());
        close(summary.sortino, mean / (0.01_f64.powi(2) / 5.0).sqrt() * 365.0_f64.sqrt());
        close(summary.cagr, (1.019_898_f64.powf(365.0 / 400.0) - 1.0) * 100.0);
        close(summary.calmar, summary.cagr.unwrap() / 1.0);
        assert_eq!((summary.trades, summary.win_rate, summary.profit_factor), (0, None, None));
    }
}
