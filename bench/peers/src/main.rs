//! kraite's own side of `run`: draws the data that every side reads, and plays, on request, what the peers play beside it.

#[path = "../../benches/backtest/ladder.rs"]
mod ladder;

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead as _, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use cpu_time::ProcessTime;
use kraite_core::number::{Price, Qty};
use kraite_core::time::VenueMillis;
use kraite_sim::backtest::{Fast, Outcome, Plan};
use kraite_sim::data::{Bar, Columns, Gaps, KlineReader, Ticks, Trade};
use kraite_sim::world::Latency;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::ladder::{cents, drawn, normal, plan};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Bars that are in memory at a time where `kraite backtest --fast` reads from a file.
const AT_A_TIME: usize = 65_536;
/// How much longer the second file of P7 is.
const LONGER: usize = 10;

/// Flat arrays of a folder, each a file of little-endian numbers.
struct Arrays(PathBuf);

impl Arrays {
    fn write(&self, name: &str) -> Result<BufWriter<File>> {
        Ok(BufWriter::new(File::create(self.0.join(name))?))
    }

    fn read<const WIDTH: usize, T>(&self, name: &str, number: fn([u8; WIDTH]) -> T) -> Result<Vec<T>> {
        let bytes = std::fs::read(self.0.join(name))?;
        let (numbers, []) = bytes.as_chunks::<WIDTH>() else { return Err(format!("{name} is cut off").into()) };
        Ok(numbers.iter().copied().map(number).collect())
    }
}

/// Whole cents, which is what is drawn.
fn units(price: Price) -> i32 {
    price.to_ticks(cents(1)).and_then(|units| i32::try_from(units).ok()).expect("drawn in cents")
}

/// A quantity in hundredths: e to the power of this, half as much or twice as much now and then.
fn size(draw: &mut ChaCha8Rng, power: f64) -> i64 {
    ((power + 0.5 * normal(draw)).exp() * 100.0).round() as i64
}

const HEADER: &str = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,\
    taker_buy_quote_volume,ignore";

