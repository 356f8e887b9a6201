//! Notices of `kraite run`: they arrive at a webhook and in a chat, and whoever does not take them stops nothing (R117).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "processes are waited for on the wall's clock")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::stage::{PATIENCE, Running, Stage, VENUE_ACCOUNT, kraite, until};
use kraite_core::exchange::{Direction, VenueCause};
use kraite_core::id::{AccountTag, Symbol};
use kraite_core::time::VenueMillis;
use rustix::process::Signal;
use serde_json::Value;

/// Nothing that the process says may contain these.
const BOT: &str = "4711:canary-Bq7_x";
const HOOK: &str = "canary-hook-93Qz";
/// What ending may cost beyond what the notices are given, on a machine that is busy.
const PARTING: Duration = Duration::from_secs(8);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Manner {
    Takes,
    /// Asks for patience first, and takes what comes then.
    AsksForPatience,
    Fails,
    Resets,
    Hangs,
}

/// Whoever gets the notices.
struct Ear {
    address: String,
    heard: Arc<Mutex<Vec<(Instant, String, Value)>>>,
}

impl Ear {
    fn new(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, heard) = (listener.local_addr().unwrap().to_string(), Arc::default());
        let ear = Self { address, heard: Arc::clone(&heard) };
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                if manner == Manner::Resets {
                    // With bytes of the request unread the connection is reset, not closed.
                    let _ = stream.read(&mut [0]);
                    heard.lock().unwrap().push((Instant::now(), String::new(), Value::Null));
                    continue;
                }
                let Some((target, body)) = request(&mut stream) else { continue };
                let mut heard = heard.lock().unwrap();
                heard.push((Instant::now(), target, body));
                let (status, answer) = match (manner, heard.len()) {
                    (Manner::Fails, _) => ("500 Oh", format!("{BOT} {HOOK}")),
                    (Manner::AsksForPatience, 1) => (
                        "429 Slow",
                        format!(r#"{{"ok":false,"description":"{BOT}","parameters":{{"retry_after":2}}}}"#),
                    ),
                    (Manner::Hangs, _) => {
                        held.push(stream);
                        continue;
                    }
                    _ => ("200 OK", r#"{"ok":true}"#.to_owned()),
                };
                let length = answer.len();
                let whole =
                    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}");
                let _ = stream.write_all(whole.as_bytes());
            }
        });
        ear
    }

    fn heard(&self) -> Vec<(Instant, String, Value)> {
        self.heard.lock().unwrap().clone()
    }
}

/// The path and the body.
fn request(stream: &mut TcpStream) -> Option<(String, Value)> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4_096]);
    loop {
        let read = stream.read(&mut piece).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            assert!(
                head.starts_with("POST ") && head.to_lowercase().contains("content-type: application/json"),
                "{head}"
            );
            return Some((head.split(' ').nth(1)?.to_owned(), serde_json::from_str(body).unwrap()));
        }
    }
}

fn notifying(stage: &Stage, webhook: &str, telegram: &str) {
    let tables = format!(
        "[http]\nlisten = \"127.0.0.1:0\"\ntoken = {{ env = \"KRAITE_HTTP\" }}\n\
         [notify.webhook]\nurl = {{ env = \"KRAITE_HOOK\" }}\n\
         [notify.telegram]\nchat = \"-1001\"\ntoken = {{ file = \"bot\" }}\napi = \"http://{telegram}/\"\n[plans.p]"
    );
    std::fs::write(stage.config(), stage.text().replace("[plans.p]", &tables)).unwrap();
    let bot = stage.folder.path().join("bot");
    std::fs::write(&bot, format!("{BOT}\n")).unwrap();
    std::fs::set_permissions(&bot, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(stage.folder.path().join("hook"), format!("http://{webhook}/hooks/{HOOK}/?key={HOOK}")).unwrap();
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = kraite(folder, args);
    let hook = std::fs::read_to_string(folder.join("hook")).unwrap();
    command.env("KRAITE_HTTP", "0123456789abcdef").env("KRAITE_HOOK", hook);
    command
}

fn metrics(run: &Running) -> String {
    let said = "signals, health and metrics on http://";
    until("listening", || run.was_told(said));
    let told = run.told.lock().unwrap().clone();
    let address = told.split_once(said).unwrap().1.lines().next().unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn count(run: &Running, name: &str, channel: &str) -> u64 {
    let series = format!("{name}{{channel=\"{channel}\"}} ");
    metrics(run).lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap()
}

/// The exchange takes the position off by itself, which somebody should know.
fn taken_off(stage: &Stage) {
    let emulator = stage.emulator("apart");
    let now = VenueMillis(emulator.clock().now().0);
    let (account, symbol) = (AccountTag::new(VENUE_ACCOUNT).unwrap(), Symbol::new("SOLUSDT"));
    emulator.with_venue(|venue| {
        let qty = "1000".parse().unwrap();
        venue.force_close(account, &symbol, Direction::Long, qty, VenueCause::AutoDeleverage, now)
    });
}

fn traded(stage: &Stage, run: &mut Running, id: u64) {
    run.opens(id, "apart");
    until("protected", || stage.is_protected("apart"));
    taken_off(stage);
    until("over", || stage.open("apart") == (0, 0));
}

#[test]
fn r117_a_notice_arrives_at_the_webhook_and_in_the_chat_and_equal_ones_once() {
    let stage = Stage::of(&["apart"]);
    let (webhook, telegram) = (Ear::new(Manner::Takes), Ear::new(Manner::AsksForPatience));
    notifying(&stage, &webhook.address, &telegram.address);
    let mut run = Running::of(command(stage.folder.path(), &["run", "--signals", "-", "--verbose"]));
    traded(&stage, &mut run, 1);
    until("heard", || count(&run, "kraite_notify_sent_total", "telegram") >= 1);
    until("heard", || count(&run, "kraite_notify_sent_total", "webhook") >= 1);
    let (_, target, notice) = webhook.heard()[0].clone();
    assert_eq!(target, format!("/hooks/{HOOK}/?key={HOOK}"));
    assert_eq!((&notice["schema"], &notice["account"]), (&"kraite.notice/1".into(), &"apart".into()));
    assert_eq!((&notice["position"], &notice["alert"]), (&1.into(), &"ExternalClose".into()));
    assert!(notice["message"].as_str().unwrap().contains("left without an order of ours"), "{notice}");
    assert!(notice["time"].as_str().unwrap().ends_with('Z') && notice["time_ms"].is_i64(), "{notice}");
    let chat = telegram.heard();
    assert_eq!((chat[0].1.as_str(), &chat[0].2["chat_id"]), (&*format!("/bot{BOT}/sendMessage"), &"-1001".into()));
    let text = chat[0].2["text"].as_str().unwrap();
    assert!(text.starts_with("ExternalClose: ") && text.contains("account apart, position 1"), "{text}");
    assert_eq!(chat[1].2["text"], text);
    assert!(chat[1].0.duration_since(chat[0].0) >= Duration::from_secs(2), "as long as was asked for");
    // One in a second, whatever happens.
    traded(&stage, &mut run, 2);
    traded(&stage, &mut run, 3);
    until("all", || {
        telegram.heard().iter().filter(|(_, _, body)| body["text"].as_str().unwrap().contains("position 3")).count() > 0
    });
    for pair in telegram.heard().windows(2) {
        assert!(pair[1].0.duration_since(pair[0].0) >= Duration::from_secs(1));
    }
    let mut seen: Vec<String> = webhook
        .heard()
        .iter()
        .map(|(_, _, body)| format!("{}{}{}", body["position"], body["alert"], body["message"]))
        .collect();
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all, "none twice");
    let (code, told) = run.kill(Signal::INT);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains(&format!("notices go to the webhook at http://{}\n", webhook.address)), "{told}");
    assert!(!told.contains("canary"), "{told}");
}

