//! ALGO_UPDATE.

use compact_str::CompactString;
use kraite_core::number::{Price, Qty};
use kraite_core::time::VenueMillis;
use serde::Deserialize;

use crate::codec::scalar;
use crate::codec::word::{AlgoStatus, OrderType, PositionSide, SideWord};

/// A conditional order changed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AlgoUpdate {
    /// When it was sent.
    #[serde(default, rename = "E", deserialize_with = "scalar::instant")]
    pub event_at: Option<VenueMillis>,
    /// When it happened.
    #[serde(default, rename = "T", deserialize_with = "scalar::instant")]
    pub at: Option<VenueMillis>,
    /// The order.
    #[serde(rename = "o")]
    pub order: AlgoUpdateBody,
}

/// The order of an [`AlgoUpdate`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct AlgoUpdateBody {
    /// The id it was placed under.
    #[serde(default, rename = "caid", deserialize_with = "scalar::text")]
    pub client_id: Option<CompactString>,
    /// The venue's number.
    #[serde(default, rename = "aid", deserialize_with = "scalar::whole")]
    pub algo_id: Option<i64>,
    /// Its kind.
    #[serde(default, rename = "o")]
    pub kind: Option<OrderType>,
    /// On which contract.
    #[serde(default, rename = "s", deserialize_with = "scalar::text")]
    pub symbol: Option<CompactString>,
    /// Buy or sell.
    #[serde(default, rename = "S")]
    pub side: Option<SideWord>,
    /// Which position it belongs to.
    #[serde(default, rename = "ps")]
    pub position_side: Option<PositionSide>,
    /// The quantity; zero or missing where it closes whatever is open.
    #[serde(default, rename = "q", deserialize_with = "scalar::decimal")]
    pub qty: Option<Qty>,
    /// Where it stands.
    #[serde(default, rename = "X")]
    pub status: Option<AlgoStatus>,
    /// The number of the regular order it became; a text, empty before.
    #[serde(default, rename = "ai", deserialize_with = "scalar::whole")]
    pub child_id: Option<i64>,
    /// The average price of that one.
    #[serde(default, rename = "ap", deserialize_with = "scalar::decimal")]
    pub child_price: Option<Price>,
    /// How much of that one executed.
    #[serde(default, rename = "aq", deserialize_with = "scalar::decimal")]
    pub child_qty: Option<Qty>,
    /// The trigger price.
    #[serde(default, rename = "tp", deserialize_with = "scalar::decimal")]
    pub trigger_price: Option<Price>,
    /// Whether it closes whatever is open.
    #[serde(default, rename = "cp", deserialize_with = "scalar::truth")]
    pub close_position: Option<bool>,
    /// Whether it only takes exposure off.
    #[serde(default, rename = "R", deserialize_with = "scalar::truth")]
    pub reduce_only: Option<bool>,
    /// Why the engine refused its child, for humans only.
    #[serde(default, rename = "rm", deserialize_with = "scalar::text")]
    pub reason: Option<CompactString>,
}
