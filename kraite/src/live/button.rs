//! The red button: `kraite halt`, `resume` and `flatten`, spoken to the process that works on the accounts.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use kraite_core::engine::{Command, CommandId};
use kraite_core::exchange::Direction;
use kraite_core::id::{AccountTag, PositionNo, Symbol};
use kraite_core::journal::{Journal as Store, JournalError};
use kraite_core::number::{Percent, Price, Qty};
use kraite_engine::{Clock, OfflineError, ReactorError, record_command};
use serde_json::{Value, json};

use super::config::{Account, Config};
use super::control;
use super::intake::OWN_IDS;
use crate::block_on;
use crate::exit::{Exit, Failed};
use crate::flags::DirectionWord;
use crate::journal::{Latest, folded, to_write};
use crate::words;

/// How long the process may take to answer a line.
const PATIENCE: Duration = Duration::from_secs(30);

/// Open no new exposure from now on, on one account or on all; everything that is open stays protected and managed.
///
/// At once, and durable across restarts, until `kraite resume`. Works while the exchange does not answer, and where no
/// `kraite run` is up. Rungs that rest stay; rungs that do not rest yet are withheld.
#[derive(Debug, clap::Args)]
pub(crate) struct HaltArgs {
    /// The account's name; all accounts without.
    account: Option<String>,
    /// The configuration.
    #[arg(long, default_value = "kraite.toml", value_name = "FILE")]
    config: PathBuf,
    /// The answers as JSON, one per line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Let new exposure be opened again, on one account or on all.
#[derive(Debug, clap::Args)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    pub(crate) of: HaltArgs,
}

/// Take positions off at the market: the exposure first, then our orders.
///
/// Speaks to the `kraite run` that works on the account, and ends once each closing has begun; `kraite status` shows
/// when it is done. One that failed and was seen to by a human is ended this way too. New signals still open positions: `kraite halt` first, if that is not meant.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  kraite flatten all\n  kraite flatten main\n  kraite flatten main/SOLUSDT\n  \
                             kraite flatten main/3"
)]
pub(crate) struct FlattenArgs {
    /// `all`, an account, or ACCOUNT/CONTRACT or ACCOUNT/NUMBER for one position.
    #[arg(value_name = "all|ACCOUNT|ACCOUNT/POSITION")]
    what: String,
    /// The configuration.
    #[arg(long, default_value = "kraite.toml", value_name = "FILE")]
    config: PathBuf,
    /// The answers as JSON, one per line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Change an active position by hand: its stop, its size, its rungs, its target, its owner.
///
/// Speaks to the `kraite run` that works on the account. What is taken is recorded before anything is sent and holds
/// across restarts; `kraite explain` tells of it. Where a venue holds one stop only, moving it takes the old one off
/// first: for one round trip the position is without.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  kraite adjust main/SOLUSDT --stop 92.5\n  kraite adjust main/3 --close-part 0.5\n  \
                             kraite adjust main/SOLUSDT --drop-rung 4\n  kraite adjust main/SOLUSDT --target 1.2\n  \
                             kraite adjust main/SOLUSDT --hold-target\n  \
                             kraite adjust main/SOLUSDT --add-rung 88.5 --qty 0.4\n  \
                             kraite adjust main/SOLUSDT --hand-back"
)]
pub(crate) struct AdjustArgs {
    /// One position: ACCOUNT/CONTRACT or ACCOUNT/NUMBER.
    #[arg(value_name = "ACCOUNT/POSITION")]
    what: String,
    #[command(flatten)]
    change: ChangeArgs,
    /// The quantity of a rung that is added.
    #[arg(long, value_name = "QTY", requires = "add_rung")]
    qty: Option<Qty>,
    /// The configuration.
    #[arg(long, default_value = "kraite.toml", value_name = "FILE")]
    config: PathBuf,
    /// The answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct ChangeArgs {
    /// Move the stop to this trigger price. No rung that may still fill may lie there or beyond, and the market neither.
    #[arg(long, value_name = "PRICE")]
    stop: Option<Price>,
    /// Take so much off at the market; stop and target follow.
    #[arg(long, value_name = "QTY")]
    close_part: Option<Qty>,
    /// Leave a rung out: it is cancelled, what it had filled stays. The one nearest the entry is 1.
    #[arg(long, value_name = "RUNG")]
    drop_rung: Option<u8>,
    /// Let one more rung rest at this price, behind the entry and before the stop, which stays where it is.
    #[arg(long, value_name = "PRICE", requires = "qty")]
    add_rung: Option<Price>,
    /// Aim the target this many percent past the average entry, from now on.
    #[arg(long, value_name = "PERCENT")]
    target: Option<Percent>,
    /// Hold the target at its price, whatever rungs fill; its size still follows.
    #[arg(long)]
    hold_target: bool,
    /// Price a target that is held from the average entry again.
    #[arg(long)]
    release_target: bool,
    /// Take all orders of ours off, the stop last, close nothing, and end the position: what is open is yours, without a
    /// stop. One that needs a human may be ended so too.
    #[arg(long)]
    hand_back: bool,
}

