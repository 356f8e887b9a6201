//! Which generation an account is of: asked, remembered, and asked anew where the venue says otherwise (R106).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use kraite_bitget::codec::Generation;
use kraite_bitget::{Bitget, Config, ConnectError, Hosts, KeyPolicy, SystemClock, Told};
use kraite_core::exchange::{Direction, Exchange, PositionMode, ReadError, RejectKind};
use kraite_core::id::Role;
use kraite_core::time::Millis;

use crate::common::{BOTH, credentials, done, market, new_order, refused};
use crate::server::{PROBE, SETTINGS, Server, account, answer, asked, of_account};
use crate::{backend, config, is_accepted, kind, later, value};

#[tokio::test]
async fn r106_the_generation_is_probed_once_and_routes_every_call() {
    for (generation, path) in [
        (Generation::Classic, "/api/v2/mix/position/all-position"),
        (Generation::Unified, "/api/v3/position/current-position"),
    ] {
        let server = account(generation, |_, _| answer(200, &done(r#"{"list":null}"#))).await;
        let backend = backend(&server).await;
        for _ in 0..2 {
            let reading = backend.positions().await.unwrap();
            assert!(reading.complete && reading.value.is_empty());
        }
        assert_eq!(server.count("GET", PROBE), 1);
        assert!(asked(&server).iter().all(|request| request.path() == path));
        assert_eq!(asked(&server).len(), 4, "both product lines, twice");
    }
}

/// An account that is moved between two requests; another margin mode lives on the other side.
async fn movable() -> (Server, Arc<AtomicBool>) {
    let moved = Arc::new(AtomicBool::new(false));
    let script_moved = Arc::clone(&moved);
    let server = Server::start(move |request, _| {
        let now = if script_moved.load(Ordering::SeqCst) { Generation::Unified } else { Generation::Classic };
        let margin = if now == Generation::Unified { "isolated" } else { "crossed" };
        of_account(now, margin, request).unwrap_or_else(|| {
            let client = value(&request.body, "clientOid").unwrap();
            answer(200, &done(&format!(r#"{{"orderId":"11","clientOid":"{client}"}}"#)))
        })
    })
    .await;
    (server, moved)
}

/// The owner moves the account while the engine runs: nothing is sent again by itself, and what was known is not used,
/// whether an order or a reading finds it out.
#[tokio::test]
async fn r106_an_account_that_moves_is_found_out_and_read_anew() {
    for by_reading in [false, true] {
        let (server, moved) = movable().await;
        let told: Arc<Mutex<Vec<Told>>> = Arc::default();
        let heard = Arc::clone(&told);
        // The probe may be made once in a second.
        let config = config(&server)
            .clock(Arc::new(SystemClock::scaled(20)))
            .timeouts(Millis(200), Millis::from_secs(10))
            .watch(Arc::new(move |what| heard.lock().unwrap().push(what)));
        let backend = Bitget::connect(config, credentials()).await.unwrap();
        let far = later().plus(Millis::from_secs(3_600));
        let order = new_order(Role::Entry, Direction::Long, PositionMode::Hedge, market("30"));
        assert!(is_accepted(&backend.place(std::slice::from_ref(&order), far).await[0]));
        tokio::time::sleep(std::time::Duration::from_millis(80)).await;
        moved.store(true, Ordering::SeqCst);
        if by_reading {
            assert!(backend.positions().await.is_err());
        } else {
            let refused = backend.place(std::slice::from_ref(&order), far).await.remove(0);
            assert_eq!(kind(&refused), Some(RejectKind::Account), "refused for good, and not sent in other words");
        }
        assert_eq!(server.count("POST", "/api/v3/trade/place-order"), 0);
        assert!(told.lock().unwrap().contains(&Told::Moved));
        assert!(is_accepted(&backend.place(&[order], far).await[0]));
        let last = asked(&server).pop().unwrap();
        assert!(last.is("POST", "/api/v3/trade/place-order"));
        assert_eq!(value(&last.body, "marginMode").as_deref(), Some("isolated"), "the old margin mode is forgotten");
    }
}

#[tokio::test]
async fn r106_an_account_that_answers_neither_or_is_on_its_way_is_not_traded() {
    let nobody = Server::start(|_, _| answer(400, &refused("40037"))).await;
    assert!(matches!(Bitget::connect(config(&nobody), credentials()).await, Err(ConnectError::Read(_))));
    let upgrading = Server::start(|request, _| match request.path() {
        SETTINGS => answer(200, &done(r#"{"accountMode":"upgrading","holdMode":"hedge_mode"}"#)),
        _ => answer(400, &refused("40085")),
    })
    .await;
    let error = Bitget::connect(config(&upgrading), credentials()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Read(ReadError::Refused(_))), "{error:?}");
}

#[tokio::test]
async fn r33_the_position_mode_that_is_wanted_is_held_against_that_of_the_account() {
    for generation in BOTH {
        let server = account(generation, |_, _| answer(200, &done("{}"))).await;
        let wanting = |mode| Bitget::connect(config(&server).position_mode(mode), credentials());
        assert!(wanting(PositionMode::Hedge).await.is_ok());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let error = wanting(PositionMode::OneWay).await.unwrap_err();
        let (wanted, found) = (PositionMode::OneWay, PositionMode::Hedge);
        assert_eq!(error, ConnectError::Mode { wanted, found });
    }
}

#[tokio::test]
async fn r109_a_key_that_may_withdraw_and_one_of_which_nobody_says_are_refused() {
    let with = |words: &'static str| {
        Server::start(move |request, _| match request.path() {
            PROBE => answer(200, &done(&format!(r#"{{"userId":"1","authorities":{words}}}"#))),
            _ => answer(400, &refused("40084")),
        })
    };
    let check = async |server: &Server| {
        Bitget::connect(config(server).keys(KeyPolicy::MustNotWithdraw), credentials()).await.unwrap_err()
    };
    assert_eq!(check(&with(r#"["contract_order","withdraw"]"#).await).await, ConnectError::MayWithdraw);
    assert_eq!(check(&with(r#"["contract_order"]"#).await).await, ConnectError::RightsUnknown);
    let unified = account(Generation::Unified, |_, _| answer(200, &done("{}"))).await;
    assert_eq!(check(&unified).await, ConnectError::RightsUnknown);
    // What the key says itself counts without being asked for.
    let unchecked = with(r#"["withdraw"]"#).await;
    assert_eq!(Bitget::connect(config(&unchecked), credentials()).await.unwrap_err(), ConnectError::MayWithdraw);
}

#[tokio::test]
async fn the_demo_is_told_by_a_header_on_every_request() {
    let server = account(Generation::Classic, |_, _| answer(200, &done("[]"))).await;
    let hosts = Hosts::emulated_demo(&server.url(), &server.url().replace("http", "ws")).unwrap();
    let backend = Bitget::connect(Config::new(hosts), credentials()).await.unwrap();
    backend.positions().await.unwrap();
    assert!(server.all().len() >= 3);
    assert!(server.all().iter().all(|request| request.header("paptrading") == Some("1")));
}
