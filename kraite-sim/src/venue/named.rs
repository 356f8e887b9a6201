//! Orders under names of any form, as they come over a wire from clients that know nothing of us: the same
//! books, the same checks and the same matching as for everybody else.

use compact_str::CompactString;
use kraite_core::exchange::{Direction, Endpoint, OrderShape, PositionMode, Purpose, ReportStatus, Service, Side};
use kraite_core::id::{AccountTag, ClientOrderId, Symbol};
use kraite_core::number::{Price, Qty};
use kraite_core::time::VenueMillis;

use super::Venue;
use super::matching::Liquidity;
use super::object::{ObjectId, OrderObject, Owner, Via};
use super::place::Ticket;
use super::profile::Refusal;

/// An order that somebody wants placed under a name of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// For which account.
    pub account: AccountTag,
    /// Under which client id. One that decodes as ours is ours; any other is a foreigner's.
    pub name: CompactString,
    /// On which contract.
    pub symbol: Symbol,
    /// Buy or sell.
    pub side: Side,
    /// Which position it belongs to; decides in hedge mode whether it closes.
    pub direction: Direction,
    /// Whether it may add exposure; decides in one-way mode.
    pub purpose: Purpose,
    /// Kind, prices and sizes.
    pub shape: OrderShape,
}

impl Venue {
    /// Places an order under any name.
    ///
    /// # Errors
    ///
    /// What [`Venue::request`] would refuse, with the same reasons; [`Refusal::DuplicateId`] while an order of the
    /// same service is open under the name.
    pub fn place_named(&mut self, wish: Wish, now: VenueMillis) -> Result<ObjectId, Refusal> {
        self.tick(now);
        self.requests_seen = self.requests_seen.saturating_add(1);
        let via = Via::Request(self.requests_seen);
        let service = if wish.shape.is_conditional() { Service::Conditional } else { Service::Regular };
        if self.open_named(wish.account, &wish.name, service).is_some() {
            return Err(Refusal::DuplicateId);
        }
        let owner = match wish.name.parse::<ClientOrderId>() {
            Ok(id) => Owner::Ours(id),
            Err(_) => Owner::User(wish.name),
        };
        let Wish { account, symbol, side, direction, purpose, shape, .. } = wish;
        self.submit(Ticket { account, owner, via, symbol, side, direction, purpose, shape })
    }

    /// Takes off whatever is open on one side, less than a lot too, by an order of this name.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoPosition`] where nothing is open there.
    pub fn close_named(
        &mut self,
        account: AccountTag,
        symbol: &Symbol,
        direction: Direction,
        name: CompactString,
        now: VenueMillis,
    ) -> Result<ObjectId, Refusal> {
        self.tick(now);
        self.requests_seen = self.requests_seen.saturating_add(1);
        self.take_whole(account, symbol, direction, Owner::User(name), Via::Request(self.requests_seen))
    }

    /// The open order of one service under a name of any form.
    #[must_use]
    pub fn open_named(&self, account: AccountTag, name: &str, service: Service) -> Option<ObjectId> {
        if let Ok(id) = name.parse::<ClientOrderId>() {
            return self.open_under(account, id, service);
        }
        let named = |o: &&OrderObject| o.service == service && matches!(&o.owner, Owner::User(text) if text == name);
        self.open(account).find(named).map(|o| o.id)
    }

    /// Somebody trades with a resting LIMIT order at its own price, or a trigger or MARKET order is made to act, as
    /// far as it can; returns how much executed.
    pub fn fill_order(&mut self, id: ObjectId, qty: Option<Qty>, now: VenueMillis) -> Qty {
        self.tick(now);
        let Some(object) = self.objects.get(&id).filter(|o| o.is_open()) else { return Qty::ZERO };
        let before = object.executed;
        let done = match object.shape {
            OrderShape::Limit { price, .. } => {
                let wanted = qty.map_or(object.leaves(), |qty| qty.min(object.leaves()));
                let qty = self.cut_to_position(id, wanted);
                if qty.is_positive() { self.execute(id, qty, price, Liquidity::Maker) } else { Ok(()) }
            }
            OrderShape::StopMarket { .. } | OrderShape::TakeProfitMarket { .. } => self.fire(id),
            OrderShape::Market { .. } => Ok(()),
        };
        self.swallow(done);
        let Some(object) = self.objects.get(&id) else { return Qty::ZERO };
        let acted = object.child.and_then(|child| self.objects.get(&child)).map_or(object.executed, |c| c.executed);
        acted.checked_sub(before).unwrap_or(Qty::ZERO)
    }

    /// The venue ends an open order: what is left of one that may not rest, or a condition that no longer holds.
    pub fn expire_order(&mut self, id: ObjectId, now: VenueMillis) {
        self.tick(now);
        if self.objects.get(&id).is_some_and(OrderObject::is_open) {
            self.end(id, ReportStatus::Expired);
        }
    }

    /// Changes how an account nets positions. The caller makes sure that nothing is open.
    pub fn set_mode(&mut self, account: AccountTag, mode: PositionMode) {
        if let Some(account) = self.accounts.get_mut(&account) {
            account.mode = mode;
        }
    }

    /// True when a LIMIT order at this price would trade at once instead of resting.
    #[must_use]
    pub fn crosses(&self, symbol: &Symbol, side: Side, limit: Price) -> bool {
        self.markets.get(symbol).is_some_and(|market| market.crosses(side, limit))
    }

    /// True when an endpoint shows an order at this time: old enough to be seen, young enough to be found.
    #[must_use]
    pub fn is_shown(&self, object: &OrderObject, endpoint: Endpoint, now: VenueMillis) -> bool {
        self.is_visible(object, endpoint, now)
    }
}
