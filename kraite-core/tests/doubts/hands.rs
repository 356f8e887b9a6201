//! S12, R17: what a user changes of a live position, and what is refused to change it.

use kraite_core::engine::{
    Adjustment, AdjustmentRefusal, Alert, Answer, Command, CommandRefusal, Config, Event, InputKind, Limit, Limits,
    Sent,
};
use kraite_core::exchange::{Mark, Outcome, Reject, RejectKind};
use kraite_core::id::{Role, Symbol};
use kraite_core::number::{Price, Qty};
use kraite_core::order::{Life, Terminal};
use kraite_core::position::Phase;
use kraite_core::time::VenueMillis;

use crate::SHAPES;
use crate::bench::{self, Bench, Reply, Shape, Venue};

fn under(shape: Shape, config: Config) -> Bench {
    let mut bench = Bench::with(shape, config);
    bench.open(&|_| Reply::Accept);
    bench.run(10_000, Venue::Honest, &|_| Reply::Accept);
    assert_eq!(bench.position().phase, Phase::Active);
    bench.told.clear();
    bench
}

pub(crate) fn active(shape: Shape) -> Bench {
    under(shape, Config::default())
}

pub(crate) fn price(text: &str) -> Price {
    text.parse().unwrap()
}

pub(crate) fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

fn move_stop(bench: &Bench, trigger: &str) -> Adjustment {
    let mark = Mark { symbol: bench::symbol(), price: price("150.24"), at: VenueMillis(bench.now()) };
    Adjustment::MoveStop { trigger: price(trigger), mark }
}

pub(crate) fn adjust(bench: &mut Bench, id: u64, what: Adjustment) {
    let no = bench.no();
    bench.command(id, Command::Adjust(no, what));
}

fn settle(bench: &mut Bench) {
    bench.run(20_000, Venue::Honest, &|_| Reply::Accept);
    assert_eq!((bench.position().phase, bench.position().halted), (Phase::Active, false));
    assert!(bench.each_once());
    assert_eq!(bench.told, []);
}

pub(crate) fn resting(bench: &Bench, role: Role) -> Vec<(Option<Price>, Option<Qty>)> {
    let working = bench.position().of(role).filter(|o| o.life == Life::Working);
    working.map(|o| (o.shape.price(), o.shape.qty())).collect()
}

