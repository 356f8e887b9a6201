//! What was booked: trades with their fees, and funding.

use kraite_core::capabilities::Capabilities;
use kraite_core::exchange::{BookedTrade, Books, Endpoint, Purpose, Side};
use kraite_core::id::ClientOrderId;
use kraite_core::number::{Notional, Price, Qty};
use kraite_core::time::{Millis, VenueMillis};

use super::super::guarantee::Guarantee;
use super::super::scene::{Book, Halt, Kind, Played, Scene, hold_that, same, same_number, there};
use super::super::stage::{Fault, On};
use super::Catalogue;

const HOUR: Millis = Millis::from_secs(3_600);
/// More trades than any page of any list holds.
const MANY: usize = 1_020;

pub(super) fn add(catalogue: &mut Catalogue, _: &Capabilities) {
    for book in Book::TWO {
        catalogue.add(Guarantee::Books, "an order that filled in two parts", book, |scene| Box::pin(parts(scene)));
        catalogue.add(Guarantee::Books, "a trade before the window", book, |scene| Box::pin(window(scene)));
        catalogue.add(Guarantee::Books, "funding that was paid", book, |scene| Box::pin(funding(scene, "0.001")));
        catalogue.add(Guarantee::Books, "funding that was received", book, |scene| Box::pin(funding(scene, "-0.002")));
    }
    catalogue.add(Guarantee::Books, "books of many pages", Book::LONG, |scene| Box::pin(many(scene)));
    for after in [0, 1] {
        let name = format!("request number {} of the books is lost", u32::saturating_add(after, 1));
        catalogue.add(Guarantee::FailureIsTold, name, Book::LONG, move |scene| Box::pin(lost(scene, after)));
    }
}

async fn books(scene: &mut Scene, ago: Millis) -> Result<Books, Halt> {
    scene.step("the books are read");
    let now = scene.now();
    let (symbol, direction) = (scene.symbol.clone(), scene.book.direction);
    match scene.exchange.books(&symbol, direction, now.minus(ago), now).await {
        Ok(reading) => {
            same("the endpoint", &reading.endpoint, &Endpoint::Fills)?;
            same("whether the reading is whole", &reading.complete, &true)?;
            Ok(reading.value)
        }
        Err(error) => Err(Halt::Broken { expected: "books".into(), seen: format!("{error:?}") }),
    }
}

/// What the venue booked for an order: quantity, price, fee, oldest first.
fn really(scene: &Scene, id: ClientOrderId) -> Vec<(Qty, Price, Notional)> {
    let object = scene.object(id).map(|object| object.id);
    scene.venue(|venue, _, _| {
        let ours = venue.trades().filter(|trade| Some(trade.object) == object);
        ours.map(|trade| (trade.qty, trade.price, trade.fee)).collect()
    })
}

/// As far as the wire tells amounts: eight decimals.
fn near(a: Notional, b: Notional) -> bool {
    let bound: Notional = "0.00000001".parse().unwrap_or_default();
    a.checked_sub(b).is_ok_and(|off| off <= bound && off >= bound.negated())
}

fn same_trades(scene: &Scene, books: &Books, id: ClientOrderId) -> Played {
    let number = scene.number(id);
    let of_order = |booked: &&BookedTrade| same_number(&booked.order, number.clone()).is_ok();
    let mut told: Vec<&BookedTrade> = books.trades.iter().filter(of_order).collect();
    told.sort_by(|a, b| (a.trade.id.0.len(), &a.trade.id).cmp(&(b.trade.id.0.len(), &b.trade.id)));
    let really = really(scene, id);
    same("how many trades of the order", &told.len(), &really.len())?;
    for (booked, (qty, price, fee)) in told.into_iter().zip(really) {
        same("what traded, and at what price", &(booked.trade.qty, booked.trade.price), &(qty, price))?;
        hold_that(near(booked.trade.fee, fee), format!("a fee of {fee}"), booked.trade.fee)?;
    }
    Ok(())
}

async fn parts(scene: &mut Scene) -> Played {
    let rung = scene.given(Kind::Rung).await?;
    let part = scene.qty(1, 1);
    scene.fill(rung.id, Some(part)).await;
    scene.fill(rung.id, None).await;
    let books = books(scene, HOUR).await?;
    same("how many trades", &books.trades.len(), &2)?;
    same_trades(scene, &books, rung.id)
}

