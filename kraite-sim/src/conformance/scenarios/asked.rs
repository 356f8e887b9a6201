//! What is asked for arrives as it was asked for, and each order has its outcome.

use kraite_core::capabilities::Capabilities;
use kraite_core::exchange::{NewOrder, Outcome, RejectKind, ReportedId};

use super::super::guarantee::Guarantee;
use super::super::scene::{Book, Kind, Played, Scene, hold_that, same, there};
use super::super::stage::{Fault, On};
use super::{Catalogue, Change, LEVERAGE, the_only};

pub(super) fn add(catalogue: &mut Catalogue, capabilities: &Capabilities) {
    for book in Book::ALL {
        for kind in Kind::of(capabilities) {
            let name = format!("{} is placed", kind.words());
            catalogue.add(Guarantee::AskedIsHeld, name, book, move |scene| Box::pin(placed(scene, kind)));
        }
    }
    for book in Book::TWO {
        for size in [2_u8, capabilities.batch_size, capabilities.batch_size.saturating_add(2)] {
            let name = format!("{size} rungs are placed together");
            catalogue.add(Guarantee::OneOutcomeEach, name, book, move |scene| Box::pin(together(scene, size)));
        }
        for refused in [0_usize, 1, 2] {
            let name = format!("of three rungs the venue refuses number {}", refused.saturating_add(1));
            catalogue.add(Guarantee::OneOutcomeEach, name, book, move |scene| Box::pin(one_refused(scene, refused)));
        }
        catalogue.add(Guarantee::OneOutcomeEach, "an entry and a rung together", book, |scene| Box::pin(mixed(scene)));
        catalogue.add(Guarantee::OneOutcomeEach, "nothing is placed", book, |scene| Box::pin(nothing(scene)));
        for change in Change::of(capabilities) {
            let name = format!("{} whose time is over", change.words());
            catalogue.add(Guarantee::NotAfter, name, book, move |scene| Box::pin(over(scene, change)));
        }
        catalogue.add(Guarantee::NotAfter, "three rungs whose time is over", book, |scene| Box::pin(all_over(scene)));
        catalogue.add(Guarantee::NotAfter, "a close whose time is over", book, |scene| Box::pin(close_over(scene)));
        catalogue.add(Guarantee::Settings, "the leverage is set twice", book, |scene| Box::pin(leverage(scene)));
        catalogue.add(Guarantee::Settings, "the margin mode is set twice", book, |scene| Box::pin(margin(scene)));
        catalogue.add(Guarantee::CloseCloses, "an exit of a part", book, |scene| Box::pin(exit(scene)));
        catalogue.add(Guarantee::CloseCloses, "a close with nothing open", book, |scene| Box::pin(close_flat(scene)));
        catalogue.add(Guarantee::CloseCloses, "a close of the whole position", book, |scene| Box::pin(close(scene)));
        catalogue
            .add(Guarantee::CloseCloses, "a close that is asked for twice", book, |scene| Box::pin(close_twice(scene)));
        catalogue.add(Guarantee::CloseCloses, "an exit that is larger than the position", book, |scene| {
            Box::pin(exit_too_large(scene))
        });
    }
}

async fn placed(scene: &mut Scene, kind: Kind) -> Played {
    scene.prepare(kind).await?;
    let before = scene.open_qty();
    let order = scene.order(kind);
    scene.step(format!("the backend places {}", kind.words()));
    let outcomes = scene.exchange.place(std::slice::from_ref(&order), scene.ample()).await;
    let Outcome::Accepted(ack) = the_only(&outcomes)? else {
        return hold_that(false, "accepted", &outcomes);
    };
    if let Some(report) = &ack.report {
        same("whose order the answer is about", &report.id, &ReportedId::Ours(order.id))?;
        same("its side", &report.side, &order.side)?;
        same("its direction", &report.direction, &order.direction)?;
        if let Some(price) = report.stated.and_then(|stated| stated.price) {
            same("its price", &Some(price), &order.shape.price())?;
        }
    }
    let object = there("the order under its id at the venue", scene.object(order.id))?;
    same("the venue's side", &object.side, &order.side)?;
    same("the venue's direction", &object.direction, &order.direction)?;
    same("whether it closes", &object.purpose, &order.purpose)?;
    same("the venue's kind, prices and sizes", &object.shape, &order.shape)?;
    same("the contract", &object.symbol, &order.symbol)?;
    if kind == Kind::Entry {
        let after = scene.open_qty();
        let expected = order.shape.qty().and_then(|qty| before.checked_add(qty).ok());
        same("what is open then", &Some(after), &expected)?;
    }
    Ok(())
}

