//! Backtests: the production core on a simulated venue that real bars drive.
//!
//! Inside a bar the path is the pessimistic one. A bar that reaches the target and also the stop, or a liquidation, goes
//! to the worst price for the position first. Any other goes to the best first: a rung that fills lowers the target only
//! for what follows, so that no bar earns from both. A stop that the bar's low passes fills at the low; a target that its
//! high passes fills where it triggers, unless the bar opens beyond it.

mod ahead;
mod book;
mod fast;
mod signal;

use std::collections::{BTreeMap, BTreeSet};

use kraite_core::engine::{Command, CommandId, Config, OpenRequest};
use kraite_core::exchange::{Direction, MarginMode, OrderShape, PositionMode, TriggerBy};
use kraite_core::id::{AccountTag, ClientOrderId, PositionNo, Role, Symbol};
use kraite_core::instrument::Instrument;
use kraite_core::number::{Factor, Notional, Percent, Price};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::position::{Phase, Why};
use kraite_core::sizing::{Budget, LadderSpec, Refusal, Rule, SizeRequest, size_for};
use kraite_core::time::{Millis, VenueMillis};
use serde::{Deserialize, Serialize};

pub use ahead::looks_ahead;
pub use book::{Book, Equity, Summary, Trip, approximate};
pub use fast::{Deal, Fast, FastError, Listener, Opening, Part, Portfolio, Sum};
pub use signal::{At, Signal, WhenFlat};

use crate::data::{Bar, Funding, Trade};
use crate::venue::{Liquidity, ObjectId, PriceMove, Venue, VenueProfile};
use crate::world::{Fate, Latency, Nemesis, Rates, Verdict, World};

/// After the last bar the world is healed and given this long to come to rest.
const SETTLE: Millis = Millis::from_secs(600);
/// So many trades are kept between two looks at them.
const TRADES_KEPT: usize = 10_000;
/// An opening that was asked for is not asked for again before this.
const ASK_AGAIN: Millis = Millis::from_secs(120);

/// What to trade, on what account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The contract's rules.
    pub instrument: Instrument,
    /// The shape of each position.
    pub spec: LadderSpec,
    /// What each may use.
    pub budget: Budget,
    /// In which order it protects itself.
    pub sequence: Sequence,
    /// How the take-profit rests.
    pub target_style: TargetStyle,
    /// What triggers watch; of bars without mark prices both are one.
    pub stop_by: TriggerBy,
    /// Whether a position stands with its own margin or with the wallet.
    pub margin_mode: MarginMode,
    /// The wallet at the start.
    pub wallet: Notional,
    /// The shape of the venue.
    pub profile: VenueProfile,
    /// How long messages take.
    pub latency: Latency,
    /// How much worse than the last price a MARKET order and a triggered one trade, as a share of it: half of the spread
    /// and what the order moves.
    pub slippage: Factor,
}

/// How hostile the world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hostility {
    /// Nothing goes wrong.
    None,
    /// An unlucky week.
    Light,
    /// A hostile day.
    Heavy,
}

impl Hostility {
    fn rates(self) -> Rates {
        match self {
            Self::None => Rates::NONE,
            Self::Light => Rates::LIGHT,
            Self::Heavy => Rates::HEAVY,
        }
    }
}

/// What a run came to.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Bars, or trades, played.
    pub bars: u64,
    /// Positions whose entry filled.
    pub positions_opened: u64,
    /// Positions that ended flat and clean.
    pub positions_closed: u64,
    /// Positions that were given up before any exposure.
    pub positions_cancelled: u64,
    /// Closed by their stop.
    pub stops: u64,
    /// Closed by their target.
    pub targets: u64,
    /// Closed for any other reason.
    pub other_closes: u64,
    /// Rungs with a fill.
    pub rungs_filled: u64,
    /// Positions the venue liquidated.
    pub liquidations: u64,
    /// Fees paid.
    pub fees: Notional,
    /// Funding received, negative when paid.
    pub funding: Notional,
    /// Wallet at the end less wallet at the start: net of fees and funding.
    pub pnl: Notional,
    /// The deepest fall of equity from a peak, at bar closes.
    pub max_drawdown: Notional,
    /// Orders the venue accepted under our ids.
    pub orders_placed: u64,
    /// Faults dealt, crashes left out.
    pub faults_injected: u64,
    /// Crashes of the worker.
    pub crashes: u64,
    /// Openings that were not asked for, because their ladder breaks a rule at the price of the time.
    pub refused: u64,
    /// The first of them, and why.
    pub first_refusal: Option<(VenueMillis, Refusal)>,
    /// What the auditor says.
    pub verdict: Verdict,
}

