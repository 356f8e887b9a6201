//! Rows of the classic API.

use compact_str::CompactString;
use kraite_core::number::{Factor, Notional, Price, Qty};
use kraite_core::time::VenueMillis;
use serde::Deserialize;

use super::{FeePart, row};
use crate::codec::scalar;
use crate::codec::word::{HoldMode, OrderStatus, PlanKind, PlanStatus, PositionSide, SideWord, TradeScope, TradeSide};

row! {
    /// One regular order: the answer to asking for it, and a row of the lists.
    OrderRow {
        /// The venue's id.
        order_id: Option<CompactString> = "orderId" "scalar::text",
        /// The id it was placed under; that of its plan, for an order that one spawned.
        client_id: Option<CompactString> = "clientOid" "scalar::text",
        /// On which contract.
        symbol: Option<CompactString> = "symbol" "scalar::text",
        /// In hedge mode the position, else the trade.
        side: Option<SideWord> = "side" "scalar::word",
        /// Which position.
        position_side: Option<PositionSide> = "posSide" "scalar::word",
        /// How the account nets.
        hold_mode: Option<HoldMode> = "posMode" "scalar::word",
        /// Whether it opened or closed, and who made it.
        trade_side: Option<TradeSide> = "tradeSide" "scalar::word",
        /// What it came from.
        source: Option<CompactString> = "orderSource" "scalar::text",
        /// Where it stands, as the answer for one order calls it.
        state: Option<OrderStatus> = "state" "scalar::word",
        /// Where it stands, as the lists call it.
        status: Option<OrderStatus> = "status" "scalar::word",
        /// The limit price.
        price: Option<Price> = "price" "scalar::decimal",
        /// The total quantity.
        size: Option<Qty> = "size" "scalar::decimal",
        /// How much of it executed.
        executed: Option<Qty> = "baseVolume" "scalar::decimal",
        /// The average price of that.
        average: Option<Price> = "priceAvg" "scalar::decimal",
        /// YES for one that only takes exposure off; NO in hedge mode whatever it does.
        reduce_only: Option<CompactString> = "reduceOnly" "scalar::text",
        /// Crossed or isolated.
        margin_mode: Option<CompactString> = "marginMode" "scalar::text",
        /// Why it was cancelled.
        cancel_reason: Option<CompactString> = "cancelReason" "scalar::text",
        /// When it was created.
        created: Option<VenueMillis> = "cTime" "scalar::instant",
        /// When it changed last.
        updated: Option<VenueMillis> = "uTime" "scalar::instant",
    }
}

row! {
    /// One row of the answer to a pair: whose it is only the client ids say, never the place in the list.
    PairRow {
        /// The venue's id of the plan.
        order_id: Option<CompactString> = "orderId" "scalar::text",
        /// The id of the target.
        target: Option<CompactString> = "stopSurplusClientOid" "scalar::text",
        /// The id of the stop.
        stop: Option<CompactString> = "stopLossClientOid" "scalar::text",
    }
}

row! {
    /// One plan, waiting or past.
    PlanRow {
        /// The venue's id.
        order_id: Option<CompactString> = "orderId" "scalar::text",
        /// The id it was placed under, which an overwrite may have kept.
        client_id: Option<CompactString> = "clientOid" "scalar::text",
        /// On which contract.
        symbol: Option<CompactString> = "symbol" "scalar::text",
        /// Its kind.
        kind: Option<PlanKind> = "planType" "scalar::word",
        /// Where it stands.
        status: Option<PlanStatus> = "planStatus" "scalar::word",
        /// In hedge mode the position, else the trade.
        side: Option<SideWord> = "side" "scalar::word",
        /// Which position.
        position_side: Option<PositionSide> = "posSide" "scalar::word",
        /// How the account nets.
        hold_mode: Option<HoldMode> = "posMode" "scalar::word",
        /// Whether it opens or closes.
        trade_side: Option<TradeSide> = "tradeSide" "scalar::word",
        /// The trigger price.
        trigger: Option<Price> = "triggerPrice" "scalar::decimal",
        /// The quantity; zero or empty for one that closes the whole position.
        size: Option<Qty> = "size" "scalar::decimal",
        /// The regular order that it spawned.
        child_id: Option<CompactString> = "executeOrderId" "scalar::text",
        /// How much of that executed.
        child_executed: Option<Qty> = "baseVolume" "scalar::decimal",
        /// The average price of that.
        child_average: Option<Price> = "priceAvg" "scalar::decimal",
        /// When it was created.
        created: Option<VenueMillis> = "cTime" "scalar::instant",
        /// When it changed last.
        updated: Option<VenueMillis> = "uTime" "scalar::instant",
    }
}

row! {
    /// One trade. Names its order by the venue's id only.
    FillRow {
        /// The venue's id of the trade.
        trade_id: Option<CompactString> = "tradeId" "scalar::text",
        /// Whose trade.
        order_id: Option<CompactString> = "orderId" "scalar::text",
        /// On which contract.
        symbol: Option<CompactString> = "symbol" "scalar::text",
        /// In hedge mode the position, else the trade: the stream means the trade in both.
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
    }
}

