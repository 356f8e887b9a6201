//! What an ended position cost: read once, taken once, and never a reason to trade.

use kraite_core::engine::{Answer, Command, Event, InputKind, Query};
use kraite_core::exchange::{Direction, Endpoint, Payment, Reading, StreamEvent, Trade};
use kraite_core::id::{PositionNo, Role, Symbol, TradeId};
use kraite_core::number::Notional;
use kraite_core::position::Phase;
use kraite_core::time::VenueMillis;

use crate::bench::{Bench, FEE, Shape, Venue};
use crate::{active, all};

const HOUR: i64 = 3_600_000;

fn money(text: &str) -> Notional {
    text.parse().unwrap()
}

/// What was booked, as far as anybody asked.
fn times_asked(asked: &[Query]) -> usize {
    asked.iter().filter(|query| matches!(query, Query::Books(..))).count()
}

fn times_booked(bench: &Bench) -> usize {
    bench.events().filter(|event| matches!(event, Event::Booked { .. })).count()
}

/// The one question that is open: for the books.
fn asked_books(bench: &mut Bench) -> (Symbol, Direction, VenueMillis) {
    match bench.take_asked().as_slice() {
        [Query::Books(symbol, direction, from)] => (symbol.clone(), *direction, *from),
        other => panic!("{other:?}"),
    }
}

/// Runs on, answering everything; how often the books were asked for.
fn run(bench: &mut Bench, span: i64) -> usize {
    let (end, mut asked) = (bench.now() + span, 0);
    while bench.now() < end {
        bench.run(1, Venue::Honest, &all);
        asked += times_asked(&bench.answer_asked(Venue::Honest));
        let due = bench.engine.next_deadline().map_or(end, |deadline| deadline.at.0);
        bench.turn_to(due.clamp(bench.now() + 1, end));
        asked += times_asked(&bench.answer_asked(Venue::Honest));
    }
    asked
}

/// A position that its target took off, seen as flat and clean a moment ago.
fn over() -> Bench {
    let mut bench = active(Shape::LIMIT_TARGET);
    bench.fill(Role::Target);
    bench.run(9_000, Venue::Honest, &all);
    assert_eq!(bench.position().phase, Phase::Closed);
    bench
}

/// The same, with every fill told as a trade by the stream.
fn over_and_told() -> Bench {
    let mut bench = active(Shape::LIMIT_TARGET);
    let tell = |bench: &mut Bench, role| {
        let order = bench.latest(role).clone();
        let mut report = bench.report(&order, kraite_core::exchange::ReportStatus::Filled);
        let (qty, price) = (report.executed.unwrap(), report.average_price.unwrap());
        report.trade = Some(Trade { id: TradeId(format!("told-{role}").into()), qty, price, fee: money("0.01") });
        bench.feed(InputKind::Push(StreamEvent::Order(report)));
    };
    tell(&mut bench, Role::Entry);
    tell(&mut bench, Role::Target);
    bench.run(9_000, Venue::Honest, &all);
    assert_eq!((bench.position().phase, bench.position().is_told()), (Phase::Closed, true));
    bench
}

#[test]
fn fees_that_nobody_told_are_read_once_after_the_end() {
    let mut bench = over();
    let (entered, before) = (bench.position().entered(), bench.position().realised().unwrap());
    assert_eq!((entered.fee, entered.untold, bench.position().is_told()), (money("0"), entered.cost.unwrap(), false));
    assert_eq!(times_booked(&bench), 0, "a venue's books take a moment");
    assert_eq!(run(&mut bench, 600_000), 1);
    let position = bench.position();
    let (entered, exited) = (position.entered(), position.exited());
    assert_eq!((entered.fee, exited.fee), (money(FEE), money(FEE)));
    assert_eq!((entered.untold, exited.untold, position.is_told()), (money("0"), money("0"), true));
    assert_eq!(position.realised(), Some(before.checked_sub(money("0.14")).unwrap()), "no taker's fee here");
    assert_eq!(bench.engine.state().ended[&bench.no()].realised, position.realised());
    assert_eq!(times_booked(&bench), 1);
}

#[test]
fn what_the_stream_told_within_an_hour_is_not_read_again() {
    let mut bench = over_and_told();
    assert_eq!(run(&mut bench, 2 * HOUR), 0);
    assert_eq!((bench.position().booked, times_booked(&bench)), (None, 0));
}

