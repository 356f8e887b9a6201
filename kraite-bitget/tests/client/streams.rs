//! The account's stream on real sockets: signing in, channels, pings, silence, reconnecting, an account that moves.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use kraite_bitget::codec::Generation;
use kraite_bitget::{Bitget, Config, Ended, Hosts, Socket, SystemClock, Told};
use kraite_core::exchange::{Exchange, ReadError, ReportStatus, ReportedId, StreamEvent};
use kraite_core::id::{Role, Symbol};
use kraite_core::time::Millis;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use crate::common::{BOTH, credentials, done, id};
use crate::server::{Server, answer, of_account};

/// Time runs this many times as fast, so that the seconds of the ramp do not have to be waited for.
const FASTER: u32 = 50;

type Peer = WebSocketStream<TcpStream>;
/// What the other end does with its n-th socket.
type Behaviour = dyn Fn(usize, String, Peer) -> futures_core::future::BoxFuture<'static, ()> + Send + Sync;

struct Streams {
    server: Server,
    address: String,
    paths: Arc<Mutex<Vec<String>>>,
    told: Arc<Mutex<Vec<Told>>>,
    generation: Arc<AtomicBool>,
}

const fn of(is_unified: bool) -> Generation {
    if is_unified { Generation::Unified } else { Generation::Classic }
}

impl Streams {
    async fn start(generation: Generation, behaviour: Arc<Behaviour>) -> Self {
        let unified = Arc::new(AtomicBool::new(generation == Generation::Unified));
        let now = Arc::clone(&unified);
        let server = Server::with_clock(SystemClock::scaled(FASTER), Millis(0), move |request, _| {
            of_account(of(now.load(Ordering::SeqCst)), "crossed", request)
                .unwrap_or_else(|| answer(200, &done(r#"{"list":null}"#)))
        })
        .await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let paths: Arc<Mutex<Vec<String>>> = Arc::default();
        let (all, count) = (Arc::clone(&paths), Arc::new(AtomicUsize::new(0)));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let path = Arc::new(Mutex::new(String::new()));
                let asked = Arc::clone(&path);
                #[allow(clippy::result_large_err, reason = "the signature is the library's")]
                let accepted = tokio_tungstenite::accept_hdr_async(socket, |request: &Request, response: Response| {
                    *asked.lock().unwrap() = request.uri().to_string();
                    Ok(response)
                })
                .await;
                let Ok(peer) = accepted else { continue };
                let path = path.lock().unwrap().clone();
                all.lock().unwrap().push(path.clone());
                let number = if path.ends_with("private") { count.fetch_add(1, Ordering::SeqCst) } else { 0 };
                tokio::spawn(behaviour(number, path, peer));
            }
        });
        Self { server, address, paths, told: Arc::default(), generation: unified }
    }

    fn config(&self) -> Config {
        let hosts = Hosts::emulator(&self.server.url(), &format!("ws://{}", self.address)).unwrap();
        let heard = Arc::clone(&self.told);
        Config::new(hosts)
            .clock(Arc::new(SystemClock::scaled(FASTER)))
            .timeouts(Millis(1_000), Millis::from_secs(30))
            .watch(Arc::new(move |what| heard.lock().unwrap().push(what)))
    }

    async fn backend(&self) -> Bitget {
        Bitget::connect(self.config(), credentials()).await.unwrap()
    }

    fn was_told(&self, wanted: impl Fn(&Told) -> bool) -> bool {
        self.told.lock().unwrap().iter().any(wanted)
    }

    fn paths(&self) -> Vec<String> {
        self.paths.lock().unwrap().iter().filter(|path| path.ends_with("private")).cloned().collect()
    }
}

async fn said(peer: &mut Peer) -> Option<String> {
    loop {
        match peer.next().await?.ok()? {
            Message::Text(text) => return Some(text.to_string()),
            Message::Close(_) => return None,
            _ => {}
        }
    }
}

