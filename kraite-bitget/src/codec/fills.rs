//! Trades, and what they cost in quote currency.

use compact_str::CompactString;
use kraite_core::exchange::{ReportedId, Side, Trade};
use kraite_core::id::{Symbol, TradeId, VenueOrderId};
use kraite_core::number::{Factor, Notional, Price, Qty};
use kraite_core::time::VenueMillis;

use super::ids::regular_id;
use super::interpret::{Asked, Interpreter, Unmapped, positive, symbol_of};
use super::reply::{FeePart, classic, unified};
use super::way::{Convention, Way, side_of, way_of};
use super::word::{TradeScope, TradeSide};

/// A trade of the account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fill {
    /// Whose trade.
    pub order: VenueOrderId,
    /// The id that order was placed under, where the venue says so.
    pub client_id: Option<CompactString>,
    /// On which contract.
    pub symbol: Symbol,
    /// Buy or sell.
    pub side: Side,
    /// The trade.
    pub trade: Trade,
    /// When.
    pub at: VenueMillis,
}

impl Interpreter {
    /// A trade of the classic API.
    ///
    /// # Errors
    ///
    /// [`Unmapped`] where a part of it is missing.
    pub fn classic_fill(&self, row: &classic::FillRow) -> Result<Fill, Unmapped> {
        let symbol = symbol_of(row.symbol.as_deref(), None)?;
        let way = Way {
            side: row.side.as_ref(),
            position: None,
            hold: row.hold_mode.as_ref(),
            closes: row.trade_side.as_ref().and_then(TradeSide::closes),
            reduce_only: false,
            convention: Convention::Position,
        };
        let trade = self.trade(
            &symbol,
            (row.trade_id.as_deref(), row.price, row.qty),
            classic_fees(&row.fees),
            row.scope.as_ref(),
        )?;
        let (side, _) = way_of(way, &ReportedId::Foreign(CompactString::default()), Asked::at(VenueMillis(0)))?;
        Ok(Fill {
            order: regular_id(row.order_id.as_deref().ok_or(Unmapped::Missing("orderId"))?),
            client_id: None,
            symbol,
            side,
            trade,
            at: row.created.ok_or(Unmapped::Missing("cTime"))?,
        })
    }

    /// A trade of the unified API.
    ///
    /// # Errors
    ///
    /// [`Unmapped`] where a part of it is missing.
    pub fn unified_fill(&self, row: &unified::FillRow) -> Result<Fill, Unmapped> {
        let symbol = symbol_of(row.symbol.as_deref(), None)?;
        let trade = self.trade(
            &symbol,
            (row.trade_id.as_deref(), row.price, row.qty),
            unified_fees(&row.fees),
            row.scope.as_ref(),
        )?;
        Ok(Fill {
            order: regular_id(row.order_id.as_deref().ok_or(Unmapped::Missing("orderId"))?),
            client_id: row.client_id.clone(),
            symbol,
            side: side_of(row.side.as_ref(), None)?,
            trade,
            at: row.created.ok_or(Unmapped::Missing("createdTime"))?,
        })
    }

    pub(crate) fn trade<'a>(
        &self,
        symbol: &Symbol,
        (id, price, qty): (Option<&str>, Option<Price>, Option<Qty>),
        costs: impl IntoIterator<Item = (Option<&'a str>, Option<Notional>)>,
        scope: Option<&TradeScope>,
    ) -> Result<Trade, Unmapped> {
        let id = id.ok_or(Unmapped::Missing("trade id"))?;
        let qty = positive(qty, Qty::is_positive).ok_or(Unmapped::Missing("trade quantity"))?;
        let price = positive(price, Price::is_positive).ok_or(Unmapped::Missing("trade price"))?;
        let mut fee = Notional::ZERO;
        for (coin, cost) in costs {
            let part = self.fee(symbol, coin, cost, price, qty, scope);
            fee = fee.checked_add(part).map_err(|_| Unmapped::Contradiction("a fee beyond any sum"))?;
        }
        Ok(Trade { id: TradeId(id.into()), qty, price, fee })
    }

    /// A cost in quote currency. One in another currency is valued at the rate of the contract: the core counts in quote
    /// currency, and rather too much than too little.
    fn fee(
        &self,
        symbol: &Symbol,
        coin: Option<&str>,
        cost: Option<Notional>,
        price: Price,
        qty: Qty,
        scope: Option<&TradeScope>,
    ) -> Notional {
        let Some(cost) = cost else { return Notional::ZERO };
        if cost.is_zero() || coin.is_none_or(|coin| is_quote(symbol, coin)) {
            return cost;
        }
        let (maker, taker) = self.fees.get(symbol).copied().unwrap_or_else(regular_fees);
        let rate = if scope == Some(&TradeScope::Maker) { maker } else { taker };
        price.checked_mul(qty).and_then(|paid| paid.scaled_by(rate)).unwrap_or_default()
    }
}

/// The rates of the regular tier.
fn regular_fees() -> (Factor, Factor) {
    let rate = |units| Factor::from_units(units, 4).unwrap_or_default();
    (rate(2), rate(6))
}

/// Contracts are named after their quote currency, but for those in USDC.
fn is_quote(symbol: &Symbol, coin: &str) -> bool {
    let symbol = symbol.as_str();
    if symbol.ends_with("PERP") { coin.eq_ignore_ascii_case("USDC") } else { symbol.ends_with(&coin.to_uppercase()) }
}

/// The costs of a classic trade, which are told as what they do to the balance.
pub(crate) fn classic_fees(parts: &[FeePart]) -> impl Iterator<Item = (Option<&str>, Option<Notional>)> {
    parts.iter().map(|part| (part.coin.as_deref(), part.total.or(part.fee).map(Notional::negated)))
}

/// The costs of a unified trade.
pub(crate) fn unified_fees(parts: &[FeePart]) -> impl Iterator<Item = (Option<&str>, Option<Notional>)> {
    parts.iter().map(|part| (part.coin.as_deref(), part.fee.or(part.total)))
}
