//! The crash window of the call that sets stop and target together: what becomes of the call, crossed with where
//! the worker dies meanwhile. Every cell of it is tried at every such call of a script.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use kraite_core::exchange::Service;

use super::certificate::{Cell, Failure};
use crate::script::{self, Play, Script, Timing, account};
use crate::venue::VenueProfile;
use crate::world::{Fate, Nemesis, Point, Stream};

/// Failing schedules kept; more are only counted.
const KEEP: usize = 16;

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Use {
    /// It protects a position that has no stop and no target yet.
    First,
    /// It restates what is there.
    Overwrite,
}

impl Use {
    /// Both.
    pub const ALL: [Self; 2] = [Self::First, Self::Overwrite];

    /// Its name, for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::First => "first protection",
            Self::Overwrite => "overwrite",
        }
    }
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Course {
    /// Where it goes wrong; `None` where everything is as it should be.
    pub fault: Option<(Point, Fate)>,
}

impl Course {
    /// Every one: as it should be, then each fate of the request, of the call at the venue, and of its reply.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let faults = [Point::Request, Point::Pair, Point::Reply]
            .into_iter()
            .flat_map(|point| point.faults().iter().map(move |fate| Some((point, *fate))));
        std::iter::once(None).chain(faults).map(|fault| Self { fault }).collect()
    }

    /// What happens, in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self.fault {
            None => "as it should be: both taken and told",
            Some((Point::Request, Fate::Lose)) => "the request is lost",
            Some((Point::Request, Fate::Delay)) => "the request is late, still valid",
            Some((Point::Request, Fate::Late)) => "the request is late, no longer valid",
            Some((Point::Request, Fate::Double)) => "the request arrives twice",
            Some((Point::Request, Fate::Limit)) => "refused for the rate limit",
            Some((Point::Request, Fate::Tardy)) => "the venue acts as late as it may",
            Some((_, Fate::StopOnly)) => "the stop is taken alone, no row for the target",
            Some((_, Fate::TargetOnly)) => "the target is taken alone, no row for the stop",
            Some((_, Fate::StopRefused)) => "the stop is refused, the target taken",
            Some((_, Fate::TargetRefused)) => "the target is refused, the stop taken",
            Some((_, Fate::StopRow)) => "both taken, a row for the stop only",
            Some((_, Fate::TargetRow)) => "both taken, a row for the target only",
            Some((_, Fate::NoRows)) => "both taken, no row",
            Some((_, Fate::RungBefore)) => "a rung fills just before",
            Some((_, Fate::RungAfter)) => "a rung fills just after",
            Some((_, Fate::StopBefore)) => "the price passes the stop just before",
            Some((_, Fate::StopAfter)) => "the price passes the stop just after",
            Some((_, Fate::TargetBefore)) => "the price passes the target just before",
            Some((_, Fate::TargetAfter)) => "the price passes the target just after",
            Some((_, Fate::Lose)) => "both taken, the reply is lost",
            Some((_, Fate::Delay)) => "both taken, the reply is late",
            Some((_, Fate::Late)) => "both taken, the reply comes too late",
            Some((_, Fate::Double)) => "both taken, the reply comes twice",
            Some((_, Fate::Unknown)) => "both taken, the venue says it is unknown",
            Some((_, Fate::Garbled)) => "both taken, the reply cannot be read",
            Some((_, Fate::Known)) => "both taken, the reply says the ids exist",
            Some((_, Fate::Pass | Fate::Crash | Fate::Limit | Fate::Tardy)) => "",
        }
    }

    /// Rows of a reply go wrong together.
    fn wanted(self) -> impl Iterator<Item = Wanted> {
        let times = if matches!(self.fault, Some((Point::Reply, _))) { 2 } else { 1 };
        self.fault.into_iter().cycle().take(self.fault.map_or(0, |_| times)).map(|(point, fate)| Wanted {
            point,
            fate,
            pass: 0,
        })
    }
}

/// Where the worker dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kill {
    /// It lives.
    Never,
    /// Before the intent is appended.
    BeforeAppend,
    /// Once the intent is durable.
    AfterAppend,
    /// Just before the request leaves.
    BeforeSend,
    /// Just after it left, before any reply.
    AfterSend,
    /// As the first row of the reply is there, before it is persisted.
    FirstRow,
    /// As the second row is there; the first is persisted.
    SecondRow,
}

impl Kill {
    /// Every one, in the order of time.
    pub const ALL: [Self; 7] = [
        Self::Never,
        Self::BeforeAppend,
        Self::AfterAppend,
        Self::BeforeSend,
        Self::AfterSend,
        Self::FirstRow,
        Self::SecondRow,
    ];

    /// Its name, for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Never => "lives",
            Self::BeforeAppend => "before append",
            Self::AfterAppend => "after append",
            Self::BeforeSend => "before send",
            Self::AfterSend => "after send",
            Self::FirstRow => "at the first row",
            Self::SecondRow => "at the second row",
        }
    }

    const fn wanted(self) -> Option<Wanted> {
        let (point, pass) = match self {
            Self::Never => return None,
            Self::BeforeAppend => (Point::BeforeAppend, 0),
            Self::AfterAppend => (Point::AfterAppend, 0),
            Self::BeforeSend => (Point::BeforeSend, 0),
            Self::AfterSend => (Point::AfterSend, 0),
            Self::FirstRow => (Point::AfterReply, 0),
            Self::SecondRow => (Point::AfterReply, 1),
        };
        Some(Wanted { point, fate: Fate::Crash, pass })
    }
}

