//! R24, R25, R32, R46 and I16: what keeps new exposure from the wire, and that nothing else is kept from it.

use std::collections::BTreeSet;

use kraite_core::engine::{
    Alert, Command, CommandId, CommandRefusal, Config, Ended, Event, InputKind, Limit, Limits, State,
};
use kraite_core::exchange::{Direction, OrderReport, RejectKind, ReportStatus, ReportedId, StreamEvent, VenueCause};
use kraite_core::id::{PositionNo, Role, Symbol, VenueOrderId};
use kraite_core::journal::Loaded;
use kraite_core::number::Notional;
use kraite_core::order::Life;
use kraite_core::position::{Cover, Phase, Position, Why};
use kraite_core::sizing::Ladder;
use kraite_core::time::VenueMillis;

use crate::bench::{self, Bench, Reply, Shape, Venue};

const DAY: i64 = 86_400_000;

fn amount(text: &str) -> Notional {
    text.parse().unwrap()
}

fn all(_: kraite_core::ClientOrderId) -> Reply {
    Reply::Accept
}

fn limited(limits: Limits) -> Bench {
    let mut bench = Bench::with(Shape::SEPARATE, Config { limits, ..Config::default() });
    bench.feed(InputKind::Started);
    bench
}

fn ask(bench: &mut Bench, id: u64) {
    let request = bench.request();
    bench.command(id, Command::Open(Box::new(request)));
}

fn refusal(bench: &Bench) -> Option<CommandRefusal> {
    bench.events().rev().find_map(|event| match event {
        Event::CommandRefused(refusal) => Some(refusal.clone()),
        _ => None,
    })
}

fn limit(bench: &Bench) -> Option<Limit> {
    match refusal(bench) {
        Some(CommandRefusal::Limit(limit)) => Some(limit),
        _ => None,
    }
}

fn reached(bench: &Bench) -> Vec<Limit> {
    let limits = bench.events().filter_map(|event| match event {
        Event::LimitReached { limit, .. } => Some(limit.clone()),
        _ => None,
    });
    limits.collect()
}

/// What [`Bench::request`] is sized to.
fn ladder() -> Ladder {
    let mut bench = limited(Limits::default());
    ask(&mut bench, 1);
    bench.position().ladder.clone()
}

/// The refusal of an opening, if any, under these limits, on an account that holds what `held` puts there.
fn asked_under(limits: Limits, held: impl FnOnce(&mut State)) -> Option<Limit> {
    let mut bench = limited(limits).reborn(held);
    ask(&mut bench, 1);
    let found = limit(&bench);
    let opened = bench.engine.state().opened_by(CommandId(1)).is_some();
    assert_eq!(opened, found.is_none(), "{:?}", refusal(&bench));
    found
}

/// An active position on another contract of the account.
fn another() -> Position {
    let mut bench = limited(Limits::default());
    ask(&mut bench, 77);
    bench.run(5_000, Venue::Honest, &all);
    let mut other = bench.position().clone();
    assert_eq!(other.phase, Phase::Active);
    other.request.instrument.symbol = Symbol::new("OTHERUSDT");
    other
}

/// A second position, which waits for a human and counts in every sum: nothing happens to it by itself.
///
/// Its rungs and its stop are on the wire without an answer, so nobody shows them under the ids of the first.
fn bystander() -> Position {
    let mut bench = limited(Limits::default());
    ask(&mut bench, 77);
    bench.run(300, Venue::Honest, &|id| {
        if id.key().logical.role == Role::Entry { Reply::Accept } else { Reply::Silence }
    });
    let mut other = bench.position().clone();
    assert_eq!(other.orders.values().filter(|o| o.life == Life::PendingNew).count(), 4);
    (other.no, other.phase) = (PositionNo::new(2).unwrap(), Phase::Failed);
    other.request.instrument.symbol = Symbol::new("OTHERUSDT");
    other.orders.retain(|order| order.life == Life::PendingNew);
    other
}

fn put(state: &mut State, other: Position) {
    state.next_position = other.no.next();
    state.positions.insert(other.no, other);
}

