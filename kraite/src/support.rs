//! `kraite support-bundle`: what somebody who helps needs to see, without what nobody may see.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use kraite_sim::sources;
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::doctor::report::Report;
use crate::exit::{Exit, Failed};
use crate::journal::Place;
use crate::live::config::Config;
use crate::{health, inspect, status, utc};

/// What stands for what is not shown.
const HIDDEN: &str = "(hidden)";
/// A shorter text is no secret of a real account, and would hide parts of words.
const SHORTEST_HIDDEN: usize = 6;

const CONTENT: &str = "The folder, which only you may read, holds:

  about.json    version, sources, platform, time
  config.json   the configuration without comments and without the values of keys, secrets, tokens, passphrases, chats,
                files and variables; of addresses only scheme, host and port
  health.json   the disk or the database, the journal, and what it says is open, as kraite doctor has them
  status.txt    as kraite status --all
  status.json   the same as JSON
  records.json  as kraite inspect: positions, orders, and the latest records of each account

Amounts, prices and contracts are in it. Read it before you give it to somebody.";

/// Gathers what somebody who helps needs: configuration, journal and health, without any secret.
///
/// Asks no exchange, and disturbs nobody who writes the journal, in a file or in PostgreSQL. A journal that is damaged is named in health.json, and
/// its records are left out. Nothing that is there is written over.
#[derive(Debug, clap::Args)]
#[command(after_long_help = CONTENT)]
pub(crate) struct Args {
    /// The configuration.
    #[arg(long, default_value = "kraite.toml", value_name = "FILE")]
    config: PathBuf,
    /// The folder, which must not be there yet.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How many records of each account.
    #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    records: u32,
    /// The files that were written, as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A folder of ours that is being filled. Nothing that is a secret gets in, whoever put it into a text.
struct Bundle {
    folder: PathBuf,
    secrets: Vec<SecretString>,
    files: Vec<&'static str>,
}

impl Bundle {
    fn begin(folder: &Path, secrets: Vec<SecretString>) -> Result<Self, Failed> {
        DirBuilder::new().mode(0o700).create(folder).map_err(|error| {
            let hint = if error.kind() == std::io::ErrorKind::AlreadyExists { " (it is not written over)" } else { "" };
            Failed::new(Exit::Failure, format!("{}: {error}{hint}", folder.display()))
        })?;
        Ok(Self { folder: folder.to_owned(), secrets, files: Vec::new() })
    }

    fn scrubbed(&self, mut text: String) -> String {
        for secret in &self.secrets {
            // A private key has lines, which may be told one by one.
            let parts = std::iter::once(secret.expose_secret()).chain(secret.expose_secret().lines());
            for part in parts.map(str::trim).filter(|part| part.len() >= SHORTEST_HIDDEN) {
                text = text.replace(part, HIDDEN);
                // As a string of JSON has it.
                let escaped = Value::from(part).to_string();
                text = text.replace(escaped.trim_matches('"'), HIDDEN);
            }
        }
        text
    }

    fn text(&mut self, name: &'static str, text: String) -> Result<(), Failed> {
        let path = self.folder.join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let text = self.scrubbed(text);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
        written.map_err(|error| Failed::new(Exit::Failure, format!("{}: {error}", path.display())))?;
        self.files.push(name);
        Ok(())
    }

