//! `kraite run`: all accounts of a configuration, for as long as nobody ends it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kraite_core::id::AccountTag;
use kraite_core::journal::{Journal, JournalError};
use kraite_core::number::Notional;
use kraite_core::time::Millis;
use kraite_engine::{Clock, Stopped, WorkerError};
use kraite_journal::{SqliteJournal, SqliteReader};
use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::board::Board;
use super::config::Config;
use super::connect::Budgets;
use super::control::{self, Control, Hold};
use super::dry_run;
use super::fleet::{Change, Fleet, Members};
#[cfg(feature = "postgres")]
use super::hosts;
use super::http::{Server, Token};
use super::intake::Intake;
use super::lines::{self, Source};
use super::log::{self, LogFormat};
use super::notify::{Addresses, Letter, Postmen};
use crate::exit::{Exit, Failed};
use crate::flags::positive;
use crate::words;

/// Lines that may wait for each other; their source waits beyond that.
const LINES: usize = 64;
/// A journal that failed is opened again after 2, 4, 8, ... s, at most this.
const REOPEN_MAX: u64 = 30;
/// How long workers may take to end what they are writing, on the wall's clock.
const GRACE: Duration = Duration::from_secs(5);

/// Works on the accounts of a configuration until it is interrupted.
///
/// Each account is restored from the journal, what is in doubt is looked up at its exchange, and only then is anything
/// new opened. Positions are followed, their targets re-priced, their stops kept, whatever happens to this process: it
/// may be killed at any instant and started again. One interrupt ends it with everything open still protected at
/// the exchange; a second one ends it at once, and loses nothing either.
///
/// Signals are JSON, one per line, from --signals or over the control socket beside the journal:
///
///   {"id": 1, "account": "main", "open": "SOLUSDT", "direction": "long", "plan": "default"}
///   {"id": 2, "account": "main", "close": "SOLUSDT"}
///   {"id": 3, "account": "main", "adjust": "SOLUSDT", "stop": "92.5"}
///   {"id": 4, "account": "main", "adopt": "ETHUSDT", "direction": "long", "plan": "default"}
///
/// An adjust takes one of "stop", "close_part", "drop_rung", "add_rung" with its "price" and "qty", "target",
/// "hold_target" and "hand_back"; see kraite adjust --help. An adopt takes over what was opened by hand; see
/// kraite adopt --help.
///
/// The id is yours; the same one again opens nothing twice. Each line is answered by one on stdout, and lines are worked
/// on at the same time: whoever needs one after the other waits for the answer. Lines that are in a file before the start are passed over unless they say "until" (milliseconds since 1970): what was wished yesterday
/// is not opened today.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration; kraite init writes one.
    #[arg(long, default_value = "kraite.toml", value_name = "FILE")]
    config: PathBuf,
    /// The journal: a file, or postgres://USER@HOST/DATABASE with the password in PGPASSWORD; what the configuration
    /// says without. Any number of hosts may work on the accounts of one database (docs/operations.md).
    #[arg(long, value_name = "FILE|ADDRESS")]
    journal: Option<String>,
    /// Where signals come from: a file that grows, or `-` for stdin.
    #[arg(long, value_name = "FILE|-")]
    signals: Option<PathBuf>,
    /// Trades on paper: live contracts and prices, a simulated exchange, the same engine. The exchange gets readings and
    /// nothing else. Contracts are those that the account's `symbols` name. The journal is a file of its own, FILE.paper
    /// (kraite.paper beside the configuration where the other one is in PostgreSQL, which is not touched), and begins anew
    /// with each start, as the simulated exchange does.
    #[arg(long)]
    paper: bool,
    /// Shows what would be done and why, and ends: what is asked and sent first for what is open, and for each signal
    /// its sizes or why it is refused. Sends nothing but readings, writes no journal, and takes no account over. Ends
    /// with 0 where everything would run.
    #[arg(long, conflicts_with = "paper")]
    dry_run: bool,
    /// The deposit on paper, in quote currency.
    #[arg(long, default_value = "10000", requires = "paper", value_parser = positive::<Notional>)]
    deposit: Notional,
    /// How lines on stderr look.
    #[arg(long, value_enum, default_value = "text")]
    log: LogFormat,
    /// Every fact that is recorded is a line.
    #[arg(long)]
    verbose: bool,
    /// Failures, and what --dry-run shows, as JSON on stdout; answers to signals are JSON in any case.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How one run over an opened journal ended.
