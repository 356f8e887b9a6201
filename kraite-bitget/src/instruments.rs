//! Contract rules, as in "Bitget, Get Contract Config" (`/api/v2/mix/market/contracts`).

use std::str::FromStr;

use kraite_core::id::Symbol;
use kraite_core::instrument::{Instrument, LeverageBracket, PriceBand};
use kraite_core::number::{Factor, Notional, Price, Qty};
use serde::Deserialize;

use crate::Brackets;

/// The most decimal places a price may have; more is no price.
const MAX_PLACES: u32 = 18;

/// The venue's rules cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// The body is not the JSON of this answer.
    #[error("this is no {what} answer: {reason}")]
    NotJson {
        /// Which answer was expected.
        what: &'static str,
        /// What the parser found.
        reason: serde_json::Error,
    },
    /// The contract is not in the list.
    #[error("{symbol} is not among the {listed} contracts listed")]
    Unknown {
        /// Which contract.
        symbol: String,
        /// How many there are.
        listed: usize,
    },
    /// The contract cannot be opened now.
    #[error("{symbol} is {status}, not normal")]
    NotTrading {
        /// Which contract.
        symbol: String,
        /// What the venue says about it.
        status: String,
    },
    /// A field is not what it should be.
    #[error("{symbol}: {field}: {reason}")]
    Field {
        /// Which contract.
        symbol: String,
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl RulesError {
    pub(crate) fn not_json(what: &'static str) -> impl FnOnce(serde_json::Error) -> Self {
        move |reason| Self::NotJson { what, reason }
    }
}

/// The contracts of one answer; each is interpreted when it is asked for.
#[derive(Debug, Clone, Deserialize)]
pub struct Contracts {
    data: Vec<Contract>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contract {
    symbol: String,
    symbol_status: String,
    quote_coin: String,
    price_place: String,
    price_end_step: String,
    size_multiplier: String,
    min_trade_num: String,
    #[serde(rename = "minTradeUSDT")]
    min_trade_usdt: String,
    // Empty or absent where the venue states no limit.
    #[serde(default)]
    max_order_qty: String,
    #[serde(default)]
    max_market_order_qty: String,
    #[serde(default)]
    max_symbol_order_num: String,
    buy_limit_price_ratio: String,
    sell_limit_price_ratio: String,
    maker_fee_rate: String,
    taker_fee_rate: String,
    max_lever: String,
}

impl Contracts {
    /// Reads the body of a contracts answer.
    ///
    /// # Errors
    ///
    /// [`RulesError::NotJson`].
    pub fn read(body: &str) -> Result<Self, RulesError> {
        serde_json::from_str(body).map_err(RulesError::not_json("contracts"))
    }

    /// The symbols of the contracts that can be opened now.
    pub fn trading(&self) -> impl Iterator<Item = &str> {
        self.data.iter().filter(|c| c.symbol_status == "normal").map(|c| c.symbol.as_str())
    }

    /// The rules of one contract, with its leverage brackets where they are known; without them one
    /// bracket holds the contract's highest leverage.
    ///
    /// # Errors
    ///
    /// [`RulesError`] when it is not listed, not open for trading, or a field is unreadable.
    pub fn instrument(&self, symbol: &str, brackets: Option<&Brackets>) -> Result<Instrument, RulesError> {
        let contract = self
            .data
            .iter()
            .find(|c| c.symbol == symbol)
            .ok_or_else(|| RulesError::Unknown { symbol: symbol.to_owned(), listed: self.data.len() })?;
        if contract.symbol_status != "normal" {
            return Err(RulesError::NotTrading { symbol: symbol.to_owned(), status: contract.symbol_status.clone() });
        }
        contract.interpret(brackets)
    }
}

impl Contract {
    fn wrong(&self, field: &'static str, reason: impl ToString) -> RulesError {
        RulesError::Field { symbol: self.symbol.clone(), field, reason: reason.to_string() }
    }

    fn field<T: FromStr>(&self, field: &'static str, text: &str) -> Result<T, RulesError>
    where
        T::Err: ToString,
    {
        text.parse().map_err(|error: T::Err| self.wrong(field, error.to_string()))
    }

    /// A limit that the venue may leave out.
    fn limit<T: FromStr>(&self, field: &'static str, text: &str) -> Result<Option<T>, RulesError>
    where
        T::Err: ToString,
    {
        if text.is_empty() { Ok(None) } else { self.field(field, text).map(Some) }
    }

    /// `priceEndStep` x 10^-`pricePlace`.
    fn tick(&self) -> Result<Price, RulesError> {
        let places: u32 = self.field("pricePlace", &self.price_place)?;
        let step: i64 = self.field("priceEndStep", &self.price_end_step)?;
        if places > MAX_PLACES || step <= 0 {
            return Err(self.wrong("pricePlace", format!("{step} x 10^-{places} is no grid")));
        }
        Price::from_units(step, places).ok_or_else(|| self.wrong("pricePlace", "the tick cannot be held"))
    }

    fn interpret(&self, brackets: Option<&Brackets>) -> Result<Instrument, RulesError> {
        let symbol = Symbol::new(&self.symbol);
        let up: Factor = self.field("buyLimitPriceRatio", &self.buy_limit_price_ratio)?;
        let down: Factor = self.field("sellLimitPriceRatio", &self.sell_limit_price_ratio)?;
        let band = PriceBand {
            buy_max: Factor::ONE.checked_add(up).ok(),
            sell_min: Factor::ONE.checked_sub(down).ok(),
            ..PriceBand::default()
        };
        let lot: Qty = self.field("sizeMultiplier", &self.size_multiplier)?;
        let unlimited = Qty::from_units(i64::MAX, 0).unwrap_or_default();
        let max_leverage: u32 = self.field("maxLever", &self.max_lever)?;
        let brackets = match brackets.and_then(|all| all.get(&symbol)) {
            Some(rows) => rows.clone(),
            None => vec![LeverageBracket {
                max_leverage,
                notional_floor: Notional::ZERO,
                notional_cap: Notional::from_units(i64::MAX, 0).unwrap_or_default(),
                maintenance_ratio: Factor::ZERO,
                maintenance_deduction: Notional::ZERO,
            }],
        };
        let instrument = Instrument {
            symbol,
            quote: self.quote_coin.as_str().into(),
            tick: self.tick()?,
            lot,
            market_lot: lot,
            min_qty: self.field("minTradeNum", &self.min_trade_num)?,
            max_qty: self.limit("maxOrderQty", &self.max_order_qty)?.unwrap_or(unlimited),
            max_market_qty: self.limit("maxMarketOrderQty", &self.max_market_order_qty)?.unwrap_or(unlimited),
            min_price: Price::ZERO,
            max_price: None,
            min_notional: self.field("minTradeUSDT", &self.min_trade_usdt)?,
            band,
            max_orders: self.limit("maxSymbolOrderNum", &self.max_symbol_order_num)?,
            brackets,
            maker_fee: self.field("makerFeeRate", &self.maker_fee_rate)?,
            taker_fee: self.field("takerFeeRate", &self.taker_fee_rate)?,
        };
        match instrument.contradiction() {
            Some((field, reason)) => Err(self.wrong(field, reason)),
            None => Ok(instrument),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(change: (&str, &str)) -> String {
        r#"{"data":[{"symbol":"BTCUSDT","quoteCoin":"USDT","buyLimitPriceRatio":"0.05","sellLimitPriceRatio":"0.05",
        "makerFeeRate":"0.0002","takerFeeRate":"0.0006","minTradeNum":"0.0001","priceEndStep":"5","volumePlace":"4",
        "pricePlace":"1","sizeMultiplier":"0.0001","minTradeUSDT":"5","maxSymbolOrderNum":"200","symbolStatus":"normal",
        "maxLever":"125","maxMarketOrderQty":"220","maxOrderQty":"1200"}]}"#
            .replace(change.0, change.1)
    }

    #[test]
    fn r23_the_tick_is_end_step_times_place() {
        let btc = Contracts::read(&body(("", ""))).unwrap().instrument("BTCUSDT", None).unwrap();
        assert_eq!(btc.tick.to_string(), "0.5");
        assert_eq!(btc.lot.to_string(), "0.0001");
        assert_eq!(btc.band.buy_max.unwrap().to_string(), "1.05");
        assert_eq!(btc.band.sell_min.unwrap().to_string(), "0.95");
        assert_eq!(btc.brackets[0].max_leverage, 125);
    }

    #[test]
    fn what_cannot_be_traded_is_named() {
        let error =
            |change| Contracts::read(&body(change)).unwrap().instrument("BTCUSDT", None).unwrap_err().to_string();
        assert_eq!(error(("\"BTCUSDT\"", "\"XUSDT\"")), "BTCUSDT is not among the 1 contracts listed");
        assert_eq!(error(("normal", "maintain")), "BTCUSDT is maintain, not normal");
        assert!(error(("\"pricePlace\":\"1\"", "\"pricePlace\":\"99\"")).contains("pricePlace"));
        assert_eq!(error(("\"sizeMultiplier\":\"0.0001\"", "\"sizeMultiplier\":\"0\"")), "BTCUSDT: lot: 0 is no grid");
        assert!(error(("\"minTradeUSDT\":\"5\"", "\"minTradeUSDT\":\"-5\"")).starts_with("BTCUSDT: minimum"));
        assert!(error(("\"1200\"", "\"0.00001\"")).starts_with("BTCUSDT: largest quantity"));
        let open = Contracts::read(&body(("\"1200\"", "\"\""))).unwrap().instrument("BTCUSDT", None).unwrap();
        assert!(open.max_qty > "1000000000".parse().unwrap(), "no limit is stated");
        assert!(error(("1200", "lots")).starts_with("BTCUSDT: maxOrderQty"));
    }
}
