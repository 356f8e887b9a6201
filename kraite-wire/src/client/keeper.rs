//! What is known of the venue's clock: an offset to ours between two bounds, measured from its answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kraite_core::time::{LocalMillis, Millis, VenueMillis};

use super::local::LocalClock;

/// Two clocks part by less than one in this many: 100 parts per million.
const DRIFT: i64 = 10_000;
/// A measurement older than this is taken again before the next signature.
const MAX_AGE: Millis = Millis::from_secs(600);
/// The venue's time is told in whole milliseconds, rounded down.
const TOLD_IN: Millis = Millis(1);

/// Offset = venue − local, somewhere between the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Measured {
    low: i64,
    high: i64,
    at: LocalMillis,
}

impl Measured {
    fn aged(self, now: LocalMillis) -> Self {
        let drift = now.since(self.at).0.max(0) / DRIFT;
        Self { low: self.low.saturating_sub(drift), high: self.high.saturating_add(drift), at: self.at }
    }

    const fn width(self) -> i64 {
        self.high.saturating_sub(self.low)
    }
}

#[derive(Debug, Default)]
struct State {
    measured: Option<Measured>,
    doubted: bool,
}

/// The venue's clock as far as it is known.
pub struct Keeper {
    local: Arc<dyn LocalClock>,
    state: Mutex<State>,
}

/// One instant on the venue's clock, with the largest possible error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VenueNow {
    /// The middle of where it can be.
    pub at: VenueMillis,
    /// How far that may be off.
    pub error: Millis,
}

impl VenueNow {
    /// The earliest it can be: what a reading may claim to have been sent at.
    #[must_use]
    pub fn earliest(self) -> VenueMillis {
        self.at.minus(self.error)
    }

    /// The latest it can be.
    #[must_use]
    pub fn latest(self) -> VenueMillis {
        self.at.plus(self.error)
    }
}

impl Keeper {
    /// Of a clock that was not measured yet.
    #[must_use]
    pub fn new(local: Arc<dyn LocalClock>) -> Self {
        Self { local, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns that the venue's clock stood between `told` and `told` + one millisecond at some instant between our
    /// `before` and `after`. Where that agrees with what is known, both hold; where it does not, the fresh one does.
    pub fn observe(&self, before: LocalMillis, told: VenueMillis, after: LocalMillis) {
        let fresh = Measured {
            low: told.0.saturating_sub(after.0),
            high: told.plus(TOLD_IN).0.saturating_sub(before.0),
            at: after,
        };
        let mut state = self.state();
        let known = state.measured.filter(|_| !state.doubted).map(|old| old.aged(after));
        let both = known.map(|old| Measured { low: old.low.max(fresh.low), high: old.high.min(fresh.high), at: after });
        state.measured = Some(both.filter(|both| both.low <= both.high).unwrap_or(fresh));
        state.doubted = false;
    }

    /// The venue refused a timestamp: what is known is measured again before anything more is signed.
    pub fn doubt(&self) {
        self.state().doubted = true;
    }

    /// The venue's clock now; `None` where it has to be measured first.
    #[must_use]
    pub fn now(&self) -> Option<VenueNow> {
        let now = self.local.now();
        let state = self.state();
        let measured = state.measured.filter(|old| !state.doubted && now.since(old.at) <= MAX_AGE)?;
        drop(state);
        Some(Self::at(measured, now))
    }

    /// The best guess there is, however old: for what decides nothing but a wait.
    #[must_use]
    pub fn guess(&self) -> Option<VenueNow> {
        let now = self.local.now();
        let measured = self.state().measured?;
        Some(Self::at(measured, now))
    }

    fn at(measured: Measured, now: LocalMillis) -> VenueNow {
        let aged = measured.aged(now);
        let half = aged.width() / 2;
        VenueNow {
            at: VenueMillis(now.0.saturating_add(aged.low).saturating_add(half)),
            error: Millis(half.saturating_add(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    struct Driven(AtomicI64);

    #[async_trait::async_trait]
    impl LocalClock for Driven {
        fn now(&self) -> LocalMillis {
            LocalMillis(self.0.load(Ordering::SeqCst))
        }

        async fn sleep(&self, _: Millis) {}
    }

    fn keeper(at: i64) -> (Arc<Driven>, Keeper) {
        let clock = Arc::new(Driven(AtomicI64::new(at)));
        (Arc::clone(&clock), Keeper::new(clock))
    }

    #[test]
    fn the_error_is_half_the_round_trip_and_grows_with_age() {
        let (clock, keeper) = keeper(200);
        assert_eq!(keeper.now(), None, "nothing is known before it was measured");
        keeper.observe(LocalMillis(100), VenueMillis(5_050), LocalMillis(200));
        let now = keeper.now().unwrap();
        assert_eq!((now.at, now.error), (VenueMillis(5_100), Millis(51)));
        assert!(now.earliest() <= VenueMillis(5_050) && now.latest() >= VenueMillis(5_150));
        clock.0.store(200 + 100_000, Ordering::SeqCst);
        assert!(keeper.now().unwrap().error >= Millis(60));
        clock.0.store(200 + MAX_AGE.0 + 1, Ordering::SeqCst);
        assert_eq!(keeper.now(), None, "too old to sign with");
        assert!(keeper.guess().is_some());
    }

    #[test]
    fn a_slow_answer_does_not_spoil_a_good_measurement_and_a_contradicting_one_replaces_it() {
        let (clock, keeper) = keeper(1_000);
        keeper.observe(LocalMillis(990), VenueMillis(5_000), LocalMillis(1_000));
        let good = keeper.now().unwrap();
        keeper.observe(LocalMillis(0), VenueMillis(4_700), LocalMillis(1_000));
        assert_eq!(keeper.now().unwrap(), good, "a wide one that agrees says nothing new");
        clock.0.store(3_000, Ordering::SeqCst);
        keeper.observe(LocalMillis(2_000), VenueMillis(60_000), LocalMillis(3_000));
        assert!(keeper.now().unwrap().at > VenueMillis(59_000), "a jump of the venue's clock is believed");
    }

    #[test]
    fn after_a_doubt_even_a_wider_measurement_is_taken() {
        let (_, keeper) = keeper(1_000);
        keeper.observe(LocalMillis(999), VenueMillis(5_000), LocalMillis(1_000));
        keeper.doubt();
        assert_eq!(keeper.now(), None);
        keeper.observe(LocalMillis(500), VenueMillis(4_800), LocalMillis(1_000));
        assert!(keeper.now().unwrap().error > Millis(200));
    }
}
