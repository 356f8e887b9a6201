use serde_json::{Value, json};

use crate::client::Bench;

async fn detail(bench: &Bench, name: &str) -> Value {
    let answer = bench.mix_get("order/detail", &format!("&symbol=SOLUSDT&clientOid={name}")).await;
    answer.data().clone()
}

#[tokio::test]
async fn a_market_order_fills_and_shows_in_detail_position_fills_and_history() {
    let bench = Bench::classic().await;
    let placed = bench.order(json!({ "side": "buy", "orderType": "market", "size": "1", "clientOid": "m1" })).await;
    assert_eq!(placed.data()["clientOid"], "m1");
    let id = placed.data()["orderId"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 19, "ids have nineteen digits");
    let row = detail(&bench, "m1").await;
    assert_eq!(row["orderId"], id.as_str());
    for (field, value) in [
        ("state", "filled"),
        ("baseVolume", "1.00"),
        ("priceAvg", "150.24"),
        ("side", "buy"),
        ("posSide", "net"),
        ("tradeSide", "buy_single"),
        ("posMode", "one_way_mode"),
        ("orderSource", "market"),
        ("reduceOnly", "NO"),
    ] {
        assert_eq!(row[field], value, "{field}");
    }
    assert!(row["fee"].as_str().unwrap().starts_with("-0.09"), "a cost is negative: {}", row["fee"]);
    let open = bench.mix_get("position/all-position", "&marginCoin=USDT").await;
    let position = &open.data()[0];
    assert_eq!((&position["holdSide"], &position["total"]), (&json!("long"), &json!("1.00")));
    assert_eq!((&position["openPriceAvg"], &position["posMode"]), (&json!("150.24"), &json!("one_way_mode")));
    let single = bench.mix_get("position/single-position", "&symbol=ETHUSDT&marginCoin=USDT").await;
    assert_eq!(single.data(), &json!([]));
    let fills = bench.mix_get("order/fills", &format!("&orderId={id}")).await;
    let fill = &fills.data()["fillList"][0];
    assert_eq!((&fill["side"], &fill["tradeScope"]), (&json!("buy"), &json!("taker")));
    assert!(fill["clientOid"].is_null(), "trades name their order by its number only");
    assert!(fill["feeDetail"][0]["totalFee"].as_str().unwrap().starts_with('-'));
    let history = bench.mix_get("order/orders-history", "&clientOid=m1").await;
    assert_eq!(history.data()["entrustedList"][0]["status"], "filled", "it goes by another name in lists");
}

