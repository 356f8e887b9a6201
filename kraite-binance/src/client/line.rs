//! A call on its way: clock, budget, signature, transport, and what the answer teaches all of them.

use std::sync::Arc;

use bytes::Bytes;
use kraite_core::exchange::{Outcome, ReadError, RejectKind};
use kraite_core::time::{Millis, VenueMillis};
use kraite_wire::client::{
    Failed, Keeper, LocalClock, Lost, MAX_BODY, Need, Told, Transport, VenueNow, Watch, rejected, unsent,
};
use reqwest::header::HeaderValue;

use super::budget::{Budget, Cost};
use super::dialect::{Reply, Venue, send};
use super::entry::Entry;
use crate::codec::calls::GetServerTime;
use crate::codec::{
    Answer, Call, Carrier, Credentials, Failure, Method, Quiet, SignError, Stamp, UnsignedCall, Verdict, WireRequest,
    encode, encode_unsigned, server_time,
};

/// A limit that protection itself ran into keeps even protection quiet this long: the shorter window of the orders.
const PROTECTION_WAITS: Millis = Millis::from_secs(10);

/// Weight of opening a socket of the WebSocket API.
const HANDSHAKE: u32 = 5;
/// Weight of `session.logon`.
const LOG_ON: u32 = 2;

/// What came back, and when the question left at the earliest.
pub(crate) struct Heard {
    status: u16,
    pub(crate) body: Bytes,
    pub(crate) sent_at: VenueMillis,
}

impl Heard {
    pub(crate) fn answer(&self) -> Answer<'_> {
        Answer { status: self.status, body: &self.body }
    }
}

fn unsigned(error: SignError) -> Outcome {
    rejected(RejectKind::NotSent, &error.to_string())
}

/// What was taken for a request that is to be sent, and when on the venue's clock.
#[derive(Clone, Copy)]
struct Taken {
    cost: Cost,
    need: Need,
    sent_in: i64,
}

pub(crate) struct Line {
    pub(crate) transport: Transport<Venue>,
    pub(crate) keeper: Keeper,
    pub(crate) budget: Budget,
    pub(crate) credentials: Credentials,
    /// The key as a header.
    pub(crate) key: HeaderValue,
    pub(crate) clock: Arc<dyn LocalClock>,
    pub(crate) watch: Arc<dyn Watch>,
    pub(crate) window: Millis,
    pub(crate) read_window: Millis,
    /// How long a call may take in all.
    pub(crate) total: Millis,
    /// When a socket should be replaced.
    pub(crate) socket_age: Millis,
    /// One measurement at a time.
    pub(crate) measuring: tokio::sync::Mutex<()>,
}

impl Line {
    /// Sends something that may change something, once. An error is its outcome: nothing left, or nobody knows.
    pub(crate) async fn mutate<C: Call>(&self, call: &C, need: Need, not_after: VenueMillis) -> Result<Heard, Outcome> {
        let now = self.venue_now(need).await.map_err(|error| unsent(&error))?;
        let stamp = Stamp::of_mutation(now.at, self.window, not_after).map_err(Outcome::Rejected)?;
        let request = encode(call, carrier(C::METHOD), stamp, &self.credentials).map_err(unsigned)?;
        let taken = self.take(cost_of(call), need, now.at.0).map_err(Failed::outcome)?;
        let reply = self.exchange(request, taken, MAX_BODY).await.map_err(Failed::outcome)?;
        Ok(Heard { status: reply.status, body: reply.body, sent_at: now.earliest() })
    }

    /// The same over the socket for orders; `None` where nothing left there.
    pub(crate) async fn mutate_over<C: Call>(
        &self,
        entry: &Entry,
        call: &C,
        need: Need,
        not_after: VenueMillis,
    ) -> Option<Result<Heard, Outcome>> {
        // HTTP needs the clock as well: it is not measured a second time for it.
        let now = match self.venue_now(need).await {
            Ok(now) => now,
            Err(error) => return Some(Err(unsent(&error))),
        };
        // Only now: it may be another one after the wait.
        let seat = entry.seat()?;
        let stamp = match Stamp::of_mutation(now.at, self.window, not_after) {
            Ok(stamp) => stamp,
            Err(late) => return Some(Err(Outcome::Rejected(late))),
        };
        let frame = seat.encode(call, stamp, &self.credentials).ok()??;
        let taken = match self.take(cost_of(call), need, now.at.0) {
            Ok(taken) => taken,
            Err(spent) => return Some(Err(spent.outcome())),
        };
        let answer = seat.send(frame, self.clock.as_ref(), self.total).await;
        match self.settle(taken, answer) {
            Ok(reply) => Some(Ok(Heard { status: reply.status, body: reply.body, sent_at: now.earliest() })),
            Err(Failed::Lost(Lost::NotSent(_))) => None,
            Err(failed) => Some(Err(failed.outcome())),
        }
    }

    /// Asks something that has to be signed.
    pub(crate) async fn read<C: Call>(&self, call: &C, need: Need) -> Result<Heard, ReadError> {
        let now = self.venue_now(need).await?;
        let stamp = Stamp::of_read(now.at, self.read_window);
        let request = encode(call, Carrier::Query, stamp, &self.credentials)
            .map_err(|error| ReadError::Refused(error.to_string().into()))?;
        let taken = self.take(cost_of(call), need, now.at.0).map_err(Failed::read_error)?;
        let reply = self.exchange(request, taken, MAX_BODY).await.map_err(Failed::read_error)?;
        Ok(Heard { status: reply.status, body: reply.body, sent_at: now.earliest() })
    }

