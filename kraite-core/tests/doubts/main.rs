//! R9 and R12 to the millisecond: when an order in doubt is asked for, and from which instant on a miss counts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::arithmetic_side_effects, unreachable_pub)]

mod adopted;
#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../retry_paths/bench.rs"]
mod bench;
mod books;
mod endings;
mod handed_back;
mod hands;
mod legs;
mod limits;
mod openings;
mod readings;
mod refusals;
mod remainders;
mod targets;

use bench::{Bench, Reply, Shape, Venue};
use kraite_core::engine::{Answer, InputKind, Query};
use kraite_core::exchange::{Cause, Direction, Endpoint, Lookup, PositionReport, ReadError, Reading};
use kraite_core::id::{ClientOrderId, Role};
use kraite_core::order::{Life, Terminal};
use kraite_core::position::PositionStatus;
use kraite_core::time::VenueMillis;

/// The venue's own bound, the error of the bench's clocks, and the gap between two rounds.
const ENGINE_BOUND: i64 = 5_000;
const ERROR: i64 = 5;
const GAP: i64 = 1_000;
const EVERYWHERE: [Endpoint; 3] = [Endpoint::Order, Endpoint::OpenOrders, Endpoint::History];

const SHAPES: [Shape; 4] = [Shape::SEPARATE, Shape::LIMIT_TARGET, Shape::SIZED_STOP, Shape::PAIRED];

fn all(_: ClientOrderId) -> Reply {
    Reply::Accept
}

/// A position that is open and complete, with nothing asked.
fn active(shape: Shape) -> Bench {
    let mut bench = Bench::new(shape);
    bench.open(&all);
    bench.run(10_000, Venue::Honest, &all);
    let _ = bench.answer_asked(Venue::Honest);
    assert_eq!(bench.position().status(), PositionStatus::Active);
    bench
}

/// A position whose first order of this role got no answer.
fn unanswered(shape: Shape, role: Role) -> (Bench, ClientOrderId) {
    let mut bench = Bench::new(shape);
    bench.open(&|id| if id.key().logical.role == role { Reply::Silence } else { Reply::Accept });
    let id = bench.latest(role).id;
    assert_eq!(bench.engine.state().order(id).unwrap().life, Life::PendingNew);
    (bench, id)
}

fn in_doubt(role: Role) -> (Bench, ClientOrderId) {
    let (mut bench, id) = unanswered(Shape::SEPARATE, role);
    bench.forgotten.push(id);
    bench.lose(id, Cause::Timeout);
    assert_eq!(life(&bench, id), Life::InDoubt);
    (bench, id)
}

fn life(bench: &Bench, id: ClientOrderId) -> Life {
    bench.engine.state().order(id).unwrap().life
}

/// The last instant of the venue at which the order could still be accepted or be invisible.
fn dead_at(bench: &Bench, id: ClientOrderId) -> i64 {
    bench.engine.state().order(id).unwrap().not_after.0 + ENGINE_BOUND
}

/// The endpoints that were asked about one order.
fn about(id: ClientOrderId, asked: &[Query]) -> Vec<Endpoint> {
    let about = asked.iter().filter_map(|query| match query {
        Query::Lookup(order, endpoint) if order.id == id => Some(*endpoint),
        _ => None,
    });
    about.collect()
}

/// When the order is asked for until its doubt ends, from now on; nobody knows it.
fn questions(mut bench: Bench, id: ClientOrderId, next: fn(&Bench) -> i64) -> Vec<(i64, Vec<Endpoint>)> {
    let start = bench.now();
    let mut told = Vec::new();
    while life(&bench, id) == Life::InDoubt && bench.now() < start + 60_000 {
        let asked = about(id, &bench.answer_asked(Venue::Forgets));
        if !asked.is_empty() {
            told.push((bench.now() - start, asked));
        }
        let then = next(&bench);
        bench.turn_to(then);
    }
    assert_eq!(life(&bench, id), Life::Done(Terminal::Absent));
    told
}

