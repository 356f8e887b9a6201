//! The account's stream: when it is up, and what it tells.

use futures_util::stream::BoxStream;
use kraite_core::capabilities::{Capabilities, Protection};
use kraite_core::exchange::{
    NewOrder, OrderReport, Outcome, ReportStatus, ReportedId, Service, StreamEvent, Trade, VenueCause,
};
use kraite_core::number::Qty;

use super::super::guarantee::Guarantee;
use super::super::scene::{Book, Halt, Kind, Played, Scene, hold_that, same, same_number, there};
use super::super::stage::{Fault, On};
use super::Catalogue;

/// How many events one scenario waits for at most.
const MOST: usize = 40;

type Events = BoxStream<'static, StreamEvent>;

pub(super) fn add(catalogue: &mut Catalogue, capabilities: &Capabilities) {
    let separate = capabilities.protection == Protection::Separate;
    for book in Book::TWO {
        catalogue.add(Guarantee::StreamConnects, "a stream is opened", book, |scene| Box::pin(opened(scene)));
        catalogue.add(Guarantee::StreamConnects, "a stream breaks", book, |scene| Box::pin(broken(scene)));
        catalogue.add(Guarantee::StreamConnects, "two streams are opened", book, |scene| Box::pin(two(scene)));
        catalogue.add(Guarantee::StreamTells, "a rung is placed and fills", book, |scene| Box::pin(fills(scene)));
        catalogue.add(Guarantee::StreamTells, "a rung fills in two parts", book, |scene| Box::pin(parts(scene)));
        catalogue.add(Guarantee::StreamTells, "a rung is cancelled", book, |scene| Box::pin(cancelled(scene)));
        catalogue
            .add(Guarantee::StreamTells, "a fill whose answer was lost", book, |scene| Box::pin(answer_lost(scene)));
        if separate {
            catalogue.add(Guarantee::StreamTells, "a stop fires", book, |scene| Box::pin(fired(scene)));
        } else {
            catalogue
                .add(Guarantee::StreamTells, "the stop of a pair fires", book, |scene| Box::pin(pair_fired(scene)));
        }
        catalogue.add(Guarantee::StreamTells, "a fill after the stream has broken", book, |scene| {
            Box::pin(after_break(scene))
        });
        catalogue.add(Guarantee::StreamTells, "what was true stays true", book, |scene| Box::pin(monotone(scene)));
        catalogue.add(Guarantee::WhoseOrder, "a stranger's fill is streamed", book, |scene| Box::pin(stranger(scene)));
        catalogue.add(Guarantee::WhoseOrder, "a liquidation is streamed", book, |scene| Box::pin(taken(scene)));
    }
    for book in Book::ALL {
        catalogue.add(Guarantee::Positions, "a position is streamed", book, |scene| Box::pin(position(scene)));
    }
}

async fn open(scene: &mut Scene) -> Result<Events, Halt> {
    scene.step("the stream is opened");
    match scene.exchange.account_stream().await {
        Ok(stream) => Ok(stream),
        Err(error) => Err(Halt::Broken { expected: "a stream".into(), seen: format!("{error:?}") }),
    }
}

/// The next event that is asked for; what came before it is forgotten.
async fn until<T>(
    scene: &Scene,
    events: &mut Events,
    what: &str,
    mut wanted: impl FnMut(StreamEvent) -> Option<T>,
) -> Result<T, Halt> {
    let mut passed = Vec::new();
    for _ in 0..MOST {
        let Some(event) = scene.side.next(events).await else { break };
        passed.push(format!("{event:?}"));
        if let Some(found) = wanted(event) {
            return Ok(found);
        }
    }
    Err(Halt::Broken { expected: format!("an event: {what}"), seen: format!("{passed:?}") })
}

async fn up(scene: &mut Scene) -> Result<Events, Halt> {
    let mut events = open(scene).await?;
    until(scene, &mut events, "connected", |event| (event == StreamEvent::Connected).then_some(())).await?;
    Ok(events)
}

fn order_of(event: StreamEvent) -> Option<OrderReport> {
    match event {
        StreamEvent::Order(report) => Some(report),
        _ => None,
    }
}

async fn opened(scene: &mut Scene) -> Played {
    let mut events = open(scene).await?;
    let first = scene.side.next(&mut events).await;
    same("the first event", &first, &Some(StreamEvent::Connected))
}

async fn broken(scene: &mut Scene) -> Played {
    let mut events = up(scene).await?;
    cut(scene)?;
    until(scene, &mut events, "disconnected", |event| (event == StreamEvent::Disconnected).then_some(())).await?;
    until(scene, &mut events, "connected again", |event| (event == StreamEvent::Connected).then_some(())).await
}

fn cut(scene: &mut Scene) -> Played {
    scene.step("the stream breaks");
    if scene.side.cut_streams() { Ok(()) } else { Err(Halt::NotRun("this stage breaks no streams".into())) }
}

