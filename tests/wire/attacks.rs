//! Answers and frames that no venue sends: endless, deep, slow, of another language, of another request, of yesterday.
//!
//! A mutation that is answered so is unknown, a reading is an error, memory stays within the client's limits, and a
//! position goes on behind its stop.

use kraite_core::exchange::{Direction, NewOrder, OrderShape, Outcome, PositionMode, Purpose, Side};
use kraite_core::id::{AccountTag, Attempt, ClientOrderId, Epoch, LogicalOrder, OrderKey, PositionNo, Revision, Role};
use kraite_core::position::Why;
use kraite_core::time::{Millis, VenueMillis};
use kraite_sim::emulator::Protocol;

use crate::faults::in_each;
use crate::life::{Case, Life, connect, emulator, patiently, symbol};
use crate::proxy::{Attack, Proxy, Rule, text_frame};
use crate::requests::{Request, Requests};

/// The most bytes of an answer that the client takes (`MAX_BODY`).
const CLIENT_TAKES: u64 = 4 << 20;
/// What the kernel keeps of a loopback connection, on both sides.
const SOCKET_BUFFERS: u64 = 16 << 20;
/// Nesting that would end any reader that recurses; about no order at all.
const DEPTH: usize = 100_000;
/// The payload that a frame announces.
const HUGE_FRAME: u64 = 64 << 20;

fn deep() -> Vec<u8> {
    format!(r#"{{"x":{}{}}}"#, "[".repeat(DEPTH), "]".repeat(DEPTH)).into_bytes()
}

fn attacks() -> Vec<(&'static str, Attack)> {
    vec![
        ("a gibibyte, announced", Attack::Flood("content-length: 1073741824\r\n\r\n", b" ")),
        ("a gibibyte in chunks", Attack::Flood("transfer-encoding: chunked\r\n\r\n", b"10\r\n                \r\n")),
        ("more than announced", Attack::Flood("content-length: 20\r\n\r\n", b"{\"orderId\":1, ")),
        ("endless headers", Attack::Flood("", b"x-more: 0123456789abcdef\r\n")),
        ("a byte now and then", Attack::Trickle),
        ("deep", Attack::Body(200, deep())),
        ("a page", Attack::Body(200, b"<html><body>Just a moment...</body></html>".to_vec())),
    ]
}

fn entry() -> NewOrder {
    NewOrder {
        id: ClientOrderId::encode(&OrderKey {
            account: AccountTag::new(7).unwrap(),
            position: PositionNo::new(1).unwrap(),
            logical: LogicalOrder { role: Role::Entry, revision: Revision::new(0).unwrap() },
            attempt: Attempt::new(0).unwrap(),
            epoch: Epoch::new(1).unwrap(),
        }),
        symbol: symbol(),
        side: Side::Buy,
        direction: Direction::Long,
        mode: PositionMode::OneWay,
        purpose: Purpose::Open,
        shape: OrderShape::Market { qty: "1".parse().unwrap() },
    }
}

/// Asked of the backend itself: what it says, and how much it took.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c09_an_answer_that_attacks_is_unknown_or_an_error_and_bounded() {
    for (name, attack) in attacks() {
        let emulator = emulator(Case::LONG).await;
        let proxy = Proxy::start(emulator.address()).await;
        let (http, ws) = (proxy.http(), proxy.ws());
        let exchange = patiently(|| connect(&http, &ws, emulator.clock(), Case::LONG)).await;
        let rule = |method, path| Rule { method, path, contains: "", acts: false, attack: attack.clone() };
        proxy.add(rule("POST", "/fapi/v1/order"));
        let until = VenueMillis(emulator.clock().now().0).plus(Millis::from_secs(60));
        let outcomes = exchange.place(&[entry()], until).await;
        assert!(matches!(outcomes[..], [Outcome::Unknown(_)]), "{name}: {outcomes:?}");
        proxy.add(rule("GET", "/fapi/v3/positionRisk"));
        let read = exchange.positions().await;
        assert!(read.is_err(), "{name}: {read:?}");
        assert_eq!(proxy.met(), 2, "{name}");
        let bound = 2 * (CLIENT_TAKES + SOCKET_BUFFERS);
        assert!(proxy.flooded() < bound, "{name}: {} bytes were taken", proxy.flooded());
        println!("{name}: {outcomes:?}, {:?}, {} bytes written", read.err(), proxy.flooded());
        assert!(exchange.positions().await.is_ok(), "{name}: the next answer is read");
    }
}

