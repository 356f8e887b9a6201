//! One scenario as it runs: what was done, and where it stopped.

use std::fmt::Debug;

use futures_util::future::BoxFuture;
use kraite_core::capabilities::{Capabilities, Protection};
use kraite_core::exchange::{
    Direction, Endpoint, Exchange, Lookup, NewOrder, OrderRef, OrderShape, PairLeg, PositionMode, PositionTpsl,
    Purpose, Reading, Service, TriggerBy, TriggerSize,
};
use kraite_core::id::{
    AccountTag, Attempt, ClientOrderId, Epoch, LogicalOrder, OrderKey, PositionNo, Revision, Role, Symbol, VenueOrderId,
};
use kraite_core::number::{Price, Qty};
use kraite_core::time::{Millis, VenueMillis};

use std::sync::Arc;

use super::stage::{Fault, On, VenueSide};
use crate::venue::{ObjectId, OrderObject, Venue};

/// The contract that scenarios trade.
pub(super) const SYMBOL: &str = "SOLUSDT";
/// A contract beside it.
pub(super) const OTHER: &str = "ETHUSDT";
/// The price at which every scenario begins.
pub(super) const START: i64 = 150;
/// Long enough for every read to show what happened.
pub(super) const SETTLED: Millis = Millis::from_secs(2);
/// How long a request may be valid, beyond any window.
const AMPLE: Millis = Millis::from_secs(120);

/// How a scenario ended: the guarantee held, or why not.
pub type Played = Result<(), Halt>;

/// Why a scenario did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Halt {
    /// The guarantee does not hold.
    Broken {
        /// What had to be.
        expected: String,
        /// What was.
        seen: String,
    },
    /// The scenario says nothing here, for this reason.
    NotRun(String),
}

/// A scenario's function.
pub type Play = Box<dyn for<'a> Fn(&'a mut Scene) -> BoxFuture<'a, Played> + Send + Sync>;

/// What is placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A MARKET order that opens.
    Entry,
    /// A LIMIT order that opens.
    Rung,
    /// A LIMIT order that closes.
    Target,
    /// A MARKET order that closes.
    Exit,
    /// A close-position stop.
    Stop,
    /// A trigger target with a quantity.
    Trigger,
}

impl Kind {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Entry => "a market entry",
            Self::Rung => "a rung",
            Self::Target => "a limit target",
            Self::Exit => "a market exit",
            Self::Stop => "a stop",
            Self::Trigger => "a trigger target",
        }
    }

    pub(super) const fn opens(self) -> bool {
        matches!(self, Self::Entry | Self::Rung)
    }

    /// The kinds that a venue of this shape takes one by one.
    pub(super) fn of(capabilities: &Capabilities) -> Vec<Self> {
        let mut kinds = vec![Self::Entry, Self::Rung, Self::Target, Self::Exit];
        if capabilities.protection == Protection::Separate {
            kinds.extend([Self::Stop, Self::Trigger]);
        }
        kinds
    }
}

/// A position's side under a position mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Book {
    pub(super) mode: PositionMode,
    pub(super) direction: Direction,
}

impl Book {
    pub(super) const ALL: [Self; 4] = [
        Self { mode: PositionMode::OneWay, direction: Direction::Long },
        Self { mode: PositionMode::OneWay, direction: Direction::Short },
        Self { mode: PositionMode::Hedge, direction: Direction::Long },
        Self { mode: PositionMode::Hedge, direction: Direction::Short },
    ];
    pub(super) const LONG: Self = Self { mode: PositionMode::OneWay, direction: Direction::Long };
    pub(super) const HEDGED_SHORT: Self = Self { mode: PositionMode::Hedge, direction: Direction::Short };
    /// One of each mode and each side, where all four would say no more.
    pub(super) const TWO: [Self; 2] = [Self::LONG, Self::HEDGED_SHORT];

    pub(super) const fn words(self) -> &'static str {
        match (self.mode, self.direction) {
            (PositionMode::OneWay, Direction::Long) => "one-way long",
            (PositionMode::OneWay, Direction::Short) => "one-way short",
            (PositionMode::Hedge, Direction::Long) => "hedged long",
            (PositionMode::Hedge, Direction::Short) => "hedged short",
        }
    }
}

