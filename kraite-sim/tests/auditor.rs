//! The auditor can fail: each of its findings is provoked once, by a world that is wrong in one way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use kraite_core::engine::{Command, CommandId, Config, Engine, Input, InputKind, Limits, OpenRequest, Request, State};
use kraite_core::exchange::{
    Direction, NewOrder, OrderRef, OrderShape, Outcome, PositionMode, PositionRef, Purpose, Service, Side, TriggerBy,
    TriggerSize,
};
use kraite_core::id::{
    AccountTag, Attempt, ClientOrderId, Epoch, LogicalOrder, OrderKey, PositionNo, Revision, Role, Symbol,
};
use kraite_core::journal::Loaded;
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::position::Phase;
use kraite_core::time::{LocalMillis, Millis, Moment, VenueMillis};
use kraite_sim::presets;
use kraite_sim::script::{self, Script, Timing};
use kraite_sim::venue::Venue;
use kraite_sim::world::{Auditor, Finding, ModelJournal, Nemesis};

const START: i64 = 1_760_000_000_000;

struct Bench {
    venue: Venue,
    auditor: Auditor,
    journal: ModelJournal,
    symbol: Symbol,
    now: i64,
}

fn account() -> AccountTag {
    AccountTag::new(1).unwrap()
}

fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn id(role: Role, revision: u16, attempt: u8) -> ClientOrderId {
    ClientOrderId::encode(&OrderKey {
        account: account(),
        position: PositionNo::new(1).unwrap(),
        logical: LogicalOrder { role, revision: Revision::new(revision).unwrap() },
        attempt: Attempt::new(attempt).unwrap(),
        epoch: Epoch::new(1).unwrap(),
    })
}

fn engine() -> Engine {
    let capabilities = presets::binance().capabilities;
    Engine::restore(Config::default(), capabilities, account(), Epoch::new(1).unwrap(), Loaded::default()).unwrap()
}

impl Bench {
    fn new() -> Self {
        let instrument = presets::instrument();
        let symbol = instrument.symbol.clone();
        let mut venue = Venue::new(presets::binance(), VenueMillis(START));
        venue.list(instrument);
        venue.open_account(account(), PositionMode::OneWay, "5000".parse().unwrap());
        venue.price(&symbol, price("100"), price("100"), VenueMillis(START));
        Self { venue, auditor: Auditor::default(), journal: ModelJournal::default(), symbol, now: START }
    }

    fn at(&self) -> VenueMillis {
        VenueMillis(self.now)
    }

    fn order(&self, id: ClientOrderId, shape: OrderShape) -> Request {
        let (side, purpose) =
            if id.key().logical.role.is_exit() { (Side::Sell, Purpose::Close) } else { (Side::Buy, Purpose::Open) };
        let direction = Direction::Long;
        Request::Place(NewOrder {
            id,
            symbol: self.symbol.clone(),
            side,
            direction,
            mode: PositionMode::OneWay,
            purpose,
            shape,
        })
    }

    fn limit(&self, attempt: u8) -> Request {
        self.order(id(Role::Rung(1), 0, attempt), OrderShape::Limit { price: price("90"), qty: qty("1") })
    }

    /// The order reaches the venue, whatever a worker thinks of it.
    fn place(&mut self, request: &Request) {
        let outcome = self.venue.request(account(), request, self.at(), self.at()).remove(0).1;
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    }

    fn wire(&mut self, request: &Request) {
        self.auditor.handed_to_wire(account(), request, &self.journal, self.at());
    }

    fn look(&mut self, engine: Option<&Engine>) {
        self.auditor.observe(&self.venue, std::iter::once((account(), engine)), &self.journal, self.at());
    }

    #[track_caller]
    fn found(&self, expected: impl Fn(&Finding) -> bool) {
        let findings = &self.auditor.verdict().findings;
        assert!(findings.iter().any(|(_, finding)| expected(finding)), "{findings:?}");
    }
}

#[test]
fn mutant_i01_two_attempts_open_together() {
    let mut bench = Bench::new();
    let (first, second) = (bench.limit(0), bench.limit(1));
    bench.place(&first);
    bench.place(&second);
    bench.look(None);
    bench.found(|f| matches!(f, Finding::Duplicate { .. }));
    assert_eq!(bench.auditor.verdict().duplicates, 1);
}

