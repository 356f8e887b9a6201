//! From the venue's words to the core's reports.

use std::collections::BTreeMap;

use compact_str::CompactString;
use kraite_core::exchange::{
    Direction, OrderReport, ReportStatus, ReportedId, Service, Side, Stated, Trade, VenueCause,
};
use kraite_core::id::{ClientOrderId, Role, Symbol, VenueOrderId};
use kraite_core::number::{Factor, Price, Qty};
use kraite_core::time::VenueMillis;
pub(crate) use kraite_wire::Unmapped;

use super::ids::{Leg, PairName, plan_id, regular_id, strategy_id, unknown_parent};
use super::links::{Links, later};
use super::reply::{classic, unified};
use super::way::{Convention, Way, way_of};
use super::word::{FiredLeg, OrderStatus, PlanKind, PlanStatus, StrategyKind, TradeSide};

/// What was asked, for what an answer leaves out.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// On which contract.
    pub symbol: Option<&'a Symbol>,
    /// Under which id.
    pub id: Option<ClientOrderId>,
    /// Buy or sell.
    pub side: Option<Side>,
    /// Which position.
    pub direction: Option<Direction>,
    /// Venue time when the request was sent: what it tells was true then or later.
    pub sent_at: VenueMillis,
}

impl Asked<'_> {
    /// Where nothing but the time is known.
    #[must_use]
    pub const fn at(sent_at: VenueMillis) -> Self {
        Self { symbol: None, id: None, side: None, direction: None, sent_at }
    }
}

/// One regular order as a row or a frame shows it.
pub(crate) struct Seen<'a> {
    pub(crate) order_id: Option<&'a str>,
    pub(crate) client_id: Option<&'a str>,
    pub(crate) symbol: Option<&'a str>,
    pub(crate) way: Way<'a>,
    pub(crate) cause: Option<VenueCause>,
    pub(crate) source: Option<&'a str>,
    pub(crate) status: Option<&'a OrderStatus>,
    pub(crate) at: Option<VenueMillis>,
    pub(crate) price: Option<Price>,
    pub(crate) qty: Option<Qty>,
    pub(crate) states: bool,
    pub(crate) executed: Option<Qty>,
    pub(crate) average: Option<Price>,
    pub(crate) trade: Option<Trade>,
}

/// One plan, or one leg of a strategy, as a row or a frame shows it.
pub(crate) struct SeenPlan<'a> {
    pub(crate) plan: VenueOrderId,
    pub(crate) client: Option<ClientOrderId>,
    pub(crate) client_id: Option<&'a str>,
    pub(crate) service: Service,
    pub(crate) symbol: Option<&'a str>,
    pub(crate) way: Way<'a>,
    pub(crate) status: ReportStatus,
    pub(crate) at: Option<VenueMillis>,
    pub(crate) trigger: Option<Price>,
    pub(crate) qty: Option<Qty>,
    pub(crate) child_id: Option<&'a str>,
    pub(crate) child_executed: Option<Qty>,
    pub(crate) child_average: Option<Price>,
}

/// A plan as the core knows it, with the regular order it spawned.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlanReports {
    /// The plan itself.
    pub order: OrderReport,
    /// What it says of its child. Its status is the least that is certain: ask for the child itself to know more.
    pub child: Option<OrderReport>,
}

impl PlanReports {
    /// Both, parent first.
    pub fn into_reports(self) -> impl Iterator<Item = OrderReport> {
        std::iter::once(self.order).chain(self.child)
    }
}

/// Turns what the venue says into what the core understands, and remembers what links one saying to another.
#[derive(Debug, Clone, Default)]
pub struct Interpreter {
    pub(crate) links: Links,
    pub(crate) fees: BTreeMap<Symbol, (Factor, Factor)>,
}

impl Interpreter {
    /// One that has heard nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is known of plans, the orders they stand for and their children.
    #[must_use]
    pub const fn links(&self) -> &Links {
        &self.links
    }

    /// The maker and taker rate with which a fee in another currency is valued on this contract.
    pub fn set_fees(&mut self, symbol: Symbol, maker: Factor, taker: Factor) {
        self.fees.insert(symbol, (maker, taker));
    }