/// A line as the archive writes it; what follows the close time is nothing but as long as it is there.
fn line(out: &mut impl std::io::Write, bar: &Bar, volume: i64) -> Result<()> {
    let decimal = |units: i64| format!("{}.{:02}", units / 100, units % 100);
    let price = |price: Price| decimal(i64::from(units(price)));
    let quote = volume * i64::from(units(bar.close));
    let worth = |ten_thousandths: i64| format!("{}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000);
    writeln!(
        out,
        "{},{},{},{},{},{},{},{},{},{},{},0",
        bar.open_time.0,
        price(bar.open),
        price(bar.high),
        price(bar.low),
        price(bar.close),
        decimal(volume),
        bar.close_time.0,
        worth(quote),
        volume / 1_000,
        decimal(volume / 2),
        worth(quote / 2),
    )?;
    Ok(())
}

fn draw_bars(folder: &Path, count: usize) -> Result<()> {
    let arrays = Arrays(folder.to_owned());
    let (mut time, mut volume) = (arrays.write("bars.time.i64")?, arrays.write("bars.volume.i64")?);
    let (mut open, mut close) = (arrays.write("bars.open.i32")?, arrays.write("bars.close.i32")?);
    let (mut high, mut low) = (arrays.write("bars.high.i32")?, arrays.write("bars.low.i32")?);
    let (mut some, mut many) = (arrays.write("bars.csv")?, arrays.write("longer.csv")?);
    writeln!(some, "{HEADER}")?;
    writeln!(many, "{HEADER}")?;
    // Volumes are of a stream of their own, and so large that an order of the ladder is a small part of one.
    let mut volumes = ChaCha8Rng::seed_from_u64(7);
    volumes.set_stream(1);
    for (n, bar) in drawn(count * LONGER).enumerate() {
        let of_bar = size(&mut volumes, 8.0);
        if n < count {
            time.write_all(&bar.open_time.0.to_le_bytes())?;
            volume.write_all(&of_bar.to_le_bytes())?;
            for (file, price) in
                [(&mut open, bar.open), (&mut high, bar.high), (&mut low, bar.low), (&mut close, bar.close)]
            {
                file.write_all(&units(price).to_le_bytes())?;
            }
            line(&mut some, &bar, of_bar)?;
        }
        line(&mut many, &bar, of_bar)?;
    }
    for file in [time, volume, open, high, low, close, some, many] {
        file.into_inner()?;
    }
    Ok(())
}

/// A step of a cent up, down, or none, from 100 and never below 50; 1 to 12 ms from one to the next.
fn draw_trades(folder: &Path, count: usize) -> Result<()> {
    let arrays = Arrays(folder.to_owned());
    let (mut times, mut prices) = (arrays.write("trades.time.i64")?, arrays.write("trades.price.i32")?);
    let (mut sizes, mut sides) = (arrays.write("trades.qty.i64")?, arrays.write("trades.buys.i8")?);
    let mut draw = ChaCha8Rng::seed_from_u64(8);
    let (mut time, mut price) = (1_640_995_200_000_i64, 10_000_i32);
    for _ in 0..count {
        time += draw.random_range(1..=12_i64);
        price = 5_000 + (price + draw.random_range(-1..=1) - 5_000).abs();
        let qty = size(&mut draw, 4.0);
        times.write_all(&time.to_le_bytes())?;
        prices.write_all(&price.to_le_bytes())?;
        sizes.write_all(&qty.to_le_bytes())?;
        sides.write_all(&draw.random_range(0..=1_i8).to_le_bytes())?;
    }
    for file in [times, prices, sizes, sides] {
        file.into_inner()?;
    }
    Ok(())
}

fn columns(folder: &Path) -> Result<Columns> {
    let arrays = Arrays(folder.to_owned());
    let times = arrays.read("bars.time.i64", i64::from_le_bytes)?;
    let [open, high, low, close] =
        ["open", "high", "low", "close"].map(|name| arrays.read(&format!("bars.{name}.i32"), i32::from_le_bytes));
    let (open, high, low, close) = (open?, high?, low?, close?);
    let mut columns = Columns::new(cents(1));
    for ((((time, open), high), low), close) in times.into_iter().zip(open).zip(high).zip(low).zip(close) {
        columns.push(&Bar {
            open_time: VenueMillis(time),
            open: cents(open.into()),
            high: cents(high.into()),
            low: cents(low.into()),
            close: cents(close.into()),
            volume: Qty::ZERO,
            close_time: VenueMillis(time + 59_999),
        })?;
    }
    Ok(columns)
}

/// What a run came to, in the words that every side uses.
fn told(items: usize, outcome: &Outcome) -> Value {
    json!({
        "items": items,
        "round_trips": outcome.positions_closed,
        "buys": outcome.positions_opened + outcome.rungs_filled,
    })
}

/// The version of a package that this was built with.
fn version(package: &str) -> &'static str {
    let lock = include_str!("../Cargo.lock");
    let entry = lock.split("[[package]]").find(|entry| entry.contains(&format!("\nname = \"{package}\"\n")));
    entry.and_then(|entry| entry.split("version = \"").nth(1)?.split('"').next()).unwrap_or("unknown")
}

/// The most memory that this process ever had, in kB.
fn peak_kb() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
    Ok(peak.ok_or("no VmHWM")?.trim().parse()?)
}

/// What one side does when it is its turn; only what is inside `clock` counts.
type Turn = Box<dyn FnMut() -> Result<(std::time::Duration, Value)>>;

fn clock<T>(what: impl FnOnce() -> T) -> (T, std::time::Duration) {
    let before = ProcessTime::now();
    let done = black_box(what());
    (done, before.elapsed())
}

fn play(folder: &Path, every: bool) -> Result<Turn> {
    let (plan, bars) = (plan(), columns(folder)?);
    Ok(Box::new(move || {
        let (outcome, took) = clock(|| {
            let run = Fast::new(&plan, &[], ());
            let mut run = if every { run.every_bar() } else { run };
            run.play(&bars).map(|()| run.finish().0)
        });
        Ok((took, told(bars.len(), &outcome?)))
    }))
}

/// Orders take as long as hftbacktest's.
fn play_trades(folder: &Path, every: bool) -> Result<Turn> {
    let arrays = Arrays(folder.to_owned());
    let (times, prices) =
        (arrays.read("trades.time.i64", i64::from_le_bytes)?, arrays.read("trades.price.i32", i32::from_le_bytes)?);
    let mut trades = Ticks::new(cents(1));
    for (number, (time, price)) in (1..).zip(times.into_iter().zip(prices)) {
        let (at, price) = (VenueMillis(time), cents(price.into()));
        trades.push(&Trade { number, at, price, qty: Qty::ZERO, buyer_rested: false })?;
    }
    let plan = Plan { latency: Latency { request_ms: 10, reply_ms: 10, push_ms: 10 }, ..plan() };
    Ok(Box::new(move || {
        let (outcome, took) = clock(|| {
            let run = Fast::new(&plan, &[], ());
            let mut run = if every { run.every_bar() } else { run };
            run.play_trades(&trades).map(|()| run.finish().0)
        });
        Ok((took, told(trades.len(), &outcome?)))
    }))
}

