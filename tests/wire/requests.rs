//! The requests of a life as they stand on the wire of each venue, and what each venue says no with.

use kraite_core::exchange::PositionMode;
use kraite_sim::emulator::Protocol;

use crate::life::Case;

/// A request, told apart by its path and what stands in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) contains: &'static str,
}

impl Request {
    const fn post(path: &'static str, contains: &'static str) -> Self {
        Self { method: "POST", path, contains }
    }

    const fn delete(path: &'static str) -> Self {
        Self { method: "DELETE", path, contains: "" }
    }

    /// A rule for the emulator: so many of these requests meet the fault.
    pub(crate) fn meets(self, times: u32, fault: &str) -> String {
        self.meets_after(0, times, fault)
    }

    /// The same once so many have passed.
    pub(crate) fn meets_after(self, skip: u32, times: u32, fault: &str) -> String {
        let Self { method, path, contains } = self;
        format!(
            r#"{{"method":"{method}","path":"{path}","contains":"{contains}","skip":{skip},"times":{times},"fault":{fault}}}"#
        )
    }
}

/// A rule for the emulator about readings of a path.
pub(crate) fn reading(path: &str, times: u32, fault: &str) -> String {
    format!(r#"{{"method":"GET","path":"{path}","times":{times},"fault":{fault}}}"#)
}

/// What somebody else does on the account: both on a LONG position.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hand {
    Buys,
    TakesOff,
}

/// What a life asks of a venue.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) entry: Request,
    pub(crate) rungs: Request,
    /// A rung by itself.
    pub(crate) rung: Request,
    /// What protects, in the order in which it is placed.
    pub(crate) protection: &'static [(&'static str, Request)],
    /// What a target is re-priced with, and how many such requests come before that.
    pub(crate) change: (Request, u32),
    pub(crate) cancel_rung: Request,
    /// A request that takes so many milliseconds is refused for its timestamp.
    pub(crate) past_window: u32,
    /// Everything begins with it.
    pub(crate) all: &'static str,
    /// One order under its id, those that ended, trades.
    pub(crate) looks: &'static [&'static str],
    /// Open orders, those that wait for a price, positions.
    pub(crate) lists: &'static [&'static str],
}

/// The codes that a venue refuses with.
#[derive(Debug)]
pub(crate) struct Codes {
    /// One is there under this id.
    pub(crate) duplicate: i64,
    /// Too little margin.
    pub(crate) margin: i64,
    /// Too small.
    pub(crate) too_small: i64,
    /// Not now.
    pub(crate) busy: i64,
    /// The timestamp is out of the window.
    pub(crate) late: i64,
    /// No such order to cancel or change.
    pub(crate) no_order: i64,
}

const BINANCE: Requests = Requests {
    entry: Request::post("/fapi/v1/order", "type=MARKET"),
    rungs: Request::post("/fapi/v1/batchOrders", "LIMIT"),
    rung: Request::post("/fapi/v1/order", "type=LIMIT"),
    protection: &[
        ("the stop", Request::post("/fapi/v1/algoOrder", "type=STOP_MARKET")),
        ("a target", Request::post("/fapi/v1/algoOrder", "type=TAKE_PROFIT_MARKET")),
    ],
    change: (Request::post("/fapi/v1/algoOrder", "type=TAKE_PROFIT_MARKET"), 1),
    cancel_rung: Request::delete("/fapi/v1/order"),
    past_window: 12_000,
    all: "/fapi/",
    looks: &["/fapi/v1/order", "/fapi/v1/allOrders", "/fapi/v1/userTrades"],
    lists: &["/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders", "/fapi/v3/positionRisk"],
};

const CLASSIC: Requests = Requests {
    entry: Request::post("/api/v2/mix/order/place-order", "market"),
    rungs: Request::post("/api/v2/mix/order/batch-place-order", "limit"),
    rung: Request::post("/api/v2/mix/order/place-order", "limit"),
    protection: &[("the pair", Request::post("/api/v2/mix/order/place-pos-tpsl", ""))],
    change: (Request::post("/api/v2/mix/order/place-pos-tpsl", ""), 1),
    cancel_rung: Request::post("/api/v2/mix/order/cancel-order", ""),
    past_window: 40_000,
    all: "/api/v2/",
    looks: &["/api/v2/mix/order/detail", "/api/v2/mix/order/orders-history", "/api/v2/mix/order/fills"],
    lists: &[
        "/api/v2/mix/order/orders-pending",
        "/api/v2/mix/order/orders-plan-pending",
        "/api/v2/mix/position/all-position",
    ],
};

