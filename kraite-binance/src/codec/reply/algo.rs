//! Conditional orders.

use compact_str::CompactString;
use kraite_core::number::{Price, Qty};
use kraite_core::time::VenueMillis;
use serde::Deserialize;

use crate::codec::scalar;
use crate::codec::word::{AlgoStatus, OrderType, PositionSide, SideWord};

/// One conditional order: the reply to placing, cancelling and asking, and a row of the lists.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlgoReply {
    /// The venue's number, of a space of its own.
    #[serde(default, deserialize_with = "scalar::whole")]
    pub algo_id: Option<i64>,
    /// The id it was placed under; its child carries it too.
    #[serde(default, deserialize_with = "scalar::text")]
    pub client_algo_id: Option<CompactString>,
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
    pub algo_status: Option<AlgoStatus>,
    /// Its kind.
    #[serde(default)]
    pub order_type: Option<OrderType>,
    /// The quantity; zero or `null` where it closes whatever is open.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub quantity: Option<Qty>,
    /// The trigger price.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub trigger_price: Option<Price>,
    /// Whether it closes whatever is open.
    #[serde(default, deserialize_with = "scalar::truth")]
    pub close_position: Option<bool>,
    /// Whether it only takes exposure off.
    #[serde(default, deserialize_with = "scalar::truth")]
    pub reduce_only: Option<bool>,
    /// The number of the regular order it became; a text, empty before.
    #[serde(default, deserialize_with = "scalar::whole")]
    pub actual_order_id: Option<i64>,
    /// The average price of that one.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub actual_price: Option<Price>,
    /// How much of that one executed; missing before.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub actual_qty: Option<Qty>,
    /// When it was created.
    #[serde(default, deserialize_with = "scalar::instant")]
    pub create_time: Option<VenueMillis>,
    /// When it changed last.
    #[serde(default, deserialize_with = "scalar::instant")]
    pub update_time: Option<VenueMillis>,
    /// "200" in the short reply to a cancellation.
    #[serde(default, deserialize_with = "scalar::whole")]
    pub code: Option<i64>,
    /// The words of that reply.
    #[serde(default, deserialize_with = "scalar::text")]
    pub msg: Option<CompactString>,
}
