//! Nemesis: decides at every boundary whether things go as they should.
//!
//! A world asks it at each choice point. It answers from seeded rates, or from a written schedule that
//! names single choice points by number, so that every point can be hit in turn.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Delays are drawn apart from faults, so that leaving out a fault leaves the delays as they were.
const DELAYS: u64 = 0x6b72_6169_7465;

/// So are the fates of pair calls.
const PAIRS: u64 = 0x7061_6972;

/// How many fates of a pair call are about what is taken and told of it; the others move the price.
const PARTS: usize = 7;

/// Bytes from here on stand for faults.
const FIRST_FAULT: u8 = 224;

/// A boundary at which something can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Point {
    /// A record is about to be appended.
    BeforeAppend,
    /// A record is durable; its effects are not released yet.
    AfterAppend,
    /// A request is about to be handed to the wire.
    BeforeSend,
    /// A request was handed to the wire.
    AfterSend,
    /// A request is on its way to the venue.
    Request,
    /// A call that sets stop and target together reaches the venue.
    Pair,
    /// A reply is on its way back.
    Reply,
    /// A reply arrived and is about to be persisted.
    AfterReply,
    /// A pushed frame is on its way.
    Frame,
    /// An answer to a query is on its way back.
    Answer,
}

/// What happens at a choice point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// As it should be.
    Pass,
    /// The process dies here.
    Crash,
    /// The message is lost.
    Lose,
    /// The message is late, but a request is still valid.
    Delay,
    /// The message is so late that a request is no longer valid.
    Late,
    /// The message arrives twice.
    Double,
    /// The venue acts and says that it does not know.
    Unknown,
    /// The venue refuses for its rate limit and does nothing (B10).
    Limit,
    /// The venue takes a placement in time, says that it does not know, and acts as late as its bound allows.
    Tardy,
    /// The venue acts, and its reply cannot be read.
    Garbled,
    /// A gateway repeats a placement, and the reply is the one to the copy: the id exists. Where the order is not
    /// open, a repeat would be no duplicate, and the reply is that nobody knows.
    Known,
    /// The venue sets only the stop, and its reply has no row for the target (B14).
    StopOnly,
    /// The venue sets only the target, and its reply has no row for the stop (B14).
    TargetOnly,
    /// The venue sets the target and refuses the stop.
    StopRefused,
    /// The venue sets the stop and refuses the target.
    TargetRefused,
    /// The venue sets both, and its reply has a row for the stop only.
    StopRow,
    /// The venue sets both, and its reply has a row for the target only.
    TargetRow,
    /// The venue sets both, and its reply has no row.
    NoRows,
    /// The price passes the next rung just before the call arrives.
    RungBefore,
    /// The price passes the next rung just after the call was taken.
    RungAfter,
    /// The price passes the stop of the call just before it arrives.
    StopBefore,
    /// The price passes the stop of the call just after it was taken.
    StopAfter,
    /// The price passes the target of the call just before it arrives.
    TargetBefore,
    /// The price passes the target of the call just after it was taken.
    TargetAfter,
}

impl Fate {
    /// Its name, for people and for schedules.
    #[must_use]
    pub fn word(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

impl Point {
    /// Every boundary.
    pub const ALL: [Self; 10] = [
        Self::BeforeAppend,
        Self::AfterAppend,
        Self::BeforeSend,
        Self::AfterSend,
        Self::Request,
        Self::Pair,
        Self::Reply,
        Self::AfterReply,
        Self::Frame,
        Self::Answer,
    ];

    /// Its name, for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::BeforeAppend => "before append",
            Self::AfterAppend => "after append",
            Self::BeforeSend => "before send",
            Self::AfterSend => "after send",
            Self::Request => "request",
            Self::Pair => "pair call",
            Self::Reply => "reply",
            Self::AfterReply => "after reply",
            Self::Frame => "frame",
            Self::Answer => "answer",
        }
    }

