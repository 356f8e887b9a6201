//! What an order of the core is at this venue.

use kraite_core::exchange::{
    Direction, MarginMode, NewOrder, OrderShape, PositionMode, Purpose, Reject, RejectKind, Side, TriggerBy,
    TriggerSize,
};
use kraite_core::id::{ClientOrderId, Symbol};
use kraite_core::number::{Price, Qty};

use crate::codec::ids::Leg;
use crate::codec::terms::{Product, Terms};

/// The most orders of one batch call; where pages disagree, the smallest.
pub const MAX_BATCH: usize = 20;

/// The two kinds that the order service takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderKind {
    /// Fills at once.
    Market {
        /// How much.
        qty: Qty,
    },
    /// Rests, good till cancelled.
    Limit {
        /// At this price.
        price: Price,
        /// How much.
        qty: Qty,
    },
}

/// A regular order, before a generation gives its words to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Order {
    /// The id it is placed under, once.
    pub id: ClientOrderId,
    /// On which contract.
    pub symbol: Symbol,
    /// Which product line.
    pub product: Product,
    /// How margin backs it.
    pub margin: MarginMode,
    /// Buy or sell, in the core's sense.
    pub side: Side,
    /// Which position it belongs to.
    pub direction: Direction,
    /// How the account nets.
    pub mode: PositionMode,
    /// True for one that may only take exposure off.
    pub closes: bool,
    /// Kind, price and size.
    pub kind: OrderKind,
}

/// A stop or target over a quantity, which waits for its trigger beside the pair of the position.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PartialPlan {
    /// The id it is placed under, once.
    pub id: ClientOrderId,
    /// On which contract.
    pub symbol: Symbol,
    /// Which product line.
    pub product: Product,
    /// Which position it closes.
    pub direction: Direction,
    /// How the account nets.
    pub mode: PositionMode,
    /// Stop or target.
    pub leg: Leg,
    /// The trigger price.
    pub trigger: Price,
    /// Which price is watched.
    pub by: TriggerBy,
    /// How much it closes.
    pub qty: Qty,
}

/// An order on its way to the service that takes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Placement {
    /// MARKET and LIMIT.
    Regular(Order),
    /// A stop or target over a quantity.
    Plan(PartialPlan),
}

impl Placement {
    /// What an order of the core is here.
    ///
    /// # Errors
    ///
    /// `Rejected(Other)`: the order contradicts itself, so that it could add exposure that nobody asked for; or it is a
    /// trigger that opens, or one for the whole position, which travels as a pair here. None of these leaves.
    pub fn of(order: &NewOrder, terms: Terms) -> Result<Self, Reject> {
        let closes = order.purpose == Purpose::Close;
        let expected = if closes { order.direction.closing_side() } else { order.direction.opening_side() };
        if order.side != expected {
            return Err(refused("side and purpose contradict each other"));
        }
        let regular = |kind| {
            Self::Regular(Order {
                id: order.id,
                symbol: order.symbol.clone(),
                product: terms.product,
                margin: terms.margin,
                side: order.side,
                direction: order.direction,
                mode: order.mode,
                closes,
                kind,
            })
        };
        let (leg, trigger, by, size) = match order.shape {
            OrderShape::Market { qty } => return Ok(regular(OrderKind::Market { qty })),
            OrderShape::Limit { price, qty } => return Ok(regular(OrderKind::Limit { price, qty })),
            OrderShape::StopMarket { trigger, by, size } => (Leg::Stop, trigger, by, size),
            OrderShape::TakeProfitMarket { trigger, by, size } => (Leg::Target, trigger, by, size),
        };
        if !closes {
            return Err(refused("a trigger order cannot open here"));
        }
        let TriggerSize::Qty(qty) = size else {
            return Err(refused("stop and target of a whole position travel as a pair here"));
        };
        let (id, symbol, product) = (order.id, order.symbol.clone(), terms.product);
        let (direction, mode) = (order.direction, order.mode);
        Ok(Self::Plan(PartialPlan { id, symbol, product, direction, mode, leg, trigger, by, qty }))
    }
}

pub(super) fn refused(why: &str) -> Reject {
    Reject { kind: RejectKind::Other, code: 0, message: why.into() }
}

/// A batch is of one contract and one margin mode, holds one to [`MAX_BATCH`] orders.
pub(super) fn is_batch(orders: &[Order]) -> bool {
    let Some(first) = orders.first() else { return false };
    orders.len() <= MAX_BATCH
        && orders.iter().all(|o| (&o.symbol, o.product, o.margin) == (&first.symbol, first.product, first.margin))
}
