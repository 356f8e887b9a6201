//! Contracts as both generations list them.

use std::path::Path;
use std::str::FromStr;

use kraite_core::id::Symbol;
use kraite_core::instrument::{Instrument, PriceBand};
use kraite_core::number::{Factor, Price};
use serde_json::{Value, json};

use super::listing::{Contract, Listing, MOST_DECIMALS, UNKNOWN_PRICE, brackets};
use super::text::decimals;
use crate::emulator::StartError;

/// The most open orders of an account over all contracts. Source: a captured row of instruments.
const MOST_ORDERS: u32 = 400;

/// The built-in contracts.
pub(super) fn built_in() -> Listing {
    let rows = [
        ("BTCUSDT", "60000", 1, "0.0001"),
        ("ETHUSDT", "3000", 2, "0.01"),
        ("SOLUSDT", "150.24", 2, "0.01"),
        ("XRPUSDT", "0.52", 4, "0.1"),
        ("ADAUSDT", "0.4105", 4, "1"),
    ];
    let all = rows.into_iter().filter_map(|(symbol, opening, places, step)| {
        let mut contract = read(&row(symbol, places, step)).ok()?;
        contract.opening = opening.parse().unwrap_or_default();
        Some(contract)
    });
    all.collect()
}

/// The contracts of a saved answer to `contracts` or `instruments` that trade and are perpetual.
///
/// # Errors
///
/// The file cannot be read, is not JSON, lists no contract, or one that has no usable rules; says which and why.
pub(super) fn from_file(path: &Path) -> Result<Listing, StartError> {
    Listing::from_file(path, &built_in(), |body| {
        let rows = body["data"].as_array().ok_or("no `data` array in it")?;
        let rows = rows.iter().map(as_classic);
        let traded = rows.filter(|row| row["symbolStatus"] == "normal" && row["symbolType"] == "perpetual");
        let all: Result<Vec<Contract>, String> =
            traded.map(|row| read(&row).map_err(|reason| format!("{}: {reason}", row["symbol"]))).collect();
        match all {
            Ok(all) if all.is_empty() => Err("no perpetual contract in it trades".into()),
            other => other,
        }
    })
}

/// The fields of both generations that say the same, and how the values of two of them are told.
const SAME: &[(&str, &str)] = &[
    ("minTradeNum", "minOrderQty"),
    ("sizeMultiplier", "quantityMultiplier"),
    ("volumePlace", "quantityPrecision"),
    ("pricePlace", "pricePrecision"),
    ("minTradeUSDT", "minOrderAmount"),
    ("maxOrderQty", "maxOrderQty"),
    ("maxMarketOrderQty", "maxMarketOrderQty"),
    ("maxProductOrderNum", "maxProductOrderNum"),
    ("maxSymbolOrderNum", "maxSymbolOrderNum"),
    ("maxPositionNum", "maxPositionNum"),
    ("minLever", "minLeverage"),
    ("maxLever", "maxLeverage"),
    ("baseCoin", "baseCoin"),
    ("quoteCoin", "quoteCoin"),
    ("symbol", "symbol"),
    ("buyLimitPriceRatio", "buyLimitPriceRatio"),
    ("sellLimitPriceRatio", "sellLimitPriceRatio"),
    ("feeRateUpRatio", "feeRateUpRatio"),
    ("openCostUpRatio", "openCostUpRatio"),
    ("makerFeeRate", "makerFeeRate"),
    ("takerFeeRate", "takerFeeRate"),
    ("fundInterval", "fundInterval"),
    ("offTime", "offTime"),
    ("limitOpenTime", "limitOpenTime"),
    ("launchTime", "launchTime"),
    ("maintainTime", "maintainTime"),
    ("isRwa", "isRwa"),
];

/// A row of either generation as the classic one has it.
fn as_classic(row: &Value) -> Value {
    if row["priceMultiplier"].is_null() {
        return row.clone();
    }
    let mut fields = serde_json::Map::new();
    for (classic, unified) in SAME {
        fields.insert((*classic).to_owned(), row[*unified].clone());
    }
    // A tick that is no power of ten is so many steps of the last place.
    let tick = row["priceMultiplier"].as_str().unwrap_or_default();
    let digits: String = tick.chars().filter(char::is_ascii_digit).collect();
    let step = digits.trim_start_matches('0');
    fields.insert("priceEndStep".into(), if step.is_empty() { "1" } else { step }.into());
    fields.insert("pricePlace".into(), decimals(tick).to_string().into());
    fields.insert("symbolType".into(), row["type"].clone());
    let status = if row["status"] == "online" { "normal" } else { "off" };
    fields.insert("symbolStatus".into(), status.into());
    fields.insert("supportMarginCoins".into(), json!([row["quoteCoin"]]));
    Value::Object(fields)
}

