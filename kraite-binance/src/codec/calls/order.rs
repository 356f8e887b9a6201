//! Calls of the regular order service.

use kraite_core::exchange::{Amend, Direction, OrderRef, PositionMode, Side};
use kraite_core::id::{ClientOrderId, Symbol};
use kraite_core::number::{Price, Qty};
use kraite_core::time::{Millis, VenueMillis};

use super::{endpoint, side_word};
use crate::codec::ids::OrderName;
use crate::codec::params::Params;
use crate::codec::request::Call;

/// The most orders of one batch call (-4082 beyond).
pub const MAX_BATCH: usize = 5;
/// The most rows of one answer of allOrders, allAlgoOrders and userTrades.
pub const LIST_LIMIT: u32 = 1_000;
/// Histories are asked for in windows shorter than seven days.
const WINDOW: Millis = Millis::from_secs(7 * 86_400 - 1);

/// The two kinds that the regular service takes (-4120 for others).
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

/// `POST /fapi/v1/order`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlaceOrder {
    /// The id it is placed under, once; `None` for an untagged close, which the venue then names itself.
    pub id: Option<ClientOrderId>,
    /// On which contract.
    pub symbol: Symbol,
    /// Buy or sell.
    pub side: Side,
    /// Which position it belongs to.
    pub direction: Direction,
    /// How the account nets: a position side in hedge mode, a reduce-only flag in one-way mode (R34).
    pub mode: PositionMode,
    /// True for one that may only take exposure off.
    pub closes: bool,
    /// Kind, price and size.
    pub kind: OrderKind,
}

/// Position side in hedge mode, reduce-only in one-way mode; never both (-1106).
pub(super) fn add_position(params: &mut Params, mode: PositionMode, direction: Direction, reduce_only: bool) {
    match (mode, direction) {
        (PositionMode::Hedge, Direction::Long) => params.push("positionSide", "LONG"),
        (PositionMode::Hedge, Direction::Short) => params.push("positionSide", "SHORT"),
        (PositionMode::OneWay, _) if reduce_only => params.push("reduceOnly", "true"),
        (PositionMode::OneWay, _) => {}
    }
}

impl Call for PlaceOrder {
    endpoint!(Post "/fapi/v1/order" Signed mutates);
    const SOCKET_METHOD: Option<&'static str> = Some("order.place");

    fn weight(&self) -> u32 {
        0
    }

    fn orders(&self) -> (u32, u32) {
        (1, 1)
    }

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
        params.push("side", side_word(self.side));
        add_position(params, self.mode, self.direction, self.closes);
        match self.kind {
            OrderKind::Market { qty } => {
                params.push("type", "MARKET");
                params.push("quantity", qty);
                // The reply then tells the final state instead of the bare acceptance.
                params.push("newOrderRespType", "RESULT");
            }
            OrderKind::Limit { price, qty } => {
                params.push("type", "LIMIT");
                params.push("timeInForce", "GTC");
                params.push("quantity", qty);
                params.push("price", price);
            }
        }
        params.push_some("newClientOrderId", self.id);
    }
}

/// `POST /fapi/v1/batchOrders`: up to [`MAX_BATCH`] orders, each with an outcome of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlaceBatch(Vec<PlaceOrder>);

impl PlaceBatch {
    /// Of these orders; `None` if there are none or more than [`MAX_BATCH`].
    #[must_use]
    pub fn new(orders: Vec<PlaceOrder>) -> Option<Self> {
        (1..=MAX_BATCH).contains(&orders.len()).then_some(Self(orders))
    }

    /// The orders, in the order of the outcomes.
    #[must_use]
    pub fn orders(&self) -> &[PlaceOrder] {
        &self.0
    }
}

impl Call for PlaceBatch {
    endpoint!(Post "/fapi/v1/batchOrders" Signed mutates);

    fn weight(&self) -> u32 {
        5
    }

    fn orders(&self) -> (u32, u32) {
        (5, 1)
    }

    fn parameters(&self, params: &mut Params) {
        let mut json = String::from("[");
        for (at, order) in self.0.iter().enumerate() {
            let mut fields = Params::new();
            order.parameters(&mut fields);
            json.push_str(if at > 0 { ",{" } else { "{" });
            for (at, (name, value)) in fields.iter().enumerate() {
                json.push_str(if at > 0 { ",\"" } else { "\"" });
                json.push_str(name);
                json.push_str("\":");
                json.push_str(&serde_json::Value::from(value.as_str()).to_string());
            }
            json.push('}');
        }
        json.push(']');
        params.push("batchOrders", json);
    }
}

fn add_name(params: &mut Params, name: OrderName) {
    match name {
        OrderName::Venue(id) => params.push_whole("orderId", id),
        OrderName::Client(id) => params.push("origClientOrderId", id),
    }
}

/// `PUT /fapi/v1/order`: keeps both ids, loses the place in the queue. Repeating it does no harm (-5027).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AmendOrder {
    /// On which contract.
    pub symbol: Symbol,
    /// Which order.
    pub name: OrderName,
    /// Its side, repeated.
    pub side: Side,
    /// The new price.
    pub price: Price,
    /// The new *total* quantity; at or below what has executed, it cancels the order.
    pub qty: Qty,
}

impl AmendOrder {
    /// The call of a change.
    #[must_use]
    pub fn of(change: &Amend) -> Self {
        Self {
            symbol: change.order.symbol.clone(),
            name: OrderName::of(&change.order),
            side: change.side,
            price: change.price,
            qty: change.qty,
        }
    }
}

