//! Locality (S2, S5): a restart touches the order that is in doubt and no other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};

use kraite_core::capabilities::Protection;
use kraite_core::engine::{Command, CommandId};
use kraite_core::id::Role;
use kraite_core::position::PositionStatus;
use kraite_core::time::Millis;
use kraite_sim::presets;
use kraite_sim::script::{self, Script, Timing};
use kraite_sim::venue::VenueProfile;
use kraite_sim::world::{Fate, Nemesis, Point, Stream, World};

/// Entry, five rungs, stop and target.
const RUNGS: u8 = 5;

/// The opening of a position with eight orders, told line by line.
fn opening(profile: VenueProfile, schedule: BTreeMap<u64, Fate>) -> World {
    let script = Script::open_to_close();
    let mut world = script::world(profile, Nemesis::scheduled(1, schedule), Timing::default());
    world.set_stream(Stream::Silent);
    world.narrate();
    world.run_for(Millis(500));
    let mut request = script::request(&script, &world).unwrap();
    request.spec.rungs = RUNGS;
    world.command(script::account(), CommandId(1), Command::Open(Box::new(request)));
    world.run_for(Millis::from_secs(5));
    world
}

/// The roles in lines of the story that contain `what`, in order, from `since` on.
fn roles(world: &World, since: usize, what: &str) -> Vec<String> {
    let role = |line: &str| {
        let (_, rest) = line.split_once("(p1 ")?;
        Some(rest.split(" r").next()?.to_owned())
    };
    world.story()[since..]
        .iter()
        .filter(|(_, line)| line.starts_with(what))
        .filter_map(|(_, line)| role(line))
        .collect()
}

fn kill_and_run(world: &mut World, span: Millis) -> usize {
    let since = world.story().len();
    world.kill(script::account());
    world.run_for(span);
    since
}

#[test]
fn s02_killed_with_one_of_eight_orders_in_doubt_only_that_one_is_looked_up_and_placed() {
    let mut cases = 0;
    let victims: Vec<String> = (1..=RUNGS)
        .map(|n| Role::Rung(n).to_string())
        .chain([Role::Stop.to_string(), Role::Target.to_string()])
        .collect();
    // The choice points of the requests, by what they carry.
    let calm = opening(presets::binance(), BTreeMap::new());
    let requests: Vec<u64> =
        (0u64..).zip(&calm.nemesis.trail).filter(|(_, p)| **p == Point::Request).map(|(n, _)| n).collect();
    let placed = roles(&calm, 0, "-> place");
    assert_eq!(placed.len(), 8, "{placed:?}");
    for victim in &victims {
        // Two settings go out before the placements.
        let number = requests[2 + placed.iter().position(|role| role == victim).unwrap()];
        let mut world = opening(presets::binance(), BTreeMap::from([(number, Fate::Lose)]));
        let since = kill_and_run(&mut world, Millis::from_secs(120));
        let looked_up: BTreeSet<String> = roles(&world, since, "<- answer lookup").into_iter().collect();
        let again = roles(&world, since, "-> place");
        assert!(looked_up.contains(victim), "{victim}: {looked_up:?}");
        let others: Vec<&String> = again.iter().filter(|role| *role != victim && *role != "target").collect();
        assert!(others.is_empty(), "{victim} was in doubt and {others:?} were placed");
        assert_eq!(again.iter().filter(|role| *role == victim).count(), 1, "{victim}: {again:?}");
        // The target waits for the stop, so it has its first placement only now.
        let late_target = usize::from(victim == "stop");
        assert_eq!(
            again.iter().filter(|role| *role == "target").count(),
            usize::from(victim == "target") + late_target
        );
        let rest: Vec<&String> = looked_up.iter().filter(|role| *role != victim).collect();
        assert!(rest.is_empty(), "{victim} was in doubt and {rest:?} were looked up");
        assert_eq!(world.conclude().violations, 0);
        cases += 1;
    }
    println!("{cases} orders in doubt, one at a time: each looked up, each placed once, nothing else");
}

#[test]
fn s02_an_order_whose_reply_was_lost_is_found_and_adopted_without_a_placement() {
    let mut cases = 0;
    for profile in [presets::binance(), presets::bitget()] {
        let calm = opening(profile.clone(), BTreeMap::new());
        let replies: Vec<u64> =
            (0u64..).zip(&calm.nemesis.trail).filter(|(_, p)| **p == Point::Reply).map(|(n, _)| n).collect();
        for number in replies.into_iter().skip(2) {
            let mut world = opening(profile.clone(), BTreeMap::from([(number, Fate::Lose)]));
            let since = kill_and_run(&mut world, Millis::from_secs(120));
            let sent_before = roles(&world, 0, "-> place").len() - roles(&world, since, "-> place").len();
            if sent_before == 1 {
                continue; // the entry's own reply: its ladder has its first placements only now
            }
            // A target that waited for its stop's reply has its first placement only now.
            let had_target = roles(&world, 0, "-> place")[..sent_before].contains(&"target".to_owned());
            let again: Vec<String> =
                roles(&world, since, "-> place").into_iter().filter(|role| had_target || role != "target").collect();
            assert_eq!(again, Vec::<String>::new(), "{number}");
            assert!(!world.story()[since..].iter().any(|(_, line)| line.starts_with("-> pair")), "{number}");
            cases += 1;
            assert_eq!(world.conclude().violations, 0);
        }
    }
    println!("{cases} replies lost, one at a time: each order found and adopted, none placed");
    assert!(cases >= 10, "{cases}");
}