/// A contract as the unified list shows it.
pub(super) fn as_unified(contract: &Contract) -> Value {
    let row = &contract.row;
    let mut fields = serde_json::Map::new();
    for (classic, unified) in SAME {
        fields.insert((*unified).to_owned(), row[*classic].clone());
    }
    fields.insert("category".into(), "USDT-FUTURES".into());
    fields.insert("priceMultiplier".into(), contract.instrument.tick.to_string().into());
    fields.insert("quotePrecision".into(), "".into());
    fields.insert("type".into(), "perpetual".into());
    fields.insert("symbolType".into(), "crypto".into());
    fields.insert("status".into(), "online".into());
    Value::Object(fields)
}

fn read(row: &Value) -> Result<Contract, String> {
    let symbol = row["symbol"].as_str().ok_or("no symbol")?;
    let place: u32 = field(row, "pricePlace")?;
    let end: i64 = field(row, "priceEndStep")?;
    let tick = Price::from_units(end, place).ok_or("pricePlace: too many places")?;
    let lot = field(row, "sizeMultiplier")?;
    let max_qty = optional(row, "maxOrderQty")?.unwrap_or_else(|| "1000000".parse().unwrap_or_default());
    let max_market_qty = optional(row, "maxMarketOrderQty")?.unwrap_or(max_qty);
    let band = |name: &str| -> Result<Option<Factor>, String> { optional(row, name) };
    let (up, down) = (band("buyLimitPriceRatio")?, band("sellLimitPriceRatio")?);
    let instrument = Instrument {
        symbol: Symbol::new(symbol),
        quote: row["quoteCoin"].as_str().unwrap_or("USDT").into(),
        tick,
        lot,
        market_lot: lot,
        min_qty: field(row, "minTradeNum")?,
        max_qty,
        max_market_qty,
        min_price: tick,
        max_price: None,
        min_notional: field(row, "minTradeUSDT")?,
        band: PriceBand {
            buy_max: up.and_then(|ratio| Factor::ONE.checked_add(ratio).ok()),
            sell_min: down.and_then(|ratio| Factor::ONE.checked_sub(ratio).ok()),
            ..Default::default()
        },
        max_orders: Some(MOST_ORDERS),
        brackets: brackets(),
        maker_fee: field(row, "makerFeeRate")?,
        taker_fee: field(row, "takerFeeRate")?,
    };
    if let Some((field, sentence)) = instrument.contradiction() {
        return Err(format!("{field}: {sentence}"));
    }
    let places: usize = field(row, "volumePlace")?;
    Ok(Contract {
        price_decimals: usize::try_from(place).unwrap_or(MOST_DECIMALS).min(MOST_DECIMALS),
        qty_decimals: places.max(decimals(instrument.lot)).min(MOST_DECIMALS),
        instrument,
        row: row.clone(),
        opening: UNKNOWN_PRICE.parse().unwrap_or_default(),
    })
}

fn optional<T: FromStr>(row: &Value, name: &str) -> Result<Option<T>, String> {
    match row[name].as_str() {
        None | Some("") => Ok(None),
        Some(_) => field(row, name).map(Some),
    }
}

fn field<T: FromStr>(row: &Value, name: &str) -> Result<T, String> {
    let text = match &row[name] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(format!("no {name}")),
    };
    text.parse().map_err(|_| format!("{name} `{text}` is not a number"))
}

fn row(symbol: &str, places: u32, step: &str) -> Value {
    let base = symbol.trim_end_matches("USDT");
    json!({
        "symbol": symbol, "baseCoin": base, "quoteCoin": "USDT", "buyLimitPriceRatio": "0.05",
        "sellLimitPriceRatio": "0.05", "feeRateUpRatio": "0.005", "makerFeeRate": "0.0002", "takerFeeRate": "0.0006",
        "openCostUpRatio": "0.01", "supportMarginCoins": ["USDT"], "minTradeNum": step, "priceEndStep": "1",
        "volumePlace": decimals(step).to_string(), "pricePlace": places.to_string(), "sizeMultiplier": step,
        "symbolType": "perpetual", "minTradeUSDT": "5", "maxSymbolOrderNum": "200", "maxProductOrderNum": "400",
        "maxPositionNum": "150", "symbolStatus": "normal", "offTime": "-1", "limitOpenTime": "-1", "deliveryTime": "",
        "deliveryStartTime": "", "deliveryPeriod": "", "launchTime": "", "fundInterval": "8", "minLever": "1",
        "maxLever": "125", "posLimit": "0.05", "maintainTime": "", "maxMarketOrderQty": "100000",
        "maxOrderQty": "1000000", "isRwa": "NO",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_contract_has_usable_rules_and_both_lists_say_the_same() {
        let all = built_in();
        assert_eq!(all.iter().count(), 5);
        for contract in all.iter() {
            assert!(kraite_core::rounding::is_on_tick(contract.opening, contract.instrument.tick));
            let again = read(&as_classic(&as_unified(contract))).unwrap();
            assert_eq!(again.instrument, contract.instrument);
        }
    }
}
