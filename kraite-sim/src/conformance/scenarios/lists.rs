//! Lists: open orders, the history, positions, and whose the rows are.

use kraite_core::capabilities::{Capabilities, Protection};
use kraite_core::exchange::{
    Direction, Endpoint, NewOrder, OrderReport, PositionMode, Purpose, ReadError, Reading, ReportStatus, ReportedId,
    Service, VenueCause,
};
use kraite_core::id::Symbol;
use kraite_core::time::Millis;

use super::super::guarantee::Guarantee;
use super::super::scene::{Book, Halt, Kind, OTHER, Played, Scene, hold_that, same, same_number, there};
use super::super::stage::{Fault, On};
use super::Catalogue;

const HOUR: Millis = Millis::from_secs(3_600);
/// More rows than any page of any list holds.
const MANY: usize = 1_050;

pub(super) fn add(catalogue: &mut Catalogue, capabilities: &Capabilities) {
    let separate = capabilities.protection == Protection::Separate;
    for book in Book::TWO {
        catalogue.add(Guarantee::OpenOrders, "open orders of every service", book, move |scene| {
            Box::pin(open_everywhere(scene, separate))
        });
        catalogue.add(Guarantee::OpenOrders, "what is done is not open", book, |scene| Box::pin(open_only(scene)));
        catalogue.add(Guarantee::OpenOrders, "open orders of one contract of two", book, |scene| {
            Box::pin(one_contract(scene, true))
        });
        catalogue.add(Guarantee::OpenOrders, "open orders of all contracts", book, |scene| {
            Box::pin(one_contract(scene, false))
        });
        catalogue.add(Guarantee::OpenOrders, "a rung that has filled in part is open", book, |scene| {
            Box::pin(part_open(scene))
        });
        catalogue.add(Guarantee::History, "a history of three ends", book, |scene| Box::pin(three_ends(scene)));
        catalogue.add(Guarantee::History, "what ended before the window", book, |scene| Box::pin(window(scene)));
        catalogue.add(Guarantee::WhoseOrder, "a stranger's order is open", book, |scene| Box::pin(stranger(scene)));
        catalogue.add(Guarantee::WhoseOrder, "a stranger's order in the history", book, |scene| {
            Box::pin(stranger_past(scene))
        });
        for (cause, words) in [
            (VenueCause::Liquidation, "a liquidation in the history"),
            (VenueCause::AutoDeleverage, "a deleveraging in the history"),
        ] {
            catalogue.add(Guarantee::WhoseOrder, words, book, move |scene| Box::pin(taken(scene, cause)));
        }
    }
    catalogue.add(Guarantee::History, "a history of many pages", Book::LONG, |scene| Box::pin(many(scene)));
    for book in Book::ALL {
        catalogue.add(Guarantee::Positions, "a position is read", book, |scene| Box::pin(position(scene)));
        catalogue.add(Guarantee::Positions, "a position that is gone", book, |scene| Box::pin(gone(scene)));
    }
    catalogue.add(Guarantee::Positions, "positions on both sides", Book::HEDGED_SHORT, |scene| Box::pin(both(scene)));
    for after in [0, 1, 2] {
        let name = format!("request number {} of a history is lost", u32::saturating_add(after, 1));
        catalogue.add(Guarantee::ReadingJudges, name, Book::LONG, move |scene| Box::pin(part_lost(scene, after, true)));
        let name = format!("request number {} of the open orders is lost", u32::saturating_add(after, 1));
        catalogue
            .add(Guarantee::ReadingJudges, name, Book::LONG, move |scene| Box::pin(part_lost(scene, after, false)));
    }
    for list in List::ALL {
        let name = format!("{}: {}", list.words(), Fault::Part.words());
        catalogue.add(Guarantee::ReadingJudges, name, Book::LONG, move |scene| Box::pin(part_missing(scene, list)));
        let name = format!("{} are read, and the answer takes its time", list.words());
        catalogue.add(Guarantee::ReadingJudges, name, Book::LONG, move |scene| Box::pin(judged(scene, list)));
    }
}

