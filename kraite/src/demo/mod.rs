//! `kraite demo`: a position that survives being killed for real, twice, on two shapes of exchange.
//!
//! The stage (this process) keeps the simulated exchange and its clock; the worker is a child process with
//! a SQLite journal. The stage kills the worker with SIGKILL after the exchange acted and before the worker
//! could persist the answer.

mod fail_points;
#[cfg(debug_assertions)]
mod mutants;
mod script;
mod stage;
pub(crate) mod worker;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::exit::{Exit, Failed};
use crate::flags::VenueName;

/// Venue time runs this many times as fast as the wall, so that windows of seconds cost milliseconds.
pub(crate) const CLOCK_FACTOR: u32 = 10;

/// What one run proved, counted on the exchange's own book.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Proof {
    /// Which shape of exchange.
    pub(crate) venue: &'static str,
    /// How often the worker was killed by signal 9.
    pub(crate) kills: u32,
    /// Orders that the exchange accepted under our ids.
    pub(crate) orders_placed: usize,
    /// Orders that were adopted after a kill instead of being placed again.
    pub(crate) adopted: usize,
    /// Logical orders that existed twice.
    pub(crate) duplicates: u64,
    /// Orders of ours that are still open at the end.
    pub(crate) orphans: u64,
    /// Rungs that filled.
    pub(crate) rungs_filled: usize,
    /// How often the target was re-priced.
    pub(crate) target_revisions: usize,
    /// The longest time with exposure and no accepted stop, in venue time.
    pub(crate) max_unprotected_ms: i64,
    /// Profit after fees, in quote currency.
    pub(crate) profit: String,
    /// The position was closed and everything above holds.
    pub(crate) holds: bool,
}

/// Opens a position on a simulated exchange, kills the worker twice with SIGKILL, and proves what is left.
///
/// Needs no keys, no network and no files. The worker is a child process with a SQLite journal; the
/// exchange lives in this process, on a clock that runs 10 times as fast as the wall, so that windows of
/// seconds cost milliseconds. Played once on an exchange shaped like Binance USD-M, where stop and target
/// are two orders, and once on one shaped like Bitget, where they are one call. The time at the beginning of each
/// line is the exchange's. Exit code 0 only if the proof holds.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this shape of exchange.
    #[arg(long, value_enum)]
    venue: Option<VenueName>,
    /// Keeps the journals in this folder, for `kraite inspect`; makes it if need be, refuses one that has them.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Prints the proof as JSON; the timeline goes to stderr.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Serialize)]
struct Shown {
    schema: &'static str,
    clock_factor: u32,
    venues: Vec<Proof>,
    holds: bool,
}

/// Plays and prints.
pub(crate) fn command(args: &Args) -> Result<Exit, Failed> {
    let venues = match args.venue {
        Some(venue) => vec![venue],
        None => vec![VenueName::Binance, VenueName::Bitget],
    };
    let temporary =
        if args.keep.is_none() { Some(tempfile::tempdir().map_err(Failed::with(Exit::Failure))?) } else { None };
    let folder = match (&args.keep, &temporary) {
        (Some(folder), _) => prepared(folder, &venues)?,
        (None, temporary) => temporary.as_ref().map_or_else(|| Path::new("."), tempfile::TempDir::path),
    };
    let mut tell = |line: &str| {
        let written =
            if args.json { writeln!(std::io::stderr(), "{line}") } else { writeln!(std::io::stdout(), "{line}") };
        // An audience that has left does not stop the play.
        drop(written);
    };
    let mut proofs = Vec::new();
    for venue in venues {
        tell(&format!(
            "== an exchange shaped like {}; times are the exchange's, its clock is {CLOCK_FACTOR} times as fast as the wall ==",
            venue.word()
        ));
        let proof = stage::run(venue, folder, &mut tell).map_err(|error| Failed::new(exit_of(&error), error))?;
        if args.keep.is_some() {
            tell(&format!("its journal is kept: {}", journal_in(folder, venue).display()));
        }
        tell("");
        proofs.push(proof);
    }
    let holds = proofs.iter().all(|proof| proof.holds);
    if args.json {
        let shown = Shown { schema: "kraite.demo/1", clock_factor: CLOCK_FACTOR, venues: proofs, holds };
        let json = serde_json::to_string_pretty(&shown).map_err(Failed::with(Exit::Failure))?;
        crate::print(&format!("{json}\n"))?;
    } else {
        let lines: String = proofs.iter().map(Proof::text).collect();
        crate::print(&lines)?;
    }
    if holds {
        return Ok(Exit::Ok);
    }
    crate::talk("kraite: the proof does not hold; see above");
    Ok(Exit::Invariant)
}

/// Where the journal of one shape lies.
fn journal_in(folder: &Path, venue: VenueName) -> PathBuf {
    folder.join(format!("{}.journal", venue.word()))
}

/// A folder for journals that are to be kept. One of an earlier run is nobody's to write over.
fn prepared<'a>(folder: &'a Path, venues: &[VenueName]) -> Result<&'a Path, Failed> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Failed::new(Exit::Failure, format!("--keep {}: {error}", folder.display())))?;
    match venues.iter().map(|venue| journal_in(folder, *venue)).find(|journal| journal.exists()) {
        Some(there) => Err(Failed::new(Exit::Usage, format!("--keep: {} is there already", there.display()))),
        None => Ok(folder),
    }
}

/// A worker that ended for a reason with a code of its own makes the demo end with it.
fn exit_of(error: &stage::StageError) -> Exit {
    let stage::StageError::Ended(status, _) = error else { return Exit::Failure };
    let named = [Exit::Exchange, Exit::NotOwner, Exit::Journal];
    named.into_iter().find(|exit| status.code() == Some(i32::from(*exit as u8))).unwrap_or(Exit::Failure)
}

impl Proof {
    fn text(&self) -> String {
        let rows = [
            ("kills", format!("{} by signal 9", self.kills)),
            ("orders placed", self.orders_placed.to_string()),
            ("adopted", format!("{} found by their client ids after a kill, instead of placed again", self.adopted)),
            ("duplicates", self.duplicates.to_string()),
            ("orphans", self.orphans.to_string()),
            ("rungs filled", self.rungs_filled.to_string()),
            ("target re-priced", format!("{} times", self.target_revisions)),
            ("unprotected", format!("{} ms at most, in the exchange's time", self.max_unprotected_ms)),
            ("profit", format!("{} USDT after fees", self.profit)),
        ];
        let verdict = if self.holds { "the proof holds" } else { "THE PROOF DOES NOT HOLD" };
        let rows: String = rows.iter().map(|(name, value)| format!("  {name:<17} {value}\n")).collect();
        format!("an exchange shaped like {}: {verdict}\n{rows}", self.venue)
    }
}
