//! Sizing against an independent slow oracle: whole numbers only, no decimal type, no shared code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use kraite_core::exchange::Direction;
use kraite_core::id::Symbol;
use kraite_core::instrument::{Instrument, LeverageBracket, PriceBand};
use kraite_core::number::{Factor, Notional, Percent, Price, Qty};
use kraite_core::plan::{TargetStyle, check_ladder};
use kraite_core::rounding::{ceil_price, ceil_qty, floor_price, floor_qty};
use kraite_core::sizing::{
    Budget, Fix, LadderSpec, SizeRequest, SizingModel, TargetBasis, TargetRequest, choose_leverage, draft, rebuild,
    size, stop_price, target_price,
};
use proptest::prelude::*;

/// Everything in whole numbers: prices and quantities in 10^-8, money in cents, percentages in 10^-2,
/// multipliers in 10^-1, the fee in 10^-5.
#[derive(Debug, Clone)]
struct Case {
    long: bool,
    bounded: bool,
    tick: i128,
    lot: i128,
    mark: i128,
    rungs: u8,
    gap: i128,
    multipliers: Vec<i128>,
    profit: i128,
    stop: i128,
    fee: i128,
    margin: i128,
    cap: u32,
    brackets: Vec<(i128, u32)>,
    min_notional: i128,
}

fn cases() -> impl Strategy<Value = Case> {
    let grids = (prop::sample::select(vec![1, 10, 50, 100, 2_500, 1_000_000, 10_000_000]), 0_u32..9);
    let market = (grids, 20_i128..200_000, 0_i128..100, any::<bool>(), any::<bool>());
    let shape = (0_u8..=5, 1_i128..2_400, prop::collection::vec(1_i128..40, 1..5), 1_i128..500, 1_i128..3_000);
    let account = (0_i128..100, 100_i128..2_000_000, 1_u32..=130, 0_i128..2_000);
    let table = prop::collection::vec((10_000_i128..10_000_000, 1_u32..=125), 0..4);
    (market, shape, account, table).prop_map(|(market, shape, account, brackets)| {
        let ((tick, lot_power), ticks, part, long, bounded) = market;
        let (rungs, gap, multipliers, profit, stop) = shape;
        let (fee, margin, cap, min_notional) = account;
        let mark = tick * ticks + tick * part / 100;
        let lot = 10_i128.pow(lot_power);
        Case {
            long,
            bounded,
            tick,
            lot,
            mark,
            rungs,
            gap,
            multipliers,
            profit,
            stop,
            fee,
            margin,
            cap,
            brackets,
            min_notional,
        }
    })
}

fn small<T>(make: fn(i64, u32) -> Option<T>, units: i128, places: u32) -> T {
    make(i64::try_from(units).unwrap(), places).unwrap()
}

/// The whole number of 10^-`places` in a plain decimal text.
fn units(text: impl ToString, places: usize) -> i128 {
    let text = text.to_string();
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    assert!(part.len() <= places, "{text} has more than {places} places");
    format!("{whole}{part:0<places$}").parse().unwrap()
}

struct Built {
    instrument: Instrument,
    spec: LadderSpec,
    budget: Budget,
    mark: Price,
}

impl Built {
    fn request(&self) -> SizeRequest<'_> {
        SizeRequest { instrument: &self.instrument, spec: &self.spec, budget: &self.budget, mark: self.mark }
    }
}