/// A fault that is dealt at the next such choice point of a pair call, after letting some pass.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    point: Point,
    fate: Fate,
    pass: u8,
}

/// When a choice point of a call comes, among the others of the same call.
const fn turn(point: Point) -> u8 {
    match point {
        Point::BeforeAppend => 0,
        Point::AfterAppend => 1,
        Point::BeforeSend => 2,
        Point::Request => 3,
        Point::AfterSend => 4,
        Point::Pair => 5,
        Point::Reply => 6,
        Point::AfterReply | Point::Frame | Point::Answer => 7,
    }
}

/// What the window of the pair calls of a script comes to.
#[derive(Debug, Clone, Default)]
pub struct PairWindow {
    /// How many calls were tried.
    pub calls: u64,
    /// What became of them: how many runs, how many of them bad, the longest time without a stop.
    pub cells: BTreeMap<(Use, Course, Kill), Cell>,
    /// Runs that break something.
    pub violations: u64,
    /// Runs that leave something unresolved.
    pub unresolved: u64,
    /// The first runs that break something or leave something unresolved.
    pub failures: Vec<Failure>,
}

impl PairWindow {
    /// How many runs there were.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.cells.values().fold(0, |sum, cell| sum.saturating_add(cell.schedules))
    }

    /// The longest time without a stop, in milliseconds.
    #[must_use]
    pub fn worst_ms(&self) -> i64 {
        self.cells.values().map(|cell| cell.worst_ms).max().unwrap_or(0)
    }

    /// Adds what another script came to; of its failures none.
    pub fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.violations = self.violations.saturating_add(other.violations);
        self.unresolved = self.unresolved.saturating_add(other.unresolved);
        for (key, from) in &other.cells {
            let into = self.cells.entry(*key).or_default();
            into.schedules = into.schedules.saturating_add(from.schedules);
            into.bad = into.bad.saturating_add(from.bad);
            into.worst_ms = into.worst_ms.max(from.worst_ms);
        }
    }
}

/// Tries every cell at every pair call of a script; nothing on a venue that has no such call.
#[must_use]
pub fn pair_window(script: &Script, profile: &VenueProfile, timing: Timing) -> PairWindow {
    let mut window = PairWindow::default();
    let world = script::world(profile.clone(), Nemesis::explored(), timing);
    let mut play = Play::new(Arc::new(script.clone()), world, Stream::Push);
    loop {
        let mut before = play.clone();
        let more = play.advance();
        let paired = play.world.nemesis.take_paired();
        let asked = play.world.nemesis.take_asked();
        let sends = |(number, point): &(u64, Point)| *point == Point::BeforeSend && paired.contains(number);
        if asked.iter().any(sends) {
            window.calls += 1;
            // What was without a stop before the call is none of its doing.
            before.world.auditor.take_longest();
            let set = before.world.venue.open(account()).any(|o| o.service == Service::PositionPlan);
            let usage = if set { Use::Overwrite } else { Use::First };
            for course in Course::all() {
                for kill in Kill::ALL {
                    window.try_cell(&before, usage, course, kill);
                }
            }
        }
        if !more || is_broken(&play) {
            return window;
        }
    }
}

impl PairWindow {
    fn try_cell(&mut self, before: &Play, usage: Use, course: Course, kill: Kill) {
        let mut wanted: VecDeque<Wanted> = course.wanted().chain(kill.wanted()).collect();
        wanted.make_contiguous().sort_by_key(|wanted| turn(wanted.point));
        let Some((mut play, schedule)) = dealt(before.clone(), wanted) else { return };
        let worst_ms = play.world.auditor.take_longest().map_or(0, |(length, _)| length.0);
        let played = play.conclude();
        let violated = played.verdict.violations > 0;
        let resolved = played.is_resolved();
        self.violations += u64::from(violated);
        self.unresolved += u64::from(!violated && !resolved);
        let cell = self.cells.entry((usage, course, kill)).or_default();
        cell.schedules += 1;
        cell.worst_ms = cell.worst_ms.max(worst_ms);
        if violated || !resolved {
            cell.bad += 1;
            if self.failures.len() < KEEP {
                let finding = played.verdict.findings.first().map(|(_, finding)| finding.clone());
                self.failures.push(Failure { schedule, finding });
            }
        }
    }
}

fn is_broken(play: &Play) -> bool {
    play.world.auditor.verdict().violations > 0
}

/// The play at its end, or where it breaks, with every wanted fault dealt; `None` where one of them never had its turn.
fn dealt(mut play: Play, mut wanted: VecDeque<Wanted>) -> Option<(Play, BTreeMap<u64, Fate>)> {
    let mut schedule = BTreeMap::new();
    let mut from = 0;
    while let Some(next) = wanted.front_mut() {
        let before = play.clone();
        let more = play.advance();
        let paired = play.world.nemesis.take_paired();
        let asked = play.world.nemesis.take_asked();
        let found = asked
            .iter()
            .find(|(number, point)| *number >= from && *point == next.point && paired.contains(number))
            .map(|(number, _)| *number);
        match found {
            Some(number) if next.pass > 0 => {
                next.pass -= 1;
                from = number + 1;
                play = before;
            }
            Some(number) => {
                play = before;
                play.world.nemesis.decree(number, next.fate);
                schedule.insert(number, next.fate);
                from = number + 1;
                wanted.pop_front();
            }
            // What is broken once may go on breaking for ever.
            None if is_broken(&play) => return Some((play, schedule)),
            None if more => {}
            None => return None,
        }
    }
    while !is_broken(&play) && play.advance() {}
    Some((play, schedule))
}