row! {
    /// One open position. A contract or side that is not listed is flat.
    PositionRow {
        /// On which contract.
        symbol: Option<CompactString> = "symbol" "scalar::text",
        /// Long or short, in one-way mode too.
        side: Option<PositionSide> = "holdSide" "scalar::word",
        /// How much, what resting orders hold included.
        total: Option<Qty> = "total" "scalar::decimal",
        /// The average entry.
        entry: Option<Price> = "openPriceAvg" "scalar::decimal",
        /// The mark price.
        mark: Option<Price> = "markPrice" "scalar::decimal",
        /// Where it would be liquidated; zero or less where nowhere.
        liquidation: Option<Price> = "liquidationPrice" "scalar::decimal",
        /// The plan that takes the profit, if there is one.
        target_id: Option<CompactString> = "takeProfitId" "scalar::text",
        /// The plan that stops the loss, if there is one.
        stop_id: Option<CompactString> = "stopLossId" "scalar::text",
        /// When it was opened; another one after it was flat.
        created: Option<VenueMillis> = "cTime" "scalar::instant",
        /// When it changed last.
        updated: Option<VenueMillis> = "uTime" "scalar::instant",
    }
}

row! {
    /// One position that has ended.
    PastPositionRow {
        /// On which contract.
        symbol: Option<CompactString> = "symbol" "scalar::text",
        /// Long or short, in one-way mode too.
        side: Option<PositionSide> = "holdSide" "scalar::word",
        /// The funding of all of its life; negative was paid.
        funding: Option<Notional> = "totalFunding" "scalar::decimal",
        /// When it ended; a name of its own among those of the venue.
        ended: Option<VenueMillis> = "utime" "scalar::instant",
    }
}

row! {
    /// The balances of one currency, and the configuration of a contract where one was asked for.
    AccountRow {
        /// The currency.
        coin: Option<CompactString> = "marginCoin" "scalar::text",
        /// Free, all modes alike.
        available: Option<Notional> = "available" "scalar::decimal",
        /// Free for new positions in cross margin.
        crossed_available: Option<Notional> = "crossedMaxAvailable" "scalar::decimal",
        /// Wallet and what is not realised.
        equity: Option<Notional> = "accountEquity" "scalar::decimal",
        /// What is not realised.
        unrealized: Option<Notional> = "unrealizedPL" "scalar::decimal",
        /// Crossed or isolated.
        margin_mode: Option<CompactString> = "marginMode" "scalar::text",
        /// How the account nets.
        hold_mode: Option<HoldMode> = "posMode" "scalar::word",
        /// The leverage in cross margin.
        crossed_leverage: Option<i64> = "crossedMarginLeverage" "scalar::whole",
        /// That of isolated longs.
        long_leverage: Option<i64> = "isolatedLongLever" "scalar::whole",
        /// That of isolated shorts.
        short_leverage: Option<i64> = "isolatedShortLever" "scalar::whole",
        /// `single`, or `union` for several currencies as one margin, which is crossed only.
        asset_mode: Option<CompactString> = "assetMode" "scalar::text",
    }
}

row! {
    /// The answer to a change of the leverage.
    LeverageReply {
        /// On which contract.
        symbol: Option<CompactString> = "symbol" "scalar::text",
        /// Of longs.
        long: Option<i64> = "longLeverage" "scalar::whole",
        /// Of shorts.
        short: Option<i64> = "shortLeverage" "scalar::whole",
        /// In cross margin.
        crossed: Option<i64> = "crossMarginLeverage" "scalar::whole",
        /// Crossed or isolated.
        margin_mode: Option<CompactString> = "marginMode" "scalar::text",
    }
}

row! {
    /// The answer to a change of margin or position mode.
    ModeReply {
        /// On which contract.
        symbol: Option<CompactString> = "symbol" "scalar::text",
        /// Crossed or isolated.
        margin_mode: Option<CompactString> = "marginMode" "scalar::text",
        /// How the account nets.
        hold_mode: Option<HoldMode> = "posMode" "scalar::word",
    }
}

row! {
    /// The account's own fees on a contract.
    RateReply {
        /// Of resting fills.
        maker: Option<Factor> = "makerFeeRate" "scalar::decimal",
        /// Of taking fills.
        taker: Option<Factor> = "takerFeeRate" "scalar::decimal",
    }
}

row! {
    /// What the probe of a classic account says of the key.
    ProbeReply {
        /// What the key may do, in words that no page lists.
        authorities: Vec<CompactString> = "authorities" "scalar::list",
    }
}

row! {
    /// The venue's clock.
    TimeReply {
        /// Now.
        server_time: Option<VenueMillis> = "serverTime" "scalar::instant",
    }
}

row! {
    /// The prices of a contract.
    PriceRow {
        /// On which contract.
        symbol: Option<CompactString> = "symbol" "scalar::text",
        /// The mark price.
        mark: Option<Price> = "markPrice" "scalar::decimal",
        /// When this was so.
        at: Option<VenueMillis> = "ts" "scalar::instant",
    }
}
