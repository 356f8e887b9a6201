//! The auditor sees everything: the venue's own book, what crossed the wire, what is durable, what the
//! workers believe. It shares no code with the engine it judges.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kraite_core::engine::{Engine, Request, State};
use kraite_core::exchange::{Direction, OrderShape, ReportStatus};
use kraite_core::id::{AccountTag, ClientOrderId, LogicalOrder, PositionNo, Role, Symbol};
use kraite_core::number::Qty;
use kraite_core::position::Phase;
use kraite_core::time::{Millis, VenueMillis};

use super::journal::ModelJournal;
use crate::venue::{OrderObject, Owner, Venue};

/// With its worker alive all the while, no position may be without a stop for longer than this: the
/// emergency bound of 30 s, and what a close needs to get through a hostile wire.
const UNPROTECTED_BOUND: Millis = Millis::from_secs(120);
/// Time without a stop that nothing explains: a message or two.
const UNEXPLAINED_BOUND: Millis = Millis::from_secs(1);
/// The most requests of one account in a minute: half of what the strictest venue takes.
const MAX_REQUESTS: usize = 300;
/// The most questions of one account in a minute.
const MAX_QUESTIONS: usize = 600;
const MINUTE: Millis = Millis::from_secs(60);
/// Findings kept; more are only counted.
const KEEP: usize = 64;

/// Something that must never happen, and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// I1: two attempts of one logical order are open together, and the wire is not to blame.
    Duplicate {
        /// Which position.
        position: PositionNo,
        /// Which logical order.
        logical: LogicalOrder,
        /// The orders.
        ids: Vec<ClientOrderId>,
    },
    /// I2: the attempts of one logical order filled more than was planned, and the wire is not to blame.
    Overfilled {
        /// Which position.
        position: PositionNo,
        /// Which logical order.
        logical: LogicalOrder,
        /// Planned.
        planned: Qty,
        /// Filled.
        filled: Qty,
    },
    /// I6: an order of ours is open that the journal does not know, or whose position is finished.
    Orphan {
        /// Which order.
        id: ClientOrderId,
        /// Why nobody owns it.
        why: &'static str,
    },
    /// I3: a target was handed to the wire before any stop of its position was at the venue.
    TargetBeforeStop {
        /// Which target.
        id: ClientOrderId,
    },
    /// I13: a request left whose intent is not durable, or says something else.
    NoIntent {
        /// Which order.
        id: ClientOrderId,
    },
    /// I13: one client id was placed twice by the worker.
    PlacedTwice {
        /// Which order.
        id: ClientOrderId,
    },
    /// I4: without a stop for too long although the worker lived.
    Unprotected {
        /// The interval.
        interval: Interval,
    },
    /// I4: without a stop and no window that explains it.
    Unexplained {
        /// The interval.
        interval: Interval,
    },
    /// I6: an order of somebody else was changed.
    ForeignTouched {
        /// What was asked.
        what: String,
    },
    /// I10: what was restored is not what was durable.
    RestoredDiffers {
        /// Which account.
        account: AccountTag,
    },
    /// The journal could not be folded.
    RestoreFailed {
        /// Which account.
        account: AccountTag,
        /// Why.
        reason: String,
    },
    /// The model journal did not answer at once.
    JournalBlocked {
        /// Which account.
        account: AccountTag,
    },
    /// The engine found a broken invariant of its own.
    Halted {
        /// Which position.
        position: PositionNo,
    },
    /// I7: a worker took back a fill that it had known.
    Shrunk {
        /// Of which order.
        id: ClientOrderId,
        /// What it knew.
        knew: Qty,
        /// What it knows now.
        knows: Qty,
    },
    /// I11: exposure on the side opposite to every position of ours, and no other hand in it.
    Flipped {
        /// On which contract.
        symbol: Symbol,
        /// On which side.
        direction: Direction,
        /// How much.
        qty: Qty,
    },
    /// I16: more requests or questions in a minute than any venue would take.
    Flood {
        /// What there was too much of.
        what: &'static str,
        /// How many in a minute.
        number: usize,
    },
    /// At the end, worker and venue disagree about the exposure.
    Disagree {
        /// Which position.
        position: PositionNo,
        /// What the worker believes.
        believed: Qty,
        /// What the venue has.
        actual: Qty,
    },
    /// At the end, a position is not where it should be.
    Unresolved {
        /// Which position.
        position: PositionNo,
        /// Where it is.
        phase: Phase,
    },
}

