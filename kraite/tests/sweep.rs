//! `kraite sweep`: every combination once, the same as a backtest of it, resumed and put together.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod bench;

use bench::Bench;
use serde_json::Value;

const GRID: &str = "direction = [\"long\", \"short\"]\ngap = [\"1.5\", \"3\"]\nprofit = [\"0.3\", \"0.5\", \"0.9\"]\nstop = \"1\"\nmargin = \"100\"\nwallet = \"5000\"\n";
const MARKET: &str = "--exchange-info info.json --symbol SOLUSDT --klines klines.csv";

fn sweep(bench: &Bench, args: &str) -> (i32, Value, String) {
    let output = bench.run(&format!("sweep {args} --json"));
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap_or_default(), stderr)
}

fn read(bench: &Bench, name: &str) -> String {
    std::fs::read_to_string(bench.folder.path().join(name)).unwrap()
}

#[test]
fn s10_a_sweep_is_a_backtest_of_each_combination_whoever_ran_which() {
    let bench = Bench::new();
    bench.klines(2_000);
    bench.file("grid.toml", GRID);
    let (code, told, stderr) = sweep(&bench, &format!("--grid grid.toml --out all.csv {MARKET}"));
    assert_eq!(
        (code, &told["rows"], &told["ran"], &told["missing"]),
        (0, &12.into(), &12.into(), &0.into()),
        "{stderr}"
    );
    let all = read(&bench, "all.csv");
    let names: Vec<&str> = all.lines().next().unwrap().split(',').collect();
    assert_eq!(names[..5], ["grid", "run", "direction", "gap", "profit"]);
    let at = |name: &str| names.iter().position(|n| *n == name).unwrap();
    for line in all.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let settings = format!(
            "direction = \"{}\"\ngap = \"{}\"\nprofit = \"{}\"\nstop = \"1\"\nmargin = \"100\"\nwallet = \"5000\"\n",
            cells[2], cells[3], cells[4]
        );
        bench.file("one.toml", &settings);
        let (_, run, _) = bench.backtest("--fast --klines klines.csv --config one.toml");
        for (column, key) in [("pnl", "pnl"), ("max_drawdown", "max_drawdown"), ("fees", "fees")] {
            assert_eq!(run[key], cells[at(column)], "{line}: {run}");
        }
        for (column, key) in [("positions", "positions_closed"), ("stops", "stops"), ("rungs", "rungs_filled")] {
            assert_eq!(run[key], cells[at(column)].parse::<u64>().unwrap(), "{line}: {run}");
        }
        let parts: f64 = cells[at("pnl_1")..].iter().map(|part| part.parse::<f64>().unwrap()).sum();
        assert!((parts - cells[at("pnl")].parse::<f64>().unwrap()).abs() < 1e-6, "{line}");
    }
    let best = told["best"][0]["pnl"].as_str().unwrap().parse::<f64>().unwrap();
    let highest = all.lines().skip(1).map(|line| line.split(',').nth(at("pnl")).unwrap().parse::<f64>().unwrap());
    assert_eq!(Some(best), highest.max_by(f64::total_cmp));

    // Shards, in any order, come to the same file.
    for shard in ["2/3", "3/3", "1/3"] {
        let out = format!("part-{}.csv", &shard[..1]);
        let (code, told, _) = sweep(&bench, &format!("--grid grid.toml --out {out} --shard {shard} --jobs 1 {MARKET}"));
        assert_eq!((code, &told["ran"], &told["missing"]), (0, &4.into(), &8.into()));
    }
    let (code, told, stderr) = sweep(&bench, "merge part-3.csv part-1.csv part-2.csv --out merged.csv");
    assert_eq!((code, &told["rows"], &told["missing"]), (0, &12.into(), &0.into()), "{stderr}");
    assert_eq!(read(&bench, "merged.csv"), all);
    let (_, told, _) = sweep(&bench, "merge part-3.csv part-1.csv --out some.csv");
    assert_eq!((&told["rows"], &told["missing"]), (&8.into(), &4.into()));
    // The last run of all is missed too.
    let part = read(&bench, "part-3.csv");
    bench.file("short.csv", &part.lines().take(4).fold(String::new(), |text, line| text + line + "\n"));
    let (_, told, _) = sweep(&bench, "merge short.csv part-1.csv part-2.csv --out late.csv");
    assert_eq!((&told["rows"], &told["missing"]), (&11.into(), &1.into()));
    // What is there and is no such file is nobody's to write over.
    let (code, _, stderr) = sweep(&bench, "merge part-1.csv part-2.csv --out klines.csv");
    assert!(code == 9 && stderr.contains("klines.csv: is no file of results"), "{stderr}");
    assert!(read(&bench, "klines.csv").lines().count() >= 2_000);

    // What was cut off in the middle of a row goes on where it was.
    let cut = all.lines().take(6).collect::<Vec<_>>().join("\n") + "\n" + &all.lines().nth(6).unwrap()[..30];
    bench.file("cut.csv", &cut);
    let (code, told, _) = sweep(&bench, &format!("--grid grid.toml --out cut.csv {MARKET}"));
    assert_eq!((code, &told["ran"], &told["rows"]), (0, &7.into(), &12.into()));
    assert_eq!(read(&bench, "cut.csv"), all);

    // Another grid, other bars or other parts of the time are another sweep.
    bench.file("other.toml", &GRID.replace("0.9", "0.8"));
    for args in ["--grid other.toml", "--grid grid.toml --periods 3", "--grid grid.toml --to 1740060000000"] {
        let (code, _, stderr) = sweep(&bench, &format!("{args} --out all.csv {MARKET}"));
        assert!(code == 9 && stderr.contains("all.csv: is of another grid"), "{args}: {stderr}");
    }
    assert_eq!(read(&bench, "all.csv"), all, "nothing was written over");
}

