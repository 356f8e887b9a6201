use kraite_core::exchange::{Direction, Purpose};
use kraite_core::id::{AccountTag, Symbol};
use serde_json::Value;

use crate::client::Bench;

fn is_order(value: &Value, execution: &str) -> bool {
    value["e"] == "ORDER_TRADE_UPDATE" && value["o"]["x"] == execution
}

/// What kind of frame it is, and its state.
fn kind(value: &Value) -> String {
    let inner = &value["o"];
    match value["e"].as_str().unwrap_or_default() {
        "ORDER_TRADE_UPDATE" => format!("order {}", inner["x"].as_str().unwrap()),
        "ALGO_UPDATE" => format!("algo {}", inner["X"].as_str().unwrap()),
        other => other.to_owned(),
    }
}

#[tokio::test]
async fn every_form_of_the_user_stream_tells_the_same() {
    let bench = Bench::new().await;
    let key = bench.listen_key().await;
    assert_eq!(bench.listen_key().await, key, "the same key while it is good");
    let mut raw = vec![
        bench.socket(&format!("/private/ws?listenKey={key}")).await,
        bench.socket(&format!("/private/ws/{key}")).await,
        bench.socket(&format!("/ws/{key}")).await,
        bench.socket("/ws").await,
    ];
    let mut wrapped = vec![
        bench.socket(&format!("/private/stream?listenKey={key}")).await,
        bench.socket(&format!("/private/stream?streams={key}")).await,
        bench.socket("/private/stream").await,
        bench.socket(&format!("/stream?streams={key}")).await,
    ];
    for socket in [raw.last_mut().unwrap(), &mut wrapped[2]] {
        socket.say(&format!(r#"{{"method":"SUBSCRIBE","params":["{key}"],"id":1}}"#)).await;
        assert_eq!(socket.hear().await.unwrap()["id"], 1);
    }
    bench.order("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01&newClientOrderId=first").await;
    for socket in &mut raw {
        let frames = socket.until(|v| v["e"] == "ACCOUNT_UPDATE").await;
        let kinds: Vec<String> = frames.iter().map(kind).collect();
        assert_eq!(kinds, ["order NEW", "TRADE_LITE", "order TRADE", "ACCOUNT_UPDATE"]);
        let fill = &frames[2]["o"];
        assert_eq!(
            (&fill["c"], &fill["X"], &fill["z"], &fill["n"]),
            (&"first".into(), &"FILLED".into(), &"0.010".into(), &"0.30000000".into())
        );
        assert_eq!(frames[3]["a"]["P"][0]["pa"], "0.010");
    }
    for socket in &mut wrapped {
        let frames = socket.until(|v| v["data"]["e"] == "ACCOUNT_UPDATE").await;
        assert_eq!(frames[0]["stream"], key.as_str());
    }
}

#[tokio::test]
async fn a_stop_that_fires_is_told_in_the_order_of_the_venue() {
    let bench = Bench::new().await;
    let key = bench.listen_key().await;
    bench.order("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01").await;
    let mut socket = bench.socket(&format!("/private/ws?listenKey={key}")).await;
    bench.algo("symbol=BTCUSDT&side=SELL&type=STOP_MARKET&closePosition=true&triggerPrice=55000&clientAlgoId=st").await;
    bench.price("BTCUSDT", "54000").await;
    let frames = socket.until(|v| v["o"]["X"] == "FINISHED").await;
    let kinds: Vec<String> = frames.iter().map(kind).collect();
    let wanted = [
        "algo NEW",
        "algo TRIGGERING",
        "order NEW",
        "TRADE_LITE",
        "order TRADE",
        "ACCOUNT_UPDATE",
        "algo TRIGGERED",
        "algo FINISHED",
    ];
    assert_eq!(kinds, wanted);
    let (fill, finished) = (&frames[4]["o"], &frames[7]["o"]);
    assert_eq!((&fill["c"], &fill["ot"]), (&"st".into(), &"STOP_MARKET".into()));
    assert_eq!(finished["ai"].as_str().unwrap(), fill["i"].to_string());
    assert_eq!((&finished["aq"], &frames[1]["o"]["ai"]), (&"0.010".into(), &"".into()));
}

#[tokio::test]
async fn amendments_cancellations_and_expiries_are_told() {
    let bench = Bench::new().await;
    let key = bench.listen_key().await;
    let mut socket = bench.socket(&format!("/private/ws?listenKey={key}&events=ORDER_TRADE_UPDATE")).await;
    bench
        .order("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=59000&newClientOrderId=a")
        .await;
    bench
        .signed(
            "PUT",
            "/fapi/v1/order",
            "symbol=BTCUSDT&side=BUY&quantity=0.02&price=58000&origClientOrderId=a&modifyId=5",
        )
        .await;
    bench.signed("DELETE", "/fapi/v1/order", "symbol=BTCUSDT&origClientOrderId=a").await;
    bench.order("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=IOC&quantity=0.01&price=59000").await;
    let frames = socket.until(|v| is_order(v, "EXPIRED")).await;
    let kinds: Vec<String> = frames.iter().map(kind).collect();
    assert_eq!(kinds, ["order NEW", "order AMENDMENT", "order CANCELED", "order NEW", "order EXPIRED"]);
    assert_eq!((&frames[1]["o"]["M"], &frames[1]["o"]["q"]), (&"5".into(), &"0.020".into()));
    assert_eq!(frames[4]["o"]["er"], "2");
}

#[tokio::test]
async fn market_streams_speak_on_their_own_route_and_can_be_changed_live() {
    let bench = Bench::new().await;
    let mut trades = bench.socket("/market/ws/btcusdt@aggTrade").await;
    let mut book = bench.socket("/public/stream?streams=btcusdt@bookTicker").await;
    let mut single = bench.socket("/public/ws/btcusdt@trade").await;
    let mut wrong = bench.socket("/public/ws/btcusdt@aggTrade").await;
    let mut live = bench.socket("/market/stream").await;
    live.say(r#"{"method":"SUBSCRIBE","params":["btcusdt@markPrice@1s","btcusdt@kline_1m","btcusdt_perpetual@continuousKline_1m"],"id":3}"#).await;
    assert_eq!(live.hear().await.unwrap()["result"], Value::Null);
    live.say(r#"{"method":"LIST_SUBSCRIPTIONS","id":4}"#).await;
    let listed = live.until(|v| v["id"] == 4).await;
    assert_eq!(listed.last().unwrap()["result"].as_array().unwrap().len(), 3);
    live.say(r#"{"method":"NONSENSE","id":5}"#).await;
    assert_eq!(live.until(|v| v["id"] == 5).await.last().unwrap()["error"]["code"], 2);
    bench.price("BTCUSDT", "60100").await;
    assert_eq!(trades.hear().await.unwrap()["p"], "60100.00");
    let tickers = book.until(|v| v["data"]["b"] == "60099.90").await;
    assert_eq!(tickers.last().unwrap()["data"]["a"], "60100.10");
    let mark = live.until(|v| v["data"]["e"] == "markPriceUpdate").await;
    assert_eq!(mark.last().unwrap()["stream"], "btcusdt@markPrice@1s");
    live.until(|v| v["data"]["e"] == "kline" && v["data"]["k"]["c"] == "60100.00").await;
    live.until(|v| v["data"]["e"] == "continuous_kline" && v["data"]["ct"] == "PERPETUAL").await;
    bench.price("BTCUSDT", "60200").await;
    single.until(|v| v["e"] == "trade" && v["p"] == "60200.00").await;
    assert!(wrong.hear().await.is_none(), "a stream on the wrong route stays silent");
}

#[tokio::test]
async fn an_expired_listen_key_is_told_once_and_then_the_stream_is_silent() {
    let bench = Bench::new().await;
    let key = bench.listen_key().await;
    let mut socket = bench.socket(&format!("/private/ws?listenKey={key}")).await;
    bench.admin("POST", "/listen-key/expire", "").await;
    assert_eq!(socket.hear().await.unwrap()["listenKey"], key.as_str());
    let gone = bench.raw("PUT /fapi/v1/listenKey HTTP/1.1\r\nX-MBX-APIKEY: k\r\n", "").await.unwrap();
    assert_eq!(gone.code(), -1125);
    assert_ne!(bench.listen_key().await, key);
    bench.order("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01").await;
    assert!(socket.hear().await.is_none());
}

/// No message has to be exchanged first, nor a moment waited.
#[tokio::test]
async fn a_socket_that_has_opened_misses_nothing_from_then_on() {
    let bench = Bench::new().await;
    let key = bench.listen_key().await;
    for _ in 0..20 {
        let mut socket = bench.socket(&format!("/private/ws?listenKey={key}")).await;
        bench.emulator.with_venue(|venue| {
            let (account, now) = (AccountTag::new(1).unwrap(), venue.now());
            let (symbol, qty) = (Symbol::new("SOLUSDT"), "1".parse().unwrap());
            venue.user_market(account, &symbol, Direction::Long, Purpose::Open, qty, now).unwrap();
        });
        socket.until(|value| is_order(value, "TRADE")).await;
    }
}