#[test]
fn funding_counts_from_the_request_to_the_end_of_a_position_that_was_open_over_a_full_hour() {
    let mut told = active(Shape::LIMIT_TARGET);
    let start = told.position().request.mark.at.0;
    let hour = (start / HOUR + 1) * HOUR;
    told.run(hour + 5_000 - told.now(), Venue::Honest, &all);
    let pay = |at, amount| Payment { at: VenueMillis(at), amount: money(amount) };
    told.funding = vec![pay(start - 1, "100"), pay(start, "-0.5"), pay(hour, "-0.25"), pay(hour + HOUR, "100")];
    told.fill(Role::Target);
    told.run(9_000, Venue::Honest, &all);
    let before = told.position().realised().unwrap();
    assert_eq!(run(&mut told, 600_000), 1);
    let position = told.position();
    assert_eq!(position.booked.unwrap().funding, money("-0.75"));
    let fees = money("0.14").checked_add(money("0.75")).unwrap();
    assert_eq!(position.realised(), Some(before.checked_sub(fees).unwrap()));
    assert_eq!(told.engine.state().ended[&told.no()].realised, position.realised(), "a limit on losses knows of it");
}

#[test]
fn books_that_fail_or_are_not_whole_are_asked_for_again() {
    let mut bench = over();
    bench.turn_to(bench.now() + 30_000);
    let asked = bench.take_asked();
    let [query @ Query::Books(symbol, direction, from)] = asked.as_slice() else { panic!("{asked:?}") };
    let no_answer = kraite_core::exchange::ReadError::NoAnswer("timed out".into());
    bench.feed(InputKind::Answer(Answer::unanswered(query.clone(), no_answer)));
    assert_eq!(times_booked(&bench), 0);
    bench.turn_to(bench.now() + 60_000);
    assert_eq!(times_asked(&bench.take_asked()), 1);
    let sent_at = VenueMillis(bench.now());
    let part = Reading { value: bench.books(), sent_at, endpoint: Endpoint::Fills, complete: false };
    bench.feed(InputKind::Answer(Answer::Books(symbol.clone(), *direction, *from, Ok(part))));
    assert_eq!((times_booked(&bench), times_asked(&bench.take_asked())), (0, 0), "a part of the books is no sum");
    assert_eq!(run(&mut bench, 600_000), 1);
    assert_eq!((times_booked(&bench), bench.position().is_told()), (1, true));
}

#[test]
fn an_answer_that_nobody_waits_for_books_nothing() {
    let mut bench = over();
    let position = bench.position();
    let (symbol, from) = (position.symbol().clone(), position.request.mark.at);
    let reading =
        Reading { value: bench.books(), sent_at: VenueMillis(bench.now()), endpoint: Endpoint::Fills, complete: true };
    let answer = Answer::Books(symbol, position.direction(), from, Ok(reading));
    bench.feed(InputKind::Answer(answer));
    assert_eq!(times_booked(&bench), 0);
}

#[test]
fn books_say_what_a_fill_cost_and_never_how_much_it_was() {
    let mut bench = over();
    bench.turn_to(bench.now() + 30_000);
    let (symbol, direction, from) = asked_books(&mut bench);
    let mut books = bench.books();
    for booked in &mut books.trades {
        // Twice as much as anybody knows of, under two ids.
        booked.trade.qty = booked.trade.qty.checked_add(booked.trade.qty).unwrap();
    }
    let (entered, exited) = (bench.position().entered(), bench.position().exited());
    let reading =
        Reading { value: books, sent_at: VenueMillis(bench.now()), endpoint: Endpoint::Fills, complete: true };
    bench.feed(InputKind::Answer(Answer::Books(symbol, direction, from, Ok(reading))));
    assert_eq!(times_booked(&bench), 1);
    assert_eq!((bench.position().entered(), bench.position().exited()), (entered, exited));
    assert_eq!(bench.position().phase, Phase::Closed);
    // What is missing still is asked for once more, three minutes after the end, and then no more.
    assert_eq!(run(&mut bench, 3 * HOUR), 1);
    assert!(bench.position().is_told());
}

#[test]
fn books_that_stay_without_a_trade_are_read_twice() {
    let mut bench = over();
    for wait in [30_000, 180_000] {
        bench.turn_to(bench.now() + wait);
        let (symbol, direction, from) = asked_books(&mut bench);
        let mut value = bench.books();
        value.trades.clear();
        let reading = Reading { value, sent_at: VenueMillis(bench.now()), endpoint: Endpoint::Fills, complete: true };
        bench.feed(InputKind::Answer(Answer::Books(symbol, direction, from, Ok(reading))));
    }
    assert_eq!((run(&mut bench, 3 * HOUR), times_booked(&bench)), (0, 2));
}

