//! The model as a graph: which steps are possible in a world, where they lead, and what must hold.

use stateright::{Model, Property};

use super::worker::{Input, Rule, react};
use super::world::{ENDPOINTS, Life, Place, Question, Reply, Request, Word, World};

/// Where a process dies while it handles an input. Dying before the append is the same as dying before the
/// input ([`Action::Crash`]): the reply it read dies with it. So is dying after the request left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    /// It lives.
    Spared,
    /// Between the two halves of a step: the intent is durable, and its request never left.
    Between,
}

/// How the venue answers a request that is in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    /// It takes the order and says so.
    Taken,
    /// Fault: it refuses for now.
    NotNow,
    /// Fault: it refuses for good.
    Never,
    /// Fault: it takes the order and says that it does not know.
    UnsureTaken,
    /// Fault: it drops the order and says that it does not know.
    UnsureDropped,
    /// Fault: a gateway repeats the request; the order is taken, and the answer is that of the copy.
    Doubled,
}

/// One step. Numbers are places in the sorted lists of requests and replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Time passes.
    Tick,
    /// The process dies between two inputs.
    Crash,
    /// The worker takes an input.
    Worker(Input, Death),
    /// No outcome came in time: the shell says that it is unknown.
    Timeout,
    /// A reply is delivered.
    Reply(usize, Death),
    /// Fault: a reply is delivered and will be once more.
    ReplyTwice(usize),
    /// Fault.
    LoseReply(usize),
    /// Fault.
    DelayReply(usize),
    /// A request reaches the venue.
    Arrive(usize, Answered),
    /// Fault.
    LoseRequest(usize),
    /// Fault.
    DelayRequest(usize),
    /// Fault: the shell was too slow to sign it.
    NeverLeft(usize),
    /// An order appears on the venue's lists.
    Show(usize),
    /// Fault: the open question or its answer is held up.
    DelayAnswer(usize),
    /// What was held up is the question: it finds what the venue shows now.
    Reach(usize),
    /// Fault: the question is answered from a copy of the venue's data that has not heard of the order.
    Lie(usize),
    /// Fault: the answer lacks pages and does not show the order.
    Partial(usize),
    /// Fault: the open question gets no answer.
    LoseAnswer(usize),
}

/// One logical order, one worker, one venue; so many crashes, so many faults.
#[derive(Debug, Clone)]
pub(crate) struct Protocol {
    /// At most so many.
    pub(crate) crashes: u8,
    /// At most so many.
    pub(crate) faults: u8,
    /// Whether a venue may miss an order that it must show.
    pub(crate) lies: bool,
    /// What the worker does.
    pub(crate) rule: Rule,
}

impl Protocol {
    /// Every step that may be possible; [`Model::next_state`] leaves out what is not.
    fn offer(&self, world: &World, actions: &mut Vec<Action>) {
        let deaths: &[Death] =
            if world.crashes < self.crashes { &[Death::Spared, Death::Between] } else { &[Death::Spared] };
        let worker = |input: Input| deaths.iter().map(move |death| Action::Worker(input, *death));
        if world.is_quiet() {
            actions.push(Action::Tick);
        }
        match &world.memory {
            None => actions.extend(worker(Input::Start)),
            Some(memory) => {
                if world.crashes < self.crashes {
                    actions.push(Action::Crash);
                }
                if world.rows.is_empty() {
                    actions.extend(worker(Input::Open));
                }
                if memory.due {
                    actions.extend(worker(Input::Wake));
                }
                let open = world.rows.len().saturating_sub(1);
                if world.life() == Some(Life::Sent) && !world.is_awaited(open) {
                    actions.push(Action::Timeout);
                }
                for (endpoint, question) in memory.asked.iter().enumerate().filter_map(|(e, q)| Some((e, (*q)?))) {
                    actions.extend(worker(Input::Answer(endpoint)));
                    if question.late && !question.seen && world.shows(open) {
                        actions.push(Action::Reach(endpoint));
                    }
                }
                for request in world.requests.iter().filter(|r| r.place != Place::Wire) {
                    actions.push(Action::Worker(Input::Push(request.attempt), Death::Spared));
                }
                for reply in 0..world.replies.len() {
                    actions.extend(deaths.iter().map(|death| Action::Reply(reply, *death)));
                }
            }
        }
        for (index, request) in world.requests.iter().enumerate() {
            match request.place {
                Place::Wire => actions.push(Action::Arrive(index, Answered::Taken)),
                Place::Hidden(_) => actions.push(Action::Show(index)),
                Place::Shown => {}
            }
        }
        if world.faults < self.faults {
            offer_faults(world, actions);
            let seen = |endpoint: &usize| {
                world.memory.iter().any(|memory| memory.asked[*endpoint].is_some_and(|question| question.seen))
            };
            actions.extend((0..ENDPOINTS).filter(|e| self.lies && seen(e)).map(Action::Lie));
        }
    }

