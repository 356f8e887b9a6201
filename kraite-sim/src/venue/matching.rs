//! Matching: what a price reaches, how orders execute, and what an execution changes.

use kraite_core::exchange::{OrderShape, Purpose, ReportStatus, Service, Side, Trade};
use kraite_core::id::{Symbol, TradeId};
use kraite_core::number::{ArithmeticError, Notional, Price, Qty};

use super::account::{Change, Fill};
use super::book::Safety;
use super::money::{between, rest, share, slices, taker_price};
use super::object::{ObjectId, OrderObject, TradeRecord};
use super::profile::WhenFlat;
use super::{PriceMove, Venue};

/// Which side of a trade an order was on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Liquidity {
    Maker,
    Taker,
    /// Forced by the venue: pays the liquidation fee.
    Forced(Notional),
}

impl Venue {
    /// Lets everything happen that the present prices of a contract reach.
    pub(super) fn run_due(
        &mut self,
        symbol: &Symbol,
        was_last: Option<Price>,
        was_mark: Option<Price>,
    ) -> Result<(), ArithmeticError> {
        let Some(market) = self.markets.get(symbol) else { return Ok(()) };
        let (last, mark) = (market.last, market.mark);
        let due = market.due(was_last);
        let on_path = |was: Option<Price>, is: Option<Price>, at: Price| match (was, is) {
            (Some(was), Some(is)) => Some(between(at, was, is)),
            _ => is,
        };
        for next in due {
            let mark_here = on_path(was_mark, mark, next.price);
            if let Some(at) = mark_here {
                self.liquidate_at(symbol, at)?;
            }
            if self.price_move == PriceMove::Glide
                && let Some(market) = self.markets.get_mut(symbol)
            {
                market.last = on_path(was_last, last, next.price);
                market.mark = mark_here;
            }
            if next.is_limit {
                self.fill_resting(next.id)?;
            } else {
                self.fire(next.id)?;
            }
        }
        if let Some(market) = self.markets.get_mut(symbol) {
            market.last = last;
            market.mark = mark;
        }
        if let Some(at) = mark {
            self.liquidate_at(symbol, at)?;
        }
        Ok(())
    }

    /// Executes a MARKET order against the last price, as far as others offer; the rest expires.
    pub(super) fn execute_market(&mut self, id: ObjectId) -> Result<(), ArithmeticError> {
        let Some((price, wanted)) = self.taker_terms(id)? else { return Ok(()) };
        self.take(id, price, wanted)?;
        let Some(object) = self.objects.get(&id) else { return Ok(()) };
        if object.is_open() {
            self.end(id, ReportStatus::Expired);
        }
        Ok(())
    }

    /// Executes a fresh or changed LIMIT order as a taker if it crosses; the rest stays in the book.
    pub(super) fn cross(&mut self, id: ObjectId) -> Result<(), ArithmeticError> {
        let Some(object) = self.objects.get(&id) else { return Ok(()) };
        let (OrderShape::Limit { price: limit, .. }, side) = (object.shape, object.side) else { return Ok(()) };
        let Some(market) = self.markets.get(&object.symbol) else { return Ok(()) };
        if !market.crosses(side, limit) {
            return Ok(());
        }
        let Some((price, wanted)) = self.taker_terms(id)? else { return Ok(()) };
        let price = match side {
            Side::Buy => price.min(limit),
            Side::Sell => price.max(limit),
        };
        self.take(id, price, wanted)
    }

    /// The price a taking order gets and how much of it is met.
    fn taker_terms(&self, id: ObjectId) -> Result<Option<(Price, Qty)>, ArithmeticError> {
        let Some(object) = self.objects.get(&id) else { return Ok(None) };
        let Some(market) = self.markets.get(&object.symbol) else { return Ok(None) };
        let Some(last) = market.last else { return Ok(None) };
        let price = taker_price(last, object.side, market.liquidity.slippage, market.instrument.tick)?;
        let leaves = object.leaves();
        Ok(Some((price, market.liquidity.taker_cap.map_or(leaves, |cap| leaves.min(cap)))))
    }

    fn take(&mut self, id: ObjectId, price: Price, wanted: Qty) -> Result<(), ArithmeticError> {
        let Some(object) = self.objects.get(&id) else { return Ok(()) };
        let Some(market) = self.markets.get(&object.symbol) else { return Ok(()) };
        for slice in slices(wanted, market.liquidity.taker_trades, market.instrument.lot)? {
            let slice = self.cut_to_position(id, slice);
            if slice.is_positive() {
                self.execute(id, slice, price, Liquidity::Taker)?;
            }
        }
        Ok(())
    }

    /// A resting order is reached: it executes at its own price.
    fn fill_resting(&mut self, id: ObjectId) -> Result<(), ArithmeticError> {
        let Some(object) = self.objects.get(&id).filter(|o| o.is_open()) else { return Ok(()) };
        let OrderShape::Limit { price, .. } = object.shape else { return Ok(()) };
        let cap = self.markets.get(&object.symbol).and_then(|m| m.liquidity.maker_cap);
        let leaves = object.leaves();
        let qty = self.cut_to_position(id, cap.map_or(leaves, |cap| leaves.min(cap)));
        if qty.is_positive() {
            self.execute(id, qty, price, Liquidity::Maker)
        } else {
            self.end(id, ReportStatus::Expired);
            Ok(())
        }
    }

