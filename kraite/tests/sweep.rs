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

const HEAD: &str = "exchange_info = \"info.json\"\ngap = [\"1.5\", \"3\"]\nprofit = [\"0.3\", \"0.9\"]\nstop = \"1\"\nwallet = \"5000\"\nmargin = \"100\"\n";
const SOL: &str = "[[market]]\nsymbol = \"SOLUSDT\"\nklines = [\"klines.csv\"]\n";
const TINY: &str = "[[market]]\nsymbol = \"TINYUSDT\"\nklines = [\"tiny.csv\"]\nsettings = { margin = \"50\" }\n";

/// The rows of a file without their first two cells and without the contract.
fn results(bench: &Bench, name: &str, of: Option<&str>) -> Vec<String> {
    let text = read(bench, name);
    let rest = |line: &str| line.splitn(3, ',').nth(2).unwrap().to_owned();
    let lines = text.lines().skip(1).map(rest);
    match of {
        Some(symbol) => lines.filter_map(|line| line.strip_prefix(&format!("{symbol},")).map(str::to_owned)).collect(),
        None => lines.collect(),
    }
}

#[test]
fn s10_a_sweep_over_contracts_is_that_of_each_and_so_are_its_shards() {
    let bench = Bench::new();
    bench.klines(2_000);
    bench.tiny_klines();
    bench.trades();
    bench.file("all.toml", &format!("{HEAD}{SOL}{TINY}"));
    let (code, told, stderr) = sweep(&bench, "--grid all.toml --out all.csv");
    assert_eq!((code, &told["rows"], &told["missing"]), (0, &8.into(), &0.into()), "{stderr}");
    assert_eq!(told["keys"], serde_json::json!(["symbol", "gap", "profit"]));
    let settings = HEAD.split_once('\n').unwrap().1;
    bench.file("sol.toml", settings);
    bench.file("tiny.toml", &settings.replace("\"100\"", "\"50\""));
    for (symbol, grid, klines) in [("SOLUSDT", "sol.toml", "klines.csv"), ("TINYUSDT", "tiny.toml", "tiny.csv")] {
        let market = format!("--exchange-info info.json --symbol {symbol} --klines {klines}");
        let (code, _, stderr) = sweep(&bench, &format!("--grid {grid} --out {symbol}.csv {market}"));
        assert_eq!(code, 0, "{stderr}");
        let alone = results(&bench, &format!("{symbol}.csv"), None);
        assert_eq!(alone.len(), 4);
        assert_eq!(results(&bench, "all.csv", Some(symbol)), alone);
        assert!(alone.iter().any(|row| !row.contains(",0,0,0,0,")), "{alone:?}");
    }
    for shard in ["1/3", "2/3", "3/3"] {
        let out = format!("part-{}.csv", &shard[..1]);
        assert_eq!(sweep(&bench, &format!("--grid all.toml --out {out} --shard {shard}")).0, 0);
    }
    sweep(&bench, "merge part-1.csv part-2.csv part-3.csv --out merged.csv");
    assert_eq!(read(&bench, "merged.csv"), read(&bench, "all.csv"));
    // Another contract, other bars of one, or other settings of one are another sweep.
    for other in
        [format!("{HEAD}{SOL}"), format!("{HEAD}{TINY}{SOL}"), format!("{HEAD}{SOL}{TINY}").replace("50", "60")]
    {
        bench.file("other.toml", &other);
        let (code, _, stderr) = sweep(&bench, "--grid other.toml --out all.csv");
        assert!(code == 9 && stderr.contains("all.csv: is of another grid"), "{stderr}");
    }

    // Trades are played one by one, and signals are those of a backtest.
    let minute = |n: i64| 1_740_000_000_000 + 60_000 * n;
    bench.file("entries.csv", &format!("at,symbol\n{},SOLUSDT\n{},SOLUSDT\n", minute(2), minute(40)));
    let trades = SOL.replace("klines = [\"klines.csv\"]", "trades = [\"trades.csv\"]\nsignals = \"entries.csv\"");
    bench.file("trades.toml", &format!("{HEAD}{trades}{TINY}"));
    let (code, _, stderr) = sweep(&bench, "--grid trades.toml --out trades-out.csv");
    assert!(code == 0 && stderr.contains("SOLUSDT: 1 gaps in the data"), "{stderr}");
    let by_trades = results(&bench, "trades-out.csv", Some("SOLUSDT"));
    for row in &by_trades {
        let cells: Vec<&str> = row.split(',').collect();
        let config = format!(
            "gap = \"{}\"\nprofit = \"{}\"\nstop = \"1\"\nwallet = \"5000\"\nmargin = \"100\"\n",
            cells[0], cells[1]
        );
        bench.file("one.toml", &config);
        let (_, run, _) = bench.backtest("--fast --trades trades.csv --config one.toml --signals entries.csv");
        assert!(run["positions_opened"] == 2, "{run}");
        assert_eq!((&run["pnl"], &run["fees"]), (&cells[2].into(), &cells[4].into()), "{row}");
        assert_eq!(run["positions_closed"], cells[6].parse::<u64>().unwrap());
    }
    assert_eq!(results(&bench, "trades-out.csv", Some("TINYUSDT")), results(&bench, "all.csv", Some("TINYUSDT")));
    // As lines of JSON, from a sweep and from a merge.
    let (code, ..) = sweep(&bench, "merge all.csv --out again.csv --json-lines merged.jsonl");
    let (also, ..) = sweep(&bench, "--grid all.toml --out all.csv --json-lines all.jsonl");
    assert_eq!((code, also, read(&bench, "merged.jsonl")), (0, 0, read(&bench, "all.jsonl")));
    let lines = read(&bench, "all.jsonl");
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 8);
    for (row, line) in rows.iter().zip(read(&bench, "all.csv").lines().skip(1)) {
        let cells: Vec<&str> = line.split(',').collect();
        let settings = ["symbol", "gap", "profit"].map(|key| row["settings"][key].as_str().unwrap());
        assert_eq!((settings.as_slice(), row["pnl"].as_str().unwrap()), (&cells[2..5], cells[5]));
    }
    // The same as flags.
    let market = "--exchange-info info.json --symbol SOLUSDT --trades trades.csv --signals entries.csv";
    let (code, _, stderr) = sweep(&bench, &format!("--grid sol.toml --out flags.csv {market}"));
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(results(&bench, "flags.csv", None), by_trades);
}

