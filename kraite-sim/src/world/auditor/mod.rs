//! The auditor sees everything: the venue's own book, what crossed the wire, what is durable, what the
//! workers believe. It shares no code with the engine it judges.
//!
//! After every event it looks at whatever the event may have changed: the orders (I1, I5, I6, I12), the trades
//! ([`books`]: I2, I8, I15), the beliefs of the workers (I5, I7), the cover ([`protection`]: I4, I11). What
//! crosses the wire is judged as it leaves ([`wire`] and [`limits`]: I3, I6, I12, I13, I14, I16), what is restored as it starts
//! (I10), and what an input does twice where the world is asked to try (I9).

mod books;
mod costs;
mod finding;
mod limits;
mod protection;
mod rest;
mod wire;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash as _, Hasher};

use kraite_core::engine::{Alert, Effect, Engine, Event, State, Step};
use kraite_core::id::{AccountTag, ClientOrderId, LogicalOrder, PositionNo, Role, Symbol};
use kraite_core::journal::Record;
use kraite_core::number::{Price, Qty};
use kraite_core::position::{Phase, Position, Why};
use kraite_core::time::{Millis, VenueMillis};

pub use finding::{Finding, Interval, Verdict};

use super::journal::ModelJournal;
use crate::venue::{ObjectId, OrderObject, Venue};
use books::Books;
use costs::Costs;
use limits::Watch;
use protection::Protection;
use wire::Wire;

/// A worker that starts has this long to find out whether a position has its stop; a question takes less.
const LOOKED: Millis = Millis::from_secs(4);
/// Findings kept; more are only counted.
const KEEP: usize = 64;

/// The omniscient checker.
#[derive(Debug, Clone, Default)]
pub struct Auditor {
    verdict: Verdict,
    wire: Wire,
    books: Books,
    protection: Protection,
    watch: Watch,
    /// Ids for which somebody was blamed already, the wire or a worker.
    blamed: BTreeSet<ClientOrderId>,
    /// Orders that nobody intended or sent, told once.
    orphans: BTreeSet<ClientOrderId>,
    /// Everything under these numbers was looked at.
    next_object: Option<ObjectId>,
    halted: BTreeSet<(AccountTag, PositionNo)>,
    /// Accounts whose journal lost records: what their workers believe is not judged by what is.
    lost: BTreeSet<AccountTag>,
    left: BTreeSet<(AccountTag, PositionNo)>,
    executed: BTreeMap<ClientOrderId, Qty>,
    /// The newest marks of each contract. They are no part of a fingerprint: a script states each at its own time.
    marks: BTreeMap<Symbol, VecDeque<(VenueMillis, Price)>>,
    /// When each worker started.
    started: BTreeMap<AccountTag, VenueMillis>,
    /// What closes had taken off the positions that were handed back, when they were.
    handed_back: BTreeMap<(AccountTag, PositionNo), Qty>,
    /// Positions that have taken over what a user opened.
    adopted: BTreeSet<(AccountTag, PositionNo)>,
    costs: Costs,
    /// Positions that are given up for want of a stop.
    given_up: BTreeSet<(AccountTag, PositionNo)>,
    /// The venue and the workers as they were when they were last looked at.
    seen: Option<u64>,
    workers: BTreeMap<AccountTag, Option<(u64, u64)>>,
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

    fn report_all(&mut self, at: VenueMillis, findings: Vec<Finding>) {
        for finding in findings {
            self.report(at, finding);
        }
    }

    /// A worker died.
    pub fn died(&mut self, account: AccountTag, at: VenueMillis) {
        self.protection.died(account, at);
    }

    /// The mark of a contract is this from now on.
    pub fn marked(&mut self, symbol: &Symbol, mark: Price, at: VenueMillis) {
        let marks = self.marks.entry(symbol.clone()).or_default();
        marks.push_back((at, mark));
        if marks.len() > KEEP {
            marks.pop_front();
        }
    }

    /// A worker starts with this; what was given up before is none of its doing.
    pub fn starts(&mut self, account: AccountTag, state: &State, at: VenueMillis) {
        self.started.insert(account, at);
        let given_up = state.positions.values().filter(|p| p.why == Why::Unprotected);
        self.given_up.extend(given_up.map(|p| (account, p.no)));
    }

    /// The newest records of an account are gone: what its worker knew of is no measure any more.
    pub fn records_lost(&mut self, account: AccountTag) {
        self.lost.insert(account);
        self.executed.retain(|id, _| id.key().account != account);
    }

