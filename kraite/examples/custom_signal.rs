//! A bot with a signal of its own: what to trade is yours, everything after that is kraite's.
//!
//! `cargo run -p kraite --example custom_signal` trades on a simulated exchange. With a backend in place of it the rest
//! stays as it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use kraite::core::engine::{CommandId, Config, Notice};
use kraite::core::exchange::{Direction, Exchange, MarginMode, TriggerBy};
use kraite::core::{
    Capabilities, id::AccountTag, id::Symbol, plan, sizing::LadderSpec, time::LocalMillis, time::VenueMillis,
};
use kraite::engine::{Clock, Connect, ConnectFailure, Signal, Signals, Slice, Terms, Wish, Worker, serve};
use kraite::{journal::MemoryJournal, sim};

/// Opens one long position, and then is silent.
struct Once(Option<Signal>);

#[async_trait]
impl Signals for Once {
    async fn next(&mut self) -> Option<Signal> {
        self.0.take()
    }
}

struct Simulated(sim::link::SharedVenue, AccountTag);

#[async_trait]
impl Connect for Simulated {
    fn capabilities(&self) -> Capabilities {
        sim::presets::binance().capabilities
    }

    async fn connect(&self) -> Result<Arc<dyn Exchange>, ConnectFailure> {
        Ok(Arc::new(self.0.exchange(self.1)))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (account, clock) =
        (AccountTag::new(7).ok_or("a tag")?, Clock::scaled_from(LocalMillis(1_760_000_000_000), 100));
    let venue = sim::presets::venue(sim::presets::binance(), account, VenueMillis(clock.now().0));
    let time = clock.clone();
    let venue = sim::link::SharedVenue::new(venue, move || VenueMillis(time.now().0));
    let connect = Arc::new(Simulated(venue.clone(), account));
    let log = |notice: &Notice| eprintln!("{}", notice.message);
    let journal = Arc::new(MemoryJournal::default());
    let (worker, mut desk) = Worker::new(account, Config::default(), connect, journal, clock.clone(), log);
    let running = tokio::spawn(worker.run());
    desk.connected().await.ok_or("the worker ended")?;

    let terms = Terms {
        spec: LadderSpec::default_for(Direction::Long),
        slice: Slice::Fixed("100".parse()?),
        leverage_cap: 20,
        sequence: plan::Sequence::LadderFirst,
        target_style: plan::TargetStyle::TriggerMarket,
        stop_by: TriggerBy::Mark,
        margin_mode: MarginMode::Cross,
        mode: None,
    };
    let wish = Wish::Open(Symbol::new("SOLUSDT"), Box::new(terms));
    let mut bot = Once(Some(Signal { id: CommandId(1), account, wish }));
    let desks = BTreeMap::from([(account, desk)]);
    serve(&mut bot, &desks, |signal, taken| println!("signal {}: {taken:?}", signal.id.0)).await;

    while venue.with(|venue, _| venue.open_orders().count()) < 6 {
        clock.sleep(kraite::core::time::Millis(100)).await;
    }
    println!("four rungs, a stop and a target are open");
    drop(desks);
    running.await??;
    Ok(())
}
