//! The local clock as a value, so that a test may run minutes in milliseconds.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use kraite_core::time::{LocalMillis, Millis};

/// Our own clock: monotonic, in milliseconds since the Unix epoch. The backend reads and waits on nothing else.
///
/// A shell that has a clock of its own wraps it, so that both agree.
#[async_trait]
pub trait LocalClock: Send + Sync {
    /// Now; never less than it was.
    fn now(&self) -> LocalMillis;

    /// Waits for a span of this clock.
    async fn sleep(&self, span: Millis);
}

/// The system's clock, read once at the start and monotonic from there.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    origin: Instant,
    start: i64,
    factor: u32,
}

impl SystemClock {
    /// The real time.
    #[must_use]
    pub fn real() -> Self {
        Self::scaled(1)
    }

    /// Time that starts at the real time and runs `factor` times as fast; 0 counts as 1.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the one place of this crate that reads the system's clock")]
    pub fn scaled(factor: u32) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let start = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        Self { origin: Instant::now(), start, factor: factor.max(1) }
    }
}

#[async_trait]
impl LocalClock for SystemClock {
    fn now(&self) -> LocalMillis {
        let passed = self.origin.elapsed().as_micros().saturating_mul(u128::from(self.factor)) / 1_000;
        LocalMillis(self.start.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX)))
    }

    #[allow(clippy::disallowed_methods, reason = "the one place of this crate that sleeps")]
    async fn sleep(&self, span: Millis) {
        let micros = u64::try_from(span.0.max(0)).unwrap_or(0).saturating_mul(1_000) / u64::from(self.factor);
        tokio::time::sleep(Duration::from_micros(micros)).await;
    }
}
