//! R85, R91: less than a lot is left, which no order with a quantity takes off.

use kraite_core::engine::{Alert, Answer, Command, Event, InputKind, Sent};
use kraite_core::exchange::{Ack, Cause, Direction, Endpoint, Outcome, PositionReport, Reading, Reject, RejectKind};
use kraite_core::number::Qty;
use kraite_core::position::Phase;
use kraite_core::time::VenueMillis;

use crate::bench::{self, Bench, Reply, Shape, Venue};
use crate::{ENGINE_BOUND, ERROR};

/// A close of the whole goes by a reading that was asked for at most so long ago.
const READ: i64 = 5_000;
const FLAT_GAP: i64 = 20_000;

/// A position of less than a lot that is to be closed; nothing is asked or sent yet but cancellations.
fn closing(shape: Shape) -> Bench {
    let mut bench = Bench::new(shape);
    bench.open(&|_| Reply::Accept);
    bench.run(10_000, Venue::Honest, &|_| Reply::Accept);
    assert_eq!(bench.position().phase, Phase::Active);
    let mut bench = bench.reborn(|state| {
        for position in state.positions.values_mut() {
            let rules = &mut position.request.instrument;
            (rules.lot, rules.market_lot, rules.min_qty) =
                ("10".parse().unwrap(), "10".parse().unwrap(), "10".parse().unwrap());
        }
    });
    let no = bench.no();
    bench.command(7, Command::Close(no));
    // The rungs are cancelled first: each of them may still enter.
    for sent in bench.take_sent() {
        bench.answer_one(sent);
    }
    assert!(!bench.position().may_still_enter());
    assert_eq!(whole_closes(&bench), 0);
    bench
}

fn whole_closes(bench: &Bench) -> usize {
    bench.events().filter(|event| matches!(event, Event::WholeCloseIntended { .. })).count()
}

fn shows(bench: &mut Bench, qty: Qty, sent_at: i64) {
    let direction = Direction::Long;
    let row = PositionReport { symbol: bench::symbol(), direction, qty, entry_price: None, at: VenueMillis(sent_at) };
    let value = if qty.is_positive() { vec![row] } else { Vec::new() };
    let reading = Reading { value, sent_at: VenueMillis(sent_at), endpoint: Endpoint::Positions, complete: true };
    bench.feed(InputKind::Answer(Answer::Positions(Ok(reading))));
}

fn left(bench: &Bench) -> Qty {
    bench.position().exposure()
}

fn sent_whole_close(bench: &mut Bench) -> bool {
    let no = bench.no();
    bench.take_sent().contains(&Sent::ClosePosition(no))
}

fn settled(bench: &Bench) -> i64 {
    bench.position().whole_close.unwrap().0 + ENGINE_BOUND + ERROR
}

#[test]
fn r85_what_no_order_takes_off_is_closed_as_a_whole_once_a_fresh_reading_shows_just_that() {
    for (age, goes) in [(0, true), (READ - ERROR, true), (READ + ERROR + 1, false)] {
        let mut bench = closing(Shape::PAIRED);
        let (now, qty) = (bench.now(), left(&bench));
        bench.turn_to(now + 10_000);
        let _ = bench.take_sent();
        shows(&mut bench, qty, now + 10_000 - age);
        assert_eq!((sent_whole_close(&mut bench), whole_closes(&bench)), (goes, usize::from(goes)), "{age}");
    }
}

#[test]
fn r76_nothing_is_closed_as_a_whole_while_more_or_less_is_open_than_ours() {
    for (shown, told) in [("99", true), ("0.01", false), ("0", false)] {
        let mut bench = closing(Shape::PAIRED);
        let now = bench.now();
        bench.turn_to(now + 60_000);
        for sent_at in [now + 30_000, now + 59_000] {
            shows(&mut bench, shown.parse().unwrap(), sent_at);
            assert_eq!(whole_closes(&bench), 0, "{shown}");
        }
        assert_eq!(bench.told.contains(&Alert::ForeignExposure), told, "{shown}");
    }
}