enum Ended {
    /// Somebody asked for it.
    Asked,
    /// Every account ended by itself; the first reason.
    Alone(Exit),
    /// The journal failed or a worker broke down: everything begins again from the journal, as after a crash.
    Again(String),
}

/// What outlives a journal that is opened again.
struct Outside {
    clock: Clock,
    board: Arc<Board>,
    http: Option<Server>,
    budgets: Budgets,
    /// The deposit, where trading is on paper.
    paper: Option<Notional>,
    lines: mpsc::Receiver<String>,
    interrupted: Signal,
    terminated: Signal,
}

/// Runs `kraite run`.
pub(crate) fn command(args: &Args) -> Result<Exit, Failed> {
    let mut config = Config::read(&args.config)?;
    if let Some(journal) = &args.journal {
        config.journal_is(journal)?;
    }
    if args.paper {
        on_paper(&mut config)?;
    }
    #[cfg(not(feature = "postgres"))]
    if config.postgres.is_some() {
        return Err(crate::address::not_built_in());
    }
    let token = config.http.as_ref().map(|http| Token::read(&http.token)).transpose();
    let token =
        token.map_err(|why| Failed::new(Exit::Configuration, format!("{}: http: {why}", args.config.display())))?;
    let addresses = config.notify.as_ref().map(|notify| notify.read()).transpose();
    let addresses = addresses
        .map_err(|why| Failed::new(Exit::Configuration, format!("{}: notify: {why}", args.config.display())))?;
    if args.dry_run {
        let source = args.signals.as_deref().map(Source::open).transpose()?;
        return dry_run::command(config, source, args.json);
    }
    let held = control::hold(&config.journal)?;
    if args.paper {
        begin_anew(&config.journal)?;
    }
    let source = args.signals.as_deref().map(Source::open).transpose()?;
    log::begin(args.log, args.verbose);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failed::with(Exit::Failure))?;
    let ended = runtime.block_on(run(config, &held, token, addresses, args.paper.then_some(args.deposit), source));
    // A read of stdin cannot be called off.
    runtime.shutdown_background();
    ended
}

/// A journal of its own, in a file wherever the other one is.
fn on_paper(config: &mut Config) -> Result<(), Failed> {
    if let Some(account) = config.accounts.iter().find(|account| account.symbols.is_empty()) {
        let why = format!("account {}: --paper needs its symbols in the configuration", account.name);
        return Err(Failed::new(Exit::Configuration, why));
    }
    let mut journal = config.journal.clone().into_os_string();
    journal.push(".paper");
    config.journal = PathBuf::from(journal);
    config.postgres = None;
    Ok(())
}

/// What the last journal on paper says was on a simulated exchange that is gone.
fn begin_anew(journal: &Path) -> Result<(), Failed> {
    for ending in ["", "-wal", "-shm"] {
        let mut file = journal.as_os_str().to_owned();
        file.push(ending);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failed::new(Exit::Journal, format!("{}: {error}", PathBuf::from(file).display())));
            }
            _ => {}
        }
    }
    Ok(())
}

