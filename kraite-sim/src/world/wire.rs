//! The wire between workers and venue: requests, questions and frames on their way, and the fate of each.

use std::hash::{Hash as _, Hasher};

use kraite_core::engine::{Answer, Command, CommandId, Query, Request, Sent};
use kraite_core::exchange::{
    Cause, Direction, Endpoint, Outcome, PositionTpsl, Purpose, ReadError, Reject, RejectKind, StreamEvent,
};
use kraite_core::id::{AccountTag, ClientOrderId};
use kraite_core::number::Price;
use kraite_core::time::VenueMillis;

use super::story::brief_request;
use super::{Fate, Point, Stream, World};
use crate::venue::Leg;

/// How long the shell waits for an answer before it calls the outcome unknown.
const REPLY_TIMEOUT_MS: i64 = 10_000;
/// How long the shell waits for an answer to a query.
const READ_TIMEOUT_MS: i64 = 5_000;
/// A delayed message takes this much longer; still well inside any validity window.
const DELAY_MS: i64 = 2_000;
/// A late message takes this much longer: beyond every validity window.
const LATE_MS: i64 = 45_000;

/// What is on its way, or due at an instant.
#[derive(Debug, Clone)]
pub(super) enum Message {
    Arrive {
        account: AccountTag,
        run: u64,
        request: Request,
        signed_at: VenueMillis,
        copy: bool,
    },
    /// The venue took this request in time, and acts now.
    Act {
        account: AccountTag,
        request: Request,
    },
    Back {
        account: AccountTag,
        run: u64,
        sent: Sent,
        outcome: Outcome,
    },
    Ask {
        account: AccountTag,
        run: u64,
        query: Query,
        sent_at: VenueMillis,
    },
    Answered {
        account: AccountTag,
        run: u64,
        answer: Answer,
    },
    Frame {
        account: AccountTag,
        run: u64,
        event: StreamEvent,
    },
    Start {
        account: AccountTag,
    },
    Command {
        account: AccountTag,
        id: CommandId,
        command: Command,
    },
}

impl Message {
    /// What is on its way back to a process that is gone reaches nobody, and counts for nothing.
    pub(super) fn fingerprint(
        &self,
        hasher: &mut impl Hasher,
        at: VenueMillis,
        is_run: impl Fn(AccountTag, u64) -> bool,
    ) {
        let (account, run) = match self {
            Self::Arrive { account, run, .. }
            | Self::Back { account, run, .. }
            | Self::Ask { account, run, .. }
            | Self::Answered { account, run, .. }
            | Self::Frame { account, run, .. } => (*account, Some(*run)),
            Self::Start { account } | Self::Command { account, .. } | Self::Act { account, .. } => (*account, None),
        };
        let waits = run.is_none_or(|run| is_run(account, run));
        if !waits && !matches!(self, Self::Arrive { .. }) {
            return;
        }
        (std::mem::discriminant(self), at, account, waits).hash(hasher);
        match self {
            Self::Arrive { request, signed_at, copy, .. } => (request, signed_at, copy).hash(hasher),
            Self::Act { request, .. } => request.hash(hasher),
            Self::Back { sent, outcome, .. } => (sent, outcome).hash(hasher),
            Self::Ask { query, sent_at, .. } => (query, sent_at).hash(hasher),
            Self::Answered { answer, .. } => answer.hash(hasher),
            Self::Frame { event, .. } => event.hash(hasher),
            Self::Start { .. } => {}
            Self::Command { id, command, .. } => (id, command).hash(hasher),
        }
    }
}

