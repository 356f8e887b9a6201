//! P3, S10: a run from one price that matters to the next, a run over every bar, and the long way through engine,
//! journal and exchange come to the same trades and the same money.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use kraite_core::exchange::{Direction, MarginMode, TriggerBy};
use kraite_core::number::{Factor, Notional, Percent, Price, Qty};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::sizing::{Budget, LadderSpec, SizingModel, TargetBasis};
use kraite_core::time::VenueMillis;
use kraite_sim::backtest::{
    At, Backtest, Deal, Fast, Hostility, Outcome, Part, Plan, Portfolio, Signal, Sum, looks_ahead,
};
use kraite_sim::data::{Bar, Columns, Funding, Marks, Ticks, Trade};
use kraite_sim::presets;
use kraite_sim::world::Latency;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const START: i64 = 1_760_000_400_000;
const MINUTE: i64 = 60_000;

fn percent(hundredths: i64) -> Percent {
    Percent::from_units(hundredths, 2).unwrap()
}

struct Case {
    plan: Plan,
    bars: Vec<Bar>,
    /// The mark price within each bar, where it is another.
    marks: Option<Vec<Bar>>,
    funding: Vec<Funding>,
}

fn cents(units: i64) -> Price {
    Price::from_units(units, 2).unwrap()
}

/// A market that walks at random, with gaps between bars, and sometimes leaps.
fn market(draw: &mut ChaCha8Rng, count: usize) -> Vec<Bar> {
    let mut close = 15_000_i64;
    let step = draw.random_range(10..=120_i64);
    let mut bar = |n: usize| {
        let gap = if draw.random_range(0..40) == 0 { draw.random_range(-900..=900) } else { draw.random_range(-3..=3) };
        let open = (close + gap).clamp(3_000, 60_000);
        close = (open + draw.random_range(-step..=step)).clamp(3_000, 60_000);
        // Sometimes a bar goes far both ways.
        let wick = step * if draw.random_range(0..30) == 0 { 10 } else { 1 };
        let (high, low) =
            (open.max(close) + draw.random_range(0..=wick), open.min(close) - draw.random_range(0..=wick));
        let at = START + i64::try_from(n).unwrap() * MINUTE;
        Bar {
            open_time: VenueMillis(at),
            open: cents(open),
            high: cents(high),
            low: cents(low),
            close: cents(close),
            volume: Qty::from_units(1, 0).unwrap(),
            close_time: VenueMillis(at + MINUTE - 1),
        }
    };
    (0..count).map(&mut bar).collect()
}

/// A mark price that lies somewhere beside each bar and goes less far, or sometimes farther.
fn marks(draw: &mut ChaCha8Rng, bars: &[Bar]) -> Vec<Bar> {
    let away = draw.random_range(1..=60_i64);
    let units = |price: Price| price.to_ticks(cents(1)).unwrap();
    let mark = |bar: &Bar| {
        let share = if draw.random_range(0..8) == 0 { 150 } else { draw.random_range(0..=100) };
        let (open, close) = (units(bar.open), units(bar.close));
        let (over, under) = (units(bar.high) - open.max(close), open.min(close) - units(bar.low));
        let (open, close) = (open + draw.random_range(-away..=away), close + draw.random_range(-away..=away));
        let (high, low) = (open.max(close) + over * share / 100, open.min(close) - under * share / 100);
        Bar { open: cents(open), high: cents(high), low: cents(low), close: cents(close), ..*bar }
    };
    bars.iter().map(mark).collect()
}

