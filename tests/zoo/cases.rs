//! Decisions of the engine, fed by hand: for each, the bug that gets it wrong.
//!
//! The wire of the simulated world cannot make all of these happen. Each case says whether the engine decided
//! rightly: yes while every bug sleeps, no while the one it is about is awake.

use futures_util::FutureExt as _;
use kraite_core::engine::{Adjustment, Answer, Command, CommandId, Config, Held, InputKind, Query, Sent, Step};
use kraite_core::exchange::{
    Cause, Endpoint, Lookup, OrderReport, Outcome, Reading, RejectKind, ReportStatus, ReportedId, Side, Stated, Trade,
    VenueCause,
};
use kraite_core::id::{AccountTag, ClientOrderId, Epoch, OrderKey, Role, TradeId, VenueOrderId};
use kraite_core::order::{Life, Order, Terminal};
use kraite_core::plan::{self, Goal, MarginSetup, Sequence, Shape, TargetStyle};
use kraite_core::position::{Phase, Protective, Why};
use kraite_core::time::{Millis, VenueMillis};
use kraite_core::{Engine, commit};
use kraite_sim::presets;
use kraite_sim::script::{self, Script};
use kraite_sim::world::{Nemesis, Stream, Trip};

use super::bench::{Bench, accepted, all_intended, cancelled, placed, qty, rejected};