    fn step(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::Tick => next.tick(),
            Action::Crash => next.crash(),
            Action::Worker(input, death) => return self.worker(world, input, death),
            Action::Timeout => {
                let open = u8::try_from(world.rows.len().checked_sub(1)?).ok()?;
                return self.worker(world, Input::Outcome(open, Word::Unsure), Death::Spared);
            }
            Action::Reply(index, death) => {
                let reply = next.replies.remove(index);
                return self.worker(&next, Input::Outcome(reply.attempt, reply.word), death);
            }
            Action::ReplyTwice(index) => {
                let reply = next.replies[index].clone();
                next.replies[index].late = true;
                next.sort();
                return self.worker(&next, Input::Outcome(reply.attempt, reply.word), Death::Spared);
            }
            Action::LoseReply(index) => drop(next.replies.remove(index)),
            Action::DelayReply(index) => next.replies[index].late = true,
            Action::Arrive(index, answered) => arrive(&mut next, index, answered)?,
            Action::LoseRequest(index) => drop(next.requests.remove(index)),
            Action::DelayRequest(index) => next.requests[index].late = true,
            Action::NeverLeft(index) => {
                let request = next.requests.remove(index);
                next.placed[usize::from(request.attempt)] -= 1;
                reply(&mut next, &request, Word::NotSent);
            }
            Action::Show(index) => next.requests[index].place = Place::Shown,
            Action::DelayAnswer(endpoint) => question(&mut next, endpoint)?.late = true,
            Action::Reach(endpoint) => question(&mut next, endpoint)?.seen = true,
            Action::Lie(endpoint) => question(&mut next, endpoint)?.seen = false,
            Action::Partial(endpoint) => return self.worker(world, Input::Partial(endpoint), Death::Spared),
            Action::LoseAnswer(endpoint) => return self.worker(world, Input::NoAnswer(endpoint), Death::Spared),
        }
        next.sort();
        Some(next)
    }

    /// One input of the worker, both halves of what it does with it, and where it dies.
    fn worker(&self, world: &World, input: Input, death: Death) -> Option<World> {
        let (mut next, sends) = react(world, self.rule, input);
        let first = self.rule == Rule::SendFirst;
        match (death, sends) {
            (Death::Spared, Some(attempt)) => next.send(attempt),
            (Death::Spared, None) => {}
            (Death::Between, Some(attempt)) => {
                if first {
                    next.rows.clone_from(&world.rows);
                    next.send(attempt);
                }
                next.crash();
            }
            (Death::Between, None) => return None,
        }
        Some(next)
    }
}

fn offer_faults(world: &World, actions: &mut Vec<Action>) {
    for (index, request) in world.requests.iter().enumerate().filter(|(_, r)| r.place == Place::Wire && !r.late) {
        actions.extend([Action::LoseRequest(index), Action::DelayRequest(index)]);
        if !request.orphan {
            actions.push(Action::NeverLeft(index));
        }
        let answers =
            [Answered::NotNow, Answered::Never, Answered::UnsureTaken, Answered::UnsureDropped, Answered::Doubled];
        actions.extend(answers.map(|answered| Action::Arrive(index, answered)));
    }
    // What the shell itself says is neither lost nor held up.
    for (index, _) in world.replies.iter().enumerate().filter(|(_, r)| !r.late && r.word != Word::NotSent) {
        actions.extend([Action::LoseReply(index), Action::DelayReply(index), Action::ReplyTwice(index)]);
    }
    for (endpoint, asked) in world.memory.iter().flat_map(|memory| memory.asked.iter().enumerate()) {
        if asked.is_some_and(|question| !question.late) {
            actions.extend([Action::DelayAnswer(endpoint), Action::LoseAnswer(endpoint), Action::Partial(endpoint)]);
        }
    }
}

fn question(world: &mut World, endpoint: usize) -> Option<&mut Question> {
    world.memory.as_mut()?.asked[endpoint].as_mut()
}

/// The venue takes up a request.
fn arrive(world: &mut World, index: usize, answered: Answered) -> Option<()> {
    let request = world.requests[index].clone();
    let same = |r: &Request| r.attempt == request.attempt && matches!(r.place, Place::Hidden(_));
    let (taken, word) = if !world.is_valid(&request) {
        (false, Word::NotNow)
    } else if world.requests.iter().any(same) {
        // Unique among open orders only: once the first is filled, the id is taken again.
        (false, Word::Duplicate)
    } else {
        match answered {
            Answered::Taken => (true, Word::Taken),
            Answered::NotNow => (false, Word::NotNow),
            Answered::Never => (false, Word::Never),
            Answered::UnsureTaken => (true, Word::Unsure),
            Answered::UnsureDropped => (false, Word::Unsure),
            Answered::Doubled => (true, Word::Duplicate),
        }
    };
    if taken {
        world.requests[index].place = Place::Hidden(0);
        world.requests[index].orphan = false;
    } else {
        world.requests.remove(index);
    }
    reply(world, &request, word);
    Some(())
}

fn reply(world: &mut World, request: &Request, word: Word) {
    if !request.orphan {
        world.replies.push(Reply { attempt: request.attempt, word, late: false });
    }
    world.sort();
}

