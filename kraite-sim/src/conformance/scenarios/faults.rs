//! Faults of the wire under everything that asks for a change, and what may be told of each.

use kraite_core::capabilities::Capabilities;
use kraite_core::exchange::Outcome;
use kraite_core::time::Millis;

use super::super::guarantee::Guarantee;
use super::super::scene::{Book, Kind, Played, Scene, hold_that, same};
use super::super::stage::{Fault, On};
use super::{Catalogue, Change};

/// Beyond this a request is expired whatever its window.
const BEYOND: Millis = Millis::from_secs(3);
/// Long enough for anything that is sent again to be sent.
const LONG: Millis = Millis::from_secs(40);

pub(super) fn add(catalogue: &mut Catalogue, capabilities: &Capabilities) {
    let late = Fault::Late(capabilities.absence_regular.window.plus(BEYOND));
    let all = [
        (Fault::LostBefore, Guarantee::UnknownIsTold, Book::LONG),
        (Fault::LostAfter, Guarantee::UnknownIsTold, Book::HEDGED_SHORT),
        (Fault::ErrorActed, Guarantee::UnknownIsTold, Book::LONG),
        (Fault::ErrorIdle, Guarantee::UnknownIsTold, Book::HEDGED_SHORT),
        (Fault::Garbage, Guarantee::UnknownIsTold, Book::LONG),
        (Fault::Truncated, Guarantee::UnknownIsTold, Book::HEDGED_SHORT),
        (Fault::Twice, Guarantee::UnknownIsTold, Book::LONG),
        (late, Guarantee::NotAfter, Book::HEDGED_SHORT),
        (Fault::RateLimited, Guarantee::RefusedIsNothing, Book::LONG),
    ];
    for change in Change::of(capabilities) {
        for (fault, guarantee, book) in all {
            let name = format!("{}: {}", change.words(), fault.words());
            catalogue.add(guarantee, name, book, move |scene| Box::pin(met(scene, change, fault)));
        }
        for fault in [Fault::LostAfter, Fault::ErrorIdle, Fault::RateLimited] {
            let name = format!("{} is not sent again: {}", change.words(), fault.words());
            catalogue
                .add(Guarantee::NeverSentAgain, name, Book::LONG, move |scene| Box::pin(once(scene, change, fault)));
        }
    }
    for fault in [Fault::LostBefore, Fault::LostAfter, Fault::Garbage, Fault::ErrorActed] {
        let name = format!("three rungs in one call: {}", fault.words());
        catalogue.add(Guarantee::UnknownIsTold, name, Book::LONG, move |scene| Box::pin(batch(scene, fault)));
    }
    for kind in [Kind::Rung, Kind::Target] {
        let name = format!("{} is placed once more while it is open", kind.words());
        catalogue.add(Guarantee::UnknownIsTold, name, Book::LONG, move |scene| Box::pin(duplicate(scene, kind)));
    }
}

/// May this be told of a request that met this fault?
fn may_be_told(fault: Fault, acted: bool, outcome: &Outcome) -> bool {
    match (fault, outcome) {
        // Late or refused: nothing happened, and the venue may have said so.
        (Fault::Late(_) | Fault::RateLimited, Outcome::Rejected(_)) => !acted,
        (Fault::Late(_), Outcome::Accepted(_)) => acted,
        (Fault::RateLimited, Outcome::Accepted(_)) => false,
        (_, Outcome::Unknown(_)) => true,
        (Fault::Twice, Outcome::Accepted(_)) => acted,
        // Who looks again and sees it may tell it.
        (_, Outcome::Accepted(_)) => acted && fault != Fault::LostBefore,
        (_, Outcome::Rejected(_)) => false,
    }
}

async fn met(scene: &mut Scene, change: Change, fault: Fault) -> Played {
    let asked = change.prepare(scene).await?;
    scene.meet(On::Change, fault)?;
    let outcomes = change.ask(scene, &asked, scene.ample()).await;
    scene.was_met()?;
    match fault {
        Fault::Late(_) => scene.side.pass(LONG).await,
        _ => scene.settle().await,
    }
    let done = change.done(scene, &asked);
    for outcome in &outcomes {
        hold_that(
            may_be_told(fault, done > 0, outcome),
            match fault {
                Fault::Late(_) => format!("refused or unknown; the venue did it: {}", done > 0),
                Fault::RateLimited => "refused for now".to_owned(),
                _ => format!("unknown; the venue did it: {}", done > 0),
            },
            &outcomes,
        )?;
        if let (Fault::RateLimited, Outcome::Rejected(reject)) = (fault, outcome) {
            hold_that(reject.kind.is_retryable(), "a refusal that may be tried again", reject)?;
        }
    }
    if !matches!(fault, Fault::Twice) {
        hold_that(done <= 1, "done once at most", done)?;
    }
    Ok(())
}

async fn once(scene: &mut Scene, change: Change, fault: Fault) -> Played {
    let asked = change.prepare(scene).await?;
    let before = scene.side.changes();
    scene.meet(On::Change, fault)?;
    let outcomes = change.ask(scene, &asked, scene.ample()).await;
    scene.was_met()?;
    scene.side.pass(LONG).await;
    let sent = scene.side.changes().saturating_sub(before);
    hold_that(sent == 1, "one request", format!("{sent} requests, told as {outcomes:?}"))
}

async fn batch(scene: &mut Scene, fault: Fault) -> Played {
    let orders = [scene.order(Kind::Rung), scene.order(Kind::Rung), scene.order(Kind::Rung)];
    scene.meet(On::Change, fault)?;
    scene.step("the backend places three rungs in one call");
    let outcomes = scene.exchange.place(&orders, scene.ample()).await;
    scene.was_met()?;
    scene.side.pass(LONG).await;
    same("how many outcomes", &outcomes.len(), &orders.len())?;
    hold_that(outcomes.iter().any(|o| matches!(o, Outcome::Unknown(_))), "what the fault hit is unknown", &outcomes)?;
    for (order, outcome) in orders.iter().zip(&outcomes) {
        let held = scene.objects(order.id).len();
        hold_that(held <= 1, "each rung is there once at most", held)?;
        let is_true = match outcome {
            Outcome::Accepted(_) => held == 1,
            Outcome::Rejected(_) => held == 0,
            Outcome::Unknown(_) => true,
        };
        hold_that(is_true, format!("what is told of each is true; the venue holds this one: {held}"), &outcomes)?;
    }
    Ok(())
}

async fn duplicate(scene: &mut Scene, kind: Kind) -> Played {
    if !kind.opens() {
        scene.hold().await?;
    }
    let order = scene.given(kind).await?;
    scene.step("the backend places the same order under the same id");
    let outcomes = scene.exchange.place(std::slice::from_ref(&order), scene.ample()).await;
    same("how many the venue holds", &scene.objects(order.id).len(), &1)?;
    hold_that(matches!(outcomes.as_slice(), [Outcome::Unknown(_)]), "unknown: it may be ours", &outcomes)
}
