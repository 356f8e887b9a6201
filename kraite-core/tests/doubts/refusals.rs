//! R43, R44 and R93: a venue that refuses protection for good, and a closing that cannot be proven.

use kraite_core::engine::{Alert, Command, CommandId, InputKind, Sent};
use kraite_core::exchange::{Outcome, Reject, RejectKind};
use kraite_core::id::Role;
use kraite_core::position::{Phase, PositionStatus, Why};

use crate::bench::{Bench, Reply, Shape, Venue};
use crate::deadline;

/// Lets time pass while every order of this role is refused so and everything else is taken.
pub fn run_refusing(bench: &mut Bench, role: Role, kind: RejectKind, span: i64) -> usize {
    let end = bench.now() + span;
    let mut refused = 0;
    while bench.now() < end {
        for sent in bench.take_sent() {
            match sent {
                Sent::Place(id) if id.key().logical.role == role => {
                    let reject = Reject { kind, code: -1, message: "no".into() };
                    bench.feed(InputKind::Outcome(sent, Outcome::Rejected(reject)));
                    refused += 1;
                }
                other => bench.answer_one(other),
            }
        }
        let _ = bench.answer_asked(Venue::Honest);
        // What the answers led to is answered soon.
        let then = deadline(bench).min(bench.now() + 20).min(end);
        bench.turn_to(then);
    }
    refused
}

fn opened(shape: Shape) -> Bench {
    let mut bench = Bench::new(shape);
    bench.feed(InputKind::Started);
    let request = Box::new(bench.request());
    bench.feed(InputKind::Command(CommandId(1), Command::Open(request)));
    bench
}

#[test]
fn r43_a_first_stop_that_is_refused_for_good_three_times_closes_on_every_shape() {
    for shape in [Shape::SEPARATE, Shape::PAIRED, Shape::SIZED_STOP] {
        let mut bench = opened(shape);
        let refused = run_refusing(&mut bench, Role::Stop, RejectKind::Other, 25_000);
        assert_eq!((refused, bench.position().why), (3, Why::StopRefused), "{shape:?}");
        assert!(bench.told.contains(&Alert::StopRefused), "{shape:?}");
        assert!(!bench.told.contains(&Alert::EmergencyClose), "{shape:?}: not for its time without a stop");
    }
}

#[test]
fn r43_a_larger_stop_that_is_refused_for_good_three_times_closes_although_the_smaller_one_stands() {
    let mut bench = Bench::new(Shape::SIZED_STOP);
    bench.open(&|_| Reply::Accept);
    bench.run(10_000, Venue::Honest, &|_| Reply::Accept);
    bench.told.clear();
    bench.fill(Role::Rung(1));
    assert_eq!(bench.position().status(), PositionStatus::Resizing);
    let refused = run_refusing(&mut bench, Role::Stop, RejectKind::Other, 60_000);
    assert_eq!((refused, bench.position().why), (3, Why::StopRefused));
    assert!(bench.told.contains(&Alert::StopRefused));
}

#[test]
fn r43_a_stop_that_would_trigger_at_once_closes_at_once() {
    for shape in [Shape::SEPARATE, Shape::PAIRED] {
        let mut bench = opened(shape);
        let refused = run_refusing(&mut bench, Role::Stop, RejectKind::WouldTrigger, 20_000);
        assert_eq!((refused, bench.position().why), (1, Why::StopWouldTrigger), "{shape:?}");
    }
}

#[test]
fn r93_a_closing_that_nobody_can_prove_fails_after_an_hour_and_not_before() {
    let mut bench = Bench::new(Shape::LIMIT_TARGET);
    bench.open(&|_| Reply::Accept);
    bench.fill(Role::Target);
    assert_eq!(bench.position().phase, Phase::Closing);
    let start = bench.now();
    // Everything is sent and asked into the void.
    while bench.now() < start + 3_599_999 {
        let then = deadline(&bench).min(start + 3_599_999);
        bench.turn_to(then);
    }
    assert_eq!(bench.position().phase, Phase::Closing);
    bench.turn_to(start + 3_600_000);
    assert_eq!((bench.position().phase, bench.position().why), (Phase::Failed, Why::Unproven));
    assert!(bench.told.contains(&Alert::Unproven));
}

#[test]
fn s11_an_active_position_with_a_doubt_is_syncing_and_its_target_serves_while_it_is_open() {
    let mut bench = Bench::new(Shape::SEPARATE);
    bench.open(&|_| Reply::Accept);
    let target = bench.latest(Role::Target).id;
    assert_eq!(bench.position().serving_target().map(|order| order.id), Some(target));
    let doubted = bench.reborn(|state| {
        let position = state.positions.values_mut().next().unwrap();
        position.orders.change(target, |order| order.life = kraite_core::order::Life::InDoubt);
    });
    assert_eq!(doubted.position().status(), PositionStatus::Syncing);
    assert_eq!(doubted.position().serving_target().map(|order| order.id), Some(target), "it may trade");
}