#[test]
fn r25_after_a_halt_nothing_opens_until_the_resume_and_a_repeated_command_switches_nothing() {
    let mut bench = limited(Limits::default());
    bench.command(10, Command::Halt);
    ask(&mut bench, 1);
    assert_eq!(refusal(&bench), Some(CommandRefusal::Halted));
    assert!(bench.engine.state().halted && bench.engine.state().positions.is_empty());
    bench.command(11, Command::Resume);
    bench.command(10, Command::Halt);
    assert!(!bench.engine.state().halted, "the same command again");
    ask(&mut bench, 1);
    assert_eq!(bench.position().phase, Phase::New);
    bench.command(12, Command::Halt);
    bench.command(11, Command::Resume);
    assert!(bench.engine.state().halted, "an old resume that is told again lifts no newer halt");
}

#[test]
fn r25_a_halt_outlives_the_process_by_records_and_by_a_snapshot() {
    let mut bench = limited(Limits::default());
    bench.command(10, Command::Halt);
    let capabilities = bench.engine.capabilities().clone();
    let loaded = Loaded { snapshot: None, records: bench.records.clone() };
    let epoch = bench.engine.state().epoch;
    let restored =
        kraite_core::Engine::restore(Config::default(), capabilities, bench::account(), epoch, loaded).unwrap();
    assert_eq!(restored.state(), bench.engine.state());
    let mut reborn = bench.reborn(|_| {});
    reborn.feed(InputKind::Started);
    ask(&mut reborn, 1);
    assert_eq!(refusal(&reborn), Some(CommandRefusal::Halted));
    reborn.command(10, Command::Halt);
    reborn.command(11, Command::Resume);
    ask(&mut reborn, 1);
    assert_eq!(reborn.position().phase, Phase::New);
}

#[test]
fn r25_a_halt_cancels_every_opening_whose_entry_has_not_left() {
    // Just asked for.
    let mut bench = limited(Limits::default());
    ask(&mut bench, 1);
    bench.command(10, Command::Halt);
    let now = bench.now();
    assert!(bench.engine.next_deadline().is_some_and(|due| due.at.0 <= now), "what follows is due at once");
    bench.turn_to(now);
    assert_eq!((bench.position().phase, bench.position().why), (Phase::Cancelled, Why::Halted));
    // Its settings are on their way.
    let mut bench = limited(Limits::default());
    ask(&mut bench, 1);
    while bench.position().phase == Phase::New {
        let _ = bench.answer_asked(Venue::Honest);
    }
    assert!(!bench.take_sent().is_empty());
    bench.command(10, Command::Halt);
    bench.run(60_000, Venue::Honest, &all);
    assert_eq!((bench.position().phase, bench.position().why), (Phase::Cancelled, Why::Halted));
    // Its entry never left, or was refused for a reason that passes.
    for kind in [RejectKind::NotSent, RejectKind::RateLimited] {
        let mut bench = entry_on_the_wire();
        let id = bench.latest(Role::Entry).id;
        bench.refuse(id, kind);
        bench.command(10, Command::Halt);
        bench.run(60_000, Venue::Honest, &all);
        assert_eq!((bench.position().phase, bench.position().why), (Phase::Cancelled, Why::Halted), "{kind:?}");
        assert_eq!(bench.placed, [id], "{kind:?}");
    }
}

#[test]
fn r25_a_halt_is_recorded_and_sends_nothing_by_itself_whatever_a_position_needs() {
    // A worker that died left exposure without a stop for longer than it may be; nobody has asked the venue since.
    let mut bench = entry_on_the_wire();
    bench.fill(Role::Entry);
    let mut bench = bench.reborn(|_| {});
    assert!(bench.position().exposure().is_positive());
    bench.now += 600_000;
    bench.command(10, Command::Halt);
    let last = bench.records.last().unwrap();
    assert_eq!(last.events, [Event::AccountHalted]);
    assert!(bench.take_sent().is_empty() && bench.engine.state().halted);
}

/// The entry was handed to the wire; nobody has answered.
fn entry_on_the_wire() -> Bench {
    entry_on_the_wire_under(Limits::default())
}

fn entry_on_the_wire_under(limits: Limits) -> Bench {
    let mut bench = limited(limits);
    ask(&mut bench, 1);
    bench.run(200, Venue::Honest, &|id| {
        if id.key().logical.role == Role::Entry { Reply::Silence } else { Reply::Accept }
    });
    assert_eq!(bench.latest(Role::Entry).life, Life::PendingNew);
    bench
}