async fn run(
    config: Config,
    held: &Hold,
    token: Option<Token>,
    addresses: Option<Addresses>,
    paper: Option<Notional>,
    source: Option<Source>,
) -> Result<Exit, Failed> {
    let (sender, lines) = mpsc::channel(LINES);
    if let Some(source) = source {
        tokio::spawn(lines::read(source, sender));
    }
    let clock = Clock::scaled(config.speed);
    let postmen = Postmen::begin(addresses, paper.is_some())?;
    let board = Arc::new(Board::new(clock.clone(), postmen.outbox()));
    let http = match (&config.http, token) {
        (Some(http), Some(token)) => Some(Server::listen(http.listen, token, &config, Arc::clone(&board)).await?),
        _ => None,
    };
    let mut outside = Outside {
        clock,
        board,
        http,
        budgets: Budgets::default(),
        paper,
        lines,
        interrupted: signal(SignalKind::interrupt()).map_err(Failed::with(Exit::Failure))?,
        terminated: signal(SignalKind::terminate()).map_err(Failed::with(Exit::Failure))?,
    };
    let ended = again_and_again(&config, held, &mut outside).await;
    if let Err(failed) = &ended {
        outside.board.tell(&Letter::of_process("Failed", failed.message.clone()));
    }
    tokio::select! {
        biased;
        _ = outside.interrupted.recv() => {}
        () = postmen.end() => {}
    }
    ended
}

/// A journal that was opened, and this host among those that share it.
struct Opened {
    journal: Arc<dyn Journal>,
    #[cfg(feature = "postgres")]
    joined: Option<hosts::Joined>,
}

/// Opens the journal; all of a large one is read beside everything else, the first time.
async fn open(config: &Config, outside: &Outside, is_first: bool) -> Result<Opened, Failed> {
    #[cfg(feature = "postgres")]
    if let Some(postgres) = &config.postgres {
        let joined = hosts::join(config, postgres).await?;
        return Ok(Opened { journal: Arc::new(joined.host.journal()), joined: Some(joined) });
    }
    let journal = SqliteJournal::open(&config.journal)?;
    if is_first && !journal.is_verified() {
        read_history(config.journal.clone(), Arc::clone(&outside.board));
    }
    Ok(Opened {
        journal: Arc::new(journal),
        #[cfg(feature = "postgres")]
        joined: None,
    })
}

/// Works over the journal, and over the same one again where it failed or somebody broke down.
async fn again_and_again(config: &Config, held: &Hold, outside: &mut Outside) -> Result<Exit, Failed> {
    let mut failures = 0u32;
    loop {
        let opened = match open(config, outside, failures == 0).await {
            Ok(opened) => opened,
            // Only what has worked once is tried again.
            Err(failed) if failures == 0 => return Err(failed),
            Err(failed) => {
                failures = failures.saturating_add(1);
                error!("the journal cannot be opened: {failed}");
                if !pause(outside, failures).await {
                    return Ok(Exit::Ok);
                }
                continue;
            }
        };
        match over(config, held, opened, outside).await? {
            Ended::Asked => return Ok(Exit::Ok),
            Ended::Alone(exit) => return Ok(exit),
            Ended::Again(why) => {
                failures = failures.saturating_add(1);
                let words = format!("nothing is sent any more, and stops stand at the exchanges: {why}");
                error!("{words}");
                outside.board.tell(&Letter::of_process("Interrupted", words));
                if !pause(outside, failures).await {
                    return Ok(Exit::Ok);
                }
            }
        }
    }
}

/// Reads all of a large journal beside everything else: damage in what no start needs any more is told, and keeps nobody
/// from looking after what is open.
fn read_history(path: PathBuf, board: Arc<Board>) {
    std::thread::spawn(move || match SqliteReader::open(&path) {
        Ok(_) => info!("all of the journal was read: nothing of it is damaged"),
        Err(error) => {
            let words = format!(
                "the history in the journal is damaged: {error}; positions are looked after from its newest records, \
                 which are sound; keep a copy, and look with `kraite inspect {}`",
                path.display()
            );
            error!("{words}");
            board.tell(&Letter::of_process("Damaged", words));
        }
    });
}

/// Waits before the journal is opened again; `false` when it was interrupted.
async fn pause(outside: &mut Outside, failures: u32) -> bool {
    let wait = Millis::from_secs(i64::try_from(2u64.saturating_pow(failures).min(REOPEN_MAX)).unwrap_or(30));
    warn!("the journal is opened again in {wait}");
    tokio::select! {
        biased;
        _ = outside.interrupted.recv() => false,
        _ = outside.terminated.recv() => false,
        () = outside.clock.sleep(wait) => true,
    }
}