    /// A regular order of the classic API.
    ///
    /// # Errors
    ///
    /// [`Unmapped`] where neither the venue nor what was asked says enough.
    pub fn classic_order(&self, row: &classic::OrderRow, asked: Asked<'_>) -> Result<OrderReport, Unmapped> {
        self.regular(
            Seen {
                order_id: row.order_id.as_deref(),
                client_id: row.client_id.as_deref(),
                symbol: row.symbol.as_deref(),
                way: Way {
                    side: row.side.as_ref(),
                    position: row.position_side.as_ref(),
                    hold: row.hold_mode.as_ref(),
                    closes: row.trade_side.as_ref().and_then(TradeSide::closes),
                    reduce_only: is_yes(row.reduce_only.as_deref()),
                    convention: Convention::Position,
                },
                cause: cause_of(row.trade_side.as_ref(), row.source.as_deref()),
                source: row.source.as_deref(),
                status: row.state.as_ref().or(row.status.as_ref()),
                at: row.updated.or(row.created).filter(|at| at.0 > 0),
                price: row.price,
                qty: row.size,
                states: true,
                executed: row.executed,
                average: row.average,
                trade: None,
            },
            asked,
        )
    }

    /// A regular order of the unified API.
    ///
    /// # Errors
    ///
    /// As [`Self::classic_order`].
    pub fn unified_order(&self, row: &unified::OrderRow, asked: Asked<'_>) -> Result<OrderReport, Unmapped> {
        self.regular(
            Seen {
                order_id: row.order_id.as_deref(),
                client_id: row.client_id.as_deref(),
                symbol: row.symbol.as_deref(),
                way: Way {
                    side: row.side.as_ref(),
                    position: row.position_side.as_ref(),
                    hold: row.hold_mode.as_ref(),
                    closes: row.trade_side.as_ref().and_then(TradeSide::closes),
                    reduce_only: is_yes(row.reduce_only.as_deref()),
                    convention: Convention::Trade,
                },
                cause: cause_of(row.trade_side.as_ref(), row.execution.as_deref()),
                source: row.source.as_deref(),
                status: row.status.as_ref(),
                at: row.updated.or(row.created).filter(|at| at.0 > 0),
                price: row.price,
                qty: row.qty,
                states: true,
                executed: row.executed,
                average: row.average,
                trade: None,
            },
            asked,
        )
    }

    pub(crate) fn regular(&self, seen: Seen<'_>, asked: Asked<'_>) -> Result<OrderReport, Unmapped> {
        let order_id = seen.order_id.ok_or(Unmapped::Missing("orderId"))?;
        let (parent, child_of) = self.origin(order_id, seen.client_id, seen.source);
        let id = match (reported_id(seen.client_id, asked.id), child_of, seen.cause) {
            (ReportedId::Foreign(_), Some(client), _) => ReportedId::Ours(client),
            (ReportedId::Foreign(_), None, Some(cause)) => ReportedId::Venue(cause),
            (id, ..) => id,
        };
        let (side, direction) = way_of(seen.way, &id, asked)?;
        let at = seen.at.unwrap_or(asked.sent_at);
        let status = order_status(seen.status.ok_or(Unmapped::Missing("status"))?)?;
        let stated =
            Stated { at, price: positive(seen.price, Price::is_positive), qty: positive(seen.qty, Qty::is_positive) };
        if seen.executed.is_some_and(Qty::is_negative) {
            return Err(Unmapped::Contradiction("a negative executed quantity"));
        }
        Ok(OrderReport {
            id,
            venue_id: regular_id(order_id),
            parent,
            service: Service::Regular,
            symbol: symbol_of(seen.symbol, asked.symbol)?,
            side,
            direction,
            status,
            stated: (seen.states && (stated.price.is_some() || stated.qty.is_some())).then_some(stated),
            executed: seen.executed,
            average_price: positive(seen.average, Price::is_positive),
            trade: seen.trade,
            at,
        })
    }

