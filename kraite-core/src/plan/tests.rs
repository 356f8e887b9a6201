//! The shapes of plans as an operator reads them, and mutants that their judges must catch.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::capabilities::{AbsenceRule, Capabilities, Protection, ProtectiveRepeat, Reprice, StopSizing};
use crate::exchange::Direction;
use crate::sizing::fixtures::{budget, instrument, spec};
use crate::sizing::{Ladder, Rule, SizeRequest, SizingModel, size};
use crate::time::Millis;

fn venue(protection: Protection, reprice: Reprice) -> Capabilities {
    let absence = AbsenceRule {
        window: Millis(3_000),
        engine_bound: Millis(10_000),
        endpoints: vec![],
        readings: 2,
        gap: Millis(1_000),
        retention: Millis(1_000_000),
    };
    Capabilities {
        protection,
        stop_sizing: StopSizing::ClosePosition,
        reprice_limit: reprice,
        reprice_trigger: reprice,
        protective_repeat: ProtectiveRepeat::Harmless,
        absence_regular: absence.clone(),
        absence_conditional: absence.clone(),
        absence_plan: absence,
        max_conditional_orders: None,
        batch_size: 5,
        may_refuse_deep_rungs: false,
        connect_ramp: Millis(1_000),
        closes_whole: false,
    }
}

fn separate() -> Capabilities {
    venue(Protection::Separate, Reprice::MakeBeforeBreak)
}

fn paired() -> Capabilities {
    venue(Protection::Paired, Reprice::RestatePair)
}

fn shape(rungs: u8, sequence: Sequence) -> Shape {
    Shape { rungs, sequence, target_style: TargetStyle::TriggerMarket, margin_setup: MarginSetup::Confirm }
}

fn lowered(goal: Goal, shape: &Shape, capabilities: &Capabilities) -> Plan {
    let plan = lower(&plan(goal, shape), capabilities);
    assert_eq!(check(&plan, capabilities), Ok(()), "{plan:?}");
    plan
}

/// One line per step: kind, then what it waits for as id and first letter of the gate.
fn shown(plan: &Plan) -> Vec<String> {
    let gate = |gate| match gate {
        Gate::HandedToWire => 'h',
        Gate::Accepted => 'a',
        Gate::Filled => 'f',
        Gate::Settled => 's',
    };
    let edges = |s: &Step| s.after.iter().map(|a| format!(" {}{}", a.step, gate(a.gate))).collect::<String>();
    plan.steps.iter().map(|s| format!("{} {:?}{}", s.id, s.kind, edges(s))).collect()
}

#[test]
fn s06_ladder_first_on_a_separate_venue() {
    let expected = [
        "0 MarginMode",
        "1 Leverage 0a",
        "2 Entry 0a 1a",
        "3 Rung(1) 2f",
        "4 Rung(2) 2f",
        "5 Stop 2f 3h 4h",
        "6 Target 5a",
        "7 Activate 2f 3s 4s 5a 6a",
    ];
    assert_eq!(shown(&lowered(Goal::Open, &shape(2, Sequence::LadderFirst), &separate())), expected);
}

#[test]
fn r39_protect_first_on_a_separate_venue() {
    let expected = [
        "0 MarginMode",
        "1 Leverage 0a",
        "2 Entry 0a 1a",
        "3 Stop 2f",
        "4 Rung(1) 2f 3a",
        "5 Rung(2) 2f 3a",
        "6 Target 3a 4h 5h",
        "7 Activate 2f 4s 5s 3a 6a",
    ];
    assert_eq!(shown(&lowered(Goal::Open, &shape(2, Sequence::ProtectFirst), &separate())), expected);
}

#[test]
fn s09_stop_and_target_are_one_step_on_a_paired_venue() {
    let ladder_first = ["0 Entry", "1 Rung(1) 0f", "2 PositionTpsl 0f 1h", "3 Activate 0f 1s 2a"];
    let mut one = shape(1, Sequence::LadderFirst);
    one.margin_setup = MarginSetup::Confirmed;
    assert_eq!(shown(&lowered(Goal::Open, &one, &paired())), ladder_first);
    one.sequence = Sequence::ProtectFirst;
    let protect_first = ["0 Entry", "1 PositionTpsl 0f", "2 Rung(1) 0f 1a", "3 Activate 0f 2s 1a"];
    assert_eq!(shown(&lowered(Goal::Open, &one, &paired())), protect_first);
}