const UNIFIED: Requests = Requests {
    entry: Request::post("/api/v3/trade/place-order", "market"),
    rungs: Request::post("/api/v3/trade/place-batch", "limit"),
    rung: Request::post("/api/v3/trade/place-order", "limit"),
    protection: &[("the pair", Request::post("/api/v3/trade/place-strategy-order", ""))],
    change: (Request::post("/api/v3/trade/modify-strategy-order", ""), 0),
    cancel_rung: Request::post("/api/v3/trade/cancel-order", ""),
    past_window: 40_000,
    all: "/api/v3/",
    looks: &["/api/v3/trade/order-info", "/api/v3/trade/history-orders", "/api/v3/trade/fills"],
    lists: &[
        "/api/v3/trade/unfilled-orders",
        "/api/v3/trade/unfilled-strategy-orders",
        "/api/v3/position/current-position",
    ],
};

impl Case {
    /// One on each venue; where stop and target are one call, in hedge mode.
    pub(crate) const EACH: [Self; 3] = [Self::LONG, Self::CLASSIC, Self::UNIFIED];
    /// Where stop and target are one call.
    pub(crate) const PAIRED: [Self; 2] = [Self::CLASSIC, Self::UNIFIED];
    pub(crate) const CLASSIC: Self =
        Self { protocol: Protocol::BitgetClassic, mode: PositionMode::Hedge, ..Self::LONG };
    pub(crate) const UNIFIED: Self =
        Self { protocol: Protocol::BitgetUnified, mode: PositionMode::Hedge, ..Self::LONG };

    pub(crate) const fn requests(self) -> &'static Requests {
        match self.protocol {
            Protocol::Binance => &BINANCE,
            Protocol::BitgetClassic => &CLASSIC,
            Protocol::BitgetUnified => &UNIFIED,
        }
    }

    pub(crate) const fn codes(self) -> Codes {
        match self.protocol {
            Protocol::Binance => {
                Codes { duplicate: -4116, margin: -2019, too_small: -4003, busy: -1008, late: -1021, no_order: -2011 }
            }
            Protocol::BitgetClassic => Codes {
                duplicate: 40_786,
                margin: 40_754,
                too_small: 45_111,
                busy: 22_035,
                late: 40_008,
                no_order: 40_768,
            },
            Protocol::BitgetUnified => Codes {
                duplicate: 25_212,
                margin: 25_202,
                too_small: 25_207,
                busy: 25_004,
                late: 40_008,
                no_order: 25_204,
            },
        }
    }

    /// What is placed in a life, each with the request that places it.
    pub(crate) fn placed(self) -> Vec<(&'static str, Request)> {
        let Requests { entry, rungs, protection, .. } = self.requests();
        [("the entry", *entry), ("the rungs", *rungs)].into_iter().chain(protection.iter().copied()).collect()
    }

    /// A MARKET order for the admin route, as the user would send it.
    pub(crate) fn by_hand(self, hand: Hand, qty: &str, id: &str) -> String {
        match (self.protocol, hand) {
            (Protocol::Binance, Hand::Buys) => format!(
                r#"{{"symbol":"SOLUSDT","side":"BUY","type":"MARKET","quantity":"{qty}","newClientOrderId":"{id}"}}"#
            ),
            (Protocol::Binance, Hand::TakesOff) => format!(
                r#"{{"symbol":"SOLUSDT","side":"SELL","type":"MARKET","quantity":"{qty}","newClientOrderId":"{id}","reduceOnly":"true"}}"#
            ),
            // The side of the position, and not of the order.
            (Protocol::BitgetClassic, hand) => {
                let ends = if matches!(hand, Hand::Buys) { "open" } else { "close" };
                format!(
                    r#"{{"symbol":"SOLUSDT","side":"buy","tradeSide":"{ends}","orderType":"market","size":"{qty}","clientOid":"{id}"}}"#
                )
            }
            (Protocol::BitgetUnified, hand) => {
                let side = if matches!(hand, Hand::Buys) { "buy" } else { "sell" };
                format!(
                    r#"{{"symbol":"SOLUSDT","side":"{side}","posSide":"long","orderType":"market","qty":"{qty}","clientOid":"{id}"}}"#
                )
            }
        }
    }
}
