//! Strategies: stop and target of a whole position are one object with one id, of which a side of a contract may have
//! one (25594), and strategies over a quantity.

use compact_str::CompactString;
use kraite_core::exchange::{OrderRef, PositionMode, PositionTpsl, Reject};
use kraite_core::time::VenueMillis;

use super::super::placement::refused;
use super::super::{LIST_LIMIT, direction_word, endpoint, side_word, unified_trigger};
use super::add_window;
use crate::codec::calls::PartialPlan;
use crate::codec::ids::{Leg, OrderName, PairName};
use crate::codec::params::Params;
use crate::codec::request::Call;
use crate::codec::terms::Product;

/// How a request names a strategy: by one of the two, never both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StrategyName {
    /// By the venue's id.
    Venue(CompactString),
    /// By the pair it was placed for.
    Pair(PairName),
    /// By the id of a strategy of one leg.
    Single(kraite_core::id::ClientOrderId),
}

impl StrategyName {
    /// The name by the venue's id; `None` where that is not known, since one leg alone does not spell the name of its
    /// pair: list the strategies, then.
    #[must_use]
    pub fn of(order: &OrderRef) -> Option<Self> {
        match OrderName::of(order) {
            OrderName::Venue(id) => Some(Self::Venue(id)),
            OrderName::Client(id) if order.service == kraite_core::exchange::Service::Conditional => {
                Some(Self::Single(id))
            }
            OrderName::Client(_) => None,
        }
    }

    fn add_to(&self, params: &mut Params) {
        match self {
            Self::Venue(id) => params.push("orderId", id),
            Self::Pair(name) => params.push("clientOid", name.text()),
            Self::Single(id) => params.push("clientOid", id),
        }
    }
}

fn add_prices(params: &mut Params, pair: &PositionTpsl) {
    params.push("takeProfit", pair.target.trigger);
    params.push("stopLoss", pair.stop.trigger);
    params.push("tpTriggerBy", unified_trigger(pair.target.by));
    params.push("slTriggerBy", unified_trigger(pair.stop.by));
    params.push("tpOrderType", "market");
    params.push("slOrderType", "market");
}

/// `POST /api/v3/trade/place-strategy-order`: stop and target of a whole position.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlacePair {
    product: Product,
    pair: PositionTpsl,
    name: PairName,
}

impl PlacePair {
    /// The call of a pair.
    ///
    /// # Errors
    ///
    /// `Rejected(Other)` where the ids are not stop and target of one position and one epoch, so that one id could not
    /// spell both: nothing is sent.
    pub fn of(pair: &PositionTpsl, product: Product) -> Result<Self, Reject> {
        let name = PairName::of(pair).ok_or_else(|| refused("the ids of the pair are not of one position"))?;
        Ok(Self { product, pair: pair.clone(), name })
    }

    /// The pair.
    #[must_use]
    pub const fn pair(&self) -> &PositionTpsl {
        &self.pair
    }

    /// The name that it is placed under.
    #[must_use]
    pub const fn name(&self) -> PairName {
        self.name
    }
}

impl Call for PlacePair {
    endpoint!(Post "/api/v3/trade/place-strategy-order" Signed mutates 10);

    fn parameters(&self, params: &mut Params) {
        let pair = &self.pair;
        params.push("category", self.product.as_str());
        params.push("symbol", &pair.symbol);
        params.push("type", "tpsl");
        params.push("tpslMode", "full");
        params.push("side", side_word(pair.direction.closing_side()));
        match pair.mode {
            PositionMode::Hedge => params.push("posSide", direction_word(pair.direction)),
            PositionMode::OneWay => params.push("reduceOnly", "yes"),
        }
        add_prices(params, pair);
        params.push("clientOid", self.name.text());
    }
}

/// `POST /api/v3/trade/modify-strategy-order`: other prices for a pair; ids stay. States both legs always (R42), and no
/// quantity, which a strategy of the whole position has none of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModifyPair {
    /// Which strategy.
    pub strategy: CompactString,
    /// What it is to be from now on.
    pub pair: PositionTpsl,
}

impl Call for ModifyPair {
    endpoint!(Post "/api/v3/trade/modify-strategy-order" Signed mutates 10);

    fn parameters(&self, params: &mut Params) {
        params.push("orderId", &self.strategy);
        add_prices(params, &self.pair);
    }
}

/// `POST /api/v3/trade/place-strategy-order`: a stop or target over a quantity.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlacePlan(
    /// The plan.
    pub PartialPlan,
);

impl Call for PlacePlan {
    endpoint!(Post "/api/v3/trade/place-strategy-order" Signed mutates 10);

    fn parameters(&self, params: &mut Params) {
        let plan = &self.0;
        params.push("category", plan.product.as_str());
        params.push("symbol", &plan.symbol);
        params.push("type", "tpsl");
        params.push("tpslMode", "partial");
        params.push("qty", plan.qty);
        params.push("side", side_word(plan.direction.closing_side()));
        match plan.mode {
            PositionMode::Hedge => params.push("posSide", direction_word(plan.direction)),
            PositionMode::OneWay => params.push("reduceOnly", "yes"),
        }
        let [price, by, kind] = match plan.leg {
            Leg::Stop => ["stopLoss", "slTriggerBy", "slOrderType"],
            Leg::Target => ["takeProfit", "tpTriggerBy", "tpOrderType"],
        };
        params.push(price, plan.trigger);
        params.push(by, unified_trigger(plan.by));
        params.push(kind, "market");
        params.push("clientOid", plan.id);
    }
}

/// `POST /api/v3/trade/cancel-strategy-order`: takes away *both* legs (R107).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CancelStrategy {
    /// Which strategy.
    pub name: StrategyName,
}

impl Call for CancelStrategy {
    endpoint!(Post "/api/v3/trade/cancel-strategy-order" Signed mutates 10);

    fn parameters(&self, params: &mut Params) {
        self.name.add_to(params);
    }
}

/// `GET /api/v3/trade/unfilled-strategy-orders`: every strategy that waits, of all contracts and kinds, in one list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OpenStrategies {
    /// Which product line.
    pub product: Product,
}

impl Call for OpenStrategies {
    endpoint!(Get "/api/v3/trade/unfilled-strategy-orders" Signed reads 20);

    fn parameters(&self, params: &mut Params) {
        params.push("category", self.product.as_str());
    }
}

/// `GET /api/v3/trade/history-strategy-orders`: strategies that ended, and by which leg.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StrategyHistory {
    /// Which product line.
    pub product: Product,
    /// Start of the window.
    pub from: VenueMillis,
    /// Its end.
    pub to: VenueMillis,
    /// The cursor of the page before.
    pub cursor: Option<String>,
}

impl Call for StrategyHistory {
    endpoint!(Get "/api/v3/trade/history-strategy-orders" Signed reads 20);

    fn parameters(&self, params: &mut Params) {
        params.push("category", self.product.as_str());
        params.push("type", "tpsl");
        add_window(params, self.from, self.to);
        params.push_some("cursor", self.cursor.as_ref());
    }
}

/// `GET /api/v3/trade/strategy-sub-orders`: the orders that a strategy spawned.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SubOrders {
    /// Which strategy.
    pub strategy: CompactString,
    /// The cursor of the page before.
    pub cursor: Option<String>,
}

impl Call for SubOrders {
    endpoint!(Get "/api/v3/trade/strategy-sub-orders" Signed reads 20);

    fn parameters(&self, params: &mut Params) {
        params.push("orderId", &self.strategy);
        params.push("limit", LIST_LIMIT);
        params.push_some("cursor", self.cursor.as_ref());
    }
}