/// The next instant that the engine asked to be called at.
fn deadline(bench: &Bench) -> i64 {
    bench.engine.next_deadline().map_or(bench.now() + 1, |due| due.at.0.max(bench.now() + 1))
}

#[test]
fn r09_a_doubt_is_asked_at_once_then_ever_slower_and_everywhere_right_after_its_last_chance() {
    let (bench, id) = in_doubt(Role::Rung(1));
    let counts = dead_at(&bench, id) + ERROR + 1 - bench.now();
    assert!((4_000..6_300).contains(&counts), "the last question before falls into this span: {counts}");
    let told = questions(bench.clone(), id, deadline);
    let order = || vec![Endpoint::Order];
    let mut expected = vec![(0, order()), (300, order()), (1_300, order()), (3_300, order())];
    expected.push((counts, EVERYWHERE.to_vec()));
    expected.push((counts + GAP + 100, EVERYWHERE.to_vec()));
    assert_eq!(told, expected);
    // Somebody who calls at every millisecond sees the same: nothing is early, and every wake was set.
    assert_eq!(questions(bench, id, |bench| bench.now() + 1), expected);
}

/// One endpoint misses the order, asked at that instant.
fn miss(bench: &mut Bench, id: ClientOrderId, endpoint: Endpoint, sent_at: i64, complete: bool) {
    let order = bench.engine.state().order(id).unwrap().reference(&bench::symbol());
    let reading = Reading { value: Lookup::NotFound, sent_at: VenueMillis(sent_at), endpoint, complete };
    bench.feed(InputKind::Answer(Answer::Lookup(order, endpoint, Ok(reading))));
}

fn round(bench: &mut Bench, id: ClientOrderId, sent_at: i64) {
    for endpoint in EVERYWHERE {
        miss(bench, id, endpoint, sent_at, true);
    }
}

/// A doubt at an instant at which every answer below can have come.
fn late_doubt(role: Role) -> (Bench, ClientOrderId, i64) {
    let (mut bench, id) = in_doubt(role);
    let dead = dead_at(&bench, id);
    bench.turn_to(dead + 20_000);
    assert_eq!(life(&bench, id), Life::InDoubt);
    (bench, id, dead)
}

#[test]
fn r09_a_miss_counts_from_the_first_millisecond_after_the_last_chance_and_the_clock_error() {
    let absent = Life::Done(Terminal::Absent);
    for (first, second, ends) in [
        (ERROR, ERROR + 2 * GAP, Life::InDoubt),
        (ERROR + 1, ERROR + 1 + GAP, absent),
        (ERROR + 1, ERROR + GAP, Life::InDoubt),
    ] {
        let (mut bench, id, dead) = late_doubt(Role::Rung(1));
        round(&mut bench, id, dead + first);
        assert_eq!(life(&bench, id), Life::InDoubt, "one round");
        round(&mut bench, id, dead + second);
        assert_eq!(life(&bench, id), ends, "{first} {second}");
    }
}

#[test]
fn r09_a_round_takes_every_endpoint_and_every_page() {
    let (mut bench, id, dead) = late_doubt(Role::Rung(1));
    for n in 1..9 {
        for endpoint in [Endpoint::Order, Endpoint::OpenOrders] {
            miss(&mut bench, id, endpoint, dead + n * 1_500, true);
        }
        miss(&mut bench, id, Endpoint::History, dead + n * 1_500, false);
    }
    assert_eq!(life(&bench, id), Life::InDoubt);
    miss(&mut bench, id, Endpoint::History, dead + 14_000, true);
    round(&mut bench, id, dead + 16_000);
    assert_eq!(life(&bench, id), Life::Done(Terminal::Absent));
}

#[test]
fn r09_an_order_without_an_answer_is_in_doubt_thirty_seconds_after_its_last_chance() {
    let (mut bench, id) = unanswered(Shape::SEPARATE, Role::Rung(1));
    let bound = dead_at(&bench, id) + 30_000;
    while bench.now() < bound {
        let then = deadline(&bench).min(bound);
        let _ = bench.answer_asked(Venue::Honest);
        bench.turn_to(then);
        assert_eq!(life(&bench, id), Life::PendingNew, "at {} of {bound}", bench.now());
    }
    assert_eq!(deadline(&bench), bound + 1, "a wake is set for it");
    bench.turn_to(bound + 1);
    assert_eq!(life(&bench, id), Life::InDoubt);
}

