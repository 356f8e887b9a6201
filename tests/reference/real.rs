//! Real bars of real contracts, and configurations that are drawn over them.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use kraite_core::Instrument;
use kraite_core::exchange::{MarginMode, TriggerBy};
use kraite_core::number::{Factor, Notional};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::sizing::Budget;
use kraite_core::time::VenueMillis;
use kraite_sim::backtest::{Plan, default_margin};
use kraite_sim::data::{Bar, Columns, Funding, Gaps, MarkReader, Span, open_text, read_funding, read_klines};
use kraite_sim::presets;
use kraite_sim::world::Latency;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::cases::{Case, Counts, percent, slippage, some_entries, spec};

/// The files of bars, below `binance-um`.
const FILES: [&str; 20] = [
    "klines/1m/AVAXUSDT-1m-2025-02.csv.gz",
    "klines/1m/AVAXUSDT-1m-2026-02.csv.gz",
    "klines/1m/BTCUSDT-1m-2025-10-10T2105-2159.csv.gz",
    "klines/1m/FILUSDT-1m-2024-09.csv.gz",
    "klines/1m/FILUSDT-1m-2024-10.csv.gz",
    "klines/1m/FILUSDT-1m-2024-11.csv.gz",
    "klines/1m/FILUSDT-1m-2025-02.csv.gz",
    "klines/1m/LINKUSDT-1m-2026-02.csv.gz",
    "klines-ohlcv/1m/ADAUSDT-1m-2025-05-04--2025-06-24.csv.gz",
    "klines-ohlcv/1m/BNBUSDT-1m-2025-05-04--2025-06-24.csv.gz",
    "klines-ohlcv/1m/BTCUSDT-1m-2025-05-04--2025-06-24.csv.gz",
    "klines-ohlcv/1m/ETHUSDT-1m-2025-05-04--2025-06-24.csv.gz",
    "klines-ohlcv/1m/LINKUSDT-1m-2026-01-04--2026-02-06.csv.gz",
    "klines-ohlcv/1m/SOLUSDT-1m-2025-05-04--2025-06-24.csv.gz",
    "klines-ohlcv/1m/TRXUSDT-1m-2026-01-04--2026-02-06.csv.gz",
    "klines-ohlcv/1m/XRPUSDT-1m-2025-05-04--2025-06-24.csv.gz",
    "klines-ohlcv/5m/BTCUSDT-5m-2023-01-01--2024-05-14.csv.gz",
    "klines-ohlcv/5m/SOLUSDT-5m-2025-04-07--2026-05-16.csv.gz",
    "klines-ohlcv/15m/BTCUSDT-15m-2025-08-17--2026-05-17.csv.gz",
    "klines-ohlcv/1h/BTCUSDT-1h-2019-09-08--2026-05-17.csv.gz",
];
/// Those of one contract that have payments of their own, where the bars are of their months.
const PAYMENTS: [&str; 6] = [
    "ADAUSDT-fundingRate-2025-03--2025-06.csv.gz",
    "BNBUSDT-fundingRate-2025-03--2025-06.csv.gz",
    "BTCUSDT-fundingRate-2019-09-10--2026-05-17.csv.gz",
    "ETHUSDT-fundingRate-2025-03--2025-06.csv.gz",
    "SOLUSDT-fundingRate-2025-03--2025-06.csv.gz",
    "XRPUSDT-fundingRate-2025-03--2025-06.csv.gz",
];
/// No run is longer than this.
const MOST_BARS: usize = 12_000;

/// Where the data lies: the folder that `KRAITE_DATA` names, or the one beside the repository.
fn data(path: &str) -> PathBuf {
    let beside = || kraite_tests::root().join("../shared/data");
    let folder = std::env::var_os("KRAITE_DATA").map_or_else(beside, |named| Path::new(&named).to_owned());
    folder.join("binance-um").join(path)
}

fn text(path: &str) -> String {
    let mut text = String::new();
    open_text(&data(path)).unwrap().read_to_string(&mut text).unwrap();
    text
}

