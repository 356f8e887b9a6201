//! Two hosts and one account: who may append, who may take over, and what of either can still reach the exchange.
//!
//! Nothing waits for anything that is not written here: a process that is stopped for any time between two of its steps
//! is one whose steps come late. Time is counted in ticks and kept relative.

use stateright::{Model, Property};

/// How long after a decision its request may still be accepted.
const REACH: i8 = 2;
/// What the database reckons with: more, since the end of one and the beginning of the other may be one instant.
const RECKONED: i8 = REACH + 1;
/// A host's lease.
const TERM: i8 = 2 * RECKONED;
/// Past this nothing changes any more.
const FLOOR: i8 = -1;
/// Changes of the owner within which everything is looked at.
const EPOCHS: u8 = 6;

/// What decides who may do what; all but the first are as good-looking as wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// As it is.
    Sound,
    /// An append asks for the epoch, and not how long the lease runs.
    EpochAlone,
    /// An append asks that the lease runs, for however short a time.
    LeaseAlive,
    /// What is handed over is free at once.
    HandedOverAtOnce,
    /// A process that begins under a name has what the one before had at once.
    NameIsEnough,
    /// An append asks for a lease and not for the epoch.
    LeaseAlone,
    /// The database reckons with the very time that a request may be accepted for.
    WithoutSlack,
}

pub(crate) const NAIVE: [Rule; 6] = [
    Rule::EpochAlone,
    Rule::LeaseAlive,
    Rule::HandedOverAtOnce,
    Rule::NameIsEnough,
    Rule::LeaseAlone,
    Rule::WithoutSlack,
];

/// A life of a process: the host's place, and how many it has had.
type Owner = (u8, u8);

/// A request that is allowed to leave, or has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Request {
    owner: Owner,
    epoch: u8,
    /// Ticks until it cannot be accepted any more.
    till: i8,
}

/// What a process knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Process {
    is_up: bool,
    lives: u8,
    /// The epoch it owns the account under, as it believes.
    owns: Option<u8>,
    /// What it has decided to send, and not appended: how long that would be good for.
    decided: Option<i8>,
    /// What it appended, and not sent.
    allowed: Option<Request>,
}

/// Everything at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    epoch: u8,
    /// Under which epoch the last append was.
    appended: u8,
    holder: Option<u8>,
    /// Ticks until whoever comes next may begin.
    free: i8,
    /// What is left of each host's lease; nothing where its run has ended.
    leases: [Option<i8>; 2],
    processes: [Process; 2],
    flying: Vec<Request>,
    kills: u8,
    /// An append came after one of a higher epoch.
    went_back: bool,
    taken_over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Tick,
    Begin(u8),
    Renew(u8),
    Claim(u8),
    Acquire(u8),
    Decide(u8),
    Append(u8),
    Send(u8),
    Release(u8),
    Kill(u8),
    Arrive(u8),
}

/// The protocol within a bound.
pub(crate) struct Leases {
    pub(crate) kills: u8,
    pub(crate) rule: Rule,
}

impl World {
    fn process(&mut self, host: u8) -> &mut Process {
        &mut self.processes[usize::from(host)]
    }

    fn lease(&self, host: u8) -> Option<i8> {
        self.leases[usize::from(host)]
    }

    fn let_go(&mut self, host: u8, free: i8) {
        if self.holder == Some(host) {
            self.holder = None;
            self.epoch += 1;
            self.free = free;
        }
    }

    fn tick(&mut self) {
        let down = |ticks: &mut i8| *ticks = (*ticks - 1).max(FLOOR);
        down(&mut self.free);
        self.free = self.free.max(0);
        self.leases.iter_mut().flatten().for_each(down);
        for process in &mut self.processes {
            process.decided.iter_mut().for_each(down);
            process.allowed.iter_mut().for_each(|request| down(&mut request.till));
        }
        self.flying.iter_mut().for_each(|request| down(&mut request.till));
        // The exchange refuses what is too old, and a backend does not send it.
        self.flying.retain(|request| request.till >= 0);
        for process in &mut self.processes {
            process.allowed = process.allowed.filter(|request| request.till >= 0);
            process.decided = process.decided.filter(|till| *till >= 0);
        }
    }

    fn admissible(&self) -> impl Iterator<Item = &Request> {
        self.processes.iter().filter_map(|process| process.allowed.as_ref()).chain(&self.flying)
    }
}

impl Leases {
    fn reckoned(&self) -> i8 {
        if self.rule == Rule::WithoutSlack { REACH } else { RECKONED }
    }

    fn may_append(&self, world: &World, host: u8, epoch: u8) -> bool {
        let (is_owner, lease) = (world.epoch == epoch, world.lease(host));
        match self.rule {
            Rule::EpochAlone => is_owner,
            Rule::LeaseAlive => is_owner && lease.is_some_and(|left| left >= 0),
            Rule::LeaseAlone => lease.is_some_and(|left| left >= RECKONED),
            Rule::Sound | Rule::HandedOverAtOnce | Rule::NameIsEnough | Rule::WithoutSlack => {
                is_owner && lease.is_some_and(|left| left >= self.reckoned())
            }
        }
    }
}