fn case(seed: u64, count: usize) -> Case {
    let mut draw = ChaCha8Rng::seed_from_u64(seed);
    let direction = if draw.random_range(0..2) == 0 { Direction::Long } else { Direction::Short };
    let bars = market(&mut draw, count);
    let spec = LadderSpec {
        direction,
        rungs: draw.random_range(0..=5),
        gap: percent(draw.random_range(30..=300)),
        multipliers: vec![Factor::from_units(draw.random_range(10..=25), 1).unwrap()],
        profit: percent(draw.random_range(30..=150)),
        stop: percent(draw.random_range(50..=400)),
        model: if draw.random_range(0..2) == 0 { SizingModel::Bounded } else { SizingModel::default_for(direction) },
        basis: if draw.random_range(0..2) == 0 { TargetBasis::AverageEntry } else { TargetBasis::BreakEven },
        headroom: percent(50),
    };
    let margin = Notional::from_units(draw.random_range(100..=1_000), 0).unwrap();
    let isolated = draw.random_range(0..2) == 0;
    let profile = if draw.random_range(0..2) == 0 { presets::binance() } else { presets::bitget() };
    let every = draw.random_range(20..200);
    let funding = (0..count).step_by(every).map(|n| {
        let at = VenueMillis(START + i64::try_from(n).unwrap() * MINUTE + draw.random_range(0..MINUTE));
        Funding { at, rate: Factor::from_units(draw.random_range(-30..=30), 4).unwrap() }
    });
    let funding = funding.collect();
    // Mark prices are drawn by themselves.
    let mut other = ChaCha8Rng::seed_from_u64(seed + 500_000);
    let marks = (other.random_range(0..3) == 0).then(|| marks(&mut other, &bars));
    let stop_by = if other.random_range(0..3) == 0 { TriggerBy::Last } else { TriggerBy::Mark };
    let plan = Plan {
        instrument: presets::instrument(),
        spec,
        budget: Budget { margin, leverage_cap: draw.random_range(1..=50) },
        sequence: Sequence::LadderFirst,
        target_style: if draw.random_range(0..2) == 0 { TargetStyle::Limit } else { TargetStyle::TriggerMarket },
        stop_by,
        margin_mode: if isolated { MarginMode::Isolated } else { MarginMode::Cross },
        wallet: Notional::from_units(
            if draw.random_range(0..3) == 0 { draw.random_range(100..=2_000) } else { 20_000 },
            0,
        )
        .unwrap(),
        profile,
        latency: Latency::FAR,
        slippage: Factor::from_units(if draw.random_range(0..2) == 0 { 0 } else { draw.random_range(1..=30) }, 4)
            .unwrap(),
    };
    Case { plan, bars, marks, funding }
}

fn columns(bars: &[Bar]) -> Columns {
    let mut columns = Columns::new(cents(1));
    for bar in bars {
        columns.push(bar).unwrap();
    }
    columns
}

impl Case {
    /// The columns of some bars, with their mark prices.
    fn columns(&self, part: std::ops::Range<usize>) -> Columns {
        let mut columns = columns(&self.bars[part.clone()]);
        if let Some(marks) = &self.marks {
            let mut set = Marks::new(cents(1));
            for mark in &marks[part] {
                set.push(mark).unwrap();
            }
            columns.set_marks(set).unwrap();
        }
        columns
    }
}

/// Quantity, price and fee of each trade, with the place of its bar.
type Trades = Vec<(i64, Qty, Price, Notional)>;

fn long_way(case: &Case) -> (Trades, Outcome) {
    let first = case.bars[0].open_time;
    let mut run = Backtest::new(case.plan.clone(), Hostility::None, 1, first, case.funding.clone());
    run.world_mut().venue.keep_trades(usize::MAX);
    for (place, bar) in case.bars.iter().enumerate() {
        run.bar_marked(bar, case.marks.as_ref().map_or(bar, |marks| &marks[place]));
    }
    let trade = |t: &kraite_sim::venue::TradeRecord| ((t.at.0 - START) / MINUTE, t.qty, t.price, t.fee);
    let trades = run.world().venue.trades().map(trade).collect();
    (trades, run.finish())
}

