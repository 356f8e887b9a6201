//! R62 to R68: what fills, ends or moves an order of an active position, and what follows from that.

use kraite_core::engine::{Answer, Command, Event, InputKind, Sent};
use kraite_core::exchange::{Endpoint, Lookup, OrderReport, Reading, ReportStatus, Service, Stated, StreamEvent};
use kraite_core::id::{ClientOrderId, Role, VenueOrderId};
use kraite_core::number::{Price, Qty};
use kraite_core::order::{Life, Order};
use kraite_core::position::{Phase, Protective};
use kraite_core::time::VenueMillis;

use crate::bench::{self, Bench, Shape, Venue};
use crate::{SHAPES, active, all};

const LEGS: [Role; 3] = [Role::Stop, Role::Target, Role::Rung(1)];

fn push(bench: &mut Bench, report: &OrderReport) {
    bench.feed(InputKind::Push(StreamEvent::Order(report.clone())));
}

fn working(bench: &Bench, role: Role) -> Vec<ClientOrderId> {
    bench.position().of(role).filter(|o| o.life == Life::Working).map(|o| o.id).collect()
}

/// So much of an order has executed; of one that has fired its child tells.
fn part(bench: &Bench, order: &Order, executed: &str) -> OrderReport {
    let report = bench.report(order, ReportStatus::PartiallyFilled);
    let average_price = order.shape.price();
    let report = OrderReport { executed: executed.parse().ok(), average_price, ..report };
    if order.service == Service::Regular {
        return report;
    }
    let (parent, venue_id) = (Some(report.venue_id), VenueOrderId::new("v-child"));
    OrderReport { venue_id, parent, service: Service::Regular, ..report }
}

/// One report by each way on which it can come.
fn tell(bench: &mut Bench, way: usize, report: OrderReport, order: &Order) {
    let sent_at = VenueMillis(bench.now());
    let list = |endpoint| Reading { value: vec![report.clone()], sent_at, endpoint, complete: true };
    let found =
        Reading { value: Lookup::Found(vec![report.clone()]), sent_at, endpoint: Endpoint::Order, complete: true };
    let answer = match way {
        0 => return push(bench, &report),
        1 => Answer::Lookup(order.reference(&bench::symbol()), Endpoint::Order, Ok(found)),
        2 => Answer::OpenOrders(bench::symbol(), Ok(list(Endpoint::OpenOrders))),
        _ => Answer::History(bench::symbol(), VenueMillis(0), Ok(list(Endpoint::History))),
    };
    bench.feed(InputKind::Answer(answer));
}

#[test]
fn r62_each_part_of_a_rung_a_target_or_a_stop_counts_at_once_pushed_or_polled() {
    for role in LEGS {
        for (first, second) in (0..16).map(|ways| (ways / 4, ways % 4)) {
            let mut bench = active(Shape::LIMIT_TARGET);
            let (had, order) = (bench.position().exposure(), bench.latest(role).clone());
            for (way, executed) in [(first, "0.1"), (second, "0.3")] {
                let report = part(&bench, &order, executed);
                tell(&mut bench, way, report, &order);
                let part: Qty = executed.parse().unwrap();
                let now = if role.is_exit() { had.checked_sub(part) } else { had.checked_add(part) };
                assert_eq!(bench.position().exposure(), now.unwrap(), "{role} {first} {second}");
                bench.now += 10;
            }
            // The target follows; a stop that fires and takes only a part off is followed by a close.
            bench.run(20_000, Venue::Honest, &all);
            let fits = bench.position().target_is_current() == (role != Role::Stop);
            let phase = if role == Role::Stop { Phase::Closing } else { Phase::Active };
            assert_eq!((fits, bench.position().phase), (true, phase), "{role} {first} {second}");
        }
    }
}

/// What was sent is answered three seconds late, and nothing of it is sent again until then.
fn unanswered_for_a_while(bench: &mut Bench) {
    let sent = bench.take_sent();
    bench.turn_to(bench.now() + 3_000);
    assert_eq!(bench.take_sent(), []);
    sent.into_iter().for_each(|sent| bench.answer_one(sent));
}