    /// What can go wrong here.
    #[must_use]
    pub const fn faults(self) -> &'static [Fate] {
        match self {
            Self::BeforeAppend | Self::AfterAppend | Self::BeforeSend | Self::AfterSend | Self::AfterReply => {
                &[Fate::Crash]
            }
            Self::Request => &[Fate::Lose, Fate::Delay, Fate::Late, Fate::Double, Fate::Limit, Fate::Tardy],
            Self::Reply => {
                &[Fate::Lose, Fate::Delay, Fate::Late, Fate::Double, Fate::Unknown, Fate::Garbled, Fate::Known]
            }
            Self::Pair => &[
                Fate::StopOnly,
                Fate::TargetOnly,
                Fate::StopRefused,
                Fate::TargetRefused,
                Fate::StopRow,
                Fate::TargetRow,
                Fate::NoRows,
                Fate::RungBefore,
                Fate::RungAfter,
                Fate::StopBefore,
                Fate::StopAfter,
                Fate::TargetBefore,
                Fate::TargetAfter,
            ],
            Self::Frame | Self::Answer => &[Fate::Lose, Fate::Delay, Fate::Late, Fate::Double],
        }
    }

    /// The fate that a byte stands for here: seven of eight bytes, zero among them, let things pass; the others
    /// go round [`Self::faults`].
    #[must_use]
    pub fn fate_of(self, byte: u8) -> Fate {
        let Some(turn) = byte.checked_sub(FIRST_FAULT) else { return Fate::Pass };
        self.faults().iter().cycle().nth(usize::from(turn)).copied().unwrap_or(Fate::Pass)
    }

    /// A byte that stands for this fate here, for seeds; zero where it cannot happen.
    #[must_use]
    pub fn byte_of(self, fate: Fate) -> u8 {
        (FIRST_FAULT..=u8::MAX).find(|byte| self.fate_of(*byte) == fate).unwrap_or(0)
    }
}

/// How often things go wrong, in parts per 10,000 of the choice points of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rates {
    /// The process dies, at each of the five boundaries around an append, a send and a reply.
    pub crash: u32,
    /// A message is lost.
    pub lose: u32,
    /// A message is delayed.
    pub delay: u32,
    /// A message is late beyond the validity window.
    pub late: u32,
    /// A reply, frame or answer is doubled.
    pub double: u32,
    /// A *request* is doubled by the wire.
    pub double_request: u32,
    /// The venue acts and says that it does not know.
    pub unknown: u32,
    /// The venue refuses for its rate limit.
    pub limit: u32,
    /// The venue acts on a placement as late as its bound allows.
    pub tardy: u32,
    /// The venue acts, and its reply cannot be read.
    pub garbled: u32,
    /// The venue acts, and its reply is that the id exists.
    pub known: u32,
    /// The venue takes or tells only a part of a call that sets stop and target.
    pub part: u32,
}

impl Rates {
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        crash: 0,
        lose: 0,
        delay: 0,
        late: 0,
        double: 0,
        double_request: 0,
        unknown: 0,
        limit: 0,
        tardy: 0,
        garbled: 0,
        known: 0,
        part: 0,
    };
    /// An unlucky week.
    pub const LIGHT: Self = Self {
        crash: 20,
        lose: 50,
        delay: 100,
        late: 20,
        double: 50,
        unknown: 30,
        limit: 20,
        tardy: 20,
        garbled: 20,
        known: 10,
        part: 100,
        ..Self::NONE
    };
    /// A hostile day.
    pub const HEAVY: Self = Self {
        crash: 150,
        lose: 400,
        delay: 500,
        late: 150,
        double: 300,
        double_request: 10,
        unknown: 250,
        limit: 150,
        tardy: 150,
        garbled: 100,
        known: 100,
        part: 1_000,
    };

    fn fate(&self, point: Point, draw: u32) -> Fate {
        let (lose, double, [unknown, garbled, known], [limit, tardy]) = match point {
            Point::BeforeAppend | Point::AfterAppend | Point::BeforeSend | Point::AfterSend | Point::AfterReply => {
                return if draw < self.crash { Fate::Crash } else { Fate::Pass };
            }
            Point::Request => (self.lose, self.double_request, [0; 3], [self.limit, self.tardy]),
            Point::Pair => {
                // Prices are not its to move.
                let parts = point.faults().iter().take(PARTS);
                return parts.cycle().nth(draw as usize).filter(|_| draw < self.part).copied().unwrap_or(Fate::Pass);
            }
            Point::Reply => (self.lose, self.double, [self.unknown, self.garbled, self.known], [0; 2]),
            Point::Frame | Point::Answer => (self.lose, self.double, [0; 3], [0; 2]),
        };
        let mut edge = 0;
        for (rate, fate) in [
            (lose, Fate::Lose),
            (self.delay, Fate::Delay),
            (self.late, Fate::Late),
            (double, Fate::Double),
            (unknown, Fate::Unknown),
            (limit, Fate::Limit),
            (tardy, Fate::Tardy),
            (garbled, Fate::Garbled),
            (known, Fate::Known),
        ] {
            edge += rate;
            if draw < edge {
                return fate;
            }
        }
        Fate::Pass
    }
}

