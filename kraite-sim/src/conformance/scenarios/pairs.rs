//! Stop and target of a position in one call.

use kraite_core::capabilities::{Capabilities, Protection};
use kraite_core::exchange::{
    Direction, OrderReport, OrderShape, Outcome, PositionMode, PositionTpsl, Purpose, RejectKind, ReportedId, Service,
};
use kraite_core::number::Price;

use super::super::guarantee::Guarantee;
use super::super::scene::{Book, Played, Scene, hold_that, same, there};
use super::Catalogue;

pub(super) fn add(catalogue: &mut Catalogue, capabilities: &Capabilities) {
    if capabilities.protection == Protection::Separate {
        for book in Book::TWO {
            catalogue.add(Guarantee::PairLegs, "a pair where there are none", book, |scene| Box::pin(not_here(scene)));
        }
        return;
    }
    for book in Book::ALL {
        catalogue.add(Guarantee::PairLegs, "a pair is set", book, |scene| Box::pin(set(scene)));
        catalogue.add(Guarantee::PairLegs, "a pair is set anew", book, |scene| Box::pin(again(scene)));
        catalogue.add(Guarantee::PairLegs, "the legs of a pair are listed", book, |scene| Box::pin(listed(scene)));
        catalogue.add(Guarantee::PairLegs, "a stop leg beyond the present price", book, |scene| {
            Box::pin(one_bad(scene, true))
        });
        catalogue.add(Guarantee::PairLegs, "a target leg beyond the present price", book, |scene| {
            Box::pin(one_bad(scene, false))
        });
        catalogue.add(Guarantee::PairLegs, "a pair without a position", book, |scene| Box::pin(no_position(scene)));
        catalogue.add(Guarantee::PairLegs, "a pair after its stop has fired", book, |scene| Box::pin(revived(scene)));
    }
    for book in [Book { mode: PositionMode::Hedge, direction: Direction::Long }, Book::HEDGED_SHORT] {
        catalogue.add(Guarantee::PairLegs, "pairs on both sides", book, |scene| Box::pin(both_sides(scene)));
    }
}

async fn ask(scene: &mut Scene, pair: &PositionTpsl) -> (Outcome, Outcome) {
    scene.step("the backend sets stop and target");
    let outcome = scene.exchange.place_position_tpsl(pair, scene.ample()).await;
    scene.settle().await;
    (outcome.stop, outcome.target)
}

/// Where the open plans of a direction trigger: stop and target.
fn triggers(scene: &Scene) -> (Vec<Price>, Vec<Price>) {
    let (mut stops, mut targets) = (Vec::new(), Vec::new());
    for plan in scene.plans() {
        match plan.shape {
            OrderShape::StopMarket { trigger, .. } => stops.push(trigger),
            OrderShape::TakeProfitMarket { trigger, .. } => targets.push(trigger),
            OrderShape::Market { .. } | OrderShape::Limit { .. } => {}
        }
    }
    (stops, targets)
}

fn stand(scene: &Scene, pair: &PositionTpsl) -> Played {
    same("where the venue's plans trigger", &triggers(scene), &(vec![pair.stop.trigger], vec![pair.target.trigger]))
}

fn both_accepted(outcome: &(Outcome, Outcome), pair: &PositionTpsl) -> Played {
    let (Outcome::Accepted(stop), Outcome::Accepted(target)) = outcome else {
        return hold_that(false, "both legs are accepted", outcome);
    };
    for (ack, leg) in [(stop, &pair.stop), (target, &pair.target)] {
        if let Some(report) = &ack.report {
            same("whose leg the outcome is about", &report.id, &ReportedId::Ours(leg.id))?;
            if let Some(price) = report.stated.and_then(|stated| stated.price) {
                same("where it triggers", &price, &leg.trigger)?;
            }
        }
    }
    Ok(())
}

async fn not_here(scene: &mut Scene) -> Played {
    scene.hold().await?;
    let pair = scene.pair(30, 25);
    let outcome = ask(scene, &pair).await;
    same("how many plans the venue holds", &scene.plans().len(), &0)?;
    let refused = |o: &Outcome| matches!(o, Outcome::Rejected(_));
    hold_that(refused(&outcome.0) && refused(&outcome.1), "both legs are refused", outcome)
}

async fn set(scene: &mut Scene) -> Played {
    scene.hold().await?;
    let pair = scene.pair(30, 25);
    let outcome = ask(scene, &pair).await;
    both_accepted(&outcome, &pair)?;
    stand(scene, &pair)
}