    /// True while the user, who traded on the contract, still holds exposure on the position's side: it keeps the
    /// position from being proven flat (R91). One that is handed back need not be flat to end.
    #[must_use]
    pub fn user_holds(&self, venue: &Venue, account: AccountTag, position: &Position) -> bool {
        let symbol = position.symbol();
        !position.hands.handed_back
            && self.books.other_hands(account, symbol)
            && venue.position(account, symbol, position.direction()).is_positive()
    }

    /// True once an account's journal has lost records.
    #[must_use]
    pub fn has_lost_records(&self, account: AccountTag) -> bool {
        self.lost.contains(&account)
    }

    /// What was restored must be what was durable, but for the new epoch and what starting changes.
    pub fn compare_restored(&mut self, account: AccountTag, mut before: State, after: &State, at: VenueMillis) {
        before.epoch = after.epoch;
        if before != *after {
            self.report(at, Finding::RestoredDiffers { account });
        }
    }

    /// The same input was applied a second time at once, on a copy: nothing may come of it (I9). That a command is
    /// refused is recorded each time, and changes nothing.
    pub fn repeated(&mut self, account: AccountTag, input: String, second: &Step, at: VenueMillis) {
        let sends = second.preview().iter().any(|effect| matches!(effect, Effect::Send { .. }));
        let changes = |record: &Record| !record.events.iter().all(|event| matches!(event, Event::CommandRefused(_)));
        if second.record().is_some_and(changes) || sends {
            self.report(at, Finding::NotIdempotent { account, input });
        }
    }

    /// A worker's process is stopped, or goes on: meanwhile it can do nothing.
    pub fn stopped(&mut self, account: AccountTag, stopped: bool, at: VenueMillis) {
        self.protection.stopped(account, stopped, at);
    }

    /// Looks at everything that an event may have changed.
    pub fn observe<'a>(
        &mut self,
        venue: &Venue,
        workers: impl Iterator<Item = (AccountTag, Option<&'a Engine>)>,
        journal: &ModelJournal,
        now: VenueMillis,
    ) {
        let moved = self.seen.replace(venue.changes()) != Some(venue.changes());
        if moved {
            let mut closed = self.books.enter(venue, journal, &self.wire.doubled);
            closed.findings.retain(|finding| !self.is_of_lost_records(finding));
            self.report_all(now, closed.findings);
            for id in closed.doubled {
                self.blame_wire(&[id]);
            }
            self.look_at_new_orders(venue, journal, now);
            self.look_at_open_orders(venue, now);
        }
        for (account, engine) in workers {
            let stand = engine.map(|e| (u64::from(e.state().epoch.get()), e.state().seq));
            let thought = self.workers.insert(account, stand) != Some(stand);
            if let Some(engine) = engine.filter(|_| (moved || thought) && !self.lost.contains(&account)) {
                self.look_at_beliefs(venue, account, engine, now);
            }
            if moved || thought {
                let mut findings = self.protection.look(venue, account, engine, &self.books, now, &mut self.verdict);
                if self.lost.contains(&account) {
                    findings.clear();
                }
                self.report_all(now, findings);
            } else {
                self.protection.pass(account, engine, now);
            }
        }
    }

    /// I6, I12: an order of ours exists only after its intent is durable.
    fn look_at_new_orders(&mut self, venue: &Venue, journal: &ModelJournal, now: VenueMillis) {
        let first = self.next_object.unwrap_or(ObjectId(0));
        let mut findings = Vec::new();
        for object in venue.objects_from(first) {
            self.next_object = Some(ObjectId(object.id.0.saturating_add(1)));
            let Some(id) = object.client_id() else { continue };
            if object.parent.is_none() && journal.shape(id).is_none() && self.orphans.insert(id) {
                findings.push(Finding::Orphan { id, why: "the journal never intended it" });
            }
        }
        findings.retain(|finding| !self.is_of_lost_records(finding));
        self.report_all(now, findings);
    }

    /// What a worker sent before its journal lost records may still arrive, and nothing explains it any more.
    fn is_of_lost_records(&self, finding: &Finding) -> bool {
        match finding {
            Finding::UnexplainedTrade { id } | Finding::Orphan { id, .. } => self.lost.contains(&id.key().account),
            // Nobody remembers a request that was on its way when its intent was lost: it may come true beside the next.
            Finding::Overfilled { account, .. } => self.lost.contains(account),
            Finding::Duplicate { ids, .. } => ids.iter().any(|id| self.lost.contains(&id.key().account)),
            _ => false,
        }
    }

