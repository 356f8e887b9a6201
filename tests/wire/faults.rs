//! Every row B and C of the fault model on real sockets: a life from its opening to its profit with a fault on the way
//! that the emulator deals, and the emulator's book afterwards; on each venue.

use kraite_core::engine::Alert;
use kraite_core::id::{ClientOrderId, Role};
use kraite_core::position::{Phase, Why};
use kraite_core::time::Millis;

use crate::life::{Case, Life, Verdict, lived_on_a_live_machine};
use crate::requests::{Hand, reading};

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

/// A life under some rules, and what it is called.
pub(crate) type Row = (Case, String, Vec<String>);

pub(crate) async fn each(rows: Vec<Row>) -> Vec<(String, Verdict)> {
    let mut verdicts = Vec::new();
    for some in rows.chunks(AT_ONCE) {
        let running = some.iter().map(|(case, name, rules)| {
            let (case, name, rules) = (*case, format!("{name}, {:?}", case.protocol), rules.clone());
            tokio::spawn(async move {
                (lived_on_a_live_machine(&name, is_protected, || lived(case, rules.clone())).await, name)
            })
        });
        let running: Vec<_> = running.collect();
        for life in running {
            let (verdict, name) = life.await.unwrap();
            println!("{name}: {} met, without a stop for {} at most", verdict.faults, verdict.naked);
            verdicts.push((name, verdict));
        }
    }
    verdicts
}

/// The same in each of these cases, at once.
pub(crate) async fn in_each<F>(cases: &[Case], live: impl Fn(Case) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let live = &live;
    let lives = cases.iter().map(|case| async move {
        lived_on_a_live_machine(&format!("{case:?}"), |()| true, || live(*case)).await;
    });
    futures_util::future::join_all(lives).await;
}

/// Each thing that is placed meets the fault once.
pub(crate) fn on_placing(case: Case, row: &str, fault: &str) -> Vec<Row> {
    let placed = case.placed().into_iter();
    placed.map(|(what, request)| (case, format!("{row} {what}"), vec![request.meets(1, fault)])).collect()
}

/// The same on each venue.
fn on_placing_each(row: &str, fault: &str) -> Vec<Row> {
    Case::EACH.into_iter().flat_map(|case| on_placing(case, row, fault)).collect()
}

/// But for the entry.
fn behind_the_entry(rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter().filter(|(_, name, _)| !name.ends_with("the entry")).collect()
}

pub(crate) fn no_alarm(verdicts: &[(String, Verdict)]) {
    for (name, verdict) in verdicts {
        assert!(is_protected(verdict), "{name}: {verdict:?}");
    }
}

pub(crate) fn is_protected(verdict: &Verdict) -> bool {
    verdict.naked <= Millis::from_secs(31)
}

