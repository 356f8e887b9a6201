//! Every plan of every venue shape: protected, acyclic, its rungs free; and a checker that notices.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use kraite_core::capabilities::{AbsenceRule, Capabilities, Protection, ProtectiveRepeat, Reprice, StopSizing};
use kraite_core::plan::{
    After, Gate, Goal, MarginSetup, Plan, Sequence, Shape, Step, StepKind, TargetStyle, check, lower, plan,
};
use kraite_core::time::Millis;
use proptest::prelude::*;
use proptest::sample::Index;

fn capabilities() -> impl Strategy<Value = Capabilities> {
    let reprice = || prop::sample::select(vec![Reprice::AmendInPlace, Reprice::MakeBeforeBreak, Reprice::RestatePair]);
    let stop = prop::sample::select(vec![StopSizing::ClosePosition, StopSizing::Quantity]);
    let protection = prop::sample::select(vec![Protection::Separate, Protection::Paired]);
    (protection, stop, reprice(), reprice()).prop_map(|(protection, stop_sizing, reprice_limit, reprice_trigger)| {
        let absence = AbsenceRule {
            window: Millis(0),
            engine_bound: Millis(0),
            endpoints: vec![],
            readings: 2,
            gap: Millis(0),
            retention: Millis(0),
        };
        Capabilities {
            protection,
            stop_sizing,
            reprice_limit,
            reprice_trigger,
            protective_repeat: ProtectiveRepeat::Harmless,
            absence_regular: absence.clone(),
            absence_conditional: absence.clone(),
            absence_plan: absence,
            max_conditional_orders: None,
            batch_size: 1,
            may_refuse_deep_rungs: false,
            connect_ramp: Millis(0),
            closes_whole: false,
        }
    })
}

fn shapes() -> impl Strategy<Value = Shape> {
    #[cfg(kraite_zoo)]
    let _ = std::env::var("KRAITE_BUG").map(|id| kraite_core::zoo::wake_by_id(&id));
    let sequence = prop::sample::select(vec![Sequence::LadderFirst, Sequence::ProtectFirst]);
    let style = prop::sample::select(vec![TargetStyle::TriggerMarket, TargetStyle::Limit]);
    let setup = prop::sample::select(vec![MarginSetup::Confirm, MarginSetup::Confirmed]);
    (0_u8..=31, sequence, style, setup).prop_map(|(rungs, sequence, target_style, margin_setup)| Shape {
        rungs,
        sequence,
        target_style,
        margin_setup,
    })
}

fn goals() -> impl Strategy<Value = Goal> {
    prop::sample::select(vec![Goal::Open, Goal::Reprice, Goal::Close, Goal::Cancel])
}

/// Runs a plan in an arbitrary order that its gates allow; `pick` chooses among the steps that may start.
///
/// A started step reaches its gates one by one, so every interleaving of gates is possible too.
fn run(plan: &Plan, picks: &[Index]) -> Vec<(StepKind, Option<Gate>)> {
    const GATES: [Gate; 4] = [Gate::HandedToWire, Gate::Accepted, Gate::Filled, Gate::Settled];
    let mut reached = vec![None::<usize>; plan.steps.len()];
    let mut log = Vec::new();
    for pick in picks.iter().cycle() {
        let may_start = |step: &Step| {
            step.after.iter().all(|edge| {
                let needed = GATES.iter().position(|gate| *gate == edge.gate).unwrap();
                reached[usize::from(edge.step)].is_some_and(|got| got > needed)
            })
        };
        let moves: Vec<usize> = (0..plan.steps.len())
            .filter(|i| match reached[*i] {
                None => may_start(&plan.steps[*i]),
                Some(got) => got < GATES.len(),
            })
            .collect();
        if moves.is_empty() {
            break;
        }
        let chosen = moves[pick.index(moves.len())];
        let got = reached[chosen].map_or(0, |got| got + 1);
        log.push((plan.steps[chosen].kind, got.checked_sub(1).map(|gate| GATES[gate])));
        reached[chosen] = Some(got);
    }
    log
}

