//! What users stumble over: full disks, damaged journals, tables of another contract, rules that cannot be, and
//! commands that are typed from the README.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::bench::{BRACKETS, Bench, INFO};
use kraite::core::engine::{Config, Engine, Input, InputKind, commit};
use kraite::core::id::AccountTag;
use kraite::core::journal::Journal as _;
use kraite::journal::SqliteJournal;
use serde_json::Value;

const CONTRACTS: &str = r#"{"data":[{"symbol":"SOLUSDT","quoteCoin":"USDT","buyLimitPriceRatio":"0.05",
    "sellLimitPriceRatio":"0.05","makerFeeRate":"0.0002","takerFeeRate":"0.0006","minTradeNum":"0.1",
    "priceEndStep":"1","volumePlace":"1","pricePlace":"2","sizeMultiplier":"0.1","minTradeUSDT":"5",
    "maxSymbolOrderNum":"200","symbolStatus":"normal","maxLever":"100","maxMarketOrderQty":"220",
    "maxOrderQty":"1200"}]}"#;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// One sentence on stderr, and the code.
#[track_caller]
fn refused(output: &Output, code: i32, words: &[&str]) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(words.iter().all(|word| stderr.contains(word)), "{words:?} in {stderr}");
    assert_eq!(stderr.trim().lines().count(), 1, "one sentence: {stderr}");
}

/// The command where no file may grow beyond so many KiB.
fn limited(bench: &Bench, kib: u32, args: &str, stdout: Stdio) -> Output {
    Command::new("bash")
        .args(["-c", &format!("ulimit -f {kib}; exec \"$0\" {args}")])
        .arg(env!("CARGO_BIN_EXE_kraite"))
        .current_dir(&bench.folder)
        .stdout(stdout)
        .output()
        .unwrap()
}

/// A journal of two accounts with so many records each.
fn journal(path: &Path, records: usize) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let journal = SqliteJournal::open(path).unwrap();
        for account in [7, 8].map(|tag| AccountTag::new(tag).unwrap()) {
            let epoch = journal.acquire(account).await.unwrap();
            let loaded = journal.load(account).await.unwrap();
            let capabilities = kraite::binance::capabilities();
            let mut engine = Engine::restore(Config::default(), capabilities, account, epoch, loaded).unwrap();
            for _ in 0..records {
                let step = engine.step(Input { at: Default::default(), kind: InputKind::Started });
                assert!(commit(&journal, step).await.unwrap().durable.is_some());
            }
        }
    });
    rusqlite::Connection::open(path).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}

