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

/// Where prices are from; the first bar, or the next trade, is known already.
pub(super) enum Source {
    Bars(Box<KlineReader>, Bar),
    Trades(Box<TradesRead>, Option<Trade>),
}

impl Source {
    pub(super) fn open(args: &Args, instrument: &Instrument) -> Result<Self, Failed> {
        if args.market.trades.is_empty() {
            let mut reader = args.market.reader(instrument);
            let first = reader.first_wanted()?;
            return Ok(Self::Bars(Box::new(reader), first));
        }
        let mut trades = args.market.read_trades();
        let first = trades.first()?;
        Ok(Self::Trades(Box::new(trades), Some(first)))
    }

    pub(super) fn first_price(&self) -> Price {
        match self {
            Self::Bars(_, first) => first.open,
            Self::Trades(_, next) => next.map(|trade| trade.price).unwrap_or_default(),
        }
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
            (Self::Bars(reader, _), Piece::Bars(bars)) => {
                bars.clear();
                reader.fill(bars, AT_A_TIME)?;
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

    pub(super) fn stillness(&self) -> (Stretches, Stretches) {
        match self {
            Self::Bars(reader, _) => (reader.missing().clone(), reader.frozen().clone()),
            Self::Trades(trades, _) => (trades.missing(), Stretches::default()),
        }
    }
}