/// Take over a position that was opened by hand: stop, rungs and target as a plan has them, and no entry.
///
/// Speaks to the `kraite run` that works on the account. What the exchange shows on that side of the contract counts as the
/// entry, at the average entry that it shows; margin mode and leverage stay what they are. Nothing is taken over while an
/// order is open on the contract, or where the stop would trigger at once; until it is taken over nothing touches it.
/// `kraite adjust --hand-back` gives it back.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  kraite adopt main/SOLUSDT --direction long --plan default")]
pub(crate) struct AdoptArgs {
    /// The contract: ACCOUNT/CONTRACT.
    #[arg(value_name = "ACCOUNT/CONTRACT")]
    what: String,
    /// Which side of it.
    #[arg(long)]
    direction: DirectionWord,
    /// The plan in the configuration that it is to follow.
    #[arg(long)]
    plan: String,
    /// The configuration.
    #[arg(long, default_value = "kraite.toml", value_name = "FILE")]
    config: PathBuf,
    /// The answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// One line to the process and its answer.
struct Speaker {
    stream: Option<BufReader<UnixStream>>,
    next_id: u64,
}

impl Speaker {
    fn to(config: &Config) -> Result<Self, Failed> {
        let stream = match UnixStream::connect(control::path_of(&config.journal)) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE)).map_err(Failed::with(Exit::Failure))?;
                Some(BufReader::new(stream))
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => None,
            Err(error) => {
                let why = format!("{}: {error}", control::path_of(&config.journal).display());
                return Err(Failed::new(Exit::Failure, why));
            }
        };
        // Two commands of one instant on one account do not happen; their ids only have to differ.
        let micros = u64::try_from(Clock::real().now().0).unwrap_or(0).saturating_mul(1_000);
        let salt = u64::from(std::process::id() % 1_000);
        Ok(Self { stream, next_id: OWN_IDS.saturating_add(micros).saturating_add(salt) })
    }

    /// What is sent for a position takes the process that works on it.
    fn must_reach(&self, config: &Config) -> Result<(), Failed> {
        if self.stream.is_some() {
            return Ok(());
        }
        let why = format!(
            "no kraite run is up for {}: what is open stands behind its stops at the exchange; start it, then ask again",
            config.journal.display()
        );
        Err(Failed::new(Exit::Failure, why))
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// `None` where no process is up.
    fn ask(&mut self, line: &Value) -> Result<Option<Value>, Failed> {
        let Some(stream) = &mut self.stream else { return Ok(None) };
        let fail = |error: std::io::Error| {
            let why = format!("the process that works on the accounts does not answer ({error}); ask again");
            Failed::new(Exit::Unknown, why)
        };
        stream.get_mut().write_all(format!("{line}\n").as_bytes()).map_err(fail)?;
        let mut answer = String::new();
        stream.read_line(&mut answer).map_err(fail)?;
        serde_json::from_str(&answer).map(Some).map_err(|error| {
            Failed::new(Exit::Unknown, format!("the process that works on the accounts broke off ({error}); ask again"))
        })
    }
}