#[test]
fn r25_r39_an_entry_that_fills_after_a_halt_is_protected_without_its_rungs_and_gets_them_with_the_resume() {
    let mut bench = entry_on_the_wire();
    bench.command(10, Command::Halt);
    bench.fill(Role::Entry);
    bench.run(20_000, Venue::Honest, &all);
    let position = bench.position();
    assert_eq!((position.phase, position.cover), (Phase::Active, Cover::Armed));
    assert!((1..=3).all(|rung| position.latest(Role::Rung(rung)).is_none()), "{:?}", bench.placed);
    assert_eq!(bench.told.iter().filter(|alert| **alert == Alert::RungWithheld).count(), 1);
    // A restart forgets neither the halt nor what was wanted.
    let mut bench = bench.reborn(|_| {});
    bench.feed(InputKind::Started);
    bench.run(20_000, Venue::Honest, &all);
    assert_eq!(bench.placed, [], "nothing leaves");
    bench.command(11, Command::Resume);
    bench.run(20_000, Venue::Honest, &all);
    assert!((1..=3).all(|rung| bench.latest(Role::Rung(rung)).life == Life::Working));
    assert!(!bench.position().alerts.contains(&Alert::RungWithheld));
    assert_eq!((bench.position().phase, bench.position().cover), (Phase::Active, Cover::Armed));
}

#[test]
fn r25_under_a_halt_resting_rungs_stay_and_fills_closes_and_lost_stops_are_followed() {
    let mut bench = limited(Limits::default());
    ask(&mut bench, 1);
    bench.run(5_000, Venue::Honest, &all);
    bench.command(10, Command::Halt);
    bench.run(10_000, Venue::Honest, &all);
    assert!((1..=3).all(|rung| bench.latest(Role::Rung(rung)).life == Life::Working));
    let targets = bench.placed_as(Role::Target);
    bench.fill(Role::Rung(1));
    bench.run(10_000, Venue::Honest, &all);
    assert!(bench.placed_as(Role::Target) > targets, "the target follows the fill");
    assert_eq!(bench.position().cover, Cover::Armed);
    let gone = bench.report(bench.latest(Role::Stop), ReportStatus::Cancelled);
    bench.feed(InputKind::Push(StreamEvent::Order(gone)));
    bench.run(10_000, Venue::Honest, &all);
    assert_eq!((bench.placed_as(Role::Stop), bench.position().cover), (2, Cover::Armed));
    // A rung that somebody cancels would be placed again, and is new exposure.
    let gone: OrderReport = bench.report(bench.latest(Role::Rung(2)), ReportStatus::Cancelled);
    bench.feed(InputKind::Push(StreamEvent::Order(gone)));
    bench.run(60_000, Venue::Honest, &all);
    assert_eq!(bench.placed_as(Role::Rung(2)), 1);
    let no = bench.no();
    bench.command(11, Command::Close(no));
    bench.run(90_000, Venue::Honest, &all);
    assert_eq!((bench.position().phase, bench.placed_as(Role::Close)), (Phase::Closed, 1));
}

#[test]
fn i16_an_opening_that_breaks_one_limit_is_refused_with_what_was_configured_and_found() {
    let sized = ladder();
    let less = |what: Notional| what.checked_sub(amount("0.01")).unwrap();
    let largest = sized.rungs.iter().map(|r| r.price.checked_mul(r.qty).unwrap()).max().unwrap();
    let listed = |name: &str| Limits { symbols: Some(BTreeSet::from([Symbol::new(name)])), ..Limits::default() };
    assert_eq!(asked_under(listed("TESTUSDT"), |_| {}), None);
    assert_eq!(asked_under(listed("OTHERUSDT"), |_| {}), Some(Limit::Symbol(bench::symbol())));
    let order = |most| Limits { max_order_notional: Some(most), ..Limits::default() };
    assert_eq!(asked_under(order(largest), |_| {}), None);
    let (most, found) = (less(largest), Some(largest));
    assert_eq!(asked_under(order(most), |_| {}), Some(Limit::OrderNotional { most, found }));
    let whole = |most| Limits { max_position_notional: Some(most), ..Limits::default() };
    assert_eq!(asked_under(whole(sized.total_notional), |_| {}), None);
    let (most, found) = (less(sized.total_notional), Some(sized.total_notional));
    assert_eq!(asked_under(whole(most), |_| {}), Some(Limit::PositionNotional { most, found }));
    let loss = |most| Limits { max_worst_loss: Some(most), ..Limits::default() };
    assert_eq!(asked_under(loss(sized.max_loss), |_| {}), None);
    let (most, found) = (less(sized.max_loss), Some(sized.max_loss));
    assert_eq!(asked_under(loss(most), |_| {}), Some(Limit::WorstLoss { most, found }));
    let orders = |most| Limits { max_open_orders: Some(most), ..Limits::default() };
    assert_eq!(asked_under(orders(5), |_| {}), None, "three rungs, stop, target");
    assert_eq!(asked_under(orders(4), |_| {}), Some(Limit::OpenOrders { most: 4, found: 5 }));
    let rate = |most| Limits { max_exposing_orders_per_minute: Some(most), ..Limits::default() };
    assert_eq!(asked_under(rate(4), |_| {}), None, "entry and three rungs");
    assert_eq!(asked_under(rate(3), |_| {}), Some(Limit::ExposingOrdersPerMinute { most: 3, found: 4 }));
    let told = Limit::WorstLoss { most: amount("10"), found: None }.to_string();
    assert_eq!(told, "the worst loss of all positions would be an unknown amount, 10 is allowed");
}

