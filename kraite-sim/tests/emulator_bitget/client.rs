//! A tiny client that signs by hand and shares nothing with the backend.

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use futures_util::{SinkExt as _, StreamExt as _};
use kraite_core::time::VenueMillis;
use kraite_sim::emulator::{Emulator, Protocol, Settings, Start};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// An answer as it came.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or("none")
    }

    /// What a success says.
    pub(crate) fn data(&self) -> &Value {
        assert_eq!((self.status, self.code()), (200, "00000"), "{}", self.body);
        &self.json["data"]
    }
}

pub(crate) fn sign(text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"s");
    BASE64.encode(hmac::sign(&key, text.as_bytes()).as_ref())
}

pub(crate) struct Bench {
    pub(crate) emulator: Emulator,
}

impl Bench {
    pub(crate) async fn classic() -> Self {
        Self::of(Protocol::BitgetClassic).await
    }

    pub(crate) async fn unified() -> Self {
        Self::of(Protocol::BitgetUnified).await
    }

    pub(crate) async fn of(protocol: Protocol) -> Self {
        // Twenty seconds into a minute, so that no limit starts again while a test runs.
        let start = Start::At(VenueMillis(1_760_000_000_000));
        Self::with(Settings { protocol, start, ..Settings::default() }).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        Self { emulator: Emulator::start(settings).await.unwrap() }
    }

    pub(crate) fn now(&self) -> i64 {
        self.emulator.clock().now().0
    }

    /// Sends bytes as they are and reads until the other side closes. `Err` for a connection that ends without a
    /// whole answer.
    pub(crate) async fn raw(&self, head: &str, body: &str) -> Result<Answer, String> {
        let mut stream = TcpStream::connect(self.emulator.address()).await.unwrap();
        let text = format!("{head}Host: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        let ended = stream.read_to_end(&mut read).await;
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return Err(format!("cut: {ended:?} {text}")) };
        let headers = head.to_lowercase();
        let length =
            headers.lines().find_map(|l| l.strip_prefix("content-length: ")).and_then(|n| n.trim().parse().ok());
        if body.len() < length.unwrap_or(0) {
            return Err(format!("truncated: {body}"));
        }
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        Ok(Answer { status, json: serde_json::from_str(body).unwrap_or_default(), body: body.to_owned() })
    }

    pub(crate) async fn open(&self, target: &str) -> Answer {
        self.raw(&format!("GET {target} HTTP/1.1\r\n"), "").await.unwrap()
    }

    pub(crate) fn headers(&self, method: &str, target: &str, body: &str) -> String {
        let stamp = self.now();
        let sign = sign(&format!("{stamp}{method}{target}{body}"));
        format!("ACCESS-KEY: k\r\nACCESS-SIGN: {sign}\r\nACCESS-TIMESTAMP: {stamp}\r\nACCESS-PASSPHRASE: p\r\n")
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        let headers = self.headers("GET", target, "");
        self.raw(&format!("GET {target} HTTP/1.1\r\n{headers}"), "").await.unwrap()
    }

    pub(crate) async fn try_post(&self, path: &str, body: &Value) -> Result<Answer, String> {
        let body = body.to_string();
        let headers = self.headers("POST", path, &body);
        self.raw(&format!("POST {path} HTTP/1.1\r\nContent-Type: application/json\r\n{headers}"), &body).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.try_post(path, &body).await.unwrap()
    }

    /// A classic call on orders, about SOLUSDT.
    pub(crate) async fn mix(&self, call: &str, fields: Value) -> Answer {
        let mut body = json!({ "symbol": "SOLUSDT", "productType": "USDT-FUTURES", "marginCoin": "USDT" });
        merge(&mut body, fields);
        self.post(&format!("/api/v2/mix/order/{call}"), body).await
    }

    /// A classic order.
    pub(crate) async fn order(&self, fields: Value) -> Answer {
        let mut body = json!({ "marginMode": "crossed" });
        merge(&mut body, fields);
        self.mix("place-order", body).await
    }

