//! Orders, cancellations, closes, settings: what is sent and what is made of the answer.

use kraite_bitget::codec::Generation;
use kraite_core::exchange::{
    Amend, Cause, Direction, Exchange, MarginMode, NewOrder, OrderShape, Outcome, PositionMode, PositionRef,
    RejectKind, Service, Side, TriggerBy, TriggerSize,
};
use kraite_core::id::{Role, Symbol};
use kraite_core::time::Millis;

use crate::common::{BOTH, done, id, limit, market, new_order, order_ref, refused};
use crate::server::{Reaction, Request, Server, account, answer, asked, of_account};
use crate::{backend, config, is_accepted, kind, later, now, value};

fn entry() -> NewOrder {
    new_order(Role::Entry, Direction::Long, PositionMode::Hedge, market("30"))
}

fn rung(number: u8) -> NewOrder {
    new_order(Role::Rung(number), Direction::Long, PositionMode::Hedge, limit("0.3710", "60"))
}

fn close_order() -> NewOrder {
    new_order(Role::Close, Direction::Long, PositionMode::Hedge, market("30"))
}

const fn place_path(generation: Generation) -> &'static str {
    match generation {
        Generation::Classic => "/api/v2/mix/order/place-order",
        Generation::Unified => "/api/v3/trade/place-order",
    }
}

