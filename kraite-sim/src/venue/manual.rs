//! Other hands: the account's user, and the venue's own operations.

use compact_str::format_compact;
use kraite_core::exchange::{Direction, OrderShape, Purpose, ReportStatus, TriggerBy, TriggerSize};
use kraite_core::id::{AccountTag, Symbol, VenueOrderId};
use kraite_core::instrument::Instrument;
use kraite_core::number::{Price, Qty};
use kraite_core::time::VenueMillis;

use super::Venue;
use super::book::{Liquidity, Safety, Trading};
use super::object::{ObjectId, Owner, Via};
use super::place::Ticket;
use super::profile::Refusal;

impl Venue {
    /// The user cancels any order of the account, ours included (E7).
    pub fn user_cancel(&mut self, order: &VenueOrderId, now: VenueMillis) -> Result<(), Refusal> {
        self.tick(now);
        let id = self.open_object(order)?;
        self.end(id, ReportStatus::Cancelled);
        Ok(())
    }

    /// The user changes price and quantity of a LIMIT order, or drags the trigger of a plan or trigger
    /// order, whose size stays (E7).
    pub fn user_amend(
        &mut self,
        order: &VenueOrderId,
        price: Price,
        qty: Qty,
        now: VenueMillis,
    ) -> Result<(), Refusal> {
        self.tick(now);
        let id = self.open_object(order)?;
        let shape = self.objects.get(&id).map(|o| o.shape).ok_or(Refusal::UnknownOrder)?;
        let dragged = match shape {
            OrderShape::Market { .. } => return Err(Refusal::NotAmendable),
            OrderShape::Limit { .. } => return self.amend_object(id, price, qty),
            OrderShape::StopMarket { by, size, .. } => OrderShape::StopMarket { trigger: price, by, size },
            OrderShape::TakeProfitMarket { by, size, .. } => OrderShape::TakeProfitMarket { trigger: price, by, size },
        };
        self.restate(id, dragged);
        self.tell(id, None);
        Ok(())
    }

    /// The user trades at the market: adds to a position or takes off it (E7, E8).
    pub fn user_market(
        &mut self,
        account: AccountTag,
        symbol: &Symbol,
        direction: Direction,
        purpose: Purpose,
        qty: Qty,
        now: VenueMillis,
    ) -> Result<VenueOrderId, Refusal> {
        self.user_order(account, symbol, direction, purpose, OrderShape::Market { qty }, now)
    }

    /// The user places a LIMIT order (E8).
    #[expect(clippy::too_many_arguments, reason = "one argument per field of an order ticket")]
    pub fn user_limit(
        &mut self,
        account: AccountTag,
        symbol: &Symbol,
        direction: Direction,
        purpose: Purpose,
        price: Price,
        qty: Qty,
        now: VenueMillis,
    ) -> Result<VenueOrderId, Refusal> {
        self.user_order(account, symbol, direction, purpose, OrderShape::Limit { price, qty }, now)
    }

    /// The user places a close-position stop of their own, which then blocks ours (4a.7).
    pub fn user_stop(
        &mut self,
        account: AccountTag,
        symbol: &Symbol,
        direction: Direction,
        trigger: Price,
        by: TriggerBy,
        now: VenueMillis,
    ) -> Result<VenueOrderId, Refusal> {
        let shape = OrderShape::StopMarket { trigger, by, size: TriggerSize::ClosePosition };
        self.user_order(account, symbol, direction, Purpose::Close, shape, now)
    }

    fn user_order(
        &mut self,
        account: AccountTag,
        symbol: &Symbol,
        direction: Direction,
        purpose: Purpose,
        shape: OrderShape,
        now: VenueMillis,
    ) -> Result<VenueOrderId, Refusal> {
        self.tick(now);
        let side = match purpose {
            Purpose::Open => direction.opening_side(),
            Purpose::Close => direction.closing_side(),
        };
        let owner = Owner::User(format_compact!("web_{}", self.next_object));
        let ticket = Ticket { account, owner, via: Via::User, symbol: symbol.clone(), side, direction, purpose, shape };
        self.submit(ticket).map(ObjectId::venue_id)
    }

    fn open_object(&self, order: &VenueOrderId) -> Result<ObjectId, Refusal> {
        let id = ObjectId::parse(order).ok_or(Refusal::UnknownOrder)?;
        let open = self.objects.get(&id).is_some_and(super::OrderObject::is_open);
        if open { Ok(id) } else { Err(Refusal::UnknownOrder) }
    }

    /// Stops all matching on a contract; prices still move (E5).
    pub fn halt(&mut self, symbol: &Symbol) {
        self.set_trading(symbol, Trading::Halted);
    }

    /// Trading goes on; the next price update meets everything that waits.
    pub fn resume(&mut self, symbol: &Symbol) {
        self.set_trading(symbol, Trading::Open);
    }

    fn set_trading(&mut self, symbol: &Symbol, trading: Trading) {
        if let Some(market) = self.markets.get_mut(symbol) {
            market.trading = trading;
        }
    }

    /// Changes the rules of a listed contract; orders that exist stay as they are (E10).
    pub fn change_filters(&mut self, instrument: Instrument) {
        if let Some(market) = self.markets.get_mut(&instrument.symbol) {
            market.instrument = instrument;
            market.safety = Safety::Unknown;
        }
    }

    /// Changes how much other people offer on a contract.
    pub fn set_liquidity(&mut self, symbol: &Symbol, liquidity: Liquidity) {
        if let Some(market) = self.markets.get_mut(symbol) {
            market.liquidity = liquidity;
        }
    }
}
