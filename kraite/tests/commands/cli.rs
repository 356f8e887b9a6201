//! The command as its users meet it: worked examples, refusals, bad input, exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::Write as _;
use std::path::Path;

use crate::bench::{Bench, INFO};
use serde_json::Value;

fn rungs(plan: &Value) -> Vec<(&str, &str)> {
    plan["rungs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["price"].as_str().unwrap(), r["qty"].as_str().unwrap()))
        .collect()
}

#[test]
fn f_the_long_example_to_the_last_digit() {
    let (code, plan, _) = Bench::new().plan("--direction long");
    assert_eq!(code, 0);
    assert_eq!(plan["schema"], "kraite.plan/1");
    assert_eq!((&plan["sizing"], &plan["leverage"]), (&"unbounded".into(), &20.into()));
    assert_eq!(plan["entry"]["qty"], "0.41");
    assert_eq!(plan["entry"]["reference_price"], "150.23");
    assert_eq!(plan["entry"]["notional"], "61.5943");
    let want = [("137.46", "0.82"), ("124.69", "1.64"), ("111.92", "3.28"), ("99.15", "6.56")];
    assert_eq!(rungs(&plan), want);
    assert_eq!(plan["target"]["price"], "150.77");
    assert_eq!(plan["stop"]["price"], "96.67");
    assert_eq!(plan["total_notional"], "1396.3247");
    assert_eq!(plan["max_loss"], "167.6490");
    assert_eq!(plan["full_ladder_profit"], "4.9528");
    assert!(plan["loss_to_win"].as_str().unwrap().starts_with("33.8"), "{}", plan["loss_to_win"]);
    assert_eq!(plan["refused"], Value::Null);
    let want = [
        ("141.71666667", "142.22"),
        ("131.98714286", "132.46"),
        ("121.28466667", "121.72"),
        ("109.86032258", "110.25"),
    ];
    assert_eq!(after(&plan), want);
}

/// Average entry and target after each rung.
fn after(plan: &Value) -> Vec<(&str, &str)> {
    let rungs = plan["rungs"].as_array().unwrap().iter();
    rungs.map(|r| (r["average_entry"].as_str().unwrap(), r["target"].as_str().unwrap())).collect()
}

#[test]
fn f_the_short_example_is_shown_and_refused_with_a_fix() {
    let bench = Bench::new();
    let (code, plan, stderr) = bench.plan("--direction short --sizing unbounded");
    assert_eq!(code, 8);
    let want = [("164.50", "0.82"), ("178.77", "1.64"), ("193.04", "3.28"), ("207.31", "6.56")];
    assert_eq!(rungs(&plan), want);
    assert_eq!(plan["target"]["price"], "149.68");
    assert_eq!(plan["stop"]["price"], "212.49");
    assert_eq!(plan["max_loss"], "217.9560");
    let averages: Vec<&str> = after(&plan).iter().map(|(average, _)| *average).collect();
    let targets: Vec<&str> = after(&plan).iter().map(|(_, target)| *target).collect();
    assert_eq!(averages[3], "195.34161290");
    assert_eq!(targets, ["159.16", "170.00", "181.91", "194.63"]);
    let table = bench.run(
        "plan --exchange-info info.json --brackets brackets.json --symbol SOLUSDT --direction short --margin 100 \
         --mark 150.237 --sizing unbounded",
    );
    let table = String::from_utf8(table.stdout).unwrap();
    let last = table.lines().find(|line| line.trim_start().starts_with("rung 4")).unwrap();
    assert!(last.ends_with("195.34161290       194.63"), "{table}");
    assert_eq!(plan["total_notional"], "2482.7919");
    assert_eq!(plan["refused"]["rule"], "margin_overrun");
    assert_eq!(plan["steps"], Value::Array(Vec::new()), "a refused plan has nothing to do");
    assert!(stderr.contains("124.139595") && stderr.contains("--sizing bounded"), "{stderr}");
    let fix = &plan["refused"]["smallest_fix"];
    let (flag, value) = (fix["flag"].as_str().unwrap(), fix["value"].as_str().unwrap());
    let (fixed, plan, _) = bench.plan(&format!("--direction short --{flag} {value}"));
    assert_eq!((fixed, &plan["refused"]), (0, &Value::Null), "the smallest fix fixes it");
}

#[test]
fn f_short_is_bounded_by_default_and_keeps_to_its_margin() {
    let (code, plan, _) = Bench::new().plan("--direction short");
    assert_eq!((code, &plan["sizing"]), (0, &"bounded".into()));
    let total: f64 = plan["total_notional"].as_str().unwrap().parse().unwrap();
    assert!(total <= 2_000.0, "{total}");
}

#[test]
fn r26_an_infeasible_ladder_is_refused_although_its_entry_is_large_enough() {
    let bench = Bench::new();
    // The incident's shape: the first rung is a fifth of the entry and falls below the smallest notional.
    let args = "--symbol TINYUSDT --direction short --sizing unbounded --mark 0.040782 --gap 9.5 --rungs 4 \
                --multipliers 0.2,2,2,2 --margin 27.1 --leverage-cap 20";
    let (code, plan, _) = bench.plan(args);
    assert_eq!(code, 8);
    assert_eq!(plan["refused"]["rule"], "min_notional");
    assert_eq!(plan["refused"]["rung"], 1);
    assert_eq!(plan["entry"]["qty"], "415");
    assert_eq!(plan["rungs"][0]["qty"], "83");
}

#[test]
fn s06_a_separate_target_waits_for_its_stop_and_rungs_wait_for_none_of_each_other() {
    let bench = Bench::new();
    for sequence in ["ladder-first", "protect-first"] {
        let (_, plan, _) = bench.plan(&format!("--direction long --sequence {sequence}"));
        let steps = plan["steps"].as_array().unwrap();
        let id = |kind: &str| steps.iter().find(|s| s["kind"] == kind).unwrap()["id"].clone();
        let after = |step: &Value| step["after"].as_array().unwrap().clone();
        let target = steps.iter().find(|s| s["kind"] == "target").unwrap();
        assert!(after(target).contains(&id("stop")), "{target}");
        let rung_ids: Vec<Value> = steps.iter().filter(|s| s["kind"] == "rung").map(|s| s["id"].clone()).collect();
        assert_eq!(rung_ids.len(), 4);
        for rung in steps.iter().filter(|s| s["kind"] == "rung") {
            assert!(after(rung).iter().all(|edge| !rung_ids.contains(edge)), "{rung}");
        }
    }
}

#[test]
fn r48_what_the_price_range_moves_is_noted_in_the_table_and_in_json() {
    let bench = Bench::new();
    // The highest price lies between the break-even and the target, the lowest above the two deepest rungs.
    for (direction, high, low, noted) in [
        ("long", "150.5", "0.01", &["target"][..]),
        ("short", "100000", "149.9", &["target"]),
        ("short", "185", "149.9", &["rung 3", "rung 4", "target"]),
        ("long", "100000", "0.01", &[]),
    ] {
        let range = INFO.replacen("\"maxPrice\":\"100000\"", &format!("\"maxPrice\":\"{high}\""), 1).replacen(
            "\"minPrice\":\"0.01\"",
            &format!("\"minPrice\":\"{low}\""),
            1,
        );
        bench.file("info.json", &range);
        let (code, plan, stderr) = bench.plan(&format!("--direction {direction}"));
        let notes = plan["notes"].as_array().unwrap();
        let orders: Vec<&str> = notes.iter().map(|note| note["order"].as_str().unwrap()).collect();
        assert_eq!(orders, noted, "{direction} {high} {low}: {plan}");
        assert!(notes.iter().all(|note| note["rule"] == "price_range" && note.as_object().unwrap().len() == 3));
        let refused = plan["refused"] != Value::Null;
        assert_eq!((code, stderr.is_empty()), if refused { (8, false) } else { (0, true) }, "{stderr}");
        let table = bench.run(&format!(
            "plan --exchange-info info.json --brackets brackets.json --symbol SOLUSDT --direction {direction} \
             --margin 100 --mark 150.237"
        ));
        let table = String::from_utf8(table.stdout).unwrap();
        for note in notes {
            let message = note["message"].as_str().unwrap();
            assert!(table.lines().any(|line| line.trim() == message), "{message} is missing in\n{table}");
        }
        assert_eq!(table.matches("edge of the contract's price range").count(), noted.len(), "{table}");
        if noted == ["target"] {
            assert_eq!(code, 0, "a target that is nearer than asked for breaks no rule: {stderr}");
            let edge = if direction == "long" { "150.50" } else { "149.90" };
            assert_eq!(plan["target"]["price"], edge);
            assert!(notes[0]["message"].as_str().unwrap().contains(edge), "{plan}");
        }
    }
}

#[test]
fn s09_on_a_paired_venue_stop_and_target_are_one_step() {
    let bench = Bench::new();
    bench.file(
        "contracts.json",
        r#"{"data":[{"symbol":"SOLUSDT","quoteCoin":"USDT","buyLimitPriceRatio":"0.05","sellLimitPriceRatio":"0.05",
        "makerFeeRate":"0.0002","takerFeeRate":"0.0006","minTradeNum":"0.1","priceEndStep":"1","volumePlace":"1",
        "pricePlace":"2","sizeMultiplier":"0.1","minTradeUSDT":"5","maxSymbolOrderNum":"200","symbolStatus":"normal",
        "maxLever":"100","maxMarketOrderQty":"220","maxOrderQty":"1200"}]}"#,
    );
    let output = bench.run(
        "plan --venue bitget --exchange-info contracts.json --symbol SOLUSDT --direction long --margin 100 \
         --mark 150.237 --json",
    );
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    let kinds: Vec<&str> = plan["steps"].as_array().unwrap().iter().map(|s| s["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"position_tpsl") && !kinds.contains(&"stop") && !kinds.contains(&"target"), "{kinds:?}");
    // The first rung lies 8.5 % below the mark already, and the contract states a band of 5 %.
    let band = |note: &&Value| note["rule"] == "price_band";
    let held: Vec<&str> =
        plan["notes"].as_array().unwrap().iter().filter(band).map(|note| note["order"].as_str().unwrap()).collect();
    assert_eq!(held, ["rung 1", "rung 2", "rung 3", "rung 4"]);
}

#[test]
fn flags_out_of_range_are_usage_errors_with_the_reason() {
    let bench = Bench::new();
    for (args, words) in [
        ("--direction long --margin 0", ["--margin", "above zero"]),
        ("--direction long --margin -5", ["--margin", "above zero"]),
        ("--direction long --profit 0", ["--profit", "above zero"]),
        ("--direction long --gap 0", ["--gap", "above zero"]),
        ("--direction long --mark abc", ["--mark", "abc"]),
        ("--direction long --rungs 32", ["--rungs", "32"]),
        ("--direction long --leverage-cap 0", ["--leverage-cap", "1..=125"]),
        ("--direction long --leverage-cap 126", ["--leverage-cap", "1..=125"]),
        ("--direction long --headroom 50.1", ["--headroom", "0 and 50"]),
        ("--direction long --headroom -1", ["--headroom", "0 and 50"]),
        ("--direction sideways", ["--direction", "sideways"]),
        ("--direction long --margine 5", ["--margine", "--margin"]),
    ] {
        let (code, told, stderr) = bench.plan(args);
        assert_eq!(code, 2, "{args}: {stderr}");
        assert!(words.iter().all(|word| stderr.contains(word)), "{args}: {stderr}");
        assert_eq!(stderr.trim().lines().count(), 1, "one sentence: {stderr}");
        assert_eq!((&told["schema"], &told["exit"]), (&"kraite.error/1".into(), &2.into()), "{args}");
    }
}

#[test]
fn a_gap_that_drives_a_rung_below_zero_is_refused_with_the_rung_and_a_gap_that_fits() {
    let bench = Bench::new();
    let (code, plan, _) = bench.plan("--direction long --gap 40");
    assert_eq!(code, 8);
    assert_eq!(plan["refused"]["rule"], "rung_price_not_positive");
    assert_eq!(plan["refused"]["rung"], 3);
    let fix = &plan["refused"]["smallest_fix"];
    assert_eq!(fix["flag"], "gap");
    assert_eq!(bench.plan(&format!("--direction long --gap {}", fix["value"].as_str().unwrap())).0, 0);
}

#[test]
fn data_files_that_are_wrong_are_named() {
    let bench = Bench::new();
    bench.file("page.html", "<html>403 Forbidden</html>");
    bench.file("cut.json", &INFO[..INFO.len() / 2]);
    std::fs::create_dir(bench.folder.path().join("folder")).unwrap();
    for (args, word) in [
        ("--exchange-info page.html --symbol SOLUSDT", "page.html"),
        ("--exchange-info cut.json --symbol SOLUSDT", "cut.json"),
        ("--exchange-info folder --symbol SOLUSDT", "folder"),
        ("--exchange-info missing.json --symbol SOLUSDT", "missing.json"),
        ("--exchange-info info.json --symbol NOPEUSDT", "NOPEUSDT"),
        ("--exchange-info info.json --brackets info.json --symbol SOLUSDT", "leverageBracket"),
    ] {
        let output = bench.run(&format!("plan {args} --direction long --margin 100 --mark 150 --json"));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(9), "{args}: {stderr}");
        assert!(stderr.contains(word) && stderr.trim().lines().count() == 1, "{args}: {stderr}");
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&told["schema"], &told["exit"]), (&"kraite.error/1".into(), &9.into()));
    }
}

