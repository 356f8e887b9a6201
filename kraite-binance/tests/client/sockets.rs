//! What can happen to a request between two processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kraite_binance::{Binance, Config, Hosts};
use kraite_core::exchange::{Cause, Direction, Exchange, NewOrder, OrderShape, Outcome, PositionMode, RejectKind};
use kraite_core::id::Role;
use kraite_core::time::Millis;
use tokio::net::TcpListener;

use crate::common::{credentials, new_order};
use crate::server::{Reaction, Server, answer};
use crate::{SOON, backend, config, kind, later};

const POST: (&str, &str) = ("POST", "/fapi/v1/order");

fn entry() -> NewOrder {
    let shape = OrderShape::Market { qty: "30".parse().unwrap() };
    new_order(Role::Entry, Direction::Long, PositionMode::Hedge, shape)
}

async fn outcome_of(server: &Server) -> Outcome {
    backend(server).await.place(&[entry()], later()).await.remove(0)
}

/// The outcome of one placement whose answer is this, and how many requests it made.
async fn after(reaction: Reaction) -> (Outcome, usize) {
    let server = Server::start(move |_, _| reaction.clone()).await;
    (outcome_of(&server).await, server.count(POST.0, POST.1))
}

#[tokio::test]
async fn r06_a_server_that_closes_after_reading_leaves_one_request_and_an_unknown() {
    assert_eq!(after(Reaction::Close).await, (Outcome::Unknown(Cause::Disconnected), 1));
}

#[tokio::test]
async fn r06_no_answer_is_a_timeout_and_nothing_is_sent_again() {
    assert_eq!(after(Reaction::Hang).await, (Outcome::Unknown(Cause::Timeout), 1));
}

#[tokio::test]
async fn r06_a_truncated_answer_is_unknown_even_with_a_good_status() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"orderId\":1".to_vec();
    assert_eq!(after(Reaction::Raw(cut)).await, (Outcome::Unknown(Cause::Disconnected), 1));
    assert_eq!(after(Reaction::Raw(b"HTTP/1.1 200".to_vec())).await, (Outcome::Unknown(Cause::Disconnected), 1));
    assert_eq!(after(Reaction::Raw(b"garbage".to_vec())).await, (Outcome::Unknown(Cause::Disconnected), 1));
}

#[tokio::test]
async fn r21_a_success_with_garbage_is_unknown() {
    for body in ["", "<html>", "[]", "{}", r#"{"orderId":"x"}"#] {
        assert_eq!(after(answer(200, body)).await, (Outcome::Unknown(Cause::Undecodable), 1), "{body}");
    }
}

#[tokio::test]
async fn r07_503_is_unknown_or_refused_by_its_text() {
    let text = |text: &str| answer(503, &format!(r#"{{"code":-1000,"msg":"{text}"}}"#));
    let (unknown, sent) = after(text("Unknown error, please check your request or try again later.")).await;
    assert_eq!((unknown, sent), (Outcome::Unknown(Cause::ServerError), 1));
    let (refused, sent) = after(text("Service Unavailable.")).await;
    assert_eq!((kind(&refused), sent), (Some(RejectKind::RateLimited), 1));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = Server::start(|request, _| {
        let location =
            format!("http://{}/elsewhere", request.head.split("host: ").nth(1).unwrap().lines().next().unwrap());
        Reaction::Answer(307, vec![("location", location)], String::new())
    })
    .await;
    assert!(matches!(outcome_of(&server).await, Outcome::Unknown(_)));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_huge_answer_is_not_read_to_its_end() {
    let server = Server::start(|_, _| Reaction::Flood(64)).await;
    let config = config(&server).timeouts(Millis(200), Millis::from_secs(20));
    let backend = Binance::connect(config, credentials()).await.unwrap();
    let outcome = backend.place(&[entry()], later()).await.remove(0);
    assert_eq!(outcome, Outcome::Unknown(Cause::Undecodable));
    assert!(matches!(backend.balances().await, Err(kraite_core::exchange::ReadError::Undecodable(_))));
}

#[tokio::test]
async fn r20_a_server_that_drips_is_bounded_by_the_total_timeout() {
    let slow = Reaction::Trickle("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n          ", Millis(5));
    let started = crate::now();
    assert_eq!(after(slow).await, (Outcome::Unknown(Cause::Timeout), 1));
    assert!(crate::now().since(started) < Millis(SOON.0 * 5));
}

#[tokio::test]
async fn r06_a_refused_connection_provably_sent_nothing() {
    let server = Server::start(|_, _| answer(200, "{}")).await;
    let backend = backend(&server).await;
    assert!(backend.server_time().await.is_ok());
    // Measured; now the venue is gone.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let hosts = Hosts::emulator(&format!("http://{address}"), "ws://127.0.0.1:1").unwrap();
    let backend = Binance::connect(Config::new(hosts).timeouts(Millis(200), SOON), credentials()).await.unwrap();
    let outcome = backend.place(&[entry()], later()).await.remove(0);
    assert_eq!(kind(&outcome), Some(RejectKind::NotSent), "{outcome:?}");
}

#[tokio::test]
async fn r06_a_refused_connection_after_the_clock_was_measured_is_not_sent_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let venue = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0u8; 4_096]).await;
        let body = format!(r#"{{"serverTime":{}}}"#, crate::now().0);
        let text = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let _ = socket.write_all(text.as_bytes()).await;
    });
    let hosts = Hosts::emulator(&format!("http://{address}"), "ws://127.0.0.1:1").unwrap();
    let backend = Binance::connect(Config::new(hosts).timeouts(Millis(200), SOON), credentials()).await.unwrap();
    assert!(backend.server_time().await.is_ok());
    venue.await.unwrap();
    let outcome = backend.place(&[entry()], later()).await.remove(0);
    assert_eq!(kind(&outcome), Some(RejectKind::NotSent), "{outcome:?}");
    assert!(matches!(&outcome, Outcome::Rejected(reject) if reject.message.contains("refused")), "{outcome:?}");
}