/// Which choice points are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    None,
    /// All of them, in the trail.
    All,
    /// Those since the last [`Nemesis::take_asked`].
    Recent,
}

#[derive(Debug, Clone)]
enum Mode {
    Rates(Rates),
    Schedule(BTreeMap<u64, Fate>),
    /// The n-th byte is the n-th choice point's.
    Bytes {
        bytes: Vec<u8>,
        double_requests: bool,
    },
}

/// Decides the fate of every message and every step, and counts.
#[derive(Debug, Clone)]
pub struct Nemesis {
    mode: Mode,
    rng: ChaCha8Rng,
    calm: bool,
    /// The choice points passed so far, in order.
    pub trail: Vec<Point>,
    keep: Keep,
    asked: u64,
    /// How often each fate was dealt, `Pass` left out.
    pub dealt: BTreeMap<Fate, u64>,
    /// What was dealt where, if that is kept.
    written: Option<BTreeMap<u64, Fate>>,
    /// How much longer than its base each message takes.
    delays: Option<ChaCha8Rng>,
    /// The fates of pair calls.
    pairs: Option<ChaCha8Rng>,
    /// The kept choice points that are about a pair call.
    paired: BTreeSet<u64>,
}

impl Nemesis {
    /// Faults at random, by rates.
    #[must_use]
    pub fn random(seed: u64, rates: Rates) -> Self {
        Self::new(seed, Mode::Rates(rates), Keep::None)
    }

    /// Faults at written choice points only; the trail of all points is kept.
    #[must_use]
    pub fn scheduled(seed: u64, schedule: BTreeMap<u64, Fate>) -> Self {
        Self::new(seed, Mode::Schedule(schedule), Keep::All)
    }

