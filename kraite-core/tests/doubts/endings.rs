//! R71, R72, R92, R96 and R98: what a position leaves behind when it ends, and when it may go.

use kraite_core::engine::{Alert, Answer, Command, Event, InputKind, Query, Sent};
use kraite_core::exchange::{
    Cause, Direction, Endpoint, PositionReport, Reading, RejectKind, ReportStatus, StreamEvent,
};
use kraite_core::id::{Role, Symbol};
use kraite_core::number::Qty;
use kraite_core::order::{Life, Terminal};
use kraite_core::position::{Phase, PhaseEvent, Position, Why};
use kraite_core::time::VenueMillis;

use crate::bench::{self, Bench, Reply, Shape, Venue};
use crate::refusals::run_refusing;
use crate::{ENGINE_BOUND, ERROR, active, all};

const HOUR: i64 = 3_600_000;

fn close(bench: &mut Bench) {
    let no = bench.no();
    bench.command(9, Command::Close(no));
}

fn cancelled(bench: &Bench) -> Vec<Role> {
    let cancels = bench.events().filter_map(|event| match event {
        Event::CancelIntended { id, .. } => Some(id.role()),
        _ => None,
    });
    cancels.collect()
}

#[test]
fn r71_what_was_never_placed_is_not_cancelled_and_the_first_reason_stays() {
    let mut bench = Bench::new(Shape::SEPARATE);
    let lost = Role::Rung(2);
    bench.open(&|id| if id.role() == lost { Reply::Silence } else { Reply::Accept });
    let rung = bench.latest(lost).id;
    bench.lose(rung, Cause::Timeout);
    let stop = bench.report(bench.latest(Role::Stop), ReportStatus::Cancelled);
    bench.feed(InputKind::Push(StreamEvent::Order(stop)));
    run_refusing(&mut bench, Role::Stop, RejectKind::Other, 120_000);
    assert_eq!(bench.position().order(rung).unwrap().life, Life::Done(Terminal::Absent));
    let cancelled = cancelled(&bench);
    assert!(cancelled.contains(&Role::Rung(1)) && !cancelled.contains(&lost), "{cancelled:?}");
    assert_eq!((bench.position().phase, bench.position().why), (Phase::Closed, Why::StopRefused));
}

#[test]
fn r72_a_close_is_of_what_our_fills_come_to_whatever_a_late_reading_shows() {
    for shown in ["0.83", "0", "99"] {
        let mut bench = active(Shape::SEPARATE);
        assert_eq!(bench.position().exposure(), "0.83".parse().unwrap());
        bench.fill(Role::Rung(1));
        let (symbol, at) = (bench::symbol(), VenueMillis(bench.now()));
        let qty = shown.parse().unwrap();
        let row = PositionReport { symbol, direction: Direction::Long, qty, entry_price: None, at };
        let reading = Reading { value: vec![row], sent_at: at, endpoint: Endpoint::Positions, complete: true };
        bench.feed(InputKind::Answer(Answer::Positions(Ok(reading))));
        close(&mut bench);
        let wanted: Qty = "2.49".parse().unwrap();
        assert_eq!(
            (bench.position().exposure(), bench.latest(Role::Close).shape.qty()),
            (wanted, Some(wanted)),
            "{shown}"
        );
    }
}

#[test]
fn r92_what_is_flat_is_not_closed_again_and_its_books_end_with_its_last_order() {
    let mut bench = active(Shape::LIMIT_TARGET);
    bench.fill(Role::Target);
    bench.run(120_000, Venue::Honest, &all);
    assert_eq!((bench.position().phase, bench.placed_as(Role::Close)), (Phase::Closed, 0));
    assert!(!bench.told.contains(&Alert::NeedsAttention), "{:?}", bench.told);
    let finished = |event: &Event| matches!(event, Event::Moved { on: PhaseEvent::Finished, .. });
    let record = bench.records.iter().find(|record| record.events.iter().any(finished)).unwrap();
    let (position, ended) = (bench.position(), bench.engine.state().ended[&bench.no()].clone());
    assert_eq!((position.ended_at, ended.at), (Some(record.at.local), record.at.venue), "one record for all of it");
    assert_eq!(ended.realised, position.realised());
}

