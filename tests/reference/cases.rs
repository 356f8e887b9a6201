//! What is compared: markets and configurations that are drawn, and the three ways through them.

use kraite_core::Instrument;
use kraite_core::exchange::{Direction, MarginMode, TriggerBy};
use kraite_core::number::{Factor, Notional, Percent, Price, Qty};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::sizing::{Budget, LadderSpec, SizingModel, TargetBasis};
use kraite_core::time::VenueMillis;
use kraite_sim::backtest::{At, Backtest, Deal, Fast, Hostility, Outcome, Part, Plan};
use kraite_sim::data::{Bar, Columns, Funding, Marks};
use kraite_sim::presets;
use kraite_sim::world::Latency;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::mutants::Mutant;
use crate::simulator::{PlainBar, Reference};

const START: i64 = 1_760_000_400_000;
const MINUTE: i64 = 60_000;

/// One run.
pub(crate) struct Case {
    pub(crate) plan: Plan,
    pub(crate) bars: Vec<Bar>,
    /// The mark price within each bar, where it is another.
    pub(crate) marks: Option<Vec<Bar>>,
    pub(crate) funding: Vec<Funding>,
    /// When to enter; whenever nothing is open where this is nothing.
    pub(crate) entries: Option<Vec<VenueMillis>>,
    /// The grid of the bars' prices.
    pub(crate) unit: Price,
}

/// What a way came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) deals: Vec<Deal>,
    pub(crate) counts: Counts,
    pub(crate) money: Money,
}

/// How often each thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) bars: u64,
    pub(crate) opened: u64,
    pub(crate) closed: u64,
    pub(crate) stops: u64,
    pub(crate) targets: u64,
    pub(crate) rungs: u64,
    pub(crate) liquidations: u64,
    pub(crate) refused: u64,
    pub(crate) cancelled: u64,
    pub(crate) first_refused_at: Option<VenueMillis>,
}

impl Counts {
    pub(crate) const fn add(&mut self, more: &Self) {
        self.bars += more.bars;
        self.opened += more.opened;
        self.closed += more.closed;
        self.stops += more.stops;
        self.targets += more.targets;
        self.rungs += more.rungs;
        self.liquidations += more.liquidations;
        self.refused += more.refused;
        self.cancelled += more.cancelled;
    }
}

/// What it came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Money {
    pub(crate) pnl: Notional,
    pub(crate) fees: Notional,
    pub(crate) funding: Notional,
    pub(crate) max_drawdown: Notional,
}

impl Found {
    pub(crate) fn of(outcome: &Outcome, deals: Vec<Deal>) -> Self {
        let counts = Counts {
            bars: outcome.bars,
            opened: outcome.positions_opened,
            closed: outcome.positions_closed,
            stops: outcome.stops,
            targets: outcome.targets,
            rungs: outcome.rungs_filled,
            liquidations: outcome.liquidations,
            refused: outcome.refused,
            cancelled: outcome.positions_cancelled,
            first_refused_at: outcome.first_refusal.as_ref().map(|(at, _)| *at),
        };
        let (pnl, fees) = (outcome.pnl, outcome.fees);
        let (funding, max_drawdown) = (outcome.funding, outcome.max_drawdown);
        Self { deals, counts, money: Money { pnl, fees, funding, max_drawdown } }
    }

    /// The first thing that differs, in words.
    pub(crate) fn differs_from(&self, other: &Self) -> Option<String> {
        if self == other {
            return None;
        }
        let pairs = self.deals.iter().zip(&other.deals);
        let at = pairs.clone().position(|(one, other)| one != other);
        let at = at.unwrap_or(self.deals.len().min(other.deals.len()));
        let (one, two) = (self.deals.get(at), other.deals.get(at));
        Some(format!(
            "deal {at}: {one:?}\n    or: {two:?}\n{:?} {:?}\n    or: {:?} {:?}",
            self.counts, self.money, other.counts, other.money
        ))
    }
}

impl Case {
    /// Gives one of three a mark price of its own, and lets some triggers watch the last price; by themselves, so that
    /// everything else is what it was without them.
    pub(crate) fn mark_some(&mut self, seed: u64) {
        let mut draw = ChaCha8Rng::seed_from_u64(seed + 9_000_000);
        if draw.random_range(0..3) == 0 {
            self.marks = Some(marks(&mut draw, &self.bars, self.unit));
        }
        self.plan.stop_by = if draw.random_range(0..3) == 0 { TriggerBy::Last } else { TriggerBy::Mark };
    }

