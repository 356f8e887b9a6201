//! A proxy between backend and emulator that, for the next request that matches, answers with something no venue sends,
//! and that repeats or changes the frames of the account stream.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// As much as a flood goes on for, unless the client cuts it.
const FLOOD: u64 = 1 << 30;
/// Bytes of one write of a flood.
const PIECE: usize = 64 << 10;
/// A trickle is one byte each time this has passed, of real time.
const DRIP: Duration = Duration::from_millis(20);
/// FIN and a text, in the first byte of a frame.
const TEXT_FRAME: u8 = 0x81;

/// What a request is answered with.
#[derive(Debug, Clone)]
pub(crate) enum Attack {
    /// This status and body.
    Body(u16, Vec<u8>),
    /// Headers that end with this line, and then a gibibyte of these bytes again and again.
    Flood(&'static str, &'static [u8]),
    /// Headers, and then a byte now and then.
    Trickle,
    /// The venue's own answer with one text for another.
    Change(&'static str, &'static str),
    /// The venue's own answer, and at once the same again.
    Doubled,
    /// The venue's own answer, and once more as the answer to whatever comes next on this connection.
    Twice,
}

/// An attack and the request that meets it, once.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) contains: &'static str,
    /// Whether the venue acts on the request all the same.
    pub(crate) acts: bool,
    pub(crate) attack: Attack,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    met: usize,
    flooded: u64,
    frames: Vec<Vec<u8>>,
    accounts: Vec<UnboundedSender<Vec<u8>>>,
    changes: Vec<(&'static str, &'static str)>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    state: Mutex<State>,
}

#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Proxy {
    pub(crate) async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { upstream, state: Mutex::default() });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A connection that breaks is what half of the attacks are about.
                tokio::spawn(serve(Arc::clone(&serving), client));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn http(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn ws(&self) -> String {
        format!("ws://{}", self.address)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    pub(crate) fn add(&self, rule: Rule) {
        self.state().rules.push(rule);
    }

    /// How many attacks were met, changed frames among them.
    pub(crate) fn met(&self) -> usize {
        self.state().met
    }

    /// Bytes of floods that were written before the client cut them.
    pub(crate) fn flooded(&self) -> u64 {
        self.state().flooded
    }

    /// The next frame of the account that holds `from` says `to` instead.
    pub(crate) fn change_frame(&self, from: &'static str, to: &'static str) {
        self.state().changes.push((from, to));
    }

    /// Sends every frame of the account again, the last one first.
    pub(crate) fn replay(&self) -> usize {
        let frames = self.state().frames.clone();
        frames.iter().rev().for_each(|frame| self.inject(frame.clone()));
        frames.len()
    }

    /// Sends these bytes on each open account socket.
    pub(crate) fn inject(&self, bytes: Vec<u8>) {
        // Sockets that are closed have nobody to listen.
        self.state().accounts.retain(|socket| socket.send(bytes.clone()).is_ok());
    }
}

async fn serve(shared: Arc<Shared>, mut client: TcpStream) -> io::Result<()> {
    let mut again: Option<Vec<u8>> = None;
    while let Some(request) = read_message(&mut client).await? {
        let text = String::from_utf8_lossy(&request).into_owned();
        if text.to_ascii_lowercase().contains("upgrade: websocket") {
            return tunnel(shared, client, request).await;
        }
        let rule = shared.rule(&text);
        if let Some(old) = again.take() {
            forward(shared.upstream, &request).await?;
            shared.state.lock().unwrap().met += 1;
            client.write_all(&old).await?;
            continue;
        }
        let Some(rule) = rule else {
            client.write_all(&forward(shared.upstream, &request).await?).await?;
            continue;
        };
        let answer = if rule.acts { forward(shared.upstream, &request).await? } else { Vec::new() };
        match rule.attack.clone() {
            Attack::Body(status, body) => client.write_all(&reply(status, &body)).await?,
            Attack::Flood(header, piece) => return flood(&shared, client, header, piece).await,
            Attack::Trickle => return trickle(client).await,
            // An answer that does not say it is no turn of the rule.
            Attack::Change(from, _) if !String::from_utf8_lossy(&answer).contains(from) => {
                shared.put_back(rule);
                client.write_all(&answer).await?;
            }
            Attack::Change(from, to) => client.write_all(&changed(&answer, from, to)).await?,
            Attack::Doubled => client.write_all(&answer.repeat(2)).await?,
            Attack::Twice => {
                client.write_all(&answer).await?;
                again = Some(answer);
            }
        }
    }
    Ok(())
}

impl Shared {
    /// The rule that this request meets, taken out; one that answers twice counts when it has.
    fn rule(&self, request: &str) -> Option<Rule> {
        let mut state = self.state.lock().unwrap();
        let meets = |rule: &Rule| {
            request.starts_with(&format!("{} {}", rule.method, rule.path)) && request.contains(rule.contains)
        };
        let place = state.rules.iter().position(meets)?;
        let rule = state.rules.remove(place);
        state.met += usize::from(!matches!(rule.attack, Attack::Twice));
        Some(rule)
    }

    /// The next request may meet it.
    fn put_back(&self, rule: Rule) {
        let mut state = self.state.lock().unwrap();
        state.met -= 1;
        state.rules.push(rule);
    }
}

/// Head and body; `None` at the end of the connection.
async fn read_message(from: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut message = Vec::new();
    loop {
        if let Some(end) = message.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&message[..end]).to_ascii_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            if message.len() >= end + 4 + length.unwrap_or(0) {
                return Ok(Some(message));
            }
        }
        if from.read_buf(&mut message).await? == 0 {
            return Ok(None);
        }
    }
}

