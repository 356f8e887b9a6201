//! What the worker of the model does with one input: the protocol of placement and recovery, and the rules
//! that look as good and are not.

use super::world::{ENDPOINTS, Life, Memory, Question, ROUNDS, Row, Word, World};

/// Which protocol the worker follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The one of the core.
    Sound,
    /// Naive: what one reading does not show does not exist.
    NotFoundOnce,
    /// Naive: one reading proves absence if its answer arrives after the order's last chance.
    AnsweredAfter,
    /// Naive: one reading proves absence if it was sent after the last chance on our own clock.
    ErrorForgotten,
    /// Naive: one reading that was sent after the last chance proves absence; the positions are not read.
    OneReading,
    /// Naive: the request leaves, then the intent is made durable.
    SendFirst,
    /// Naive: no answer means that it did not happen.
    RetryOnUnknown,
    /// Naive: "there is an order with this id" means that ours was refused.
    DuplicateIsRefusal,
    /// Naive: attempts are counted in memory.
    AttemptInMemory,
}

/// What reaches the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// The position is ready for its order.
    Open,
    /// The process starts with the journal it finds.
    Start,
    /// An instant it waited for has come.
    Wake,
    /// The answer to a placement.
    Outcome(u8, Word),
    /// An endpoint answers the open question.
    Answer(usize),
    /// An endpoint answers in part, and does not show the order.
    Partial(usize),
    /// The open question gets no answer.
    NoAnswer(usize),
    /// The stream shows an attempt's fill.
    Push(u8),
}

/// What became of one input: the world with the new rows and memory, and under which id a request leaves.
pub(crate) fn react(world: &World, rule: Rule, input: Input) -> (World, Option<u8>) {
    let mut worker = Worker { world: world.clone(), rule, sends: None };
    worker.take(input);
    worker.pursue();
    (worker.world, worker.sends)
}

struct Worker {
    world: World,
    rule: Rule,
    sends: Option<u8>,
}

impl Worker {
    fn take(&mut self, input: Input) {
        match input {
            Input::Open => self.intend(),
            Input::Start => self.start(),
            Input::Wake => {}
            Input::Outcome(attempt, word) => self.outcome(usize::from(attempt), word),
            Input::Answer(endpoint) => self.answer(endpoint),
            Input::Partial(endpoint) => drop(self.forget_question(endpoint)),
            Input::NoAnswer(endpoint) => {
                self.forget_question(endpoint);
                self.memory(|memory| memory.due = false);
            }
            Input::Push(attempt) => self.found(usize::from(attempt)),
        }
    }

    fn memory(&mut self, change: impl FnOnce(&mut Memory)) {
        if let Some(memory) = &mut self.world.memory {
            change(memory);
        }
    }

    fn forget_question(&mut self, endpoint: usize) -> Option<Question> {
        self.world.memory.as_mut().and_then(|memory| memory.asked[endpoint].take())
    }

    /// Makes the next attempt durable and lets its request go.
    fn intend(&mut self) {
        let next = self.world.memory.as_ref().map_or(0, |memory| memory.next);
        let in_memory = self.rule == Rule::AttemptInMemory;
        let attempt = if in_memory { usize::from(next) } else { self.world.rows.len() };
        match self.world.rows.get_mut(attempt) {
            Some(row) => *row = Row::intended(),
            None => self.world.rows.push(Row::intended()),
        }
        self.memory(|memory| *memory = Memory { next: if in_memory { next + 1 } else { 0 }, ..Memory::default() });
        self.sends = u8::try_from(attempt).ok();
    }

    /// Whatever was under way when the process died is in doubt.
    fn start(&mut self) {
        for row in &mut self.world.rows {
            if matches!(row.life, Life::Sent | Life::Unsent) {
                row.life = Life::Doubt;
            }
        }
        let doubt = self.world.life() == Some(Life::Doubt);
        let explained = doubt && self.reads_explained();
        self.world.memory = Some(Memory { due: doubt, explained, ..Memory::default() });
    }

    /// A reading of the positions, taken now, proves that no fill of the newest attempt is missing.
    fn reads_explained(&self) -> bool {
        let settled = self.world.rows.last().is_some_and(Row::is_settled);
        settled && !(0..self.world.rows.len()).any(|attempt| self.world.shows(attempt))
    }