    /// The reference, right or with one wrong rule.
    pub(crate) fn reference(&self, mutant: Option<Mutant>) -> Found {
        let bars = self.bars.iter().enumerate().map(|(place, bar)| PlainBar::of(bar, self.mark(place)));
        self.reference_over(&bars.collect::<Vec<_>>(), mutant)
    }

    pub(crate) fn reference_over(&self, bars: &[PlainBar], mutant: Option<Mutant>) -> Found {
        let (outcome, deals) = Reference::new(&self.plan, &self.funding, self.entries.as_deref(), mutant).play(bars);
        Found::of(&outcome, deals)
    }

    /// The mark price within the bar at a place.
    fn mark(&self, place: usize) -> &Bar {
        &self.marks.as_ref().unwrap_or(&self.bars)[place]
    }

    pub(crate) fn columns(&self) -> Columns {
        let mut columns = Columns::new(self.unit);
        for bar in &self.bars {
            columns.push(bar).unwrap();
        }
        if let Some(marks) = &self.marks {
            let mut set = Marks::new(self.unit);
            marks.iter().for_each(|mark| set.push(mark).unwrap());
            columns.set_marks(set).unwrap();
        }
        columns
    }

    /// What is judged.
    pub(crate) fn fast(&self) -> Found {
        self.by_prices(Fast::new(&self.plan, &self.funding, Vec::new()))
    }

    /// The same, skipping nothing.
    pub(crate) fn over_every_bar(&self) -> Found {
        self.by_prices(Fast::new(&self.plan, &self.funding, Vec::new()).every_bar())
    }

    fn by_prices(&self, run: Fast<'_, Vec<Deal>>) -> Found {
        let mut run = match &self.entries {
            Some(entries) => run.entering(At::new(entries.clone())),
            None => run,
        };
        run.play(&self.columns()).unwrap();
        let (outcome, deals) = run.finish();
        Found::of(&outcome, deals)
    }

    /// Through engine, journal and exchange. A trade does not say there what it was of: that is taken from `as_in`.
    pub(crate) fn long_way(&self, as_in: &Found) -> Found {
        let start = self.bars[0].open_time;
        let mut run = Backtest::new(self.plan.clone(), Hostility::None, 1, start, self.funding.clone());
        if let Some(entries) = &self.entries {
            run = run.entering(At::new(entries.clone()));
        }
        run.world_mut().venue.keep_trades(usize::MAX);
        let mut deals = Vec::new();
        for (place, bar) in self.bars.iter().enumerate() {
            run.bar_marked(bar, self.mark(place));
            let trades = run.world().venue.trades().skip(deals.len());
            let found: Vec<Deal> = trades
                .map(|trade| Deal {
                    at: bar.open_time,
                    of: Part::Entry,
                    qty: trade.qty,
                    price: trade.price,
                    fee: trade.fee,
                })
                .collect();
            deals.extend(found);
        }
        for (deal, known) in deals.iter_mut().zip(&as_in.deals) {
            deal.of = known.of;
        }
        Found::of(&run.finish(), deals)
    }
}

pub(crate) fn percent(hundredths: i64) -> Percent {
    Percent::from_units(hundredths, 2).unwrap()
}

/// A market that walks at random, with gaps between bars, and sometimes leaps, or is not seen for a while; prices in
/// units of 10^-`scale`.
fn market(draw: &mut ChaCha8Rng, count: usize, minutes: i64, scale: u32) -> Vec<Bar> {
    let fine = 10_i64.pow(scale - 2);
    let (lowest, highest) = (3_000 * fine, 60_000 * fine);
    let price = |units| Price::from_units(units, scale).unwrap();
    let step = draw.random_range(10..=120_i64) * fine;
    let (mut close, mut at) = (15_000 * fine, START);
    let mut bars = Vec::new();
    for _ in 0..count {
        let leap = if draw.random_range(0..40) == 0 { 900 } else { 3 } * fine;
        let open = (close + draw.random_range(-leap..=leap)).clamp(lowest, highest);
        close = (open + draw.random_range(-step..=step)).clamp(lowest, highest);
        // Sometimes a bar goes far both ways.
        let wick = step * if draw.random_range(0..30) == 0 { 10 } else { 1 };
        let high = open.max(close) + draw.random_range(0..=wick);
        let low = open.min(close) - draw.random_range(0..=wick);
        bars.push(Bar {
            open_time: VenueMillis(at),
            open: price(open),
            high: price(high),
            low: price(low),
            close: price(close),
            volume: Qty::from_units(1, 0).unwrap(),
            close_time: VenueMillis(at + minutes * MINUTE - 1),
        });
        at += minutes * MINUTE * if draw.random_range(0..200) == 0 { draw.random_range(2..=100) } else { 1 };
    }
    bars
}