/// A time with exposure and no accepted stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    /// Whose.
    pub account: AccountTag,
    /// On which contract.
    pub symbol: Symbol,
    /// From.
    pub since: VenueMillis,
    /// Until.
    pub until: VenueMillis,
    /// The windows that explain it, each with the time it lasted; several may last together.
    pub windows: BTreeMap<&'static str, Millis>,
    /// Time in it that no window explains.
    pub unexplained: Millis,
    /// The longest time in it for which the worker lived without a break.
    pub alive: Millis,
    now: BTreeSet<&'static str>,
    alive_since: Option<VenueMillis>,
}

impl Interval {
    /// How long it was.
    #[must_use]
    pub fn length(&self) -> Millis {
        self.until.since(self.since)
    }

    /// Books the time since the last look on what was so then.
    fn pass(&mut self, now: VenueMillis) {
        let span = now.since(self.until);
        for window in &self.now {
            let share = self.windows.entry(window).or_insert(Millis(0));
            *share = share.plus(span);
        }
        if self.now.is_empty() {
            self.unexplained = self.unexplained.plus(span);
        }
        if let Some(since) = self.alive_since {
            self.alive = self.alive.max(now.since(since));
        }
        self.until = now;
    }
}

/// What the auditor says in the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Two attempts of one logical order alive together or filled above plan, not by the wire.
    pub duplicates: u64,
    /// Orders nobody owns.
    pub orphans: u64,
    /// Excess that a doubled request of the wire caused; detected and flattened, not preventable.
    pub wire_duplicates: u64,
    /// Every finding, duplicates and orphans included.
    pub violations: u64,
    /// The longest time with exposure and no accepted stop.
    pub max_unprotected: Millis,
    /// The windows that explain that longest time.
    pub max_unprotected_windows: BTreeSet<&'static str>,
    /// How many intervals each window explains, and the longest of them.
    pub windows: BTreeMap<&'static str, (u64, Millis)>,
    /// The first findings.
    pub findings: Vec<(VenueMillis, Finding)>,
}

/// The omniscient checker.
#[derive(Debug, Clone, Default)]
pub struct Auditor {
    verdict: Verdict,
    placed: BTreeMap<ClientOrderId, u32>,
    doubled: BTreeSet<ClientOrderId>,
    blamed: BTreeSet<ClientOrderId>,
    known: BTreeSet<ClientOrderId>,
    stopped: BTreeSet<(AccountTag, PositionNo)>,
    open: BTreeMap<(AccountTag, Symbol, Direction), Interval>,
    died_since: BTreeSet<AccountTag>,
    halted: BTreeSet<(AccountTag, PositionNo)>,
    executed: BTreeMap<ClientOrderId, Qty>,
    flipped: BTreeSet<(AccountTag, Symbol)>,
    requests: BTreeMap<AccountTag, VecDeque<VenueMillis>>,
    questions: BTreeMap<AccountTag, VecDeque<VenueMillis>>,
}

/// Notes one more and says how many there were in the last minute, once when there are too many.
fn too_many(times: &mut VecDeque<VenueMillis>, now: VenueMillis, most: usize) -> Option<usize> {
    while times.front().is_some_and(|first| now.since(*first) > MINUTE) {
        times.pop_front();
    }
    times.push_back(now);
    let number = times.len();
    if number <= most {
        return None;
    }
    times.clear();
    Some(number)
}

