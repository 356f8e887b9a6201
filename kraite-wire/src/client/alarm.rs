//! The total timeout of requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use kraite_core::time::{LocalMillis, Millis};
use tokio::runtime::{Handle, Id};

use super::local::LocalClock;

/// Gives alarms of one length.
///
/// Setting a timer and taking it back costs as much as signing a request, and nearly no request needs it: what was not
/// slept to its end serves the next one, and what is missing then is slept after it.
pub(crate) struct Alarms {
    clock: Arc<dyn LocalClock>,
    length: Millis,
    idle: Mutex<Vec<Sleep>>,
}

/// A sleep that has begun, and the runtime that wakes it: it is of no use in another one.
struct Sleep {
    within: Option<Id>,
    until: BoxFuture<'static, ()>,
}

/// Rings when its length is over.
pub(crate) struct Alarm<'a> {
    alarms: &'a Alarms,
    at: LocalMillis,
    sleep: Option<Sleep>,
}

impl Alarms {
    pub(crate) fn new(clock: Arc<dyn LocalClock>, length: Millis) -> Self {
        Self { clock, length, idle: Mutex::default() }
    }

    /// One that runs from now.
    pub(crate) fn set(&self) -> Alarm<'_> {
        let here = runtime();
        let mut idle = self.idle();
        let sleep = idle.pop().filter(|sleep| sleep.within == here);
        drop(idle);
        Alarm { alarms: self, at: self.clock.now().plus(self.length), sleep }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Sleep>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Alarm<'_> {
    pub(crate) async fn rings(&mut self) {
        loop {
            if let Some(sleep) = &mut self.sleep {
                sleep.until.as_mut().await;
                self.sleep = None;
            }
            let left = self.at.since(self.alarms.clock.now());
            if left.0 <= 0 {
                return;
            }
            let clock = Arc::clone(&self.alarms.clock);
            let until = Box::pin(async move { clock.sleep(left).await });
            self.sleep = Some(Sleep { within: runtime(), until });
        }
    }
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if let Some(sleep) = self.sleep.take() {
            self.alarms.idle().push(sleep);
        }
    }
}

fn runtime() -> Option<Id> {
    Handle::try_current().ok().map(|handle| handle.id())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use tokio::runtime::{Builder, Runtime};

    use super::*;
    use crate::client::local::SystemClock;

    const SECOND: Millis = Millis::from_secs(1);

    /// Tokio's time, which jumps to the next timer once everybody waits.
    struct Paused {
        origin: tokio::time::Instant,
        sleeps: AtomicU32,
    }

    impl Paused {
        fn new() -> Arc<Self> {
            Arc::new(Self { origin: tokio::time::Instant::now(), sleeps: AtomicU32::default() })
        }

        fn sleeps(&self) -> u32 {
            self.sleeps.load(Ordering::SeqCst)
        }
    }

    #[async_trait]
    impl LocalClock for Paused {
        fn now(&self) -> LocalMillis {
            LocalMillis(i64::try_from(self.origin.elapsed().as_millis()).unwrap())
        }

        async fn sleep(&self, span: Millis) {
            self.sleeps.fetch_add(1, Ordering::SeqCst);
            SystemClock::real().sleep(span).await;
        }
    }

    fn paused() -> Runtime {
        Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
    }

    async fn begun(alarms: &Alarms) {
        let mut alarm = alarms.set();
        tokio::select! {
            biased;
            () = alarm.rings() => panic!("not yet"),
            () = std::future::ready(()) => {}
        }
    }

    #[test]
    fn what_another_request_left_over_never_rings_early() {
        paused().block_on(async {
            let clock = Paused::new();
            let alarms = Alarms::new(Arc::clone(&clock) as Arc<dyn LocalClock>, SECOND);
            for _ in 0..100 {
                begun(&alarms).await;
            }
            assert_eq!((clock.sleeps(), alarms.idle().len()), (1, 1));
            tokio::time::advance(std::time::Duration::from_millis(700)).await;
            let from = clock.now();
            alarms.set().rings().await;
            let passed = clock.now().since(from);
            assert!(passed >= SECOND && passed <= SECOND.plus(Millis(2)), "{passed}");
            assert_eq!((clock.sleeps(), alarms.idle().len()), (2, 0));
        });
    }

    #[test]
    fn a_sleep_of_a_runtime_that_has_ended_is_not_waited_for() {
        let alarms = paused().block_on(async {
            let alarms = Alarms::new(Paused::new(), SECOND);
            begun(&alarms).await;
            alarms
        });
        assert_eq!(alarms.idle().len(), 1);
        paused().block_on(async { alarms.set().rings().await });
    }
}
