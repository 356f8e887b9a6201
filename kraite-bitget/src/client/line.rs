//! A call on its way: clock, budget, signature, transport, and what the answer teaches all of them.

use std::sync::Arc;

use bytes::Bytes;
use kraite_core::exchange::{Outcome, ReadError, RejectKind};
use kraite_core::time::{Millis, VenueMillis};
use kraite_wire::client::{
    Failed, Keeper, LocalClock, Lost, MAX_BODY, Need, Told, Transport, VenueNow, Watch, rejected, unsent,
};
use tokio::sync::watch;

use super::budget::{Budget, Cost};
use super::dialect::{Headers, Reply, Venue, send};
use crate::codec::calls::market::GetServerTime;
use crate::codec::{
    Answer, Call, Credentials, Failure, Generation, Quiet, Scope, SignError, Stamp, UnsignedCall, Verdict, WireRequest,
    encode, encode_unsigned, reply, server_time,
};

/// A limit that protection itself ran into keeps even protection quiet this long.
const PROTECTION_WAITS: Millis = Millis::from_secs(1);

/// What came back, and when the question left at the earliest.
pub(crate) struct Heard {
    status: u16,
    body: Bytes,
    pub(crate) sent_at: VenueMillis,
}

impl Heard {
    pub(crate) fn answer(&self) -> Answer<'_> {
        Answer { status: self.status, body: &self.body }
    }

    fn of(reply: Reply, sent_at: VenueMillis) -> Self {
        Self { status: reply.status, body: reply.body, sent_at }
    }
}

fn unsigned(error: SignError) -> Outcome {
    rejected(RejectKind::NotSent, &error.to_string())
}

pub(crate) struct Line {
    pub(crate) transport: Transport<Venue>,
    pub(crate) keeper: Keeper,
    pub(crate) budget: Budget,
    pub(crate) credentials: Credentials,
    pub(crate) clock: Arc<dyn LocalClock>,
    pub(crate) watch: Arc<dyn Watch>,
    pub(crate) account: Headers,
    /// Which generation the account is of, while that is known.
    pub(crate) generation: watch::Sender<Option<Generation>>,
    /// When a socket should be replaced.
    pub(crate) socket_age: Millis,
    /// One measurement at a time.
    pub(crate) measuring: tokio::sync::Mutex<()>,
}

impl Line {
    /// Sends something that may change something, once. An error is its outcome: nothing left, or nobody knows.
    pub(crate) async fn mutate<C: Call>(&self, call: &C, need: Need, not_after: VenueMillis) -> Result<Heard, Outcome> {
        let now = self.venue_now(need).await.map_err(|error| unsent(&error))?;
        let stamp = Stamp::of_mutation(now.at, not_after).map_err(Outcome::Rejected)?;
        let request = encode(call, stamp, &self.credentials).map_err(unsigned)?;
        let reply = self.exchange(request, Cost::of::<C>(), need, now.at.0, MAX_BODY).await.map_err(Failed::outcome)?;
        Ok(Heard::of(reply, now.earliest()))
    }

    /// Asks something that has to be signed.
    pub(crate) async fn read<C: Call>(&self, call: &C, need: Need) -> Result<Heard, ReadError> {
        let now = self.venue_now(need).await?;
        let request = encode(call, Stamp::of_read(now.at), &self.credentials)
            .map_err(|error| ReadError::Refused(error.to_string().into()))?;
        let reply =
            self.exchange(request, Cost::of::<C>(), need, now.at.0, MAX_BODY).await.map_err(Failed::read_error)?;
        Ok(Heard::of(reply, now.earliest()))
    }

    /// Asks something that is not signed.
    pub(crate) async fn ask<C: UnsignedCall>(&self, call: &C, need: Need, limit: usize) -> Result<Heard, ReadError> {
        let sent_at = self.keeper.guess().map_or(VenueMillis(0), VenueNow::earliest);
        let request = encode_unsigned(call);
        let reply = self.exchange(request, Cost::of::<C>(), need, self.sent_in(), limit).await;
        Ok(Heard::of(reply.map_err(Failed::read_error)?, sent_at))
    }

