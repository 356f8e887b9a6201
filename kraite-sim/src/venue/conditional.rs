//! Trigger orders: what the service accepts, and what happens when one fires.

use kraite_core::exchange::{OrderShape, Purpose, ReportStatus, Service, TriggerSize};
use kraite_core::number::{ArithmeticError, Notional, Qty};
use kraite_core::time::VenueMillis;

use super::Venue;
use super::money::sum_qty;
use super::object::{ObjectId, OrderObject, Via, fires_falling};
use super::profile::{ChildPush, Refusal, TriggerOverlap};
use kraite_core::capabilities::StopSizing;

impl Venue {
    /// What the trigger service accepts.
    pub(super) fn check_conditional(&self, object: &OrderObject) -> Result<(), Refusal> {
        self.check_trigger(object)?;
        if object.is_close_position() {
            if object.purpose != Purpose::Close || self.profile.capabilities.stop_sizing != StopSizing::ClosePosition {
                return Err(Refusal::Unsupported);
            }
            self.check_position_seen(object)?;
            if self.siblings(object).any(|o| o.is_close_position()) {
                return Err(Refusal::AlreadyExists);
            }
            return Ok(());
        }
        if object.purpose == Purpose::Close && self.profile.quirks.trigger_overlap == TriggerOverlap::Refuse {
            let others = sum_qty(self.siblings(object).filter_map(|o| o.shape.qty()))?;
            let all = others.checked_add(object.shape.qty().unwrap_or(Qty::ZERO))?;
            if others.is_positive() && all > self.closable(object) {
                return Err(Refusal::CloseOverlap);
            }
        }
        Ok(())
    }

    /// A trigger that is already past is refused (-2021 family).
    pub(super) fn check_trigger(&self, object: &OrderObject) -> Result<(), Refusal> {
        let Some((trigger, by)) = object.trigger() else { return Ok(()) };
        let price = self.market_of(&object.symbol)?.watched(by).ok_or(Refusal::NoDepth)?;
        let past = if fires_falling(&object.shape, object.side) { price <= trigger } else { price >= trigger };
        if past { Err(Refusal::WouldTrigger) } else { Ok(()) }
    }

    /// A protective order needs a position, and one that the service has noticed.
    pub(super) fn check_position_seen(&self, object: &OrderObject) -> Result<(), Refusal> {
        if self.closable(object).is_zero() {
            return Err(Refusal::NoPosition);
        }
        let direction = self.closed_direction(object);
        let opened = self
            .accounts
            .get(&object.account)
            .and_then(|a| a.position(&object.symbol, direction))
            .map_or(VenueMillis::default(), |p| p.opened_at);
        if self.now < opened.plus(self.profile.quirks.position_unseen) {
            return Err(Refusal::NoPosition);
        }
        Ok(())
    }

    fn closed_direction(&self, object: &OrderObject) -> kraite_core::exchange::Direction {
        self.accounts
            .get(&object.account)
            .and_then(|a| a.reduces(&object.symbol, object.side, object.direction))
            .unwrap_or(object.direction)
    }

    /// The open trigger orders of the same kind, contract and side.
    fn siblings(&self, object: &OrderObject) -> impl Iterator<Item = &OrderObject> {
        let stop = matches!(object.shape, OrderShape::StopMarket { .. });
        let (symbol, side, direction) = (object.symbol.clone(), object.side, object.direction);
        self.accounts
            .get(&object.account)
            .into_iter()
            .flat_map(super::Account::open)
            .filter_map(|id| self.objects.get(&id))
            .filter(move |o| {
                o.service == Service::Conditional
                    && o.symbol == symbol
                    && o.side == side
                    && o.direction == direction
                    && matches!(o.shape, OrderShape::StopMarket { .. }) == stop
            })
    }

    /// A trigger or plan order fires: it spawns a regular MARKET order under the same client id.
    pub(super) fn fire(&mut self, id: ObjectId) -> Result<(), ArithmeticError> {
        let Some(parent) = self.objects.get(&id).filter(|o| o.is_open()).cloned() else { return Ok(()) };
        let size = match parent.shape {
            OrderShape::StopMarket { size, .. } | OrderShape::TakeProfitMarket { size, .. } => size,
            OrderShape::Market { .. } | OrderShape::Limit { .. } => return Ok(()),
        };
        let open = self.closable(&parent);
        let qty = match (size, parent.purpose) {
            (TriggerSize::ClosePosition, _) => open,
            (TriggerSize::Qty(qty), Purpose::Close) => qty.min(open),
            (TriggerSize::Qty(qty), Purpose::Open) => qty,
        };
        if qty.is_zero() || self.profile.quirks.child_refused {
            // Nothing to close, or told to: the matching engine refuses the child.
            self.end(id, ReportStatus::Rejected);
            return Ok(());
        }
        let child = OrderObject {
            id: self.new_id(),
            service: Service::Regular,
            via: Via::Trigger(id),
            parent: Some(id),
            child: None,
            shape: OrderShape::Market { qty },
            status: ReportStatus::New,
            executed: Qty::ZERO,
            cost: Notional::ZERO,
            fees: Notional::ZERO,
            created_at: self.now,
            stated_at: self.now,
            changed_at: self.now,
            placed_qty: Some(qty),
            ..parent
        };
        self.retire(id, ReportStatus::Triggered);
        if let Some(parent) = self.objects.get_mut(id) {
            parent.child = Some(child.id);
        }
        if self.profile.quirks.child_push == ChildPush::AfterParent {
            self.tell(id, None);
        }
        let child = self.enter(child);
        self.tell(child, None);
        let done = self.execute_market(child);
        if self.profile.quirks.child_push == ChildPush::BeforeParent {
            self.tell(id, None);
        }
        done
    }
}
