//! `kraite doctor` as a process, against the emulator: all is well, a wrong secret, nobody there, and what is never shown.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::process::{Command, Output, Stdio};

use kraite_sim::emulator::{Emulator, Settings};
use serde_json::Value;

const KEY: &str = "canarykey0123456789";
const SECRET: &str = "canarysecret0123456789";
const NAMES: [&str; 4] = ["--key-env", "DOCTOR_KEY", "--secret-env", "DOCTOR_SECRET"];

/// Runs it with these two in its environment; whatever happens, neither is shown.
fn doctor(args: &[&str], key: &str, secret: &str) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_kraite"))
        .args(["doctor", "--venue", "binance"])
        .args(args)
        .env("DOCTOR_KEY", key)
        .env("DOCTOR_SECRET", secret)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    for shown in [&output.stdout, &output.stderr] {
        let shown = String::from_utf8_lossy(shown);
        assert!(!shown.contains("canary"), "{shown}");
    }
    output
}

async fn emulator() -> Emulator {
    Emulator::start(Settings { key: KEY.into(), secret: SECRET.into(), ..Settings::default() }).await.unwrap()
}

fn at<'a>(http: &'a str, ws: &'a str) -> Vec<&'a str> {
    [&["--http", http, "--ws", ws], &NAMES[..]].concat()
}

fn statuses(report: &Value) -> Vec<(String, String)> {
    let text = |check: &Value, field: &str| check[field].as_str().unwrap().to_owned();
    report["checks"].as_array().unwrap().iter().map(|check| (text(check, "name"), text(check, "status"))).collect()
}

fn found(output: &Output) -> (i32, Vec<(String, String)>) {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["schema"], &report["network"]), (&"kraite.doctor/1".into(), &"emulator".into()), "{report}");
    let code = output.status.code().unwrap();
    assert_eq!(report["ok"], code == 0, "{report}");
    (code, statuses(&report))
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_can_be_used_is_told_line_by_line() {
    let emulator = emulator().await;
    let (http, ws) = (emulator.http(), emulator.ws());
    let (code, checks) = found(&doctor(&[&at(&http, &ws)[..], &["--json"]].concat(), KEY, SECRET));
    let all = ["address", "clock", "contracts", "key", "rights", "mode", "margin", "stream"];
    let expected: Vec<(&str, &str)> =
        all.iter().map(|name| (*name, if *name == "rights" { "exempt" } else { "ok" })).collect();
    assert_eq!((code, checks), (0, pairs(&expected)));
    let output = doctor(&at(&http, &ws), KEY, SECRET);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), all.len() + 1, "{text}");
    for words in ["give or take", "5 contracts", "one-way", "10000 USDT", "no money is at stake on an emulator"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(output.stderr.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r109_a_wrong_secret_or_key_is_told_with_what_to_do() {
    let emulator = emulator().await;
    let (http, ws) = (emulator.http(), emulator.ws());
    for (key, secret, says) in
        [(KEY, "canary-of-another-key", "does not belong to the key"), ("canary-of-nobody", SECRET, "check the key")]
    {
        let args = [&at(&http, &ws)[..], &["--json"]].concat();
        let output = doctor(&args, key, secret);
        let (code, checks) = found(&output);
        assert_eq!(code, 4);
        assert_eq!(checks[3], ("key".to_owned(), "failed".to_owned()));
        assert!(checks[4..].iter().all(|(_, status)| status == "skipped"), "{checks:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains(says), "{checks:?}");
    }
}

#[test]
fn nobody_listening_is_an_exchange_that_cannot_be_reached() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (http, ws) = (format!("http://127.0.0.1:{port}"), format!("ws://127.0.0.1:{port}"));
    let (code, checks) = found(&doctor(&[&at(&http, &ws)[..], &["--json"]].concat(), KEY, SECRET));
    assert_eq!((code, checks[0].1.as_str()), (4, "failed"));
    assert!(checks[1..].iter().all(|(_, status)| status == "skipped"), "{checks:?}");
}

#[test]
fn what_is_configured_wrongly_is_told_before_anything_is_sent() {
    let refused = |args: &[&str], key: &str, secret: &str, code: i32, says: &str| {
        let output = doctor(args, key, secret);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(says), "{told}");
    };
    let (http, ws) = ("http://127.0.0.1:9", "ws://127.0.0.1:9");
    refused(&at(http, ws), "", SECRET, 3, "API key: it is empty");
    refused(&at(http, ws), "canary key", SECRET, 3, "API key");
    refused(&at(http, ws), KEY, "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----", 3, "secret");
    refused(&at("http://fapi.binance.com", ws), KEY, SECRET, 3, "not an address");
    let unset = ["--http", http, "--ws", ws, "--key-env", "DOCTOR_NOTHING", "--secret-env", "DOCTOR_SECRET"];
    refused(&unset, KEY, SECRET, 3, "DOCTOR_NOTHING is not set");
    let pasted = ["--http", http, "--ws", ws, "--key-env", "DOCTOR_KEY", "--secret-env", SECRET];
    refused(&pasted, KEY, SECRET, 3, "it takes a name");
    refused(
        &["--http", http, "--ws", ws, "--key-env", "DOCTOR_KEY", "--secret-file", "/nowhere/secret"],
        KEY,
        SECRET,
        3,
        "/nowhere/secret",
    );
    refused(&["--http", http, "--ws", ws], KEY, SECRET, 2, "--key-env");
    refused(&[&["--http", http][..], &NAMES].concat(), KEY, SECRET, 2, "--ws");
    refused(&[&["--demo", "--http", http, "--ws", ws][..], &NAMES].concat(), KEY, SECRET, 2, "--demo");
}

/// In a file as well, as an agent or a mounted secret has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_may_lie_in_files() {
    let emulator = emulator().await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (key, secret) = (file("key", &format!("{KEY}\n")), file("secret", &format!("{SECRET}\n")));
    let (http, ws) = (emulator.http(), emulator.ws());
    let args = ["--http", &http, "--ws", &ws, "--key-file", &key, "--secret-file", &secret];
    assert_eq!(doctor(&args, "", "").status.code(), Some(0));
}
