//! Stop and target: a pair of plans for the whole position, set by one call that overwrites, and plans over a quantity.

use kraite_core::exchange::{Direction, OrderRef, PairLeg, PositionMode, PositionTpsl, Reject, Service};
use kraite_core::id::{Role, Symbol};
use kraite_core::time::VenueMillis;

use super::super::placement::refused;
use super::super::{LIST_LIMIT, add_name, classic_trigger, direction_word, endpoint};
use super::{add_product, add_window};
use crate::codec::calls::PartialPlan;
use crate::codec::ids::{Leg, OrderName};
use crate::codec::params::Params;
use crate::codec::request::Call;
use crate::codec::terms::Product;

/// The position as plans name it; in one-way mode by the side that opened it.
const fn hold_side(direction: Direction, mode: PositionMode) -> &'static str {
    match (mode, direction) {
        (PositionMode::Hedge, direction) => direction_word(direction),
        (PositionMode::OneWay, Direction::Long) => "buy",
        (PositionMode::OneWay, Direction::Short) => "sell",
    }
}

/// `POST /api/v2/mix/order/place-pos-tpsl`: stop and target of a position, both always (R42), each under its own id.
/// States no size: they follow the position.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlacePair {
    product: Product,
    pair: PositionTpsl,
}

impl PlacePair {
    /// The call of a pair.
    ///
    /// # Errors
    ///
    /// `Rejected(Other)` where the ids are not those of a stop and a target: nothing is sent.
    pub fn of(pair: &PositionTpsl, product: Product) -> Result<Self, Reject> {
        if (pair.stop.id.role(), pair.target.id.role()) != (Role::Stop, Role::Target) {
            return Err(refused("the ids of the pair are not those of a stop and a target"));
        }
        Ok(Self { product, pair: pair.clone() })
    }

    /// The pair.
    #[must_use]
    pub const fn pair(&self) -> &PositionTpsl {
        &self.pair
    }
}

fn add_leg(params: &mut Params, [price, by, execute, id]: [&'static str; 4], leg: &PairLeg) {
    params.push(price, leg.trigger);
    params.push(by, classic_trigger(leg.by));
    // At the market.
    params.push(execute, "0");
    params.push(id, leg.id);
}

impl Call for PlacePair {
    endpoint!(Post "/api/v2/mix/order/place-pos-tpsl" Signed mutates 10);

    fn parameters(&self, params: &mut Params) {
        let pair = &self.pair;
        params.push("symbol", &pair.symbol);
        add_product(params, self.product);
        params.push("holdSide", hold_side(pair.direction, pair.mode));
        let target =
            ["stopSurplusTriggerPrice", "stopSurplusTriggerType", "stopSurplusExecutePrice", "stopSurplusClientOid"];
        add_leg(params, target, &pair.target);
        let stop = ["stopLossTriggerPrice", "stopLossTriggerType", "stopLossExecutePrice", "stopLossClientOid"];
        add_leg(params, stop, &pair.stop);
        params.push("stpMode", "none");
    }
}

/// `POST /api/v2/mix/order/place-tpsl-order`: a stop or target over a quantity.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlacePlan(
    /// The plan.
    pub PartialPlan,
);

impl Call for PlacePlan {
    endpoint!(Post "/api/v2/mix/order/place-tpsl-order" Signed mutates 10);

    fn parameters(&self, params: &mut Params) {
        let plan = &self.0;
        params.push("symbol", &plan.symbol);
        add_product(params, plan.product);
        params.push("planType", kind_word(Service::Conditional, plan.leg));
        params.push("holdSide", hold_side(plan.direction, plan.mode));
        params.push("triggerPrice", plan.trigger);
        params.push("triggerType", classic_trigger(plan.by));
        params.push("executePrice", "0");
        params.push("size", plan.qty);
        params.push("clientOid", plan.id);
        params.push("stpMode", "none");
    }
}

const fn kind_word(service: Service, leg: Leg) -> &'static str {
    match (service, leg) {
        (Service::PositionPlan, Leg::Stop) => "pos_loss",
        (Service::PositionPlan, Leg::Target) => "pos_profit",
        (_, Leg::Stop) => "loss_plan",
        (_, Leg::Target) => "profit_plan",
    }
}

/// `POST /api/v2/mix/order/cancel-plan-order`: one plan by its id, with its kind: without that the venue answers a
/// success that did nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CancelPlan {
    /// On which contract.
    pub symbol: Symbol,
    /// Which product line.
    pub product: Product,
    /// Which plan.
    pub name: OrderName,
    kind: &'static str,
}

impl CancelPlan {
    /// The call for a stop or target; `None` for an order that is neither, or not a plan.
    #[must_use]
    pub fn of(order: &OrderRef, product: Product) -> Option<Self> {
        let leg = Leg::of(order.id.role()).filter(|_| order.service != Service::Regular)?;
        let (symbol, name) = (order.symbol.clone(), OrderName::of(order));
        Some(Self { symbol, product, name, kind: kind_word(order.service, leg) })
    }
}

impl Call for CancelPlan {
    endpoint!(Post "/api/v2/mix/order/cancel-plan-order" Signed mutates 10);

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
        add_product(params, self.product);
        params.push("planType", self.kind);
        let mut row = Params::new();
        add_name(&mut row, &self.name);
        params.push_list("orderIdList", vec![row]);
    }
}

/// `GET /api/v2/mix/order/orders-plan-pending`: stops and targets that wait. Not narrowed to a client id, since it is
/// not known whether that finds the ids of a pair.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PendingPlans {
    /// Which product line.
    pub product: Product,
    /// On which contract, or all.
    pub symbol: Option<Symbol>,
    /// The last id of the page before.
    pub before: Option<String>,
}

impl Call for PendingPlans {
    endpoint!(Get "/api/v2/mix/order/orders-plan-pending" Signed reads 10);

    fn parameters(&self, params: &mut Params) {
        params.push("planType", "profit_loss");
        params.push("productType", self.product.as_str());
        params.push_some("symbol", self.symbol.as_ref());
        params.push_some("idLessThan", self.before.as_ref());
        params.push("limit", LIST_LIMIT);
    }
}

/// `GET /api/v2/mix/order/orders-plan-history`: stops and targets that fired, failed or were cancelled, 90 days back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlanHistory {
    /// Which product line.
    pub product: Product,
    /// On which contract.
    pub symbol: Symbol,
    /// Start and end of the window.
    pub window: Option<(VenueMillis, VenueMillis)>,
    /// The last id of the page before.
    pub before: Option<String>,
}

impl Call for PlanHistory {
    endpoint!(Get "/api/v2/mix/order/orders-plan-history" Signed reads 10);

    fn parameters(&self, params: &mut Params) {
        params.push("planType", "profit_loss");
        params.push("productType", self.product.as_str());
        params.push("symbol", &self.symbol);
        add_window(params, self.window);
        params.push_some("idLessThan", self.before.as_ref());
        params.push("limit", LIST_LIMIT);
    }
}
