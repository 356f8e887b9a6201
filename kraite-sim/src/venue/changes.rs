//! Changes of what exists: amendments, cancellations, leverage and margin mode.

use kraite_core::capabilities::Reprice;
use kraite_core::exchange::{Ack, Amend, MarginMode, OrderRef, OrderShape, Outcome, Purpose, ReportStatus, Service};
use kraite_core::id::{AccountTag, Symbol};
use kraite_core::number::{Price, Qty};

use super::Venue;
use super::object::{ObjectId, OrderObject};
use super::profile::Refusal;

impl Venue {
    /// Answers an amendment.
    pub(super) fn amend(&mut self, account: AccountTag, change: &Amend) -> Outcome {
        if self.profile.capabilities.reprice_limit != Reprice::AmendInPlace {
            return self.refused(Refusal::Unsupported);
        }
        let Some(id) = self.resolve_open(account, &change.order) else { return self.refused(Refusal::UnknownOrder) };
        match self.amend_object(id, change.price, change.qty) {
            Ok(()) => self.accepted(id),
            Err(refusal) => self.refused(refusal),
        }
    }

    /// Changes price and total quantity of a resting LIMIT order.
    pub(super) fn amend_object(&mut self, id: ObjectId, price: Price, qty: Qty) -> Result<(), Refusal> {
        let object = self.objects.get(&id).ok_or(Refusal::UnknownOrder)?;
        let OrderShape::Limit { price: price_now, qty: qty_now } = object.shape else {
            return Err(Refusal::NotAmendable);
        };
        if price == price_now && qty == qty_now {
            // The venue says that nothing needs to change; what was wanted holds (R14).
            return Ok(());
        }
        let changed = OrderObject { shape: OrderShape::Limit { price, qty }, ..object.clone() };
        self.check_filters(&changed)?;
        if qty <= changed.executed {
            self.end(id, ReportStatus::Cancelled);
            return Ok(());
        }
        if changed.purpose == Purpose::Open {
            self.check_opening(&changed, Some(id))?;
        }
        self.restate(id, changed.shape);
        self.tell(id, None);
        let done = self.cross(id);
        self.swallow(done);
        Ok(())
    }

    /// Answers a cancellation. What is gone is an unknown order, filled or not (R13).
    pub(super) fn cancel(&mut self, account: AccountTag, order: &OrderRef) -> Outcome {
        let Some(id) = self.resolve_open(account, order) else { return self.refused(Refusal::UnknownOrder) };
        self.end(id, ReportStatus::Cancelled);
        self.accepted(id)
    }

    /// The open object that a reference names: by venue id if it has one, else by client id.
    fn resolve_open(&self, account: AccountTag, order: &OrderRef) -> Option<ObjectId> {
        let id = match &order.venue_id {
            Some(venue_id) => ObjectId::parse(venue_id)?,
            None => self.open_under(account, order.id, order.service)?,
        };
        let object = self.objects.get(&id)?;
        let named = object.account == account && object.service == order.service && object.symbol == order.symbol;
        (named && object.is_open()).then_some(id)
    }

    /// Answers a leverage setting; repeating it changes nothing.
    pub(super) fn set_leverage(&mut self, account: AccountTag, symbol: &Symbol, leverage: u32) -> Outcome {
        let mut settings = self.settings_of(account, symbol);
        let exposed = self.exposed(account, symbol);
        let most = self.markets.get(symbol).and_then(|m| m.instrument.brackets.iter().map(|b| b.max_leverage).max());
        if leverage == 0 || most.is_some_and(|most| leverage > most) {
            return self.refused(Refusal::BadLeverage);
        }
        if exposed && settings.margin_mode == MarginMode::Isolated && leverage < settings.leverage {
            return self.refused(Refusal::LeverageLocked);
        }
        settings.leverage = leverage;
        if let Some(account) = self.accounts.get_mut(&account) {
            account.settings.insert(symbol.clone(), settings);
        }
        Outcome::Accepted(Ack::default())
    }

    /// Answers a margin mode setting; repeating it changes nothing.
    pub(super) fn set_margin_mode(&mut self, account: AccountTag, symbol: &Symbol, mode: MarginMode) -> Outcome {
        let mut settings = self.settings_of(account, symbol);
        if settings.margin_mode == mode {
            return Outcome::Accepted(Ack::default());
        }
        let Some(holder) = self.accounts.get(&account) else { return self.refused(Refusal::NoAccount) };
        let orders = holder.open().filter_map(|id| self.objects.get(&id));
        let busy = orders.into_iter().any(|o| o.symbol == *symbol && o.service != Service::PositionPlan);
        if busy || self.exposed(account, symbol) {
            return self.refused(Refusal::MarginModeLocked);
        }
        settings.margin_mode = mode;
        if let Some(account) = self.accounts.get_mut(&account) {
            account.settings.insert(symbol.clone(), settings);
        }
        Outcome::Accepted(Ack::default())
    }

    fn exposed(&self, account: AccountTag, symbol: &Symbol) -> bool {
        self.accounts.get(&account).is_some_and(|a| a.positions().any(|(s, ..)| s == symbol))
    }
}
