//! The simulated venue behaves as the real ones do, where it matters to whoever trades on it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use kraite_core::engine::{Answer, Query, Request};
use kraite_core::exchange::{
    Ack, Direction, Endpoint, Lookup, NewOrder, OrderRef, OrderShape, Outcome, PairLeg, PositionMode, PositionRef,
    PositionTpsl, Purpose, RejectKind, ReportStatus, Service, Side, StreamEvent, TriggerBy, TriggerSize,
};
use kraite_core::id::{
    AccountTag, Attempt, ClientOrderId, Epoch, LogicalOrder, OrderKey, PositionNo, Revision, Role, Symbol,
};
use kraite_core::instrument::Instrument;
use kraite_core::number::{Factor, Notional, Price, Qty};
use kraite_core::time::VenueMillis;
use kraite_sim::presets;
use kraite_sim::venue::{Liquidity, Owner, PlanLeg, PlanWish, Refusal, Venue, VenueProfile, Wish};

struct Bench {
    venue: Venue,
    symbol: Symbol,
    now: i64,
}

fn account() -> AccountTag {
    AccountTag::new(1).unwrap()
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn qty(text: &str) -> Qty {
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

impl Bench {
    fn on(profile: VenueProfile) -> Self {
        let instrument = presets::instrument();
        let symbol = instrument.symbol.clone();
        let mut venue = Venue::new(profile, VenueMillis(0));
        venue.list(instrument);
        venue.open_account(account(), PositionMode::OneWay, "1000".parse().unwrap());
        let mut bench = Self { venue, symbol, now: 1_000_000 };
        bench.price("100");
        bench
    }

    fn new() -> Self {
        Self::on(presets::binance())
    }

    fn price(&mut self, text: &str) {
        self.now += 1_000;
        let symbol = self.symbol.clone();
        self.venue.price(&symbol, price(text), price(text), VenueMillis(self.now));
    }

    fn request(&mut self, request: &Request) -> Outcome {
        self.now += 10;
        let at = VenueMillis(self.now);
        self.venue.request(account(), request, at, at).remove(0).1
    }

    fn place(&mut self, id: ClientOrderId, side: Side, purpose: Purpose, shape: OrderShape) -> Outcome {
        let order = self.order(id, side, purpose, shape);
        self.request(&Request::Place(order))
    }

    fn order(&self, id: ClientOrderId, side: Side, purpose: Purpose, shape: OrderShape) -> NewOrder {
        NewOrder {
            id,
            symbol: self.symbol.clone(),
            side,
            direction: Direction::Long,
            mode: PositionMode::OneWay,
            purpose,
            shape,
        }
    }

    fn buy(&mut self, attempt: u8, amount: &str) -> Outcome {
        self.place(id(Role::Entry, 0, attempt), Side::Buy, Purpose::Open, OrderShape::Market { qty: qty(amount) })
    }

    fn limit(&mut self, rung: u8, at: &str, amount: &str) -> Outcome {
        let shape = OrderShape::Limit { price: price(at), qty: qty(amount) };
        self.place(id(Role::Rung(rung), 0, 0), Side::Buy, Purpose::Open, shape)
    }

    fn stop(&mut self, attempt: u8, at: &str) -> Outcome {
        let shape =
            OrderShape::StopMarket { trigger: price(at), by: TriggerBy::Mark, size: TriggerSize::ClosePosition };
        self.place(id(Role::Stop, 0, attempt), Side::Sell, Purpose::Close, shape)
    }

    fn cancel(&mut self, id: ClientOrderId, service: Service) -> Outcome {
        let order = OrderRef { symbol: self.symbol.clone(), service, id, venue_id: None };
        self.request(&Request::Cancel(order))
    }

    fn exposure(&self) -> Qty {
        self.venue.exposures(account()).map(|(_, _, qty)| qty).next().unwrap_or_default()
    }

    fn lookup(&self, id: ClientOrderId, service: Service, endpoint: Endpoint, at: i64) -> Lookup {
        let order = OrderRef { symbol: self.symbol.clone(), service, id, venue_id: None };
        match self.venue.query(account(), &Query::Lookup(order, endpoint), VenueMillis(at)) {
            Answer::Lookup(_, _, Ok(reading)) => reading.value,
            other => panic!("{other:?}"),
        }
    }
}

#[track_caller]
fn refused(outcome: &Outcome, kind: RejectKind) {
    assert!(matches!(outcome, Outcome::Rejected(reject) if reject.kind == kind), "{outcome:?} is not {kind:?}");
}

#[track_caller]
fn accepted(outcome: &Outcome) {
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
}

#[test]
fn r02_a_client_id_is_unique_among_open_orders_only() {
    let mut bench = Bench::new();
    accepted(&bench.limit(1, "90", "1"));
    assert!(matches!(bench.limit(1, "90", "1"), Outcome::Unknown(_)), "a duplicate id is an unknown outcome");
    accepted(&bench.cancel(id(Role::Rung(1), 0, 0), Service::Regular));
    accepted(&bench.limit(1, "90", "1"));
}

#[test]
fn r08_reads_lag_and_what_never_filled_is_forgotten() {
    let mut bench = Bench::new();
    accepted(&bench.limit(1, "90", "1"));
    let (rung, placed) = (id(Role::Rung(1), 0, 0), bench.now);
    assert_eq!(bench.lookup(rung, Service::Regular, Endpoint::Order, placed), Lookup::NotFound, "too early");
    let found =
        |at: i64, bench: &Bench| matches!(bench.lookup(rung, Service::Regular, Endpoint::Order, at), Lookup::Found(_));
    assert!(found(placed + 1_000, &bench));
    bench.now += 2_000;
    accepted(&bench.cancel(rung, Service::Regular));
    let day = 86_400_000;
    assert!(found(placed + 2 * day, &bench));
    assert!(!found(placed + 4 * day, &bench), "cancelled without a fill, three days ago");
}

#[test]
fn r05_a_request_is_refused_after_its_window_and_before_its_time() {
    let mut bench = Bench::new();
    let order = bench.order(id(Role::Entry, 0, 0), Side::Buy, Purpose::Open, OrderShape::Market { qty: qty("1") });
    let request = Request::Place(order);
    let window = bench.venue.window_of(&request).0;
    let mut at = |signed: i64, now: i64| {
        bench.venue.request(account(), &request, VenueMillis(signed), VenueMillis(now)).remove(0).1
    };
    refused(&at(2_000_000, 2_000_000 + window + 1), RejectKind::ClockSkew);
    refused(&at(2_200_000, 2_100_000), RejectKind::ClockSkew);
    accepted(&at(2_200_000, 2_200_000 + window));
}

#[test]
fn r39_a_stop_that_would_trigger_at_once_or_protect_nothing_is_refused() {
    let mut bench = Bench::new();
    let early = bench.stop(0, "95");
    assert!(matches!(early, Outcome::Rejected(_)), "no position yet: {early:?}");
    accepted(&bench.buy(0, "1"));
    refused(&bench.stop(1, "101"), RejectKind::WouldTrigger);
    accepted(&bench.stop(2, "95"));
}

#[test]
fn r41_one_close_position_stop_per_side() {
    let mut bench = Bench::new();
    accepted(&bench.buy(0, "1"));
    accepted(&bench.stop(0, "95"));
    refused(&bench.stop(1, "94"), RejectKind::AlreadyExists);
    accepted(&bench.cancel(id(Role::Stop, 0, 0), Service::Conditional));
    accepted(&bench.stop(1, "94"));
}

#[test]
fn r88_close_only_orders_never_open_or_turn_a_position() {
    let mut bench = Bench::new();
    let sell = OrderShape::Market { qty: qty("1") };
    let outcome = bench.place(id(Role::Close, 0, 0), Side::Sell, Purpose::Close, sell);
    assert!(matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
    accepted(&bench.buy(0, "1"));
    bench.place(id(Role::Close, 0, 1), Side::Sell, Purpose::Close, OrderShape::Market { qty: qty("5") });
    assert!(bench.exposure().is_zero());
    assert_eq!(
        bench.venue.exposures(account()).filter(|(_, d, q)| *d == Direction::Short && q.is_positive()).count(),
        0
    );
}

#[test]
fn s09_a_pair_overwrites_the_pair_before_it() {
    let mut bench = Bench::on(presets::bitget());
    accepted(&bench.buy(0, "1"));
    bench.now += 1_000;
    let pair = |revision: u16, target: &str, bench: &Bench| {
        let leg =
            |role, trigger: &str| PairLeg { id: id(role, revision, 0), trigger: price(trigger), by: TriggerBy::Mark };
        Request::PlacePair(PositionTpsl {
            symbol: bench.symbol.clone(),
            direction: Direction::Long,
            mode: PositionMode::OneWay,
            stop: leg(Role::Stop, "95"),
            target: leg(Role::Target, target),
        })
    };
    let first = pair(0, "110", &bench);
    accepted(&bench.request(&first));
    let second = pair(1, "105", &bench);
    accepted(&bench.request(&second));
    let open: Vec<_> = bench.venue.open_orders().filter_map(|o| o.client_id()).collect();
    assert_eq!(open.len(), 2, "{open:?}");
    bench.price("106");
    assert!(bench.exposure().is_zero(), "the newer target counts");
    assert_eq!(bench.venue.open_orders().count(), 0, "the pair goes with its position");
}

#[test]
fn r23_rules_of_the_contract_are_enforced() {
    let mut bench = Bench::new();
    refused(&bench.limit(1, "90.001", "1"), RejectKind::Filter);
    refused(&bench.limit(2, "90", "1.001"), RejectKind::Filter);
    refused(&bench.limit(3, "90", "0.01"), RejectKind::Filter);
    refused(&bench.limit(4, "90", "1000"), RejectKind::Margin);
    let mut instrument = presets::instrument();
    instrument.max_orders = Some(2);
    bench.venue.change_filters(instrument);
    accepted(&bench.limit(5, "90", "0.1"));
    accepted(&bench.limit(6, "89", "0.1"));
    refused(&bench.limit(7, "88", "0.1"), RejectKind::OrderLimit);
}

#[test]
fn r56_a_rung_fills_in_parts_and_every_part_is_told_with_its_total() {
    let mut bench = Bench::new();
    let symbol = bench.symbol.clone();
    bench.venue.set_liquidity(&symbol, Liquidity { maker_cap: Some(qty("0.4")), ..Liquidity::default() });
    accepted(&bench.limit(1, "90", "1"));
    bench.venue.drain();
    let mut totals = Vec::new();
    for step in ["89.9", "89.8", "89.7"] {
        bench.price(step);
        for (_, event) in bench.venue.drain() {
            if let StreamEvent::Order(report) = event {
                totals.push((report.status, report.executed.unwrap().to_string()));
            }
        }
    }
    let want =
        [(ReportStatus::PartiallyFilled, "0.4"), (ReportStatus::PartiallyFilled, "0.8"), (ReportStatus::Filled, "1")];
    assert_eq!(totals, want.map(|(status, total)| (status, total.to_owned())));
}

#[test]
fn fees_and_funding_are_booked() {
    let mut bench = Bench::new();
    accepted(&bench.buy(0, "1"));
    // 100 x 0.0005 for taking.
    assert_eq!(bench.venue.wallet(account()), "999.95".parse::<Notional>().unwrap());
    let symbol = bench.symbol.clone();
    bench.venue.funding(&symbol, "0.0001".parse::<Factor>().unwrap(), VenueMillis(bench.now + 1));
    assert_eq!(bench.venue.wallet(account()), "999.94".parse::<Notional>().unwrap(), "a long pays a positive rate");
}

#[test]
fn r73_a_position_without_margin_is_taken_by_the_venue_and_never_by_our_id() {
    let mut bench = Bench::new();
    accepted(&bench.buy(0, "100"));
    bench.venue.drain();
    bench.price("88");
    assert!(bench.exposure().is_zero());
    assert_eq!(bench.venue.liquidations(account()), 1);
    let ours = bench.venue.objects().filter(|o| o.client_id().is_some()).count();
    assert_eq!(ours, 1, "only the entry is ours");
}

#[test]
fn a_halted_contract_fills_nothing() {
    let mut bench = Bench::new();
    accepted(&bench.limit(1, "90", "1"));
    let symbol = bench.symbol.clone();
    bench.venue.halt(&symbol);
    bench.price("80");
    assert!(bench.exposure().is_zero());
    bench.venue.resume(&symbol);
    bench.price("80.5");
    assert_eq!(bench.exposure(), qty("1"));
}

#[test]
fn an_order_under_any_name_lives_in_the_same_book_and_one_of_ours_is_ours() {
    let mut bench = Bench::new();
    let now = VenueMillis(bench.now);
    let wish = |name: &str, side: Side, at: &str| Wish {
        account: account(),
        name: name.into(),
        symbol: presets::instrument().symbol,
        side,
        direction: Direction::Long,
        purpose: if side == Side::Buy { Purpose::Open } else { Purpose::Close },
        shape: OrderShape::Limit { price: price(at), qty: qty("1") },
    };
    let first = bench.venue.place_named(wish("x-Foreign:1/a", Side::Buy, "95"), now).unwrap();
    assert_eq!(bench.venue.place_named(wish("x-Foreign:1/a", Side::Buy, "94"), now), Err(Refusal::DuplicateId));
    assert_eq!(bench.venue.object(first).unwrap().owner, Owner::User("x-Foreign:1/a".into()));
    let ours = id(Role::Rung(1), 0, 0);
    let second = bench.venue.place_named(wish(&ours.to_string(), Side::Buy, "94"), now).unwrap();
    assert_eq!(bench.venue.object(second).unwrap().client_id(), Some(ours));
    assert_eq!(bench.venue.fill_order(first, Some(qty("0.4")), now), qty("0.4"));
    bench.price("94");
    assert_eq!(bench.venue.position(account(), &bench.symbol, Direction::Long), qty("2"));
    // What has filled leaves its name to the next.
    assert!(bench.venue.place_named(wish("x-Foreign:1/a", Side::Buy, "90"), now).is_ok());
    let resting = bench.venue.open_named(account(), "x-Foreign:1/a", Service::Regular).unwrap();
    bench.venue.expire_order(resting, now);
    assert_eq!(bench.venue.object(resting).unwrap().status, ReportStatus::Expired);
}

#[test]
fn a_trigger_whose_order_is_refused_leaves_the_position() {
    let mut bench = Bench::new();
    let now = VenueMillis(bench.now);
    let wish = |name: &str, side: Side, shape: OrderShape| Wish {
        account: account(),
        name: name.into(),
        symbol: presets::instrument().symbol,
        side,
        direction: Direction::Long,
        purpose: if side == Side::Buy { Purpose::Open } else { Purpose::Close },
        shape,
    };
    bench.venue.place_named(wish("in", Side::Buy, OrderShape::Market { qty: qty("1") }), now).unwrap();
    let trigger =
        OrderShape::StopMarket { trigger: price("90"), by: TriggerBy::Last, size: TriggerSize::ClosePosition };
    let stop = bench.venue.place_named(wish("stop", Side::Sell, trigger), now).unwrap();
    bench.venue.quirks_mut().child_refused = true;
    bench.price("89");
    assert_eq!(bench.venue.object(stop).unwrap().status, ReportStatus::Rejected);
    assert_eq!(bench.venue.position(account(), &bench.symbol, Direction::Long), qty("1"));
}

#[test]
fn plans_under_any_name_overwrite_each_other_leg_by_leg_and_change_nothing_unless_all_are_good() {
    let leg =
        |name: &str, trigger: &str| Some(PlanLeg { name: name.into(), trigger: price(trigger), by: TriggerBy::Last });
    let mut bench = Bench::on(presets::bitget());
    let symbol = bench.symbol.clone();
    let wish = |stop, target| PlanWish {
        account: account(),
        symbol: symbol.clone(),
        direction: Direction::Long,
        stop,
        target,
    };
    let set = |bench: &mut Bench, stop, target| bench.venue.place_plans(wish(stop, target), VenueMillis(bench.now));
    assert_eq!(set(&mut bench, leg("s", "90"), leg("t", "110")), Err(Refusal::NoPosition));
    let now = VenueMillis(bench.now);
    bench.venue.user_market(account(), &symbol, Direction::Long, Purpose::Open, qty("1"), now).unwrap();
    bench.now += 1_000;
    let both = set(&mut bench, leg("s", "90"), leg("t", "110")).unwrap();
    assert_eq!(set(&mut bench, leg("s2", "91"), leg("t2", "99")), Err(Refusal::WouldTrigger));
    let named = |bench: &Bench, name: &str| bench.venue.open_named(account(), name, Service::PositionPlan);
    assert_eq!((named(&bench, "s"), named(&bench, "s2")), (Some(both[0]), None));
    let ours = id(Role::Stop, 0, 0).to_string();
    assert_eq!(set(&mut bench, leg(&ours, "91"), None).unwrap(), [both[0]], "the number stays, the target too");
    assert_eq!((named(&bench, &ours), named(&bench, "s"), named(&bench, "t")), (Some(both[0]), None, Some(both[1])));
    assert_eq!(bench.venue.under(account(), id(Role::Stop, 0, 0)).count(), 1);
    assert_eq!(set(&mut bench, leg("x", "92"), None).unwrap(), [both[0]]);
    assert_eq!(bench.venue.under(account(), id(Role::Stop, 0, 0)).count(), 0, "it goes by the new name alone");
    let dragged =
        OrderShape::StopMarket { trigger: price("93"), by: TriggerBy::Last, size: TriggerSize::ClosePosition };
    let now = VenueMillis(bench.now);
    assert_eq!(bench.venue.amend_trigger(both[0], dragged, now), Ok(()));
    assert_eq!(bench.venue.amend_trigger(both[1], dragged, now), Err(Refusal::NotAmendable), "a target is no stop");
    let mut separate = Bench::new();
    assert_eq!(set(&mut separate, leg("s", "90"), None), Err(Refusal::Unsupported));
}

fn close_whole(bench: &mut Bench) -> Outcome {
    let symbol = presets::instrument().symbol;
    let position = PositionRef { symbol, direction: Direction::Long, mode: PositionMode::OneWay };
    bench.request(&Request::ClosePosition(PositionNo::new(1).unwrap(), position))
}

#[test]
fn r85_a_close_of_the_whole_takes_less_than_a_lot_and_only_what_is_open() {
    let mut bench = Bench::on(presets::bitget());
    let kind = |outcome: Outcome| match outcome {
        Outcome::Rejected(reject) => Some(reject.kind),
        _ => None,
    };
    assert_eq!(kind(close_whole(&mut bench)), Some(RejectKind::NoPosition));
    bench.buy(0, "1.23");
    let coarse = Instrument { lot: qty("2"), market_lot: qty("2"), min_qty: qty("2"), ..presets::instrument() };
    bench.venue.change_filters(coarse);
    bench.venue.halt(&presets::instrument().symbol);
    assert_eq!(kind(close_whole(&mut bench)), Some(RejectKind::Account));
    bench.venue.resume(&presets::instrument().symbol);
    assert_eq!(close_whole(&mut bench), Outcome::Accepted(Ack::default()));
    assert_eq!(bench.exposure(), Qty::ZERO);
    assert_eq!(kind(close_whole(&mut bench)), Some(RejectKind::NoPosition));

    let mut bench = Bench::on(presets::binance());
    bench.buy(0, "1.23");
    assert_eq!(kind(close_whole(&mut bench)), Some(RejectKind::Other));
    assert_eq!(bench.exposure(), qty("1.23"));
}
