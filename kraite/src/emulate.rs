//! `kraite emulate`: a venue on this machine that speaks its own wire protocol.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::ValueEnum;
use kraite_core::number::Notional;
use kraite_sim::emulator::{
    Emulator, FAULT_PRESETS, FaultRules, MAX_SPEED, MarketSource, Protocol, Settings, StartError,
};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::{Exit, Failed};
use crate::flags::positive;

/// Venues that have an emulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Emulated {
    /// Binance USD-M futures.
    Binance,
    /// Bitget futures.
    Bitget,
}

/// Which of the two APIs of Bitget an account belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Account {
    /// A classic account: API v2.
    Classic,
    /// A unified account: API v3.
    Unified,
}

/// Emulate an exchange's own protocol on this machine, for any client in any language.
///
/// REST and WebSockets over the simulated exchange: real signatures, real refusals, and faults on
/// demand. One line of JSON on stdout says where it listens; it runs until it is interrupted. Routes under /_kraite/v1
/// move the market, fill and cancel orders, break the wire, and say what really happened.
#[derive(Debug, clap::Args)]
#[command(after_long_help = presets())]
pub(crate) struct Args {
    /// Which exchange.
    #[arg(long, value_enum, default_value_t = Emulated::Binance)]
    venue: Emulated,
    /// Which API the account belongs to; Bitget only, classic without.
    #[arg(long, value_enum)]
    account: Option<Account>,
    /// The passphrase that goes with the key; Bitget only, `p` without.
    #[arg(long)]
    passphrase: Option<String>,
    /// The port; 0 for any that is free.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The address to listen on. The admin routes answer the loopback address only, whatever this is.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// The API key that requests must carry.
    #[arg(long, default_value = "k")]
    key: String,
    /// The secret that signs them.
    #[arg(long, default_value = "s")]
    secret: String,
    /// A file with the public half of the Ed25519 or RSA pair that signs requests, as PEM; instead of the secret.
    #[arg(long, value_name = "FILE", conflicts_with = "secret")]
    public_key: Option<PathBuf>,
    /// The deposit in USDT.
    #[arg(long, default_value = "10000", value_parser = positive::<Notional>)]
    balance: Notional,
    /// A saved answer with the rules of contracts (exchangeInfo, contracts, instruments); five built-in contracts without.
    #[arg(long, value_name = "FILE")]
    exchange_info: Option<PathBuf>,
    /// What moves the prices: `still` (only the admin routes), `random-walk`, or a kline file whose name begins with
    /// its contract.
    #[arg(long, value_name = "still|random-walk|FILE", default_value = "still")]
    market: String,
    /// How many times as fast as real time the exchange's clock runs. Clients must then sign with its time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_SPEED)))]
    speed: u32,
    /// What the walk and the chances of faults are drawn from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Faults from the start on: a preset, or a JSON file with an array of rules.
    #[arg(long, value_name = "FILE|PRESET")]
    faults: Option<String>,
    /// The ready line is JSON in any case; this makes failures JSON too.
    #[arg(long)]
    pub(crate) json: bool,
}

fn presets() -> String {
    let lines: Vec<String> = FAULT_PRESETS.iter().map(|(name, what)| format!("  {name:<13} {what}")).collect();
    format!("Presets of --faults:\n{}", lines.join("\n"))
}

fn failed(error: &StartError) -> Failed {
    let exit = match error {
        StartError::BadData(_) => Exit::BadData,
        StartError::Address { .. } => Exit::Failure,
    };
    Failed::new(exit, error)
}

const fn protocol(args: &Args) -> Protocol {
    match (args.venue, args.account) {
        (Emulated::Binance, _) => Protocol::Binance,
        (Emulated::Bitget, None | Some(Account::Classic)) => Protocol::BitgetClassic,
        (Emulated::Bitget, Some(Account::Unified)) => Protocol::BitgetUnified,
    }
}

/// What is asked for and cannot be given is refused, not passed over.
fn check(args: &Args) -> Result<(), Failed> {
    let given = [("--account", args.account.is_some()), ("--passphrase", args.passphrase.is_some())];
    match given.iter().find(|(_, given)| *given && args.venue == Emulated::Binance) {
        Some((flag, _)) => {
            Err(Failed::new(Exit::Usage, format!("{flag} is Bitget's: add --venue bitget or leave it out")))
        }
        None => Ok(()),
    }
}

fn settings(args: &Args) -> Result<Settings, Failed> {
    check(args)?;
    let market = match args.market.as_str() {
        "still" => MarketSource::Still,
        "random-walk" => MarketSource::RandomWalk,
        file => MarketSource::Bars(file.into()),
    };
    let faults = match &args.faults {
        None => FaultRules::default(),
        Some(name) => match FaultRules::named(name, protocol(args)) {
            Some(rules) => rules,
            None => {
                let text = std::fs::read_to_string(name).map_err(|error| {
                    Failed::new(
                        Exit::Usage,
                        format!("--faults: `{name}` is no preset (see --help), and no file: {error}"),
                    )
                })?;
                FaultRules::read(&text).map_err(|error| Failed::new(Exit::BadData, format!("{name}: {error}")))?
            }
        },
    };
    let public_key = match &args.public_key {
        None => None,
        Some(file) => Some(
            std::fs::read_to_string(file)
                .map_err(|error| Failed::new(Exit::BadData, format!("{}: {error}", file.display())))?,
        ),
    };
    Ok(Settings {
        protocol: protocol(args),
        passphrase: args.passphrase.clone().unwrap_or_else(|| "p".into()),
        host: args.host,
        port: args.port,
        key: args.key.clone(),
        secret: args.secret.clone(),
        public_key,
        balance: args.balance,
        exchange_info: args.exchange_info.clone(),
        market,
        speed: args.speed,
        seed: args.seed,
        faults,
        ..Settings::default()
    })
}

/// Runs `kraite emulate`.
pub(crate) fn command(args: &Args) -> Result<Exit, Failed> {
    let settings = settings(args)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failed::with(Exit::Failure))?;
    runtime.block_on(async {
        // From the ready line on whoever started this may end it.
        let mut terminated = signal(SignalKind::terminate()).map_err(Failed::with(Exit::Failure))?;
        let mut interrupted = signal(SignalKind::interrupt()).map_err(Failed::with(Exit::Failure))?;
        let emulator = Emulator::start(settings).await.map_err(|error| failed(&error))?;
        let mut ready = json!({
            "schema": "kraite.emulate/1", "venue": "binance", "http": emulator.http(), "ws": emulator.ws(),
            "admin": emulator.admin(),
        });
        if args.venue == Emulated::Bitget {
            let account = if args.account == Some(Account::Unified) { "unified" } else { "classic" };
            ready["venue"] = "bitget".into();
            ready["account"] = account.into();
        }
        crate::print(&format!("{ready}\n"))?;
        tokio::select! {
            biased;
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        drop(emulator);
        Ok(Exit::Ok)
    })
}
