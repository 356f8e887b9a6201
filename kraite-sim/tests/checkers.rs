//! The remaining checkers can fail too: the engine's own invariants, and what the auditor compares.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;

use kraite_core::engine::{Command, CommandId, Config, Engine, Input, InputKind, Request, State};
use kraite_core::exchange::{Direction, NewOrder, OrderShape, PositionMode, Purpose, Side, StreamEvent};
use kraite_core::id::{AccountTag, Attempt, ClientOrderId, Epoch, LogicalOrder, OrderKey, PositionNo, Revision, Role};
use kraite_core::invariant::{Fault, check};
use kraite_core::journal::{Loaded, Snapshot};
use kraite_core::order::{Life, Terminal};
use kraite_core::position::{Phase, Position};
use kraite_core::time::{LocalMillis, Millis, Moment};
use kraite_sim::presets;
use kraite_sim::script::{self, Script, Timing};
use kraite_sim::venue::Venue;
use kraite_sim::world::{Auditor, Finding, Nemesis, Stream, World};

/// A world with an active position whose first rung has filled.
fn world() -> World {
    let mut world = script::world(presets::binance(), Nemesis::scheduled(1, BTreeMap::new()), Timing::default());
    world.run_for(Millis(500));
    let request = script::request(&Script::open_to_close(), &world).unwrap();
    world.command(script::account(), CommandId(1), Command::Open(Box::new(request)));
    world.run_for(Millis::from_secs(5));
    world.price(&presets::instrument().symbol, "137".parse().unwrap());
    world.run_for(Millis::from_secs(5));
    world
}

fn position() -> Position {
    let world = world();
    world.engine(script::account()).unwrap().state().positions.values().next().unwrap().clone()
}

/// The same engine, changed in one way.
fn changed(world: &World, change: impl FnOnce(&mut Position)) -> Engine {
    let mut state = world.engine(script::account()).unwrap().state().clone();
    change(state.positions.get_mut(&PositionNo::new(1).unwrap()).unwrap());
    restored(state)
}

fn restored(state: State) -> Engine {
    let loaded = Loaded { snapshot: Some(Snapshot { seq: state.seq, state }), records: Vec::new() };
    let capabilities = presets::binance().capabilities;
    Engine::restore(Config::default(), capabilities, script::account(), Epoch::new(2).unwrap(), loaded).unwrap()
}

fn findings(auditor: &Auditor) -> Vec<&Finding> {
    auditor.verdict().findings.iter().map(|(_, finding)| finding).collect()
}

fn look(auditor: &mut Auditor, venue: &Venue, engine: &Engine, world: &World) {
    auditor.observe(venue, std::iter::once((script::account(), Some(engine))), &world.journal, world.now());
}

#[test]
fn mutant_a_sound_position_has_no_fault() {
    assert_eq!(check(&position()), []);
}

#[test]
fn mutant_two_attempts_of_one_rung_are_open() {
    let mut position = position();
    let rung = position.of(Role::Rung(2)).next().unwrap().clone();
    let key = OrderKey { attempt: Attempt::new(1).unwrap(), ..rung.id.key() };
    let mut second = rung.clone();
    second.id = ClientOrderId::encode(&key);
    position.orders.insert(second);
    assert!(matches!(check(&position)[..], [Fault::TwoLive { .. }]), "{:?}", check(&position));
}

#[test]
fn mutant_a_target_whose_stop_never_was() {
    let mut position = position();
    position.orders.retain(|order| order.role() != Role::Stop);
    assert!(matches!(check(&position)[..], [Fault::TargetBeforeStop(_)]), "{:?}", check(&position));
}

#[test]
fn mutant_finished_with_orders_that_may_trade() {
    let mut position = position();
    position.phase = Phase::Closed;
    assert!(check(&position).iter().all(|fault| matches!(fault, Fault::NotClean(_))));
    assert!(check(&position).len() >= 4);
}

#[test]
fn mutant_more_taken_off_than_was_ever_put_on() {
    let mut position = position();
    // The rung's fill becomes a close by quantity, and the rungs never were.
    let filled = position.of(Role::Rung(1)).next().unwrap().clone();
    position.orders.retain(|order| !matches!(order.role(), Role::Rung(_)));
    let mut close = filled;
    let mut key = close.id.key();
    key.logical.role = Role::Close;
    close.id = ClientOrderId::encode(&key);
    close.life = Life::Done(Terminal::Filled);
    position.orders.insert(close);
    assert!(check(&position).iter().any(|fault| matches!(fault, Fault::Overclosed { .. })), "{:?}", check(&position));
}

#[test]
fn mutant_i07_a_worker_takes_back_a_fill() {
    let world = world();
    let mut auditor = Auditor::default();
    look(&mut auditor, &world.venue, world.engine(script::account()).unwrap(), &world);
    let forgetful = changed(&world, |position| {
        let rung = position.of(Role::Rung(1)).next().unwrap().id;
        position.orders.change(rung, |order| order.ledger = Default::default()).unwrap();
    });
    look(&mut auditor, &world.venue, &forgetful, &world);
    assert!(findings(&auditor).iter().any(|f| matches!(f, Finding::Shrunk { .. })), "{:?}", findings(&auditor));
}