#[derive(Debug, Clone, Copy)]
enum List {
    Open,
    History,
    Positions,
}

impl List {
    const ALL: [Self; 3] = [Self::Open, Self::History, Self::Positions];

    const fn words(self) -> &'static str {
        match self {
            Self::Open => "the open orders",
            Self::History => "the orders of the past",
            Self::Positions => "the positions",
        }
    }
}

fn read<T>(reading: Result<Reading<T>, ReadError>, endpoint: Endpoint) -> Result<Reading<T>, Halt> {
    match reading {
        Ok(reading) => {
            same("the endpoint", &reading.endpoint, &endpoint)?;
            same("whether the reading is whole", &reading.complete, &true)?;
            Ok(reading)
        }
        Err(error) => Err(Halt::Broken { expected: "a reading".into(), seen: format!("{error:?}") }),
    }
}

async fn open(scene: &mut Scene, symbol: Option<Symbol>) -> Result<Vec<OrderReport>, Halt> {
    scene.step("the open orders are read");
    Ok(read(scene.exchange.open_orders(symbol).await, Endpoint::OpenOrders)?.value)
}

async fn history(scene: &mut Scene, ago: Millis) -> Result<Vec<OrderReport>, Halt> {
    scene.step("the history is read");
    let now = scene.now();
    let (symbol, from) = (scene.symbol.clone(), now.minus(ago));
    Ok(read(scene.exchange.history(&symbol, from, now).await, Endpoint::History)?.value)
}

fn row<'a>(rows: &'a [OrderReport], order: &NewOrder) -> Result<&'a OrderReport, Halt> {
    there("a row under the order's id", rows.iter().find(|row| row.id == ReportedId::Ours(order.id)))
}

fn as_held(scene: &Scene, row: &OrderReport, order: &NewOrder) -> Played {
    let object = there("the order at the venue", scene.object(order.id))?;
    same("its status", &row.status, &object.status)?;
    same("its side and direction", &(row.side, row.direction), &(object.side, object.direction))?;
    same_number(&row.venue_id, Some(scene.side.number(&object)))?;
    same("its service", &row.service, &object.service)?;
    if let Some(stated) = row.stated {
        same("its price", &stated.price, &object.shape.price())?;
        same("its size", &stated.qty, &object.shape.qty())?;
    }
    if row.service == Service::Regular {
        same("what executed", &row.executed, &Some(object.executed))?;
    }
    Ok(())
}

async fn open_everywhere(scene: &mut Scene, separate: bool) -> Played {
    scene.hold().await?;
    let kinds: &[Kind] =
        if separate { &[Kind::Rung, Kind::Target, Kind::Stop, Kind::Trigger] } else { &[Kind::Rung, Kind::Target] };
    let mut orders = Vec::new();
    for kind in kinds {
        orders.push(scene.given(*kind).await?);
    }
    let rows = open(scene, Some(scene.symbol.clone())).await?;
    same("how many rows", &rows.len(), &orders.len())?;
    orders.iter().try_for_each(|order| as_held(scene, row(&rows, order)?, order))
}

async fn open_only(scene: &mut Scene) -> Played {
    let (filled, rests) = (scene.given(Kind::Rung).await?, scene.given(Kind::Rung).await?);
    scene.fill(filled.id, None).await;
    let rows = open(scene, Some(scene.symbol.clone())).await?;
    same("how many rows", &rows.len(), &1)?;
    as_held(scene, row(&rows, &rests)?, &rests)
}

async fn part_open(scene: &mut Scene) -> Played {
    let rung = scene.given(Kind::Rung).await?;
    let part = scene.qty(1, 1);
    scene.fill(rung.id, Some(part)).await;
    let rows = open(scene, Some(scene.symbol.clone())).await?;
    as_held(scene, row(&rows, &rung)?, &rung)
}

