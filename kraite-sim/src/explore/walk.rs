//! The walk over all schedules: forward along one run, then backward over its forks.

use std::collections::BTreeMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::certificate::{Cell, Certificate, Column, Failure, Row, Worst};
use super::future::{Ending, Future, Leaf};
use crate::digest::Gathered;
use crate::script::{self, Play, Script, Timing};
use crate::venue::VenueProfile;
use crate::world::{Fate, Nemesis, Point, Stream};

/// The most faults of a schedule.
pub const MAX_DEPTH: u8 = 3;
/// Failing schedules kept; more are only counted.
const KEEP: usize = 16;

/// Plays every schedule of up to `depth` faults over a script. `progress` hears how many runs were executed, now
/// and then.
///
/// `depth` above [`MAX_DEPTH`] counts as [`MAX_DEPTH`].
#[must_use]
pub fn explore(
    script: &Script,
    profile: &VenueProfile,
    timing: Timing,
    depth: u8,
    progress: &dyn Fn(u64),
) -> Certificate {
    let depth = depth.min(MAX_DEPTH);
    let script = Arc::new(script.clone());
    let start = || Play::new(script.clone(), script::world(profile.clone(), Nemesis::explored(), timing), Stream::Push);
    let mut walk = Walk {
        seen: Seen::default(),
        gathered: Gathered::default(),
        path: Vec::new(),
        windows: Vec::new(),
        failures: Vec::new(),
        executed: 1,
        progress,
    };
    let labels = labels(start());
    let mut points = BTreeMap::new();
    let mut matrix = Vec::new();
    let future = walk.from(start(), depth, &mut |number, asked, children| {
        for (_, point) in asked {
            *points.entry(*point).or_insert(0) += 1;
        }
        if !asked.is_empty() {
            let (at_ms, what) = labels.get(number).cloned().unwrap_or_default();
            matrix.push(Row { at_ms, what, cells: cells(children) });
        }
    });
    matrix.reverse();
    let (_, violations, unresolved) = future.totals();
    let (ms, cause) = future.worst();
    Certificate {
        depth,
        points,
        schedules: (1..=depth).map(|faults| future.schedules(faults)).collect(),
        executed: walk.executed,
        states: walk.seen.0.len() as u64,
        violations,
        unresolved,
        worst: Worst { ms, windows: walk.windows.get(usize::from(cause)).cloned().unwrap_or_default() },
        failures: walk.failures,
        matrix,
    }
}

/// What happens at each event of the run without a fault.
fn labels(mut play: Play) -> Vec<(i64, String)> {
    play.world.narrate();
    let start = play.world.now().0;
    let mut labels = Vec::new();
    let mut told = 0;
    loop {
        let more = play.advance();
        let story = play.world.story();
        let lines: Vec<&str> = story.iter().skip(told).map(|(_, line)| line.as_str()).collect();
        told = story.len();
        labels.push((play.world.now().0 - start, lines.join("; ")));
        if !more {
            return labels;
        }
    }
}

fn cells(children: &[(Column, Future)]) -> BTreeMap<Column, Cell> {
    let mut cells: BTreeMap<Column, Cell> = BTreeMap::new();
    for (column, future) in children {
        let (schedules, violating, unresolved) = future.totals();
        let cell = cells.entry(*column).or_default();
        cell.schedules += schedules;
        cell.bad += violating + unresolved;
        cell.worst_ms = cell.worst_ms.max(future.worst().0);
    }
    cells
}

/// What is known of the worlds that were seen. Most were seen where no fault was left to deal.
#[derive(Default)]
#[allow(clippy::disallowed_types, reason = "looked up by key and counted, never iterated")]
struct Seen(std::collections::HashMap<u128, Known, BuildHasherDefault<Digested>>);

enum Known {
    /// Without another fault.
    Leaf(Leaf),
    /// With at least one.
    Fork(Box<Future>),
}

impl Seen {
    fn get(&self, key: u128, depth: u8) -> Option<Future> {
        match self.0.get(&key)? {
            Known::Leaf(leaf) => (depth == 0).then(|| leaf.future()),
            Known::Fork(future) => (future.depth >= depth).then(|| future.cut(depth)),
        }
    }

    fn insert(&mut self, key: u128, future: Future) {
        let known = future.as_leaf().map_or_else(|| Known::Fork(Box::new(future)), Known::Leaf);
        self.0.insert(key, known);
    }
}

/// The keys are digests already.
#[derive(Default)]
struct Digested(u64);

impl Hasher for Digested {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(into, from)| *into = *from);
            self.0 ^= u64::from_ne_bytes(word);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