    fn look_at_open_orders(&mut self, venue: &Venue, now: VenueMillis) {
        let mut open: BTreeMap<(AccountTag, PositionNo, LogicalOrder), Vec<ClientOrderId>> = BTreeMap::new();
        let mut findings = Vec::new();
        for object in venue.open_orders().filter(|o| o.parent.is_none()) {
            let Some(id) = object.client_id() else { continue };
            let key = id.key();
            if !self.wire.left(id) && self.orphans.insert(id) {
                findings.push(Finding::Orphan { id, why: "no worker sent it" });
            }
            if key.logical.role == Role::Stop {
                self.wire.stopped.insert((object.account, key.position));
            }
            if !key.logical.role.is_protective() {
                open.entry((object.account, key.position, key.logical)).or_default().push(id);
            }
        }
        for ((_, position, logical), ids) in open.into_iter().filter(|(_, ids)| ids.len() > 1) {
            if ids.iter().any(|id| self.wire.doubled.contains(id)) {
                self.blame_wire(&ids);
            } else if ids.iter().any(|id| self.blamed.insert(*id)) {
                findings.push(Finding::Duplicate { position, logical, ids });
            }
        }
        findings.retain(|finding| !self.is_of_lost_records(finding));
        self.report_all(now, findings);
    }

    /// Requests that the wire doubled and of which both copies traded.
    fn filled_twice(
        &self,
        venue: &Venue,
        account: AccountTag,
        about: impl Fn(&OrderObject) -> bool,
    ) -> Vec<ClientOrderId> {
        let traded = |id: &&ClientOrderId| {
            let copies = venue.under(account, **id).filter(|o| o.executed.is_positive() && about(o));
            copies.take(2).count() > 1
        };
        self.wire.doubled.iter().filter(traded).copied().collect()
    }

    fn blame_wire(&mut self, ids: &[ClientOrderId]) {
        let fresh = ids.iter().filter(|id| self.wire.doubled.contains(id)).any(|id| self.blamed.insert(*id));
        if fresh {
            self.verdict.wire_duplicates += 1;
        }
    }

    fn look_at_beliefs(&mut self, venue: &Venue, account: AccountTag, engine: &Engine, now: VenueMillis) {
        let mut findings = Vec::new();
        // First: what is a user's is nothing that an older position has left.
        for position in engine.state().positions.values().filter(|position| position.hands.handed_back) {
            self.look_at_what_is_handed_back(venue, account, position, &mut findings);
        }
        for position in engine.state().positions.values() {
            for order in position.orders.values() {
                let knows = order.executed_qty();
                let knew = self.executed.entry(order.id).or_insert(knows);
                if knows < *knew {
                    findings.push(Finding::Shrunk { id: order.id, knew: *knew, knows });
                }
                *knew = knows;
            }
            self.look_at_surrender(venue, account, position, now, &mut findings);
            if let Some(adoption) = position.adoption.filter(|adoption| adoption.is_done) {
                self.look_at_what_is_taken_over(venue, account, position, adoption.held.qty, &mut findings);
            }
            if position.halted && self.halted.insert((account, position.no)) {
                // Exits that took off what a copy had put on are more than the engine can know of.
                let copies = self.filled_twice(venue, account, |object| {
                    object.client_id().is_some_and(|id| id.key().position == position.no)
                });
                if copies.is_empty() {
                    findings.push(Finding::Halted { position: position.no });
                }
                self.blame_wire(&copies);
            }
            if matches!(position.phase, Phase::Closed | Phase::Cancelled) {
                self.look_at_what_is_left(venue, account, engine, position, &mut findings);
                // What a copy of the wire traded is not told of by the order that the worker knows.
                let doubled = position.orders.keys().any(|id| self.wire.doubled.contains(id));
                if !doubled && !self.lost.contains(&account) {
                    findings.extend(self.costs.look(venue, account, engine.state(), position));
                }
            }
        }
        self.report_all(now, findings);
    }

