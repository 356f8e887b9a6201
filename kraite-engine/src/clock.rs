//! The shell's clock is a value: real, scaled or driven by a test. The only place that reads the system's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kraite_core::time::{LocalMillis, Millis, Moment, VenueMillis};
use tokio::sync::Notify;

/// A clock to run a worker, an emulator or a demo on.
#[derive(Debug, Clone)]
pub struct Clock(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Scaled { origin: Instant, start: i64, factor: u32, skipped: Arc<AtomicI64> },
    Driven(Arc<Driven>),
}

#[derive(Debug)]
struct Driven {
    now: AtomicI64,
    moved: Notify,
}

impl Clock {
    /// The real time.
    #[must_use]
    pub fn real() -> Self {
        Self::scaled_from(Self::wall(), 1)
    }

    /// Time that starts at the real time and runs `factor` times as fast, so that windows of seconds and
    /// minutes do not cost wall time.
    #[must_use]
    pub fn scaled(factor: u32) -> Self {
        Self::scaled_from(Self::wall(), factor)
    }

    /// Time that starts at `start` and runs `factor` times as fast.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the clock is the one place that reads the system's")]
    pub fn scaled_from(start: LocalMillis, factor: u32) -> Self {
        let skipped = Arc::new(AtomicI64::new(0));
        Self(Kind::Scaled { origin: Instant::now(), start: start.0, factor: factor.max(1), skipped })
    }

    /// Time that stands still until [`Clock::advance`].
    #[must_use]
    pub fn driven(start: LocalMillis) -> Self {
        Self(Kind::Driven(Arc::new(Driven { now: AtomicI64::new(start.0), moved: Notify::new() })))
    }

    #[allow(clippy::disallowed_methods, reason = "the clock is the one place that reads the system's")]
    fn wall() -> LocalMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        LocalMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> LocalMillis {
        match &self.0 {
            Kind::Scaled { origin, start, factor, skipped } => {
                let start = start.saturating_add(skipped.load(Ordering::SeqCst));
                let passed = origin.elapsed().as_micros().saturating_mul(u128::from(*factor)) / 1_000;
                LocalMillis(start.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX)))
            }
            Kind::Driven(driven) => LocalMillis(driven.now.load(Ordering::SeqCst)),
        }
    }

    /// Moves the clock and its clones on, never back: those who wait on a driven clock wake if they should; those who
    /// wait on one that runs wait as long as they would have.
    pub fn advance(&self, span: Millis) {
        let span = span.0.max(0);
        match &self.0 {
            Kind::Scaled { skipped, .. } => {
                skipped.fetch_add(span, Ordering::SeqCst);
            }
            Kind::Driven(driven) => {
                driven.now.fetch_add(span, Ordering::SeqCst);
                driven.moved.notify_waiters();
            }
        }
    }

    /// Waits until this clock shows at least `until`.
    #[allow(clippy::disallowed_methods, reason = "this is the one place that sleeps")]
    pub async fn sleep_until(&self, until: LocalMillis) {
        match &self.0 {
            Kind::Scaled { factor, .. } => {
                let left = until.since(self.now()).0;
                if left > 0 {
                    let micros = u64::try_from(left).unwrap_or(0).saturating_mul(1_000) / u64::from(*factor);
                    tokio::time::sleep(Duration::from_micros(micros.saturating_add(100))).await;
                }
            }
            Kind::Driven(driven) => loop {
                let moved = driven.moved.notified();
                if self.now() >= until {
                    return;
                }
                moved.await;
            },
        }
    }

    /// Waits for a span of this clock.
    pub async fn sleep(&self, span: Millis) {
        self.sleep_until(self.now().plus(span)).await;
    }
}

/// Two clocks part by less than one in this many: 100 parts per million.
const DRIFT: i64 = 10_000;

/// What the worker knows of the venue's clock: an offset to ours and how wrong it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VenueClock {
    offset: i64,
    error: Millis,
    measured_at: LocalMillis,
}

impl VenueClock {
    /// Measured from one reading of the venue's time: it was `venue` at some instant between our `before`
    /// and `after`.
    #[must_use]
    pub fn measured(before: LocalMillis, venue: VenueMillis, after: LocalMillis) -> Self {
        let half = after.since(before).0.max(0) / 2;
        let middle = before.0.saturating_add(half);
        let (offset, error) = (venue.0.saturating_sub(middle), Millis(half.saturating_add(1)));
        Self { offset, error, measured_at: after }
    }

    /// One instant on both clocks. The older the measurement, the less it is trusted.
    #[must_use]
    pub fn moment(&self, local: LocalMillis) -> Moment {
        let drift = Millis(local.since(self.measured_at).0.max(0) / DRIFT);
        Moment { local, venue: VenueMillis(local.0.saturating_add(self.offset)), error: self.error.plus(drift) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_driven_clock_wakes_only_when_it_is_moved_far_enough() {
        let clock = Clock::driven(LocalMillis(1_000));
        let waiting = clock.clone();
        let task = tokio::spawn(async move { waiting.sleep_until(LocalMillis(1_500)).await });
        tokio::task::yield_now().await;
        clock.advance(Millis(400));
        tokio::task::yield_now().await;
        assert!(!task.is_finished());
        clock.advance(Millis(100));
        assert!(task.await.is_ok());
    }

    #[test]
    fn a_clock_that_runs_is_moved_on_for_all_who_share_it() {
        let clock = Clock::scaled_from(LocalMillis(1_000), 1);
        let other = clock.clone();
        clock.advance(Millis(5_000));
        clock.advance(Millis(-4_000));
        assert!(other.now() >= LocalMillis(6_000) && other.now() < LocalMillis(60_000));
    }

    #[test]
    fn the_error_of_the_venue_clock_is_half_the_round_trip() {
        let clock = VenueClock::measured(LocalMillis(100), VenueMillis(5_050), LocalMillis(200));
        let moment = clock.moment(LocalMillis(150));
        assert_eq!(moment.venue, VenueMillis(5_050));
        assert_eq!(moment.error, Millis(51));
        assert_eq!(clock.moment(LocalMillis(60_200)).error, Millis(57), "6 ms of drift in a minute");
    }
}
