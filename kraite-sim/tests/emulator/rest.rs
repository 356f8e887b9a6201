use crate::client::{Bench, sign};
use serde_json::Value;

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}

#[tokio::test]
async fn time_ping_and_exchange_info_answer_anybody() {
    let bench = Bench::new().await;
    assert_eq!(bench.open("/fapi/v1/ping").await.body, "{}");
    // A bare question mark is a query without anything in it.
    let time = bench.open("/fapi/v1/time?").await.json["serverTime"].as_i64().unwrap();
    assert!((bench.now() - time).abs() < 2_000);
    let info = bench.open("/fapi/v1/exchangeInfo").await;
    assert!(info.headers.contains("x-mbx-used-weight-1m: 3"), "{}", info.headers);
    assert_eq!(info.json["symbols"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_path_or_verb_that_is_not_there_is_told_in_the_venues_form() {
    let bench = Bench::new().await;
    let answer = bench.open("/fapi/v1/nonsense").await;
    assert_eq!((answer.status, answer.code()), (404, -5000));
    assert_eq!(text(&answer.json, "msg"), "Path /fapi/v1/nonsense, Method GET is invalid");
    assert_eq!(bench.signed("PATCH", "/fapi/v1/order", "").await.status, 404);
}

#[tokio::test]
async fn who_has_no_key_a_wrong_key_a_wrong_signature_or_a_late_stamp_is_refused() {
    let bench = Bench::new().await;
    let ask = async |key: &str, query: &str| {
        let head = format!("GET /fapi/v3/balance?{query} HTTP/1.1\r\n{key}");
        let answer = bench.raw(&head, "").await.unwrap();
        (answer.status, answer.code())
    };
    let (good, stamp) = (bench.signed_query(""), bench.now());
    assert_eq!(ask("", &good).await, (401, -2014));
    assert_eq!(ask("X-MBX-APIKEY: a b\r\n", &good).await, (401, -2014));
    assert_eq!(ask("X-MBX-APIKEY: other\r\n", &good).await, (401, -2015));
    assert_eq!(ask("X-MBX-APIKEY: k\r\n", &format!("timestamp={stamp}")).await, (400, -1102));
    assert_eq!(ask("X-MBX-APIKEY: k\r\n", &format!("timestamp={stamp}&signature=00")).await, (400, -1022));
    let late = format!("timestamp={}", stamp - 6_000);
    assert_eq!(ask("X-MBX-APIKEY: k\r\n", &format!("{late}&signature={}", sign(&late))).await, (400, -1021));
    let early = format!("timestamp={}", stamp + 60_000);
    assert_eq!(ask("X-MBX-APIKEY: k\r\n", &format!("{early}&signature={}", sign(&early))).await, (400, -1021));
    assert_eq!(ask("X-MBX-APIKEY: k\r\n", &good).await, (200, 0));
}

#[tokio::test]
async fn parameters_count_wherever_a_client_puts_them() {
    let bench = Bench::new().await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\nX-MBX-APIKEY: k\r\n";
    // All in the body.
    let body = format!("side=BUY&type=MARKET&quantity=0.01&symbol=BTCUSDT&timestamp={}", bench.now());
    let body = format!("{body}&signature={}", sign(&body));
    let placed = bench.raw(&format!("POST /fapi/v1/order HTTP/1.1\r\n{form}"), &body).await.unwrap();
    assert_eq!(placed.status, 200, "{}", placed.body);
    // Some in each; the signature covers both, with nothing in between.
    let (query, body) = ("symbol=BTCUSDT&side=BUY", format!("type=MARKET&quantity=0.01&timestamp={}", bench.now()));
    let body = format!("{body}&signature={}", sign(&format!("{query}{body}")));
    let placed = bench.raw(&format!("POST /fapi/v1/order?{query} HTTP/1.1\r\n{form}"), &body).await.unwrap();
    assert_eq!(placed.status, 200, "{}", placed.body);
    // JSON as a content type, and nothing in it.
    let query = bench.signed_query("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01");
    let head = format!("POST /fapi/v1/order?{query} HTTP/1.1\r\nContent-Type: application/json\r\nX-MBX-APIKEY: k\r\n");
    assert_eq!(bench.raw(&head, "").await.unwrap().status, 200);
    let position = bench.signed("GET", "/fapi/v3/positionRisk", "symbol=BTCUSDT").await;
    assert_eq!(text(&position.json[0], "positionAmt"), "0.030");
}

#[tokio::test]
async fn orders_under_any_legal_id_live_in_one_book() {
    let bench = Bench::new().await;
    let limit = "symbol=ETHUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.1&price=2900";
    let placed = bench.order(&format!("{limit}&newClientOrderId=x-My:Own/id.1_2-3")).await;
    assert_eq!((text(&placed.json, "status"), text(&placed.json, "clientOrderId")), ("NEW", "x-My:Own/id.1_2-3"));
    assert!(placed.json["orderId"].as_u64().unwrap() > 1 << 53, "ids of ether contracts do not fit a float");
    assert!(placed.json.get("avgPrice").is_none(), "replies carry no averages since July 2026");
    assert!(placed.headers.contains("x-mbx-order-count-10s: 1"));
    assert_eq!(bench.order(&format!("{limit}&newClientOrderId=x-My:Own/id.1_2-3")).await.code(), -4116);
    assert_eq!(bench.order(&format!("{limit}&newClientOrderId={}", "a".repeat(37))).await.code(), -4015);
    assert_eq!(bench.order(&format!("{limit}&newClientOrderId=a%20b")).await.code(), -1100);
    // Without one the venue makes one.
    let made = bench.order(limit).await;
    assert_eq!(text(&made.json, "clientOrderId").len(), 22);
    let open = bench.signed("GET", "/fapi/v1/openOrders", "symbol=ETHUSDT").await;
    assert_eq!(open.json.as_array().unwrap().len(), 2);
    bench.price("ETHUSDT", "2899").await;
    let filled = bench.signed("GET", "/fapi/v1/order", "symbol=ETHUSDT&origClientOrderId=x-My:Own/id.1_2-3").await;
    assert_eq!((text(&filled.json, "status"), text(&filled.json, "avgPrice")), ("FILLED", "2900.00000"));
    // A filled id is free again, as at the venue.
    assert_eq!(bench.order(&format!("{limit}&newClientOrderId=x-My:Own/id.1_2-3")).await.status, 200);
    let trades = bench.signed("GET", "/fapi/v1/userTrades", "symbol=ETHUSDT").await;
    assert_eq!(trades.json[0]["maker"], true);
}

#[tokio::test]
async fn every_kind_of_time_in_force_does_what_it_says() {
    let bench = Bench::new().await;
    let limit = async |tif: &str, price: &str| {
        let order = format!("symbol=SOLUSDT&side=BUY&type=LIMIT&quantity=1&timeInForce={tif}&price={price}");
        let answer = bench.order(&format!("{order}&newOrderRespType=RESULT")).await;
        (answer.code(), answer.json["status"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(limit("GTX", "150.30").await.0, -5022);
    assert_eq!(limit("GTX", "150.00").await, (0, "NEW".into()));
    assert_eq!(limit("FOK", "150.00").await.0, -5021);
    assert_eq!(limit("FOK", "150.30").await, (0, "FILLED".into()));
    assert_eq!(limit("IOC", "150.00").await, (0, "EXPIRED".into()));
    assert_eq!(limit("IOC", "150.30").await, (0, "FILLED".into()));
    assert_eq!(limit("GTC", "150.30").await, (0, "FILLED".into()));
    assert_eq!(limit("XYZ", "150.30").await.0, -1115);
}

#[tokio::test]
async fn bad_orders_are_refused_with_the_venues_own_codes() {
    let bench = Bench::new().await;
    let code = async |params: &str| bench.order(params).await.code();
    let limit = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC";
    assert_eq!(code("side=BUY&type=MARKET&quantity=1").await, -1102);
    assert_eq!(code("symbol=NOPEUSDT&side=BUY&type=MARKET&quantity=1").await, -1121);
    assert_eq!(code("symbol=BTCUSDT&side=UP&type=MARKET&quantity=1").await, -1117);
    assert_eq!(code("symbol=BTCUSDT&side=BUY&type=ODD&quantity=1").await, -1116);
    assert_eq!(code("symbol=BTCUSDT&side=BUY&type=MARKET").await, -1102);
    assert_eq!(code("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=1e-5").await, -1100);
    assert_eq!(code("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0").await, -4003);
    assert_eq!(code("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.0001").await, -1111);
    assert_eq!(code(&format!("{limit}&quantity=0.01&price=59000.123")).await, -1111);
    assert_eq!(code(&format!("{limit}&quantity=0.01&price=59000.05")).await, -4014);
    assert_eq!(code(&format!("{limit}&quantity=0.01&price=70000")).await, -4016);
    assert_eq!(code(&format!("{limit}&quantity=0.0005&price=59000")).await, -1111);
    assert_eq!(code(&format!("{limit}&quantity=0.001&price=1000")).await, -4164);
    assert_eq!(code(&format!("{limit}&quantity=2000&price=59000")).await, -2027);
    assert_eq!(code(&format!("{limit}&quantity=9&price=59000")).await, -2019);
    assert_eq!(code(&format!("{limit}&quantity=9&price=59000&positionSide=LONG")).await, -4061);
    assert_eq!(code("symbol=BTCUSDT&side=SELL&type=MARKET&quantity=1&reduceOnly=true").await, -2022);
    assert_eq!(code("symbol=BTCUSDT&side=SELL&type=STOP_MARKET&stopPrice=1&closePosition=true").await, -4120);
    let gone = bench.signed("DELETE", "/fapi/v1/order", "symbol=BTCUSDT&orderId=1").await;
    assert_eq!((gone.status, gone.code()), (400, -2011));
    assert_eq!(bench.signed("GET", "/fapi/v1/order", "symbol=BTCUSDT&origClientOrderId=x").await.code(), -2013);
    assert_eq!(bench.signed("GET", "/fapi/v1/order", "symbol=BTCUSDT").await.code(), -1102);
}

#[tokio::test]
async fn an_amendment_keeps_the_ids_and_a_cancellation_ends_the_order() {
    let bench = Bench::new().await;
    let placed = bench
        .order("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=59000&newClientOrderId=a")
        .await;
    let change = "symbol=BTCUSDT&side=BUY&quantity=0.02&price=58000&origClientOrderId=a&modifyId=7";
    let changed = bench.signed("PUT", "/fapi/v1/order", change).await;
    assert_eq!(changed.json["orderId"], placed.json["orderId"]);
    assert_eq!((text(&changed.json, "price"), text(&changed.json, "origQty")), ("58000.00", "0.020"));
    assert_eq!(changed.json["modifyId"], 7);
    assert_eq!(bench.signed("PUT", "/fapi/v1/order", change).await.code(), -5027);
    let ended = bench.signed("DELETE", "/fapi/v1/order", "symbol=BTCUSDT&origClientOrderId=a").await;
    assert_eq!(text(&ended.json, "status"), "CANCELED");
    assert_eq!(bench.signed("PUT", "/fapi/v1/order", change).await.code(), -2013);
}

#[tokio::test]
async fn a_stop_lives_in_its_own_service_and_makes_an_order_under_its_own_id() {
    let bench = Bench::new().await;
    let stop = "symbol=BTCUSDT&side=SELL&type=STOP_MARKET&closePosition=true&triggerPrice=55000&clientAlgoId=stop1";
    assert_eq!(bench.algo(stop).await.code(), -4509);
    bench.order("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01").await;
    let placed = bench.algo(stop).await;
    assert_eq!(text(&placed.json, "algoStatus"), "NEW", "{}", placed.body);
    assert_eq!(bench.algo(&stop.replace("stop1", "stop2")).await.code(), -4130);
    assert_eq!(bench.algo(stop).await.code(), -4116);
    assert_eq!(bench.algo(&stop.replace("55000", "61000").replace("stop1", "stop3")).await.code(), -2021);
    assert_eq!(bench.signed("GET", "/fapi/v1/order", "symbol=BTCUSDT&origClientOrderId=stop1").await.code(), -2013);
    assert_eq!(bench.signed("GET", "/fapi/v1/openAlgoOrders", "").await.json.as_array().unwrap().len(), 1);
    bench.price("BTCUSDT", "54000").await;
    let fired = bench.signed("GET", "/fapi/v1/algoOrder", "clientAlgoId=stop1").await;
    assert_eq!((text(&fired.json, "algoStatus"), text(&fired.json, "actualQty")), ("FINISHED", "0.010"));
    let child = bench.signed("GET", "/fapi/v1/order", "symbol=BTCUSDT&origClientOrderId=stop1").await;
    assert_eq!(child.json["orderId"].to_string(), text(&fired.json, "actualOrderId"));
    assert_eq!((text(&child.json, "type"), text(&child.json, "origType")), ("MARKET", "STOP_MARKET"));
    let ended = bench.signed("DELETE", "/fapi/v1/algoOrder", "clientAlgoId=stop1").await;
    assert_eq!(ended.code(), -2011);
    let flat = bench.signed("GET", "/fapi/v3/positionRisk", "symbol=BTCUSDT").await;
    assert_eq!(flat.body, "[]");
}

#[tokio::test]
async fn hedge_mode_has_two_sides_and_no_reduce_only_flag() {
    let bench = Bench::new().await;
    let dual = async |word: &str| {
        bench.signed("POST", "/fapi/v1/positionSide/dual", &format!("dualSidePosition={word}")).await.code()
    };
    assert_eq!((dual("false").await, dual("true").await, dual("true").await), (-4059, 200, -4059));
    assert_eq!(bench.order("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01").await.code(), -4061);
    let both = "symbol=BTCUSDT&type=MARKET&quantity=0.01";
    assert_eq!(bench.order(&format!("{both}&side=BUY&positionSide=LONG&reduceOnly=false")).await.code(), -1106);
    assert_eq!(bench.order(&format!("{both}&side=BUY&positionSide=LONG")).await.status, 200);
    assert_eq!(bench.order(&format!("{both}&side=SELL&positionSide=SHORT")).await.status, 200);
    let rows = bench.signed("GET", "/fapi/v2/positionRisk", "symbol=BTCUSDT").await;
    let amounts: Vec<&str> = rows.json.as_array().unwrap().iter().map(|row| text(row, "positionAmt")).collect();
    assert_eq!(amounts, ["0.010", "-0.010"]);
    assert_eq!(bench.order(&format!("{both}&side=BUY&positionSide=SHORT")).await.status, 200);
    assert_eq!(bench.order(&format!("{both}&side=BUY&positionSide=SHORT")).await.code(), -2022);
    assert_eq!(dual("false").await, -4068);
}

#[tokio::test]
async fn leverage_and_margin_type_answer_as_documented() {
    let bench = Bench::new().await;
    let set = bench.signed("POST", "/fapi/v1/leverage", "symbol=BTCUSDT&leverage=21").await;
    assert_eq!((set.json["leverage"].as_u64(), text(&set.json, "maxNotionalValue")), (Some(21), "12000000"));
    assert_eq!(bench.signed("POST", "/fapi/v1/leverage", "symbol=BTCUSDT&leverage=126").await.code(), -4028);
    let margin = async |word: &str| {
        bench.signed("POST", "/fapi/v1/marginType", &format!("symbol=BTCUSDT&marginType={word}")).await.code()
    };
    assert_eq!((margin("CROSSED").await, margin("ISOLATED").await), (-4046, 200));
    bench.order("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01").await;
    assert_eq!(margin("CROSSED").await, -4048);
    let lower = bench.signed("POST", "/fapi/v1/leverage", "symbol=BTCUSDT&leverage=5").await;
    assert_eq!(lower.code(), -4161);
    let config = bench.signed("GET", "/fapi/v1/symbolConfig", "symbol=BTCUSDT").await;
    assert_eq!(text(&config.json[0], "marginType"), "ISOLATED");
}

#[tokio::test]
async fn a_batch_answers_each_order_for_itself() {
    let bench = Bench::new().await;
    let orders = r#"[{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","quantity":"0.01","price":"59000","newClientOrderId":"b1"},{"symbol":"BTCUSDT","side":"SELL","type":"MARKET","quantity":"1","reduceOnly":"true"}]"#;
    let encoded: String = orders
        .bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect();
    let placed = bench.signed("POST", "/fapi/v1/batchOrders", &format!("batchOrders={encoded}")).await;
    assert_eq!(placed.status, 200);
    assert_eq!((text(&placed.json[0], "clientOrderId"), placed.json[1]["code"].as_i64()), ("b1", Some(-2022)));
    let ended = bench
        .signed("DELETE", "/fapi/v1/batchOrders", "symbol=BTCUSDT&origClientOrderIdList=%5B%22b1%22,%22b2%22%5D")
        .await;
    assert_eq!((text(&ended.json[0], "status"), ended.json[1]["code"].as_i64()), ("CANCELED", Some(-2011)));
    let all = bench.signed("DELETE", "/fapi/v1/allOpenOrders", "symbol=BTCUSDT").await;
    assert_eq!(all.json["code"], 200);
}

#[tokio::test]
async fn every_reading_route_answers() {
    let bench = Bench::new().await;
    bench.order("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01").await;
    for path in [
        "openOrders",
        "allOrders?symbol=BTCUSDT",
        "userTrades?symbol=BTCUSDT",
        "openAlgoOrders",
        "allAlgoOrders?symbol=BTCUSDT",
        "positionSide/dual",
        "multiAssetsMargin",
        "leverageBracket",
        "leverageBracket?symbol=BTCUSDT",
        "commissionRate?symbol=BTCUSDT",
        "symbolConfig",
        "accountConfig",
        "income",
        "rateLimit/order",
        "forceOrders",
    ] {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let answer = bench.signed("GET", &format!("/fapi/v1/{path}"), query).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    for path in [
        "/fapi/v2/balance",
        "/fapi/v3/balance",
        "/fapi/v2/account",
        "/fapi/v3/account",
        "/sapi/v1/account/apiRestrictions",
    ] {
        assert_eq!(bench.signed("GET", path, "").await.status, 200, "{path}");
    }
    for path in [
        "depth?symbol=BTCUSDT&limit=5",
        "trades?symbol=BTCUSDT",
        "aggTrades?symbol=BTCUSDT",
        "klines?symbol=BTCUSDT&interval=1m",
        "premiumIndex",
        "premiumIndex?symbol=BTCUSDT",
        "ticker/price",
        "ticker/bookTicker?symbol=BTCUSDT",
        "ticker/24hr",
        "fundingRate?symbol=BTCUSDT",
        "fundingInfo",
    ] {
        let answer = bench.open(&format!("/fapi/v1/{path}")).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    assert_eq!(bench.open("/fapi/v1/klines?symbol=BTCUSDT&interval=1s").await.code(), -1120);
    assert_eq!(bench.open("/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=1501").await.code(), -1130);
    let account = bench.signed("GET", "/fapi/v3/account", "").await;
    assert_eq!(text(&account.json, "totalWalletBalance"), "9999.70000000");
    assert_eq!(text(&account.json, "totalPositionInitialMargin"), "30.00000000");
}

#[tokio::test]
async fn who_asks_too_much_is_told_so_and_then_banned() {
    let bench = Bench::new().await;
    for _ in 0..59 {
        assert_eq!(bench.open("/fapi/v1/ticker/24hr").await.status, 200);
    }
    for _ in 0..2 {
        bench.open("/fapi/v1/ticker/24hr").await;
    }
    let refused = bench.open("/fapi/v1/ticker/24hr").await;
    // The minute may have turned meanwhile; then there is nothing to see.
    if refused.status == 200 {
        return;
    }
    assert_eq!((refused.status, refused.code()), (429, -1003));
    let mut status = 0;
    for _ in 0..25 {
        status = bench.open("/fapi/v1/ticker/24hr").await.status;
    }
    assert_eq!(status, 418);
}
