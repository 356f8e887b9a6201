//! Trades of several files, one after the other.

use std::path::PathBuf;

use kraite_sim::data::{Span, Stretch, Stretches, Trade, TradeReader};

use crate::exit::{Exit, Failed};

/// Trades of some files that follow each other in time.
pub(crate) struct TradesRead {
    files: std::vec::IntoIter<PathBuf>,
    reader: Option<TradeReader>,
    last: Option<Trade>,
    span: Span,
    missing: Stretches,
}

impl TradesRead {
    pub(super) fn new(files: Vec<PathBuf>, span: Span) -> Self {
        Self { files: files.into_iter(), reader: None, last: None, span, missing: Stretches::default() }
    }

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