/// A scenario on its stage.
pub struct Scene {
    pub(super) side: Box<dyn VenueSide>,
    pub(super) exchange: Arc<dyn Exchange>,
    pub(super) symbol: Symbol,
    pub(super) book: Book,
    pub(super) steps: Vec<String>,
    tick: Price,
    lot: Qty,
    ids: u32,
}

impl Scene {
    /// A scene on a fresh stage, with the price where every scenario begins.
    pub(super) fn new(side: Box<dyn VenueSide>, book: Book) -> Result<Self, Halt> {
        let symbol = Symbol::new(SYMBOL);
        let exchange = side.exchange();
        let mut scene =
            Self { side, exchange, symbol, book, steps: Vec::new(), tick: Price::ZERO, lot: Qty::ZERO, ids: 0 };
        let rules = scene
            .venue(|venue, _, _| venue.instruments().find(|i| i.symbol.as_str() == SYMBOL).map(|i| (i.tick, i.lot)));
        let Some((tick, lot)) = rules else { return Err(Halt::NotRun(format!("{SYMBOL} is not listed"))) };
        (scene.tick, scene.lot) = (tick, lot);
        scene.market(scene.price(START, 0), scene.price(START, 0));
        Ok(scene)
    }

    /// Notes what is done.
    pub(super) fn step(&mut self, what: impl Into<String>) {
        self.steps.push(what.into());
    }

    /// Looks at the venue or moves it.
    pub(super) fn venue<T>(&self, act: impl FnOnce(&mut Venue, AccountTag, VenueMillis) -> T) -> T
    where
        T: Default,
    {
        let (mut act, mut result) = (Some(act), T::default());
        self.side.look(&mut |venue, account, now| {
            if let Some(act) = act.take() {
                result = act(venue, account, now);
            }
        });
        result
    }

    /// So many units of the quote currency, and so many ticks.
    pub(super) fn price(&self, units: i64, ticks: i64) -> Price {
        let rest = Price::from_ticks(ticks, self.tick).unwrap_or_default();
        Price::from_units(units, 0).unwrap_or_default().checked_add(rest).unwrap_or_default()
    }

    /// So many units, and so many lots.
    pub(super) fn qty(&self, units: i64, lots: u32) -> Qty {
        let whole = Qty::from_units(units, 0).unwrap_or_default();
        (0..lots).try_fold(whole, |sum, _| sum.checked_add(self.lot)).unwrap_or_default()
    }

    /// A price that is so much worse for the position than the one at the beginning, and so many ticks.
    pub(super) fn against(&self, units: i64, ticks: i64) -> Price {
        match self.book.direction {
            Direction::Long => self.price(START.saturating_sub(units), ticks),
            Direction::Short => self.price(START.saturating_add(units), ticks),
        }
    }

    /// A price that is so much better for the position, and so many ticks.
    pub(super) fn favour(&self, units: i64, ticks: i64) -> Price {
        self.against(units.saturating_neg(), ticks)
    }

    /// Last and mark price go there.
    pub(super) fn market(&self, last: Price, mark: Price) {
        self.venue(|venue, _, now| venue.price(&Symbol::new(SYMBOL), last, mark, now));
    }

    /// Last and mark price go there, as a step.
    pub(super) fn move_to(&mut self, price: Price) {
        self.step(format!("the price goes to {price}"));
        self.market(price, price);
    }

    pub(super) async fn settle(&self) {
        self.side.pass(SETTLED).await;
    }

    pub(super) fn now(&self) -> VenueMillis {
        self.venue(|_, _, now| now)
    }

    /// An instant until which any request may be valid.
    pub(super) fn ample(&self) -> VenueMillis {
        self.now().plus(AMPLE)
    }

    /// An id of a position that was not used before.
    pub(super) fn id(&mut self, role: Role) -> ClientOrderId {
        self.ids = self.ids.saturating_add(1);
        self.id_beside(role)
    }

    /// An id of the same position as the last one.
    fn id_beside(&self, role: Role) -> ClientOrderId {
        ClientOrderId::encode(&OrderKey {
            account: AccountTag::new(7).unwrap_or_default(),
            position: PositionNo::new(self.ids).unwrap_or_default(),
            logical: LogicalOrder { role, revision: Revision::default() },
            attempt: Attempt::default(),
            epoch: Epoch::new(1).unwrap_or_default(),
        })
    }

