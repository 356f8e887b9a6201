//! R24 to R30, R43, R49, R64 and R100: what an opening looks at before anything is sent, and how it is given up.

use kraite_core::engine::{Alert, Answer, Command, CommandId, InputKind, OpenRequest, Query, Sent};
use kraite_core::exchange::{
    Direction, Endpoint, Mark, OrderReport, Outcome, PositionReport, ReadError, Reading, Reject, RejectKind,
    ReportStatus, ReportedId, StreamEvent,
};
use kraite_core::id::{PositionNo, Role};
use kraite_core::position::{Phase, Position, Why};
use kraite_core::sizing::TargetBasis;
use kraite_core::time::{Millis, VenueMillis};

use crate::bench::{self, Bench, Reply, Shape, Venue};
use crate::deadline;

fn command(bench: &mut Bench, id: u64, command: Command) {
    bench.feed(InputKind::Command(CommandId(id), command));
}

/// Asked for, with nothing answered yet.
fn asked_for(change: impl FnOnce(&mut OpenRequest)) -> Bench {
    let mut bench = Bench::new(Shape::SEPARATE);
    bench.feed(InputKind::Started);
    let mut request = bench.request();
    change(&mut request);
    command(&mut bench, 1, Command::Open(Box::new(request)));
    assert_eq!(bench.position().phase, Phase::New);
    bench
}

fn ended(bench: &Bench) -> (Phase, Why) {
    (bench.position().phase, bench.position().why)
}

fn list<T>(bench: &Bench, value: Vec<T>, endpoint: Endpoint) -> Reading<Vec<T>> {
    Reading { value, sent_at: VenueMillis(bench.now()), endpoint, complete: true }
}

/// The readings that an opening waits for.
fn preflight(bench: &mut Bench, orders: Vec<OrderReport>, exposure: Option<&str>) {
    let all = Answer::AllOpenOrders(Ok(list(bench, Vec::new(), Endpoint::OpenOrders)));
    bench.feed(InputKind::Answer(all));
    let open = Answer::OpenOrders(bench::symbol(), Ok(list(bench, orders, Endpoint::OpenOrders)));
    bench.feed(InputKind::Answer(open));
    let at = VenueMillis(bench.now());
    // Whatever its direction: the contract must be clear.
    let shown = exposure.map(|qty| PositionReport {
        symbol: bench::symbol(),
        direction: Direction::Short,
        qty: qty.parse().unwrap(),
        entry_price: None,
        at,
    });
    let positions = Answer::Positions(Ok(list(bench, shown.into_iter().collect(), Endpoint::Positions)));
    bench.feed(InputKind::Answer(positions));
}

/// An order of somebody else on the contract.
fn foreign() -> OrderReport {
    let mut other = Bench::new(Shape::SEPARATE);
    other.open(&|_| Reply::Accept);
    let mut report = other.report(other.latest(Role::Rung(1)), ReportStatus::New);
    report.id = ReportedId::Foreign("web".into());
    report
}

#[test]
fn r30_r104_an_opening_waits_for_a_clear_contract_and_ends_where_it_is_not() {
    let mut clear = asked_for(|_| {});
    preflight(&mut clear, Vec::new(), None);
    assert_eq!(clear.position().phase, Phase::Opening);
    for (orders, exposure) in [(vec![foreign()], None), (Vec::new(), Some("0.01"))] {
        let mut bench = asked_for(|_| {});
        preflight(&mut bench, orders, exposure);
        assert_eq!(ended(&bench), (Phase::Cancelled, Why::NotClear));
        assert_eq!((bench.told.clone(), bench.placed.len()), (vec![Alert::OpeningRefused], 0));
    }
}

#[test]
fn r100_a_contract_is_clear_only_by_whole_readings_and_a_resting_order_of_a_user_counts_as_a_position() {
    for (orders, positions, phase) in
        [(true, true, Phase::Opening), (false, true, Phase::New), (true, false, Phase::New), (false, false, Phase::New)]
    {
        let mut bench = asked_for(|_| {});
        let all = Answer::AllOpenOrders(Ok(list(&bench, Vec::new(), Endpoint::OpenOrders)));
        bench.feed(InputKind::Answer(all));
        let open = Reading { complete: orders, ..list(&bench, Vec::new(), Endpoint::OpenOrders) };
        bench.feed(InputKind::Answer(Answer::OpenOrders(bench::symbol(), Ok(open))));
        let shown = Reading { complete: positions, ..list(&bench, Vec::new(), Endpoint::Positions) };
        bench.feed(InputKind::Answer(Answer::Positions(Ok(shown))));
        assert_eq!(bench.position().phase, phase, "{orders} {positions}");
        if phase == Phase::New {
            // What was cut says nothing in favour of the contract, and what is on the next list speaks against it.
            preflight(&mut bench, vec![foreign()], None);
            assert_eq!(ended(&bench), (Phase::Cancelled, Why::NotClear), "{orders} {positions}");
        }
    }
}