/// The rules of a contract as its exchange told them.
pub(crate) fn contract(symbol: &str) -> Instrument {
    let info = kraite_binance::ExchangeInfo::read(&text("exchange-info-2025-09-18.json.gz")).unwrap();
    let brackets = kraite_binance::read_brackets(&text("leverage-brackets-2024-10-24.json.gz")).unwrap();
    info.instrument(symbol, Some(&brackets)).unwrap()
}

/// The bars of a file within a span.
pub(crate) fn bars(file: &str, span: Span) -> Vec<Bar> {
    read_klines(&[data(file)], Gaps::Refuse, span, None).unwrap().0
}

/// What was paid while these bars ran, on this contract, or on bitcoin where that is not known.
fn payments(symbol: &str, bars: &[Bar]) -> Vec<Funding> {
    let (first, last) = (bars[0].open_time, bars[bars.len() - 1].close_time);
    let of = |symbol: &str| {
        let file = PAYMENTS.iter().find(|file| file.starts_with(symbol))?;
        let mut payments = read_funding(&data(&format!("funding-rate/{file}"))).unwrap();
        payments.retain(|payment| (first..=last).contains(&payment.at));
        (!payments.is_empty()).then_some(payments)
    };
    of(symbol).or_else(|| of("BTCUSDT")).unwrap_or_default()
}

/// One file, whole.
pub(crate) struct Market {
    instrument: Instrument,
    bars: Vec<Bar>,
    funding: Vec<Funding>,
}

impl Market {
    fn read(file: &str) -> Self {
        let symbol = file.rsplit('/').next().and_then(|name| name.split('-').next()).unwrap();
        let bars = bars(file, Span::default());
        Self { instrument: contract(symbol), funding: payments(symbol, &bars), bars }
    }

    /// A run over some of it.
    fn drawn(&self, seed: u64) -> Case {
        let mut draw = ChaCha8Rng::seed_from_u64(seed);
        let longest = MOST_BARS.min(self.bars.len());
        let count = draw.random_range(longest / 4..=longest);
        let from = draw.random_range(0..=self.bars.len() - count);
        let mut bars = self.bars[from..from + count].to_vec();
        let mut spec = spec(&mut draw);
        if draw.random_range(0..3) == 0 {
            spec.gap = percent(draw.random_range(300..=900));
        }
        let leverage_cap = draw.random_range(1..=50);
        let target_style = if draw.random_range(0..2) == 0 { TargetStyle::Limit } else { TargetStyle::TriggerMarket };
        let least = default_margin(&self.instrument, &spec, leverage_cap, bars[0].open, target_style);
        let times = Factor::from_integer([1, 2, 5, 20, 100, 500][draw.random_range(0..6)]);
        let margin = match least {
            Ok(least) if draw.random_range(0..8) > 0 => least.scaled_by(times).unwrap(),
            // Refused at many bars, or, where no margin opens it, at all.
            least => {
                bars.truncate(500);
                let some = Notional::from_units(100, 0).unwrap();
                least.unwrap_or(some).scaled_by(Factor::from_units(2, 1).unwrap()).unwrap()
            }
        };
        let wallet = margin.scaled_by(Factor::from_units(draw.random_range(4..=200), 1).unwrap()).unwrap();
        let plan = Plan {
            instrument: self.instrument.clone(),
            spec,
            budget: Budget { margin, leverage_cap },
            sequence: Sequence::LadderFirst,
            target_style,
            stop_by: TriggerBy::Mark,
            margin_mode: if draw.random_range(0..2) == 0 { MarginMode::Isolated } else { MarginMode::Cross },
            wallet,
            profile: if draw.random_range(0..2) == 0 { presets::binance() } else { presets::bitget() },
            latency: Latency::FAR,
            slippage: slippage(&mut draw, self.instrument.tick, bars[0].open),
        };
        let entries = some_entries(&mut draw, &bars);
        let unit = Columns::grid(plan.instrument.tick, bars[0].open);
        let funding = self.funding.iter().filter(|payment| payment.at <= bars[bars.len() - 1].close_time);
        let funding = funding.copied().collect();
        let mut case = Case { plan, bars, marks: None, funding, entries, unit };
        case.mark_some(seed);
        case
    }
}