impl World {
    pub(super) fn send(&mut self, account: AccountTag, run: u64, request: Request, not_after: VenueMillis) {
        let Some(worker) = self.workers.get(&account) else { return };
        let signed_at = self.moment(worker).venue;
        let window = self.venue.window_of(&request);
        if signed_at.plus(window) > not_after {
            for sent in request.sent() {
                self.post(0, Message::Back { account, run, sent, outcome: not_sent() });
            }
            return;
        }
        self.trace_on(&request);
        self.auditor.handed_to_wire(account, &request, &self.journal, self.now);
        if let Some(engine) = self.workers.get(&account).and_then(|w| w.engine.as_ref()) {
            self.auditor.sends(account, engine, &request, &self.venue, &self.journal, self.now);
        }
        let travel = self.nemesis.jitter(self.latency.request_ms);
        let fate = self.nemesis.decide_on(Point::Request, is_pair(&request));
        self.tell(|| format!("-> {} {fate:?}", brief_request(&request)));
        if matches!(fate, Fate::Lose | Fate::Late) {
            self.auditor.lost_on_its_way(account, &request);
        }
        let arrive = |request: Request, copy| Message::Arrive { account, run, request, signed_at, copy };
        match fate {
            Fate::Lose => {
                for sent in request.sent() {
                    self.post(REPLY_TIMEOUT_MS, Message::Back { account, run, sent, outcome: timeout() });
                }
            }
            Fate::Late => {
                for sent in request.sent() {
                    self.post(REPLY_TIMEOUT_MS, Message::Back { account, run, sent, outcome: timeout() });
                }
                self.post(travel + LATE_MS, arrive(request, false));
            }
            Fate::Delay => self.post(travel + DELAY_MS, arrive(request, false)),
            Fate::Double => {
                self.post(travel, arrive(request.clone(), false));
                self.post(travel + DELAY_MS, arrive(request, true));
            }
            Fate::Limit => {
                let reply = travel + self.nemesis.jitter(self.latency.reply_ms);
                for sent in request.sent() {
                    self.post(reply, Message::Back { account, run, sent, outcome: limited() });
                }
            }
            Fate::Tardy => self.put_off(account, run, request, signed_at, travel),
            _ => self.post(travel, arrive(request, false)),
        }
    }

    /// The venue takes a placement, answers that it does not know, and acts at the last instant that its absence
    /// rule allows: every endpoint shows the order in time. Anything else is only delayed.
    pub(super) fn put_off(
        &mut self,
        account: AccountTag,
        run: u64,
        request: Request,
        signed_at: VenueMillis,
        travel: i64,
    ) {
        if !matches!(request, Request::Place(_) | Request::PlacePair(_) | Request::ClosePosition(..)) {
            self.post(travel + DELAY_MS, Message::Arrive { account, run, request, signed_at, copy: false });
            return;
        }
        let reply = travel + self.nemesis.jitter(self.latency.reply_ms);
        for sent in request.sent() {
            self.post(reply, Message::Back { account, run, sent, outcome: Outcome::Unknown(Cause::ServerError) });
        }
        let last = signed_at.plus(self.venue.acts_within(&request));
        self.post(last.since(self.now).0.max(travel), Message::Act { account, request });
    }

