//! `kraite run`: all accounts of a configuration, for as long as nobody ends it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kraite_core::id::AccountTag;
use kraite_core::journal::{Journal, JournalError};
use kraite_core::number::Notional;
use kraite_core::time::Millis;
use kraite_engine::{Clock, Connect, Desk, Stopped, Worker, WorkerError};
use kraite_journal::{SqliteJournal, SqliteReader};
use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::board::Board;
use super::config::{Account, Config};
use super::connect::{Budgets, Connector};
use super::control::{self, Control, Hold};
use super::dry_run;
use super::http::{Server, Token};
use super::intake::Intake;
use super::lines::{self, Source};
use super::log::{self, LogFormat, Reporter};
use super::notify::{Addresses, Letter, Postmen};
use super::paper::Paper;
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
    /// Where signals come from: a file that grows, or `-` for stdin.
    #[arg(long, value_name = "FILE|-")]
    signals: Option<PathBuf>,
    /// Trades on paper: live contracts and prices, a simulated exchange, the same engine. The exchange gets readings and
    /// nothing else. Contracts are those that the account's `symbols` name. The journal is one of its own, FILE.paper,
    /// and begins anew with each start, as the simulated exchange does.
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
    let token = config.http.as_ref().map(|http| Token::read(&http.token)).transpose();
    let token =
        token.map_err(|why| Failed::new(Exit::Configuration, format!("{}: http: {why}", args.config.display())))?;
    let addresses = config.notify.as_ref().map(|notify| notify.read()).transpose();
    let addresses = addresses
        .map_err(|why| Failed::new(Exit::Configuration, format!("{}: notify: {why}", args.config.display())))?;
    if args.paper {
        on_paper(&mut config)?;
    }
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

/// A journal of its own.
fn on_paper(config: &mut Config) -> Result<(), Failed> {
    if let Some(account) = config.accounts.iter().find(|account| account.symbols.is_empty()) {
        let why = format!("account {}: --paper needs its symbols in the configuration", account.name);
        return Err(Failed::new(Exit::Configuration, why));
    }
    let mut journal = config.journal.clone().into_os_string();
    journal.push(".paper");
    config.journal = PathBuf::from(journal);
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

/// Works over the journal, and over the same one again where it failed or somebody broke down.
async fn again_and_again(config: &Config, held: &Hold, outside: &mut Outside) -> Result<Exit, Failed> {
    let mut failures = 0u32;
    loop {
        let journal = match SqliteJournal::open(&config.journal) {
            Ok(journal) => journal,
            // Only what has worked once is tried again.
            Err(error) if failures == 0 => return Err(Failed::from(error)),
            Err(error) => {
                failures = failures.saturating_add(1);
                error!("the journal cannot be opened: {error}");
                if !pause(outside, failures).await {
                    return Ok(Exit::Ok);
                }
                continue;
            }
        };
        if failures == 0 && !journal.is_verified() {
            read_history(config.journal.clone(), Arc::clone(&outside.board));
        }
        match over(config, held, Arc::new(journal), outside).await? {
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

type Workers = JoinSet<(String, Result<Option<Stopped>, WorkerError>)>;

/// Starts a worker per account, each a little later than the one before (R114).
fn start(config: &Config, journal: &Arc<SqliteJournal>, board: &Arc<Board>, outside: &Outside) -> (Workers, Desks) {
    let (mut workers, mut desks) = (JoinSet::new(), BTreeMap::new());
    let mut wait = Millis(0);
    for account in &config.accounts {
        let (worker, desk) = worker(account, journal, board, outside);
        desks.insert(account.tag, desk);
        let (name, clock, ramp) = (account.name.clone(), outside.clock.clone(), wait);
        workers.spawn(async move {
            clock.sleep(ramp).await;
            (name, worker.run().await)
        });
        wait = wait.plus(account.venue.capabilities().connect_ramp);
    }
    (workers, desks)
}

type Desks = BTreeMap<AccountTag, Desk>;

fn worker(
    account: &Account,
    journal: &Arc<SqliteJournal>,
    board: &Arc<Board>,
    outside: &Outside,
) -> (Worker<Reporter>, Desk) {
    let connector = Connector::new(account.clone(), outside.clock.clone(), outside.budgets.clone(), Arc::clone(board));
    let connect: Arc<dyn Connect> = match outside.paper {
        Some(deposit) => Arc::new(Paper::new(connector, account.clone(), outside.clock.clone(), deposit)),
        None => Arc::new(connector),
    };
    let journal: Arc<dyn Journal> = Arc::clone(journal) as _;
    let reporter = Reporter::new(account.name.clone(), account.tag, Arc::clone(board));
    Worker::new(account.tag, account.engine.clone(), connect, journal, outside.clock.clone(), reporter)
}

/// Works over one opened journal.
async fn over(
    config: &Config,
    held: &Hold,
    journal: Arc<SqliteJournal>,
    outside: &mut Outside,
) -> Result<Ended, Failed> {
    let mut control = Control::bind(&config.journal, held)?;
    let board = Arc::clone(&outside.board);
    let (mut workers, desks) = start(config, &journal, &board, outside);
    drop(journal);
    let intake = Arc::new(Intake::new(config.clone(), desks, Arc::clone(&board), outside.clock.clone()));
    control.opens(Arc::clone(&intake));
    info!(
        "{}, journal {}, control {}",
        words::many(config.accounts.len(), "account"),
        config.journal.display(),
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
            _ = outside.interrupted.recv() => break Ended::Asked,
            _ = outside.terminated.recv() => break Ended::Asked,
            Some(answer) = answers.join_next() => {
                // Whoever does not hear an answer asks again; nothing else is stopped by that.
                if let Ok(answer) = answer
                    && let Err(failed) = crate::print(&format!("{answer}\n"))
                {
                    warn!("{failed}");
                }
            }
            ended = workers.join_next() => match ended {
                None => break Ended::Alone(first.unwrap_or(Exit::Ok)),
                Some(Err(error)) => break Ended::Again(format!("a worker broke down: {error}")),
                Some(Ok((account, Err(WorkerError::Journal(error))))) if may_pass(&error) => {
                    break Ended::Again(format!("account {account}: {error}"));
                }
                Some(Ok((account, ended))) => first = first.or(told(&account, ended, &board)),
            },
            Some(line) = outside.lines.recv(), if answers.len() < LINES => {
                let intake = Arc::clone(&intake);
                answers.spawn(async move { intake.take(&line).await });
            }
        }
    };
    // What was handed over and is not answered may be asked for again: the same id opens nothing twice.
    answers.shutdown().await;
    drop(control);
    if let Some(http) = &outside.http {
        http.closes();
    }
    drop(intake);
    board.closed();
    let parting = farewell(config, &board, workers, outside).await;
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
async fn farewell(config: &Config, board: &Board, mut workers: Workers, outside: &mut Outside) -> Parting {
    for account in &config.accounts {
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
    let all = async { while workers.join_next().await.is_some() {} };
    tokio::select! {
        biased;
        _ = outside.interrupted.recv() => Parting::Interrupted,
        ended = tokio::time::timeout(GRACE, all) => if ended.is_ok() { Parting::Ended } else { Parting::Late },
    }
}
