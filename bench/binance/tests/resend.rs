//! The venue takes an order and the reply breaks: who sends it again?
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use kraite_bench_binance::{order, ours, params, place, reply, theirs};
use kraite_core::exchange::{Cause, Outcome};

/// A venue that reads each order in full and breaks off within the body of its reply; it keeps what was posted.
struct Venue {
    address: SocketAddr,
    posted: Arc<Mutex<Vec<String>>>,
}

impl Venue {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, posted) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
        let kept = Arc::clone(&posted);
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || connection(socket, &kept));
            }
        });
        Self { address, posted }
    }

    fn posted(&self) -> Vec<String> {
        self.posted.lock().unwrap().clone()
    }
}

fn connection(mut socket: TcpStream, posted: &Mutex<Vec<String>>) {
    while let Some(request) = read(&mut socket) {
        if !request.starts_with("POST /fapi/v1/order") {
            let body = r#"{"serverTime":1700000000000}"#;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            socket.write_all(format!("{head}{body}").as_bytes()).unwrap();
            continue;
        }
        posted.lock().unwrap().push(request);
        let body = reply();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        socket.write_all(format!("{head}{}", &body[..body.len() / 2]).as_bytes()).unwrap();
        let _ = socket.shutdown(Shutdown::Both);
        return;
    }
}

fn read(socket: &mut TcpStream) -> Option<String> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4_096]);
    loop {
        let got = socket.read(&mut buffer).ok().filter(|got| *got > 0)?;
        bytes.extend_from_slice(&buffer[..got]);
        let text = String::from_utf8(bytes.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let len = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= len.unwrap_or(0) {
            return Some(text);
        }
    }
}

fn signature(request: &str) -> &str {
    request.split("signature=").nth(1).unwrap().split([' ', '&']).next().unwrap()
}

#[tokio::test]
async fn r20_we_post_an_order_once_and_say_that_nobody_knows() {
    let venue = Venue::start();
    let outcome = place(&ours(venue.address).await, &order()).await;
    assert_eq!(outcome, Outcome::Unknown(Cause::Disconnected));
    assert_eq!(venue.posted().len(), 1);
}

/// What is shown here is the library, not the venue: its check of client ids stands between this and four orders.
#[tokio::test]
async fn the_venues_library_posts_the_same_signed_order_four_times() {
    let venue = Venue::start();
    let answer = theirs(venue.address).new_order(params()).await;
    assert!(answer.is_err(), "every reply was cut");
    let posted = venue.posted();
    assert_eq!(posted.len(), 4, "its default is three retries, whatever the method");
    assert!(posted.iter().all(|request| signature(request) == signature(&posted[0])));
}
