//! Rows of the classic streams. Their words for plans are shorter than those of the calls, and `baseVolume` is the last
//! fill here while it is all of them there.

use compact_str::CompactString;
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::time::VenueMillis;
use serde::Deserialize;

use crate::codec::reply::{FeePart, row};
use crate::codec::scalar;
use crate::codec::word::{HoldMode, OrderStatus, PlanKind, PlanStatus, PositionSide, SideWord, TradeScope, TradeSide};

row! {
    /// A regular order changed.
    OrderUpdate {
        /// On which contract.
        symbol: Option<CompactString> = "instId" "scalar::text",
        /// The venue's id.
        order_id: Option<CompactString> = "orderId" "scalar::text",
        /// The id it was placed under.
        client_id: Option<CompactString> = "clientOid" "scalar::text",
        /// In hedge mode not said whether the position or the trade: the other fields decide.
        side: Option<SideWord> = "side" "scalar::word",
        /// Which position.
        position_side: Option<PositionSide> = "posSide" "scalar::word",
        /// How the account nets.
        hold_mode: Option<HoldMode> = "posMode" "scalar::word",
        /// Whether it opened or closed, and who made it.
        trade_side: Option<TradeSide> = "tradeSide" "scalar::word",
        /// What it came from, where the stream says so.
        source: Option<CompactString> = "orderSource" "scalar::text",
        /// Where it stands.
        status: Option<OrderStatus> = "status" "scalar::word",
        /// The limit price.
        price: Option<Price> = "price" "scalar::decimal",
        /// The total quantity.
        size: Option<Qty> = "size" "scalar::decimal",
        /// How much executed in all.
        executed: Option<Qty> = "accBaseVolume" "scalar::decimal",
        /// The average price of that; not told when it is cancelled.
        average: Option<Price> = "priceAvg" "scalar::decimal",
        /// The trade that caused this.
        trade_id: Option<CompactString> = "tradeId" "scalar::text",
        /// How much that was.
        last_qty: Option<Qty> = "baseVolume" "scalar::decimal",
        /// At what price.
        last_price: Option<Price> = "fillPrice" "scalar::decimal",
        /// What that cost; negative for a cost.
        fee: Option<Notional> = "fillFee" "scalar::decimal",
        /// In which currency.
        fee_coin: Option<CompactString> = "fillFeeCoin" "scalar::text",
        /// Whether it rested.
        scope: Option<TradeScope> = "tradeScope" "scalar::word",
        /// `yes` for one that only takes exposure off.
        reduce_only: Option<CompactString> = "reduceOnly" "scalar::text",
        /// Why it was cancelled.
        cancel_reason: Option<CompactString> = "cancelReason" "scalar::text",
        /// When it was created.
        created: Option<VenueMillis> = "cTime" "scalar::instant",
        /// When it changed.
        updated: Option<VenueMillis> = "uTime" "scalar::instant",
    }
}

row! {
    /// A plan changed.
    PlanUpdate {
        /// On which contract.
        symbol: Option<CompactString> = "instId" "scalar::text",
        /// The venue's id.
        order_id: Option<CompactString> = "orderId" "scalar::text",
        /// The id it was placed under.
        client_id: Option<CompactString> = "clientOid" "scalar::text",
        /// Its kind.
        kind: Option<PlanKind> = "planType" "scalar::word",
        /// Where it stands.
        status: Option<PlanStatus> = "status" "scalar::word",
        /// As of a row of the calls.
        side: Option<SideWord> = "side" "scalar::word",
        /// Which position.
        position_side: Option<PositionSide> = "posSide" "scalar::word",
        /// How the account nets.
        hold_mode: Option<HoldMode> = "posMode" "scalar::word",
        /// Whether it opens or closes.
        trade_side: Option<TradeSide> = "tradeSide" "scalar::word",
        /// The trigger price.
        trigger: Option<Price> = "triggerPrice" "scalar::decimal",
        /// The quantity; none for the whole position.
        size: Option<Qty> = "size" "scalar::decimal",
        /// When it fired.
        triggered: Option<VenueMillis> = "triggerTime" "scalar::instant",
        /// When it changed.
        updated: Option<VenueMillis> = "uTime" "scalar::instant",
    }
}

row! {
    /// A position that is open.
    PositionUpdate {
        /// On which contract.
        symbol: Option<CompactString> = "instId" "scalar::text",
        /// The venue's id of this position; another one after it was flat.
        position_id: Option<CompactString> = "posId" "scalar::text",
        /// Long or short, in one-way mode too.
        side: Option<PositionSide> = "holdSide" "scalar::word",
        /// How the account nets.
        hold_mode: Option<HoldMode> = "posMode" "scalar::word",
        /// How much.
        total: Option<Qty> = "total" "scalar::decimal",
        /// The average entry.
        entry: Option<Price> = "openPriceAvg" "scalar::decimal",
        /// When it changed.
        updated: Option<VenueMillis> = "uTime" "scalar::instant",
    }
}

row! {
    /// A trade.
    FillUpdate {
        /// On which contract.
        symbol: Option<CompactString> = "symbol" "scalar::text",
        /// The venue's id of the trade.
        trade_id: Option<CompactString> = "tradeId" "scalar::text",
        /// Whose trade.
        order_id: Option<CompactString> = "orderId" "scalar::text",
        /// The id that order was placed under; the calls do not tell it.
        client_id: Option<CompactString> = "clientOid" "scalar::text",
        /// The trade, in both modes: the calls mean the position.
        side: Option<SideWord> = "side" "scalar::word",
        /// How the account nets.
        hold_mode: Option<HoldMode> = "posMode" "scalar::word",
        /// Whether it opened or closed.
        trade_side: Option<TradeSide> = "tradeSide" "scalar::word",
        /// Whether it rested.
        scope: Option<TradeScope> = "tradeScope" "scalar::word",
        /// The price.
        price: Option<Price> = "price" "scalar::decimal",
        /// The quantity.
        qty: Option<Qty> = "baseVolume" "scalar::decimal",
        /// What was paid; negative for a cost.
        fees: Vec<FeePart> = "feeDetail" "scalar::list",
        /// When.
        created: Option<VenueMillis> = "cTime" "scalar::instant",
        /// When it was told.
        updated: Option<VenueMillis> = "uTime" "scalar::instant",
    }
}

row! {
    /// The balances of one currency.
    AccountUpdate {
        /// The currency.
        coin: Option<CompactString> = "marginCoin" "scalar::text",
        /// Free.
        available: Option<Notional> = "available" "scalar::decimal",
        /// Wallet and what is not realised.
        equity: Option<Notional> = "equity" "scalar::decimal",
    }
}
