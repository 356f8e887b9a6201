//! Positions, balances, configuration, fees, and the question which generation answers.

use kraite_core::exchange::{MarginMode, PositionMode};
use kraite_core::id::Symbol;
use kraite_core::time::VenueMillis;

use super::super::{LIST_LIMIT, endpoint, mode_word};
use super::add_product;
use crate::codec::params::Params;
use crate::codec::request::Call;
use crate::codec::terms::{Product, margin_word};

/// `GET /api/v2/spot/account/info`: answered for a classic account and refused for a unified one (40085), before the
/// signature is looked at (R106).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProbeAccount;

impl Call for ProbeAccount {
    endpoint!(Get "/api/v2/spot/account/info" Signed reads 1);

    fn parameters(&self, _: &mut Params) {}
}

/// `GET /api/v2/mix/account/account`: position mode, margin mode and leverage of a contract.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GetAccount {
    /// On which contract.
    pub symbol: Symbol,
    /// Which product line.
    pub product: Product,
}

impl Call for GetAccount {
    endpoint!(Get "/api/v2/mix/account/account" Signed reads 10);

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
        add_product(params, self.product);
    }
}

/// `GET /api/v2/mix/account/accounts`: the balances of a product line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GetBalances {
    /// Which product line.
    pub product: Product,
}

impl Call for GetBalances {
    endpoint!(Get "/api/v2/mix/account/accounts" Signed reads 10);

    fn parameters(&self, params: &mut Params) {
        params.push("productType", self.product.as_str());
    }
}

/// `GET /api/v2/mix/position/all-position`: every open position of a product line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GetPositions {
    /// Which product line.
    pub product: Product,
}

impl Call for GetPositions {
    endpoint!(Get "/api/v2/mix/position/all-position" Signed reads 5);

    fn parameters(&self, params: &mut Params) {
        add_product(params, self.product);
    }
}

/// `GET /api/v2/mix/position/single-position`: the open positions of one contract.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GetPosition {
    /// On which contract.
    pub symbol: Symbol,
    /// Which product line.
    pub product: Product,
}

impl Call for GetPosition {
    endpoint!(Get "/api/v2/mix/position/single-position" Signed reads 10);

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
        add_product(params, self.product);
    }
}

/// `GET /api/v2/mix/position/history-position`: positions that have ended, three months back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PastPositions {
    /// Which product line.
    pub product: Product,
    /// On which contract.
    pub symbol: Symbol,
    /// Start of the window.
    pub from: VenueMillis,
    /// Its end.
    pub to: VenueMillis,
    /// The last id of the page before.
    pub before: Option<String>,
}

impl Call for PastPositions {
    endpoint!(Get "/api/v2/mix/position/history-position" Signed reads 20);

    fn parameters(&self, params: &mut Params) {
        params.push("productType", self.product.as_str());
        params.push("symbol", &self.symbol);
        params.push("startTime", self.from.0);
        params.push("endTime", self.to.0);
        params.push_some("idLessThan", self.before.as_ref());
        params.push("limit", LIST_LIMIT);
    }
}

/// `POST /api/v2/mix/account/set-leverage`: both sides of a contract; the same value again does no harm.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SetLeverage {
    /// On which contract.
    pub symbol: Symbol,
    /// Which product line.
    pub product: Product,
    /// The margin mode that it is set for: only isolated positions of hedge mode have a leverage per side.
    pub margin: MarginMode,
    /// How the account nets.
    pub mode: PositionMode,
    /// From 1 to what the bracket allows.
    pub leverage: u32,
}

impl Call for SetLeverage {
    endpoint!(Post "/api/v2/mix/account/set-leverage" Signed mutates 5);

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
        add_product(params, self.product);
        if (self.margin, self.mode) == (MarginMode::Isolated, PositionMode::Hedge) {
            params.push("longLeverage", self.leverage);
            params.push("shortLeverage", self.leverage);
        } else {
            params.push("leverage", self.leverage);
        }
    }
}

/// `POST /api/v2/mix/account/set-margin-mode`: refused with a position or an order on the contract (45117).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SetMarginMode {
    /// On which contract.
    pub symbol: Symbol,
    /// Which product line.
    pub product: Product,
    /// Cross or isolated.
    pub margin: MarginMode,
}

impl Call for SetMarginMode {
    endpoint!(Post "/api/v2/mix/account/set-margin-mode" Signed mutates 5);

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
        add_product(params, self.product);
        params.push("marginMode", margin_word(self.margin));
    }
}

/// `POST /api/v2/mix/account/set-position-mode`: a whole product line; refused with anything open in it (40920).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SetPositionMode {
    /// Which product line.
    pub product: Product,
    /// How it is to net.
    pub mode: PositionMode,
}

impl Call for SetPositionMode {
    endpoint!(Post "/api/v2/mix/account/set-position-mode" Signed mutates 5);

    fn parameters(&self, params: &mut Params) {
        params.push("productType", self.product.as_str());
        params.push("posMode", mode_word(self.mode));
    }
}

/// `GET /api/v2/common/trade-rate`: the account's own fees on a contract.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GetTradeRate {
    /// On which contract.
    pub symbol: Symbol,
}

impl Call for GetTradeRate {
    endpoint!(Get "/api/v2/common/trade-rate" Signed reads 10);

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
        params.push("businessType", "mix");
    }
}
