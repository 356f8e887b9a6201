//! Rows of the unified API.

use compact_str::CompactString;
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::time::VenueMillis;
use serde::Deserialize;

use super::{FeePart, row};
use crate::codec::scalar;
use crate::codec::word::{
    AccountMode, FiredLeg, HoldMode, OrderStatus, PlanStatus, PositionSide, SideWord, StrategyKind, TradeScope,
    TradeSide,
};

row! {
    /// One regular order: the answer to asking for it, and a row of the lists.
    OrderRow {
        /// The venue's id.
        order_id: Option<CompactString> = "orderId" "scalar::text",
        /// The id it was placed under.
        client_id: Option<CompactString> = "clientOid" "scalar::text",
        /// On which contract.
        symbol: Option<CompactString> = "symbol" "scalar::text",
        /// The trade, in both modes.
        side: Option<SideWord> = "side" "scalar::word",
        /// Which position.
        position_side: Option<PositionSide> = "posSide" "scalar::word",
        /// How the account nets.
        hold_mode: Option<HoldMode> = "holdMode" "scalar::word",
        /// Whether it opened or closed, and who made it.
        trade_side: Option<TradeSide> = "tradeSide" "scalar::word",
        /// What it came from.
        source: Option<CompactString> = "delegateType" "scalar::text",
        /// How it was executed.
        execution: Option<CompactString> = "execType" "scalar::text",
        /// Where it stands.
        status: Option<OrderStatus> = "orderStatus" "scalar::word",
        /// The limit price.
        price: Option<Price> = "price" "scalar::decimal",
        /// The total quantity.
        qty: Option<Qty> = "qty" "scalar::decimal",
        /// How much of it executed.
        executed: Option<Qty> = "cumExecQty" "scalar::decimal",
        /// The average price of that.
        average: Option<Price> = "avgPrice" "scalar::decimal",
        /// YES for one that only takes exposure off; NO in hedge mode whatever it does.
        reduce_only: Option<CompactString> = "reduceOnly" "scalar::text",
        /// Crossed or isolated.
        margin_mode: Option<CompactString> = "marginMode" "scalar::text",
        /// Why it was cancelled.
        cancel_reason: Option<CompactString> = "cancelReason" "scalar::text",
        /// When it was created.
        created: Option<VenueMillis> = "createdTime" "scalar::instant",
        /// When it changed last.
        updated: Option<VenueMillis> = "updatedTime" "scalar::instant",
    }
}

row! {
    /// One strategy: stop and target of a position in one, or something else.
    StrategyRow {
        /// The venue's id, one for both legs.
        order_id: Option<CompactString> = "orderId" "scalar::text",
        /// The id it was placed under.
        client_id: Option<CompactString> = "clientOid" "scalar::text",
        /// On which contract.
        symbol: Option<CompactString> = "symbol" "scalar::text",
        /// Its kind; missing for stop and target.
        kind: Option<StrategyKind> = "type" "scalar::word",
        /// Where it stands.
        status: Option<PlanStatus> = "status" "scalar::word",
        /// The trade that it will make.
        side: Option<SideWord> = "side" "scalar::word",
        /// Which position.
        position_side: Option<PositionSide> = "posSide" "scalar::word",
        /// The trigger of the target.
        target: Option<Price> = "takeProfit" "scalar::decimal",
        /// The trigger of the stop.
        stop: Option<Price> = "stopLoss" "scalar::decimal",
        /// The trigger of other kinds.
        trigger: Option<Price> = "triggerPrice" "scalar::decimal",
        /// The quantity; none for the whole position.
        qty: Option<Qty> = "qty" "scalar::decimal",
        /// Which leg fired.
        fired: Option<FiredLeg> = "triggerType" "scalar::word",
        /// When it was created.
        created: Option<VenueMillis> = "createdTime" "scalar::instant",
        /// When it changed last.
        updated: Option<VenueMillis> = "updatedTime" "scalar::instant",
    }
}

row! {
    /// An order that a strategy spawned.
    SubOrderRow {
        /// The venue's id of the regular order.
        order_id: Option<CompactString> = "subOrderId" "scalar::text",
        /// On which contract.
        symbol: Option<CompactString> = "symbol" "scalar::text",
        /// The trade.
        side: Option<SideWord> = "side" "scalar::word",
        /// Which position.
        position_side: Option<PositionSide> = "posSide" "scalar::word",
        /// `filled`, `cancelled` or `failed`.
        status: Option<CompactString> = "status" "scalar::text",
        /// The limit price.
        price: Option<Price> = "price" "scalar::decimal",
        /// The total quantity.
        qty: Option<Qty> = "qty" "scalar::decimal",
        /// How much of it executed.
        executed: Option<Qty> = "cumExecQty" "scalar::decimal",
        /// The average price of that.
        average: Option<Price> = "avgPrice" "scalar::decimal",
        /// When it changed last.
        updated: Option<VenueMillis> = "updatedTime" "scalar::instant",
    }
}

