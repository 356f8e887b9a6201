//! Contracts as exchangeInfo lists them.

use std::path::Path;
use std::str::FromStr;

use kraite_core::id::Symbol;
use kraite_core::instrument::{Instrument, PriceBand};
use kraite_core::number::{Factor, Notional, Price};
use serde_json::{Value, json};

use super::limits;
use super::listing::{Contract, Listing, MOST_DECIMALS, UNKNOWN_PRICE, brackets};
use super::text::decimals;
use crate::emulator::StartError;

/// The fee of a resting fill. Source: the regular tier of USDT contracts.
const MAKER_FEE: &str = "0.0002";
/// The fee of a taking fill. Source: the same.
const TAKER_FEE: &str = "0.0005";

/// The built-in contracts.
pub(super) fn built_in() -> Listing {
    let rows = [
        ("BTCUSDT", "60000", "0.10", "0.001", "50"),
        ("ETHUSDT", "3000", "0.01", "0.001", "20"),
        ("SOLUSDT", "150.24", "0.01", "0.01", "5"),
        ("XRPUSDT", "0.52", "0.0001", "0.1", "5"),
        ("ADAUSDT", "0.4105", "0.00010", "1", "5"),
    ];
    let all = rows.into_iter().filter_map(|(symbol, opening, tick, lot, notional)| {
        let row = row(symbol, tick, lot, notional);
        let mut contract = read(&row).ok()?;
        contract.opening = opening.parse().unwrap_or_default();
        Some(contract)
    });
    all.collect()
}

/// The contracts of a saved `exchangeInfo` answer that trade and are perpetual.
///
/// # Errors
///
/// The file cannot be read, is not JSON, lists no contract, or one that has no usable rules; says which and why.
pub(super) fn from_file(path: &Path) -> Result<Listing, StartError> {
    Listing::from_file(path, &built_in(), |body| {
        let rows = body["symbols"].as_array().ok_or("no `symbols` array in it")?;
        let traded = rows.iter().filter(|row| row["status"] == "TRADING" && row["contractType"] == "PERPETUAL");
        let all: Result<Vec<Contract>, String> =
            traded.map(|row| read(row).map_err(|reason| format!("{}: {reason}", row["symbol"]))).collect();
        match all {
            Ok(all) if all.is_empty() => Err("no perpetual contract in it is TRADING".into()),
            other => other,
        }
    })
}

/// The answer to exchangeInfo.
pub(super) fn exchange_info(listing: &Listing, now: i64) -> Value {
    let limit = |kind: &str, interval: &str, num: u32, limit: u32| json!({ "rateLimitType": kind, "interval": interval, "intervalNum": num, "limit": limit });
    let rows: Vec<&Value> = listing.iter().map(|contract| &contract.row).collect();
    json!({
        "timezone": "UTC",
        "serverTime": now,
        "futuresType": "U_MARGINED",
        "rateLimits": [
            limit("REQUEST_WEIGHT", "MINUTE", 1, limits::WEIGHT_PER_MINUTE),
            limit("ORDERS", "MINUTE", 1, limits::ORDERS_PER_MINUTE),
            limit("ORDERS", "SECOND", 10, limits::ORDERS_PER_10S),
        ],
        "exchangeFilters": [],
        "assets": [{ "asset": "USDT", "marginAvailable": true, "autoAssetExchange": "-10000" }],
        "symbols": rows,
    })
}