    /// The plan behind a regular order, and the order of ours that it stands for: known by number, by client id, or
    /// only by what it came from.
    fn origin(
        &self,
        order_id: &str,
        client_id: Option<&str>,
        source: Option<&str>,
    ) -> (Option<VenueOrderId>, Option<ClientOrderId>) {
        let by_client = || {
            let client = client_id?;
            let legs = leg_of_source(source).map(|leg| strategy_id(client, leg));
            [Some(plan_id(client)), legs].into_iter().flatten().find(|plan| self.links.knows(plan))
        };
        if let Some(plan) = self.links.parent_of(order_id).or_else(by_client) {
            let client = self.links.client_of(&plan);
            return (Some(plan), client);
        }
        // A pair's own name on a regular order: the leg is what the order says it came from.
        let pair = client_id.and_then(PairName::read).zip(leg_of_source(source)).map(|(pair, leg)| pair.leg(leg));
        let ours = client_id.and_then(|text| text.parse::<ClientOrderId>().ok());
        // The order service takes no stop, so one under a stop's id is a plan's child.
        let child = pair.is_some()
            || ours.is_some_and(|id| id.role() == Role::Stop)
            || (ours.is_none() && leg_of_source(source).is_some());
        (child.then(unknown_parent), pair)
    }

    /// A plan of the classic API.
    ///
    /// # Errors
    ///
    /// [`Unmapped`] where neither the venue nor what was asked says enough.
    pub fn classic_plan(&mut self, row: &classic::PlanRow, asked: Asked<'_>) -> Result<PlanReports, Unmapped> {
        let number = row.order_id.as_deref().ok_or(Unmapped::Missing("orderId"))?;
        let (service, whole, exits) = kind_of(row.kind.as_ref().ok_or(Unmapped::Missing("planType"))?)?;
        let closes = row.trade_side.as_ref().and_then(TradeSide::closes);
        let client_id = row.client_id.as_deref();
        let plan = plan_id(number);
        let client = client_id.and_then(|text| text.parse().ok());
        let child_id = row.child_id.as_deref().filter(|id| *id != "0");
        // Learned before anything can be refused: the child is told of whether or not its parent can be.
        self.links.learn(&plan, client, child_id);
        self.plan(
            SeenPlan {
                plan,
                client,
                client_id,
                service,
                symbol: row.symbol.as_deref(),
                way: Way {
                    side: row.side.as_ref(),
                    position: row.position_side.as_ref(),
                    hold: row.hold_mode.as_ref(),
                    closes: if exits { Some(true) } else { closes },
                    reduce_only: exits,
                    convention: Convention::Position,
                },
                status: plan_status(row.status.as_ref().ok_or(Unmapped::Missing("planStatus"))?)?,
                at: row.updated.or(row.created).filter(|at| at.0 > 0),
                trigger: row.trigger,
                qty: row.size.filter(|_| !whole),
                child_id,
                child_executed: row.child_executed,
                child_average: row.child_average,
            },
            asked,
        )
    }

    /// The legs of a strategy of the unified API, the stop first; one report alone for other kinds.
    ///
    /// # Errors
    ///
    /// [`Unmapped`] where the venue does not say enough: of one that fired, also which leg did.
    pub fn unified_strategy(
        &mut self,
        row: &unified::StrategyRow,
        asked: Asked<'_>,
    ) -> Result<Vec<OrderReport>, Unmapped> {
        let number = row.order_id.as_deref().ok_or(Unmapped::Missing("orderId"))?;
        let client_id = row.client_id.as_deref();
        let pair = client_id.and_then(PairName::read);
        let single: Option<ClientOrderId> = client_id.and_then(|text| text.parse().ok());
        let status = row.status.as_ref().ok_or(Unmapped::Missing("status"))?;
        let exits = match row.kind.as_ref().unwrap_or(&StrategyKind::Tpsl) {
            StrategyKind::Tpsl => true,
            StrategyKind::Other(word) => return Err(Unmapped::Word("type", word.clone())),
            _ => false,
        };
        let legs = [(Leg::Stop, row.stop), (Leg::Target, row.target)];
        let legs = legs.map(|(leg, price)| positive(price, Price::is_positive).map(|price| (leg, price)));
        let mut shown: Vec<(Leg, Price)> = legs.into_iter().flatten().filter(|_| exits).collect();
        if shown.is_empty() {
            let trigger = row.trigger.or(row.stop).or(row.target).ok_or(Unmapped::Missing("triggerPrice"))?;
            shown.push((single.and_then(|id| Leg::of(id.role())).unwrap_or(Leg::Stop), trigger));
        }
        // Only a pair of ours is known to be for the whole position; of others the kind is nobody's business here.
        let whole = pair.is_some();
        for (leg, _) in &shown {
            let client = pair.map(|pair| pair.leg(*leg)).or(single);
            self.links.learn(&strategy_id(number, *leg), client, None);
        }
        let mut reports = Vec::with_capacity(shown.len());
        for (leg, trigger) in shown.clone() {
            let seen = SeenPlan {
                plan: strategy_id(number, leg),
                client: pair.map(|pair| pair.leg(leg)).or(single),
                client_id,
                service: if whole || single.is_none() { Service::PositionPlan } else { Service::Conditional },
                symbol: row.symbol.as_deref(),
                way: Way {
                    side: row.side.as_ref(),
                    position: row.position_side.as_ref(),
                    hold: None,
                    closes: exits.then_some(true),
                    reduce_only: exits,
                    convention: Convention::Trade,
                },
                status: leg_status(status, row.fired.as_ref(), leg, shown.len())?,
                at: row.updated.or(row.created).filter(|at| at.0 > 0),
                trigger: Some(trigger),
                qty: row.qty.filter(|_| !whole),
                child_id: None,
                child_executed: None,
                child_average: None,
            };
            reports.push(self.plan(seen, asked)?.order);
        }
        Ok(reports)
    }