#[tokio::test]
async fn r06_a_peer_that_does_not_speak_tls_was_sent_nothing() {
    let server = Server::start(|_, _| answer(200, "{}")).await;
    let https = server.url().replace("http://", "https://");
    let hosts = Hosts::emulator(&https, "ws://127.0.0.1:1").unwrap();
    match Binance::connect(Config::new(hosts).timeouts(Millis(300), SOON), credentials()).await {
        Ok(backend) => {
            let outcome = backend.place(&[entry()], later()).await.remove(0);
            assert_eq!(kind(&outcome), Some(RejectKind::NotSent), "{outcome:?}");
            assert!(server.seen().is_empty());
        }
        // A machine without root certificates can speak to nobody, and says so.
        Err(error) => assert_eq!(error.to_string(), "the system has no root certificates"),
    }
}

/// A venue that keeps connections open, and closes each after `answers` answers: without a word where another request
/// has come, or at once. Gives its address and the placements that reached it.
async fn keeping_open(answers: usize, closes_at_once: bool) -> (String, Arc<AtomicUsize>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, placed) = (listener.local_addr().unwrap().to_string(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&placed);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut buffer = vec![0u8; 16_384];
                for answered in 0.. {
                    if closes_at_once && answered == answers {
                        return;
                    }
                    let Ok(got) = socket.read(&mut buffer).await else { return };
                    if buffer[..got].starts_with(b"POST") {
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                    if got == 0 || answered == answers {
                        return;
                    }
                    let body = format!(r#"{{"serverTime":{}}}"#, crate::now().0);
                    let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                    let _ = socket.write_all(text.as_bytes()).await;
                }
            });
        }
    });
    (address, placed)
}

#[tokio::test]
async fn r06_a_kept_connection_that_dies_under_an_order_does_not_send_it_again() {
    let mut died_under_one = 0;
    for (answers, at_once) in [(1, false), (3, false), (1, true), (2, true)] {
        let (address, placed) = keeping_open(answers, at_once).await;
        let hosts = Hosts::emulator(&format!("http://{address}"), "ws://127.0.0.1:1").unwrap();
        let backend = Binance::connect(Config::new(hosts).timeouts(Millis(200), SOON), credentials()).await.unwrap();
        for sent in 1..=10 {
            let _ = backend.server_time().await;
            let outcome = backend.place(&[entry()], later()).await.remove(0);
            let arrived = placed.swap(0, Ordering::SeqCst);
            match outcome {
                Outcome::Rejected(reject) => assert_eq!((reject.kind, arrived), (RejectKind::NotSent, 0), "{sent}"),
                Outcome::Unknown(cause) => {
                    assert!(arrived <= 1, "{arrived} for one: {sent}");
                    died_under_one += usize::from(cause == Cause::Disconnected && arrived == 1);
                }
                Outcome::Accepted(_) => panic!("of what?"),
            }
        }
    }
    assert!(died_under_one >= 10, "{died_under_one}");
}
