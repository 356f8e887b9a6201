//! Contract rules, as in "Binance USD-M, Exchange Information" (`/fapi/v1/exchangeInfo`).

use std::str::FromStr;

use kraite_core::id::Symbol;
use kraite_core::instrument::{Instrument, PriceBand};
use kraite_core::number::{Factor, Notional, Price, Qty};
use kraite_core::time::Millis;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Brackets;

/// Fee of a resting fill in the regular tier; an account's own rate comes from its commission rate.
const MAKER_FEE: (i64, u32) = (2, 4);
/// Fee of a taking fill in the regular tier.
const TAKER_FEE: (i64, u32) = (5, 4);

/// Maker and taker rate of the regular tier.
pub(crate) fn regular_fees() -> (Factor, Factor) {
    let rate = |(units, scale)| Factor::from_units(units, scale).unwrap_or_default();
    (rate(MAKER_FEE), rate(TAKER_FEE))
}

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
    /// The contract cannot be traded now.
    #[error("{symbol} is {status}, not TRADING")]
    NotTrading {
        /// Which contract.
        symbol: String,
        /// What the venue says about it.
        status: String,
    },
    /// The contract is listed in a form that cannot be read.
    #[error("{symbol} cannot be read: {reason}")]
    Unreadable {
        /// Which contract.
        symbol: String,
        /// What the parser found.
        reason: String,
    },
    /// The contract lacks a filter that every order is checked against.
    #[error("{symbol} has no {filter} filter")]
    NoFilter {
        /// Which contract.
        symbol: String,
        /// Which filter.
        filter: &'static str,
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

/// The contracts of one exchangeInfo answer; each is interpreted when it is asked for.
#[derive(Debug, Clone)]
pub struct ExchangeInfo {
    symbols: Vec<Contract>,
    rate_limits: Vec<RateLimit>,
    unreadable: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow)]
    symbols: Vec<&'a RawValue>,
    #[serde(default, borrow)]
    rate_limits: Vec<&'a RawValue>,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub enum Counted {
    /// The weight of requests from one address.
    #[serde(rename = "REQUEST_WEIGHT")]
    Weight,
    /// The orders of one account.
    #[serde(rename = "ORDERS")]
    Orders,
}

/// One limit of the venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RateLimit {
    /// What it counts.
    pub counted: Counted,
    /// Over which time.
    pub interval: Millis,
    /// How much of it.
    pub limit: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LimitRow<'a> {
    rate_limit_type: Counted,
    interval: &'a str,
    interval_num: i64,
    limit: u32,
}

impl LimitRow<'_> {
    fn limit(&self) -> Option<RateLimit> {
        let unit = match self.interval {
            "SECOND" => 1_000,
            "MINUTE" => 60_000,
            "HOUR" => 3_600_000,
            "DAY" => 86_400_000,
            _ => return None,
        };
        let interval = Millis(self.interval_num.checked_mul(unit).filter(|span| *span > 0)?);
        Some(RateLimit { counted: self.rate_limit_type, interval, limit: self.limit })
    }
}

/// What is still to be had of a row that cannot be read.
#[derive(Deserialize)]
struct Named {
    symbol: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contract {
    symbol: String,
    status: String,
    #[serde(default)]
    contract_type: Option<String>,
    quote_asset: String,
    filters: Vec<Filter>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "filterType")]
enum Filter {
    #[serde(rename = "PRICE_FILTER", rename_all = "camelCase")]
    Price { min_price: String, max_price: String, tick_size: String },
    #[serde(rename = "LOT_SIZE", rename_all = "camelCase")]
    Lot { min_qty: String, max_qty: String, step_size: String },
    #[serde(rename = "MARKET_LOT_SIZE", rename_all = "camelCase")]
    MarketLot { min_qty: String, max_qty: String, step_size: String },
    #[serde(rename = "MIN_NOTIONAL")]
    MinNotional { notional: String },
    #[serde(rename = "PERCENT_PRICE", rename_all = "camelCase")]
    PercentPrice { multiplier_up: String, multiplier_down: String },
    #[serde(rename = "MAX_NUM_ORDERS")]
    MaxOrders { limit: u32 },
    #[serde(other)]
    Other,
}

