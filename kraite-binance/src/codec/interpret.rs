//! From the venue's words to the core's reports.

use std::collections::BTreeMap;

use compact_str::{CompactString, format_compact};
use kraite_core::exchange::{
    Direction, OrderReport, ReportStatus, ReportedId, Service, Side, Stated, Trade, VenueCause,
};
use kraite_core::id::{ClientOrderId, Symbol, TradeId, VenueOrderId};
use kraite_core::number::{Factor, Notional, Price, Qty};
use kraite_core::time::VenueMillis;
pub(crate) use kraite_wire::Unmapped;

use super::ids::{algo_id, regular_id, unknown_parent};
use super::links::Links;
use super::reply::{AlgoReply, OrderReply, TradeRow};
use super::word::{AlgoStatus, OrderStatus, OrderType, PositionSide, SideWord};
use crate::instruments::regular_fees;

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

/// One regular order as a reply, a row or a frame shows it.
pub(crate) struct Seen<'a> {
    pub(crate) order_id: Option<i64>,
    pub(crate) client_id: Option<&'a str>,
    pub(crate) symbol: Option<&'a str>,
    pub(crate) side: Option<&'a SideWord>,
    pub(crate) position_side: Option<&'a PositionSide>,
    pub(crate) status: Option<&'a OrderStatus>,
    pub(crate) kinds: [Option<&'a OrderType>; 2],
    pub(crate) closes: bool,
    pub(crate) at: Option<VenueMillis>,
    pub(crate) price: Option<Price>,
    pub(crate) qty: Option<Qty>,
    pub(crate) states: bool,
    pub(crate) executed: Option<Qty>,
    pub(crate) average: Option<Price>,
    pub(crate) trade: Option<Trade>,
}

/// A trade of the account, which names its order by number only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fill {
    /// Whose trade.
    pub order: VenueOrderId,
    /// On which contract.
    pub symbol: Symbol,
    /// Buy or sell.
    pub side: Side,
    /// The trade.
    pub trade: Trade,
    /// When.
    pub at: VenueMillis,
}

/// A conditional order as the core knows it, with the regular order it became.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AlgoReports {
    /// The conditional order itself.
    pub order: OrderReport,
    /// What it says of its child. Its status is the least that is certain: ask for the child itself to know more.
    pub child: Option<OrderReport>,
}

impl AlgoReports {
    /// Both, parent first.
    pub fn into_reports(self) -> impl Iterator<Item = OrderReport> {
        std::iter::once(self.order).chain(self.child)
    }
}

/// Turns what the venue says into what the core understands, and remembers what links one saying to another.
#[derive(Debug, Clone, Default)]
pub struct Interpreter {
    links: Links,
    fees: BTreeMap<Symbol, (Factor, Factor)>,
}

impl Interpreter {
    /// One that has heard nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is known of conditional orders and their children.
    #[must_use]
    pub const fn links(&self) -> &Links {
        &self.links
    }

    /// The maker and taker rate with which a fee in another currency is valued on this contract.
    pub fn set_fees(&mut self, symbol: Symbol, maker: Factor, taker: Factor) {
        self.fees.insert(symbol, (maker, taker));
    }

    /// A regular order, from a reply or a row of a list.
    ///
    /// # Errors
    ///
    /// [`Unmapped`] where neither the venue nor what was asked says enough.
    pub fn order(&self, reply: &OrderReply, asked: Asked<'_>) -> Result<OrderReport, Unmapped> {
        self.regular(
            Seen {
                order_id: reply.order_id,
                client_id: reply.client_order_id.as_deref(),
                symbol: reply.symbol.as_deref(),
                side: reply.side.as_ref(),
                position_side: reply.position_side.as_ref(),
                status: reply.status.as_ref(),
                kinds: [reply.kind.as_ref(), reply.orig_type.as_ref()],
                closes: reply.reduce_only == Some(true) || reply.close_position == Some(true),
                at: reply.update_time.or(reply.time).filter(|at| at.0 > 0),
                price: reply.price,
                qty: reply.orig_qty,
                states: true,
                executed: reply.executed_qty,
                average: reply.avg_price,
                trade: None,
            },
            asked,
        )
    }

