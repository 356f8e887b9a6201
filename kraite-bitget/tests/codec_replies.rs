//! Answers, whole and mutilated, into outcomes and readings.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use common::{BOTH, SENT, answer, done, id, limit, market, ok, order, order_ref, pair, refused, revised, terms};
use kraite_bitget::codec::calls::{Placement, classic, unified};
use kraite_bitget::codec::{
    Answer, Asked, Generation, Interpreter, Leg, PairName, PastPosition, Product, Setup, balances, classic_setup,
    closed, fee_rates, generation, key_rights, leverage_set, margin_of_position, margin_set, marks, mode_set,
    past_positions, plan_id, positions, regular_id, reply, server_time, setting_set, strategy_id, unified_setup,
};
use kraite_core::exchange::{
    Ack, Cause, Direction, KeyRights, Lookup, MarginMode, OrderReport, OrderShape, Outcome, PairOutcome, PositionMode,
    ReadError, RejectKind, ReportStatus, ReportedId, Service, Side, TriggerBy, TriggerSize, VenueCause,
};
use kraite_core::id::{Role, Symbol, VenueOrderId};
use kraite_core::time::VenueMillis;

const UNDECODABLE: Outcome = Outcome::Unknown(Cause::Undecodable);
const TAKEN: Outcome = Outcome::Accepted(Ack { report: None });
const ANSWERED: VenueMillis = VenueMillis(1_700_000_000_500);

fn entry() -> kraite_bitget::codec::calls::Order {
    order(Role::Entry, Direction::Long, PositionMode::Hedge, market("30"))
}

fn report(outcome: &Outcome) -> &OrderReport {
    match outcome {
        Outcome::Accepted(Ack { report: Some(report) }) => report,
        other => panic!("{other:?}"),
    }
}

fn kind(outcome: &Outcome) -> RejectKind {
    match outcome {
        Outcome::Rejected(reject) => reject.kind,
        other => panic!("{other:?}"),
    }
}

fn placed(data: &str) -> Outcome {
    Interpreter::new().placed_order(&entry(), SENT, ok(&done(data)))
}

