//! S2 and R4: every path of the engine that may place an order again is walked twice. Without an exchange id
//! on the order's row it sends, which shows that the path is really walked; with one it sends nothing,
//! whatever comes: starts, deadlines, late refusals, lost answers, readings that find nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::arithmetic_side_effects, unreachable_pub)]

#[allow(dead_code, reason = "other tests use the rest of it")]
mod bench;
mod strangers;

use bench::{Bench, Reply, Shape, Venue};
use kraite_core::engine::{Command, CommandId, InputKind};
use kraite_core::exchange::{Cause, OrderReport, RejectKind, ReportStatus, StreamEvent};
use kraite_core::id::{ClientOrderId, Role, VenueOrderId};
use kraite_core::order::{LifeEvent, Order};

/// How far a position is when the order under test goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its opening.
    Opening,
    /// The first rung has filled: what hangs on the average or on the size is replaced.
    Refilled,
    /// Its user closes it.
    Closing,
    /// The wire doubled the entry: the excess is taken off.
    Excess,
}

/// What became of the order under test, as its row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It never left.
    NotSent,
    /// It was refused.
    Refused(RejectKind),
    /// Nobody knows.
    InDoubt,
    /// It is proven never to have existed.
    Absent,
}

impl Way {
    fn befall(self, order: &mut Order) {
        match self {
            Self::NotSent => {
                order.apply(LifeEvent::NotSent);
            }
            Self::Refused(kind) => {
                order.apply(LifeEvent::Refused);
                order.refusal = Some(kind);
            }
            Self::InDoubt => {
                order.apply(LifeEvent::OutcomeUnknown);
            }
            Self::Absent => {
                order.apply(LifeEvent::OutcomeUnknown);
                order.apply(LifeEvent::ProvenAbsent);
            }
        }
    }
}

/// One or two orders that went out together, and the ways in which the engine may want them out again.
struct Case {
    /// The functions of the engine that place again here.
    paths: &'static str,
    shape: Shape,
    stage: Stage,
    roles: &'static [Role],
    ways: &'static [Way],
}

use Way::{Absent, InDoubt, NotSent, Refused};
const LIMITED: Way = Refused(RejectKind::RateLimited);
const SKEWED: Way = Refused(RejectKind::ClockSkew);
const FILTER: Way = Refused(RejectKind::Filter);
const PASSING: &[Way] = &[NotSent, LIMITED, SKEWED, InDoubt, Absent];
const STOP_WAYS: &[Way] = &[
    NotSent,
    LIMITED,
    FILTER,
    Refused(RejectKind::NoPosition),
    Refused(RejectKind::AlreadyExists),
    Refused(RejectKind::Margin),
    InDoubt,
    Absent,
];
const TARGET_WAYS: &[Way] = &[
    NotSent,
    LIMITED,
    FILTER,
    Refused(RejectKind::WouldTrigger),
    Refused(RejectKind::ReduceOnly),
    Refused(RejectKind::OrderLimit),
    InDoubt,
    Absent,
];
const LARGER_STOP_WAYS: &[Way] = &[NotSent, LIMITED, FILTER, InDoubt, Absent];
/// A new target whose overlap was refused lets the old one go first and is another revision then.
const NEXT_TARGET_WAYS: &[Way] =
    &[NotSent, LIMITED, FILTER, Refused(RejectKind::WouldTrigger), Refused(RejectKind::ReduceOnly), InDoubt, Absent];
const CLOSE_WAYS: &[Way] =
    &[NotSent, LIMITED, FILTER, Refused(RejectKind::ReduceOnly), Refused(RejectKind::NoPosition), InDoubt, Absent];
const PAIR_WAYS: &[Way] = &[NotSent, LIMITED, FILTER, Refused(RejectKind::NoPosition), InDoubt, Absent];

/// Every retry path, on both shapes of protection.
fn cases() -> Vec<Case> {
    let case = |paths, shape, stage, roles, ways| Case { paths, shape, stage, roles, ways };
    let mut cases = Vec::new();
    for shape in [Shape::SEPARATE, Shape::PAIRED] {
        cases.extend([
            case("enter, resend_when_due, place_when_free", shape, Stage::Opening, &[Role::Entry][..], PASSING),
            case("rung, place_when_free, resend", shape, Stage::Opening, &[Role::Rung(1)], PASSING),
            case("rung, place_when_free, resend", shape, Stage::Opening, &[Role::Rung(3)], PASSING),
            case("close_exposure, place_when_free", shape, Stage::Closing, &[Role::Close], CLOSE_WAYS),
            case("flatten_excess, place_when_free", shape, Stage::Excess, &[Role::Close], CLOSE_WAYS),
        ]);
    }
    cases.extend([
        case("place_stop, repeat_stop_in_doubt, repeat", Shape::SEPARATE, Stage::Opening, &[Role::Stop], STOP_WAYS),
        case("place_stop, repeat", Shape::SIZED_STOP, Stage::Opening, &[Role::Stop], STOP_WAYS),
        case("trim_stops, place_at", Shape::SIZED_STOP, Stage::Refilled, &[Role::Stop], LARGER_STOP_WAYS),
        case("keep_target, place_when_free", Shape::SEPARATE, Stage::Opening, &[Role::Target], TARGET_WAYS),
        case("keep_target, place_when_free", Shape::LIMIT_TARGET, Stage::Opening, &[Role::Target], TARGET_WAYS),
        case("replace_target, resend_when_due", Shape::SEPARATE, Stage::Refilled, &[Role::Target], NEXT_TARGET_WAYS),
        case("replace_target", Shape::LIMIT_TARGET, Stage::Refilled, &[Role::Target], NEXT_TARGET_WAYS),
    ]);
    let pair = |stage, roles| case("keep_pair, pair_leg, place_pair", Shape::PAIRED, stage, roles, PAIR_WAYS);
    // A stop of a later pair that is missing leaves the one before it in place: nothing to repeat.
    for (stage, roles) in [
        (Stage::Opening, &[Role::Stop][..]),
        (Stage::Opening, &[Role::Target]),
        (Stage::Opening, &[Role::Stop, Role::Target]),
        (Stage::Refilled, &[Role::Target]),
        (Stage::Refilled, &[Role::Stop, Role::Target]),
    ] {
        cases.push(pair(stage, roles));
    }
    cases
}

