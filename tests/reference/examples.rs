//! The worked numbers of requirements F, computed by the reference; and the reference beside the core's own functions.

use kraite_core::exchange::{Direction, MarginMode, TriggerBy};
use kraite_core::number::{Factor, Notional, Percent, Price, Qty};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::sizing::{self, Budget, LadderSpec, Rule, SizeRequest, SizingModel, TargetBasis, TargetRequest};
use kraite_core::time::VenueMillis;
use kraite_sim::backtest::{Part, Plan};
use kraite_sim::data::Bar;
use kraite_sim::presets;
use kraite_sim::world::Latency;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::cases::{Case, drawn};
use crate::decimal::{Decimal, ceil, decimal, floor, quotient, typed, zero};
use crate::ladder::{Filled, Ladder, Rung};
use crate::terms::Terms;

/// The setup of every example: balance 2000, slice 5 %, cap 20x.
fn plan(direction: Direction, model: SizingModel) -> Plan {
    Plan {
        instrument: presets::instrument(),
        spec: LadderSpec { model, ..LadderSpec::default_for(direction) },
        budget: Budget { margin: "100".parse().unwrap(), leverage_cap: 20 },
        sequence: Sequence::LadderFirst,
        target_style: TargetStyle::TriggerMarket,
        stop_by: TriggerBy::Mark,
        margin_mode: MarginMode::Cross,
        wallet: "2000".parse().unwrap(),
        profile: presets::binance(),
        latency: Latency::FAR,
        slippage: Factor::default(),
    }
}

