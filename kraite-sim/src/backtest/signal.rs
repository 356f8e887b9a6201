//! When to enter.

use std::fmt::Debug;
use std::ops::Range;

use kraite_core::time::VenueMillis;

use crate::data::Columns;

/// Says when positions are to be entered. What is traded is the user's business: this is where a strategy comes in.
pub trait Signal: Debug + Send + Sync {
    /// The first instant at or after this one at which to enter; `None` where there is none. It is asked again when the
    /// position has ended, and what lies before that is passed over. A bar that opens later than the instant, the first
    /// one that does, is entered at its open.
    fn next(&mut self, from: VenueMillis) -> Option<VenueMillis>;

    /// Some bars of these, which are played after this. A signal that reads more of them than a trader would have seen
    /// looks ahead; [`super::looks_ahead`] finds that.
    fn bars(&mut self, _: &Columns, _: Range<usize>) {}
}

impl<S: Signal + ?Sized> Signal for Box<S> {
    fn next(&mut self, from: VenueMillis) -> Option<VenueMillis> {
        (**self).next(from)
    }

    fn bars(&mut self, bars: &Columns, part: Range<usize>) {
        (**self).bars(bars, part);
    }
}

/// Enters whenever nothing is open.
#[derive(Debug, Clone, Copy, Default)]
pub struct WhenFlat;

impl Signal for WhenFlat {
    fn next(&mut self, from: VenueMillis) -> Option<VenueMillis> {
        Some(from)
    }
}

/// Enters at fixed instants.
#[derive(Debug, Clone, Default)]
pub struct At {
    instants: Vec<VenueMillis>,
}

impl At {
    /// These, in any order.
    #[must_use]
    pub fn new(mut instants: Vec<VenueMillis>) -> Self {
        instants.sort_unstable();
        Self { instants }
    }
}

impl Signal for At {
    fn next(&mut self, from: VenueMillis) -> Option<VenueMillis> {
        self.instants.get(self.instants.partition_point(|instant| *instant < from)).copied()
    }
}
