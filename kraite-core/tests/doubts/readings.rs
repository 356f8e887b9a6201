//! R55, R61, R70, R75, R76, R88 and R94: what a reading of the whole contract proves, and what it does not.

use kraite_core::engine::{Alert, Answer, Command, InputKind, Query};
use kraite_core::exchange::{
    Cause, Direction, Endpoint, Lookup, OrderReport, PositionReport, ReadError, Reading, ReportStatus, StreamEvent,
};
use kraite_core::id::{Role, Symbol};
use kraite_core::number::Qty;
use kraite_core::position::{Phase, PositionStatus, Why};
use kraite_core::time::VenueMillis;

use crate::bench::{self, Bench, Reply, Shape, Venue};
use crate::{ERROR, about, deadline};

/// Two readings that agree are this far apart, and the next one of a disagreement follows so soon.
/// A core that is right has read long before this is over; one that is wrong must not keep a test for ever.
const HOUR: i64 = 3_600_000;
const FLAT_GAP: i64 = 20_000;
const REREAD: i64 = 2_000;

fn active() -> Bench {
    let mut bench = crate::active(Shape::SEPARATE);
    bench.told.clear();
    bench
}

fn shown(qty: Qty, symbol: Symbol, direction: Direction, sent_at: i64) -> PositionReport {
    PositionReport { symbol, direction, qty, entry_price: None, at: VenueMillis(sent_at) }
}

fn positions(bench: &mut Bench, value: Vec<PositionReport>, sent_at: i64, complete: bool) {
    let reading = Reading { value, sent_at: VenueMillis(sent_at), endpoint: Endpoint::Positions, complete };
    bench.feed(InputKind::Answer(Answer::Positions(Ok(reading))));
}

/// The venue shows so much of ours.
fn shows(bench: &mut Bench, qty: Qty, sent_at: i64) {
    positions(bench, vec![shown(qty, bench::symbol(), Direction::Long, sent_at)], sent_at, true);
}

/// All of our own orders are read, or some of them.
fn history(bench: &mut Bench, sent_at: i64, complete: bool) {
    let (value, sent_at) = (Vec::new(), VenueMillis(sent_at));
    let reading = Reading { value, sent_at, endpoint: Endpoint::History, complete };
    bench.feed(InputKind::Answer(Answer::History(bench::symbol(), VenueMillis(0), Ok(reading))));
}

fn less(bench: &Bench) -> Qty {
    bench.position().exposure().checked_sub("0.01".parse().unwrap()).unwrap()
}

fn more(bench: &Bench) -> Qty {
    bench.position().exposure().checked_add("0.01".parse().unwrap()).unwrap()
}

#[test]
fn r75_exposure_is_gone_after_two_readings_that_say_the_same_a_gap_and_the_clock_error_apart() {
    for (second, is_gone) in [(FLAT_GAP + ERROR - 1, false), (FLAT_GAP + ERROR, true)] {
        let mut bench = active();
        let (first, had, left) = (bench.now(), bench.position().exposure(), less(&bench));
        shows(&mut bench, left, first);
        assert_eq!(bench.position().exposure(), had, "one reading");
        history(&mut bench, first + 1, true);
        bench.turn_to(first + 30_000);
        shows(&mut bench, left, first + second);
        assert_eq!(bench.position().exposure(), if is_gone { left } else { had }, "{second}");
    }
}

