//! Orders, strategies, trades and positions as the unified API shows them, in answers and in pushes.
//!
//! Source of the fields: the page of each call and channel, and captured rows.

use kraite_core::exchange::{OrderShape, ReportStatus, TriggerBy};
use serde_json::{Value, json};

use super::classic_rows::{margin_word, merge, trade_number};
use super::holdings::Holding;
use super::state::{State, Strategy, direction_word, name_of, side_word, wire_id};
use super::text;
use crate::venue::{OrderObject, TradeRecord};

/// The status of a regular order.
pub(super) const fn status_word(status: ReportStatus) -> &'static str {
    match status {
        ReportStatus::New => "new",
        ReportStatus::PartiallyFilled => "partially_filled",
        ReportStatus::Filled | ReportStatus::Triggered => "filled",
        ReportStatus::Cancelled | ReportStatus::Expired | ReportStatus::Rejected => "cancelled",
    }
}

const fn trigger_word(by: TriggerBy) -> &'static str {
    match by {
        TriggerBy::Mark => "mark",
        TriggerBy::Last => "market",
    }
}

const fn is_stop(object: &OrderObject) -> bool {
    matches!(object.shape, OrderShape::StopMarket { .. })
}

impl State {
    /// A regular order.
    pub(super) fn unified_order(&self, object: &OrderObject) -> Value {
        let Some(contract) = self.contract_for(object) else { return Value::Null };
        let settings = self.settings_of(object);
        let is_market = matches!(object.shape, OrderShape::Market { .. });
        let average = object.average().unwrap_or_default();
        let exec_type = if matches!(object.owner, crate::venue::Owner::Venue(_)) { "liquidation" } else { "normal" };
        json!({
            "orderId": wire_id(object).to_string(), "clientOid": name_of(object), "category": "USDT-FUTURES",
            "symbol": object.symbol.as_str(), "orderType": if is_market { "market" } else { "limit" },
            "side": side_word(object.side),
            "price": if is_market { String::new() } else { text::price(contract, object.shape.price().unwrap_or_default()) },
            "qty": text::qty(contract, object.shape.qty().unwrap_or_default()), "amount": "",
            "cumExecQty": text::qty(contract, object.executed), "cumExecValue": text::money(object.cost),
            "avgPrice": if average.is_zero() { String::new() } else { text::entry(average) },
            "timeInForce": self.tif_word(object), "orderStatus": status_word(object.status),
            "posSide": self.position_word(object), "holdMode": self.mode_word(),
            "tradeSide": self.trade_side(object), "reduceOnly": self.reduce_only(object),
            "marginMode": margin_word(settings.margin_mode), "stpMode": "none", "takeProfit": "", "stopLoss": "",
            "feeDetail": [{ "feeCoin": "USDT", "fee": text::money(object.fees) }],
            "cancelReason": self.reason(object), "execType": exec_type, "delegateType": self.source(object),
            "createdTime": object.created_at.0.to_string(), "updatedTime": object.changed_at.0.to_string(),
        })
    }

    /// A regular order as the channel tells it: the product in lower case, and the position by another name.
    pub(super) fn unified_pushed_order(&self, object: &OrderObject) -> Value {
        let mut row = self.unified_order(object);
        let settings = self.settings_of(object);
        let more = json!({
            "category": "usdt-futures", "holdSide": self.position_word(object), "marginCoin": "USDT",
            "leverage": settings.leverage.to_string(), "totalProfit": "0",
        });
        merge(&mut row, more);
        if let Some(fields) = row.as_object_mut() {
            fields.remove("posSide");
            fields.remove("execType");
        }
        row
    }

