//! Calls about the account: positions, balances, configuration, fees, the rights of the key.

use kraite_core::exchange::{MarginMode, PositionMode};
use kraite_core::id::Symbol;
use kraite_core::time::VenueMillis;

use super::endpoint;
use crate::codec::params::Params;
use crate::codec::request::{Call, Host};

/// `GET /fapi/v3/positionRisk`: contracts with a position or open orders.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GetPositions {
    /// On which contract, or all.
    pub symbol: Option<Symbol>,
}

impl Call for GetPositions {
    endpoint!(Get "/fapi/v3/positionRisk" Signed reads);

    fn weight(&self) -> u32 {
        5
    }

    fn parameters(&self, params: &mut Params) {
        params.push_some("symbol", self.symbol.as_ref());
    }
}

/// `GET /fapi/v3/balance`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GetBalances;

impl Call for GetBalances {
    endpoint!(Get "/fapi/v3/balance" Signed reads);

    fn weight(&self) -> u32 {
        5
    }

    fn parameters(&self, _: &mut Params) {}
}

/// `GET /fapi/v3/account`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GetAccount;

impl Call for GetAccount {
    endpoint!(Get "/fapi/v3/account" Signed reads);

    fn weight(&self) -> u32 {
        5
    }

    fn parameters(&self, _: &mut Params) {}
}

/// `POST /fapi/v1/leverage`: both sides of a contract; the same value again succeeds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SetLeverage {
    /// On which contract.
    pub symbol: Symbol,
    /// 1 to 125.
    pub leverage: u32,
}

impl Call for SetLeverage {
    endpoint!(Post "/fapi/v1/leverage" Signed mutates);

    fn weight(&self) -> u32 {
        1
    }

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
        params.push_whole("leverage", i64::from(self.leverage));
    }
}

/// `POST /fapi/v1/marginType`: the same again is -4046.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SetMarginType {
    /// On which contract.
    pub symbol: Symbol,
    /// Cross or isolated.
    pub mode: MarginMode,
}

impl Call for SetMarginType {
    endpoint!(Post "/fapi/v1/marginType" Signed mutates);

    fn weight(&self) -> u32 {
        1
    }

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
        params.push(
            "marginType",
            match self.mode {
                MarginMode::Cross => "CROSSED",
                MarginMode::Isolated => "ISOLATED",
            },
        );
    }
}

/// `GET /fapi/v1/positionSide/dual`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GetPositionMode;

impl Call for GetPositionMode {
    endpoint!(Get "/fapi/v1/positionSide/dual" Signed reads);

    fn weight(&self) -> u32 {
        30
    }

    fn parameters(&self, _: &mut Params) {}
}

/// `POST /fapi/v1/positionSide/dual`: the whole account, the coin-margined side too; the same again is -4059.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SetPositionMode {
    /// How it is to net.
    pub mode: PositionMode,
}

impl Call for SetPositionMode {
    endpoint!(Post "/fapi/v1/positionSide/dual" Signed mutates);

    fn weight(&self) -> u32 {
        1
    }

    fn parameters(&self, params: &mut Params) {
        params.push("dualSidePosition", if self.mode == PositionMode::Hedge { "true" } else { "false" });
    }
}

/// `GET /fapi/v1/leverageBracket`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GetLeverageBrackets {
    /// On which contract, or all.
    pub symbol: Option<Symbol>,
}

impl Call for GetLeverageBrackets {
    endpoint!(Get "/fapi/v1/leverageBracket" Signed reads);

    fn weight(&self) -> u32 {
        1
    }

    fn parameters(&self, params: &mut Params) {
        params.push_some("symbol", self.symbol.as_ref());
    }
}

/// `GET /fapi/v1/commissionRate`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GetCommissionRate {
    /// On which contract.
    pub symbol: Symbol,
}

impl Call for GetCommissionRate {
    endpoint!(Get "/fapi/v1/commissionRate" Signed reads);

    fn weight(&self) -> u32 {
        20
    }

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
    }
}

/// `GET /fapi/v1/income`, funding only: what was paid on a contract in a window shorter than seven days.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GetFunding {
    /// On which contract.
    pub symbol: Symbol,
    /// The start of the window; with one, the oldest rows come first.
    pub from: VenueMillis,
    /// Its end.
    pub to: VenueMillis,
}

impl Call for GetFunding {
    endpoint!(Get "/fapi/v1/income" Signed reads);

    fn weight(&self) -> u32 {
        30
    }

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
        params.push("incomeType", "FUNDING_FEE");
        params.push_whole("startTime", self.from.0);
        params.push_whole("endTime", self.to.0);
        params.push_whole("limit", i64::from(super::LIST_LIMIT));
    }
}

/// `GET /sapi/v1/account/apiRestrictions`, on the general host: what the key may do (R109).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GetKeyRestrictions;

impl Call for GetKeyRestrictions {
    endpoint!(Get "/sapi/v1/account/apiRestrictions" Signed reads);
    const HOST: Host = Host::Account;

    fn weight(&self) -> u32 {
        1
    }

    fn parameters(&self, _: &mut Params) {}
}