impl ExchangeInfo {
    /// Reads the body of an exchangeInfo answer.
    ///
    /// # Errors
    ///
    /// [`RulesError::NotJson`].
    pub fn read(body: &str) -> Result<Self, RulesError> {
        let body: Body<'_> = serde_json::from_str(body).map_err(RulesError::not_json("exchangeInfo"))?;
        // A contract of a new kind does not hide the others.
        let (mut symbols, mut unreadable) = (Vec::with_capacity(body.symbols.len()), Vec::new());
        for row in &body.symbols {
            match serde_json::from_str::<Contract>(row.get()) {
                Ok(contract) => symbols.push(contract),
                Err(reason) => {
                    let named = serde_json::from_str::<Named>(row.get()).map(|named| named.symbol);
                    unreadable.push((named.unwrap_or_default(), reason.to_string()));
                }
            }
        }
        let limit = |row: &&RawValue| serde_json::from_str::<LimitRow<'_>>(row.get()).ok()?.limit();
        Ok(Self { rate_limits: body.rate_limits.iter().filter_map(limit).collect(), unreadable, symbols })
    }

    /// The limits that are understood.
    #[must_use]
    pub fn rate_limits(&self) -> &[RateLimit] {
        &self.rate_limits
    }

    /// The contracts that were left out because they could not be read, each with the reason; the name is empty where
    /// not even that could be.
    #[must_use]
    pub fn unreadable(&self) -> &[(String, String)] {
        &self.unreadable
    }

    /// The rules of every perpetual contract that can be traded now and whose rules are whole, and the reason for each
    /// one that cannot be interpreted.
    #[must_use]
    pub fn instruments(&self, brackets: Option<&Brackets>) -> (Vec<Instrument>, Vec<RulesError>) {
        let perpetual = |c: &&Contract| c.status == "TRADING" && c.contract_type.as_deref() == Some("PERPETUAL");
        let (mut whole, mut broken) = (Vec::new(), Vec::new());
        for contract in self.symbols.iter().filter(perpetual) {
            match contract.interpret(brackets) {
                Ok(instrument) => whole.push(instrument),
                Err(error) => broken.push(error),
            }
        }
        (whole, broken)
    }

    /// The symbols of the contracts that can be traded now.
    pub fn trading(&self) -> impl Iterator<Item = &str> {
        self.symbols.iter().filter(|c| c.status == "TRADING").map(|c| c.symbol.as_str())
    }

    /// The rules of one contract, with its leverage brackets where they are known.
    ///
    /// # Errors
    ///
    /// [`RulesError`] when it is not listed, not trading, or one of its filters is missing or unreadable.
    pub fn instrument(&self, symbol: &str, brackets: Option<&Brackets>) -> Result<Instrument, RulesError> {
        let contract = self.symbols.iter().find(|c| c.symbol == symbol).ok_or_else(|| self.why_not_there(symbol))?;
        if contract.status != "TRADING" {
            return Err(RulesError::NotTrading { symbol: symbol.to_owned(), status: contract.status.clone() });
        }
        contract.interpret(brackets)
    }

    fn why_not_there(&self, symbol: &str) -> RulesError {
        let symbol = symbol.to_owned();
        match self.unreadable.iter().find(|(named, _)| *named == symbol) {
            Some((_, reason)) => RulesError::Unreadable { symbol, reason: reason.clone() },
            None => RulesError::Unknown { symbol, listed: self.symbols.len() },
        }
    }
}

