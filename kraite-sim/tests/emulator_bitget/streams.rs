use serde_json::{Value, json};

use crate::client::{Bench, sign};

fn classic(channel: &str) -> Value {
    json!({ "instType": "USDT-FUTURES", "channel": channel, "instId": "default" })
}

fn unified(topic: &str) -> Value {
    json!({ "instType": "UTA", "topic": topic })
}

#[tokio::test]
async fn a_socket_signs_in_with_a_time_as_number_or_text_in_seconds_or_milliseconds() {
    let bench = Bench::classic().await;
    let login = |stamp: Value, sign: String, pass: &str| json!({ "op": "login", "args": [{ "apiKey": "k", "passphrase": pass, "timestamp": stamp, "sign": sign }] });
    let seconds = bench.now() / 1_000;
    let millis = bench.now();
    for path in ["/v2/ws/private", "/v3/ws/private"] {
        for stamp in [json!(seconds), json!(seconds.to_string()), json!(millis), json!(millis.to_string())] {
            let text = stamp.as_str().map_or_else(|| stamp.to_string(), str::to_owned);
            let mut socket = bench.socket(path).await;
            socket.say(&login(stamp, sign(&format!("{text}GET/user/verify")), "p").to_string()).await;
            let answer = socket.hear().await.unwrap();
            assert_eq!((&answer["event"], &answer["code"]), (&json!("login"), &json!(0)), "{answer}");
        }
    }
    let good = sign(&format!("{seconds}GET/user/verify"));
    let old = seconds - 60;
    for (frame, code) in [
        (login(json!(seconds), good.clone(), "x"), 30_012),
        (login(json!(seconds), sign("else"), "p"), 30_015),
        (login(json!("soon"), good.clone(), "p"), 30_013),
        (login(json!(old), sign(&format!("{old}GET/user/verify")), "p"), 30_014),
    ] {
        let mut socket = bench.socket("/v2/ws/private").await;
        socket.say(&frame.to_string()).await;
        let answer = socket.hear().await.unwrap();
        assert_eq!((&answer["event"], &answer["code"]), (&json!("error"), &json!(code)));
        assert_eq!(socket.hear().await, None, "a failure is the end of the socket");
    }
}

#[tokio::test]
async fn heartbeats_are_texts_and_channels_are_taken_or_refused_one_by_one() {
    let bench = Bench::classic().await;
    let mut socket = bench.socket("/v2/ws/private").await;
    socket.say("ping").await;
    assert_eq!(socket.text().await.unwrap(), "pong");
    socket.subscribe(json!([classic("orders")])).await;
    assert_eq!(socket.hear().await.unwrap()["code"], 30_004, "not signed in");
    let mut socket = bench.account_socket("/v2/ws/private").await;
    let narrow = json!({ "instType": "USDT-FUTURES", "channel": "orders", "instId": "SOLUSDT" });
    let other = json!({ "instType": "USDC-FUTURES", "channel": "orders", "instId": "default" });
    socket.subscribe(json!([classic("orders"), narrow, classic("odd"), other])).await;
    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.push(socket.hear().await.unwrap());
    }
    assert_eq!(heard[0], json!({ "event": "subscribe", "arg": classic("orders") }));
    assert_eq!((&heard[1]["event"], &heard[1]["code"]), (&json!("error"), &json!(30_001)));
    assert_eq!(heard[2]["code"], 30_001);
    assert_eq!(heard[3]["event"], "subscribe");
    socket.say("nonsense").await;
    assert_eq!(socket.hear().await.unwrap()["code"], 30_002);
    socket.say(r#"{"op":"odd"}"#).await;
    assert_eq!(socket.hear().await.unwrap()["code"], 30_003);
    socket.say(&json!({ "op": "unsubscribe", "args": [classic("orders")] }).to_string()).await;
    assert_eq!(socket.hear().await.unwrap()["event"], "unsubscribe");
}