    /// The order that a leg of a strategy spawned.
    ///
    /// # Errors
    ///
    /// [`Unmapped`] where a part of it is missing.
    pub fn sub_order(
        &mut self,
        parent: &OrderReport,
        row: &unified::SubOrderRow,
        asked: Asked<'_>,
    ) -> Result<OrderReport, Unmapped> {
        let order_id = row.order_id.as_deref().ok_or(Unmapped::Missing("subOrderId"))?;
        self.links.learn(&parent.venue_id, None, Some(order_id));
        let executed = positive(row.executed, Qty::is_positive);
        let status = match row.status.as_deref().ok_or(Unmapped::Missing("status"))? {
            "filled" => ReportStatus::Filled,
            "cancelled" | "canceled" => ReportStatus::Cancelled,
            "failed" => ReportStatus::Rejected,
            word => return Err(Unmapped::Word("status", word.into())),
        };
        Ok(OrderReport {
            venue_id: regular_id(order_id),
            parent: Some(parent.venue_id.clone()),
            service: Service::Regular,
            status,
            stated: None,
            executed,
            average_price: executed.and(positive(row.average, Price::is_positive)),
            trade: None,
            at: row.updated.filter(|at| at.0 > 0).unwrap_or(asked.sent_at),
            ..parent.clone()
        })
    }

    pub(crate) fn plan(&mut self, seen: SeenPlan<'_>, asked: Asked<'_>) -> Result<PlanReports, Unmapped> {
        // What was overwritten may still carry the id of what it was; what is known to stand there counts.
        let known = self.links.client_of(&seen.plan);
        let id = match (seen.client, known) {
            (Some(said), known) => ReportedId::Ours(known.map_or(said, |known| later(Some(known), said))),
            (None, Some(known)) => ReportedId::Ours(known),
            (None, None) => reported_id(seen.client_id, asked.id),
        };
        let (side, direction) = way_of(seen.way, &id, asked)?;
        let at = seen.at.unwrap_or(asked.sent_at);
        let order = OrderReport {
            id,
            venue_id: seen.plan,
            parent: None,
            service: seen.service,
            symbol: symbol_of(seen.symbol, asked.symbol)?,
            side,
            direction,
            status: seen.status,
            stated: Some(Stated {
                at,
                price: positive(seen.trigger, Price::is_positive),
                qty: positive(seen.qty, Qty::is_positive),
            }),
            executed: None,
            average_price: None,
            trade: None,
            at,
        };
        let child = seen.child_id.map(|child| {
            let executed = positive(seen.child_executed, Qty::is_positive);
            OrderReport {
                venue_id: regular_id(child),
                parent: Some(order.venue_id.clone()),
                service: Service::Regular,
                // R69: only the child itself says that it is filled.
                status: if executed.is_some() { ReportStatus::PartiallyFilled } else { ReportStatus::New },
                stated: None,
                executed,
                average_price: executed.and(positive(seen.child_average, Price::is_positive)),
                ..order.clone()
            }
        });
        Ok(PlanReports { order, child })
    }
}

pub(crate) fn positive<T: Copy>(value: Option<T>, is_positive: impl Fn(T) -> bool) -> Option<T> {
    value.filter(|value| is_positive(*value))
}

pub(crate) fn is_yes(word: Option<&str>) -> bool {
    word.is_some_and(|word| word.eq_ignore_ascii_case("yes") || word.eq_ignore_ascii_case("true"))
}

