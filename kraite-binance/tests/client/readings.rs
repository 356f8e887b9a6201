//! Look-ups, lists, histories, configuration.

use kraite_binance::{Binance, ConnectError, KeyPolicy};
use kraite_core::exchange::{Endpoint, Exchange, Lookup, PositionMode, ReadError, ReportStatus, Service};
use kraite_core::id::{Role, Symbol, VenueOrderId};
use kraite_core::time::{Millis, VenueMillis};

use crate::common::{credentials, id, order_ref};
use crate::server::{Reaction, Request, Server, answer};
use crate::{backend, config, now};

const MISSING: &str = r#"{"code":-2013,"msg":"Order does not exist."}"#;

fn regular(number: u64, client: &str, status: &str) -> String {
    format!(
        r#"{{"orderId":{number},"clientOrderId":"{client}","symbol":"ADAUSDT","side":"SELL","positionSide":"LONG","status":"{status}","type":"MARKET","origType":"STOP_MARKET","origQty":"30","executedQty":"30","avgPrice":"0.34","updateTime":1700000000000}}"#
    )
}

fn algo(number: u64, client: &str, status: &str, child: &str) -> String {
    format!(
        r#"{{"algoId":{number},"clientAlgoId":"{client}","symbol":"ADAUSDT","side":"SELL","positionSide":"LONG","orderType":"STOP_MARKET","algoStatus":"{status}","triggerPrice":"0.34","quantity":"0","closePosition":true,"actualOrderId":"{child}","updateTime":1700000000000}}"#
    )
}

fn client_id(role: Role) -> String {
    id(role, 3).to_string()
}

fn named(request: &Request) -> (String, String) {
    (request.method.clone(), request.path().to_owned())
}

#[tokio::test]
async fn r03_an_order_is_found_by_its_id_and_a_miss_is_only_a_miss() {
    let server = Server::start(|request, _| match request.parameter("origClientOrderId") {
        Some(client) if client == client_id(Role::Entry) => answer(200, &regular(7, &client, "FILLED")),
        _ => answer(400, MISSING),
    })
    .await;
    let backend = backend(&server).await;
    let before = now();
    let reading = backend.lookup(&order_ref(Role::Entry, Service::Regular, None), Endpoint::Order).await.unwrap();
    assert!(reading.complete && reading.endpoint == Endpoint::Order);
    assert!(reading.sent_at >= before.minus(Millis(1_000)) && reading.sent_at <= now());
    let Lookup::Found(reports) = reading.value else { panic!() };
    assert_eq!((reports.len(), reports[0].status), (1, ReportStatus::Filled));
    let missing = backend.lookup(&order_ref(Role::Target, Service::Regular, None), Endpoint::Order).await.unwrap();
    assert_eq!(missing.value, Lookup::NotFound);
    let other = backend.lookup(&order_ref(Role::Target, Service::Regular, None), Endpoint::Positions).await;
    assert!(matches!(other, Err(ReadError::Refused(_))));
}

#[tokio::test]
async fn r69_a_stop_that_fired_is_found_with_its_child() {
    let server = Server::start(|request, _| match request.path() {
        "/fapi/v1/algoOrder" => answer(200, &algo(9, &client_id(Role::Stop), "FINISHED", "88")),
        _ if request.parameter("orderId").as_deref() == Some("88") => {
            answer(200, &regular(88, &client_id(Role::Stop), "FILLED"))
        }
        _ => answer(400, MISSING),
    })
    .await;
    let stop = order_ref(Role::Stop, Service::Conditional, None);
    let reading = backend(&server).await.lookup(&stop, Endpoint::Order).await.unwrap();
    let Lookup::Found(reports) = reading.value else { panic!() };
    assert_eq!(reports[0].status, ReportStatus::Triggered);
    let child = reports.last().unwrap();
    assert_eq!((child.status, child.service), (ReportStatus::Filled, Service::Regular));
    assert_eq!(child.parent, Some(VenueOrderId::new("algo:9")));
    assert!(child.average_price.is_some());
}

#[tokio::test]
async fn r69_a_stop_that_its_own_service_has_forgotten_is_found_by_its_child() {
    let server = Server::start(|request, _| match request.path() {
        "/fapi/v1/order" => answer(200, &regular(88, &client_id(Role::Stop), "FILLED")),
        _ => answer(400, MISSING),
    })
    .await;
    let stop = order_ref(Role::Stop, Service::Conditional, Some("algo:9"));
    let reading = backend(&server).await.lookup(&stop, Endpoint::Order).await.unwrap();
    let Lookup::Found(reports) = reading.value else { panic!() };
    assert!(reports[0].parent.is_some());
    assert_eq!(server.seen().iter().map(named).count(), 2);
}

