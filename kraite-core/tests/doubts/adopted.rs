//! S12: exposure that a user opened by hand is taken over, or never touched.

use kraite_core::engine::{
    Adjustment, AdoptionRefusal, Alert, Command, CommandId, CommandRefusal, Event, Held, InputKind, Limit, Limits,
};
use kraite_core::exchange::{Direction, Mark, OrderReport, ReportStatus, ReportedId, StreamEvent};
use kraite_core::id::{Role, VenueOrderId};
use kraite_core::number::{Price, Qty};
use kraite_core::order::Life;
use kraite_core::position::{Phase, Why};
use kraite_core::time::VenueMillis;

use crate::SHAPES;
use crate::bench::{self, Bench, Reply, Shape, Venue};
use crate::hands::{adjust, price, qty, resting};

fn held() -> Held {
    Held { qty: qty("0.75"), price: price("149.5") }
}

fn adopt(bench: &mut Bench, id: u64, what: Held) {
    let request = Box::new(bench.request());
    bench.command(id, Command::Adopt(request, what));
}

/// Somebody else has this open, and it is to be taken over.
fn asked(shape: Shape, config: kraite_core::engine::Config) -> Bench {
    let mut bench = Bench::with(shape, config);
    bench.others = held().qty;
    bench.feed(InputKind::Started);
    adopt(&mut bench, 1, held());
    bench
}

fn adopted(shape: Shape) -> Bench {
    let mut bench = asked(shape, kraite_core::engine::Config::default());
    bench.run(20_000, Venue::Honest, &|_| Reply::Accept);
    assert_eq!((bench.position().phase, bench.position().halted), (Phase::Active, false), "{shape:?}");
    bench
}

fn refusal(bench: &Bench) -> CommandRefusal {
    match bench.events().next_back() {
        Some(Event::CommandRefused(why)) => why.clone(),
        other => panic!("{other:?}"),
    }
}

/// It never was ours: nothing was sent for it, and nothing is remembered as entered.
fn is_untouched(bench: &mut Bench, why: Why) {
    bench.run(120_000, Venue::Honest, &|_| Reply::Accept);
    let position = bench.position();
    assert_eq!((position.phase, position.why), (Phase::Cancelled, why));
    assert_eq!((bench.placed.len(), position.entered_qty()), (0, Qty::ZERO));
    assert_eq!(bench.told, [Alert::OpeningRefused]);
    assert!(bench.engine.state().ended.is_empty());
}

#[test]
fn s12_what_is_taken_over_gets_its_stop_its_rungs_and_its_target_and_no_entry() {
    for shape in SHAPES {
        let mut bench = adopted(shape);
        assert_eq!((bench.placed_as(Role::Entry), bench.placed_as(Role::Close)), (0, 0), "{shape:?}");
        assert_eq!((bench.position().exposure(), bench.position().average_entry()), (held().qty, Some(held().price)));
        let rungs: Vec<_> = [1, 2, 3].map(|rung| resting(&bench, Role::Rung(rung))).concat();
        // 8.5 % of the average entry apart, each twice what was before it.
        let at = |text: &str, of: &str| (Some(price(text)), Some(qty(of)));
        assert_eq!(rungs, [at("136.79", "1.5"), at("124.08", "3"), at("111.37", "6")], "{shape:?}");
        let (stop, target) = (resting(&bench, Role::Stop), resting(&bench, Role::Target));
        assert_eq!((stop.len(), stop[0].0, target.len()), (1, Some(price("108.58")), 1), "{shape:?}");
        assert_eq!(target[0].0, Some(bench.position().wanted_target(None).unwrap().0));
        let loss = bench.position().loss_at(price("108.58"));
        assert_eq!(bench.position().max_loss, loss);
        // It lives on like any other.
        bench.fill(Role::Rung(1));
        bench.run(10_000, Venue::Honest, &|_| Reply::Accept);
        assert_eq!(bench.position().exposure(), qty("2.25"));
        assert_eq!(resting(&bench, Role::Target)[0].0, Some(bench.position().wanted_target(None).unwrap().0));
        bench.command(2, Command::Close(bench.no()));
        bench.run(120_000, Venue::Honest, &|_| Reply::Accept);
        assert_eq!((bench.position().phase, bench.position().exposure()), (Phase::Closed, Qty::ZERO), "{shape:?}");
        assert_eq!(bench.position().of(Role::Close).next().and_then(|o| o.shape.qty()), Some(qty("2.25")));
        assert!(bench.position().realised().is_some() && bench.each_once());
    }
}

#[test]
fn s12_killed_at_any_instant_of_taking_over_it_is_taken_over_once() {
    let mut bench = asked(Shape::SEPARATE, kraite_core::engine::Config::default());
    for n in 0..40 {
        let mut next = bench.reborn(|_| {});
        next.others = held().qty;
        next.feed(InputKind::Started);
        adopt(&mut next, 1, held());
        next.run(90_000, Venue::Honest, &|_| Reply::Accept);
        assert_eq!((next.position().phase, next.position().exposure()), (Phase::Active, held().qty), "{n}");
        assert_eq!((next.engine.state().positions.len(), next.placed_as(Role::Entry)), (1, 0), "{n}");
        let resting = next.position().orders.values().filter(|o| o.life == Life::Working).count();
        assert_eq!(resting, 5, "{n}");
        bench.run(1, Venue::Honest, &|_| Reply::Accept);
    }
    assert_eq!(bench.position().phase, Phase::Active);
}

