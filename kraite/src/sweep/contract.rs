//! One contract of a sweep: what is read of it, and its runs.

use std::path::Path;

use kraite_core::Instrument;
use kraite_core::number::{Notional, Price};
use kraite_sim::backtest::{At, Fast, FastError, Plan};
use kraite_sim::data::{Columns, Funding};
use rayon::iter::{IntoParallelRefIterator as _, IntoParallelRefMutIterator as _, ParallelIterator as _};

use super::grid::Grid;
use super::table::Row;
use crate::backtest::plan_of;
use crate::exit::{Exit, Failed};
use crate::flags::VenueName;
use crate::market::{MarketArgs, Piece, Source, entries};

/// So many bars and trades are kept in memory, some 200 MB; a contract for which there is no room is read once more for
/// each batch of runs.
pub(super) const KEPT: usize = 8_388_608;
/// So many runs go beside each other over prices that are not kept.
const BATCH: usize = 1_024;

/// A contract, its rules and its data.
pub(super) struct Contract {
    market: MarketArgs,
    instrument: Instrument,
    funding: Vec<Funding>,
    signals: Option<At>,
    /// The first price, and how many bars or trades there are.
    first: Price,
    prices: usize,
    /// Of all prices.
    digest: u64,
    /// All prices, where there is room for them.
    kept: Option<Vec<Piece>>,
}

/// Runs that are wanted of a contract.
pub(super) struct Runs<'a> {
    pub(super) grid: &'a Grid,
    /// Where the settings are from.
    pub(super) source: &'a str,
    pub(super) periods: usize,
    /// Their places in the grid.
    pub(super) left: &'a [usize],
}

/// What becomes of a row.
type Tell<'a> = &'a (dyn Fn(Row) -> Result<(), Failed> + Sync);

/// The pieces of a contract, from the first on.
struct Pieces {
    source: Source,
    unit: Price,
    more: bool,
}

impl Pieces {
    fn open(market: &MarketArgs, instrument: &Instrument) -> Result<Self, Failed> {
        let source = Source::open(market, instrument)?;
        let unit = Columns::grid(instrument.tick, source.first_price());
        Ok(Self { source, unit, more: true })
    }

    fn next(&mut self) -> Result<Option<Piece>, Failed> {
        if !self.more {
            return Ok(None);
        }
        let mut piece = self.source.room(self.unit);
        self.more = self.source.fill(&mut piece)?;
        Ok(Some(piece))
    }
}

impl Contract {
    /// Reads everything once, and keeps the prices where there is `room` for them.
    pub(super) fn read(
        market: MarketArgs,
        venue: VenueName,
        signals: Option<&Path>,
        room: &mut usize,
    ) -> Result<Self, Failed> {
        let instrument = market.instrument(venue)?;
        let funding = market.payments()?;
        let signals = signals.map(|path| entries(path, &market.symbol)).transpose()?;
        let mut pieces = Pieces::open(&market, &instrument)?;
        let first = pieces.source.first_price();
        let (mut prices, mut digest, mut kept) = (0, 0, Some(Vec::new()));
        while let Some(piece) = pieces.next()? {
            prices += piece.len();
            digest = piece.digest(&format!("{digest:016x}"));
            if prices > *room {
                kept = None;
            }
            if let Some(kept) = &mut kept {
                kept.push(piece);
            }
        }
        if kept.is_some() {
            *room -= prices;
        }
        pieces.source.tell_of_marks(&market.symbol);
        let (missing, frozen) = pieces.source.stillness();
        for (what, stretches) in [("gaps in the data", missing), ("times nobody traded for five bars or more", frozen)]
        {
            if stretches.count > 0 {
                crate::talk(&format!("kraite: note: {}: {} {what}", market.symbol, stretches.count));
            }
        }
        Ok(Self { market, instrument, funding, signals, first, prices, digest, kept })
    }

    /// What tells it apart, and everything before it.
    pub(super) fn id(&self, before: &str) -> String {
        let Self { instrument, funding, signals, digest, .. } = self;
        let text = format!("{before} {instrument:?} {funding:?} {signals:?} {digest:016x}");
        format!("{:016x}", Columns::new(instrument.tick).digest(&text))
    }

    /// The plan of a run, or the row that says why there is none.
    fn plan(&self, runs: &Runs<'_>, run: usize) -> Result<Result<Plan, Row>, Failed> {
        let settings = runs.grid.settings(run).map_err(|why| Failed::new(Exit::Configuration, why))?;
        let plan = plan_of(&settings, runs.source, &self.market.first_file(), self.instrument.clone(), self.first);
        Ok(plan.map_err(|failed| Row::refused(run, runs.grid.values(run), &failed.message, runs.periods)))
    }

    /// Runs what is wanted; each row is told once it is there.
    pub(super) fn run(&self, runs: &Runs<'_>, tell: Tell<'_>) -> Result<(), Failed> {
        if let Some(kept) = &self.kept {
            return runs.left.par_iter().try_for_each(|run| match self.plan(runs, *run)? {
                Ok(plan) => {
                    let mut running = Running::new(*run, self, &plan, runs);
                    kept.iter().try_for_each(|piece| running.play(piece))?;
                    tell(running.row())
                }
                Err(row) => tell(row),
            });
        }
        runs.left.chunks(BATCH).try_for_each(|batch| self.run_beside(batch, runs, tell))
    }

