//! An engine taken out of a world, to be fed by hand.

use std::collections::BTreeMap;

use kraite_core::Engine;
use kraite_core::engine::{Answer, Command, CommandId, Effect, Event, Input, InputKind, Request, Sent, Step};
use kraite_core::exchange::{
    Ack, Cause, Endpoint, Lookup, OrderReport, Outcome, PositionReport, Reading, Reject, RejectKind, StreamEvent,
};
use kraite_core::id::{ClientOrderId, PositionNo, Role};
use kraite_core::number::Qty;
use kraite_core::order::{Life, Order};
use kraite_core::position::Position;
use kraite_core::time::{LocalMillis, Millis, Moment, VenueMillis};
use kraite_sim::presets;
use kraite_sim::script::{self, Script};
use kraite_sim::venue::VenueProfile;
use kraite_sim::world::{Fate, Nemesis, Point, Stream, World};

/// How wrong the bench's view of the venue's clock may be.
pub(crate) const ERROR: Millis = Millis(50);

/// An engine, the world it was taken from, and the venue's clock.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) world: World,
    pub(crate) now: VenueMillis,
}

fn opening(profile: VenueProfile, schedule: BTreeMap<u64, Fate>) -> World {
    let mut world = script::world(profile, Nemesis::scheduled(1, schedule), script::Timing::default());
    world.set_stream(Stream::Silent);
    world.run_for(Millis(500));
    let request = script::request(&Script::open_to_close(), &world).unwrap();
    world.command(script::account(), CommandId(1), Command::Open(Box::new(request)));
    world
}

impl Bench {
    pub(crate) fn of(world: World) -> Self {
        let engine = world.engine(script::account()).unwrap().clone();
        Self { engine, now: world.now(), world }
    }

    /// A position that is open and complete.
    pub(crate) fn active(profile: VenueProfile) -> Self {
        let mut world = opening(profile, BTreeMap::new());
        world.run_for(Millis::from_secs(5));
        Self::of(world)
    }

    /// The request of this role was handed to the wire and is lost; nobody knows yet.
    pub(crate) fn pending(role: Role) -> Self {
        let mut calm = opening(presets::binance(), BTreeMap::new());
        calm.run_for(Millis::from_secs(5));
        let requests = (0u64..).zip(&calm.nemesis.trail).filter(|(_, p)| **p == Point::Request).map(|(n, _)| n);
        // Two settings, the entry, four rungs, the stop, the target.
        let place = match role {
            Role::Entry => 2,
            Role::Rung(n) => 2 + usize::from(n),
            _ => 7,
        };
        let lost = requests.collect::<Vec<u64>>()[place];
        let mut world = opening(presets::binance(), BTreeMap::from([(lost, Fate::Lose)]));
        let sent = |world: &World| {
            let engine = world.engine(script::account()).unwrap();
            engine.state().positions.values().any(|p| p.latest(role).is_some())
        };
        while !sent(&world) {
            world.run_for(Millis(20));
        }
        // The replies to everything else; a repeat is not due yet.
        world.run_for(Millis(200));
        Self::of(world)
    }

    /// The same, once its outcome is unknown.
    pub(crate) fn in_doubt(role: Role) -> Self {
        let mut bench = Self::pending(role);
        let id = bench.latest(role).id;
        let _ = bench.outcome(Sent::Place(id), Outcome::Unknown(Cause::Timeout));
        bench
    }

    pub(crate) fn feed(&mut self, kind: InputKind) -> Step {
        let at = Moment { local: LocalMillis(self.now.0 + 1_700), venue: self.now, error: ERROR };
        self.engine.step(Input { at, kind })
    }

    pub(crate) fn pass(&mut self, span: Millis) -> Step {
        self.now = self.now.plus(span);
        self.feed(InputKind::Deadline)
    }

    pub(crate) fn outcome(&mut self, sent: Sent, outcome: Outcome) -> Step {
        self.feed(InputKind::Outcome(sent, outcome))
    }

