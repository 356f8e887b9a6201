//! What an ended position cost: fees of fills that were read and never told, and funding.
//!
//! Nothing of it decides what is done about an open position, so it is read after the end: once where something is
//! missing, and once more where something still is.

use alloc::vec::Vec;

use super::event::Event;
use super::io::{Query, Wake};
use super::turn::Turn;
use crate::id::{PositionNo, Symbol};
use crate::position::{Phase, Position};
use crate::time::{LocalMillis, Millis, VenueMillis};

/// A venue shows what happened in its books after so long.
const BOOKS_SETTLE: Millis = Millis::from_secs(10);
/// Books that still lack a trade are read again this long after the end, and then never.
const BOOKS_AGAIN: Millis = Millis::from_secs(120);
/// A position whose books could not be read stays in the state for them this long.
const BOOKS_BOUND: Millis = Millis::from_secs(86_400);
/// Venues pay funding on the hour, every one, four or eight of them.
const FUNDING_GRID: i64 = 3_600_000;

impl Turn<'_> {
    /// When the books of a position are to be read; `None` where it has not ended, or nothing is missing.
    fn books_are_due(&self, position: &Position) -> Option<LocalMillis> {
        let over = matches!(position.phase, Phase::Closed | Phase::Cancelled);
        let ended_at = position.ended_at.filter(|_| over)?;
        let ended = self.state.ended.get(&position.no)?;
        let told = position.is_told();
        match position.booked.filter(|booked| booked.at >= ended_at) {
            None if told && !pays_funding(position.request.mark.at, ended.at) => None,
            None => Some(ended_at.plus(BOOKS_SETTLE)),
            Some(booked) if !told && booked.at < ended_at.plus(BOOKS_AGAIN) => Some(ended_at.plus(BOOKS_AGAIN)),
            Some(_) => None,
        }
    }

    /// Ended positions whose books are still to be read.
    pub(super) fn unbooked(&self) -> impl Iterator<Item = &Position> {
        self.state.positions.values().filter(|position| self.books_are_due(position).is_some())
    }

    /// An ended position that waits for its books stays for a day.
    pub(super) fn waits_for_books(&self, position: &Position) -> bool {
        let young = position.ended_at.is_some_and(|ended| self.at.local.since(ended) < BOOKS_BOUND);
        young && self.books_are_due(position).is_some()
    }

    /// Asks for the books of an ended position once they are due.
    pub(super) fn keep_books(&mut self, no: PositionNo) {
        let Some(position) = self.position(no) else { return };
        let Some(due) = self.books_are_due(position) else { return };
        if self.at.local < due {
            self.wake(no, due, Wake::Books);
            return;
        }
        self.ask(books_of(position));
    }

    /// Takes what was read for every position that asked for just that.
    pub(super) fn take_books(&mut self, query: &Query, complete: bool) -> Vec<PositionNo> {
        let asked: Vec<(PositionNo, LocalMillis)> = self
            .unbooked()
            .filter(|position| books_of(position) == *query)
            .filter_map(|position| Some((position.no, self.books_are_due(position)?)))
            .collect();
        for (no, due) in &asked {
            if complete && self.at.local >= *due {
                self.emit(Event::Booked { position: *no });
            } else if !complete {
                self.wake(*no, self.at.local.plus(BOOKS_AGAIN), Wake::Books);
            }
        }
        asked.into_iter().map(|(no, _)| no).collect()
    }

    /// True while an ended position still wants what this would tell.
    pub(super) fn books_are_wanted(&self, symbol: &Symbol) -> bool {
        self.unbooked().any(|position| position.symbol() == symbol)
    }
}

fn books_of(position: &Position) -> Query {
    Query::Books(position.symbol().clone(), position.direction(), position.request.mark.at)
}

/// Whether a full hour lies between two instants.
const fn pays_funding(from: VenueMillis, to: VenueMillis) -> bool {
    from.0.div_euclid(FUNDING_GRID) != to.0.div_euclid(FUNDING_GRID)
}