#[test]
fn r30_what_is_not_what_the_venue_shows_or_lies_beside_an_order_is_not_taken_over_nor_touched() {
    for shown in ["0", "0.74", "0.76"] {
        let mut bench = asked(Shape::SEPARATE, kraite_core::engine::Config::default());
        bench.others = qty(shown);
        is_untouched(&mut bench, Why::NotClear);
    }
    // As much, on the other side.
    let mut bench = asked(Shape::SEPARATE, kraite_core::engine::Config::default());
    bench.others_side = Direction::Short;
    is_untouched(&mut bench, Why::NotClear);
    let mut bench = asked(Shape::SEPARATE, kraite_core::engine::Config::default());
    bench.foreign = true;
    is_untouched(&mut bench, Why::NotClear);
    // A user who thinks better of it.
    let mut bench = asked(Shape::SEPARATE, kraite_core::engine::Config::default());
    bench.command(2, Command::Close(bench.no()));
    bench.run(120_000, Venue::Honest, &|_| Reply::Accept);
    assert_eq!((bench.position().phase, bench.placed.len()), (Phase::Cancelled, 0));
}

#[test]
fn r30_a_market_that_has_fallen_to_the_stop_meanwhile_leaves_it_alone() {
    let mut bench = asked(Shape::SEPARATE, kraite_core::engine::Config::default());
    let at = VenueMillis(bench.now() + 1);
    let mark = Mark { symbol: bench::symbol(), price: bench.position().ladder.stop, at };
    bench.feed(InputKind::Push(StreamEvent::Mark(mark)));
    let _ = bench.answer_asked(Venue::Honest);
    let _ = bench.answer_asked(Venue::Honest);
    assert_eq!((bench.position().phase, bench.position().why), (Phase::Cancelled, Why::StopWouldTrigger));
    assert_eq!(bench.placed, []);
}

#[test]
fn s12_what_cannot_be_taken_over_is_refused() {
    let mut bench = Bench::new(Shape::SEPARATE);
    bench.feed(InputKind::Started);
    for odd in ["0", "-1", "0.001", "0.755"] {
        adopt(&mut bench, 1, Held { qty: qty(odd), ..held() });
        assert!(matches!(refusal(&bench), CommandRefusal::Adoption(AdoptionRefusal::Qty { .. })), "{odd}");
    }
    adopt(&mut bench, 1, Held { price: Price::ZERO, ..held() });
    assert_eq!(refusal(&bench), CommandRefusal::Adoption(AdoptionRefusal::Price(Price::ZERO)));
    // Bought so high that its stop would lie above the market.
    adopt(&mut bench, 1, Held { price: price("210"), ..held() });
    assert!(matches!(refusal(&bench), CommandRefusal::Adoption(AdoptionRefusal::WouldTrigger { .. })));
    bench.command(7, Command::Halt);
    adopt(&mut bench, 1, held());
    assert_eq!(refusal(&bench), CommandRefusal::Halted);
    assert!(bench.engine.state().positions.is_empty());
}

#[test]
fn s12_rungs_that_the_market_has_passed_and_those_that_the_margin_does_not_hold_are_left_out() {
    let mut bench = Bench::new(Shape::SEPARATE);
    // The market is at 150.24: the first rung below 170 lies at 155.55.
    let high = Held { qty: qty("0.5"), price: price("170") };
    bench.others = high.qty;
    bench.feed(InputKind::Started);
    adopt(&mut bench, 1, high);
    bench.run(20_000, Venue::Honest, &|_| Reply::Accept);
    assert_eq!(bench.position().phase, Phase::Active);
    assert_eq!(resting(&bench, Role::Rung(1)), []);
    assert_eq!(resting(&bench, Role::Rung(2)), [(Some(price("141.1")), Some(qty("2")))]);
    // More than the plan may use: it is protected all the same.
    let mut bench = Bench::new(Shape::SEPARATE);
    let large = Held { qty: qty("20"), price: price("149.5") };
    bench.others = large.qty;
    bench.feed(InputKind::Started);
    adopt(&mut bench, 1, large);
    bench.run(20_000, Venue::Honest, &|_| Reply::Accept);
    assert_eq!(bench.position().phase, Phase::Active);
    assert!([1, 2, 3].iter().all(|rung| resting(&bench, Role::Rung(*rung)).is_empty()));
    assert_eq!(resting(&bench, Role::Stop), [(Some(price("108.58")), None)]);
}

#[test]
fn i16_what_is_taken_over_keeps_to_the_limits() {
    let cost = held().price.checked_mul(held().qty).unwrap();
    let limits = Limits { max_position_notional: Some(cost), ..Limits::default() };
    let config = kraite_core::engine::Config { limits, ..Default::default() };
    let bench = asked(Shape::SEPARATE, config);
    assert!(matches!(refusal(&bench), CommandRefusal::Limit(Limit::PositionNotional { .. })));
}

#[test]
fn s12_what_was_taken_over_may_be_handed_back() {
    let mut bench = adopted(Shape::PAIRED);
    adjust(&mut bench, 10, Adjustment::HandBack);
    bench.run(60_000, Venue::Honest, &|_| Reply::Accept);
    assert_eq!((bench.position().phase, bench.placed_as(Role::Close)), (Phase::Closed, 0));
    assert_eq!(bench.position().external.values().copied().next(), Some(held().qty));
    let order = OrderReport {
        id: ReportedId::Foreign("x".into()),
        venue_id: VenueOrderId::new("x"),
        ..bench.report(&bench.latest(Role::Stop).clone(), ReportStatus::New)
    };
    bench.feed(InputKind::Push(StreamEvent::Order(order)));
    assert_eq!(bench.engine.state().opened_by(CommandId(1)).unwrap().phase, Phase::Closed);
}