/// Other hands leave an order on a second contract; false where that is not listed.
fn elsewhere(scene: &mut Scene) -> Option<Symbol> {
    scene.step("other hands have an order on another contract");
    let direction = scene.book.direction;
    scene.venue(|venue, account, now| {
        let wanted = [OTHER, "COARSEUSDT"];
        let rules = venue.instruments().find(|i| wanted.contains(&i.symbol.as_str()))?.clone();
        let last = venue.last(&rules.symbol)?;
        let step = match direction {
            Direction::Long => "-10",
            Direction::Short => "10",
        };
        let (ticks, shift) = (last.to_ticks(rules.tick)?, step.parse::<i64>().ok()?);
        let price = kraite_core::number::Price::from_ticks(ticks.checked_add(shift)?, rules.tick).ok()?;
        let qty = kraite_core::number::Qty::from_units(1, 0)?;
        venue.user_limit(account, &rules.symbol, direction, Purpose::Open, price, qty, now).ok()?;
        Some(rules.symbol)
    })
}

async fn one_contract(scene: &mut Scene, only: bool) -> Played {
    let rung = scene.given(Kind::Rung).await?;
    let other = elsewhere(scene).ok_or_else(|| Halt::NotRun("the stage has no second contract".into()))?;
    scene.settle().await;
    let rows = open(scene, only.then(|| scene.symbol.clone())).await?;
    row(&rows, &rung)?;
    same("rows of the other contract", &rows.iter().any(|row| row.symbol == other), &!only)
}

async fn three_ends(scene: &mut Scene) -> Played {
    let orders = [scene.given(Kind::Rung).await?, scene.given(Kind::Rung).await?, scene.given(Kind::Rung).await?];
    let [filled, cancelled, rests] = &orders;
    scene.fill(filled.id, None).await;
    let part = scene.qty(1, 1);
    scene.fill(cancelled.id, Some(part)).await;
    scene.cancelled_by_hand(cancelled.id).await?;
    let rows = history(scene, HOUR).await?;
    for order in [filled, cancelled] {
        as_held(scene, row(&rows, order)?, order)?;
    }
    // Some venues keep what is open out of their history.
    match rows.iter().find(|row| row.id == ReportedId::Ours(rests.id)) {
        Some(row) => as_held(scene, row, rests),
        None => Ok(()),
    }
}

async fn window(scene: &mut Scene) -> Played {
    let early = scene.given(Kind::Rung).await?;
    scene.fill(early.id, None).await;
    scene.step("two hours pass");
    scene.side.pass(Millis(2 * HOUR.0)).await;
    let late = scene.given(Kind::Rung).await?;
    scene.fill(late.id, None).await;
    let rows = history(scene, HOUR).await?;
    as_held(scene, row(&rows, &late)?, &late)?;
    same("rows from before", &rows.iter().any(|row| row.id == ReportedId::Ours(early.id)), &false)
}

async fn many(scene: &mut Scene) -> Played {
    scene.step(format!("other hands place and cancel {MANY} orders"));
    let (symbol, direction) = (scene.symbol.clone(), scene.book.direction);
    let (price, qty) = (scene.against(10, 3), scene.qty(1, 0));
    let first = scene.given(Kind::Rung).await?;
    scene.fill(first.id, None).await;
    let made = scene.venue(|venue, account, now| {
        (0..MANY)
            .filter(|_| {
                let order = venue.user_limit(account, &symbol, direction, Purpose::Open, price, qty, now);
                order.is_ok_and(|id| venue.user_cancel(&id, now).is_ok())
            })
            .count()
    });
    if made != MANY {
        return Err(Halt::NotRun(format!("the stage made {made} orders")));
    }
    scene.settle().await;
    scene.step("the history is read");
    let now = scene.now();
    match scene.exchange.history(&symbol, now.minus(HOUR), now).await {
        Ok(reading) if reading.complete => {
            row(&reading.value, &first)?;
            let mut ids: Vec<_> = reading.value.iter().map(|row| row.venue_id.clone()).collect();
            ids.sort_unstable();
            ids.dedup();
            same("different rows of a reading that says it is whole", &ids.len(), &MANY.saturating_add(1))
        }
        // It says itself that it is not whole.
        Ok(_) | Err(_) => Ok(()),
    }
}

