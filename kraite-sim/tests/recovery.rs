//! Recovery where it is hardest: a late restart, a venue that refuses for hours, a journal that is gone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;

use kraite_core::Capabilities;
use kraite_core::engine::{Alert, Answer, Command, CommandId, Effect, Input, InputKind, Request};
use kraite_core::exchange::{Endpoint, Lookup, OrderReport, Reading, ReportStatus, Side};
use kraite_core::id::{ClientOrderId, PositionNo, Role};
use kraite_core::number::Price;
use kraite_core::order::Life;
use kraite_core::position::{Phase, Position, PositionStatus, Why};
use kraite_core::time::{LocalMillis, Millis, Moment};
use kraite_sim::presets;
use kraite_sim::script::{self, Script, Timing};
use kraite_sim::venue::VenueProfile;
use kraite_sim::world::{Fate, Nemesis, Point, Stream, World};

fn shapes() -> [VenueProfile; 2] {
    [presets::binance(), presets::bitget()]
}

fn world(profile: VenueProfile, schedule: BTreeMap<u64, Fate>) -> World {
    let mut world = script::world(profile, Nemesis::scheduled(1, schedule), Timing::default());
    world.run_for(Millis(500));
    world
}

fn open(world: &mut World, id: u64) {
    let request = script::request(&Script::open_to_close(), world).unwrap();
    world.command(script::account(), CommandId(id), Command::Open(Box::new(request)));
    world.run_for(Millis::from_secs(5));
}

