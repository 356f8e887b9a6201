//! A bot tested against an exchange that does what the test says.
//!
//! `cargo run -p kraite --example mock_exchange` plays two scenes. In a bot of one's own they would be tests, with the
//! feature `mock` of kraite among the dev-dependencies:
//!
//! ```toml
//! [dev-dependencies]
//! kraite = { version = "0.1", features = ["mock"] }
//! ```
//!
//! A mock is for what a bot does about an answer. What an exchange does with orders is better played by
//! `kraite::sim`, and whether an exchange of one's own keeps its promises is judged by `kraite::sim::conformance`.

use std::sync::Arc;

use kraite::core::engine::{CommandId, Config, Notice};
use kraite::core::exchange::{
    Ack, Balance, Direction, Endpoint, Lookup, Mark, MockExchange, Outcome, PositionMode, ReadError, Reading, Reject,
    RejectKind,
};
use kraite::core::id::{AccountTag, Symbol};
use kraite::core::time::{LocalMillis, VenueMillis};
use kraite::engine::{Clock, Ready, Slice, Terms, Watch, Wish, Worker};
use kraite::journal::MemoryJournal;
use kraite::sim::presets;

type Error = Box<dyn std::error::Error>;

/// The bot: opens one position and says in a sentence what came of it.
async fn bot(exchange: MockExchange, clock: Clock) -> Result<String, Error> {
    let account = AccountTag::new(7).ok_or("not a tag")?;
    let (mut watch, observer) = Watch::new(|_: &Notice| {});
    let (connect, journal) = (Arc::new(Ready(Arc::new(exchange))), Arc::new(MemoryJournal::default()));
    let (worker, mut desk) = Worker::new(account, Config::default(), connect, journal, clock, observer);
    let running = tokio::spawn(worker.run());
    desk.connected().await.ok_or("the worker ended")?;
    let terms = Terms::default_for(Direction::Long, Slice::Fixed("100".parse()?), 20);
    let told = match desk.take(CommandId(1), Wish::Open(Symbol::new("SOLUSDT"), Box::new(terms))).await {
        Err(why) => format!("nothing was asked for: {why}"),
        Ok(()) => match watch.active(CommandId(1)).await {
            Ok(seen) => format!("position {} is protected", seen.position),
            Err(why) => format!("no position: {why}"),
        },
    };
    drop(desk);
    running.await??;
    Ok(told)
}

/// An exchange with one contract on which nothing is open; it takes settings, and has this much money.
fn quiet(clock: &Clock, money: &str) -> Result<MockExchange, Error> {
    let now = {
        let clock = clock.clone();
        move || VenueMillis(clock.now().0)
    };
    let contract = presets::instrument();
    let fees = (contract.maker_fee, contract.taker_fee);
    let row = Balance { currency: contract.quote.clone(), wallet: money.parse()?, available: money.parse()? };
    let mark = "150.24".parse()?;
    let accepted = || Outcome::Accepted(Ack { report: None });

    let mut exchange = MockExchange::new();
    exchange.expect_capabilities().return_const(presets::binance().capabilities);
    exchange.expect_instruments().returning(move || Ok(vec![contract.clone()]));
    exchange.expect_fee_rates().returning(move |_| Ok(fees));
    exchange.expect_balances().returning(move || Ok(vec![row.clone()]));
    exchange.expect_position_mode().returning(|| Ok(PositionMode::OneWay));
    exchange.expect_set_margin_mode().returning(move |_, _, _| accepted());
    exchange.expect_set_leverage().returning(move |_, _, _| accepted());
    exchange.expect_account_stream().returning(|| Err(ReadError::NoAnswer("no stream here".into())));
    let time = now.clone();
    exchange.expect_server_time().returning(move || Ok(time()));
    let time = now.clone();
    exchange.expect_mark_price().returning(move |symbol| Ok(Mark { symbol: symbol.clone(), price: mark, at: time() }));
    let time = now.clone();
    exchange.expect_open_orders().returning(move |_| Ok(read(Vec::new(), Endpoint::OpenOrders, time())));
    let time = now.clone();
    exchange.expect_positions().returning(move || Ok(read(Vec::new(), Endpoint::Positions, time())));
    let time = now.clone();
    exchange.expect_history().returning(move |_, _, _| Ok(read(Vec::new(), Endpoint::History, time())));
    exchange.expect_lookup().returning(move |_, endpoint| Ok(read(Lookup::NotFound, endpoint, now())));
    Ok(exchange)
}

fn read<T>(value: T, endpoint: Endpoint, sent_at: VenueMillis) -> Reading<T> {
    Reading { value, sent_at, endpoint, complete: true }
}

/// No order leaves for money that is not there.
async fn too_little_money() -> Result<String, Error> {
    let clock = Clock::scaled_from(LocalMillis(1_760_000_000_000), 100);
    let mut exchange = quiet(&clock, "30")?;
    exchange.expect_place().never();
    bot(exchange, clock).await
}

/// The entry is refused for good: the opening is taken back, and nothing else is sent.
async fn a_refused_entry() -> Result<String, Error> {
    let clock = Clock::scaled_from(LocalMillis(1_760_000_000_000), 100);
    let mut exchange = quiet(&clock, "2000")?;
    exchange.expect_place().times(1).returning(|orders, _| {
        let refused = Reject { kind: RejectKind::Account, code: -1, message: "this key may not trade".into() };
        vec![Outcome::Rejected(refused); orders.len()]
    });
    bot(exchange, clock).await
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    println!("too little money: {}", too_little_money().await?);
    println!("a refused entry: {}", a_refused_entry().await?);
    Ok(())
}
