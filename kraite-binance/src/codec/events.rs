//! From frames to the events of the account stream.

use compact_str::format_compact;
use kraite_core::exchange::{Direction, Mark, PositionReport, StreamEvent, Trade};
use kraite_core::id::{Symbol, TradeId};
use kraite_core::number::{Price, Qty};
use kraite_core::time::VenueMillis;
use kraite_wire::Events;

use super::frame::{AccountUpdate, AlgoUpdate, Frame, MarkUpdate, OrderUpdate};
use super::interpret::{Asked, Interpreter, Seen, SeenAlgo, Unmapped, symbol_of};
use super::word::{ExecutionType, PositionSide, UpdateReason};

/// Contracts that are margined in the coin itself; mixed into the streams of all contracts since June 2026.
const COIN_MARGINED: i64 = 2;

impl Interpreter {
    /// The events of a frame. None for what is no event of orders, positions, funding or marks: an expired key and a
    /// margin call are for the one who reads the stream, and the early telling of a fill is told again, with its fee
    /// and the status, as an order update.
    pub fn events(&mut self, frame: &Frame) -> Events {
        let mut all = Events::default();
        match frame {
            Frame::Order(update) => all.take(self.order_event(update).map(Some)),
            Frame::Algo(update) => match self.algo_update(update) {
                Ok(reports) => all.events.extend(reports.into_reports().map(StreamEvent::Order)),
                Err(why) => all.skipped.push(why),
            },
            Frame::Account(update) => account_events(update, &mut all),
            Frame::Mark(update) => take_mark(update, &mut all),
            Frame::Marks(updates) => updates.iter().for_each(|update| take_mark(update, &mut all)),
            Frame::TradeLite(_)
            | Frame::MarginCall(_)
            | Frame::ListenKeyExpired(_)
            | Frame::Answered { .. }
            | Frame::Other(_) => {}
        }
        all
    }

    fn order_event(&self, update: &OrderUpdate) -> Result<StreamEvent, Unmapped> {
        let order = &update.order;
        let execution = order.execution.as_ref().ok_or(Unmapped::Missing("x"))?;
        let (states, trades) = match execution {
            // Only these two say what was asked for: a fill of a close-only order shows what the venue cut it to (R57).
            ExecutionType::New | ExecutionType::Amendment => (true, false),
            ExecutionType::Trade | ExecutionType::Calculated => (false, true),
            ExecutionType::Canceled | ExecutionType::Expired | ExecutionType::Rejected => (false, false),
            // R54.
            ExecutionType::Other(word) => return Err(Unmapped::Word("x", word.clone())),
        };
        let at = update.at.or(update.event_at).ok_or(Unmapped::Missing("T"))?;
        let trade = if trades { self.trade_of(update)? } else { None };
        let report = self.regular(
            Seen {
                order_id: order.order_id,
                client_id: order.client_id.as_deref(),
                symbol: order.symbol.as_deref(),
                side: order.side.as_ref(),
                position_side: order.position_side.as_ref(),
                status: order.status.as_ref(),
                kinds: [order.kind.as_ref(), order.orig_type.as_ref()],
                closes: order.reduce_only == Some(true) || order.close_position == Some(true),
                at: Some(at),
                price: order.price,
                qty: order.qty,
                states,
                executed: order.executed_qty,
                average: order.average_price,
                trade,
            },
            Asked::at(at),
        )?;
        Ok(StreamEvent::Order(report))
    }

    /// The trade of an update; `None` where it has no number: what executed in all is told then, and no trade.
    fn trade_of(&self, update: &OrderUpdate) -> Result<Option<Trade>, Unmapped> {
        let order = &update.order;
        let Some(number) = order.trade_id.filter(|id| *id > 0) else { return Ok(None) };
        let symbol = symbol_of(order.symbol.as_deref(), None)?;
        let qty = order.last_qty.filter(|qty| qty.is_positive()).ok_or(Unmapped::Missing("l"))?;
        let price = order.last_price.filter(|price| price.is_positive()).ok_or(Unmapped::Missing("L"))?;
        let fee = self.fee(&symbol, order.fee_asset.as_deref(), order.fee, price, qty, order.maker);
        Ok(Some(Trade { id: TradeId(format_compact!("{number}")), qty, price, fee }))
    }

