//! The `kraite` command.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod address;
mod backtest;
mod crash_test;
mod csv;
#[cfg(feature = "postgres")]
mod database;
mod demo;
mod doctor;
mod emulate;
mod exit;
mod explain;
mod export;
mod fetch;
mod flags;
mod health;
mod inspect;
mod journal;
mod keys;
mod live;
mod market;
mod plan;
mod portfolio;
mod progress;
mod replay;
mod rules;
mod run_log;
mod settings;
mod status;
mod support;
mod swarm;
mod sweep;
mod utc;
mod words;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::{Exit, Failed};

/// Opens and manages leveraged DCA positions that survive being killed at any instant.
///
/// A position is one MARKET entry, a ladder of LIMIT rungs, a take-profit that follows the average entry
/// and a stop-loss that is accepted before the take-profit is sent. `init` writes a configuration, `run` works on its
/// accounts; everything else plans, rehearses on simulated exchanges, reads journals, or looks at an account.
#[derive(Debug, Parser)]
#[command(name = "kraite", version, max_term_width = 110, after_long_help = exit_codes(), arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(live::setup::InitArgs),
    Config(live::setup::ConfigArgs),
    Run(live::run::Args),
    Halt(live::button::HaltArgs),
    Resume(live::button::ResumeArgs),
    Flatten(live::button::FlattenArgs),
    Adjust(live::button::AdjustArgs),
    Adopt(live::button::AdoptArgs),
    #[cfg(feature = "postgres")]
    Drain(database::DrainArgs),
    #[cfg(feature = "postgres")]
    Migrate(database::MigrateArgs),
    #[cfg(feature = "postgres")]
    Archive(database::ArchiveArgs),
    Recover(live::recover::Args),
    Demo(demo::Args),
    Plan(Box<plan::Args>),
    Backtest(backtest::Args),
    Portfolio(portfolio::Args),
    FetchData(fetch::Args),
    Sweep(Box<sweep::Args>),
    CrashTest(crash_test::Args),
    Emulate(Box<emulate::Args>),
    Doctor(Box<doctor::Args>),
    SupportBundle(support::Args),
    Swarm(swarm::Args),
    Shrink(swarm::ShrinkArgs),
    Status(status::Args),
    Explain(explain::Args),
    Replay(replay::Args),
    Export(export::Args),
    Inspect(inspect::Args),
    InspectId(inspect::IdArgs),
    #[command(hide = true)]
    DemoWorker(demo::worker::Args),
}

fn exit_codes() -> String {
    let lines: Vec<String> = Exit::ALL.iter().map(|(code, what)| format!("  {:>2}  {what}", *code as u8)).collect();
    format!("Exit codes:\n{}\n\nstdout is data, stderr is talk. Every --json carries `schema`.", lines.join("\n"))
}

/// Wakes the bug of the zoo that a flag names.
#[cfg(kraite_zoo)]
fn wake(bug: Option<&str>) -> Result<(), Failed> {
    match bug {
        Some(id) if !kraite_core::zoo::wake_by_id(id) => {
            let known: Vec<&str> = kraite_core::zoo::Bug::ALL.iter().map(|bug| bug.id()).collect();
            Err(Failed::new(Exit::Usage, format!("--bug: there is no bug `{id}`; there are {}", known.join(", "))))
        }
        _ => Ok(()),
    }
}

/// Wakes the bug that `KRAITE_BUG` names; says whether it named one, or was not set.
#[cfg(kraite_zoo)]
fn wake_bug() -> bool {
    std::env::var("KRAITE_BUG").map_or(true, |id| kraite_core::zoo::wake_by_id(&id))
}

/// "File size limit exceeded": unless it is handled, a full quota kills the process before a write can fail.
const SIGXFSZ: i32 = 25;

/// From now on a write beyond the quota is an error of that write. What handles the signal stays for the life of the
/// process, whatever becomes of the runtime that it takes to ask for it.
fn outlive_quotas() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _inside = runtime.enter();
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(SIGXFSZ)).map(drop)
}