#[test]
fn i01_i06_a_backtest_under_heavy_faults_ends_without_duplicates_or_orphans() {
    let bench = Bench::new();
    bench.klines(3_000);
    let (code, calm, _) = bench.backtest("--klines klines.csv --brackets brackets.json");
    assert_eq!(code, 0, "{calm}");
    assert_eq!(calm["schema"], "kraite.backtest/1");
    assert_eq!(calm["bars"], 3_000);
    assert!(calm["positions_closed"].as_u64() > Some(10), "{calm}");
    assert_eq!((&calm["faults_injected"], &calm["crashes"]), (&0.into(), &0.into()));
    for seed in 1..4 {
        let (code, run, stderr) = bench.backtest(&format!("--klines klines.csv --nemesis heavy --seed {seed}"));
        assert_eq!(code, 0, "{run} {stderr}");
        for zero in ["duplicates", "orphans", "violations"] {
            assert_eq!(run[zero], 0, "{zero}: {run}");
        }
        assert!(run["crashes"].as_u64() > Some(20) && run["faults_injected"].as_u64() > Some(100), "{run}");
    }
}

#[test]
fn s10_a_backtest_by_prices_comes_to_what_messages_come_to() {
    let bench = Bench::new();
    bench.klines(3_000);
    bench.file("tight.toml", "gap = \"1.5\"\nstop = \"1\"\nmargin = \"100\"\nwallet = \"5000\"\n");
    for settings in ["", "--brackets brackets.json", "--config tight.toml"] {
        let (code, long, _) = bench.backtest(&format!("--klines klines.csv {settings}"));
        let (fast_code, fast, _) = bench.backtest(&format!("--fast --klines klines.csv {settings}"));
        assert_eq!((code, fast_code), (0, 0), "{fast}");
        assert_eq!((&long["way"], &fast["way"]), (&"messages".into(), &"prices".into()));
        assert!(fast["positions_closed"].as_u64() > Some(10), "{fast}");
        let told = |run: &Value| run.as_object().unwrap().len();
        assert!(told(&long) > told(&fast) && fast.get("violations").is_none(), "{fast}");
        for (key, value) in fast.as_object().unwrap() {
            assert!(
                ["way", "read_ms", "run_ms"].contains(&key.as_str()) || *value == long[key],
                "{key}: {fast} {long}"
            );
        }
    }
    let (code, _, stderr) = bench.backtest("--fast --klines klines.csv --nemesis heavy");
    assert!(code == 2 && stderr.contains("--nemesis"), "{stderr}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    let bench = Bench::new();
    bench.klines(500);
    let run = |seed: u64| {
        let (_, mut run, _) = bench.backtest(&format!("--klines klines.csv --nemesis heavy --seed {seed}"));
        for clock in ["read_ms", "run_ms"] {
            run[clock] = Value::Null;
        }
        run
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn klines_that_are_wrong_are_named_by_file_and_line() {
    let bench = Bench::new();
    let good = std::fs::read_to_string(bench.klines(20)).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        change(&mut changed);
        changed.join("\n") + "\n"
    };
    let cases = [
        ("truncated.csv", good[..good.len() - 12].to_owned(), "line 21", "cut off"),
        ("swapped.csv", with(&|l| l.swap(5, 9)), "line 6", "out of order"),
        ("back.csv", with(&|l| l.swap(9, 10)), "line 10", "out of order"),
        ("gap.csv", with(&|l| drop(l.remove(8))), "line 9", "1 bar is missing"),
        ("two.csv", with(&|l| drop(l.drain(8..10))), "line 9", "2 bars are missing"),
        ("middle.csv", with(&|l| l[6].truncate(40)), "line 7", "columns where the first line has 12"),
        ("quote.csv", with(&|l| l[6] = l[6].replacen(",0,0,", ",xx,0,", 1)), "line 7", "`xx`"),
        ("more.csv", with(&|l| l[6].push_str(",1")), "line 7", "13 columns"),
        ("comma.csv", good[..good.len() - 2].to_owned(), "line 21", "cut off"),
        ("dear.csv", with(&|l| l[7] = l[7].replacen(".", "000.", 2)), "line 8", "highest price"),
        ("long.csv", with(&|l| l[5] = l[5].replacen("299999", "330000", 1)), "line 7", "inside the bar before"),
        ("blank.csv", with(&|l| l[5] = String::new()), "line 6", "blank"),
        ("word.csv", with(&|l| l[4] = l[4].replacen("15", "fifteen", 1)), "line 5", "open"),
        ("short.csv", with(&|l| l[3] = "1740000120000,1,2".into()), "line 4", "columns"),
        ("twice.csv", with(&|l| l[7] = l[6].clone()), "line 8", "not after"),
        ("empty.csv", String::new(), "empty.csv", "no data"),
    ];
    for (name, text, place, word) in cases {
        bench.file(name, &text);
        for way in ["", "--fast"] {
            let (code, told, stderr) = bench.backtest(&format!("{way} --klines {name}"));
            assert_eq!(code, 9, "{name}: {stderr}");
            assert!(stderr.contains(name) && stderr.contains(place) && stderr.contains(word), "{name}: {stderr}");
            assert_eq!(told["exit"], 9);
        }
    }
    let (code, run, _) = bench.backtest("--klines gap.csv --allow-gaps");
    assert_eq!((code, &run["gaps"]), (0, &1.into()));
    for name in ["swapped.csv", "back.csv"] {
        let (code, _, stderr) = bench.backtest(&format!("--klines {name} --allow-gaps"));
        assert!(code == 9 && stderr.contains("out of order"), "{stderr}");
    }
}

#[test]
fn klines_may_be_packed() {
    let bench = Bench::new();
    let text = std::fs::read(bench.klines(60)).unwrap();
    let gz = bench.folder.path().join("klines.csv.gz");
    let mut packed = flate2::write::GzEncoder::new(std::fs::File::create(&gz).unwrap(), flate2::Compression::fast());
    packed.write_all(&text).unwrap();
    packed.finish().unwrap();
    let (_, plain, _) = bench.backtest("--klines klines.csv");
    let (code, run, _) = bench.backtest("--klines klines.csv.gz");
    assert_eq!((code, &run["pnl"], &run["bars"]), (0, &plain["pnl"], &60.into()));
    let whole = std::fs::read(&gz).unwrap();
    std::fs::write(&gz, &whole[..whole.len() / 2]).unwrap();
    let (code, _, stderr) = bench.backtest("--klines klines.csv.gz");
    assert_eq!(code, 9);
    assert!(stderr.contains("klines.csv.gz, line"), "{stderr}");
}

#[test]
fn a_configuration_typo_is_named_by_file_and_line() {
    let bench = Bench::new();
    bench.klines(20);
    bench.file("typo.toml", "rungs = 3\nprofitt = \"0.36\"\n");
    bench.file("zero.toml", "profit = \"0\"\n");
    bench.file("good.toml", "rungs = 2\ngap = \"2\"\ndirection = \"short\"\ntarget = \"limit\"\n");
    for (name, word) in
        [("typo.toml", "line 2"), ("zero.toml", "profit must be above zero"), ("none.toml", "none.toml")]
    {
        let (code, _, stderr) = bench.backtest(&format!("--klines klines.csv --config {name}"));
        assert_eq!(code, 3, "{stderr}");
        assert!(stderr.contains(name) && stderr.contains(word), "{stderr}");
    }
    assert_eq!(bench.backtest("--klines klines.csv --config good.toml").0, 0);
    bench.file("poor.toml", "margin = \"1\"\n");
    let (code, run, stderr) = bench.backtest("--klines klines.csv --config poor.toml");
    assert_eq!((code, &run["positions_opened"]), (8, &0.into()), "{stderr}");
    assert!(run["positions_refused"].as_u64() > Some(0) && stderr.contains("zero_quantity"), "{stderr}");
}

#[test]
fn inspect_id_says_what_an_id_stands_for() {
    use kraite::core::id::{
        AccountTag, Attempt, ClientOrderId, Epoch, LogicalOrder, OrderKey, PositionNo, Revision, Role,
    };
    let key = OrderKey {
        account: AccountTag::new(7).unwrap(),
        position: PositionNo::new(42).unwrap(),
        logical: LogicalOrder { role: Role::Rung(3), revision: Revision::new(2).unwrap() },
        attempt: Attempt::new(1).unwrap(),
        epoch: Epoch::new(9).unwrap(),
    };
    let id = ClientOrderId::encode(&key).to_string();
    let bench = Bench::new();
    let output = bench.run(&format!("inspect-id {id} --json"));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let want = serde_json::json!({"schema": "kraite.id/1", "id": id, "role": "rung 3", "account": 7, "position": 42,
        "revision": 2, "attempt": 1, "epoch": 9});
    assert_eq!(told, want);
    let wrong = format!("{}{}", if id.starts_with('a') { 'b' } else { 'a' }, &id[1..]);
    for text in [wrong.as_str(), "x", "web_12345"] {
        let output = bench.run(&format!("inspect-id {text}"));
        assert_eq!(output.status.code(), Some(2), "a mistyped argument");
        assert!(String::from_utf8(output.stderr).unwrap().contains("no client order id"));
    }
}

/// A journal with one opening in it.
fn journal(path: &Path) {
    use kraite::core::engine::{Config, Engine, Input, InputKind, commit};
    use kraite::core::id::AccountTag;
    use kraite::core::journal::Journal as _;
    use kraite::journal::SqliteJournal;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let journal = SqliteJournal::open(path).unwrap();
        let account = AccountTag::new(7).unwrap();
        let epoch = journal.acquire(account).await.unwrap();
        let loaded = journal.load(account).await.unwrap();
        let capabilities = kraite::binance::capabilities();
        let mut engine = Engine::restore(Config::default(), capabilities, account, epoch, loaded).unwrap();
        for _ in 0..3 {
            let step = engine.step(Input { at: Default::default(), kind: InputKind::Started });
            let released = commit(&journal, step).await.unwrap();
            assert!(released.durable.is_some());
        }
    });
}

