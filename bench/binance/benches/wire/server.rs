//! A venue in a process of its own, so that what it costs is in nobody's account: one connection at a time per thread,
//! blocking, with prepared answers.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// The argument that makes this program the server.
pub(crate) const WORD: &str = "serve-as-venue";

/// Limits that no bench reaches.
const RULES: &str = r#"{"rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":4000000000},{"rateLimitType":"ORDERS","interval":"MINUTE","intervalNum":1,"limit":4000000000},{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":4000000000}],"symbols":[]}"#;

/// The server's process; it ends with this.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts this program again, as the server.
    pub(crate) fn start() -> Self {
        let program = std::env::current_exe().expect("this program has a name");
        let process = Command::new(program).arg(WORD).stdout(Stdio::piped()).spawn();
        let mut process = process.expect("this program can be started again");
        let mut line = String::new();
        let told = process.stdout.take().expect("its output is piped");
        BufReader::new(told).read_line(&mut line).expect("it tells its address");
        Self { process, address: line.trim().parse().expect("an address") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves until it is killed.
pub(crate) fn serve() -> ! {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    println!("{}", listener.local_addr().expect("it is bound"));
    loop {
        if let Ok((socket, _)) = listener.accept() {
            std::thread::spawn(move || connection(socket));
        }
    }
}

fn connection(mut socket: TcpStream) {
    #[allow(clippy::disallowed_methods, reason = "a venue tells the time")]
    let time = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let placed = answer(&kraite_bench_binance::reply());
    let _ = socket.set_nodelay(true);
    let mut bytes = Vec::with_capacity(1 << 14);
    while let Some(len) = request(&mut socket, &mut bytes) {
        let sent = if bytes.starts_with(b"POST") {
            socket.write_all(&placed)
        } else if bytes.starts_with(b"GET /fapi/v1/time") {
            let now = time();
            socket.write_all(&answer(&format!(r#"{{"serverTime":{now}}}"#)))
        } else {
            socket.write_all(&answer(RULES))
        };
        if sent.is_err() {
            return;
        }
        bytes.drain(..len);
    }
}

/// With the headers that the venue sends and the clients look at.
fn answer(body: &str) -> Vec<u8> {
    let len = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len}\r\nConnection: keep-alive\r\n\
         x-mbx-used-weight-1m: 1\r\nx-mbx-order-count-10s: 1\r\nx-mbx-order-count-1m: 1\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Reads one request to the end of its body; its length.
pub(crate) fn request(socket: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<usize> {
    let mut buffer = [0; 1 << 14];
    loop {
        if let Some(len) = whole(bytes) {
            return Some(len);
        }
        let got = socket.read(&mut buffer).ok().filter(|got| *got > 0)?;
        bytes.extend_from_slice(&buffer[..got]);
    }
}

fn whole(bytes: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length: ";
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let named = bytes[..head].windows(NAME.len()).position(|name| name.eq_ignore_ascii_case(NAME));
    let body = named.map_or(0, |at| {
        let digits = bytes[at + NAME.len()..].iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
    });
    (bytes.len() >= head + body).then_some(head + body)
}
