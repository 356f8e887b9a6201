//! One order asked for on one endpoint, in every state it can be in.

use kraite_core::capabilities::{Capabilities, Protection};
use kraite_core::exchange::{
    Endpoint, Lookup, NewOrder, OrderRef, OrderReport, ReadError, Reading, ReportStatus, ReportedId, Service,
};
use kraite_core::time::Millis;

use super::super::guarantee::Guarantee;
use super::super::scene::{Book, Halt, Kind, Played, Scene, hold_that, same, same_number, there};
use super::super::stage::{Fault, On};
use super::Catalogue;

const ENDPOINTS: [Endpoint; 3] = [Endpoint::Order, Endpoint::OpenOrders, Endpoint::History];
/// Beyond the time for which venues keep what never filled.
const FORGOTTEN: Millis = Millis::from_secs(4 * 86_400);

/// Where the order stands when it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    InPart,
    Filled,
    Cancelled,
    CancelledInPart,
    /// A conditional order that waits.
    Waiting,
    /// A conditional order that fired; its child has filled.
    Fired,
}

impl State {
    const fn words(self) -> &'static str {
        match self {
            Self::Open => "an open rung",
            Self::InPart => "a rung that has filled in part",
            Self::Filled => "a filled rung",
            Self::Cancelled => "a cancelled rung",
            Self::CancelledInPart => "a rung that was cancelled after a part",
            Self::Waiting => "a stop that waits",
            Self::Fired => "a stop that has fired",
        }
    }

    const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::InPart | Self::Waiting)
    }

    async fn reach(self, scene: &mut Scene) -> Result<NewOrder, Halt> {
        if matches!(self, Self::Waiting | Self::Fired) {
            scene.hold().await?;
            let stop = scene.given(Kind::Stop).await?;
            if self == Self::Fired {
                let beyond = scene.against(31, 0);
                scene.move_to(beyond);
                scene.settle().await;
            }
            return Ok(stop);
        }
        let rung = scene.given(Kind::Rung).await?;
        let part = scene.qty(1, 1);
        match self {
            Self::InPart | Self::CancelledInPart => scene.fill(rung.id, Some(part)).await,
            Self::Filled => scene.fill(rung.id, None).await,
            Self::Open | Self::Cancelled | Self::Waiting | Self::Fired => {}
        }
        if matches!(self, Self::Cancelled | Self::CancelledInPart) {
            scene.cancelled_by_hand(rung.id).await?;
        }
        Ok(rung)
    }
}

pub(super) fn add(catalogue: &mut Catalogue, capabilities: &Capabilities) {
    let mut states = vec![State::Open, State::InPart, State::Filled, State::Cancelled, State::CancelledInPart];
    if capabilities.protection == Protection::Separate {
        states.extend([State::Waiting, State::Fired]);
    }
    for endpoint in ENDPOINTS {
        for state in states.clone() {
            for numbered in [false, true] {
                let by = if numbered { " by the venue's id too" } else { "" };
                let name = format!("{} is asked for at {endpoint:?}{by}", state.words());
                let book = if numbered { Book::HEDGED_SHORT } else { Book::LONG };
                catalogue.add(Guarantee::LookupFinds, name, book, move |scene| {
                    Box::pin(found(scene, state, endpoint, numbered))
                });
            }
        }
        let name = format!("a rung that never was is asked for at {endpoint:?}");
        catalogue.add(Guarantee::MissIsAMiss, name, Book::LONG, move |scene| Box::pin(never(scene, endpoint)));
        let name = format!("a rung that the venue has forgotten is asked for at {endpoint:?}");
        catalogue.add(Guarantee::MissIsAMiss, name, Book::LONG, move |scene| Box::pin(forgotten(scene, endpoint)));
        let name = format!("a miss that turns into an order is asked for again at {endpoint:?}");
        catalogue.add(Guarantee::MissIsAMiss, name, Book::LONG, move |scene| Box::pin(comes_late(scene, endpoint)));
        for fault in [Fault::LostBefore, Fault::Garbage, Fault::RateLimited, Fault::ErrorIdle] {
            let name = format!("an order is asked for at {endpoint:?}: {}", fault.words());
            catalogue
                .add(Guarantee::FailureIsTold, name, Book::LONG, move |scene| Box::pin(failed(scene, endpoint, fault)));
        }
        let name = format!("an order is asked for at {endpoint:?}: {}", Fault::Stale.words());
        catalogue.add(Guarantee::MissIsAMiss, name, Book::LONG, move |scene| Box::pin(stale(scene, endpoint)));
        let name = format!("an order is asked for at {endpoint:?}, and the answer takes its time");
        catalogue.add(Guarantee::ReadingJudges, name, Book::LONG, move |scene| Box::pin(judged(scene, endpoint)));
    }
}

