//! What crosses the wire, judged as it leaves.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash as _, Hasher};

use kraite_core::engine::{Engine, Request, Sent};
use kraite_core::exchange::{OrderShape, PositionRef};
use kraite_core::id::{AccountTag, ClientOrderId, PositionNo, Role};
use kraite_core::number::Qty;
use kraite_core::position::{Phase, Position};
use kraite_core::time::{Millis, VenueMillis};

use super::{Auditor, Finding};
use crate::venue::Venue;
use crate::world::journal::ModelJournal;

/// The most requests of one account in a minute: half of what the strictest venue takes.
const MAX_REQUESTS: usize = 300;
/// The most questions of one account in a minute.
const MAX_QUESTIONS: usize = 600;
/// How old what somebody else did must be for a worker to have seen it.
const NOTICED: Millis = Millis::from_secs(10);
const MINUTE: Millis = Millis::from_secs(60);

#[derive(Debug, Clone, Default)]
pub(super) struct Wire {
    placed: BTreeMap<ClientOrderId, u32>,
    /// Orders whose request the wire doubled.
    pub(super) doubled: BTreeSet<ClientOrderId>,
    /// Positions that had an open stop at some time.
    pub(super) stopped: BTreeSet<(AccountTag, PositionNo)>,
    /// How often a whole position was closed.
    whole_closes: BTreeMap<(AccountTag, PositionNo), u32>,
    requests: BTreeMap<AccountTag, VecDeque<VenueMillis>>,
    questions: BTreeMap<AccountTag, VecDeque<VenueMillis>>,
}

impl Wire {
    /// A worker handed the placement of this id to the wire.
    pub(super) fn left(&self, id: ClientOrderId) -> bool {
        self.placed.contains_key(&id)
    }

    /// The times of what was sent count only once a flood is in sight.
    pub(super) fn fingerprint(&self, hasher: &mut impl Hasher) {
        let Self { placed, doubled, stopped, whole_closes, requests, questions } = self;
        (placed, doubled, stopped, whole_closes).hash(hasher);
        for (times, most) in
            requests.values().map(|t| (t, MAX_REQUESTS)).chain(questions.values().map(|t| (t, MAX_QUESTIONS)))
        {
            (times.len() > most / 3).then_some(times).hash(hasher);
        }
    }
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
    /// A question leaves the worker.
    pub fn asked(&mut self, account: AccountTag, at: VenueMillis) {
        let times = self.wire.questions.entry(account).or_default();
        if let Some(number) = too_many(times, at, MAX_QUESTIONS) {
            self.report(at, Finding::Flood { what: "questions", number });
        }
    }

    /// A request leaves the worker: it owns the account, its intent is durable, its id fresh, its stop in place.
    pub fn handed_to_wire(&mut self, account: AccountTag, request: &Request, journal: &ModelJournal, at: VenueMillis) {
        let times = self.wire.requests.entry(account).or_default();
        if let Some(number) = too_many(times, at, MAX_REQUESTS) {
            self.report(at, Finding::Flood { what: "requests", number });
        }
        let placements: Vec<(ClientOrderId, Option<OrderShape>)> = match request {
            Request::Place(order) => vec![(order.id, Some(order.shape))],
            Request::PlacePair(pair) => {
                vec![(pair.stop.id, journal.shape(pair.stop.id)), (pair.target.id, journal.shape(pair.target.id))]
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
                } else if !journal.cancels(order.id) {
                    self.report(at, Finding::NoIntent { id: order.id });
                }
                return;
            }
            Request::ClosePosition(position, _) => {
                let times = self.wire.whole_closes.entry((account, *position)).or_insert(0);
                *times += 1;
                if *times > journal.whole_closes(account, *position) {
                    self.report(at, Finding::WholeClose { position: *position, why: "its intent is not durable" });
                }
                return;
            }
            Request::SetMarginMode(..) | Request::SetLeverage(..) => return,
        };
        for (id, shape) in placements {
            if shape.is_none() || journal.shape(id) != shape {
                self.report(at, Finding::NoIntent { id });
            }
            let times = self.wire.placed.entry(id).or_insert(0);
            *times += 1;
            if *times > 1 {
                self.report(at, Finding::PlacedTwice { id });
            }
            let key = id.key();
            let alone = matches!(request, Request::Place(_)) && key.logical.role == Role::Target;
            if alone && !self.wire.stopped.contains(&(account, key.position)) {
                self.report(at, Finding::TargetBeforeStop { id });
            }
        }
    }

    /// Who sends a request, and what it knows: I14, and I12 and I16 for requests that add exposure.
    pub fn sends(
        &mut self,
        account: AccountTag,
        engine: &Engine,
        request: &Request,
        venue: &Venue,
        journal: &ModelJournal,
        at: VenueMillis,
    ) {
        let (epoch, owner) = (engine.state().epoch, journal.owner(account));
        if epoch != owner {
            self.report(at, Finding::Deposed { account, epoch, owner });
        }
        if let Request::ClosePosition(position, whole) = request {
            self.look_at_whole_close(account, engine, *position, whole, venue, at);
        }
        let Request::Place(order) = request else { return };
        if order.id.key().logical.role.is_exit() {
            return;
        }
        let unknown = venue
            .open(account)
            .filter(|o| o.parent.is_none())
            .filter_map(crate::venue::OrderObject::client_id)
            .find(|id| journal.shape(*id).is_none() && engine.state().order(*id).is_none());
        // A worker learns of an order whose intent its journal lost by asking, and it may come true only later.
        if let Some(id) = unknown.filter(|_| !self.has_lost_records(account)) {
            self.report(at, Finding::Unwitnessed { id });
        }
        self.look_at_limits(account, engine, order, venue, at);
    }

    /// R76, R99: a close of a whole position takes off whatever is open, so nothing may be open there that is not ours.
    fn look_at_whole_close(
        &mut self,
        account: AccountTag,
        engine: &Engine,
        position: PositionNo,
        whole: &PositionRef,
        venue: &Venue,
        at: VenueMillis,
    ) {
        let open = venue.position(account, &whole.symbol, whole.direction);
        let ours = engine.state().positions.get(&position).map_or(Qty::ZERO, Position::exposure);
        if open > ours && self.books.user_opened(account, &whole.symbol, whole.direction, at.minus(NOTICED)) {
            self.report(at, Finding::WholeClose { position, why: "more is open there than ours" });
        }
    }

    /// A close of a whole position takes effect: a position that is finished has none left that could.
    pub fn closes_whole(&mut self, engine: Option<&Engine>, request: &Request, at: VenueMillis) {
        let Request::ClosePosition(position, _) = request else { return };
        let finished = engine.is_some_and(|engine| {
            engine.state().positions.get(position).is_none_or(|p| matches!(p.phase, Phase::Closed | Phase::Cancelled))
        });
        if finished {
            self.report(at, Finding::WholeClose { position: *position, why: "its position is finished" });
        }
    }

    /// The wire lost a request, or kept it until it is void.
    pub fn lost_on_its_way(&mut self, account: AccountTag, request: &Request) {
        if let Request::Place(order) = request
            && order.id.key().logical.role == Role::Close
        {
            self.protection.close_lost(&(account, order.symbol.clone(), order.direction));
        }
    }

    /// A request reaches the venue; a copy was made by the wire.
    pub fn arrives(&mut self, request: &Request, copy: bool) {
        if copy {
            for sent in request.sent() {
                if let Sent::Place(id) = sent {
                    self.wire.doubled.insert(id);
                }
            }
        }
    }
}