impl Contract {
    fn field<T: FromStr>(&self, field: &'static str, text: &str) -> Result<T, RulesError>
    where
        T::Err: ToString,
    {
        text.parse().map_err(|error: T::Err| RulesError::Field {
            symbol: self.symbol.clone(),
            field,
            reason: error.to_string(),
        })
    }

    fn pick<'a, T>(&'a self, filter: &'static str, of: impl Fn(&'a Filter) -> Option<T>) -> Result<T, RulesError> {
        self.filters.iter().find_map(of).ok_or_else(|| RulesError::NoFilter { symbol: self.symbol.clone(), filter })
    }

    fn interpret(&self, brackets: Option<&Brackets>) -> Result<Instrument, RulesError> {
        let symbol = Symbol::new(&self.symbol);
        let (min_price, max_price, tick) = self.pick("PRICE_FILTER", |f| match f {
            Filter::Price { min_price, max_price, tick_size } => Some((min_price, max_price, tick_size)),
            _ => None,
        })?;
        let (min_qty, max_qty, lot) = self.pick("LOT_SIZE", |f| match f {
            Filter::Lot { min_qty, max_qty, step_size } => Some((min_qty, max_qty, step_size)),
            _ => None,
        })?;
        let (market_min, market_max, market_lot) = self.pick("MARKET_LOT_SIZE", |f| match f {
            Filter::MarketLot { min_qty, max_qty, step_size } => Some((min_qty, max_qty, step_size)),
            _ => None,
        })?;
        let notional = self.pick("MIN_NOTIONAL", |f| match f {
            Filter::MinNotional { notional } => Some(notional),
            _ => None,
        })?;
        let band = self.filters.iter().find_map(|f| match f {
            Filter::PercentPrice { multiplier_up, multiplier_down } => Some((multiplier_up, multiplier_down)),
            _ => None,
        });
        let max_orders = self.filters.iter().find_map(|f| match f {
            Filter::MaxOrders { limit } => Some(*limit),
            _ => None,
        });
        let tick: Price = self.field("PRICE_FILTER tickSize", tick)?;
        // A bound of zero means that the venue checks none ("0 disables a part").
        let max_price: Price = self.field("PRICE_FILTER maxPrice", max_price)?;
        let limit_min: Qty = self.field("LOT_SIZE minQty", min_qty)?;
        let market_min: Qty = self.field("MARKET_LOT_SIZE minQty", market_min)?;
        let band = match band {
            Some((up, down)) => PriceBand {
                buy_max: Some(self.field("PERCENT_PRICE multiplierUp", up)?),
                sell_min: Some(self.field("PERCENT_PRICE multiplierDown", down)?),
                ..PriceBand::default()
            },
            None => PriceBand::default(),
        };
        let (maker_fee, taker_fee) = regular_fees();
        let instrument = Instrument {
            brackets: brackets.and_then(|all| all.get(&symbol)).cloned().unwrap_or_default(),
            symbol,
            quote: self.quote_asset.as_str().into(),
            tick,
            lot: self.field("LOT_SIZE stepSize", lot)?,
            market_lot: self.field("MARKET_LOT_SIZE stepSize", market_lot)?,
            min_qty: limit_min.max(market_min),
            max_qty: self.field("LOT_SIZE maxQty", max_qty)?,
            max_market_qty: self.field("MARKET_LOT_SIZE maxQty", market_max)?,
            min_price: self.field("PRICE_FILTER minPrice", min_price)?,
            max_price: max_price.is_positive().then_some(max_price),
            min_notional: self.field::<Notional>("MIN_NOTIONAL notional", notional)?,
            band,
            max_orders,
            maker_fee,
            taker_fee,
        };
        match instrument.contradiction() {
            Some((field, reason)) => Err(RulesError::Field { symbol: self.symbol.clone(), field, reason }),
            None => Ok(instrument),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"symbols":[{"symbol":"BTCUSDT","status":"TRADING","quoteAsset":"USDT","filters":[
        {"filterType":"PRICE_FILTER","tickSize":"0.10","maxPrice":"4529764","minPrice":"556.80"},
        {"stepSize":"0.001","filterType":"LOT_SIZE","maxQty":"1000","minQty":"0.001"},
        {"stepSize":"0.001","filterType":"MARKET_LOT_SIZE","maxQty":"120","minQty":"0.001"},
        {"limit":200,"filterType":"MAX_NUM_ORDERS"},{"limit":10,"filterType":"MAX_NUM_ALGO_ORDERS"},
        {"notional":"100","filterType":"MIN_NOTIONAL"},
        {"filterType":"PERCENT_PRICE","multiplierUp":"1.0500","multiplierDecimal":"4","multiplierDown":"0.9500"}]},
        {"symbol":"GONEUSDT","status":"SETTLING","quoteAsset":"USDT","filters":[]},
        {"symbol":"ODDUSDT","status":"TRADING","quoteAsset":"USDT","filters":[]}]}"#;

    #[test]
    fn r23_rules_are_the_filters_not_the_precisions() {
        let info = ExchangeInfo::read(BODY).unwrap();
        let btc = info.instrument("BTCUSDT", None).unwrap();
        assert_eq!(btc.tick.to_string(), "0.1");
        assert_eq!((btc.lot.to_string(), btc.max_market_qty.to_string()), ("0.001".into(), "120".into()));
        assert_eq!(btc.min_notional.to_string(), "100");
        assert_eq!(btc.band.buy_max.unwrap().to_string(), "1.05");
        assert_eq!(btc.band.buy_min, None, "a deep BUY rung passes");
        assert_eq!(btc.max_orders, Some(200));
    }

    #[test]
    fn what_cannot_be_traded_is_named() {
        let info = ExchangeInfo::read(BODY).unwrap();
        let error = |symbol| info.instrument(symbol, None).unwrap_err().to_string();
        assert_eq!(error("NOPEUSDT"), "NOPEUSDT is not among the 3 contracts listed");
        assert_eq!(error("GONEUSDT"), "GONEUSDT is SETTLING, not TRADING");
        assert_eq!(error("ODDUSDT"), "ODDUSDT has no PRICE_FILTER filter");
        assert_eq!(info.trading().count(), 2);
        for (sound, wrong, words) in [
            (
                "\"stepSize\":\"0.001\",\"filterType\":\"LOT_SIZE\"",
                "\"stepSize\":\"0\",\"filterType\":\"LOT_SIZE\"",
                "lot: 0",
            ),
            ("\"tickSize\":\"0.10\"", "\"tickSize\":\"0\"", "tick: 0"),
            ("\"notional\":\"100\"", "\"notional\":\"-100\"", "minimum"),
            ("\"maxQty\":\"120\"", "\"maxQty\":\"0.0001\"", "largest market quantity"),
            ("\"maxPrice\":\"4529764\"", "\"maxPrice\":\"1\"", "highest price"),
        ] {
            let body = BODY.replacen(sound, wrong, 1);
            let told = ExchangeInfo::read(&body).unwrap().instrument("BTCUSDT", None).unwrap_err().to_string();
            assert!(told.starts_with("BTCUSDT: ") && told.contains(words), "{told}");
        }
        assert!(ExchangeInfo::read("<html>").unwrap_err().to_string().starts_with("this is no exchangeInfo answer"));
    }

    #[test]
    fn r115_limits_and_perpetuals_are_read_and_odd_rows_hide_nothing() {
        let body = r#"{"rateLimits":[{"interval":"MINUTE","intervalNum":1,"limit":2400,"rateLimitType":"REQUEST_WEIGHT"},
            {"interval":"SECOND","intervalNum":10,"limit":300,"rateLimitType":"ORDERS"},
            {"interval":"EON","intervalNum":1,"limit":1,"rateLimitType":"ORDERS"},{"rateLimitType":"RAW_REQUESTS"}],
            "symbols":[{"symbol":"AUSDT","contractType":"PERPETUAL","status":"TRADING","quoteAsset":"USDT","filters":[]},
            {"symbol":"BUSDT","contractType":"TRADIFI_PERPETUAL","status":"TRADING","quoteAsset":"USDT","filters":[]},
            {"symbol":7},{"symbol":"CUSDT","status":"TRADING","filters":[]}]}"#;
        let info = ExchangeInfo::read(body).unwrap();
        let of = |counted, interval, limit| RateLimit { counted, interval: Millis(interval), limit };
        assert_eq!(info.rate_limits(), [of(Counted::Weight, 60_000, 2_400), of(Counted::Orders, 10_000, 300)]);
        assert_eq!(info.unreadable().len(), 2);
        let error = info.instrument("CUSDT", None).unwrap_err().to_string();
        assert!(error.starts_with("CUSDT cannot be read: missing field `quoteAsset`"), "{error}");
        let (whole, broken) = info.instruments(None);
        assert_eq!((whole.len(), broken.len()), (0, 1));
        assert_eq!(broken[0].to_string(), "AUSDT has no PRICE_FILTER filter");
    }
}