fn build(case: &Case) -> Built {
    #[cfg(kraite_zoo)]
    let _ = std::env::var("KRAITE_BUG").map(|id| kraite_core::zoo::wake_by_id(&id));
    let most: Qty = "1000000000000".parse().unwrap();
    let lot = small(Qty::from_units, case.lot, 8);
    let fee = small(Factor::from_units, case.fee, 5);
    let mut brackets: Vec<LeverageBracket> = case
        .brackets
        .iter()
        .map(|(cap, max_leverage)| LeverageBracket {
            max_leverage: *max_leverage,
            notional_floor: Notional::ZERO,
            notional_cap: small(Notional::from_units, *cap, 2),
            maintenance_ratio: Factor::ZERO,
            maintenance_deduction: Notional::ZERO,
        })
        .collect();
    brackets.sort_by_key(|b| b.notional_cap);
    let instrument = Instrument {
        symbol: Symbol::new("X"),
        quote: "USDT".into(),
        tick: small(Price::from_units, case.tick, 8),
        lot,
        market_lot: lot,
        min_qty: lot,
        max_qty: most,
        max_market_qty: most,
        min_price: Price::ZERO,
        max_price: None,
        min_notional: small(Notional::from_units, case.min_notional, 2),
        band: PriceBand::default(),
        max_orders: None,
        brackets,
        maker_fee: fee,
        taker_fee: fee,
    };
    let spec = LadderSpec {
        direction: if case.long { Direction::Long } else { Direction::Short },
        rungs: case.rungs,
        gap: small(Percent::from_units, case.gap, 2),
        multipliers: case.multipliers.iter().map(|m| small(Factor::from_units, *m, 1)).collect(),
        profit: small(Percent::from_units, case.profit, 2),
        stop: small(Percent::from_units, case.stop, 2),
        model: if case.bounded { SizingModel::Bounded } else { SizingModel::Unbounded },
        basis: TargetBasis::AverageEntry,
        headroom: "0.5".parse().unwrap(),
    };
    let budget = Budget { margin: small(Notional::from_units, case.margin, 2), leverage_cap: case.cap };
    Built { instrument, spec, budget, mark: small(Price::from_units, case.mark, 8) }
}

/// The oracle's ladder: `(price, quantity)` of the entry, then of every rung, zero sizes included.
struct Oracle {
    legs: Vec<(i128, i128)>,
}

impl Case {
    fn reference(&self) -> i128 {
        self.mark / self.tick * self.tick
    }

    /// `from` moved by `hundredths` of a percent, up or down, floored to the tick.
    fn moved(&self, from: i128, hundredths: i128, up: bool) -> i128 {
        let factor = if up { 10_000 + hundredths } else { 10_000 - hundredths };
        (from * factor).div_euclid(10_000 * self.tick) * self.tick
    }

    fn prices(&self) -> Option<Vec<i128>> {
        let all = (1..=i128::from(self.rungs)).map(|i| self.moved(self.reference(), i * self.gap, !self.long));
        let all: Vec<i128> = all.collect();
        all.iter().all(|p| *p > 0).then_some(all)
    }

    fn ladder(&self, leverage: u32, prices: &[i128]) -> Oracle {
        let n = u32::from(self.rungs);
        let capital = self.margin * i128::from(leverage);
        // Weight of leg i over 10^i, brought to the common denominator 10^N.
        let mut weights = vec![10_i128.pow(n)];
        let mut product = 1;
        for i in 1..=n {
            let last = self.multipliers.len() - 1;
            product *= self.multipliers[last.min(i as usize - 1)];
            weights.push(product * 10_i128.pow(n - i));
        }
        // Cents to units of 10^-8 x 10^-8 is 14 powers of ten.
        let money = capital * 10_i128.pow(14);
        let all: Vec<i128> = [self.reference()].into_iter().chain(prices.iter().copied()).collect();
        let sum: i128 = weights.iter().sum();
        let divider = if n == 0 { 1 } else { 2_i128.pow(n + 1) };
        let entry = money / (divider * self.reference() * self.lot) * self.lot;
        let legs = all.iter().zip(&weights).enumerate().map(|(i, (price, weight))| {
            let qty = match (self.bounded, i) {
                (true, _) => money * weight / (sum * price * self.lot) * self.lot,
                (false, 0) => entry,
                (false, _) => entry * weight / (weights[0] * self.lot) * self.lot,
            };
            (*price, qty)
        });
        Oracle { legs: legs.collect() }
    }

    /// The largest leverage by trying every one of them.
    fn leverage(&self, prices: &[i128]) -> Option<u32> {
        if self.brackets.is_empty() {
            return Some(self.cap);
        }
        (1..=self.cap).rev().find(|leverage| {
            let used = self.margin * i128::from(*leverage) * 10_i128.pow(14);
            let needed = used.max(self.ladder(*leverage, prices).cost());
            self.brackets.iter().any(|(cap, most)| most >= leverage && needed < cap * 10_i128.pow(14))
        })
    }

    /// The opening target, by walking ticks.
    fn target(&self) -> i128 {
        let reference = self.reference();
        let past = |price: i128, other: i128| if self.long { price > other } else { price < other };
        let profitable = |price: i128| {
            let (out, paid) = if self.long {
                (100_000 - self.fee, 100_000 + self.fee)
            } else {
                (100_000 + self.fee, 100_000 - self.fee)
            };
            past(price * out, reference * paid) && past(price, reference)
        };
        let step = if self.long { self.tick } else { -self.tick };
        let nearest = |from: i128, good: &dyn Fn(i128) -> bool| {
            let first = self.moved(from, self.profit, self.long);
            if good(first) {
                return first;
            }
            let mut price = reference;
            while !good(price) {
                price += step;
            }
            price
        };
        let target = nearest(reference, &profitable);
        if past(target, self.mark) { target } else { nearest(self.mark, &|p| profitable(p) && past(p, self.mark)) }
    }

