//! `kraite backtest`: the production core over real bars or trades.

pub(crate) mod books;
pub(crate) mod candles;
pub(crate) mod report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use kraite_core::Instrument;
use kraite_core::exchange::{Direction, MarginMode};
use kraite_core::number::{Factor, Notional, Price};
use kraite_core::sizing::{Budget, Fix, LadderSpec};
use kraite_core::time::{Millis, VenueMillis};
use kraite_sim::backtest::{
    At, Backtest, Book, Fast, Hostility, Listener, Outcome, Plan, Signal, WhenFlat, default_margin,
};
use kraite_sim::data::{Columns, Funding, Stretch, Stretches, instant, read_klines};
use kraite_sim::world::Latency;
use serde::Serialize;

use crate::exit::{Exit, Failed};
use crate::flags::{TriggerWord, VenueName};
use crate::market::{MarketArgs, Source, entries, tell_of_marks};
use crate::plan::remarks;
use crate::progress::{Progress, stopwatch};
use crate::settings::{LEVERAGE_CAP, Settings};
use crate::{csv, utc};

const EXAMPLE: &str = "Examples:
  kraite backtest --fast --klines SOLUSDT-1m-2025-*.zip --exchange-info exchangeInfo.json --symbol SOLUSDT
      --report sol.html --csv books
  kraite backtest --fast --trades SOLUSDT-aggTrades-2025-05-01.zip --signals entries.csv
      --exchange-info exchangeInfo.json --symbol SOLUSDT
  kraite backtest --klines SOLUSDT-1m-2025-05.zip SOLUSDT-1m-2025-06.zip
      --exchange-info exchangeInfo.json --brackets leverageBracket.json
      --symbol SOLUSDT --nemesis heavy --seed 7 --json";

/// Runs positions over klines or trades, one after the other, on a simulated exchange.
///
/// The core, the journal format and the recovery are those of everything else; only the exchange is
/// simulated. Where a bar reaches both the target and the stop, or a liquidation, the stop comes first; a
/// target that a rung has lowered is not reached by what may have been before it. With --nemesis messages are lost, delayed, doubled and reordered, the exchange
/// answers 5xx after acting, and the worker is crashed and restarted, all drawn from --seed.
///
/// With --fast no message is sent: the planner decides, and only bars that reach an order are looked at. Trades, fees,
/// funding and results are the same as without faults, in a small part of the time and in constant memory; nothing is
/// said about duplicates, orphans and time without a stop, which only messages can show.
///
/// Triggers, liquidations, funding and sizes see the mark price where --mark-klines has it, and otherwise the price of the
/// bars, which goes farther. With --trades each price comes in its turn, and an order counts from when its message has
/// arrived. Where the data has
/// gaps, or bars without a trade, that is told; nothing is filled in.
///
/// Without --config: long, 4 rungs 8.5 % apart, each twice the one before, profit 0.36 %, stop 2.5 %,
/// leverage cap 20, unbounded sizing, ladder-first, trigger-market target, wallet 20 x margin, and the
/// smallest margin of 1, 2, 5 x 10^n at which every order of the ladder passes the contract's rules, now and
/// at a third and at three times the price. A configuration is TOML with any of: venue, direction, margin, wallet,
/// leverage_cap, rungs, gap, multipliers, profit, stop, sizing, sequence, target, basis, headroom, margin_mode ("cross",
/// "isolated"), stop_by ("mark", "last": what triggers watch), latency ("near", "far"), slippage (percent of the price that a MARKET or triggered order trades worse
/// than the last price; numbers that are money or percent are quoted: profit = "0.36").
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(flatten)]
    market: MarketArgs,
    /// Settings of the positions, as TOML.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How hostile the world is.
    #[arg(long, value_enum, default_value = "none")]
    nemesis: Nemesis,
    /// What the faults are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Follows prices only, without messages, engine and auditor.
    #[arg(long, conflicts_with_all = ["nemesis", "seed"])]
    fast: bool,
    /// Enters at these instants only: a CSV file with a column `at` (milliseconds since 1970, or UTC as
    /// YYYY-MM-DDThh:mm), and one `symbol` if need be. Without it, whenever nothing is open.
    #[arg(long, value_name = "FILE", conflicts_with = "enter_at")]
    signals: Option<PathBuf>,
    /// Enters at these instants only.
    #[arg(long, value_name = "TIME", value_delimiter = ',', value_parser = instant)]
    enter_at: Vec<VenueMillis>,
    /// Writes a page with everything about the run.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// How many positions the page draws on their candles; where there are more, the worst, the best and some between.
    #[arg(long, value_name = "N", default_value_t = 100, requires = "report")]
    drawn: usize,
    /// Writes orders.csv, fills.csv, trades.csv, fees.csv, funding.csv and equity.csv there.
    #[arg(long, value_name = "DIR")]
    csv: Option<PathBuf>,
    /// Writes over files that are there.
    #[arg(long)]
    force: bool,
    /// Prints the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Nemesis {
    /// Nothing goes wrong.
    None,
    /// An unlucky week.
    Light,
    /// A hostile day.
    Heavy,
}

