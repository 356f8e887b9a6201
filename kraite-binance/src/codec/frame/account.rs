//! ACCOUNT_UPDATE, MARGIN_CALL and listenKeyExpired.

use compact_str::CompactString;
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::time::VenueMillis;
use secrecy::SecretString;
use serde::Deserialize;

use crate::codec::reply::secret;
use crate::codec::scalar;
use crate::codec::word::{PositionSide, UpdateReason};

/// Balances or positions changed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AccountUpdate {
    /// When it was sent.
    #[serde(default, rename = "E", deserialize_with = "scalar::instant")]
    pub event_at: Option<VenueMillis>,
    /// When it happened.
    #[serde(default, rename = "T", deserialize_with = "scalar::instant")]
    pub at: Option<VenueMillis>,
    /// What changed.
    #[serde(rename = "a")]
    pub update: AccountUpdateBody,
}

/// What changed in an [`AccountUpdate`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct AccountUpdateBody {
    /// Why.
    #[serde(default, rename = "m")]
    pub reason: Option<UpdateReason>,
    /// The contract of a funding payment, since August 2026.
    #[serde(default, rename = "S", deserialize_with = "scalar::text")]
    pub symbol: Option<CompactString>,
    /// Balances.
    #[serde(default, rename = "B", deserialize_with = "scalar::list")]
    pub balances: Vec<BalanceChange>,
    /// Positions; only those that changed.
    #[serde(default, rename = "P", deserialize_with = "scalar::list")]
    pub positions: Vec<PositionChange>,
}

/// One balance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct BalanceChange {
    /// The currency.
    #[serde(default, rename = "a", deserialize_with = "scalar::text")]
    pub asset: Option<CompactString>,
    /// The wallet balance.
    #[serde(default, rename = "wb", deserialize_with = "scalar::decimal")]
    pub wallet: Option<Notional>,
    /// By how much it changed, profits and fees left out.
    #[serde(default, rename = "bc", deserialize_with = "scalar::decimal")]
    pub change: Option<Notional>,
}

/// One position.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct PositionChange {
    /// On which contract.
    #[serde(default, rename = "s", deserialize_with = "scalar::text")]
    pub symbol: Option<CompactString>,
    /// How much; negative for a short.
    #[serde(default, rename = "pa", deserialize_with = "scalar::decimal")]
    pub amount: Option<Qty>,
    /// The average entry.
    #[serde(default, rename = "ep", deserialize_with = "scalar::decimal")]
    pub entry_price: Option<Price>,
    /// Which side.
    #[serde(default, rename = "ps")]
    pub position_side: Option<PositionSide>,
}

/// Margin runs out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MarginCall {
    /// When it was sent.
    #[serde(default, rename = "E", deserialize_with = "scalar::instant")]
    pub event_at: Option<VenueMillis>,
    /// The wallet that backs cross positions.
    #[serde(default, rename = "cw", deserialize_with = "scalar::decimal")]
    pub cross_wallet: Option<Notional>,
    /// Which positions.
    #[serde(default, rename = "p", deserialize_with = "scalar::list")]
    pub positions: Vec<PositionAtRisk>,
}

/// A position in a [`MarginCall`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct PositionAtRisk {
    /// On which contract.
    #[serde(default, rename = "s", deserialize_with = "scalar::text")]
    pub symbol: Option<CompactString>,
    /// Which side.
    #[serde(default, rename = "ps")]
    pub position_side: Option<PositionSide>,
    /// How much; negative for a short.
    #[serde(default, rename = "pa", deserialize_with = "scalar::decimal")]
    pub amount: Option<Qty>,
    /// The mark price.
    #[serde(default, rename = "mp", deserialize_with = "scalar::decimal")]
    pub mark_price: Option<Price>,
    /// The margin it needs.
    #[serde(default, rename = "mm", deserialize_with = "scalar::decimal")]
    pub maintenance_margin: Option<Notional>,
}

/// A listen key that is gone.
#[derive(Debug, Deserialize)]
pub struct ExpiredKey {
    /// When; a text in the documentation, a number in practice.
    #[serde(default, rename = "E", deserialize_with = "scalar::instant")]
    pub event_at: Option<VenueMillis>,
    /// Which.
    #[serde(default, rename = "listenKey", deserialize_with = "secret")]
    pub key: Option<SecretString>,
}