#[test]
fn s10_a_new_run_reads_the_books_that_the_last_one_owes() {
    let mut bench = over().reborn(|_| {});
    bench.feed(InputKind::Started);
    assert_eq!(run(&mut bench, 600_000), 1);
    assert!(bench.position().is_told());
    let mut done = bench.reborn(|_| {});
    done.feed(InputKind::Started);
    assert_eq!(run(&mut done, 600_000), 0);
}

#[test]
fn a_position_that_waits_for_its_books_stays_for_hours() {
    let another = |bench: &mut Bench, id| {
        let mut request = bench.request();
        request.instrument.symbol = Symbol::new("OTHERUSDT");
        request.mark.symbol = request.instrument.symbol.clone();
        bench.command(id, Command::Open(Box::new(request)));
        bench.engine.state().positions.len()
    };
    for (hours, left) in [(2, 2), (5, 2), (7, 1)] {
        let mut bench = over();
        bench.turn_to(bench.now() + hours * HOUR);
        assert_eq!(another(&mut bench, 2), left, "after {hours} hours");
    }
}

#[test]
fn i16_the_books_of_one_position_that_nobody_can_read_are_asked_for_ever_more_slowly() {
    let mut bench = over();
    let (begun, mut asked) = (bench.now(), Vec::new());
    while bench.now() < begun + 5 * HOUR {
        for query in bench.take_asked() {
            asked.extend(matches!(query, Query::Books(..)).then_some(bench.now()));
            let why = kraite_core::exchange::ReadError::Refused("no right to see that".into());
            bench.feed(InputKind::Answer(Answer::unanswered(query, why)));
        }
        let due = bench.engine.next_deadline().map_or(bench.now() + 5_000, |deadline| deadline.at.0);
        bench.turn_to(due.clamp(bench.now() + 1, bench.now() + 5_000));
    }
    let waits: Vec<i64> = asked.windows(2).map(|two| two[1] - two[0]).collect();
    assert_eq!(waits[..5], [30_000, 60_000, 120_000, 240_000, 480_000]);
    assert!(waits[5..].iter().all(|wait| *wait == 480_000) && waits.len() > 30, "{waits:?}");
}

#[test]
fn i16_books_that_nobody_can_read_are_asked_for_one_at_a_time() {
    let mut bench = over().reborn(|state| {
        let (first, ended) = state.positions.iter().next().map(|(no, p)| (p.clone(), state.ended[no].clone())).unwrap();
        for n in 2..=40u32 {
            let (no, mut position) = (PositionNo::new(n).unwrap(), first.clone());
            position.no = no;
            position.request.mark.at = VenueMillis(first.request.mark.at.0 + i64::from(n));
            state.positions.insert(no, position);
            state.ended.insert(no, ended.clone());
        }
    });
    bench.feed(InputKind::Started);
    let (begun, mut asked) = (bench.now(), Vec::new());
    while bench.now() < begun + 5 * HOUR {
        for query in bench.take_asked() {
            if let Query::Books(_, _, from) = &query {
                asked.push((bench.now(), *from));
            }
            let why = kraite_core::exchange::ReadError::Refused("no right to see that".into());
            bench.feed(InputKind::Answer(Answer::unanswered(query, why)));
        }
        let due = bench.engine.next_deadline().map_or(bench.now() + 5_000, |deadline| deadline.at.0);
        bench.turn_to(due.clamp(bench.now() + 1, bench.now() + 5_000));
    }
    assert!(asked.windows(2).all(|two| two[1].0 - two[0].0 >= 10_000), "{asked:?}");
    let of = |from| asked.iter().filter(|(_, other)| *other == from).count();
    let times: Vec<usize> = asked.iter().map(|(_, from)| of(*from)).collect();
    let each = asked.iter().map(|(_, from)| *from).collect::<std::collections::BTreeSet<_>>().len();
    assert_eq!(each, 40, "nobody is left out for somebody else");
    assert!(times.iter().all(|times| (20..=45).contains(times)), "{times:?}");
    assert_eq!(times_booked(&bench), 0);
}

#[test]
fn r98_a_fill_told_after_the_books_opens_them_again() {
    let mut bench = over();
    run(&mut bench, 60_000);
    assert_eq!(times_booked(&bench), 1);
    bench.fill(Role::Rung(3));
    bench.run(30_000, Venue::Honest, &all);
    assert_eq!(bench.position().phase, Phase::Closed, "what filled late is closed");
    run(&mut bench, 600_000);
    assert!(times_booked(&bench) == 2 && bench.position().is_told());
}
