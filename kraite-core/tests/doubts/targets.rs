//! R77, R78 and R84: a target is being re-priced, and something else happens.

use kraite_core::engine::{Adjustment, Command, InputKind, Sent};
use kraite_core::exchange::{RejectKind, ReportStatus, StreamEvent};
use kraite_core::id::Role;
use kraite_core::order::Life;
use kraite_core::position::{Phase, PositionStatus, Why};

use crate::bench::{Bench, Shape, Venue};
use crate::{SHAPES, active, all};

#[test]
fn r77_a_target_that_fills_while_it_is_replaced_is_booked_and_the_position_closes() {
    for refused_first in [false, true] {
        let mut bench = active(Shape::LIMIT_TARGET);
        let (old, no, open) = (bench.latest(Role::Target).clone(), bench.no(), bench.position().exposure());
        bench.command(7, Command::Adjust(no, Adjustment::Retarget("1".parse().unwrap())));
        let new = bench.latest(Role::Target).id;
        assert_ne!(new, old.id);
        let filled = InputKind::Push(StreamEvent::Order(bench.report(&old, ReportStatus::Filled)));
        if refused_first {
            bench.refuse(new, RejectKind::ReduceOnly);
            bench.feed(filled);
        } else {
            bench.feed(filled);
            bench.refuse(new, RejectKind::ReduceOnly);
        }
        let others = bench.take_sent().into_iter().filter(|sent| *sent != Sent::Place(new));
        others.for_each(|sent| bench.answer_one(sent));
        assert_eq!(bench.position().order(old.id).unwrap().executed_qty(), open);
        assert_eq!((bench.position().phase, bench.position().why), (Phase::Closing, Why::TargetFilled));
        bench.run(120_000, Venue::Honest, &all);
        assert_eq!((bench.position().phase, bench.position().why), (Phase::Closed, Why::TargetFilled));
        assert_eq!((bench.placed_as(Role::Close), bench.placed_as(Role::Target)), (0, 2));
    }
}

#[test]
fn r78_a_fill_that_comes_while_the_target_is_re_priced_leads_to_another_pass_and_counts_once() {
    for shape in SHAPES {
        let mut bench = active(shape);
        let told_again = |bench: &mut Bench, rung| {
            bench.fill(Role::Rung(rung));
            let (sent, records) = (bench.take_sent(), bench.records.len());
            for _ in 0..2 {
                bench.fill(Role::Rung(rung));
            }
            assert_eq!((bench.take_sent(), bench.records.len()), (vec![], records), "{shape:?} {rung}");
            sent
        };
        let first = told_again(&mut bench, 1);
        assert!(!first.is_empty(), "{shape:?}");
        let second = told_again(&mut bench, 2);
        first.into_iter().chain(second).for_each(|sent| bench.answer_one(sent));
        bench.run(20_000, Venue::Honest, &all);
        let position = bench.position();
        let filled = position
            .ladder
            .entry
            .qty
            .checked_add(position.rungs[0].qty)
            .and_then(|q| q.checked_add(position.rungs[1].qty));
        assert_eq!((Ok(position.exposure()), position.status()), (filled, PositionStatus::Active), "{shape:?}");
        let targets: Vec<_> = position.of(Role::Target).filter(|o| o.life == Life::Working).collect();
        assert_eq!(targets.len(), 1, "{shape:?}");
        let wanted = position.wanted_target(None).unwrap();
        assert_eq!(targets[0].shape.price(), Some(wanted.0), "{shape:?}");
        assert!(targets[0].shape.qty().is_none_or(|qty| qty == wanted.1), "{shape:?}");
    }
}

#[test]
fn r84_a_target_that_is_taken_after_the_close_began_makes_nothing_active_again() {
    for shape in SHAPES {
        let mut bench = active(shape);
        bench.fill(Role::Rung(1));
        assert_eq!(bench.position().status(), PositionStatus::Resizing, "{shape:?}");
        let (re_priced, no) = (bench.take_sent(), bench.no());
        assert!(!re_priced.is_empty());
        bench.command(7, Command::Close(no));
        let closing = bench.take_sent();
        for sent in re_priced {
            bench.answer_one(sent);
            assert_eq!(bench.position().status(), PositionStatus::Closing, "{shape:?}");
        }
        assert!(bench.position().of(Role::Target).any(|o| o.life == Life::Working), "it rests now");
        closing.into_iter().for_each(|sent| bench.answer_one(sent));
        bench.run(120_000, Venue::Honest, &all);
        assert_eq!(bench.position().status(), PositionStatus::Closed, "{shape:?}");
    }
}
