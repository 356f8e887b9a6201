//! Orders, plans, trades and positions as the classic API shows them, in answers and in pushes.
//!
//! Source of the fields: the page of each call and channel, and captured rows.

use kraite_core::exchange::{MarginMode, OrderShape, Purpose, ReportStatus, Service, TriggerBy};
use kraite_core::number::{Notional, Price};
use serde_json::{Value, json};

use super::holdings::Holding;
use super::state::{State, direction_word, name_of, number_of, number_text, side_word, wire_id};
use super::text;
use crate::venue::{OrderObject, TradeRecord};

/// The status of a regular order.
pub(super) const fn status_word(status: ReportStatus) -> &'static str {
    match status {
        ReportStatus::New => "live",
        ReportStatus::PartiallyFilled => "partially_filled",
        ReportStatus::Filled | ReportStatus::Triggered => "filled",
        ReportStatus::Cancelled | ReportStatus::Expired | ReportStatus::Rejected => "canceled",
    }
}

/// The status of a plan.
pub(super) const fn plan_status(status: ReportStatus) -> &'static str {
    match status {
        ReportStatus::New | ReportStatus::PartiallyFilled => "live",
        ReportStatus::Triggered | ReportStatus::Filled => "executed",
        ReportStatus::Rejected => "fail_execute",
        ReportStatus::Cancelled | ReportStatus::Expired => "cancelled",
    }
}

/// The kind of a plan.
pub(super) const fn plan_type(object: &OrderObject) -> &'static str {
    let stop = matches!(object.shape, OrderShape::StopMarket { .. });
    match (object.service, object.purpose, stop) {
        (Service::PositionPlan, _, true) => "pos_loss",
        (Service::PositionPlan, _, false) => "pos_profit",
        (_, Purpose::Open, _) => "normal_plan",
        (_, Purpose::Close, true) => "loss_plan",
        (_, Purpose::Close, false) => "profit_plan",
    }
}

/// The kind of a plan in pushes, which have words of their own.
const fn pushed_plan_type(object: &OrderObject) -> &'static str {
    let stop = matches!(object.shape, OrderShape::StopMarket { .. });
    match (object.service, object.purpose, stop) {
        (Service::PositionPlan, _, true) => "psl",
        (Service::PositionPlan, _, false) => "ptp",
        (_, Purpose::Open, _) => "pl",
        (_, Purpose::Close, true) => "sl",
        (_, Purpose::Close, false) => "tp",
    }
}

pub(super) const fn margin_word(mode: MarginMode) -> &'static str {
    match mode {
        MarginMode::Cross => "crossed",
        MarginMode::Isolated => "isolated",
    }
}

const fn trigger_word(by: TriggerBy) -> &'static str {
    match by {
        TriggerBy::Mark => "mark_price",
        TriggerBy::Last => "fill_price",
    }
}

/// A number that is left empty where it is nothing.
fn unless_zero(text: String, is_zero: bool) -> String {
    if is_zero { String::new() } else { text }
}

impl State {
    /// How a contract is set up.
    pub(super) fn settings_of(&self, object: &OrderObject) -> crate::venue::Settings {
        self.flat(object.symbol.clone(), object.direction).settings
    }

    /// A regular order, in a list or by itself: the status goes by another name there.
    pub(super) fn classic_order(&self, object: &OrderObject, status_name: &str) -> Value {
        let Some(contract) = self.contract_for(object) else { return Value::Null };
        let settings = self.settings_of(object);
        let limit = object.shape.price().unwrap_or_default();
        let is_market = matches!(object.shape, OrderShape::Market { .. });
        let average = object.average().unwrap_or_default();
        let mut row = json!({
            "symbol": object.symbol.as_str(), "size": text::qty(contract, object.shape.qty().unwrap_or_default()),
            "orderId": wire_id(object).to_string(), "clientOid": name_of(object),
            "baseVolume": text::qty(contract, object.executed),
            "priceAvg": unless_zero(text::entry(average), average.is_zero()),
            "fee": text::money(object.fees.negated()),
            "price": unless_zero(text::price(contract, limit), is_market),
            "side": self.classic_side(object), "force": self.tif_word(object),
            "totalProfits": text::money(self.realized_by(object)), "posSide": self.position_word(object),
            "marginCoin": "USDT", "presetStopSurplusPrice": "", "presetStopSurplusType": "",
            "presetStopSurplusExecutePrice": "", "presetStopLossPrice": "", "presetStopLossType": "",
            "presetStopLossExecutePrice": "", "quoteVolume": text::money(object.cost),
            "orderType": if is_market { "market" } else { "limit" }, "leverage": settings.leverage.to_string(),
            "marginMode": margin_word(settings.margin_mode), "reduceOnly": self.reduce_only(object),
            "enterPointSource": self.entered_by(object), "tradeSide": self.trade_side(object),
            "posMode": self.mode_word(), "orderSource": self.source(object), "cancelReason": self.reason(object),
            "cTime": object.created_at.0.to_string(), "uTime": object.changed_at.0.to_string(),
        });
        row[status_name] = status_word(object.status).into();
        row
    }

