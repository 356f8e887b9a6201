//! The same life of an order in the peer's model.

use nautilus_core::{UUID4, UnixNanos};
use nautilus_model::enums::{LiquiditySide, OrderSide, OrderType, TimeInForce};
use nautilus_model::events::{OrderAccepted, OrderEventAny, OrderFilled, OrderSubmitted};
use nautilus_model::identifiers::{
    AccountId, ClientOrderId, InstrumentId, StrategyId, TradeId, TraderId, VenueOrderId,
};
use nautilus_model::orders::LimitOrder;
use nautilus_model::types::{Currency, Money, Price, Quantity};

use crate::orders::FILLS;

fn uuid(n: u8) -> UUID4 {
    UUID4::from_bytes([n; 16])
}

/// A fresh order.
pub(crate) fn order() -> LimitOrder {
    LimitOrder::new(
        TraderId::from("TRADER-001"),
        StrategyId::from("S-001"),
        InstrumentId::from("BTCUSDT.BINANCE"),
        ClientOrderId::from("O-20260101-000000-001-001-1"),
        OrderSide::Buy,
        Quantity::from("0.010"),
        Price::from("67123.40"),
        TimeInForce::Gtc,
        None,
        false,
        false,
        false,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        uuid(1),
        UnixNanos::from(1),
    )
}

/// Submitted, accepted, and every fill.
pub(crate) fn events() -> Vec<OrderEventAny> {
    let (trader, strategy) = (TraderId::from("TRADER-001"), StrategyId::from("S-001"));
    let (instrument, id) = (InstrumentId::from("BTCUSDT.BINANCE"), ClientOrderId::from("O-20260101-000000-001-001-1"));
    let (account, venue_id) = (AccountId::from("BINANCE-001"), VenueOrderId::from("1234567890123456789"));
    let at = |n: u64| UnixNanos::from(n);
    let mut events = vec![
        OrderEventAny::Submitted(OrderSubmitted::new(trader, strategy, instrument, id, account, uuid(2), at(2), at(2))),
        OrderEventAny::Accepted(OrderAccepted::new(
            trader,
            strategy,
            instrument,
            id,
            venue_id,
            account,
            uuid(3),
            at(3),
            at(3),
            false,
        )),
    ];
    for n in 1..=FILLS {
        let filled = OrderFilled::new(
            trader,
            strategy,
            instrument,
            id,
            venue_id,
            account,
            TradeId::from(format!("9876543210{n:03}").as_str()),
            OrderSide::Buy,
            OrderType::Limit,
            Quantity::from("0.001"),
            Price::from("67123.40"),
            Currency::USDT(),
            LiquiditySide::Maker,
            uuid(4),
            at(4),
            at(4),
            false,
            None,
            Some(Money::from("0.00002 USDT")),
        );
        events.push(OrderEventAny::Filled(filled));
    }
    events
}
