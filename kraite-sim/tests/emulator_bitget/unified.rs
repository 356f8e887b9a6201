use serde_json::{Value, json};

use crate::client::Bench;

async fn hedge(bench: &Bench) {
    bench.post("/api/v3/account/set-hold-mode", json!({ "holdMode": "hedge_mode" })).await.data();
}

async fn info(bench: &Bench, name: &str) -> Value {
    bench.get(&format!("/api/v3/trade/order-info?clientOid={name}")).await.data().clone()
}

async fn positions(bench: &Bench) -> Value {
    bench.get("/api/v3/position/current-position?category=USDT-FUTURES").await.data()["list"].clone()
}

async fn strategies(bench: &Bench) -> Value {
    bench.get("/api/v3/trade/unfilled-strategy-orders?category=USDT-FUTURES").await.data().clone()
}

fn market(side: &str, position: &str, name: &str) -> Value {
    json!({ "side": side, "posSide": position, "orderType": "market", "qty": "2", "clientOid": name })
}

fn full(target: &str, stop: &str, name: &str) -> Value {
    json!({
        "type": "tpsl", "tpslMode": "full", "side": "sell", "posSide": "long", "takeProfit": target, "stopLoss": stop,
        "tpTriggerBy": "mark", "slTriggerBy": "mark", "tpOrderType": "market", "slOrderType": "market", "clientOid": name,
    })
}

#[tokio::test]
async fn the_side_is_that_of_the_trade_and_a_wrong_position_side_opens_the_other_one() {
    let bench = Bench::unified().await;
    hedge(&bench).await;
    assert_eq!(positions(&bench).await, Value::Null, "an empty list is null");
    let placed = bench.trade("place-order", market("buy", "long", "m1")).await;
    assert_eq!(placed.data()["clientOid"], "m1");
    let row = info(&bench, "m1").await;
    for (field, value) in [
        ("orderStatus", "filled"),
        ("cumExecQty", "2.00"),
        ("avgPrice", "150.24"),
        ("side", "buy"),
        ("posSide", "long"),
        ("holdMode", "hedge_mode"),
        ("tradeSide", "open"),
        ("reduceOnly", "NO"),
    ] {
        assert_eq!(row[field], value, "{field}");
    }
    // Meant to close the long.
    bench.trade("place-order", market("sell", "short", "m2")).await.data();
    assert_eq!(positions(&bench).await.as_array().unwrap().len(), 2);
    bench.trade("place-order", market("sell", "long", "m3")).await.data();
    let left = positions(&bench).await;
    assert_eq!((&left[0]["posSide"], &left[0]["total"]), (&json!("short"), &json!("2.00")));
    let bare = bench.trade("place-order", json!({ "side": "buy", "orderType": "market", "qty": "1" })).await;
    assert_eq!(bare.code(), "25236");
    let mut both = market("buy", "short", "m4");
    both["reduceOnly"] = "yes".into();
    assert_eq!(bench.trade("place-order", both).await.code(), "25238");
    let fills = bench.get("/api/v3/trade/fills?category=USDT-FUTURES").await;
    let fill = &fills.data()["list"][0];
    assert_eq!((&fill["clientOid"], &fill["side"]), (&json!("m3"), &json!("sell")), "trades carry the client id");
    assert!(!fill["feeDetail"][0]["fee"].as_str().unwrap().starts_with('-'), "a cost is positive");
    assert_eq!(bench.trade("close-positions", json!({ "posSide": "long" })).await.code(), "25227");
    let closed = bench.trade("close-positions", json!({ "posSide": "short" })).await;
    assert_eq!(closed.data()["list"][0]["code"], "00000");
    assert_eq!(positions(&bench).await, Value::Null);
}

#[tokio::test]
async fn an_order_is_changed_in_place_and_keeps_both_ids() {
    let bench = Bench::unified().await;
    let order = json!({ "side": "buy", "orderType": "limit", "timeInForce": "GTC", "price": "140", "qty": "1", "clientOid": "l1" });
    let id = bench.trade("place-order", order.clone()).await.data()["orderId"].clone();
    assert_eq!(bench.trade("place-order", order).await.code(), "25212");
    assert_eq!(info(&bench, "l1").await["orderStatus"], "new");
    let answer = bench.trade("modify-order", json!({ "clientOid": "l1", "price": "141" })).await;
    assert_eq!(answer.data(), &json!({ "clientOid": "l1", "orderId": id }));
    assert_eq!(bench.trade("modify-order", json!({ "clientOid": "l1", "price": "141" })).await.code(), "25571");
    let list = bench.get("/api/v3/trade/unfilled-orders?category=USDT-FUTURES&symbol=SOLUSDT").await;
    assert_eq!(list.data()["list"][0]["price"], "141.00");
    bench.trade("cancel-order", json!({ "clientOid": "l1" })).await.data();
    assert_eq!(info(&bench, "l1").await["orderStatus"], "cancelled", "with two l");
    assert_eq!(bench.trade("cancel-order", json!({ "clientOid": "l1" })).await.code(), "25204");
    assert_eq!(bench.get("/api/v3/trade/order-info?clientOid=no").await.code(), "25204");
    let list = bench.get("/api/v3/trade/unfilled-orders?category=USDT-FUTURES").await;
    assert_eq!(list.data()["list"], json!([]), "here an empty list is one");
    let history = bench.get("/api/v3/trade/history-orders?category=USDT-FUTURES").await;
    assert_eq!(history.data()["list"][0]["clientOid"], "l1");
    assert_eq!(bench.get("/api/v3/trade/history-orders").await.code(), "400172");
}

