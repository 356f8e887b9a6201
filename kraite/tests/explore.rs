//! `kraite crash-test`, `swarm` and `shrink` as their users meet them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;

fn kraite(args: &str) -> Output {
    Command::cargo_bin("kraite").unwrap().args(args.split_whitespace()).output().unwrap()
}

fn json(args: &str) -> Value {
    let output = kraite(args);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args}: {error}: {output:?}"))
}

#[cfg(not(kraite_zoo))]
#[test]
fn s12_each_single_fault_of_a_script_is_accounted_for_and_breaks_nothing() {
    let shown = json("crash-test --script stop-fills --json");
    assert_eq!(shown["schema"], "kraite.crash-test/1");
    let scripts = shown["scripts"].as_array().unwrap();
    assert_eq!(scripts.len(), 3, "two target styles as two orders, one in one call");
    for script in scripts {
        let points = script["choice_points"].as_u64().unwrap();
        let single = script["schedules"]["1"].as_u64().unwrap();
        assert!(points > 50 && single > points, "{script}");
        assert_eq!(script["executed"].as_u64().unwrap() + script["covered"].as_u64().unwrap(), single + 1);
        assert_eq!((&script["violations"], &script["unresolved"]), (&Value::from(0), &Value::from(0)), "{script}");
        assert!(script["max_unprotected_ms"].as_i64().unwrap() > 0);
    }
    let calls = &shown["pair_calls"];
    assert_eq!((&calls["violations"], &calls["unresolved"]), (&Value::from(0), &Value::from(0)), "{calls}");
    assert!(calls["runs"].as_u64().unwrap() > 100 * calls["calls"].as_u64().unwrap(), "{calls}");
    let text = kraite("crash-test --script stop-fills --venue bitget");
    assert_eq!(text.status.code(), Some(0));
    let text = String::from_utf8(text.stdout).unwrap();
    for words in ["stop and target in one call", "the target is taken alone, no row for the stop", "after send"] {
        assert!(text.contains(words), "{text}");
    }
    let table = text.lines().skip_while(|line| !line.starts_with("stop and target in one call"));
    assert!(table.clone().count() > 30 && table.take(36).all(|line| line.len() <= 80), "{text}");
    assert_eq!(json("crash-test --script stop-fills --venue binance --json")["pair_calls"], Value::Null);
}

#[cfg(not(kraite_zoo))]
#[test]
fn i18_the_same_seeds_are_the_same_lives_on_one_thread_and_on_two() {
    let mut one = json("swarm --seeds 600 --from 7 --jobs 1 --json");
    let mut two = json("swarm --seeds 600 --from 7 --jobs 2 --json");
    let mut again = json("swarm --seeds 600 --from 7 --jobs 2 --json");
    for shown in [&mut one, &mut two, &mut again] {
        shown["cpu_seconds"] = Value::Null;
    }
    assert_eq!(one, two);
    assert_eq!(two, again);
    assert_eq!((&one["violations"], &one["unresolved"]), (&Value::from(0), &Value::from(0)));
    assert!(one["crashes"].as_u64().unwrap() > 1_000 && one["lifecycles"].as_u64().unwrap() > 600, "{one}");
    let mut other = json("swarm --seeds 600 --from 8 --jobs 2 --json");
    other["cpu_seconds"] = Value::Null;
    assert_ne!(one["trace"], other["trace"], "a trace that never differs shows nothing");
}

#[test]
fn wrong_words_are_usage_errors_with_what_there_is() {
    for (args, words) in [
        ("crash-test --script none", "there is no script `none`"),
        ("crash-test --depth 9", "9"),
        ("crash-test --script open --replay 1:crash", "--venue and --target"),
        ("crash-test --script open --venue binance --target limit --replay 1:bang", "NUMBER:FATE"),
        ("crash-test --script open --venue binance --target limit --replay 99999:crash", "choice points"),
        ("crash-test --venue bitget --target limit", "no limit target"),
        ("swarm --seeds 0", "0"),
    ] {
        let output = kraite(args);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args}: {stderr}");
        assert!(stderr.contains(words), "{args}: {stderr}");
    }
}

