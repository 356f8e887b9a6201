//! `kraite emulate` as a process: the ready line, an answer, the end, and what is wrong with a flag.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::Value;

fn kraite(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kraite"));
    command.arg("emulate").args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn it_says_where_it_is_answers_and_ends_when_it_is_told_to() {
    let mut child = kraite(&["--market", "random-walk", "--seed", "3"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&ready["schema"], &ready["venue"]), (&"kraite.emulate/1".into(), &"binance".into()));
    let http = ready["http"].as_str().unwrap();
    assert_eq!(ready["ws"].as_str().unwrap(), http.replace("http", "ws"));
    assert_eq!(ready["admin"].as_str().unwrap(), format!("{http}/_kraite/v1"));
    let mut stream = TcpStream::connect(http.strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(b"GET /fapi/v1/time HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("serverTime"), "{answer}");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn bitget_is_emulated_for_accounts_of_either_generation() {
    for (account, refused) in [("classic", "40084"), ("unified", "40085")] {
        let flags = ["--venue", "bitget", "--account", account, "--passphrase", "words", "--faults", "lost-replies"];
        let mut child = kraite(&flags).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&ready["venue"], &ready["account"]), (&"bitget".into(), &account.into()));
        let host = ready["http"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        let other = if account == "classic" { "/api/v3/account/assets" } else { "/api/v2/spot/account/info" };
        let mut stream = TcpStream::connect(host).unwrap();
        stream.write_all(format!("GET {other} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains(refused), "{answer}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn what_is_wrong_is_told_with_its_exit_code() {
    let refused = |args: &[&str], code: i32, says: &str| {
        let output = kraite(args).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(says), "{told}");
    };
    refused(&["--speed", "0"], 2, "--speed");
    refused(&["--balance=-5"], 2, "--balance");
    refused(&["--account", "unified"], 2, "--account is Bitget's");
    refused(&["--venue", "binance", "--passphrase", "words"], 2, "--passphrase is Bitget's");
    refused(&["--faults", "no-such-preset"], 2, "no-such-preset");
    refused(&["--market", "NOPE-1m.csv"], 9, "NOPE is not listed");
    refused(&["--exchange-info", "/nowhere/info.json"], 9, "/nowhere/info.json");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    refused(&["--port", &port], 1, "choose another port");
}