#[test]
fn r48_dropped_rungs_are_not_waited_for() {
    let intended = plan(Goal::Open, &shape(3, Sequence::LadderFirst)).without_rungs(&[2]);
    let plan = lower(&intended, &separate());
    assert_eq!(check(&plan, &separate()), Ok(()));
    assert!(plan.find(StepKind::Rung(2)).is_none() && plan.find(StepKind::Rung(3)).is_some());
}

#[test]
fn r82_repricing_follows_the_capability_of_the_target_style() {
    let amend = venue(Protection::Separate, Reprice::AmendInPlace);
    let any = shape(2, Sequence::LadderFirst);
    assert_eq!(shown(&lowered(Goal::Reprice, &any, &amend)), ["0 AmendTarget"]);
    assert_eq!(shown(&lowered(Goal::Reprice, &any, &separate())), ["0 NewTarget", "1 CancelOldTarget 0a"]);
    assert_eq!(shown(&lowered(Goal::Reprice, &any, &paired())), ["0 PositionTpsl"]);
    let mut mixed = separate();
    mixed.reprice_limit = Reprice::AmendInPlace;
    let limit = Shape { target_style: TargetStyle::Limit, ..any };
    assert_eq!(shown(&lowered(Goal::Reprice, &limit, &mixed)), ["0 AmendTarget"]);
    let mut sized = separate();
    sized.stop_sizing = StopSizing::Quantity;
    let expected = ["0 NewStop", "1 CancelOldStop 0a", "2 NewTarget 0a", "3 CancelOldTarget 2a"];
    assert_eq!(shown(&lowered(Goal::Reprice, &any, &sized)), expected);
}

#[test]
fn r85_exposure_goes_before_protection() {
    let any = shape(2, Sequence::LadderFirst);
    let expected = [
        "0 CancelRung(1)",
        "1 CancelRung(2)",
        "2 CloseExposure",
        "3 VerifyFlat 0s 1s 2s",
        "4 CancelTarget 3s",
        "5 CancelStop 3s",
        "6 Finish 0s 1s 2s 3s 4s 5s",
    ];
    for venue in [separate(), paired()] {
        assert_eq!(shown(&lowered(Goal::Close, &any, &venue)), expected);
    }
    let limit = Shape { target_style: TargetStyle::Limit, rungs: 0, ..any };
    let expected =
        ["0 CancelTarget", "1 CloseExposure 0h", "2 VerifyFlat 1s", "3 CancelStop 2s", "4 Finish 1s 2s 0s 3s"];
    assert_eq!(shown(&lowered(Goal::Close, &limit, &separate())), expected);
}

#[test]
fn r93_cancel_proves_flatness_before_it_takes_protection_away() {
    let any = shape(1, Sequence::LadderFirst);
    let expected =
        ["0 CancelRung(1)", "1 VerifyFlat 0s", "2 CancelTarget 1s", "3 CancelStop 1s", "4 Finish 0s 1s 2s 3s"];
    assert_eq!(shown(&lowered(Goal::Cancel, &any, &separate())), expected);
}

fn faults(plan: &Plan, capabilities: &Capabilities) -> Vec<PlanFault> {
    check(plan, capabilities).expect_err("the mutant must be caught")
}

fn step_mut(plan: &mut Plan, kind: StepKind) -> &mut Step {
    plan.steps.iter_mut().find(|s| s.kind == kind).unwrap()
}

