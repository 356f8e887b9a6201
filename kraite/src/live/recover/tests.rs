//! What is certain and what is not, on readings that are made up.

use std::collections::BTreeMap;

use kraite_core::exchange::{
    Direction, MarginMode, OrderReport, PositionMode, PositionReport, ReportStatus, ReportedId, Service, Stated,
    TriggerBy,
};
use kraite_core::id::{
    AccountTag, Attempt, ClientOrderId, Epoch, LogicalOrder, OrderKey, PositionNo, Revision, Role, Symbol, VenueOrderId,
};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::position::{Cover, Phase};
use kraite_core::sizing::LadderSpec;
use kraite_core::time::{Millis, Moment, VenueMillis};
use kraite_engine::{Slice, Terms};

use super::judge::{Found, Offer, Verdict, judge};
use super::look::{Depth, Seen};
use super::records::{Scribe, highest};
use crate::flags::VenueName;

fn tag() -> AccountTag {
    AccountTag::new(7).unwrap()
}

fn number(no: u32) -> PositionNo {
    PositionNo::new(no).unwrap()
}

fn id(no: u32, role: Role, revision: u16) -> ClientOrderId {
    ClientOrderId::encode(&OrderKey {
        account: tag(),
        position: number(no),
        logical: LogicalOrder { role, revision: Revision::new(revision).unwrap() },
        attempt: Attempt::new(0).unwrap(),
        epoch: Epoch::new(9).unwrap(),
    })
}

/// An order as a list shows it: price, size and what executed at that price; empty where a list says nothing.
fn order(id: ClientOrderId, status: ReportStatus, [price, qty, executed]: [&str; 3]) -> OrderReport {
    let (role, long) = (id.role(), Direction::Long);
    let service = if role.is_protective() { Service::Conditional } else { Service::Regular };
    let number = |text: &str| (!text.is_empty()).then_some(text.to_owned());
    let at = VenueMillis(1_760_000_000_000);
    OrderReport {
        id: ReportedId::Ours(id),
        venue_id: VenueOrderId::new(&id.to_string()),
        parent: None,
        service,
        symbol: Symbol::new("SOLUSDT"),
        side: if role.is_exit() { long.closing_side() } else { long.opening_side() },
        direction: long,
        status,
        stated: Some(Stated {
            at,
            price: number(price).filter(|_| role != Role::Entry).map(|text| text.parse().unwrap()),
            qty: number(qty).map(|text| text.parse().unwrap()),
        }),
        executed: number(executed).map(|text| text.parse().unwrap()),
        average_price: number(executed).filter(|text| text != "0").and(number(price)).map(|text| text.parse().unwrap()),
        trade: None,
        at,
    }
}

/// A position of F's example that is complete: the first two rungs of four are left to fill, the others as well.
fn orders(no: u32) -> Vec<OrderReport> {
    let rung = |n, price, qty| order(id(no, Role::Rung(n), 0), ReportStatus::New, [price, qty, "0"]);
    vec![
        order(id(no, Role::Entry, 0), ReportStatus::Filled, ["150.23", "0.41", "0.41"]),
        rung(1, "137.46", "0.82"),
        rung(2, "124.69", "1.64"),
        rung(3, "111.92", "3.28"),
        rung(4, "99.15", "6.56"),
        order(id(no, Role::Stop, 0), ReportStatus::New, ["96.67", "", ""]),
        order(id(no, Role::Target, 0), ReportStatus::New, ["150.77", "0.41", ""]),
    ]
}

fn shown(direction: Direction, qty: &str) -> PositionReport {
    let (symbol, at) = (Symbol::new("SOLUSDT"), VenueMillis(0));
    PositionReport { symbol, direction, qty: qty.parse().unwrap(), entry_price: None, at }
}