#[test]
fn inspect_reads_a_journal_and_names_what_is_wrong_with_one() {
    let bench = Bench::new();
    let path = bench.folder.path().join("kraite.journal");
    journal(&path);
    let output = bench.run("inspect kraite.journal --json");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(told["schema"], "kraite.inspect/1");
    assert_eq!(told["accounts"][0]["account"], 7);
    assert_eq!(told["accounts"][0]["last_seq"], 3);
    assert_eq!(told["accounts"][0]["records"].as_array().unwrap().len(), 3);
    let none: Value = serde_json::from_slice(&bench.run("inspect kraite.journal --limit 0 --json").stdout).unwrap();
    assert_eq!(none["accounts"][0]["records"], Value::Array(Vec::new()));
    assert!(none["accounts"][0]["epoch"].as_u64() > Some(0), "the owner's, with or without records: {none}");
    assert_eq!(none["accounts"][0]["epoch"], told["accounts"][0]["records"][2]["epoch"]);
    assert!(String::from_utf8(bench.run("inspect kraite.journal").stdout).unwrap().contains("account 7: 3 records"));
    bench.file("notes.txt", &"not a journal ".repeat(100));
    for (args, code, word) in [
        ("inspect missing.journal", 10, "does not exist"),
        ("inspect notes.txt", 10, "not a kraite journal"),
        ("inspect .", 10, "folder"),
        ("inspect kraite.journal --account 8", 2, "account 8"),
    ] {
        let output = bench.run(args);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args}: {stderr}");
        assert!(stderr.contains(word) && stderr.trim().lines().count() == 1, "{args}: {stderr}");
    }
}