#[test]
fn mutant_the_engine_halted_a_position() {
    let world = world();
    let mut auditor = Auditor::default();
    let halted = changed(&world, |position| position.halted = true);
    look(&mut auditor, &world.venue, &halted, &world);
    assert!(findings(&auditor).iter().any(|f| matches!(f, Finding::Halted { .. })));
}

#[test]
fn mutant_s02_an_order_with_an_exchange_id_whose_row_says_that_it_never_was() {
    let mut position = position();
    let rung = position.of(Role::Rung(2)).next().unwrap();
    assert!(rung.exchange_order_id().is_some());
    let id = rung.id;
    position.orders.change(id, |rung| rung.life = Life::Done(Terminal::Absent));
    assert!(matches!(check(&position)[..], [Fault::IdDenied(_)]), "{:?}", check(&position));
}

fn entry_id(world: &World) -> ClientOrderId {
    let positions = &world.engine(script::account()).unwrap().state().positions;
    positions.values().next().unwrap().of(Role::Entry).next().unwrap().id
}

/// A venue on which nothing is open.
fn empty_venue(world: &World) -> Venue {
    let mut venue = Venue::new(presets::binance(), world.now());
    let instrument = presets::instrument();
    let symbol = instrument.symbol.clone();
    venue.list(instrument);
    venue.open_account(script::account(), PositionMode::OneWay, "5000".parse().unwrap());
    let price = "150".parse().unwrap();
    venue.price(&symbol, price, price, world.now());
    venue
}

fn market(id: ClientOrderId, purpose: Purpose) -> NewOrder {
    let side = if purpose == Purpose::Open { Side::Buy } else { Side::Sell };
    let (direction, mode) = (Direction::Long, PositionMode::OneWay);
    let shape = OrderShape::Market { qty: "1".parse().unwrap() };
    NewOrder { id, symbol: presets::instrument().symbol, side, direction, mode, purpose, shape }
}

/// What the auditor says of exposure that had no stop for so many seconds while the worker lived and stood like this.
fn unprotected(change: impl FnOnce(&mut Position), seconds: i64, lost_closes: usize) -> bool {
    let world = world();
    let (mut venue, id) = (empty_venue(&world), entry_id(&world));
    venue.request(script::account(), &Request::Place(market(id, Purpose::Open)), world.now(), world.now());
    let engine = changed(&world, change);
    let mut auditor = Auditor::default();
    look(&mut auditor, &venue, &engine, &world);
    let close = ClientOrderId::encode(&OrderKey {
        logical: LogicalOrder { role: Role::Close, revision: Revision::new(0).unwrap() },
        ..id.key()
    });
    let close = Request::Place(market(close, Purpose::Close));
    for _ in 0..lost_closes {
        auditor.lost_on_its_way(script::account(), &close);
    }
    let later = world.now().plus(Millis::from_secs(seconds));
    venue.request(script::account(), &close, later, later);
    auditor.observe(&venue, std::iter::once((script::account(), Some(&engine))), &world.journal, later);
    let found = |f: &&Finding| matches!(f, Finding::Unprotected { .. });
    let others: Vec<&Finding> =
        findings(&auditor).into_iter().filter(|f| matches!(f, Finding::Unexplained { .. })).collect();
    assert!(others.is_empty(), "{others:?}");
    findings(&auditor).iter().any(found)
}

#[test]
fn mutant_i04_each_window_without_a_stop_has_its_bound() {
    let building = |position: &mut Position| {
        position.phase = Phase::Opening;
        position.orders.retain(|order| !order.role().is_protective());
    };
    assert!(!unprotected(building, 35, 0));
    assert!(unprotected(building, 37, 0));
    let closing = |position: &mut Position| position.phase = Phase::Closing;
    assert!(!unprotected(closing, 119, 0));
    assert!(unprotected(closing, 121, 0));
    assert!(unprotected(closing, 121, 1));
    assert!(!unprotected(closing, 179, 2));
    assert!(unprotected(closing, 181, 2));
    // It believes that its stop is open: only the next reading tells.
    assert!(!unprotected(|_| {}, 329, 0));
    assert!(unprotected(|_| {}, 331, 0));
}

#[test]
fn mutant_i10_a_journal_that_cannot_be_folded() {
    let mut world = world();
    let mut state = world.engine(script::account()).unwrap().state().clone();
    state.account = AccountTag::new(2).unwrap();
    world.journal.compact(script::account(), Snapshot { seq: state.seq, state });
    world.kill(script::account());
    world.run_for(Millis::from_secs(60));
    let verdict = world.conclude();
    assert!(verdict.findings.iter().any(|(_, f)| matches!(f, Finding::RestoreFailed { .. })), "{:?}", verdict.findings);
}