#[test]
fn s05_a_restart_with_nothing_in_doubt_places_nothing_and_looks_nothing_up() {
    for profile in [presets::binance(), presets::bitget()] {
        let mut world = opening(profile, BTreeMap::new());
        for _ in 0..5 {
            let since = kill_and_run(&mut world, Millis::from_secs(30));
            assert_eq!(roles(&world, since, "-> place"), Vec::<String>::new());
            assert!(!world.story()[since..].iter().any(|(_, line)| line.starts_with("-> pair")));
            assert_eq!(roles(&world, since, "<- answer lookup"), Vec::<String>::new());
        }
        let position = world.engine(script::account()).unwrap().state().positions.values().next().unwrap();
        assert_eq!(position.status(), PositionStatus::Active);
        assert!(position.orders.values().all(|o| o.exchange_order_id().is_some()));
    }
}

#[test]
fn s06_all_rungs_are_outstanding_together() {
    for profile in [presets::binance(), presets::bitget()] {
        let world = opening(profile, BTreeMap::new());
        let lines: Vec<&str> = world.story().iter().map(|(_, line)| line.as_str()).collect();
        let last_sent = lines.iter().rposition(|l| l.starts_with("-> place") && l.contains(" rung ")).unwrap();
        let first_answered = lines.iter().position(|l| l.starts_with("<- Place") && l.contains(" rung ")).unwrap();
        assert!(last_sent < first_answered, "a rung waited for the answer to another");
        assert_eq!(
            roles(&world, 0, "-> place").iter().filter(|role| role.starts_with("rung")).count(),
            usize::from(RUNGS)
        );
    }
}

/// Every role that a line of the story names, in order.
fn named(line: &str) -> impl Iterator<Item = String> + '_ {
    line.split("(p1 ").skip(1).filter_map(|rest| Some(rest.split(" r").next()?.to_owned()))
}

/// Every role that lines beginning like one of `starts` name.
fn told(lines: &[String], starts: &[&str]) -> Vec<String> {
    lines.iter().filter(|line| starts.iter().any(|start| line.starts_with(start))).flat_map(|l| named(l)).collect()
}

/// The story so far, cut where the worker died.
fn at_death(world: &World) -> (Vec<String>, Vec<String>) {
    let lines: Vec<String> = world.story().iter().map(|(_, line)| line.clone()).collect();
    let death = lines.iter().position(|line| line.starts_with("XX")).expect("nobody died");
    (lines[..death].to_vec(), lines[death + 1..].to_vec())
}

const SENT: &[&str] = &["-> place", "-> pair"];
const CRASHES: [Point; 3] = [Point::BeforeSend, Point::AfterSend, Point::AfterReply];

/// What is wrong with the locality of a restart: only what had been intended and had no answer may be looked
/// up; what had left may never be placed again, what had not is placed once at most.
fn out_of_place(before: &[String], after: &[String]) -> Vec<String> {
    let (left, answered) = (told(before, SENT), told(before, &["<- Place"]));
    let looked_up = told(after, &["<- answer lookup"]);
    let again = told(after, SENT);
    let mut faults = Vec::new();
    for role in answered.iter().filter(|role| looked_up.contains(role)) {
        faults.push(format!("{role} had its answer and was looked up"));
    }
    for role in left.iter().filter(|role| again.contains(role)) {
        faults.push(format!("{role} had left and was placed again"));
    }
    for role in left.iter().filter(|role| !answered.contains(role) && !looked_up.contains(role)) {
        faults.push(format!("{role} was in doubt and nobody asked"));
    }
    for role in again.iter().collect::<BTreeSet<_>>() {
        if again.iter().filter(|other| *other == role).count() > 1 {
            faults.push(format!("{role} was placed twice"));
        }
    }
    faults
}

#[test]
fn mutant_a_restart_that_touches_what_it_should_not_is_told() {
    let lines = |of: &[&str]| of.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let before = lines(&["-> place x(p1 rung 1 r0", "-> place x(p1 rung 2 r0", "<- Place(x(p1 rung 1 r0"]);
    let asked = "<- answer lookup x(p1 rung 2 r0";
    let faults = |after: &[&str]| out_of_place(&before, &lines(after)).len();
    assert_eq!(faults(&[asked]), 0);
    assert_eq!(faults(&[asked, "-> place x(p1 rung 3 r0"]), 0);
    assert_eq!(faults(&[]), 1, "nobody asked");
    assert_eq!(faults(&[asked, "<- answer lookup x(p1 rung 1 r0"]), 1, "asked for nothing");
    assert_eq!(faults(&[asked, "-> place x(p1 rung 1 r0"]), 1, "placed again");
    assert_eq!(faults(&[asked, "-> pair stop x(p1 stop r0, target x(p1 target r0", "-> place x(p1 stop r1"]), 1);
}