fn accept(_: ClientOrderId) -> Reply {
    Reply::Accept
}

/// The orders under test are out and nobody has answered; everything else is as it should be.
fn sent(case: &Case) -> (Bench, Vec<ClientOrderId>) {
    let mut bench = Bench::new(case.shape);
    let silent = |id: ClientOrderId| {
        if case.roles.contains(&id.key().logical.role) { Reply::Silence } else { Reply::Accept }
    };
    if case.stage == Stage::Opening {
        bench.open(&silent);
    } else {
        bench.open(&accept);
    }
    match case.stage {
        Stage::Opening => {}
        Stage::Refilled => bench.fill(Role::Rung(1)),
        Stage::Closing => {
            let no = bench.no();
            bench.feed(InputKind::Command(CommandId(2), Command::Close(no)));
        }
        Stage::Excess => {
            let mut copy = bench.report(bench.latest(Role::Entry), ReportStatus::Filled);
            copy.venue_id = VenueOrderId::new("v-the-wire-made-another-object-of-the-entry");
            bench.feed(InputKind::Push(StreamEvent::Order(copy)));
        }
    }
    bench.run(2_000, Venue::Honest, &silent);
    let ids: Vec<ClientOrderId> = case.roles.iter().map(|role| bench.latest(*role).id).collect();
    for id in &ids {
        let order = bench.position().order(*id).unwrap();
        assert!(!order.life.was_accepted(), "{}: {id:?} {:?}", case.paths, order.life);
        assert!(order.exchange_order_id().is_none(), "{}: {id:?}", case.paths);
    }
    (bench, ids)
}

/// How the exchange id came into a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anchor {
    /// There is none: the control.
    None,
    /// The venue showed the order, and the row says so.
    Told,
    /// The venue showed the order, and the rest of the row denies it, as damage might leave it.
    Denied,
}

/// The case with its rows changed: what befell the orders, and whether their rows have an exchange id.
fn befallen(bench: &Bench, ids: &[ClientOrderId], way: Way, anchor: Anchor) -> Bench {
    let reports: Vec<OrderReport> =
        ids.iter().map(|id| bench.report(bench.position().order(*id).unwrap(), ReportStatus::New)).collect();
    bench.reborn(|state| {
        for (id, report) in ids.iter().zip(&reports) {
            let position = state.positions.get_mut(&id.key().position).unwrap();
            let befall = |order: &mut Order| {
                way.befall(order);
                match anchor {
                    Anchor::None => {}
                    Anchor::Told => assert!(order.merge(report).unwrap()),
                    Anchor::Denied => assert!(order.ledger.merge(report).unwrap()),
                }
                assert_eq!(order.exchange_order_id().is_some(), anchor != Anchor::None);
            };
            position.orders.change(*id, befall).unwrap();
        }
    })
}

/// Everything that may make an engine try again, for two minutes and a half.
fn storm(bench: &mut Bench, ids: &[ClientOrderId], venue: Venue, started: bool) {
    if started {
        bench.feed(InputKind::Started);
    }
    bench.feed(InputKind::Push(StreamEvent::Connected));
    for span in [1, 600, 3_000, 15_000, 40_000, 90_000] {
        bench.run(span, venue, &accept);
        for id in ids {
            bench.lose(*id, Cause::Timeout);
            for kind in [RejectKind::NotSent, RejectKind::RateLimited, RejectKind::Filter, RejectKind::AlreadyExists] {
                bench.refuse(*id, kind);
            }
            bench.lose(*id, Cause::DuplicateId);
        }
        bench.feed(InputKind::Push(StreamEvent::Connected));
    }
}

/// Whether any attempt of these logical orders went out.
fn went_out_again(bench: &Bench, ids: &[ClientOrderId]) -> bool {
    ids.iter().any(|id| bench.placed_of(id.key().logical) > 0)
}