#[test]
fn mutant_i11_exposure_on_the_wrong_side() {
    let world = world();
    let mut venue = empty_venue(&world);
    let order = NewOrder { side: Side::Sell, direction: Direction::Short, ..market(entry_id(&world), Purpose::Open) };
    venue.request(script::account(), &Request::Place(order), world.now(), world.now());
    let mut auditor = Auditor::default();
    look(&mut auditor, &venue, world.engine(script::account()).unwrap(), &world);
    assert!(findings(&auditor).iter().any(|f| matches!(f, Finding::Flipped { .. })), "{:?}", findings(&auditor));
}

#[test]
fn mutant_i08_worker_and_venue_disagree_at_the_end() {
    let world = world();
    let mut empty = Venue::new(presets::binance(), world.now());
    empty.list(presets::instrument());
    empty.open_account(script::account(), PositionMode::OneWay, "5000".parse().unwrap());
    let mut auditor = Auditor::default();
    let engine = world.engine(script::account()).unwrap();
    auditor.conclude(&empty, std::iter::once((script::account(), Some(engine))), world.now());
    assert!(findings(&auditor).iter().any(|f| matches!(f, Finding::Disagree { .. })), "{:?}", findings(&auditor));
}

#[test]
fn mutant_a_position_that_is_stuck_at_the_end() {
    let world = world();
    let mut auditor = Auditor::default();
    let stuck = changed(&world, |position| position.phase = Phase::Opening);
    auditor.conclude(&world.venue, std::iter::once((script::account(), Some(&stuck))), world.now());
    assert!(findings(&auditor).iter().any(|f| matches!(f, Finding::Unresolved { phase: Phase::Opening, .. })));
}

#[test]
fn mutant_i05_a_finished_position_with_exposure_and_orders() {
    let world = world();
    let mut auditor = Auditor::default();
    let finished = changed(&world, |position| position.phase = Phase::Closed);
    look(&mut auditor, &world.venue, &finished, &world);
    assert!(findings(&auditor).iter().any(|f| matches!(f, Finding::NotFlat { .. })), "{:?}", findings(&auditor));
    assert!(findings(&auditor).iter().any(|f| matches!(f, Finding::Orphan { .. })));
}

#[test]
fn mutant_i09_an_input_that_changes_something_twice() {
    let world = world();
    let mut engine = world.engine(script::account()).unwrap().clone();
    let at = Moment { local: LocalMillis(world.now().0), venue: world.now(), error: Millis(0) };
    let mut auditor = Auditor::default();
    // A start is recorded each time, as it should be; an answer would not be.
    let started = engine.step(Input { at, kind: InputKind::Started });
    auditor.repeated(script::account(), "started".into(), &started, world.now());
    assert!(matches!(findings(&auditor)[..], [Finding::NotIdempotent { .. }]));
    let mark = world.mark(&presets::instrument().symbol).unwrap();
    let nothing = engine.step(Input { at, kind: InputKind::Push(StreamEvent::Mark(mark)) });
    auditor.repeated(script::account(), "mark".into(), &nothing, world.now());
    assert_eq!(findings(&auditor).len(), 1);
}

#[test]
fn mutant_i08_an_ended_position_that_counts_another_cost() {
    let script = Script::catalogue().into_iter().find(|script| script.name == "target-fills").unwrap();
    let mut world = script::play(&script, presets::binance(), BTreeMap::new(), Stream::Silent).world;
    world.run_for(Millis::from_secs(600));
    let engine = world.engine(script::account()).unwrap();
    assert!(engine.state().positions.values().all(|position| position.booked.is_some() && position.is_told()));
    let miscounted = |finding: &Finding| matches!(finding, Finding::Miscounted { .. });
    let mut auditor = Auditor::default();
    look(&mut auditor, &world.venue, engine, &world);
    assert!(!findings(&auditor).iter().any(|finding| miscounted(finding)), "{:?}", findings(&auditor));
    let mut state = engine.state().clone();
    for ended in state.ended.values_mut() {
        ended.realised = ended.realised.map(|realised| realised.checked_add("0.01".parse().unwrap()).unwrap());
    }
    let careless = restored(state);
    let mut auditor = Auditor::default();
    look(&mut auditor, &world.venue, &careless, &world);
    assert!(findings(&auditor).iter().any(|finding| miscounted(finding)), "{:?}", findings(&auditor));
}

#[test]
fn mutant_i15_a_liquidation_that_the_worker_did_not_book() {
    let liquidation = Script::catalogue().into_iter().find(|script| script.name == "liquidation").unwrap();
    let mut played = script::play(&liquidation, presets::binance(), BTreeMap::new(), Stream::Push);
    assert_eq!(played.verdict.findings, []);
    let careless = changed(&played.world, |position| position.external.clear());
    let (venue, now) = (&played.world.venue, played.world.now());
    let verdict = played.world.auditor.conclude(venue, std::iter::once((script::account(), Some(&careless))), now);
    let misattributed = |f: &Finding| matches!(f, Finding::Misattributed { .. });
    assert!(verdict.findings.iter().any(|(_, f)| misattributed(f)), "{:?}", verdict.findings);
}
