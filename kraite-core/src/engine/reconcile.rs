//! Readings of whole contracts: open orders, positions, history; and what they say against our own rows.

use alloc::format;
use alloc::vec::Vec;

use super::event::Event;
use super::io::{Alert, Query, Wake};
use super::rungs::READ_LAG;
use super::turn::Turn;
use super::volatile::OpenOrders;
use crate::exchange::{OrderReport, PositionReport, Reading, ReportedId};
use crate::id::{ClientOrderId, PositionNo, Symbol, VenueOrderId};
use crate::number::Qty;
use crate::order::{Life, Order, Terminal};
use crate::position::Phase;
use crate::time::{Millis, VenueMillis};

/// History is read from this long before the position was asked for.
const HISTORY_SLACK: Millis = Millis::from_secs(60);
/// A reading that disagrees is repeated after this long.
const REREAD: Millis = Millis(2_000);

impl Turn<'_> {
    /// The periodic reading, and the one after a start, a reconnect or a disagreement.
    pub(super) fn poll(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        if zoo!(PollForgotten) && position.phase == Phase::Active {
            return;
        }
        let (symbol, from) = (position.symbol().clone(), position.request.mark.at.minus(HISTORY_SLACK));
        let (now, every) = (self.at.local, self.config.poll_every);
        let readings = self.volatile.readings.entry(no).or_default();
        if readings.poll_at.0 == 0 {
            readings.poll_at = now.plus(every);
        }
        if readings.poll_at > now {
            let at = readings.poll_at;
            self.wake(no, at, Wake::Poll);
            return;
        }
        readings.poll_at = now.plus(every);
        let history = core::mem::take(&mut readings.want_history);
        let at = readings.poll_at;
        self.wake(no, at, Wake::Poll);
        self.ask(Query::OpenOrders(symbol.clone()));
        self.ask(Query::Positions);
        if history {
            self.ask(Query::History(symbol, from));
        }
    }

    /// Asks for a reading soon: a refusal or a push says that our view may be old.
    pub(super) fn read_soon(&mut self, no: PositionNo) {
        let at = self.at.local.plus(REREAD);
        let readings = self.volatile.readings.entry(no).or_default();
        readings.poll_at = if readings.poll_at.0 == 0 { at } else { readings.poll_at.min(at) };
        readings.want_history = true;
    }

    /// An open-order list of a contract. Rows of ours that it lacks are asked for one by one: absence from a
    /// list proves nothing (R70).
    pub(super) fn read_open_orders(&mut self, symbol: &Symbol, reading: &Reading<Vec<OrderReport>>) -> Vec<PositionNo> {
        if !reading.complete {
            return Vec::new();
        }
        let account = self.state.account;
        let ours = |report: &OrderReport| matches!(report.id, ReportedId::Ours(id) if id.key().account == account);
        let late =
            self.state.positions.values().filter(|p| p.symbol() == symbol && self.awaits_late_copies(p).is_some());
        let late: Vec<PositionNo> = late.map(|p| p.no).collect();
        let mut touched = self.positions_on(symbol);
        touched.extend(late);
        for no in &touched {
            let mine = |r: &&OrderReport| matches!(r.id, ReportedId::Ours(id) if id.key().account == account && id.key().position == *no);
            let what = if reading.value.iter().any(|r| mine(&r)) {
                OpenOrders::Ours
            } else if reading.value.is_empty() {
                OpenOrders::Nothing
            } else {
                OpenOrders::Foreign
            };
            let readings = self.volatile.readings.entry(*no).or_default();
            if readings.orders.is_none_or(|(at, _)| at <= reading.sent_at) {
                readings.orders = Some((reading.sent_at, what));
            }
            let listed: Vec<ClientOrderId> = reading
                .value
                .iter()
                .filter(|r| ours(r))
                .filter_map(|r| match &r.id {
                    ReportedId::Ours(id) => Some(*id),
                    ReportedId::Venue(_) | ReportedId::Foreign(_) => None,
                })
                .collect();
            let missing: Vec<ClientOrderId> = self
                .position(*no)
                .map(|p| {
                    p.orders.values().filter(|o| o.life.is_open() && !listed.contains(&o.id)).map(|o| o.id).collect()
                })
                .unwrap_or_default();
            for id in missing.iter().filter(|_| zoo!(AbsenceFromListIsCancelled)) {
                self.emit(Event::Vanished { id: *id });
            }
            #[cfg(kraite_zoo)]
            self.sweep(*no, reading);
            self.volatile.reread.extend(missing);
        }
        touched
    }

    /// The bug `symbol-wide-cancel`: whatever rests on the contract of a closing goes.
    #[cfg(kraite_zoo)]
    fn sweep(&mut self, no: PositionNo, reading: &Reading<Vec<OrderReport>>) {
        let closing = self.position(no).filter(|p| zoo!(SymbolWideCancel) && p.phase == Phase::Closing);
        let Some(id) = closing.and_then(|p| p.orders.keys().next().copied()) else { return };
        for report in reading.value.iter().filter(|r| matches!(r.id, ReportedId::Foreign(_))) {
            let (symbol, service, venue_id) = (report.symbol.clone(), report.service, Some(report.venue_id.clone()));
            let order = crate::exchange::OrderRef { symbol, service, id, venue_id };
            let not_after = self.not_after(service);
            self.send(super::Request::Cancel(order), not_after);
        }
    }

    /// A history list was merged; readings before it no longer stand for a disagreement.
    pub(super) fn read_history(&mut self, symbol: &Symbol, reading: &Reading<Vec<OrderReport>>) {
        for no in self.positions_on(symbol) {
            let readings = self.volatile.readings.entry(no).or_default();
            readings.want_history = false;
            readings.history_read |= reading.complete;
            if reading.complete && readings.is_since_less(reading.sent_at) {
                readings.unread.clear();
            }
        }
    }

    /// What the venue shows as open, against what our own fills explain.
    pub(super) fn read_positions(&mut self, reading: &Reading<Vec<PositionReport>>) {
        if !reading.complete {
            return;
        }
        for no in self.wake_all() {
            let Some(position) = self.position(no) else { continue };
            let any_side = position.phase == Phase::New;
            let here = || reading.value.iter().filter(|r| r.symbol == *position.symbol());
            // What is to be taken over lies on its own side, and nothing on the other.
            let beside = |r: &PositionReport| r.direction != position.direction() && r.qty.is_positive();
            let taken_over = any_side && position.adoption.is_some();
            let shown = here()
                .filter(|r| any_side || r.direction == position.direction())
                .filter(|_| !(taken_over && here().any(beside)))
                .try_fold(Qty::ZERO, |sum, r| sum.checked_add(r.qty))
                .unwrap_or(Qty::ZERO);
            let explained = position.exposure();
            let readings = self.volatile.readings.entry(no).or_default();
            if readings.exposure.is_some_and(|(at, _)| at > reading.sent_at) {
                continue;
            }
            readings.exposure = Some((reading.sent_at, shown));
            if shown < explained {
                self.shows_less(no, reading.sent_at, shown, explained);
            } else if shown > explained && !any_side {
                self.shows_more(no, reading.sent_at, shown, explained);
            } else {
                readings.less = None;
                readings.more = None;
            }
        }
    }

    /// Less than we filled: an exit that was not told, or exposure that left by other hands. It counts as
    /// gone only after two readings at least 20 s apart with our own orders read in between (R75, R87): one of them that
    /// nobody can say anything about may have taken it (R97).
    fn shows_less(&mut self, no: PositionNo, sent_at: VenueMillis, shown: Qty, explained: Qty) {
        let Ok(gone) = explained.checked_sub(shown) else { return };
        let exits: Vec<ClientOrderId> = self
            .position(no)
            .map(|p| p.orders.values().filter(|o| o.life.may_trade()).map(|o| o.id).collect())
            .unwrap_or_default();
        // One that ended unseen may have fired before it was overwritten, or vanished: only the history tells of it.
        let is_unseen = |o: &&Order| o.role().is_exit() && (o.superseded || o.life == Life::Done(Terminal::Vanished));
        let unseen = self.position(no).map(|p| p.orders.values().filter(is_unseen).map(|o| o.id).collect());
        let unseen: Vec<ClientOrderId> = unseen.unwrap_or_default();
        self.volatile.reread.extend(exits.iter().copied());
        let (now, gap, error) = (self.at.local, self.config.flat_gap, self.at.error);
        let readings = self.volatile.readings.entry(no).or_default();
        readings.more = None;
        // Whatever it shows may be of before our newest fill, and the next one show the same after an exit took that.
        let may_lag = readings.grown.is_some_and(|(_, since)| sent_at.minus(error) < since.plus(READ_LAG));
        if may_lag && !zoo!(OneReadingIsFlat) {
            readings.less = None;
            self.read_again(no, now.plus(REREAD));
            return;
        }
        let less = if zoo!(OneReadingIsFlat) { Some((VenueMillis(0), shown, gone)) } else { readings.less };
        match less {
            // As much may be gone as before and be something else, once an exit of ours was told in between: both say the
            // same only if both show the same.
            Some((first, ..)) if less == Some((first, shown, gone)) && sent_at.minus(error) >= first.plus(gap) => {
                if exits.iter().chain(&unseen).any(|id| readings.unread.contains(id)) {
                    self.read_again(no, now.plus(REREAD));
                    let message = format!("{gone} is gone, and our own orders cannot be read");
                    self.alert(no, Alert::NeedsAttention, message);
                    return;
                }
                readings.less = None;
                let whole = self.position(no).is_some_and(|p| p.whole_close.is_some());
                let how = if whole { "the whole position was closed" } else { "two readings agree that it is gone" };
                let known =
                    self.position(no).and_then(|p| p.external.get(&read_cause(no)).copied()).unwrap_or(Qty::ZERO);
                if let Ok(total) = known.checked_add(gone) {
                    self.external(no, read_cause(no), total, how);
                }
            }
            Some((first, ..)) if less == Some((first, shown, gone)) => self.read_again(no, now.plus(REREAD)),
            _ => {
                readings.less = Some((sent_at, shown, gone));
                readings.unread = exits.into_iter().chain(unseen).collect();
                self.read_again(no, now.plus(REREAD));
            }
        }
    }

    /// More than we filled: a fill that was not told, a copy the wire made, or somebody else's (R76).
    fn shows_more(&mut self, no: PositionNo, sent_at: VenueMillis, shown: Qty, explained: Qty) {
        let Ok(over) = shown.checked_sub(explained) else { return };
        if self.position(no).is_some_and(|p| p.hands.handed_back) {
            return;
        }
        let may_trade: Vec<ClientOrderId> = self
            .position(no)
            .map(|p| p.orders.values().filter(|o| o.life.may_trade()).map(|o| o.id).collect())
            .unwrap_or_default();
        self.volatile.reread.extend(may_trade);
        let (now, gap) = (self.at.local, self.config.flat_gap);
        let readings = self.volatile.readings.entry(no).or_default();
        readings.less = None;
        match readings.more {
            Some((first, before)) if before == over && sent_at >= first.plus(gap) => {
                let message = format!("the venue shows {shown}, our fills explain {explained}; only ours is managed");
                self.alert(no, Alert::ForeignExposure, message);
                // Keep looking at the normal pace: a reading that agrees again ends it.
            }
            Some((_, before)) if before == over => self.read_again(no, now.plus(REREAD)),
            _ => {
                readings.more = Some((sent_at, over));
                self.read_again(no, now.plus(REREAD));
            }
        }
    }

    fn read_again(&mut self, no: PositionNo, at: crate::time::LocalMillis) {
        let readings = self.volatile.readings.entry(no).or_default();
        readings.want_history = true;
        // Whoever reads more often than that must not put it off for ever.
        readings.poll_at = if readings.poll_at.0 == 0 { at } else { readings.poll_at.min(at) };
        let at = readings.poll_at;
        self.wake(no, at, Wake::Poll);
    }
}

/// The name under which a reading's missing exposure is booked.
pub(super) fn read_cause(no: PositionNo) -> VenueOrderId {
    VenueOrderId::new(&format!("read-{no}"))
}
