//! S12: a position that is given back to its owner: what is open stays, and no order of ours does.

use kraite_core::engine::{Adjustment, Alert, Command, InputKind, Query, Sent};
use kraite_core::exchange::{Cause, ReportStatus, StreamEvent};
use kraite_core::id::Role;
use kraite_core::number::Qty;
use kraite_core::position::{Phase, Why};

use crate::SHAPES;
use crate::bench::{Bench, Reply, Shape, Venue};
use crate::hands::{active, adjust};

fn live(bench: &Bench) -> usize {
    bench.position().orders.values().filter(|o| o.life.may_trade()).count()
}

fn cancelled(sent: &[Sent]) -> Vec<Role> {
    let of = |sent: &Sent| match sent {
        Sent::Cancel(id, _) => Some(id.key().logical.role),
        _ => None,
    };
    sent.iter().filter_map(of).collect()
}

#[test]
fn s12_what_is_handed_back_stays_open_and_our_orders_go_the_stop_last() {
    for shape in SHAPES {
        let mut bench = active(shape);
        bench.fill(Role::Rung(1));
        bench.run(10_000, Venue::Honest, &|_| Reply::Accept);
        let _ = bench.take_sent();
        let open = bench.position().exposure();
        adjust(&mut bench, 10, Adjustment::HandBack);
        let rungs = bench.take_sent();
        assert_eq!(cancelled(&rungs), [Role::Rung(2), Role::Rung(3)], "{shape:?}");
        // Behind its stop until nothing of ours can fill any more.
        assert_eq!(bench.position().exposure(), open);
        rungs.into_iter().for_each(|sent| bench.answer_one(sent));
        assert_eq!(bench.position().exposure(), Qty::ZERO, "{shape:?}");
        assert_eq!(bench.told, [Alert::HandedBack]);
        if shape == Shape::PAIRED {
            // The venue may let go of both or of none.
            let both = bench.take_sent();
            assert_eq!(cancelled(&both), [Role::Target, Role::Stop]);
            both.into_iter().for_each(|sent| bench.answer_one(sent));
        }
        for role in [Role::Target, Role::Stop].into_iter().filter(|_| shape != Shape::PAIRED) {
            let one = bench.take_sent();
            assert_eq!(cancelled(&one), [role], "{shape:?}");
            one.into_iter().for_each(|sent| bench.answer_one(sent));
        }
        assert_eq!((live(&bench), bench.position().phase), (0, Phase::Closing));
        bench.run(20_000, Venue::Honest, &|_| Reply::Accept);
        let position = bench.position();
        assert_eq!(
            (position.phase, position.why, position.halted),
            (Phase::Closed, Why::HandedBack, false),
            "{shape:?}"
        );
        assert_eq!((bench.placed_as(Role::Close), position.realised().is_some()), (0, true));
        // What other hands do with it is unknown, and so is the day.
        assert!(bench.engine.state().ended.values().all(|ended| ended.realised.is_none()));
        assert!(bench.each_once());
    }
}

#[test]
fn s12_killed_at_any_instant_of_handing_back_the_next_run_goes_on_with_it() {
    for shape in SHAPES {
        let mut bench = active(shape);
        adjust(&mut bench, 10, Adjustment::HandBack);
        for stage in 0..4 {
            let mut next = bench.reborn(|_| {});
            next.feed(InputKind::Started);
            adjust(&mut next, 10, Adjustment::HandBack);
            next.run(60_000, Venue::Honest, &|_| Reply::Accept);
            assert_eq!((next.position().phase, live(&next)), (Phase::Closed, 0), "{shape:?} {stage}");
            assert_eq!(next.placed, [], "{shape:?} {stage}");
            bench.take_sent().into_iter().for_each(|sent| bench.answer_one(sent));
        }
    }
}

#[test]
fn s12_a_rung_that_fills_while_it_is_handed_back_or_after_goes_with_it() {
    let mut bench = active(Shape::SEPARATE);
    let rung = bench.latest(Role::Rung(1)).clone();
    adjust(&mut bench, 10, Adjustment::HandBack);
    let cancel = Sent::Cancel(rung.id, rung.exchange_order_id().cloned());
    let rest = bench.take_sent().into_iter().filter(|sent| *sent != cancel);
    bench.fill(Role::Rung(1));
    rest.for_each(|sent| bench.answer_one(sent));
    bench.run(60_000, Venue::Honest, &|_| Reply::Accept);
    assert_eq!((bench.position().phase, bench.position().exposure()), (Phase::Closed, Qty::ZERO));
    assert_eq!(bench.position().entered_qty(), bench.position().external.values().copied().next().unwrap());
    // One that was told late.
    let mut bench = active(Shape::SEPARATE);
    adjust(&mut bench, 10, Adjustment::HandBack);
    bench.run(60_000, Venue::Honest, &|_| Reply::Accept);
    assert_eq!(bench.position().phase, Phase::Closed);
    let report = bench.report(&rung, ReportStatus::Filled);
    bench.feed(InputKind::Push(StreamEvent::Order(report)));
    bench.run(60_000, Venue::Honest, &|_| Reply::Accept);
    assert_eq!((bench.position().phase, bench.placed_as(Role::Close)), (Phase::Closed, 0));
    assert_eq!(bench.position().entered_qty(), bench.position().external.values().copied().next().unwrap());
}