#[test]
fn r91_what_one_reading_still_shows_may_lag_and_what_a_later_one_shows_too_is_told() {
    let mut bench = active(Shape::LIMIT_TARGET);
    bench.turn_to(bench.now() + 60_000);
    let qty = bench.position().exposure();
    let shown = |bench: &mut Bench, at: i64, qty: Qty| {
        let (symbol, sent_at) = (bench::symbol(), VenueMillis(at));
        let row = PositionReport { symbol, direction: Direction::Long, qty, entry_price: None, at: sent_at };
        let reading = Reading { value: vec![row], sent_at, endpoint: Endpoint::Positions, complete: true };
        bench.feed(InputKind::Answer(Answer::Positions(Ok(reading))));
        (bench.told.contains(&Alert::NeedsAttention), bench.position().phase)
    };
    // What it showed before says nothing of afterwards.
    let before = bench.now();
    assert_eq!(shown(&mut bench, before, qty), (false, Phase::Active));
    bench.turn_to(before + 30_000);
    bench.fill(Role::Target);
    let first = bench.now();
    for sent in bench.take_sent() {
        bench.answer_one(sent);
    }
    assert_eq!(shown(&mut bench, first, qty), (false, Phase::Closing));
    bench.turn_to(first + 1_999);
    assert_eq!(shown(&mut bench, first + 1_999, qty), (false, Phase::Closing));
    let mut flat = bench.clone();
    flat.run(120_000, Venue::Honest, &all);
    assert_eq!((flat.told.contains(&Alert::NeedsAttention), flat.position().phase), (false, Phase::Closed));
    bench.turn_to(first + 2_000);
    assert_eq!(shown(&mut bench, first + 2_000, qty), (true, Phase::Closing));
}

#[test]
fn r72_after_a_restart_a_close_waits_until_it_is_known_what_the_exits_did_though_not_for_ever() {
    for (read, filled) in [(true, true), (true, false), (false, false)] {
        let mut bench = active(Shape::LIMIT_TARGET).reborn(|_| ());
        bench.feed(InputKind::Started);
        let started = bench.now();
        close(&mut bench);
        assert_eq!((bench.position().phase, bench.placed_as(Role::Close)), (Phase::Closing, 0));
        bench.turn_to(started + 200);
        if filled {
            // The target filled while nobody listened.
            bench.fill(Role::Target);
        }
        if read {
            let _ = bench.answer_asked(Venue::Honest);
            assert_eq!(bench.placed_as(Role::Close), usize::from(!filled), "{filled}");
            continue;
        }
        bench.turn_to(started + 4_999);
        assert_eq!(bench.placed_as(Role::Close), 0);
        bench.turn_to(started + 5_000);
        assert_eq!(bench.placed_as(Role::Close), 1, "nothing can be read");
    }
}

#[test]
fn i11_a_close_and_a_target_that_execute_at_once_take_what_others_hold_beside_it_and_halt_nothing() {
    let mut bench = active(Shape::LIMIT_TARGET);
    let entered = bench.position().exposure();
    close(&mut bench);
    assert_eq!(bench.placed_as(Role::Close), 1);
    bench.fill(Role::Target);
    assert!(!bench.told.contains(&Alert::NeedsAttention), "{:?}", bench.told);
    bench.fill(Role::Close);
    let position = bench.position();
    assert_eq!((position.exposure(), position.halted), (Qty::ZERO, false), "of {entered}");
    // A rung may have filled as well, as long as it is not cancelled.
    bench.run(120_000, Venue::Honest, &all);
    assert_eq!(bench.position().phase, Phase::Closed);
    assert!(bench.told.contains(&Alert::NeedsAttention), "{:?}", bench.told);
    assert!(!bench.told.contains(&Alert::Invariant), "{:?}", bench.told);
}

#[test]
fn i06_a_copy_that_the_wire_made_of_a_rung_is_cancelled_and_the_rung_stays() {
    let mut bench = active(Shape::SEPARATE);
    let rung = bench.latest(Role::Rung(1)).clone();
    let mut copy = bench.report(&rung, ReportStatus::New);
    copy.venue_id = kraite_core::id::VenueOrderId::new(&format!("{}-copy", copy.venue_id.as_str()));
    let of_the_copy = Sent::Cancel(rung.id, Some(copy.venue_id.clone()));
    bench.take_sent();
    bench.feed(InputKind::Push(StreamEvent::Order(copy)));
    let cancels: Vec<Sent> =
        bench.take_sent().into_iter().filter(|sent| matches!(sent, Sent::Cancel(id, _) if *id == rung.id)).collect();
    assert_eq!(cancels, [of_the_copy]);
    assert_eq!(bench.position().order(rung.id).unwrap().life, Life::Working);
}

