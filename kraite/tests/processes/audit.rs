//! What must hold whenever somebody looks: the journal against what was promised, the wire against the
//! journal, the venue's own book against both.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kraite::core::Capabilities;
use kraite::core::engine::{CommandId, Config, Engine, Event, InputKind, Request, Sent, State};
use kraite::core::exchange::{OrderShape, Service};
use kraite::core::id::{AccountTag, ClientOrderId, LogicalOrder, PositionNo, Role};
use kraite::core::journal::{JournalError, Loaded};
use kraite::core::number::{Price, Qty};
use kraite::core::position::PhaseEvent;
use kraite::core::time::{Millis, VenueMillis};
use kraite::journal::{SqliteReader, StoredRecord};
use kraite::sim::venue::{OrderObject, Venue};

/// While its worker lives, exposure may be without a stop, and a protective order may be there twice, for
/// this long: the emergency bound of 30 s and what a close needs on a wire that loses answers.
const SETTLING: Millis = Millis::from_secs(120);

/// Something that must never happen, and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// I10: a record that was promised is not in the file.
    Lost { promised: u64, found: u64 },
    /// I10: a record reads differently than before.
    Changed { seq: u64 },
    /// I10: a number is missing or there twice.
    OutOfSequence { expected: u64, got: u64 },
    /// I14: a record of a lower epoch after one of a higher.
    OlderEpoch { seq: u64 },
    /// The file cannot be read.
    Unreadable(String),
    /// The records, or a snapshot and what lies after it, cannot be folded.
    Unfoldable(String),
    /// I9, I10: a snapshot and what lies after it say something else than all records.
    SnapshotDiffers,
    /// I13: a request on the wire whose intent is not in the file, or says something else.
    NoIntent { sent: Sent },
    /// A request that may be accepted later than its intent said.
    TooLate { id: ClientOrderId, signed_at: VenueMillis, not_after: VenueMillis },
    /// I13: an id was placed twice.
    PlacedTwice { id: ClientOrderId },
    /// I14: the venue took a request of a worker that lost its account.
    Deposed { sent: Sent },
    /// I3: a target went out before its stop had been at the venue.
    TargetBeforeStop { id: ClientOrderId },
    /// I1: two attempts of one logical order are open together.
    TwoOpen { position: PositionNo, logical: LogicalOrder },
    /// I2: all sends of an entry or a rung filled more than the largest of them.
    Overfilled { position: PositionNo, role: Role, planned: Qty, filled: Qty },
    /// I4: exposure without a stop although the worker lived.
    Naked { since: VenueMillis, until: VenueMillis },
    /// I1: a protective order was there twice for longer than settling takes.
    Unsettled { since: VenueMillis, until: VenueMillis },
    /// I6, I12: an order under an id of ours that the journal does not know.
    Unknown { id: ClientOrderId },
    /// I5: an order of ours is open at the end.
    Orphan { id: ClientOrderId },
    /// I5: exposure at the end.
    Exposed { qty: Qty },
    /// A position that does not end.
    Stuck { command: u64 },
    /// A worker ended with another exit code than it should, or without being killed.
    Ended { code: Option<i32> },
}

/// A condition that may last for a while, counted only while the worker lives.
#[derive(Debug, Clone, Copy, Default)]
struct Lasting(Option<VenueMillis>);

impl Lasting {
    /// Since when it has lasted too long, told once.
    fn note(&mut self, holds: bool, alive_since: Option<VenueMillis>, now: VenueMillis) -> Option<VenueMillis> {
        let (Some(alive_since), true) = (alive_since, holds) else {
            self.0 = None;
            return None;
        };
        let since = self.0.unwrap_or(now).max(alive_since);
        self.0 = Some(since);
        (now.since(since) > SETTLING).then(|| {
            self.0 = Some(now);
            since
        })
    }
}

/// The durable intent of a placement.
#[derive(Debug, Clone, Copy)]
struct Intent {
    shape: OrderShape,
    service: Service,
    not_after: VenueMillis,
}

/// Watches one account on one venue and its journal.
pub(crate) struct Audit {
    account: AccountTag,
    capabilities: Capabilities,
    /// Everything that was ever read from the file.
    known: Vec<StoredRecord>,
    reader: Option<SqliteReader>,
    intents: BTreeMap<ClientOrderId, Intent>,
    opened: BTreeMap<CommandId, PositionNo>,
    over: BTreeSet<PositionNo>,
    refused: BTreeSet<CommandId>,
    promised: u64,
    placed: BTreeSet<ClientOrderId>,
    stopped: BTreeSet<PositionNo>,
    naked: Lasting,
    unsettled: Lasting,
    verified: u64,
    findings: Vec<Finding>,
}

impl Audit {
    pub(crate) fn new(account: AccountTag, capabilities: Capabilities) -> Self {
        Self {
            account,
            capabilities,
            known: Vec::new(),
            reader: None,
            intents: BTreeMap::new(),
            opened: BTreeMap::new(),
            over: BTreeSet::new(),
            refused: BTreeSet::new(),
            promised: 0,
            placed: BTreeSet::new(),
            stopped: BTreeSet::new(),
            naked: Lasting::default(),
            unsettled: Lasting::default(),
            verified: 0,
            findings: Vec::new(),
        }
    }