/// The venue shows so much exposure, asked at that instant.
fn shows(bench: &mut Bench, qty: &str, sent_at: i64) {
    let at = VenueMillis(sent_at);
    let qty = qty.parse().unwrap();
    let report = PositionReport { symbol: bench::symbol(), direction: Direction::Long, qty, entry_price: None, at };
    let reading = Reading { value: vec![report], sent_at: at, endpoint: Endpoint::Positions, complete: true };
    bench.feed(InputKind::Answer(Answer::Positions(Ok(reading))));
}

#[test]
fn r09_a_market_order_is_absent_only_if_a_late_reading_of_the_exposure_says_the_same() {
    for (qty, after, ends) in [
        ("0.00", ERROR + 1, Life::Done(Terminal::Absent)),
        ("0.00", ERROR, Life::InDoubt),
        ("0.41", ERROR + 1, Life::InDoubt),
    ] {
        let (mut bench, id, dead) = late_doubt(Role::Entry);
        shows(&mut bench, qty, dead + after);
        round(&mut bench, id, dead + ERROR + 1);
        round(&mut bench, id, dead + ERROR + 1 + GAP);
        assert_eq!(life(&bench, id), ends, "{qty} {after}");
    }
}

#[test]
fn r09_after_a_contradicted_proof_of_a_market_order_the_rounds_begin_again() {
    let (mut bench, id, dead) = late_doubt(Role::Entry);
    shows(&mut bench, "0.41", dead + 2_000);
    round(&mut bench, id, dead + 3_000);
    round(&mut bench, id, dead + 5_000);
    shows(&mut bench, "0.00", dead + 6_000);
    round(&mut bench, id, dead + 7_000);
    assert_eq!(life(&bench, id), Life::InDoubt, "one round since");
    round(&mut bench, id, dead + 9_000);
    assert_eq!(life(&bench, id), Life::Done(Terminal::Absent));
}

#[test]
fn r12_a_working_market_order_is_asked_for_half_a_second_later_and_not_before() {
    let (mut bench, id) = unanswered(Shape::SEPARATE, Role::Entry);
    let report = bench.report(bench.latest(Role::Entry), kraite_core::exchange::ReportStatus::New);
    let _ = bench.answer_asked(Venue::Honest);
    bench.feed(InputKind::Push(kraite_core::exchange::StreamEvent::Order(report)));
    let start = bench.now();
    let mut asked = about(id, &bench.answer_asked(Venue::Honest));
    while asked.is_empty() && bench.now() < start + 5_000 {
        let then = bench.now() + 1;
        bench.turn_to(then);
        asked = about(id, &bench.answer_asked(Venue::Honest));
    }
    assert_eq!((bench.now() - start, asked), (500, vec![Endpoint::Order]));
}

#[test]
fn r95_a_round_of_which_one_question_fails_proves_nothing() {
    let (mut bench, id, _) = late_doubt(Role::Rung(1));
    let order = bench.engine.state().order(id).unwrap().reference(&bench::symbol());
    for _ in 0..8 {
        bench.now += 1_500;
        let now = bench.now();
        for endpoint in [Endpoint::Order, Endpoint::OpenOrders] {
            miss(&mut bench, id, endpoint, now, true);
        }
        let failed = Answer::Lookup(order.clone(), Endpoint::History, Err(ReadError::NoAnswer("".into())));
        bench.feed(InputKind::Answer(failed));
    }
    assert_eq!(life(&bench, id), Life::InDoubt);
    for _ in 0..2 {
        bench.now += 1_500;
        let now = bench.now();
        round(&mut bench, id, now);
    }
    assert_eq!(life(&bench, id), Life::Done(Terminal::Absent));
}
