//! One order, and both clients that place it: what the benches and the tests of this package share.

use std::net::SocketAddr;

use binance_sdk::config::ConfigurationRestApi;
use binance_sdk::derivatives_trading_usds_futures::DerivativesTradingUsdsFuturesRestApi;
use binance_sdk::derivatives_trading_usds_futures::rest_api::{
    NewOrderParams, NewOrderSideEnum, NewOrderTimeInForceEnum, NewOrderTypeEnum, RestApi,
};
use kraite_binance::codec::{Credentials, Signer};
use kraite_binance::{Binance, Config, Hosts};
use kraite_core::exchange::{Direction, Exchange as _, NewOrder, OrderShape, Outcome, PositionMode, Purpose, Side};
use kraite_core::id::{
    AccountTag, Attempt, ClientOrderId, Epoch, LogicalOrder, OrderKey, PositionNo, Revision, Role, Symbol,
};
use kraite_core::time::VenueMillis;
use rust_decimal::Decimal;

/// The key that both send.
pub const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
/// The secret that both sign with.
pub const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";

const SYMBOL: &str = "BTCUSDT";
const QTY: &str = "0.012";
const PRICE: &str = "67123.40";

/// The id of the order.
///
/// # Panics
///
/// Never: the numbers are within their bounds.
#[must_use]
pub fn id() -> ClientOrderId {
    ClientOrderId::encode(&OrderKey {
        account: AccountTag::new(7).expect("a small number"),
        position: PositionNo::new(3).expect("a small number"),
        logical: LogicalOrder { role: Role::Rung(1), revision: Revision::new(0).expect("a small number") },
        attempt: Attempt::new(0).expect("a small number"),
        epoch: Epoch::new(1).expect("a small number"),
    })
}

/// A LIMIT order of hedge mode: with key, window, time and signature both clients send the same ten parameters.
///
/// # Panics
///
/// Never: the texts are numbers.
#[must_use]
pub fn order() -> NewOrder {
    NewOrder {
        id: id(),
        symbol: Symbol::new(SYMBOL),
        side: Side::Buy,
        direction: Direction::Long,
        mode: PositionMode::Hedge,
        purpose: Purpose::Open,
        shape: OrderShape::Limit { price: PRICE.parse().expect("a price"), qty: QTY.parse().expect("a quantity") },
    }
}

/// The same order in the words of the venue's library.
///
/// # Panics
///
/// Never: nothing that it demands is left out.
#[must_use]
pub fn params() -> NewOrderParams {
    NewOrderParams::builder(SYMBOL.to_owned(), NewOrderSideEnum::Buy, NewOrderTypeEnum::Limit)
        .position_side("LONG".to_owned())
        .time_in_force(NewOrderTimeInForceEnum::Gtc)
        .quantity(QTY.parse::<Decimal>().expect("a quantity"))
        .price(PRICE.parse::<Decimal>().expect("a price"))
        .new_client_order_id(id().to_string())
        .recv_window(3_000_i64)
        .build()
        .expect("everything is there")
}

/// Our client, connected to a server that tells the time.
///
/// # Panics
///
/// When it cannot be set up.
pub async fn ours(address: SocketAddr) -> Binance {
    let hosts = Hosts::emulator(&format!("http://{address}"), &format!("ws://{address}")).expect("an address");
    let signer = Signer::hmac(&SECRET.into()).expect("a secret");
    let client = Binance::connect(Config::new(hosts), Credentials::new(KEY.into(), signer)).await;
    client.expect("nothing is checked on an emulator")
}

/// The venue's library with its defaults, but for the address, compression off, and as much patience as we have.
///
/// # Panics
///
/// When it cannot be set up.
#[must_use]
pub fn theirs(address: SocketAddr) -> RestApi {
    let config = ConfigurationRestApi::builder()
        .api_key(KEY)
        .api_secret(SECRET)
        .base_path(format!("http://{address}"))
        .compression(false)
        .timeout(10_000);
    DerivativesTradingUsdsFuturesRestApi::from_config(config.build().expect("a configuration"))
}

/// Places the order through our client.
///
/// # Panics
///
/// When there is no outcome, which the port does not allow.
pub async fn place(client: &Binance, order: &NewOrder) -> Outcome {
    client.place(std::slice::from_ref(order), VenueMillis(i64::MAX / 2)).await.pop().expect("an outcome per order")
}

/// A reply to the order as the venue gives it, without its head.
#[must_use]
pub fn reply() -> String {
    format!(
        r#"{{"orderId":283194212,"symbol":"{SYMBOL}","status":"NEW","clientOrderId":"{}","price":"{PRICE}","avgPrice":"0.00","origQty":"{QTY}","executedQty":"0.000","cumQty":"0.000","cumQuote":"0.00000","timeInForce":"GTC","type":"LIMIT","reduceOnly":false,"closePosition":false,"side":"BUY","positionSide":"LONG","stopPrice":"0.00","workingType":"CONTRACT_PRICE","priceProtect":false,"origType":"LIMIT","priceMatch":"NONE","selfTradePreventionMode":"NONE","goodTillDate":0,"updateTime":1700000000000}}"#,
        id()
    )
}
