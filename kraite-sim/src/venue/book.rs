//! One contract's prices and the index of what waits on them.
//!
//! An update that crosses nothing costs a handful of comparisons against cached edges and touches no
//! order.

use std::collections::BTreeSet;

use kraite_core::exchange::{OrderShape, Side, TriggerBy};
use kraite_core::instrument::Instrument;
use kraite_core::number::{Factor, Price, Qty};

use super::object::{ObjectId, OrderObject};

/// Whether a contract trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trading {
    /// It trades.
    Open,
    /// Nothing is matched, triggered or accepted; cancelling works.
    Halted,
}

/// How much other people offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Liquidity {
    /// How much worse than the last price a taker trades, as a share of it.
    pub slippage: Factor,
    /// The most that one taking order executes; the rest of a MARKET order expires.
    pub taker_cap: Option<Qty>,
    /// In how many trades a taking order executes.
    pub taker_trades: u8,
    /// The most that one resting order executes per price update.
    pub maker_cap: Option<Qty>,
}

impl Default for Liquidity {
    fn default() -> Self {
        Self { slippage: Factor::default(), taker_cap: None, taker_trades: 1, maker_cap: None }
    }
}

/// Within which marks nobody on this contract can be liquidated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Safety {
    /// Not known: look at every position.
    Unknown,
    /// While the mark is strictly between these.
    Within(Option<Price>, Option<Price>),
}

/// Something that a price reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) id: ObjectId,
    pub(super) price: Price,
    pub(super) is_limit: bool,
    falling: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Edges {
    last_low: Option<Price>,
    last_high: Option<Price>,
    mark_low: Option<Price>,
    mark_high: Option<Price>,
}

type Levels = BTreeSet<(Price, ObjectId)>;

/// One contract.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Market {
    /// Its rules as of now.
    pub instrument: Instrument,
    /// Whether it trades.
    pub trading: Trading,
    /// How much other people offer.
    pub liquidity: Liquidity,
    /// The last traded price.
    pub last: Option<Price>,
    /// The mark price.
    pub mark: Option<Price>,
    pub(super) safety: Safety,
    buys: Levels,
    sells: Levels,
    falling_last: Levels,
    rising_last: Levels,
    falling_mark: Levels,
    rising_mark: Levels,
    edges: Edges,
}

impl Market {
    pub(super) fn new(instrument: Instrument) -> Self {
        Self {
            instrument,
            trading: Trading::Open,
            liquidity: Liquidity::default(),
            last: None,
            mark: None,
            safety: Safety::Within(None, None),
            buys: Levels::new(),
            sells: Levels::new(),
            falling_last: Levels::new(),
            rising_last: Levels::new(),
            falling_mark: Levels::new(),
            rising_mark: Levels::new(),
            edges: Edges::default(),
        }
    }

    /// The price that triggers of this kind watch.
    #[must_use]
    pub const fn watched(&self, by: TriggerBy) -> Option<Price> {
        match by {
            TriggerBy::Mark => self.mark,
            TriggerBy::Last => self.last,
        }
    }

    /// True when a LIMIT order at this price would trade at once.
    #[must_use]
    pub fn crosses(&self, side: Side, limit: Price) -> bool {
        self.last.is_some_and(|last| match side {
            Side::Buy => limit >= last,
            Side::Sell => limit <= last,
        })
    }

    fn level(&mut self, object: &OrderObject) -> Option<(Price, &mut Levels)> {
        match object.shape {
            OrderShape::Market { .. } => None,
            OrderShape::Limit { price, .. } => {
                Some((price, if object.side == Side::Buy { &mut self.buys } else { &mut self.sells }))
            }
            OrderShape::StopMarket { trigger, by, .. } | OrderShape::TakeProfitMarket { trigger, by, .. } => {
                let levels = match (object.fires_falling(), by) {
                    (true, TriggerBy::Last) => &mut self.falling_last,
                    (true, TriggerBy::Mark) => &mut self.falling_mark,
                    (false, TriggerBy::Last) => &mut self.rising_last,
                    (false, TriggerBy::Mark) => &mut self.rising_mark,
                };
                Some((trigger, levels))
            }
        }
    }