impl Action {
    /// A fault or a crash.
    pub(crate) const fn is_hostile(self) -> bool {
        let dies = matches!(self, Self::Crash | Self::Worker(_, Death::Between) | Self::Reply(_, Death::Between));
        dies || self.is_fault()
    }

    /// What it takes from the budget of faults.
    const fn is_fault(self) -> bool {
        match self {
            Self::Arrive(_, answered) => !matches!(answered, Answered::Taken),
            Self::ReplyTwice(_)
            | Self::LoseReply(_)
            | Self::DelayReply(_)
            | Self::LoseRequest(_)
            | Self::DelayRequest(_)
            | Self::NeverLeft(_)
            | Self::DelayAnswer(_)
            | Self::Lie(_)
            | Self::Partial(_)
            | Self::LoseAnswer(_) => true,
            Self::Tick
            | Self::Crash
            | Self::Worker(..)
            | Self::Timeout
            | Self::Reply(..)
            | Self::Show(_)
            | Self::Reach(_) => false,
        }
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let error = super::world::CLOCK_ERROR;
        (-error..=error).map(World::new).collect()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        self.offer(world, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = self.step(world, action)?;
        next.faults += u8::from(action.is_fault());
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE, |_, world: &World| one_attempt(world)),
            Property::always(INTENT, |_, world: &World| intent_first(world)),
            Property::always(ONCE, |_, world: &World| world.placed.iter().all(|times| *times <= 1)),
            Property::always(VERDICT, |_, world: &World| verdicts_are_true(world)),
            Property::always(EVIDENCE, |_, world: &World| evidence_is_true(world)),
            Property::sometimes(FILLS, |_, world: &World| world.life() == Some(Life::Filled)),
            Property::sometimes(ADOPTED, |_, world: &World| world.crashes > 0 && world.life() == Some(Life::Adopted)),
            Property::sometimes(SECOND, |_, world: &World| second_attempt_fills(world)),
            Property::sometimes(LATE, |_, world: &World| {
                world.life() == Some(Life::Adopted)
                    && world.requests.iter().any(|r| r.late && usize::from(r.attempt) + 1 == world.rows.len())
            }),
            Property::sometimes(THREE, |_, world: &World| world.crashes == 3),
            // Without faults only a start puts an order in doubt: this process died while it was looking.
            Property::sometimes(IN_RECOVERY, |_, world: &World| {
                world.faults == 0 && world.crashes >= 2 && world.memory.is_none() && world.life() == Some(Life::Doubt)
            }),
        ]
    }
}

/// I1, I2: of all attempts at most one is at the venue or may still be accepted.
pub(crate) const ONE: &str = "at most one attempt is live or filled";
/// I13: whatever left has a row.
pub(crate) const INTENT: &str = "no request without a durable intent";
/// I13: an id is handed to the wire as a placement once.
pub(crate) const ONCE: &str = "no id is placed twice";
/// What is concluded not to exist neither does nor can.
pub(crate) const VERDICT: &str = "an absent or refused order never existed";
/// What is concluded to exist does.
pub(crate) const EVIDENCE: &str = "an accepted or filled order exists";
/// Without any trouble.
pub(crate) const FILLS: &str = "the order fills";
/// An order is adopted after a crash.
pub(crate) const ADOPTED: &str = "adopted after a crash";
/// The first attempt is proven absent, the second fills.
pub(crate) const SECOND: &str = "proven absent, then filled";
/// A request the wire held up is accepted while its sender doubts it, and adopted.
pub(crate) const LATE: &str = "accepted late and adopted";
/// The process dies three times.
pub(crate) const THREE: &str = "three crashes";
/// The process dies while it recovers.
pub(crate) const IN_RECOVERY: &str = "a crash in a recovery";

fn one_attempt(world: &World) -> bool {
    world.requests.iter().filter(|request| world.may_live(request)).count() <= 1
}

fn intent_first(world: &World) -> bool {
    world.requests.iter().all(|request| usize::from(request.attempt) < world.rows.len())
}

fn verdicts_are_true(world: &World) -> bool {
    let gone = |attempt: u8| {
        let row = world.rows.get(usize::from(attempt));
        row.is_some_and(|row| matches!(row.life, Life::Absent | Life::Again | Life::Refused | Life::Unsent))
    };
    world.requests.iter().all(|request| !gone(request.attempt) || !world.may_live(request))
}

fn evidence_is_true(world: &World) -> bool {
    world.rows.iter().zip(0u8..).all(|(row, attempt)| {
        let exists = world.requests.iter().any(|r| r.attempt == attempt && r.place != Place::Wire);
        !matches!(row.life, Life::Working | Life::Filled | Life::Adopted) || exists
    })
}

fn second_attempt_fills(world: &World) -> bool {
    world.rows.first().is_some_and(|row| row.life == Life::Absent)
        && world.rows.get(1).is_some_and(|row| matches!(row.life, Life::Filled | Life::Adopted))
}