fn seen(orders: Vec<OrderReport>, exposures: Vec<PositionReport>) -> Seen {
    let rules = kraite_sim::presets::instrument();
    let symbol = Symbol::new("SOLUSDT");
    let rules = kraite_core::Instrument { symbol: symbol.clone(), ..rules };
    let (open, past) = orders.into_iter().partition(|report| !report.status.is_terminal());
    Seen {
        at: Moment { venue: VenueMillis(1_760_000_100_000), error: Millis(5), ..Moment::default() },
        mode: PositionMode::OneWay,
        open,
        exposures,
        past,
        depth: BTreeMap::from([(symbol.clone(), Depth { from: VenueMillis(0), whole: true })]),
        listed: vec![rules.clone()],
        rules: BTreeMap::from([(symbol, rules)]),
    }
}

fn terms(stop_by: TriggerBy) -> Terms {
    Terms {
        spec: LadderSpec::default_for(Direction::Long),
        slice: Slice::Fixed("100".parse().unwrap()),
        leverage_cap: 20,
        sequence: Sequence::LadderFirst,
        target_style: TargetStyle::TriggerMarket,
        stop_by,
        margin_mode: MarginMode::Cross,
        mode: None,
    }
}

fn judged(seen: &Seen) -> Vec<Found> {
    let offer = |_, _| Ok(Offer { plans: vec![("p".to_owned(), terms(TriggerBy::Mark))], is_named: false });
    judge(seen, tag(), &offer)
}

fn good() -> Seen {
    seen(orders(1), vec![shown(Direction::Long, "0.41")])
}

fn scribe<'a>(seen: &'a Seen, capabilities: &'a kraite_core::Capabilities) -> Scribe<'a> {
    Scribe { seen, capabilities, account: tag() }
}

#[track_caller]
fn why(seen: &Seen) -> String {
    let found = judged(seen);
    match &found[0].verdict {
        Verdict::LeftAlone(why) => why.join("; "),
        other => panic!("{other:?}"),
    }
}

#[test]
fn r02_what_adds_up_folds_to_an_active_position_behind_its_stop() {
    let (seen, capabilities) = (good(), VenueName::Binance.capabilities());
    let found = judged(&seen);
    let scribe = scribe(&seen, &capabilities);
    assert_eq!(scribe.fault(&found[0]), None, "{found:?}");
    let (no, epoch) = highest(&seen, tag()).unwrap();
    assert_eq!((no, epoch.get()), (number(1), 9));
    let records = scribe.records(Epoch::new(10).unwrap(), &found, Some(no)).unwrap();
    let state = scribe.fold(Epoch::new(10).unwrap(), records).unwrap();
    let position = &state.positions[&no];
    assert_eq!((position.phase, position.cover, position.rungs.len()), (Phase::Active, Cover::Armed, 4));
    assert_eq!(position.max_loss.unwrap().to_string(), "167.649");
    assert_eq!(position.stop_price.to_string(), "96.67");
    assert!(position.meter.worst.0 == 0 && position.meter.since.is_none());
    assert_eq!((state.halted, state.next_position), (true, Some(number(2))));
}

#[test]
fn r81_a_target_of_before_the_last_fill_is_known_for_what_it_is() {
    let mut seen = good();
    seen.open.retain(|report| report.id != ReportedId::Ours(id(1, Role::Rung(1), 0)));
    seen.past.push(order(id(1, Role::Rung(1), 0), ReportStatus::Filled, ["137.46", "0.82", "0.82"]));
    seen.exposures = vec![shown(Direction::Long, "1.23")];
    let found = judged(&seen);
    let Verdict::Rebuilt(rebuilt) = &found[0].verdict else { panic!("{found:?}") };
    assert_eq!((rebuilt.basis.to_string(), rebuilt.rungs.len()), ("0.41".to_owned(), 4));
    let capabilities = VenueName::Binance.capabilities();
    let scribe = scribe(&seen, &capabilities);
    let state = scribe.fold(Epoch::default(), scribe.records(Epoch::default(), &found, None).unwrap()).unwrap();
    assert_eq!(state.positions[&number(1)].cover, Cover::Stale);
}

