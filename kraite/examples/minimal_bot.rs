//! The whole engine in a bot of less than forty lines: opens a position and waits until it is protected.
//!
//! `cargo run -p kraite --example minimal_bot` trades on a simulated exchange, a hundred times as fast as the clock on
//! the wall. To trade elsewhere connect a backend where the exchange is made, with `Clock::real()` and a
//! `SqliteJournal`: killed at any instant and started again, the bot opens nothing twice and waits as before.

use std::sync::Arc;

use kraite::core::engine::{CommandId, Config, Notice};
use kraite::core::{exchange::Direction, id::AccountTag, id::Symbol, time::VenueMillis};
use kraite::engine::{Clock, Ready, Slice, Terms, Watch, Wish, Worker};
use kraite::journal::MemoryJournal;
use kraite::sim::{link::SharedVenue, presets};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let account = AccountTag::new(7).ok_or("not a tag")?;
    let clock = Clock::scaled(100);
    let venue = presets::venue(presets::binance(), account, VenueMillis(clock.now().0));
    let time = clock.clone();
    let exchange = SharedVenue::new(venue, move || VenueMillis(time.now().0)).exchange(account);

    let (mut watch, observer) = Watch::new(|notice: &Notice| eprintln!("{}", notice.message));
    let (connect, journal) = (Arc::new(Ready(Arc::new(exchange))), Arc::new(MemoryJournal::default()));
    let (worker, mut desk) = Worker::new(account, Config::default(), connect, journal, clock, observer);
    let running = tokio::spawn(worker.run());
    desk.connected().await.ok_or("the worker ended")?;

    let terms = Terms::default_for(Direction::Long, Slice::Fixed("100".parse()?), 20);
    desk.take(CommandId(1), Wish::Open(Symbol::new("SOLUSDT"), Box::new(terms))).await?;
    let seen = watch.active(CommandId(1)).await?;
    println!("position {} on {}: {} open, stop and target accepted", seen.position, seen.symbol, seen.exposure);

    drop(desk);
    running.await??;
    Ok(())
}