async fn two(scene: &mut Scene) -> Played {
    let mut first = up(scene).await?;
    let Ok(mut second) = up(scene).await else { return Ok(()) };
    let rung = scene.given(Kind::Rung).await?;
    for events in [&mut first, &mut second] {
        until(scene, events, "the rung", |event| {
            order_of(event).filter(|report| report.id == ReportedId::Ours(rung.id))
        })
        .await?;
    }
    Ok(())
}

fn is_it(report: &OrderReport, scene: &Scene, order: &NewOrder) -> Played {
    same("whose it is", &report.id, &ReportedId::Ours(order.id))?;
    same("its side and direction", &(report.side, report.direction), &(order.side, order.direction))?;
    same("its contract", &report.symbol, &order.symbol)?;
    same_number(&report.venue_id, scene.number(order.id))
}

/// Everything that is told until a trade of an order was told and its end; some venues tell them apart.
async fn filled(scene: &Scene, events: &mut Events, order: &NewOrder) -> Result<(OrderReport, Trade), Halt> {
    let (mut end, mut trade) = (None, None);
    loop {
        let report = until(scene, events, "the order's end and its trade", |event| {
            order_of(event).filter(|r| r.status == ReportStatus::Filled || r.trade.is_some())
        })
        .await?;
        is_it(&report, scene, order)?;
        trade = trade.or_else(|| report.trade.clone());
        if report.status == ReportStatus::Filled {
            end = end.or(Some(report));
        }
        if let (Some(end), Some(trade)) = (&end, &trade) {
            return Ok((end.clone(), trade.clone()));
        }
    }
}

async fn fills(scene: &mut Scene) -> Played {
    let mut events = up(scene).await?;
    let rung = scene.given(Kind::Rung).await?;
    scene.fill(rung.id, None).await;
    let (report, trade) = filled(scene, &mut events, &rung).await?;
    same("what executed", &report.executed, &rung.shape.qty())?;
    same("size and price of the trade", &(Some(trade.qty), Some(trade.price)), &(rung.shape.qty(), rung.shape.price()))
}

async fn parts(scene: &mut Scene) -> Played {
    let mut events = up(scene).await?;
    let rung = scene.given(Kind::Rung).await?;
    let part = scene.qty(1, 1);
    scene.fill(rung.id, Some(part)).await;
    scene.fill(rung.id, None).await;
    let (mut sum, mut ids) = (Qty::ZERO, Vec::new());
    while Some(sum) < rung.shape.qty() {
        let report = until(scene, &mut events, "the trades of both parts", |event| {
            order_of(event).filter(|report| report.trade.is_some())
        })
        .await?;
        is_it(&report, scene, &rung)?;
        let trade = there("the trade", report.trade.clone())?;
        // A trade may be told more than once, under its id.
        if ids.contains(&trade.id) {
            continue;
        }
        ids.push(trade.id.clone());
        sum = sum.checked_add(trade.qty).unwrap_or_default();
        let most = rung.shape.qty().unwrap_or_default();
        hold_that(sum <= most, "trades that are no more than the order", &trade)?;
        if let Some(executed) = report.executed {
            hold_that(executed >= sum, "no less executed than its trades say", &report)?;
            hold_that(executed <= most, "no more executed than was ordered", executed)?;
        }
    }
    same("all of it", &Some(sum), &rung.shape.qty())
}

async fn cancelled(scene: &mut Scene) -> Played {
    let mut events = up(scene).await?;
    let rung = scene.given(Kind::Rung).await?;
    scene.cancelled_by_hand(rung.id).await?;
    let report =
        until(scene, &mut events, "the end", |event| order_of(event).filter(|report| report.status.is_terminal()))
            .await?;
    is_it(&report, scene, &rung)?;
    same("its status", &report.status, &ReportStatus::Cancelled)
}

async fn answer_lost(scene: &mut Scene) -> Played {
    let mut events = up(scene).await?;
    scene.meet(On::Change, Fault::LostAfter)?;
    let entry = scene.order(Kind::Entry);
    scene.step("the backend places a market entry");
    let outcomes = scene.exchange.place(std::slice::from_ref(&entry), scene.ample()).await;
    scene.was_met()?;
    hold_that(matches!(outcomes.as_slice(), [Outcome::Unknown(_)]), "unknown", &outcomes)?;
    let report = until(scene, &mut events, "the fill", |event| {
        order_of(event).filter(|report| report.status == ReportStatus::Filled)
    })
    .await?;
    is_it(&report, scene, &entry)?;
    same("what executed", &report.executed, &entry.shape.qty())
}

