//! The data that a backtest or a sweep runs over, as flags.

use std::path::PathBuf;

use kraite_core::Instrument;
use kraite_core::time::VenueMillis;
use kraite_sim::data::{
    Columns, Funding, Gaps, KlineReader, Span, Stretch, Stretches, Trade, TradeReader, instant, read_funding,
};

use crate::exit::{Exit, Failed};
use crate::flags::VenueName;
use crate::rules;

/// Bars, rules and funding of one contract.
#[derive(Debug, clap::Args)]
pub(crate) struct MarketArgs {
    /// Bars in order of time: CSV, .gz or .zip, with or without a header line; Apache Parquet in a build with the feature
    /// `parquet`.
    #[arg(long, required_unless_present = "trades", num_args = 1.., value_name = "FILE")]
    pub(crate) klines: Vec<PathBuf>,
    /// Aggregate trades in order of time, instead of bars: each price in its turn, and messages take their time.
    #[arg(long, conflicts_with = "klines", num_args = 1.., value_name = "FILE")]
    pub(crate) trades: Vec<PathBuf>,
    /// The answer of exchangeInfo (Binance) or contracts (Bitget); may be gzipped.
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

    /// The trades that are wanted, one file after the other.
    pub(crate) fn read_trades(&self) -> TradesRead {
        let (_, span) = self.wanted();
        TradesRead {
            files: self.trades.clone().into_iter(),
            reader: None,
            last: None,
            span,
            missing: Stretches::default(),
        }
    }

    /// All bars that are wanted.
    pub(crate) fn columns(&self, instrument: &Instrument) -> Result<Columns, Failed> {
        let mut reader = self.reader(instrument);
        let first = reader.first_wanted()?;
        let mut columns = Columns::new(Columns::grid(instrument.tick, first.high));
        reader.fill(&mut columns, usize::MAX)?;
        Ok(columns)
    }

    /// The first file, for messages.
    pub(crate) fn first_file(&self) -> String {
        self.klines.first().or(self.trades.first()).map_or_else(String::new, |path| path.display().to_string())
    }
}

/// Trades of some files that follow each other in time.
pub(crate) struct TradesRead {
    files: std::vec::IntoIter<PathBuf>,
    reader: Option<TradeReader>,
    last: Option<Trade>,
    span: Span,
    missing: Stretches,
}

impl TradesRead {
    /// The next trade that is wanted.
    pub(crate) fn next(&mut self) -> Result<Option<Trade>, Failed> {
        loop {
            let Some(reader) = &mut self.reader else {
                let Some(path) = self.files.next() else { return Ok(None) };
                self.reader = Some(TradeReader::open(&path)?);
                continue;
            };
            let Some(trade) = reader.next_trade()? else {
                self.reader = None;
                continue;
            };
            if let Some(last) = self.last.filter(|last| trade.number <= last.number || trade.at < last.at) {
                let message = format!(
                    "trade {} at {} follows {} at {}: the files of --trades are not in order of time",
                    trade.number, trade.at.0, last.number, last.at.0
                );
                return Err(Failed::new(Exit::BadData, message));
            }
            let missing = self.last.map_or(0, |last| trade.number - last.number - 1);
            let last = self.last.replace(trade);
            if !self.span.holds(trade.at) {
                continue;
            }
            if let Some(last) = last.filter(|last| missing > 0 && self.span.holds(last.at)) {
                self.missing.add(Stretch { from: last.at, to: trade.at, bars: missing });
            }
            return Ok(Some(trade));
        }
    }

    /// The first one.
    pub(crate) fn first(&mut self) -> Result<Trade, Failed> {
        self.next()?.ok_or_else(|| Failed::new(Exit::BadData, "no trade lies between --from and --to"))
    }

    /// Where numbers of trades are missing.
    pub(crate) fn missing(&self) -> Stretches {
        self.missing.clone()
    }
}
