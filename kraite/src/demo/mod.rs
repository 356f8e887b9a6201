//! `kraite demo`: a position that survives being killed for real, twice, on two shapes of exchange.
//!
//! The stage (this process) keeps the simulated exchange and its clock; the worker is a child process with
//! a SQLite journal. The stage kills the worker with SIGKILL after the exchange acted and before the worker
//! could persist the answer.

mod script;
mod stage;
pub mod worker;

use std::path::Path;

use kraite_sim::presets;
use serde::Serialize;

pub use stage::StageError;

/// Venue time runs this many times as fast as the wall, so that windows of seconds cost milliseconds.
pub const CLOCK_FACTOR: u32 = 60;

/// Which shape of exchange a run is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Shape {
    /// Stop and target are two orders, as on Binance USD-M.
    Binance,
    /// Stop and target are one call, as on Bitget.
    Bitget,
}

impl Shape {
    /// The simulated venue of this shape.
    #[must_use]
    pub fn profile(self) -> kraite_sim::venue::VenueProfile {
        match self {
            Self::Binance => presets::binance(),
            Self::Bitget => presets::bitget(),
        }
    }

    /// Its name on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Binance => "binance",
            Self::Bitget => "bitget",
        }
    }
}

/// What one run proved, counted on the exchange's own book.
#[derive(Debug, Clone, Serialize)]
pub struct Proof {
    /// Which shape of exchange.
    pub venue: &'static str,
    /// How often the worker was killed by signal 9.
    pub kills: u32,
    /// Orders that the exchange accepted under our ids.
    pub orders_placed: usize,
    /// Orders that were adopted after a kill instead of being placed again.
    pub adopted: usize,
    /// Logical orders that existed twice.
    pub duplicates: u64,
    /// Orders of ours that are still open at the end.
    pub orphans: u64,
    /// Rungs that filled.
    pub rungs_filled: usize,
    /// How often the target was re-priced.
    pub target_revisions: usize,
    /// The longest time with exposure and no accepted stop, in venue time.
    pub max_unprotected_ms: i64,
    /// Profit after fees, in quote currency.
    pub profit: String,
    /// The position was closed and everything above holds.
    pub holds: bool,
}

/// Runs the demo on one shape, telling the story line by line.
pub fn run(shape: Shape, folder: &Path, tell: &mut dyn FnMut(&str)) -> Result<Proof, StageError> {
    stage::run(shape, folder, tell)
}
