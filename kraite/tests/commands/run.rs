//! `kraite run` as a process: accounts on emulators, signals, the control socket, SIGKILL, and what is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "processes are waited for on the wall's clock")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::stage::{PATIENCE, Running, Stage, kraite, open, until};
use kraite_core::exchange::{Direction, OrderShape, Purpose, ReportStatus};
use kraite_core::id::{AccountTag, Role, Symbol};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::{Value, json};

#[test]
fn s04_s12_three_accounts_are_opened_killed_adopted_and_closed_and_nothing_is_there_twice() {
    let stage = Stage::new();
    let mut run = stage.run();
    for (id, (name, _)) in (1..).zip(&stage.emulators) {
        assert_eq!(run.opens(id, name)["repeated"], Value::Null);
    }
    for (name, _) in &stage.emulators {
        until("protected", || stage.is_protected(name));
    }
    let before: Vec<_> = stage.emulators.iter().map(|(name, _)| stage.ids_ever(name)).collect();
    assert_eq!(run.kill(Signal::KILL).0, None);

    let mut run = stage.run();
    for (id, (name, _)) in (1..).zip(&stage.emulators) {
        assert_eq!(run.opens(id, name)["repeated"], true);
    }
    for ((name, _), before) in stage.emulators.iter().zip(&before) {
        assert!(stage.is_protected(name), "{name}");
        assert_eq!(&stage.ids_ever(name), before, "{name}: a restart places nothing");
    }
    // A rung fills, and the target follows.
    stage.price("apart", "137");
    let targets = |status| move |(role, is): &&(Role, ReportStatus)| *role == Role::Target && *is == status;
    until("re-priced", || {
        let orders = stage.ids_ever("apart");
        orders.iter().filter(targets(ReportStatus::Cancelled)).count() == 1
            && orders.iter().filter(targets(ReportStatus::New)).count() == 1
    });
    let mut socket = UnixStream::connect(stage.folder.path().join("j.sock")).unwrap();
    let mut answers = BufReader::new(socket.try_clone().unwrap());
    for (name, _) in &stage.emulators {
        writeln!(socket, "{}", json!({ "id": 10, "account": name, "close": "SOLUSDT" })).unwrap();
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["taken"], true, "{line}");
    }
    for (name, _) in &stage.emulators {
        until("closed", || stage.open(name) == (0, 0));
        assert_eq!(stage.ids_ever(name).iter().filter(|(role, _)| *role == Role::Entry).count(), 1, "{name}");
    }
    let (code, told) = run.kill(Signal::INT);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("restored: 1 position,"), "{told}");
    assert!(!stage.folder.path().join("j.sock").exists());
    drop(stage.runtime);
}

#[test]
fn d06_an_interrupted_run_leaves_positions_behind_their_stops_and_says_so() {
    let stage = Stage::new();
    let mut run = stage.run();
    run.opens(1, "classic");
    until("active", || run.was_told("it is active"));
    let (code, told) = run.kill(Signal::TERM);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("1 position left open, each with its stop at the exchange"), "{told}");
    assert!(stage.is_protected("classic"));
    // One that was never reached is not said to have nothing open.
    std::fs::write(stage.config(), stage.text().replace(&stage.emulator("classic").http(), "http://127.0.0.1:9"))
        .unwrap();
    let mut run = stage.run();
    run.says(&json!({ "id": 2, "account": "classic", "close": "SOLUSDT" }));
    assert_eq!(run.answers()["error"], "the account was not connected yet; it may be given again");
    let (_, told) = run.kill(Signal::TERM);
    let last = told.lines().rfind(|line| line.contains("account=\"classic\"")).unwrap();
    assert!(last.contains("was not connected: what is open there stands as its exchange has it"), "{told}");
}

