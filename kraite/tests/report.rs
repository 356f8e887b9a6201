//! What `kraite backtest` leaves behind: the page and the tables of a run, and when it enters.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod bench;

use std::path::Path;
use std::process::Command;

use bench::Bench;

const TIGHT: &str = "gap = \"1.5\"\nstop = \"1\"\nmargin = \"100\"\nwallet = \"5000\"\nslippage = \"0.01\"\n";

fn bench() -> Bench {
    let bench = Bench::new();
    bench.klines(3_000);
    bench.file("tight.toml", TIGHT);
    let payment =
        |n: i64| format!("{},8,{}0.0001\n", 1_740_000_000_000 + 1_800_000 * n, if n % 3 == 0 { "-" } else { "" });
    bench.file("funding.csv", &(1..99).map(payment).collect::<String>());
    bench
}

const RUN: &str = "--fast --klines klines.csv --config tight.toml --funding funding.csv";

fn rows(bench: &Bench, name: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(bench.path("books").join(name)).unwrap();
    let cells = |line: &str| line.split(',').map(ToOwned::to_owned).collect::<Vec<_>>();
    let rows: Vec<_> = text.lines().map(cells).collect();
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{name}");
    rows
}

/// The column of this name, as numbers.
fn column(rows: &[Vec<String>], name: &str) -> Vec<f64> {
    let place = rows[0].iter().position(|cell| cell == name).unwrap();
    rows[1..].iter().map(|row| row[place].parse().unwrap_or(0.0)).collect()
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-6, "{a} {b}");
}

#[test]
fn s10_the_tables_of_a_backtest_add_up_to_what_it_says() {
    let bench = bench();
    let (code, told, stderr) = bench.backtest(&format!("{RUN} --csv books"));
    assert_eq!(code, 0, "{stderr}");
    let number = |key: &str| told[key].as_str().unwrap().parse::<f64>().unwrap();
    let (trades, fills, orders) = (rows(&bench, "trades.csv"), rows(&bench, "fills.csv"), rows(&bench, "orders.csv"));
    assert_eq!(trades.len() as u64 - 1, told["positions_closed"].as_u64().unwrap());
    close(column(&fills, "fee").iter().sum(), number("fees"));
    close(column(&rows(&bench, "fees.csv"), "fee").iter().sum(), number("fees"));
    let payments = rows(&bench, "funding.csv");
    assert!(payments.len() > 1);
    close(column(&payments, "amount").iter().sum(), number("funding"));
    // Cash in and out of what has ended is its profit.
    let cash = |position: &str| {
        let of = |name: &str| fills[0].iter().position(|cell| cell == name).unwrap();
        let sums = fills[1..].iter().filter(|row| row[of("position")] == position).map(|row| {
            let worth = row[of("price")].parse::<f64>().unwrap() * row[of("qty")].parse::<f64>().unwrap();
            let fee: f64 = row[of("fee")].parse().unwrap();
            if row[of("side")] == "sell" { worth - fee } else { -worth - fee }
        });
        sums.sum::<f64>()
    };
    for (row, (profit, funding)) in
        trades[1..].iter().zip(column(&trades, "profit").into_iter().zip(column(&trades, "funding")))
    {
        close(cash(&row[1]) + funding, profit);
    }
    let open = told["positions_opened"].as_u64() > told["positions_closed"].as_u64();
    if !open {
        close(column(&trades, "profit").iter().sum(), number("pnl"));
    }
    let filled = orders[1..].iter().filter(|row| row.contains(&"filled".to_owned())).count();
    assert_eq!(filled, fills.len() - 1, "each fill is of an order");
    let equity = rows(&bench, "equity.csv");
    // 3,000 minutes.
    assert_eq!(equity.len() - 1, 51);

    // The same files as of a journal.
    let (code, _, stderr) = bench.backtest(&format!("{RUN} --csv books"));
    assert!(code == 2 && stderr.contains("is there already; --force"), "{stderr}");
    let (code, again, _) = bench.backtest(&format!("{RUN} --csv books --force"));
    assert_eq!((code, &again["pnl"]), (0, &told["pnl"]));
}