    fn algo_update(&mut self, update: &AlgoUpdate) -> Result<super::interpret::AlgoReports, Unmapped> {
        let order = &update.order;
        let at = update.at.or(update.event_at).ok_or(Unmapped::Missing("T"))?;
        self.conditional(
            &SeenAlgo {
                algo_id: order.algo_id,
                client_id: order.client_id.as_deref(),
                symbol: order.symbol.as_deref(),
                side: order.side.as_ref(),
                position_side: order.position_side.as_ref(),
                status: order.status.as_ref(),
                closes: order.reduce_only == Some(true) || order.close_position == Some(true),
                at: Some(at),
                trigger: order.trigger_price,
                qty: order.qty,
                child_id: order.child_id,
                child_qty: order.child_qty,
                child_price: order.child_price,
            },
            Asked::at(at),
        )
    }
}

fn account_events(update: &AccountUpdate, all: &mut Events) {
    let Some(at) = update.at.or(update.event_at) else {
        all.skipped.push(Unmapped::Missing("T"));
        return;
    };
    let body = &update.update;
    for row in &body.positions {
        let Some(symbol) = row.symbol.as_deref() else {
            all.skipped.push(Unmapped::Missing("s"));
            continue;
        };
        match sides_of(row.position_side.as_ref(), row.amount, row.entry_price, PushedOrRead::Pushed) {
            Ok(sides) => all.events.extend(sides.into_iter().flatten().map(|(direction, qty, entry_price)| {
                StreamEvent::Position(PositionReport { symbol: Symbol::new(symbol), direction, qty, entry_price, at })
            })),
            Err(why) => all.skipped.push(why),
        }
    }
    if body.reason == Some(UpdateReason::FundingFee) {
        let symbol = body.symbol.as_deref().or_else(|| body.positions.first()?.symbol.as_deref());
        for amount in body.balances.iter().filter_map(|row| row.change).filter(|amount| !amount.is_zero()) {
            all.take(
                symbol
                    .map(|symbol| Some(StreamEvent::Funding { symbol: Symbol::new(symbol), amount, at }))
                    .ok_or(Unmapped::Missing("S")),
            );
        }
    }
}

/// Whether a row of a position changed just now, or is one of a list in which flat sides are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PushedOrRead {
    /// Flat sides are news.
    Pushed,
    /// Flat sides are the ones that are missing.
    Read,
}

type SideSize = (Direction, Qty, Option<Price>);

/// The sides of a position row, each with its size. One net position is one side and says that the other is flat.
pub(crate) fn sides_of(
    side: Option<&PositionSide>,
    amount: Option<Qty>,
    entry: Option<Price>,
    how: PushedOrRead,
) -> Result<[Option<SideSize>; 2], Unmapped> {
    let amount = amount.ok_or(Unmapped::Missing("position amount"))?;
    let entry = entry.filter(|price| price.is_positive() && !amount.is_zero());
    let shown =
        |direction, qty: Qty, entry| (how == PushedOrRead::Pushed || !qty.is_zero()).then_some((direction, qty, entry));
    match side.unwrap_or(&PositionSide::Both) {
        PositionSide::Long if amount.is_negative() => Err(Unmapped::Contradiction("a long below zero")),
        PositionSide::Short if amount.is_positive() => Err(Unmapped::Contradiction("a short above zero")),
        PositionSide::Long => Ok([shown(Direction::Long, amount, entry), None]),
        PositionSide::Short => Ok([shown(Direction::Short, amount.abs(), entry), None]),
        PositionSide::Both => {
            let direction = if amount.is_negative() { Direction::Short } else { Direction::Long };
            Ok([shown(direction, amount.abs(), entry), shown(direction.opposite(), Qty::ZERO, None)])
        }
        PositionSide::Other(word) => Err(Unmapped::Word("positionSide", word.clone())),
    }
}

fn take_mark(update: &MarkUpdate, all: &mut Events) {
    if update.product == Some(COIN_MARGINED) {
        return;
    }
    all.take(mark_of(update.symbol.as_deref(), update.mark, update.at).map(|mark| Some(StreamEvent::Mark(mark))));
}

pub(crate) fn mark_of(symbol: Option<&str>, price: Option<Price>, at: Option<VenueMillis>) -> Result<Mark, Unmapped> {
    Ok(Mark {
        symbol: symbol_of(symbol, None)?,
        price: price.filter(|price| price.is_positive()).ok_or(Unmapped::Missing("mark price"))?,
        at: at.ok_or(Unmapped::Missing("time"))?,
    })
}