/// Works over one opened journal.
async fn over(config: &Config, held: &Hold, opened: Opened, outside: &mut Outside) -> Result<Ended, Failed> {
    let mut control = Control::bind(&config.journal, held)?;
    let board = Arc::clone(&outside.board);
    let (clock, budgets) = (outside.clock.clone(), outside.budgets.clone());
    let mut fleet = Fleet::new(opened.journal, Arc::clone(&board), clock, budgets, outside.paper);
    #[cfg(feature = "postgres")]
    let mut members = opened
        .joined
        .as_ref()
        .map(|joined| joined.keep(config, &fleet.desks, &board, &outside.clock, &outside.budgets));
    #[cfg(not(feature = "postgres"))]
    let mut members: Option<Members> = None;
    if members.is_none() {
        fleet.begin(&config.accounts);
    }
    let desks = Arc::clone(&fleet.desks);
    let intake = Arc::new(Intake::new(config.clone(), Arc::clone(&desks), Arc::clone(&board), outside.clock.clone()));
    control.opens(Arc::clone(&intake));
    info!(
        "{}, journal {}, control {}",
        words::many(config.accounts.len(), "account"),
        if members.is_some() { "in PostgreSQL".to_owned() } else { config.journal.display().to_string() },
        control.path().display()
    );
    if let Some(http) = &outside.http {
        http.opens(&intake);
    }
    let mut answers: JoinSet<Value> = JoinSet::new();
    let mut first: Option<Exit> = None;
    let ended = loop {
        tokio::select! {
            biased;
            _ = outside.interrupted.recv() => break Ok(Ended::Asked),
            _ = outside.terminated.recv() => break Ok(Ended::Asked),
            Some(answer) = answers.join_next() => {
                // Whoever does not hear an answer asks again; nothing else is stopped by that.
                if let Ok(answer) = answer
                    && let Err(failed) = crate::print(&format!("{answer}\n"))
                {
                    warn!("{failed}");
                }
            }
            change = changed(&mut members) => match change {
                Change::Begin(tag) => fleet.begin(config.accounts.iter().filter(|account| account.tag == tag)),
                Change::End(tag) => desks.close(tag),
                Change::Over(failed) if failed.exit == Exit::NotOwner => break Err(failed),
                Change::Over(failed) => break Ok(Ended::Again(failed.message)),
            },
            ended = fleet.ended(), if members.is_none() || !fleet.is_empty() => match (ended, &members) {
                (None, _) => break Ok(Ended::Alone(first.unwrap_or(Exit::Ok))),
                (Some(Err(error)), _) => break Ok(Ended::Again(format!("a worker broke down: {error}"))),
                (Some(Ok((tag, ended))), Some(members)) => {
                    desks.close(tag);
                    board.left(tag);
                    let fit = left(name_of(config, tag), ended, &board);
                    // Whoever would hear it has ended, which is told.
                    let _ = members.ended.send((tag, fit));
                }
                (Some(Ok((tag, Err(WorkerError::Journal(error))))), None) if may_pass(&error) => {
                    break Ok(Ended::Again(format!("account {}: {error}", name_of(config, tag))));
                }
                (Some(Ok((tag, ended))), None) => first = first.or(told(name_of(config, tag), ended, &board)),
            },
            Some(line) = outside.lines.recv(), if answers.len() < LINES => {
                let intake = Arc::clone(&intake);
                answers.spawn(async move { intake.take(&line).await });
            }
        }
    };
    // What was handed over and is not answered may be asked for again: the same id opens nothing twice.
    answers.shutdown().await;
    drop((control, members));
    if let Some(http) = &outside.http {
        http.closes();
    }
    drop(intake);
    desks.close_all();
    board.closed();
    let parting = farewell(config, &board, &mut fleet, outside).await;
    #[cfg(feature = "postgres")]
    if let Some(joined) = opened.joined {
        joined.leave().await;
    }
    let ended = ended?;
    match (&ended, parting) {
        // Whoever interrupts while everything is about to begin again means the end.
        (Ended::Again(_), Parting::Interrupted) => Ok(Ended::Asked),
        (Ended::Again(_), _) => Ok(ended),
        (_, Parting::Ended) => {
            info!("stopped");
            Ok(ended)
        }
        (_, Parting::Late | Parting::Interrupted) => {
            warn!("stopped at once; everything that was decided is in the journal");
            Ok(ended)
        }
    }
}

