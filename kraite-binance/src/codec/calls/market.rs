//! Calls that anybody may make: clock, rules, mark price.

use kraite_core::id::Symbol;

use super::endpoint;
use crate::codec::params::Params;
use crate::codec::request::{Call, UnsignedCall};

/// `GET /fapi/v1/time`: the venue's clock; that of exchangeInfo is not to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GetServerTime;

impl Call for GetServerTime {
    endpoint!(Get "/fapi/v1/time" Open reads);

    fn weight(&self) -> u32 {
        1
    }

    fn parameters(&self, _: &mut Params) {}
}

/// `GET /fapi/v1/exchangeInfo`: filters and limits of every contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GetExchangeInfo;

impl Call for GetExchangeInfo {
    endpoint!(Get "/fapi/v1/exchangeInfo" Open reads);

    fn weight(&self) -> u32 {
        1
    }

    fn parameters(&self, _: &mut Params) {}
}

/// `GET /fapi/v1/premiumIndex`: the mark price.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GetPremiumIndex {
    /// On which contract, or all.
    pub symbol: Option<Symbol>,
}

impl Call for GetPremiumIndex {
    endpoint!(Get "/fapi/v1/premiumIndex" Open reads);

    fn weight(&self) -> u32 {
        if self.symbol.is_some() { 1 } else { 10 }
    }

    fn parameters(&self, params: &mut Params) {
        params.push_some("symbol", self.symbol.as_ref());
    }
}

impl UnsignedCall for GetServerTime {}
impl UnsignedCall for GetExchangeInfo {}
impl UnsignedCall for GetPremiumIndex {}