    /// What an order realised before fees.
    fn realized_by(&self, object: &OrderObject) -> Notional {
        if object.purpose == Purpose::Open && self.is_hedged() {
            return Notional::ZERO;
        }
        let trades = self.venue.trades().filter(|t| t.object == object.id);
        trades.fold(Notional::ZERO, |sum, t| sum.checked_add(t.realized).unwrap_or(sum))
    }

    /// A plan, in the list of those that wait or in that of those that ended.
    pub(super) fn classic_plan(&self, object: &OrderObject) -> Value {
        let Some(contract) = self.contract_for(object) else { return Value::Null };
        let Some((trigger, by)) = object.trigger() else { return Value::Null };
        let child = object.child.and_then(|child| self.venue.object(child));
        let stop = matches!(object.shape, OrderShape::StopMarket { .. });
        let price = text::price(contract, trigger);
        let leg = |this: bool| if this { Value::from(price.clone()) } else { Value::Null };
        let leg_by = |this: bool| if this { Value::from(trigger_word(by)) } else { Value::Null };
        let average = child.and_then(OrderObject::average).unwrap_or_default();
        json!({
            "planType": plan_type(object), "symbol": object.symbol.as_str(),
            "size": object.shape.qty().map_or_else(|| "0".into(), |qty| text::qty(contract, qty)),
            "orderId": wire_id(object).to_string(), "clientOid": name_of(object), "price": price, "executePrice": "0",
            "callbackRatio": "", "triggerPrice": price, "triggerType": trigger_word(by),
            "planStatus": plan_status(object.status), "side": self.classic_side(object),
            "posSide": self.position_word(object), "marginCoin": "USDT", "marginMode": "",
            "enterPointSource": self.entered_by(object), "tradeSide": self.trade_side(object),
            "posMode": self.mode_word(), "orderType": "market", "orderSource": plan_type(object),
            "executeOrderId": child.map_or(Value::Null, |child| wire_id(child).to_string().into()),
            "priceAvg": unless_zero(text::entry(average), average.is_zero()),
            "baseVolume": child.map_or_else(String::new, |child| text::qty(contract, child.executed)),
            "stopSurplusTriggerPrice": leg(!stop), "stopSurplusExecutePrice": null, "stopSurplusTriggerType": leg_by(!stop),
            "stopLossTriggerPrice": leg(stop), "stopLossExecutePrice": null, "stopLossTriggerType": leg_by(stop),
            "cTime": object.created_at.0.to_string(), "uTime": object.changed_at.0.to_string(),
        })
    }

    /// A trade as the calls show it: without a client id, the side that of the position.
    pub(super) fn classic_fill(&self, trade: &TradeRecord) -> Option<Value> {
        let object = self.venue.object(trade.object)?;
        let mut row = self.fill_fields(trade, object)?;
        row["side"] = self.classic_side(object).into();
        row["enterPointSource"] = self.entered_by(object).into();
        Some(row)
    }

    /// A trade as the channel tells it: with the client id, the side that of the trade.
    pub(super) fn pushed_fill(&self, trade: &TradeRecord) -> Option<Value> {
        let object = self.venue.object(trade.object)?;
        let mut row = self.fill_fields(trade, object)?;
        row["side"] = side_word(trade.side).into();
        row["clientOid"] = name_of(object).into();
        row["orderType"] = if matches!(object.shape, OrderShape::Market { .. }) { "market" } else { "limit" }.into();
        Some(row)
    }

    fn fill_fields(&self, trade: &TradeRecord, object: &OrderObject) -> Option<Value> {
        let contract = self.contract(&trade.symbol)?;
        let quote = trade.price.checked_mul(trade.qty).unwrap_or_default();
        Some(json!({
            "tradeId": trade_number(trade), "symbol": trade.symbol.as_str(), "marginCoin": "USDT",
            "orderId": wire_id(object).to_string(), "price": text::price(contract, trade.price),
            "baseVolume": text::qty(contract, trade.qty), "quoteVolume": text::money(quote),
            "feeDetail": [{
                "deduction": "no", "feeCoin": "USDT", "totalDeductionFee": "0",
                "totalFee": text::money(trade.fee.negated()),
            }],
            "profit": text::money(trade.realized), "tradeSide": self.trade_side(object), "posMode": self.mode_word(),
            "tradeScope": if trade.maker { "maker" } else { "taker" }, "cTime": trade.at.0.to_string(),
            "uTime": trade.at.0.to_string(),
        }))
    }

