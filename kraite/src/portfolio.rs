//! `kraite portfolio`: a backtest by prices of several contracts in one account.

use std::path::{Path, PathBuf};

use kraite_core::number::{Notional, Price};
use kraite_sim::backtest::{At, Book, Equity, Fast, Outcome, Plan, Portfolio, Signal, Sum, Trip, WhenFlat};
use kraite_sim::data::{Columns, Funding, Stretches};
use serde::{Deserialize, Serialize};
use toml::Table;

use crate::backtest::books::{self, OfSymbol};
use crate::backtest::candles::{self, Drawn, Pictures};
use crate::backtest::{EQUITY_EACH, free_places, plan_of, report, venue};
use crate::exit::{Exit, Failed};
use crate::flags::VenueName;
use crate::market::{MarketTable, Markets, entries, in_one_line, settings_of};
use crate::{csv, utc};

const EXAMPLE: &str = "Example of a file:
  wallet = \"1000\"
  slots = 2
  exchange_info = \"exchangeInfo.json\"
  brackets = \"leverageBracket.json\"
  from = \"2025-05-01\"              # and to, and allow_gaps, if need be

  [settings]                       # of every contract; as in a backtest's --config
  margin = \"50\"
  gap = \"4\"

  [[market]]
  symbol = \"SOLUSDT\"
  klines = [\"SOLUSDT-1m-2025-05.zip\", \"SOLUSDT-1m-2025-06.zip\"]

  [[market]]
  symbol = \"BTCUSDT\"
  klines = [\"BTCUSDT-1m-2025-05.zip\", \"BTCUSDT-1m-2025-06.zip\"]
  funding = \"BTCUSDT-fundingRate-2025-05.zip\"
  signals = \"entries.csv\"
  settings = { profit = \"0.5\" }    # this contract's own

Paths are seen from the folder of the file.";

/// Runs several contracts in one account, by prices: so many positions at once at most, and one wallet behind all.
///
/// Where more contracts want to enter at one bar than there are slots, the first ones of the file do. What stands behind a
/// cross position is the wallet and what the others are worth at the worst price of their bar, all at once. Within the
/// time of a bar each contract's bar is played whole, one after the other.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLE)]
pub(crate) struct Args {
    /// The account, its contracts and their data, as TOML.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Writes orders.csv, fills.csv, trades.csv, fees.csv, funding.csv and equity.csv there.
    #[arg(long, value_name = "DIR")]
    csv: Option<PathBuf>,
    /// Writes a page with everything about the run.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// How many positions the page draws on their candles; where there are more, the worst, the best and some between.
    #[arg(long, value_name = "N", default_value_t = 100, requires = "report")]
    drawn: usize,
    /// Writes over files that are there.
    #[arg(long)]
    force: bool,
    /// Prints the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    wallet: Notional,
    slots: usize,
    #[serde(default)]
    settings: Table,
}

/// One contract with everything that was read of it.
struct Market {
    symbol: String,
    venue: VenueName,
    plan: Plan,
    bars: Columns,
    missing: Stretches,
    frozen: Stretches,
    funding: Vec<Funding>,
    signals: Option<At>,
}

fn read(path: &Path) -> Result<(Account, Markets), Failed> {
    let wrong = |why: String| Failed::new(Exit::Configuration, format!("{}: {why}", path.display()));
    let (markets, others) = Markets::read(path)?;
    let markets = markets.ok_or_else(|| wrong("there is no [[market]]; add one for each contract".into()))?;
    if let Some(key) = others.keys().find(|key| !["wallet", "slots", "settings"].contains(&key.as_str())) {
        let known = Markets::KEYS.join(", ");
        return Err(wrong(format!(
            "`{key}` is nothing that an account has; that is: wallet, slots, settings, {known}"
        )));
    }
    let account: Account = others.try_into().map_err(|error| wrong(in_one_line(error)))?;
    if account.slots == 0 || !account.wallet.is_positive() {
        return Err(wrong("slots and wallet must be above zero".into()));
    }
    if let Some(table) = markets.tables.iter().find(|table| !table.trades.is_empty()) {
        return Err(wrong(format!("{} has trades; a portfolio goes over klines", table.symbol)));
    }
    Ok((account, markets))
}

fn load(path: &Path, account: &Account, markets: &Markets, table: &MarketTable) -> Result<Market, Failed> {
    let wrong = |why: String| {
        let message = format!("{}: settings of {}: {why}", path.display(), table.symbol);
        Failed::new(Exit::Configuration, message)
    };
    let mut merged = account.settings.clone();
    merged.extend(table.settings.clone());
    let settings = settings_of(merged).map_err(wrong)?;
    if settings.wallet.is_some() {
        return Err(wrong("the wallet is the account's, above the tables".into()));
    }
    let market = markets.args(table);
    let venue = venue(&settings);
    let instrument = market.instrument(venue)?;
    let (bars, reader) = market.columns(&instrument)?;
    let first = bars.bar(0).and_then(|bar| bars.price(bar.open)).unwrap_or_default();
    let source = path.display().to_string();
    let plan = plan_of(&settings, &source, &market.first_file(), instrument, first)?;
    let signals = markets.signals(table).map(|file| entries(&file, &table.symbol)).transpose()?;
    let (missing, frozen) = (reader.missing().clone(), reader.frozen().clone());
    let (symbol, funding) = (table.symbol.clone(), market.payments()?);
    Ok(Market { symbol, venue, plan, bars, missing, frozen, funding, signals })
}

#[derive(Debug, Serialize)]
struct Shown {
    schema: &'static str,
    wallet: String,
    slots: usize,
    most_open: usize,
    pnl: String,
    max_drawdown: String,
    markets: Vec<ShownMarket>,
}

#[derive(Debug, Serialize)]
struct ShownMarket {
    symbol: String,
    bars: u64,
    gaps: u64,
    frozen_stretches: u64,
    positions_opened: u64,
    positions_closed: u64,
    positions_cancelled: u64,
    positions_refused: u64,
    stops: u64,
    targets: u64,
    liquidations: u64,
    rungs_filled: u64,
    fees: String,
    funding: String,
    pnl: String,
}

fn shown(account: &Account, markets: &[Market], sum: &Sum<Book>) -> Shown {
    let of = |(market, (outcome, _)): (&Market, &(Outcome, Book))| ShownMarket {
        symbol: market.symbol.clone(),
        bars: outcome.bars,
        gaps: market.missing.count,
        frozen_stretches: market.frozen.count,
        positions_opened: outcome.positions_opened,
        positions_closed: outcome.positions_closed,
        positions_cancelled: outcome.positions_cancelled,
        positions_refused: outcome.refused,
        stops: outcome.stops,
        targets: outcome.targets,
        liquidations: outcome.liquidations,
        rungs_filled: outcome.rungs_filled,
        fees: outcome.fees.to_string(),
        funding: outcome.funding.to_string(),
        pnl: outcome.pnl.to_string(),
    };
    Shown {
        schema: "kraite.portfolio/1",
        wallet: account.wallet.to_string(),
        slots: account.slots,
        most_open: sum.most_open,
        pnl: sum.pnl.to_string(),
        max_drawdown: sum.max_drawdown.to_string(),
        markets: markets.iter().zip(&sum.each).map(of).collect(),
    }
}

fn text(shown: &Shown) -> String {
    let mut out = format!(
        "{:<14} {:>9} {:>7} {:>7} {:>6} {:>6} {:>5}  result\n",
        "contract", "bars", "opened", "targets", "stops", "liqu.", "rungs"
    );
    for market in &shown.markets {
        out.push_str(&format!(
            "{:<14} {:>9} {:>7} {:>7} {:>6} {:>6} {:>5}  {} (fees {}, funding {})\n",
            market.symbol,
            market.bars,
            market.positions_opened,
            market.targets,
            market.stops,
            market.liquidations,
            market.rungs_filled,
            market.pnl,
            market.fees,
            market.funding
        ));
    }
    for market in shown.markets.iter().filter(|market| market.gaps + market.frozen_stretches > 0) {
        let ShownMarket { symbol, gaps, frozen_stretches, .. } = market;
        out.push_str(&format!(
            "{symbol:<14} {gaps} gaps in the data, {frozen_stretches} times nobody traded for five bars or more\n"
        ));
    }
    out.push_str(&format!(
        "together       {} on a wallet of {}, max drawdown {}, at most {} of {} slots taken\n",
        shown.pnl, shown.wallet, shown.max_drawdown, shown.most_open, shown.slots
    ));
    out
}

/// What all contracts came to together.
fn together(sum: &Sum<Book>) -> Result<Outcome, Failed> {
    let mut all = Outcome { pnl: sum.pnl, max_drawdown: sum.max_drawdown, ..Outcome::default() };
    for (one, _) in &sum.each {
        let money = |a: Notional, b: Notional| a.checked_add(b).map_err(Failed::with(Exit::BadData));
        all.bars += one.bars;
        all.positions_opened += one.positions_opened;
        all.positions_closed += one.positions_closed;
        all.positions_cancelled += one.positions_cancelled;
        all.refused += one.refused;
        all.targets += one.targets;
        all.stops += one.stops;
        all.other_closes += one.other_closes;
        all.liquidations += one.liquidations;
        all.rungs_filled += one.rungs_filled;
        all.fees = money(all.fees, one.fees)?;
        all.funding = money(all.funding, one.funding)?;
    }
    Ok(all)
}

/// The page of a run.
fn page(args: &Args, account: &Account, markets: &[Market], sum: &Sum<Book>) -> Result<String, Failed> {
    let outcome = together(sum)?;
    let price = Price::default();
    let equity: Vec<Equity> =
        sum.equity.iter().map(|(at, equity)| Equity { at: *at, equity: *equity, price }).collect();
    // Of the positions of all contracts some are drawn, each on the candles of its own.
    let books = sum.each.iter().enumerate();
    let all: Vec<(usize, usize)> =
        books.flat_map(|(market, (_, book))| (0..book.trips.len()).map(move |place| (market, place))).collect();
    let trips: Vec<&Trip> = sum.each.iter().flat_map(|(_, book)| &book.trips).collect();
    let chosen: Vec<(usize, usize)> =
        candles::chosen(&trips, args.drawn).into_iter().filter_map(|place| all.get(place).copied()).collect();
    let last = equity.last().map_or(0, |equity| equity.at.0);
    let drawn = |(number, (market, (_, book))): (usize, (&Market, &(Outcome, Book)))| {
        let places: Vec<usize> = chosen.iter().filter(|(of, _)| *of == number).map(|(_, place)| *place).collect();
        let mut pictures = Pictures::of(&book.trips, &places, market.bars.span().0 + 1, last);
        pictures.bars(&market.bars);
        pictures.finish()
    };
    let drawn: Vec<Vec<Drawn>> = markets.iter().zip(&sum.each).enumerate().map(drawn).collect();
    let traded = markets.iter().zip(&sum.each).zip(&drawn).map(|((market, (outcome, book)), drawn)| report::Traded {
        symbol: &market.symbol,
        plan: &market.plan,
        outcome,
        trips: &book.trips,
        missing: &market.missing,
        frozen: &market.frozen,
        drawn,
    });
    Ok(report::page(&report::Run {
        venue: markets.first().map_or("", |market| market.venue.word()),
        source: &args.config.display().to_string(),
        wallet: account.wallet,
        outcome: &outcome,
        equity: &equity,
        by_trades: false,
        by_messages: false,
        slots: Some((sum.most_open, account.slots)),
        traded: &traded.collect::<Vec<_>>(),
    }))
}

/// Writes what was asked for.
fn write(args: &Args, account: &Account, markets: &[Market], sum: &Sum<Book>) -> Result<(), Failed> {
    if let Some(dir) = &args.csv {
        let of = |(market, (_, book))| -> OfSymbol<'_> {
            let (market, book): (&Market, &Book) = (market, book);
            OfSymbol { symbol: &market.symbol, plan: &market.plan, trips: &book.trips }
        };
        let symbols: Vec<OfSymbol<'_>> =
            markets.iter().zip(sum.each.iter().map(|(outcome, book)| (outcome, book))).map(of).collect();
        let equity = sum.equity.iter().map(|(at, equity)| (*at, *equity, None));
        csv::write(dir, &books::tables(&symbols, equity).iter().collect::<Vec<_>>(), args.force)?;
    }
    if let Some(path) = &args.report {
        crate::write_whole(path, &page(args, account, markets, sum)?)?;
    }
    Ok(())
}

/// A position whose prices end before those of others holds its slot until the end, and nothing of it changes.
fn tell_of_ends(markets: &[Market], sum: &Sum<Book>) {
    let end = |market: &Market| market.bars.open_time(market.bars.len().saturating_sub(1));
    let last = markets.iter().filter_map(end).max();
    for (market, (outcome, _)) in markets.iter().zip(&sum.each) {
        let open = outcome.positions_opened > outcome.positions_closed;
        if let Some(at) = end(market).filter(|at| open && Some(*at) < last) {
            let (symbol, at) = (&market.symbol, utc::iso(at.0));
            crate::talk(&format!(
                "kraite: note: {symbol}: its prices end at {at} with a position open, which keeps its slot"
            ));
        }
    }
}

/// Reads, runs, prints.
pub(crate) fn command(args: &Args) -> Result<Exit, Failed> {
    let (account, markets) = read(&args.config)?;
    free_places(args.report.as_deref(), args.csv.as_deref(), args.force)?;
    let loaded = markets.tables.iter().map(|table| load(&args.config, &account, &markets, table));
    let markets = loaded.collect::<Result<Vec<Market>, Failed>>()?;
    let mut portfolio = Portfolio::new(account.wallet, account.slots).keeping_equity(EQUITY_EACH);
    for market in &markets {
        let signal: Box<dyn Signal> = match &market.signals {
            Some(at) => Box::new(at.clone()),
            None => Box::new(WhenFlat),
        };
        let run = Fast::new(&market.plan, &market.funding, Book::of_positions(&market.plan)).entering(signal);
        portfolio.add(run, &market.bars);
    }
    let sum = portfolio.play().map_err(Failed::with(Exit::BadData))?;
    let shown = shown(&account, &markets, &sum);
    if args.json {
        let json = serde_json::to_string_pretty(&shown).map_err(Failed::with(Exit::Failure))?;
        crate::print(&format!("{json}\n"))?;
    } else {
        crate::print(&text(&shown))?;
    }
    tell_of_ends(&markets, &sum);
    // The data is on stdout: whatever cannot be written now is only told.
    Ok(write(args, &account, &markets, &sum).map_or_else(
        |failed| {
            crate::talk(&format!("kraite: {failed}"));
            failed.exit
        },
        |()| Exit::Ok,
    ))
}