async fn look_up(scene: &mut Scene, order: &OrderRef, endpoint: Endpoint) -> Result<Reading<Lookup>, ReadError> {
    scene.step(format!("the backend looks it up at {endpoint:?}"));
    scene.exchange.lookup(order, endpoint).await
}

async fn asked(scene: &mut Scene, order: &OrderRef, endpoint: Endpoint) -> Result<Reading<Lookup>, Halt> {
    let reading = look_up(scene, order, endpoint).await;
    reading.map_err(|error| Halt::Broken { expected: "a reading".into(), seen: format!("{error:?}") })
}

fn row_of(rows: &[OrderReport], service: Service) -> Option<&OrderReport> {
    rows.iter().find(|row| row.service == service)
}

async fn found(scene: &mut Scene, state: State, endpoint: Endpoint, numbered: bool) -> Played {
    let order = state.reach(scene).await?;
    let name = if numbered { scene.numbered(&order).await? } else { scene.named(&order) };
    let reading = asked(scene, &name, endpoint).await?;
    same("the endpoint", &reading.endpoint, &endpoint)?;
    if endpoint == Endpoint::OpenOrders && !state.is_open() {
        return same("what is not open", &reading.value, &Lookup::NotFound);
    }
    if endpoint == Endpoint::History && state.is_open() && reading.value == Lookup::NotFound {
        // Some venues keep what is open out of their history.
        return Ok(());
    }
    let Lookup::Found(rows) = &reading.value else { return hold_that(false, "found", &reading.value) };
    let ours = |row: &OrderReport| row.id == ReportedId::Ours(order.id) || row.parent.is_some();
    hold_that(rows.iter().all(ours), "rows about this order only", rows)?;
    let row = there("a row of its service", row_of(rows, name.service))?;
    let object = there("the order at the venue", scene.object(order.id))?;
    same("its side and direction", &(row.side, row.direction), &(order.side, order.direction))?;
    same("its contract", &row.symbol, &order.symbol)?;
    same_number(&row.venue_id, scene.number(order.id))?;
    if state == State::Fired {
        let fired = matches!(row.status, ReportStatus::Triggered | ReportStatus::Filled);
        hold_that(fired, "triggered", row)?;
        let child = there("the order that it spawned", row_of(rows, Service::Regular))?;
        same("the child's parent", &child.parent, &Some(row.venue_id.clone()))?;
        return same("what the child executed", &child.executed, &Some(scene.qty(3, 7)));
    }
    same("its status", &row.status, &object.status)?;
    if let Some(stated) = row.stated {
        same("its price", &stated.price, &object.shape.price())?;
        same("its size", &stated.qty, &object.shape.qty())?;
    }
    if name.service == Service::Regular {
        same("what executed", &row.executed, &Some(object.executed))?;
        if let Some(price) = row.average_price.filter(|_| object.executed.is_positive()) {
            same("at which price", &Some(price), &object.average())?;
        }
    }
    Ok(())
}

async fn never(scene: &mut Scene, endpoint: Endpoint) -> Played {
    let other = scene.given(Kind::Rung).await?;
    let rung = scene.order(Kind::Rung);
    let name = scene.named(&rung);
    let reading = asked(scene, &name, endpoint).await?;
    same("how many orders there are", &scene.objects(other.id).len(), &1)?;
    same("what is not there", &reading.value, &Lookup::NotFound)?;
    same("whether the reading is whole", &reading.complete, &true)
}