#[test]
fn r32_slots_are_all_positions_that_are_not_over_and_an_override_creates_no_capacity() {
    let other = another();
    let with = |phase| {
        let mut other = other.clone();
        other.phase = phase;
        move |state: &mut State| put(state, other)
    };
    for phase in [Phase::New, Phase::Opening, Phase::Active, Phase::Closing, Phase::Cancelling, Phase::Failed] {
        assert_eq!(asked_under(slots(2), with(phase)), None, "{phase:?}");
        assert_eq!(asked_under(slots(1), with(phase)), Some(Limit::Positions { most: 1, found: 2 }), "{phase:?}");
    }
    for phase in [Phase::Closed, Phase::Cancelled] {
        assert_eq!(asked_under(slots(1), with(phase)), None, "{phase:?}");
    }
    assert_eq!(asked_under(slots(0), |_| {}), Some(Limit::Positions { most: 0, found: 1 }));
    // 200 hold whatever is configured.
    let many = |state: &mut State| {
        for n in 1..=200 {
            let mut one = other.clone();
            one.no = PositionNo::new(n).unwrap();
            one.request.instrument.symbol = Symbol::new(&format!("S{n}USDT"));
            put(state, one);
        }
    };
    assert_eq!(asked_under(slots(u32::MAX), many), Some(Limit::Positions { most: 200, found: 201 }));
}

#[test]
fn r46_sums_take_in_every_open_position_and_one_unknown_amount_opens_nothing() {
    let (sized, other) = (ladder(), another());
    let loss = |most| Limits { max_worst_loss: Some(most), ..Limits::default() };
    let frozen = other.max_loss.unwrap();
    let both = frozen.checked_add(sized.max_loss).unwrap();
    let (most, found) = (both.checked_sub(amount("0.01")).unwrap(), Some(both));
    let (one, two) = (other.clone(), other.clone());
    assert_eq!(asked_under(loss(both), |state| put(state, one)), None);
    assert_eq!(asked_under(loss(most), |state| put(state, two)), Some(Limit::WorstLoss { most, found }));
    let most = amount("999999");
    let mut unknown = other.clone();
    unknown.max_loss = None;
    let foreign = |position: &Position| {
        let mut position = position.clone();
        position.request.instrument.quote = "USDC".into();
        position
    };
    let (over, usdc) = (unknown.clone(), foreign(&other));
    assert_eq!(asked_under(loss(most), |state| put(state, unknown)), Some(Limit::WorstLoss { most, found: None }));
    assert_eq!(asked_under(loss(most), |state| put(state, usdc)), Some(Limit::WorstLoss { most, found: None }));
    let closed = Position { phase: Phase::Closed, ..over };
    assert_eq!(asked_under(loss(most), |state| put(state, closed)), None, "what is over counts nowhere");
    // Not active yet: the planned loss stands for it.
    let opening = Position { phase: Phase::Opening, max_loss: None, ..other.clone() };
    let planned = opening.ladder.max_loss.checked_add(sized.max_loss).unwrap();
    let opening_2 = opening.clone();
    assert_eq!(asked_under(loss(planned), |state| put(state, opening)), None);
    let most = planned.checked_sub(amount("0.01")).unwrap();
    let found = Some(planned);
    assert_eq!(asked_under(loss(most), |state| put(state, opening_2)), Some(Limit::WorstLoss { most, found }));
    // Money that entries and rungs cost.
    let account = |most| Limits { max_account_notional: Some(most), ..Limits::default() };
    let legs = other.rungs.iter().map(|rung| rung.price.checked_mul(rung.qty).unwrap());
    let cost = legs.fold(other.executed_entry().cost.unwrap(), |sum, leg| sum.checked_add(leg).unwrap());
    let both = cost.checked_add(sized.total_notional).unwrap();
    let (most, found) = (both.checked_sub(amount("0.01")).unwrap(), Some(both));
    let (one, two) = (other.clone(), foreign(&other));
    let three = other.clone();
    assert_eq!(asked_under(account(both), |state| put(state, one)), None);
    assert_eq!(
        asked_under(account(both), |state| put(state, two)),
        Some(Limit::AccountNotional { most: both, found: None })
    );
    assert_eq!(asked_under(account(most), |state| put(state, three)), Some(Limit::AccountNotional { most, found }));
}

