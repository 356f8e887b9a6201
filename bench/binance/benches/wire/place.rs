//! P17: what it costs a client to place one order, above what the system calls for the same bytes cost.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use kraite_bench_binance::{KEY, order, ours, params, place, theirs};
use kraite_core::exchange::{Exchange as _, Outcome};
use tokio::runtime::{Builder, Runtime};

use crate::rounds::{ratio, rounds};
use crate::server::{Server, request};

const CALLS: u32 = 300;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// The bytes that our client sends.
fn sent() -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let reader = std::thread::spawn(move || {
        loop {
            let (mut socket, _) = listener.accept().expect("a client");
            let mut bytes = Vec::new();
            while let Some(len) = request(&mut socket, &mut bytes) {
                if bytes.starts_with(b"POST") {
                    return bytes;
                }
                let body = r#"{"serverTime":1700000000000}"#;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                socket.write_all(format!("{head}{body}").as_bytes()).expect("a client that listens");
                bytes.drain(..len);
            }
        }
    });
    runtime().block_on(async { place(&ours(address).await, &order()).await });
    reader.join().expect("a request")
}

/// What follows the head of a request.
fn body(bytes: &[u8]) -> Vec<u8> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    bytes[head + 4..].to_vec()
}

/// As our client has it.
fn transport() -> reqwest::Client {
    // Not used on the loopback, but without it there is no client.
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.expect("versions").with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).retry(reqwest::retry::never());
    let client = client.no_proxy().http1_only();
    client.redirect(reqwest::redirect::Policy::none()).referer(false).tcp_nodelay(true).build().expect("a client")
}

pub(crate) fn run() {
    // Threads inherit the core: what follows is not to be bound to it.
    std::thread::spawn(measure).join().expect("nothing fails on the loopback");
}

fn measure() {
    one_core();
    let bytes = sent();
    let server = Server::start();

    let mut socket = TcpStream::connect(server.address).expect("the server");
    socket.set_nodelay(true).expect("a socket");
    let mut buffer = [0; 1 << 14];
    socket.write_all(&bytes).expect("the server");
    let whole = socket.read(&mut buffer).expect("the server");
    let mut floor = |calls: u32| {
        for _ in 0..calls {
            socket.write_all(&bytes).expect("the server");
            let mut got = 0;
            while got < whole {
                got += socket.read(&mut buffer).expect("the server");
            }
        }
    };

    let (kraite, order) = (runtime(), order());
    let client = kraite.block_on(async {
        let client = ours(server.address).await;
        // Only to learn the limits; that no contract is listed is an error of it.
        let _ = client.instruments().await;
        client
    });
    let mut kraite = |calls: u32| {
        kraite.block_on(async {
            for _ in 0..calls {
                let outcome = place(&client, &order).await;
                assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
            }
        });
    };

    let (official, api, params) = (runtime(), theirs(server.address), params());
    let mut official = |calls: u32| {
        official.block_on(async {
            for _ in 0..calls {
                let response = api.new_order(params.clone()).await.expect("an answer");
                let placed = response.data().await.expect("an order");
                assert_eq!(placed.order_id, Some(283_194_212));
            }
        });
    };

    // What the transport alone costs, for the same bytes.
    let (bare, body) = (runtime(), body(&bytes));
    let (transport, url) = (transport(), format!("http://{}/fapi/v1/order", server.address));
    let url: reqwest::Url = url.parse().expect("an address");
    let mut bare = |calls: u32| {
        bare.block_on(async {
            for _ in 0..calls {
                let form = "application/x-www-form-urlencoded";
                let out = transport.post(url.clone()).header("x-mbx-apikey", KEY).header("content-type", form);
                let answer = out.body(body.clone()).send().await.expect("an answer");
                assert!(answer.bytes().await.expect("a body").len() > 100);
            }
        });
    };

    let [floor, kraite, official, bare] = rounds(CALLS, [&mut floor, &mut kraite, &mut official, &mut bare]);
    println!(
        "| P17: client CPU per placed order above the floor of system calls, round by round, middle of the ratios | | (binance-sdk) | {:.2} | at most 0.65, aim 0.25 |",
        ratio(&kraite, &official, &floor)
    );
    println!(
        "| of that the transport: reqwest alone with the same bytes | | (binance-sdk) | {:.2} | |",
        ratio(&bare, &official, &floor)
    );
    let us = |nanos: f64| nanos / 1e3;
    for (what, kraite, official, bare, floor) in [
        ("best round", kraite.min, official.min, bare.min, floor.min),
        ("middle round", kraite.median, official.median, bare.median, floor.median),
    ] {
        let (ours, theirs, bare) = (kraite - floor, official - floor, bare - floor);
        println!(
            "| P17: client µs per placed order above a floor of {:.1}, {what} | {:.1} | {:.1} (binance-sdk) | {:.2} | at most 0.65, aim 0.25 |",
            us(floor),
            us(ours),
            us(theirs),
            ours / theirs
        );
        println!(
            "| of that the transport: reqwest alone with the same bytes, {what} | {:.1} | {:.1} (binance-sdk) | {:.2} | |",
            us(bare),
            us(theirs),
            bare / theirs
        );
    }
}

/// Client and server take turns on one core: no wake-up of another core is in anybody's account.
fn one_core() {
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(0);
    let _ = rustix::thread::sched_setaffinity(None, &cores);
}
