//! Real markets: months of bars under heavy faults. `KRAITE_DATA` names the folder with the data.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::io::Read as _;
use std::path::{Path, PathBuf};

use kraite_core::Instrument;
use kraite_core::exchange::{Direction, MarginMode, TriggerBy};
use kraite_core::number::{Factor, Notional, Price};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::sizing::{Budget, LadderSpec, SizingModel, TargetBasis};
use kraite_sim::backtest::{Backtest, Hostility, Outcome, Plan, default_margin};
use kraite_sim::data::{Gaps, Span, TradeReader, open_text, read_klines};
use kraite_sim::presets;
use kraite_sim::venue::VenueProfile;
use kraite_sim::world::Latency;

fn data(path: &str) -> PathBuf {
    Path::new(&std::env::var("KRAITE_DATA").expect("KRAITE_DATA names the data folder")).join(path)
}

fn text(path: &str) -> String {
    let mut text = String::new();
    open_text(&data(path)).unwrap().read_to_string(&mut text).unwrap();
    text
}

fn spec(direction: Direction, gap: &str) -> LadderSpec {
    LadderSpec {
        direction,
        rungs: 4,
        gap: gap.parse().unwrap(),
        multipliers: vec![Factor::from_integer(2)],
        profit: "0.36".parse().unwrap(),
        stop: "2.5".parse().unwrap(),
        model: SizingModel::default_for(direction),
        basis: TargetBasis::AverageEntry,
        headroom: "0.5".parse().unwrap(),
    }
}

fn run(klines: &str, symbol: &str, profile: VenueProfile, direction: Direction, gap: &str, seed: u64) -> Outcome {
    let info = kraite_binance::ExchangeInfo::read(&text("binance-um/exchange-info-2025-09-18.json.gz")).unwrap();
    let brackets = kraite_binance::read_brackets(&text("binance-um/leverage-brackets-2024-10-24.json.gz")).unwrap();
    let instrument = info.instrument(symbol, Some(&brackets)).unwrap();
    let (bars, _) = read_klines(&[data(klines)], Gaps::Refuse, Span::default(), None).unwrap();
    let spec = spec(direction, gap);
    let target_style = TargetStyle::TriggerMarket;
    let first = bars.first().unwrap();
    let margin = default_margin(&instrument, &spec, 20, first.open, target_style).unwrap();
    let wallet: Notional = margin.scaled_by(Factor::from_integer(20)).unwrap();
    let budget = Budget { margin, leverage_cap: 20 };
    let sequence = Sequence::LadderFirst;
    let (margin_mode, latency) = (MarginMode::Cross, Latency::FAR);
    let (stop_by, slippage) = (TriggerBy::Mark, Factor::default());
    let plan = Plan {
        instrument,
        spec,
        budget,
        sequence,
        target_style,
        stop_by,
        margin_mode,
        wallet,
        profile,
        latency,
        slippage,
    };
    let mut backtest = Backtest::new(plan, Hostility::Heavy, seed, first.open_time, Vec::new());
    for bar in &bars {
        backtest.bar(bar);
    }
    backtest.finish()
}

#[test]
#[ignore = "needs the market data that KRAITE_DATA names"]
fn i01_i16_months_of_real_bars_under_heavy_faults_break_nothing() {
    let fil = "binance-um/klines/1m/FILUSDT-1m-2025-02.csv.gz";
    let sol = "binance-um/klines-ohlcv/5m/SOLUSDT-5m-2025-04-07--2026-05-16.csv.gz";
    for profile in [presets::binance(), presets::bitget()] {
        for direction in [Direction::Long, Direction::Short] {
            for (klines, symbol, gap) in [(fil, "FILUSDT", "8.5"), (fil, "FILUSDT", "1.5"), (sol, "SOLUSDT", "8.5")] {
                let outcome = run(klines, symbol, profile.clone(), direction, gap, 11);
                let verdict = &outcome.verdict;
                assert_eq!(verdict.violations, 0, "{symbol} {direction:?}: {:?}", verdict.findings);
                assert_eq!((verdict.duplicates, verdict.orphans), (0, 0));
                assert!(outcome.crashes > 100 && outcome.faults_injected > 100);
                assert!(outcome.positions_closed > 20);
            }
        }
    }
}

#[test]
#[ignore = "needs the market data that KRAITE_DATA names"]
fn r23_every_contract_of_both_venues_can_be_read_and_opened() {
    let binance = kraite_binance::ExchangeInfo::read(&text("binance-um/exchange-info-2025-09-18.json.gz")).unwrap();
    let brackets = kraite_binance::read_brackets(&text("binance-um/leverage-brackets-2024-10-24.json.gz")).unwrap();
    let bitget = kraite_bitget::Contracts::read(&text("bitget/contracts-usdt-futures-2025-09-18.json.gz")).unwrap();
    let names: Vec<String> = binance.trading().map(str::to_owned).collect();
    assert!(names.len() > 400, "{}", names.len());
    let mut refused = Vec::new();
    for name in &names {
        let instrument = binance.instrument(name, Some(&brackets)).unwrap();
        refused.extend(no_margin_opens(&instrument));
    }
    let names: Vec<String> = bitget.trading().map(str::to_owned).collect();
    assert!(names.len() > 400, "{}", names.len());
    for name in &names {
        refused.extend(no_margin_opens(&bitget.instrument(name, None).unwrap()));
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

/// Why the backtester's defaults open nothing on a contract, at a price of 20,000 ticks.
fn no_margin_opens(instrument: &Instrument) -> Option<String> {
    let mark = Price::from_ticks(20_000, instrument.tick).unwrap();
    // A price that lies well inside the contract's range.
    let mark = if mark < instrument.min_price.shifted_by("300".parse().unwrap()).unwrap() {
        instrument.min_price.shifted_by("300".parse().unwrap()).unwrap()
    } else {
        mark
    };
    let spec = spec(Direction::Long, "8.5");
    let refusal = default_margin(instrument, &spec, 20, mark, TargetStyle::TriggerMarket).err()?;
    Some(format!("{} at {mark}: {} {}", instrument.symbol, refusal.rule, refusal.message))
}

#[test]
#[ignore = "needs KRAITE_DATA"]
fn a_day_of_real_trades_is_read_whole() {
    let path = "binance-um/agg-trades/APEUSDT-aggTrades-2024-10-18.csv.gz";
    let mut reader = TradeReader::open(&data(path)).unwrap();
    let mut read = 0;
    while reader.next_trade().unwrap().is_some() {
        read += 1;
    }
    // Every line but the header.
    assert_eq!(read, text(path).lines().count() - 1);
    assert!(read > 10_000, "{read}");
}
