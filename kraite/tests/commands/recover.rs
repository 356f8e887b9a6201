//! `kraite recover` as a process: a journal is lost, and rebuilt from what the emulator of an exchange shows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "processes are waited for on the wall's clock")]

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::stage::{PATIENCE, Running, Stage, VENUE_ACCOUNT, kraite, open, until};
use kraite_core::exchange::{Direction, OrderShape, Purpose, ReportStatus, Side};
use kraite_core::id::{
    AccountTag, Attempt, ClientOrderId, Epoch, LogicalOrder, OrderKey, PositionNo, Revision, Role, Symbol, VenueOrderId,
};
use kraite_core::number::Price;
use kraite_core::time::{Millis, VenueMillis};
use kraite_sim::venue::{Venue, Wish};
use rustix::process::Signal;
use serde_json::{Value, json};

const SHOW: [&str; 3] = ["recover", "--from-exchange", "--json"];
const WRITE: [&str; 4] = ["recover", "--from-exchange", "--write", "--json"];

fn venue_account() -> AccountTag {
    AccountTag::new(VENUE_ACCOUNT).unwrap()
}

fn sol() -> Symbol {
    Symbol::new("SOLUSDT")
}

fn command(stage: &Stage, args: &[&str]) -> (i32, String) {
    let output = kraite(stage.folder.path(), args).stdin(Stdio::null()).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    (output.status.code().unwrap(), format!("{out}{err}"))
}

/// The code and what was found.
#[track_caller]
fn recovers(stage: &Stage, args: &[&str]) -> (i32, Value) {
    let output = kraite(stage.folder.path(), args).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let shown = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text}\n{}", String::from_utf8_lossy(&output.stderr));
    });
    (output.status.code().unwrap(), shown)
}

/// One account of what was found.
fn of<'a>(shown: &'a Value, name: &str) -> &'a Value {
    shown["accounts"].as_array().unwrap().iter().find(|account| account["account"] == name).unwrap()
}

/// Opens a position on each account, and has it killed and its journal lost once each is complete.
fn opened_and_lost(stage: &Stage) {
    let mut run = stage.run();
    for (id, (name, _)) in (1..).zip(&stage.emulators) {
        run.opens(id, name);
    }
    let active = || command(stage, &["status", "--journal", "j", "--json"]).1.matches("\"active\"").count();
    until("active", || active() == stage.emulators.len());
    run.kill(Signal::KILL);
    lose(stage);
}

fn lose(stage: &Stage) {
    for file in ["j", "j-wal", "j-shm"] {
        let _ = std::fs::remove_file(stage.folder.path().join(file));
    }
}

fn by_hand<T>(stage: &Stage, name: &str, act: impl FnOnce(&mut Venue, VenueMillis) -> T) -> T {
    let emulator = stage.emulator(name);
    let now = VenueMillis(emulator.clock().now().0);
    emulator.with_venue(|venue| act(venue, now))
}

/// A client order id of kraite's.
fn named(tag: u32, no: u32, role: Role) -> ClientOrderId {
    ClientOrderId::encode(&OrderKey {
        account: AccountTag::new(tag).unwrap(),
        position: PositionNo::new(no).unwrap(),
        logical: LogicalOrder { role, revision: Revision::default() },
        attempt: Attempt::default(),
        epoch: Epoch::new(1_000).unwrap(),
    })
}

/// A LIMIT order of one SOL under that id.
fn place(venue: &mut Venue, now: VenueMillis, id: ClientOrderId, price: &str) {
    let wish = Wish {
        account: venue_account(),
        name: id.to_string().into(),
        symbol: sol(),
        side: Side::Buy,
        direction: Direction::Long,
        purpose: Purpose::Open,
        shape: OrderShape::Limit { price: price.parse().unwrap(), qty: "1".parse().unwrap() },
    };
    venue.place_named(wish, now).unwrap();
}