/// Takes the sign-in and the subscriptions, and says what was subscribed.
async fn welcome(peer: &mut Peer) -> Option<Vec<String>> {
    let logon: serde_json::Value = serde_json::from_str(&said(peer).await?).unwrap();
    assert_eq!(logon["op"], "login");
    assert_eq!(logon["args"][0]["apiKey"], "the-api-key");
    assert_eq!(logon["args"][0]["timestamp"].as_str().unwrap().len(), 10, "whole seconds");
    peer.send(Message::text(r#"{"event":"login","code":0,"connId":"x"}"#)).await.ok()?;
    let channels: serde_json::Value = serde_json::from_str(&said(peer).await?).unwrap();
    assert_eq!(channels["op"], "subscribe");
    let mut all = Vec::new();
    for arg in channels["args"].as_array().unwrap() {
        let name = arg.get("channel").or_else(|| arg.get("topic")).unwrap().as_str().unwrap().to_owned();
        peer.send(Message::text(format!(r#"{{"event":"subscribe","arg":{arg}}}"#))).await.ok()?;
        all.push(name);
    }
    Some(all)
}

/// Answers pings until the other end goes.
async fn idle(peer: &mut Peer) {
    while let Some(text) = said(peer).await {
        if text == "ping" {
            let _ = peer.send(Message::text("pong")).await;
        }
    }
}

fn filled(generation: Generation) -> String {
    let client = id(Role::Entry);
    match generation {
        Generation::Classic => format!(
            r#"{{"action":"snapshot","arg":{{"instType":"USDT-FUTURES","channel":"orders","instId":"default"}},"data":[{{"instId":"ADAUSDT","orderId":"11","clientOid":"{client}","size":"30","posMode":"hedge_mode","tradeSide":"open","side":"buy","posSide":"long","accBaseVolume":"30","priceAvg":"0.37","status":"filled","uTime":"1700000000600"}}],"ts":1700000000601}}"#
        ),
        Generation::Unified => format!(
            r#"{{"action":"snapshot","arg":{{"instType":"UTA","topic":"order"}},"data":[{{"symbol":"ADAUSDT","category":"usdt-futures","orderId":"11","clientOid":"{client}","qty":"30","holdMode":"hedge_mode","holdSide":"long","tradeSide":"open","side":"buy","cumExecQty":"30","avgPrice":"0.37","orderStatus":"filled","updatedTime":"1700000000600"}}],"ts":1700000000601}}"#
        ),
    }
}

async fn next(stream: &mut (impl futures_core::Stream<Item = StreamEvent> + Unpin)) -> StreamEvent {
    loop {
        let event =
            tokio::time::timeout(Duration::from_secs(20), stream.next()).await.expect("an event in time").unwrap();
        if !matches!(event, StreamEvent::Mark(_)) {
            return event;
        }
    }
}

fn is_filled(event: &StreamEvent) -> bool {
    matches!(event, StreamEvent::Order(r) if r.status == ReportStatus::Filled && r.id == ReportedId::Ours(id(Role::Entry)))
}

#[tokio::test(flavor = "multi_thread")]
async fn c03_the_stream_signs_in_subscribes_and_is_opened_again_with_connected_first() {
    for generation in BOTH {
        let channels: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&channels);
        let streams = Streams::start(
            generation,
            Arc::new(move |number, path, mut peer| {
                let log = Arc::clone(&log);
                Box::pin(async move {
                    if path.ends_with("public") {
                        idle(&mut peer).await;
                        return;
                    }
                    let Some(all) = welcome(&mut peer).await else { return };
                    *log.lock().unwrap() = all;
                    let _ = peer.send(Message::text(filled(generation))).await;
                    if number > 0 {
                        idle(&mut peer).await;
                    }
                })
            }),
        )
        .await;
        let backend = streams.backend().await;
        let mut stream = backend.account_stream().await.unwrap();
        assert_eq!(next(&mut stream).await, StreamEvent::Connected);
        assert!(is_filled(&next(&mut stream).await));
        assert_eq!(next(&mut stream).await, StreamEvent::Disconnected);
        assert_eq!(next(&mut stream).await, StreamEvent::Connected);
        assert!(is_filled(&next(&mut stream).await));
        let (path, known): (_, &[&str]) = match generation {
            Generation::Classic => ("/v2/ws/private", &["orders", "orders-algo", "positions", "fill", "account"]),
            Generation::Unified => ("/v3/ws/private", &["order", "strategy-order", "position", "fill", "account"]),
        };
        assert_eq!(streams.paths(), [path, path]);
        assert!(known.iter().all(|channel| channels.lock().unwrap().iter().any(|said| said == channel)));
        assert!(streams.was_told(|t| matches!(t, Told::Down(Socket::Account, Ended::Closed, wait) if wait.0 == 1_000)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r113_pings_are_texts_and_a_socket_that_does_not_answer_them_is_replaced() {
    for generation in BOTH {
        let pings = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&pings);
        let streams = Streams::start(
            generation,
            Arc::new(move |number, path, mut peer| {
                let count = Arc::clone(&count);
                Box::pin(async move {
                    if path.ends_with("private") && welcome(&mut peer).await.is_none() {
                        return;
                    }
                    if number > 0 || path.ends_with("public") {
                        idle(&mut peer).await;
                        return;
                    }
                    while let Some(text) = said(&mut peer).await {
                        assert_eq!(text, "ping");
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                })
            }),
        )
        .await;
        let backend = streams.backend().await;
        let mut stream = backend.account_stream().await.unwrap();
        assert_eq!(next(&mut stream).await, StreamEvent::Connected);
        assert_eq!(next(&mut stream).await, StreamEvent::Disconnected);
        assert_eq!(next(&mut stream).await, StreamEvent::Connected);
        assert!(streams.was_told(|t| matches!(t, Told::Down(Socket::Account, Ended::Silent, _))));
        assert_eq!(pings.load(Ordering::SeqCst), 1, "one that nobody answers is enough");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r113_an_idle_account_whose_pings_are_answered_stays_connected() {
    let streams = Streams::start(
        Generation::Classic,
        Arc::new(|_, path, mut peer| {
            Box::pin(async move {
                if path.ends_with("private") && welcome(&mut peer).await.is_none() {
                    return;
                }
                idle(&mut peer).await;
            })
        }),
    )
    .await;
    let backend = streams.backend().await;
    let mut stream = backend.account_stream().await.unwrap();
    assert_eq!(next(&mut stream).await, StreamEvent::Connected);
    // Three minutes of the venue's time, in which nothing is said but pings and pongs.
    assert!(tokio::time::timeout(Duration::from_millis(3_600), next(&mut stream)).await.is_err());
    assert_eq!(streams.paths().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_is_refused_and_a_channel_that_is_missing_are_no_stream() {
    for (logon, channel) in [
        (r#"{"event":"error","code":30005,"msg":"login failed with the-api-key"}"#, ""),
        (r#"{"event":"login","code":"0"}"#, r#"{"event":"error","arg":{"channel":"orders"},"code":30001,"msg":"no"}"#),
    ] {
        let streams = Streams::start(
            Generation::Classic,
            Arc::new(move |_, _, mut peer| {
                Box::pin(async move {
                    let _ = said(&mut peer).await;
                    let _ = peer.send(Message::text(logon)).await;
                    if !channel.is_empty() {
                        let _ = said(&mut peer).await;
                        let _ = peer.send(Message::text(channel)).await;
                    }
                    idle(&mut peer).await;
                })
            }),
        )
        .await;
        match streams.backend().await.account_stream().await {
            Err(ReadError::Refused(why)) => assert!(!why.contains("the-api-key"), "{why}"),
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("a stream"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_venue_that_says_nothing_to_a_sign_in_is_no_stream() {
    let streams =
        Streams::start(Generation::Unified, Arc::new(|_, _, mut peer| Box::pin(async move { idle(&mut peer).await })))
            .await;
    assert!(matches!(streams.backend().await.account_stream().await, Err(ReadError::NoAnswer(_))));
}

/// The venue cuts a socket after a day: the next one is open before the old one goes, and what happened in between is
/// read anew.
#[tokio::test(flavor = "multi_thread")]
async fn c03_an_old_socket_is_replaced_without_a_gap() {
    let seen: Arc<Mutex<Vec<&str>>> = Arc::default();
    let log = Arc::clone(&seen);
    let streams = Streams::start(
        Generation::Unified,
        Arc::new(move |number, path, mut peer| {
            let log = Arc::clone(&log);
            Box::pin(async move {
                if path.ends_with("private") && welcome(&mut peer).await.is_none() {
                    return;
                }
                if path.ends_with("private") && number == 1 {
                    log.lock().unwrap().push("the second is open");
                }
                idle(&mut peer).await;
                if path.ends_with("private") && number == 0 {
                    log.lock().unwrap().push("the first is gone");
                }
            })
        }),
    )
    .await;
    let config = streams.config().socket_age(Millis::from_secs(60));
    let backend = Bitget::connect(config, credentials()).await.unwrap();
    let mut stream = backend.account_stream().await.unwrap();
    assert_eq!(next(&mut stream).await, StreamEvent::Connected);
    assert_eq!(next(&mut stream).await, StreamEvent::Connected, "no word of a disconnection between the two");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(*seen.lock().unwrap(), ["the second is open", "the first is gone"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r106_a_stream_follows_the_account_to_the_other_generation() {
    let streams = Streams::start(
        Generation::Classic,
        Arc::new(|_, path, mut peer| {
            Box::pin(async move {
                if path.ends_with("private") && welcome(&mut peer).await.is_none() {
                    return;
                }
                idle(&mut peer).await;
            })
        }),
    )
    .await;
    let backend = streams.backend().await;
    let mut stream = backend.account_stream().await.unwrap();
    assert_eq!(next(&mut stream).await, StreamEvent::Connected);
    streams.generation.store(true, Ordering::SeqCst);
    assert!(backend.positions().await.is_err(), "the refusal that tells of it");
    assert_eq!(next(&mut stream).await, StreamEvent::Disconnected);
    assert_eq!(next(&mut stream).await, StreamEvent::Connected);
    assert_eq!(streams.paths(), ["/v2/ws/private", "/v3/ws/private"]);
    assert!(streams.was_told(|t| *t == Told::Moved));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told_and_makes_the_engine_read() {
    let streams = Streams::start(
        Generation::Classic,
        Arc::new(|_, path, mut peer| {
            Box::pin(async move {
                if path.ends_with("private") {
                    if welcome(&mut peer).await.is_none() {
                        return;
                    }
                    let _ = peer.send(Message::text("{\"half\":")).await;
                }
                idle(&mut peer).await;
            })
        }),
    )
    .await;
    let backend = streams.backend().await;
    let mut stream = backend.account_stream().await.unwrap();
    assert_eq!(next(&mut stream).await, StreamEvent::Connected);
    assert_eq!(next(&mut stream).await, StreamEvent::Connected, "read everything");
    assert!(streams.was_told(|t| *t == Told::Frame(Socket::Account)));
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_of_the_contracts_in_use_are_streamed_from_the_public_socket() {
    for generation in BOTH {
        let streams = Streams::start(
            generation,
            Arc::new(move |_, path, mut peer| {
                Box::pin(async move {
                    if path.ends_with("private") {
                        if welcome(&mut peer).await.is_some() {
                            idle(&mut peer).await;
                        }
                        return;
                    }
                    while let Some(text) = said(&mut peer).await {
                        if text == "ping" {
                            continue;
                        }
                        let asked: serde_json::Value = serde_json::from_str(&text).unwrap();
                        let arg = asked["args"][0].clone();
                        let push = format!(
                            r#"{{"action":"snapshot","arg":{arg},"data":[{{"markPrice":"0.37","ts":"1700000000600"}}],"ts":1700000000601}}"#
                        );
                        let _ = peer.send(Message::text(push)).await;
                    }
                })
            }),
        )
        .await;
        let (one, two) = (Symbol::new("ADAUSDT"), Symbol::new("BTCPERP"));
        let config = streams.config().marks([one.clone()]);
        let backend = Bitget::connect(config, credentials()).await.unwrap();
        let mut stream = backend.account_stream().await.unwrap();
        let mut mark = async || {
            loop {
                let event = tokio::time::timeout(Duration::from_secs(20), stream.next()).await.unwrap().unwrap();
                if let StreamEvent::Mark(mark) = event {
                    return mark;
                }
            }
        };
        let first = mark().await;
        assert_eq!((first.symbol, first.price), (one, "0.37".parse().unwrap()));
        let _ = backend.mark_price(&two).await;
        assert_eq!(mark().await.symbol, two, "what comes into use is subscribed on the open socket");
    }
}
