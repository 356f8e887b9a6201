//! The unified API, `/api/v3`.
//!
//! In hedge mode `side` is the trade here and `posSide` names the position: closing a long is `sell` with `long`, the
//! opposite word of the classic API. A wrong `posSide` is not refused: it opens the other side.

mod account;
mod strategy;

pub use account::{GetAssets, GetPositions, GetSettings, PastPositions, SetHoldMode, SetLeverage};
pub use strategy::{
    CancelStrategy, ModifyPair, OpenStrategies, PlacePair, PlacePlan, StrategyHistory, StrategyName, SubOrders,
};

use kraite_core::exchange::{Amend, OrderRef, PositionMode, PositionRef};
use kraite_core::id::Symbol;
use kraite_core::number::{Price, Qty};
use kraite_core::time::VenueMillis;

use super::placement::{Order, OrderKind, is_batch};
use super::{LIST_LIMIT, add_name, direction_word, endpoint, side_word};
use crate::codec::ids::OrderName;
use crate::codec::params::Params;
use crate::codec::request::Call;
use crate::codec::terms::{Product, margin_word};

fn add_order(params: &mut Params, order: &Order) {
    params.push("category", order.product.as_str());
    params.push("symbol", &order.symbol);
    params.push("side", side_word(order.side));
    match order.mode {
        // With the flag beside it the venue refuses (25236, 25238).
        PositionMode::Hedge => params.push("posSide", direction_word(order.direction)),
        PositionMode::OneWay if order.closes => params.push("reduceOnly", "yes"),
        PositionMode::OneWay => {}
    }
    match order.kind {
        OrderKind::Market { qty } => {
            params.push("orderType", "market");
            params.push("qty", qty);
        }
        OrderKind::Limit { price, qty } => {
            params.push("orderType", "limit");
            params.push("timeInForce", "gtc");
            params.push("qty", qty);
            params.push("price", price);
        }
    }
    params.push("marginMode", margin_word(order.margin));
    params.push("clientOid", order.id);
    params.push("stpMode", "none");
}

/// `POST /api/v3/trade/place-order`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlaceOrder(
    /// The order.
    pub Order,
);

impl Call for PlaceOrder {
    endpoint!(Post "/api/v3/trade/place-order" Signed mutates 10);

    fn parameters(&self, params: &mut Params) {
        add_order(params, &self.0);
    }
}

/// `POST /api/v3/trade/place-batch`: a bare list of orders, each with an outcome of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlaceBatch(Vec<Order>);

impl PlaceBatch {
    /// Of these orders; `None` if there are none or more than [`super::MAX_BATCH`], of different contracts, or one is
    /// close-only in one-way mode: the flag is not taken in a batch.
    #[must_use]
    pub fn new(orders: Vec<Order>) -> Option<Self> {
        let flagged = |order: &Order| order.closes && order.mode == PositionMode::OneWay;
        (is_batch(&orders) && !orders.iter().any(flagged)).then_some(Self(orders))
    }

    /// The orders, in the order of the outcomes.
    #[must_use]
    pub fn orders(&self) -> &[Order] {
        &self.0
    }
}

impl Call for PlaceBatch {
    endpoint!(Post "/api/v3/trade/place-batch" Signed mutates 5);

    fn parameters(&self, _: &mut Params) {}

    fn rows(&self) -> Option<Vec<Params>> {
        let rows = self.0.iter().map(|order| {
            let mut row = Params::new();
            add_order(&mut row, order);
            row
        });
        Some(rows.collect())
    }
}

/// `POST /api/v3/trade/modify-order`: in place, both ids stay. Taken, not yet done; one at a time (25572).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModifyOrder {
    /// On which contract.
    pub symbol: Symbol,
    /// Which product line.
    pub product: Product,
    /// Which order.
    pub name: OrderName,
    /// The new price.
    pub price: Price,
    /// The new quantity: the total, what has filled included, as far as is known.
    pub qty: Qty,
}

impl ModifyOrder {
    /// The call of a change.
    #[must_use]
    pub fn of(change: &Amend, product: Product) -> Self {
        let (symbol, name) = (change.order.symbol.clone(), OrderName::of(&change.order));
        Self { symbol, product, name, price: change.price, qty: change.qty }
    }
}

impl Call for ModifyOrder {
    endpoint!(Post "/api/v3/trade/modify-order" Signed mutates 10);