#[test]
fn s10_the_books_of_messages_are_those_of_prices_and_know_how_long_each_was_without_a_stop() {
    let bench = bench();
    let run = RUN.replace("--fast ", "");
    assert_eq!(bench.backtest(&format!("{RUN} --csv books")).0, 0);
    let fast: Vec<_> = ["trades.csv", "fills.csv", "orders.csv"].map(|name| rows(&bench, name)).into();
    let (code, told, stderr) = bench.backtest(&format!("{run} --csv books --force --report page.html"));
    assert_eq!(code, 0, "{stderr}");
    let long: Vec<_> = ["trades.csv", "fills.csv", "orders.csv"].map(|name| rows(&bench, name)).into();
    for name in ["entry_qty", "entry_price", "exit_qty", "exit_price", "rungs_filled", "profit", "fees", "funding"] {
        assert_eq!(column(&fast[0], name), column(&long[0], name), "{name}");
    }
    for name in ["qty", "price", "fee"] {
        assert_eq!(column(&fast[1], name), column(&long[1], name), "{name}");
    }
    // Where a rung and its target fill in one bar, messages leave out the revision in between.
    let executed = |orders: &[Vec<String>]| {
        let filled = orders[1..].iter().filter(|row| row.contains(&"filled".to_owned()));
        orders[..1].iter().chain(filled).cloned().collect::<Vec<_>>()
    };
    let (fast_orders, long_orders) = (executed(&fast[2]), executed(&long[2]));
    assert!(fast_orders.len() > 50);
    for name in ["price", "executed_qty", "average_price", "fee"] {
        assert_eq!(column(&fast_orders, name), column(&long_orders, name), "{name}");
    }
    assert!(column(&fast[0], "worst_unprotected_ms").iter().all(|ms| *ms == 0.0));
    let worst = column(&long[0], "worst_unprotected_ms").into_iter().fold(0.0, f64::max);
    assert!(worst > 0.0 && worst <= told["max_unprotected_ms"].as_f64().unwrap() + 1_000.0, "{worst} {told}");
    let page = std::fs::read_to_string(bench.path("page.html")).unwrap();
    well_formed(&page);
    assert!(page.contains("0 violations") && page.contains("without a stop for"));
    // Crashes and faults change neither form nor sums.
    let (code, told, stderr) = bench.backtest(&format!("{run} --csv books --force --nemesis heavy"));
    assert_eq!(code, 0, "{stderr}");
    let number = |key: &str| told[key].as_str().unwrap().parse::<f64>().unwrap();
    close(column(&rows(&bench, "fills.csv"), "fee").iter().sum(), number("fees"));
    close(column(&rows(&bench, "funding.csv"), "amount").iter().sum(), number("funding"));
}

