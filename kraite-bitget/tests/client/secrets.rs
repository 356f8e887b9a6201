//! No secret is in anything that may be shown.

use std::sync::{Arc, Mutex};

use kraite_bitget::codec::{Credentials, Signer};
use kraite_bitget::{Bitget, ConfigError, ConnectError, Told};
use kraite_core::exchange::{Direction, Exchange, PositionMode};
use kraite_core::id::Role;

use crate::common::{BOTH, market, new_order, pair};
use crate::server::{Reaction, Server, account, answer, of_account};
use crate::{config, later};

const CANARY: &str = "canary0secret0canary";

#[tokio::test]
async fn r109_no_key_passphrase_secret_or_signature_is_in_any_debug_error_or_outcome() {
    for generation in BOTH {
        // The venue throws back what it was sent, as the pages of proxies do.
        let server = Server::start(move |request, before| {
            of_account(generation, "crossed", request).unwrap_or_else(|| match before % 3 {
                0 => answer(500, &format!("<html>{}\n{}</html>", request.head, request.body)),
                1 => Reaction::Close,
                _ => answer(403, &request.head),
            })
        })
        .await;
        let told: Arc<Mutex<Vec<Told>>> = Arc::default();
        let heard = Arc::clone(&told);
        let config = config(&server).watch(Arc::new(move |what| heard.lock().unwrap().push(what)));
        let mut shown = format!("{config:?}");
        let signer = Signer::hmac(&CANARY.into()).unwrap();
        let backend = Bitget::connect(config, Credentials::new(CANARY.into(), CANARY.into(), signer)).await.unwrap();
        shown.push_str(&format!("{backend:?}"));
        // No socket is there to be opened at the address of an HTTP server.
        match backend.account_stream().await {
            Ok(_) => panic!("a stream"),
            Err(error) => shown.push_str(&format!("{error} {error:?}")),
        }
        let order = new_order(Role::Close, Direction::Long, PositionMode::Hedge, market("1"));
        let both = pair(0, Direction::Long, PositionMode::Hedge);
        for _ in 0..3 {
            shown.push_str(&format!("{:?}", backend.place(std::slice::from_ref(&order), later()).await));
            shown.push_str(&format!("{:?}", backend.place_position_tpsl(&both, later()).await));
            shown.push_str(&format!("{:?}", backend.positions().await));
        }
        shown.push_str(&format!("{:?}", told.lock().unwrap()));
        let signatures: Vec<String> =
            server.all().iter().filter_map(|r| r.header("access-sign").map(str::to_lowercase)).collect();
        assert!(signatures.len() > 5);
        for secret in ["canary", "access-key"].into_iter().chain(signatures.iter().map(String::as_str)) {
            assert!(!shown.to_lowercase().contains(secret), "{secret} in {shown}");
        }
    }
}

#[tokio::test]
async fn r109_a_passphrase_that_no_header_can_hold_is_refused_at_once_and_not_shown() {
    let server = account(BOTH[0], |_, _| answer(200, "{}")).await;
    let signer = Signer::hmac(&CANARY.into()).unwrap();
    let credentials = Credentials::new("key".into(), format!("{CANARY}\n").into(), signer);
    let error = Bitget::connect(config(&server), credentials).await.unwrap_err();
    assert_eq!(error, ConnectError::Config(ConfigError::ApiKey));
    assert!(!format!("{error} {error:?}").contains("canary"));
    assert!(server.all().is_empty());
}