#[tokio::test]
async fn a_limit_order_rests_is_listed_by_state_and_page_and_is_cancelled_once() {
    let bench = Bench::classic().await;
    let none = bench.mix_get("order/orders-pending", "").await;
    assert_eq!(none.data()["entrustedList"], Value::Null, "an empty list is null");
    for (name, price) in [("l1", "140"), ("l2", "141"), ("l3", "142")] {
        let order = json!({ "side": "BUY", "orderType": "Limit", "force": "GTC", "price": price, "size": "1", "clientOid": name });
        bench.order(order).await.data();
    }
    let live = bench.mix_get("order/orders-pending", "&symbol=SOLUSDT&status=live&limit=2").await;
    let rows = live.data()["entrustedList"].as_array().unwrap().clone();
    assert_eq!((&rows[0]["clientOid"], &rows[1]["clientOid"]), (&json!("l3"), &json!("l2")), "newest first");
    let end = live.data()["endId"].as_str().unwrap();
    let next = bench.mix_get("order/orders-pending", &format!("&idLessThan={end}")).await;
    assert_eq!(next.data()["entrustedList"][0]["clientOid"], "l1");
    bench.admin("POST", "/fill", r#"{"id":"l3","qty":"0.4"}"#).await;
    let partly = bench.mix_get("order/orders-pending", "&status=partially_filled").await;
    assert_eq!(partly.data()["entrustedList"][0]["baseVolume"], "0.40");
    bench.mix("cancel-order", json!({ "clientOid": "l3" })).await.data();
    let row = detail(&bench, "l3").await;
    assert_eq!((&row["state"], &row["cancelReason"]), (&json!("canceled"), &json!("normal_cancel")), "with one l");
    let again = bench.mix("cancel-order", json!({ "clientOid": "l3" })).await;
    assert_eq!((again.status, again.code()), (200, "40768"), "HTTP 200 with an error in it");
    let unknown = bench.mix_get("order/detail", "&symbol=SOLUSDT&clientOid=nobody").await;
    assert_eq!((unknown.status, unknown.code()), (400, "40109"));
    let rest = bench
        .mix("batch-cancel-orders", json!({ "orderIdList": [{ "clientOid": "l1" }, { "clientOid": "l9" }] }))
        .await;
    assert_eq!(rest.data()["successList"][0]["clientOid"], "l1");
    assert_eq!(rest.data()["failureList"][0]["errorCode"], "40768");
    bench.mix("cancel-all-orders", json!({})).await.data();
    assert_eq!(bench.mix_get("order/orders-pending", "").await.data()["entrustedList"], Value::Null);
}

#[tokio::test]
async fn in_hedge_mode_the_side_is_that_of_the_position_and_a_forgotten_trade_side_is_refused() {
    let bench = Bench::classic().await;
    bench.hedge().await;
    let market =
        |side: &str, trade: &str| json!({ "side": side, "tradeSide": trade, "orderType": "market", "size": "1" });
    bench.order(market("buy", "Open")).await.data();
    bench.order(market("sell", "open")).await.data();
    let open = bench.mix_get("position/all-position", "&marginCoin=USDT").await;
    assert_eq!(open.data().as_array().unwrap().len(), 2, "a long and a short");
    let bare = bench.order(json!({ "side": "buy", "orderType": "market", "size": "1" })).await;
    assert_eq!((bare.status, bare.code()), (400, "40774"));
    // Closing the long is `buy` with `close`.
    let mut close = market("buy", "close");
    close["clientOid"] = "x1".into();
    bench.order(close).await.data();
    let left = bench.mix_get("position/all-position", "&marginCoin=USDT").await;
    assert_eq!(left.data()[0]["holdSide"], "short");
    let row = detail(&bench, "x1").await;
    assert_eq!((&row["side"], &row["tradeSide"], &row["posSide"]), (&json!("buy"), &json!("close"), &json!("long")));
    let nothing = bench.order(market("buy", "close")).await;
    assert_eq!((nothing.status, nothing.code()), (400, "22002"), "{}", nothing.body);
    let mode = json!({ "productType": "USDT-FUTURES", "posMode": "one_way_mode" });
    let locked = bench.post("/api/v2/mix/account/set-position-mode", mode).await;
    assert_eq!(locked.code(), "40920");
}

#[tokio::test]
async fn a_market_close_leaves_what_resting_closes_hold_and_the_flash_close_takes_all() {
    let bench = Bench::classic().await;
    bench.hedge().await;
    bench.order(json!({ "side": "buy", "tradeSide": "open", "orderType": "market", "size": "10" })).await.data();
    let resting = json!({ "side": "buy", "tradeSide": "close", "orderType": "limit", "price": "155", "size": "7", "clientOid": "r1" });
    bench.order(resting).await.data();
    bench.order(json!({ "side": "buy", "tradeSide": "close", "orderType": "market", "size": "5" })).await.data();
    let held = bench.mix_get("position/all-position", "&marginCoin=USDT").await;
    assert_eq!((&held.data()[0]["total"], &held.data()[0]["locked"]), (&json!("7.00"), &json!("7.00")));
    let closed = bench.mix("close-positions", json!({ "holdSide": "long" })).await;
    assert_eq!(closed.data()["successList"][0]["symbol"], "SOLUSDT");
    assert_eq!(bench.mix_get("position/all-position", "&marginCoin=USDT").await.data(), &json!([]));
    assert_eq!(detail(&bench, "r1").await["state"], "canceled", "what could only close goes with the position");
    bench.admin("POST", "/clock", r#"{"skip_ms":1000}"#).await;
    assert_eq!(bench.mix("close-positions", json!({})).await.code(), "22002");
}

#[tokio::test]
async fn in_one_way_mode_a_close_only_order_ends_older_ones_and_its_answer_has_no_number() {
    let bench = Bench::classic().await;
    bench.order(json!({ "side": "buy", "orderType": "market", "size": "5" })).await.data();
    let close = |name: &str, price: &str, flag: &str| json!({ "side": "sell", "orderType": "limit", "price": price, "size": "4", "reduceOnly": flag, "clientOid": name });
    assert!(bench.order(close("c1", "155", "YES")).await.data()["orderId"].is_string());
    let second = bench.order(close("c2", "156", "yes")).await;
    assert_eq!(second.data(), &json!({ "clientOid": "c2", "orderId": null }));
    assert_eq!(detail(&bench, "c1").await["state"], "canceled");
    assert_eq!(detail(&bench, "c2").await["state"], "live");
    let hedged = bench.order(json!({ "side": "buy", "tradeSide": "open", "orderType": "market", "size": "1" })).await;
    assert_eq!(hedged.code(), "40774");
}

#[tokio::test]
async fn a_client_id_is_refused_while_it_is_open_and_free_again_afterwards() {
    let bench = Bench::classic().await;
    let order = json!({ "side": "buy", "orderType": "limit", "price": "140", "size": "1", "clientOid": "same" });
    bench.order(order.clone()).await.data();
    assert_eq!(bench.order(order.clone()).await.code(), "40786");
    bench.mix("cancel-order", json!({ "clientOid": "same" })).await.data();
    bench.order(order).await.data();
    let market = json!({ "side": "buy", "orderType": "market", "size": "1", "clientOid": "twice" });
    bench.order(market.clone()).await.data();
    bench.order(market).await.data();
    let verdict = bench.verdict().await;
    assert_eq!(verdict["ok"], false, "a client id is no proof against a second fill here");
    assert_eq!(verdict["violations"].as_array().unwrap().len(), 2, "two ids used again: {verdict}");
}

#[tokio::test]
async fn refusals_have_the_venues_codes_and_words() {
    let bench = Bench::classic().await;
    let limit = |size: &str, price: &str| json!({ "side": "buy", "orderType": "limit", "price": price, "size": size });
    for (order, code) in [
        (limit("0.01", "150"), "45110"),
        (limit("0.001", "150"), "40808"),
        (limit("1", "150.001"), "40808"),
        (limit("1", "200"), "22047"),
        (limit("100000", "150"), "40754"),
        (json!({ "side": "up", "orderType": "market", "size": "1" }), "43011"),
        (json!({ "side": "buy", "orderType": "odd", "size": "1" }), "43011"),
        (json!({ "side": "buy", "orderType": "market" }), "40019"),
        (json!({ "side": "buy", "orderType": "market", "size": "0" }), "43011"),
        (json!({ "side": "buy", "orderType": "market", "size": "1", "clientOid": "a b" }), "43011"),
        (json!({ "side": "buy", "orderType": "market", "size": "1", "force": "odd", "marginMode": "none" }), "43011"),
        (json!({ "side": "sell", "orderType": "market", "size": "1", "reduceOnly": "YES" }), "22002"),
        (json!({ "symbol": "NOUSDT", "side": "buy", "orderType": "market", "size": "1" }), "40034"),
        (json!({ "productType": "FUTURES", "side": "buy", "orderType": "market", "size": "1" }), "43011"),
    ] {
        let answer = bench.order(order.clone()).await;
        assert_eq!((answer.status, answer.code()), (400, code), "{order} {}", answer.body);
        bench.admin("POST", "/clock", r#"{"skip_ms":200}"#).await;
    }
    let leverage =
        json!({ "symbol": "SOLUSDT", "productType": "USDT-FUTURES", "marginCoin": "USDT", "leverage": "125" });
    bench.post("/api/v2/mix/account/set-leverage", leverage).await.data();
    assert_eq!(bench.order(limit("1000", "150")).await.code(), "40762", "more than the leverage allows");
    let least = bench.order(limit("0.01", "150")).await;
    assert_eq!(least.json["msg"], "less than the minimum amount 5 USDT");
    assert_eq!(least.json["data"], Value::Null);
}

#[tokio::test]
async fn orders_that_may_not_rest_or_may_not_take_are_taken_in_and_cancelled() {
    let bench = Bench::classic().await;
    let order = |name: &str, force: &str, price: &str| json!({ "side": "buy", "orderType": "limit", "force": force, "price": price, "size": "1", "clientOid": name });
    bench.order(order("p", "post_only", "151")).await.data();
    bench.order(order("i", "ioc", "149")).await.data();
    bench.order(order("f", "FOK", "149")).await.data();
    bench.order(order("ok", "fok", "151")).await.data();
    for (name, state, why) in [
        ("p", "canceled", "post_only_fill_cancel"),
        ("i", "canceled", "ioc_not_full_cancel"),
        ("f", "canceled", "fok_not_full_cancel"),
        ("ok", "filled", ""),
    ] {
        let row = detail(&bench, name).await;
        assert_eq!((&row["state"], &row["cancelReason"]), (&json!(state), &json!(why)), "{name}");
    }
}

#[tokio::test]
async fn a_batch_takes_some_and_names_the_others_with_their_codes() {
    let bench = Bench::classic().await;
    let item = |name: &str, size: &str| json!({ "side": "buy", "orderType": "limit", "price": "140", "size": size, "clientOid": name });
    let list = json!({ "marginMode": "crossed", "orderList": [item("b1", "1"), item("b2", "0.01"), item("b1", "1")] });
    let answer = bench.mix("batch-place-order", list.clone()).await;
    assert_eq!(answer.data()["successList"].as_array().unwrap().len(), 1);
    let refused = answer.data()["failureList"].clone();
    assert_eq!((&refused[0]["clientOid"], &refused[0]["errorCode"]), (&json!("b2"), &json!("45110")));
    assert_eq!((&refused[1]["clientOid"], &refused[1]["errorCode"]), (&json!("b1"), &json!("40786")));
    bench.fault(r#"{"path":"/api/v2/mix/order/batch-place-order","times":1,"fault":{"kind":"legs","refused":[0],"code":40762}}"#).await;
    let list = json!({ "marginMode": "crossed", "orderList": [item("b3", "1"), item("b4", "1")] });
    let answer = bench.mix("batch-place-order", list).await;
    assert_eq!(answer.data()["failureList"][0]["errorCode"], "40762");
    assert_eq!(answer.data()["successList"][0]["clientOid"], "b4");
}

#[tokio::test]
async fn a_change_ends_the_order_and_after_a_gap_makes_another_under_the_new_id() {
    let bench = Bench::classic().await;
    bench
        .order(json!({ "side": "buy", "orderType": "limit", "price": "140", "size": "1", "clientOid": "old" }))
        .await
        .data();
    let change = |new: &str, price: &str, size: &str| json!({ "clientOid": "old", "newClientOid": new, "newPrice": price, "newSize": size });
    for (fields, code) in [
        (json!({ "clientOid": "old", "newPrice": "141", "newSize": "1" }), "22003"),
        (json!({ "clientOid": "old", "newClientOid": "n", "newPrice": "141" }), "40925"),
        (change("old", "141", "1"), "40786"),
        (change("n", "140", "1"), "40923"),
        (json!({ "clientOid": "no", "newClientOid": "n", "newPrice": "141", "newSize": "1" }), "40768"),
    ] {
        assert_eq!(bench.mix("modify-order", fields).await.code(), code);
    }
    bench.admin("POST", "/conditions", r#"{"replace_gap_ms":5000}"#).await;
    let answer = bench.mix("modify-order", change("new", "141", "1")).await;
    assert_eq!(answer.data(), &json!({ "clientOid": "new", "orderId": null }));
    let old = detail(&bench, "old").await;
    assert_eq!((&old["state"], &old["cancelReason"]), (&json!("canceled"), &json!("modify_limit_order")));
    let missing = bench.mix_get("order/detail", "&symbol=SOLUSDT&clientOid=new").await;
    assert_eq!(missing.code(), "40109", "for a while there is neither");
    bench.admin("POST", "/clock", r#"{"skip_ms":5000}"#).await;
    let new = detail(&bench, "new").await;
    assert_eq!((&new["state"], &new["orderSource"]), (&json!("live"), &json!("modify_order_limit")));
    assert_ne!(new["orderId"], old["orderId"]);
}

#[tokio::test]
async fn the_account_tells_its_setup_and_takes_another() {
    let bench = Bench::classic().await;
    let account = "&symbol=SOLUSDT&marginCoin=USDT";
    let row = bench.mix_get("account/account", account).await.data().clone();
    assert_eq!((&row["posMode"], &row["marginMode"]), (&json!("one_way_mode"), &json!("crossed")));
    assert!(row["available"].as_str().unwrap().starts_with("10000"));
    let set = json!({ "symbol": "SOLUSDT", "productType": "USDT-FUTURES", "marginCoin": "USDT" });
    let with = |name: &str, value: &str| {
        let mut body = set.clone();
        body[name] = value.into();
        body
    };
    bench.post("/api/v2/mix/account/set-margin-mode", with("marginMode", "isolated")).await.data();
    bench.post("/api/v2/mix/account/set-leverage", with("leverage", "7")).await.data();
    assert_eq!(bench.post("/api/v2/mix/account/set-leverage", with("leverage", "500")).await.code(), "40797");
    let row = bench.mix_get("account/account", account).await.data().clone();
    assert_eq!((&row["marginMode"], &row["crossedMarginLeverage"]), (&json!("isolated"), &json!(7)));
    bench.order(json!({ "side": "buy", "orderType": "market", "size": "1", "marginMode": "isolated" })).await.data();
    let locked = bench.post("/api/v2/mix/account/set-margin-mode", with("marginMode", "crossed")).await;
    assert_eq!(locked.code(), "45117");
    let other = bench.order(json!({ "side": "buy", "orderType": "market", "size": "1" })).await;
    assert_eq!(other.code(), "45117", "an order of another margin mode than the position's");
    assert_eq!(bench.mix_get("account/accounts", "").await.data()[0]["marginCoin"], "USDT");
    let usdc = bench.get("/api/v2/mix/account/accounts?productType=USDC-FUTURES").await;
    assert_eq!(usdc.data(), &json!([]));
    let rate = bench.get("/api/v2/common/trade-rate?symbol=SOLUSDT&businessType=mix").await;
    assert_eq!(rate.data()["takerFeeRate"], "0.0006");
}
