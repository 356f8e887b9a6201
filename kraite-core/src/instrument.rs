//! What a venue allows on one contract: grids, bounds, bands, order limits, leverage brackets, fees.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::exchange::OrderShape;
use crate::id::Symbol;
use crate::number::{ArithmeticError, Factor, Notional, Price, Qty};
use crate::rounding::{is_on_lot, is_on_tick};

/// The rules of one contract, copied into a position when it opens; read again only when the venue refuses an
/// order of that position by them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Instrument {
    /// The venue's name of the contract.
    pub symbol: Symbol,
    /// The currency of profit and margin, for example `USDT`.
    pub quote: CompactString,
    /// The price grid.
    pub tick: Price,
    /// The quantity grid of limit orders.
    pub lot: Qty,
    /// The quantity grid of market orders.
    pub market_lot: Qty,
    /// The smallest quantity of any order.
    pub min_qty: Qty,
    /// The largest quantity of a limit order.
    pub max_qty: Qty,
    /// The largest quantity of a market order; larger closes are split.
    pub max_market_qty: Qty,
    /// The lowest price; zero where the venue states none.
    pub min_price: Price,
    /// The highest price; `None` where the venue states none.
    pub max_price: Option<Price>,
    /// The smallest notional of an order that opens exposure.
    pub min_notional: Notional,
    /// How far from the mark a limit price may lie.
    pub band: PriceBand,
    /// The most open orders on this contract.
    pub max_orders: Option<u32>,
    /// Leverage brackets, by notional cap ascending; empty where none are known.
    pub brackets: Vec<LeverageBracket>,
    /// The fee rate of a resting fill.
    pub maker_fee: Factor,
    /// The fee rate of a taking fill.
    pub taker_fee: Factor,
}

/// How far from the mark the price of a limit order may lie; each bound is mark x factor.
///
/// The venues known so far bind a BUY from above and a SELL from below only, so that a deep rung passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct PriceBand {
    /// A BUY may not be above mark x this.
    pub buy_max: Option<Factor>,
    /// A BUY may not be below mark x this.
    pub buy_min: Option<Factor>,
    /// A SELL may not be above mark x this.
    pub sell_max: Option<Factor>,
    /// A SELL may not be below mark x this.
    pub sell_min: Option<Factor>,
}

impl PriceBand {
    /// True where `price` is no further from `mark` than the narrowest bound of either side: a venue that binds a side
    /// it states no bound for takes it. False where no bound is stated.
    #[must_use]
    pub fn is_near(&self, price: Price, mark: Price) -> bool {
        let Ok(ratio) = Notional::of(price.decimal()).ratio_to(Notional::of(mark.decimal())) else { return false };
        let distance = |factor: Factor| {
            let off = factor.checked_sub(Factor::ONE).ok()?;
            Some(if off < Factor::ZERO { Factor::ZERO.checked_sub(off).ok()? } else { off })
        };
        let bounds = [self.buy_max, self.buy_min, self.sell_max, self.sell_min];
        let narrowest = bounds.into_iter().flatten().filter_map(distance).min();
        narrowest.zip(distance(ratio)).is_some_and(|(bound, off)| off <= bound)
    }
}

/// One step of the leverage table: positions up to `notional_cap` may use up to `max_leverage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LeverageBracket {
    /// The highest leverage in this bracket.
    pub max_leverage: u32,
    /// The bracket starts at this notional.
    pub notional_floor: Notional,
    /// The bracket ends below this notional.
    pub notional_cap: Notional,
    /// Maintenance margin as a share of notional.
    pub maintenance_ratio: Factor,
    /// The amount subtracted from notional x ratio (`cum` in a venue's table).
    pub maintenance_deduction: Notional,
}

impl Instrument {
    /// The first thing that no contract's rules can be, as the name of its field and a sentence; `None` for rules
    /// that can be worked with. Looks at nothing but contradictions: a venue may be as strict as it likes.
    #[must_use]
    pub fn contradiction(&self) -> Option<(&'static str, String)> {
        let wrong = |field, sentence: String| Some((field, sentence));
        for (field, step) in [("lot", self.lot), ("market lot", self.market_lot)] {
            if !step.is_positive() {
                return wrong(field, format!("{step} is no grid"));
            }
        }
        if !self.tick.is_positive() {
            return wrong("tick", format!("{} is no grid", self.tick));
        }
        if self.min_qty.is_negative() || self.min_price.is_negative() || self.min_notional.is_negative() {
            let (qty, price, notional) = (self.min_qty, self.min_price, self.min_notional);
            let sentence =
                format!("a smallest quantity of {qty}, price of {price}, notional of {notional}: below zero");
            return wrong("minimum", sentence);
        }
        for (field, most) in [("largest quantity", self.max_qty), ("largest market quantity", self.max_market_qty)] {
            if most < self.min_qty {
                return wrong(field, format!("{most} is below the smallest, {}", self.min_qty));
            }
        }
        if let Some(highest) = self.max_price.filter(|highest| *highest < self.min_price) {
            return wrong("highest price", format!("{highest} is below the lowest, {}", self.min_price));
        }
        self.brackets.iter().find_map(LeverageBracket::contradiction)
    }

    /// These rules as `read` says they are now. Fees stay, because a listing shows those of nobody in particular;
    /// leverage brackets stay where the listing has none.
    #[must_use]
    pub fn read_again(&self, read: &Self) -> Self {
        let brackets = if read.brackets.is_empty() { &self.brackets } else { &read.brackets };
        Self { brackets: brackets.clone(), maker_fee: self.maker_fee, taker_fee: self.taker_fee, ..read.clone() }
    }