    /// A position as the calls show it.
    pub(super) fn classic_position(&self, holding: &Holding) -> Value {
        let Some(contract) = self.contract(&holding.symbol) else { return Value::Null };
        let plan = |stop: bool| {
            self.venue.open(self.account).find(|o| {
                o.service == Service::PositionPlan
                    && o.symbol == holding.symbol
                    && o.direction == holding.direction
                    && matches!(o.shape, OrderShape::StopMarket { .. }) == stop
            })
        };
        let price = |stop: bool| {
            plan(stop).and_then(OrderObject::trigger).map_or_else(String::new, |(p, _)| text::price(contract, p))
        };
        let number = |stop: bool| plan(stop).map_or_else(String::new, |o| wire_id(o).to_string());
        let mut row = self.position_fields(holding);
        let more = json!({
            "openDelegateSize": "0", "locked": text::qty(contract, self.locked(holding)),
            "marginRatio": self.margin_ratio(), "takeProfit": price(false), "stopLoss": price(true),
            "takeProfitId": number(false), "stopLossId": number(true),
        });
        merge(&mut row, more);
        row
    }

    /// A position as the channel tells it.
    pub(super) fn pushed_position(&self, holding: &Holding) -> Value {
        let Some(contract) = self.contract(&holding.symbol) else { return Value::Null };
        let mut row = self.position_fields(holding);
        let more = json!({
            "posId": self.position_number(holding), "instId": holding.symbol.as_str(),
            "frozen": text::qty(contract, self.locked(holding)), "unrealizedPLR": "0", "marginRate": self.margin_ratio(),
            "isolatedMarginRate": "0", "leverage": holding.settings.leverage,
        });
        merge(&mut row, more);
        if let Some(fields) = row.as_object_mut() {
            fields.remove("symbol");
        }
        row
    }

    fn position_fields(&self, holding: &Holding) -> Value {
        let Some(contract) = self.contract(&holding.symbol) else { return Value::Null };
        let locked = self.locked(holding);
        let liquidation = self.liquidation_price(holding);
        let (opened, changed) = self.position_times(holding);
        json!({
            "symbol": holding.symbol.as_str(), "marginCoin": "USDT", "holdSide": direction_word(holding.direction),
            "marginSize": text::money(holding.initial),
            "available": text::qty(contract, holding.qty.checked_sub(locked).unwrap_or_default()),
            "total": text::qty(contract, holding.qty), "leverage": holding.settings.leverage.to_string(),
            "achievedProfits": "0", "openPriceAvg": text::entry(holding.entry),
            "marginMode": margin_word(holding.settings.margin_mode), "posMode": self.mode_word(),
            "unrealizedPL": text::money(holding.unrealized),
            "liquidationPrice": if liquidation.is_zero() { "0".into() } else { text::price(contract, liquidation) },
            "keepMarginRate": "0.004", "markPrice": text::price(contract, holding.mark),
            "breakEvenPrice": text::entry(holding.break_even(contract)), "totalFee": "", "deductedFee": "0",
            "assetMode": "single", "autoMargin": "off", "cTime": opened.to_string(), "uTime": changed.to_string(),
        })
    }

    /// How much of a position resting closes hold.
    pub(super) fn locked(&self, holding: &Holding) -> kraite_core::number::Qty {
        let closes = self.venue.open(self.account).filter(|o| {
            o.service == Service::Regular
                && o.symbol == holding.symbol
                && o.purpose == Purpose::Close
                && o.side == holding.direction.closing_side()
        });
        let sum = closes.fold(kraite_core::number::Qty::ZERO, |sum, o| sum.checked_add(o.leaves()).unwrap_or(sum));
        sum.min(holding.qty)
    }

    /// When a position appeared and when it last changed.
    pub(super) fn position_times(&self, holding: &Holding) -> (i64, i64) {
        let position = self.venue.account(self.account).and_then(|a| a.position(&holding.symbol, holding.direction));
        position.map_or((holding.at, holding.at), |p| (p.opened_at.0, p.changed_at.0))
    }

    /// The number of a position; another one after it was flat.
    pub(super) fn position_number(&self, holding: &Holding) -> Value {
        let (opened, _) = self.position_times(holding);
        let text = format!("{} {} {opened}", holding.symbol, direction_word(holding.direction));
        number_text(twox_hash::XxHash3_64::oneshot(text.as_bytes()) % 1_000_000_000)
    }

    /// Maintenance margin as a share of the balance.
    pub(super) fn margin_ratio(&self) -> String {
        let totals = self.totals();
        let ratio = totals.maintenance.ratio_to(totals.balance()).unwrap_or_default();
        format!("{ratio:.6}")
    }

