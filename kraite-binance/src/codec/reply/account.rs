//! Positions, balances, configuration, fees, rights, listen keys.

use compact_str::CompactString;
use kraite_core::number::{Factor, Notional, Price, Qty};
use kraite_core::time::VenueMillis;
use secrecy::SecretString;
use serde::Deserialize;

use crate::codec::scalar;
use crate::codec::word::PositionSide;

/// One row of positionRisk. A contract that is not listed is flat.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PositionRow {
    /// On which contract.
    #[serde(default, deserialize_with = "scalar::text")]
    pub symbol: Option<CompactString>,
    /// Which side.
    #[serde(default)]
    pub position_side: Option<PositionSide>,
    /// How much; negative for a short, in hedge mode too.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub position_amt: Option<Qty>,
    /// The average entry.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub entry_price: Option<Price>,
    /// The mark price.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub mark_price: Option<Price>,
    /// Where it would be liquidated; zero where nowhere.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub liquidation_price: Option<Price>,
    /// When it changed last; zero where never.
    #[serde(default, deserialize_with = "scalar::instant")]
    pub update_time: Option<VenueMillis>,
}

/// One row of the income.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IncomeRow {
    /// On which contract.
    #[serde(default, deserialize_with = "scalar::text")]
    pub symbol: Option<CompactString>,
    /// What it is.
    #[serde(default, deserialize_with = "scalar::text")]
    pub income_type: Option<CompactString>,
    /// How much; negative is paid.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub income: Option<Notional>,
    /// Unique with its kind.
    #[serde(default, deserialize_with = "scalar::whole")]
    pub tran_id: Option<i64>,
    /// When.
    #[serde(default, deserialize_with = "scalar::instant")]
    pub time: Option<VenueMillis>,
}

/// One row of the balances.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BalanceRow {
    /// The currency; BNFCR on European accounts.
    #[serde(default, deserialize_with = "scalar::text")]
    pub asset: Option<CompactString>,
    /// The wallet balance, as `balance` says.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub balance: Option<Notional>,
    /// The wallet balance, as `account` says.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub wallet_balance: Option<Notional>,
    /// Free for new positions.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub available_balance: Option<Notional>,
}

/// The account as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountReply {
    /// Wallet balance, in USDT or, with several assets as margin, in USD.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub total_wallet_balance: Option<Notional>,
    /// Wallet and what is not realised.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub total_margin_balance: Option<Notional>,
    /// The margin below which positions are liquidated.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub total_maint_margin: Option<Notional>,
    /// Free for new positions.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub available_balance: Option<Notional>,
    /// By currency.
    #[serde(default, deserialize_with = "scalar::list")]
    pub assets: Vec<BalanceRow>,
}

/// The reply to a change of the leverage.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeverageReply {
    /// What it is now.
    #[serde(default, deserialize_with = "scalar::whole")]
    pub leverage: Option<i64>,
    /// On which contract.
    #[serde(default, deserialize_with = "scalar::text")]
    pub symbol: Option<CompactString>,
    /// The largest position at that leverage.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub max_notional_value: Option<Notional>,
}

/// The reply to a change of margin type or position mode, and to ending a listen key (which is empty).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct CodeReply {
    /// 200 where it was done.
    #[serde(default, deserialize_with = "scalar::whole")]
    pub code: Option<i64>,
    /// The venue's words.
    #[serde(default, deserialize_with = "scalar::text")]
    pub msg: Option<CompactString>,
}

/// How the account nets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModeReply {
    /// True for hedge mode.
    #[serde(default, deserialize_with = "scalar::truth")]
    pub dual_side_position: Option<bool>,
}

/// The account's fees on a contract.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommissionReply {
    /// Of resting fills.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub maker_commission_rate: Option<Factor>,
    /// Of taking fills.
    #[serde(default, deserialize_with = "scalar::decimal")]
    pub taker_commission_rate: Option<Factor>,
}

/// What a key may do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestrictionsReply {
    /// Bound to addresses.
    #[serde(default, deserialize_with = "scalar::truth")]
    pub ip_restrict: Option<bool>,
    /// May trade futures.
    #[serde(default, deserialize_with = "scalar::truth")]
    pub enable_futures: Option<bool>,
    /// May withdraw.
    #[serde(default, deserialize_with = "scalar::truth")]
    pub enable_withdrawals: Option<bool>,
    /// May move money between accounts of one owner.
    #[serde(default, deserialize_with = "scalar::truth")]
    pub enable_internal_transfer: Option<bool>,
    /// May move money between products and accounts.
    #[serde(default, deserialize_with = "scalar::truth")]
    pub permits_universal_transfer: Option<bool>,
}

/// A listen key. Who holds it reads the account's stream, so it is a secret.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenKeyReply {
    /// The key; missing where there is none to tell.
    #[serde(default, deserialize_with = "secret")]
    pub listen_key: Option<SecretString>,
}

pub(crate) fn secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<SecretString>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    Ok(text.filter(|text| !text.is_empty()).map(SecretString::from))
}