/// Whether anything at all went out in the place of these orders.
fn replaced(bench: &Bench, ids: &[ClientOrderId]) -> bool {
    ids.iter().any(|id| bench.placed_as(id.key().logical.role) > 0)
}

#[test]
fn s02_r04_control_every_retry_path_sends_an_order_without_an_exchange_id() {
    let mut walked = 0;
    let mut silent = Vec::new();
    for case in cases() {
        let (bench, ids) = sent(&case);
        for way in case.ways {
            for started in [false, true] {
                let mut again = befallen(&bench, &ids, *way, Anchor::None);
                if started {
                    again.feed(InputKind::Started);
                }
                again.feed(InputKind::Push(StreamEvent::Connected));
                again.run(29_000, Venue::Honest, &accept);
                assert!(again.each_once());
                walked += 1;
                if !replaced(&again, &ids) {
                    silent.push(format!("{}: {:?} {:?} {way:?} started {started}", case.paths, case.stage, case.roles));
                }
            }
        }
    }
    assert!(silent.is_empty(), "{walked} walked, {} send nothing:\n{}", silent.len(), silent.join("\n"));
    println!("{walked} retries without an exchange id: each places again");
}

#[test]
fn s02_r04_no_retry_path_sends_an_order_with_an_exchange_id() {
    let (mut storms, mut offences) = (0, Vec::new());
    for case in cases() {
        let (bench, ids) = sent(&case);
        for way in case.ways {
            for anchor in [Anchor::Told, Anchor::Denied] {
                for venue in [Venue::Honest, Venue::Forgets] {
                    for started in [false, true] {
                        let mut again = befallen(&bench, &ids, *way, anchor);
                        again.forgotten.clone_from(&ids);
                        storm(&mut again, &ids, venue, started);
                        assert!(again.each_once());
                        storms += 1;
                        assert!(anchor == Anchor::Told || again.position().halted, "a row that denies its id is told");
                        // An order that the venue showed and then forgot is followed by another revision.
                        let forgotten = anchor == Anchor::Told && venue == Venue::Forgets;
                        if went_out_again(&again, &ids) || (!forgotten && replaced(&again, &ids)) {
                            offences.push(format!(
                                "{}: {:?} {:?} {way:?} {anchor:?} {venue:?} started {started}: {:?}",
                                case.paths, case.stage, case.roles, again.placed
                            ));
                        }
                    }
                }
            }
        }
    }
    assert!(offences.is_empty(), "{storms} storms, {} send:\n{}", offences.len(), offences.join("\n"));
    println!("{storms} storms over orders with an exchange id: none was placed again");
}

/// The retry is out too, unanswered, under the next attempt of the same revision; `None` where another
/// revision went out.
fn sent_twice(bench: &Bench, ids: &[ClientOrderId]) -> Option<(Bench, Vec<ClientOrderId>)> {
    let silent = |id: ClientOrderId| {
        let tested = ids.iter().any(|one| one.key().logical == id.key().logical);
        if tested { Reply::Silence } else { Reply::Accept }
    };
    let mut again = befallen(bench, ids, Absent, Anchor::None);
    again.feed(InputKind::Push(StreamEvent::Connected));
    again.run(9_000, Venue::Honest, &silent);
    let next: Vec<ClientOrderId> = ids.iter().map(|id| again.latest(id.key().logical.role).id).collect();
    ids.iter().zip(&next).all(|(a, b)| a != b && a.key().logical == b.key().logical).then_some((again, next))
}

#[test]
fn r04_a_revision_one_of_whose_attempts_has_an_exchange_id_gets_no_further_attempt() {
    let (mut storms, mut controls, mut offences) = (0, 0, Vec::new());
    for case in cases() {
        let (bench, first) = sent(&case);
        let Some((bench, second)) = sent_twice(&bench, &first) else { continue };
        for way in case.ways {
            // The first attempt, believed never to have existed, turns up open or already ended.
            for turned_up in [None, Some(ReportStatus::New), Some(ReportStatus::Cancelled)] {
                let reports: Vec<OrderReport> = first
                    .iter()
                    .filter_map(|id| Some(bench.report(bench.position().order(*id).unwrap(), turned_up?)))
                    .collect();
                let mut again = befallen(&bench, &second, *way, Anchor::None).reborn(|state| {
                    for (id, report) in first.iter().zip(&reports) {
                        let position = state.positions.get_mut(&id.key().position).unwrap();
                        assert!(position.orders.change(*id, |order| order.merge(report)).unwrap().unwrap());
                    }
                });
                storm(&mut again, &second, Venue::Honest, false);
                assert!(again.each_once());
                let out = went_out_again(&again, &second);
                if turned_up.is_none() {
                    controls += usize::from(out);
                } else {
                    storms += 1;
                    if out {
                        offences.push(format!(
                            "{}: {:?} {way:?} {turned_up:?}: {:?}",
                            case.paths, case.roles, again.placed
                        ));
                    }
                }
            }
        }
    }
    assert!(offences.is_empty(), "{storms} storms, {} send:\n{}", offences.len(), offences.join("\n"));
    assert!(controls > 60, "{controls}");
    println!("{storms} storms over revisions that came to be, none was sent again; {controls} controls were");
}