/// Rungs at prices of their own.
fn rungs(scene: &mut Scene, size: u8) -> Vec<kraite_core::exchange::NewOrder> {
    let mut orders = Vec::new();
    for n in 0..size {
        let mut order = scene.order(Kind::Rung);
        let price = scene.against(i64::from(n).saturating_add(5), 3);
        order.shape = kraite_core::exchange::OrderShape::Limit { price, qty: scene.qty(1, u32::from(n)) };
        orders.push(order);
    }
    orders
}

/// Every order of one call is taken as it was asked for, and told under its own id.
async fn all_taken(scene: &Scene, orders: &[NewOrder]) -> Played {
    let outcomes = scene.exchange.place(orders, scene.ample()).await;
    same("how many outcomes", &outcomes.len(), &orders.len())?;
    for (order, outcome) in orders.iter().zip(&outcomes) {
        let Outcome::Accepted(ack) = outcome else { return hold_that(false, "each is accepted", &outcomes) };
        if let Some(report) = &ack.report {
            same("whose the outcome is, in order", &report.id, &ReportedId::Ours(order.id))?;
        }
        same("the venue's shape", &scene.object(order.id).map(|o| o.shape), &Some(order.shape))?;
    }
    Ok(())
}

async fn together(scene: &mut Scene, size: u8) -> Played {
    let orders = rungs(scene, size);
    scene.step(format!("the backend places {size} rungs in one call"));
    all_taken(scene, &orders).await
}

async fn one_refused(scene: &mut Scene, refused: usize) -> Played {
    let orders = rungs(scene, 3);
    scene.meet(On::Change, Fault::Leg(refused))?;
    scene.step("the backend places three rungs in one call");
    let outcomes = scene.exchange.place(&orders, scene.ample()).await;
    scene.was_met()?;
    same("how many outcomes", &outcomes.len(), &orders.len())?;
    for (order, outcome) in orders.iter().zip(&outcomes) {
        let is_held = scene.object(order.id).is_some();
        hold_that(
            matches!(outcome, Outcome::Accepted(_)) == is_held && matches!(outcome, Outcome::Rejected(_)) != is_held,
            format!("each outcome is that of its own order; the venue holds this one: {is_held}"),
            &outcomes,
        )?;
    }
    Ok(())
}

async fn mixed(scene: &mut Scene) -> Played {
    let orders = [scene.order(Kind::Entry), scene.order(Kind::Rung)];
    scene.step("the backend places an entry and a rung in one call");
    all_taken(scene, &orders).await
}

async fn nothing(scene: &mut Scene) -> Played {
    scene.step("the backend is asked to place no order at all");
    let outcomes = scene.exchange.place(&[], scene.ample()).await;
    same("how many outcomes", &outcomes.len(), &0)?;
    same("how many requests", &scene.side.changes(), &0)
}

async fn over(scene: &mut Scene, change: Change) -> Played {
    let asked = change.prepare(scene).await?;
    let (before, done) = (scene.side.changes(), change.done(scene, &asked));
    let outcomes = change.ask(scene, &asked, scene.now()).await;
    let not_sent =
        outcomes.iter().all(|o| matches!(o, Outcome::Rejected(reject) if reject.kind == RejectKind::NotSent));
    let sent = scene.side.changes().saturating_sub(before);
    if sent == 0 && outcomes.iter().all(|o| matches!(o, Outcome::Accepted(_))) && change == Change::Margin {
        // Where each order states its margin mode, nothing has to be sent to set it.
        return Ok(());
    }
    same("requests that left", &sent, &0)?;
    same("how often the venue did it", &change.done(scene, &asked), &done)?;
    hold_that(not_sent, "told as not sent", &outcomes)
}

async fn all_over(scene: &mut Scene) -> Played {
    let orders = rungs(scene, 3);
    scene.step("the backend places three rungs in one call, too late");
    let outcomes = scene.exchange.place(&orders, scene.now()).await;
    same("requests that left", &scene.side.changes(), &0)?;
    let not_sent = |o: &Outcome| matches!(o, Outcome::Rejected(reject) if reject.kind == RejectKind::NotSent);
    hold_that(outcomes.len() == 3 && outcomes.iter().all(not_sent), "three times not sent", &outcomes)
}

async fn close_over(scene: &mut Scene) -> Played {
    scene.hold().await?;
    let held = scene.open_qty();
    scene.step("the backend closes the position, too late");
    let outcome = close_with(scene, scene.now()).await;
    same("requests that left", &scene.side.changes(), &0)?;
    same("what is open then", &scene.open_qty(), &held)?;
    hold_that(matches!(outcome, Outcome::Rejected(_)), "refused", outcome)
}