/// A result of today, or of another day.
fn result(at: i64, realised: Option<&str>) -> Ended {
    Ended { at: VenueMillis(at), quote: "USDT".into(), realised: realised.map(amount) }
}

#[test]
fn i16_a_daily_loss_stops_openings_until_the_venues_next_day() {
    let most = amount("10");
    let limits = || Limits { max_daily_loss: Some(most), ..Limits::default() };
    let today = Bench::new(Shape::SEPARATE).now() / DAY * DAY;
    let under = |results: Vec<Ended>| {
        asked_under(limits(), |state| {
            state.ended = (500..).map(|n| PositionNo::new(n).unwrap()).zip(results).collect();
        })
    };
    let daily = |found| Some(Limit::DailyLoss { most, found });
    assert_eq!(under(vec![result(today, Some("-10"))]), None, "not beyond");
    assert_eq!(under(vec![result(today, Some("-10.01"))]), daily(Some(amount("10.01"))));
    assert_eq!(under(vec![result(today - 1, Some("-999"))]), None, "yesterday's");
    assert_eq!(under(vec![result(today, Some("-15")), result(today, Some("5"))]), None, "gains are deducted");
    assert_eq!(under(vec![result(today, Some("-6")), result(today, Some("-5"))]), daily(Some(amount("11"))));
    assert_eq!(under(vec![result(today, Some("99")), result(today, None)]), daily(None), "unknown");
    let usdc = Ended { quote: "USDC".into(), ..result(today, Some("-1")) };
    assert_eq!(under(vec![usdc]), daily(None));
}

/// An active position of which this report takes everything off, and its end.
fn over_by(report: impl FnOnce(&Bench) -> OrderReport) -> Bench {
    let mut bench = Bench::new(Shape::LIMIT_TARGET);
    bench.open(&all);
    bench.run(5_000, Venue::Honest, &all);
    let report = report(&bench);
    bench.feed(InputKind::Push(StreamEvent::Order(report)));
    bench.run(90_000, Venue::Honest, &all);
    assert_eq!(bench.position().phase, Phase::Closed);
    bench
}