impl From<Nemesis> for Hostility {
    fn from(word: Nemesis) -> Self {
        match word {
            Nemesis::None => Self::None,
            Nemesis::Light => Self::Light,
            Nemesis::Heavy => Self::Heavy,
        }
    }
}

fn spec(settings: &Settings) -> LadderSpec {
    settings.spec(settings.direction.map_or(Direction::Long, Direction::from))
}

pub(crate) fn venue(settings: &Settings) -> VenueName {
    settings.venue.unwrap_or(VenueName::Binance)
}

/// A margin at which the ladder opens on the first bar, or why there is none.
fn margin_for(
    settings: &Settings,
    source: &str,
    file: &str,
    instrument: &Instrument,
    open: Price,
) -> Result<Notional, Failed> {
    let (spec, cap) = (spec(settings), settings.leverage_cap.unwrap_or(LEVERAGE_CAP));
    default_margin(instrument, &spec, cap, open, settings.target().into()).map_err(|refusal| {
        let rung = refusal.rung.map_or_else(String::new, |rung| format!(" (rung {rung})"));
        let fix = refusal
            .smallest_fix
            .map_or_else(String::new, |fix| format!("; {} in the configuration would open", setting(&fix)));
        Failed::new(
            Exit::PlanRefused,
            format!(
                "{source}: no margin opens this ladder at {open}, the first open in {file}: {}{rung}: {}{fix}",
                refusal.rule, refusal.message
            ),
        )
    })
}

/// What to trade by these settings, which are from `source`, on bars whose first opens at `open` in `file`.
pub(crate) fn plan_of(
    settings: &Settings,
    source: &str,
    file: &str,
    instrument: Instrument,
    open: Price,
) -> Result<Plan, Failed> {
    let leverage_cap = settings.leverage_cap.unwrap_or(LEVERAGE_CAP);
    let margin = match settings.margin {
        Some(margin) => margin,
        None => margin_for(settings, source, file, &instrument, open)?,
    };
    let wallet = match settings.wallet {
        Some(wallet) if wallet < margin => {
            let whose = if settings.margin.is_some() { "the margin" } else { "the default margin" };
            let message = format!("{source}: wallet {wallet} is below {whose} of {margin}");
            return Err(Failed::new(Exit::Configuration, message));
        }
        Some(wallet) => wallet,
        None => margin.scaled_by(Factor::from_integer(20)).map_err(Failed::with(Exit::Configuration))?,
    };
    Ok(Plan {
        instrument,
        spec: spec(settings),
        budget: Budget { margin, leverage_cap },
        sequence: settings.sequence().into(),
        target_style: settings.target().into(),
        stop_by: settings.stop_by.unwrap_or(TriggerWord::Mark).into(),
        margin_mode: settings.margin_mode.map_or(MarginMode::Cross, MarginMode::from),
        wallet,
        profile: venue(settings).profile(),
        latency: settings.latency.map_or(Latency::FAR, Latency::from),
        slippage: settings.slippage.unwrap_or_default().as_factor().map_err(Failed::with(Exit::Configuration))?,
    })
}

/// A fix as a line of the configuration.
fn setting(fix: &Fix) -> String {
    let key = fix.flag.replace('-', "_");
    match key.as_str() {
        "rungs" | "leverage_cap" => format!("{key} = {}", fix.value),
        "multipliers" => format!("{key} = [\"{}\"]", fix.value.replace(',', "\", \"")),
        _ => format!("{key} = \"{}\"", fix.value),
    }
}