impl Call for AmendOrder {
    endpoint!(Put "/fapi/v1/order" Signed mutates);
    const SOCKET_METHOD: Option<&'static str> = Some("order.modify");

    fn weight(&self) -> u32 {
        0
    }

    fn orders(&self) -> (u32, u32) {
        (1, 1)
    }

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
        add_name(params, self.name);
        params.push("side", side_word(self.side));
        params.push("quantity", self.qty);
        params.push("price", self.price);
    }
}

/// `DELETE /fapi/v1/order`: one order by its id (R90).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CancelOrder {
    /// On which contract.
    pub symbol: Symbol,
    /// Which order.
    pub name: OrderName,
}

impl CancelOrder {
    /// The call for an order of the regular service.
    #[must_use]
    pub fn of(order: &OrderRef) -> Self {
        Self { symbol: order.symbol.clone(), name: OrderName::of(order) }
    }
}

impl Call for CancelOrder {
    endpoint!(Delete "/fapi/v1/order" Signed mutates);
    const SOCKET_METHOD: Option<&'static str> = Some("order.cancel");

    fn weight(&self) -> u32 {
        1
    }

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
        add_name(params, self.name);
    }
}

/// `GET /fapi/v1/order`: one order in any state, within its retention.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QueryOrder {
    /// On which contract.
    pub symbol: Symbol,
    /// Which order.
    pub name: OrderName,
}

impl QueryOrder {
    /// The call for an order of the regular service.
    #[must_use]
    pub fn of(order: &OrderRef) -> Self {
        Self { symbol: order.symbol.clone(), name: OrderName::of(order) }
    }
}

impl Call for QueryOrder {
    endpoint!(Get "/fapi/v1/order" Signed reads);
    const SOCKET_METHOD: Option<&'static str> = Some("order.status");

    fn weight(&self) -> u32 {
        1
    }

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
        add_name(params, self.name);
    }
}

/// `GET /fapi/v1/openOrders`: every open regular order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OpenOrders {
    /// On which contract; all of them costs 40 times as much.
    pub symbol: Option<Symbol>,
}

impl Call for OpenOrders {
    endpoint!(Get "/fapi/v1/openOrders" Signed reads);

    fn weight(&self) -> u32 {
        if self.symbol.is_some() { 1 } else { 40 }
    }

    fn parameters(&self, params: &mut Params) {
        params.push_some("symbol", self.symbol.as_ref());
    }
}

/// `GET /fapi/v1/allOrders`: regular orders of a window shorter than seven days, see [`windows`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AllOrders {
    /// On which contract.
    pub symbol: Symbol,
    /// Only orders with this number or a higher one.
    pub from_id: Option<i64>,
    /// Start of the window.
    pub from: VenueMillis,
    /// Its end.
    pub to: VenueMillis,
}

impl Call for AllOrders {
    endpoint!(Get "/fapi/v1/allOrders" Signed reads);

    fn weight(&self) -> u32 {
        5
    }

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
        params.push_some_whole("orderId", self.from_id);
        params.push_whole("startTime", self.from.0);
        params.push_whole("endTime", self.to.0);
        params.push_whole("limit", i64::from(LIST_LIMIT));
    }
}

/// `GET /fapi/v1/userTrades`: trades of a window shorter than seven days, or those of one order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserTrades {
    /// On which contract.
    pub symbol: Symbol,
    /// Only those of this order.
    pub order: Option<i64>,
    /// Start and end of the window; a future end is refused (-4181).
    pub window: Option<(VenueMillis, VenueMillis)>,
    /// Only trades with this number or a higher one; not together with a window.
    pub from_id: Option<i64>,
}

impl Call for UserTrades {
    endpoint!(Get "/fapi/v1/userTrades" Signed reads);

    fn weight(&self) -> u32 {
        5
    }

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
        params.push_some_whole("orderId", self.order);
        match self.window {
            Some((from, to)) => {
                params.push_whole("startTime", from.0);
                params.push_whole("endTime", to.0);
            }
            None => params.push_some_whole("fromId", self.from_id),
        }
        params.push_whole("limit", i64::from(LIST_LIMIT));
    }
}

/// Cuts a span into windows that the history endpoints take, oldest first; none where it is empty or runs backwards.
pub fn windows(from: VenueMillis, to: VenueMillis) -> impl Iterator<Item = (VenueMillis, VenueMillis)> {
    let mut next = Some(from).filter(|from| *from <= to);
    std::iter::from_fn(move || {
        let start = next?;
        let end = start.plus(WINDOW).min(to);
        next = Some(end.plus(Millis(1))).filter(|after| *after <= to && end < to);
        Some((start, end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histories_are_cut_into_windows_without_a_hole() {
        let day = 86_400_000;
        let cut: Vec<_> = windows(VenueMillis(0), VenueMillis(20 * day)).collect();
        assert_eq!(cut.len(), 3);
        assert_eq!((cut[0].0.0, cut[2].1.0), (0, 20 * day));
        for (from, to) in &cut {
            assert!(to.0 - from.0 < 7 * day);
        }
        for pair in cut.windows(2) {
            assert_eq!(pair[0].1.0 + 1, pair[1].0.0);
        }
        assert_eq!(windows(VenueMillis(5), VenueMillis(5)).count(), 1);
        assert_eq!(windows(VenueMillis(6), VenueMillis(5)).count(), 0);
        assert_eq!(windows(VenueMillis(i64::MAX - 1), VenueMillis(i64::MAX)).count(), 1);
    }
}