#[tokio::test]
async fn open_orders_are_those_of_both_services() {
    let server = Server::start(|request, before| match (request.path(), before) {
        ("/fapi/v1/openAlgoOrders", _) => answer(200, &format!("[{}]", algo(9, &client_id(Role::Stop), "NEW", ""))),
        ("/fapi/v1/openOrders", 0) => answer(200, &format!("[{}]", regular(7, &client_id(Role::Target), "NEW"))),
        ("/fapi/v1/openOrders", 1) => {
            answer(200, &format!("[{},{{\"orderId\":\"no number\"}}]", regular(7, &client_id(Role::Target), "NEW")))
        }
        _ => Reaction::Close,
    })
    .await;
    let backend = backend(&server).await;
    let ada = Symbol::new("ADAUSDT");
    let both = backend.open_orders(Some(ada.clone())).await.unwrap();
    assert!(both.complete);
    assert_eq!(both.value.iter().map(|row| row.service).collect::<Vec<_>>(), [Service::Conditional, Service::Regular]);
    assert!(server.seen().iter().all(|request| request.parameter("symbol").as_deref() == Some("ADAUSDT")));
    let torn = backend.open_orders(None).await.unwrap();
    assert!(!torn.complete && torn.value.len() == 2, "r89");
    assert!(server.seen().last().unwrap().parameter("symbol").is_none());
    assert!(backend.open_orders(Some(ada)).await.is_err(), "one service alone is no answer");
}

#[tokio::test]
async fn a_history_is_read_in_windows_and_pages_over_both_services() {
    let server = Server::start(|request, _| match request.path() {
        "/fapi/v1/allOrders" if request.parameter("orderId").is_none() => {
            let rows: Vec<String> = (1..=1_000).map(|number| regular(number, "web_1", "FILLED")).collect();
            answer(200, &format!("[{}]", rows.join(",")))
        }
        "/fapi/v1/allOrders" => answer(200, &format!("[{}]", regular(1_001, "web_2", "FILLED"))),
        _ => answer(200, "[]"),
    })
    .await;
    let backend = backend(&server).await;
    let day = 86_400_000;
    let from = now().minus(Millis(10 * day));
    let reading = backend.history(&Symbol::new("ADAUSDT"), from, now().plus(Millis(5_000))).await.unwrap();
    assert!(reading.complete && reading.endpoint == Endpoint::History);
    assert_eq!(reading.value.len(), 2 * 1_001);
    let pages: Vec<Request> = server.seen().into_iter().filter(|r| r.path() == "/fapi/v1/allOrders").collect();
    assert_eq!(pages.len(), 4, "two windows of two pages");
    for page in pages {
        let at = |name| page.parameter(name).unwrap().parse::<i64>().unwrap();
        assert!(at("endTime") - at("startTime") < 7 * day);
        assert!(at("endTime") <= now().0 + 1_000, "never ahead of the venue");
    }
    let old = backend.history(&Symbol::new("ADAUSDT"), VenueMillis(0), VenueMillis(1)).await.unwrap();
    assert!(!old.complete, "r10: beyond the venue's memory");
}