#[test]
fn r97_r103_nothing_has_left_by_other_hands_before_our_own_orders_are_read() {
    let mut bench = active();
    let (start, had, left) = (bench.now(), bench.position().exposure(), less(&bench));
    bench.turn_to(start + 200_000);
    shows(&mut bench, left, start);
    shows(&mut bench, left, start + 50_000);
    assert!(bench.told.contains(&Alert::NeedsAttention), "{:?}", bench.told);
    // Part of the history, what was asked for before anything was gone, and lists of what is open do not say what became
    // of an order since.
    history(&mut bench, start + 60_000, false);
    history(&mut bench, start, true);
    let ids: Vec<_> = bench.position().orders.values().filter(|order| order.life.may_trade()).map(|o| o.id).collect();
    assert!(ids.len() > 2);
    let read = |bench: &mut Bench, id, endpoint, sent_at| {
        let order = bench.position().order(id).unwrap().reference(&bench::symbol());
        let reading = Reading { value: Lookup::NotFound, sent_at: VenueMillis(sent_at), endpoint, complete: true };
        bench.feed(InputKind::Answer(Answer::Lookup(order, endpoint, Ok(reading))));
    };
    for id in &ids {
        read(&mut bench, *id, Endpoint::OpenOrders, start + 70_000);
        read(&mut bench, *id, Endpoint::Order, start);
    }
    shows(&mut bench, left, start + 100_000);
    assert_eq!(bench.position().exposure(), had);
    for id in ids.iter().skip(1) {
        read(&mut bench, *id, Endpoint::Order, start + 110_000);
    }
    shows(&mut bench, left, start + 150_000);
    assert_eq!(bench.position().exposure(), had, "one of them is not read");
    read(&mut bench, ids[0], Endpoint::Order, start + 160_000);
    shows(&mut bench, left, start + 180_000);
    assert_eq!(bench.position().exposure(), left);
}

#[test]
fn r75_readings_that_differ_or_agree_again_in_between_begin_anew() {
    for between in [None, Some("0.02")] {
        let mut bench = active();
        let (start, had, left) = (bench.now(), bench.position().exposure(), less(&bench));
        bench.turn_to(start + 50_000);
        shows(&mut bench, left, start);
        let other = between.map_or(had, |qty| had.checked_sub(qty.parse().unwrap()).unwrap());
        shows(&mut bench, other, start + 10_000);
        shows(&mut bench, left, start + 25_000);
        assert_eq!(bench.position().exposure(), had, "{between:?}");
        history(&mut bench, start + 26_000, true);
        shows(&mut bench, left, start + 25_000 + FLAT_GAP + ERROR);
        assert_eq!(bench.position().exposure(), left, "{between:?}");
    }
}

#[test]
fn r75_what_goes_twice_is_booked_twice() {
    let mut bench = active();
    let (start, left) = (bench.now(), less(&bench));
    bench.turn_to(start + 100_000);
    shows(&mut bench, left, start);
    history(&mut bench, start + 1, true);
    shows(&mut bench, left, start + 25_000);
    let further = less(&bench);
    shows(&mut bench, further, start + 50_000);
    history(&mut bench, start + 51_000, true);
    shows(&mut bench, further, start + 75_000);
    assert_eq!((bench.position().exposure(), further < left), (further, true));
}

#[test]
fn r75_readings_that_are_older_incomplete_or_about_other_exposure_change_nothing() {
    let mut bench = active();
    let (start, had) = (bench.now(), bench.position().exposure());
    bench.turn_to(start + 100_000);
    let nothing = |bench: &mut Bench, at: i64, complete: bool| positions(bench, Vec::new(), at, complete);
    // Cut lists prove nothing.
    nothing(&mut bench, start + 10_000, false);
    nothing(&mut bench, start + 40_000, false);
    assert_eq!(bench.position().exposure(), had);
    // An older reading that comes late does not count against a younger one that agrees.
    shows(&mut bench, had, start + 50_000);
    nothing(&mut bench, start + 10_000, true);
    nothing(&mut bench, start + 40_000, true);
    assert_eq!(bench.position().exposure(), had);
    // Exposure of another contract or on the other side is not ours.
    let other = |at: i64| {
        vec![
            shown(had, Symbol::new("OTHERUSDT"), Direction::Long, at),
            shown(had, bench::symbol(), Direction::Short, at),
        ]
    };
    positions(&mut bench, other(start + 60_000), start + 60_000, true);
    history(&mut bench, start + 61_000, true);
    positions(&mut bench, other(start + 90_000), start + 90_000, true);
    assert!(bench.position().exposure().is_zero());
    assert_eq!(bench.position().why, Why::External);
}