    /// An order of a kind, its numbers exact to the last digit of the contract.
    pub(super) fn order(&mut self, kind: Kind) -> NewOrder {
        let (role, shape) = match kind {
            Kind::Entry => (Role::Entry, OrderShape::Market { qty: self.qty(1, 7) }),
            Kind::Rung => (Role::Rung(1), OrderShape::Limit { price: self.against(10, 3), qty: self.qty(2, 3) }),
            Kind::Target => (Role::Target, OrderShape::Limit { price: self.favour(20, 7), qty: self.qty(3, 7) }),
            Kind::Exit => (Role::Close, OrderShape::Market { qty: self.qty(1, 3) }),
            Kind::Stop => {
                let (trigger, size) = (self.against(30, 1), TriggerSize::ClosePosition);
                (Role::Stop, OrderShape::StopMarket { trigger, by: TriggerBy::Mark, size })
            }
            Kind::Trigger => {
                let (trigger, size) = (self.favour(25, 9), TriggerSize::Qty(self.qty(3, 7)));
                (Role::Target, OrderShape::TakeProfitMarket { trigger, by: TriggerBy::Last, size })
            }
        };
        let Book { mode, direction } = self.book;
        let (side, purpose) = if kind.opens() {
            (direction.opening_side(), Purpose::Open)
        } else {
            (direction.closing_side(), Purpose::Close)
        };
        NewOrder { id: self.id(role), symbol: self.symbol.clone(), side, direction, mode, purpose, shape }
    }

    /// Stop and target of the position, so many units away.
    pub(super) fn pair(&mut self, stop: i64, target: i64) -> PositionTpsl {
        let stop = PairLeg { id: self.id(Role::Stop), trigger: self.against(stop, 1), by: TriggerBy::Mark };
        let target = PairLeg { id: self.id_beside(Role::Target), trigger: self.favour(target, 9), by: TriggerBy::Mark };
        let Book { mode, direction } = self.book;
        PositionTpsl { symbol: self.symbol.clone(), direction, mode, stop, target }
    }

    /// How an order is named by our id.
    pub(super) fn named(&self, order: &NewOrder) -> OrderRef {
        let service = if order.shape.is_conditional() { Service::Conditional } else { Service::Regular };
        OrderRef { symbol: order.symbol.clone(), service, id: order.id, venue_id: None }
    }

    /// Other hands open a position of 3 units and 7 lots.
    pub(super) async fn hold(&mut self) -> Played {
        let (symbol, direction, qty) = (self.symbol.clone(), self.book.direction, self.qty(3, 7));
        self.step("other hands open a position");
        let refused = self
            .venue(|venue, account, now| venue.user_market(account, &symbol, direction, Purpose::Open, qty, now).err());
        self.settle().await;
        match refused {
            None => Ok(()),
            Some(refusal) => Err(Halt::NotRun(format!("the stage refuses a position: {refusal:?}"))),
        }
    }

    /// What a kind needs before it can be placed.
    pub(super) async fn prepare(&mut self, kind: Kind) -> Played {
        if kind.opens() { Ok(()) } else { self.hold().await }
    }

    /// An order of ours that is at the venue without the backend having placed it.
    pub(super) async fn given(&mut self, kind: Kind) -> Result<NewOrder, Halt> {
        let order = self.order(kind);
        self.step(format!("{} of ours is at the venue", kind.words()));
        let request = kraite_core::engine::Request::Place(order.clone());
        let outcomes = self.venue(|venue, account, now| venue.request(account, &request, now, now));
        self.settle().await;
        match outcomes.first() {
            Some((_, kraite_core::exchange::Outcome::Accepted(_))) => Ok(order),
            other => Err(Halt::NotRun(format!("the stage refuses {}: {other:?}", kind.words()))),
        }
    }

    /// What the venue holds under an id; what it spawned is left out.
    pub(super) fn objects(&self, id: ClientOrderId) -> Vec<OrderObject> {
        self.venue(|venue, account, _| venue.under(account, id).filter(|o| o.parent.is_none()).cloned().collect())
    }

    pub(super) fn object(&self, id: ClientOrderId) -> Option<OrderObject> {
        self.objects(id).pop()
    }

    /// The wire's number of the newest object under an id.
    pub(super) fn number(&self, id: ClientOrderId) -> Option<VenueOrderId> {
        self.object(id).map(|o| self.side.number(&o))
    }