/// Where the settings are from.
fn source(args: &Args) -> String {
    args.config.as_ref().map_or_else(|| "the defaults (no --config)".to_owned(), |path| path.display().to_string())
}

#[derive(Debug, Serialize)]
struct Shown {
    schema: &'static str,
    symbol: String,
    venue: &'static str,
    /// "messages" through engine and exchange, or "prices" only.
    way: &'static str,
    margin: String,
    bars: u64,
    gaps: u64,
    /// The first gaps.
    missing: Vec<ShownStretch>,
    frozen_stretches: u64,
    /// The first stretches of at least five bars without a trade.
    frozen: Vec<ShownStretch>,
    positions_opened: u64,
    positions_closed: u64,
    positions_cancelled: u64,
    positions_refused: u64,
    stops: u64,
    targets: u64,
    other_closes: u64,
    rungs_filled: u64,
    liquidations: u64,
    fees: String,
    funding: String,
    pnl: String,
    max_drawdown: String,
    #[serde(flatten)]
    messages: Option<ShownMessages>,
    read_ms: u64,
    run_ms: u64,
}

/// Where the data has no trades.
#[derive(Debug, Serialize)]
struct ShownStretch {
    from: String,
    to: String,
    bars: u64,
}

impl From<&Stretch> for ShownStretch {
    fn from(stretch: &Stretch) -> Self {
        Self { from: utc::iso(stretch.from.0), to: utc::iso(stretch.to.0), bars: stretch.bars }
    }
}

/// What only messages show.
#[derive(Debug, Serialize)]
struct ShownMessages {
    nemesis: String,
    seed: u64,
    orders_placed: u64,
    duplicates: u64,
    orphans: u64,
    max_unprotected_ms: i64,
    unprotected: Vec<ShownWindow>,
    violations: u64,
    faults_injected: u64,
    crashes: u64,
    wire_duplicates: u64,
}

/// Intervals with exposure and no accepted stop that one window explains; an interval may have several.
#[derive(Debug, Serialize)]
struct ShownWindow {
    window: &'static str,
    intervals: u64,
    longest_ms: i64,
}

/// A run that has ended, and what is told of it besides its outcome.
struct Ran {
    outcome: Outcome,
    plan: Plan,
    missing: Stretches,
    frozen: Stretches,
    reading: Duration,
    running: Duration,
}

/// Reads, runs, prints.
pub(crate) fn command(args: &Args) -> Result<Exit, Failed> {
    let settings = args.config.as_deref().map_or_else(|| Ok(Settings::default()), Settings::read)?;
    free_places(args.report.as_deref(), args.csv.as_deref(), args.force)?;
    let venue = venue(&settings);
    let instrument = args.market.instrument(venue)?;
    let funding = args.market.payments()?;
    let kept = args.report.is_some() || args.csv.is_some();
    let (ran, book) = if !args.fast {
        by_messages(args, &settings, instrument, funding, kept)?
    } else if kept {
        let (ran, book) = by_prices(args, &settings, instrument, &funding, |plan| Book::new(plan, EQUITY_EACH))?;
        (ran, Some(book))
    } else {
        (by_prices(args, &settings, instrument, &funding, |_| ())?.0, None)
    };
    let (shown, outcome) = (show(args, &settings, &ran), &ran.outcome);
    if args.json {
        let json = serde_json::to_string_pretty(&shown).map_err(Failed::with(Exit::Failure))?;
        crate::print(&format!("{json}\n"))?;
    } else {
        crate::print(&text(args, &shown))?;
    }
    // The data is on stdout: whatever cannot be written now is only told.
    let unwritten = book.as_ref().and_then(|book| write(args, &settings, &ran, book).err());
    if let Some(failed) = &unwritten {
        crate::talk(&format!("kraite: {failed}"));
    }
    if let Some((at, refusal)) = &outcome.first_refusal {
        crate::talk(&format!(
            "kraite: {} openings were refused, the first at {} ms, {}: {}",
            outcome.refused, at.0, refusal.rule, refusal.message
        ));
    }
    if outcome.verdict.violations == 0 {
        let nothing = outcome.refused > 0 && outcome.positions_opened == 0;
        let ended = if nothing { Exit::PlanRefused } else { Exit::Ok };
        return Ok(unwritten.map_or(ended, |failed| failed.exit));
    }
    let first =
        outcome.verdict.findings.first().map_or_else(String::new, |(at, what)| format!("{what:?} at {} ms", at.0));
    // The data is already on stdout; only the sentence is missing.
    crate::talk(&format!("kraite: {} violations, the first: {first}", outcome.verdict.violations));
    Ok(Exit::Invariant)
}

