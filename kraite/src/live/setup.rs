//! `kraite init` and `kraite config check`: a configuration to begin with, and whether one can be used.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use serde_json::json;

use super::config::{Config, Postgres};
use super::http::Token;
use crate::address::Address;
use crate::exit::{Exit, Failed};
use crate::flags::VenueName;
use crate::keys;

/// What `kraite init` writes, with the parts that differ by venue in braces.
const TEMPLATE: &str = include_str!("template.toml");

/// Writes a commented configuration to begin with: one account on an emulator on this machine.
///
/// Nothing that is there is overwritten. The file says what each line means and what to change for the exchange's demo
/// network or for real money.
#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// Where to.
    #[arg(default_value = "kraite.toml", value_name = "FILE")]
    file: PathBuf,
    /// Which exchange the account is on.
    #[arg(long, value_enum, default_value = "binance")]
    venue: VenueName,
    /// Failures as JSON on stdout.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Runs `kraite init`.
pub(crate) fn init(args: &InitArgs) -> Result<Exit, Failed> {
    let fail = |error: std::io::Error| {
        let file = args.file.display();
        Failed::new(
            Exit::Configuration,
            match error.kind() {
                std::io::ErrorKind::AlreadyExists => {
                    format!("{file} is there already and stays as it is; `kraite init FILE` writes another one")
                }
                _ => format!("{file}: {error}"),
            },
        )
    };
    let passphrase = match args.venue {
        VenueName::Binance => "",
        VenueName::Bitget => {
            "passphrase = { env = \"KRAITE_PASSPHRASE\" }\n# Product lines by the currency of their margin; the emulator has one.\nproducts = [\"USDT\"]\n"
        }
    };
    let text = TEMPLATE.replace("{venue}", args.venue.word()).replace("{passphrase}", passphrase);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&args.file).map_err(fail)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fail)?;
    let file = args.file.display();
    let passphrase = if args.venue == VenueName::Bitget { " KRAITE_PASSPHRASE=p" } else { "" };
    crate::talk(&format!(
        "kraite: {file} is written. Next:\n  kraite emulate --venue {} --port 8080 --market random-walk &\n  \
         export KRAITE_KEY=k KRAITE_SECRET=s{passphrase}\n  kraite config check --config {file}\n  \
         kraite run --config {file} --signals -\nand then this line:\n  \
         {{\"id\": 1, \"account\": \"main\", \"open\": \"SOLUSDT\", \"direction\": \"long\", \"plan\": \"default\"}}",
        args.venue.word()
    ));
    Ok(Exit::Ok)
}

/// Look after the configuration.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

/// What can be done with a configuration.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ConfigCommand {
    Check(CheckArgs),
}

/// Checks a configuration: every key, every value, every secret's place. No exchange is asked.
///
/// What is wrong is named by file, line and column. `kraite doctor` looks at the exchange's side.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The configuration.
    #[arg(long, default_value = "kraite.toml", value_name = "FILE")]
    config: PathBuf,
    /// Leaves the places of keys and secrets alone, for a machine that has none.
    #[arg(long)]
    without_secrets: bool,
    /// What is configured, as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Runs `kraite config check`.
pub(crate) fn check(args: &CheckArgs) -> Result<Exit, Failed> {
    let config = Config::read(&args.config)?;
    if !args.without_secrets {
        if let Some(Postgres { address: Address::Of(address), .. }) = &config.postgres {
            address.read().map_err(|why| {
                Failed::new(Exit::Configuration, format!("{}: postgres: address: {why}", args.config.display()))
            })?;
        }
        if let Some(http) = &config.http {
            Token::read(&http.token)
                .map_err(|why| Failed::new(Exit::Configuration, format!("{}: http: {why}", args.config.display())))?;
        }
        if let Some(notify) = &config.notify {
            notify
                .read()
                .map_err(|why| Failed::new(Exit::Configuration, format!("{}: notify: {why}", args.config.display())))?;
        }
        for account in &config.accounts {
            let read = match account.venue {
                VenueName::Binance => keys::binance(&account.key, &account.secret).map(drop),
                VenueName::Bitget => keys::bitget(&account.key, &account.secret, account.passphrase.as_ref()).map(drop),
            };
            read.map_err(|why| {
                Failed::new(Exit::Configuration, format!("{}: account {}: {why}", args.config.display(), account.name))
            })?;
        }
    }
    let journal = match &config.postgres {
        Some(_) => "in PostgreSQL".to_owned(),
        None => config.journal.display().to_string(),
    };
    let accounts = config.accounts.iter().map(|account| {
        json!({
            "name": account.name, "tag": account.tag.get(), "venue": account.venue.word(),
            "network": account.network.word(),
        })
    });
    let accounts: Vec<serde_json::Value> = accounts.collect();
    if args.json {
        let plans: Vec<&String> = config.plans.keys().collect();
        let shown = json!({
            "schema": "kraite.config/1", "journal": journal, "speed": config.speed,
            "accounts": accounts, "plans": plans,
        });
        crate::print(&format!("{shown:#}\n"))?;
        return Ok(Exit::Ok);
    }
    let mut text = format!("journal   {journal}\n");
    for account in &config.accounts {
        let (name, tag, venue, network) = (&account.name, account.tag, account.venue.word(), account.network.word());
        let _ = writeln!(text, "account   {name}: {venue}, {network}, tag {tag}");
    }
    for name in config.plans.keys() {
        let _ = writeln!(text, "plan      {name}");
    }
    crate::print(&text)?;
    Ok(Exit::Ok)
}