row! {
    /// One trade.
    FillRow {
        /// The venue's id of the trade.
        trade_id: Option<CompactString> = "execId" "scalar::text",
        /// Whose trade.
        order_id: Option<CompactString> = "orderId" "scalar::text",
        /// The id that order was placed under.
        client_id: Option<CompactString> = "clientOid" "scalar::text",
        /// On which contract.
        symbol: Option<CompactString> = "symbol" "scalar::text",
        /// The trade, in both modes.
        side: Option<SideWord> = "side" "scalar::word",
        /// Whether it opened or closed.
        trade_side: Option<TradeSide> = "tradeSide" "scalar::word",
        /// Whether it rested.
        scope: Option<TradeScope> = "tradeScope" "scalar::word",
        /// The price.
        price: Option<Price> = "execPrice" "scalar::decimal",
        /// The quantity.
        qty: Option<Qty> = "execQty" "scalar::decimal",
        /// What was paid; positive for a cost.
        fees: Vec<FeePart> = "feeDetail" "scalar::list",
        /// When.
        created: Option<VenueMillis> = "createdTime" "scalar::instant",
    }
}

row! {
    /// One open position. A contract or side that is not listed is flat.
    PositionRow {
        /// On which contract.
        symbol: Option<CompactString> = "symbol" "scalar::text",
        /// Crossed or isolated.
        margin_mode: Option<CompactString> = "marginMode" "scalar::text",
        /// Long or short, in one-way mode too.
        side: Option<PositionSide> = "posSide" "scalar::word",
        /// How much, what resting orders hold included.
        total: Option<Qty> = "total" "scalar::decimal",
        /// The average entry.
        entry: Option<Price> = "avgPrice" "scalar::decimal",
        /// The mark price.
        mark: Option<Price> = "markPrice" "scalar::decimal",
        /// Where it would be liquidated; zero or less where nowhere.
        liquidation: Option<Price> = "liquidationPrice" "scalar::decimal",
        /// When it was opened.
        created: Option<VenueMillis> = "createdTime" "scalar::instant",
        /// When it changed last.
        updated: Option<VenueMillis> = "updatedTime" "scalar::instant",
    }
}

row! {
    /// One position that has ended.
    PastPositionRow {
        /// On which contract.
        symbol: Option<CompactString> = "symbol" "scalar::text",
        /// Long or short, in one-way mode too.
        side: Option<PositionSide> = "posSide" "scalar::word",
        /// The funding of all of its life; negative was paid.
        funding: Option<Notional> = "totalFunding" "scalar::decimal",
        /// When it ended.
        ended: Option<VenueMillis> = "updatedTime" "scalar::instant",
    }
}

row! {
    /// The account as a whole.
    AssetsReply {
        /// All of it, in USD.
        equity: Option<Notional> = "accountEquity" "scalar::decimal",
        /// By currency; only those that are not zero.
        assets: Vec<AssetRow> = "assets" "scalar::list",
    }
}

row! {
    /// The balances of one currency.
    AssetRow {
        /// The currency.
        coin: Option<CompactString> = "coin" "scalar::text",
        /// The wallet balance.
        balance: Option<Notional> = "balance" "scalar::decimal",
        /// Free for new positions.
        available: Option<Notional> = "available" "scalar::decimal",
    }
}

row! {
    /// The configuration of the account.
    SettingsReply {
        /// Whether it can be traded.
        account_mode: Option<AccountMode> = "accountMode" "scalar::word",
        /// How it nets.
        hold_mode: Option<HoldMode> = "holdMode" "scalar::word",
        /// By contract; one that was never traded may be missing.
        symbols: Vec<SymbolConfig> = "symbolConfigList" "scalar::list",
    }
}

row! {
    /// The configuration of a contract.
    SymbolConfig {
        /// Of which product line.
        category: Option<CompactString> = "category" "scalar::text",
        /// On which contract.
        symbol: Option<CompactString> = "symbol" "scalar::text",
        /// Crossed or isolated.
        margin_mode: Option<CompactString> = "marginMode" "scalar::text",
        /// The leverage.
        leverage: Option<i64> = "leverage" "scalar::whole",
    }
}
