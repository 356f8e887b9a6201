//! The data that a backtest or a sweep runs over, as flags.

use std::path::PathBuf;

use kraite_core::Instrument;
use kraite_core::time::VenueMillis;
use kraite_sim::data::{Columns, Funding, Gaps, KlineReader, Span, read_funding};

use crate::exit::{Exit, Failed};
use crate::flags::VenueName;
use crate::{rules, utc};

/// Bars, rules and funding of one contract.
#[derive(Debug, clap::Args)]
pub(crate) struct MarketArgs {
    /// Bars in order of time: CSV, .gz or .zip, with or without a header line.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    pub(crate) klines: Vec<PathBuf>,
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
    /// First bar: milliseconds since 1970, or YYYY-MM-DD (UTC).
    #[arg(long, value_parser = utc::instant, value_name = "TIME")]
    pub(crate) from: Option<VenueMillis>,
    /// Bars before this instant only.
    #[arg(long, value_parser = utc::instant, value_name = "TIME")]
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

    /// All bars that are wanted.
    pub(crate) fn columns(&self, instrument: &Instrument) -> Result<Columns, Failed> {
        let mut reader = self.reader(instrument);
        let first = reader.first_wanted()?;
        let mut columns = Columns::new(Columns::grid(instrument.tick, first.high));
        let mut next = Some(first);
        while let Some(bar) = next {
            columns.push(&bar).map_err(Failed::with(Exit::BadData))?;
            next = reader.next_wanted()?;
        }
        Ok(columns)
    }

    /// The first file, for messages.
    pub(crate) fn first_file(&self) -> String {
        self.klines.first().map_or_else(String::new, |path| path.display().to_string())
    }
}
