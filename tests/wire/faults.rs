//! Every row B and C of the fault model on real sockets: a life from its opening to its profit with a fault on the way
//! that the emulator deals, and the emulator's book afterwards.

use kraite_core::engine::Alert;
use kraite_core::id::Role;
use kraite_core::plan::TargetStyle;
use kraite_core::position::{Phase, Why};
use kraite_core::time::Millis;

use crate::life::{Case, Life, Verdict};

/// A whole life under these rules, which are in force from its opening on.
async fn lived(case: Case, rules: Vec<String>) -> Verdict {
    let life = Life::start(case).await;
    life.open_under(&rules).await;
    life.active().await;
    life.dip().await;
    life.dip().await;
    life.recover().await;
    life.ended().await;
    let verdict = life.verdict().await;
    assert!(verdict.faults > 0, "no fault was met: {rules:?}");
    assert_eq!(verdict.seen.why, Some(Why::TargetFilled), "{rules:?}: {verdict:?}");
    verdict
}

/// How many lives run at once: more would only wait for a processor.
const AT_ONCE: usize = 6;

async fn each(rows: Vec<(String, Vec<String>)>) -> Vec<(String, Verdict)> {
    each_of(Case::LONG, rows).await
}

pub(crate) async fn each_of(case: Case, rows: Vec<(String, Vec<String>)>) -> Vec<(String, Verdict)> {
    let mut verdicts = Vec::new();
    for some in rows.chunks(AT_ONCE) {
        let running: Vec<_> = some.iter().map(|(_, rules)| tokio::spawn(lived(case, rules.clone()))).collect();
        for ((name, _), life) in some.iter().zip(running) {
            let verdict = life.await.unwrap_or_else(|error| panic!("{name}: {error}"));
            println!("{name}: {} met, without a stop for {} at most", verdict.faults, verdict.naked);
            verdicts.push((name.clone(), verdict));
        }
    }
    verdicts
}

/// What is placed in a life, told apart by what stands in the request.
const PLACED: [(&str, &str, &str); 4] = [
    ("the entry", "/fapi/v1/order", "type=MARKET"),
    ("the rungs", "/fapi/v1/batchOrders", "LIMIT"),
    ("the stop", "/fapi/v1/algoOrder", "type=STOP_MARKET"),
    ("a target", "/fapi/v1/algoOrder", "type=TAKE_PROFIT_MARKET"),
];