#[test]
fn a_quota_ends_any_command_with_a_sentence_and_leaves_no_half_file_under_a_name() {
    let bench = Bench::new();
    let file = |name: &str| Stdio::from(std::fs::File::create(bench.path(name)).unwrap());
    let plan = "plan --exchange-info info.json --symbol SOLUSDT --direction long --margin 100 --mark 150.237 --json";
    refused(&limited(&bench, 1, plan, file("plan.json")), 1, &["stdout", "File too large"]);
    let page = "crash-test --script entry-refused --venue binance --html page.html";
    refused(&limited(&bench, 1, page, Stdio::null()), 1, &["page.html", "File too large"]);
    let left: Vec<String> = std::fs::read_dir(bench.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("page"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
    journal(&bench.path("kraite.journal"), 3);
    refused(
        &limited(&bench, 1, "inspect kraite.journal", Stdio::null()),
        10,
        &["kraite.journal", "a quota is used up"],
    );
    // Every place in the life of a journal: some quotas end in the middle of becoming its owner. Most of what a demo
    // does is wait, so several run at once.
    let quotas: Vec<u32> = (20..=80).step_by(2).collect();
    for at_once in quotas.chunks(8) {
        std::thread::scope(|scope| {
            for kib in at_once.iter().copied() {
                let bench = &bench;
                scope.spawn(move || used_up(bench, kib));
            }
        });
    }
}

/// A demo whose journal may not grow beyond so many KiB ends with the journal named and its exit code.
fn used_up(bench: &Bench, kib: u32) {
    let demo = limited(bench, kib, "demo --venue binance --json", Stdio::piped());
    let told: Value = serde_json::from_slice(&demo.stdout).unwrap();
    assert_eq!((demo.status.code(), &told["exit"]), (Some(10), &10.into()), "{kib}: {told}");
    let message = told["message"].as_str().unwrap();
    let words = ["binance.journal", "the disk is full, or a quota is used up"];
    assert!(words.iter().all(|word| message.contains(word)), "{kib}: {message}");
}

#[test]
fn inspect_refuses_every_flipped_byte_of_a_record() {
    let bench = Bench::new();
    let path = bench.path("kraite.journal");
    journal(&path, 12);
    let sound = std::fs::read(&path).unwrap();
    let want = bench.run("inspect kraite.journal --json").stdout;
    let body: Vec<u8> = rusqlite::Connection::open(&path)
        .unwrap()
        .query_row("SELECT body FROM records WHERE account = 7 AND seq = 2", [], |row| row.get(0))
        .unwrap();
    let at = sound.windows(body.len()).position(|window| window == body).unwrap();
    let mut refusals = 0;
    // The keys lie before the body: an account that is another one hides every record after it.
    for place in at - 8..at + body.len() {
        let mut damaged = sound.clone();
        damaged[place] ^= 0x04;
        std::fs::write(&path, &damaged).unwrap();
        let output = bench.run("inspect kraite.journal --json");
        match output.status.code() {
            Some(10) => refusals += 1,
            code => assert!(code == Some(0) && output.stdout == want, "byte {place}: {}", text(&output.stderr)),
        }
    }
    assert!(refusals >= body.len() + 4, "{refusals} of {} bytes and their keys", body.len());
    std::fs::write(&path, &sound).unwrap();
    for damage in ["DELETE FROM owners", "UPDATE records SET epoch = epoch + 1 WHERE account = 7 AND seq = 3"] {
        std::fs::write(&path, &sound).unwrap();
        rusqlite::Connection::open(&path).unwrap().execute_batch(damage).unwrap();
        refused(&bench.run("inspect kraite.journal"), 10, &["kraite.journal, account 7"]);
    }
}

#[test]
fn what_readme_says_to_type_runs_as_it_says() {
    let bench = Bench::new();
    std::fs::write(bench.path("exchangeInfo.json"), INFO).unwrap();
    journal(&bench.path("kraite.journal"), 1);
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let typed: Vec<&str> = readme.lines().filter_map(|line| line.strip_prefix("kraite ")).collect();
    let mut ran = 0;
    for args in typed {
        if ["plan ", "inspect-id "].iter().any(|command| args.starts_with(command)) {
            let output = bench.run(args);
            assert_eq!(output.status.code(), Some(0), "{args}: {}", text(&output.stderr));
            ran += 1;
        } else {
            // The others take files or minutes that a test has not; what they are told at least exists.
            let command = args.split(' ').next().unwrap();
            let help = text(&bench.run(&format!("{command} --help")).stdout);
            for flag in args.split(' ').filter(|word| word.starts_with("--")) {
                assert!(help.contains(flag), "{args}: {flag}");
            }
        }
    }
    assert!(ran >= 2, "{ran}");
}

#[test]
fn the_demo_keeps_its_journals_where_it_is_told_to() {
    let bench = Bench::new();
    let output = bench.run("demo --venue binance --keep journals");
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}{}", text(&output.stderr));
    assert!(told.contains("journals/binance.journal") && told.contains("times are the exchange's"), "{told}");
    let inspected = bench.run("inspect journals/binance.journal --json");
    let inspected: Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(inspected["accounts"][0]["positions"][0]["status"], "closed", "{inspected}");
    refused(&bench.run("demo --venue binance --keep journals"), 2, &["--keep", "journals/binance.journal"]);
}

#[test]
fn without_arguments_the_help_is_shown_as_it_is() {
    let output = Bench::new().run("");
    let stderr = text(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(stderr.lines().count() > 10 && stderr.contains("\n  plan") && stderr.contains("Usage: kraite"), "{stderr}");
}

#[test]
fn a_bracket_table_without_the_contract_is_refused_and_no_table_is_noted() {
    let bench = Bench::new();
    bench.file("others.json", &BRACKETS.replace("SOLUSDT", "OTHERUSDT"));
    bench.klines(20);
    let plan = "plan --exchange-info info.json --symbol SOLUSDT --direction long --margin 100 --mark 150.237";
    for command in [plan, "backtest --exchange-info info.json --symbol SOLUSDT --klines klines.csv"] {
        refused(&bench.run(&format!("{command} --brackets others.json")), 9, &["others.json", "SOLUSDT"]);
    }
    let notes = |args: &str| {
        let plan: Value = serde_json::from_slice(&bench.run(&format!("{plan} {args} --json")).stdout).unwrap();
        plan["notes"].clone()
    };
    assert_eq!(notes("--brackets brackets.json"), Value::Array(Vec::new()));
    let unchecked = notes("");
    assert_eq!((&unchecked[0]["order"], &unchecked[0]["rule"]), (&"leverage".into(), &"leverage_bracket".into()));
    assert!(text(&bench.run(plan).stdout).contains(unchecked[0]["message"].as_str().unwrap()));
}

#[test]
fn s09_a_limit_target_that_a_pair_has_not_is_noted() {
    let bench = Bench::new();
    bench.file("contracts.json", CONTRACTS);
    let plan = "plan --venue bitget --exchange-info contracts.json --symbol SOLUSDT --direction long --margin 100 \
                --mark 150.237 --json";
    let notes = |target: &str| {
        let output = bench.run(&format!("{plan} --target {target}"));
        let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
        let about = |note: &&Value| note["order"] == "target";
        plan["notes"].as_array().unwrap().iter().filter(about).cloned().collect::<Vec<_>>()
    };
    assert_eq!(notes("trigger-market"), Vec::<Value>::new());
    let noted = notes("limit");
    assert_eq!((noted.len(), &noted[0]["rule"]), (1, &Value::Null));
    assert!(noted[0]["message"].as_str().unwrap().contains("no limit target"), "{noted:?}");
}

#[test]
fn rules_that_cannot_be_are_refused_with_contract_and_field() {
    let bench = Bench::new();
    let plan = "--symbol SOLUSDT --direction long --margin 100 --mark 150.237";
    for (sound, wrong, word) in [
        ("\"stepSize\":\"0.01\"", "\"stepSize\":\"0\"", "lot"),
        ("\"notional\":\"5\"", "\"notional\":\"-5\"", "minimum"),
        ("\"maxQty\":\"1000000\"", "\"maxQty\":\"0.001\"", "largest quantity"),
        ("\"maxPrice\":\"100000\"", "\"maxPrice\":\"0.001\"", "highest price"),
    ] {
        bench.file("wrong.json", &INFO.replacen(sound, wrong, 1));
        refused(&bench.run(&format!("plan --exchange-info wrong.json {plan}")), 9, &["wrong.json", "SOLUSDT", word]);
    }
    bench.file("wrong.json", &BRACKETS.replace("0.0065", "1.0065"));
    let args = format!("plan --exchange-info info.json --brackets wrong.json {plan}");
    refused(&bench.run(&args), 9, &["wrong.json", "SOLUSDT", "1.0065"]);
}

#[test]
fn r48_a_ladder_of_which_no_rung_is_left_is_refused_and_one_that_loses_some_says_so() {
    let bench = Bench::new();
    let (code, plan, stderr) = bench.plan("--direction long --multipliers 0.001");
    assert_eq!((code, &plan["refused"]["rule"]), (8, &"zero_quantity".into()), "{stderr}");
    assert!(stderr.contains("no rung of 4 is left"), "{stderr}");
    assert_eq!(plan["dropped_rungs"].as_array().unwrap().len(), 4);
    assert_eq!(bench.plan("--direction long --rungs 0").0, 0, "no rung at all was asked for");
    bench.file("info.json", &INFO.replace("\"notional\":\"5\"", "\"notional\":\"0\""));
    let (code, plan, _) = bench.plan("--direction long --multipliers 0.5,0.01 --headroom 0");
    assert_eq!((code, plan["dropped_rungs"].as_array().unwrap().len()), (0, 3), "{plan}");
}

#[test]
fn a_whole_file_needs_no_last_line_end_and_a_gap_before_the_span_is_nobodys_matter() {
    let bench = Bench::new();
    let good = std::fs::read_to_string(bench.klines(60)).unwrap();
    for (name, text) in [("open.csv", good.trim_end().to_owned()), ("blank.csv", format!("{good}\n\r\n"))] {
        bench.file(name, &text);
        let (code, run, stderr) = bench.backtest(&format!("--klines {name}"));
        assert_eq!((code, &run["bars"]), (0, &60.into()), "{name}: {stderr}");
    }
    let mut lines: Vec<&str> = good.lines().collect();
    lines.remove(8);
    bench.file("gap.csv", &(lines.join("\n") + "\n"));
    let opened = |line: usize| lines[line].split(',').next().unwrap().to_owned();
    let (before, after, later) = (opened(7), opened(8), opened(20));
    for (span, code) in [
        (format!("--from {after}"), 0),
        (format!("--from {later}"), 0),
        (format!("--to {after}"), 0),
        (format!("--from {before}"), 9),
        (String::new(), 9),
    ] {
        assert_eq!(bench.backtest(&format!("--klines gap.csv {span}")).0, code, "{span}");
    }
    let (_, run, _) = bench.backtest(&format!("--klines gap.csv --allow-gaps --from {later}"));
    assert_eq!(run["gaps"], 0, "a gap that is not used is not counted");
}

#[test]
fn pipes_and_empty_files_are_called_what_they_are() {
    let bench = Bench::new();
    bench.klines(20);
    let zip: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    std::fs::write(bench.path("empty.zip"), zip).unwrap();
    bench.file("empty.csv", "");
    bench.file("header.csv", "calc_time,funding_interval_hours,last_funding_rate\n");
    bench.file("cut.csv", "1740000000000,8,0.0001\n1740028800000,8,0.00");
    let run = |args: &str| bench.run(&format!("backtest --exchange-info info.json --symbol SOLUSDT {args}"));
    refused(&run("--klines empty.zip"), 9, &["empty.zip", "is empty"]);
    refused(&run("--klines klines.csv --funding empty.csv"), 9, &["empty.csv", "is empty"]);
    refused(&run("--klines klines.csv --funding header.csv"), 9, &["header.csv", "is empty"]);
    refused(&run("--klines klines.csv --funding cut.csv"), 9, &["cut.csv, line 2", "cut off"]);
    let piped = Command::new("bash")
        .args(["-c", "\"$0\" backtest --exchange-info info.json --symbol SOLUSDT --klines <(cat klines.csv)"])
        .arg(env!("CARGO_BIN_EXE_kraite"))
        .current_dir(&bench.folder)
        .output()
        .unwrap();
    refused(&piped, 9, &["/dev/fd/", "is a pipe"]);
}

#[test]
fn r26_where_the_defaults_cannot_open_the_reason_is_the_right_one_and_its_place_is_named() {
    let bench = Bench::new();
    bench.klines(20);
    bench.file("deep.toml", "gap = \"30\"\n");
    bench.file("short.toml", "direction = \"short\"\nsizing = \"unbounded\"\n");
    bench.file("poor.toml", "margin = \"100\"\nwallet = \"99\"\n");
    bench.file("poorer.toml", "wallet = \"0.5\"\n");
    bench.file("slip.toml", "headroom = \"51\"\n");
    bench.file("bold.toml", "leverage_cap = 126\n");
    let run = |config: &str| {
        bench.run(&format!(
            "backtest --exchange-info info.json --brackets brackets.json --symbol SOLUSDT --klines klines.csv --config {config}"
        ))
    };
    refused(&run("deep.toml"), 8, &["deep.toml", "klines.csv", "rung_price_not_positive", "rung 4", "gap = \""]);
    let short = run("short.toml");
    refused(&short, 8, &["short.toml", "klines.csv", "margin_overrun", "sizing = \"bounded\""]);
    assert!(!text(&short.stderr).contains("is allotted"), "no margin was: {}", text(&short.stderr));
    refused(&run("poor.toml"), 3, &["poor.toml", "wallet 99 is below the margin of 100"]);
    refused(&run("poorer.toml"), 3, &["poorer.toml", "wallet 0.5 is below the default margin"]);
    refused(&run("slip.toml"), 3, &["slip.toml", "headroom", "0 and 50"]);
    refused(&run("bold.toml"), 3, &["bold.toml", "leverage_cap", "1 and 125"]);
    let high = INFO.replace("\"maxPrice\":\"100000\"", "\"maxPrice\":\"150.25\"");
    bench.file("info.json", &high);
    bench.file("wide.toml", "profit = \"5\"\n");
    refused(&run("wide.toml"), 9, &["klines.csv, line", "highest price 150.25"]);
}
