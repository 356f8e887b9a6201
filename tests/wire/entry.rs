//! Orders over the WebSocket API: lives of every kind, and the faults of the wire on that socket.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use data_encoding::BASE64;
use kraite_binance::codec::{Credentials, Signer};
use kraite_binance::{Ended, OrderEntry, Socket, Told};
use kraite_core::position::Why;
use kraite_core::time::Millis;

use crate::faults::{Row, is_protected, no_alarm, on_placing};
use crate::life::{Case, Life, Verdict, lived_on_a_live_machine};
use crate::requests::Requests;

/// Stands in every request that is signed by itself and came over the socket, where the key is a parameter.
const EACH_REQUEST: &str = r#"{"contains":"apiKey=k","times":1000,"fault":{"kind":"delay","ms":0,"when":"before"}}"#;

async fn lived(life: Life, rules: &[String]) -> (Verdict, bool) {
    life.open_under(rules).await;
    life.active().await;
    life.dip().await;
    life.dip().await;
    life.recover().await;
    life.ended().await;
    let broke = life.was_told(|told| matches!(told, Told::Down(Socket::Orders, Ended::Closed, _)));
    let verdict = life.verdict().await;
    assert_eq!(verdict.seen.why, Some(Why::TargetFilled), "{rules:?}: {verdict:?}");
    (verdict, broke)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s01_every_life_goes_over_the_socket_for_orders() {
    let cases = Case::all().into_iter().map(|case| Case { entry: OrderEntry::WebSocket, ..case });
    let live = |case| async move { lived(Life::start(case).await, &[EACH_REQUEST.to_owned()]).await };
    let fine = |(verdict, broke): &(Verdict, bool)| verdict.naked < Millis::from_secs(10) && !broke;
    let lives =
        cases.map(|case| async move { lived_on_a_live_machine(&format!("{case:?}"), fine, move || live(case)).await });
    for (verdict, broke) in futures_util::future::join_all(lives).await {
        // Entry, four rungs, stop, target and its two successors.
        assert!(verdict.faults >= 9, "{verdict:?}");
        assert!(verdict.naked < Millis::from_secs(10) && !broke, "{verdict:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s01_a_session_that_is_signed_in_carries_a_life() {
    let pair = Ed25519KeyPair::generate().unwrap();
    let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let private = BASE64.encode(private.as_ref());
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let public = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64.encode(public.as_ref()));
    let credentials = move || Credentials::new("k".into(), Signer::ed25519(&private.clone().into()).unwrap());
    let life = Life::start_signed_by(Case::OVER_SOCKET, public, credentials).await;
    // That the stop went over the socket shows in its breaking; that it was signed in, in no request with the key but the
    // one that signs the next socket in.
    let (_, stop) = Case::OVER_SOCKET.requests().protection[0];
    let cut = stop.meets(1, r#"{"kind":"cut","when":"after"}"#);
    let (verdict, broke) = lived(life, &[cut, EACH_REQUEST.to_owned()]).await;
    assert!(verdict.faults == 2 && broke, "{verdict:?}");
}

/// Over the socket rungs go one by one.
fn on_placing_alone(row: &str, fault: &str) -> Vec<Row> {
    let case = Case::OVER_SOCKET;
    let Requests { rung, .. } = case.requests();
    let mut rows = on_placing(case, row, fault);
    rows.retain(|(_, name, _)| !name.ends_with("the rungs"));
    rows.push((case, format!("{row} a rung"), vec![rung.meets(1, fault)]));
    rows
}

async fn each(rows: Vec<Row>, breaks: bool) {
    let mut verdicts = Vec::new();
    for some in rows.chunks(4) {
        let running = some.iter().map(|(case, name, rules)| {
            let (case, name, rules) = (*case, name.clone(), rules.clone());
            let life = move || {
                let rules = rules.clone();
                async move { lived(Life::start(case).await, &rules).await }
            };
            tokio::spawn(async move {
                let fine = |(verdict, broke): &(Verdict, bool)| *broke == breaks && is_protected(verdict);
                lived_on_a_live_machine(&name, fine, life).await
            })
        });
        let running: Vec<_> = running.collect();
        for ((_, name, _), life) in some.iter().zip(running) {
            let (verdict, broke) = life.await.unwrap();
            assert!(verdict.faults > 0, "{name}: no fault was met");
            assert_eq!(broke, breaks, "{name}: {verdict:?}");
            println!("{name}: {} met, without a stop for {} at most", verdict.faults, verdict.naked);
            verdicts.push((name.clone(), verdict));
        }
    }
    no_alarm(&verdicts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b01_b02_the_socket_breaks_before_and_after_the_venue_took_it() {
    let mut rows = on_placing_alone("socket B1", r#"{"kind":"cut","when":"before"}"#);
    rows.extend(on_placing_alone("socket B2", r#"{"kind":"cut","when":"after"}"#));
    each(rows, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b04_b07_b08_late_unknown_and_known_already() {
    let mut rows = on_placing_alone("socket B4", r#"{"kind":"delay","ms":12000,"when":"before"}"#);
    rows.extend(on_placing_alone("socket B7", r#"{"kind":"timeout","acts":true}"#));
    rows.extend(on_placing_alone("socket B8", r#"{"kind":"error","code":-4116,"acts":true}"#));
    each(rows, false).await;
}
