//! `kraite run` over HTTP: signals, health, metrics, and who is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use crate::stage::{PATIENCE, Running, Stage, kraite, open, until};
use rustix::process::Signal;
use serde_json::Value;

/// Nothing that the process says may contain it.
const TOKEN: &str = "canary-7Qx4Lw9sVt2Zr8";

fn listening(stage: &Stage, listen: &str) {
    let text = stage.text();
    let http = format!("[http]\nlisten = \"{listen}\"\ntoken = {{ env = \"KRAITE_HTTP\" }}\n[plans.p]");
    std::fs::write(stage.config(), text.replace("[plans.p]", &http)).unwrap();
}

fn command(folder: &Path, token: &str, args: &[&str]) -> Command {
    let mut command = kraite(folder, args);
    command.env("KRAITE_HTTP", token);
    command
}

struct Server {
    stage: Stage,
    run: Running,
    address: String,
}

impl Server {
    fn new() -> Self {
        let stage = Stage::of(&["apart"]);
        listening(&stage, "127.0.0.1:0");
        let run = Running::of(command(stage.folder.path(), TOKEN, &["run", "--verbose", "--signals", "-"]));
        let said = "signals, health and metrics on http://";
        until("listening", || run.was_told(said));
        let told = run.told.lock().unwrap().clone();
        let address = told.split_once(said).unwrap().1.lines().next().unwrap().to_owned();
        Self { stage, run, address }
    }

    /// Sends what is written there and reads until the connection ends.
    fn raw(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(!answer.contains(TOKEN), "{answer}");
        let status = answer.split(' ').nth(1).unwrap_or_else(|| panic!("{answer}")).parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let address = &self.address;
        self.raw(&format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        ))
    }

    fn signal(&self, body: &str) -> (u16, Value) {
        let (status, body) = self.ask("POST", "/signals", &format!("Authorization: Bearer {TOKEN}\r\n"), body);
        (status, serde_json::from_str(&body).unwrap())
    }

    fn metrics(&self) -> BTreeMap<String, String> {
        let (status, text) = self.ask("GET", "/metrics", "", "");
        assert_eq!(status, 200);
        parsed(&text)
    }

    fn ends(self) {
        let (code, told) = self.run.kill(Signal::INT);
        assert_eq!(code, Some(0), "{told}");
        assert!(!told.contains(TOKEN), "{told}");
    }
}

