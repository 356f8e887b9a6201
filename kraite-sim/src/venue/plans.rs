//! Position plans: stop and target attached to the position itself, set by one call that overwrites.

use compact_str::CompactString;
use kraite_core::capabilities::Protection;
use kraite_core::exchange::{
    Direction, OrderShape, Outcome, PairLeg, PositionTpsl, Purpose, ReportStatus, Service, TriggerBy, TriggerSize,
};
use kraite_core::id::{AccountTag, Symbol};
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::time::VenueMillis;

use super::Venue;
use super::object::{ObjectId, OrderObject, Owner, Via};
use super::profile::{PairOverwrite, PairRefusal, Refusal};

impl Venue {
    /// Answers a pair call: the stop's outcome, then the target's. The `failed` leg is not taken.
    pub(super) fn place_pair(
        &mut self,
        account: AccountTag,
        pair: &PositionTpsl,
        failed: Option<Leg>,
        via: Via,
    ) -> Vec<Outcome> {
        let stop = self.plan_draft(account, pair, &pair.stop, via, Leg::Stop);
        let target = self.plan_draft(account, pair, &pair.target, via, Leg::Target);
        let checked = [self.check_plan(pair, stop), self.check_plan(pair, target)];
        let whole = self.profile.quirks.pair_refusal == PairRefusal::Whole;
        let first_bad = checked.iter().find_map(|leg| leg.as_ref().err().copied());
        let mut outcomes = Vec::with_capacity(2);
        for (which, leg) in [Leg::Stop, Leg::Target].into_iter().zip(checked) {
            let outcome = match (leg, first_bad.filter(|_| whole)) {
                (Err(refusal), _) | (Ok(_), Some(refusal)) => self.refused(refusal),
                (Ok(_), None) if failed == Some(which) => self.refused(Refusal::Unsupported),
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
        self.check_attached(&plan)?;
        if let Some(id) = plan.client_id()
            && let Some(other) = self.open_under(plan.account, id, Service::PositionPlan)
            && Some(other) != self.plan_like(&plan)
        {
            return Err(Refusal::DuplicateId);
        }
        Ok(plan)
    }

    /// A plan against the rules of its contract, its position and the present price.
    fn check_attached(&self, plan: &OrderObject) -> Result<(), Refusal> {
        self.check_filters(plan)?;
        self.check_position_seen(plan)?;
        self.check_trigger(plan)
    }

    /// Sets stop and target of a position under names of any form. A leg that is not wished for stays as it is;
    /// nothing changes unless every leg is good. Answers the objects, the stop first.
    ///
    /// # Errors
    ///
    /// What a pair call would be refused for; [`Refusal::DuplicateId`] while another plan is open under one of the
    /// names.
    pub fn place_plans(&mut self, wish: PlanWish, now: VenueMillis) -> Result<Vec<ObjectId>, Refusal> {
        self.tick(now);
        self.requests_seen = self.requests_seen.saturating_add(1);
        let via = Via::Request(self.requests_seen);
        if self.profile.capabilities.protection != Protection::Paired {
            return Err(Refusal::Unsupported);
        }
        let PlanWish { account, symbol, direction, stop, target } = wish;
        let legs = [(Leg::Stop, stop), (Leg::Target, target)];
        let plans: Vec<OrderObject> = legs
            .into_iter()
            .filter_map(|(which, leg)| {
                let PlanLeg { name, trigger, by } = leg?;
                let owner = name.parse().map_or(Owner::User(name), Owner::Ours);
                // A leg that comes to one of the same name is one thing with it.
                let other = self.open(account).find(|o| {
                    o.service == Service::PositionPlan
                        && o.owner == owner
                        && (&o.symbol, o.direction) == (&symbol, direction)
                });
                let via = other.map_or(via, |other| other.via);
                Some(self.draft_plan(account, &symbol, direction, owner, via, which.shape(trigger, by)))
            })
            .collect();
        for plan in &plans {
            self.check_attached(plan)?;
            // The other leg of the same position may go by the same name.
            let other = self.open(account).any(|o| {
                o.service == Service::PositionPlan
                    && o.owner == plan.owner
                    && (&o.symbol, o.direction) != (&plan.symbol, plan.direction)
            });
            if other {
                return Err(Refusal::DuplicateId);
            }
        }
        Ok(plans.into_iter().map(|plan| self.set_plan(plan)).collect())
    }

    /// States another trigger or size for an open trigger order or plan.
    ///
    /// # Errors
    ///
    /// What a new one would be refused for; [`Refusal::NotAmendable`] where the kind would be another.
    pub fn amend_trigger(&mut self, id: ObjectId, shape: OrderShape, now: VenueMillis) -> Result<(), Refusal> {
        self.tick(now);
        let object = self.objects.get(&id).filter(|o| o.is_open()).ok_or(Refusal::UnknownOrder)?;
        if std::mem::discriminant(&object.shape) != std::mem::discriminant(&shape) || !shape.is_conditional() {
            return Err(Refusal::NotAmendable);
        }
        let changed = OrderObject { shape, ..object.clone() };
        self.check_filters(&changed)?;
        self.check_trigger(&changed)?;
        self.restate(id, shape);
        self.tell(id, None);
        Ok(())
    }

    fn plan_draft(&self, account: AccountTag, pair: &PositionTpsl, leg: &PairLeg, via: Via, which: Leg) -> OrderObject {
        let shape = which.shape(leg.trigger, leg.by);
        self.draft_plan(account, &pair.symbol, pair.direction, Owner::Ours(leg.id), via, shape)
    }

    fn draft_plan(
        &self,
        account: AccountTag,
        symbol: &Symbol,
        direction: Direction,
        owner: Owner,
        via: Via,
        shape: OrderShape,
    ) -> OrderObject {
        OrderObject {
            id: ObjectId(0),
            account,
            symbol: symbol.clone(),
            service: Service::PositionPlan,
            owner,
            via,
            parent: None,
            child: None,
            side: direction.closing_side(),
            direction,
            purpose: Purpose::Close,
            shape,
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
            if overwrite == PairOverwrite::Rename {
                self.rename(id, plan.owner);
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

    fn rename(&mut self, id: ObjectId, owner: Owner) {
        let Some(object) = self.objects.get_mut(id) else { return };
        if object.owner == owner {
            return;
        }
        let before = object.client_id();
        object.owner = owner;
        let after = object.client_id();
        let Some(account) = self.accounts.get_mut(&object.account) else { return };
        if let Some(before) = before
            && let Some(ids) = account.by_client.get_mut(&before)
        {
            ids.retain(|known| *known != id);
        }
        if let Some(after) = after {
            account.by_client.entry(after).or_default().push(id);
        }
    }
}

/// One leg of protection that somebody wants attached to a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanLeg {
    /// Under which client id. One that decodes as ours is ours; any other is a foreigner's.
    pub name: CompactString,
    /// The trigger price.
    pub trigger: Price,
    /// Which price is watched.
    pub by: TriggerBy,
}

/// Protection that somebody wants attached to a position, under names of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanWish {
    /// For which account.
    pub account: AccountTag,
    /// On which contract.
    pub symbol: Symbol,
    /// To which position.
    pub direction: Direction,
    /// The stop.
    pub stop: Option<PlanLeg>,
    /// The target.
    pub target: Option<PlanLeg>,
}

/// One half of the protection of a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leg {
    /// The stop-loss.
    Stop,
    /// The take-profit.
    Target,
}

impl Leg {
    const fn shape(self, trigger: Price, by: TriggerBy) -> OrderShape {
        let size = TriggerSize::ClosePosition;
        match self {
            Self::Stop => OrderShape::StopMarket { trigger, by, size },
            Self::Target => OrderShape::TakeProfitMarket { trigger, by, size },
        }
    }
}