    /// Asks something that is not signed.
    pub(crate) async fn ask<C: UnsignedCall>(&self, call: &C, need: Need, limit: usize) -> Result<Heard, ReadError> {
        let sent_at = self.keeper.guess().map_or(VenueMillis(0), VenueNow::earliest);
        let taken = self.take(cost_of(call), need, self.sent_in()).map_err(Failed::read_error)?;
        let reply = self.exchange(encode_unsigned(call), taken, limit).await.map_err(Failed::read_error)?;
        Ok(Heard { status: reply.status, body: reply.body, sent_at })
    }

    /// Measures the venue's clock.
    pub(crate) async fn measure(&self, need: Need) -> Result<VenueMillis, ReadError> {
        let call = GetServerTime;
        let request = encode_unsigned(&call);
        let taken = self.take(cost_of(&call), need, self.sent_in()).map_err(Failed::read_error)?;
        let before = self.clock.now();
        let reply = self.exchange(request, taken, MAX_BODY).await.map_err(Failed::read_error)?;
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

    /// Signs a reading now.
    pub(crate) async fn stamp_of_read(&self) -> Result<Stamp, ReadError> {
        Ok(Stamp::of_read(self.venue_now(Need::Open).await?.at, self.read_window))
    }

    /// Takes what it costs to open a socket for orders; `None` where that is not there.
    pub(crate) fn enter(&self, logs_on: bool) -> Option<()> {
        let weight = if logs_on { HANDSHAKE.saturating_add(LOG_ON) } else { HANDSHAKE };
        self.budget.take(Cost { weight, orders: (0, 0) }, Need::Open, self.sent_in()).ok()
    }

    /// Learns from the answer to signing a session in.
    pub(crate) fn learn_of_session(&self, reply: &Reply) {
        self.learn(reply, Need::Open, self.sent_in());
    }

    fn sent_in(&self) -> i64 {
        self.keeper.guess().map_or(self.clock.now().0, |now| now.at.0)
    }

    async fn exchange(&self, request: WireRequest, taken: Taken, limit: usize) -> Result<Reply, Failed> {
        let answer = send(&self.transport, request, &self.key, limit).await;
        self.settle(taken, answer)
    }

    /// Takes what a request costs, before it is sent.
    fn take(&self, cost: Cost, need: Need, sent_in: i64) -> Result<Taken, Failed> {
        self.budget.take(cost, need, sent_in).map_err(|spent| Failed::Spent(spent.wait))?;
        Ok(Taken { cost, need, sent_in })
    }

    /// Learns from what came back.
    fn settle(&self, Taken { cost, need, sent_in }: Taken, answer: Result<Reply, Lost>) -> Result<Reply, Failed> {
        match answer {
            Ok(reply) => {
                self.learn(&reply, need, sent_in);
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

    fn learn(&self, reply: &Reply, need: Need, sent_in: i64) {
        self.budget.learn(&reply.used, sent_in);
        let answer = answer_of(reply);
        if answer.is_success() {
            self.budget.relieved();
            return;
        }
        let failure = Failure::of(answer);
        if failure.verdict == Verdict::ClockSkew {
            self.skewed();
        }
        let Some(quiet) = failure.quiet else { return };
        // A ban holds for everybody, whether or not it says until when.
        let banned = matches!(answer.status, 403 | 418).then_some(quiet.pause);
        let until = quiet.until.and_then(|until| Some(until.since(self.keeper.guess()?.earliest())));
        let stated = reply.used.retry_after.max(until).filter(|wait| wait.0 > 0).or(banned);
        self.hush(quiet, stated, need);
    }

    /// Heeds a refusal that stood inside a success, as that of one leg of a batch.
    pub(crate) fn heed(&self, outcome: &Outcome, need: Need) {
        let Outcome::Rejected(reject) = outcome else { return };
        match reject.kind {
            RejectKind::ClockSkew => self.skewed(),
            RejectKind::RateLimited => {
                if let Some(quiet) = Failure::embedded(reject.code, &reject.message).quiet {
                    self.hush(quiet, None, need);
                }
            }
            _ => {}
        }
    }

    fn skewed(&self) {
        self.keeper.doubt();
        self.watch.told(Told::ClockSkew);
    }

    fn hush(&self, quiet: Quiet, stated: Option<Millis>, need: Need) {
        let wait = self.budget.hush(quiet, stated);
        if stated.is_none() && need == Need::Protect && quiet.pause >= PROTECTION_WAITS {
            self.budget.hush(quiet, Some(PROTECTION_WAITS));
        }
        self.watch.told(Told::Quiet(wait));
    }
}

pub(crate) fn answer_of(reply: &Reply) -> Answer<'_> {
    Answer { status: reply.status, body: &reply.body }
}

/// Bodies do not stand in the logs of proxies; where the venue documents none, the query is used.
const fn carrier(method: Method) -> Carrier {
    match method {
        Method::Post | Method::Put => Carrier::Form,
        Method::Get | Method::Delete => Carrier::Query,
    }
}

fn cost_of<C: Call>(call: &C) -> Cost {
    Cost { weight: call.weight(), orders: call.orders() }
}
