//! Where the prices of a run are from: files of bars or of trades, a piece in memory at a time.

use kraite_core::Instrument;
use kraite_core::number::Price;
use kraite_sim::data::{Bar, Columns, KlineReader, Stretches, Ticks, Trade};

use super::Args;
use crate::exit::{Exit, Failed};
use crate::market::TradesRead;

/// Bars or trades that are in memory at a time.
const AT_A_TIME: usize = 65_536;

/// Prices of the data, a piece at a time.
pub(super) enum Piece {
    Bars(Columns),
    Trades(Ticks),
}

/// Where prices are from; the next one is known already.
pub(super) enum Source {
    Bars(Box<KlineReader>, Option<Bar>),
    Trades(Box<TradesRead>, Option<Trade>),
}

impl Source {
    pub(super) fn open(args: &Args, instrument: &Instrument) -> Result<Self, Failed> {
        if args.market.trades.is_empty() {
            let mut reader = args.market.reader(instrument);
            let first = reader.first_wanted()?;
            return Ok(Self::Bars(Box::new(reader), Some(first)));
        }
        let mut trades = args.market.read_trades();
        let first = trades.first()?;
        Ok(Self::Trades(Box::new(trades), Some(first)))
    }

    pub(super) fn first_price(&self) -> Price {
        match self {
            Self::Bars(_, next) => next.map(|bar| bar.open),
            Self::Trades(_, next) => next.map(|trade| trade.price),
        }
        .unwrap_or_default()
    }

    pub(super) const fn room(&self, unit: Price) -> Piece {
        match self {
            Self::Bars(..) => Piece::Bars(Columns::new(unit)),
            Self::Trades(..) => Piece::Trades(Ticks::new(unit)),
        }
    }

    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Bars(..) => "bars",
            Self::Trades(..) => "trades",
        }
    }

    /// Reads the next piece; says whether there is more.
    pub(super) fn fill(&mut self, piece: &mut Piece) -> Result<bool, Failed> {
        match (self, piece) {
            (Self::Bars(reader, next), Piece::Bars(bars)) => {
                bars.clear();
                while let Some(bar) = next.take() {
                    if bars.len() >= AT_A_TIME {
                        *next = Some(bar);
                        break;
                    }
                    bars.push(&bar).map_err(Failed::with(Exit::BadData))?;
                    *next = reader.next_wanted()?;
                }
                Ok(next.is_some())
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

    pub(super) fn stillness(&self) -> (Stretches, Stretches) {
        match self {
            Self::Bars(reader, _) => (reader.missing().clone(), reader.frozen().clone()),
            Self::Trades(trades, _) => (trades.missing(), Stretches::default()),
        }
    }
}