#[test]
fn mutant_i01_two_targets_are_open_at_the_end() {
    let mut bench = Bench::new();
    let entry = bench.order(id(Role::Entry, 0, 0), OrderShape::Market { qty: qty("1") });
    bench.place(&entry);
    for revision in 0..2 {
        let shape = OrderShape::TakeProfitMarket {
            trigger: price("110"),
            by: TriggerBy::Mark,
            size: TriggerSize::Qty(qty("1")),
        };
        let target = bench.order(id(Role::Target, revision, 0), shape);
        bench.place(&target);
    }
    bench.look(None);
    assert_eq!(bench.auditor.verdict().duplicates, 0, "make before break");
    let at = bench.at();
    bench.auditor.conclude(&bench.venue, std::iter::empty(), at);
    bench.found(|f| matches!(f, Finding::Duplicate { .. }));
}

#[test]
fn mutant_i02_two_attempts_filled_above_plan() {
    let mut bench = Bench::new();
    for attempt in 0..2 {
        let entry = bench.order(id(Role::Entry, 0, attempt), OrderShape::Market { qty: qty("1") });
        bench.place(&entry);
    }
    bench.look(None);
    bench.found(|f| matches!(f, Finding::Overfilled { .. }));
}

#[test]
fn mutant_i03_a_target_on_the_wire_before_any_stop() {
    let mut bench = Bench::new();
    let shape =
        OrderShape::TakeProfitMarket { trigger: price("110"), by: TriggerBy::Mark, size: TriggerSize::ClosePosition };
    let target = bench.order(id(Role::Target, 0, 0), shape);
    bench.wire(&target);
    bench.found(|f| matches!(f, Finding::TargetBeforeStop { .. }));
}

#[test]
fn mutant_i04_exposure_without_a_stop_and_a_worker_that_lives() {
    let mut bench = Bench::new();
    let entry = bench.order(id(Role::Entry, 0, 0), OrderShape::Market { qty: qty("1") });
    bench.place(&entry);
    let engine = engine();
    for _ in 0..5 {
        bench.now += 60_000;
        bench.look(Some(&engine));
    }
    let close = bench.order(id(Role::Close, 0, 0), OrderShape::Market { qty: qty("1") });
    bench.place(&close);
    bench.look(Some(&engine));
    bench.found(|f| matches!(f, Finding::Unexplained { interval } if interval.unexplained.0 >= 240_000));
    assert!(bench.auditor.verdict().max_unprotected.0 >= 240_000);
}

#[test]
fn mutant_i04_exposure_that_is_still_naked_at_the_end() {
    let mut bench = Bench::new();
    let entry = bench.order(id(Role::Entry, 0, 0), OrderShape::Market { qty: qty("1") });
    bench.place(&entry);
    let engine = engine();
    bench.look(Some(&engine));
    bench.now += 60_000;
    let at = bench.at();
    bench.auditor.conclude(&bench.venue, std::iter::once((account(), Some(&engine))), at);
    bench.found(|f| matches!(f, Finding::Unexplained { .. }));
}

#[test]
fn mutant_i06_an_open_order_that_no_journal_knows() {
    let mut bench = Bench::new();
    let request = bench.limit(0);
    bench.place(&request);
    bench.look(None);
    bench.found(|f| matches!(f, Finding::Orphan { .. }));
    assert_eq!(bench.auditor.verdict().orphans, 1);
}

#[test]
fn mutant_i06_somebody_elses_order_is_cancelled() {
    let mut bench = Bench::new();
    let theirs =
        ClientOrderId::encode(&OrderKey { account: AccountTag::new(2).unwrap(), ..id(Role::Stop, 0, 0).key() });
    let order = OrderRef { symbol: bench.symbol.clone(), service: Service::Regular, id: theirs, venue_id: None };
    bench.wire(&Request::Cancel(order));
    bench.found(|f| matches!(f, Finding::ForeignTouched { .. }));
}

#[test]
fn mutant_i10_a_restored_state_that_is_not_the_durable_one() {
    let mut bench = Bench::new();
    let before = State::new(account());
    let mut after = before.clone();
    after.quarantined = true;
    let at = bench.at();
    bench.auditor.compare_restored(account(), before, &after, at);
    bench.found(|f| matches!(f, Finding::RestoredDiffers { .. }));
}

#[test]
fn mutant_i13_a_request_without_an_intent_and_an_id_used_twice() {
    let mut bench = Bench::new();
    let request = bench.limit(0);
    bench.wire(&request);
    bench.found(|f| matches!(f, Finding::NoIntent { .. }));
    bench.wire(&request);
    bench.found(|f| matches!(f, Finding::PlacedTwice { .. }));
}

