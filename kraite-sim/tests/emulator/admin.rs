use kraite_sim::emulator::{FaultRules, Protocol, Settings, Start};

use crate::client::Bench;

const MARKET: &str = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01&newClientOrderId=m";

async fn orders(bench: &Bench) -> usize {
    bench.admin("GET", "/book", "").await.json["orders"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_connection_is_cut_before_or_after_the_venue_acted() {
    let bench = Bench::new().await;
    let cut = |when: &str| {
        format!(r#"{{"method":"POST","path":"/fapi/v1/order","times":1,"fault":{{"kind":"cut","when":"{when}"}}}}"#)
    };
    bench.fault(&cut("before")).await;
    assert!(bench.try_signed("POST", "/fapi/v1/order", MARKET).await.is_err());
    assert_eq!(orders(&bench).await, 0);
    bench.fault(&cut("after")).await;
    assert!(bench.try_signed("POST", "/fapi/v1/order", MARKET).await.is_err());
    assert_eq!(orders(&bench).await, 1);
    let found = bench.signed("GET", "/fapi/v1/order", "symbol=BTCUSDT&origClientOrderId=m").await;
    assert_eq!(found.json["status"], "FILLED");
}

#[tokio::test]
async fn answers_are_truncated_doubled_and_withheld() {
    let bench = Bench::new().await;
    let rule = |fault: &str| format!(r#"{{"path":"/fapi/v1/order","method":"POST","times":1,"fault":{fault}}}"#);
    bench.fault(&rule(r#"{"kind":"truncate","bytes":10}"#)).await;
    assert!(bench.try_signed("POST", "/fapi/v1/order", MARKET).await.is_err_and(|why| why.starts_with("truncated")));
    bench.fault(&rule(r#"{"kind":"unknown","acts":true}"#)).await;
    let answer = bench.order(MARKET).await;
    assert_eq!(
        (answer.status, answer.json["msg"].as_str().unwrap()),
        (503, "Unknown error, please check your request or try again later.")
    );
    bench.fault(&rule(r#"{"kind":"unavailable"}"#)).await;
    assert_eq!(bench.order(MARKET).await.json["msg"], "Service Unavailable.");
    bench.fault(&rule(r#"{"kind":"timeout","acts":true}"#)).await;
    let answer = bench.order(MARKET).await;
    assert_eq!((answer.status, answer.code()), (408, -1007));
    assert_eq!(orders(&bench).await, 3, "all but the unavailable one were done");
    bench.fault(&rule(r#"{"kind":"double"}"#)).await;
    assert_eq!(bench.order(MARKET).await.status, 200);
    assert_eq!(orders(&bench).await, 5, "a doubled MARKET order fills twice, as at the venue");
    let verdict = bench.admin("GET", "/audit", "").await.json;
    assert_eq!((&verdict["ok"], &verdict["violations"][0]["what"]), (&false.into(), &"client_id_used_again".into()));
    let table = bench.admin("GET", "/faults", "").await.json;
    assert_eq!(table["met"].as_array().unwrap().len(), 5);
    assert_eq!(bench.admin("DELETE", "/faults", "").await.json["removed"], 5);
}

#[tokio::test]
async fn a_request_that_is_held_up_past_its_window_is_refused() {
    let settings = Settings { speed: 10, ..Settings::default() };
    let bench = Bench::with(settings).await;
    bench.fault(r#"{"method":"POST","times":1,"fault":{"kind":"delay","ms":7000,"when":"before"}}"#).await;
    assert_eq!(bench.order(MARKET).await.code(), -1021);
    assert_eq!(bench.order(MARKET).await.status, 200);
}

#[tokio::test]
async fn a_stale_read_shows_the_past() {
    let bench = Bench::new().await;
    bench.fault(r#"{"path":"/fapi/v3/positionRisk","times":1,"fault":{"kind":"stale"}}"#).await;
    bench.order(MARKET).await;
    assert_eq!(bench.signed("GET", "/fapi/v3/positionRisk", "").await.body, "[]");
    assert_ne!(bench.signed("GET", "/fapi/v3/positionRisk", "").await.body, "[]");
}

#[tokio::test]
async fn limits_bans_and_any_refusal_can_be_asked_for() {
    let bench = Bench::new().await;
    bench.fault(r#"{"times":1,"fault":{"kind":"rate-limit"}}"#).await;
    assert_eq!(bench.open("/fapi/v1/time").await.status, 429);
    bench
        .fault(r#"{"method":"POST","contains":"reduceOnly=true","times":1,"fault":{"kind":"error","code":-4118}}"#)
        .await;
    bench.order(MARKET).await;
    let close = "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.01&reduceOnly=true";
    assert_eq!(bench.order(close).await.code(), -4118);
    assert_eq!(bench.order(close).await.status, 200);
    bench.fault(r#"{"times":1,"fault":{"kind":"ban","ms":60000}}"#).await;
    let banned = bench.open("/fapi/v1/time").await;
    assert_eq!(banned.status, 418);
    assert!(banned.json["msg"].as_str().unwrap().contains("banned until"));
    let wrong = bench.admin("POST", "/faults", r#"{"fault":{"kind":"odd"}}"#).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.json["message"].as_str().unwrap().contains("odd"));
}

#[tokio::test]
async fn a_stop_fails_on_demand() {
    let bench = Bench::new().await;
    let key = bench.listen_key().await;
    let stop = "symbol=BTCUSDT&side=SELL&type=STOP_MARKET&closePosition=true&triggerPrice=55000";
    // Right after the fill the service has not seen the position.
    bench.admin("POST", "/conditions", r#"{"position_unseen_ms":60000}"#).await;
    bench.order(MARKET).await;
    assert_eq!(bench.algo(stop).await.code(), -4509);
    bench.admin("POST", "/conditions", r#"{"position_unseen_ms":0,"child_refusals":1,"close_overlap":"refuse"}"#).await;
    assert_eq!(bench.algo(stop).await.status, 200);
    // A resting exit of the whole size blocks the close.
    let exit = "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=0.01&price=61000&reduceOnly=true";
    assert_eq!(bench.order(exit).await.status, 200);
    let close = "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.01&reduceOnly=true";
    assert_eq!(bench.order(close).await.code(), -4118);
    let mut socket = bench.socket(&format!("/private/ws?listenKey={key}")).await;
    bench.price("BTCUSDT", "54000").await;
    let frames = socket.until(|v| v["o"]["X"] == "REJECTED").await;
    assert_eq!(frames.last().unwrap()["o"]["rm"], "Reduce Only reject");
    assert_ne!(bench.signed("GET", "/fapi/v3/positionRisk", "").await.body, "[]", "the position is still there");
    bench.price("BTCUSDT", "56000").await;
    bench.algo(stop).await;
    bench.price("BTCUSDT", "54000").await;
    let verdict = bench.admin("GET", "/audit?naked_ms=60000", "").await.json;
    assert_eq!(verdict["naked_now"].as_array().unwrap().len(), 0, "the next stop works: {verdict}");
}

#[tokio::test]
async fn other_hands_and_the_venue_act_on_demand() {
    let bench = Bench::new().await;
    let hand = bench
        .admin(
            "POST",
            "/order",
            r#"{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","quantity":"0.02","price":"59000"}"#,
        )
        .await;
    assert!(hand.json["clientOrderId"].as_str().unwrap().starts_with("web_"), "{}", hand.body);
    let id = &hand.json["orderId"];
    let part = bench.admin("POST", "/fill", &format!(r#"{{"id":{id},"qty":"0.005"}}"#)).await;
    assert_eq!(part.json["filled"], "0.005");
    let open = bench.signed("GET", "/fapi/v1/openOrders", "").await;
    assert_eq!((&open.json[0]["status"], &open.json[0]["executedQty"]), (&"PARTIALLY_FILLED".into(), &"0.005".into()));
    assert_eq!(bench.admin("POST", "/cancel", &format!(r#"{{"id":{id}}}"#)).await.status, 200);
    assert_eq!(bench.admin("POST", "/cancel", &format!(r#"{{"id":{id}}}"#)).await.status, 409);
    let taken = bench.admin("POST", "/liquidate", r#"{"symbol":"BTCUSDT"}"#).await;
    assert_eq!(taken.json["taken"], "0.005");
    let forced = bench.signed("GET", "/fapi/v1/forceOrders", "").await;
    assert!(forced.json[0]["clientOrderId"].as_str().unwrap().starts_with("autoclose-"));
    bench.admin("POST", "/halt", r#"{"symbol":"BTCUSDT"}"#).await;
    assert_eq!(bench.order(MARKET).await.code(), -1122);
    bench.admin("POST", "/resume", r#"{"symbol":"BTCUSDT"}"#).await;
    assert_eq!(bench.order(MARKET).await.status, 200);
    bench.admin("POST", "/funding", r#"{"symbol":"BTCUSDT","rate":"0.001"}"#).await;
    assert_eq!(bench.admin("GET", "/nowhere", "").await.status, 404);
    assert!(bench.admin("GET", "/", "").await.json["routes"].as_array().unwrap().len() > 15);
}

#[tokio::test]
async fn the_verdict_tells_a_position_without_a_stop() {
    let bench = Bench::with(Settings { speed: 1_000, ..Settings::default() }).await;
    bench.order(&format!("{MARKET}&recvWindow=9000000")).await;
    for _ in 0..1_000 {
        let verdict = bench.admin("GET", "/audit", "").await.json;
        if verdict["ok"] == false {
            assert_eq!(verdict["violations"][0]["what"], "naked");
            return;
        }
        bench.emulator.clock().sleep(kraite_core::time::Millis(10_000)).await;
    }
    panic!("never told");
}

#[tokio::test]
async fn the_same_seed_is_the_same_market() {
    let settings = || Settings {
        market: kraite_sim::emulator::MarketSource::RandomWalk,
        seed: 7,
        speed: 10_000,
        start: Start::At(kraite_core::time::VenueMillis(1_700_000_000_000)),
        ..Settings::default()
    };
    let (one, other) = (Bench::with(settings()).await, Bench::with(settings()).await);
    let first = async |bench: &Bench| loop {
        let trades = bench.open("/fapi/v1/trades?symbol=BTCUSDT&limit=1000").await.json;
        let prices: Vec<String> = trades.as_array().unwrap().iter().take(20).map(|t| t["price"].to_string()).collect();
        if prices.len() == 20 {
            break prices;
        }
    };
    assert_eq!(first(&one).await, first(&other).await);
}

#[tokio::test]
async fn sockets_are_closed_cut_and_silenced() {
    let bench = Bench::new().await;
    let key = bench.listen_key().await;
    let mut user = bench.socket(&format!("/private/ws?listenKey={key}")).await;
    bench.admin("POST", "/streams", r#"{"do":"silence"}"#).await;
    bench.order(MARKET).await;
    assert!(user.hear().await.is_none());
    bench.admin("POST", "/streams", r#"{"do":"resume"}"#).await;
    bench.order(MARKET).await;
    assert!(user.hear().await.is_some());
    let dropped = bench.admin("POST", "/streams", r#"{"do":"cut","users":true}"#).await;
    assert_eq!(dropped.json["dropped"], 1);
}

#[tokio::test]
async fn presets_of_faults_hold_from_the_start() {
    let settings =
        Settings { faults: FaultRules::named("lost-replies", Protocol::Binance).unwrap(), ..Settings::default() };
    let bench = Bench::with(settings).await;
    let mut lost = 0;
    for n in 0..6 {
        let order = MARKET.replace("=m", &format!("=m{n}"));
        lost += usize::from(bench.try_signed("POST", "/fapi/v1/order", &order).await.is_err());
    }
    assert_eq!((lost, orders(&bench).await), (2, 6));
}