/// Funding every so many bars, on the minute or anywhere.
fn funding(draw: &mut ChaCha8Rng, bars: &[Bar]) -> Vec<Funding> {
    let every = draw.random_range(20..200);
    let on_the_minute = draw.random_range(0..2) == 0;
    let mut payment = |bar: &Bar| {
        let after = if on_the_minute { 0 } else { draw.random_range(0..bar.close_time.since(bar.open_time).0) };
        Funding {
            at: VenueMillis(bar.open_time.0 + after),
            rate: Factor::from_units(draw.random_range(-30..=30), 4).unwrap(),
        }
    };
    bars.iter().step_by(every).map(&mut payment).collect()
}

/// One of two contracts, its rules sometimes changed so that more of them bind.
fn contract(draw: &mut ChaCha8Rng, is_long: bool) -> Instrument {
    let mut contract = presets::contracts().swap_remove(draw.random_range(0..2));
    let bp = |tenths| Factor::from_units(tenths, 5).unwrap();
    if draw.random_range(0..3) == 0 {
        contract.maker_fee = bp(draw.random_range(-20..=40));
        contract.taker_fee = bp(draw.random_range(0..=90));
    }
    if draw.random_range(0..4) == 0 {
        contract.market_lot = Qty::from_units(draw.random_range(1..=3), 1).unwrap();
        contract.min_notional = Notional::from_units(draw.random_range(1..=60), 0).unwrap();
    }
    if draw.random_range(0..3) == 0 {
        // Brackets that a position outgrows.
        let tenth = Factor::from_units(1, 1).unwrap();
        for bracket in &mut contract.brackets {
            for amount in [&mut bracket.notional_floor, &mut bracket.notional_cap, &mut bracket.maintenance_deduction] {
                *amount = amount.scaled_by(tenth).unwrap();
            }
        }
    }
    if draw.random_range(0..10) == 0 {
        // Prices that the last rungs do not have. None that a target does not have: the engine closes a position that can
        // have no target, a backtest by prices leaves the one that was planned.
        if is_long {
            contract.min_price = cents(draw.random_range(13_500..14_500));
        } else {
            contract.max_price = Some(cents(draw.random_range(15_500..16_500)));
        }
    }
    if draw.random_range(0..10) == 0 {
        let near = Factor::from_units(if is_long { 97 } else { 103 }, 2);
        *(if is_long { &mut contract.band.buy_min } else { &mut contract.band.sell_max }) = near;
    }
    contract
}

fn cents(units: i64) -> Price {
    Price::from_units(units, 2).unwrap()
}

/// A shape of a position, not too far from what people trade.
pub(crate) fn spec(draw: &mut ChaCha8Rng) -> LadderSpec {
    let direction = if draw.random_range(0..2) == 0 { Direction::Long } else { Direction::Short };
    let multiplier = |draw: &mut ChaCha8Rng| Factor::from_units(draw.random_range(8..=25), 1).unwrap();
    let multipliers = (0..draw.random_range(1..=3)).map(|_| multiplier(draw)).collect();
    LadderSpec {
        direction,
        rungs: draw.random_range(0..=5),
        gap: percent(draw.random_range(30..=300)),
        multipliers,
        profit: percent(draw.random_range(5..=150)),
        stop: percent(draw.random_range(50..=400)),
        model: if draw.random_range(0..2) == 0 { SizingModel::Bounded } else { SizingModel::default_for(direction) },
        basis: if draw.random_range(0..2) == 0 { TargetBasis::AverageEntry } else { TargetBasis::BreakEven },
        headroom: percent(if draw.random_range(0..4) == 0 { draw.random_range(100..=900) } else { 50 }),
    }
}