#[test]
fn a_full_disk_ends_with_the_journal_named_and_its_exit_code() {
    let output = std::process::Command::new("bash")
        .args(["-c", "ulimit -f 60; exec \"$0\" demo --venue binance"])
        .arg(env!("CARGO_BIN_EXE_kraite"))
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(10), "{stderr}");
    assert!(stderr.contains("journal write failed") && stderr.contains("binance.journal"), "{stderr}");
}

#[allow(clippy::disallowed_methods, reason = "a process of its own is waited for on the wall clock")]
fn beat() {
    std::thread::sleep(std::time::Duration::from_millis(20));
}

/// Takes the demo's account away from its worker again and again, until the demo ends.
fn depose(demo: &mut std::process::Child, folder: &Path) {
    use kraite::core::id::AccountTag;
    use kraite::core::journal::Journal as _;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let journal = || {
        let inside = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join("binance.journal"));
        inside.into_iter().find(|path| path.exists())
    };
    let mut rounds = 0;
    while demo.try_wait().unwrap().is_none() {
        rounds += 1;
        assert!(rounds < 3_000, "the deposed worker goes on");
        // A journal that is just being made, or whose demo has just ended, cannot be opened.
        if let Some(journal) = journal().and_then(|path| kraite::journal::SqliteJournal::open(&path).ok()) {
            drop(runtime.block_on(journal.acquire(AccountTag::new(7).unwrap())));
        }
        beat();
    }
}