impl Model for Leases {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            epoch: 0,
            appended: 0,
            holder: None,
            free: 0,
            leases: [None; 2],
            processes: [Process::default(); 2],
            flying: Vec::new(),
            kills: 0,
            went_back: false,
            taken_over: false,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        actions.push(Action::Tick);
        for host in 0..2 {
            let process = &world.processes[usize::from(host)];
            if !process.is_up {
                if process.lives <= self.kills {
                    actions.push(Action::Begin(host));
                }
                continue;
            }
            actions.push(Action::Renew(host));
            if world.epoch < EPOCHS {
                actions.push(Action::Claim(host));
                if world.holder == Some(host) && process.owns.is_none() {
                    actions.push(Action::Acquire(host));
                }
                if world.holder == Some(host) {
                    actions.push(Action::Release(host));
                }
            }
            if process.owns.is_some() && process.decided.is_none() && process.allowed.is_none() {
                actions.push(Action::Decide(host));
            }
            if process.owns.is_some() && process.decided.is_some() {
                actions.push(Action::Append(host));
            }
            if process.allowed.is_some() {
                actions.push(Action::Send(host));
            }
            if world.kills < self.kills {
                actions.push(Action::Kill(host));
            }
        }
        for place in 0..world.flying.len() {
            actions.push(Action::Arrive(u8::try_from(place).unwrap()));
        }
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        match action {
            Action::Tick => world.tick(),
            Action::Begin(host) => {
                world.let_go(host, if self.rule == Rule::NameIsEnough { 0 } else { self.reckoned() });
                world.leases[usize::from(host)] = Some(TERM);
                let process = world.process(host);
                *process = Process { is_up: true, lives: process.lives + 1, ..Process::default() };
            }
            Action::Renew(host) => match world.lease(host) {
                Some(_) => world.leases[usize::from(host)] = Some(TERM),
                None => end(&mut world, host),
            },
            Action::Claim(host) => {
                for other in 0..2 {
                    if world.lease(other).is_some_and(|left| left <= 0) {
                        world.leases[usize::from(other)] = None;
                        // Its lease outlived whatever it may have sent.
                        world.let_go(other, 0);
                    }
                }
                if world.lease(host).is_none() {
                    end(&mut world, host);
                } else if world.holder.is_none() && world.free <= 0 {
                    world.holder = Some(host);
                    world.epoch += 1;
                    world.taken_over |= world.appended > 0;
                }
            }
            Action::Acquire(host) => {
                world.epoch += 1;
                let epoch = world.epoch;
                world.process(host).owns = Some(epoch);
            }
            Action::Decide(host) => {
                world.process(host).decided = Some(REACH);
            }
            Action::Append(host) => {
                let process = world.processes[usize::from(host)];
                let (epoch, till) = (process.owns?, process.decided?);
                if world.lease(host).is_some() && world.epoch == epoch && self.rule == Rule::Sound {
                    // Too little of the lease is asked for more.
                    world.leases[usize::from(host)] = Some(TERM.max(world.lease(host)?));
                }
                if self.may_append(&world, host, epoch) {
                    world.went_back |= epoch < world.appended;
                    world.appended = world.appended.max(epoch);
                    let owner = (host, process.lives);
                    world.process(host).allowed = Some(Request { owner, epoch, till });
                    world.process(host).decided = None;
                } else {
                    // The worker ends; it may begin again where the account is still its host's.
                    (world.process(host).owns, world.process(host).decided) = (None, None);
                }
            }
            Action::Send(host) => {
                let request = world.process(host).allowed.take()?;
                if world.flying.len() < 2 {
                    world.flying.push(request);
                    world.flying.sort_unstable();
                }
            }
            Action::Release(host) => {
                world.let_go(host, if self.rule == Rule::HandedOverAtOnce { 0 } else { self.reckoned() });
                // Its worker is told to end, which it does at some time.
            }
            Action::Kill(host) => {
                world.kills += 1;
                end(&mut world, host);
            }
            Action::Arrive(place) => {
                world.flying.remove(usize::from(place));
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_OWNER, |_, world: &World| {
                let mut owners = world.admissible().map(|request| request.owner);
                let first = owners.next();
                owners.all(|owner| Some(owner) == first)
            }),
            Property::always(FORWARD, |_, world: &World| !world.went_back),
            Property::sometimes(TAKEN_OVER, |_, world: &World| world.taken_over),
            Property::sometimes(BOTH, |_, world: &World| {
                world.processes.iter().filter(|process| process.owns.is_some()).count() == 2
            }),
        ]
    }
}

/// Whatever the process had in hand is gone; what it sent is not.
fn end(world: &mut World, host: u8) {
    let process = world.process(host);
    *process = Process { lives: process.lives, ..Process::default() };
}

/// At no instant can requests of two owners be accepted.
pub(crate) const ONE_OWNER: &str = "one owner at a time can be heard";
/// No append comes after one of a higher epoch.
pub(crate) const FORWARD: &str = "epochs only rise";
pub(crate) const TAKEN_OVER: &str = "an account is taken over";
/// Two processes believe that the account is theirs.
pub(crate) const BOTH: &str = "two believe that they own it";
