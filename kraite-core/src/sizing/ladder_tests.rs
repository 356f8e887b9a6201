//! The worked examples of requirements F, and every refusal with its fix.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::fixtures::{brackets, budget, instrument, spec};
use super::*;
use crate::exchange::Direction;
use crate::instrument::Instrument;
use crate::number::{Notional, Percent};

struct Case {
    instrument: Instrument,
    spec: LadderSpec,
    budget: Budget,
    mark: &'static str,
}

impl Case {
    fn new(direction: Direction, model: SizingModel) -> Self {
        Self { instrument: instrument(), spec: spec(direction, model), budget: budget(), mark: "150.237" }
    }

    fn draft(&self) -> Draft {
        let Self { instrument, spec, budget, mark } = self;
        draft(&SizeRequest { instrument, spec, budget, mark: mark.parse().unwrap() })
    }

    fn size(&self) -> Result<Ladder, Refusal> {
        let Self { instrument, spec, budget, mark } = self;
        size(&SizeRequest { instrument, spec, budget, mark: mark.parse().unwrap() })
    }

    fn with(&self, fix: &Fix) -> Self {
        let (mut spec, mut budget) = (self.spec.clone(), self.budget.clone());
        let value = fix.value.as_str();
        match fix.flag.as_str() {
            "margin" => budget.margin = value.parse().unwrap(),
            "gap" => spec.gap = value.parse().unwrap(),
            "profit" => spec.profit = value.parse().unwrap(),
            "stop" => spec.stop = value.parse().unwrap(),
            "rungs" => spec.rungs = value.parse().unwrap(),
            "leverage-cap" => budget.leverage_cap = value.parse().unwrap(),
            "multipliers" => spec.multipliers = value.split(',').map(|m| m.parse().unwrap()).collect(),
            "sizing" => spec.model = SizingModel::Bounded,
            other => panic!("unknown flag {other}"),
        }
        Self { instrument: self.instrument.clone(), spec, budget, mark: self.mark }
    }

    /// Refused by `rule` at `rung`, with a fix of `flag` after which the whole ladder holds, or, for an empty
    /// `flag`, with none because no single setting cures it.
    fn refused(&self, rule: Rule, rung: Option<u8>, flag: &str) -> Refusal {
        let refusal = self.draft().refused.unwrap();
        assert_eq!((refusal.rule, refusal.rung), (rule, rung), "{refusal:?}");
        assert_eq!(self.size(), Err(refusal.clone()));
        let fix = refusal.smallest_fix.clone();
        assert_eq!(fix.as_ref().map_or("", |fix| fix.flag.as_str()), flag, "{rule}: {fix:?}");
        if let Some(fix) = fix {
            assert_eq!(self.with(&fix).draft().refused, None, "{fix:?}");
        }
        refusal
    }
}

fn rungs(of: &[RungPlan]) -> Vec<(String, String)> {
    of.iter().map(|r| (r.price.to_string(), r.qty.to_string())).collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect()
}

#[test]
fn f_the_worked_long_example_to_the_last_digit() {
    let ladder = Case::new(Direction::Long, SizingModel::Unbounded).size().unwrap();
    assert_eq!(ladder.leverage, 20);
    assert_eq!(ladder.entry.qty.to_string(), "0.41");
    assert_eq!(ladder.entry.reference_price.to_string(), "150.23");
    assert_eq!(ladder.entry.notional.to_string(), "61.5943");
    let expected = [("137.46", "0.82"), ("124.69", "1.64"), ("111.92", "3.28"), ("99.15", "6.56")];
    assert_eq!(rungs(&ladder.rungs), pairs(&expected));
    assert_eq!(ladder.total_notional.to_string(), "1396.3247");
    assert_eq!(ladder.target.to_string(), "150.77");
    assert_eq!(ladder.stop.to_string(), "96.67");
    assert_eq!(ladder.max_loss.to_string(), "167.649");
    assert_eq!(ladder.full_ladder_profit.to_string(), "4.9528");
    assert_eq!(ladder.loss_to_win().unwrap().decimal().round_dp(2).to_string(), "33.85");
    assert!(ladder.dropped.is_empty() && ladder.clamped.is_empty());
}

