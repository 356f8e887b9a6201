//! What the model knows at one instant: the journal, the memory of the living process, the wire, the venue.
//!
//! Time is counted in ticks and kept relative: each row says how far away its `not_after` is, and stops
//! counting where nothing depends on it any more. That makes the model finite.

/// The validity window of a request.
pub(crate) const WINDOW: i8 = 1;
/// The longest time between admission and a visible result.
pub(crate) const ENGINE_BOUND: i8 = 1;
/// How far the worker's view of the venue's clock may be off, either way.
pub(crate) const CLOCK_ERROR: i8 = 1;
/// Complete rounds without the order before it counts as absent.
pub(crate) const ROUNDS: u8 = 2;
/// The endpoints that can hold the order: by id, and the history.
pub(crate) const ENDPOINTS: usize = 2;
/// What is left until `not_after` when a request is handed to the wire.
pub(crate) const FULL: i8 = CLOCK_ERROR + WINDOW;
/// Past this every question counts, and nothing changes any more.
const FLOOR: i8 = -(ENGINE_BOUND + CLOCK_ERROR) - 1;

/// Where one attempt stands in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Life {
    /// Its request provably never left; the same id may go out again.
    Unsent,
    /// Handed to the wire, no answer yet.
    Sent,
    /// May or may not exist.
    Doubt,
    /// Accepted; the fill is not known yet.
    Working,
    /// Filled, and never in doubt.
    Filled,
    /// Filled, and found out after it had been in doubt.
    Adopted,
    /// Refused for a reason that passes.
    Again,
    /// Refused for good.
    Refused,
    /// Proven never to have existed.
    Absent,
}

impl Life {
    /// The worker asks the venue about it.
    pub(crate) const fn is_asked_about(self) -> bool {
        matches!(self, Self::Doubt | Self::Working)
    }
}

/// One attempt: a durable intent and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Row {
    /// Where it stands.
    pub(crate) life: Life,
    /// Ticks until `not_after` on the worker's view of the venue's clock; negative once it has passed.
    pub(crate) till: i8,
}

impl Row {
    /// An intent of this instant.
    pub(crate) const fn intended() -> Self {
        Self { life: Life::Sent, till: FULL }
    }

    /// A question that is sent now is sent after the order's last chance to be accepted and to be seen.
    pub(crate) const fn is_settled(&self) -> bool {
        self.till < -(ENGINE_BOUND + CLOCK_ERROR)
    }

    /// At least a tick has passed since it was handed to the wire.
    pub(crate) const fn is_aged(&self) -> bool {
        self.till < FULL
    }

    fn age(&mut self) {
        self.till = self.till.saturating_sub(1).max(FLOOR);
    }
}

/// A question about the newest attempt that has no answer yet. What the venue says is settled when it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Question {
    /// It was sent after the order's last chance.
    pub(crate) counts: bool,
    /// The venue shows the order.
    pub(crate) seen: bool,
    /// The answer takes its time.
    pub(crate) late: bool,
}

/// What the living process remembers and a crash forgets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Memory {
    /// Open questions, by endpoint.
    pub(crate) asked: [Option<Question>; ENDPOINTS],
    /// Misses of the running round that count.
    pub(crate) round: [bool; ENDPOINTS],
    /// Complete rounds.
    pub(crate) rounds: u8,
    /// Some reading found nothing, whether it counts or not.
    pub(crate) missed: bool,
    /// The positions were read after the order's last chance, and are explained without it.
    pub(crate) explained: bool,
    /// Something may be done that was not yet done in this tick.
    pub(crate) due: bool,
    /// Only for a worker that counts its attempts in memory: the next number.
    pub(crate) next: u8,
}

/// Where one request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// On its way.
    Wire,
    /// Admitted that many ticks ago: open, and on no list yet.
    Hidden(i8),
    /// Filled, and shown to whoever asks.
    Shown,
}

/// One request, until the venue refuses it or the wire loses it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Request {
    /// Under which id: the number of the attempt.
    pub(crate) attempt: u8,
    /// Where it is.
    pub(crate) place: Place,
    /// The wire held it up.
    pub(crate) late: bool,
    /// The process that sent it is dead: its answer reaches nobody.
    pub(crate) orphan: bool,
}

/// What a reply says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Word {
    /// Taken; nothing else.
    Taken,
    /// Not taken, for a reason that passes.
    NotNow,
    /// Not taken, for good.
    Never,
    /// The venue does not know.
    Unsure,
    /// An order with this id is open.
    Duplicate,
    /// The shell did not send it in time.
    NotSent,
}

/// A reply on its way to the living process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Reply {
    /// To which attempt.
    pub(crate) attempt: u8,
    /// What it says.
    pub(crate) word: Word,
    /// It takes its time.
    pub(crate) late: bool,
}