fn klines(path: PathBuf) -> Turn {
    Box::new(move || {
        let (rows, took) = clock(|| -> Result<usize> {
            let mut reader = KlineReader::new(vec![path.clone()], Gaps::Refuse);
            let mut bars = Columns::new(cents(1));
            reader.fill(&mut bars, usize::MAX)?;
            Ok(black_box(bars).len())
        });
        Ok((took, json!({ "items": rows? })))
    })
}

/// The csv crate's own loops: fields are found, and none is read.
fn records(path: PathBuf, text: bool) -> Turn {
    Box::new(move || {
        let (rows, took) = clock(|| -> Result<u64> {
            let mut reader = csv::Reader::from_path(&path)?;
            let mut rows = 0;
            let (mut strings, mut bytes) = (csv::StringRecord::new(), csv::ByteRecord::new());
            while if text { reader.read_record(&mut strings)? } else { reader.read_byte_record(&mut bytes)? } {
                black_box((&strings, &bytes));
                rows += 1;
            }
            Ok(rows)
        });
        Ok((took, json!({ "items": rows? })))
    })
}

/// The csv crate's iterator over its records: each is one of its own.
fn iterated(path: PathBuf) -> Turn {
    Box::new(move || {
        let (rows, took) = clock(|| -> Result<u64> {
            let mut rows = 0;
            for record in csv::Reader::from_path(&path)?.records() {
                black_box(record?);
                rows += 1;
            }
            Ok(rows)
        });
        Ok((took, json!({ "items": rows? })))
    })
}

/// A side that says its version, and then takes one turn for each line that it is sent.
fn side(folder: &Path, which: &str) -> Result<()> {
    let csv = folder.join("bars.csv");
    let (package, mut turn) = match which {
        "bars" => ("kraite-sim", play(folder, false)?),
        "every-bar" => ("kraite-sim", play(folder, true)?),
        "trades" => ("kraite-sim", play_trades(folder, false)?),
        "every-trade" => ("kraite-sim", play_trades(folder, true)?),
        "klines" => ("kraite-sim", klines(csv)),
        "records" => ("csv", iterated(csv)),
        "byte-records" => ("csv", records(csv, false)),
        "string-records" => ("csv", records(csv, true)),
        _ => return Err(format!("no side is called {which}").into()),
    };
    println!("{}", json!({ "version": version(package) }));
    for line in std::io::stdin().lock().lines() {
        line?;
        let (took, mut told) = turn()?;
        told["cpu_s"] = took.as_secs_f64().into();
        told["peak_kb"] = peak_kb()?.into();
        println!("{told}");
    }
    Ok(())
}

/// P7: what `kraite backtest --fast` does with a file, and the most memory that took.
fn memory(path: PathBuf) -> Result<()> {
    let plan = plan();
    let mut reader = KlineReader::new(vec![path], Gaps::Refuse);
    let first = reader.first_wanted()?;
    let mut bars = Columns::new(Columns::grid(plan.instrument.tick, first.high));
    let mut run = Fast::new(&plan, &[], ());
    loop {
        bars.clear();
        reader.fill(&mut bars, AT_A_TIME)?;
        if bars.is_empty() {
            break;
        }
        run.play(&bars)?;
    }
    let outcome = run.finish().0;
    let mut told = told(usize::try_from(outcome.bars)?, &outcome);
    told["peak_kb"] = peak_kb()?.into();
    println!("{told}");
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["draw", folder, bars, trades] => {
            draw_bars(Path::new(folder), bars.parse()?)?;
            draw_trades(Path::new(folder), trades.parse()?)
        }
        ["side", folder, which] => side(Path::new(folder), which),
        ["memory", path] => memory(path.into()),
        _ => Err("draw FOLDER BARS TRADES, side FOLDER WHICH, or memory FILE".into()),
    }
}
