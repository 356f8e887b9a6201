//! What is asked, and what an answer that is none is taken for.

use kraite_bitget::codec::{Generation, PairName};
use kraite_core::exchange::{
    Direction, Endpoint, Exchange, Lookup, OrderReport, PositionMode, ReadError, Reading, ReportStatus, ReportedId,
    Service,
};
use kraite_core::id::{Role, Symbol};

use crate::common::{BOTH, done, id, order_ref, pair, refused, revised};
use crate::server::{Reaction, account, answer, asked};
use crate::{backend, now};

const fn detail(generation: Generation) -> &'static str {
    match generation {
        Generation::Classic => "/api/v2/mix/order/detail",
        Generation::Unified => "/api/v3/trade/order-info",
    }
}

/// A regular order as either generation shows it.
fn order_row(generation: Generation, status: &str) -> String {
    let client = id(Role::Entry);
    match generation {
        Generation::Classic => format!(
            r#"{{"symbol":"ADAUSDT","size":"30","orderId":"11","clientOid":"{client}","baseVolume":"30","priceAvg":"0.37","price":"","state":"{status}","side":"buy","posSide":"long","tradeSide":"open","posMode":"hedge_mode","uTime":"1700000000600"}}"#
        ),
        Generation::Unified => format!(
            r#"{{"symbol":"ADAUSDT","category":"USDT-FUTURES","qty":"30","orderId":"11","clientOid":"{client}","cumExecQty":"30","avgPrice":"0.37","price":"","orderStatus":"{status}","side":"buy","posSide":"long","holdMode":"hedge_mode","tradeSide":"open","updatedTime":"1700000000600"}}"#
        ),
    }
}

#[tokio::test]
async fn s04_an_order_is_found_by_our_id_and_one_miss_is_one_miss() {
    for generation in BOTH {
        let server = account(generation, move |request, before| {
            assert_eq!(request.path(), detail(generation));
            match before {
                0 => answer(400, &refused(if generation == Generation::Classic { "40109" } else { "25204" })),
                1 => answer(200, &done("[]")),
                _ => answer(200, &done(&order_row(generation, "filled"))),
            }
        })
        .await;
        let backend = backend(&server).await;
        let order = order_ref(Role::Entry, Service::Regular, None);
        for _ in 0..2 {
            let before = now().minus(kraite_core::time::Millis(200));
            let reading = backend.lookup(&order, Endpoint::Order).await.unwrap();
            assert_eq!((reading.value, reading.complete, reading.endpoint), (Lookup::NotFound, true, Endpoint::Order));
            assert!(
                reading.sent_at >= before && reading.sent_at <= now(),
                "when it was asked, not when it was answered"
            );
        }
        let Lookup::Found(found) = backend.lookup(&order, Endpoint::Order).await.unwrap().value else { panic!() };
        assert_eq!((found[0].status, found[0].venue_id.as_str()), (ReportStatus::Filled, "11"));
        let query = asked(&server)[0].target.clone();
        assert!(query.contains(&format!("clientOid={}", id(Role::Entry))), "{query}");
    }
}

#[tokio::test]
async fn r89_what_cannot_be_read_is_never_a_miss_and_never_flat() {
    for generation in BOTH {
        for reaction in [
            answer(200, ""),
            answer(200, "{\"code\":\"00000\",\"da"),
            answer(200, &done("null")),
            answer(500, &refused("40109")),
            Reaction::Close,
            Reaction::Hang,
        ] {
            let shown = format!("{generation:?} {reaction:?}");
            let server = account(generation, move |_, _| reaction.clone()).await;
            let backend = backend(&server).await;
            for endpoint in [Endpoint::Order, Endpoint::OpenOrders, Endpoint::History] {
                for service in [Service::Regular, Service::PositionPlan] {
                    let order = order_ref(Role::Stop, service, None);
                    assert!(backend.lookup(&order, endpoint).await.is_err(), "{shown} {endpoint:?}");
                }
            }
            assert!(backend.positions().await.is_err(), "{shown}");
            assert!(backend.open_orders(None).await.is_err(), "{shown}");
            assert!(backend.balances().await.is_err(), "r109 {shown}");
        }
    }
}