/// A run in progress.
#[derive(Debug)]
pub struct Backtest {
    plan: Plan,
    world: World,
    account: AccountTag,
    symbol: Symbol,
    next_command: u64,
    asked_at: Option<VenueMillis>,
    seen: BTreeSet<PositionNo>,
    counted_rungs: BTreeSet<(PositionNo, u8)>,
    opened: BTreeSet<PositionNo>,
    outcome: Outcome,
    peak: Notional,
    funding: std::vec::IntoIter<Funding>,
    next_funding: Option<Funding>,
    signal: Box<dyn Signal>,
    enter_at: VenueMillis,
    /// What is kept of positions, trades and equity, and where in it each position is.
    book: Option<Book>,
    places: BTreeMap<PositionNo, usize>,
    trades_seen: u64,
}

impl Backtest {
    /// A run that starts at an instant, with its funding payments in order of time.
    #[must_use]
    pub fn new(plan: Plan, hostility: Hostility, seed: u64, start: VenueMillis, funding: Vec<Funding>) -> Self {
        let account = AccountTag::new(1).unwrap_or_default();
        let symbol = plan.instrument.symbol.clone();
        let mut venue = Venue::new(plan.profile.clone(), start);
        venue.list(plan.instrument.clone());
        venue.set_liquidity(&symbol, Liquidity { slippage: plan.slippage, ..Liquidity::default() });
        venue.open_account(account, PositionMode::OneWay, plan.wallet);
        let nemesis = Nemesis::random(seed, hostility.rates());
        let mut world = World::new(venue, nemesis, Config::default(), plan.latency, start);
        world.hire(account);
        let mut funding = funding.into_iter();
        let mut next_funding = funding.next();
        while next_funding.as_ref().is_some_and(|f| f.at < start) {
            next_funding = funding.next();
        }
        Self {
            peak: plan.wallet,
            plan,
            world,
            account,
            symbol,
            next_command: 1,
            asked_at: None,
            seen: BTreeSet::new(),
            counted_rungs: BTreeSet::new(),
            opened: BTreeSet::new(),
            outcome: Outcome::default(),
            funding,
            next_funding,
            signal: Box::new(WhenFlat),
            enter_at: start,
            book: None,
            places: BTreeMap::new(),
            trades_seen: 0,
        }
    }

    /// Keeps positions and equity in this book, which [`Self::finish_with_book`] gives back.
    #[must_use]
    pub fn keeping(mut self, book: Book) -> Self {
        self.book = Some(book);
        self.world.venue.keep_trades(TRADES_KEPT);
        self
    }

    /// Enters where this says so, and not whenever nothing is open. It is not shown the bars.
    #[must_use]
    pub fn entering(mut self, signal: impl Signal + 'static) -> Self {
        self.signal = Box::new(signal);
        self.next_entry(self.world.now());
        self
    }

    fn next_entry(&mut self, from: VenueMillis) {
        self.enter_at = self.signal.next(from).unwrap_or(VenueMillis(i64::MAX));
    }

    /// The world as it is, for a closer look.
    #[must_use]
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// The same, for a narrator.
    pub const fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// Plays one bar.
    pub fn bar(&mut self, bar: &Bar) {
        self.bar_marked(bar, bar);
    }

