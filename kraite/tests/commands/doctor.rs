//! `kraite doctor` as a process, against the emulator: all is well, a wrong secret, nobody there, and what is never shown.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "limits of the emulator are waited for on the wall's clock")]

use std::process::{Command, Output, Stdio};

use kraite_sim::emulator::{Emulator, Protocol, Settings};
use serde_json::Value;

const KEY: &str = "canarykey0123456789";
const SECRET: &str = "canarysecret0123456789";
const PASSPHRASE: &str = "canarypassphrase0123";
const NAMES: [&str; 4] = ["--key-env", "DOCTOR_KEY", "--secret-env", "DOCTOR_SECRET"];

/// Runs it with these two in its environment; whatever happens, neither is shown.
fn doctor(args: &[&str], key: &str, secret: &str) -> Output {
    of("binance", args, key, secret, PASSPHRASE)
}

fn of(venue: &str, args: &[&str], key: &str, secret: &str, passphrase: &str) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_kraite"))
        .args(["doctor", "--venue", venue])
        .env("DOCTOR_PASSPHRASE", passphrase)
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
    let all = ["address", "clock", "contracts", "key", "rights", "mode", "margin", "stream", "budget"];
    let expected: Vec<(&str, &str)> =
        all.iter().map(|name| (*name, if *name == "rights" { "exempt" } else { "ok" })).collect();
    assert_eq!((code, checks), (0, pairs(&expected)));
    let output = doctor(&at(&http, &ws), KEY, SECRET);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), all.len() + 1, "{text}");
    for words in [
        "give or take",
        "5 contracts",
        "one-way",
        "10000 USDT",
        "no money is at stake on an emulator",
        " of 2400 are used",
    ] {
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

const BITGET: [&str; 10] =
    ["address", "clock", "contracts", "key", "rights", "mode", "margin", "stream", "account", "budget"];

async fn bitget(protocol: Protocol) -> Emulator {
    let (key, secret, passphrase) = (KEY.into(), SECRET.into(), PASSPHRASE.into());
    Emulator::start(Settings { protocol, key, secret, passphrase, ..Settings::default() }).await.unwrap()
}

/// Where it is, with a passphrase and as JSON.
fn with_passphrase<'a>(http: &'a str, ws: &'a str) -> Vec<&'a str> {
    [&at(http, ws)[..], &["--passphrase-env", "DOCTOR_PASSPHRASE", "--products", "USDT", "--json"]].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_on_bitget_is_told_line_by_line_whichever_api_it_belongs_to() {
    for (protocol, says) in
        [(Protocol::BitgetClassic, "a classic account"), (Protocol::BitgetUnified, "a unified account")]
    {
        let emulator = bitget(protocol).await;
        let (http, ws) = (emulator.http(), emulator.ws());
        let output = of("bitget", &with_passphrase(&http, &ws), KEY, SECRET, PASSPHRASE);
        let (code, checks) = found(&output);
        let expected = BITGET.map(|name| (name, if name == "rights" { "exempt" } else { "ok" }));
        assert_eq!((code, checks), (0, pairs(&expected)));
        let text = String::from_utf8(output.stdout).unwrap();
        for words in [says, "give or take", "one-way", "10000 USDT", " of 6000 are used", "\"venue\":\"bitget\""] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let sent = emulator.requests();
        assert!(sent.keys().all(|(method, _)| method == "GET"), "{sent:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r109_a_wrong_key_secret_or_passphrase_on_bitget_is_told_with_what_to_do() {
    for protocol in [Protocol::BitgetClassic, Protocol::BitgetUnified] {
        for (key, secret, passphrase, says) in [
            ("canary-of-nobody", SECRET, PASSPHRASE, "check the key"),
            (KEY, "canary-of-another-key", PASSPHRASE, "the secret does not belong to the key"),
            (KEY, SECRET, "canary-passphrase", "the passphrase does not belong to the key"),
        ] {
            let emulator = bitget(protocol).await;
            let (http, ws) = (emulator.http(), emulator.ws());
            let output = of("bitget", &with_passphrase(&http, &ws), key, secret, passphrase);
            let (code, checks) = found(&output);
            assert_eq!(code, 4, "{checks:?}");
            assert!(checks.contains(&("key".to_owned(), "failed".to_owned())), "{checks:?}");
            for name in ["rights", "mode", "margin", "stream"] {
                assert!(checks.contains(&(name.to_owned(), "skipped".to_owned())), "{checks:?}");
            }
            assert!(!checks.iter().any(|(name, _)| name == "account"), "{checks:?}");
            assert!(String::from_utf8_lossy(&output.stdout).contains(says), "{says}: {output:?}");
        }
    }
    let output = of("bitget", &with_passphrase("http://127.0.0.1:9", "ws://127.0.0.1:9"), KEY, SECRET, PASSPHRASE);
    let (code, checks) = found(&output);
    assert_eq!((code, &checks[0]), (4, &("address".to_owned(), "failed".to_owned())));
    for (venue, args) in [
        ("bitget", at("http://127.0.0.1:9", "ws://127.0.0.1:9")),
        ("binance", with_passphrase("http://127.0.0.1:9", "ws://127.0.0.1:9")),
    ] {
        let output = of(venue, &args, KEY, SECRET, PASSPHRASE);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(if venue == "bitget" {
            "passphrase"
        } else {
            "Bitget's"
        }));
    }
    let args = [&at("http://127.0.0.1:9", "ws://127.0.0.1:9")[..], &["--passphrase-env", "DOCTOR_PASSPHRASE"]].concat();
    let output = doctor(&args, KEY, SECRET);
    assert!(output.status.code() == Some(2) && String::from_utf8_lossy(&output.stderr).contains("has no passphrase"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_is_looked_at_where_it_is_named() {
    let emulator = bitget(Protocol::BitgetUnified).await;
    let (http, ws) = (emulator.http(), emulator.ws());
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("j");
    let looked = || {
        let args = [&with_passphrase(&http, &ws)[..], &["--journal", journal.to_str().unwrap()]].concat();
        // Limits of a second are used up by the look before.
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        let output = of("bitget", &args, KEY, SECRET, PASSPHRASE);
        let (code, checks) = found(&output);
        let local = checks[BITGET.len()..].iter().map(|(name, status)| format!("{name} {status}"));
        (code, local.collect::<Vec<_>>(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, local, text) = looked();
    let is_room = |local: &[String]| local[0] == "disk ok" || local[0] == "disk warned";
    assert!(code == 0 && is_room(&local) && local[1..] == ["journal ok", "state ok"], "{text}");
    assert!(text.contains("none yet; kraite run makes it"), "{text}");
    assert!(!journal.exists());
    std::fs::write(&journal, "no journal at all, and longer than the header of one would be".repeat(99)).unwrap();
    let (code, local, text) = looked();
    assert_eq!((code, &local[1..]), (10, &["journal failed".to_owned(), "state skipped".to_owned()][..]), "{text}");
    std::fs::remove_file(&journal).unwrap();
    open_journal(&journal).await;
    let (code, local, text) = looked();
    assert_eq!((code, &local[1..]), (0, &["journal ok".to_owned(), "state warned".to_owned()][..]), "{text}");
    assert!(text.contains("1 position open") && text.contains("no kraite run is up"), "{text}");
}

/// A journal with a position that nobody works on.
async fn open_journal(path: &std::path::Path) {
    use kraite::core::engine::{Command, CommandId, Config, Engine, Input, InputKind, commit};
    use kraite::core::journal::Journal as _;
    use kraite_core::exchange::{Direction, Exchange as _, MarginMode, PositionMode, TriggerBy};
    use kraite_core::time::{LocalMillis, Millis, Moment, VenueMillis};
    let (account, now) = (kraite_core::id::AccountTag::new(1).unwrap(), 1_760_000_000_000);
    let venue = kraite::sim::presets::venue(kraite::sim::presets::bitget(), account, VenueMillis(now));
    let venue = kraite::sim::link::SharedVenue::new(venue, move || VenueMillis(now));
    let exchange = venue.exchange(account);
    let instrument = exchange.instruments().await.unwrap().remove(0);
    let request = kraite::core::engine::OpenRequest {
        mark: exchange.mark_price(&instrument.symbol).await.unwrap(),
        instrument,
        spec: kraite::core::sizing::LadderSpec::default_for(Direction::Long),
        budget: kraite::core::sizing::Budget { margin: "100".parse().unwrap(), leverage_cap: 20 },
        sequence: kraite::core::plan::Sequence::LadderFirst,
        target_style: kraite::core::plan::TargetStyle::TriggerMarket,
        stop_by: TriggerBy::Mark,
        mode: PositionMode::OneWay,
        margin_mode: MarginMode::Cross,
    };
    let journal = kraite::journal::SqliteJournal::open(path).unwrap();
    let epoch = journal.acquire(account).await.unwrap();
    let loaded = journal.load(account).await.unwrap();
    let capabilities = kraite::bitget::capabilities();
    let mut engine = Engine::restore(Config::default(), capabilities, account, epoch, loaded).unwrap();
    let at = Moment { local: LocalMillis(now), venue: VenueMillis(now), error: Millis(1) };
    for kind in [InputKind::Started, InputKind::Command(CommandId(1), Command::Open(Box::new(request)))] {
        let step = engine.step(Input { at, kind });
        let _ = commit(&journal, step).await.unwrap();
    }
}