#[tokio::test]
async fn r63_a_list_of_null_is_empty_and_a_malformed_row_makes_it_incomplete() {
    for generation in BOTH {
        let server = account(generation, move |_, before| {
            let rows = if before < 2 { "null" } else { r#"[{"symbol":"ADAUSDT","total":"30"}]"# };
            let list = if generation == Generation::Classic { "entrustedList" } else { "list" };
            answer(200, &done(&format!(r#"{{"{list}":{rows}}}"#)))
        })
        .await;
        let backend = backend(&server).await;
        let positions = backend.positions().await.unwrap();
        assert!(positions.complete && positions.value.is_empty());
        let positions = backend.positions().await.unwrap();
        assert!(!positions.complete && positions.value.is_empty(), "a row without a side is not guessed");
    }
}

#[tokio::test]
async fn a_classic_list_is_read_page_by_page_and_in_both_states() {
    let server = account(Generation::Classic, |request, _| {
        let at = request.parameter("idLessThan").map_or(500u32, |before| before.parse().unwrap());
        let rows = match (request.path(), request.parameter("status").as_deref()) {
            (path, _) if path.ends_with("orders-plan-pending") => Vec::new(),
            (_, Some("live")) if at > 350 => (1..=100)
                .map(|back| order_row(Generation::Classic, "live").replace(r#""11""#, &format!(r#""{}""#, at - back)))
                .collect(),
            (_, Some("partially_filled")) => vec![order_row(Generation::Classic, "partially_filled")],
            _ => Vec::new(),
        };
        let end = at - u32::try_from(rows.len()).unwrap();
        answer(200, &done(&format!(r#"{{"entrustedList":[{}],"endId":"{end}"}}"#, rows.join(","))))
    })
    .await;
    let open = backend(&server).await.open_orders(Some(Symbol::new("ADAUSDT"))).await.unwrap();
    assert!(open.complete);
    assert_eq!(open.value.len(), 201, "two full pages, and one that is partly filled");
}

#[tokio::test]
async fn a_unified_list_follows_its_cursor_and_a_full_page_without_one_is_not_whole() {
    for (with, complete) in [(true, true), (false, false)] {
        let server = account(Generation::Unified, move |request, _| {
            if request.path().ends_with("unfilled-strategy-orders") {
                return answer(200, &done("[]"));
            }
            let (rows, cursor) = match request.parameter("cursor") {
                None => (100, if with { r#""c1""# } else { "null" }),
                Some(_) => (1, "null"),
            };
            let rows = vec![order_row(Generation::Unified, "live"); rows].join(",");
            answer(200, &done(&format!(r#"{{"list":[{rows}],"cursor":{cursor}}}"#)))
        })
        .await;
        let open = backend(&server).await.open_orders(Some(Symbol::new("ADAUSDT"))).await.unwrap();
        assert_eq!((open.complete, open.value.len()), (complete, if with { 101 } else { 100 }));
    }
}

/// An overwrite may leave the old client id on the plan: what was accepted is found by the venue's id all the same.
#[tokio::test]
async fn r53_an_accepted_plan_is_found_by_the_venues_id_before_its_listed_id_is_trusted() {
    let old = pair(0, Direction::Long, PositionMode::Hedge);
    let name = PairName::of(&old).unwrap().text();
    for generation in BOTH {
        let (stop, name) = (old.stop.id, name.clone());
        let server = account(generation, move |_, _| match generation {
            Generation::Classic => answer(200, &done(&format!(
                r#"{{"entrustedList":[{{"planType":"pos_loss","symbol":"ADAUSDT","orderId":"11","clientOid":"{stop}","triggerPrice":"0.34","planStatus":"live","side":"buy","posSide":"long","posMode":"hedge_mode","tradeSide":"close","size":"0","uTime":"1700000000600"}}]}}"#
            ))),
            Generation::Unified => answer(200, &done(&format!(
                r#"[{{"orderId":"11","clientOid":"{name}","symbol":"ADAUSDT","type":"tpsl","posSide":"long","side":"sell","status":"pending","stopLoss":"0.34","takeProfit":"0.401","updatedTime":"1700000000600"}}]"#
            ))),
        })
        .await;
        let backend = backend(&server).await;
        let mut order = order_ref(Role::Stop, Service::PositionPlan, None);
        order.id = revised(Role::Stop, 1, 0);
        let by_id = backend.lookup(&order, Endpoint::OpenOrders).await.unwrap();
        assert_eq!(by_id.value, Lookup::NotFound, "nobody said that it stands there");
        let number = if generation == Generation::Classic { "plan:11" } else { "strategy:11:stop" };
        order.venue_id = Some(kraite_core::id::VenueOrderId::new(number));
        let Lookup::Found(found) = backend.lookup(&order, Endpoint::Order).await.unwrap().value else { panic!() };
        assert_eq!(found[0].id, ReportedId::Ours(order.id));
        // From now on the list is read in that light.
        let open = backend.open_orders(Some(Symbol::new("ADAUSDT"))).await.unwrap();
        assert!(open.value.iter().any(|row| row.id == ReportedId::Ours(order.id)), "{:?}", open.value);
    }
}

#[tokio::test]
async fn r69_what_a_plan_spawned_is_found_with_it() {
    let stop = id(Role::Stop);
    let name = PairName::of(&pair(0, Direction::Long, PositionMode::Hedge)).unwrap().text();
    for generation in BOTH {
        let name = name.clone();
        let server = account(generation, move |request, _| match (generation, request.path()) {
            (_, path) if path.ends_with("plan-pending") => answer(200, &done(r#"{"entrustedList":null}"#)),
            (_, path) if path.ends_with("unfilled-strategy-orders") => answer(200, &done("[]")),
            (_, path) if path.ends_with("plan-history") => answer(200, &done(&format!(
                r#"{{"entrustedList":[{{"planType":"pos_loss","symbol":"ADAUSDT","orderId":"11","clientOid":"{stop}","triggerPrice":"0.34","planStatus":"executed","side":"buy","posSide":"long","posMode":"hedge_mode","tradeSide":"close","size":"0","executeOrderId":"500","uTime":"1700000000600"}}]}}"#
            ))),
            (_, path) if path.ends_with("history-strategy-orders") => answer(200, &done(&format!(
                r#"{{"list":[{{"orderId":"11","clientOid":"{name}","symbol":"ADAUSDT","type":"tpsl","posSide":"long","side":"sell","status":"success","triggerType":"stopLoss","stopLoss":"0.34","takeProfit":"0.401","updatedTime":"1700000000600"}}]}}"#
            ))),
            (_, path) if path.ends_with("strategy-sub-orders") => answer(200, &done(
                r#"{"list":[{"subOrderId":"500","symbol":"ADAUSDT","qty":"30","cumExecQty":"30","avgPrice":"0.339","side":"sell","posSide":"long","status":"filled","updatedTime":"1700000000700"}]}"#,
            )),
            (Generation::Classic, "/api/v2/mix/order/detail") => answer(200, &done(
                r#"{"symbol":"ADAUSDT","size":"30","orderId":"500","clientOid":"900","baseVolume":"30","priceAvg":"0.339","price":"","state":"filled","side":"buy","posSide":"long","tradeSide":"close","posMode":"hedge_mode","orderSource":"pos_loss_market","uTime":"1700000000700"}"#,
            )),
            (Generation::Unified, "/api/v3/trade/order-info") => answer(400, &refused("25204")),
            (_, path) => panic!("{path}"),
        })
        .await;
        let order = order_ref(Role::Stop, Service::PositionPlan, None);
        let found = backend(&server).await.lookup(&order, Endpoint::Order).await.unwrap();
        let Lookup::Found(found) = found.value else { panic!("{found:?}") };
        assert_eq!(found[0].status, ReportStatus::Triggered);
        let filled = found.iter().find(|row| row.status == ReportStatus::Filled).expect("the child");
        assert_eq!((&filled.id, &filled.parent), (&ReportedId::Ours(stop), &Some(found[0].venue_id.clone())));
        assert_eq!(filled.executed, "30".parse().ok());
    }
}

/// A process that has just begun has not heard of it: the trade of a target that fired while nobody listened is the
/// target's, and not a stranger's.
#[tokio::test]
async fn r69_r107_a_history_tells_whose_order_a_strategy_spawned() {
    let told = history_with_spawned(
        r#"{"list":[{"subOrderId":"500","symbol":"ADAUSDT","qty":"30","cumExecQty":"30","avgPrice":"0.339","side":"sell","posSide":"long","status":"filled","updatedTime":"1700000000700"}]}"#,
    )
    .await;
    assert!(told.complete, "{told:?}");
    let child = told.value.iter().find(|row| row.status == ReportStatus::Filled).expect("the child");
    let leg = told.value.iter().find(|row| row.status == ReportStatus::Triggered).expect("the leg");
    assert_eq!((&child.id, &child.parent), (&ReportedId::Ours(id(Role::Stop)), &Some(leg.venue_id.clone())));
    assert_eq!(child.executed, "30".parse().ok());
    // What cannot be read of it may be what filled.
    assert!(!history_with_spawned(r#"{"list":[{"subOrderId":"500","symbol":7,"status":{}}]}"#).await.complete);
}

async fn history_with_spawned(spawned: &'static str) -> Reading<Vec<OrderReport>> {
    let name = PairName::of(&pair(0, Direction::Long, PositionMode::Hedge)).unwrap().text();
    let server = account(Generation::Unified, move |request, _| {
        let path = request.path();
        let list = if path.ends_with("unfilled-strategy-orders") {
            "[]".to_owned()
        } else if path.ends_with("history-strategy-orders") {
            format!(
                r#"{{"list":[{{"orderId":"11","clientOid":"{name}","symbol":"ADAUSDT","type":"tpsl","posSide":"long","side":"sell","status":"success","triggerType":"stopLoss","stopLoss":"0.34","takeProfit":"0.401","updatedTime":"1700000000600"}}]}}"#
            )
        } else if path.ends_with("strategy-sub-orders") {
            spawned.to_owned()
        } else {
            r#"{"list":null}"#.to_owned()
        };
        answer(200, &done(&list))
    })
    .await;
    let to = now();
    let from = to.minus(kraite_core::time::Millis::from_secs(3_600));
    backend(&server).await.history(&Symbol::new("ADAUSDT"), from, to).await.unwrap()
}

#[tokio::test]
async fn r09_the_history_asks_for_what_ended_and_what_is_open() {
    for generation in BOTH {
        let server = account(generation, move |request, _| {
            let list = match generation {
                Generation::Classic => r#"{"entrustedList":null}"#,
                Generation::Unified if request.path().ends_with("unfilled-strategy-orders") => "[]",
                Generation::Unified => r#"{"list":null}"#,
            };
            answer(200, &done(list))
        })
        .await;
        let to = now();
        let from = to.minus(kraite_core::time::Millis::from_secs(3_600));
        let reading = backend(&server).await.history(&Symbol::new("ADAUSDT"), from, to).await.unwrap();
        assert!(reading.complete && reading.value.is_empty());
        assert_eq!(asked(&server).len(), if generation == Generation::Classic { 5 } else { 4 });
    }
}

#[tokio::test]
async fn r109_a_product_line_without_a_balance_is_no_empty_account_and_an_account_without_any_is_an_error() {
    for (usdt, found) in [(true, true), (false, false)] {
        let server = account(Generation::Classic, move |request, _| {
            let row = r#"[{"marginCoin":"USDT","available":"90","crossedMaxAvailable":"80","accountEquity":"100","unrealizedPL":"0"}]"#;
            let has = usdt && request.parameters().contains("USDT");
            answer(200, &done(if has { row } else { "[]" }))
        })
        .await;
        match backend(&server).await.balances().await {
            Ok(balances) => {
                assert!(found);
                assert_eq!((balances.len(), balances[0].available), (1, "80".parse().unwrap()));
            }
            Err(error) => assert!(!found && matches!(error, ReadError::Undecodable(_))),
        }
    }
}

#[tokio::test]
async fn r105_all_contracts_are_asked_about_in_every_product_line_and_one_that_fails_fails_all() {
    for generation in BOTH {
        let server = account(generation, |request, _| {
            let usdc = request.parameters().contains("USDC");
            if usdc { answer(500, "") } else { answer(200, &done(r#"{"list":null}"#)) }
        })
        .await;
        assert!(matches!(
            backend(&server).await.positions().await,
            Err(ReadError::NoAnswer(_) | ReadError::Undecodable(_))
        ));
    }
}