fn chosen<'a>(config: &'a Config, name: Option<&str>) -> Result<Vec<&'a Account>, Failed> {
    match name {
        Some(name) => Ok(vec![config.account(name).map_err(Failed::with(Exit::Usage))?]),
        None => Ok(config.accounts.iter().collect()),
    }
}

/// Runs `kraite halt`.
pub(crate) fn halt(args: &HaltArgs) -> Result<Exit, Failed> {
    set(args, Command::Halt)
}

/// Runs `kraite resume`.
pub(crate) fn resume(args: &ResumeArgs) -> Result<Exit, Failed> {
    set(&args.of, Command::Resume)
}

fn set(args: &HaltArgs, command: Command) -> Result<Exit, Failed> {
    let config = Config::read(&args.config)?;
    let accounts = chosen(&config, args.account.as_deref())?;
    let mut speaker = Speaker::to(&config)?;
    let mut worst = Exit::Ok;
    for account in accounts {
        let id = speaker.id();
        let line = json!({ "id": id, "account": account.name, "halt": command == Command::Halt });
        let answer = match speaker.ask(&line)? {
            Some(answer) => answer,
            None => match record(&config, account, CommandId(id), command.clone()) {
                Ok(()) => json!({ "id": id, "account": account.name, "taken": true, "running": false }),
                Err(Failed { exit, message }) => {
                    worst = worst.max(exit);
                    json!({ "id": id, "account": account.name, "error": message })
                }
            },
        };
        worst = worst.max(told(
            &account.name,
            &answer,
            args.json,
            match command {
                Command::Halt => "nothing new is opened any more",
                _ => "new positions may be opened again",
            },
        )?);
    }
    Ok(worst)
}

/// Where no process is up, what takes effect by being recorded is recorded.
fn record(config: &Config, account: &Account, id: CommandId, command: Command) -> Result<(), Failed> {
    // One that works on the journal and does not listen is about to begin or to end: it is not deposed.
    let _held = control::hold(&config.journal)?;
    block_on(async { recorded(&*to_write(config).await?, account, id, command).await })
}

async fn recorded(journal: &dyn Store, account: &Account, id: CommandId, command: Command) -> Result<(), Failed> {
    let engine = account.engine.clone();
    let (capabilities, clock) = (account.venue.capabilities(), Clock::real());
    match record_command(journal, account.tag, &engine, &capabilities, &clock, (id, command)).await {
        Ok(_) => Ok(()),
        Err(OfflineError::Reactor(ReactorError::Journal(JournalError::NotOwner { .. }))) => {
            let why = "a host works on the account: say it on that host (kraite status shows which)";
            Err(Failed::new(Exit::NotOwner, why))
        }
        Err(OfflineError::Reactor(ReactorError::Journal(error))) => Err(error.into()),
        Err(error @ OfflineError::Reactor(_)) => Err(Failed::new(Exit::Journal, error)),
        Err(error @ OfflineError::NeedsExchange) => Err(Failed::new(Exit::Failure, error)),
    }
}

fn told(account: &str, answer: &Value, json: bool, done: &str) -> Result<Exit, Failed> {
    let error = answer["error"].as_str();
    if json {
        crate::print(&format!("{answer}\n"))?;
    } else if error.is_none() {
        let aside = if answer["running"] == false { " (no kraite run is up; it is in the journal)" } else { "" };
        crate::print(&format!("{account}: {done}{aside}\n"))?;
    }
    if let Some(error) = error {
        crate::talk(&format!("kraite: {account}: {error}"));
        return Ok(Exit::Failure);
    }
    Ok(Exit::Ok)
}

