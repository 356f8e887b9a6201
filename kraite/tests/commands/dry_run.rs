//! `kraite run --dry-run`: what would be done is told, and neither the exchange nor the journal is any other afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use crate::stage;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Command;

use crate::stage::{Stage, kraite, open, until};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Everything that may not change: requests that are no readings, and every file.
fn seen(stage: &Stage) -> (BTreeMap<String, usize>, BTreeMap<String, Vec<u8>>) {
    let requests = stage.emulators.iter().flat_map(|(name, emulator)| {
        let sent = emulator.requests().into_iter().filter(|((method, _), _)| method != "GET");
        sent.map(move |((method, path), count)| (format!("{name} {method} {path}"), count))
    });
    let files = std::fs::read_dir(stage.folder.path()).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap_or_default())
    });
    // Whoever reads a journal needs its index in memory, and its log may begin empty.
    let lasting = files.filter(|(name, bytes)| !(name.ends_with("-shm") || name.ends_with("-wal") && bytes.is_empty()));
    (requests.collect(), lasting.collect())
}

/// The exit code, what it shows as JSON, and the same for people; nothing is any other afterwards.
fn dry(stage: &Stage, lines: &[Value], set: impl Fn(&mut Command)) -> (i32, Value, String) {
    let ran = |args: &[&str]| {
        let mut command = kraite(stage.folder.path(), &[&["run", "--dry-run", "--signals", "-"], args].concat());
        set(&mut command);
        let before = seen(stage);
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        lines.iter().for_each(|line| writeln!(input, "{line}").unwrap());
        drop(input);
        let output = child.wait_with_output().unwrap();
        assert_eq!(seen(stage), before, "something is another one now");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap(), told)
    };
    let (code, shown, told) = ran(&["--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error}: {shown}{told}"));
    assert_eq!((&shown["schema"], &shown["would_run"]), (&"kraite.dry-run/1".into(), &(code == 0).into()), "{shown}");
    let (again, text, _) = ran(&[]);
    assert_eq!(again, code, "{text}");
    (code, shown, text)
}

#[test]
fn s04_a_dry_run_on_a_clean_start_shows_the_sized_ladder_on_each_protocol_and_sends_nothing() {
    let stage = Stage::new();
    let mut lines: Vec<Value> = (1..).zip(&stage.emulators).map(|(id, (name, _))| open(id, name)).collect();
    lines.push(open(9, "apart"));
    let (code, shown, text) = dry(&stage, &lines, |_| {});
    assert_eq!(code, 1, "a contract is taken once: {text}");
    for (at, (name, _)) in stage.emulators.iter().enumerate() {
        let signal = &shown["signals"][at];
        let would = signal["would"].as_str().unwrap_or_else(|| panic!("{name}: {signal}"));
        assert!(would.starts_with("open position 1 on SOLUSDT LONG: entry ") && would.contains("rungs "), "{would}");
        assert_eq!(signal["account"], *name);
        assert!(!signal["sends"].as_array().unwrap().is_empty(), "{signal}");
        let account = &shown["accounts"][at];
        let checks: Vec<&str> =
            account["checks"].as_array().unwrap().iter().map(|check| check["status"].as_str().unwrap()).collect();
        assert!(checks.iter().all(|status| ["ok", "exempt", "warned"].contains(status)), "{account}");
        assert_eq!((&account["at_exchange"], &account["first"]["sends"]), (&json!([0, 0]), &json!([])));
    }
    assert_eq!(shown["signals"][3]["refused"], "position 1 on the contract is not finished");
    for words in ["the journal knows nothing of it yet", "key", "mode", "give or take", "not everything would run"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!stage.folder.path().join("j").exists() && !stage.folder.path().join("j.lock").exists());
    let (code, _, text) = dry(&stage, &lines[..3], |_| {});
    assert!(code == 0 && text.contains("everything would run; nothing was sent"), "{text}");
}

#[test]
fn s04_a_dry_run_over_an_open_position_says_what_comes_first_and_takes_nothing_over() {
    let stage = Stage::of(&["apart"]);
    let mut run = stage.run();
    run.opens(1, "apart");
    until("protected", || stage.is_protected("apart"));
    until("active", || run.was_told("it is active"));
    // Beside a process that works on it: it goes on undisturbed.
    let beside = kraite(stage.folder.path(), &["run", "--dry-run"]).output().unwrap();
    assert_eq!(beside.status.code(), Some(0));
    run.says(&json!({ "id": 3, "account": "apart", "halt": false }));
    assert_eq!(run.answers()["taken"], true);
    run.kill(Signal::KILL);
    let lines = [open(1, "apart"), json!({ "id": 2, "account": "apart", "close": "SOLUSDT" })];
    let (code, shown, text) = dry(&stage, &lines, |_| {});
    assert_eq!(code, 0, "{text}");
    let account = &shown["accounts"][0];
    assert_eq!((&account["at_exchange"], &account["stands"]["orders"]), (&json!([1, 6]), &json!(7)));
    assert_eq!(account["stands"]["positions"][0]["symbol"], "SOLUSDT");
    let asks = account["first"]["asks"].as_array().unwrap();
    assert!(asks.contains(&"reading all open orders".into()), "{account}");
    assert_eq!(account["first"]["sends"], json!([]), "all is well there");
    assert_eq!(shown["signals"][0]["would"], "do nothing: this id has opened its position already");
    assert_eq!(shown["signals"][1]["would"], "close");
    assert!(shown["signals"][1]["sends"].to_string().contains("sending close"), "{shown}");
    // A stop that is gone is the first thing to be sent.
    let stop = stage.emulator("apart").with_venue(|venue| {
        let account = kraite_core::id::AccountTag::new(stage::VENUE_ACCOUNT).unwrap();
        let of_stop = |order: &kraite_sim::venue::OrderObject| {
            order.client_id().is_some_and(|id| id.key().logical.role == kraite_core::id::Role::Stop)
        };
        let found = venue.open(account).find(|order| of_stop(order)).map(|order| order.id.venue_id());
        found.unwrap()
    });
    let now = kraite_core::time::VenueMillis(stage.emulator("apart").clock().now().0);
    stage.emulator("apart").with_venue(|venue| venue.user_cancel(&stop, now)).unwrap();
    let (code, shown, text) = dry(&stage, &[], |_| {});
    assert_eq!(code, 0, "{text}");
    let sends = shown["accounts"][0]["first"]["sends"].to_string();
    assert!(sends.contains("SOLUSDT: sending stop"), "{shown}");
    assert!(text.contains("sent: SOLUSDT: sending stop"), "{text}");
    // Nobody was deposed, and a real start does the same.
    let run = stage.run();
    until("protected", || stage.is_protected("apart"));
    run.kill(Signal::INT);
}