/// How often the equity is kept for a report.
pub(crate) const EQUITY_EACH: Millis = Millis::from_secs(3_600);

/// Nothing is run for a file that may not be written.
pub(crate) fn free_places(report: Option<&Path>, csv: Option<&Path>, force: bool) -> Result<(), Failed> {
    if let Some(report) = report.filter(|report| !force && report.exists()) {
        let message = format!("{} is there already; --force writes over it", report.display());
        return Err(Failed::new(Exit::Usage, message));
    }
    if let Some(dir) = csv {
        csv::free(dir, books::NAMES, force)?;
    }
    Ok(())
}

/// Writes the page and the tables that were asked for.
fn write(args: &Args, settings: &Settings, ran: &Ran, book: &Book) -> Result<(), Failed> {
    if let Some(dir) = &args.csv {
        let of = books::OfSymbol { symbol: &args.market.symbol, plan: &ran.plan, trips: &book.trips };
        let equity = book.equity.iter().map(|kept| (kept.at, kept.equity, Some(kept.price)));
        let tables = books::tables(&[of], equity);
        csv::write(dir, &tables.iter().collect::<Vec<_>>(), args.force)?;
    }
    if let Some(path) = &args.report {
        let drawn = candles::drawn(args, &ran.plan, book)?;
        let traded = report::Traded {
            symbol: &args.market.symbol,
            plan: &ran.plan,
            outcome: &ran.outcome,
            trips: &book.trips,
            missing: &ran.missing,
            frozen: &ran.frozen,
            drawn: &drawn,
        };
        let page = report::page(&report::Run {
            venue: venue(settings).word(),
            source: &source(args),
            wallet: ran.plan.wallet,
            outcome: &ran.outcome,
            equity: &book.equity,
            by_trades: !args.market.trades.is_empty(),
            by_messages: !args.fast,
            slots: None,
            traded: &[traded],
        });
        crate::write_whole(path, &page)?;
    }
    Ok(())
}

/// Says what is not as it was asked for, once everything could be read.
fn note(args: &Args, settings: &Settings) {
    for remark in remarks(venue(settings), settings.target(), args.market.brackets.is_some()) {
        crate::talk(&format!("kraite: note: {remark}"));
    }
}

/// When to enter.
fn signal(args: &Args) -> Result<Box<dyn Signal>, Failed> {
    if let Some(path) = &args.signals {
        return Ok(Box::new(entries(path, &args.market.symbol)?));
    }
    if args.enter_at.is_empty() { Ok(Box::new(WhenFlat)) } else { Ok(Box::new(At::new(args.enter_at.clone()))) }
}

