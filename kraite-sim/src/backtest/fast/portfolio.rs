//! Several contracts in one account: so many positions at once at most, and one wallet behind all of them.
//!
//! Where nothing is open the run goes on to the next entry. While something is, every bar is looked at, contract by
//! contract in the order they were given, and each bar whole: so within the time of a bar the exact order of what
//! happens on two contracts is not known. What stands behind a cross position is the wallet and what the others are
//! worth at the worst price of their bar, all at once: no luckier moment is assumed.

use kraite_core::exchange::{Direction, MarginMode};
use kraite_core::number::{ArithmeticError, Notional};
use kraite_core::time::{Millis, VenueMillis};

use super::{Fast, FastError, Listener, Outcome, Plan};
use crate::data::{Columns, TickBar};

/// A contract of a portfolio: its bars, and a run over them.
#[derive(Debug)]
struct Market<'a, L> {
    run: Fast<'a, L>,
    bars: &'a Columns,
    /// The next bar.
    next: usize,
    /// What it added to the wallet.
    earned: Notional,
}

/// A run over several contracts.
#[derive(Debug)]
pub struct Portfolio<'a, L = ()> {
    markets: Vec<Market<'a, L>>,
    wallet: Notional,
    start: Notional,
    slots: usize,
    peak: Notional,
    max_drawdown: Notional,
    most_open: usize,
    /// How often the equity is kept, when next, and what was.
    each: Millis,
    sample_at: VenueMillis,
    equity: Vec<(VenueMillis, Notional)>,
}

/// What an account has beside one of its contracts.
#[derive(Debug, Clone, Copy)]
struct Beside {
    /// One more position may be opened.
    room: bool,
    wallet: Notional,
    /// What the others add to it, or take from it.
    others: Notional,
    /// What of it is spoken for.
    committed: Notional,
}

/// What a run over several contracts came to.
#[derive(Debug)]
pub struct Sum<L> {
    /// What each contract came to, with its listener; the drawdown is that of the account.
    pub each: Vec<(Outcome, L)>,
    /// Wallet at the end less wallet at the start.
    pub pnl: Notional,
    /// The deepest fall of the account's equity from a peak, at bar closes.
    pub max_drawdown: Notional,
    /// How many positions were open at once, at most.
    pub most_open: usize,
    /// The equity that was kept.
    pub equity: Vec<(VenueMillis, Notional)>,
}

impl<'a, L: Listener> Portfolio<'a, L> {
    /// An empty account with this wallet, in which so many positions may be open at once.
    #[must_use]
    pub const fn new(wallet: Notional, slots: usize) -> Self {
        Self {
            markets: Vec::new(),
            wallet,
            start: wallet,
            slots,
            peak: wallet,
            max_drawdown: Notional::ZERO,
            most_open: 0,
            each: Millis(i64::MAX),
            sample_at: VenueMillis(i64::MIN),
            equity: Vec::new(),
        }
    }

    /// Keeps the equity after the first bar at or behind each such step of time in which anything may happen.
    #[must_use]
    pub const fn keeping_equity(mut self, each: Millis) -> Self {
        self.each = each;
        self
    }

    /// One more contract with all of its bars. The wallet of its own plan is not looked at.
    pub fn add(&mut self, run: Fast<'a, L>, bars: &'a Columns) {
        self.markets.push(Market { run, bars, next: 0, earned: Notional::ZERO });
    }

    /// Plays all bars of all contracts in order of time.
    ///
    /// # Errors
    ///
    /// [`FastError`] of the first contract that cannot go on.
    pub fn play(mut self) -> Result<Sum<L>, FastError> {
        for Market { run, bars, .. } in &mut self.markets {
            run.begin_all(bars);
        }
        while let Some(now) = self.next_time() {
            for place in 0..self.markets.len() {
                self.step(place, now)?;
            }
            self.mark_equity(now)?;
        }
        let pnl = self.wallet.checked_sub(self.start)?;
        let Self { markets, max_drawdown, most_open, equity, .. } = self;
        let each = markets.into_iter().map(|market| {
            let (outcome, listener) = market.run.finish();
            (Outcome { pnl: market.earned, max_drawdown, ..outcome }, listener)
        });
        let each = each.collect();
        Ok(Sum { each, pnl, max_drawdown, most_open, equity })
    }

    fn open(&self) -> usize {
        self.markets.iter().filter(|market| market.run.is_open()).count()
    }