    /// A regular order as the channel tells it; `trade` is what caused it.
    pub(super) fn pushed_order(&self, object: &OrderObject, trade: Option<&TradeRecord>) -> Value {
        let Some(contract) = self.contract_for(object) else { return Value::Null };
        let mut row = self.classic_order(object, "status");
        let mark = self.venue.mark(&object.symbol).unwrap_or_default();
        let notional = mark.checked_mul(object.shape.qty().unwrap_or_default()).unwrap_or_default();
        let more = json!({
            "instId": object.symbol.as_str(), "accBaseVolume": text::qty(contract, object.executed),
            "notionalUsd": text::money(notional), "pnl": row["totalProfits"], "stpMode": "none",
            "reduceOnly": self.reduce_only(object).to_lowercase(),
            "feeDetail": [{ "feeCoin": "USDT", "fee": text::money(object.fees.negated()) }],
        });
        merge(&mut row, more);
        if let Some(fields) = row.as_object_mut() {
            for name in ["symbol", "fee", "baseVolume", "quoteVolume", "orderSource"] {
                fields.remove(name);
            }
            if trade.is_none() {
                // Not told when it is cancelled.
                fields.remove("priceAvg");
            }
        }
        if let Some(trade) = trade {
            let worth = trade.price.checked_mul(trade.qty).unwrap_or_default();
            let more = json!({
                "tradeId": trade_number(trade), "fillPrice": text::price(contract, trade.price),
                "baseVolume": text::qty(contract, trade.qty), "fillTime": trade.at.0.to_string(),
                "fillFee": text::money(trade.fee.negated()), "fillFeeCoin": "USDT",
                "tradeScope": if trade.maker { "M" } else { "T" }, "fillNotionalUsd": text::money(worth),
            });
            merge(&mut row, more);
        }
        row
    }

    /// A plan as the channel tells it.
    pub(super) fn pushed_plan(&self, object: &OrderObject) -> Value {
        let Some(contract) = self.contract_for(object) else { return Value::Null };
        let Some((trigger, by)) = object.trigger() else { return Value::Null };
        let child = object.child.and_then(|child| self.venue.object(child));
        json!({
            "instId": object.symbol.as_str(), "orderId": wire_id(object).to_string(), "clientOid": name_of(object),
            "triggerPrice": text::price(contract, trigger), "triggerType": trigger_word(by),
            "triggerTime": child.map_or_else(String::new, |child| child.created_at.0.to_string()),
            "planType": pushed_plan_type(object), "price": text::price(contract, Price::ZERO), "executePrice": "0",
            "size": object.shape.qty().map_or_else(|| "0".into(), |qty| text::qty(contract, qty)),
            "actualSize": child.map_or_else(|| "0".into(), |child| text::qty(contract, child.executed)),
            "orderType": "market", "side": self.classic_side(object), "tradeSide": self.trade_side(object),
            "posSide": self.position_word(object), "marginCoin": "USDT", "status": plan_status(object.status),
            "posMode": self.mode_word(), "enterPointSource": self.entered_by(object).to_lowercase(),
            "stopSurplusPrice": "", "stopSurplusTriggerPrice": "", "stopSurplusTriggerType": "", "stopLossPrice": "",
            "stopLossTriggerPrice": "", "stopLossTriggerType": "", "stpMode": "none",
            "cTime": object.created_at.0.to_string(), "uTime": object.changed_at.0.to_string(),
        })
    }

    /// The account of the margin coin, as account calls and the channel begin.
    pub(super) fn classic_account(&self) -> Value {
        let totals = self.totals();
        let balance = text::money(totals.balance());
        json!({
            "marginCoin": "USDT", "locked": text::money(totals.orders), "available": text::money(totals.available),
            "crossedMaxAvailable": text::money(totals.available), "isolatedMaxAvailable": text::money(totals.available),
            "maxTransferOut": text::money(totals.available), "accountEquity": balance, "usdtEquity": balance,
            "btcEquity": "0", "crossedRiskRate": self.margin_ratio(), "unrealizedPL": text::money(totals.unrealized),
            "coupon": "0", "crossedUnrealizedPL": text::money(totals.cross_unrealized), "isolatedUnrealizedPL": "0",
            "unionTotalMagin": "", "unionAvailable": "", "unionMm": "", "assetMode": "single",
        })
    }
}

/// The number of a trade on the wire.
pub(super) fn trade_number(trade: &TradeRecord) -> Value {
    number_of(trade.id.as_str().parse().unwrap_or_default()).to_string().into()
}

/// Puts the fields of one row into another.
pub(super) fn merge(row: &mut Value, more: Value) {
    if let (Some(fields), Value::Object(more)) = (row.as_object_mut(), more) {
        fields.extend(more);
    }
}