#[test]
fn r15_a_placed_order_is_numbered_and_nothing_more() {
    let e = id(Role::Entry);
    let outcome = placed(&format!(r#"{{"orderId":"1190384645049036801","clientOid":"{e}"}}"#));
    let report = report(&outcome);
    assert_eq!((&report.id, &report.venue_id), (&ReportedId::Ours(e), &regular_id("1190384645049036801")));
    assert_eq!((report.status, report.at, report.service), (ReportStatus::New, ANSWERED, Service::Regular));
    assert_eq!((report.side, report.direction), (Side::Buy, Direction::Long));
    assert_eq!((report.stated, report.executed), (None, None));
    // A reduce-only order that made the venue cancel others is answered without its number.
    assert_eq!(placed(&format!(r#"{{"orderId":null,"clientOid":"{e}"}}"#)), TAKEN);
    assert!(matches!(placed(r#"{"orderId":"7"}"#), Outcome::Accepted(Ack { report: Some(_) })));
}

#[test]
fn r21_r06_every_class_of_envelope() {
    let e = id(Role::Entry);
    let mine = format!(r#"{{"orderId":"1","clientOid":"{e}"}}"#);
    let other = id(Role::Close);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let whole = done(&mine);
    let cut = whole.get(..whole.len() - 9).unwrap();
    for body in [
        "",
        " ",
        "{}",
        "[]",
        "null",
        "<html>",
        "\u{feff}{}",
        cut,
        &done("null"),
        &done("{}"),
        &done("[]"),
        &done("7"),
        &done(&deep),
        &done(&format!(r#"{{"orderId":"1","clientOid":"{other}"}}"#)),
        &done(r#"{"orderId":"","clientOid":""}"#),
        &format!(r#"{{"code":0,"data":{mine}}}"#),
        &format!(r#"{{"code":"0","data":{mine}}}"#),
        &format!(r#"{{"data":{mine}}}"#),
        &whole.replace("\"code\":\"00000\"", "\"code\":\"00000\",\"code\":\"40754\""),
    ] {
        let shown: String = body.chars().take(80).collect();
        assert_eq!(Interpreter::new().placed_order(&entry(), SENT, ok(body)), UNDECODABLE, "{shown}");
        let named = order_ref(Role::Entry, Service::Regular, None);
        assert_eq!(Interpreter::new().cancelled(&named, ok(body)), UNDECODABLE, "{shown}");
    }
    // The same refusal under 200 and under 400.
    for status in [200, 400] {
        let outcome = Interpreter::new().placed_order(&entry(), SENT, answer(status, &refused("40754")));
        assert_eq!(kind(&outcome), RejectKind::Margin);
    }
    // Success claimed under a status that denies it.
    for status in [400, 500, 503] {
        let outcome = Interpreter::new().placed_order(&entry(), SENT, answer(status, &whole));
        assert!(matches!(outcome, Outcome::Unknown(_)), "{status}");
    }
    let duplicate = Interpreter::new().placed_order(&entry(), SENT, answer(400, &refused("40786")));
    assert_eq!(duplicate, Outcome::Unknown(Cause::DuplicateId));
    // Depth in a field that nobody reads is passed over.
    let odd = done(&format!(r#"{{"orderId":"1","clientOid":"{e}","x":{deep}}}"#));
    assert!(matches!(Interpreter::new().placed_order(&entry(), SENT, ok(&odd)), Outcome::Accepted(_)));
}

#[test]
fn b13_the_legs_of_a_batch_are_matched_by_client_id_and_never_by_place() {
    let orders: Vec<_> =
        (1..=4).map(|n| order(Role::Rung(n), Direction::Long, PositionMode::Hedge, limit("1", "5"))).collect();
    let [one, two, three] = [1, 2, 3].map(|n| id(Role::Rung(n)));
    let classic = format!(
        r#"{{"successList":[{{"orderId":"22","clientOid":"{two}"}},{{"orderId":"11","clientOid":"{one}"}}],
        "failureList":[{{"orderId":"","clientOid":"{three}","errorMsg":"balance","errorCode":"40754"}}]}}"#
    );
    let unified = format!(
        r#"[{{"orderId":"22","clientOid":"{two}","code":"0","msg":"success"}},
        {{"orderId":"","clientOid":"{three}","code":"25202","msg":"balance"}},
        {{"orderId":"11","clientOid":"{one}","code":"","msg":""}}]"#
    );
    for data in [classic, unified] {
        let outcomes = Interpreter::new().placed_batch(&orders, SENT, ok(&done(&data)));
        assert_eq!(report(&outcomes[0]).venue_id, regular_id("11"));
        assert_eq!(report(&outcomes[1]).venue_id, regular_id("22"));
        assert_eq!(kind(&outcomes[2]), RejectKind::Margin);
        assert_eq!(outcomes[3], UNDECODABLE, "in no list");
    }
    let both = format!(
        r#"{{"successList":[{{"orderId":"1","clientOid":"{one}"}}],"failureList":[{{"clientOid":"{one}","errorCode":"40754"}}]}}"#
    );
    assert_eq!(Interpreter::new().placed_batch(&orders, SENT, ok(&done(&both)))[0], UNDECODABLE);
    for body in ["", "{}", &done("null"), &done("{}"), &done("[]")] {
        assert_eq!(Interpreter::new().placed_batch(&orders, SENT, ok(body)), vec![UNDECODABLE; 4], "{body}");
    }
    let refused = Interpreter::new().placed_batch(&orders, SENT, answer(400, &refused("40774")));
    assert!(refused.iter().all(|outcome| kind(outcome) == RejectKind::Account) && refused.len() == 4);
}

fn classic_pair(interpreter: &mut Interpreter, revision: u16, body: Answer<'_>) -> PairOutcome {
    let pair = pair(revision, Direction::Long, PositionMode::Hedge);
    interpreter.placed_pair(&classic::PlacePair::of(&pair, Product::Usdt).unwrap(), SENT, body)
}

#[test]
fn r41_the_rows_of_a_pair_are_bound_by_client_id_in_any_order() {
    let (stop, target) = (id(Role::Stop), id(Role::Target));
    let stop_row = format!(r#"{{"orderId":"11","stopSurplusClientOid":"","stopLossClientOid":"{stop}"}}"#);
    let target_row = format!(r#"{{"orderId":"22","stopSurplusClientOid":"{target}","stopLossClientOid":null}}"#);
    for rows in [format!("[{stop_row},{target_row}]"), format!("[{target_row},{stop_row}]")] {
        let outcome = classic_pair(&mut Interpreter::new(), 0, ok(&done(&rows)));
        let (s, t) = (report(&outcome.stop), report(&outcome.target));
        assert_eq!((&s.id, &s.venue_id), (&ReportedId::Ours(stop), &plan_id("11")));
        assert_eq!((&t.id, &t.venue_id), (&ReportedId::Ours(target), &plan_id("22")));
        assert_eq!((s.service, s.side, s.direction), (Service::PositionPlan, Side::Sell, Direction::Long));
    }
    // One leg only: the other is in doubt.
    let outcome = classic_pair(&mut Interpreter::new(), 0, ok(&done(&format!("[{stop_row}]"))));
    assert!(matches!(outcome.stop, Outcome::Accepted(Ack { report: Some(_) })));
    assert_eq!(outcome.target, UNDECODABLE);
    // A row with both ids may be either's: taken, and read back.
    let both = format!(r#"{{"orderId":"11","stopSurplusClientOid":"{target}","stopLossClientOid":"{stop}"}}"#);
    let outcome = classic_pair(&mut Interpreter::new(), 0, ok(&done(&format!("[{both},{both}]"))));
    assert_eq!((outcome.stop, outcome.target), (TAKEN, TAKEN));
    // Two different plans under one leg's id: neither is believed to be it.
    let twice = stop_row.replace("\"11\"", "\"12\"");
    let outcome = classic_pair(&mut Interpreter::new(), 0, ok(&done(&format!("[{stop_row},{twice},{target_row}]"))));
    assert_eq!(outcome.stop, TAKEN);
    // Rows that name nobody, or somebody else, or have no number.
    for rows in [
        "[]",
        "null",
        "{}",
        "[{}]",
        r#"[{"orderId":"11"},{"orderId":"22"}]"#,
        r#"[{"orderId":"11","stopLossClientOid":"theirs"},{"orderId":"22","stopSurplusClientOid":"theirs"}]"#,
        &format!(r#"[{{"orderId":null,"stopLossClientOid":"{stop}"}}]"#),
        // Each leg under the other's name.
        &format!(
            r#"[{{"orderId":"1","stopLossClientOid":"{target}"}},{{"orderId":"2","stopSurplusClientOid":"{stop}"}}]"#
        ),
    ] {
        let outcome = classic_pair(&mut Interpreter::new(), 0, ok(&done(rows)));
        assert_eq!((outcome.stop, outcome.target), (UNDECODABLE, UNDECODABLE), "{rows}");
    }
}

#[test]
fn r42_an_overwrite_may_keep_the_ids_or_take_the_new_ones() {
    let (old_stop, old_target) = (id(Role::Stop), id(Role::Target));
    let kept = format!(
        r#"[{{"orderId":"11","stopLossClientOid":"{old_stop}"}},{{"orderId":"22","stopSurplusClientOid":"{old_target}"}}]"#
    );
    let mut interpreter = Interpreter::new();
    classic_pair(&mut interpreter, 0, ok(&done(&kept)));
    let outcome = classic_pair(&mut interpreter, 1, ok(&done(&kept)));
    assert_eq!(report(&outcome.stop).id, ReportedId::Ours(revised(Role::Stop, 1, 0)));
    assert_eq!(report(&outcome.stop).venue_id, plan_id("11"));
    // The list still has the old ids; what stands there is the new pair.
    let row = format!(
        r#"[{{"planType":"pos_loss","symbol":"ADAUSDT","orderId":"11","clientOid":"{old_stop}","triggerPrice":"0.34","planStatus":"live","side":"buy","posSide":"long","posMode":"hedge_mode","tradeSide":"close","size":"0","uTime":"5"}}]"#
    );
    let body = done(&format!(r#"{{"entrustedList":{row},"endId":"11"}}"#));
    let rows = interpreter.plans(Generation::Classic, SENT, ok(&body)).unwrap();
    assert!(rows.complete);
    assert_eq!(rows.next.as_deref(), Some("11"));
    assert_eq!(rows.rows[0].id, ReportedId::Ours(revised(Role::Stop, 1, 0)));
    // A fresh process finds by the venue's id what it was told of, and nothing by an id that nobody has seen.
    let mut fresh = Interpreter::new();
    let rows = fresh.plans(Generation::Classic, SENT, ok(&body)).unwrap().rows;
    let mut wanted = order_ref(Role::Stop, Service::PositionPlan, None);
    wanted.id = revised(Role::Stop, 1, 0);
    assert_eq!(fresh.found(&wanted, &rows), Lookup::NotFound);
    wanted.venue_id = Some(plan_id("11"));
    match fresh.found(&wanted, &rows) {
        Lookup::Found(found) => assert_eq!(found[0].id, ReportedId::Ours(wanted.id)),
        other => panic!("{other:?}"),
    }
    // The order that was overwritten is not found any more.
    let old = order_ref(Role::Stop, Service::PositionPlan, Some("plan:11"));
    let rows = interpreter.plans(Generation::Classic, SENT, ok(&body)).unwrap().rows;
    assert_eq!(interpreter.found(&old, &rows), Lookup::NotFound);
}

#[test]
fn r87_a_pair_refused_right_after_the_fill_may_be_repeated_and_says_nothing_about_the_position() {
    for code in ["43023", "22002", "40891", "45068", "31008", "40837"] {
        let outcome = classic_pair(&mut Interpreter::new(), 0, answer(400, &refused(code)));
        assert_eq!((kind(&outcome.stop), kind(&outcome.target)), (RejectKind::NoPosition, RejectKind::NoPosition));
        assert!(kind(&outcome.stop).is_retryable());
    }
    let call = unified::PlacePair::of(&pair(0, Direction::Long, PositionMode::Hedge), Product::Usdt).unwrap();
    let outcome = Interpreter::new().placed_strategy(&call, SENT, answer(400, &refused("25601")));
    assert_eq!((kind(&outcome.stop), kind(&outcome.target)), (RejectKind::NoPosition, RejectKind::NoPosition));
}

#[test]
fn r107_one_strategy_is_two_orders() {
    let whole = pair(0, Direction::Long, PositionMode::Hedge);
    let call = unified::PlacePair::of(&whole, Product::Usdt).unwrap();
    let name = call.name().text();
    let mut interpreter = Interpreter::new();
    let body = done(&format!(r#"{{"orderId":"77","clientOid":"{name}"}}"#));
    let outcome = interpreter.placed_strategy(&call, SENT, ok(&body));
    assert_eq!(report(&outcome.stop).venue_id, strategy_id("77", Leg::Stop));
    assert_eq!(report(&outcome.target).venue_id, strategy_id("77", Leg::Target));
    assert_eq!(report(&outcome.target).id, ReportedId::Ours(id(Role::Target)));
    // Another one exists: refused as that, for both.
    let refusal = interpreter.placed_strategy(&call, SENT, answer(400, &refused("25594")));
    assert_eq!((kind(&refusal.stop), kind(&refusal.target)), (RejectKind::AlreadyExists, RejectKind::AlreadyExists));
    for data in ["null", "{}", "[]", r#"{"orderId":"78","clientOid":"somebody"}"#] {
        let outcome = Interpreter::new().placed_strategy(&call, SENT, ok(&done(data)));
        assert_eq!((outcome.stop, outcome.target), (UNDECODABLE, UNDECODABLE), "{data}");
    }
    // Other prices: the ids, or nothing.
    let change = unified::ModifyPair { strategy: "77".into(), pair: pair(1, Direction::Long, PositionMode::Hedge) };
    for data in ["null", r#"{"orderId":"77","clientOid":"x"}"#, "{}"] {
        let outcome = interpreter.changed_strategy(&change, SENT, ok(&done(data)));
        assert_eq!(report(&outcome.stop).id, ReportedId::Ours(revised(Role::Stop, 1, 0)), "{data}");
        assert_eq!(report(&outcome.target).venue_id, strategy_id("77", Leg::Target), "{data}");
    }
    let other = interpreter.changed_strategy(&change, SENT, ok(&done(r#"{"orderId":"78"}"#)));
    assert_eq!((other.stop, other.target), (UNDECODABLE, UNDECODABLE));
    let same = interpreter.changed_strategy(&change, SENT, answer(400, &refused("25600")));
    assert_eq!((same.stop, same.target), (TAKEN, TAKEN), "r14");
    // An empty 200 is not an answer.
    assert_eq!(interpreter.changed_strategy(&change, SENT, ok("")).stop, UNDECODABLE);
}

fn strategy_row(extra: &str) -> String {
    let name = PairName::of(&pair(0, Direction::Long, PositionMode::Hedge)).unwrap().text();
    done(&format!(
        r#"[{{"orderId":"77","clientOid":"{name}","category":"USDT-FUTURES","symbol":"ADAUSDT","qty":"","posSide":"long","takeProfit":"0.401","stopLoss":"0.34","createdTime":"5","updatedTime":"6",{extra}}}]"#
    ))
}

#[test]
fn r107_a_row_of_a_strategy_is_both_legs_to_a_worker_with_an_empty_disk() {
    let mut fresh = Interpreter::new();
    let rows = fresh.plans(Generation::Unified, SENT, ok(&strategy_row(r#""status":"pending""#))).unwrap();
    let [stop, target] = &rows.rows[..] else { panic!("{rows:?}") };
    assert_eq!((&stop.id, &target.id), (&ReportedId::Ours(id(Role::Stop)), &ReportedId::Ours(id(Role::Target))));
    assert_eq!((stop.stated.unwrap().price, target.stated.unwrap().price), ("0.34".parse().ok(), "0.401".parse().ok()));
    assert_eq!((stop.side, stop.direction, stop.status), (Side::Sell, Direction::Long, ReportStatus::New));
    assert_eq!((stop.stated.unwrap().qty, stop.at), (None, VenueMillis(6)));
    let wanted = order_ref(Role::Target, Service::PositionPlan, None);
    assert!(matches!(fresh.found(&wanted, &rows.rows), Lookup::Found(found) if found.len() == 1));
}

#[test]
fn r69_a_strategy_that_fired_says_which_leg_or_is_not_believed() {
    let read = |extra: &str| {
        let rows = Interpreter::new().plans(Generation::Unified, SENT, ok(&strategy_row(extra))).unwrap();
        (rows.complete, rows.rows.iter().map(|report| report.status).collect::<Vec<_>>())
    };
    let fired = |leg| format!(r#""status":"success","triggerType":"{leg}""#);
    assert_eq!(read(&fired("takeProfit")), (true, vec![ReportStatus::Cancelled, ReportStatus::Triggered]));
    assert_eq!(read(&fired("stopLoss")), (true, vec![ReportStatus::Triggered, ReportStatus::Cancelled]));
    assert_eq!(read(r#""status":"success""#), (false, vec![]));
    assert_eq!(read(&fired("sideways")), (false, vec![]));
    assert_eq!(read(r#""status":"cancelled""#), (true, vec![ReportStatus::Cancelled; 2]));
    assert_eq!(
        read(r#""status":"failed","triggerType":"stopLoss""#),
        (true, vec![ReportStatus::Rejected, ReportStatus::Cancelled]),
        "it protects nothing"
    );
    assert_eq!(read(r#""status":"resting""#), (false, vec![]), "c10");
    assert_eq!(read(r#""status":"pending","type":"chase""#), (false, vec![]), "c10");
}

#[test]
fn r69_a_plan_that_fired_is_told_with_its_child_and_links_it() {
    let stop = id(Role::Stop);
    let row = format!(
        r#"{{"planType":"pos_loss","symbol":"ADAUSDT","orderId":"11","clientOid":"{stop}","triggerPrice":"0.34","planStatus":"executed","side":"buy","posSide":"long","posMode":"hedge_mode","tradeSide":"close","size":"0","executeOrderId":"500","baseVolume":"30","priceAvg":"0.339","uTime":"9"}}"#
    );
    let mut interpreter = Interpreter::new();
    let body = done(&format!(r#"{{"entrustedList":[{row}],"endId":null}}"#));
    let rows = interpreter.plans(Generation::Classic, SENT, ok(&body)).unwrap();
    let [plan, child] = &rows.rows[..] else { panic!("{rows:?}") };
    assert_eq!((plan.status, plan.stated.unwrap().qty), (ReportStatus::Triggered, None));
    assert_eq!((child.status, &child.parent), (ReportStatus::PartiallyFilled, &Some(plan_id("11"))));
    assert_eq!((&child.id, &child.venue_id), (&ReportedId::Ours(stop), &regular_id("500")));
    // The child by itself, under the client id that its plan has as a number, or one that the venue made.
    for client in ["11", "1190384645074202625"] {
        let row = format!(
            r#"{{"symbol":"ADAUSDT","size":"30","orderId":"500","clientOid":"{client}","baseVolume":"30","priceAvg":"0.339","price":"","state":"filled","side":"buy","posSide":"long","tradeSide":"close","posMode":"hedge_mode","orderSource":"pos_loss_market","uTime":"10"}}"#
        );
        let asked = order_ref(Role::Stop, Service::Regular, Some("500"));
        let found = interpreter.looked_up(&asked, Generation::Classic, SENT, ok(&done(&row))).unwrap();
        let Lookup::Found(found) = found else { panic!("{found:?}") };
        assert_eq!((&found[0].id, &found[0].parent), (&ReportedId::Ours(stop), &Some(plan_id("11"))));
        assert_eq!((found[0].side, found[0].status), (Side::Sell, ReportStatus::Filled));
    }
    // Both are found together.
    let wanted = order_ref(Role::Stop, Service::PositionPlan, Some("plan:11"));
    assert!(matches!(interpreter.found(&wanted, &rows.rows), Lookup::Found(found) if found.len() == 2));
}

#[test]
fn r107_the_order_that_a_strategy_spawned_is_linked_by_its_list() {
    let mut interpreter = Interpreter::new();
    let fired = strategy_row(r#""status":"success","triggerType":"stopLoss""#);
    let legs = interpreter.plans(Generation::Unified, SENT, ok(&fired)).unwrap().rows;
    let body = done(
        r#"{"list":[{"subOrderId":"500","symbol":"ADAUSDT","qty":"30","cumExecQty":"30","avgPrice":"0.339","side":"sell","posSide":"long","status":"filled","updatedTime":"9"}],"cursor":""}"#,
    );
    let rows = interpreter.sub_orders(&legs[0], SENT, ok(&body)).unwrap();
    assert!(rows.complete && rows.next.is_none());
    assert_eq!(
        (&rows.rows[0].parent, rows.rows[0].status),
        (&Some(strategy_id("77", Leg::Stop)), ReportStatus::Filled)
    );
    let row = done(
        r#"{"orderId":"500","clientOid":"1190384645074202625","symbol":"ADAUSDT","side":"sell","posSide":"long","holdMode":"hedge_mode","orderStatus":"filled","qty":"30","cumExecQty":"30","avgPrice":"0.339","updatedTime":"9"}"#,
    );
    let asked = order_ref(Role::Stop, Service::Regular, Some("500"));
    let Lookup::Found(found) = interpreter.looked_up(&asked, Generation::Unified, SENT, ok(&row)).unwrap() else {
        panic!("not found")
    };
    assert_eq!(found[0].id, ReportedId::Ours(id(Role::Stop)));
}

#[test]
fn r13_cancellations() {
    let order = order_ref(Role::Entry, Service::Regular, Some("1190384645049036801"));
    let cancelled = |body: Answer<'_>| Interpreter::new().cancelled(&order, body);
    assert_eq!(cancelled(ok(&done(r#"{"orderId":"1190384645049036801","clientOid":"x"}"#))), TAKEN);
    assert_eq!(cancelled(ok(&done(r#"{"orderId":"2"}"#))), UNDECODABLE);
    assert_eq!(kind(&cancelled(answer(400, &refused("40768")))), RejectKind::UnknownOrder);
    assert_eq!(kind(&cancelled(answer(400, &refused("25204")))), RejectKind::UnknownOrder);
    let plan = order_ref(Role::Stop, Service::PositionPlan, Some("plan:11"));
    let of = |data: &str| Interpreter::new().cancelled_plan(&plan, ok(&done(data)));
    assert_eq!(of(r#"{"successList":[{"orderId":"11","clientOid":"x"}],"failureList":[]}"#), TAKEN);
    assert_eq!(kind(&of(r#"{"successList":[],"failureList":[]}"#)), RejectKind::UnknownOrder, "nothing matched");
    assert_eq!(
        kind(&of(r#"{"successList":[],"failureList":[{"orderId":"11","errorMsg":"gone","errorCode":"43025"}]}"#)),
        RejectKind::UnknownOrder
    );
    let unnamed = of(r#"{"successList":[],"failureList":[{"orderId":"11","errorMsg":"gone"}]}"#);
    assert_eq!(unnamed, Outcome::Unknown(Cause::ServerError), "a failure without a code");
    for data in ["null", "{}", r#"{"successList":[]}"#, r#"{"successList":[{"orderId":"12"}],"failureList":[]}"#] {
        assert_eq!(of(data), UNDECODABLE, "{data}");
    }
    let leg = order_ref(Role::Stop, Service::PositionPlan, Some("strategy:77:stop"));
    let of = |data: &str| Interpreter::new().cancelled_strategy(&leg, ok(&done(data)));
    assert_eq!((of("null"), of(r#"{"orderId":"77"}"#), of(r#"{"orderId":"78"}"#)), (TAKEN, TAKEN, UNDECODABLE));
    assert_eq!(Interpreter::new().cancelled_strategy(&leg, ok("")), UNDECODABLE);
    let gone = Interpreter::new().cancelled_strategy(&leg, answer(400, &refused("25575")));
    assert_eq!(kind(&gone), RejectKind::UnknownOrder);
}

#[test]
fn a_classic_change_is_taken_under_the_new_id_and_without_a_number() {
    let order = order_ref(Role::Rung(1), Service::Regular, Some("7"));
    let (side, price, qty) = (Side::Buy, "1".parse().unwrap(), "1".parse().unwrap());
    let change = kraite_core::exchange::Amend { order: order.clone(), side, price, qty };
    let new = revised(Role::Rung(1), 1, 0);
    let call = classic::ModifyOrder::of(&change, Product::Usdt, new);
    let of = |data: &str| Interpreter::new().replaced(&call, ok(&done(data)));
    assert_eq!(of(&format!(r#"{{"orderId":null,"clientOid":"{new}"}}"#)), TAKEN);
    assert_eq!(of(&format!(r#"{{"orderId":"7","clientOid":"{}"}}"#, id(Role::Rung(1)))), UNDECODABLE);
    assert_eq!(of(r#"{"orderId":"7"}"#), UNDECODABLE);
    let unified = |data: &str| Interpreter::new().amended(&order, ok(&done(data)));
    assert_eq!((unified(r#"{"orderId":"7"}"#), unified(r#"{"orderId":"8"}"#)), (TAKEN, UNDECODABLE));
    let pending = Interpreter::new().amended(&order, answer(400, &refused("25572")));
    assert_eq!(kind(&pending), RejectKind::ChangePending);
}

#[test]
fn r110_closing_a_position() {
    let ada = Symbol::new("ADAUSDT");
    let of = |data: &str| closed(&ada, ok(&done(data)));
    assert_eq!(of(r#"{"successList":[{"orderId":"1","clientOid":"2","symbol":"ADAUSDT"}],"failureList":[]}"#), TAKEN);
    assert_eq!(kind(&of(r#"{"successList":[],"failureList":[]}"#)), RejectKind::NoPosition);
    let failed = r#"{"successList":[],"failureList":[{"symbol":"ADAUSDT","errorMsg":"x","errorCode":"40931"}]}"#;
    assert_eq!(kind(&of(failed)), RejectKind::Account);
    assert_eq!(of(r#"{"list":[{"orderId":"1","clientOid":"2","code":"00000","msg":"success"}]}"#), TAKEN);
    assert_eq!(kind(&of(r#"{"list":[{"orderId":"","code":"40757","msg":"x"}]}"#)), RejectKind::ReduceOnly);
    assert_eq!(kind(&of(r#"{"list":null}"#)), RejectKind::NoPosition);
    assert_eq!(kind(&closed(&ada, answer(400, &refused("25227")))), RejectKind::NoPosition);
    for data in ["null", "{}", "7", r#"{"successList":[{"symbol":"BTCUSDT"}],"failureList":[]}"#] {
        assert_eq!(of(data), UNDECODABLE, "{data}");
    }
}

#[test]
fn r35_settings_have_to_show_what_was_asked() {
    let call = |margin, mode| classic::SetLeverage {
        symbol: Symbol::new("ADAUSDT"),
        product: Product::Usdt,
        margin,
        mode,
        leverage: 21,
    };
    let (cross, isolated) = (MarginMode::Cross, MarginMode::Isolated);
    let of = |margin, data: &str| leverage_set(&call(margin, PositionMode::Hedge), ok(&done(data)));
    let shown = r#"{"symbol":"ADAUSDT","marginCoin":"USDT","longLeverage":"21","shortLeverage":"21","crossMarginLeverage":"21","marginMode":"crossed"}"#;
    assert_eq!(of(cross, shown), TAKEN);
    assert_eq!(of(isolated, shown), UNDECODABLE, "of the other margin mode");
    assert_eq!(of(isolated, &shown.replace("crossed", "fixed")), TAKEN);
    assert_eq!(
        of(cross, &shown.replace(r#""crossMarginLeverage":"21""#, r#""crossMarginLeverage":"20""#)),
        UNDECODABLE
    );
    assert_eq!(of(cross, &shown.replace("ADAUSDT", "BTCUSDT")), UNDECODABLE);
    assert_eq!(of(isolated, r#"{"longLeverage":"21","shortLeverage":"20"}"#), UNDECODABLE);
    assert_eq!(of(isolated, r#"{"longLeverage":"21"}"#), TAKEN);
    assert_eq!(of(cross, "null"), UNDECODABLE);
    let margin = classic::SetMarginMode { symbol: Symbol::new("ADAUSDT"), product: Product::Usdt, margin: isolated };
    assert_eq!(margin_set(&margin, ok(&done(r#"{"marginMode":"isolated"}"#))), TAKEN);
    assert_eq!(margin_set(&margin, ok(&done(r#"{"marginMode":"crossed"}"#))), UNDECODABLE);
    let mode = classic::SetPositionMode { product: Product::Usdt, mode: PositionMode::Hedge };
    assert_eq!(mode_set(&mode, ok(&done(r#"{"posMode":"hedge_mode"}"#))), TAKEN);
    assert_eq!(mode_set(&mode, ok(&done(r#"{"posMode":"one_way_mode"}"#))), UNDECODABLE);
    assert_eq!(kind(&mode_set(&mode, answer(400, &refused("40920")))), RejectKind::Account);
    assert_eq!((setting_set(ok(&done("\"success\""))), setting_set(ok(&done("null")))), (TAKEN, UNDECODABLE));
}

#[test]
fn c10_r15_look_ups() {
    let e = id(Role::Entry);
    let order = order_ref(Role::Entry, Service::Regular, None);
    let classic = format!(
        r#"{{"symbol":"ADAUSDT","size":"30","orderId":"9","clientOid":"{e}","baseVolume":"12","priceAvg":"0.3712","fee":"","price":"","state":"canceled","side":"buy","force":"gtc","posSide":"long","marginCoin":"USDT","marginMode":"crossed","reduceOnly":"NO","enterPointSource":"API","tradeSide":"open","posMode":"hedge_mode","orderSource":"market","cTime":"5","uTime":"6"}}"#
    );
    let unified = format!(
        r#"{{"orderId":"9","clientOid":"{e}","category":"USDT-FUTURES","symbol":"ADAUSDT","orderType":"market","side":"buy","price":"","qty":"30","cumExecQty":"12","avgPrice":"0.3712","orderStatus":"cancelled","posSide":"long","holdMode":"hedge_mode","tradeSide":"open","reduceOnly":"NO","feeDetail":[],"cancelReason":"slippage_cancel","createdTime":"5","updatedTime":"6"}}"#
    );
    for (generation, row) in BOTH.into_iter().zip([classic, unified]) {
        let of = |data: &str| Interpreter::new().looked_up(&order, generation, SENT, ok(&done(data)));
        let Lookup::Found(found) = of(&row).unwrap() else { panic!("not found") };
        assert_eq!((found[0].status, found[0].executed), (ReportStatus::Cancelled, "12".parse().ok()));
        assert_eq!((found[0].average_price, found[0].at), ("0.3712".parse().ok(), VenueMillis(6)));
        assert_eq!((found[0].stated.unwrap().qty, found[0].stated.unwrap().price), ("30".parse().ok(), None));
        // Whatever field is missing, it is found or not understood, and never missing.
        let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&row).unwrap();
        for left_out in fields.keys() {
            let mut fewer = fields.clone();
            fewer.remove(left_out);
            let read = of(&serde_json::to_string(&fewer).unwrap());
            let needed = ["orderId", "clientOid", "state", "orderStatus"].contains(&left_out.as_str());
            assert_eq!(matches!(read, Ok(Lookup::Found(_))), !needed, "{left_out}: {read:?}");
            assert_ne!(read, Ok(Lookup::NotFound), "{left_out}");
        }
        for code in ["40109", "25204", "40768"] {
            let read = Interpreter::new().looked_up(&order, generation, SENT, answer(400, &refused(code)));
            assert_eq!(read, Ok(Lookup::NotFound), "{code}");
        }
        for data in [r#"{"orderId":"","clientOid":"","symbol":""}"#, "[]"] {
            assert_eq!(of(data), Ok(Lookup::NotFound), "{data}");
        }
        for data in ["null", "7", "[7]", r#"["9"]"#] {
            assert!(matches!(of(data), Err(ReadError::Undecodable(_))), "{data}");
        }
        assert!(matches!(
            Interpreter::new().looked_up(&order, generation, SENT, ok("")),
            Err(ReadError::Undecodable(_))
        ));
        let paused = row.replace("canceled", "paused").replace("cancelled", "paused");
        assert!(matches!(of(&paused), Err(ReadError::Undecodable(_))));
        let foreign = row.replace(&e.to_string(), &id(Role::Close).to_string());
        assert!(matches!(of(&foreign), Err(ReadError::Undecodable(_))), "about another order");
        let limited = Interpreter::new().looked_up(&order, generation, SENT, answer(429, ""));
        assert!(matches!(limited, Err(ReadError::RateLimited(_))));
    }
}

fn classic_order(change: impl Fn(&mut serde_json::Map<String, serde_json::Value>)) -> Result<OrderReport, String> {
    let mut row = serde_json::json!({"symbol": "BTCUSDT", "size": "1", "orderId": "9", "clientOid": "hand",
        "baseVolume": "0", "price": "5", "status": "live", "side": "buy", "posSide": "long", "tradeSide": "open",
        "posMode": "hedge_mode", "reduceOnly": "NO", "uTime": "6"});
    change(row.as_object_mut().unwrap());
    let row: reply::classic::OrderRow = serde_json::from_value(row).unwrap();
    Interpreter::new().classic_order(&row, Asked::at(SENT)).map_err(|why| why.to_string())
}

#[test]
fn r34_the_two_meanings_of_side_come_out_the_same() {
    let set = |fields: &[(&str, &str)]| {
        let fields: Vec<(String, String)> = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        move |row: &mut serde_json::Map<String, serde_json::Value>| {
            for (name, value) in &fields {
                row.insert(name.clone(), value.clone().into());
            }
        }
    };
    let way = |report: OrderReport| (report.side, report.direction);
    let (long, short) = (Direction::Long, Direction::Short);
    for (side, position, trade, expected) in [
        ("buy", "long", "open", (Side::Buy, long)),
        ("buy", "long", "close", (Side::Sell, long)),
        ("sell", "short", "open", (Side::Sell, short)),
        ("sell", "short", "close", (Side::Buy, short)),
        ("sell", "short", "burst_close_short", (Side::Buy, short)),
    ] {
        let report = classic_order(set(&[("side", side), ("posSide", position), ("tradeSide", trade)])).unwrap();
        assert_eq!(way(report), expected);
    }
    for (side, reduce, trade, expected) in [
        ("buy", "NO", "buy_single", (Side::Buy, long)),
        ("sell", "YES", "sell_single", (Side::Sell, long)),
        ("sell", "NO", "sell_single", (Side::Sell, short)),
        ("buy", "YES", "buy_single", (Side::Buy, short)),
        ("sell", "NO", "burst_sell_single", (Side::Sell, long)),
    ] {
        let fields = [
            ("side", side),
            ("posSide", "net"),
            ("posMode", "one_way_mode"),
            ("reduceOnly", reduce),
            ("tradeSide", trade),
        ];
        assert_eq!(way(classic_order(set(&fields)).unwrap()), expected, "{fields:?}");
    }
    for (side, position, expected) in [
        ("buy", "long", (Side::Buy, long)),
        ("sell", "long", (Side::Sell, long)),
        ("sell", "short", (Side::Sell, short)),
        ("buy", "short", (Side::Buy, short)),
    ] {
        let row = serde_json::json!({"symbol": "BTCUSDT", "orderId": "9", "orderStatus": "new", "side": side,
            "posSide": position, "holdMode": "hedge_mode", "reduceOnly": "NO"});
        let row: reply::unified::OrderRow = serde_json::from_value(row).unwrap();
        assert_eq!(way(Interpreter::new().unified_order(&row, Asked::at(SENT)).unwrap()), expected);
    }
    // What does not add up is told and not guessed.
    assert_eq!(classic_order(set(&[("posSide", "net")])).unwrap_err(), "a net position in hedge mode cannot be");
    assert_eq!(classic_order(set(&[("tradeSide", "")])).unwrap_err(), "trade side is missing");
    assert_eq!(classic_order(set(&[("posMode", "both")])).unwrap_err(), "position mode `both` is not known");
    assert_eq!(classic_order(set(&[("status", "paused")])).unwrap_err(), "status `paused` is not known");
    assert_eq!(classic_order(set(&[("baseVolume", "-1")])).unwrap_err(), "a negative executed quantity cannot be");
}

#[test]
fn r73_orders_of_the_venue_are_told_apart_from_those_of_others() {
    let of = |trade: &str, source: &str| {
        classic_order(|row| {
            row.insert("tradeSide".into(), trade.into());
            row.insert("orderSource".into(), source.into());
        })
        .unwrap()
        .id
    };
    assert_eq!(of("open", "normal"), ReportedId::Foreign("hand".into()));
    assert_eq!(of("burst_close_long", "liquidation"), ReportedId::Venue(VenueCause::Liquidation));
    assert_eq!(of("dte_sys_adl_close_long", "x"), ReportedId::Venue(VenueCause::AutoDeleverage));
    assert_eq!(of("close", "delivery_close_long"), ReportedId::Venue(VenueCause::Settlement));
    assert_eq!(of("offset_close_long", "x"), ReportedId::Foreign("hand".into()));
    // The fill of a plan that nobody has told of: a child of something.
    let orphan = classic_order(|row| {
        row.insert("orderSource".into(), "pos_profit_market".into());
    })
    .unwrap();
    assert_eq!(orphan.parent, Some(VenueOrderId::new("plan:")));
}

#[test]
fn r89_lists() {
    let row = r#"{"symbol":"BLURUSDT","size":"40","orderId":"1190384645049036801","clientOid":"1190384645074202625","baseVolume":"0","fee":"0","price":"0.15","priceAvg":"","status":"live","side":"buy","force":"gtc","totalProfits":"0","posSide":"net","marginCoin":"USDT","quoteVolume":"0","leverage":"10","marginMode":"crossed","enterPointSource":"web","tradeSide":"buy_single","posMode":"one_way_mode","orderType":"limit","orderSource":"normal","presetStopSurplusPrice":"","presetStopLossPrice":"","reduceOnly":"NO","cTime":"1719535736339","uTime":"1719535736393"}"#;
    let of = |data: &str| Interpreter::new().orders(Generation::Classic, SENT, ok(&done(data)));
    let rows =
        of(&format!(r#"{{"entrustedList":[{row},{{"orderId":"1"}},7],"endId":"1190384645049036801"}}"#)).unwrap();
    assert_eq!((rows.rows.len(), rows.complete, rows.sent), (1, false, 3));
    assert_eq!(rows.next.as_deref(), Some("1190384645049036801"));
    assert_eq!((rows.rows[0].direction, rows.rows[0].at), (Direction::Long, VenueMillis(1_719_535_736_393)));
    for empty in
        [r#"{"entrustedList":null,"endId":null}"#, r#"{"entrustedList":[]}"#, r#"{"list":null,"cursor":null}"#, "[]"]
    {
        let rows = of(empty).unwrap();
        assert_eq!((rows.rows.len(), rows.complete, rows.sent, rows.next), (0, true, 0, None), "{empty}");
    }
    // Nothing at all is no empty list.
    for data in ["null", "{}", r#"{"cursor":"1"}"#, "7", "\"x\""] {
        assert!(matches!(of(data), Err(ReadError::Undecodable(_))), "{data}");
    }
    assert!(matches!(Interpreter::new().orders(Generation::Unified, SENT, ok("")), Err(ReadError::Undecodable(_))));
    let long = done(&format!("[{}0]", "0,".repeat(reply::MAX_ROWS)));
    assert!(Interpreter::new().orders(Generation::Unified, SENT, ok(&long)).is_err());
}

#[test]
fn r22_trades_and_the_sign_of_their_fees() {
    let interpreter = Interpreter::new();
    let classic = r#"{"fillList":[{"tradeId":"1","symbol":"BTCUSDT","orderId":"9","price":"9007199254740993.1","baseVolume":"0.01","feeDetail":[{"deduction":"no","feeCoin":"USDT","totalDeductionFee":"0","totalFee":"-0.6417006"}],"side":"buy","profit":"0","tradeSide":"close","posMode":"hedge_mode","tradeScope":"taker","cTime":"5"}],"endId":"1"}"#;
    let rows = interpreter.fills(Generation::Classic, ok(&done(classic))).unwrap();
    let fill = &rows.rows[0];
    assert_eq!((fill.side, fill.trade.fee), (Side::Sell, "0.6417006".parse().unwrap()));
    assert_eq!((fill.trade.price, &fill.order), ("9007199254740993.1".parse().unwrap(), &regular_id("9")));
    let unified = r#"{"list":[{"execId":"131111111111111111","execLinkId":"131111111111111111","orderId":"131111111111111111","clientOid":"131111111111111111","category":"USDT-FUTURES","symbol":"BTCUSDT","orderType":"market","side":"sell","execPrice":"106950.1","execQty":"0.01","execValue":"1069.501","tradeScope":"taker","tradeSide":"open","feeDetail":[{"feeCoin":"USDT","fee":"0.6417006"}],"createdTime":"1750141421721","updatedTime":"1750141421728","execPnl":"-0.002","isRPI":"no"}],"cursor":"c"}"#;
    let rows = interpreter.fills(Generation::Unified, ok(&done(unified))).unwrap();
    let fill = &rows.rows[0];
    assert_eq!((fill.side, fill.trade.fee), (Side::Sell, "0.6417006".parse().unwrap()));
    assert_eq!(fill.client_id.as_deref(), Some("131111111111111111"));
    // A fee in another coin is valued at the rate of the contract, and a rebate stays one.
    let other = unified.replace(r#""feeCoin":"USDT""#, r#""feeCoin":"BGB""#);
    let rows = interpreter.fills(Generation::Unified, ok(&done(&other))).unwrap();
    assert_eq!(rows.rows[0].trade.fee, "0.6417006".parse().unwrap(), "0.06 % of 1069.501");
    let rebate = unified.replace(r#""fee":"0.6417006""#, r#""fee":"-0.2""#);
    let rows = interpreter.fills(Generation::Unified, ok(&done(&rebate))).unwrap();
    assert_eq!(rows.rows[0].trade.fee, "-0.2".parse().unwrap());
    let float = unified.replace(r#""execPrice":"106950.1""#, r#""execPrice":106950.1"#);
    assert!(!interpreter.fills(Generation::Unified, ok(&done(&float))).unwrap().complete);
    let perp = unified.replace("BTCUSDT", "BTCPERP").replace(r#""feeCoin":"USDT""#, r#""feeCoin":"USDC""#);
    let rows = interpreter.fills(Generation::Unified, ok(&done(&perp))).unwrap();
    assert_eq!(rows.rows[0].trade.fee, "0.6417006".parse().unwrap());
}

#[test]
fn positions_of_the_past_tell_their_funding_or_are_told_as_odd() {
    let classic = r#"{"positionId":"1","marginCoin":"USDT","symbol":"BTCUSDT","holdSide":"short","openAvgPrice":"50","closeAvgPrice":"49","marginMode":"crossed","openTotalPos":"2","closeTotalPos":"2","pnl":"2","netProfit":"1.9","totalFunding":"-0.05","openFee":"-0.02","closeFee":"-0.03","utime":"1750141421728","ctime":"1750141421000"}"#;
    let unified = r#"{"positionId":"1","category":"USDT-FUTURES","symbol":"BTCUSDT","marginCoin":"USDT","holdMode":"hedge_mode","posSide":"short","openPriceAvg":"50","closePriceAvg":"49","openTotalPos":"2","closeTotalPos":"2","cumRealisedPnl":"2","netProfit":"1.9","totalFunding":"-0.05","openFeeTotal":"-0.02","closeFeeTotal":"-0.03","createdTime":"1750141421000","updatedTime":"1750141421728"}"#;
    let (symbol, direction) = (Symbol::new("BTCUSDT"), Direction::Short);
    let (funding, ended_at) = ("-0.05".parse().unwrap(), VenueMillis(1_750_141_421_728));
    let wanted = PastPosition { symbol, direction, funding, ended_at };
    for (generation, row, end) in [
        (Generation::Classic, classic, r#""utime":"1750141421728""#),
        (Generation::Unified, unified, r#""updatedTime":"1750141421728""#),
    ] {
        let of =
            |row: &str| past_positions(generation, ok(&done(&format!(r#"{{"list":[{row}],"endId":"1"}}"#)))).unwrap();
        let read = of(row);
        assert_eq!((read.rows, read.complete), (vec![wanted.clone()], true));
        assert!(of(&row.replace(end, r#""odd":"1""#)).rows.is_empty());
        assert!(!of(&row.replace(r#"Side":"short""#, r#"Side":"net""#)).complete);
        assert!(of(&row.replace("-0.05", "")).rows[0].funding.is_zero(), "an empty field is none");
        let none = past_positions(generation, ok(&done(r#"{"list":null}"#))).unwrap();
        assert_eq!((none.rows.len(), none.complete), (0, true));
        assert!(past_positions(generation, ok(&done("{}"))).is_err());
    }
}

#[test]
fn r89_positions_are_read_or_refused_and_never_guessed() {
    let unified = r#"{"category":"USDT-FUTURES","symbol":"BTCUSDT","marginCoin":"USDT","holdMode":"hedge_mode","posSide":"long","marginMode":"crossed","positionBalance":"4701531.84","available":"119.2068","frozen":"0","total":"119.2068","leverage":"3","curRealisedPnl":"0","avgPrice":"108674","positionStatus":"normal","unrealisedPnl":"1124573.04","liquidationPrice":"43099.9","mmr":"0.015","markPrice":"118097","createdTime":"1736378720620","updatedTime":"1753102803148"}"#;
    let classic = r#"{"symbol":"BTCUSDT","marginCoin":"USDT","holdSide":"short","available":"1","locked":"0.5","total":"1.5","leverage":"3","openPriceAvg":"108674","marginMode":"crossed","posMode":"one_way_mode","liquidationPrice":"-1","cTime":"5","uTime":"6"}"#;
    let of = |generation, data: &str| positions(generation, SENT, ok(&done(data)));
    let rows = of(Generation::Unified, &format!(r#"{{"list":[{unified}]}}"#)).unwrap();
    assert_eq!((rows.rows[0].direction, rows.rows[0].qty), (Direction::Long, "119.2068".parse().unwrap()));
    assert_eq!(rows.rows[0].at, VenueMillis(1_753_102_803_148));
    let rows = of(Generation::Classic, &format!("[{classic}]")).unwrap();
    assert_eq!((rows.rows[0].direction, rows.rows[0].qty), (Direction::Short, "1.5".parse().unwrap()));
    for (change, to) in [
        (r#""holdSide":"short""#, r#""holdSide":"net""#),
        (r#""holdSide":"short""#, r#""holdSide":"""#),
        (r#""total":"1.5""#, r#""total":"-1.5""#),
        (r#""total":"1.5""#, r#""total":"""#),
    ] {
        let rows = of(Generation::Classic, &format!("[{}]", classic.replace(change, to))).unwrap();
        assert_eq!((rows.rows.len(), rows.complete), (0, false), "{to}");
    }
    let flat =
        of(Generation::Classic, &format!("[{}]", classic.replace(r#""total":"1.5""#, r#""total":"0""#))).unwrap();
    assert_eq!((flat.rows.len(), flat.complete), (0, true));
    assert_eq!(of(Generation::Unified, r#"{"list":null}"#).unwrap().rows.len(), 0);
    // Seen on the wire: 200 and nothing. It is not flat.
    assert!(matches!(positions(Generation::Unified, SENT, ok("")), Err(ReadError::Undecodable(_))));
    assert!(of(Generation::Unified, "null").is_err());
}

#[test]
fn r109_balances_and_rights() {
    let of = |generation, data: &str| balances(generation, ok(&done(data)));
    let classic = r#"[{"marginCoin":"USDT","locked":"0","available":"90","crossedMaxAvailable":"80","accountEquity":"105.5","unrealizedPL":"5.5"}]"#;
    let read = of(Generation::Classic, classic).unwrap();
    assert_eq!((read[0].wallet, read[0].available), ("100".parse().unwrap(), "80".parse().unwrap()));
    let unified =
        r#"{"accountEquity":"100","assets":[{"coin":"USDT","equity":"101","balance":"100","available":"90"}]}"#;
    let read = of(Generation::Unified, unified).unwrap();
    assert_eq!((read[0].currency.as_str(), read[0].available), ("USDT", "90".parse().unwrap()));
    assert_eq!(of(Generation::Unified, r#"{"accountEquity":"0","assets":[]}"#), Ok(vec![]));
    for data in [r#"{"accountEquity":"5","assets":[]}"#, "{}", r#"{"assets":[{"coin":"USDT"}],"accountEquity":"1"}"#] {
        assert!(of(Generation::Unified, data).is_err(), "{data}");
    }
    assert!(of(Generation::Classic, "[]").is_err() && balances(Generation::Classic, ok("")).is_err());
    let rights = |data: &str| key_rights(ok(&done(data))).unwrap();
    assert_eq!(rights(r#"{"userId":"1","authorities":["wtow","coow"]}"#), KeyRights { trade: None, withdraw: None });
    assert_eq!(rights(r#"{"authorities":["Withdraw"]}"#), KeyRights { trade: None, withdraw: Some(true) });
    assert_eq!(rights("{}"), KeyRights { trade: None, withdraw: None });
}

#[test]
fn r106_r35_generation_and_setup() {
    use Generation::{Classic, Unified};
    let classic = done(r#"{"userId":"1"}"#);
    assert_eq!(generation(Classic, ok(&classic)), Ok(Classic));
    assert_eq!(generation(Unified, ok(&classic)), Ok(Unified));
    assert_eq!(generation(Classic, answer(400, &refused("40085"))), Ok(Unified));
    assert_eq!(generation(Unified, answer(400, &refused("40084"))), Ok(Classic));
    assert_eq!(generation(Unified, answer(400, &refused("25245"))), Ok(Classic));
    for (status, body) in [(400, refused("40006")), (400, refused("40018")), (503, String::new()), (200, done("null"))]
    {
        assert!(generation(Classic, answer(status, &body)).is_err(), "{status} {body}");
    }
    let row = r#"{"marginCoin":"USDT","crossedMarginLeverage":"20","isolatedLongLever":"5","isolatedShortLever":"6","marginMode":"isolated","posMode":"hedge_mode"}"#;
    let (mode, margin) = (PositionMode::Hedge, Some(MarginMode::Isolated));
    assert_eq!(classic_setup(ok(&done(row))), Ok(Setup { mode, margin, leverage: Some((5, 6)) }));
    let crossed = classic_setup(ok(&done(&row.replace("isolated\"", "crossed\"")))).unwrap();
    assert_eq!((crossed.margin, crossed.leverage), (Some(MarginMode::Cross), Some((20, 20))));
    assert!(classic_setup(ok(&done(&row.replace("hedge_mode", "both")))).is_err());
    assert!(classic_setup(ok(&done(&row.replace("isolated\"", "portfolio\"")))).is_err());
    let settings = r#"{"uid":"1","accountMode":"unified","holdMode":"one_way_mode","symbolConfigList":[{"category":"USDT-FUTURES","symbol":"ADAUSDT","marginMode":"crossed","leverage":"7"}]}"#;
    let setup = |symbol: &str, data: &str| unified_setup(&Symbol::new(symbol), Product::Usdt, ok(&done(data)));
    let (mode, margin) = (PositionMode::OneWay, Some(MarginMode::Cross));
    assert_eq!(setup("ADAUSDT", settings), Ok(Setup { mode, margin, leverage: Some((7, 7)) }));
    assert_eq!(setup("NEWUSDT", settings), Ok(Setup { mode, margin: None, leverage: None }));
    for state in ["upgrading", "switching", "frozen"] {
        let moved = settings.replace("\"unified\"", &format!("\"{state}\""));
        assert!(matches!(setup("ADAUSDT", &moved), Err(ReadError::Refused(_))), "{state}");
    }
}

#[test]
fn r108_what_is_open_on_a_contract_that_nobody_set_up_says_how_margin_backs_it() {
    let rows = |mode: &str, total: &str| {
        let row = format!(
            r#"{{"list":[{{"symbol":"ADAUSDT","posSide":"long","total":"{total}","avgPrice":"1","marginMode":"{mode}"}}]}}"#
        );
        margin_of_position(&Symbol::new("ADAUSDT"), ok(&done(&row)))
    };
    assert_eq!(rows("isolated", "5"), Ok(Some(MarginMode::Isolated)));
    assert_eq!(rows("crossed", "5"), Ok(Some(MarginMode::Cross)));
    assert_eq!(rows("crossed", "0"), Ok(None));
    assert!(rows("portfolio", "5").is_err());
    let of_another = r#"{"list":[{"symbol":"BTCUSDT","posSide":"long","total":"5","marginMode":"crossed"}]}"#;
    assert_eq!(margin_of_position(&Symbol::new("ADAUSDT"), ok(&done(of_another))), Ok(None));
    assert_eq!(margin_of_position(&Symbol::new("ADAUSDT"), ok(&done(r#"{"list":null}"#))), Ok(None));
}

#[test]
fn clock_marks_and_fees() {
    assert_eq!(server_time(ok(&done(r#"{"serverTime":"1688008631614"}"#))), Ok(VenueMillis(1_688_008_631_614)));
    assert!(server_time(ok(&done("{}"))).is_err());
    let price =
        r#"[{"symbol":"BTCUSDT","price":"26242","indexPrice":"34867","markPrice":"25555","ts":"1695793390482"}]"#;
    let rows = marks(ok(&done(price))).unwrap();
    assert_eq!((rows.rows[0].price, rows.rows[0].at), ("25555".parse().unwrap(), VenueMillis(1_695_793_390_482)));
    assert!(!marks(ok(&done(&price.replace("25555", "0")))).unwrap().complete);
    let rates = fee_rates(ok(&done(r#"{"makerFeeRate":"0.0002","takerFeeRate":"0.0006"}"#))).unwrap();
    assert_eq!(rates, ("0.0002".parse().unwrap(), "0.0006".parse().unwrap()));
    assert!(fee_rates(ok(&done(r#"{"makerFeeRate":"0.0002"}"#))).is_err());
}

#[test]
fn plans_over_a_quantity_are_conditional_orders() {
    let (trigger, by) = ("0.34".parse().unwrap(), TriggerBy::Mark);
    let shape = OrderShape::StopMarket { trigger, by, size: TriggerSize::Qty("30".parse().unwrap()) };
    let new = common::new_order(Role::Stop, Direction::Long, PositionMode::Hedge, shape);
    let placement = Placement::of(&new, terms(Generation::Classic, MarginMode::Cross)).unwrap();
    let body = done(&format!(r#"{{"orderId":"5","clientOid":"{}"}}"#, id(Role::Stop)));
    for (generation, expected) in BOTH.into_iter().zip([plan_id("5"), strategy_id("5", Leg::Stop)]) {
        let outcome = Interpreter::new().placed(&placement, generation, SENT, ok(&body));
        assert_eq!((&report(&outcome).venue_id, report(&outcome).service), (&expected, Service::Conditional));
        let missing = Interpreter::new().placed(&placement, generation, SENT, ok(&done("{}")));
        assert_eq!(missing, UNDECODABLE);
    }
    // The live row of the documentation: a plan of the whole position states no quantity.
    let row = r#"[{"planType":"pos_profit","symbol":"BNBUSDT","size":"0","orderId":"1272849518383902721","clientOid":"1272849518383902720","price":"634.59","executePrice":"634.59","callbackRatio":"","triggerPrice":"634.59","triggerType":"fill_price","planStatus":"live","side":"buy","posSide":"long","marginCoin":"USDT","marginMode":"","enterPointSource":"API","tradeSide":"close","posMode":"hedge_mode","orderType":"limit","stopSurplusTriggerPrice":"634.59","stopSurplusExecutePrice":null,"stopSurplusTriggerType":"fill_price","stopLossTriggerPrice":null,"stopLossExecutePrice":null,"stopLossTriggerType":null,"cTime":"1739196894260","uTime":"1739196894260"}]"#;
    let rows = Interpreter::new().plans(Generation::Classic, SENT, ok(&done(row))).unwrap();
    let plan = &rows.rows[0];
    assert_eq!(plan.id, ReportedId::Foreign("1272849518383902720".into()));
    assert_eq!((plan.side, plan.direction, plan.service), (Side::Sell, Direction::Long, Service::PositionPlan));
    assert_eq!((plan.stated.unwrap().qty, plan.stated.unwrap().price), (None, "634.59".parse().ok()));
    let grown = row.replace("pos_profit", "pos_sideways");
    let rows = Interpreter::new().plans(Generation::Classic, SENT, ok(&done(&grown))).unwrap();
    assert_eq!((rows.rows.len(), rows.complete), (0, false), "c10");
}