fn read(row: &Value) -> Result<Contract, String> {
    let symbol = row["symbol"].as_str().ok_or("no symbol")?;
    let filter = |kind: &str| {
        let filters = row["filters"].as_array().map_or(&[][..], Vec::as_slice);
        filters.iter().find(|f| f["filterType"] == kind).ok_or_else(|| format!("no {kind} filter"))
    };
    let (prices, lots) = (filter("PRICE_FILTER")?, filter("LOT_SIZE")?);
    let market = filter("MARKET_LOT_SIZE").unwrap_or(lots);
    let min_notional = filter("MIN_NOTIONAL").ok().map_or(Ok(Notional::ZERO), |f| field(f, "notional"))?;
    let band = filter("PERCENT_PRICE").ok();
    let factor = |name: &str| band.map(|f| field::<Factor>(f, name)).transpose();
    let highest: Price = field(prices, "maxPrice")?;
    let instrument = Instrument {
        symbol: Symbol::new(symbol),
        quote: row["quoteAsset"].as_str().unwrap_or("USDT").into(),
        tick: field(prices, "tickSize")?,
        lot: field(lots, "stepSize")?,
        market_lot: field(market, "stepSize")?,
        min_qty: field(lots, "minQty")?,
        max_qty: field(lots, "maxQty")?,
        max_market_qty: field(market, "maxQty")?,
        min_price: field(prices, "minPrice")?,
        max_price: highest.is_positive().then_some(highest),
        min_notional,
        band: PriceBand { buy_max: factor("multiplierUp")?, sell_min: factor("multiplierDown")?, ..Default::default() },
        max_orders: filter("MAX_NUM_ORDERS").ok().and_then(|f| f["limit"].as_u64()).and_then(|n| n.try_into().ok()),
        brackets: brackets(),
        maker_fee: MAKER_FEE.parse().unwrap_or_default(),
        taker_fee: TAKER_FEE.parse().unwrap_or_default(),
    };
    if let Some((field, sentence)) = instrument.contradiction() {
        return Err(format!("{field}: {sentence}"));
    }
    let places = |name: &str, step: usize| {
        row[name].as_u64().and_then(|n| usize::try_from(n).ok()).map_or(step, |n| n.max(step).min(MOST_DECIMALS))
    };
    Ok(Contract {
        price_decimals: places("pricePrecision", decimals(instrument.tick)),
        qty_decimals: places("quantityPrecision", decimals(instrument.lot)),
        instrument,
        row: row.clone(),
        opening: UNKNOWN_PRICE.parse().unwrap_or_default(),
    })
}

fn field<T: FromStr>(filter: &Value, name: &str) -> Result<T, String> {
    let text = filter[name].as_str().ok_or_else(|| format!("{}: no {name}", filter["filterType"]))?;
    text.parse().map_err(|_| format!("{}: {name} `{text}` is not a number", filter["filterType"]))
}

fn row(symbol: &str, tick: &str, lot: &str, notional: &str) -> Value {
    let base = symbol.trim_end_matches("USDT");
    json!({
        "symbol": symbol, "pair": symbol, "contractType": "PERPETUAL", "deliveryDate": 4_133_404_800_000_i64,
        "onboardDate": 1_569_398_400_000_i64, "status": "TRADING", "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000", "baseAsset": base, "quoteAsset": "USDT", "marginAsset": "USDT",
        "pricePrecision": decimals(tick), "quantityPrecision": decimals(lot), "baseAssetPrecision": 8,
        "quotePrecision": 8, "underlyingType": "COIN", "underlyingSubType": ["PoW"], "triggerProtect": "0.0500",
        "liquidationFee": "0.012500", "marketTakeBound": "0.05", "maxMoveOrderLimit": 10_000, "permissionSets": ["GRID"],
        "filters": [
            { "filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000", "tickSize": tick },
            { "filterType": "LOT_SIZE", "minQty": lot, "maxQty": "1000000", "stepSize": lot },
            { "filterType": "MARKET_LOT_SIZE", "minQty": lot, "maxQty": "100000", "stepSize": lot },
            { "filterType": "MAX_NUM_ORDERS", "limit": 200 },
            { "filterType": "MIN_NOTIONAL", "notional": notional },
            { "filterType": "PERCENT_PRICE", "multiplierUp": "1.1500", "multiplierDown": "0.8500", "multiplierDecimal": "4" },
            { "filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE" },
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_contract_has_usable_rules_and_starts_on_its_grid() {
        let all = built_in();
        assert_eq!(all.iter().count(), 5);
        for contract in all.iter() {
            assert!(contract.opening.is_positive());
            assert!(kraite_core::rounding::is_on_tick(contract.opening, contract.instrument.tick));
        }
    }
}
