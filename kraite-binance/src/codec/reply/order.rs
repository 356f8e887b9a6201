//! Regular orders and trades.

use compact_str::CompactString;
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::time::VenueMillis;
use serde::Deserialize;

use crate::codec::scalar;
use crate::codec::word::{OrderStatus, OrderType, PositionSide, SideWord};

/// One regular order: the reply to placing, changing, cancelling and asking, and a row of the order lists.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderReply {
    /// The venue's number; beyond 2^53 on some contracts.
    #[serde(default, deserialize_with = "scalar::whole")]
    pub order_id: Option<i64>,
    /// The id it was placed under.
    #[serde(default, deserialize_with = "scalar::text")]
    pub client_order_id: Option<CompactString>,
    /// On which contract.
    #[serde(default, deserialize_with = "scalar::text")]
    pub symbol: Option<CompactString>,
    /// Buy or sell.
    #[serde(default)]
    pub side: Option<SideWord>,
    /// Which position it belongs to.
    #[serde(default)]
    pub position_side: Option<PositionSide>,
    /// Where it stands.
    #[serde(default)]
    pub status: Option<OrderStatus>,
    /// Its kind now.
    #[serde(default, rename = "type")]
    pub kind: Option<OrderType>,
    /// Its kind when it was placed.
    #[serde(default)]
    pub orig_type: Option<OrderType>,
    /// The limit price; zero for a market order.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub price: Option<Price>,
    /// The total quantity.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub orig_qty: Option<Qty>,
    /// How much of it executed.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub executed_qty: Option<Qty>,
    /// The average price of that; only in answers to queries.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub avg_price: Option<Price>,
    /// The quote sum of that; only in answers to queries.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub cum_quote: Option<Notional>,
    /// Whether it only takes exposure off.
    #[serde(default, deserialize_with = "scalar::truth")]
    pub reduce_only: Option<bool>,
    /// Whether it closes whatever is open.
    #[serde(default, deserialize_with = "scalar::truth")]
    pub close_position: Option<bool>,
    /// When it was created; only in answers to queries.
    #[serde(default, deserialize_with = "scalar::instant")]
    pub time: Option<VenueMillis>,
    /// When it changed last.
    #[serde(default, deserialize_with = "scalar::instant")]
    pub update_time: Option<VenueMillis>,
}

/// One trade of the account. Names the order by its number only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TradeRow {
    /// The number of the trade, unique per contract.
    #[serde(default, deserialize_with = "scalar::whole")]
    pub id: Option<i64>,
    /// Whose trade.
    #[serde(default, deserialize_with = "scalar::whole")]
    pub order_id: Option<i64>,
    /// On which contract.
    #[serde(default, deserialize_with = "scalar::text")]
    pub symbol: Option<CompactString>,
    /// Buy or sell.
    #[serde(default)]
    pub side: Option<SideWord>,
    /// Which position it belongs to.
    #[serde(default)]
    pub position_side: Option<PositionSide>,
    /// At what price.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub price: Option<Price>,
    /// How much.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub qty: Option<Qty>,
    /// The fee; positive is paid.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub commission: Option<Notional>,
    /// In what.
    #[serde(default, deserialize_with = "scalar::text")]
    pub commission_asset: Option<CompactString>,
    /// Whether it rested.
    #[serde(default, deserialize_with = "scalar::truth")]
    pub maker: Option<bool>,
    /// When.
    #[serde(default, deserialize_with = "scalar::instant")]
    pub time: Option<VenueMillis>,
}