    fn parameters(&self, params: &mut Params) {
        params.push("category", self.product.as_str());
        params.push("symbol", &self.symbol);
        add_name(params, &self.name);
        params.push("qty", self.qty);
        params.push("price", self.price);
        // A change that fails leaves the order.
        params.push("autoCancel", "no");
    }
}

/// `POST /api/v3/trade/cancel-order`: one regular order by its id. Taken, not yet done: it may still fill.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CancelOrder {
    /// Which product line.
    pub product: Product,
    /// Which order.
    pub name: OrderName,
}

impl CancelOrder {
    /// The call for an order of the regular service.
    #[must_use]
    pub fn of(order: &OrderRef, product: Product) -> Self {
        Self { product, name: OrderName::of(order) }
    }
}

impl Call for CancelOrder {
    endpoint!(Post "/api/v3/trade/cancel-order" Signed mutates 10);

    fn parameters(&self, params: &mut Params) {
        params.push("category", self.product.as_str());
        add_name(params, &self.name);
    }
}

/// `GET /api/v3/trade/order-info`: one regular order in any state; takes no contract.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QueryOrder {
    /// Which order.
    pub name: OrderName,
}

impl QueryOrder {
    /// The call for an order of the regular service.
    #[must_use]
    pub fn of(order: &OrderRef) -> Self {
        Self { name: OrderName::of(order) }
    }
}

impl Call for QueryOrder {
    endpoint!(Get "/api/v3/trade/order-info" Signed reads 20);

    fn parameters(&self, params: &mut Params) {
        add_name(params, &self.name);
    }
}

/// `GET /api/v3/trade/unfilled-orders`: open regular orders.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OpenOrders {
    /// Which product line.
    pub product: Product,
    /// On which contract, or all.
    pub symbol: Option<Symbol>,
    /// The cursor of the page before.
    pub cursor: Option<String>,
}

impl Call for OpenOrders {
    endpoint!(Get "/api/v3/trade/unfilled-orders" Signed reads 20);

    fn parameters(&self, params: &mut Params) {
        params.push("category", self.product.as_str());
        params.push_some("symbol", self.symbol.as_ref());
        params.push("limit", LIST_LIMIT);
        params.push_some("cursor", self.cursor.as_ref());
    }
}

/// `GET /api/v3/trade/history-orders`: regular orders of a window of at most 30 days, 90 days back. Has no filter for
/// contract or client id: match the rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrderHistory {
    /// Which product line.
    pub product: Product,
    /// Start of the window.
    pub from: VenueMillis,
    /// Its end.
    pub to: VenueMillis,
    /// The cursor of the page before.
    pub cursor: Option<String>,
}

impl Call for OrderHistory {
    endpoint!(Get "/api/v3/trade/history-orders" Signed reads 20);

    fn parameters(&self, params: &mut Params) {
        params.push("category", self.product.as_str());
        add_window(params, self.from, self.to);
        params.push_some("cursor", self.cursor.as_ref());
    }
}

fn add_window(params: &mut Params, from: VenueMillis, to: VenueMillis) {
    params.push("startTime", from.0);
    params.push("endTime", to.0);
    params.push("limit", LIST_LIMIT);
}

/// `GET /api/v3/trade/fills`: trades of a window of at most 30 days, 90 days back, with the client id of their order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GetFills {
    /// Which product line.
    pub product: Product,
    /// Only those of this order, by the id on the wire.
    pub order: Option<String>,
    /// Start of the window.
    pub from: VenueMillis,
    /// Its end.
    pub to: VenueMillis,
    /// The cursor of the page before.
    pub cursor: Option<String>,
}

impl Call for GetFills {
    endpoint!(Get "/api/v3/trade/fills" Signed reads 20);

    fn parameters(&self, params: &mut Params) {
        params.push("category", self.product.as_str());
        params.push_some("orderId", self.order.as_ref());
        add_window(params, self.from, self.to);
        params.push_some("cursor", self.cursor.as_ref());
    }
}

/// `POST /api/v3/trade/close-positions`: the whole of one side at the market, untagged: the last resort.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClosePosition {
    /// Which product line.
    pub product: Product,
    /// Which position; without a contract the venue would close everything.
    pub position: PositionRef,
}

impl Call for ClosePosition {
    endpoint!(Post "/api/v3/trade/close-positions" Signed mutates 5);

    fn parameters(&self, params: &mut Params) {
        params.push("category", self.product.as_str());
        params.push("symbol", &self.position.symbol);
        if self.position.mode == PositionMode::Hedge {
            params.push("posSide", direction_word(self.position.direction));
        }
    }
}
