//! Every scenario, by what it is about.

mod account;
mod asked;
mod books;
mod cancels;
mod faults;
mod lists;
mod lookups;
mod pairs;
mod refusals;
mod stream;

use futures_util::future::BoxFuture;
use kraite_core::capabilities::{Capabilities, Protection, Reprice};
use kraite_core::exchange::{Amend, MarginMode, NewOrder, Outcome, PositionTpsl};
use kraite_core::number::{Price, Qty};
use kraite_core::time::VenueMillis;

use super::guarantee::Guarantee;
use super::scene::{Book, Halt, Kind, Play, Played, Scene};

/// One scenario: what it is about, what it needs, and what happens.
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) guarantee: Guarantee,
    pub(super) book: Book,
    pub(super) play: Play,
}

/// Scenarios under their names.
#[derive(Default)]
pub(super) struct Catalogue(Vec<Scenario>);

impl Catalogue {
    fn add(
        &mut self,
        guarantee: Guarantee,
        name: impl Into<String>,
        book: Book,
        play: impl for<'a> Fn(&'a mut Scene) -> BoxFuture<'a, Played> + Send + Sync + 'static,
    ) {
        let name = format!("{}, {}", name.into(), book.words());
        self.0.push(Scenario { name, guarantee, book, play: Box::new(play) });
    }
}

/// Every scenario that a backend with these capabilities can be asked for.
pub(super) fn all(capabilities: &Capabilities) -> Vec<Scenario> {
    let mut catalogue = Catalogue::default();
    asked::add(&mut catalogue, capabilities);
    faults::add(&mut catalogue, capabilities);
    refusals::add(&mut catalogue, capabilities);
    cancels::add(&mut catalogue, capabilities);
    pairs::add(&mut catalogue, capabilities);
    lookups::add(&mut catalogue, capabilities);
    books::add(&mut catalogue, capabilities);
    lists::add(&mut catalogue, capabilities);
    account::add(&mut catalogue, capabilities);
    stream::add(&mut catalogue, capabilities);
    catalogue.0
}

/// Something that asks for a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// An order is placed.
    Place(Kind),
    /// Stop and target are set.
    Pair,
    /// A resting order is cancelled.
    Cancel,
    /// A resting order is changed.
    Amend,
    /// The leverage is set.
    Leverage,
    /// The margin mode is set.
    Margin,
}

/// The leverage that scenarios ask for.
const LEVERAGE: u32 = 7;

impl Change {
    fn of(capabilities: &Capabilities) -> Vec<Self> {
        let mut all: Vec<Self> = Kind::of(capabilities).into_iter().map(Self::Place).collect();
        if capabilities.protection == Protection::Paired {
            all.push(Self::Pair);
        }
        all.push(Self::Cancel);
        if capabilities.reprice_limit == Reprice::AmendInPlace {
            all.push(Self::Amend);
        }
        all.extend([Self::Leverage, Self::Margin]);
        all
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Place(kind) => kind.words(),
            Self::Pair => "a pair",
            Self::Cancel => "a cancellation",
            Self::Amend => "a change",
            Self::Leverage => "a leverage",
            Self::Margin => "a margin mode",
        }
    }

    /// What has to be there before.
    async fn prepare(self, scene: &mut Scene) -> Result<Asked, Halt> {
        match self {
            Self::Place(kind) => {
                scene.prepare(kind).await?;
                Ok(Asked::Order(scene.order(kind)))
            }
            Self::Pair => {
                scene.hold().await?;
                Ok(Asked::Pair(scene.pair(30, 25)))
            }
            Self::Cancel | Self::Amend => Ok(Asked::Order(scene.given(Kind::Rung).await?)),
            Self::Leverage | Self::Margin => Ok(Asked::Setting),
        }
    }

    /// Asks for it; one outcome, or two for a pair.
    async fn ask(self, scene: &mut Scene, asked: &Asked, not_after: VenueMillis) -> Vec<Outcome> {
        let exchange = scene.exchange.clone();
        scene.step(format!("the backend is asked for {}", self.words()));
        match (self, asked) {
            (Self::Place(_), Asked::Order(order)) => exchange.place(std::slice::from_ref(order), not_after).await,
            (Self::Cancel, Asked::Order(order)) => vec![exchange.cancel(&scene.named(order), not_after).await],
            (Self::Amend, Asked::Order(order)) => {
                let (price, qty) = amended(scene);
                let change = Amend { order: scene.named(order), side: order.side, price, qty };
                vec![exchange.amend(&change, not_after).await]
            }
            (_, Asked::Pair(pair)) => {
                let outcome = exchange.place_position_tpsl(pair, not_after).await;
                vec![outcome.stop, outcome.target]
            }
            (Self::Margin, _) => {
                vec![exchange.set_margin_mode(&scene.symbol, MarginMode::Isolated, not_after).await]
            }
            _ => vec![exchange.set_leverage(&scene.symbol, LEVERAGE, not_after).await],
        }
    }

    /// How often the venue did it.
    fn done(self, scene: &Scene, asked: &Asked) -> usize {
        let settings = || {
            let symbol = scene.symbol.clone();
            scene.venue(|venue, account, _| venue.account(account).and_then(|a| a.settings_on(&symbol)))
        };
        match (self, asked) {
            (Self::Place(_), Asked::Order(order)) => scene.objects(order.id).len(),
            (Self::Cancel, Asked::Order(order)) => usize::from(scene.object(order.id).is_some_and(|o| !o.is_open())),
            (Self::Amend, Asked::Order(order)) => {
                let (price, qty) = amended(scene);
                let object = scene.object(order.id);
                usize::from(object.is_some_and(|o| o.shape.price() == Some(price) && o.shape.qty() == Some(qty)))
            }
            (_, Asked::Pair(_)) => scene.plans().len().div_ceil(2),
            (Self::Margin, _) => usize::from(settings().is_some_and(|s| s.margin_mode == MarginMode::Isolated)),
            _ => usize::from(settings().is_some_and(|s| s.leverage == LEVERAGE)),
        }
    }
}

/// What a resting order is changed to.
fn amended(scene: &Scene) -> (Price, Qty) {
    (scene.against(12, 5), scene.qty(2, 9))
}

/// What was asked for.
#[derive(Debug, Clone)]
enum Asked {
    Order(NewOrder),
    Pair(PositionTpsl),
    Setting,
}

/// The place with one outcome.
fn the_only(outcomes: &[Outcome]) -> Result<&Outcome, Halt> {
    match outcomes {
        [only] => Ok(only),
        other => Err(Halt::Broken { expected: "one outcome".into(), seen: format!("{other:?}") }),
    }
}
