use kraite_sim::emulator::{FaultRules, Protocol, Settings};
use serde_json::{Value, json};

use crate::client::{Bench, merge};

const PLACE: &str = "/api/v2/mix/order/place-order";

fn market(name: &str) -> Value {
    json!({
        "symbol": "SOLUSDT", "productType": "USDT-FUTURES", "marginCoin": "USDT", "marginMode": "crossed", "side": "buy",
        "orderType": "market", "size": "1", "clientOid": name,
    })
}

async fn orders(bench: &Bench) -> usize {
    bench.admin("GET", "/book", "").await.json["orders"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_connection_is_cut_before_or_after_the_venue_acted_and_an_answer_breaks_off() {
    let bench = Bench::classic().await;
    let rule = |fault: &str| format!(r#"{{"method":"POST","path":"{PLACE}","times":1,"fault":{fault}}}"#);
    bench.fault(&rule(r#"{"kind":"cut","when":"before"}"#)).await;
    assert!(bench.try_post(PLACE, &market("a")).await.is_err());
    assert_eq!(orders(&bench).await, 0);
    bench.fault(&rule(r#"{"kind":"cut","when":"after"}"#)).await;
    assert!(bench.try_post(PLACE, &market("b")).await.is_err());
    assert_eq!(orders(&bench).await, 1);
    bench.fault(&rule(r#"{"kind":"truncate","bytes":10}"#)).await;
    assert!(bench.try_post(PLACE, &market("c")).await.is_err_and(|why| why.starts_with("truncated")));
    assert_eq!(orders(&bench).await, 2);
}

#[tokio::test]
async fn answers_that_say_nothing_are_empty_or_of_the_venues_own_codes() {
    let bench = Bench::classic().await;
    for (fault, status, code, acts) in [
        (r#"{"kind":"empty","acts":true}"#, 200, "none", true),
        (r#"{"kind":"unknown","acts":true}"#, 500, "45001", true),
        (r#"{"kind":"unknown","acts":false}"#, 500, "45001", false),
        (r#"{"kind":"unavailable"}"#, 503, "40200", false),
        (r#"{"kind":"timeout","acts":true}"#, 408, "40010", true),
        (r#"{"kind":"error","code":40725,"status":200,"acts":true}"#, 200, "40725", true),
        (r#"{"kind":"error","code":43011}"#, 400, "43011", false),
        (r#"{"kind":"rate-limit"}"#, 429, "429", false),
    ] {
        bench.fault(&format!(r#"{{"path":"{PLACE}","times":1,"fault":{fault}}}"#)).await;
        let before = orders(&bench).await;
        let answer = bench.post(PLACE, market("x")).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{fault}");
        assert_eq!(orders(&bench).await, before + usize::from(acts), "{fault}");
    }
    let empty = r#"{"path":"/api/v2/mix/position","times":1,"fault":{"kind":"empty","acts":true}}"#;
    bench.fault(empty).await;
    assert_eq!(bench.mix_get("position/all-position", "&marginCoin=USDT").await.body, "");
}

#[tokio::test]
async fn a_request_delivered_twice_fills_twice_and_the_verdict_says_so() {
    let bench = Bench::unified().await;
    bench.fault(r#"{"path":"/api/v3/trade/place-order","times":1,"fault":{"kind":"double"}}"#).await;
    let order = json!({ "side": "buy", "orderType": "market", "qty": "1", "clientOid": "once" });
    bench.trade("place-order", order).await.data();
    let open = bench.get("/api/v3/position/current-position?category=USDT-FUTURES").await;
    assert_eq!(open.data()["list"][0]["total"], "2.00");
    let verdict = bench.verdict().await;
    assert_eq!(verdict["violations"][0]["what"], "client_id_used_again", "{verdict}");
    let fills = bench.get("/api/v3/trade/fills?category=USDT-FUTURES").await;
    assert_eq!(fills.data()["list"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn reads_are_stale_or_lag_and_requests_arrive_late() {
    let settings = Settings { protocol: Protocol::BitgetClassic, speed: 20, ..Settings::default() };
    let bench = Bench::with(settings).await;
    bench.fault(r#"{"path":"/api/v2/mix/position","times":1,"fault":{"kind":"stale"}}"#).await;
    bench.post(PLACE, market("m")).await.data();
    assert_eq!(bench.mix_get("position/all-position", "&marginCoin=USDT").await.data(), &json!([]));
    assert_ne!(bench.mix_get("position/all-position", "&marginCoin=USDT").await.data(), &json!([]));
    bench.admin("POST", "/conditions", r#"{"read_lag_ms":60000}"#).await;
    bench.post(PLACE, market("n")).await.data();
    let detail = "&symbol=SOLUSDT&clientOid=n";
    assert_eq!(bench.mix_get("order/detail", detail).await.code(), "40109", "not found right after it was placed");
    bench.admin("POST", "/clock", r#"{"skip_ms":60000}"#).await;
    bench.mix_get("order/detail", detail).await.data();
    let late = format!(r#"{{"path":"{PLACE}","times":1,"fault":{{"kind":"delay","ms":31000,"when":"before"}}}}"#);
    bench.fault(&late).await;
    assert_eq!(bench.post(PLACE, market("o")).await.code(), "40008", "the window has closed on the way");
}

#[tokio::test]
async fn presets_hold_for_the_paths_of_either_generation_and_a_ban_refuses_everything() {
    let faults = FaultRules::named("lost-replies", Protocol::BitgetUnified).unwrap();
    let bench = Bench::with(Settings { protocol: Protocol::BitgetUnified, faults, ..Settings::default() }).await;
    let mut order = json!({ "category": "USDT-FUTURES", "symbol": "SOLUSDT", "side": "buy", "orderType": "market" });
    merge(&mut order, json!({ "qty": "1" }));
    let mut lost = 0;
    for _ in 0..6 {
        lost += usize::from(bench.try_post("/api/v3/trade/place-order", &order).await.is_err());
    }
    assert_eq!((lost, orders(&bench).await), (2, 6));
    bench.admin("DELETE", "/faults", "").await;
    bench.fault(r#"{"times":1,"fault":{"kind":"ban","ms":60000}}"#).await;
    assert_eq!(bench.open("/api/v2/public/time").await.code(), "429");
    assert_eq!(bench.open("/api/v2/public/time").await.status, 429);
    bench.admin("POST", "/clock", r#"{"skip_ms":61000}"#).await;
    bench.open("/api/v2/public/time").await.data();
}

#[tokio::test]
async fn other_hands_and_the_venue_act_and_their_orders_say_so() {
    let bench = Bench::classic().await;
    let by_hand = r#"{"symbol":"SOLUSDT","side":"buy","orderType":"market","size":"3"}"#;
    let placed = bench.admin("POST", "/order", by_hand).await;
    assert_eq!(placed.status, 200, "{}", placed.body);
    let plan = r#"{"symbol":"SOLUSDT","holdSide":"buy","stopLossTriggerPrice":"140","stopLossClientOid":"user"}"#;
    assert_eq!(bench.admin("POST", "/order", plan).await.status, 200);
    let bad = r#"{"symbol":"SOLUSDT","side":"buy","orderType":"market","size":"0.01"}"#;
    let refused = bench.admin("POST", "/order", bad).await;
    assert_eq!(refused.status, 409);
    assert!(refused.json["message"].as_str().unwrap().starts_with("45110"), "{}", refused.body);
    bench.admin("POST", "/liquidate", r#"{"symbol":"SOLUSDT","qty":"1"}"#).await;
    let fills = bench.mix_get("order/fills", "&limit=1").await;
    let fill = &fills.data()["fillList"][0];
    assert_eq!((&fill["tradeSide"], &fill["enterPointSource"]), (&json!("burst_sell_single"), &json!("SYS")));
    bench.admin("POST", "/cancel", r#"{"id":"user"}"#).await;
    assert_eq!(bench.verdict().await["naked_now"].as_array().unwrap().len(), 1);
    bench.admin("POST", "/halt", r#"{"symbol":"SOLUSDT"}"#).await;
    assert_eq!(bench.post(PLACE, market("h")).await.code(), "22004");
    assert_eq!(bench.admin("POST", "/listen-key/expire", "").await.status, 404, "this venue has none");
    assert_eq!(bench.admin("POST", "/streams", r#"{"legacy":"all"}"#).await.status, 400);
}