#[test]
fn mutant_i16_a_flood_of_requests_and_of_questions() {
    let mut bench = Bench::new();
    let request = Request::SetLeverage(PositionNo::new(1).unwrap(), bench.symbol.clone(), 5);
    for _ in 0..400 {
        bench.now += 10;
        bench.wire(&request);
    }
    bench.found(|f| matches!(f, Finding::Flood { what: "requests", .. }));
    for _ in 0..700 {
        bench.now += 10;
        let at = bench.at();
        bench.auditor.asked(account(), at);
    }
    bench.found(|f| matches!(f, Finding::Flood { what: "questions", .. }));
}

fn amount(text: &str) -> Notional {
    text.parse().unwrap()
}

/// What an auditor that watches these limits says of a request that leaves.
fn broken_by(bench: &Bench, limits: Limits, engine: &Engine, request: &Request) -> Vec<&'static str> {
    let mut auditor = bench.auditor.clone();
    auditor.watch(limits);
    let journal = bench.journal.clone();
    journal.take_over(account());
    auditor.sends(account(), engine, request, &bench.venue, &journal, bench.at());
    let broken = |finding: &Finding| match finding {
        Finding::LimitBroken { what, .. } => Some(*what),
        _ => None,
    };
    auditor.verdict().findings.iter().filter_map(|(_, finding)| broken(finding)).collect()
}

/// The request of the simplest script, as a worker would be asked for it now.
fn request(bench: &Bench) -> OpenRequest {
    let world = script::world(presets::binance(), Nemesis::scheduled(1, Default::default()), Timing::default());
    let mut request = script::request(&Script::open_to_close(), &world).unwrap();
    request.mark.at = bench.at();
    request
}

fn told(bench: &Bench, engine: &mut Engine, kind: InputKind) {
    let at = Moment { local: LocalMillis(bench.now), venue: bench.at(), error: Millis(50) };
    let _ = engine.step(Input { at, kind });
}

#[test]
fn mutant_i16_an_order_that_a_limit_or_a_halt_stands_against() {
    let mut bench = Bench::new();
    let mut engine = engine();
    let entry = |bench: &Bench| bench.order(id(Role::Entry, 0, 0), OrderShape::Market { qty: qty("1") });
    let rung = bench.limit(0);
    let none = Limits::default;
    let is_found = |bench: &Bench, limits: [Limits; 2], engine: &Engine, request: &Request, what: &str| {
        let [tight, loose] = limits;
        assert_eq!(broken_by(bench, tight, engine, request), [what]);
        assert_eq!(broken_by(bench, loose, engine, request), [""; 0], "{what}");
    };
    let listed = |names: &[&str]| Limits { symbols: Some(names.iter().map(|n| Symbol::new(n)).collect()), ..none() };
    let contracts = [listed(&["OTHERUSDT"]), listed(&["OTHERUSDT", bench.symbol.as_str()])];
    is_found(&bench, contracts, &engine, &entry(&bench), "contracts");
    // At 100 and at 90.
    let order = |most: &str| Limits { max_order_notional: Some(amount(most)), ..none() };
    is_found(&bench, [order("99"), order("100")], &engine, &entry(&bench), "notional of an order");
    is_found(&bench, [order("89"), order("90")], &engine, &rung, "notional of an order");
    let slots = |most| Limits { max_positions: Some(most), ..none() };
    is_found(&bench, [slots(0), slots(1)], &engine, &entry(&bench), "positions");
    // What is open already counts: the entry has filled, one rung rests, another position has a rung and a stop.
    bench.auditor.watch(Limits { max_open_orders: Some(9), ..none() });
    let mut journal = ModelJournal::default();
    std::mem::swap(&mut journal, &mut bench.journal);
    for request in [entry(&bench), rung.clone()] {
        let at = bench.at();
        bench.auditor.sends(account(), &engine, &request, &bench.venue, &journal, at);
        bench.place(&request);
    }
    bench.journal = journal;
    let other = |role: Role| {
        let key = id(role, 0, 0).key();
        ClientOrderId::encode(&OrderKey { position: PositionNo::new(2).unwrap(), ..key })
    };
    let second = bench.order(id(Role::Rung(2), 0, 0), OrderShape::Limit { price: price("80"), qty: qty("1") });
    let position = |most: &str| Limits { max_position_notional: Some(amount(most)), ..none() };
    is_found(&bench, [position("269"), position("270")], &engine, &second, "notional of a position");
    let next = bench.order(other(Role::Entry), OrderShape::Market { qty: qty("1") });
    let whole = |most: &str| Limits { max_account_notional: Some(amount(most)), ..none() };
    is_found(&bench, [whole("289"), whole("290")], &engine, &next, "notional of the account");
    is_found(&bench, [slots(1), slots(2)], &engine, &next, "positions");
    let open = |most| Limits { max_open_orders: Some(most), ..none() };
    is_found(&bench, [open(1), open(2)], &engine, &second, "open orders");
    let rate = |most| Limits { max_exposing_orders_per_minute: Some(most), ..none() };
    is_found(&bench, [rate(2), rate(3)], &engine, &second, "entries and rungs in a minute");
    // 100 and 90 against a stop at 70.
    let stop = OrderShape::StopMarket { trigger: price("70"), by: TriggerBy::Mark, size: TriggerSize::ClosePosition };
    let stop = bench.order(id(Role::Stop, 0, 0), stop);
    bench.place(&stop);
    let loss = |most: &str| Limits { max_worst_loss: Some(amount(most)), ..none() };
    is_found(&bench, [loss("49"), loss("50")], &engine, &next, "worst loss");
    // What is being opened counts with its plan.
    told(&bench, &mut engine, InputKind::Started);
    let open = Command::Open(Box::new(request(&bench)));
    told(&bench, &mut engine, InputKind::Command(CommandId(1), open));
    assert_eq!(engine.state().positions.values().next().map(|p| p.phase), Some(Phase::New));
    is_found(&bench, [loss("0"), loss("100000")], &engine, &entry(&bench), "worst loss");
    // Nothing is configured, and somebody has halted.
    assert_eq!(broken_by(&bench, none(), &engine, &second), [""; 0]);
    told(&bench, &mut engine, InputKind::Command(CommandId(2), Command::Halt));
    assert_eq!(broken_by(&bench, none(), &engine, &second), ["a halt"]);
    assert_eq!(broken_by(&bench, none(), &engine, &stop), [""; 0], "protection is always allowed");
}