    /// Plays one bar and the mark price within it, [`Bar::of_marks`].
    pub fn bar_marked(&mut self, bar: &Bar, mark: &Bar) {
        let span = bar.close_time.since(bar.open_time).0.max(4);
        let (worst, best) = match self.plan.spec.direction {
            Direction::Long => ((bar.low, mark.low), (bar.high, mark.high)),
            Direction::Short => ((bar.high, mark.high), (bar.low, mark.low)),
        };
        // A stop trades at the worst that the bar shows; on the way to the best nothing is better than where it triggers.
        let (jump, glide) = (PriceMove::Jump, PriceMove::Glide);
        let (open, close) = ((bar.open, mark.open), (bar.close, mark.close));
        let mut path = [(open, jump), (best, glide), (worst, jump), (close, glide)];
        for place in 0..path.len() {
            let at = bar.open_time.plus(Millis(span * place as i64 / 4));
            self.pay_funding(at);
            self.world.run_until(at);
            if place == 1 && self.ends_either_way(best, worst) {
                path.swap(1, 2);
            }
            let ((last, mark), how) = path[place];
            self.world.venue.set_price_move(how);
            self.world.prices(&self.symbol, last, mark);
            if place == 0 {
                self.enter(mark, at);
            }
            // Answers and frames of this price are worked off before the next one.
            self.world.run_until(at.plus(Millis(span / 4 - 1)));
            self.take_stock();
        }
        self.outcome.bars += 1;
        self.mark_equity(bar.open_time, bar.close);
    }

    /// Whether one price reaches the target and the other the stop or a liquidation: which came first a bar does not say.
    fn ends_either_way(&self, best: (Price, Price), worst: (Price, Price)) -> bool {
        let (venue, direction) = (&self.world.venue, self.plan.spec.direction);
        let reaches = |best: Price, target: Price| match direction {
            Direction::Long => best >= target,
            Direction::Short => best <= target,
        };
        let is_won = venue.open(self.account).any(|object| match object.shape {
            OrderShape::TakeProfitMarket { trigger, by: TriggerBy::Mark, .. } => reaches(best.1, trigger),
            OrderShape::TakeProfitMarket { trigger, by: TriggerBy::Last, .. } => reaches(best.0, trigger),
            OrderShape::Limit { price, .. } => object.side == direction.closing_side() && reaches(best.0, price),
            OrderShape::Market { .. } | OrderShape::StopMarket { .. } => false,
        });
        is_won && {
            let mut there = venue.clone();
            there.set_price_move(PriceMove::Jump);
            there.price(&self.symbol, worst.0, worst.1, self.world.now());
            there.position(self.account, &self.symbol, direction).is_zero()
        }
    }

    /// Plays one trade: everything resting sees its price, and messages take their time.
    pub fn trade(&mut self, trade: &Trade) {
        self.pay_funding(trade.at);
        self.world.run_until(trade.at);
        self.world.venue.set_price_move(PriceMove::Jump);
        self.world.price(&self.symbol, trade.price);
        self.take_stock();
        self.enter(trade.price, trade.at);
        self.outcome.bars += 1;
        self.mark_equity(trade.at, trade.price);
    }

    fn pay_funding(&mut self, at: VenueMillis) {
        while let Some(next) = self.next_funding.as_ref().filter(|f| f.at <= at) {
            let (at, rate) = (next.at, next.rate);
            self.world.run_until(at);
            let before = self.world.venue.account(self.account).map(|account| account.funding);
            self.world.fund(&self.symbol, rate);
            let after = self.world.venue.account(self.account).map(|account| account.funding);
            let paid = before.zip(after).and_then(|(before, after)| after.checked_sub(before).ok());
            if let (Some(book), Some(paid)) = (&mut self.book, paid.filter(|paid| !paid.is_zero())) {
                book.funded(at, paid);
            }
            self.next_funding = self.funding.next();
        }
    }

