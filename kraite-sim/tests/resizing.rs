//! R80, R81: the target follows what is open, whoever tells of it, and nobody puts it back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use kraite_core::engine::{Command, CommandId, Request};
use kraite_core::id::Role;
use kraite_core::number::{Price, Qty};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::position::{Position, PositionStatus};
use kraite_core::time::Millis;
use kraite_sim::presets;
use kraite_sim::script::{self, Script, Timing};
use kraite_sim::venue::VenueProfile;
use kraite_sim::world::{Nemesis, Stream, World};

fn active(profile: VenueProfile, style: TargetStyle) -> World {
    let mut world = script::world(profile, Nemesis::scheduled(1, Default::default()), Timing::default());
    world.run_for(Millis(500));
    let script = Script::open_to_close().styled(style, Sequence::LadderFirst);
    let request = script::request(&script, &world).unwrap();
    world.command(script::account(), CommandId(1), Command::Open(Box::new(request)));
    world.run_for(Millis::from_secs(5));
    assert_eq!(position(&world).status(), PositionStatus::Active);
    world
}

fn position(world: &World) -> &Position {
    world.engine(script::account()).unwrap().state().positions.values().next().unwrap()
}

/// The first rung fills.
fn fall(world: &mut World) {
    world.price(&presets::instrument().symbol, "137".parse().unwrap());
}

fn targets(world: &World) -> Vec<(Option<Price>, Option<Qty>)> {
    let is_target = |o: &&kraite_sim::venue::OrderObject| o.client_id().is_some_and(|id| id.role() == Role::Target);
    world.venue.open(script::account()).filter(is_target).map(|o| (o.shape.price(), o.shape.qty())).collect()
}

/// 0.41 at 150.24 and 0.82 at 137.46, and 0.36 % more.
fn re_priced() -> Option<Price> {
    "142.23".parse().ok()
}

#[test]
fn r80_an_amended_target_is_what_is_wanted_from_then_on_and_nobody_puts_it_back() {
    let mut world = active(presets::binance(), TargetStyle::Limit);
    world.venue.note_requests();
    fall(&mut world);
    // Four polls, a new process, and two more.
    world.run_for(Millis::from_secs(1_250));
    world.kill(script::account());
    world.run_for(Millis::from_secs(650));
    let requests = world.venue.drain_requests();
    assert!(matches!(&requests[..], [one] if matches!(one.request, Request::Amend(..))), "{requests:?}");
    assert_eq!(targets(&world), [(re_priced(), "1.23".parse().ok())]);
    assert_eq!(world.conclude().violations, 0);
}

#[test]
fn r62_r81_a_fill_that_nobody_tells_of_is_found_within_five_minutes_and_the_target_follows_it_under_a_halt_too() {
    for profile in [presets::binance(), presets::bitget()] {
        for halted in [false, true] {
            let mut world = active(profile.clone(), TargetStyle::TriggerMarket);
            if halted {
                world.command(script::account(), CommandId(2), Command::Halt);
                world.run_for(Millis::from_secs(1));
            }
            let before = targets(&world);
            world.set_stream(Stream::Silent);
            fall(&mut world);
            world.run_for(Millis::from_secs(60));
            assert_eq!(targets(&world), before, "nobody knows of it yet");
            world.run_for(Millis::from_secs(245));
            assert_eq!(position(&world).exposure(), "1.23".parse().unwrap());
            let now = targets(&world);
            assert_eq!((now.len(), now[0].0), (1, re_priced()), "{halted}");
            assert!(now[0].1.is_none_or(|qty| qty == "1.23".parse().unwrap()), "{halted} {now:?}");
            assert_eq!(world.conclude().violations, 0);
        }
    }
}
