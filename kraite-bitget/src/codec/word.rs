//! The venue's words. Casing and spelling differ between pages and generations, so they are read in any case; lists
//! grow without notice, so each has a place for what is not known yet, text kept.

use compact_str::CompactString;
use kraite_core::exchange::VenueCause;
use kraite_wire::scalar::FromWire;
use kraite_wire::words;

words! {
    any_case;
    /// Which way an order trades; of a classic order in hedge mode, which position it belongs to.
    SideWord {
        /// Takes base currency, or the long.
        Buy = "buy",
        /// Gives base currency, or the short.
        Sell = "sell",
    }
}
words! {
    any_case;
    /// Which position an order or a row belongs to.
    PositionSide {
        /// The long.
        Long = "long",
        /// The short.
        Short = "short",
        /// The one net position of one-way mode.
        Net = "net",
    }
}
words! {
    any_case;
    /// How the account nets.
    HoldMode {
        /// One net position per contract.
        OneWay = "one_way_mode",
        /// A long and a short per contract.
        Hedge = "hedge_mode",
    }
}
words! {
    any_case;
    /// Where a regular order stands.
    OrderStatus {
        /// Taken by the order system; of a classic order also: in the book.
        Live = "live",
        /// In the book.
        New = "new",
        /// Open, partly filled.
        PartiallyFilled = "partially_filled",
        /// Filled.
        Filled = "filled",
        /// Cancelled, by its user or the venue: the reason says.
        Cancelled = "canceled" | "cancelled",
    }
}
words! {
    any_case;
    /// Where a plan or a strategy stands.
    PlanStatus {
        /// Waits for its trigger.
        Live = "live" | "pending",
        /// Fires: its order is on the way.
        Executing = "executing" | "submitting",
        /// Fired: its order was placed, filled or not.
        Executed = "executed" | "success",
        /// Fired, and its order was refused: the position is without this protection.
        Failed = "fail_execute" | "fail_trigger" | "failed",
        /// Cancelled, overwritten by hand, or gone with its position.
        Cancelled = "cancelled" | "canceled",
    }
}
words! {
    any_case;
    /// The kind of a classic plan; the stream has shorter words than the calls.
    PlanKind {
        /// The target of a position.
        PositionProfit = "pos_profit" | "ptp",
        /// The stop of a position.
        PositionLoss = "pos_loss" | "psl",
        /// A target over a quantity.
        Profit = "profit_plan" | "tp",
        /// A stop over a quantity.
        Loss = "loss_plan" | "sl",
        /// A trailing stop or target.
        Moving = "moving_plan" | "mtpsl",
        /// An order that waits for a price.
        Normal = "normal_plan" | "pl",
        /// One that follows the price.
        Track = "track_plan" | "track",
    }
}
words! {
    any_case;
    /// The kind of a unified strategy.
    StrategyKind {
        /// Stop and target.
        Tpsl = "tpsl",
        /// An order that waits for a price.
        Trigger = "trigger",
        /// One of two orders.
        Oco = "oco",
        /// A stop that follows the price.
        TrailingStop = "trailing_stop",
        /// Slices of a large order.
        Iceberg = "iceberg",
        /// Slices over time.
        Twap = "twap",
    }
}
words! {
    any_case;
    /// Which leg of a strategy fired.
    FiredLeg {
        /// The target.
        TakeProfit = "takeProfit",
        /// The stop.
        StopLoss = "stopLoss",
    }
}
words! {
    any_case;
    /// Whether a trade rested.
    TradeScope {
        /// It took.
        Taker = "taker" | "T",
        /// It rested.
        Maker = "maker" | "M",
    }
}
words! {
    any_case;
    /// The operating state of a unified account.
    AccountMode {
        /// In use.
        Unified = "unified",
        /// In use, in part.
        Hybrid = "hybrid",
        /// On its way from classic: not to be traded.
        Upgrading = "upgrading",
        /// On its way back: not to be traded.
        Switching = "switching",
    }
}

/// Whether an order opened or closed, and who made it: the venue's list is long and differs by mode, so the text is
/// kept and asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TradeSide(CompactString);

impl TradeSide {
    /// The word of that spelling.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(text.to_ascii_lowercase().into())
    }

    /// The venue's spelling, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it took exposure off; `None` where the word does not say, as for the plain words of one-way mode.
    #[must_use]
    pub fn closes(&self) -> Option<bool> {
        match self.0.as_str() {
            "open" | "open_long" | "open_short" => Some(false),
            "close" | "close_long" | "close_short" => Some(true),
            text => FORCED.iter().any(|(prefix, _)| text.starts_with(prefix)).then_some(true),
        }
    }

    /// Why the venue made it; `None` where a user did, or where the word is not known.
    #[must_use]
    pub fn venue_cause(&self) -> Option<VenueCause> {
        FORCED.iter().find(|(prefix, _)| self.0.starts_with(prefix)).and_then(|(_, cause)| *cause)
    }
}

impl FromWire for TradeSide {
    fn from_wire(text: &str) -> Result<Self, CompactString> {
        Ok(Self::of(text))
    }
}

/// How orders begin that only the venue makes. Netting a long against a short is nobody's loss.
const FORCED: &[(&str, Option<VenueCause>)] = &[
    ("burst_", Some(VenueCause::Liquidation)),
    ("reduce_", Some(VenueCause::Liquidation)),
    ("dte_sys_adl", Some(VenueCause::AutoDeleverage)),
    ("delivery_", Some(VenueCause::Settlement)),
    ("offset_", None),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c10_unknown_words_are_kept_and_known_ones_round_trip_in_any_case() {
        for word in OrderStatus::KNOWN {
            assert_eq!(OrderStatus::of(word.as_str()), *word);
            assert_eq!(OrderStatus::of(&word.as_str().to_uppercase()), *word);
        }
        for (text, word) in [
            ("canceled", OrderStatus::Cancelled),
            ("cancelled", OrderStatus::Cancelled),
            ("CANCELED", OrderStatus::Cancelled),
        ] {
            assert_eq!(OrderStatus::of(text), word);
        }
        assert_eq!(PlanKind::of("ptp"), PlanKind::PositionProfit);
        assert_eq!(PlanKind::of("pos_profit"), PlanKind::PositionProfit);
        let grown = OrderStatus::of("Paused");
        assert_eq!(grown, OrderStatus::Other("Paused".into()));
        assert_eq!(grown.to_string(), "Paused");
    }

    #[test]
    fn r73_what_the_venue_did_itself_is_told_apart() {
        for (text, closes, cause) in [
            ("open", Some(false), None),
            ("Close", Some(true), None),
            ("close_short", Some(true), None),
            ("buy_single", None, None),
            ("burst_close_long", Some(true), Some(VenueCause::Liquidation)),
            ("burst_sell_single", Some(true), Some(VenueCause::Liquidation)),
            ("reduce_close_short", Some(true), Some(VenueCause::Liquidation)),
            ("dte_sys_adl_buy_in_single_side_mode", Some(true), Some(VenueCause::AutoDeleverage)),
            ("delivery_close_long", Some(true), Some(VenueCause::Settlement)),
            ("offset_close_long", Some(true), None),
            ("new_word", None, None),
        ] {
            let word = TradeSide::of(text);
            assert_eq!((word.closes(), word.venue_cause()), (closes, cause), "{text}");
        }
    }
}
