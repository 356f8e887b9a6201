//! Where the prices of a run are from: files of bars or of trades, a piece in memory at a time.

use std::ops::Range;

use kraite_core::Instrument;
use kraite_core::number::Price;
use kraite_sim::backtest::{Fast, FastError, Listener};
use kraite_sim::data::{Bar, Columns, KlineReader, MarkReader, Stretches, Ticks, Trade};

use super::MarketArgs;
use super::trades::TradesRead;
use crate::exit::{Exit, Failed};

/// Bars or trades that are in memory at a time.
const AT_A_TIME: usize = 65_536;

/// Prices of the data, a piece at a time.
pub(crate) enum Piece {
    Bars(Columns),
    Trades(Ticks),
}

impl Piece {
    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Bars(bars) => bars.len(),
            Self::Trades(trades) => trades.len(),
        }
    }

    /// A digest of all prices, and of whatever else decides a run.
    pub(crate) fn digest(&self, more: &str) -> u64 {
        match self {
            Self::Bars(bars) => bars.digest(more),
            Self::Trades(trades) => trades.digest(more),
        }
    }

    /// Plays some of its prices.
    pub(crate) fn play<L: Listener>(&self, run: &mut Fast<'_, L>, part: Range<usize>) -> Result<(), FastError> {
        match self {
            Self::Bars(bars) => run.play_part(bars, part),
            Self::Trades(trades) => run.play_trades_part(trades, part),
        }
    }
}

/// Where prices are from; the first bar, or the next trade, is known already.
pub(crate) enum Source {
    Bars(Box<KlineReader>, Bar, Option<Box<MarkReader>>),
    Trades(Box<TradesRead>, Option<Trade>),
}

impl Source {
    pub(crate) fn open(market: &MarketArgs, instrument: &Instrument) -> Result<Self, Failed> {
        if market.trades.is_empty() {
            let mut reader = market.reader(instrument);
            let first = reader.first_wanted()?;
            let marks = market.mark_reader(instrument).map(Box::new);
            return Ok(Self::Bars(Box::new(reader), first, marks));
        }
        let mut trades = market.read_trades();
        let first = trades.first()?;
        Ok(Self::Trades(Box::new(trades), Some(first)))
    }

    pub(crate) fn first_price(&self) -> Price {
        match self {
            Self::Bars(_, first, _) => first.open,
            Self::Trades(_, next) => next.map(|trade| trade.price).unwrap_or_default(),
        }
    }

    pub(crate) const fn room(&self, unit: Price) -> Piece {
        match self {
            Self::Bars(..) => Piece::Bars(Columns::new(unit)),
            Self::Trades(..) => Piece::Trades(Ticks::new(unit)),
        }
    }

    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Bars(..) => "bars",
            Self::Trades(..) => "trades",
        }
    }

    /// Reads the next piece; says whether there is more.
    pub(crate) fn fill(&mut self, piece: &mut Piece) -> Result<bool, Failed> {
        match (self, piece) {
            (Self::Bars(reader, _, marks), Piece::Bars(bars)) => {
                bars.clear();
                reader.fill(bars, AT_A_TIME)?;
                if let Some(marks) = marks {
                    marks.fill(bars)?;
                }
                Ok(bars.len() >= AT_A_TIME)
            }
            (Self::Trades(reader, next), Piece::Trades(trades)) => {
                trades.clear();
                while let Some(trade) = next.take() {
                    if trades.len() >= AT_A_TIME {
                        *next = Some(trade);
                        break;
                    }
                    trades.push(&trade).map_err(Failed::with(Exit::BadData))?;
                    *next = reader.next()?;
                }
                Ok(next.is_some())
            }
            _ => Ok(false),
        }
    }

    /// Says where a bar had no mark price.
    pub(crate) fn tell_of_marks(&self, symbol: &str) {
        if let Self::Bars(_, _, Some(marks)) = self {
            super::tell_of_marks(symbol, marks);
        }
    }

    pub(crate) fn stillness(&self) -> (Stretches, Stretches) {
        match self {
            Self::Bars(reader, ..) => (reader.missing().clone(), reader.frozen().clone()),
            Self::Trades(trades, _) => (trades.missing(), Stretches::default()),
        }
    }
}