    /// Opens the next position as soon as the last one has ended.
    fn enter(&mut self, mark: Price, at: VenueMillis) {
        let waiting = self.asked_at.is_some_and(|asked| at.since(asked) < ASK_AGAIN);
        let idle = self
            .world
            .engine(self.account)
            .is_some_and(|engine| engine.state().positions.values().all(|p| p.phase.is_terminal()));
        if waiting || !idle || at < self.enter_at {
            return;
        }
        let sized =
            SizeRequest { instrument: &self.plan.instrument, spec: &self.plan.spec, budget: &self.plan.budget, mark };
        if let Err(refusal) = size_for(&sized, self.plan.target_style) {
            self.asked_at = Some(at);
            self.outcome.refused += 1;
            self.outcome.first_refusal.get_or_insert((at, refusal));
            self.next_entry(at.plus(ASK_AGAIN));
            return;
        }
        let request = OpenRequest {
            instrument: self.plan.instrument.clone(),
            spec: self.plan.spec.clone(),
            budget: self.plan.budget.clone(),
            sequence: self.plan.sequence,
            target_style: self.plan.target_style,
            stop_by: self.plan.stop_by,
            mode: PositionMode::OneWay,
            margin_mode: self.plan.margin_mode,
            mark: kraite_core::exchange::Mark { symbol: self.symbol.clone(), price: mark, at },
        };
        let id = CommandId(self.next_command);
        self.next_command += 1;
        self.asked_at = Some(at);
        self.world.command(self.account, id, Command::Open(Box::new(request)));
    }

    /// Takes the trades since the last look into the book.
    fn take_trades(&mut self) {
        let Some(book) = &mut self.book else { return };
        let count = self.world.venue.trade_count();
        let new = usize::try_from(count.saturating_sub(self.trades_seen)).unwrap_or(usize::MAX);
        self.trades_seen = count;
        let trades = self.world.venue.trades();
        let mut trades: Vec<_> = trades.rev().take(new).collect();
        trades.reverse();
        for trade in trades {
            let (id, of) = whose(&self.world.venue, trade.object);
            let place = match id {
                Some(id) => {
                    let next = self.places.len();
                    *self.places.entry(id.key().position).or_insert(next)
                }
                None => self.places.len().saturating_sub(1),
            };
            book.told(place, &Deal { at: trade.at, of, qty: trade.qty, price: trade.price, fee: trade.fee });
        }
        if let Some(engine) = self.world.engine(self.account) {
            for position in engine.state().positions.values() {
                if let Some(place) = self.places.get(&position.no) {
                    book.orders_of(*place, position);
                }
            }
        }
    }

    /// Counts what has ended since the last look.
    fn take_stock(&mut self) {
        self.take_trades();
        let now = self.world.now();
        let Some(engine) = self.world.engine(self.account) else { return };
        for position in engine.state().positions.values() {
            if self.seen.contains(&position.no) {
                continue;
            }
            if position.entered().qty.is_positive() {
                self.opened.insert(position.no);
            }
            for order in position.orders.values() {
                if let Role::Rung(rung) = order.role()
                    && order.executed().qty.is_positive()
                {
                    self.counted_rungs.insert((position.no, rung));
                }
            }
            match position.phase {
                Phase::Closed => {
                    self.outcome.positions_closed += 1;
                    match position.why {
                        Why::StopFilled | Why::StopFailed | Why::StopWouldTrigger => self.outcome.stops += 1,
                        Why::TargetFilled => self.outcome.targets += 1,
                        _ => self.outcome.other_closes += 1,
                    }
                }
                Phase::Cancelled => self.outcome.positions_cancelled += 1,
                _ => continue,
            }
            self.seen.insert(position.no);
            self.asked_at = None;
            self.enter_at = self.signal.next(now).unwrap_or(VenueMillis(i64::MAX));
        }
    }

    fn mark_equity(&mut self, at: VenueMillis, price: Price) {
        let Ok(equity) = self.world.venue.equity(self.account) else { return };
        if let Some(book) = &mut self.book {
            book.sample(at, equity, price);
        }
        self.peak = self.peak.max(equity);
        if let Ok(fall) = self.peak.checked_sub(equity) {
            self.outcome.max_drawdown = self.outcome.max_drawdown.max(fall);
        }
    }