async fn again(scene: &mut Scene) -> Played {
    scene.hold().await?;
    let first = scene.pair(30, 25);
    let outcome = ask(scene, &first).await;
    both_accepted(&outcome, &first)?;
    let second = scene.pair(28, 22);
    let outcome = ask(scene, &second).await;
    both_accepted(&outcome, &second)?;
    stand(scene, &second)
}

async fn listed(scene: &mut Scene) -> Played {
    scene.hold().await?;
    let pair = scene.pair(30, 25);
    let outcome = ask(scene, &pair).await;
    both_accepted(&outcome, &pair)?;
    scene.step("the open orders are read");
    let reading = scene.exchange.open_orders(Some(scene.symbol.clone())).await;
    let Ok(reading) = reading else { return hold_that(false, "the open orders", reading) };
    let plans: Vec<&OrderReport> = reading.value.iter().filter(|row| row.service == Service::PositionPlan).collect();
    same("how many plans are listed", &plans.len(), &2)?;
    for leg in [&pair.stop, &pair.target] {
        let row = plans.iter().find(|row| row.id == ReportedId::Ours(leg.id));
        let row = there("each leg under its id", row)?;
        same("where it triggers", &row.stated.and_then(|stated| stated.price), &Some(leg.trigger))?;
        same("its direction", &row.direction, &pair.direction)?;
        same("its side", &row.side, &pair.direction.closing_side())?;
    }
    Ok(())
}

async fn one_bad(scene: &mut Scene, stop: bool) -> Played {
    scene.hold().await?;
    let pair = if stop { scene.pair(-40, 60) } else { scene.pair(60, -40) };
    let outcome = ask(scene, &pair).await;
    let (stops, targets) = triggers(scene);
    for (what, leg, held) in [("the stop", &outcome.0, stops.len()), ("the target", &outcome.1, targets.len())] {
        let is_true = match leg {
            Outcome::Accepted(_) => held == 1,
            Outcome::Rejected(_) => held == 0,
            Outcome::Unknown(_) => false,
        };
        hold_that(is_true, format!("what is told of {what} is true; the venue holds {held}"), &outcome)?;
    }
    let bad = if stop { &outcome.0 } else { &outcome.1 };
    hold_that(matches!(bad, Outcome::Rejected(_)), "the leg beyond the price is refused", bad)
}

async fn no_position(scene: &mut Scene) -> Played {
    let pair = scene.pair(30, 25);
    let outcome = ask(scene, &pair).await;
    same("how many plans the venue holds", &scene.plans().len(), &0)?;
    let refused = |o: &Outcome| matches!(o, Outcome::Rejected(reject) if matches!(reject.kind, RejectKind::NoPosition | RejectKind::ReduceOnly));
    hold_that(refused(&outcome.0) && refused(&outcome.1), "both legs are refused: there is no position", outcome)
}

async fn revived(scene: &mut Scene) -> Played {
    scene.hold().await?;
    let first = scene.pair(30, 25);
    let outcome = ask(scene, &first).await;
    both_accepted(&outcome, &first)?;
    let beyond = scene.against(31, 0);
    scene.move_to(beyond);
    scene.settle().await;
    same("what is open after the stop", &scene.open_qty().is_zero(), &true)?;
    let second = scene.pair(35, 25);
    let outcome = ask(scene, &second).await;
    same("how many plans the venue holds", &scene.plans().len(), &0)?;
    let refused = |o: &Outcome| matches!(o, Outcome::Rejected(_));
    hold_that(refused(&outcome.0) && refused(&outcome.1), "both legs are refused", outcome)
}

async fn both_sides(scene: &mut Scene) -> Played {
    scene.hold().await?;
    let (symbol, other, qty) = (scene.symbol.clone(), scene.book.direction.opposite(), scene.qty(2, 1));
    scene.step("other hands open a position on the other side");
    let refused =
        scene.venue(|venue, account, now| venue.user_market(account, &symbol, other, Purpose::Open, qty, now).err());
    same("a position on the other side is refused", &refused, &None)?;
    scene.settle().await;
    let pair = scene.pair(30, 25);
    let outcome = ask(scene, &pair).await;
    both_accepted(&outcome, &pair)?;
    stand(scene, &pair)?;
    let strays = scene.venue(|venue, account, _| {
        venue.open(account).filter(|o| o.service == Service::PositionPlan && o.direction == other).count()
    });
    same("plans on the other side", &strays, &0)
}