#[test]
fn contracts_of_a_grid_are_looked_at_before_anything_runs() {
    let bench = Bench::new();
    bench.klines(50);
    bench.tiny_klines();
    for (grid, flags, exit, words) in [
        (format!("{HEAD}{SOL}"), MARKET, 2, "leave out --klines"),
        ("margin = \"100\"\n".to_owned(), "", 2, "has no [[market]]"),
        (format!("{HEAD}{SOL}{SOL}"), "", 3, "SOLUSDT is there twice"),
        (format!("{HEAD}[[market]]\nsymbol = \"SOLUSDT\"\n"), "", 3, "SOLUSDT has no klines"),
        (
            format!("{HEAD}[[market]]\nsymbol = \"SOLUSDT\"\ntrades = [\"t.csv\"]\nmark_klines = [\"m.csv\"]\n"),
            "",
            3,
            "SOLUSDT has mark_klines beside trades",
        ),
        (format!("{HEAD}{SOL}trades = [\"t.csv\"]\n"), "", 3, "SOLUSDT has klines and trades"),
        (format!("{HEAD}{SOL}{TINY}").replace("margin = \"50\"", "gap = \"50\""), "", 3, "gap is varied, and TINYUSDT"),
        (
            format!("{HEAD}{SOL}{TINY}").replace("margin = \"50\"", "stop = \"0\""),
            "",
            3,
            "TINYUSDT: stop must be above zero",
        ),
        (format!("{HEAD}{SOL}bars = 4\n"), "", 3, "unknown field `bars`"),
        (format!("{HEAD}{SOL}").replacen("gap", "gapp", 1), "", 3, "unknown field `gapp`"),
        (format!("margin = [\"100\"]\n{SOL}"), "", 3, "exchange_info"),
        (format!("to = true\n{HEAD}{SOL}"), "", 3, "a time is text or milliseconds"),
        (format!("{HEAD}{SOL}{TINY}").replace("tiny.csv", "none.csv"), "", 9, "none.csv"),
        (format!("{HEAD}{SOL}{TINY}").replace("TINYUSDT", "HUGEUSDT"), "", 9, "HUGEUSDT"),
    ] {
        bench.file("grid.toml", &grid);
        let (code, told, stderr) = sweep(&bench, &format!("--grid grid.toml --out out.csv {flags}"));
        assert!(code == exit && stderr.contains(words), "{words}: {code} {stderr}");
        assert_eq!(told["exit"], exit, "{words}");
        assert!(!bench.folder.path().join("out.csv").exists(), "{words}");
    }
}

#[cfg(feature = "postgres")]
#[test]
#[ignore = "needs PostgreSQL"]
fn s10_a_sweep_that_is_taken_from_a_database_is_the_same_whoever_ran_what() {
    let bench = Bench::new();
    bench.klines(2_000);
    bench.file("grid.toml", GRID);
    let (code, _, stderr) = sweep(&bench, &format!("--grid grid.toml --out all.csv {MARKET}"));
    assert_eq!(code, 0, "{stderr}");
    let address = std::env::var("KRAITE_POSTGRES").expect("KRAITE_POSTGRES is the address of a PostgreSQL server");
    let (scheme, rest) = address.split_once("://").unwrap();
    let (user, rest) = rest.split_once('@').unwrap();
    let (user, password) = user.split_once(':').unwrap();
    let pull = |out: &str| {
        let args = format!("sweep --grid grid.toml --out {out} --queue {scheme}://{user}@{rest} {MARKET} --json");
        let output = bench.command(&args).env("PGPASSWORD", password).output().unwrap();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), told["ran"].as_u64(), String::from_utf8(output.stderr).unwrap())
    };
    let ran: Vec<_> = std::thread::scope(|scope| {
        let pull = &pull;
        let hosts = ["a.csv", "b.csv", "c.csv"].map(|out| scope.spawn(move || pull(out)));
        hosts.map(|host| host.join().unwrap()).into_iter().collect()
    });
    for (code, _, stderr) in &ran {
        assert_eq!(*code, Some(0), "{stderr}");
    }
    assert_eq!(ran.iter().filter_map(|(_, ran, _)| *ran).sum::<u64>(), 12, "each once: {ran:?}");
    for out in ["a.csv", "b.csv", "c.csv"] {
        assert_eq!(read(&bench, out), read(&bench, "all.csv"), "{out}");
    }
    let (code, ran, stderr) = pull("later.csv");
    assert_eq!((code, ran), (Some(0), Some(0)), "{stderr}");
    assert_eq!(read(&bench, "later.csv"), read(&bench, "all.csv"));
    // A row that is another one.
    let all = read(&bench, "all.csv");
    let line = all.lines().nth(1).unwrap();
    let cell = line.rsplit(',').next().unwrap();
    let other = format!("{}9", line.strip_suffix(cell).unwrap());
    bench.file("wrong.csv", &all.replacen(line, &other, 1));
    let (code, _, stderr) = pull("wrong.csv");
    assert_eq!(code, Some(9), "{stderr}");
    assert!(stderr.contains("has another result in the database"), "{stderr}");
}