    /// A trade; costs are positive here.
    pub(super) fn unified_fill(&self, trade: &TradeRecord) -> Option<Value> {
        let contract = self.contract(&trade.symbol)?;
        let object = self.venue.object(trade.object)?;
        let worth = trade.price.checked_mul(trade.qty).unwrap_or_default();
        let number = trade_number(trade);
        Some(json!({
            "execId": number, "execLinkId": number, "orderId": wire_id(object).to_string(),
            "clientOid": name_of(object), "category": "USDT-FUTURES", "symbol": trade.symbol.as_str(),
            "orderType": if matches!(object.shape, OrderShape::Market { .. }) { "market" } else { "limit" },
            "side": side_word(trade.side), "execPrice": text::price(contract, trade.price),
            "execQty": text::qty(contract, trade.qty), "execValue": text::money(worth),
            "tradeScope": if trade.maker { "maker" } else { "taker" }, "tradeSide": self.trade_side(object),
            "feeDetail": [{ "feeCoin": "USDT", "fee": text::money(trade.fee) }],
            "createdTime": trade.at.0.to_string(), "updatedTime": trade.at.0.to_string(),
            "execPnl": text::money(trade.realized), "isRPI": "no",
        }))
    }

    /// A trade as the channel tells it.
    pub(super) fn unified_pushed_fill(&self, trade: &TradeRecord) -> Option<Value> {
        let object = self.venue.object(trade.object)?;
        let mut row = self.unified_fill(trade)?;
        let more = json!({
            "category": "usdt-futures", "holdSide": self.position_word(object), "execTime": trade.at.0.to_string(),
        });
        merge(&mut row, more);
        Some(row)
    }

    /// The legs of a strategy that the venue still knows.
    pub(super) fn legs(&self, strategy: &Strategy) -> Vec<&OrderObject> {
        strategy.legs.iter().filter_map(|id| self.venue.object(*id)).collect()
    }

    /// Whether a strategy waits for its triggers.
    pub(super) fn waits(&self, strategy: &Strategy) -> bool {
        self.legs(strategy).iter().any(|leg| leg.is_open())
    }

    /// A strategy, whether it waits or ended.
    pub(super) fn strategy_row(&self, number: u64, strategy: &Strategy) -> Value {
        let legs = self.legs(strategy);
        let Some(first) = legs.first().copied() else { return Value::Null };
        let Some(contract) = self.contract_for(first) else { return Value::Null };
        let fired = legs.iter().copied().find(|leg| leg.status == ReportStatus::Triggered);
        let failed = legs.iter().any(|leg| leg.status == ReportStatus::Rejected);
        let status = match (fired, failed) {
            (Some(_), _) => "success",
            (None, true) => "failed",
            (None, false) if self.waits(strategy) => "pending",
            (None, false) => "cancelled",
        };
        let leg = |stop: bool| legs.iter().copied().rfind(|leg| is_stop(leg) == stop);
        let opens = first.purpose == kraite_core::exchange::Purpose::Open;
        let price = |stop: bool| {
            let trigger = leg(stop).filter(|_| !opens).and_then(OrderObject::trigger);
            trigger.map_or_else(String::new, |(price, _)| text::price(contract, price))
        };
        let by = |stop: bool| {
            let trigger = leg(stop).filter(|_| !opens).and_then(OrderObject::trigger);
            trigger.map_or("", |(_, by)| trigger_word(by))
        };
        let kind = |stop: bool| if leg(stop).is_some_and(|_| !opens) { "market" } else { "" };
        let qty = first.shape.qty();
        let changed = legs.iter().map(|leg| leg.changed_at.0).max().unwrap_or_default();
        let mut row = json!({
            "orderId": number.to_string(), "clientOid": strategy.name.as_str(), "category": "USDT-FUTURES",
            "symbol": first.symbol.as_str(), "qty": qty.map_or_else(String::new, |qty| text::qty(contract, qty)),
            "posSide": if self.is_hedged() { direction_word(first.direction) } else { "net" },
            "side": side_word(first.side), "reduceOnly": self.reduce_only(first),
            "type": if opens { "trigger" } else { "tpsl" },
            "tpslMode": if qty.is_some() { "partial" } else { "full" }, "status": status,
            "tpTriggerBy": by(false), "slTriggerBy": by(true), "takeProfit": price(false), "stopLoss": price(true),
            "tpOrderType": kind(false), "slOrderType": kind(true), "tpLimitPrice": "", "slLimitPrice": "",
            "triggerBy": "", "triggerPrice": "", "triggerOrderType": "", "triggerOrderPrice": "",
            "createdTime": first.created_at.0.to_string(), "updatedTime": changed.to_string(),
        });
        if let Some(fired) = fired {
            row["triggerType"] = if is_stop(fired) { "stopLoss" } else { "takeProfit" }.into();
        }
        if let (true, Some((trigger, by))) = (opens, first.trigger()) {
            let more = json!({
                "triggerBy": trigger_word(by), "triggerPrice": text::price(contract, trigger),
                "triggerOrderType": "market",
            });
            merge(&mut row, more);
        }
        row
    }