#[tokio::test]
async fn fills_name_their_order_by_number_only() {
    let server = Server::start(|_, _| {
        answer(200, r#"[{"symbol":"ADAUSDT","id":698759,"orderId":7,"side":"BUY","price":"0.385","qty":"30","commission":"0.005","commissionAsset":"USDT","maker":false,"time":1700000000000}]"#)
    })
    .await;
    let backend = backend(&server).await;
    let known = order_ref(Role::Entry, Service::Regular, Some("7"));
    let Lookup::Found(rows) = backend.lookup(&known, Endpoint::Fills).await.unwrap().value else { panic!() };
    assert!(rows[0].trade.is_some() && rows[0].executed.is_none());
    let unknown = order_ref(Role::Entry, Service::Regular, None);
    assert_eq!(backend.lookup(&unknown, Endpoint::Fills).await.unwrap().value, Lookup::Unknowable);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn rules_come_with_brackets_and_a_broken_contract_does_not_hide_the_others() {
    const RULES: &str = r#"{"rateLimits":[{"interval":"MINUTE","intervalNum":1,"limit":6000,"rateLimitType":"REQUEST_WEIGHT"}],"symbols":[{"symbol":"BLZUSDT","contractType":"PERPETUAL","status":"TRADING","quoteAsset":"USDT","filters":[{"filterType":"PRICE_FILTER","maxPrice":"300","minPrice":"0.0001","tickSize":"0.0001"},{"filterType":"LOT_SIZE","maxQty":"10000000","minQty":"1","stepSize":"1"},{"filterType":"MARKET_LOT_SIZE","maxQty":"590119","minQty":"1","stepSize":"1"},{"filterType":"MAX_NUM_ORDERS","limit":200},{"filterType":"MIN_NOTIONAL","notional":"5.0"},{"filterType":"PERCENT_PRICE","multiplierUp":"1.1500","multiplierDown":"0.8500","multiplierDecimal":"4"}]},{"symbol":"ODDUSDT","contractType":"PERPETUAL","status":"TRADING","quoteAsset":"USDT","filters":[]}]}"#;
    const BRACKETS: &str = r#"[{"symbol":"BLZUSDT","brackets":[{"bracket":1,"initialLeverage":75,"notionalCap":10000,"notionalFloor":0,"maintMarginRatio":0.0065,"cum":0.0}]}]"#;
    let server = Server::start(|request, _| match request.path() {
        "/fapi/v1/exchangeInfo" => answer(200, RULES),
        _ => answer(200, BRACKETS),
    })
    .await;
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = std::sync::Arc::clone(&told);
    let config = config(&server).watch(std::sync::Arc::new(move |what| heard.lock().unwrap().push(what)));
    let backend = Binance::connect(config, credentials()).await.unwrap();
    let rules = backend.instruments().await.unwrap();
    assert_eq!(rules.len(), 1);
    assert_eq!(rules[0].brackets.len(), 1);
    assert_eq!(told.lock().unwrap().len(), 1, "the other is told of");
    assert_eq!(backend.leverage_brackets(&Symbol::new("BLZUSDT")).await.unwrap().len(), 1);
    assert!(backend.leverage_brackets(&Symbol::new("ODDUSDT")).await.is_err());
}

#[tokio::test]
async fn small_readings_are_read_and_failures_are_no_empty_answers() {
    let server = Server::start(|request, _| match request.path() {
        "/fapi/v1/premiumIndex" => answer(200, r#"{"symbol":"ADAUSDT","markPrice":"0.41","time":1700000000000}"#),
        "/fapi/v1/positionSide/dual" => answer(200, r#"{"dualSidePosition":true}"#),
        "/fapi/v3/balance" => answer(200, "[]"),
        "/fapi/v1/commissionRate" => {
            answer(200, r#"{"symbol":"ADAUSDT","makerCommissionRate":"0.0002","takerCommissionRate":"0.0004"}"#)
        }
        _ => answer(401, r#"{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}"#),
    })
    .await;
    let backend = backend(&server).await;
    let ada = Symbol::new("ADAUSDT");
    assert_eq!(backend.mark_price(&ada).await.unwrap().price, "0.41".parse().unwrap());
    assert!(backend.mark_price(&Symbol::new("BTCUSDT")).await.is_err(), "the mark of another contract is no answer");
    assert_eq!(backend.position_mode().await.unwrap(), PositionMode::Hedge);
    assert!(backend.balances().await.is_err(), "r109");
    assert_eq!(backend.fee_rates(&ada).await.unwrap().1, "0.0004".parse().unwrap());
    assert!(matches!(backend.positions().await, Err(ReadError::Refused(_))));
}

#[tokio::test]
async fn r109_a_key_that_may_withdraw_or_of_unknown_rights_is_refused() {
    let rights = |withdraw: &str, futures: &str| {
        format!(
            r#"{{"ipRestrict":true,{futures}{withdraw}"enableInternalTransfer":false,"permitsUniversalTransfer":false}}"#
        )
    };
    let trades = r#""enableFutures":true,"#;
    for (body, expected) in [
        (rights(r#""enableWithdrawals":true,"#, trades), Some(ConnectError::MayWithdraw)),
        (rights("", trades), Some(ConnectError::RightsUnknown)),
        (rights(r#""enableWithdrawals":false,"#, ""), Some(ConnectError::RightsUnknown)),
        (rights(r#""enableWithdrawals":false,"#, r#""enableFutures":false,"#), Some(ConnectError::MayNotTrade)),
        (rights(r#""enableWithdrawals":false,"#, trades), None),
    ] {
        let server = Server::start(move |_, _| answer(200, &body)).await;
        let config = config(&server).keys(KeyPolicy::MustNotWithdraw);
        assert_eq!(Binance::connect(config, credentials()).await.err(), expected);
        assert!(server.seen()[0].is("GET", "/sapi/v1/account/apiRestrictions"));
    }
}

#[tokio::test]
async fn an_account_in_another_position_mode_is_refused_and_not_changed() {
    let server = Server::start(|_, _| answer(200, r#"{"dualSidePosition":false}"#)).await;
    let config = config(&server).position_mode(PositionMode::Hedge);
    let error = Binance::connect(config, credentials()).await.err();
    assert_eq!(error, Some(ConnectError::Mode { wanted: PositionMode::Hedge, found: PositionMode::OneWay }));
    assert!(server.seen().iter().all(|request| request.method == "GET"));
}