    /// Heals the world, lets it come to rest, and adds everything up. A position that is still open stays
    /// open: it is no violation.
    #[must_use]
    pub fn finish(self) -> Outcome {
        self.finish_with_book().0
    }

    /// The same, with the book that was kept.
    #[must_use]
    pub fn finish_with_book(mut self) -> (Outcome, Option<Book>) {
        self.world.heal();
        self.world.run_for(SETTLE);
        self.take_stock();
        let verdict = self.world.conclude();
        let (fees, funding) = self.world.venue.account(self.account).map(|a| (a.fees, a.funding)).unwrap_or_default();
        let mut outcome = self.outcome;
        outcome.verdict = verdict;
        outcome.positions_opened = self.opened.len() as u64;
        outcome.rungs_filled = self.counted_rungs.len() as u64;
        outcome.liquidations = self.world.venue.liquidations(self.account);
        outcome.fees = fees;
        outcome.funding = funding;
        outcome.orders_placed =
            self.world.venue.objects().filter(|o| o.parent.is_none() && o.client_id().is_some()).count() as u64;
        outcome.pnl = self.world.venue.wallet(self.account).checked_sub(self.plan.wallet).unwrap_or_default();
        outcome.faults_injected = self.world.nemesis.faults();
        outcome.crashes = self.world.nemesis.dealt.get(&Fate::Crash).copied().unwrap_or(0);
        (outcome, self.book)
    }
}

/// Which of our orders an object of the venue is or came of, and what of a position that is.
fn whose(venue: &Venue, object: ObjectId) -> (Option<ClientOrderId>, Part) {
    let chain = std::iter::successors(venue.object(object), |object| object.parent.and_then(|id| venue.object(id)));
    for object in chain {
        if let Some(id) = object.client_id() {
            let of = match id.role() {
                Role::Entry => Part::Entry,
                Role::Rung(rung) => Part::Rung(rung),
                Role::Target => Part::Target,
                Role::Stop => Part::Stop,
                Role::Close => Part::Close,
            };
            return (Some(id), of);
        }
        // The name of a pair that is one object spells both of its legs.
        match object.shape {
            OrderShape::StopMarket { .. } => return (None, Part::Stop),
            OrderShape::TakeProfitMarket { .. } => return (None, Part::Target),
            OrderShape::Market { .. } | OrderShape::Limit { .. } => {}
        }
    }
    (None, Part::Liquidation)
}

/// A margin at which every order of this ladder passes the contract's minimums: the smallest of 1, 2, 5 x 10^n,
/// and, where there is one, still enough when the price has gone to a third or to three times of what it is.
///
/// # Errors
///
/// The refusal that no margin cures; its sentence names no margin, because nobody asked for one.
pub fn default_margin(
    instrument: &Instrument,
    spec: &LadderSpec,
    leverage_cap: u32,
    mark: Price,
    style: TargetStyle,
) -> Result<Notional, Refusal> {
    let third = Percent::from_units(-6_666, 2).unwrap_or_default();
    let threefold = Percent::from_units(200, 0).unwrap_or_default();
    let elsewhere = [mark.shifted_by(third).ok(), mark.shifted_by(threefold).ok()];
    let mut smallest = None;
    let mut refusals = Vec::new();
    for margin in margins() {
        let budget = Budget { margin, leverage_cap };
        let refusal = |mark: Price| size_for(&SizeRequest { instrument, spec, budget: &budget, mark }, style).err();
        match refusal(mark) {
            Some(refusal) => refusals.push(refusal),
            None if elsewhere.into_iter().flatten().all(|mark| refusal(mark).is_none()) => return Ok(margin),
            None => smallest = smallest.or(Some(margin)),
        }
    }
    smallest.ok_or_else(|| incurable(refusals))
}

/// The margins that are tried, from a millionth to five million.
fn margins() -> impl Iterator<Item = Notional> {
    (-6i32..=6).flat_map(|power| {
        [1i64, 2, 5].into_iter().filter_map(move |step| {
            let (up, down) = (power.max(0).unsigned_abs(), power.min(0).unsigned_abs());
            Notional::from_units(step.saturating_mul(10i64.saturating_pow(up)), down)
        })
    })
}

