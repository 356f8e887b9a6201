//! Orders and trades as replies show them.
//!
//! Source of the fields: "New Order", "Query Order", "New Algo Order", "Query Algo Order", "Account Trade List".

use kraite_core::exchange::{OrderShape, Purpose, ReportStatus, Side, TriggerBy};
use kraite_core::number::Price;
use serde_json::{Map, Value, json};

use super::common::Tif;
use super::listing::Contract;
use super::state::{State, name_of, wire_id};
use super::text;
use crate::venue::{OrderObject, TradeRecord};

/// How much a row of an order says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The reply to a placement that asked for no result: new, nothing filled.
    Ack,
    /// The reply to a placement, change or cancellation. Without averages since July 2026.
    Result,
    /// The answer to a question, with averages and the time of placing.
    Query,
}

/// BUY or SELL.
pub(super) const fn side_word(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

/// The status of an order of the book.
pub(super) const fn status_word(status: ReportStatus) -> &'static str {
    match status {
        ReportStatus::New => "NEW",
        ReportStatus::PartiallyFilled => "PARTIALLY_FILLED",
        ReportStatus::Filled | ReportStatus::Triggered => "FILLED",
        ReportStatus::Cancelled => "CANCELED",
        ReportStatus::Expired => "EXPIRED",
        ReportStatus::Rejected => "REJECTED",
    }
}

/// How long an order may stay.
pub(super) const fn tif_word(tif: Tif) -> &'static str {
    match tif {
        Tif::Gtc => "GTC",
        Tif::Ioc => "IOC",
        Tif::Fok => "FOK",
        Tif::PostOnly => "GTX",
    }
}

/// The kind of an order.
pub(super) const fn type_word(shape: &OrderShape) -> &'static str {
    match shape {
        OrderShape::Market { .. } => "MARKET",
        OrderShape::Limit { .. } => "LIMIT",
        OrderShape::StopMarket { .. } => "STOP_MARKET",
        OrderShape::TakeProfitMarket { .. } => "TAKE_PROFIT_MARKET",
    }
}

const fn working_word(by: TriggerBy) -> &'static str {
    match by {
        TriggerBy::Mark => "MARK_PRICE",
        TriggerBy::Last => "CONTRACT_PRICE",
    }
}

impl State {
    /// The trigger order an order came from, if it came from one.
    pub(super) fn parent(&self, object: &OrderObject) -> Option<&OrderObject> {
        self.venue.object(object.parent?)
    }

