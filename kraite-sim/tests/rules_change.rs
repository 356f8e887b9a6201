//! The rules of a contract change under an open position (E10): what the venue refuses by them is re-planned on
//! the new ones, what no rule explains is told and not repeated.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;

use kraite_core::engine::{Alert, Command, CommandId};
use kraite_core::exchange::{Direction, Purpose};
use kraite_core::id::{Role, Symbol};
use kraite_core::instrument::Instrument;
use kraite_core::number::{Factor, Price, Qty};
use kraite_core::order::{Life, Order, Terminal};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::position::{Phase, Position, PositionStatus, Why};
use kraite_core::rounding::{is_on_lot, is_on_tick};
use kraite_core::time::{Millis, VenueMillis};
use kraite_sim::presets;
use kraite_sim::script::{self, Script};
use kraite_sim::venue::VenueProfile;
use kraite_sim::world::{Fate, Nemesis, Point, Stream, World};

const STYLES: [TargetStyle; 2] = [TargetStyle::TriggerMarket, TargetStyle::Limit];

fn shapes() -> [VenueProfile; 2] {
    [presets::binance(), presets::bitget()]
}

fn symbol() -> Symbol {
    presets::instrument().symbol
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

fn position(world: &World) -> &Position {
    world.engine(script::account()).unwrap().state().positions.values().next().unwrap()
}

/// A world that has been asked to open, with these faults dealt by number.
fn asked(profile: VenueProfile, style: TargetStyle, schedule: BTreeMap<u64, Fate>) -> World {
    let mut world = script::world(profile, Nemesis::scheduled(1, schedule), script::Timing::default());
    world.narrate();
    world.run_for(Millis(500));
    let script = Script::open_to_close().styled(style, Sequence::LadderFirst);
    let request = script::request(&script, &world).unwrap();
    world.command(script::account(), CommandId(1), Command::Open(Box::new(request)));
    world
}

fn active(profile: VenueProfile, style: TargetStyle) -> World {
    let mut world = asked(profile, style, BTreeMap::new());
    world.run_for(Millis::from_secs(5));
    assert_eq!(position(&world).status(), PositionStatus::Active);
    world
}

/// Opens with every rung request lost, so that all four are placed again once their absence is proven.
fn without_rungs(profile: &VenueProfile, style: TargetStyle) -> World {
    let mut world = asked(profile.clone(), style, BTreeMap::new());
    world.run_for(Millis::from_secs(5));
    let requests = world.nemesis.trail.iter().enumerate().filter(|(_, point)| **point == Point::Request);
    // Margin mode, leverage and entry come first.
    let rungs = requests.skip(3).take(1).map(|(n, _)| n as u64).next().unwrap();
    // Each send passes two more points, before and after it.
    let lost = (0..4).map(|n| (rungs + 3 * n, Fate::Lose)).collect();
    let mut world = asked(profile.clone(), style, lost);
    world.run_for(Millis::from_secs(5));
    assert_eq!(world.nemesis.faults(), 4);
    assert!((1..=4).all(|n| position(&world).of(Role::Rung(n)).all(|o| !o.life.was_accepted())));
    world
}

/// Runs until the entry is filled at the venue; nothing that follows it has arrived there.
fn until_entered(world: &mut World) {
    while world.venue.position(script::account(), &symbol(), Direction::Long).is_zero() {
        world.run_for(Millis(10));
    }
}

fn change(world: &mut World, change: impl FnOnce(&mut Instrument)) {
    let mut rules = world.venue.market(&symbol()).unwrap().instrument.clone();
    change(&mut rules);
    world.venue.change_filters(rules);
}

fn coarse(rules: &mut Instrument) {
    rules.tick = price("0.5");
}

fn hide_rules(world: &mut World) {
    world.venue.quirks_mut().rules_unreadable = true;
}

/// How often a request whose line begins so was sent since then.
fn sent(world: &World, what: &str, since: VenueMillis) -> usize {
    let line = format!("-> {what}");
    world.story().iter().filter(|(at, told)| *at >= since && told.starts_with(&line)).count()
}

fn targets_sent(world: &World, since: VenueMillis) -> usize {
    let of_target = |line: &str| line.starts_with("-> place") && line.contains(" target ");
    let placed = world.story().iter().filter(|(at, line)| *at >= since && of_target(line)).count();
    placed + sent(world, "pair", since) + sent(world, "amend", since)
}

fn refusals(world: &World) -> usize {
    world.story().iter().filter(|(_, line)| line.contains("rejected: Filter")).count()
}

fn told(world: &World, alert: Alert) -> usize {
    world.notices().iter().filter(|(_, notice)| notice.alert == alert).count()
}

fn open(world: &World, role: Role) -> Vec<(Option<Price>, Option<Qty>)> {
    let ours = |o: &&kraite_sim::venue::OrderObject| o.client_id().is_some_and(|id| id.key().logical.role == role);
    world.venue.open_orders().filter(ours).map(|o| (o.shape.price(), o.shape.qty())).collect()
}

#[track_caller]
fn ends_clean(world: &mut World, phase: Phase, why: Why) {
    world.run_for(Millis::from_secs(900));
    assert_eq!((position(world).phase, position(world).why), (phase, why));
    let verdict = world.conclude();
    assert_eq!(verdict.violations, 0, "{:#?}", verdict.findings);
}

#[test]
fn r47_one_lost_message_while_the_rules_change_leaves_nothing_stuck_and_no_loop() {
    let script = Script::catalogue().into_iter().find(|s| s.name == "rules-change").unwrap();
    let mut refused = 0;
    for profile in shapes() {
        for lost in [2, 6] {
            for style in STYLES {
                for life in [script.clone(), script.clone().short()] {
                    let life = life.styled(style, Sequence::LadderFirst);
                    let schedule = BTreeMap::from([(lost, Fate::Lose)]);
                    let mut world =
                        script::world(profile.clone(), Nemesis::scheduled(1, schedule), script::Timing::default());
                    world.narrate();
                    let played = script::play_in(&life, world, Stream::Push);
                    assert!(played.is_clean(), "{:?} {:#?}", played.unaided, played.verdict.findings);
                    // Each order at most twice: on the grid it was planned on, and on the venue's.
                    assert!(refusals(&played.world) <= 6, "{} refusals", refusals(&played.world));
                    refused += refusals(&played.world);
                }
            }
        }
    }
    assert!(refused > 20, "{refused}: the rules changed while orders were on their way");
}

#[test]
fn mutant_without_a_reading_of_the_rules_the_same_schedules_end_without_rungs_or_target() {
    let script = Script::catalogue().into_iter().find(|s| s.name == "rules-change").unwrap();
    for profile in shapes() {
        for lost in [2, 6] {
            let schedule = BTreeMap::from([(lost, Fate::Lose)]);
            let mut world = script::world(profile.clone(), Nemesis::scheduled(1, schedule), script::Timing::default());
            hide_rules(&mut world);
            let played = script::play_in(&script, world, Stream::Push);
            // Every answer about the rules is lost: the position is the worse for it, and as safe.
            assert!(played.is_clean(), "{:?} {:#?}", played.unaided, played.verdict.findings);
            let position = position(&played.world);
            assert!(position.why == Why::TargetRefused || position.dropped.len() > 1, "{:?}", position.why);
            assert!(told(&played.world, Alert::OpeningRefused) + told(&played.world, Alert::RungDropped) > 0);
        }
    }
}

#[test]
fn r47_the_target_follows_its_fills_on_the_new_grid() {
    for profile in shapes() {
        for style in STYLES {
            let mut world = active(profile.clone(), style);
            change(&mut world, coarse);
            let since = world.now();
            world.price(&symbol(), price("137"));
            world.run_for(Millis::from_secs(5));
            assert_eq!(position(&world).status(), PositionStatus::Active);
            assert_eq!(targets_sent(&world, since), 2, "refused once, then on the new grid");
            let resting = open(&world, Role::Target);
            assert_eq!(resting.len(), 1);
            assert!(is_on_tick(resting[0].0.unwrap(), price("0.5")), "{resting:?}");
            assert_eq!(position(&world).request.instrument.tick, price("0.5"));
            world.price(&symbol(), price("145"));
            ends_clean(&mut world, Phase::Closed, Why::TargetFilled);
        }
    }
}

#[test]
fn r47_a_stop_that_is_placed_again_goes_to_the_new_grid() {
    for profile in shapes() {
        let mut world = active(profile, TargetStyle::TriggerMarket);
        change(&mut world, coarse);
        let cancelled =
            world.venue.open_orders().find(|o| o.client_id().is_some_and(|id| id.key().logical.role == Role::Stop));
        let stop = cancelled.unwrap().id.venue_id();
        world.by_hand(|venue, now| venue.user_cancel(&stop, now)).unwrap();
        world.run_for(Millis::from_secs(4));
        let resting = open(&world, Role::Stop);
        assert_eq!(resting.len(), 1);
        assert!(is_on_tick(resting[0].0.unwrap(), price("0.5")), "{resting:?}");
        assert_eq!(told(&world, Alert::Unprotected), 0, "it took less than the alert bound");
        world.price(&symbol(), price("152"));
        ends_clean(&mut world, Phase::Closed, Why::TargetFilled);
    }
}

#[test]
fn r47_rungs_that_were_never_placed_go_to_the_new_grids() {
    for profile in shapes() {
        for style in STYLES {
            let mut world = without_rungs(&profile, style);
            change(&mut world, |rules| {
                rules.tick = price("0.5");
                rules.lot = qty("0.1");
            });
            world.run_for(Millis::from_secs(200));
            let position = position(&world);
            assert_eq!(position.status(), PositionStatus::Active);
            assert!(position.dropped.is_empty());
            for (n, size) in [(1, "0.8"), (2, "1.6"), (3, "3.2"), (4, "6.5")] {
                let resting = open(&world, Role::Rung(n));
                assert_eq!(resting.len(), 1, "rung {n}");
                assert!(is_on_tick(resting[0].0.unwrap(), price("0.5")));
                assert_eq!(resting[0].1, Some(qty(size)));
                let plan = position.rungs.iter().find(|r| r.rung == n).unwrap();
                assert_eq!((Some(plan.price), Some(plan.qty)), resting[0], "the plan says what rests");
            }
            assert!(is_on_tick(position.stop_price, price("0.5")));
        }
    }
}

#[test]
fn r48_a_rung_that_the_new_rules_make_too_small_is_dropped_and_told() {
    for profile in shapes() {
        let mut world = without_rungs(&profile, TargetStyle::TriggerMarket);
        change(&mut world, |rules| rules.min_notional = "150".parse().unwrap());
        world.run_for(Millis::from_secs(200));
        assert_eq!(position(&world).status(), PositionStatus::Active);
        assert_eq!(position(&world).dropped.iter().copied().collect::<Vec<_>>(), [1]);
        assert_eq!(told(&world, Alert::RungDropped), 1);
        assert!((2..=4).all(|n| open(&world, Role::Rung(n)).len() == 1));
        world.price(&symbol(), price("152"));
        ends_clean(&mut world, Phase::Closed, Why::TargetFilled);
    }
}

#[test]
fn r48_a_rung_is_dropped_only_after_a_reading_that_does_not_explain_its_refusal() {
    for profile in shapes() {
        // Refused by the band around the mark, which no re-rounding helps.
        let mut world = without_rungs(&profile, TargetStyle::TriggerMarket);
        change(&mut world, |rules| rules.band.buy_max = Some(Factor::from_units(8, 1).unwrap()));
        world.run_for(Millis::from_secs(200));
        assert_eq!(position(&world).dropped.iter().copied().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(position(&world).status(), PositionStatus::Active);
        let refused = |o: &&Order| o.life == Life::Done(Terminal::Refused);
        assert_eq!(position(&world).of(Role::Rung(1)).filter(refused).count(), 1, "once is enough once it is known");
        let dropped_at = world.notices().iter().find(|(_, n)| n.alert == Alert::RungDropped).unwrap().0;
        let read = world.story().iter().find(|(_, line)| line.contains("rules of")).unwrap().0;
        assert!(read <= dropped_at);
    }
    for profile in shapes() {
        let mut world = without_rungs(&profile, TargetStyle::TriggerMarket);
        hide_rules(&mut world);
        change(&mut world, coarse);
        world.run_for(Millis::from_secs(400));
        assert_eq!(position(&world).dropped.len(), 4, "rules that cannot be read for a minute help nobody");
        assert_eq!(told(&world, Alert::RungDropped), 1);
        assert_eq!(position(&world).status(), PositionStatus::Active);
    }
}

#[test]
fn r47_less_than_a_lot_is_told_and_keeps_its_stop() {
    for style in STYLES {
        let mut world = active(presets::binance(), style);
        change(&mut world, |rules| {
            rules.lot = qty("0.1");
            rules.market_lot = qty("0.1");
        });
        world.price(&symbol(), price("137"));
        world.run_for(Millis::from_secs(5));
        assert_eq!(position(&world).exposure(), qty("1.23"));
        assert_eq!(position(&world).status(), PositionStatus::Active);
        assert!(open(&world, Role::Target).iter().all(|(_, size)| is_on_lot(size.unwrap(), qty("0.1"))));
        world.price(&symbol(), price("145"));
        world.run_for(Millis::from_secs(400));
        assert_eq!(position(&world).exposure(), qty("0.03"));
        assert_eq!((position(&world).phase, position(&world).why), (Phase::Closing, Why::TargetFilled));
        assert_eq!(told(&world, Alert::NeedsAttention), 1);
        assert_eq!(open(&world, Role::Stop).len(), 1);
        change(&mut world, |rules| rules.market_lot = qty("0.01"));
        let (who, what) = (script::account(), symbol());
        world
            .by_hand(|venue, now| venue.user_market(who, &what, Direction::Long, Purpose::Close, qty("0.03"), now))
            .unwrap();
        world.run_for(Millis::from_secs(900));
        assert_eq!(position(&world).phase, Phase::Closed);
        assert_eq!(world.conclude().violations, 0);
    }
}

#[test]
fn r44_an_opening_whose_target_is_refused_for_good_is_closed_and_told() {
    for profile in shapes() {
        for style in STYLES {
            let mut world = asked(profile.clone(), style, BTreeMap::new());
            hide_rules(&mut world);
            until_entered(&mut world);
            // The target is beyond the highest price now, the stop is not.
            change(&mut world, |rules| rules.max_price = Some(price("150.5")));
            let since = world.now();
            world.run_for(Millis::from_secs(60));
            assert_eq!(position(&world).why, Why::TargetRefused);
            assert_eq!(told(&world, Alert::OpeningRefused), 1);
            assert_eq!(targets_sent(&world, since), 3, "no more than three times for the same fills");
            ends_clean(&mut world, Phase::Closed, Why::TargetRefused);
            assert_eq!(world.venue.open_orders().count(), 0);
        }
    }
}

#[test]
fn i16_r81_a_target_that_nothing_explains_is_told_once_and_tried_once_per_poll() {
    for profile in shapes() {
        for style in STYLES {
            let mut world = active(profile.clone(), style);
            let stop = open(&world, Role::Stop);
            hide_rules(&mut world);
            // The new target is beyond the highest price now, the stop is not.
            change(&mut world, |rules| rules.max_price = Some(price("142.2")));
            let since = world.now();
            world.price(&symbol(), price("137"));
            world.run_for(Millis::from_secs(120));
            assert_eq!(targets_sent(&world, since), 3, "at most three times for the same fills");
            assert_eq!(told(&world, Alert::NeedsAttention), 1);
            assert_eq!(position(&world).phase, Phase::Active, "it was complete: its stop stands and its user decides");
            world.run_for(Millis::from_secs(1_200));
            let tries = targets_sent(&world, since);
            assert!((6..=8).contains(&tries), "{tries} in 22 minutes");
            assert_eq!(told(&world, Alert::NeedsAttention), 1);
            assert_eq!(open(&world, Role::Stop), stop);
            let working = position(&world).of(Role::Stop).filter(|o| o.life == Life::Working).count();
            assert_eq!(working, 1, "an accepted leg supersedes the older ones, whatever became of its target");
            let questions = world.story().iter().filter(|(at, l)| *at >= since && l.starts_with("<- answer")).count();
            assert!(questions < 400, "{questions} in 22 minutes");
            // The venue takes it back: within a poll the position is complete again.
            world.venue.quirks_mut().rules_unreadable = false;
            change(&mut world, |rules| rules.max_price = None);
            world.run_for(Millis::from_secs(310));
            assert_eq!(position(&world).status(), PositionStatus::Active);
            assert_eq!(world.conclude().violations, 0);
        }
    }
}

#[test]
fn r41_a_pair_that_is_refused_whole_keeps_the_stop_that_stands() {
    let mut profile = presets::bitget();
    profile.quirks.pair_refusal = kraite_sim::venue::PairRefusal::Whole;
    let mut world = active(profile, TargetStyle::TriggerMarket);
    hide_rules(&mut world);
    change(&mut world, |rules| rules.max_price = Some(price("142.2")));
    let since = world.now();
    world.price(&symbol(), price("137"));
    world.run_for(Millis::from_secs(250));
    assert_eq!(targets_sent(&world, since), 3);
    assert_eq!((position(&world).phase, open(&world, Role::Stop).len()), (Phase::Active, 1));
    assert_eq!(told(&world, Alert::NeedsAttention), 1);
}

#[test]
fn r43_a_stop_waits_for_the_rules_and_not_for_ever() {
    // Every answer about the rules is lost, and the stop is off the new grid: closed within the bound.
    for profile in shapes() {
        let mut world = asked(profile, TargetStyle::TriggerMarket, BTreeMap::new());
        hide_rules(&mut world);
        until_entered(&mut world);
        change(&mut world, coarse);
        world.run_for(Millis::from_secs(45));
        let why = position(&world).why;
        assert!(matches!(why, Why::StopRefused | Why::Unprotected), "{why:?}");
        ends_clean(&mut world, Phase::Closed, why);
    }
}