/// The venue's ids of what is open in a role.
fn ids_of(stage: &Stage, name: &str, role: Role) -> Vec<VenueOrderId> {
    by_hand(stage, name, |venue, _| {
        let open = venue.open(venue_account());
        let of = open.filter(|order| order.client_id().is_some_and(|id| id.role() == role));
        of.map(|order| order.id.venue_id()).collect()
    })
}

fn stops(stage: &Stage, name: &str) -> usize {
    by_hand(stage, name, |venue, _| {
        venue.open(venue_account()).filter(|order| matches!(order.shape, OrderShape::StopMarket { .. })).count()
    })
}

/// Where the targets that rest would trigger. One protocol holds both legs under one name of its own.
fn targets(stage: &Stage, name: &str) -> Vec<Price> {
    by_hand(stage, name, |venue, _| {
        let open = venue.open(venue_account());
        let of = open.filter(|order| matches!(order.shape, OrderShape::TakeProfitMarket { .. }));
        of.filter_map(|order| order.shape.price()).collect()
    })
}

/// How many of a role there ever were, with that status.
fn ever(stage: &Stage, name: &str, role: Role, status: ReportStatus) -> usize {
    stage.ids_ever(name).iter().filter(|(of, is)| (*of, *is) == (role, status)).count()
}