async fn window(scene: &mut Scene) -> Played {
    let early = scene.given(Kind::Rung).await?;
    scene.fill(early.id, None).await;
    scene.step("two hours pass");
    scene.side.pass(Millis(2 * HOUR.0)).await;
    let late = scene.given(Kind::Rung).await?;
    scene.fill(late.id, None).await;
    let books = books(scene, HOUR).await?;
    same("how many trades", &books.trades.len(), &1)?;
    same_trades(scene, &books, late.id)
}

/// A position is held over two payments, and closed: then every venue tells them.
async fn funding(scene: &mut Scene, rate: &str) -> Played {
    let from = scene.now();
    scene.hold().await?;
    for _ in 0..2 {
        scene.step(format!("funding of {rate} is booked"));
        let symbol = scene.symbol.clone();
        let rate = rate.parse().map_err(|_| Halt::NotRun("no rate".into()))?;
        scene.venue(|venue, _, now| venue.funding(&symbol, rate, now));
        scene.settle().await;
    }
    let (symbol, direction, qty) = (scene.symbol.clone(), scene.book.direction, scene.open_qty());
    scene.step("other hands close the position");
    scene.venue(|venue, account, now| venue.user_market(account, &symbol, direction, Purpose::Close, qty, now).err());
    scene.settle().await;
    let paid = scene.venue(|venue, account, _| venue.account(account).map(|account| account.funding));
    let paid = there("the account", paid)?;
    let longs_pay = rate.starts_with('-') == (direction.opening_side() == Side::Sell);
    hold_that(paid.is_negative() == longs_pay, "a payment in the right direction", paid)?;
    let books = books(scene, HOUR).await?;
    let within = |at: VenueMillis| at >= from && at <= scene.now();
    hold_that(books.funding.iter().all(|payment| within(payment.at)), "payments of that time", &books.funding)?;
    let sum = books.funding.iter().try_fold(Notional::ZERO, |sum, payment| sum.checked_add(payment.amount));
    hold_that(sum.is_ok_and(|sum| near(sum, paid)), format!("{paid}"), sum)
}

async fn many(scene: &mut Scene) -> Played {
    scene.step(format!("other hands trade {MANY} times"));
    let (symbol, direction, qty) = (scene.symbol.clone(), scene.book.direction, scene.qty(1, 0));
    let from = scene.now();
    let mut traded = 0usize;
    while traded < MANY {
        let purpose = if traded.is_multiple_of(2) { Purpose::Open } else { Purpose::Close };
        let done = scene.venue(|venue, account, now| {
            Some(venue.user_market(account, &symbol, direction, purpose, qty, now).is_ok())
        });
        if done != Some(true) {
            return Err(Halt::NotRun(format!("the stage traded {traded} times")));
        }
        traded = traded.saturating_add(1);
        if traded.is_multiple_of(100) {
            scene.side.pass(Millis(50)).await;
        }
    }
    scene.settle().await;
    scene.step("the books are read");
    let now = scene.now();
    match scene.exchange.books(&symbol, direction, from, now).await {
        Ok(reading) if reading.complete => {
            let mut ids: Vec<_> = reading.value.trades.iter().map(|booked| booked.trade.id.clone()).collect();
            ids.sort_unstable();
            ids.dedup();
            same("different trades of books that say they are whole", &ids.len(), &MANY)
        }
        // It says itself that it is not whole.
        Ok(_) | Err(_) => Ok(()),
    }
}

async fn lost(scene: &mut Scene, after: u32) -> Played {
    let rung = scene.given(Kind::Rung).await?;
    scene.fill(rung.id, None).await;
    scene.meet(On::Reading { after }, Fault::LostBefore)?;
    scene.step("the books are read");
    let now = scene.now();
    let (symbol, direction) = (scene.symbol.clone(), scene.book.direction);
    let reading = scene.exchange.books(&symbol, direction, now.minus(HOUR), now).await;
    scene.was_met()?;
    match reading {
        // A reading may be asked again within the call.
        Ok(reading) if reading.complete => same_trades(scene, &reading.value, rung.id),
        Ok(_) | Err(_) => Ok(()),
    }
}