/// The emulator's answer, as one on a connection that stays open.
async fn forward(upstream: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(upstream).await?;
    let line = request.windows(2).position(|two| two == b"\r\n").unwrap() + 2;
    server.write_all(&[&request[..line], b"connection: close\r\n", &request[line..]].concat()).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let lines: Vec<&str> = head.split("\r\n").filter(|line| !line.eq_ignore_ascii_case("connection: close")).collect();
    Ok(format!("{}\r\n\r\n{body}", lines.join("\r\n")).into_bytes())
}

fn reply(status: u16, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// One text for another in the body; the length that is told follows.
fn changed(answer: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    reply(status, body.replace(from, to).as_bytes())
}

async fn flood(shared: &Shared, mut client: TcpStream, header: &str, piece: &[u8]) -> io::Result<()> {
    client.write_all(format!("HTTP/1.1 200 OK\r\n{header}").as_bytes()).await?;
    let piece = piece.repeat(PIECE / piece.len());
    let mut left = FLOOD;
    while left > 0 {
        let written = client.write(&piece).await? as u64;
        shared.state.lock().unwrap().flooded += written;
        left = left.saturating_sub(written);
    }
    Ok(())
}

async fn trickle(mut client: TcpStream) -> io::Result<()> {
    client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await?;
    loop {
        client.write_all(b" ").await?;
        tokio::time::sleep(DRIP).await;
    }
}

/// A WebSocket: what the client says goes through as it is, the venue's frames one by one.
async fn tunnel(shared: Arc<Shared>, client: TcpStream, request: Vec<u8>) -> io::Result<()> {
    let account = String::from_utf8_lossy(&request).contains("/private");
    let mut server = TcpStream::connect(shared.upstream).await?;
    server.write_all(&request).await?;
    let Some(head) = read_head(&mut server).await? else { return Ok(()) };
    let (mut from_client, mut to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    to_client.write_all(&head).await?;
    let (out, mut queue) = unbounded_channel::<Vec<u8>>();
    if account {
        shared.state.lock().unwrap().accounts.push(out.clone());
    }
    let writing = tokio::spawn(async move {
        while let Some(bytes) = queue.recv().await {
            if to_client.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let reading = tokio::spawn(async move { pass_frames(&shared, from_server, &out, account).await });
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        _ = reading => {}
    }
    writing.abort();
    Ok(())
}

/// The head of the answer to an upgrade, and not a byte of the frames behind it.
async fn read_head(from: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match from.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(head))
}

async fn pass_frames(
    shared: &Shared,
    mut from: OwnedReadHalf,
    out: &UnboundedSender<Vec<u8>>,
    account: bool,
) -> io::Result<()> {
    loop {
        let (first, payload) = read_frame(&mut from).await?;
        let mut bytes = frame(first, &payload);
        if account && first == TEXT_FRAME {
            let text = String::from_utf8_lossy(&payload).into_owned();
            let mut state = shared.state.lock().unwrap();
            if let Some(place) = state.changes.iter().position(|(from, _)| text.contains(from)) {
                let (from, to) = state.changes.remove(place);
                bytes = frame(first, text.replace(from, to).as_bytes());
                state.met += 1;
            }
            state.frames.push(bytes.clone());
        }
        if out.send(bytes).is_err() {
            return Ok(());
        }
    }
}

async fn read_frame(from: &mut OwnedReadHalf) -> io::Result<(u8, Vec<u8>)> {
    let (first, short) = (from.read_u8().await?, from.read_u8().await? & 0x7f);
    let length = match short {
        126 => u64::from(from.read_u16().await?),
        127 => from.read_u64().await?,
        short => u64::from(short),
    };
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    from.read_exact(&mut payload).await?;
    Ok((first, payload))
}

/// A frame as servers send them.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut head = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => head.push(short),
        (_, Ok(middle)) => {
            head.push(126);
            head.extend(middle.to_be_bytes());
        }
        _ => {
            head.push(127);
            head.extend((length as u64).to_be_bytes());
        }
    }
    [head, payload.to_vec()].concat()
}

/// A whole text.
pub(crate) fn text_frame(payload: &[u8]) -> Vec<u8> {
    frame(TEXT_FRAME, payload)
}