/// Every tag that opens is closed, in order.
fn well_formed(page: &str) {
    let mut open = Vec::new();
    for tag in page.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        let single = tag.ends_with('/') || ["meta", "!doctype"].contains(&name);
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{tag}");
        } else if !single {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn s10_the_page_of_a_backtest_is_whole_and_loads_nothing() {
    let bench = bench();
    let (code, told, stderr) = bench.backtest(&format!("{RUN} --report page.html --drawn 12"));
    assert_eq!(code, 0, "{stderr}");
    let page = std::fs::read_to_string(bench.path("page.html")).unwrap();
    well_formed(&page);
    for foreign in ["http", "<script", "src=", "url(", "@import", "NaN", "inf"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert_eq!(page.matches("<details").count(), 12);
    let opened = told["positions_opened"].as_u64().unwrap();
    assert!(opened > 12 && page.contains(&format!("12 of {opened} are drawn")));
    let (code, _, stderr) = bench.backtest(&format!("{RUN} --report page.html"));
    assert!(code == 2 && stderr.contains("page.html is there already"), "{stderr}");
    // What a run came to is told also where its page cannot be written.
    let (code, _, stderr) = bench.backtest(&format!("{RUN} --report nowhere/page.html"));
    assert!(code == 1 && stderr.contains("nowhere/page.html"), "{stderr}");
    let output =
        bench.run(&format!("backtest --exchange-info info.json --symbol SOLUSDT {RUN} --report nowhere/page.html"));
    assert!(String::from_utf8(output.stdout).unwrap().contains("positions"));
    // A run that opens nothing has a page too.
    bench.file("never.toml", &format!("{TIGHT}margin_mode = \"isolated\"\n"));
    let never = "--fast --klines klines.csv --config never.toml --enter-at 2030-01-01";
    let (code, told, stderr) = bench.backtest(&format!("{never} --report none.html --csv nothing"));
    assert_eq!((code, &told["positions_opened"]), (0, &0.into()), "{stderr}");
    let page = std::fs::read_to_string(bench.path("none.html")).unwrap();
    well_formed(&page);
    assert!(page.contains("No position has ended") && !page.contains("NaN"));
}

#[test]
fn s10_entries_are_where_the_signals_are() {
    let bench = bench();
    let minute = |n: i64| 1_740_000_000_000 + 60_000 * n;
    let lines: String = [100, 700, 1_500].iter().map(|n| format!("{},SOLUSDT\n", minute(*n))).collect::<String>();
    bench.file("signals.csv", &format!("at,symbol\n{lines}{},BTCUSDT\n", minute(2_000)));
    for way in ["--fast", ""] {
        let (code, told, stderr) =
            bench.backtest(&format!("{way} --klines klines.csv --config tight.toml --signals signals.csv"));
        assert_eq!((code, &told["positions_opened"]), (0, &3.into()), "{stderr}");
    }
    // What was wanted before the first bar is no wish to enter at it.
    let later = format!("--klines klines.csv --config tight.toml --signals signals.csv --from {}", minute(300));
    for way in ["--fast", ""] {
        assert_eq!(bench.backtest(&format!("{way} {later}")).1["positions_opened"], 2, "{way}");
    }
    let times = [100, 700].map(|n| minute(n).to_string()).join(",");
    let run = format!("--fast --klines klines.csv --config tight.toml --csv books --enter-at {times}");
    assert_eq!(bench.backtest(&run).1["positions_opened"], 2);
    let fills = rows(&bench, "fills.csv");
    let entries: Vec<_> = fills.iter().filter(|row| row[6] == "entry").map(|row| row[0].clone()).collect();
    assert_eq!(entries, ["2025-02-19T23:00:00.000Z", "2025-02-20T09:00:00.000Z"]);
    bench.file("signals.csv", "at,symbol\n2025-02-20T10:00,BTCUSDT\n");
    let (code, told, stderr) = bench.backtest("--fast --klines klines.csv --signals signals.csv");
    assert!(
        code == 0 && told["positions_opened"] == 0 && stderr.contains("no line of it is about SOLUSDT"),
        "{stderr}"
    );
    bench.file("signals.csv", "at\nnever\n");
    let (code, _, stderr) = bench.backtest("--fast --klines klines.csv --signals signals.csv");
    assert!(code == 9 && stderr.contains("signals.csv, line 2: `never`"), "{stderr}");
}

#[test]
fn s10_trades_are_played_one_by_one_on_both_ways() {
    let bench = bench();
    bench.trades();
    let times = [60, 2_000, 4_000].map(|s| (1_740_000_000_000_i64 + 1_000 * s).to_string()).join(",");
    let run = format!("--trades trades.csv --config tight.toml --enter-at {times}");
    let (code, fast, stderr) = bench.backtest(&format!("--fast {run}"));
    let (slow_code, slow, _) = bench.backtest(&run);
    assert_eq!((code, slow_code), (0, 0), "{stderr}");
    assert!(fast["positions_closed"].as_u64() > Some(1), "{fast}");
    for key in ["positions_opened", "positions_closed", "stops", "targets", "rungs_filled", "fees", "pnl", "gaps"] {
        assert_eq!(fast[key], slow[key], "{key}");
    }
    assert_eq!((&fast["gaps"], &fast["bars"]), (&1.into(), &2_000.into()));
    let (code, _, stderr) = bench.backtest("--fast --klines klines.csv --trades trades.csv");
    assert!(code == 2 && stderr.contains("cannot be used with"), "{stderr}");
}

#[test]
fn s10_triggers_see_the_mark_price_where_there_is_one() {
    let bench = bench();
    // The same bars, drawn in to half of their reach and a little finer than a tick.
    let klines = std::fs::read_to_string(bench.path("klines.csv")).unwrap();
    let mark = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let [open, high, low, close] = [1, 2, 3, 4].map(|n: usize| cells[n].parse::<f64>().unwrap());
        let (high, low) = (high - 0.15 + 0.004, low + 0.15 - 0.004);
        format!("{},{open:.3},{high:.3},{low:.3},{close:.3},0,{},0,0,0,0,0\n", cells[0], cells[6])
    };
    let marks: Vec<String> = klines.lines().skip(1).map(mark).collect();
    bench.file("mark.csv", &marks.concat());
    let run = format!("{RUN} --mark-klines mark.csv");
    let (code, fast, stderr) = bench.backtest(&run);
    assert_eq!(code, 0, "{stderr}");
    let (_, slow, _) = bench.backtest(&run.replace("--fast ", ""));
    for key in ["positions_opened", "stops", "targets", "rungs_filled", "fees", "funding", "pnl", "max_drawdown"] {
        assert_eq!(fast[key], slow[key], "{key}");
    }
    let (_, without, _) = bench.backtest(RUN);
    assert_ne!(fast["pnl"], without["pnl"]);
    bench.file("last.toml", &format!("{TIGHT}stop_by = \"last\"\n"));
    let (_, by_last, _) = bench.backtest(&run.replace("tight.toml", "last.toml"));
    assert_ne!(fast["pnl"], by_last["pnl"]);
    // A sweep and an account of several contracts see it too.
    let market = "[[market]]\nsymbol = \"SOLUSDT\"\nklines = [\"klines.csv\"]\nmark_klines = [\"mark.csv\"]\nfunding = \"funding.csv\"\n";
    bench.file("grid.toml", &format!("exchange_info = \"info.json\"\nprofit = [\"0.36\"]\n{TIGHT}{market}"));
    let output = bench.run("sweep --grid grid.toml --out sweep.csv --json");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["best"][0]["pnl"], fast["pnl"], "{told}");
    let settings = TIGHT.replace("wallet = \"5000\"\n", "");
    let account =
        format!("wallet = \"5000\"\nslots = 1\nexchange_info = \"info.json\"\n[settings]\n{settings}{market}");
    bench.file("account.toml", &account);
    let output = bench.run("portfolio --config account.toml --json");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["pnl"], &told["max_drawdown"]), (&fast["pnl"], &fast["max_drawdown"]), "{told}");
    // Nothing is filled in where nobody said so.
    bench.file("mark.csv", &marks.iter().filter(|line| !line.contains("1740000600000")).cloned().collect::<String>());
    for way in [run.clone(), run.replace("--fast ", "")] {
        let (code, _, stderr) = bench.backtest(&way);
        assert!(
            code == 9 && stderr.contains("mark.csv: the mark price of the bar at 1740000600000 ms is missing"),
            "{stderr}"
        );
        let (code, _, stderr) = bench.backtest(&format!("{way} --allow-gaps"));
        assert!(code == 0 && stderr.contains("SOLUSDT: 1 bars have no mark price"), "{stderr}");
    }
    let (code, _, stderr) = bench.backtest("--fast --trades klines.csv --mark-klines mark.csv");
    assert!(code == 2 && stderr.contains("cannot be used with"), "{stderr}");
}

