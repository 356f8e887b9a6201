//! What is read about account and contracts, and that a reading that fails is an error.

use kraite_core::capabilities::Capabilities;
use kraite_core::exchange::ReadError;
use kraite_core::id::Symbol;
use kraite_core::time::Millis;

use super::super::guarantee::Guarantee;
use super::super::scene::{Book, Halt, Kind, Played, Scene, hold_that, same, there};
use super::super::stage::{Fault, On};
use super::Catalogue;

/// A reading that has no order in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    OpenOrders,
    History,
    Positions,
    Balances,
    Mark,
    Mode,
    Fees,
    Brackets,
    Rules,
    Time,
}

impl Reads {
    const ALL: [Self; 10] = [
        Self::OpenOrders,
        Self::History,
        Self::Positions,
        Self::Balances,
        Self::Mark,
        Self::Mode,
        Self::Fees,
        Self::Brackets,
        Self::Rules,
        Self::Time,
    ];

    const fn words(self) -> &'static str {
        match self {
            Self::OpenOrders => "the open orders",
            Self::History => "the history",
            Self::Positions => "the positions",
            Self::Balances => "the balances",
            Self::Mark => "the mark",
            Self::Mode => "the position mode",
            Self::Fees => "the fees",
            Self::Brackets => "the brackets",
            Self::Rules => "the rules",
            Self::Time => "the venue's clock",
        }
    }

    /// Reads; what it says in words, and whether it says that something is missing.
    async fn read(self, scene: &mut Scene) -> Result<String, ReadError> {
        scene.step(format!("{} are read", self.words()));
        let (exchange, symbol, now) = (scene.exchange.clone(), scene.symbol.clone(), scene.now());
        let from = now.minus(Millis::from_secs(3_600));
        Ok(match self {
            Self::OpenOrders => {
                let reading = exchange.open_orders(Some(symbol)).await?;
                format!("{} rows, whole: {}", reading.value.len(), reading.complete)
            }
            Self::History => {
                let reading = exchange.history(&symbol, from, now).await?;
                format!("{} rows, whole: {}", reading.value.len(), reading.complete)
            }
            Self::Positions => {
                let reading = exchange.positions().await?;
                let open = reading.value.iter().filter(|row| !row.qty.is_zero()).count();
                format!("{open} rows, whole: {}", reading.complete)
            }
            Self::Balances => format!("{:?}", exchange.balances().await?),
            Self::Mark => exchange.mark_price(&symbol).await?.price.to_string(),
            Self::Mode => format!("{:?}", exchange.position_mode().await?),
            Self::Fees => format!("{:?}", exchange.fee_rates(&symbol).await?),
            Self::Brackets => format!("{:?}", exchange.leverage_brackets(&symbol).await?),
            Self::Rules => {
                let all = exchange.instruments().await?;
                format!("{:?}", all.into_iter().find(|i| i.symbol == symbol).map(|i| (i.tick, i.lot)))
            }
            Self::Time => {
                exchange.server_time().await?;
                "a time".into()
            }
        })
    }
}

pub(super) fn add(catalogue: &mut Catalogue, capabilities: &Capabilities) {
    for reads in Reads::ALL {
        for fault in [Fault::LostBefore, Fault::Garbage, Fault::ErrorIdle] {
            let name = format!("{}: {}", reads.words(), fault.words());
            catalogue
                .add(Guarantee::FailureIsTold, name, Book::LONG, move |scene| Box::pin(failed(scene, reads, fault)));
        }
    }
    for reads in [Reads::OpenOrders, Reads::History, Reads::Positions] {
        let name = format!("{}: {}", reads.words(), Fault::RateLimited.words());
        catalogue.add(Guarantee::FailureIsTold, name, Book::LONG, move |scene| {
            Box::pin(failed(scene, reads, Fault::RateLimited))
        });
    }
    for book in Book::TWO {
        catalogue.add(Guarantee::Account, "the position mode", book, |scene| Box::pin(mode(scene)));
        catalogue.add(Guarantee::Account, "the mark", book, |scene| Box::pin(mark(scene)));
    }
    catalogue.add(Guarantee::Account, "the rules of contracts", Book::LONG, |scene| Box::pin(rules(scene)));
    catalogue.add(Guarantee::Account, "the brackets of a contract", Book::LONG, |scene| Box::pin(brackets(scene)));
    catalogue.add(Guarantee::Account, "maker and taker fee", Book::LONG, |scene| Box::pin(fees(scene)));
    catalogue.add(Guarantee::Account, "the balance after a trade", Book::LONG, |scene| Box::pin(balance(scene)));
    catalogue.add(Guarantee::Account, "the venue's clock", Book::LONG, |scene| Box::pin(clock(scene)));
    catalogue.add(Guarantee::Account, "a contract that is not listed", Book::LONG, |scene| Box::pin(unlisted(scene)));
    let declared = capabilities.clone();
    catalogue.add(Guarantee::Declared, "what the backend says that it can do", Book::LONG, move |scene| {
        let declared = declared.clone();
        Box::pin(async move { same("its capabilities", scene.exchange.capabilities(), &declared) })
    });
    for fault in [Fault::LostAfter, Fault::Garbage, Fault::ErrorIdle, Fault::RateLimited] {
        let name = format!("what is told of failures: {}", fault.words());
        catalogue.add(Guarantee::Secrets, name, Book::LONG, move |scene| Box::pin(secrets(scene, fault)));
    }
}