    /// The profit of the full ladder where no tick had to be given up to the fees; `None` elsewhere, and
    /// where the target falls exactly on a tick, which an average cut to 28 digits may just miss.
    fn full_profit(&self, oracle: &Oracle) -> Option<i128> {
        let (cost, qty) = (oracle.cost(), oracle.legs.iter().map(|(_, q)| q).sum::<i128>());
        let factor = if self.long { 10_000 + self.profit } else { 10_000 - self.profit };
        let (raw, over) = (cost * factor, qty * 10_000 * self.tick);
        if qty == 0 || raw % over == 0 {
            return None;
        }
        let target = raw / over * self.tick;
        let profit = if self.long { target * qty - cost } else { cost - target * qty };
        let fees = self.fee * (target * qty + cost);
        (profit > 0 && profit * 100_000 > fees).then_some(profit)
    }

    fn stop_at(&self, anchor: i128) -> i128 {
        let price = self.moved(anchor, self.stop, !self.long);
        if !self.long && price <= anchor { anchor + self.tick } else { price }
    }
}

impl Oracle {
    fn cost(&self) -> i128 {
        self.legs.iter().map(|(p, q)| p * q).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn f_the_ladder_agrees_with_the_oracle(case in cases()) {
        let built = build(&case);
        let draft = draft(&built.request());
        let Some(prices) = case.prices() else {
            prop_assert!(draft.refused.is_some());
            return Ok(());
        };
        let leverage = case.leverage(&prices);
        prop_assert_eq!(draft.leverage, Some(leverage.unwrap_or(1)));
        let oracle = case.ladder(leverage.unwrap_or(1), &prices);
        let entry = draft.entry.unwrap();
        prop_assert_eq!((units(entry.reference_price, 8), units(entry.qty, 8)), oracle.legs[0]);
        let kept: Vec<(i128, i128)> = oracle.legs[1..].iter().copied().filter(|(_, q)| *q > 0).collect();
        let rungs: Vec<(i128, i128)> = draft.rungs.iter().map(|r| (units(r.price, 8), units(r.qty, 8))).collect();
        prop_assert_eq!(&rungs, &kept);
        prop_assert_eq!(draft.dropped.len(), oracle.legs.len() - 1 - kept.len());
        prop_assert_eq!(units(draft.total_notional.unwrap(), 16), oracle.cost());
        prop_assert_eq!(units(draft.capital.unwrap(), 2), case.margin * i128::from(draft.leverage.unwrap()));
        let anchor = kept.last().map_or(case.reference(), |(price, _)| *price);
        let stop = case.stop_at(anchor);
        if stop > 0 {
            prop_assert_eq!(draft.stop.map(|p| units(p, 8)), Some(stop));
            let lost = |(price, qty): &(i128, i128)| if case.long { (price - stop) * qty } else { (stop - price) * qty };
            let loss: i128 = oracle.legs.iter().map(lost).filter(|l| *l > 0).sum();
            prop_assert_eq!(units(draft.max_loss.unwrap(), 16), loss);
        } else {
            prop_assert_eq!(draft.stop, None);
        }
        if let (Some(profit), Some(expected)) = (draft.full_ladder_profit, case.full_profit(&oracle)) {
            prop_assert_eq!(units(profit, 16), expected);
        }
        let target = case.target();
        prop_assert_eq!(draft.target.map(|p| units(p, 8)), (target > 0).then_some(target));
    }

    #[test]
    fn r36_a_ladder_that_is_not_refused_holds_every_rule(case in cases()) {
        let built = build(&case);
        let Ok(ladder) = size(&built.request()) else { return Ok(()) };
        prop_assert_eq!(check_ladder(&ladder, &built.instrument, built.mark, TargetStyle::TriggerMarket), Ok(()));
        prop_assert!(ladder.total_notional <= ladder.capital);
        prop_assert!(ladder.full_ladder_profit.is_positive());
    }

    #[test]
    fn r36_bounded_sizes_never_exceed_the_margin_even_when_refused(mut case in cases()) {
        case.bounded = true;
        let draft = draft(&build(&case).request());
        if let (Some(total), Some(capital)) = (draft.total_notional, draft.capital) {
            prop_assert!(total <= capital, "{total} of {capital}");
        }
    }

    #[test]
    fn r27_a_rebuild_stays_within_rules_and_margin(case in cases(), slip in -300_i128..300, part in 1_i128..=100) {
        let built = build(&case);
        let Ok(ladder) = size(&built.request()) else { return Ok(()) };
        let fill = case.reference() * (10_000 + slip) / 10_000;
        let filled = (units(ladder.entry.qty, 8) * part / 100 / case.lot * case.lot).max(case.lot);
        // What is drawn for a tiny mark may be more lots than `small` has room for.
        prop_assume!(fill > 0 && filled <= i128::from(i64::MAX));
        let (fill_price, qty) = (small(Price::from_units, fill, 8), small(Qty::from_units, filled, 8));
        let again = rebuild(&ladder, &built.spec, &built.instrument, fill_price, qty);
        prop_assert_eq!(again.rungs.len() + again.dropped.len(), ladder.rungs.len());
        let cost = again.rungs.iter().map(|r| units(r.price, 8) * units(r.qty, 8)).sum::<i128>() + fill * filled;
        let capital = units(ladder.capital, 16);
        prop_assert!(cost <= capital || fill * filled > capital, "{cost} of {capital}");
        for rung in &again.rungs {
            prop_assert!(rung.price.checked_mul(rung.qty).unwrap() >= built.instrument.min_notional);
            prop_assert_eq!(units(rung.qty, 8) % case.lot, 0);
            prop_assert_eq!(units(rung.price, 8) % case.tick, 0);
        }
        let beyond = |p: Price| if case.long { p < again.anchor } else { p > again.anchor };
        prop_assert!(beyond(again.stop) || again.stop == ladder.stop);
        let inside_headroom = (-50..=50).contains(&slip) && part == 100;
        if inside_headroom && !case.bounded {
            prop_assert!(again.dropped.is_empty(), "{again:?}");
        }
    }

    #[test]
    fn r83_a_target_is_strictly_profitable_and_never_triggers_at_once(
        case in cases(),
        basis in 1_i128..10_000_000_000_000,
        shift in -500_i128..500,
    ) {
        let built = build(&case);
        let mark = small(Price::from_units, (basis * (10_000 + shift) / 10_000).max(1), 8);
        let (basis_price, direction) = (small(Price::from_units, basis, 8), built.spec.direction);
        let request = TargetRequest {
            direction,
            basis: basis_price,
            break_even: basis_price,
            profit: built.spec.profit,
            instrument: &built.instrument,
            mark: Some(mark),
        };
        let Ok(target) = target_price(&request) else {
            prop_assert_eq!(direction, Direction::Short, "a LONG target has no bound here");
            return Ok(());
        };
        prop_assert_eq!(units(target, 8) % case.tick, 0);
        let past = |other: Price| if case.long { target > other } else { target < other };
        prop_assert!(past(basis_price) && past(mark));
        let floored = case.moved(basis, case.profit, case.long);
        let unmoved = if case.long { floored > basis && floored > units(mark, 8) } else { floored < basis && floored < units(mark, 8) };
        if unmoved {
            prop_assert_eq!(units(target, 8), floored);
        }
    }

    #[test]
    fn f_a_stop_is_floored_and_strictly_beyond_its_anchor(case in cases(), ticks in 1_i128..1_000_000) {
        let built = build(&case);
        let anchor = small(Price::from_units, ticks * case.tick, 8);
        match stop_price(built.spec.direction, anchor, built.spec.stop, &built.instrument) {
            Ok(stop) => {
                prop_assert_eq!(units(stop, 8), case.stop_at(ticks * case.tick));
                let beyond = if case.long { stop < anchor } else { stop > anchor };
                prop_assert!(beyond, "{stop} against {anchor}");
            }
            Err(_) => prop_assert!(case.stop_at(ticks * case.tick) <= 0),
        }
    }

    #[test]
    fn f_rounding_keeps_its_direction(value in 0_i128..1_000_000_000_000, step in 1_i128..1_000_000) {
        let (price, tick) = (small(Price::from_units, value, 8), small(Price::from_units, step, 8));
        let (qty, lot) = (small(Qty::from_units, value, 8), small(Qty::from_units, step, 8));
        let (down, up) = (value / step * step, (value + step - 1) / step * step);
        prop_assert_eq!(units(floor_price(price, tick).unwrap(), 8), down);
        prop_assert_eq!(units(ceil_price(price, tick).unwrap(), 8), up);
        prop_assert_eq!(units(floor_qty(qty, lot).unwrap(), 8), down);
        prop_assert_eq!(units(ceil_qty(qty, lot).unwrap(), 8), up);
    }

    #[test]
    fn r36_the_chosen_leverage_is_the_largest_that_fits(
        table in prop::collection::vec((1_i64..100_000, 1_u32..=150), 0..6),
        cap in 0_u32..=150,
        margin in 1_i64..5_000,
        share in 0_i64..300,
    ) {
        let brackets: Vec<LeverageBracket> = table
            .iter()
            .map(|(cap, max_leverage)| LeverageBracket {
                max_leverage: *max_leverage,
                notional_floor: Notional::ZERO,
                notional_cap: Notional::from_units(*cap, 0).unwrap(),
                maintenance_ratio: Factor::ZERO,
                maintenance_deduction: Notional::ZERO,
            })
            .collect();
        let ladder = |l: u32| Ok(Notional::from_units(margin * i64::from(l) * share / 100, 0).unwrap());
        let chosen = choose_leverage(&brackets, cap, Notional::from_units(margin, 0).unwrap(), ladder);
        let fits = |l: u32| {
            let needed = (margin * i64::from(l)).max(margin * i64::from(l) * share / 100);
            table.is_empty() || table.iter().any(|(cap, most)| *most >= l && needed < *cap)
        };
        prop_assert_eq!(chosen, (1..=cap).rev().find(|l| fits(*l)));
    }
}

/// The oracle itself reproduces the worked LONG example, or it would prove nothing.
#[test]
fn f_the_oracle_knows_the_worked_example() {
    let case = Case {
        long: true,
        bounded: false,
        tick: 1_000_000,
        lot: 1_000_000,
        mark: 15_023_700_000,
        rungs: 4,
        gap: 850,
        multipliers: vec![20],
        profit: 36,
        stop: 250,
        fee: 50,
        margin: 10_000,
        cap: 20,
        brackets: vec![(25_000_000, 10), (10_000_000, 25), (2_500_000, 50), (500_000, 75)],
        min_notional: 500,
    };
    let prices = case.prices().unwrap();
    assert_eq!(case.leverage(&prices), Some(20));
    let oracle = case.ladder(20, &prices);
    let cents: Vec<(i128, i128)> = oracle.legs.iter().map(|(p, q)| (p / 1_000_000, q / 1_000_000)).collect();
    assert_eq!(cents, [(15_023, 41), (13_746, 82), (12_469, 164), (11_192, 328), (9_915, 656)]);
    assert_eq!(oracle.cost(), 13_963_247 * 10_i128.pow(12));
    assert_eq!((case.target(), case.stop_at(prices[3])), (15_077_000_000, 9_667_000_000));
    assert_eq!(case.full_profit(&oracle), Some(49_528 * 10_i128.pow(12)));
}

fn apply(built: &Built, fix: &Fix) -> Built {
    let (mut spec, mut budget) = (built.spec.clone(), built.budget.clone());
    match fix.flag.as_str() {
        "margin" => budget.margin = fix.value.parse().unwrap(),
        "gap" => spec.gap = fix.value.parse().unwrap(),
        "profit" => spec.profit = fix.value.parse().unwrap(),
        "stop" => spec.stop = fix.value.parse().unwrap(),
        "rungs" => spec.rungs = fix.value.parse().unwrap(),
        "leverage-cap" => budget.leverage_cap = fix.value.parse().unwrap(),
        "sizing" => spec.model = SizingModel::Bounded,
        other => panic!("unknown flag {other}"),
    }
    Built { instrument: built.instrument.clone(), spec, budget, mark: built.mark }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn r26_the_smallest_fix_makes_the_whole_ladder_hold(case in cases()) {
        let built = build(&case);
        let Some(refusal) = draft(&built.request()).refused else { return Ok(()) };
        prop_assert_eq!(size(&built.request()).unwrap_err(), refusal.clone());
        let Some(fix) = refusal.smallest_fix else { return Ok(()) };
        let next = draft(&apply(&built, &fix).request()).refused;
        prop_assert!(next.is_none(), "{fix:?} leads to {next:?}");
    }
}
