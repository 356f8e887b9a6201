//! Answers that are neither "here it is" nor "there is none": what the venue has forgotten, what is under our id and
//! is not ours, what nobody answers at all. None of them ends a doubt, and none of them lets anything out.

use kraite_core::engine::{Answer, Command, CommandId, InputKind, Sent};
use kraite_core::exchange::{
    Cause, Endpoint, Lookup, OrderReport, Outcome, Reading, Reject, RejectKind, ReportStatus, ReportedId, Side,
    StreamEvent,
};
use kraite_core::id::{AccountTag, ClientOrderId, OrderKey, Role};
use kraite_core::order::Life;
use kraite_core::position::Phase;
use kraite_core::time::VenueMillis;

use super::bench::{Bench, Reply, Shape, symbol};

const TESTED: Role = Role::Rung(1);

/// A complete position but for one rung, whose placement nobody answers.
fn unanswered() -> (Bench, ClientOrderId) {
    let mut bench = Bench::new(Shape::SEPARATE);
    bench.open(&|id| if id.key().logical.role == TESTED { Reply::Silence } else { Reply::Accept });
    let id = bench.latest(TESTED).id;
    (bench, id)
}

fn in_doubt() -> (Bench, ClientOrderId) {
    let (mut bench, id) = unanswered();
    bench.lose(id, Cause::Timeout);
    (bench, id)
}

/// Every endpoint gives this answer, again and again, long after the order's last chance.
fn answered(bench: &mut Bench, id: ClientOrderId, lookup: &Lookup) {
    for _ in 0..4 {
        bench.now += 20_000;
        for endpoint in [Endpoint::Order, Endpoint::OpenOrders, Endpoint::History] {
            let order = bench.position().order(id).unwrap().reference(&symbol());
            let value = lookup.clone();
            let reading = Reading { value, sent_at: VenueMillis(bench.now - 100), endpoint, complete: true };
            bench.feed(InputKind::Answer(Answer::Lookup(order, endpoint, Ok(reading))));
        }
        bench.feed(InputKind::Deadline);
    }
}

#[test]
fn r10_an_order_that_the_venue_has_forgotten_stays_in_doubt() {
    let (mut bench, id) = in_doubt();
    answered(&mut bench, id, &Lookup::Unknowable);
    assert_eq!(bench.position().order(id).unwrap().life, Life::InDoubt);
    assert_eq!(bench.placed_as(TESTED), 1);
    // A venue that does know ends it: the silence above is not an engine that never acts.
    answered(&mut bench, id, &Lookup::NotFound);
    assert_ne!(bench.position().order(id).unwrap().life, Life::InDoubt);
}

#[test]
fn r12_what_is_found_under_our_id_on_the_other_side_is_not_booked() {
    let (mut bench, id) = in_doubt();
    let ours = bench.report(bench.position().order(id).unwrap(), ReportStatus::Filled);
    let theirs = OrderReport { side: Side::Sell, ..ours.clone() };
    answered(&mut bench, id, &Lookup::Found(vec![theirs]));
    assert!(bench.position().order(id).unwrap().executed().qty.is_zero());
    answered(&mut bench, id, &Lookup::Found(vec![ours]));
    assert!(bench.position().order(id).unwrap().executed().qty.is_positive());
}

#[test]
fn r99_an_order_of_another_account_is_not_taken_over() {
    let (mut bench, id) = in_doubt();
    let key = OrderKey { account: AccountTag::new(2).unwrap(), ..id.key() };
    let report = bench.report(bench.position().order(id).unwrap(), ReportStatus::New);
    let report = OrderReport { id: ReportedId::Ours(ClientOrderId::encode(&key)), ..report };
    let before = bench.position().orders.len();
    bench.feed(InputKind::Push(StreamEvent::Order(report)));
    assert_eq!(bench.position().orders.len(), before);
}

#[test]
fn r06_a_placement_whose_outcome_never_comes_is_in_doubt_and_nothing_follows() {
    let (mut bench, id) = unanswered();
    assert_eq!(bench.position().order(id).unwrap().life, Life::PendingNew);
    for _ in 0..120 {
        bench.now += 1_000;
        bench.feed(InputKind::Deadline);
    }
    assert_eq!(bench.position().order(id).unwrap().life, Life::InDoubt);
    assert_eq!(bench.placed_as(TESTED), 1);
}

#[test]
fn r30_a_rung_that_is_gone_waits_for_a_reading_before_it_goes_out_again() {
    let mut bench = Bench::new(Shape::SEPARATE);
    let accept = |_: ClientOrderId| Reply::Accept;
    bench.open(&accept);
    let report = bench.report(bench.latest(TESTED), ReportStatus::Cancelled);
    bench.feed(InputKind::Push(StreamEvent::Order(report)));
    for _ in 0..20 {
        bench.now += 500;
        bench.feed(InputKind::Deadline);
    }
    assert_eq!(bench.placed_as(TESTED), 1, "nothing was read since it went");
    bench.run(10_000, super::Venue::Honest, &accept);
    assert_eq!(bench.placed_as(TESTED), 2);
}

#[test]
fn r13_a_cancel_that_finds_nothing_open_leaves_the_fills_to_be_asked_for() {
    let accept = |_: ClientOrderId| Reply::Accept;
    let mut bench = Bench::new(Shape::SEPARATE);
    bench.open(&accept);
    bench.feed(InputKind::Command(CommandId(2), Command::Close(bench.no())));
    let rung = bench.latest(TESTED).clone();
    let reject = Reject { kind: RejectKind::UnknownOrder, code: -1, message: "".into() };
    let sent = Sent::Cancel(rung.id, rung.exchange_order_id().cloned());
    bench.feed(InputKind::Outcome(sent, Outcome::Rejected(reject)));
    assert!(!bench.latest(TESTED).life.is_done(), "it may have filled");
}

#[test]
fn r73_a_fill_that_is_told_after_the_end_is_closed_again() {
    let accept = |_: ClientOrderId| Reply::Accept;
    let mut bench = Bench::new(Shape::SEPARATE);
    bench.open(&accept);
    bench.feed(InputKind::Command(CommandId(2), Command::Close(bench.no())));
    bench.run(120_000, super::Venue::Honest, &accept);
    assert_eq!(bench.position().phase, Phase::Closed);
    bench.fill(TESTED);
    assert_eq!(bench.position().phase, Phase::Closing);
}