#[test]
fn s12_a_stop_that_fires_while_it_is_handed_back_is_booked_as_ours_and_once() {
    let mut bench = active(Shape::SIZED_STOP);
    adjust(&mut bench, 10, Adjustment::HandBack);
    bench.take_sent().into_iter().for_each(|sent| bench.answer_one(sent));
    assert_eq!(bench.position().exposure(), Qty::ZERO);
    bench.fill(Role::Stop);
    bench.run(60_000, Venue::Honest, &|_| Reply::Accept);
    let position = bench.position();
    assert_eq!((position.exposure(), position.exited().qty), (Qty::ZERO, position.entered_qty()));
    assert!(position.realised().is_some());
    assert!(position.external.values().all(|qty| qty.is_zero()), "{:?}", position.external);
}

#[test]
fn i05_what_is_in_doubt_is_settled_before_a_position_that_is_handed_back_ends() {
    for shape in [Shape::SEPARATE, Shape::PAIRED] {
        let mut bench = active(shape);
        bench.fill(Role::Rung(1));
        let placed: Vec<_> = bench.take_sent().into_iter().filter(|sent| matches!(sent, Sent::Place(_))).collect();
        assert!(!placed.is_empty(), "{shape:?}");
        for sent in &placed {
            let Sent::Place(id) = sent else { continue };
            bench.forgotten.push(*id);
            bench.lose(*id, Cause::Timeout);
        }
        adjust(&mut bench, 10, Adjustment::HandBack);
        bench.run(4_000, Venue::Forgets, &|_| Reply::Accept);
        assert_eq!(bench.position().phase, Phase::Closing, "{shape:?}");
        assert!(live(&bench) > 0, "{shape:?}");
        bench.run(120_000, Venue::Forgets, &|_| Reply::Accept);
        assert_eq!((bench.position().phase, live(&bench)), (Phase::Closed, 0), "{shape:?}");
    }
}

#[test]
fn i05_it_ends_only_on_a_reading_from_after_the_last_request_that_shows_no_order_of_ours() {
    let mut bench = active(Shape::SEPARATE);
    adjust(&mut bench, 10, Adjustment::HandBack);
    for _ in 0..3 {
        bench.take_sent().into_iter().for_each(|sent| bench.answer_one(sent));
    }
    assert_eq!(live(&bench), 0);
    let _ = bench.answer_asked(Venue::Honest);
    let last = bench.now();
    while bench.position().phase == Phase::Closing && bench.now() < last + 60_000 {
        let due = bench.engine.next_deadline().unwrap().at.0;
        bench.turn_to(due.max(bench.now() + 1));
        let asked = bench.answer_asked(Venue::Honest);
        if bench.position().phase == Phase::Closed {
            assert!(asked.iter().any(|query| matches!(query, Query::OpenOrders(_))), "{asked:?}");
        }
    }
    assert_eq!(bench.position().phase, Phase::Closed);
}

#[test]
fn s12_one_that_needs_a_human_or_is_closing_may_be_handed_back_and_no_other() {
    let bench = active(Shape::SEPARATE);
    for phase in [Phase::Failed, Phase::Closing] {
        let mut other = bench.reborn(|state| state.positions.values_mut().for_each(|p| p.phase = phase));
        adjust(&mut other, 10, Adjustment::HandBack);
        other.run(120_000, Venue::Honest, &|_| Reply::Accept);
        assert_eq!((other.position().phase, live(&other)), (Phase::Closed, 0), "{phase:?}");
        assert_eq!((other.position().why, other.placed_as(Role::Close)), (Why::HandedBack, 0), "{phase:?}");
    }
    // One that failed in this very run, since somebody else's exposure kept it from being proven flat.
    let mut failed = bench.clone();
    failed.others = "1".parse().unwrap();
    let no = failed.no();
    failed.command(9, Command::Close(no));
    failed.run(7_200_000, Venue::Honest, &|_| Reply::Accept);
    assert_eq!(failed.position().phase, Phase::Failed);
    adjust(&mut failed, 10, Adjustment::HandBack);
    failed.run(120_000, Venue::Honest, &|_| Reply::Accept);
    assert_eq!((failed.position().phase, live(&failed)), (Phase::Closed, 0));
    for phase in [Phase::New, Phase::Opening, Phase::Cancelling, Phase::Closed, Phase::Cancelled] {
        let mut other = bench.reborn(|state| state.positions.values_mut().for_each(|p| p.phase = phase));
        let _ = other.take_sent();
        let before = other.position().hands.clone();
        let no = other.no();
        other.command(10, Command::Adjust(no, Adjustment::HandBack));
        assert_eq!(other.position().hands, before, "{phase:?}");
    }
}
