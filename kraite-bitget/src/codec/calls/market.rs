//! Calls that anybody may make. They are classic ones, which answer whatever generation the account is of.

use kraite_core::id::Symbol;

use super::endpoint;
use crate::codec::params::Params;
use crate::codec::request::{Call, UnsignedCall};
use crate::codec::terms::Product;

/// `GET /api/v2/public/time`: the venue's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GetServerTime;

impl Call for GetServerTime {
    endpoint!(Get "/api/v2/public/time" Open reads 20);

    fn parameters(&self, _: &mut Params) {}
}

/// `GET /api/v2/mix/market/contracts`: the rules of every contract of a product line, see [`crate::Contracts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GetContracts {
    /// Which product line.
    pub product: Product,
}

impl Call for GetContracts {
    endpoint!(Get "/api/v2/mix/market/contracts" Open reads 20);

    fn parameters(&self, params: &mut Params) {
        params.push("productType", self.product.as_str());
    }
}

/// `GET /api/v2/mix/market/query-position-lever`: the leverage brackets of a contract, see [`crate::read_brackets`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GetPositionTiers {
    /// Which product line.
    pub product: Product,
    /// On which contract.
    pub symbol: Symbol,
}

impl Call for GetPositionTiers {
    endpoint!(Get "/api/v2/mix/market/query-position-lever" Open reads 10);

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
        params.push("productType", self.product.as_str());
    }
}

/// `GET /api/v2/mix/market/symbol-price`: last, index and mark price.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GetSymbolPrice {
    /// Which product line.
    pub product: Product,
    /// On which contract.
    pub symbol: Symbol,
}

impl Call for GetSymbolPrice {
    endpoint!(Get "/api/v2/mix/market/symbol-price" Open reads 20);

    fn parameters(&self, params: &mut Params) {
        params.push("symbol", &self.symbol);
        params.push("productType", self.product.as_str());
    }
}

impl UnsignedCall for GetServerTime {}
impl UnsignedCall for GetContracts {}
impl UnsignedCall for GetPositionTiers {}
impl UnsignedCall for GetSymbolPrice {}
