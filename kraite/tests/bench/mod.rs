//! A folder with the files that a user of the command has, and the command run in it.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::PathBuf;
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;

/// The contract of every worked example: tick 0.01, lot 0.01, smallest notional 5.
pub(crate) const INFO: &str = r#"{"symbols":[{"symbol":"SOLUSDT","status":"TRADING","quoteAsset":"USDT","filters":[
    {"filterType":"PRICE_FILTER","tickSize":"0.01","maxPrice":"100000","minPrice":"0.01"},
    {"filterType":"LOT_SIZE","stepSize":"0.01","maxQty":"1000000","minQty":"0.01"},
    {"filterType":"MARKET_LOT_SIZE","stepSize":"0.01","maxQty":"100000","minQty":"0.01"},
    {"filterType":"MAX_NUM_ORDERS","limit":200},{"filterType":"MIN_NOTIONAL","notional":"5"}]},
    {"symbol":"TINYUSDT","status":"TRADING","quoteAsset":"USDT","filters":[
    {"filterType":"PRICE_FILTER","tickSize":"0.0000001","maxPrice":"1","minPrice":"0.0000001"},
    {"filterType":"LOT_SIZE","stepSize":"1","maxQty":"100000000","minQty":"1"},
    {"filterType":"MARKET_LOT_SIZE","stepSize":"1","maxQty":"100000000","minQty":"1"},
    {"filterType":"MIN_NOTIONAL","notional":"5"}]}]}"#;
pub(crate) const BRACKETS: &str = r#"[{"symbol":"TINYUSDT","brackets":[
    {"bracket":1,"initialLeverage":75,"notionalCap":1000000,"notionalFloor":0,"maintMarginRatio":0.01,"cum":0.0}]},
    {"symbol":"SOLUSDT","brackets":[
    {"bracket":1,"initialLeverage":75,"notionalCap":5000,"notionalFloor":0,"maintMarginRatio":0.0065,"cum":0.0},
    {"bracket":2,"initialLeverage":50,"notionalCap":25000,"notionalFloor":5000,"maintMarginRatio":0.01,"cum":17.5},
    {"bracket":3,"initialLeverage":25,"notionalCap":100000,"notionalFloor":25000,"maintMarginRatio":0.02,"cum":267.5},
    {"bracket":4,"initialLeverage":10,"notionalCap":250000,"notionalFloor":100000,"maintMarginRatio":0.05,"cum":3267.5}]}]"#;

pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        bench.file("info.json", INFO);
        bench.file("brackets.json", BRACKETS);
        bench
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn command(&self, args: &str) -> Command {
        let mut command = Command::cargo_bin("kraite").unwrap();
        command.current_dir(&self.folder).args(args.split_whitespace());
        command
    }

    pub(crate) fn run(&self, args: &str) -> Output {
        self.command(args).output().unwrap()
    }

    pub(crate) fn plan(&self, args: &str) -> (i32, Value, String) {
        let fixed = "plan --venue binance --exchange-info info.json --brackets brackets.json --json";
        let margin = if args.contains("--margin") { "" } else { "--margin 100" };
        let mark = if args.contains("--mark") { "" } else { "--mark 150.237" };
        let symbol = if args.contains("--symbol") { "" } else { "--symbol SOLUSDT" };
        let output = self.run(&format!("{fixed} {margin} {mark} {symbol} {args}"));
        let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code().unwrap(), json, String::from_utf8(output.stderr).unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Bars of one minute along a price path in cents: up, down through a rung, up again.
    pub(crate) fn klines(&self, bars: usize) -> PathBuf {
        let mut text = String::from("open_time,open,high,low,close,volume,close_time,quote_volume,count,a,b,ignore\n");
        let price = |n: usize| 15_000 - 40 * i64::from((n % 97) as u32) + 60 * i64::from((n % 61) as u32);
        for n in 0..bars {
            let (open, close) = (price(n), price(n + 1));
            let (low, high) = (open.min(close) - 30, open.max(close) + 30);
            let at = 1_740_000_000_000 + 60_000 * n as i64;
            let cents = |c: i64| format!("{}.{:02}", c / 100, c % 100);
            let row = [cents(open), cents(high), cents(low), cents(close)].join(",");
            text.push_str(&format!("{at},{row},10,{},0,0,0,0,0\n", at + 59_999));
        }
        self.file("klines.csv", &text)
    }

    /// The same bars of a contract that costs a thousandth: TINYUSDT.
    pub(crate) fn tiny_klines(&self) -> PathBuf {
        let klines = std::fs::read_to_string(self.path("klines.csv")).unwrap();
        let row = |line: &str| {
            let cells: Vec<&str> = line.split(',').collect();
            let small = |cell: &str| format!("0.00{}", cell.replace('.', ""));
            let [open, high, low, close] = [1, 2, 3, 4].map(|n: usize| small(cells[n]));
            format!("{},{open},{high},{low},{close},10,{}\n", cells[0], cells[6])
        };
        self.file("tiny.csv", &klines.lines().skip(1).map(row).collect::<String>())
    }

    /// Trades, one each three seconds; one number is missing.
    pub(crate) fn trades(&self) -> PathBuf {
        let price = |n: i64| 15_000 + 35 * ((n * 7) % 41) - 60 * ((n * 3) % 23);
        let row = |n: i64| {
            let (p, at) = (price(n), 1_740_000_000_000 + 3_000 * n);
            format!("{},{}.{:02},1,{n},{n},{at},false\n", n + i64::from(n > 500), p / 100, p % 100)
        };
        self.file("trades.csv", &(0..2_000).map(row).collect::<String>())
    }

    pub(crate) fn backtest(&self, args: &str) -> (i32, Value, String) {
        let output = self.run(&format!("backtest --exchange-info info.json --symbol SOLUSDT --json {args}"));
        let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code().unwrap(), json, String::from_utf8(output.stderr).unwrap())
    }
}
