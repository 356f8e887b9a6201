//! The venue's words. Lists grow without notice, so each has a place for what is not known yet, text kept.

use kraite_wire::words;

words! {
    exact;
    /// Which way an order trades.
    SideWord {
        /// Takes base currency.
        Buy = "BUY",
        /// Gives base currency.
        Sell = "SELL",
    }
}
words! {
    exact;
    /// Which position an order or a row belongs to.
    PositionSide {
        /// The one net position of one-way mode.
        Both = "BOTH",
        /// The long of hedge mode.
        Long = "LONG",
        /// The short of hedge mode.
        Short = "SHORT",
    }
}
words! {
    exact;
    /// Where a regular order stands.
    OrderStatus {
        /// Open, nothing filled.
        New = "NEW",
        /// Open, partly filled.
        PartiallyFilled = "PARTIALLY_FILLED",
        /// Filled.
        Filled = "FILLED",
        /// Cancelled by its user.
        Canceled = "CANCELED",
        /// Refused by the engine.
        Rejected = "REJECTED",
        /// Ended by the venue.
        Expired = "EXPIRED",
        /// Ended by self-trade prevention.
        ExpiredInMatch = "EXPIRED_IN_MATCH",
        /// A liquidation taken over by the insurance fund.
        NewInsurance = "NEW_INSURANCE",
        /// A liquidation against a counterparty.
        NewAdl = "NEW_ADL",
    }
}
words! {
    exact;
    /// Where a conditional order stands.
    AlgoStatus {
        /// Waits for its trigger.
        New = "NEW",
        /// Fires: on its way to the matching engine.
        Triggering = "TRIGGERING",
        /// Fired: its child is in the engine.
        Triggered = "TRIGGERED",
        /// Its child ended, filled or not.
        Finished = "FINISHED",
        /// Cancelled by its user.
        Canceled = "CANCELED",
        /// Ended by the venue.
        Expired = "EXPIRED",
        /// Its child was refused by the engine.
        Rejected = "REJECTED",
    }
}
words! {
    exact;
    /// What an order update is about.
    ExecutionType {
        /// The order was taken.
        New = "NEW",
        /// A fill.
        Trade = "TRADE",
        /// Cancelled.
        Canceled = "CANCELED",
        /// Ended by the venue.
        Expired = "EXPIRED",
        /// Price or quantity changed.
        Amendment = "AMENDMENT",
        /// A liquidation, deleveraging or settlement fill.
        Calculated = "CALCULATED",
        /// Refused; not documented, and applied (R54).
        Rejected = "REJECTED",
    }
}
words! {
    exact;
    /// The kind of an order.
    OrderType {
        /// Rests at a price.
        Limit = "LIMIT",
        /// Fills at once.
        Market = "MARKET",
        /// A stop that becomes a limit order.
        Stop = "STOP",
        /// A stop that becomes a market order.
        StopMarket = "STOP_MARKET",
        /// A target that becomes a limit order.
        TakeProfit = "TAKE_PROFIT",
        /// A target that becomes a market order.
        TakeProfitMarket = "TAKE_PROFIT_MARKET",
        /// A stop that follows the price.
        TrailingStopMarket = "TRAILING_STOP_MARKET",
        /// The venue's own order of a liquidation.
        Liquidation = "LIQUIDATION",
    }
}
words! {
    exact;
    /// Why an account update was sent.
    UpdateReason {
        /// An order filled.
        Order = "ORDER",
        /// Funding was booked.
        FundingFee = "FUNDING_FEE",
        /// Money came in.
        Deposit = "DEPOSIT",
        /// Money went out.
        Withdraw = "WITHDRAW",
        /// The insurance fund cleared a liquidation.
        InsuranceClear = "INSURANCE_CLEAR",
        /// Margin was moved to or from an isolated position.
        MarginTransfer = "MARGIN_TRANSFER",
        /// Cross became isolated or the other way round.
        MarginTypeChange = "MARGIN_TYPE_CHANGE",
    }
}

impl OrderType {
    /// True for kinds that only the conditional service takes.
    #[must_use]
    pub const fn is_conditional(&self) -> bool {
        matches!(
            self,
            Self::Stop | Self::StopMarket | Self::TakeProfit | Self::TakeProfitMarket | Self::TrailingStopMarket
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c10_unknown_words_are_kept_and_known_ones_round_trip() {
        for word in OrderStatus::KNOWN {
            assert_eq!(OrderStatus::of(word.as_str()), *word);
        }
        for word in AlgoStatus::KNOWN {
            assert_eq!(serde_json::from_str::<AlgoStatus>(&format!("\"{word}\"")).unwrap(), *word);
        }
        let grown: OrderStatus = serde_json::from_str("\"PAUSED\"").unwrap();
        assert_eq!(grown, OrderStatus::Other("PAUSED".into()));
        assert_eq!(grown.to_string(), "PAUSED");
        assert!(serde_json::from_str::<OrderStatus>("7").is_err());
    }
}