async fn stranger(scene: &mut Scene) -> Played {
    let (symbol, direction) = (scene.symbol.clone(), scene.book.direction);
    let (price, qty) = (scene.against(10, 3), scene.qty(1, 5));
    scene.step("other hands place an order");
    let placed = scene.venue(|venue, account, now| {
        let id = venue.user_limit(account, &symbol, direction, Purpose::Open, price, qty, now).ok()?;
        venue.object_named(&id).cloned()
    });
    scene.settle().await;
    let id =
        placed.map(|object| scene.side.number(&object)).ok_or_else(|| Halt::NotRun("the stage refuses it".into()))?;
    let rows = open(scene, Some(symbol)).await?;
    let row = there("the stranger's order", rows.iter().find(|row| row.venue_id == id))?;
    hold_that(matches!(row.id, ReportedId::Foreign(_)), "a stranger's", row)?;
    same("its size", &row.stated.and_then(|stated| stated.qty), &Some(qty))
}

async fn stranger_past(scene: &mut Scene) -> Played {
    scene.hold().await?;
    let held = scene.open_qty();
    let rows = history(scene, HOUR).await?;
    let row = there("the stranger's order", rows.iter().find(|row| row.executed == Some(held)))?;
    hold_that(matches!(row.id, ReportedId::Foreign(_)), "a stranger's", row)?;
    same("its status", &row.status, &ReportStatus::Filled)
}

async fn taken(scene: &mut Scene, cause: VenueCause) -> Played {
    scene.hold().await?;
    let (symbol, direction, held) = (scene.symbol.clone(), scene.book.direction, scene.open_qty());
    scene.step("the venue takes the position");
    scene.venue(|venue, account, now| venue.force_close(account, &symbol, direction, held, cause, now));
    scene.settle().await;
    let rows = history(scene, HOUR).await?;
    let by_venue = rows.iter().find(|row| matches!(row.id, ReportedId::Venue(_)));
    let row = there("an order of the venue's", by_venue)?;
    hold_that(row.id == ReportedId::Venue(cause), format!("the cause: {cause:?}"), &row.id)?;
    same("what it took", &row.executed, &Some(held))
}

async fn positions(scene: &mut Scene) -> Result<Vec<kraite_core::exchange::PositionReport>, Halt> {
    scene.step("the positions are read");
    let rows = read(scene.exchange.positions().await, Endpoint::Positions)?.value;
    Ok(rows.into_iter().filter(|row| row.symbol == scene.symbol && !row.qty.is_zero()).collect())
}

async fn position(scene: &mut Scene) -> Played {
    scene.hold().await?;
    let rows = positions(scene).await?;
    let [row] = rows.as_slice() else { return hold_that(false, "one position", rows) };
    same("its direction", &row.direction, &scene.book.direction)?;
    same("its size", &row.qty, &scene.open_qty())?;
    let entry = scene.venue(|venue, account, _| {
        venue
            .account(account)
            .and_then(|a| a.position(&row.symbol, row.direction))
            .and_then(crate::venue::Position::entry)
    });
    match row.entry_price {
        Some(price) => same("its average entry", &Some(price), &entry),
        None => Ok(()),
    }
}

async fn gone(scene: &mut Scene) -> Played {
    scene.hold().await?;
    let (symbol, direction, qty) = (scene.symbol.clone(), scene.book.direction, scene.open_qty());
    scene.step("other hands close it");
    scene.venue(|venue, account, now| venue.user_market(account, &symbol, direction, Purpose::Close, qty, now).err());
    scene.settle().await;
    same("what is open", &positions(scene).await?.len(), &0)
}

