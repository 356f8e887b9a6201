//! The demo's worker: the production reactor on a SQLite journal, with the exchange at the end of a pipe.

use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kraite_core::engine::{Command, CommandId, Config, Effect, Engine, Event, InputKind, Notice};
use kraite_core::exchange::Exchange;
use kraite_core::id::{AccountTag, Symbol};
use kraite_core::journal::{Journal, Record};
use kraite_core::time::{LocalMillis, VenueMillis};
use kraite_engine::{Clock, Observer, Reactor};
use kraite_journal::SqliteJournal;
use kraite_sim::link::pipe::PipeLink;
use kraite_sim::link::{Link, SimExchange};

use super::fail_points::{FailPoints, MortalJournal, MortalLink, MortalObserver, Passing};
use super::{CLOCK_FACTOR, script};
use crate::exit::{Exit, Failed};
use crate::flags::VenueName;
use crate::journal::orders_and_doubts;
use crate::words;

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
                self.link.say(format!("durable, now {}", words::request(request)));
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
        let (orders, doubts) = orders_and_doubts(engine.state().positions.values());
        lines.push(format!("restored from the journal: {orders} orders, {doubts} in doubt"));
    }
    for event in &record.events {
        match event {
            Event::Moved { .. } => lines.push(words::event(event)),
            Event::Merged { id } => {
                if let Some(order) = engine.state().order(*id)
                    && matches!(record.input, InputKind::Answer(_))
                {
                    lines.push(format!("{} found by its client id {id}: {:?}", id.role(), order.status()));
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
    /// Venue time runs this many times as fast as the wall.
    #[arg(long, default_value_t = CLOCK_FACTOR)]
    factor: u32,
    /// A snapshot is stored after this many records.
    #[arg(long, default_value_t = 1_000)]
    snapshot_every: u64,
    /// Ends itself with SIGKILL at this passing of a fail point: `after-send:3`.
    #[arg(long)]
    die_at: Option<Passing>,
    /// Stops itself with SIGSTOP at this passing of a fail point.
    #[arg(long, conflicts_with = "die_at")]
    stop_at: Option<Passing>,
    /// How long after the fail point is reached, in microseconds of the wall.
    #[arg(long, default_value_t = 0)]
    late_us: u64,
    /// How this worker is wrong on purpose, so that those who check can be checked.
    #[cfg(debug_assertions)]
    #[arg(long, value_enum)]
    mutant: Option<super::mutants::Mutant>,
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

async fn work(args: &Args) -> Result<(), Failed> {
    let clock = Clock::scaled_from(LocalMillis(args.now_ms), args.factor);
    let link_clock = clock.clone();
    let link =
        PipeLink::open(BufReader::new(std::io::stdin()), std::io::stdout(), move || VenueMillis(link_clock.now().0));
    let points = FailPoints::new(args.die_at, args.stop_at, Duration::from_micros(args.late_us));
    let file: Arc<dyn Journal> = Arc::new(SqliteJournal::open(&args.journal)?);
    let wire: Arc<dyn Link> = Arc::new(link.clone());
    #[cfg(debug_assertions)]
    let (file, wire) = super::mutants::disguise(args.mutant, file, wire, &args.journal);
    let journal = Arc::new(MortalJournal::new(file, points.clone()));
    let exchange = SimExchange::new(MortalLink::new(wire, points.clone()), args.venue.capabilities());
    let exchange = Arc::new(exchange);
    let symbol = Symbol::new(&args.symbol);
    let instruments = exchange.instruments().await.map_err(Failed::with(Exit::Exchange))?;
    let instrument = instruments
        .into_iter()
        .find(|i| i.symbol == symbol)
        .ok_or_else(|| Failed::new(Exit::Exchange, format!("{symbol} is not listed")))?;
    let mark = exchange.mark_price(&symbol).await.map_err(Failed::with(Exit::Exchange))?;
    let request = script::request(instrument, mark).map_err(Failed::with(Exit::Failure))?;
    let observer = MortalObserver::new(Narrator { link: link.clone() }, points);
    let (reactor, handle) = Reactor::new(account(), Config::default(), exchange, journal, clock, observer);
    let reactor = reactor.snapshot_every(args.snapshot_every);
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