    /// A strategy as the channel tells it.
    pub(super) fn pushed_strategy(&self, object: &OrderObject) -> Value {
        let own = Strategy { name: name_of(object).into(), legs: vec![object.id] };
        let (number, strategy) = self.strategy_of(object.id).unwrap_or((wire_id(object), &own));
        let mut row = self.strategy_row(number, strategy);
        row["category"] = "usdt-futures".into();
        row
    }

    /// A position as the call shows it.
    pub(super) fn unified_position(&self, holding: &Holding) -> Value {
        let Some(contract) = self.contract(&holding.symbol) else { return Value::Null };
        let locked = self.locked(holding);
        let liquidation = self.liquidation_price(holding);
        let (opened, changed) = self.position_times(holding);
        json!({
            "category": "USDT-FUTURES", "symbol": holding.symbol.as_str(), "marginCoin": "USDT",
            "holdMode": self.mode_word(), "posSide": direction_word(holding.direction),
            "marginMode": margin_word(holding.settings.margin_mode), "positionBalance": text::money(holding.initial),
            "available": text::qty(contract, holding.qty.checked_sub(locked).unwrap_or_default()),
            "frozen": text::qty(contract, locked), "total": text::qty(contract, holding.qty),
            "leverage": holding.settings.leverage.to_string(), "curRealisedPnl": "0",
            "avgPrice": text::entry(holding.entry), "positionStatus": "normal",
            "unrealisedPnl": text::money(holding.unrealized),
            "liquidationPrice": if liquidation.is_zero() { "0".into() } else { text::price(contract, liquidation) },
            "mmr": "0.004", "profitRate": "0", "markPrice": text::price(contract, holding.mark),
            "breakEvenPrice": text::entry(holding.break_even(contract)), "totalFunding": "0", "openFeeTotal": "0",
            "closeFeeTotal": "0", "createdTime": opened.to_string(), "updatedTime": changed.to_string(),
        })
    }

    /// A position as the channel tells it: once more with nothing when it ended, and without a product.
    pub(super) fn unified_pushed_position(&self, holding: &Holding) -> Value {
        let mut row = self.unified_position(holding);
        let size = row["total"].clone();
        let ended = holding.qty.is_zero();
        let more = json!({
            "size": if ended { "0".into() } else { size }, "marginSize": row["positionBalance"],
            "liqPrice": row["liquidationPrice"], "totalFundingFee": "0",
            "positionStatus": if ended { "ended" } else { "opening" },
        });
        merge(&mut row, more);
        if let Some(fields) = row.as_object_mut() {
            for name in ["category", "total", "positionBalance", "liquidationPrice", "totalFunding"] {
                fields.remove(name);
            }
        }
        row
    }

    /// The account as the channel tells it.
    pub(super) fn unified_pushed_account(&self) -> Value {
        let totals = self.totals();
        let balance = text::money(totals.balance());
        json!({
            "totalEquity": balance, "effEquity": balance, "unrealisedPnL": text::money(totals.unrealized),
            "imr": text::money(totals.initial()), "mmr": text::money(totals.maintenance),
            "mgnRatio": self.margin_ratio(), "positionMgnRatio": self.margin_ratio(), "bonus": "0",
            "coin": [{
                "coin": "USDT", "equity": balance, "balance": text::money(totals.wallet),
                "available": text::money(totals.available), "locked": text::money(totals.orders), "borrow": "0",
                "debts": "0", "usdValue": balance,
            }],
        })
    }
}
