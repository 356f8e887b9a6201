//! Orders over the WebSocket API: what is written, how often, and what is made of each reply and of each silence.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use kraite_binance::codec::{Credentials, Signer};
use kraite_binance::{Binance, Config, Ended, Hosts, OrderEntry, Socket, SystemClock, Told};
use kraite_core::exchange::{
    Amend, Cause, Direction, Exchange, NewOrder, OrderShape, Outcome, PositionMode, RejectKind, Service,
};
use kraite_core::id::{Role, Symbol};
use kraite_core::time::Millis;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::common::{credentials, new_order, order_ref};
use crate::server::{Server, answer};
use crate::{kind, later};

/// Time runs this many times as fast.
const FASTER: u32 = 10;

type Peer = WebSocketStream<TcpStream>;

/// What the other end does with a socket, by how many came before; a venue without one breaks each off unopened.
type Behaviour = dyn Fn(usize, Frames, Peer) -> futures_core::future::BoxFuture<'static, ()> + Send + Sync;

/// The frames that arrived, of all sockets.
#[derive(Clone, Default)]
struct Frames(Arc<Mutex<Vec<Value>>>);

impl Frames {
    fn all(&self) -> Vec<Value> {
        self.0.lock().unwrap().clone()
    }

    fn methods(&self) -> Vec<String> {
        self.all().iter().map(|frame| frame["method"].as_str().unwrap().to_owned()).collect()
    }

    /// The next request of a peer; `None` once it is gone.
    async fn next(&self, peer: &mut Peer) -> Option<Value> {
        while let Some(Ok(message)) = peer.next().await {
            if let Message::Text(text) = message {
                let frame: Value = serde_json::from_str(text.as_str()).unwrap();
                self.0.lock().unwrap().push(frame.clone());
                return Some(frame);
            }
        }
        None
    }
}

