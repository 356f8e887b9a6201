//! `kraite portfolio`: a backtest by prices of several contracts in one account.

use std::path::{Path, PathBuf};

use kraite_core::id::Symbol;
use kraite_core::number::Notional;
use kraite_sim::backtest::{At, Book, Fast, Plan, Portfolio, Signal, Sum, WhenFlat};
use kraite_sim::data::{Columns, Funding, read_signals};
use serde::{Deserialize, Serialize};
use toml::Table;

use crate::backtest::books::{self, OfSymbol};
use crate::backtest::{EQUITY_EACH, plan_of, venue};
use crate::csv;
use crate::exit::{Exit, Failed};
use crate::market::MarketArgs;
use crate::settings::{Settings, line_and_column};

const EXAMPLE: &str = "Example of a file:
  wallet = \"1000\"
  slots = 2
  exchange_info = \"exchangeInfo.json\"
  brackets = \"leverageBracket.json\"

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
    /// Writes over files that are there.
    #[arg(long, requires = "csv")]
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
    exchange_info: PathBuf,
    brackets: Option<PathBuf>,
    #[serde(default)]
    allow_gaps: bool,
    #[serde(default)]
    settings: Table,
    #[serde(default)]
    market: Vec<MarketTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MarketTable {
    symbol: String,
    klines: Vec<PathBuf>,
    funding: Option<PathBuf>,
    signals: Option<PathBuf>,
    #[serde(default)]
    settings: Table,
}

/// One contract with everything that was read of it.
struct Market {
    symbol: String,
    plan: Plan,
    bars: Columns,
    funding: Vec<Funding>,
    signals: Option<At>,
}

fn read(path: &Path) -> Result<Account, Failed> {
    let wrong = |why: String| Failed::new(Exit::Configuration, format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let account: Account = toml::from_str(&text).map_err(|error| {
        let (line, _) = line_and_column(&text, error.span().map_or(0, |span| span.start));
        wrong(format!("line {line}: {}", error.message()))
    })?;
    if account.market.is_empty() {
        return Err(wrong("there is no [[market]]; add one for each contract".into()));
    }
    if account.slots == 0 || !account.wallet.is_positive() {
        return Err(wrong("slots and wallet must be above zero".into()));
    }
    for (place, market) in account.market.iter().enumerate() {
        let twin = account.market.iter().take(place).any(|other| other.symbol == market.symbol);
        if twin || market.klines.is_empty() {
            let why = if twin { "is there twice" } else { "has no klines" };
            return Err(wrong(format!("{} {why}", market.symbol)));
        }
    }
    Ok(account)
}

fn load(path: &Path, account: &Account, table: &MarketTable) -> Result<Market, Failed> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let at = |file: &PathBuf| folder.join(file);
    let wrong = |why: String| {
        let message = format!("{}: settings of {}: {why}", path.display(), table.symbol);
        Failed::new(Exit::Configuration, message)
    };
    let mut merged = account.settings.clone();
    merged.extend(table.settings.clone());
    let settings: Settings =
        merged.try_into().map_err(|error: toml::de::Error| wrong(error.message().trim().replace('\n', " ")))?;
    settings.check().map_err(|error| wrong(error.why))?;
    if let Some(key) = settings.of_running_accounts() {
        return Err(wrong(format!("{key} is a setting of running accounts; a backtest has none")));
    }
    if settings.wallet.is_some() {
        return Err(wrong("the wallet is the account's, above the tables".into()));
    }
    let market = MarketArgs {
        klines: table.klines.iter().map(at).collect(),
        trades: Vec::new(),
        exchange_info: at(&account.exchange_info),
        brackets: account.brackets.as_ref().map(at),
        symbol: table.symbol.clone(),
        funding: table.funding.as_ref().map(at),
        from: None,
        to: None,
        allow_gaps: account.allow_gaps,
    };
    let instrument = market.instrument(venue(&settings))?;
    let bars = market.columns(&instrument)?;
    let first = bars.bar(0).and_then(|bar| bars.price(bar.open)).unwrap_or_default();
    let source = path.display().to_string();
    let plan = plan_of(&settings, &source, &market.first_file(), instrument, first)?;
    let signals =
        table.signals.as_ref().map(|file| read_signals(&at(file), &Symbol::new(&table.symbol))).transpose()?;
    Ok(Market { symbol: table.symbol.clone(), plan, bars, funding: market.payments()?, signals: signals.map(At::new) })
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
    let of = |(market, (outcome, _)): (&Market, &(kraite_sim::backtest::Outcome, Book))| ShownMarket {
        symbol: market.symbol.clone(),
        bars: outcome.bars,
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
    out.push_str(&format!(
        "together       {} on a wallet of {}, max drawdown {}, at most {} of {} slots taken\n",
        shown.pnl, shown.wallet, shown.max_drawdown, shown.most_open, shown.slots
    ));
    out
}

/// Reads, runs, prints.
pub(crate) fn command(args: &Args) -> Result<Exit, Failed> {
    let account = read(&args.config)?;
    if let Some(dir) = &args.csv {
        csv::free(dir, books::NAMES, args.force)?;
    }
    let loaded = account.market.iter().map(|table| load(&args.config, &account, table));
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
    let shown = shown(&account, &markets, &sum);
    if args.json {
        let json = serde_json::to_string_pretty(&shown).map_err(Failed::with(Exit::Failure))?;
        crate::print(&format!("{json}\n"))?;
    } else {
        crate::print(&text(&shown))?;
    }
    Ok(Exit::Ok)
}