fn at(log: &[(StepKind, Option<Gate>)], kind: StepKind, gate: Option<Gate>) -> Option<usize> {
    log.iter().position(|entry| *entry == (kind, gate))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn s06_every_lowered_plan_passes_the_check(goal in goals(), shape in shapes(), venue in capabilities()) {
        let plan = lower(&plan(goal, &shape), &venue);
        prop_assert_eq!(check(&plan, &venue), Ok(()));
        prop_assert_eq!(serde_json::from_str::<Plan>(&serde_json::to_string(&plan).unwrap()).unwrap(), plan);
    }

    #[test]
    fn r39_in_no_schedule_is_a_target_sent_before_the_stop_is_accepted(
        shape in shapes(),
        venue in capabilities(),
        picks in prop::collection::vec(any::<Index>(), 1..60),
    ) {
        let plan = lower(&plan(Goal::Open, &shape), &venue);
        let log = run(&plan, &picks);
        let protector = if venue.protection == Protection::Paired { StepKind::PositionTpsl } else { StepKind::Stop };
        let entry = at(&log, StepKind::Entry, Some(Gate::Filled)).unwrap();
        let accepted = at(&log, protector, Some(Gate::Accepted)).unwrap();
        prop_assert!(entry < at(&log, protector, None).unwrap());
        if venue.protection == Protection::Separate {
            prop_assert!(accepted < at(&log, StepKind::Target, None).unwrap());
        }
        let active = at(&log, StepKind::Activate, None).unwrap();
        prop_assert!(accepted < active);
        for rung in 1..=shape.rungs {
            let sent = at(&log, StepKind::Rung(rung), None).unwrap();
            prop_assert!(entry < sent && sent < active);
        }
    }

    #[test]
    fn s06_rungs_have_no_edges_among_themselves(shape in shapes(), venue in capabilities()) {
        let plan = lower(&plan(Goal::Open, &shape), &venue);
        let rungs: Vec<&Step> = plan.steps.iter().filter(|s| matches!(s.kind, StepKind::Rung(_))).collect();
        prop_assert_eq!(rungs.len(), usize::from(shape.rungs));
        for rung in &rungs {
            prop_assert_eq!(&rung.after, &rungs[0].after);
            prop_assert!(rung.after.iter().all(|edge| rungs.iter().all(|other| other.id != edge.step)));
        }
    }

    #[test]
    fn r85_in_no_schedule_is_the_stop_cancelled_before_flatness_is_proven(
        shape in shapes(),
        venue in capabilities(),
        goal in prop::sample::select(vec![Goal::Close, Goal::Cancel]),
        picks in prop::collection::vec(any::<Index>(), 1..60),
    ) {
        let log = run(&lower(&plan(goal, &shape), &venue), &picks);
        let flat = at(&log, StepKind::VerifyFlat, Some(Gate::Settled)).unwrap();
        prop_assert!(flat < at(&log, StepKind::CancelStop, None).unwrap());
        if goal == Goal::Close {
            prop_assert!(at(&log, StepKind::CloseExposure, Some(Gate::Settled)).unwrap() < flat);
        }
        if goal == Goal::Cancel || shape.target_style == TargetStyle::TriggerMarket {
            prop_assert!(flat < at(&log, StepKind::CancelTarget, None).unwrap());
        }
    }

    /// The mutant of every edge that protects: cut it, and the check must notice.
    #[test]
    fn r39_mutants_without_one_edge_are_caught(
        shape in shapes(),
        venue in capabilities(),
        goal in prop::sample::select(vec![Goal::Open, Goal::Close, Goal::Cancel]),
        victim in any::<Index>(),
    ) {
        let good = lower(&plan(goal, &shape), &venue);
        let edges: Vec<(usize, After)> =
            good.steps.iter().enumerate().flat_map(|(i, s)| s.after.iter().map(move |a| (i, *a))).collect();
        let kind = |id: u16| good.steps[usize::from(id)].kind;
        // These are said twice: the order of the settings, the rungs before a protect-first target, and what
        // the last step waits for through others.
        let guards = |(step, edge): &(usize, After)| {
            !matches!(
                (good.steps[*step].kind, kind(edge.step)),
                (StepKind::Leverage | StepKind::Finish, _) | (StepKind::Target, StepKind::Rung(_))
            )
        };
        let edges: Vec<(usize, After)> = edges.into_iter().filter(guards).collect();
        let (step, edge) = edges[victim.index(edges.len())];
        let mut mutant = good.clone();
        mutant.steps[step].after.retain(|other| *other != edge);
        prop_assert!(check(&mutant, &venue).is_err(), "{:?} without {edge:?}", good.steps[step].kind);
    }

    #[test]
    fn r39_mutants_with_two_steps_swapped_are_caught(shape in shapes(), venue in capabilities(), goal in goals()) {
        let good = lower(&plan(goal, &shape), &venue);
        let swaps = [
            (StepKind::Stop, StepKind::Target),
            (StepKind::Stop, StepKind::Activate),
            (StepKind::PositionTpsl, StepKind::Activate),
            (StepKind::Entry, StepKind::Stop),
            (StepKind::CloseExposure, StepKind::CancelStop),
            (StepKind::VerifyFlat, StepKind::CancelStop),
            (StepKind::NewTarget, StepKind::CancelOldTarget),
            (StepKind::NewStop, StepKind::CancelOldStop),
        ];
        for (one, other) in swaps.iter().filter(|(a, b)| good.find(*a).is_some() && good.find(*b).is_some()) {
            let mut mutant = good.clone();
            for step in &mut mutant.steps {
                let kind = step.kind;
                step.kind = if kind == *one { *other } else if kind == *other { *one } else { kind };
            }
            prop_assert!(check(&mutant, &venue).is_err(), "{one:?} and {other:?} swapped");
        }
    }
}