fn main() -> ExitCode {
    if let Err(error) = outlive_quotas() {
        tell(&Failed::new(Exit::Failure, format!("signals cannot be handled: {error}")), false);
        return Exit::Failure.into();
    }
    #[cfg(kraite_zoo)]
    if !wake_bug() {
        tell(&Failed::new(Exit::Usage, "KRAITE_BUG names no bug of the zoo".to_owned()), false);
        return Exit::Usage.into();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let (json, ended) = match cli.command {
        Command::Init(args) => (args.json, live::setup::init(&args)),
        Command::Config(live::setup::ConfigArgs { command: live::setup::ConfigCommand::Check(args) }) => {
            (args.json, live::setup::check(&args))
        }
        Command::Run(args) => (args.json, live::run::command(&args)),
        Command::Halt(args) => (args.json, live::button::halt(&args)),
        Command::Resume(args) => (args.of.json, live::button::resume(&args)),
        Command::Flatten(args) => (args.json, live::button::flatten(&args)),
        Command::Adjust(args) => (args.json, live::button::adjust(&args)),
        Command::Adopt(args) => (args.json, live::button::adopt(&args)),
        Command::Recover(args) => (args.json, live::recover::command(&args)),
        #[cfg(feature = "postgres")]
        Command::Drain(args) => (args.json, database::drain(&args)),
        #[cfg(feature = "postgres")]
        Command::Migrate(args) => (args.json, database::migrate(&args)),
        #[cfg(feature = "postgres")]
        Command::Archive(args) => (args.json, database::archive(&args)),
        Command::Demo(args) => (args.json, demo::command(&args)),
        Command::Plan(args) => (args.json, plan::command(&args)),
        Command::Backtest(args) => (args.json, backtest::command(&args)),
        Command::Portfolio(args) => (args.json, portfolio::command(&args)),
        Command::FetchData(args) => (args.json, fetch::command(&args)),
        Command::Sweep(args) => (args.json, sweep::command(&args)),
        Command::CrashTest(args) => (args.json, crash_test::command(&args)),
        Command::Emulate(args) => (args.json, emulate::command(&args)),
        Command::Doctor(args) => (args.json, doctor::command(&args)),
        Command::SupportBundle(args) => (args.json, support::command(&args)),
        Command::Swarm(args) => (args.json, swarm::command(&args)),
        Command::Shrink(args) => (args.json, swarm::shrink_command(&args)),
        Command::Status(args) => (args.json, status::command(&args)),
        Command::Explain(args) => (args.json, explain::command(&args)),
        Command::Replay(args) => (args.json, replay::command(&args)),
        Command::Export(args) => (args.json, export::command(&args)),
        Command::Inspect(args) => (args.json, inspect::command(&args)),
        Command::InspectId(args) => (args.json, inspect::id_command(&args)),
        Command::DemoWorker(args) => (false, demo::worker::command(&args)),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(failed) => {
            tell(&failed, json);
            failed.exit.into()
        }
    }
}

/// Help and version are data; anything else is one sentence, and JSON where JSON was asked for.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return match print(&error.render().to_string()) {
            Ok(()) => Exit::Ok.into(),
            Err(failed) => failed.exit.into(),
        };
    }
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        talk(error.render().to_string().trim_end());
        return Exit::Usage.into();
    }
    let json = std::env::args_os().any(|arg| arg == "--json");
    let text = error.render().to_string();
    let hint =
        |line: &&str| !line.is_empty() && !line.starts_with("Usage:") && !line.starts_with("For more information");
    let words: Vec<&str> = text.lines().map(str::trim).filter(hint).collect();
    let sentence = words.join(" ");
    let sentence = sentence.strip_prefix("error: ").unwrap_or(&sentence);
    tell(&Failed::new(Exit::Usage, format!("{sentence} (see --help)")), json);
    Exit::Usage.into()
}

/// The sentence on stderr and, where data was asked for as JSON, the same as JSON on stdout. A reader that
/// has gone away is no reason to panic.
fn tell(failed: &Failed, json: bool) {
    talk(&format!("kraite: {failed}"));
    if json {
        let data = serde_json::json!({
            "schema": "kraite.error/1", "exit": failed.exit as u8, "message": failed.message,
        });
        let _ = writeln!(std::io::stdout(), "{data}");
    }
}

/// Writes lines to stderr. Where nothing can be written any more nobody is told, and nothing else is stopped by it.
fn talk(lines: &str) {
    let _ = writeln!(std::io::stderr(), "{lines}");
}

/// Writes a file so that its name never stands for a part of it.
fn write_whole(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), Failed> {
    let fail = |error: std::io::Error| Failed::new(Exit::Failure, format!("{}: {error}", path.display()));
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path));
    written.map_err(|error| {
        // What cannot be removed either is told by its name.
        let _ = std::fs::remove_file(&part);
        fail(error)
    })
}

/// Runs one piece of work from where there is no runtime. What it had connected is closed with it.
fn block_on<T>(work: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failed::with(Exit::Failure))?.block_on(work)
}

/// Whether anybody still reads what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    There,
    Gone,
}

/// Writes data to stdout; a reader that has gone away ends the command without noise.
fn print(text: &str) -> Result<(), Failed> {
    print_to(text).map(drop)
}

/// [`print`] for who has more to say, unless nobody listens any more.
fn print_to(text: &str) -> Result<Audience, Failed> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(Audience::There),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Audience::Gone),
        Err(error) => Err(Failed::new(Exit::Failure, format!("stdout: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn exit_codes_are_numbered_as_documented() {
        for (place, (code, _)) in Exit::ALL.iter().enumerate() {
            assert_eq!(*code as usize, place);
            assert!(exit_codes().contains(&format!("  {place:>2}  ")));
        }
    }
}