#[test]
fn a_halt_holds_across_restarts_with_and_without_a_process_and_an_exchange_and_flatten_takes_off_what_is_open() {
    let stage = Stage::new();
    let command = |args: &[&str]| {
        let output = kraite(stage.folder.path(), args).stdin(Stdio::null()).output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        (output.status.code().unwrap(), format!("{out}{err}"))
    };
    let mut run = stage.run();
    run.opens(1, "apart");
    until("protected", || stage.is_protected("apart"));
    let (code, told) = command(&["halt", "apart"]);
    assert_eq!((code, told.as_str()), (0, "apart: nothing new is opened any more\n"));
    let refused = |run: &mut Running, id: u64, account: &str| {
        let began = Instant::now();
        let mut wish = open(id, account);
        wish["open"] = "ETHUSDT".into();
        loop {
            run.says(&wish);
            let answer = run.answers();
            let error = answer["error"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
            if !error.contains("may be given again") {
                return error;
            }
            assert!(began.elapsed() < PATIENCE, "{error}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    assert_eq!(refused(&mut run, 2, "apart"), "refused: new exposure is halted");
    run.kill(Signal::KILL);
    // Nobody runs: the halt of another account is in the journal all the same.
    let (code, told) = command(&["halt", "classic"]);
    assert!(code == 0 && told.contains("no kraite run is up; it is in the journal"), "{told}");
    let (code, told) = command(&["flatten", "all"]);
    assert!(code == 1 && told.contains("stands behind its stops"), "{told}");
    let mut run = stage.run();
    for account in ["apart", "classic"] {
        assert_eq!(refused(&mut run, 3, account), "refused: new exposure is halted");
    }
    assert_eq!(command(&["status", "--journal", "j", "--json"]).1.matches("\"halted\": true").count(), 2);
    assert!(stage.is_protected("apart"), "what is open stays");
    let (code, told) = command(&["flatten", "apart/SOLUSDT"]);
    assert_eq!((code, told.as_str()), (0, "apart: position 1 on SOLUSDT is being closed\n"));
    until("flat", || stage.open("apart") == (0, 0));
    // Until it has ended it is being closed, and that is what one is told again.
    until("ended", || command(&["flatten", "apart/SOLUSDT"]).0 == 1);
    assert_eq!(command(&["flatten", "nobody"]).0, 2);
    assert_eq!(command(&["resume"]).0, 0);
    run.opens(4, "classic");
    run.kill(Signal::INT);
}

#[test]
fn s12_a_position_is_changed_by_command_on_every_venue_and_stays_so_after_a_kill() {
    let stage = Stage::new();
    let command = |args: &[&str]| {
        let output = kraite(stage.folder.path(), args).stdin(Stdio::null()).output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        (output.status.code().unwrap(), format!("{out}{err}"))
    };
    let account = AccountTag::new(1).unwrap();
    // Price and quantity of what stops, and what is open.
    let stops = |name: &str| {
        stage.emulator(name).with_venue(|venue| {
            let stops = venue.open(account).filter(|order| matches!(order.shape, OrderShape::StopMarket { .. }));
            stops.map(|order| order.shape.price().unwrap().to_string()).collect::<Vec<_>>()
        })
    };
    let exposure = |name: &str| {
        stage.emulator(name).with_venue(|venue| venue.exposures(account).map(|(_, _, qty)| qty).next().unwrap())
    };
    let (code, told) = command(&["adjust", "apart/SOLUSDT", "--stop", "80"]);
    assert!(code == 1 && told.contains("no kraite run is up"), "{told}");
    let mut run = stage.run();
    for (id, (name, _)) in (1..).zip(&stage.emulators) {
        run.opens(id, name);
    }
    for (name, _) in &stage.emulators {
        until("protected", || stage.is_protected(name));
        until("active", || command(&["status", "--journal", "j", "--json"]).1.matches("\"active\"").count() == 3);
        let position = format!("{name}/SOLUSDT");
        let before = exposure(name);
        let (code, told) = command(&["adjust", &position, "--stop", "80"]);
        assert_eq!(code, 0, "{told}");
        until("the stop is moved", || stops(name) == ["80"]);
        let (code, told) = command(&["adjust", &format!("{name}/1"), "--close-part", "0.1"]);
        assert_eq!(code, 0, "{told}");
        until("a part is closed", || exposure(name) == before.checked_sub("0.1".parse().unwrap()).unwrap());
        assert_eq!(command(&["adjust", &position, "--drop-rung", "4"]).0, 0);
        let rungs = || {
            let of =
                |rung| move |(role, is): &&(Role, ReportStatus)| *role == Role::Rung(rung) && *is == ReportStatus::New;
            [1, 4].map(|rung| stage.ids_ever(name).iter().filter(of(rung)).count())
        };
        until("a rung is dropped", || rungs() == [1, 0]);
        assert_eq!(command(&["adjust", &position, "--target", "1.5"]).0, 0);
        assert_eq!(command(&["adjust", &position, "--hold-target"]).0, 0);
        for (change, why) in [
            (["--stop", "500"], "would trigger at once"),
            (["--stop", "149"], "would fill at the stop or beyond it: drop it first"),
            (["--close-part", "99"], "close the position instead"),
            (["--drop-rung", "4"], "nothing of rung 4 is left"),
            (["--target", "2"], "release it first"),
        ] {
            let (code, told) = command(&["adjust", &position, change[0], change[1]]);
            assert!(code == 1 && told.contains(why), "{change:?}: {told}");
        }
    }
    assert_eq!(command(&["status", "--journal", "j"]).1.matches("; target held").count(), 3);
    // The same command again is answered at once and changes nothing; so is one for what is so already.
    for line in [
        json!({ "id": 77, "account": "classic", "adjust": 1, "close_part": "0.05" }),
        json!({ "id": 78, "account": "unified", "close": 1 }),
    ] {
        let began = Instant::now();
        assert_eq!(stage.asks(&line)["taken"], true, "{line}");
        let mut again = line.clone();
        if line["close"] == 1 {
            again["id"] = 79.into();
        }
        let answer = stage.asks(&again);
        // One that was closed meanwhile is not open any more.
        let is_gone = answer["error"].as_str().is_some_and(|why| why.contains("nothing like that is open"));
        assert!(answer["taken"] == true || is_gone, "{answer}");
        assert!(began.elapsed() < Duration::from_secs(10), "{line}");
    }
    until("closed", || stage.open("unified") == (0, 0));
    assert_eq!(command(&["adjust", "apart", "--hold-target"]).0, 2);
    assert_eq!(command(&["adjust", "apart/SOLUSDT"]).0, 2);
    assert_eq!(command(&["adjust", "apart/SOLUSDT", "--hold-target", "--target", "1"]).0, 2);
    run.kill(Signal::KILL);
    let closes = |name: &str| stage.ids_ever(name).iter().filter(|(role, _)| *role == Role::Close).count();
    until("the part is closed", || closes("classic") == 2);
    let live = || stage.emulators.iter().filter(|(name, _)| *name != "unified");
    let before: Vec<_> = live().map(|(name, _)| (exposure(name), stops(name), closes(name))).collect();
    let run = stage.run();
    until("restored", || run.times_told("restored: ") == 3);
    // A rung fills, and everything that was changed stays so.
    for (((name, _), (held, stopped, closed)), tag) in live().zip(before).zip(["1", "2"]) {
        stage.price(name, "137");
        until("a rung filled", || exposure(name) > held);
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!((stops(name), closes(name)), (stopped, closed), "{name}");
        let explained = command(&["explain", "1", "--account", tag, "--journal", "j"]).1;
        assert!(explained.contains("move its stop to 80"), "{explained}");
    }
    run.kill(Signal::INT);
}

#[test]
fn s12_a_rung_is_added_and_a_position_is_handed_back_by_command_on_every_venue() {
    let stage = Stage::new();
    let command = |args: &[&str]| {
        let output = kraite(stage.folder.path(), args).stdin(Stdio::null()).output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        (output.status.code().unwrap(), format!("{out}{err}"))
    };
    let account = AccountTag::new(1).unwrap();
    let open = |name: &str| stage.emulator(name).with_venue(|venue| venue.open(account).count());
    let held = |name: &str| {
        stage.emulator(name).with_venue(|venue| venue.exposures(account).map(|(_, _, qty)| qty).next().unwrap())
    };
    let mut run = stage.run();
    for (id, (name, _)) in (1..).zip(&stage.emulators) {
        run.opens(id, name);
    }
    until("active", || command(&["status", "--journal", "j", "--json"]).1.matches("\"active\"").count() == 3);
    for (name, _) in &stage.emulators {
        let position = format!("{name}/SOLUSDT");
        let before = open(name);
        let (code, told) = command(&["adjust", &position, "--add-rung", "149"]);
        assert!(code == 2 && told.contains("--qty"), "{told}");
        let (code, told) = command(&["adjust", &position, "--add-rung", "999", "--qty", "0.2"]);
        assert!(code == 1 && told.contains("no rung of 0.2 at 999 is possible"), "{told}");
        let (code, told) = command(&["adjust", &position, "--add-rung", "130", "--qty", "0.2"]);
        assert_eq!(code, 0, "{told}");
        until("the rung rests", || open(name) == before + 1);
        let exposure = held(name);
        assert_eq!(command(&["adjust", &position, "--hand-back"]).0, 0);
        until("nothing of ours is open", || open(name) == 0);
        assert_eq!(held(name), exposure);
    }
    // It ends where nothing of ours can turn up any more; a kill meanwhile changes nothing of that.
    run.kill(Signal::KILL);
    let run = stage.run();
    let closed = || command(&["status", "--journal", "j", "--all", "--json"]).1.matches("\"closed\"").count() == 3;
    let began = Instant::now();
    while !closed() && began.elapsed() < 3 * PATIENCE {
        std::thread::sleep(Duration::from_millis(200));
    }
    let explained = command(&["explain", "1", "--account", "1", "--journal", "j"]).1;
    assert!(closed() && explained.contains("a user took it back"), "{explained}");
    for (name, _) in &stage.emulators {
        assert_eq!((open(name), stage.ids_ever(name).iter().filter(|(role, _)| *role == Role::Close).count()), (0, 0));
    }
    run.kill(Signal::INT);
}

#[test]
fn s12_what_a_user_opened_is_taken_over_by_command_on_every_venue() {
    let stage = Stage::new();
    let command = |args: &[&str]| {
        let output = kraite(stage.folder.path(), args).stdin(Stdio::null()).output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        (output.status.code().unwrap(), format!("{out}{err}"))
    };
    let take_over = |name: &str| command(&["adopt", &format!("{name}/SOLUSDT"), "--direction", "long", "--plan", "p"]);
    let account = AccountTag::new(1).unwrap();
    let (code, told) = take_over("apart");
    assert!(code == 1 && told.contains("no kraite run is up"), "{told}");
    let (code, told) = command(&["adopt", "apart/SOLUSDT", "--direction", "long", "--plan", "nobody"]);
    assert!(code == 2 && told.contains("nobody"), "{told}");
    let run = stage.run();
    until("restored", || run.times_told("restored: ") == 3);
    for (name, _) in &stage.emulators {
        let (code, told) = take_over(name);
        assert!(code == 1 && told.contains("there is nothing to take over"), "{told}");
        stage.emulator(name).with_venue(|venue| {
            let (symbol, qty, now) = (Symbol::new("SOLUSDT"), "0.4".parse().unwrap(), venue.now());
            venue.user_market(account, &symbol, Direction::Long, Purpose::Open, qty, now).unwrap();
        });
        let (code, told) = take_over(name);
        assert_eq!(code, 0, "{told}");
        assert!(told.contains("takes over what is open on SOLUSDT"), "{told}");
        until("protected", || stage.is_protected(name));
        let roles = stage.ids_ever(name);
        assert!(roles.iter().all(|(role, _)| *role != Role::Entry), "{roles:?}");
    }
    until("active", || command(&["status", "--journal", "j", "--json"]).1.matches("\"active\"").count() == 3);
    let (code, told) = take_over("apart");
    assert!(code == 1 && told.contains("is not finished"), "{told}");
    let explained = command(&["explain", "1", "--account", "1", "--journal", "j"]).1;
    assert!(explained.contains("asked to take over 0.4 at"), "{explained}");
    assert!(explained.contains("counts as its entry"), "{explained}");
    assert_eq!(command(&["flatten", "all"]).0, 0);
    for (name, _) in &stage.emulators {
        until("flat", || stage.open(name) == (0, 0));
    }
    run.kill(Signal::INT);
}

#[test]
fn a06_a_journal_that_cannot_be_written_stops_everything_that_is_sent_and_is_opened_again() {
    let stage = Stage::new();
    let mut run = stage.run();
    run.opens(1, "apart");
    until("active", || run.was_told("it is active"));
    let before = stage.ids_ever("apart");
    // No file may grow any more, as on a full disk.
    let pid = run.pid();
    let full = |limit: Option<u64>| {
        let limit = Rlimit { current: limit, maximum: None };
        prlimit(Some(pid), Resource::Fsize, limit).unwrap()
    };
    full(Some(1));
    let close = json!({ "id": 2, "account": "apart", "close": "SOLUSDT" });
    writeln!(run.input, "{close}").unwrap();
    until("stopped", || run.times_told("the journal is opened again in") >= 2);
    assert!(run.was_told("nothing is sent any more, and stops stand at the exchanges"));
    assert_eq!((stage.ids_ever("apart"), stage.is_protected("apart")), (before, true));
    full(None);
    until("restored", || run.times_told("restored: 1 position,") == 1);
    let closed = || stage.asks(&json!({ "id": 3, "account": "apart", "close": "SOLUSDT" }))["taken"] == true;
    until("closed", closed);
    until("flat", || stage.open("apart") == (0, 0));
    assert_eq!(run.kill(Signal::INT).0, Some(0));
}

#[test]
fn r117_whoever_stops_reading_the_log_and_the_answers_stops_nothing_else() {
    let stage = Stage::new();
    let mut child = kraite(stage.folder.path(), &["run", "--verbose"]).spawn().unwrap();
    drop((child.stdin.take(), child.stdout.take(), child.stderr.take()));
    until("up", || stage.folder.path().join("j.sock").exists());
    until("opened", || stage.asks(&open(1, "apart"))["position"] == 1);
    until("protected", || stage.is_protected("apart"));
    stage.price("apart", "137");
    let targets = || stage.ids_ever("apart").iter().filter(|(role, _)| *role == Role::Target).count();
    until("re-priced", || targets() == 2);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn i14_a_process_that_works_on_a_journal_is_not_deposed_by_a_command_that_cannot_find_its_socket() {
    let stage = Stage::new();
    let mut run = stage.run();
    run.opens(1, "apart");
    until("protected", || stage.is_protected("apart"));
    std::fs::remove_file(stage.folder.path().join("j.sock")).unwrap();
    for args in [&["halt", "apart"][..], &["run"]] {
        let refused = kraite(stage.folder.path(), args).output().unwrap();
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(told.contains("another process works on this journal"), "{told}");
        assert_ne!(refused.status.code(), Some(0));
    }
    run.says(&json!({ "id": 2, "account": "apart", "close": "SOLUSDT" }));
    assert_eq!(run.answers()["taken"], true);
    until("flat", || stage.open("apart") == (0, 0));
    run.kill(Signal::INT);
}

#[test]
fn a_halt_is_recorded_while_its_exchange_cannot_be_reached() {
    let mut stage = Stage::new();
    let text = stage.text().replace(&stage.emulator("classic").http(), "http://127.0.0.1:9");
    std::fs::write(stage.config(), text).unwrap();
    stage.emulators.retain(|(name, _)| *name != "classic");
    let run = stage.run();
    until("tried", || run.was_told("not connected: "));
    let halted = kraite(stage.folder.path(), &["halt", "classic"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&halted.stdout), "classic: nothing new is opened any more\n");
    run.kill(Signal::KILL);
    let status = kraite(stage.folder.path(), &["status", "--journal", "j", "--json"]).output().unwrap();
    let shown: Value = serde_json::from_slice(&status.stdout).unwrap();
    let accounts = shown["accounts"].as_array().unwrap();
    let halted: Vec<bool> = accounts.iter().map(|account| account["halted"].as_bool().unwrap()).collect();
    assert!(halted.contains(&true), "{shown}");
}

#[test]
fn on_paper_the_engine_trades_at_the_real_prices_and_the_real_exchange_hears_no_order() {
    let stage = Stage::new();
    let (text, _) = stage.text().split_once("[accounts.classic]").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    std::fs::write(stage.config(), text.clone()).unwrap();
    let refused = kraite(stage.folder.path(), &["run", "--paper"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--paper needs its symbols"));
    std::fs::write(stage.config(), format!("{text}symbols = [\"SOLUSDT\"]\n")).unwrap();
    let mut run = Running::of(kraite(stage.folder.path(), &["run", "--paper", "--signals", "-"]));
    run.opens(1, "apart");
    until("active", || run.was_told("it is active"));
    let paper = |words: &str| {
        let status = kraite(stage.folder.path(), &["status", "--journal", "j.paper", "--json"]).output().unwrap();
        String::from_utf8_lossy(&status.stdout).contains(words)
    };
    // The real price falls: on paper a rung fills, and the target follows.
    stage.price("apart", "137");
    until("filled on paper", || paper("\"rungs_filled\": 1"));
    let listed = stage.emulator("apart").requests();
    let sent: Vec<_> = listed.keys().filter(|(method, path)| method != "GET" && !path.contains("listenKey")).collect();
    assert!(sent.is_empty(), "{sent:?}");
    assert_eq!((stage.open("apart"), stage.ids_ever("apart").len()), ((0, 0), 0));
    let second = kraite(stage.folder.path(), &["run", "--paper"]).output().unwrap();
    assert_eq!(second.status.code(), Some(7));
    run.kill(Signal::INT);
    assert!(!stage.folder.path().join("j").exists(), "the journal of real trades is left alone");
}

#[test]
fn r114_an_account_that_cannot_be_reached_does_not_hold_up_another() {
    let mut stage = Stage::new();
    let text = stage.text().replace(&stage.emulator("classic").http(), "http://127.0.0.1:9");
    std::fs::write(stage.config(), text).unwrap();
    stage.emulators.retain(|(name, _)| *name != "classic");
    let mut run = stage.run();
    run.opens(1, "apart");
    run.says(&open(1, "classic"));
    assert_eq!(run.answers()["error"], "the account is not connected; it may be given again");
    until("protected", || stage.is_protected("apart"));
    until("tried", || run.was_told("not connected: ") && run.was_told("; trying again in "));
    assert_eq!(run.kill(Signal::INT).0, Some(0));
}

#[test]
fn a_file_of_signals_is_followed_and_what_is_old_is_not_done_again() {
    let stage = Stage::new();
    let signals = stage.folder.path().join("signals.jsonl");
    let until_long_ago =
        json!({ "id": 2, "account": "apart", "open": "SOLUSDT", "direction": "long", "plan": "p", "until": 1 });
    std::fs::write(&signals, format!("{}\n{until_long_ago}\n", open(1, "apart"))).unwrap();
    let mut run = Running::of(kraite(stage.folder.path(), &["run", "--signals", "signals.jsonl"]));
    let answer = run.answers();
    assert_eq!((&answer["id"], &answer["error"]), (&2.into(), &"it was meant until an instant that has passed".into()));
    let mut file = std::fs::OpenOptions::new().append(true).open(&signals).unwrap();
    // In two parts, as a writer may be in the middle of a line.
    let line =
        json!({ "id": 3, "account": "apart", "open": "SOLUSDT", "direction": "short", "plan": "short" }).to_string();
    let (one, two) = line.split_at(20);
    write!(file, "{one}").unwrap();
    std::thread::sleep(Duration::from_millis(300));
    writeln!(file, "{two}").unwrap();
    let mut answer = run.answers();
    // Whoever writes before the exchange is reached is told so, and writes again.
    while answer["error"].is_string() {
        std::thread::sleep(Duration::from_millis(100));
        writeln!(file, "{line}").unwrap();
        answer = run.answers();
    }
    assert_eq!((&answer["id"], &answer["position"]), (&3.into(), &1.into()), "{answer}");
    // Logs are turned over, and cut off.
    let close = |id: u64| json!({ "id": id, "account": "apart", "close": 99 });
    std::fs::rename(&signals, stage.folder.path().join("signals.1")).unwrap();
    std::fs::write(&signals, format!("{}\n{}\n", close(4), close(5))).unwrap();
    let mut ids = [run.answers()["id"].as_u64(), run.answers()["id"].as_u64()];
    ids.sort_unstable();
    assert_eq!(ids, [Some(4), Some(5)]);
    std::fs::write(&signals, format!("{}\n", close(6))).unwrap();
    assert_eq!(run.answers()["id"], 6);
    run.kill(Signal::INT);
}

#[test]
fn wrong_lines_are_answered_with_what_is_wrong() {
    let stage = Stage::new();
    let mut run = stage.run();
    until("restored", || run.times_told("restored: ") == 3);
    let account = |rest: Value| {
        let mut line = json!({ "id": 5, "account": "apart" });
        line.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        line.to_string()
    };
    for (line, says) in [
        ("nonsense".to_owned(), "not a signal"),
        (format!("{{\"id\": 1, \"pad\": \"{}\"}}", "x".repeat(9_000)), "longer than 4096"),
        (json!({ "id": 1, "account": "nobody", "close": 1 }).to_string(), "no account `nobody`; there are: apart"),
        (account(json!({ "close": 1, "halt": true })), "say one of"),
        (account(json!({ "halt": true, "plan": "p" })), "belong to open"),
        (account(json!({})), "say one of"),
        (account(json!({ "open": "SOLUSDT", "close": 1 })), "say one of"),
        (account(json!({ "open": "SOLUSDT" })), "direction is missing"),
        (account(json!({ "open": "SOLUSDT", "direction": "long" })), "plan is missing"),
        (account(json!({ "open": "SOLUSDT", "direction": "long", "plan": "q" })), "no plan `q`; there are: p, short"),
        (account(json!({ "close": "SOLUSDT" })), "nothing like that is open"),
        (account(json!({ "close": 7, "plan": "p" })), "belong to open"),
        (account(json!({ "open": "SOLUSDT", "direction": "up", "plan": "p" })), "unknown variant"),
        (account(json!({ "opne": "SOLUSDT" })), "unknown field"),
        (account(json!({ "adjust": "SOLUSDT", "stop": "9" })), "nothing like that is open"),
        (account(json!({ "adjust": 1, "stop": "9", "close": 1 })), "adjust stands with what it changes"),
        (account(json!({ "stop": "9" })), "what is changed belongs to adjust: stop, "),
        (account(json!({ "adjust": 1, "stop": "9", "hand_back": true })), "nothing like that is open"),
        (account(json!({ "adopt": "SOLUSDT", "direction": "long" })), "plan is missing"),
        (account(json!({ "adopt": "SOLUSDT", "close": 1 })), "adopt stands with direction and plan"),
        (account(json!({ "adjust": 1, "stop": "much" })), "not a signal"),
    ] {
        writeln!(run.input, "{line}").unwrap();
        let answer = run.answers();
        assert!(answer["error"].as_str().unwrap().contains(says), "{line}: {answer}");
    }
    until("connected", || {
        run.says(&json!({ "id": 6, "account": "apart", "open": "NOPEUSDT", "direction": "long", "plan": "p" }));
        run.answers()["error"].as_str().unwrap().contains("NOPEUSDT is not among the contracts")
    });
    let second = kraite(stage.folder.path(), &["run"]).output().unwrap();
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(7), "{told}");
    assert!(told.contains("another process works on this journal"), "{told}");
    run.kill(Signal::INT);
}

#[test]
fn a_first_configuration_is_written_once_and_passes_its_own_check() {
    let folder = tempfile::tempdir().unwrap();
    let output = |args: &[&str]| kraite(folder.path(), args).stdin(Stdio::null()).output().unwrap();
    for venue in ["binance", "bitget"] {
        let file = format!("{venue}.toml");
        let made = output(&["init", &file, "--venue", venue]);
        assert_eq!(made.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&made.stderr).contains("kraite emulate"));
        let text = std::fs::read_to_string(folder.path().join(&file)).unwrap();
        let again = output(&["init", &file, "--venue", venue]);
        assert_eq!(again.status.code(), Some(3));
        assert!(String::from_utf8_lossy(&again.stderr).contains("is there already and stays as it is"));
        assert_eq!(std::fs::read_to_string(folder.path().join(&file)).unwrap(), text);
        let checked = output(&["config", "check", "--config", &file, "--json"]);
        let shown: Value = serde_json::from_slice(&checked.stdout).unwrap();
        assert_eq!((&shown["schema"], &shown["accounts"][0]["venue"]), (&"kraite.config/1".into(), &venue.into()));
        let mut without = kraite(folder.path(), &["config", "check", "--config", &file]);
        let refused = without.env_remove("KRAITE_SECRET").output().unwrap();
        assert_eq!(refused.status.code(), Some(3));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("the variable KRAITE_SECRET is not set"));
        without = kraite(folder.path(), &["config", "check", "--without-secrets", "--config", &file]);
        assert_eq!(without.env_remove("KRAITE_SECRET").output().unwrap().status.code(), Some(0));
    }
    let missing = output(&["run"]);
    assert_eq!(missing.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("kraite init writes one"));
}