#[test]
fn i16_the_daily_loss_is_that_of_our_own_fills_and_stays_when_the_position_leaves_the_state() {
    let over = over_by(|bench| {
        let filled = bench.report(bench.latest(Role::Target), ReportStatus::Filled);
        OrderReport { average_price: Some("140".parse().unwrap()), ..filled }
    });
    let (no, realised) = (over.no(), over.position().realised().unwrap());
    assert!(realised.is_negative(), "{realised}");
    let ended_at = VenueMillis(over.position().ended_at.unwrap().0);
    assert_eq!(over.engine.state().ended[&no], Ended { at: ended_at, ..result(0, Some(&realised.to_string())) });
    let found = Some(realised.negated());
    let under = |bench: &Bench, most: &str| {
        let limits = Limits { max_daily_loss: Some(amount(most)), ..Limits::default() };
        let mut bench = bench.reborn_under(Config { limits, ..Config::default() });
        ask(&mut bench, 3);
        limit(&bench)
    };
    assert_eq!(under(&over, "0"), Some(Limit::DailyLoss { most: amount("0"), found }));
    assert_eq!(under(&over, "9999"), None);
    // An hour later the next opening lets it go, and its result stays for the day.
    let mut later = over.clone();
    later.turn_to(over.now() + 3_600_000);
    ask(&mut later, 2);
    assert_eq!(later.engine.state().positions.len(), 1);
    assert!(!later.engine.state().positions.contains_key(&no));
    assert_eq!(later.engine.state().ended[&no].realised, Some(realised));
    // The venue took it: at what price nobody told us.
    let liquidated = over_by(|bench| OrderReport {
        id: ReportedId::Venue(VenueCause::Liquidation),
        venue_id: VenueOrderId::new("theirs"),
        side: Direction::Long.closing_side(),
        executed: Some(bench.position().exposure()),
        ..bench.report(bench.latest(Role::Target), ReportStatus::Filled)
    });
    assert_eq!(under(&liquidated, "9999"), Some(Limit::DailyLoss { most: amount("9999"), found: None }));
}

fn slots(most: u32) -> Limits {
    Limits { max_positions: Some(most), ..Limits::default() }
}

/// The same account restarted under these limits; its readings are taken anew.
fn restarted(bench: &Bench, limits: Limits, change: impl FnOnce(&mut State)) -> Bench {
    let mut bench = bench.reborn_under(Config { limits, ..Config::default() }).reborn(change);
    bench.feed(InputKind::Started);
    bench
}

fn ended(bench: &Bench) -> (Phase, Why) {
    (bench.position().phase, bench.position().why)
}

#[test]
fn r24_limits_are_looked_at_again_at_the_admission_and_right_before_the_market_order() {
    let mut asked = limited(Limits::default());
    ask(&mut asked, 1);
    let mut admitted = asked.clone();
    while admitted.position().phase == Phase::New {
        let _ = admitted.answer_asked(Venue::Honest);
    }
    let mut refused = entry_on_the_wire();
    let entry = refused.latest(Role::Entry).id;
    refused.refuse(entry, RejectKind::RateLimited);
    for before in [asked, admitted, refused] {
        // The configuration of the next run allows less.
        let mut bench = restarted(&before, slots(0), |_| {});
        bench.run(30_000, Venue::Honest, &all);
        assert_eq!((ended(&bench), bench.placed.len()), ((Phase::Cancelled, Why::Limited), 0));
        assert_eq!(reached(&bench), [Limit::Positions { most: 0, found: 1 }]);
        assert_eq!(bench.told, [Alert::OpeningRefused]);
        // Another position has come to be meanwhile.
        let mut bench = restarted(&before, slots(1), |state| put(state, bystander()));
        bench.run(30_000, Venue::Honest, &all);
        assert_eq!((ended(&bench), bench.placed_as(Role::Entry)), ((Phase::Cancelled, Why::Limited), 0));
        let mut bench = restarted(&before, slots(1), |_| {});
        bench.run(30_000, Venue::Honest, &all);
        assert_eq!((ended(&bench), bench.placed_as(Role::Entry)), ((Phase::Active, Why::Planned), 1));
    }
}

/// The entry fills at this price, under limits that came with a restart.
fn filled_under(limits: Limits, price: &str, change: impl FnOnce(&mut State)) -> Bench {
    let mut bench = restarted(&entry_on_the_wire(), limits, change);
    let report = bench.report(bench.latest(Role::Entry), ReportStatus::Filled);
    let report = OrderReport { average_price: Some(price.parse().unwrap()), ..report };
    bench.feed(InputKind::Push(StreamEvent::Order(report)));
    bench.run(10_000, Venue::Honest, &all);
    bench
}

fn resting(bench: &Bench) -> Vec<u8> {
    let rests = |rung: &u8| bench.position().latest(Role::Rung(*rung)).is_some_and(|o| o.life == Life::Working);
    (1..=3).filter(rests).collect()
}

fn is_armed(bench: &Bench) -> bool {
    (bench.position().phase, bench.position().cover) == (Phase::Active, Cover::Armed)
}