fn short_way(case: &Case, every_bar: bool, piece: usize) -> (Trades, Outcome, Vec<Deal>) {
    let run = Fast::new(&case.plan, &case.funding, Vec::new());
    let mut run = if every_bar { run.every_bar() } else { run };
    for from in (0..case.bars.len()).step_by(piece) {
        run.play(&case.columns(from..case.bars.len().min(from.saturating_add(piece)))).unwrap();
    }
    let (outcome, deals) = run.finish();
    let trades = deals.iter().map(|d| ((d.at.0 - START) / MINUTE, d.qty, d.price, d.fee)).collect();
    (trades, outcome, deals)
}

/// What both ways count.
fn counts(outcome: &Outcome) -> [u64; 9] {
    [
        outcome.bars,
        outcome.positions_opened,
        outcome.positions_closed,
        outcome.stops,
        outcome.targets,
        outcome.rungs_filled,
        outcome.liquidations,
        outcome.refused,
        outcome.positions_cancelled,
    ]
}

const fn money(outcome: &Outcome) -> [Notional; 4] {
    [outcome.pnl, outcome.fees, outcome.funding, outcome.max_drawdown]
}

#[test]
fn s10_a_run_that_skips_is_a_run_over_every_bar_and_the_long_way() {
    agree(0..300, 5);
}

#[test]
#[ignore = "needs minutes: the long mode of the test before it"]
fn s10_a_thousand_runs_that_skip_are_the_long_way() {
    agree(1_000..2_000, 1);
}

/// Lives all of these; each of so many also goes the long way.
fn agree(seeds: std::ops::Range<u64>, each: u64) {
    let (mut seen, mut long, all) = ([0_u64; 9], 0, seeds.clone().count());
    for seed in seeds {
        let case = case(seed, 600);
        let (trades, outcome, _) = short_way(&case, false, usize::MAX);
        let (slow_trades, slow, _) = short_way(&case, true, usize::MAX);
        let (pieces_trades, pieces, _) = short_way(&case, false, 37);
        for (other_trades, other, name) in [(&slow_trades, &slow, "every bar"), (&pieces_trades, &pieces, "in pieces")]
        {
            assert_eq!(trades, *other_trades, "seed {seed}, {name}");
            assert_eq!((counts(&outcome), money(&outcome)), (counts(other), money(other)), "seed {seed}, {name}");
        }
        for (sum, count) in seen.iter_mut().zip(counts(&outcome)) {
            *sum += count;
        }
        if seed % each == 0 {
            let (full_trades, full) = long_way(&case);
            let differs = trades.iter().zip(&full_trades).position(|(a, b)| a != b);
            let at = differs.unwrap_or(trades.len().min(full_trades.len())).saturating_sub(3);
            assert_eq!(
                trades,
                full_trades,
                "seed {seed}, from trade {at}:\n{:?}\n{:?}\n{:?}",
                trades.get(at..at + 8),
                full_trades.get(at..at + 8),
                case.plan
            );
            assert_eq!((counts(&outcome), money(&outcome)), (counts(&full), money(&full)), "seed {seed}, the long way");
            long += 1;
        }
    }
    println!(
        "{long} of {all} also went the long way; bars, opened, closed, stops, targets, rungs, liquidations, refused, cancelled: {seen:?}"
    );
    assert!(seen.iter().take(6).all(|count| *count > 100), "{seen:?}");
}

#[test]
fn s10_what_slippage_costs_at_the_entry_is_missing_for_the_rungs() {
    let mut left_out = 0;
    for hundredths in 7_400..7_700 {
        let mut case = case(3, 1);
        case.marks = None;
        case.plan.spec = LadderSpec { rungs: 1, gap: percent(100), ..LadderSpec::default_for(Direction::Long) };
        case.plan.budget = Budget { margin: Notional::from_units(100, 0).unwrap(), leverage_cap: 20 };
        (case.plan.margin_mode, case.plan.profile) = (MarginMode::Cross, presets::binance());
        case.plan.slippage = Factor::from_units(2, 3).unwrap();
        case.plan.wallet = Notional::from_units(hundredths, 2).unwrap();
        let [open, low] = [15_000, 14_800].map(cents);
        case.bars[0] = Bar { open, high: open, low, close: low, ..case.bars[0] };
        case.funding.clear();
        let ((trades, ..), (full, _)) = (short_way(&case, false, usize::MAX), long_way(&case));
        assert_eq!(trades, full, "a wallet of {}", case.plan.wallet);
        left_out += u32::from(trades.len() == 1);
    }
    // Some wallets carry the rung, and some do not.
    assert!((1..300).contains(&left_out), "{left_out}");
}