#[track_caller]
pub(crate) fn refused(bench: &mut Bench, what: Adjustment) -> AdjustmentRefusal {
    let before = bench.engine.state().clone();
    adjust(bench, 99, what);
    let after = bench.engine.state();
    assert_eq!((&after.positions, after.halted), (&before.positions, before.halted));
    assert_eq!(bench.take_sent(), []);
    match bench.events().next_back() {
        Some(Event::CommandRefused(CommandRefusal::Adjustment(_, why))) => why.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn s12_a_stop_that_is_moved_rests_where_it_was_moved_to_and_nowhere_else() {
    for shape in SHAPES {
        for to in ["90.01", "111.5"] {
            let mut bench = active(shape);
            let (before, loss) = (bench.latest(Role::Stop).id, bench.position().max_loss.unwrap());
            // Nearer than two of the rungs: those are dropped first.
            if to == "111.5" {
                for rung in [2, 3] {
                    adjust(&mut bench, u64::from(rung), Adjustment::DropRung(rung));
                }
            }
            let what = move_stop(&bench, to);
            adjust(&mut bench, 10, what);
            settle(&mut bench);
            let stops = resting(&bench, Role::Stop);
            assert_eq!((stops.len(), stops[0].0), (1, Some(price(to))), "{shape:?}");
            assert!(bench.latest(Role::Stop).id > before);
            assert_eq!(resting(&bench, Role::Target).len(), 1, "{shape:?}");
            let now = bench.position().max_loss.unwrap();
            assert_eq!(now, bench.position().loss_at(price(to)).unwrap());
            assert_eq!(now > loss, to == "90.01", "{now} after {loss}");
            // It stays there, for a new run too.
            let mut bench = bench.reborn(|_| {});
            bench.feed(InputKind::Started);
            bench.run(60_000, Venue::Honest, &|_| Reply::Accept);
            assert_eq!(resting(&bench, Role::Stop), stops, "{shape:?}");
            assert_eq!(bench.placed_as(Role::Stop), 0, "{shape:?}");
        }
    }
}

#[test]
fn s12_where_two_stops_may_rest_the_moved_one_is_accepted_before_the_old_one_goes() {
    let mut bench = active(Shape::SIZED_STOP);
    let old = bench.latest(Role::Stop).id;
    let what = move_stop(&bench, "90.01");
    adjust(&mut bench, 10, what);
    let sent = bench.take_sent();
    let new = bench.latest(Role::Stop).id;
    assert_eq!(sent, [Sent::Place(new)]);
    bench.answer_one(Sent::Place(new));
    assert!(matches!(&bench.take_sent()[..], [Sent::Cancel(id, _)] if *id == old));
}

#[test]
fn s12_what_is_no_stop_of_the_position_is_refused() {
    let mut bench = active(Shape::SEPARATE);
    let at = |bench: &Bench, trigger: &str, mark: &str, age: i64, symbol: Symbol| Adjustment::MoveStop {
        trigger: price(trigger),
        mark: Mark { symbol, price: price(mark), at: VenueMillis(bench.now() - age) },
    };
    let ours = bench::symbol;
    let wish = at(&bench, "90.01", "150.24", 30_001, ours());
    assert_eq!(refused(&mut bench, wish), AdjustmentRefusal::StaleMark);
    let wish = at(&bench, "90.01", "150.24", 0, Symbol::new("OTHERUSDT"));
    assert_eq!(refused(&mut bench, wish), AdjustmentRefusal::StaleMark);
    for odd in ["90.001", "0", "-1"] {
        let wish = at(&bench, odd, "150.24", 0, ours());
        assert!(matches!(refused(&mut bench, wish), AdjustmentRefusal::Price { .. }), "{odd}");
    }
    for (mark, passes) in [("90.01", false), ("90.02", true)] {
        let wish = at(&bench, "90.01", mark, 30_000, ours());
        if passes {
            adjust(&mut bench.clone(), 5, wish);
        } else {
            assert!(matches!(refused(&mut bench, wish), AdjustmentRefusal::WouldTrigger { .. }), "{mark}");
        }
    }
    let last = bench.position().rungs.last().copied().unwrap();
    let wish = at(&bench, &last.price.to_string(), "150.24", 0, ours());
    assert_eq!(refused(&mut bench, wish), AdjustmentRefusal::RungBeyondStop(last.rung));
}

#[test]
fn i16_a_stop_is_moved_away_within_the_worst_loss_and_nearer_whatever_is_configured() {
    let worst = active(Shape::SEPARATE).position().loss_at(price("90")).unwrap();
    for (more, passes) in [("0", true), ("-0.0001", false)] {
        let most = worst.checked_add(more.parse().unwrap()).unwrap();
        let limits = Limits { max_worst_loss: Some(most), ..Limits::default() };
        let mut bench = under(Shape::SEPARATE, Config { limits, ..Config::default() });
        let what = move_stop(&bench, "90");
        if passes {
            adjust(&mut bench, 10, what);
            assert_eq!(bench.position().stop_price, price("90"));
            let tight = Limits { max_worst_loss: Some("1".parse().unwrap()), ..Limits::default() };
            let mut bench = bench.reborn_under(Config { limits: tight, ..Config::default() });
            let what = move_stop(&bench, "91");
            adjust(&mut bench, 11, what);
            assert_eq!(bench.position().stop_price, price("91"));
        } else {
            let limit = Limit::WorstLoss { most, found: Some(worst) };
            assert_eq!(refused(&mut bench, what), AdjustmentRefusal::Limit(limit));
        }
    }
}

#[test]
fn s12_a_part_is_closed_once_and_stop_and_target_follow() {
    for shape in SHAPES {
        let mut bench = active(shape);
        let (open, average) = (bench.position().exposure(), bench.position().average_entry());
        for _ in 0..2 {
            adjust(&mut bench, 10, Adjustment::ClosePart(qty("0.1")));
        }
        assert_eq!(bench.placed_as(Role::Close), 1);
        settle(&mut bench);
        // Again after the end of the process, and then another one.
        bench = bench.reborn(|_| {});
        bench.feed(InputKind::Started);
        adjust(&mut bench, 10, Adjustment::ClosePart(qty("0.1")));
        settle(&mut bench);
        assert_eq!(bench.placed_as(Role::Close), 0, "{shape:?}");
        adjust(&mut bench, 11, Adjustment::ClosePart(qty("0.05")));
        settle(&mut bench);
        assert_eq!(bench.placed_as(Role::Close), 1, "{shape:?}");
        let left = open.checked_sub(qty("0.15")).unwrap();
        assert_eq!((bench.position().exposure(), bench.position().average_entry()), (left, average));
        for role in [Role::Stop, Role::Target] {
            let resting = resting(&bench, role);
            assert_eq!(resting.len(), 1, "{shape:?} {role}");
            assert!(resting[0].1.is_none_or(|qty| qty == left), "{shape:?} {role} {resting:?}");
        }
        assert_eq!(bench.position().owed(), Qty::ZERO);
    }
}

#[test]
fn s12_a_part_without_an_answer_is_not_closed_again_before_it_is_proven_that_it_was_not() {
    let mut bench = active(Shape::SEPARATE);
    adjust(&mut bench, 10, Adjustment::ClosePart(qty("0.1")));
    let id = bench.latest(Role::Close).id;
    let _ = bench.take_sent();
    bench.forgotten.push(id);
    bench.lose(id, kraite_core::exchange::Cause::Timeout);
    bench.run(3_000, Venue::Forgets, &|_| Reply::Accept);
    assert_eq!(bench.placed_as(Role::Close), 1);
    bench.run(60_000, Venue::Forgets, &|_| Reply::Accept);
    assert_eq!(bench.position().order(id).unwrap().life, Life::Done(Terminal::Absent));
    assert_eq!(bench.placed_as(Role::Close), 2);
    assert_eq!(bench.position().owed(), Qty::ZERO);
}

#[test]
fn s12_a_part_that_is_refused_again_and_again_is_told_and_tried_on() {
    let mut bench = active(Shape::SEPARATE);
    adjust(&mut bench, 10, Adjustment::ClosePart(qty("0.1")));
    for n in 1..=3 {
        let id = bench.latest(Role::Close).id;
        assert!(bench.take_sent().contains(&Sent::Place(id)), "{n}");
        let reject = Reject { kind: RejectKind::Other, code: -1, message: "no".into() };
        bench.feed(InputKind::Outcome(Sent::Place(id), Outcome::Rejected(reject)));
        let at = bench.now() + 9_000;
        bench.turn_to(at);
    }
    assert_eq!(bench.told, [Alert::NeedsAttention]);
    assert_eq!(bench.placed_as(Role::Close), 4);
    assert_eq!(bench.position().phase, Phase::Active);
}

#[test]
fn s12_what_is_no_part_of_the_position_is_refused() {
    let mut bench = active(Shape::SEPARATE);
    let open = bench.position().exposure();
    for odd in ["0", "-0.1", "0.001", "999999"] {
        let why = refused(&mut bench, Adjustment::ClosePart(qty(odd)));
        assert!(matches!(why, AdjustmentRefusal::Qty { .. }), "{odd}");
    }
    assert_eq!(refused(&mut bench, Adjustment::ClosePart(open)), AdjustmentRefusal::TooMuch { qty: open, open });
    // One that is under way counts already.
    let half = open.checked_sub(qty("0.02")).unwrap();
    adjust(&mut bench, 10, Adjustment::ClosePart(half));
    let _ = bench.take_sent();
    let why = refused(&mut bench, Adjustment::ClosePart(qty("0.02")));
    assert_eq!(why, AdjustmentRefusal::TooMuch { qty: qty("0.02"), open: qty("0.02") });
    adjust(&mut bench, 11, Adjustment::ClosePart(qty("0.01")));
    assert_eq!(bench.position().owed(), open.checked_sub(qty("0.01")).unwrap());
}

#[test]
fn s12_a_rung_that_is_dropped_goes_and_what_it_had_filled_stays() {
    for shape in SHAPES {
        let mut bench = active(shape);
        let (loss, stop) = (bench.position().max_loss.unwrap(), bench.position().stop_price);
        adjust(&mut bench, 10, Adjustment::DropRung(2));
        settle(&mut bench);
        bench.run(600_000, Venue::Honest, &|_| Reply::Accept);
        assert_eq!(resting(&bench, Role::Rung(2)), [], "{shape:?}");
        assert_eq!((resting(&bench, Role::Rung(1)).len(), resting(&bench, Role::Rung(3)).len()), (1, 1), "{shape:?}");
        assert_eq!(bench.placed_as(Role::Rung(2)), 1, "{shape:?}");
        assert!(bench.position().max_loss.unwrap() < loss);
        assert_eq!(bench.position().stop_price, stop);
        assert_eq!(refused(&mut bench, Adjustment::DropRung(2)), AdjustmentRefusal::NoSuchRung(2));
        assert_eq!(refused(&mut bench, Adjustment::DropRung(9)), AdjustmentRefusal::NoSuchRung(9));
        bench.fill(Role::Rung(1));
        settle(&mut bench);
        assert_eq!(refused(&mut bench, Adjustment::DropRung(1)), AdjustmentRefusal::NoSuchRung(1));
    }
}

#[test]
fn i16_a_rung_that_is_dropped_counts_as_a_loss_until_nothing_of_it_can_fill() {
    let loss = |bench: &Bench| bench.position().max_loss.unwrap();
    let dropped = || {
        let mut bench = active(Shape::SEPARATE);
        adjust(&mut bench, 10, Adjustment::DropRung(2));
        bench
    };
    let before = loss(&active(Shape::SEPARATE));
    // Its cancellation is on its way: it may fill before that arrives.
    let mut cancelled = dropped();
    assert_eq!(loss(&cancelled), before);
    let mut filled = cancelled.clone();
    filled.fill(Role::Rung(2));
    assert_eq!(loss(&filled), before, "it has filled after all");
    settle(&mut cancelled);
    assert!(loss(&cancelled) < before);
}

fn add_rung(bench: &Bench, at: &str, of: &str) -> Adjustment {
    let mark = Mark { symbol: bench::symbol(), price: price("150.24"), at: VenueMillis(bench.now()) };
    Adjustment::AddRung { price: price(at), qty: qty(of), mark }
}

#[test]
fn s12_a_rung_that_is_added_rests_once_fills_and_moves_the_target() {
    for shape in SHAPES {
        let mut bench = active(shape);
        let (loss, stop) = (bench.position().max_loss.unwrap(), bench.position().stop_price);
        let what = add_rung(&bench, "120", "0.5");
        for _ in 0..2 {
            adjust(&mut bench, 10, what.clone());
        }
        settle(&mut bench);
        bench = bench.reborn(|_| {});
        bench.feed(InputKind::Started);
        adjust(&mut bench, 10, what);
        settle(&mut bench);
        assert_eq!(resting(&bench, Role::Rung(4)), [(Some(price("120")), Some(qty("0.5")))], "{shape:?}");
        assert_eq!(bench.placed_as(Role::Rung(4)), 0, "{shape:?}");
        assert!(bench.position().max_loss.unwrap() > loss);
        assert_eq!(bench.position().stop_price, stop);
        bench.fill(Role::Rung(1));
        settle(&mut bench);
        let before = bench.position().exposure();
        bench.fill(Role::Rung(4));
        settle(&mut bench);
        assert_eq!(bench.position().exposure(), before.checked_add(qty("0.5")).unwrap());
        let target = resting(&bench, Role::Target);
        assert_eq!((target.len(), target[0].0), (1, Some(bench.position().wanted_target(None).unwrap().0)));
        // One that was dropped keeps its number for itself.
        let what = add_rung(&bench, "119", "0.4");
        adjust(&mut bench, 11, what);
        settle(&mut bench);
        adjust(&mut bench, 12, Adjustment::DropRung(5));
        settle(&mut bench);
        let what = add_rung(&bench, "118", "0.3");
        adjust(&mut bench, 13, what);
        settle(&mut bench);
        assert_eq!(resting(&bench, Role::Rung(5)), [], "{shape:?}");
        assert_eq!(resting(&bench, Role::Rung(6)), [(Some(price("118")), Some(qty("0.3")))], "{shape:?}");
    }
}

#[test]
fn s12_what_is_no_rung_of_the_position_is_refused() {
    let mut bench = active(Shape::SEPARATE);
    let stop = bench.position().stop_price;
    let just_before = stop.checked_add(price("0.01")).unwrap();
    for (at, of) in [("150.25", "1"), ("150.24", "1"), ("0", "1"), ("120", "0.01"), ("120", "200000"), ("120", "0")] {
        let what = add_rung(&bench, at, of);
        let why = refused(&mut bench, what);
        assert!(matches!(why, AdjustmentRefusal::Rung { .. }), "{at} {of}: {why}");
    }
    let what = add_rung(&bench, "120.001", "1");
    assert!(matches!(refused(&mut bench, what), AdjustmentRefusal::Price { .. }));
    let what = add_rung(&bench, "120", "1.001");
    assert!(matches!(refused(&mut bench, what), AdjustmentRefusal::Qty { .. }));
    let what = add_rung(&bench, &stop.to_string(), "1");
    assert_eq!(refused(&mut bench, what), AdjustmentRefusal::BeyondStop { price: stop, stop });
    let what = add_rung(&bench, &just_before.to_string(), "1");
    adjust(&mut bench.clone(), 5, what);
    // The market stands below it.
    let mark = Mark { symbol: bench::symbol(), price: price("140"), at: VenueMillis(bench.now()) };
    let what = |at: &str| Adjustment::AddRung { price: price(at), qty: qty("1"), mark: mark.clone() };
    let why = AdjustmentRefusal::WouldFill { price: price("140"), mark: price("140") };
    assert_eq!(refused(&mut bench, what("140")), why);
    adjust(&mut bench.clone(), 5, what("139.99"));
    let stale = Mark { at: VenueMillis(bench.now() - 30_001), ..mark };
    let what = Adjustment::AddRung { price: price("120"), qty: qty("1"), mark: stale };
    assert_eq!(refused(&mut bench, what), AdjustmentRefusal::StaleMark);
    for n in 4..=31 {
        let what = add_rung(&bench, "120", "0.1");
        adjust(&mut bench, n, what);
    }
    let what = add_rung(&bench, "120", "0.1");
    let _ = bench.take_sent();
    assert_eq!(refused(&mut bench, what), AdjustmentRefusal::TooManyRungs);
    assert_eq!(bench.position().rungs.len(), 31);
}

#[test]
fn i16_a_rung_is_added_within_the_limits_and_not_while_new_exposure_is_halted() {
    let mut worst = active(Shape::SEPARATE);
    let what = add_rung(&worst, "120", "0.5");
    adjust(&mut worst, 10, what);
    settle(&mut worst);
    let worst = worst.position().max_loss.unwrap();
    for (more, passes) in [("0", true), ("-0.0001", false)] {
        let most = worst.checked_add(more.parse().unwrap()).unwrap();
        let limits = Limits { max_worst_loss: Some(most), ..Limits::default() };
        let mut bench = under(Shape::SEPARATE, Config { limits, ..Config::default() });
        let what = add_rung(&bench, "120", "0.5");
        if passes {
            adjust(&mut bench, 10, what);
            settle(&mut bench);
            assert_eq!(resting(&bench, Role::Rung(4)).len(), 1);
        } else {
            let limit = Limit::WorstLoss { most, found: Some(worst) };
            assert_eq!(refused(&mut bench, what), AdjustmentRefusal::Limit(limit));
        }
    }
    let limits = Limits { max_order_notional: Some("59.99".parse().unwrap()), ..Limits::default() };
    let mut bench = active(Shape::SEPARATE).reborn_under(Config { limits, ..Config::default() });
    let what = add_rung(&bench, "120", "0.5");
    let why = refused(&mut bench, what);
    assert!(matches!(why, AdjustmentRefusal::Limit(Limit::OrderNotional { .. })), "{why}");
    let mut bench = active(Shape::SEPARATE);
    bench.command(50, Command::Halt);
    let what = add_rung(&bench, "120", "0.5");
    assert_eq!(refused(&mut bench, what), AdjustmentRefusal::NewExposureHalted);
    let mut lost = active(Shape::SEPARATE).reborn(|state| state.quarantined = true);
    let what = add_rung(&lost, "120", "0.5");
    assert_eq!(refused(&mut lost, what), AdjustmentRefusal::Quarantined);
}

#[test]
fn s12_a_target_that_is_aimed_elsewhere_moves_and_so_do_those_after_it() {
    for shape in SHAPES {
        let mut bench = active(shape);
        let before = resting(&bench, Role::Target)[0].0.unwrap();
        adjust(&mut bench, 10, Adjustment::Retarget("1".parse().unwrap()));
        settle(&mut bench);
        let aimed = resting(&bench, Role::Target);
        let wanted = |bench: &Bench| bench.position().wanted_target(None).unwrap().0;
        assert_eq!((aimed.len(), aimed[0].0), (1, Some(wanted(&bench))), "{shape:?}");
        assert!(aimed[0].0.unwrap() > before);
        bench.fill(Role::Rung(1));
        settle(&mut bench);
        let after = resting(&bench, Role::Target);
        assert_eq!((after.len(), after[0].0), (1, Some(wanted(&bench))), "{shape:?}");
        let average = bench.position().average_entry().unwrap();
        assert!(after[0].0.unwrap() > average.shifted_by("0.99".parse().unwrap()).unwrap(), "{shape:?}");
        let none = Adjustment::Retarget("0".parse().unwrap());
        assert!(matches!(refused(&mut bench, none), AdjustmentRefusal::NoTarget(_)));
    }
}

#[test]
fn s12_a_target_that_is_held_keeps_its_price_and_follows_in_size_until_it_is_released() {
    for shape in SHAPES {
        let mut bench = active(shape);
        let held = resting(&bench, Role::Target)[0].0;
        adjust(&mut bench, 10, Adjustment::HoldTarget);
        settle(&mut bench);
        bench.fill(Role::Rung(1));
        settle(&mut bench);
        let resting_now = resting(&bench, Role::Target);
        assert_eq!((resting_now.len(), resting_now[0].0), (1, held), "{shape:?}");
        assert!(resting_now[0].1.is_none_or(|qty| qty == bench.position().exposure()), "{shape:?}");
        let why = refused(&mut bench, Adjustment::Retarget("1".parse().unwrap()));
        assert_eq!(why, AdjustmentRefusal::TargetHeld);
        adjust(&mut bench, 11, Adjustment::ReleaseTarget);
        settle(&mut bench);
        let wanted = bench.position().wanted_target(None).unwrap().0;
        let released = resting(&bench, Role::Target);
        assert_eq!((released.len(), released[0].0), (1, Some(wanted)), "{shape:?}");
        assert!(Some(wanted) < held, "{shape:?}");
    }
}

#[test]
fn s12_only_an_active_position_that_is_not_halted_is_changed() {
    let all = |bench: &Bench| {
        [
            move_stop(bench, "90.01"),
            Adjustment::ClosePart(qty("0.1")),
            Adjustment::DropRung(1),
            Adjustment::Retarget("1".parse().unwrap()),
            Adjustment::HoldTarget,
            Adjustment::ReleaseTarget,
            add_rung(bench, "120", "0.5"),
        ]
    };
    let bench = active(Shape::SEPARATE);
    for what in all(&bench) {
        let mut halted = bench.reborn(|state| state.positions.values_mut().for_each(|p| p.halted = true));
        assert_eq!(refused(&mut halted, what.clone()), AdjustmentRefusal::Halted);
        for phase in [Phase::New, Phase::Opening, Phase::Closing, Phase::Closed, Phase::Cancelled, Phase::Failed] {
            let mut other = bench.reborn(|state| state.positions.values_mut().for_each(|p| p.phase = phase));
            let _ = other.take_sent();
            let no = other.no();
            other.command(99, Command::Adjust(no, what.clone()));
            let why = other.events().find_map(|event| match event {
                Event::CommandRefused(CommandRefusal::Adjustment(_, why)) => Some(why.clone()),
                _ => None,
            });
            assert_eq!(why, Some(AdjustmentRefusal::NotActive), "{phase:?}");
        }
        let mut nobody = Bench::new(Shape::SEPARATE);
        let no = bench.no();
        nobody.command(99, Command::Adjust(no, what));
        let refusal = Event::CommandRefused(CommandRefusal::NoSuchPosition(no));
        assert_eq!(nobody.events().next_back(), Some(&refusal));
    }
}

#[test]
fn s12_a_stop_that_was_moved_past_filled_rungs_stays_there_when_the_rules_change() {
    let mut bench = active(Shape::SEPARATE);
    for rung in [1, 2, 3] {
        bench.fill(Role::Rung(rung));
        settle(&mut bench);
    }
    let what = move_stop(&bench, "140.03");
    adjust(&mut bench, 10, what);
    settle(&mut bench);
    adjust(&mut bench, 11, Adjustment::ClosePart(qty("0.1")));
    let id = bench.latest(Role::Close).id;
    let _ = bench.take_sent();
    bench.refuse(id, RejectKind::Filter);
    let mut coarse = bench.position().request.instrument.clone();
    coarse.tick = price("0.05");
    bench.feed(InputKind::Answer(Answer::Rules(bench::symbol(), Ok(Box::new(coarse)))));
    assert_eq!(bench.position().stop_price, price("140"));
    assert_eq!(resting(&bench, Role::Stop), [(Some(price("140.03")), None)], "what rests stays");
}
