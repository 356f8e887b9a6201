//! Small parts that everything leans on: words, ids, steps of a grid, questions and their answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::arithmetic_side_effects, unreachable_pub)]

#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "retry_paths/bench.rs"]
mod bench;

use bench::{Bench, Reply, Shape};
use kraite_core::Engine;
use kraite_core::engine::{Answer, Query, Request, RestoreError, State};
use kraite_core::exchange::{Direction, Endpoint, MarginMode, ReadError};
use kraite_core::id::{AccountTag, ClientOrderId, DecodeIdError, Epoch, PositionNo, Role};
use kraite_core::journal::{Loaded, Snapshot};
use kraite_core::number::{Notional, Percent, Price};
use kraite_core::order::{Life, Order, Status, Terminal};
use kraite_core::position::{Phase, Position, PositionStatus, ProtectionMeter};
use kraite_core::sizing::Rule;
use kraite_core::time::{LocalMillis, Millis, VenueMillis};

fn active() -> Bench {
    let mut bench = Bench::new(Shape::SEPARATE);
    bench.open(&|_| Reply::Accept);
    assert_eq!(bench.position().phase, Phase::Active);
    bench
}

#[test]
fn every_rule_has_the_word_that_the_documentation_has() {
    let words: Vec<&str> = Rule::ALL.iter().map(|rule| rule.word()).collect();
    let documented = "min_notional min_quantity max_quantity price_range price_band margin_overrun leverage_bracket \
                      target_not_profitable zero_quantity rung_price_not_positive order_limit";
    assert_eq!(words.join(" "), documented);
    assert!(Rule::ALL.iter().all(|rule| rule.to_string() == rule.word()));
    assert_eq!((Direction::Long.opposite(), Direction::Short.opposite()), (Direction::Short, Direction::Long));
}

#[test]
fn a_price_is_so_many_ticks_and_back_or_none() {
    let price = |text: &str| text.parse::<Price>().unwrap();
    assert_eq!(price("150.25").to_ticks(price("0.05")), Some(3_005));
    assert_eq!(price("150.26").to_ticks(price("0.05")), None);
    assert_eq!(price("150.25").to_ticks(price("0")), None);
    assert_eq!(Price::from_ticks(3_005, price("0.05")), Ok(price("150.25")));
    assert!(Price::from_ticks(i64::MAX, price("1000000000000000000000000000")).is_err());
    let money = |text: &str| text.parse::<Notional>().unwrap();
    assert_eq!((money("-2.5").abs(), money("2.5").abs()), (money("2.5"), money("2.5")));
    assert_eq!("2.5".parse::<Percent>().unwrap().as_factor().unwrap().to_string(), "0.025");
}

#[test]
fn i02_an_id_is_read_back_as_text_and_as_bytes_and_nothing_else_is() {
    let bench = active();
    for order in bench.position().orders.values() {
        let text = serde_json::to_string(&order.id).unwrap();
        assert_eq!(text, format!("\"{}\"", order.id));
        assert_eq!(serde_json::from_str::<ClientOrderId>(&text).unwrap(), order.id);
        let bytes = postcard::to_allocvec(&order.id).unwrap();
        assert_eq!(postcard::from_bytes::<ClientOrderId>(&bytes).unwrap(), order.id);
        let bits: u128 = postcard::from_bytes(&bytes).unwrap();
        for bit in 0..120 {
            let flipped = postcard::to_allocvec(&(bits ^ (1 << bit))).unwrap();
            assert!(postcard::from_bytes::<ClientOrderId>(&flipped).is_err(), "bit {bit} of {:?}", order.id);
        }
    }
    assert!(serde_json::from_str::<ClientOrderId>("\"web-1234\"").is_err());
    assert!(postcard::from_bytes::<ClientOrderId>(&postcard::to_allocvec(&1_u128).unwrap()).is_err());
    assert_eq!("x".parse::<ClientOrderId>(), Err(DecodeIdError::Length));
    assert_eq!(serde_json::from_str::<PositionNo>("7").ok(), PositionNo::new(7));
    assert!(serde_json::from_str::<PositionNo>("4294967295").is_err());
}