impl Auditor {
    /// Records a finding.
    pub fn report(&mut self, at: VenueMillis, finding: Finding) {
        self.verdict.violations += 1;
        match &finding {
            Finding::Duplicate { .. } | Finding::Overfilled { .. } | Finding::PlacedTwice { .. } => {
                self.verdict.duplicates += 1;
            }
            Finding::Orphan { .. } => self.verdict.orphans += 1,
            _ => {}
        }
        if self.verdict.findings.len() < KEEP {
            self.verdict.findings.push((at, finding));
        }
    }

    /// A worker died.
    pub fn died(&mut self, account: AccountTag, at: VenueMillis) {
        self.died_since.insert(account);
        for (key, interval) in &mut self.open {
            if key.0 == account {
                interval.pass(at);
                interval.now.insert("worker down");
                interval.alive_since = None;
            }
        }
    }

    /// What was restored must be what was durable, but for the new epoch and what starting changes.
    pub fn compare_restored(&mut self, account: AccountTag, before: &State, after: &State, at: VenueMillis) {
        let mut expected = before.clone();
        expected.epoch = after.epoch;
        if expected != *after {
            self.report(at, Finding::RestoredDiffers { account });
        }
    }

    /// A question leaves the worker.
    pub fn asked(&mut self, account: AccountTag, at: VenueMillis) {
        let times = self.questions.entry(account).or_default();
        if let Some(number) = too_many(times, at, MAX_QUESTIONS) {
            self.report(at, Finding::Flood { what: "questions", number });
        }
    }

    /// A request leaves the worker: its intent must be durable, its id fresh, its stop in place.
    pub fn handed_to_wire(&mut self, account: AccountTag, request: &Request, journal: &ModelJournal, at: VenueMillis) {
        let times = self.requests.entry(account).or_default();
        if let Some(number) = too_many(times, at, MAX_REQUESTS) {
            self.report(at, Finding::Flood { what: "requests", number });
        }
        let placements: Vec<(ClientOrderId, OrderShape)> = match request {
            Request::Place(order) => vec![(order.id, order.shape)],
            Request::PlacePair(pair) => {
                vec![(pair.stop.id, journal.shape(pair.stop.id)), (pair.target.id, journal.shape(pair.target.id))]
                    .into_iter()
                    .filter_map(|(id, shape)| shape.map(|shape| (id, shape)))
                    .collect()
            }
            Request::Amend(change, _) => {
                if journal.shape(change.order.id).is_none() {
                    self.report(at, Finding::ForeignTouched { what: format!("amend {:?}", change.order.id) });
                }
                return;
            }
            Request::Cancel(order) => {
                if order.id.key().account != account {
                    self.report(at, Finding::ForeignTouched { what: format!("cancel {:?}", order.id) });
                }
                return;
            }
            Request::SetMarginMode(..) | Request::SetLeverage(..) => return,
        };
        if placements.len() != request.sent().len() {
            for sent in request.sent() {
                if let kraite_core::engine::Sent::Place(id) = sent {
                    self.report(at, Finding::NoIntent { id });
                }
            }
        }
        for (id, shape) in placements {
            if journal.shape(id) != Some(shape) {
                self.report(at, Finding::NoIntent { id });
            }
            self.known.insert(id);
            let times = self.placed.entry(id).or_insert(0);
            *times += 1;
            if *times > 1 {
                self.report(at, Finding::PlacedTwice { id });
            }
            let key = id.key();
            let alone = matches!(request, Request::Place(_)) && key.logical.role == Role::Target;
            if alone && !self.stopped.contains(&(account, key.position)) {
                self.report(at, Finding::TargetBeforeStop { id });
            }
        }
    }

    /// A request reaches the venue; a copy was made by the wire.
    pub fn arrives(&mut self, request: &Request, copy: bool) {
        if copy {
            for sent in request.sent() {
                if let kraite_core::engine::Sent::Place(id) = sent {
                    self.doubled.insert(id);
                }
            }
        }
    }