    pub(crate) fn regular(&self, seen: Seen<'_>, asked: Asked<'_>) -> Result<OrderReport, Unmapped> {
        let order_id = seen.order_id.ok_or(Unmapped::Missing("orderId"))?;
        let id = reported_id(seen.client_id, asked.id);
        let side = side_of(seen.side, asked.side)?;
        let direction = direction_of(&id, side, seen.position_side, seen.closes, asked.direction)?;
        let at = seen.at.unwrap_or(asked.sent_at);
        let status = regular_status(seen.status.ok_or(Unmapped::Missing("status"))?)?;
        let stated =
            Stated { at, price: positive(seen.price, Price::is_positive), qty: positive(seen.qty, Qty::is_positive) };
        negative(seen.executed.is_some_and(Qty::is_negative), "a negative executed quantity")?;
        Ok(OrderReport {
            parent: self.parent(order_id, &id, &seen.kinds),
            id,
            venue_id: regular_id(order_id),
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

    /// The conditional order behind a regular one: known by number, by client id, or only by kind or role.
    fn parent(&self, order_id: i64, id: &ReportedId, kinds: &[Option<&OrderType>; 2]) -> Option<VenueOrderId> {
        let ours = match id {
            ReportedId::Ours(id) => Some(*id),
            ReportedId::Venue(_) | ReportedId::Foreign(_) => None,
        };
        let triggered = kinds.iter().flatten().any(|kind| kind.is_conditional())
            // The regular service takes no stop (-4120), so one under a stop's id is its child.
            || ours.is_some_and(|id| id.role() == kraite_core::id::Role::Stop);
        self.links.parent_of(order_id, ours).or_else(|| triggered.then(unknown_parent))
    }

    /// A conditional order, from a reply or a row of a list.
    ///
    /// # Errors
    ///
    /// [`Unmapped`] where neither the venue nor what was asked says enough.
    pub fn algo(&mut self, reply: &AlgoReply, asked: Asked<'_>) -> Result<AlgoReports, Unmapped> {
        self.conditional(
            &SeenAlgo {
                algo_id: reply.algo_id,
                client_id: reply.client_algo_id.as_deref(),
                symbol: reply.symbol.as_deref(),
                side: reply.side.as_ref(),
                position_side: reply.position_side.as_ref(),
                status: reply.algo_status.as_ref(),
                closes: reply.reduce_only == Some(true) || reply.close_position == Some(true),
                at: reply.update_time.or(reply.create_time).filter(|at| at.0 > 0),
                trigger: reply.trigger_price,
                qty: reply.quantity,
                child_id: reply.actual_order_id,
                child_qty: reply.actual_qty,
                child_price: reply.actual_price,
            },
            asked,
        )
    }

    pub(crate) fn conditional(&mut self, seen: &SeenAlgo<'_>, asked: Asked<'_>) -> Result<AlgoReports, Unmapped> {
        let number = seen.algo_id.ok_or(Unmapped::Missing("algoId"))?;
        let id = reported_id(seen.client_id, asked.id);
        let ours = match &id {
            ReportedId::Ours(id) => Some(*id),
            ReportedId::Venue(_) | ReportedId::Foreign(_) => None,
        };
        let child_id = seen.child_id.filter(|id| *id > 0);
        // Learned before anything can be refused: the child is told of whether or not its parent can be.
        self.links.learn(number, ours, child_id);
        let side = side_of(seen.side, asked.side)?;
        let word = seen.status.ok_or(Unmapped::Missing("algoStatus"))?;
        let order = OrderReport {
            direction: direction_of(&id, side, seen.position_side, seen.closes, asked.direction)?,
            id,
            venue_id: algo_id(number),
            parent: None,
            service: Service::Conditional,
            symbol: symbol_of(seen.symbol, asked.symbol)?,
            side,
            status: algo_status(word)?,
            stated: Some(Stated {
                at: seen.at.unwrap_or(asked.sent_at),
                price: positive(seen.trigger, Price::is_positive),
                qty: positive(seen.qty, Qty::is_positive),
            }),
            executed: None,
            average_price: None,
            trade: None,
            at: seen.at.unwrap_or(asked.sent_at),
        };
        let child = child_id.map(|child| child_of(&order, child, seen, *word == AlgoStatus::Finished));
        Ok(AlgoReports { order, child })
    }

    /// A trade of the account.
    ///
    /// # Errors
    ///
    /// [`Unmapped`] where a part of it is missing.
    pub fn fill(&self, row: &TradeRow) -> Result<Fill, Unmapped> {
        let symbol = symbol_of(row.symbol.as_deref(), None)?;
        let qty = positive(row.qty, Qty::is_positive).ok_or(Unmapped::Missing("qty"))?;
        let price = positive(row.price, Price::is_positive).ok_or(Unmapped::Missing("price"))?;
        let id = row.id.filter(|id| *id > 0).ok_or(Unmapped::Missing("id"))?;
        let fee = self.fee(&symbol, row.commission_asset.as_deref(), row.commission, price, qty, row.maker);
        Ok(Fill {
            order: regular_id(row.order_id.ok_or(Unmapped::Missing("orderId"))?),
            side: side_of(row.side.as_ref(), None)?,
            trade: Trade { id: TradeId(format_compact!("{id}")), qty, price, fee },
            at: row.time.ok_or(Unmapped::Missing("time"))?,
            symbol,
        })
    }

    /// A fee in quote currency. One that was paid in another is valued at the account's rate without its discount:
    /// the core counts in quote currency, and rather too much than too little.
    pub(crate) fn fee(
        &self,
        symbol: &Symbol,
        asset: Option<&str>,
        amount: Option<Notional>,
        price: Price,
        qty: Qty,
        maker: Option<bool>,
    ) -> Notional {
        let (Some(asset), Some(amount)) = (asset, amount) else { return Notional::ZERO };
        let contract = symbol.as_str().split('_').next().unwrap_or_default();
        if amount.is_zero() || contract.ends_with(asset) {
            return amount;
        }
        let (maker_rate, taker_rate) = self.fees.get(symbol).copied().unwrap_or_else(regular_fees);
        let rate = if maker == Some(true) { maker_rate } else { taker_rate };
        price.checked_mul(qty).and_then(|paid| paid.scaled_by(rate)).unwrap_or_default()
    }
}

/// One conditional order as a reply, a row or a frame shows it.
pub(crate) struct SeenAlgo<'a> {
    pub(crate) algo_id: Option<i64>,
    pub(crate) client_id: Option<&'a str>,
    pub(crate) symbol: Option<&'a str>,
    pub(crate) side: Option<&'a SideWord>,
    pub(crate) position_side: Option<&'a PositionSide>,
    pub(crate) status: Option<&'a AlgoStatus>,
    pub(crate) closes: bool,
    pub(crate) at: Option<VenueMillis>,
    pub(crate) trigger: Option<Price>,
    pub(crate) qty: Option<Qty>,
    pub(crate) child_id: Option<i64>,
    pub(crate) child_qty: Option<Qty>,
    pub(crate) child_price: Option<Price>,
}

/// What a conditional order says of its child. FINISHED covers filled and cancelled children (R69): filled is only one
/// that executed all that was asked for.
fn child_of(order: &OrderReport, child: i64, seen: &SeenAlgo<'_>, finished: bool) -> OrderReport {
    let executed = positive(seen.child_qty, Qty::is_positive);
    let all = executed.is_some() && executed == positive(seen.qty, Qty::is_positive);
    OrderReport {
        venue_id: regular_id(child),
        parent: Some(order.venue_id.clone()),
        service: Service::Regular,
        status: match executed {
            Some(_) if finished && all => ReportStatus::Filled,
            Some(_) => ReportStatus::PartiallyFilled,
            None => ReportStatus::New,
        },
        stated: None,
        executed,
        average_price: executed.and(positive(seen.child_price, Price::is_positive)),
        ..order.clone()
    }
}

fn positive<T: Copy>(value: Option<T>, is_positive: impl Fn(T) -> bool) -> Option<T> {
    value.filter(|value| is_positive(*value))
}

fn negative(is_negative: bool, what: &'static str) -> Result<(), Unmapped> {
    if is_negative { Err(Unmapped::Contradiction(what)) } else { Ok(()) }
}

/// Whose order: by its client id, or as it was asked for where the answer leaves that out.
pub(crate) fn reported_id(client_id: Option<&str>, asked: Option<ClientOrderId>) -> ReportedId {
    let Some(text) = client_id else {
        return asked.map_or_else(|| ReportedId::Foreign(CompactString::default()), ReportedId::Ours);
    };
    if let Some(id) = asked.filter(|asked| asked.is_written(text)).or_else(|| text.parse().ok()) {
        return ReportedId::Ours(id);
    }
    let of_the_venue = [
        ("autoclose-", VenueCause::Liquidation),
        ("adl_autoclose", VenueCause::AutoDeleverage),
        ("settlement_autoclose-", VenueCause::Settlement),
        ("delivery_autoclose-", VenueCause::Settlement),
    ];
    match of_the_venue.iter().find(|(prefix, _)| text.starts_with(prefix)) {
        Some((_, cause)) => ReportedId::Venue(*cause),
        None => ReportedId::Foreign(text.into()),
    }
}

pub(crate) fn symbol_of(symbol: Option<&str>, asked: Option<&Symbol>) -> Result<Symbol, Unmapped> {
    symbol.map(Symbol::new).or_else(|| asked.cloned()).ok_or(Unmapped::Missing("symbol"))
}

pub(crate) fn side_of(side: Option<&SideWord>, asked: Option<Side>) -> Result<Side, Unmapped> {
    match side {
        Some(SideWord::Buy) => Ok(Side::Buy),
        Some(SideWord::Sell) => Ok(Side::Sell),
        Some(SideWord::Other(word)) => Err(Unmapped::Word("side", word.clone())),
        None => asked.ok_or(Unmapped::Missing("side")),
    }
}

/// The position an order belongs to. In one-way mode the venue does not say; our ids do, the venue's own orders close,
/// and a foreign order closes if it carries the flag.
pub(crate) fn direction_of(
    id: &ReportedId,
    side: Side,
    position_side: Option<&PositionSide>,
    closes: bool,
    asked: Option<Direction>,
) -> Result<Direction, Unmapped> {
    match position_side {
        Some(PositionSide::Long) => return Ok(Direction::Long),
        Some(PositionSide::Short) => return Ok(Direction::Short),
        Some(PositionSide::Other(word)) => return Err(Unmapped::Word("positionSide", word.clone())),
        Some(PositionSide::Both) | None => {}
    }
    if let Some(direction) = asked {
        return Ok(direction);
    }
    let closes = match id {
        ReportedId::Ours(id) => id.role().is_exit(),
        ReportedId::Venue(_) => true,
        ReportedId::Foreign(_) => closes,
    };
    Ok(match (side, closes) {
        (Side::Buy, false) | (Side::Sell, true) => Direction::Long,
        (Side::Sell, false) | (Side::Buy, true) => Direction::Short,
    })
}

/// C10: a status that is not known is not a report, and above all not an end.
fn regular_status(word: &OrderStatus) -> Result<ReportStatus, Unmapped> {
    Ok(match word {
        OrderStatus::New | OrderStatus::NewInsurance | OrderStatus::NewAdl => ReportStatus::New,
        OrderStatus::PartiallyFilled => ReportStatus::PartiallyFilled,
        OrderStatus::Filled => ReportStatus::Filled,
        OrderStatus::Canceled => ReportStatus::Cancelled,
        OrderStatus::Rejected => ReportStatus::Rejected,
        OrderStatus::Expired | OrderStatus::ExpiredInMatch => ReportStatus::Expired,
        OrderStatus::Other(word) => return Err(Unmapped::Word("status", word.clone())),
    })
}

/// R69: what fired is never filled by that; its child decides.
fn algo_status(word: &AlgoStatus) -> Result<ReportStatus, Unmapped> {
    Ok(match word {
        AlgoStatus::New => ReportStatus::New,
        AlgoStatus::Triggering | AlgoStatus::Triggered | AlgoStatus::Finished => ReportStatus::Triggered,
        AlgoStatus::Canceled => ReportStatus::Cancelled,
        AlgoStatus::Expired => ReportStatus::Expired,
        AlgoStatus::Rejected => ReportStatus::Rejected,
        AlgoStatus::Other(word) => return Err(Unmapped::Word("algoStatus", word.clone())),
    })
}
