//! Placing: from a request to an object in the books.

use kraite_core::exchange::{
    Ack, Direction, NewOrder, OrderShape, Outcome, PositionMode, PositionRef, Purpose, ReportStatus, Service, Side,
    TriggerSize,
};
use kraite_core::id::{AccountTag, Symbol};
use kraite_core::number::{Notional, Qty};

use super::Venue;
use super::book::Trading;
use super::money::{rest, sum_qty};
use super::object::{ObjectId, OrderObject, Owner, Via};
use super::profile::{CloseOverlap, Oversize, Refusal};

/// What somebody wants placed, whoever that is.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub(super) account: AccountTag,
    pub(super) owner: Owner,
    pub(super) via: Via,
    pub(super) symbol: Symbol,
    pub(super) side: Side,
    pub(super) direction: Direction,
    pub(super) purpose: Purpose,
    pub(super) shape: OrderShape,
}

impl Venue {
    /// Answers one placement.
    pub(super) fn place(&mut self, account: AccountTag, order: &NewOrder, via: Via) -> Outcome {
        let mode = self.accounts.get(&account).map(|a| a.mode);
        if mode != Some(order.mode) {
            return self.refused(Refusal::Mode);
        }
        let service = if order.shape.is_conditional() { Service::Conditional } else { Service::Regular };
        if self.open_under(account, order.id, service).is_some() {
            return self.refused(Refusal::DuplicateId);
        }
        let ticket = Ticket {
            account,
            owner: Owner::Ours(order.id),
            via,
            symbol: order.symbol.clone(),
            side: order.side,
            direction: order.direction,
            purpose: order.purpose,
            shape: order.shape,
        };
        match self.submit(ticket) {
            Ok(id) => self.accepted(id),
            Err(refusal) => self.refused(refusal),
        }
    }

    /// The open object under a client id in one service.
    pub(super) fn open_under(
        &self,
        account: AccountTag,
        id: kraite_core::ClientOrderId,
        service: Service,
    ) -> Option<ObjectId> {
        let ids = self.accounts.get(&account)?.under(id);
        ids.iter().rev().copied().find(|id| self.objects.get(id).is_some_and(|o| o.is_open() && o.service == service))
    }

    /// Answers a close of a whole position.
    pub(super) fn close_whole(&mut self, account: AccountTag, position: &PositionRef, via: Via) -> Outcome {
        if !self.profile.capabilities.closes_whole {
            return self.refused(Refusal::Unsupported);
        }
        if self.accounts.get(&account).map(|a| a.mode) != Some(position.mode) {
            return self.refused(Refusal::Mode);
        }
        match self.take_whole(account, &position.symbol, position.direction, Owner::Untagged, via) {
            // The reply names an order of the venue's, and nothing of ours.
            Ok(_) => Outcome::Accepted(Ack::default()),
            Err(refusal) => self.refused(refusal),
        }
    }

    /// Takes off whatever is open on one side, less than a lot and beyond the largest order too, whatever rests to close
    /// it.
    pub(super) fn take_whole(
        &mut self,
        account: AccountTag,
        symbol: &Symbol,
        direction: Direction,
        owner: Owner,
        via: Via,
    ) -> Result<ObjectId, Refusal> {
        let qty = self.position(account, symbol, direction);
        if !qty.is_positive() {
            return Err(Refusal::NoPosition);
        }
        if self.markets.get(symbol).is_none_or(|market| market.trading == Trading::Halted) {
            return Err(Refusal::Halted);
        }
        let (side, purpose, shape) = (direction.closing_side(), Purpose::Close, OrderShape::Market { qty });
        let mut object =
            self.draft(Ticket { account, owner, via, symbol: symbol.clone(), side, direction, purpose, shape })?;
        object.id = self.new_id();
        let id = self.enter(object);
        self.tell(id, None);
        let done = self.execute_market(id);
        self.swallow(done);
        Ok(id)
    }

