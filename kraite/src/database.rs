//! A journal in PostgreSQL: where its address comes from, the connection to it, and what is done with it from outside.

use std::path::{Path, PathBuf};

use kraite_core::engine::State;
use kraite_core::id::AccountTag;
use kraite_core::journal::Journal as _;
use kraite_journal::{PostgresJournal, SqliteJournal};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::exit::{Exit, Failed};
use crate::journal::{folded, is_address};
use crate::live::config::{Address, Config};
use crate::live::control;

/// Where libpq's programs find a password, too.
const PASSWORD: &str = "PGPASSWORD";

/// An address as it was said on the command line, which everybody on the machine can read.
fn said(address: &str) -> Result<SecretString, Failed> {
    let wrong = |why: &str| Err(Failed::new(Exit::Usage, why));
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    if user.contains(':') || rest.to_ascii_lowercase().contains("password=") {
        return wrong(
            "a password on the command line can be read by everybody on this machine: set PGPASSWORD, or \
                      give the whole address in [postgres] of the configuration",
        );
    }
    if rest.contains('#') {
        return wrong("the address of the database holds a '#': write it as %23");
    }
    let Ok(password) = std::env::var(PASSWORD) else { return Ok(address.to_owned().into()) };
    let joint = if rest.contains('?') { '&' } else { '?' };
    let mut whole = format!("{address}{joint}password=");
    for byte in password.bytes() {
        if byte.is_ascii_alphanumeric() {
            whole.push(char::from(byte));
        } else {
            whole.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(whole.into())
}

/// The address, with its password.
fn read(address: &Address) -> Result<SecretString, Failed> {
    match address {
        Address::Said(address) => said(address),
        Address::Of(source) => {
            let read = source.read();
            read.map(Into::into).map_err(|why| Failed::new(Exit::Configuration, format!("postgres: address: {why}")))
        }
    }
}

/// Connects to the database of an address.
pub(crate) async fn connect(address: &Address) -> Result<PostgresJournal, Failed> {
    let address = read(address)?;
    Ok(PostgresJournal::connect(address.expose_secret()).await?)
}

/// Runs one piece of work from where there is no runtime.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failed::with(Exit::Failure))?.block_on(work)
}

/// What an account of a configuration knows.
pub(crate) fn state(address: &Address, account: AccountTag) -> Result<State, Failed> {
    block_on(async { folded(account, connect(address).await?.load(account).await?) })
}

/// Let a host hand over every account that it works on, and take none, or let it take accounts again.
///
/// Each account is handed over when nothing of this host's is under way to its exchange any more, and another host goes
/// on with it; what is open stays behind its stops meanwhile. The host finds the word within seconds, and keeps to it
/// after a restart, until --undo. `kraite status` shows who works on what.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  kraite drain trader-2\n  kraite drain trader-2 --undo")]
pub(crate) struct DrainArgs {
    /// The host's name.
    host: String,
    /// Let it take accounts again.
    #[arg(long)]
    undo: bool,
    /// The configuration, for the address of the database.
    #[arg(long, default_value = "kraite.toml", value_name = "FILE")]
    config: PathBuf,
    /// The database, as postgres://USER@HOST/DATABASE with the password in PGPASSWORD, instead of the configuration's.
    #[arg(long, value_name = "ADDRESS")]
    journal: Option<String>,
    /// The answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Runs `kraite drain`.
pub(crate) fn drain(args: &DrainArgs) -> Result<Exit, Failed> {
    let address = match &args.journal {
        Some(journal) if is_address(journal) => Address::Said(journal.clone()),
        Some(journal) => {
            let why = format!("{journal:?} is no address of a database: only hosts that share one are drained");
            return Err(Failed::new(Exit::Usage, why));
        }
        None => {
            let config = Config::read(&args.config)?;
            let why = "the journal is a file, which one process works on: only hosts that share a database are drained";
            config.postgres.ok_or_else(|| Failed::new(Exit::Usage, why))?.address
        }
    };
    let (known, names) = block_on(async {
        let journal = connect(&address).await?;
        let known = journal.drain(&args.host, !args.undo).await?;
        Ok((known, journal.hosts().await?.into_iter().map(|row| row.name).collect::<Vec<_>>()))
    })?;
    if !known {
        let why = format!("there is no host {}; there are: {}", args.host, names.join(", "));
        return Err(Failed::new(Exit::Usage, why));
    }
    if args.json {
        crate::print(&format!("{}\n", json!({ "host": args.host, "drained": !args.undo })))?;
    } else if args.undo {
        crate::print(&format!("{}: takes accounts again\n", args.host))?;
    } else {
        crate::print(&format!("{}: hands over what it has, and takes nothing\n", args.host))?;
    }
    Ok(Exit::Ok)
}

/// Copy a journal from a file into PostgreSQL, or from there into a file, and work on with the copy.
///
/// Nothing may be working on the accounts: end `kraite run` first, on every host. All records are copied as they are and
/// verified, all or none, and the side that they came from is closed: a file is renamed to FILE.moved, and accounts of
/// a database are nobody's there until the file is copied back. Positions stay behind their stops at the exchanges
/// meanwhile.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  PGPASSWORD=... kraite migrate --from kraite.journal --to \
                             postgres://kraite@db.example/kraite\n  PGPASSWORD=... kraite migrate --from \
                             postgres://kraite@db.example/kraite --to kraite.journal")]
pub(crate) struct MigrateArgs {
    /// The journal that is there: a file, or postgres://USER@HOST/DATABASE with the password in PGPASSWORD.
    #[arg(long, value_name = "FILE|ADDRESS")]
    from: String,
    /// Where it goes: a database, or a file that is not there yet.
    #[arg(long, value_name = "FILE|ADDRESS")]
    to: String,
    /// What was copied, as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Runs `kraite migrate`.
pub(crate) fn migrate(args: &MigrateArgs) -> Result<Exit, Failed> {
    let address = |journal: &str| Address::Said(journal.to_owned());
    let moved = match (is_address(&args.from), is_address(&args.to)) {
        (false, true) => {
            let file = Path::new(&args.from);
            if !file.exists() {
                return Err(Failed::new(Exit::Journal, format!("{} does not exist", file.display())));
            }
            let aside = moved_aside(file);
            if aside.exists() {
                let why = format!("{} is there and would be written over: move it away first", aside.display());
                return Err(Failed::new(Exit::Failure, why));
            }
            let _held = control::hold(file)?;
            // What a killed process left in the log goes into the file: then one name is all there is to rename.
            drop(SqliteJournal::open(file)?);
            let moved = block_on(async { Ok(connect(&address(&args.to)).await?.copy_from(file).await?) })?;
            close(file)?;
            moved
        }
        (true, false) => {
            let file = Path::new(&args.to);
            block_on(async { Ok(connect(&address(&args.from)).await?.move_to(file).await?) })?
        }
        _ => {
            let why = "one of --from and --to is a file, and the other an address as postgres://USER@HOST/DATABASE";
            return Err(Failed::new(Exit::Usage, why));
        }
    };
    if args.json {
        let data = json!({ "schema": "kraite.migrate/1", "accounts": moved.accounts, "records": moved.records });
        crate::print(&format!("{data}\n"))?;
    } else {
        let (accounts, records) = (moved.accounts, moved.records);
        crate::print(&format!("{accounts} accounts with {records} records are copied and verified\n"))?;
    }
    Ok(Exit::Ok)
}

/// What a file is called once it was copied.
fn moved_aside(file: &Path) -> PathBuf {
    let mut aside = file.as_os_str().to_owned();
    aside.push(".moved");
    PathBuf::from(aside)
}

/// Nobody goes on with a file that was copied by mistake. Killed before this the same command finds everything copied, and
/// comes here.
fn close(file: &Path) -> Result<(), Failed> {
    let aside = moved_aside(file);
    std::fs::rename(file, &aside).map_err(|error| {
        let (file, aside) = (file.display(), aside.display());
        let why = format!("everything is copied, and {file} could not be renamed to {aside}: {error}; do so by hand");
        Failed::new(Exit::Failure, why)
    })?;
    // What its readers left beside it is empty.
    for ending in ["-wal", "-shm"] {
        let mut beside = file.as_os_str().to_owned();
        beside.push(ending);
        let _ = std::fs::remove_file(beside);
    }
    Ok(())
}
