//! Cancellations and changes of what rests.

use kraite_core::capabilities::{Capabilities, Protection, Reprice};
use kraite_core::exchange::{Amend, NewOrder, OrderRef, Outcome, RejectKind, ReportStatus, ReportedId};

use super::super::guarantee::Guarantee;
use super::super::scene::{Book, Halt, Kind, Played, Scene, hold_that, same, same_number, there};
use super::{Catalogue, amended};

/// How the order is named.
#[derive(Debug, Clone, Copy)]
enum Naming {
    Ours,
    Both,
}

impl Naming {
    const fn words(self) -> &'static str {
        match self {
            Self::Ours => "by our id",
            Self::Both => "by the venue's id too",
        }
    }

    async fn name(self, scene: &mut Scene, order: &NewOrder) -> Result<OrderRef, Halt> {
        match self {
            Self::Ours => Ok(scene.named(order)),
            Self::Both => scene.numbered(order).await,
        }
    }
}

pub(super) fn add(catalogue: &mut Catalogue, capabilities: &Capabilities) {
    let separate = capabilities.protection == Protection::Separate;
    for book in Book::TWO {
        for naming in [Naming::Ours, Naming::Both] {
            let name = format!("one of three rungs is cancelled {}", naming.words());
            catalogue.add(Guarantee::CancelNames, name, book, move |scene| Box::pin(one_of_three(scene, naming)));
            if separate {
                let name = format!("a target is cancelled {} beside its stop", naming.words());
                catalogue.add(Guarantee::CancelNames, name, book, move |scene| Box::pin(beside(scene, naming)));
            }
            if capabilities.reprice_limit == Reprice::AmendInPlace {
                let name = format!("a rung is changed {}", naming.words());
                catalogue.add(Guarantee::AmendKeeps, name, book, move |scene| Box::pin(changed(scene, naming)));
            }
        }
        catalogue.add(Guarantee::CancelNames, "a filled rung is cancelled", book, |scene| Box::pin(filled(scene)));
        catalogue.add(Guarantee::CancelNames, "a rung is cancelled twice", book, |scene| Box::pin(twice(scene)));
        catalogue
            .add(Guarantee::CancelNames, "a rung that never was is cancelled", book, |scene| Box::pin(never(scene)));
        catalogue.add(Guarantee::CancelNames, "the rest of a rung is cancelled", book, |scene| Box::pin(rest(scene)));
        if capabilities.reprice_limit == Reprice::AmendInPlace {
            catalogue.add(Guarantee::AmendKeeps, "a filled rung is changed", book, |scene| {
                Box::pin(changed_too_late(scene))
            });
            catalogue.add(Guarantee::AmendKeeps, "a rung that has filled in part is changed", book, |scene| {
                Box::pin(changed_in_part(scene))
            });
            catalogue
                .add(Guarantee::AmendKeeps, "a limit target is changed", book, |scene| Box::pin(target_changed(scene)));
        }
    }
}

fn is_unknown_order(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Rejected(reject) if reject.kind == RejectKind::UnknownOrder)
}

async fn cancel(scene: &mut Scene, order: &OrderRef) -> Outcome {
    scene.step("the backend cancels it");
    let outcome = scene.exchange.cancel(order, scene.ample()).await;
    scene.settle().await;
    outcome
}

async fn one_of_three(scene: &mut Scene, naming: Naming) -> Played {
    let mut rungs = Vec::new();
    for _ in 0..3 {
        rungs.push(scene.given(Kind::Rung).await?);
    }
    let [first, named, last] = rungs.as_slice() else { return Ok(()) };
    let name = naming.name(scene, named).await?;
    scene.step("the second is meant");
    let outcome = cancel(scene, &name).await;
    hold_that(matches!(outcome, Outcome::Accepted(_)), "accepted", outcome)?;
    let status = |order: &NewOrder| scene.object(order.id).map(|o| o.status);
    same("what was named", &status(named), &Some(ReportStatus::Cancelled))?;
    same("the first", &status(first), &Some(ReportStatus::New))?;
    same("the last", &status(last), &Some(ReportStatus::New))
}

async fn beside(scene: &mut Scene, naming: Naming) -> Played {
    scene.hold().await?;
    let (stop, target) = (scene.given(Kind::Stop).await?, scene.given(Kind::Trigger).await?);
    let name = naming.name(scene, &target).await?;
    let outcome = cancel(scene, &name).await;
    hold_that(matches!(outcome, Outcome::Accepted(_)), "accepted", outcome)?;
    let status = |order: &NewOrder| scene.object(order.id).map(|o| o.status);
    same("the target", &status(&target), &Some(ReportStatus::Cancelled))?;
    same("the stop", &status(&stop), &Some(ReportStatus::New))
}

async fn filled(scene: &mut Scene) -> Played {
    let rung = scene.given(Kind::Rung).await?;
    scene.fill(rung.id, None).await;
    let name = scene.named(&rung);
    let outcome = cancel(scene, &name).await;
    hold_that(is_unknown_order(&outcome), "refused: the order is not open", outcome)
}