#[test]
fn r76_more_than_ours_is_told_after_two_readings_a_gap_apart_and_never_managed() {
    for (second, is_told) in [(FLAT_GAP - 1, false), (FLAT_GAP, true)] {
        let mut bench = active();
        let (first, had, over) = (bench.now(), bench.position().exposure(), more(&bench));
        bench.turn_to(first + 30_000);
        shows(&mut bench, over, first);
        assert!(!bench.told.contains(&Alert::ForeignExposure));
        shows(&mut bench, over, first + second);
        assert_eq!(bench.told.contains(&Alert::ForeignExposure), is_told, "{second}");
        assert_eq!(bench.position().exposure(), had);
    }
    let mut bench = active();
    let (first, had, over) = (bench.now(), bench.position().exposure(), more(&bench));
    bench.turn_to(first + 60_000);
    shows(&mut bench, over, first);
    shows(&mut bench, had, first + 10_000);
    shows(&mut bench, over, first + 25_000);
    assert!(!bench.told.contains(&Alert::ForeignExposure), "it agreed in between");
}

/// When the whole contract is read next, and whether its history is.
fn next_reading(mut bench: Bench) -> (i64, bool) {
    let start = bench.now();
    let _ = bench.answer_asked(Venue::Honest);
    loop {
        assert!(bench.now() < start + HOUR, "it is never read again");
        let then = deadline(&bench);
        bench.turn_to(then);
        let asked = bench.answer_asked(Venue::Honest);
        if asked.iter().any(|query| matches!(query, Query::OpenOrders(_))) {
            assert!(asked.contains(&Query::Positions));
            return (bench.now() - start, asked.iter().any(|query| matches!(query, Query::History(..))));
        }
    }
}

#[test]
fn r75_a_reading_that_disagrees_is_repeated_soon_with_its_history_and_our_orders() {
    let bench = active();
    assert!(next_reading(bench.clone()).0 > REREAD, "nothing is due");
    for qty in [less(&bench), more(&bench)] {
        let mut bench = bench.clone();
        let (now, stop) = (bench.now(), bench.latest(Role::Stop).id);
        shows(&mut bench, qty, now);
        assert_eq!(next_reading(bench.clone()), (REREAD, true));
        // Our own orders are read in between.
        let mut asked = Vec::new();
        for _ in 0..1_000 {
            asked.extend(about(stop, &bench.answer_asked(Venue::Honest)));
            let then = bench.now() + 1;
            bench.turn_to(then);
        }
        assert_eq!(asked, [Endpoint::Order], "{qty}");
        // The same once more, too soon to be believed: it puts nothing off.
        let mut again = bench.clone();
        let now = again.now();
        shows(&mut again, qty, now);
        assert_eq!(next_reading(again), (REREAD - 1_000, true));
    }
}

#[test]
fn r88_a_pushed_size_is_read_about_within_a_second_and_changes_nothing_by_itself() {
    for qty in [Qty::ZERO, "0.01".parse().unwrap(), "99".parse().unwrap()] {
        let mut bench = active();
        let (had, open) = (bench.position().exposure(), bench.position().orders.clone());
        let report = shown(qty, bench::symbol(), Direction::Long, bench.now());
        bench.feed(InputKind::Push(StreamEvent::Position(report)));
        assert_eq!(
            (bench.position().exposure(), bench.take_sent(), bench.told.clone()),
            (had, vec![], vec![]),
            "{qty}"
        );
        assert_eq!((bench.position().phase, &bench.position().orders), (Phase::Active, &open), "{qty}");
        assert_eq!(next_reading(bench).0, 1_000, "{qty}");
    }
}