    fn outcome(&mut self, attempt: usize, word: Word) {
        let Some(row) = self.world.rows.get_mut(attempt) else { return };
        let retry = (word == Word::Unsure && self.rule == Rule::RetryOnUnknown)
            || (word == Word::Duplicate && self.rule == Rule::DuplicateIsRefusal);
        let was = row.life;
        row.life = match (was, word) {
            (Life::Sent | Life::Doubt | Life::Again | Life::Refused | Life::Absent, Word::Taken) => Life::Working,
            (Life::Sent, Word::NotNow) => Life::Again,
            (Life::Sent, Word::Unsure | Word::Duplicate) if retry => Life::Again,
            (Life::Sent, Word::Never) => Life::Refused,
            (Life::Sent, Word::NotSent) => Life::Unsent,
            (Life::Sent, Word::Unsure | Word::Duplicate) => Life::Doubt,
            _ => was,
        };
        let now = row.life;
        if was == Life::Sent {
            // A doubt is looked into at once, a fill is waited for a little.
            self.memory(|memory| memory.due = now == Life::Doubt);
        }
    }

    /// The order exists and is filled.
    fn found(&mut self, attempt: usize) {
        let Some(row) = self.world.rows.get_mut(attempt) else { return };
        row.life = match row.life {
            Life::Sent | Life::Unsent | Life::Working | Life::Filled => Life::Filled,
            Life::Doubt | Life::Again | Life::Refused | Life::Absent | Life::Adopted => Life::Adopted,
        };
        self.memory(|memory| *memory = Memory { next: memory.next, ..Memory::default() });
    }

    fn answer(&mut self, endpoint: usize) {
        let Some(question) = self.forget_question(endpoint) else { return };
        let Some(row) = self.world.rows.last().filter(|row| row.life.is_asked_about()).cloned() else { return };
        if question.seen {
            self.found(self.world.rows.len().saturating_sub(1));
            return;
        }
        self.memory(|memory| memory.missed = true);
        if row.life == Life::Doubt {
            let enough = match self.rule {
                Rule::NotFoundOnce => true,
                Rule::AnsweredAfter => row.is_settled(),
                Rule::ErrorForgotten | Rule::OneReading => question.counts,
                _ => false,
            };
            if enough {
                self.absent();
                return;
            }
        }
        if question.counts {
            self.memory(|memory| memory.count(endpoint));
        }
    }

    /// The newest attempt never existed: the next one may go out.
    fn absent(&mut self) {
        if let Some(row) = self.world.rows.last_mut() {
            row.life = Life::Absent;
        }
        self.intend();
    }

    /// Does whatever the newest attempt needs now, whatever came in.
    fn pursue(&mut self) {
        let Some(row) = self.world.rows.last().cloned() else { return };
        match row.life {
            Life::Unsent if row.is_aged() => {
                if let Some(row) = self.world.rows.last_mut() {
                    *row = Row::intended();
                }
                self.memory(|memory| memory.due = false);
                self.sends = u8::try_from(self.world.rows.len().saturating_sub(1)).ok();
            }
            Life::Again if row.is_aged() => self.intend(),
            Life::Doubt | Life::Working => self.look(&row),
            _ => self.memory(|memory| memory.due = false),
        }
    }

    /// Asks about the newest attempt, or concludes.
    fn look(&mut self, row: &Row) {
        let Some(memory) = self.world.memory.clone() else { return };
        if memory.rounds >= ROUNDS {
            let explained = memory.explained || (memory.due && self.reads_explained());
            self.memory(|memory| (memory.due, memory.explained) = (false, explained));
            if explained && row.life == Life::Doubt {
                self.absent();
            }
            return;
        }
        if !memory.due {
            return;
        }
        let counts = match self.rule {
            Rule::ErrorForgotten => row.till < -super::world::ENGINE_BOUND,
            _ => row.is_settled(),
        };
        // Before the last chance, and while nothing speaks against a fill, the id alone is asked for.
        let everywhere = counts && (row.life == Life::Doubt || memory.missed);
        let seen = self.world.shows(self.world.rows.len().saturating_sub(1));
        self.memory(|memory| {
            memory.due = false;
            for endpoint in 0..if everywhere { ENDPOINTS } else { 1 } {
                if !memory.round[endpoint] && memory.asked[endpoint].is_none() {
                    memory.asked[endpoint] = Some(Question { counts, seen, late: false });
                }
            }
        });
    }
}

impl Memory {
    /// A miss of a question that was sent after the last chance.
    fn count(&mut self, endpoint: usize) {
        self.round[endpoint] = true;
        self.due = !self.round.iter().all(|missed| *missed);
        if !self.due {
            self.round = [false; ENDPOINTS];
            self.rounds += 1;
        }
    }
}
