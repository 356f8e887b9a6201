//! What the account's stream pushes, made from what the venue tells.
//!
//! A stop that fires is told as it is at the venue: TRIGGERING, then the order it made with its fills, and only then
//! TRIGGERED and FINISHED. Source of fields and order: "Event: Order Update", "Event: Algo Order Update", "Event:
//! Balance and Position Update", and captures from the field.

use std::collections::BTreeSet;

use kraite_core::exchange::{OrderReport, OrderShape, PositionReport, ReportStatus, Service, StreamEvent};
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::time::VenueMillis;
use serde_json::{Value, json};

use super::common::Tif;
use super::encode::{algo_status, direction_word, side_word, status_word, tif_word, type_word};
use super::state::{State, name_of, wire_id};
use super::text;
use crate::venue::{ObjectId, OrderObject, Settings};

/// What was told already.
#[derive(Debug, Clone, Default)]
pub(super) struct Pushes {
    /// Open orders that were told as new.
    told: BTreeSet<ObjectId>,
    /// Trigger orders that were told as triggering.
    triggering: BTreeSet<ObjectId>,
}

impl State {
    /// Tells one event of the account.
    pub(super) fn push(&mut self, event: StreamEvent, now: VenueMillis) {
        match event {
            StreamEvent::Order(report) => match report.service {
                Service::Regular => self.push_order(&report, now),
                Service::Conditional | Service::PositionPlan => self.push_algo(&report, now),
            },
            StreamEvent::Position(report) => {
                let frame = self.account_update(Some(&report), "ORDER", Notional::ZERO, report.at, now);
                self.tell_user(&frame);
            }
            StreamEvent::Funding { symbol, amount, at } => {
                let mut frame = self.account_update(None, "FUNDING_FEE", amount, at, now);
                if let Some(inner) = frame.get_mut("a").and_then(Value::as_object_mut) {
                    inner.insert("S".into(), symbol.as_str().into());
                }
                self.tell_user(&frame);
            }
            StreamEvent::Connected | StreamEvent::Disconnected | StreamEvent::Mark(_) => {}
        }
    }

    fn push_order(&mut self, report: &OrderReport, now: VenueMillis) {
        let Some(id) = ObjectId::parse(&report.venue_id) else { return };
        let Some(object) = self.venue.object(id).cloned() else { return };
        if let Some(parent) = object.parent
            && self.pushes.triggering.insert(parent)
            && let Some(parent) = self.venue.object(parent).cloned()
        {
            let frame = self.algo_update(&parent, None, "TRIGGERING", report.at, now);
            self.tell_user(&frame);
        }
        let is_new = self.pushes.told.insert(id);
        if report.status.is_terminal() {
            self.pushes.told.remove(&id);
        }
        let forced = matches!(object.owner, crate::venue::Owner::Venue(_));
        let execution = match (report.status, &report.trade) {
            (_, Some(_)) if forced => "CALCULATED",
            (_, Some(_)) => "TRADE",
            (ReportStatus::Cancelled, None) => "CANCELED",
            (ReportStatus::Expired | ReportStatus::Rejected, None) => "EXPIRED",
            (_, None) if is_new => "NEW",
            (_, None) => "AMENDMENT",
        };
        if let Some(trade) = &report.trade {
            let maker = self.is_maker(trade.id.as_str());
            let frame = self.trade_lite(&object, trade.qty, trade.price, trade.id.as_str(), maker, report.at, now);
            self.tell_user(&frame);
        }
        let frame = self.order_update(&object, report, execution, now);
        self.tell_user(&frame);
    }

    fn is_maker(&self, trade: &str) -> bool {
        self.venue.trades().rev().find(|t| t.id.as_str() == trade).is_some_and(|t| t.maker)
    }

    #[expect(clippy::too_many_arguments, reason = "one argument per group of fields of one frame")]
    fn trade_lite(
        &self,
        object: &OrderObject,
        qty: Qty,
        price: Price,
        trade: &str,
        maker: bool,
        at: VenueMillis,
        now: VenueMillis,
    ) -> Value {
        let Some(contract) = self.contract(&object.symbol) else { return Value::Null };
        json!({
            "e": "TRADE_LITE", "E": now.0, "T": at.0, "s": object.symbol.as_str(),
            "q": text::qty(contract, object.shape.qty().unwrap_or_default()),
            "p": text::price(contract, limit_of(object)), "m": maker, "c": name_of(object),
            "S": side_word(object.side), "L": text::price(contract, price), "l": text::qty(contract, qty),
            "t": trade.parse::<u64>().unwrap_or_default(), "i": wire_id(object),
        })
    }