fn position(world: &World) -> &Position {
    world.engine(script::account()).unwrap().state().positions.values().next().unwrap()
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

/// The process dies between sending the stop and hearing of it, and is away for longer than the time after
/// which a position without a stop is closed.
#[test]
fn r43_a_late_restart_looks_for_the_stop_before_it_gives_the_position_up() {
    for profile in shapes() {
        let calm = {
            let mut calm = world(profile.clone(), BTreeMap::new());
            open(&mut calm, 1);
            calm.nemesis.trail.clone()
        };
        // The reply to the stop is among the last ones of the opening: each reply is tried.
        let replies = (0u64..).zip(&calm).filter(|(_, point)| **point == Point::AfterReply).map(|(n, _)| n);
        let mut late = 0;
        for number in replies {
            let mut world = world(profile.clone(), BTreeMap::from([(number, Fate::Crash)]));
            world.set_stream(Stream::Silent);
            world.set_restart(Millis::from_secs(45));
            open(&mut world, 1);
            world.run_for(Millis::from_secs(200));
            let position = position(&world);
            if !position.entered().qty.is_positive() {
                continue; // it died before the entry, whose mark is stale now
            }
            assert_ne!(position.why, Why::Unprotected, "closed without looking");
            assert_eq!(position.status(), PositionStatus::Active, "{number}");
            assert_eq!(world.conclude().violations, 0);
            late += 1;
        }
        assert!(late > 3, "{late} restarts came with exposure");
    }
}

#[test]
fn r93_a_close_that_cannot_fill_for_hours_is_never_given_up_and_somebody_is_told() {
    for profile in shapes() {
        let mut world = world(profile, BTreeMap::new());
        open(&mut world, 1);
        let symbol = presets::instrument().symbol;
        world.by_hand(|venue, _| venue.halt(&symbol));
        world.command(script::account(), CommandId(2), Command::Close(PositionNo::new(1).unwrap()));
        world.run_for(Millis::from_secs(3 * 3_600));
        assert_eq!(position(&world).phase, Phase::Closing, "exposure is never given up");
        assert!(world.notices().iter().any(|(_, notice)| notice.alert == Alert::Unproven));
        world.by_hand(|venue, _| venue.resume(&symbol));
        world.price(&symbol, price("150"));
        world.run_for(Millis::from_secs(600));
        assert_eq!(position(&world).phase, Phase::Closed);
        let verdict = world.conclude();
        assert_eq!(verdict.violations, 0, "{:#?}", verdict.findings);
    }
}

/// A lookup by our id that finds somebody else's kind of order proves nothing about ours.
#[test]
fn r12_an_order_under_our_id_that_is_not_what_we_asked_for_is_never_merged() {
    let mut world = world(presets::binance(), BTreeMap::new());
    open(&mut world, 1);
    let mut engine = world.engine(script::account()).unwrap().clone();
    let rung = position(&world).of(Role::Rung(1)).next().unwrap().clone();
    let object = world.venue.open_orders().find(|o| o.client_id() == Some(rung.id)).unwrap();
    let mut report = object.report(None);
    (report.status, report.executed) = (ReportStatus::Filled, rung.shape.qty());
    let order = rung.reference(&presets::instrument().symbol);
    let mut answer = |side: Side| {
        let reports = vec![OrderReport { side, ..report.clone() }];
        let reading =
            Reading { value: Lookup::Found(reports), sent_at: world.now(), endpoint: Endpoint::Order, complete: true };
        let kind = InputKind::Answer(Answer::Lookup(order.clone(), Endpoint::Order, Ok(reading)));
        let at = Moment { local: LocalMillis(world.now().0), venue: world.now(), error: Millis(1) };
        let step = engine.step(Input { at, kind });
        let told = step.preview().iter().any(|e| matches!(e, Effect::Notify(n) if n.alert == Alert::Mismatch));
        (told, engine.state().order(rung.id).unwrap().executed().qty.is_positive())
    };
    assert_eq!(answer(Side::Sell), (true, false), "told, and nothing filled");
    assert_eq!(answer(Side::Buy), (false, true), "our own is merged as ever");
}

#[test]
fn r102_r104_with_its_journal_gone_a_worker_finds_its_orders_and_opens_nothing() {
    for profile in shapes() {
        let mut world = world(profile, BTreeMap::new());
        open(&mut world, 1);
        let open_before = world.venue.open_orders().count();
        assert!(open_before >= 6);
        let lost = usize::try_from(world.journal.appended()).unwrap();
        world.kill(script::account());
        world.journal.lose_suffix(script::account(), lost);
        world.run_for(Millis::from_secs(60));
        let engine = world.engine(script::account()).unwrap();
        assert!(engine.state().quarantined, "orders of ours that the journal does not know");
        assert!(engine.state().positions.is_empty());
        assert_eq!(world.venue.open_orders().count(), open_before, "nothing of the lost position is touched");
        // The same command again, with a fresh mark: it must not open a second position beside the first.
        open(&mut world, 7);
        world.run_for(Millis::from_secs(120));
        let exposure: Vec<_> = world.venue.exposures(script::account()).map(|(_, _, qty)| qty.to_string()).collect();
        assert_eq!(exposure, ["0.41"]);
        assert_eq!(world.venue.open_orders().count(), open_before);
        let stop = |id: kraite_core::ClientOrderId| id.key().logical.role == Role::Stop;
        assert!(world.venue.open_orders().any(|o| o.client_id().is_some_and(stop)), "its stop goes on");
    }
}

/// The pair is taken late, after its repeat: it overwrites it, and the venue calls the stop by the older id.
#[test]
fn r41_of_two_pair_calls_the_one_that_the_venue_took_last_is_the_one_that_counts() {
    // Two settings, the entry, four rungs, and then the pair.
    let mut calm = world(presets::bitget(), BTreeMap::new());
    open(&mut calm, 1);
    let pair = requests(&calm)[7];
    let mut world = world(presets::bitget(), BTreeMap::from([(pair, Fate::Tardy)]));
    open(&mut world, 1);
    world.run_for(Millis::from_secs(60));
    let at_venue = open_stops(&world);
    assert_eq!(at_venue.len(), 1);
    assert_eq!(at_venue[0].key().attempt.get(), 0, "the attempt in doubt came true last");
    let position = position(&world);
    assert!(position.of(Role::Stop).count() > 1, "it was repeated");
    let believed: Vec<_> = position.of(Role::Stop).filter(|o| o.life == Life::Working).map(|o| o.id).collect();
    assert_eq!(believed, at_venue);
    let verdict = world.conclude();
    assert_eq!(verdict.violations, 0, "{:?}", verdict.findings);
}

/// A rung has filled, and of the pair call that followed a copy is still on the wire.
fn a_pair_is_doubled() -> World {
    let first_fill = |schedule| {
        let mut world = world(presets::bitget(), schedule);
        open(&mut world, 1);
        let sent_before = requests(&world).len();
        world.price(&presets::instrument().symbol, price("137"));
        world.run_for(Millis(500));
        (world, sent_before)
    };
    let (calm, sent_before) = first_fill(BTreeMap::new());
    first_fill(BTreeMap::from([(requests(&calm)[sent_before], Fate::Double)])).0
}

/// The second rung fills before the copy comes, so the copy overwrites a newer pair: the venue calls the stop by the
/// older id again and has the older target. `told` is the stream from the instant at which the newer pair leaves.
fn a_copy_comes_last(told: Stream) -> World {
    let mut world = a_pair_is_doubled();
    let sent = requests(&world).len();
    world.price(&presets::instrument().symbol, price("124"));
    while requests(&world).len() == sent {
        world.run_for(Millis(10));
    }
    world.set_stream(told);
    world
}

fn open_target(world: &World) -> Option<Price> {
    let mut open = world.venue.open(script::account());
    let target = |id: ClientOrderId| id.key().logical.role == Role::Target;
    open.find(|o| o.client_id().is_some_and(target)).and_then(|o| o.shape.price())
}

fn take_away(world: &mut World, stop: ClientOrderId) {
    let open = world.venue.under(script::account(), stop).find(|o| o.is_open()).unwrap().id.venue_id();
    world.by_hand(|venue, now| venue.user_cancel(&open, now)).unwrap();
    assert_eq!(open_stops(world), []);
}

fn take_the_stop_of_the_copy_away(world: &mut World) {
    let stop = open_stops(world)[0];
    assert_eq!(stop.key().logical.revision.get(), 1, "the copy was the last");
    assert!(position(world).of(Role::Stop).any(|o| o.id > stop), "and overwrote a newer one");
    take_away(world, stop);
}

fn is_protected_as_wanted(world: &mut World) {
    let at_venue = open_stops(world);
    let position = position(world);
    let believed: Vec<_> = position.of(Role::Stop).filter(|o| o.life == Life::Working).map(|o| o.id).collect();
    assert_eq!((believed.len(), &believed), (1, &at_venue));
    assert_eq!(open_target(world), position.wanted_target(None).map(|(price, _)| price));
    let verdict = world.conclude();
    assert_eq!(verdict.violations, 0, "{:?}", verdict.findings);
}

#[test]
fn r53_a_pair_that_a_copy_of_the_call_before_it_overwrote_is_set_again() {
    let mut world = a_copy_comes_last(Stream::Push);
    world.run_for(Millis::from_secs(5));
    is_protected_as_wanted(&mut world);
}

/// The frame that tells of the copy is lost, the one that the stop is gone is not.
#[test]
fn r53_r67_a_stop_that_is_gone_under_the_id_of_a_copy_is_replaced_at_once() {
    let mut world = a_copy_comes_last(Stream::Push);
    world.run_for(Millis(500));
    world.set_stream(Stream::Silent);
    world.run_for(Millis::from_secs(3));
    world.set_stream(Stream::Push);
    take_the_stop_of_the_copy_away(&mut world);
    world.run_for(Millis::from_secs(2));
    is_protected_as_wanted(&mut world);
}

/// Somebody takes the stop away before the copy comes: the copy takes over the stop that replaced it, the only one.
#[test]
fn r42_r85_a_stop_that_a_copy_took_over_is_overwritten_and_never_cancelled_as_one_too_many() {
    let mut world = a_pair_is_doubled();
    world.venue.note_requests();
    let stop = open_stops(&world)[0];
    take_away(&mut world, stop);
    world.run_for(Millis::from_secs(5));
    is_protected_as_wanted(&mut world);
    let stops =
        world.venue.objects().filter(|o| o.client_id().is_some_and(|id| id.key().logical == stop.key().logical));
    assert_eq!(stops.count(), 1, "the copy's was overwritten");
    let cancels = world.venue.drain_requests().into_iter().filter(|note| matches!(note.request, Request::Cancel(_)));
    assert_eq!(cancels.count(), 0);
}

/// Nobody tells anything, neither of the newer pair nor of the copy nor of the end.
#[test]
fn r53_r67_a_stop_that_is_gone_under_the_id_of_a_copy_is_missed_at_the_next_reading() {
    let mut world = a_copy_comes_last(Stream::Silent);
    world.run_for(Millis::from_secs(3));
    take_the_stop_of_the_copy_away(&mut world);
    world.run_for(Millis::from_secs(310));
    is_protected_as_wanted(&mut world);
}

fn requests(world: &World) -> Vec<u64> {
    (0u64..).zip(&world.nemesis.trail).filter(|(_, point)| **point == Point::Request).map(|(n, _)| n).collect()
}

fn open_stops(world: &World) -> Vec<ClientOrderId> {
    let ids = world.venue.open(script::account()).filter_map(|o| o.client_id());
    ids.filter(|id| id.key().logical.role == Role::Stop).collect()
}

/// Somebody takes the stop away as the position is closed, and the close is lost on its way.
#[test]
fn r43_r85_exposure_whose_close_is_in_doubt_waits_behind_a_stop() {
    for profile in shapes() {
        let closed = |schedule| {
            let mut world = world(profile.clone(), schedule);
            open(&mut world, 1);
            let sent_before = requests(&world).len();
            let stop = world.venue.objects().find(|o| o.client_id() == Some(open_stops(&world)[0])).unwrap();
            let stop = stop.id.venue_id();
            world.by_hand(|venue, now| venue.user_cancel(&stop, now)).unwrap();
            let no = position(&world).no;
            world.command(script::account(), CommandId(2), Command::Close(no));
            (world, sent_before)
        };
        let (mut calm, sent_before) = closed(BTreeMap::new());
        calm.run_for(Millis::from_secs(1));
        // Four cancels of rungs, then the close.
        let close = requests(&calm)[sent_before + 4];
        let (mut world, _) = closed(BTreeMap::from([(close, Fate::Lose)]));
        world.run_for(Millis::from_secs(5));
        assert_eq!(open_stops(&world), [], "it is not known yet that the close was lost");
        world.run_for(Millis::from_secs(10));
        assert_eq!(position(&world).of(Role::Close).count(), 1, "the close may still come true");
        assert_eq!(open_stops(&world).len(), 1);
        world.run_for(Millis::from_secs(300));
        assert_eq!(position(&world).phase, Phase::Closed);
        let verdict = world.conclude();
        assert_eq!(verdict.violations, 0, "{:?}", verdict.findings);
    }
}

/// What waits for a stopped process waits until the longer of two stops has ended, so the process must too: otherwise it
/// would go on and wait for answers that its shell can no longer bound.
#[test]
fn s12_a_worker_that_is_stopped_twice_goes_on_when_the_longer_stop_ends() {
    let mut world = world(presets::binance(), BTreeMap::new());
    open(&mut world, 1);
    let long = world.now().plus(Millis::from_secs(60));
    world.stop(script::account(), Millis::from_secs(60));
    world.run_for(Millis::from_secs(1));
    world.stop(script::account(), Millis::from_secs(2));
    assert_eq!(world.all_run_at(), long);
    world.run_for(Millis::from_secs(1));
    world.stop(script::account(), Millis::from_secs(90));
    assert_eq!(world.all_run_at(), long.plus(Millis::from_secs(32)));
}

/// What is proven absent is sent again at once. That is no loop, since a proof takes longer than the longest wait between two
/// attempts.
#[test]
fn r20_a_proof_of_absence_takes_longer_than_any_wait_between_two_attempts() {
    let longest = Millis::from_secs(8);
    for profile in shapes() {
        let Capabilities { absence_regular, absence_conditional, absence_plan, .. } = &profile.capabilities;
        for rule in [absence_regular, absence_conditional, absence_plan] {
            assert!(rule.window.plus(rule.engine_bound) >= longest && rule.readings >= 1, "{rule:?}");
        }
    }
}