/// One decision, and the id of the bug that gets it wrong.
pub(crate) type Case = (&'static str, fn() -> bool);

/// Every case.
pub(crate) const ALL: &[Case] = &[
    ("blind-resend", || unknown_is_doubt(Cause::Timeout)),
    ("duplicate-id-is-rejection", || unknown_is_doubt(Cause::DuplicateId)),
    ("parse-error-is-rejection", || unknown_is_doubt(Cause::Undecodable)),
    ("not-found-once", || doubt_outlives(|dead| vec![(dead.plus(Millis(1)), 1)])),
    ("answer-time-counts", || {
        doubt_outlives(|dead| vec![(dead.minus(Millis(9_000)), 3), (dead.minus(Millis(500)), 3)])
    }),
    ("one-endpoint-suffices", || {
        doubt_outlives(|dead| vec![(dead.plus(Millis(100)), 1), (dead.plus(Millis(2_000)), 1)])
    }),
    ("proof-without-clock-error", || {
        doubt_outlives(|dead| vec![(dead.plus(Millis(20)), 3), (dead.plus(Millis(1_100)), 3)])
    }),
    ("proof-without-engine-bound", || {
        doubt_outlives(|dead| vec![(dead.minus(Millis(8_000)), 3), (dead.minus(Millis(6_000)), 3)])
    }),
    ("retries-exhausted-is-absence", unanswered_questions_prove_nothing),
    ("overdue-is-absence", an_overdue_outcome_is_a_doubt),
    ("retention-miss-is-absence", what_the_venue_cannot_know_stays_in_doubt),
    ("market-proof-without-position", a_market_order_needs_the_position_explained),
    ("outcome-on-wrong-row", || stop_repeated().is_some_and(a_late_outcome_finds_its_row)),
    ("id-reused", || stop_repeated().is_some()),
    ("deadline-unrecorded", || stop_repeated().is_some()),
    ("gone-is-cancelled", a_cancel_that_finds_nothing_is_no_end),
    ("mismatch-merged", an_order_of_the_other_side_is_not_merged),
    ("resend-keeps-deadline", a_resend_has_its_own_deadline),
    ("other-account-adopted", an_order_of_another_account_is_not_ours),
    ("unknown-order-ignored", an_order_the_journal_lost_is_adopted),
    ("append-error-ignored", a_failed_append_releases_nothing),
    ("pair-target-unsaved", every_request_has_its_intent),
    ("cancel-unsaved", every_request_has_its_intent),
    ("restart-resends", a_restart_looks_up_what_was_on_the_wire),
    ("unsettled-cancel-forgotten", an_unanswered_cancel_is_read_back),
    ("epoch-not-raised", a_restored_engine_has_its_own_epoch),
    ("last-record-skipped", a_restored_engine_knows_what_was_durable),
    ("snapshot-without-tail", a_restored_engine_knows_what_was_durable),
    ("status-moves-back", || merged(|r| r.status = ReportStatus::Filled, |r| r.status = ReportStatus::New).0.is_done()),
    ("average-is-an-edit", || merged(|_| {}, |r| r.average_price = "104.99999".parse().ok()).1 == "137.46"),
    ("last-arrival-wins", || merged(|r| state(r, 10, "137.46"), |r| state(r, 5, "130")).1 == "137.46"),
    ("zero-echo-erases", || merged(|_| {}, |r| state(r, 10, "0")).1 == "137.46"),
    ("fill-counted-twice", || merged(|r| trade(r, "0.3"), |r| trade(r, "0.3")).2 == "0.3"),
    ("cumulative-plus-trades", || merged(|r| trade(r, "0.3"), |r| r.executed = Some(qty("0.3"))).2 == "0.3"),
    ("cumulative-overwritten", || {
        merged(|r| r.executed = Some(qty("0.3")), |r| r.executed = Some(qty("0.1"))).2 == "0.3"
    }),
    ("triggered-is-filled", a_stop_that_fired_has_not_filled),
    ("absence-from-list-is-cancelled", absence_from_a_list_ends_nothing),
    ("target-before-stop", plans_hold_their_rules),
    ("stop-waits-for-rungs", plans_hold_their_rules),
    ("entry-before-leverage", plans_hold_their_rules),
    ("stop-in-doubt-counts", || Bench::in_doubt(Role::Stop).position().latest(Role::Target).is_none()),
    ("refused-stop-ignored", a_stop_refused_for_good_closes),
    ("naked-bound-unenforced", without_a_stop_for_too_long_closes),
    ("liquidation-ignored", a_fill_of_the_venue_is_booked),
    ("protection-before-exposure", a_closing_leaves_the_stop_armed),
    ("one-reading-is-flat", one_reading_closes_nothing),
    ("rung-again-unread", a_rung_that_is_gone_goes_out_again_only_after_a_reading),
    ("close-given-up", a_refused_close_is_tried_on),
    ("reduce-only-is-flat", a_refused_close_says_nothing_of_flatness),
    ("close-sized-by-reading", a_close_takes_off_our_own_fills),
    ("flat-by-fills", flat_by_our_fills_is_read_before_the_stop_goes),
    ("late-fill-ignored", a_fill_after_the_end_is_closed_again),
    ("limits-bypassed", a_halted_account_opens_nothing),
    ("adjusted-twice", a_part_that_is_asked_for_twice_is_one),
    ("part-forgotten", a_part_that_is_asked_for_is_sent),
    ("dropped-rung-rests", a_rung_that_is_dropped_is_cancelled),
    ("stop-stays-put", a_stop_that_is_moved_makes_room),
    ("added-rung-forgotten", a_rung_that_is_added_is_sent),
    ("adopted-unread", what_the_venue_does_not_show_is_not_taken_over),
    ("handed-back-early", what_is_handed_back_waits_for_its_rungs),
    ("handed-back-closed", what_is_handed_back_is_not_closed),
];

/// An active position is changed by hand, by one command that comes so often.
fn changed(what: Adjustment, times: usize) -> (Bench, Step) {
    let mut bench = Bench::active(presets::binance());
    let position = bench.position().no;
    let mut change = || bench.feed(InputKind::Command(CommandId(20), Command::Adjust(position, what.clone())));
    let mut last = change();
    for _ in 1..times {
        last = change();
    }
    (bench, last)
}

fn a_part_that_is_asked_for_twice_is_one() -> bool {
    changed(Adjustment::ClosePart(qty("0.1")), 2).0.position().hands.parts == qty("0.1")
}

fn a_part_that_is_asked_for_is_sent() -> bool {
    let (bench, step) = changed(Adjustment::ClosePart(qty("0.1")), 1);
    bench.position().latest(Role::Close).is_some_and(|close| placed(&step).contains(&close.id))
}

fn a_rung_that_is_dropped_is_cancelled() -> bool {
    let (bench, step) = changed(Adjustment::DropRung(1), 1);
    cancelled(&step) == [bench.latest(Role::Rung(1)).id]
}

fn a_rung_that_is_added_is_sent() -> bool {
    let bench = Bench::active(presets::binance());
    let mark = bench.world.mark(&presets::instrument().symbol).unwrap();
    let what = Adjustment::AddRung { price: "130".parse().unwrap(), qty: qty("1"), mark };
    let (bench, step) = changed(what, 1);
    let added = bench.position().rungs.last().map(|plan| Role::Rung(plan.rung)).unwrap();
    bench.position().latest(added).is_some_and(|rung| placed(&step).contains(&rung.id))
}

/// An account that holds nothing is asked to take something over.
fn what_the_venue_does_not_show_is_not_taken_over() -> bool {
    let mut world = script::world(presets::binance(), Nemesis::scheduled(1, Default::default()), Default::default());
    world.run_for(Millis(500));
    let mut bench = Bench::of(world);
    let request = script::request(&Script::open_to_close(), &bench.world).unwrap();
    let held = Held { qty: qty("0.5"), price: request.mark.price };
    let account = bench.engine.state().account;
    bench.world.command(account, CommandId(9), Command::Adopt(Box::new(request), held));
    bench.world.run_for(Millis(5_000));
    let engine = bench.world.engine(account).unwrap();
    engine.state().opened_by(CommandId(9)).is_some_and(|position| position.adopted().is_none())
}

fn what_is_handed_back_waits_for_its_rungs() -> bool {
    let (bench, _) = changed(Adjustment::HandBack, 1);
    bench.position().exposure().is_positive()
}

fn what_is_handed_back_is_not_closed() -> bool {
    changed(Adjustment::HandBack, 1).0.position().latest(Role::Close).is_none()
}

fn a_stop_that_is_moved_makes_room() -> bool {
    let bench = Bench::active(presets::binance());
    let mark = bench.world.mark(&presets::instrument().symbol).unwrap();
    let (bench, step) = changed(Adjustment::MoveStop { trigger: "80".parse().unwrap(), mark }, 1);
    cancelled(&step) == [bench.latest(Role::Stop).id]
}

/// An opening is asked for after a halt.
fn a_halted_account_opens_nothing() -> bool {
    let mut world = script::world(presets::binance(), Nemesis::scheduled(1, Default::default()), Default::default());
    world.run_for(Millis(500));
    let mut bench = Bench::of(world);
    let request = script::request(&Script::open_to_close(), &bench.world).unwrap();
    let _ = bench.feed(InputKind::Command(CommandId(8), Command::Halt));
    let _ = bench.feed(InputKind::Command(CommandId(9), Command::Open(Box::new(request))));
    bench.engine.state().opened_by(CommandId(9)).is_none()
}

/// A request that is answered with "unknown" leaves its order in doubt, whatever the cause.
fn unknown_is_doubt(cause: Cause) -> bool {
    let mut bench = Bench::pending(Role::Rung(1));
    let id = bench.latest(Role::Rung(1)).id;
    let _ = bench.outcome(Sent::Place(id), Outcome::Unknown(cause));
    bench.life(id) == Life::InDoubt
}

/// These misses do not prove a rung absent: instants relative to its last possible acceptance, and how many
/// of the three endpoints were asked then.
fn doubt_outlives(misses: impl Fn(VenueMillis) -> Vec<(VenueMillis, usize)>) -> bool {
    let mut bench = Bench::in_doubt(Role::Rung(1));
    let id = bench.latest(Role::Rung(1)).id;
    let dead = last_chance(&bench, id);
    // All of it arrives long after the last chance.
    bench.now = dead.plus(Millis::from_secs(10));
    for (sent_at, endpoints) in misses(dead) {
        bench.now = bench.now.plus(Millis::from_secs(2));
        for endpoint in [Endpoint::Order, Endpoint::OpenOrders, Endpoint::History].into_iter().take(endpoints) {
            bench.answered(id, endpoint, sent_at, Lookup::NotFound);
        }
    }
    bench.life(id) == Life::InDoubt
}

fn last_chance(bench: &Bench, id: ClientOrderId) -> VenueMillis {
    let order = bench.order(id);
    order.not_after.plus(presets::binance().capabilities.absence(order.service).engine_bound)
}

/// Two complete rounds after the last chance do prove it: the cases above can fail.
pub(crate) fn enough_misses_prove_absence() -> bool {
    let mut bench = Bench::in_doubt(Role::Rung(1));
    let id = bench.latest(Role::Rung(1)).id;
    let dead = last_chance(&bench, id);
    bench.round(id, dead.plus(Millis(100)));
    bench.round(id, dead.plus(Millis(2_000)));
    bench.life(id) == Life::Done(Terminal::Absent)
}

fn unanswered_questions_prove_nothing() -> bool {
    let mut bench = Bench::in_doubt(Role::Rung(1));
    let id = bench.latest(Role::Rung(1)).id;
    for _ in 0..5 {
        let _ = bench.pass(Millis(400));
    }
    bench.life(id) == Life::InDoubt
}

fn an_overdue_outcome_is_a_doubt() -> bool {
    let mut bench = Bench::pending(Role::Rung(1));
    let id = bench.latest(Role::Rung(1)).id;
    let _ = bench.pass(Millis::from_secs(60));
    bench.life(id) == Life::InDoubt
}

fn what_the_venue_cannot_know_stays_in_doubt() -> bool {
    let mut bench = Bench::in_doubt(Role::Rung(1));
    let id = bench.latest(Role::Rung(1)).id;
    let now = bench.now;
    bench.answered(id, Endpoint::Order, now, Lookup::Unknowable);
    bench.life(id) == Life::InDoubt
}

fn a_market_order_needs_the_position_explained() -> bool {
    let mut bench = Bench::in_doubt(Role::Entry);
    let id = bench.latest(Role::Entry).id;
    let dead = last_chance(&bench, id);
    bench.round(id, dead.plus(Millis(100)));
    bench.round(id, dead.plus(Millis(2_000)));
    bench.life(id) == Life::InDoubt
}

/// A stop in doubt that one look did not find is repeated under another id, with its intent on record.
fn stop_repeated() -> Option<(Bench, ClientOrderId, ClientOrderId)> {
    let mut bench = Bench::in_doubt(Role::Stop);
    let first = bench.latest(Role::Stop).id;
    let now = bench.now;
    bench.answered(first, Endpoint::Order, now, Lookup::NotFound);
    let step = bench.pass(Millis(1_000));
    let second = bench.latest(Role::Stop).id;
    (second != first && placed(&step).contains(&second) && all_intended(&step)).then_some((bench, first, second))
}

fn a_late_outcome_finds_its_row((mut bench, first, second): (Bench, ClientOrderId, ClientOrderId)) -> bool {
    let _ = bench.outcome(Sent::Place(first), accepted());
    (bench.life(first), bench.life(second)) == (Life::Working, Life::PendingNew)
}

fn a_cancel_that_finds_nothing_is_no_end() -> bool {
    let mut bench = Bench::active(presets::binance());
    let _ = bench.close();
    let rung = bench.latest(Role::Rung(1)).clone();
    let sent = Sent::Cancel(rung.id, rung.exchange_order_id().cloned());
    let _ = bench.outcome(sent, rejected(RejectKind::UnknownOrder));
    !bench.life(rung.id).is_done()
}

fn an_order_of_the_other_side_is_not_merged() -> bool {
    let mut bench = Bench::active(presets::binance());
    let rung = bench.latest(Role::Rung(1)).id;
    let mut report = bench.report(Role::Rung(1));
    (report.side, report.status, report.executed) = (Side::Sell, ReportStatus::Filled, Some(qty("0.82")));
    let now = bench.now;
    bench.answered(rung, Endpoint::Order, now, Lookup::Found(vec![report]));
    bench.order(rung).executed().qty.is_zero()
}

fn a_resend_has_its_own_deadline() -> bool {
    let mut bench = Bench::pending(Role::Entry);
    let id = bench.latest(Role::Entry).id;
    let before = bench.order(id).not_after;
    let _ = bench.outcome(Sent::Place(id), rejected(RejectKind::NotSent));
    let step = bench.pass(Millis(2_000));
    placed(&step).contains(&id) && bench.order(id).not_after > before
}

fn an_order_of_another_account_is_not_ours() -> bool {
    let mut bench = Bench::active(presets::binance());
    let key = OrderKey { account: AccountTag::new(2).unwrap(), ..bench.latest(Role::Rung(1)).id.key() };
    let report = OrderReport { id: ReportedId::Ours(ClientOrderId::encode(&key)), ..bench.report(Role::Rung(1)) };
    let _ = bench.push(report);
    bench.position().orders.keys().all(|id| id.key().account == script::account())
}

fn an_order_the_journal_lost_is_adopted() -> bool {
    let mut bench = Bench::active(presets::binance());
    let mut key = bench.latest(Role::Rung(1)).id.key();
    key.attempt = key.attempt.next().unwrap();
    let id = ClientOrderId::encode(&key);
    let report = OrderReport { id: ReportedId::Ours(id), ..bench.report(Role::Rung(1)) };
    let _ = bench.push(report);
    bench.engine.state().order(id).is_some()
}

fn a_failed_append_releases_nothing() -> bool {
    let mut bench = Bench::active(presets::binance());
    bench.world.journal.trip(Trip::Before);
    let step = bench.close();
    commit(&bench.world.journal, step).now_or_never().is_some_and(|released| released.is_err())
}

/// What a rung's fill leads to, and what a closing sends: each request with its intent in the same record.
fn every_request_has_its_intent() -> bool {
    [presets::binance(), presets::bitget()].into_iter().all(|profile| {
        let mut bench = Bench::active(profile);
        let mut report = bench.report(Role::Rung(1));
        (report.status, report.executed) = (ReportStatus::Filled, Some(qty("0.82")));
        report.average_price = "137.46".parse().ok();
        let filled = bench.push(report);
        let closing = bench.close();
        !placed(&filled).is_empty()
            && !cancelled(&closing).is_empty()
            && all_intended(&filled)
            && all_intended(&closing)
    })
}

fn restored(bench: &Bench, epoch: u32) -> Engine {
    let loaded = bench.world.journal.read(script::account());
    let capabilities = bench.engine.capabilities().clone();
    let epoch = Epoch::new(epoch).unwrap();
    Engine::restore(Config::default(), capabilities, script::account(), epoch, loaded).unwrap()
}

fn a_restart_looks_up_what_was_on_the_wire() -> bool {
    let mut bench = Bench::pending(Role::Entry);
    let id = bench.latest(Role::Entry).id;
    bench.engine = restored(&bench, 2);
    let started = bench.feed(InputKind::Started);
    let later = bench.pass(Millis(1_000));
    placed(&started).is_empty() && placed(&later).is_empty() && bench.life(id) == Life::InDoubt
}

fn a_restored_engine_has_its_own_epoch() -> bool {
    let bench = Bench::active(presets::binance());
    restored(&bench, 2).state().epoch == Epoch::new(2).unwrap()
}

fn a_restored_engine_knows_what_was_durable() -> bool {
    let bench = Bench::active(presets::binance());
    restored(&bench, 1).state() == bench.engine.state()
}

fn an_unanswered_cancel_is_read_back() -> bool {
    let mut bench = Bench::active(presets::binance());
    let _ = bench.close();
    let rung = bench.latest(Role::Rung(1)).clone();
    let sent = Sent::Cancel(rung.id, rung.exchange_order_id().cloned());
    let step = bench.outcome(sent, Outcome::Unknown(Cause::Timeout));
    step.preview()
        .iter()
        .any(|effect| matches!(effect, kraite_core::Effect::Query(Query::Lookup(order, _)) if order.id == rung.id))
}

/// Two reports about a rung, one after the other: where it stands, what it states, what it executed.
fn merged(first: impl Fn(&mut OrderReport), second: impl Fn(&mut OrderReport)) -> (Life, String, String) {
    let bench = Bench::active(presets::binance());
    let mut order: Order = bench.latest(Role::Rung(1)).clone();
    let report = bench.report(Role::Rung(1));
    for change in [&first as &dyn Fn(&mut OrderReport), &second] {
        let mut report = OrderReport { stated: None, executed: None, ..report.clone() };
        change(&mut report);
        order.merge(&report).unwrap();
    }
    (order.life, order.stated_price().unwrap().to_string(), order.executed().qty.to_string())
}

fn state(report: &mut OrderReport, later: i64, price: &str) {
    report.stated = Some(Stated { at: report.at.plus(Millis(later)), price: price.parse().ok(), qty: None });
}

fn trade(report: &mut OrderReport, size: &str) {
    let price = "137.46".parse().unwrap();
    report.trade = Some(Trade { id: TradeId::new("t1"), qty: qty(size), price, fee: Default::default() });
}

fn a_stop_that_fired_has_not_filled() -> bool {
    let mut bench = Bench::active(presets::binance());
    let report = OrderReport { status: ReportStatus::Triggered, ..bench.report(Role::Stop) };
    let _ = bench.push(report);
    bench.position().stop() == Protective::Triggered
}

fn absence_from_a_list_ends_nothing() -> bool {
    let mut bench = Bench::active(presets::binance());
    let reading = Reading { value: Vec::new(), sent_at: bench.now, endpoint: Endpoint::OpenOrders, complete: true };
    let symbol = presets::instrument().symbol;
    let _ = bench.feed(InputKind::Answer(Answer::OpenOrders(symbol, Ok(reading))));
    bench.latest(Role::Rung(1)).life == Life::Working
}

fn plans_hold_their_rules() -> bool {
    [Sequence::LadderFirst, Sequence::ProtectFirst].into_iter().all(|sequence| {
        let target_style = TargetStyle::TriggerMarket;
        let shape = Shape { rungs: 4, sequence, target_style, margin_setup: MarginSetup::Confirm };
        let capabilities = presets::binance().capabilities;
        let lowered = plan::lower(&plan::plan(Goal::Open, &shape), &capabilities);
        plan::check(&lowered, &capabilities).is_ok()
    })
}

fn a_stop_refused_for_good_closes() -> bool {
    let mut bench = Bench::pending(Role::Stop);
    for _ in 0..3 {
        let id = bench.latest(Role::Stop).id;
        let _ = bench.outcome(Sent::Place(id), rejected(RejectKind::Other));
        let _ = bench.pass(Millis(3_000));
    }
    (bench.position().phase, bench.position().why) == (Phase::Closing, Why::StopRefused)
}

fn without_a_stop_for_too_long_closes() -> bool {
    let mut bench = Bench::in_doubt(Role::Stop);
    let _ = bench.pass(Millis::from_secs(31));
    (bench.position().phase, bench.position().why) == (Phase::Closing, Why::Unprotected)
}

fn a_fill_of_the_venue_is_booked() -> bool {
    let mut bench = Bench::active(presets::binance());
    let report = OrderReport {
        id: ReportedId::Venue(VenueCause::Liquidation),
        venue_id: VenueOrderId::new("L1"),
        side: Side::Sell,
        status: ReportStatus::Filled,
        executed: Some(qty("0.41")),
        ..bench.report(Role::Rung(1))
    };
    let _ = bench.push(report);
    bench.position().exposure().is_zero()
}

fn a_closing_leaves_the_stop_armed() -> bool {
    let mut bench = Bench::active(presets::binance());
    let step = bench.close();
    let rungs_only = cancelled(&step).iter().all(|id| matches!(id.key().logical.role, Role::Rung(_)));
    rungs_only && placed(&step).iter().any(|id| id.key().logical.role == Role::Close)
}

/// Whatever took the rung may have taken the position too: it stays away while nothing is read. (That it comes back
/// afterwards is `r66_a_rung_cancelled_by_hand_is_placed_again_once`.)
fn a_rung_that_is_gone_goes_out_again_only_after_a_reading() -> bool {
    let mut bench = Bench::active(presets::binance());
    let gone = bench.latest(Role::Rung(1)).id;
    let report = OrderReport { status: ReportStatus::Cancelled, ..bench.report(Role::Rung(1)) };
    let mut steps = vec![bench.push(report)];
    steps.extend((0..20).map(|_| bench.pass(Millis(500))));
    let unread = steps.iter().flat_map(placed).all(|id| id.key().logical.role != Role::Rung(1));
    unread && bench.life(gone).is_done()
}

fn one_reading_closes_nothing() -> bool {
    let mut bench = Bench::active(presets::binance());
    bench.shows("0");
    bench.position().exposure() == qty("0.41")
}

fn refuse_closes(kind: RejectKind, times: usize) -> Bench {
    let mut bench = Bench::active(presets::binance());
    let _ = bench.close();
    for _ in 0..times {
        let id = bench.latest(Role::Close).id;
        let _ = bench.outcome(Sent::Place(id), rejected(kind));
        let _ = bench.pass(Millis::from_secs(10));
    }
    bench
}

fn a_refused_close_is_tried_on() -> bool {
    refuse_closes(RejectKind::Account, 5).position().of(Role::Close).count() == 6
}

fn a_refused_close_says_nothing_of_flatness() -> bool {
    refuse_closes(RejectKind::ReduceOnly, 1).position().exposure() == qty("0.41")
}

fn a_close_takes_off_our_own_fills() -> bool {
    let mut bench = Bench::active(presets::binance());
    bench.shows("1.41");
    let _ = bench.close();
    bench.latest(Role::Close).shape.qty() == Some(qty("0.41"))
}

/// The close filled and the rungs are gone; the stop stays until the venue has shown that nothing is open.
fn flat_by_our_fills_is_read_before_the_stop_goes() -> bool {
    let mut bench = Bench::active(presets::binance());
    let closing = bench.close();
    let mut protection_goes = Vec::new();
    for role in [1, 2, 3, 4].map(Role::Rung) {
        let report = OrderReport { status: ReportStatus::Cancelled, ..bench.report(role) };
        protection_goes.extend(cancelled(&bench.push(report)));
    }
    let report = OrderReport {
        id: ReportedId::Ours(bench.latest(Role::Close).id),
        venue_id: VenueOrderId::new("C1"),
        side: Side::Sell,
        status: ReportStatus::Filled,
        executed: Some(qty("0.41")),
        average_price: "150".parse().ok(),
        ..bench.report(Role::Rung(1))
    };
    protection_goes.extend(cancelled(&bench.push(report)));
    !placed(&closing).is_empty() && bench.position().exposure().is_zero() && protection_goes.is_empty()
}

fn a_fill_after_the_end_is_closed_again() -> bool {
    let played = script::play(&Script::closed_by_hand(), presets::binance(), Default::default(), Stream::Push);
    let mut bench = Bench::of(played.world);
    let mut report = bench.report(Role::Rung(4));
    (report.status, report.executed) = (ReportStatus::Filled, Some(qty("6.56")));
    report.average_price = "99.15".parse().ok();
    let ended = bench.position().phase == Phase::Closed;
    let _ = bench.push(report);
    ended && bench.position().phase == Phase::Closing
}
