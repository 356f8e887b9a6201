use kraite_sim::emulator::{Emulator, Protocol, Settings};
use serde_json::{Value, json};

use crate::client::Bench;

#[tokio::test]
async fn all_six_product_types_of_contracts_are_answered_and_both_lists_agree() {
    let bench = Bench::classic().await;
    let contracts = |product: &str| format!("/api/v2/mix/market/contracts?productType={product}");
    let listed = bench.open(&contracts("usdt-futures")).await;
    assert_eq!(listed.data().as_array().unwrap().len(), 5);
    for product in ["USDC-FUTURES", "COIN-FUTURES", "SUSDT-FUTURES", "SUSDC-FUTURES", "SCOIN-FUTURES"] {
        assert_eq!(bench.open(&contracts(product)).await.data(), &json!([]), "{product}");
    }
    assert_eq!(bench.open(&contracts("SPOT-FUTURES")).await.code(), "43011");
    assert_eq!(bench.open("/api/v2/mix/market/contracts").await.code(), "40019");
    let one = bench.open("/api/v2/mix/market/contracts?productType=USDT-FUTURES&symbol=SOLUSDT").await;
    let row = one.data()[0].clone();
    assert_eq!(
        (&row["pricePlace"], &row["sizeMultiplier"], &row["minTradeUSDT"]),
        (&json!("2"), &json!("0.01"), &json!("5"))
    );
    let unified = bench.open("/api/v3/market/instruments?category=USDT-FUTURES&symbol=SOLUSDT").await;
    assert_eq!(
        (&unified.data()[0]["priceMultiplier"], &unified.data()[0]["minOrderQty"]),
        (&json!("0.01"), &json!("0.01"))
    );
}

#[tokio::test]
async fn prices_tiers_candles_and_books_are_public_in_both_apis() {
    let bench = Bench::unified().await;
    bench.price("151").await;
    let classic = "productType=USDT-FUTURES&symbol=SOLUSDT";
    let unified = "category=USDT-FUTURES&symbol=SOLUSDT";
    let ticker = bench.open(&format!("/api/v2/mix/market/ticker?{classic}")).await;
    assert_eq!((&ticker.data()[0]["lastPr"], &ticker.data()[0]["markPrice"]), (&json!("151.00"), &json!("151.00")));
    let price = bench.open(&format!("/api/v2/mix/market/symbol-price?{classic}")).await;
    assert_eq!(price.data()[0]["markPrice"], "151.00");
    let ticker = bench.open(&format!("/api/v3/market/tickers?{unified}")).await;
    assert_eq!(ticker.data()[0]["lastPrice"], "151.00");
    let tiers = bench.open(&format!("/api/v2/mix/market/query-position-lever?{classic}")).await;
    assert_eq!((&tiers.data()[0]["level"], &tiers.data()[0]["leverage"]), (&json!("1"), &json!("125")));
    let tiers = bench.open(&format!("/api/v3/market/position-tier?{unified}")).await;
    assert_eq!(tiers.data()[0]["maxTierValue"], "50000");
    for target in [
        format!("/api/v2/mix/market/candles?{classic}&granularity=1m"),
        format!("/api/v3/market/candles?{unified}&interval=1H"),
    ] {
        assert_eq!(bench.open(&target).await.data()[0].as_array().unwrap().len(), 7, "{target}");
    }
    let book = bench.open(&format!("/api/v2/mix/market/merge-depth?{classic}&limit=5")).await;
    assert_eq!(book.data()["asks"].as_array().unwrap().len(), 5);
    let book = bench.open(&format!("/api/v3/market/orderbook?{unified}&limit=5")).await;
    assert_eq!(book.data()["b"][0][0], "150.99");
    let trades = bench.open(&format!("/api/v2/mix/market/fills?{classic}")).await;
    assert_eq!(trades.data()[0]["price"], "151.00");
    bench.open(&format!("/api/v2/mix/market/current-fund-rate?{classic}")).await.data();
}

async fn from_file(name: &str, row: Value) -> Result<Bench, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, json!({ "code": "00000", "data": [row] }).to_string()).unwrap();
    let settings = Settings { protocol: Protocol::BitgetClassic, exchange_info: Some(file), ..Settings::default() };
    Emulator::start(settings).await.map(|emulator| Bench { emulator }).map_err(|error| error.to_string())
}

#[tokio::test]
async fn contracts_come_from_a_saved_answer_of_either_api_and_a_tick_need_not_be_one() {
    let classic = json!({
        "symbol": "ABCUSDT", "baseCoin": "ABC", "quoteCoin": "USDT", "buyLimitPriceRatio": "0.9",
        "sellLimitPriceRatio": "0.9", "makerFeeRate": "0.0004", "takerFeeRate": "0.0006", "minTradeNum": "0.01",
        "priceEndStep": "5", "volumePlace": "2", "pricePlace": "1", "sizeMultiplier": "0.01",
        "symbolType": "perpetual", "minTradeUSDT": "5", "symbolStatus": "normal", "maxMarketOrderQty": "",
    });
    let unified = json!({
        "symbol": "ABCUSDT", "category": "USDT-FUTURES", "baseCoin": "ABC", "quoteCoin": "USDT",
        "buyLimitPriceRatio": "0.05", "sellLimitPriceRatio": "0.05", "makerFeeRate": "0.0002",
        "takerFeeRate": "0.0006", "minOrderQty": "0.01", "maxOrderQty": "1200", "pricePrecision": "1",
        "quantityPrecision": "2", "priceMultiplier": "0.5", "quantityMultiplier": "0.01", "type": "perpetual",
        "minOrderAmount": "5", "status": "online", "maxMarketOrderQty": "220",
    });
    for row in [classic.clone(), unified] {
        let bench = from_file("rules.json", row).await.unwrap();
        let listed = bench.open("/api/v3/market/instruments?category=USDT-FUTURES").await;
        assert_eq!(
            (&listed.data()[0]["symbol"], &listed.data()[0]["priceMultiplier"]),
            (&json!("ABCUSDT"), &json!("0.5"))
        );
        let order = |price: &str| json!({ "symbol": "ABCUSDT", "side": "buy", "orderType": "limit", "price": price, "size": "1" });
        assert_eq!(bench.order(order("99.7")).await.code(), "45115");
        bench.order(order("99.5")).await.data();
    }
    let mut off = classic.clone();
    off["symbolStatus"] = "off".into();
    assert!(from_file("off.json", off).await.err().unwrap().contains("no perpetual contract in it trades"));
    let mut odd = classic;
    odd["sizeMultiplier"] = "odd".into();
    let told = from_file("odd.json", odd).await.err().unwrap();
    assert!(told.contains("odd.json") && told.contains("sizeMultiplier `odd` is not a number"), "{told}");
}