#[tokio::test]
async fn a_life_is_told_on_the_classic_channels() {
    let bench = Bench::classic().await;
    bench.hedge().await;
    let mut socket = bench.account_socket("/v2/ws/private").await;
    let channels: Vec<Value> = ["orders", "orders-algo", "positions", "fill"].into_iter().map(classic).collect();
    socket.subscribe(Value::from(channels)).await;
    socket.subscribe(json!([{ "instType": "USDT-FUTURES", "channel": "account", "coin": "default" }])).await;
    assert_eq!(socket.push("positions").await, json!([]), "told when it is subscribed to");
    assert_eq!(socket.push("account").await[0]["marginCoin"], "USDT");
    bench
        .order(json!({ "side": "buy", "tradeSide": "open", "orderType": "market", "size": "2", "clientOid": "m" }))
        .await
        .data();
    let live = socket.push("orders").await[0].clone();
    assert_eq!((&live["status"], &live["accBaseVolume"]), (&json!("live"), &json!("0.00")));
    assert!(live["tradeId"].is_null(), "no fields of a fill without one");
    let filled = socket.push("orders").await[0].clone();
    for (field, value) in [
        ("status", "filled"),
        ("accBaseVolume", "2.00"),
        ("baseVolume", "2.00"),
        ("tradeScope", "T"),
        ("clientOid", "m"),
        ("posSide", "long"),
        ("tradeSide", "open"),
    ] {
        assert_eq!(filled[field], value, "{field}");
    }
    let fill = socket.push("fill").await[0].clone();
    assert_eq!((&fill["side"], &fill["clientOid"]), (&json!("buy"), &json!("m")));
    let position = socket.push("positions").await[0].clone();
    assert_eq!((&position["total"], &position["holdSide"]), (&json!("2.00"), &json!("long")));
    assert!(position["leverage"].is_number(), "a number here, a text in the call");
    let pair = json!({
        "holdSide": "long", "stopSurplusTriggerPrice": "160", "stopLossTriggerPrice": "140", "stopLossClientOid": "s",
    });
    bench.mix("place-pos-tpsl", pair).await.data();
    let plan = socket.push("orders-algo").await[0].clone();
    assert_eq!((&plan["planType"], &plan["status"], &plan["clientOid"]), (&json!("psl"), &json!("live"), &json!("s")));
    assert_eq!(socket.push("orders-algo").await[0]["planType"], "ptp");
    bench.price("139").await;
    let told = socket.until(|frame| frame["arg"]["channel"] == "fill").await;
    let rows = |channel: &str| -> Vec<Value> {
        told.iter().filter(|f| f["arg"]["channel"] == channel).map(|f| f["data"][0].clone()).collect()
    };
    assert_eq!(rows("orders-algo")[0]["status"], "executed");
    let child = rows("orders").pop().unwrap();
    assert_eq!((&child["clientOid"], &child["tradeSide"]), (&plan["orderId"], &json!("close")));
    assert_eq!(rows("fill")[0]["side"], "sell", "the side of the trade here");
    assert_eq!(socket.push("positions").await, json!([]), "a closed position vanishes from the list");
    assert_eq!(socket.push("orders-algo").await[0]["status"], "cancelled");
}

#[tokio::test]
async fn a_life_is_told_on_the_unified_channels() {
    let bench = Bench::unified().await;
    let mut socket = bench.account_socket("/v3/ws/private").await;
    let topics: Vec<Value> =
        ["order", "strategy-order", "position", "fill", "account"].into_iter().map(unified).collect();
    socket.subscribe(Value::from(topics)).await;
    assert_eq!(socket.push("position").await, json!([]));
    assert_eq!(socket.push("account").await[0]["coin"][0]["coin"], "USDT");
    bench
        .trade("place-order", json!({ "side": "buy", "orderType": "market", "qty": "2", "clientOid": "m" }))
        .await
        .data();
    assert_eq!(socket.push("order").await[0]["orderStatus"], "new");
    let filled = socket.push("order").await[0].clone();
    for (field, value) in [
        ("orderStatus", "filled"),
        ("cumExecQty", "2.00"),
        ("category", "usdt-futures"),
        ("holdSide", "net"),
        ("holdMode", "one_way_mode"),
    ] {
        assert_eq!(filled[field], value, "{field}");
    }
    let fill = socket.push("fill").await[0].clone();
    assert_eq!((&fill["clientOid"], &fill["execQty"]), (&json!("m"), &json!("2.00")));
    let position = socket.push("position").await[0].clone();
    assert_eq!((&position["size"], &position["positionStatus"]), (&json!("2.00"), &json!("opening")));
    let pair = json!({ "type": "tpsl", "side": "sell", "takeProfit": "160", "stopLoss": "140", "clientOid": "p" });
    bench.trade("place-strategy-order", pair).await.data();
    let strategy = socket.push("strategy-order").await[0].clone();
    assert_eq!((&strategy["status"], &strategy["clientOid"]), (&json!("pending"), &json!("p")));
    bench.price("160").await;
    let is_success =
        |frame: &Value| frame["arg"]["topic"] == "strategy-order" && frame["data"][0]["status"] == "success";
    let told = socket.until(is_success).await.pop().unwrap()["data"][0].clone();
    assert_eq!((&told["triggerType"], &told["orderId"]), (&json!("takeProfit"), &strategy["orderId"]));
    let is_end = |frame: &Value| frame["arg"]["topic"] == "position" && frame["data"][0]["positionStatus"] == "ended";
    assert_eq!(socket.until(is_end).await.pop().unwrap()["data"][0]["size"], "0");
}