#[test]
fn r64_a_question_that_had_to_wait_is_not_asked_about_what_is_over() {
    for over in [false, true] {
        let mut bench = asked_for(|_| {});
        let all = Answer::AllOpenOrders(Ok(list(&bench, Vec::new(), Endpoint::OpenOrders)));
        bench.feed(InputKind::Answer(all));
        let limited = || ReadError::RateLimited(Millis(20_000));
        bench.feed(InputKind::Answer(Answer::OpenOrders(bench::symbol(), Err(limited()))));
        bench.feed(InputKind::Answer(Answer::Positions(Err(limited()))));
        let _ = bench.take_asked();
        if over {
            let no = bench.no();
            command(&mut bench, 2, Command::Close(no));
            assert_eq!(ended(&bench), (Phase::Cancelled, Why::Command));
        }
        bench.turn_to(bench.now() + 21_000);
        assert_eq!(bench.take_asked().is_empty(), over);
    }
}

#[test]
fn r49_an_opening_that_learns_nothing_is_given_up_after_a_minute_and_not_before() {
    let mut bench = asked_for(|_| {});
    let bound = bench.position().created_at.0 + 60_000;
    while bench.now() < bound - 1 {
        let then = deadline(&bench).min(bound - 1);
        bench.turn_to(then);
    }
    assert_eq!(bench.position().phase, Phase::New);
    assert_eq!(deadline(&bench), bound);
    bench.turn_to(bound);
    assert_eq!(ended(&bench), (Phase::Cancelled, Why::OpeningOverdue));
    assert!(bench.placed.is_empty());
}

fn mark(bench: &mut Bench, price: &str) {
    let mark = Mark { symbol: bench::symbol(), price: price.parse().unwrap(), at: VenueMillis(bench.now()) };
    bench.feed(InputKind::Push(StreamEvent::Mark(mark)));
}

#[test]
fn r26_a_mark_that_moved_sizes_the_ladder_anew_or_ends_the_opening() {
    let mut bench = asked_for(|_| {});
    let before = bench.position().ladder.clone();
    mark(&mut bench, "140");
    preflight(&mut bench, Vec::new(), None);
    let position = bench.position();
    assert_eq!((position.phase, position.stop_price), (Phase::Opening, position.ladder.stop));
    assert!(position.ladder.stop < before.stop && position.ladder.entry.qty > before.entry.qty);
    let mut bench = asked_for(|_| {});
    mark(&mut bench, "500000");
    preflight(&mut bench, Vec::new(), None);
    assert_eq!(ended(&bench), (Phase::Cancelled, Why::PlanRefused));
}

#[test]
fn r35_a_setup_that_is_refused_for_good_ends_the_opening() {
    let mut bench = asked_for(|_| {});
    preflight(&mut bench, Vec::new(), None);
    let setups: Vec<Sent> = bench.take_sent();
    assert!(setups.iter().all(|sent| matches!(sent, Sent::Setup(..))) && !setups.is_empty(), "{setups:?}");
    for sent in setups {
        let reject = Reject { kind: RejectKind::Other, code: -1, message: "no".into() };
        bench.feed(InputKind::Outcome(sent, Outcome::Rejected(reject)));
    }
    assert_eq!(ended(&bench), (Phase::Cancelled, Why::SetupRefused));
    assert!(bench.placed.is_empty());
}

#[test]
fn s11_a_position_that_has_sent_nothing_is_cancelled_at_once() {
    let mut bench = asked_for(|_| {});
    let no = bench.no();
    command(&mut bench, 2, Command::Close(no));
    assert_eq!(ended(&bench), (Phase::Cancelled, Why::Command));
    assert!(bench.placed.is_empty());
}

/// A position whose target has filled and whose closing is over.
fn closed() -> Bench {
    let mut bench = Bench::new(Shape::LIMIT_TARGET);
    bench.open(&|_| Reply::Accept);
    bench.fill(Role::Target);
    bench.run(90_000, Venue::Honest, &|_| Reply::Accept);
    assert_eq!(ended(&bench), (Phase::Closed, Why::TargetFilled));
    bench
}