pub(crate) fn rule(method: &str, path: &str, contains: &str, times: u32, fault: &str) -> String {
    format!(r#"{{"method":"{method}","path":"{path}","contains":"{contains}","times":{times},"fault":{fault}}}"#)
}

/// Each thing that is placed meets the fault once.
pub(crate) fn on_placing(row: &str, fault: &str) -> Vec<(String, Vec<String>)> {
    let of = |(what, path, contains): (&str, &str, &str)| {
        (format!("{row} {what}"), vec![rule("POST", path, contains, 1, fault)])
    };
    PLACED.map(of).to_vec()
}

pub(crate) fn no_alarm(verdicts: &[(String, Verdict)]) {
    for (name, verdict) in verdicts {
        assert!(verdict.naked <= Millis::from_secs(31), "{name}: {verdict:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b01_lost_before_the_venue() {
    no_alarm(&each(on_placing("B1", r#"{"kind":"cut","when":"before"}"#)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b02_lost_after_the_venue_took_it() {
    no_alarm(&each(on_placing("B2", r#"{"kind":"cut","when":"after"}"#)).await);
}

/// No frame comes to the rescue: who takes the broken connection for a refusal enters twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b02_an_entry_whose_answer_is_lost_on_a_silent_stream_is_looked_up() {
    let life = Life::start(Case::LONG).await;
    life.admin("POST", "/streams", r#"{"do":"silence","users":true}"#).await;
    life.open_under(&[rule("POST", "/fapi/v1/order", "type=MARKET", 1, r#"{"kind":"cut","when":"after"}"#)]).await;
    life.active().await;
    life.admin("POST", "/streams", r#"{"do":"resume","users":true}"#).await;
    life.dip().await;
    life.recover().await;
    life.ended().await;
    let verdict = life.verdict().await;
    assert_eq!((verdict.faults, verdict.seen.why), (1, Some(Why::TargetFilled)), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b03_b04_late_within_the_window_and_past_it() {
    let mut rows = on_placing("B3", r#"{"kind":"delay","ms":2000,"when":"before"}"#);
    rows.extend(on_placing("B4", r#"{"kind":"delay","ms":12000,"when":"before"}"#));
    no_alarm(&each(rows).await);
}

/// The answer to a filled entry is lost; its id never leaves again, though the venue would take it: that its book sees
/// an id placed twice is shown by somebody else who does it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b06_an_id_never_leaves_again_after_its_fill_and_the_book_would_see_it() {
    let life = Life::start(Case::LONG).await;
    let lost = r#"{"kind":"cut","when":"after"}"#;
    life.open_under(&[rule("POST", "/fapi/v1/order", "type=MARKET", 1, lost)]).await;
    life.active().await;
    life.dip().await;
    life.recover().await;
    life.ended().await;
    assert_eq!((life.faults_met().await, life.violations().await), (1, Vec::new()));
    let entry = life.book(|venue, _| {
        let is_entry = |id: kraite_core::id::ClientOrderId| id.key().logical.role == Role::Entry;
        venue.objects().filter_map(|o| o.client_id()).find(|id| is_entry(*id)).unwrap()
    });
    let body =
        format!(r#"{{"symbol":"SOLUSDT","side":"BUY","type":"MARKET","quantity":"1","newClientOrderId":"{entry}"}}"#);
    life.admin("POST", "/order", &body).await;
    assert!(life.violations().await.contains(&"client_id_used_again".to_owned()));
}

/// Two rungs of one request are refused, one for now and one for good: each has its own outcome, and those that were
/// taken are not sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b13_each_leg_of_a_batch_has_its_own_outcome() {
    let legs = |code: i64| format!(r#"{{"kind":"legs","refused":[1,2],"code":{code}}}"#);
    let rows = vec![("B13 -1008".to_owned(), vec![rule("POST", "/fapi/v1/batchOrders", "", 1, &legs(-1008))])];
    no_alarm(&each(rows).await);
    let life = Life::start(Case::LONG).await;
    life.open_under(&[rule("POST", "/fapi/v1/batchOrders", "", 1, &legs(-4003))]).await;
    life.until("two rungs left out", |life| life.rungs().len() == 2 && life.seen().phase == Some(Phase::Active)).await;
    life.until("told", |life| life.seen().alerts.contains(&Alert::RungDropped)).await;
    life.dip().await;
    life.recover().await;
    life.ended().await;
    let verdict = life.verdict().await;
    assert_eq!((verdict.faults, verdict.seen.why), (1, Some(Why::TargetFilled)), "{verdict:?}");
}

/// The user takes half off by hand unseen, and then the target takes the rest: less than it was placed for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b15_a_target_that_executes_less_than_it_was_placed_for() {
    let life = Life::start(Case { style: TargetStyle::Limit, ..Case::LONG }).await;
    life.open().await;
    life.active().await;
    let placed = life.exposure();
    life.admin("POST", "/streams", r#"{"do":"silence","users":true}"#).await;
    let body = r#"{"symbol":"SOLUSDT","side":"SELL","type":"MARKET","quantity":"0.2","reduceOnly":"true"}"#;
    life.admin("POST", "/order", body).await;
    assert!(life.exposure() < placed && life.exposure().is_positive());
    life.recover().await;
    life.until("flat", |life| life.exposure().is_zero()).await;
    life.admin("POST", "/streams", r#"{"do":"resume","users":true}"#).await;
    life.ended().await;
    let taken = life.book(|venue, _| {
        let is_target = |id: kraite_core::id::ClientOrderId| id.key().logical.role == Role::Target;
        let target =
            venue.objects().filter(|o| o.client_id().is_some_and(is_target)).find(|o| o.executed.is_positive());
        target.map(|target| (target.executed, target.placed_qty.unwrap())).unwrap()
    });
    assert!(taken.0 < taken.1, "{taken:?}");
    assert_eq!(life.verdict().await.seen.why, Some(Why::TargetFilled));
}

/// The worker dies with its entry in doubt, and comes back when the venue has forgotten every order of that time: it
/// must not enter again. What it finds open it cannot tell from somebody else's, and says so: somebody has to look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c08_an_intent_that_the_venue_has_forgotten_is_never_tried_again() {
    let mut life = Life::start(Case::LONG).await;
    life.admin("POST", "/streams", r#"{"do":"silence","users":true}"#).await;
    let lost = r#"{"kind":"cut","when":"after"}"#;
    let mut rules = vec![rule("POST", "/fapi/v1/order", "type=MARKET", 1, lost)];
    // Nobody finds out before the worker is gone.
    for path in ["/fapi/v1/order", "/fapi/v1/allOrders", "/fapi/v1/userTrades"] {
        rules.push(rule("GET", path, "", 1_000, r#"{"kind":"cut","when":"before"}"#));
    }
    life.open_under(&rules).await;
    life.until("filled at the venue", |life| life.exposure().is_positive()).await;
    life.stop_worker().await;
    life.admin("DELETE", "/faults", "").await;
    life.admin("POST", "/clock", r#"{"skip_ms":10368000000}"#).await;
    life.admin("POST", "/streams", r#"{"do":"resume","users":true}"#).await;
    let is_entry = |id: kraite_core::id::ClientOrderId| id.key().logical.role == Role::Entry;
    let entries = move |life: &Life| {
        life.book(|venue, _| venue.objects().filter(|o| o.client_id().is_some_and(is_entry)).count())
    };
    life.until("forgotten", |life| entries(life) == 0).await;
    life.begin();
    let wanted = [Alert::Unknowable, Alert::NeedsAttention, Alert::ForeignExposure];
    life.until("told", |life| wanted.iter().all(|alert| life.seen().alerts.contains(alert))).await;
    let held = life.exposure();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(life.exposure(), held);
    assert_eq!(entries(&life), 0, "{:?}", life.seen());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b07_the_venue_does_not_know() {
    let mut rows = Vec::new();
    for acts in [true, false] {
        rows.extend(on_placing(&format!("B7 503, acts {acts}:"), &format!(r#"{{"kind":"unknown","acts":{acts}}}"#)));
        rows.extend(on_placing(&format!("B7 -1007, acts {acts}:"), &format!(r#"{{"kind":"timeout","acts":{acts}}}"#)));
    }
    rows.extend(on_placing("B7 503 that says no:", r#"{"kind":"unavailable"}"#));
    no_alarm(&each(rows).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b08_a_duplicate_id_means_that_one_exists() {
    no_alarm(&each(on_placing("B8", r#"{"kind":"error","code":-4116,"acts":true}"#)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b10_b16_limits_and_clocks() {
    let mut rows = on_placing("B10 429:", r#"{"kind":"rate-limit"}"#).split_off(1);
    rows.extend(on_placing("B16", r#"{"kind":"error","code":-1021}"#));
    let _ = each(rows).await;
}

/// Banned while a rung fills: the stop that stands at the venue is all there is until the ban ends, and then the target
/// follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b10_a_ban_is_sat_out_behind_the_stop() {
    let life = Life::start(Case::LONG).await;
    life.open().await;
    life.active().await;
    life.admin("POST", "/faults", r#"{"path":"/fapi/","times":1,"fault":{"kind":"ban","ms":20000}}"#).await;
    life.dip().await;
    life.recover().await;
    life.ended().await;
    let verdict = life.verdict().await;
    assert_eq!((verdict.faults, verdict.seen.why), (1, Some(Why::TargetFilled)), "{verdict:?}");
    assert!(verdict.naked < Millis::from_secs(10), "{verdict:?}");
}

/// What no client can prevent: the wire delivers the entry twice, and both fill. The excess is taken off again, and the
/// emulator's book, which is judged apart here, shows that its auditor sees two orders under one id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b05_an_entry_that_the_wire_doubled_is_taken_off_again() {
    let life = Life::start(Case::LONG).await;
    life.open_under(&[rule("POST", "/fapi/v1/order", "type=MARKET", 1, r#"{"kind":"double"}"#)]).await;
    life.until("twice the entry", |life| life.seen().alerts.contains(&Alert::WireDuplicate)).await;
    life.active().await;
    let once = life.planned_entry();
    life.until("the excess off", |life| life.exposure() == once).await;
    assert_eq!(life.stop().len(), 1);
    let violations = life.violations().await;
    assert_eq!(violations, ["client_id_used_again", "duplicate"]);
    life.recover().await;
    life.ended().await;
    assert_eq!(life.seen().why, Some(Why::TargetFilled));
}

/// The second copy of a resting order is refused while the first is open: nothing comes of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b05_resting_orders_that_the_wire_doubled_are_there_once() {
    let rows = on_placing("B5", r#"{"kind":"double"}"#);
    no_alarm(&each(rows[1..].to_vec()).await);
}

/// The quiet that a 429 asks for outlasts the mark that the entry was sized on: nothing is opened, and that is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b10_r29_an_entry_that_is_held_back_too_long_is_given_up() {
    let life = Life::start(Case::LONG).await;
    life.open_under(&[rule("POST", "/fapi/v1/order", "type=MARKET", 1, r#"{"kind":"rate-limit"}"#)]).await;
    life.ended().await;
    let verdict = life.verdict().await;
    assert_eq!((verdict.faults, verdict.seen.why), (1, Some(Why::StaleMark)), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b11_b12_cancels_and_changes_lost() {
    let mut rows = Vec::new();
    for when in ["before", "after"] {
        let fault = format!(r#"{{"kind":"cut","when":"{when}"}}"#);
        rows.push((
            format!("B11 cancel of a conditional order, {when}"),
            vec![rule("DELETE", "/fapi/v1/algoOrder", "", 1, &fault)],
        ));
        rows.push((format!("B11 cancel of a rung, {when}"), vec![rule("DELETE", "/fapi/v1/order", "", 1, &fault)]));
    }
    no_alarm(&each(rows).await);
    let limit = Case { style: TargetStyle::Limit, ..Case::LONG };
    let changed = |what: &str, fault: &str| (format!("B12 {what}"), vec![rule("PUT", "/fapi/v1/order", "", 1, fault)]);
    let rows = vec![
        changed("change of the target, before", r#"{"kind":"cut","when":"before"}"#),
        changed("change of the target, after", r#"{"kind":"cut","when":"after"}"#),
        changed("change of the target, unknown", r#"{"kind":"unknown","acts":true}"#),
        changed("change of the target refused", r#"{"kind":"error","code":-5026}"#),
        changed("change of the target while another runs", r#"{"kind":"error","code":-5028}"#),
    ];
    no_alarm(&each_of(limit, rows).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c01_c02_answers_late_and_frames_first() {
    let mut rows = on_placing("C2", r#"{"kind":"delay","ms":1500,"when":"after"}"#);
    rows.extend(on_placing("C1", r#"{"kind":"delay","ms":12000,"when":"after"}"#));
    no_alarm(&each(rows).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c06_c07_stale_reads() {
    let stale = |path: &str, times: u32| rule("GET", path, "", times, r#"{"kind":"stale"}"#);
    let paths =
        ["/fapi/v1/order", "/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders", "/fapi/v3/positionRisk", "/fapi/v1/all"];
    // Stale answers to look-ups need something that is looked up.
    let lost = rule("POST", "/fapi/v1/batchOrders", "", 2, r#"{"kind":"cut","when":"after"}"#);
    let rows = paths.map(|path| (format!("C6 {path}"), vec![lost.clone(), stale(path, 1)]));
    no_alarm(&each(rows.to_vec()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c09_answers_that_break_off() {
    let mut rows = on_placing("C9", r#"{"kind":"truncate","bytes":20}"#);
    rows.push(("C9 readings".into(), vec![rule("GET", "/fapi/v", "", 6, r#"{"kind":"truncate","bytes":20}"#)]));
    no_alarm(&each(rows).await);
}