/// Every order through the engine, the journal and the exchange; a book of it where one is kept.
fn by_messages(
    args: &Args,
    settings: &Settings,
    instrument: Instrument,
    funding: Vec<Funding>,
    kept: bool,
) -> Result<(Ran, Option<Book>), Failed> {
    let keeping = |run: Backtest, plan: &Plan| {
        if kept { run.keeping(Book::new(plan, EQUITY_EACH)) } else { run }
    };
    let signal = signal(args)?;
    let reading = stopwatch();
    if !args.market.trades.is_empty() {
        let mut trades = args.market.read_trades();
        let first = trades.first()?;
        let plan = plan_of(settings, &source(args), &args.market.first_file(), instrument, first.price)?;
        note(args, settings);
        let (running, mut progress) = (stopwatch(), Progress::new("backtest"));
        let hostility = args.nemesis.into();
        let run = Backtest::new(plan.clone(), hostility, args.seed, first.at, funding).entering(signal);
        let mut run = keeping(run, &plan);
        let (mut next, mut done) = (Some(first), 0_u64);
        while let Some(trade) = next {
            run.trade(&trade);
            done += 1;
            progress.say(|| format!("{done} trades"));
            next = trades.next()?;
        }
        let missing = trades.missing();
        let ((outcome, book), running) = (run.finish_with_book(), running.elapsed());
        let (frozen, reading) = (Stretches::default(), Duration::ZERO);
        return Ok((Ran { outcome, plan, missing, frozen, reading, running }, book));
    }
    let (gaps, span) = args.market.wanted();
    let (bars, reader) = read_klines(&args.market.klines, gaps, span, instrument.max_price)?;
    let reading = reading.elapsed();
    let Some(first) = bars.first() else {
        return Err(Failed::new(Exit::BadData, "no bars"));
    };
    let plan = plan_of(settings, &source(args), &args.market.first_file(), instrument, first.open)?;
    note(args, settings);
    let mut marks = args.market.mark_reader(&plan.instrument);
    let running = stopwatch();
    let mut progress = Progress::new("backtest");
    let hostility = args.nemesis.into();
    let run = Backtest::new(plan.clone(), hostility, args.seed, first.open_time, funding).entering(signal);
    let mut run = keeping(run, &plan);
    for (done, bar) in bars.iter().enumerate() {
        match &mut marks {
            Some(marks) => run.bar_marked(bar, &marks.beside(bar)?),
            None => run.bar(bar),
        }
        progress.say(|| format!("{done} of {} bars, {} %", bars.len(), done * 100 / bars.len()));
    }
    let ((outcome, book), running) = (run.finish_with_book(), running.elapsed());
    if let Some(marks) = &marks {
        tell_of_marks(&args.market.symbol, marks);
    }
    let (missing, frozen) = (reader.missing().clone(), reader.frozen().clone());
    Ok((Ran { outcome, plan, missing, frozen, reading, running }, book))
}

/// Only what the planner decides and what prices reach.
fn by_prices<L: Listener>(
    args: &Args,
    settings: &Settings,
    instrument: Instrument,
    funding: &[Funding],
    listener: impl FnOnce(&Plan) -> L,
) -> Result<(Ran, L), Failed> {
    let signal = signal(args)?;
    let (mut reading, mut running) = (Duration::ZERO, Duration::ZERO);
    let before = stopwatch();
    let mut source_of = Source::open(&args.market, &instrument)?;
    let first = source_of.first_price();
    reading += before.elapsed();
    let plan = plan_of(settings, &source(args), &args.market.first_file(), instrument, first)?;
    note(args, settings);
    let unit = Columns::grid(plan.instrument.tick, first);
    let mut piece = source_of.room(unit);
    let mut progress = Progress::new("backtest");
    let mut run = Fast::new(&plan, funding, listener(&plan)).entering(signal);
    loop {
        let before = stopwatch();
        let more = source_of.fill(&mut piece)?;
        reading += before.elapsed();
        let before = stopwatch();
        piece.play(&mut run, 0..piece.len()).map_err(Failed::with(Exit::BadData))?;
        running += before.elapsed();
        progress.say(|| format!("{} {}", run.bars(), source_of.word()));
        if !more {
            break;
        }
    }
    let (outcome, listener) = run.finish();
    source_of.tell_of_marks(&args.market.symbol);
    let (missing, frozen) = source_of.stillness();
    Ok((Ran { outcome, plan, missing, frozen, reading, running }, listener))
}

fn show(args: &Args, settings: &Settings, ran: &Ran) -> Shown {
    let Ran { outcome, plan, missing, frozen, reading, running } = ran;
    let millis = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let shown = |stretches: &Stretches| stretches.first.iter().map(ShownStretch::from).collect();
    let verdict = &outcome.verdict;
    let messages = || ShownMessages {
        nemesis: format!("{:?}", args.nemesis).to_lowercase(),
        seed: args.seed,
        orders_placed: outcome.orders_placed,
        duplicates: verdict.duplicates,
        orphans: verdict.orphans,
        max_unprotected_ms: verdict.max_unprotected.0,
        unprotected: verdict
            .windows
            .iter()
            .map(|(window, (intervals, longest))| ShownWindow { window, intervals: *intervals, longest_ms: longest.0 })
            .collect(),
        violations: verdict.violations,
        faults_injected: outcome.faults_injected,
        crashes: outcome.crashes,
        wire_duplicates: verdict.wire_duplicates,
    };
    Shown {
        schema: "kraite.backtest/1",
        symbol: args.market.symbol.clone(),
        venue: venue(settings).word(),
        way: if args.fast { "prices" } else { "messages" },
        margin: plan.budget.margin.to_string(),
        bars: outcome.bars,
        gaps: missing.count,
        missing: shown(missing),
        frozen_stretches: frozen.count,
        frozen: shown(frozen),
        positions_opened: outcome.positions_opened,
        positions_closed: outcome.positions_closed,
        positions_cancelled: outcome.positions_cancelled,
        positions_refused: outcome.refused,
        stops: outcome.stops,
        targets: outcome.targets,
        other_closes: outcome.other_closes,
        rungs_filled: outcome.rungs_filled,
        liquidations: outcome.liquidations,
        fees: outcome.fees.to_string(),
        funding: outcome.funding.to_string(),
        pnl: outcome.pnl.to_string(),
        max_drawdown: outcome.max_drawdown.to_string(),
        messages: (!args.fast).then(messages),
        read_ms: millis(reading),
        run_ms: millis(running),
    }
}

