//! A tiny client that signs by hand and shares nothing with the backend.

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use futures_util::{SinkExt as _, StreamExt as _};
use kraite_core::time::VenueMillis;
use kraite_sim::emulator::{Emulator, Settings, Start};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// An answer as it came: status, headers in lower case, body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: String,
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> i64 {
        self.json["code"].as_i64().unwrap_or(0)
    }
}

pub(crate) struct Bench {
    pub(crate) emulator: Emulator,
}

pub(crate) fn sign(text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"s");
    HEXLOWER.encode(hmac::sign(&key, text.as_bytes()).as_ref())
}

impl Bench {
    pub(crate) async fn new() -> Self {
        // Twenty seconds into a minute, so that no limit starts again while a test runs.
        let start = Start::At(VenueMillis(1_760_000_000_000));
        Self::with(Settings { start, ..Settings::default() }).await
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
        let length: usize = headers
            .lines()
            .find_map(|l| l.strip_prefix("content-length: "))
            .and_then(|n| n.trim().parse().ok())
            .unwrap_or(0);
        if body.len() < length {
            return Err(format!("truncated: {body}"));
        }
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        Ok(Answer { status, headers, json: serde_json::from_str(body).unwrap_or_default(), body: body.to_owned() })
    }

    pub(crate) async fn open(&self, target: &str) -> Answer {
        self.raw(&format!("GET {target} HTTP/1.1\r\n"), "").await.unwrap()
    }

    pub(crate) fn signed_query(&self, params: &str) -> String {
        let joint = if params.is_empty() { "" } else { "&" };
        let query = format!("{params}{joint}timestamp={}", self.now());
        let signature = sign(&query);
        format!("{query}&signature={signature}")
    }

    pub(crate) async fn try_signed(&self, method: &str, path: &str, params: &str) -> Result<Answer, String> {
        let query = self.signed_query(params);
        self.raw(&format!("{method} {path}?{query} HTTP/1.1\r\nX-MBX-APIKEY: k\r\n"), "").await
    }

    pub(crate) async fn signed(&self, method: &str, path: &str, params: &str) -> Answer {
        self.try_signed(method, path, params).await.unwrap()
    }

    pub(crate) async fn order(&self, params: &str) -> Answer {
        self.signed("POST", "/fapi/v1/order", params).await
    }

    pub(crate) async fn algo(&self, params: &str) -> Answer {
        self.signed("POST", "/fapi/v1/algoOrder", &format!("algoType=CONDITIONAL&{params}")).await
    }

    pub(crate) async fn admin(&self, method: &str, path: &str, body: &str) -> Answer {
        self.raw(&format!("{method} /_kraite/v1{path} HTTP/1.1\r\n"), body).await.unwrap()
    }

    pub(crate) async fn price(&self, symbol: &str, last: &str) {
        let moved = self.admin("POST", "/price", &format!(r#"{{"symbol":"{symbol}","last":"{last}"}}"#)).await;
        assert_eq!(moved.status, 200, "{}", moved.body);
    }

    pub(crate) async fn fault(&self, rule: &str) {
        let added = self.admin("POST", "/faults", rule).await;
        assert_eq!(added.status, 200, "{}", added.body);
    }

    pub(crate) async fn socket(&self, path: &str) -> Socket {
        let stream = TcpStream::connect(self.emulator.address()).await.unwrap();
        let url = format!("{}{path}", self.emulator.ws());
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        Socket(socket)
    }

    pub(crate) async fn listen_key(&self) -> String {
        let made = self.raw("POST /fapi/v1/listenKey HTTP/1.1\r\nX-MBX-APIKEY: k\r\n", "").await.unwrap();
        made.json["listenKey"].as_str().unwrap().to_owned()
    }
}

pub(crate) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    pub(crate) async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text.to_owned())).await.unwrap();
    }

    /// The next text within two seconds; `None` where there is none, or the socket ended.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        loop {
            let next = tokio::time::timeout(std::time::Duration::from_secs(2), self.0.next()).await.ok()??;
            match next.ok()? {
                Message::Text(text) => return serde_json::from_str(text.as_str()).ok(),
                Message::Close(_) => return None,
                _ => {}
            }
        }
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
}