/// In half of the runs what takes gets the price as it is. It slips by less than the nearest rung and stop are away, which
/// would else be passed before they are there: a backtest of bars by prices knows no such orders.
pub(crate) fn slippage(draw: &mut ChaCha8Rng, tick: Price, price: Price) -> Factor {
    let drawn = if draw.random_range(0..2) == 0 { 0 } else { draw.random_range(1..=20) };
    let is_fine = price.to_ticks(tick).is_none_or(|ticks| ticks > 1_000);
    Factor::from_units(if is_fine { drawn } else { 0 }, 4).unwrap()
}

/// In a quarter of the runs only some bars are entered.
pub(crate) fn some_entries(draw: &mut ChaCha8Rng, bars: &[Bar]) -> Option<Vec<VenueMillis>> {
    if draw.random_range(0..4) > 0 {
        return None;
    }
    let mut entries: Vec<_> =
        (0..draw.random_range(1..60)).map(|_| bars[draw.random_range(0..bars.len())].open_time).collect();
    entries.sort_unstable();
    Some(entries)
}

/// A mark price that lies somewhere beside each bar and mostly goes less far, on this grid.
pub(crate) fn marks(draw: &mut ChaCha8Rng, bars: &[Bar], unit: Price) -> Vec<Bar> {
    let units = |price: Price| price.to_ticks(unit).unwrap();
    let away = (units(bars[0].open) * draw.random_range(1..=40) / 10_000).max(1);
    let at = |units: i64| Price::from_ticks(units.max(1), unit).unwrap();
    let mark = |bar: &Bar| {
        let share = if draw.random_range(0..8) == 0 { 150 } else { draw.random_range(0..=100) };
        let (open, close) = (units(bar.open), units(bar.close));
        let (over, under) = (units(bar.high) - open.max(close), open.min(close) - units(bar.low));
        let (open, close) = (open + draw.random_range(-away..=away), close + draw.random_range(-away..=away));
        let (high, low) = (open.max(close) + over * share / 100, open.min(close) - under * share / 100);
        Bar { open: at(open), high: at(high), low: at(low), close: at(close), ..*bar }
    };
    bars.iter().map(mark).collect()
}

/// A run over a drawn market; one of three has a mark price of its own.
pub(crate) fn drawn(seed: u64, count: usize) -> Case {
    let mut draw = ChaCha8Rng::seed_from_u64(seed);
    let scale = if draw.random_range(0..3) == 0 { 3 } else { 2 };
    let minutes = [1, 1, 5, 60][draw.random_range(0..4)];
    let bars = market(&mut draw, count, minutes, scale);
    let spec = spec(&mut draw);
    let margin = Notional::from_units(draw.random_range(20..=1_000), 0).unwrap();
    let wallet = match draw.random_range(0..4) {
        // About what the ladder needs.
        0 => margin.scaled_by(Factor::from_units(draw.random_range(50..=130), 2).unwrap()).unwrap(),
        1 => Notional::from_units(draw.random_range(100..=2_000), 0).unwrap(),
        _ => Notional::from_units(20_000, 0).unwrap(),
    };
    let funding = funding(&mut draw, &bars);
    let instrument = contract(&mut draw, spec.direction == Direction::Long);
    let plan = Plan {
        slippage: slippage(&mut draw, instrument.tick, cents(15_000)),
        instrument,
        spec,
        budget: Budget { margin, leverage_cap: draw.random_range(1..=50) },
        sequence: Sequence::LadderFirst,
        target_style: if draw.random_range(0..2) == 0 { TargetStyle::Limit } else { TargetStyle::TriggerMarket },
        stop_by: TriggerBy::Mark,
        margin_mode: if draw.random_range(0..2) == 0 { MarginMode::Isolated } else { MarginMode::Cross },
        wallet,
        profile: if draw.random_range(0..2) == 0 { presets::binance() } else { presets::bitget() },
        latency: Latency::FAR,
    };
    let entries = some_entries(&mut draw, &bars);
    let mut case = Case { plan, bars, marks: None, funding, entries, unit: Price::from_units(1, scale).unwrap() };
    case.mark_some(seed);
    case
}