    /// Runs a batch over prices that are read for it.
    fn run_beside(&self, batch: &[usize], runs: &Runs<'_>, tell: Tell<'_>) -> Result<(), Failed> {
        let plans: Vec<_> =
            batch.par_iter().map(|run| Ok((*run, self.plan(runs, *run)?))).collect::<Result<_, Failed>>()?;
        let mut running = Vec::with_capacity(plans.len());
        for (run, plan) in &plans {
            match plan {
                Ok(plan) => running.push(Running::new(*run, self, plan, runs)),
                Err(row) => tell(row.clone())?,
            }
        }
        let mut pieces = Pieces::open(&self.market, &self.instrument)?;
        while let Some(piece) = pieces.next()? {
            running.par_iter_mut().try_for_each(|one| one.play(&piece))?;
        }
        running.into_iter().try_for_each(|one| tell(one.row()))
    }
}

/// A run in progress, and what each part of the time came to.
struct Running<'a> {
    run: usize,
    values: Vec<String>,
    fast: Fast<'a>,
    /// How many prices there are, and how many were played.
    prices: usize,
    played: usize,
    periods: usize,
    parts: Vec<Notional>,
    /// The wallet when this part began.
    before: Notional,
}

impl<'a> Running<'a> {
    fn new(run: usize, of: &'a Contract, plan: &'a Plan, runs: &Runs<'_>) -> Self {
        let fast = Fast::new(plan, &of.funding, ());
        let fast = match &of.signals {
            Some(signals) => fast.entering(signals.clone()),
            None => fast,
        };
        let (values, periods) = (runs.grid.values(run), runs.periods);
        Self { run, values, fast, prices: of.prices, played: 0, periods, parts: Vec::new(), before: plan.wallet }
    }

    /// Where this part of the time ends.
    fn bound(&self) -> usize {
        self.prices * (self.parts.len() + 1) / self.periods
    }

    fn play(&mut self, piece: &Piece) -> Result<(), Failed> {
        let (run, values) = (self.run, self.values.join(", "));
        let told = |error: FastError| Failed::new(Exit::BadData, format!("run {run} ({values}): {error}"));
        let mut at = 0;
        while at < piece.len() {
            let to = piece.len().min(at + (self.bound() - self.played));
            piece.play(&mut self.fast, at..to).map_err(told)?;
            self.played += to - at;
            at = to;
            while self.parts.len() < self.periods && self.played >= self.bound() {
                let earned = self.fast.wallet().checked_sub(self.before).map_err(|error| told(error.into()))?;
                self.parts.push(earned);
                self.before = self.fast.wallet();
            }
        }
        Ok(())
    }

    fn row(self) -> Row {
        let (outcome, ()) = self.fast.finish();
        Row::of(self.run, self.values, &outcome, self.parts)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use super::*;

    const INFO: &str = r#"{"symbols":[{"symbol":"SOLUSDT","status":"TRADING","quoteAsset":"USDT","filters":[
        {"filterType":"PRICE_FILTER","tickSize":"0.01","maxPrice":"100000","minPrice":"0.01"},
        {"filterType":"LOT_SIZE","stepSize":"0.01","maxQty":"1000000","minQty":"0.01"},
        {"filterType":"MARKET_LOT_SIZE","stepSize":"0.01","maxQty":"100000","minQty":"0.01"},
        {"filterType":"MIN_NOTIONAL","notional":"5"}]}]}"#;

    /// More than one piece, and no number of them.
    const BARS: i64 = 66_000;

    #[test]
    fn prices_that_are_read_again_come_to_the_same_rows() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
            folder.path().join(name)
        };
        let price = |n: i64| 15_000 - 40 * (n % 97) + 60 * (n % 61);
        let row = |n: i64| {
            let (open, close, at) = (price(n), price(n + 1), 1_740_000_000_000 + 60_000 * n);
            let prices = [open, open.max(close) + 30, open.min(close) - 30, close];
            let [open, high, low, close] = prices.map(|cents| format!("{}.{:02}", cents / 100, cents % 100));
            format!("{at},{open},{high},{low},{close},10,{}\n", at + 59_999)
        };
        let grid = "gap = [\"1.5\", \"3\", \"30\"]\nprofit = \"0.9\"\nstop = \"1\"\nrungs = 3\nmargin = \"10\"\n";
        let grid = Grid::read(&file("grid.toml", grid)).unwrap();
        let market = MarketArgs {
            klines: vec![file("klines.csv", &(0..BARS).map(row).collect::<String>())],
            mark_klines: Vec::new(),
            trades: Vec::new(),
            exchange_info: file("info.json", INFO),
            brackets: None,
            symbol: "SOLUSDT".into(),
            funding: None,
            from: None,
            to: None,
            allow_gaps: false,
        };
        let left: Vec<usize> = (0..grid.len()).collect();
        let rows = |room: &mut usize| {
            let contract = Contract::read(market.clone(), VenueName::Binance, None, room).unwrap();
            let rows = Mutex::new(BTreeMap::new());
            let tell = |row: Row| {
                rows.lock().unwrap().insert(row.run, row);
                Ok(())
            };
            contract.run(&Runs { grid: &grid, source: "a test", periods: 7, left: &left }, &tell).unwrap();
            (contract.id(""), rows.into_inner().unwrap())
        };
        let (mut plenty, mut little) = (KEPT, BARS as usize - 1);
        let (kept, again) = (rows(&mut plenty), rows(&mut little));
        assert_eq!((plenty, little), (KEPT - BARS as usize, BARS as usize - 1));
        assert_eq!(kept, again);
        assert_eq!(kept.1.len(), 3);
        assert!(kept.1.values().any(|row| row.counts[0] > 500 && row.periods.len() == 7));
    }
}