#[test]
fn each_question_has_an_answer_of_its_own_that_says_why_there_is_none() {
    let bench = active();
    let order = bench.latest(Role::Stop).reference(&bench::symbol());
    let symbol = bench::symbol();
    let questions = [
        Query::Lookup(order, Endpoint::Order),
        Query::OpenOrders(symbol.clone()),
        Query::AllOpenOrders,
        Query::Positions,
        Query::History(symbol.clone(), VenueMillis(7)),
        Query::Mark(symbol.clone()),
        Query::Rules(symbol),
    ];
    for question in questions {
        let why = ReadError::Refused("no".into());
        let answer = Answer::unanswered(question.clone(), why.clone());
        assert_eq!((answer.query(), answer.error()), (question, Some(&why)));
    }
}

/// What the position's own status and an order's say in the words of S11, whatever the rows say.
#[test]
fn s11_every_life_and_every_phase_has_its_word() {
    let bench = active();
    let status = |change: &dyn Fn(&mut Position)| {
        let changed = bench.reborn(|state| change(state.positions.values_mut().next().unwrap()));
        changed.position().status()
    };
    assert_eq!(status(&|_| {}), PositionStatus::Active);
    for (phase, word) in [
        (Phase::New, PositionStatus::Opening),
        (Phase::Opening, PositionStatus::Opening),
        (Phase::Closing, PositionStatus::Closing),
        (Phase::Closed, PositionStatus::Closed),
        (Phase::Cancelling, PositionStatus::Cancelling),
        (Phase::Cancelled, PositionStatus::Cancelled),
        (Phase::Failed, PositionStatus::Failed),
    ] {
        assert_eq!(status(&|position| position.phase = phase), word);
    }
    let order = bench.latest(Role::Stop);
    let word = |life: Life| Order { life, ..order.clone() }.status();
    for (life, status) in [
        (Life::Planned, Status::New),
        (Life::PendingNew, Status::New),
        (Life::InDoubt, Status::New),
        (Life::Working, Status::Placed),
        (Life::PendingAmend, Status::Placed),
        (Life::PendingCancel, Status::Placed),
        (Life::Triggered, Status::Placed),
        (Life::Done(Terminal::Filled), Status::Filled),
        (Life::Done(Terminal::Cancelled), Status::Canceled),
        (Life::Done(Terminal::Vanished), Status::Canceled),
        (Life::Done(Terminal::Expired), Status::Expired),
        (Life::Done(Terminal::Rejected), Status::Rejected),
        (Life::Done(Terminal::Refused), Status::Rejected),
        (Life::Done(Terminal::Absent), Status::Rejected),
    ] {
        assert_eq!(word(life), status, "{life:?}");
    }
}

#[test]
fn s11_what_a_position_has_realised_is_what_its_exits_brought_above_their_cost() {
    let mut bench = active();
    assert_eq!(bench.position().realised(), Some(Notional::ZERO), "nothing left");
    let target = bench.latest(Role::Target).clone();
    bench.fill(Role::Target);
    let qty = bench.position().entered().qty;
    let gain = target.shape.price().unwrap().checked_sub("150.24".parse().unwrap()).unwrap();
    let short = |position: &mut Position| position.request.spec.direction = Direction::Short;
    let taken = bench.position().exited().qty;
    assert_eq!(taken, qty);
    let expected = gain.checked_mul(qty).unwrap();
    assert_eq!(bench.position().realised(), Some(expected));
    let mirrored = bench.reborn(|state| short(state.positions.values_mut().next().unwrap()));
    assert_eq!(mirrored.position().realised(), Some(Notional::ZERO.checked_sub(expected).unwrap()));
}

#[test]
fn s11_the_longest_time_without_a_stop_includes_the_one_that_still_lasts() {
    let meter = ProtectionMeter { since: Some(LocalMillis(1_000)), worst: Millis(400), ..ProtectionMeter::default() };
    assert_eq!((meter.worst_at(LocalMillis(1_300)), meter.worst_at(LocalMillis(1_900))), (Millis(400), Millis(900)));
    let over = ProtectionMeter { since: None, ..meter };
    assert_eq!(over.worst_at(LocalMillis(9_999)), Millis(400));
}

#[test]
fn i10_an_engine_is_not_restored_from_another_account_or_with_a_record_missing() {
    let bench = active();
    let restore = |account, loaded| {
        let capabilities = bench.engine.capabilities().clone();
        Engine::restore(Default::default(), capabilities, account, Epoch::new(2).unwrap(), loaded).err()
    };
    let other = AccountTag::new(2).unwrap();
    let state = State::new(bench::account());
    let snapshot = Some(Snapshot { seq: 0, state });
    let refused = restore(other, Loaded { snapshot, records: Vec::new() });
    assert!(matches!(refused, Some(RestoreError::WrongAccount { .. })), "{refused:?}");
}