    /// Looks at everything after an event.
    pub fn observe<'a>(
        &mut self,
        venue: &Venue,
        workers: impl Iterator<Item = (AccountTag, Option<&'a Engine>)>,
        now: VenueMillis,
    ) {
        let workers: Vec<(AccountTag, Option<&Engine>)> = workers.collect();
        self.look_at_open_orders(venue, now);
        for (account, engine) in &workers {
            if let Some(engine) = engine {
                self.look_at_beliefs(venue, *account, engine, now);
            }
            self.look_at_protection(venue, *account, *engine, now);
        }
    }

    fn look_at_open_orders(&mut self, venue: &Venue, now: VenueMillis) {
        let mut open: BTreeMap<(AccountTag, PositionNo, LogicalOrder), Vec<ClientOrderId>> = BTreeMap::new();
        let mut findings = Vec::new();
        for object in venue.open_orders() {
            let Some(id) = object.client_id() else { continue };
            let key = id.key();
            if !self.known.contains(&id) {
                findings.push(Finding::Orphan { id, why: "the journal never intended it" });
                self.known.insert(id);
            }
            if key.logical.role == Role::Stop {
                self.stopped.insert((object.account, key.position));
            }
            if object.parent.is_none() {
                open.entry((object.account, key.position, key.logical)).or_default().push(id);
            }
        }
        for ((_, position, logical), ids) in open {
            if ids.len() < 2 || logical.role.is_protective() {
                continue;
            }
            if ids.iter().any(|id| self.doubled.contains(id)) {
                self.blame_wire(&ids);
            } else if ids.iter().any(|id| self.blamed.insert(*id)) {
                findings.push(Finding::Duplicate { position, logical, ids });
            }
        }
        for finding in findings {
            self.report(now, finding);
        }
    }

    fn blame_wire(&mut self, ids: &[ClientOrderId]) {
        let fresh = ids.iter().filter(|id| self.doubled.contains(id)).any(|id| self.blamed.insert(*id));
        if fresh {
            self.verdict.wire_duplicates += 1;
        }
    }

    fn look_at_beliefs(&mut self, venue: &Venue, account: AccountTag, engine: &Engine, now: VenueMillis) {
        let mut findings = Vec::new();
        for position in engine.state().positions.values() {
            for order in position.orders.values() {
                let knows = order.executed().qty;
                let knew = self.executed.entry(order.id).or_insert(knows);
                if knows < *knew {
                    findings.push(Finding::Shrunk { id: order.id, knew: *knew, knows });
                }
                *knew = knows;
            }
            if position.halted && self.halted.insert((account, position.no)) {
                findings.push(Finding::Halted { position: position.no });
            }
            if matches!(position.phase, Phase::Closed | Phase::Cancelled) {
                for object in venue.open_orders() {
                    let ours =
                        object.client_id().filter(|id| object.account == account && id.key().position == position.no);
                    if let Some(id) = ours
                        && !self.doubled.contains(&id)
                        && self.blamed.insert(id)
                    {
                        findings.push(Finding::Orphan { id, why: "its position is finished" });
                    }
                }
            }
        }
        for finding in findings {
            self.report(now, finding);
        }
    }

    fn look_at_protection(&mut self, venue: &Venue, account: AccountTag, engine: Option<&Engine>, now: VenueMillis) {
        for (symbol, direction, qty) in venue.exposures(account) {
            let key = (account, symbol.clone(), direction);
            if !qty.is_zero()
                && is_flipped(venue, account, &symbol, direction, engine)
                && self.flipped.insert((account, symbol.clone()))
            {
                self.report(now, Finding::Flipped { symbol: symbol.clone(), direction, qty });
            }
            let stop = venue.open_orders().any(|o| {
                o.account == account
                    && o.symbol == symbol
                    && o.direction == direction
                    && o.parent.is_none()
                    && o.client_id().is_some_and(|id| id.key().logical.role == Role::Stop)
            });
            if qty.is_zero() || stop {
                self.end_interval(&key, now);
                continue;
            }
            let windows = windows(venue, account, &symbol, direction, engine);
            let interval = self.open.entry(key).or_insert_with(|| {
                self.died_since.remove(&account);
                Interval {
                    account,
                    symbol: symbol.clone(),
                    since: now,
                    until: now,
                    windows: BTreeMap::new(),
                    unexplained: Millis(0),
                    alive: Millis(0),
                    now: BTreeSet::new(),
                    alive_since: None,
                }
            });
            interval.pass(now);
            interval.now = windows;
            interval.alive_since = engine.map(|_| interval.alive_since.unwrap_or(now));
        }
        let gone: Vec<_> = self
            .open
            .keys()
            .filter(|(owner, symbol, direction)| {
                *owner == account
                    && !venue.exposures(account).any(|(s, d, q)| s == *symbol && d == *direction && !q.is_zero())
            })
            .cloned()
            .collect();
        for key in gone {
            self.end_interval(&key, now);
        }
    }