#[test]
fn r25_i16_a_dry_run_says_what_a_halt_and_a_limit_refuse() {
    let stage = Stage::of(&["apart", "classic"]);
    let halted = kraite(stage.folder.path(), &["halt", "classic"]).output().unwrap();
    assert_eq!(halted.status.code(), Some(0));
    std::fs::write(stage.config(), format!("{}limits = {{ max_positions = 0 }}\n", stage.text())).unwrap();
    let (code, _, text) = dry(&stage, &[], |_| {});
    assert!(code == 0 && text.contains("new exposure is halted (kraite resume lifts it)"), "{text}");
    std::fs::write(stage.config(), stage.text().replacen("key = ", "limits = { max_positions = 0 }\nkey = ", 1))
        .unwrap();
    let mut large = open(3, "apart");
    large["plan"] = "q".into();
    let lines = [open(1, "apart"), open(2, "classic"), large, json!("nonsense")];
    let (code, shown, text) = dry(&stage, &lines, |_| {});
    assert_eq!(code, 1, "{text}");
    let refused = |at: usize| shown["signals"][at]["refused"].as_str().unwrap_or_else(|| panic!("{shown}"));
    assert_eq!((refused(0), refused(1)), ("1 positions would be open, 0 may be", "new exposure is halted"));
    assert!(refused(2).contains("there is no plan `q`") && refused(3).contains("not a signal"), "{shown}");
    assert!(text.contains("signal 2, id 2, classic: refused: new exposure is halted"), "{text}");
    // A position that no limit but the contract refuses.
    std::fs::write(stage.config(), stage.text().replace("margin = \"100\"", "margin = \"0.5\"")).unwrap();
    let (code, _, text) = dry(&stage, &lines[..1], |_| {});
    assert!(code == 8 && text.contains("refused: "), "{text}");
}

#[test]
fn r109_a_dry_run_with_a_wrong_key_or_without_an_exchange_fails_and_shows_no_secret() {
    let stage = Stage::of(&["apart", "classic", "unified"]);
    let lines = [open(1, "apart"), open(2, "unified")];
    let wrong = |command: &mut Command| {
        command.env("KRAITE_SECRET", "canary-secret").env("KRAITE_KEY", "canary-key");
    };
    let (code, shown, text) = dry(&stage, &lines, wrong);
    assert_eq!(code, 4, "{text}");
    for account in shown["accounts"].as_array().unwrap() {
        assert!(account["checks"].to_string().contains("\"failed\""), "{account}");
        assert_eq!(account["at_exchange"], Value::Null);
    }
    assert_eq!(shown["signals"][0]["refused"], "the account cannot be used, see above");
    assert!(!text.contains("canary") && !shown.to_string().contains("canary"), "{text}");
    std::fs::write(stage.config(), stage.text().replace(&stage.emulator("apart").http(), "http://127.0.0.1:9"))
        .unwrap();
    let (code, shown, _) = dry(&stage, &lines, |_| {});
    assert_eq!(code, 4);
    assert!(shown["signals"][1]["would"].is_string(), "one that cannot be reached does not hold up another: {shown}");
}

#[test]
fn a_dry_run_over_a_file_says_what_a_start_passes_over() {
    let stage = Stage::of(&["apart"]);
    let mut later = open(2, "apart");
    (later["until"], later["open"]) = (9_999_999_999_999u64.into(), "ETHUSDT".into());
    let mut past = open(3, "apart");
    past["until"] = 1.into();
    std::fs::write(stage.folder.path().join("s"), format!("{}\n{later}\n{past}\n", open(1, "apart"))).unwrap();
    let before = seen(&stage);
    let output = kraite(stage.folder.path(), &["run", "--dry-run", "--json", "--signals", "s"]).output().unwrap();
    assert_eq!(seen(&stage), before);
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    let signals = &shown["signals"];
    assert!(signals[0]["would"].is_string() && signals[0]["note"].as_str().unwrap().contains("passed over"), "{shown}");
    assert!(signals[1]["would"].is_string() && signals[1]["note"].is_null(), "{shown}");
    assert_eq!(signals[2]["refused"], "it was meant until an instant that has passed");
    let paper = kraite(stage.folder.path(), &["run", "--dry-run", "--paper"]).output().unwrap();
    assert_eq!(paper.status.code(), Some(2));
}