/// What a walk trades at, some seconds apart: messages have arrived before the next price.
fn trades(draw: &mut ChaCha8Rng, count: usize) -> Vec<Trade> {
    let (mut cents, mut at) = (15_000_i64, START);
    let step = draw.random_range(5..=60_i64);
    let mut trade = |n: usize| {
        let leap = if draw.random_range(0..60) == 0 { draw.random_range(-700..=700) } else { 0 };
        cents = (cents + leap + draw.random_range(-step..=step)).clamp(3_000, 60_000);
        at += draw.random_range(2_000..=6_000);
        let (number, price) = (u64::try_from(n).unwrap(), Price::from_units(cents, 2).unwrap());
        Trade { number, at: VenueMillis(at), price, qty: Qty::from_units(1, 0).unwrap(), buyer_rested: false }
    };
    (0..count).map(&mut trade).collect()
}

fn ticks(trades: &[Trade]) -> Ticks {
    let mut ticks = Ticks::new(cents(1));
    for trade in trades {
        ticks.push(trade).unwrap();
    }
    ticks
}

/// Quantity, price and fee, with the time.
fn by_trades(case: &Case, trades: &[Trade], entries: &At, every: bool, piece: usize) -> (Trades, Outcome) {
    let run = Fast::new(&case.plan, &case.funding, Vec::new()).entering(entries.clone());
    let mut run = if every { run.every_bar() } else { run };
    for piece in trades.chunks(piece) {
        run.play_trades(&ticks(piece)).unwrap();
    }
    let (outcome, deals) = run.finish();
    (deals.iter().map(|d| (d.at.0, d.qty, d.price, d.fee)).collect(), outcome)
}

/// Without the instants so soon after an end that the engine, which looks whether nothing is left, may be busy with it.
fn apart_from_ends(case: &Case, trades: &[Trade], mut instants: Vec<VenueMillis>) -> At {
    loop {
        let entries = At::new(instants.clone());
        let mut run = Fast::new(&case.plan, &case.funding, Vec::new()).entering(entries.clone());
        run.play_trades(&ticks(trades)).unwrap();
        let ends: Vec<_> = run.finish().1.iter().filter(|deal| deal.of.ends()).map(|deal| deal.at.0).collect();
        let before = instants.len();
        instants.retain(|instant| !ends.iter().any(|end| (*end..end + 60_000).contains(&instant.0)));
        if instants.len() == before {
            return entries;
        }
    }
}

#[test]
fn s10_trades_one_by_one_are_the_long_way() {
    let mut seen = [0_u64; 9];
    for seed in 0..60 {
        let case = case(seed, 600);
        let mut draw = ChaCha8Rng::seed_from_u64(seed + 77_000);
        let trades = trades(&mut draw, 3_000);
        let entries: Vec<_> =
            (0..40).map(|n| VenueMillis(START + n * 300_000 + draw.random_range(0..60_000))).collect();
        let entries = apart_from_ends(&case, &trades, entries);
        let (fast, outcome) = by_trades(&case, &trades, &entries, false, usize::MAX);
        for (every, piece) in [(true, usize::MAX), (false, 41)] {
            let (other, slow) = by_trades(&case, &trades, &entries, every, piece);
            assert_eq!(
                (&fast, counts(&outcome), money(&outcome)),
                (&other, counts(&slow), money(&slow)),
                "seed {seed}"
            );
        }
        // It begins with the first price, as a run by prices does.
        let begin = trades[0].at;
        let mut run = Backtest::new(case.plan.clone(), Hostility::None, 1, begin, case.funding.clone());
        run = run.entering(entries);
        run.world_mut().venue.keep_trades(usize::MAX);
        for trade in &trades {
            run.trade(trade);
        }
        let full: Trades = run.world().venue.trades().map(|t| (t.at.0, t.qty, t.price, t.fee)).collect();
        let differs = fast.iter().zip(&full).position(|(a, b)| a != b).unwrap_or(fast.len().min(full.len()));
        let from = differs.saturating_sub(3);
        let part = |all: &Trades| all.iter().skip(from).take(8).copied().collect::<Vec<_>>();
        assert_eq!(fast, full, "seed {seed}, from {from}:\n{:?}\n{:?}\n{:?}", part(&fast), part(&full), case.plan);
        let full = run.finish();
        assert_eq!((counts(&outcome), money(&outcome)), (counts(&full), money(&full)), "seed {seed}");
        for (sum, count) in seen.iter_mut().zip(counts(&outcome)) {
            *sum += count;
        }
    }
    println!("trades, opened, closed, stops, targets, rungs, liquidations, refused, cancelled: {seen:?}");
    assert!(seen.iter().take(6).all(|count| *count > 100), "{seen:?}");
}