#[test]
fn a_sweep_says_what_is_wrong_with_it_before_anything_runs() {
    let bench = Bench::new();
    bench.klines(50);
    bench.file("grid.toml", "gap = [\"1\", \"0\"]\n");
    bench.file("venues.toml", "venue = [\"binance\", \"bitget\"]\n");
    bench.file("notes.csv", "hello\n");
    bench.file("good.toml", "gap = [\"1\"]\nmargin = \"100\"\n");
    for (args, exit, words) in [
        ("--grid grid.toml --out out.csv", 3, "grid.toml: gap must be above zero"),
        ("--grid venues.toml --out out.csv", 3, "venue cannot be varied"),
        ("--grid missing.toml --out out.csv", 3, "missing.toml"),
        ("--grid good.toml --out out.csv --shard 4/3", 2, "no shard"),
        ("--grid good.toml --out notes.csv", 9, "notes.csv: is no file of results"),
        ("--out out.csv", 2, "--grid"),
    ] {
        let (code, told, stderr) = sweep(&bench, &format!("{args} {MARKET}"));
        assert!(code == exit && stderr.contains(words), "{args}: {code} {stderr}");
        assert_eq!(told["exit"], exit, "{args}");
        assert!(!bench.folder.path().join("out.csv").exists(), "{args}");
    }
    assert_eq!(read(&bench, "notes.csv"), "hello\n");
    let (code, _, stderr) = sweep(&bench, "merge notes.csv --out out.csv");
    assert!(code == 9 && stderr.contains("notes.csv"), "{stderr}");
    // A combination that opens nothing is a row that says why.
    bench.file("dear.toml", "gap = [\"1\", \"30\"]\nrungs = 4\n");
    let (code, told, stderr) = sweep(&bench, &format!("--grid dear.toml --out dear.csv {MARKET}"));
    assert_eq!((code, &told["rows"]), (0, &2.into()), "{stderr}");
    assert!(
        read(&bench, "dear.csv").lines().nth(2).unwrap().contains("no margin opens this ladder"),
        "{}",
        read(&bench, "dear.csv")
    );
    let output = bench.run(&format!("sweep --grid dear.toml --out dear.csv {MARKET}"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("most profitable") && text.contains("1 of them open nothing"), "{text}");
}
