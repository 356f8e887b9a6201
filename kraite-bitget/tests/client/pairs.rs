//! Stop and target of a position: one call that overwrites, or one strategy behind two orders.

use kraite_bitget::LocalClock as _;
use kraite_bitget::codec::{Generation, PairName};
use kraite_core::exchange::{
    Cause, Direction, Exchange, Outcome, PairOutcome, PositionMode, PositionTpsl, RejectKind, Service,
};
use kraite_core::id::{Role, VenueOrderId};
use kraite_core::time::Millis;

use crate::common::{BOTH, credentials, done, order_ref, pair, refused, revised};
use crate::server::{Reaction, Request, Server, account, answer, asked};
use crate::{backend, config, is_accepted, kind, later, value};

const PLACE_V2: &str = "/api/v2/mix/order/place-pos-tpsl";
const PENDING_V2: &str = "/api/v2/mix/order/orders-plan-pending";
const PLACE_V3: &str = "/api/v3/trade/place-strategy-order";
const CHANGE_V3: &str = "/api/v3/trade/modify-strategy-order";
const CANCEL_V3: &str = "/api/v3/trade/cancel-strategy-order";
const PENDING_V3: &str = "/api/v3/trade/unfilled-strategy-orders";

fn the_pair() -> PositionTpsl {
    pair(0, Direction::Long, PositionMode::Hedge)
}