async fn forgotten(scene: &mut Scene, endpoint: Endpoint) -> Played {
    let rung = State::Cancelled.reach(scene).await?;
    scene.step("four days pass");
    scene.side.pass(FORGOTTEN).await;
    let name = scene.named(&rung);
    // A backend may have to find its way back after so long.
    let mut reading = look_up(scene, &name, endpoint).await;
    for _ in 0..3 {
        if reading.is_err() {
            scene.settle().await;
            reading = scene.exchange.lookup(&name, endpoint).await;
        }
    }
    let value = reading.map(|reading| reading.value);
    let is_true = match &value {
        Ok(Lookup::NotFound | Lookup::Unknowable) => true,
        Ok(Lookup::Found(rows)) => rows.iter().all(|row| row.status == ReportStatus::Cancelled),
        Err(_) => false,
    };
    hold_that(is_true, "not found, forgotten, or told as it ended", value)
}

/// Some venues keep what is open out of their history.
async fn listed_at(scene: &mut Scene, order: &NewOrder, endpoint: Endpoint) {
    if endpoint == Endpoint::History {
        scene.fill(order.id, None).await;
    }
}

async fn comes_late(scene: &mut Scene, endpoint: Endpoint) -> Played {
    let rung = scene.order(Kind::Rung);
    let name = scene.named(&rung);
    let first = asked(scene, &name, endpoint).await?;
    same("what is not there yet", &first.value, &Lookup::NotFound)?;
    scene.step("it arrives at the venue after all");
    let request = kraite_core::engine::Request::Place(rung.clone());
    scene.venue(|venue, account, now| venue.request(account, &request, now, now));
    scene.settle().await;
    listed_at(scene, &rung, endpoint).await;
    let second = asked(scene, &name, endpoint).await?;
    hold_that(matches!(second.value, Lookup::Found(_)), "found", second.value)
}

async fn failed(scene: &mut Scene, endpoint: Endpoint, fault: Fault) -> Played {
    let rung = scene.given(Kind::Rung).await?;
    listed_at(scene, &rung, endpoint).await;
    let name = scene.named(&rung);
    scene.meet(On::Reading { after: 0 }, fault)?;
    let reading = look_up(scene, &name, endpoint).await;
    scene.was_met()?;
    let is_true = match &reading {
        // A reading may be asked again within the call.
        Ok(reading) => matches!(reading.value, Lookup::Found(_)),
        Err(ReadError::Refused(_)) => false,
        Err(_) => true,
    };
    hold_that(is_true, "an error that may pass, never a miss", reading)
}

async fn stale(scene: &mut Scene, endpoint: Endpoint) -> Played {
    scene.meet(On::Reading { after: 0 }, Fault::Stale)?;
    let rung = scene.given(Kind::Rung).await?;
    listed_at(scene, &rung, endpoint).await;
    let name = scene.named(&rung);
    let first = asked(scene, &name, endpoint).await?;
    hold_that(!matches!(first.value, Lookup::Unknowable), "a miss for now, never more", &first.value)?;
    let second = asked(scene, &name, endpoint).await?;
    hold_that(matches!(second.value, Lookup::Found(_)), "found by the next reading", second.value)
}

async fn judged(scene: &mut Scene, endpoint: Endpoint) -> Played {
    let rung = scene.order(Kind::Rung);
    let name = scene.named(&rung);
    let before = scene.now();
    scene.meet(On::Reading { after: 0 }, Fault::Late(Millis(1_500)))?;
    let reading = asked(scene, &name, endpoint).await?;
    scene.was_met()?;
    let after = scene.now();
    same("the endpoint", &reading.endpoint, &endpoint)?;
    // The clock of a backend may be ahead by what it has measured.
    let latest = after.minus(Millis(1_000));
    hold_that(
        reading.sent_at.plus(Millis(500)) >= before && reading.sent_at <= latest,
        "the time at which it was asked, not that of the answer",
        format!(
            "{} ms after it was asked, {} ms before it was answered",
            reading.sent_at.since(before).0,
            after.since(reading.sent_at).0
        ),
    )
}
