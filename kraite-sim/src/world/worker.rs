//! The workers, and what may happen to one from outside: it is killed or stopped, its disk, clock, stream and
//! readings fail it.

use std::collections::BTreeSet;

use kraite_core::engine::Engine;
use kraite_core::exchange::{Endpoint, StreamEvent};
use kraite_core::id::AccountTag;
use kraite_core::time::{Millis, VenueMillis};

use super::wire::Message;
use super::{Disk, World};

#[derive(Debug, Clone)]
pub(super) struct Worker {
    pub(super) engine: Option<Engine>,
    /// The digest of the engine as it is, once somebody asked for it.
    pub(super) print: Option<u128>,
    pub(super) run: u64,
    /// Our clock minus the venue's.
    pub(super) skew_ms: i64,
    /// By how much the machine's clock was set since the process started.
    pub(super) jump_ms: i64,
    /// The venue's clock as the shell believes it, minus the true one; within `error`.
    pub(super) belief_ms: i64,
    pub(super) error_ms: i64,
    pub(super) state_at_death: Option<kraite_core::engine::State>,
    /// The process is stopped until then (D2): what comes for it waits.
    pub(super) stopped_until: Option<VenueMillis>,
    /// Its account stream is cut: frames are lost without a word until it connects again (C3, C5).
    pub(super) cut: bool,
    /// Endpoints that do not answer it.
    pub(super) dark: BTreeSet<Endpoint>,
    /// How much longer every answer takes.
    pub(super) slow: Millis,
}

impl World {
    /// Starts a worker for an account that the venue knows.
    pub fn hire(&mut self, account: AccountTag) {
        self.workers.insert(
            account,
            Worker {
                engine: None,
                print: None,
                run: 0,
                skew_ms: 1_700,
                jump_ms: 0,
                belief_ms: 20,
                error_ms: 50,
                state_at_death: None,
                stopped_until: None,
                cut: false,
                dark: BTreeSet::new(),
                slow: Millis(0),
            },
        );
        self.post(0, Message::Start { account });
    }

    /// Kills a worker, as SIGKILL does.
    pub fn kill(&mut self, account: AccountTag) {
        self.die(account, "killed");
    }

    /// Stops a worker for a span, as SIGSTOP or a sleeping machine does; its clocks run on. Who is stopped already goes
    /// on when the longer of both ends.
    pub fn stop(&mut self, account: AccountTag, span: Millis) {
        let until = self.now.plus(span);
        if let Some(worker) = self.workers.get_mut(&account) {
            worker.stopped_until = worker.stopped_until.max(Some(until));
        }
        self.auditor.stopped(account, true, self.now);
        self.tell(|| format!("ZZ worker {account} is stopped for {span} ms"));
    }

    /// Sets the machine's clock forward or back (D3). A process reads it once, at its start, and counts on from
    /// there by itself: the next one notices.
    pub fn set_clock(&mut self, account: AccountTag, by: Millis) {
        if let Some(worker) = self.workers.get_mut(&account) {
            worker.jump_ms = worker.jump_ms.saturating_add(by.0);
        }
        self.tell(|| format!("ZZ the clock of worker {account} jumps by {by} ms"));
    }

    /// Cuts a worker's account stream without a word, or connects it again.
    pub fn cut_stream(&mut self, account: AccountTag, cut: bool) {
        let Some(worker) = self.workers.get_mut(&account) else { return };
        let run = worker.run;
        if std::mem::replace(&mut worker.cut, cut) && !cut {
            self.post(0, Message::Frame { account, run, event: StreamEvent::Connected });
        }
    }

    /// What the worker's shell makes of the venue's clock from now on: how far its estimate is ahead of the truth, and
    /// how wrong it says that it may be. An estimate that is worse than it says would be a lie that nothing survives:
    /// it is cut to what it says.
    pub fn set_belief(&mut self, account: AccountTag, ahead: Millis, error: Millis) {
        if let Some(worker) = self.workers.get_mut(&account) {
            worker.error_ms = error.0.max(0);
            worker.belief_ms = ahead.0.clamp(-worker.error_ms, worker.error_ms);
        }
        self.tell(|| format!("ZZ the estimate of worker {account} is {ahead} ms ahead, give or take {error} ms"));
    }

    /// From now on these endpoints do not answer the worker (B6); an empty list lets all of them answer again.
    pub fn darken(&mut self, account: AccountTag, endpoints: impl IntoIterator<Item = Endpoint>) {
        if let Some(worker) = self.workers.get_mut(&account) {
            worker.dark = endpoints.into_iter().collect();
        }
    }

    /// From now on every answer takes this much longer, beyond what the shell waits for it too.
    pub fn slow_answers(&mut self, account: AccountTag, by: Millis) {
        if let Some(worker) = self.workers.get_mut(&account) {
            worker.slow = Millis(by.0.max(0));
        }
    }

    /// The newest records of an account are gone at its next start: a disk that lied about a sync (A8).
    pub fn lose_records(&mut self, account: AccountTag, count: usize) {
        self.die(account, "as its disk loses what it had synced");
        self.journal.lose_suffix(account, count);
        if let Some(worker) = self.workers.get_mut(&account) {
            worker.state_at_death = None;
        }
        self.auditor.records_lost(account);
    }

    /// When the last stopped worker goes on; now, if none is stopped.
    #[must_use]
    pub fn all_run_at(&self) -> VenueMillis {
        self.workers.values().filter_map(|w| w.stopped_until).max().map_or(self.now, |until| until.max(self.now))
    }

    /// Heals the world: from now on nothing goes wrong, disks work, streams are connected. Who is stopped goes on
    /// when it would have.
    pub fn heal(&mut self) {
        self.nemesis.calm_down();
        let accounts: Vec<AccountTag> = self.workers.keys().copied().collect();
        for account in accounts {
            self.journal.set_disk(account, Disk::Sound);
            self.cut_stream(account, false);
            self.darken(account, []);
            self.slow_answers(account, Millis(0));
        }
    }

    pub(super) fn die(&mut self, account: AccountTag, where_: &str) {
        let Some(worker) = self.workers.get_mut(&account) else { return };
        let Some(engine) = worker.engine.take() else { return };
        worker.stopped_until = None;
        self.auditor.stopped(account, false, self.now);
        self.deaths += 1;
        // Only a death with everything durable can be compared with what is restored.
        worker.state_at_death = (engine.state().seq == self.journal.last(account)).then(|| engine.into_state());
        self.tell(|| format!("XX worker {account} dies {where_}"));
        self.auditor.died(account, self.now);
        let rest = self.nemesis.jitter(self.restart_ms);
        self.post(rest, Message::Start { account });
    }
}
