//! Calls of the conditional order service: ids, lists and events of its own since December 2025.

use kraite_core::exchange::{Direction, OrderRef, PositionMode, Side, TriggerBy, TriggerSize};
use kraite_core::id::{ClientOrderId, Symbol};
use kraite_core::number::Price;
use kraite_core::time::VenueMillis;

use super::order::{LIST_LIMIT, add_position};
use super::{endpoint, side_word};
use crate::codec::ids::OrderName;
use crate::codec::params::Params;
use crate::codec::request::Call;

/// Which way the price has to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlgoKind {
    /// Against the position.
    StopMarket,
    /// In its favour.
    TakeProfitMarket,
}

/// `POST /fapi/v1/algoOrder`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlaceAlgo {
    /// The id it is placed under, once; its child carries it too.
    pub id: ClientOrderId,
    /// On which contract.
    pub symbol: Symbol,
    /// Buy or sell.
    pub side: Side,
    /// Which position it belongs to.
    pub direction: Direction,
    /// How the account nets.
    pub mode: PositionMode,
    /// True for one that may only take exposure off.
    pub closes: bool,
    /// Stop or target.
    pub kind: AlgoKind,
    /// The trigger price.
    pub trigger: Price,
    /// Which price is watched.
    pub by: TriggerBy,
    /// A quantity, or whatever is open when it fires.
    pub size: TriggerSize,
}

impl Call for PlaceAlgo {
    endpoint!(Post "/fapi/v1/algoOrder" Signed mutates);
    const SOCKET_METHOD: Option<&'static str> = Some("algoOrder.place");

    fn weight(&self) -> u32 {
        0
    }

    fn orders(&self) -> (u32, u32) {
        (1, 1)
    }

    fn parameters(&self, params: &mut Params) {
        params.push("algoType", "CONDITIONAL");
        params.push("symbol", &self.symbol);
        params.push("side", side_word(self.side));
        // A close-position order takes neither a quantity nor the flag (-4137, -4138).
        let states_qty = matches!(self.size, TriggerSize::Qty(_));
        add_position(params, self.mode, self.direction, self.closes && states_qty);
        params.push(
            "type",
            match self.kind {
                AlgoKind::StopMarket => "STOP_MARKET",
                AlgoKind::TakeProfitMarket => "TAKE_PROFIT_MARKET",
            },
        );
        params.push("triggerPrice", self.trigger);
        match self.size {
            TriggerSize::Qty(qty) => params.push("quantity", qty),
            TriggerSize::ClosePosition => params.push("closePosition", "true"),
        }
        params.push(
            "workingType",
            match self.by {
                TriggerBy::Mark => "MARK_PRICE",
                TriggerBy::Last => "CONTRACT_PRICE",
            },
        );
        // A stop must fire even where mark and last price lie apart.
        params.push("priceProtect", "FALSE");
        params.push("clientAlgoId", self.id);
    }
}

fn add_name(params: &mut Params, name: OrderName) {
    match name {
        OrderName::Venue(id) => params.push_whole("algoId", id),
        OrderName::Client(id) => params.push("clientAlgoId", id),
    }
}

/// `DELETE /fapi/v1/algoOrder`: one conditional order by its id; takes no contract.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CancelAlgo {
    /// Which order.
    pub name: OrderName,
}

impl CancelAlgo {
    /// The call for an order of the conditional service.
    #[must_use]
    pub fn of(order: &OrderRef) -> Self {
        Self { name: OrderName::of(order) }
    }
}

impl Call for CancelAlgo {
    endpoint!(Delete "/fapi/v1/algoOrder" Signed mutates);
    const SOCKET_METHOD: Option<&'static str> = Some("algoOrder.cancel");

    fn weight(&self) -> u32 {
        1
    }

    fn parameters(&self, params: &mut Params) {
        add_name(params, self.name);
    }
}

/// `GET /fapi/v1/algoOrder`: one conditional order in any state; takes no contract.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QueryAlgo {
    /// Which order.
    pub name: OrderName,
}

impl QueryAlgo {
    /// The call for an order of the conditional service.
    #[must_use]
    pub fn of(order: &OrderRef) -> Self {
        Self { name: OrderName::of(order) }
    }
}

impl Call for QueryAlgo {
    endpoint!(Get "/fapi/v1/algoOrder" Signed reads);

    fn weight(&self) -> u32 {
        1
    }

    fn parameters(&self, params: &mut Params) {
        add_name(params, self.name);
    }
}

/// `GET /fapi/v1/openAlgoOrders`: every open conditional order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OpenAlgoOrders {
    /// On which contract; all of them costs 40 times as much.
    pub symbol: Option<Symbol>,
}

impl Call for OpenAlgoOrders {
    endpoint!(Get "/fapi/v1/openAlgoOrders" Signed reads);

    fn weight(&self) -> u32 {
        if self.symbol.is_some() { 1 } else { 40 }
    }

    fn parameters(&self, params: &mut Params) {
        params.push_some("symbol", self.symbol.as_ref());
    }
}

/// `GET /fapi/v1/allAlgoOrders`: conditional orders of a window shorter than seven days, see [`super::windows`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AllAlgoOrders {
    /// On which contract.
    pub symbol: Symbol,
    /// Only orders with this number or a higher one.
    pub from_id: Option<i64>,
    /// Start of the window.
    pub from: VenueMillis,
    /// Its end.
    pub to: VenueMillis,
    /// Which page, counted from 1.
    pub page: Option<u32>,
}

impl Call for AllAlgoOrders {
    endpoint!(Get "/fapi/v1/allAlgoOrders" Signed reads);

    fn weight(&self) -> u32 {
        5
    }

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
        params.push_some_whole("algoId", self.from_id);
        params.push_whole("startTime", self.from.0);
        params.push_whole("endTime", self.to.0);
        params.push_some_whole("page", self.page.map(i64::from));
        params.push_whole("limit", i64::from(LIST_LIMIT));
    }
}