/// A picture of the page in a browser, and what the browser said.
fn picture(page: &Path, to: &Path, size: &str, dark: bool) -> String {
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"])
        .arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!dark)))
        .arg(format!("--window-size={size}"))
        .arg(format!("--screenshot={}", to.display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
#[ignore = "needs Chromium"]
fn s10_the_page_opens_in_a_browser_at_any_width_in_light_and_dark() {
    let bench = bench();
    let (code, _, stderr) = bench.backtest(&format!("{RUN} --report page.html"));
    assert_eq!(code, 0, "{stderr}");
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut pictures = Vec::new();
    for (name, size) in [("phone", "500,3000"), ("desktop", "1200,3000")] {
        for dark in [false, true] {
            let to = kept.join(format!("backtest-{name}-{}.png", if dark { "dark" } else { "light" }));
            let _ = std::fs::remove_file(&to);
            let said = picture(&bench.path("page.html"), &to, size, dark);
            assert!(!said.contains("CONSOLE"), "{said}");
            pictures.push(std::fs::read(&to).unwrap());
        }
    }
    // Something is drawn, and each look is another.
    assert!(pictures.iter().all(|picture| picture.len() > 50_000));
    assert!(pictures.iter().enumerate().all(|(n, picture)| pictures[n + 1..].iter().all(|other| other != picture)));
}

const ACCOUNT: &str = "wallet = \"5000\"\nslots = 1\nexchange_info = \"info.json\"\n[settings]\ngap = \"1.5\"\nstop = \"1\"\nslippage = \"0.01\"\n[[market]]\nsymbol = \"SOLUSDT\"\nklines = [\"klines.csv\"]\nsettings = { margin = \"100\" }\n";

#[test]
fn s10_a_portfolio_of_one_is_a_backtest_and_two_share_their_slots() {
    let bench = bench();
    let run = |text: &str, args: &str| {
        bench.file("account.toml", text);
        let output = bench.run(&format!("portfolio --config account.toml {args}"));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code().unwrap(), json, String::from_utf8(output.stderr).unwrap())
    };
    let (code, one, stderr) = run(ACCOUNT, "--json");
    assert_eq!(code, 0, "{stderr}");
    let (_, alone, _) = bench.backtest("--fast --klines klines.csv --config tight.toml");
    assert_eq!((&one["pnl"], &one["max_drawdown"]), (&alone["pnl"], &alone["max_drawdown"]));
    for key in ["bars", "positions_opened", "stops", "targets", "rungs_filled", "fees", "pnl"] {
        assert_eq!(one["markets"][0][key], alone[key], "{key}");
    }
    bench.tiny_klines();
    let two = format!(
        "{ACCOUNT}[[market]]\nsymbol = \"TINYUSDT\"\nklines = [\"tiny.csv\"]\nsettings = {{ margin = \"50\" }}\n"
    );
    let (code, shared, stderr) = run(&two, "--json --csv books --report page.html");
    assert_eq!((code, &shared["most_open"]), (0, &1.into()), "{stderr}");
    let page = std::fs::read_to_string(bench.path("page.html")).unwrap();
    well_formed(&page);
    for words in ["Backtest of 2 contracts", "SOLUSDT, TINYUSDT on binance", "at most 1 of 1 slots", "<b>TINYUSDT #"] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf"));
    let all =
        shared["markets"].as_array().unwrap().iter().map(|m| m["positions_opened"].as_u64().unwrap()).sum::<u64>();
    assert!(page.contains(&format!("of {all} are drawn")) && page.matches("<svg").count() > 20);
    let (code, again, stderr) = run(&two, "--json --report page.html");
    assert!(code == 2 && again["exit"] == 2 && stderr.contains("page.html is there already"), "{stderr}");
    let (code, told, stderr) = run(&two, "--json --report nowhere/page.html");
    assert!(code == 1 && told["pnl"] == shared["pnl"] && stderr.contains("nowhere/page.html"), "{stderr}");
    let (code, later, _) = run(&two.replace("slots = 1", "slots = 1\nfrom = 1740060000000"), "--json");
    assert_eq!((code, &later["markets"][1]["bars"]), (0, &2_000.into()));
    // A position that its prices leave open is told.
    let lines = std::fs::read_to_string(bench.path("klines.csv")).unwrap();
    let short: String = lines.lines().take(301).map(|line| format!("{line}\n")).collect();
    bench.file("short.csv", &short);
    let apart = two.replace("slots = 1", "slots = 2");
    let (_, cut, stderr) = run(&apart.replace("klines.csv", "short.csv"), "--json");
    assert!(cut["markets"][0]["positions_opened"] != cut["markets"][0]["positions_closed"]);
    assert_eq!(stderr.matches("prices end at").count(), 1);
    assert!(stderr.contains("SOLUSDT: its prices end at 2025-02-20T02:19"), "{stderr}");
    let (_, apart, stderr) = run(&apart, "--json");
    assert!(!stderr.contains("prices end at"), "{stderr}");
    assert_eq!(apart["most_open"], 2);
    let opened = |told: &serde_json::Value, n: usize| told["markets"][n]["positions_opened"].as_u64().unwrap();
    assert!(opened(&shared, 1) > 0 && opened(&shared, 1) < opened(&apart, 1), "{shared} {apart}");
    let trades = rows(&bench, "trades.csv");
    assert!(["SOLUSDT", "TINYUSDT"].iter().all(|symbol| trades.iter().any(|row| row[2] == *symbol)));
    let fees: f64 =
        shared["markets"].as_array().unwrap().iter().map(|m| m["fees"].as_str().unwrap().parse::<f64>().unwrap()).sum();
    close(column(&rows(&bench, "fills.csv"), "fee").iter().sum(), fees);
    for (text, code, words) in [
        (ACCOUNT.replace("slots = 1", "slots = 0"), 3, "slots and wallet"),
        (ACCOUNT.replace("gap = \"1.5\"", "gapp = \"1.5\""), 3, "settings of SOLUSDT: unknown field `gapp`"),
        (ACCOUNT.replace("klines.csv", "none.csv"), 9, "none.csv"),
        (ACCOUNT.replace("slots = 1", "slot = 1"), 3, "`slot` is nothing that an account has"),
        (ACCOUNT.replace("slots = 1", "slots = \"one\""), 3, "in `slots`"),
        (ACCOUNT.replace("exchange_info = \"info.json\"", "exchange_info = 7"), 3, "line 3"),
        (ACCOUNT.replace("slots = 1", "slots = 1\nfrom = \"today\""), 3, "today"),
        (format!("{ACCOUNT}[[market]]\nsymbol = \"TINYUSDT\"\ntrades = [\"t.csv\"]\n"), 3, "TINYUSDT has trades"),
        (ACCOUNT.split("[[market]]").next().unwrap().to_owned(), 3, "no [[market]]"),
        (format!("{ACCOUNT}{}", &ACCOUNT[ACCOUNT.find("[[market]]").unwrap()..]), 3, "SOLUSDT is there twice"),
    ] {
        let (ended, _, stderr) = run(&text, "");
        assert!(ended == code && stderr.contains(words) && stderr.lines().count() == 1, "{ended} {stderr}");
    }
}