    /// When the next bar opens that anything may happen in.
    fn next_time(&self) -> Option<VenueMillis> {
        let (open, busy) = (self.open(), self.open() > 0);
        let room = open < self.slots;
        let next = |market: &Market<'a, L>| {
            let wanted = if market.run.is_open() {
                market.next
            } else if room {
                market.bars.first_at(market.next, market.run.enters_at())
            } else {
                return None;
            };
            market.bars.open_time(wanted)
        };
        // What is open is looked at bar by bar.
        let bar = |market: &Market<'a, L>| market.bars.open_time(market.next).filter(|_| market.run.is_open());
        let times = self.markets.iter();
        if busy { times.filter_map(|market| bar(market).or(next(market))).min() } else { times.filter_map(next).min() }
    }

    /// The bar of a contract that opens now, if it has one; what lies before it passes.
    fn step(&mut self, place: usize, now: VenueMillis) -> Result<(), FastError> {
        let room = self.open() < self.slots;
        let (others, committed) = self.beside(place, now)?;
        let wallet = self.wallet;
        let Some(Market { run, bars, next, earned }) = self.markets.get_mut(place) else { return Ok(()) };
        let at = bars.first_at(*next, now);
        if at > *next {
            run.pass(bars.closes(*next, at), bars.mark_closes(*next, at))?;
            *next = at;
        }
        let here = bars.bar(at).zip(bars.mark(at)).filter(|(bar, _)| bar.open_time == now);
        let Some((bar, mark)) = here else { return Ok(()) };
        *next = at.saturating_add(1);
        let after = run.shared_bar(&bar, &mark, bars.span(), Beside { room, wallet, others, committed })?;
        *earned = earned.checked_add(after.checked_sub(wallet)?)?;
        self.wallet = after;
        self.most_open = self.most_open.max(self.open());
        Ok(())
    }

    /// What the other open positions add to the wallet, each at the worst price of its bar and less what must be kept
    /// for it, and what of the wallet is spoken for by them.
    fn beside(&self, place: usize, now: VenueMillis) -> Result<(Notional, Notional), ArithmeticError> {
        let (mut worth, mut committed) = (Notional::ZERO, Notional::ZERO);
        for (other, market) in self.markets.iter().enumerate() {
            if other == place || !market.run.is_open() {
                continue;
            }
            // Who was played already stands at its close.
            let marks = market.bars.mark(market.next).filter(|bar| bar.open_time == now);
            let worst = marks.map(|bar| worst(market, &bar));
            let (excess, margin) = market.run.shares(worst)?;
            (worth, committed) = (worth.checked_add(excess)?, committed.checked_add(margin)?);
        }
        Ok((worth, committed))
    }

    fn mark_equity(&mut self, now: VenueMillis) -> Result<(), ArithmeticError> {
        let mut equity = self.wallet;
        for market in &self.markets {
            equity = equity.checked_add(market.run.unrealised()?)?;
        }
        self.peak = self.peak.max(equity);
        self.max_drawdown = self.max_drawdown.max(self.peak.checked_sub(equity)?);
        if now >= self.sample_at && self.each.0 != i64::MAX {
            let each = self.each.0.max(1);
            self.sample_at = VenueMillis(now.0.div_euclid(each).saturating_add(1).saturating_mul(each));
            self.equity.push((now, equity));
        }
        Ok(())
    }
}

/// The worst price of a bar for what is open.
const fn worst<L: Listener>(market: &Market<'_, L>, bar: &TickBar) -> i32 {
    match market.run.plan().spec.direction {
        Direction::Long => bar.low,
        Direction::Short => bar.high,
    }
}

impl<'a, L: Listener> Fast<'a, L> {
    const fn plan(&self) -> &'a Plan {
        self.plan
    }

    fn begin_all(&mut self, bars: &Columns) {
        if let Some(first) = bars.open_time(0) {
            self.begin(bars.unit(), first, bars.len());
            self.signal.bars(bars, 0..bars.len());
            self.when_next();
        }
    }

    const fn is_open(&self) -> bool {
        self.held.is_some()
    }

    const fn enters_at(&self) -> VenueMillis {
        self.enter_at
    }

    fn unrealised(&self) -> Result<Notional, ArithmeticError> {
        match (&self.held, self.mark) {
            (Some(held), Some(last)) => held.unrealised(self.plan.spec.direction, self.price(last)?),
            _ => Ok(Notional::ZERO),
        }
    }

    /// What it adds to what stands behind others, at this price or the last one, and what of the wallet it has.
    fn shares(&self, price: Option<i32>) -> Result<(Notional, Notional), ArithmeticError> {
        let (Some(held), Some(price)) = (&self.held, price.or(self.mark)) else {
            return Ok((Notional::ZERO, Notional::ZERO));
        };
        let mark = self.price(price)?;
        let margin = held.margin_in_use()?;
        match self.plan.margin_mode {
            // It stands with its own margin, which nobody else has.
            MarginMode::Isolated => Ok((margin.negated(), margin)),
            MarginMode::Cross => {
                let worth = held.unrealised(self.plan.spec.direction, mark)?;
                let kept = self.plan.instrument.maintenance_margin(mark.checked_mul(held.qty)?)?;
                Ok((worth.checked_sub(kept)?, margin.checked_sub(worth.min(Notional::ZERO))?))
            }
        }
    }

    /// A bar in an account that others trade in too; returns the wallet behind it.
    fn shared_bar(
        &mut self,
        bar: &TickBar,
        mark: &TickBar,
        span: Millis,
        beside: Beside,
    ) -> Result<Notional, FastError> {
        let Beside { room, wallet, others, committed } = beside;
        (self.wallet, self.others, self.committed, self.barred) = (wallet, others, committed, !room);
        if let Some(held) = &mut self.held {
            held.safe = None;
        }
        self.bar(bar, mark, span)?;
        Ok(self.wallet)
    }
}