    fn order_update(&self, object: &OrderObject, report: &OrderReport, execution: &str, now: VenueMillis) -> Value {
        let Some(contract) = self.contract(&object.symbol) else { return Value::Null };
        let parent = self.parent(object);
        let (stop, working) = self.trigger_of(object);
        let tif = self.tifs.get(&object.id).copied().unwrap_or_default();
        let stated = report.stated;
        let price = match object.shape {
            OrderShape::Limit { price, .. } => stated.and_then(|s| s.price).unwrap_or(price),
            _ => Price::ZERO,
        };
        let qty = stated.and_then(|s| s.qty).or(object.shape.qty()).unwrap_or_default();
        let trade = report.trade.as_ref();
        let record = trade.and_then(|t| self.venue.trades().rev().find(|r| r.id == t.id));
        let expiry = match (report.status, &object.shape, tif) {
            (ReportStatus::Expired, OrderShape::Market { .. }, _) => "9",
            (ReportStatus::Expired, _, Tif::Ioc | Tif::Fok) => "2",
            (ReportStatus::Expired, ..) => "4",
            _ => "0",
        };
        let mut inner = json!({
            "s": object.symbol.as_str(), "c": name_of(object), "S": side_word(object.side),
            "o": type_word(&object.shape), "f": tif_word(tif), "q": text::qty(contract, qty),
            "p": text::price(contract, price),
            "ap": text::average(contract, report.average_price.unwrap_or_default()),
            "sp": text::price(contract, stop), "x": execution, "X": status_word(report.status),
            "i": wire_id(object), "l": text::qty(contract, trade.map(|t| t.qty).unwrap_or_default()),
            "z": text::qty(contract, report.executed.unwrap_or_default()),
            "L": text::price(contract, trade.map(|t| t.price).unwrap_or_default()),
            "T": report.at.0, "t": trade.and_then(|t| t.id.as_str().parse::<u64>().ok()).unwrap_or_default(),
            "b": "0", "a": "0", "m": record.is_some_and(|r| r.maker), "R": self.is_reduce_only(object),
            "wt": working, "ot": type_word(parent.map_or(&object.shape, |p| &p.shape)),
            "ps": self.position_side(object), "cp": parent.is_some_and(OrderObject::is_close_position),
            "rp": text::money(record.map(|r| r.realized).unwrap_or_default()), "pP": false, "si": 0, "ss": 0,
            "V": "EXPIRE_MAKER", "pm": "NONE", "gtd": 0, "er": expiry,
        });
        if let Some(fields) = inner.as_object_mut() {
            if let Some(trade) = trade {
                fields.insert("N".into(), "USDT".into());
                fields.insert("n".into(), text::money(trade.fee).into());
            }
            if execution == "AMENDMENT" {
                let number = self.modifications.get(&object.id).copied().unwrap_or_default();
                fields.insert("M".into(), number.to_string().into());
            }
        }
        json!({ "e": "ORDER_TRADE_UPDATE", "E": now.0, "T": report.at.0, "o": inner })
    }

    fn push_algo(&mut self, report: &OrderReport, now: VenueMillis) {
        let Some(id) = ObjectId::parse(&report.venue_id) else { return };
        let Some(object) = self.venue.object(id).cloned() else { return };
        let child = object.child.and_then(|child| self.venue.object(child)).cloned();
        let words: &[&str] = match report.status {
            ReportStatus::Triggered if child.as_ref().is_some_and(|c| !c.is_open()) => &["TRIGGERED", "FINISHED"],
            ReportStatus::Triggered => &["TRIGGERED"],
            ReportStatus::Rejected => &["TRIGGERING", "REJECTED"],
            ReportStatus::New
            | ReportStatus::PartiallyFilled
            | ReportStatus::Cancelled
            | ReportStatus::Expired
            | ReportStatus::Filled => &[algo_status(&object, None)],
        };
        for word in words {
            let mut frame = self.algo_update(&object, child.as_ref(), word, report.at, now);
            if *word == "REJECTED"
                && let Some(inner) = frame.get_mut("o").and_then(Value::as_object_mut)
            {
                inner.insert("rm".into(), "Reduce Only reject".into());
            }
            self.tell_user(&frame);
        }
        if report.status == ReportStatus::Rejected {
            self.child_was_refused();
        }
        self.pushes.triggering.remove(&id);
    }

