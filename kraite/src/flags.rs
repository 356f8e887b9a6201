//! Values on the command line: parsed into the core's numbers, refused with a reason.

use std::fmt::Display;
use std::str::FromStr;

use clap::ValueEnum;
use kraite_core::Capabilities;
use kraite_core::exchange::{Direction, MarginMode, PositionMode, TriggerBy};
use kraite_core::number::{Factor, Percent};
use kraite_core::plan::{Sequence, TargetStyle};
use kraite_core::sizing::{SizingModel, TargetBasis};
use kraite_sim::world::Latency;
use serde::Deserialize;

/// Which venue's rules and shape of protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum VenueName {
    /// Binance USD-M: stop and target are two orders.
    Binance,
    /// Bitget: stop and target are one call.
    Bitget,
}

impl VenueName {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Binance => "binance",
            Self::Bitget => "bitget",
        }
    }

    pub(crate) fn capabilities(self) -> Capabilities {
        match self {
            Self::Binance => kraite_binance::capabilities(),
            Self::Bitget => kraite_bitget::capabilities(),
        }
    }

    pub(crate) fn profile(self) -> kraite_sim::venue::VenueProfile {
        match self {
            Self::Binance => kraite_sim::presets::binance(),
            Self::Bitget => kraite_sim::presets::bitget(),
        }
    }
}

macro_rules! word {
    ($(#[$doc:meta])* $name:ident => $core:ident { $($(#[$what:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub(crate) enum $name { $($(#[$what])* $variant),+ }

        impl From<$name> for $core {
            fn from(word: $name) -> Self {
                match word { $($name::$variant => Self::$variant),+ }
            }
        }
    };
}

word! {
    /// Long or short.
    DirectionWord => Direction {
        /// Rungs below the entry.
        Long,
        /// Rungs above the entry.
        Short,
    }
}
word! {
    /// How the margin becomes sizes.
    SizingWord => SizingModel {
        /// The market slice is margin x leverage / 2^(N+1); multipliers weight quantity.
        Unbounded,
        /// All notionals add up to margin x leverage; multipliers weight notional.
        Bounded,
    }
}
word! {
    /// In which order an opening protects itself.
    SequenceWord => Sequence {
        /// entry, rungs, stop, target.
        LadderFirst,
        /// entry, stop, rungs, target.
        ProtectFirst,
    }
}
word! {
    /// How the take-profit rests.
    TargetWord => TargetStyle {
        /// A conditional market order.
        TriggerMarket,
        /// A resting close-only LIMIT order.
        Limit,
    }
}
word! {
    /// What the target is priced from.
    BasisWord => TargetBasis {
        /// The average entry of our own fills.
        AverageEntry,
        /// The price at which closing earns the fees back.
        BreakEven,
    }
}

word! {
    /// Which price the stop watches.
    TriggerWord => TriggerBy {
        /// The mark price.
        Mark,
        /// The last traded price.
        Last,
    }
}
word! {
    /// How margin backs a position.
    MarginWord => MarginMode {
        /// Shared over the account.
        Cross,
        /// Set aside per position.
        Isolated,
    }
}
word! {
    /// How the account nets positions.
    ModeWord => PositionMode {
        /// One net position per contract.
        OneWay,
        /// A long and a short per contract.
        Hedge,
    }
}

/// How far away the exchange is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LatencyWord {
    /// A worker in the exchange's own data centre: 2 ms each way.
    Near,
    /// A worker on another continent: 80 ms each way.
    Far,
}

impl From<LatencyWord> for Latency {
    fn from(word: LatencyWord) -> Self {
        match word {
            LatencyWord::Near => Self::NEAR,
            LatencyWord::Far => Self::FAR,
        }
    }
}

/// A number above zero.
pub(crate) fn positive<T>(text: &str) -> Result<T, String>
where
    T: FromStr + Default + PartialOrd + Display,
    T::Err: Display,
{
    let value: T = text.parse().map_err(|error: T::Err| error.to_string())?;
    if value > T::default() { Ok(value) } else { Err(format!("{value} is not above zero")) }
}

/// The highest leverage of any contract of the venues (brackets of 2024, contracts of 2025).
pub(crate) const MAX_LEVERAGE: u32 = 125;

/// How far an entry may be thought to slip, in percent: it is a market order, and half its price is no slip.
const MAX_HEADROOM: i64 = 50;

/// Says what is wrong with a headroom that is out of range.
pub(crate) fn check_headroom(value: Percent) -> Result<Percent, String> {
    let most = Percent::from_units(MAX_HEADROOM, 0).unwrap_or_default();
    if value.is_negative() || value > most { Err(format!("{value} is not between 0 and {most}")) } else { Ok(value) }
}

/// The headroom of a ladder.
pub(crate) fn headroom(text: &str) -> Result<Percent, String> {
    text.parse::<Percent>().map_err(|error| error.to_string()).and_then(check_headroom)
}

/// One multiplier of the ladder.
pub(crate) fn multiplier(text: &str) -> Result<Factor, String> {
    positive(text)
}

/// `text` with zeros until it has `places` decimals, as prices of one grid are written.
pub(crate) fn padded(text: &str, places: usize) -> String {
    let have = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let mut padded = text.to_owned();
    if have < places {
        if have == 0 {
            padded.push('.');
        }
        padded.extend(std::iter::repeat_n('0', places - have));
    }
    padded
}

/// A number with at most so many decimals, the rest cut off.
pub(crate) fn cut(number: &str, places: usize) -> String {
    match number.split_once('.') {
        Some((whole, decimals)) => format!("{whole}.{}", decimals.get(..places).unwrap_or(decimals)),
        None => number.to_owned(),
    }
}

/// How many decimals a grid has.
pub(crate) fn places(grid: impl Display) -> usize {
    grid.to_string().split_once('.').map_or(0, |(_, decimals)| decimals.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraite_core::number::Notional;

    #[test]
    fn numbers_that_cannot_be_are_refused_with_the_reason() {
        assert_eq!(positive::<Notional>("-5").unwrap_err(), "-5 is not above zero");
        assert_eq!(positive::<Notional>("0").unwrap_err(), "0 is not above zero");
        assert!(positive::<Notional>("1e3").is_err());
        assert_eq!(headroom("-1").unwrap_err(), "-1 is not between 0 and 50");
        assert_eq!(headroom("50.1").unwrap_err(), "50.1 is not between 0 and 50");
        assert!(headroom("0").is_ok() && headroom("50").is_ok());
    }

    #[test]
    fn padding_never_cuts() {
        assert_eq!(padded("164.5", 2), "164.50");
        assert_eq!(padded("164", 2), "164.00");
        assert_eq!(padded("164.123", 2), "164.123");
        assert_eq!(padded("7", 0), "7");
        assert_eq!([cut("1.239", 2), cut("1.2", 2), cut("12", 2)], ["1.23", "1.2", "12"]);
        assert_eq!(places("0.001"), 3);
        assert_eq!(places("10"), 0);
    }
}
