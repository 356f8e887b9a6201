//! The classic API, `/api/v2`.
//!
//! In hedge mode `side` names the position here, not the trade: closing a long is `buy` with `tradeSide=close`. One
//! place decides it, since `tradeSide` forgotten opens the opposite position.

mod account;
mod plan;

pub use account::{
    GetAccount, GetBalances, GetPosition, GetPositions, GetTradeRate, PastPositions, ProbeAccount, SetLeverage,
    SetMarginMode, SetPositionMode,
};
pub use plan::{CancelPlan, PendingPlans, PlacePair, PlacePlan, PlanHistory};

use kraite_core::exchange::{Amend, Direction, OrderRef, PositionMode, PositionRef, Side};
use kraite_core::id::{ClientOrderId, Symbol};
use kraite_core::number::{Price, Qty};
use kraite_core::time::VenueMillis;

use super::placement::{Order, OrderKind, is_batch};
use super::{LIST_LIMIT, add_name, direction_word, endpoint, side_word};
use crate::codec::ids::OrderName;
use crate::codec::params::Params;
use crate::codec::request::Call;
use crate::codec::terms::{Product, margin_word};

/// Side, and trade side in hedge mode or the reduce-only flag in one-way mode (R34); never both (40774).
fn add_direction(params: &mut Params, order: &Order) {
    match order.mode {
        PositionMode::Hedge => {
            let side = match order.direction {
                Direction::Long => Side::Buy,
                Direction::Short => Side::Sell,
            };
            params.push("side", side_word(side));
            params.push("tradeSide", if order.closes { "close" } else { "open" });
        }
        PositionMode::OneWay => {
            params.push("side", side_word(order.side));
            params.push("reduceOnly", if order.closes { "YES" } else { "NO" });
        }
    }
}

/// What differs from order to order in a batch.
fn add_order(params: &mut Params, order: &Order) {
    add_direction(params, order);
    match order.kind {
        OrderKind::Market { qty } => {
            params.push("orderType", "market");
            params.push("size", qty);
        }
        OrderKind::Limit { price, qty } => {
            params.push("orderType", "limit");
            params.push("force", "gtc");
            params.push("size", qty);
            params.push("price", price);
        }
    }
    params.push("clientOid", order.id);
    params.push("stpMode", "none");
}

fn add_product(params: &mut Params, product: Product) {
    params.push("productType", product.as_str());
    params.push("marginCoin", product.coin());
}

/// `POST /api/v2/mix/order/place-order`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlaceOrder(
    /// The order.
    pub Order,
);

impl Call for PlaceOrder {
    endpoint!(Post "/api/v2/mix/order/place-order" Signed mutates 10);

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.0.symbol);
        add_product(params, self.0.product);
        params.push("marginMode", margin_word(self.0.margin));
        add_order(params, &self.0);
    }
}

/// `POST /api/v2/mix/order/batch-place-order`: orders of one contract, each with an outcome of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlaceBatch(Vec<Order>);

impl PlaceBatch {
    /// Of these orders; `None` if there are none or more than [`super::MAX_BATCH`], or of different contracts.
    #[must_use]
    pub fn new(orders: Vec<Order>) -> Option<Self> {
        is_batch(&orders).then_some(Self(orders))
    }

    /// The orders, in the order of the outcomes.
    #[must_use]
    pub fn orders(&self) -> &[Order] {
        &self.0
    }
}

impl Call for PlaceBatch {
    endpoint!(Post "/api/v2/mix/order/batch-place-order" Signed mutates 5);

    fn parameters(&self, params: &mut Params) {
        if let Some(first) = self.0.first() {
            params.push("symbol", &first.symbol);
            add_product(params, first.product);
            params.push("marginMode", margin_word(first.margin));
        }
        let rows = self.0.iter().map(|order| {
            let mut row = Params::new();
            add_order(&mut row, order);
            row
        });
        params.push_list("orderList", rows.collect());
    }
}

/// `POST /api/v2/mix/order/modify-order`: cancels the order and, some time later, makes another one under another id.
/// Between the two there may be neither. Only an untouched LIMIT order can be changed (40922).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModifyOrder {
    /// On which contract.
    pub symbol: Symbol,
    /// Which product line.
    pub product: Product,
    /// Which order ends.
    pub name: OrderName,
    /// The id of the order that comes; that of the old one is refused (40786).
    pub new_id: ClientOrderId,
    /// Its price.
    pub price: Price,
    /// Its quantity.
    pub qty: Qty,
}

impl ModifyOrder {
    /// The call of a change, with the id of the order that comes.
    #[must_use]
    pub fn of(change: &Amend, product: Product, new_id: ClientOrderId) -> Self {
        let (symbol, name) = (change.order.symbol.clone(), OrderName::of(&change.order));
        Self { symbol, product, name, new_id, price: change.price, qty: change.qty }
    }
}

impl Call for ModifyOrder {
    endpoint!(Post "/api/v2/mix/order/modify-order" Signed mutates 10);

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
        add_product(params, self.product);
        add_name(params, &self.name);
        params.push("newClientOid", self.new_id);
        // Both or neither (40925).
        params.push("newSize", self.qty);
        params.push("newPrice", self.price);
    }
}

