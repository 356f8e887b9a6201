//! One order as the venue keeps it, and the record of who made it.

use std::hash::{Hash as _, Hasher};

use compact_str::{CompactString, format_compact};
use kraite_core::exchange::{
    BookedTrade, Direction, OrderReport, OrderShape, Purpose, ReportStatus, ReportedId, Service, Side, Stated, Trade,
    TriggerBy, TriggerSize, VenueCause,
};
use kraite_core::id::{AccountTag, ClientOrderId, Symbol, TradeId, VenueOrderId};
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::time::VenueMillis;

/// The running number of an order object over all services of the venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub u64);

impl ObjectId {
    /// The id as clients see it.
    #[must_use]
    pub fn venue_id(self) -> VenueOrderId {
        VenueOrderId(format_compact!("{}", self.0))
    }

    /// The object a client names; `None` for an id this venue never gave.
    #[must_use]
    pub fn parse(id: &VenueOrderId) -> Option<Self> {
        id.as_str().parse().ok().map(Self)
    }
}

/// Whose order it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Placed through a request under one of our ids.
    Ours(ClientOrderId),
    /// Made by a request that closes a whole position and bears no id.
    Untagged,
    /// Placed by the account's user by hand.
    User(CompactString),
    /// Made by the venue itself.
    Venue(VenueCause),
}

/// What brought an order object into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    /// The n-th request the venue saw.
    Request(u64),
    /// The trigger of another object.
    Trigger(ObjectId),
    /// The user's own hands.
    User,
    /// The venue itself.
    Venue,
}

/// One order as the venue keeps it: everything there is to know about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrderObject {
    /// The venue's number of it.
    pub id: ObjectId,
    /// On which account.
    pub account: AccountTag,
    /// On which contract.
    pub symbol: Symbol,
    /// Which service holds it.
    pub service: Service,
    /// Whose it is.
    pub owner: Owner,
    /// What made it.
    pub via: Via,
    /// The conditional or plan object that spawned it.
    pub parent: Option<ObjectId>,
    /// The order it spawned.
    pub child: Option<ObjectId>,
    /// Buy or sell.
    pub side: Side,
    /// Which position it belongs to.
    pub direction: Direction,
    /// Whether it may add exposure, as the account's mode decides it.
    pub purpose: Purpose,
    /// Kind, prices and sizes as they stand now.
    pub shape: OrderShape,
    /// Where it stands. A trigger order that fired stays [`ReportStatus::Triggered`]; its child decides.
    pub status: ReportStatus,
    /// How much of it executed.
    pub executed: Qty,
    /// The money of that.
    pub cost: Notional,
    /// What that cost in fees.
    pub fees: Notional,
    /// When it was made.
    pub created_at: VenueMillis,
    /// When its price or size was last stated.
    pub stated_at: VenueMillis,
    /// When anything about it last changed.
    pub changed_at: VenueMillis,
    /// The quantity it was first placed with, before any cut or amendment; `None` for close-position.
    pub placed_qty: Option<Qty>,
}

impl OrderObject {
    /// Everything but what made it.
    pub(super) fn fingerprint(&self, hasher: &mut impl Hasher) {
        let Self {
            id,
            account,
            symbol,
            service,
            owner,
            via: _,
            parent,
            child,
            side,
            direction,
            purpose,
            shape,
            status,
            executed,
            cost,
            fees,
            created_at,
            stated_at,
            changed_at,
            placed_qty,
        } = self;
        (id, account, symbol, service, owner, parent, child, side, direction, purpose, shape).hash(hasher);
        (status, executed, cost, fees, created_at, stated_at, changed_at, placed_qty).hash(hasher);
    }