/// Every sample by name and labels; each has its HELP and TYPE before it.
fn parsed(text: &str) -> BTreeMap<String, String> {
    let (mut helped, mut typed, mut samples) = (String::new(), String::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            helped = rest.split_once(' ').unwrap().0.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(name == helped && ["gauge", "counter"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            name.clone_into(&mut typed);
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap();
            assert!(name == typed && labels.ends_with("\"}"), "{line}");
            assert!(value.parse::<f64>().unwrap() >= 0.0, "{line}");
            assert!(samples.insert(series.to_owned(), value.to_owned()).is_none(), "{line}");
        }
    }
    samples
}

#[test]
fn a_signal_over_http_opens_a_position_and_the_metrics_show_it() {
    let server = Server::new();
    until("healthy", || server.ask("GET", "/health", "", "").0 == 200);
    until("streaming", || server.metrics()["kraite_stream_up{account=\"apart\"}"] == "1");
    let line = open(1, "apart").to_string();
    let mut answer = server.signal(&line);
    until("opened", || {
        answer = server.signal(&line);
        answer.1["position"].is_u64()
    });
    assert_eq!((answer.0, &answer.1["id"], &answer.1["position"]), (200, &1.into(), &1.into()));
    assert_eq!(server.signal(&line).1["repeated"], true);
    until("protected", || server.stage.is_protected("apart"));
    until("shown as protected", || server.metrics()["kraite_unprotected_positions{account=\"apart\"}"] == "0");
    let metrics = server.metrics();
    let metric = |name: &str| metrics[&format!("{name}{{account=\"apart\"}}")].as_str();
    assert_eq!((metric("kraite_positions_open"), metric("kraite_connected")), ("1", "1"));
    assert_eq!((metric("kraite_unprotected_seconds"), metric("kraite_orders_in_doubt")), ("0.000", "0"));
    assert_ne!(metric("kraite_unprotected_seconds_worst"), "0.000", "the entry fills before its stop is accepted");
    assert!(metric("kraite_records_total").parse::<u64>().unwrap() > 5);
    assert_ne!(metric("kraite_stream_age_seconds"), "0.000");
    let notices = metrics.keys().filter(|series| series.starts_with("kraite_notices_total{")).count();
    assert_eq!(notices, kraite_core::engine::Alert::ALL.len());

    let close = |id: u64| format!("{{\"id\": {id}, \"account\": \"apart\", \"close\": \"SOLUSDT\"}}\n");
    assert_eq!(server.signal(&close(2)).1["taken"], true);
    until("closed", || server.stage.open("apart") == (0, 0));
    until("shown as closed", || server.metrics()["kraite_positions_open{account=\"apart\"}"] == "0");
    let (status, answer) = server.signal(&close(3));
    assert_eq!((status, answer["error"].as_str()), (400, Some("nothing like that is open")));
    server.ends();
}

#[test]
fn whoever_is_not_meant_is_refused_before_anything_is_done() {
    let server = Server::new();
    let line = open(1, "apart").to_string();
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let large = "x".repeat(4_097);
    let twice = format!("{bearer}{bearer}");
    until("open", || server.signal("{}").0 == 400);
    let with = |more: &str| format!("{bearer}{more}");
    for (method, path, headers, body, status) in [
        ("POST", "/signals", "", line.as_str(), 401),
        ("POST", "/signals", "Authorization: Bearer canary-7Qx4Lw9sVt2Zr9\r\n", &line, 401),
        ("POST", "/signals", "Authorization: Bearer canary\r\n", &line, 401),
        ("POST", "/signals", &bearer.replace("Bearer", "Basic"), &line, 401),
        ("POST", "/signals", &twice, &line, 401),
        ("POST", "/signals", &with("Origin: http://evil.example\r\n"), &line, 403),
        ("POST", "/signals", &with("Origin: null\r\n"), &line, 403),
        ("POST", "/signals", &with("Host: evil.example\r\n"), &line, 403),
        ("GET", "/metrics", "Origin: http://127.0.0.1\r\n", "", 403),
        ("POST", "/signals", &bearer, &large, 413),
        ("POST", "/signals", &bearer, &large[..4_096], 400),
        ("GET", "/signals", &bearer, "", 405),
        ("POST", "/metrics", &bearer, &line, 405),
        ("DELETE", "/health", "", "", 405),
        ("GET", "/", "", "", 404),
    ] {
        let (got, answer) = server.ask(method, path, headers, body);
        assert_eq!(got, status, "{method} {path} {headers}: {answer}");
        assert!(serde_json::from_str::<Value>(&answer).unwrap()["error"].is_string(), "{answer}");
    }
    for host in ["Host: evil.example\r\n", "Host: localhost.evil.example:80\r\n", ""] {
        let length = line.len();
        let request = format!("POST /signals HTTP/1.1\r\n{host}{bearer}Content-Length: {length}\r\n\r\n{line}");
        assert_eq!(server.raw(&request).0, 403, "{host}");
    }
    // In pieces, without saying how long it is.
    let address = &server.address;
    let chunks = format!(
        "POST /signals HTTP/1.1\r\nHost: {address}\r\n{bearer}Transfer-Encoding: chunked\r\n\r\n1001\r\n{large}\r\n0\r\n\r\n"
    );
    assert_eq!(server.raw(&chunks).0, 413);
    assert_eq!(server.metrics()["kraite_positions_open{account=\"apart\"}"], "0");
    assert_eq!(server.stage.ids_ever("apart"), []);
    server.ends();
}

#[test]
fn an_account_without_a_connection_is_named_and_who_sends_half_a_request_holds_up_nobody() {
    let mut stage = Stage::of(&["apart", "classic"]);
    listening(&stage, "127.0.0.1:0");
    let text = std::fs::read_to_string(stage.config()).unwrap();
    std::fs::write(stage.config(), text.replace(&stage.emulator("classic").http(), "http://127.0.0.1:9")).unwrap();
    stage.emulators.retain(|(name, _)| *name != "classic");
    let run = Running::of(command(stage.folder.path(), TOKEN, &["run", "--signals", "-"]));
    let said = "signals, health and metrics on http://";
    until("listening", || run.was_told(said));
    let told = run.told.lock().unwrap().clone();
    let address = told.split_once(said).unwrap().1.lines().next().unwrap().to_owned();
    let server = Server { stage, run, address };
    // More than may be connected at the same time; each is let go after its time.
    let halves: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = TcpStream::connect(&server.address).unwrap();
            stream.write_all(b"POST /signals HTTP/1.1\r\nHost: loc").unwrap();
            stream
        })
        .collect();
    until("connected but for one", || {
        let (status, body) = server.ask("GET", "/health", "", "");
        assert_eq!(status, 503);
        serde_json::from_str::<Value>(&body).unwrap()["not_connected"] == serde_json::json!(["classic"])
    });
    drop(halves);
    let metrics = server.metrics();
    assert_eq!(metrics["kraite_connected{account=\"apart\"}"], "1");
    assert_eq!(metrics["kraite_connected{account=\"classic\"}"], "0");
    assert_eq!(metrics["kraite_stream_up{account=\"classic\"}"], "0");
    server.ends();
}

#[test]
fn an_address_that_others_reach_and_a_token_that_is_none_are_configuration_errors() {
    let stage = Stage::of(&["apart"]);
    let fails = |token: &str, args: &[&str], says: &str| {
        let output = command(stage.folder.path(), token, args).output().unwrap();
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(3), "{told}");
        assert!(told.contains(says) && !told.contains("canary"), "{told}");
    };
    for address in ["0.0.0.0:7878", "192.168.0.1:7878", "[::]:7878", "localhost:7878", "127.0.0.1"] {
        listening(&stage, address);
        for args in [&["run"][..], &["config", "check"], &["run", "--json"]] {
            fails(TOKEN, args, "kraite.toml:5:10: listen is a loopback address");
        }
    }
    listening(&stage, "127.0.0.1:0");
    for args in [&["run"][..], &["config", "check"]] {
        fails("canary-15-chars", args, "the token: it has fewer than 16 characters");
        fails("canary with blanks in it", args, "the token: it holds blanks");
    }
    let text = std::fs::read_to_string(stage.config()).unwrap();
    std::fs::write(stage.config(), text.replace("{ env = \"KRAITE_HTTP\" }", &format!("\"{TOKEN}\""))).unwrap();
    fails(TOKEN, &["run"], "kraite.toml:6:9: say where it is");
    listening(&stage, "127.0.0.1:0");
    let fine = command(stage.folder.path(), TOKEN, &["config", "check"]).output().unwrap();
    assert_eq!(fine.status.code(), Some(0));
    assert!(!String::from_utf8_lossy(&fine.stdout).contains(TOKEN));
}
