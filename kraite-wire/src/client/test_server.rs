//! A venue of canned answers on a real socket, which counts what reaches it. For tests alone.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, missing_docs, reason = "it serves tests")]

use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

use kraite_core::time::Millis;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::local::{LocalClock, SystemClock};

/// How the venue tells its clock.
pub trait Clockwork: 'static {
    /// Where it is asked for.
    const PATH: &'static str;

    /// What is answered there at that time.
    fn body(now: i64) -> String;
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub head: String,
    pub body: String,
}

impl Request {
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// Query and form, wherever the parameters travel.
    pub fn parameters(&self) -> String {
        format!("{}{}", self.target.split_once('?').map_or("", |(_, query)| query), self.body)
    }

    pub fn parameter(&self, name: &str) -> Option<String> {
        let all = self.parameters();
        all.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")).map(str::to_owned))
    }

    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path() == path
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Reaction {
    /// Answers.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Writes these bytes and closes.
    Raw(Vec<u8>),
    /// Writes these bytes one by one, this far apart, for ever.
    Trickle(&'static str, Millis),
    /// Writes this many megabytes and no length.
    Flood(usize),
    /// Closes without a word.
    Close,
    /// Never answers.
    Hang,
}

pub fn answer(status: u16, body: &str) -> Reaction {
    Reaction::Answer(status, Vec::new(), body.to_owned())
}

type Script = dyn Fn(&Request, usize) -> Reaction + Send + Sync;

pub struct Server<V> {
    pub address: String,
    seen: Arc<Mutex<Vec<Request>>>,
    venue: PhantomData<V>,
}

impl<V: Clockwork> Server<V> {
    /// `script` gets each request but those for the clock, with how many of the same method and path came before.
    pub async fn start(script: impl Fn(&Request, usize) -> Reaction + Send + Sync + 'static) -> Self {
        Self::with_clock(SystemClock::real(), Millis(0), script).await
    }

    /// As [`Server::start`], with a clock that is ahead of the worker's.
    pub async fn with_clock(
        clock: SystemClock,
        ahead: Millis,
        script: impl Fn(&Request, usize) -> Reaction + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, all): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (script, all) = (Arc::clone(&script), Arc::clone(&all));
                tokio::spawn(serve::<V>(socket, clock, ahead, script, all));
            }
        });
        Self { address, seen, venue: PhantomData }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What arrived, the questions for the clock left out.
    pub fn seen(&self) -> Vec<Request> {
        self.all().into_iter().filter(|request| request.path() != V::PATH).collect()
    }

    pub fn all(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    pub fn count(&self, method: &str, path: &str) -> usize {
        self.all().iter().filter(|request| request.is(method, path)).count()
    }
}

async fn serve<V: Clockwork>(
    mut socket: TcpStream,
    clock: SystemClock,
    ahead: Millis,
    script: Arc<Script>,
    all: Arc<Mutex<Vec<Request>>>,
) {
    let Some(request) = read(&mut socket).await else { return };
    let before = {
        let mut all = all.lock().unwrap();
        let before = all.iter().filter(|seen| seen.is(&request.method, request.path())).count();
        all.push(request.clone());
        before
    };
    let reaction = if request.path() == V::PATH {
        answer(200, &V::body(clock.now().plus(ahead).0))
    } else {
        script(&request, before)
    };
    match reaction {
        Reaction::Answer(status, headers, body) => {
            let mut text = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
            for (name, value) in headers {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
            let _ = socket.write_all(format!("{text}\r\n{body}").as_bytes()).await;
        }
        Reaction::Raw(bytes) => drop(socket.write_all(&bytes).await),
        Reaction::Trickle(text, gap) => {
            for byte in text.bytes().cycle() {
                if socket.write_all(&[byte]).await.is_err() {
                    return;
                }
                clock.sleep(gap).await;
            }
        }
        Reaction::Flood(megabytes) => {
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await;
            let chunk = vec![b' '; 1 << 20];
            for _ in 0..megabytes {
                if socket.write_all(&chunk).await.is_err() {
                    return;
                }
            }
        }
        Reaction::Close => {}
        Reaction::Hang => clock.sleep(Millis::from_secs(60)).await,
    }
    let _ = socket.shutdown().await;
}

async fn read(socket: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut buffer = [0u8; 4_096];
    loop {
        let got = socket.read(&mut buffer).await.ok().filter(|got| *got > 0)?;
        bytes.extend_from_slice(&buffer[..got]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if body.len() < length.unwrap_or(0) {
            continue;
        }
        let mut words = head.split(' ');
        return Some(Request {
            method: words.next()?.to_owned(),
            target: words.next()?.to_owned(),
            head: head.to_owned(),
            body: body.to_owned(),
        });
    }
}
