//! No secret is in anything that may be shown.

use std::sync::{Arc, Mutex};

use kraite_binance::codec::{Credentials, Signer};
use kraite_binance::{Binance, ConfigError, ConnectError, Told};
use kraite_core::exchange::{Direction, Exchange, OrderShape, PositionMode};
use kraite_core::id::Role;

use crate::common::new_order;
use crate::server::{Reaction, Server, answer};
use crate::{config, later};

const KEY: &str = "canarykeycanarykey";
const SECRET: &str = "canarysecretcanary";

#[tokio::test]
async fn r109_no_key_secret_signature_or_listen_key_is_in_any_debug_error_or_outcome() {
    // The venue throws back what it was sent, as the pages of proxies do.
    let server = Server::start(|request, before| match (request.path(), before % 3) {
        ("/fapi/v1/listenKey", 0) => answer(200, r#"{"listenKey":"canarylistenkey"}"#),
        ("/fapi/v1/listenKey", 1) => answer(200, r#"{"listenKey":"canary/listen key"}"#),
        (_, 0) => answer(500, &format!("<html>{}\n{}</html>", request.head, request.body)),
        (_, 1) => Reaction::Close,
        _ => answer(403, &request.head),
    })
    .await;
    let told: Arc<Mutex<Vec<Told>>> = Arc::default();
    let heard = Arc::clone(&told);
    let config = config(&server).watch(Arc::new(move |what| heard.lock().unwrap().push(what)));
    let mut shown = format!("{config:?}");
    let credentials = Credentials::new(KEY.into(), Signer::hmac(&SECRET.into()).unwrap());
    let backend = Binance::connect(config, credentials).await.unwrap();
    shown.push_str(&format!("{backend:?}"));
    let shape = OrderShape::Market { qty: "1".parse().unwrap() };
    let order = new_order(Role::Close, Direction::Long, PositionMode::Hedge, shape);
    for _ in 0..2 {
        // No socket is there to be opened at the address of an HTTP server.
        match backend.account_stream().await {
            Ok(_) => panic!("a stream"),
            Err(error) => shown.push_str(&format!("{error} {error:?}")),
        }
    }
    for _ in 0..3 {
        shown.push_str(&format!("{:?}", backend.place(std::slice::from_ref(&order), later()).await));
        shown.push_str(&format!("{:?}", backend.positions().await));
    }
    shown.push_str(&format!("{:?}", told.lock().unwrap()));
    let signatures: Vec<String> = server.seen().iter().filter_map(|request| request.parameter("signature")).collect();
    assert!(!signatures.is_empty());
    for secret in ["canary", "x-mbx-apikey"].into_iter().chain(signatures.iter().map(String::as_str)) {
        assert!(!shown.to_lowercase().contains(secret), "{secret} in {shown}");
    }
}

#[tokio::test]
async fn r109_a_key_that_no_header_can_hold_is_refused_at_once_and_not_shown() {
    let server = Server::start(|_, _| answer(200, "{}")).await;
    let credentials = Credentials::new(format!("{KEY}\n").into(), Signer::hmac(&SECRET.into()).unwrap());
    let error = Binance::connect(config(&server), credentials).await.unwrap_err();
    assert_eq!(error, ConnectError::Config(ConfigError::ApiKey));
    assert!(!format!("{error} {error:?}").contains("canary"));
    assert!(server.all().is_empty());
}