#[test]
fn r48_a_rung_that_ended_without_a_fill_or_was_never_seen_is_left_out_and_said() {
    let mut seen = good();
    let of = |rung| ReportedId::Ours(id(1, Role::Rung(rung), 0));
    seen.open.retain(|report| report.id != of(2) && report.id != of(4));
    seen.past.push(order(id(1, Role::Rung(2), 0), ReportStatus::Cancelled, ["124.69", "1.64", "0"]));
    let found = judged(&seen);
    let Verdict::Rebuilt(rebuilt) = &found[0].verdict else { panic!("{found:?}") };
    assert_eq!(rebuilt.left_out.iter().copied().collect::<Vec<_>>(), [2, 4]);
    let capabilities = VenueName::Binance.capabilities();
    assert_eq!(scribe(&seen, &capabilities).fault(&found[0]), None);
    // One that filled in part before it ended is as large as it filled.
    seen.past.push(order(id(1, Role::Rung(4), 0), ReportStatus::Cancelled, ["99.15", "6.56", "0.1"]));
    seen.exposures = vec![shown(Direction::Long, "0.51")];
    let found = judged(&seen);
    let Verdict::Rebuilt(rebuilt) = &found[0].verdict else { panic!("{found:?}") };
    assert_eq!(rebuilt.rungs.last().unwrap().qty.to_string(), "0.1");
}

#[test]
fn r104_each_thing_that_does_not_add_up_is_named() {
    let with = |change: &dyn Fn(&mut Seen)| {
        let mut seen = good();
        change(&mut seen);
        why(&seen)
    };
    let without = |role: Role| {
        move |seen: &mut Seen| {
            let gone = |report: &OrderReport| matches!(report.id, ReportedId::Ours(id) if id.role() == role);
            seen.open.retain(|report| !gone(report));
            seen.past.retain(|report| !gone(report));
        }
    };
    let now = |role: Role, status: ReportStatus| {
        move |seen: &mut Seen| {
            let is = |report: &&mut OrderReport| matches!(report.id, ReportedId::Ours(id) if id.role() == role);
            seen.open.iter_mut().find(is).unwrap().status = status;
        }
    };
    let add = |report: OrderReport| move |seen: &mut Seen| seen.open.push(report.clone());
    let close = id(1, Role::Close, 0);
    for (told, says) in [
        (with(&without(Role::Stop)), "NOT PROTECTED"),
        (with(&without(Role::Entry)), "its entry is not told any more"),
        (with(&without(Role::Target)), "no target of ours rests"),
        (with(&now(Role::Stop, ReportStatus::Triggered)), "has fired"),
        (with(&|seen| seen.exposures.push(shown(Direction::Short, "1"))), "on both sides"),
        (
            with(&|seen| seen.exposures = vec![shown(Direction::Long, "0.5")]),
            "leave 0.41 open and the exchange shows 0.5",
        ),
        (
            with(&add(order(id(1, Role::Rung(2), 1), ReportStatus::New, ["124.69", "1.64", "0"]))),
            "rung 2 rests 2 times",
        ),
        (with(&add(order(close, ReportStatus::New, ["", "0.41", "0"]))), "a close of it was sent"),
        (with(&|seen| seen.open.iter_mut().for_each(|report| report.stated = None)), "does not say"),
        (with(&|seen| seen.past[0].average_price = None), "has no price"),
        (with(&|seen| seen.open[0].symbol = Symbol::new("ETHUSDT")), "on more than one contract or side"),
        (with(&|seen| seen.depth.values_mut().for_each(|depth| depth.whole = false)), "did not tell all"),
        (with(&|seen| seen.rules.clear()), "does not list its contract"),
    ] {
        assert!(told.contains(says), "{says}: {told}");
    }
}