    /// A close-only order never executes more than is open.
    pub(super) fn cut_to_position(&self, id: ObjectId, qty: Qty) -> Qty {
        let Some(object) = self.objects.get(&id) else { return Qty::ZERO };
        match object.purpose {
            Purpose::Open => qty,
            Purpose::Close => qty.min(self.closable(object)),
        }
    }

    /// How much of its position a close-only order can still take off.
    pub(super) fn closable(&self, object: &OrderObject) -> Qty {
        let Some(account) = self.accounts.get(&object.account) else { return Qty::ZERO };
        account
            .reduces(&object.symbol, object.side, object.direction)
            .map_or(Qty::ZERO, |direction| account.qty(&object.symbol, direction))
    }

    /// One execution: order, positions, wallet, pushes, and the end of what a flat position leaves behind.
    pub(super) fn execute(
        &mut self,
        id: ObjectId,
        qty: Qty,
        price: Price,
        liquidity: Liquidity,
    ) -> Result<(), ArithmeticError> {
        let now = self.now;
        let Some(object) = self.objects.get(&id) else { return Ok(()) };
        let (tag, symbol, side, direction) = (object.account, object.symbol.clone(), object.side, object.direction);
        let may_add = object.purpose == Purpose::Open;
        let (executed, cost) = (object.executed.checked_add(qty)?, object.cost.checked_add(price.checked_mul(qty)?)?);
        let Some(market) = self.markets.get_mut(&symbol) else { return Ok(()) };
        let fee = match liquidity {
            Liquidity::Maker => price.checked_mul(qty)?.scaled_by(market.instrument.maker_fee)?,
            Liquidity::Taker => price.checked_mul(qty)?.scaled_by(market.instrument.taker_fee)?,
            Liquidity::Forced(fee) => fee,
        };
        let fees = object.fees.checked_add(fee)?;
        let settings = self.settings_of(tag, &symbol);
        let isolated = settings.margin_mode == kraite_core::exchange::MarginMode::Isolated;
        let Some(account) = self.accounts.get_mut(&tag) else { return Ok(()) };
        let fill = Fill {
            symbol: &symbol,
            side,
            direction,
            qty,
            price,
            fee,
            may_add,
            maker: liquidity == Liquidity::Maker,
            lag: self.profile.quirks.read_lag.positions,
            at: now,
        };
        let change =
            account.book(&fill, |worth| if isolated { share(worth, settings.leverage) } else { Ok(Notional::ZERO) })?;
        if let Some(market) = self.markets.get_mut(&symbol) {
            market.safety = Safety::Unknown;
        }
        let trade = self.record(id, &fill, &change);
        let done = if let Some(object) = self.objects.get_mut(id) {
            object.executed = executed;
            object.cost = cost;
            object.fees = fees;
            object.changed_at = now;
            object.status = ReportStatus::PartiallyFilled;
            object.leaves().is_zero()
        } else {
            false
        };
        if done {
            self.retire(id, ReportStatus::Filled);
        }
        self.tell(id, Some(trade));
        for touched in [change.reduced, change.added].into_iter().flatten() {
            self.tell_position(tag, &symbol, touched);
        }
        if let Some(flat) = change.flat {
            self.went_flat(tag, &symbol, flat);
        }
        Ok(())
    }

    fn record(&mut self, id: ObjectId, fill: &Fill<'_>, change: &Change) -> Trade {
        let number = self.next_trade;
        self.next_trade = number.saturating_add(1);
        let trade = TradeId(compact_str::format_compact!("{number}"));
        if self.kept_trades > 0
            && let Some(object) = self.objects.get(&id)
        {
            while self.trades.len() >= self.kept_trades {
                self.trades.pop_front();
            }
            self.trades.push_back(TradeRecord {
                id: trade.clone(),
                object: id,
                account: object.account,
                symbol: fill.symbol.clone(),
                direction: change.reduced.or(change.added).unwrap_or(fill.direction),
                side: fill.side,
                qty: fill.qty,
                price: fill.price,
                fee: fill.fee,
                realized: change.realized,
                maker: fill.maker,
                at: fill.at,
            });
        }
        Trade { id: trade, qty: fill.qty, price: fill.price, fee: fill.fee }
    }

    /// A position is gone: what could only close it ends, by the venue's habit.
    fn went_flat(
        &mut self,
        tag: kraite_core::id::AccountTag,
        symbol: &Symbol,
        direction: kraite_core::exchange::Direction,
    ) {
        let status = match self.profile.quirks.when_flat {
            WhenFlat::Expire => ReportStatus::Expired,
            WhenFlat::Cancel => ReportStatus::Cancelled,
            WhenFlat::Stay => return,
        };
        let Some(account) = self.accounts.get(&tag) else { return };
        let goes = |id: &ObjectId| {
            self.objects.get(id).is_some_and(|o| {
                // A conditional order with a quantity lives on and meets its fate when it triggers.
                let tied = o.service != Service::Conditional || o.is_close_position();
                o.symbol == *symbol
                    && o.purpose == Purpose::Close
                    && o.side == direction.closing_side()
                    && tied
                    && !matches!(o.shape, OrderShape::Market { .. })
            })
        };
        let gone: Vec<ObjectId> = account.open().filter(goes).collect();
        for id in gone {
            self.end(id, status);
        }
    }

    /// The part of an opening quantity that would not merely take off an opposite position.
    pub(super) fn adds(&self, object: &OrderObject) -> Qty {
        let qty = object.shape.qty().unwrap_or(Qty::ZERO);
        rest(qty, self.closable(object))
    }
}