struct Walk<'a> {
    seen: Seen,
    gathered: Gathered,
    /// The faults on the way to where the walk is.
    path: Vec<(u64, Fate)>,
    /// Sets of windows that explain a time without a stop.
    windows: Vec<Vec<&'static str>>,
    failures: Vec<Failure>,
    executed: u64,
    progress: &'a dyn Fn(u64),
}

/// One event on the way of a run.
struct Step {
    key: u128,
    before: Option<Box<Play>>,
    asked: Vec<(u64, Point)>,
    worst: Option<(i64, u16)>,
}

type Visit<'v> = &'v mut dyn FnMut(usize, &[(u64, Point)], &[(Column, Future)]);

impl Walk<'_> {
    fn key(&mut self, play: &mut Play) -> u128 {
        self.gathered.digest(|all| play.fingerprint(all))
    }

    /// Everything that can come of a world with up to `depth` more faults. `visit` hears of each event of the
    /// run without any, the last one first.
    fn from(&mut self, mut play: Play, depth: u8, visit: Visit<'_>) -> Future {
        let mut steps: Vec<Step> = Vec::new();
        let mut future = loop {
            let key = self.key(&mut play);
            if let Some(future) = self.seen.get(key, depth) {
                break future;
            }
            let before = (depth > 0).then(|| Box::new(play.clone()));
            let more = play.advance();
            let asked = play.world.nemesis.take_asked();
            let worst = self.worst(&mut play);
            let violated = play.world.auditor.verdict().violations > 0;
            steps.push(Step { key, before, asked, worst });
            if violated || !more {
                break self.ended(play, violated);
            }
        };
        future = future.cut(depth);
        for (number, step) in steps.into_iter().enumerate().rev() {
            if let Some((ms, cause)) = step.worst {
                future.pass(ms, cause);
            }
            let mut children = Vec::new();
            if let Some(before) = step.before {
                for (choice, point) in &step.asked {
                    for fate in point.faults() {
                        let child = self.branch(&before, (*choice, *fate), depth - 1);
                        future.branch(&child);
                        children.push((Column { point: *point, fate: *fate }, child));
                    }
                }
            }
            visit(number, &step.asked, &children);
            self.seen.insert(step.key, future);
        }
        future
    }

    /// Everything that can come of a world in whose next event this choice point has this fate, and up to
    /// `depth` later ones have another.
    fn branch(&mut self, before: &Play, fault: (u64, Fate), depth: u8) -> Future {
        self.path.push(fault);
        let mut play = before.clone();
        for (number, fate) in &self.path {
            play.world.nemesis.decree(*number, *fate);
        }
        self.executed += 1;
        if self.executed.is_multiple_of(4_096) {
            (self.progress)(4_096);
        }
        let more = play.advance();
        let asked = play.world.nemesis.take_asked();
        let worst = self.worst(&mut play);
        let violated = play.world.auditor.verdict().violations > 0;
        let mut future =
            if violated || !more { self.ended(play, violated) } else { self.from(play, depth, &mut |_, _, _| {}) };
        if let Some((ms, cause)) = worst {
            future.pass(ms, cause);
        }
        future = future.cut(depth);
        if depth > 0 && !violated {
            // A further fault in the same event.
            for (choice, point) in asked.iter().filter(|(choice, _)| *choice > fault.0) {
                for fate in point.faults() {
                    future.branch(&self.branch(before, (*choice, *fate), depth - 1));
                }
            }
        }
        self.path.pop();
        future
    }

    fn worst(&mut self, play: &mut Play) -> Option<(i64, u16)> {
        let (length, windows) = play.world.auditor.take_longest()?;
        let windows: Vec<&'static str> = windows.into_iter().collect();
        let known = self.windows.iter().position(|known| *known == windows);
        let place = known.unwrap_or_else(|| {
            self.windows.push(windows);
            self.windows.len() - 1
        });
        Some((length.0, u16::try_from(place).unwrap_or(u16::MAX)))
    }

    fn ended(&mut self, play: Play, violated: bool) -> Future {
        let played = play.conclude();
        let finding = played.verdict.findings.first().map(|(_, finding)| finding.clone());
        let ending = if violated || played.verdict.violations > 0 {
            Ending::Violated
        } else if !played.is_resolved() {
            Ending::Unresolved
        } else {
            Ending::Clean
        };
        if ending != Ending::Clean && self.failures.len() < KEEP {
            self.failures.push(Failure { schedule: self.path.iter().copied().collect(), finding });
        }
        Future::ended(ending)
    }
}
