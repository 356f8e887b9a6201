//! Position plans: stop and target attached to the position itself, set by one call that overwrites.

use kraite_core::ClientOrderId;
use kraite_core::capabilities::Protection;
use kraite_core::exchange::{OrderShape, Outcome, PairLeg, PositionTpsl, Purpose, ReportStatus, Service, TriggerSize};
use kraite_core::id::AccountTag;
use kraite_core::number::{Notional, Qty};

use super::Venue;
use super::object::{ObjectId, OrderObject, Owner, Via};
use super::profile::{PairOverwrite, PairRefusal, Refusal};

impl Venue {
    /// Answers a pair call: the stop's outcome, then the target's.
    pub(super) fn place_pair(&mut self, account: AccountTag, pair: &PositionTpsl, via: Via) -> Vec<Outcome> {
        let stop = self.plan_draft(account, pair, &pair.stop, via, Leg::Stop);
        let target = self.plan_draft(account, pair, &pair.target, via, Leg::Target);
        let checked = [self.check_plan(pair, stop), self.check_plan(pair, target)];
        let whole = self.profile.quirks.pair_refusal == PairRefusal::Whole;
        let first_bad = checked.iter().find_map(|leg| leg.as_ref().err().copied());
        let mut outcomes = Vec::with_capacity(2);
        for leg in checked {
            let outcome = match (leg, first_bad.filter(|_| whole)) {
                (Err(refusal), _) | (Ok(_), Some(refusal)) => self.refused(refusal),
                (Ok(plan), None) => {
                    let id = self.set_plan(plan);
                    self.accepted(id)
                }
            };
            outcomes.push(outcome);
        }
        outcomes
    }

    fn check_plan(&self, pair: &PositionTpsl, plan: OrderObject) -> Result<OrderObject, Refusal> {
        if self.profile.capabilities.protection != Protection::Paired {
            return Err(Refusal::Unsupported);
        }
        if self.accounts.get(&plan.account).map(|a| a.mode) != Some(pair.mode) {
            return Err(Refusal::Mode);
        }
        self.check_filters(&plan)?;
        self.check_position_seen(&plan)?;
        self.check_trigger(&plan)?;
        if let Some(id) = plan.client_id()
            && let Some(other) = self.open_under(plan.account, id, Service::PositionPlan)
            && Some(other) != self.plan_like(&plan)
        {
            return Err(Refusal::DuplicateId);
        }
        Ok(plan)
    }

    fn plan_draft(&self, account: AccountTag, pair: &PositionTpsl, leg: &PairLeg, via: Via, which: Leg) -> OrderObject {
        let (trigger, by, size) = (leg.trigger, leg.by, TriggerSize::ClosePosition);
        OrderObject {
            id: ObjectId(0),
            account,
            symbol: pair.symbol.clone(),
            service: Service::PositionPlan,
            owner: Owner::Ours(leg.id),
            via,
            parent: None,
            child: None,
            side: pair.direction.closing_side(),
            direction: pair.direction,
            purpose: Purpose::Close,
            shape: match which {
                Leg::Stop => OrderShape::StopMarket { trigger, by, size },
                Leg::Target => OrderShape::TakeProfitMarket { trigger, by, size },
            },
            status: ReportStatus::New,
            executed: Qty::ZERO,
            cost: Notional::ZERO,
            fees: Notional::ZERO,
            created_at: self.now,
            stated_at: self.now,
            changed_at: self.now,
            placed_qty: None,
        }
    }

    /// The open plan of the same leg of the same position.
    fn plan_like(&self, plan: &OrderObject) -> Option<ObjectId> {
        let stop = matches!(plan.shape, OrderShape::StopMarket { .. });
        self.accounts.get(&plan.account)?.open().find(|id| {
            self.objects.get(id).is_some_and(|o| {
                o.service == Service::PositionPlan
                    && o.symbol == plan.symbol
                    && o.direction == plan.direction
                    && matches!(o.shape, OrderShape::StopMarket { .. }) == stop
            })
        })
    }

    /// Sets a plan, or overwrites the one that is there.
    fn set_plan(&mut self, mut plan: OrderObject) -> ObjectId {
        let overwrite = self.profile.quirks.pair_overwrite;
        let old = self.plan_like(&plan);
        if let Some(id) = old.filter(|_| overwrite != PairOverwrite::Replace) {
            self.restate(id, plan.shape);
            if let Some(client) = plan.client_id().filter(|_| overwrite == PairOverwrite::Rename) {
                self.rename(id, client);
            }
            self.tell(id, None);
            return id;
        }
        if let Some(id) = old {
            self.end(id, ReportStatus::Cancelled);
        }
        plan.id = self.new_id();
        let id = self.enter(plan);
        self.tell(id, None);
        id
    }

    /// States another price or size for an open object.
    pub(super) fn restate(&mut self, id: ObjectId, shape: OrderShape) {
        let now = self.now;
        let Some(object) = self.objects.get_mut(id) else { return };
        let Some(market) = self.markets.get_mut(&object.symbol) else { return };
        market.unindex(object);
        object.shape = shape;
        object.stated_at = now;
        object.changed_at = now;
        market.index(object);
    }

    fn rename(&mut self, id: ObjectId, client: ClientOrderId) {
        let Some(object) = self.objects.get_mut(id) else { return };
        let before = object.client_id();
        if before == Some(client) {
            return;
        }
        object.owner = Owner::Ours(client);
        let Some(account) = self.accounts.get_mut(&object.account) else { return };
        if let Some(before) = before
            && let Some(ids) = account.by_client.get_mut(&before)
        {
            ids.retain(|known| *known != id);
        }
        account.by_client.entry(client).or_default().push(id);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leg {
    Stop,
    Target,
}