#[test]
fn r65_r67_a_leg_that_ended_is_replaced_once_by_whatever_word_and_however_often_that_is_told() {
    for shape in SHAPES {
        for role in LEGS {
            for status in [ReportStatus::Cancelled, ReportStatus::Expired, ReportStatus::Rejected] {
                if (role, status) == (Role::Stop, ReportStatus::Rejected) {
                    continue; // a stop that is refused after it rested has fired in vain, which closes (R43)
                }
                let mut bench = active(shape);
                let (gone, before) = (bench.latest(role).clone(), bench.placed_as(role));
                let report = bench.report(&gone, status);
                push(&mut bench, &report);
                // What follows is decided on with the fact that it follows from.
                let together = bench.records.last().unwrap().events.clone();
                assert!(together.contains(&Event::Merged { id: gone.id }), "{together:?}");
                let intended =
                    together.iter().any(|event| matches!(event, Event::Intended { id, .. } if id.role() == role));
                assert_eq!(intended, role.is_exit(), "{shape:?} {role} {status:?}: a rung is read about first");
                for way in [0, 1, 3, 0] {
                    tell(&mut bench, way, report.clone(), &gone);
                }
                unanswered_for_a_while(&mut bench);
                bench.run(60_000, Venue::Honest, &all);
                assert_eq!(bench.placed_as(role), before + 1, "{shape:?} {role} {status:?}");
                assert_eq!(working(&bench, role), [bench.latest(role).id], "{shape:?} {role} {status:?}");
                assert_eq!((bench.position().phase, bench.each_once()), (Phase::Active, true));
            }
        }
    }
}

#[test]
fn r65_r67_stop_and_target_that_end_together_are_set_again_by_one_pair_call() {
    let mut bench = active(Shape::PAIRED);
    let legs = [Role::Stop, Role::Target];
    let before = legs.map(|role| bench.placed_as(role));
    let ended = legs.map(|role| bench.report(bench.latest(role), ReportStatus::Cancelled));
    for report in ended.iter().chain(&ended) {
        push(&mut bench, report);
    }
    unanswered_for_a_while(&mut bench);
    bench.run(60_000, Venue::Honest, &all);
    assert_eq!(legs.map(|role| bench.placed_as(role)), before.map(|placed| placed + 1));
    assert_eq!(legs.map(|role| working(&bench, role).len()), [1, 1]);
}

#[test]
fn r66_an_order_that_somebody_moved_goes_back_to_where_it_is_wanted() {
    for shape in SHAPES {
        for role in LEGS {
            let mut bench = active(shape);
            let (moved, before) = (bench.latest(role).clone(), bench.placed_as(role));
            let mut report = bench.report(&moved, ReportStatus::New);
            let price = moved.shape.price().and_then(|price| price.checked_add("0.5".parse().unwrap()).ok());
            report.stated = Some(Stated { at: VenueMillis(bench.now()), price, qty: moved.shape.qty() });
            push(&mut bench, &report);
            let restored = bench.take_sent();
            assert!(!restored.is_empty(), "{shape:?} {role}");
            restored.into_iter().for_each(|sent| bench.answer_one(sent));
            bench.run(60_000, Venue::Honest, &all);
            assert_eq!(bench.placed_as(role), before + 1, "{shape:?} {role}");
            let now = bench.latest(role);
            assert_eq!((working(&bench, role), now.shape), (vec![now.id], moved.shape), "{shape:?} {role}");
        }
    }
}

#[test]
fn r66_a_rung_whose_size_somebody_changed_is_placed_again_with_what_is_left_and_not_under_a_halt() {
    for halted in [false, true] {
        let mut bench = active(Shape::SEPARATE);
        if halted {
            bench.command(7, Command::Halt);
        }
        let rung = bench.latest(Role::Rung(2)).clone();
        let mut report = part(&bench, &rung, "0.3");
        report.stated = report.stated.map(|stated| Stated { qty: "5".parse().ok(), ..stated });
        push(&mut bench, &report);
        let cancelled =
            |bench: &mut Bench| bench.take_sent().iter().any(|s| matches!(s, Sent::Cancel(id, _) if *id == rung.id));
        assert_eq!(cancelled(&mut bench), !halted, "what goes under a halt does not come back");
        if halted {
            bench.command(8, Command::Resume);
            bench.turn_to(bench.now() + 1);
            assert!(cancelled(&mut bench));
        }
        let gone = OrderReport { status: ReportStatus::Cancelled, ..report };
        push(&mut bench, &gone);
        bench.run(60_000, Venue::Honest, &all);
        let left = rung.shape.qty().unwrap().checked_sub("0.3".parse().unwrap()).ok();
        assert_eq!((bench.latest(Role::Rung(2)).shape.qty(), working(&bench, Role::Rung(2)).len()), (left, 1));
    }
}

