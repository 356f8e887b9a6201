//! Rows of the unified streams. Orders and trades still call the position `holdSide` here; product lines are in lower
//! case.

use compact_str::CompactString;
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::time::VenueMillis;
use serde::Deserialize;

use crate::codec::reply::{FeePart, row};
use crate::codec::scalar;
use crate::codec::word::{HoldMode, OrderStatus, PositionSide, SideWord, TradeScope, TradeSide};

row! {
    /// A regular order changed. Its trades come on their own.
    OrderUpdate {
        /// On which contract.
        symbol: Option<CompactString> = "symbol" "scalar::text",
        /// The venue's id.
        order_id: Option<CompactString> = "orderId" "scalar::text",
        /// The id it was placed under.
        client_id: Option<CompactString> = "clientOid" "scalar::text",
        /// The trade, in both modes.
        side: Option<SideWord> = "side" "scalar::word",
        /// Which position.
        position_side: Option<PositionSide> = "holdSide" "scalar::word",
        /// How the account nets.
        hold_mode: Option<HoldMode> = "holdMode" "scalar::word",
        /// Whether it opened or closed, and who made it.
        trade_side: Option<TradeSide> = "tradeSide" "scalar::word",
        /// What it came from.
        source: Option<CompactString> = "delegateType" "scalar::text",
        /// Where it stands.
        status: Option<OrderStatus> = "orderStatus" "scalar::word",
        /// The limit price.
        price: Option<Price> = "price" "scalar::decimal",
        /// The total quantity.
        qty: Option<Qty> = "qty" "scalar::decimal",
        /// How much executed in all.
        executed: Option<Qty> = "cumExecQty" "scalar::decimal",
        /// The average price of that.
        average: Option<Price> = "avgPrice" "scalar::decimal",
        /// Whether it only takes exposure off.
        reduce_only: Option<CompactString> = "reduceOnly" "scalar::text",
        /// Why it was cancelled.
        cancel_reason: Option<CompactString> = "cancelReason" "scalar::text",
        /// When it was created.
        created: Option<VenueMillis> = "createdTime" "scalar::instant",
        /// When it changed.
        updated: Option<VenueMillis> = "updatedTime" "scalar::instant",
    }
}

row! {
    /// A position; told every five seconds, and once with nothing when it ended.
    PositionUpdate {
        /// On which contract.
        symbol: Option<CompactString> = "symbol" "scalar::text",
        /// Long or short.
        side: Option<PositionSide> = "posSide" "scalar::word",
        /// How the account nets.
        hold_mode: Option<HoldMode> = "holdMode" "scalar::word",
        /// How much.
        size: Option<Qty> = "size" "scalar::decimal",
        /// The average entry.
        entry: Option<Price> = "avgPrice" "scalar::decimal",
        /// `opening` or `ended`.
        status: Option<CompactString> = "positionStatus" "scalar::text",
        /// When it changed.
        updated: Option<VenueMillis> = "updatedTime" "scalar::instant",
    }
}

row! {
    /// A trade.
    FillUpdate {
        /// On which contract.
        symbol: Option<CompactString> = "symbol" "scalar::text",
        /// The venue's id of the trade.
        trade_id: Option<CompactString> = "execId" "scalar::text",
        /// Whose trade.
        order_id: Option<CompactString> = "orderId" "scalar::text",
        /// The id that order was placed under.
        client_id: Option<CompactString> = "clientOid" "scalar::text",
        /// The trade, in both modes.
        side: Option<SideWord> = "side" "scalar::word",
        /// Which position.
        position_side: Option<PositionSide> = "holdSide" "scalar::word",
        /// Whether it opened or closed.
        trade_side: Option<TradeSide> = "tradeSide" "scalar::word",
        /// Whether it rested.
        scope: Option<TradeScope> = "tradeScope" "scalar::word",
        /// The price.
        price: Option<Price> = "execPrice" "scalar::decimal",
        /// The quantity.
        qty: Option<Qty> = "execQty" "scalar::decimal",
        /// What was paid; positive for a cost. The fast channel leaves it out.
        fees: Option<Vec<FeePart>> = "feeDetail" "scalar::some_list",
        /// When.
        at: Option<VenueMillis> = "execTime" "scalar::instant",
        /// When it was told.
        updated: Option<VenueMillis> = "updatedTime" "scalar::instant",
    }
}

row! {
    /// The account as a whole.
    AccountUpdate {
        /// All of it, in USD.
        equity: Option<Notional> = "totalEquity" "scalar::decimal",
        /// By currency.
        coins: Vec<CoinUpdate> = "coin" "scalar::list",
    }
}

row! {
    /// The balances of one currency.
    CoinUpdate {
        /// The currency.
        coin: Option<CompactString> = "coin" "scalar::text",
        /// The wallet balance.
        balance: Option<Notional> = "balance" "scalar::decimal",
        /// Free.
        available: Option<Notional> = "available" "scalar::decimal",
    }
}
