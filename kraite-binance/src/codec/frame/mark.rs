//! markPriceUpdate.

use compact_str::CompactString;
use kraite_core::number::{Factor, Price};
use kraite_core::time::VenueMillis;
use serde::Deserialize;

use crate::codec::scalar;

/// The mark price moved.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct MarkUpdate {
    /// When it was sent.
    #[serde(default, rename = "E", deserialize_with = "scalar::instant")]
    pub at: Option<VenueMillis>,
    /// On which contract.
    #[serde(default, rename = "s", deserialize_with = "scalar::text")]
    pub symbol: Option<CompactString>,
    /// The mark price.
    #[serde(default, rename = "p", deserialize_with = "scalar::decimal")]
    pub mark: Option<Price>,
    /// The present funding rate; empty on contracts without funding.
    #[serde(default, rename = "r", deserialize_with = "scalar::decimal")]
    pub funding_rate: Option<Factor>,
    /// When funding is booked next.
    #[serde(default, rename = "T", deserialize_with = "scalar::instant")]
    pub next_funding: Option<VenueMillis>,
    /// 1 for contracts margined in stable coins, 2 for those margined in the coin itself.
    #[serde(default, rename = "st", deserialize_with = "scalar::whole")]
    pub product: Option<i64>,
}