    /// R43: a worker that has just started looks for the stop before it gives a position up for want of one.
    fn look_at_surrender(
        &mut self,
        venue: &Venue,
        account: AccountTag,
        position: &Position,
        now: VenueMillis,
        findings: &mut Vec<Finding>,
    ) {
        if position.why != Why::Unprotected || !self.given_up.insert((account, position.no)) {
            return;
        }
        let young = self.started.get(&account).is_some_and(|at| now.since(*at) < LOOKED);
        let is_stop = |o: &OrderObject| {
            o.client_id().is_some_and(|id| id.key().position == position.no && id.key().logical.role == Role::Stop)
        };
        if young && venue.open(account).any(is_stop) {
            findings.push(Finding::GivenUp { position: position.no });
        }
    }

    /// S12: what is taken over is all that is open there, and nothing was opened for it.
    fn look_at_what_is_taken_over(
        &mut self,
        venue: &Venue,
        account: AccountTag,
        position: &Position,
        qty: Qty,
        findings: &mut Vec<Finding>,
    ) {
        if !self.adopted.insert((account, position.no)) {
            return;
        }
        if position.orders.keys().any(|id| id.key().logical.role == Role::Entry) {
            findings.push(Finding::TakenOver { position: position.no, why: "an entry was sent for it" });
        }
        let shown = venue.position(account, position.symbol(), position.direction());
        if shown != qty && position.orders.is_empty() {
            findings.push(Finding::TakenOver { position: position.no, why: "more or less was open there" });
        }
        self.books.taken_over(account, position.symbol(), position.no, qty);
    }

    /// S12: what is handed back is the user's once the worker books it so. Nothing of ours may open more of it then, and
    /// nothing of it is closed any more.
    fn look_at_what_is_handed_back(
        &mut self,
        venue: &Venue,
        account: AccountTag,
        position: &Position,
        findings: &mut Vec<Finding>,
    ) {
        let key = (account, position.no);
        let closed = self.books.closed(account, position.no);
        if let Some(before) = self.handed_back.get_mut(&key) {
            if closed > *before {
                *before = closed;
                findings.push(Finding::HandedBack { position: position.no, why: "it was closed after that" });
            }
            return;
        }
        let is_booked = position.external.keys().any(|cause| cause.as_str().starts_with("handed-back"));
        let opens = |o: &OrderObject| {
            o.client_id().is_some_and(|id| {
                let key = id.key();
                key.position == position.no && !key.logical.role.is_exit() && !self.wire.doubled.contains(&id)
            })
        };
        if is_booked && venue.open(account).any(opens) {
            let why = "an order of ours may still open more of it";
            findings.push(Finding::HandedBack { position: position.no, why });
        }
        if is_booked {
            self.handed_back.insert(key, closed);
            self.books.handed_over(account, position.symbol());
        }
    }

    /// I5, I6: of a finished position nothing is left, no order and no exposure.
    fn look_at_what_is_left(
        &mut self,
        venue: &Venue,
        account: AccountTag,
        engine: &Engine,
        position: &Position,
        findings: &mut Vec<Finding>,
    ) {
        for object in venue.open(account) {
            if let Some(id) = object.client_id().filter(|id| id.key().position == position.no)
                && !self.wire.doubled.contains(&id)
                && self.blamed.insert(id)
            {
                findings.push(Finding::Orphan { id, why: "its position is finished" });
            }
        }
        let (symbol, direction) = (position.symbol(), position.direction());
        let qty = venue.position(account, symbol, direction);
        // It may be another one's that goes on, or what a copy of another one's opening order has put on.
        let put_on = |id: &ClientOrderId| {
            let opens = !id.key().logical.role.is_exit() && self.wire.doubled.contains(id);
            opens && venue.under(account, *id).any(|object| object.executed.is_positive())
        };
        let beside = |p: &&Position| p.symbol() == symbol && p.direction() == direction && p.no != position.no;
        let shared = engine
            .state()
            .positions
            .values()
            .filter(beside)
            .any(|p| !matches!(p.phase, Phase::Closed | Phase::Cancelled) || p.orders.keys().any(put_on));
        if qty.is_positive()
            && !shared
            && !self.books.other_hands(account, symbol)
            && !position.orders.keys().any(|id| self.wire.doubled.contains(id))
            && self.left.insert((account, position.no))
        {
            findings.push(Finding::NotFlat { position: position.no, symbol: symbol.clone(), qty });
        }
    }