    fn algo_update(
        &self,
        object: &OrderObject,
        child: Option<&OrderObject>,
        status: &str,
        at: VenueMillis,
        now: VenueMillis,
    ) -> Value {
        let Some(contract) = self.contract(&object.symbol) else { return Value::Null };
        let (trigger, working) = self.trigger_of(object);
        let fired = matches!(status, "TRIGGERING" | "TRIGGERED" | "FINISHED" | "REJECTED");
        let mut inner = json!({
            "caid": name_of(object), "aid": wire_id(object), "at": "CONDITIONAL", "o": type_word(&object.shape),
            "s": object.symbol.as_str(), "S": side_word(object.side), "ps": self.position_side(object), "f": "GTC",
            "q": text::qty(contract, object.shape.qty().unwrap_or_default()), "X": status,
            "ai": child.map_or_else(String::new, |child| wire_id(child).to_string()),
            "tp": text::price(contract, trigger), "p": "0", "V": "EXPIRE_MAKER", "wt": working, "pm": "NONE",
            "cp": object.is_close_position(), "pP": false,
            "R": self.is_reduce_only(object) && !object.is_close_position(),
            "tt": if fired { at.0 } else { 0 }, "gtd": 0,
        });
        if let (Some(fields), Some(child)) = (inner.as_object_mut(), child) {
            let finished = status == "FINISHED";
            let average = child.average().filter(|_| finished).unwrap_or_default();
            let executed = if finished { child.executed } else { Qty::ZERO };
            fields.insert("ap".into(), text::average(contract, average).into());
            fields.insert("aq".into(), text::qty(contract, executed).into());
            fields.insert("act".into(), type_word(&child.shape).into());
        }
        json!({ "e": "ALGO_UPDATE", "T": at.0, "E": now.0, "o": inner })
    }

    /// Wallet and, where one changed, a position.
    pub(super) fn account_update(
        &self,
        position: Option<&PositionReport>,
        reason: &str,
        change: Notional,
        at: VenueMillis,
        now: VenueMillis,
    ) -> Value {
        let money = json!([{
            "a": "USDT", "wb": text::money(self.venue.wallet(self.account)), "cw": text::money(self.cross_wallet()),
            "bc": text::money(change),
        }]);
        let rows: Vec<Value> = position.into_iter().filter_map(|report| self.pushed_position(report)).collect();
        json!({ "e": "ACCOUNT_UPDATE", "E": now.0, "T": at.0, "a": { "m": reason, "B": money, "P": rows } })
    }

    fn pushed_position(&self, report: &PositionReport) -> Option<Value> {
        let holding = self.holding(report);
        let contract = self.contract(&report.symbol)?;
        let Settings { margin_mode, .. } = holding.settings;
        let isolated = margin_mode == kraite_core::exchange::MarginMode::Isolated;
        let realized = self.venue.account(self.account).map(|a| a.realized).unwrap_or_default();
        Some(json!({
            "s": report.symbol.as_str(), "pa": text::qty(contract, holding.amount()),
            "ep": text::entry(holding.entry), "bep": text::entry(holding.break_even(contract)),
            "cr": text::money(realized), "up": text::money(holding.unrealized),
            "mt": if isolated { "isolated" } else { "cross" },
            "iw": if isolated { text::money(holding.isolated) } else { "0".into() },
            "ps": if self.is_hedged() { direction_word(report.direction) } else { "BOTH" }, "ma": "USDT",
        }))
    }

    /// The warning that margin runs out, for every open position.
    pub(super) fn margin_call(&mut self) {
        let now = self.now();
        let rows: Vec<Value> = self
            .holdings()
            .iter()
            .filter(|h| !h.qty.is_zero())
            .filter_map(|h| {
                let contract = self.contract(&h.symbol)?;
                Some(json!({
                    "s": h.symbol.as_str(), "ps": if self.is_hedged() { direction_word(h.direction) } else { "BOTH" },
                    "pa": text::qty(contract, h.amount()), "mt": "CROSSED", "iw": "0",
                    "mp": format!("{:.8}", h.mark), "up": text::money(h.unrealized), "mm": text::money(h.maintenance),
                }))
            })
            .collect();
        let frame = json!({ "e": "MARGIN_CALL", "E": now.0, "cw": text::money(self.cross_wallet()), "p": rows });
        self.tell_user(&frame);
    }
}

fn limit_of(object: &OrderObject) -> Price {
    match object.shape {
        OrderShape::Limit { price, .. } => price,
        _ => Price::ZERO,
    }
}