/// The answer to placing what was asked for.
fn placed(request: &Request) -> String {
    let client = value(&request.body, "clientOid").unwrap();
    done(&format!(r#"{{"orderId":"11","clientOid":"{client}"}}"#))
}

#[tokio::test]
async fn r108_every_order_states_product_margin_mode_and_self_trade_prevention() {
    for (generation, margin) in
        [(BOTH[0], "crossed"), (BOTH[1], "crossed"), (BOTH[0], "isolated"), (BOTH[1], "isolated")]
    {
        let server = Server::start(move |request, _| {
            of_account(generation, margin, request).unwrap_or_else(|| answer(200, &placed(request)))
        })
        .await;
        let backend = backend(&server).await;
        for order in [entry(), rung(1), close_order()] {
            let outcome = backend.place(&[order], later()).await.remove(0);
            let Outcome::Accepted(ack) = outcome else { panic!("{outcome:?}") };
            assert_eq!(ack.report.unwrap().venue_id.as_str(), "11");
        }
        let seen = asked(&server);
        assert_eq!(seen.len(), 3, "{generation:?}");
        for request in &seen {
            assert!(request.is("POST", place_path(generation)));
            let field = |name| value(&request.body, name);
            assert_eq!(field("marginMode").as_deref(), Some(margin));
            assert_eq!(field("stpMode").as_deref(), Some("none"));
            let product = if generation == Generation::Classic { "productType" } else { "category" };
            assert_eq!(field(product).as_deref(), Some("USDT-FUTURES"));
            for header in ["access-key", "access-sign", "access-timestamp", "access-passphrase"] {
                assert!(request.header(header).is_some(), "{header}");
            }
            assert_eq!(request.header("content-type"), Some("application/json"));
            assert_eq!(request.header("paptrading"), None);
        }
        // Closing a long in hedge mode is spelled the opposite way by the two generations.
        let close = &seen[2].body;
        match generation {
            Generation::Classic => {
                assert_eq!(
                    (value(close, "side"), value(close, "tradeSide")),
                    (Some("buy".into()), Some("close".into()))
                );
            }
            Generation::Unified => {
                assert_eq!((value(close, "side"), value(close, "posSide")), (Some("sell".into()), Some("long".into())));
            }
        }
        let setups = server.count("GET", crate::server::ACCOUNT) + server.count("GET", crate::server::SETTINGS);
        assert!(setups <= 2, "the setup is read once, not before every order: {setups}");
    }
}

#[tokio::test]
async fn r105_a_contract_of_another_quote_fails_before_any_request() {
    for generation in BOTH {
        let server = account(generation, |_, _| answer(200, &done("{}"))).await;
        let backend = backend(&server).await;
        let before = server.all().len();
        let order = NewOrder { symbol: Symbol::new("BTCUSD"), ..entry() };
        assert_eq!(kind(&backend.place(&[order], later()).await[0]), Some(RejectKind::Other));
        assert_eq!(server.all().len(), before);
    }
}

#[tokio::test]
async fn r105_contracts_in_usdc_are_of_the_other_product_line() {
    let server = account(Generation::Classic, |request, _| answer(200, &placed(request))).await;
    let order = NewOrder { symbol: Symbol::new("BTCPERP"), ..entry() };
    assert!(is_accepted(&backend(&server).await.place(&[order], later()).await[0]));
    let body = &asked(&server)[0].body;
    assert_eq!(value(body, "productType").as_deref(), Some("USDC-FUTURES"));
    assert_eq!(value(body, "marginCoin").as_deref(), Some("USDC"));
}

#[tokio::test]
async fn r108_without_a_margin_mode_nothing_is_sent() {
    // The settings say nothing of the contract. What is open on it may.
    for (open, sent) in [("", 0), (r#"{"symbol":"BTCUSDT","posSide":"long","total":"1","marginMode":"isolated"}"#, 1)] {
        let server = Server::start(move |request, _| match of_account(Generation::Unified, "", request) {
            Some(reaction) => reaction,
            None if request.path().ends_with("/position/current-position") => {
                answer(200, &format!(r#"{{"code":"00000","msg":"success","data":{{"list":[{open}]}}}}"#))
            }
            None => answer(200, &placed(request)),
        })
        .await;
        let order = NewOrder { symbol: Symbol::new("BTCUSDT"), ..entry() };
        let outcome = backend(&server).await.place(&[order], later()).await.remove(0);
        let refused = matches!(kind(&outcome), Some(RejectKind::Account | RejectKind::NotSent));
        assert_eq!(refused, sent == 0, "{outcome:?}");
        let orders = asked(&server).iter().filter(|request| !request.path().ends_with("current-position")).count();
        assert_eq!(orders, sent);
    }
}

#[tokio::test]
async fn r06_what_may_have_left_and_was_not_answered_is_unknown_and_sent_once() {
    for generation in BOTH {
        for (reaction, cause) in [
            (Reaction::Close, Cause::Disconnected),
            (Reaction::Hang, Cause::Timeout),
            (
                Reaction::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"code\":\"00000\"".to_vec()),
                Cause::Disconnected,
            ),
            (answer(200, ""), Cause::Undecodable),
            (answer(200, "<html></html>"), Cause::Undecodable),
            (answer(200, r#"{"code":"00000","msg":"success","data":null}"#), Cause::Undecodable),
            (answer(502, "bad gateway"), Cause::ServerError),
            (answer(400, &refused("40010")), Cause::Timeout),
        ] {
            let shown = format!("{generation:?} {reaction:?}");
            let server = account(generation, move |_, _| reaction.clone()).await;
            let outcome = backend(&server).await.place(&[entry()], later()).await.remove(0);
            let Outcome::Unknown(found) = outcome else { panic!("{shown}: {outcome:?}") };
            if shown.contains("40010") {
                continue;
            }
            assert_eq!(found, cause, "{shown}");
            assert_eq!(server.count("POST", place_path(generation)), 1, "{shown}");
        }
    }
}

#[tokio::test]
async fn r21_an_error_is_one_under_200_and_under_400_alike() {
    for generation in BOTH {
        for status in [200, 400] {
            for (code, wanted) in [
                ("40762", RejectKind::Margin),
                ("22002", RejectKind::NoPosition),
                ("43023", RejectKind::NoPosition),
                ("40891", RejectKind::NoPosition),
            ] {
                let server = account(generation, move |_, _| answer(status, &refused(code))).await;
                let outcome = backend(&server).await.place(&[close_order()], later()).await.remove(0);
                assert_eq!(kind(&outcome), Some(wanted), "{status} {code} {outcome:?}");
            }
        }
    }
}

/// A deep rung beyond the price band may go out later, when the mark is near, and not before.
#[tokio::test]
async fn r48_a_rung_outside_the_price_band_is_told_as_such() {
    for (generation, code) in
        [(Generation::Classic, "40815"), (Generation::Classic, "22047"), (Generation::Unified, "25206")]
    {
        let server = account(generation, move |_, _| answer(400, &refused(code))).await;
        let outcome = backend(&server).await.place(&[rung(4)], later()).await.remove(0);
        assert_eq!(kind(&outcome), Some(RejectKind::PriceBand), "{code}");
        assert!(!kind(&outcome).unwrap().is_retryable());
    }
}

#[tokio::test]
async fn r12_a_duplicate_id_is_an_order_to_be_looked_up() {
    for (generation, code) in [(Generation::Classic, "40786"), (Generation::Unified, "25212")] {
        let server = account(generation, move |_, _| answer(400, &refused(code))).await;
        let outcome = backend(&server).await.place(&[entry()], later()).await.remove(0);
        assert_eq!(outcome, Outcome::Unknown(Cause::DuplicateId));
    }
}

#[tokio::test]
async fn s04_nothing_is_signed_that_could_be_accepted_after_not_after() {
    for generation in BOTH {
        let server = account(generation, |request, _| answer(200, &placed(request))).await;
        let backend = backend(&server).await;
        let outcome = backend.place(&[entry()], now().plus(Millis::from_secs(29))).await.remove(0);
        assert_eq!(kind(&outcome), Some(RejectKind::NotSent));
        assert!(asked(&server).is_empty());
    }
}

#[tokio::test]
async fn r90_rungs_leave_together_and_each_has_its_own_outcome_by_id() {
    for generation in BOTH {
        let server = account(generation, move |request, _| {
            assert!(request.path().ends_with(if generation == Generation::Classic { "batch-place-order" } else { "place-batch" }));
            // In another order than they were sent, one refused, one left out.
            let (first, second) = (id(Role::Rung(1)), id(Role::Rung(2)));
            let body = match generation {
                Generation::Classic => format!(
                    r#"{{"successList":[{{"orderId":"22","clientOid":"{second}"}}],"failureList":[{{"orderId":"","clientOid":"{first}","errorMsg":"x","errorCode":"40762"}}]}}"#
                ),
                Generation::Unified => format!(
                    r#"[{{"orderId":"22","clientOid":"{second}","code":"00000"}},{{"clientOid":"{first}","code":"25202","msg":"x"}}]"#
                ),
            };
            answer(200, &done(&body))
        })
        .await;
        let outcomes = backend(&server).await.place(&[rung(1), rung(2), rung(3)], later()).await;
        assert!(matches!(&outcomes[0], Outcome::Rejected(_)), "{outcomes:?}");
        let Outcome::Accepted(ack) = &outcomes[1] else { panic!("{outcomes:?}") };
        assert_eq!(ack.report.as_ref().unwrap().venue_id.as_str(), "22");
        assert_eq!(outcomes[2], Outcome::Unknown(Cause::Undecodable));
        assert_eq!(asked(&server).len(), 1);
    }
}

#[tokio::test]
async fn a_classic_change_is_refused_and_a_unified_one_is_made_in_place() {
    let change = Amend {
        order: order_ref(Role::Target, Service::Regular, Some("11")),
        side: Side::Sell,
        price: "0.41".parse().unwrap(),
        qty: "30".parse().unwrap(),
    };
    let classic = account(Generation::Classic, |_, _| answer(200, &done("{}"))).await;
    assert_eq!(kind(&backend(&classic).await.amend(&change, later()).await), Some(RejectKind::Other));
    assert!(asked(&classic).is_empty());
    let unified = account(Generation::Unified, |_, _| answer(200, &done(r#"{"orderId":"11"}"#))).await;
    assert!(is_accepted(&backend(&unified).await.amend(&change, later()).await));
    let seen = asked(&unified);
    assert!(seen[0].is("POST", "/api/v3/trade/modify-order"));
    assert_eq!(value(&seen[0].body, "orderId").as_deref(), Some("11"));
}

#[tokio::test]
async fn r90_a_regular_order_is_cancelled_by_its_id() {
    for generation in BOTH {
        let server = account(generation, |request, before| match before {
            0 => answer(200, &done(&format!(r#"{{"orderId":"{}"}}"#, value(&request.body, "orderId").unwrap()))),
            _ => answer(400, &refused("40768")),
        })
        .await;
        let backend = backend(&server).await;
        let order = order_ref(Role::Rung(1), Service::Regular, Some("11"));
        assert!(is_accepted(&backend.cancel(&order, later()).await));
        assert_eq!(kind(&backend.cancel(&order, later()).await), Some(RejectKind::UnknownOrder), "r13");
    }
}

#[tokio::test]
async fn a_classic_plan_is_cancelled_with_its_kind_and_two_empty_lists_are_no_success() {
    let server = account(Generation::Classic, |_, before| {
        let row = if before == 0 { r#"{"orderId":"11","clientOid":""}"# } else { "" };
        answer(200, &done(&format!(r#"{{"successList":[{row}],"failureList":[]}}"#)))
    })
    .await;
    let backend = backend(&server).await;
    let plan = order_ref(Role::Stop, Service::PositionPlan, Some("plan:11"));
    assert!(is_accepted(&backend.cancel(&plan, later()).await));
    assert_eq!(kind(&backend.cancel(&plan, later()).await), Some(RejectKind::UnknownOrder));
    for request in asked(&server) {
        assert!(request.is("POST", "/api/v2/mix/order/cancel-plan-order"));
        assert_eq!(value(&request.body, "planType").as_deref(), Some("pos_loss"));
    }
}

#[tokio::test]
async fn a_stop_over_a_quantity_goes_to_the_service_of_plans() {
    let shape = OrderShape::StopMarket {
        trigger: "0.34".parse().unwrap(),
        by: TriggerBy::Mark,
        size: TriggerSize::Qty("30".parse().unwrap()),
    };
    let order = new_order(Role::Stop, Direction::Long, PositionMode::Hedge, shape);
    for (generation, path, venue_id) in [
        (Generation::Classic, "/api/v2/mix/order/place-tpsl-order", "plan:11"),
        (Generation::Unified, "/api/v3/trade/place-strategy-order", "strategy:11:stop"),
    ] {
        let server = account(generation, |request, _| answer(200, &placed(request))).await;
        let outcome = backend(&server).await.place(std::slice::from_ref(&order), later()).await.remove(0);
        let Outcome::Accepted(ack) = outcome else { panic!("{outcome:?}") };
        assert_eq!(ack.report.unwrap().venue_id.as_str(), venue_id);
        assert!(asked(&server)[0].is("POST", path));
    }
}

fn position(mode: PositionMode) -> PositionRef {
    PositionRef { symbol: Symbol::new("ADAUSDT"), direction: Direction::Long, mode }
}

const fn close_path(generation: Generation) -> &'static str {
    match generation {
        Generation::Classic => "/api/v2/mix/order/close-positions",
        Generation::Unified => "/api/v3/trade/close-positions",
    }
}

#[tokio::test]
async fn r110_a_close_names_contract_and_side_and_a_flat_one_is_told() {
    for generation in BOTH {
        let server = account(generation, move |_, before| match before {
            0 if generation == Generation::Classic => {
                answer(200, &done(r#"{"successList":[{"orderId":"9","symbol":"ADAUSDT"}],"failureList":[]}"#))
            }
            0 => answer(200, &done(r#"{"list":[{"orderId":"9","symbol":"ADAUSDT","code":"00000"}]}"#)),
            _ => answer(400, &refused(if generation == Generation::Classic { "22002" } else { "25227" })),
        })
        .await;
        let config = config(&server).clock(std::sync::Arc::new(kraite_bitget::SystemClock::scaled(20)));
        let config = config.timeouts(Millis(200), Millis::from_secs(10));
        let backend = kraite_bitget::Bitget::connect(config, crate::common::credentials()).await.unwrap();
        let far = later().plus(Millis::from_secs(3_600));
        assert!(is_accepted(&backend.close_position(&position(PositionMode::Hedge), far).await));
        // Once in a second: the next one waits for its turn elsewhere.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let flat = backend.close_position(&position(PositionMode::Hedge), far).await;
        assert_eq!(kind(&flat), Some(RejectKind::NoPosition), "{flat:?}");
        for request in asked(&server) {
            assert!(request.is("POST", close_path(generation)));
            let side = if generation == Generation::Classic { "holdSide" } else { "posSide" };
            assert_eq!(value(&request.body, "symbol").as_deref(), Some("ADAUSDT"));
            assert_eq!(value(&request.body, side).as_deref(), Some("long"));
        }
    }
}

#[tokio::test]
async fn r85_in_one_way_mode_a_position_of_the_other_side_is_not_closed() {
    for generation in BOTH {
        for (side, sent) in [("short", 0), ("long", 1)] {
            let server = account(generation, move |request, _| match request.method.as_str() {
                "GET" => {
                    let row =
                        format!(r#"[{{"symbol":"ADAUSDT","holdSide":"{side}","posSide":"{side}","total":"30"}}]"#);
                    let list = if generation == Generation::Classic { row } else { format!(r#"{{"list":{row}}}"#) };
                    answer(200, &done(&list))
                }
                _ => answer(200, &done(r#"{"successList":[],"failureList":[]}"#)),
            })
            .await;
            let outcome = backend(&server).await.close_position(&position(PositionMode::OneWay), later()).await;
            assert_eq!(kind(&outcome), Some(RejectKind::NoPosition), "{outcome:?}");
            assert_eq!(server.count("POST", close_path(generation)), sent);
        }
        // An empty answer is not flat (R89).
        let server = account(generation, |_, _| answer(200, "")).await;
        let outcome = backend(&server).await.close_position(&position(PositionMode::OneWay), later()).await;
        assert_eq!(kind(&outcome), Some(RejectKind::NotSent), "{outcome:?}");
    }
}

#[tokio::test]
async fn r35_leverage_is_accepted_once_it_is_seen() {
    let classic = account(Generation::Classic, |_, before| {
        let leverage = if before == 0 { "20" } else { "10" };
        answer(
            200,
            &done(&format!(r#"{{"symbol":"ADAUSDT","crossMarginLeverage":"{leverage}","marginMode":"crossed"}}"#)),
        )
    })
    .await;
    let on_classic = backend(&classic).await;
    let symbol = Symbol::new("ADAUSDT");
    assert!(is_accepted(&on_classic.set_leverage(&symbol, 20, later()).await));
    assert!(matches!(on_classic.set_leverage(&symbol, 20, later()).await, Outcome::Unknown(_)));
    // The unified API says no more than that it was done: the settings still say 10.
    let unified = account(Generation::Unified, |_, _| answer(200, &done("\"success\""))).await;
    let on_unified = backend(&unified).await;
    assert!(is_accepted(&on_unified.set_leverage(&symbol, 10, later()).await));
    assert!(matches!(on_unified.set_leverage(&symbol, 20, later()).await, Outcome::Unknown(_)));
}

#[tokio::test]
async fn r35_a_margin_mode_that_is_there_already_is_not_sent() {
    for generation in BOTH {
        let server = account(generation, |_, _| answer(200, &done("\"success\""))).await;
        let backend = backend(&server).await;
        let symbol = Symbol::new("ADAUSDT");
        assert!(is_accepted(&backend.set_margin_mode(&symbol, MarginMode::Cross, later()).await));
        assert!(asked(&server).is_empty());
        assert!(!is_accepted(&backend.set_margin_mode(&symbol, MarginMode::Isolated, later()).await), "not seen");
        assert_eq!(asked(&server).len(), 1);
    }
}