async fn twice(scene: &mut Scene) -> Played {
    let rung = scene.given(Kind::Rung).await?;
    let name = scene.named(&rung);
    let first = cancel(scene, &name).await;
    hold_that(matches!(first, Outcome::Accepted(_)), "accepted", first)?;
    let second = cancel(scene, &name).await;
    hold_that(is_unknown_order(&second), "refused: the order is not open", second)
}

async fn never(scene: &mut Scene) -> Played {
    let other = scene.given(Kind::Rung).await?;
    let rung = scene.order(Kind::Rung);
    let name = scene.named(&rung);
    let outcome = cancel(scene, &name).await;
    same("the order beside it", &scene.object(other.id).map(|o| o.status), &Some(ReportStatus::New))?;
    hold_that(is_unknown_order(&outcome), "refused: the order is not open", outcome)
}

async fn rest(scene: &mut Scene) -> Played {
    let rung = scene.given(Kind::Rung).await?;
    let part = scene.qty(1, 1);
    scene.fill(rung.id, Some(part)).await;
    let name = scene.named(&rung);
    let outcome = cancel(scene, &name).await;
    let Outcome::Accepted(ack) = &outcome else { return hold_that(false, "accepted", outcome) };
    if let Some(executed) = ack.report.as_ref().and_then(|report| report.executed) {
        same("what had executed", &executed, &part)?;
    }
    let object = there("the rung", scene.object(rung.id))?;
    same("the venue's status and what executed", &(object.status, object.executed), &(ReportStatus::Cancelled, part))
}

async fn change(scene: &mut Scene, order: &NewOrder, name: OrderRef) -> Outcome {
    let (price, qty) = amended(scene);
    scene.step(format!("the backend changes it to {qty} at {price}"));
    let outcome = scene.exchange.amend(&Amend { order: name, side: order.side, price, qty }, scene.ample()).await;
    scene.settle().await;
    outcome
}

async fn changed(scene: &mut Scene, naming: Naming) -> Played {
    let (rung, other) = (scene.given(Kind::Rung).await?, scene.given(Kind::Rung).await?);
    let before = there("the rung", scene.object(rung.id))?;
    let name = naming.name(scene, &rung).await?;
    let outcome = change(scene, &rung, name).await;
    let Outcome::Accepted(ack) = &outcome else { return hold_that(false, "accepted", outcome) };
    if let Some(report) = &ack.report {
        same("whose order the answer is about", &report.id, &ReportedId::Ours(rung.id))?;
        same_number(&report.venue_id, Some(scene.side.number(&before)))?;
    }
    let after = there("the rung", scene.object(rung.id))?;
    let (price, qty) = amended(scene);
    same("the venue's id", &after.id, &before.id)?;
    same("price and size", &(after.shape.price(), after.shape.qty()), &(Some(price), Some(qty)))?;
    same("the order beside it", &scene.object(other.id).map(|o| o.shape), &Some(other.shape))
}

async fn changed_too_late(scene: &mut Scene) -> Played {
    let rung = scene.given(Kind::Rung).await?;
    scene.fill(rung.id, None).await;
    let held = scene.open_qty();
    let name = scene.named(&rung);
    let outcome = change(scene, &rung, name).await;
    same("how many the venue holds under its id", &scene.objects(rung.id).len(), &1)?;
    same("what is open", &scene.open_qty(), &held)?;
    hold_that(is_unknown_order(&outcome), "refused: the order is not open", outcome)
}

async fn changed_in_part(scene: &mut Scene) -> Played {
    let rung = scene.given(Kind::Rung).await?;
    let part = scene.qty(1, 1);
    scene.fill(rung.id, Some(part)).await;
    let name = scene.named(&rung);
    let outcome = change(scene, &rung, name).await;
    hold_that(matches!(outcome, Outcome::Accepted(_)), "accepted", outcome)?;
    let after = there("the rung", scene.object(rung.id))?;
    let (_, qty) = amended(scene);
    same("its whole size and what executed", &(after.shape.qty(), after.executed), &(Some(qty), part))
}

async fn target_changed(scene: &mut Scene) -> Played {
    scene.hold().await?;
    let target = scene.given(Kind::Target).await?;
    let (price, qty) = (scene.favour(18, 3), scene.qty(3, 5));
    let before = scene.number(target.id);
    scene.step(format!("the backend changes the target to {qty} at {price}"));
    let change = Amend { order: scene.named(&target), side: target.side, price, qty };
    let outcome = scene.exchange.amend(&change, scene.ample()).await;
    hold_that(matches!(outcome, Outcome::Accepted(_)), "accepted", outcome)?;
    let after = there("the target", scene.object(target.id))?;
    same("the venue's id", &scene.number(target.id), &before)?;
    same("price and size", &(after.shape.price(), after.shape.qty()), &(Some(price), Some(qty)))
}
