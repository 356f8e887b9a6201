//! Which service takes an order of the core, and as what.

use kraite_core::exchange::{NewOrder, OrderShape, PositionRef, Purpose, Reject, RejectKind, TriggerSize};
use kraite_core::number::Qty;

use super::algo::{AlgoKind, PlaceAlgo};
use super::order::{OrderKind, PlaceOrder};

/// An order on its way to the service that takes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Placement {
    /// MARKET and LIMIT.
    Regular(PlaceOrder),
    /// Everything that waits for a trigger.
    Algo(PlaceAlgo),
}

impl Placement {
    /// The call that places an order of the core.
    ///
    /// # Errors
    ///
    /// `Rejected(Other)` where the order contradicts itself: it closes on the opening side, or a close-position order
    /// opens. Such an order could add exposure that nobody asked for, so it does not leave.
    pub fn of(order: &NewOrder) -> Result<Self, Reject> {
        let closes = order.purpose == Purpose::Close;
        let expected = if closes { order.direction.closing_side() } else { order.direction.opening_side() };
        if order.side != expected {
            return Err(contradiction("side and purpose contradict each other"));
        }
        let regular = |kind| {
            Self::Regular(PlaceOrder {
                id: Some(order.id),
                symbol: order.symbol.clone(),
                side: order.side,
                direction: order.direction,
                mode: order.mode,
                closes,
                kind,
            })
        };
        let (kind, trigger, by, size) = match order.shape {
            OrderShape::Market { qty } => return Ok(regular(OrderKind::Market { qty })),
            OrderShape::Limit { price, qty } => return Ok(regular(OrderKind::Limit { price, qty })),
            OrderShape::StopMarket { trigger, by, size } => (AlgoKind::StopMarket, trigger, by, size),
            OrderShape::TakeProfitMarket { trigger, by, size } => (AlgoKind::TakeProfitMarket, trigger, by, size),
        };
        if size == TriggerSize::ClosePosition && !closes {
            return Err(contradiction("a close-position order cannot open"));
        }
        Ok(Self::Algo(PlaceAlgo {
            id: order.id,
            symbol: order.symbol.clone(),
            side: order.side,
            direction: order.direction,
            mode: order.mode,
            closes,
            kind,
            trigger,
            by,
            size,
        }))
    }

    /// An untagged close-only MARKET order over `qty` of a position: the last resort.
    #[must_use]
    pub fn close(position: &PositionRef, qty: Qty) -> PlaceOrder {
        PlaceOrder {
            id: None,
            symbol: position.symbol.clone(),
            side: position.direction.closing_side(),
            direction: position.direction,
            mode: position.mode,
            closes: true,
            kind: OrderKind::Market { qty },
        }
    }
}

fn contradiction(why: &str) -> Reject {
    Reject { kind: RejectKind::Other, code: 0, message: why.into() }
}