#[test]
fn mutant_i16_an_entry_after_the_loss_of_a_day() {
    let mut bench = Bench::new();
    let engine = engine();
    let entry = bench.order(id(Role::Entry, 0, 0), OrderShape::Market { qty: qty("1") });
    bench.place(&entry);
    bench.venue.price(&bench.symbol, price("95"), price("95"), VenueMillis(START));
    let close = bench.order(id(Role::Close, 0, 0), OrderShape::Market { qty: qty("1") });
    bench.place(&close);
    let next = OrderKey { position: PositionNo::new(2).unwrap(), ..id(Role::Entry, 0, 0).key() };
    let next = bench.order(ClientOrderId::encode(&next), OrderShape::Market { qty: qty("1") });
    let daily = |most: &str| Limits { max_daily_loss: Some(amount(most)), ..Limits::default() };
    assert_eq!(broken_by(&bench, daily("5"), &engine, &next), ["daily loss"], "and fees");
    assert_eq!(broken_by(&bench, daily("6"), &engine, &next), [""; 0]);
    bench.now += 24 * 60 * 60 * 1_000;
    assert_eq!(broken_by(&bench, daily("5"), &engine, &next), [""; 0], "the next day");
}

/// Two venues that look like one whose history changed between two looks.
#[test]
fn mutant_i08_trades_do_not_add_up_to_what_is_open() {
    let mut bench = Bench::new();
    let entry = bench.order(id(Role::Entry, 0, 0), OrderShape::Market { qty: qty("1") });
    bench.place(&entry);
    bench.look(None);
    let before = bench.auditor.verdict().violations;
    let mut other = Bench::new();
    let larger = other.order(id(Role::Entry, 0, 0), OrderShape::Market { qty: qty("5") });
    let second = other.order(id(Role::Rung(1), 0, 0), OrderShape::Market { qty: qty("1") });
    other.place(&larger);
    other.place(&second);
    bench.venue = other.venue;
    bench.look(None);
    bench.found(|f| matches!(f, Finding::QuantityNotConserved { .. }));
    bench.found(|f| matches!(f, Finding::MoneyNotConserved { .. }));
    assert!(bench.auditor.verdict().violations > before);
}