/// A whole life in which placing one thing is answered so, whether the venue acted or not.
async fn attacked_when_placing(path: &'static str, contains: &'static str) {
    for acts in [true, false] {
        for (name, attack) in attacks() {
            let (life, proxy) = Life::start_behind_proxy(Case::LONG).await;
            proxy.add(Rule { method: "POST", path, contains, acts, attack });
            life.open().await;
            managed_on(life, &format!("{name}, acts {acts}")).await;
            assert_eq!(proxy.met(), 1, "{name}: no attack was met");
            assert!(proxy.flooded() < CLIENT_TAKES + SOCKET_BUFFERS, "{name}: {}", proxy.flooded());
        }
    }
}

/// From wherever it is to its profit, behind its stop.
async fn managed_on(life: Life, what: &str) {
    life.active().await;
    life.dip().await;
    life.recover().await;
    life.ended().await;
    let verdict = life.verdict().await;
    assert_eq!(verdict.seen.why, Some(Why::TargetFilled), "{what}: {verdict:?}");
    assert!(verdict.naked <= Millis::from_secs(31), "{what}: {verdict:?}");
    println!("{what}: without a stop for {} at most", verdict.naked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c09_an_entry_whose_answer_attacks() {
    attacked_when_placing("/fapi/v1/order", "type=MARKET").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c09_a_stop_whose_answer_attacks() {
    attacked_when_placing("/fapi/v1/algoOrder", "type=STOP_MARKET").await;
}

async fn opened(case: Case) -> (Life, Proxy) {
    let (life, proxy) = Life::start_behind_proxy(case).await;
    life.open().await;
    life.active().await;
    (life, proxy)
}

/// The stream is cut, so that the account is read; all that is read attacks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c09_readings_that_attack_leave_the_stop_where_it_is() {
    for (name, attack) in attacks() {
        let (life, proxy) = opened(Case::LONG).await;
        let stop = life.stop();
        for path in ["/fapi/v3/positionRisk", "/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders"] {
            proxy.add(Rule { method: "GET", path, contains: "", acts: false, attack: attack.clone() });
        }
        life.admin("POST", "/streams", r#"{"do":"cut"}"#).await;
        life.until("attacked", |_| proxy.met() > 0).await;
        assert_eq!(life.stop(), stop, "{name}");
        managed_on(life, name).await;
    }
}

/// The frame that is too large is never read: the stream is opened again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c09_a_frame_of_64_mebibytes_ends_the_stream_and_nothing_else() {
    let (life, proxy) = opened(Case::LONG).await;
    let head = [&[0x81, 127][..], &HUGE_FRAME.to_be_bytes()].concat();
    proxy.inject([head, vec![b' '; PIECE]].concat());
    managed_on(life, "a frame of 64 MiB").await;
    let (life, proxy) = opened(Case::LONG).await;
    proxy.inject(text_frame(&deep()));
    managed_on(life, "a deep frame").await;
}

/// As much of a frame as is sent.
const PIECE: usize = 1 << 20;

/// Every old frame once more, backwards, in the middle of a life and near its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c04_old_frames_change_nothing() {
    in_each(&Case::EACH, |case| async move {
        let (life, proxy) = opened(case).await;
        life.dip().await;
        let held = life.exposure();
        assert!(proxy.replay() > 3 && proxy.replay() > 3);
        let (target, stop) = (life.target(), life.stop());
        life.dip().await;
        assert!(life.exposure() > held);
        assert_ne!(life.target(), target, "the target follows the new average");
        assert_eq!(life.stop().len(), stop.len());
        proxy.replay();
        life.recover().await;
        life.ended().await;
        proxy.replay();
        let verdict = life.verdict().await;
        assert_eq!(verdict.seen.why, Some(Why::TargetFilled), "{verdict:?}");
    })
    .await;
}

/// A word in a frame of the account, and in the answer to a request: what is said instead of it.
type Changed = (&'static str, &'static str);

/// The frames and answers of a venue that tell what became of an order.
fn told_of_orders(case: Case) -> (Vec<Changed>, Vec<(Request, Changed)>) {
    let look = |path| Request { method: "GET", path, contains: "" };
    let Requests { entry, rungs, protection, looks, lists, .. } = case.requests();
    match case.protocol {
        Protocol::Binance => (
            vec![(r#""x":"TRADE""#, r#""x":"TELEPORT""#), (r#""X":"FILLED""#, r#""X":"LIMBO""#)],
            vec![
                (*entry, (r#""status":"FILLED""#, r#""status":"LIMBO""#)),
                (*rungs, (r#""status":"NEW""#, r#""status":"LIMBO""#)),
                (protection[0].1, (r#""algoStatus":"NEW""#, r#""algoStatus":"LIMBO""#)),
            ],
        ),
        // What is placed is answered with ids alone: the words stand in what is read.
        Protocol::BitgetClassic => (
            vec![(r#""status":"filled""#, r#""status":"limbo""#), (r#""status":"executed""#, r#""status":"limbo""#)],
            vec![
                (look(looks[0]), (r#""state":""#, r#""state":"limbo_"#)),
                (look(lists[0]), (r#""status":"live""#, r#""status":"limbo""#)),
                (look(lists[1]), (r#""planStatus":"live""#, r#""planStatus":"limbo""#)),
            ],
        ),
        Protocol::BitgetUnified => (
            vec![(r#""orderStatus":"filled""#, r#""orderStatus":"limbo""#)],
            vec![
                (look(looks[0]), (r#""orderStatus":""#, r#""orderStatus":"limbo_"#)),
                (look(lists[0]), (r#""orderStatus":""#, r#""orderStatus":"limbo_"#)),
                (look(lists[1]), (r#""status":""#, r#""status":"limbo_"#)),
            ],
        ),
    }
}

/// Words that are not known, in frames and in answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c10_words_that_are_not_known_are_looked_up_and_never_guessed() {
    in_each(&Case::EACH, |case| async move {
        let (frames, answers) = told_of_orders(case);
        for (from, to) in frames {
            let (life, proxy) = opened(case).await;
            proxy.change_frame(from, to);
            managed_on(life, to).await;
            assert_eq!(proxy.met(), 1, "{from} never came");
        }
        for (Request { method, path, contains }, (from, to)) in answers {
            let (life, proxy) = Life::start_behind_proxy(case).await;
            proxy.add(Rule { method, path, contains, acts: true, attack: Attack::Change(from, to) });
            if method == "GET" {
                // An order is asked for where its answer is lost and no frame tells of it; lists are read once a
                // stream was cut.
                let lost = case.requests().rungs.meets(1, r#"{"kind":"cut","when":"after"}"#);
                life.admin("POST", "/streams", r#"{"do":"silence","users":true}"#).await;
                life.open_under(&[lost]).await;
                life.active().await;
                life.admin("POST", "/streams", r#"{"do":"resume","users":true}"#).await;
                life.admin("POST", "/streams", r#"{"do":"cut"}"#).await;
                life.until("read", |_| proxy.met() == 1).await;
            } else {
                life.open().await;
            }
            managed_on(life, path).await;
            assert_eq!(proxy.met(), 1, "{path} {contains}");
        }
    })
    .await;
}

/// How many lives are given to something that happens in most of them.
const LIVES: u32 = 10;

/// The answer to one request comes once more at once, or as the answer to the next one on its connection, upon which the
/// venue acts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c01_an_answer_that_comes_again_is_not_taken_for_the_next() {
    for attack in [Attack::Doubled, Attack::Twice] {
        for (path, contains) in [
            ("/fapi/v1/order", "type=MARKET"),
            ("/fapi/v1/batchOrders", "LIMIT"),
            ("/fapi/v1/algoOrder", "type=STOP_MARKET"),
        ] {
            let mut again = 0;
            // Whether anything follows on a connection is up to the client's pool: it is tried until something does.
            for _ in 0..LIVES {
                let (life, proxy) = Life::start_behind_proxy(Case::LONG).await;
                proxy.add(Rule { method: "POST", path, contains, acts: true, attack: attack.clone() });
                life.open().await;
                managed_on(life, contains).await;
                again += proxy.met();
                if again > 0 {
                    break;
                }
            }
            assert!(again > 0, "{attack:?}, {contains}: no answer came again in {LIVES} lives");
        }
    }
}