#[test]
fn r96_a_close_that_never_left_is_no_orphan_of_a_position_that_is_flat() {
    let mut bench = active(Shape::LIMIT_TARGET);
    close(&mut bench);
    let id = bench.latest(Role::Close).id;
    for sent in bench.take_sent() {
        if sent == Sent::Place(id) { bench.refuse(id, RejectKind::NotSent) } else { bench.answer_one(sent) }
    }
    assert_eq!(bench.position().order(id).unwrap().life, Life::Planned);
    bench.fill(Role::Target);
    bench.run(120_000, Venue::Honest, &all);
    assert_eq!(bench.position().phase, Phase::Closed);
    assert!(bench.position().orders.values().all(|order| order.life.is_done()));
    assert_eq!((bench.placed_as(Role::Close), cancelled(&bench).contains(&Role::Close)), (1, false));
}

/// Asks for a position on another contract, and says how many the account knows then.
fn after_another_opening(mut bench: Bench) -> usize {
    bench.turn_to(bench.now() + 2 * HOUR);
    let mut request = bench.request();
    request.instrument.symbol = Symbol::new("OTHERUSDT");
    request.mark.symbol = Symbol::new("OTHERUSDT");
    bench.command(2, Command::Open(Box::new(request)));
    bench.engine.state().positions.len()
}

#[test]
fn r98_a_position_is_known_until_it_is_proven_clean() {
    let mut over = active(Shape::LIMIT_TARGET);
    over.fill(Role::Target);
    over.run(120_000, Venue::Honest, &all);
    assert_eq!(over.position().phase, Phase::Closed);
    assert_eq!(after_another_opening(over.clone()), 1, "flat and clean, long ago");
    let changed = |change: &dyn Fn(&mut Position)| over.reborn(|state| state.positions.values_mut().for_each(change));
    let failed = changed(&|position| position.phase = Phase::Failed);
    assert_eq!(after_another_opening(failed), 2, "nobody has proven that it is clean");
    let rung = over.latest(Role::Rung(3)).id;
    let in_doubt = changed(&|position| {
        position.orders.change(rung, |order| order.life = Life::InDoubt);
    });
    assert_eq!(after_another_opening(in_doubt), 2, "an order of it may still trade");
}

/// A copy that the wire made of a target comes to rest when the position has ended, and no frame tells of it.
#[test]
fn i06_a_copy_that_nobody_tells_of_is_looked_for_after_the_end_once_it_cannot_come_any_more() {
    let mut bench = active(Shape::LIMIT_TARGET);
    bench.run(60_000, Venue::Honest, &all);
    bench.fill(Role::Rung(1));
    bench.run(500, Venue::Honest, &all);
    let target = bench.latest(Role::Target).clone();
    bench.fill(Role::Target);
    while bench.position().phase != Phase::Closed {
        bench.run(100, Venue::Honest, &all);
        assert!(bench.now() < target.not_after.0 + HOUR, "it does not end");
    }
    let dead_at = target.not_after.0 + ENGINE_BOUND;
    assert!(bench.now() < dead_at, "it has ended before a copy could have come");
    bench.take_sent();
    let open = |query: &Query| matches!(query, Query::OpenOrders(_));
    let mut asked = bench.take_asked();
    for reborn in [false, true] {
        let mut bench = if reborn { bench.reborn(|_| ()) } else { bench.clone() };
        if reborn {
            bench.feed(InputKind::Started);
            let _ = bench.answer_asked(Venue::Honest);
        }
        while !asked.iter().any(open) {
            assert!(bench.now() < dead_at + 5_000, "nobody looks");
            bench.turn_to(bench.now() + 100);
            asked = bench.take_asked();
        }
        asked.clear();
        assert!(bench.now() > dead_at + ERROR, "not before it cannot come any more: {} {dead_at}", bench.now());
        let mut copy = bench.report(&target, ReportStatus::New);
        copy.venue_id = kraite_core::id::VenueOrderId::new(&format!("{}-copy", copy.venue_id.as_str()));
        let of_the_copy = Sent::Cancel(target.id, Some(copy.venue_id.clone()));
        let sent_at = VenueMillis(bench.now());
        let reading = Reading { value: vec![copy], sent_at, endpoint: Endpoint::OpenOrders, complete: true };
        bench.take_sent();
        bench.feed(InputKind::Answer(Answer::OpenOrders(bench::symbol(), Ok(reading))));
        assert_eq!(bench.take_sent(), [of_the_copy], "{reborn}");
        // Once is enough.
        bench.turn_to(bench.now() + 120_000);
        assert!(!bench.take_asked().iter().any(open), "{reborn}");
    }
}
