//! What an ended position cost: fees of fills that were read and never told, and funding.
//!
//! Nothing of it decides what is done about an open position, so it is read after the end, one position at a time and
//! never in a hurry: once where something is missing, and once more where something still is.

use alloc::vec::Vec;

use super::config::backoff;
use super::event::Event;
use super::io::{Query, Wake};
use super::turn::Turn;
use super::volatile::Pace;
use crate::id::PositionNo;
use crate::position::{Phase, Position};
use crate::time::{LocalMillis, Millis, VenueMillis};

/// A venue shows what happened in its books after so long.
const BOOKS_SETTLE: Millis = Millis::from_secs(30);
/// Books that still lack a trade are read again this long after the end, and then never.
const BOOKS_AGAIN: Millis = Millis::from_secs(180);
/// Two questions for books are at least this far apart, whatever position they are about.
const BOOKS_GAP: Millis = Millis::from_secs(10);
/// How many times as long as a refused request they wait that could not be read: from half a minute up to eight.
const BOOKS_PATIENCE: i64 = 60;
/// A position whose books could not be read stays in the state for them this long.
const BOOKS_BOUND: Millis = Millis::from_secs(6 * 3_600);
/// Venues pay funding on the hour, every one, four or eight of them.
const FUNDING_GRID: i64 = 3_600_000;

impl Turn<'_> {
    /// When the books of a position are to be read; `None` where it has not ended, nothing is missing, or it has waited
    /// long enough.
    fn books_are_due(&self, position: &Position) -> Option<LocalMillis> {
        let over = matches!(position.phase, Phase::Closed | Phase::Cancelled);
        let ended_at = position.ended_at.filter(|_| over)?;
        let ended = self.state.ended.get(&position.no)?;
        if self.at.local.since(ended_at) >= BOOKS_BOUND {
            return None;
        }
        let told = position.is_told();
        let due = match position.booked.filter(|booked| booked.at >= ended_at) {
            None if told && !pays_funding(position.request.mark.at, ended.at) => return None,
            None => ended_at.plus(BOOKS_SETTLE),
            Some(booked) if !told && booked.at < ended_at.plus(BOOKS_AGAIN) => ended_at.plus(BOOKS_AGAIN),
            Some(_) => return None,
        };
        let failed = self.volatile.books.get(&position.no).map(|pace| pace.next_at);
        Some(failed.map_or(due, |again| due.max(again)))
    }

    /// Ended positions whose books are still to be read, and when.
    fn unbooked(&self) -> impl Iterator<Item = (LocalMillis, PositionNo)> {
        let positions = self.state.positions.values();
        positions.filter_map(|position| Some((self.books_are_due(position)?, position.no)))
    }

    /// True while an ended position stays for its books.
    pub(super) fn waits_for_books(&self, position: &Position) -> bool {
        self.books_are_due(position).is_some()
    }

    /// Asks for the books that are due first, and wakes for the next.
    pub(super) fn keep_books(&mut self) {
        let Some((due, no)) = self.unbooked().min() else { return };
        let at = due.max(self.volatile.books_at);
        if self.at.local < at {
            self.wake(no, at, Wake::Books);
            return;
        }
        if let Some(query) = self.position(no).map(books_of) {
            self.volatile.books_at = self.at.local.plus(BOOKS_GAP);
            self.put_off(no);
            self.ask(query);
        }
        self.keep_books();
    }

    /// Until this is answered, and if it is not, the position waits ever longer.
    fn put_off(&mut self, no: PositionNo) {
        let now = self.at.local;
        let Pace { next_at, failures } = self.volatile.books.entry(no).or_default();
        *failures = failures.saturating_add(1);
        *next_at = now.plus(Millis(backoff(*failures).0.saturating_mul(BOOKS_PATIENCE)));
    }

    /// Takes what was read, as a whole, for the positions that it is about.
    pub(super) fn take_books(&mut self, query: &Query) -> Vec<PositionNo> {
        let about: Vec<PositionNo> = self.unbooked().map(|(_, no)| no).collect();
        let about: Vec<PositionNo> =
            about.into_iter().filter(|no| self.position(*no).is_some_and(|p| books_of(p) == *query)).collect();
        for no in &about {
            self.volatile.books.remove(no);
            self.emit(Event::Booked { position: *no });
        }
        about
    }
}

fn books_of(position: &Position) -> Query {
    Query::Books(position.symbol().clone(), position.direction(), position.request.mark.at)
}

/// Whether a full hour lies between two instants.
const fn pays_funding(from: VenueMillis, to: VenueMillis) -> bool {
    from.0.div_euclid(FUNDING_GRID) != to.0.div_euclid(FUNDING_GRID)
}