/// A venue that takes orders on both ways; over HTTP each is accepted as 7.
struct Venue {
    http: Server,
    ws: String,
    frames: Frames,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Venue {
    async fn start(behaviour: Arc<Behaviour>) -> Self {
        Self::with(Some(behaviour)).await
    }

    async fn with(behaviour: Option<Arc<Behaviour>>) -> Self {
        let http = Server::start(|request, _| {
            let id = request.parameter("newClientOrderId").or(request.parameter("clientAlgoId")).unwrap_or_default();
            answer(200, &accepted(&id, 7).to_string())
        })
        .await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ws = format!("ws://{}", listener.local_addr().unwrap());
        let frames = Frames::default();
        let all = frames.clone();
        tokio::spawn(async move {
            let mut number = 0;
            while let Ok((socket, _)) = listener.accept().await {
                let Some(behaviour) = &behaviour else { continue };
                let Ok(peer) = tokio_tungstenite::accept_async(socket).await else { continue };
                tokio::spawn(behaviour(number, all.clone(), peer));
                number += 1;
            }
        });
        Self { http, ws, frames, told: Arc::default() }
    }

    async fn connect(&self, credentials: Credentials) -> Binance {
        let heard = Arc::clone(&self.told);
        let config = Config::new(Hosts::emulator(&self.http.url(), &self.ws).unwrap())
            .clock(Arc::new(SystemClock::scaled(FASTER)))
            .timeouts(Millis(1_000), Millis::from_secs(30))
            .order_entry(OrderEntry::WebSocket)
            .socket_age(Millis::from_secs(60))
            .watch(Arc::new(move |what| heard.lock().unwrap().push(what)));
        Binance::connect(config, credentials).await.unwrap()
    }

    async fn connected(&self) -> Binance {
        let backend = self.connect(credentials()).await;
        self.until(|told| *told == Told::Up(Socket::Orders)).await;
        backend
    }

    async fn until(&self, wanted: impl Fn(&Told) -> bool) {
        for _ in 0..2_000 {
            if self.told.lock().unwrap().iter().any(&wanted) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never told: {:?}", self.told.lock().unwrap());
    }

    fn orders_over_http(&self) -> usize {
        self.http.seen().len()
    }
}

fn accepted(client: &str, number: u64) -> Value {
    json!({"orderId": number, "clientOrderId": client, "symbol": "ADAUSDT", "side": "BUY", "positionSide": "LONG",
        "status": "NEW", "type": "MARKET", "origQty": "30", "executedQty": "0", "updateTime": 1_566_818_724_722_u64})
}

fn reply(request: &Value, number: u64) -> Message {
    let client = request["params"]["newClientOrderId"].as_str().unwrap_or_default();
    framed(request, 200, "result", &accepted(client, number))
}

fn framed(request: &Value, status: u16, name: &str, body: &Value) -> Message {
    Message::text(json!({"id": request["id"], "status": status, name: body}).to_string())
}

fn entry(role: Role) -> NewOrder {
    let shape = OrderShape::Market { qty: "30".parse().unwrap() };
    new_order(role, Direction::Long, PositionMode::Hedge, shape)
}

fn number(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Accepted(ack) => ack.report.as_ref().map(|report| report.venue_id.as_str().to_owned()),
        Outcome::Rejected(_) | Outcome::Unknown(_) => None,
    }
}

async fn place(backend: &Binance, order: NewOrder) -> Outcome {
    backend.place(&[order], later()).await.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_goes_over_the_socket_once_and_each_request_is_signed_where_the_key_cannot_log_on() {
    let venue = Venue::start(Arc::new(|_, frames, mut peer| {
        Box::pin(async move {
            while let Some(request) = frames.next(&mut peer).await {
                let _ = peer.send(reply(&request, 42)).await;
                // Replies come twice: the second answers nobody.
                let _ = peer.send(reply(&request, 43)).await;
            }
        })
    }))
    .await;
    let backend = venue.connected().await;
    assert_eq!(number(&place(&backend, entry(Role::Entry)).await).unwrap(), "42");
    let order = order_ref(Role::Rung(1), Service::Regular, Some("8"));
    let change = Amend {
        order: order.clone(),
        side: Direction::Long.opening_side(),
        price: "0.37".parse().unwrap(),
        qty: "60".parse().unwrap(),
    };
    let _ = backend.amend(&change, later()).await;
    let _ = backend.cancel(&order, later()).await;
    let _ = backend.cancel(&order_ref(Role::Stop, Service::Conditional, None), later()).await;
    assert_eq!(venue.frames.methods(), ["order.place", "order.modify", "order.cancel", "algoOrder.cancel"]);
    assert_eq!(venue.orders_over_http(), 0);
    let params = &venue.frames.all()[0]["params"];
    assert_eq!(params["apiKey"], "the-api-key");
    assert_eq!(params["recvWindow"], 3_000);
    let mut signed: Vec<(&String, &Value)> = params.as_object().unwrap().iter().collect();
    signed.retain(|(name, _)| *name != "signature");
    signed.sort_by_key(|(name, _)| name.to_owned());
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs: Vec<String> = signed.iter().map(|(name, value)| format!("{name}={}", text(value))).collect();
    assert_eq!(params["signature"], credentials().signer().sign(&pairs.join("&")).unwrap().as_str());
    // What the socket has no method for goes over HTTP.
    let _ = backend.set_leverage(&Symbol::new("ADAUSDT"), 5, later()).await;
    assert_eq!(venue.http.count("POST", "/fapi/v1/leverage"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_out_of_order_belong_to_their_requests() {
    let venue = Venue::start(Arc::new(|_, frames, mut peer| {
        Box::pin(async move {
            let first = frames.next(&mut peer).await.unwrap();
            let second = frames.next(&mut peer).await.unwrap();
            // Numbers nobody asked under, and what is no reply at all.
            let _ = peer.send(Message::text(r#"{"id":999999,"status":200,"result":{}}"#)).await;
            let _ = peer.send(Message::text("not json")).await;
            for request in [&second, &first] {
                let id = request["id"].as_u64().unwrap();
                let _ = peer.send(reply(request, id)).await;
            }
            while frames.next(&mut peer).await.is_some() {}
        })
    }))
    .await;
    let backend = venue.connected().await;
    let (one, two) =
        tokio::join!(place(&backend, entry(Role::Entry)), async { place(&backend, entry(Role::Rung(1))).await });
    let id_of = |role: Role| {
        let wanted = crate::common::id(role, 3).to_string();
        let frames = venue.frames.all();
        let frame = frames.iter().find(|frame| frame["params"]["newClientOrderId"] == wanted.as_str()).unwrap();
        frame["id"].to_string()
    };
    assert_eq!(number(&one).unwrap(), id_of(Role::Entry));
    assert_eq!(number(&two).unwrap(), id_of(Role::Rung(1)));
    assert!(venue.told.lock().unwrap().contains(&Told::Frame(Socket::Orders)));
}

#[tokio::test(flavor = "multi_thread")]
async fn b02_a_socket_that_breaks_with_a_request_on_it_leaves_it_in_doubt_and_http_takes_the_next() {
    let venue = Venue::start(Arc::new(|_, frames, mut peer| {
        Box::pin(async move {
            let _ = frames.next(&mut peer).await;
            // Dropped without a word.
        })
    }))
    .await;
    let backend = venue.connected().await;
    let outcome = place(&backend, entry(Role::Entry)).await;
    assert_eq!(outcome, Outcome::Unknown(Cause::Disconnected));
    assert_eq!((venue.frames.all().len(), venue.orders_over_http()), (1, 0), "written once, sent nowhere else");
    venue.until(|told| matches!(told, Told::Down(Socket::Orders, Ended::Closed, _))).await;
    assert_eq!(number(&place(&backend, entry(Role::Rung(1))).await).unwrap(), "7");
}

#[tokio::test(flavor = "multi_thread")]
async fn b02_no_reply_in_time_is_a_doubt_and_a_late_one_answers_nobody() {
    let venue = Venue::start(Arc::new(|_, frames, mut peer| {
        Box::pin(async move {
            let first = frames.next(&mut peer).await.unwrap();
            let second = frames.next(&mut peer).await.unwrap();
            let _ = peer.send(reply(&first, 1)).await;
            let _ = peer.send(reply(&second, 2)).await;
            while frames.next(&mut peer).await.is_some() {}
        })
    }))
    .await;
    let backend = venue.connected().await;
    assert_eq!(place(&backend, entry(Role::Entry)).await, Outcome::Unknown(Cause::Timeout));
    assert_eq!(number(&place(&backend, entry(Role::Rung(1))).await).unwrap(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_and_limits_mean_what_they_mean_over_http() {
    let venue = Venue::start(Arc::new(|_, frames, mut peer| {
        Box::pin(async move {
            let errors = [(400, -2019, "Margin is insufficient."), (429, -1003, "Too many requests.")];
            for (status, code, message) in errors {
                let request = frames.next(&mut peer).await.unwrap();
                let error = json!({"code": code, "msg": message});
                let _ = peer.send(framed(&request, status, "error", &error)).await;
            }
            // No status: it says nothing.
            let request = frames.next(&mut peer).await.unwrap();
            let _ = peer.send(Message::text(json!({"id": request["id"], "result": {}}).to_string())).await;
            while frames.next(&mut peer).await.is_some() {}
        })
    }))
    .await;
    let backend = venue.connected().await;
    assert_eq!(kind(&place(&backend, entry(Role::Entry)).await), Some(RejectKind::Margin));
    assert_eq!(kind(&place(&backend, entry(Role::Entry)).await), Some(RejectKind::RateLimited));
    assert!(venue.told.lock().unwrap().iter().any(|told| matches!(told, Told::Quiet(_))));
    assert_eq!(kind(&place(&backend, entry(Role::Entry)).await), Some(RejectKind::RateLimited), "quiet for a while");
    assert_eq!(venue.frames.all().len(), 2, "and nothing left");
    let protect = place(&backend, entry(Role::Close)).await;
    assert!(matches!(protect, Outcome::Unknown(_)), "{protect:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_signed_in_with_an_ed25519_key_and_one_that_is_refused_leaves_http() {
    let pair = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
    let der = aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
    let key = data_encoding::BASE64.encode(der.as_ref());
    let ed25519 = || Credentials::new("the-api-key".into(), Signer::ed25519(&key.clone().into()).unwrap());
    let venue = Venue::start(Arc::new(|number, frames, mut peer| {
        Box::pin(async move {
            let logon = frames.next(&mut peer).await.unwrap();
            if number > 0 {
                let error = json!({"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."});
                let _ = peer.send(framed(&logon, 401, "error", &error)).await;
                return;
            }
            let _ = peer.send(framed(&logon, 200, "result", &json!({"apiKey": "the-api-key"}))).await;
            let request = frames.next(&mut peer).await.unwrap();
            let _ = peer.send(reply(&request, 42)).await;
            let revoked = json!({"id": null, "status": 401, "error": {"code": -2015, "msg": "Invalid API-key"}});
            let _ = peer.send(Message::text(revoked.to_string())).await;
            while frames.next(&mut peer).await.is_some() {}
        })
    }))
    .await;
    let backend = venue.connect(ed25519()).await;
    venue.until(|told| *told == Told::Up(Socket::Orders)).await;
    assert_eq!(number(&place(&backend, entry(Role::Entry)).await).unwrap(), "42");
    let frames = venue.frames.all();
    assert_eq!(frames[0]["method"], "session.logon");
    assert!(frames[0]["params"]["signature"].is_string());
    let unsigned = &frames[1]["params"];
    assert!(unsigned["signature"].is_null() && unsigned["apiKey"].is_null() && unsigned["timestamp"].is_u64());
    // The key is revoked, and cannot log on any more: HTTP says what it says of that.
    venue.until(|told| matches!(told, Told::Down(Socket::Orders, Ended::Key, wait) if wait.0 == 2_000)).await;
    assert_eq!(number(&place(&backend, entry(Role::Rung(1))).await).unwrap(), "7");
    let said = format!("{backend:?} {:?}", venue.told.lock().unwrap());
    assert!(!said.contains("the-api-key") && !said.contains(&key), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c03_an_old_socket_waits_for_its_replies_and_is_replaced() {
    let venue = Venue::start(Arc::new(|number, frames, mut peer| {
        Box::pin(async move {
            while let Some(request) = frames.next(&mut peer).await {
                // The first one answers when it is old already: 60 s of a clock ten times as fast.
                if number == 0 {
                    tokio::time::sleep(Duration::from_millis(1_900)).await;
                }
                let _ = peer.send(reply(&request, number as u64 + 1)).await;
            }
        })
    }))
    .await;
    let backend = venue.connected().await;
    tokio::time::sleep(Duration::from_millis(4_300)).await;
    assert_eq!(number(&place(&backend, entry(Role::Entry)).await).unwrap(), "1");
    venue.until(|told| matches!(told, Told::Down(Socket::Orders, Ended::Age, _))).await;
    let ups = || venue.told.lock().unwrap().iter().filter(|told| **told == Told::Up(Socket::Orders)).count();
    while ups() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(number(&place(&backend, entry(Role::Rung(1))).await).unwrap(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_no_socket_is_up_orders_go_over_http() {
    let venue = Venue::with(None).await;
    let backend = venue.connect(credentials()).await;
    venue.until(|told| matches!(told, Told::Down(Socket::Orders, ..))).await;
    for _ in 0..5 {
        assert_eq!(number(&place(&backend, entry(Role::Entry)).await).unwrap(), "7");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert_eq!(venue.orders_over_http(), 5);
}

/// A connection can be dead long before anybody is told: what waits on it is in doubt, and nothing more is put on it.
#[tokio::test(flavor = "multi_thread")]
async fn b02_a_socket_that_has_gone_dead_holds_up_nothing_but_what_is_on_it() {
    let venue = Venue::start(Arc::new(|_, frames, mut peer| {
        Box::pin(async move {
            let _ = frames.next(&mut peer).await;
            // Neither closed nor read any more: not even a ping is answered.
            tokio::time::sleep(Duration::from_secs(60)).await;
            drop(peer);
        })
    }))
    .await;
    let backend = venue.connected().await;
    let lost = place(&backend, entry(Role::Entry));
    let next = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        place(&backend, entry(Role::Rung(1))).await
    };
    let (lost, next) = tokio::join!(lost, next);
    assert!(matches!(lost, Outcome::Unknown(Cause::Timeout | Cause::Disconnected)), "{lost:?}");
    assert_eq!(number(&next).unwrap(), "7");
    assert_eq!((venue.frames.all().len(), venue.orders_over_http()), (1, 1));
}