    /// An order named by the venue's id too, as the backend tells it.
    pub(super) async fn numbered(&mut self, order: &NewOrder) -> Result<OrderRef, Halt> {
        let name = self.named(order);
        self.step("the backend is asked for the venue's id");
        let reading = self.exchange.lookup(&name, Endpoint::Order).await;
        let Ok(Reading { value: Lookup::Found(rows), .. }) = reading else {
            return Err(Halt::Broken { expected: "found".into(), seen: format!("{reading:?}") });
        };
        let row = rows.into_iter().find(|row| row.service == name.service);
        let row = there("a row of its service", row)?;
        Ok(OrderRef { venue_id: Some(row.venue_id), ..name })
    }

    /// The user cancels an order of ours.
    pub(super) async fn cancelled_by_hand(&mut self, id: ClientOrderId) -> Played {
        self.step("the user cancels it");
        let number = there("the order", self.object(id).map(|o| o.id.venue_id()))?;
        let refused = self.venue(|venue, _, now| venue.user_cancel(&number, now).err());
        self.settle().await;
        match refused {
            None => Ok(()),
            Some(refusal) => Err(Halt::NotRun(format!("the stage does not cancel: {refusal:?}"))),
        }
    }

    /// The open plans of the position.
    pub(super) fn plans(&self) -> Vec<OrderObject> {
        let direction = self.book.direction;
        self.venue(|venue, account, _| {
            let plans = venue.open(account).filter(|o| o.service == Service::PositionPlan && o.direction == direction);
            plans.cloned().collect()
        })
    }

    /// How much is open on the scenario's side.
    pub(super) fn open_qty(&self) -> Qty {
        self.open_on(self.book.direction)
    }

    pub(super) fn open_on(&self, direction: Direction) -> Qty {
        let symbol = self.symbol.clone();
        self.venue(|venue, account, _| venue.position(account, &symbol, direction))
    }

    /// Somebody trades with a resting order of ours, or makes a trigger fire.
    pub(super) async fn fill(&mut self, id: ClientOrderId, qty: Option<Qty>) {
        self.step(qty.map_or_else(|| "it executes".to_owned(), |qty| format!("{qty} of it executes")));
        let object: Option<ObjectId> = self.object(id).map(|o| o.id);
        self.venue(|venue, _, now| {
            if let Some(object) = object {
                venue.fill_order(object, qty, now);
            }
        });
        self.settle().await;
    }

    /// A fault for a request to come.
    pub(super) fn meet(&mut self, on: On, fault: Fault) -> Played {
        self.step(format!("next: {}", fault.words()));
        if self.side.meet(on, fault) {
            Ok(())
        } else {
            Err(Halt::NotRun(format!("this stage has no such fault: {}", fault.words())))
        }
    }

    /// The fault was met, or the scenario says nothing.
    pub(super) fn was_met(&self) -> Played {
        let says = "no request of this call met the fault";
        if self.side.met() > 0 { Ok(()) } else { Err(Halt::NotRun(says.into())) }
    }
}

/// The guarantee holds if this is so.
pub(super) fn hold_that(is: bool, expected: impl Into<String>, seen: impl Debug) -> Played {
    if is { Ok(()) } else { Err(Halt::Broken { expected: expected.into(), seen: format!("{seen:?}") }) }
}

/// The guarantee holds if both are the same.
pub(super) fn same<T: PartialEq + Debug>(what: &str, seen: &T, expected: &T) -> Played {
    hold_that(seen == expected, format!("{what}: {expected:?}"), seen)
}

/// The venue's id as a backend tells it, which may write more than the wire's number, but no other number.
pub(super) fn same_number(told: &VenueOrderId, number: Option<VenueOrderId>) -> Played {
    let is_it = number.as_ref().is_some_and(|number| {
        told.as_str()
            .strip_suffix(number.as_str())
            .is_some_and(|before| !before.ends_with(|c: char| c.is_ascii_digit()))
    });
    hold_that(is_it, format!("the venue's id: {number:?}"), told)
}

/// What has to be there.
pub(super) fn there<T>(what: &str, value: Option<T>) -> Result<T, Halt> {
    value.ok_or_else(|| Halt::Broken { expected: what.into(), seen: "nothing".into() })
}