    /// The n-th choice point takes its fate from the n-th byte, as [`Point::fate_of`] reads it, and after the last
    /// byte everything passes; for fuzzers. No delay jitters, so that what was [written](Self::write_down) is dealt
    /// again by [`Nemesis::scheduled`]. A *request* is doubled only with `double_requests`: no client can prevent
    /// that (see [`Rates::double_request`]), so most inputs should not ask for it.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>, double_requests: bool) -> Self {
        Self::new(0, Mode::Bytes { bytes, double_requests }, Keep::None)
    }

    /// Faults at choice points that are decided on while the world runs, for explorers.
    #[must_use]
    pub(crate) fn explored() -> Self {
        Self::new(0, Mode::Schedule(BTreeMap::new()), Keep::Recent)
    }

    /// The choice points since this was last called, each with its number.
    pub(crate) fn take_asked(&mut self) -> Vec<(u64, Point)> {
        self.paired.clear();
        let first = self.asked.saturating_sub(self.trail.len() as u64);
        (first..).zip(std::mem::take(&mut self.trail)).collect()
    }

    /// Which of the choice points since [`Self::take_asked`] are about a call that sets stop and target.
    pub(crate) fn take_paired(&mut self) -> BTreeSet<u64> {
        std::mem::take(&mut self.paired)
    }

    /// A choice point that is still to come has this fate.
    pub(crate) fn decree(&mut self, number: u64, fate: Fate) {
        if let Mode::Schedule(schedule) = &mut self.mode {
            schedule.insert(number, fate);
        }
    }

    fn new(seed: u64, mode: Mode, keep: Keep) -> Self {
        let jitters = matches!(&mode, Mode::Rates(rates) if *rates != Rates::NONE);
        Self {
            mode,
            rng: ChaCha8Rng::seed_from_u64(seed),
            calm: false,
            trail: Vec::new(),
            keep,
            asked: 0,
            dealt: BTreeMap::new(),
            written: None,
            delays: jitters.then(|| ChaCha8Rng::seed_from_u64(seed ^ DELAYS)),
            pairs: jitters.then(|| ChaCha8Rng::seed_from_u64(seed ^ PAIRS)),
            paired: BTreeSet::new(),
        }
    }

    /// The same delays as [`Nemesis::random`] draws from a seed, and faults at written choice points only.
    #[must_use]
    pub fn replayed(seed: u64, schedule: BTreeMap<u64, Fate>) -> Self {
        let mut nemesis = Self::new(seed, Mode::Schedule(schedule), Keep::None);
        nemesis.delays = Some(ChaCha8Rng::seed_from_u64(seed ^ DELAYS));
        nemesis
    }

    /// From now on what is dealt is written down.
    pub fn write_down(&mut self) {
        self.written.get_or_insert_default();
    }

    /// What was written down: a schedule that deals the same again.
    #[must_use]
    pub fn written(&self) -> BTreeMap<u64, Fate> {
        self.written.clone().unwrap_or_default()
    }

    /// From now on nothing goes wrong any more: the healed world of the liveness phase.
    pub fn calm_down(&mut self) {
        self.calm = true;
    }

    /// What happens at this choice point.
    pub fn decide(&mut self, point: Point) -> Fate {
        self.decide_on(point, false)
    }

    /// What happens at this choice point, which may be about a call that sets stop and target.
    pub(crate) fn decide_on(&mut self, point: Point, pair: bool) -> Fate {
        let number = self.asked;
        self.asked += 1;
        if self.keep == Keep::All || (self.keep == Keep::Recent && !self.calm) {
            self.trail.push(point);
            if pair && self.keep == Keep::Recent {
                self.paired.insert(number);
            }
        }
        if self.calm {
            return Fate::Pass;
        }
        let fate = match &self.mode {
            Mode::Rates(rates) => {
                let rng = self.pairs.as_mut().filter(|_| point == Point::Pair).unwrap_or(&mut self.rng);
                let draw = rng.next_u32() % 10_000;
                rates.fate(point, draw)
            }
            Mode::Schedule(schedule) => schedule.get(&number).copied().unwrap_or(Fate::Pass),
            Mode::Bytes { bytes, double_requests } => {
                let byte = usize::try_from(number).ok().and_then(|place| bytes.get(place));
                match byte.map_or(Fate::Pass, |byte| point.fate_of(*byte)) {
                    Fate::Double if point == Point::Request && !double_requests => Fate::Pass,
                    fate => fate,
                }
            }
        };
        if fate != Fate::Pass {
            *self.dealt.entry(fate).or_insert(0) += 1;
            if let Some(written) = &mut self.written {
                written.insert(number, fate);
            }
        }
        fate
    }

    /// A delay of `base` milliseconds with up to as much again on top.
    pub fn jitter(&mut self, base: i64) -> i64 {
        match &mut self.delays {
            Some(rng) => base + i64::from(rng.next_u32()) % (base.max(0) + 1),
            None => base,
        }
    }

    /// How many faults were dealt, crashes left out.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.dealt.iter().filter(|(fate, _)| **fate != Fate::Crash).map(|(_, n)| n).sum()
    }

    /// How many crashes were dealt.
    #[must_use]
    pub fn crashes(&self) -> u64 {
        self.dealt.get(&Fate::Crash).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s12_every_fate_has_a_byte_and_the_nth_byte_is_the_nth_points() {
        let mut points = Vec::new();
        let mut bytes = Vec::new();
        let mut fates = Vec::new();
        for point in Point::ALL {
            assert_eq!((point.fate_of(0), point.fate_of(FIRST_FAULT - 1)), (Fate::Pass, Fate::Pass));
            for fate in point.faults() {
                points.push(point);
                bytes.push(point.byte_of(*fate));
                fates.push(*fate);
            }
        }
        let deal = |mut nemesis: Nemesis| -> Vec<Fate> { points.iter().map(|point| nemesis.decide(*point)).collect() };
        assert_eq!(deal(Nemesis::from_bytes(bytes.clone(), true)), fates);
        let without: Vec<Fate> = deal(Nemesis::from_bytes(bytes.clone(), false));
        for ((point, fate), dealt) in points.iter().zip(&fates).zip(&without) {
            let doubled = (*point, *fate) == (Point::Request, Fate::Double);
            assert_eq!(*dealt, if doubled { Fate::Pass } else { *fate });
        }
        let mut short = Nemesis::from_bytes(vec![255], true);
        short.write_down();
        assert_eq!([short.decide(Point::AfterSend), short.decide(Point::AfterSend)], [Fate::Crash, Fate::Pass]);
        assert_eq!(short.written(), BTreeMap::from([(0, Fate::Crash)]));
    }
}