    /// BOTH, LONG or SHORT.
    pub(super) fn position_side(&self, object: &OrderObject) -> &'static str {
        if self.is_hedged() { direction_word(object.direction) } else { "BOTH" }
    }

    /// Whether an order shows the reduce-only flag, which hedge mode does not have.
    pub(super) fn is_reduce_only(&self, object: &OrderObject) -> bool {
        !self.is_hedged() && object.purpose == Purpose::Close
    }

    /// Trigger price, and which price is watched, of an order or of the one it came from.
    pub(super) fn trigger_of(&self, object: &OrderObject) -> (Price, &'static str) {
        let trigger = object.trigger().or_else(|| self.parent(object)?.trigger());
        trigger.map_or((Price::ZERO, "CONTRACT_PRICE"), |(price, by)| (price, working_word(by)))
    }

    /// An order of the book.
    pub(super) fn order_row(&self, object: &OrderObject, form: Form) -> Value {
        let Some(contract) = self.contract(&object.symbol) else { return Value::Null };
        let parent = self.parent(object);
        let limit = match object.shape {
            OrderShape::Limit { price, .. } => price,
            _ => Price::ZERO,
        };
        let (stop, working) = self.trigger_of(object);
        let (status, executed) = match form {
            Form::Ack => ("NEW", kraite_core::number::Qty::ZERO),
            Form::Result | Form::Query => (status_word(object.status), object.executed),
        };
        let mut row = json!({
            "orderId": wire_id(object),
            "symbol": object.symbol.as_str(),
            "pair": object.symbol.as_str(),
            "status": status,
            "clientOrderId": name_of(object),
            "price": text::price(contract, limit),
            "origQty": text::qty(contract, object.shape.qty().unwrap_or_default()),
            "executedQty": text::qty(contract, executed),
            "timeInForce": tif_word(self.tifs.get(&object.id).copied().unwrap_or_default()),
            "type": type_word(&object.shape),
            "origType": type_word(parent.map_or(&object.shape, |parent| &parent.shape)),
            "reduceOnly": self.is_reduce_only(object),
            "closePosition": parent.is_some_and(OrderObject::is_close_position),
            "side": side_word(object.side),
            "positionSide": self.position_side(object),
            "stopPrice": text::price(contract, stop),
            "workingType": working,
            "priceProtect": false,
            "priceMatch": "NONE",
            "selfTradePreventionMode": "EXPIRE_MAKER",
            "goodTillDate": 0,
            "updateTime": object.changed_at.0,
        });
        if let Some(fields) = row.as_object_mut() {
            match form {
                Form::Ack | Form::Result => {
                    fields.insert("cumQty".into(), text::qty(contract, executed).into());
                }
                Form::Query => {
                    averages(fields, object, contract);
                    fields.insert("time".into(), object.created_at.0.into());
                }
            }
        }
        row
    }

    /// A conditional order.
    pub(super) fn algo_row(&self, object: &OrderObject) -> Value {
        let Some(contract) = self.contract(&object.symbol) else { return Value::Null };
        let (trigger, working) = self.trigger_of(object);
        let child = object.child.and_then(|id| self.venue.object(id));
        let qty = object.shape.qty().map(|qty| text::qty(contract, qty));
        let mut row = json!({
            "algoId": wire_id(object),
            "clientAlgoId": name_of(object),
            "algoType": "CONDITIONAL",
            "orderType": type_word(&object.shape),
            "symbol": object.symbol.as_str(),
            "side": side_word(object.side),
            "positionSide": self.position_side(object),
            "timeInForce": "GTC",
            "quantity": qty.unwrap_or_else(|| "0".into()),
            "algoStatus": algo_status(object, child),
            "actualOrderId": child.map_or_else(String::new, |child| wire_id(child).to_string()),
            "actualPrice": text::average(contract, child.and_then(OrderObject::average).unwrap_or_default()),
            "triggerPrice": text::price(contract, trigger),
            "price": text::price(contract, Price::ZERO),
            "icebergQuantity": null,
            "tpTriggerPrice": "0.000", "tpPrice": "0.000", "slTriggerPrice": "0.000", "slPrice": "0.000",
            "tpOrderType": "",
            "selfTradePreventionMode": "EXPIRE_MAKER",
            "workingType": working,
            "priceMatch": "NONE",
            "closePosition": object.is_close_position(),
            "priceProtect": false,
            "reduceOnly": self.is_reduce_only(object) && !object.is_close_position(),
            "createTime": object.created_at.0,
            "updateTime": object.changed_at.0,
            "triggerTime": child.map_or(0, |child| child.created_at.0),
            "goodTillDate": 0,
        });
        if let (Some(fields), Some(child)) = (row.as_object_mut(), child) {
            fields.insert("actualQty".into(), text::qty(contract, child.executed).into());
            fields.insert("actualType".into(), type_word(&child.shape).into());
        }
        row
    }

    /// A trade of the account.
    pub(super) fn trade_row(&self, trade: &TradeRecord) -> Option<Value> {
        let contract = self.contract(&trade.symbol)?;
        let object = self.venue.object(trade.object)?;
        let quote = trade.price.checked_mul(trade.qty).unwrap_or_default();
        Some(json!({
            "symbol": trade.symbol.as_str(),
            "pair": trade.symbol.as_str(),
            "id": trade.id.as_str().parse::<u64>().unwrap_or_default(),
            "orderId": wire_id(object),
            "side": side_word(trade.side),
            "price": text::price(contract, trade.price),
            "qty": text::qty(contract, trade.qty),
            "baseQty": text::qty(contract, trade.qty),
            "quoteQty": text::money(quote),
            "realizedPnl": text::money(trade.realized),
            "commission": text::money(trade.fee),
            "commissionAsset": "USDT",
            "marginAsset": "USDT",
            "positionSide": if self.is_hedged() { direction_word(trade.direction) } else { "BOTH" },
            "buyer": trade.side == Side::Buy,
            "maker": trade.maker,
            "time": trade.at.0,
        }))
    }
}

/// LONG or SHORT.
pub(super) const fn direction_word(direction: kraite_core::exchange::Direction) -> &'static str {
    match direction {
        kraite_core::exchange::Direction::Long => "LONG",
        kraite_core::exchange::Direction::Short => "SHORT",
    }
}

/// The status of a conditional order: what its child came to counts once it has one.
pub(super) const fn algo_status(object: &OrderObject, child: Option<&OrderObject>) -> &'static str {
    match object.status {
        ReportStatus::New | ReportStatus::PartiallyFilled => "NEW",
        ReportStatus::Cancelled => "CANCELED",
        ReportStatus::Expired => "EXPIRED",
        ReportStatus::Rejected => "REJECTED",
        ReportStatus::Triggered | ReportStatus::Filled => match child {
            Some(child) if child.is_open() => "TRIGGERED",
            Some(_) | None => "FINISHED",
        },
    }
}

fn averages(fields: &mut Map<String, Value>, object: &OrderObject, contract: &Contract) {
    fields.insert("avgPrice".into(), text::average(contract, object.average().unwrap_or_default()).into());
    fields.insert("cumQuote".into(), text::money(object.cost).into());
    fields.insert("cumBase".into(), text::qty(contract, object.executed).into());
}