    /// What was found so far.
    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Reports something.
    pub(crate) fn report(&mut self, finding: Finding) {
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// How many ids were placed.
    pub(crate) fn placements(&self) -> u64 {
        self.placed.len() as u64
    }

    /// How many records are known.
    pub(crate) fn records(&self) -> u64 {
        self.known.len() as u64
    }

    /// How many times a record was read back and compared.
    pub(crate) fn verified(&self) -> u64 {
        self.verified
    }

    /// Up to which record a worker said that it is durable.
    pub(crate) fn promised(&self) -> u64 {
        self.promised
    }

    /// Whether the position of a command has come to its end.
    pub(crate) fn is_over(&self, command: u64) -> bool {
        self.opened.get(&CommandId(command)).is_some_and(|position| self.over.contains(position))
    }

    /// Whether a command was refused since somebody asked last.
    pub(crate) fn take_refusal(&mut self, command: u64) -> bool {
        self.refused.remove(&CommandId(command))
    }

    /// A worker said that everything up to this record is durable.
    pub(crate) fn promise(&mut self, seq: u64) {
        self.promised = self.promised.max(seq);
    }

    /// Takes note of records that are new in the file.
    fn learn(&mut self, fresh: Vec<StoredRecord>) {
        for stored in fresh {
            let expected = self.records() + 1;
            let got = stored.record.seq;
            if got != expected {
                self.report(Finding::OutOfSequence { expected, got });
            }
            if self.known.last().is_some_and(|last| stored.epoch < last.epoch) {
                self.report(Finding::OlderEpoch { seq: got });
            }
            for event in &stored.record.events {
                self.learn_event(&stored.record.input, event);
            }
            self.known.push(stored);
        }
    }

    fn learn_event(&mut self, input: &InputKind, event: &Event) {
        match event {
            Event::Intended { id, shape, service, not_after, .. } => {
                self.intents.insert(*id, Intent { shape: *shape, service: *service, not_after: *not_after });
            }
            Event::Resent { id, not_after } => {
                if let Some(intent) = self.intents.get_mut(id) {
                    intent.not_after = *not_after;
                }
            }
            Event::Opened { position, .. } => {
                if let InputKind::Command(command, _) = input {
                    self.opened.insert(*command, *position);
                    self.refused.remove(command);
                }
            }
            Event::CommandRefused(_) => {
                if let InputKind::Command(command, _) = input {
                    self.refused.insert(*command);
                }
            }
            Event::Moved { position, on: PhaseEvent::Finished, .. } => {
                self.over.insert(*position);
            }
            Event::Moved { position, .. } => {
                self.over.remove(position);
            }
            _ => {}
        }
    }

    /// Reads what is new while somebody may be writing.
    pub(crate) fn read_on(&mut self, journal: &Path) {
        if self.reader.is_none() {
            self.reader = SqliteReader::open(journal).ok();
        }
        let fresh = self.reader.as_ref().map(|reader| reader.records(self.account, self.records(), usize::MAX));
        match fresh {
            Some(Ok(fresh)) => self.learn(fresh),
            Some(Err(error)) => self.report(Finding::Unreadable(error.to_string())),
            None => {}
        }
    }

    /// Reads the whole file with a connection of its own, as after a death: every checksum and number, every
    /// promised record, nothing changed, and one state whichever way it is folded.
    pub(crate) fn verify(&mut self, journal: &Path) -> Result<(), JournalError> {
        self.reader = None;
        if !journal.exists() {
            if self.promised > 0 {
                self.report(Finding::Lost { promised: self.promised, found: 0 });
            }
            return Ok(());
        }
        let reader = SqliteReader::open(journal)?;
        let mut all = reader.records(self.account, 0, usize::MAX)?;
        let loaded = reader.load(self.account)?;
        drop(reader);
        let found = all.len() as u64;
        self.verified += found;
        if found < self.promised {
            self.report(Finding::Lost { promised: self.promised, found });
        }
        let changed = self.known.iter().zip(&all).find(|(before, now)| before != now).map(|(_, now)| now.record.seq);
        if let Some(seq) = changed {
            self.report(Finding::Changed { seq });
        }
        let fresh = all.split_off(self.known.len().min(all.len()));
        self.learn(fresh);
        self.compare_folds(loaded);
        Ok(())
    }

    fn compare_folds(&mut self, loaded: Loaded) {
        let records = self.known.iter().map(|stored| stored.record.clone()).collect();
        let whole = self.fold(Loaded { snapshot: None, records });
        let short = self.fold(loaded);
        match (whole, short) {
            (Ok(whole), Ok(short)) if whole != short => self.report(Finding::SnapshotDiffers),
            (Err(error), _) | (_, Err(error)) => self.report(Finding::Unfoldable(error)),
            _ => {}
        }
    }

    fn fold(&self, loaded: Loaded) -> Result<State, String> {
        let epoch = self.known.last().map(|stored| stored.epoch).unwrap_or_default();
        Engine::restore(Config::default(), self.capabilities.clone(), self.account, epoch, loaded)
            .map(|engine| engine.state().clone())
            .map_err(|error| error.to_string())
    }

    /// A request arrives at the venue.
    pub(crate) fn sent(&mut self, request: &Request, signed_at: VenueMillis) {
        let placements: Vec<(ClientOrderId, Option<Price>, bool)> = match request {
            Request::Place(order) => {
                let as_intended = self.intents.get(&order.id).is_some_and(|intent| intent.shape == order.shape);
                vec![(order.id, order.shape.price(), as_intended)]
            }
            Request::PlacePair(pair) => [&pair.stop, &pair.target]
                .into_iter()
                .map(|leg| {
                    let intent = self.intents.get(&leg.id);
                    (leg.id, Some(leg.trigger), intent.is_some_and(|i| i.shape.price() == Some(leg.trigger)))
                })
                .collect(),
            Request::Amend(change, number) => {
                if !self.intents.contains_key(&change.order.id) {
                    self.report(Finding::NoIntent { sent: Sent::Amend(change.order.id, *number) });
                }
                return;
            }
            Request::Cancel(order) => {
                if !self.intents.contains_key(&order.id) {
                    self.report(Finding::NoIntent { sent: Sent::Cancel(order.id, order.venue_id.clone()) });
                }
                return;
            }
            Request::SetMarginMode(..) | Request::SetLeverage(..) | Request::ClosePosition(..) => return,
        };
        for (id, _, as_intended) in placements {
            if !as_intended {
                self.report(Finding::NoIntent { sent: Sent::Place(id) });
            }
            if !self.placed.insert(id) {
                self.report(Finding::PlacedTwice { id });
            }
            if let Some(intent) = self.intents.get(&id).copied() {
                let window = self.capabilities.absence(intent.service).window;
                if signed_at.plus(window) > intent.not_after {
                    self.report(Finding::TooLate { id, signed_at, not_after: intent.not_after });
                }
            }
            let key = id.key();
            let alone = matches!(request, Request::Place(_)) && key.logical.role == Role::Target;
            if alone && !self.stopped.contains(&key.position) {
                self.report(Finding::TargetBeforeStop { id });
            }
        }
    }

    /// Looks at the venue's own book. `alive_since` is since when a worker has lived without a break.
    pub(crate) fn look(&mut self, venue: &Venue, alive_since: Option<VenueMillis>, now: VenueMillis) {
        let mut open: BTreeMap<(PositionNo, LogicalOrder), u32> = BTreeMap::new();
        let mut protective: BTreeMap<(PositionNo, Role), u32> = BTreeMap::new();
        for id in own(venue).filter_map(OrderObject::client_id) {
            let (position, logical) = (id.key().position, id.key().logical);
            match logical.role {
                Role::Target | Role::Stop => *protective.entry((position, logical.role)).or_insert(0) += 1,
                _ => *open.entry((position, logical)).or_insert(0) += 1,
            }
            if logical.role == Role::Stop {
                self.stopped.insert(position);
            }
        }
        for ((position, logical), _) in open.into_iter().filter(|(_, number)| *number > 1) {
            self.report(Finding::TwoOpen { position, logical });
        }
        let exposed = venue.exposures(self.account).any(|(_, _, qty)| !qty.is_zero());
        let has_stop = protective.keys().any(|(_, role)| *role == Role::Stop);
        let executing = venue.children(self.account).any(OrderObject::is_open);
        if let Some(since) = self.naked.note(exposed && !has_stop && !executing, alive_since, now) {
            self.report(Finding::Naked { since, until: now });
        }
        let doubled = protective.values().any(|number| *number > 1);
        if let Some(since) = self.unsettled.note(doubled, alive_since, now) {
            self.report(Finding::Unsettled { since, until: now });
        }
    }

    /// The last look, once every position has come to its end.
    pub(crate) fn conclude(&mut self, venue: &Venue) {
        let mut filled: BTreeMap<(PositionNo, Role), (Qty, Qty)> = BTreeMap::new();
        for object in venue.objects() {
            let Some(id) = object.client_id() else { continue };
            if !self.intents.contains_key(&id) {
                self.report(Finding::Unknown { id });
            }
            if object.is_open() {
                self.report(Finding::Orphan { id });
            }
            if !id.key().logical.role.is_exit() {
                let entry = filled.entry((id.key().position, id.key().logical.role)).or_default();
                entry.0 = entry.0.max(object.placed_qty.unwrap_or_default());
                entry.1 = entry.1.checked_add(object.executed).unwrap();
            }
        }
        for ((position, role), (planned, filled)) in filled {
            if filled > planned {
                self.report(Finding::Overfilled { position, role, planned, filled });
            }
        }
        for (_, _, qty) in venue.exposures(self.account).filter(|(_, _, qty)| !qty.is_zero()) {
            self.report(Finding::Exposed { qty });
        }
    }
}

/// The open orders under ids of ours, children of triggers left out.
fn own(venue: &Venue) -> impl Iterator<Item = &OrderObject> {
    venue.open_orders().filter(|object| object.parent.is_none() && object.client_id().is_some())
}
