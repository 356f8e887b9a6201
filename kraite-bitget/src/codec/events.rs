//! From frames to the events of the account stream.

use kraite_core::exchange::{Direction, OrderReport, PositionReport, StreamEvent, Trade};
use kraite_core::id::Symbol;
use kraite_core::number::Qty;
use kraite_core::time::VenueMillis;
use kraite_wire::Events;

use super::fills::{classic_fees, unified_fees};
use super::frame::{Frame, Push, classic, unified};
use super::ids::plan_id;
use super::interpret::{
    Asked, Interpreter, Seen, SeenPlan, Unmapped, cause_of, is_yes, kind_of, plan_status, symbol_of,
};
use super::readings::{mark_of, side_of_position};
use super::way::{Convention, Way};
use super::word::{HoldMode, OrderStatus, PositionSide, TradeSide};

impl Interpreter {
    /// The events of a frame. None for what is no event of orders, positions or marks: what answers a request is for
    /// the one who made it, and balances are read.
    pub fn events(&mut self, frame: &Frame) -> Events {
        let mut all = Events::default();
        match frame {
            Frame::ClassicOrders(push) => take_rows(&mut all, push, |row| self.classic_order_event(row, push.at)),
            Frame::ClassicPlans(push) => take_rows(&mut all, push, |row| self.classic_plan_event(row, push.at)),
            Frame::ClassicFills(push) => take_rows(&mut all, push, |row| self.classic_fill_event(row)),
            Frame::ClassicPositions(push) => take_rows(&mut all, push, |row| classic_position(row, push.at)),
            Frame::UnifiedOrders(push) => take_rows(&mut all, push, |row| {
                let events = self.unified_order_event(row, push.at)?;
                // Its trades come without what it came from.
                if let [StreamEvent::Order(OrderReport { venue_id, parent: Some(parent), .. })] = &events
                    && self.links.knows(parent)
                {
                    self.links.learn(parent, None, Some(venue_id.as_str()));
                }
                Ok(events)
            }),
            Frame::UnifiedStrategies(push) => take_rows(&mut all, push, |row| {
                let at = row.updated.or(row.created).or(push.at).ok_or(Unmapped::Missing("updatedTime"))?;
                Ok(self.unified_strategy(row, Asked::at(at))?.into_iter().map(StreamEvent::Order))
            }),
            Frame::UnifiedFills(push) => take_rows(&mut all, push, |row| self.unified_fill_event(row)),
            Frame::UnifiedPositions(push) => take_rows(&mut all, push, |row| unified_position(row, push.at)),
            Frame::Tickers(push) => take_rows(&mut all, push, |row| {
                mark_of(row.symbol.as_deref(), row.mark, row.at).map(|mark| [StreamEvent::Mark(mark)])
            }),
            Frame::Pong
            | Frame::LoggedOn
            | Frame::Subscribed(_)
            | Frame::Refused { .. }
            | Frame::ClassicAccount(_)
            | Frame::UnifiedAccount(_)
            | Frame::Other(_) => {}
        }
        all
    }

    fn classic_order_event(
        &self,
        row: &classic::OrderUpdate,
        sent: Option<VenueMillis>,
    ) -> Result<[StreamEvent; 1], Unmapped> {
        let at = row.updated.or(row.created).or(sent).ok_or(Unmapped::Missing("uTime"))?;
        let trade = match &row.trade_id {
            // What is told again when the order ends is no trade of that moment.
            Some(id) if row.last_qty.is_some_and(Qty::is_positive) => {
                let symbol = symbol_of(row.symbol.as_deref(), None)?;
                let cost = row.fee.map(kraite_core::number::Notional::negated);
                let costs = [(row.fee_coin.as_deref(), cost)];
                Some(self.trade(&symbol, (Some(id), row.last_price, row.last_qty), costs, row.scope.as_ref())?)
            }
            _ => None,
        };
        let seen = Seen {
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
            status: row.status.as_ref(),
            at: Some(at),
            price: row.price,
            qty: row.size,
            states: states(row.status.as_ref()),
            executed: row.executed,
            average: row.average,
            trade,
        };
        Ok([StreamEvent::Order(self.regular(seen, Asked::at(at))?)])
    }