pub(crate) fn is_of(role: Role) -> impl Fn(ClientOrderId) -> bool {
    move |id| id.key().logical.role == role
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b01_lost_before_the_venue() {
    no_alarm(&each(on_placing_each("B1", r#"{"kind":"cut","when":"before"}"#)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b02_lost_after_the_venue_took_it() {
    no_alarm(&each(on_placing_each("B2", r#"{"kind":"cut","when":"after"}"#)).await);
}

/// No frame comes to the rescue: who takes the broken connection for a refusal enters twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b02_an_entry_whose_answer_is_lost_on_a_silent_stream_is_looked_up() {
    in_each(&Case::EACH, |case| async move {
        let life = Life::start(case).await;
        life.admin("POST", "/streams", r#"{"do":"silence","users":true}"#).await;
        life.open_under(&[case.requests().entry.meets(1, r#"{"kind":"cut","when":"after"}"#)]).await;
        life.active().await;
        life.admin("POST", "/streams", r#"{"do":"resume","users":true}"#).await;
        life.dip().await;
        life.recover().await;
        life.ended().await;
        let verdict = life.verdict().await;
        assert_eq!((verdict.faults, verdict.seen.why), (1, Some(Why::TargetFilled)), "{verdict:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b03_b04_late_within_the_window_and_past_it() {
    let mut rows = on_placing_each("B3", r#"{"kind":"delay","ms":2000,"when":"before"}"#);
    for case in Case::EACH {
        let past = case.requests().past_window;
        rows.extend(on_placing(case, "B4", &format!(r#"{{"kind":"delay","ms":{past},"when":"before"}}"#)));
    }
    no_alarm(&each(rows).await);
}

/// The answer to a filled entry is lost; its id never leaves again, though the venue would take it: that its book sees
/// an id placed twice is shown by somebody else who does it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b06_an_id_never_leaves_again_after_its_fill_and_the_book_would_see_it() {
    in_each(&Case::EACH, |case| async move {
        let life = Life::start(case).await;
        life.open_under(&[case.requests().entry.meets(1, r#"{"kind":"cut","when":"after"}"#)]).await;
        life.active().await;
        life.dip().await;
        life.recover().await;
        life.ended().await;
        assert_eq!((life.faults_met().await, life.violations().await), (1, Vec::new()));
        let entry = life
            .book(|venue, _| venue.objects().filter_map(|o| o.client_id()).find(|id| is_of(Role::Entry)(*id)).unwrap());
        life.admin("POST", "/order", &case.by_hand(Hand::Buys, "1", &entry.to_string())).await;
        assert!(life.violations().await.contains(&"client_id_used_again".to_owned()));
    })
    .await;
}

/// Two rungs of one request are refused, one for now and one for good: each has its own outcome, and those that were
/// taken are not sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b13_each_leg_of_a_batch_has_its_own_outcome() {
    let legs = |case: Case, code: i64| {
        vec![case.requests().rungs.meets(1, &format!(r#"{{"kind":"legs","refused":[1,2],"code":{code}}}"#))]
    };
    no_alarm(&each(Case::EACH.map(|case| (case, "B13 for now".into(), legs(case, case.codes().busy))).into()).await);
    in_each(&Case::EACH, |case| async move {
        let life = Life::start(case).await;
        life.open_under(&legs(case, case.codes().too_small)).await;
        life.until("two rungs left out", |life| life.rungs().len() == 2 && life.seen().phase == Some(Phase::Active))
            .await;
        life.until("told", |life| life.seen().alerts.contains(&Alert::RungDropped)).await;
        life.dip().await;
        life.recover().await;
        life.ended().await;
        let verdict = life.verdict().await;
        assert_eq!((verdict.faults, verdict.seen.why), (1, Some(Why::TargetFilled)), "{verdict:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b07_the_venue_does_not_know() {
    let mut rows = Vec::new();
    for acts in [true, false] {
        let fault = |kind: &str| format!(r#"{{"kind":"{kind}","acts":{acts}}}"#);
        rows.extend(on_placing_each(&format!("B7 acts {acts}:"), &fault("unknown")));
        rows.extend(on_placing_each(&format!("B7 timed out inside, acts {acts}:"), &fault("timeout")));
    }
    rows.extend(on_placing_each("B7 503 that says no:", r#"{"kind":"unavailable"}"#));
    no_alarm(&each(rows).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r21_b07_an_answer_without_a_body_is_no_success() {
    for acts in [true, false] {
        let fault = format!(r#"{{"kind":"empty","acts":{acts}}}"#);
        no_alarm(&each(on_placing_each(&format!("empty, acts {acts}:"), &fault)).await);
    }
}

/// It is looked for. Where it is there, it is taken over; where it is not, whatever the venue said, it is sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b08_a_duplicate_id_means_that_one_exists() {
    let mut rows = Vec::new();
    for case in Case::EACH {
        let code = case.codes().duplicate;
        for acts in [true, false] {
            let fault = format!(r#"{{"kind":"error","code":{code},"acts":{acts}}}"#);
            rows.extend(on_placing(case, &format!("B8 acts {acts}:"), &fault));
        }
        let legs = format!(r#"{{"kind":"legs","refused":[0,2],"code":{code}}}"#);
        rows.push((case, "B8 two of the rungs".into(), vec![case.requests().rungs.meets(1, &legs)]));
    }
    no_alarm(&each(rows).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b10_b16_limits_and_clocks() {
    let mut rows = behind_the_entry(on_placing_each("B10 429:", r#"{"kind":"rate-limit"}"#));
    for case in Case::EACH {
        rows.extend(on_placing(case, "B16", &format!(r#"{{"kind":"error","code":{}}}"#, case.codes().late)));
    }
    let _ = each(rows).await;
}

/// A page in HTML says nothing of what was asked, not even where it is a 403. (Binance's says that the address is to be
/// quiet for longer than a position may stand without its stop.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b10_a_page_of_what_stands_in_front_of_the_venue() {
    let rows =
        Case::PAIRED.into_iter().flat_map(|case| on_placing(case, "B10 403:", r#"{"kind":"page","status":403}"#));
    no_alarm(&each(rows.collect()).await);
}

/// Banned while a rung fills: the stop that stands at the venue is all there is until the ban ends, and then the target
/// follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b10_a_ban_is_sat_out_behind_the_stop() {
    in_each(&Case::EACH, |case| async move {
        let life = Life::start(case).await;
        life.open().await;
        life.active().await;
        let all = case.requests().all;
        life.admin("POST", "/faults", &format!(r#"{{"path":"{all}","times":1,"fault":{{"kind":"ban","ms":20000}}}}"#))
            .await;
        life.dip().await;
        life.recover().await;
        life.ended().await;
        let verdict = life.verdict().await;
        assert_eq!((verdict.faults, verdict.seen.why), (1, Some(Why::TargetFilled)), "{verdict:?}");
        assert!(verdict.naked < Millis::from_secs(10), "{verdict:?}");
    })
    .await;
}

/// What no client can prevent: the wire delivers the entry twice, and both fill. The excess is taken off again, and the
/// emulator's book, which is judged apart here, shows that its auditor sees two orders under one id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b05_an_entry_that_the_wire_doubled_is_taken_off_again() {
    in_each(&Case::EACH, |case| async move {
        let life = Life::start(case).await;
        life.open_under(&[case.requests().entry.meets(1, r#"{"kind":"double"}"#)]).await;
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
    })
    .await;
}

/// The second copy of a resting order is refused while the first is open, and that of a pair overwrites the first with
/// itself: nothing comes of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b05_resting_orders_that_the_wire_doubled_are_there_once() {
    no_alarm(&each(behind_the_entry(on_placing_each("B5", r#"{"kind":"double"}"#))).await);
}

/// The quiet that a 429 asks for outlasts the mark that the entry was sized on: nothing is opened, and that is told.
/// Where the venue asks for less, the entry goes out again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b10_r29_an_entry_that_is_held_back_too_long_is_given_up() {
    let limited = |case: Case| vec![case.requests().entry.meets(1, r#"{"kind":"rate-limit"}"#)];
    let life = Life::start(Case::LONG).await;
    life.open_under(&limited(Case::LONG)).await;
    life.ended().await;
    let verdict = life.verdict().await;
    assert_eq!((verdict.faults, verdict.seen.why), (1, Some(Why::StaleMark)), "{verdict:?}");
    no_alarm(&each(Case::PAIRED.map(|case| (case, "B10 the entry".into(), limited(case))).into()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c01_c02_answers_late_and_frames_first() {
    let mut rows = on_placing_each("C2", r#"{"kind":"delay","ms":1500,"when":"after"}"#);
    rows.extend(on_placing_each("C1", r#"{"kind":"delay","ms":12000,"when":"after"}"#));
    no_alarm(&each(rows).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c09_answers_that_break_off() {
    let mut rows = on_placing_each("C9", r#"{"kind":"truncate","bytes":20}"#);
    rows.extend(Case::EACH.map(|case| {
        let rule = reading(case.requests().all, 6, r#"{"kind":"truncate","bytes":20}"#);
        (case, "C9 readings".to_owned(), vec![rule])
    }));
    no_alarm(&each(rows).await);
}