    pub(super) fn index(&mut self, object: &OrderObject) {
        if let Some((price, levels)) = self.level(object) {
            levels.insert((price, object.id));
            self.refresh();
        }
    }

    pub(super) fn unindex(&mut self, object: &OrderObject) {
        if let Some((price, levels)) = self.level(object) {
            levels.remove(&(price, object.id));
            self.refresh();
        }
    }

    fn refresh(&mut self) {
        let highest = |levels: &Levels| levels.last().map(|(price, _)| *price);
        let lowest = |levels: &Levels| levels.first().map(|(price, _)| *price);
        self.edges = Edges {
            last_low: highest(&self.buys).max(highest(&self.falling_last)),
            last_high: nearest(lowest(&self.sells), lowest(&self.rising_last)),
            mark_low: highest(&self.falling_mark),
            mark_high: lowest(&self.rising_mark),
        };
    }

    /// True while the present prices cross nothing and liquidate nobody.
    pub(super) fn is_idle(&self) -> bool {
        if self.trading == Trading::Halted {
            return true;
        }
        let below = |price: Option<Price>, edge: Option<Price>| matches!((price, edge), (Some(p), Some(e)) if p <= e);
        let above = |price: Option<Price>, edge: Option<Price>| matches!((price, edge), (Some(p), Some(e)) if p >= e);
        !below(self.last, self.edges.last_low)
            && !above(self.last, self.edges.last_high)
            && !below(self.mark, self.edges.mark_low)
            && !above(self.mark, self.edges.mark_high)
            && self.mark.is_none_or(|mark| self.is_safe_at(mark))
    }

    pub(super) fn is_safe_at(&self, mark: Price) -> bool {
        match self.safety {
            Safety::Unknown => false,
            Safety::Within(low, high) => low.is_none_or(|p| mark > p) && high.is_none_or(|p| mark < p),
        }
    }

    /// Everything that the present prices reach, in the order in which a path from the price before meets
    /// it; at one price what rests comes before what triggers.
    pub(super) fn due(&self, was_last: Option<Price>) -> Vec<Due> {
        let mut all = Vec::new();
        if let Some(last) = self.last {
            Self::down_to(&self.buys, last, true, &mut all);
            Self::down_to(&self.falling_last, last, false, &mut all);
            Self::up_to(&self.sells, last, true, &mut all);
            Self::up_to(&self.rising_last, last, false, &mut all);
        }
        if let Some(mark) = self.mark {
            Self::down_to(&self.falling_mark, mark, false, &mut all);
            Self::up_to(&self.rising_mark, mark, false, &mut all);
        }
        let fell = matches!((was_last, self.last), (Some(was), Some(is)) if is < was);
        all.sort_by(|a, b| {
            let turn = (a.falling != fell).cmp(&(b.falling != fell));
            let path = if a.falling { b.price.cmp(&a.price) } else { a.price.cmp(&b.price) };
            turn.then(path).then(b.is_limit.cmp(&a.is_limit)).then(a.id.cmp(&b.id))
        });
        all
    }

    fn down_to(levels: &Levels, price: Price, is_limit: bool, all: &mut Vec<Due>) {
        let reached = levels.range((price, ObjectId(0))..);
        all.extend(reached.map(|(price, id)| Due { id: *id, price: *price, is_limit, falling: true }));
    }

    fn up_to(levels: &Levels, price: Price, is_limit: bool, all: &mut Vec<Due>) {
        let reached = levels.range(..=(price, ObjectId(u64::MAX)));
        all.extend(reached.map(|(price, id)| Due { id: *id, price: *price, is_limit, falling: false }));
    }
}

fn nearest(a: Option<Price>, b: Option<Price>) -> Option<Price> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
