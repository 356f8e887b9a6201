//! ORDER_TRADE_UPDATE and TRADE_LITE.

use compact_str::CompactString;
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::time::VenueMillis;
use serde::Deserialize;

use crate::codec::scalar;
use crate::codec::word::{ExecutionType, OrderStatus, OrderType, PositionSide, SideWord};

/// A regular order changed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OrderUpdate {
    /// When it was sent.
    #[serde(default, rename = "E", deserialize_with = "scalar::instant")]
    pub event_at: Option<VenueMillis>,
    /// When it happened; frames of one kind on one connection come in this order.
    #[serde(default, rename = "T", deserialize_with = "scalar::instant")]
    pub at: Option<VenueMillis>,
    /// The order.
    #[serde(rename = "o")]
    pub order: OrderUpdateBody,
}

/// The order of an [`OrderUpdate`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct OrderUpdateBody {
    /// On which contract.
    #[serde(default, rename = "s", deserialize_with = "scalar::text")]
    pub symbol: Option<CompactString>,
    /// The id it was placed under; that of the conditional order for a child.
    #[serde(default, rename = "c", deserialize_with = "scalar::text")]
    pub client_id: Option<CompactString>,
    /// Buy or sell.
    #[serde(default, rename = "S")]
    pub side: Option<SideWord>,
    /// Its kind now.
    #[serde(default, rename = "o")]
    pub kind: Option<OrderType>,
    /// Its kind when it was placed.
    #[serde(default, rename = "ot")]
    pub orig_type: Option<OrderType>,
    /// The total quantity.
    #[serde(default, rename = "q", deserialize_with = "scalar::decimal")]
    pub qty: Option<Qty>,
    /// The limit price.
    #[serde(default, rename = "p", deserialize_with = "scalar::decimal")]
    pub price: Option<Price>,
    /// The average price of what executed.
    #[serde(default, rename = "ap", deserialize_with = "scalar::decimal")]
    pub average_price: Option<Price>,
    /// What happened.
    #[serde(default, rename = "x")]
    pub execution: Option<ExecutionType>,
    /// Where it stands.
    #[serde(default, rename = "X")]
    pub status: Option<OrderStatus>,
    /// The venue's number.
    #[serde(default, rename = "i", deserialize_with = "scalar::whole")]
    pub order_id: Option<i64>,
    /// How much this fill took.
    #[serde(default, rename = "l", deserialize_with = "scalar::decimal")]
    pub last_qty: Option<Qty>,
    /// How much executed so far.
    #[serde(default, rename = "z", deserialize_with = "scalar::decimal")]
    pub executed_qty: Option<Qty>,
    /// At what price this fill was.
    #[serde(default, rename = "L", deserialize_with = "scalar::decimal")]
    pub last_price: Option<Price>,
    /// What the fee is paid in; missing where there is none.
    #[serde(default, rename = "N", deserialize_with = "scalar::text")]
    pub fee_asset: Option<CompactString>,
    /// The fee.
    #[serde(default, rename = "n", deserialize_with = "scalar::decimal")]
    pub fee: Option<Notional>,
    /// The number of the trade; 0 where there was none.
    #[serde(default, rename = "t", deserialize_with = "scalar::whole")]
    pub trade_id: Option<i64>,
    /// Whether it rested.
    #[serde(default, rename = "m", deserialize_with = "scalar::truth")]
    pub maker: Option<bool>,
    /// Whether it only takes exposure off.
    #[serde(default, rename = "R", deserialize_with = "scalar::truth")]
    pub reduce_only: Option<bool>,
    /// Which position it belongs to.
    #[serde(default, rename = "ps")]
    pub position_side: Option<PositionSide>,
    /// Whether it closes whatever is open.
    #[serde(default, rename = "cp", deserialize_with = "scalar::truth")]
    pub close_position: Option<bool>,
    /// Why it ended, as a number in quotes.
    #[serde(default, rename = "er", deserialize_with = "scalar::text")]
    pub expiry_reason: Option<CompactString>,
}

/// A fill, told early. Says neither how much executed in all, nor the status, nor the fee.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct TradeLite {
    /// When it happened.
    #[serde(default, rename = "T", deserialize_with = "scalar::instant")]
    pub at: Option<VenueMillis>,
    /// On which contract.
    #[serde(default, rename = "s", deserialize_with = "scalar::text")]
    pub symbol: Option<CompactString>,
    /// The id it was placed under.
    #[serde(default, rename = "c", deserialize_with = "scalar::text")]
    pub client_id: Option<CompactString>,
    /// Buy or sell.
    #[serde(default, rename = "S")]
    pub side: Option<SideWord>,
    /// The venue's number of the order.
    #[serde(default, rename = "i", deserialize_with = "scalar::whole")]
    pub order_id: Option<i64>,
    /// The number of the trade.
    #[serde(default, rename = "t", deserialize_with = "scalar::whole")]
    pub trade_id: Option<i64>,
    /// How much this fill took.
    #[serde(default, rename = "l", deserialize_with = "scalar::decimal")]
    pub last_qty: Option<Qty>,
    /// At what price.
    #[serde(default, rename = "L", deserialize_with = "scalar::decimal")]
    pub last_price: Option<Price>,
    /// Whether it rested.
    #[serde(default, rename = "m", deserialize_with = "scalar::truth")]
    pub maker: Option<bool>,
}