    /// The last look, once the world is quiet: beliefs against facts.
    pub fn conclude<'a>(
        &mut self,
        venue: &Venue,
        workers: impl Iterator<Item = (AccountTag, Option<&'a Engine>)>,
        now: VenueMillis,
    ) -> Verdict {
        self.check_protective(venue, now);
        let mut findings = self.protection.end(now, &mut self.verdict);
        findings.retain(|finding| match finding {
            Finding::Unprotected { interval } | Finding::Unexplained { interval } => {
                !self.lost.contains(&interval.account)
            }
            _ => true,
        });
        self.report_all(now, findings);
        for (account, engine) in workers {
            let Some(engine) = engine.filter(|_| !self.lost.contains(&account)) else { continue };
            let judged = |p: &&Position| !self.user_holds(venue, account, p) && !takes_a_human(venue, account, p);
            let open: Vec<&Position> = engine.state().positions.values().filter(judged).collect();
            for position in open {
                if matches!(
                    position.phase,
                    Phase::New | Phase::Opening | Phase::Closing | Phase::Cancelling | Phase::Failed
                ) {
                    self.report(now, Finding::Unresolved { position: position.no, phase: position.phase });
                }
            }
            self.compare_beliefs(venue, account, engine, now);
        }
        self.verdict.clone()
    }

    /// I8, I15: what the worker believes to be open, and nothing else, is open; what it booked as taken by
    /// other hands is what other hands took.
    fn compare_beliefs(&mut self, venue: &Venue, account: AccountTag, engine: &Engine, now: VenueMillis) {
        let mut believed: BTreeMap<(Symbol, _), (PositionNo, Qty, Qty)> = BTreeMap::new();
        for position in engine.state().positions.values() {
            let entry = believed.entry((position.symbol().clone(), position.direction())).or_insert((
                position.no,
                Qty::ZERO,
                Qty::ZERO,
            ));
            entry.0 = position.no;
            entry.1 = entry.1.checked_add(position.exposure()).unwrap_or(entry.1);
            for qty in position.external.values() {
                entry.2 = entry.2.checked_add(*qty).unwrap_or(entry.2);
            }
        }
        let whole = engine.state().archived.is_empty();
        for ((symbol, direction), (position, believed, booked)) in believed {
            let actual = venue.position(account, &symbol, direction);
            let shared = self.books.other_hands(account, &symbol);
            if actual != believed && !shared {
                self.report(now, Finding::Disagree { position, believed, actual });
            }
            let taken = self.books.taken(account, &symbol, direction);
            let copies = self.filled_twice(venue, account, |object| object.symbol == symbol);
            if whole && taken != booked && !shared && copies.is_empty() {
                self.report(now, Finding::Misattributed { account, symbol, taken, booked });
            }
        }
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
                && !ids.iter().any(|id| self.wire.doubled.contains(id) || self.lost.contains(&id.key().account))
            {
                self.report(now, Finding::Duplicate { position, logical: last.key().logical, ids });
            }
        }
    }

    /// What is known so far.
    #[must_use]
    pub const fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The longest interval without a stop that ended since this was last asked, and the windows it lay in.
    pub fn take_longest(&mut self) -> Option<(Millis, BTreeSet<&'static str>)> {
        self.protection.take_longest()
    }

    /// Everything that decides what can still be found; what was found is left out.
    pub(crate) fn fingerprint(&self, hasher: &mut impl Hasher) {
        let Self {
            verdict: _,
            wire,
            books,
            protection,
            watch,
            blamed,
            orphans,
            next_object,
            halted,
            lost,
            left,
            executed,
            marks: _,
            started,
            handed_back,
            adopted,
            costs,
            given_up,
            seen: _,
            workers: _,
        } = self;
        wire.fingerprint(hasher);
        books.fingerprint(hasher);
        protection.fingerprint(hasher);
        watch.fingerprint(hasher);
        (blamed, orphans, next_object, halted, lost, left, executed, started, handed_back, adopted, costs, given_up)
            .hash(hasher);
    }
}

/// Less than a lot is open, which nothing takes off here, and somebody was told.
fn takes_a_human(venue: &Venue, account: AccountTag, position: &Position) -> bool {
    let left = venue.position(account, position.symbol(), position.direction());
    let lot = venue.market(position.symbol()).map(|market| market.instrument.lot);
    !venue.capabilities().closes_whole
        && left.is_positive()
        && lot.is_some_and(|lot| left < lot)
        && position.alerts.contains(&Alert::NeedsAttention)
}