async fn failed(scene: &mut Scene, reads: Reads, fault: Fault) -> Played {
    scene.hold().await?;
    scene.given(Kind::Rung).await?;
    scene.meet(On::Reading { after: 0 }, fault)?;
    let first = reads.read(scene).await;
    scene.was_met()?;
    let failed = match first {
        Err(ReadError::Refused(_)) => return hold_that(false, "an error that may pass", first),
        Err(_) => return Ok(()),
        Ok(told) => told,
    };
    // It was asked again within the call, then: what it says must be what it says without a fault.
    scene.settle().await;
    match reads.read(scene).await {
        Ok(told) => same("an error, or what is said without the fault", &failed, &told),
        Err(_) => Err(Halt::NotRun("the reading fails without a fault".into())),
    }
}

fn told<T: std::fmt::Debug>(reading: Result<T, ReadError>) -> Result<T, Halt> {
    reading.map_err(|error| Halt::Broken { expected: "a reading".into(), seen: format!("{error:?}") })
}

async fn mode(scene: &mut Scene) -> Played {
    scene.step("the position mode is read");
    same("the mode", &told(scene.exchange.position_mode().await)?, &scene.book.mode)
}

async fn mark(scene: &mut Scene) -> Played {
    scene.step("last and mark price part");
    let (last, mark) = (scene.price(151, 0), scene.price(149, 7));
    scene.market(last, mark);
    scene.settle().await;
    let symbol = scene.symbol.clone();
    let read = told(scene.exchange.mark_price(&symbol).await)?;
    same("the mark", &(read.symbol, read.price), &(symbol, mark))
}

async fn rules(scene: &mut Scene) -> Played {
    scene.step("the rules are read");
    let all = told(scene.exchange.instruments().await)?;
    let symbol = scene.symbol.clone();
    let read = there("the contract", all.into_iter().find(|i| i.symbol == symbol))?;
    let real = scene.venue(|venue, _, _| venue.instruments().find(|i| i.symbol == symbol).cloned());
    let real = there("the contract at the venue", real)?;
    same("tick and lot", &(read.tick, read.lot), &(real.tick, real.lot))?;
    same("the smallest order", &(read.min_qty, read.min_notional), &(real.min_qty, real.min_notional))?;
    same("the quote currency", &read.quote, &real.quote)
}

async fn brackets(scene: &mut Scene) -> Played {
    scene.step("the brackets are read");
    let symbol = scene.symbol.clone();
    let read = told(scene.exchange.leverage_brackets(&symbol).await)?;
    hold_that(!read.is_empty(), "at least one bracket", &read)?;
    let rises = read.windows(2).all(|pair| match pair {
        [low, high] => low.notional_cap <= high.notional_floor && low.max_leverage >= high.max_leverage,
        _ => true,
    });
    hold_that(rises, "brackets from the smallest notional up", &read)
}

async fn fees(scene: &mut Scene) -> Played {
    scene.step("the fees are read");
    let symbol = scene.symbol.clone();
    let read = told(scene.exchange.fee_rates(&symbol).await)?;
    let real =
        scene.venue(|venue, _, _| venue.instruments().find(|i| i.symbol == symbol).map(|i| (i.maker_fee, i.taker_fee)));
    same("maker and taker", &Some(read), &real)
}

async fn balance(scene: &mut Scene) -> Played {
    scene.hold().await?;
    scene.step("the balances are read");
    let all = told(scene.exchange.balances().await)?;
    let usdt = there("the quote currency", all.into_iter().find(|b| b.currency == "USDT"))?;
    let wallet = scene.venue(|venue, account, _| venue.wallet(account));
    same("the wallet", &usdt.wallet, &wallet)?;
    hold_that(usdt.available < usdt.wallet, "less is free than there is", usdt)
}

async fn clock(scene: &mut Scene) -> Played {
    scene.step("the venue's clock is read");
    let before = scene.now();
    let read = told(scene.exchange.server_time().await)?;
    let after = scene.now();
    hold_that(before <= read && read <= after, "a time between asking and answering", read.since(before))
}

async fn unlisted(scene: &mut Scene) -> Played {
    scene.step("the mark of a contract is read that is not listed");
    let mark = scene.exchange.mark_price(&Symbol::new("NOSUCHUSDT")).await;
    hold_that(mark.is_err(), "an error", mark)
}

async fn secrets(scene: &mut Scene, fault: Fault) -> Played {
    let secrets = scene.side.secrets();
    if secrets.is_empty() {
        return Err(Halt::NotRun("nothing on this stage is secret".into()));
    }
    let mut said = String::new();
    for on in [On::Change, On::Reading { after: 0 }] {
        scene.meet(on, fault)?;
        if on == On::Change {
            let order = scene.order(Kind::Rung);
            scene.step("the backend places a rung");
            said.push_str(&format!("{:?}", scene.exchange.place(&[order], scene.ample()).await));
        } else {
            scene.step("the balances are read");
            if let Err(error) = scene.exchange.balances().await {
                said.push_str(&format!("{error:?} {error}"));
            }
        }
    }
    scene.was_met()?;
    let told: Vec<&String> = secrets.iter().filter(|secret| said.contains(secret.as_str())).collect();
    hold_that(told.is_empty(), "no secret in outcomes and errors", told.len())
}