/// Where trades are missing, in a few words.
fn without_trades(what: &str, count: u64, first: &[ShownStretch]) -> String {
    let times =
        first.iter().take(3).map(|stretch| format!("{} to {} ({} bars)", stretch.from, stretch.to, stretch.bars));
    let more = count.saturating_sub(3);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{what}: {}{more}", times.collect::<Vec<_>>().join(", "))
}

fn text(args: &Args, shown: &Shown) -> String {
    let prices = if args.market.trades.is_empty() { "bars" } else { "trades" };
    let mut rows = vec![
        (prices, format!("{} ({} gaps)", shown.bars, shown.gaps)),
        (
            "positions",
            format!(
                "{} opened, {} closed, {} cancelled, {} refused",
                shown.positions_opened, shown.positions_closed, shown.positions_cancelled, shown.positions_refused
            ),
        ),
        ("closed by", format!("target {}, stop {}, other {}", shown.targets, shown.stops, shown.other_closes)),
        ("rungs filled", shown.rungs_filled.to_string()),
        ("liquidations", shown.liquidations.to_string()),
        (
            "pnl",
            format!("{} on a margin of {} (fees {}, funding {})", shown.pnl, shown.margin, shown.fees, shown.funding),
        ),
        ("max drawdown", shown.max_drawdown.clone()),
    ];
    if !shown.missing.is_empty() {
        rows.push(("missing", without_trades("not in the data", shown.gaps, &shown.missing)));
    }
    if !shown.frozen.is_empty() {
        rows.push(("frozen", without_trades("nobody traded", shown.frozen_stretches, &shown.frozen)));
    }
    match &shown.messages {
        Some(messages) => rows.extend(of_messages(messages)),
        None => rows.push(("way", "by prices alone; without --fast every message is played and judged".to_owned())),
    }
    rows.push(("time", format!("{} ms reading, {} ms running", shown.read_ms, shown.run_ms)));
    rows.iter().map(|(name, value)| format!("{name:<14} {value}\n")).collect()
}

fn of_messages(shown: &ShownMessages) -> [(&'static str, String); 6] {
    let windows: Vec<String> = shown
        .unprotected
        .iter()
        .map(|w| format!("{} x {}, longest {} ms", w.intervals, w.window, w.longest_ms))
        .collect();
    let hostility =
        format!("{}, seed {}: {} faults, {} crashes", shown.nemesis, shown.seed, shown.faults_injected, shown.crashes);
    [
        ("orders placed", shown.orders_placed.to_string()),
        ("hostility", hostility),
        ("duplicates", format!("{} (by the wire: {})", shown.duplicates, shown.wire_duplicates)),
        ("orphans", shown.orphans.to_string()),
        ("unprotected", format!("{} ms at most ({})", shown.max_unprotected_ms, windows.join("; "))),
        ("violations", shown.violations.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_is_a_line_that_the_settings_take() {
        for (flag, value) in [
            ("gap", "22.1"),
            ("sizing", "bounded"),
            ("rungs", "3"),
            ("leverage-cap", "1"),
            ("multipliers", "1,2"),
            ("margin", "5"),
            ("profit", "0.4"),
            ("stop", "2"),
        ] {
            let line = setting(&Fix { flag: flag.to_owned(), value: value.to_owned() });
            assert!(toml::from_str::<Settings>(&line).is_ok(), "{line}");
        }
    }
}