async fn fired(scene: &mut Scene) -> Played {
    scene.hold().await?;
    let mut events = up(scene).await?;
    let stop = scene.given(Kind::Stop).await?;
    let number = there("the stop", scene.number(stop.id))?;
    let (held, beyond) = (scene.open_qty(), scene.against(31, 0));
    scene.move_to(beyond);
    scene.settle().await;
    let (mut fired, mut told) = (false, None);
    let mut child = None;
    for _ in 0..MOST {
        let Some(event) = scene.side.next(&mut events).await else { break };
        let Some(report) = order_of(event) else { continue };
        if report.service == Service::Conditional && same_number(&report.venue_id, Some(number.clone())).is_ok() {
            told = Some(report.venue_id);

            fired |= matches!(report.status, ReportStatus::Triggered | ReportStatus::Filled);
        } else if report.status == ReportStatus::Filled {
            child = Some(report);
        }
        if fired && child.is_some() {
            break;
        }
    }
    same("the stop is told to have fired", &fired, &true)?;
    let child = there("the fill of the order that it spawned", child)?;
    same("what it executed", &child.executed, &Some(held))?;
    let linked = (child.parent.is_some() && child.parent == told) || child.id == ReportedId::Ours(stop.id);
    hold_that(linked, "the child is told by its parent or under its id", child)
}

async fn pair_fired(scene: &mut Scene) -> Played {
    scene.hold().await?;
    let mut events = up(scene).await?;
    let pair = scene.pair(30, 25);
    scene.step("the backend sets stop and target");
    let outcome = scene.exchange.place_position_tpsl(&pair, scene.ample()).await;
    scene.settle().await;
    hold_that(matches!(outcome.stop, Outcome::Accepted(_)), "the stop is accepted", &outcome)?;
    let (held, beyond) = (scene.open_qty(), scene.against(31, 0));
    scene.move_to(beyond);
    scene.settle().await;
    let child = until(scene, &mut events, "the fill of the order that the stop spawned", |event| {
        order_of(event).filter(|r| r.service == Service::Regular && r.status == ReportStatus::Filled)
    })
    .await?;
    same("what it executed", &child.executed, &Some(held))?;
    let linked = child.parent.is_some() || child.id == ReportedId::Ours(pair.stop.id);
    hold_that(linked, "the child is told by its parent or under its id", child)
}

async fn after_break(scene: &mut Scene) -> Played {
    let mut events = up(scene).await?;
    cut(scene)?;
    until(scene, &mut events, "connected again", |event| (event == StreamEvent::Connected).then_some(())).await?;
    let rung = scene.given(Kind::Rung).await?;
    scene.fill(rung.id, None).await;
    let report = until(scene, &mut events, "the fill", |event| {
        order_of(event).filter(|report| report.status == ReportStatus::Filled)
    })
    .await?;
    is_it(&report, scene, &rung)
}

async fn monotone(scene: &mut Scene) -> Played {
    let mut events = up(scene).await?;
    let rung = scene.given(Kind::Rung).await?;
    let part = scene.qty(1, 1);
    scene.fill(rung.id, Some(part)).await;
    scene.cancelled_by_hand(rung.id).await?;
    let mut last = Qty::ZERO;
    for _ in 0..MOST {
        let Some(event) = scene.side.next(&mut events).await else { break };
        let Some(report) = order_of(event).filter(|r| r.id == ReportedId::Ours(rung.id)) else { continue };
        if let Some(executed) = report.executed {
            hold_that(executed >= last, "never less executed than before", &report)?;
            last = executed;
        }
        if report.status.is_terminal() {
            same("how it ended", &(report.status, last), &(ReportStatus::Cancelled, part))?;
            return Ok(());
        }
    }
    hold_that(false, "the end of the rung", last)
}

async fn stranger(scene: &mut Scene) -> Played {
    let mut events = up(scene).await?;
    scene.hold().await?;
    let held = scene.open_qty();
    let report = until(scene, &mut events, "the stranger's fill", |event| {
        order_of(event).filter(|report| report.executed == Some(held))
    })
    .await?;
    hold_that(matches!(report.id, ReportedId::Foreign(_)), "a stranger's", report)
}

async fn taken(scene: &mut Scene) -> Played {
    scene.hold().await?;
    let mut events = up(scene).await?;
    let (symbol, direction, held) = (scene.symbol.clone(), scene.book.direction, scene.open_qty());
    scene.step("the venue liquidates the position");
    let cause = VenueCause::Liquidation;
    scene.venue(|venue, account, now| venue.force_close(account, &symbol, direction, held, cause, now));
    scene.settle().await;
    let report = until(scene, &mut events, "the venue's fill", |event| {
        order_of(event).filter(|report| report.executed == Some(held))
    })
    .await?;
    same("whose it is", &report.id, &ReportedId::Venue(cause))?;
    same("what it took off", &(report.direction, report.side), &(direction, direction.closing_side()))
}

async fn position(scene: &mut Scene) -> Played {
    let mut events = up(scene).await?;
    scene.hold().await?;
    let (direction, held) = (scene.book.direction, scene.open_qty());
    let report = until(scene, &mut events, "the position", |event| match event {
        StreamEvent::Position(report) if report.qty.is_positive() => Some(report),
        _ => None,
    })
    .await?;
    same("its direction and size", &(report.direction, report.qty), &(direction, held))
}
