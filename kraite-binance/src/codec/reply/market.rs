//! Clock and mark price.

use compact_str::CompactString;
use kraite_core::number::{Factor, Price};
use kraite_core::time::VenueMillis;
use serde::Deserialize;

use crate::codec::scalar;

/// The venue's clock.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimeReply {
    /// Now.
    #[serde(default, deserialize_with = "scalar::instant")]
    pub server_time: Option<VenueMillis>,
}

/// The mark price of a contract.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PremiumReply {
    /// On which contract.
    #[serde(default, deserialize_with = "scalar::text")]
    pub symbol: Option<CompactString>,
    /// The mark price.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub mark_price: Option<Price>,
    /// The present funding rate.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub last_funding_rate: Option<Factor>,
    /// When funding is booked next.
    #[serde(default, deserialize_with = "scalar::instant")]
    pub next_funding_time: Option<VenueMillis>,
    /// When this was so.
    #[serde(default, deserialize_with = "scalar::instant")]
    pub time: Option<VenueMillis>,
}