/// What the runs over some files came to, and where they came to different things.
#[derive(Default)]
struct Seen {
    counts: Counts,
    traded: u64,
    differences: Vec<String>,
}

/// So many runs over each of these files.
fn play(files: &[&str], each: u64) -> Seen {
    let mut seen = Seen::default();
    for file in files {
        let market = Market::read(file);
        let first = FILES.iter().position(|known| known == file).unwrap() as u64 * 1_000;
        for seed in first..first + each {
            let case = market.drawn(seed);
            let (fast, reference) = (case.fast(), case.reference(None));
            if let Some(words) = fast.differs_from(&reference) {
                seen.differences.push(format!("{file}, seed {seed}: {words}\n{:?}", case.plan));
            }
            seen.traded += u64::from(reference.counts.closed > 0);
            seen.counts.add(&reference.counts);
        }
    }
    seen
}

/// Bars and marks of the same hours.
const HOURS: &str = "klines-ohlcv/1h/BTCUSDT-1h-2019-09-08--2026-05-17.csv.gz";
const MARKS: &str = "mark-price-klines/1h/BTCUSDT-1h-mark-2019-12-23--2026-05-17.csv.gz";

#[test]
#[ignore = "needs market data"]
fn s10_on_real_marks_triggers_and_liquidations_are_where_the_mark_was() {
    // On 2020-03-13 the last price went far below the mark, and hours are missing from neither file after that year.
    let span = Span { from: Some(VenueMillis(1_609_459_200_000)), to: Some(VenueMillis(1_767_225_600_000)) };
    let mut market = Market::read(HOURS);
    market.bars = bars(HOURS, span);
    let mut reader = MarkReader::new(vec![data(MARKS)], Gaps::Count, span, market.instrument.tick);
    let marks: Vec<Bar> = market.bars.iter().map(|bar| reader.beside(bar).unwrap()).collect();
    assert!(reader.missing().count < 100, "{}", reader.missing().count);
    let (mut differ, mut counts) = (0, Counts::default());
    for seed in 0..30 {
        let mut case = market.drawn(seed);
        let from = market.bars.iter().position(|bar| *bar == case.bars[0]).unwrap();
        (case.marks, case.plan.stop_by) = (None, TriggerBy::Mark);
        let without = case.fast();
        case.marks = Some(marks[from..from + case.bars.len()].to_vec());
        let (fast, reference) = (case.fast(), case.reference(None));
        if let Some(words) = fast.differs_from(&reference) {
            panic!("seed {seed}: {words}\n{:?}", case.plan);
        }
        differ += u64::from(fast.differs_from(&without).is_some());
        counts.add(&fast.counts);
    }
    println!("{differ} of 30 runs over real marks are other ones without them: {counts:?}");
    assert!(differ > 10 && counts.stops > 100 && counts.targets > 1_000, "{differ} {counts:?}");
}

/// A hundred configurations; a thousand where `KRAITE_LONG` is 1.
#[test]
#[ignore = "needs market data"]
fn s10_the_reference_agrees_on_real_bars() {
    let each = if std::env::var("KRAITE_LONG").is_ok_and(|long| long == "1") { 50 } else { 5 };
    let mut seen = Seen::default();
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(FILES.len());
        let parts = FILES.chunks(FILES.len().div_ceil(threads)).map(|part| scope.spawn(move || play(part, each)));
        for part in parts.collect::<Vec<_>>() {
            let part = part.join().unwrap();
            seen.counts.add(&part.counts);
            seen.traded += part.traded;
            seen.differences.extend(part.differences);
        }
    });
    let runs = FILES.len() as u64 * each;
    println!("{runs} configurations over real bars, {} of them traded: {:?}", seen.traded, seen.counts);
    assert!(seen.differences.is_empty(), "{} differ\n{}", seen.differences.len(), seen.differences.join("\n"));
    let Counts { opened, stops, targets, rungs, liquidations, refused, cancelled, .. } = seen.counts;
    let each = [opened, stops, targets, rungs, liquidations, refused, cancelled];
    assert!(each.iter().all(|count| *count > runs / 2) && seen.traded > runs / 2, "{:?}", seen.counts);
}