fn number(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// So many decimals of it, as F prints them.
fn printed(value: &Decimal, decimals: i64) -> String {
    value.with_scale_round(decimals, bigdecimal::RoundingMode::HalfEven).to_plain_string()
}

/// Each rung as `price x quantity = notional`.
fn rows(ladder: &Ladder) -> Vec<String> {
    let row = |rung: &Rung| {
        let (price, qty) = (printed(&rung.price, 2), printed(&rung.qty, 2));
        format!("{price} x {qty} = {}", printed(&(&rung.price * &rung.qty), 4))
    };
    ladder.rungs.iter().map(row).collect()
}

/// Average, target and size after the entry and each rung.
fn after_each(terms: &Terms, ladder: &Ladder) -> Vec<(String, String, String)> {
    let cost = &ladder.reference * &ladder.entry;
    let mut filled = Filled { qty: ladder.entry.clone(), cost, fees: zero() };
    let fill = |rung: &Rung| {
        filled.qty += &rung.qty;
        filled.cost += &rung.price * &rung.qty;
        let average = filled.average();
        let target = terms.target(&average, &terms.break_even(&average), None).unwrap();
        (printed(&filled.qty, 2), printed(&average, 8), printed(&target, 2))
    };
    ladder.rungs.iter().map(fill).collect()
}

/// What is lost when every order has filled and then the stop.
fn max_pain(terms: &Terms, ladder: &Ladder) -> Decimal {
    let first = (&ladder.reference, &ladder.entry);
    let legs = std::iter::once(first).chain(ladder.rungs.iter().map(|rung| (&rung.price, &rung.qty)));
    let lost = |price: &Decimal| if terms.is_long { price - &ladder.stop } else { &ladder.stop - price };
    legs.map(|(price, qty)| lost(price).max(zero()) * qty).sum()
}

#[test]
fn f_the_long_example_to_the_last_digit() {
    let terms = Terms::of(&plan(Direction::Long, SizingModel::Unbounded), None);
    let ladder = terms.size(&number("150.237")).unwrap();
    assert_eq!((ladder.leverage, &ladder.capital), (20, &number("2000")));
    assert_eq!((&ladder.reference, &ladder.entry), (&number("150.23"), &number("0.41")));
    assert_eq!(&ladder.reference * &ladder.entry, number("61.5943"));
    assert_eq!(
        rows(&ladder),
        ["137.46 x 0.82 = 112.7172", "124.69 x 1.64 = 204.4916", "111.92 x 3.28 = 367.0976", "99.15 x 6.56 = 650.4240"]
    );
    assert_eq!(ladder.total(), number("1396.3247"));
    assert_eq!((&ladder.target, &ladder.stop), (&number("150.77"), &number("96.67")));
    assert_eq!(max_pain(&terms, &ladder), number("167.6490"));
    let after = after_each(&terms, &ladder);
    let rows: Vec<_> = after.iter().map(|(q, a, t)| (q.as_str(), a.as_str(), t.as_str())).collect();
    assert_eq!(
        rows,
        [
            ("1.23", "141.71666667", "142.22"),
            ("2.87", "131.98714286", "132.46"),
            ("6.15", "121.28466667", "121.72"),
            ("12.71", "109.86032258", "110.25")
        ]
    );
    let won = number("110.25") * number("12.71") - ladder.total();
    assert_eq!(printed(&won, 4), "4.9528");
    assert_eq!((number("150.77") - &ladder.reference) * &ladder.entry, number("0.2214"));
}

#[test]
fn f_the_short_example_to_the_last_digit_and_trap_2() {
    let terms = Terms::of(&plan(Direction::Short, SizingModel::Unbounded), None);
    let mark = number("150.237");
    // Trap 2: 124.14 of margin where 100 are allotted.
    assert_eq!(terms.size(&mark).unwrap_err(), Rule::MarginOverrun);
    let mut ladder = terms.ladder_at(20, &mark).unwrap();
    assert_eq!(
        rows(&ladder),
        [
            "164.50 x 0.82 = 134.8900",
            "178.77 x 1.64 = 293.1828",
            "193.04 x 3.28 = 633.1712",
            "207.31 x 6.56 = 1359.9536"
        ]
    );
    assert_eq!(ladder.total(), number("2482.7919"));
    assert_eq!(printed(&(ladder.total() / number("20")), 2), "124.14");
    ladder.stop = terms.stop(&number("207.31")).unwrap();
    assert_eq!(ladder.stop, number("212.49"));
    assert_eq!(max_pain(&terms, &ladder), number("217.9560"));
    let reference = ladder.reference.clone();
    assert_eq!(terms.target(&reference, &terms.break_even(&reference), None).unwrap(), number("149.68"));
    let after = after_each(&terms, &ladder);
    let targets: Vec<_> = after.iter().map(|(.., target)| target.as_str()).collect();
    assert_eq!(targets, ["159.16", "170.00", "181.91", "194.63"]);
    assert_eq!(after[3].1, "195.34161290");
}

#[test]
fn f_leverage_and_trap_1() {
    let leverage = |brackets: &[(u32, i64)], margin: &str| {
        let mut plan = plan(Direction::Long, SizingModel::Unbounded);
        plan.budget.margin = margin.parse().unwrap();
        let like = plan.instrument.brackets[0];
        let bracket = |&(max_leverage, cap): &(u32, i64)| {
            let notional_cap = Notional::from_units(cap, 0).unwrap();
            kraite_core::instrument::LeverageBracket { max_leverage, notional_cap, ..like }
        };
        plan.instrument.brackets = brackets.iter().map(bracket).collect();
        Terms::of(&plan, None).size(&number("150.237")).unwrap().leverage
    };
    assert_eq!(leverage(&[(75, 5_000), (50, 25_000), (25, 100_000), (10, 250_000)], "100"), 20);
    assert_eq!(leverage(&[(75, 5_000), (50, 10_000), (10, 20_000)], "600"), 16);
    assert_eq!(leverage(&[], "600"), 20);
}

#[test]
fn f_chaining_feasibility_rounding_and_the_bounded_budget() {
    let mut chained = plan(Direction::Long, SizingModel::Unbounded);
    chained.spec.multipliers = vec!["1.5".parse().unwrap()];
    let ladder = Terms::of(&chained, None).size(&number("150.237")).unwrap();
    let sizes: Vec<_> = ladder.rungs.iter().take(2).map(|rung| printed(&rung.qty, 2)).collect();
    assert_eq!(sizes, ["0.61", "0.92"], "0.615 and 0.9225, not 1.5 x 0.61");

    // An entry of 16.92 whose first rung is below the minimum.
    let mut incident = plan(Direction::Short, SizingModel::Unbounded);
    incident.instrument.tick = "0.0000001".parse().unwrap();
    incident.instrument.min_price = "0.0000001".parse().unwrap();
    incident.instrument.lot = "1".parse().unwrap();
    incident.instrument.market_lot = "1".parse().unwrap();
    incident.spec.multipliers = vec!["0.2".parse().unwrap()];
    incident.budget.margin = "27.08".parse().unwrap();
    let terms = Terms::of(&incident, None);
    let mark = number("0.0407820");
    let ladder = terms.ladder_at(20, &mark).unwrap();
    assert_eq!((ladder.entry, &ladder.rungs[0].qty), (number("415"), &number("83")));
    assert_eq!(terms.size(&mark).unwrap_err(), Rule::MinNotional);

    // Trap 3: 0.05018 on a tick of 0.0005 would be the entry.
    let mut coarse = plan(Direction::Long, SizingModel::Unbounded);
    coarse.instrument.tick = "0.0005".parse().unwrap();
    coarse.instrument.min_price = "0.0005".parse().unwrap();
    let terms = Terms::of(&coarse, None);
    let entry = number("0.0500");
    assert_eq!(terms.target(&entry, &terms.break_even(&entry), None).unwrap(), number("0.0505"));

    // The notionals of entry and rungs add up to the budget.
    let terms = Terms::of(&plan(Direction::Short, SizingModel::Bounded), None);
    let last = number("2000") * &terms.weights[4] / &terms.parts;
    assert_eq!(printed(&last, 3), "1032.258");
    assert_eq!(printed(&(number("2000") / &terms.parts), 3), "64.516");
    assert_eq!(&terms.parts / &terms.weights[4], number("1.9375"));
}

#[test]
fn f_targets_from_a_break_even_and_from_a_mark() {
    let target = |direction, basis: &str| {
        let terms = Terms::of(&plan(direction, SizingModel::Unbounded), None);
        terms.target(&number(basis), &number(basis), None).unwrap()
    };
    assert_eq!(target(Direction::Long, "141.80"), number("142.31"));
    assert_eq!(target(Direction::Long, "151.10"), number("151.64"));
    assert_eq!(target(Direction::Short, "149.40"), number("148.86"));
}

/// Beside the core's own functions, on numbers that are drawn.
#[test]
fn f_average_break_even_target_stop_and_maintenance_are_the_cores_own() {
    let mut draw = ChaCha8Rng::seed_from_u64(7);
    for seed in 0..2_000 {
        let case = drawn(seed, 1);
        let (plan, terms) = (&case.plan, Terms::of(&case.plan, None));
        let (rules, direction) = (&plan.instrument, plan.spec.direction);
        let fills: Vec<_> = (0..draw.random_range(1..=6))
            .map(|_| {
                let price = Price::from_units(draw.random_range(1..90_000_000), draw.random_range(0..=6)).unwrap();
                (price, Qty::from_units(draw.random_range(1..1_000_000), draw.random_range(0..=3)).unwrap())
            })
            .collect();
        let qty = fills.iter().map(|(_, qty)| decimal(qty)).sum::<Decimal>();
        let cost = fills.iter().map(|(price, qty)| decimal(price) * decimal(qty)).sum::<Decimal>();
        let fees = &cost * decimal(rules.maker_fee);
        let filled = Filled { qty, cost, fees };
        let average = filled.average();
        let theirs = sizing::average_entry(fills.iter().copied()).unwrap().unwrap();
        assert_eq!(average, decimal(theirs), "seed {seed}");

        let taker = rules.taker_fee;
        let break_even = sizing::break_even(direction, theirs, taker, taker).unwrap();
        let ours = terms.break_even(&average);
        assert_eq!(ours, decimal(break_even), "seed {seed}");

        let basis = if plan.spec.basis == TargetBasis::BreakEven { break_even } else { theirs };
        let profit = plan.spec.profit;
        let wish = TargetRequest { direction, basis, break_even, profit, instrument: rules, mark: None };
        assert_eq!(TargetRequest::at(&plan.spec, rules, theirs).unwrap(), wish, "seed {seed}");
        let target = sizing::target_price(&wish).map(decimal).map_err(|refusal| refusal.rule);
        assert_eq!(terms.target(&average, &decimal(break_even), None), target, "seed {seed}");

        let anchor = fills[0].0;
        let stop = sizing::stop_price(direction, anchor, plan.spec.stop, rules);
        assert_eq!(terms.stop(&decimal(anchor)), stop.map(decimal).map_err(|refusal| refusal.rule), "seed {seed}");

        let edge = draw.random_range(0..rules.brackets.len());
        let off = Notional::from_units(draw.random_range(-2..=2), 2).unwrap();
        for notional in [typed(&filled.cost), rules.brackets[edge].notional_cap.checked_add(off).unwrap()] {
            let theirs = rules.maintenance_margin(notional).unwrap();
            assert_eq!(terms.maintenance(&decimal(notional)), decimal(theirs), "seed {seed}: {notional}");
        }
    }
}

/// The whole planner beside the core's: the same ladder or the same refusal, and the same rungs at another fill.
#[test]
fn f_a_ladder_and_its_rebuilding_are_the_cores_own() {
    let (mut sized, mut refused, mut dropped) = (0, 0, 0);
    for seed in 0..600 {
        let case = drawn(seed, 1);
        let (plan, terms) = (&case.plan, Terms::of(&case.plan, None));
        let mark = case.bars[0].open;
        let request = SizeRequest { instrument: &plan.instrument, spec: &plan.spec, budget: &plan.budget, mark };
        let (theirs, ours) = (sizing::size_for(&request, plan.target_style), terms.size(&decimal(mark)));
        let (theirs, ours) = match (theirs, ours) {
            (Ok(theirs), Ok(ours)) => (theirs, ours),
            (Err(_), Err(_)) => {
                refused += 1;
                continue;
            }
            (theirs, ours) => panic!("seed {seed} at {mark}: {theirs:?}\n{ours:?}"),
        };
        sized += 1;
        assert_eq!(ours.leverage, theirs.leverage, "seed {seed}");
        let of = |rungs: &[sizing::RungPlan]| {
            let rung = |rung: &sizing::RungPlan| Rung {
                number: rung.rung,
                price: decimal(rung.price),
                qty: decimal(rung.qty),
            };
            rungs.iter().map(rung).collect::<Vec<_>>()
        };
        let whole = (decimal(theirs.capital), decimal(theirs.entry.qty), of(&theirs.rungs));
        assert_eq!((ours.capital.clone(), ours.entry.clone(), ours.rungs.clone()), whole, "seed {seed}");
        assert_eq!((&ours.target, &ours.stop), (&decimal(theirs.target), &decimal(theirs.stop)), "seed {seed}");
        for tenths in [-90, -20, -7, -1, 0, 3, 11, 25, 90, 150] {
            let fill = mark.shifted_by(Percent::from_units(tenths, 1).unwrap()).unwrap();
            let rebuilt = sizing::rebuild(&theirs, &plan.spec, &plan.instrument, fill, theirs.entry.qty);
            let (rungs, lost) = terms.hang(&ours, &decimal(fill), &ours.entry);
            assert_eq!((rungs, lost.len()), (of(&rebuilt.rungs), rebuilt.dropped.len()), "seed {seed} at {fill}");
            assert_eq!(terms.stop_at(&ours, &decimal(fill)), decimal(rebuilt.stop), "seed {seed} at {fill}");
            dropped += rebuilt.dropped.len();
        }
    }
    println!("{sized} ladders, {refused} refusals, {dropped} rungs dropped at another fill");
    assert!(sized > 100 && refused > 50 && dropped > 20, "{sized} {refused} {dropped}");
}

/// The price at which what stands behind a position is its maintenance margin: profit + stake = notional x ratio -
/// deduction, for the one bracket that holds the notional there.
fn liquidation_price(terms: &Terms, qty: &Decimal, cost: &Decimal, stake: &Decimal) -> Decimal {
    let in_bracket = |bracket: &crate::terms::Bracket| {
        let behind = stake + &bracket.deduction;
        if terms.is_long {
            quotient(&(cost - behind), &(qty * (Decimal::from(1) - &bracket.maintenance_ratio)))
        } else {
            quotient(&(cost + behind), &(qty * (Decimal::from(1) + &bracket.maintenance_ratio)))
        }
    };
    let mut floor_of = zero();
    for bracket in &terms.brackets {
        let price = in_bracket(bracket);
        let notional = &price * qty;
        if notional >= floor_of && notional < bracket.cap {
            return price;
        }
        floor_of = bracket.cap.clone();
    }
    in_bracket(terms.brackets.last().unwrap())
}

/// A position without rungs, whose stop is far behind the price at which it is liquidated.
fn leveraged(direction: Direction, margin_mode: MarginMode, leverage: u32, margin: i64) -> Plan {
    let mut plan = plan(direction, SizingModel::Bounded);
    plan.spec.rungs = 0;
    plan.spec.stop = "60".parse().unwrap();
    plan.margin_mode = margin_mode;
    plan.budget = Budget { margin: Notional::from_units(margin, 0).unwrap(), leverage_cap: leverage };
    plan.wallet = Notional::from_units(margin + margin / 2, 0).unwrap();
    plan
}

/// One tick before its liquidation price a position stands, at the next it is taken, there and not at its stop: by prices,
/// by the reference, and by the exchange.
#[test]
fn f_a_position_is_taken_at_its_liquidation_price_and_not_a_tick_before() {
    let mut prices = Vec::new();
    for direction in [Direction::Long, Direction::Short] {
        for margin_mode in [MarginMode::Isolated, MarginMode::Cross] {
            // The larger ones stand in higher brackets.
            for (leverage, margin) in [(10, 100), (20, 100), (50, 200), (25, 1_500), (20, 3_000)] {
                let plan = leveraged(direction, margin_mode, leverage, margin);
                let terms = Terms::of(&plan, None);
                let mark: Price = "150.00".parse().unwrap();
                let ladder = terms.size(&decimal(mark)).unwrap();
                let cost = decimal(mark) * &ladder.entry;
                let fee = &cost * &terms.taker;
                let stake = if margin_mode == MarginMode::Isolated {
                    // As the exchange sets it aside, rounded up to ten decimals.
                    ceil(&(&cost / Decimal::from(ladder.leverage)), &number("0.0000000001"))
                } else {
                    &terms.wallet - &fee
                };
                let price = liquidation_price(&terms, &ladder.entry, &cost, &stake);
                let (before, at) = if terms.is_long {
                    (floor(&price, &terms.tick) + &terms.tick, floor(&price, &terms.tick))
                } else {
                    (ceil(&price, &terms.tick) - &terms.tick, ceil(&price, &terms.tick))
                };
                // What is left there is what the core says is needed, to the digits that a quotient has.
                let notional = &price * &ladder.entry;
                let profit = if terms.is_long { &notional - &cost } else { &cost - &notional };
                let needed =
                    plan.instrument.maintenance_margin(typed(&floor(&notional, &number("0.000000000000000001"))));
                let off = stake + profit - decimal(needed.unwrap());
                assert!(off.abs() < number("0.0000000000000001"), "{price}: {off}");

                for (worst, is_taken) in [(&before, false), (&at, true)] {
                    let case = one_fall(&plan, mark, typed(worst));
                    let (fast, reference) = (case.fast(), case.reference(None));
                    assert_eq!(fast.differs_from(&reference), None, "{plan:?}");
                    assert_eq!(case.long_way(&reference).differs_from(&reference), None, "{plan:?}");
                    assert_eq!(reference.counts.liquidations, u64::from(is_taken), "{price} {worst} {plan:?}");
                    if is_taken {
                        let end = reference.deals.last().unwrap();
                        assert_eq!((end.of, end.price), (Part::Liquidation, typed(&at)));
                    }
                }
                prices.push(printed(&price, 8));
            }
        }
    }
    println!("liquidation prices: {prices:?}");
    assert_eq!(prices.len(), 20);
}

/// Opens at the mark, and goes to one price against the position.
fn one_fall(plan: &Plan, mark: Price, worst: Price) -> Case {
    const MINUTE: i64 = 60_000;
    let bar = |n: i64, high: Price, low: Price, close: Price| Bar {
        open_time: VenueMillis(1_760_000_400_000 + n * MINUTE),
        open: mark,
        high,
        low,
        close,
        volume: Qty::from_units(1, 0).unwrap(),
        close_time: VenueMillis(1_760_000_400_000 + (n + 1) * MINUTE - 1),
    };
    let bars = vec![bar(0, mark, mark, mark), bar(1, mark.max(worst), mark.min(worst), worst)];
    let unit = plan.instrument.tick;
    Case { plan: plan.clone(), bars, marks: None, funding: Vec::new(), entries: None, unit }
}
