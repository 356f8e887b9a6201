use serde_json::{Value, json};

use crate::client::{Bench, Socket, sign};

async fn ask(bench: &Bench, socket: &mut Socket, method: &str, mut params: Value) -> Value {
    let fields = params.as_object_mut().unwrap();
    fields.insert("apiKey".into(), "k".into());
    fields.insert("timestamp".into(), bench.now().into());
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    // JSON objects are sorted by name here.
    let joined: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", text(value))).collect();
    fields.insert("signature".into(), sign(&joined.join("&")).into());
    socket.say(&json!({ "id": "7", "method": method, "params": params }).to_string()).await;
    socket.hear().await.unwrap()
}

#[tokio::test]
async fn orders_are_placed_changed_asked_for_and_cancelled_over_the_websocket_api() {
    let bench = Bench::new().await;
    let mut socket = bench.socket("/ws-fapi/v1").await;
    let order = json!({ "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "59000", "newClientOrderId": "w1" });
    let placed = ask(&bench, &mut socket, "order.place", order).await;
    assert_eq!(
        (&placed["id"], &placed["status"], &placed["result"]["status"]),
        (&"7".into(), &200.into(), &"NEW".into()),
        "{placed}"
    );
    assert_eq!(placed["rateLimits"][1]["count"], 1);
    let change =
        json!({ "symbol": "BTCUSDT", "side": "BUY", "quantity": "0.02", "price": "58000", "origClientOrderId": "w1" });
    assert_eq!(ask(&bench, &mut socket, "order.modify", change).await["result"]["origQty"], "0.020");
    let named = json!({ "symbol": "BTCUSDT", "origClientOrderId": "w1" });
    assert_eq!(ask(&bench, &mut socket, "order.status", named.clone()).await["result"]["price"], "58000.00");
    assert_eq!(ask(&bench, &mut socket, "order.cancel", named.clone()).await["result"]["status"], "CANCELED");
    let gone = ask(&bench, &mut socket, "order.cancel", named).await;
    assert_eq!((&gone["status"], &gone["error"]["code"]), (&400.into(), &(-2011).into()));
    let stop = json!({ "algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "BUY", "type": "STOP_MARKET", "triggerPrice": "65000", "quantity": "0.01", "clientAlgoId": "ws1" });
    assert_eq!(ask(&bench, &mut socket, "algoOrder.place", stop).await["result"]["algoStatus"], "NEW");
    assert_eq!(
        ask(&bench, &mut socket, "algoOrder.cancel", json!({ "clientAlgoId": "ws1" })).await["result"]["code"],
        "200"
    );
    let started = ask(&bench, &mut socket, "userDataStream.start", json!({})).await;
    assert_eq!(started["result"]["listenKey"].as_str().unwrap(), bench.listen_key().await);
}

#[tokio::test]
async fn a_session_that_is_logged_on_needs_no_signature_and_a_stranger_is_refused() {
    let bench = Bench::new().await;
    let mut socket = bench.socket("/ws-fapi/v1").await;
    let bare = |bench: &Bench| {
        json!({ "id": 1, "method": "v2/account.balance", "params": { "timestamp": bench.now() } }).to_string()
    };
    socket.say(&bare(&bench)).await;
    assert_eq!(socket.hear().await.unwrap()["error"]["code"], -2014);
    let on = ask(&bench, &mut socket, "session.logon", json!({})).await;
    assert_eq!(on["result"]["apiKey"], "k", "{on}");
    socket.say(&bare(&bench)).await;
    assert_eq!(socket.hear().await.unwrap()["result"][0]["asset"], "USDT");
    socket.say("nonsense").await;
    assert_eq!(socket.hear().await.unwrap()["error"]["code"], -1135);
    socket.say(r#"{"id":2,"method":"odd"}"#).await;
    assert_eq!(socket.hear().await.unwrap()["status"], 400);
}