fn row_of(number: &str, key: &str, id: kraite_core::id::ClientOrderId) -> String {
    format!(r#"{{"orderId":"{number}","{key}":"{id}"}}"#)
}

/// The rows that a classic call answers, in that order.
fn rows(rows: &[String]) -> String {
    done(&format!("[{}]", rows.join(",")))
}

fn stop_row() -> String {
    row_of("11", "stopLossClientOid", the_pair().stop.id)
}

fn target_row() -> String {
    row_of("12", "stopSurplusClientOid", the_pair().target.id)
}

/// A plan as the list of those that wait shows it.
fn waiting(kind: &str, number: &str, id: kraite_core::id::ClientOrderId, trigger: &str) -> String {
    format!(
        r#"{{"planType":"{kind}","symbol":"ADAUSDT","orderId":"{number}","clientOid":"{id}","triggerPrice":"{trigger}","planStatus":"live","side":"buy","posSide":"long","posMode":"hedge_mode","tradeSide":"close","size":"0","uTime":"1700000000600"}}"#
    )
}

fn list(rows: &str) -> String {
    done(&format!(r#"{{"entrustedList":{rows},"endId":null}}"#))
}

fn strategy(number: &str, client: &str, stop: &str, target: &str) -> String {
    format!(
        r#"{{"orderId":"{number}","clientOid":"{client}","category":"USDT-FUTURES","symbol":"ADAUSDT","type":"tpsl","posSide":"long","side":"sell","status":"pending","stopLoss":"{stop}","takeProfit":"{target}","updatedTime":"1700000000600"}}"#
    )
}

fn name(of: &PositionTpsl) -> String {
    PairName::of(of).unwrap().text().to_string()
}

fn venue_ids(outcome: &PairOutcome) -> [Option<String>; 2] {
    [&outcome.stop, &outcome.target].map(|leg| match leg {
        Outcome::Accepted(ack) => ack.report.as_ref().map(|report| report.venue_id.to_string()),
        Outcome::Rejected(_) | Outcome::Unknown(_) => None,
    })
}

async fn classic(answered: String, listed: String) -> (Server, PairOutcome) {
    let server = account(Generation::Classic, move |request, _| match request.path() {
        PLACE_V2 => answer(200, &answered),
        PENDING_V2 => answer(200, &listed),
        path => panic!("{path}"),
    })
    .await;
    let outcome = backend(&server).await.place_position_tpsl(&the_pair(), later()).await;
    (server, outcome)
}

#[tokio::test]
async fn r41_the_classic_pair_carries_both_ids_and_its_rows_are_bound_by_id_and_not_by_place() {
    for order in [[stop_row(), target_row()], [target_row(), stop_row()]] {
        let (server, outcome) = classic(rows(&order), list("null")).await;
        assert_eq!(venue_ids(&outcome), [Some("plan:11".into()), Some("plan:12".into())]);
        let seen = asked(&server);
        assert!(seen[0].is("POST", PLACE_V2));
        let field = |name| value(&seen[0].body, name);
        assert_eq!(field("stopLossClientOid"), Some(the_pair().stop.id.to_string()));
        assert_eq!(field("stopSurplusClientOid"), Some(the_pair().target.id.to_string()));
        assert_eq!(field("stopLossTriggerPrice").as_deref(), Some("0.34"));
        assert_eq!(field("stopSurplusTriggerPrice").as_deref(), Some("0.401"));
        assert!(seen[1].is("GET", PENDING_V2), "both legs are read back");
        assert_eq!(seen.len(), 2);
    }
}

#[tokio::test]
async fn r43_a_missing_leg_is_told_of_that_leg_alone() {
    let (_, outcome) = classic(rows(&[target_row()]), list("[]")).await;
    assert_eq!(outcome.stop, Outcome::Unknown(Cause::Undecodable), "the core acts on the stop");
    assert_eq!(venue_ids(&outcome), [None, Some("plan:12".into())]);
    let (_, outcome) = classic(rows(&[stop_row()]), list("[]")).await;
    assert_eq!(outcome.target, Outcome::Unknown(Cause::Undecodable));
    assert_eq!(venue_ids(&outcome), [Some("plan:11".into()), None]);
}

#[tokio::test]
async fn r79_a_leg_that_the_answer_left_out_is_found_by_reading_back_at_the_price_that_was_asked_for() {
    let stop = the_pair().stop.id;
    let listed = |trigger| list(&format!("[{}]", waiting("pos_loss", "11", stop, trigger)));
    let (_, outcome) = classic(rows(&[target_row()]), listed("0.34")).await;
    assert_eq!(venue_ids(&outcome), [Some("plan:11".into()), Some("plan:12".into())]);
    let Outcome::Accepted(ack) = &outcome.stop else { panic!("{outcome:?}") };
    assert_eq!(ack.report.as_ref().unwrap().stated.unwrap().price, "0.34".parse().ok());
    // Another price is another call's: the leg stays in doubt.
    let (_, outcome) = classic(rows(&[target_row()]), listed("0.33")).await;
    assert_eq!(outcome.stop, Outcome::Unknown(Cause::Undecodable));
}

#[tokio::test]
async fn r06_a_pair_without_an_answer_is_unknown_leg_by_leg_and_not_sent_again() {
    for (generation, path) in [(Generation::Classic, PLACE_V2), (Generation::Unified, PLACE_V3)] {
        for reaction in [
            Reaction::Close,
            Reaction::Hang,
            answer(200, ""),
            answer(200, "{\"code\":\"00000\",\"data\":null}"),
            answer(200, "{\"code\":\"000"),
            answer(500, &refused("43023")),
        ] {
            let shown = format!("{generation:?} {reaction:?}");
            let server = account(generation, move |_, _| reaction.clone()).await;
            let outcome = backend(&server).await.place_position_tpsl(&the_pair(), later()).await;
            assert!(matches!((&outcome.stop, &outcome.target), (Outcome::Unknown(_), Outcome::Unknown(_))), "{shown}");
            assert_eq!(server.count("POST", path), 1, "{shown}");
        }
    }
}

#[tokio::test]
async fn r110_no_position_right_after_a_fill_is_retryable_and_no_reading_of_the_position() {
    for (generation, code) in [
        (Generation::Classic, "43023"),
        (Generation::Classic, "22002"),
        (Generation::Classic, "40891"),
        (Generation::Unified, "25601"),
    ] {
        for status in [200, 400] {
            let server = account(generation, move |_, _| answer(status, &refused(code))).await;
            let outcome = backend(&server).await.place_position_tpsl(&the_pair(), later()).await;
            for leg in [outcome.stop, outcome.target] {
                assert_eq!(kind(&leg), Some(RejectKind::NoPosition));
                assert!(kind(&leg).unwrap().is_retryable());
            }
            assert_eq!(asked(&server).len(), 1, "nothing is read back of what was refused");
        }
    }
}

#[tokio::test]
async fn r42_an_overwrite_restates_both_legs() {
    let second = pair(1, Direction::Long, PositionMode::Hedge);
    let answered = rows(&[stop_row(), target_row()]);
    let server = account(Generation::Classic, move |request, _| match request.path() {
        PLACE_V2 => answer(200, &answered),
        _ => answer(200, &list("[]")),
    })
    .await;
    let backend = backend(&server).await;
    backend.place_position_tpsl(&the_pair(), later()).await;
    // The venue keeps the old ids on the plans: they are those of the same legs.
    let outcome = backend.place_position_tpsl(&second, later()).await;
    assert_eq!(venue_ids(&outcome), [Some("plan:11".into()), Some("plan:12".into())]);
    let seen: Vec<Request> = asked(&server).into_iter().filter(|request| request.path() == PLACE_V2).collect();
    for name in ["stopLossTriggerPrice", "stopSurplusTriggerPrice", "stopLossClientOid", "stopSurplusClientOid"] {
        assert!(value(&seen[1].body, name).is_some(), "{name}");
    }
    assert_eq!(value(&seen[1].body, "stopLossClientOid"), Some(second.stop.id.to_string()));
}

#[tokio::test]
async fn r107_one_strategy_stands_behind_both_legs_and_a_second_pair_changes_it() {
    let first = name(&the_pair());
    let server = account(Generation::Unified, move |request, _| match request.path() {
        PLACE_V3 => answer(200, &done(&format!(r#"{{"orderId":"77","clientOid":"{first}"}}"#))),
        CHANGE_V3 => answer(200, &done("null")),
        PENDING_V3 => answer(200, &done(&format!("[{}]", strategy("77", &first, "0.34", "0.401")))),
        path => panic!("{path}"),
    })
    .await;
    let backend = backend(&server).await;
    let ids = [Some("strategy:77:stop".to_owned()), Some("strategy:77:target".to_owned())];
    assert_eq!(venue_ids(&backend.place_position_tpsl(&the_pair(), later()).await), ids);
    let second = pair(1, Direction::Long, PositionMode::Hedge);
    let outcome = backend.place_position_tpsl(&second, later()).await;
    assert_eq!(venue_ids(&outcome), ids);
    let Outcome::Accepted(ack) = &outcome.target else { panic!("{outcome:?}") };
    let report = ack.report.as_ref().unwrap();
    assert_eq!(report.id, kraite_core::exchange::ReportedId::Ours(second.target.id), "the list still has the old name");
    assert_eq!((server.count("POST", PLACE_V3), server.count("POST", CHANGE_V3)), (1, 1));
    let change = asked(&server).into_iter().find(|request| request.path() == CHANGE_V3).unwrap();
    assert_eq!(value(&change.body, "orderId").as_deref(), Some("77"));
    assert_eq!(value(&change.body, "stopLoss").as_deref(), Some("0.34"));
    assert_eq!(value(&change.body, "takeProfit").as_deref(), Some("0.401"));
}

/// The strategy is listed with one leg: no lag of the list explains that, and the other leg is in doubt.
#[tokio::test]
async fn b14_a_strategy_that_is_listed_without_its_stop_leaves_the_stop_in_doubt() {
    let server = account(Generation::Unified, |request, _| match request.path() {
        PLACE_V3 => answer(200, &done(&format!(r#"{{"orderId":"77","clientOid":"{}"}}"#, name(&the_pair())))),
        PENDING_V3 => {
            let target = the_pair().target.trigger.to_string();
            answer(200, &done(&format!("[{}]", strategy("77", &name(&the_pair()), "", &target))))
        }
        path => panic!("{path}"),
    })
    .await;
    let outcome = backend(&server).await.place_position_tpsl(&the_pair(), later()).await;
    assert!(matches!(outcome.stop, Outcome::Unknown(_)), "{outcome:?}");
    assert!(is_accepted(&outcome.target), "{outcome:?}");
}

#[tokio::test]
async fn r107_a_strategy_that_exists_and_is_ours_is_adopted_and_changed() {
    let old = pair(0, Direction::Long, PositionMode::Hedge);
    let client = name(&old);
    let server = account(Generation::Unified, move |request, _| match request.path() {
        PLACE_V3 => answer(400, &refused("25594")),
        CHANGE_V3 => answer(200, &done(r#"{"orderId":"77"}"#)),
        PENDING_V3 => answer(200, &done(&format!("[{}]", strategy("77", &client, "0.30", "0.50")))),
        path => panic!("{path}"),
    })
    .await;
    let outcome =
        backend(&server).await.place_position_tpsl(&pair(1, Direction::Long, PositionMode::Hedge), later()).await;
    assert_eq!(venue_ids(&outcome), [Some("strategy:77:stop".into()), Some("strategy:77:target".into())]);
    assert_eq!(server.count("POST", CHANGE_V3), 1);
}

#[tokio::test]
async fn r99_a_strategy_of_somebody_else_is_left_alone() {
    let server = account(Generation::Unified, move |request, _| match request.path() {
        PLACE_V3 => answer(400, &refused("25594")),
        PENDING_V3 => answer(200, &done(&format!("[{}]", strategy("77", "theirs", "0.30", "0.50")))),
        path => panic!("{path}"),
    })
    .await;
    let outcome = backend(&server).await.place_position_tpsl(&the_pair(), later()).await;
    assert_eq!(kind(&outcome.stop), Some(RejectKind::AlreadyExists));
    assert_eq!(server.count("POST", CHANGE_V3), 0);
}

/// Lists lag: one that exists and is not listed yet is asked for again soon, and is no refusal of the pair.
#[tokio::test]
async fn r107_a_strategy_that_exists_and_is_not_listed_yet_is_waited_for() {
    for listed in [answer(200, &done("[]")), answer(500, "")] {
        let server = account(Generation::Unified, move |request, _| match request.path() {
            PLACE_V3 => answer(400, &refused("25594")),
            PENDING_V3 => listed.clone(),
            path => panic!("{path}"),
        })
        .await;
        let outcome = backend(&server).await.place_position_tpsl(&the_pair(), later()).await;
        for leg in [outcome.stop, outcome.target] {
            assert_eq!(kind(&leg), Some(RejectKind::ChangePending));
        }
        assert_eq!(server.count("POST", CHANGE_V3), 0);
    }
}

#[tokio::test]
async fn a_strategy_that_is_gone_is_placed_anew() {
    let server = account(Generation::Unified, move |request, before| match (request.path(), before) {
        (PLACE_V3, _) => {
            let client = value(&request.body, "clientOid").unwrap();
            answer(200, &done(&format!(r#"{{"orderId":"7{before}","clientOid":"{client}"}}"#)))
        }
        (CHANGE_V3, _) => answer(400, &refused("25597")),
        _ => answer(200, &done("[]")),
    })
    .await;
    let backend = backend(&server).await;
    backend.place_position_tpsl(&the_pair(), later()).await;
    let outcome = backend.place_position_tpsl(&pair(1, Direction::Long, PositionMode::Hedge), later()).await;
    assert_eq!(venue_ids(&outcome), [Some("strategy:71:stop".into()), Some("strategy:71:target".into())]);
}

#[tokio::test]
async fn r107_one_leg_of_a_strategy_is_not_cancelled_while_the_other_is_open_and_wanted() {
    let client = name(&the_pair());
    let server = account(Generation::Unified, move |request, _| match request.path() {
        PENDING_V3 => answer(200, &done(&format!("[{}]", strategy("77", &client, "0.34", "0.401")))),
        CANCEL_V3 => answer(200, &done("null")),
        path => panic!("{path}"),
    })
    .await;
    let backend = backend(&server).await;
    let stop = order_ref(Role::Stop, Service::PositionPlan, Some("strategy:77:stop"));
    let target = order_ref(Role::Target, Service::PositionPlan, Some("strategy:77:target"));
    for _ in 0..2 {
        let outcome = backend.cancel(&target, later()).await;
        assert_eq!(kind(&outcome), Some(RejectKind::ChangePending), "{outcome:?}");
    }
    assert_eq!(server.count("POST", CANCEL_V3), 0, "the stop stands");
    assert!(is_accepted(&backend.cancel(&stop, later()).await), "neither is wanted");
    assert_eq!(server.count("POST", CANCEL_V3), 1);
}

/// After a restart the list still shows the ids of an earlier pair.
#[tokio::test]
async fn r107_both_legs_are_known_by_the_venues_id_whatever_id_the_list_shows() {
    let client = name(&the_pair());
    let server = account(Generation::Unified, move |request, _| match request.path() {
        PENDING_V3 => answer(200, &done(&format!("[{}]", strategy("77", &client, "0.34", "0.401")))),
        CANCEL_V3 => answer(200, &done("null")),
        path => panic!("{path}"),
    })
    .await;
    let backend = backend(&server).await;
    let leg = |role, number| {
        let mut order = order_ref(role, Service::PositionPlan, Some(number));
        order.id = revised(role, 1, 0);
        order
    };
    let stop = backend.cancel(&leg(Role::Stop, "strategy:77:stop"), later()).await;
    assert_eq!(kind(&stop), Some(RejectKind::ChangePending));
    assert!(is_accepted(&backend.cancel(&leg(Role::Target, "strategy:77:target"), later()).await));
}

/// A pair that is set anew wants both legs again.
#[tokio::test]
async fn r107_what_was_not_wanted_before_a_change_is_wanted_after_it() {
    let client = name(&the_pair());
    let server = account(Generation::Unified, move |request, _| match request.path() {
        PLACE_V3 => answer(400, &refused("25594")),
        CHANGE_V3 => answer(400, &refused("25600")),
        PENDING_V3 => answer(200, &done(&format!("[{}]", strategy("77", &client, "0.34", "0.401")))),
        path => panic!("{path}"),
    })
    .await;
    let backend = backend(&server).await;
    let target = order_ref(Role::Target, Service::PositionPlan, Some("strategy:77:target"));
    let stop = order_ref(Role::Stop, Service::PositionPlan, Some("strategy:77:stop"));
    assert_eq!(kind(&backend.cancel(&target, later()).await), Some(RejectKind::ChangePending));
    let outcome = backend.place_position_tpsl(&pair(1, Direction::Long, PositionMode::Hedge), later()).await;
    assert!(is_accepted(&outcome.stop), "r14: {outcome:?}");
    assert_eq!(kind(&backend.cancel(&stop, later()).await), Some(RejectKind::ChangePending), "the target is wanted");
    assert_eq!(server.count("POST", CANCEL_V3), 0);
}

#[tokio::test]
async fn a_list_that_hangs_does_not_keep_an_accepted_pair_from_the_core() {
    let answered = rows(&[stop_row(), target_row()]);
    let server = account(Generation::Classic, move |request, _| match request.path() {
        PLACE_V2 => answer(200, &answered),
        _ => Reaction::Hang,
    })
    .await;
    let clock = std::sync::Arc::new(kraite_bitget::SystemClock::scaled(20));
    let config = config(&server).clock(clock.clone());
    let config = config.timeouts(Millis(200), Millis::from_secs(30));
    let backend = kraite_bitget::Bitget::connect(config, credentials()).await.unwrap();
    let far = later().plus(Millis::from_secs(3_600));
    let before = clock.now();
    let outcome = backend.place_position_tpsl(&the_pair(), far).await;
    assert!(is_accepted(&outcome.stop) && is_accepted(&outcome.target));
    assert!(clock.now().since(before) < Millis::from_secs(10), "{}", clock.now().since(before));
}

#[tokio::test]
async fn r107_a_leg_that_no_strategy_holds_is_not_open() {
    let server = account(Generation::Unified, |_, _| answer(200, &done("[]"))).await;
    let mut stop = order_ref(Role::Stop, Service::PositionPlan, None);
    stop.id = revised(Role::Stop, 3, 0);
    stop.venue_id = Some(VenueOrderId::new("strategy:77:stop"));
    assert_eq!(kind(&backend(&server).await.cancel(&stop, later()).await), Some(RejectKind::UnknownOrder));
    assert_eq!(server.count("POST", CANCEL_V3), 0);
}

#[tokio::test]
async fn a_pair_of_two_positions_is_not_sent() {
    let mut odd = the_pair();
    std::mem::swap(&mut odd.stop.id, &mut odd.target.id);
    for generation in BOTH {
        let server = account(generation, |_, _| answer(200, &done("[]"))).await;
        let outcome = backend(&server).await.place_position_tpsl(&odd, later()).await;
        assert_eq!(kind(&outcome.stop), Some(RejectKind::Other));
        assert!(asked(&server).is_empty());
    }
}