#[test]
fn r70_what_an_open_order_list_lacks_is_asked_for_and_what_it_shows_is_not() {
    let bench = active();
    let open: Vec<OrderReport> = bench
        .position()
        .orders
        .values()
        .filter(|o| o.life.is_open())
        .map(|o| bench.report(o, ReportStatus::New))
        .collect();
    assert!(open.len() >= 5, "three rungs, a stop, a target");
    let stop = bench.latest(Role::Stop).id;
    for (complete, lacks) in [(true, true), (true, false), (false, true)] {
        let mut bench = bench.clone();
        let is_stop = |report: &OrderReport| report.id == kraite_core::exchange::ReportedId::Ours(stop);
        let value = open.iter().filter(|report| !(lacks && is_stop(report))).cloned().collect();
        let reading = Reading { value, sent_at: VenueMillis(bench.now()), endpoint: Endpoint::OpenOrders, complete };
        bench.feed(InputKind::Answer(Answer::OpenOrders(bench::symbol(), Ok(reading))));
        let mut asked = Vec::new();
        for _ in 0..1_000 {
            asked.extend(bench.answer_asked(Venue::Honest));
            let then = bench.now() + 1;
            bench.turn_to(then);
        }
        let expected = if complete && lacks { vec![Endpoint::Order] } else { Vec::new() };
        assert_eq!(about(stop, &asked), expected, "complete {complete}, lacks {lacks}");
        let others = asked.iter().filter(|query| matches!(query, Query::Lookup(order, _) if order.id != stop)).count();
        assert_eq!(others, 0, "what is shown is not asked for");
        assert!(bench.engine.state().order(stop).unwrap().life.is_open(), "absence from a list ends nothing");
    }
}

#[test]
fn r70_without_trouble_the_contract_is_read_once_per_poll_without_its_history() {
    let mut bench = active();
    let every = kraite_core::engine::Config::default().poll_every.0;
    bench.run(every, Venue::Honest, &|_| Reply::Accept);
    let (start, mut times) = (bench.now(), Vec::new());
    while times.len() < 3 {
        assert!(bench.now() < start + HOUR, "it is no longer read");
        let then = deadline(&bench);
        bench.turn_to(then);
        let asked = bench.answer_asked(Venue::Honest);
        if asked.iter().any(|query| matches!(query, Query::OpenOrders(_))) {
            assert!(!asked.iter().any(|query| matches!(query, Query::History(..))));
            times.push(bench.now());
        }
    }
    assert_eq!((times[1] - times[0], times[2] - times[1]), (every, every));
}

#[test]
fn r55_what_has_ended_is_not_asked_for_again() {
    let mut bench = active();
    bench.fill(Role::Rung(1));
    let gone = bench.report(bench.latest(Role::Rung(2)), ReportStatus::Cancelled);
    bench.feed(InputKind::Push(StreamEvent::Order(gone)));
    bench.run(60_000, Venue::Honest, &|_| Reply::Accept);
    let (open, ended): (Vec<_>, Vec<_>) = bench.position().orders.values().partition(|order| order.life.is_open());
    assert_eq!(ended.len(), 4, "the entry, a rung that filled, one that was cancelled, a target that was replaced");
    let open: Vec<_> = open.iter().map(|order| order.id).collect();
    // Nothing is on the list: what is open is asked for, and what has ended is not missed.
    let reading = |bench: &Bench| {
        let (value, sent_at) = (Vec::new(), VenueMillis(bench.now()));
        Reading { value, sent_at, endpoint: Endpoint::OpenOrders, complete: true }
    };
    let mut asked = Vec::new();
    for _ in 0..3 {
        let answer = Answer::OpenOrders(bench::symbol(), Ok(reading(&bench)));
        bench.feed(InputKind::Answer(answer));
        let end = bench.now() + 300_000;
        while bench.now() < end {
            asked.extend(bench.answer_asked(Venue::Honest));
            let then = deadline(&bench).min(end);
            bench.turn_to(then);
        }
    }
    for order in bench.position().orders.values() {
        assert_eq!(!about(order.id, &asked).is_empty(), open.contains(&order.id), "{:?}", order.id);
    }
}

