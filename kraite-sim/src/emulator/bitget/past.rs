//! Positions that have ended, put together from their trades and the funding of their time.

use std::collections::BTreeMap;

use kraite_core::exchange::{Direction, Payment};
use kraite_core::id::Symbol;
use kraite_core::number::{ArithmeticError, Notional, Qty};
use serde_json::{Value, json};

use super::super::text;
use super::state::{State, direction_word, number_of};
use crate::venue::TradeRecord;

/// One life of a position, from its first trade to the one that left nothing.
#[derive(Debug, Clone)]
pub(super) struct Past {
    pub(super) symbol: Symbol,
    direction: Direction,
    opened_at: i64,
    pub(super) ended_at: i64,
    open: Qty,
    opened: (Qty, Notional),
    closed: (Qty, Notional),
    fees: (Notional, Notional),
    pnl: Notional,
    funding: Notional,
    /// Of the trade that ended it.
    pub(super) number: u64,
}

impl Past {
    fn take(&mut self, trade: &TradeRecord) -> Result<(), ArithmeticError> {
        let cost = trade.price.checked_mul(trade.qty)?;
        let opens = trade.side == trade.direction.opening_side();
        let (sum, fees) =
            if opens { (&mut self.opened, &mut self.fees.0) } else { (&mut self.closed, &mut self.fees.1) };
        *sum = (sum.0.checked_add(trade.qty)?, sum.1.checked_add(cost)?);
        *fees = fees.checked_sub(trade.fee)?;
        self.open = if opens { self.open.checked_add(trade.qty)? } else { self.open.checked_sub(trade.qty)? };
        self.pnl = self.pnl.checked_add(trade.realized)?;
        self.ended_at = trade.at.0;
        self.number = number_of(trade.id.as_str().parse().unwrap_or_default());
        Ok(())
    }

    fn pay(&mut self, payments: impl Iterator<Item = Payment>) {
        let within = payments.filter(|payment| (self.opened_at..=self.ended_at).contains(&payment.at.0));
        let sum = within.map(|payment| payment.amount).try_fold(Notional::ZERO, |sum, one| sum.checked_add(one));
        self.funding = sum.unwrap_or_default();
    }
}

impl State {
    /// Every position that has ended, the latest first.
    pub(super) fn past(&self) -> Vec<Past> {
        let mut open: BTreeMap<(Symbol, Direction), Past> = BTreeMap::new();
        let mut ended = Vec::new();
        for trade in self.venue.trades().filter(|trade| trade.account == self.account) {
            let key = (trade.symbol.clone(), trade.direction);
            let past = open.entry(key.clone()).or_insert_with(|| Past {
                symbol: trade.symbol.clone(),
                direction: trade.direction,
                opened_at: trade.at.0,
                ended_at: trade.at.0,
                open: Qty::ZERO,
                opened: (Qty::ZERO, Notional::ZERO),
                closed: (Qty::ZERO, Notional::ZERO),
                fees: (Notional::ZERO, Notional::ZERO),
                pnl: Notional::ZERO,
                funding: Notional::ZERO,
                number: 0,
            });
            if past.take(trade).is_err() || past.open.is_zero() {
                ended.extend(open.remove(&key));
            }
        }
        if let Some(account) = self.venue.account(self.account) {
            for past in &mut ended {
                let (symbol, direction) = (past.symbol.clone(), past.direction);
                past.pay(account.paid_on(&symbol, direction));
            }
        }
        ended.reverse();
        ended
    }

    /// A past position as both APIs tell it, each with its own names.
    pub(super) fn past_position(&self, past: &Past, classic: bool) -> Value {
        let Some(contract) = self.contract(&past.symbol) else { return Value::Null };
        let average = |(qty, cost): (Qty, Notional)| text::entry(cost.checked_div_qty(qty).unwrap_or_default());
        let net = [past.fees.0, past.fees.1, past.funding]
            .into_iter()
            .try_fold(past.pnl, |sum, part| sum.checked_add(part))
            .unwrap_or_default();
        let (opened, closed) = (text::qty(contract, past.opened.0), text::qty(contract, past.closed.0));
        let (open_fee, close_fee) = (text::money(past.fees.0), text::money(past.fees.1));
        let (side, pnl) = (direction_word(past.direction), text::money(past.pnl));
        if classic {
            return json!({
                "positionId": past.number.to_string(), "symbol": past.symbol.as_str(), "marginCoin": "USDT",
                "holdSide": side, "posMode": self.mode_word(), "openAvgPrice": average(past.opened),
                "closeAvgPrice": average(past.closed), "marginMode": "crossed", "openTotalPos": opened,
                "closeTotalPos": closed, "pnl": pnl, "netProfit": text::money(net),
                "totalFunding": text::money(past.funding), "openFee": open_fee, "closeFee": close_fee,
                "ctime": past.opened_at.to_string(), "utime": past.ended_at.to_string(),
            });
        }
        json!({
            "positionId": past.number.to_string(), "category": "USDT-FUTURES", "symbol": past.symbol.as_str(),
            "marginCoin": "USDT", "holdMode": self.mode_word(), "posSide": side, "marginMode": "crossed",
            "openPriceAvg": average(past.opened), "closePriceAvg": average(past.closed), "openTotalPos": opened,
            "closeTotalPos": closed, "cumRealisedPnl": pnl, "netProfit": text::money(net),
            "totalFunding": text::money(past.funding), "openFeeTotal": open_fee, "closeFeeTotal": close_fee,
            "createdTime": past.opened_at.to_string(), "updatedTime": past.ended_at.to_string(),
        })
    }
}