/// Everything at one instant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct World {
    /// How far the worker's view of the venue's clock is ahead.
    pub(crate) skew: i8,
    /// Crashes so far.
    pub(crate) crashes: u8,
    /// Faults so far.
    pub(crate) faults: u8,
    /// The journal, by attempt.
    pub(crate) rows: Vec<Row>,
    /// The living process, if it lives.
    pub(crate) memory: Option<Memory>,
    /// Requests on the wire and orders at the venue, sorted.
    pub(crate) requests: Vec<Request>,
    /// Replies to the living process, sorted.
    pub(crate) replies: Vec<Reply>,
    /// How often each id went out as a placement.
    pub(crate) placed: Vec<u8>,
}

impl World {
    /// A worker that is about to place its order.
    pub(crate) fn new(skew: i8) -> Self {
        Self {
            skew,
            crashes: 0,
            faults: 0,
            rows: Vec::new(),
            memory: Some(Memory::default()),
            requests: Vec::new(),
            replies: Vec::new(),
            placed: Vec::new(),
        }
    }

    /// How the newest attempt stands.
    pub(crate) fn life(&self) -> Option<Life> {
        self.rows.last().map(|row| row.life)
    }

    /// The venue shows an order of this attempt to whoever asks.
    pub(crate) fn shows(&self, attempt: usize) -> bool {
        self.requests.iter().any(|r| usize::from(r.attempt) == attempt && r.place == Place::Shown)
    }

    /// A request of an attempt may still be accepted, by the venue's own clock.
    pub(crate) fn is_valid(&self, request: &Request) -> bool {
        // One without an intent has no bound that anybody knows.
        self.rows.get(usize::from(request.attempt)).is_none_or(|row| row.till + self.skew >= 0)
    }

    /// The request is an order at the venue, or may still become one.
    pub(crate) fn may_live(&self, request: &Request) -> bool {
        request.place != Place::Wire || self.is_valid(request)
    }

    /// Something undelayed is on its way to that attempt's outcome.
    pub(crate) fn is_awaited(&self, attempt: usize) -> bool {
        self.requests
            .iter()
            .any(|r| usize::from(r.attempt) == attempt && r.place == Place::Wire && !r.late && !r.orphan)
            || self.replies.iter().any(|r| usize::from(r.attempt) == attempt && !r.late)
    }

    /// Time may pass: nothing that is not held up is on its way, and the worker has done what is due.
    pub(crate) fn is_quiet(&self) -> bool {
        let on_its_way = self.requests.iter().any(|r| r.place == Place::Wire && !r.late)
            || self.replies.iter().any(|reply| !reply.late);
        let busy = self.memory.as_ref().is_some_and(|memory| {
            // The shell gives every outcome before `not_after`.
            let overdue = self.rows.last().is_some_and(|row| row.life == Life::Sent && row.till <= 0);
            memory.due || memory.asked.iter().flatten().any(|question| !question.late) || overdue
        });
        !on_its_way && !busy
    }

    /// Nothing about the order is open any more, and nothing about it is on its way.
    pub(crate) fn is_over(&self) -> bool {
        let settled = matches!(self.life(), Some(Life::Filled | Life::Adopted | Life::Refused));
        settled && self.replies.is_empty() && self.requests.iter().all(|r| r.place == Place::Shown)
    }

    /// One tick passes.
    pub(crate) fn tick(&mut self) {
        self.rows.iter_mut().for_each(Row::age);
        for request in &mut self.requests {
            if let Place::Hidden(age) = request.place {
                request.place = if age < ENGINE_BOUND { Place::Hidden(age + 1) } else { Place::Shown };
            }
        }
        let stirs = self.life().is_some_and(|life| life.is_asked_about() || matches!(life, Life::Again | Life::Unsent));
        if let Some(memory) = &mut self.memory {
            memory.due = stirs;
        }
    }

    /// The process dies: its memory goes, and so do the replies it waited for.
    pub(crate) fn crash(&mut self) {
        self.crashes += 1;
        self.memory = None;
        self.replies.clear();
        for request in self.requests.iter_mut().filter(|r| r.place == Place::Wire) {
            request.orphan = true;
        }
        self.sort();
    }

    /// A request leaves under the id of an attempt.
    pub(crate) fn send(&mut self, attempt: u8) {
        let index = usize::from(attempt);
        if self.placed.len() <= index {
            self.placed.resize(index + 1, 0);
        }
        self.placed[index] += 1;
        self.requests.push(Request { attempt, place: Place::Wire, late: false, orphan: self.memory.is_none() });
        self.sort();
    }

    /// Equal sets are equal worlds.
    pub(crate) fn sort(&mut self) {
        self.requests.sort_unstable();
        self.replies.sort_unstable();
    }
}