#[track_caller]
fn refused_to_open(run: &mut Running, id: u64, account: &str) -> String {
    let began = Instant::now();
    loop {
        run.says(&open(id, account));
        let answer = run.answers();
        let error = answer["error"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        if !error.contains("may be given again") {
            return error;
        }
        assert!(began.elapsed() < PATIENCE, "{error}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn r02_a_lost_journal_is_rebuilt_on_each_protocol_and_the_next_run_goes_on_and_places_nothing_twice() {
    let stage = Stage::new();
    opened_and_lost(&stage);
    let (code, shown) = recovers(&stage, &SHOW);
    assert_eq!(code, 0, "{shown:#}");
    assert!(!stage.folder.path().join("j").exists(), "nothing is written without --write");
    assert!(!shown.to_string().contains("KRAITE_SECRET"));
    for (name, _) in &stage.emulators {
        let account = of(&shown, name);
        assert_eq!(account["positions"].as_array().unwrap().len(), 1, "{account:#}");
        let position = &account["positions"][0];
        assert_eq!((&position["verdict"], &position["plan"]), (&"rebuilt".into(), &"p".into()), "{account:#}");
        assert_eq!((&position["position"], &position["direction"]), (&1.into(), &"LONG".into()));
        assert_eq!(position["exposure"], position["exchange_shows"]);
        assert_eq!((&position["protected"], &position["why"]), (&true.into(), &json!([])));
        let resting = |role: &str| {
            let orders = position["orders"].as_array().unwrap();
            orders.iter().filter(|o| o["role"].as_str().unwrap().starts_with(role) && o["state"] == "rests").count()
        };
        assert_eq!((resting("rung"), resting("target"), resting("stop")), (4, 1, 1), "{position:#}");
        assert!(position["unknown"].to_string().contains("margin and leverage"));
        assert_eq!((&account["foreign_exposure"], &account["foreign_orders"]), (&json!([]), &json!([])));
    }
    let before: Vec<_> = stage.emulators.iter().map(|(name, _)| stage.ids_ever(name)).collect();
    let (code, shown) = recovers(&stage, &WRITE);
    assert_eq!(code, 0, "{shown:#}");
    assert!(stage.emulators.iter().all(|(name, _)| of(&shown, name)["written"].as_u64().unwrap() > 2), "{shown:#}");
    let written = command(&stage, &["inspect", "j", "--json"]);
    // A second time writes nothing over.
    let (code, again) = recovers(&stage, &WRITE);
    assert_eq!(code, 10, "{again:#}");
    assert!(of(&again, "apart")["refused"].as_str().unwrap().contains("kraite run restores it from them"));
    assert_eq!(command(&stage, &["inspect", "j", "--json"]), written);

    let mut run = stage.run();
    until("restored", || run.times_told("restored: 1 position,") == 3);
    assert!(refused_to_open(&mut run, 9, "apart").contains("position 1 on the contract is not finished"));
    std::thread::sleep(Duration::from_secs(2));
    for ((name, _), before) in stage.emulators.iter().zip(&before) {
        assert_eq!(&stage.ids_ever(name), before, "{name}: what was rebuilt places nothing");
        // A rung fills, and the target follows.
        let exposed = || by_hand(&stage, name, |venue, _| venue.position(venue_account(), &sol(), Direction::Long));
        let held = exposed();
        stage.price(name, "137");
        until("a rung filled", || exposed() > held);
        until(&format!("{name} re-protected"), || stops(&stage, name) == 1 && targets(&stage, name).len() == 1);
    }
    until("re-priced", || ever(&stage, "apart", Role::Target, ReportStatus::Cancelled) == 1);
    assert_eq!(ever(&stage, "apart", Role::Target, ReportStatus::New), 1);
    let status = command(&stage, &["status", "--journal", "j", "--json"]).1;
    assert_eq!(status.matches("\"halted\": true").count(), 3, "whether it was halted is unknown: {status}");
    for args in [&["explain", "1", "--account", "1", "--journal", "j"][..], &["replay", "j"]] {
        let (code, told) = command(&stage, args);
        assert_eq!(code, 0, "{told}");
        let says =
            ["found at the exchange by kraite recover", "stop: found at the exchange as", "leverage are unknown"];
        assert!(args[0] == "replay" || says.iter().all(|words| told.contains(words)), "{told}");
    }
    assert_eq!(command(&stage, &["resume"]).0, 0);
    assert_eq!(command(&stage, &["flatten", "all"]).0, 0);
    for (name, _) in &stage.emulators {
        until("flat", || stage.open(name) == (0, 0));
        assert_eq!(ever(&stage, name, Role::Entry, ReportStatus::Filled), 1, "{name}");
    }
    // The next one has a number beyond every one that was seen.
    let began = Instant::now();
    loop {
        let answer = run.opens(20, "apart");
        if answer["position"] == 2 {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{answer}");
    }
    until("protected", || stage.is_protected("apart"));
    run.kill(Signal::INT);
    assert_eq!(command(&stage, &["replay", "j"]).0, 0);
}

#[test]
fn r99_what_is_not_ours_is_told_apart_and_blocks_its_contract_alone() {
    let stage = Stage::of(&["apart", "classic"]);
    opened_and_lost(&stage);
    let eth = Symbol::new("ETHUSDT");
    for (name, _) in &stage.emulators {
        by_hand(&stage, name, |venue, now| {
            let (who, long, add) = (venue_account(), Direction::Long, Purpose::Open);
            venue.user_limit(who, &sol(), long, add, "90".parse().unwrap(), "1".parse().unwrap(), now).unwrap();
            venue.user_market(who, &eth, long, add, "0.5".parse().unwrap(), now).unwrap();
            place(venue, now, named(77, 3, Role::Rung(2)), "80");
        });
    }
    let before: Vec<_> = stage.emulators.iter().map(|(name, _)| stage.open(name)).collect();
    // One account is written first, and is left as it is when all are asked for.
    let (code, shown) = recovers(&stage, &["recover", "--from-exchange", "--account", "apart", "--write", "--json"]);
    assert_eq!((code, shown["accounts"].as_array().unwrap().len()), (0, 1), "{shown:#}");
    for (args, ends, written) in [(&SHOW[..], 0, false), (&WRITE, 10, true)] {
        let (code, shown) = recovers(&stage, args);
        assert_eq!((code, of(&shown, "classic")["written"].is_u64()), (ends, written), "{shown:#}");
        assert_eq!(of(&shown, "apart")["written"], json!(null));
        for (name, _) in &stage.emulators {
            let account = of(&shown, name);
            assert_eq!(account["positions"][0]["verdict"], "rebuilt", "{account:#}");
            let exposure = &account["foreign_exposure"];
            assert_eq!((&exposure[0]["symbol"], &exposure[0]["qty"]), (&"ETHUSDT".into(), &"0.5".into()));
            let orders = account["foreign_orders"].as_array().unwrap();
            let of_tag = |tag: Value| orders.iter().find(|order| order["tag"] == tag).unwrap();
            let order = of_tag(Value::Null);
            assert_eq!(
                (&order["symbol"], &order["price"], &order["tag"]),
                (&"SOLUSDT".into(), &"90".into(), &json!(null))
            );
            assert!(order["id"].as_str().unwrap().contains("web_"), "{order}");
            assert_eq!(of_tag(77.into())["price"], "80", "{account:#}");
        }
    }
    let mut run = stage.run();
    until("restored", || run.times_told("restored: 1 position,") == 2);
    assert_eq!(command(&stage, &["resume"]).0, 0);
    // On the contract with foreign exposure nothing of ours is opened (R30).
    run.says(&json!({ "id": 5, "account": "apart", "open": "ETHUSDT", "direction": "long", "plan": "p" }));
    assert!(run.answers()["position"].is_u64());
    until("given up", || run.was_told("already shows a position or an order on the contract"));
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(stage.emulators.iter().map(|(name, _)| stage.open(name)).collect::<Vec<_>>(), before);
    run.kill(Signal::INT);
}

#[test]
fn r104_a_position_without_its_stop_is_declared_and_left_alone_until_a_human_ends_it() {
    let stage = Stage::of(&["apart", "classic"]);
    opened_and_lost(&stage);
    for (name, _) in &stage.emulators {
        let stop = ids_of(&stage, name, Role::Stop).remove(0);
        by_hand(&stage, name, |venue, now| venue.user_cancel(&stop, now)).unwrap();
    }
    let before: Vec<_> = stage.emulators.iter().map(|(name, _)| stage.ids_ever(name)).collect();
    let (code, shown) = recovers(&stage, &WRITE);
    assert_eq!(code, 5, "{shown:#}");
    for (name, _) in &stage.emulators {
        let position = &of(&shown, name)["positions"][0];
        assert_eq!((&position["verdict"], &position["protected"]), (&"left_alone".into(), &false.into()), "{shown:#}");
        assert!(position["why"].to_string().contains("NOT PROTECTED"), "{position:#}");
    }
    let told = command(&stage, &["recover", "--from-exchange"]).1;
    assert!(told.contains("LEFT ALONE") && told.contains("kraite run needs no recovery"), "{told}");
    let mut run = stage.run();
    until("restored", || run.times_told("restored: ") == 2);
    assert_eq!(command(&stage, &["resume"]).0, 0);
    assert!(refused_to_open(&mut run, 3, "apart").contains("position 1 on the contract is not finished"));
    std::thread::sleep(Duration::from_secs(2));
    for ((name, _), before) in stage.emulators.iter().zip(&before) {
        assert_eq!(&stage.ids_ever(name), before, "{name}: it is left as it is");
    }
    assert!(!run.was_told("Quarantined") && !run.was_told("Invariant"), "{}", run.told.lock().unwrap());
    for (name, _) in &stage.emulators {
        let (code, told) = command(&stage, &["flatten", &format!("{name}/1")]);
        assert_eq!(code, 0, "{told}");
        until("flat", || stage.open(name) == (0, 0));
    }
    until("the contract is free", || run.opens(30, "apart")["position"] == 2);
    run.kill(Signal::INT);
}

#[test]
fn r91_exposure_that_is_not_what_our_fills_leave_and_orders_that_nothing_belongs_to_are_declared() {
    let stage = Stage::of(&["apart", "classic"]);
    opened_and_lost(&stage);
    let (who, long) = (venue_account(), Direction::Long);
    // Somebody adds to the one, and takes the other off by hand.
    by_hand(&stage, "apart", |venue, now| {
        venue.user_market(who, &sol(), long, Purpose::Open, "0.1".parse().unwrap(), now).unwrap();
    });
    by_hand(&stage, "classic", |venue, now| {
        let all = venue.position(who, &sol(), long);
        venue.user_market(who, &sol(), long, Purpose::Close, all, now).unwrap();
    });
    by_hand(&stage, "apart", |venue, now| place(venue, now, named(1, 9, Role::Rung(1)), "90"));
    let (code, shown) = recovers(&stage, &WRITE);
    assert_eq!(code, 5, "{shown:#}");
    let nine = &of(&shown, "apart")["positions"][1];
    assert_eq!((&nine["position"], &nine["verdict"]), (&9.into(), &"left_alone".into()), "{shown:#}");
    let (apart, classic) = (&of(&shown, "apart")["positions"][0], &of(&shown, "classic")["positions"][0]);
    assert_eq!((&apart["verdict"], &classic["verdict"]), (&"left_alone".into(), &"orphaned".into()), "{shown:#}");
    assert!(apart["why"].to_string().contains("and the exchange shows"), "{apart:#}");
    let before = stage.ids_ever("apart");
    let run = stage.run();
    until("restored", || run.times_told("restored: ") == 2);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(stage.ids_ever("apart"), before);
    assert!(!run.was_told("does not know: nothing is opened"), "{}", run.told.lock().unwrap());
    assert_eq!(command(&stage, &["flatten", "classic/1"]).0, 0);
    until("clean", || stage.open("classic") == (0, 0));
    run.kill(Signal::INT);
}

#[test]
fn r81_a_fill_that_nobody_saw_is_found_and_its_target_follows_after_the_rebuild() {
    let stage = Stage::new();
    opened_and_lost(&stage);
    for (name, _) in &stage.emulators {
        stage.price(name, "137");
        let filled = || ever(&stage, name, Role::Rung(1), ReportStatus::Filled) == 1;
        until("a rung filled", filled);
    }
    let (code, shown) = recovers(&stage, &WRITE);
    assert_eq!(code, 0, "{shown:#}");
    let before: Vec<_> = stage.emulators.iter().map(|(name, _)| targets(&stage, name)[0]).collect();
    let run = stage.run();
    for ((name, _), before) in stage.emulators.iter().zip(before) {
        let follows = || {
            let targets = targets(&stage, name);
            targets.len() == 1 && targets[0] < before && stops(&stage, name) == 1
        };
        until(&format!("the target of {name} follows"), follows);
        assert_eq!(ever(&stage, name, Role::Rung(1), ReportStatus::Filled), 1, "{name}");
    }
    run.kill(Signal::KILL);
    // Lost once more, after the target was changed or written over.
    lose(&stage);
    let before: Vec<_> = stage.emulators.iter().map(|(name, _)| stage.ids_ever(name)).collect();
    let (code, shown) = recovers(&stage, &WRITE);
    assert_eq!(code, 0, "{shown:#}");
    let run = stage.run();
    until("restored", || run.times_told("restored: 1 position,") == 3);
    std::thread::sleep(Duration::from_secs(2));
    for ((name, _), before) in stage.emulators.iter().zip(before) {
        assert_eq!(stage.ids_ever(name), before, "{name}");
    }
    run.kill(Signal::INT);
}

#[test]
fn r10_an_entry_of_weeks_ago_is_found_and_one_that_the_exchange_does_not_know_any_more_is_said_to_be() {
    let stage = Stage::of(&["apart", "classic"]);
    opened_and_lost(&stage);
    let later = |days: i64| {
        for (name, emulator) in &stage.emulators {
            emulator.clock().advance(Millis::from_secs(days * 86_400));
            stage.price(name, "150.237");
        }
    };
    later(30);
    let (code, shown) = recovers(&stage, &SHOW);
    assert_eq!(code, 0, "{shown:#}");
    for (name, _) in &stage.emulators {
        assert_eq!(of(&shown, name)["positions"][0]["verdict"], "rebuilt", "{shown:#}");
    }
    later(90);
    let (code, shown) = recovers(&stage, &SHOW);
    assert_eq!(code, 5, "{shown:#}");
    for (name, _) in &stage.emulators {
        let position = &of(&shown, name)["positions"][0];
        assert_eq!((&position["verdict"], &position["protected"]), (&"left_alone".into(), &true.into()), "{shown:#}");
        assert!(position["why"].to_string().contains("its entry is not told any more"), "{position:#}");
    }
}

#[test]
fn r80_a_short_position_and_a_target_that_rests_in_the_book_are_rebuilt_as_well() {
    let stage = Stage::of(&["apart"]);
    let text =
        stage.text().replace("[plans.short]\nshare = \"1\"\n", "[plans.short]\nshare = \"5\"\ntarget = \"limit\"\n");
    std::fs::write(stage.config(), text).unwrap();
    let mut run = stage.run();
    let mut line = open(1, "apart");
    (line["direction"], line["plan"]) = ("short".into(), "short".into());
    until("opened", || {
        run.says(&line);
        run.answers()["position"].is_u64()
    });
    until("active", || command(&stage, &["status", "--journal", "j", "--json"]).1.contains("\"active\""));
    run.kill(Signal::KILL);
    lose(&stage);
    stage.price("apart", "165");
    let (code, shown) = recovers(&stage, &WRITE);
    assert_eq!(code, 0, "{shown:#}");
    let position = &of(&shown, "apart")["positions"][0];
    assert_eq!((&position["direction"], &position["plan"]), (&"SHORT".into(), &"short".into()), "{shown:#}");
    let rests = || {
        by_hand(&stage, "apart", |venue, _| {
            let mut open = venue.open(venue_account());
            open.find(|order| order.client_id().is_some_and(|id| id.role() == Role::Target))
                .and_then(|o| o.shape.price())
        })
    };
    let before = rests();
    let run = stage.run();
    until("the target follows", || rests() > before);
    assert_eq!(ids_of(&stage, "apart", Role::Target).len(), 1, "it is amended in place");
    run.kill(Signal::INT);
}

#[test]
fn r69_positions_that_stop_or_target_took_off_are_finished_and_their_numbers_are_not_used_again() {
    let stage = Stage::new();
    let mut run = stage.run();
    for (id, (name, _)) in (1..).zip(&stage.emulators) {
        run.opens(id, name);
    }
    for (at, (name, _)) in stage.emulators.iter().enumerate() {
        until(&format!("{name} protected"), || stage.is_protected(name));
        stage.price(name, if at == 1 { "60" } else { "160" });
        until("flat", || stage.open(name) == (0, 0));
    }
    run.kill(Signal::KILL);
    lose(&stage);
    let text = stage.text();
    let text = text.replace("network = ", "symbols = [\"SOLUSDT\"]\nnetwork = ");
    std::fs::write(stage.config(), text).unwrap();
    let (code, shown) = recovers(&stage, &WRITE);
    assert_eq!(code, 0, "{shown:#}");
    for (name, _) in &stage.emulators {
        let account = of(&shown, name);
        assert_eq!((&account["positions"], &account["finished"]), (&json!([]), &json!([1])), "{account:#}");
    }
    let mut run = stage.run();
    until("restored", || run.times_told("restored: 0 positions,") == 3);
    assert!(refused_to_open(&mut run, 5, "apart").contains("new exposure is halted"));
    assert_eq!(command(&stage, &["resume"]).0, 0);
    for (id, (name, _)) in (10..).zip(&stage.emulators) {
        assert_eq!(run.opens(id, name)["position"], 2, "{name}");
    }
    run.kill(Signal::INT);
}

#[test]
fn s12_killed_at_any_instant_a_recovery_leaves_no_journal_or_a_whole_one() {
    let stage = Stage::of(&["apart"]);
    opened_and_lost(&stage);
    // As long as one takes that nobody kills.
    let began = Instant::now();
    assert_eq!(recovers(&stage, &WRITE).0, 0);
    let takes = began.elapsed();
    lose(&stage);
    let mut whole = 0;
    for round in 0..14u32 {
        let mut child = kraite(stage.folder.path(), &WRITE).stdin(Stdio::null()).spawn().unwrap();
        // Most of it is waiting; what counts is at the end.
        std::thread::sleep(takes / 100 * (80 + 2 * round));
        let _ = child.kill();
        child.wait().unwrap();
        let records = match stage.folder.path().join("j").exists() {
            false => 0,
            true => {
                let (code, told) = command(&stage, &["inspect", "j", "--json"]);
                assert_eq!(code, 0, "{told}");
                let status = serde_json::from_str::<Value>(&command(&stage, &["status", "--journal", "j", "--json"]).1);
                let status = status.unwrap();
                let positions = status["accounts"].as_array().unwrap().iter().map(|account| &account["positions"]);
                positions
                    .map(|positions| {
                        assert_eq!(positions[0]["status"], "active", "{positions:#}");
                        1
                    })
                    .sum()
            }
        };
        whole += records;
        if records > 0 {
            lose(&stage);
        }
    }
    println!("{whole} of 14 were whole after {takes:?}");
    let (code, shown) = recovers(&stage, &WRITE);
    assert_eq!(code, 0, "{shown:#}");
    let before = stage.ids_ever("apart");
    let run = stage.run();
    until("restored", || run.times_told("restored: 1 position,") == 1);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(stage.ids_ever("apart"), before);
    run.kill(Signal::INT);
}

#[test]
fn what_is_asked_wrongly_or_cannot_be_done_is_told_and_changes_nothing() {
    let stage = Stage::of(&["apart"]);
    for (args, says) in [
        (&["recover"][..], "--from-exchange"),
        (&["recover", "--from-exchange", "--account", "nobody"], "there is no account `nobody`"),
        (&["recover", "--from-exchange", "--plan", "q"], "there is no plan `q`; there are: p, short"),
        (&["recover", "--from-exchange", "--plan", "1=p"], "name it with --account"),
        (&["recover", "--from-exchange", "--account", "apart", "--plan", "x=p"], "no number of a position"),
    ] {
        let (code, told) = command(&stage, args);
        assert!(code == 2 && told.contains(says), "{args:?}: {code} {told}");
    }
    let (code, told) = command(&stage, &["recover", "--from-exchange", "--write"]);
    assert!(code == 0 && told.contains("nothing of ours is seen"), "{told}");
    assert!(!stage.folder.path().join("j").exists());
    let mut run = stage.run();
    run.opens(1, "apart");
    until("protected", || stage.is_protected("apart"));
    let (code, told) = command(&stage, &["recover", "--from-exchange", "--write"]);
    assert!(code == 7 && told.contains("another process works on this journal"), "{told}");
    // Beside a run it may look.
    let (code, told) = command(&stage, &["recover", "--from-exchange"]);
    assert!(code == 0 && told.contains("kraite run needs no recovery"), "{told}");
    run.kill(Signal::KILL);
    lose(&stage);
    // Another plan than the one it was opened by is told, and taken where it is named.
    let other = stage.text().replace("margin = \"100\"", "margin = \"100\"\nprofit = \"2\"");
    let other = other.replace("[plans.short]\nshare = \"1\"\n", "");
    std::fs::write(stage.config(), &other).unwrap();
    let (code, shown) = recovers(&stage, &SHOW);
    let why = of(&shown, "apart")["positions"][0]["why"].to_string();
    assert!(code == 5 && why.contains("no plan of the configuration has its target at"), "{shown:#}");
    let (code, shown) = recovers(&stage, &["recover", "--from-exchange", "--json", "--plan", "p"]);
    let position = &of(&shown, "apart")["positions"][0];
    assert!(code == 0 && position["unknown"].to_string().contains("stays until the next fill"), "{shown:#}");
    let http = stage.emulator("apart").http();
    std::fs::write(stage.config(), other.replace(&http, "http://127.0.0.1:9")).unwrap();
    let (code, shown) = recovers(&stage, &WRITE);
    assert!(code == 4 && of(&shown, "apart")["refused"].is_string(), "{shown:#}");
    assert!(!stage.folder.path().join("j").exists());
}
