//! The demo's worker: the production reactor on a SQLite journal, with the exchange at the end of a pipe.

use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;

use kraite_core::engine::{Command, CommandId, Config, Effect, Engine, Event, InputKind, Notice, Request};
use kraite_core::exchange::Exchange;
use kraite_core::id::{AccountTag, Symbol};
use kraite_core::journal::Record;
use kraite_core::time::{LocalMillis, VenueMillis};
use kraite_engine::{Clock, Observer, Reactor};
use kraite_journal::SqliteJournal;
use kraite_sim::link::SimExchange;
use kraite_sim::link::pipe::PipeLink;

use super::{CLOCK_FACTOR, script};
use crate::exit::{Exit, Failed};
use crate::flags::VenueName;

/// The one account of the demo.
#[must_use]
pub(super) fn account() -> AccountTag {
    AccountTag::new(7).unwrap_or_default()
}

/// Tells the audience what became durable and what leaves.
struct Narrator {
    link: PipeLink,
}

impl Observer for Narrator {
    fn committed(&mut self, engine: &Engine, record: Option<&Record>, effects: &[Effect]) {
        if let Some(record) = record {
            self.link.promise(record.seq);
        }
        for line in record.into_iter().flat_map(|record| tell_record(engine, record)) {
            self.link.say(line);
        }
        for effect in effects {
            if let Effect::Send { request, .. } = effect {
                self.link.say(tell_request(request));
            }
        }
    }

    fn notice(&mut self, notice: &Notice) {
        self.link.say(format!("notice: {}", notice.message));
    }
}

fn tell_record(engine: &Engine, record: &Record) -> Vec<String> {
    let mut lines = Vec::new();
    if record.input == InputKind::Started {
        let doubts = engine
            .state()
            .positions
            .values()
            .flat_map(|p| p.orders.values())
            .filter(|o| o.life == kraite_core::order::Life::InDoubt)
            .count();
        let orders: usize = engine.state().positions.values().map(|p| p.orders.len()).sum();
        lines.push(format!("restored from the journal: {orders} orders, {doubts} in doubt"));
    }
    for event in &record.events {
        match event {
            Event::Moved { position, on, why } => {
                lines.push(format!("position {position}: {on:?} ({why:?})"));
            }
            Event::Merged { id } => {
                if let Some(order) = engine.state().order(*id)
                    && matches!(record.input, InputKind::Answer(_))
                {
                    lines.push(format!("{} found by its client id {id}: {:?}", id.key().logical.role, order.status()));
                }
            }
            Event::ProvenAbsent { id } => {
                lines.push(format!("{} {id} proven never to have arrived", id.key().logical.role));
            }
            _ => {}
        }
    }
    lines
}

fn tell_request(request: &Request) -> String {
    match request {
        Request::Place(order) => {
            let at = order.shape.price().map_or_else(|| "the market".to_owned(), |price| price.to_string());
            let qty = order.shape.qty().map_or_else(|| "everything".to_owned(), |qty| qty.to_string());
            format!("durable, now sending {}: {qty} at {at}", order.id.key().logical.role)
        }
        Request::PlacePair(pair) => {
            format!("durable, now sending stop {} and target {} in one call", pair.stop.trigger, pair.target.trigger)
        }
        Request::Amend(change, _) => format!("durable, now amending to {} at {}", change.qty, change.price),
        Request::Cancel(order) => format!("durable, now cancelling {}", order.id.key().logical.role),
        Request::SetMarginMode(_, _, mode) => format!("margin mode {mode:?}"),
        Request::SetLeverage(_, _, leverage) => format!("leverage {leverage}x"),
    }
}

/// Started by the demo itself.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long, value_enum)]
    venue: VenueName,
    #[arg(long)]
    symbol: String,
    /// What the exchange's clock shows now.
    #[arg(long)]
    now_ms: i64,
    #[arg(long)]
    journal: PathBuf,
    /// The id of the command that opens; a repeat opens nothing.
    #[arg(long, default_value_t = 1)]
    command: u64,
}

/// Runs the worker until its pipe closes.
pub(crate) fn command(args: &Args) -> Result<Exit, Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Failed::with(Exit::Failure))?;
    runtime.block_on(work(args))?;
    Ok(Exit::Ok)
}

/// "File size limit exceeded": unless it is handled, a full quota kills the process before a write can fail.
const SIGXFSZ: i32 = 25;

async fn work(args: &Args) -> Result<(), Failed> {
    let quota = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(SIGXFSZ));
    let _handled = quota.map_err(Failed::with(Exit::Failure))?;
    let clock = Clock::scaled_from(LocalMillis(args.now_ms), CLOCK_FACTOR);
    let link_clock = clock.clone();
    let link =
        PipeLink::open(BufReader::new(std::io::stdin()), std::io::stdout(), move || VenueMillis(link_clock.now().0));
    let journal = Arc::new(SqliteJournal::open(&args.journal)?);
    let exchange = Arc::new(SimExchange::new(link.clone(), args.venue.capabilities()));
    let symbol = Symbol::new(&args.symbol);
    let instruments = exchange.instruments().await.map_err(Failed::with(Exit::Exchange))?;
    let instrument = instruments
        .into_iter()
        .find(|i| i.symbol == symbol)
        .ok_or_else(|| Failed::new(Exit::Exchange, format!("{symbol} is not listed")))?;
    let mark = exchange.mark_price(&symbol).await.map_err(Failed::with(Exit::Exchange))?;
    let request = script::request(instrument, mark).map_err(Failed::with(Exit::Failure))?;
    let narrator = Narrator { link: link.clone() };
    let (reactor, handle) = Reactor::new(account(), Config::default(), exchange, journal, clock, narrator);
    let opener = handle.clone();
    let command = CommandId(args.command);
    tokio::spawn(async move {
        opener.command(command, Command::Open(Box::new(request))).await;
    });
    tokio::select! {
        biased;
        stopped = reactor.run() => {
            stopped.map_err(|error| match error {
                kraite_engine::ReactorError::Journal(error) => Failed::from(error),
                other => Failed::new(Exit::Failure, other),
            })?;
        }
        () = link.closed() => {}
    }
    drop(handle);
    Ok(())
}