#[test]
fn r68_a_cancel_of_ours_is_on_record_with_its_request_and_its_echo_places_nothing() {
    for shape in [Shape::SEPARATE, Shape::LIMIT_TARGET] {
        let mut bench = active(shape);
        let old = bench.latest(Role::Target).clone();
        bench.fill(Role::Rung(1));
        let new = bench.latest(Role::Target).id;
        assert_eq!(bench.take_sent(), [Sent::Place(new)]);
        bench.answer_one(Sent::Place(new));
        assert!(matches!(&bench.take_sent()[..], [Sent::Cancel(id, _)] if *id == old.id));
        let saved = Event::CancelIntended { id: old.id, extra: None };
        assert!(bench.records.last().unwrap().events.contains(&saved), "{shape:?}");
        // The process dies, and the next one hears of its end.
        let mut bench = bench.reborn(|_| {});
        assert!(bench.position().order(old.id).unwrap().cancel_wanted);
        bench.feed(InputKind::Started);
        let echo = bench.report(&old, ReportStatus::Cancelled);
        push(&mut bench, &echo);
        bench.run(60_000, Venue::Honest, &all);
        assert_eq!((bench.placed.len(), working(&bench, Role::Target)), (0, vec![new]), "{shape:?}");
        // A closing cancels what may still enter.
        let no = bench.no();
        bench.command(9, Command::Close(no));
        let record = bench.records.last().unwrap().events.clone();
        let cancels: Vec<_> = bench.take_sent().into_iter().filter(|sent| matches!(sent, Sent::Cancel(..))).collect();
        assert_eq!(cancels.len(), 2, "two rungs");
        for sent in cancels {
            let Sent::Cancel(id, _) = sent else { continue };
            assert!(record.contains(&Event::CancelIntended { id, extra: None }), "{id:?}");
            let echo = bench.report(bench.position().order(id).unwrap(), ReportStatus::Cancelled);
            push(&mut bench, &echo);
        }
        bench.run(60_000, Venue::Honest, &all);
        assert_eq!(bench.placed.iter().filter(|id| id.role() != Role::Close).count(), 0, "{shape:?}");
    }
}

/// A target at a price that nobody wanted, as somebody's hand would leave it.
fn moved(bench: &Bench, target: &Order, to: Price) -> OrderReport {
    let mut report = bench.report(target, ReportStatus::New);
    report.stated = Some(Stated { at: VenueMillis(bench.now()), price: Some(to), qty: target.shape.qty() });
    report
}

#[test]
fn r64_what_was_to_be_put_right_is_looked_at_again_when_its_time_comes() {
    #[derive(PartialEq, Debug)]
    enum Meanwhile {
        Nothing,
        MovedBack,
        Closed,
    }
    for meanwhile in [Meanwhile::Nothing, Meanwhile::MovedBack, Meanwhile::Closed] {
        let mut bench = active(Shape::LIMIT_TARGET);
        bench.fill(Role::Rung(1));
        bench.take_sent().into_iter().for_each(|sent| bench.answer_one(sent));
        bench.take_sent().into_iter().for_each(|sent| bench.answer_one(sent));
        let target = bench.latest(Role::Target).clone();
        assert_eq!(working(&bench, Role::Target), [target.id]);
        bench.now += 10;
        let report = moved(&bench, &target, "170".parse().unwrap());
        push(&mut bench, &report);
        assert_eq!(bench.take_sent(), [], "it was decided on a moment ago");
        bench.now += 10;
        match meanwhile {
            Meanwhile::Nothing => {}
            Meanwhile::MovedBack => {
                let back = moved(&bench, &target, target.shape.price().unwrap());
                push(&mut bench, &back);
            }
            Meanwhile::Closed => {
                let no = bench.no();
                bench.command(7, Command::Close(no));
            }
        }
        bench.turn_to(bench.now() + 2_000);
        let placed = bench.take_sent().iter().any(|s| matches!(s, Sent::Place(id) if id.role() == Role::Target));
        assert_eq!(placed, meanwhile == Meanwhile::Nothing, "{meanwhile:?}");
        assert_eq!(bench.position().stop(), Protective::Open);
    }
}