#[tokio::test]
async fn batches_are_bare_lists_in_which_every_item_speaks_for_itself() {
    let bench = Bench::unified().await;
    let item = |name: &str, qty: &str| {
        json!({
            "category": "USDT-FUTURES", "symbol": "SOLUSDT", "side": "buy", "orderType": "limit", "price": "140",
            "qty": qty, "clientOid": name,
        })
    };
    let placed =
        bench.post("/api/v3/trade/place-batch", json!([item("b1", "1"), item("b2", "0.01"), item("b3", "1")])).await;
    let codes: Vec<&str> = placed.data().as_array().unwrap().iter().map(|row| row["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["00000", "45110", "00000"]);
    let change = json!([{ "clientOid": "b1", "price": "139" }, { "clientOid": "b9", "price": "139" }]);
    let changed = bench.post("/api/v3/trade/batch-modify-order", change).await;
    assert_eq!(changed.data()[1]["code"], "25204");
    let gone =
        bench.post("/api/v3/trade/cancel-batch", json!([{ "category": "usdt-futures", "clientOid": "b1" }])).await;
    assert_eq!(gone.data()[0]["clientOid"], "b1");
    let rest = bench.trade("cancel-symbol-order", json!({})).await;
    assert_eq!(rest.data()["list"][0]["clientOid"], "b3");
}

#[tokio::test]
async fn r107_stop_and_target_are_one_strategy_with_one_id_and_a_second_is_refused() {
    let bench = Bench::unified().await;
    hedge(&bench).await;
    assert_eq!(bench.trade("place-strategy-order", full("160", "140", "p1")).await.code(), "25601");
    bench.trade("place-order", market("buy", "long", "m1")).await.data();
    for (target, stop, code) in [("150", "140", "25589"), ("160", "151", "25591")] {
        assert_eq!(bench.trade("place-strategy-order", full(target, stop, "p1")).await.code(), code);
    }
    let placed = bench.trade("place-strategy-order", full("160", "140", "p1")).await.data().clone();
    assert_eq!(placed["clientOid"], "p1");
    assert_eq!(bench.trade("place-strategy-order", full("161", "141", "p2")).await.code(), "25594");
    let list = strategies(&bench).await;
    assert_eq!(list.as_array().unwrap().len(), 1, "a bare list: {list}");
    for (field, value) in [
        ("status", "pending"),
        ("takeProfit", "160.00"),
        ("stopLoss", "140.00"),
        ("qty", ""),
        ("posSide", "long"),
        ("type", "tpsl"),
        ("tpTriggerBy", "mark"),
    ] {
        assert_eq!(list[0][field], value, "{field}");
    }
    let id = placed["orderId"].clone();
    let changed = bench
        .trade("modify-strategy-order", json!({ "orderId": id, "takeProfit": "158", "tpTriggerBy": "mark" }))
        .await;
    assert_eq!(changed.data()["orderId"], id);
    let list = strategies(&bench).await;
    assert_eq!((&list[0]["takeProfit"], &list[0]["stopLoss"]), (&json!("158.00"), &json!("140.00")), "the other stays");
    let same = json!({ "orderId": id, "takeProfit": "158", "tpTriggerBy": "mark" });
    assert_eq!(bench.trade("modify-strategy-order", same).await.code(), "25600");
    let verdict = bench.verdict().await;
    assert_eq!((&verdict["ok"], &verdict["naked_now"]), (&json!(true), &json!([])), "{verdict}");
    bench.price("158").await;
    assert_eq!(strategies(&bench).await, json!([]));
    let history = bench.get("/api/v3/trade/history-strategy-orders?category=USDT-FUTURES&type=tpsl").await;
    let row = history.data()["list"][0].clone();
    assert_eq!((&row["status"], &row["triggerType"]), (&json!("success"), &json!("takeProfit")));
    let subs = bench.get(&format!("/api/v3/trade/strategy-sub-orders?orderId={}", id.as_str().unwrap())).await;
    assert_eq!(subs.data()["list"][0]["status"], "filled");
    assert_eq!(positions(&bench).await, Value::Null);
    assert_eq!(bench.trade("modify-strategy-order", json!({ "orderId": id, "stopLoss": "1" })).await.code(), "25575");
}

#[tokio::test]
async fn a_cancelled_strategy_takes_both_legs_and_one_over_a_quantity_stands_beside_it() {
    let bench = Bench::unified().await;
    let entry = json!({ "side": "buy", "orderType": "market", "qty": "3" });
    bench.trade("place-order", entry).await.data();
    let one_way = |mode: &str, name: &str, more: Value| {
        let mut body = json!({
            "type": "tpsl", "tpslMode": mode, "side": "sell", "reduceOnly": "yes", "clientOid": name,
        });
        crate::client::merge(&mut body, more);
        body
    };
    let pair = one_way("full", "whole", json!({ "takeProfit": "160", "stopLoss": "140" }));
    bench.trade("place-strategy-order", pair).await.data();
    let part = one_way("partial", "part", json!({ "takeProfit": "155", "qty": "1" }));
    bench.trade("place-strategy-order", part).await.data();
    let list = strategies(&bench).await;
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!((&list[0]["clientOid"], &list[0]["qty"]), (&json!("part"), &json!("1.00")));
    bench.trade("modify-strategy-order", json!({ "clientOid": "part", "takeProfit": "156", "qty": "2" })).await.data();
    bench.price("156").await;
    assert_eq!(positions(&bench).await[0]["total"], "1.00");
    let gone = bench.trade("cancel-strategy-order", json!({ "clientOid": "whole" })).await;
    assert_eq!(gone.data(), &Value::Null);
    assert_eq!(strategies(&bench).await, json!([]));
    assert_eq!(bench.trade("cancel-strategy-order", json!({ "clientOid": "whole" })).await.code(), "25575");
    assert_eq!(bench.verdict().await["naked_now"].as_array().unwrap().len(), 1);
    let opens = json!({
        "type": "trigger", "side": "buy", "qty": "1", "triggerPrice": "160", "triggerBy": "market",
        "triggerOrderType": "market", "clientOid": "later",
    });
    bench.trade("place-strategy-order", opens).await.data();
    bench.price("160").await;
    assert_eq!(positions(&bench).await[0]["total"], "2.00");
}

#[tokio::test]
async fn a_leg_that_comes_to_a_strategy_later_is_one_with_it() {
    let bench = Bench::unified().await;
    bench.trade("place-order", json!({ "side": "buy", "orderType": "market", "qty": "3" })).await.data();
    let stop = json!({ "type": "tpsl", "side": "sell", "stopLoss": "140", "clientOid": "p" });
    bench.trade("place-strategy-order", stop).await.data();
    bench.trade("modify-strategy-order", json!({ "clientOid": "p", "takeProfit": "160" })).await.data();
    let list = strategies(&bench).await;
    assert_eq!((list.as_array().unwrap().len(), &list[0]["takeProfit"]), (1, &json!("160.00")));
    assert_eq!(bench.verdict().await["ok"], true, "one name, one strategy");
}

#[tokio::test]
async fn the_user_who_cancels_a_strategy_by_hand_takes_both_legs() {
    let bench = Bench::unified().await;
    bench.trade("place-order", json!({ "side": "buy", "orderType": "market", "qty": "3" })).await.data();
    let pair = json!({ "type": "tpsl", "side": "sell", "takeProfit": "160", "stopLoss": "140", "clientOid": "p" });
    bench.trade("place-strategy-order", pair).await.data();
    assert_eq!(bench.admin("POST", "/cancel", r#"{"id":"p"}"#).await.status, 200);
    assert_eq!(strategies(&bench).await, json!([]));
    assert_eq!(bench.admin("POST", "/cancel", r#"{"id":"p"}"#).await.status, 409);
}

#[tokio::test]
async fn settings_and_assets_tell_the_account_and_leverage_sets_the_margin_mode_too() {
    let bench = Bench::unified().await;
    let settings = bench.get("/api/v3/account/settings").await.data().clone();
    assert_eq!((&settings["holdMode"], &settings["symbolConfigList"]), (&json!("one_way_mode"), &json!([])));
    let leverage =
        json!({ "category": "USDT-FUTURES", "symbol": "SOLUSDT", "leverage": "9", "marginMode": "isolated" });
    assert_eq!(bench.post("/api/v3/account/set-leverage", leverage).await.data(), "success");
    let row = bench.get("/api/v3/account/settings").await.data()["symbolConfigList"][0].clone();
    assert_eq!(
        (&row["symbol"], &row["leverage"], &row["marginMode"]),
        (&json!("SOLUSDT"), &json!("9"), &json!("isolated"))
    );
    let assets = bench.get("/api/v3/account/assets").await.data().clone();
    assert_eq!(assets["assets"][0]["coin"], "USDT");
    assert!(assets["assets"][0]["available"].as_str().unwrap().starts_with("10000"));
    assert_eq!(bench.get("/api/v3/position/current-position").await.code(), "400172");
    let tight = json!({ "side": "buy", "orderType": "market", "qty": "1000" });
    assert_eq!(bench.trade("place-order", tight).await.code(), "25202");
}