#[test]
fn r39_mutant_a_target_that_does_not_wait_for_the_stop() {
    let good = lowered(Goal::Open, &shape(2, Sequence::LadderFirst), &separate());
    let mut cut = good.clone();
    step_mut(&mut cut, StepKind::Target).after.clear();
    assert!(faults(&cut, &separate()).contains(&PlanFault::Unprotected(6)));
    let mut weaker = good.clone();
    step_mut(&mut weaker, StepKind::Target).after = vec![After { step: 5, gate: Gate::HandedToWire }];
    assert!(faults(&weaker, &separate()).contains(&PlanFault::Unprotected(6)));
    let mut detour = good;
    step_mut(&mut detour, StepKind::Target).after = vec![After { step: 2, gate: Gate::Filled }];
    assert!(faults(&detour, &separate()).contains(&PlanFault::Unprotected(6)));
}

#[test]
fn s06_mutants_of_the_rungs() {
    let good = lowered(Goal::Open, &shape(2, Sequence::LadderFirst), &separate());
    let mut chained = good.clone();
    step_mut(&mut chained, StepKind::Rung(2)).after.push(After { step: 3, gate: Gate::HandedToWire });
    assert_eq!(faults(&chained, &separate()), [PlanFault::MustNotWait { step: 4, after: 3 }]);
    let mut early = good.clone();
    step_mut(&mut early, StepKind::Rung(1)).after = vec![After { step: 2, gate: Gate::Accepted }];
    let needs = PlanFault::NotGated { step: 3, needs: StepKind::Entry, gate: Gate::Filled };
    assert_eq!(faults(&early, &separate()), [needs]);
    let mut stuck = good;
    step_mut(&mut stuck, StepKind::Stop).after.push(After { step: 3, gate: Gate::Accepted });
    assert_eq!(faults(&stuck, &separate()), [PlanFault::MustNotWait { step: 5, after: 3 }]);
}

#[test]
fn s06_mutants_of_the_graph_and_the_end() {
    let good = lowered(Goal::Open, &shape(2, Sequence::LadderFirst), &separate());
    let mut cycle = good.clone();
    step_mut(&mut cycle, StepKind::Entry).after.push(After { step: 7, gate: Gate::Accepted });
    assert!(faults(&cycle, &separate()).contains(&PlanFault::EdgeNotRising { step: 2, after: 7 }));
    let mut twice = good.clone();
    step_mut(&mut twice, StepKind::Rung(2)).kind = StepKind::Rung(1);
    assert_eq!(faults(&twice, &separate()), [PlanFault::Repeated(StepKind::Rung(1))]);
    let mut renumbered = good.clone();
    step_mut(&mut renumbered, StepKind::Rung(1)).id = 9;
    assert!(faults(&renumbered, &separate()).contains(&PlanFault::IdOutOfPlace(9)));
    let mut hasty = good.clone();
    step_mut(&mut hasty, StepKind::Activate).after.retain(|a| a.step != 6);
    assert!(faults(&hasty, &separate()).contains(&PlanFault::NotAwaited(6)));
    let mut bare = good.clone();
    bare.steps.retain(|s| s.kind != StepKind::Stop);
    assert!(faults(&bare, &separate()).contains(&PlanFault::Missing(StepKind::Stop)));
    let mut unset = good.clone();
    step_mut(&mut unset, StepKind::Entry).after.clear();
    let needs = PlanFault::NotGated { step: 2, needs: StepKind::Leverage, gate: Gate::Accepted };
    assert!(faults(&unset, &separate()).contains(&needs));
    assert!(faults(&good, &paired()).contains(&PlanFault::Foreign(StepKind::Stop)));
}

#[test]
fn r85_mutants_of_a_close() {
    let good = lowered(Goal::Close, &shape(2, Sequence::LadderFirst), &separate());
    let mut swapped = good.clone();
    step_mut(&mut swapped, StepKind::CloseExposure).kind = StepKind::Activate;
    step_mut(&mut swapped, StepKind::CancelStop).kind = StepKind::CloseExposure;
    step_mut(&mut swapped, StepKind::Activate).kind = StepKind::CancelStop;
    assert!(!faults(&swapped, &separate()).is_empty());
    let mut early = good.clone();
    step_mut(&mut early, StepKind::CancelStop).after = vec![After { step: 2, gate: Gate::Settled }];
    let needs = PlanFault::NotGated { step: 5, needs: StepKind::VerifyFlat, gate: Gate::Settled };
    assert_eq!(faults(&early, &separate()), [needs]);
    let mut waiting = good.clone();
    step_mut(&mut waiting, StepKind::CloseExposure).after = vec![After { step: 0, gate: Gate::Accepted }];
    assert_eq!(faults(&waiting, &separate()), [PlanFault::MustNotWait { step: 2, after: 0 }]);
    let mut late = good.clone();
    step_mut(&mut late, StepKind::CancelRung(2)).after = vec![After { step: 0, gate: Gate::Settled }];
    assert_eq!(faults(&late, &separate()), [PlanFault::MustNotWait { step: 1, after: 0 }]);
    let mut exposed = good;
    step_mut(&mut exposed, StepKind::CancelTarget).after.clear();
    let needs = PlanFault::NotGated { step: 4, needs: StepKind::VerifyFlat, gate: Gate::Settled };
    assert_eq!(faults(&exposed, &separate()), [needs]);
}