    pub(super) fn arrive(
        &mut self,
        account: AccountTag,
        run: u64,
        request: Request,
        signed_at: VenueMillis,
        copy: bool,
    ) {
        self.auditor.arrives(&request, copy);
        if self.now <= signed_at.plus(self.venue.window_of(&request)) {
            self.audit_whole_close(account, &request);
        }
        let outcomes = match &request {
            Request::PlacePair(pair) if !copy => self.arrive_pair(account, &request, pair, signed_at),
            _ => self.venue.request(account, &request, signed_at, self.now),
        };
        for (sent, outcome) in outcomes {
            // Nobody waits for the answer to a copy, or for one to a process that is gone.
            if copy || !self.is_run(account, run) {
                continue;
            }
            let travel = self.nemesis.jitter(self.latency.reply_ms);
            let back = |sent, outcome| Message::Back { account, run, sent, outcome };
            let fate = self.nemesis.decide_on(Point::Reply, is_pair(&request));
            let untold = matches!(fate, Fate::Lose | Fate::Late | Fate::Unknown | Fate::Garbled | Fate::Known);
            if untold && matches!(outcome, Outcome::Rejected(_)) {
                // What was refused is nowhere: as if the request had been lost.
                self.auditor.lost_on_its_way(account, &request);
            }
            match fate {
                Fate::Lose => self.post(REPLY_TIMEOUT_MS, back(sent, timeout())),
                Fate::Delay => self.post(travel + DELAY_MS, back(sent, outcome)),
                Fate::Late => {
                    self.post(REPLY_TIMEOUT_MS, back(sent.clone(), timeout()));
                    self.post(travel + LATE_MS, back(sent, outcome));
                }
                Fate::Double => {
                    self.post(travel, back(sent.clone(), outcome.clone()));
                    self.post(travel + DELAY_MS, back(sent, outcome));
                }
                Fate::Unknown => self.post(travel, back(sent, Outcome::Unknown(Cause::ServerError))),
                Fate::Garbled => self.post(travel, back(sent, Outcome::Unknown(Cause::Undecodable))),
                Fate::Known => {
                    let cause = if self.venue.is_open(&sent) { Cause::DuplicateId } else { Cause::ServerError };
                    self.post(travel, back(sent, Outcome::Unknown(cause)));
                }
                _ => self.post(travel, back(sent, outcome)),
            }
        }
        self.after_venue();
    }

    pub(super) fn audit_whole_close(&mut self, account: AccountTag, request: &Request) {
        let engine = self.workers.get(&account).and_then(|w| w.engine.as_ref());
        self.auditor.closes_whole(engine, request, self.now);
    }

    /// A call that sets stop and target is taken, or a part of it; its reply tells of both, or of a part.
    fn arrive_pair(
        &mut self,
        account: AccountTag,
        request: &Request,
        pair: &PositionTpsl,
        signed_at: VenueMillis,
    ) -> Vec<(Sent, Outcome)> {
        let fate = self.nemesis.decide_on(Point::Pair, true);
        let rung = self.next_rung(account, pair);
        let (before, after) = match fate {
            Fate::RungBefore => (rung, None),
            Fate::RungAfter => (None, rung),
            Fate::StopBefore => (Some(pair.stop.trigger), None),
            Fate::StopAfter => (None, Some(pair.stop.trigger)),
            Fate::TargetBefore => (Some(pair.target.trigger), None),
            Fate::TargetAfter => (None, Some(pair.target.trigger)),
            _ => (None, None),
        };
        let failed = match fate {
            Fate::StopOnly | Fate::TargetRefused => Some(Leg::Target),
            Fate::TargetOnly | Fate::StopRefused => Some(Leg::Stop),
            _ => None,
        };
        let untold: &[ClientOrderId] = match fate {
            Fate::StopOnly | Fate::StopRow => &[pair.target.id],
            Fate::TargetOnly | Fate::TargetRow => &[pair.stop.id],
            Fate::NoRows => &[pair.stop.id, pair.target.id],
            _ => &[],
        };
        if fate != Fate::Pass {
            self.tell(|| format!("** {fate:?}"));
        }
        if let Some(price) = before {
            self.price(&pair.symbol, price);
        }
        let outcomes = self.venue.request_in_part(account, request, failed, signed_at, self.now);
        if let Some(price) = after {
            self.price(&pair.symbol, price);
        }
        let told = |(sent, outcome): (Sent, Outcome)| match &sent {
            Sent::Place(id) if untold.contains(id) => (sent, Outcome::Unknown(Cause::Undecodable)),
            _ => (sent, outcome),
        };
        outcomes.into_iter().map(told).collect()
    }

    /// The price of the rung that the market reaches first.
    fn next_rung(&self, account: AccountTag, pair: &PositionTpsl) -> Option<Price> {
        let rungs = self.venue.open(account).filter(|o| o.symbol == pair.symbol && o.direction == pair.direction);
        let prices = rungs.filter(|o| o.purpose == Purpose::Open).filter_map(|o| o.shape.price());
        match pair.direction {
            Direction::Long => prices.max(),
            Direction::Short => prices.min(),
        }
    }

