//! Who checks the checkers: journals, requests and books that are wrong on purpose, each found out.

use kraite::core::engine::{Event, Request};
use kraite::core::exchange::{Direction, NewOrder, OrderShape, PositionMode, Purpose, Side, TriggerBy, TriggerSize};
use kraite::core::id::{Attempt, ClientOrderId, Epoch, LogicalOrder, OrderKey, PositionNo, Revision, Role};
use kraite::core::number::Price;
use kraite::core::time::{Millis, VenueMillis};
use kraite::journal::{SqliteReader, encode, encode_state};
use kraite::sim::link::Call;
use kraite::sim::link::pipe::Upward;
use kraite::sim::venue::Venue;
use rusqlite::params;

use crate::audit::{Audit, Finding};
use crate::worker::Fate;
use crate::world::{Pumped, Shape, Standing, World, account};

pub(crate) fn found(audit: &Audit, wanted: impl Fn(&Finding) -> bool) -> bool {
    audit.findings().iter().any(wanted)
}

/// A worker that lives until its journal holds so many records, and is killed; nothing was found.
fn world_with_records(number: u64) -> World {
    let mut world = World::new(Shape::Separate, 29, 10);
    let mut worker = world.start(&Fate::default());
    while world.audit.promised() < number {
        assert_ne!(world.pump(&mut worker, None, Standing::Owner), Pumped::End);
    }
    worker.kill();
    worker.wait();
    world.bury(&worker);
    assert_eq!(world.audit.findings(), []);
    world
}

fn change(world: &World, sql: &str, values: impl rusqlite::Params) {
    let file = rusqlite::Connection::open(world.journal()).unwrap();
    assert_eq!(file.execute(sql, values).unwrap(), 1, "{sql}");
}

#[test]
fn mutant_a_journal_that_forgets_a_suffix_is_found() {
    for few in [Some(1), Some(3), None] {
        let mut world = world_with_records(8);
        let (promised, found_before) = (world.audit.promised(), world.audit.records());
        // What was written and not promised may be lost; how much that is, is up to the machine.
        let lost = few.unwrap_or(found_before + 1 - promised);
        for seq in found_before + 1 - lost..=found_before {
            change(&world, "DELETE FROM records WHERE seq = ?1", params![i64::try_from(seq).unwrap()]);
        }
        world.verify();
        let number = found_before - lost;
        let expected = number < promised;
        assert_eq!(found(&world.audit, |f| *f == Finding::Lost { promised, found: number }), expected);
        assert!(expected || few.is_some(), "{promised} of {found_before}");
    }
}

#[test]
fn mutant_a_record_that_changed_is_found() {
    let mut world = world_with_records(6);
    let mut record = SqliteReader::open(world.journal()).unwrap().records(account(), 3, 1).unwrap().remove(0).record;
    record.at.error = record.at.error.plus(Millis(1));
    let body = encode(account(), &record).unwrap();
    change(&world, "UPDATE records SET body = ?1 WHERE seq = 4", params![body]);
    world.verify();
    assert!(found(&world.audit, |f| *f == Finding::Changed { seq: 4 }), "{:?}", world.audit.findings());
}

#[test]
fn mutant_a_record_of_an_older_owner_is_found() {
    let mut world = world_with_records(4);
    let last = world.audit.records();
    let mut record =
        SqliteReader::open(world.journal()).unwrap().records(account(), last - 1, 1).unwrap().remove(0).record;
    record.seq += 1;
    record.epoch = Epoch::new(1).unwrap();
    let values = params![i64::from(account().get()), last as i64 + 1, 1, encode(account(), &record).unwrap()];
    // The audit's own look, through a reader that was opened before.
    let journal = world.journal();
    world.audit.read_on(&journal);
    change(&world, "INSERT INTO records VALUES (?1, ?2, ?3, ?4)", values);
    world.audit.read_on(&journal);
    assert!(found(&world.audit, |f| *f == Finding::OlderEpoch { seq: last + 1 }), "{:?}", world.audit.findings());
    // One that is opened now refuses the whole file.
    world.verify();
    let named = |f: &Finding| matches!(f, Finding::Unreadable(why) if why.contains("written under epoch 1"));
    assert!(found(&world.audit, named), "{:?}", world.audit.findings());
}

#[test]
fn mutant_a_snapshot_that_says_something_else_is_found() {
    let mut world = World::new(Shape::Separate, 31, 10);
    let mut worker = world.start(&Fate { snapshot_every: Some(3), ..Fate::default() });
    while world.audit.promised() < 8 {
        assert_ne!(world.pump(&mut worker, None, Standing::Owner), Pumped::End);
    }
    worker.kill();
    worker.wait();
    world.bury(&worker);
    assert_eq!(world.audit.findings(), []);
    let snapshot = SqliteReader::open(world.journal()).unwrap().load(account()).unwrap().snapshot.unwrap();
    let mut state = snapshot.state;
    state.quarantined = true;
    change(&world, "UPDATE snapshots SET body = ?1", params![encode_state(account(), &state).unwrap()]);
    world.verify();
    assert!(found(&world.audit, |f| *f == Finding::SnapshotDiffers), "{:?}", world.audit.findings());
}

fn id(role: Role, attempt: u8) -> ClientOrderId {
    ClientOrderId::encode(&OrderKey {
        account: account(),
        position: PositionNo::new(900).unwrap(),
        logical: LogicalOrder { role, revision: Revision::new(0).unwrap() },
        attempt: Attempt::new(attempt).unwrap(),
        epoch: Epoch::new(1).unwrap(),
    })
}