/// Runs `kraite flatten`.
pub(crate) fn flatten(args: &FlattenArgs) -> Result<Exit, Failed> {
    let config = Config::read(&args.config)?;
    let (name, one) = match args.what.split_once('/') {
        Some((account, position)) => (Some(account), Some(position)),
        None if args.what == "all" => (None, None),
        None => (Some(args.what.as_str()), None),
    };
    let accounts = chosen(&config, name)?;
    let mut speaker = Speaker::to(&config)?;
    speaker.must_reach(&config)?;
    let mut worst = Exit::Ok;
    for account in accounts {
        let open = open_positions(&config, account.tag)?;
        let mut found = 0;
        for (no, symbol) in open {
            if one.is_some_and(|one| one != symbol.as_str() && one != no.to_string()) {
                continue;
            }
            found += 1;
            let line = json!({ "id": speaker.id(), "account": account.name, "close": no.get() });
            let answer = speaker.ask(&line)?.unwrap_or_default();
            let done = format!("position {no} on {symbol} is being closed");
            worst = worst.max(told(&account.name, &answer, args.json, &done)?);
        }
        if found == 0 {
            crate::talk(&format!("kraite: {}: nothing like that is open", account.name));
            if one.is_some() {
                worst = worst.max(Exit::Failure);
            }
        }
    }
    Ok(worst)
}

/// Runs `kraite adjust`.
pub(crate) fn adjust(args: &AdjustArgs) -> Result<Exit, Failed> {
    let config = Config::read(&args.config)?;
    let Some((name, position)) = args.what.split_once('/') else {
        let why = format!("{:?} is no position: say ACCOUNT/CONTRACT or ACCOUNT/NUMBER, as main/SOLUSDT", args.what);
        return Err(Failed::new(Exit::Usage, why));
    };
    let account = config.account(name).map_err(Failed::with(Exit::Usage))?;
    let mut speaker = Speaker::to(&config)?;
    speaker.must_reach(&config)?;
    let which = position.parse::<u32>().map_or_else(|_| json!(position), |no| json!(no));
    let mut line = json!({ "id": speaker.id(), "account": account.name, "adjust": which });
    let ChangeArgs { stop, close_part, drop_rung, add_rung, target, hold_target, release_target, hand_back } =
        &args.change;
    line["stop"] = json!(stop);
    line["close_part"] = json!(close_part);
    line["drop_rung"] = json!(drop_rung);
    line["target"] = json!(target);
    line["add_rung"] = json!(add_rung.zip(args.qty).map(|(price, qty)| json!({ "price": price, "qty": qty })));
    line["hand_back"] = json!(hand_back.then_some(true));
    line["hold_target"] = json!((*hold_target || *release_target).then_some(*hold_target));
    let answer = speaker.ask(&line)?.unwrap_or_default();
    told(&account.name, &answer, args.json, &format!("{position} is changed; `kraite status` shows what came of it"))
}

/// Runs `kraite adopt`.
pub(crate) fn adopt(args: &AdoptArgs) -> Result<Exit, Failed> {
    let config = Config::read(&args.config)?;
    let Some((name, symbol)) = args.what.split_once('/') else {
        let why = format!("{:?} is no contract of an account: say ACCOUNT/CONTRACT, as main/SOLUSDT", args.what);
        return Err(Failed::new(Exit::Usage, why));
    };
    let account = config.account(name).map_err(Failed::with(Exit::Usage))?;
    let direction: Direction = args.direction.into();
    config.terms(account, &args.plan, direction).map_err(Failed::with(Exit::Usage))?;
    let mut speaker = Speaker::to(&config)?;
    speaker.must_reach(&config)?;
    let word = words::direction(direction).to_lowercase();
    let line = json!({
        "id": speaker.id(), "account": account.name, "adopt": symbol, "direction": word, "plan": args.plan,
    });
    let answer = speaker.ask(&line)?.unwrap_or_default();
    let no = &answer["position"];
    let done = format!("position {no} takes over what is open on {symbol}; `kraite status` shows what came of it");
    told(&account.name, &answer, args.json, &done)
}

/// What is open or needs a human by the journal, newest state first folded.
fn open_positions(config: &Config, account: AccountTag) -> Result<Vec<(PositionNo, Symbol)>, Failed> {
    let state = block_on(async { folded(account, Latest::of(config).await?.load(account).await?.0) })?;
    let open = state.positions.values().filter(|position| !position.phase.is_over());
    Ok(open.map(|position| (position.no, position.symbol().clone())).collect())
}