#[test]
fn s05_killed_in_any_send_of_an_opening_only_what_had_no_answer_is_looked_up_and_placed() {
    for profile in [presets::binance(), presets::bitget()] {
        let calm = opening(profile.clone(), BTreeMap::new());
        let points: Vec<(u64, Point)> =
            (0u64..).zip(calm.nemesis.trail.iter().copied()).filter(|(_, point)| CRASHES.contains(point)).collect();
        let (mut found, mut placed) = (0, 0);
        for (number, point) in points {
            let mut world = opening(profile.clone(), BTreeMap::from([(number, Fate::Crash)]));
            world.run_for(Millis::from_secs(120));
            let what = format!("{point:?} {number}");
            let (before, after) = at_death(&world);
            assert_eq!(out_of_place(&before, &after), Vec::<String>::new(), "{what}");
            let again = told(&after, SENT);
            // Eight orders in all, or none where the mark grew too old to enter on while the entry was asked for.
            let total = told(&before, SENT).len() + again.len();
            assert!(total == 8 || (total == 0 && point == Point::BeforeSend), "{what}: {total}");
            found += usize::from(again.is_empty() && total == 8);
            placed += usize::from(!again.is_empty());
            assert_eq!(world.conclude().violations, 0, "{what}");
        }
        println!("{found} openings found whole at the restart, {placed} went on where they were");
        assert!(found > 0 && placed > 10, "{found} {placed}");
    }
}

/// A complete position, one of whose orders a hand cancels, so that its replacement goes out alone.
fn replacing(profile: VenueProfile, victim: Role, schedule: BTreeMap<u64, Fate>) -> (World, usize) {
    let mut world = script::world(profile, Nemesis::scheduled(1, schedule), Timing::default());
    world.narrate();
    world.run_for(Millis(500));
    let mut request = script::request(&Script::open_to_close(), &world).unwrap();
    request.spec.rungs = RUNGS;
    world.command(script::account(), CommandId(1), Command::Open(Box::new(request)));
    world.run_for(Millis::from_secs(5));
    let passed = world.nemesis.trail.len();
    let cancelled =
        world.venue.open_orders().find(|o| o.client_id().is_some_and(|id| id.key().logical.role == victim)).unwrap();
    let venue_id = cancelled.report(None).venue_id;
    world.by_hand(|venue, now| venue.user_cancel(&venue_id, now)).unwrap();
    world.run_for(Millis::from_secs(5));
    (world, passed)
}

#[test]
fn s05_killed_in_the_send_of_one_of_eight_orders_nothing_is_done_about_the_seven_others() {
    let mut cases = 0;
    for profile in [presets::binance(), presets::bitget()] {
        let paired = profile.capabilities.protection == Protection::Paired;
        let victims = (1..=RUNGS).map(Role::Rung).chain([Role::Stop, Role::Target]);
        for victim in victims {
            let (calm, passed) = replacing(profile.clone(), victim, BTreeMap::new());
            for point in CRASHES {
                let after = calm.nemesis.trail.iter().enumerate().skip(passed).find(|(_, p)| **p == point);
                let number = after.map(|(number, _)| number as u64).unwrap();
                let schedule = BTreeMap::from([(number, Fate::Crash)]);
                let (mut world, _) = replacing(profile.clone(), victim, schedule);
                world.run_for(Millis::from_secs(120));
                let what = format!("{victim} {point:?}");
                let (_, after) = at_death(&world);
                let alone: BTreeSet<String> = if paired && victim.is_protective() {
                    [Role::Stop, Role::Target].map(|role| role.to_string()).into()
                } else {
                    BTreeSet::from([victim.to_string()])
                };
                let looked_up: BTreeSet<String> = told(&after, &["<- answer lookup"]).into_iter().collect();
                assert_eq!(looked_up, alone, "{what}");
                let again = told(&after, SENT);
                if point == Point::BeforeSend {
                    assert_eq!(again.len(), alone.len(), "{what}: {again:?}");
                    assert_eq!(again.into_iter().collect::<BTreeSet<_>>(), alone, "{what}");
                } else {
                    assert_eq!(again, Vec::<String>::new(), "{what}");
                }
                let position = world.engine(script::account()).unwrap().state().positions.values().next().unwrap();
                assert_eq!(position.status(), PositionStatus::Active, "{what}");
                assert_eq!(world.conclude().violations, 0, "{what}");
                cases += 1;
            }
        }
    }
    println!("{cases} deaths inside the send of one order: it was looked up, placed if it had not left, nothing else");
    assert_eq!(cases, 2 * 7 * 3);
}