/// Of the refusals of every margin the one that says why there is none: one that is not about size, else one about
/// the ladder as a whole, else the first.
fn incurable(refusals: Vec<Refusal>) -> Refusal {
    let weight = |refusal: &Refusal| match refusal.rule {
        Rule::MarginOverrun | Rule::LeverageBracket => 1,
        Rule::MinNotional | Rule::MinQuantity | Rule::MaxQuantity | Rule::ZeroQuantity => 2,
        Rule::PriceRange
        | Rule::PriceBand
        | Rule::TargetNotProfitable
        | Rule::RungPriceNotPositive
        | Rule::OrderLimit => 0,
    };
    let rule = Rule::MinNotional;
    let nothing = Refusal { rule, rung: None, message: String::new(), smallest_fix: None };
    // Where several margins are refused alike, one that knows a way out, and rather one that keeps the rungs.
    let way_out = |refusal: &Refusal| match &refusal.smallest_fix {
        Some(fix) if fix.flag != "rungs" && fix.flag != "margin" => 0,
        Some(_) => 1,
        None => 2,
    };
    let choice = |refusal: &Refusal| (weight(refusal), way_out(refusal));
    let mut refusal = refusals.into_iter().min_by_key(choice).unwrap_or(nothing);
    match weight(&refusal) {
        0 => {}
        1 => refusal.message = "whatever the margin, the whole ladder needs more than margin x leverage gives".into(),
        _ => refusal.message = "at no margin every order has a size that the contract takes".into(),
    }
    // A margin as the fix would be one that was tried, not one that was asked for.
    refusal.smallest_fix = refusal.smallest_fix.filter(|fix| fix.flag != "margin");
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraite_core::sizing::{SizingModel, TargetBasis};

    fn refused(change: impl Fn(&mut LadderSpec, &mut Instrument)) -> Refusal {
        let mut instrument = crate::presets::instrument();
        let mut spec = LadderSpec {
            direction: Direction::Short,
            rungs: 4,
            gap: "9.5".parse().unwrap(),
            multipliers: vec!["2".parse().unwrap()],
            profit: "0.36".parse().unwrap(),
            stop: "2.5".parse().unwrap(),
            model: SizingModel::Bounded,
            basis: TargetBasis::AverageEntry,
            headroom: "0.5".parse().unwrap(),
        };
        let mark: Price = "150.24".parse().unwrap();
        let margin = |spec: &LadderSpec, instrument: &Instrument| {
            default_margin(instrument, spec, 20, mark, TargetStyle::TriggerMarket)
        };
        assert!(margin(&spec, &instrument).is_ok());
        change(&mut spec, &mut instrument);
        margin(&spec, &instrument).unwrap_err()
    }

    #[test]
    fn r26_where_no_margin_opens_the_reason_is_the_one_that_no_margin_cures() {
        let overrun = refused(|spec, _| spec.model = SizingModel::Unbounded);
        assert_eq!((overrun.rule, overrun.smallest_fix.unwrap().value.as_str()), (Rule::MarginOverrun, "bounded"));
        let below = refused(|spec, _| {
            spec.direction = Direction::Long;
            spec.gap = "30".parse().unwrap();
        });
        assert_eq!((below.rule, below.rung), (Rule::RungPriceNotPositive, Some(4)));
        assert!(below.message.contains("30 %"), "{}", below.message);
        assert_eq!(below.smallest_fix.as_ref().unwrap().flag, "gap");
        let target = refused(|_, instrument| instrument.min_price = "150.20".parse().unwrap());
        assert_eq!(target.rule, Rule::TargetNotProfitable);
        let tiny = refused(|_, instrument| instrument.max_qty = "0.02".parse().unwrap());
        for refusal in [&below, &target, &tiny] {
            let words = ["margin at", "000000"];
            assert!(words.iter().all(|word| !refusal.message.contains(word)), "{}", refusal.message);
        }
    }
}