#[test]
fn f_the_worked_short_example_overruns_its_margin_and_is_still_shown() {
    let case = Case::new(Direction::Short, SizingModel::Unbounded);
    let draft = case.draft();
    assert_eq!(draft.leverage, Some(20));
    let expected = [("164.5", "0.82"), ("178.77", "1.64"), ("193.04", "3.28"), ("207.31", "6.56")];
    assert_eq!(rungs(&draft.rungs), pairs(&expected));
    assert_eq!(draft.total_notional.unwrap().to_string(), "2482.7919");
    assert_eq!(draft.target.unwrap().to_string(), "149.68");
    assert_eq!(draft.stop.unwrap().to_string(), "212.49");
    assert_eq!(draft.max_loss.unwrap().to_string(), "217.956");
    assert_eq!(draft.full_ladder_profit.unwrap().to_string(), "9.0446");
    let refusal = case.refused(Rule::MarginOverrun, None, "sizing");
    assert!(refusal.message.contains("2482.7919") && refusal.message.contains("124.139595"), "{refusal}");
    let bounded = case.with(&refusal.smallest_fix.unwrap()).size().unwrap();
    assert!(bounded.total_notional <= bounded.capital);
}

#[test]
fn f_bounded_short_stays_inside_its_margin() {
    let ladder = Case::new(Direction::Short, SizingModel::Bounded).size().unwrap();
    assert_eq!(ladder.entry.qty.to_string(), "0.42");
    let expected = [("164.5", "0.78"), ("178.77", "1.44"), ("193.04", "2.67"), ("207.31", "4.97")];
    assert_eq!(rungs(&ladder.rungs), pairs(&expected));
    assert!(ladder.total_notional <= ladder.capital);
}

#[test]
fn r36_trap_1_the_leverage_is_maximal() {
    let mut case = Case::new(Direction::Long, SizingModel::Unbounded);
    case.budget.margin = "600".parse().unwrap();
    case.instrument.brackets = brackets(&[(20_000, 10), (10_000, 50), (5_000, 75)]);
    assert_eq!(case.size().unwrap().leverage, 16);
}

#[test]
fn r26_one_infeasible_rung_refuses_the_whole_ladder() {
    let mut case = Case::new(Direction::Short, SizingModel::Unbounded);
    case.mark = "0.0407820";
    case.instrument.tick = "0.0000001".parse().unwrap();
    case.instrument.min_price = "0.0000001".parse().unwrap();
    for lot in [&mut case.instrument.lot, &mut case.instrument.market_lot, &mut case.instrument.min_qty] {
        *lot = "1".parse().unwrap();
    }
    case.budget.margin = "27.1".parse().unwrap();
    case.spec.multipliers = ["0.2", "2", "2", "2"].map(|m| m.parse().unwrap()).to_vec();
    assert_eq!(case.draft().entry.unwrap().qty.to_string(), "415");
    let refusal = case.refused(Rule::MinNotional, Some(1), "margin");
    assert!(refusal.message.contains("3.70646"), "{refusal}");
}

#[test]
fn r28_a_market_slice_below_the_minimum_is_refused_with_the_margin_that_would_do() {
    let mut case = Case::new(Direction::Long, SizingModel::Unbounded);
    case.instrument.min_notional = "70".parse().unwrap();
    let fix = case.refused(Rule::MinNotional, None, "margin").smallest_fix.unwrap();
    assert!(case.with(&fix).size().is_ok());
    let cent_less = Fix { value: (fix.value.parse::<f64>().unwrap() - 0.01).to_string(), ..fix };
    assert_eq!(case.with(&cent_less).draft().refused.map(|r| r.rule), Some(Rule::MinNotional));
}

#[test]
fn r27_headroom_tightens_the_check_and_never_the_sizes() {
    let mut case = Case::new(Direction::Long, SizingModel::Unbounded);
    case.instrument.min_notional = "61".parse().unwrap();
    case.spec.multipliers = ["1.1", "2"].map(|m| m.parse().unwrap()).to_vec();
    case.spec.headroom = Percent::ZERO;
    let loose = case.size().unwrap();
    assert_eq!(loose.rungs[0].price.checked_mul(loose.rungs[0].qty).unwrap().to_string(), "61.857");
    case.spec.headroom = "1".parse().unwrap();
    assert_eq!(case.size().unwrap(), loose);
    case.spec.headroom = "2".parse().unwrap();
    case.refused(Rule::MinNotional, Some(1), "margin");
    assert_eq!(case.draft().rungs, loose.rungs);
}

#[test]
fn r45_without_rungs_the_whole_margin_enters_and_the_stop_hangs_on_the_opening_price() {
    for model in [SizingModel::Unbounded, SizingModel::Bounded] {
        let mut case = Case::new(Direction::Long, model);
        case.spec.rungs = 0;
        case.spec.multipliers.clear();
        let ladder = case.size().unwrap();
        assert_eq!(ladder.entry.qty.to_string(), "13.31");
        assert_eq!(ladder.stop.to_string(), "146.47");
    }
}

#[test]
fn f_a_rung_of_size_zero_is_dropped_with_a_warning() {
    let mut case = Case::new(Direction::Long, SizingModel::Unbounded);
    case.instrument.min_notional = "0".parse().unwrap();
    case.spec.multipliers = ["2", "0.001"].map(|m| m.parse().unwrap()).to_vec();
    case.spec.rungs = 3;
    let ladder = case.size().unwrap();
    let dropped = |rung| DroppedRung { rung, rule: Rule::ZeroQuantity };
    assert_eq!(ladder.dropped, [dropped(2), dropped(3)]);
    assert_eq!(ladder.rungs.len(), 1);
}

