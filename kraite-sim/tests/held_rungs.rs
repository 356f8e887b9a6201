//! Rungs that a venue takes for too far from the market: held, and placed once the market is near.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use kraite_core::engine::{Alert, Command, CommandId};
use kraite_core::id::Role;
use kraite_core::number::{Factor, Price};
use kraite_core::position::{Phase, Position, Protective};
use kraite_core::time::Millis;
use kraite_sim::presets;
use kraite_sim::script::{self, Script, Timing};
use kraite_sim::venue::VenueProfile;
use kraite_sim::world::{Nemesis, World};

/// A venue that binds both sides by so much of the mark, whatever its contract states.
fn bound(mut profile: VenueProfile, share: &str) -> World {
    profile.quirks.deep_band = true;
    let mut world = script::world(profile, Nemesis::scheduled(1, Default::default()), Timing::default());
    let mut rules = presets::instrument();
    rules.band.buy_max = Factor::ONE.checked_add(share.parse().unwrap()).ok();
    world.venue.change_filters(rules);
    world.run_for(Millis(500));
    world
}

/// Opens, with a contract whose band is believed to be this wide.
fn open(world: &mut World, believed: &str) {
    let mut request = script::request(&Script::open_to_close(), world).unwrap();
    request.instrument.band.buy_max = Factor::ONE.checked_add(believed.parse().unwrap()).ok();
    world.command(script::account(), CommandId(1), Command::Open(Box::new(request)));
}

fn position(world: &World) -> &Position {
    world.engine(script::account()).unwrap().state().positions.values().next().unwrap()
}

fn told(world: &World, alert: Alert) -> usize {
    world.notices().iter().filter(|(_, notice)| notice.alert == alert).count()
}

fn attempts(world: &World, rung: u8) -> usize {
    position(world).of(Role::Rung(rung)).count()
}

#[test]
fn r48_a_rung_outside_the_band_is_held_while_the_rest_is_opened_and_protected() {
    for profile in presets::shapes() {
        let mut world = bound(profile, "0.2");
        open(&mut world, "0.2");
        world.run_for(Millis::from_secs(120));
        let held = position(&world);
        assert_eq!((held.phase, held.stop(), held.target_is_current()), (Phase::Active, Protective::Open, true));
        assert_eq!([1, 2, 3, 4].map(|rung| held.is_held(rung)), [false, false, true, true]);
        assert!(held.dropped.is_empty());
        assert_eq!([attempts(&world, 3), attempts(&world, 4)], [1, 1], "nothing is tried while the mark is far");
        assert_eq!(told(&world, Alert::RungHeld), 1);

        let near: Price = "138".parse().unwrap();
        world.price(&presets::instrument().symbol, near);
        world.run_for(Millis::from_secs(40));
        assert_eq!(
            [3, 4].map(|rung| position(&world).is_held(rung)),
            [false, true],
            "111.92 is near 138, 99.15 is not"
        );
        assert!(position(&world).of(Role::Rung(3)).any(|o| o.life.is_open()));
        assert_eq!(world.conclude().violations, 0);
    }
}

#[test]
fn r48_a_rung_that_is_refused_however_near_is_left_out_in_the_end_and_somebody_is_told() {
    for profile in presets::shapes() {
        let mut world = bound(profile, "0.2");
        // What is read again after the refusal is as wrong as what was known.
        world.venue.quirks_mut().rules_unreadable = true;
        open(&mut world, "0.5");
        world.run_for(Millis::from_secs(600));
        assert_eq!([attempts(&world, 3), attempts(&world, 4)], [6, 6]);
        assert_eq!(position(&world).dropped.iter().copied().collect::<Vec<_>>(), [3, 4]);
        assert_eq!((position(&world).phase, told(&world, Alert::RungDropped)), (Phase::Active, 1));
        assert_eq!(world.conclude().violations, 0);
    }
}

#[test]
fn r48_where_the_contract_states_no_band_a_held_rung_is_tried_once_per_poll() {
    for profile in presets::shapes() {
        let mut world = bound(profile, "0.2");
        world.venue.quirks_mut().rules_unreadable = true;
        let mut request = script::request(&Script::open_to_close(), &world).unwrap();
        request.instrument.band = Default::default();
        world.command(script::account(), CommandId(1), Command::Open(Box::new(request)));
        world.run_for(Millis::from_secs(290));
        assert_eq!([attempts(&world, 3), attempts(&world, 4)], [1, 1]);
        world.run_for(Millis::from_secs(300));
        assert_eq!([attempts(&world, 3), attempts(&world, 4)], [2, 2]);
        assert_eq!(world.conclude().violations, 0);
    }
}