fn order(id: ClientOrderId, shape: OrderShape) -> NewOrder {
    let exit = id.key().logical.role.is_exit();
    NewOrder {
        id,
        symbol: kraite::sim::presets::instrument().symbol,
        side: if exit { Side::Sell } else { Side::Buy },
        direction: Direction::Long,
        mode: PositionMode::OneWay,
        purpose: if exit { Purpose::Close } else { Purpose::Open },
        shape,
    }
}

fn price(cents: i64) -> Price {
    Price::from_units(cents, 2).unwrap()
}

#[test]
fn mutant_requests_that_are_late_doubled_altered_or_too_early_are_found() {
    let world = world_with_records(8);
    let records = SqliteReader::open(world.journal()).unwrap().records(account(), 0, usize::MAX).unwrap();
    let mut intents = records.iter().flat_map(|stored| &stored.record.events).filter_map(|event| match event {
        Event::Intended { id, shape, not_after, .. } => Some((*id, *shape, *not_after)),
        _ => None,
    });
    let (entry, shape, not_after) = intents.rfind(|(id, ..)| id.key().logical.role == Role::Entry).unwrap();
    let window = world.longest_window();
    let request = Request::Place(order(entry, shape));
    let mut audit = Audit::new(account(), world.capabilities());
    audit.verify(&world.journal()).unwrap();
    audit.sent(&request, not_after.minus(window));
    assert_eq!(audit.findings(), [], "just in time, once, as intended");
    audit.sent(&request, not_after.minus(window).plus(Millis(1)));
    assert!(found(&audit, |f| matches!(f, Finding::TooLate { .. })));
    assert!(found(&audit, |f| *f == Finding::PlacedTwice { id: entry }));
    let altered = OrderShape::Limit { price: price(1), qty: "1".parse().unwrap() };
    audit.sent(&Request::Place(order(entry, altered)), VenueMillis(0));
    assert!(found(&audit, |f| matches!(f, Finding::NoIntent { .. })));
    audit.sent(&Request::Place(order(id(Role::Target, 0), altered)), VenueMillis(0));
    assert!(found(&audit, |f| *f == Finding::TargetBeforeStop { id: id(Role::Target, 0) }));
}

#[test]
fn mutant_a_request_of_a_deposed_worker_that_is_accepted_is_found() {
    let mut world = World::new(Shape::Separate, 47, 10);
    let line = |world: &World, signed_at| {
        let market = OrderShape::Market { qty: "1".parse().unwrap() };
        let request = Request::Place(order(id(Role::Entry, u8::from(signed_at == world.now())), market));
        serde_json::to_string(&Upward::Call(1, Call::Send(request, signed_at))).unwrap()
    };
    let stale = line(&world, world.now().minus(Millis::from_secs(10)));
    drop(world.act(&stale, Standing::Deposed));
    assert!(!found(&world.audit, |f| matches!(f, Finding::Deposed { .. })), "the venue refused it");
    let fresh = line(&world, world.now());
    drop(world.act(&fresh, Standing::Deposed));
    assert!(found(&world.audit, |f| matches!(f, Finding::Deposed { .. })));
}

#[test]
fn mutant_what_is_wrong_in_the_venues_own_book_is_found() {
    let world = World::new(Shape::Separate, 53, 10);
    let mut venue: Venue = world.venue().clone();
    let mut audit = Audit::new(account(), world.capabilities());
    let start = venue.now();
    let mut place = |role, attempt, shape| {
        let outcomes = venue.request(account(), &Request::Place(order(id(role, attempt), shape)), start, start);
        assert!(format!("{outcomes:?}").contains("Accepted"), "{outcomes:?}");
    };
    let qty = "1".parse().unwrap();
    place(Role::Entry, 0, OrderShape::Market { qty });
    place(Role::Entry, 1, OrderShape::Market { qty });
    place(Role::Rung(1), 0, OrderShape::Limit { price: price(14_000), qty });
    place(Role::Rung(1), 1, OrderShape::Limit { price: price(14_000), qty });
    for attempt in 0..2 {
        let size = TriggerSize::Qty(qty);
        place(
            Role::Target,
            attempt,
            OrderShape::TakeProfitMarket { trigger: price(19_000), by: TriggerBy::Mark, size },
        );
    }
    let after = |seconds| start.plus(Millis::from_secs(seconds));
    audit.look(&venue, Some(start), start);
    audit.look(&venue, None, after(1_000));
    audit.look(&venue, Some(after(1_000)), after(1_119));
    let lasting = |f: &Finding| matches!(f, Finding::Naked { .. } | Finding::Unsettled { .. });
    assert!(!found(&audit, lasting), "nobody was there for long enough");
    audit.look(&venue, Some(after(1_000)), after(1_240));
    assert!(found(&audit, |f| matches!(f, Finding::Naked { .. })), "{:?}", audit.findings());
    assert!(found(&audit, |f| matches!(f, Finding::Unsettled { .. })));
    assert!(found(&audit, |f| matches!(f, Finding::TwoOpen { .. })));
    audit.conclude(&venue);
    let rung = id(Role::Rung(1), 0);
    assert!(
        found(&audit, |f| *f == Finding::Orphan { id: rung }) && found(&audit, |f| *f == Finding::Unknown { id: rung })
    );
    assert!(found(&audit, |f| matches!(f, Finding::Overfilled { role: Role::Entry, .. })));
    assert!(found(&audit, |f| matches!(f, Finding::Exposed { .. })));
}