async fn close_with(scene: &mut Scene, not_after: kraite_core::time::VenueMillis) -> Outcome {
    let Book { mode, direction } = scene.book;
    let position = kraite_core::exchange::PositionRef { symbol: scene.symbol.clone(), direction, mode };
    scene.exchange.close_position(&position, not_after).await
}

async fn leverage(scene: &mut Scene) -> Played {
    for again in ["", " again"] {
        scene.step(format!("the leverage is set to {LEVERAGE}{again}"));
        let outcome = scene.exchange.set_leverage(&scene.symbol, LEVERAGE, scene.ample()).await;
        hold_that(matches!(outcome, Outcome::Accepted(_)), "accepted", outcome)?;
        let done = Change::Leverage.done(scene, &super::Asked::Setting);
        same("the venue has it", &done, &1)?;
    }
    Ok(())
}

async fn margin(scene: &mut Scene) -> Played {
    for again in ["", " again"] {
        scene.step(format!("the margin is set to isolated{again}"));
        let mode = kraite_core::exchange::MarginMode::Isolated;
        let outcome = scene.exchange.set_margin_mode(&scene.symbol, mode, scene.ample()).await;
        hold_that(matches!(outcome, Outcome::Accepted(_)), "accepted", outcome)?;
    }
    if scene.side.changes() == 0 {
        // Where each order states its margin mode, the next one sets it.
        let order = scene.order(Kind::Rung);
        scene.step("the backend places a rung");
        let outcomes = scene.exchange.place(&[order], scene.ample()).await;
        hold_that(matches!(the_only(&outcomes)?, Outcome::Accepted(_)), "accepted", &outcomes)?;
    }
    same("the venue has it", &Change::Margin.done(scene, &super::Asked::Setting), &1)
}

async fn exit(scene: &mut Scene) -> Played {
    scene.hold().await?;
    let (held, order) = (scene.open_qty(), scene.order(Kind::Exit));
    scene.step("the backend places a market exit of a part");
    let outcomes = scene.exchange.place(std::slice::from_ref(&order), scene.ample()).await;
    hold_that(matches!(the_only(&outcomes)?, Outcome::Accepted(_)), "accepted", &outcomes)?;
    let left = order.shape.qty().and_then(|qty| held.checked_sub(qty).ok());
    same("what is left", &Some(scene.open_qty()), &left)?;
    same("nothing is open on the other side", &scene.open_on(scene.book.direction.opposite()).is_zero(), &true)
}

async fn exit_too_large(scene: &mut Scene) -> Played {
    scene.hold().await?;
    let mut order = scene.order(Kind::Exit);
    order.shape = kraite_core::exchange::OrderShape::Market { qty: scene.qty(9, 0) };
    scene.step("the backend places a market exit larger than the position");
    let outcomes = scene.exchange.place(std::slice::from_ref(&order), scene.ample()).await;
    the_only(&outcomes)?;
    same("nothing is open on the other side", &scene.open_on(scene.book.direction.opposite()).is_zero(), &true)
}

async fn close_flat(scene: &mut Scene) -> Played {
    scene.step("the backend closes a position that is not there");
    let outcome = close_with(scene, scene.ample()).await;
    for direction in [scene.book.direction, scene.book.direction.opposite()] {
        hold_that(scene.open_on(direction).is_zero(), "nothing is opened", &outcome)?;
    }
    Ok(())
}

async fn close(scene: &mut Scene) -> Played {
    scene.hold().await?;
    scene.step("the backend closes the position");
    let outcome = close_with(scene, scene.ample()).await;
    let is_flat = scene.open_qty().is_zero();
    same("nothing is open on the other side", &scene.open_on(scene.book.direction.opposite()).is_zero(), &true)?;
    match outcome {
        Outcome::Accepted(_) => hold_that(is_flat, "flat, as it was told", outcome),
        Outcome::Rejected(_) => hold_that(!is_flat, "still open, as it was told", outcome),
        Outcome::Unknown(_) => Ok(()),
    }
}

async fn close_twice(scene: &mut Scene) -> Played {
    scene.hold().await?;
    scene.step("the backend closes the position, twice at once");
    let not_after = scene.ample();
    let Book { mode, direction } = scene.book;
    let position = kraite_core::exchange::PositionRef { symbol: scene.symbol.clone(), direction, mode };
    let exchange = scene.exchange.clone();
    let both = futures_util::future::join(
        exchange.close_position(&position, not_after),
        exchange.close_position(&position, not_after),
    )
    .await;
    scene.settle().await;
    hold_that(scene.open_on(direction.opposite()).is_zero(), "nothing is opened on the other side", both)
}