#[test]
fn r61_r95_an_opening_of_which_one_order_is_missing_is_not_completed_by_readings() {
    for missing in [Role::Stop, Role::Target, Role::Rung(2)] {
        let mut bench = Bench::new(Shape::SEPARATE);
        bench.open(&|id| if id.key().logical.role == missing { Reply::Silence } else { Reply::Accept });
        let id = bench.latest(missing).id;
        let stands = |bench: &Bench| (bench.position().phase, bench.position().status());
        let opening = (Phase::Opening, PositionStatus::Opening);
        for in_doubt in [false, true] {
            if in_doubt {
                bench.lose(id, Cause::Timeout);
            }
            let (now, had) = (bench.now(), bench.position().exposure());
            shows(&mut bench, had, now);
            history(&mut bench, now, true);
            let _ = bench.answer_asked(Venue::Honest);
            assert_eq!(stands(&bench), opening, "{missing} {in_doubt}");
        }
        let no = bench.no();
        bench.command(9, Command::Close(no));
        assert_eq!(stands(&bench), (Phase::Closing, PositionStatus::Closing), "{missing}");
    }
}

/// Answers everything that was asked with a failure; how many questions there were.
fn fail_what_is_asked(bench: &mut Bench) -> usize {
    let asked = bench.take_asked();
    for query in &asked {
        let no_answer = || ReadError::NoAnswer("timed out".into());
        bench.feed(InputKind::Answer(match query.clone() {
            Query::Lookup(order, endpoint) => Answer::Lookup(order, endpoint, Err(no_answer())),
            Query::OpenOrders(symbol) => Answer::OpenOrders(symbol, Err(no_answer())),
            Query::AllOpenOrders => Answer::AllOpenOrders(Err(no_answer())),
            Query::Positions => Answer::Positions(Err(no_answer())),
            Query::History(symbol, from) => Answer::History(symbol, from, Err(no_answer())),
            Query::Mark(symbol) => Answer::Mark(symbol, Err(no_answer())),
            Query::Rules(symbol) => Answer::Rules(symbol, Err(no_answer())),
            Query::Books(symbol, direction, from) => Answer::Books(symbol, direction, from, Err(no_answer())),
        }));
    }
    asked.len()
}

#[test]
fn r94_readings_that_all_fail_are_tried_on_and_told_and_say_nothing_about_the_position() {
    let mut bench = active();
    let (had, open) =
        (bench.position().exposure(), bench.position().orders.values().filter(|o| o.life.is_open()).count());
    let (start, mut asked) = (bench.now(), 0);
    while bench.now() < start + HOUR {
        asked += fail_what_is_asked(&mut bench);
        let then = deadline(&bench);
        bench.turn_to(then);
    }
    assert!((600..2_000).contains(&asked), "{asked} questions in an hour");
    assert_eq!((bench.position().phase, bench.position().exposure()), (Phase::Active, had));
    assert_eq!(bench.position().orders.values().filter(|o| o.life.is_open()).count(), open);
    assert_eq!(bench.take_sent(), []);
    assert_eq!(bench.told, [Alert::NeedsAttention], "once");
    bench.run(600_000, Venue::Honest, &|_| Reply::Accept);
    assert_eq!((bench.told.len(), bench.position().alerts.contains(&Alert::NeedsAttention)), (1, false));
    // The next time it is told again, after a minute of it.
    let start = bench.now();
    bench.feed(InputKind::Push(StreamEvent::Connected));
    while bench.told.len() == 1 && bench.now() < start + HOUR {
        fail_what_is_asked(&mut bench);
        let then = deadline(&bench);
        bench.turn_to(then);
    }
    let waited = bench.now() - start;
    assert!((50_000..70_000).contains(&waited), "told after {waited} ms");
}