#[test]
fn mutant_i12_new_exposure_while_an_order_of_ours_is_unaccounted_for() {
    let mut bench = Bench::new();
    let lost = bench.limit(0);
    bench.place(&lost);
    let rung = bench.order(id(Role::Rung(2), 0, 0), OrderShape::Limit { price: price("80"), qty: qty("1") });
    let (engine, at) = (engine(), bench.at());
    bench.journal.take_over(account());
    bench.auditor.sends(account(), &engine, &rung, &bench.venue, &bench.journal, at);
    bench.found(|f| matches!(f, Finding::Unwitnessed { .. }));
    let stop = OrderShape::StopMarket { trigger: price("70"), by: TriggerBy::Mark, size: TriggerSize::ClosePosition };
    let stop = bench.order(id(Role::Stop, 0, 0), stop);
    bench.auditor.sends(account(), &engine, &stop, &bench.venue, &bench.journal, at);
    assert_eq!(bench.auditor.verdict().violations, 1, "protection is always allowed");
}

#[test]
fn mutant_i14_a_request_of_a_worker_that_was_deposed() {
    let mut bench = Bench::new();
    let request = bench.limit(0);
    let (engine, at) = (engine(), bench.at());
    bench.journal.take_over(account());
    bench.auditor.sends(account(), &engine, &request, &bench.venue, &bench.journal, at);
    assert_eq!(bench.auditor.verdict().violations, 0);
    bench.journal.take_over(account());
    bench.auditor.sends(account(), &engine, &request, &bench.venue, &bench.journal, at);
    bench.found(|f| matches!(f, Finding::Deposed { .. }));
}

#[test]
fn mutant_i15_a_trade_that_no_intent_explains() {
    let mut bench = Bench::new();
    let entry = bench.order(id(Role::Entry, 0, 0), OrderShape::Market { qty: qty("1") });
    bench.place(&entry);
    bench.look(None);
    bench.found(|f| matches!(f, Finding::UnexplainedTrade { .. }));
}

#[test]
fn mutant_r76_a_close_of_a_whole_that_must_not_be() {
    let found = |bench: &Bench| -> Vec<&'static str> {
        let why = |finding: &Finding| match finding {
            Finding::WholeClose { why, .. } => Some(*why),
            _ => None,
        };
        bench.auditor.verdict().findings.iter().filter_map(|(_, finding)| why(finding)).collect()
    };
    let mut bench = Bench::new();
    let mut engine = engine();
    let position = PositionNo::new(1).unwrap();
    let (symbol, direction, mode) = (bench.symbol.clone(), Direction::Long, PositionMode::OneWay);
    let request = Request::ClosePosition(position, PositionRef { symbol: symbol.clone(), direction, mode });
    bench.wire(&request);
    assert_eq!(found(&bench), ["its intent is not durable"]);

    // The user bought beside us just now, which nobody can know yet; and still holds it long after.
    let at = bench.at();
    bench.venue.user_market(account(), &symbol, direction, Purpose::Open, qty("1"), at).unwrap();
    for (later, count) in [(5_000, 1), (15_000, 2)] {
        bench.now = START + later;
        bench.look(None);
        let at = bench.at();
        bench.auditor.sends(account(), &engine, &request, &bench.venue, &bench.journal, at);
        let beside = found(&bench).into_iter().filter(|why| *why == "more is open there than ours").count();
        assert_eq!(beside + 1, count, "{later}");
    }
    let at = bench.at();
    bench.venue.user_market(account(), &symbol, direction, Purpose::Close, qty("1"), at).unwrap();
    bench.now += 15_000;
    bench.look(None);
    let at = bench.at();
    bench.auditor.sends(account(), &engine, &request, &bench.venue, &bench.journal, at);
    assert_eq!(found(&bench).len(), 2, "it is theirs no more");

    let opening = InputKind::Command(CommandId(1), Command::Open(Box::new(self::request(&bench))));
    told(&bench, &mut engine, opening);
    let at = bench.at();
    bench.auditor.closes_whole(Some(&engine), &request, at);
    assert_eq!(found(&bench).len(), 2, "it is open");
    told(&bench, &mut engine, InputKind::Command(CommandId(2), Command::Close(position)));
    assert!(engine.state().positions.values().all(|p| matches!(p.phase, Phase::Closed | Phase::Cancelled)));
    bench.auditor.closes_whole(Some(&engine), &request, at);
    assert_eq!(found(&bench).last(), Some(&"its position is finished"));
}