/// Every code but 5 and 6, which take a broken program: a build with the bugs of the zoo gives those.
#[test]
fn every_exit_code_that_the_command_can_give_is_given() {
    use std::process::{Command, Stdio};
    let bench = Bench::new();
    bench.klines(20);
    bench.file("typo.toml", "profitt = \"0.36\"\n");
    let plan = "plan --exchange-info info.json --symbol SOLUSDT --direction long --mark 150.237";
    let kraite = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kraite"));
        command.current_dir(&bench.folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    };
    let run = |args: &str| kraite().args(args.split_whitespace()).output().unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let deposed = bench.folder.path().join("deposed");
    std::fs::create_dir(&deposed).unwrap();
    let mut demo = kraite().args(["demo", "--venue", "binance"]).env("TMPDIR", &deposed).spawn().unwrap();
    depose(&mut demo, &deposed);
    let worker = "demo-worker --venue binance --symbol SOLUSDT --now-ms 1760000000000 --journal worker.journal";
    let ended = [
        (0, run(&format!("{plan} --margin 100")), ""),
        (1, kraite().args(plan.split(' ')).args(["--margin", "100"]).stdout(full).output().unwrap(), "stdout"),
        (1, kraite().arg("demo").env("TMPDIR", bench.folder.path().join("none")).output().unwrap(), "none"),
        (2, run(&format!("{plan} --margin 0")), "--margin"),
        (3, run("backtest --exchange-info info.json --symbol SOLUSDT --klines klines.csv --config typo.toml"), "typo"),
        (4, run(worker), "no answer"),
        (7, demo.wait_with_output().unwrap(), "owned by epoch"),
        (8, run(&format!("{plan} --margin 1")), "refused"),
        (9, run(&plan.replace("info.json", "none.json").replace("plan", "plan --margin 100")), "none.json"),
        (10, run("inspect none.journal"), "none.journal"),
    ];
    let mut given: Vec<i32> = Vec::new();
    for (code, output, word) in ended {
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(word) && (code == 0) == stderr.is_empty(), "{code}: {stderr}");
        given.push(code);
    }
    given.dedup();
    let help = String::from_utf8(bench.run("--help").stdout).unwrap();
    let documented = help.lines().skip_while(|line| !line.starts_with("Exit codes")).skip(1);
    let documented: Vec<i32> = documented.map_while(|line| line.split_whitespace().next()?.parse().ok()).collect();
    assert_eq!(documented, (0..=10).collect::<Vec<_>>());
    assert_eq!(given, documented.into_iter().filter(|code| ![5, 6].contains(code)).collect::<Vec<_>>());
}

#[test]
fn help_lists_every_command_and_exit_code() {
    let bench = Bench::new();
    let help = String::from_utf8(bench.run("--help").stdout).unwrap();
    for word in ["demo", "plan", "backtest", "inspect", "inspect-id", "Exit codes", "the journal cannot be used"] {
        assert!(help.contains(word), "{word} is missing in\n{help}");
    }
    assert!(!help.contains("demo-worker"));
    assert_eq!(bench.run("").status.code(), Some(2));
    assert_eq!(bench.run("trade").status.code(), Some(2));
}
