//! Rows C6 to C8: readings that are behind, that disagree, and that go back less far than they would have to.

use kraite_core::engine::Alert;
use kraite_core::id::Role;

use crate::faults::{each, in_each, is_of, no_alarm};
use crate::life::{Case, Life};
use crate::requests::{Requests, reading};

/// One reading is of yesterday while the others are of now, for each of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c06_c07_stale_reads() {
    let mut rows = Vec::new();
    for case in Case::EACH {
        let Requests { rungs, looks, lists, .. } = case.requests();
        // Stale answers to look-ups need something that is looked up.
        let lost = rungs.meets(2, r#"{"kind":"cut","when":"after"}"#);
        for path in looks.iter().chain(*lists) {
            rows.push((case, format!("C6 {path}"), vec![lost.clone(), reading(path, 1, r#"{"kind":"stale"}"#)]));
        }
    }
    no_alarm(&each(rows).await);
}

/// The worker dies with its entry in doubt, and comes back when the venue has forgotten every order of that time: it
/// must not enter again. What it finds open it cannot tell from somebody else's, and says so: somebody has to look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c08_an_intent_that_the_venue_has_forgotten_is_never_tried_again() {
    in_each(&Case::EACH, |case| async move {
        let Requests { entry, looks, .. } = case.requests();
        let mut life = Life::start(case).await;
        life.admin("POST", "/streams", r#"{"do":"silence","users":true}"#).await;
        let mut rules = vec![entry.meets(1, r#"{"kind":"cut","when":"after"}"#)];
        // Nobody finds out before the worker is gone.
        rules.extend(looks.iter().map(|path| reading(path, 1_000, r#"{"kind":"cut","when":"before"}"#)));
        life.open_under(&rules).await;
        life.until("filled at the venue", |life| life.exposure().is_positive()).await;
        life.stop_worker().await;
        life.admin("DELETE", "/faults", "").await;
        life.admin("POST", "/clock", r#"{"skip_ms":10368000000}"#).await;
        life.admin("POST", "/streams", r#"{"do":"resume","users":true}"#).await;
        let entries = |life: &Life| {
            life.book(|venue, _| venue.objects().filter(|o| o.client_id().is_some_and(is_of(Role::Entry))).count())
        };
        life.until("forgotten", |life| entries(life) == 0).await;
        life.begin();
        let wanted = [Alert::Unknowable, Alert::NeedsAttention, Alert::ForeignExposure];
        life.until("told", |life| wanted.iter().all(|alert| life.seen().alerts.contains(alert))).await;
        let held = life.exposure();
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        assert_eq!(life.exposure(), held);
        assert_eq!(entries(&life), 0, "{:?}", life.seen());
    })
    .await;
}