    pub(crate) fn push(&mut self, report: OrderReport) -> Step {
        self.feed(InputKind::Push(StreamEvent::Order(report)))
    }

    pub(crate) fn close(&mut self) -> Step {
        self.feed(InputKind::Command(CommandId(2), Command::Close(PositionNo::new(1).unwrap())))
    }

    /// One endpoint answers a question that was sent at that instant.
    pub(crate) fn answered(&mut self, id: ClientOrderId, endpoint: Endpoint, sent_at: VenueMillis, value: Lookup) {
        let order = self.order(id).reference(&presets::instrument().symbol);
        self.now = self.now.max(sent_at.plus(Millis(200)));
        let reading = Reading { value, sent_at, endpoint, complete: true };
        let _ = self.feed(InputKind::Answer(Answer::Lookup(order, endpoint, Ok(reading))));
    }

    /// Every endpoint that can hold the order misses it, asked at that instant.
    pub(crate) fn round(&mut self, id: ClientOrderId, sent_at: VenueMillis) {
        for endpoint in [Endpoint::Order, Endpoint::OpenOrders, Endpoint::History] {
            self.answered(id, endpoint, sent_at, Lookup::NotFound);
        }
    }

    /// The venue shows this much.
    pub(crate) fn shows(&mut self, size: &str) {
        let position = self.position();
        let report = PositionReport {
            symbol: position.symbol().clone(),
            direction: position.direction(),
            qty: size.parse().unwrap(),
            entry_price: None,
            at: self.now,
        };
        let reading = Reading { value: vec![report], sent_at: self.now, endpoint: Endpoint::Positions, complete: true };
        let _ = self.feed(InputKind::Answer(Answer::Positions(Ok(reading))));
    }

    pub(crate) fn position(&self) -> &Position {
        self.engine.state().positions.values().next().unwrap()
    }

    pub(crate) fn latest(&self, role: Role) -> &Order {
        self.position().latest(role).unwrap()
    }

    pub(crate) fn order(&self, id: ClientOrderId) -> &Order {
        self.engine.state().order(id).unwrap()
    }

    pub(crate) fn life(&self, id: ClientOrderId) -> Life {
        self.order(id).life
    }

    /// The venue's own report about an order of this role.
    pub(crate) fn report(&self, role: Role) -> OrderReport {
        let id = self.latest(role).id;
        self.world.venue.objects().find(|o| o.client_id() == Some(id)).unwrap().report(None)
    }
}

pub(crate) fn accepted() -> Outcome {
    Outcome::Accepted(Ack::default())
}

pub(crate) fn rejected(kind: RejectKind) -> Outcome {
    Outcome::Rejected(Reject { kind, code: -1, message: "no".into() })
}

/// What a step places.
pub(crate) fn placed(step: &Step) -> Vec<ClientOrderId> {
    let sent = step.preview().iter().filter_map(|effect| match effect {
        Effect::Send { request, .. } => Some(request.sent()),
        _ => None,
    });
    let ids = sent.flatten().filter_map(|sent| if let Sent::Place(id) = sent { Some(id) } else { None });
    ids.collect()
}

/// What a step cancels.
pub(crate) fn cancelled(step: &Step) -> Vec<ClientOrderId> {
    let sent = step.preview().iter().filter_map(|effect| match effect {
        Effect::Send { request: Request::Cancel(order), .. } => Some(order.id),
        _ => None,
    });
    sent.collect()
}

/// The requests of a step whose intent is in its record are all of them.
pub(crate) fn all_intended(step: &Step) -> bool {
    let events = step.record().map(|record| record.events.as_slice()).unwrap_or_default();
    let places = placed(step).into_iter().all(|sent| {
        events.iter().any(|e| matches!(e, Event::Intended { id, .. } | Event::Resent { id, .. } if *id == sent))
    });
    let cancels = cancelled(step)
        .into_iter()
        .all(|sent| events.iter().any(|e| matches!(e, Event::CancelIntended { id, .. } if *id == sent)));
    places && cancels
}

pub(crate) fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}