#[cfg(not(kraite_zoo))]
#[test]
fn one_schedule_is_told_step_by_step_and_a_page_is_written() {
    let told = json("crash-test --script open --venue binance --target limit --replay 0:crash --json");
    assert!(told["story"].as_array().unwrap().iter().any(|line| line["line"].as_str().unwrap().starts_with("XX")));
    assert_eq!(told["violations"], 0);
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("crashes.html");
    let wrote = kraite(&format!("crash-test --script open --venue bitget --html {}", page.display()));
    assert_eq!(wrote.status.code(), Some(0), "{wrote:?}");
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("after append") && html.contains("prefers-color-scheme") && html.contains("@media print"));
    let nowhere = kraite(&format!("crash-test --script open --venue bitget --html {}/none/x", folder.path().display()));
    assert_eq!(nowhere.status.code(), Some(1));
}

#[test]
fn l05_a_run_that_misses_a_dangerous_state_fails_and_names_it() {
    let run = kraite("swarm --seeds 20 --reach 1000000");
    assert_eq!(run.status.code(), Some(1));
    let words = String::from_utf8_lossy(&run.stderr);
    assert!(words.contains("visited fewer than 1000000 times") && words.contains("proven absent ("), "{words}");
    assert_eq!(kraite("swarm --seeds 20 --reach 0").status.code(), Some(0));
}

#[cfg(kraite_zoo)]
#[test]
fn mutant_bugs_that_are_awake_end_with_their_exit_codes() {
    for args in [
        "crash-test --script target-fills --venue binance --bug target-before-stop",
        "crash-test --script target-fills --bug id-reused",
        "swarm --seeds 300 --bug target-before-stop",
    ] {
        assert_eq!(kraite(args).status.code(), Some(6), "{args}");
    }
    let calls =
        json("crash-test --script target-fills --venue bitget --bug pair-stop-keeps-id --json")["pair_calls"].take();
    assert!(calls["violations"].as_u64().unwrap() > 0 && calls["failures"][0]["replay"].is_string(), "{calls}");
    // Nothing is broken, and not everything comes to rest.
    let args = "swarm --seeds 150 --bug epoch-not-raised";
    assert_eq!(kraite(args).status.code(), Some(5), "{args}");
    assert_eq!(kraite("swarm --bug none").status.code(), Some(2));
}

#[cfg(not(kraite_zoo))]
#[test]
fn s12_a_run_appends_one_line_with_the_sources_it_is_about() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("runs.jsonl");
    let swarm = json(&format!("swarm --seeds 20 --from 5 --json --log {}", log.display()));
    let crash_test = json(&format!("crash-test --script open --venue bitget --json --log {}", log.display()));
    let text = std::fs::read_to_string(&log).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 2);
    for (row, ran) in rows.iter().zip([swarm, crash_test]) {
        assert_eq!((&row["schema"], &row["core"]), (&"kraite.run/1".into(), &kraite::sim::sources::CORE.into()));
        assert_eq!(row["simulator"], kraite::sim::sources::SIMULATOR);
        assert_eq!(row["ran"], ran);
    }
    let nowhere = kraite(&format!("swarm --seeds 1 --log {}/none/x", folder.path().display()));
    assert_eq!(nowhere.status.code(), Some(1), "{nowhere:?}");
    assert!(nowhere.stdout.is_empty(), "a path that is wrong is found before the run");
}

#[cfg(kraite_zoo)]
#[test]
fn mutant_a_build_with_the_zoo_in_it_logs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("runs.jsonl");
    assert_eq!(kraite(&format!("swarm --seeds 1 --log {}", log.display())).status.code(), Some(2));
    assert!(!log.exists());
}
