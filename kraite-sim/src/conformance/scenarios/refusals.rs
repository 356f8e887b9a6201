//! What the venue refuses, and of which kind the refusal is told to be.

use kraite_core::capabilities::{Capabilities, Protection};
use kraite_core::exchange::{NewOrder, OrderShape, Outcome, RejectKind, TriggerBy, TriggerSize};
use kraite_core::number::{Price, Qty};

use super::super::guarantee::Guarantee;
use super::super::scene::{Book, Kind, Played, Scene, hold_that, same};
use super::{Catalogue, the_only};

/// What is wrong with an order.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    /// A price between two ticks.
    Tick,
    /// A quantity between two lots.
    Lot,
    /// A quantity below the smallest.
    Small,
    /// More than the account can pay for.
    Margin,
    /// A limit order that closes where nothing is open.
    NothingToClose,
    /// A stop beyond the present price.
    Triggers,
    /// A stop without a position.
    NoPosition,
    /// A second stop for the whole position.
    Second,
    /// Hedge fields on a one-way account, or the reverse.
    Mode,
}

impl Wrong {
    const fn words(self) -> &'static str {
        match self {
            Self::Tick => "a price between two ticks",
            Self::Lot => "a quantity between two lots",
            Self::Small => "a quantity below the smallest",
            Self::Margin => "more than the account can pay for",
            Self::NothingToClose => "a limit target with nothing open",
            Self::Triggers => "a stop beyond the present price",
            Self::NoPosition => "a stop without a position",
            Self::Second => "a second stop for the whole position",
            Self::Mode => "an order of the other position mode",
        }
    }

    fn may_be(self, kind: RejectKind) -> bool {
        match self {
            Self::Tick | Self::Lot | Self::Small => kind == RejectKind::Filter,
            Self::Margin => kind == RejectKind::Margin,
            Self::NothingToClose => matches!(kind, RejectKind::ReduceOnly | RejectKind::NoPosition),
            Self::Triggers => kind == RejectKind::WouldTrigger,
            Self::NoPosition => matches!(kind, RejectKind::NoPosition | RejectKind::ReduceOnly),
            Self::Second => kind == RejectKind::AlreadyExists,
            Self::Mode => matches!(kind, RejectKind::Account | RejectKind::Other),
        }
    }
}

pub(super) fn add(catalogue: &mut Catalogue, capabilities: &Capabilities) {
    let mut all = vec![Wrong::Tick, Wrong::Lot, Wrong::Small, Wrong::Margin, Wrong::NothingToClose, Wrong::Mode];
    if capabilities.protection == Protection::Separate {
        all.extend([Wrong::Triggers, Wrong::NoPosition, Wrong::Second]);
    }
    for book in Book::TWO {
        for wrong in all.clone() {
            let name = format!("refused: {}", wrong.words());
            catalogue.add(Guarantee::RefusedIsNothing, name, book, move |scene| Box::pin(refused(scene, wrong)));
        }
    }
}

/// Half a step more.
fn between(number: &str) -> (Price, Qty) {
    (number.parse().unwrap_or_default(), number.parse().unwrap_or_default())
}

async fn ill_made(scene: &mut Scene, wrong: Wrong) -> Result<NewOrder, super::Halt> {
    let (step, _) = between("0.00005");
    let (_, crumb) = between("0.000005");
    let kind = match wrong {
        Wrong::Triggers | Wrong::Second => {
            scene.hold().await?;
            Kind::Stop
        }
        Wrong::NoPosition => Kind::Stop,
        Wrong::NothingToClose => Kind::Target,
        Wrong::Tick | Wrong::Lot | Wrong::Small | Wrong::Margin | Wrong::Mode => Kind::Rung,
    };
    if matches!(wrong, Wrong::Second) {
        scene.given(Kind::Stop).await?;
    }
    let mut order = scene.order(kind);
    let (price, qty) = (scene.against(10, 3), scene.qty(2, 3));
    match wrong {
        Wrong::Tick => order.shape = OrderShape::Limit { price: price.checked_add(step).unwrap_or_default(), qty },
        Wrong::Lot => order.shape = OrderShape::Limit { price, qty: qty.checked_add(crumb).unwrap_or_default() },
        Wrong::Small => order.shape = OrderShape::Limit { price, qty: crumb },
        Wrong::Margin => order.shape = OrderShape::Limit { price, qty: scene.qty(9_000, 0) },
        Wrong::Triggers => {
            let (trigger, size) = (scene.favour(5, 1), TriggerSize::ClosePosition);
            order.shape = OrderShape::StopMarket { trigger, by: TriggerBy::Mark, size };
        }
        Wrong::Mode => {
            order.mode = match order.mode {
                kraite_core::exchange::PositionMode::OneWay => kraite_core::exchange::PositionMode::Hedge,
                kraite_core::exchange::PositionMode::Hedge => kraite_core::exchange::PositionMode::OneWay,
            };
        }
        Wrong::NothingToClose | Wrong::NoPosition | Wrong::Second => {}
    }
    Ok(order)
}

async fn refused(scene: &mut Scene, wrong: Wrong) -> Played {
    let order = ill_made(scene, wrong).await?;
    scene.step(format!("the backend places {}", wrong.words()));
    let outcomes = scene.exchange.place(std::slice::from_ref(&order), scene.ample()).await;
    scene.settle().await;
    same("how many the venue holds", &scene.objects(order.id).len(), &0)?;
    match the_only(&outcomes)? {
        Outcome::Rejected(reject) => hold_that(wrong.may_be(reject.kind), "the kind of this refusal", reject),
        other => hold_that(false, "refused", other),
    }
}
