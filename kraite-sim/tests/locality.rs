//! Locality (S2, S5): a restart touches the order that is in doubt and no other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};

use kraite_core::engine::{Command, CommandId};
use kraite_core::id::Role;
use kraite_core::position::PositionStatus;
use kraite_core::time::Millis;
use kraite_sim::presets;
use kraite_sim::script::{self, Script};
use kraite_sim::venue::VenueProfile;
use kraite_sim::world::{Fate, Nemesis, Point, Stream, World};

/// Entry, five rungs, stop and target.
const RUNGS: u8 = 5;

/// The opening of a position with eight orders, told line by line.
fn opening(profile: VenueProfile, schedule: BTreeMap<u64, Fate>) -> World {
    let script = Script::open_to_close();
    let mut world = script::world(profile, Nemesis::scheduled(1, schedule));
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
