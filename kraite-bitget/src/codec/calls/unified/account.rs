//! Positions, balances, configuration.

use kraite_core::exchange::{MarginMode, PositionMode};
use kraite_core::id::Symbol;
use kraite_core::time::VenueMillis;

use super::super::{LIST_LIMIT, endpoint, mode_word};
use crate::codec::params::Params;
use crate::codec::request::Call;
use crate::codec::terms::{Product, margin_word};

/// `GET /api/v3/position/current-position`: the open positions of a product line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GetPositions {
    /// Which product line.
    pub product: Product,
    /// On which contract, or all.
    pub symbol: Option<Symbol>,
}

impl Call for GetPositions {
    endpoint!(Get "/api/v3/position/current-position" Signed reads 20);

    fn parameters(&self, params: &mut Params) {
        params.push("category", self.product.as_str());
        params.push_some("symbol", self.symbol.as_ref());
    }
}

/// `GET /api/v3/position/history-position`: positions that have ended in a window of at most 30 days, 90 days back.
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
    /// The cursor of the page before.
    pub cursor: Option<String>,
}

impl Call for PastPositions {
    endpoint!(Get "/api/v3/position/history-position" Signed reads 20);

    fn parameters(&self, params: &mut Params) {
        params.push("category", self.product.as_str());
        params.push("symbol", &self.symbol);
        params.push("startTime", self.from.0);
        params.push("endTime", self.to.0);
        params.push("limit", LIST_LIMIT);
        params.push_some("cursor", self.cursor.as_ref());
    }
}

/// `GET /api/v3/account/assets`: the balances; refused for a classic account (40084, 25245).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GetAssets;

impl Call for GetAssets {
    endpoint!(Get "/api/v3/account/assets" Signed reads 20);

    fn parameters(&self, _: &mut Params) {}
}

/// `GET /api/v3/account/settings`: position mode, state of the account, margin mode and leverage by contract; refused
/// for a classic account, which makes it the probe of a unified one (R106).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GetSettings;

impl Call for GetSettings {
    endpoint!(Get "/api/v3/account/settings" Signed reads 20);

    fn parameters(&self, _: &mut Params) {}
}

/// `POST /api/v3/account/set-leverage`: leverage of a contract in a margin mode, which is how the latter is set here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SetLeverage {
    /// On which contract.
    pub symbol: Symbol,
    /// Which product line.
    pub product: Product,
    /// In which margin mode.
    pub margin: MarginMode,
    /// How the account nets.
    pub mode: PositionMode,
    /// From 1 to what the bracket allows.
    pub leverage: u32,
}

impl Call for SetLeverage {
    endpoint!(Post "/api/v3/account/set-leverage" Signed mutates 10);

    fn parameters(&self, params: &mut Params) {
        params.push("category", self.product.as_str());
        params.push("symbol", &self.symbol);
        params.push("leverage", self.leverage);
        params.push("marginMode", margin_word(self.margin));
        if (self.margin, self.mode) == (MarginMode::Isolated, PositionMode::Hedge) {
            params.push("longLeverage", self.leverage);
            params.push("shortLeverage", self.leverage);
        }
    }
}

/// `POST /api/v3/account/set-hold-mode`: all futures of the account; fails with anything open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SetHoldMode {
    /// How it is to net.
    pub mode: PositionMode,
}

impl Call for SetHoldMode {
    endpoint!(Post "/api/v3/account/set-hold-mode" Signed mutates 10);

    fn parameters(&self, params: &mut Params) {
        params.push("holdMode", mode_word(self.mode));
    }
}
