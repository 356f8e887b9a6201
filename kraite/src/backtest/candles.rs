//! The candles that positions are drawn on: the data is read once more, and nothing of it is kept but these.

use kraite_sim::backtest::{Book, Plan, Trip, approximate};
use kraite_sim::data::{Columns, Ticks};

use super::Args;
use crate::exit::Failed;
use crate::market::{Piece, Source};

/// So many candles a picture at most.
const CANDLES: i64 = 110;
/// Of the positions that are drawn where not all can be: so many of ten are the worst, and so many the best.
const WORST_OF_TEN: usize = 4;
const BEST_OF_TEN: usize = 2;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Candle {
    pub(super) at: i64,
    pub(super) open: f64,
    pub(super) high: f64,
    pub(super) low: f64,
    pub(super) close: f64,
}

/// A position that is drawn, by its place in the book.
#[derive(Debug)]
pub(crate) struct Drawn {
    pub(super) place: usize,
    pub(super) from: i64,
    pub(super) to: i64,
    /// How much time a candle stands for.
    pub(super) step: i64,
    pub(super) candles: Vec<Candle>,
}

/// Which positions are drawn, by their places.
pub(crate) fn chosen(trips: &[&Trip], most: usize) -> Vec<usize> {
    let all: Vec<usize> = (0..trips.len()).collect();
    if all.len() <= most {
        return all;
    }
    let mut by_net = all.clone();
    let net = |place: &usize| trips.get(*place).and_then(|trip| trip.net).map_or(0.0, approximate);
    by_net.sort_by(|a, b| net(a).total_cmp(&net(b)));
    let worst = by_net.iter().take(most * WORST_OF_TEN / 10);
    let best = by_net.iter().rev().take(most * BEST_OF_TEN / 10);
    let mut places: std::collections::BTreeSet<usize> = worst.chain(best).copied().collect();
    let rest: Vec<usize> = all.into_iter().filter(|place| !places.contains(place)).collect();
    let left = most.saturating_sub(places.len());
    places.extend((0..left).filter_map(|n| rest.get(n * rest.len() / left.max(1))));
    places.into_iter().collect()
}

/// Pictures that are filled with candles, of positions of one contract in order of time.
pub(crate) struct Pictures {
    windows: Vec<Drawn>,
    /// The first one that does not lie behind what was put in last.
    first: usize,
    /// The time of a bar.
    span: i64,
}

impl Pictures {
    /// Of the positions at these places; what is open is so until `last`.
    pub(crate) fn of(trips: &[Trip], places: &[usize], span: i64, last: i64) -> Self {
        let windows = places.iter().filter_map(|place| {
            let trip = trips.get(*place)?;
            let (opened, ended) = (trip.opened_at.0, trip.end().map_or(last, |end| end.at.0).max(trip.opened_at.0));
            let before = ((ended - opened) / 6).max(20 * span);
            let (from, to) = (opened - before, ended + before / 2);
            Some(Drawn { place: *place, from, to, step: 1, candles: Vec::new() })
        });
        Self { windows: windows.collect(), first: 0, span }
    }

    /// Puts bars that follow into every picture that they lie in.
    pub(crate) fn bars(&mut self, bars: &Columns) {
        let unit = approximate(bars.unit());
        for bar in (0..bars.len()).filter_map(|place| bars.bar(place)) {
            let [open, high, low, close] = [bar.open, bar.high, bar.low, bar.close].map(|p| f64::from(p) * unit);
            self.put(Candle { at: bar.open_time.0, open, high, low, close });
        }
    }

    /// The same with trades.
    fn trades(&mut self, trades: &Ticks) {
        let unit = approximate(trades.unit());
        for (at, price) in (0..trades.len()).filter_map(|place| trades.get(place)) {
            let price = f64::from(price) * unit;
            self.put(Candle { at: at.0, open: price, high: price, low: price, close: price });
        }
    }

    /// Adds a bar to every picture that it lies in.
    fn put(&mut self, bar: Candle) {
        let Self { windows, first, span } = self;
        while windows.get(*first).is_some_and(|window| window.to < bar.at) {
            *first += 1;
        }
        for window in windows.iter_mut().skip(*first).take_while(|window| window.from <= bar.at) {
            if bar.at > window.to {
                continue;
            }
            if window.candles.is_empty() {
                let least = (window.to - window.from) / CANDLES;
                window.step = (least / *span + 1) * *span;
            }
            let at = bar.at.div_euclid(window.step) * window.step;
            match window.candles.last_mut().filter(|candle| candle.at == at) {
                Some(candle) => {
                    candle.high = candle.high.max(bar.high);
                    candle.low = candle.low.min(bar.low);
                    candle.close = bar.close;
                }
                None => window.candles.push(Candle { at, ..bar }),
            }
        }
    }

    pub(crate) fn finish(self) -> Vec<Drawn> {
        self.windows
    }
}

/// The chosen positions of a backtest with their candles.
pub(super) fn drawn(args: &Args, plan: &Plan, book: &Book) -> Result<Vec<Drawn>, Failed> {
    let places = chosen(&book.trips.iter().collect::<Vec<_>>(), args.drawn);
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let mut source = Source::open(&args.market, &plan.instrument)?;
    let mut piece = source.room(Columns::grid(plan.instrument.tick, source.first_price()));
    let mut more = source.fill(&mut piece)?;
    let last = book.equity.last().map_or(0, |equity| equity.at.0);
    let span = match &piece {
        Piece::Bars(bars) => bars.span().0 + 1,
        Piece::Trades(_) => 1_000,
    };
    let mut pictures = Pictures::of(&book.trips, &places, span, last);
    loop {
        match &piece {
            Piece::Bars(bars) => pictures.bars(bars),
            Piece::Trades(trades) => pictures.trades(trades),
        }
        if !more {
            return Ok(pictures.finish());
        }
        more = source.fill(&mut piece)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_become_candles_of_the_pictures_they_lie_in() {
        let window = |place, from, to| Drawn { place, from, to, step: 1, candles: Vec::new() };
        let windows = vec![window(0, 0, 50), window(1, 200, 20_000), window(2, 15_000, 16_000)];
        let mut pictures = Pictures { windows, first: 0, span: 100 };
        for n in 0..300 {
            let price = 100.0 + f64::from(n);
            let at = i64::from(n) * 100;
            let bar = Candle { at, open: price, high: price + 2.0, low: price - 2.0, close: price + 1.0 };
            pictures.put(bar);
        }
        let windows = pictures.finish();
        let counts: Vec<_> = windows.iter().map(|window| (window.candles.len(), window.step)).collect();
        assert_eq!(counts, [(1, 100), (100, 200), (11, 100)]);
        let two = windows[1].candles[1];
        assert_eq!((two.at, two.open, two.high, two.low, two.close), (400, 104.0, 107.0, 102.0, 106.0));
    }
}