/// `POST /api/v2/mix/order/cancel-order`: one regular order by its id. Taken, not yet done: it may still fill.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CancelOrder {
    /// On which contract.
    pub symbol: Symbol,
    /// Which product line.
    pub product: Product,
    /// Which order.
    pub name: OrderName,
}

impl CancelOrder {
    /// The call for an order of the regular service.
    #[must_use]
    pub fn of(order: &OrderRef, product: Product) -> Self {
        Self { symbol: order.symbol.clone(), product, name: OrderName::of(order) }
    }
}

impl Call for CancelOrder {
    endpoint!(Post "/api/v2/mix/order/cancel-order" Signed mutates 10);

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
        add_product(params, self.product);
        add_name(params, &self.name);
    }
}

/// `GET /api/v2/mix/order/detail`: one regular order in any state; plans are not found here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QueryOrder {
    /// On which contract.
    pub symbol: Symbol,
    /// Which product line.
    pub product: Product,
    /// Which order.
    pub name: OrderName,
}

impl QueryOrder {
    /// The call for an order of the regular service.
    #[must_use]
    pub fn of(order: &OrderRef, product: Product) -> Self {
        Self { symbol: order.symbol.clone(), product, name: OrderName::of(order) }
    }
}

impl Call for QueryOrder {
    endpoint!(Get "/api/v2/mix/order/detail" Signed reads 10);

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
        params.push("productType", self.product.as_str());
        add_name(params, &self.name);
    }
}

/// Which of the two open states; one page of the documentation says that without it only the first is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpenState {
    /// Nothing filled.
    Live,
    /// Partly filled.
    PartiallyFilled,
}

/// `GET /api/v2/mix/order/orders-pending`: open regular orders of one state, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OpenOrders {
    /// Which product line.
    pub product: Product,
    /// On which contract, or all.
    pub symbol: Option<Symbol>,
    /// In which state: ask for both.
    pub state: OpenState,
    /// The last id of the page before.
    pub before: Option<String>,
}

impl Call for OpenOrders {
    endpoint!(Get "/api/v2/mix/order/orders-pending" Signed reads 10);

    fn parameters(&self, params: &mut Params) {
        params.push("productType", self.product.as_str());
        params.push_some("symbol", self.symbol.as_ref());
        params.push(
            "status",
            match self.state {
                OpenState::Live => "live",
                OpenState::PartiallyFilled => "partially_filled",
            },
        );
        params.push_some("idLessThan", self.before.as_ref());
        params.push("limit", LIST_LIMIT);
    }
}

/// `GET /api/v2/mix/order/orders-history`: ended regular orders of the last 90 days, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrderHistory {
    /// Which product line.
    pub product: Product,
    /// On which contract.
    pub symbol: Symbol,
    /// Only the one under this id.
    pub id: Option<ClientOrderId>,
    /// Start and end of the window.
    pub window: Option<(VenueMillis, VenueMillis)>,
    /// The last id of the page before.
    pub before: Option<String>,
}

impl Call for OrderHistory {
    endpoint!(Get "/api/v2/mix/order/orders-history" Signed reads 10);

    fn parameters(&self, params: &mut Params) {
        params.push("productType", self.product.as_str());
        params.push("symbol", &self.symbol);
        params.push_some("clientOid", self.id);
        add_window(params, self.window);
        params.push_some("idLessThan", self.before.as_ref());
        params.push("limit", LIST_LIMIT);
    }
}

fn add_window(params: &mut Params, window: Option<(VenueMillis, VenueMillis)>) {
    params.push_some("startTime", window.map(|(from, _)| from.0));
    params.push_some("endTime", window.map(|(_, to)| to.0));
}

/// `GET /api/v2/mix/order/fills`: trades, newest first. They name their order by the venue's id only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GetFills {
    /// Which product line.
    pub product: Product,
    /// On which contract.
    pub symbol: Symbol,
    /// Only those of this order, by the id on the wire.
    pub order: Option<String>,
    /// Start and end of the window.
    pub window: Option<(VenueMillis, VenueMillis)>,
    /// The last id of the page before.
    pub before: Option<String>,
}

impl Call for GetFills {
    endpoint!(Get "/api/v2/mix/order/fills" Signed reads 10);

    fn parameters(&self, params: &mut Params) {
        params.push("productType", self.product.as_str());
        params.push("symbol", &self.symbol);
        params.push_some("orderId", self.order.as_ref());
        add_window(params, self.window);
        params.push_some("idLessThan", self.before.as_ref());
        params.push("limit", LIST_LIMIT);
    }
}

/// `POST /api/v2/mix/order/close-positions`: the whole of one side at the market, untagged: the last resort.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClosePosition {
    /// Which product line.
    pub product: Product,
    /// Which position; without a contract the venue would close everything.
    pub position: PositionRef,
}

impl Call for ClosePosition {
    endpoint!(Post "/api/v2/mix/order/close-positions" Signed mutates 1);

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.position.symbol);
        params.push("productType", self.product.as_str());
        if self.position.mode == PositionMode::Hedge {
            params.push("holdSide", direction_word(self.position.direction));
        }
    }
}