#[test]
fn r31_two_positions_with_exposure_on_one_contract_are_both_left_alone() {
    let both = seen([orders(1), orders(2)].concat(), vec![shown(Direction::Long, "0.82")]);
    let found = judged(&both);
    for (found, other) in found.iter().zip([2, 1]) {
        let Verdict::LeftAlone(why) = &found.verdict else { panic!("{found:?}") };
        assert!(why[0].contains(&format!("position {other} has exposure of its own")), "{why:?}");
    }
    // One that other hands took off before is over, whatever its own fills say.
    let past = vec![orders(1)[0].clone()];
    let later = seen([past, orders(2)].concat(), vec![shown(Direction::Long, "0.41")]);
    let found = judged(&later);
    assert!(matches!((&found[0].verdict, &found[1].verdict), (Verdict::Finished, Verdict::Rebuilt(_))), "{found:?}");
}

#[test]
fn r99_orders_without_exposure_and_what_is_unsafe_are_put_down_as_failed_and_block_their_contract() {
    let capabilities = VenueName::Binance.capabilities();
    let mut orphaned = good();
    orphaned.exposures.clear();
    let mut naked = good();
    naked.open.retain(|report| report.service == Service::Regular);
    for seen in [orphaned, naked] {
        let found = judged(&seen);
        assert!(matches!(found[0].verdict, Verdict::Orphaned | Verdict::LeftAlone(_)), "{found:?}");
        let scribe = scribe(&seen, &capabilities);
        let records = scribe.records(Epoch::default(), &found, Some(number(1))).unwrap();
        let state = scribe.fold(Epoch::default(), records).unwrap();
        let position = &state.positions[&number(1)];
        assert_eq!(
            (position.phase, position.halted, position.orders.len()),
            (Phase::Failed, true, found[0].rows.len())
        );
    }
}

#[test]
fn r02_the_next_number_is_beyond_that_of_a_finished_position() {
    let mut seen = good();
    let past = id(12, Role::Entry, 0);
    seen.past.push(order(past, ReportStatus::Filled, ["150", "1", "1"]));
    seen.past.push(order(id(12, Role::Close, 0), ReportStatus::Filled, ["151", "1", "1"]));
    let found = judged(&seen);
    assert!(matches!(found[1].verdict, Verdict::Finished), "{found:?}");
    let capabilities = VenueName::Binance.capabilities();
    let scribe = scribe(&seen, &capabilities);
    let records = scribe.records(Epoch::default(), &found, highest(&seen, tag()).map(|(no, _)| no)).unwrap();
    let state = scribe.fold(Epoch::default(), records).unwrap();
    assert_eq!((state.positions.len(), state.next_position), (1, Some(number(13))));
}

#[test]
fn plans_that_would_manage_a_position_in_different_ways_are_not_guessed_between() {
    let seen = good();
    let both = |by| {
        let plans = vec![("p".to_owned(), terms(TriggerBy::Mark)), ("q".to_owned(), terms(by))];
        judge(&seen, tag(), &move |_, _| Ok(Offer { plans: plans.clone(), is_named: false })).remove(0).verdict
    };
    assert!(matches!(both(TriggerBy::Mark), Verdict::Rebuilt(rebuilt) if rebuilt.plan == "p"));
    // Where no target rests, only whoever recovers can say.
    let mut aimless = good();
    aimless.open.retain(|report| !matches!(report.id, ReportedId::Ours(id) if id.role() == Role::Target));
    let named = |_, _| Ok(Offer { plans: vec![("p".to_owned(), terms(TriggerBy::Mark))], is_named: true });
    let found = judge(&aimless, tag(), &named);
    let capabilities = VenueName::Binance.capabilities();
    let scribe = scribe(&aimless, &capabilities);
    assert_eq!(scribe.fault(&found[0]), None);
    let state = scribe.fold(Epoch::default(), scribe.records(Epoch::default(), &found, None).unwrap()).unwrap();
    assert_eq!(state.positions[&number(1)].cover, Cover::Stale, "the target is missing and is placed next");
    let Verdict::LeftAlone(why) = both(TriggerBy::Last) else { panic!() };
    assert!(why[0].contains("the plans p, q all fit it") && why[0].contains("--plan"), "{why:?}");
}
