//! `kraite doctor`: whether an account can be traded on from here, before anything is traded.

pub(crate) mod checks;
pub(crate) mod report;
mod secrets;

use std::path::PathBuf;
use std::sync::Arc;

use kraite_binance::{Binance, ConfigError, ConnectError, KeyPolicy, SystemClock};
use kraite_bitget::Bitget;
use kraite_bitget::codec::{Generation, Product};
use kraite_core::exchange::Exchange;

use crate::exit::{Exit, Failed};
use crate::flags::VenueName;
use crate::health;
use crate::journal::Place;
use crate::live::config::{Network, ProductWord};
use report::{Report, Status};
use secrets::Secrets;

/// Check the way to an exchange, the key and the account; nothing is changed and no order is sent.
///
/// Without --demo and --http it asks the exchange itself. One line for each check: what it found, what that means, what
/// to do. Key and secret come from environment variables or files, never from the command line, which others can read.
/// Ends with 0 if an account can be used, 3 if something here is configured wrongly, 4 if the exchange refused, cannot
/// be reached, or the key may do too much, 10 if only the disk or the journal is not fit.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which exchange.
    #[arg(long, value_enum)]
    venue: VenueName,
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
    /// The environment variable that holds the passphrase of a key of Bitget.
    #[arg(long, value_name = "NAME", conflicts_with = "passphrase_file")]
    passphrase_env: Option<String>,
    /// The file that holds the passphrase.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Product lines of Bitget that are to be traded [default: all].
    #[arg(long, value_enum, value_delimiter = ',', ignore_case = true)]
    products: Vec<ProductWord>,
    /// The journal of the account, a file or postgres://USER@HOST/DATABASE with the password in PGPASSWORD: is there room
    /// on its disk or can the server be reached, can it be read, is what it says is open worked on.
    #[arg(long, value_name = "FILE|ADDRESS")]
    journal: Option<PathBuf>,
    /// The checks as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn configured(error: &ConfigError) -> Failed {
    Failed::new(Exit::Configuration, error)
}

fn network(args: &Args) -> Network {
    match (&args.http, args.demo) {
        (Some(_), _) => Network::Emulator,
        (None, true) => Network::Demo,
        (None, false) => Network::Production,
    }
}

/// The hosts of a venue: those of an emulator where it has addresses, of the network where it has none.
macro_rules! hosts {
    ($venue:ident, $args:expr) => {
        match (&$args.http, &$args.ws) {
            (Some(http), Some(ws)) => $venue::Hosts::emulator(http, ws),
            _ if $args.demo => $venue::Hosts::demo(),
            _ => $venue::Hosts::production(),
        }
        .map_err(|error| configured(&error))
    };
}

/// Runs `kraite doctor`.
pub(crate) fn command(args: &Args) -> Result<Exit, Failed> {
    if args.venue == VenueName::Binance && !args.products.is_empty() {
        return Err(Failed::new(Exit::Usage, "product lines are Bitget's; Binance has one"));
    }
    // What is wrong with an address is told before any secret is read.
    match args.venue {
        VenueName::Binance => hosts!(kraite_binance, args).map(drop)?,
        VenueName::Bitget => hosts!(kraite_bitget, args).map(drop)?,
    }
    let secrets = Secrets::read(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let mut report = runtime.map_err(Failed::with(Exit::Failure))?.block_on(examine(args, &secrets))?;
    if let Some(journal) = &args.journal {
        health::look(&Place::said(journal), &mut report);
    }
    let text = if args.json { report.json() } else { report.text() };
    crate::print(&secrets.scrubbed(&text))?;
    Ok(report.exit())
}

async fn examine(args: &Args, secrets: &Secrets) -> Result<Report, Failed> {
    let (clock, network) = (SystemClock::real(), network(args));
    let mut report = Report::new(args.venue.word(), network.word());
    let mut kind = None;
    // The rights of the key are a check of their own here, with more to say than a refusal to connect.
    let (spent, connected): (Box<dyn Fn() -> (u32, u32)>, _) = match args.venue {
        VenueName::Binance => {
            let address = kraite_binance::AddressBudget::default();
            let config = kraite_binance::Config::new(hosts!(kraite_binance, args)?).keys(KeyPolicy::Unchecked);
            let config = config.clock(Arc::new(clock)).address(address.clone());
            let connected = Binance::connect(config, secrets.binance()?).await;
            (Box::new(move || address.spent()), connected.map(|account| Box::new(account) as Box<dyn Exchange>))
        }
        VenueName::Bitget => {
            let address = kraite_bitget::AddressBudget::default();
            let config = kraite_bitget::Config::new(hosts!(kraite_bitget, args)?).keys(KeyPolicy::Unchecked);
            let config = config.clock(Arc::new(clock)).address(address.clone());
            let products: Vec<Product> = args.products.iter().copied().map(Product::from).collect();
            let config = if products.is_empty() { config } else { config.products(products) };
            let connected = Bitget::connect(config, secrets.bitget()?).await;
            kind = connected.as_ref().ok().and_then(Bitget::generation);
            (Box::new(move || address.spent()), connected.map(|account| Box::new(account) as Box<dyn Exchange>))
        }
    };
    match connected {
        Ok(account) => {
            if checks::run(account.as_ref(), &clock, network, &mut report).await {
                // Of a key that is not accepted the exchange does not say which kind it is of.
                kind.into_iter().for_each(|kind| generation(kind, &mut report));
                checks::budget(spent(), &mut report);
            }
        }
        Err(ConnectError::Config(error)) => return Err(configured(&error)),
        Err(error) => checks::unconnected(&error, &mut report),
    }
    Ok(report)
}

fn generation(kind: Generation, report: &mut Report) {
    let says = match kind {
        Generation::Classic => "a classic account, spoken to in version 2 of the API",
        Generation::Unified => "a unified account, spoken to in version 3 of the API",
    };
    report.add("account", Status::Ok, says, "");
}