    fn end_interval(&mut self, key: &(AccountTag, Symbol, Direction), now: VenueMillis) {
        let Some(mut interval) = self.open.remove(key) else { return };
        interval.pass(now);
        let length = interval.length();
        if length.0 == 0 {
            return;
        }
        if length > self.verdict.max_unprotected {
            self.verdict.max_unprotected = length;
            self.verdict.max_unprotected_windows = interval.windows.keys().copied().collect();
        }
        for (window, share) in interval.windows.iter().filter(|(_, share)| share.0 > 0) {
            let entry = self.verdict.windows.entry(window).or_insert((0, Millis(0)));
            entry.0 += 1;
            entry.1 = entry.1.max(*share);
        }
        if interval.unexplained > UNEXPLAINED_BOUND {
            self.report(now, Finding::Unexplained { interval });
        } else if interval.alive > UNPROTECTED_BOUND {
            self.report(now, Finding::Unprotected { interval });
        }
    }

    /// The last look, once the world is quiet: fills against plans, beliefs against facts.
    pub fn conclude<'a>(
        &mut self,
        venue: &Venue,
        workers: impl Iterator<Item = (AccountTag, Option<&'a Engine>)>,
        now: VenueMillis,
    ) -> Verdict {
        self.check_fills(venue, now);
        self.check_protective(venue, now);
        let open: Vec<_> = self.open.keys().cloned().collect();
        for key in open {
            self.end_interval(&key, now);
        }
        for (account, engine) in workers {
            let Some(engine) = engine else { continue };
            for position in engine.state().positions.values() {
                if matches!(
                    position.phase,
                    Phase::New | Phase::Opening | Phase::Closing | Phase::Cancelling | Phase::Failed
                ) {
                    self.report(now, Finding::Unresolved { position: position.no, phase: position.phase });
                }
            }
            // I8: what the worker believes to be open, and nothing else, is open.
            let mut believed: BTreeMap<(Symbol, Direction), (PositionNo, Qty)> = BTreeMap::new();
            for position in engine.state().positions.values() {
                let entry = believed
                    .entry((position.symbol().clone(), position.direction()))
                    .or_insert((position.no, Qty::ZERO));
                entry.0 = position.no;
                entry.1 = entry.1.checked_add(position.exposure()).unwrap_or(entry.1);
            }
            for ((symbol, direction), (position, believed)) in believed {
                let actual = venue
                    .exposures(account)
                    .find(|(s, d, _)| *s == symbol && *d == direction)
                    .map_or(Qty::ZERO, |(_, _, qty)| qty);
                if actual != believed && !other_hands(venue, account, &symbol) {
                    self.report(now, Finding::Disagree { position, believed, actual });
                }
            }
        }
        self.verdict.clone()
    }