    fn classic_plan_event(
        &mut self,
        row: &classic::PlanUpdate,
        sent: Option<VenueMillis>,
    ) -> Result<impl IntoIterator<Item = StreamEvent> + use<>, Unmapped> {
        let at = row.updated.or(row.triggered).or(sent).ok_or(Unmapped::Missing("uTime"))?;
        let number = row.order_id.as_deref().ok_or(Unmapped::Missing("orderId"))?;
        let (service, whole, exits) = kind_of(row.kind.as_ref().ok_or(Unmapped::Missing("planType"))?)?;
        let closes = row.trade_side.as_ref().and_then(TradeSide::closes);
        let client_id = row.client_id.as_deref();
        let plan = plan_id(number);
        let client = client_id.and_then(|text| text.parse().ok());
        self.links.learn(&plan, client, None);
        let seen = SeenPlan {
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
            status: plan_status(row.status.as_ref().ok_or(Unmapped::Missing("status"))?)?,
            at: Some(at),
            trigger: row.trigger,
            qty: row.size.filter(|_| !whole),
            child_id: None,
            child_executed: None,
            child_average: None,
        };
        Ok(self.plan(seen, Asked::at(at))?.into_reports().map(StreamEvent::Order))
    }

    fn unified_order_event(
        &self,
        row: &unified::OrderUpdate,
        sent: Option<VenueMillis>,
    ) -> Result<[StreamEvent; 1], Unmapped> {
        let at = row.updated.or(row.created).or(sent).ok_or(Unmapped::Missing("updatedTime"))?;
        let seen = Seen {
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
            cause: cause_of(row.trade_side.as_ref(), row.source.as_deref()),
            source: row.source.as_deref(),
            status: row.status.as_ref(),
            at: Some(at),
            price: row.price,
            qty: row.qty,
            states: states(row.status.as_ref()),
            executed: row.executed,
            average: row.average,
            trade: None,
        };
        Ok([StreamEvent::Order(self.regular(seen, Asked::at(at))?)])
    }

    fn classic_fill_event(&self, row: &classic::FillUpdate) -> Result<[StreamEvent; 1], Unmapped> {
        let symbol = symbol_of(row.symbol.as_deref(), None)?;
        let parts = (row.trade_id.as_deref(), row.price, row.qty);
        let trade = self.trade(&symbol, parts, classic_fees(&row.fees), row.scope.as_ref())?;
        let way = Way {
            side: row.side.as_ref(),
            position: None,
            hold: row.hold_mode.as_ref(),
            closes: row.trade_side.as_ref().and_then(TradeSide::closes),
            reduce_only: false,
            convention: Convention::Trade,
        };
        let at = row.created.or(row.updated).ok_or(Unmapped::Missing("cTime"))?;
        let ids = (row.order_id.as_deref(), row.client_id.as_deref());
        self.filled(ids, symbol, way, row.trade_side.as_ref(), trade, at)
    }

    /// A trade of the fast channel has no fee, and the first telling of a trade is the one that counts: it is left for
    /// the other channel to tell.
    fn unified_fill_event(&self, row: &unified::FillUpdate) -> Result<Option<StreamEvent>, Unmapped> {
        let Some(fees) = &row.fees else { return Ok(None) };
        let symbol = symbol_of(row.symbol.as_deref(), None)?;
        let parts = (row.trade_id.as_deref(), row.price, row.qty);
        let trade = self.trade(&symbol, parts, unified_fees(fees), row.scope.as_ref())?;
        let position = row.position_side.as_ref();
        let way = Way {
            side: row.side.as_ref(),
            position,
            hold: (position == Some(&PositionSide::Net)).then_some(&HoldMode::OneWay),
            closes: row.trade_side.as_ref().and_then(TradeSide::closes),
            reduce_only: false,
            convention: Convention::Trade,
        };
        let at = row.at.or(row.updated).ok_or(Unmapped::Missing("execTime"))?;
        let ids = (row.order_id.as_deref(), row.client_id.as_deref());
        self.filled(ids, symbol, way, row.trade_side.as_ref(), trade, at).map(|[event]| Some(event))
    }

