use serde_json::{Value, json};

use crate::client::Bench;

async fn long(bench: &Bench, size: &str) {
    bench.order(json!({ "side": "buy", "orderType": "market", "size": size })).await.data();
}

fn pair(target: &str, stop: &str, names: [&str; 2]) -> Value {
    json!({
        "holdSide": "buy", "stopSurplusTriggerPrice": target, "stopSurplusTriggerType": "mark_price",
        "stopSurplusExecutePrice": "0", "stopSurplusClientOid": names[0], "stopLossTriggerPrice": stop,
        "stopLossTriggerType": "mark_price", "stopLossExecutePrice": "0", "stopLossClientOid": names[1],
    })
}

async fn pending(bench: &Bench) -> Vec<Value> {
    let answer = bench.mix_get("order/orders-plan-pending", "&planType=profit_loss&symbol=SOLUSDT").await;
    answer.data()["entrustedList"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn r42_stop_and_target_are_set_by_one_call_and_overwritten_by_a_repeat_with_the_same_numbers() {
    let bench = Bench::classic().await;
    let flat = bench.mix("place-pos-tpsl", pair("160", "140", ["t1", "s1"])).await;
    assert_eq!((flat.status, flat.code()), (400, "43023"));
    long(&bench, "2").await;
    let placed = bench.mix("place-pos-tpsl", pair("160", "140", ["t1", "s1"])).await;
    let rows = placed.data().as_array().unwrap().clone();
    assert_eq!(rows.len(), 2, "{rows:?}");
    let of = |name: &str, field: &str| rows.iter().find(|row| row[field] == name).unwrap()["orderId"].clone();
    let (target, stop) = (of("t1", "stopSurplusClientOid"), of("s1", "stopLossClientOid"));
    let plans = pending(&bench).await;
    let row = plans.iter().find(|row| row["clientOid"] == "s1").unwrap();
    for (field, value) in [
        ("planType", "pos_loss"),
        ("size", "0"),
        ("planStatus", "live"),
        ("triggerPrice", "140.00"),
        ("triggerType", "mark_price"),
        ("posSide", "net"),
        ("side", "sell"),
    ] {
        assert_eq!(row[field], value, "{field}");
    }
    assert_eq!(row["orderId"], stop);
    let position = bench.mix_get("position/all-position", "&marginCoin=USDT").await.data()[0].clone();
    assert_eq!((&position["takeProfitId"], &position["stopLossId"]), (&target, &stop));
    assert_eq!((&position["takeProfit"], &position["stopLoss"]), (&json!("160.00"), &json!("140.00")));
    let again = bench.mix("place-pos-tpsl", pair("158", "141", ["t2", "s2"])).await;
    assert_eq!(again.data().as_array().unwrap().len(), 2);
    let plans = pending(&bench).await;
    assert_eq!(plans.len(), 2, "a repeat overwrites and does not stack");
    let row = plans.iter().find(|row| row["orderId"] == target).unwrap();
    assert_eq!((&row["clientOid"], &row["triggerPrice"]), (&json!("t2"), &json!("158.00")));
    let verdict = bench.verdict().await;
    assert_eq!((&verdict["ok"], &verdict["naked_now"]), (&json!(true), &json!([])), "{verdict}");
}

#[tokio::test]
async fn a_stop_that_fires_spawns_an_order_that_goes_by_its_number_and_the_target_goes_with_the_position() {
    let bench = Bench::classic().await;
    long(&bench, "2").await;
    bench.mix("place-pos-tpsl", pair("160", "140", ["t", "s"])).await.data();
    bench.price("139").await;
    assert_eq!(pending(&bench).await, Vec::<Value>::new());
    let history = bench.mix_get("order/orders-plan-history", "&planType=profit_loss&symbol=SOLUSDT").await;
    let rows = history.data()["entrustedList"].as_array().unwrap().clone();
    let stop = rows.iter().find(|row| row["clientOid"] == "s").unwrap();
    assert_eq!(stop["planStatus"], "executed");
    assert_eq!(rows.iter().find(|row| row["clientOid"] == "t").unwrap()["planStatus"], "cancelled");
    let child = bench
        .mix_get("order/detail", &format!("&symbol=SOLUSDT&orderId={}", stop["executeOrderId"].as_str().unwrap()))
        .await;
    let child = child.data();
    assert_eq!(child["clientOid"], stop["orderId"], "the spawned order goes by the number of its plan");
    assert_eq!((&child["orderSource"], &child["state"]), (&json!("pos_loss_market"), &json!("filled")));
    assert_eq!(bench.mix_get("position/all-position", "&marginCoin=USDT").await.data(), &json!([]));
    let only = bench.mix_get("order/orders-plan-history", "&planType=profit_loss&planStatus=executed").await;
    assert_eq!(only.data()["entrustedList"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_trigger_on_the_wrong_side_and_a_position_not_seen_yet_are_refused() {
    let bench = Bench::classic().await;
    long(&bench, "2").await;
    for (target, stop, code) in [("160", "151", "40917"), ("150", "140", "40915")] {
        let answer = bench.mix("place-pos-tpsl", pair(target, stop, ["t", "s"])).await;
        assert_eq!((answer.status, answer.code()), (400, code));
    }
    assert_eq!(pending(&bench).await, Vec::<Value>::new(), "nothing changes unless both legs are good");
    let wrong = bench.mix("place-pos-tpsl", json!({ "holdSide": "long", "stopLossTriggerPrice": "140" })).await;
    assert_eq!(wrong.code(), "43011", "in one-way mode the position is named by the side that opened it");
    let fine = bench.mix("place-pos-tpsl", pair("160.001", "140", ["t", "s"])).await;
    assert_eq!(fine.code(), "40808");
    assert!(fine.json["msg"].as_str().unwrap().contains("checkBDScale"));
    bench.admin("POST", "/conditions", r#"{"position_unseen_ms":20000}"#).await;
    let unseen = bench.mix("place-pos-tpsl", pair("160", "140", ["t", "s"])).await;
    assert_eq!(unseen.code(), "43023");
    bench.admin("POST", "/clock", r#"{"skip_ms":20000}"#).await;
    bench.mix("place-pos-tpsl", pair("160", "140", ["t", "s"])).await.data();
}

#[tokio::test]
async fn a_cancellation_without_the_kind_is_a_success_that_did_nothing() {
    let bench = Bench::classic().await;
    long(&bench, "2").await;
    bench.mix("place-pos-tpsl", pair("160", "140", ["t", "s"])).await.data();
    let bare = bench.mix("cancel-plan-order", json!({ "orderIdList": [{ "clientOid": "s" }] })).await;
    assert_eq!(bare.data(), &json!({ "successList": [], "failureList": [] }));
    assert_eq!(pending(&bench).await.len(), 2);
    let named = json!({ "planType": "pos_loss", "orderIdList": [{ "clientOid": "s" }] });
    let done = bench.mix("cancel-plan-order", named).await;
    assert_eq!(done.data()["successList"][0]["clientOid"], "s");
    let all = bench.mix("cancel-plan-order", json!({ "planType": "pos_profit" })).await;
    assert_eq!(all.data()["successList"][0]["clientOid"], "t");
    assert_eq!(pending(&bench).await, Vec::<Value>::new());
    assert_eq!(bench.verdict().await["naked_now"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn stops_and_targets_over_a_quantity_are_placed_changed_and_fire() {
    let bench = Bench::classic().await;
    bench.hedge().await;
    bench.order(json!({ "side": "buy", "tradeSide": "open", "orderType": "market", "size": "3" })).await.data();
    let plan = |kind: &str, price: &str, name: &str, size: &str| {
        json!({
            "planType": kind, "holdSide": "long", "triggerPrice": price, "triggerType": "fill_price",
            "executePrice": "0", "size": size, "clientOid": name,
        })
    };
    let placed = bench.mix("place-tpsl-order", plan("profit_plan", "160", "q1", "1")).await;
    assert_eq!(placed.data()["clientOid"], "q1");
    assert_eq!(bench.mix("place-tpsl-order", plan("profit_plan", "160", "q2", "")).await.code(), "40019");
    bench.mix("place-tpsl-order", plan("pos_loss", "140", "whole", "")).await.data();
    let change = json!({ "clientOid": "q1", "triggerPrice": "155", "executePrice": "0", "size": "2" });
    bench.mix("modify-tpsl-order", change).await.data();
    let position = json!({ "clientOid": "whole", "triggerPrice": "141", "size": "" });
    assert_eq!(bench.mix("modify-tpsl-order", position).await.code(), "400172");
    let rows = pending(&bench).await;
    let row = rows.iter().find(|row| row["clientOid"] == "q1").unwrap();
    assert_eq!((&row["planType"], &row["size"], &row["side"]), (&json!("profit_plan"), &json!("2.00"), &json!("buy")));
    bench.price("155").await;
    let left = bench.mix_get("position/all-position", "&marginCoin=USDT").await;
    assert_eq!(left.data()[0]["total"], "1.00");
    assert_eq!(pending(&bench).await.len(), 1, "the stop of the position stays with what is left");
}

#[tokio::test]
async fn a_trigger_that_opens_is_taken_on_either_side_of_the_market() {
    let bench = Bench::classic().await;
    let plan = |side: &str, price: &str, name: &str| {
        json!({
            "planType": "normal_plan", "marginMode": "crossed", "side": side, "triggerPrice": price, "size": "1",
            "orderType": "market", "triggerType": "fill_price", "clientOid": name,
        })
    };
    for (side, price, name) in [("buy", "155", "up"), ("buy", "145", "down"), ("sell", "160", "short")] {
        bench.mix("place-plan-order", plan(side, price, name)).await.data();
    }
    let listed = bench.mix_get("order/orders-plan-pending", "&planType=normal_plan").await;
    assert_eq!(listed.data()["entrustedList"].as_array().unwrap().len(), 3);
    assert_eq!(pending(&bench).await, Vec::<Value>::new());
    let moved = json!({ "clientOid": "down", "newTriggerPrice": "144", "newSize": "2" });
    bench.mix("modify-plan-order", moved).await.data();
    bench.price("155").await;
    assert_eq!(bench.mix_get("position/all-position", "&marginCoin=USDT").await.data()[0]["total"], "1.00");
    let gone = bench.mix("cancel-plan-order", json!({})).await;
    assert_eq!(gone.data()["successList"].as_array().unwrap().len(), 2);
}