    pub(crate) async fn mix_get(&self, call: &str, query: &str) -> Answer {
        self.get(&format!("/api/v2/mix/{call}?productType=USDT-FUTURES{query}")).await
    }

    /// A unified call on orders, about SOLUSDT.
    pub(crate) async fn trade(&self, call: &str, fields: Value) -> Answer {
        let mut body = json!({ "symbol": "SOLUSDT", "category": "USDT-FUTURES" });
        merge(&mut body, fields);
        self.post(&format!("/api/v3/trade/{call}"), body).await
    }

    pub(crate) async fn admin(&self, method: &str, path: &str, body: &str) -> Answer {
        self.raw(&format!("{method} /_kraite/v1{path} HTTP/1.1\r\n"), body).await.unwrap()
    }

    pub(crate) async fn price(&self, last: &str) {
        let moved = self.admin("POST", "/price", &format!(r#"{{"symbol":"SOLUSDT","last":"{last}"}}"#)).await;
        assert_eq!(moved.status, 200, "{}", moved.body);
    }

    pub(crate) async fn fault(&self, rule: &str) {
        let added = self.admin("POST", "/faults", rule).await;
        assert_eq!(added.status, 200, "{}", added.body);
    }

    pub(crate) async fn verdict(&self) -> Value {
        self.admin("GET", "/audit", "").await.json
    }

    pub(crate) async fn hedge(&self) {
        let body = json!({ "productType": "USDT-FUTURES", "posMode": "hedge_mode" });
        self.post("/api/v2/mix/account/set-position-mode", body).await.data();
    }

    pub(crate) async fn socket(&self, path: &str) -> Socket {
        let stream = TcpStream::connect(self.emulator.address()).await.unwrap();
        let url = format!("{}{path}", self.emulator.ws());
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        Socket(socket)
    }

    /// A private socket that is signed in.
    pub(crate) async fn account_socket(&self, path: &str) -> Socket {
        let mut socket = self.socket(path).await;
        let stamp = (self.now() / 1_000).to_string();
        let argument = json!({
            "apiKey": "k", "passphrase": "p", "timestamp": stamp, "sign": sign(&format!("{stamp}GET/user/verify")),
        });
        socket.say(&json!({ "op": "login", "args": [argument] }).to_string()).await;
        let answer = socket.hear().await.unwrap();
        assert_eq!((&answer["event"], &answer["code"]), (&json!("login"), &json!(0)), "{answer}");
        socket
    }
}

pub(crate) fn merge(body: &mut Value, fields: Value) {
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
        body.extend(fields);
    }
}

pub(crate) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    pub(crate) async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text.to_owned())).await.unwrap();
    }

    /// The next text within two seconds, as it is; `None` where there is none, or the socket ended.
    pub(crate) async fn text(&mut self) -> Option<String> {
        loop {
            let next = tokio::time::timeout(std::time::Duration::from_secs(2), self.0.next()).await.ok()??;
            match next.ok()? {
                Message::Text(text) => return Some(text.to_string()),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    pub(crate) async fn hear(&mut self) -> Option<Value> {
        serde_json::from_str(&self.text().await?).ok()
    }

    pub(crate) async fn subscribe(&mut self, args: Value) {
        self.say(&json!({ "op": "subscribe", "args": args }).to_string()).await;
    }

    /// The next texts until one satisfies.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut all = Vec::new();
        while let Some(next) = self.hear().await {
            let done = wanted(&next);
            all.push(next);
            if done {
                return all;
            }
        }
        panic!("never came; only {all:#?}");
    }

    /// The rows of the next push of a channel.
    pub(crate) async fn push(&mut self, channel: &str) -> Value {
        let is_it = |frame: &Value| {
            frame["action"] == "snapshot" && (frame["arg"]["channel"] == channel || frame["arg"]["topic"] == channel)
        };
        self.until(is_it).await.pop().unwrap()["data"].clone()
    }
}