#[test]
fn requests_that_protect_are_told_from_those_that_add() {
    let (symbol, no) = (bench::symbol(), PositionNo::new(1).unwrap());
    let margin = Request::SetMarginMode(no, symbol.clone(), MarginMode::Cross);
    assert_eq!((margin.is_protective(), margin.symbol()), (false, &symbol));
    let bench = active();
    let cancel = Request::Cancel(bench.latest(Role::Rung(1)).reference(&symbol));
    assert!(cancel.is_protective());
    for (role, is_exit) in
        [(Role::Entry, false), (Role::Rung(1), false), (Role::Target, true), (Role::Stop, true), (Role::Close, true)]
    {
        assert_eq!(role.is_exit(), is_exit, "{role}");
    }
}

#[test]
fn i10_the_orders_of_a_position_come_back_from_storage_with_their_sums() {
    use kraite_core::position::Orders;
    let mut bench = active();
    bench.fill(Role::Rung(1));
    let mut position = bench.position().clone();
    let stored = postcard::to_allocvec(&position.orders).unwrap();
    let read: Orders = postcard::from_bytes(&stored).unwrap();
    assert!(!read.is_empty() && Orders::default().is_empty());
    assert!(read == position.orders && read.keys().eq(position.orders.keys()));
    assert!((&read).into_iter().all(|(id, order)| *id == order.id));
    let (entered, rungs) = (position.entered(), position.executed_by(|role| matches!(role, Role::Rung(_))).unwrap());
    assert!(rungs.qty.is_positive() && rungs.qty < entered.qty);
    position.orders = read;
    assert_eq!(position.entered(), entered);
}

#[test]
fn s11_a_ledger_says_of_each_object_what_it_executed() {
    let mut bench = active();
    bench.fill(Role::Rung(1));
    let rung = bench.latest(Role::Rung(1));
    let objects: Vec<_> = rung.ledger.objects().iter().map(|object| object.executed().unwrap().qty).collect();
    assert_eq!(objects, [rung.executed().qty]);
    assert!(rung.executed().qty.is_positive());
}

#[test]
fn r22_a_step_that_has_more_digits_than_there_is_room_for_is_refused_not_rounded() {
    use kraite_core::number::ArithmeticError;
    use kraite_core::rounding::{ceil_price, ceil_qty, floor_price};
    let (price, tick) = ("1407464977459.19820741619", "0.0000000144152571476771072");
    assert_eq!(ceil_price(price.parse().unwrap(), tick.parse().unwrap()), Err(ArithmeticError::Overflow));
    assert_eq!(ceil_qty(price.parse().unwrap(), tick.parse().unwrap()), Err(ArithmeticError::Overflow));
    assert_eq!(floor_price(price.parse().unwrap(), tick.parse().unwrap()), Err(ArithmeticError::Overflow));
    assert_eq!(ceil_price("100.01".parse().unwrap(), "0.25".parse().unwrap()).unwrap(), "100.25".parse().unwrap());
}

/// A close that was late found exposure of somebody else, after the stop had taken ours.
#[test]
fn s11_what_exits_took_beyond_what_was_entered_was_paid_by_somebody_else() {
    let mut bench = active();
    let (target, stop) = (bench.latest(Role::Target).clone(), bench.latest(Role::Stop).id);
    bench.fill(Role::Target);
    let entered = bench.position().entered().qty;
    let beyond = bench.reborn(|state| {
        let orders = &mut state.positions.values_mut().next().unwrap().orders;
        let filled = orders.get(&target.id).unwrap().ledger.clone();
        orders.change(stop, |order| order.ledger = filled);
    });
    let exited = beyond.position().exited().qty;
    assert_eq!(exited, entered.checked_add(entered).unwrap());
    let brought = target.shape.price().unwrap().checked_mul(exited).unwrap();
    let paid = "150.24".parse::<kraite_core::number::Price>().unwrap().checked_mul(entered).unwrap();
    assert_eq!(beyond.position().realised(), Some(brought.checked_sub(paid).unwrap()));
}