    /// True when grids, bounds and the smallest notional take an order of this shape; `adds` for one that adds
    /// exposure. The band around the mark is not looked at: it moves without any rule changing.
    #[must_use]
    pub fn takes(&self, shape: &OrderShape, adds: bool) -> bool {
        let (lot, most) = match shape {
            OrderShape::Market { .. } => (self.market_lot, self.max_market_qty),
            _ => (self.lot, self.max_qty),
        };
        let price = shape.price().is_none_or(|price| {
            price.is_positive()
                && price >= self.min_price
                && self.max_price.is_none_or(|highest| price <= highest)
                && is_on_tick(price, self.tick)
        });
        let qty = shape
            .qty()
            .is_none_or(|qty| qty.is_positive() && qty >= self.min_qty && qty <= most && is_on_lot(qty, lot));
        let notional = match shape {
            OrderShape::Limit { price, qty } if adds => {
                price.checked_mul(*qty).is_ok_and(|notional| notional >= self.min_notional)
            }
            _ => true,
        };
        price && qty && notional
    }

    /// The bracket a position of `notional` falls in; the highest one when it exceeds them all.
    #[must_use]
    pub fn bracket_of(&self, notional: Notional) -> Option<&LeverageBracket> {
        self.brackets.iter().find(|b| notional < b.notional_cap).or_else(|| self.brackets.last())
    }

    /// The margin below which a position of `notional` is liquidated.
    pub fn maintenance_margin(&self, notional: Notional) -> Result<Notional, ArithmeticError> {
        match self.bracket_of(notional) {
            Some(b) => notional.scaled_by(b.maintenance_ratio)?.checked_sub(b.maintenance_deduction),
            None => Ok(Notional::ZERO),
        }
    }
}

impl LeverageBracket {
    /// As [`Instrument::contradiction`], for one bracket.
    #[must_use]
    pub fn contradiction(&self) -> Option<(&'static str, String)> {
        let (floor, cap, ratio) = (self.notional_floor, self.notional_cap, self.maintenance_ratio);
        if ratio.is_negative() || ratio > Factor::ONE {
            return Some(("maintenance ratio", format!("{ratio} is not between 0 and 1")));
        }
        if floor.is_negative() || cap <= floor {
            return Some(("bracket", format!("from {floor} to {cap} there is nothing")));
        }
        (self.max_leverage == 0).then(|| ("leverage", String::from("0 is none")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{TriggerBy, TriggerSize};
    use crate::sizing::fixtures::instrument;

    #[test]
    fn rules_that_contradict_themselves_are_named() {
        let sound = instrument();
        assert_eq!(sound.contradiction(), None);
        let field = |change: &dyn Fn(&mut Instrument)| {
            let mut changed = sound.clone();
            change(&mut changed);
            changed.contradiction().map(|(field, _)| field)
        };
        assert_eq!(field(&|i| i.lot = Qty::ZERO), Some("lot"));
        assert_eq!(field(&|i| i.market_lot = Qty::ZERO), Some("market lot"));
        assert_eq!(field(&|i| i.tick = Price::ZERO), Some("tick"));
        assert_eq!(field(&|i| i.min_notional = "-5".parse().unwrap()), Some("minimum"));
        assert_eq!(field(&|i| i.max_qty = Qty::ZERO), Some("largest quantity"));
        assert_eq!(field(&|i| i.max_market_qty = Qty::ZERO), Some("largest market quantity"));
        assert_eq!(field(&|i| i.max_price = Some("0.001".parse().unwrap())), Some("highest price"));
        assert_eq!(field(&|i| i.brackets[1].maintenance_ratio = "1.01".parse().unwrap()), Some("maintenance ratio"));
        assert_eq!(field(&|i| i.brackets[1].notional_cap = Notional::ZERO), Some("bracket"));
        assert_eq!(field(&|i| i.brackets[1].max_leverage = 0), Some("leverage"));
    }

    #[test]
    fn r47_rules_that_are_read_again_keep_fees_and_brackets_that_a_listing_lacks() {
        let known = instrument();
        let mut read = known.clone();
        read.tick = "0.05".parse().unwrap();
        read.brackets.clear();
        read.taker_fee = "0.9".parse().unwrap();
        let now = known.read_again(&read);
        assert_eq!((now.tick, &now.brackets, now.taker_fee), (read.tick, &known.brackets, known.taker_fee));
        assert!(!known.brackets.is_empty());
        read.brackets = known.brackets[..1].to_vec();
        assert_eq!(known.read_again(&read).brackets.len(), 1);
    }

    #[test]
    fn r47_what_rules_take_is_told_by_grid_bounds_and_notional() {
        let rules = instrument();
        let limit =
            |price: &str, qty: &str| OrderShape::Limit { price: price.parse().unwrap(), qty: qty.parse().unwrap() };
        assert!(rules.takes(&limit("137.46", "0.82"), true));
        assert!(!rules.takes(&limit("137.465", "0.82"), true), "off the tick");
        assert!(!rules.takes(&limit("137.46", "0.825"), true), "off the lot");
        assert!(!rules.takes(&limit("137.46", "0"), true), "nothing");
        assert!(!rules.takes(&limit("4.9", "1"), true), "too small to open");
        assert!(rules.takes(&limit("4.9", "1"), false), "a close may be small");
        let mut bounded = rules;
        bounded.max_price = Some("140".parse().unwrap());
        bounded.market_lot = "1".parse().unwrap();
        let stop = |price: &str| OrderShape::StopMarket {
            trigger: price.parse().unwrap(),
            by: TriggerBy::Mark,
            size: TriggerSize::ClosePosition,
        };
        assert!(bounded.takes(&stop("140"), false) && !bounded.takes(&stop("140.01"), false));
        assert!(!bounded.takes(&OrderShape::Market { qty: "0.5".parse().unwrap() }, false), "the market's own lot");
    }
}