    /// A trade told on its own: of its order it says no more than that it is partly filled.
    fn filled(
        &self,
        (order_id, client_id): (Option<&str>, Option<&str>),
        symbol: Symbol,
        way: Way<'_>,
        trade_side: Option<&TradeSide>,
        trade: Trade,
        at: VenueMillis,
    ) -> Result<[StreamEvent; 1], Unmapped> {
        let seen = Seen {
            order_id,
            client_id,
            symbol: Some(symbol.as_str()),
            way,
            cause: cause_of(trade_side, None),
            source: None,
            status: Some(&OrderStatus::PartiallyFilled),
            at: Some(at),
            price: None,
            qty: None,
            states: false,
            executed: None,
            average: None,
            trade: Some(trade),
        };
        Ok([StreamEvent::Order(self.regular(seen, Asked::at(at))?)])
    }
}

/// Adds the events of each row; a row that could not be read is one that cannot be told.
fn take_rows<T, I: IntoIterator<Item = StreamEvent>>(
    all: &mut Events,
    push: &Push<T>,
    mut to: impl FnMut(&T) -> Result<I, Unmapped>,
) {
    for row in &push.rows {
        all.take(to(row));
    }
    if !push.complete {
        all.skipped.push(Unmapped::Contradiction("a row of a push"));
    }
}

/// Only an order of which nothing filled states what was asked for: a close-only order may be cut later (R57).
fn states(status: Option<&OrderStatus>) -> bool {
    matches!(status, Some(OrderStatus::Live | OrderStatus::New))
}

/// The sides of a pushed position. One net position says that the other side is flat.
fn sides(
    symbol: Option<&str>,
    side: Option<&PositionSide>,
    hold: Option<&HoldMode>,
    (total, entry): (Option<Qty>, Option<kraite_core::number::Price>),
    at: Option<VenueMillis>,
) -> Result<Vec<StreamEvent>, Unmapped> {
    let symbol = symbol_of(symbol, None)?;
    let at = at.filter(|at| at.0 > 0).ok_or(Unmapped::Missing("time"))?;
    let one_way = hold == Some(&HoldMode::OneWay);
    let report = |direction, qty, entry_price| {
        StreamEvent::Position(PositionReport { symbol: symbol.clone(), direction, qty, entry_price, at })
    };
    if let Some((direction, qty, entry)) = side_of_position(side, total, entry)? {
        let other = one_way.then(|| report(direction.opposite(), Qty::ZERO, None));
        return Ok(std::iter::once(report(direction, qty, entry)).chain(other).collect());
    }
    let flat = match side {
        _ if one_way => vec![Direction::Long, Direction::Short],
        Some(PositionSide::Long) => vec![Direction::Long],
        Some(PositionSide::Short) => vec![Direction::Short],
        Some(PositionSide::Other(word)) => return Err(Unmapped::Word("position side", word.clone())),
        Some(PositionSide::Net) | None => return Err(Unmapped::Missing("position side")),
    };
    Ok(flat.into_iter().map(|direction| report(direction, Qty::ZERO, None)).collect())
}

fn classic_position(row: &classic::PositionUpdate, sent: Option<VenueMillis>) -> Result<Vec<StreamEvent>, Unmapped> {
    let figures = (row.total, row.entry);
    sides(row.symbol.as_deref(), row.side.as_ref(), row.hold_mode.as_ref(), figures, row.updated.or(sent))
}

fn unified_position(row: &unified::PositionUpdate, sent: Option<VenueMillis>) -> Result<Vec<StreamEvent>, Unmapped> {
    let ended = row.status.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("ended"));
    if ended && row.size.is_some_and(|size| !size.is_zero()) {
        return Err(Unmapped::Contradiction("a position that ended and is open"));
    }
    let figures = (row.size, row.entry);
    sides(row.symbol.as_deref(), row.side.as_ref(), row.hold_mode.as_ref(), figures, row.updated.or(sent))
}