#[test]
fn r26_every_rule_refuses_with_a_fix_that_holds() {
    let long = || Case::new(Direction::Long, SizingModel::Unbounded);
    let mut case = long();
    case.budget.margin = "0".parse().unwrap();
    case.refused(Rule::ZeroQuantity, None, "margin");
    case.budget.margin = "-5".parse().unwrap();
    case.refused(Rule::ZeroQuantity, None, "margin");

    let mut case = long();
    case.instrument.min_qty = "0.5".parse().unwrap();
    case.refused(Rule::MinQuantity, None, "margin");

    let mut case = long();
    case.instrument.max_qty = "6".parse().unwrap();
    case.refused(Rule::MaxQuantity, Some(4), "margin");

    let mut case = long();
    case.spec.gap = "25".parse().unwrap();
    let fix = case.refused(Rule::RungPriceNotPositive, Some(4), "gap").smallest_fix;
    assert_eq!(fix.map(|f| f.value), Some("24.87".to_string()));

    let mut case = long();
    case.spec.gap = "0".parse().unwrap();
    case.refused(Rule::PriceRange, Some(1), "gap");

    let mut case = long();
    case.instrument.min_price = "98".parse().unwrap();
    let fix = case.refused(Rule::PriceRange, None, "stop").smallest_fix;
    assert_eq!(fix.map(|f| f.value), Some("1.15".to_string()));

    let mut case = long();
    case.spec.stop = "0".parse().unwrap();
    case.refused(Rule::PriceRange, None, "stop");

    let mut case = long();
    case.instrument.band.buy_min = Some("0.7".parse().unwrap());
    case.refused(Rule::PriceBand, Some(4), "gap");

    let mut case = long();
    case.budget.margin = "300000".parse().unwrap();
    case.refused(Rule::LeverageBracket, None, "margin");
    let mut case = long();
    case.budget.leverage_cap = 0;
    // At 1x the margin of 100 is too small for the smallest order, so no single setting cures it.
    case.refused(Rule::LeverageBracket, None, "");
    case.budget.margin = "1000".parse().unwrap();
    case.refused(Rule::LeverageBracket, None, "leverage-cap");

    let mut case = long();
    case.spec.profit = "0".parse().unwrap();
    case.refused(Rule::TargetNotProfitable, None, "profit");

    let mut case = long();
    case.instrument.max_orders = Some(5);
    case.refused(Rule::OrderLimit, None, "rungs");
    let mut case = long();
    case.spec.rungs = 200;
    case.refused(Rule::OrderLimit, None, "rungs");

    let mut case = long();
    case.spec.multipliers = ["2", "-1"].map(|m| m.parse().unwrap()).to_vec();
    case.refused(Rule::ZeroQuantity, None, "multipliers");
}

#[test]
fn f_a_limit_target_is_bound_by_the_band_and_a_trigger_is_not() {
    let mut case = Case::new(Direction::Long, SizingModel::Unbounded);
    case.spec.profit = "6".parse().unwrap();
    case.instrument.band.sell_max = Some("1.05".parse().unwrap());
    assert!(case.size().is_ok());
    let Case { instrument, spec, budget, mark } = &case;
    let request = SizeRequest { instrument, spec, budget, mark: mark.parse().unwrap() };
    let refused = size_for(&request, crate::plan::TargetStyle::Limit).unwrap_err();
    assert_eq!(refused.rule, Rule::PriceBand);
    assert_eq!(refused.smallest_fix.map(|f| f.flag), Some("profit".to_string()));
}

#[test]
fn f_absurd_numbers_are_refused_and_never_panic() {
    let huge = Notional::of(rust_decimal::Decimal::MAX);
    for model in [SizingModel::Unbounded, SizingModel::Bounded] {
        let mut case = Case::new(Direction::Short, model);
        case.budget.margin = huge;
        assert!(case.size().is_err());
        case.instrument.brackets.clear();
        assert!(case.size().is_err());
        let mut case = Case::new(Direction::Short, model);
        case.spec.rungs = 31;
        case.spec.multipliers = ["1000000000"].map(|m| m.parse().unwrap()).to_vec();
        assert!(case.size().is_err());
        let mut case = Case::new(Direction::Short, model);
        case.mark = "0";
        assert_eq!(case.size().map_err(|r| r.rule), Err(Rule::PriceRange));
        case.mark = "-1";
        assert_eq!(case.size().map_err(|r| r.rule), Err(Rule::PriceRange));
    }
}
