//! Positions as replies show them.
//!
//! Source of the fields: "Position Information V2/V3".

use kraite_core::number::{Notional, Price};
use serde_json::{Value, json};

use super::encode::direction_word;
use super::holdings::Holding;
use super::state::State;
use super::text;

/// What the venue states as the highest notional where nobody asked it for brackets.
const MAX_NOTIONAL: &str = "100000000";

impl State {
    /// A row of positionRisk.
    pub(super) fn position_row(&self, holding: &Holding, version: u8) -> Value {
        let Some(contract) = self.contract(&holding.symbol) else { return Value::Null };
        let side = if self.is_hedged() { direction_word(holding.direction) } else { "BOTH" };
        let isolated = if holding.is_isolated() {
            holding.isolated.checked_add(holding.unrealized).unwrap_or_default()
        } else {
            Notional::ZERO
        };
        let liquidation = if holding.qty.is_zero() { Price::ZERO } else { self.liquidation_price(holding) };
        let mut row = json!({
            "symbol": holding.symbol.as_str(),
            "positionSide": side,
            "positionAmt": text::qty(contract, holding.amount()),
            "entryPrice": text::entry(holding.entry),
            "breakEvenPrice": text::entry(holding.break_even(contract)),
            "markPrice": format!("{:.8}", holding.mark),
            "unRealizedProfit": text::money(holding.unrealized),
            "liquidationPrice": if liquidation.is_zero() { "0".into() } else { format!("{liquidation:.8}") },
            "isolatedMargin": text::money(isolated),
            "notional": text::money(holding.signed_notional()),
            "isolatedWallet": if holding.is_isolated() { text::money(holding.isolated) } else { "0".into() },
            "updateTime": holding.at,
        });
        if let Some(fields) = row.as_object_mut() {
            if version >= 3 {
                let initial = holding.initial.checked_add(holding.open_orders).unwrap_or_default();
                fields.insert("marginAsset".into(), "USDT".into());
                fields.insert("initialMargin".into(), text::money(initial).into());
                fields.insert("maintMargin".into(), text::money(holding.maintenance).into());
                fields.insert("positionInitialMargin".into(), text::money(holding.initial).into());
                fields.insert("openOrderInitialMargin".into(), text::money(holding.open_orders).into());
                fields.insert("adl".into(), 1.into());
                fields.insert("bidNotional".into(), "0".into());
                fields.insert("askNotional".into(), "0".into());
            } else {
                fields.insert("leverage".into(), holding.settings.leverage.to_string().into());
                fields.insert("maxNotionalValue".into(), MAX_NOTIONAL.into());
                let mode = if holding.is_isolated() { "isolated" } else { "cross" };
                fields.insert("marginType".into(), mode.into());
                fields.insert("isAutoAddMargin".into(), "false".into());
            }
        }
        row
    }
}
