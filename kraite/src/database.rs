//! A journal in PostgreSQL: the connection to it, and what is done with it from outside.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kraite_journal::{Archived, Found, PostgresJournal, SqliteJournal};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::address::{Address, is_address};
use crate::block_on;
use crate::exit::{Exit, Failed};
use crate::live::config::Config;
use crate::live::control;

/// Connects to the database of an address, and makes what is missing there.
pub(crate) async fn connect(address: &Address) -> Result<PostgresJournal, Failed> {
    let address = address.read()?;
    Ok(PostgresJournal::connect(address.expose_secret()).await?)
}

/// What there is at an address, which nothing is made at. It is called by the address where that was said.
pub(crate) async fn find(address: &Address) -> Result<Found, Failed> {
    let mut found = PostgresJournal::find(address.read()?.expose_secret()).await?;
    if let Address::Said(said) = address {
        found.place.clone_from(said);
    }
    Ok(found)
}

/// The journal at an address, for reading, and what it is called.
pub(crate) async fn journal(address: &Address) -> Result<(String, PostgresJournal), Failed> {
    let Found { place, journal, .. } = find(address).await?;
    let none = || Failed::new(Exit::Journal, format!("{place} has no journal; kraite run or kraite migrate makes one"));
    let journal = journal.ok_or_else(none)?;
    Ok((place, journal))
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

/// Keep the older history of a database in a file, so that the database does not grow for ever.
///
/// Everything that the database has is copied into the file and verified there. Then those records are removed from it
/// that are older than --older-than and that no start rests on: those in front of an account's newest snapshot. Hosts go
/// on meanwhile. Commands that read the whole history read the file too, so it has to stay where it is; the next time
/// the same name is given, or another one while the older file can be read.
///
/// It takes the role that owns the tables: that of the workers may not remove a record.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  PGPASSWORD=... kraite archive --journal postgres://owner@db.example/kraite --to \
                             /srv/kraite/archive.journal --older-than 90"
)]
pub(crate) struct ArchiveArgs {
    /// The database, as postgres://USER@HOST/DATABASE with the password in PGPASSWORD.
    #[arg(long, value_name = "ADDRESS")]
    journal: String,
    /// The file: one that is not there yet, or the one that was written the last time.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Records of so many days stay in the database.
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    older_than: u32,
    /// What was archived, as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Runs `kraite archive`.
pub(crate) fn archive(args: &ArchiveArgs) -> Result<Exit, Failed> {
    if !is_address(&args.journal) {
        let why = format!("{:?} is no address of a database: a journal in a file is its own archive", args.journal);
        return Err(Failed::new(Exit::Usage, why));
    }
    let address = Address::Said(args.journal.clone());
    let older_than = Duration::from_secs(u64::from(args.older_than) * 86_400);
    let archived = block_on(async {
        let (_, journal) = journal(&address).await?;
        Ok(journal.archive(&args.to, older_than).await?)
    })?;
    let Archived { accounts, records, removed } = archived;
    if args.json {
        let data =
            json!({ "schema": "kraite.archive/1", "accounts": accounts, "records": records, "removed": removed });
        crate::print(&format!("{data}\n"))?;
    } else {
        let file = args.to.display();
        crate::print(&format!(
            "{file} has {records} records of {accounts} accounts, verified; {removed} of them went from the database\n"
        ))?;
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