#[test]
fn r85_where_nothing_closes_a_whole_a_human_is_told_and_the_stop_stays() {
    let mut bench = closing(Shape::SEPARATE);
    let (now, qty) = (bench.now(), left(&bench));
    shows(&mut bench, qty, now);
    bench.run(600_000, Venue::Honest, &|_| Reply::Accept);
    assert_eq!((whole_closes(&bench), bench.position().phase), (0, Phase::Closing));
    assert!(bench.told.contains(&Alert::NeedsAttention));
    assert_eq!(bench.position().stop(), kraite_core::position::Protective::Open);
}

#[test]
fn r85_a_close_of_the_whole_is_not_repeated_before_it_can_act_no_more_whatever_was_answered() {
    let refused = |kind| Outcome::Rejected(Reject { kind, code: -1, message: "no".into() });
    let answers = [
        None,
        Some(Outcome::Accepted(Ack::default())),
        Some(Outcome::Unknown(Cause::Timeout)),
        Some(refused(RejectKind::NoPosition)),
        Some(refused(RejectKind::Other)),
    ];
    for answer in answers {
        let mut bench = closing(Shape::PAIRED);
        let (now, qty, no) = (bench.now(), left(&bench), bench.no());
        shows(&mut bench, qty, now);
        assert!(sent_whole_close(&mut bench));
        bench.told.clear();
        if let Some(outcome) = &answer {
            bench.feed(InputKind::Outcome(Sent::ClosePosition(no), outcome.clone()));
        }
        let is_refusal = answer.as_ref().is_some_and(|answer| *answer == refused(RejectKind::Other));
        assert_eq!(bench.told.contains(&Alert::NeedsAttention), is_refusal, "{answer:?}");
        let settled = settled(&bench);
        // A run that is new knows no more than what is durable.
        for mut bench in [bench.clone(), bench.reborn(|_| {})] {
            bench.turn_to(settled);
            shows(&mut bench, qty, settled);
            assert!(!sent_whole_close(&mut bench), "{answer:?}: the last instant");
            bench.turn_to(settled + 10);
            assert!(!sent_whole_close(&mut bench), "{answer:?}: the reading is of before");
            shows(&mut bench, qty, settled + 10);
            assert!(sent_whole_close(&mut bench), "{answer:?}");
        }
    }
}

#[test]
fn r91_a_position_does_not_end_while_a_close_of_its_whole_may_still_act() {
    let mut bench = closing(Shape::PAIRED);
    let (now, qty) = (bench.now(), left(&bench));
    shows(&mut bench, qty, now);
    assert!(sent_whole_close(&mut bench));
    let settled = settled(&bench);
    // Other hands take it off at once, and every reading says so; the close is still on its way, for half an hour.
    let mut bench = bench.reborn(|state| {
        for position in state.positions.values_mut() {
            position.whole_close = Some(VenueMillis(settled - ENGINE_BOUND - ERROR + 1_800_000));
            position.external.insert(kraite_core::id::VenueOrderId::new("by-hand"), qty);
        }
    });
    let settled = settled + 1_800_000;
    bench.feed(InputKind::Started);
    bench.run(settled - now - 60_000, Venue::Honest, &|_| Reply::Accept);
    assert_eq!((bench.position().phase, left(&bench)), (Phase::Closing, Qty::ZERO));
    bench.run(120_000, Venue::Honest, &|_| Reply::Accept);
    assert_eq!(bench.position().phase, Phase::Closed);
}

#[test]
fn r85_what_a_close_of_the_whole_took_is_booked_after_two_flat_readings() {
    let mut bench = closing(Shape::PAIRED);
    let (now, qty) = (bench.now(), left(&bench));
    shows(&mut bench, qty, now);
    assert!(sent_whole_close(&mut bench));
    bench.turn_to(now + 60_000);
    shows(&mut bench, Qty::ZERO, now + 3_000);
    assert_eq!(left(&bench), qty, "one reading");
    let (value, sent_at) = (Vec::new(), VenueMillis(now + 4_000));
    let reading = Reading { value, sent_at, endpoint: Endpoint::History, complete: true };
    bench.feed(InputKind::Answer(Answer::History(bench::symbol(), VenueMillis(0), Ok(reading))));
    shows(&mut bench, Qty::ZERO, now + 3_000 + FLAT_GAP + ERROR);
    assert_eq!(left(&bench), Qty::ZERO);
}