#[tokio::test]
async fn an_account_of_the_other_generation_signs_in_and_hears_nothing() {
    let bench = Bench::unified().await;
    let mut socket = bench.account_socket("/v2/ws/private").await;
    socket.subscribe(json!([classic("orders"), classic("positions")])).await;
    assert_eq!(socket.hear().await.unwrap()["event"], "subscribe");
    assert_eq!(socket.hear().await.unwrap()["event"], "subscribe");
    bench.trade("place-order", json!({ "side": "buy", "orderType": "market", "qty": "1" })).await.data();
    assert_eq!(socket.hear().await, None);
}

#[tokio::test]
async fn marks_are_told_on_the_public_sockets_of_both() {
    let bench = Bench::classic().await;
    let mut old = bench.socket("/v2/ws/public").await;
    old.subscribe(json!([{ "instType": "USDT-FUTURES", "channel": "ticker", "instId": "SOLUSDT" }])).await;
    let mut new = bench.socket("/v3/ws/public").await;
    new.subscribe(json!([{ "instType": "usdt-futures", "topic": "ticker", "symbol": "SOLUSDT" }])).await;
    assert_eq!(old.push("ticker").await[0]["instId"], "SOLUSDT");
    assert_eq!(new.push("ticker").await[0]["markPrice"], "150.24");
    bench.price("151").await;
    let moved = |frame: &Value| frame["data"][0]["markPrice"] == "151.00";
    old.until(moved).await;
    new.until(moved).await;
    old.subscribe(json!([{ "instType": "USDT-FUTURES", "channel": "ticker", "instId": "NOUSDT" }])).await;
    let refused = |frame: &Value| frame["event"] == "error" && frame["code"] == 30_001;
    old.until(refused).await;
}

#[tokio::test]
async fn sockets_are_cut_silenced_and_closed_for_want_of_a_heartbeat() {
    let bench = Bench::classic().await;
    let mut socket = bench.account_socket("/v2/ws/private").await;
    socket.subscribe(json!([classic("orders")])).await;
    socket.hear().await.unwrap();
    bench.admin("POST", "/streams", r#"{"do":"silence"}"#).await;
    bench.order(json!({ "side": "buy", "orderType": "market", "size": "1" })).await.data();
    assert_eq!(socket.hear().await, None, "silent, not closed");
    bench.admin("POST", "/streams", r#"{"do":"resume"}"#).await;
    bench.order(json!({ "side": "buy", "orderType": "market", "size": "1" })).await.data();
    assert!(socket.hear().await.is_some());
    let cut = bench.admin("POST", "/streams", r#"{"do":"cut","users":true}"#).await;
    assert_eq!(cut.json["dropped"], 1);
    let mut quiet = bench.account_socket("/v2/ws/private").await;
    bench.admin("POST", "/clock", r#"{"skip_ms":121000}"#).await;
    let closed = tokio::time::timeout(std::time::Duration::from_secs(2), quiet.text()).await;
    assert_eq!(closed, Ok(None), "two minutes without a ping");
}
