//! Other hands on the account: the user, the venue, a change of rules. The position stays protected, or ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use kraite_core::engine::{Alert, Command, CommandId};
use kraite_core::exchange::{Direction, Purpose};
use kraite_core::id::{Role, Symbol, VenueOrderId};
use kraite_core::number::Price;
use kraite_core::position::{Phase, Position, PositionStatus, Why};
use kraite_core::time::Millis;
use kraite_sim::presets;
use kraite_sim::script::{self, Script, Timing};
use kraite_sim::venue::{Liquidity, VenueProfile};
use kraite_sim::world::{Nemesis, World};

fn shapes() -> [VenueProfile; 2] {
    [presets::binance(), presets::bitget()]
}

fn symbol() -> Symbol {
    presets::instrument().symbol
}

/// A world with an active position.
fn active(profile: VenueProfile) -> World {
    let mut world = script::world(profile, Nemesis::scheduled(1, Default::default()), Timing::default());
    world.run_for(Millis(500));
    open(&mut world);
    world.run_for(Millis::from_secs(5));
    assert_eq!(position(&world).status(), PositionStatus::Active);
    world
}

fn open(world: &mut World) {
    let request = script::request(&Script::open_to_close(), world).unwrap();
    world.command(script::account(), CommandId(1), Command::Open(Box::new(request)));
}

fn position(world: &World) -> &Position {
    world.engine(script::account()).unwrap().state().positions.values().next().unwrap()
}

fn venue_id(world: &World, role: Role) -> VenueOrderId {
    let object = world.venue.open_orders().find(|o| o.client_id().is_some_and(|id| id.key().logical.role == role));
    object.unwrap().report(None).venue_id
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

#[track_caller]
fn ends_clean(world: &mut World, phase: Phase, why: Why) {
    world.run_for(Millis::from_secs(900));
    assert_eq!((position(world).phase, position(world).why), (phase, why));
    let verdict = world.conclude();
    assert_eq!(verdict.violations, 0, "{:#?}", verdict.findings);
}

#[test]
fn s10_a_stop_cancelled_by_hand_is_replaced() {
    for profile in shapes() {
        let mut world = active(profile);
        let stop = venue_id(&world, Role::Stop);
        world.by_hand(|venue, now| venue.user_cancel(&stop, now)).unwrap();
        world.run_for(Millis::from_secs(10));
        assert_ne!(venue_id(&world, Role::Stop), stop);
        assert_eq!(position(&world).status(), PositionStatus::Active);
        world.price(&symbol(), price("151"));
        ends_clean(&mut world, Phase::Closed, Why::TargetFilled);
    }
}

#[test]
fn r43_a_stop_that_the_venue_forgot_is_missed_at_the_next_reading() {
    for profile in shapes() {
        let mut world = active(profile);
        world.set_stream(kraite_sim::world::Stream::Silent);
        // Four days: the venue remembers nothing of a cancelled order any more.
        world.run_for(Millis::from_secs(4 * 86_400));
        let stop = venue_id(&world, Role::Stop);
        world.by_hand(|venue, now| venue.user_cancel(&stop, now)).unwrap();
        world.run_for(Millis::from_secs(400));
        assert_ne!(venue_id(&world, Role::Stop), stop, "nobody told us, a reading did");
        assert_eq!(position(&world).status(), PositionStatus::Active);
    }
}

#[test]
fn r66_a_rung_cancelled_by_hand_is_placed_again_once() {
    for profile in shapes() {
        let mut world = active(profile);
        let rung = venue_id(&world, Role::Rung(2));
        world.by_hand(|venue, now| venue.user_cancel(&rung, now)).unwrap();
        world.run_for(Millis::from_secs(30));
        assert_ne!(venue_id(&world, Role::Rung(2)), rung);
        let alive = position(&world).of(Role::Rung(2)).filter(|o| o.life.is_open()).count();
        assert_eq!(alive, 1);
        assert_eq!(world.conclude().duplicates, 0);
    }
}

#[test]
fn r90_a_position_closed_by_hand_is_cleaned_up() {
    for profile in shapes() {
        let mut world = active(profile);
        let qty = position(&world).exposure();
        let (who, what) = (script::account(), symbol());
        world.by_hand(|venue, now| venue.user_market(who, &what, Direction::Long, Purpose::Close, qty, now)).unwrap();
        ends_clean(&mut world, Phase::Closed, Why::External);
        assert_eq!(world.venue.open_orders().count(), 0);
    }
}

#[test]
fn r76_exposure_that_somebody_adds_is_not_managed() {
    for profile in shapes() {
        let mut world = active(profile);
        let more = "1".parse().unwrap();
        let (who, what) = (script::account(), symbol());
        world.by_hand(|venue, now| venue.user_market(who, &what, Direction::Long, Purpose::Open, more, now)).unwrap();
        world.run_for(Millis::from_secs(400));
        assert_eq!(position(&world).exposure(), "0.41".parse().unwrap(), "only our own fills count");
        assert!(world.notices().iter().any(|(_, notice)| notice.alert == Alert::ForeignExposure));
    }
}

#[test]
fn r73_liquidation_ends_the_position_and_nothing_is_left() {
    for profile in shapes() {
        let mut world = script::world(profile, Nemesis::scheduled(1, Default::default()), Timing::default());
        world.run_for(Millis(500));
        let mut request = script::request(&Script::open_to_close(), &world).unwrap();
        // Alone with its own margin the entry does not live to see the first rung.
        request.margin_mode = kraite_core::exchange::MarginMode::Isolated;
        world.command(script::account(), CommandId(1), Command::Open(Box::new(request)));
        world.run_for(Millis::from_secs(5));
        world.price(&symbol(), price("141"));
        ends_clean(&mut world, Phase::Closed, Why::External);
        assert_eq!(world.venue.liquidations(script::account()), 1);
    }
}

#[test]
fn r47_rules_that_change_under_an_open_position_leave_it_protected() {
    for profile in shapes() {
        let mut world = active(profile);
        let mut instrument = presets::instrument();
        instrument.tick = price("0.05");
        instrument.min_notional = "50".parse().unwrap();
        world.venue.change_filters(instrument);
        world.price(&symbol(), price("137"));
        world.run_for(Millis::from_secs(60));
        assert!(world.venue.open_orders().any(|o| o.client_id().is_some_and(|id| id.key().logical.role == Role::Stop)));
        world.price(&symbol(), price("90"));
        world.run_for(Millis::from_secs(900));
        assert_eq!(position(&world).phase, Phase::Closed);
        assert_eq!((world.conclude().duplicates, world.venue.open_orders().count()), (0, 0));
    }
}

#[test]
fn r27_an_entry_that_fills_in_part_sizes_the_ladder_on_what_it_got() {
    for profile in shapes() {
        let mut world = script::world(profile, Nemesis::scheduled(1, Default::default()), Timing::default());
        world
            .venue
            .set_liquidity(&symbol(), Liquidity { taker_cap: Some("0.2".parse().unwrap()), ..Liquidity::default() });
        world.run_for(Millis(500));
        open(&mut world);
        world.run_for(Millis::from_secs(20));
        assert_eq!(position(&world).entered().qty, "0.2".parse().unwrap());
        assert!(position(&world).rebuilt);
        world.venue.set_liquidity(&symbol(), Liquidity::default());
        world.price(&symbol(), price("152"));
        ends_clean(&mut world, Phase::Closed, Why::TargetFilled);
    }
}