#[test]
fn r82_mutants_of_a_reprice() {
    let good = lowered(Goal::Reprice, &shape(2, Sequence::LadderFirst), &separate());
    let mut broken_before_made = good.clone();
    step_mut(&mut broken_before_made, StepKind::CancelOldTarget).after.clear();
    let needs = PlanFault::NotGated { step: 1, needs: StepKind::NewTarget, gate: Gate::Accepted };
    assert_eq!(faults(&broken_before_made, &separate()), [needs]);
    let mut sized = separate();
    sized.stop_sizing = StopSizing::Quantity;
    assert!(faults(&good, &sized).contains(&PlanFault::Missing(StepKind::NewStop)));
    let mut doubled = good;
    doubled.steps.retain(|s| s.kind == StepKind::NewTarget);
    assert_eq!(faults(&doubled, &separate()), [PlanFault::Missing(StepKind::CancelOldTarget)]);
}

fn ladder() -> Ladder {
    let (instrument, spec, budget) = (instrument(), spec(Direction::Long, SizingModel::Unbounded), budget());
    let mark = "150.237".parse().unwrap();
    size(&SizeRequest { instrument: &instrument, spec: &spec, budget: &budget, mark }).unwrap()
}

fn ladder_faults(ladder: &Ladder) -> Vec<LadderFault> {
    check_ladder(ladder, &instrument(), "150.237".parse().unwrap(), TargetStyle::Limit).err().unwrap_or_default()
}

#[test]
fn r26_mutants_of_a_sized_ladder() {
    assert_eq!(ladder_faults(&ladder()), []);
    let mutant = |change: fn(&mut Ladder)| {
        let mut ladder = ladder();
        change(&mut ladder);
        ladder_faults(&ladder)
    };
    let off_tick = mutant(|l| l.rungs[1].price = "124.695".parse().unwrap());
    assert!(off_tick.contains(&LadderFault::OffTick(Leg::Rung(2))));
    let off_lot = mutant(|l| l.rungs[1].qty = "1.645".parse().unwrap());
    assert!(off_lot.contains(&LadderFault::OffLot(Leg::Rung(2))));
    let tiny = mutant(|l| l.rungs[0].qty = "0.03".parse().unwrap());
    assert!(tiny.contains(&LadderFault::Breaks(Leg::Rung(1), Rule::MinNotional)));
    assert!(tiny.contains(&LadderFault::Sum(Leg::Whole)));
    let triggered = mutant(|l| l.target = "150.23".parse().unwrap());
    assert!(triggered.contains(&LadderFault::WrongSide(Leg::Target)));
    let tight = mutant(|l| l.stop = "99.15".parse().unwrap());
    assert_eq!(tight, [LadderFault::WrongSide(Leg::Stop)]);
    let dear = mutant(|l| l.capital = "1396".parse().unwrap());
    assert_eq!(dear, [LadderFault::Breaks(Leg::Whole, Rule::MarginOverrun)]);
    let geared = mutant(|l| l.leverage = 76);
    assert_eq!(geared, [LadderFault::Breaks(Leg::Whole, Rule::LeverageBracket)]);
    let reversed = mutant(|l| l.rungs.swap(0, 1));
    assert!(reversed.contains(&LadderFault::WrongSide(Leg::Rung(1))));
}
