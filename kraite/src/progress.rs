//! Talk on stderr while something takes longer than two seconds, and what it took.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Measures wall time, for people only.
#[allow(clippy::disallowed_methods, reason = "wall time of a run is what the user asked for")]
pub(crate) fn stopwatch() -> Instant {
    Instant::now()
}

/// The processor time of this process so far, in seconds.
pub(crate) fn cpu_seconds() -> f64 {
    cpu_time::ProcessTime::try_now().map_or(0.0, |time| time.as_duration().as_secs_f64())
}

/// Says how far a run is, every two seconds, where a person can see it.
#[derive(Debug)]
pub(crate) struct Progress {
    what: &'static str,
    started: Instant,
    told: Instant,
}

impl Progress {
    const EVERY: Duration = Duration::from_secs(2);

    pub(crate) fn new(what: &'static str) -> Self {
        let now = stopwatch();
        Self { what, started: now, told: now }
    }

    pub(crate) fn say(&mut self, how_far: impl FnOnce() -> String) {
        if self.told.elapsed() < Self::EVERY {
            return;
        }
        self.told = stopwatch();
        let end = if std::io::stderr().is_terminal() { '\r' } else { '\n' };
        let _ = write!(std::io::stderr(), "{}: {}, {} s{end}", self.what, how_far(), self.started.elapsed().as_secs());
    }

    /// So many of so many, and about how long the others take.
    pub(crate) fn of(&mut self, done: usize, all: usize) {
        let elapsed = self.started.elapsed().as_secs();
        let left = (all.saturating_sub(done) as u64).saturating_mul(elapsed) / (done.max(1) as u64);
        self.say(|| format!("{done} of {all}, about {left} s to go"));
    }
}
