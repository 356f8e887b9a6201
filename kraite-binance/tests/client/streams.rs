//! The account's stream on real sockets: connect, drop, reconnect, expiry, what cannot be read.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use kraite_binance::{Binance, Config, Ended, Hosts, Socket, SystemClock, Told};
use kraite_core::exchange::{Exchange, ReportStatus, StreamEvent};
use kraite_core::id::Symbol;
use kraite_core::time::Millis;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use crate::common::credentials;
use crate::server::{Server, answer};

/// Time runs this many times as fast, so that the seconds of the ramp do not have to be waited for.
const FASTER: u32 = 50;
const FILLED: &str = include_str!("../golden/frames/order_filled.json");

type Peer = WebSocketStream<TcpStream>;

/// What the other end does with its n-th socket.
type Behaviour = dyn Fn(usize, String, Peer) -> futures_core::future::BoxFuture<'static, ()> + Send + Sync;

struct Streams {
    server: Server,
    address: String,
    paths: Arc<Mutex<Vec<String>>>,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Streams {
    async fn start(behaviour: Arc<Behaviour>) -> Self {
        let server = Server::start(|request, before| match request.method.as_str() {
            "POST" => answer(200, &format!(r#"{{"listenKey":"key{before}"}}"#)),
            _ => answer(400, r#"{"code":-1125,"msg":"This listenKey does not exist."}"#),
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
                // Sockets of one route are numbered apart from the other's.
                let number = if path.starts_with("/private") { count.fetch_add(1, Ordering::SeqCst) } else { 0 };
                tokio::spawn(behaviour(number, path, peer));
            }
        });
        Self { server, address, paths, told: Arc::default() }
    }

    async fn backend(&self) -> Binance {
        Binance::connect(self.config(), credentials()).await.unwrap()
    }

    fn config(&self) -> Config {
        let hosts = Hosts::emulator(&self.server.url(), &format!("ws://{}", self.address)).unwrap();
        let heard = Arc::clone(&self.told);
        Config::new(hosts)
            .clock(Arc::new(SystemClock::scaled(FASTER)))
            .timeouts(Millis(1_000), Millis::from_secs(30))
            .watch(Arc::new(move |what| heard.lock().unwrap().push(what)))
    }

    fn was_told(&self, wanted: impl Fn(&Told) -> bool) -> bool {
        self.told.lock().unwrap().iter().any(wanted)
    }
}

/// Reads and answers pings until the other end goes.
async fn idle(mut peer: Peer) {
    while let Some(Ok(_)) = peer.next().await {}
}

async fn next(stream: &mut (impl futures_core::Stream<Item = StreamEvent> + Unpin)) -> StreamEvent {
    tokio::time::timeout(Duration::from_secs(20), stream.next()).await.expect("an event in time").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_and_a_dropped_socket_is_opened_again_with_connected_first() {
    let streams = Streams::start(Arc::new(|number, _, mut peer| {
        Box::pin(async move {
            let _ = peer.send(Message::text(FILLED.trim())).await;
            if number == 0 {
                return;
            }
            idle(peer).await;
        })
    }))
    .await;
    let backend = streams.backend().await;
    let mut stream = backend.account_stream().await.unwrap();
    let order = |event: &StreamEvent| matches!(event, StreamEvent::Order(r) if r.status == ReportStatus::Filled);
    assert_eq!(next(&mut stream).await, StreamEvent::Connected);
    assert!(order(&next(&mut stream).await));
    assert_eq!(next(&mut stream).await, StreamEvent::Disconnected);
    assert_eq!(next(&mut stream).await, StreamEvent::Connected);
    assert!(order(&next(&mut stream).await));
    assert_eq!(*streams.paths.lock().unwrap(), ["/private/ws/key0", "/private/ws/key1"]);
    assert!(streams.was_told(|t| matches!(t, Told::Down(Socket::Account, Ended::Closed, wait) if wait.0 == 1_000)));
    assert_eq!(streams.server.count("DELETE", "/fapi/v1/listenKey"), 0, "the key is that of all processes");
}

/// The venue cuts a socket after a day: the next one is open before the old one goes, and what happened in between is
/// read anew.
#[tokio::test(flavor = "multi_thread")]
async fn c03_an_old_socket_is_replaced_without_a_gap() {
    let seen: Arc<Mutex<Vec<&str>>> = Arc::default();
    let log = Arc::clone(&seen);
    let streams = Streams::start(Arc::new(move |number, path, mut peer| {
        let log = Arc::clone(&log);
        Box::pin(async move {
            let is_account = path.starts_with("/private");
            if is_account && number == 1 {
                log.lock().unwrap().push("the second is open");
                let _ = peer.send(Message::text(FILLED.trim())).await;
            }
            idle(peer).await;
            if is_account && number == 0 {
                log.lock().unwrap().push("the first is gone");
            }
        })
    }))
    .await;
    let config = streams.config().socket_age(Millis::from_secs(60));
    let backend = Binance::connect(config, credentials()).await.unwrap();
    let mut stream = backend.account_stream().await.unwrap();
    assert_eq!(next(&mut stream).await, StreamEvent::Connected);
    assert_eq!(next(&mut stream).await, StreamEvent::Connected, "and nothing said of a connection lost");
    assert!(matches!(next(&mut stream).await, StreamEvent::Order(_)));
    assert_eq!(streams.paths.lock().unwrap()[..2], ["/private/ws/key0", "/private/ws/key1"]);
    assert!(streams.was_told(|t| *t == Told::Down(Socket::Account, Ended::Age, Millis(0))));
    while seen.lock().unwrap().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(seen.lock().unwrap()[..2], ["the second is open", "the first is gone"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_key_is_replaced_and_the_socket_opened_anew() {
    let expired = r#"{"e":"listenKeyExpired","E":"1736996475556","listenKey":"key0"}"#;
    let streams = Streams::start(Arc::new(move |number, _, mut peer| {
        Box::pin(async move {
            if number == 0 {
                let _ = peer.send(Message::text(expired)).await;
            }
            idle(peer).await;
        })
    }))
    .await;
    let backend = streams.backend().await;
    let mut stream = backend.account_stream().await.unwrap();
    let expected = [StreamEvent::Connected, StreamEvent::Disconnected, StreamEvent::Connected];
    for event in expected {
        assert_eq!(next(&mut stream).await, event);
    }
    assert!(streams.was_told(|told| matches!(told, Told::Down(Socket::Account, Ended::Key, _))));
    assert_eq!(streams.server.count("POST", "/fapi/v1/listenKey"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_kept_is_replaced_after_half_an_hour() {
    let streams = Streams::start(Arc::new(|_, _, peer| Box::pin(idle(peer)))).await;
    let hosts = Hosts::emulator(&streams.server.url(), &format!("ws://{}", streams.address)).unwrap();
    let config = Config::new(hosts)
        .clock(Arc::new(SystemClock::scaled(3_000)))
        // Minutes pass while a socket is opened; nothing may be concluded from that.
        .timeouts(Millis(1_000), Millis::from_secs(30));
    let backend = Binance::connect(config, credentials()).await.unwrap();
    let mut stream = loop {
        if let Ok(stream) = backend.account_stream().await {
            break stream;
        }
    };
    assert_eq!(next(&mut stream).await, StreamEvent::Connected);
    while streams.server.count("PUT", "/fapi/v1/listenKey") == 0 {
        next(&mut stream).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_cannot_be_read_is_told_and_answered_with_a_reading() {
    let streams = Streams::start(Arc::new(|_, _, mut peer| {
        Box::pin(async move {
            for text in ["no JSON", r#"{"e":"ORDER_TRADE_UPDATE","T":1}"#, r#"{"e":"SOMETHING_NEW"}"#] {
                let _ = peer.send(Message::text(text)).await;
            }
            let _ = peer.send(Message::binary(vec![0xff, 0xfe])).await;
            idle(peer).await;
        })
    }))
    .await;
    let backend = streams.backend().await;
    let mut stream = backend.account_stream().await.unwrap();
    assert_eq!(next(&mut stream).await, StreamEvent::Connected);
    assert_eq!(next(&mut stream).await, StreamEvent::Connected, "the account is read again, on the same socket");
    assert!(streams.was_told(|told| *told == Told::Frame(Socket::Account)));
    assert_eq!(streams.paths.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn r113_a_socket_that_answers_no_ping_is_dead_however_open_it_is() {
    let streams = Streams::start(Arc::new(|number, _, peer| {
        Box::pin(async move {
            if number == 0 {
                // Open, and never read.
                tokio::time::timeout(Duration::from_secs(30), std::future::pending::<()>()).await.ok();
                drop(peer);
                return;
            }
            idle(peer).await;
        })
    }))
    .await;
    let backend = streams.backend().await;
    let mut stream = backend.account_stream().await.unwrap();
    for event in [StreamEvent::Connected, StreamEvent::Disconnected, StreamEvent::Connected] {
        assert_eq!(next(&mut stream).await, event);
    }
    assert!(streams.was_told(|told| matches!(told, Told::Down(Socket::Account, Ended::Silent, _))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_message_ends_the_socket_and_not_the_process() {
    let streams = Streams::start(Arc::new(|number, _, mut peer| {
        Box::pin(async move {
            if number == 0 {
                let _ = peer.send(Message::text(" ".repeat(3 << 20))).await;
            }
            idle(peer).await;
        })
    }))
    .await;
    let backend = streams.backend().await;
    let mut stream = backend.account_stream().await.unwrap();
    for event in [StreamEvent::Connected, StreamEvent::Disconnected, StreamEvent::Connected] {
        assert_eq!(next(&mut stream).await, event);
    }
    assert!(streams.was_told(|told| matches!(told, Told::Down(Socket::Account, Ended::Protocol, _))));
}

#[tokio::test(flavor = "multi_thread")]
async fn r112_marks_are_streamed_of_what_is_traded_and_a_mute_socket_is_reopened() {
    let mark =
        |symbol: &str| format!(r#"{{"e":"markPriceUpdate","E":1562305380000,"s":"{symbol}","p":"0.41","st":1}}"#);
    let subscribed: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&subscribed);
    let streams = Streams::start(Arc::new(move |_, path, mut peer| {
        let (heard, ada) = (Arc::clone(&heard), mark("ADAUSDT"));
        let btc = mark("BTCUSDT");
        Box::pin(async move {
            if path.starts_with("/market") {
                let _ = peer.send(Message::text(ada)).await;
                // From then on it only pings and answers pings.
                loop {
                    match tokio::time::timeout(Duration::from_millis(10), peer.next()).await {
                        Ok(Some(Ok(Message::Text(text)))) => {
                            heard.lock().unwrap().push(text.to_string());
                            let _ = peer.send(Message::text(r#"{"result":null,"id":1}"#)).await;
                            let _ = peer.send(Message::text(btc.clone())).await;
                        }
                        Ok(Some(Ok(_))) => {}
                        Ok(_) => return,
                        Err(_) if peer.send(Message::Ping(Default::default())).await.is_err() => return,
                        Err(_) => {}
                    }
                }
            }
            idle(peer).await;
        })
    }))
    .await;
    let backend = streams.backend().await;
    let mut stream = backend.account_stream().await.unwrap();
    assert_eq!(next(&mut stream).await, StreamEvent::Connected);
    let _ = backend.mark_price(&Symbol::new("ADAUSDT")).await;
    let StreamEvent::Mark(first) = next(&mut stream).await else { panic!("a mark") };
    assert_eq!(first.symbol, Symbol::new("ADAUSDT"));
    let _ = backend.mark_price(&Symbol::new("BTCUSDT")).await;
    let btc = loop {
        match next(&mut stream).await {
            StreamEvent::Mark(mark) if mark.symbol == Symbol::new("BTCUSDT") => break mark,
            StreamEvent::Mark(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(btc.price, "0.41".parse().unwrap());
    // Nothing more comes: after ten of its seconds the socket is taken for dead, whatever pings say.
    while !streams.was_told(|told| matches!(told, Told::Down(Socket::Marks, Ended::Silent, _))) {
        assert!(matches!(next(&mut stream).await, StreamEvent::Mark(_)), "no reading is asked for because of marks");
    }
    let markets: Vec<String> =
        streams.paths.lock().unwrap().iter().filter(|path| path.starts_with("/market")).cloned().collect();
    assert_eq!(markets.first().map(String::as_str), Some("/market/ws/adausdt@markPrice@1s"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_cannot_be_opened_is_an_error_and_a_dropped_one_ends_its_sockets() {
    let closed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&closed);
    let streams = Streams::start(Arc::new(move |_, _, peer| {
        let count = Arc::clone(&count);
        Box::pin(async move {
            idle(peer).await;
            count.fetch_add(1, Ordering::SeqCst);
        })
    }))
    .await;
    let backend = streams.backend().await;
    let stream = backend.account_stream().await.unwrap();
    drop(stream);
    tokio::time::timeout(Duration::from_secs(10), async {
        while closed.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let nowhere = Server::start(|_, _| answer(503, "Service Unavailable.")).await;
    let hosts = Hosts::emulator(&nowhere.url(), "ws://127.0.0.1:1").unwrap();
    let backend = Binance::connect(Config::new(hosts), credentials()).await.unwrap();
    assert!(backend.account_stream().await.is_err());
}