    /// Checks a ticket, puts it in the books and lets it execute.
    pub(super) fn submit(&mut self, ticket: Ticket) -> Result<ObjectId, Refusal> {
        let mut object = self.draft(ticket)?;
        self.check_filters(&object)?;
        self.check_counts(&object)?;
        match object.service {
            Service::Conditional => self.check_conditional(&object)?,
            Service::Regular | Service::PositionPlan => match object.purpose {
                Purpose::Close => self.fit_close(&mut object)?,
                Purpose::Open => self.check_opening(&object, None)?,
            },
        }
        object.id = self.new_id();
        let is_market = matches!(object.shape, OrderShape::Market { .. });
        let id = self.enter(object);
        self.tell(id, None);
        let done = if is_market { self.execute_market(id) } else { self.cross(id) };
        self.swallow(done);
        Ok(id)
    }

    fn draft(&self, ticket: Ticket) -> Result<OrderObject, Refusal> {
        let mode = self.accounts.get(&ticket.account).ok_or(Refusal::NoAccount)?.mode;
        let purpose = match mode {
            // In hedge mode there is no flag: side and position side say it (R34).
            PositionMode::Hedge if ticket.side == ticket.direction.closing_side() => Purpose::Close,
            PositionMode::Hedge => Purpose::Open,
            PositionMode::OneWay => ticket.purpose,
        };
        let service = if ticket.shape.is_conditional() { Service::Conditional } else { Service::Regular };
        Ok(OrderObject {
            id: ObjectId(0),
            account: ticket.account,
            symbol: ticket.symbol,
            service,
            owner: ticket.owner,
            via: ticket.via,
            parent: None,
            child: None,
            side: ticket.side,
            direction: ticket.direction,
            purpose,
            placed_qty: ticket.shape.qty(),
            shape: ticket.shape,
            status: ReportStatus::New,
            executed: Qty::ZERO,
            cost: Notional::ZERO,
            fees: Notional::ZERO,
            created_at: self.now,
            stated_at: self.now,
            changed_at: self.now,
        })
    }

    /// A regular close-only order against the position and against what already rests to close it.
    fn fit_close(&mut self, object: &mut OrderObject) -> Result<(), Refusal> {
        let open = self.closable(object);
        if open.is_zero() {
            return Err(Refusal::ReduceOnly);
        }
        let mut qty = object.shape.qty().unwrap_or(Qty::ZERO);
        if qty > open {
            match self.profile.quirks.oversize {
                Oversize::Cut => qty = open,
                Oversize::Refuse => return Err(Refusal::ReduceOnly),
            }
        }
        let resting = self.resting_closes(object);
        let covered = sum_qty(resting.iter().map(|(_, leaves)| *leaves))?;
        if covered.checked_add(qty)? > open {
            match self.profile.quirks.close_overlap {
                CloseOverlap::Accept => {}
                CloseOverlap::Refuse => return Err(Refusal::CloseOverlap),
                CloseOverlap::CutNew => {
                    let room = rest(open, covered);
                    if room.is_positive() {
                        qty = qty.min(room);
                    } else {
                        resting.iter().for_each(|(id, _)| self.end(*id, ReportStatus::Cancelled));
                    }
                }
                CloseOverlap::EndOlder => self.end_older(&resting, rest(covered.checked_add(qty)?, open))?,
            }
        }
        set_qty(&mut object.shape, qty);
        Ok(())
    }

    fn end_older(&mut self, resting: &[(ObjectId, Qty)], mut excess: Qty) -> Result<(), Refusal> {
        for (id, leaves) in resting {
            if !excess.is_positive() {
                break;
            }
            self.end(*id, ReportStatus::Cancelled);
            excess = excess.checked_sub(*leaves)?;
        }
        Ok(())
    }

    fn resting_closes(&self, object: &OrderObject) -> Vec<(ObjectId, Qty)> {
        let Some(account) = self.accounts.get(&object.account) else { return Vec::new() };
        let same = |o: &&OrderObject| {
            o.symbol == object.symbol
                && o.side == object.side
                && o.purpose == Purpose::Close
                && o.service == Service::Regular
        };
        account.open().filter_map(|id| self.objects.get(&id)).filter(same).map(|o| (o.id, o.leaves())).collect()
    }
}

/// States another quantity.
pub(super) const fn set_qty(shape: &mut OrderShape, new: Qty) {
    match shape {
        OrderShape::Market { qty } | OrderShape::Limit { qty, .. } => *qty = new,
        OrderShape::StopMarket { size, .. } | OrderShape::TakeProfitMarket { size, .. } => {
            *size = TriggerSize::Qty(new);
        }
    }
}
