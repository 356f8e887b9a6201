//! Orders whose state must be asked for: in doubt, unanswered, or known only in part.
//!
//! Proof of absence has its one home in [`Turn::missed`]: enough complete rounds over every endpoint that
//! can hold the order, all *sent* after the last instant at which it could still be accepted.

use alloc::format;
use alloc::vec::Vec;

use super::event::Event;
use super::io::{Alert, Query, Sent, Wake};
use super::turn::Turn;
use super::volatile::Probe;
use crate::exchange::{Endpoint, Service};
use crate::id::{ClientOrderId, PositionNo, Role};
use crate::number::Qty;
use crate::order::{Life, Order, Terminal};
use crate::position::Position;
use crate::time::{Millis, VenueMillis};

/// Why an order is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// It may or may not exist.
    Doubt,
    /// An amendment or cancellation has no answer.
    ReadBack,
    /// It trades, or traded at a price that is not known yet.
    Settle,
}

impl Turn<'_> {
    /// Asks about every order of a position that needs it and is due.
    pub(super) fn pursue_doubts(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        let asked_about = |o: &&Order| {
            o.life == Life::PendingNew || self.need(o).is_some() || self.volatile.probes.contains_key(&o.id)
        };
        let ids: Vec<ClientOrderId> = position.orders.values().filter(asked_about).map(|o| o.id).collect();
        for id in ids {
            self.overdue(id);
            match self.state.order(id).and_then(|order| self.need(order)) {
                Some(need) => self.pursue_doubt(no, id, need),
                None => {
                    self.volatile.probes.remove(&id);
                }
            }
        }
    }

    /// The shell owes an outcome for every send; a placement that can no longer be accepted and has none is
    /// in doubt.
    fn overdue(&mut self, id: ClientOrderId) {
        let Some(order) = self.state.order(id) else { return };
        if order.life == Life::PendingNew {
            let bound = self.settled_by(order).plus(OVERDUE_SLACK);
            if self.at.venue > bound {
                self.emit(Event::Overdue { id });
                if zoo!(OverdueIsAbsence) {
                    self.emit(Event::ProvenAbsent { id });
                }
            } else {
                let wait = Millis(bound.since(self.at.venue).0.saturating_add(1));
                let at = self.at.local.plus(wait);
                self.wake(id.key().position, at, Wake::Overdue);
            }
        }
    }

    fn need(&self, order: &Order) -> Option<Need> {
        match order.life {
            Life::InDoubt => Some(Need::Doubt),
            Life::PendingCancel if zoo!(UnsettledCancelForgotten) => None,
            Life::PendingCancel if !self.cancel_in_flight(order) => Some(Need::ReadBack),
            Life::PendingAmend if !self.volatile.in_flight.contains(&Sent::Amend(order.id, order.amends)) => {
                Some(Need::ReadBack)
            }
            Life::Working if matches!(order.role(), Role::Entry | Role::Close) => Some(Need::Settle),
            Life::Triggered => Some(Need::Settle),
            Life::Done(Terminal::Filled) if order.executed_qty().is_zero() => Some(Need::Settle),
            Life::Done(_) if order.executed().cost.is_none() => Some(Need::Settle),
            _ if !order.life.is_done() && self.volatile.reread.contains(&order.id) => Some(Need::Settle),
            _ => None,
        }
    }

    pub(super) fn cancel_in_flight(&self, order: &Order) -> bool {
        self.volatile.in_flight.iter().any(|sent| matches!(sent, Sent::Cancel(id, _) if *id == order.id))
    }

    /// Venue time after which the order's placement can neither be accepted nor still be invisible.
    pub(super) fn settled_by(&self, order: &Order) -> VenueMillis {
        if zoo!(ProofWithoutEngineBound) {
            return order.not_after;
        }
        order.not_after.plus(self.capabilities.absence(order.service).engine_bound)
    }

    fn pursue_doubt(&mut self, no: PositionNo, id: ClientOrderId, need: Need) {
        let Some(order) = self.state.order(id) else { return };
        let Some(symbol) = self.position(no).map(|p| p.symbol().clone()) else { return };
        let rule = self.capabilities.absence(order.service);
        let (reference, dead_at) = (order.reference(&symbol), self.settled_by(order));
        let gone = order.life.was_accepted() && !order.life.is_done();
        let provable = need == Need::Doubt || gone;
        let (retention, needed) = (rule.retention, rule.readings);
        let endpoints = rule.endpoints.clone();
        let order_service = order.service;
        let now = self.at.local;
        let error = if zoo!(ProofWithoutClockError) { Millis(0) } else { self.at.error };
        let sure_now = self.at.venue.minus(error);
        let forgotten = need == Need::Doubt && self.at.venue.since(order.not_after) > retention;
        let probe = self.volatile.probes.entry(id).or_insert_with(|| Probe {
            next_at: if need == Need::Settle { now.plus(FIRST_SETTLE) } else { now },
            ..Probe::default()
        });
        if provable && probe.rounds >= needed {
            self.prove(no, id);
            return;
        }
        if now < probe.next_at {
            let at = probe.next_at;
            self.wake(no, at, Wake::Probe);
            return;
        }
        probe.tries = probe.tries.saturating_add(1);
        let tries = probe.tries;
        if zoo!(RetriesExhaustedIsAbsence) && need == Need::Doubt && tries > 2 {
            self.emit(Event::ProvenAbsent { id });
            return;
        }
        let mut next_at = now.plus(probe_delay(probe.tries));
        // An order that was accepted is asked for by its id alone until that finds nothing.
        let everywhere = need == Need::Doubt || order_service == Service::PositionPlan || probe.missed_once;
        let counting = provable && everywhere && (sure_now > dead_at || zoo!(AnswerTimeCounts));
        if provable && !counting {
            // The first reading that counts is due right after the order's last chance.
            let wait = Millis(dead_at.since(sure_now).0.saturating_add(1));
            next_at = next_at.min(now.plus(wait)).max(now.plus(MIN_PROBE_GAP));
        }
        probe.next_at = next_at;
        let missed: Vec<Endpoint> = probe.round.keys().copied().collect();
        if forgotten && tries == 1 {
            self.alert(no, Alert::Unknowable, format!("the venue may have forgotten what became of {id:?}"));
        }
        self.wake(no, next_at, Wake::Probe);
        if counting {
            for endpoint in endpoints.into_iter().filter(|e| !missed.contains(e)) {
                self.ask(Query::Lookup(reference.clone(), endpoint));
            }
        } else {
            self.ask(Query::Lookup(reference, Endpoint::Order));
        }
    }

    /// A reading found nothing under this id.
    pub(super) fn missed(&mut self, id: ClientOrderId, endpoint: Endpoint, sent_at: VenueMillis, complete: bool) {
        let Some(order) = self.state.order(id) else { return };
        let gone = order.life.was_accepted() && !order.life.is_done();
        if !complete || !(order.life == Life::InDoubt || gone) {
            return;
        }
        if zoo!(NotFoundOnce) && order.life == Life::InDoubt {
            self.emit(Event::ProvenAbsent { id });
            return;
        }
        let dead_at = self.settled_by(order);
        let rule = self.capabilities.absence(order.service);
        let endpoints = if zoo!(OneEndpointSuffices) { 1 } else { rule.endpoints.len() };
        let sent_at = if zoo!(AnswerTimeCounts) { self.at.venue } else { sent_at };
        let (gap, needed) = (rule.gap, rule.readings);
        let error = if zoo!(ProofWithoutClockError) { Millis(0) } else { self.at.error };
        let now = self.at.local;
        let probe = self.volatile.probes.entry(id).or_default();
        probe.missed_once = true;
        // Only what was asked after the order's last chance proves anything, however late the answer came.
        if sent_at.minus(error) <= dead_at || probe.last_round.is_some_and(|last| sent_at < last.plus(gap)) {
            return;
        }
        probe.round.insert(endpoint, sent_at);
        if probe.round.len() < endpoints {
            probe.next_at = now;
            return;
        }
        probe.last_round = probe.round.values().max().copied();
        probe.round.clear();
        probe.rounds = probe.rounds.saturating_add(1);
        probe.next_at = now.plus(gap).plus(MIN_PROBE_GAP);
        if probe.rounds >= needed {
            self.prove(id.key().position, id);
        }
    }

    /// Turns enough misses into absence, the only place that does.
    fn prove(&mut self, no: PositionNo, id: ClientOrderId) {
        let Some(order) = self.state.order(id) else { return };
        if order.life.was_accepted() {
            // A reading never runs ahead of acceptance, and a fill is remembered far longer than an order that
            // never traded: on no endpoint means that it ended without one. A plan was overwritten, or went
            // with its position.
            if !order.life.is_done() {
                let plan = order.service == Service::PositionPlan;
                self.emit(if plan { Event::Superseded { id } } else { Event::Vanished { id } });
                self.volatile.probes.remove(&id);
            }
            return;
        }
        let market = matches!(order.role(), Role::Entry | Role::Close);
        let dead_at = self.settled_by(order);
        if market && !zoo!(MarketProofWithoutPosition) && !self.explained_without(no, order.role(), dead_at) {
            // A MARKET order may be gone from every list and still have filled: the position must agree.
            if self.fresh_exposure(no, dead_at).is_some() {
                let message = format!("{id:?} is on no list, and the venue's exposure is not what our fills explain");
                self.alert(no, Alert::NeedsAttention, message);
                // It may turn up by its id after all: the rounds begin again.
                if let Some(probe) = self.volatile.probes.get_mut(&id) {
                    probe.rounds = 0;
                }
            }
            self.read_soon(no);
            let wait = self.at.local.plus(FIRST_SETTLE);
            self.wake(no, wait, Wake::Probe);
            return;
        }
        self.emit(Event::ProvenAbsent { id });
        self.volatile.probes.remove(&id);
    }

    fn explained_without(&self, no: PositionNo, role: Role, dead_at: VenueMillis) -> bool {
        let Some(explained) = self.position(no).map(Position::exposure) else { return false };
        self.fresh_exposure(no, dead_at).is_some_and(|qty| match role {
            // A close that filled would show less; more is somebody else's.
            Role::Close => qty >= explained,
            _ => qty == explained,
        })
    }

    /// What the venue showed as open, if it was read after that instant.
    fn fresh_exposure(&self, no: PositionNo, after: VenueMillis) -> Option<Qty> {
        let (sent_at, qty) = self.volatile.readings.get(&no)?.exposure?;
        (sent_at.minus(self.at.error) > after).then_some(qty)
    }

    /// The venue cannot say any more what became of an order: a human must (R10).
    pub(super) fn unknowable(&mut self, id: ClientOrderId) {
        if zoo!(RetentionMissIsAbsence) {
            self.emit(Event::ProvenAbsent { id });
            self.emit(Event::Vanished { id });
        }
        let message = format!("the venue no longer knows what became of {id:?}");
        self.alert(id.key().position, Alert::Unknowable, message);
        self.ask_later(id);
    }

    /// A question got no answer: ask again later.
    pub(super) fn ask_later(&mut self, id: ClientOrderId) {
        let now = self.at.local;
        let probe = self.volatile.probes.entry(id).or_default();
        probe.next_at = probe.next_at.max(now.plus(probe_delay(probe.tries)));
    }

    /// A reading that answered what was asked; the next question starts afresh.
    pub(super) fn read_back(&mut self, id: ClientOrderId) {
        let now = self.at.local;
        if let Some(probe) = self.volatile.probes.get_mut(&id) {
            probe.round.clear();
            probe.rounds = 0;
            probe.next_at = now.plus(probe_delay(probe.tries));
        }
    }
}

/// How long after the last possible acceptance an outcome may still be on its way to us.
const OVERDUE_SLACK: Millis = Millis::from_secs(30);
/// A trade that the stream reports is usually here before this.
const FIRST_SETTLE: Millis = Millis(500);
/// Two questions about one order are at least this far apart.
const MIN_PROBE_GAP: Millis = Millis(100);

const fn probe_delay(tries: usize) -> Millis {
    match tries {
        0 => Millis(0),
        1 => Millis(300),
        2 => Millis(1_000),
        3 => Millis(2_000),
        _ => Millis(5_000),
    }
}
