//! One type per endpoint: its values in, its parameters out.

mod account;
mod algo;
mod market;
mod order;
mod placement;
mod stream;

pub use account::{
    GetAccount, GetBalances, GetCommissionRate, GetFunding, GetKeyRestrictions, GetLeverageBrackets, GetPositionMode,
    GetPositions, SetLeverage, SetMarginType, SetPositionMode,
};
pub use algo::{AlgoKind, AllAlgoOrders, CancelAlgo, OpenAlgoOrders, PlaceAlgo, QueryAlgo};
pub use market::{GetExchangeInfo, GetPremiumIndex, GetServerTime};
pub use order::{
    AllOrders, AmendOrder, CancelOrder, LIST_LIMIT, MAX_BATCH, OpenOrders, OrderKind, PlaceBatch, PlaceOrder,
    QueryOrder, UserTrades, windows,
};
pub use placement::Placement;
pub use stream::{CloseListenKey, CreateListenKey, KeepListenKey};

use kraite_core::exchange::Side;

/// The constants of an endpoint.
macro_rules! endpoint {
    ($method:ident $path:literal $security:ident reads) => {
        endpoint!(@ $method $path $security false);
    };
    ($method:ident $path:literal $security:ident mutates) => {
        endpoint!(@ $method $path $security true);
    };
    (@ $method:ident $path:literal $security:ident $mutates:literal) => {
        const METHOD: crate::codec::Method = crate::codec::Method::$method;
        const PATH: &'static str = $path;
        const SECURITY: crate::codec::request::Security = crate::codec::request::Security::$security;
        const MUTATES: bool = $mutates;
    };
}
use endpoint;

/// As requests spell it.
const fn side_word(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}