async fn both(scene: &mut Scene) -> Played {
    if scene.book.mode != PositionMode::Hedge {
        return Err(Halt::NotRun("one side only".into()));
    }
    scene.hold().await?;
    let (symbol, other, qty) = (scene.symbol.clone(), scene.book.direction.opposite(), scene.qty(2, 1));
    scene.step("other hands open a position on the other side");
    scene.venue(|venue, account, now| venue.user_market(account, &symbol, other, Purpose::Open, qty, now).err());
    scene.settle().await;
    let mut seen: Vec<_> = positions(scene).await?.into_iter().map(|row| (row.direction, row.qty)).collect();
    seen.sort_unstable_by_key(|(direction, _)| *direction);
    let mut expected = vec![(scene.book.direction, scene.open_qty()), (other, qty)];
    expected.sort_unstable_by_key(|(direction, _)| *direction);
    same("both positions", &seen, &expected)
}

async fn part_lost(scene: &mut Scene, after: u32, past: bool) -> Played {
    scene.hold().await?;
    let rung = scene.given(Kind::Rung).await?;
    if past {
        scene.fill(rung.id, None).await;
    }
    scene.meet(On::Reading { after }, Fault::LostBefore)?;
    scene.step(if past { "the history is read" } else { "the open orders are read" });
    let (symbol, now) = (scene.symbol.clone(), scene.now());
    let reading = if past {
        scene.exchange.history(&symbol, now.minus(HOUR), now).await
    } else {
        scene.exchange.open_orders(Some(symbol)).await
    };
    scene.was_met()?;
    match reading {
        // A reading may be asked again within the call.
        Ok(reading) if reading.complete => row(&reading.value, &rung).map(|_| ()),
        Ok(_) | Err(_) => Ok(()),
    }
}

async fn part_missing(scene: &mut Scene, list: List) -> Played {
    scene.hold().await?;
    scene.given(Kind::Rung).await?;
    scene.meet(On::Reading { after: 0 }, Fault::Part)?;
    scene.step(format!("{} are read", list.words()));
    let (symbol, now) = (scene.symbol.clone(), scene.now());
    let told = match list {
        List::Open => scene.exchange.open_orders(Some(symbol)).await.map(|r| (r.value.is_empty(), r.complete)),
        List::History => {
            let reading = scene.exchange.history(&symbol, now.minus(HOUR), now).await;
            reading.map(|r| (r.value.len() < 2, r.complete))
        }
        List::Positions => scene.exchange.positions().await.map(|r| (r.value.is_empty(), r.complete)),
    };
    scene.was_met()?;
    hold_that(!matches!(told, Ok((true, true))), "an error, or a reading that says that it is not whole", told)
}

async fn judged(scene: &mut Scene, list: List) -> Played {
    scene.hold().await?;
    let before = scene.now();
    scene.meet(On::Reading { after: 0 }, Fault::Late(Millis(1_500)))?;
    scene.step(format!("{} are read", list.words()));
    let symbol = scene.symbol.clone();
    let told = match list {
        List::Open => scene.exchange.open_orders(Some(symbol)).await.map(|r| (r.sent_at, r.endpoint)),
        List::History => {
            scene.exchange.history(&symbol, before.minus(HOUR), before).await.map(|r| (r.sent_at, r.endpoint))
        }
        List::Positions => scene.exchange.positions().await.map(|r| (r.sent_at, r.endpoint)),
    };
    let Ok((sent_at, endpoint)) = told else { return hold_that(false, "a reading", told) };
    scene.was_met()?;
    let expected = match list {
        List::Open => Endpoint::OpenOrders,
        List::History => Endpoint::History,
        List::Positions => Endpoint::Positions,
    };
    same("the endpoint", &endpoint, &expected)?;
    let after = scene.now();
    hold_that(
        sent_at.plus(Millis(500)) >= before && sent_at <= after.minus(Millis(1_000)),
        "the time at which it was asked, not that of the answer",
        format!(
            "{} ms after it was asked, {} ms before it was answered",
            sent_at.since(before).0,
            after.since(sent_at).0
        ),
    )
}