    /// What is known so far.
    #[must_use]
    pub const fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Protective orders may overlap while they settle; at the end there is one of each.
    fn check_protective(&mut self, venue: &Venue, now: VenueMillis) {
        let mut open: BTreeMap<(AccountTag, PositionNo, Role), Vec<ClientOrderId>> = BTreeMap::new();
        for object in venue.open_orders().filter(|o| o.parent.is_none()) {
            if let Some(id) = object.client_id().filter(|id| id.key().logical.role.is_protective()) {
                open.entry((object.account, id.key().position, id.key().logical.role)).or_default().push(id);
            }
        }
        for ((_, position, _), ids) in open {
            if let [_, .., last] = ids[..]
                && !ids.iter().any(|id| self.doubled.contains(id))
            {
                self.report(now, Finding::Duplicate { position, logical: last.key().logical, ids });
            }
        }
    }

    fn check_fills(&mut self, venue: &Venue, now: VenueMillis) {
        let mut filled: BTreeMap<(AccountTag, PositionNo, LogicalOrder), (Qty, Qty, bool)> = BTreeMap::new();
        for object in venue.objects() {
            let Some(id) = object.client_id() else { continue };
            let key = id.key();
            if key.logical.role.is_exit() {
                continue;
            }
            let entry =
                filled.entry((object.account, key.position, key.logical)).or_insert((Qty::ZERO, Qty::ZERO, false));
            entry.0 = entry.0.max(object.placed_qty.unwrap_or(Qty::ZERO));
            entry.1 = entry.1.checked_add(object.executed).unwrap_or(entry.1);
            entry.2 |= self.doubled.contains(&id);
        }
        for ((_, position, logical), (planned, total, by_wire)) in filled {
            if total > planned && by_wire {
                self.verdict.wire_duplicates += 1;
            } else if total > planned {
                self.report(now, Finding::Overfilled { position, logical, planned, filled: total });
            }
        }
    }
}

/// Somebody else traded on the contract.
fn other_hands(venue: &Venue, account: AccountTag, symbol: &Symbol) -> bool {
    let theirs = |o: &&OrderObject| matches!(o.owner, Owner::User(_)) && o.executed.is_positive();
    venue.objects().filter(theirs).any(|o| o.account == account && o.symbol == *symbol)
}

/// All our positions on the contract are on the other side.
fn is_flipped(
    venue: &Venue,
    account: AccountTag,
    symbol: &Symbol,
    direction: Direction,
    engine: Option<&Engine>,
) -> bool {
    let Some(engine) = engine else { return false };
    let mut ours = engine.state().positions.values().filter(|p| p.symbol() == symbol).peekable();
    ours.peek().is_some() && ours.all(|p| p.direction() != direction) && !other_hands(venue, account, symbol)
}

/// The named windows that explain why a position has no stop right now.
fn windows(
    venue: &Venue,
    account: AccountTag,
    symbol: &Symbol,
    direction: Direction,
    engine: Option<&Engine>,
) -> BTreeSet<&'static str> {
    let mut names = BTreeSet::new();
    let executing = venue
        .children(account)
        .any(|child| child.symbol == *symbol && child.status != ReportStatus::Filled && child.is_open());
    if executing {
        names.insert("stop or target executing");
    }
    let Some(engine) = engine else {
        names.insert("worker down");
        return names;
    };
    let Some(position) =
        engine.state().positions.values().rev().find(|p| p.symbol() == symbol && p.direction() == direction)
    else {
        // Exposure of others is theirs to protect; of ours only while the journal that explained it is lost.
        if other_hands(venue, account, symbol) {
            names.insert("not ours");
        } else if engine.state().quarantined {
            names.insert("quarantined: the journal is lost");
        }
        return names;
    };
    if position.exposure().is_zero() {
        names.insert("fill not told yet");
    }
    match position.phase {
        Phase::New | Phase::Opening => names.insert("opening: between the entry's fill and the accepted stop"),
        Phase::Closing => names.insert("closing"),
        Phase::Cancelling | Phase::Cancelled | Phase::Closed => names.insert("late fill after the end"),
        Phase::Active if position.stop() == kraite_core::position::Protective::Open => {
            names.insert("loss of the stop not told yet")
        }
        Phase::Active if position.stop() != kraite_core::position::Protective::Missing => {
            names.insert("stop being replaced")
        }
        Phase::Active => false,
        Phase::Failed => false,
    };
    names
}