#[test]
fn r117_whoever_does_not_take_notices_delays_neither_trading_nor_the_end() {
    // No system hands this port out to somebody who asks for any.
    let gone = "127.0.0.1:9".to_owned();
    let ears =
        [Manner::Hangs, Manner::Fails, Manner::Resets].map(|manner| (format!("{manner:?}"), Some(Ear::new(manner))));
    for (what, ear) in ears.into_iter().chain([("is gone".to_owned(), None)]) {
        let stage = Stage::of(&["apart"]);
        let address = ear.as_ref().map_or(&gone, |ear| &ear.address);
        notifying(&stage, address, address);
        let mut run = Running::of(command(stage.folder.path(), &["run", "--signals", "-", "--verbose"]));
        traded(&stage, &mut run, 1);
        until("posted", || ear.as_ref().is_none_or(|ear| ear.heard().len() >= 2));
        // While nothing gets out, positions are opened, protected and closed.
        traded(&stage, &mut run, 2);
        run.opens(3, "apart");
        until("protected", || stage.is_protected("apart"));
        for channel in ["webhook", "telegram"] {
            assert_eq!(count(&run, "kraite_notify_sent_total", channel), 0, "{what}");
        }
        until("told", || {
            ["webhook", "telegram"].iter().all(|channel| run.was_told(&format!("through to the {channel}: ")))
        });
        // Another notice is on its way at the end.
        taken_off(&stage);
        until("over", || stage.open("apart") == (0, 0));
        let began = Instant::now();
        let (code, told) = run.kill(Signal::INT);
        assert!(began.elapsed() < PARTING, "{what}: {:?}", began.elapsed());
        assert_eq!(code, Some(0), "{what}: {told}");
        assert_eq!(told.matches("notices do not get through").count(), 2, "{what}: {told}");
        assert!(told.contains("some notices are not sent") && !told.contains("canary"), "{what}: {told}");
    }
}

#[test]
fn r117_a_wrong_token_or_url_is_a_configuration_error_and_is_not_repeated() {
    let stage = Stage::of(&["apart"]);
    notifying(&stage, "127.0.0.1:9", "127.0.0.1:9");
    let fails = |hook: &str, says: &str| {
        for args in [&["config", "check"][..], &["run"], &["run", "--json"]] {
            let output = command(stage.folder.path(), args).env("KRAITE_HOOK", hook).output().unwrap();
            let told =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert_eq!(output.status.code(), Some(3), "{told}");
            assert!(told.contains(says) && !told.contains("canary"), "{told}");
        }
    };
    for hook in ["http://canary.example.com/", "canary", "ftp://127.0.0.1/canary", "https://?canary"] {
        fails(hook, "notify: webhook: the url: it is not an https address, or an http address on this machine");
    }
    std::fs::write(stage.folder.path().join("bot"), "canary/../x").unwrap();
    fails("http://127.0.0.1:9/", "notify: telegram: the token: it is not like the token of a bot");
    std::fs::set_permissions(stage.folder.path().join("bot"), std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .unwrap();
    fails("http://127.0.0.1:9/", "others may read it: chmod 600");
    let fine = command(stage.folder.path(), &["config", "check", "--without-secrets"]).output().unwrap();
    assert_eq!(fine.status.code(), Some(0));
}