    pub(super) fn ask(&mut self, account: AccountTag, run: u64, query: &Query, sent_at: VenueMillis) {
        if !self.is_run(account, run) {
            return;
        }
        // The worker knows the instant of sending only as well as it knows the venue's clock.
        let answer = crate::link::stamped(self.venue.query(account, query, self.now), sent_at);
        let Some(worker) = self.workers.get(&account) else { return };
        let (dark, slow) = (endpoint(query).is_some_and(|e| worker.dark.contains(&e)), worker.slow.0);
        let travel = self.nemesis.jitter(self.latency.reply_ms).saturating_add(slow);
        let back = |answer| Message::Answered { account, run, answer };
        if dark {
            self.post(READ_TIMEOUT_MS, back(no_answer(query)));
            return;
        }
        if travel > READ_TIMEOUT_MS {
            self.post(READ_TIMEOUT_MS, back(no_answer(query)));
        }
        match self.nemesis.decide(Point::Answer) {
            Fate::Lose => self.post(READ_TIMEOUT_MS, back(no_answer(query))),
            Fate::Delay => self.post(travel + DELAY_MS, back(answer)),
            Fate::Late => {
                self.post(READ_TIMEOUT_MS, back(no_answer(query)));
                self.post(travel + LATE_MS, back(answer));
            }
            Fate::Double => {
                self.post(travel, back(answer.clone()));
                self.post(travel + DELAY_MS, back(answer));
            }
            _ => self.post(travel, back(answer)),
        }
    }

    /// Sends what the venue has to tell since it last acted.
    pub(super) fn after_venue(&mut self) {
        for (account, event) in self.venue.drain() {
            if self.stream == Stream::Silent || self.workers.get(&account).is_some_and(|w| w.cut) {
                continue;
            }
            let Some(run) = self.workers.get(&account).filter(|w| w.engine.is_some()).map(|w| w.run) else { continue };
            let travel = self.nemesis.jitter(self.latency.push_ms);
            let frame = |event| Message::Frame { account, run, event };
            match self.nemesis.decide(Point::Frame) {
                Fate::Lose => {}
                Fate::Delay => self.post(travel + DELAY_MS, frame(event)),
                Fate::Late => self.post(travel + LATE_MS, frame(event)),
                Fate::Double => {
                    self.post(travel, frame(event.clone()));
                    self.post(travel + DELAY_MS, frame(event));
                }
                _ => self.post(travel, frame(event)),
            }
        }
    }
}

/// Whether a request sets stop and target together.
pub(super) const fn is_pair(request: &Request) -> bool {
    matches!(request, Request::PlacePair(_))
}

fn timeout() -> Outcome {
    Outcome::Unknown(Cause::Timeout)
}

fn not_sent() -> Outcome {
    Outcome::Rejected(Reject { kind: RejectKind::NotSent, code: 0, message: "not signed in time".into() })
}

fn limited() -> Outcome {
    Outcome::Rejected(Reject { kind: RejectKind::RateLimited, code: 429, message: "too many requests".into() })
}

fn no_answer(query: &Query) -> Answer {
    Answer::unanswered(query.clone(), ReadError::NoAnswer("timed out".into()))
}

/// Where a question is asked; rules and prices come from elsewhere.
const fn endpoint(query: &Query) -> Option<Endpoint> {
    match query {
        Query::Lookup(_, endpoint) => Some(*endpoint),
        Query::OpenOrders(_) | Query::AllOpenOrders => Some(Endpoint::OpenOrders),
        Query::History(..) => Some(Endpoint::History),
        Query::Positions => Some(Endpoint::Positions),
        Query::Books(..) => Some(Endpoint::Fills),
        Query::Mark(_) | Query::Rules(_) => None,
    }
}