/// Enters after a bar that fell, or, where it cheats, before one that rises.
#[derive(Debug, Default)]
struct Turns {
    cheats: bool,
    closes: Vec<(VenueMillis, i32, i32)>,
}

impl Signal for Turns {
    fn next(&mut self, from: VenueMillis) -> Option<VenueMillis> {
        let known = self.closes.iter().position(|(at, ..)| *at >= from)?;
        let bars = self.closes.get(known.max(1)..)?;
        let mut turn = bars.iter().zip(self.closes.get(known.max(1) - 1..)?);
        let found =
            turn.find(|((_, open, close), (_, before, after))| if self.cheats { close > open } else { after < before });
        found.map(|((at, ..), _)| *at)
    }

    fn bars(&mut self, bars: &Columns, part: std::ops::Range<usize>) {
        self.closes.extend(part.filter_map(|place| bars.bar(place)).map(|bar| (bar.open_time, bar.open, bar.close)));
    }
}

#[test]
fn s10_a_signal_that_knows_what_is_to_come_is_found() {
    let places: Vec<_> = (0..600).collect();
    let mut cheats_found = 0;
    for seed in 0..8 {
        let case = case(seed, 600);
        let bars = columns(&case.bars);
        let signal = |cheats| Turns { cheats, ..Turns::default() };
        let ahead = |cheats| looks_ahead(&case.plan, &case.funding, &bars, || signal(cheats), &places).unwrap();
        assert_eq!(ahead(false), None, "seed {seed}");
        let mut run = Fast::new(&case.plan, &case.funding, ()).entering(signal(true));
        run.play(&bars).unwrap();
        // A ladder that never opens cannot tell.
        if run.finish().0.positions_opened > 0 {
            assert!(ahead(true).is_some(), "seed {seed}");
            cheats_found += 1;
        }
    }
    assert!(cheats_found >= 4, "{cheats_found}");
}

/// The same run in an account with others.
fn beside<'a>(cases: &'a [Case], bars: &'a [Columns], wallet: Notional, slots: usize) -> Sum<Vec<Deal>> {
    let mut account = Portfolio::new(wallet, slots);
    for (case, bars) in cases.iter().zip(bars) {
        account.add(Fast::new(&case.plan, &case.funding, Vec::new()), bars);
    }
    account.play().unwrap()
}

/// How many positions were open at once, by the times of their trades.
fn most_open(all: &[&Vec<Deal>]) -> i64 {
    let mut changes: Vec<(i64, i64)> = Vec::new();
    for deal in all.iter().flat_map(|deals| deals.iter()) {
        match deal.of {
            Part::Entry => changes.push((deal.at.0, 1)),
            of if of.ends() => changes.push((deal.at.0, -1)),
            _ => {}
        }
    }
    // What ends in a bar may end before another one begins in it.
    changes.sort_unstable();
    let mut open = 0;
    changes
        .iter()
        .map(|(_, change)| {
            open += change;
            open
        })
        .max()
        .unwrap_or(0)
}