#[test]
fn r75_r87_as_much_as_before_is_something_else_once_an_exit_of_ours_was_told_in_between() {
    let mut bench = crate::active(Shape::LIMIT_TARGET);
    let (start, had, lot) = (bench.now(), bench.position().exposure(), "0.01".parse::<Qty>().unwrap());
    let left = |lots: usize| (0..lots).fold(had, |qty, _| qty.checked_sub(lot).unwrap());
    shows(&mut bench, left(1), start);
    history(&mut bench, start + 1, true);
    // What the first reading missed is told: the target filled a lot. By now it has filled another one, which is not.
    bench.turn_to(start + 10_000);
    let mut told = bench.report(bench.latest(Role::Target), ReportStatus::PartiallyFilled);
    (told.executed, told.average_price) = (Some(lot), told.stated.as_ref().and_then(|stated| stated.price));
    bench.feed(InputKind::Push(StreamEvent::Order(told)));
    assert_eq!(bench.position().exposure(), left(1));
    bench.turn_to(start + 60_000);
    let second = start + FLAT_GAP + ERROR;
    shows(&mut bench, left(2), second);
    assert_eq!(bench.position().exposure(), left(1), "two readings that show different things do not agree");
    history(&mut bench, second + 1, true);
    shows(&mut bench, left(2), second + FLAT_GAP + ERROR);
    assert_eq!(bench.position().exposure(), left(2));
}

#[test]
fn r97_a_stop_that_was_overwritten_may_have_fired_before_and_only_the_history_says_so() {
    let mut bench = crate::active(Shape::PAIRED);
    bench.fill(Role::Rung(1));
    bench.run(10_000, Venue::Honest, &crate::all);
    let overwritten = bench.position().of(Role::Stop).chain(bench.position().of(Role::Target)).any(|o| o.superseded);
    assert!(overwritten, "the pair was stated anew");
    let (start, had, left) = (bench.now(), bench.position().exposure(), less(&bench));
    bench.turn_to(start + 200_000);
    shows(&mut bench, left, start);
    let open: Vec<_> = bench.position().orders.values().filter(|order| order.life.may_trade()).map(|o| o.id).collect();
    for id in open {
        let order = bench.position().order(id).unwrap().reference(&bench::symbol());
        let (value, sent_at) = (Lookup::NotFound, VenueMillis(start + 1));
        let reading = Reading { value, sent_at, endpoint: Endpoint::Order, complete: true };
        bench.feed(InputKind::Answer(Answer::Lookup(order, Endpoint::Order, Ok(reading))));
    }
    shows(&mut bench, left, start + 50_000);
    assert_eq!(bench.position().exposure(), had, "what may have taken it was not asked about");
    history(&mut bench, start + 60_000, true);
    shows(&mut bench, left, start + 100_000);
    assert_eq!(bench.position().exposure(), left);
}

#[test]
fn i16_a_rung_that_waits_asks_no_more_for_what_a_fresh_reading_has_said() {
    let mut bench = active();
    let left = less(&bench);
    let gone = bench.report(bench.latest(Role::Rung(1)), ReportStatus::Cancelled);
    bench.feed(InputKind::Push(StreamEvent::Order(gone)));
    // What is open is less than our fills explain, and the rung waits.
    let mut lists = 0;
    for _ in 0..60 {
        let at = bench.now();
        for query in bench.take_asked() {
            match query {
                Query::Positions => shows(&mut bench, left, at),
                other => {
                    lists += usize::from(matches!(other, Query::OpenOrders(_)));
                    bench.answer_one_asked(other, Venue::Honest);
                }
            }
        }
        bench.turn_to(at + 100);
    }
    assert_eq!(bench.placed_as(Role::Rung(1)), 1);
    assert!((1..=6).contains(&lists), "{lists} lists within six seconds");
}

#[test]
fn r75_a_reading_from_just_after_a_fill_may_be_of_before_it_and_is_none_of_the_two() {
    for (after, counts) in [(REREAD - 1, false), (REREAD, true)] {
        let mut bench = active();
        bench.turn_to(bench.now() + 10_000);
        bench.fill(Role::Rung(1));
        let (filled, had, left) = (bench.now(), bench.position().exposure(), less(&bench));
        let first = filled + after + ERROR;
        bench.turn_to(filled + 60_000);
        shows(&mut bench, left, first);
        history(&mut bench, first + 1, true);
        shows(&mut bench, left, first + FLAT_GAP + ERROR);
        assert_eq!(bench.position().exposure(), if counts { left } else { had }, "{after}");
    }
}