/// What changes about the accounts that are worked on here; nothing where they are all of the configuration.
async fn changed(members: &mut Option<Members>) -> Change {
    match members {
        Some(members) => members
            .changes
            .recv()
            .await
            .unwrap_or_else(|| Change::Over(Failed::new(Exit::Failure, "what keeps this host's lease broke down"))),
        None => std::future::pending().await,
    }
}

fn name_of(config: &Config, tag: AccountTag) -> &str {
    config.accounts.iter().find(|account| account.tag == tag).map_or("", |account| account.name.as_str())
}

/// Says why a worker ended whose account may be another host's by now; whether another one could do better here.
fn left(account: &str, ended: Result<Option<Stopped>, WorkerError>, board: &Board) -> bool {
    match ended {
        Ok(_) => info!(account, "is not worked on from here any more"),
        Err(WorkerError::Journal(error)) if may_pass(&error) || matches!(error, JournalError::NotOwner { .. }) => {
            warn!(account, "{error}; where it is still this host's it begins again");
        }
        ended => {
            told(account, ended, board);
            return false;
        }
    }
    true
}

/// How the workers were left.
enum Parting {
    /// They ended.
    Ended,
    /// They took too long.
    Late,
    /// Somebody would not wait for them.
    Interrupted,
}

/// Whether a journal that failed may be opened again: not one that is somebody else's, damaged or too new.
const fn may_pass(error: &JournalError) -> bool {
    match error {
        JournalError::Write(_) | JournalError::OutOfSequence { .. } | JournalError::Unavailable(_) => true,
        JournalError::NotOwner { .. } | JournalError::Corrupt { .. } | JournalError::TooNew { .. } => false,
    }
}

/// Says why a worker ended, and what that means for the command.
fn told(account: &str, ended: Result<Option<Stopped>, WorkerError>, board: &Board) -> Option<Exit> {
    let error = ended.err()?;
    error!(account, "not worked on any more: {error}");
    let letter = Letter::of_process("AccountStopped", format!("not worked on any more: {error}"));
    board.tell(&Letter { account: Some(account.to_owned()), ..letter });
    Some(match error {
        WorkerError::Connect(_) => Exit::Configuration,
        WorkerError::Journal(error) => Failed::from(error).exit,
        WorkerError::Restore(_) => Exit::Journal,
    })
}

/// Says what stays open and how, and lets the workers end what they are writing.
#[allow(clippy::disallowed_methods, reason = "whoever ends the command waits on the wall's clock")]
async fn farewell(config: &Config, board: &Board, fleet: &mut Fleet, outside: &mut Outside) -> Parting {
    for account in config.accounts.iter().filter(|account| fleet.desks.elsewhere(account.tag).is_none()) {
        let name = &account.name;
        let Some(standing) = board.standing(account.tag) else {
            warn!(account = name, "was not connected: what is open there stands as its exchange has it");
            continue;
        };
        let (naked, in_doubt) = (standing.naked, standing.in_doubt);
        let open = words::many(standing.open.len(), "position");
        if naked > 0 {
            error!(account = name, in_doubt, "{open} open, {naked} of them without a stop: start again soon");
        } else if standing.open.is_empty() {
            info!(account = name, "nothing is open");
        } else {
            info!(account = name, in_doubt, "{open} left open, each with its stop at the exchange");
        }
    }
    let all = fleet.all_ended();
    tokio::select! {
        biased;
        _ = outside.interrupted.recv() => Parting::Interrupted,
        ended = tokio::time::timeout(GRACE, all) => if ended.is_ok() { Parting::Ended } else { Parting::Late },
    }
}
