//! What can still come of a world: how many schedules, how many of them bad, the worst time without a stop.

use super::walk::MAX_DEPTH;

const SIZES: usize = MAX_DEPTH as usize + 1;

/// The sums over all schedules with exactly `n` more faults, for each `n` up to the depth it was explored to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Future {
    /// How many more faults were tried.
    pub(super) depth: u8,
    sizes: [Size; SIZES],
}

#[derive(Debug, Clone, Copy, Default)]
struct Size {
    schedules: u64,
    violating: u64,
    unresolved: u64,
    worst_ms: i64,
    /// Which windows the worst time lay in; an index into the explorer's list.
    cause: u16,
}

/// What comes of a world without another fault: one schedule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf {
    ending: Ending,
    cause: u16,
    worst_ms: i64,
}

impl Leaf {
    pub(super) fn future(self) -> Future {
        let mut future = Future::ended(self.ending);
        future.pass(self.worst_ms, self.cause);
        future.cut(0)
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Clean,
    Violated,
    Unresolved,
}

impl Future {
    /// Nothing more happens.
    pub(super) fn ended(ending: Ending) -> Self {
        let mut future = Self { depth: MAX_DEPTH, ..Self::default() };
        if let Some(first) = future.sizes.first_mut() {
            first.schedules = 1;
            first.violating = u64::from(ending == Ending::Violated);
            first.unresolved = u64::from(ending == Ending::Unresolved);
        }
        future
    }

    /// A time without a stop ended on the way to this future.
    pub(super) fn pass(&mut self, worst_ms: i64, cause: u16) {
        for size in self.sizes.iter_mut().filter(|size| size.schedules > 0 && worst_ms > size.worst_ms) {
            size.worst_ms = worst_ms;
            size.cause = cause;
        }
    }

    /// Another way to go on, with one fault more.
    pub(super) fn branch(&mut self, other: &Self) {
        for (into, from) in self.sizes.iter_mut().skip(1).zip(&other.sizes) {
            into.schedules = into.schedules.saturating_add(from.schedules);
            into.violating = into.violating.saturating_add(from.violating);
            into.unresolved = into.unresolved.saturating_add(from.unresolved);
            if from.worst_ms > into.worst_ms {
                into.worst_ms = from.worst_ms;
                into.cause = from.cause;
            }
        }
    }

    /// The same, explored to this depth only.
    pub(super) fn cut(mut self, depth: u8) -> Self {
        self.depth = self.depth.min(depth);
        for size in self.sizes.iter_mut().skip(usize::from(depth) + 1) {
            *size = Size::default();
        }
        self
    }

    /// The same in less room, where it was explored without another fault.
    pub(super) fn as_leaf(&self) -> Option<Leaf> {
        let only = self.sizes.first().filter(|_| self.depth == 0)?;
        let ending = match (only.violating, only.unresolved) {
            (0, 0) => Ending::Clean,
            (0, _) => Ending::Unresolved,
            _ => Ending::Violated,
        };
        Some(Leaf { ending, cause: only.cause, worst_ms: only.worst_ms })
    }

    /// How many schedules have exactly this many faults.
    pub(super) fn schedules(&self, faults: u8) -> u64 {
        self.sizes.get(usize::from(faults)).map_or(0, |size| size.schedules)
    }

    /// Schedules, violating ones, unresolved ones.
    pub(super) fn totals(&self) -> (u64, u64, u64) {
        let sum = |pick: fn(&Size) -> u64| self.sizes.iter().map(pick).fold(0, u64::saturating_add);
        (sum(|s| s.schedules), sum(|s| s.violating), sum(|s| s.unresolved))
    }

    /// The longest time without a stop over all of them, and the cause of it.
    pub(super) fn worst(&self) -> (i64, u16) {
        self.sizes.iter().map(|size| (size.worst_ms, size.cause)).max_by_key(|(ms, _)| *ms).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_add_up_by_their_number_of_faults() {
        let mut future = Future::ended(Ending::Clean);
        let mut bad = Future::ended(Ending::Violated);
        bad.pass(700, 3);
        future.pass(200, 1);
        future.branch(&bad);
        future.branch(&Future::ended(Ending::Unresolved));
        assert_eq!((future.schedules(0), future.schedules(1), future.schedules(2)), (1, 2, 0));
        assert_eq!(future.totals(), (3, 1, 1));
        assert_eq!(future.worst(), (700, 3));
        let mut before = Future::ended(Ending::Clean);
        before.branch(&future);
        assert_eq!((before.schedules(1), before.schedules(2)), (1, 2));
        assert_eq!(before.cut(1).totals(), (2, 0, 0));
        assert!(bad.as_leaf().is_none());
        for ending in [Ending::Clean, Ending::Violated, Ending::Unresolved] {
            let mut end = Future::ended(ending).cut(0);
            end.pass(700, 3);
            let again = end.as_leaf().map(Leaf::future).unwrap_or_default();
            assert_eq!((again.depth, again.totals(), again.worst()), (0, end.totals(), end.worst()));
            assert_eq!(again.schedules(0), 1);
        }
    }
}