#[test]
fn i16_rungs_beyond_the_orders_of_a_minute_wait_and_stop_and_target_do_not() {
    let rate = |most| Limits { max_exposing_orders_per_minute: Some(most), ..Limits::default() };
    let mut bench = filled_under(rate(2), "150.24", |_| {});
    assert!(is_armed(&bench));
    assert_eq!(resting(&bench), [1]);
    assert_eq!(reached(&bench), [Limit::ExposingOrdersPerMinute { most: 2, found: 3 }], "told once");
    let left = |bench: &Bench, role| bench.latest(role).intended_at.0;
    let born = left(&bench, Role::Entry);
    bench.run(born + 59_000 - bench.now(), Venue::Honest, &all);
    assert_eq!(resting(&bench), [1]);
    bench.run(120_000, Venue::Honest, &all);
    assert_eq!(resting(&bench), [1, 2, 3]);
    let times: Vec<i64> = [Role::Entry, Role::Rung(1), Role::Rung(2), Role::Rung(3)].map(|r| left(&bench, r)).into();
    assert!(times[2] >= times[0] + 60_000 && times[3] >= times[1] + 60_000, "{times:?}");
    assert!(times[2] < times[0] + 61_000, "no longer than needed: {times:?}");
    // A request that never left took nothing of the minute; one that was refused did.
    for (kind, end) in [
        (RejectKind::NotSent, (Phase::Active, Why::Planned)),
        (RejectKind::RateLimited, (Phase::Cancelled, Why::Limited)),
    ] {
        let mut bench = entry_on_the_wire_under(rate(4));
        bench.refuse(bench.latest(Role::Entry).id, kind);
        bench.run(5_000, Venue::Honest, &all);
        assert_eq!(ended(&bench), end, "{kind:?}");
    }
    // 300 hold whatever is configured: 75 positions of four orders each have just left.
    let other = another();
    let many = |state: &mut State| {
        for n in 1..=75 {
            let mut one = other.clone();
            one.no = PositionNo::new(n).unwrap();
            one.request.instrument.symbol = Symbol::new(&format!("S{n}USDT"));
            put(state, one);
        }
    };
    let found = asked_under(rate(u32::MAX), many);
    assert_eq!(found, Some(Limit::ExposingOrdersPerMinute { most: 300, found: 304 }));
    assert_eq!(asked_under(Limits::default(), many), found);
}

#[test]
fn i16_a_rung_that_the_real_fill_makes_too_large_is_left_out_and_the_others_stand() {
    let sized = ladder();
    let largest = sized.rungs.iter().map(|r| r.price.checked_mul(r.qty).unwrap()).max().unwrap();
    for limits in [
        Limits { max_order_notional: Some(largest), ..Limits::default() },
        Limits { max_position_notional: Some(sized.total_notional), ..Limits::default() },
    ] {
        let bench = filled_under(limits.clone(), "150.24", |_| {});
        assert_eq!((resting(&bench), reached(&bench)), (vec![1, 2, 3], vec![]));
        let bench = filled_under(limits, "155", |_| {});
        assert!(is_armed(&bench));
        assert_eq!(resting(&bench), [1, 2]);
        assert!(bench.position().dropped.contains(&3) && bench.told.contains(&Alert::RungDropped));
        assert_eq!(reached(&bench).len(), 1);
    }
}

#[test]
fn i16_rungs_are_withheld_while_the_account_is_full_and_protection_is_not() {
    let put_other = |state: &mut State| put(state, bystander());
    // Three rungs and the stop of the other one, and room for our own stop and target.
    let mut orders = filled_under(Limits { max_open_orders: Some(6), ..Limits::default() }, "150.24", put_other);
    assert_eq!(reached(&orders), [Limit::OpenOrders { most: 6, found: 7 }]);
    let most = ladder().total_notional;
    let money = filled_under(Limits { max_account_notional: Some(most), ..Limits::default() }, "150.24", put_other);
    assert!(matches!(reached(&money)[..], [Limit::AccountNotional { .. }]), "{:?}", reached(&money));
    for bench in [&orders, &money] {
        assert!(is_armed(bench));
        assert_eq!(resting(bench), []);
    }
    // Room that becomes free is found without anybody telling of it.
    orders = orders.reborn(|state| {
        let _ = state.positions.remove(&PositionNo::new(2).unwrap());
    });
    orders.feed(InputKind::Started);
    orders.run(10_000, Venue::Honest, &all);
    assert_eq!(resting(&orders), [1, 2, 3]);
}
