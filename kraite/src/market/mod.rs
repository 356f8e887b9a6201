//! The data that a backtest runs over: as flags, or as tables of a file that has several contracts.

mod source;
mod tables;
mod trades;

use std::path::{Path, PathBuf};

use kraite_core::Instrument;
use kraite_core::id::Symbol;
use kraite_core::time::VenueMillis;
use kraite_sim::backtest::At;
use kraite_sim::data::{Columns, Funding, Gaps, KlineReader, MarkReader, Span, instant, read_funding, read_signals};

pub(crate) use self::source::{Piece, Source};
pub(crate) use self::tables::{MarketTable, Markets, in_one_line, settings_of};
use self::trades::TradesRead;

use crate::exit::Failed;
use crate::flags::VenueName;
use crate::rules;

/// Bars, rules and funding of one contract.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct MarketArgs {
    /// Bars in order of time: CSV, .gz or .zip, with or without a header line; Apache Parquet in a build with the feature
    /// `parquet`.
    #[arg(long, required_unless_present = "trades", num_args = 1.., value_name = "FILE")]
    pub(crate) klines: Vec<PathBuf>,
    /// The mark price within each bar, as klines of the same interval: what triggers watch, and what decides on
    /// liquidations, funding and sizes. Without it the price of the bars stands for it.
    #[arg(long, num_args = 1.., value_name = "FILE", requires = "klines")]
    pub(crate) mark_klines: Vec<PathBuf>,
    /// Aggregate trades in order of time, instead of bars: each price in its turn, and messages take their time.
    #[arg(long, conflicts_with_all = ["klines", "mark_klines"], num_args = 1.., value_name = "FILE")]
    pub(crate) trades: Vec<PathBuf>,
    /// The answer of exchangeInfo (Binance) or contracts (Bitget), best of the time of the data, whose rules these were;
    /// may be gzipped.
    #[arg(long, value_name = "FILE")]
    pub(crate) exchange_info: PathBuf,
    /// The answer of leverageBracket or query-position-lever; may be gzipped. Without it the leverage cap
    /// stands and no maintenance margin is asked.
    #[arg(long, value_name = "FILE")]
    pub(crate) brackets: Option<PathBuf>,
    /// The contract, in the venue's spelling.
    #[arg(long)]
    pub(crate) symbol: String,
    /// Funding payments: calc_time, funding_interval_hours, last_funding_rate.
    #[arg(long, value_name = "FILE")]
    pub(crate) funding: Option<PathBuf>,
    /// The first instant: milliseconds since 1970, or UTC as YYYY-MM-DD or YYYY-MM-DDThh:mm.
    #[arg(long, value_parser = instant, value_name = "TIME")]
    pub(crate) from: Option<VenueMillis>,
    /// Only what is before this instant.
    #[arg(long, value_parser = instant, value_name = "TIME")]
    pub(crate) to: Option<VenueMillis>,
    /// Counts missing bars instead of refusing them. Bars are missing between two that are used; what lies outside of
    /// --from and --to may have gaps.
    #[arg(long)]
    pub(crate) allow_gaps: bool,
}

/// The instants of a file at which this contract is entered.
pub(crate) fn entries(path: &Path, symbol: &str) -> Result<At, Failed> {
    let instants = read_signals(path, &Symbol::new(symbol))?;
    if instants.is_empty() {
        crate::talk(&format!("kraite: note: {}: no line of it is about {symbol}; nothing is entered", path.display()));
    }
    Ok(At::new(instants))
}

/// Says where a bar had no mark price.
pub(crate) fn tell_of_marks(symbol: &str, marks: &MarkReader) {
    let missing = marks.missing().count;
    if missing > 0 {
        let message = format!("{symbol}: {missing} bars have no mark price; their own stands for it");
        crate::talk(&format!("kraite: note: {message}"));
    }
}

impl MarketArgs {
    pub(crate) fn instrument(&self, venue: VenueName) -> Result<Instrument, Failed> {
        rules::instrument(venue, &self.exchange_info, self.brackets.as_deref(), &self.symbol)
    }

    pub(crate) fn payments(&self) -> Result<Vec<Funding>, Failed> {
        Ok(self.funding.as_deref().map(read_funding).transpose()?.unwrap_or_default())
    }

    /// Where bars may be missing, and which of them are wanted.
    pub(crate) const fn wanted(&self) -> (Gaps, Span) {
        let gaps = if self.allow_gaps { Gaps::Count } else { Gaps::Refuse };
        (gaps, Span { from: self.from, to: self.to })
    }

    pub(crate) fn reader(&self, instrument: &Instrument) -> KlineReader {
        let (gaps, span) = self.wanted();
        KlineReader::new(self.klines.clone(), gaps).within(span).up_to(instrument.max_price)
    }

    /// The mark price beside the bars, where there is one.
    pub(crate) fn mark_reader(&self, instrument: &Instrument) -> Option<MarkReader> {
        let (gaps, span) = self.wanted();
        let reader = || MarkReader::new(self.mark_klines.clone(), gaps, span, instrument.tick);
        (!self.mark_klines.is_empty()).then(reader)
    }

    /// The trades that are wanted, one file after the other.
    pub(crate) fn read_trades(&self) -> TradesRead {
        let (_, span) = self.wanted();
        TradesRead::new(self.trades.clone(), span)
    }

    /// All bars that are wanted with their mark prices, and the reader that knows where some are missing.
    pub(crate) fn columns(&self, instrument: &Instrument) -> Result<(Columns, KlineReader), Failed> {
        let mut reader = self.reader(instrument);
        let first = reader.first_wanted()?;
        let mut columns = Columns::new(Columns::grid(instrument.tick, first.high));
        reader.fill(&mut columns, usize::MAX)?;
        if let Some(mut marks) = self.mark_reader(instrument) {
            marks.fill(&mut columns)?;
            tell_of_marks(&self.symbol, &marks);
        }
        Ok((columns, reader))
    }

    /// The first file, for messages.
    pub(crate) fn first_file(&self) -> String {
        self.klines.first().or(self.trades.first()).map_or_else(String::new, |path| path.display().to_string())
    }
}