#[test]
fn s10_contracts_that_share_nothing_but_an_account_trade_as_if_alone() {
    let (mut opened, mut liquidated) = (0, 0);
    for seed in 0..40 {
        let mut cases: Vec<Case> = (0..3).map(|n| case(seed * 3 + n, 400)).collect();
        for case in &mut cases {
            case.plan.wallet = Notional::from_units(20_000, 0).unwrap();
        }
        let bars: Vec<Columns> = cases.iter().map(|case| case.columns(0..case.bars.len())).collect();
        let alone = |case: &Case| short_way(case, false, usize::MAX);
        // One alone, in whatever mode.
        for (case, bars) in cases.iter().zip(&bars) {
            let sum = beside(std::slice::from_ref(case), std::slice::from_ref(bars), case.plan.wallet, 1);
            let (_, outcome, deals) = alone(case);
            assert_eq!(
                (&sum.each[0].1, sum.pnl, sum.max_drawdown),
                (&deals, outcome.pnl, outcome.max_drawdown),
                "{seed}"
            );
        }
        // Three with margins of their own and a wallet for all.
        for case in &mut cases {
            case.plan.margin_mode = MarginMode::Isolated;
            case.plan.wallet = Notional::from_units(1_000_000, 0).unwrap();
        }
        let sum = beside(&cases, &bars, Notional::from_units(3_000_000, 0).unwrap(), 3);
        let mut pnl = Notional::ZERO;
        for (case, (outcome, deals)) in cases.iter().zip(&sum.each) {
            let (_, by_itself, its_deals) = alone(case);
            assert_eq!(
                (deals, outcome.pnl, counts(outcome)),
                (&its_deals, by_itself.pnl, counts(&by_itself)),
                "{seed}"
            );
            pnl = pnl.checked_add(outcome.pnl).unwrap();
            opened += outcome.positions_opened;
            liquidated += outcome.liquidations;
        }
        assert_eq!(pnl, sum.pnl);
    }
    assert!(opened > 1_000 && liquidated > 10, "{opened} {liquidated}");
}

#[test]
fn s10_no_more_positions_are_open_than_there_are_slots_and_one_wallet_stands_behind_all() {
    let (mut full, mut fewer, mut earlier) = (0, 0, 0);
    for seed in 0..40 {
        let mut cases: Vec<Case> = (0..4).map(|n| case(seed * 4 + n, 400)).collect();
        for case in &mut cases {
            case.plan.margin_mode = MarginMode::Cross;
        }
        let bars: Vec<Columns> = cases.iter().map(|case| case.columns(0..case.bars.len())).collect();
        let wallet = Notional::from_units(1_500, 0).unwrap();
        for slots in 1..=4 {
            let sum = beside(&cases, &bars, wallet, slots);
            let deals: Vec<_> = sum.each.iter().map(|(_, deals)| deals).collect();
            assert!(sum.most_open <= slots && most_open(&deals) <= slots as i64, "{seed}, {slots}");
            full += u64::from(sum.most_open == slots);
            let pnl = sum.each.iter().fold(Notional::ZERO, |pnl, (one, _)| pnl.checked_add(one.pnl).unwrap());
            assert_eq!(pnl, sum.pnl);
        }
        let all = beside(&cases, &bars, wallet, 4);
        for (case, (outcome, _)) in cases.iter_mut().zip(&all.each) {
            case.plan.wallet = wallet;
            let by_itself = short_way(case, false, usize::MAX).1;
            fewer += u64::from(outcome.positions_opened < by_itself.positions_opened);
            earlier += u64::from(outcome.liquidations > by_itself.liquidations);
        }
    }
    println!("{full} filled their slots, {fewer} opened fewer than alone, {earlier} were liquidated more often");
    assert!(full > 100 && fewer > 20 && earlier > 0, "{full} {fewer} {earlier}");
}