    fn json(&mut self, name: &'static str, data: &impl Serialize) -> Result<(), Failed> {
        let text = serde_json::to_string_pretty(data).map_err(Failed::with(Exit::Failure))?;
        self.text(name, text + "\n")
    }
}

/// Runs `kraite support-bundle`.
pub(crate) fn command(args: &Args) -> Result<Exit, Failed> {
    let config = Config::read(&args.config)?;
    let mut bundle = Bundle::begin(&args.out, config.secrets())?;
    if let Err(failed) = fill(&mut bundle, args, &config) {
        // A part of a bundle is of no use; the folder is one that was made here.
        let _ = std::fs::remove_dir_all(&bundle.folder);
        return Err(failed);
    }
    let (folder, files) = (args.out.display().to_string(), &bundle.files);
    if args.json {
        let data = json!({ "schema": "kraite.bundle/1", "folder": folder, "files": files });
        crate::print(&format!("{data}\n"))?;
    } else {
        crate::print(&format!("{folder}: {}\n", files.join(", ")))?;
        crate::talk("kraite: no secret is in it; amounts, prices and contracts are. Read it before you give it away.");
    }
    Ok(Exit::Ok)
}

fn fill(bundle: &mut Bundle, args: &Args, config: &Config) -> Result<(), Failed> {
    bundle.json(
        "about.json",
        &json!({
            "schema": "kraite.about/1", "version": env!("CARGO_PKG_VERSION"), "core": sources::CORE,
            "simulator": sources::SIMULATOR, "os": std::env::consts::OS, "arch": std::env::consts::ARCH,
            "at": utc::iso(utc::now_ms()),
        }),
    )?;
    bundle.json("config.json", &redacted_file(&args.config)?)?;
    let mut report = Report::new("none", "none");
    let journal = health::look(&Place::of(config), &mut report);
    bundle.json(
        "health.json",
        &json!({ "schema": "kraite.health/1", "ok": report.usable(), "checks": report.listed() }),
    )?;
    let Some(journal) = journal.filter(|_| report.usable()) else { return Ok(()) };
    let (shown, records) = (status::shown(&journal, true)?, inspect::inspected(&journal, None, args.records)?);
    drop(journal);
    bundle.text("status.txt", status::text(&shown))?;
    bundle.json("status.json", &shown)?;
    bundle.json("records.json", &records)
}

fn redacted_file(path: &Path) -> Result<Value, Failed> {
    let at = |why: &dyn std::fmt::Display| Failed::new(Exit::Configuration, format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| at(&error))?;
    // It was read before; what the reader says of a text may repeat it.
    let table: toml::Table = toml::from_str(&text).map_err(|_| at(&"not readable any more"))?;
    let value = serde_json::to_value(table).map_err(|_| at(&"not readable any more"))?;
    Ok(redacted("", value))
}

/// Keys whose values are shown as they are. Whatever is not among them is hidden: a new key is no leak.
const SHOWN: [&str; 42] = [
    "version",
    "journal",
    "speed",
    "listen",
    "poll_seconds",
    "alert_unprotected_seconds",
    "close_unprotected_seconds",
    "symbols",
    "max_positions",
    "max_order_notional",
    "max_position_notional",
    "max_account_notional",
    "max_worst_loss",
    "max_daily_loss",
    "max_open_orders",
    "max_exposing_orders_per_minute",
    "share",
    "stop_by",
    "margin_mode",
    "direction",
    "margin",
    "leverage_cap",
    "rungs",
    "gap",
    "multipliers",
    "profit",
    "stop",
    "sizing",
    "sequence",
    "target",
    "basis",
    "headroom",
    "tag",
    "venue",
    "network",
    "real_money",
    "position_mode",
    "products",
    "repeat_after_seconds",
    "wallet",
    "host",
    "lease_seconds",
];

/// Keys whose values are addresses.
const ADDRESSES: [&str; 4] = ["http", "ws", "url", "api"];

/// Every value of which it is not known that it may be shown is hidden.
fn redacted(key: &str, value: Value) -> Value {
    match value {
        Value::Object(table) => Value::Object(
            table.into_iter().map(|(key, value)| (key.clone(), redacted(&key, value))).collect::<Map<_, _>>(),
        ),
        Value::String(text) if ADDRESSES.contains(&key) => {
            let origin = Url::parse(&text).ok().filter(Url::has_host).map(|url| {
                let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
                format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
            });
            origin.unwrap_or_else(|| HIDDEN.to_owned()).into()
        }
        other if SHOWN.contains(&key) => other,
        _ => HIDDEN.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_not_known_as_harmless_is_hidden() {
        let value = json!({
            "version": 1, "later": "canary", "accounts": { "main": {
                "tag": 1, "http": "https://canary:canary@h.example:81/canary?canary#canary", "ws": "canary",
                "key": { "env": "CANARY" }, "secret": "canary", "symbols": ["SOLUSDT"], "more": ["canary"],
            } },
        });
        let shown = redacted("", value);
        assert!(!shown.to_string().to_lowercase().contains("canary"), "{shown}");
        let main = &shown["accounts"]["main"];
        assert_eq!((&main["http"], &main["ws"]), (&"https://h.example:81".into(), &HIDDEN.into()));
        assert_eq!((&main["key"]["env"], &main["symbols"]), (&HIDDEN.into(), &json!(["SOLUSDT"])));
    }

    #[test]
    fn a_secret_that_somebody_put_into_a_text_is_hidden_in_whole_and_in_lines() {
        let secrets = vec!["-----BEGIN X-----\ncanary+/one\ncanary=two\n".into(), "canary\"three".into()];
        let bundle = Bundle { folder: PathBuf::new(), secrets, files: Vec::new() };
        let text = json!(["of canary+/one", "canary\"three", "-----BEGIN X-----\ncanary+/one\ncanary=two", "plain"]);
        let shown = bundle.scrubbed(text.to_string());
        assert!(!shown.contains("canary") && shown.contains("plain"), "{shown}");
        assert_eq!(bundle.scrubbed("it said canary\"three".to_owned()), "it said (hidden)");
    }
}