    /// True while it can still do something by itself.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.status, ReportStatus::New | ReportStatus::PartiallyFilled)
    }

    /// Our id, if it is ours.
    #[must_use]
    pub const fn client_id(&self) -> Option<ClientOrderId> {
        match self.owner {
            Owner::Ours(id) => Some(id),
            Owner::Untagged | Owner::User(_) | Owner::Venue(_) => None,
        }
    }

    /// What is left to execute; zero for close-position orders.
    #[must_use]
    pub fn leaves(&self) -> Qty {
        let qty = self.shape.qty().unwrap_or(Qty::ZERO);
        qty.checked_sub(self.executed).unwrap_or(Qty::ZERO)
    }

    /// Trigger price and the price that it watches.
    #[must_use]
    pub const fn trigger(&self) -> Option<(Price, TriggerBy)> {
        match self.shape {
            OrderShape::StopMarket { trigger, by, .. } | OrderShape::TakeProfitMarket { trigger, by, .. } => {
                Some((trigger, by))
            }
            OrderShape::Market { .. } | OrderShape::Limit { .. } => None,
        }
    }

    /// True for trigger orders that close whatever is open.
    #[must_use]
    pub const fn is_close_position(&self) -> bool {
        match self.shape {
            OrderShape::StopMarket { size, .. } | OrderShape::TakeProfitMarket { size, .. } => {
                matches!(size, TriggerSize::ClosePosition)
            }
            OrderShape::Market { .. } | OrderShape::Limit { .. } => false,
        }
    }

    /// True when its trigger fires on a falling price.
    #[must_use]
    pub const fn fires_falling(&self) -> bool {
        fires_falling(&self.shape, self.side)
    }

    /// The average price of what executed.
    #[must_use]
    pub fn average(&self) -> Option<Price> {
        self.cost.checked_div_qty(self.executed).ok()
    }

    /// The object as a client is told of it.
    #[must_use]
    pub fn report(&self, trade: Option<Trade>) -> OrderReport {
        let trades = self.service == Service::Regular;
        OrderReport {
            id: match &self.owner {
                Owner::Ours(id) => ReportedId::Ours(*id),
                Owner::Untagged => ReportedId::Foreign(self.id.venue_id().0),
                Owner::User(text) => ReportedId::Foreign(text.clone()),
                Owner::Venue(cause) => ReportedId::Venue(*cause),
            },
            venue_id: self.id.venue_id(),
            parent: self.parent.map(ObjectId::venue_id),
            service: self.service,
            symbol: self.symbol.clone(),
            side: self.side,
            direction: self.direction,
            status: self.status,
            stated: Some(Stated { at: self.stated_at, price: self.shape.price(), qty: self.shape.qty() }),
            executed: trades.then_some(self.executed),
            average_price: if trades && self.executed.is_positive() { self.average() } else { None },
            trade,
            at: self.changed_at,
        }
    }
}

/// Whether a trigger of this shape and side fires on a falling price: a selling stop and a buying target do.
#[must_use]
pub(super) const fn fires_falling(shape: &OrderShape, side: Side) -> bool {
    match shape {
        OrderShape::StopMarket { .. } => matches!(side, Side::Sell),
        OrderShape::TakeProfitMarket { .. } => matches!(side, Side::Buy),
        OrderShape::Market { .. } | OrderShape::Limit { .. } => false,
    }
}

impl TradeRecord {
    /// As the books show it to its account.
    pub(super) fn booked(&self) -> BookedTrade {
        let trade = Trade { id: self.id.clone(), qty: self.qty, price: self.price, fee: self.fee };
        BookedTrade { order: self.object.venue_id(), trade, at: self.at }
    }
}

/// One execution, as the venue books it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TradeRecord {
    /// The venue's id of the trade.
    pub id: TradeId,
    /// Which order executed.
    pub object: ObjectId,
    /// On which account.
    pub account: AccountTag,
    /// On which contract.
    pub symbol: Symbol,
    /// Which position it changed.
    pub direction: Direction,
    /// Bought or sold.
    pub side: Side,
    /// How much.
    pub qty: Qty,
    /// At what price.
    pub price: Price,
    /// The fee, negative for a rebate.
    pub fee: Notional,
    /// The profit it realised before fees.
    pub realized: Notional,
    /// True where the order rested.
    pub maker: bool,
    /// When.
    pub at: VenueMillis,
}
