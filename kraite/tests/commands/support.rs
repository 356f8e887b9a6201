//! `kraite support-bundle`: what is in it, and that no secret is, by whichever way it was given.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::stage::{Stage, kraite, until};
use rustix::process::Signal;
use serde_json::Value;

/// Whatever begins like this is a secret.
const CANARY: &str = "canary";

fn private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Keys and secrets of both accounts by the environment, by a file and as a credential.
fn secretive(stage: &Stage) {
    let folder = stage.folder.path();
    std::fs::create_dir(folder.join("credentials")).unwrap();
    private(&folder.join("credentials/s"), "canary-secret-of-credential");
    private(&folder.join("k"), "canary-key-of-file");
    private(&folder.join("bot"), "4711:canary-bot");
    let tables = "# once it was canary-in-a-comment\n[http]\nlisten = \"127.0.0.1:0\"\ntoken = { env = \"KRAITE_HTTP\" }\n\
                  [notify.webhook]\nurl = { env = \"KRAITE_HOOK\" }\n\
                  [notify.telegram]\nchat = \"-100canary\"\ntoken = { file = \"bot\" }\napi = \"http://127.0.0.1:9\"\n[plans.p]";
    let text = stage.text().replace("[plans.p]", tables);
    let (first, second) = text.split_once("[accounts.classic]").unwrap();
    let second = second
        .replace("key = { env = \"KRAITE_KEY\" }", "key = { file = \"k\" }")
        .replace("secret = { env = \"KRAITE_SECRET\" }", "secret = { credential = \"s\" }");
    std::fs::write(stage.config(), format!("{first}[accounts.classic]{second}")).unwrap();
}

fn command(stage: &Stage, args: &[&str]) -> Command {
    let mut command = kraite(stage.folder.path(), args);
    command.env("CREDENTIALS_DIRECTORY", stage.folder.path().join("credentials"));
    command.env("KRAITE_HTTP", "canary-http-token-1").env("KRAITE_HOOK", "http://127.0.0.1:9/canary-hook");
    command
}

fn bundle(stage: &Stage, out: &str) -> Output {
    let mut bundle = command(stage, &["support-bundle", "--out", out, "--records", "50"]);
    bundle.env("KRAITE_KEY", "canary-key-of-env").env("KRAITE_SECRET", "canary-secret-of-env");
    bundle.env("KRAITE_PASSPHRASE", "canary-passphrase").output().unwrap()
}

/// Every file, none of which others may read and none of which has a secret.
fn files(folder: &Path) -> Vec<(String, String)> {
    assert_eq!(std::fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: &std::path::PathBuf| {
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
        let text = std::fs::read_to_string(path).unwrap();
        assert!(!text.to_lowercase().contains(CANARY), "{}: {text}", path.display());
        (path.file_name().unwrap().to_str().unwrap().to_owned(), text)
    };
    files.iter().map(read).collect()
}

#[test]
fn r109_a_bundle_has_configuration_journal_and_health_and_no_secret_however_it_was_given() {
    let stage = Stage::of(&["apart", "classic"]);
    let mut run = stage.run();
    run.opens(1, "apart");
    until("active", || run.was_told("it is active"));
    let output = bundle(&stage, "early");
    assert_eq!(
        output.status.code(),
        Some(0),
        "beside a process that works: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    run.kill(Signal::INT);
    secretive(&stage);
    let output = bundle(&stage, "bundle");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = stage.folder.path().join("bundle");
    let files = files(&folder);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["about.json", "config.json", "health.json", "records.json", "status.json", "status.txt"]);
    let json = |name: &str| -> Value {
        serde_json::from_str(&files.iter().find(|(known, _)| known == name).unwrap().1).unwrap()
    };
    assert_eq!(
        (&json("about.json")["os"], &json("about.json")["version"]),
        (&std::env::consts::OS.into(), &env!("CARGO_PKG_VERSION").into())
    );
    let config = json("config.json");
    assert_eq!((&config["accounts"]["classic"]["tag"], &config["plans"]["p"]["margin"]), (&2.into(), &"100".into()));
    assert_eq!(config["accounts"]["apart"]["http"], stage.emulator("apart").http());
    for hidden in [&config["accounts"]["classic"]["secret"]["credential"], &config["notify"]["telegram"]["chat"]] {
        assert_eq!(hidden, "(hidden)");
    }
    let records = json("records.json");
    let of = |at: usize| records["accounts"][at]["records"].as_array().unwrap().len();
    assert!(of(0) > 5 && of(0) <= 50, "{records}");
    assert_eq!(json("status.json")["accounts"][0]["positions"][0]["symbol"], "SOLUSDT");
    let health = json("health.json");
    let says = health["checks"].to_string();
    assert!(
        says.contains("1 position open") && says.contains("no kraite run is up") && says.contains("MiB are free"),
        "{health}"
    );
    // What is there is not written over.
    let again = bundle(&stage, "bundle");
    let told = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.code() == Some(1) && told.contains("it is not written over"), "{told}");
    assert_eq!(self::files(&folder), files);
    private(&stage.folder.path().join("taken"), "mine");
    assert_eq!(bundle(&stage, "taken").status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(stage.folder.path().join("taken")).unwrap(), "mine");
}

#[test]
fn a_bundle_of_a_damaged_journal_names_the_damage_and_one_without_a_journal_says_so() {
    let stage = Stage::of(&["apart", "classic"]);
    secretive(&stage);
    assert_eq!(bundle(&stage, "none").status.code(), Some(0));
    let none = files(&stage.folder.path().join("none"));
    assert!(none.len() == 3 && none[2].1.contains("none yet; kraite run makes it"), "{none:?}");
    std::fs::write(
        stage.folder.path().join("j"),
        "no journal at all, and longer than a header of SQLite would be, by far".repeat(9),
    )
    .unwrap();
    assert_eq!(bundle(&stage, "damaged").status.code(), Some(0));
    let damaged = files(&stage.folder.path().join("damaged"));
    assert!(damaged.len() == 3 && damaged[2].1.contains("\"failed\""), "{damaged:?}");
    // Nothing is made where the configuration is wrong.
    std::fs::write(stage.config(), "canary = \"canary\"").unwrap();
    assert_eq!(bundle(&stage, "wrong").status.code(), Some(3));
    assert!(!stage.folder.path().join("wrong").exists());
}