    /// Measures the venue's clock.
    pub(crate) async fn measure(&self, need: Need) -> Result<VenueMillis, ReadError> {
        let before = self.clock.now();
        let request = encode_unsigned(&GetServerTime);
        let reply = self.exchange(request, Cost::of::<GetServerTime>(), need, self.sent_in(), MAX_BODY).await;
        let reply = reply.map_err(Failed::read_error)?;
        let after = self.clock.now();
        let told = server_time(answer_of(&reply))?;
        self.keeper.observe(before, told, after);
        Ok(told)
    }

    /// The venue's clock, measured where it is not known well enough to sign with.
    pub(crate) async fn venue_now(&self, need: Need) -> Result<VenueNow, ReadError> {
        if let Some(now) = self.keeper.now() {
            return Ok(now);
        }
        let _one = self.measuring.lock().await;
        if let Some(now) = self.keeper.now() {
            return Ok(now);
        }
        // Seldom, and too large to be carried by everything that asks for the time.
        Box::pin(self.measure(need)).await?;
        self.keeper.now().ok_or_else(|| ReadError::NoAnswer("the venue's clock is not known".into()))
    }

    fn sent_in(&self) -> i64 {
        self.keeper.guess().map_or(self.clock.now().0, |now| now.at.0)
    }

    async fn exchange(
        &self,
        request: WireRequest,
        cost: Cost,
        need: Need,
        sent_in: i64,
        limit: usize,
    ) -> Result<Reply, Failed> {
        self.budget.take(cost, need, sent_in).map_err(|spent| Failed::Spent(spent.wait))?;
        match send(&self.transport, request, &self.account, limit).await {
            Ok(reply) => {
                self.learn(&reply, cost, need);
                Ok(reply)
            }
            Err(lost) => {
                if matches!(lost, Lost::NotSent(_)) {
                    self.budget.give_back(cost);
                }
                Err(Failed::Lost(lost))
            }
        }
    }

    fn learn(&self, reply: &Reply, cost: Cost, need: Need) {
        self.budget.learn(cost, &reply.used);
        // The envelope says what it is, and not the status (R21).
        let Err(failure) = reply::open(answer_of(reply)) else {
            self.budget.served();
            return;
        };
        if let Some(generation) = failure.belongs_to() {
            self.belongs_to(generation);
        }
        if failure.verdict == Verdict::ClockSkew {
            self.keeper.doubt();
            self.watch.told(Told::ClockSkew);
        }
        match failure.quiet {
            Some(quiet) => self.hush(cost, quiet, reply.used.retry_after, need),
            None => self.budget.relieved(),
        }
    }

    /// Heeds a limit that stood inside a success, as that of one order of a batch.
    pub(crate) fn heed<C: Call>(&self, outcome: &Outcome, need: Need) {
        if let Outcome::Rejected(reject) = outcome
            && reject.kind == RejectKind::RateLimited
            && let Some(quiet) = Failure::embedded(Some(reject.code), &reject.message).quiet
        {
            self.hush(Cost::of::<C>(), quiet, None, need);
        }
    }

    fn hush(&self, cost: Cost, quiet: Quiet, stated: Option<Millis>, need: Need) {
        let stated = stated.filter(|wait| wait.0 > 0);
        let wait = self.budget.hush(cost, quiet, stated);
        if stated.is_none() && need == Need::Protect {
            let brief = Quiet { scope: Scope::Account, ..quiet };
            self.budget.hush(cost, brief, Some(PROTECTION_WAITS));
        }
        self.watch.told(Told::Quiet(wait));
    }

    /// The account is of that generation, its refusal says: if another one was known, nothing is known any more (R106).
    pub(crate) fn belongs_to(&self, generation: Generation) {
        let moved = self.generation.send_if_modified(|known| {
            let moved = known.is_some_and(|known| known != generation);
            if moved {
                *known = None;
            }
            moved
        });
        if moved {
            self.watch.told(Told::Moved);
        }
    }
}

fn answer_of(reply: &Reply) -> Answer<'_> {
    Answer { status: reply.status, body: &reply.body }
}
