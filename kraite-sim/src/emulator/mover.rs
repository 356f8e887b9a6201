//! Who moves the prices: nobody, a random walk from the seed, or bars of a file.

use std::path::Path;

use kraite_core::id::Symbol;
use kraite_core::number::Price;
use kraite_core::time::{Millis, VenueMillis};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::listing::Listing;
use super::{MarketSource, StartError};
use crate::data::{Bar, Gaps, KlineReader};

/// Prices move, and streams tick, this often.
pub(super) const STEP: Millis = Millis(1_000);
/// A step of the random walk is at most this share of the price, as one part in so many.
const WALK_PART: i64 = 2_000;
/// The most bars that are read from a file: two years of minutes.
const MOST_BARS: usize = 1_100_000;
/// Steps of one bar: open, one edge, the other, close.
const STEPS_PER_BAR: usize = 4;

/// Who moves the prices.
#[derive(Debug)]
pub(super) enum Mover {
    /// Only the admin routes.
    Still,
    /// A walk of every contract.
    Walk(Box<ChaCha8Rng>),
    /// The bars of one contract, one after the other; prices stand at the end.
    Bars {
        /// Whose.
        symbol: Symbol,
        /// How long one lasts.
        span: i64,
        /// Which.
        bars: Vec<Bar>,
        /// How many steps were played.
        played: usize,
        /// When the first step was due.
        began: Option<i64>,
    },
}

impl Mover {
    /// The mover of a source.
    ///
    /// # Errors
    ///
    /// A file that cannot be read as bars, or whose name does not begin with a listed contract.
    pub(super) fn new(source: &MarketSource, seed: u64, listing: &Listing) -> Result<Self, StartError> {
        match source {
            MarketSource::Still => Ok(Self::Still),
            MarketSource::RandomWalk => Ok(Self::Walk(Box::new(ChaCha8Rng::seed_from_u64(seed)))),
            MarketSource::Bars(path) => Self::bars(path, listing),
        }
    }

    fn bars(path: &Path, listing: &Listing) -> Result<Self, StartError> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let symbol = name.split(['-', '.', '_']).next().unwrap_or_default().to_uppercase();
        let symbol = Symbol::new(&symbol);
        if listing.get(&symbol).is_none() {
            return Err(StartError::BadData(format!(
                "{}: the name of a file of bars begins with its contract, and {symbol} is not listed",
                path.display()
            )));
        }
        let mut reader = KlineReader::new(vec![path.to_owned()], Gaps::Count);
        let mut bars = Vec::new();
        while let Some(bar) = reader.next_wanted().map_err(|error| StartError::BadData(error.to_string()))? {
            if bars.len() >= MOST_BARS {
                return Err(StartError::BadData(format!("{}: more than {MOST_BARS} bars", path.display())));
            }
            bars.push(bar);
        }
        let span = bars.first().map_or(60_000, |bar| bar.close_time.since(bar.open_time).0.saturating_add(1)).max(4);
        Ok(Self::Bars { symbol, span, bars, played: 0, began: None })
    }

    /// The prices that are due now.
    pub(super) fn due(
        &mut self,
        now: VenueMillis,
        last: impl Fn(&Symbol) -> Option<(Price, Price)>,
        all: &[Symbol],
    ) -> Vec<(Symbol, Price)> {
        match self {
            Self::Still => Vec::new(),
            Self::Walk(rng) => {
                let mut moves = Vec::new();
                for symbol in all {
                    let Some((price, tick)) = last(symbol) else { continue };
                    let Some(ticks) = price.to_ticks(tick) else { continue };
                    let most = (ticks / WALK_PART).max(1);
                    let width = u64::try_from(most.saturating_mul(2).saturating_add(1)).unwrap_or(1);
                    let step = i64::try_from(rng.next_u64() % width).unwrap_or(0).saturating_sub(most);
                    let next = ticks.saturating_add(step).max(1);
                    if let Ok(price) = Price::from_ticks(next, tick) {
                        moves.push((symbol.clone(), price));
                    }
                }
                moves
            }
            Self::Bars { symbol, span, bars, played, began } => {
                let began = *began.get_or_insert(now.0);
                let each = (*span / i64::try_from(STEPS_PER_BAR).unwrap_or(4)).max(1);
                let steps = usize::try_from(now.0.saturating_sub(began) / each).unwrap_or(usize::MAX).saturating_add(1);
                let mut moves = Vec::new();
                while *played < steps.min(bars.len().saturating_mul(STEPS_PER_BAR)) {
                    let Some(bar) = bars.get(*played / STEPS_PER_BAR) else { break };
                    let rising = bar.close >= bar.open;
                    let price = match (*played % STEPS_PER_BAR, rising) {
                        (0, _) => bar.open,
                        (1, true) | (2, false) => bar.low,
                        (1, false) | (2, true) => bar.high,
                        _ => bar.close,
                    };
                    *played = played.saturating_add(1);
                    moves.push((symbol.clone(), price));
                }
                moves
            }
        }
    }
}