#[test]
fn s11_an_ended_position_leaves_an_hour_later_with_the_next_opening_and_its_command_opens_nothing_again() {
    let over = closed();
    let ended_at = over.position().ended_at.unwrap().0;
    for (wait, left) in [(3_600_000 - 1, 2), (3_600_000, 1)] {
        let mut bench = over.clone();
        bench.turn_to(ended_at + wait);
        let request = Box::new(bench.request());
        command(&mut bench, 2, Command::Open(request.clone()));
        assert_eq!(bench.engine.state().positions.len(), left, "{wait}");
        command(&mut bench, 1, Command::Open(request.clone()));
        command(&mut bench, 2, Command::Open(request));
        assert_eq!(bench.engine.state().positions.len(), left, "a command opens once");
    }
}

#[test]
fn r93_a_failed_position_that_is_closed_by_command_is_worked_on_again() {
    let mut bench = Bench::new(Shape::SEPARATE);
    bench.open(&|_| Reply::Accept);
    let change = |position: &mut Position| {
        position.phase = Phase::Failed;
        position.why = Why::Unproven;
        position.alerts.insert(Alert::Unproven);
    };
    let mut bench = bench.reborn(|state| state.positions.values_mut().for_each(change));
    bench.feed(InputKind::Started);
    bench.run(5_000, Venue::Honest, &|_| Reply::Accept);
    assert_eq!(bench.position().phase, Phase::Failed, "not by itself");
    let no = bench.no();
    command(&mut bench, 9, Command::Close(no));
    assert_eq!(ended(&bench), (Phase::Closing, Why::Command));
    assert!(!bench.position().alerts.contains(&Alert::Unproven));
    bench.run(60_000, Venue::Honest, &|_| Reply::Accept);
    assert_eq!((bench.position().phase, bench.placed_as(Role::Close)), (Phase::Closed, 1));
    let nobody = PositionNo::new(77).unwrap();
    command(&mut bench, 10, Command::Close(nobody));
    assert_eq!(bench.engine.state().positions.len(), 1);
}

#[test]
fn r43_a_stop_that_fired_and_took_nothing_off_closes_once_a_late_reading_shows_the_exposure() {
    let mut bench = Bench::new(Shape::SEPARATE);
    bench.open(&|_| Reply::Accept);
    bench.run(10_000, Venue::Honest, &|_| Reply::Accept);
    let fired = bench.report(bench.latest(Role::Stop), ReportStatus::Triggered);
    let start = bench.now();
    bench.feed(InputKind::Push(StreamEvent::Order(fired)));
    while bench.now() < start + 9_999 {
        let then = deadline(&bench).min(start + 9_999);
        let _ = bench.answer_asked(Venue::Honest);
        bench.turn_to(then);
    }
    assert_eq!(bench.position().phase, Phase::Active, "before its bound");
    let _ = bench.answer_asked(Venue::Honest);
    bench.turn_to(start + 10_000);
    let asked = bench.answer_asked(Venue::Honest);
    assert!(asked.contains(&Query::Positions), "{asked:?}");
    assert_eq!(ended(&bench), (Phase::Closing, Why::StopFailed));
}

/// Numbers at the ends of what can be written: sized or refused, and never more than was allotted is placed.
#[test]
fn r26_settings_at_the_ends_of_what_can_be_written_are_sized_or_refused() {
    let (mut refused, mut sized) = (0, 0);
    let huge = "999999999999999999999999999";
    for price in ["0.01", "150.24", huge] {
        for margin in ["0.0000001", "100", huge] {
            for gap in ["0.0001", "8.5", "33", huge] {
                for profit in ["0.0001", "0.36", huge] {
                    for multiplier in ["0.0001", "2", huge] {
                        for basis in [TargetBasis::AverageEntry, TargetBasis::BreakEven] {
                            for direction in [Direction::Long, Direction::Short] {
                                let mut bench = Bench::new(Shape::SEPARATE);
                                let mut request = bench.request();
                                request.mark.price = price.parse().unwrap();
                                request.budget.margin = margin.parse().unwrap();
                                request.spec.gap = gap.parse().unwrap();
                                request.spec.profit = profit.parse().unwrap();
                                request.spec.multipliers = vec![multiplier.parse().unwrap()];
                                (request.spec.basis, request.spec.direction) = (basis, direction);
                                command(&mut bench, 1, Command::Open(Box::new(request)));
                                match bench.engine.state().positions.values().next() {
                                    None => refused += 1,
                                    Some(position) => {
                                        sized += 1;
                                        let ladder = &position.ladder;
                                        assert!(ladder.loss_to_win().is_ok_and(|ratio| ratio.is_positive()));
                                    }
                                }
                                assert!(bench.placed.is_empty());
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(refused > 100 && sized > 5, "{refused} refused, {sized} sized");
}
