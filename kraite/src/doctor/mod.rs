//! `kraite doctor`: whether an account can be traded on from here, before anything is traded.

pub(crate) mod checks;
pub(crate) mod report;
mod secrets;

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use kraite_binance::{Binance, Config, ConfigError, ConnectError, Hosts, KeyPolicy, SystemClock};

use crate::exit::{Exit, Failed};
use crate::live::config::Network;
use report::Report;
use secrets::Secrets;

/// Venues that can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Examined {
    /// Binance USD-M futures.
    Binance,
}

/// Check the way to an exchange, the key and the account; nothing is changed and no order is sent.
///
/// Without --demo and --http it asks the exchange itself. One line for each check: what it found, what that means, what
/// to do. Key and secret come from environment variables or files, never from the command line, which others can read.
/// Ends with 0 if an account can be used, 3 if something here is configured wrongly, 4 if the exchange refused, cannot
/// be reached, or the key may do too much.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which exchange.
    #[arg(long, value_enum)]
    venue: Examined,
    /// The address of an emulator, as `http://127.0.0.1:8080`.
    #[arg(long, value_name = "URL", requires = "ws", conflicts_with = "demo")]
    http: Option<String>,
    /// Its address for streams, as `ws://127.0.0.1:8080`.
    #[arg(long, value_name = "URL", requires = "http", conflicts_with = "demo")]
    ws: Option<String>,
    /// The exchange's demo network.
    #[arg(long)]
    demo: bool,
    /// The environment variable that holds the API key.
    #[arg(long, value_name = "NAME", required_unless_present = "key_file", conflicts_with = "key_file")]
    key_env: Option<String>,
    /// The file that holds the API key.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The environment variable that holds the secret: that of an HMAC key, or an Ed25519 or RSA private key as PEM.
    #[arg(long, value_name = "NAME", required_unless_present = "secret_file", conflicts_with = "secret_file")]
    secret_env: Option<String>,
    /// The file that holds the secret.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// The checks as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn configured(error: &ConfigError) -> Failed {
    Failed::new(Exit::Configuration, error)
}

fn place(args: &Args) -> Result<(Network, Hosts), Failed> {
    let (network, hosts) = match (&args.http, &args.ws) {
        (Some(http), Some(ws)) => (Network::Emulator, Hosts::emulator(http, ws)),
        _ if args.demo => (Network::Demo, Hosts::demo()),
        _ => (Network::Production, Hosts::production()),
    };
    hosts.map(|hosts| (network, hosts)).map_err(|error| configured(&error))
}

/// Runs `kraite doctor`.
pub(crate) fn command(args: &Args) -> Result<Exit, Failed> {
    let (network, hosts) = place(args)?;
    let secrets = Secrets::read(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let report = runtime.map_err(Failed::with(Exit::Failure))?.block_on(examine(network, hosts, &secrets))?;
    let text = if args.json { report.json() } else { report.text() };
    crate::print(&secrets.scrubbed(&text))?;
    Ok(report.exit())
}

async fn examine(network: Network, hosts: Hosts, secrets: &Secrets) -> Result<Report, Failed> {
    let clock = SystemClock::real();
    // The rights of the key are a check of their own here, with more to say than a refusal to connect.
    let config = Config::new(hosts).keys(KeyPolicy::Unchecked).clock(Arc::new(clock));
    let account = Binance::connect(config, secrets.credentials()?).await.map_err(|error| match error {
        ConnectError::Config(error) => configured(&error),
        other => Failed::new(Exit::Exchange, secrets.scrubbed(&other.to_string())),
    })?;
    let mut report = Report::new("binance", network.word());
    checks::run(&account, &clock, network, &mut report).await;
    Ok(report)
}