/// Whose order: by its client id, or as it was asked for where the answer leaves that out.
pub(crate) fn reported_id(client_id: Option<&str>, asked: Option<ClientOrderId>) -> ReportedId {
    match client_id {
        None => asked.map_or_else(|| ReportedId::Foreign(CompactString::default()), ReportedId::Ours),
        Some(text) => text.parse().map_or_else(|_| ReportedId::Foreign(text.into()), ReportedId::Ours),
    }
}

/// What the venue did itself, by the words that say so.
pub(crate) fn cause_of(trade_side: Option<&TradeSide>, source: Option<&str>) -> Option<VenueCause> {
    let by_source = || {
        let source = source?.to_ascii_lowercase();
        let known = [("liquidation", VenueCause::Liquidation), ("delivery", VenueCause::Settlement)];
        known.iter().find(|(word, _)| source.starts_with(word)).map(|(_, cause)| *cause)
    };
    trade_side.and_then(TradeSide::venue_cause).or_else(by_source)
}

/// Which leg of a pair an order came from, where its source says so.
fn leg_of_source(source: Option<&str>) -> Option<Leg> {
    let source = source?.to_ascii_lowercase();
    if source.contains("profit") {
        Some(Leg::Target)
    } else if source.contains("loss") {
        Some(Leg::Stop)
    } else {
        None
    }
}

/// As contracts are named; some answers have them in lower case.
pub(crate) fn symbol_of(symbol: Option<&str>, asked: Option<&Symbol>) -> Result<Symbol, Unmapped> {
    symbol
        .map(|text| Symbol::new(&text.to_ascii_uppercase()))
        .or_else(|| asked.cloned())
        .ok_or(Unmapped::Missing("symbol"))
}

/// C10: a status that is not known is not a report, and above all not an end.
fn order_status(word: &OrderStatus) -> Result<ReportStatus, Unmapped> {
    Ok(match word {
        OrderStatus::Live | OrderStatus::New => ReportStatus::New,
        OrderStatus::PartiallyFilled => ReportStatus::PartiallyFilled,
        OrderStatus::Filled => ReportStatus::Filled,
        OrderStatus::Cancelled => ReportStatus::Cancelled,
        OrderStatus::Other(word) => return Err(Unmapped::Word("status", word.clone())),
    })
}

/// R69: what fired is never filled by that; its child decides. What fired and could not place its order protects nothing.
pub(crate) fn plan_status(word: &PlanStatus) -> Result<ReportStatus, Unmapped> {
    Ok(match word {
        PlanStatus::Live => ReportStatus::New,
        PlanStatus::Executing | PlanStatus::Executed => ReportStatus::Triggered,
        PlanStatus::Failed => ReportStatus::Rejected,
        PlanStatus::Cancelled => ReportStatus::Cancelled,
        PlanStatus::Other(word) => return Err(Unmapped::Word("plan status", word.clone())),
    })
}

/// The status of one leg: of a pair that fired, the other leg went with it.
pub(crate) fn leg_status(
    word: &PlanStatus,
    fired: Option<&FiredLeg>,
    leg: Leg,
    legs: usize,
) -> Result<ReportStatus, Unmapped> {
    let status = plan_status(word)?;
    if !matches!(status, ReportStatus::Triggered | ReportStatus::Rejected) || legs < 2 {
        return Ok(status);
    }
    let which = match fired.ok_or(Unmapped::Missing("triggerType"))? {
        FiredLeg::TakeProfit => Leg::Target,
        FiredLeg::StopLoss => Leg::Stop,
        FiredLeg::Other(word) => return Err(Unmapped::Word("triggerType", word.clone())),
    };
    Ok(if which == leg { status } else { ReportStatus::Cancelled })
}

/// Which service a classic plan is of, whether it closes the whole position, and whether it can only close.
pub(crate) fn kind_of(kind: &PlanKind) -> Result<(Service, bool, bool), Unmapped> {
    Ok(match kind {
        PlanKind::PositionProfit | PlanKind::PositionLoss => (Service::PositionPlan, true, true),
        PlanKind::Profit | PlanKind::Loss | PlanKind::Moving => (Service::Conditional, false, true),
        PlanKind::Normal | PlanKind::Track => (Service::Conditional, false, false),
        PlanKind::Other(word) => return Err(Unmapped::Word("planType", word.clone())),
    })
}
